#include "pg/response.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "pg/frame.h"
#include "pg/writer.h"

Test(response, reads_what_writer_writes)
{
	for (int severity = SEVERITY_WARNING; severity <= SEVERITY_FATAL; severity++) {
		struct buffer b = BUFFER_INIT;
		struct error in, out;
		char state[6];
		error_set(&in, (enum severity)severity, "57P01", "terminating %d", 7);
		if (severity > SEVERITY_WARNING)
			error_detail(&in, "Why.");
		if (severity > SEVERITY_NOTICE)
			error_hint(&in, "What to do.");
		writer_error(&b, &in);
		buffer_consume(&b, FRAME_HEADER);
		cr_assert(response_parse(buffer_head(&b), buffer_left(&b), &out));
		cr_assert_eq(out.severity, in.severity);
		cr_assert_str_eq(out.sqlstate, in.sqlstate);
		cr_assert_str_eq(out.message, in.message);
		cr_assert_str_eq(out.detail, in.detail);
		cr_assert_str_eq(out.hint, in.hint);
		response_sqlstate(buffer_head(&b), buffer_left(&b), state);
		cr_assert_str_eq(state, "57P01");
		buffer_release(&b);
	}
}

#define BODY(text) text, sizeof(text) - 1

Test(response, severities)
{
	static const struct {
		const char *body;
		size_t n;
		enum severity severity;
	} cases[] = {
		{ BODY("SERROR\0\0"), SEVERITY_ERROR },
		{ BODY("SFATAL\0\0"), SEVERITY_FATAL },
		{ BODY("SPANIC\0\0"), SEVERITY_FATAL },
		{ BODY("SWARNING\0\0"), SEVERITY_WARNING },
		{ BODY("SNOTICE\0\0"), SEVERITY_NOTICE },
		{ BODY("SLOG\0\0"), SEVERITY_NOTICE },
		{ BODY("SINFO\0\0"), SEVERITY_NOTICE },
		{ BODY("SDEBUG\0\0"), SEVERITY_NOTICE },
		{ BODY("SFEHLER\0\0"), SEVERITY_ERROR },
		{ BODY("SFEHLER\0VFATAL\0\0"), SEVERITY_FATAL },
		{ BODY("VFATAL\0SNOTICE\0\0"), SEVERITY_FATAL }, /* V wins in any order */
		{ BODY("\0"), SEVERITY_ERROR },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct error e;
		cr_assert(response_parse((const uint8_t *)cases[i].body, cases[i].n, &e),
			"case %zu", i);
		cr_assert_eq(e.severity, cases[i].severity, "case %zu", i);
	}
}

#define WHOLE "SFATAL\0VFATAL\0C28P01\0Mno\0Fauth.c\0L335\0?x\0\0"

Test(response, cut_at_every_byte)
{
	for (size_t n = 0; n < sizeof(WHOLE) - 1; n++) {
		uint8_t *copy = malloc(n + (n == 0));
		struct error e;
		char state[6];
		memcpy(copy, WHOLE, n);
		cr_assert_not(response_parse(copy, n, &e), "%zu bytes", n);
		cr_assert_str_eq(e.sqlstate, n >= 21 ? "28P01" : "XX000", "%zu bytes", n);
		cr_assert_str_eq(e.message, n >= 25 ? "no" : "", "%zu bytes", n);
		response_sqlstate(copy, n, state);
		cr_assert_str_eq(state, n >= 21 ? "28P01" : "", "%zu bytes", n);
		free(copy);
	}
}

Test(response, bytes_behind_the_end_are_malformed)
{
	struct error e;

	cr_assert(response_parse((const uint8_t *)BODY(WHOLE), &e));
	cr_assert_not(response_parse((const uint8_t *)BODY(WHOLE "\0"), &e));
	cr_assert_str_eq(e.sqlstate, "28P01");
}

Test(response, only_five_letters_are_an_sqlstate)
{
	static const char *const wrong[] = { "", "28P0", "28P011", "28p01", "28 01", "28P0\xc3" };

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		uint8_t body[16] = "C";
		struct error e;
		char state[6];
		size_t n = (size_t)(stpcpy((char *)body + 1, wrong[i]) - (char *)body) + 2;
		cr_assert(response_parse(body, n, &e));
		cr_assert_str_eq(e.sqlstate, "XX000");
		response_sqlstate(body, n, state);
		cr_assert_str_empty(state);
	}
}

Test(response, long_texts_are_cut)
{
	static uint8_t body[100000];
	struct error e;

	memset(body, 'x', sizeof(body) - 2);
	body[0] = 'M';
	cr_assert(response_parse(body, sizeof(body), &e));
	cr_assert_eq(strlen(e.message), sizeof(e.message) - 1);
}
