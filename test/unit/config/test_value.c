#include "config/value.h"

#include <criterion/criterion.h>
#include <limits.h>
#include <string.h>

#include "base/clock.h"
#include "config/config.h"

struct fields {
	int n;
	int64_t size;
	usec_t time;
	const char *text;
};

static const struct key_word colours[] = {
	{ "red", 1 },
	{ "green", 2 },
	{ NULL, 0 },
};

#define FIELD(of_type, field) .name = "k", .type = of_type, .offset = offsetof(struct fields, field)

static const struct key bool_key = { FIELD(KEY_BOOL, n), .max = 1 };
static const struct key int_key = { FIELD(KEY_INT, n), .min = 1, .max = 65535 };
static const struct key own_key = { FIELD(KEY_INT, n), .min = CONFIG_UNSET, .max = INT_MAX };
static const struct key auto_key = { FIELD(KEY_AUTO, n), .max = 256 };
static const struct key size_key = { FIELD(KEY_SIZE, size), .min = 64, .max = INT64_C(1) << 40 };
static const struct key time_key = { FIELD(KEY_TIME, time), .max = 1000000000 };
static const struct key own_time_key = { FIELD(KEY_TIME, time), .min = CONFIG_UNSET,
	.max = 1000000000 };
static const struct key msec_key = { FIELD(KEY_MSEC, time), .max = MSEC_MAX };
static const struct key own_msec_key = { FIELD(KEY_MSEC, time), .min = CONFIG_UNSET, .max = MSEC_MAX };
static const struct key growth_key = { FIELD(KEY_GROWTH, n), .max = INT_MAX };
static const struct key bits_key = { FIELD(KEY_BITS, n), .words = colours };
static const struct key listen_key = { FIELD(KEY_LISTEN, text), .def = "" };
static const struct key url_key = { FIELD(KEY_URL, text), .def = "" };
static const struct key secret_url_key = { FIELD(KEY_URL, text), .def = "", .flags = KEY_HIDDEN };
static const struct key mode_key = { FIELD(KEY_MODE, n), .max = 0777 };
static const struct key enum_key = { FIELD(KEY_ENUM, n), .words = colours };
static const struct key text_key = { FIELD(KEY_TEXT, text), .def = "" };
static const struct key null_key = { FIELD(KEY_TEXT, text), .flags = KEY_NULL };
static const struct key word_key = { FIELD(KEY_WORD, text), .def = "red", .words = colours };
static const struct key words_key = { FIELD(KEY_WORDS, text), .def = "red", .words = colours };
static const struct key check_key = { FIELD(KEY_CHECK, text), .def = "<empty>" };
static const struct key database_key = { FIELD(KEY_DATABASE, text) };
static const struct key demands_key = { FIELD(KEY_DEMANDS, text), .def = "" };

#define UNSET_TEXT "(null)"

