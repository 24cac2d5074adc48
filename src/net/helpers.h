/*
 * helpers: a few threads for what would hold up a loop (PBKDF2 now; PAM, LDAP).
 *
 * A job is done once: `work` on a helper thread, touching only the job, then
 * the job comes back as mail to the loop that submitted it, whose handler
 * calls job->done.  Who submitted a job may go away meanwhile: it sets
 * job->owner to NULL on its own thread, and `done` only cleans up.
 */
#ifndef NET_HELPERS_H
#define NET_HELPERS_H

#include "net/mailbox.h"

struct helpers;

struct helper_job {
	struct mail mail;			/* kind is set by the submitter's thread */
	void (*work)(struct helper_job *job);	/* helper thread */
	void (*done)(struct helper_job *job);	/* submitter's loop; frees the job */
	void *owner;				/* submitter's loop only; NULL: nobody waits any more */
	struct mailbox *reply;
};

struct helpers *helpers_new(int threads);

/* Joins the threads; jobs that were not started are given to `discard`. */
void helpers_free(struct helpers **h, void (*discard)(struct mail *m));

/* Any thread. Takes job until it is done. */
void helpers_submit(struct helpers *h, struct helper_job *job);

#endif
