/*
 * Client against server, with somebody in the middle who changes one message.
 * Nobody may take a changed message for a good one.  The one thing that may be
 * added is an extension at the end of server-final, which nothing signs.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "auth/scram.h"
#include "auth/scram_message.h"
#include "base/memory.h"

#define MESSAGES 4
#define ROOM (SCRAM_MESSAGE_MAX * 2)

struct message {
	size_t size;
	char text[ROOM];
};

/* Change message number n of an exchange. */
typedef void change_fn(void *arg, struct message *m);

struct middle {
	bool bound;
	int number; /* of the message that is changed; MESSAGES: none */
	change_fn *change;
	void *arg;
	struct message before, after; /* the change */
	bool server_content, client_content;
};

static const struct scram_binding channel = { .size = 32, .data = "of the server's certificate" };

static const uint8_t *
bytes(const struct message *m)
{
	return (const uint8_t *)m->text;
}

/* Carry a message over; the receiver gets memory of its exact size. */
static uint8_t *
carry(struct middle *w, int number, const char *text, size_t *size)
{
	struct message m = { .size = strlen(text) };
	uint8_t *exact;

	memcpy(m.text, text, m.size);
	if (number == w->number) {
		w->before = m;
		w->change(w->arg, &m);
		w->after = m;
	}
	exact = memory_alloc(m.size);
	memcpy(exact, m.text, m.size);
	*size = m.size;
	return exact;
}

static void
make_verifier(struct scram_verifier *v, struct scram_keys *keys)
{
	*v = (struct scram_verifier){ .iterations = 2, .salt_size = 7, .salt = "1234567" };
	scram_derive_keys("pencil", v->salt, v->salt_size, v->iterations, keys);
	digest_sha256(keys->client_key, SCRAM_KEY, v->stored_key);
	memcpy(v->server_key, keys->server_key, SCRAM_KEY);
}

struct parties {
	struct scram_client *client;
	struct scram_server *server;
	struct scram_keys keys;
};

static void
bring_together(struct parties *p, const struct middle *w)
{
	struct scram_verifier v;

	make_verifier(&v, &p->keys);
	p->server = scram_server_new_with(&v, w->bound ? &channel : NULL, "server-nonce");
	p->client = scram_client_new_with(w->bound ? SCRAM_BOUND : SCRAM_NO_TLS, &channel, "user", "client-nonce");
}

/* The steps, each of which gives the next message or NULL. */
static const char *
step(struct parties *p, struct middle *w, int number, const char *text)
{
	const uint8_t *salt;
	struct error e;
	size_t size, salt_size;
	int iterations;
	uint8_t *in = carry(w, number, text, &size);
	const char *out = NULL;

	if (number == 0)
		out = scram_server_first(p->server, w->bound, in, size, &e);
	else if (number == 1 && scram_client_challenge(p->client, in, size, &salt, &salt_size, &iterations, &e))
		out = scram_client_final(p->client, &p->keys);
	else if (number == 2)
		out = scram_server_final(p->server, in, size, NULL, &e);
	else if (number == 3)
		w->client_content = scram_client_verify(p->client, in, size, &e);
	if (number == 2)
		w->server_content = out != NULL;
	free(in);
	return out;
}

static void
exchange(struct middle *w)
{
	struct parties p;
	const char *text;

	bring_together(&p, w);
	w->server_content = w->client_content = false;
	text = scram_client_first(p.client);
	for (int number = 0; number < MESSAGES && text != NULL; number++)
		text = step(&p, w, number, text);
	scram_client_free(&p.client);
	scram_server_free(&p.server);
}

static bool
is_extended(const struct message *before, const struct message *after)
{
	return after->size > before->size && memcmp(before->text, after->text, before->size) == 0 &&
		after->text[before->size] == ',';
}

/* Did nobody take the changed message? */
static bool
is_refused(const struct middle *w)
{
	if (w->before.size == w->after.size && memcmp(w->before.text, w->after.text, w->after.size) == 0)
		return w->server_content && w->client_content;
	if (w->number == MESSAGES - 1)
		return !w->client_content || is_extended(&w->before, &w->after);
	return !w->server_content && !w->client_content;
}