/* text goes in, printed comes out; NULL: the text is refused. */
static const struct {
	const struct key *key;
	const char *text, *printed;
} cases[] = {
	{ &bool_key, "0", "0" },
	{ &bool_key, "1", "1" },
	{ &bool_key, "on", "1" },
	{ &bool_key, "OFF", "0" },
	{ &bool_key, "True", "1" },
	{ &bool_key, "false", "0" },
	{ &bool_key, "yes", "1" },
	{ &bool_key, "no", "0" },
	{ &bool_key, "2", NULL },
	{ &bool_key, "", NULL },
	{ &bool_key, "o", NULL },
	{ &int_key, "1", "1" },
	{ &int_key, "65535", "65535" },
	{ &int_key, "0", NULL },
	{ &int_key, "65536", NULL },
	{ &int_key, "-1", NULL },
	{ &int_key, "4294967297", NULL },
	{ &int_key, "12x", NULL },
	{ &int_key, "", NULL },
	{ &own_key, "-1", UNSET_TEXT },
	{ &own_key, "0", "0" },
	{ &own_key, "2147483647", "2147483647" },
	{ &own_key, "2147483648", NULL },
	{ &own_key, "-2", NULL },
	{ &auto_key, "auto", "auto" },
	{ &auto_key, "AUTO", "auto" },
	{ &auto_key, "4", "4" },
	{ &auto_key, "257", NULL },
	{ &auto_key, "many", NULL },
	{ &size_key, "64", "64" },
	{ &size_key, "1kB", "1024" },
	{ &size_key, "16MB", "16777216" },
	{ &size_key, "16 mb", "16777216" },
	{ &size_key, "1GB", "1073741824" },
	{ &size_key, "63", NULL },
	{ &size_key, "1TB", NULL },
	{ &size_key, "1099511627777", NULL },
	{ &size_key, "9223372036854775807GB", NULL },
	{ &size_key, "99999999999999999999999", NULL },
	{ &size_key, "-1", NULL },
	{ &size_key, "MB", NULL },
	{ &time_key, "0", "0" },
	{ &time_key, "15", "15" },
	{ &time_key, "15.0", "15" },
	{ &time_key, "0.5", "0.5" },
	{ &time_key, "0.000001", "0.000001" },
	{ &time_key, "0.0000019", "0.000001" },
	{ &time_key, "100", "100" },
	{ &time_key, "1000000000", "1000000000" },
	{ &time_key, "1000000001", NULL },
	{ &time_key, "99999999999999999999", NULL },
	{ &time_key, "-1", NULL },
	{ &time_key, "-0.5", NULL },
	{ &time_key, ".5", NULL },
	{ &time_key, "1.", "1" },
	{ &time_key, "1.5s", NULL },
	{ &time_key, "1,5", NULL },
	{ &time_key, "1e3", NULL },
	{ &time_key, "", NULL },
	{ &own_time_key, "-1", UNSET_TEXT },
	{ &own_time_key, "-1.5", NULL },
	{ &own_time_key, "-2", NULL },
	{ &own_time_key, "0", "0" },
	{ &msec_key, "0", "0" },
	{ &msec_key, "1000", "1000" },
	{ &msec_key, "1000ms", "1000" },
	{ &msec_key, "1s", "1000" },
	{ &msec_key, "1 S", "1000" },
	{ &msec_key, "1.5s", "1500" },
	{ &msec_key, "2min", "120000" },
	{ &msec_key, "0.5min", "30000" },
	{ &msec_key, "0.25", "0.25" },
	{ &msec_key, "0.001", "0.001" },
	{ &msec_key, "0.0019", "0.001" },
	{ &msec_key, "1.", "1" },
	{ &msec_key, "1000000000s", "1000000000000" },
	{ &msec_key, "1000000001s", NULL },
	{ &msec_key, "16666666.7min", NULL },
	{ &msec_key, "9223372036854775807", NULL },
	{ &msec_key, "9223372036854775807min", NULL },
	{ &msec_key, "99999999999999999999", NULL },
	{ &msec_key, "-1", NULL },
	{ &msec_key, "", NULL },
	{ &msec_key, "s", NULL },
	{ &msec_key, ".5s", NULL },
	{ &msec_key, "1h", NULL },
	{ &msec_key, "1s ", NULL },
	{ &msec_key, "1s2", NULL },
	{ &msec_key, "1,5s", NULL },
	{ &msec_key, "1.5.5s", NULL },
	{ &own_msec_key, "-1", UNSET_TEXT },
	{ &own_msec_key, "-1s", NULL },
	{ &own_msec_key, "0", "0" },
	{ &growth_key, "0", "0" },
	{ &growth_key, "101", "101" },
	{ &growth_key, "2147483647", "2147483647" },
	{ &growth_key, "100", NULL },
	{ &growth_key, "1", NULL },
	{ &growth_key, "-1", NULL },
	{ &growth_key, "x", NULL },
	{ &bits_key, "red", "red" },
	{ &bits_key, "green,RED", "red,green" },
	{ &bits_key, "red,red", "red" },
	{ &bits_key, "", NULL },
	{ &bits_key, "red,", NULL },
	{ &bits_key, ",red", NULL },
	{ &bits_key, "red, green", NULL },
	{ &bits_key, "yellow", NULL },
	{ &bits_key, "a_word_that_is_longer_than_any_of_the_words", NULL },
	{ &listen_key, "", "" },
	{ &listen_key, "127.0.0.1:8432, [::1]:8432", "127.0.0.1:8432, [::1]:8432" },
	{ &listen_key, "127.0.0.1", NULL },
	{ &url_key, "", "" },
	{ &url_key, "https://example.com/hook", "https://example.com/hook" },
	{ &url_key, "example.com/hook", NULL },
	{ &mode_key, "0777", "0777" },
	{ &mode_key, "770", "0770" },
	{ &mode_key, "0", "0000" },
	{ &mode_key, "1000", NULL },
	{ &mode_key, "0888", NULL },
	{ &mode_key, "77777777777777777777777777", NULL },
	{ &mode_key, "", NULL },
	{ &enum_key, "red", "red" },
	{ &enum_key, "GREEN", "green" },
	{ &enum_key, "", NULL },
	{ &enum_key, "yellow", NULL },
	{ &enum_key, "blue", NULL },
	{ &text_key, "", "" },
	{ &text_key, "some text", "some text" },
	{ &null_key, "", UNSET_TEXT },
	{ &null_key, "x", "x" },
	{ &word_key, "red", "red" },
	{ &word_key, "", "" },
	{ &word_key, "blue", NULL },
	{ &word_key, "yellow", NULL },
	{ &words_key, "red,green", "red,green" },
	{ &words_key, "red, !green :red", "red, !green :red" },
	{ &words_key, "", "" },
	{ &words_key, "red,yellow", NULL },
	{ &words_key, "a_word_that_is_longer_than_any_of_the_words", NULL },
	{ &check_key, "<empty>", "<empty>" },
	{ &check_key, "", "" },
	{ &check_key, "select 1", "select 1" },
	{ &database_key, "authdb", "authdb" },
	{ &database_key, "pgbouncer", NULL },
	{ &database_key, "pgusher", NULL },
	{ &demands_key, "", "" },
	{ &demands_key, "!md5, !none", "!md5, !none" },
	{ &demands_key, "md5,!none", NULL },
};

