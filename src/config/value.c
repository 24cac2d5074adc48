#include "config/value.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/sqlstate.h"
#include "base/strings.h"
#include "config/config.h"
#include "config/demands.h"

#define FRACTION_DIGITS 6
#define EMPTY_QUERY "<empty>"

/* One row a type: how its text becomes a field and back. */
struct value_type {
	bool (*parse)(const struct key *k, const char *text, void *field,
		struct config_arena *arena);
	const char *(*print)(const struct key *k, const void *field, char *buf);
	size_t size;
};

static bool
in_range(const struct key *k, int64_t n)
{
	return n >= k->min && n <= k->max;
}

static bool
parse_int(const struct key *k, const char *text, void *field, struct config_arena *arena)
{
	int64_t n;

	(void)arena;
	if (!string_to_int64(text, &n) || !in_range(k, n))
		return false;
	*(int *)field = (int)n;
	return true;
}

static bool
parse_auto(const struct key *k, const char *text, void *field, struct config_arena *arena)
{
	if (!string_equal_nocase(text, "auto"))
		return parse_int(k, text, field, arena);
	*(int *)field = 0;
	return true;
}

static bool
parse_word_value(const struct key_word *words, const char *text, int *value)
{
	for (const struct key_word *w = words; w->word != NULL; w++) {
		if (string_equal_nocase(w->word, text)) {
			*value = w->value;
			return true;
		}
	}
	return false;
}

static bool
parse_bool(const struct key *k, const char *text, void *field, struct config_arena *arena)
{
	static const struct key_word words[] = {
		{ "0", 0 },
		{ "1", 1 },
		{ "off", 0 },
		{ "on", 1 },
		{ "false", 0 },
		{ "true", 1 },
		{ "no", 0 },
		{ "yes", 1 },
		{ NULL, 0 },
	};

	(void)k;
	(void)arena;
	return parse_word_value(words, text, field);
}

static bool
parse_enum(const struct key *k, const char *text, void *field, struct config_arena *arena)
{
	(void)arena;
	return parse_word_value(k->words, text, field);
}

static bool
parse_mode(const struct key *k, const char *text, void *field, struct config_arena *arena)
{
	int64_t n = 0;

	(void)arena;
	if (*text == '\0')
		return false;
	for (const char *p = text; *p != '\0'; p++) {
		if (*p < '0' || *p > '7' || n > k->max)
			return false;
		n = n * 8 + (*p - '0');
	}
	if (!in_range(k, n))
		return false;
	*(int *)field = (int)n;
	return true;
}

/* "16MB", "16 MB" and "16777216" are the same. */
static bool
parse_size(const struct key *k, const char *text, void *field, struct config_arena *arena)
{
	static const struct key_word units[] = {
		{ "kB", 10 },
		{ "MB", 20 },
		{ "GB", 30 },
		{ NULL, 0 },
	};
	size_t digits = strspn(text, "0123456789");
	const char *unit = text + digits + strspn(text + digits, " ");
	char number[20];
	int64_t n;
	int shift = 0;

	(void)arena;
	if (digits >= sizeof(number) || (*unit != '\0' && !parse_word_value(units, unit, &shift)))
		return false;
	string_copy(number, text, digits + 1);
	if (!string_to_int64(number, &n) || n > (INT64_MAX >> shift) || !in_range(k, n << shift))
		return false;
	*(int64_t *)field = n << shift;
	return true;
}

/* Digits behind the point to microseconds; what is finer is cut. */
static bool
parse_fraction(const char *p, usec_t *out)
{
	size_t digits = strspn(p, "0123456789");
	usec_t usec = 0;

	if (p[digits] != '\0')
		return false;
	for (size_t i = 0; i < FRACTION_DIGITS; i++)
		usec = usec * 10 + (i < digits ? p[i] - '0' : 0);
	*out = usec;
	return true;
}

static bool
parse_time(const struct key *k, const char *text, void *field, struct config_arena *arena)
{
	char whole[20];
	const char *point = strchrnul(text, '.');
	size_t digits = (size_t)(point - text);
	int64_t seconds;
	usec_t fraction = 0;

	(void)arena;
	if (k->min == CONFIG_UNSET && strcmp(text, "-1") == 0) {
		*(usec_t *)field = CONFIG_UNSET;
		return true;
	}
	if (digits == 0 || digits >= sizeof(whole) || *text == '-')
		return false;
	string_copy(whole, text, digits + 1);
	if (!string_to_int64(whole, &seconds) || !in_range(k, seconds))
		return false;
	if (*point == '.' && !parse_fraction(point + 1, &fraction))
		return false;
	*(usec_t *)field = seconds * USEC_PER_SEC + fraction;
	return true;
}

static bool
parse_text(const struct key *k, const char *text, void *field, struct config_arena *arena)
{
	(void)k;
	*(const char **)field = arena_strdup(arena, text);
	return true;
}

