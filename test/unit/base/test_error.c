#include "base/error.h"

#include <criterion/criterion.h>
#include <string.h>

Test(error, set_fills_all_and_forgets_the_last)
{
	struct error e;

	memset(&e, 'x', sizeof(e));
	error_set(&e, SEVERITY_FATAL, "3D000", "database \"%s\" does not exist", "shop");
	cr_assert_eq(e.severity, SEVERITY_FATAL);
	cr_assert_str_eq(e.sqlstate, "3D000");
	cr_assert_str_eq(e.message, "database \"shop\" does not exist");
	cr_assert_str_empty(e.detail);
	cr_assert_str_empty(e.hint);

	error_detail(&e, "There are %d.", 3);
	error_hint(&e, "Ask %s.", "an operator");
	cr_assert_str_eq(e.detail, "There are 3.");
	cr_assert_str_eq(e.hint, "Ask an operator.");

	error_set(&e, SEVERITY_ERROR, "57014", "canceled");
	cr_assert_str_empty(e.detail);
	cr_assert_str_empty(e.hint);
}

/* Every length around the size of the field. */
Test(error, text_is_cut_to_fit)
{
	struct error e;
	char text[sizeof(e.message) + 10];

	for (size_t len = sizeof(e.message) - 5; len < sizeof(text); len++) {
		memset(text, 'a', len);
		text[len] = '\0';
		error_set(&e, SEVERITY_ERROR, "XX000", "%s", text);
		size_t want = len < sizeof(e.message) ? len : sizeof(e.message) - 1;
		cr_assert_eq(strlen(e.message), want);
	}
}

Test(error, text_is_cut_between_characters)
{
	static const char *const characters[] = { "\xc3\xa4", "\xe2\x82\xac", "\xf0\x9f\x90\x98" };
	struct error e;
	char text[sizeof(e.message) + 10];

	for (size_t c = 0; c < 3; c++) {
		size_t size = strlen(characters[c]);
		for (size_t shift = 0; shift < size; shift++) {
			memset(text, 'a', shift);
			text[shift] = '\0';
			while (strlen(text) < sizeof(e.message))
				strcat(text, characters[c]);
			error_set(&e, SEVERITY_ERROR, "XX000", "%s", text);
			size_t len = strlen(e.message);
			cr_assert_eq((len - shift) % size, 0);
			cr_assert_gt(len + size, sizeof(e.message) - 1);
		}
	}
}

Test(error, severities_have_the_words_of_postgresql)
{
	cr_assert_str_eq(severity_name(SEVERITY_WARNING), "WARNING");
	cr_assert_str_eq(severity_name(SEVERITY_NOTICE), "NOTICE");
	cr_assert_str_eq(severity_name(SEVERITY_ERROR), "ERROR");
	cr_assert_str_eq(severity_name(SEVERITY_FATAL), "FATAL");
}