Test(value, parse_and_print)
{
	struct config_arena *arena = arena_new();

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fields f;
		struct error e;
		char buf[VALUE_TEXT];
		memset(&f, 0x55, sizeof(f));
		struct fields before = f;
		bool ok = value_parse(cases[i].key, &f, cases[i].text, arena, &e);
		cr_assert_eq(ok, cases[i].printed != NULL, "type %d: \"%s\"", cases[i].key->type,
			cases[i].text);
		if (!ok) {
			cr_assert_eq(memcmp(&f, &before, sizeof(f)), 0, "\"%s\" left a trace",
				cases[i].text);
			cr_assert_str_eq(e.sqlstate, "F0000");
			cr_assert_not_null(strstr(e.message, "k"), "%s", e.message);
			continue;
		}
		const char *printed = value_print(cases[i].key, &f, buf);
		cr_assert_str_eq(printed == NULL ? UNSET_TEXT : printed, cases[i].printed,
			"type %d: \"%s\"", cases[i].key->type, cases[i].text);
	}
	arena_free(&arena);
}

Test(value, fields_hold_the_units_that_config_h_promises)
{
	struct config_arena *arena = arena_new();
	struct fields f;
	struct error e;

	cr_assert(value_parse(&time_key, &f, "1.5", arena, &e));
	cr_assert_eq(f.time, 1500000);
	cr_assert(value_parse(&own_time_key, &f, "-1", arena, &e));
	cr_assert_eq(f.time, CONFIG_UNSET);
	cr_assert(value_parse(&msec_key, &f, "1.5", arena, &e));
	cr_assert_eq(f.time, 1500);
	cr_assert(value_parse(&msec_key, &f, "1.5 min", arena, &e));
	cr_assert_eq(f.time, 90 * USEC_PER_SEC);
	cr_assert(value_parse(&bits_key, &f, "red,green", arena, &e));
	cr_assert_eq(f.n, 3);
	cr_assert(value_parse(&mode_key, &f, "0750", arena, &e));
	cr_assert_eq(f.n, 0750);
	cr_assert(value_parse(&check_key, &f, "<empty>", arena, &e));
	cr_assert_str_eq(f.text, "");
	cr_assert(value_parse(&check_key, &f, "", arena, &e));
	cr_assert_null(f.text);
	arena_free(&arena);
}

