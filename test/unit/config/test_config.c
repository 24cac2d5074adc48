#include "config/config.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/strings.h"
#include "config/snapshot.h"
#include "files.h"

TestSuite(config, .init = files_begin, .fini = files_end);

Test(config, defaults)
{
	const struct config *c = files_load("[pgbouncer]\n");

	cr_assert_eq(c->auth_type, AUTH_MD5);
	cr_assert_eq(c->pool_mode, POOL_SESSION);
	cr_assert_eq(c->default_pool_size, 20);
	cr_assert_eq(c->max_client_conn, 100);
	cr_assert_eq(c->max_login_clients, 1000);
	cr_assert_eq(c->prepared_text_budget, 16 * 1024 * 1024);
	cr_assert_eq(c->max_packet_size, 2147483647);
	cr_assert_eq(c->query_wait_timeout, 120 * USEC_PER_SEC);
	cr_assert_eq(c->server_lifetime, 3600 * USEC_PER_SEC);
	cr_assert_eq(c->listen_port, 6432);
	cr_assert_eq(c->unix_socket_mode, 0777);
	cr_assert_eq(c->workers, 0);
	cr_assert_str_eq(c->server_reset_query, "DISCARD ALL");
	cr_assert_str_eq(c->server_check_query, "");
	cr_assert_str_eq(c->unix_socket_dir, "/tmp");
	cr_assert_str_eq(c->listen_addr, "");
	cr_assert_str_eq(c->auth_file, "");
	cr_assert_str_eq(c->user, "");
	cr_assert_eq(c->ndatabases, 0);
	cr_assert_eq(c->nusers, 0);
	cr_assert_eq(c->npeers, 0);
	cr_assert_null(c->autodb);
	config_unref(&c);
	cr_assert_null(c);
	config_unref(&c);
}

Test(config, conffile_is_absolute)
{
	const struct config *c = files_load("[pgbouncer]\n");
	char cwd[200], path[300];

	snprintf(path, sizeof(path), "%s/t.ini", getcwd(cwd, sizeof(cwd)));
	cr_assert_str_eq(c->conffile, path);
	config_unref(&c);
}

static const char databases_ini[] =
	"[databases]\n"
	"  shop = host=10.0.0.1 port=5433 dbname=shop_live user=app password='it''s' pool_size=7\n"
	"plain =\n"
	"\"my db\" = host='/run/a b' pool_mode=transaction server_lifetime=0.5 query_wait_timeout=0\n"
	"list = host=a,b load_balance_hosts=disable reserve_pool=3 min_pool_size=1\n"
	"[pgbouncer]\n"
	"auth_type = any\n"
	"[databases]\n"
	"late = connect_query='set a = ''b''' client_encoding=UTF8 max_db_connections=9\n";

static void
test_shop(const struct config_database *d)
{
	cr_assert_str_eq(d->name, "shop");
	cr_assert_str_eq(d->dbname, "shop_live");
	cr_assert_str_eq(d->host, "10.0.0.1");
	cr_assert_eq(d->port, 5433);
	cr_assert_str_eq(d->user, "app");
	cr_assert_str_eq(d->password, "it's");
	cr_assert_eq(d->pool_size, 7);
	cr_assert_not(d->autodb);
}

static void
test_plain(const struct config_database *d)
{
	cr_assert_str_eq(d->dbname, "plain");
	cr_assert_null(d->host);
	cr_assert_eq(d->port, 5432);
	cr_assert_null(d->user);
	cr_assert_null(d->password);
	cr_assert_null(d->connect_query);
	cr_assert_eq(d->pool_size, CONFIG_UNSET);
	cr_assert_eq(d->min_pool_size, CONFIG_UNSET);
	cr_assert_eq(d->reserve_pool_size, CONFIG_UNSET);
	cr_assert_eq(d->max_db_connections, CONFIG_UNSET);
	cr_assert_eq(d->max_db_client_connections, CONFIG_UNSET);
	cr_assert_eq(d->server_lifetime, CONFIG_UNSET);
	cr_assert_eq(d->query_wait_timeout, CONFIG_UNSET);
	cr_assert_eq(d->pool_mode, POOL_INHERIT);
	cr_assert_eq(d->load_balance_hosts, LOAD_BALANCE_ROUND_ROBIN);
}

