#include "base/memory.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

Test(memory, nothing_is_something)
{
	char *a = memory_alloc(0), *b = memory_zalloc(0), *c = memory_realloc(NULL, 0);

	cr_assert(a != NULL && b != NULL && c != NULL);
	free(a);
	free(b);
	free(memory_realloc(c, 0));
}

Test(memory, zalloc_zeroes)
{
	static const char zeroes[1000];
	char *p = memory_zalloc(sizeof(zeroes));

	cr_assert_arr_eq(p, zeroes, sizeof(zeroes));
	free(p);
}

Test(memory, strings_are_copied)
{
	char *all = memory_strdup("tenant"), *part = memory_strndup("tenant", 3);
	char *longer = memory_strndup("tenant", 100), *none = memory_strndup("tenant", 0);

	cr_assert_str_eq(all, "tenant");
	cr_assert_str_eq(part, "ten");
	cr_assert_str_eq(longer, "tenant");
	cr_assert_str_empty(none);
	free(all);
	free(part);
	free(longer);
	free(none);
}

Test(memory, wipe_zeroes_no_more_than_asked)
{
	char text[] = "secret";

	memory_wipe(text + 1, 4);
	cr_assert_arr_eq(text, "s\0\0\0\0t", 7);
	memory_free_secret(NULL);
	memory_free_secret(memory_strdup("secret"));
}

/* Under a sanitizer malloc must fail as it does elsewhere, not report. */
const char *__asan_default_options(void);
const char *__tsan_default_options(void);

const char *
__asan_default_options(void)
{
	return "allocator_may_return_null=1";
}

const char *
__tsan_default_options(void)
{
	return "allocator_may_return_null=1";
}

Test(memory, too_much_aborts, .signal = SIGABRT)
{
	log_set_stderr(false);
	free(memory_alloc(PTRDIFF_MAX));
}

struct outer {
	int before;
	int member;
};

Test(memory, container_of_finds_the_object)
{
	struct outer o;

	cr_assert_eq(container_of(&o.member, struct outer, member), &o);
	cr_assert_eq(lengthof("abc"), 4);
}
