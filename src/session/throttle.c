#include "session/throttle.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/sqlstate.h"
#include "pg/message.h"
#include "pg/writer.h"
#include "session/link.h"
#include "session/memory.h"

/* Sessions that go on in one turn of the loop; others are served in between. */
#define WAKE_MAX 64

/* Of those who wait for others to end, so many are looked at when one has ended; all are when the timer is due. */
#define LOOK_MAX 256

/* Rates that are shared between nodes change behind our back, and so does the count of those under way on other
 * workers: so often, who waits is looked at again. */
#define LOOK_AGAIN (10 * USEC_PER_MSEC)

/* Bytes are debited when a query is over, and of a long one whenever there are so many. */
#define BYTES_AT_ONCE (256 * 1024)

/* Messages that are looked at to see whether a cycle has a query. */
#define CYCLE_MAX 64

/* The types of a Parse's parameters, behind its text: so many of so many bytes at most. */
#define PARSE_TYPES_MAX (UINT16_MAX * (int64_t)sizeof(uint32_t))

/* The name of a Parse's statement, in front of its text: none is longer. */
#define PARSE_NAME_MAX (16 * 1024)

/* The end of a text is waited for within this. */
#define TEXT_KEPT_MAX (1024 * 1024)

RB_HEAD(throttle_tree, throttle);
TAILQ_HEAD(throttle_list, throttle);

struct throttles {
	struct shard *shard;
	struct loop_timer *timer;
	struct throttle_tree delayed;
	struct throttle_list crowded;
	struct deferred deferred;	/* somebody's query is over: look at `crowded` */
	struct throttle place;		/* where serve_crowded is in `crowded` */
	bool on;			/* [limits] has lines */
};

static int
compare(const struct throttle *a, const struct throttle *b)
{
	if (a->due != b->due)
		return a->due < b->due ? -1 : 1;
	return a->session->client->id < b->session->client->id ? -1 : a->session->client->id > b->session->client->id;
}

RB_PROTOTYPE(throttle_tree, throttle, by_due, compare)
RB_GENERATE(throttle_tree, throttle, by_due, compare)

static struct throttles *
throttles_of(const struct throttle *t)
{
	return t->session->shard->throttles;
}

/* --- who waits --- */

static void
set_timer(struct throttles *ts)
{
	const struct throttle *first = RB_MIN(throttle_tree, &ts->delayed);
	usec_t now = clock_recent(), delay = first == NULL || first->due - now > LOOK_AGAIN ? LOOK_AGAIN : first->due - now;

	if (first == NULL && TAILQ_EMPTY(&ts->crowded))
		loop_timer_stop(ts->timer);
	else
		loop_timer_set(ts->timer, delay > 0 ? delay : 0);
}

static void
delay(struct throttle *t, usec_t due)
{
	struct throttles *ts = throttles_of(t);

	t->state = THROTTLE_DELAYED;
	t->due = due;
	RB_INSERT(throttle_tree, &ts->delayed, t);
	if (RB_MIN(throttle_tree, &ts->delayed) == t)
		set_timer(ts);
}

static void
crowd(struct throttle *t)
{
	struct throttles *ts = throttles_of(t);

	t->state = THROTTLE_CROWDED;
	TAILQ_INSERT_TAIL(&ts->crowded, t, link);
	if (RB_EMPTY(&ts->delayed) && TAILQ_FIRST(&ts->crowded) == t)
		set_timer(ts);
}

static void
leave_queue(struct throttle *t)
{
	struct throttles *ts = throttles_of(t);

	if (t->state == THROTTLE_DELAYED)
		RB_REMOVE(throttle_tree, &ts->delayed, t);
	else if (t->state == THROTTLE_CROWDED)
		TAILQ_REMOVE(&ts->crowded, t, link);
	t->state = THROTTLE_QUIET;
}

static void
send_error(struct session *s, const struct error *e)
{
	struct buffer b = BUFFER_INIT;

	writer_error(&b, e);
	stream_send_bytes(&s->client->stream, b.data, b.len);
	buffer_release(&b);
}