static void
expect_refused(struct middle *w, const char *how, size_t at)
{
	exchange(w);
	cr_expect(is_refused(w), "%s message %d, %s %zu: %.*s", w->bound ? "bound" : "unbound", w->number, how, at,
		(int)w->after.size, bytes(&w->after));
}

static void
leave(void *arg, struct message *m)
{
	(void)arg;
	(void)m;
}

Test(scram_middle, lets_an_unchanged_exchange_through)
{
	for (int bound = 0; bound < 2; bound++) {
		struct middle w = { .bound = bound, .number = MESSAGES, .change = leave };

		exchange(&w);
		cr_expect(w.server_content);
		cr_expect(w.client_content);
	}
}

/* --- every message, every place --- */

/* At one place of a message; false: there is no such place. */
struct place {
	size_t at;
	bool exists;
	char byte;
};

static void
cut_message(void *arg, struct message *m)
{
	struct place *p = arg;

	p->exists = p->at < m->size;
	if (p->exists)
		m->size = p->at;
}

static void
flip_bit(void *arg, struct message *m)
{
	struct place *p = arg;

	p->exists = p->at < m->size * 8;
	if (p->exists)
		m->text[p->at / 8] = (char)(m->text[p->at / 8] ^ 1 << p->at % 8);
}

static void
drop_byte(void *arg, struct message *m)
{
	struct place *p = arg;

	p->exists = p->at < m->size;
	if (p->exists)
		memmove(m->text + p->at, m->text + p->at + 1, --m->size - p->at);
}

static void
insert_byte(void *arg, struct message *m)
{
	struct place *p = arg;

	p->exists = p->at <= m->size;
	if (!p->exists)
		return;
	memmove(m->text + p->at + 1, m->text + p->at, m->size++ - p->at);
	m->text[p->at] = p->byte;
}

static void
swap_bytes(void *arg, struct message *m)
{
	struct place *p = arg;
	char c;

	p->exists = p->at + 1 < m->size;
	if (!p->exists)
		return;
	c = m->text[p->at];
	m->text[p->at] = m->text[p->at + 1];
	m->text[p->at + 1] = c;
}

static void
walk(const char *how, change_fn *change, char byte)
{
	for (int variant = 0; variant < 2 * MESSAGES; variant++) {
		struct place p = { .exists = true, .byte = byte };
		struct middle w = {
			.bound = variant / MESSAGES,
			.number = variant % MESSAGES,
			.change = change,
			.arg = &p,
		};

		for (; p.exists; p.at++)
			expect_refused(&w, how, p.at);
		cr_expect_gt(p.at, 20, "message %d was not walked", w.number);
	}
}

Test(scram_middle, cuts_every_message_everywhere)
{
	walk("cut at", cut_message, 0);
}

Test(scram_middle, flips_every_bit)
{
	walk("bit", flip_bit, 0);
}

Test(scram_middle, drops_every_byte)
{
	walk("dropped", drop_byte, 0);
}

Test(scram_middle, swaps_every_two_bytes)
{
	walk("swapped", swap_bytes, 0);
}

Test(scram_middle, inserts_everywhere)
{
	static const char inserted[] = ",=\0 \n1xA\xff";

	for (size_t i = 0; i < sizeof(inserted) - 1; i++)
		walk("inserted at", insert_byte, inserted[i]);
}

/* --- fields --- */

struct replacement {
	const char *what, *with;
};

/* The first occurrence; what stands not in the message leaves it as it is. */
static void
replace_text(void *arg, struct message *m)
{
	const struct replacement *r = arg;
	size_t what = strlen(r->what), with = strlen(r->with);
	char *found = memmem(m->text, m->size, r->what, what);

	if (found == NULL)
		return;
	memmove(found + with, found + what, m->size - (size_t)(found + what - m->text));
	memcpy(found, r->with, with);
	m->size = m->size - what + with;
}

#define BOUND "cD10bHMtc2VydmVyLWVuZC1wb2ludCws"

