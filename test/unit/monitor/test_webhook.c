#include "build.h"

#ifdef HAVE_CURL
#include "monitor/webhook.h"

#include <criterion/criterion.h>
#include <netinet/in.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/memory.h"
#include "monitor/post.h"
#include "receiver.h"
#include "stage.h"

#define MSEC USEC_PER_MSEC
#define TOLD_MAX 300

/* A second of pauses is 20 ms here. */
#define PAUSE (40 * MSEC)
#define EARLY (10 * MSEC)	/* what a timer may be: libevent reads a clock that moves every 4 ms */
static const struct webhook_pace quick = { .second = PAUSE, .connect_patience = 2000 * MSEC, .patience = 2000 * MSEC };

static struct webhook *hook;
static struct receiver *receiver;
static enum alert_delivery told[TOLD_MAX];	/* by id; DELIVERY_NONE: nothing yet */
static uint64_t last_told;
static int ntold;

static void
on_told(void *arg, uint64_t id, enum alert_delivery d)
{
	cr_assert_eq(arg, told);
	cr_assert_lt(id, TOLD_MAX);
	told[id] = d;
	last_told = id;
	ntold++;
}

static void
setup(void)
{
	stage_begin();
	setenv("no_proxy", "*", 1);
	hook = webhook_new(stage.loop, stage.mailbox, 0, stage.askers, on_told, told);
	webhook_set_pace(hook, &quick);
}

static void
teardown(void)
{
	webhook_stop(hook);
	stage_end();
	webhook_free(&hook);
	if (receiver != NULL)
		receiver_close(&receiver);
}

TestSuite(webhook, .init = setup, .fini = teardown, .timeout = 60);

static void
receive(const struct receiver_line *script, int n, const char *secret)
{
	receiver = receiver_open(script, n);
	webhook_configure(hook, receiver_url(receiver), secret);
}

static bool
is_told(void *arg)
{
	return ntold >= *(int *)arg;
}

static void
await_told(int n)
{
	stage_until(is_told, &n, "told");
}

static bool
has_received(void *arg)
{
	return receiver_count(receiver) >= *(int *)arg;
}

static void
await_received(int n)
{
	stage_until(has_received, &n, "received");
}

static enum alert_delivery
send_one(uint64_t id)
{
	char body[64];

	snprintf(body, sizeof(body), "{\"id\":%d}", (int)id);
	return webhook_send(hook, id, "slow_query", body);
}

static const struct receiver_line ok[] = { { .status = 200 } };

/* What the other side would compute. */
static void
expect_signature(const struct received *q, const char *secret)
{
	unsigned char mac[EVP_MAX_MD_SIZE];
	char signed_text[512], wanted[80] = "sha256=";
	unsigned size;

	snprintf(signed_text, sizeof(signed_text), "%s.%s", receiver_header(q, "X-Pgusher-Timestamp"), q->body);
	cr_assert_not_null(HMAC(EVP_sha256(), secret, (int)strlen(secret), (const unsigned char *)signed_text,
				strlen(signed_text), mac, &size));
	for (unsigned i = 0; i < size; i++)
		sprintf(wanted + strlen(wanted), "%02x", mac[i]);
	cr_expect_str_eq(receiver_header(q, "X-Pgusher-Signature"), wanted);
}

Test(webhook, is_a_signed_post)
{
	const struct received *q;

	receive(ok, 1, "geheim");
	cr_expect_eq(send_one(1), DELIVERY_PENDING);
	await_told(1);
	cr_expect_eq(told[1], DELIVERY_SENT);
	cr_assert_eq(receiver_count(receiver), 1);
	q = receiver_get(receiver, 0);
	cr_expect_eq(strncmp(q->head, "POST /hook HTTP/1.1\r\n", 21), 0, "%s", q->head);
	cr_expect_str_eq(q->body, "{\"id\":1}");
	cr_expect_str_eq(receiver_header(q, "Content-Type"), "application/json");
	cr_expect_str_eq(receiver_header(q, "X-Pgusher-Event"), "slow_query");
	cr_expect_leq(llabs(atoll(receiver_header(q, "X-Pgusher-Timestamp")) - clock_wall() / USEC_PER_SEC), 10);
	cr_expect_not(receiver_has(q, "Expect"));
	expect_signature(q, "geheim");
}