Test(config, databases_in_file_order)
{
	static const char *const names[] = { "shop", "plain", "my db", "list", "late" };
	const struct config *c = files_load(databases_ini);

	cr_assert_eq(c->ndatabases, 5);
	for (size_t i = 0; i < 5; i++) {
		cr_assert_str_eq(c->databases[i]->name, names[i]);
		cr_assert_eq(config_find_database(c, names[i]), c->databases[i]);
	}
	cr_assert_null(config_find_database(c, "Shop"));
	test_shop(c->databases[0]);
	test_plain(c->databases[1]);
	cr_assert_str_eq(c->databases[2]->host, "/run/a b");
	cr_assert_eq(c->databases[2]->pool_mode, POOL_TRANSACTION);
	cr_assert_eq(c->databases[2]->server_lifetime, 500000);
	cr_assert_eq(c->databases[2]->query_wait_timeout, 0);
	cr_assert_eq(c->databases[3]->load_balance_hosts, LOAD_BALANCE_DISABLE);
	cr_assert_eq(c->databases[3]->reserve_pool_size, 3);
	cr_assert_str_eq(c->databases[4]->connect_query, "set a = 'b'");
	config_unref(&c);
}

Test(config, the_last_line_of_a_name_counts)
{
	const struct config *c =
		files_load("[pgbouncer]\n[databases]\na = host=one port=1\nb =\na = host=two\n"
		     "* = host=three\n* = host=four\n"
		     "[users]\nu = pool_size=1\nu = pool_mode=session\n");

	cr_assert_eq(c->ndatabases, 2);
	cr_assert_str_eq(c->databases[0]->host, "two");
	cr_assert_eq(c->databases[0]->port, 5432);
	cr_assert_eq(config_find_database(c, "a"), c->databases[0]);
	cr_assert_str_eq(c->autodb->host, "four");
	cr_assert_eq(c->nusers, 1);
	cr_assert_eq(c->users[0]->pool_size, CONFIG_UNSET);
	cr_assert_eq(files_logged("t.ini:5: database \"a\" is there already"), 1);
	cr_assert_eq(files_logged("t.ini:7: database \"*\" is there already"), 1);
	cr_assert_eq(files_logged("t.ini:10: user \"u\" is there already"), 1);
	config_unref(&c);
}

Test(config, fallback)
{
	const struct config *c = files_load("[pgbouncer]\n[databases]\n* = host=h pool_size=3\n");
	struct config_database *d = config_make_autodb(c, "x");

	cr_assert_eq(c->ndatabases, 0);
	cr_assert_null(config_find_database(c, "*"));
	cr_assert_null(config_find_database(c, "x"));
	cr_assert_str_eq(d->name, "x");
	cr_assert_str_eq(d->dbname, "x");
	cr_assert_str_eq(d->host, "h");
	cr_assert_eq(d->pool_size, 3);
	cr_assert(d->autodb);
	free(d);
	config_unref(&c);

	c = files_load("[pgbouncer]\n[databases]\n* = dbname=all\n");
	d = config_make_autodb(c, "x");
	cr_assert_str_eq(d->name, "x");
	cr_assert_str_eq(d->dbname, "all");
	free(d);
	config_unref(&c);

	c = files_load("[pgbouncer]\n");
	cr_assert_null(config_make_autodb(c, "x"));
	config_unref(&c);
}

