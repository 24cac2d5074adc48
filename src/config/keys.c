#include "config/keys.h"

#include <limits.h>
#include <string.h>

#include "base/memory.h"
#include "config/config.h"

/* How the rows begin: the key has its field's name. */
#define ROW(field, of_type)                                                   \
	.name = #field, .type = of_type, .offset = offsetof(OWNER, field),    \
	.size = sizeof(((OWNER *)NULL)->field)
#define FLAG(field, value) ROW(field, KEY_BOOL), .def = value, .max = 1
#define INT(field, value, lowest, highest) \
	ROW(field, KEY_INT), .def = value, .min = lowest, .max = highest
#define COUNT(field, value) INT(field, value, 0, INT_MAX)
#define SECONDS(field, value) \
	ROW(field, KEY_TIME), .def = value, .max = SECONDS_MAX, .unit = "seconds"
#define MSEC(field, value) \
	ROW(field, KEY_MSEC), .def = value, .max = MSEC_MAX, .unit = "milliseconds"
#define TEXT(field, value) ROW(field, KEY_TEXT), .def = value
#define WORD(field, value, list) ROW(field, KEY_WORD), .def = value, .words = list
#define WORDS(field, value, list) ROW(field, KEY_WORDS), .def = value, .words = list
#define ENUM(field, value, list) ROW(field, KEY_ENUM), .def = value, .words = list

/* With .flags of their own: what is made anew when they change. */
#define CLIENT_TLS .flags = KEY_CLIENT_TLS
#define SERVER_TLS .flags = KEY_SERVER_TLS
#define ACCESS .flags = KEY_ACCESS
#define HTTP .flags = KEY_HTTP

/* In [databases] and [users]: not set, the wider setting counts. */
#define OWN_COUNT(field) INT(field, NULL, CONFIG_UNSET, INT_MAX)
#define OWN_POOL(field) ROW(field, KEY_POOL), .min = CONFIG_UNSET, .max = INT_MAX
#define OWN_SIZE(field) ROW(field, KEY_SIZE), .min = CONFIG_UNSET, .max = BYTES_MAX, .unit = "bytes"
#define OWN_SECONDS(field) \
	ROW(field, KEY_TIME), .min = CONFIG_UNSET, .max = SECONDS_MAX, .unit = "seconds"
#define OWN_MSEC(field) \
	ROW(field, KEY_MSEC), .min = CONFIG_UNSET, .max = MSEC_MAX, .unit = "milliseconds"
#define OWN_TEXT(field) ROW(field, KEY_TEXT), .flags = KEY_NULL

#define PEER_ID_MAX 65535
#define WEIGHT_MAX 1000
#define WORKERS_MAX 256
#define BYTES_MAX (INT64_C(1) << 50)

#define GROUP(heading, paragraph, table)                                                      \
	{                                                                                     \
		.title = heading, .about = paragraph, .keys = table, .nkeys = lengthof(table) \
	}

const struct key_word words_pool_mode[] = {
	{ "session", POOL_SESSION },
	{ "transaction", POOL_TRANSACTION },
	{ "statement", POOL_STATEMENT },
	{ NULL, 0 },
};

const struct key_word words_auth_type[] = {
	{ "any", AUTH_ANY },
	{ "trust", AUTH_TRUST },
	{ "plain", AUTH_PLAIN },
	{ "md5", AUTH_MD5 },
	{ "scram-sha-256", AUTH_SCRAM_SHA_256 },
	{ "cert", AUTH_CERT },
	{ "hba", AUTH_HBA },
	{ "ldap", AUTH_LDAP },
	{ "pam", AUTH_PAM },
	{ NULL, 0 },
};

const struct key_word words_load_balance_hosts[] = {
	{ "round-robin", LOAD_BALANCE_ROUND_ROBIN },
	{ "disable", LOAD_BALANCE_DISABLE },
	{ NULL, 0 },
};

static const struct key_word words_session_state[] = {
	{ "clean", SESSION_STATE_CLEAN },
	{ "keep", SESSION_STATE_KEEP },
	{ NULL, 0 },
};

const struct key_word words_tls_mode[] = {
	{ "disable", TLS_DISABLE },
	{ "allow", TLS_ALLOW },
	{ "prefer", TLS_PREFER },
	{ "require", TLS_REQUIRE },
	{ "verify-ca", TLS_VERIFY_CA },
	{ "verify-full", TLS_VERIFY_FULL },
	{ NULL, 0 },
};

static const struct key_word words_negotiation[] = {
	{ "postgres", TLS_NEGOTIATION_POSTGRES },
	{ "direct", TLS_NEGOTIATION_DIRECT },
	{ NULL, 0 },
};

static const struct key_word words_http_auth[] = {
	{ "auto", HTTP_AUTH_AUTO },
	{ "token", HTTP_AUTH_TOKEN },
	{ NULL, 0 },
};

static const struct key_word words_http_scope[] = {
	{ "read", HTTP_READ },
	{ "benchmark", HTTP_BENCHMARK },
	{ "operate", HTTP_OPERATE },
	{ NULL, 0 },
};

static const struct key_word words_target_session[] = {
	{ "any", TARGET_ANY },
	{ "read-write", TARGET_READ_WRITE },
	{ "read-only", TARGET_READ_ONLY },
	{ "primary", TARGET_PRIMARY },
	{ "standby", TARGET_STANDBY },
	{ "prefer-standby", TARGET_PREFER_STANDBY },
	{ NULL, 0 },
};

static const struct key_word words_threat_mode[] = {
	{ "off", THREAT_OFF },
	{ "record", THREAT_RECORD },
	{ "detect", THREAT_DETECT },
	{ "protect", THREAT_PROTECT },
	{ NULL, 0 },
};

const struct key_word words_tenant_route[] = {
	{ "database", ROUTE_DATABASE },
	{ "user", ROUTE_USER },
	{ "sni", ROUTE_SNI },
	{ "options", ROUTE_OPTIONS },
	{ NULL, 0 },
};

static const struct key_word words_tenant_case[] = {
	{ "keep", TENANT_CASE_KEEP },
	{ "lower", TENANT_CASE_LOWER },
	{ NULL, 0 },
};

static const struct key_word words_tls_protocols[] = {
	{ "tlsv1.0", 0 },
	{ "tlsv1.1", 1 },
	{ "tlsv1.2", 2 },
	{ "tlsv1.3", 3 },
	{ "all", 4 },
	{ "secure", 5 },
	{ "default", 6 },
	{ "legacy", 7 },
	{ NULL, 0 },
};

static const struct key_word words_dheparams[] = {
	{ "auto", 0 },
	{ "legacy", 1 },
	{ "none", 2 },
	{ NULL, 0 },
};

static const struct key_word words_facility[] = {
	{ "auth", 0 },
	{ "authpriv", 1 },
	{ "daemon", 2 },
	{ "user", 3 },
	{ "local0", 4 },
	{ "local1", 5 },
	{ "local2", 6 },
	{ "local3", 7 },
	{ "local4", 8 },
	{ "local5", 9 },
	{ "local6", 10 },
	{ "local7", 11 },
	{ NULL, 0 },
};

#define OWNER struct config

