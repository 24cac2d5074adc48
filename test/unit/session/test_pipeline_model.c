/*
 * The pipeline against a small model of PostgreSQL.
 *
 * Random clients send pipelines of every kind of request, some of them fated to
 * fail, with COPY among them.  The model answers as the protocol's chapter
 * "Message Flow" says, and knows which request each reply is for.  Requests,
 * the model and its replies advance in random steps; the pipeline must tell of
 * each reply whose it is, and give our own answers in the same places as the
 * model does.
 */
#include "session/pipeline.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pg/message.h"

#define SCRIPT_MAX 200
#define LOG_MAX 4000

/* What one message of the client is, and what it is fated to. */
struct message {
	char type;		/* of the protocol */
	uint8_t action;		/* enum reply_action */
	char fate[4];		/* statements of a query, one of an Execute; "e": an error */
};

/*
 * Fates of a statement: o ok, r rows, h copy out, i copy in, t copy in that fails before
 * the server has read on (a trigger), s suspended, e an error.
 */

struct sight {
	char type;		/* of the reply; '=': our own answer; '?': one with the wrong action */
	int id;
};

struct log {
	struct sight list[LOG_MAX];
	int n;
};

/* --- the model --- */

struct backend {
	const struct message *script;
	struct log *truth;
	struct sight replies[LOG_MAX];	/* written, and not read by the pipeline yet */
	int first, last;
	bool skipping;
	int copying;			/* the request that copies in; 0: none */
	const char *rest;		/* of the query that runs */
};

static void
see(struct log *l, char type, int id)
{
	cr_assert_lt(l->n, LOG_MAX);
	l->list[l->n++] = (struct sight){ type, id };
}

static void
reply(struct backend *b, char type, int id)
{
	see(b->truth, type, id);
	cr_assert_lt(b->last, LOG_MAX);
	b->replies[b->last++] = (struct sight){ type, id };
}

static bool
is_simple(const struct backend *b, int id)
{
	return b->script[id].type == FE_QUERY || b->script[id].type == FE_FUNCTION_CALL;
}

static void
fail(struct backend *b, int id)
{
	b->copying = 0;
	reply(b, 'E', id);
	if (is_simple(b, id))
		reply(b, 'Z', id);
	else
		b->skipping = true;
}

/* false: the statement is not through. */
static bool
run_statement(struct backend *b, int id, char fate)
{
	switch (fate) {
	case 'r':
		if (is_simple(b, id))
			reply(b, 'T', id);
		reply(b, 'D', id);
		reply(b, 'D', id);
		reply(b, 'C', id);
		return true;
	case 'h':
		reply(b, 'H', id);
		reply(b, 'D', id);
		reply(b, 'c', id);
		reply(b, 'C', id);
		return true;
	case 'i':
		reply(b, 'G', id);
		b->copying = id;
		return false;
	case 't':
		reply(b, 'G', id);
		fail(b, id);
		return false;
	case 's':
		reply(b, 'D', id);
		reply(b, 's', id);
		return true;
	case 'e':
		fail(b, id);
		return false;
	default:
		reply(b, 'C', id);
		return true;
	}
}

static void
run_query(struct backend *b, int id)
{
	while (*b->rest != '\0') {
		if (!run_statement(b, id, *b->rest++))
			return;
	}
	reply(b, 'Z', id);
}

static void
read_copy(struct backend *b, int id)
{
	int owner = b->copying;

	switch (b->script[id].type) {
	case FE_COPY_DATA:
		if (b->script[id].fate[0] == 'e')
			fail(b, owner);
		return;
	case FE_COPY_FAIL:
		fail(b, owner);
		return;
	case FE_COPY_DONE:
		b->copying = 0;
		reply(b, 'C', owner);
		if (is_simple(b, owner))
			run_query(b, owner);
		return;
	case FE_SYNC:
	case FE_FLUSH:
		return;
	default:
		cr_assert_fail("the script sends %c into a copy", b->script[id].type);
	}
}

/* A request of the extended protocol that has one reply. */
static void
run_request(struct backend *b, int id, char type)
{
	const struct message *m = &b->script[id];

	if (m->action == REPLY_ANSWER)
		see(b->truth, '=', id);
	else if (m->fate[0] == 'e')
		fail(b, id);
	else
		reply(b, type, id);
}

static void
skip(struct backend *b, int id)
{
	if (b->script[id].type != FE_SYNC)
		return;
	b->skipping = false;
	reply(b, 'Z', id);
}

