#include "config/connstr.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The pairs as "key:value," and at the end "." or "!". */
static void
read_all(const char *text, char *out, size_t size, struct error *e)
{
	char *copy = strdup(text);
	char *cursor = copy, *key, *value;
	enum connstr_step step;

	out[0] = '\0';
	while ((step = connstr_next(&cursor, &key, &value, e)) == CONNSTR_PAIR) {
		size_t n = strlen(out);
		snprintf(out + n, size - n, "%s:%s,", key, value);
	}
	strncat(out, step == CONNSTR_END ? "." : "!", size - strlen(out) - 1);
	free(copy);
}

Test(connstr, pairs)
{
	static const struct {
		const char *text, *pairs;
	} cases[] = {
		{ "", "." },
		{ "   \t ", "." },
		{ "host=h", "host:h,." },
		{ " host=h  port=5432 ", "host:h,port:5432,." },
		{ "host = h\tport\t=\t1", "host:h,port:1,." },
		{ "a='b c'", "a:b c,." },
		{ "a='it''s' b=c", "a:it's,b:c,." },
		{ "a=''''", "a:',." },
		{ "a='x=y' b=z", "a:x=y,b:z,." },
		{ "password=a=b'c", "password:a=b'c,." },
		{ "a='\\' b=c", "a:\\,b:c,." },
		/* libpq and PgBouncer read these so, too */
		{ "host= port=1", "host:port=1,." },
		/* broken */
		{ "host", "!" },
		{ "host h", "!" },
		{ "=h", "!" },
		{ "a=b =c", "a:b,!" },
		{ "a=", "!" },
		{ "a=''", "!" },
		{ "a='b", "!" },
		{ "a='b''", "!" },
		{ "a='b'c=d", "!" },
		{ "a=b c", "a:b,!" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char out[200];
		struct error e;
		read_all(cases[i].text, out, sizeof(out), &e);
		cr_assert_str_eq(out, cases[i].pairs, "\"%s\"", cases[i].text);
	}
}

/* "password=my secret" is an easy slip, and the message goes to the log. */
Test(connstr, errors_quote_no_value)
{
	static const char *const broken[] = {
		"password=my s3cret",
		"password='s3cret",
		"password='my's3cret",
		"password s3cret",
	};

	for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
		char out[200];
		struct error e;
		read_all(broken[i], out, sizeof(out), &e);
		cr_assert_eq(out[strlen(out) - 1], '!');
		cr_assert_null(strstr(e.message, "s3cret"), "%s", e.message);
		cr_assert_str_eq(e.sqlstate, "F0000");
	}
}
