/*
 * config: what the files say, as one immutable snapshot.
 *
 * config_load reads the ini file, its %includes, the auth_file, checks the
 * whole and makes a snapshot, or says exactly what is wrong and where.  A
 * snapshot never changes after that; it is shared by all threads, counted by
 * reference (atomically), and freed with the last one.  SET on the console
 * makes a new snapshot too (config_with).
 *
 * The keys stand in tables (config/keys.h): parser, defaults, SHOW CONFIG, the
 * man page and the sample file all come from there.
 *
 * Units in the structs: all times are usec_t microseconds (the files speak
 * seconds, with a fraction if wanted), sizes are bytes.
 *
 * Text of struct config is never NULL: "" means not set (server_check_query is
 * the one exception).  In struct config_database NULL means not set.
 */
#ifndef CONFIG_CONFIG_H
#define CONFIG_CONFIG_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "auth/hba.h"
#include "auth/secret.h"
#include "base/clock.h"
#include "base/error.h"
#include "net/tls.h"

enum pool_mode {
	POOL_INHERIT = -1,	/* [databases] and [users]: not set here */
	POOL_SESSION,
	POOL_TRANSACTION,
	POOL_STATEMENT,
};

enum auth_type {
	AUTH_ANY,		/* any user name is let in as the forced user */
	AUTH_TRUST,
	AUTH_PLAIN,
	AUTH_MD5,
	AUTH_SCRAM_SHA_256,
	AUTH_CERT,
	AUTH_HBA,
	AUTH_LDAP,
	AUTH_PAM,
};

/* How TLS with a server begins. */
enum tls_negotiation {
	TLS_NEGOTIATION_POSTGRES,	/* SSLRequest first */
	TLS_NEGOTIATION_DIRECT,		/* at once (PostgreSQL 17), with ALPN */
};

/* What a server may ask for, as bits; server_require_auth in the order of libpq's require_auth. */
enum auth_demand {
	DEMAND_NONE = 1 << 0,		/* AuthenticationOk at once */
	DEMAND_PASSWORD = 1 << 1,
	DEMAND_MD5 = 1 << 2,
	DEMAND_SCRAM = 1 << 3,		/* with or without channel binding */
	DEMAND_SCRAM_PLUS = 1 << 4,	/* "scram-sha-256-plus": only with channel binding */
	DEMAND_ANY = DEMAND_NONE | DEMAND_PASSWORD | DEMAND_MD5 | DEMAND_SCRAM | DEMAND_SCRAM_PLUS,
};

enum load_balance_hosts {
	LOAD_BALANCE_ROUND_ROBIN,
	LOAD_BALANCE_DISABLE,
};

/* What becomes of session state (settings, LISTEN, PREPARE ...) that a client leaves behind when it gives a server
 * back in transaction or statement mode. */
enum session_state {
	SESSION_STATE_CLEAN,	/* nobody else sees it */
	SESSION_STATE_KEEP,	/* the next client finds it, as with PgBouncer */
};

/* Which server of host=a,b is wanted, as in libpq. */
enum target_session {
	TARGET_ANY,
	TARGET_READ_WRITE,
	TARGET_READ_ONLY,
	TARGET_PRIMARY,
	TARGET_STANDBY,
	TARGET_PREFER_STANDBY,
};

/* What is done about statements that a tenant never ran before, and about attacks (threat/habit.h). */
enum threat_mode {
	THREAT_INHERIT = -1,
	THREAT_OFF,
	THREAT_RECORD,		/* learn what is usual */
	THREAT_DETECT,		/* tell */
	THREAT_PROTECT,		/* tell, and refuse */
};

/* Where the name of a tenant comes from; tenant_route lists some, in order. */
enum tenant_route {
	ROUTE_DATABASE,		/* the database that is asked for */
	ROUTE_USER,		/* user.tenant */
	ROUTE_SNI,		/* acme.db.example.com, with tenant_sni_suffix = .db.example.com */
	ROUTE_OPTIONS,		/* options=-c pgusher.tenant=acme, or a startup parameter of that name or "tenant" */
	ROUTES,
};

