/*
 * metrics_process: what the system says of this process.  Linux; what can't be told is -1.
 */
#ifndef HTTP_METRICS_PROCESS_H
#define HTTP_METRICS_PROCESS_H

#include <stdint.h>

#include "base/clock.h"

struct metrics_process {
	usec_t started_at;	/* wall clock */
	usec_t cpu;		/* of all threads, user and system */
	int64_t resident_bytes;
	int64_t open_fds, max_fds;
};

void metrics_process_read(struct metrics_process *p);

#endif
