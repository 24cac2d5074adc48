/*
 * Proxies that tell for whom they come, and clients that do not go on.
 */
#include "stage.h"

#include <sys/socket.h>
#include <unistd.h>

#include "client/bans.h"
#include "pg/cancel.h"

static void
begin(void)
{
	stage_begin();
	env.bans = bans_new();
	env.proxy_protocol = "127.0.0.1";
}

static void
end(void)
{
	stage_end();
	bans_free(&env.bans);
}

TestSuite(client_upkeep, .init = begin, .fini = end);

static void
say(const char *text)
{
	tell(text, strlen(text));
}

#define HEADER "PROXY TCP4 10.0.0.1 10.0.0.2 5000 6432\r\n"

Test(client_upkeep, a_proxy_tells_for_whom_it_comes)
{
	struct buffer b = BUFFER_INIT;
	char text[ADDRESS_TEXT];

	buffer_append(&b, HEADER, strlen(HEADER));
	write_startup(&b, STARTUP_VERSION_3_0, alice);
	for (size_t split = 0; split <= b.len; split += 3) {
		arrive_by_tcp();
		cr_assert_eq(client->state, CLIENT_PROXIED);
		if (split > 0)
			tell(b.data, split);
		if (split < b.len)
			tell(b.data + split, b.len - split);
		cr_assert_eq(seen.startups, 1);
		cr_assert_str_eq(address_text(&client->address, 0, text), "10.0.0.1:5000");
	}
	buffer_release(&b);
}

Test(client_upkeep, a_proxy_has_to_tell)
{
	arrive_by_tcp();
	tell_startup(STARTUP_VERSION_3_0, alice);
	expect_refused("08P01", "no header");
	cr_assert_eq(seen.startups, 0);
	arrive_by_tcp();
	say("PROXY TCP4 10.0.0.1 x\r\n");
	expect_refused("08P01", "malformed");
}

Test(client_upkeep, nobody_else_may)
{
	env.proxy_protocol = "10.0.0.0/8";
	arrive_by_tcp();
	cr_assert_eq(client->state, CLIENT_STARTUP);
	say(HEADER);
	expect_refused("08P01", "no proxy");
}

Test(client_upkeep, a_proxy_for_itself)
{
	static const char local[] = "\r\n\r\n\0\r\nQUIT\n\x20\0\0";
	char text[ADDRESS_TEXT];

	arrive_by_tcp();
	tell(local, sizeof(local));
	tell_startup(STARTUP_VERSION_3_0, alice);
	cr_assert_eq(seen.startups, 1);
	cr_assert_str_eq(address_host(&client->address, text), "127.0.0.1");
}

/* What a Unix socket's peer may is not for those whom a proxy lets in through it. */
Test(client_upkeep, a_proxy_on_a_unix_socket)
{
	env.proxy_protocol = "unix";
	arrive();
	say("PROXY UNKNOWN\r\n");
	cr_assert_eq(client->address.family, AF_UNSPEC);
	arrive();
	say(HEADER);
	cr_assert_eq(client->address.family, AF_INET);
}

Test(client_upkeep, a_proxied_client_that_is_banned)
{
	struct error e;

	cr_assert(bans_add(env.bans, "10.0.0.1", NULL, 0, NULL, clock_now(), &e));
	arrive_by_tcp();
	say(HEADER);
	cr_assert(until(loop, is_freed, NULL));
	arrive_by_tcp();
	say("PROXY TCP4 10.0.0.7 10.0.0.2 5000 6432\r\n");
	tell_startup(STARTUP_VERSION_3_0, alice);
	cr_assert_eq(seen.startups, 1);
}

Test(client_upkeep, too_many_cancel_requests)
{
	uint8_t key[4] = { 7 };
	struct buffer b = BUFFER_INIT;
	int n = 0;

	env.proxy_protocol = "";
	bans_configure(env.bans, &(struct ban_settings){ .cancel_rate = 2 });
	cancel_write_request(&b, 815, key, sizeof(key));
	for (int i = 0; i < 5; i++) {
		arrive_by_tcp();
		tell(b.data, b.len);
		n += seen.cancels;
	}
	cr_assert_eq(n, 2);
	buffer_release(&b);
}

/* --- failed logins --- */

Test(client_upkeep, failures_are_counted)
{
	struct address a = { .family = AF_INET, .ip = { 10, 0, 0, 1 } };
	struct error e;

	bans_configure(env.bans, &(struct ban_settings){ .failures = 2, .time = 60 * USEC_PER_SEC });
	for (int i = 0; i < 2; i++) {
		cr_assert(bans_admit_login(env.bans, &a, "shop", "alice", clock_now(), &e));
		arrive_by_tcp();
		say(HEADER);
		tell_startup(STARTUP_VERSION_3_0, alice);
		demand(LOGIN_PLAIN, "secret");
		cr_assert_not(prove("wrong"));
	}
	cr_assert_not(bans_admit_login(env.bans, &a, "shop", "alice", clock_now(), &e));
}

/* --- messages that do not end --- */

#define LIMIT (5 * USEC_PER_SEC)

static bool
is_kept_after(usec_t time)
{
	usec_t now = clock_now();

	client_upkeep(client, now, false);
	client_upkeep(client, now + time, false);
	turn(loop);
	return client != NULL;
}

