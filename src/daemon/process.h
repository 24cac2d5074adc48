/*
 * process: what makes a program a well-behaved service.
 *
 * Called before threads start, except process_notify.
 */
#ifndef DAEMON_PROCESS_H
#define DAEMON_PROCESS_H

#include <stdbool.h>

#include "base/error.h"

/* Go to the background: fork, new session, stdin/out/err to /dev/null. */
bool process_detach(struct error *e);

/* Become user (and its groups). false: e says why. */
bool process_become(const char *user, struct error *e);

/* Write our pid; refuses if another live process stands there. "" or NULL: nothing to do. */
bool process_write_pid(const char *path, struct error *e);
void process_remove_pid(const char *path);

/* As many descriptors as the system lets us have. */
void process_raise_limits(void);

/* Sockets that the service manager hands over: the first and how many; 0: none. */
int process_inherited_sockets(int *first);

/* Tell the service manager, as sd_notify does ("READY=1"). */
void process_notify(const char *state);

#endif
