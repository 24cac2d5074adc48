/*
 * metrics_table: all metrics, a row each: name, type, unit, help, and where its values are.
 *
 * doc/metrics.md tells the same to people; test/system/test_metrics.py compares the two.
 * The names are an interface: dashboards and alert rules (etc/grafana, etc/prometheus) and
 * those of others hold on to them.
 */
#ifndef HTTP_METRICS_TABLE_H
#define HTTP_METRICS_TABLE_H

#include "http/metrics_guards.h"
#include "http/metrics_pgbouncer.h"
#include "http/metrics_process.h"
#include "http/metrics_tenants.h"
#include "http/metrics_text.h"
#include "monitor/monitor.h"

/* The upper ends of the buckets of all queries together, in us. */
#define METRICS_BOUNDS 13
extern const usec_t metrics_bounds[METRICS_BOUNDS];

/* The latest slow queries that have a trace: of each bucket of a histogram, the last being +Inf. */
struct metrics_traces {
	struct metrics_exemplar latest;		/* of all */
	struct metrics_exemplar buckets[METRICS_BOUNDS + 1];
};

struct metrics_application {
	const char *name;
	struct application_counts n;
};

/* What is written: all of it, as one scrape found it. */
struct metrics_view {
	const struct config *config;
	const struct metrics_told *told;
	const struct monitor_counts *monitor;
	const struct metrics_guards *guards;
	const struct threat_counts *threats;
	struct metrics_process process;
	struct histogram latency;		/* of all queries */
	struct metrics_traces traces;		/* of all queries */
	struct metrics_traces *tenant_traces;	/* of told->rows[] */
	struct metrics_application *applications;
	size_t napplications;			/* 0: they are not told */
	bool peer;				/* PgBouncer's names, too */
	int64_t workers, configured_at;
	int64_t clients, clients_idle, logins, max_clients, failed_logins, handshakes, failed_handshakes;
	int64_t tenants, unnamed, autodbs, tenants_configured, paused;
	int64_t digests, entries, evicted_digests, evicted_entries, truncated, memory, since;
	int64_t slow_lost;			/* by the monitor, or on the way to it */
	int64_t longest_visit;			/* of this scrape */
	int64_t longest_visit_ever;		/* of all inquiries */
	struct metrics_peer_lists peer_lists;
};

void metrics_write(struct metrics_text *t, const struct metrics_view *v);

#endif
