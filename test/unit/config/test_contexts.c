#include "config/contexts.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../net/certs.h"
#include "config/snapshot.h"
#include "files.h"

/* a.crt and a.key are ours, b.crt and b.key another pair; ca.crt and other.crt are authorities. */
static void
begin(void)
{
	files_begin();
	certs_begin();
	certs_make("a", &(struct cert){ .name = "a.example" });
	certs_make("b", &(struct cert){ .name = "b.example" });
	certs_make("other", &(struct cert){ .name = "other", .by = "other", .authority = true });
}

static void
end(void)
{
	certs_end();
	files_end();
}

TestSuite(contexts, .init = begin, .fini = end);

/* "{x}" in text is the path of x. */
static const char *
with_paths(const char *text)
{
	static char out[4000];
	size_t n = 0;

	for (const char *p = text; *p != '\0'; p++) {
		if (*p != '{') {
			out[n++] = *p;
			continue;
		}
		char name[50];
		size_t size = strcspn(p + 1, "}");
		snprintf(name, sizeof(name), "%.*s", (int)size, p + 1);
		n += (size_t)sprintf(out + n, "%s", certs_path(name));
		p += size + 1;
	}
	out[n] = '\0';
	return out;
}

#define ANY "[pgbouncer]\nauth_type = any\n"
#define PAIR "client_tls_key_file = {a.key}\nclient_tls_cert_file = {a.crt}\n"

static const struct config *
load(const char *settings)
{
	return files_load(with_paths(settings));
}

static void
set(const struct config **c, const char *key, const char *file)
{
	files_set(c, key, certs_path(file));
}

/* --- clients --- */

Test(contexts, clients_get_none_while_the_mode_is_disable)
{
	const struct config *c = load(ANY "client_tls_key_file = none\nclient_tls_cert_file = none\n"
				      "[tls_certificates]\na = cert_file=none key_file=none\n");

	cr_assert_null(c->client_tls);
	config_unref(&c);
}

Test(contexts, clients_get_one_in_all_other_modes)
{
	static const char *const modes[] = { "allow", "prefer", "require", "verify-ca", "verify-full" };
	char text[300];

	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		snprintf(text, sizeof(text), ANY PAIR "client_tls_ca_file = {ca.crt}\nclient_tls_sslmode = %s\n",
			modes[i]);
		const struct config *c = load(text);
		cr_assert_not_null(c->client_tls, "%s", modes[i]);
		config_unref(&c);
	}
}

Test(contexts, what_clients_need_is_said)
{
	static const struct {
		const char *settings, *message;
	} cases[] = {
		{ "client_tls_sslmode = allow\n",
			"t.ini:3: TLS setup failed: client_tls_sslmode allow needs client_tls_key_file and client_tls_cert_file" },
		{ "client_tls_sslmode = require\nclient_tls_key_file = {a.key}\n",
			"t.ini:3: TLS setup failed: client_tls_sslmode require needs client_tls_key_file and" },
		{ "client_tls_sslmode = verify-ca\n" PAIR,
			"t.ini:3: TLS setup failed: client_tls_sslmode verify-ca needs client_tls_ca_file" },
		{ "client_tls_sslmode = require\nclient_tls_key_file = {a.key}\nclient_tls_cert_file = {none}\n",
			"t.ini:5: TLS setup failed: " },
		{ "client_tls_sslmode = require\nclient_tls_key_file = {b.key}\nclient_tls_cert_file = {a.crt}\n",
			"t.ini:4: TLS setup failed: " },
		{ "client_tls_sslmode = require\nclient_tls13_ciphers = unknown\n" PAIR,
			"t.ini:4: TLS setup failed: failed to set the TLSv1.3 cipher suites" },
		{ "client_tls_sslmode = require\n" PAIR "[tls_certificates]\nx = cert_file={b.crt} key_file={none}\n",
			"t.ini:7: TLS setup failed: " },
	};
	char text[400];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		snprintf(text, sizeof(text), ANY "%s", cases[i].settings);
		files_refuse(with_paths(text), cases[i].message);
	}
}

Test(contexts, a_missing_file_is_named)
{
	struct error e;

	files_write("t.ini", with_paths(ANY "client_tls_sslmode = require\nclient_tls_key_file = {a.key}\n"
					    "client_tls_cert_file = gone.crt\n"));
	cr_assert_null(config_load("t.ini", NULL, NULL, &e));
	cr_assert_not_null(strstr(e.message, "gone.crt"), "%s", e.message);
	cr_assert_not_null(strstr(e.message, "No such file or directory"), "%s", e.message);
}

