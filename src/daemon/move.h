/*
 * move: MOVE TENANT: a tenant's clients are held while its database changes place.
 *
 *	LOOK ──> PROBE ──> HOLD ⟲ ──> SAVE ──> REPOINT ──> over
 *	  │        │        │          │
 *	  └────────┴────────┴──────────┴──> (RELEASE) ──> failed: it is where it was
 *
 *	LOOK     who uses it? (on the workers)
 *	PROBE    is the database at the new place? (daemon/probe.h)  It has a place among those that
 *	         [hosts] allows, as an administrator's connection has.  Nobody is held yet.
 *	HOLD     no server is lent or opened for it (tenant->moving), idle ones are closed, until
 *	         none is left; tenant_move_timeout at most
 *	SAVE     the catalogue gets the new line; if nobody knows whether it did, it is asked
 *	REPOINT  the workers get it, too, and lend again
 *
 * Clients only wait: what they ask for meanwhile is served at the new place.  PAUSE, RESUME,
 * DISABLE, KILL and RELOAD do what they do beside it.
 *
 * The new line is the old one with what MOVE says in its place; a port= does not outlive its
 * host=.
 *
 * Control thread.
 */
#ifndef DAEMON_MOVE_H
#define DAEMON_MOVE_H

#include <bsd/sys/queue.h>

#include "daemon/desk.h"
#include "net/helpers.h"
#include "tenant/host.h"

struct move;

/* What a move works with; borrowed. */
struct move_tools {
	struct desk *desk;
	struct catalogue *catalogue;
	const struct inquirer *inquirer;
	struct mailbox *mailbox;
	int job_mail;
	struct helpers *askers;
	struct hosts *hosts;
};

/* to: what changes in its line.  done is told at the end, behind desk_move_over, never from within this call. */
struct move *move_start(const struct move_tools *tools, const char *name, const char *to, console_done_fn *done, void *arg);

/* At the end of the process: it is not carried on, and, when no worker and no helper runs any more, freed. */
void move_stop(struct move *m);
void move_free(struct move **m);

const char *move_tenant(const struct move *m);

/* old with the settings of `to` in their place; owned by the caller, a secret.  NULL: e says what is wrong. */
char *move_line(const char *old, const char *to, struct error *e);

#endif