static void
backend_read(struct backend *b, int id)
{
	const struct message *m = &b->script[id];

	if (b->copying != 0) {
		read_copy(b, id);
		return;
	}
	if (b->skipping) {
		skip(b, id);
		return;
	}
	switch (m->type) {
	case FE_QUERY:
		b->rest = m->fate;
		run_query(b, id);
		return;
	case FE_FUNCTION_CALL:
		if (m->fate[0] == 'e') {
			fail(b, id);
			return;
		}
		reply(b, 'V', id);
		reply(b, 'Z', id);
		return;
	case FE_PARSE:
		run_request(b, id, '1');
		return;
	case FE_BIND:
		run_request(b, id, '2');
		return;
	case FE_CLOSE:
		run_request(b, id, '3');
		return;
	case FE_DESCRIBE:
		reply(b, 't', id);
		run_request(b, id, m->fate[0] == 'r' ? 'T' : 'n');
		return;
	case FE_EXECUTE:
		run_statement(b, id, m->fate[0]);
		return;
	case FE_SYNC:
		reply(b, 'Z', id);
		return;
	default:
		return;	/* Flush, and what is left over of a copy */
	}
}

/* --- the client's script --- */

struct script {
	struct message list[SCRIPT_MAX + 50];
	int n;			/* from 1 */
};

static int
draw(int n)
{
	return (int)(random() % n);
}

static void
add(struct script *s, char type, const char *fate)
{
	struct message *m = &s->list[++s->n];

	*m = (struct message){ .type = type, .action = REPLY_PASS };
	snprintf(m->fate, sizeof(m->fate), "%s", fate);
}

static const char *
sometimes_fails(int one_in)
{
	return draw(one_in) == 0 ? "e" : "o";
}

/* The data of a copy; Syncs may be sent into it, and some data come late. */
static void
add_copy(struct script *s, bool syncs)
{
	for (int i = draw(3); i > 0; i--)
		add(s, FE_COPY_DATA, sometimes_fails(8));
	for (int i = syncs ? draw(3) : 0; i > 0; i--)
		add(s, draw(4) == 0 ? FE_FLUSH : FE_SYNC, "");
	for (int i = draw(3); i > 0; i--)
		add(s, FE_COPY_DATA, sometimes_fails(8));
	add(s, draw(5) == 0 ? FE_COPY_FAIL : FE_COPY_DONE, "");
	if (draw(10) == 0)
		add(s, FE_COPY_DONE, "");
}

static void
add_query(struct script *s)
{
	static const char statements[] = "ooorrhie" "t";
	char fate[4] = "";
	int n = 1 + draw(3);

	for (int i = 0; i < n; i++)
		fate[i] = statements[draw(sizeof(statements) - 1)];
	add(s, FE_QUERY, fate);
	if (draw(6) == 0)
		s->list[s->n].action = REPLY_SWALLOW;
	for (int i = 0; i < n; i++) {
		if (fate[i] == 'i' || fate[i] == 't')
			add_copy(s, draw(4) == 0);
	}
}

static void
add_extended(struct script *s)
{
	static const char types[] = "PBDEEC";
	static const char fates[] = "ooorrsh" "e" "it";
	int n = draw(6);

	for (int i = 0; i < n; i++) {
		char type = types[draw(sizeof(types) - 1)];
		const char fate[2] = { fates[draw(sizeof(fates) - 1)], '\0' };

		if (type == FE_EXECUTE) {
			add(s, type, fate);
			if (fate[0] == 'i' || fate[0] == 't')
				add_copy(s, draw(2) == 0);
			continue;
		}
		add(s, type, draw(12) == 0 ? "e" : fate[0] == 'r' ? "r" : "o");
		if ((type == FE_PARSE || type == FE_CLOSE) && draw(3) == 0)
			s->list[s->n].action = draw(2) == 0 ? REPLY_ANSWER : REPLY_SWALLOW;
		else if (draw(12) == 0)
			s->list[s->n] = (struct message){ .type = type, .action = REPLY_REPLACE, .fate = "e" };
		if (draw(8) == 0)
			add(s, FE_FLUSH, "");
	}
	if (draw(12) == 0)
		add(s, FE_FUNCTION_CALL, sometimes_fails(3));
	add(s, FE_SYNC, "");
}

static void
write_script(struct script *s)
{
	s->n = 0;
	while (s->n < SCRIPT_MAX / 4) {
		if (draw(3) == 0)
			add_query(s);
		else
			add_extended(s);
	}
}

/* --- the pipeline between the two --- */

struct run {
	struct script script;
	struct pipeline pipeline;
	struct backend backend;
	struct log truth, seen;
	int sent;			/* messages of the script that have been sent */
	int inbox[SCRIPT_MAX + 50];	/* messages that the server has not read */
	int inbox_first, inbox_last;
	int ids[SCRIPT_MAX + 50];	/* refs point into it */
};

static void
on_end(void *arg, const struct pipeline_entry *e)
{
	(void)arg;
	(void)e;
}

static void
take_answers(struct run *r)
{
	struct pipeline_entry e;

	while (pipeline_take_answer(&r->pipeline, &e))
		see(&r->seen, '=', *(int *)e.ref);
}

