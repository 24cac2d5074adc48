/* A TLS stream that lives now on one thread, now on another; to be run under ThreadSanitizer, too. */
#include "net/tls.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>

#include "base/memory.h"
#include "certs.h"
#include "net/mailbox.h"
#include "net/stream.h"
#include "until.h"

#define ROUNDS 200
#define LARGEST 40000

enum kind {
	ARRIVES,
	STOP,
};

struct place {
	pthread_t thread;
	struct loop *loop;
	struct mailbox *mailbox;
	struct mail stop;
};

/* Sends back what it reads, and goes to the other place each time something has happened to it. */
struct traveller {
	struct stream stream;
	struct mail mail;
	int at;
	atomic_int trips;
	atomic_bool closed;
};

static struct place places[2];
static struct traveller traveller;

static void
move_on(struct traveller *t)
{
	stream_detach(&t->stream);
	t->at = !t->at;
	atomic_fetch_add(&t->trips, 1);
	t->mail.kind = ARRIVES;
	mailbox_post(places[t->at].mailbox, &t->mail);
}

static void
traveller_on_readable(struct stream *s)
{
	struct traveller *t = container_of(s, struct traveller, stream);
	uint8_t some[3000];
	ssize_t n = stream_read(s, some, sizeof(some));

	if (n > 0)
		stream_send_bytes(s, some, (size_t)n);
	if (n == 0 || n < -1) {
		stream_close(s);
		atomic_store(&t->closed, true);
		return;
	}
	move_on(t);
}

static void
traveller_on_drained(struct stream *s)
{
	(void)s;
}

static void
traveller_on_secured(struct stream *s, const struct error *e)
{
	cr_assert_null(e);
	move_on(container_of(s, struct traveller, stream));
}

static const struct stream_ops travelling = {
	.readable = traveller_on_readable,
	.drained = traveller_on_drained,
	.secured = traveller_on_secured,
};

static void
on_mail(void *arg, struct mail *m)
{
	struct place *p = arg;

	if (m->kind == STOP)
		loop_stop(p->loop);
	else
		stream_attach(&container_of(m, struct traveller, mail)->stream, p->loop);
}

static void *
live(void *arg)
{
	loop_run(((struct place *)arg)->loop);
	return NULL;
}

static void
discard(struct mail *m)
{
	(void)m;
}

static void
begin_places(void)
{
	for (int i = 0; i < 2; i++) {
		places[i].loop = loop_new();
		places[i].mailbox = mailbox_new(places[i].loop, on_mail, &places[i]);
		pthread_create(&places[i].thread, NULL, live, &places[i]);
	}
}

static void
end_places(void)
{
	for (int i = 0; i < 2; i++) {
		places[i].stop.kind = STOP;
		mailbox_post(places[i].mailbox, &places[i].stop);
		pthread_join(places[i].thread, NULL);
		mailbox_free(&places[i].mailbox, discard);
		loop_free(&places[i].loop);
	}
}

/* --- the other side, which stays at home --- */

struct asker {
	struct stream stream;
	uint8_t asked[LARGEST];
	size_t size, got;
	int round;
	bool failed;
};

static void
ask(struct asker *a)
{
	a->size = (size_t)(a->round * 7919 % LARGEST + 1);
	a->got = 0;
	for (size_t i = 0; i < a->size; i++)
		a->asked[i] = (uint8_t)(i * 31 + (size_t)a->round);
	stream_send_bytes(&a->stream, a->asked, a->size);
}

static void
asker_on_readable(struct stream *s)
{
	struct asker *a = container_of(s, struct asker, stream);
	static uint8_t answer[LARGEST];
	ssize_t n = stream_read(s, answer, a->size - a->got);

	if (n == -1)
		return;
	if (n <= 0 || memcmp(answer, a->asked + a->got, (size_t)n) != 0) {
		a->failed = true;
		stream_pause(s);
		return;
	}
	a->got += (size_t)n;
	if (a->got == a->size && a->round++ < ROUNDS)
		ask(a);
}

static void
asker_on_secured(struct stream *s, const struct error *e)
{
	struct asker *a = container_of(s, struct asker, stream);

	a->failed = e != NULL;
	if (e == NULL)
		ask(a);
}

static const struct stream_ops asking = {
	.readable = asker_on_readable,
	.drained = traveller_on_drained,
	.secured = asker_on_secured,
};

static bool
has_answers(void *arg)
{
	const struct asker *a = arg;

	return a->failed || a->round > ROUNDS;
}

static bool
has_closed(void *arg)
{
	return atomic_load(&((struct traveller *)arg)->closed);
}

static struct tls_context *
context(bool of_server)
{
	struct tls_settings s = { .mode = TLS_REQUIRE };
	struct error e = { 0 };
	struct tls_context *c;

	if (of_server) {
		s.cert_file = certs_path("db.crt");
		s.key_file = certs_path("db.key");
	}
	c = of_server ? tls_context_for_clients(&s, &e) : tls_context_for_servers(&s, &e);
	cr_assert_not_null(c, "%s", e.message);
	return c;
}

Test(tls_threads, a_stream_lives_on_two_threads, .timeout = 60)
{
	static struct asker asker;
	struct loop *home = loop_new();
	struct tls_context *c, *s;
	int fds[2];

	certs_begin();
	certs_make("db", &(struct cert){ .name = "db.example" });
	c = context(false);
	s = context(true);
	certs_end();
	begin_places();
	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	stream_open(&asker.stream, fds[0], &asking);
	stream_attach(&asker.stream, home);
	stream_connect_tls(&asker.stream, c, "db.example", false);
	stream_open(&traveller.stream, fds[1], &travelling);
	stream_accept_tls(&traveller.stream, s, false, NULL, 0);
	tls_context_unref(&c);
	tls_context_unref(&s);
	mailbox_post(places[0].mailbox, &traveller.mail);
	for (int i = 0; i < 10 && !until(home, has_answers, &asker); i++)
		;
	cr_assert_not(asker.failed);
	cr_assert_gt(asker.round, ROUNDS);
	stream_close(&asker.stream);
	cr_assert(until(home, has_closed, &traveller));
	cr_assert_gt(atomic_load(&traveller.trips), ROUNDS);
	end_places();
	loop_free(&home);
}
