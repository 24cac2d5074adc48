/*
 * desk: where tenants of the catalogue are asked for, made, changed, moved and dropped.
 *
 * It stands between the catalogue and the workers, on the control thread: questions come by
 * mail and go back with their answer; what the catalogue says has changed is carried to all
 * workers, several at a time; the commands of the console write the catalogue and are answered
 * when every worker has the new line.
 *
 * While a tenant is being moved (daemon/move.h) its line belongs to the move: questions wait
 * for its end, changes are carried on then, and other commands are refused (55006).
 */
#ifndef DAEMON_DESK_H
#define DAEMON_DESK_H

#include "console/console.h"
#include "net/helpers.h"
#include "session/arrival.h"
#include "session/inquiry.h"

struct catalogue;
struct desk;
struct move;

/* found_mail: what an answered question is posted as. */
struct desk *desk_new(struct loop *l, struct mailbox *mb, int job_mail, int found_mail, struct helpers *askers,
		      struct hosts *hosts, const struct inquirer *inquirer, const struct config *c);

/* The end, while helpers still run: nothing is asked and nobody is told any more. */
void desk_close(struct desk *d);

/* Behind that, when no worker, no helper and no loop is there any more. */
void desk_free(struct desk **d);

void desk_set_config(struct desk *d, const struct config *c);
struct catalogue *desk_catalogue(struct desk *d);	/* borrowed */

/* A worker asks for a tenant; takes q, which goes back to q->reply. */
void desk_answer(struct desk *d, struct tenant_question *q);

/* console_ops.  done is called once, perhaps from within this call. */
void desk_create(struct desk *d, const char *name, const char *line, console_done_fn *done, void *arg);
void desk_alter(struct desk *d, const char *name, const char *line, console_done_fn *done, void *arg);
void desk_drop(struct desk *d, const char *name, console_done_fn *done, void *arg);
void desk_move(struct desk *d, const char *name, const char *line, console_done_fn *done, void *arg);

/* --- for moves --- */

/* The move of a tenant is over: what waited for that goes on. */
void desk_move_over(struct desk *d, struct move *m);

#endif