Test(webhook, without_a_secret_there_is_no_signature)
{
	receive(ok, 1, "");
	send_one(1);
	await_told(1);
	cr_expect_not(receiver_has(receiver_get(receiver, 0), "X-Pgusher-Signature"));
	cr_expect(receiver_has(receiver_get(receiver, 0), "X-Pgusher-Timestamp"));
}

/* Computed by another implementation. */
Test(webhook, signature_of_known_text)
{
	char signature[POST_SIGNATURE_SIZE];

	post_sign("Jefe", 1764110113, "{}", signature);
	cr_expect_str_eq(signature, "sha256=7b833d738156b097865824dcbfbcc7c893bccfb63f8c514d890c36a42a863178");
}

Test(webhook, nothing_is_sent_without_an_address)
{
	cr_expect_eq(send_one(1), DELIVERY_NONE);
	cr_expect_eq(ntold, 0);
}

Test(webhook, order_is_kept)
{
	receive(ok, 1, "");
	for (uint64_t id = 1; id <= 20; id++)
		cr_expect_eq(send_one(id), DELIVERY_PENDING);
	await_told(20);
	for (int i = 0; i < 20; i++) {
		char body[32];

		snprintf(body, sizeof(body), "{\"id\":%d}", i + 1);
		cr_expect_str_eq(receiver_get(receiver, i)->body, body);
	}
}

/* ---- trying again ---- */

static const struct {
	struct receiver_line first;
	const char *what;
} passing[] = {
	{ { .status = 500 }, "500" },	      { { .status = 502 }, "502" },
	{ { .status = 503 }, "503" },	      { { .status = 599 }, "599" },
	{ { .status = 429 }, "429" },	      { { .way = HANG_UP }, "closed without an answer" },
};

Test(webhook, what_may_pass_is_tried_again)
{
	for (size_t i = 0; i < lengthof(passing); i++) {
		const struct receiver_line script[] = { passing[i].first, { .status = 204 } };

		receive(script, 2, "k");
		ntold = 0;
		send_one(1);
		await_told(1);
		cr_expect_eq(told[1], DELIVERY_SENT, "%s", passing[i].what);
		cr_expect_eq(receiver_count(receiver), 2, "%s", passing[i].what);
		cr_expect_str_eq(receiver_get(receiver, 1)->body, "{\"id\":1}");
		expect_signature(receiver_get(receiver, 1), "k");
		receiver_close(&receiver);
	}
	cr_expect_eq(stage_logged("WARNING"), 0);
}

Test(webhook, pauses_grow_and_then_it_is_given_up)
{
	static const struct receiver_line script[] = { { .status = 500 } };

	receive(script, 1, "");
	send_one(1);
	await_told(1);
	cr_expect_eq(told[1], DELIVERY_FAILED);
	cr_assert_eq(receiver_count(receiver), WEBHOOK_RETRIES + 1);
	for (int i = 0; i < WEBHOOK_RETRIES; i++) {
		usec_t pause = receiver_get(receiver, i + 1)->at - receiver_get(receiver, i)->at;

		cr_expect_geq(pause, (1 << i) * PAUSE - EARLY, "pause %d: %lld us", i, (long long)pause);
	}
	cr_expect_eq(stage_logged("WARNING webhook: alert 1 was not delivered: HTTP status 500 (6 tries)"), 1);
}

static const int final_ones[] = { 301, 302, 308, 400, 401, 403, 404, 410, 422 };

Test(webhook, what_will_not_pass_is_given_up_at_once)
{
	for (size_t i = 0; i < lengthof(final_ones); i++) {
		const struct receiver_line script[] = { { .status = final_ones[i], .headers = "Location: /other\r\n" },
							{ .status = 200 } };

		receive(script, 2, "");
		ntold = 0;
		send_one(1);
		await_told(1);
		cr_expect_eq(told[1], DELIVERY_FAILED, "%d", final_ones[i]);
		cr_expect_eq(receiver_count(receiver), 1, "%d", final_ones[i]);
		receiver_close(&receiver);
	}
	cr_expect_eq(stage_logged("redirects are not followed (1 tries)"), 3);
	cr_expect_eq(stage_logged("HTTP status 404 (1 tries)"), 1);
}

