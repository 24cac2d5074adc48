/*
 * Many logins, one hash.
 */
#include "stage.h"

#include <pthread.h>
#include <unistd.h>

TestSuite(verifiers, .init = stage_begin, .fini = stage_end);

struct waiter {
	struct verifier_wait wait;
	int told;
	bool fits;
	struct scram_verifier verifier;
};

static void
on_done(struct verifier_wait *w, const struct scram_verifier *v)
{
	struct waiter *me = container_of(w, struct waiter, wait);

	me->told++;
	me->fits = v != NULL;
	if (v != NULL)
		me->verifier = *v;
}

static bool
is_told(void *arg)
{
	return ((struct waiter *)arg)->told > 0;
}

/* false: it has to wait. */
static bool
make(const char *user, const char *password, int iterations, struct waiter *w)
{
	const struct scram_verifier *v;

	memset(w, 0, sizeof(*w));
	w->wait.done = on_done;
	v = verifiers_make(env.verifiers, user, password, iterations, &w->wait);
	if (v != NULL)
		w->verifier = *v;
	return v != NULL;
}

static bool
check(const char *secret_text, const char *password, struct waiter *w)
{
	const struct scram_verifier *v;
	struct secret secret;

	memset(w, 0, sizeof(*w));
	w->wait.done = on_done;
	secret_parse(&secret, secret_text);
	v = verifiers_check(env.verifiers, &secret, password, &w->wait);
	secret_release(&secret);
	return v != NULL;
}

/* A helper that does nothing until it is let. */

static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;

static void
wait_at_gate(struct helper_job *job)
{
	(void)job;
	pthread_mutex_lock(&gate);
	pthread_mutex_unlock(&gate);
}

static void
free_job(struct helper_job *job)
{
	free(job);
}

static void
occupy_helper(void)
{
	struct helper_job *job = memory_zalloc(sizeof(*job));

	pthread_mutex_lock(&gate);
	job->work = wait_at_gate;
	job->done = free_job;
	job->reply = env.mailbox;
	helpers_submit(env.helpers, job);
}

static void
release_helper(void)
{
	pthread_mutex_unlock(&gate);
}

Test(verifiers, are_made_once)
{
	struct waiter a, b;
	struct scram_verifier mock;

	cr_assert_not(make("alice", "secret", 4096, &a));
	cr_assert(until(loop, is_told, &a));
	cr_assert(a.fits);
	cr_assert(make("alice", "secret", 4096, &b));
	cr_assert_eq(memcmp(&a.verifier, &b.verifier, sizeof(a.verifier)), 0);
	cr_assert_eq(verifiers_hashes(env.verifiers), 1);
	verifiers_mock("alice", 4096, &mock);
	cr_assert_eq(mock.salt_size, a.verifier.salt_size);
	cr_assert_eq(memcmp(mock.salt, a.verifier.salt, mock.salt_size), 0);
	cr_assert_neq(memcmp(mock.stored_key, a.verifier.stored_key, SCRAM_KEY), 0);
}

Test(verifiers, of_another_password_or_user_or_cost_are_others)
{
	struct waiter a;

	cr_assert_not(make("alice", "secret", 4096, &a));
	cr_assert(until(loop, is_told, &a));
	cr_assert_not(make("alice", "secreT", 4096, &a));
	cr_assert(until(loop, is_told, &a));
	cr_assert_not(make("alicE", "secret", 4096, &a));
	cr_assert(until(loop, is_told, &a));
	cr_assert_not(make("alice", "secret", 4097, &a));
	cr_assert(until(loop, is_told, &a));
	cr_assert_not(make("alices", "ecret", 4096, &a));
	cr_assert(until(loop, is_told, &a));
	cr_assert_eq(verifiers_hashes(env.verifiers), 5);
	cr_assert_eq(verifiers_count(env.verifiers), 5);
	cr_assert(make("alice", "secret", 4096, &a));
}