/* Its wait is over; it may close itself. */
static void
go_on(struct throttle *t, enum limit_outcome outcome, const struct error *e)
{
	struct session *s = t->session;

	if (outcome == LIMIT_REFUSE) {
		t->state = THROTTLE_QUIET;
		session_refuse(s, e);
		return;
	}
	t->state = THROTTLE_READY;
	client_resume(s->client);
}

/* Who is due comes in; or, if too many are under way, is next when one of them ends. */
static void
start(struct throttle *t, usec_t now)
{
	struct error e;
	enum limit_outcome outcome;

	leave_queue(t);
	outcome = limit_start(&t->set, now, &t->hold, &e);
	if (outcome == LIMIT_WAIT)
		crowd(t);
	else
		go_on(t, outcome, &e);
}

/* In order, each whose own limits have room, and past those who have none: they may be another tenant's.  Who has waited
 * too long is refused. */
static void
serve_crowded(struct throttles *ts, usec_t now, int looks)
{
	struct throttle *t = TAILQ_FIRST(&ts->crowded), *here = &ts->place;
	int woken = 0;

	for (int i = 0; i < looks && woken < WAKE_MAX && t != NULL; i++) {
		struct error e;
		enum limit_outcome outcome = session_is_interrupted(t->session) ? LIMIT_WAIT :
					     limit_start(&t->set, now, &t->hold, &e);

		if (outcome == LIMIT_WAIT) {
			t = TAILQ_NEXT(t, link);
			continue;
		}
		/* What that does may bring others to their end, whoever is next among them. */
		TAILQ_INSERT_AFTER(&ts->crowded, t, here, link);
		leave_queue(t);
		go_on(t, outcome, &e);
		t = TAILQ_NEXT(here, link);
		TAILQ_REMOVE(&ts->crowded, here, link);
		woken++;
	}
}

static void
serve_delayed(struct throttles *ts, usec_t now)
{
	struct throttle *t;

	for (int i = 0; i < WAKE_MAX && (t = RB_MIN(throttle_tree, &ts->delayed)) != NULL && t->due <= now; i++) {
		usec_t more = session_is_interrupted(t->session) ? LOOK_AGAIN : limit_due(&t->set, &t->hold, now);

		if (more == 0) {
			start(t, now);
		} else {
			RB_REMOVE(throttle_tree, &ts->delayed, t);
			t->due = now + more;
			RB_INSERT(throttle_tree, &ts->delayed, t);
		}
	}
}

/* Those may be due earlier than they were told. */
static void
look_again(struct throttles *ts, usec_t now)
{
	struct throttle *t, *next;

	for (t = RB_MIN(throttle_tree, &ts->delayed); t != NULL; t = next) {
		usec_t due = now + limit_due(&t->set, &t->hold, now);

		next = RB_NEXT(throttle_tree, &ts->delayed, t);
		if (due >= t->due)
			continue;
		RB_REMOVE(throttle_tree, &ts->delayed, t);
		t->due = due;
		RB_INSERT(throttle_tree, &ts->delayed, t);
	}
}

static void
on_timer(void *arg)
{
	struct throttles *ts = arg;
	usec_t now = clock_now();
	const struct throttle *first = RB_MIN(throttle_tree, &ts->delayed);

	if (first != NULL && first->due > now)
		look_again(ts, now);
	serve_delayed(ts, now);
	serve_crowded(ts, now, INT_MAX);
	set_timer(ts);
}

static void
on_over(struct deferred *d)
{
	struct throttles *ts = container_of(d, struct throttles, deferred);

	serve_crowded(ts, clock_recent(), LOOK_MAX);
	set_timer(ts);
}

/* --- the set of a session --- */

static void
refresh(struct throttle *t)
{
	struct session *s = t->session;
	const struct limit_names names = {
		.tenant = s->pool->tenant->name,
		.class = s->pool->tenant->conf != NULL ? s->pool->tenant->conf->limits : NULL,
		.user = s->user->name,
		.address = &s->client->address,
	};

	limits_refresh(s->shard->commons->limits, &names, &t->set);
	t->class_epoch = s->pool->tenant->class_epoch;
}

