#include "redis/redis.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "net/dial.h"
#include "net/stream.h"

#define PAUSE_FIRST (100 * USEC_PER_MSEC)

/* Nodes that share something are to be back at about the same time: until all are, some count without the others. */
#define PAUSE_MAX (400 * USEC_PER_MSEC)

enum redis_state {
	STATE_DOWN,		/* the timer makes it try again */
	STATE_DIALING,
	STATE_GREETING,		/* connected; AUTH, SELECT, PING are unanswered */
	STATE_UP,
};

/* What was asked and not answered. */
struct question {
	STAILQ_ENTRY(question) link;
	redis_done_fn *done;
	void *arg;
	usec_t since;
	const struct redis_script *script;	/* NULL: it is none, or Redis was told its text */
	struct buffer rest;			/* of a script: all behind its hash, as it is sent */
	size_t nwords;				/* in rest */
};

struct redis {
	struct loop *loop;
	struct redis_address address;
	struct redis_options options;
	enum redis_state state;
	struct dial *dial;
	struct stream stream;
	struct redis_parser *parser;
	STAILQ_HEAD(, question) questions;
	size_t nquestions;
	struct buffer out;
	struct loop_timer *timer;
	usec_t pause;			/* until the next try */
	int greetings;			/* unanswered ones */
	bool told;			/* that it is down */
	struct deferred flush, end;
};

void
redis_script_init(struct redis_script *s, const char *text)
{
	unsigned char sha[EVP_MAX_MD_SIZE];
	unsigned n = 0;

	s->text = text;
	memset(s->hash, 0, sizeof(s->hash));
	if (EVP_Digest(text, strlen(text), sha, &n, EVP_sha1(), NULL) != 1)
		return;		/* Redis then says that it does not know it, and is told the text */
	for (unsigned i = 0; i < n && i < 20; i++)
		snprintf(s->hash + (size_t)2 * i, 3, "%02x", sha[i]);
}

/* --- up and down --- */

static void
answer(struct redis *r, const struct redis_value *v)
{
	struct question *q = STAILQ_FIRST(&r->questions);

	STAILQ_REMOVE_HEAD(&r->questions, link);
	r->nquestions--;
	q->done(q->arg, v);
	buffer_release(&q->rest);
	free(q);
}

static void
tell(struct redis *r, bool up)
{
	if (r->options.changed != NULL)
		r->options.changed(r->options.arg, up);
}

/* Many processes lose a Redis at the same time: they are not to come back all at once. */
static usec_t
next_pause(struct redis *r)
{
	usec_t pause = r->pause;

	r->pause = pause * 2 > PAUSE_MAX ? PAUSE_MAX : pause * 2;
	return pause * 3 / 4 + random() % (pause / 2);
}

static void
disconnect(struct redis *r)
{
	dial_cancel(&r->dial);
	stream_close(&r->stream);
	redis_parser_free(&r->parser);
	buffer_wipe(&r->out);
	r->greetings = 0;
}

static void
go_down(struct redis *r, const char *why)
{
	bool was_up = r->state == STATE_UP;

	disconnect(r);
	r->state = STATE_DOWN;
	if (!r->told)
		log_warning("Redis %s:%d cannot be used: %s", r->address.host, r->address.port, why);
	r->told = true;
	while (!STAILQ_EMPTY(&r->questions))
		answer(r, NULL);
	loop_timer_set(r->timer, next_pause(r));
	if (was_up)
		tell(r, false);
}

static void
go_up(struct redis *r)
{
	r->state = STATE_UP;
	r->pause = PAUSE_FIRST;
	if (r->told)
		log_info("Redis %s:%d can be used again", r->address.host, r->address.port);
	r->told = false;
	loop_timer_stop(r->timer);
	tell(r, true);
}

/* --- asking --- */

static void
flush(struct deferred *d)
{
	struct redis *r = container_of(d, struct redis, flush);

	if (r->state < STATE_GREETING || buffer_left(&r->out) == 0)
		return;
	stream_send_bytes(&r->stream, buffer_head(&r->out), buffer_left(&r->out));
	buffer_clear(&r->out);
}

