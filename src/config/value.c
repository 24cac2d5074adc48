#include "config/value.h"

#include <libpq-fe.h>
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
#include "config/http.h"
#include "config/networks.h"
#include "redis/url.h"

#define FRACTION_DIGITS 6
#define EMPTY_QUERY "<empty>"

/* One row a type: how its text becomes a field and back. */
struct value_type {
	bool (*parse)(const struct key *k, const char *text, void *field,
		struct config_arena *arena);
	const char *(*print)(const struct key *k, const void *field, char *buf);
};

static void
store(const struct key *k, void *field, int64_t n)
{
	switch (k->size) {
	case sizeof(int8_t):
		*(int8_t *)field = (int8_t)n;
		break;
	case sizeof(int16_t):
		*(int16_t *)field = (int16_t)n;
		break;
	case sizeof(int32_t):
		*(int32_t *)field = (int32_t)n;
		break;
	default:
		*(int64_t *)field = n;
	}
}

static int64_t
load(const struct key *k, const void *field)
{
	switch (k->size) {
	case sizeof(int8_t):
		return *(const int8_t *)field;
	case sizeof(int16_t):
		return *(const int16_t *)field;
	case sizeof(int32_t):
		return *(const int32_t *)field;
	default:
		return *(const int64_t *)field;
	}
}

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
	store(k, field, n);
	return true;
}

static bool
parse_auto(const struct key *k, const char *text, void *field, struct config_arena *arena)
{
	if (!string_equal_nocase(text, "auto"))
		return parse_int(k, text, field, arena);
	store(k, field, 0);
	return true;
}

static bool
parse_pool(const struct key *k, const char *text, void *field, struct config_arena *arena)
{
	if (!string_equal_nocase(text, "auto"))
		return parse_int(k, text, field, arena);
	store(k, field, POOL_SIZE_AUTO);
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

	int value;

	(void)arena;
	if (!parse_word_value(words, text, &value))
		return false;
	store(k, field, value);
	return true;
}

static bool
parse_enum(const struct key *k, const char *text, void *field, struct config_arena *arena)
{
	int value;

	(void)arena;
	if (!parse_word_value(k->words, text, &value))
		return false;
	store(k, field, value);
	return true;
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
	store(k, field, n);
	return true;
}

/* No percent between "off" and "as it was" makes sense. */
static bool
parse_growth(const struct key *k, const char *text, void *field, struct config_arena *arena)
{
	int64_t n;

	(void)arena;
	if (!string_to_int64(text, &n) || !in_range(k, n) || (n > 0 && n <= 100))
		return false;
	store(k, field, n);
	return true;
}

static bool
is_unset(const struct key *k, const char *text)
{
	return k->min == CONFIG_UNSET && strcmp(text, "-1") == 0;
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
	if (is_unset(k, text)) {
		store(k, field, CONFIG_UNSET);
		return true;
	}
	if (digits >= sizeof(number) || (*unit != '\0' && !parse_word_value(units, unit, &shift)))
		return false;
	string_copy(number, text, digits + 1);
	if (!string_to_int64(number, &n) || n > (INT64_MAX >> shift) || !in_range(k, n << shift))
		return false;
	store(k, field, n << shift);
	return true;
}

/* Digits behind the point to millionths; what is finer is cut. */
static int64_t
parse_fraction(const char *p, size_t digits)
{
	int64_t millionths = 0;

	for (size_t i = 0; i < FRACTION_DIGITS; i++)
		millionths = millionths * 10 + (i < digits ? p[i] - '0' : 0);
	return millionths;
}

/* "12" or "12.5" at the beginning of text.  Returns what follows, or NULL. */
static const char *
parse_decimal(const char *text, int64_t *whole, int64_t *millionths)
{
	char number[20];
	size_t digits = strspn(text, "0123456789");
	const char *p = text + digits;

	if (digits == 0 || digits >= sizeof(number))
		return NULL;
	string_copy(number, text, digits + 1);
	if (!string_to_int64(number, whole))
		return NULL;
	*millionths = 0;
	if (*p == '.') {
		size_t more = strspn(++p, "0123456789");
		*millionths = parse_fraction(p, more);
		p += more;
	}
	return p;
}

static bool
parse_time(const struct key *k, const char *text, void *field, struct config_arena *arena)
{
	int64_t seconds, fraction;
	const char *rest;

	(void)arena;
	if (is_unset(k, text)) {
		store(k, field, CONFIG_UNSET);
		return true;
	}
	rest = parse_decimal(text, &seconds, &fraction);
	if (rest == NULL || *rest != '\0' || !in_range(k, seconds))
		return false;
	store(k, field, seconds * USEC_PER_SEC + fraction);
	return true;
}

