/*
 * verifiers: what PBKDF2 has made of passwords, so that it need not be done at
 * every login.
 *
 *	plain password of a user  ── verifiers_make ──> its SCRAM verifier
 *	password from a client    ── verifiers_check ─> does it fit a SCRAM verifier?
 *
 * What is not known yet is a helper's job.  Logins that ask for the same thing
 * meanwhile wait for that one job, and any of them may leave; a job that nobody
 * waits for any more, and that was not begun, is taken back.
 *
 * A password is never kept: an entry is found by a fingerprint of the password
 * and all that the result depends on (client/fingerprint.h), so another
 * password, or another verifier, is another entry.  A password that was found
 * wrong leaves nothing.  At most VERIFIERS_MAX entries, the least recently used
 * go first and are wiped.
 *
 * One for each loop: no lock.
 */
#ifndef CLIENT_VERIFIERS_H
#define CLIENT_VERIFIERS_H

#include <bsd/sys/queue.h>
#include <stdint.h>

#include "auth/scram.h"
#include "auth/secret.h"
#include "net/helpers.h"

#define VERIFIERS_MAX 20000

struct verifiers;
struct verifier_entry;

/* One who waits; embedded in whoever that is, zeroed at first. */
struct verifier_wait {
	TAILQ_ENTRY(verifier_wait) link;
	struct verifier_entry *entry;		/* NULL: waits for nothing */
	/* Set by who waits.  v is borrowed for the call; NULL: the password does not fit. */
	void (*done)(struct verifier_wait *w, const struct scram_verifier *v);
};

/* Jobs go to h and come back as mail of this kind. */
struct verifiers *verifiers_new(struct helpers *h, struct mailbox *mb, int job_mail);

/* When nobody waits any more; jobs may still be under way.  NULL is fine. */
void verifiers_free(struct verifiers **vs);

/* A verifier that no password fits; the same salt each time as that of the user's true one, in all threads. */
void verifiers_mock(const char *user, int iterations, struct scram_verifier *v);

/* The verifier of this user's plain password, borrowed until the next call; NULL: w->done will tell. */
const struct scram_verifier *verifiers_make(
	struct verifiers *vs, const char *user, const char *password, int iterations, struct verifier_wait *w);

/* Does the password fit this secret, which is a SCRAM verifier?  A verifier: yes; NULL: w->done will tell. */
const struct scram_verifier *verifiers_check(
	struct verifiers *vs, const struct secret *secret, const char *password, struct verifier_wait *w);

/* Wait no longer.  Fine if it does not. */
void verifiers_leave(struct verifiers *vs, struct verifier_wait *w);

/* Times that PBKDF2 was asked for, and entries that are kept. */
uint64_t verifiers_hashes(const struct verifiers *vs);
size_t verifiers_count(const struct verifiers *vs);

#endif
