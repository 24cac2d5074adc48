#include "session/timing.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/sqlstate.h"
#include "pg/reader.h"
#include "pool/pace.h"
#include "session/learn.h"
#include "session/request.h"
#include "session/slow.h"
#include "session/values.h"

/* Bytes of a Bind that are looked at for its values. */
#define VALUES_READ (16 * 1024)

/* Portals of a link that wait to go on; more are counted in parts. */
#define SUSPENDED_MAX 100

/* Timings that are kept in stock, of a shard. */
#define STOCK_MAX 4096

static struct shard *
shard_of(const struct link *k)
{
	return container_of(k->server->env, struct shard, server_env);
}

static bool
counts(const struct shard *s)
{
	return s->queries.limits.on;
}

bool
timing_reads_text(const struct session *s)
{
	return counts(s->shard) ||
	       (shard_config(s->shard)->session_state == SESSION_STATE_CLEAN && pool_mode(s->pool) != POOL_SESSION);
}

/* --- the free list --- */

static struct timing *
take_timing(struct shard *s)
{
	struct timing *t = SLIST_FIRST(&s->timings);

	if (t == NULL)
		return memory_zalloc(sizeof(*t));
	SLIST_REMOVE_HEAD(&s->timings, link);
	s->ntimings--;
	return t;
}

void
timing_drop(struct link *k, struct timing *t)
{
	struct shard *s = shard_of(k);

	if (k->meter.text.timing == t)
		k->meter.text.timing = NULL;
	label_clear(&t->what);
	if (s->ntimings == STOCK_MAX) {
		free(t);
		return;
	}
	SLIST_INSERT_HEAD(&s->timings, t, link);
	s->ntimings++;
}

void
timings_free(struct shard *s)
{
	struct timing *t;

	while ((t = SLIST_FIRST(&s->timings)) != NULL) {
		SLIST_REMOVE_HEAD(&s->timings, link);
		free(t);
	}
}

/* --- what a text is counted as --- */

static struct query_tenant *
queries_of(const struct session *s)
{
	struct tenant *t = s->pool->tenant;

	if (t->queries == NULL)
		t->queries = query_tenant_new(&s->shard->queries, t->name);
	return t->queries;
}

static struct query_entry *
find_entry(struct session *s, const struct sql_digest *d, const char *text, size_t n)
{
	struct query_tenant *t = queries_of(s);
	struct query_entry *e = query_find(t, d->hash);
	bool fresh = false;

	if (e != NULL)
		return e;
	e = query_open(t, d, text, n, clock_recent(), &fresh);
	if (fresh)
		learn_statement(s->shard, d->hash, text, n);
	return e;
}

/* With standard_conforming_strings = off, \' ends no string: what the lexer takes for names may be literals. */
static bool
is_misread(const struct session *s, bool has_backslash)
{
	const char *standard = has_backslash ? params_get(s->params, "standard_conforming_strings") : NULL;

	return standard != NULL && strcmp(standard, "off") == 0;
}

/* l is what the first n bytes of text say.  A NUL among them is its end; else nobody knows what comes behind. */
static void
label_text(struct session *s, struct label *l, const char *text, size_t size)
{
	size_t n = strnlen(text, size < TIMING_TEXT ? size : TIMING_TEXT);
	bool cut = n == size || n == TIMING_TEXT;
	struct sql_digest d;

	s->shard->queries.truncated += cut;
	if (is_misread(s, memchr(text, '\\', n) != NULL)) {
		l->effects = SQL_EFFECTS;
		return;
	}
	sql_recall_digest(&s->shard->recall, text, n, &d);
	l->effects = cut ? SQL_EFFECTS : d.effects;
	if (!counts(s->shard))
		return;
	label_take_entry(l, find_entry(s, &d, text, n));
	if (d.comment != NULL && l->trace == NULL)
		l->trace = trace_note_new(d.comment, d.comment_size);
}

static void
label_types(struct label *l, struct reader *r)
{
	l->nparams = reader_u16(r);
	if (!reader_ok(r))
		l->nparams = 0;
	l->ntypes = l->nparams < LABEL_TYPES ? (uint8_t)l->nparams : LABEL_TYPES;
	for (int i = 0; i < l->ntypes; i++)
		l->types[i] = reader_u32(r);
	if (!reader_ok(r))
		l->ntypes = 0;
}

