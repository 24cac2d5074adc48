/*
 * Who fails too often is not listened to, and who comes too often has to wait.
 */
#include "stage.h"

#include <arpa/inet.h>

#include "client/bans.h"

#define START (1000 * USEC_PER_SEC)
#define SEC USEC_PER_SEC

static struct bans *bans;
static struct error e;

static void
configure(int failures, int accept_rate, int cancel_rate)
{
	bans_configure(bans, &(struct ban_settings){
		.failures = failures,
		.time = 60 * SEC,
		.time_max = 3600 * SEC,
		.accept_rate = accept_rate,
		.cancel_rate = cancel_rate,
	});
}

static void
begin(void)
{
	bans = bans_new();
	configure(3, 0, 0);
}

static void
end(void)
{
	bans_free(&bans);
	cr_assert_null(bans);
	bans_free(&bans);
}

TestSuite(bans, .init = begin, .fini = end);

static struct address
address(const char *text)
{
	struct address a = { .family = strchr(text, ':') != NULL ? AF_INET6 : strchr(text, '.') != NULL ? AF_INET : AF_UNIX };

	if (a.family != AF_UNIX)
		cr_assert_eq(inet_pton(a.family, text, a.ip), 1);
	return a;
}

static usec_t
fail(const char *at, const char *tenant, int times, usec_t now)
{
	struct address a = address(at);
	usec_t banned = 0;

	for (int i = 0; i < times; i++)
		banned = bans_login_failed(bans, &a, tenant, "app", now);
	return banned;
}

static bool
may_login(const char *at, const char *tenant, const char *user, usec_t now)
{
	struct address a = address(at);

	return bans_admit_login(bans, &a, tenant, user, now, &e);
}

static bool
may_connect(const char *at, usec_t now)
{
	struct address a = address(at);

	return bans_admit(bans, &a, now);
}

static void
succeed(const char *at, const char *tenant, const char *user, usec_t now)
{
	struct address a = address(at);

	bans_login_succeeded(bans, &a, tenant, user, now);
}

Test(bans, come_with_failures)
{
	cr_assert_eq(fail("10.0.0.1", "acme", 2, START), 0);
	cr_assert(may_login("10.0.0.1", "acme", "app", START));
	cr_assert_eq(fail("10.0.0.1", "acme", 1, START), 60 * SEC);
	cr_assert_not(may_login("10.0.0.1", "acme", "app", START + 2 * SEC));
	cr_assert_str_eq(e.sqlstate, "28000");
	cr_assert_str_eq(e.message, "10.0.0.1/32 is banned from database \"acme\" for 58 more seconds");
	cr_assert(may_login("10.0.0.1", "other", "app", START), "one tenant is not the other");
	cr_assert(may_login("10.0.0.2", "acme", "app", START), "nor one address another");
	cr_assert(may_connect("10.0.0.1", START), "it may go to other tenants");
	cr_assert(may_login("10.0.0.1", "acme", "app", START + 60 * SEC));
}

Test(bans, grow_and_are_forgiven)
{
	usec_t now = START, length = 60 * SEC;

	for (int i = 0; i < 10; i++) {
		cr_assert_eq(fail("10.0.0.1", "acme", 3, now), length, "%d", i);
		cr_assert_eq(fail("10.0.0.1", "acme", 7, now), 0, "what was under way brings no second one");
		now += length;
		length = length * 2 < 3600 * SEC ? length * 2 : 3600 * SEC;
	}
	now += 3600 * SEC;
	cr_assert_eq(fail("10.0.0.1", "acme", 3, now), 60 * SEC);
}

Test(bans, need_failures_within_a_window)
{
	fail("10.0.0.1", "acme", 2, START);
	cr_assert_eq(fail("10.0.0.1", "acme", 2, START + BANS_WINDOW), 0);
	cr_assert_eq(fail("10.0.0.1", "acme", 1, START + BANS_WINDOW), 60 * SEC);
}

Test(bans, are_for_whoever_holds_the_network)
{
	fail("2001:db8::1", "acme", 2, START);
	cr_assert_eq(fail("2001:db8::2:0:0:7", "acme", 1, START), 60 * SEC, "one /64");
	cr_assert(may_login("2001:db8:0:1::1", "acme", "app", START));
	cr_assert_not(may_login("2001:db8::9", "acme", "app", START));
	cr_assert_str_eq(e.message, "2001:db8::/64 is banned from database \"acme\" for 60 more seconds");
	fail("::ffff:10.0.0.9", "acme", 3, START);
	cr_assert_not(may_login("10.0.0.9", "acme", "app", START), "IPv4 in disguise");
}