static struct question *
add_question(struct redis *r, redis_done_fn *done, void *arg)
{
	struct question *q = memory_zalloc(sizeof(*q));

	q->done = done;
	q->arg = arg;
	q->since = clock_now();
	if (STAILQ_EMPTY(&r->questions) && r->state == STATE_UP)
		loop_timer_set(r->timer, r->options.timeout);
	STAILQ_INSERT_TAIL(&r->questions, q, link);
	r->nquestions++;
	loop_defer(r->loop, &r->flush, flush);
	return q;
}

/* More behind a full socket would only wait longer than anybody waits for it. */
static bool
may_ask(const struct redis *r)
{
	return r->state == STATE_UP && r->nquestions < REDIS_OUTSTANDING_MAX && stream_is_drained(&r->stream);
}

bool
redis_ask(struct redis *r, const struct redis_word *words, size_t n, redis_done_fn *done, void *arg)
{
	if (!may_ask(r))
		return false;
	redis_write_head(&r->out, n);
	for (size_t i = 0; i < n; i++)
		redis_write_word(&r->out, words[i].bytes, words[i].size);
	add_question(r, done, arg);
	return true;
}

static void
write_script(struct redis *r, const struct question *q, const char *command, const char *script)
{
	redis_write_head(&r->out, 2 + q->nwords);
	redis_write_text(&r->out, command);
	redis_write_text(&r->out, script);
	buffer_append(&r->out, buffer_head(&q->rest), buffer_left(&q->rest));
}

bool
redis_run(struct redis *r, const struct redis_script *s, const struct redis_word *words, size_t n, size_t nkeys,
	  redis_done_fn *done, void *arg)
{
	struct question *q;
	char keys[24];

	if (!may_ask(r))
		return false;
	q = add_question(r, done, arg);
	q->script = s;
	q->nwords = n + 1;
	snprintf(keys, sizeof(keys), "%zu", nkeys);
	redis_write_text(&q->rest, keys);
	for (size_t i = 0; i < n; i++)
		redis_write_word(&q->rest, words[i].bytes, words[i].size);
	write_script(r, q, "EVALSHA", s->hash);
	return true;
}

/* It has forgotten the script, or never knew it. true: it is asked again, with the text. */
static bool
ask_again(struct redis *r, const struct redis_value *v)
{
	struct question *q = STAILQ_FIRST(&r->questions);

	if (q->script == NULL || redis_kind(v) != REDIS_FAILURE || strncmp(redis_text(v, NULL), "NOSCRIPT", 8) != 0)
		return false;
	STAILQ_REMOVE_HEAD(&r->questions, link);
	STAILQ_INSERT_TAIL(&r->questions, q, link);
	write_script(r, q, "EVAL", q->script->text);
	q->script = NULL;
	loop_defer(r->loop, &r->flush, flush);
	return true;
}

/* --- the stream --- */

/* false: r is down now. */
static bool
take_replies(struct redis *r)
{
	struct redis_value *v = NULL;

	while (r->state >= STATE_GREETING) {
		if (!redis_parser_next(r->parser, &v) || (v != NULL && STAILQ_EMPTY(&r->questions))) {
			redis_value_free(&v);
			go_down(r, "it does not speak Redis' protocol");
			return false;
		}
		if (v == NULL)
			return true;
		if (!ask_again(r, v))
			answer(r, v);
		redis_value_free(&v);
	}
	return false;
}

/* Of who is first, when an answer has come. */
static void
set_deadline(struct redis *r)
{
	const struct question *q = STAILQ_FIRST(&r->questions);
	usec_t left;

	if (q == NULL) {
		loop_timer_stop(r->timer);
		return;
	}
	left = q->since + r->options.timeout - clock_recent();
	loop_timer_set(r->timer, left > 0 ? left : 0);
}

static void
on_readable(struct stream *s)
{
	struct redis *r = container_of(s, struct redis, stream);
	uint8_t *scratch = loop_scratch(r->loop);
	ssize_t n = stream_read(s, scratch, LOOP_SCRATCH);

	if (n == -1)
		return;
	if (n <= 0) {
		go_down(r, n == 0 ? "it closed the connection" : strerror((int)-n));
		return;
	}
	clock_now();
	redis_parser_feed(r->parser, scratch, (size_t)n);
	if (take_replies(r) && r->state == STATE_UP)
		set_deadline(r);
}

