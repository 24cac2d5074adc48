#include "tenant/limits.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

static const struct config *
make(const char *lines)
{
	char text[1000];
	const struct config *c;
	struct error e;

	snprintf(text, sizeof(text), "[databases]\na = host=h\n[pgbouncer]\nlisten_addr=\n[limits]\n%s\n", lines);
	c = config_from_text(text, strlen(text), &e);
	cr_assert_not_null(c, "%s", e.message);
	return c;
}

static struct limits *
limits(const char *lines)
{
	const struct config *c = make(lines);
	struct limits *l = limits_new(c);

	config_unref(&c);
	return l;
}

static struct address
address(int family, const char *text)
{
	struct address a = { .family = (uint8_t)family };

	cr_assert_eq(inet_pton(family, text, a.ip), 1);
	return a;
}

static bool
enter(struct limits *l, const struct address *a, usec_t now, struct limit_set *set, struct error *e)
{
	struct limit_names n = { .tenant = "acme", .user = "bob", .address = a };

	return limits_enter(l, &n, now, set, e);
}

Test(limits, nothing_configured_counts_nothing)
{
	struct limits *l = limits("");
	struct address a = address(AF_INET, "10.1.2.3");
	struct limit_set set;
	struct error e;

	cr_assert(enter(l, &a, 0, &set, &e));
	cr_assert_not(set.any);
	limits_leave(l, &set);
	limits_free(&l);
}

Test(limits, clients_are_counted_and_given_back)
{
	struct limits *l = limits("tenant = clients=2\nuser:bob = clients=10");
	struct address a = address(AF_INET, "10.1.2.3");
	struct limit_set sets[3];
	struct error e;

	cr_assert(enter(l, &a, 0, &sets[0], &e));
	cr_assert(enter(l, &a, 0, &sets[1], &e));
	cr_assert_not(enter(l, &a, 0, &sets[2], &e));
	cr_assert_str_eq(e.sqlstate, "53300");
	cr_assert_str_eq(e.message, "tenant \"acme\" is over its limit of 2 client connections");
	limits_leave(l, &sets[0]);
	cr_assert(enter(l, &a, 0, &sets[2], &e));
	limits_leave(l, &sets[1]);
	limits_leave(l, &sets[2]);
	limits_free(&l);
}

struct seen {
	char names[400];
	int64_t used;
};

static void
note(void *arg, const struct limit_facts *f)
{
	struct seen *s = arg;
	size_t n = strlen(s->names);

	snprintf(s->names + n, sizeof(s->names) - n, "%s %s %s=%lld;", limit_scope_name(f->scope), f->name,
		 limit_kind_name(f->kind), (long long)f->limit);
	s->used += f->used;
}

static void
expect_names(const char *line, int family, const char *at, const char *names)
{
	struct limits *l = limits(line);
	struct address a = { .family = AF_UNIX };
	struct limit_set set;
	struct seen seen = { "", 0 };
	struct error e;

	if (family != AF_UNIX)
		a = address(family, at);
	cr_assert(enter(l, &a, 0, &set, &e));
	limits_each(l, note, &seen);
	cr_assert_str_eq(seen.names, names);
	limits_leave(l, &set);
	limits_free(&l);
}

Test(limits, addresses_and_networks)
{
	expect_names("address = clients=5", AF_INET, "10.1.2.3", "address 10.1.2.3 clients=5;");
	expect_names("network = clients=5", AF_INET, "10.1.2.3", "network 10.1.2.0/24 clients=5;");
	expect_names("network = clients=5", AF_INET6, "2001:db8:1:2:3:4:5:6", "network 2001:db8:1:2::/64 clients=5;");
	expect_names("network = clients=5", AF_INET6, "::ffff:10.1.2.3", "network 10.1.2.0/24 clients=5;");
	expect_names("client = clients=5", AF_INET6, "::ffff:10.1.2.3", "client 10.1.2.3@acme clients=5;");
	expect_names("address = clients=5", AF_UNIX, NULL, "address unix clients=5;");
	expect_names("network = clients=5", AF_UNIX, NULL, "network unix clients=5;");
	expect_names("address:10.0.0.0/8 = clients=7", AF_INET, "10.1.2.3", "address 10.1.2.3 clients=7;");
	expect_names("client:acme = queries=7", AF_INET, "10.1.2.3", "client 10.1.2.3@acme queries=7;");
	expect_names("client:other = queries=7", AF_INET, "10.1.2.3", "");
}

/* Of several limits one refuses: the others get back what they gave. */
Test(limits, who_is_refused_has_taken_nothing)
{
	struct limits *l = limits("tenant = queries=1000 queries_burst=10 max_delay=0\n"
				  "user = queries=1 queries_burst=1 max_delay=0\naddress = active=5");
	struct address a = address(AF_INET, "10.1.2.3");
	struct limit_set set;
	struct limit_hold h = { 0 };
	struct seen seen = { "", 0 };
	struct error e;

	cr_assert(enter(l, &a, 0, &set, &e));
	cr_assert_eq(limit_admit(&set, 1000, &h, &e), LIMIT_PASS);
	limit_end(&set, &h);
	for (int i = 0; i < 100; i++)
		cr_assert_eq(limit_admit(&set, 1000, &h, &e), LIMIT_REFUSE);
	cr_assert_str_eq(e.sqlstate, "53400");
	cr_assert_str_eq(e.message, "user \"bob\" is over its limit of 1 queries a second");
	limits_each(l, note, &seen);
	cr_assert_leq(seen.used, 2);
	limits_leave(l, &set);
	limits_free(&l);
}