Test(contexts, a_reload_reads_the_files_anew)
{
	static const char text[] = ANY PAIR "client_tls_sslmode = require\n";
	const struct config *old = load(text);
	const struct config *c = files_reload(with_paths(text), old);

	cr_assert_neq(c->client_tls, old->client_tls);
	config_unref(&c);
	certs_write("a.crt", "nonsense");
	files_refuse_reload(with_paths(text), old, "t.ini:4: TLS setup failed: ");
	cr_assert_eq(files_logged("ERROR t.ini:4: TLS setup failed: "), 1, "PgBouncer's users look for this line");
	cr_assert_not_null(old->client_tls);
	config_unref(&old);
}

/* PgBouncer's tests change the three of them one after the other. */
Test(contexts, a_set_keeps_the_old_pair_until_the_new_one_fits)
{
	const struct config *c = load(ANY PAIR "client_tls_ca_file = {ca.crt}\nclient_tls_sslmode = require\n");
	struct tls_context *old = c->client_tls;

	set(&c, "client_tls_key_file", "b.key");
	cr_assert_eq(c->client_tls, old);
	cr_assert_str_eq(c->client_tls_key_file, certs_path("b.key"));
	cr_assert_eq(files_logged("; clients see the old certificate, by the old rules"), 1);
	cr_assert_eq(files_logged("ERROR TLS setup failed: "), 1);
	set(&c, "client_tls_cert_file", "b.crt");
	cr_assert_neq(c->client_tls, old);
	old = c->client_tls;
	set(&c, "client_tls_ca_file", "other.crt");
	cr_assert_neq(c->client_tls, old);
	cr_assert_eq(files_logged("ERROR"), 1);
	config_unref(&c);
}

Test(contexts, unknown_ciphers_are_logged_and_the_old_stay)
{
	const struct config *c = load(ANY PAIR "client_tls_sslmode = require\n");
	struct tls_context *old = c->client_tls;

	files_set(&c, "client_tls13_ciphers", "unknown");
	cr_assert_eq(c->client_tls, old);
	cr_assert_eq(files_logged("failed to set the TLSv1.3 cipher suites"), 1);
	files_set(&c, "client_tls13_ciphers", "TLS_AES_256_GCM_SHA384");
	cr_assert_neq(c->client_tls, old);
	config_unref(&c);
}

Test(contexts, a_set_makes_only_what_its_key_is_about)
{
	const struct config *c = load(ANY PAIR "client_tls_sslmode = require\n");
	struct tls_context *clients = c->client_tls;
	struct config_servers *servers = c->servers;

	certs_write("a.crt", "nonsense");
	files_set(&c, "query_timeout", "1");
	cr_assert_eq(c->client_tls, clients);
	cr_assert_eq(c->servers, servers);
	files_set(&c, "server_tls_protocols", "tlsv1.3");
	cr_assert_eq(c->client_tls, clients);
	cr_assert_neq(c->servers, servers);
	cr_assert_eq(files_logged("ERROR"), 0);
	config_unref(&c);
}

Test(contexts, set_switches_tls_with_clients_on_and_off)
{
	const struct config *c = load(ANY PAIR);

	files_set(&c, "client_tls_sslmode", "require");
	cr_assert_not_null(c->client_tls);
	files_set(&c, "client_tls_sslmode", "disable");
	cr_assert_null(c->client_tls);
	set(&c, "client_tls_key_file", "b.key");
	files_refuse_set(c, "client_tls_sslmode", "require", "TLS setup failed: ");
	config_unref(&c);
}

/* The old context would let in who has no certificate. */
Test(contexts, a_mode_that_demands_more_than_the_old_context_can_is_refused)
{
	const struct config *c = load(ANY PAIR "client_tls_sslmode = require\n");

	files_refuse_set(c, "client_tls_sslmode", "verify-full",
		"client_tls_sslmode verify-full needs client_tls_ca_file");
	set(&c, "client_tls_ca_file", "ca.crt");
	files_set(&c, "client_tls_sslmode", "verify-full");
	config_unref(&c);
}

/* --- servers --- */

static struct tls_context *
context_of(const struct config *c, const char *name, enum tls_mode *mode)
{
	const struct config_database *d = config_find_database(c, name);

	cr_assert_not_null(d, "%s", name);
	return config_server_tls(c, d, mode);
}

static void
check_mode(const struct config *c, const char *name, enum tls_mode expected)
{
	enum tls_mode mode;
	struct tls_context *context = context_of(c, name, &mode);

	cr_assert_eq(mode, expected, "%s: %d", name, (int)mode);
	cr_assert_eq(context == NULL, expected == TLS_DISABLE, "%s", name);
}

