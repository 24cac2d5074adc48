/*
 * Is it us who is asked?
 */
#include "http/host.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <string.h>

#include "base/memory.h"

static const char text[] = "[pgbouncer]\n"
			   "http_listen = 127.0.0.1:8432, /run/x.sock\n"
			   "http_hosts = db.example, Other.Example\n";

static const struct config *
make_config(void)
{
	struct error e;
	const struct config *c = config_from_text(text, strlen(text), &e);

	cr_assert_not_null(c, "%s", e.message);
	return c;
}

static void
make_address(struct address *a, const char *ip)
{
	memset(a, 0, sizeof(*a));
	a->family = strchr(ip, ':') != NULL ? AF_INET6 : AF_INET;
	cr_assert_eq(inet_pton(a->family, ip, a->ip), 1);
}

Test(host, names)
{
	static const struct {
		const char *host;
		bool ours;
	} cases[] = {
		{ "localhost", true }, { "LocalHost:80", true }, { "localhost.", true }, { "localhost.:1", true },
		{ "127.0.0.1", true }, { "127.9.8.7:65535", true }, { "[::1]", true }, { "[::1]:80", true },
		{ "10.0.0.7", true }, { "10.0.0.7:8432", true }, { "db.example", true }, { "DB.EXAMPLE.:9", true },
		{ "other.example", true },
		{ "", false }, { ":80", false }, { ".", false }, { "localhost..", false }, { "localhost:", false },
		{ "localhost:80x", false }, { "localhost:123456", false }, { "localhost:80:80", false },
		{ "xlocalhost", false }, { "localhostx", false }, { "a.localhost", false }, { "localhost@evil.example", false },
		{ "10.0.0.8", false }, { "128.0.0.1", false }, { "127.0.0.1.evil.example", false }, { "127.1", false },
		{ "2130706433", false }, { "0x7f.0.0.1", false }, { "::1", false }, { "[::1", false }, { "[::1]80", false },
		{ "[::1]]", false }, { "[]", false }, { "[::2]", false }, { "[::ffff:10.0.0.8]", false }, { "example", false },
		{ "db.example,evil.example", false }, { "db.example evil", false }, { "/run/x.sock", false },
	};
	const struct config *c = make_config();
	struct address self;

	make_address(&self, "10.0.0.7");
	for (size_t i = 0; i < lengthof(cases); i++)
		cr_expect_eq(host_is_ours(cases[i].host, &self, c), cases[i].ours, "%s", cases[i].host);
	config_unref(&c);
}

Test(host, the_address_that_was_connected_to)
{
	const struct config *c = make_config();
	struct address self;

	make_address(&self, "fd00::7");
	cr_expect(host_is_ours("[fd00::7]:8432", &self, c));
	cr_expect(host_is_ours("[FD00:0:0:0::7]", &self, c));
	cr_expect_not(host_is_ours("[fd00::8]", &self, c));
	cr_expect_not(host_is_ours("10.0.0.7", &self, c));
	config_unref(&c);
}

Test(host, a_long_name_is_no_host)
{
	const struct config *c = make_config();
	struct address self;
	char name[400];

	make_address(&self, "10.0.0.7");
	memset(name, 'a', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	cr_expect_not(host_is_ours(name, &self, c));
	config_unref(&c);
}

Test(host, origins)
{
	const struct config *c = make_config();
	struct address self;

	make_address(&self, "10.0.0.7");
	cr_expect(host_is_our_origin("http://localhost:8432", &self, c));
	cr_expect(host_is_our_origin("https://db.example", &self, c));
	cr_expect(host_is_our_origin("http://[::1]:1", &self, c));
	cr_expect_not(host_is_our_origin("null", &self, c));
	cr_expect_not(host_is_our_origin("", &self, c));
	cr_expect_not(host_is_our_origin("localhost", &self, c));
	cr_expect_not(host_is_our_origin("https://evil.example", &self, c));
	cr_expect_not(host_is_our_origin("https://evil.example://localhost", &self, c));
	config_unref(&c);
}