static bool
is_stale(const struct throttle *t)
{
	const struct session *s = t->session;

	return t->set.generation != limits_generation(s->shard->commons->limits) ||
	       t->class_epoch != s->pool->tenant->class_epoch;
}

/* NULL: there are no limits.  Between queries it is brought to the present configuration. */
static struct throttle *
find(struct session *s)
{
	struct throttle *t = s->throttle;

	if (t == NULL) {
		if (!s->shard->throttles->on)
			return NULL;
		t = memory_zalloc(sizeof(*t));
		t->set.counted = s->counted;
		throttle_attach(s, t);
	}
	if (t->state == THROTTLE_QUIET && is_stale(t))
		refresh(t);
	return t;
}

typedef bool enter_fn(struct limits *l, const struct limit_names *n, usec_t now, struct limit_set *set, struct error *e);

static struct throttle *
enter(struct shard *s, const struct tenant *t, const struct user *u, const struct address *a, enter_fn *fn, struct error *e)
{
	const struct limit_names names = {
		.tenant = t->name, .class = t->conf->limits, .user = u->name, .address = a,
	};
	struct throttle *x;

	e->sqlstate[0] = '\0';
	if (s->throttles == NULL || !s->throttles->on)
		return NULL;
	x = memory_zalloc(sizeof(*x));
	x->class_epoch = t->class_epoch;
	if (fn(s->commons->limits, &names, clock_now(), &x->set, e))
		return x;
	e->severity = SEVERITY_FATAL;
	free(x);
	return NULL;
}

struct throttle *
throttle_enter(struct shard *s, const struct tenant *t, const struct user *u, const struct client *c, struct error *e)
{
	return enter(s, t, u, &c->address, limits_enter, e);
}

struct throttle *
throttle_change(struct shard *s, const struct tenant *t, const struct user *u, const struct address *a, struct error *e)
{
	return enter(s, t, u, a, limits_enter_from, e);
}

void
throttle_free(struct shard *s, struct throttle **t)
{
	if (*t == NULL)
		return;
	limits_leave(s->commons->limits, &(*t)->set);
	free((*t)->over);
	free(*t);
	*t = NULL;
}

void
throttle_attach(struct session *s, struct throttle *t)
{
	s->throttle = t;
	if (t != NULL)
		t->session = s;
}

void
throttle_arrive(struct session *s, struct throttle *t)
{
	throttle_attach(s, t);
	if (t != NULL)
		t->class_epoch = s->pool->tenant->class_epoch - 1;
}

static void
end_query(struct throttle *t)
{
	struct throttles *ts = throttles_of(t);
	bool was_active = t->hold.active != 0;

	/* Of a cycle without a query, what was taken for one is given back. */
	(t->paid ? limit_withdraw : limit_end)(&t->set, &t->hold);
	t->paid = false;
	if (was_active && !TAILQ_EMPTY(&ts->crowded))
		loop_defer(t->session->shard->loop, &ts->deferred, on_over);
}

void
throttle_leave(struct session *s)
{
	struct throttle *t = s->throttle;

	if (t == NULL)
		return;
	if (t->state != THROTTLE_UNDER_WAY)
		limit_withdraw(&t->set, &t->hold);
	leave_queue(t);
	throttle_unqueue(s);
	throttle_over(s, clock_recent(), true);
	throttle_free(s->shard, &s->throttle);
}

struct throttle *
throttle_detach(struct session *s)
{
	struct throttle *t = s->throttle;

	if (t == NULL)
		return NULL;
	throttle_unqueue(s);
	s->throttle = NULL;
	t->session = NULL;
	return t;
}

void
throttle_discard(struct limits *limits, struct throttle **tp)
{
	struct throttle *t = *tp;

	*tp = NULL;
	if (t == NULL)
		return;
	if (limits != NULL) {
		(t->state == THROTTLE_UNDER_WAY ? limit_end : limit_withdraw)(&t->set, &t->hold);
		limits_leave(limits, &t->set);
	}
	free(t->over);
	free(t);
}