Test(contexts, databases_have_their_own_keys_with_the_global_ones_behind)
{
	const struct config *c = load("[databases]\n"
				      "plain =\n"
				      "off = server_tls_sslmode=disable\n"
				      "ca = server_tls_sslmode=verify-full server_tls_ca_file={ca.crt}\n"
				      "direct = server_tls_sslmode=require server_tls_negotiation=direct\n"
				      "own = server_tls_cert_file={b.crt} server_tls_key_file={b.key}\n"
				      "[pgbouncer]\nauth_type = any\n"
				      "server_tls_cert_file = {a.crt}\nserver_tls_key_file = {a.key}\n");
	const struct server_context *contexts = c->servers->contexts;

	check_mode(c, "plain", TLS_PREFER);
	check_mode(c, "off", TLS_DISABLE);
	check_mode(c, "ca", TLS_VERIFY_FULL);
	check_mode(c, "direct", TLS_REQUIRE);
	check_mode(c, "own", TLS_PREFER);
	cr_assert_eq(config_server_tls_negotiation(c, config_find_database(c, "plain")), TLS_NEGOTIATION_POSTGRES);
	cr_assert_eq(config_server_tls_negotiation(c, config_find_database(c, "direct")), TLS_NEGOTIATION_DIRECT);
	cr_assert_str_eq(contexts[config_find_database(c, "ca")->tls_slot].settings.cert_file, certs_path("a.crt"));
	cr_assert_str_eq(contexts[config_find_database(c, "own")->tls_slot].settings.cert_file, certs_path("b.crt"));
	config_unref(&c);
}

Test(contexts, equal_databases_share_one)
{
	FILE *f = fopen("t.ini", "w");
	struct error e;

	fputs(ANY "[databases]\n", f);
	for (int i = 0; i < 10000; i++)
		fprintf(f, "plain_%d =\nmine_%d = server_tls_sslmode=%s\n", i, i, i % 2 ? "require" : "disable");
	fclose(f);
	const struct config *c = config_load("t.ini", NULL, NULL, &e);
	cr_assert_not_null(c, "%s", e.message);
	cr_assert_eq(c->servers->n, 3);
	for (int i = 2; i < 10000; i += 777) {
		enum tls_mode mode;
		char name[20];
		snprintf(name, sizeof(name), "mine_%d", i);
		check_mode(c, name, i % 2 ? TLS_REQUIRE : TLS_DISABLE);
		cr_assert_eq(context_of(c, name, &mode), context_of(c, i % 2 ? "mine_1" : "mine_0", &mode));
		snprintf(name, sizeof(name), "plain_%d", i);
		cr_assert_eq(context_of(c, name, &mode), context_of(c, "plain_0", &mode));
	}
	config_unref(&c);
}

Test(contexts, a_database_of_the_fallback_has_the_fallbacks)
{
	const struct config *c = load(ANY "[databases]\na = server_tls_sslmode=require\n"
					  "* = server_tls_sslmode=verify-ca server_tls_ca_file={ca.crt}\n");
	struct config_database *d = config_make_autodb(c, "x");
	enum tls_mode mode;

	cr_assert_not_null(config_server_tls(c, d, &mode));
	cr_assert_eq(mode, TLS_VERIFY_CA);
	check_mode(c, "a", TLS_REQUIRE);
	files_set(&c, "server_tls_sslmode", "disable");
	cr_assert_eq(config_server_tls(c, d, &mode), config_server_tls(c, c->autodb, &mode));
	cr_assert_eq(mode, TLS_VERIFY_CA);
	free(d);
	config_unref(&c);
}

