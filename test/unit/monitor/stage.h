/*
 * stage: what tests of the monitor have in common: a directory with the main log in it, a
 * loop, settings, slow queries.
 *
 *	TestSuite(name, .init = stage_begin, .fini = stage_end);
 */
#ifndef TEST_MONITOR_STAGE_H
#define TEST_MONITOR_STAGE_H

#include <jansson.h>

#include "config/config.h"
#include "net/helpers.h"
#include "net/mailbox.h"
#include "session/inquiry.h"
#include "stats/slow_query.h"

#define WORKERS 2

struct stage {
	char dir[32];
	struct loop *loop;
	struct mailbox *mailbox;
	struct helpers *askers;
	struct inquirer inquirer;	/* visits these shards, in a later turn of the loop */
	struct shard *shards;
	const struct config *config;
	int asked;			/* inquiries so far */
};

extern struct stage stage;

void stage_begin(void);
void stage_end(void);

/* "DIR/name"; good until the next call but one. */
const char *stage_path(const char *name);

/* Lines of [pgbouncer]. */
void stage_configure(const char *lines);

/* How often a file of the directory, or the main log, has this text. */
int stage_count(const char *file, const char *text);
int stage_logged(const char *text);

/* The nth line of a file (0 is the first), which must be there; freed by the caller. */
char *stage_line(const char *file, int n);
int stage_lines(const char *file);

/* Likewise, as JSON. */
json_t *stage_json(const char *file, int n);

/* What a slow query of a tenant is like that took so long. */
struct slow_query *stage_slow(const char *tenant, usec_t total);

/* Serve the loop until the mailbox, the helpers and time have done what is asked; fails after ten seconds. */
void stage_until(bool (*is)(void *arg), void *arg, const char *what);

#endif
