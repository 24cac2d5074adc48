/*
 * Who has to prove what: rules, the user at the other end of a Unix socket, and what a login must not tell.
 */
#include <criterion/criterion.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness.h"

#define ONE "one = PG user=pooler\ntwo = PG user=pooler"

/* --- files --- */

static char hba_path[] = "/tmp/pgusher-hba-XXXXXX", ident_path[] = "/tmp/pgusher-ident-XXXXXX",
	    users_path[] = "/tmp/pgusher-users-XXXXXX";

static void
fill(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	cr_assert_not_null(f);
	fputs(text, f);
	fclose(f);
}

static void
begin(void)
{
	char *const paths[] = { hba_path, ident_path, users_path };

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		close(mkstemp(paths[i]));
	fill(users_path, "\"alice\" \"secret\"\n\"bob\" \"secret\"\n\"root\" \"\"\n");
}

static void
end(void)
{
	house_close();
	unlink(hba_path);
	unlink(ident_path);
	unlink(users_path);
}

TestSuite(authenticate, .init = begin, .fini = end);

static const char *
settings(void)
{
	static char text[500];

	/* The mode of TLS is what makes the house read its configuration from files. */
	snprintf(text, sizeof(text), "server_tls_sslmode = disable\nauth_type = hba\nauth_hba_file = %s\nauth_ident_file = %s\n"
		 "auth_file = %s\n", hba_path, ident_path, users_path);
	return text;
}

static void
open_with(const char *hba)
{
	fill(hba_path, hba);
	house_open(1, ONE, settings());
}

static void
change_to(const char *hba)
{
	fill(hba_path, hba);
	house_configure(0, ONE, settings());
}

/* --- what clients are told --- */

/* "R(3)", "E(28000)": the first message. */
static void
expect(const char *parameters, const char *first)
{
	struct peer *c = client_open(0, parameters);

	hear(c, first);
	if (first[0] == 'E')
		hear_end(c);
	hang_up(c);
}

Test(authenticate, the_first_rule_that_fits)
{
	open_with("local one alice trust\n"
		  "local one all password\n"
		  "local two bob reject\n"
		  "local two all scram-sha-256\n"
		  "host all all all trust\n");
	expect("user=alice,database=one", "R(0)");
	expect("user=bob,database=one", "R(3)");
	expect("user=bob,database=two", "E(28000)");
	expect("user=alice,database=two", "R(10)");
}

/* For the client, a rule that says no and no rule are as in PostgreSQL; which line it was is for the log. */
Test(authenticate, words_of_a_rejection)
{
	struct peer *c;

	open_with("local one all reject\n");
	c = client_open(0, "user=alice,database=one");
	hear(c, "E(28000)");
	cr_assert_str_eq(c->message, "hba file rejects connection for host \"unix\", user \"alice\", database \"one\", no encryption");
	c = client_open(0, "user=alice,database=two");
	hear(c, "E(28000)");
	cr_assert_str_eq(c->message, "no hba entry for host \"unix\", user \"alice\", database \"two\", no encryption");
}

Test(authenticate, a_database_that_is_not_there_is_told_to_nobody)
{
	open_with("local all all password\n");
	expect("user=alice,database=nowhere", "R(3)");
	expect("user=nobody,database=nowhere", "R(3)");
}

/* --- replication --- */

Test(authenticate, physical_replication_needs_the_word)
{
	open_with("local all all trust\n");
	expect("user=alice,database=one,replication=yes", "E(28000)");
	expect("user=alice,database=one,replication=maybe", "E(28000)");
	expect("user=alice,database=one,replication=database", "R(0)");
	expect("user=alice,database=one,replication=off", "R(0)");
}

Test(authenticate, and_the_word_means_nothing_else)
{
	open_with("local replication all trust\n");
	expect("user=alice,database=one,replication=yes", "R(0)");
	expect("user=alice,database=one,replication=database", "E(28000)");
	expect("user=alice,database=one,replication=off", "E(28000)");
	expect("user=alice,database=one", "E(28000)");
}

/* Quoted it is the name of a database; and the name of the database says nothing about replication. */
Test(authenticate, a_database_of_that_name)
{
	fill(hba_path, "local \"replication\" all trust\n");
	house_open(1, "replication = PG user=pooler\none = PG user=pooler", settings());
	expect("user=alice,database=replication", "R(0)");
	expect("user=alice,database=replication,replication=yes", "E(28000)");
	expect("user=alice,database=one,replication=yes", "E(28000)");
}

/* --- the user of the other process --- */

static const char *
own_name(void)
{
	const struct passwd *pw = getpwuid(geteuid());

	return pw == NULL ? NULL : pw->pw_name;
}

static const char *
as(const char *user)
{
	static char text[200];

	snprintf(text, sizeof(text), "user=%s,database=one", user);
	return text;
}