/* The body of a Parse behind the name, as far as it has come: text NUL, int16 n, n times int32. */
static void
label_body(struct session *s, struct label *l, const uint8_t *body, size_t n)
{
	const uint8_t *end = memchr(body, '\0', n);
	struct reader r;

	label_clear(l);
	label_text(s, l, (const char *)body, n);
	if (end == NULL)
		return;
	reader_init(&r, end + 1, n - (size_t)(end + 1 - body));
	label_types(l, &r);
}

static void
label_statement(struct session *s, struct label *l, const struct statement *st)
{
	struct sql_digest d = { .hash = st->hash, .verb = st->verb, .effects = st->effects };
	size_t behind = st->text_size < st->size ? st->text_size + 1 : st->size;
	struct reader r;

	label_clear(l);
	if (is_misread(s, st->has_backslash)) {
		l->effects = SQL_EFFECTS;
		return;
	}
	l->effects = st->effects;
	if (!counts(s->shard))
		return;
	label_take_entry(l, find_entry(s, &d, (const char *)st->body,
				       st->text_size < TIMING_TEXT ? st->text_size : TIMING_TEXT));
	l->trace = trace_note_ref(st->trace);
	reader_init(&r, st->body + behind, st->size - behind);
	label_types(l, &r);
}

/* --- texts that come in several reads --- */

/* The rest of a text that is total bytes long, of which n have come, is awaited. */
static void
await_text(struct timing_text *x, struct timing *t, struct label *l, const uint8_t *p, size_t n, size_t total)
{
	size_t wanted = total < TIMING_TEXT ? total : TIMING_TEXT;

	buffer_clear(&x->bytes);
	buffer_append(&x->bytes, p, n);
	x->missing = wanted - n;
	x->timing = t;
	x->label = l;
}

static void
take_text(struct link *k)
{
	struct timing_text *x = &k->meter.text;
	struct label *l = x->timing != NULL ? &x->timing->what : x->label;
	struct pipeline *p = &k->pipeline;

	if (k->session != NULL && l != NULL)
		label_body(k->session, l, buffer_head(&x->bytes), buffer_left(&x->bytes));
	if (x->timing != NULL && p->count > 0 && pipeline_last(p)->timing == x->timing)
		pipeline_last(p)->effects = l->effects;
	x->timing = NULL;
	x->label = NULL;
	buffer_release(&x->bytes);
}

void
timing_read_on(struct link *k, const uint8_t *p, size_t n)
{
	struct timing_text *x = &k->meter.text;

	if (n > x->missing)
		n = x->missing;
	buffer_append(&x->bytes, p, n);
	x->missing -= n;
	if (x->missing == 0)
		take_text(k);
}

/* --- requests --- */

/* Is what a client asks to be run to be timed?  If not, nothing of it counts for what comes next. */
static bool
is_timed(struct session *s, bool wanted)
{
	if (!wanted)
		s->link->meter.bytes_in = 0;
	return wanted;
}

static struct timing *
begin(struct batch *b)
{
	struct session *s = b->session;
	struct timing_meter *m = &s->link->meter;
	struct timing *t = take_timing(s->shard);

	t->since = b->now;
	t->wait = s->waited;
	s->waited = 0;
	t->heard_at = 0;
	t->blocked = 0;
	t->bytes_in = m->bytes_in;
	m->bytes_in = 0;
	t->failed = false;
	t->sqlstate[0] = '\0';
	pipeline_last(&s->link->pipeline)->timing = t;
	return t;
}

void
timing_query(struct batch *b, const struct request *rq)
{
	struct session *s = b->session;
	const uint8_t *text = rq->start + FRAME_HEADER;
	size_t n = rq->here - FRAME_HEADER, total = rq->frame.size - FRAME_HEADER;
	struct timing *t;

	label_clear(&s->link->meter.statement);
	if (!is_timed(s, timing_reads_text(s)))
		return;
	t = begin(b);
	if (n < total && n < TIMING_TEXT) {
		await_text(&s->link->meter.text, t, NULL, text, n, total);
		return;
	}
	label_text(s, &t->what, (const char *)text, n);
	pipeline_last(&s->link->pipeline)->effects = t->what.effects;
}

void
timing_function_call(struct batch *b)
{
	static const char text[] = "FUNCTION CALL";

	if (is_timed(b->session, counts(b->session->shard)))
		label_text(b->session, &begin(b)->what, text, sizeof(text));
}

