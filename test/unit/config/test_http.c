#include "config/http.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "../net/certs.h"
#include "base/strings.h"
#include "files.h"

static void
begin(void)
{
	files_begin();
	certs_begin();
	certs_make("a", &(struct cert){ .name = "a.example" });
	certs_make("b", &(struct cert){ .name = "b.example" });
}

static void
end(void)
{
	certs_end();
	files_end();
}

TestSuite(http, .init = begin, .fini = end);

#define HASH "0123456789abcdef0123456789ABCDEF0123456789abcdef0123456789abcdef"
#define OTHER "f123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define ANY "[pgbouncer]\nauth_type = any\n"
#define TOKEN "[http_tokens]\nme = sha256:" HASH "\n"

/* --- addresses --- */

Test(http, one_address)
{
	static const struct {
		const char *text, *host; /* NULL: it is none */
		int port;
		bool local;
	} cases[] = {
		{ "127.0.0.1:8432", "127.0.0.1", 8432, true },
		{ " 127.0.0.1:8432\t", "127.0.0.1", 8432, true },
		{ "127.9.9.9:1", "127.9.9.9", 1, true },
		{ "[::1]:65535", "::1", 65535, true },
		{ "[0:0:0:0:0:0:0:1]:80", "0:0:0:0:0:0:0:1", 80, true },
		{ "LocalHost:80", "LocalHost", 80, true },
		{ "/run/x.sock", "/run/x.sock", 0, true },
		{ "*:8432", "*", 8432, false },
		{ "0.0.0.0:80", "0.0.0.0", 80, false },
		{ "[::]:80", "::", 80, false },
		{ "10.0.0.1:80", "10.0.0.1", 80, false },
		{ "127.example.com:80", "127.example.com", 80, false },
		{ "127.0.0.1.example.com:80", "127.0.0.1.example.com", 80, false },
		{ "[::ffff:10.0.0.1]:80", "::ffff:10.0.0.1", 80, false },
		{ "db.example:080", "db.example", 80, false },
		{ "127.0.0.1", NULL, 0, false },
		{ "127.0.0.1:", NULL, 0, false },
		{ "127.0.0.1:0", NULL, 0, false },
		{ "127.0.0.1:65536", NULL, 0, false },
		{ "127.0.0.1:+80", NULL, 0, false },
		{ "127.0.0.1:80x", NULL, 0, false },
		{ "127.0.0.1:999999999999", NULL, 0, false },
		{ ":80", NULL, 0, false },
		{ "::1:80", NULL, 0, false },
		{ "[::1]", NULL, 0, false },
		{ "[::1]80", NULL, 0, false },
		{ "[::1", NULL, 0, false },
		{ "[]:80", NULL, 0, false },
		{ "[", NULL, 0, false },
		{ "8432", NULL, 0, false },
		{ "a:80 b:80", NULL, 0, false },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *rest = cases[i].text;
		struct http_address a;
		bool found = http_address_next(&rest, &a);
		cr_assert_eq(found, cases[i].host != NULL, "\"%s\"", cases[i].text);
		cr_assert_eq(http_list_is_good(cases[i].text), found, "\"%s\"", cases[i].text);
		if (!found)
			continue;
		cr_assert_str_eq(a.host, cases[i].host);
		cr_assert_eq(a.port, cases[i].port, "\"%s\"", cases[i].text);
		cr_assert_eq(http_address_is_local(&a), cases[i].local, "\"%s\"", cases[i].text);
		cr_assert_not(http_address_next(&rest, &a));
		cr_assert_eq(*rest, '\0', "\"%s\"", cases[i].text);
	}
}

Test(http, a_list_of_addresses)
{
	const char *rest = "127.0.0.1:1,[::1]:2 ,\t/a/b";
	struct http_address a;

	for (int i = 0; i < 2; i++) {
		cr_assert(http_address_next(&rest, &a));
		cr_assert_eq(a.port, i + 1);
	}
	cr_assert(http_address_next(&rest, &a));
	cr_assert_str_eq(a.host, "/a/b");
	cr_assert_not(http_address_next(&rest, &a));
	cr_assert(http_list_is_good(""));
	cr_assert(http_list_is_good("  "));
	cr_assert_not(http_list_is_good(","));
	cr_assert_not(http_list_is_good("a:1,"));
	cr_assert_not(http_list_is_good("a:1, ,b:1"));
	cr_assert_not(http_list_is_good(",a:1"));
}