enum tenant_case {
	TENANT_CASE_KEEP,	/* names count as they are written, as PostgreSQL's do */
	TENANT_CASE_LOWER,	/* what is not in [databases] is folded; what SNI says always is */
};

#define CONFIG_UNSET (-1)	/* in [databases] and [users]: the wider setting counts */
#define POOL_SIZE_AUTO (-2)	/* pool_size, default_pool_size: as much as the host can use (pool/pace.h) */
#define TENANT_NAME_MAX 63	/* bytes, as PostgreSQL's names */

/* What somebody may take at most (tenant/limits.h).  0: no limit; CONFIG_UNSET: the wider line's.  A burst counts with
 * the rate of the same line. */
struct config_limits {
	int clients;			/* connections at a time */
	int connections, connections_burst;	/* new ones a second */
	int queries, queries_burst;	/* a second */
	int active;			/* queries under way at a time */
	int64_t bytes, bytes_burst;	/* a second, both ways */
	int server_time, server_time_burst;	/* ms of servers' time a second; 1000 is one connection, always busy */
	int64_t result_size;		/* bytes of one query's reply */
	int64_t query_length;		/* bytes of one Query or Parse */
	usec_t transaction;		/* a transaction's length */
	int queue;			/* queries that wait for a server; the next one is refused at once (53300) */
	usec_t max_delay;		/* a query over a rate waits so long at most, then 53400 */
	int warn_percent;		/* NOTICE from there on; 0: never */
	int shadow;			/* count, but let pass */
};

/* What a line of [limits] is for: "tenant = ...", "tenant:acme = ...", "class:gold = ...", "network:10.1.2.0/24 = ...". */
enum limit_scope {
	LIMIT_TENANT,
	LIMIT_USER,
	LIMIT_CLIENT,		/* an address at a tenant */
	LIMIT_ADDRESS,
	LIMIT_NETWORK,		/* /24 of IPv4, /64 of IPv6 */
	LIMIT_SCOPES,
	LIMIT_CLASS = LIMIT_SCOPES,	/* for tenants that say limits=gold in their line */
};

/* One line of [limits].  name "": the default of its scope; of LIMIT_CLIENT: the tenant's; of LIMIT_ADDRESS and
 * LIMIT_NETWORK: "10.1.0.0/16", as inet_ntop writes it. */
struct config_limit_line {
	int scope;			/* enum limit_scope */
	const char *name;
	struct config_limits limits;
};

/* One line of [hosts]: "10.0.0.5:5432 = max_connections=200", or "*" for those that have none. */
struct config_host {
	const char *host;		/* as databases name it: a name, an address, a folder of a Unix socket; "*" */
	int port;			/* 5432; of "*": any */
	int max_connections;		/* of ours to it, whatever for; 0: no cap */
	int admin_reserve;		/* of these, for admin_users only; one more is for cancel requests */
	int min;			/* an active tenant keeps so many, as far as there is room for all */
	usec_t min_lease;		/* a connection is not taken from its tenant before it was its for so long */
	int active_floor, active_ceiling;	/* bounds of pool_size = auto; ceiling 0: max_connections */
};

/* One line of [databases] or [tenants], or what a "*" line makes of a name.  There may be 100,000 of them: numbers are
 * as narrow as they can be. */
