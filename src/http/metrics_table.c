#include "http/metrics_table.h"

#include "base/memory.h"
#include "build.h"
#include "http/metrics_pgbouncer.h"

const usec_t metrics_bounds[METRICS_BOUNDS] = { 1000, 2500, 5000, 10000, 25000, 50000, 100000,
						250000, 500000, 1000000, 2500000, 5000000, 10000000 };

struct metric {
	struct metrics_family family;
	void (*write)(struct metrics_text *t, const struct metric *m, const struct metrics_view *v);
	size_t offset;		/* of an int64_t in what `write` looks at */
};

static int64_t
field(const void *base, size_t offset)
{
	return *(const int64_t *)((const char *)base + offset);
}

/* --- one value --- */

static void
write_build(struct metrics_text *t, const struct metric *m, const struct metrics_view *v)
{
	const struct metrics_label version = { "version", PACKAGE_VERSION };

	(void)m;
	(void)v;
	metrics_text_sample(t, &version, 1, 1, NULL);
}

static void
write_value(struct metrics_text *t, const struct metric *m, const struct metrics_view *v)
{
	metrics_text_sample(t, NULL, 0, field(v, m->offset), NULL);
}

/* Where the system does not tell, there is no sample. */
static void
write_process(struct metrics_text *t, const struct metric *m, const struct metrics_view *v)
{
	if (field(&v->process, m->offset) >= 0)
		metrics_text_sample(t, NULL, 0, field(&v->process, m->offset), NULL);
}

static void
write_level(struct metrics_text *t, const struct metric *m, const struct metrics_view *v)
{
	metrics_text_sample(t, NULL, 0, field(&v->told->level, m->offset), NULL);
}

static void
write_count(struct metrics_text *t, const struct metric *m, const struct metrics_view *v)
{
	metrics_text_sample(t, NULL, 0, field(&v->told->counts, m->offset), NULL);
}

static void
write_slow(struct metrics_text *t, const struct metric *m, const struct metrics_view *v)
{
	metrics_text_sample(t, NULL, 0, field(&v->told->counts, m->offset), &v->traces.latest);
}

/* --- by what --- */

static void
write_one(struct metrics_text *t, const char *label, const char *of, int64_t value)
{
	metrics_text_sample(t, &(struct metrics_label){ label, of }, 1, value, NULL);
}

static void
write_clients(struct metrics_text *t, const struct metric *m, const struct metrics_view *v)
{
	(void)m;
	write_one(t, "state", "login", v->logins);
	write_one(t, "state", "idle", v->clients_idle);
	write_one(t, "state", "active", v->told->level.active);
	write_one(t, "state", "waiting", v->told->level.waiting);
}

static void
write_cancels(struct metrics_text *t, const struct metric *m, const struct metrics_view *v)
{
	(void)m;
	write_one(t, "state", "active", v->told->level.cancels_active);
	write_one(t, "state", "waiting", v->told->level.cancels_waiting);
}

static void
write_servers(struct metrics_text *t, const struct metric *m, const struct metrics_view *v)
{
	(void)m;
	for (int i = 0; i < PLACES; i++)
		write_one(t, "state", server_place_name((enum server_place)i), v->told->level.servers[i]);
}

static void
write_alerts(struct metrics_text *t, const struct metric *m, const struct metrics_view *v)
{
	(void)m;
	for (int i = 0; i < ALERT_KINDS; i++)
		write_one(t, "kind", alert_kind_name((enum alert_kind)i), (int64_t)v->monitor->alerts[i]);
}

static void
write_webhooks(struct metrics_text *t, const struct metric *m, const struct metrics_view *v)
{
	(void)m;
	write_one(t, "outcome", "sent", (int64_t)v->monitor->webhook_sent);
	write_one(t, "outcome", "failed", (int64_t)v->monitor->webhook_failed);
	write_one(t, "outcome", "dropped", (int64_t)v->monitor->webhook_dropped);
}

