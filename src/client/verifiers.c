#include "client/verifiers.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "client/fingerprint.h"

/* uthash has no memory but ours, and must not tell by its time how much of a fingerprint is right. */
#define uthash_malloc(size) memory_alloc(size)
#define uthash_fatal(message) (log_fatal("%s", message), abort())
#define HASH_KEYCMP(a, b, n) CRYPTO_memcmp(a, b, n)
#include <uthash.h>

/* Salts come from it: a user's is the same at each login, whether there is such a user or not. */
static uint8_t salt_secret[32];

struct hashing {
	struct helper_job job;
	struct verifier_entry *entry;	/* whose verifier it is to be; NULL: nobody's any more */
	char *user, *password;
	int iterations;			/* of the one to be made */
	struct secret secret;		/* the one to be checked against */
	bool fits;
	struct scram_verifier verifier;
};

struct verifier_entry {
	UT_hash_handle hh;
	TAILQ_ENTRY(verifier_entry) link;	/* in `idle` */
	uint8_t print[FINGERPRINT_SIZE];
	struct verifiers *verifiers;
	struct hashing *hashing;		/* under way; NULL: verifier is there */
	TAILQ_HEAD(, verifier_wait) waits;
	struct scram_verifier verifier;
};

struct verifiers {
	struct helpers *helpers;
	struct mailbox *mailbox;
	int job_mail;
	struct verifier_entry *by_print;	/* a hash */
	TAILQ_HEAD(, verifier_entry) idle;	/* with a verifier; least recently used first */
	uint64_t hashes;
};

static void __attribute__((constructor))
draw_salt_secret(void)
{
	if (RAND_bytes(salt_secret, sizeof(salt_secret)) != 1)
		abort();
}

struct verifiers *
verifiers_new(struct helpers *h, struct mailbox *mb, int job_mail)
{
	struct verifiers *vs = memory_zalloc(sizeof(*vs));

	vs->helpers = h;
	vs->mailbox = mb;
	vs->job_mail = job_mail;
	TAILQ_INIT(&vs->idle);
	return vs;
}

/* --- entries --- */

static struct verifier_entry *
add(struct verifiers *vs, const uint8_t print[FINGERPRINT_SIZE])
{
	struct verifier_entry *e = memory_zalloc(sizeof(*e));

	e->verifiers = vs;
	memcpy(e->print, print, sizeof(e->print));
	TAILQ_INIT(&e->waits);
	HASH_ADD(hh, vs->by_print, print, FINGERPRINT_SIZE, e);
	return e;
}

/* It is not in `idle`. */
static void
drop(struct verifier_entry *e)
{
	HASH_DEL(e->verifiers->by_print, e);
	memory_wipe(e, sizeof(*e));
	free(e);
}

static void
drop_oldest(struct verifiers *vs)
{
	struct verifier_entry *e = TAILQ_FIRST(&vs->idle);

	TAILQ_REMOVE(&vs->idle, e, link);
	drop(e);
}

static struct verifier_entry *
find(struct verifiers *vs, const uint8_t print[FINGERPRINT_SIZE])
{
	struct verifier_entry *e;

	HASH_FIND(hh, vs->by_print, print, FINGERPRINT_SIZE, e);
	return e;
}

void
verifiers_free(struct verifiers **vsp)
{
	struct verifiers *vs = *vsp;
	struct verifier_entry *e, *next;

	if (vs == NULL)
		return;
	*vsp = NULL;
	while (!TAILQ_EMPTY(&vs->idle))
		drop_oldest(vs);
	HASH_ITER(hh, vs->by_print, e, next) {
		e->hashing->entry = NULL;
		drop(e);
	}
	free(vs);
}

/* --- hashing --- */

static void
free_hashing(struct hashing *h)
{
	secret_release(&h->secret);
	memory_free_secret(h->password);
	memory_wipe(&h->verifier, sizeof(h->verifier));
	free(h->user);
	free(h);
}

static void
work_make(struct helper_job *job)
{
	struct hashing *h = container_of(job, struct hashing, job);

	scram_make_stable_verifier(h->password, h->user, salt_secret, h->iterations, &h->verifier);
	h->fits = true;
}

static void
work_check(struct helper_job *job)
{
	struct hashing *h = container_of(job, struct hashing, job);

	h->fits = password_verify(&h->secret, "", h->password);
	if (h->fits)
		h->verifier = *h->secret.verifier;
}

/* Who is told may ask again, and meets this entry, or may leave others. */
static void
tell_all(struct verifier_entry *e, const struct scram_verifier *v)
{
	struct verifier_wait *w;

	while ((w = TAILQ_FIRST(&e->waits)) != NULL) {
		TAILQ_REMOVE(&e->waits, w, link);
		w->entry = NULL;
		w->done(w, v);
	}
}

