#include "base/buffer.h"

#include <criterion/criterion.h>
#include <string.h>

static void
check_invariants(const struct buffer *b)
{
	cr_assert(b->off <= b->len && b->len <= b->cap);
	cr_assert_eq(b->data == NULL, b->cap == 0);
}

Test(buffer, is_empty_and_without_memory_at_first)
{
	struct buffer a = BUFFER_INIT, b;

	memset(&b, 0xff, sizeof(b));
	buffer_init(&b);
	cr_assert_eq(a.cap, 0);
	cr_assert_null(b.data);
	cr_assert_eq(buffer_left(&b), 0);
	buffer_release(&a);
	buffer_wipe(&b);
	check_invariants(&b);
}

Test(buffer, an_empty_append_takes_no_memory)
{
	struct buffer b = BUFFER_INIT;

	buffer_append(&b, NULL, 0);
	cr_assert_null(b.data);
}

/* The n-th byte ever appended is n mod 251. */
static void
append_counted(struct buffer *b, size_t from, size_t n)
{
	uint8_t *to = buffer_reserve(b, n);

	cr_assert_geq(b->cap - b->len, n);
	for (size_t i = 0; i < n; i++)
		to[i] = (uint8_t)((from + i) % 251);
	buffer_added(b, n);
}

/* A queue that grows, shrinks and moves loses no byte and mixes none up. */
Test(buffer, keeps_the_order_whatever_the_steps)
{
	static const struct {
		size_t append, consume;
	} steps[] = {
		{ 1, 0 },
		{ 127, 1 },
		{ 128, 100 },
		{ 1, 156 },
		{ 5000, 1 },
		{ 0, 4999 },
		{ 4096, 4095 },
		{ 1, 2 },
		{ 65536, 0 },
		{ 3, 65000 },
		{ 300, 10 },
	};
	struct buffer b = BUFFER_INIT;
	size_t in = 0, out = 0;

	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		append_counted(&b, in, steps[i].append);
		in += steps[i].append;
		buffer_consume(&b, steps[i].consume);
		out += steps[i].consume;
		check_invariants(&b);
		cr_assert_eq(buffer_left(&b), in - out);
		for (size_t j = 0; j < buffer_left(&b); j++)
			cr_assert_eq(buffer_head(&b)[j], (out + j) % 251);
	}
	buffer_release(&b);
	check_invariants(&b);
}

Test(buffer, reserve_of_what_fits_moves_nothing)
{
	struct buffer b = BUFFER_INIT;
	const uint8_t *data = buffer_reserve(&b, 100);
	size_t cap = b.cap;

	buffer_added(&b, 60);
	buffer_consume(&b, 10);
	cr_assert_eq(buffer_reserve(&b, cap - 60), data + 60);
	cr_assert_eq(b.off, 10);
	buffer_release(&b);
}

Test(buffer, reuses_consumed_room_instead_of_growing)
{
	struct buffer b = BUFFER_INIT;

	append_counted(&b, 0, 128);
	size_t cap = b.cap;
	size_t in = 128, out = 0;
	for (int i = 0; i < 1000; i++) {
		buffer_consume(&b, 100);
		out += 100;
		append_counted(&b, in, 100);
		in += 100;
		cr_assert_eq(buffer_head(&b)[0], out % 251);
	}
	cr_assert_leq(b.cap, 2 * cap);
	buffer_release(&b);
}

Test(buffer, starts_over_when_all_is_consumed)
{
	struct buffer b = BUFFER_INIT;

	buffer_append(&b, "abc", 3);
	buffer_consume(&b, 3);
	cr_assert_eq(b.off, 0);
	cr_assert_eq(b.len, 0);
	buffer_release(&b);
}

Test(buffer, clear_keeps_the_memory)
{
	struct buffer b = BUFFER_INIT;

	buffer_append(&b, "secret", 6);
	const uint8_t *data = b.data;
	buffer_clear(&b);
	cr_assert_eq(buffer_left(&b), 0);
	cr_assert_eq(b.data, data);
	buffer_append(&b, "x", 1);
	cr_assert_eq(buffer_head(&b)[0], 'x');
	buffer_release(&b);
}

Test(buffer, grows_by_doubling)
{
	struct buffer b = BUFFER_INIT;
	size_t moves = 0, cap = 0;

	for (size_t i = 0; i < 1000000; i++) {
		buffer_append(&b, "x", 1);
		moves += b.cap != cap;
		cap = b.cap;
	}
	cr_assert_lt(moves, 20);
	buffer_release(&b);
}