struct config_database {
	const char *name;		/* as clients ask for it; of the "*" line: "*" */
	const char *dbname;		/* on the server; not given: name, or NULL in the "*" line */
	const char *host;		/* NULL: Unix socket in unix_socket_dir; may be a list a,b,c */
	const char *user;		/* forced user, or NULL */
	const char *password;		/* of the forced user, or NULL; secret */
	const char *auth_user;
	const char *auth_dbname;
	const char *auth_query;
	const char *client_encoding;	/* NULL: not set */
	const char *datestyle;
	const char *timezone;
	const char *application_name;
	const char *connect_query;
	const char *server_tls_ca_file;	/* NULL: not set; likewise the next two */
	const char *server_tls_cert_file;
	const char *server_tls_key_file;
	const char *server_require_auth;	/* as the global key; NULL: not set */
	const char *limits;		/* a class of [limits]; NULL: none */
	const char *allow, *deny;	/* lists for config_in_networks; NULL: everybody, nobody */
	usec_t server_lifetime;		/* CONFIG_UNSET: not set */
	usec_t query_wait_timeout;
	usec_t slow_query_threshold;	/* CONFIG_UNSET: not set */
	int port;			/* 5432 */
	int pool_size;			/* CONFIG_UNSET, POOL_SIZE_AUTO */
	int min_pool_size;
	int reserve_pool_size;
	int max_db_connections;
	int max_db_client_connections;
	uint32_t tls_slot;		/* private */
	int16_t weight;			/* its share of a full host, to that of others; 1 */
	int16_t tenant_workers;		/* how many workers may serve it; CONFIG_UNSET; 0: auto */
	int8_t load_balance_hosts;	/* enum load_balance_hosts */
	int8_t pool_mode;		/* enum pool_mode */
	int8_t server_tls_sslmode;	/* enum tls_mode; CONFIG_UNSET */
	int8_t server_tls_negotiation;	/* enum tls_negotiation; CONFIG_UNSET */
	int8_t target_session_attrs;	/* enum target_session */
	int8_t threat_mode;		/* enum threat_mode; THREAT_INHERIT */
	int8_t disabled;		/* nobody is let in */
	bool autodb;			/* made from a "*" line, or from what the catalogue says */
};

/* One line of [users], of auth_file, or of both. */
struct config_user {
	const char *name;
	bool in_auth_file;
	struct secret secret;		/* from auth_file; SECRET_NONE otherwise */
	int pool_mode;
	int pool_size;
	int reserve_pool_size;
	int max_user_connections;
	int max_user_client_connections;
	usec_t query_timeout;
	usec_t idle_transaction_timeout;
	usec_t transaction_timeout;
	usec_t client_idle_timeout;
	usec_t query_wait_timeout;
	usec_t slow_query_threshold;
	const char *tenants;		/* that SET pgusher.tenant may change to: a list, "*": all; NULL: none */
};

enum http_auth {
	HTTP_AUTH_AUTO,		/* loopback and Unix sockets may read without a token */
	HTTP_AUTH_TOKEN,	/* nobody may anything without, but /healthz, /readyz and the page's own files */
};

enum http_scope {
	HTTP_READ = 1 << 0,
	HTTP_BENCHMARK = 1 << 1,
	HTTP_OPERATE = 1 << 2,
};

/* One line of [http_tokens]: name = sha256:<64 hex digits> scope=read,operate tenant=acme */
struct http_token {
	const char *name;	/* for people and the log */
	uint8_t hash[32];	/* SHA-256 of the token */
	int scopes;		/* enum http_scope, or-ed; read if none is given */
	const char *tenant;	/* NULL: all */
};

struct config_peer {
	int id;
	const char *host;
	int port;
	int pool_size;
};

struct config {
	atomic_int *refs;		/* private */
	const char *conffile;		/* absolute path */

	/* authentication */
	const char *admin_users;
	const char *stats_users;
	int application_name_add_host;
	const char *auth_dbname;
	const char *auth_file;
	const char *auth_hba_file;
	const char *auth_ident_file;
	const char *auth_ldap_options;
	const char *auth_query;
	int auth_type;			/* enum auth_type */
	const char *auth_user;
	int scram_iterations;