Test(webhook, retry_after_is_heeded)
{
	static const struct receiver_line script[] = { { .status = 503, .headers = "Retry-After: 20\r\n" },
						       { .status = 429, .headers = "Retry-After: 1\r\n" },
						       { .status = 200 } };
	usec_t first, second;

	receive(script, 3, "");
	send_one(1);
	await_told(1);
	cr_expect_eq(told[1], DELIVERY_SENT);
	first = receiver_get(receiver, 1)->at - receiver_get(receiver, 0)->at;
	second = receiver_get(receiver, 2)->at - receiver_get(receiver, 1)->at;
	cr_expect_geq(first, 20 * PAUSE - EARLY);
	cr_expect_geq(second, 2 * PAUSE - EARLY, "the pause that it would be is longer");
}

Test(webhook, retry_after_has_a_bound)
{
	static const struct receiver_line script[] = { { .status = 429, .headers = "Retry-After: 99999999\r\n" },
						       { .status = 200 } };

	receive(script, 2, "");
	send_one(1);
	await_told(1);
	cr_expect_eq(told[1], DELIVERY_SENT);
	cr_expect_geq(receiver_get(receiver, 1)->at - receiver_get(receiver, 0)->at, 60 * PAUSE - EARLY);
}

/* A port that is held, so that no other test's receiver gets it, and on which nobody listens. */
static int
hold_port(char *url, size_t size)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t length = sizeof(at);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	cr_assert_eq(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	cr_assert_eq(getsockname(fd, (struct sockaddr *)&at, &length), 0);
	snprintf(url, size, "http://127.0.0.1:%d/hook", ntohs(at.sin_port));
	return fd;
}

/* The next one is not lost with it. */
Test(webhook, nobody_listens)
{
	char url[64];
	int held = hold_port(url, sizeof(url));

	webhook_configure(hook, url, "");
	send_one(1);
	await_told(1);
	close(held);
	cr_expect_eq(told[1], DELIVERY_FAILED);
	cr_expect_eq(stage_logged("(6 tries)"), 1);
	cr_expect_eq(stage_logged("/hook"), 0, "an address may hold a secret");
}

Test(webhook, who_hangs_is_not_waited_for)
{
	static const struct receiver_line script[] = { { .way = HANG }, { .status = 200 } };
	static const struct webhook_pace impatient = { .second = PAUSE, .connect_patience = 200 * MSEC,
						       .patience = 200 * MSEC };
	usec_t start = clock_now();

	webhook_set_pace(hook, &impatient);
	receive(script, 2, "");
	send_one(1);
	await_told(1);
	cr_expect_eq(told[1], DELIVERY_SENT);
	cr_expect_geq(clock_now() - start, 200 * MSEC);
}

/* It has understood: sending it again would only double it. */
Test(webhook, an_answer_without_end_is_an_answer)
{
	static const struct receiver_line script[] = { { .way = CHATTER, .status = 200 } };

	receive(script, 1, "");
	send_one(1);
	await_told(1);
	cr_expect_eq(told[1], DELIVERY_SENT);
	cr_expect_eq(receiver_count(receiver), 1);
}

static const char *const bad_urls[] = { "ftp://127.0.0.1/x", "file:///etc/passwd", "gopher://127.0.0.1:1/", "http://[" };

Test(webhook, other_protocols_are_refused)
{
	for (size_t i = 0; i < lengthof(bad_urls); i++) {
		webhook_configure(hook, bad_urls[i], "");
		ntold = 0;
		send_one(1);
		await_told(1);
		cr_expect_eq(told[1], DELIVERY_FAILED, "%s", bad_urls[i]);
	}
	cr_expect_eq(stage_logged("(1 tries)"), (int)lengthof(bad_urls));
}

Test(webhook, who_does_not_speak_http_never_will)
{
	static const struct receiver_line script[] = { { .way = NONSENSE } };

	receive(script, 1, "");
	send_one(1);
	await_told(1);
	cr_expect_eq(told[1], DELIVERY_FAILED);
	cr_expect_eq(stage_logged("the answer is not HTTP (1 tries)"), 1);
}

