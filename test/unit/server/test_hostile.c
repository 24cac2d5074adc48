/*
 * A server that is not what it seems: every message of the login at every moment, cut, stretched and without end,
 * and demands that are weaker than the operator allows.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "pg/message.h"
#include "pg/writer.h"
#include "scene.h"

TestSuite(server_hostile, .init = scene_begin, .fini = scene_end);

static const char scram[] = "SCRAM-SHA-256\0";

/* --- order --- */

enum moment {
	AT_START,
	BEHIND_PASSWORD,
	BEHIND_MD5,
	SCRAM_BEGUN,
	SCRAM_PROVED,
	SCRAM_VERIFIED,
	LET_IN,
	MOMENTS,
};

static void
reach(enum moment m, char final[SCRAM_MESSAGE_MAX])
{
	size_t n;

	dial("secret");
	switch (m) {
	case AT_START:
	case MOMENTS:
		return;
	case BEHIND_PASSWORD:
		request(AUTHENTICATION_CLEARTEXT_PASSWORD, NULL, 0);
		hear_answer(&n);
		return;
	case BEHIND_MD5:
		request(AUTHENTICATION_MD5_PASSWORD, "salt", 4);
		hear_answer(&n);
		return;
	case SCRAM_BEGUN:
		request(AUTHENTICATION_SASL, scram, sizeof(scram));
		hear_answer(&n);
		return;
	case SCRAM_PROVED:
	case SCRAM_VERIFIED:
		serve_scram(&(struct scram_show){ .password = "secret" }, final);
		if (m == SCRAM_VERIFIED)
			request(AUTHENTICATION_SASL_FINAL, final, strlen(final));
		return;
	case LET_IN:
		request(AUTHENTICATION_OK, NULL, 0);
		return;
	}
}

static const struct {
	uint32_t code;
	const char *data;
	size_t n;
	unsigned moments;	/* when it is in order */
} requests[] = {
	{ AUTHENTICATION_OK, "", 0,
	  1 << AT_START | 1 << BEHIND_PASSWORD | 1 << BEHIND_MD5 | 1 << SCRAM_VERIFIED },
	{ AUTHENTICATION_CLEARTEXT_PASSWORD, "", 0, 1 << AT_START },
	{ AUTHENTICATION_MD5_PASSWORD, "salt", 4, 1 << AT_START },
	{ AUTHENTICATION_SASL, scram, sizeof(scram), 1 << AT_START },
	{ AUTHENTICATION_SASL_CONTINUE, "r=x,s=eA==,i=1", 14, 0 },
	{ AUTHENTICATION_SASL_FINAL, "v=eA==", 6, 0 },
};

/* Only what comes at its time is answered; so no password can be had twice, or with another method. */
Test(server_hostile, requests_out_of_order)
{
	char final[SCRAM_MESSAGE_MAX];

	for (size_t i = 0; i < lengthof(requests); i++) {
		for (enum moment m = AT_START; m < MOMENTS; m++) {
			char what[60];

			snprintf(what, sizeof(what), "request %u at %d", requests[i].code, m);
			reach(m, final);
			request(requests[i].code, requests[i].data, requests[i].n);
			if ((requests[i].moments & 1u << m) != 0) {
				cr_assert_not(seen.closed, "%s: %s", what, seen.error.message);
				continue;
			}
			expect_closed(what);
			cr_assert(strcmp(seen.error.sqlstate, "08P01") == 0 || strcmp(seen.error.sqlstate, "28000") == 0,
				  "%s: %s", what, seen.error.sqlstate);
			hear_end(&postgres);
		}
	}
}

/* What belongs to a session is believed of nobody who has not let us in. */
Test(server_hostile, messages_before_their_time)
{
	static const char *const words[] = {
		"S(a=b)", "K", "Z(I)", "T", "D(1)", "C(x)", "I", "1", "2", "3", "n", "s", "G", "H", "d(x)", "c", "V", "A(x)",
	};
	char final[SCRAM_MESSAGE_MAX];

	for (size_t i = 0; i < lengthof(words); i++) {
		for (enum moment m = AT_START; m < LET_IN; m++) {
			reach(m, final);
			say(&postgres, words[i]);
			expect_given_up("08P01", words[i]);
		}
	}
	for (size_t i = 3; i < lengthof(words); i++) {
		reach(LET_IN, final);
		say(&postgres, words[i]);
		expect_given_up("08P01", words[i]);
	}
}

/* --- lengths --- */