/* The bounds of both fields: a path of 107 bytes fits into a socket's address, a host of 255 into ours. */
Test(http, long_addresses)
{
	char text[400];

	for (int i = 0; i < 2; i++) {
		int size = i == 0 ? 107 : 255;
		memset(text, 'x', sizeof(text));
		text[0] = i == 0 ? '/' : 'x';
		strcpy(text + size, i == 0 ? "" : ":80");
		cr_assert(http_list_is_good(text), "%d", size);
		memset(text + size, 'x', 1);
		strcpy(text + size + 1, i == 0 ? "" : ":80");
		cr_assert_not(http_list_is_good(text), "%d", size + 1);
	}
}

Test(http, what_others_can_reach_needs_tls_and_a_token)
{
	char text[2000];
	struct error e;

	files_refuse("[pgbouncer]\nauth_type = any\nhttp_listen = 127.0.0.1:1, 0.0.0.0:8432\n",
		"t.ini:3: http_listen 0.0.0.0 can be reached from other machines, so it needs TLS and a token: set "
		"http_tls_cert_file and http_tls_key_file and add a line to [http_tokens]");
	files_refuse(ANY "http_listen = *:8432\n" TOKEN, "t.ini:3: http_listen * can be reached");
	snprintf(text, sizeof(text), ANY "http_listen = *:8432\nhttp_tls_cert_file = %s\nhttp_tls_key_file = %s\n",
		certs_path("a.crt"), certs_path("a.key"));
	files_refuse(text, "t.ini:3: http_listen * can be reached");
	strcat(text, TOKEN);
	const struct config *c = files_load(text);
	cr_assert_not_null(c->http_tls);
	files_refuse_set(c, "http_tls_cert_file", "", "can be reached from other machines");
	files_refuse_set(c, "http_tls_key_file", "", "can be reached from other machines");
	config_unref(&c);
	c = files_load(ANY "http_listen = 127.0.0.1:8432\n");
	files_refuse_set(c, "http_listen", "0.0.0.0:8432", "can be reached from other machines");
	files_set(&c, "http_listen", "localhost:8432");
	config_unref(&c);
	cr_assert_null(config_from_text(ANY "http_listen = *:1\n", strlen(ANY "http_listen = *:1\n"), &e));
	cr_assert_eq(strncmp(e.message, "text:3: http_listen *", 21), 0, "%s", e.message);
}

/* --- TLS --- */

#define PAIR "http_tls_cert_file = %s\nhttp_tls_key_file = %s\n"

static const struct config *
load_pair(const struct config *running)
{
	char text[1000];

	snprintf(text, sizeof(text), ANY PAIR, certs_path("a.crt"), certs_path("a.key"));
	return files_reload(text, running);
}

Test(http, certificate_and_key_go_together)
{
	files_refuse(ANY "http_tls_cert_file = a\n",
		"t.ini:3: TLS setup failed: http_tls_cert_file and http_tls_key_file go together");
	files_refuse(ANY "http_tls_key_file = a\n", "t.ini:3: TLS setup failed: http_tls_cert_file and");
	files_refuse(ANY "http_tls_cert_file = /none.crt\nhttp_tls_key_file = /none.key\n",
		"t.ini:3: TLS setup failed: for HTTP: ");
	const struct config *c = files_load(ANY);
	cr_assert_null(c->http_tls);
	config_unref(&c);
}

Test(http, a_reload_reads_the_certificate_anew)
{
	const struct config *old = load_pair(NULL), *c = load_pair(old);

	cr_assert_neq(old->http_tls, c->http_tls);
	cr_assert_null(c->client_tls);
	config_unref(&old);
	config_unref(&c);
}