static const struct key keys_login[] = {
	{ ENUM(auth_type, "md5", words_auth_type), ACCESS,
		.help = "How clients prove who they are: with a password (md5, scram-sha-256, plain), "
			"a certificate (cert), by asking PAM or an LDAP server, or as the rules of "
			"auth_hba_file say (hba). A user known by a SCRAM verifier is asked for SCRAM "
			"with md5 too. trust asks for nothing but wants the user known; any takes every "
			"name, and every database needs a user= of its own." },
	{ TEXT(auth_file, NULL),
		.help = "The file with user names and their passwords or verifiers. A relative "
			"name is taken from the working directory. If the file can't be read "
			"at start, pgusher logs that and runs without users; at a reload it "
			"keeps the users that it has. Others should not be able to read it; a "
			"warning says if they are." },
	{ TEXT(admin_users, ""),
		.help = "Users who may run every command on the console, separated by commas. "
			"With auth_type any the name is all that it takes, and all others may SHOW." },
	{ TEXT(stats_users, ""),
		.help = "Users who may run SHOW on the console and nothing else, separated by "
			"commas." },
	{ INT(scram_iterations, "4096", 1, SCRAM_ITERATIONS_MAX),
		.help = "Iterations of the SCRAM-SHA-256 verifier that is made from a password "
			"which auth_file holds in plain. More of them make a guess dearer, and "
			"a login too." },
	{ FLAG(application_name_add_host, "0"),
		.help = "Append the client's address and port to application_name when it logs "
			"in, so that pg_stat_activity shows where a query comes from. A later "
			"SET application_name is left as it is." },
	{ TEXT(auth_user, NULL),
		.help = "The user as whom auth_query is run to look up users that auth_file "
			"doesn't hold. Its own password comes from auth_file. Not set means that "
			"nobody is looked up." },
	{ TEXT(auth_query,
		  "SELECT rolname, CASE WHEN rolvaliduntil < now() THEN NULL ELSE rolpassword END "
		  "FROM pg_authid WHERE rolname=$1 AND rolcanlogin"),
		.help = "The query that fetches a user's name and password or verifier from "
			"the server; $1 is the name that the client gave. The default needs a "
			"superuser; give auth_user a SECURITY DEFINER function instead." },
	{ ROW(auth_dbname, KEY_DATABASE), .def = NULL,
		.help = "The entry of [databases] in which auth_query is run; when it is not "
			"set, the one that the client asked for. The console's database can't be "
			"used." },
	{ TEXT(auth_hba_file, ""), ACCESS,
		.help = "Rules in the form of pg_hba.conf, used with auth_type hba, which needs "
			"them." },
	{ TEXT(auth_ident_file, NULL), ACCESS,
		.help = "Maps in the form of pg_ident.conf, from system and certificate names to "
			"database users. Rules of auth_hba_file name one with map=." },
	{ TEXT(auth_ldap_options, NULL), .flags = KEY_ACCESS | KEY_HIDDEN,
		.help = "Where and how to ask LDAP: the options that a rule of auth_hba_file has "
			"behind ldap. Used with auth_type ldap, which needs them. The console "
			"doesn't show the value, as it may hold the password of a bind." },
};

static const struct key keys_timeouts[] = {
	{ SECONDS(query_wait_timeout, "120"),
		.help = "A query that has waited this long for a server connection fails and "
			"its client is disconnected." },
	{ SECONDS(query_wait_notify, "5"),
		.help = "A client that has waited this long for a server connection gets a "
			"NOTICE that says so, once." },
	{ SECONDS(cancel_wait_timeout, "10"),
		.help = "A cancel request that has waited this long for its way to the server "
			"is dropped." },
	{ SECONDS(client_login_timeout, "60"),
		.help = "A connection that hasn't proved who it is after this time is closed, "
			"however slowly it keeps sending. After that, query_wait_timeout "
			"bounds how long it waits for its first server." },
	{ SECONDS(client_idle_timeout, "0"),
		.help = "A client that has sent nothing for this long outside a transaction is "
			"disconnected. Keep it above the lifetime of connections in the "
			"application's own pool." },
	{ SECONDS(idle_transaction_timeout, "0"),
		.help = "A client that leaves a transaction idle for this long is "
			"disconnected, and the transaction is rolled back." },
	{ SECONDS(transaction_timeout, "0"),
		.help = "A client whose transaction lasts longer than this is disconnected, "
			"and the transaction is rolled back." },
	{ SECONDS(query_timeout, "0"),
		.help = "A query that runs longer than this is canceled and its client "
			"disconnected. It guards against a network that swallows replies; for "
			"slow queries set statement_timeout on the server, a little lower." },
	{ SECONDS(server_connect_timeout, "15"),
		.help = "An attempt to connect and log in to a server is given up after this "
			"time." },
	{ SECONDS(server_login_retry, "15"),
		.help = "How long clients wait for a server that can't be reached. Attempts go "
			"on with short pauses, and once they have failed for this long, the "
			"clients that wait get the error. A refusal, such as a wrong password, "
			"is told at once. As long as the pool has other servers that go on, its "
			"clients wait for those." },
	{ SECONDS(server_idle_timeout, "600"),
		.help = "A server connection that nobody has used for this long is closed." },
	{ SECONDS(server_lifetime, "3600"),
		.help = "A server connection older than this is closed as soon as no client "
			"uses it. With 0 a connection serves one client and is closed." },
	{ SECONDS(server_check_delay, "30"),
		.help = "server_check_query is run before a server connection is lent that has "
			"been idle for longer than this. With 0 it is always run." },
	{ SECONDS(autodb_idle_timeout, "3600"),
		.help = "What was made for a database by the \"*\" line is forgotten, with its "
			"statistics, when nobody has used it for this long." },
	{ SECONDS(pool_idle_timeout, "0"),
		.help = "A pool without clients and servers is forgotten after this time; what its tenant has "
			"counted stays. With 0, pools of tenants that a template or the catalogue has made "
			"go after a minute, and all others stay." },
	{ SECONDS(suspend_timeout, "10"), .flags = KEY_LATER,
		.help = "Connections that haven't taken what is buffered for them this long "
			"after SUSPEND are closed." },
};

static const struct key keys_limits[] = {
	{ INT(max_client_conn, "100", 0, INT_MAX),
		.help = "Clients that may be connected at a time, over all databases. The "
			"limit on open files must leave room for them and for the server "
			"connections; a line in the log tells if it may not." },
	{ INT(max_login_clients, "1000", 1, INT_MAX),
		.help = "Connections that may be in login at a time. They have this quota of "
			"their own, so that a flood of half-open connections doesn't use up "
			"max_client_conn." },
	{ ROW(default_pool_size, KEY_POOL), .def = "20", .max = INT_MAX,
		.help = "Server connections that a pool, which is one user on one database, "
			"may have. With 0 there is no limit. With auto it is as many as the host "
			"can use at a time, which is found out by measuring; see active_ceiling in "
			"[hosts]." },
	{ COUNT(min_pool_size, "0"),
		.help = "Server connections that a pool keeps open while it has clients, and "
			"always when the database has a user= of its own. It never goes above "
			"the pool's size." },
	{ COUNT(reserve_pool_size, "0"),
		.help = "Server connections that a pool may open beyond its size when clients "
			"wait longer than reserve_pool_timeout. With 0 there is no reserve." },
	{ SECONDS(reserve_pool_timeout, "5"),
		.help = "How long a client waits before its pool may use the reserve. With 0 "
			"the reserve is not used." },
	{ COUNT(max_db_connections, "0"),
		.help = "Server connections that one database may have, over all its users. "
			"With 0 there is no limit." },
	{ COUNT(max_db_client_connections, "0"),
		.help = "Clients that may be connected to one database. With 0 there is no "
			"limit." },
	{ COUNT(max_user_connections, "0"),
		.help = "Server connections that one user may have, over all databases. With 0 "
			"there is no limit." },
	{ COUNT(max_user_client_connections, "0"),
		.help = "Clients that may be connected as one user, over all databases. With 0 "
			"there is no limit." },
	{ ROW(max_packet_size, KEY_SIZE), .def = "2147483647", .min = 64, .max = 2147483647,
		.unit = "bytes",
		.help = "The largest protocol message, which is a query or a row, that is let "
			"through." },
	{ COUNT(max_prepared_statements, "200"),
		.help = "Prepared statements that a server connection keeps; the one that was "
			"used longest ago makes room for a new one. In transaction and "
			"statement mode clients may use prepared statements at the protocol's "
			"level as long as this isn't 0." },
	{ ROW(prepared_text_budget, KEY_SIZE), .def = "16777216", .min = 65536,
		.max = INT64_C(1) << 40, .unit = "bytes",
		.help = "The texts of prepared statements that pgusher remembers for one "
			"tenant may take this much memory. Equal texts are stored once." },
};

