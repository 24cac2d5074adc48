/*
 * Tokens: which one it is, and what it may.
 */
#include "http/auth.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"

/* Of "one", "two", "three", by sha256sum. */
#define ONE "7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed"
#define TWO "3fc4ccfe745870e2c0d99f71f30ff0656c8dedd41cc1d7d3d376b0dbe685e2f3"
#define THREE "8b5b9db0c13db24256c829aa364aa90c6d2eba318b9232a4ab9313b954d3555f"

static const struct config *
make_config(const char *auth)
{
	char text[600];
	struct error e;
	const struct config *c;
	int n = snprintf(text, sizeof(text),
			 "[pgbouncer]\nhttp_auth = %s\n[http_tokens]\nfirst = sha256:" ONE "\n"
			 "second = sha256:" TWO " scope=read,operate\nthird = sha256:" THREE " scope=benchmark tenant=acme\n", auth);

	c = config_from_text(text, (size_t)n, &e);
	cr_assert_not_null(c, "%s", e.message);
	return c;
}

Test(auth, tokens_are_known_by_their_hash)
{
	static const struct {
		const char *header, *name;
		int scopes;
		const char *tenant;
	} cases[] = {
		{ "Bearer one", "first", HTTP_READ, NULL },
		{ "bearer    two", "second", HTTP_READ | HTTP_OPERATE, NULL },
		{ "BEARER three", "third", HTTP_BENCHMARK, "acme" },
	};
	const struct config *c = make_config("auto");

	for (size_t i = 0; i < lengthof(cases); i++) {
		struct refusal r = { 0 };
		struct grant g;

		cr_assert(auth_admit(c, false, cases[i].header, &g, &r), "%s", r.detail);
		cr_expect_str_eq(g.token, cases[i].name);
		cr_expect_eq(g.scopes, cases[i].scopes);
		cr_expect(cases[i].tenant == NULL ? g.tenant == NULL : strcmp(g.tenant, cases[i].tenant) == 0);
	}
	config_unref(&c);
}

Test(auth, nothing_else_is_let_in)
{
	static const char *const headers[] = {
		"", "Bearer", "Bearer ", "Bearer  ", "one", "Basic one", "Bearer one ", "Bearer one two", "Bearer one,two",
		"Bearer One", "Bearer on", "Bearer onee", "Bearerone", "Bearer\tone", " Bearer one", "Bearer sha256:" ONE,
		"Bearer " ONE,
	};
	const struct config *c = make_config("auto");

	for (size_t i = 0; i < lengthof(headers); i++) {
		struct refusal r = { 0 };
		struct grant g;

		cr_expect_not(auth_admit(c, true, headers[i], &g, &r), "%s", headers[i]);
		cr_expect_eq(r.status, 401);
		cr_expect_eq(g.scopes, 0);
		cr_expect_null(g.token);
		cr_expect_null(strstr(r.detail, "one"));
	}
	config_unref(&c);
}

Test(auth, without_a_token_this_machine_may_read)
{
	static const struct {
		const char *auth;
		bool local;
		int scopes;
	} cases[] = { { "auto", true, HTTP_READ }, { "auto", false, 0 }, { "token", true, 0 }, { "token", false, 0 } };

	for (size_t i = 0; i < lengthof(cases); i++) {
		const struct config *c = make_config(cases[i].auth);
		struct refusal r = { 0 };
		struct grant g;

		cr_assert(auth_admit(c, cases[i].local, NULL, &g, &r));
		cr_expect_eq(g.scopes, cases[i].scopes);
		cr_expect_null(g.tenant);
		config_unref(&c);
	}
}

Test(auth, scopes)
{
	struct grant nobody = { 0 }, reader = { .scopes = HTTP_READ, .token = "r" };
	struct grant local = { .scopes = HTTP_READ };
	struct refusal r = { 0 };

	cr_expect(auth_allows(&nobody, 0, &r));
	cr_expect(auth_allows(&reader, HTTP_READ, &r));
	cr_expect_not(auth_allows(&reader, HTTP_OPERATE, &r));
	cr_expect_eq(r.status, 403);
	cr_expect_not(auth_allows(&local, HTTP_OPERATE, &r));
	cr_expect_eq(r.status, 401);
	cr_expect_not(auth_allows(&nobody, HTTP_READ, &r));
	cr_expect_eq(r.status, 401);
}