/* It is about something that nobody has seen, and may leave behind whatever it likes. */
static void
label_forget(struct label *l)
{
	label_clear(l);
	l->effects = SQL_EFFECTS;
}

static struct label *
find_portal(struct timing_meter *m, const char *name)
{
	return name[0] == '\0' ? &m->portal : labels_find(m->portals, name);
}

void
timing_execute(struct batch *b, const struct request *rq)
{
	struct session *s = b->session;
	struct label *l;
	struct reader r;
	struct timing *t;

	if (!is_timed(s, timing_reads_text(s)))
		return;
	reader_init(&r, rq->start + FRAME_HEADER, rq->here - FRAME_HEADER);
	l = find_portal(&s->link->meter, reader_string(&r));
	t = begin(b);
	pipeline_last(&s->link->pipeline)->effects = l != NULL ? l->effects : SQL_EFFECTS;
	if (l == NULL)
		return;
	label_copy(&t->what, l);
	t->what.bound = l->bound;
	t->what.values = l->values;
	l->values = NULL;
}

void
timing_parse(struct batch *b, const struct request *rq, const char *name, const uint8_t *body, size_t n)
{
	struct session *s = b->session;
	struct timing_meter *m = &s->link->meter;
	size_t total = rq->frame.size - (size_t)(body - rq->start);
	struct label *l;

	if (!timing_reads_text(s))
		return;
	l = name[0] == '\0' ? &m->statement : labels_open(&m->statements, name);
	if (l == NULL)
		return;
	if (n < total && n < TIMING_TEXT)
		await_text(&m->text, NULL, l, body, n, total);
	else
		label_body(s, l, body, n);
}

static void
keep_values(const struct session *s, struct label *l, const uint8_t *values, size_t n)
{
	if (!shard_config(s->shard)->slow_query_log_values || values == NULL)
		return;
	l->values = values_of_bind(values, n < VALUES_READ ? n : VALUES_READ);
}

void
timing_bind(struct batch *b, const char *portal, struct statement *st, const char *name, const uint8_t *values,
	    size_t n)
{
	struct session *s = b->session;
	struct timing_meter *m = &s->link->meter;
	struct label *from, *to;

	if (!timing_reads_text(s))
		return;
	to = portal[0] == '\0' ? &m->portal : labels_open(&m->portals, portal);
	if (to == NULL)
		return;
	if (st != NULL) {
		label_statement(s, to, st);
	} else {
		from = name[0] == '\0' ? &m->statement : labels_find(m->statements, name);
		if (from != NULL)
			label_copy(to, from);
		else
			label_forget(to);
	}
	to->bound = ++m->last_bound != 0 ? m->last_bound : ++m->last_bound;
	keep_values(s, to, values, n);
}

void
timing_label_unnamed(struct link *k, struct statement *st)
{
	if (timing_reads_text(k->session))
		label_statement(k->session, &k->meter.statement, st);
}

/* --- replies --- */

/* The timing that the server works on: of the head, or of the Execute that its cycle comes to. */
static struct timing **
find_current(struct link *k)
{
	for (uint32_t i = 0; i < k->pipeline.count; i++) {
		struct pipeline_entry *e = pipeline_at(&k->pipeline, i);

		if (e->timing != NULL)
			return &e->timing;
		if (e->kind == REQUEST_SYNC || e->kind == REQUEST_QUERY)
			break;	/* a query without one is ours: a SET in front of the client's */
	}
	return NULL;
}

static usec_t
start_of(const struct link *k, const struct timing *t)
{
	return t->since > k->meter.finished_at ? t->since : k->meter.finished_at;
}

void
timing_heard(struct link *k, usec_t now)
{
	struct timing **t = find_current(k);

	if (t != NULL && (*t)->heard_at == 0)
		(*t)->heard_at = now;
}

void
timing_block(struct link *k, usec_t now)
{
	if (k->meter.blocked_since == 0)
		k->meter.blocked_since = now;
}

void
timing_unblock(struct link *k)
{
	struct timing_meter *m = &k->meter;
	struct timing **t;
	usec_t from;

	if (m->blocked_since == 0)
		return;
	t = find_current(k);
	if (t != NULL) {
		from = m->blocked_since > start_of(k, *t) ? m->blocked_since : start_of(k, *t);
		(*t)->blocked += clock_now() - from;
	}
	m->blocked_since = 0;
}

