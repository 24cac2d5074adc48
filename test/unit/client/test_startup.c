/*
 * A client's first packets, over a plain socket; for encryption see test_tls.c.
 */
#include "stage.h"

#include "pg/cancel.h"

TestSuite(client_startup, .init = stage_begin, .fini = stage_end);

Test(client_startup, a_startup_packet_split_at_every_byte)
{
	struct buffer b = BUFFER_INIT;

	write_startup(&b, STARTUP_VERSION_3_0, alice);
	for (size_t split = 0; split <= b.len; split++) {
		arrive();
		if (split > 0)
			tell(b.data, split);
		cr_assert_eq(seen.startups, split == b.len);
		if (split < b.len)
			tell(b.data + split, b.len - split);
		cr_assert_eq(seen.startups, 1);
		cr_assert_str_eq(seen.user, "alice");
		cr_assert_str_eq(seen.database, "shop");
		cr_assert_eq(client->state, CLIENT_HELD);
	}
	buffer_release(&b);
}

Test(client_startup, the_database_is_named_like_the_user)
{
	static const char *const without[] = { "user", "bob", NULL }, *const empty[] = { "user", "bob", "database", "", NULL };

	arrive();
	tell_startup(STARTUP_VERSION_3_0, without);
	cr_assert_str_eq(seen.database, "bob");
	arrive();
	tell_startup(STARTUP_VERSION_3_0, empty);
	cr_assert_str_eq(seen.database, "bob");
}

Test(client_startup, packets_that_are_none)
{
	static const struct {
		const char *what, *bytes;
		size_t n;
		const char *sqlstate;
	} packets[] = {
		{ "no length", "\0\0\0\0", 4, "08P01" },
		{ "short", "\0\0\0\7\0\3\0", 7, "08P01" },
		{ "long", "\0\0\x27\x11\0\3\0\0", 8, "08P01" },
		{ "huge", "\x7f\xff\xff\xff\0\3\0\0", 8, "08P01" },
		{ "negative", "\xff\xff\xff\xff\0\3\0\0", 8, "08P01" },
		{ "HTTP", "GET / HTTP/1.1\r\n\r\n", 18, "08P01" },
		{ "version 2", "\0\0\0\x09\0\2\0\0\0", 9, "0A000" },
		{ "version 4", "\0\0\0\x09\0\4\0\0\0", 9, "0A000" },
		{ "no terminator", "\0\0\0\x0d\0\3\0\0user\0", 13, "08P01" },
		{ "no value", "\0\0\0\x0e\0\3\0\0user\0\0", 14, "08P01" },
		{ "no user", "\0\0\0\x09\0\3\0\0\0", 9, "28000" },
		{ "short cancel key", "\0\0\0\x0f\x04\xd2\x16\x2e\0\0\0\1\0\0\0", 15, "08P01" },
	};

	for (size_t i = 0; i < lengthof(packets); i++) {
		arrive();
		tell(packets[i].bytes, packets[i].n);
		expect_refused(packets[i].sqlstate, packets[i].what);
		cr_assert_eq(seen.startups, 0);
		cr_assert_eq(seen.closed, 1);
	}
}

static const uint8_t ssl_request[] = { 0, 0, 0, 8, 4, 0xd2, 0x16, 0x2f };
static const uint8_t gss_request[] = { 0, 0, 0, 8, 4, 0xd2, 0x16, 0x30 };

Test(client_startup, encryption_is_declined_once_each)
{
	arrive();
	tell(ssl_request, 8);
	tell(gss_request, 8);
	listen_to_it();
	cr_assert_eq(buffer_left(&in), 2);
	cr_assert_eq(memcmp(buffer_head(&in), "NN", 2), 0);
	tell_startup(STARTUP_VERSION_3_0, alice);
	cr_assert_eq(seen.startups, 1);
	arrive();
	tell(ssl_request, 8);
	tell(ssl_request, 8);
	expect_refused("08P01", "SSL twice");
	arrive();
	tell(gss_request, 8);
	tell(gss_request, 8);
	expect_refused("08P01", "GSS twice");
}

