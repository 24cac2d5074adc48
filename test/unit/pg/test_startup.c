#include "pg/startup.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "pg/cancel.h"
#include "pg/writer.h"

/* A packet with this code and body, and a true length. */
static struct buffer
make_packet(uint32_t code, const void *body, size_t n)
{
	struct buffer b = BUFFER_INIT;
	size_t m = writer_begin(&b, 0);

	writer_u32(&b, code);
	writer_bytes(&b, body, n);
	writer_end(&b, m);
	return b;
}

/* From a heap block of the exact size, so that a sanitizer sees a step too far.  The block lives on in
 * *copy, because the result borrows from it. */
static enum startup_result
parse_exact(const uint8_t *bytes, size_t n, size_t *size, struct startup *s, struct error *e,
	uint8_t **copy)
{
	*copy = malloc(n + (n == 0));
	memcpy(*copy, bytes, n);
	return startup_parse(*copy, n, size, s, e);
}

#define PARAMETERS "user\0alice\0database\0shop\0application_name\0\0"

Test(startup, short_at_every_byte)
{
	struct buffer b = make_packet(STARTUP_VERSION_3_0, PARAMETERS, sizeof(PARAMETERS));
	size_t whole = buffer_left(&b);

	for (size_t n = 0; n <= whole; n++) {
		struct startup s;
		struct error e;
		size_t size = 0;
		uint8_t *copy;
		enum startup_result result = parse_exact(buffer_head(&b), n, &size, &s, &e, &copy);
		cr_assert_eq(result, n < whole ? STARTUP_SHORT : STARTUP_OK, "%zu bytes", n);
		cr_assert_eq(size, n < 4 ? 4 : whole, "%zu bytes", n);
		free(copy);
	}
	buffer_release(&b);
}

Test(startup, bytes_behind_the_packet_are_not_touched)
{
	struct buffer b = make_packet(STARTUP_VERSION_3_0, PARAMETERS, sizeof(PARAMETERS));
	size_t whole = buffer_left(&b), size;
	struct startup s;
	struct error e;

	buffer_append(&b, "Q\0\0\0\x04", 5);
	cr_assert_eq(startup_parse(buffer_head(&b), buffer_left(&b), &size, &s, &e), STARTUP_OK);
	cr_assert_eq(size, whole);
	buffer_release(&b);
}

Test(startup, lengths_out_of_range_are_refused_at_once)
{
	static const uint32_t lengths[] = { 0, 1, 4, 7, STARTUP_MAX + 1, 0x7fffffff, 0x80000000,
		UINT32_MAX, 0x47455420 /* GET */, 0x16030102 /* a TLS ClientHello */ };

	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		struct buffer b = BUFFER_INIT;
		struct startup s;
		struct error e;
		size_t size;
		writer_u32(&b, lengths[i]);
		cr_assert_eq(startup_parse(buffer_head(&b), 4, &size, &s, &e), STARTUP_INVALID);
		cr_assert_eq(e.severity, SEVERITY_FATAL);
		cr_assert_str_eq(e.sqlstate, "08P01");
		buffer_release(&b);
	}
}

Test(startup, the_longest_packet_passes)
{
	static char body[STARTUP_MAX - 8];
	struct startup s;
	struct error e;
	size_t size;

	/* user NUL xxx... NUL NUL */
	memset(body, 'x', sizeof(body) - 2);
	memcpy(body, "user", 5);
	struct buffer b = make_packet(STARTUP_VERSION_3_0, body, sizeof(body));
	cr_assert_eq(startup_parse(buffer_head(&b), buffer_left(&b), &size, &s, &e), STARTUP_OK);
	cr_assert_eq(size, STARTUP_MAX);
	cr_assert_eq(strlen(startup_get(&s, "user")), sizeof(body) - 7);
	buffer_release(&b);
}

