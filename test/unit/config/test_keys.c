#include "config/keys.h"

#include <criterion/criterion.h>
#include <string.h>

#include "config/config.h"
#include "config/value.h"

static const struct key_section *const all[] = {
	&section_pgbouncer,
	&section_databases,
	&section_users,
	&section_hosts,
	&section_limits,
	&section_peers,
	&section_tls_certificates,
	&section_http_tokens,
};
static const size_t sizes[] = {
	sizeof(struct config),
	sizeof(struct config_database),
	sizeof(struct config_user),
	sizeof(struct config_host),
	sizeof(struct config_limits),
	sizeof(struct config_peer),
	sizeof(struct tls_certificate),
	sizeof(struct http_token),
};

Test(keys, each_name_is_there_once)
{
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		struct key_walk w = { 0, 0 };
		const struct key *k;
		while ((k = key_next(all[i], &w)) != NULL)
			cr_assert_eq(key_find(all[i], k->name), k, "[%s] %s", all[i]->name,
				k->name);
	}
}

/* Two rows for one field would be a slip of the pen; only an alias may. */
Test(keys, each_field_has_one_row)
{
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		char taken[sizeof(struct config)] = { 0 };
		struct key_walk w = { 0, 0 };
		const struct key *k;
		while ((k = key_next(all[i], &w)) != NULL) {
			if ((k->flags & KEY_ALIAS) != 0)
				continue;
			cr_assert_lt(k->offset, sizes[i]);
			cr_assert_eq(taken[k->offset], 0, "[%s] %s", all[i]->name, k->name);
			taken[k->offset] = 1;
		}
	}
}

Test(keys, each_default_is_a_value_that_prints_as_it_is_written)
{
	struct config_arena *arena = arena_new();
	char base[sizeof(struct config)], buf[VALUE_TEXT];

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		struct key_walk w = { 0, 0 };
		const struct key *k;
		while ((k = key_next(all[i], &w)) != NULL) {
			value_reset(k, base, arena);
			const char *printed = value_print(k, base, buf);
			cr_assert_eq(printed == NULL, k->def == NULL, "[%s] %s", all[i]->name,
				k->name);
			if (printed != NULL)
				cr_assert_str_eq(printed, k->def, "[%s] %s", all[i]->name, k->name);
			cr_assert(value_is_default(k, base), "[%s] %s", all[i]->name, k->name);
		}
	}
	arena_free(&arena);
}

Test(keys, each_help_is_a_few_sentences)
{
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		struct key_walk w = { 0, 0 };
		const struct key *k;
		while ((k = key_next(all[i], &w)) != NULL) {
			size_t n = strlen(k->help);
			cr_assert_gt(n, 10, "%s", k->name);
			cr_assert_lt(n, 500, "%s", k->name);
			cr_assert_eq(k->help[n - 1], '.', "%s", k->name);
			cr_assert_null(strstr(k->help, "  "), "%s", k->name);
			cr_assert_null(strchr(k->help, '\\'), "%s", k->name);
		}
	}
}

Test(keys, the_walk_visits_all_groups)
{
	struct key_walk w = { 0, 0 };
	size_t n = 0, sum = 0;

	while (key_next(&section_pgbouncer, &w) != NULL)
		n++;
	for (size_t i = 0; i < section_pgbouncer.ngroups; i++)
		sum += section_pgbouncer.groups[i].nkeys;
	cr_assert_eq(n, sum);
	cr_assert_gt(n, 90);
	cr_assert_null(key_next(&section_pgbouncer, &w));
}

/* The names of PgBouncer's manual: an ini file of its must load. */
Test(keys, pgbouncers_names_are_known)
{
	static const char *const names[] = {
		"admin_users",
		"application_name_add_host",
		"auth_dbname",
		"auth_file",
		"auth_hba_file",
		"auth_ident_file",
		"auth_ldap_options",
		"auth_query",
		"auth_type",
		"auth_user",
		"autodb_idle_timeout",
		"cancel_wait_timeout",
		"client_idle_timeout",
		"client_login_timeout",
		"client_tls13_ciphers",
		"client_tls_ca_file",
		"client_tls_cert_file",
		"client_tls_ciphers",
		"client_tls_dheparams",
		"client_tls_ecdhcurve",
		"client_tls_key_file",
		"client_tls_protocols",
		"client_tls_sslmode",
		"conffile",
		"default_pool_size",
		"disable_pqexec",
		"dns_max_ttl",
		"dns_nxdomain_ttl",
		"dns_zone_check_period",
		"idle_transaction_timeout",
		"ignore_startup_parameters",
		"job_name",
		"listen_addr",
		"listen_backlog",
		"listen_port",
		"log_connections",
		"log_disconnections",
		"log_pooler_errors",
		"log_stats",
		"logfile",
		"login_notify_message",
		"max_client_conn",
		"max_db_client_connections",
		"max_db_connections",
		"max_packet_size",
		"max_prepared_statements",
		"max_user_client_connections",
		"max_user_connections",
		"min_pool_size",
		"peer_id",
		"pidfile",
		"pkt_buf",
		"pool_idle_timeout",
		"pool_mode",
		"query_timeout",
		"query_wait_notify",
		"query_wait_timeout",
		"reserve_pool_size",
		"reserve_pool_timeout",
		"resolv_conf",
		"sbuf_loopcnt",
		"scram_iterations",
		"server_check_delay",
		"server_check_query",
		"server_connect_timeout",
		"server_fast_close",
		"server_idle_timeout",
		"server_lifetime",
		"server_login_retry",
		"server_reset_query",
		"server_reset_query_always",
		"server_round_robin",
		"server_tls13_ciphers",
		"server_tls_ca_file",
		"server_tls_cert_file",
		"server_tls_ciphers",
		"server_tls_key_file",
		"server_tls_protocols",
		"server_tls_sslmode",
		"so_reuseport",
		"stats_period",
		"stats_users",
		"suspend_timeout",
		"syslog",
		"syslog_facility",
		"syslog_ident",
		"tcp_defer_accept",
		"tcp_keepalive",
		"tcp_keepcnt",
		"tcp_keepidle",
		"tcp_keepintvl",
		"tcp_socket_buffer",
		"tcp_user_timeout",
		"track_extra_parameters",
		"transaction_timeout",
		"unix_socket_dir",
		"unix_socket_group",
		"unix_socket_mode",
		"user",
		"verbose",
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		cr_assert_not_null(key_find(&section_pgbouncer, names[i]), "%s", names[i]);
}

Test(keys, find_wants_the_whole_name)
{
	cr_assert_null(key_find(&section_pgbouncer, ""));
	cr_assert_null(key_find(&section_pgbouncer, "pool_mod"));
	cr_assert_null(key_find(&section_pgbouncer, "pool_modes"));
	cr_assert_null(key_find(&section_pgbouncer, "POOL_MODE"));
	cr_assert_null(key_find(&section_users, "host"));
}

Test(keys, suggest)
{
	static const struct {
		const char *name, *near;
	} cases[] = {
		{ "pool_moed", "pool_mode" },
		{ "listen_adr", "listen_addr" },
		{ "default_poolsize", "default_pool_size" },
		{ "x", NULL },
		{ "", NULL },
		{ "a_name_that_is_longer_than_every_key_of_the_table", NULL },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct key *k = key_suggest(&section_pgbouncer, cases[i].name);
		const char *got = k == NULL ? "" : k->name;
		cr_assert_str_eq(got, cases[i].near == NULL ? "" : cases[i].near, "%s",
			cases[i].name);
	}
}