Test(contexts, what_servers_need_is_said)
{
	static const struct {
		const char *text, *message;
	} cases[] = {
		{ ANY "server_tls_sslmode = verify-full\n",
			"t.ini:3: TLS setup failed: for servers: server_tls_sslmode verify-full needs server_tls_ca_file" },
		{ ANY "[databases]\na =\nb = server_tls_sslmode=verify-ca\n",
			"t.ini:5: TLS setup failed: for servers of database \"b\": server_tls_sslmode verify-ca needs" },
		{ ANY "[databases]\na = server_tls_cert_file={a.crt}\n",
			"t.ini:4: TLS setup failed: for servers of database \"a\": server_tls_cert_file needs server_tls_key_file" },
		{ ANY "[databases]\n* = server_tls_cert_file={a.crt} server_tls_key_file={b.key}\n",
			"t.ini:4: TLS setup failed: for servers of database \"*\": " },
		{ ANY "[databases]\na = server_tls_ca_file={none}\n",
			"t.ini:4: TLS setup failed: for servers of database \"a\": " },
		{ ANY "server_tls_negotiation = direct\n",
			"t.ini:3: TLS setup failed: for servers: server_tls_negotiation direct needs server_tls_sslmode require" },
		{ ANY "[databases]\na = server_tls_sslmode=require server_tls_negotiation=direct\n"
		      "b = server_tls_negotiation=direct\n",
			"t.ini:5: TLS setup failed: for servers of database \"b\": server_tls_negotiation direct needs" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		files_refuse(with_paths(cases[i].text), cases[i].message);
}

/* No TLS, no TLS at once; the global key is for the others. */
Test(contexts, direct_is_of_no_matter_where_tls_is_off)
{
	const struct config *c = load(ANY "server_tls_negotiation = direct\nserver_tls_sslmode = require\n"
					  "[databases]\noff = server_tls_sslmode=disable\n");

	check_mode(c, "off", TLS_DISABLE);
	files_refuse_set(c, "server_tls_sslmode", "prefer", "server_tls_negotiation direct needs");
	config_unref(&c);
}

/* --- servers and SET --- */

static void
check_settings(const struct config *c, const char *cert_file)
{
	cr_assert_str_eq(c->servers->contexts[0].settings.cert_file, cert_file);
}

Test(contexts, a_set_keeps_the_old_pair_for_servers)
{
	const struct config *c = load(ANY "[databases]\nd =\n[pgbouncer]\nserver_tls_cert_file = {a.crt}\n"
					  "server_tls_key_file = {a.key}\nserver_tls_sslmode = require\n");
	enum tls_mode mode;
	struct tls_context *old = context_of(c, "d", &mode);

	set(&c, "server_tls_key_file", "b.key");
	cr_assert_eq(context_of(c, "d", &mode), old);
	check_settings(c, certs_path("a.crt"));
	cr_assert_eq(files_logged("; the old certificate and rules stay in use"), 1);
	set(&c, "server_tls_cert_file", "b.crt");
	cr_assert_neq(context_of(c, "d", &mode), old);
	check_settings(c, certs_path("b.crt"));
	cr_assert_eq(files_logged("ERROR"), 1);
	config_unref(&c);
}

/* PgBouncer's tests set the mode before the authorities.  Until those are there nobody is trusted, as with PgBouncer. */
Test(contexts, servers_to_be_verified_are_not_trusted_until_they_can_be)
{
	const struct config *c = load(ANY "[databases]\nd =\n");
	enum tls_mode mode;
	struct tls_context *old = context_of(c, "d", &mode), *closed;

	files_set(&c, "server_tls_sslmode", "verify-full");
	closed = context_of(c, "d", &mode);
	cr_assert_neq(closed, old);
	check_mode(c, "d", TLS_VERIFY_FULL);
	cr_assert_eq(files_logged("no certificate of a server is trusted until that is mended"), 1);
	files_set(&c, "server_tls_ca_file", "none.crt");
	cr_assert_eq(context_of(c, "d", &mode), closed);
	check_mode(c, "d", TLS_VERIFY_FULL);
	set(&c, "server_tls_ca_file", "ca.crt");
	cr_assert_neq(context_of(c, "d", &mode), closed);
	check_mode(c, "d", TLS_VERIFY_FULL);
	config_unref(&c);
}

Test(contexts, an_old_context_is_never_used_by_weaker_rules_than_its_own)
{
	const struct config *c =
		load(ANY "server_tls_sslmode = verify-full\nserver_tls_ca_file = {ca.crt}\n[databases]\nd =\n");
	enum tls_mode mode;
	struct tls_context *old = context_of(c, "d", &mode);

	files_set(&c, "server_tls_ca_file", "none.crt");
	files_set(&c, "server_tls_sslmode", "prefer");
	cr_assert_eq(context_of(c, "d", &mode), old);
	cr_assert_eq(mode, TLS_VERIFY_FULL);
	config_unref(&c);
}

Test(contexts, without_an_old_context_a_set_is_refused)
{
	const struct config *c = load(ANY "server_tls_sslmode = disable\nserver_tls_ca_file = none.crt\n");

	files_refuse_set(c, "server_tls_sslmode", "verify-full", "TLS setup failed: for servers: ");
	files_refuse_set(c, "server_tls_sslmode", "require", "none.crt");
	config_unref(&c);
}

Test(contexts, many_failures_are_one_line)
{
	const struct config *c = load(ANY "[databases]\na =\nb = server_tls_sslmode=require\n"
					  "c = server_tls_sslmode=allow\n");

	files_set(&c, "server_tls_ciphers", "nonsense");
	cr_assert_eq(files_logged("ERROR TLS setup failed: for servers: "), 1);
	cr_assert_eq(files_logged("(and 2 more)"), 1);
	cr_assert_eq(files_logged("ERROR"), 1);
	config_unref(&c);
}

Test(contexts, many_sets_leave_nothing_behind)
{
	const struct config *c = load(ANY PAIR "client_tls_sslmode = require\n[databases]\nd =\n");
	size_t size = arena_size(c->arena), of_servers = arena_size(c->servers->arena);

	for (int i = 0; i < 20; i++) {
		set(&c, "client_tls_key_file", i % 2 ? "a.key" : "b.key");
		set(&c, "server_tls_ca_file", i % 2 ? "ca.crt" : "none.crt");
	}
	cr_assert_leq(arena_size(c->arena), size);
	cr_assert_leq(arena_size(c->servers->arena), of_servers);
	cr_assert_eq(atomic_load(&c->servers->refs), 1);
	config_unref(&c);
}

/* --- what servers may ask for, and what makes old connections useless --- */

Test(contexts, demands)
{
	const struct config *c = load("[databases]\na =\nb = server_require_auth=scram-sha-256-plus\n"
				      "[pgbouncer]\nauth_type = any\nserver_require_auth = md5,scram-sha-256\n");

	cr_assert_eq(config_server_demands(c, c->databases[0]), DEMAND_MD5 | DEMAND_SCRAM | DEMAND_SCRAM_PLUS);
	cr_assert_eq(config_server_demands(c, c->databases[1]), DEMAND_SCRAM_PLUS);
	files_set(&c, "server_require_auth", "");
	cr_assert_eq(config_server_demands(c, c->databases[0]), DEMAND_ANY);
	cr_assert_eq(config_server_demands(c, c->databases[1]), DEMAND_SCRAM_PLUS);
	config_unref(&c);
}

Test(contexts, same_security)
{
	static const char base[] = ANY "server_tls_ca_file = {ca.crt}\n[databases]\nd =\n";
	static const struct {
		const char *text;
		bool same;
	} cases[] = {
		{ base, true },
		{ ANY "server_tls_ca_file = {ca.crt}\nclient_tls13_ciphers = x\n[databases]\nd =\ne = server_tls_sslmode=disable\n",
			true },
		{ ANY "[databases]\nd = server_tls_ca_file={ca.crt} server_tls_sslmode=prefer\n", true },
		{ ANY "[databases]\nd =\n", false },
		{ ANY "server_tls_ca_file = {other.crt}\n[databases]\nd =\n", false },
		{ ANY "server_tls_ca_file = {ca.crt}\n[databases]\nd = server_tls_sslmode=allow\n", false },
		{ ANY "server_tls_ca_file = {ca.crt}\nserver_tls_protocols = tlsv1.3\n[databases]\nd =\n", false },
		{ ANY "server_tls_ca_file = {ca.crt}\nserver_tls_sslmode = disable\n[databases]\nd =\n", false },
		{ ANY "server_tls_ca_file = {ca.crt}\nserver_require_auth = !none\n[databases]\nd =\n", false },
		{ ANY "server_tls_ca_file = {ca.crt}\n[databases]\nd = server_require_auth=md5\n", false },
	};
	const struct config *a = load(base);
	uint64_t hash = config_hash_security(1, a, a->databases[0]);

	cr_assert_neq(config_hash_security(2, a, a->databases[0]), hash);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct config *b = load(cases[i].text);
		cr_assert_eq(config_hash_security(1, b, b->databases[0]) == hash, cases[i].same, "%s", cases[i].text);
		config_unref(&b);
	}
	config_unref(&a);
}

/* Text in memory comes from tests and the fuzzer: it opens no files. */
Test(contexts, text_in_memory_makes_no_contexts)
{
	static const char text[] =
		ANY "client_tls_sslmode = require\nserver_tls_sslmode = verify-full\n[databases]\nd =\n";
	struct error e;
	const struct config *c = config_from_text(text, strlen(text), &e);

	cr_assert_not_null(c, "%s", e.message);
	cr_assert_null(c->client_tls);
	check_mode(c, "d", TLS_DISABLE);
	files_set(&c, "server_tls_sslmode", "require");
	check_mode(c, "d", TLS_DISABLE);
	config_unref(&c);
}