/* As a session does it (request.c). */
static void
send_next(struct run *r)
{
	static const char types[] = "QFSPBDECcf";
	static const enum request_kind kinds[] = {
		REQUEST_QUERY, REQUEST_FUNCTION_CALL, REQUEST_SYNC, REQUEST_PARSE, REQUEST_BIND,
		REQUEST_DESCRIBE, REQUEST_EXECUTE, REQUEST_CLOSE, REQUEST_COPY_END, REQUEST_COPY_END,
	};
	struct pipeline *p = &r->pipeline;
	int id = ++r->sent;
	const struct message *m = &r->script.list[id];
	const char *at = strchr(types, m->type);

	r->ids[id] = id;
	r->inbox[r->inbox_last++] = id;
	if (p->skipping && m->type != FE_SYNC)
		return;
	if (at == NULL || ((m->type == FE_COPY_DONE || m->type == FE_COPY_FAIL) && pipeline_is_empty(p)))
		return;
	pipeline_push(p, kinds[at - types], (enum reply_action)m->action, &r->ids[id]);
	if (draw(2) == 0)
		take_answers(r);
}

static void
take_reply(struct run *r)
{
	struct pipeline *p = &r->pipeline;
	const struct sight *s = &r->backend.replies[r->backend.first++];
	const struct pipeline_entry *head;
	enum reply_action action;
	int id;

	take_answers(r);
	head = pipeline_head(p);
	id = head == NULL ? 0 : *(int *)head->ref;
	if (s->type == 'D')
		action = pipeline_data_action(p);
	else if (s->type == 'E')
		action = pipeline_take_error(p);
	else
		action = pipeline_take_reply(p, (uint8_t)s->type);
	see(&r->seen, action == r->script.list[id].action ? s->type : '?', id);
	take_answers(r);
}

static bool
is_over(const struct run *r)
{
	return r->sent == r->script.n && r->inbox_first == r->inbox_last && r->backend.first == r->backend.last;
}

static void
step(struct run *r, int eagerness)
{
	int what = draw(eagerness + 2);

	if (what >= 2 && r->sent < r->script.n)
		send_next(r);
	else if (what == 1 && r->inbox_first < r->inbox_last)
		backend_read(&r->backend, r->inbox[r->inbox_first++]);
	else if (what == 0 && r->backend.first < r->backend.last)
		take_reply(r);
	else if (r->sent < r->script.n && draw(4) == 0)
		send_next(r);
}

static char *
describe(const struct log *l, int n)
{
	static char text[2][4096];
	static int which;
	char *out = text[which ^= 1];
	size_t len = 0;

	out[0] = '\0';
	for (int i = n > 30 ? n - 30 : 0; i < n && i < l->n; i++)
		len += (size_t)snprintf(out + len, sizeof(text[0]) - len, " %c%d", l->list[i].type, l->list[i].id);
	return out;
}

static char *
describe_script(const struct script *s)
{
	static char text[8192];
	size_t len = 0;

	for (int i = 1; i <= s->n; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, " %d%c%c%s", i, s->list[i].type,
					" -=!"[s->list[i].action], s->list[i].fate);
	return text;
}

static void
compare(const struct run *r, unsigned seed)
{
	int n = r->seen.n < r->truth.n ? r->seen.n : r->truth.n;

	for (int i = 0; i < n; i++)
		cr_assert(r->seen.list[i].type == r->truth.list[i].type && r->seen.list[i].id == r->truth.list[i].id,
			  "seed %u\n\tsaw    %s\n\twanted %s\n\tscript %s", seed, describe(&r->seen, i + 1),
			  describe(&r->truth, i + 1), describe_script(&r->script));
	cr_assert(!is_over(r) || (r->seen.n == r->truth.n && pipeline_is_empty(&r->pipeline)), "seed %u\n\tscript %s",
		  seed, describe_script(&r->script));
}

/* true: it came to its end; false: the pipeline said that it can't tell. */
static bool
run(struct run *r, unsigned seed)
{
	int eagerness;

	memset(r, 0, sizeof(*r));
	srandom(seed);
	eagerness = 1 + draw(4);
	write_script(&r->script);
	r->backend.script = r->script.list;
	r->backend.truth = &r->truth;
	pipeline_init(&r->pipeline, on_end, on_end, NULL);
	while (!is_over(r) && !r->pipeline.uncertain)
		step(r, eagerness);
	compare(r, seed);
	pipeline_release(&r->pipeline);
	return is_over(r);
}

Test(pipeline_model, attributes_every_reply)
{
	static struct run r;
	int through = 0, uncertain = 0;

	for (unsigned seed = 1; seed <= 20000; seed++) {
		if (run(&r, seed))
			through++;
		else
			uncertain++;
	}
	cr_assert_gt(through, 5000, "%d runs came to their end, %d were uncertain", through, uncertain);
	cr_log_info("%d runs came to their end, %d were uncertain", through, uncertain);
}