Test(verifiers, a_right_password_is_known_again_and_a_wrong_one_is_not)
{
	char secret[400];
	struct waiter a;

	snprintf(secret, sizeof(secret), "%s", scram_secret("secret"));
	cr_assert_not(check(secret, "secret", &a));
	cr_assert(until(loop, is_told, &a) && a.fits);
	cr_assert(check(secret, "secret", &a));
	for (int i = 0; i < 2; i++) {
		cr_assert_not(check(secret, "wrong", &a));
		cr_assert(until(loop, is_told, &a) && !a.fits);
	}
	cr_assert_eq(verifiers_count(env.verifiers), 1);
	cr_assert_eq(verifiers_hashes(env.verifiers), 3);
	/* The password was changed: what was right is not any more. */
	cr_assert_not(check(scram_secret("other"), "secret", &a));
	cr_assert(until(loop, is_told, &a) && !a.fits);
}

Test(verifiers, many_wait_for_one_job_and_any_may_leave)
{
	struct waiter waiters[50];

	occupy_helper();
	for (size_t i = 0; i < lengthof(waiters); i++)
		cr_assert_not(make("alice", "secret", 4096, &waiters[i]));
	for (size_t i = 0; i < lengthof(waiters); i += 2)
		verifiers_leave(env.verifiers, &waiters[i].wait);
	release_helper();
	cr_assert(until(loop, is_told, &waiters[49]));
	for (size_t i = 0; i < lengthof(waiters); i++) {
		cr_assert_eq(waiters[i].told, i % 2);
		cr_assert_null(waiters[i].wait.entry);
		verifiers_leave(env.verifiers, &waiters[i].wait);
	}
	cr_assert_eq(verifiers_hashes(env.verifiers), 1);
}

/* Who connects, sends a password and leaves, again and again, must not pile up work. */
Test(verifiers, what_nobody_waits_for_is_not_begun)
{
	struct waiter a;
	char password[20];

	occupy_helper();
	for (int i = 0; i < 100; i++) {
		snprintf(password, sizeof(password), "p%d", i);
		cr_assert_not(check(scram_secret("secret"), password, &a));
		verifiers_leave(env.verifiers, &a.wait);
		cr_assert_eq(verifiers_count(env.verifiers), 0);
	}
	release_helper();
	cr_assert_eq(verifiers_hashes(env.verifiers), 0);
	cr_assert_not(make("alice", "secret", 4096, &a));
	cr_assert(until(loop, is_told, &a));
}

/* All left after the helper began: what it made is kept for the next. */
Test(verifiers, what_was_begun_is_kept)
{
	struct waiter a, b;

	cr_assert_not(make("alice", "secret", 100000, &a));
	cr_assert_not(make("bob", "secret", 4096, &b));
	cr_assert(until(loop, is_told, &b));
	cr_assert_eq(a.told, 1, "one helper: the first was done before");
	cr_assert(make("alice", "secret", 100000, &a));
}

Test(verifiers, are_bounded_and_the_least_used_goes)
{
	struct waiter a;
	char user[20];

	cr_assert_not(make("first", "x", 1, &a));
	cr_assert(until(loop, is_told, &a));
	cr_assert_not(make("second", "x", 1, &a));
	for (int i = 2; i < VERIFIERS_MAX; i += 500) {
		struct waiter *w = memory_zalloc(500 * sizeof(*w));
		int n = VERIFIERS_MAX - i < 500 ? VERIFIERS_MAX - i : 500;

		for (int j = 0; j < n; j++) {
			snprintf(user, sizeof(user), "u%d", i + j);
			cr_assert_not(make(user, "x", 1, &w[j]));
		}
		cr_assert(until(loop, is_told, &w[n - 1]));
		free(w);
	}
	cr_assert_eq(verifiers_count(env.verifiers), VERIFIERS_MAX);
	cr_assert(make("first", "x", 1, &a));
	cr_assert_not(make("one more", "x", 1, &a));
	cr_assert(until(loop, is_told, &a));
	cr_assert_eq(verifiers_count(env.verifiers), VERIFIERS_MAX);
	cr_assert(make("first", "x", 1, &a));
	cr_assert(make("one more", "x", 1, &a));
	cr_assert_not(make("second", "x", 1, &a));
	cr_assert(until(loop, is_told, &a));
}

