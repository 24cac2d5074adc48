#include "session/plan.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/memory.h"
#include "base/sqlstate.h"
#include "pg/frame.h"
#include "pg/message.h"
#include "pg/reader.h"
#include "pg/response.h"
#include "pg/writer.h"
#include "pool/pool.h"
#include "sql/classify.h"

#define PATIENCE (5 * USEC_PER_SEC)
#define MINUTE (60 * USEC_PER_SEC)
#define PARAMETERS_MAX 2000
#define MESSAGE_MAX (PLAN_MAX + 1024)	/* of what is looked at; longer rows are skipped */
#define NAME "pgusher_plan"

static const char begin_sql[] = "BEGIN READ ONLY;SET LOCAL statement_timeout='2s';SET LOCAL lock_timeout='100ms';"
				"SET LOCAL plan_cache_mode=force_generic_plan;SET LOCAL client_encoding='UTF8'";

/* What the next ReadyForQuery ends. */
enum plan_step {
	PLAN_WAITS,		/* no server yet */
	PLAN_BEGIN,
	PLAN_PREPARE,
	PLAN_EXPLAIN,
	PLAN_ROLLBACK,
	PLAN_CLOSE,
};

struct plan {
	LIST_ENTRY(plan) link;
	struct planner *planner;
	struct slow_query *query;
	char *user;			/* of the pool; its tenant is the query's */
	char *text;			/* that can be prepared */
	usec_t since;
	enum plan_step step;
	struct server *server;		/* NULL: waits */
	size_t skip;			/* bytes still to come of a row that is too long */
	int nparams;
	bool prepared, closed;		/* the server has said so */
	bool canceled;
};

struct planner {
	struct shard *shard;
	LIST_HEAD(, plan) plans;
	usec_t minute;			/* when the present one began */
	int asked;			/* in it */
	bool over;
	struct deferred turn;
};

/* --- the end of one --- */

/* The first reason is the one that counts. */
static void __attribute__((format(printf, 2, 3)))
note(struct slow_query *q, const char *fmt, ...)
{
	va_list ap;

	if (q->plan_note != NULL)
		return;
	va_start(ap, fmt);
	if (vasprintf(&q->plan_note, fmt, ap) < 0)
		abort();
	va_end(ap);
}

static void
pass_on(struct shard *s, struct slow_query *q)
{
	if (q->plan != NULL) {
		free(q->plan_note);
		q->plan_note = NULL;
	}
	s->ops->slow(s, q);
}

static void
finish(struct plan *p)
{
	LIST_REMOVE(p, link);
	pass_on(p->planner->shard, p->query);
	free(p->user);
	free(p->text);
	free(p);
}

/* Whatever it is in the middle of, it is not lent to a client like that. */
static void
give_up(struct plan *p, const char *why)
{
	struct server *s = p->server;

	p->server = NULL;
	if (s != NULL)
		pool_abandon(s, why);
	finish(p);
}

/* --- what the server says --- */

static struct plan *
plan_of(const struct server *s)
{
	const struct pool *pool = s->pool;
	struct planner *planner = container_of(pool->pools, struct shard, pools)->planner;
	struct plan *p;

	LIST_FOREACH(p, &planner->plans, link) {
		if (p->server == s)
			return p;
	}
	abort();	/* who leases a server is in the list */
}

/* The row of EXPLAIN has one column.  What it holds goes into a line of JSON, so it has to be JSON. */
static void
take_row(struct plan *p, const uint8_t *body, size_t n)
{
	struct buffer b = BUFFER_INIT;
	struct json j = { .out = &b };
	struct reader r;
	const uint8_t *text;
	json_t *parsed;
	uint32_t size;
	char *copy;

	reader_init(&r, body, n);
	if (reader_u16(&r) != 1 || (size = reader_u32(&r)) > PLAN_MAX || (text = reader_bytes(&r, size)) == NULL)
		return;
	parsed = json_loadb((const char *)text, size, 0, NULL);
	if (parsed == NULL)
		return;
	json_decref(parsed);
	copy = memory_strndup((const char *)text, size);
	json_put_raw(&j, NULL, copy);
	free(copy);
	free(p->query->plan);
	p->query->plan = memory_strndup((const char *)buffer_head(&b), buffer_left(&b));
	buffer_release(&b);
}

