/*
 * manage: commands that the daemon carries out (RELOAD, SET, SHUTDOWN), and
 * KILL_CLIENT.
 */
#ifndef CONSOLE_MANAGE_H
#define CONSOLE_MANAGE_H

struct command;
struct operator;
struct sentence;

void manage_reload(struct operator *op, const struct command *c, const struct sentence *s);
void manage_set(struct operator *op, const struct command *c, const struct sentence *s);
void manage_shutdown(struct operator *op, const struct command *c, const struct sentence *s);
void manage_suspend(struct operator *op, const struct command *c, const struct sentence *s);
void manage_kill_client(struct operator *op, const struct command *c, const struct sentence *s);

#endif