static bool
parse_word(const struct key *k, const char *text, void *field, struct config_arena *arena)
{
	int value;

	if (*text != '\0' && !parse_word_value(k->words, text, &value))
		return false;
	return parse_text(k, text, field, arena);
}

/* LibreSSL's form of a list, which PgBouncer takes: commas or colons, and "!word" to leave one
 * out. */
static bool
parse_words(const struct key *k, const char *text, void *field, struct config_arena *arena)
{
	char word[32];
	int value;

	for (const char *p = text; *p != '\0';) {
		p += strspn(p, " ,:!");
		size_t n = strcspn(p, " ,:");
		if (n == 0)
			break;
		if (n >= sizeof(word))
			return false;
		string_copy(word, p, n + 1);
		if (!parse_word_value(k->words, word, &value))
			return false;
		p += n;
	}
	return parse_text(k, text, field, arena);
}

static bool
parse_check(const struct key *k, const char *text, void *field, struct config_arena *arena)
{
	if (strcmp(text, EMPTY_QUERY) == 0)
		return parse_text(k, "", field, arena);
	return parse_text(k, *text == '\0' ? NULL : text, field, arena);
}

static bool
parse_database(const struct key *k, const char *text, void *field, struct config_arena *arena)
{
	return !config_is_reserved(text) && parse_text(k, text, field, arena);
}

static bool
parse_demands(const struct key *k, const char *text, void *field, struct config_arena *arena)
{
	unsigned demands;

	return demands_parse(text, &demands) && parse_text(k, text, field, arena);
}

static const char *
print_int(const struct key *k, const void *field, char *buf)
{
	int n = *(const int *)field;

	if (n == CONFIG_UNSET && k->min == CONFIG_UNSET)
		return NULL;
	snprintf(buf, VALUE_TEXT, "%d", n);
	return buf;
}

static const char *
print_auto(const struct key *k, const void *field, char *buf)
{
	return *(const int *)field == 0 ? "auto" : print_int(k, field, buf);
}

static const char *
print_mode(const struct key *k, const void *field, char *buf)
{
	(void)k;
	snprintf(buf, VALUE_TEXT, "%04o", (unsigned)*(const int *)field);
	return buf;
}

static const char *
print_enum(const struct key *k, const void *field, char *buf)
{
	(void)buf;
	return key_word_of(k->words, *(const int *)field);
}

static const char *
print_size(const struct key *k, const void *field, char *buf)
{
	(void)k;
	snprintf(buf, VALUE_TEXT, "%lld", (long long)*(const int64_t *)field);
	return buf;
}

static const char *
print_time(const struct key *k, const void *field, char *buf)
{
	usec_t t = *(const usec_t *)field;

	if (t == CONFIG_UNSET && k->min == CONFIG_UNSET)
		return NULL;
	int n = snprintf(buf, VALUE_TEXT, "%lld.%06lld", (long long)(t / USEC_PER_SEC),
		(long long)(t % USEC_PER_SEC));
	while (buf[n - 1] == '0')
		n--;
	buf[buf[n - 1] == '.' ? n - 1 : n] = '\0';
	return buf;
}

static const char *
print_text(const struct key *k, const void *field, char *buf)
{
	const char *text = *(const char *const *)field;

	(void)buf;
	if (text == NULL || (*text == '\0' && k->def == NULL))
		return NULL;
	return text;
}

static const char *
print_check(const struct key *k, const void *field, char *buf)
{
	const char *text = *(const char *const *)field;

	(void)k;
	(void)buf;
	if (text == NULL)
		return "";
	return *text == '\0' ? EMPTY_QUERY : text;
}

static const struct value_type types[] = {
	[KEY_BOOL] = { parse_bool, print_int, sizeof(int) },
	[KEY_INT] = { parse_int, print_int, sizeof(int) },
	[KEY_AUTO] = { parse_auto, print_auto, sizeof(int) },
	[KEY_SIZE] = { parse_size, print_size, sizeof(int64_t) },
	[KEY_TIME] = { parse_time, print_time, sizeof(usec_t) },
	[KEY_MODE] = { parse_mode, print_mode, sizeof(int) },
	[KEY_ENUM] = { parse_enum, print_enum, sizeof(int) },
	[KEY_TEXT] = { parse_text, print_text, sizeof(char *) },
	[KEY_WORD] = { parse_word, print_text, sizeof(char *) },
	[KEY_WORDS] = { parse_words, print_text, sizeof(char *) },
	[KEY_CHECK] = { parse_check, print_check, sizeof(char *) },
	[KEY_DATABASE] = { parse_database, print_text, sizeof(char *) },
	[KEY_DEMANDS] = { parse_demands, print_text, sizeof(char *) },
};

static void *
field_of(const struct key *k, void *base)
{
	return (char *)base + k->offset;
}

