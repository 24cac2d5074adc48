/*
 * Any text: sql_digest and sql_normalize agree on what it is, read nothing behind it, and
 * what is shown of it is what it was.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "sql/classify.h"
#include "sql/digest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(int truth)
{
	if (!truth)
		abort();
}

/* The comment lies in the text; only known verbs and effects are told. */
static void
check_digest(const struct sql_digest *d, const char *text, size_t n)
{
	check(d->hash != 0 && d->verb < SQL_VERBS);
	check((d->effects & ~(SQL_EFFECTS | SQL_EFFECT_CODE | SQL_EFFECT_ROWS)) == 0);
	if (d->comment != NULL) {
		check(d->comment >= text && d->comment_size <= n - (size_t)(d->comment - text));
		check(memchr(d->comment, '=', d->comment_size) != NULL);
	}
}

/* Cut to any size, it is a string of that size; and `whole` but for the mark of the cut. */
static void
check_cut(const char *text, size_t n, const char *whole, size_t length)
{
	char out[64];

	for (size_t size = 1; size <= sizeof(out); size += 1 + size / 4) {
		memset(out, 'x', sizeof(out));
		size_t cut = sql_normalize(text, n, out, size);
		check(cut < size && strlen(out) == cut);
		if (length < size)
			check(strcmp(out, whole) == 0);
		else if (cut > 3)
			check(memcmp(out, whole, cut - 3) == 0 && strcmp(out + cut - 3, "...") == 0);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	struct sql_digest d, again;

	sql_digest(text, size, &d);
	check_digest(&d, text, size);

	/* A byte becomes three at most (U+FFFD); a literal's number or a mark of a fold, a few more. */
	size_t room = size * 16 + 64;
	char *out = malloc(room);
	check(out != NULL);
	size_t n = sql_normalize(text, size, out, room);
	check(n < room && strlen(out) == n);
	if (strstr(out, "\xEF\xBF\xBD") == NULL) {
		sql_digest(out, n, &again);
		check(again.hash == d.hash && again.verb == d.verb && again.comment == NULL);
		/* Half an element, at the end of a text that was cut, is not shown. */
		check((again.effects & ~d.effects) == 0);
	}
	check_cut(text, size, out, n);
	if (n < 128)
		free(sql_preparable(out));
	free(out);
	return 0;
}