	/* timeouts; 0 switches one off */
	usec_t autodb_idle_timeout;
	usec_t cancel_wait_timeout;
	usec_t client_idle_timeout;
	usec_t client_login_timeout;
	usec_t idle_transaction_timeout;
	usec_t transaction_timeout;
	usec_t query_timeout;
	usec_t query_wait_timeout;
	usec_t server_connect_timeout;
	usec_t server_idle_timeout;
	usec_t server_lifetime;
	usec_t server_login_retry;
	usec_t server_check_delay;
	usec_t suspend_timeout;
	usec_t pool_idle_timeout;

	/* limits; 0: none, where that makes sense */
	int max_client_conn;
	int max_db_client_connections;
	int max_db_connections;
	int max_user_client_connections;
	int max_user_connections;
	int default_pool_size;
	int min_pool_size;
	int reserve_pool_size;
	usec_t reserve_pool_timeout;
	int64_t max_packet_size;
	int max_prepared_statements;
	int64_t prepared_text_budget;	/* ours: bytes of prepared texts per tenant */
	int max_login_clients;		/* ours: connections that may be in login at a time */

	/* TLS */
	int client_tls_sslmode;		/* enum tls_mode */
	const char *client_tls_ca_file, *client_tls_cert_file, *client_tls_key_file;
	const char *client_tls_protocols, *client_tls_ciphers, *client_tls13_ciphers;
	const char *client_tls_dheparams, *client_tls_ecdhcurve;
	int server_tls_sslmode;
	const char *server_tls_ca_file, *server_tls_cert_file, *server_tls_key_file;
	const char *server_tls_protocols, *server_tls_ciphers, *server_tls13_ciphers;
	int server_tls_negotiation;	/* ours: enum tls_negotiation */
	const char *server_require_auth;	/* ours: what servers may ask for, a list; "": anything */

	/* behaviour */
	int pool_mode;			/* enum pool_mode, never POOL_INHERIT */
	const char *server_check_query;	/* "": an empty query; NULL: no check */
	int server_fast_close;
	const char *server_reset_query;
	int server_reset_query_always;
	int session_state;		/* ours: enum session_state */
	int server_round_robin;
	int disable_pqexec;
	const char *ignore_startup_parameters;
	const char *track_extra_parameters;
	usec_t query_wait_notify;
	const char *login_notify_message;
	int peer_id;

	/* log and statistics */
	const char *logfile;
	int log_connections;
	int log_disconnections;
	int log_pooler_errors;
	int log_stats;
	usec_t stats_period;
	int syslog;
	const char *syslog_facility;
	const char *syslog_ident;
	int verbose;

	/* query statistics; ours */
	int query_stats;		/* time queries */
	int query_stats_max;		/* digests in all, and (tenant, digest) pairs in all */
	int query_stats_max_per_tenant;
	int query_text_size;		/* bytes of a normalized text */
	usec_t slow_query_threshold;	/* 0: nothing is slow */
	const char *slow_query_log;	/* "": lines go to the main log; "off": nowhere; else a file */
	int slow_query_log_values;	/* parameter values, too */
	int slow_query_log_rate;	/* lines a second at most; 0: no bound */
	int slow_query_plan;		/* EXPLAIN them */
	int slow_query_plan_rate;	/* a minute */

	/* alerts; ours */
	usec_t alert_query_time;	/* 0: off */
	int alert_slow_percent;		/* 0: off */
	int alert_regression_percent;	/* 0: off */
	int alert_min_queries;
	usec_t alert_baseline_period;
	usec_t alert_cooldown;
	const char *alert_webhook_url;	/* "": none */
	const char *alert_webhook_secret;	/* secret; "": not signed */

	/* HTTP; ours */
	const char *http_listen;	/* "": off; address:port or a path; a list */
	int http_auth;			/* enum http_auth */
	const char *http_hosts;		/* names that Host may have, beside localhost and the addresses */
	const char *http_tls_cert_file, *http_tls_key_file;
	int metrics_top_tenants;
	int metrics_pgbouncer_names;	/* also under the names of PgBouncer's exporter */
	int metrics_application_label;	/* queries by the application that sqlcommenter names */