static const struct key keys_behaviour[] = {
	{ ENUM(pool_mode, "session", words_pool_mode),
		.help = "When a server connection goes back to its pool: when the client "
			"leaves (session), after each transaction, or after each statement. In "
			"statement mode a transaction of several statements is refused." },
	{ TEXT(server_reset_query, "DISCARD ALL"),
		.help = "The query that cleans a server connection before another client gets "
			"it. It is run in session mode only, unless server_reset_query_always "
			"is set; empty runs none." },
	{ FLAG(server_reset_query_always, "0"),
		.help = "Run server_reset_query in all pool modes. It makes applications that "
			"keep session state in transaction mode fail every time instead of now "
			"and then." },
	{ ENUM(session_state, "clean", words_session_state),
		.help = "What becomes of session state (settings, LISTEN, PREPARE, cursors WITH "
			"HOLD, temporary tables) that a client leaves on a server connection "
			"in transaction or statement mode. With clean it is removed before "
			"another client gets the connection, which costs a round trip; "
			"parameters that are carried along (track_extra_parameters) and "
			"SET LOCAL cost nothing. With keep the next client finds it, as with "
			"PgBouncer." },
	{ ROW(server_check_query, KEY_CHECK), .def = "<empty>",
		.help = "The query that shows whether a server connection which has been idle "
			"is still alive, see server_check_delay. <empty> sends a query without "
			"a statement; nothing after the = switches the check off." },
	{ FLAG(server_round_robin, "0"),
		.help = "Lend the server connection that has been idle longest, instead of the "
			"one that was used last. It spreads load when several servers stand "
			"behind one address." },
	{ FLAG(server_fast_close, "0"),
		.help = "In session mode, close a server connection that is to be replaced "
			"(after RECONNECT, or a reload that changes its database) at the end "
			"of its transaction, and its client with it, instead of waiting for "
			"the session's end." },
	{ FLAG(disable_pqexec, "0"), .flags = KEY_RESTART,
		.help = "Refuse simple queries. They may hold several statements, which some "
			"SQL injections need; clients must then use the extended protocol "
			"throughout." },
	{ TEXT(ignore_startup_parameters, ""),
		.help = "Startup parameters, separated by commas, that are dropped instead of "
			"refused when pgusher can't keep track of them. Many clients need "
			"extra_float_digits here; options covers settings inside the options "
			"parameter." },
	{ TEXT(track_extra_parameters, "IntervalStyle"), .flags = KEY_RESTART,
		.help = "Settings, separated by commas, that are kept per client and set on "
			"each server connection that it gets, beside client_encoding, "
			"DateStyle, TimeZone, standard_conforming_strings and "
			"application_name. It works for settings that PostgreSQL reports." },
	{ TEXT(login_notify_message, ""),
		.help = "A text that clients get as a NOTICE when they have logged in." },
	{ INT(peer_id, "0", 0, PEER_ID_MAX), .flags = KEY_LATER,
		.help = "The number of this process among those of [peers]. With 0 there is no "
			"peering." },
};

static const struct key keys_log[] = {
	{ TEXT(logfile, ""),
		.help = "The file that log lines are appended to, beside standard error. It is "
			"opened again at a reload, so that it can be rotated." },
	{ FLAG(syslog, "0"), .help = "Write log lines to syslog too." },
	{ WORD(syslog_facility, "daemon", words_facility),
		.help = "The facility of lines in syslog." },
	{ TEXT(syslog_ident, "pgusher"), .help = "The name under which lines stand in syslog." },
	{ FLAG(log_connections, "1"), .help = "Log each login." },
	{ FLAG(log_disconnections, "1"), .help = "Log each disconnect, with its reason." },
	{ FLAG(log_pooler_errors, "1"),
		.help = "Log the errors that pgusher itself sends to clients." },
	{ FLAG(log_stats, "1"), .help = "Log a line of statistics every stats_period." },
	{ ROW(stats_period, KEY_TIME), .def = "60", .min = 1, .max = SECONDS_MAX, .unit = "seconds",
		.help = "The span over which the averages of SHOW STATS are taken, and the "
			"pause between lines of statistics in the log." },
	{ INT(verbose, "0", 0, 9),
		.help = "How much is logged beyond the usual: 1 adds what helps to find "
			"faults, 2 and more adds single protocol steps. Each -v on the command "
			"line adds one." },
};

static const struct key keys_queries[] = {
	{ FLAG(query_stats, "1"),
		.help = "Time every query, and count by tenant and by statement what it cost. Literals "
			"are stripped before anything is kept. With 0 there are no slow queries and no "
			"alerts, either." },
	{ INT(query_stats_max, "20000", 100, 10000000),
		.help = "Different statements that are told apart, over all tenants. When there are "
			"more, the one that was seen least makes room, and what it had is counted as "
			"other. The workers share it equally, and a tenant lives on one of them." },
	{ INT(query_stats_max_per_tenant, "2000", 10, 10000000),
		.help = "Different statements that are told apart for one tenant, likewise; no more than "
			"its worker's share of query_stats_max." },
	{ INT(query_text_size, "4096", 64, 65536), .unit = "bytes",
		.help = "How much of a statement's text is kept, without its literals." },
	{ MSEC(slow_query_threshold, "1000"),
		.help = "A query that takes this long is slow: from when it is sent to the server to the "
			"end of its reply; the wait for a server is counted apart. With 0 none is. "
			"Databases and users may have a threshold of their own." },
	{ TEXT(slow_query_log, ""),
		.help = "The file that slow queries are appended to, a line of JSON each. Empty means "
			"the main log, and off nowhere; the console and HTTP have the latest of them in "
			"any case. A relative name is taken from the working directory. It is opened "
			"again at a reload, so that it can be rotated." },
	{ FLAG(slow_query_log_values, "0"),
		.help = "Put the values of parameters into those lines, too. They may be what nobody "
			"should read in a log; without this only their types are there." },
	{ COUNT(slow_query_log_rate, "100"),
		.help = "Lines of slow queries a second at most; what is left out is counted. With 0 "
			"there is no limit." },
	{ FLAG(slow_query_plan, "0"),
		.help = "Ask the server how it would run a slow query (EXPLAIN, which does not run it), "
			"with any values, in a read-only transaction. It is asked on a server connection "
			"of the same pool that nobody waits for; if there is none, there is no plan." },
	{ INT(slow_query_plan_rate, "6", 1, 6000),
		.help = "Plans a minute that each worker asks for at most." },
};