Test(authenticate, peer)
{
	if (own_name() == NULL)
		cr_skip("nobody knows who we are");
	open_with("local all all peer\n");
	expect(as(own_name()), "R(0)");
	expect("user=somebody-else,database=one", "E(28000)");
}

/* A rule with a map is for those whom the map names. */
Test(authenticate, peer_by_a_map)
{
	char map[300];

	if (own_name() == NULL)
		cr_skip("nobody knows who we are");
	snprintf(map, sizeof(map), "staff %s alice\nothers %s bob\n", own_name(), own_name());
	fill(ident_path, map);
	open_with("local two all peer map=nowhere\nlocal all all peer map=staff\n");
	expect("user=alice,database=one", "R(0)");
	expect("user=bob,database=one", "E(28000)");
	expect(as(own_name()), "E(28000)");
	expect("user=alice,database=two", "E(28000)");
}

/* While somebody asks who it is. */
Test(authenticate, a_peer_that_leaves_at_once)
{
	struct peer *c;

	open_with("local all all peer\n");
	for (int i = 0; i < 20; i++) {
		c = client_open(0, "user=alice,database=one");
		hang_up(c);
	}
	house_settle();
	expect("user=alice,database=one", own_name() != NULL && strcmp(own_name(), "alice") == 0 ? "R(0)" : "E(28000)");
}

/* --- rules that change --- */

Test(authenticate, other_rules_for_those_who_come_later)
{
	struct peer *c;

	open_with("local all all password\n");
	c = client_open(0, "user=alice,database=one");
	hear(c, "R(3)");
	change_to("local all all reject\n");
	/* Who was asked already is judged by what it was asked. */
	say(c, "p(secret)");
	hear(c, "R(0)");
	expect("user=alice,database=one", "E(28000)");
	change_to("local all all trust\n");
	expect("user=alice,database=one", "R(0)");
}

#define ASK "auth_user = checker\nauth_query = select me($1)\n"
#define TWO "one = PG user=pooler auth_dbname=keys\nkeys = PG"

static const char *
asking(void)
{
	static char text[600];

	snprintf(text, sizeof(text), "%s" ASK, settings());
	return text;
}

/* They are others when the answer comes: those count. */
Test(authenticate, other_rules_while_auth_query_runs)
{
	static const struct {
		const char *hba, *then;
	} cases[] = {
		{ "local all all reject\n", "E(28000)" },
		{ "local all all password\n", "R(3)" },
		{ "local two all trust\n", "E(28000)" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct peer *c, *k;

		fill(hba_path, "local all all md5\n");
		house_open(1, TWO, asking());
		c = client_open(0, "user=carol,database=one");
		k = backend_open();
		hear(k, "P(,select me($1)) B(,) E S");
		fill(hba_path, cases[i].hba);
		house_configure(0, TWO, asking());
		say(k, "1 2 C(SELECT 0) Z(I)");
		hear(c, cases[i].then);
		if (i + 1 < sizeof(cases) / sizeof(cases[0]))
			house_close();
	}
}

/* --- strangers --- */

/* What somebody is asked for, again and again: always the same. */
static char
ask_again(const char *user)
{
	char first = '\0';

	for (int i = 0; i < 3; i++) {
		struct peer *c = client_open(0, as(user));
		const char *asked = hear_until(c, 'R');

		cr_assert(strcmp(asked, "R(5)") == 0 || strcmp(asked, "R(10)") == 0, "%s", asked);
		cr_assert(first == '\0' || asked[2] == first, "%s is asked for this, then for that", user);
		first = asked[2];
		hang_up(c);
	}
	return first;
}

/* Whether a name is known must not show in what it is asked for. */
Test(authenticate, strangers_under_md5_are_asked_as_users_are)
{
	static const char *const verifiers[] = {
		"secret",
		"SCRAM-SHA-256$4096:c2FsdHNhbHRzYWx0$"
		"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
	};

	for (size_t i = 0; i < 2; i++) {
		char users[400], name[20];
		char known;

		snprintf(users, sizeof(users), "\"alice\" \"%s\"\n\"bob\" \"%s\"\n", verifiers[i], verifiers[i]);
		fill(users_path, users);
		open_with("local all all md5\n");
		known = ask_again("alice");
		cr_assert_eq(known, i == 0 ? '5' : '1');
		/* Of all users this is asked, so of every stranger. */
		for (int n = 0; n < 8; n++) {
			snprintf(name, sizeof(name), "stranger%d", n);
			cr_assert_eq(ask_again(name), known);
		}
		if (i == 0)
			house_close();
	}
}

Test(authenticate, strangers_under_trust)
{
	open_with("local all all trust\n");
	expect("user=alice,database=one", "R(0)");
	expect("user=nobody,database=one", "E(28000)");
}
