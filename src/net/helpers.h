/*
 * helpers: a few threads for what would hold up a loop (PBKDF2, PAM, LDAP, PostgreSQL's parser).
 *
 * A job is done once: `work` on a helper thread, touching only the job, then
 * the job comes back as mail to the loop that submitted it, whose handler
 * calls job->done.  Who submitted a job may go away meanwhile: it sets
 * job->owner to NULL on its own thread, and `done` only cleans up.
 *
 * A thread is started when there is a job for it, so helpers that nobody asks
 * cost nothing.  Once started it stays.
 */
#ifndef NET_HELPERS_H
#define NET_HELPERS_H

#include <stdbool.h>

#include "net/mailbox.h"

#define HELPERS_QUEUE 1000	/* jobs that may wait; see helpers_offer */

struct helpers;

struct helper_job {
	struct mail mail;			/* kind is set by the submitter's thread */
	void (*work)(struct helper_job *job);	/* helper thread */
	void (*done)(struct helper_job *job);	/* submitter's loop; frees the job */
	void *owner;				/* submitter's loop only; NULL: nobody waits any more */
	struct mailbox *reply;
};

/* So many at most. */
struct helpers *helpers_new(int threads);

/* When no thread submits any more, and before the mailboxes go.  Jobs that were not started are given to `discard`.
 * Who is at work is waited for, two seconds at most (a directory may hang): later than that, nothing is posted, and
 * the job is given to `discard` on its helper's thread, so that must not mind which one it is. */
void helpers_free(struct helpers **h, void (*discard)(struct mail *m));

/* Any thread.  Takes job until it is done. */
void helpers_submit(struct helpers *h, struct helper_job *job);

/* Likewise, unless so many wait already that it would take too long, or no thread can be had: false, and job is still
 * the caller's. */
bool helpers_offer(struct helpers *h, struct helper_job *job);

/* Likewise, for what nobody waits for: it is begun when no other job waits, and if one thread at least is left for
 * those (unless there is one in all). */
bool helpers_offer_spare(struct helpers *h, struct helper_job *job);

/* Take back a job that no thread has begun: true, and it is the caller's again.  false: it comes as mail.  Any thread.
 * Not for spare ones. */
bool helpers_withdraw(struct helpers *h, struct helper_job *job);

#endif
