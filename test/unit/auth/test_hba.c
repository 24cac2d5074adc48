#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <sys/socket.h>

#include "auth/hba.h"
#include "base/memory.h"

static struct hba *
parse(const char *text)
{
	struct error e = { .message = "" };
	struct hba *h = hba_parse("hba", text, strlen(text), NULL, NULL, NULL, &e);

	cr_assert_not_null(h, "%s", e.message);
	return h;
}

/* address: of an IP address; "unix"; with "+tls", "+replication" behind. */
static struct hba_connection
connect_from(const char *database, const char *user, const char *address, uint8_t bytes[16])
{
	struct hba_connection c = { .database = database, .user = user, .address = bytes };
	char ip[64];

	snprintf(ip, sizeof(ip), "%.*s", (int)strcspn(address, "+"), address);
	c.tls = strstr(address, "+tls") != NULL;
	c.replication = strstr(address, "+replication") != NULL;
	c.local = strcmp(ip, "unix") == 0;
	c.family = strchr(ip, ':') != NULL ? AF_INET6 : AF_INET;
	if (!c.local)
		cr_assert_eq(inet_pton(c.family, ip, bytes), 1, "%s", ip);
	return c;
}

static const struct hba_rule *
find(const struct hba *h, const char *database, const char *user, const char *address)
{
	uint8_t bytes[16];
	struct hba_connection c = connect_from(database, user, address, bytes);

	return hba_find(h, &c);
}

/* 0: no rule */
static int
find_line(const struct hba *h, const char *database, const char *user, const char *address)
{
	const struct hba_rule *r = find(h, database, user, address);

	return r != NULL ? r->line : 0;
}

/* --- which rule --- */

struct question {
	const char *database, *user, *address;
	int line;
};

static void
ask(const char *text, const struct question *q, size_t n)
{
	struct hba *h = parse(text);

	for (size_t i = 0; i < n; i++)
		cr_expect_eq(find_line(h, q[i].database, q[i].user, q[i].address), q[i].line,
			"%s %s %s: line %d, not %d", q[i].database, q[i].user, q[i].address,
			find_line(h, q[i].database, q[i].user, q[i].address), q[i].line);
	hba_free(&h);
	cr_expect_null(h);
}

#define ASK(text, ...)                                                \
	ask(text, (const struct question[]){ __VA_ARGS__ },           \
		lengthof(((const struct question[]){ __VA_ARGS__ })))

Test(hba, tells_kinds_of_connections)
{
	ASK("hostssl a all all trust\n"
	    "hostnossl b all all trust\n"
	    "host c all all trust\n"
	    "local d all trust\n"
	    "hostnogssenc e all all trust\n",
		{ "a", "u", "1.2.3.4+tls", 1 }, { "a", "u", "1.2.3.4", 0 }, { "a", "u", "unix", 0 },
		{ "b", "u", "1.2.3.4", 2 }, { "b", "u", "1.2.3.4+tls", 0 }, { "b", "u", "unix", 0 },
		{ "c", "u", "1.2.3.4", 3 }, { "c", "u", "::1+tls", 3 }, { "c", "u", "unix", 0 },
		{ "d", "u", "unix", 4 }, { "d", "u", "1.2.3.4", 0 }, { "d", "u", "1.2.3.4+tls", 0 },
		{ "e", "u", "1.2.3.4", 5 }, { "e", "u", "1.2.3.4+tls", 5 }, { "e", "u", "unix", 0 });
}

Test(hba, takes_the_first_rule_that_fits)
{
	ASK("local a u reject\nlocal all u md5\nlocal all all trust\n", { "a", "u", "unix", 1 },
		{ "b", "u", "unix", 2 }, { "a", "v", "unix", 3 });
	ASK("", { "a", "u", "unix", 0 }, { "a", "u", "1.2.3.4", 0 });
	ASK("# nothing\n", { "a", "u", "unix", 0 });
}