static void
write_applications(struct metrics_text *t, const struct metric *m, const struct metrics_view *v)
{
	for (size_t i = 0; i < v->napplications; i++)
		write_one(t, "application", v->applications[i].name, field(&v->applications[i].n, m->offset));
}

static void
write_tenant_levels(struct metrics_text *t, const struct metric *m, const struct metrics_view *v)
{
	/* Those that were counted once and are not shown any more have none. */
	for (size_t i = 0; i <= v->told->nnamed; i++)
		write_one(t, "tenant", v->told->rows[i].name, field(&v->told->rows[i].level, m->offset));
}

static void
write_tenant_counts(struct metrics_text *t, const struct metric *m, const struct metrics_view *v)
{
	for (size_t i = 0; i < v->told->nrows; i++)
		write_one(t, "tenant", v->told->rows[i].name, field(&v->told->rows[i].counts, m->offset));
}

static void
write_tenant_slow(struct metrics_text *t, const struct metric *m, const struct metrics_view *v)
{
	for (size_t i = 0; i < v->told->nrows; i++) {
		const struct metrics_row *row = &v->told->rows[i];

		metrics_text_sample(t, &(struct metrics_label){ "tenant", row->name }, 1,
				    field(&row->counts, m->offset), &v->tenant_traces[i].latest);
	}
}

/* --- histograms --- */

static void
write_latency(struct metrics_text *t, const struct metric *m, const struct metrics_view *v)
{
	int64_t counts[METRICS_BOUNDS];

	(void)m;
	for (size_t i = 0; i < METRICS_BOUNDS; i++)
		counts[i] = (int64_t)histogram_up_to(&v->latency, metrics_bounds[i]);
	metrics_text_histogram(t, NULL, 0,
			       &(struct metrics_buckets){
				       .bounds = metrics_bounds,
				       .counts = counts,
				       .nbounds = METRICS_BOUNDS,
				       .total = (int64_t)v->told->counts.queries.calls,
				       .sum = v->told->counts.queries.total,
				       .exemplars = v->traces.buckets,
			       });
}

static void
write_tenant_latency(struct metrics_text *t, const struct metric *m, const struct metrics_view *v)
{
	(void)m;
	for (size_t i = 0; i < v->told->nrows; i++) {
		const struct metrics_row *row = &v->told->rows[i];

		metrics_text_histogram(t, &(struct metrics_label){ "tenant", row->name }, 1,
				       &(struct metrics_buckets){
					       .bounds = metrics_tenant_bounds,
					       .counts = row->counts.up_to,
					       .nbounds = METRICS_TENANT_BOUNDS,
					       .total = (int64_t)row->counts.queries.calls,
					       .sum = row->counts.queries.total,
					       .exemplars = v->tenant_traces[i].buckets,
				       });
	}
}

/* --- the table --- */

#define VIEW(field) offsetof(struct metrics_view, field)
#define PROCESS(field) offsetof(struct metrics_process, field)
#define LEVEL(field) offsetof(struct metrics_level, field)
#define APPLICATION(field) offsetof(struct application_counts, field)

/* A counter of all tenants, and the same by tenant. */
#define COUNT_WITH(name, unit, field, help, all, each)                                             \
	{ { "pgusher_" name, METRIC_COUNTER, unit, help }, all, offsetof(struct metrics_counts, field) }, \
	{ { "pgusher_tenant_" name, METRIC_COUNTER, unit, help ", by tenant" }, each,              \
	  offsetof(struct metrics_counts, field) }
#define COUNT(name, unit, field, help) COUNT_WITH(name, unit, field, help, write_count, write_tenant_counts)

#define APPLICATION_ROW(name, unit, field, help)                                                   \
	{ { "pgusher_application_" name, METRIC_COUNTER, unit, help ", by the application that their comment names" }, \
	  write_applications, APPLICATION(field) }