static const struct key keys_alerts[] = {
	{ MSEC(alert_query_time, "1000"),
		.help = "A query that takes this long is an alert. With 0 none is. Only what is slow, "
			"see slow_query_threshold, is looked at." },
	{ INT(alert_slow_percent, "5", 0, 100),
		.help = "A tenant of whose queries this share was slow, over five minutes and over an "
			"hour, is an alert. With 0 none is." },
	{ ROW(alert_regression_percent, KEY_GROWTH), .def = "200", .max = INT_MAX, .unit = "percent",
		.help = "A statement of a tenant that takes this much of its usual time is an alert: "
			"with 200, twice as long. With 0 none is." },
	{ INT(alert_min_queries, "20", 1, INT_MAX),
		.help = "With fewer queries than this nothing is said about a share or a usual time." },
	{ ROW(alert_baseline_period, KEY_TIME), .def = "300", .min = 1, .max = SECONDS_MAX,
		.unit = "seconds",
		.help = "The span over which a statement's time is taken, to be compared with those "
			"before." },
	{ SECONDS(alert_cooldown, "300"),
		.help = "After an alert, the same one for the same tenant and statement is only counted "
			"for this long." },
	{ ROW(alert_webhook_url, KEY_URL), .def = "", .flags = KEY_HIDDEN,
		.help = "Where alerts are sent, as JSON in a POST: a URL that begins with http:// or "
			"https://. What can't be delivered is tried again with growing pauses, and "
			"never holds up a query. The console doesn't show the value, as many a URL is "
			"all that it takes to post there." },
	{ TEXT(alert_webhook_secret, ""), .flags = KEY_HIDDEN,
		.help = "With this text the alerts that are sent are signed (HMAC-SHA-256), so that the "
			"receiver knows that they are ours. The file that it stands in should be "
			"readable for nobody else; a warning says if it is." },
};

static const struct key keys_http[] = {
	{ ROW(http_listen, KEY_LISTEN), .def = "", HTTP,
		.help = "Where the page, the metrics and the HTTP API are served: addresses with a port, "
			"like 127.0.0.1:8432, and paths of Unix sockets, separated by commas. Empty "
			"means nowhere. Addresses that other machines can reach need http_tls_cert_file "
			"and a token in [http_tokens]." },
	{ ENUM(http_auth, "auto", words_http_auth),
		.help = "Who may read without a token: everybody on this machine, which is who comes by "
			"loopback or a Unix socket (auto), or nobody (token). What changes something "
			"always needs one." },
	{ ROW(http_hosts, KEY_HOSTS), .def = "",
		.help = "Names under which browsers and scrapers may ask for us, separated by commas, "
			"beside localhost and the addresses of http_listen. Other names are refused, so "
			"that no web page can reach us through a name of its own." },
	{ TEXT(http_tls_cert_file, ""), HTTP,
		.help = "The certificate that is shown to HTTP clients, in PEM, with those between it "
			"and the root behind it. When it is set, HTTP is spoken over TLS only, but on "
			"Unix sockets." },
	{ TEXT(http_tls_key_file, ""), HTTP,
		.help = "The private key of http_tls_cert_file, in PEM and without a passphrase." },
	{ INT(metrics_top_tenants, "50", 0, 1000),
		.help = "How many tenants have metrics of their own: those with the most load. The "
			"others are summed up as other, so that a scrape stays small." },
	{ FLAG(metrics_pgbouncer_names, "0"),
		.help = "Tell the metrics also under the names of PgBouncer's exporter, for dashboards "
			"that are there already." },
	{ FLAG(metrics_application_label, "0"),
		.help = "Count queries by the application that a sqlcommenter comment in them names, "
			"too." },
};

static const struct key keys_tenants[] = {
	{ ROW(tenant_route, KEY_LIST), .def = "database", .words = words_tenant_route,
		.help = "Where clients may say which tenant they want, in the order in which it counts: "
			"in the database's name (database), behind the last dot of the user's name "
			"(user), in the host name of TLS (sni, see tenant_sni_suffix), or as "
			"options=-c pgusher.tenant=NAME (options). If two of options, sni and user name "
			"different tenants, or one of them and a line of [databases] that the database's "
			"name has, the client is refused." },
	{ ROW(tenant_sni_suffix, KEY_SUFFIX), .def = "",
		.help = "What the host names end with under which clients connect: with "
			".db.example.com, acme.db.example.com is for the tenant acme. Empty means that "
			"the host name says nothing." },
	{ ROW(tenant_fallback, KEY_TENANT), .def = "",
		.help = "The tenant of clients that name none. Empty means that they are refused." },
	{ ENUM(tenant_case, "keep", words_tenant_case),
		.help = "Whether names of tenants that are not in [databases] count as they are written "
			"(keep) or in lower case (lower). What comes from a host name is always in "
			"lower case." },
	{ INT(tenant_shards, "1", 1, 100000), .flags = KEY_FILE,
		.help = "What {shard} in [tenants] is a number below of: it is made from the tenant's name, "
			"and always the same for the same name and the same tenant_shards. Changing "
			"this sends tenants to other servers." },
	{ ROW(tenant_workers, KEY_AUTO), .def = "1", .max = WORKERS_MAX,
		.help = "How many workers may serve one tenant. With auto a tenant that keeps one of "
			"them busy is spread over more." },
	{ ROW(tenant_catalogue, KEY_SETTINGS), .def = "", .flags = KEY_HIDDEN,
		.help = "The database in which tenants are looked up that are not in [databases] or "
			"[tenants], as a connection string of libpq. What it does not know does not exist. "
			"Empty means that there is none." },
	{ TEXT(tenant_query, "SELECT connstr, settings FROM pgusher.tenants WHERE name = $1"),
		.help = "How a tenant is looked up: $1 is its name. A row is its connection string, in the "
			"form of [databases], and, if there is a second column, further settings. No row "
			"means that there is no such tenant. etc/catalogue.sql has a table for it." },
	{ TEXT(tenant_save_query, "SELECT pgusher.save_tenant($1, $2, $3)"),
		.help = "What CREATE, ALTER and MOVE TENANT on the console run: $1 is the name, $2 the "
			"settings as text, $3 says whether the tenant has to be new. Empty switches these "
			"commands off." },
	{ TEXT(tenant_drop_query, "SELECT pgusher.drop_tenant($1)"),
		.help = "What DROP TENANT on the console runs: $1 is the name. Empty switches it off." },
	{ TEXT(tenant_channel, "pgusher_tenants"),
		.help = "The channel on which the catalogue tells with NOTIFY what has changed: the payload "
			"is the tenant's name, or empty for all of them. Empty means that it tells nothing." },
	{ ROW(tenant_ttl, KEY_TIME), .def = "60", .min = 1, .max = SECONDS_MAX, .unit = "seconds",
		.help = "How long an answer of the catalogue is good. After that it is asked again, while "
			"the old answer serves on; if it can't be asked, the old answer stays." },
	{ SECONDS(tenant_negative_ttl, "5"),
		.help = "How long the catalogue is believed that there is no such tenant." },
	{ ROW(tenant_move_timeout, KEY_TIME), .def = "10", .min = 1, .max = SECONDS_MAX, .unit = "seconds",
		.help = "How long MOVE TENANT may hold clients while the tenant's transactions end. Then the "
			"move is given up, and the tenant stays where it was." },
};