	/* tenants; ours */
	const char *tenant_route;	/* a list of words: database, user, sni, options */
	const char *tenant_sni_suffix;	/* "": none */
	const char *tenant_fallback;	/* tenant of those that name none; "": they are refused */
	int tenant_case;		/* enum tenant_case */
	int tenant_shards;		/* {shard} in templates is a number below it */
	int tenant_workers;		/* how many workers may serve one tenant; 0: auto */
	const char *tenant_catalogue;	/* connection string; "": none; secret */
	const char *tenant_query;	/* $1: name.  A row: connection string (and settings as in [databases]; may be NULL) */
	const char *tenant_save_query;	/* $1: name, $2: connection string and settings, $3: must it be new (boolean) */
	const char *tenant_drop_query;	/* $1: name */
	const char *tenant_channel;	/* that NOTIFY tells changes on, payload: the name, or "" for all */
	usec_t tenant_ttl, tenant_negative_ttl;
	usec_t tenant_move_timeout;	/* of MOVE TENANT: how long clients may be held */

	/* limits and protection; ours */
	const char *limit_redis;	/* redis://..., "": each node for itself; secret */
	int limit_nodes;		/* that share the limits, for when Redis is down */
	int ban_failures;		/* failed logins of (address, tenant) that bring a ban; 0: never */
	usec_t ban_time, ban_time_max;	/* of the first one; doubled each time */
	const char *proxy_protocol;	/* list of CIDR that may speak it, and have to; "": nobody */
	usec_t client_message_timeout;	/* a message that was begun has to be whole by then; 0: never */
	usec_t client_write_timeout;	/* a client that takes nothing of what waits for it is closed; 0: never */
	int64_t client_memory;		/* bytes that one client may have us keep; 0: no bound */
	int64_t tenant_memory;		/* all clients and statements of a tenant */
	int accept_rate;		/* connections a second of one address; 0: no bound */
	int cancel_rate;		/* cancel requests a second of one address; 0: no bound */
	int log_rate;			/* lines of one kind a second; 0: no bound */
	int threat_mode;		/* enum threat_mode */
	const char *threat_file;	/* what was learned; "": only in memory */
	int threat_max;			/* statements of a (tenant, role) that are learned */

	/* process and network */
	const char *job_name;
	const char *pidfile;
	const char *user;
	int workers;			/* ours: query threads; 0: one per CPU ("auto") */
	const char *listen_addr;
	int listen_port;
	int listen_backlog;
	const char *unix_socket_dir;	/* "": no Unix socket */
	const char *unix_socket_group;
	int unix_socket_mode;
	int so_reuseport;
	int pkt_buf;
	int sbuf_loopcnt;
	const char *resolv_conf;
	usec_t dns_max_ttl;
	usec_t dns_nxdomain_ttl;
	usec_t dns_zone_check_period;
	int tcp_defer_accept;
	int tcp_keepalive;
	int tcp_keepcnt, tcp_keepidle, tcp_keepintvl;
	int tcp_socket_buffer;
	int tcp_user_timeout;		/* milliseconds, as the kernel takes it */

	/* the lists */
	const struct config_database **databases;	/* in file order; without "*" */
	size_t ndatabases;
	const struct config_database *autodb;		/* the "*" line, or NULL */
	const struct config_user **users;		/* in order of appearance */
	size_t nusers;
	int scram_share;		/* of 256 users of auth_file, how many have a SCRAM verifier */
	const struct config_peer *peers;
	size_t npeers;
	const struct tls_certificate *tls_certificates;	/* [tls_certificates] */
	size_t ntls_certificates;
	const struct http_token *http_tokens;		/* [http_tokens] */
	size_t nhttp_tokens;
	const struct config_host *hosts;		/* [hosts] */
	size_t nhosts;
	const struct config_database **tenants;		/* [tenants], as databases; without "*" */
	size_t ntenants;
	const struct config_database *template;		/* the "*" line of [tenants], or NULL */
	const struct config_limit_line *limits;		/* [limits] */
	size_t nlimits;

