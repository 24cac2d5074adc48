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

/* --- hosts, limits, bans, threats --- */

static void
write_hosts(struct metrics_text *t, const struct metric *m, const struct metrics_view *v)
{
	for (size_t i = 0; i <= METRICS_HOSTS; i++) {
		const struct metrics_host *h = &v->guards->hosts[i];

		if (h->seen)
			write_one(t, "host", h->name, field(h, m->offset));
	}
}

/* Only where pool_size = auto. */
static void
write_paces(struct metrics_text *t, const struct metric *m, const struct metrics_view *v)
{
	for (size_t i = 0; i < v->guards->nhosts; i++) {
		const struct metrics_host *h = &v->guards->hosts[i];

		if (h->paced)
			write_one(t, "host", h->name, field(h, m->offset));
	}
}

static void
write_limits(struct metrics_text *t, const struct metric *m, const struct metrics_view *v)
{
	for (int i = 0; i < LIMIT_SCOPES; i++) {
		for (int j = 0; j < LIMIT_KINDS; j++) {
			const struct metrics_label labels[] = {
				{ "scope", limit_scope_name((enum limit_scope)i) },
				{ "kind", limit_kind_name((enum limit_kind)j) },
			};

			if (v->guards->limited[i][j])
				metrics_text_sample(t, labels, lengthof(labels), field(&v->guards->limits[i][j], m->offset),
					NULL);
		}
	}
}

static void
write_refusals(struct metrics_text *t, const struct metric *m, const struct metrics_view *v)
{
	const struct ban_totals *n = &v->guards->ban_totals;

	(void)m;
	write_one(t, "reason", "ban", (int64_t)n->refused);
	write_one(t, "reason", "accept_rate", (int64_t)n->refused_connects);
	write_one(t, "reason", "cancel_rate", (int64_t)n->refused_cancels);
}

static void
write_bans(struct metrics_text *t, const struct metric *m, const struct metrics_view *v)
{
	metrics_text_sample(t, NULL, 0, field(v->guards, m->offset), NULL);
}

static void
write_threats(struct metrics_text *t, const struct metric *m, const struct metrics_view *v)
{
	(void)m;
	write_one(t, "action", "told", (int64_t)v->threats->told);
	write_one(t, "action", "refused", (int64_t)v->threats->refused);
}

static void
write_threat_rules(struct metrics_text *t, const struct metric *m, const struct metrics_view *v)
{
	(void)m;
	for (int i = 0; i < THREAT_RULES; i++)
		write_one(t, "rule", threat_rule_name((enum threat_rule)i), (int64_t)v->threats->rules[i]);
}

/* Without one there is no sample. */
static void
write_catalogue_up(struct metrics_text *t, const struct metric *m, const struct metrics_view *v)
{
	(void)m;
	if (v->guards->catalogue.configured)
		metrics_text_sample(t, NULL, 0, v->guards->catalogue.connected, NULL);
}