/* Sent by somebody who hopes that we take it for encrypted. */
Test(client_startup, nothing_may_stand_behind_a_request_for_encryption)
{
	struct buffer b = BUFFER_INIT;

	arrive();
	buffer_append(&b, ssl_request, 8);
	write_startup(&b, STARTUP_VERSION_3_0, alice);
	tell(b.data, b.len);
	expect_refused("08P01", "startup packet behind SSL request");
	cr_assert_eq(seen.startups, 0);
	buffer_release(&b);
}

Test(client_startup, cancel_requests)
{
	static const size_t sizes[] = { 4, 32, CANCEL_KEY_MAX };
	uint8_t key[CANCEL_KEY_MAX] = { 7 };

	for (size_t i = 0; i < lengthof(sizes); i++) {
		struct buffer b = BUFFER_INIT;

		arrive();
		cancel_write_request(&b, 815, key, sizes[i]);
		tell(b.data, b.len);
		cr_assert_eq(seen.cancels, 1);
		cr_assert_eq(seen.cancel_pid, 815);
		cr_assert_eq(client->login->startup.cancel_key_size, sizes[i]);
		buffer_release(&b);
	}
}

Test(client_startup, versions_are_negotiated_once)
{
	static const char *const pq[] = { "user", "a", "_pq_.x", "1", "_pq_.y", "", NULL };
	static const struct {
		uint32_t version;
		const char *const *pairs;
		bool told;
		uint32_t ours, unknown;
		bool long_key;
	} cases[] = {
		{ 0x30000, alice, false, 0, 0, false },
		{ 0x30002, alice, false, 0, 0, true },
		{ 0x30003, alice, true, 0x30002, 0, true },
		{ 0x3270f, alice, true, 0x30002, 0, true },
		{ 0x30000, pq, true, 0x30000, 2, false },
		{ 0x30002, pq, true, 0x30002, 2, true },
	};

	for (size_t i = 0; i < lengthof(cases); i++) {
		struct reader r;

		arrive();
		tell_startup(cases[i].version, cases[i].pairs);
		listen_to_it();
		cr_assert_eq(buffer_left(&in) > 0, cases[i].told, "case %zu", i);
		cr_assert_eq(client->protocol_3_2, cases[i].long_key);
		if (!cases[i].told)
			continue;
		reader_init(&r, buffer_head(&in), buffer_left(&in));
		cr_assert_eq(reader_u8(&r), BE_NEGOTIATE_PROTOCOL_VERSION);
		cr_assert_eq(reader_u32(&r), buffer_left(&in) - 1);
		cr_assert_eq(reader_u32(&r), cases[i].ours);
		cr_assert_eq(reader_u32(&r), cases[i].unknown);
		if (cases[i].unknown > 0) {
			cr_assert_str_eq(reader_string(&r), "_pq_.x");
			cr_assert_str_eq(reader_string(&r), "_pq_.y");
		}
		cr_assert(reader_done(&r));
	}
}

/* --- TLS, which is not spoken here --- */

Test(client_startup, direct_tls_without_tls)
{
	arrive();
	tell("\x16\3\1\2\0\1", 6);
	cr_assert(listen_to_it());
	cr_assert_eq(buffer_left(&in), 0, "it could not read what we say");
	cr_assert_eq(seen.closed, 1);
	/* Only the first byte of all can be one. */
	arrive();
	tell(gss_request, 8);
	tell("\x16\3\1\2\0\1", 6);
	expect_refused("08P01", "a record behind a request");
}

Test(client_startup, tls_is_required)
{
	uint8_t key[CANCEL_KEY_3_0] = { 7 };
	struct buffer b = BUFFER_INIT;

	env.tls_mode = TLS_REQUIRE;
	arrive_by_tcp();
	tell_startup(STARTUP_VERSION_3_0, alice);
	cr_assert_str_eq(expect_refused("28000", "no TLS"), "SSL required");
	cr_assert_eq(seen.startups, 0);
	/* It tells nothing, and a client that was in TLS may well come without it. */
	arrive_by_tcp();
	cancel_write_request(&b, 815, key, sizeof(key));
	tell(b.data, b.len);
	cr_assert_eq(seen.cancels, 1);
	arrive();
	tell_startup(STARTUP_VERSION_3_0, alice);
	cr_assert_eq(seen.startups, 1, "a Unix socket needs none");
	env.tls_mode = TLS_PREFER;
	arrive_by_tcp();
	tell_startup(STARTUP_VERSION_3_0, alice);
	cr_assert_eq(seen.startups, 1);
	buffer_release(&b);
}