static const struct key keys_protection[] = {
	{ ROW(limit_redis, KEY_REDIS), .def = "", .flags = KEY_HIDDEN,
		.help = "The Redis server over which several processes share the rates of [limits], like "
			"redis://10.0.0.9:6379/0. No query waits for it; while it can't be reached, each "
			"process has its part of every rate, see limit_nodes. Empty means that each process "
			"counts for itself." },
	{ INT(limit_nodes, "1", 1, 10000),
		.help = "How many processes share the limits: each has this part of the rates while Redis "
			"can't be reached." },
	{ COUNT(ban_failures, "0"),
		.help = "Failed logins from one address at one tenant that bring a ban of that address at "
			"that tenant. Behind a load balancer all clients have its address, unless "
			"proxy_protocol is used. With 0 nobody is banned by himself; BAN on the console "
			"works in any case." },
	{ ROW(ban_time, KEY_TIME), .def = "60", .min = 1, .max = SECONDS_MAX, .unit = "seconds",
		.help = "How long the first ban lasts. Each further one lasts twice as long." },
	{ ROW(ban_time_max, KEY_TIME), .def = "3600", .min = 1, .max = SECONDS_MAX, .unit = "seconds",
		.help = "How long a ban lasts at most. Who behaves for this long is forgiven." },
	{ ROW(proxy_protocol, KEY_NETWORKS), .def = "",
		.help = "Load balancers that tell where a client comes from, with the PROXY protocol (version "
			"1 or 2): networks and addresses, separated by commas, and unix for Unix sockets. "
			"Connections from there have to begin with it. Empty means that nobody may speak it." },
	{ SECONDS(client_message_timeout, "0"),
		.help = "A client that has begun a message and has not sent the whole of it after this time "
			"is disconnected." },
	{ SECONDS(client_write_timeout, "0"),
		.help = "A client that has taken nothing for this long of what waits for it is disconnected, "
			"so that it does not hold a server." },
	{ ROW(client_memory, KEY_SIZE), .def = "0", .max = BYTES_MAX, .unit = "bytes",
		.help = "Memory that one client may take for what has to be kept whole: messages, texts of "
			"statements. What would take more is refused. With 0 there is no limit." },
	{ ROW(tenant_memory, KEY_SIZE), .def = "0", .max = BYTES_MAX, .unit = "bytes",
		.help = "The same for all clients of a tenant together. With 0 there is no limit." },
	{ COUNT(accept_rate, "0"),
		.help = "New connections a second from one address; what is more is closed at once. With 0 "
			"there is no limit." },
	{ COUNT(cancel_rate, "0"),
		.help = "Cancel requests a second from one address; what is more is dropped. With 0 there is "
			"no limit." },
	{ COUNT(log_rate, "0"),
		.help = "Log lines a second of one kind; what is left out is counted and told. With 0 there "
			"is no limit." },
	{ ENUM(threat_mode, "off", words_threat_mode),
		.help = "What is done about statements: nothing (off), learn which ones a role of a tenant "
			"sends (record), tell which ones are new or look like an attack (detect), or refuse "
			"them, too (protect)." },
	{ TEXT(threat_file, ""),
		.help = "The file in which what was learned is kept. Empty means that it is forgotten at a "
			"restart. A relative name is taken from the working directory." },
	{ INT(threat_max, "5000", 10, 1000000),
		.help = "Statements that are learned for one role of one tenant; what comes after them is "
			"never new." },
};

static const struct key keys_process[] = {
	{ ROW(workers, KEY_AUTO), .def = "auto", .max = 256, .flags = KEY_RESTART,
		.help = "Threads that carry queries. auto starts one for each CPU that the "
			"process may use. A tenant lives on one of them." },
	{ TEXT(listen_addr, ""), .flags = KEY_RESTART,
		.help = "Addresses or names to listen on for TCP, separated by commas; * is "
			"all of them. When it is empty, only the Unix socket is there." },
	{ INT(listen_port, "6432", 1, 65535), .flags = KEY_RESTART,
		.help = "The port of TCP addresses, and the number in the Unix socket's name." },
	{ COUNT(listen_backlog, "128"), .flags = KEY_RESTART,
		.help = "Connections that the kernel keeps waiting until they are accepted, as "
			"in listen(2)." },
	{ TEXT(unix_socket_dir, "/tmp"), .flags = KEY_RESTART,
		.help = "The directory of the Unix socket .s.PGSQL.PORT, also where servers "
			"without host= are looked for. Empty means no Unix socket; a name that "
			"begins with @ is in the abstract namespace." },
	{ ROW(unix_socket_mode, KEY_MODE), .def = "0777", .max = 0777, .flags = KEY_RESTART,
		.help = "The access mode of the Unix socket." },
	{ TEXT(unix_socket_group, ""), .flags = KEY_RESTART,
		.help = "The group that the Unix socket belongs to." },
	{ FLAG(so_reuseport, "0"), .flags = KEY_RESTART,
		.help = "Let other processes listen on the same addresses and port. The "
			"workers of one process share its port without it." },
	{ TEXT(pidfile, ""), .flags = KEY_RESTART,
		.help = "The file that holds the process's number. -d needs it." },
	{ TEXT(user, NULL), .flags = KEY_RESTART,
		.help = "The system user to become after start, when started by root." },
	{ TEXT(job_name, "pgusher"), .flags = KEY_RESTART,
		.help = "The name of the service. It stands in the messages to alert_webhook_url, so that the "
			"receiver can tell several apart." },
	{ TEXT(conffile, NULL),
		.help = "The file that the next reload reads; at start, the one from the "
			"command line." },
	{ ROW(pkt_buf, KEY_INT), .def = "4096", .min = 1, .max = 16777216, .unit = "bytes",
		.flags = KEY_RESTART | KEY_IDLE,
		.help = "The size of a connection's buffer in PgBouncer. Here a connection has "
			"a buffer only while its peer doesn't keep up." },
	{ COUNT(sbuf_loopcnt, "5"), .flags = KEY_IDLE,
		.help = "How many buffers of one connection PgBouncer handles in a row. Here a "
			"connection reads once per turn of its worker's loop." },
};

static const struct key keys_network[] = {
	{ FLAG(tcp_keepalive, "1"), .help = "Have the kernel probe idle TCP connections." },
	{ COUNT(tcp_keepidle, "0"), .unit = "seconds",
		.help = "Idle time before the first probe. With 0 the system's value counts." },
	{ COUNT(tcp_keepintvl, "0"), .unit = "seconds",
		.help = "The pause between probes. With 0 the system's value counts." },
	{ COUNT(tcp_keepcnt, "0"),
		.help = "Probes without an answer after which a connection is dead. With 0 the "
			"system's value counts." },
	{ COUNT(tcp_user_timeout, "0"), .unit = "milliseconds",
		.help = "How long sent data may stay without an acknowledgement before the "
			"connection is dead. With 0 the system's value counts." },
	{ COUNT(tcp_socket_buffer, "0"), .unit = "bytes",
		.help = "The size of the kernel's send and receive buffers of a socket. With 0 "
			"the system chooses." },
	{ COUNT(tcp_defer_accept, "1"),
		.help = "Have the kernel hold a TCP connection back until it has sent "
			"something. 0 switches it off." },
	{ SECONDS(dns_max_ttl, "15"), .flags = KEY_LATER,
		.help = "How long the addresses of a host name are used. This release looks a "
			"name up for each new connection." },
	{ SECONDS(dns_nxdomain_ttl, "15"), .flags = KEY_LATER,
		.help = "How long a failed lookup of a host name is believed." },
	{ SECONDS(dns_zone_check_period, "0"), .flags = KEY_LATER,
		.help = "How often the serials of DNS zones are looked at to notice changes." },
	{ TEXT(resolv_conf, ""), .flags = KEY_RESTART | KEY_LATER,
		.help = "A file in the form of resolv.conf to use instead of the system's." },
};

static const struct key keys_client_tls[] = {
	{ ENUM(client_tls_sslmode, "disable", words_tls_mode), CLIENT_TLS,
		.help = "Whether clients may use TLS (allow and prefer, which are the same), must "
			"(require), or must and show a certificate that client_tls_ca_file vouches "
			"for (verify-ca and verify-full, which are the same). Unix sockets go without. "
			"All but disable need client_tls_key_file and client_tls_cert_file." },
	{ TEXT(client_tls_key_file, ""), CLIENT_TLS,
		.help = "The private key of client_tls_cert_file, in PEM and without a passphrase. "
			"A reload reads it as the user that pgusher runs as." },
	{ TEXT(client_tls_cert_file, ""), CLIENT_TLS,
		.help = "The certificate that is shown to clients, in PEM, with those between it "
			"and the root behind it. [tls_certificates] has others for single host names." },
	{ TEXT(client_tls_ca_file, ""), CLIENT_TLS,
		.help = "The authorities that clients' certificates are checked against, in PEM. "
			"When it is set, clients are asked for a certificate, also in a mode that lets "
			"them in without one. verify-ca and verify-full need it." },
	{ WORDS(client_tls_protocols, "secure", words_tls_protocols), CLIENT_TLS,
		.help = "TLS versions for clients. secure is tlsv1.2 and tlsv1.3." },
	{ TEXT(client_tls_ciphers, "default"), CLIENT_TLS,
		.help = "Ciphers for clients up to TLS 1.2, in OpenSSL's syntax. default, secure, "
			"fast and normal are those with forward secrecy and authenticated encryption." },
	{ TEXT(client_tls13_ciphers, NULL), CLIENT_TLS,
		.help = "Cipher suites for clients with TLS 1.3, separated by colons. Not set is "
			"OpenSSL's own choice." },
	{ TEXT(client_tls_ecdhcurve, "auto"), CLIENT_TLS,
		.help = "The curves of ECDH key exchange with clients: auto, none, or names "
			"separated by colons." },
	{ WORD(client_tls_dheparams, "auto", words_dheparams), CLIENT_TLS,
		.help = "The group of DHE key exchange with clients up to TLS 1.2." },
};

