/*
 * Who fails again and again waits longer and longer.
 */
#include "stage.h"

#include <arpa/inet.h>

#define START (1000 * USEC_PER_SEC)

static struct attempts *attempts;

static void
begin(void)
{
	attempts = attempts_new();
}

static void
end(void)
{
	attempts_free(&attempts);
	cr_assert_null(attempts);
	attempts_free(&attempts);
}

TestSuite(attempts, .init = begin, .fini = end);

static struct address
address(const char *text)
{
	struct address a = { .family = strchr(text, ':') != NULL ? AF_INET6 : strchr(text, '.') != NULL ? AF_INET : AF_UNIX };

	if (a.family != AF_UNIX)
		cr_assert_eq(inet_pton(a.family, text, a.ip), 1);
	return a;
}

static void
fail(const char *at, const char *user, int times)
{
	struct address a = address(at);

	for (int i = 0; i < times; i++)
		attempts_failed(attempts, &a, user, START);
}

static usec_t
delay(const char *at, const char *user, usec_t now)
{
	struct address a = address(at);

	return attempts_delay(attempts, &a, user, now);
}

Test(attempts, grow_longer)
{
	static const int msec[] = { 0, 0, 0, 250, 500, 1000, 2000, 4000, 5000, 5000 };

	for (size_t i = 0; i < lengthof(msec); i++) {
		cr_assert_eq(delay("10.0.0.1", "a", START), msec[i] * USEC_PER_MSEC, "%zu failures", i);
		fail("10.0.0.1", "a", 1);
	}
	fail("10.0.0.1", "a", 100000);
	cr_assert_eq(delay("10.0.0.1", "a", START), ATTEMPTS_PAUSE_MAX);
}

Test(attempts, are_counted_from_the_last_failure)
{
	fail("10.0.0.1", "a", 3);
	cr_assert_eq(delay("10.0.0.1", "a", START + 100 * USEC_PER_MSEC), 150 * USEC_PER_MSEC);
	cr_assert_eq(delay("10.0.0.1", "a", START + 249 * USEC_PER_MSEC), 1 * USEC_PER_MSEC);
	cr_assert_eq(delay("10.0.0.1", "a", START + 250 * USEC_PER_MSEC), 0);
}

/* Or a thousand connections would guess a thousand times as fast as one. */
Test(attempts, begin_one_after_another)
{
	usec_t now = START + 250 * USEC_PER_MSEC;

	fail("10.0.0.1", "a", 3);
	cr_assert_eq(delay("10.0.0.1", "a", now), 0);
	cr_assert_eq(delay("10.0.0.1", "a", now), 250 * USEC_PER_MSEC);
	cr_assert_eq(delay("10.0.0.1", "a", now + 250 * USEC_PER_MSEC), 0);
	/* One that has not failed so often may come with all its connections at once. */
	fail("10.0.0.1", "b", 2);
	for (int i = 0; i < 100; i++)
		cr_assert_eq(delay("10.0.0.1", "b", now), 0);
}

Test(attempts, are_forgotten_by_a_success_or_in_time)
{
	struct address a = address("10.0.0.1");

	fail("10.0.0.1", "a", 9);
	fail("10.0.0.1", "b", 9);
	attempts_succeeded(attempts, &a, "a");
	cr_assert_eq(delay("10.0.0.1", "a", START), 0);
	cr_assert_eq(delay("10.0.0.1", "b", START), ATTEMPTS_PAUSE_MAX);
	cr_assert_eq(attempts_count(attempts), 1);
	cr_assert_eq(delay("10.0.0.1", "b", START + ATTEMPTS_MEMORY), 0);
	cr_assert_eq(attempts_count(attempts), 0);
}

Test(attempts, are_told_apart_by_address_and_user)
{
	static const struct {
		const char *at, *user;
		bool same;
	} others[] = {
		{ "10.0.0.1", "a", true },
		{ "10.0.0.1", "b", false },
		{ "10.0.0.1", "", false },
		{ "10.0.0.2", "a", false },
		{ "unix", "a", false },
		{ "2001:db8::1", "a", false },
	};

	fail("10.0.0.1", "a", 3);
	for (size_t i = 0; i < lengthof(others); i++)
		cr_assert_eq(delay(others[i].at, others[i].user, START) > 0, others[i].same, "case %zu", i);
}

/* Who holds an IPv6 network has as many addresses as he likes; IPv4 in disguise is no such network. */
Test(attempts, of_one_network_are_one)
{
	fail("2001:db8:0:1::1", "a", 3);
	cr_assert_gt(delay("2001:db8:0:1:ffff::2", "a", START), 0);
	cr_assert_eq(delay("2001:db8:0:2::1", "a", START), 0);
	fail("::ffff:10.0.0.1", "a", 3);
	cr_assert_gt(delay("::ffff:10.0.0.1", "a", START), 0);
	cr_assert_eq(delay("::ffff:10.0.0.2", "a", START), 0);
}