/* "1500", "1500ms", "1.5 s" are the same. */
static bool
parse_msec(const struct key *k, const char *text, void *field, struct config_arena *arena)
{
	static const struct key_word units[] = {
		{ "ms", 1 },
		{ "s", 1000 },
		{ "min", 60000 },
		{ NULL, 0 },
	};
	int64_t whole, fraction;
	int msec = 1;
	const char *unit;

	(void)arena;
	if (is_unset(k, text)) {
		store(k, field, CONFIG_UNSET);
		return true;
	}
	unit = parse_decimal(text, &whole, &fraction);
	if (unit == NULL)
		return false;
	unit += strspn(unit, " ");
	if ((*unit != '\0' && !parse_word_value(units, unit, &msec)) || whole > k->max / msec ||
		!in_range(k, whole * msec + fraction * msec / 1000000))
		return false;
	store(k, field, whole * msec * USEC_PER_MSEC + fraction * msec / 1000);
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

/* A list of words, at least one. */
static bool
parse_bits(const struct key *k, const char *text, void *field, struct config_arena *arena)
{
	char word[32];
	int bit, bits = 0;

	(void)arena;
	for (const char *p = text;;) {
		size_t n = strcspn(p, ",");
		if (n >= sizeof(word))
			return false;
		string_copy(word, p, n + 1);
		if (!parse_word_value(k->words, word, &bit))
			return false;
		bits |= bit;
		if (p[n] == '\0')
			break;
		p += n + 1;
	}
	store(k, field, bits);
	return true;
}

static bool
parse_listen(const struct key *k, const char *text, void *field, struct config_arena *arena)
{
	return http_list_is_good(text) && parse_text(k, text, field, arena);
}

static bool
parse_url(const struct key *k, const char *text, void *field, struct config_arena *arena)
{
	return (*text == '\0' || http_url_is_good(text)) && parse_text(k, text, field, arena);
}

static bool
parse_hosts(const struct key *k, const char *text, void *field, struct config_arena *arena)
{
	return http_hosts_are_good(text) && parse_text(k, text, field, arena);
}

/* Words with commas between, none twice, at least one. */
static bool
parse_list(const struct key *k, const char *text, void *field, struct config_arena *arena)
{
	char word[32];
	unsigned seen = 0;
	int value;

	for (const char *p = text;;) {
		p += strspn(p, " \t");
		size_t n = strcspn(p, ", \t");
		if (n >= sizeof(word))
			return false;
		string_copy(word, p, n + 1);
		if (!parse_word_value(k->words, word, &value) || (seen & 1u << value) != 0)
			return false;
		seen |= 1u << value;
		p += n + strspn(p + n, " \t");
		if (*p == '\0')
			break;
		if (*p++ != ',')
			return false;
	}
	return parse_text(k, text, field, arena);
}

static bool
parse_networks(const struct key *k, const char *text, void *field, struct config_arena *arena)
{
	return networks_are_good(text) && parse_text(k, text, field, arena);
}

/* Case does not count in what it is compared with. */
static bool
parse_suffix(const struct key *k, const char *text, void *field, struct config_arena *arena)
{
	char folded[256];
	size_t n = strlen(text);

	if (n >= sizeof(folded) || (n > 0 && (*text != '.' || n < 2 || text[n - 1] == '.')) || strstr(text, "..") != NULL)
		return false;
	for (size_t i = 0; i <= n; i++) {
		folded[i] = string_lower(text[i]);
		if (i < n && strchr("abcdefghijklmnopqrstuvwxyz0123456789-_.", folded[i]) == NULL)
			return false;
	}
	return parse_text(k, folded, field, arena);
}

static bool
parse_tenant(const struct key *k, const char *text, void *field, struct config_arena *arena)
{
	return (*text == '\0' || config_is_tenant_name(text)) && parse_text(k, text, field, arena);
}

static bool
parse_connection(const struct key *k, const char *text, void *field, struct config_arena *arena)
{
	PQconninfoOption *options = PQconninfoParse(text, NULL);

	if (options == NULL)
		return false;
	PQconninfoFree(options);
	return parse_text(k, text, field, arena);
}

static bool
parse_redis(const struct key *k, const char *text, void *field, struct config_arena *arena)
{
	struct redis_address address;
	struct error e;

	if (*text != '\0') {
		if (!redis_parse_url(text, &address, &e))
			return false;
		redis_address_release(&address);
	}
	return parse_text(k, text, field, arena);
}

static const char *
print_int(const struct key *k, const void *field, char *buf)
{
	int64_t n = load(k, field);

	if (n == CONFIG_UNSET && k->min == CONFIG_UNSET)
		return NULL;
	snprintf(buf, VALUE_TEXT, "%lld", (long long)n);
	return buf;
}

static const char *
print_auto(const struct key *k, const void *field, char *buf)
{
	return load(k, field) == 0 ? "auto" : print_int(k, field, buf);
}

static const char *
print_pool(const struct key *k, const void *field, char *buf)
{
	return load(k, field) == POOL_SIZE_AUTO ? "auto" : print_int(k, field, buf);
}

static const char *
print_mode(const struct key *k, const void *field, char *buf)
{
	snprintf(buf, VALUE_TEXT, "%04o", (unsigned)load(k, field));
	return buf;
}

static const char *
print_enum(const struct key *k, const void *field, char *buf)
{
	(void)buf;
	return key_word_of(k->words, (int)load(k, field));
}

static const char *
print_bits(const struct key *k, const void *field, char *buf)
{
	size_t n = 0;

	for (const struct key_word *w = k->words; w->word != NULL; w++)
		if ((load(k, field) & w->value) != 0)
			n += (size_t)snprintf(buf + n, VALUE_TEXT - n, "%s%s", n == 0 ? "" : ",", w->word);
	return buf;
}

static const char *
print_size(const struct key *k, const void *field, char *buf)
{
	return print_int(k, field, buf);
}

/* Without the zeros that say nothing. */
static const char *
trim_decimal(char *buf)
{
	size_t n = strlen(buf);

	while (buf[n - 1] == '0')
		n--;
	buf[buf[n - 1] == '.' ? n - 1 : n] = '\0';
	return buf;
}

static const char *
print_time(const struct key *k, const void *field, char *buf)
{
	usec_t t = load(k, field);

	if (t == CONFIG_UNSET && k->min == CONFIG_UNSET)
		return NULL;
	snprintf(buf, VALUE_TEXT, "%lld.%06lld", (long long)(t / USEC_PER_SEC), (long long)(t % USEC_PER_SEC));
	return trim_decimal(buf);
}

static const char *
print_msec(const struct key *k, const void *field, char *buf)
{
	usec_t t = load(k, field);

	if (t == CONFIG_UNSET && k->min == CONFIG_UNSET)
		return NULL;
	snprintf(buf, VALUE_TEXT, "%lld.%03lld", (long long)(t / USEC_PER_MSEC), (long long)(t % USEC_PER_MSEC));
	return trim_decimal(buf);
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
	[KEY_BOOL] = { parse_bool, print_int },
	[KEY_INT] = { parse_int, print_int },
	[KEY_AUTO] = { parse_auto, print_auto },
	[KEY_POOL] = { parse_pool, print_pool },
	[KEY_SIZE] = { parse_size, print_size },
	[KEY_TIME] = { parse_time, print_time },
	[KEY_MSEC] = { parse_msec, print_msec },
	[KEY_GROWTH] = { parse_growth, print_int },
	[KEY_MODE] = { parse_mode, print_mode },
	[KEY_ENUM] = { parse_enum, print_enum },
	[KEY_BITS] = { parse_bits, print_bits },
	[KEY_TEXT] = { parse_text, print_text },
	[KEY_WORD] = { parse_word, print_text },
	[KEY_WORDS] = { parse_words, print_text },
	[KEY_CHECK] = { parse_check, print_check },
	[KEY_DATABASE] = { parse_database, print_text },
	[KEY_DEMANDS] = { parse_demands, print_text },
	[KEY_LISTEN] = { parse_listen, print_text },
	[KEY_URL] = { parse_url, print_text },
	[KEY_HOSTS] = { parse_hosts, print_text },
	[KEY_LIST] = { parse_list, print_text },
	[KEY_NETWORKS] = { parse_networks, print_text },
	[KEY_SUFFIX] = { parse_suffix, print_text },
	[KEY_TENANT] = { parse_tenant, print_text },
	[KEY_SETTINGS] = { parse_connection, print_text },
	[KEY_REDIS] = { parse_redis, print_text },
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

bool
value_is_text(const struct key *k)
{
	return types[k->type].print == print_text || types[k->type].print == print_check;
}

int64_t
value_number(const struct key *k, const void *base)
{
	return load(k, const_field_of(k, base));
}

void
value_set_number(const struct key *k, void *base, int64_t n)
{
	store(k, field_of(k, base), n);
}

const char **
value_text(const struct key *k, void *base)
{
	return field_of(k, base);
}

bool
value_parse(const struct key *k, void *base, const char *text, struct config_arena *arena,
	struct error *e)
{
	char wanted[250];
	const char *hint = "";

	if (types[k->type].parse(k, text, field_of(k, base), arena))
		return true;
	if (k->type == KEY_DATABASE) {
		/* in PgBouncer's words, which its users look for */
		error_set(e, SEVERITY_ERROR, SQLSTATE_CONFIG_FILE,
			"cannot use the reserved \"%.60s\" database as an %s", text, k->name);
		return false;
	}
	if (*text == '"' || *text == '\'')
		hint = "; values stand without quotes";
	else if (strpbrk(text, ";#") != NULL)
		hint = "; a comment stands in a line of its own";
	if ((k->flags & KEY_HIDDEN) != 0)
		error_set(e, SEVERITY_ERROR, SQLSTATE_CONFIG_FILE, "invalid value for %s: it must be %s", k->name,
			value_describe(k, wanted, sizeof(wanted)));
	else
		error_set(e, SEVERITY_ERROR, SQLSTATE_CONFIG_FILE,
			"invalid value \"%.60s\" for %s: it must be %s%s", text, k->name,
			value_describe(k, wanted, sizeof(wanted)), hint);
	return false;
}

void
value_reset(const struct key *k, void *base, struct config_arena *arena)
{
	struct error e;

	if (k->def == NULL && value_is_text(k))
		*(const char **)field_of(k, base) = (k->flags & KEY_NULL) != 0 ? NULL : "";
	else if (k->def == NULL)
		store(k, field_of(k, base), CONFIG_UNSET);
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
	if (value_is_text(k))
		*(const char **)field_of(k, dst) =
			arena_strdup(arena, *(const char *const *)const_field_of(k, src));
	else
		store(k, field_of(k, dst), load(k, const_field_of(k, src)));
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
	bool open = k->max == INT_MAX || (k->type == KEY_TIME && k->max == SECONDS_MAX) ||
		(k->type == KEY_MSEC && k->max == MSEC_MAX);

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
		[KEY_POOL] = "auto, or a whole number",
		[KEY_SIZE] = "a number of bytes like 1048576 or 1MB",
		[KEY_TIME] = "a number of seconds like 15 or 0.5",
		[KEY_MSEC] = "a number of milliseconds like 500, or with a unit like 500ms, 1.5s or 2min",
		[KEY_GROWTH] = "0, or a percentage above 100",
		[KEY_MODE] = "an octal mode like 0770",
		[KEY_ENUM] = "one of ",
		[KEY_BITS] = "a list, with commas, of ",
		[KEY_TEXT] = "text",
		[KEY_WORD] = "one of ",
		[KEY_WORDS] = "a list of ",
		[KEY_CHECK] = "a query, " EMPTY_QUERY " for an empty one, or nothing",
		[KEY_DATABASE] = "a database's name, and not that of the console",
		[KEY_DEMANDS] = "empty or a list of " DEMANDS_WORDS ", all of them with ! before or none",
		[KEY_LISTEN] = "empty or a list of addresses like 127.0.0.1:8432, [::1]:8432 or /run/pgusher/http.sock",
		[KEY_URL] = "empty or a URL that begins with http:// or https://",
		[KEY_LIST] = "a list, with commas and each word once, of ",
		[KEY_NETWORKS] = "empty or a list, with commas, of networks like 10.0.0.0/8, 2001:db8::/32, addresses and unix, "
			"with no bit set behind a network's length",
		[KEY_SUFFIX] = "empty or what host names end with, like .db.example.com",
		[KEY_TENANT] = "empty or the name of a tenant: letters, digits, _, - and ., at most 63",
		[KEY_SETTINGS] = "empty or a connection string, like \"host=10.0.0.5 dbname=catalogue user=pgusher\"",
		[KEY_REDIS] = "empty or a URL like redis://:password@10.0.0.9:6379/0",
		[KEY_HOSTS] = "empty or a list of names like pooler.example.com, without http:// and port",
	};

	string_copy(buf, starts[k->type], size);
	if (k->words != NULL)
		append_words(k, buf, size);
	else if (k->type == KEY_INT || k->type == KEY_AUTO || k->type == KEY_POOL || k->type == KEY_SIZE ||
		k->type == KEY_TIME || k->type == KEY_MSEC)
		append_range(k, buf, size);
	return buf;
}