static const struct key keys_server_tls[] = {
	{ ENUM(server_tls_sslmode, "prefer", words_tls_mode), SERVER_TLS,
		.help = "Whether connections to servers use TLS: never (disable), where the server can "
			"(allow and prefer, which are the same), always (require), or always and only "
			"if server_tls_ca_file vouches for its certificate (verify-ca) and that has the "
			"name which host= says (verify-full). Unix sockets go without." },
	{ TEXT(server_tls_ca_file, ""), SERVER_TLS,
		.help = "The authorities that servers' certificates are checked against, in PEM. "
			"verify-ca and verify-full need it." },
	{ TEXT(server_tls_key_file, ""), SERVER_TLS,
		.help = "The private key of server_tls_cert_file, in PEM and without a passphrase." },
	{ TEXT(server_tls_cert_file, ""), SERVER_TLS,
		.help = "The certificate that is shown to servers that ask for one, in PEM." },
	{ WORDS(server_tls_protocols, "secure", words_tls_protocols), SERVER_TLS,
		.help = "TLS versions for servers. secure is tlsv1.2 and tlsv1.3." },
	{ TEXT(server_tls_ciphers, "default"), SERVER_TLS,
		.help = "Ciphers for servers up to TLS 1.2, in OpenSSL's syntax." },
	{ TEXT(server_tls13_ciphers, NULL), SERVER_TLS,
		.help = "Cipher suites for servers with TLS 1.3, separated by colons." },
	{ ENUM(server_tls_negotiation, "postgres", words_negotiation), SERVER_TLS,
		.help = "How TLS with a server begins: the server is asked first (postgres), or at "
			"once (direct), which saves a round trip and needs PostgreSQL 17. direct needs "
			"server_tls_sslmode require, verify-ca or verify-full." },
	{ ROW(server_require_auth, KEY_DEMANDS), .def = "",
		.help = "What servers may ask for when we log in, so that none can have a password "
			"in a weaker form: a list of none, password, md5, scram-sha-256 and "
			"scram-sha-256-plus, which is SCRAM bound to the TLS channel. With ! before "
			"each word it says what they may not. Empty lets them ask for anything." },
};

#undef OWNER
#define OWNER struct config_database

static const struct key keys_database[] = {
	{ OWN_TEXT(host),
		.help = "Where the server is: a name, an IPv4 or IPv6 address, or several of "
			"them separated by commas. What begins with / is the directory of a "
			"Unix socket, and with @ one in the abstract namespace. Not set means "
			"the Unix socket in unix_socket_dir." },
	{ INT(port, "5432", 1, 65535), .help = "The server's port." },
	{ OWN_TEXT(dbname),
		.help = "The database's name on the server. Not set means the same name." },
	{ OWN_TEXT(user),
		.help = "All clients use the database as this user, and share one pool. Not "
			"set means that each user has a pool." },
	{ ROW(password, KEY_TEXT), .flags = KEY_NULL | KEY_HIDDEN,
		.help = "The password of user=. Not set means that auth_file has it." },
	{ ENUM(pool_mode, NULL, words_pool_mode), .min = CONFIG_UNSET,
		.help = "As in [pgbouncer], for this database." },
	{ OWN_POOL(pool_size),
		.help = "The size of this database's pools, instead of default_pool_size." },
	{ OWN_COUNT(min_pool_size), .help = "As in [pgbouncer], for this database." },
	{ OWN_COUNT(reserve_pool_size),
		.help = "As in [pgbouncer], for this database. reserve_pool is its old name." },
	{ .name = "reserve_pool",
		.type = KEY_INT,
		.offset = offsetof(OWNER, reserve_pool_size),
		.size = sizeof(((OWNER *)NULL)->reserve_pool_size),
		.min = CONFIG_UNSET,
		.max = INT_MAX,
		.flags = KEY_ALIAS,
		.help = "The old name of reserve_pool_size." },
	{ OWN_COUNT(max_db_connections), .help = "As in [pgbouncer], for this database." },
	{ OWN_COUNT(max_db_client_connections), .help = "As in [pgbouncer], for this database." },
	{ OWN_SECONDS(server_lifetime), .help = "As in [pgbouncer], for this database." },
	{ OWN_SECONDS(query_wait_timeout), .help = "As in [pgbouncer], for this database." },
	{ OWN_MSEC(slow_query_threshold), .help = "As in [pgbouncer], for this database." },
	{ ENUM(load_balance_hosts, "round-robin", words_load_balance_hosts),
		.help = "Which host of several the next connection goes to: each in turn "
			"(round-robin), or the same until it fails (disable)." },
	{ OWN_TEXT(connect_query),
		.help = "A query that is run on each new server connection before clients get "
			"it. Its errors are logged and otherwise ignored." },
	{ OWN_TEXT(client_encoding), .help = "client_encoding of each new server connection." },
	{ OWN_TEXT(datestyle), .help = "DateStyle of each new server connection." },
	{ OWN_TEXT(timezone), .help = "TimeZone of each new server connection." },
	{ OWN_TEXT(application_name), .help = "application_name of each new server connection." },
	{ OWN_TEXT(auth_user), .help = "As in [pgbouncer], for this database." },
	{ OWN_TEXT(auth_dbname), .help = "As in [pgbouncer], for this database." },
	{ OWN_TEXT(auth_query), .help = "As in [pgbouncer], for this database." },
	{ ENUM(server_tls_sslmode, NULL, words_tls_mode), .min = CONFIG_UNSET,
		.help = "As in [pgbouncer], for this database." },
	{ .name = "sslmode",
		.type = KEY_ENUM,
		.offset = offsetof(OWNER, server_tls_sslmode),
		.size = sizeof(((OWNER *)NULL)->server_tls_sslmode),
		.min = CONFIG_UNSET,
		.words = words_tls_mode,
		.flags = KEY_ALIAS,
		.help = "As libpq calls server_tls_sslmode." },
	{ OWN_TEXT(server_tls_ca_file), .help = "As in [pgbouncer], for this database." },
	{ OWN_TEXT(server_tls_key_file), .help = "As in [pgbouncer], for this database." },
	{ OWN_TEXT(server_tls_cert_file), .help = "As in [pgbouncer], for this database." },
	{ ENUM(server_tls_negotiation, NULL, words_negotiation), .min = CONFIG_UNSET,
		.help = "As in [pgbouncer], for this database." },
	{ ROW(server_require_auth, KEY_DEMANDS), .flags = KEY_NULL,
		.help = "As in [pgbouncer], for this database." },
	{ ENUM(target_session_attrs, "any", words_target_session),
		.help = "Which of several hosts will do, as in libpq: any, one that takes writes "
			"(read-write), one that does not (read-only), one that is or is not a "
			"standby (primary, standby), or a standby as long as there is one "
			"(prefer-standby)." },
	{ INT(weight, "1", 1, WEIGHT_MAX),
		.help = "How large this database's share of a full host is, compared with that of "
			"others; see max_connections in [hosts]." },
	{ ROW(tenant_workers, KEY_AUTO), .min = CONFIG_UNSET, .max = WORKERS_MAX,
		.help = "As in [pgbouncer], for this database." },
	{ ENUM(threat_mode, NULL, words_threat_mode), .min = CONFIG_UNSET,
		.help = "As in [pgbouncer], for this database." },
	{ OWN_TEXT(limits),
		.help = "The class of [limits] whose limits count for this database: gold is the line "
			"class:gold there." },
	{ ROW(allow, KEY_NETWORKS), .flags = KEY_NULL,
		.help = "Where clients of this database may come from: networks and addresses, "
			"separated by commas, and unix for Unix sockets. Not set means from "
			"everywhere." },
	{ ROW(deny, KEY_NETWORKS), .flags = KEY_NULL,
		.help = "Where clients of this database may not come from, in the form of allow. It "
			"counts before allow." },
	{ FLAG(disabled, "0"),
		.help = "Let no client in, as DISABLE on the console does." },
};

