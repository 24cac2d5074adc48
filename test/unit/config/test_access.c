#include "config/access.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../net/certs.h"
#include "files.h"
#include "identity/identity.h"

TestSuite(access, .init = files_begin, .fini = files_end);

#define HBA "[pgbouncer]\nauth_type = hba\nauth_hba_file = hba.conf\n"

static const struct hba_rule *
find_rule(const struct config *c, const char *user)
{
	struct hba_connection from = { .local = true, .database = "d", .user = user, .family = AF_UNIX };

	return hba_find(c->hba, &from);
}

Test(access, hba_and_ident_are_read)
{
	files_write("hba.conf", "local all a peer map=m\n");
	files_write("ident.conf", "m root a\n");
	const struct config *c = files_load(HBA "auth_ident_file = ident.conf\n");

	cr_assert_eq(find_rule(c, "a")->method, HBA_PEER);
	cr_assert(ident_allows(c->ident, "m", "root", "a"));
	cr_assert_eq(files_logged("WARNING"), 0);
	config_unref(&c);
}

Test(access, hba_is_read_for_auth_type_hba_only)
{
	const struct config *c = files_load("[pgbouncer]\nauth_type = any\nauth_hba_file = none.conf\n");

	cr_assert_null(c->hba);
	cr_assert_null(c->ident);
	config_unref(&c);
}