Test(limits, who_waits_is_due_when_the_slowest_lets)
{
	struct limits *l = limits("tenant = queries=10 queries_burst=1 max_delay=10\nuser = queries=2 queries_burst=1 max_delay=10");
	struct address a = address(AF_INET, "10.1.2.3");
	struct limit_set set;
	struct limit_hold first = { 0 }, second = { 0 }, third = { 0 };
	usec_t now = clock_now(), due;
	struct error e;

	cr_assert(enter(l, &a, now, &set, &e));
	cr_assert_eq(limit_admit(&set, now, &first, &e), LIMIT_PASS);
	cr_assert_eq(limit_admit(&set, now, &second, &e), LIMIT_WAIT);
	due = limit_due(&set, &second, now);
	cr_assert(due > 490000 && due <= 510000, "%lld", (long long)due);
	cr_assert_eq(limit_admit(&set, now, &third, &e), LIMIT_WAIT);
	limit_withdraw(&set, &second);
	cr_assert_eq(limit_admit(&set, now, &second, &e), LIMIT_WAIT);
	due = limit_due(&set, &second, now);
	cr_assert(due <= 1010000, "the place that was given back is there again: %lld", (long long)due);
	cr_assert_eq(limit_start(&set, now + 2 * USEC_PER_SEC, &second, &e), LIMIT_PASS);
	limit_end(&set, &second);
	limit_withdraw(&set, &third);
	limits_leave(l, &set);
	limits_free(&l);
}

Test(limits, a_new_configuration_counts_for_who_is_there)
{
	struct limits *l = limits("tenant = queries=10 max_delay=0 queries_burst=1");
	struct address a = address(AF_INET, "10.1.2.3");
	const struct config *c = make("tenant = query_length=100");
	struct limit_names n = { .tenant = "acme", .user = "bob", .address = &a };
	struct limit_set set;
	struct limit_hold h = { 0 };
	unsigned before = limits_generation(l);
	struct error e;

	cr_assert(enter(l, &a, 0, &set, &e));
	limits_set_config(l, c);
	cr_assert_neq(limits_generation(l), before);
	for (int i = 0; i < 10; i++) {
		cr_assert_eq(limit_admit(&set, 1000, &h, &e), LIMIT_PASS);
		limit_end(&set, &h);
	}
	limits_refresh(l, &n, &set);
	cr_assert_eq(limit_least(&set, LIMIT_KIND_QUERY_LENGTH), 100);
	cr_assert(limit_exceeds(&set, LIMIT_KIND_QUERY_LENGTH, 101, &e));
	cr_assert_str_eq(e.sqlstate, "54000");
	cr_assert_not(limit_exceeds(&set, LIMIT_KIND_QUERY_LENGTH, 100, &e));
	limits_leave(l, &set);
	config_unref(&c);
	limits_free(&l);
}

Test(limits, who_has_gone_is_forgotten_in_the_end)
{
	struct limits *l = limits("tenant = queries=10 max_delay=0 queries_burst=1");
	struct address a = address(AF_INET, "10.1.2.3");
	struct limit_set set;
	struct limit_hold h = { 0 };
	struct seen seen = { "", 0 };
	struct error e;

	clock_now();
	cr_assert(enter(l, &a, clock_recent(), &set, &e));
	limit_admit(&set, clock_recent(), &h, &e);
	limit_end(&set, &h);
	limits_leave(l, &set);
	limits_upkeep(l, clock_recent() + USEC_PER_SEC);
	limits_each(l, note, &seen);
	cr_assert_str_neq(seen.names, "", "who comes again within a minute is who has gone");
	limits_upkeep(l, clock_recent() + 3600 * USEC_PER_SEC);
	seen.names[0] = '\0';
	limits_each(l, note, &seen);
	cr_assert_str_eq(seen.names, "");
	limits_free(&l);
}

/* --- threads: a tenant on several workers --- */

#define THREADS 4

struct worker {
	pthread_t thread;
	struct limits *limits;
	int passed, too_many;
	atomic_int *under_way;
};

static void *
work(void *arg)
{
	struct worker *w = arg;
	struct address a = { .family = AF_UNIX };
	struct error e;

	for (int i = 0; i < 2000; i++) {
		struct limit_hold h = { 0 };
		struct limit_set set;

		if (!enter(w->limits, &a, 0, &set, &e))
			continue;
		if (limit_admit(&set, 0, &h, &e) == LIMIT_PASS) {
			w->too_many += atomic_fetch_add(w->under_way, 1) >= 2;
			w->passed++;
			atomic_fetch_sub(w->under_way, 1);
			limit_end(&set, &h);
		} else {
			limit_withdraw(&set, &h);
		}
		limits_leave(w->limits, &set);
	}
	return NULL;
}

Test(limits, threads_share_them_exactly)
{
	struct limits *l = limits("tenant = queries=1 queries_burst=500 max_delay=0 active=2 clients=3");
	const struct config *c = make("tenant = queries=1 queries_burst=500 max_delay=0 active=2 clients=3");
	struct worker w[THREADS] = { 0 };
	struct seen seen = { "", 0 };
	atomic_int under_way = 0;
	int passed = 0;

	for (int i = 0; i < THREADS; i++) {
		w[i].limits = l;
		w[i].under_way = &under_way;
		pthread_create(&w[i].thread, NULL, work, &w[i]);
	}
	for (int i = 0; i < 50; i++)
		limits_set_config(l, c);
	for (int i = 0; i < THREADS; i++) {
		pthread_join(w[i].thread, NULL);
		passed += w[i].passed;
		cr_assert_eq(w[i].too_many, 0);
	}
	cr_assert_eq(passed, 500);
	limits_each(l, note, &seen);
	config_unref(&c);
	limits_free(&l);
}