#undef OWNER
#define OWNER struct config_user

static const struct key keys_user[] = {
	{ ENUM(pool_mode, NULL, words_pool_mode), .min = CONFIG_UNSET,
		.help = "The mode of this user's pools, whatever the database says." },
	{ OWN_POOL(pool_size),
		.help = "The size of this user's pools, whatever the database says." },
	{ OWN_COUNT(reserve_pool_size),
		.help = "The reserve of this user's pools, whatever the database says." },
	{ OWN_COUNT(max_user_connections), .help = "As in [pgbouncer], for this user." },
	{ OWN_COUNT(max_user_client_connections), .help = "As in [pgbouncer], for this user." },
	{ OWN_SECONDS(query_timeout), .help = "As in [pgbouncer], for this user." },
	{ OWN_SECONDS(idle_transaction_timeout), .help = "As in [pgbouncer], for this user." },
	{ OWN_SECONDS(transaction_timeout), .help = "As in [pgbouncer], for this user." },
	{ OWN_SECONDS(client_idle_timeout), .help = "As in [pgbouncer], for this user." },
	{ OWN_SECONDS(query_wait_timeout), .help = "As in [pgbouncer], for this user." },
	{ OWN_MSEC(slow_query_threshold), .help = "As in [pgbouncer], for this user." },
	{ OWN_TEXT(tenants),
		.help = "The tenants that SET pgusher.tenant may change to on a connection of this "
			"user, separated by commas; * is all of them. Not set means none." },
};

#undef OWNER
#define OWNER struct config_host

static const struct key keys_host[] = {
	{ COUNT(max_connections, "0"),
		.help = "Connections that all of pgusher may have to this server at a time, whatever "
			"for: those of pools, cancel requests, and questions of its own. Who needs "
			"one more waits; tenants are served in turn, by their weight, and idle "
			"connections of others are closed for them. With 0 there is no limit." },
	{ COUNT(admin_reserve, "0"),
		.help = "How many of max_connections are for clients that log in as one of "
			"admin_users only; one more is for cancel requests." },
	{ COUNT(min, "1"),
		.help = "Connections that a tenant which uses them keeps while others wait, as long as "
			"there is room for that many of each." },
	{ SECONDS(min_lease, "0.1"),
		.help = "For how long a tenant has a connection before it may be closed for another "
			"tenant. More of it means fewer logins at the server, and longer waits." },
	{ INT(active_floor, "1", 1, INT_MAX),
		.help = "With pool_size auto, connections that may always work at a time." },
	{ COUNT(active_ceiling, "0"),
		.help = "With pool_size auto, connections that may work at a time at most. With 0 it "
			"is max_connections, and 64 if there is none, either." },
};

#undef OWNER
#define OWNER struct config_limits

/* A burst stands right behind its rate (config/limits.c). */
static const struct key keys_limit[] = {
	{ OWN_COUNT(clients), .help = "Connections at a time." },
	{ OWN_COUNT(connections),
		.help = "New connections a second. One that is over it is refused at once, when it has logged in: "
			"max_delay is for queries." },
	{ OWN_COUNT(connections_burst),
		.help = "How many of them may come at once. Not set means as many as in a second." },
	{ OWN_COUNT(queries),
		.help = "Queries a second. In the extended protocol each Execute is one; to prepare, describe or "
			"close a statement is none." },
	{ OWN_COUNT(queries_burst),
		.help = "How many of them may come at once. Not set means as many as in a second." },
	{ OWN_COUNT(active),
		.help = "Queries and transactions that may be under way at a time. A client with an open "
			"transaction counts as long as that lasts, also while it does nothing." },
	{ OWN_SIZE(bytes), .help = "Bytes a second, from and to clients together." },
	{ OWN_SIZE(bytes_burst),
		.help = "How many of them may come at once. Not set means as many as in a second." },
	{ OWN_COUNT(server_time), .unit = "milliseconds",
		.help = "Time of servers a second: with 1000 it is as much as one connection gives "
			"that is always busy. It is taken off when a query is over." },
	{ OWN_COUNT(server_time_burst), .unit = "milliseconds",
		.help = "How much of it may be used at once. Not set means as much as in a second." },
	{ OWN_SIZE(result_size),
		.help = "Bytes that one query may reply with. They are looked at after each piece that comes "
			"from the server, of 64 KB at most, when it has been passed on: so much more may come "
			"through, and a result that is whole by then passes. Then the query is "
			"canceled, an error stands in the place of the rest, and the client stays. Only if "
			"the query was done by then, and is not all of its transaction, the connection is "
			"closed. The error is 54000." },
	{ OWN_SIZE(query_length),
		.help = "Bytes that the text of one query may have. A longer one is refused with 54000, inside a "
			"transaction, too, which fails by that." },
	{ OWN_SECONDS(transaction), .help = "How long a transaction may last. Then its client is disconnected." },
	{ OWN_COUNT(queue),
		.help = "Queries that may wait for a server. The next one is refused at once, instead of "
			"waiting until query_wait_timeout." },
	{ OWN_SECONDS(max_delay),
		.help = "How long a query that is over a rate is held back at most before it is refused. "
			"Where no line says, 1 second." },
	{ INT(warn_percent, NULL, CONFIG_UNSET, 100),
		.help = "Clients get a NOTICE, every 5 seconds at most, when this share is used of what their "
			"queries wait for: queries, bytes, server_time and active. With 0 they get none, which is "
			"also what counts where no line says." },
	{ FLAG(shadow, NULL), .min = CONFIG_UNSET,
		.help = "Count what would be held back or refused, and let it pass: to try limits out." },
};

#undef OWNER
#define OWNER struct config_peer

static const struct key keys_peer[] = {
	{ OWN_TEXT(host),
		.help = "Where the peer listens: a name, an address, or the directory of a "
			"Unix socket. It must be set." },
	{ INT(port, "6432", 1, 65535), .help = "The peer's port." },
	{ OWN_COUNT(pool_size),
		.help = "Cancel requests that may be on their way to the peer at a time." },
};

#undef OWNER
#define OWNER struct tls_certificate

static const struct key keys_certificate[] = {
	{ OWN_TEXT(cert_file),
		.help = "The certificate, as client_tls_cert_file. It must be set." },
	{ OWN_TEXT(key_file), .help = "Its private key, as client_tls_key_file. It must be set." },
};

#undef OWNER
#define OWNER struct http_token

static const struct key keys_token[] = {
	{ .name = "scope",
		.type = KEY_BITS,
		.offset = offsetof(OWNER, scopes),
		.size = sizeof(((OWNER *)NULL)->scopes),
		.def = "read",
		.words = words_http_scope,
		.help = "What the token is good for: to read, to run benchmarks, to change something "
			"that is running (operate). A list with commas." },
	{ OWN_TEXT(tenant),
		.help = "The only database that is seen with the token. Not set means all of them." },
};