/* "INSERT 0 5\0": 5; "BEGIN\0": 0. */
static uint64_t
count_in_tag(const char *tag, size_t n)
{
	uint64_t count = 0, unit = 1;

	for (size_t i = n > 0 ? n - 1 : 0; i > 0 && tag[i - 1] >= '0' && tag[i - 1] <= '9'; i--) {
		count += (uint64_t)(tag[i - 1] - '0') * unit;
		unit *= 10;
	}
	return count;
}

/* Of rows that came, the tag tells only those of its last Execute. */
void
timing_command(struct link *k, const char *tag, size_t n)
{
	struct timing_meter *m = &k->meter;

	m->rows += m->rows_of_command > 0 ? m->rows_of_command : count_in_tag(tag, n);
	m->rows_of_command = 0;
}

/* What comes behind a message of `last` bytes is another's. */
static void
start_anew(struct timing_meter *m, size_t last)
{
	m->rows = m->rows_of_command = 0;
	m->bytes_out = 0 - (uint64_t)last;	/* it is added when it has been handed over */
}

static void
measure(struct link *k, const struct timing *t, usec_t now, size_t last, struct query_sample *q)
{
	struct timing_meter *m = &k->meter;
	usec_t start = start_of(k, t);

	*q = (struct query_sample){
		.wait = t->wait,
		.first_byte = t->heard_at > start ? t->heard_at - start : 0,
		.total = now - start,
		.blocked = t->blocked,
		.rows = m->rows + m->rows_of_command,
		.bytes_in = t->bytes_in,
		.bytes_out = m->bytes_out + last,
		.failed = t->failed,
	};
	start_anew(m, last);
	m->finished_at = now;
}

static const char *
application_of(const struct timing *t)
{
	return t->what.trace != NULL ? t->what.trace->trace.application : "";
}

static void
count(struct link *k, struct timing *t, struct query_sample *q, usec_t now)
{
	struct session *s = k->session;
	const struct pool *p = s->pool;
	usec_t threshold = tenant_slow_query_threshold(p->tenant, shard_config(s->shard), p->user_conf);

	q->slow = threshold > 0 && q->total >= threshold;
	if (t->what.entry == NULL) {
		t->what.entry = &queries_of(s)->other;
		t->what.entry->running++;
	}
	if (q->slow)
		slow_report(s, t, q, threshold);
	query_count(t->what.entry, q, now);
	t->what.entry = NULL;
	if (shard_config(s->shard)->metrics_application_label)
		application_count(applications_find(&s->shard->applications, application_of(t)), q);
}

/* It took q in all. */
static void
conclude(struct link *k, struct timing *t, struct query_sample *q, usec_t now)
{
	struct pool *p = k->session->pool;

	if (p->pace != NULL)
		pace_observe(p->pace, k->server, t->what.entry != NULL ? &t->what.entry->baseline : NULL,
			     (usec_t)(q->total - q->blocked), now);
	if (counts(k->session->shard))
		count(k, t, q, now);
	timing_drop(k, t);
}

/* --- portals that are executed in parts --- */

static struct timing *
find_suspended(const struct timing_meter *m, unsigned bound)
{
	struct timing *t;

	SLIST_FOREACH(t, &m->suspended, link) {
		if (t->what.bound == bound)
			return t;
	}
	return NULL;
}

static void
remove_suspended(struct timing_meter *m, struct timing *t)
{
	SLIST_REMOVE(&m->suspended, t, timing, link);
	m->nsuspended--;
}

/* Another part of t, which took q, was timed by `part`; that is given back. */
static void
add_part(struct link *k, struct timing *t, struct timing *part, const struct query_sample *q)
{
	t->so_far.total += q->total;
	t->so_far.wait += q->wait;
	t->so_far.blocked += q->blocked;
	t->so_far.rows += q->rows;
	t->so_far.bytes_in += q->bytes_in;
	t->so_far.bytes_out += q->bytes_out;
	t->so_far.failed |= q->failed;
	memcpy(t->sqlstate, part->sqlstate, sizeof(t->sqlstate));
	timing_drop(k, part);
}

static void
finish(struct link *k, struct timing **tp, usec_t now, size_t last)
{
	struct timing *t = *tp, *first;
	struct query_sample q;

	*tp = NULL;
	measure(k, t, now, last, &q);
	first = find_suspended(&k->meter, t->what.bound);
	if (first != NULL) {
		remove_suspended(&k->meter, first);
		add_part(k, first, t, &q);
		q = first->so_far;
		t = first;
	}
	conclude(k, t, &q, now);
}