Test(bans, never_of_unix_sockets)
{
	cr_assert_eq(fail("unix", "acme", 100, START), 0);
	cr_assert(may_login("unix", "acme", "app", START));
}

/* Behind NAT, who knows a password must not be locked out by who does not. */
Test(bans, spare_those_who_are_known)
{
	succeed("10.0.0.1", "acme", "good", START);
	cr_assert_eq(fail("10.0.0.1", "acme", 3, START), 60 * SEC);
	cr_assert(may_login("10.0.0.1", "acme", "good", START));
	cr_assert_not(may_login("10.0.0.1", "acme", "app", START));
	cr_assert_not(may_login("10.0.0.1", "acme", "goo", START));
	fail("10.0.0.2", "acme", 3, START);
	cr_assert_not(may_login("10.0.0.2", "acme", "good", START), "known elsewhere only");
	fail("10.0.0.1", "other", 3, START);
	cr_assert_not(may_login("10.0.0.1", "other", "good", START), "known at another tenant only");
}

Test(bans, do_not_come_by_those_who_are_known)
{
	struct address a = address("10.0.0.1");

	succeed("10.0.0.1", "acme", "good", START);
	for (int i = 0; i < 100; i++)
		cr_assert_eq(bans_login_failed(bans, &a, "acme", "good", START), 0);
	cr_assert_eq(bans_login_failed(bans, &a, "acme", "good", START + BANS_KNOWN_FOR), 0);
	cr_assert_eq(bans_login_failed(bans, &a, "acme", "good", START + BANS_KNOWN_FOR), 0);
	cr_assert_eq(bans_login_failed(bans, &a, "acme", "good", START + BANS_KNOWN_FOR), 60 * SEC, "it is long ago");
}

Test(bans, can_be_off)
{
	configure(0, 0, 0);
	cr_assert_eq(fail("10.0.0.1", "acme", 1000, START), 0);
	cr_assert(may_login("10.0.0.1", "acme", "app", START));
}

/* --- by hand --- */

static bool
ban(const char *network, const char *tenant, usec_t duration)
{
	return bans_add(bans, network, tenant, duration, "because", START, &e);
}

Test(bans, by_hand)
{
	cr_assert(ban("10.0.0.0/8", NULL, 0));
	cr_assert_not(may_connect("10.1.2.3", START));
	cr_assert_not(may_connect("::ffff:10.1.2.3", START));
	cr_assert(may_connect("11.1.2.3", START));
	cr_assert(may_connect("unix", START));
	cr_assert_not(may_login("10.1.2.3", "acme", "app", START));
	cr_assert_str_eq(e.message, "10.0.0.0/8 is banned from database \"acme\"");
	cr_assert(ban("2001:db8::7", "acme", 10 * SEC));
	cr_assert(may_connect("2001:db8::7", START));
	cr_assert_not(may_login("2001:db8::7", "acme", "app", START));
	cr_assert(may_login("2001:db8::8", "acme", "app", START), "it is one address");
	cr_assert(may_login("2001:db8::7", "acme", "app", START + 10 * SEC));
	cr_assert(ban("unix", "acme", 0));
	cr_assert_not(may_login("unix", "acme", "app", START));
	cr_assert(bans_remove(bans, "10.0.0.0/8", NULL, START, &e));
	cr_assert(may_connect("10.1.2.3", START));
}

/* A ban that somebody made is for everybody: also for those who are known. */
Test(bans, by_hand_spare_nobody)
{
	succeed("10.0.0.1", "acme", "good", START);
	cr_assert(ban("10.0.0.1", "acme", 0));
	cr_assert_not(may_login("10.0.0.1", "acme", "good", START));
}

Test(bans, that_mean_nothing)
{
	static const char *const wrong[] = { "", "x", "10.0.0", "10.0.0.1/33", "10.0.0.7/8", "10.0.0.0/", "::/129", "1.2.3.4 " };

	for (size_t i = 0; i < lengthof(wrong); i++) {
		cr_assert_not(ban(wrong[i], NULL, 0), "%s", wrong[i]);
		cr_assert_str_eq(e.sqlstate, "22023");
		cr_assert_not(bans_remove(bans, wrong[i], NULL, START, &e), "%s", wrong[i]);
		cr_assert_str_eq(e.sqlstate, "22023");
	}
	cr_assert_not(bans_remove(bans, "10.0.0.1", NULL, START, &e));
	cr_assert_str_eq(e.sqlstate, "42704");
}

