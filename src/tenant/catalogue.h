/*
 * catalogue: tenants that are listed in a table of some PostgreSQL database.
 *
 *	tenant_catalogue = host=... dbname=...      where it is
 *	tenant_query = SELECT ... $1                 one row: connection string, and settings
 *	tenant_channel                               NOTIFY tells what has changed
 *
 * Lives on the control thread, over one connection (tenant/courier.h); nothing waits for it
 * there.  What was found is kept, in a few hundred bytes a tenant: for tenant_ttl, then asked
 * again in the background while the old answer serves on; "no such tenant" for
 * tenant_negative_ttl.  While the catalogue can't be reached, or says what can't be used, the
 * last good answers count, however old; who is not known then is told so (57P03), not that it
 * does not exist.
 *
 *	                 find ──> kept? ──yes──> found
 *	                            │no
 *	                            v
 *	NOTIFY, TTL, a new ──> questions ──courier──> what is kept ──> found, changed
 *	connection
 *
 * After a lost connection, or NOTIFY with "", everything may be something else: all that is
 * kept is asked again, the longest unasked first, a few at a time, behind those who wait.
 *
 * Not more than a bounded number of questions is under way or waits; of further ones the
 * oldest is answered with an error (53400): names that strangers make up can't fill the memory.
 */
#ifndef TENANT_CATALOGUE_H
#define TENANT_CATALOGUE_H

#include "base/error.h"
#include "config/config.h"
#include "net/helpers.h"
#include "net/loop.h"

#define CATALOGUE_QUESTIONS 10000	/* names that are asked for at a time */
#define CATALOGUE_ABSENT 10000		/* names of which it is kept that there are none */
#define CATALOGUE_KNOWN 1000000		/* tenants that are kept */
#define CATALOGUE_LINE 8192		/* bytes of a line */

struct catalogue;
struct courier_pace;
struct hosts;

struct catalogue_ops {
	/* What is known of a tenant has changed: line is its new text, or NULL: it is gone.  Only for those that were asked
	 * for before.  Not for answers to a question. */
	void (*changed)(void *arg, const char *name, const char *line);
};

struct catalogue_facts {
	bool configured, connected;
	size_t known, absent;		/* answers that are kept */
	uint64_t asked, hits;		/* questions to the database; answers from what is kept */
	uint64_t notified;
	usec_t answered_at;		/* wall clock: last answer of the database; 0: none */
	char last_error[200];		/* "" if all is well */
	size_t memory;			/* bytes */
};

/* askers: for names that have to be resolved.  hosts: its connection counts on its host; NULL in tests. */
struct catalogue *catalogue_new(struct loop *l, struct mailbox *mb, int job_mail, struct helpers *askers,
				struct hosts *hosts, const struct config *c, const struct catalogue_ops *ops, void *arg);

/* Nobody is told any more. */
void catalogue_free(struct catalogue **k);

void catalogue_set_config(struct catalogue *k, const struct config *c);

/* patience: how long a question waits for a connection or an answer; 0: the usual. */
void catalogue_set_pace(struct catalogue *k, const struct courier_pace *p, usec_t patience);

/* line: connection string and settings, as text of a line of [databases]; NULL with e: 3D000 (no such tenant), 57P03
 * (can't be asked now, or what it says can't be used), 53400 (too many ask).  Borrowed for the call. */
typedef void catalogue_found_fn(void *arg, const char *line, const struct error *e);

/* found is called once, perhaps from within this call. */
void catalogue_find(struct catalogue *k, const char *name, catalogue_found_fn *found, void *arg);

/* Likewise, but the database is asked, whatever is kept. */
void catalogue_ask(struct catalogue *k, const char *name, catalogue_found_fn *found, void *arg);

/* Write to it: tenant_save_query, tenant_drop_query.  done is called once, perhaps from within this call.  e NULL: it is
 * done, and what is kept says so, too.  42710: is there already; 3D000: is not there; 57P03: it was not asked; 08007:
 * nobody knows whether it is done (catalogue_ask can tell). */
typedef void catalogue_done_fn(void *arg, const struct error *e);
void catalogue_save(struct catalogue *k, const char *name, const char *line, bool must_be_new, catalogue_done_fn *done,
		    void *arg);
void catalogue_drop(struct catalogue *k, const char *name, catalogue_done_fn *done, void *arg);

void catalogue_facts(const struct catalogue *k, struct catalogue_facts *f);

#endif