Test(hba, compares_names)
{
	ASK("local a,b u,v trust\n"
	    "local c , d w , x trust\n"
	    "local e ,f y, z trust\n"
	    "local sameuser all trust\n",
		{ "a", "u", "unix", 1 }, { "a", "v", "unix", 1 }, { "b", "v", "unix", 1 },
		{ "b", "w", "unix", 0 }, { "c", "w", "unix", 2 }, { "d", "x", "unix", 2 },
		{ "e", "y", "unix", 3 }, { "f", "z", "unix", 3 }, { "A", "u", "unix", 0 },
		{ "", "u", "unix", 0 }, { "q", "q", "unix", 4 }, { "q", "Q", "unix", 0 },
		{ "sameuser", "u", "unix", 0 });
}

Test(hba, takes_quoted_keywords_for_names)
{
	ASK("local \"all\" \"all\" trust\n"
	    "local \"sameuser\" sameuser trust\n"
	    "local \"replication\" replication trust\n"
	    "local \"samegroup\" \"+group\" trust\n"
	    "local al\"l\" x trust\n",
		{ "all", "all", "unix", 1 }, { "b", "all", "unix", 0 }, { "all", "u", "unix", 0 },
		{ "sameuser", "sameuser", "unix", 2 }, { "x", "sameuser", "unix", 0 },
		{ "replication", "replication", "unix", 3 }, { "samegroup", "+group", "unix", 4 },
		{ "replication", "replication", "unix+replication", 0 }, { "y", "x", "unix", 5 });
}

Test(hba, unquotes)
{
	ASK("local \"a b\" \"u,v\" trust\n"
	    "local \"q\"\"r\" \"\"\"\" trust\n"
	    "local pre\"x y\"post \"a\"\"b\"\"c\",d\"\" \"trust\"\n"
	    "\"local\" \"#\" \"\" trust # \" comment\n"
	    "local \"@f\" \"@\" trust\n"
	    "local @ \"\\\" trust\n"
	    "local \"x\"y\"z\" u trust\n",
		{ "a b", "u,v", "unix", 1 }, { "a", "u", "unix", 0 }, { "q\"r", "\"", "unix", 2 },
		{ "prex ypost", "a\"b\"c", "unix", 3 }, { "prex ypost", "d", "unix", 3 },
		{ "#", "", "unix", 4 }, { "@f", "@", "unix", 5 }, { "@", "\\", "unix", 6 },
		{ "xyz", "u", "unix", 7 });
}

Test(hba, joins_and_skips_lines)
{
	ASK("\n \t\r\n,\n# local all all trust \\\nlocal a u trust\n"
	    "local \\\n b \\\r\r\n\t\\\nv trust\r\n"
	    " , local c w trust,\n"
	    "local d\\\nd x tru\\\nst#\n"
	    "local \"e\\\ne\" y trust# \"\n"
	    "\\\n\\\n\n"
	    "local f\\f z trust\\",
		{ "a", "u", "unix", 0 }, { "b", "v", "unix", 6 }, { "c", "w", "unix", 10 }, { "dd", "x", "unix", 11 },
		{ "ee", "y", "unix", 14 }, { "f\\f", "z", "unix", 19 });
}

Test(hba, knows_replication)
{
	ASK("local replication r trust\n"
	    "local a,replication s trust\n"
	    "local all r,s,t trust\n",
		{ "x", "r", "unix+replication", 1 }, { "x", "r", "unix", 3 },
		{ "replication", "r", "unix", 3 }, { "x", "s", "unix+replication", 2 },
		{ "a", "s", "unix", 2 }, { "b", "s", "unix", 3 }, { "x", "t", "unix+replication", 0 },
		{ "a", "t", "unix+replication", 0 });
}

/* --- addresses --- */

