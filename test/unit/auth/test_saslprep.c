#include <criterion/criterion.h>
#include <string.h>

#include "auth/saslprep.h"
#include "base/memory.h"

/* Results are those of PostgreSQL 15's pg_saslprep, or the input where that refuses. */
static const struct {
	const char *password;
	const char *prepared;
} known[] = {
	{ "", "" }, { "user", "user" }, { "USER", "USER" },
	{ "\x07\x7f", "\x07\x7f" }, /* ASCII stays, although the RFC forbids it */
	{ "I\xc2\xadX", "IX" },	    /* soft hyphen */
	{ "\xc2\xaa", "a" },	    /* feminine ordinal */
	{ "\xe2\x85\xa8", "IX" },   /* Roman numeral nine */
	{ "a\xc2\xa0"
	  "b",
		"a b" }, /* no-break space */
	{ "a\xe2\x80\x8b"
	  "b",
		"a b" },	     /* zero width space */
	{ "e\xcc\x81", "\xc3\xa9" }, /* composed */
	{ "\xef\xac\x81", "fi" },    /* ligature */
	{ "\xc2\xad", "\xc2\xad" },  /* nothing would be left */
	{ "\xd8\xa7"
	  "1",
		"\xd8\xa7"
		"1" }, /* Arabic must also end Arabic */
	{ "\xd8\xa7\xc2\xaa\xd8\xa7", "\xd8\xa7\xc2\xaa\xd8\xa7" }, /* both directions */
	{ "\xef\xac\x9d", "\xd7\x99\xd6\xb4" }, /* bidi is checked before NFKC */
	{ "a\xe2\x84\xb5"
	  "b",
		"a\xd7\x90"
		"b" },
	{ "a\xcd\x80"
	  "b\xc2\xaa",
		"a\xcd\x80"
		"b\xc2\xaa" },				    /* prohibited is checked before NFKC */
	{ "\xc2\x80\xc2\xaa", "\xc2\x80\xc2\xaa" },	    /* control character */
	{ "\xee\x80\x80\xc2\xaa", "\xee\x80\x80\xc2\xaa" }, /* private use */
	{ "\xc8\xa1\xc2\xaa", "\xc8\xa1\xc2\xaa" },	    /* not assigned in Unicode 3.2 */
	{ "\xff\xc2\xaa", "\xff\xc2\xaa" },		    /* not UTF-8 */
	{ "\xc2", "\xc2" }, { "\xed\xa0\x80\xc2\xaa", "\xed\xa0\x80\xc2\xaa" }, /* surrogate */
};

Test(saslprep, does_as_postgresql)
{
	for (size_t i = 0; i < lengthof(known); i++) {
		char *got = saslprep(known[i].password);

		cr_expect_str_eq(got, known[i].prepared, "row %zu", i);
		memory_free_secret(got);
	}
}

static char *
repeat(const char *what, size_t bytes)
{
	size_t step = strlen(what), n = bytes / step;
	char *s = memory_zalloc(n * step + 1);

	for (size_t i = 0; i < n; i++)
		memcpy(s + i * step, what, step);
	return s;
}

/* U+FDFA grows most of all characters: to 18 of them, 33 bytes. */
Test(saslprep, has_room_for_the_longest_expansion)
{
	char *s = repeat("\xef\xb7\xba", SASLPREP_MAX);
	char *got = saslprep(s);

	cr_expect_eq(strlen(got), strlen(s) / 3 * 33);
	memory_free_secret(got);
	memory_free_secret(s);
}

Test(saslprep, leaves_what_is_too_long_to_normalize)
{
	char *fits = repeat("\xc2\xaa", SASLPREP_MAX),
	     *longer = repeat("\xc2\xaa", SASLPREP_MAX + 2);
	char *got = saslprep(fits), *same = saslprep(longer);

	cr_expect_eq(strlen(got), SASLPREP_MAX / 2);
	cr_expect_str_eq(same, longer);
	memory_free_secret(got);
	memory_free_secret(same);
	memory_free_secret(fits);
	memory_free_secret(longer);
}