Test(startup, parameter_lists)
{
	static const struct {
		const char *body;
		size_t n;
		size_t pairs; /* or REFUSED */
	} cases[] = {
#define REFUSED SIZE_MAX
#define BODY(text) text, sizeof(text) - 1
		{ BODY("\0"), 0 },
		{ BODY("a\0b\0\0"), 1 },
		{ BODY("a\0\0\0"), 1 },
		{ BODY("a\0\0b\0\0\0"), 2 },
		{ BODY("a\0b\0c\0d\0\0"), 2 },
		{ BODY(""), REFUSED }, /* no end */
		{ BODY("a"), REFUSED },
		{ BODY("a\0"), REFUSED }, /* a name alone */
		{ BODY("a\0b"), REFUSED },
		{ BODY("a\0b\0"), REFUSED },	  /* the last NUL is missing */
		{ BODY("a\0b\0c\0\0"), REFUSED }, /* an odd one */
		{ BODY("a\0b\0x"), REFUSED },
		{ BODY("\0\0"), REFUSED }, /* empty name */
		{ BODY("\0b\0\0"), REFUSED },
		{ BODY("a\0b\0\0\0"), REFUSED }, /* bytes behind the end */
		{ BODY("a\0b\0\0c\0d\0\0"), REFUSED },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct buffer b = make_packet(STARTUP_VERSION_3_0, cases[i].body, cases[i].n);
		const char *name, *value;
		struct startup s;
		struct error e;
		size_t size, pairs = 0;
		uint8_t *copy;
		enum startup_result result =
			parse_exact(buffer_head(&b), buffer_left(&b), &size, &s, &e, &copy);
		cr_assert_eq(result, cases[i].pairs == REFUSED ? STARTUP_INVALID : STARTUP_OK,
			"case %zu", i);
		if (result == STARTUP_OK) {
			while (startup_next(&s, &name, &value))
				pairs++;
			cr_assert_eq(pairs, cases[i].pairs, "case %zu", i);
			cr_assert_not(startup_next(&s, &name, &value));
		} else {
			cr_assert_str_eq(e.sqlstate, "08P01");
		}
		free(copy);
		buffer_release(&b);
	}
}

Test(startup, parameters_in_order_and_by_name)
{
	static const char body[] = "user\0alice\0options\0-c a=b\0user\0bob\0";
	struct buffer b = make_packet(STARTUP_VERSION_3_2, body, sizeof(body));
	const char *name, *value;
	struct startup s;
	struct error e;
	size_t size;

	cr_assert_eq(startup_parse(buffer_head(&b), buffer_left(&b), &size, &s, &e), STARTUP_OK);
	cr_assert_eq(s.kind, STARTUP_MESSAGE);
	cr_assert_eq(s.version, STARTUP_VERSION_3_2);
	cr_assert_str_eq(startup_get(&s, "user"), "bob");
	cr_assert_str_eq(startup_get(&s, "options"), "-c a=b");
	cr_assert_null(startup_get(&s, "database"));
	cr_assert_null(startup_get(&s, "alice"));
	cr_assert(startup_next(&s, &name, &value));
	cr_assert_str_eq(name, "user");
	cr_assert_str_eq(value, "alice");
	cr_assert(startup_next(&s, &name, &value));
	cr_assert_str_eq(name, "options");
	buffer_release(&b);
}

Test(startup, versions)
{
	static const struct {
		uint32_t version;
		bool ok;
	} cases[] = {
		{ 0x00030000, true },
		{ 0x00030001, true },
		{ 0x00030002, true },
		{ 0x0003270f, true }, /* 3.9999: to be negotiated down */
		{ 0x0003ffff, true },
		{ 0x00020000, false },
		{ 0x00040000, false },
		{ 0x00000000, false },
		{ 80877105, false },
		{ 0x03000000, false },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct buffer b = make_packet(cases[i].version, "user\0u\0", 8);
		struct startup s;
		struct error e;
		size_t size;
		cr_assert_eq(startup_parse(buffer_head(&b), buffer_left(&b), &size, &s, &e),
			cases[i].ok ? STARTUP_OK : STARTUP_INVALID);
		if (!cases[i].ok)
			cr_assert_str_eq(e.sqlstate, "0A000");
		else
			cr_assert_eq(s.version, cases[i].version);
		buffer_release(&b);
	}
}

Test(startup, encryption_requests_have_no_body)
{
	static const struct {
		uint32_t code;
		enum startup_kind kind;
	} cases[] = { { STARTUP_CODE_SSL, STARTUP_SSL }, { STARTUP_CODE_GSSENC, STARTUP_GSSENC } };

	for (size_t i = 0; i < 2; i++) {
		for (size_t n = 0; n <= 4; n++) {
			struct buffer b = make_packet(cases[i].code, "\0\0\0\0", n);
			struct startup s;
			struct error e;
			size_t size;
			cr_assert_eq(startup_parse(buffer_head(&b), buffer_left(&b), &size, &s, &e),
				n == 0 ? STARTUP_OK : STARTUP_INVALID);
			cr_assert_eq(s.kind, cases[i].kind);
			buffer_release(&b);
		}
	}
}