static const struct metric metrics[] = {
	{ { "pgusher_build", METRIC_INFO, UNIT_NONE, "Which version runs" }, write_build, 0 },
	{ { "pgusher_process_start_time_seconds", METRIC_GAUGE, UNIT_SECONDS, "When the process began, since 1970" },
	  write_process, PROCESS(started_at) },
	{ { "pgusher_process_cpu_seconds", METRIC_COUNTER, UNIT_SECONDS, "CPU time of all threads" },
	  write_process, PROCESS(cpu) },
	{ { "pgusher_process_resident_memory_bytes", METRIC_GAUGE, UNIT_BYTES, "Memory that the process has in use" },
	  write_process, PROCESS(resident_bytes) },
	{ { "pgusher_process_open_fds", METRIC_GAUGE, UNIT_NONE, "Open file descriptors" },
	  write_process, PROCESS(open_fds) },
	{ { "pgusher_process_max_fds", METRIC_GAUGE, UNIT_NONE, "File descriptors that the system lets the process have" },
	  write_process, PROCESS(max_fds) },
	{ { "pgusher_workers", METRIC_GAUGE, UNIT_NONE, "Threads that carry queries" }, write_value, VIEW(workers) },
	{ { "pgusher_config_timestamp_seconds", METRIC_GAUGE, UNIT_SECONDS,
	    "When the settings in force were taken (start, RELOAD or SET), since 1970" },
	  write_value, VIEW(configured_at) },
	{ { "pgusher_scrape_visit_seconds", METRIC_GAUGE, UNIT_SECONDS,
	    "How long this scrape held up a worker, of the longest" },
	  write_value, VIEW(longest_visit) },
	{ { "pgusher_worker_visit_longest_seconds", METRIC_GAUGE, UNIT_SECONDS,
	    "How long a worker has ever been held up by a look at it (scrapes, SHOW, HTTP, RELOAD), at most" },
	  write_value, VIEW(longest_visit_ever) },

	{ { "pgusher_clients", METRIC_GAUGE, UNIT_NONE,
	    "Client connections: logging in, idle (no server lent), active (a server is lent), waiting for a server" },
	  write_clients, 0 },
	{ { "pgusher_client_connections", METRIC_GAUGE, UNIT_NONE, "Client connections in all states" },
	  write_value, VIEW(clients) },
	{ { "pgusher_client_connections_limit", METRIC_GAUGE, UNIT_NONE, "max_client_conn" },
	  write_value, VIEW(max_clients) },
	{ { "pgusher_tenant_clients", METRIC_GAUGE, UNIT_NONE, "Clients that are logged in, by tenant" },
	  write_tenant_levels, LEVEL(sessions) },
	{ { "pgusher_tenant_clients_waiting", METRIC_GAUGE, UNIT_NONE, "Clients that wait for a server, by tenant" },
	  write_tenant_levels, LEVEL(waiting) },
	{ { "pgusher_cancel_requests", METRIC_GAUGE, UNIT_NONE,
	    "Cancel requests: active (on their way to PostgreSQL), waiting for a connection" },
	  write_cancels, 0 },
	{ { "pgusher_servers", METRIC_GAUGE, UNIT_NONE,
	    "Server connections: login, idle, active (lent), tested (reset or check), being_canceled (back, but a cancel is under way)" },
	  write_servers, 0 },
	{ { "pgusher_tenant_servers", METRIC_GAUGE, UNIT_NONE, "Server connections in all states, by tenant" },
	  write_tenant_levels, LEVEL(nservers) },
	{ { "pgusher_pools", METRIC_GAUGE, UNIT_NONE, "Pools, of a tenant and a user each" },
	  write_level, LEVEL(pools) },
	{ { "pgusher_pools_waiting", METRIC_GAUGE, UNIT_NONE, "Pools in which a client waits for a server" },
	  write_level, LEVEL(pools_waiting) },
	{ { "pgusher_max_wait_seconds", METRIC_GAUGE, UNIT_SECONDS,
	    "How long the client has waited that waits longest for a server" },
	  write_level, LEVEL(max_wait) },
	{ { "pgusher_tenant_max_wait_seconds", METRIC_GAUGE, UNIT_SECONDS,
	    "How long the client has waited that waits longest for a server, by tenant" },
	  write_tenant_levels, LEVEL(max_wait) },
	{ { "pgusher_tenants", METRIC_GAUGE, UNIT_NONE, "Tenants in use" }, write_value, VIEW(tenants) },
	{ { "pgusher_tenants_configured", METRIC_GAUGE, UNIT_NONE, "Lines of [databases], without *" },
	  write_value, VIEW(tenants_configured) },
	{ { "pgusher_tenants_unnamed", METRIC_GAUGE, UNIT_NONE, "Tenants in use that are told as tenant other" },
	  write_value, VIEW(unnamed) },
	{ { "pgusher_paused", METRIC_GAUGE, UNIT_NONE, "1: no server is lent (PAUSE)" }, write_value, VIEW(paused) },

	COUNT("logins", UNIT_NONE, traffic.client_login_count, "Logins of clients"),
	{ { "pgusher_failed_logins", METRIC_COUNTER, UNIT_NONE, "Logins that failed for a wrong password or user" },
	  write_value, VIEW(failed_logins) },
	{ { "pgusher_tls_handshakes", METRIC_COUNTER, UNIT_NONE, "TLS handshakes with clients that came to a good end" },
	  write_value, VIEW(handshakes) },
	{ { "pgusher_tls_handshake_failures", METRIC_COUNTER, UNIT_NONE, "TLS handshakes with clients that failed" },
	  write_value, VIEW(failed_handshakes) },

	COUNT("server_assignments", UNIT_NONE, traffic.server_assignment_count, "Times a server was lent to a client"),
	COUNT("transactions", UNIT_NONE, traffic.xact_count, "Transactions"),
	COUNT("requests", UNIT_NONE, traffic.query_count,
	      "Requests up to ReadyForQuery, as PgBouncer counts queries"),
	COUNT("received_bytes", UNIT_BYTES, traffic.received, "Bytes from clients"),
	COUNT("sent_bytes", UNIT_BYTES, traffic.sent, "Bytes to clients"),
	COUNT("transaction_seconds", UNIT_SECONDS, traffic.xact_time,
	      "Time in transactions, waiting for a server included"),
	COUNT("request_seconds", UNIT_SECONDS, traffic.query_time, "Time of requests, as PgBouncer counts it"),
	COUNT("client_wait_seconds", UNIT_SECONDS, traffic.wait_time, "Time that clients waited for a server"),
	COUNT("client_parses", UNIT_NONE, traffic.client_parse_count, "Named statements that clients prepared"),
	COUNT("server_parses", UNIT_NONE, traffic.server_parse_count, "Of these, statements that servers had to prepare"),
	COUNT("binds", UNIT_NONE, traffic.bind_count, "Executions of named statements"),

	COUNT("queries", UNIT_NONE, queries.calls, "Queries"),
	COUNT("query_errors", UNIT_NONE, queries.errors, "Queries that failed"),
	COUNT_WITH("slow_queries", UNIT_NONE, queries.slow, "Queries that took slow_query_threshold or longer",
		   write_slow, write_tenant_slow),
	COUNT("query_rows", UNIT_NONE, queries.rows, "Rows that queries returned or changed"),
	COUNT("query_received_bytes", UNIT_BYTES, queries.bytes_in, "Bytes of queries"),
	COUNT("query_sent_bytes", UNIT_BYTES, queries.bytes_out, "Bytes of their replies"),
	COUNT("query_wait_seconds", UNIT_SECONDS, queries.wait, "Time that queries waited for a server"),
	COUNT("query_server_seconds", UNIT_SECONDS, queries.total, "Time from sending queries to the end of their replies"),
	COUNT("query_first_byte_seconds", UNIT_SECONDS, queries.first_byte, "Of that, up to the first byte of the reply"),
	COUNT("query_blocked_seconds", UNIT_SECONDS, queries.blocked, "Of that, while the client did not take the reply"),
	{ { "pgusher_query_duration_seconds", METRIC_HISTOGRAM, UNIT_SECONDS,
	    "From sending a query to the end of its reply; a bound is good to a sixteenth of itself" },
	  write_latency, 0 },
	{ { "pgusher_tenant_query_duration_seconds", METRIC_HISTOGRAM, UNIT_SECONDS,
	    "From sending a query to the end of its reply, by tenant" },
	  write_tenant_latency, 0 },

	{ { "pgusher_digests", METRIC_GAUGE, UNIT_NONE, "Statements with statistics of their own, each worker counting its own" },
	  write_value, VIEW(digests) },
	{ { "pgusher_digest_entries", METRIC_GAUGE, UNIT_NONE, "Pairs of tenant and statement with statistics of their own" },
	  write_value, VIEW(entries) },
	{ { "pgusher_digests_given_up", METRIC_COUNTER, UNIT_NONE,
	    "Statements whose statistics were merged with others, for want of room (query_stats_max)" },
	  write_value, VIEW(evicted_digests) },
	{ { "pgusher_digest_entries_given_up", METRIC_COUNTER, UNIT_NONE,
	    "Pairs of tenant and statement, likewise (query_stats_max_per_tenant, too)" },
	  write_value, VIEW(evicted_entries) },
	{ { "pgusher_statements_truncated", METRIC_COUNTER, UNIT_NONE, "Statements too long to be read whole" },
	  write_value, VIEW(truncated) },
	{ { "pgusher_query_statistics_bytes", METRIC_GAUGE, UNIT_BYTES, "Memory that the statistics of queries take" },
	  write_value, VIEW(memory) },
	{ { "pgusher_query_statistics_start_time_seconds", METRIC_GAUGE, UNIT_SECONDS,
	    "When the counting of queries began (start or RESET STATS), since 1970" },
	  write_value, VIEW(since) },

	{ { "pgusher_alerts", METRIC_COUNTER, UNIT_NONE, "Alerts, those held back by alert_cooldown not counted" },
	  write_alerts, 0 },
	{ { "pgusher_slow_log_lost", METRIC_COUNTER, UNIT_NONE,
	    "Slow queries that are not in the log: over slow_query_log_rate, or it could not be written" },
	  write_value, VIEW(slow_lost) },
	{ { "pgusher_webhook_deliveries", METRIC_COUNTER, UNIT_NONE,
	    "Alerts for the webhook: sent, failed (given up), dropped (too many waited)" },
	  write_webhooks, 0 },
};

static const struct metric application_metrics[] = {
	APPLICATION_ROW("queries", UNIT_NONE, calls, "Queries"),
	APPLICATION_ROW("query_errors", UNIT_NONE, errors, "Queries that failed"),
	APPLICATION_ROW("slow_queries", UNIT_NONE, slow, "Queries that took slow_query_threshold or longer"),
	APPLICATION_ROW("query_server_seconds", UNIT_SECONDS, total, "Time from sending queries to the end of their replies"),
};

static void
write_table(struct metrics_text *t, const struct metrics_view *v, const struct metric *table, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		metrics_text_family(t, &table[i].family);
		table[i].write(t, &table[i], v);
	}
}

void
metrics_write(struct metrics_text *t, const struct metrics_view *v)
{
	write_table(t, v, metrics, lengthof(metrics));
	if (v->napplications > 0)
		write_table(t, v, application_metrics, lengthof(application_metrics));
	if (v->peer)
		metrics_write_peer(t, v);
	metrics_text_end(t);
}