Test(bans, that_mean_nothing_are_told_why)
{
	cr_assert_not(ban("10.0.0.0/99", NULL, 0));
	cr_assert_str_eq(e.message, "\"10.0.0.0/99\" is no address and no network");
	cr_assert_not(ban("10.0.0.7/8", NULL, 0));
	cr_assert_str_eq(e.message, "\"10.0.0.7/8\" has bits set behind its length");
}

struct list {
	int n;
	char text[4][256];
};

static void
add(void *arg, const struct ban_facts *f)
{
	struct list *l = arg;

	if (l->n < 4)
		snprintf(l->text[l->n], sizeof(l->text[0]), "%s %s %lld %lld %d %llu %s %s", f->network,
			 f->tenant != NULL ? f->tenant : "-", (long long)((f->since - START) / SEC),
			 f->until != 0 ? (long long)((f->until - START) / SEC) : -1, f->times,
			 (unsigned long long)f->refused, f->automatic ? "auto" : "console", f->reason);
	l->n++;
}

static int
count(usec_t now)
{
	struct list l = { 0 };

	bans_each(bans, now, add, &l);
	return l.n;
}

Test(bans, are_shown)
{
	struct list l = { 0 };

	ban("10.0.0.0/8", "acme", 0);
	fail("192.168.0.1", "acme", 3, START + SEC);
	fail("192.168.0.2", "acme", 2, START);
	may_login("10.0.0.1", "acme", "app", START);
	may_login("192.168.0.1", "acme", "app", START + SEC);
	may_login("192.168.0.1", "acme", "app", START + SEC);
	bans_each(bans, START + SEC, add, &l);
	cr_assert_eq(l.n, 2);
	cr_assert_str_eq(l.text[0], "10.0.0.0/8 acme 0 -1 1 1 console because");
	cr_assert_str_eq(l.text[1], "192.168.0.1/32 acme 1 61 1 2 auto 3 failed logins within 0 s");
	cr_assert_eq(count(START + 61 * SEC), 1, "that one is over");
}

Test(bans, of_the_same_network_take_each_others_place)
{
	ban("10.0.0.0/8", NULL, 0);
	ban("10.0.0.0/8", NULL, 5 * SEC);
	ban("10.0.0.0/8", "acme", 0);
	cr_assert_eq(count(START), 2);
	cr_assert(bans_remove(bans, "10.0.0.0/8", "acme", START, &e));
	cr_assert_eq(count(START), 1);
	cr_assert_eq(count(START + 5 * SEC), 0);
}

Test(bans, are_lifted_by_address_and_by_network)
{
	fail("2001:db8::1", "acme", 3, START);
	cr_assert(bans_remove(bans, "2001:db8::77", NULL, START, &e), "an address of the /64");
	fail("10.0.0.1", "a", 3, START);
	fail("10.0.0.2", "b", 3, START);
	fail("11.0.0.1", "b", 3, START);
	cr_assert_eq(count(START), 3);
	cr_assert_not(bans_remove(bans, "10.0.0.0/8", "c", START, &e));
	cr_assert(bans_remove(bans, "10.0.0.0/8", "b", START, &e));
	cr_assert_eq(count(START), 2);
	cr_assert(bans_remove(bans, "0.0.0.0/0", NULL, START, &e));
	cr_assert_eq(count(START), 0);
	cr_assert_eq(fail("10.0.0.1", "a", 3, START), 60 * SEC, "its past is forgotten");
}

Test(bans, have_bounds)
{
	char text[32];
	struct address a = address("10.0.0.1");

	fail("10.9.9.9", "acme", 3, START);
	/* Somebody who fails at ever other tenants does not make us forget who is banned. */
	for (int i = 0; i < BANS_MAX + 100; i++) {
		snprintf(text, sizeof(text), "t%d", i);
		bans_login_failed(bans, &a, text, "app", START);
	}
	cr_assert_not(may_login("10.9.9.9", "acme", "app", START));
	for (int i = 0; i < BANS_BY_HAND_MAX; i++) {
		snprintf(text, sizeof(text), "10.1.%d.%d", i / 256, i % 256);
		cr_assert(ban(text, NULL, 0));
	}
	cr_assert_not(ban("10.2.0.0", NULL, 0));
	cr_assert_str_eq(e.sqlstate, "53400");
	for (int i = 0; i < BANS_KNOWN_MAX + 100; i++) {
		snprintf(text, sizeof(text), "u%d", i);
		bans_login_succeeded(bans, &a, "acme", text, START);
	}
	fail("10.0.0.1", "acme", 3, START);
	cr_assert_not(may_login("10.0.0.1", "acme", "u0", START), "known longest ago");
	cr_assert(may_login("10.0.0.1", "acme", "u100", START));
}

