/*
 * ban: BAN and UNBAN (client/bans.h).
 *
 *	BAN 10.0.0.7				everything of this address, for good
 *	BAN 10.1.0.0/16 AT acme FOR 3600 'scans'
 *	UNBAN 10.1.0.0/16 AT acme
 *
 * A ban is for who comes from now on: connections that are there stay (KILL_CLIENT).
 */
#ifndef CONSOLE_BAN_H
#define CONSOLE_BAN_H

struct command;
struct dialogue;
struct sentence;

void ban_run(struct dialogue *d, const struct command *c, const struct sentence *s);
void ban_lift(struct dialogue *d, const struct command *c, const struct sentence *s);

#endif