Test(http, a_set_keeps_the_old_pair_until_the_new_one_fits)
{
	const struct config *c = load_pair(NULL);
	struct tls_context *old = c->http_tls;

	files_set(&c, "http_hosts", "db.example");
	cr_assert_eq(c->http_tls, old);
	files_set(&c, "http_tls_key_file", certs_path("b.key"));
	cr_assert_eq(c->http_tls, old);
	cr_assert_eq(files_logged("HTTP clients see the old certificate"), 1);
	files_set(&c, "http_tls_cert_file", certs_path("b.crt"));
	cr_assert_neq(c->http_tls, old);
	cr_assert_not_null(c->http_tls);
	files_set(&c, "http_tls_cert_file", "");
	cr_assert_null(c->http_tls);
	files_set(&c, "http_tls_key_file", "");
	files_set(&c, "http_tls_cert_file", certs_path("a.crt"));
	cr_assert_null(c->http_tls, "it has no key yet");
	files_set(&c, "http_tls_key_file", certs_path("a.key"));
	cr_assert_not_null(c->http_tls);
	config_unref(&c);
}

Test(http, without_an_old_context_a_broken_pair_is_refused)
{
	const struct config *c = files_load(ANY);

	files_set(&c, "http_tls_cert_file", certs_path("a.crt"));
	files_refuse_set(c, "http_tls_key_file", certs_path("b.key"), "TLS setup failed: for HTTP: ");
	config_unref(&c);
}

/* --- tokens --- */

Test(http, tokens)
{
	const struct config *c = files_load(ANY "[databases]\nacme =\n[http_tokens]\n"
						"grafana = sha256:" HASH "\n"
						"ops\t=  sha256:" OTHER "\tscope=operate,read   tenant=acme  \n"
						"[pgbouncer]\n");

	cr_assert_eq(c->nhttp_tokens, 2);
	cr_assert_str_eq(c->http_tokens[0].name, "grafana");
	cr_assert_eq(c->http_tokens[0].scopes, HTTP_READ);
	cr_assert_null(c->http_tokens[0].tenant);
	cr_assert_eq(c->http_tokens[0].hash[0], 0x01);
	cr_assert_eq(c->http_tokens[0].hash[31], 0xef);
	cr_assert_str_eq(c->http_tokens[1].name, "ops");
	cr_assert_eq(c->http_tokens[1].scopes, HTTP_READ | HTTP_OPERATE);
	cr_assert_str_eq(c->http_tokens[1].tenant, "acme");
	cr_assert_eq(c->http_tokens[1].hash[0], 0xf1);
	cr_assert_eq(files_logged("WARNING"), 0);
	files_set(&c, "query_timeout", "1");
	cr_assert_eq(c->nhttp_tokens, 2, "SET keeps them");
	config_unref(&c);
}

Test(http, bad_tokens_are_told_with_their_place)
{
	static const struct {
		const char *lines, *message;
	} cases[] = {
		{ "a =\n", "t.ini:2: token \"a\" must read sha256: and 64 hex digits" },
		{ "a = scope=read\n", "t.ini:2: token \"a\" must read" },
		{ "a = pgusher_secret\n", "t.ini:2: token \"a\" must read" },
		{ "a = sha256:" HASH "0\n", "t.ini:2: token \"a\" must read" },
		{ "a = sha256:0123\n", "t.ini:2: token \"a\" must read" },
		{ "a = sha512:" HASH "\n", "t.ini:2: token \"a\" must read" },
		{ "a = sha256:x123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\n",
			"t.ini:2: token \"a\" must read" },
		{ "a = sha256:" HASH " scope=write\n",
			"t.ini:2: invalid value \"write\" for scope: it must be a list, with commas, of read, benchmark, operate" },
		{ "a = sha256:" HASH " scope=\n", "t.ini:2: scope has no value" },
		{ "a = sha256:" HASH " tennant=acme\n",
			"t.ini:2: unknown key \"tennant\" in [http_tokens]: do you mean tenant?" },
		{ "a = sha256:" HASH " acme\n", "t.ini:2: the settings must read" },
		{ "a = sha256:" HASH "\na = sha256:" OTHER "\n",
			"t.ini:3: token \"a\" is there already: give each its own name" },
		{ "a = sha256:" HASH "\nb = sha256:0123456789ABCDEF0123456789abcdef0123456789abcdef0123456789abcdef\n",
			"t.ini:3: token \"b\" is the same as \"a\"" },
	};
	char text[1000];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		snprintf(text, sizeof(text), "[http_tokens]\n%s" ANY, cases[i].lines);
		files_refuse(text, cases[i].message);
	}
}

