#include "identity/directory.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "build.h"
#include "identity/identity.h"

#ifdef HAVE_LDAP

#define SIMPLE "ldapserver=d.example ldapprefix=\"uid=\" ldapsuffix=\",dc=example,dc=net\""
#define SEARCH "ldapserver=d.example ldapbasedn=\"dc=example,dc=net\""

static struct directory
parse(const char *options)
{
	struct directory d;
	struct error e;

	cr_assert(directory_parse(&d, options, &e), "%s: %s", options, e.message);
	return d;
}

static void
expect_text(const char *got, const char *want, const char *of)
{
	if (want == NULL)
		cr_expect_null(got, "%s: got \"%s\"", of, got);
	else
		cr_expect(got != NULL && strcmp(got, want) == 0, "%s: got \"%s\", not \"%s\"", of,
			got != NULL ? got : "(nothing)", want);
}

/* All of them, each with a blank behind it. */
static char *
uris_of(const struct directory *d)
{
	const char *left = d->servers;
	char *uri, *all = memory_zalloc(400);

	while (left != NULL && (uri = directory_next_uri(d, &left)) != NULL) {
		strcat(strcat(all, uri), " ");
		free(uri);
	}
	return all;
}

static const struct {
	const char *text;
	const char *prefix, *suffix;
} words[] = {
	{ "ldapserver=h ldapprefix=uid= ldapsuffix=x", "uid=", "x" },
	{ "ldapserver=h ldapprefix=\"uid=\" ldapsuffix=\",dc=a b\"", "uid=", ",dc=a b" },
	{ "ldapserver=h,ldapprefix=a,ldapsuffix=b", "a", "b" },
	{ "ldapserver=h ldapprefix=a ,ldapsuffix=b", "a", "b" },
	{ "  ,\tldapserver=h\n,, \"ldapprefix\"=a \"ldapsuffix=,b\",", "a", ",b" },
	{ "ldapserver=h ldapprefix=\"a\"\"b\" ldapsuffix=\"\"", "a\"b", "" },
	{ "ldapserver=h ldapprefix=a\" \"b ldapsuffix=\"\"\"\"", "a b", "\"" },
	{ "ldapserver=h ldapprefix= ldapsuffix=\"b=c\"", "", "b=c" },
	{ "ldapserver=h ldapprefix=a ldapprefix=b", "b", NULL },
	{ "ldapserver=h ldapsuffix=@example.net", NULL, "@example.net" },
};

Test(directory, words_are_read_as_in_pg_hba_conf)
{
	for (size_t i = 0; i < lengthof(words); i++) {
		struct directory d = parse(words[i].text);

		expect_text(d.servers, "h", words[i].text);
		expect_text(d.prefix, words[i].prefix, words[i].text);
		expect_text(d.suffix, words[i].suffix, words[i].text);
		directory_release(&d);
	}
}

Test(directory, every_option_has_its_place)
{
	struct directory d = parse("ldapserver=\"a b\" ldapport=1389 ldapscheme=ldaps ldaptls=0 ldapbasedn=dc=x "
		"ldapbinddn=cn=m ldapbindpasswd=p ldapsearchattribute=mail");

	expect_text(d.servers, "a b", "ldapserver");
	cr_expect_eq(d.port, 1389);
	cr_expect(d.ldaps);
	cr_expect_not(d.start_tls);
	expect_text(d.base, "dc=x", "ldapbasedn");
	expect_text(d.bind_dn, "cn=m", "ldapbinddn");
	expect_text(d.bind_password, "p", "ldapbindpasswd");
	expect_text(d.attribute, "mail", "ldapsearchattribute");
	expect_text(d.filter, NULL, "ldapsearchfilter");
	cr_expect_eq(d.scope, DIRECTORY_SUBTREE);
	directory_release(&d);
	cr_expect_null(d.text);
}