Test(hba, compares_networks)
{
	ASK("host a all 10.1.2.3/32 trust\n"
	    "host b all 10.1.2.0/24 trust\n"
	    "host c all 10.1.2.3/8 trust\n" /* what the mask hides does not count */
	    "host d all 1.2.3.4/0 trust\n"
	    "host e all 10.1.2.128 255.255.255.128 trust\n"
	    "host f all 10.0.0.5 255.0.0.255 trust\n"
	    "host g all 128.0.0.0/1 trust\n"
	    "host h all \"10.1.2.3/31\" trust\n"
	    "host i all 10.1.2.3 0.0.0.0 trust\n",
		{ "a", "u", "10.1.2.3", 1 }, { "a", "u", "10.1.2.2", 0 }, { "a", "u", "10.1.2.4", 0 },
		{ "b", "u", "10.1.2.0", 2 }, { "b", "u", "10.1.2.255", 2 }, { "b", "u", "10.1.3.0", 0 },
		{ "b", "u", "10.1.1.255", 0 }, { "c", "u", "10.255.255.255", 3 }, { "c", "u", "11.0.0.0", 0 },
		{ "d", "u", "255.255.255.255", 4 }, { "d", "u", "0.0.0.0", 4 }, { "d", "u", "::", 0 },
		{ "e", "u", "10.1.2.128", 5 }, { "e", "u", "10.1.2.127", 0 }, { "f", "u", "10.9.9.5", 6 },
		{ "f", "u", "10.9.9.4", 0 }, { "g", "u", "128.0.0.0", 7 }, { "g", "u", "127.255.255.255", 0 },
		{ "h", "u", "10.1.2.2", 8 }, { "h", "u", "10.1.2.4", 0 }, { "i", "u", "9.9.9.9", 9 });
}

Test(hba, compares_networks_of_ipv6)
{
	ASK("host a all ::1/128 trust\n"
	    "host b all 2001:db8::/32 trust\n"
	    "host c all 2001:db8:1:2:3:4:5:6/65 trust\n"
	    "host d all ::/0 trust\n"
	    "host e all fe80::1 ffff:ffff:ffff:ffff:: trust\n"
	    "host f all FF00::/9 trust\n",
		{ "a", "u", "::1", 1 }, { "a", "u", "::2", 0 }, { "a", "u", "0.0.0.1", 0 },
		{ "a", "u", "127.0.0.1", 0 }, { "b", "u", "2001:db8:ffff::", 2 }, { "b", "u", "2001:db9::", 0 },
		{ "c", "u", "2001:db8:1:2:7fff::", 3 }, { "c", "u", "2001:db8:1:2:8000::", 0 },
		{ "d", "u", "ffff::", 4 }, { "d", "u", "1.2.3.4", 0 }, { "e", "u", "fe80::ffff:ffff:ffff:ffff", 5 },
		{ "e", "u", "fe80:0:0:1::", 0 }, { "f", "u", "ff7f::", 6 }, { "f", "u", "ff80::", 0 });
}

Test(hba, takes_ipv4_in_ipv6_for_ipv4)
{
	ASK("host a all 10.0.0.0/8 trust\n"
	    "host b all ::/0 trust\n"
	    "host c all ::ffff:10.0.0.0/104 trust\n"
	    "host d all ::ffff:0:0/96 trust\n"
	    "host e all ::ffff:0:0/95 trust\n",
		{ "a", "u", "::ffff:10.1.2.3", 1 }, { "a", "u", "::ffff:11.1.2.3", 0 },
		{ "a", "u", "::fffe:10.1.2.3", 0 }, { "b", "u", "::ffff:10.1.2.3", 0 },
		{ "c", "u", "10.1.2.3", 3 }, { "c", "u", "::ffff:10.1.2.3", 3 }, { "c", "u", "11.1.2.3", 0 },
		{ "d", "u", "1.2.3.4", 4 }, { "d", "u", "::1", 0 }, { "e", "u", "::fffe:1.2.3.4", 5 },
		{ "e", "u", "1.2.3.4", 0 }, { "e", "u", "::ffff:1.2.3.4", 0 });
}

static bool
is_near(void *arg, bool net)
{
	return ((const bool *)arg)[net];
}

static const struct {
	const char *word;
	bool near[2]; /* one of ours, in a net of ours */
	bool fits;
} neighbours[] = {
	{ "samehost", { true, false }, true },
	{ "samehost", { false, true }, false },
	{ "samenet", { false, true }, true },
	{ "samenet", { true, false }, false },
	{ "all", { false, false }, true },
};