/* ---- bounds and changes ---- */

Test(webhook, so_many_may_wait)
{
	static const struct receiver_line script[] = { { .way = HANG } };
	uint64_t id = 1;

	receive(script, 1, "");
	send_one(id++);
	await_received(1);
	for (; id <= 1 + WEBHOOK_QUEUE; id++)
		cr_assert_eq(send_one(id), DELIVERY_PENDING, "id %d", (int)id);
	for (int i = 0; i < 5; i++)
		cr_expect_eq(send_one(id++), DELIVERY_DROPPED);
	cr_expect_eq(stage_logged("webhook: 1 alerts were dropped"), 1);
	webhook_tick(hook, clock_now());
	cr_expect_eq(stage_logged("were dropped"), 1);
	webhook_tick(hook, clock_now() + 61 * USEC_PER_SEC);
	cr_expect_eq(stage_logged("webhook: 4 alerts were dropped"), 1);
}

Test(webhook, the_loop_goes_on_meanwhile)
{
	static const struct receiver_line script[] = { { .way = HANG } };
	static const struct webhook_pace patient = { .second = PAUSE, .connect_patience = 30 * USEC_PER_SEC,
						     .patience = 30 * USEC_PER_SEC };
	usec_t start = clock_now();

	webhook_set_pace(hook, &patient);
	receive(script, 1, "");
	for (uint64_t id = 1; id <= 50; id++)
		send_one(id);
	cr_expect_lt(clock_now() - start, 15000 * MSEC);
	await_received(1);
	cr_expect_eq(receiver_count(receiver), 1, "one at a time");
}

Test(webhook, a_new_address_counts_for_what_waits)
{
	static const struct receiver_line down[] = { { .status = 500 } };
	struct receiver *old;

	receive(down, 1, "");
	send_one(1);
	send_one(2);
	await_received(1);
	old = receiver;
	receive(ok, 1, "new");
	await_told(2);
	cr_expect_eq(told[1], DELIVERY_SENT);
	cr_expect_eq(told[2], DELIVERY_SENT);
	cr_expect_eq(receiver_count(receiver), 2);
	expect_signature(receiver_get(receiver, 0), "new");
	receiver_close(&old);
}

Test(webhook, an_address_that_is_taken_away)
{
	static const struct receiver_line script[] = { { .way = HANG }, { .status = 200 } };
	static const struct webhook_pace impatient = { .second = PAUSE, .connect_patience = 200 * MSEC,
						       .patience = 200 * MSEC };

	webhook_set_pace(hook, &impatient);
	receive(script, 2, "");
	send_one(1);
	send_one(2);
	await_received(1);
	webhook_configure(hook, "", "");
	cr_expect_eq(ntold, 2);
	cr_expect_eq(told[1], DELIVERY_NONE);
	/* What the first one comes to is not taken for the outcome of the next. */
	webhook_configure(hook, receiver_url(receiver), "");
	send_one(3);
	await_told(3);
	cr_expect_eq(last_told, 3);
	cr_expect_eq(told[3], DELIVERY_SENT);
	cr_expect_eq(receiver_count(receiver), 2);
}

/* ---- the end ---- */

Test(webhook, the_end_waits_for_nobody)
{
	static const struct receiver_line script[] = { { .way = HANG } };
	static const struct webhook_pace patient = { .second = PAUSE, .connect_patience = 30 * USEC_PER_SEC,
						     .patience = 30 * USEC_PER_SEC };
	usec_t start;

	webhook_set_pace(hook, &patient);
	receive(script, 1, "");
	for (uint64_t id = 1; id <= 3; id++)
		send_one(id);
	await_received(1);
	start = clock_now();
	webhook_stop(hook);
	cr_expect_eq(ntold, 3);
	cr_expect_eq(told[3], DELIVERY_FAILED);
	cr_expect_eq(stage_logged("webhook: 3 alerts were not delivered: shutting down"), 1);
	helpers_free(&stage.askers, NULL);
	cr_expect_lt(clock_now() - start, 15000 * MSEC);
}
#endif
