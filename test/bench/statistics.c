/*
 * What the query statistics of one worker cost: memory, the way of a query, and how long a look at them (or RESET STATS,
 * or a reload with less room) holds up the worker.  By hand:
 *
 *	cc -O2 -D_GNU_SOURCE -Isrc test/bench/statistics.c BUILD/src/libpgusher.a -lpg_query -ljansson -lsystemd \
 *		-o statistics && ./statistics [tenants [digests [query_stats_max]]]
 *
 * CPU time of this thread.  Looks are made as they come in life, after the caches have seen something else: median
 * and longest.  What must stay below 5 ms has an exclamation mark where it does not.
 */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/memory.h"
#include "stats/queries.h"

#define LOOKS 15
#define STALL 5e-3

struct bench {
	struct query_store store;
	struct query_limits limits;
	struct query_tenant **tenants;
	unsigned ntenants, ndigests;
	usec_t now;
	uint64_t random;
	size_t heap;		/* before */
};

static double
cpu_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static unsigned
take_random(struct bench *b, unsigned n)
{
	b->random ^= b->random << 13;
	b->random ^= b->random >> 7;
	b->random ^= b->random << 17;
	return (unsigned)(b->random >> 20) % n;
}

/* 64 MB of other things. */
static void
forget_caches(void)
{
	static unsigned char other[64 << 20];

	for (size_t i = 0; i < sizeof(other); i += 64)
		((volatile unsigned char *)other)[i]++;
}

static uint64_t
hash_of(unsigned digest)
{
	uint64_t x = (digest + 1) * UINT64_C(0x9e3779b97f4a7c15);

	x ^= x >> 32;
	return x * UINT64_C(0xd6e8feb86659fd93) | 1;
}

static void
ask(struct bench *b, unsigned tenant, unsigned digest, usec_t total)
{
	struct sql_digest d = { .hash = hash_of(digest), .verb = SQL_SELECT };
	struct query_sample q = { .total = total, .wait = 20, .first_byte = total, .rows = 3, .bytes_in = 120, .bytes_out = 900 };
	struct query_entry *e = query_find(b->tenants[tenant], d.hash);
	char text[256];
	bool fresh;
	int n;

	q.slow = total > 14000;
	if (e == NULL) {
		n = snprintf(text, sizeof(text), "SELECT o.id, o.number, o.total_%u, c.name FROM orders o JOIN customers c "
			     "ON c.id = o.customer_id WHERE o.id = $1 AND o.status <> $2", digest);
		e = query_open(b->tenants[tenant], &d, text, (size_t)n, b->now, &fresh);
	}
	query_count(e, &q, b->now);
}

/* From 0.1 to 16 ms. */
static usec_t
some_time(struct bench *b)
{
	return 100 + take_random(b, 1U << take_random(b, 15));
}

static void
fill(struct bench *b)
{
	double since = cpu_now();
	unsigned long n = 0;

	for (unsigned digest = 0; digest < b->ndigests; digest++) {
		for (unsigned tenant = 0; tenant < b->ntenants; tenant++, n++) {
			b->now += 10;
			ask(b, tenant, digest, some_time(b));
		}
	}
	printf("%-28s %8.0f ns a query, each of which is new\n", "filling", (cpu_now() - since) / (double)n * 1e9);
}

static void
tell_memory(struct bench *b)
{
	struct mallinfo2 m = mallinfo2();
	double told = (double)query_store_memory(&b->store), real = (double)(m.uordblks + m.hblkhd - b->heap);

	printf("%-28s %8.1f MB told, %.1f by malloc; %u entries, %u digests, %llu given up\n", "memory", told / 1e6, real / 1e6,
	       b->store.entries.n, b->store.digests.n, (unsigned long long)b->store.evicted_entries);
	printf("%-28s %8zu B an entry, %zu a digest, %zu a tenant, without histograms and texts\n", "",
	       sizeof(struct query_entry), sizeof(struct query_digest), sizeof(struct query_tenant));
}

/* One tenant, 16 statements. */
static void
time_hot_queries(struct bench *b)
{
	double best = 1, since;

	for (unsigned run = 0; run < 20; run++) {
		since = cpu_now();
		for (unsigned i = 0; i < 100000; i++) {
			b->now += 5;
			ask(b, 0, i % 16 % b->ndigests, 100 + (i & 127));
		}
		if (cpu_now() - since < best && run > 0)
			best = cpu_now() - since;
	}
	printf("%-28s %8.1f ns\n", "a query, hot", best / 100000 * 1e9);
}

/* Any that are known, of any tenant: hardly one finds anything in the caches. */
static void
time_cold_queries(struct bench *b)
{
	unsigned n = b->store.entries.n, at = 0;
	struct query_entry **all = memory_alloc(n * sizeof(*all)), *e;
	struct query_sample q = { .rows = 1 };
	double since;

	for (unsigned i = 0; (e = query_table_next(&b->store.entries, &at)) != NULL; i++)
		all[i] = e;
	since = cpu_now();
	for (unsigned i = 0; i < 500000; i++) {
		e = all[take_random(b, n)];
		e = query_find(e->tenant, e->hash);
		b->now += 5;
		q.total = 100 + (i & 127);
		query_count(e, &q, b->now);
	}
	printf("%-28s %8.1f ns\n", "a query, cold", (cpu_now() - since) / 500000 * 1e9);
	free(all);
}

