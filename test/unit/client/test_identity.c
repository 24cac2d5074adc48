/*
 * Somebody else is asked whether a password is right, and may take his time.
 */
#include "stage.h"

#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "identity/identity.h"

/* --- PAM and a directory, as this test plays them --- */

static struct {
	pthread_mutex_t lock;	/* held: they hang */
	enum identity_verdict verdict;
	atomic_int begun;
	int asked;
	char user[100], password[100], host[100], options[200];
} others = { .lock = PTHREAD_MUTEX_INITIALIZER };

static enum identity_verdict
decide(const char *host, const char *options, const char *user, const char *password, struct error *e)
{
	enum identity_verdict verdict;

	atomic_fetch_add(&others.begun, 1);
	pthread_mutex_lock(&others.lock);
	others.asked++;
	if (host[0] != '\0')
		snprintf(others.host, sizeof(others.host), "%s", host);
	if (options[0] != '\0')
		snprintf(others.options, sizeof(others.options), "%s", options);
	snprintf(others.user, sizeof(others.user), "%s", user);
	snprintf(others.password, sizeof(others.password), "%s", password);
	verdict = others.verdict;
	pthread_mutex_unlock(&others.lock);
	error_set(e, SEVERITY_ERROR, "08006", "nobody is there");
	return verdict;
}

enum identity_verdict
pam_check(const char *user, const char *password, const char *host, struct error *e)
{
	return decide(host != NULL ? host : "(none)", "", user, password, e);
}

enum identity_verdict
ldap_check(const char *options, const char *user, const char *password, struct error *e)
{
	return decide("", options, user, password, e);
}

TestSuite(client_identity, .init = stage_begin, .fini = stage_end);

static void
demand_with(enum login_method method, const char *reason)
{
	const struct login_demand d = {
		.method = method,
		.ldap_options = "ldapserver=x",
		.refusal = "wrong",
		.reason = reason,
	};

	arrive_by_tcp();
	forget_failures();
	tell_startup(STARTUP_VERSION_3_0, alice);
	client_authenticate(client, &d);
}

Test(client_identity, verdicts)
{
	static const enum login_method methods[] = { LOGIN_PAM, LOGIN_LDAP };
	static const enum identity_verdict verdicts[] = { IDENTITY_FITS, IDENTITY_REFUSED, IDENTITY_FAILED };

	for (size_t i = 0; i < lengthof(methods); i++) {
		for (size_t j = 0; j < lengthof(verdicts); j++) {
			others.verdict = verdicts[j];
			demand_with(methods[i], NULL);
			cr_assert_eq(prove("secret"), verdicts[j] == IDENTITY_FITS);
			if (verdicts[j] == IDENTITY_FITS)
				cr_assert_str_eq(seen.password, "secret");
			else
				cr_assert_str_eq(expect_refused("28P01", "it said no"), "wrong");
			/* It is nobody's failure that there was nobody to ask. */
			cr_assert_eq(attempts_count(env.attempts), verdicts[j] == IDENTITY_REFUSED);
			cr_assert_str_eq(others.user, "alice");
			cr_assert_str_eq(others.password, "secret");
		}
	}
	cr_assert_str_eq(others.host, "127.0.0.1");
	cr_assert_str_eq(others.options, "ldapserver=x");
	cr_assert_eq(others.asked, 6);
}

Test(client_identity, who_may_not_is_not_asked_about)
{
	others.verdict = IDENTITY_FITS;
	demand_with(LOGIN_LDAP, "no such user");
	cr_assert_not(prove("secret"));
	expect_refused("28P01", "may not");
	cr_assert_eq(others.asked, 0);
}

Test(client_identity, an_empty_password_is_not_asked_about)
{
	others.verdict = IDENTITY_FITS;
	demand_with(LOGIN_LDAP, NULL);
	cr_assert_not(prove(""));
	expect_refused("28P01", "empty");
	cr_assert_eq(others.asked, 0);
}

