/*
 * process: what makes a program a well-behaved service.
 *
 * Called before threads start, except process_notify and process_warn_of_files.
 */
#ifndef DAEMON_PROCESS_H
#define DAEMON_PROCESS_H

#include <stdbool.h>
#include <stdint.h>

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

/* Log it if we may not have so many at a time. */
void process_warn_of_files(int64_t files);

/* Sockets that the service manager hands over: the first and how many; 0: none. */
int process_inherited_sockets(int *first);

/* Tell the service manager, as sd_notify does ("READY=1"). */
void process_notify(const char *state);

#endif