/* Who writes the token itself must not find it in the log. */
Test(http, a_bad_token_is_not_quoted)
{
	const char *text = "[http_tokens]\na = pgusher_secret\n";
	struct error e;

	cr_assert_null(config_from_text(text, strlen(text), &e));
	cr_assert_null(strstr(e.message, "secret"), "%s", e.message);
}

Test(http, a_token_of_an_unknown_tenant_is_warned_of)
{
	const struct config *c = files_load(ANY "[http_tokens]\na = sha256:" HASH " tenant=acme\n");

	cr_assert_eq(files_logged("WARNING token \"a\" is for the database \"acme\", which is neither in [databases] nor in [tenants]"), 1);
	config_unref(&c);
	c = files_load(ANY "[databases]\n* =\n[http_tokens]\na = sha256:" HASH " tenant=acme\n");
	cr_assert_eq(files_logged("WARNING"), 1);
	config_unref(&c);
}

Test(http, a_new_token_is_new_and_has_the_hash_of_its_text)
{
	char a[HTTP_TOKEN_SIZE], b[HTTP_TOKEN_SIZE], text[100] = "sha256:";
	uint8_t hash[32], read[32];

	cr_assert(http_token_make(a) && http_token_make(b));
	cr_assert_eq(strlen(a), HTTP_TOKEN_SIZE - 1);
	cr_assert_eq(strncmp(a, "pgusher_", 8), 0);
	cr_assert_str_neq(a, b);
	http_token_hash("abc", 3, hash);
	strcat(text, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"); /* FIPS 180 */
	cr_assert(http_token_parse_hash(text, read));
	cr_assert_arr_eq(hash, read, sizeof(hash));
}

/* --- the names it has --- */

Test(http, names_that_no_request_could_ask_for)
{
	static const struct {
		const char *text;
		bool good;
	} cases[] = {
		{ "", true },
		{ "pooler.example.com", true },
		{ "pooler_1, POOLER.example ,10.0.0.7,fd00::7", true },
		{ "http://pooler.example", false },
		{ "pooler.example:8432", false },
		{ "pooler.example/", false },
		{ "pooler.example.", false },
		{ "[fd00::7]", false },
		{ "*.example", false },
		{ "a b", false },
		{ "a,,b", false },
		{ "a,", false },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		cr_expect_eq(http_hosts_are_good(cases[i].text), cases[i].good, "\"%s\"", cases[i].text);
	files_refuse("[pgbouncer]\nhttp_hosts = pooler.example:8432\n",
		"t.ini:2: invalid value \"pooler.example:8432\" for http_hosts: it must be empty or a list of names");
}

/* --- the webhook --- */

Test(http, urls)
{
	static const struct {
		const char *text;
		bool good;
	} cases[] = {
		{ "http://a", true },
		{ "HTTPS://a.example:8443/b?c=d#e", true },
		{ "http://user:password@[::1]:80/", true },
		{ "", false },
		{ "http:", false },
		{ "http://", false },
		{ "http:///path", false },
		{ "http://:80", false },
		{ "http://?a", false },
		{ "ftp://a", false },
		{ "file:///etc/passwd", false },
		{ "a.example", false },
		{ "http://a b", false },
		{ "http://a\r\nHost: b", false },
		{ "http://a\x7f", false },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		cr_assert_eq(http_url_is_good(cases[i].text), cases[i].good, "\"%s\"", cases[i].text);
}

struct shown {
	int hidden, empty;
};

static void
note_secret(void *arg, const char *key, const char *value, const char *def, bool changeable)
{
	struct shown *s = arg;

	(void)def;
	(void)changeable;
	if (strstr(key, "webhook") == NULL || value == NULL)
		return;
	s->hidden += strcmp(value, "****") == 0;
	s->empty += value[0] == '\0';
}

Test(http, url_and_secret_of_the_webhook_are_not_shown)
{
	const struct config *c = files_load(ANY "alert_webhook_url = http://hooks.example/T0/secret\n"
						"alert_webhook_secret = x\n");
	struct shown shown = { 0, 0 };

	config_each_key(c, note_secret, &shown);
	cr_assert_eq(shown.hidden, 2);
	cr_assert_str_eq(c->alert_webhook_url, "http://hooks.example/T0/secret");
	config_unref(&c);
	files_refuse("[pgbouncer]\n\nalert_webhook_url = hooks.example/T0/secret\n",
		"t.ini:3: invalid value for alert_webhook_url: it must be empty or a URL");
}

Test(http, that_there_is_no_webhook_is_shown)
{
	const struct config *c = files_load(ANY);
	struct shown shown = { 0, 0 };

	config_each_key(c, note_secret, &shown);
	cr_assert_eq(shown.hidden, 0);
	cr_assert_eq(shown.empty, 2);
	config_unref(&c);
}

Test(http, a_secret_that_everybody_may_read_is_warned_of)
{
	const char *text = "%include secret.ini\n" ANY;
	const struct config *c;

	files_write("secret.ini", "[pgbouncer]\nalert_webhook_secret = x\n");
	chmod("secret.ini", 0640);
	c = files_load(text);
	config_unref(&c);
	cr_assert_eq(files_logged("every user of this machine"), 0);
	chmod("secret.ini", 0644);
	c = files_load(text);
	config_unref(&c);
	cr_assert_eq(files_logged("WARNING secret.ini:2: every user of this machine may read secret.ini, which holds "
				  "alert_webhook_secret: chmod o-rw secret.ini"), 1);
	files_write("secret.ini", "[pgbouncer]\nalert_webhook_secret =\n");
	c = files_load(text);
	config_unref(&c);
	cr_assert_eq(files_logged("every user of this machine"), 1);
}

/* --- the other keys of this kind --- */

Test(http, defaults)
{
	const struct config *c = files_load(ANY);

	cr_assert_eq(c->query_stats, 1);
	cr_assert_eq(c->query_stats_max, 20000);
	cr_assert_eq(c->query_stats_max_per_tenant, 2000);
	cr_assert_eq(c->query_text_size, 4096);
	cr_assert_eq(c->slow_query_threshold, USEC_PER_SEC);
	cr_assert_str_eq(c->slow_query_log, "");
	cr_assert_eq(c->slow_query_log_rate, 100);
	cr_assert_eq(c->slow_query_plan, 0);
	cr_assert_eq(c->slow_query_plan_rate, 6);
	cr_assert_eq(c->alert_query_time, USEC_PER_SEC);
	cr_assert_eq(c->alert_slow_percent, 5);
	cr_assert_eq(c->alert_regression_percent, 200);
	cr_assert_eq(c->alert_min_queries, 20);
	cr_assert_eq(c->alert_baseline_period, 300 * USEC_PER_SEC);
	cr_assert_eq(c->alert_cooldown, 300 * USEC_PER_SEC);
	cr_assert_str_eq(c->http_listen, "");
	cr_assert_eq(c->http_auth, HTTP_AUTH_AUTO);
	cr_assert_eq(c->metrics_top_tenants, 50);
	cr_assert_eq(c->nhttp_tokens, 0);
	config_unref(&c);
}

Test(http, bounds_are_told_with_their_place)
{
	static const struct {
		const char *line, *message;
	} cases[] = {
		{ "query_stats_max = 99", "t.ini:2: invalid value \"99\" for query_stats_max" },
		{ "query_stats_max_per_tenant = 9", "t.ini:2: invalid value \"9\" for query_stats_max_per_tenant" },
		{ "query_text_size = 63", "t.ini:2: invalid value \"63\" for query_text_size: it must be a whole number "
					  "from 64 to 65536" },
		{ "query_text_size = 65537", "t.ini:2: invalid value" },
		{ "slow_query_threshold = 1 hour", "t.ini:2: invalid value" },
		{ "alert_regression_percent = 100", "t.ini:2: invalid value" },
		{ "alert_baseline_period = 0.5", "t.ini:2: invalid value" },
		{ "alert_slow_percent = 101", "t.ini:2: invalid value" },
		{ "metrics_top_tenants = 1001", "t.ini:2: invalid value" },
		{ "http_listen = 127.0.0.1", "t.ini:2: invalid value" },
		{ "http_auth = none", "t.ini:2: invalid value \"none\" for http_auth: it must be one of auto, token" },
	};
	char text[200];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		snprintf(text, sizeof(text), "[pgbouncer]\n%s\n", cases[i].line);
		files_refuse(text, cases[i].message);
	}
}