/* --- requests --- */

static bool
is_query(uint8_t type)
{
	return type == FE_QUERY || type == FE_FUNCTION_CALL || type == FE_EXECUTE;
}

/* What begins nothing by itself. */
static bool
is_beside(uint8_t type)
{
	return type == FE_SYNC || type == FE_FLUSH || type == FE_COPY_DATA || type == FE_COPY_DONE || type == FE_COPY_FAIL;
}

static bool
is_outside(const struct session *s)
{
	return s->link == NULL || (pipeline_is_empty(&s->link->pipeline) && !s->link->pipeline.open &&
				   s->link->server->transaction == TRANSACTION_IDLE);
}

/* The last request of a pipeline is at its end; whether a transaction is open then, only the server knows.  If all that is
 * outstanding are our own answers, it has nothing to tell. */
static bool
is_behind_others(const struct session *s)
{
	const struct pipeline *p;

	if (s->link == NULL)
		return false;
	p = &s->link->pipeline;
	return !p->open && !p->in_copy && !p->skipping && !pipeline_has_only_answers(p);
}

/* Does the cycle that goes on with this message end without a query?  In doubt, no. */
static bool
has_no_query(const struct batch *b, const struct request *rq)
{
	const uint8_t *p = rq->start;
	struct frame f;

	for (int i = 0; i < CYCLE_MAX && frame_peek(p, (size_t)(b->end - p), &f) == FRAME_OK; i++) {
		if (f.type == FE_SYNC)
			return true;
		if (is_query(f.type) || f.type == FE_FLUSH || f.size > (size_t)(b->end - p))
			return false;
		p += f.size;
	}
	return false;
}

/* How long the text of a Query or Parse is: from `least` to `most`, which differ as long as its end has not come. */
struct text_length {
	int64_t least, most;
};

static struct text_length
measure_text(const struct request *rq)
{
	const uint8_t *text = rq->start + FRAME_HEADER, *end = rq->start + rq->here, *nul;
	int64_t size = (int64_t)(rq->frame.size - FRAME_HEADER), others = PARSE_NAME_MAX + PARSE_TYPES_MAX, most;

	if (rq->frame.type == FE_QUERY)
		return (struct text_length){ size - 1, size - 1 };
	nul = memchr(text, '\0', (size_t)(end - text));	/* of the statement's name */
	if (nul == NULL)
		return (struct text_length){ end - text > PARSE_NAME_MAX ? size : size - others, size };
	most = size - (nul + 1 - text) - 1 - (int64_t)sizeof(uint16_t);
	text = nul + 1;
	nul = memchr(text, '\0', (size_t)(end - text));
	if (nul != NULL)
		return (struct text_length){ nul - text, nul - text };
	return (struct text_length){ most - PARSE_TYPES_MAX > end - text ? most - PARSE_TYPES_MAX : end - text, most };
}

/* Its end would tell, and there is no room to wait for it: e says so.  Who is only told of is let pass. */
static enum throttle_outcome
judge_without_end(struct throttle *t, int64_t most)
{
	struct error over;

	return limit_exceeds(&t->set, LIMIT_KIND_QUERY_LENGTH, most, &over) ? THROTTLE_REFUSE : THROTTLE_PASS;
}

