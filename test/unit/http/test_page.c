#include "http/page.h"

#include <criterion/criterion.h>
#include <string.h>

static const char *const paths[] = { "/", "/style.css", "/script.js" };

#define NPATHS (sizeof(paths) / sizeof(paths[0]))

Test(page, files_are_whole)
{
	static const char *const ends[] = { "</html>\n", "}\n", "start();\n" };

	for (size_t i = 0; i < NPATHS; i++) {
		const struct page_file *f = page_find(paths[i]);
		size_t n = strlen(ends[i]);

		cr_assert_not_null(f, "%s", paths[i]);
		cr_assert_str_eq(f->path, paths[i]);
		cr_assert_gt(f->n, n);
		cr_assert_arr_eq((const char *)f->bytes + f->n - n, ends[i], n, "%s", paths[i]);
	}
}

/* A page on a slow line at night. */
Test(page, files_are_small)
{
	size_t n = 0;

	for (size_t i = 0; i < NPATHS; i++)
		n += page_find(paths[i])->n;
	cr_assert_lt(n, 100 * 1000);
}

Test(page, etags_are_quoted_stay_and_differ)
{
	for (size_t i = 0; i < NPATHS; i++) {
		const char *etag = page_find(paths[i])->etag;

		cr_assert_eq(strlen(etag), 18);
		cr_assert(etag[0] == '"' && etag[17] == '"', "%s", etag);
		cr_assert_str_eq(page_find(paths[i])->etag, etag);
		for (size_t j = 0; j < i; j++)
			cr_assert_str_neq(page_find(paths[j])->etag, etag);
	}
}

Test(page, nothing_else_is_a_file)
{
	static const char *const others[] = { "", "/index.html", "//", "/style.css/", "/STYLE.CSS", "/../script.js" };

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		cr_assert_null(page_find(others[i]), "%s", others[i]);
}