static void
take_error(struct plan *p, const uint8_t *body, size_t n)
{
	struct error e;

	response_parse(body, n, &e);
	if (p->canceled)
		note(p->query, "a client came to wait for the server connection on which the plan was made");
	else if (p->step <= PLAN_PREPARE)
		note(p->query, "with its present settings the server can't prepare it: %s %s", e.sqlstate, e.message);
	else
		note(p->query, "the server can't explain it: %s %s", e.sqlstate, e.message);
}

static void
take_parameters(struct plan *p, const uint8_t *body, size_t n)
{
	struct reader r;

	reader_init(&r, body, n);
	p->nparams = reader_u16(&r);
}

static void
add_explain(struct buffer *b, int nparams)
{
	size_t m = writer_begin(b, FE_QUERY);
	static const char explain[] = "EXPLAIN (FORMAT JSON) EXECUTE " NAME;

	writer_bytes(b, explain, sizeof(explain) - 1);
	for (int i = 0; i < nparams; i++)
		writer_bytes(b, i == 0 ? "(NULL" : ",NULL", 5);
	writer_string(b, nparams > 0 ? ")" : "");
	writer_end(b, m);
}

static void
add_named(struct buffer *b, uint8_t type)
{
	size_t m = writer_begin(b, type);

	writer_u8(b, 'S');
	writer_string(b, NAME);
	writer_end(b, m);
}

static void
add_sync(struct buffer *b)
{
	writer_end(b, writer_begin(b, FE_SYNC));
}

/* What was told of a literal's type, which Parse has never seen, or of a parameter beyond SLOW_QUERY_TYPES: nothing. */
static size_t
arrange_types(const struct slow_query *q, uint32_t types[SLOW_QUERY_TYPES])
{
	uint16_t numbers[SLOW_QUERY_TYPES];
	size_t n = sql_parameter_order(q->text, numbers, SLOW_QUERY_TYPES);

	for (size_t i = 0; i < n; i++)
		types[i] = numbers[i] <= q->ntypes ? q->types[numbers[i] - 1] : 0;
	return n;
}

static void
send_begin(struct plan *p)
{
	uint32_t types[SLOW_QUERY_TYPES];
	size_t ntypes = arrange_types(p->query, types);
	struct buffer b = BUFFER_INIT;
	size_t m;

	writer_query(&b, begin_sql);
	m = writer_begin(&b, FE_PARSE);
	writer_string(&b, NAME);
	writer_string(&b, p->text);
	writer_u16(&b, (uint16_t)ntypes);
	for (size_t i = 0; i < ntypes; i++)
		writer_u32(&b, types[i]);
	writer_end(&b, m);
	add_named(&b, FE_DESCRIBE);
	add_sync(&b);
	stream_send_bytes(&p->server->stream, b.data, b.len);
	buffer_release(&b);
}

/* All the rest; what comes back is in step with it.  Returns what the next ReadyForQuery ends. */
static enum plan_step
send_end(struct plan *p)
{
	struct buffer b = BUFFER_INIT;
	bool can = p->prepared && p->query->plan_note == NULL;

	if (can && p->nparams > PARAMETERS_MAX) {
		note(p->query, "it has more than %d parameters", PARAMETERS_MAX);
		can = false;
	}
	if (can)
		add_explain(&b, p->nparams);
	writer_query(&b, "ROLLBACK");
	if (p->prepared) {
		add_named(&b, FE_CLOSE);
		add_sync(&b);
	}
	stream_send_bytes(&p->server->stream, b.data, b.len);
	buffer_release(&b);
	return can ? PLAN_EXPLAIN : PLAN_ROLLBACK;
}

static void
drop_server(struct server *s, const char *why)
{
	server_unlease(s);
	server_close(s, NULL, why);
}

/* Nothing is outstanding: is the server as it was? */
static void
give_back(struct plan *p)
{
	struct server *s = p->server;
	bool clean = s->transaction == TRANSACTION_IDLE && p->closed == p->prepared;

	if (p->query->plan == NULL)
		note(p->query, "the server sent no plan that can be read");
	p->server = NULL;
	if (clean)
		pool_release(s, false);
	else
		drop_server(s, "it is not as it was before a plan was asked for");
	finish(p);
}