/* WAIT: too little of it has come to tell. */
static enum throttle_outcome
judge_length(struct throttle *t, const struct request *rq, struct error *e)
{
	int64_t least;
	struct text_length n;

	if (rq->frame.type != FE_QUERY && rq->frame.type != FE_PARSE)
		return THROTTLE_PASS;
	least = limit_least(&t->set, LIMIT_KIND_QUERY_LENGTH);
	if (least == 0 || (int64_t)(rq->frame.size - FRAME_HEADER) <= least)
		return THROTTLE_PASS;
	n = measure_text(rq);
	if (n.most <= least)
		return THROTTLE_PASS;
	if (n.least <= least && rq->here < rq->frame.size) {
		if (least <= TEXT_KEPT_MAX)
			return memory_admits(t->session, rq, e) ? THROTTLE_WAIT : judge_without_end(t, n.most);
		n.least = n.most;
	}
	if (!limit_exceeds(&t->set, LIMIT_KIND_QUERY_LENGTH, n.least, e))
		return THROTTLE_PASS;
	error_detail(e, n.least == n.most ? "This one is %lld bytes long." : "This one is at least %lld bytes long.",
		     (long long)n.least);
	return THROTTLE_REFUSE;
}

/* Nothing is outstanding, so our error is next. */
static enum throttle_outcome
refuse(struct batch *b, const struct error *e)
{
	request_refuse(b, e);
	return THROTTLE_REFUSE;
}

static void
warn(struct throttle *t, usec_t now)
{
	struct error notice;

	if (limit_warn(&t->set, now, &notice))
		send_error(t->session, &notice);
}

static enum throttle_outcome
admit(struct throttle *t, struct batch *b)
{
	usec_t now = b->now;
	struct error e;

	switch (limit_admit(&t->set, now, &t->hold, &e)) {
	case LIMIT_REFUSE:
		return refuse(b, &e);
	case LIMIT_WAIT:
		if (t->hold.waits != 0)
			delay(t, now + limit_due(&t->set, &t->hold, now));
		else
			crowd(t);
		stream_pause(&b->session->client->stream);
		return THROTTLE_WAIT;
	case LIMIT_PASS:
		warn(t, now);
		break;
	}
	return THROTTLE_PASS;
}

static enum throttle_outcome
begin(struct throttle *t, struct batch *b)
{
	if (t->state != THROTTLE_READY) {
		enum throttle_outcome outcome = admit(t, b);

		if (outcome != THROTTLE_PASS)
			return outcome;
	}
	t->state = THROTTLE_UNDER_WAY;
	t->paid = true;
	return THROTTLE_PASS;
}

enum throttle_outcome
throttle_request(struct batch *b, const struct request *rq, struct error *e)
{
	struct session *s = b->session;
	struct throttle *t = find(s);
	enum throttle_outcome length;

	if (t == NULL || !t->set.any || is_beside(rq->frame.type))
		return THROTTLE_PASS;
	length = judge_length(t, rq, e);
	if (length == THROTTLE_WAIT) {
		memory_hold(s, rq);
		s->client->want = rq->frame.size;
		return THROTTLE_WAIT;
	}
	if (length != THROTTLE_PASS)
		return is_outside(s) ? refuse(b, e) : THROTTLE_FAIL;
	if (t->state == THROTTLE_QUIET && has_no_query(b, rq))
		return THROTTLE_PASS;
	if (t->state != THROTTLE_UNDER_WAY && s->transaction_since == 0 && is_outside(s))
		return begin(t, b);
	if (!t->paid && is_behind_others(s) && (t->state == THROTTLE_QUIET || limit_is_over(&t->set, b->now))) {
		stream_pause(&s->client->stream);
		return THROTTLE_WAIT;
	}
	return THROTTLE_PASS;
}

void
throttle_charge(struct session *s, uint8_t type, usec_t now)
{
	struct throttle *t = s->throttle;

	if (t == NULL || !t->set.any)
		return;
	if (t->server_since == 0)
		t->server_since = now;
	if (!is_query(type))
		return;
	if (!t->paid)
		limit_debit(&t->set, LIMIT_KIND_QUERIES, now, 1);
	t->paid = false;
}

bool
throttle_queue_is_full(struct batch *b)
{
	struct session *s = b->session;
	struct throttle *t = s->throttle;
	struct error e;

	if (t == NULL || t->queued || !t->set.any)
		return false;
	if (!limit_enqueue(&t->set, &e)) {
		t->queued = true;
		return false;
	}
	pool_forget(s->pool, &s->wait);
	refuse(b, &e);
	return true;
}