static const struct {
	bool bound;
	int number;
	struct replacement text;
} replacements[] = {
	/* channel binding taken away or put in */
	{ true, 0, { "p=tls-server-end-point,,", "n,," } },
	{ true, 0, { "p=tls-server-end-point,,", "y,," } },
	{ true, 0, { "p=tls-server-end-point,,", "p=tls-unique,," } },
	{ true, 0, { "p=tls-server-end-point,,", "" } },
	{ false, 0, { "n,,", "y,," } },
	{ false, 0, { "n,,", "p=tls-server-end-point,," } },
	{ true, 2, { "c=" BOUND, "c=biws" } },
	{ true, 2, { "c=" BOUND, "c=eSws" } },
	{ true, 2, { "c=" BOUND, "c=" } },
	{ true, 2, { "c=", "x=" } },
	{ false, 2, { "c=biws", "c=eSws" } },
	{ false, 2, { "c=biws", "c=" BOUND } },
	{ false, 2, { "c=biws", "c=biwsAAAA" } },
	/* who it is */
	{ false, 0, { "n=user", "n=root" } },
	{ false, 0, { "n=user", "n=" } },
	{ false, 0, { "n,,", "n,a=root," } },
	/* nonces */
	{ false, 0, { "r=client-nonce", "r=client-nonc" } },
	{ false, 0, { "r=client-nonce", "r=client-nonce2" } },
	{ false, 0, { "r=client-nonce", "r=" } },
	{ false, 0, { "r=client-nonce", "r=client-nonceserver-nonce" } },
	{ false, 1, { "server-nonce", "" } },
	{ false, 1, { "server-nonce", "server-nonc" } },
	{ false, 1, { "server-nonce", "s,x=" } },
	{ false, 1, { "client-nonce", "" } },
	{ false, 1, { "client-nonce", "another-nonce" } },
	{ false, 2, { "r=client-nonceserver-nonce", "r=client-nonce" } },
	{ false, 2, { "r=client-nonceserver-nonce", "r=server-nonce" } },
	{ false, 2, { "r=client-nonceserver-nonce", "r=" } },
	{ false, 2, { "server-nonce", "server-nonce2" } },
	/* how dear it is to guess */
	{ false, 1, { "i=2", "i=1" } },
	{ false, 1, { "i=2", "i=02" } },
	{ false, 1, { "i=2", "i=1000000" } },
	{ false, 1, { "i=2", "i=2,x=1" } },
	{ false, 1, { "i=2", "i=2,m=1" } },
	{ false, 1, { "s=MTIzNDU2Nw==", "s=MTIzNDU2OA==" } },
	{ false, 1, { "s=MTIzNDU2Nw==", "s=" } },
	{ false, 1, { "s=MTIzNDU2Nw==", "s=MTIzNDU2Nx==" } },
	/* doubled, turned round, added */
	{ false, 0, { "n=user,", "n=user,n=user," } },
	{ false, 0, { "n=user,r=client-nonce", "r=client-nonce,n=user" } },
	{ false, 0, { "r=client-nonce", "r=client-nonce,r=client-nonce" } },
	{ false, 0, { "r=client-nonce", "r=client-nonce,x=1" } },
	{ false, 2, { ",p=", ",x=1,p=" } },
	{ false, 2, { ",p=", ",p=,p=" } },
	{ false, 2, { "c=biws,", "c=biws,c=biws," } },
	{ false, 3, { "v=", "e=" } },
	{ false, 3, { "v=", "e=x,v=" } },
	{ false, 3, { "v=", "x=1,v=" } },
	{ false, 3, { "v=", "v=,v=" } },
};

Test(scram_middle, changes_fields)
{
	for (size_t i = 0; i < lengthof(replacements); i++) {
		struct replacement r = replacements[i].text;
		struct middle w = {
			.bound = replacements[i].bound,
			.number = replacements[i].number,
			.change = replace_text,
			.arg = &r,
		};

		expect_refused(&w, "row", i);
		cr_expect(w.before.size != w.after.size || memcmp(w.before.text, w.after.text, w.after.size) != 0,
			"row %zu changes nothing in %.*s", i, (int)w.before.size, bytes(&w.before));
	}
}

static void
extend(void *arg, struct message *m)
{
	m->size += (size_t)snprintf(m->text + m->size, ROOM - m->size, "%s", (const char *)arg);
}