static void
on_drained(struct stream *s)
{
	(void)s;
}

static const struct stream_ops stream_ops = {
	.readable = on_readable,
	.drained = on_drained,
};

/* --- connecting --- */

static void
on_greeted(void *arg, const struct redis_value *v)
{
	struct redis *r = arg;

	if (r->state != STATE_GREETING || v == NULL)
		return;
	r->greetings--;
	if (redis_kind(v) == REDIS_FAILURE) {
		r->greetings = -1;	/* what else it answers means nothing; the timer ends it */
		if (!r->told)
			log_warning("Redis %s:%d refuses us: %.160s", r->address.host, r->address.port,
				    redis_text(v, NULL));
		r->told = true;
	} else if (r->greetings == 0) {
		go_up(r);
	}
}

static void
greet(struct redis *r, size_t n, const char *const *words)
{
	redis_write_head(&r->out, n);
	for (size_t i = 0; i < n; i++)
		redis_write_text(&r->out, words[i]);
	r->greetings++;
	add_question(r, on_greeted, r);
}

static void
greet_all(struct redis *r)
{
	const struct redis_address *a = &r->address;
	char database[12];

	snprintf(database, sizeof(database), "%d", a->database);
	if (a->user != NULL)
		greet(r, 3, (const char *const[]){ "AUTH", a->user, a->password });
	else if (a->password != NULL)
		greet(r, 2, (const char *const[]){ "AUTH", a->password });
	if (a->database != 0)
		greet(r, 2, (const char *const[]){ "SELECT", database });
	greet(r, 1, (const char *const[]){ "PING" });
}

static void
on_dialled(void *arg, int fd, const struct address *at, const struct error *e)
{
	struct redis *r = arg;

	(void)at;
	r->dial = NULL;
	if (fd < 0) {
		go_down(r, e->message);
		return;
	}
	stream_open(&r->stream, fd, &stream_ops);
	stream_attach(&r->stream, r->loop);
	r->parser = redis_parser_new();
	r->state = STATE_GREETING;
	greet_all(r);
}

static void
connect_now(struct redis *r)
{
	static const struct stream_options options = { .keepalive = true };

	r->state = STATE_DIALING;
	loop_timer_set(r->timer, r->options.timeout > USEC_PER_SEC ? r->options.timeout : USEC_PER_SEC);
	r->dial = dial_start(r->loop, r->address.host, r->address.port, &options, on_dialled, r);
}

static void
on_timer(void *arg)
{
	struct redis *r = arg;
	const struct question *q = STAILQ_FIRST(&r->questions);

	if (r->state == STATE_DOWN)
		connect_now(r);
	else if (r->state != STATE_UP)
		go_down(r, "no answer while connecting");
	else if (q != NULL && clock_now() - q->since >= r->options.timeout)
		go_down(r, "no answer in time");
	else
		set_deadline(r);
}

struct redis *
redis_new(struct loop *l, const struct redis_address *a, const struct redis_options *o)
{
	struct redis *r = memory_zalloc(sizeof(*r));

	r->loop = l;
	r->options = *o;
	r->address.host = memory_strdup(a->host);
	r->address.port = a->port;
	r->address.user = a->user == NULL ? NULL : memory_strdup(a->user);
	r->address.password = a->password == NULL ? NULL : memory_strdup(a->password);
	r->address.database = a->database;
	r->stream.fd = -1;
	r->pause = PAUSE_FIRST;
	STAILQ_INIT(&r->questions);
	r->timer = loop_timer_new(l, on_timer, r);
	connect_now(r);
	return r;
}

static void
on_end(struct deferred *d)
{
	free(container_of(d, struct redis, end));
}

void
redis_free(struct redis **rp)
{
	struct redis *r = *rp;

	if (r == NULL)
		return;
	*rp = NULL;
	disconnect(r);
	r->state = STATE_DOWN;
	while (!STAILQ_EMPTY(&r->questions))
		answer(r, NULL);
	loop_timer_free(&r->timer);
	redis_address_release(&r->address);
	loop_defer(r->loop, &r->end, on_end);	/* behind flush, if that is due */
}

bool
redis_is_up(const struct redis *r)
{
	return r->state == STATE_UP;
}