	/* made from files that keys name */
	struct tls_context *client_tls;	/* NULL: client_tls_sslmode is disable */
	struct tls_context *http_tls;	/* NULL: no http_tls_cert_file */
	const struct hba *hba;		/* NULL: auth_type is not hba */
	const struct ident *ident;	/* NULL: no auth_ident_file */

	bool bare;			/* private: made by config_from_text */
	struct config_access *access;	/* private: owns hba and ident; shared by config_with, as the next one is */
	struct config_servers *servers;	/* private: the contexts of config_server_tls */
	struct config_index *index;	/* private: owns the lists; shared by config_with */
	const struct faults_key *places;	/* private: where keys were set */
	struct config_arena *arena;	/* private: owns this struct and the text of its keys */
};

/* How much was told of. */
struct config_counts {
	size_t errors, warnings;
};

/* Read path and check it.  All that is wrong is logged, each with file and line, a hundred of them at most, and so is
 * what is odd: keys of a later release that have a value, keys that need a restart and differ from `running` (which may
 * be NULL, and then gives the kept value), tenants that nobody finds.  What is odd about the whole is told only if
 * nothing is wrong.
 * NULL: e (F0000) is the first of what is wrong.  counts may be NULL.
 *
 * Relative names (%include, auth_file, ...) are taken from the working directory, as PgBouncer
 * does; conffile is made absolute.  An auth_file that can't be read is logged: without `running`
 * there are no users then, with it its users stay.  One that can be read but not understood is an
 * error, and so is every other file that a key in force names and that is missing or broken
 * (certificates, keys, auth_hba_file, auth_ident_file): all of them are read anew each time. */
const struct config *config_load(const char *path, const struct config *running, struct config_counts *counts,
	struct error *e);

/* Where a key of [pgbouncer] was set: "file:line: " in buf, which is returned; "" if nowhere, or by config_with since. */
const char *config_place(const struct config *c, const char *key, char *buf, size_t size);

/* The same from size bytes of text in memory, without %include and all files that keys name: there
 * are no users of auth_file, hba and ident are NULL, and TLS is spoken with nobody.  Messages name
 * the file "text".  For tests and the fuzzer. */
const struct config *config_from_text(const char *text, size_t size, struct error *e);

/* A snapshot like base in which key = value ([pgbouncer] section).  It shares the lists with base
 * and costs the same few kilobytes however many there are; auth_file is not read again. NULL: e
 * says why (42704: unknown key, 22023: bad value, 55P02: needs a restart).
 *
 * Of what is made from files only that is made anew which the key is about.  Certificate and key
 * are set one after the other and don't fit each other in between, so a context that can't be made
 * is no error while there is an old one: the log says why, and the old one stays in use.  But it
 * never stands in for more than it can do: a client_tls_sslmode that demands more is refused, and
 * servers whose certificates are to be checked from now on are not connected to until they can be. */
const struct config *config_with(const struct config *base, const char *key, const char *value,
	struct error *e);

const struct config *config_ref(const struct config *c);

/* Sets *c to NULL; NULL is fine. Secrets are wiped with the last reference. */
void config_unref(const struct config **c);

/* Borrowed from the snapshot; NULL: no such line, neither in [databases] nor in [tenants]. */
const struct config_database *config_find_database(const struct config *c, const char *name);
const struct config_user *config_find_user(const struct config *c, const char *name);

/* What a "*" line makes of a name: a copy of it with name, and dbname = name unless the line has one.  That of
 * [tenants] goes before that of [databases]; in its values {tenant} stands for the name and {shard} for config_shard.
 * Owned by the caller: one block, for config_free_line.  Its other strings are borrowed from the snapshot and from name.
 * NULL: there is no "*", or [tenants] alone has one and the name is none that a tenant may have (config_is_tenant_name).
 * Whether the catalogue is to be asked instead (tenant_catalogue) is not looked at. */
struct config_database *config_make_autodb(const struct config *c, const char *name);