static const struct {
	const char *url;
	const char *uris, *base, *attribute, *filter;
	enum directory_scope scope;
} urls[] = {
	{ "ldap://h/dc=x", "ldap://h:389 ", "dc=x", NULL, NULL, DIRECTORY_BASE },
	{ "ldap://h:99/dc=x?uid?sub", "ldap://h:99 ", "dc=x", "uid", NULL, DIRECTORY_SUBTREE },
	{ "ldap://h/dc=x?cn,mail?one", "ldap://h:389 ", "dc=x", "cn", NULL, DIRECTORY_ONE_LEVEL },
	{ "ldaps://h/dc=x??sub?(|(uid=$username)(mail=$username))", "ldap://h:636 ", "dc=x", NULL,
		"(|(uid=$username)(mail=$username))", DIRECTORY_SUBTREE },
	{ "LDAPS://[::1]:77/dc=x?uid?base", "ldap://[::1]:77 ", "dc=x", "uid", NULL, DIRECTORY_BASE },
	{ "ldap://a%20b/dc=a%20b?uid?sub", "ldap://a:389 ldap://b:389 ", "dc=a b", "uid", NULL, DIRECTORY_SUBTREE },
	{ "ldap:///dc=x?uid?sub", "", "dc=x", "uid", NULL, DIRECTORY_SUBTREE },
};

Test(directory, urls)
{
	char options[200];

	for (size_t i = 0; i < lengthof(urls); i++) {
		snprintf(options, sizeof(options), "ldapurl=\"%s\"", urls[i].url);
		struct directory d = parse(options);
		char *uris = uris_of(&d);

		expect_text(uris, urls[i].uris, urls[i].url);
		expect_text(d.base, urls[i].base, urls[i].url);
		expect_text(d.attribute, urls[i].attribute, urls[i].url);
		expect_text(d.filter, urls[i].filter, urls[i].url);
		cr_expect_eq(d.scope, urls[i].scope, "%s: scope %d", urls[i].url, d.scope);
		free(uris);
		directory_release(&d);
	}
}

static const struct {
	const char *options, *uris;
} servers[] = {
	{ "ldapserver=h", "ldap://h:389 " },
	{ "ldapserver=h ldapscheme=ldap", "ldap://h:389 " },
	{ "ldapserver=h ldapscheme=ldaps", "ldap://h:636 " },
	{ "ldapserver=h ldapscheme=ldaps ldapport=1", "ldap://h:1 " },
	{ "ldapserver=\" a  b c \" ldapport=65535", "ldap://a:65535 ldap://b:65535 ldap://c:65535 " },
	{ "ldapserver=\"127.0.0.1 ::1 [fe80::1]\"", "ldap://127.0.0.1:389 ldap://[::1]:389 ldap://[fe80::1]:389 " },
	{ "ldapserver=\"[::1]:77\"", "ldap://[::1]:77 " },
	{ "ldapserver=\"a:77 b\" ldapport=88", "ldap://a:77 ldap://b:88 " },
};

Test(directory, servers_become_uris)
{
	char options[200];

	for (size_t i = 0; i < lengthof(servers); i++) {
		snprintf(options, sizeof(options), "%s ldapprefix=x", servers[i].options);
		struct directory d = parse(options);
		char *uris = uris_of(&d);

		expect_text(uris, servers[i].uris, servers[i].options);
		free(uris);
		directory_release(&d);
	}
}