Test(hba, asks_for_neighbours)
{
	for (size_t i = 0; i < lengthof(neighbours); i++) {
		bool near[2] = { neighbours[i].near[0], neighbours[i].near[1] };
		uint8_t bytes[16];
		struct hba_connection c = connect_from("a", "u", "10.0.0.1", bytes);
		char text[64];
		struct hba *h;

		snprintf(text, sizeof(text), "host a all %s trust", neighbours[i].word);
		h = parse(text);
		cr_expect_eq(hba_find(h, &c) != NULL, strcmp(neighbours[i].word, "all") == 0, "row %zu: nobody to ask", i);
		c.is_near = is_near;
		c.arg = near;
		cr_expect_eq(hba_find(h, &c) != NULL, neighbours[i].fits, "row %zu", i);
		hba_free(&h);
	}
}

/* --- methods --- */

static const struct {
	const char *text;
	enum hba_method method;
	const char *map, *options;
} methods[] = {
	{ "local all all reject", HBA_REJECT, NULL, "" },
	{ "local all all trust", HBA_TRUST, NULL, "" },
	{ "local all all password", HBA_PLAIN, NULL, "" },
	{ "local all all plain", HBA_PLAIN, NULL, "" },
	{ "local all all md5", HBA_MD5, NULL, "" },
	{ "local all all scram-sha-256", HBA_SCRAM_SHA_256, NULL, "" },
	{ "local all all \"scram-sha-256\"", HBA_SCRAM_SHA_256, NULL, "" },
	{ "local all all peer", HBA_PEER, NULL, "" },
	{ "local all all peer map=m", HBA_PEER, "m", "" },
	{ "local all all peer map=\"m n\"", HBA_PEER, "m n", "" },
	{ "local all all peer \"map=m=n\"", HBA_PEER, "m=n", "" },
	{ "hostssl all all all cert", HBA_CERT, NULL, "" },
	{ "host all all all cert map=x", HBA_CERT, "x", "" },
	{ "hostssl all all all cert clientcert=verify-full clientname=CN map=x", HBA_CERT, "x", "" },
	{ "local all all pam", HBA_PAM, NULL, "" },
	{ "local all all pam pamservice=pgbouncer", HBA_PAM, NULL, "" },
	{ "local all all ldap", HBA_LDAP, NULL, "" },
	{ "host all u 0.0.0.0/0 ldap ldapserver=127.0.0.1 \"ldapport\"=389 ldapbasedn=\"dc=example,dc=net\" "
	  ",ldapsearchfilter=\"uid=$username\"",
		HBA_LDAP, NULL,
		"ldapserver=\"127.0.0.1\" ldapport=\"389\" ldapbasedn=\"dc=example,dc=net\" "
		"ldapsearchfilter=\"uid=$username\"" },
	{ "local all all ldap ldapprefix=\"uid=\" ldapsuffix=\"\" ldapbindpasswd=\"a\"\"b\"", HBA_LDAP, NULL,
		"ldapprefix=\"uid=\" ldapsuffix=\"\" ldapbindpasswd=\"a\"\"b\"" },
};

Test(hba, reads_methods_and_options)
{
	for (size_t i = 0; i < lengthof(methods); i++) {
		struct hba *h = parse(methods[i].text);
		const struct hba_rule *r = hba_next(h, NULL);

		cr_assert_not_null(r);
		cr_expect_eq(r->method, methods[i].method, "%s", methods[i].text);
		cr_expect_str_eq(r->options, methods[i].options);
		if (methods[i].map == NULL)
			cr_expect_null(r->map, "%s", methods[i].text);
		else
			cr_expect(r->map != NULL && strcmp(r->map, methods[i].map) == 0, "%s", methods[i].text);
		cr_expect_null(hba_next(h, r));
		for (int m = HBA_REJECT; m <= HBA_PAM; m++)
			cr_expect_eq(hba_uses(h, (enum hba_method)m), m == (int)methods[i].method);
		hba_free(&h);
	}
}

