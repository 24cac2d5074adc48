#include "server/known_keys.h"

#include <criterion/criterion.h>
#include <string.h>

#include "base/memory.h"

static const uint8_t salt[] = "0123456789abcdef", other_salt[] = "0123456789abcdeg";

Test(known_keys, finds_what_was_kept)
{
	struct keys_origin from = { .password = "secret", .salt = salt, .salt_size = 16, .iterations = 4096 };
	struct scram_keys keys, found;
	struct known_keys *k = NULL;

	cr_assert_not(known_keys_find(k, &from, &found));
	memset(&keys, 7, sizeof(keys));
	known_keys_keep(&k, &from, &keys);
	cr_assert(known_keys_find(k, &from, &found));
	cr_assert_eq(memcmp(&keys, &found, sizeof(keys)), 0);
	known_keys_free(&k);
	cr_assert_null(k);
	known_keys_free(&k);
}

Test(known_keys, finds_nothing_of_another_origin)
{
	struct keys_origin from = { .password = "secret", .salt = salt, .salt_size = 16, .iterations = 4096 };
	const struct keys_origin others[] = {
		{ .password = "secreT", .salt = salt, .salt_size = 16, .iterations = 4096 },
		{ .password = "secret1", .salt = salt, .salt_size = 16, .iterations = 4096 },
		{ .password = "", .salt = salt, .salt_size = 16, .iterations = 4096 },
		{ .password = "secret", .salt = other_salt, .salt_size = 16, .iterations = 4096 },
		{ .password = "secret", .salt = salt, .salt_size = 15, .iterations = 4096 },
		{ .password = "secret", .salt = salt, .salt_size = 0, .iterations = 4096 },
		{ .password = "secret", .salt = salt, .salt_size = 16, .iterations = 4097 },
		{ .password = "secret", .salt = salt, .salt_size = SCRAM_SALT_MAX + 1, .iterations = 4096 },
	};
	struct scram_keys keys, found;
	struct known_keys *k = NULL;

	memset(&keys, 7, sizeof(keys));
	known_keys_keep(&k, &from, &keys);
	for (size_t i = 0; i < lengthof(others); i++)
		cr_assert_not(known_keys_find(k, &others[i], &found), "%zu", i);
	/* The last ones take their place. */
	known_keys_keep(&k, &others[0], &keys);
	cr_assert_not(known_keys_find(k, &from, &found));
	cr_assert(known_keys_find(k, &others[0], &found));
	known_keys_free(&k);
}