static void
settle(struct verifier_entry *e, const struct hashing *h)
{
	struct verifiers *vs = e->verifiers;

	tell_all(e, h->fits ? &h->verifier : NULL);
	e->hashing = NULL;
	if (!h->fits) {
		drop(e);
		return;
	}
	e->verifier = h->verifier;
	TAILQ_INSERT_TAIL(&vs->idle, e, link);
	while (verifiers_count(vs) > VERIFIERS_MAX && TAILQ_FIRST(&vs->idle) != e)
		drop_oldest(vs);
}

static void
done_hashing(struct helper_job *job)
{
	struct hashing *h = container_of(job, struct hashing, job);

	if (job->owner == NULL)
		h->fits = false;	/* thrown away, perhaps before it was begun */
	if (h->entry != NULL)
		settle(h->entry, h);
	free_hashing(h);
}

static void
submit(struct verifier_entry *e, struct hashing *h, void (*work)(struct helper_job *job))
{
	struct verifiers *vs = e->verifiers;

	h->entry = e;
	h->job.work = work;
	h->job.done = done_hashing;
	h->job.owner = vs;
	h->job.reply = vs->mailbox;
	h->job.mail.kind = vs->job_mail;
	e->hashing = h;
	vs->hashes++;
	helpers_submit(vs->helpers, &h->job);
}

static void
wait_for(struct verifier_entry *e, struct verifier_wait *w)
{
	w->entry = e;
	TAILQ_INSERT_TAIL(&e->waits, w, link);
}

void
verifiers_leave(struct verifiers *vs, struct verifier_wait *w)
{
	struct verifier_entry *e = w->entry;

	if (e == NULL)
		return;
	w->entry = NULL;
	TAILQ_REMOVE(&e->waits, w, link);
	/* Else who connects, sends and leaves could pile up work without end. */
	if (TAILQ_EMPTY(&e->waits) && helpers_withdraw(vs->helpers, &e->hashing->job)) {
		vs->hashes--;
		free_hashing(e->hashing);
		drop(e);
	}
}

/* --- asking --- */

void
verifiers_mock(const char *user, int iterations, struct scram_verifier *v)
{
	scram_mock_verifier(user, salt_secret, iterations, v);
}

/* What is known, or is being made: then w waits for it.  *new: neither, and w waits for who makes it. */
static const struct scram_verifier *
look_up(struct verifiers *vs, const struct fingerprint_piece *pieces, size_t n, struct verifier_wait *w,
	struct verifier_entry **new)
{
	uint8_t print[FINGERPRINT_SIZE];
	struct verifier_entry *e;

	*new = NULL;
	fingerprint_take(pieces, n, print);
	e = find(vs, print);
	if (e != NULL && e->hashing == NULL) {
		TAILQ_REMOVE(&vs->idle, e, link);
		TAILQ_INSERT_TAIL(&vs->idle, e, link);
		return &e->verifier;
	}
	if (e == NULL)
		e = *new = add(vs, print);
	wait_for(e, w);
	return NULL;
}

const struct scram_verifier *
verifiers_make(struct verifiers *vs, const char *user, const char *password, int iterations, struct verifier_wait *w)
{
	const struct fingerprint_piece pieces[] = {
		{ "make", 4 },
		{ user, strlen(user) },
		{ password, strlen(password) },
		{ &iterations, sizeof(iterations) },
	};
	struct verifier_entry *new;
	const struct scram_verifier *v = look_up(vs, pieces, lengthof(pieces), w, &new);

	if (new != NULL) {
		struct hashing *h = memory_zalloc(sizeof(*h));

		h->user = memory_strdup(user);
		h->password = memory_strdup(password);
		h->iterations = iterations;
		submit(new, h, work_make);
	}
	return v;
}

const struct scram_verifier *
verifiers_check(struct verifiers *vs, const struct secret *secret, const char *password, struct verifier_wait *w)
{
	const struct fingerprint_piece pieces[] = {
		{ "check", 5 },
		{ secret->text, strlen(secret->text) },
		{ password, strlen(password) },
	};
	struct verifier_entry *new;
	const struct scram_verifier *v = look_up(vs, pieces, lengthof(pieces), w, &new);

	if (new != NULL) {
		struct hashing *h = memory_zalloc(sizeof(*h));

		h->password = memory_strdup(password);
		secret_copy(&h->secret, secret);
		submit(new, h, work_check);
	}
	return v;
}

uint64_t
verifiers_hashes(const struct verifiers *vs)
{
	return vs->hashes;
}

size_t
verifiers_count(const struct verifiers *vs)
{
	return HASH_COUNT(vs->by_print);
}
