/*
 * manage: commands that the daemon carries out (RELOAD, SET, SHUTDOWN, RESET),
 * and KILL_CLIENT.
 */
#ifndef CONSOLE_MANAGE_H
#define CONSOLE_MANAGE_H

struct command;
struct dialogue;
struct sentence;

void manage_reload(struct dialogue *d, const struct command *c, const struct sentence *s);
void manage_set(struct dialogue *d, const struct command *c, const struct sentence *s);
void manage_reset(struct dialogue *d, const struct command *c, const struct sentence *s);
void manage_shutdown(struct dialogue *d, const struct command *c, const struct sentence *s);
void manage_suspend(struct dialogue *d, const struct command *c, const struct sentence *s);
void manage_kill_client(struct dialogue *d, const struct command *c, const struct sentence *s);

#endif
