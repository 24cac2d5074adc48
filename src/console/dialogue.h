/*
 * dialogue: a logged-in console client, and the PostgreSQL protocol it speaks.
 *
 * Simple queries may hold several statements.  The extended protocol is there
 * for drivers that speak nothing else, with statements without parameters.  One
 * command is carried out at a time; what the client sends meanwhile waits.
 *
 *	dialogue_on_input ── message ──> command_run ──┬─ answers at once
 *	                                               └─ starts a task (d->task)
 *	dialogue_go_on  <── task_end, after the task has answered
 *
 * Whoever carries out a command answers it with exactly one of
 * dialogue_complete and dialogue_fail, with notices and rows before.
 */
#ifndef CONSOLE_DIALOGUE_H
#define CONSOLE_DIALOGUE_H

#include "base/report.h"
#include "console/answer.h"
#include "console/inside.h"

/* A statement that was prepared, or a portal made of one. */
struct note {
	LIST_ENTRY(note) link;
	char *text;
	struct formats formats; /* of a portal */
	char name[];
};

LIST_HEAD(note_list, note);

struct dialogue {
	struct console *console;
	struct client *client;
	struct user *user;	/* a reference */
	bool admin;		/* may change things */
	struct task *task;	/* NULL: nothing is under way */
	struct buffer out;	/* answers that were not sent yet */
	char *script;		/* the simple query under way, or NULL */
	const char *rest;	/* of it */
	bool failed;		/* the present statement did */
	bool running;		/* script's loop is on the stack */
	bool executing;		/* the command came by Execute */
	struct formats formats; /* of the portal that it executes; borrowed */
	bool skipping;		/* after an error, up to Sync */
	size_t skip_left;	/* of a message that is too long */
	usec_t since;		/* the first message of this batch; 0: none is under way */
	struct note_list statements, portals;
	unsigned nnotes;
};

/* A client has proved its password. Takes the reference to user. */
struct dialogue *dialogue_new(struct console *k, struct client *c, struct user *user, bool admin);

/* Is a command of this client, who is logged in, under way? */
bool dialogue_is_busy(const struct client *c);

/* Its client is closed: a task goes on without it. */
void dialogue_leave(struct dialogue *d);

/* ... and freed, when nothing else is there any more. */
void dialogue_free(struct dialogue **d);

size_t dialogue_on_input(struct client *c, const uint8_t *p, size_t n);

/* A task has answered. */
void dialogue_go_on(struct dialogue *d);

/* The operator pressed ^C. */
void dialogue_cancel(struct dialogue *d);

/* --- answers --- */

void dialogue_notice(struct dialogue *d, const char *message,
	const char *detail); /* detail may be NULL */
void dialogue_rows(struct dialogue *d, const struct report *r);
void dialogue_complete(struct dialogue *d, const char *tag);
void dialogue_fail(struct dialogue *d, const struct error *e);
void dialogue_fail_with(struct dialogue *d, const char *sqlstate, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#endif