static void
take_ready(struct plan *p, uint8_t status)
{
	p->server->transaction = status;
	switch (p->step) {
	case PLAN_BEGIN:
		p->step = PLAN_PREPARE;
		break;
	case PLAN_PREPARE:
		p->step = send_end(p);
		break;
	case PLAN_EXPLAIN:
		p->step = PLAN_ROLLBACK;
		break;
	case PLAN_ROLLBACK:
		p->step = PLAN_CLOSE;
		if (!p->prepared)
			give_back(p);
		break;
	case PLAN_CLOSE:
		give_back(p);
		break;
	case PLAN_WAITS:
		break;
	}
}

static void
take_message(struct plan *p, uint8_t type, const uint8_t *body, size_t n)
{
	switch (type) {
	case BE_PARSE_COMPLETE:
		p->prepared = true;
		break;
	case BE_CLOSE_COMPLETE:
		p->closed = true;
		break;
	case BE_PARAMETER_DESCRIPTION:
		take_parameters(p, body, n);
		break;
	case BE_DATA_ROW:
		take_row(p, body, n);
		break;
	case BE_ERROR_RESPONSE:
		take_error(p, body, n);
		break;
	case BE_PARAMETER_STATUS:
		server_take_parameter(p->server, body, n);
		break;
	case BE_READY_FOR_QUERY:
		take_ready(p, n == 1 ? body[0] : TRANSACTION_FAILED);
		break;
	default:
		break;	/* tags, notices, what the columns are called */
	}
}

/* A row that is too long to be kept goes by. */
static bool
skips(struct plan *p, const struct frame *f)
{
	if (f->type != BE_DATA_ROW || f->size <= MESSAGE_MAX)
		return false;
	note(p->query, "the plan is longer than %d bytes", PLAN_MAX);
	p->skip = f->size;
	return true;
}

static size_t
take_skipped(struct plan *p, size_t n)
{
	size_t used = n < p->skip ? n : p->skip;

	p->skip -= used;
	return used;
}

static const struct server_lessee lessee;

static size_t
on_input(struct server *s, const uint8_t *p, size_t n)
{
	struct plan *plan = plan_of(s);
	size_t used = 0;
	struct frame f;

	/* When it has been given back, plan is gone. */
	while (s->lessee == &lessee && used < n) {
		used += take_skipped(plan, n - used);
		enum frame_result result = frame_peek(p + used, n - used, &f);
		if (result == FRAME_SHORT)
			break;
		if (result == FRAME_OK && skips(plan, &f))
			continue;
		if (result == FRAME_INVALID || f.size > MESSAGE_MAX) {
			server_close(s, NULL, "malformed or too long an answer to EXPLAIN");
			return n;
		}
		s->want = n - used < f.size ? f.size : 0;
		if (s->want > 0)
			break;
		take_message(plan, f.type, p + used + FRAME_HEADER, f.size - FRAME_HEADER);
		used += f.size;
	}
	return used;
}

static void
on_drained(struct server *s)
{
	(void)s;
}

static void
on_lost(struct server *s, const struct error *e)
{
	struct plan *p = plan_of(s);

	p->server = NULL;
	note(p->query, "the server connection was lost: %s", e->message);
	finish(p);
}

static const struct server_lessee lessee = {
	.input = on_input,
	.drained = on_drained,
	.lost = on_lost,
};

/* --- waiting --- */

/* Pools may come and go while it waits. */
static struct pool *
find_pool(const struct plan *p)
{
	struct tenant *t = tenants_find(p->planner->shard->tenants, p->query->tenant);
	struct pool *pool;

	if (t == NULL)
		return NULL;
	LIST_FOREACH(pool, &t->pools, link) {
		if (!pool->is_private && strcmp(pool->user->name, p->user) == 0)
			return pool;
	}
	return NULL;
}

static void
try_to_run(struct plan *p)
{
	struct pool *pool = find_pool(p);
	struct server *s = pool == NULL ? NULL : pool_borrow(pool);

	if (s == NULL)
		return;
	p->server = s;
	p->step = PLAN_BEGIN;
	server_lease(s, &lessee);
	send_begin(p);
}

