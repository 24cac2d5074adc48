/*
 * control: the thread that does all that is not a query: signals, reload, the
 * console, statistics, shutdown.
 */
#ifndef DAEMON_CONTROL_H
#define DAEMON_CONTROL_H

#include "config/config.h"
#include "net/listener.h"

struct control;

/* Make the workers and the console.  Takes the reference to c.  path: for reload. */
struct control *control_new(const struct config *c, const char *path, struct listener_set *tcp,
			    struct listener_set *local);

/* Run until shutdown; then everything is closed and freed. */
void control_run(struct control **k);


#endif
