/*
 * What a digest costs, beside what libpg_query's fingerprint costs.  By hand:
 *
 *	cc -O2 -D_GNU_SOURCE -Isrc -IBUILD/src test/bench/digest.c BUILD/src/libpgusher.a -lpg_query -o digest && ./digest
 *
 * Nanoseconds of this thread's CPU time; the best of many short runs, since a machine that has other
 * work makes them longer but never shorter.
 */
#include <pg_query.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/buffer.h"
#include "sql/digest.h"

static const char short_query[] =
	"SELECT id, name, email FROM users WHERE tenant_id = 42 AND status = 'active' ORDER BY id LIMIT 100";

static const char long_query[] =
	"SELECT o.id, o.number, o.created_at, c.name AS customer, c.country, sum(l.quantity * l.price) AS total, "
	"count(*) FILTER (WHERE l.discount > 0.05) AS discounted, max(l.updated_at) AS last_change, "
	"CASE WHEN o.status = 'open' THEN 'to do' WHEN o.status IN ('paid', 'shipped', 'returned') THEN 'done' "
	"ELSE coalesce(o.note, '') END AS state FROM orders o JOIN customers c ON c.id = o.customer_id AND "
	"c.tenant_id = o.tenant_id LEFT JOIN order_lines l ON l.order_id = o.id AND l.tenant_id = o.tenant_id "
	"WHERE o.tenant_id = 4711 AND o.created_at >= '2026-01-01'::date AND o.created_at < '2026-02-01'::date "
	"AND (c.country = 'DE' OR c.country = 'AT' OR c.country = 'CH') AND o.total BETWEEN 100 AND 5000 "
	"AND NOT EXISTS (SELECT 1 FROM refunds r WHERE r.order_id = o.id AND r.amount > 0) "
	"AND o.channel_id IN (1, 2, 3, 5, 8, 13, 21, 34) GROUP BY o.id, o.number, o.created_at, c.name, c.country, "
	"o.status, o.note HAVING sum(l.quantity * l.price) > 250.50 ORDER BY total DESC, o.created_at LIMIT 50 OFFSET 100";

static uint64_t sink;

static double
cpu_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void
run_digest(const char *text, size_t n)
{
	struct sql_digest d;

	sql_digest(text, n, &d);
	sink += d.hash;
}

static void
run_normalize(const char *text, size_t n)
{
	char out[2048];

	sink += sql_normalize(text, n, out, sizeof(out));
}

static void
run_fingerprint(const char *text, size_t n)
{
	PgQueryFingerprintResult r = pg_query_fingerprint(text);

	(void)n;
	sink += r.fingerprint;
	pg_query_free_fingerprint_result(r);
}

/* Of `runs` rounds that take about 200 us each. */
static double
best_of(void (*work)(const char *, size_t), const char *text, size_t n, int runs)
{
	double best = 1e18, begin = cpu_now();

	work(text, n);
	work(text, n);
	int times = (int)(400e3 / (cpu_now() - begin)) + 1;
	for (int r = 0; r < runs; r++) {
		begin = cpu_now();
		for (int i = 0; i < times; i++)
			work(text, n);
		double each = (cpu_now() - begin) / times;
		best = each < best ? each : best;
	}
	return best;
}

static void
show(const char *name, const char *text)
{
	size_t n = strlen(text);

	printf("%-22s %6zu %10.0f %10.0f %12.0f\n", name, n, best_of(run_digest, text, n, 1000),
		best_of(run_normalize, text, n, 300), best_of(run_fingerprint, text, n, 300));
}

int
main(void)
{
	struct buffer insert = BUFFER_INIT;
	char row[128];

	buffer_append(&insert, "INSERT INTO order_lines (tenant_id, order_id, product_id, quantity, price, note) VALUES ", 87);
	for (int i = 0; i < 50; i++) {
		int n = snprintf(row, sizeof(row), "%s(4711, %d, %d, %d, %d.99, 'line %d')", i > 0 ? ", " : "", 100000 + i,
			7 * i, i % 9, 10 + i, i);
		buffer_append(&insert, row, (size_t)n);
	}
	buffer_append(&insert, "", 1);

	printf("%-22s %6s %10s %10s %12s\n", "ns", "bytes", "digest", "normalize", "fingerprint");
	show("short query", short_query);
	show("long query", long_query);
	show("insert of 50 rows", (const char *)insert.data);
	buffer_release(&insert);
	return sink == 0;
}
