#include "pg/cancel.h"

#include <criterion/criterion.h>
#include <string.h>

#include "pg/startup.h"

TestSuite(cancel, .init = cancel_init);

Test(cancel, a_key_fits_its_client_only)
{
	static const size_t sizes[] = { CANCEL_KEY_3_0, CANCEL_KEY_3_2 };
	static const uint32_t ids[] = { 0, 1, 2, 0x01000000, UINT32_MAX };

	for (size_t s = 0; s < 2; s++) {
		for (size_t i = 0; i < 5; i++) {
			uint8_t key[CANCEL_KEY_3_2];
			cancel_client_key(ids[i], key, sizes[s]);
			for (size_t j = 0; j < 5; j++)
				cr_assert_eq(cancel_client_key_matches(ids[j], key, sizes[s]),
					i == j);
		}
	}
}

Test(cancel, every_bit_counts)
{
	static const size_t sizes[] = { CANCEL_KEY_3_0, CANCEL_KEY_3_2 };

	for (size_t s = 0; s < 2; s++) {
		uint8_t key[CANCEL_KEY_3_2];
		cancel_client_key(4711, key, sizes[s]);
		for (size_t bit = 0; bit < 8 * sizes[s]; bit++) {
			key[bit / 8] ^= (uint8_t)(1 << bit % 8);
			cr_assert_not(cancel_client_key_matches(4711, key, sizes[s]), "bit %zu",
				bit);
			key[bit / 8] ^= (uint8_t)(1 << bit % 8);
		}
		cr_assert(cancel_client_key_matches(4711, key, sizes[s]));
	}
}

/* A prefix of the right key is no key. */
Test(cancel, other_sizes_never_match)
{
	uint8_t key[CANCEL_KEY_MAX] = { 0 };

	cancel_client_key(1, key, CANCEL_KEY_3_2);
	for (size_t size = 0; size <= CANCEL_KEY_MAX; size++) {
		bool legal = size == CANCEL_KEY_3_0 || size == CANCEL_KEY_3_2;
		cr_assert_eq(cancel_client_key_matches(1, key, size), legal, "size %zu", size);
	}
}

Test(cancel, the_secret_is_drawn_anew)
{
	uint8_t key[CANCEL_KEY_3_2];

	cancel_client_key(1, key, sizeof(key));
	cancel_init();
	cr_assert_not(cancel_client_key_matches(1, key, sizeof(key)));
}

Test(cancel, request_is_read_by_startup)
{
	static const size_t sizes[] = { 4, 32, CANCEL_KEY_MAX };
	uint8_t key[CANCEL_KEY_MAX];

	for (size_t i = 0; i < sizeof(key); i++)
		key[i] = (uint8_t)(255 - i);
	for (size_t i = 0; i < 3; i++) {
		struct buffer b = BUFFER_INIT;
		struct startup s;
		struct error e;
		size_t size;
		cancel_write_request(&b, 0xdeadbeef, key, sizes[i]);
		cr_assert_eq(startup_parse(buffer_head(&b), buffer_left(&b), &size, &s, &e),
			STARTUP_OK);
		cr_assert_eq(size, buffer_left(&b));
		cr_assert_eq(s.kind, STARTUP_CANCEL);
		cr_assert_eq(s.cancel_pid, 0xdeadbeef);
		cr_assert_eq(s.cancel_key_size, sizes[i]);
		cr_assert_arr_eq(s.cancel_key, key, sizes[i]);
		buffer_release(&b);
	}
}