Test(scram_middle, may_extend_server_final)
{
	char extension[] = ",x=1,v=";
	struct middle w = { .number = 3, .change = extend, .arg = extension };

	exchange(&w);
	cr_expect(w.client_content);
	expect_refused(&w, "extension", 0);
}

/* --- at random, the same each time --- */

struct dice {
	uint64_t state;
};

static size_t
roll(struct dice *d, size_t sides)
{
	d->state ^= d->state << 13;
	d->state ^= d->state >> 7;
	d->state ^= d->state << 17;
	return (size_t)(d->state % sides);
}

static void
set_byte(struct dice *d, struct message *m)
{
	if (m->size > 0)
		m->text[roll(d, m->size)] = (char)roll(d, 256);
}

static void
insert_some(struct dice *d, struct message *m)
{
	struct place p = { .at = roll(d, m->size + 1), .byte = ",=rscpvnyieam"[roll(d, 13)] };

	insert_byte(&p, m);
}

static void
drop_range(struct dice *d, struct message *m)
{
	size_t from = roll(d, m->size + 1), n = roll(d, m->size - from + 1);

	memmove(m->text + from, m->text + from + n, m->size - from - n);
	m->size -= n;
}

static void
repeat_range(struct dice *d, struct message *m)
{
	size_t from = roll(d, m->size + 1), n = roll(d, m->size - from + 1);

	if (m->size + n > ROOM / 2)
		return;
	memmove(m->text + from + n, m->text + from, m->size - from);
	m->size += n;
}

static void
blow_up(struct dice *d, struct message *m)
{
	size_t at = roll(d, m->size + 1), n = roll(d, ROOM - m->size);

	memmove(m->text + at + n, m->text + at, m->size - at);
	memset(m->text + at, (int)roll(d, 256), n);
	m->size += n;
}

static void
change_at_random(void *arg, struct message *m)
{
	static void (*const changes[])(struct dice *, struct message *) = {
		set_byte, set_byte, insert_some, drop_range, repeat_range, blow_up,
	};
	struct dice *d = arg;

	for (size_t n = 1 + roll(d, 3); n > 0; n--)
		changes[roll(d, lengthof(changes))](d, m);
}

Test(scram_middle, changes_at_random)
{
	struct dice d = { .state = 20260726 };

	for (size_t round = 0; round < 8000; round++) {
		struct middle w = {
			.bound = roll(&d, 2) == 1,
			.number = (int)roll(&d, MESSAGES),
			.change = change_at_random,
			.arg = &d,
		};

		expect_refused(&w, "round", round);
	}
}

/* --- another exchange --- */

static void
put_text(void *arg, struct message *m)
{
	m->size = strlen(arg);
	memcpy(m->text, arg, m->size);
}

/* The same two, the same keys, but the messages of another time. */
Test(scram_middle, brings_old_messages)
{
	struct scram_verifier v;
	struct parties old;
	struct error e;
	const char *texts[MESSAGES];
	const uint8_t *salt;
	size_t salt_size;
	int iterations;

	make_verifier(&v, &old.keys);
	old.client = scram_client_new_with(SCRAM_NO_TLS, NULL, "user", "old-client");
	old.server = scram_server_new_with(&v, NULL, "old-server");
	texts[0] = scram_client_first(old.client);
	texts[1] = scram_server_first(old.server, false, (const uint8_t *)texts[0], strlen(texts[0]), &e);
	cr_assert(scram_client_challenge(old.client, (const uint8_t *)texts[1], strlen(texts[1]), &salt, &salt_size,
		&iterations, &e));
	texts[2] = scram_client_final(old.client, &old.keys);
	texts[3] = scram_server_final(old.server, (const uint8_t *)texts[2], strlen(texts[2]), NULL, &e);
	for (int i = 0; i < MESSAGES * MESSAGES; i++) {
		char text[512];
		struct middle w = { .number = i / MESSAGES, .change = put_text, .arg = text };

		snprintf(text, sizeof(text), "%s", texts[i % MESSAGES]);
		expect_refused(&w, "old message", (size_t)i % MESSAGES);
	}
	scram_client_free(&old.client);
	scram_server_free(&old.server);
}