void
throttle_unqueue(struct session *s)
{
	struct throttle *t = s->throttle;

	if (t == NULL || !t->queued)
		return;
	t->queued = false;
	limit_dequeue(&t->set);
}

bool
throttle_cancel(struct session *s)
{
	if (!throttle_holds(s) || session_is_interrupted(s))
		return false;
	leave_queue(s->throttle);
	limit_withdraw(&s->throttle->set, &s->throttle->hold);
	return true;
}

bool
throttle_result_is_over(struct session *s, size_t n)
{
	struct throttle *t = s->throttle;
	int64_t least;
	struct error e;

	t->result += (int64_t)n;
	if (t->bytes >= BYTES_AT_ONCE) {
		limit_debit(&t->set, LIMIT_KIND_BYTES, clock_recent(), t->bytes);
		t->bytes = 0;
	}
	least = limit_least(&t->set, LIMIT_KIND_RESULT_SIZE);
	if (least == 0 || t->result <= least || t->result_told)
		return false;
	t->result_told = true;
	if (!limit_exceeds(&t->set, LIMIT_KIND_RESULT_SIZE, t->result, &e))
		return false;
	error_hint(&e, "Ask for fewer rows, or in parts, with a cursor or LIMIT.");
	if (t->over == NULL)
		t->over = memory_alloc(sizeof(*t->over));
	*t->over = e;
	return true;
}

void
throttle_over(struct session *s, usec_t now, bool idle)
{
	struct throttle *t = s->throttle;

	if (t == NULL)
		return;
	t->result = 0;
	t->result_told = false;
	if (t->bytes > 0)
		limit_debit(&t->set, LIMIT_KIND_BYTES, now, t->bytes);
	t->bytes = 0;
	if (t->server_since != 0 && now > t->server_since)
		limit_debit(&t->set, LIMIT_KIND_SERVER_TIME, now, now - t->server_since);
	t->server_since = idle || t->server_since == 0 ? 0 : now;
	if (!idle)
		return;
	t->transaction_told = false;
	if (t->state == THROTTLE_UNDER_WAY || t->state == THROTTLE_READY)
		t->state = THROTTLE_QUIET;
	end_query(t);
}

void
throttle_answered(struct session *s, usec_t now)
{
	if (s->throttle != NULL)
		s->throttle->paid = false;
	throttle_over(s, now, true);
}

/* --- upkeep --- */

bool
throttle_transaction_is_over(struct session *s, usec_t now, struct error *e)
{
	struct throttle *t = s->throttle;
	int64_t least;

	if (t == NULL || s->transaction_since == 0 || t->transaction_told)
		return false;
	if (t->bytes >= BYTES_AT_ONCE) {
		limit_debit(&t->set, LIMIT_KIND_BYTES, now, t->bytes);
		t->bytes = 0;
	}
	least = limit_least(&t->set, LIMIT_KIND_TRANSACTION);
	if (least == 0 || now - s->transaction_since <= least)
		return false;
	t->transaction_told = true;
	return limit_exceeds(&t->set, LIMIT_KIND_TRANSACTION, now - s->transaction_since, e);
}

void
throttles_configure(struct shard *s)
{
	struct throttles *ts = s->throttles;

	if (ts == NULL) {
		if (shard_config(s)->nlimits == 0)
			return;
		ts = s->throttles = memory_zalloc(sizeof(*ts));
		ts->shard = s;
		ts->timer = loop_timer_new(s->loop, on_timer, ts);
		RB_INIT(&ts->delayed);
		TAILQ_INIT(&ts->crowded);
	}
	ts->on = shard_config(s)->nlimits > 0;
	if (!RB_EMPTY(&ts->delayed) || !TAILQ_EMPTY(&ts->crowded))
		loop_timer_set(ts->timer, 0);
}

void
throttles_free(struct shard *s)
{
	if (s->throttles == NULL)
		return;
	loop_timer_free(&s->throttles->timer);
	free(s->throttles);
	s->throttles = NULL;
}