Test(hba, names_methods)
{
	static const char *const names[] = {
		[HBA_REJECT] = "reject", [HBA_TRUST] = "trust", [HBA_PLAIN] = "password",
		[HBA_MD5] = "md5", [HBA_SCRAM_SHA_256] = "scram-sha-256", [HBA_CERT] = "cert",
		[HBA_PEER] = "peer", [HBA_LDAP] = "ldap", [HBA_PAM] = "pam",
	};

	for (size_t m = 0; m < lengthof(names); m++)
		cr_expect_str_eq(hba_method_name((enum hba_method)m), names[m]);
}

Test(hba, walks_the_rules)
{
	struct hba *h = parse("local a u trust\n\nlocal b u md5\nlocal c u reject\n"), *none = parse("");
	const struct hba_rule *r = NULL;
	int lines = 0;

	while ((r = hba_next(h, r)) != NULL)
		lines = lines * 10 + r->line;
	cr_expect_eq(lines, 134);
	cr_expect(hba_uses(h, HBA_TRUST) && hba_uses(h, HBA_MD5) && hba_uses(h, HBA_REJECT));
	cr_expect_not(hba_uses(h, HBA_PEER));
	cr_expect_null(hba_next(none, NULL));
	cr_expect_not(hba_uses(none, HBA_TRUST));
	hba_free(&h);
	hba_free(&none);
	hba_free(&none);
}

/* --- what is no rule --- */