/* What the helpers had not begun when all ends is thrown away, whether the cache or the mail goes first. */
Test(verifiers, go_while_work_is_under_way)
{
	static struct waiter a, b;	/* they wait longer than this function */

	occupy_helper();
	cr_assert_not(make("alice", "secret", 4096, &a));
	cr_assert_not(check(scram_secret("secret"), "secret", &b));
	verifiers_free(&env.verifiers);
	release_helper();
	env.verifiers = verifiers_new(env.helpers, env.mailbox, env.job_mail);
	cr_assert_not(make("alice", "secret", 4096, &b));
	cr_assert(until(loop, is_told, &b));
	cr_assert_eq(a.told, 0);
	occupy_helper();
	cr_assert_not(make("bob", "secret", 4096, &a));
	release_helper();
}

/* --- as clients see it --- */

#define CROWD 100

static struct {
	struct client *clients[CROWD];
	int peers[CROWD];
} crowd;

Test(verifiers, five_hundred_logins_cost_one_hash)
{
	for (int i = 0; i < 500; i++) {
		ask(LOGIN_SCRAM, "secret");
		/* The application hashes, too: let it do so once in a while only. */
		if (i % 25 == 0)
			cr_assert(prove("secret"));
	}
	cr_assert_eq(verifiers_hashes(env.verifiers), 1);
	for (int i = 0; i < 500; i++) {
		static char scram[400];

		if (i == 0)
			snprintf(scram, sizeof(scram), "%s", scram_secret("secret"));
		ask(LOGIN_PLAIN, scram);
		cr_assert(prove("secret"));
	}
	cr_assert_eq(verifiers_hashes(env.verifiers), 2);
}

static int authenticated;

static void
count_authenticated(struct client *c)
{
	(void)c;
	authenticated++;
}

static void
on_freed(struct client *c)
{
	for (int i = 0; i < CROWD; i++) {
		if (crowd.clients[i] == c)
			crowd.clients[i] = NULL;
	}
}

static bool
are_all_in(void *arg)
{
	return authenticated == *(int *)arg;
}

/* They send their passwords before the first is known to be right; some leave meanwhile. */
Test(verifiers, a_crowd_waits_for_one_hash)
{
	struct client_ops crowd_ops = ops;
	char *secret = scram_secret("secret");
	int left = CROWD - CROWD / 4;

	crowd_ops.authenticated = count_authenticated;
	crowd_ops.freed = on_freed;
	for (int i = 0; i < CROWD; i++) {
		arrive();
		client->ops = &crowd_ops;
		crowd.clients[i] = client;
		crowd.peers[i] = peer;
		tell_startup(STARTUP_VERSION_3_0, alice);
		demand(LOGIN_PLAIN, secret);
		peer = -1;
		client = NULL;
	}
	occupy_helper();
	for (int i = 0; i < CROWD; i++)
		cr_assert_eq(write(crowd.peers[i], "p\0\0\0\x0bsecret\0", 12), 12);
	turn(loop);
	for (int i = 0; i < CROWD; i += 4)
		client_close(crowd.clients[i], NULL, "gone");
	turn(loop);
	cr_assert_eq(authenticated, 0);
	release_helper();
	cr_assert(until(loop, are_all_in, &left));
	cr_assert_eq(verifiers_hashes(env.verifiers), 1);
	for (int i = 0; i < CROWD; i++) {
		if (crowd.clients[i] != NULL)
			client_close(crowd.clients[i], NULL, "done");
		close(crowd.peers[i]);
	}
	turn(loop);
}