static int
compare(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return *x > *y ? 1 : *x < *y ? -1 : 0;
}

static void
time_look(struct bench *b, const char *what, void (*look)(struct bench *b))
{
	double took[LOOKS], since;

	for (unsigned i = 0; i < LOOKS; i++) {
		forget_caches();
		since = cpu_now();
		look(b);
		took[i] = cpu_now() - since;
	}
	qsort(took, LOOKS, sizeof(took[0]), compare);
	printf("%-28s %8.2f ms, longest %.2f%s\n", what, took[LOOKS / 2] * 1e3, took[LOOKS - 1] * 1e3,
	       took[LOOKS - 1] > STALL ? " !" : "");
}

static void
collect(struct bench *b, enum query_order o)
{
	struct query_rows r;

	query_collect(&b->store, NULL, o, 200, &r);
	query_rows_release(&r);
}

static void
collect_tenants(struct bench *b, enum query_order o)
{
	struct query_rows r;

	query_collect_tenants(&b->store, o, 50, &r);
	query_rows_release(&r);
}

static void
look_at_digests(struct bench *b)
{
	collect(b, QUERY_BY_TOTAL);
}

static void
look_at_digests_by_p95(struct bench *b)
{
	collect(b, QUERY_BY_P95);
}

static void
look_at_tenants(struct bench *b)
{
	collect_tenants(b, QUERY_BY_TOTAL);
}

static void
look_at_tenants_by_p95(struct bench *b)
{
	collect_tenants(b, QUERY_BY_P95);
}

static void
look_for_alarms(struct bench *b)
{
	struct query_alarm_rules rules = { .slow_share = 0.05, .min_calls = 20, .regression = 2 };
	struct query_alarms a;

	query_find_alarms(&b->store, &rules, b->now, 100, &a);
	query_alarms_release(&a);
}

/* What a page asks for in one visit. */
static void
look_at_all(struct bench *b)
{
	look_at_digests(b);
	look_at_tenants(b);
	(void)query_store_memory(&b->store);
}

/* Every statement has a baseline, and is slower now; every tenant has slow ones: all have to be judged to the end. */
static void
make_alarms(struct bench *b)
{
	for (unsigned period = 0; period < 5; period++) {
		struct query_entry *e;

		b->now += b->limits.period;
		for (unsigned at = 0; (e = query_table_next(&b->store.entries, &at)) != NULL;) {
			for (unsigned i = 0; i < 20; i++) {
				e->running++;
				query_count(e, &(struct query_sample){ .total = period < 4 ? 5000 : 20000, .slow = i < 2 }, b->now);
			}
		}
	}
}

static void
time_once(const char *what, double since)
{
	double took = cpu_now() - since;

	printf("%-28s %8.2f ms%s\n", what, took * 1e3, took > STALL ? " !" : "");
}

static void
time_changes(struct bench *b)
{
	double since;

	b->limits.entries = 16;
	forget_caches();
	since = cpu_now();
	query_store_limit(&b->store, &b->limits);
	time_once("much less room", since);
	forget_caches();
	since = cpu_now();
	query_store_reset(&b->store, b->now);
	time_once("reset", since);
}

int
main(int argc, char **argv)
{
	struct bench b = {
		.ntenants = argc > 1 ? (unsigned)atoi(argv[1]) : 10000,
		.ndigests = argc > 2 ? (unsigned)atoi(argv[2]) : 50,
		.limits = {
			.on = true, .entries = argc > 3 ? (unsigned)atoi(argv[3]) : 20000, .entries_per_tenant = 2000,
			.text_size = 4096, .period = 300 * USEC_PER_SEC, .period_calls = 20,
		},
		.now = 1000 * 300 * USEC_PER_SEC, .random = 88172645463325252ULL,
	};

	b.tenants = memory_alloc(b.ntenants * sizeof(*b.tenants));
	b.heap = mallinfo2().uordblks + mallinfo2().hblkhd;
	query_store_init(&b.store, &b.limits, b.now);
	for (unsigned i = 0; i < b.ntenants; i++) {
		char name[32];

		snprintf(name, sizeof(name), "tenant_%05u", i);
		b.tenants[i] = query_tenant_new(&b.store, name);
	}
	printf("%u tenants x %u digests, query_stats_max = %u\n", b.ntenants, b.ndigests, b.limits.entries);
	fill(&b);
	tell_memory(&b);
	time_hot_queries(&b);
	time_cold_queries(&b);
	time_look(&b, "digests", look_at_digests);
	time_look(&b, "digests by p95", look_at_digests_by_p95);
	time_look(&b, "tenants", look_at_tenants);
	time_look(&b, "tenants by p95", look_at_tenants_by_p95);
	time_look(&b, "all of that in one visit", look_at_all);
	make_alarms(&b);
	time_look(&b, "alarms", look_for_alarms);
	time_changes(&b);
	query_store_release(&b.store);
	free(b.tenants);
	return 0;
}
