#include "sql/setting.h"

#include <criterion/criterion.h>
#include <string.h>

#include "base/memory.h"

static const struct {
	const char *text;
	enum setting_verb verb;
	const char *value;
} cases[] = {
	{ "SET pgusher.tenant = 'acme'", SETTING_SET, "acme" },
	{ "set pgusher.tenant to 'acme' ;", SETTING_SET, "acme" },
	{ "  SET SESSION PGUSHER.Tenant = acme;;", SETTING_SET, "acme" },
	{ "/* x */ SET pgusher.tenant=\"Acme\"", SETTING_SET, "Acme" },
	{ "-- x\nSET pgusher . tenant = Acme", SETTING_SET, "acme" },
	{ "SET pgusher.tenant = 42", SETTING_SET, "42" },
	{ "SET pgusher.tenant = 'it''s'", SETTING_SET, "it's" },
	{ "SET pgusher.tenant = ''", SETTING_SET, "" },
	{ "SET pgusher.tenant TO DEFAULT", SETTING_RESET, NULL },
	{ "RESET pgusher.tenant", SETTING_RESET, NULL },
	{ "SHOW pgusher.tenant;", SETTING_SHOW, NULL },
	{ "SET LOCAL pgusher.tenant = 'acme'", SETTING_WRONG, NULL },
	{ "SET pgusher.tenant = 'acme'; SELECT 1", SETTING_WRONG, NULL },
	{ "SET pgusher.tenant = 'a', 'b'", SETTING_WRONG, NULL },
	{ "SET pgusher.tenant = E'a'", SETTING_WRONG, NULL },
	{ "SET pgusher.tenant = $1", SETTING_WRONG, NULL },
	{ "SET pgusher.tenant", SETTING_WRONG, NULL },
	{ "SET pgusher.tenant = 'acme", SETTING_WRONG, NULL },
	{ "SHOW pgusher.tenant, x", SETTING_WRONG, NULL },
	{ "SET pgusher.tenant = '0123456789012345678901234567890123456789'", SETTING_WRONG, NULL },
	{ "SET pgusher.tenants = 'acme'", SETTING_NONE, NULL },
	{ "SET pgusher = 'acme'", SETTING_NONE, NULL },
	{ "SET x.pgusher.tenant = 'acme'", SETTING_NONE, NULL },
	{ "SELECT 'SET pgusher.tenant = 1'", SETTING_NONE, NULL },
	{ "; SET pgusher.tenant = 'acme'", SETTING_SET, "acme" },
	{ "\f\vSET pgusher.tenant = 'acme'", SETTING_SET, "acme" },
	{ "SET \"pgusher\".\"Tenant\" = 'acme'", SETTING_SET, "acme" },
	{ "SET \"pgusher.tenant\" = 'acme'", SETTING_SET, "acme" },
	{ "SELECT 1; SET pgusher.tenant = 'acme'", SETTING_WRONG, NULL },
	{ "BEGIN; SET SESSION pgusher.tenant = 'acme'; COMMIT", SETTING_WRONG, NULL },
	{ "BEGIN;;RESET pgusher.tenant", SETTING_WRONG, NULL },
	{ "SELECT ';'; /* ; */ SET LOCAL pgusher.tenant = 'acme'", SETTING_WRONG, NULL },
	{ "RESET ALL; SET pgusher.tenant = 'acme'", SETTING_WRONG, NULL },
	{ "SELECT '; SET pgusher.tenant = 1'", SETTING_NONE, NULL },
	{ "SELECT 1; SELECT $$; SET pgusher.tenant = 1; $$", SETTING_NONE, NULL },
	{ "SELECT 1; SET pgusher.tenants = 1", SETTING_NONE, NULL },
	{ "RESET ALL", SETTING_RESET_ALL, NULL },
	{ " discard all ; ", SETTING_DISCARD_ALL, NULL },
	{ "CLOSE ALL; UNLISTEN *; RESET ALL;", SETTING_ALL_AMONG, NULL },
	{ "RESET ALL; SELECT 1", SETTING_ALL_AMONG, NULL },
	{ "DISCARD ALL, x", SETTING_ALL_AMONG, NULL },
	{ "DISCARD TEMP", SETTING_NONE, NULL },
	{ "RESET all_of_it", SETTING_NONE, NULL },
	{ "SHOW", SETTING_NONE, NULL },
	{ "", SETTING_NONE, NULL },
};

Test(setting, reads)
{
	for (size_t i = 0; i < lengthof(cases); i++) {
		char value[32] = "?";
		size_t n = strlen(cases[i].text);
		enum setting_verb verb = setting_read(cases[i].text, n, "pgusher.tenant", value, sizeof(value));

		cr_expect_eq(verb, cases[i].verb, "%s", cases[i].text);
		if (cases[i].verb != SETTING_NONE)
			cr_expect(setting_may_begin(cases[i].text, n, true), "%s", cases[i].text);
		if (cases[i].value != NULL)
			cr_expect_str_eq(value, cases[i].value, "%s", cases[i].text);
	}
}

Test(setting, most_texts_are_told_by_their_beginning)
{
	static const char *const others[] = { "SELECT 1", "INSERT INTO t VALUES (1)", "BEGIN", "", " ", "SE", "COMMIT",
						"SELECT 1;", "SELECT 1 ; \n;" };

	for (size_t i = 0; i < lengthof(others); i++)
		cr_expect_not(setting_may_begin(others[i], strlen(others[i]), true), "%s", others[i]);
}

Test(setting, every_cut_text_ends_well)
{
	const char *text = "SET SESSION pgusher.tenant = 'ac''me' ; ";
	char value[16];

	for (size_t n = 0; n <= strlen(text); n++) {
		cr_expect(setting_may_begin(text, n, false), "%zu", n);
		setting_read(text, n, "pgusher.tenant", value, sizeof(value));
	}
}