static void
write_catalogue(struct metrics_text *t, const struct metric *m, const struct metrics_view *v)
{
	if (v->guards->catalogue.configured)
		metrics_text_sample(t, NULL, 0, field(&v->guards->catalogue, m->offset), NULL);
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

/* A row: name behind "pgusher_", type, unit, what writes its samples, where their values are, help. */
#define ROW(name, type, unit, write, offset, help)                                           \
	{                                                                                    \
		{ "pgusher_" name, METRIC_##type, UNIT_##unit, help }, write, offset         \
	}
#define OWN(name, type, unit, write, help) ROW(name, type, unit, write, 0, help)
#define VALUE(name, type, unit, field, help) \
	ROW(name, type, unit, write_value, offsetof(struct metrics_view, field), help)
#define PROCESS(name, type, unit, field, help) \
	ROW("process_" name, type, unit, write_process, offsetof(struct metrics_process, field), help)
#define LEVEL(name, unit, field, help) \
	ROW(name, GAUGE, unit, write_level, offsetof(struct metrics_level, field), help)
#define TENANT_LEVEL(name, unit, field, help)                                              \
	ROW("tenant_" name, GAUGE, unit, write_tenant_levels, offsetof(struct metrics_level, field), \
	    help ", by tenant")
#define APPLICATION(name, unit, field, help)                                                 \
	ROW("application_" name, COUNTER, unit, write_applications,                          \
	    offsetof(struct application_counts, field), help ", by the application that their comment names")

#define HOST(name, type, unit, field, help) \
	ROW("host_" name, type, unit, write_hosts, offsetof(struct metrics_host, field), help)
#define PACE(name, field, help) \
	ROW("host_pace_" name, GAUGE, NONE, write_paces, offsetof(struct metrics_host, field), help)
#define LIMIT(name, unit, field, help) \
	ROW("limit_" name, COUNTER, unit, write_limits, offsetof(struct metrics_limit, field), help)
#define CATALOGUE(name, type, field, help) \
	ROW("catalogue_" name, type, NONE, write_catalogue, offsetof(struct catalogue_facts, field), help)

/* A counter of all tenants, and the same by tenant: two rows. */
#define COUNT_WITH(name, unit, field, help, all, each)                                       \
	ROW(name, COUNTER, unit, all, offsetof(struct metrics_counts, field), help),         \
	ROW("tenant_" name, COUNTER, unit, each, offsetof(struct metrics_counts, field), help ", by tenant")
#define COUNT(name, unit, field, help) COUNT_WITH(name, unit, field, help, write_count, write_tenant_counts)

static const struct metric metrics[] = {
	OWN("build", INFO, NONE, write_build, "Which version runs"),
	PROCESS("start_time_seconds", GAUGE, SECONDS, started_at,
		"When the process began, since 1970"),
	PROCESS("cpu_seconds", COUNTER, SECONDS, cpu, "CPU time of all threads"),
	PROCESS("resident_memory_bytes", GAUGE, BYTES, resident_bytes,
		"Memory that the process has in use"),
	PROCESS("open_fds", GAUGE, NONE, open_fds, "Open file descriptors"),
	PROCESS("max_fds", GAUGE, NONE, max_fds,
		"File descriptors that the system lets the process have"),
	VALUE("workers", GAUGE, NONE, workers, "Threads that carry queries"),
	VALUE("config_timestamp_seconds", GAUGE, SECONDS, configured_at,
		"When the settings in force were taken (start, RELOAD or SET), since 1970"),
	VALUE("scrape_visit_seconds", GAUGE, SECONDS, longest_visit,
		"How long this scrape held up a worker, of the longest"),
	VALUE("worker_visit_longest_seconds", GAUGE, SECONDS, longest_visit_ever,
		"How long a worker has ever been held up by a look at it (scrapes, SHOW, HTTP, RELOAD), "
		"at most"),

	OWN("clients", GAUGE, NONE, write_clients,
		"Client connections: logging in, idle (no server lent), active (a server is lent), "
		"waiting for a server"),
	VALUE("client_connections", GAUGE, NONE, clients, "Client connections in all states"),
	VALUE("client_connections_limit", GAUGE, NONE, max_clients, "max_client_conn"),
	TENANT_LEVEL("clients", NONE, sessions, "Clients that are logged in"),
	TENANT_LEVEL("clients_waiting", NONE, waiting, "Clients that wait for a server"),
	OWN("cancel_requests", GAUGE, NONE, write_cancels,
		"Cancel requests: active (on their way to PostgreSQL), waiting for a connection"),
	OWN("servers", GAUGE, NONE, write_servers,
		"Server connections: login, idle, active (lent), tested (reset or check), being_canceled "
		"(back, but a cancel is under way)"),
	TENANT_LEVEL("servers", NONE, nservers, "Server connections in all states"),
	LEVEL("pools", NONE, pools, "Pools, of a tenant and a user each"),
	LEVEL("pools_waiting", NONE, pools_waiting, "Pools in which a client waits for a server"),
	LEVEL("max_wait_seconds", SECONDS, max_wait,
		"How long the client has waited that waits longest for a server"),
	TENANT_LEVEL("max_wait_seconds", SECONDS, max_wait,
		"How long the client has waited that waits longest for a server"),
	VALUE("tenants", GAUGE, NONE, tenants, "Tenants in use"),
	VALUE("tenants_configured", GAUGE, NONE, tenants_configured,
		"Lines of [databases], without *"),
	VALUE("tenants_unnamed", GAUGE, NONE, unnamed,
		"Tenants in use that are told as tenant other"),
	VALUE("paused", GAUGE, NONE, paused, "1: no server is lent (PAUSE)"),

	COUNT("logins", NONE, traffic.client_login_count, "Logins of clients"),
	VALUE("failed_logins", COUNTER, NONE, failed_logins,
		"Logins that failed for a wrong password or user"),
	VALUE("tls_handshakes", COUNTER, NONE, handshakes,
		"TLS handshakes with clients that came to a good end"),
	VALUE("tls_handshake_failures", COUNTER, NONE, failed_handshakes,
		"TLS handshakes with clients that failed"),

	COUNT("server_assignments", NONE, traffic.server_assignment_count,
		"Times a server was lent to a client"),
	COUNT("transactions", NONE, traffic.xact_count, "Transactions"),
	COUNT("requests", NONE, traffic.query_count,
		"Requests up to ReadyForQuery, as PgBouncer counts queries"),
	COUNT("received_bytes", BYTES, traffic.received, "Bytes from clients"),
	COUNT("sent_bytes", BYTES, traffic.sent, "Bytes to clients"),
	COUNT("transaction_seconds", SECONDS, traffic.xact_time,
		"Time in transactions, waiting for a server included"),
	COUNT("request_seconds", SECONDS, traffic.query_time,
		"Time of requests, as PgBouncer counts it"),
	COUNT("client_wait_seconds", SECONDS, traffic.wait_time,
		"Time that clients waited for a server"),
	COUNT("client_parses", NONE, traffic.client_parse_count,
		"Named statements that clients prepared"),
	COUNT("server_parses", NONE, traffic.server_parse_count,
		"Of these, statements that servers had to prepare"),
	COUNT("binds", NONE, traffic.bind_count, "Executions of named statements"),

	COUNT("queries", NONE, queries.calls, "Queries"),
	COUNT("query_errors", NONE, queries.errors, "Queries that failed"),
	COUNT_WITH("slow_queries", NONE, queries.slow,
		"Queries that took slow_query_threshold or longer", write_slow, write_tenant_slow),
	COUNT("query_rows", NONE, queries.rows, "Rows that queries returned or changed"),
	COUNT("query_received_bytes", BYTES, queries.bytes_in, "Bytes of queries"),
	COUNT("query_sent_bytes", BYTES, queries.bytes_out, "Bytes of their replies"),
	COUNT("query_wait_seconds", SECONDS, queries.wait, "Time that queries waited for a server"),
	COUNT("query_server_seconds", SECONDS, queries.total,
		"Time from sending queries to the end of their replies"),
	COUNT("query_first_byte_seconds", SECONDS, queries.first_byte,
		"Of that, up to the first byte of the reply"),
	COUNT("query_blocked_seconds", SECONDS, queries.blocked,
		"Of that, while the client did not take the reply"),
	OWN("query_duration_seconds", HISTOGRAM, SECONDS, write_latency,
		"From sending a query to the end of its reply; a bound is good to a sixteenth of itself"),
	OWN("tenant_query_duration_seconds", HISTOGRAM, SECONDS, write_tenant_latency,
		"From sending a query to the end of its reply, by tenant"),

	VALUE("digests", GAUGE, NONE, digests,
		"Statements with statistics of their own, each worker counting its own"),
	VALUE("digest_entries", GAUGE, NONE, entries,
		"Pairs of tenant and statement with statistics of their own"),
	VALUE("digests_given_up", COUNTER, NONE, evicted_digests,
		"Statements whose statistics were merged with others, for want of room (query_stats_max)"),
	VALUE("digest_entries_given_up", COUNTER, NONE, evicted_entries,
		"Pairs of tenant and statement, likewise (query_stats_max_per_tenant, too)"),
	VALUE("statements_truncated", COUNTER, NONE, truncated,
		"Statements too long to be read whole"),
	VALUE("query_statistics_bytes", GAUGE, BYTES, memory,
		"Memory that the statistics of queries take"),
	VALUE("query_statistics_start_time_seconds", GAUGE, SECONDS, since,
		"When the counting of queries began (start or RESET STATS), since 1970"),

	HOST("connections", GAUGE, NONE, used, "Connections to a PostgreSQL server, those being opened included"),
	HOST("connections_limit", GAUGE, NONE, cap, "max_connections of a server; 0: no cap"),
	HOST("up", GAUGE, NONE, up, "0: the last connection to a server could not be made"),
	HOST("tenants", GAUGE, NONE, tenants, "Tenants that have a connection to a server"),
	HOST("tenants_waiting", GAUGE, NONE, waiting, "Tenants that wait for a connection to a full server"),
	HOST("longest_wait_seconds", GAUGE, SECONDS, longest_wait, "How long the tenant has waited that waits longest"),
	HOST("grants", COUNTER, NONE, granted, "Connections that a tenant had to wait for, and got"),
	HOST("evictions", COUNTER, NONE, evictions, "Idle connections closed for another tenant"),
	HOST("yields", COUNTER, NONE, yielded,
		"Connections that a busy tenant gave up for another one at the end of a transaction"),
	HOST("refusals", COUNTER, NONE, refused, "Waits for a connection that were given up"),
	HOST("connect_failures", COUNTER, NONE, failures, "Connections to a server that could not be made"),
	PACE("limit", pace_limit, "Connections of a server that may work at a time, as pool_size = auto found it"),
	PACE("active", pace_active, "Connections of a server that work"),
	PACE("waiting", pace_waiting, "Sessions that wait for one of them"),
	LIMIT("delays", NONE, delayed, "Times that somebody was held back by a limit"),
	LIMIT("delay_seconds", SECONDS, delayed_time, "How long they were held back"),
	LIMIT("refusals", NONE, refused, "Times that somebody was refused by a limit"),
	LIMIT("shadowed", NONE, shadowed, "Times that a limit in shadow mode would have held back or refused"),
	ROW("bans", GAUGE, NONE, write_bans, offsetof(struct metrics_guards, bans), "Bans in force"),
	ROW("bans_automatic", COUNTER, NONE, write_bans, offsetof(struct metrics_guards, ban_totals.banned),
		"Bans that failed logins brought"),
	OWN("refused_connections", COUNTER, NONE, write_refusals,
		"Connections, logins and cancel requests of addresses that are banned or come too often"),
	OWN("threats", COUNTER, NONE, write_threats, "Statements that the threat monitor told or refused"),
	OWN("threat_rules", COUNTER, NONE, write_threat_rules, "Rules that such statements hit; one may hit several"),
	OWN("catalogue_up", GAUGE, NONE, write_catalogue_up, "1: the catalogue of tenants is connected"),
	CATALOGUE("known", GAUGE, known, "Tenants of the catalogue that are remembered"),
	CATALOGUE("absent", GAUGE, absent, "Names of which it is remembered that the catalogue has no such tenant"),
	CATALOGUE("questions", COUNTER, asked, "Questions to the database of the catalogue"),
	CATALOGUE("hits", COUNTER, hits, "Tenants looked up that were remembered"),

	OWN("alerts", COUNTER, NONE, write_alerts,
		"Alerts, those held back by alert_cooldown not counted"),
	VALUE("slow_log_lost", COUNTER, NONE, slow_lost,
		"Slow queries that are not in the log: over slow_query_log_rate, or it could not be "
		"written"),
	OWN("webhook_deliveries", COUNTER, NONE, write_webhooks,
		"Alerts for the webhook: sent, failed (given up), dropped (too many waited)"),
};

static const struct metric application_metrics[] = {
	APPLICATION("queries", NONE, calls, "Queries"),
	APPLICATION("query_errors", NONE, errors, "Queries that failed"),
	APPLICATION("slow_queries", NONE, slow, "Queries that took slow_query_threshold or longer"),
	APPLICATION("query_server_seconds", SECONDS, total,
		"Time from sending queries to the end of their replies"),
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