#undef OWNER

#define ABOUT_CLIENT_TLS                                                                              \
	"A reload reads all these files again, and connections that are there go on as they began. "  \
	"If one of the files can't be used, nothing of the reload counts. Certificate and key can be " \
	"SET on the console one after the other: while they don't fit each other, the old pair stays " \
	"in use, and the log says so."

#define ABOUT_SERVER_TLS                                                                              \
	"A database may have most of these for itself, see [databases]. A change closes connections " \
	"that were made otherwise as soon as no client uses them; new contents of the same files do "  \
	"not. If SET asks for certificates to be checked and that can't be done yet, no server is "     \
	"connected to until it can."

#define ABOUT_QUERIES                                                                             \
	"Times are in milliseconds here, or have one of the units ms, s and min behind them. What is " \
	"found is shown by SHOW QUERIES, SHOW SLOW_QUERIES and SHOW LATENCY on the console, and over HTTP."

#define ABOUT_ALERTS                                                                                    \
	"An alert is a line in the log, a row of SHOW ALERTS, a metric, and a message to the webhook if one " \
	"is set."

#define ABOUT_HTTP                                                                                    \
	"A reload is enough for all of it, and reads certificate and key again. They can be SET on the console " \
	"one after the other: while they don't fit each other, the old pair stays in use, and the log says so."

#define ABOUT_TENANTS                                                                               \
	"A tenant is a database that clients ask for. Its line is that of its name in [databases], or in " \
	"[tenants]; else what the catalogue says, if there is one; else what the line \"*\" of [tenants] " \
	"makes of its name; else what that of [databases] does."

#define ABOUT_PROTECTION \
	"The limits themselves stand in [limits], and those of servers in [hosts]. All of this is off unless it is set."

static const struct key_group groups_pgbouncer[] = {
	GROUP("Logging in", NULL, keys_login),
	GROUP("Timeouts", "With 0 a timeout is off, unless its entry says otherwise.",
		keys_timeouts),
	GROUP("Limits", NULL, keys_limits),
	GROUP("Behaviour", NULL, keys_behaviour),
	GROUP("Log and statistics", NULL, keys_log),
	GROUP("Query statistics", ABOUT_QUERIES, keys_queries),
	GROUP("Alerts", ABOUT_ALERTS, keys_alerts),
	GROUP("HTTP", ABOUT_HTTP, keys_http),
	GROUP("Tenants", ABOUT_TENANTS, keys_tenants),
	GROUP("Limits of tenants, and protection", ABOUT_PROTECTION, keys_protection),
	GROUP("Process", NULL, keys_process),
	GROUP("Network", NULL, keys_network),
	GROUP("TLS with clients", ABOUT_CLIENT_TLS, keys_client_tls),
	GROUP("TLS with servers", ABOUT_SERVER_TLS, keys_server_tls),
};

static const struct key_group groups_databases[] = { GROUP(NULL, NULL, keys_database) };
static const struct key_group groups_hosts[] = { GROUP(NULL, NULL, keys_host) };
static const struct key_group groups_limits[] = { GROUP(NULL, NULL, keys_limit) };
static const struct key_group groups_users[] = { GROUP(NULL, NULL, keys_user) };
static const struct key_group groups_peers[] = { GROUP(NULL, NULL, keys_peer) };
static const struct key_group groups_certificates[] = { GROUP(NULL, NULL, keys_certificate) };
static const struct key_group groups_tokens[] = { GROUP(NULL, NULL, keys_token) };

const struct key_section section_pgbouncer = {
	.name = "pgbouncer",
	.about = "The settings of the process.",
	.groups = groups_pgbouncer,
	.ngroups = lengthof(groups_pgbouncer),
};

const struct key_section section_databases = {
	.name = "databases",
	.about = "The databases that clients may ask for, one a line: name = key=value ...",
	.groups = groups_databases,
	.ngroups = lengthof(groups_databases),
};

const struct key_section section_tenants = {
	.name = "tenants",
	.about = "Tenants that need no line each, and settings of single ones: name = key=value ...",
	.groups = groups_databases,
	.ngroups = lengthof(groups_databases),
};

const struct key_section section_hosts = {
	.name = "hosts",
	.about = "PostgreSQL servers and what they can bear, one a line: host:port = key=value ...",
	.groups = groups_hosts,
	.ngroups = lengthof(groups_hosts),
};

const struct key_section section_limits = {
	.name = "limits",
	.about = "What may be taken at most, one a line: tenant = key=value ...",
	.groups = groups_limits,
	.ngroups = lengthof(groups_limits),
};

const struct key_section section_users = {
	.name = "users",
	.about = "Settings of single users, one a line: name = key=value ...",
	.groups = groups_users,
	.ngroups = lengthof(groups_users),
};

const struct key_section section_peers = {
	.name = "peers",
	.about =
		"Processes that cancel requests are passed on to, one a line: number = key=value ...",
	.groups = groups_peers,
	.ngroups = lengthof(groups_peers),
};

const struct key_section section_tls_certificates = {
	.name = "tls_certificates",
	.about = "Certificates for single host names, one a line: name = key=value ...",
	.groups = groups_certificates,
	.ngroups = lengthof(groups_certificates),
};

const struct key_section section_http_tokens = {
	.name = "http_tokens",
	.about = "Tokens for HTTP, one a line: name = sha256:HASH key=value ...",
	.groups = groups_tokens,
	.ngroups = lengthof(groups_tokens),
};

const struct key *
key_next(const struct key_section *s, struct key_walk *w)
{
	if (w->group < s->ngroups && w->key == s->groups[w->group].nkeys) {
		w->group++;
		w->key = 0;
	}
	return w->group < s->ngroups ? &s->groups[w->group].keys[w->key++] : NULL;
}

const struct key *
key_find(const struct key_section *s, const char *name)
{
	struct key_walk w = { 0, 0 };
	const struct key *k;

	/* The first letter decides most of the time, and there may be 10,000 lines. */
	while ((k = key_next(s, &w)) != NULL)
		if (k->name[0] == name[0] && strcmp(k->name, name) == 0)
			return k;
	return NULL;
}

#define NAME_MAX_SIZE 40

/* Levenshtein's distance. */
size_t
key_count_edits(const char *a, const char *b)
{
	size_t row[NAME_MAX_SIZE + 1];
	size_t n = strlen(b);

	if (n > NAME_MAX_SIZE || strlen(a) > NAME_MAX_SIZE)
		return KEY_EDITS_MAX + 1;
	for (size_t j = 0; j <= n; j++)
		row[j] = j;
	for (size_t i = 1; a[i - 1] != '\0'; i++) {
		size_t diagonal = row[0];
		row[0] = i;
		for (size_t j = 1; j <= n; j++) {
			size_t change = diagonal + (a[i - 1] != b[j - 1]);
			size_t shift = 1 + (row[j] < row[j - 1] ? row[j] : row[j - 1]);
			diagonal = row[j];
			row[j] = change < shift ? change : shift;
		}
	}
	return row[n];
}

const struct key *
key_suggest(const struct key_section *s, const char *name)
{
	struct key_walk w = { 0, 0 };
	const struct key *k, *best = NULL;
	size_t least = KEY_EDITS_MAX + 1;

	while ((k = key_next(s, &w)) != NULL) {
		size_t edits = key_count_edits(name, k->name);
		if (edits < least) {
			least = edits;
			best = k;
		}
	}
	return best;
}

const char *
key_word_of(const struct key_word *words, int value)
{
	for (const struct key_word *w = words; w->word != NULL; w++)
		if (w->value == value)
			return w->word;
	return NULL;
}
