/*
 * SHOW CONFIG, VERSION, STATE, PEERS, PEER_POOLS, DNS_HOSTS, DNS_ZONES: what
 * the console knows by itself, or nearly.
 */
#include "base/memory.h"
#include "build.h"
#include "reports/inside.h"

/* --- SHOW CONFIG --- */

struct config_row {
	const char *key, *value, *def, *changeable;
};

static const struct column config_columns[] = {
	{ "key", COLUMN_TEXT, offsetof(struct config_row, key) },
	{ "value", COLUMN_TEXT, offsetof(struct config_row, value) },
	{ "default", COLUMN_TEXT, offsetof(struct config_row, def) },
	{ "changeable", COLUMN_TEXT, offsetof(struct config_row, changeable) },
};

static void
add_key(void *arg, const char *key, const char *value, const char *def, bool changeable)
{
	stock_add(arg, &(struct config_row){ key, value, def, changeable ? "yes" : "no" });
}

static void
add_config(const struct report_order *o, const struct part *all, struct stock *rows)
{
	(void)all;
	config_each_key(reports_config(o->work.reports), add_key, rows);
}

const struct report_kind report_config = {
	.name = "CONFIG",
	.help = "a row a key of [pgbouncer]",
	.columns = config_columns,
	.ncolumns = lengthof(config_columns),
	.maker = &(const struct report_maker){ .add = add_config },
};

/* --- SHOW VERSION --- */

struct version_row {
	const char *version;
};

static const struct column version_columns[] = {
	{ "version", COLUMN_TEXT, offsetof(struct version_row, version) },
};

static void
add_version(const struct report_order *o, const struct part *all, struct stock *rows)
{
	(void)o;
	(void)all;
	stock_add(rows, &(struct version_row){ PACKAGE_STRING });
}

const struct report_kind report_version = {
	.name = "VERSION",
	.help = "the version of this program",
	.columns = version_columns,
	.ncolumns = lengthof(version_columns),
	.maker = &(const struct report_maker){ .add = add_version },
};

/* --- SHOW STATE --- */

struct state_row {
	const char *key, *value;
};

static const struct column state_columns[] = {
	{ "key", COLUMN_TEXT, offsetof(struct state_row, key) },
	{ "value", COLUMN_TEXT, offsetof(struct state_row, value) },
};

static void
add_state(const struct report_order *o, const struct part *all, struct stock *rows)
{
	bool paused = all->tally.paused > 0;

	(void)o;
	stock_add(rows, &(struct state_row){ "active", paused ? "no" : "yes" });
	stock_add(rows, &(struct state_row){ "paused", paused ? "yes" : "no" });
	stock_add(rows, &(struct state_row){ "suspended", "no" });
}

const struct report_kind report_state = {
	.name = "STATE",
	.help = "whether everything is paused",
	.columns = state_columns,
	.ncolumns = lengthof(state_columns),
	.maker = &(const struct report_maker){ .look = tally_look, .add = add_state },
};

/* --- SHOW PEERS and PEER_POOLS --- */

struct peer_row {
	int64_t id;
	const char *host;
	int64_t port, pool_size;
	int64_t none; /* peers are not talked to yet */
};

static const struct column peer_columns[] = {
	{ "peer_id", COLUMN_INT4, offsetof(struct peer_row, id) },
	{ "host", COLUMN_TEXT, offsetof(struct peer_row, host) },
	{ "port", COLUMN_INT4, offsetof(struct peer_row, port) },
	{ "pool_size", COLUMN_INT4, offsetof(struct peer_row, pool_size) },
};

static const struct column peer_pool_columns[] = {
	{ "peer_id", COLUMN_INT4, offsetof(struct peer_row, id) },
	{ "cl_active_cancel_req", COLUMN_INT4, offsetof(struct peer_row, none) },
	{ "cl_waiting_cancel_req", COLUMN_INT4, offsetof(struct peer_row, none) },
	{ "sv_active_cancel", COLUMN_INT4, offsetof(struct peer_row, none) },
	{ "sv_login", COLUMN_INT4, offsetof(struct peer_row, none) },
};

/* NULL: default_pool_size is auto, which says nothing for peers. */
static int64_t
tell_pool_size(const struct config_peer *p, const struct config *c)
{
	int size = p->pool_size >= 0 ? p->pool_size : c->default_pool_size;

	return size == POOL_SIZE_AUTO ? REPORT_NULL : size;
}

static void
add_peers(const struct report_order *o, const struct part *all, struct stock *rows)
{
	const struct config *c = reports_config(o->work.reports);

	(void)all;
	for (size_t i = 0; i < c->npeers; i++) {
		const struct config_peer *p = &c->peers[i];

		stock_add(rows,
			&(struct peer_row){
				.id = p->id,
				.host = p->host,
				.port = p->port,
				.pool_size = tell_pool_size(p, c),
			});
	}
}

const struct report_kind report_peers = {
	.name = "PEERS",
	.help = "a row a line of [peers]",
	.columns = peer_columns,
	.ncolumns = lengthof(peer_columns),
	.maker = &(const struct report_maker){ .add = add_peers },
};

const struct report_kind report_peer_pools = {
	.name = "PEER_POOLS",
	.help = "a row a line of [peers]",
	.columns = peer_pool_columns,
	.ncolumns = lengthof(peer_pool_columns),
	.maker = &(const struct report_maker){ .add = add_peers },
};

/* --- SHOW DNS_HOSTS and DNS_ZONES: the system's resolver is asked, and nothing is cached --- */

struct dns_row {
	const char *name;
	int64_t ttl;
	const char *addrs;
	int64_t serial, count;
};

static const struct column dns_host_columns[] = {
	{ "hostname", COLUMN_TEXT, offsetof(struct dns_row, name) },
	{ "ttl", COLUMN_INT8, offsetof(struct dns_row, ttl) },
	{ "addrs", COLUMN_TEXT, offsetof(struct dns_row, addrs) },
};

static const struct column dns_zone_columns[] = {
	{ "zonename", COLUMN_TEXT, offsetof(struct dns_row, name) },
	{ "serial", COLUMN_INT8, offsetof(struct dns_row, serial) },
	{ "count", COLUMN_INT4, offsetof(struct dns_row, count) },
};

const struct report_kind report_dns_hosts = {
	.name = "DNS_HOSTS",
	.help = "empty: the resolver of the system is asked, and nothing is cached",
	.columns = dns_host_columns,
	.ncolumns = lengthof(dns_host_columns),
	.maker = &(const struct report_maker){ .look = NULL },
};

const struct report_kind report_dns_zones = {
	.name = "DNS_ZONES",
	.help = "empty, likewise",
	.columns = dns_zone_columns,
	.ncolumns = lengthof(dns_zone_columns),
	.maker = &(const struct report_maker){ .look = NULL },
};