static const struct {
	enum moment moment;
	const char *what;
	char type;
	const char *body;
	size_t n;
} messages[] = {
	{ AT_START, "ok", 'R', "\0\0\0\0", 4 },
	{ AT_START, "password", 'R', "\0\0\0\3", 4 },
	{ AT_START, "md5", 'R', "\0\0\0\5salt", 8 },
	{ AT_START, "sasl", 'R', "\0\0\0\x0aSCRAM-SHA-256\0", 19 },
	{ SCRAM_BEGUN, "continue", 'R', "\0\0\0\x0br=x,s=eA==,i=4096", 21 },
	{ SCRAM_PROVED, "final", 'R', "\0\0\0\x0cv=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", 50 },
	{ AT_START, "gss", 'R', "\0\0\0\7", 4 },
	{ AT_START, "error", 'E', "SFATAL\0C28000\0Mno\0", 19 },
	{ LET_IN, "parameter", 'S', "a\0b", 4 },
	{ LET_IN, "key", 'K', "\0\0\0\1\1\2\3\4", 8 },
};

static void
send_message(size_t i, uint32_t length, size_t sent)
{
	uint8_t bytes[100] = { 0 };

	bytes[0] = (uint8_t)messages[i].type;
	for (int k = 0; k < 4; k++)
		bytes[1 + k] = (uint8_t)(length >> (24 - 8 * k));
	memcpy(bytes + 5, messages[i].body, sent);
	tell_bytes(bytes, 5 + sent);
}

/* Whatever it means, it does not let us in, and it ends when the server is gone. */
static void
expect_end(const char *what)
{
	hang_up(&postgres);
	expect_closed(what);
	cr_assert_eq(seen.ready, 0);
}

Test(server_hostile, lengths_that_lie)
{
	char final[SCRAM_MESSAGE_MAX], what[80];

	for (size_t i = 0; i < lengthof(messages); i++) {
		uint32_t real = (uint32_t)messages[i].n + 4;
		const uint32_t lengths[] = {
			0, 1, 3, 4, 5, 7, real - 1, real + 1, real + 1000, 32 * 1024, 1 << 20,
			0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff,
		};

		for (size_t k = 0; k < lengthof(lengths); k++) {
			snprintf(what, sizeof(what), "%s of %u", messages[i].what, lengths[k]);
			reach(messages[i].moment, final);
			send_message(i, lengths[k], messages[i].n);
			if (lengths[k] < 4 || lengths[k] >= 32 * 1024)
				expect_closed(what);	/* at once: nothing more is waited for, or kept */
			expect_end(what);
		}
	}
}

Test(server_hostile, messages_that_are_cut)
{
	char final[SCRAM_MESSAGE_MAX], what[80];

	for (size_t i = 0; i < lengthof(messages); i++) {
		for (size_t n = 0; n < messages[i].n; n++) {
			snprintf(what, sizeof(what), "%zu bytes of %s", n, messages[i].what);
			reach(messages[i].moment, final);
			send_message(i, (uint32_t)n + 4, n);
			expect_closed(what);
			cr_assert_eq(seen.ready, 0);
		}
	}
}

Test(server_hostile, bytes_behind_the_end_of_a_message)
{
	static const struct {
		uint32_t code;
		const char *data;
		size_t n;
	} tails[] = {
		{ AUTHENTICATION_OK, "x", 1 },
		{ AUTHENTICATION_CLEARTEXT_PASSWORD, "x", 1 },
		{ AUTHENTICATION_MD5_PASSWORD, "salt!", 5 },
		{ AUTHENTICATION_SASL, "SCRAM-SHA-256\0\0x", 16 },
	};

	for (size_t i = 0; i < lengthof(tails); i++) {
		dial("secret");
		request(tails[i].code, tails[i].data, tails[i].n);
		expect_given_up("08P01", tails[i].data);
		hear_end(&postgres);
	}
}

/* --- mechanisms --- */

static void
offer(size_t times, const char *first, const char *last, bool ended)
{
	struct buffer b = BUFFER_INIT;

	for (size_t i = 0; i < times; i++)
		writer_string(&b, first);
	writer_string(&b, last);
	if (ended)
		writer_u8(&b, 0);
	request(AUTHENTICATION_SASL, b.data, b.len - (ended || times > 0 ? 0 : 1));
	buffer_release(&b);
}