Test(access, errors)
{
	static const struct {
		const char *hba, *ident, *text, *message;
	} cases[] = {
		{ NULL, NULL, "[pgbouncer]\nauth_type = hba\n", "t.ini:2: auth_type hba needs an auth_hba_file" },
		{ NULL, NULL, HBA, "t.ini:3: could not read \"hba.conf\": No such file or directory" },
		{ "local all all trust\nlocal all all magic\n", NULL, HBA, "hba.conf:2: " },
		{ "local all all trust\n", NULL, HBA "auth_ident_file = ident.conf\n",
			"t.ini:4: could not read \"ident.conf\": No such file or directory" },
		{ "local all all trust\n", "m a b\n\nm\n", HBA "auth_ident_file = ident.conf\n", "ident.conf:3: " },
		{ NULL, "m\n", "[pgbouncer]\nauth_type = any\nauth_ident_file = ident.conf\n", "ident.conf:1: " },
		{ NULL, NULL, "[pgbouncer]\nauth_type = cert\n",
			"t.ini:2: auth_type cert needs client_tls_sslmode verify-ca or verify-full" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		unlink("hba.conf");
		unlink("ident.conf");
		if (cases[i].hba != NULL)
			files_write("hba.conf", cases[i].hba);
		if (cases[i].ident != NULL)
			files_write("ident.conf", cases[i].ident);
		files_refuse(cases[i].text, cases[i].message);
	}
}

Test(access, all_lines_that_are_wrong_are_told)
{
	struct config_counts counts;
	struct error e;

	files_write("hba.conf", "local all all magic\nlocal all all trust\nlocal \"all all trust\nhost all all x trust\n");
	files_write("ident.conf", "m\nm a b\n\"m a b\nm /a b\n");
	files_write("t.ini", HBA "auth_ident_file = ident.conf\n");
	cr_assert_null(config_load("t.ini", NULL, &counts, &e));
	cr_expect_eq(counts.errors, 6);
	cr_expect_eq(files_logged("ERROR ident.conf:1: the system's name is missing"), 1);
	cr_expect_eq(files_logged("ERROR ident.conf:3: a closing quote is missing"), 1);
	cr_expect_eq(files_logged("ERROR ident.conf:4: the system's name is a regular expression"), 1);
	cr_expect_eq(files_logged("ERROR hba.conf:1: \"magic\" is no method"), 1);
	cr_expect_eq(files_logged("ERROR hba.conf:3: a closing quote is missing"), 1);
	cr_expect_eq(files_logged("ERROR hba.conf:4: \"x\" is no IP address"), 1);
	cr_expect_eq(files_logged("ERROR"), 6);
}

/* Whether they were built in decides which of the two messages it is. */
Test(access, ldap)
{
	bool built_in = identity_has_ldap();

	files_refuse("[pgbouncer]\nauth_type = ldap\n",
		built_in ? "t.ini:2: auth_type ldap needs auth_ldap_options" : "t.ini:2: ldap is not built in");
	files_refuse("[pgbouncer]\nauth_type = ldap\nauth_ldap_options = ldapmagic=1\n",
		built_in ? "t.ini:2: auth_ldap_options: " : "t.ini:2: ldap is not built in");
	files_write("hba.conf", "local all all trust\nhost all all all ldap ldapmagic=1\n");
	files_refuse(HBA, built_in ? "hba.conf:2: there is no LDAP option" : "hba.conf:2: ldap is not built in");
	if (!built_in)
		return;
	files_write("hba.conf", "host all all all ldap ldapserver=x ldapprefix=\"uid=\"\n");
	const struct config *c = files_load(HBA);
	files_set(&c, "auth_ldap_options", "ldapmagic=1");
	files_refuse_set(c, "auth_type", "ldap", "auth_ldap_options: ");
	files_set(&c, "auth_ldap_options", "ldapserver=x ldapbasedn=\"dc=x\"");
	files_set(&c, "auth_type", "ldap");
	cr_assert_null(c->hba);
	files_refuse_set(c, "auth_ldap_options", "ldapmagic=1", "auth_ldap_options: ");
	config_unref(&c);
}

Test(access, pam)
{
	static const char text[] = "[pgbouncer]\nauth_type = pam\n";

	files_write("hba.conf", "local all all pam\n");
	if (!identity_has_pam()) {
		files_refuse(text, "t.ini:2: pam is not built in");
		files_refuse(HBA, "hba.conf:1: pam is not built in");
		return;
	}
	const struct config *c = files_load(text);
	config_unref(&c);
	c = files_load(HBA);
	cr_assert_eq(find_rule(c, "x")->method, HBA_PAM);
	config_unref(&c);
}

Test(access, what_lets_nobody_in_is_warned_of)
{
	files_write("hba.conf", "local all all peer map=m\nlocal all all peer map=other\nhostssl all all all cert\n");
	files_write("ident.conf", "m a b\n");
	const struct config *c = files_load(HBA "auth_ident_file = ident.conf\n");

	cr_assert_eq(files_logged("WARNING hba.conf:2: map \"other\" is not in auth_ident_file"), 1);
	cr_assert_eq(files_logged("WARNING hba.conf:3: rules with cert let nobody in"), 1);
	cr_assert_eq(files_logged("WARNING"), 2);
	config_unref(&c);
	c = files_load(HBA);
	cr_assert_eq(files_logged("hba.conf:1: map \"m\" is not in auth_ident_file"), 1);
	config_unref(&c);
}

Test(access, cert_rules_are_good_with_authorities)
{
	char text[500];

	certs_begin();
	certs_make("a", &(struct cert){ .name = "a" });
	files_write("hba.conf", "hostssl all all all cert\n");
	snprintf(text, sizeof(text),
		HBA "client_tls_sslmode = allow\nclient_tls_cert_file = %s\nclient_tls_key_file = %s\n"
		    "client_tls_ca_file = %s\n",
		certs_path("a.crt"), certs_path("a.key"), certs_path("ca.crt"));
	const struct config *c = files_load(text);
	cr_assert_eq(files_logged("let nobody in"), 0);
	files_refuse_set(c, "auth_type", "cert", "auth_type cert needs client_tls_sslmode");
	files_set(&c, "client_tls_sslmode", "verify-full");
	files_set(&c, "auth_type", "cert");
	cr_assert_null(c->hba);
	files_refuse_set(c, "client_tls_sslmode", "require", "auth_type cert needs client_tls_sslmode");
	config_unref(&c);
	certs_end();
}

/* "@file" is looked for beside the file that names it. */
Test(access, lists_in_files)
{
	cr_assert_eq(mkdir("sub", 0700), 0);
	cr_assert_eq(mkdir("sub/deep", 0700), 0);
	files_write("sub/hba.conf", "local all @deep/staff trust\n");
	files_write("sub/deep/staff", "anna @more\n");
	files_write("sub/deep/more", "bert\n");
	const struct config *c = files_load("[pgbouncer]\nauth_type = hba\nauth_hba_file = sub/hba.conf\n");

	cr_assert_not_null(find_rule(c, "anna"));
	cr_assert_not_null(find_rule(c, "bert"));
	cr_assert_null(find_rule(c, "carl"));
	config_unref(&c);
	cr_assert_eq(unlink("sub/deep/more"), 0);
	files_refuse("[pgbouncer]\nauth_type = hba\nauth_hba_file = sub/hba.conf\n",
		"sub/deep/staff:1: \"@more\": could not read \"sub/deep/more\": No such file");
}

Test(access, a_reload_reads_anew_and_a_broken_file_changes_nothing)
{
	files_write("hba.conf", "local all a trust\n");
	const struct config *old = files_load(HBA);

	files_write("hba.conf", "local all b trust\n");
	const struct config *c = files_reload(HBA, old);
	cr_assert_not_null(find_rule(old, "a"));
	cr_assert_null(find_rule(c, "a"));
	cr_assert_not_null(find_rule(c, "b"));
	config_unref(&old);
	files_write("hba.conf", "nonsense\n");
	files_refuse_reload(HBA, c, "hba.conf:1: ");
	cr_assert_not_null(find_rule(c, "b"));
	config_unref(&c);
}

Test(access, set_reads_what_it_names)
{
	files_write("hba.conf", "local all a trust\n");
	files_write("two.conf", "local all b trust\n");
	files_write("ident.conf", "m a b\n");
	const struct config *c = files_load("[pgbouncer]\nauth_type = any\nauth_hba_file = hba.conf\n");

	files_set(&c, "auth_type", "hba");
	cr_assert_not_null(find_rule(c, "a"));
	files_set(&c, "auth_hba_file", "two.conf");
	cr_assert_not_null(find_rule(c, "b"));
	files_refuse_set(c, "auth_hba_file", "none.conf", "could not read \"none.conf\"");
	files_refuse_set(c, "auth_hba_file", "", "auth_type hba needs an auth_hba_file");
	files_set(&c, "auth_ident_file", "ident.conf");
	cr_assert(ident_has_map(c->ident, "m"));
	files_set(&c, "query_timeout", "7");
	cr_assert_not_null(find_rule(c, "b"));
	cr_assert(ident_has_map(c->ident, "m"));
	files_set(&c, "auth_type", "any");
	cr_assert_null(c->hba);
	config_unref(&c);
}

/* Snapshots share them; the last one frees them. */
Test(access, is_shared)
{
	files_write("hba.conf", "local all a trust\n");
	const struct config *a = files_load(HBA);
	struct error e;
	const struct config *b = config_with(a, "query_timeout", "1", &e);

	cr_assert_eq(a->hba, b->hba);
	config_unref(&a);
	cr_assert_not_null(find_rule(b, "a"));
	config_unref(&b);
}