static const void *
const_field_of(const struct key *k, const void *base)
{
	return (const char *)base + k->offset;
}

static bool
is_text(const struct key *k)
{
	return types[k->type].print == print_text || types[k->type].print == print_check;
}

bool
value_parse(const struct key *k, void *base, const char *text, struct config_arena *arena,
	struct error *e)
{
	char wanted[250];

	if (types[k->type].parse(k, text, field_of(k, base), arena))
		return true;
	if (k->type == KEY_DATABASE) {
		/* in PgBouncer's words, which its users look for */
		error_set(e, SEVERITY_ERROR, SQLSTATE_CONFIG_FILE,
			"cannot use the reserved \"%.60s\" database as an %s", text, k->name);
		return false;
	}
	error_set(e, SEVERITY_ERROR, SQLSTATE_CONFIG_FILE,
		"invalid value \"%.60s\" for %s: it must be %s", text, k->name,
		value_describe(k, wanted, sizeof(wanted)));
	return false;
}

void
value_reset(const struct key *k, void *base, struct config_arena *arena)
{
	struct error e;

	if (k->def == NULL && is_text(k))
		*(const char **)field_of(k, base) = (k->flags & KEY_NULL) != 0 ? NULL : "";
	else if (k->def == NULL && types[k->type].size == sizeof(int))
		*(int *)field_of(k, base) = CONFIG_UNSET;
	else if (k->def == NULL)
		*(int64_t *)field_of(k, base) = CONFIG_UNSET;
	else if (!value_parse(k, base, k->def, arena, &e))
		abort(); /* the table is wrong, and the first test would tell */
}

const char *
value_print(const struct key *k, const void *base, char *buf)
{
	return types[k->type].print(k, const_field_of(k, base), buf);
}

void
value_copy(const struct key *k, void *dst, const void *src, struct config_arena *arena)
{
	if (is_text(k))
		*(const char **)field_of(k, dst) =
			arena_strdup(arena, *(const char *const *)const_field_of(k, src));
	else
		memcpy(field_of(k, dst), const_field_of(k, src), types[k->type].size);
}

static bool
text_equal(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

bool
value_equal(const struct key *k, const void *a, const void *b)
{
	char abuf[VALUE_TEXT], bbuf[VALUE_TEXT];

	return text_equal(value_print(k, a, abuf), value_print(k, b, bbuf));
}

bool
value_is_default(const struct key *k, const void *base)
{
	char buf[VALUE_TEXT];

	return text_equal(value_print(k, base, buf), k->def);
}

static void __attribute__((format(printf, 3, 4)))
append_text(char *buf, size_t size, const char *fmt, ...)
{
	size_t n = strlen(buf);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(buf + n, size - n, fmt, ap);
	va_end(ap);
}

static void
append_words(const struct key *k, char *buf, size_t size)
{
	const char *comma = "";

	for (const struct key_word *w = k->words; w->word != NULL; w++) {
		append_text(buf, size, "%s%s", comma, w->word);
		comma = ", ";
	}
}

static void
append_range(const struct key *k, char *buf, size_t size)
{
	int64_t min = k->min == CONFIG_UNSET ? 0 : k->min;
	bool open = k->max == INT_MAX || (k->type == KEY_TIME && k->max == SECONDS_MAX);

	if (open)
		append_text(buf, size, ", at least %lld", (long long)min);
	else
		append_text(buf, size, "%s from %lld to %lld", k->type == KEY_SIZE ? "," : "",
			(long long)min, (long long)k->max);
}

const char *
value_describe(const struct key *k, char *buf, size_t size)
{
	static const char *const starts[] = {
		[KEY_BOOL] = "0 or 1 (or off, on, false, true, no, yes)",
		[KEY_INT] = "a whole number",
		[KEY_AUTO] = "auto, or a whole number",
		[KEY_SIZE] = "a number of bytes like 1048576 or 1MB",
		[KEY_TIME] = "a number of seconds like 15 or 0.5",
		[KEY_MODE] = "an octal mode like 0770",
		[KEY_ENUM] = "one of ",
		[KEY_TEXT] = "text",
		[KEY_WORD] = "one of ",
		[KEY_WORDS] = "a list of ",
		[KEY_CHECK] = "a query, " EMPTY_QUERY " for an empty one, or nothing",
		[KEY_DATABASE] = "a database's name, and not that of the console",
		[KEY_DEMANDS] = "empty or a list of " DEMANDS_WORDS ", all of them with ! before or none",
	};

	string_copy(buf, starts[k->type], size);
	if (k->words != NULL)
		append_words(k, buf, size);
	else if (k->type == KEY_INT || k->type == KEY_AUTO || k->type == KEY_SIZE ||
		k->type == KEY_TIME)
		append_range(k, buf, size);
	return buf;
}