static const struct {
	const char *text, *message; /* message: with its place */
} refused[] = {
	{ "x", "hba:1: \"x\" is no connection type: local, host, hostssl or hostnossl" },
	{ "local all all trust\n\nLOCAL all all trust", "hba:3: \"LOCAL\" is no connection type: local, host, hostssl or hostnossl" },
	{ "local,host all all trust", "hba:1: the connection type can't be a list" },
	{ "hostgssenc all all all trust", "hba:1: GSSAPI is not supported" },
	{ "include file", "hba:1: a file can be named only in a list, as @file" },
	{ "local", "hba:1: the line ends before the databases" },
	{ "local all", "hba:1: the line ends before the users" },
	{ "local all all", "hba:1: the line ends before the method" },
	{ "host all all", "hba:1: the line ends before the address" },
	{ "host all all 1.2.3.4", "hba:1: the line ends before the mask of the address" },
	{ "host all all 1.2.3.4/32", "hba:1: the line ends before the method" },
	{ "host all all 1.2.3.4 255.255.255.255", "hba:1: the line ends before the method" },
	{ "local samerole all trust", "hba:1: groups are not known here, so samerole is not supported" },
	{ "local a,samegroup all trust", "hba:1: groups are not known here, so samegroup is not supported" },
	{ "local all +g trust", "hba:1: \"+g\": groups are not known here; list their members" },
	{ "local +g all trust", "hba:1: \"+g\": groups are not known here; list their members" },
	{ "local /^a all trust", "hba:1: \"/^a\": regular expressions are not supported" },
	{ "local all \"/^a\" trust", "hba:1: \"/^a\": regular expressions are not supported" },
	{ "local @f all trust", "hba:1: \"@f\": another file can't be named here" },
	{ "host all all example.org trust", "hba:1: \"example.org\" is no IP address; host names are not supported" },
	{ "host all all .example.org trust", "hba:1: \".example.org\" is no IP address; host names are not supported" },
	{ "host all all all,samenet trust", "hba:1: the address can't be a list" },
	{ "host all all \"all\" trust", "hba:1: \"all\" is no IP address; host names are not supported" },
	{ "host all all \"\" trust", "hba:1: \"\" is no IP address; host names are not supported" },
	{ "host all all /8 trust", "hba:1: \"/8\" is no IP address; host names are not supported" },
	{ "host all all 1.2.3/24 trust", "hba:1: \"1.2.3/24\" is no IP address; host names are not supported" },
	{ "host all all 1.2.3.256/24 trust", "hba:1: \"1.2.3.256/24\" is no IP address; host names are not supported" },
	{ "host all all 01.2.3.4/24 trust", "hba:1: \"01.2.3.4/24\" is no IP address; host names are not supported" },
	{ "host all all fe80::1%eth0/64 trust", "hba:1: \"fe80::1%eth0/64\" is no IP address; host names are not supported" },
	{ "host all all 1.2.3.4/33 trust", "hba:1: \"1.2.3.4/33\": bad number of bits" },
	{ "host all all 1.2.3.4/-1 trust", "hba:1: \"1.2.3.4/-1\": bad number of bits" },
	{ "host all all 1.2.3.4/ trust", "hba:1: \"1.2.3.4/\": bad number of bits" },
	{ "host all all 1.2.3.4/8/8 trust", "hba:1: \"1.2.3.4/8/8\": bad number of bits" },
	{ "host all all 1.2.3.4/4294967304 trust", "hba:1: \"1.2.3.4/4294967304\": bad number of bits" },
	{ "host all all 1.2.3.4/255.0.0.0 trust", "hba:1: \"1.2.3.4/255.0.0.0\": bad number of bits" },
	{ "host all all ::/129 trust", "hba:1: \"::/129\": bad number of bits" },
	{ "host all all 1.2.3.4 trust", "hba:1: \"trust\" is no mask of the address; or write the address as ADDRESS/BITS" },
	{ "host all all 1.2.3.4 ffff:: trust", "hba:1: \"ffff::\" is no mask of the address; or write the address as ADDRESS/BITS" },
	{ "host all all 1.2.3.4 24 trust", "hba:1: \"24\" is no mask of the address; or write the address as ADDRESS/BITS" },
	{ "host all all 0x7f000001/32 trust", "hba:1: \"0x7f000001/32\" is no IP address; host names are not supported" },
	{ "local all all gss", "hba:1: the method gss is not supported" },
	{ "host all all all sspi", "hba:1: the method sspi is not supported" },
	{ "host all all all ident", "hba:1: the method ident is not supported" },
	{ "host all all all radius", "hba:1: the method radius is not supported" },
	{ "host all all all bsd", "hba:1: the method bsd is not supported" },
	{ "host all all all krb5", "hba:1: \"krb5\" is no method" },
	{ "host all all all MD5", "hba:1: \"MD5\" is no method" },
	{ "host all all all any", "hba:1: \"any\" is no method" },
	{ "host all all all md5,trust", "hba:1: the method can't be a list" },
	{ "host all all all peer", "hba:1: the method peer can't be used here: the kernel knows only who is at a Unix socket, so it needs a local line" },
	{ "local all all cert", "hba:1: the method cert can't be used here: certificates come with TLS, so it needs a hostssl or host line" },
	{ "hostnossl all all all cert", "hba:1: the method cert can't be used here: certificates come with TLS, so it needs a hostssl or host line" },
	{ "local all all md5 x", "hba:1: an option must read name=value, without blanks around =" },
	{ "local all all md5 =x", "hba:1: an option must read name=value, without blanks around =" },
	{ "local all all md5 map=x", "hba:1: the method md5 has no option map" },
	{ "local all all trust clientcert=verify-full", "hba:1: the method trust has no option clientcert" },
	{ "hostssl all all all cert clientcert=verify-ca", "hba:1: clientcert= can only be verify-full with the method cert" },
	{ "hostssl all all all cert clientname=DN", "hba:1: clientname= can only be CN with the method cert" },
	{ "local all all peer map=", "hba:1: map= names no map" },
	{ "local all all peer map=a map=b", "hba:1: map= is given twice" },
	{ "local all all peer map = a", "hba:1: an option must read name=value, without blanks around =" },
	{ "local all all pam pamservice=postgresql", "hba:1: pamservice= can only be pgbouncer with the method pam" },
	{ "local all all pam pam_use_hostname=1", "hba:1: the method pam has no option pam_use_hostname" },
	{ "local all all ldap secret", "hba:1: an option must read name=value, without blanks around =" },
	{ "local \"all all trust", "hba:1: a closing quote is missing" },
	{ "local all all trust\nlocal all \"all\ntrust\"", "hba:2: a closing quote is missing" },
	{ "local all all \"trust\"\"", "hba:1: a closing quote is missing" },
	{ "local all all trust\n\xef\xbb\xbflocal all all trust", "hba:2: \"\xef\xbb\xbflocal\" is no connection type: local, host, hostssl or hostnossl" },
};