Test(client_identity, a_unix_socket_has_no_host)
{
	const struct login_demand d = { .method = LOGIN_PAM, .refusal = "wrong" };

	others.verdict = IDENTITY_FITS;
	arrive();
	tell_startup(STARTUP_VERSION_3_0, alice);
	client_authenticate(client, &d);
	cr_assert(prove("secret"));
	cr_assert_str_eq(others.host, "(none)");
}

Test(client_identity, lengths_of_passwords)
{
	static const uint32_t never[] = { 0, 1, 3, 4 + SECRET_MAX + 1, 0x7fffffff, 0xffffffff };
	char *longest = memory_alloc(SECRET_MAX);

	for (size_t i = 0; i < lengthof(never); i++) {
		struct buffer b = BUFFER_INIT;

		demand_with(LOGIN_PAM, NULL);
		writer_u8(&b, FE_PASSWORD);
		writer_u32(&b, never[i]);
		tell(b.data, b.len);
		expect_refused("08P01", "a length that is none");
		buffer_release(&b);
	}
	memset(longest, 'x', SECRET_MAX - 1);
	longest[SECRET_MAX - 1] = '\0';
	others.verdict = IDENTITY_FITS;
	demand_with(LOGIN_LDAP, NULL);
	cr_assert(prove(longest));
	free(longest);
}

/* --- who hangs, hangs alone --- */

static bool
is_in(void *arg)
{
	(void)arg;
	return seen.authenticated > 0;
}

Test(client_identity, a_directory_that_hangs_holds_nobody_else_up)
{
	others.verdict = IDENTITY_FITS;
	pthread_mutex_lock(&others.lock);
	demand_with(LOGIN_LDAP, NULL);
	try("secret");
	cr_assert_eq(client->state, CLIENT_HELD);
	/* Its deadline goes on. */
	clients_keep_logins(&env, clock_now(), client->connected_at + 1);
	turn(loop);
	cr_assert_null(client);
	ask(LOGIN_PLAIN, scram_secret("secret"));
	cr_assert(prove("secret"));
	pthread_mutex_unlock(&others.lock);
}

/* Who connects, says a password and leaves: of all these only those that were begun are asked about. */
Test(client_identity, who_has_left_is_not_asked_about)
{
	others.verdict = IDENTITY_FITS;
	pthread_mutex_lock(&others.lock);
	for (int i = 0; i < 100; i++) {
		demand_with(LOGIN_LDAP, NULL);
		try("secret");
		close(peer);
		peer = -1;
		cr_assert(until(loop, is_freed, NULL));
	}
	pthread_mutex_unlock(&others.lock);
	demand_with(LOGIN_LDAP, NULL);
	try("secret");
	cr_assert(until(loop, is_in, NULL));
	pthread_mutex_lock(&others.lock);
	cr_assert_leq(others.asked, 3, "two helpers were at it");
	pthread_mutex_unlock(&others.lock);
}

static void
do_nothing(struct helper_job *job)
{
	(void)job;
}

static void
free_job(struct helper_job *job)
{
	free(job);
}

static bool
has_begun(void *arg)
{
	return atomic_load(&others.begun) >= *(int *)arg;
}

/* Behind so many questions that it would take too long, one is refused. */
Test(client_identity, too_many_questions)
{
	others.verdict = IDENTITY_FITS;
	pthread_mutex_lock(&others.lock);
	/* Both threads are to hang, not to find a question withdrawn. */
	for (int i = 1; i <= 2; i++) {
		demand_with(LOGIN_LDAP, NULL);
		try("secret");
		cr_assert_not_null(client->login->job);
		cr_assert(until(loop, has_begun, &i));
	}
	for (int i = 0; i < HELPERS_QUEUE; i++) {
		struct helper_job *job = memory_zalloc(sizeof(*job));

		job->work = do_nothing;
		job->done = free_job;
		job->reply = env.mailbox;
		helpers_submit(env.askers, job);
	}
	demand_with(LOGIN_LDAP, NULL);
	try("secret");
	cr_assert_null(client->login->job);
	pthread_mutex_unlock(&others.lock);
	cr_assert_str_eq(expect_refused("28P01", "nobody has time"), "wrong");
	cr_assert_eq(seen.refused, 0, "it did not fail");
}