/* The same, of the text of a line, which may begin with a postgresql:// URI: what the catalogue says ("": nothing but the
 * "*" line of [tenants], which stands behind it; if there is none, the defaults do).  {tenant} and {shard} are replaced in it, too.  text is not kept.
 * NULL: e (F0000) says what is wrong in text; no secret of it is in e. */
struct config_database *config_make_line(const struct config *c, const char *name, const char *text, struct error *e);

/* Of both: wiped, as there may be a password, and freed.  NULL is fine. */
void config_free_line(struct config_database *d);

/* Letters, digits, '_', '-' and '.', TENANT_NAME_MAX at most, no '.' or '-' at the beginning, no "..": what can stand in
 * host names and paths.  Not those of config_is_reserved. */
bool config_is_tenant_name(const char *name);

/* A tenant's name as it was written becomes the name that counts, in place: tenant_case, but for those of [databases]. */
void config_fold_name(const struct config *c, char *name);

/* From 0 to tenant_shards - 1, by the name only: FNV-1a of 32 bits, modulo tenant_shards.  Data lies where this says, so
 * it never changes. */
int config_shard(const struct config *c, const char *name);

/* The line of [hosts] that counts for a server, "*" if it has none of its own; NULL: none does.  host: one name, address
 * or folder as databases have it, NULL: unix_socket_dir.  Borrowed from the snapshot. */
const struct config_host *config_find_host(const struct config *c, const char *host, int port);

/* The limits of one thing with the wider ones behind them: its own line, its class (of LIMIT_TENANT; NULL: none), the
 * default of its scope.  name: a tenant (LIMIT_TENANT and LIMIT_CLIENT), a user, an address "10.0.0.7" or a network
 * "10.0.0.0/24", for which the line with the longest prefix around it counts.  Nothing is CONFIG_UNSET in the answer, and
 * a rate without a burst has that of one second.  false: there is no limit at all. */
bool config_find_limits(const struct config *c, int scope, const char *name, const char *class, struct config_limits *l);
const char *config_scope_name(int scope);	/* "tenant", ..., "class" */

/* Is the address (ip: 4 or 16 bytes, by family) in a list that a snapshot holds: "10.0.0.0/8, 2001:db8::/32, unix"?
 * AF_UNIX is in it if it says unix; ip is not looked at then.  An IPv4 address inside IPv6 (::ffff:10.0.0.7) counts as
 * IPv4.  NULL and "" hold nobody. */
bool config_in_networks(const char *list, int family, const uint8_t *ip);

/* How to speak TLS with the servers of this database: its own keys, with the global ones behind them.  Borrowed from
 * the snapshot; NULL: the mode is disable. */
struct tls_context *config_server_tls(const struct config *c, const struct config_database *db, enum tls_mode *mode);
enum tls_negotiation config_server_tls_negotiation(const struct config *c, const struct config_database *db);

/* enum auth_demand, or-ed. */
unsigned config_server_demands(const struct config *c, const struct config_database *db);

/* hash, and how connections to this database's servers are made (TLS and require_auth only): the same for any two
 * snapshots, and lines, that have it so. */
uint64_t config_hash_security(uint64_t hash, const struct config *c, const struct config_database *db);

/* Is this a name of the console's database ("pgbouncer", "pgusher"), which no line may define? */
bool config_is_reserved(const char *name);

const char *pool_mode_name(int mode);		/* "session", ...; NULL for POOL_INHERIT */
const char *auth_type_name(int type);
const char *load_balance_hosts_name(int mode);	/* "round-robin", "disable" */

/* SHOW CONFIG: call fn for each key of [pgbouncer], in name order.  Values are text as the file
 * would say it; value and def are NULL where nothing is set.  A value that may hold a password is
 * shown as "****", unless it is empty. */
void config_each_key(const struct config *c,
	void (*fn)(void *arg, const char *key, const char *value, const char *def, bool changeable),
	void *arg);

#endif