Test(hba, says_where_and_what_is_wrong)
{
	for (size_t i = 0; i < lengthof(refused); i++) {
		struct error e = { .message = "" };
		struct hba *h = hba_parse("hba", refused[i].text, strlen(refused[i].text), NULL, NULL, NULL, &e);

		cr_expect_null(h, "%s", refused[i].text);
		cr_expect_str_eq(e.message, refused[i].message);
		cr_expect_str_eq(e.sqlstate, "F0000");
		hba_free(&h);
	}
}

Test(hba, refuses_zero_bytes)
{
	static const char text[] = "local all all trust\nlocal all a\0b trust\n";
	struct error e;

	cr_expect_null(hba_parse("hba", text, sizeof(text) - 1, NULL, NULL, NULL, &e));
	cr_expect_str_eq(e.message, "hba:2: the line holds a zero byte: is this a text file?");
}

/* Text of the exact size, so that a sanitizer sees every read behind the end. */
Test(hba, survives_every_cut)
{
	static const char text[] =
		"# c\\\n\r\nhostssl \"a\"\"b\",c , d @x 10.0.0.0\\\r\n 255.0.0.0 ldap a=\"b \"\"c\" ,d=e\\\n\n"
		"local all all peer map=m";

	for (size_t n = 0; n <= sizeof(text) - 1; n++) {
		char *exact = memory_alloc(n);
		struct error e;
		struct hba *h;

		memcpy(exact, text, n);
		h = hba_parse("hba", exact, n, NULL, NULL, NULL, &e);
		hba_free(&h);
		free(exact);
	}
}

Test(hba, bears_many_rules_and_names, .timeout = 120)
{
	size_t size = 0, room = 4u << 20;
	char *text = memory_alloc(room);
	struct hba *h;

	for (int i = 0; i < 10000; i++)
		size += (size_t)snprintf(text + size, room - size, "host tenant%d,other all 10.0.0.0/8 md5\n", i);
	size += (size_t)snprintf(text + size, room - size, "local ");
	for (int i = 0; i < 100000; i++)
		size += (size_t)snprintf(text + size, room - size, "t%d,", i);
	size += (size_t)snprintf(text + size, room - size, "last all trust");
	h = parse(text);
	cr_expect_eq(find_line(h, "tenant9999", "u", "10.1.1.1"), 10000);
	cr_expect_eq(find_line(h, "t99999", "u", "unix"), 10001);
	cr_expect_eq(find_line(h, "last", "u", "unix"), 10001);
	cr_expect_eq(find_line(h, "t100000", "u", "unix"), 0);
	hba_free(&h);
	free(text);
}

/* --- @file --- */

static const struct {
	const char *name, *text;
} files[] = {
	{ "names", "a b # comment\n\"c d\",e\n\n" },
	{ "empty", "# nobody\n" },
	{ "keywords", "all" },
	{ "nested", "x @names y" },
	{ "self", "z @self" },
	{ "two", "@three @three" },
	{ "three", "@four @four" },
	{ "four", "f\ng" },
	{ "broken", "a\n\"b" },
	{ "a b", "blank" },
	{ "sub/names", "p @deeper" },
	{ "deeper", "@/abs/names" },
	{ "/abs/names", "@last" },
	{ "last", "l" },
	{ "bomb", "@bomb1 @bomb1 @bomb1 @bomb1 @bomb1 @bomb1 @bomb1 @bomb1 @bomb1 @bomb1" },
	{ "bomb1", "@bomb2 @bomb2 @bomb2 @bomb2 @bomb2 @bomb2 @bomb2 @bomb2 @bomb2 @bomb2" },
	{ "bomb2", "@bomb3 @bomb3 @bomb3 @bomb3 @bomb3 @bomb3 @bomb3 @bomb3 @bomb3 @bomb3" },
	{ "bomb3", "@bomb4 @bomb4 @bomb4 @bomb4 @bomb4 @bomb4 @bomb4 @bomb4 @bomb4 @bomb4" },
	{ "bomb4", "@empty @empty @empty @empty @empty @empty @empty @empty @empty @empty" },
};

struct asker {
	char from[64];	  /* who asked last */
	const char *stop; /* this file is not found */
};

