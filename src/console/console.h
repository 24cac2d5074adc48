/*
 * console: the admin console, a PostgreSQL server of its own on the databases
 * "pgbouncer" and "pgusher".
 *
 * It lives on the control thread, with its own clients (moved here after their
 * startup packet).  What it tells of the workers it asks them for: an inquiry
 * visits every shard on the shard's own thread, after what was ready there has
 * been served, so that numbers are exact right after an event; then it is
 * finished here.  Commands that change something are inquiries too, and are
 * answered when every worker has done its part.
 *
 * A command is a row of the table in command.c and a file or a function.
 */
#ifndef CONSOLE_CONSOLE_H
#define CONSOLE_CONSOLE_H

#include "client/client.h"
#include "config/config.h"
#include "reports/reports.h"
#include "session/inquiry.h"

struct console;

enum shutdown_mode {
	SHUTDOWN_NOW,			/* SHUTDOWN, SIGQUIT */
	SHUTDOWN_WAIT_FOR_SERVERS,	/* SIGINT: as PAUSE, then exit */
	SHUTDOWN_WAIT_FOR_CLIENTS,	/* SIGTERM: no new clients, exit when the last has gone */
};

typedef void console_done_fn(void *arg, const struct error *e);	/* e NULL: it is done */

/* What the daemon does for the console; all on the control thread. */
struct console_ops {
	const struct inquirer *inquirer;
	/* Read the configuration again / with key = value, and answer when all workers have taken it. */
	void (*reload)(void *daemon, console_done_fn *done, void *arg);
	void (*set)(void *daemon, const char *key, const char *value, console_done_fn *done, void *arg);
	void (*shutdown)(void *daemon, enum shutdown_mode mode);
	void (*reset_statistics)(void *daemon, void (*done)(void *arg), void *arg);	/* RESET STATS */
	bool (*stopping)(void *daemon);
	void (*look_up)(void *daemon, struct lookup *k);	/* to the worker that owns its database; takes k */
	/* CREATE, ALTER, DROP TENANT: to the catalogue.  line: connection string and settings. */
	void (*create_tenant)(void *daemon, const char *name, const char *line, console_done_fn *done, void *arg);
	void (*alter_tenant)(void *daemon, const char *name, const char *line, console_done_fn *done, void *arg);
	void (*drop_tenant)(void *daemon, const char *name, console_done_fn *done, void *arg);
	/* MOVE TENANT: hold its clients, let its servers finish, repoint it, go on; undone if that fails. */
	void (*move_tenant)(void *daemon, const char *name, const char *line, console_done_fn *done, void *arg);
};

/* r is borrowed; the console puts its own facts into it. */
struct console *console_new(struct loop *l, struct mailbox *mb, int job_mail, struct reports *r,
			    const struct console_ops *ops, void *daemon);

/* Close all its clients, telling them e. What they hold is freed at the end of the turn; then console_free. */
void console_close(struct console *k, const struct error *e);
void console_free(struct console **k);

/* A client that a shard moved here (its startup packet is there, CLIENT_HELD), or a cancel request that
 * no shard could place. Takes it. */
void console_adopt(struct console *k, struct client *c);

/* Several times a second: login deadline. A stats_period is over. */
void console_upkeep(struct console *k);

/* PAUSE and RESUME, of all; nobody waits for the answer. */
void console_pause(struct console *k);
void console_resume(struct console *k);
void console_roll_statistics(struct console *k);

/* Clients of the console, for KILL_CLIENT. false: not here. */
bool console_kill_client(struct console *k, uint32_t id, const struct error *e);

#endif