static const struct {
	const char *options;
	const char *complaint;		/* a part of it */
} wrong[] = {
	{ "", "wants ldapprefix" },
	{ "ldapserver=h", "wants ldapprefix" },
	{ "ldapprefix=x", "wants a server" },
	{ "ldapserver=\" \" ldapprefix=x", "wants a server" },
	{ "ldapurl=ldap:///", "wants ldapprefix" },
	{ SIMPLE " ldapbasedn=dc=x", "do not go with a search" },
	{ "ldapurl=ldap://h/dc=x?uid?sub ldapprefix=x", "do not go with a search" },
	{ SIMPLE " ldapbinddn=x", "want an ldapbasedn" },
	{ SIMPLE " ldapbindpasswd=x", "want an ldapbasedn" },
	{ SIMPLE " ldapsearchattribute=uid", "want an ldapbasedn" },
	{ SIMPLE " ldapsearchfilter=uid=$username", "want an ldapbasedn" },
	{ SEARCH " ldapsearchattribute=uid ldapsearchfilter=uid=$username", "either an attribute or a filter" },
	{ "ldapurl=ldap://h/dc=x?uid?sub?(uid=$username)", "either an attribute or a filter" },
	{ SEARCH " ldapsearchattribute=\"uid=*)(x\"", "no LDAP attribute name" },
	{ SEARCH " ldapsearchattribute=", "no LDAP attribute name" },
	{ SEARCH " ldapsearchfilter=(objectClass=*)", "the same entry for everybody" },
	{ "ldapurl=ldap://h/dc=x??sub?(objectClass=*)", "the same entry for everybody" },
	{ SEARCH " ldapbindpasswd=hush", "wants an ldapbinddn" },
	{ SIMPLE " ldapport=0", "from 1 to 65535" },
	{ SIMPLE " ldapport=65536", "from 1 to 65535" },
	{ SIMPLE " ldapport=-1", "from 1 to 65535" },
	{ SIMPLE " ldapport=389x", "from 1 to 65535" },
	{ SIMPLE " ldapport=", "from 1 to 65535" },
	{ SIMPLE " ldaptls=yes", "0 or 1" },
	{ SIMPLE " ldapscheme=http", "ldap or ldaps" },
	{ SIMPLE " ldapscheme=LDAPS", "ldap or ldaps" },
	{ "ldapurl=http://h/dc=x", "must read ldap://" },
	{ "ldapurl=ldapi://h/dc=x", "begin with ldap://" },
	{ "ldapurl=ldap://h:65536/dc=x", "from 1 to 65535" },
	{ "ldapurl=ldap://h:-1/dc=x", "from 1 to 65535" },
	{ "ldapurl=ldap://h:x/dc=x", "must read ldap://" },
	{ "ldapurl=ldap://h/dc=x?uid?deep", "must read ldap://" },
	{ "ldapurl=ldap://h/dc=x?uid?children", "base, one or sub" },
	{ "ldapurl=ldap://h/dc=x ldapurl=ldap://h/dc=x", "given twice" },
	{ "ldapserver=\"a,b\" ldapprefix=x", "separated by blanks" },
	{ "ldapserver=\"ldap://a\" ldapprefix=x", "separated by blanks" },
	{ "ldapurl=ldap://a%3fb/dc=x?uid?sub", "separated by blanks" },
	{ SIMPLE " ldapmood=good", "no LDAP option \"ldapmood\"" },
	{ SIMPLE " LDAPPORT=1", "no LDAP option" },
	{ SIMPLE " ldaptls", "name=value" },
	{ SIMPLE " =1", "name=value" },
	{ SIMPLE " ldapport =1", "name=value" },
	{ SIMPLE " ldapbindpasswd=\"hush", "no closing quote" },
	{ "\"", "no closing quote" },
};

Test(directory, what_is_wrong_is_told_without_secrets)
{
	for (size_t i = 0; i < lengthof(wrong); i++) {
		struct directory d;
		struct error e = { .message = "" };

		cr_expect_not(directory_parse(&d, wrong[i].options, &e), "%s", wrong[i].options);
		cr_expect_not_null(strstr(e.message, wrong[i].complaint), "%s: %s", wrong[i].options, e.message);
		cr_expect_str_eq(e.sqlstate, "F0000");
		cr_expect_null(strstr(e.message, "hush"));
		cr_expect_not(ldap_options_check(wrong[i].options, &e));
	}
}

/* ldaps with ldaptls=1 is for the login to refuse, as it is elsewhere: a reload must go through. */
Test(directory, both_kinds_of_tls_can_be_configured)
{
	struct error e;

	cr_expect(ldap_options_check("ldapurl=ldaps://h/dc=x?uid?sub ldaptls=1", &e));
	cr_expect_eq(ldap_check("ldapurl=ldaps://127.0.0.1:9/dc=x?uid?sub ldaptls=1", "u", "p", &e), IDENTITY_FAILED);
	cr_expect_not_null(strstr(e.message, "ldaps"), "%s", e.message);
}