Test(value, errors_say_what_would_be_right)
{
	static const struct {
		const struct key *key;
		const char *text, *message;
	} wrong[] = {
		{ &bool_key, "2",
			"invalid value \"2\" for k: it must be 0 or 1 (or off, on, false, true, no, yes)" },
		{ &int_key, "0",
			"invalid value \"0\" for k: it must be a whole number from 1 to 65535" },
		{ &own_key, "x",
			"invalid value \"x\" for k: it must be a whole number, at least 0" },
		{ &auto_key, "x",
			"invalid value \"x\" for k: it must be auto, or a whole number from 0 to 256" },
		{ &enum_key, "x", "invalid value \"x\" for k: it must be one of red, green" },
		{ &time_key, "x",
			"invalid value \"x\" for k: it must be a number of seconds like 15 or 0.5, "
			"at least 0" },
		{ &size_key, "x",
			"invalid value \"x\" for k: it must be a number of bytes like 1048576 or 1MB, "
			"from 64 to 1099511627776" },
		{ &database_key, "pgusher", "cannot use the reserved \"pgusher\" database as an k" },
		{ &demands_key, "x",
			"invalid value \"x\" for k: it must be empty or a list of none, password, md5, "
			"scram-sha-256, scram-sha-256-plus, all of them with ! before or none" },
		{ &msec_key, "1h",
			"invalid value \"1h\" for k: it must be a number of milliseconds like 500, or with a unit like "
			"500ms, 1.5s or 2min, at least 0" },
		{ &growth_key, "50", "invalid value \"50\" for k: it must be 0, or a percentage above 100" },
		{ &bits_key, "x", "invalid value \"x\" for k: it must be a list, with commas, of red, green" },
		{ &listen_key, "8432",
			"invalid value \"8432\" for k: it must be empty or a list of addresses like 127.0.0.1:8432, "
			"[::1]:8432 or /run/pgusher/http.sock" },
		{ &url_key, "ftp://x", "invalid value \"ftp://x\" for k: it must be empty or a URL that begins with "
				       "http:// or https://" },
		{ &secret_url_key, "ftp://secret", "invalid value for k: it must be empty or a URL that begins with "
				       "http:// or https://" },
		{ &mode_key, "9", "invalid value \"9\" for k: it must be an octal mode like 0770" },
	};
	struct config_arena *arena = arena_new();

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct fields f;
		struct error e;
		cr_assert_not(value_parse(wrong[i].key, &f, wrong[i].text, arena, &e));
		cr_assert_str_eq(e.message, wrong[i].message);
	}
	arena_free(&arena);
}

Test(value, a_long_value_is_cut_in_the_message)
{
	struct config_arena *arena = arena_new();
	char text[5000];
	struct fields f;
	struct error e;

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	cr_assert_not(value_parse(&int_key, &f, text, arena, &e));
	cr_assert_not_null(strstr(e.message, "it must be a whole number"), "%s", e.message);
	arena_free(&arena);
}

Test(value, reset_copy_and_compare)
{
	struct config_arena *arena = arena_new();
	struct fields a, b;
	struct error e;

	value_reset(&text_key, &a, arena);
	cr_assert_str_eq(a.text, "");
	value_reset(&null_key, &a, arena);
	cr_assert_null(a.text);
	value_reset(&own_key, &a, arena);
	cr_assert_eq(a.n, CONFIG_UNSET);
	value_reset(&own_time_key, &a, arena);
	cr_assert_eq(a.time, CONFIG_UNSET);
	value_reset(&check_key, &a, arena);
	cr_assert_str_eq(a.text, "");
	cr_assert(value_is_default(&check_key, &a));

	cr_assert(value_parse(&text_key, &a, "x", arena, &e));
	cr_assert_not(value_is_default(&text_key, &a));
	value_copy(&text_key, &b, &a, arena);
	cr_assert_str_eq(b.text, "x");
	cr_assert_neq(b.text, a.text);
	cr_assert(value_equal(&text_key, &a, &b));
	cr_assert(value_parse(&text_key, &b, "y", arena, &e));
	cr_assert_not(value_equal(&text_key, &a, &b));

	cr_assert(value_parse(&own_time_key, &a, "7", arena, &e));
	value_copy(&own_time_key, &b, &a, arena);
	cr_assert_eq(b.time, 7000000);
	arena_free(&arena);
}
