#include "config/demands.h"

#include <criterion/criterion.h>

#include "config/config.h"

#define SCRAM (DEMAND_SCRAM | DEMAND_SCRAM_PLUS)

Test(demands, lists)
{
	static const struct {
		const char *text;
		unsigned demands;
	} cases[] = {
		{ "", DEMAND_ANY },
		{ "none", DEMAND_NONE },
		{ "password", DEMAND_PASSWORD },
		{ "md5", DEMAND_MD5 },
		{ "scram-sha-256", SCRAM },
		{ "scram-sha-256-plus", DEMAND_SCRAM_PLUS },
		{ "scram-sha-256,scram-sha-256-plus", SCRAM },
		{ "md5,scram-sha-256", DEMAND_MD5 | SCRAM },
		{ " md5 , none ", DEMAND_MD5 | DEMAND_NONE },
		{ "gss,md5", DEMAND_MD5 },
		{ "!none", DEMAND_ANY & ~(unsigned)DEMAND_NONE },
		{ "!password,!md5", DEMAND_NONE | SCRAM },
		{ "!password, !md5", DEMAND_NONE | SCRAM },
		{ "!scram-sha-256", DEMAND_NONE | DEMAND_PASSWORD | DEMAND_MD5 },
		{ "!gss,!sspi,!oauth", DEMAND_ANY },
		/* refused */
		{ "md4", 0 },
		{ "MD5", 0 },
		{ "md5,md5", 0 },
		{ "!md5,!md5", 0 },
		{ "md5,!none", 0 },
		{ "!md5,none", 0 },
		{ "!", 0 },
		{ "! md5", 0 },
		{ "!!md5", 0 },
		{ ",", 0 },
		{ " ", 0 },
		{ "md5,", 0 },
		{ ",md5", 0 },
		{ "md5 none", 0 },
		{ "gss", 0 },
		{ "gss,sspi", 0 },
		{ "!scram-sha-256-plus", 0 },
		{ "!none,!password,!md5,!scram-sha-256", 0 },
		{ "a-word-that-is-longer-than-any-of-the-words", 0 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		unsigned demands = 0;
		bool ok = demands_parse(cases[i].text, &demands);
		cr_assert_eq(ok, cases[i].demands != 0, "\"%s\"", cases[i].text);
		cr_assert_eq(demands, cases[i].demands, "\"%s\" gave %x", cases[i].text, demands);
	}
}