static const struct {
	const char *user;
	const char *dn;			/* what stands between prefix and suffix */
	const char *filter;		/* what stands for $username */
} users[] = {
	{ "anna", "anna", "anna" },
	{ "", "", "" },
	{ "a.b-c_d@example.net", "a.b-c_d@example.net", "a.b-c_d@example.net" },
	{ "J\303\274rgen \320\271", "J\303\274rgen\\20\320\271", "J\303\274rgen \320\271" },
	{ "*", "*", "\\2a" },
	{ "a*", "a*", "a\\2a" },
	{ ")(uid=*", ")(uid\\3d*", "\\29\\28uid=\\2a" },
	{ "x)(|(uid=*))", "x)(|(uid\\3d*))", "x\\29\\28|\\28uid=\\2a\\29\\29" },
	{ "a\\2a", "a\\5c2a", "a\\5c2a" },
	{ "\\", "\\5c", "\\5c" },
	{ "a,ou=admins", "a\\2cou\\3dadmins", "a,ou=admins" },
	{ "a+cn=b", "a\\2bcn\\3db", "a+cn=b" },
	{ "a;b\"c<d>e", "a\\3bb\\22c\\3cd\\3ee", "a;b\"c<d>e" },
	{ "#41", "\\2341", "#41" },
	{ " a ", "\\20a\\20", " a " },
	{ "$username", "$username", "$username" },
	{ "\377\200\001", "\377\200\001", "\377\200\001" },
};

Test(directory, a_name_does_not_change_the_shape_of_a_dn)
{
	struct directory d = parse(SIMPLE);
	char want[200];

	for (size_t i = 0; i < lengthof(users); i++) {
		char *dn = directory_user_dn(&d, users[i].user);

		snprintf(want, sizeof(want), "uid=%s,dc=example,dc=net", users[i].dn);
		expect_text(dn, want, users[i].user);
		free(dn);
	}
	directory_release(&d);
}

Test(directory, a_name_does_not_change_the_shape_of_a_filter)
{
	struct directory d = parse(SEARCH);
	struct directory filtered = parse(SEARCH " ldapsearchfilter=\"(|(uid=$username)(mail=$username))\"");
	char want[200];

	for (size_t i = 0; i < lengthof(users); i++) {
		char *filter = directory_user_filter(&d, users[i].user);

		snprintf(want, sizeof(want), "(uid=%s)", users[i].filter);
		expect_text(filter, want, users[i].user);
		free(filter);
		filter = directory_user_filter(&filtered, users[i].user);
		snprintf(want, sizeof(want), "(|(uid=%s)(mail=%s))", users[i].filter, users[i].filter);
		expect_text(filter, want, users[i].user);
		free(filter);
	}
	directory_release(&d);
	directory_release(&filtered);
}

/* Active Directory takes DOMAIN\user and user@domain in place of a DN. */
Test(directory, names_that_are_no_dn_are_left_alone)
{
	struct directory domain = parse("ldapserver=h ldapprefix=CORP\\");
	struct directory mail = parse("ldapserver=h ldapsuffix=@example.net");
	char *a = directory_user_dn(&domain, "anna b"), *b = directory_user_dn(&mail, "anna b");

	expect_text(a, "CORP\\anna b", "prefix");
	expect_text(b, "anna b@example.net", "suffix");
	free(a);
	free(b);
	directory_release(&domain);
	directory_release(&mail);
}

/* Any text: an answer or an error, and nothing read behind it (for the sanitizers). */
Test(directory, every_beginning_of_options_is_read)
{
	static const char all[] = "ldapurl=\"ldaps://h%20i:9/dc=\"\"x?uid?sub\" ,\"ldapbinddn\"=\"cn=\303\274\" ldaptls=1";
	struct directory d;
	struct error e;

	for (size_t n = 0; n <= sizeof(all) - 1; n++) {
		char *part = memory_strndup(all, n);

		if (directory_parse(&d, part, &e))
			directory_release(&d);
		free(part);
	}
}

#else

Test(directory, is_not_built_in)
{
	struct error e;

	cr_expect_not(identity_has_ldap());
	cr_expect_not(ldap_options_check("ldapserver=h ldapprefix=x", &e));
	cr_expect_eq(ldap_check("ldapserver=h ldapprefix=x", "u", "p", &e), IDENTITY_FAILED);
}

#endif