Test(client_upkeep, a_startup_packet_that_does_not_end)
{
	env.message_timeout = LIMIT;
	env.proxy_protocol = "";
	arrive_by_tcp();
	cr_assert(is_kept_after(2 * LIMIT), "nothing was begun");
	tell("\0\0", 2);
	cr_assert(is_kept_after(LIMIT));
	cr_assert_not(is_kept_after(LIMIT + 1));
}

Test(client_upkeep, a_header_that_does_not_end)
{
	env.message_timeout = LIMIT;
	arrive_by_tcp();
	say("PROXY ");
	cr_assert(is_kept_after(LIMIT));
	say("TCP4 ");
	cr_assert_not(is_kept_after(LIMIT + 1));
}

Test(client_upkeep, it_is_not_counted_from_when_another_was_unfinished)
{
	env.message_timeout = LIMIT;
	arrive_by_tcp();
	say("PROXY ");
	cr_assert(is_kept_after(LIMIT));
	say("TCP4 10.0.0.1 10.0.0.2 5000 6432\r\n");
	tell("\0\0", 2);
	client_upkeep(client, clock_now() + LIMIT + 1, false);
	turn(loop);
	cr_assert_not_null(client);
}

/* A good piece of it is as good as its end. */
Test(client_upkeep, a_long_message_that_goes_on)
{
	env.message_timeout = LIMIT;
	arrive_by_tcp();
	say("PROXY ");
	client->message_bytes = 64 * 1024 - 1;
	cr_assert(is_kept_after(LIMIT));
	say("T");
	client_upkeep(client, clock_now() + LIMIT + 1, false);
	turn(loop);
	cr_assert_not_null(client);
}

Test(client_upkeep, its_owner_may_have_to_wait)
{
	env.message_timeout = LIMIT;
	arrive_by_tcp();
	say("PROXY ");
	client_upkeep(client, clock_now(), false);
	client_upkeep(client, clock_now() + LIMIT + 1, true);
	turn(loop);
	cr_assert_not_null(client);
}

/* --- readers that do not read --- */

static bool
is_backed_up(void *arg)
{
	static char much[65536];

	(void)arg;
	return !stream_send_bytes(&client->stream, much, sizeof(much));
}

Test(client_upkeep, a_client_that_never_reads)
{
	usec_t now;

	env.write_timeout = LIMIT;
	env.proxy_protocol = "";
	arrive_by_tcp();
	for (int i = 0; i < 100; i++)
		cr_assert(until(loop, is_backed_up, NULL));
	now = clock_now();
	client_upkeep(client, now, false);
	client_upkeep(client, now + LIMIT, false);
	turn(loop);
	cr_assert_not_null(client);
	/* The kernel may still be moving bytes from one of its buffers to the other. */
	for (int i = 2; i < 20 && client != NULL; i++) {
		client_upkeep(client, now + i * (LIMIT + 1), false);
		turn(loop);
	}
	cr_assert_null(client);
}

static bool
is_taken(void *arg)
{
	char some[65536];
	usec_t now = clock_now();

	(void)arg;
	cr_assert_gt(recv(peer, some, sizeof(some), 0), 0);
	return stream_stalled(&client->stream, now + 1) == 0;
}

/* Progress counts, however long ago it began. */
Test(client_upkeep, a_client_that_reads_slowly)
{
	usec_t now;

	env.write_timeout = LIMIT;
	env.proxy_protocol = "";
	arrive_by_tcp();
	cr_assert(until(loop, is_backed_up, NULL));
	now = clock_now();
	client_upkeep(client, now, false);
	cr_assert(until(loop, is_taken, NULL));
	if (stream_is_drained(&client->stream))
		return;
	client_upkeep(client, now + LIMIT + 1, false);
	turn(loop);
	cr_assert_not_null(client);
}

/* --- who has to give way --- */

static const char *
last_words(int fd)
{
	static char words[1000];
	ssize_t n = recv(fd, words, sizeof(words), MSG_DONTWAIT);

	for (ssize_t i = 0; i < n; i++)
		words[i] = words[i] != '\0' ? words[i] : ' ';
	words[n > 0 ? n : 0] = '\0';
	return words;
}

/* Those that have said nothing go before those that prove who they are, though these have been there for longer. */
Test(client_upkeep, who_is_in_the_dialogue_stays)
{
	static const char *const bob[] = { "user", "bob", NULL };
	int pairs[3][2];
	struct client *others[3];

	env.proxy_protocol = "";
	arrive();
	tell_startup(STARTUP_VERSION_3_0, bob);
	for (int i = 0; i < 3; i++) {
		cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pairs[i]), 0);
		others[i] = client_new(&env, pairs[i][1], (uint32_t)i, &ops);
	}
	clients_make_room(&env, 5);
	cr_assert_eq(env.nlogins, 4);
	clients_make_room(&env, 4);
	cr_assert_eq(env.nlogins, 3);
	cr_assert_eq(client->state, CLIENT_HELD);
	cr_assert_eq(others[0]->state, CLIENT_CLOSING);
	cr_assert_not_null(strstr(last_words(pairs[0][0]), "max_login_clients"));
	clients_make_room(&env, 1);
	clients_make_room(&env, 1);
	cr_assert_eq(client->state, CLIENT_HELD);
	clients_make_room(&env, 1);
	cr_assert_eq(client->state, CLIENT_CLOSING, "now it is the oldest");
	cr_assert_eq(env.nlogins, 0);
	turn(loop);
	for (int i = 0; i < 3; i++)
		close(pairs[i][0]);
}