Test(config, errors)
{
	static const struct {
		const char *text, *message;
	} cases[] = {
		{ "", "t.ini: the section [pgbouncer] is missing" },
		{ "[databases]\na = host=h\n", "t.ini: the section [pgbouncer] is missing" },
		{ "a = b\n", "t.ini:1: \"a\" stands before the first [section]" },
		{ "[pgbouncers]\n",
			"t.ini:1: unknown section [pgbouncers]: there are [pgbouncer]" },
		{ "[pgbouncer]\n\nfoo_bar_baz = 1\n",
			"t.ini:3: unknown key \"foo_bar_baz\" in [pgbouncer]" },
		{ "[pgbouncer]\npool_moed = session\n",
			"t.ini:2: unknown key \"pool_moed\" in [pgbouncer]: do you mean pool_mode?" },
		{ "[pgbouncer]\npool_mode = trans\n",
			"t.ini:2: invalid value \"trans\" for pool_mode: it must be "
			"one of session, transaction, statement" },
		{ "[pgbouncer]\nlisten_port = 0\n",
			"t.ini:2: invalid value \"0\" for listen_port: it must be a "
			"whole number from 1 to 65535" },
		{ "[pgbouncer]\nauth_dbname = pgbouncer\n",
			"t.ini:2: cannot use the reserved \"pgbouncer\" database as an auth_dbname" },
		{ "[pgbouncer]\nserver_require_auth = md4\n",
			"t.ini:2: invalid value \"md4\" for server_require_auth: it must be empty or a "
			"list of none, password, md5, scram-sha-256, scram-sha-256-plus, all of them" },
		{ "[databases]\na = server_tls_sslmode=on\n",
			"t.ini:2: invalid value \"on\" for server_tls_sslmode: it must be one of "
			"disable, allow, prefer, require, verify-ca, verify-full" },
		{ "[pgbouncer]\nclient_tls_sslmode = requires\n",
			"t.ini:2: invalid value \"requires\" for" },
		{ "[pgbouncer]\nclient_tls_protocols = tlsv1.4\n",
			"t.ini:2: invalid value \"tlsv1.4\" for" },
		{ "[databases]\na = hots=h\n",
			"t.ini:2: unknown key \"hots\" in [databases]: do you mean host?" },
		{ "[databases]\na = port=x\n", "t.ini:2: invalid value \"x\" for port" },
		{ "[databases]\na = port=0\n", "t.ini:2: invalid value \"0\" for port" },
		{ "[databases]\na = host\n", "t.ini:2: the settings must read" },
		{ "[databases]\na = host=''\n", "t.ini:2: host has no value: leave the key out" },
		{ "[databases]\na b = host=h\n", "t.ini:2: a line must read" },
		{ "[databases]\npgbouncer =\n", "t.ini:2: the name \"pgbouncer\" is reserved" },
		{ "[databases]\npgusher =\n", "t.ini:2: the name \"pgusher\" is reserved" },
		{ "[users]\na = host=h\n", "t.ini:2: unknown key \"host\" in [users]" },
		{ "[peers]\na = host=h\n",
			"t.ini:2: \"a\" is no peer: [peers] names them by numbers" },
		{ "[peers]\n0 = host=h\n", "t.ini:2: \"0\" is no peer" },
		{ "[peers]\n65536 = host=h\n", "t.ini:2: \"65536\" is no peer" },
		{ "[peers]\n1 = port=1\n", "t.ini:2: peer 1 needs a host" },
		{ "[tls_certificates]\n'a b' = cert_file=c key_file=k\n",
			"t.ini:2: \"a b\" is no host name like db.example.com or *.example.com" },
		{ "[tls_certificates]\n*. = cert_file=c key_file=k\n", "t.ini:2: \"*.\" is no host" },
		{ "[tls_certificates]\n*a.b = cert_file=c key_file=k\n", "t.ini:2: \"*a.b\" is no host" },
		{ "[tls_certificates]\na.b = cert_file=c\n",
			"t.ini:2: the certificate of \"a.b\" needs cert_file and key_file" },
		{ "[tls_certificates]\na.b = cert=c\n",
			"t.ini:2: unknown key \"cert\" in [tls_certificates]" },
		{ "%include none.ini\n", "t.ini:1: could not read \"none.ini\": No such file" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		files_refuse(cases[i].text, cases[i].message);
}

/* One wrong line is no reason to hide the next one, in whatever file it is. */
Test(config, all_that_is_wrong_is_told)
{
	struct config_counts counts;
	struct error e;

	files_write("t.ini", "stray = 1\nstray = 2\n[pgbouncer]\nauth_file = users.txt\nno_such = 1\n%include more.ini\n"
			     "pool_mode = x\nclient_tls_sslmode = require\n[nowhere]\na = b\n[databases]\nd = port=y\n"
			     "d = host=h\nd = host=h\n");
	files_write("more.ini", "listen_port = many\n%include none.ini\n");
	files_write("users.txt", "\"a\"\nb\n");
	chmod("users.txt", 0600);
	cr_assert_null(config_load("t.ini", NULL, &counts, &e));
	cr_expect_str_eq(e.message, "t.ini:1: \"stray\" stands before the first [section]");
	cr_expect_str_eq(e.hint, "There are 9 more errors: see the log.");
	cr_expect_eq(counts.errors, 10);
	cr_expect_eq(counts.warnings, 1);
	cr_expect_eq(files_logged("ERROR t.ini:1: \"stray\" stands before"), 1);
	cr_expect_eq(files_logged("ERROR t.ini:5: unknown key \"no_such\""), 1);
	cr_expect_eq(files_logged("ERROR more.ini:1: invalid value \"many\" for listen_port"), 1);
	cr_expect_eq(files_logged("ERROR more.ini:2: could not read \"none.ini\": No such file"), 1);
	cr_expect_eq(files_logged("ERROR t.ini:7: invalid value \"x\" for pool_mode"), 1);
	cr_expect_eq(files_logged("ERROR t.ini:9: unknown section [nowhere]"), 1);
	cr_expect_eq(files_logged("ERROR t.ini:12: invalid value \"y\" for port"), 1);
	cr_expect_eq(files_logged("ERROR users.txt:1: the password must follow"), 1);
	cr_expect_eq(files_logged("ERROR users.txt:2: a line must read"), 1);
	cr_expect_eq(files_logged("ERROR t.ini:8: TLS setup failed: client_tls_sslmode require needs"), 1);
	cr_expect_eq(files_logged("WARNING t.ini:14: database \"d\" is there already, at t.ini:13; this later line counts"), 1);
}

Test(config, a_hundred_errors_and_warnings_are_told)
{
	struct config_counts counts;
	struct error e;
	FILE *f = fopen("t.ini", "w");

	fputs("[pgbouncer]\nauth_type = any\n[databases]\nd =\n", f);
	for (int i = 0; i < 250; i++)
		fputs("d =\nbad = port=x\n", f);
	fclose(f);
	cr_assert_null(config_load("t.ini", NULL, &counts, &e));
	cr_expect_eq(counts.errors, 250);
	cr_expect_eq(counts.warnings, 250);
	cr_expect_eq(files_logged("invalid value \"x\" for port"), 100);
	cr_expect_eq(files_logged("is there already"), 100);
	cr_expect_eq(files_logged("ERROR and 150 more errors"), 1);
	cr_expect_eq(files_logged("WARNING and 150 more warnings"), 1);
}

/* What the values of both files are is not known, so what is odd about them neither. */
Test(config, the_whole_is_judged_only_if_its_parts_are_right)
{
	files_refuse("[pgbouncer]\nauth_type = trust\nno_such = 1\n", "t.ini:3: unknown key");
	cr_expect_eq(files_logged("WARNING"), 0);
	files_refuse("[pgbouncer]\nserver_tls_ca_file = none\nserver_tls_sslmode = verify-ca\ntenant_catalogue = host=x\n",
		"t.ini:2: TLS setup failed: for servers: could not load CA file \"none\"");
	cr_expect_eq(files_logged("could not load CA file"), 1, "one key is one error, however many need it");
}

Test(config, a_missing_file_is_named)
{
	struct error e;

	cr_assert_null(config_load("none.ini", NULL, NULL, &e));
	cr_assert_str_eq(e.message, "could not read \"none.ini\": No such file or directory");
}

Test(config, peers)
{
	const struct config *c = files_load(
		"[pgbouncer]\npeer_id = 2\n[peers]\n1 = host=a\n02 = host=b port=7 pool_size=4\n");

	cr_assert_eq(c->npeers, 2);
	cr_assert_eq(c->peers[0].id, 1);
	cr_assert_str_eq(c->peers[0].host, "a");
	cr_assert_eq(c->peers[0].port, 6432);
	cr_assert_eq(c->peers[0].pool_size, CONFIG_UNSET);
	cr_assert_eq(c->peers[1].id, 2);
	cr_assert_eq(c->peers[1].port, 7);
	cr_assert_eq(c->peers[1].pool_size, 4);
	cr_assert_eq(files_logged("this release does not act on peer_id, [peers]"), 1);
	config_unref(&c);
}

Test(config, keys_of_a_later_release_are_named_in_one_line)
{
	const struct config *c =
		files_load("[pgbouncer]\nauth_type = any\nresolv_conf = r\ndns_max_ttl = 3\nsuspend_timeout = 10\n");

	cr_assert_eq(
		files_logged("WARNING t.ini: this release does not act on dns_max_ttl, resolv_conf"), 1);
	cr_assert_eq(files_logged("does not act"), 1);
	cr_assert_str_eq(c->resolv_conf, "r");
	config_unref(&c);
}

Test(config, keys_at_their_defaults_are_not_warned_of)
{
	const struct config *c =
		files_load("[pgbouncer]\nauth_type = any\nserver_tls_sslmode = disable\n"
		     "client_tls_sslmode = disable\nclient_tls_ciphers = default\n");

	cr_assert_eq(files_logged("WARNING"), 0);
	config_unref(&c);
}

Test(config, users_of_both_files_are_one)
{
	files_write("users.txt",
		"\"a\" \"secret\"\n\"b\" \"md500112233445566778899aabbccddeeff\"\n\"a\" \"newer\"\n");
	const struct config *c =
		files_load("[pgbouncer]\nauth_file = users.txt\n"
		     "[users]\na = pool_size=3 query_timeout=0\nc = pool_mode=statement\n");
	const struct config_user *a = config_find_user(c, "a"), *b = config_find_user(c, "b");

	cr_assert_eq(c->nusers, 3);
	cr_assert_eq(c->users[0], a);
	cr_assert_eq(c->users[2], b);
	cr_assert(a->in_auth_file);
	cr_assert_eq(a->secret.kind, SECRET_PLAIN);
	cr_assert_str_eq(a->secret.text, "newer");
	cr_assert_eq(a->pool_size, 3);
	cr_assert_eq(a->query_timeout, 0);
	cr_assert_eq(a->transaction_timeout, CONFIG_UNSET);
	cr_assert_eq(a->pool_mode, POOL_INHERIT);
	cr_assert_eq(b->secret.kind, SECRET_MD5);
	cr_assert_eq(b->pool_size, CONFIG_UNSET);
	const struct config_user *only_in_ini = config_find_user(c, "c");
	cr_assert_not(only_in_ini->in_auth_file);
	cr_assert_eq(only_in_ini->secret.kind, SECRET_NONE);
	cr_assert_eq(only_in_ini->pool_mode, POOL_STATEMENT);
	cr_assert_null(config_find_user(c, "d"));
	config_unref(&c);
}

/* Strangers are asked for SCRAM as often as users are. */
Test(config, the_share_of_scram_in_the_auth_file)
{
#define SCRAM "\"SCRAM-SHA-256$4096:c2FsdA==$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:" \
	"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\"\n"
	static const struct {
		const char *users;
		int share;
	} cases[] = {
		{ "", 0 },
		{ "\"a\" \"secret\"\n\"b\" \"\"\n", 0 },
		{ "\"a\" " SCRAM, 256 },
		{ "\"a\" " SCRAM "\"b\" " SCRAM, 256 },
		{ "\"a\" " SCRAM "\"b\" \"secret\"\n", 128 },
		{ "\"a\" " SCRAM "\"b\" \"x\"\n\"c\" \"x\"\n\"d\" \"md500112233445566778899aabbccddeeff\"\n", 64 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct error e;

		files_write("users.txt", cases[i].users);
		const struct config *c = files_load("[pgbouncer]\nauth_file = users.txt\n[users]\nz = pool_size=1\n");
		cr_assert_eq(c->scram_share, cases[i].share, "case %zu: %d", i, c->scram_share);
		const struct config *set = config_with(c, "max_client_conn", "7", &e);
		cr_assert_eq(set->scram_share, cases[i].share);
		config_unref(&set);
		config_unref(&c);
	}
}

Test(config, an_auth_file_with_a_fault_is_an_error)
{
	files_write("users.txt", "\"a\" \"b\"\n\"c\"\n");
	files_refuse("[pgbouncer]\nauth_file = users.txt\n", "users.txt:2: the password must follow");
}

Test(config, a_missing_auth_file_leaves_no_users_at_start)
{
	const struct config *c = files_load("[pgbouncer]\nauth_file = none.txt\n");

	cr_assert_eq(c->nusers, 0);
	cr_assert_eq(files_logged("WARNING t.ini:2: could not open auth_file none.txt: No such file"), 1);
	config_unref(&c);
}

Test(config, a_missing_auth_file_keeps_the_users_at_a_reload)
{
	static const char text[] = "[pgbouncer]\nauth_file = users.txt\n[users]\nb = pool_size=1\n";

	files_write("users.txt", "\"a\" \"secret\"\n");
	const struct config *old = files_load(text);
	cr_assert_eq(unlink("users.txt"), 0);
	const struct config *c = files_reload(text, old);
	config_unref(&old);
	cr_assert_eq(c->nusers, 2);
	cr_assert_str_eq(config_find_user(c, "a")->secret.text, "secret");
	cr_assert_eq(files_logged("the users stay as they are"), 1);
	config_unref(&c);
}

Test(config, no_auth_file_is_warned_of_where_one_is_needed)
{
	static const char *const fine[] = {
		"[pgbouncer]\nauth_type = any\n",
		"[pgbouncer]\nauth_user = lookup\n",
		"[pgbouncer]\n[databases]\nd = auth_user=lookup\n",
		"[pgbouncer]\n[databases]\n* = auth_user=lookup\n",
	};
	const struct config *c = files_load("[pgbouncer]\nauth_type = trust\n");

	cr_assert_eq(files_logged("WARNING t.ini:2: auth_type trust needs an auth_file"), 1);
	config_unref(&c);
	for (size_t i = 0; i < sizeof(fine) / sizeof(fine[0]); i++) {
		c = files_load(fine[i]);
		config_unref(&c);
	}
	cr_assert_eq(files_logged("needs an auth_file"), 1);
}

Test(config, an_auth_file_that_others_may_use_is_warned_of)
{
	static const struct {
		mode_t mode;
		const char *warning;
	} cases[] = {
		{ 0600, NULL },
		{ 0640, NULL },
		{ 0604, "every user of this machine may read auth_file users.txt" },
		{ 0602, "every user of this machine may write auth_file users.txt" },
	};

	files_write("users.txt", "\"a\" \"b\"\n");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int before = files_logged("every user");
		cr_assert_eq(chmod("users.txt", cases[i].mode), 0);
		const struct config *c = files_load("[pgbouncer]\nauth_file = users.txt\n");
		cr_assert_eq(files_logged("every user"), before + (cases[i].warning != NULL));
		cr_assert(cases[i].warning == NULL || files_logged(cases[i].warning) == 1);
		config_unref(&c);
	}
	cr_assert_eq(files_logged("chmod o-rw users.txt"), 2);
}

/* PgBouncer loads it: the line may serve users of auth_file all the same. */
Test(config, the_console_as_a_databases_auth_dbname_is_warned_of)
{
	const struct config *c = files_load(
		"[pgbouncer]\nauth_type = any\n[databases]\na = auth_dbname=pgbouncer\n* = auth_dbname=pgusher\n");

	cr_assert_str_eq(c->databases[0]->auth_dbname, "pgbouncer");
	cr_assert_eq(files_logged("WARNING t.ini:4: database \"a\": auth_dbname pgbouncer is the console"), 1);
	cr_assert_eq(files_logged("WARNING t.ini:5: database \"*\": auth_dbname pgusher is the console"), 1);
	cr_assert_eq(files_logged("cannot use the reserved"), 0);
	config_unref(&c);
}

Test(config, certificates_of_host_names)
{
	const struct config *c = files_load("[pgbouncer]\nauth_type = any\n[tls_certificates]\n"
				      "DB.Example.com = cert_file=a.crt key_file=a.key\n"
				      "*.example.com = key_file=b.key cert_file='b c.crt'\n"
				      "db.example.com = cert_file=d.crt key_file=d.key\n");

	cr_assert_eq(c->ntls_certificates, 2);
	cr_assert_str_eq(c->tls_certificates[0].host, "db.example.com");
	cr_assert_str_eq(c->tls_certificates[0].cert_file, "d.crt");
	cr_assert_str_eq(c->tls_certificates[0].key_file, "d.key");
	cr_assert_str_eq(c->tls_certificates[1].host, "*.example.com");
	cr_assert_str_eq(c->tls_certificates[1].cert_file, "b c.crt");
	cr_assert_eq(files_logged("t.ini:6: certificate of \"db.example.com\" is there already"), 1);
	config_unref(&c);
}

Test(config, a_reload_keeps_what_needs_a_restart)
{
	const struct config *old =
		files_load("[pgbouncer]\nlisten_port = 7000\nlisten_addr = a\npool_mode = statement\n"
		     "max_client_conn = 5\n");
	const struct config *c =
		files_reload("[pgbouncer]\nlisten_port = 8000\npool_mode = transaction\n", old);

	config_unref(&old);
	cr_assert_eq(c->listen_port, 7000);
	cr_assert_str_eq(c->listen_addr, "a");
	cr_assert_eq(c->pool_mode, POOL_TRANSACTION);
	cr_assert_eq(c->max_client_conn, 100, "a key that is gone has its default again");
	cr_assert_eq(
		files_logged(
			"listen_port stays \"7000\" until the next restart, which makes it \"8000\""),
		1);
	cr_assert_eq(files_logged("listen_addr stays \"a\""), 1);
	cr_assert_eq(files_logged("stays"), 2);
	config_unref(&c);
}

Test(config, with_changes_one_value)
{
	const struct config *c = files_load("[pgbouncer]\nadmin_users = a\n[databases]\nd = host=h\n");
	struct error e;
	const struct config *next = config_with(c, "query_timeout", "1.5", &e);

	cr_assert_eq(c->query_timeout, 0);
	cr_assert_eq(next->query_timeout, 1500000);
	cr_assert_neq(next->admin_users, c->admin_users);
	cr_assert_eq(next->databases, c->databases);
	config_unref(&c);
	cr_assert_str_eq(next->admin_users, "a");
	cr_assert_str_eq(config_find_database(next, "d")->host, "h");
	config_unref(&next);
}

Test(config, with_refuses)
{
	static const struct {
		const char *key, *value, *sqlstate, *message;
	} cases[] = {
		{ "no_such", "1", "42704", "unknown setting \"no_such\"" },
		{ "listen_port", "1", "55P02", "only a restart changes \"listen_port\"" },
		{ "pool_mode", "x", "22023",
			"invalid value \"x\" for pool_mode: it must be one of" },
		{ "auth_type", "hba", "22023", "auth_type hba needs an auth_hba_file" },
		{ "auth_type", "cert", "22023",
			"auth_type cert needs client_tls_sslmode verify-ca or verify-full" },
		{ "auth_dbname", "pgbouncer", "22023",
			"cannot use the reserved \"pgbouncer\" database as an auth_dbname" },
		{ "client_tls_sslmode", "require", "22023",
			"TLS setup failed: client_tls_sslmode require needs client_tls_key_file and" },
	};
	const struct config *c = files_load("[pgbouncer]\n");

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct error e;
		cr_assert_null(config_with(c, cases[i].key, cases[i].value, &e));
		cr_assert_str_eq(e.sqlstate, cases[i].sqlstate);
		cr_assert_eq(strncmp(e.message, cases[i].message, strlen(cases[i].message)), 0,
			"%s", e.message);
	}
	config_unref(&c);
}

/* Snapshots once hung on each other in a chain: a million SETs must not cost a million structs. */
Test(config, many_sets_leave_nothing_behind)
{
	const struct config *c = files_load("[pgbouncer]\n[databases]\nd = host=h\n");
	struct error e;
	size_t size = arena_size(c->arena), lists = arena_size(c->index->arena);

	for (int i = 0; i < 1000; i++) {
		const struct config *next = config_with(c, "logfile", i % 2 ? "aaaa" : "bbbb", &e);
		config_unref(&c);
		c = next;
	}
	cr_assert_leq(arena_size(c->arena), size);
	cr_assert_eq(arena_size(c->index->arena), lists);
	cr_assert_eq(atomic_load(&c->index->refs), 1);
	config_unref(&c);
}

Test(config, references_are_counted)
{
	const struct config *a = files_load("[pgbouncer]\n");
	const struct config *b = config_ref(a);

	cr_assert_eq(a, b);
	config_unref(&a);
	cr_assert_eq(b->listen_port, 6432);
	config_unref(&b);
}

Test(config, ten_thousand_databases_cost_less_than_512_bytes_each)
{
	FILE *f = fopen("t.ini", "w");
	struct error e;

	fputs("[pgbouncer]\nauth_type = any\n[databases]\n", f);
	for (int i = 0; i < 10000; i++)
		fprintf(f,
			"tenant_%05d = host=db%d.internal.example.com dbname=erp_%05d user=app_%05d "
			"password=0123456789abcdef0123456789abcdef\n",
			i, i % 20, i, i);
	fclose(f);
	const struct config *c = config_load("t.ini", NULL, NULL, &e);
	cr_assert_not_null(c, "%s", e.message);
	cr_assert_eq(c->ndatabases, 10000);
	cr_assert_lt(arena_size(c->index->arena), 10000 * 512);
	for (int i = 0; i < 10000; i += 777) {
		char name[20];
		snprintf(name, sizeof(name), "tenant_%05d", i);
		cr_assert_eq(config_find_database(c, name), c->databases[i]);
	}
	config_unref(&c);
}

struct shown {
	char last[100];
	int count, unsorted;
	char auth_file[50], ldap[50], port[50], client_mode[50], server_mode[50];
	bool port_changeable, mode_changeable;
};

static void
see_key(void *arg, const char *key, const char *value, const char *def, bool changeable)
{
	struct shown *s = arg;

	s->count++;
	s->unsorted += strcmp(s->last, key) >= 0;
	string_copy(s->last, key, sizeof(s->last));
	if (strcmp(key, "auth_file") == 0)
		snprintf(s->auth_file, sizeof(s->auth_file), "%s,%s", value ? value : "-",
			def ? def : "-");
	if (strcmp(key, "auth_ldap_options") == 0)
		snprintf(s->ldap, sizeof(s->ldap), "%s", value);
	if (strcmp(key, "client_tls_sslmode") == 0)
		snprintf(s->client_mode, sizeof(s->client_mode), "%s,%s", value, def);
	if (strcmp(key, "server_tls_sslmode") == 0)
		snprintf(s->server_mode, sizeof(s->server_mode), "%s,%s", value, def);
	if (strcmp(key, "listen_port") == 0) {
		snprintf(s->port, sizeof(s->port), "%s,%s", value, def);
		s->port_changeable = changeable;
	}
	if (strcmp(key, "pool_mode") == 0)
		s->mode_changeable = changeable;
}

Test(config, each_key_in_name_order_with_secrets_hidden)
{
	const struct config *c =
		files_load("[pgbouncer]\nlisten_port = 7777\nauth_ldap_options = ldapbindpasswd=x\n"
		     "server_tls_sslmode = REQUIRE\n");
	struct shown s = { .last = "" };

	config_each_key(c, see_key, &s);
	cr_assert_gt(s.count, 90);
	cr_assert_eq(s.unsorted, 0);
	cr_assert_str_eq(s.auth_file, "-,-");
	cr_assert_str_eq(s.ldap, "****");
	cr_assert_str_eq(s.client_mode, "disable,disable");
	cr_assert_str_eq(s.server_mode, "require,prefer");
	cr_assert_str_eq(s.port, "7777,6432");
	cr_assert_not(s.port_changeable);
	cr_assert(s.mode_changeable);
	config_unref(&c);
}

Test(config, names_of_enums)
{
	cr_assert_str_eq(pool_mode_name(POOL_STATEMENT), "statement");
	cr_assert_null(pool_mode_name(POOL_INHERIT));
	cr_assert_str_eq(auth_type_name(AUTH_SCRAM_SHA_256), "scram-sha-256");
	cr_assert_str_eq(load_balance_hosts_name(LOAD_BALANCE_DISABLE), "disable");
}