Test(attempts, of_unix_sockets_are_of_one_address)
{
	struct address one = { .family = AF_UNIX, .pid = 1 }, two = { .family = AF_UNIX, .pid = 2 };

	for (int i = 0; i < 3; i++)
		attempts_failed(attempts, &one, "a", START);
	cr_assert_gt(attempts_delay(attempts, &two, "a", START), 0);
}

Test(attempts, that_failed_are_counted_whatever_is_forgotten)
{
	struct address a = address("10.0.0.1");

	cr_assert_eq(attempts_failed_ever(attempts), 0);
	fail("10.0.0.1", "a", 3);
	fail("10.0.0.2", "b", 1);
	attempts_succeeded(attempts, &a, "a");
	cr_assert_eq(attempts_failed_ever(attempts), 4);
}

Test(attempts, are_bounded)
{
	char user[20];

	fail("10.0.0.1", "first", 3);
	fail("10.0.0.1", "second", 3);
	for (int i = 0; i < ATTEMPTS_MAX - 2; i++) {
		snprintf(user, sizeof(user), "u%d", i);
		fail("10.0.0.1", user, 1);
	}
	fail("10.0.0.1", "first", 1);	/* now it failed after the second */
	cr_assert_eq(attempts_count(attempts), ATTEMPTS_MAX);
	fail("10.0.0.1", "one more", 1);
	cr_assert_eq(attempts_count(attempts), ATTEMPTS_MAX);
	cr_assert_eq(delay("10.0.0.1", "second", START), 0);
	cr_assert_gt(delay("10.0.0.1", "first", START), 0);
}

/* --- as clients see it --- */

TestSuite(client_delay, .init = stage_begin, .fini = stage_end);

static void
fail_as_alice(int times)
{
	const struct address here = { .family = AF_UNIX };

	for (int i = 0; i < times; i++)
		attempts_failed(env.attempts, &here, "alice", clock_now());
}

static void
ask_without_forgetting(enum login_method method, const char *secret_text)
{
	arrive();
	tell_startup(STARTUP_VERSION_3_0, alice);
	demand(method, secret_text);
}

Test(client_delay, nothing_is_said_before_its_time)
{
	static const enum login_method methods[] = { LOGIN_PLAIN, LOGIN_MD5, LOGIN_SCRAM };

	for (size_t i = 0; i < lengthof(methods); i++) {
		fail_as_alice(8);
		ask_without_forgetting(methods[i], "secret");
		let_time_pass(4 * USEC_PER_SEC);
		listen_to_it();
		cr_assert_eq(buffer_left(&in), 0);
		cr_assert_eq(client->state, CLIENT_HELD);
		let_time_pass(5 * USEC_PER_SEC);
		cr_assert(prove("secret"));
	}
}

Test(client_delay, failures_of_clients_count_and_a_success_ends_it)
{
	for (int i = 0; i < 3; i++) {
		ask_without_forgetting(LOGIN_MD5, "other");
		cr_assert_not(prove("secret"), "attempt %d", i);
		expect_refused("28P01", "wrong");
	}
	ask_without_forgetting(LOGIN_MD5, "secret");
	listen_to_it();
	cr_assert_eq(buffer_left(&in), 0, "the fourth waits");
	let_time_pass(5 * USEC_PER_SEC);
	cr_assert(prove("secret"));
	ask_without_forgetting(LOGIN_MD5, "secret");
	cr_assert(prove("secret"), "the next does not");
}

/* What comes too early is heard in its time. */
Test(client_delay, a_password_that_waits_with_its_client)
{
	fail_as_alice(3);
	arrive();
	tell_startup(STARTUP_VERSION_3_0, alice);
	demand(LOGIN_PLAIN, "secret");
	answer("secret", 7);
	cr_assert_eq(seen.authenticated, 0);
	let_time_pass(USEC_PER_SEC);
	cr_assert_eq(seen.authenticated, 1);
}

Test(client_delay, who_needs_no_password_does_not_wait)
{
	fail_as_alice(8);
	ask_without_forgetting(LOGIN_TRUST, NULL);
	cr_assert_eq(seen.authenticated, 1);
}

Test(client_delay, gone_while_it_waits)
{
	fail_as_alice(8);
	ask_without_forgetting(LOGIN_PLAIN, "secret");
	client_close(client, NULL, "gone");
	let_time_pass(5 * USEC_PER_SEC);
	fail_as_alice(8);
	ask_without_forgetting(LOGIN_PLAIN, "secret");
	clients_keep_logins(&env, clock_now(), client->connected_at + 1);
	expect_refused("28000", "its time for login is over");
}