/* The server on which the query ran has mostly come back by now. */
static void
on_turn(struct deferred *d)
{
	struct planner *planner = container_of(d, struct planner, turn);
	struct plan *p, *next;

	if (planner->over) {
		free(planner);
		return;
	}
	LIST_FOREACH_SAFE(p, &planner->plans, link, next) {
		if (p->step == PLAN_WAITS)
			try_to_run(p);
	}
}

static struct planner *
planner_of(struct shard *s)
{
	if (s->planner == NULL) {
		s->planner = memory_zalloc(sizeof(*s->planner));
		s->planner->shard = s;
		LIST_INIT(&s->planner->plans);
	}
	return s->planner;
}

static bool
is_asked(const struct planner *planner, const struct pool *pool)
{
	const struct plan *p;

	LIST_FOREACH(p, &planner->plans, link) {
		if (strcmp(p->query->tenant, pool->tenant->name) == 0 && strcmp(p->user, pool->user->name) == 0)
			return true;
	}
	return false;
}

static bool
has_rate(struct planner *planner, int rate)
{
	usec_t now = clock_recent();

	if (planner->minute == 0 || now - planner->minute >= MINUTE) {
		planner->minute = now;
		planner->asked = 0;
	}
	return planner->asked < rate;
}

/* What can be prepared; NULL: q has the reason why it won't be. */
static char *
prepare_text(struct planner *planner, const struct pool *pool, struct slow_query *q)
{
	const struct config *c = shard_config(planner->shard);
	char *text = NULL;

	if (q->text == NULL)
		note(q, "its text is not kept");
	else if (is_asked(planner, pool))
		note(q, "another plan is being made in its pool");
	else if (!has_rate(planner, c->slow_query_plan_rate))
		note(q, "slow_query_plan_rate is reached");
	else if ((text = sql_preparable(q->text)) == NULL)
		note(q, "its text is cut, or is nothing that can be explained");
	return text;
}

void
plan_ask(struct shard *s, struct pool *pool, struct slow_query *q)
{
	struct planner *planner;
	struct plan *p;
	char *text;

	if (!shard_config(s)->slow_query_plan) {
		pass_on(s, q);
		return;
	}
	planner = planner_of(s);
	text = prepare_text(planner, pool, q);
	if (text == NULL) {
		pass_on(s, q);
		return;
	}
	planner->asked++;
	p = memory_zalloc(sizeof(*p));
	p->planner = planner;
	p->query = q;
	p->user = memory_strdup(pool->user->name);
	p->text = text;
	p->since = clock_now();
	LIST_INSERT_HEAD(&planner->plans, p, link);
	loop_defer(s->loop, &planner->turn, on_turn);
}

/* --- upkeep --- */

static void
ignore_end(void *arg, const char *outcome)
{
	(void)arg;
	(void)outcome;
}

/* A client waits for what we have borrowed; the rest of the dialogue takes no time. */
static void
make_way(struct plan *p)
{
	const struct pool *pool = p->server->pool;

	if (p->canceled || pool->nwaiters == 0 || p->step > PLAN_EXPLAIN)
		return;
	p->canceled = true;
	pool_cancel(p->server, ignore_end, NULL);
}

static void
keep(struct plan *p, usec_t now)
{
	if (now - p->since > PATIENCE) {
		note(p->query, p->server == NULL ? "no server connection of its pool was idle"
						 : "the server did not answer in time");
		give_up(p, "EXPLAIN takes too long");
	} else if (p->server == NULL) {
		try_to_run(p);
	} else {
		make_way(p);
	}
}

void
plans_keep(struct shard *s, usec_t now)
{
	struct plan *p, *next;

	if (s->planner == NULL)
		return;
	LIST_FOREACH_SAFE(p, &s->planner->plans, link, next)
		keep(p, now);
}

void
plans_release(struct shard *s)
{
	struct planner *planner = s->planner;
	struct plan *p;

	if (planner == NULL)
		return;
	while ((p = LIST_FIRST(&planner->plans)) != NULL) {
		note(p->query, "the pooler is being shut down");
		give_up(p, "shutdown");
	}
	planner->over = true;
	s->planner = NULL;
	loop_defer(s->loop, &planner->turn, on_turn);
}
