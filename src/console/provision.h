/*
 * provision: CREATE, ALTER, DROP and MOVE TENANT.
 *
 * The daemon carries them out (console_ops): the first three write the catalogue, MOVE
 * holds the tenant's clients for a moment.  A line is what stands behind "name =" in
 * [databases]: a connection string and settings; it may hold a password, and is neither
 * logged nor shown.
 */
#ifndef CONSOLE_PROVISION_H
#define CONSOLE_PROVISION_H

struct command;
struct dialogue;
struct sentence;

void provision_create(struct dialogue *d, const struct command *c, const struct sentence *s);
void provision_alter(struct dialogue *d, const struct command *c, const struct sentence *s);
void provision_drop(struct dialogue *d, const struct command *c, const struct sentence *s);
void provision_move(struct dialogue *d, const struct command *c, const struct sentence *s);

#endif