Test(server_hostile, lists_of_mechanisms)
{
	static const struct {
		const char *what;
		size_t times;
		const char *first, *last;
		bool ended;
		const char *sqlstate;	/* NULL: we find ours */
	} lists[] = {
		{ "ours", 0, "", "SCRAM-SHA-256", true, NULL },
		{ "ours behind a thousand", 1000, "SCRAM-SHA-512", "SCRAM-SHA-256", true, NULL },
		{ "ours a thousand times", 1000, "SCRAM-SHA-256", "SCRAM-SHA-256", true, NULL },
		{ "others", 1000, "SCRAM-SHA-512", "GSSAPI", true, "08P01" },
		{ "more than fit", 3000, "SCRAM-SHA-512", "SCRAM-SHA-256", true, "08006" },
		{ "no NUL", 0, "", "SCRAM-SHA-256", false, "08P01" },
		{ "no end", 3, "SCRAM-SHA-256", "SCRAM-SHA-256", false, "08P01" },
		{ "none", 0, "", "", false, "08P01" },
		{ "an empty list", 0, "", "", true, "08P01" },
		{ "nearly ours", 1, "SCRAM-SHA-2566", "SCRAM-SHA-25", true, "08P01" },
		{ "in small letters", 0, "", "scram-sha-256", true, "08P01" },
		{ "only bound, without TLS", 0, "", "SCRAM-SHA-256-PLUS", true, "08P01" },
	};
	size_t n;

	for (size_t i = 0; i < lengthof(lists); i++) {
		dial("secret");
		offer(lists[i].times, lists[i].first, lists[i].last, lists[i].ended);
		if (lists[i].sqlstate != NULL)
			expect_given_up(lists[i].sqlstate, lists[i].what);
		else
			cr_assert_str_eq((const char *)hear_answer(&n), "SCRAM-SHA-256", "%s", lists[i].what);
	}
}

/* --- without end --- */

static void
flood(const char *word, size_t times)
{
	struct buffer b = BUFFER_INIT;

	for (size_t i = 0; i < times; i++)
		compose(&postgres, word, &b);
	say_bytes(&postgres, b.data, b.len);
	buffer_release(&b);
}

Test(server_hostile, notices_without_end)
{
	dial("secret");
	flood("N(00000)", 500);
	expect_let_in();
	dial("secret");
	flood("N(00000)", 1001);
	expect_given_up("54000", "notices");
}

Test(server_hostile, parameters_without_end)
{
	struct buffer b = BUFFER_INIT;
	char name[20];

	for (int i = 0; i < 201; i++) {
		snprintf(name, sizeof(name), "p%d", i);
		writer_parameter_status(&b, name, "x");
	}
	dial("secret");
	tell("R(0)");
	say_bytes(&postgres, b.data, b.len);
	expect_given_up("54000", "parameters");
	buffer_release(&b);
}

Test(server_hostile, bytes_without_end)
{
	struct buffer b = BUFFER_INIT;
	char *value = memory_zalloc(30000);

	memset(value, 'x', 29999);
	writer_parameter_status(&b, "p", value);
	dial("secret");
	tell("R(0)");
	for (int i = 0; i < 9; i++)
		say_bytes(&postgres, b.data, b.len);
	expect_given_up("54000", "bytes");
	buffer_release(&b);
	free(value);
}

/* --- what it may ask for (server_require_auth) --- */

static const struct {
	unsigned demand;	/* that it takes */
	uint32_t code;
	const char *data;
	size_t n;
	const char *words;	/* of the refusal */
} asks[] = {
	{ DEMAND_NONE, AUTHENTICATION_OK, "", 0, "no authentication" },
	{ DEMAND_PASSWORD, AUTHENTICATION_CLEARTEXT_PASSWORD, "", 0, "the password in plain text" },
	{ DEMAND_MD5, AUTHENTICATION_MD5_PASSWORD, "salt", 4, "an md5 hash of the password" },
	{ DEMAND_SCRAM, AUTHENTICATION_SASL, scram, sizeof(scram), "scram-sha-256 without channel binding" },
};

static void
dial_demanding(unsigned demands)
{
	struct server_login_as as = login_as();
	struct secret secret;

	secret_parse(&secret, "secret");
	as.secret = &secret;
	as.demands = demands;
	dial_as(&as);
	secret_release(&secret);
}

Test(server_hostile, asks_for_less_than_is_allowed)
{
	for (size_t i = 0; i < lengthof(asks); i++) {
		for (unsigned demands = 0; demands <= DEMAND_ANY; demands++) {
			dial_demanding(demands);
			request(asks[i].code, asks[i].data, asks[i].n);
			if ((demands & asks[i].demand) != 0) {
				cr_assert_not(seen.closed, "%s: %s", asks[i].words, seen.error.message);
				continue;
			}
			expect_given_up("28000", asks[i].words);
			cr_assert_not_null(strstr(seen.error.message, asks[i].words), "%s", seen.error.message);
			cr_assert_not_null(strstr(seen.error.message, "server_require_auth"));
			hear_end(&postgres);	/* and has learned nothing */
		}
	}
}

/* Ok behind a password is not "none". */
Test(server_hostile, lets_in_without_none_being_allowed)
{
	size_t n;

	dial_demanding(DEMAND_PASSWORD);
	request(AUTHENTICATION_CLEARTEXT_PASSWORD, NULL, 0);
	hear_answer(&n);
	expect_let_in();
}