Test(startup, cancel_keys_of_every_length)
{
	uint8_t body[4 + CANCEL_KEY_MAX + 2] = { 0x01, 0x02, 0x03, 0x04 };

	for (size_t i = 4; i < sizeof(body); i++)
		body[i] = (uint8_t)i;
	for (size_t n = 0; n <= sizeof(body); n++) {
		struct buffer b = make_packet(STARTUP_CODE_CANCEL, body, n);
		bool right = n >= 4 + CANCEL_KEY_3_0 && n <= 4 + CANCEL_KEY_MAX;
		struct startup s;
		struct error e;
		size_t size;
		uint8_t *copy;
		cr_assert_eq(parse_exact(buffer_head(&b), buffer_left(&b), &size, &s, &e, &copy),
			right ? STARTUP_OK : STARTUP_INVALID, "body of %zu", n);
		if (right) {
			cr_assert_eq(s.kind, STARTUP_CANCEL);
			cr_assert_eq(s.cancel_pid, 0x01020304);
			cr_assert_eq(s.cancel_key_size, n - 4);
			cr_assert_arr_eq(s.cancel_key, body + 4, n - 4);
		}
		free(copy);
		buffer_release(&b);
	}
}

/* As PostgreSQL reads it: "database", or a boolean and the beginnings of its words. */
Test(startup, replication)
{
	static const struct {
		const char *value;
		enum replication replication;
	} cases[] = {
		{ "database", REPLICATION_LOGICAL },
		{ "true", REPLICATION_PHYSICAL },
		{ "t", REPLICATION_PHYSICAL },
		{ "TRU", REPLICATION_PHYSICAL },
		{ "yes", REPLICATION_PHYSICAL },
		{ "y", REPLICATION_PHYSICAL },
		{ "on", REPLICATION_PHYSICAL },
		{ "1", REPLICATION_PHYSICAL },
		{ "false", REPLICATION_NONE },
		{ "fal", REPLICATION_NONE },
		{ "F", REPLICATION_NONE },
		{ "no", REPLICATION_NONE },
		{ "N", REPLICATION_NONE },
		{ "off", REPLICATION_NONE },
		{ "Of", REPLICATION_NONE },
		{ "0", REPLICATION_NONE },
		/* No boolean: PostgreSQL is to say so. */
		{ "", REPLICATION_PHYSICAL },
		{ "o", REPLICATION_PHYSICAL },
		{ "O", REPLICATION_PHYSICAL },
		{ "falsee", REPLICATION_PHYSICAL },
		{ "offf", REPLICATION_PHYSICAL },
		{ "00", REPLICATION_PHYSICAL },
		{ " off", REPLICATION_PHYSICAL },
		{ "none", REPLICATION_PHYSICAL },
		{ "Database", REPLICATION_PHYSICAL },
		{ "databases", REPLICATION_PHYSICAL },
		{ "data", REPLICATION_PHYSICAL },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct buffer body = BUFFER_INIT, b;
		struct startup s;
		struct error e;
		size_t size;

		writer_string(&body, "replication");
		writer_string(&body, cases[i].value);
		writer_u8(&body, 0);
		b = make_packet(STARTUP_VERSION_3_0, (const char *)buffer_head(&body), buffer_left(&body));
		cr_assert_eq(startup_parse(buffer_head(&b), buffer_left(&b), &size, &s, &e), STARTUP_OK);
		cr_assert_eq(startup_replication(&s), cases[i].replication, "\"%s\"", cases[i].value);
		buffer_release(&body);
		buffer_release(&b);
	}
}

Test(startup, replication_that_is_not_there_or_there_twice)
{
	static const struct {
		const char *body;
		size_t n;
		enum replication replication;
	} cases[] = {
		{ "\0", 1, REPLICATION_NONE },
		{ "Replication\0database\0", 22, REPLICATION_NONE },
		{ "replication\0database\0replication\0off\0", 38, REPLICATION_NONE },
		{ "replication\0off\0replication\0database\0", 38, REPLICATION_LOGICAL },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct buffer b = make_packet(STARTUP_VERSION_3_0, cases[i].body, cases[i].n);
		struct startup s;
		struct error e;
		size_t size;

		cr_assert_eq(startup_parse(buffer_head(&b), buffer_left(&b), &size, &s, &e), STARTUP_OK, "case %zu", i);
		cr_assert_eq(startup_replication(&s), cases[i].replication, "case %zu", i);
		buffer_release(&b);
	}
	cr_assert_str_eq(replication_name(REPLICATION_NONE), "none");
	cr_assert_str_eq(replication_name(REPLICATION_PHYSICAL), "physical");
	cr_assert_str_eq(replication_name(REPLICATION_LOGICAL), "logical");
}