void
timing_suspend(struct link *k, usec_t now, size_t last)
{
	struct pipeline_entry *head = pipeline_head(&k->pipeline);
	struct timing_meter *m = &k->meter;
	struct timing *t, *first;
	struct query_sample q;

	if (head == NULL || head->timing == NULL)
		return;
	t = head->timing;
	head->timing = NULL;
	measure(k, t, now, last, &q);
	first = find_suspended(m, t->what.bound);
	if (first != NULL) {
		add_part(k, first, t, &q);
	} else if (t->what.bound == 0 || m->nsuspended == SUSPENDED_MAX) {
		conclude(k, t, &q, now);
	} else {
		t->so_far = q;
		SLIST_INSERT_HEAD(&m->suspended, t, link);
		m->nsuspended++;
	}
}

static void
end_suspended(struct link *k, usec_t now)
{
	struct timing_meter *m = &k->meter;
	struct timing *t;

	while ((t = SLIST_FIRST(&m->suspended)) != NULL) {
		struct query_sample q = t->so_far;

		remove_suspended(m, t);
		conclude(k, t, &q, now);
	}
}

void
timing_end_portals(struct link *k, usec_t now)
{
	/* What is outstanding may be a Bind for the next one. */
	if (pipeline_is_empty(&k->pipeline)) {
		labels_free(&k->meter.portals);
		label_clear(&k->meter.portal);
	}
	end_suspended(k, now);
}

/* --- the end of a query --- */

void
timing_end(struct link *k, usec_t now, size_t last)
{
	struct pipeline_entry *head = pipeline_head(&k->pipeline);

	if (head != NULL && head->timing != NULL)
		finish(k, &head->timing, now, last);
	else if (head != NULL && head->kind != REQUEST_SYNC && head->action == REPLY_PASS)
		start_anew(&k->meter, last);	/* it ran while nothing was timed */
}

static void
fail(struct timing *t, const char *sqlstate)
{
	t->failed = true;
	memcpy(t->sqlstate, sqlstate, sizeof(t->sqlstate));
}

void
timing_fail(struct link *k, const char *sqlstate, usec_t now)
{
	struct pipeline_entry *head = pipeline_head(&k->pipeline);
	struct timing **t = find_current(k);

	if (t == NULL) {
		start_anew(&k->meter, 0);
		return;
	}
	fail(*t, sqlstate);
	/* A simple query ends with ReadyForQuery in any case; the others will be skipped. */
	if (head->kind != REQUEST_QUERY && head->kind != REQUEST_FUNCTION_CALL)
		finish(k, t, now, 0);
}

/* One that the server has not been told all of does not run. */
static bool
is_sent(const struct timing_text *x, const struct timing *t)
{
	return x->missing == 0 || x->timing != t;
}

void
timing_cut(struct link *k)
{
	struct timing **t = find_current(k);

	if (t != NULL && is_sent(&k->meter.text, *t)) {
		fail(*t, SQLSTATE_CONNECTION_FAILURE);
		finish(k, t, clock_now(), 0);
	}
	if (!SLIST_EMPTY(&k->meter.suspended))
		end_suspended(k, clock_now());
}

/* --- the meter --- */

void
timing_meter_clear(struct timing_meter *m)
{
	m->bytes_in = m->bytes_out = m->rows = m->rows_of_command = 0;
	m->finished_at = m->blocked_since = 0;
	m->text.missing = 0;
	m->text.timing = NULL;
	m->text.label = NULL;
	buffer_clear(&m->text.bytes);
	label_clear(&m->statement);
	label_clear(&m->portal);
	labels_free(&m->statements);
	labels_free(&m->portals);
}

void
timing_meter_release(struct timing_meter *m)
{
	timing_meter_clear(m);
	buffer_release(&m->text.bytes);
}

void
timing_configure(struct shard *s)
{
	const struct config *c = shard_config(s);
	unsigned share = (unsigned)(c->query_stats_max / s->nworkers);
	struct query_limits limits = {
		.on = c->query_stats,
		.entries = share < 16 ? 16 : share,
		.entries_per_tenant = (unsigned)c->query_stats_max_per_tenant,
		.text_size = (unsigned)c->query_text_size,
		.period = c->alert_baseline_period,
		.period_calls = (unsigned)c->alert_min_queries,
	};

	query_store_limit(&s->queries, &limits);
}