static char *
read_file(void *arg, const char *from, const char *file, size_t *size, struct error *e)
{
	struct asker *a = arg;

	snprintf(a->from, sizeof(a->from), "%s", from);
	for (size_t i = 0; i < lengthof(files); i++)
		if (strcmp(files[i].name, file) == 0 && (a->stop == NULL || strcmp(a->stop, file) != 0)) {
			*size = strlen(files[i].text);
			return memory_strdup(files[i].text);
		}
	error_set(e, SEVERITY_ERROR, "58030", "there is no such file");
	return NULL;
}

static const struct {
	const char *text, *database, *from;
	int line;
} included[] = {
	{ "local @names all trust", "a", "main", 1 },
	{ "local @names all trust", "b", "main", 1 },
	{ "local @names all trust", "c d", "main", 1 },
	{ "local @names all trust", "e", "main", 1 },
	{ "local @names all trust", "#", "main", 0 },
	{ "local @names all trust", "@names", "main", 0 },
	{ "local q,@names , r all trust", "r", "main", 1 },
	{ "local q,@names,r all trust", "q", "main", 1 },
	{ "local @empty all trust", "a", "main", 0 },
	{ "local @empty,a all trust", "a", "main", 1 },
	{ "local @keywords all trust", "anything", "main", 1 },
	{ "local @nested all trust", "y", "nested", 1 },
	{ "local @nested all trust", "c d", "nested", 1 },
	{ "\nlocal @two all trust", "g", "three", 2 },
	{ "local @\"a b\" all trust", "blank", "main", 1 },
	{ "local @sub/names all trust", "l", "/abs/names", 1 },
};

Test(hba_file, stands_for_its_words)
{
	for (size_t i = 0; i < lengthof(included); i++) {
		struct error e = { .message = "" };
		struct asker a = { .stop = NULL };
		struct hba *h = hba_parse("main", included[i].text, strlen(included[i].text), read_file, NULL, &a, &e);

		cr_assert_not_null(h, "row %zu: %s", i, e.message);
		cr_expect_eq(find_line(h, included[i].database, "u", "unix"), included[i].line, "row %zu", i);
		cr_expect_str_eq(a.from, included[i].from);
		hba_free(&h);
	}
}

/* "@file" is beside the file that names it, whatever that one was found by. */
Test(hba_file, knows_where_it_is)
{
	static const char text[] = "local @sub/names all trust";
	static const char *const froms[][2] = {
		{ "/etc/x/main", "/etc/x/sub/names" },
		{ "main", "sub/names" },
		{ "x/main", "x/sub/names" },
		{ "/main", "/sub/names" },
	};

	for (size_t i = 0; i < lengthof(froms); i++) {
		struct asker a = { .stop = "deeper" };
		struct error e = { .message = "" };

		cr_expect_null(hba_parse(froms[i][0], text, strlen(text), read_file, NULL, &a, &e));
		cr_expect_str_eq(a.from, froms[i][1]);
		cr_expect_eq(strncmp(e.message, froms[i][1], strlen(froms[i][1])), 0, "%s", e.message);
	}
}

static const struct {
	const char *text, *message;
} bad_files[] = {
	{ "\nlocal @none all trust", "main:2: \"@none\": there is no such file" },
	{ "local @broken all trust", "broken:2: a closing quote is missing" },
	{ "local @sub/none all trust", "main:1: \"@sub/none\": there is no such file" },
	{ "local @self all trust", "self:1: \"@self\": files name each other too deeply" },
	{ "local @bomb all trust", "bomb4:1: more than 10000 files are named" },
	{ "host all all @names trust", "main:1: the address can't be a list" },
	{ "host all all all @empty", "main:1: the method can't be a list" },
};

Test(hba_file, is_bounded)
{
	for (size_t i = 0; i < lengthof(bad_files); i++) {
		struct error e = { .message = "" };
		struct asker a = { .stop = NULL };

		cr_expect_null(hba_parse("main", bad_files[i].text, strlen(bad_files[i].text), read_file, NULL, &a, &e));
		cr_expect_str_eq(e.message, bad_files[i].message);
	}
}