/* Who has guessed a few times can't have that forgotten by failing at tenants that there are not. */
Test(bans, counts_are_not_pushed_out)
{
	char text[32];

	fail("10.0.0.1", "acme", 2, START);
	fail("10.0.0.2", "acme", 2, START);
	for (int i = 0; i < BANS_MAX + 100; i++) {
		snprintf(text, sizeof(text), "t%d", i);
		fail("10.0.0.1", text, 1, START + 1);
	}
	cr_assert_eq(fail("10.0.0.1", "t0", 2, START + 2), 0, "of those with one, the oldest went");
	cr_assert_eq(fail("10.0.0.1", "acme", 1, START + 3), 60 * SEC);
	cr_assert_eq(fail("10.0.0.2", "acme", 1, START + 3), 60 * SEC, "nor does somebody else do that");
	/* With as many everywhere, it is the oldest again. */
	configure(4, 0, 0);
	fail("10.0.0.3", "acme", 3, START + 4);
	for (int i = 0; i < BANS_MAX + 100; i++) {
		snprintf(text, sizeof(text), "u%d", i);
		fail("10.0.0.1", text, 3, START + 5);
	}
	cr_assert_eq(fail("10.0.0.3", "acme", 1, START + 6), 0);
	cr_assert_not(may_login("10.0.0.1", "acme", "app", START + 6), "who is banned stays that");
	cr_assert_eq(fail("10.0.0.1", "u16400", 1, START + 6 + BANS_WINDOW), 0, "all are forgiven");
	fail("10.0.0.1", "u16400", 2, START + 6 + BANS_WINDOW);
	cr_assert(bans_remove(bans, "10.0.0.2", NULL, START + 7, &e));
	cr_assert_not(bans_remove(bans, "0.0.0.0/0", "u16400", START + 6 + BANS_WINDOW, &e), "that was no ban");
	cr_assert_eq(fail("10.0.0.1", "u16400", 3, START + 6 + BANS_WINDOW), 0, "but what was counted is gone");
}

/* Nor can who has failed twice everywhere have each new count forgotten by a failure at one tenant more. */
Test(bans, new_counts_are_not_pushed_out)
{
	char text[32];

	for (int i = 0; i < BANS_MAX; i++) {
		snprintf(text, sizeof(text), "t%d", i);
		fail("10.0.0.1", text, 2, START);
	}
	for (int i = 0; i < 2; i++) {
		cr_assert_eq(fail("10.0.0.1", "acme", 1, START + 1), 0);
		snprintf(text, sizeof(text), "u%d", i);
		fail("10.0.0.1", text, 1, START + 1);
	}
	cr_assert_eq(fail("10.0.0.1", "acme", 1, START + 1), 60 * SEC);
}

/* --- rates --- */

static int
come(const char *at, int times, usec_t now)
{
	struct address a = address(at);
	int n = 0;

	for (int i = 0; i < times; i++)
		n += bans_may_connect(bans, &a, now);
	return n;
}

Test(bans, so_many_a_second)
{
	struct ban_totals t;
	int n = 0;

	configure(0, 10, 0);
	cr_assert_eq(come("10.0.0.1", 100, START), 10);
	cr_assert_eq(come("10.0.0.2", 100, START), 10, "each for itself");
	cr_assert_eq(come("2001:db8::1", 6, START) + come("2001:db8::2", 6, START), 10, "a /64 is one");
	cr_assert_eq(come("unix", 100, START), 100);
	for (usec_t t2 = START + 1000; t2 <= START + 10 * SEC; t2 += 1000)
		n += come("10.0.0.1", 1, t2);
	cr_assert_eq(n, 100, "%d", n);
	bans_totals(bans, &t);
	cr_assert_eq(t.refused_connects, 90 + 90 + 2 + 9900);
	configure(0, 0, 0);
	cr_assert_eq(come("10.0.0.1", 1000, START + 10 * SEC), 1000);
}

Test(bans, cancels_are_counted_for_themselves)
{
	struct address a = address("10.0.0.1");
	int n = 0;

	configure(0, 10, 2);
	come("10.0.0.1", 100, START);
	for (int i = 0; i < 10; i++)
		n += bans_may_cancel(bans, &a, START);
	cr_assert_eq(n, 2);
}

/* A million addresses take no more memory, and those that come slowly are not refused for them. */
Test(bans, many_addresses)
{
	struct address a = { .family = AF_INET };
	int refused = 0;

	configure(0, 1, 0);
	for (uint32_t i = 0; i < 200000; i++) {
		memcpy(a.ip, &i, sizeof(i));
		refused += !bans_may_connect(bans, &a, START);
	}
	cr_assert_eq(refused, 0);
}
