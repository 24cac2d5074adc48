#include "session/change.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/sqlstate.h"
#include "base/strings.h"
#include "pg/message.h"
#include "pg/reader.h"
#include "pg/writer.h"
#include "session/authenticate.h"
#include "session/memory.h"
#include "session/move.h"
#include "session/parts.h"
#include "session/throttle.h"
#include "sql/setting.h"
#include "tenant/route.h"

#define SETTING "pgusher.tenant"

/* Of a message that is longer than CHANGE_MESSAGE_MAX so much is looked at, at most. */
#define LOOK_MAX (16 * 1024)

#define LEAVE_AGAIN (2 * USEC_PER_MSEC)

/* What is to be told of a cycle whose Sync has not come is not kept beyond that. */
#define OUT_MAX (16 * 1024)

/* Longer names of portals are taken for the same if they begin with the same. */
#define PORTAL_NAME 64

struct change {
	bool bound;			/* verb, target and portal are known: what the cycle is about */
	bool executed;			/* there is something to do at Sync */
	bool failed;			/* skip to it */
	bool under_way;
	bool returning;			/* error says why */
	struct buffer out;		/* what is to be told when it is over */
	struct error error;
	enum setting_verb verb;
	char target[TENANT_NAME];
	char portal[PORTAL_NAME];
	/* of the session where it came from */
	char *home;			/* the tenant */
	const struct user *user;	/* who logged in, and from where */
	struct address from;
	struct throttle *throttle;	/* of the new tenant, until the session has it */
	struct buffer shown;		/* what its client was told: name NUL value NUL ... */
};

void
change_free(struct change **cp)
{
	struct change *c = *cp;

	if (c == NULL)
		return;
	*cp = NULL;
	buffer_release(&c->out);
	buffer_release(&c->shown);
	free(c->home);
	free(c);
}

bool
change_is_under_way(const struct session *s)
{
	return s->change != NULL && s->change->under_way;
}

/* --- is it one? --- */

/* The text of a Query or a Parse, as far as it has come; NULL: there is none. */
static const char *
text_of(const struct request *rq, size_t *n)
{
	struct reader r;

	reader_init(&r, rq->start + FRAME_HEADER, rq->here - FRAME_HEADER);
	if (rq->frame.type == FE_PARSE)
		(void)reader_string(&r);
	*n = reader_ok(&r) ? reader_left(&r) : 0;
	return *n > 0 ? (const char *)r.pos : NULL;
}

static enum setting_verb
read_text(const char *text, size_t n, char target[TENANT_NAME])
{
	return setting_may_begin(text, n, true) ? setting_read(text, n, SETTING, target, TENANT_NAME) : SETTING_NONE;
}

/* The statement that a Bind or Describe is about, if it was prepared before by a message that may be one of ours. */
static const struct statement *
statement_of(const struct session *s, const struct request *rq)
{
	const struct statement *st;
	const char *name;
	struct reader r;

	if (!s->changes_prepared || (rq->frame.type != FE_BIND && rq->frame.type != FE_DESCRIBE))
		return NULL;
	reader_init(&r, rq->start + FRAME_HEADER, rq->here - FRAME_HEADER);
	if (rq->frame.type == FE_BIND)
		(void)reader_string(&r);
	else if (reader_u8(&r) != 'S')
		return NULL;
	name = reader_string(&r);
	if (!reader_ok(&r))
		return NULL;
	if (name[0] == '\0') {
		st = s->unnamed;
	} else {
		const struct name *known = names_find(s->names, name);

		st = known != NULL ? known->statement : NULL;
	}
	return st != NULL && FRAME_HEADER + strlen(name) + 1 + st->size <= CHANGE_MESSAGE_MAX ? st : NULL;
}

static bool
is_text(const struct request *rq)
{
	return rq->frame.type == FE_QUERY || rq->frame.type == FE_PARSE;
}

static bool
is_too_long(const struct request *rq)
{
	return is_text(rq) && rq->frame.size > CHANGE_MESSAGE_MAX;
}

static bool
is_away(const struct session *s)
{
	return s->login_tenant != NULL && strcmp(s->login_tenant, s->pool->tenant->name) != 0;
}

static bool
is_about_all(enum setting_verb verb)
{
	return verb == SETTING_RESET_ALL || verb == SETTING_DISCARD_ALL || verb == SETTING_ALL_AMONG;
}

static bool
is_wrong(enum setting_verb verb)
{
	return verb == SETTING_WRONG || verb == SETTING_ALL_AMONG;
}

/* How the session is asked, in words; NONE: it is not. */
static enum setting_verb
read_verb(const struct session *s, const struct request *rq, char target[TENANT_NAME])
{
	const struct statement *st = statement_of(s, rq);
	enum setting_verb verb;
	const char *text;
	size_t n;

	if (st != NULL)
		return read_text((const char *)st->body, st->size, target);
	text = is_text(rq) ? text_of(rq, &n) : NULL;
	if (text == NULL)
		return SETTING_NONE;
	verb = read_text(text, n, target);
	if (verb == SETTING_NONE || !is_too_long(rq))
		return verb;
	return is_about_all(verb) ? SETTING_ALL_AMONG : SETTING_WRONG;
}

/* Who is at home has nothing to reset. */
static enum setting_verb
verb_of(const struct session *s, const struct request *rq, char target[TENANT_NAME])
{
	enum setting_verb verb = read_verb(s, rq, target);

	return is_about_all(verb) && !is_away(s) ? SETTING_NONE : verb;
}

/* It may be bound when the session is away. */
static void
note_prepared(struct session *s, const struct request *rq)
{
	char target[TENANT_NAME];

	if (rq->frame.type == FE_PARSE && is_about_all(read_verb(s, rq, target)))
		s->changes_prepared = true;
}

/* --- answers --- */

static void
add_empty(struct change *c, uint8_t type)
{
	writer_end(&c->out, writer_begin(&c->out, type));
}

static void
add_row_shape(struct change *c)
{
	const char *name = SETTING;
	uint32_t oid = 25;

	writer_row_description(&c->out, 1, &name, &oid, NULL);
}

static void
add_row(struct change *c, const char *value)
{
	size_t mark = writer_begin(&c->out, BE_DATA_ROW);

	writer_u16(&c->out, 1);
	writer_u32(&c->out, (uint32_t)strlen(value));
	writer_bytes(&c->out, value, strlen(value));
	writer_end(&c->out, mark);
}

static void
send_out(struct session *s)
{
	struct buffer *out = &s->change->out;

	if (buffer_left(out) > 0)
		stream_send_bytes(&s->client->stream, buffer_head(out), buffer_left(out));
	buffer_clear(out);
}

/* They run if something came in front of it that is answered here, too, but needs a server (Close). */
static void
stop_clocks(struct session *s, bool idle)
{
	s->quiet_since = clock_recent();
	s->query_since = 0;
	if (idle)
		s->transaction_since = 0;
	throttle_over(s, s->quiet_since, idle);
}

static void
forget_statements(struct session *s)
{
	if (s->names != NULL)
		names_clear(s->names);
	statement_unref(&s->unnamed);
}

/* It is over: e, or what was asked for is done. */
static void
finish(struct session *s, const struct error *e)
{
	static const char *const tags[] = {
		[SETTING_SET] = "SET",
		[SETTING_RESET] = "RESET",
		[SETTING_RESET_ALL] = "RESET",
		[SETTING_DISCARD_ALL] = "DISCARD ALL",
	};
	struct change *c = s->change;
	bool in_transaction = s->link != NULL && s->link->server->transaction != TRANSACTION_IDLE;

	stop_clocks(s, !in_transaction);
	if (e != NULL) {
		struct error own = *e;

		own.severity = SEVERITY_ERROR;
		writer_error(&c->out, &own);
	} else if (c->executed && !c->failed && c->verb != SETTING_SHOW) {
		writer_command_complete(&c->out, tags[c->verb]);
		if (c->verb == SETTING_DISCARD_ALL)
			forget_statements(s);
	}
	writer_ready_for_query(&c->out, in_transaction ? s->link->server->transaction : TRANSACTION_IDLE);
	send_out(s);
	change_free(&s->change);
}

static void
fail_cycle(struct change *c, const struct error *e)
{
	writer_error(&c->out, e);
	c->failed = true;
}

/* --- leaving --- */

/* Who goes is looked for again when it is its turn: the client may have left by then. */
struct departure {
	struct deferred deferred;
	struct shard *shard;
	uint32_t client;
};

/* What the client has been told of its parameters. */
static void
pack_shown(const struct session *s, struct buffer *out)
{
	const struct params *welcome = s->pool->welcome;

	for (size_t i = 0; welcome != NULL && i < params_count(welcome); i++) {
		const char *name = params_name(welcome, i), *own = params_get(s->params, name);

		writer_string(out, name);
		writer_string(out, own != NULL ? own : params_value(welcome, i));
	}
}

static void
move_on(struct session *s)
{
	struct shard *shard = s->shard;
	struct change *c = s->change;

	shard->ops->move_session(shard, session_pack(s), parts_route(shard, change_target(c), false));
}

static void leave_again(void *arg);

static void
leave(struct deferred *d)
{
	struct departure *departure = container_of(d, struct departure, deferred);
	struct client *client = shard_find_client(departure->shard, departure->client);
	struct session *s = client != NULL && client->state == CLIENT_READY ? client->owner : NULL;

	if (s == NULL || !change_is_under_way(s)) {
		free(departure);
		return;
	}
	/* A notification has begun meanwhile: its end comes first. */
	if (s->link != NULL && !session_is_quiet(s)) {
		loop_after(departure->shard->loop, LEAVE_AGAIN, leave_again, departure);
		return;
	}
	free(departure);
	if (s->link != NULL)
		session_unlink(s, true);
	move_on(s);
}

static void
leave_again(void *arg)
{
	leave(&((struct departure *)arg)->deferred);
}

static void
depart(struct session *s)
{
	struct departure *departure = memory_zalloc(sizeof(*departure));

	departure->shard = s->shard;
	departure->client = s->client->id;
	loop_defer(s->shard->loop, &departure->deferred, leave);
}

static void
set_out(struct session *s)
{
	struct change *c = s->change;

	c->home = memory_strdup(s->pool->tenant->name);
	c->user = s->user;
	c->from = s->client->address;
	pack_shown(s, &c->shown);
	depart(s);
}

static bool
is_allowed(const struct session *s, const char *tenant)
{
	const struct config_user *u = config_find_user(shard_config(s->shard), s->user->name);

	return u != NULL && u->tenants != NULL && (strcmp(u->tenants, "*") == 0 || string_in_list(u->tenants, tenant));
}

static bool
check_target(const struct session *s, const char *tenant, struct error *e)
{
	const char *home = s->login_tenant != NULL ? s->login_tenant : s->pool->tenant->name;

	if (config_is_reserved(tenant) ||
	    (!config_is_tenant_name(tenant) && config_find_database(shard_config(s->shard), tenant) == NULL)) {
		error_set(e, SEVERITY_ERROR, SQLSTATE_INVALID_PARAMETER, "invalid value for parameter \"" SETTING "\": \"%.64s\"",
			  tenant);
		error_hint(e, "A tenant's name has letters, digits, '_', '-' and '.', 63 at most.");
		return false;
	}
	/* Who may not go there learns nothing of what there is. */
	if (strcmp(tenant, home) != 0 && !is_allowed(s, tenant)) {
		error_set(e, SEVERITY_ERROR, SQLSTATE_INSUFFICIENT_PRIVILEGE, "permission denied to change to tenant \"%.64s\"", tenant);
		error_hint(e, "The operator lists the tenants of a user in its line in [users]: tenants = a,b or *.");
		return false;
	}
	if (!authenticate_lets_over(shard_config(s->shard), s->client, s->user->name, home, tenant)) {
		error_set(e, SEVERITY_ERROR, SQLSTATE_INSUFFICIENT_PRIVILEGE, "permission denied to change to tenant \"%.64s\"", tenant);
		error_hint(e, "The hba file has no rule that lets this login in there by the method it has used; connect to it anew.");
		return false;
	}
	return true;
}

static bool
is_banned(const struct session *s, const char *tenant, struct error *e)
{
	struct bans *bans = s->shard->client_env.bans;

	return bans != NULL && !bans_admit_login(bans, &s->client->address, tenant, NULL, clock_now(), e);
}

/* Where to; false: nowhere, and e, if its sqlstate is set, says why. */
static bool
choose_target(struct session *s, struct error *e)
{
	struct change *c = s->change;
	const char *here = s->pool->tenant->name;

	e->sqlstate[0] = '\0';
	if (!c->executed || c->failed || c->verb == SETTING_SHOW)
		return false;
	if (c->verb != SETTING_SET)
		string_copy(c->target, s->login_tenant != NULL ? s->login_tenant : here, sizeof(c->target));
	else
		config_fold_name(shard_config(s->shard), c->target);
	return check_target(s, c->target, e) && strcmp(c->target, here) != 0 && !is_banned(s, c->target, e);
}

/* As far as can be told here: what is in no file, its worker asks the catalogue for. */
static bool
is_there(const struct session *s, const char *tenant, struct error *e)
{
	struct config_database *made;

	if (tenants_must_ask(s->shard->tenants, tenant))
		return true;
	if (tenants_line(s->shard->tenants, tenant, &made, e) == NULL)
		return false;
	config_free_line(made);
	return true;
}

/* Do what the cycle has asked for; if it takes longer, its client is not read meanwhile. */
static void
perform(struct session *s)
{
	struct change *c = s->change;
	struct error e;

	if (!choose_target(s, &e)) {
		finish(s, e.sqlstate[0] != '\0' ? &e : NULL);
	} else if (is_there(s, c->target, &e)) {
		c->under_way = true;
		set_out(s);
	} else {
		finish(s, &e);
	}
}

/* --- the cycle --- */

static void
begin(struct session *s)
{
	s->change = memory_zalloc(sizeof(*s->change));
}

/* What the cycle is about is known now. */
static void
settle(struct change *c, enum setting_verb verb, const char *target)
{
	c->bound = true;
	c->verb = verb;
	string_copy(c->target, target, sizeof(c->target));
}

static void
execute(struct session *s)
{
	struct change *c = s->change;

	c->executed = true;
	if (c->verb != SETTING_SHOW)
		return;
	add_row(c, s->pool->tenant->name);
	writer_command_complete(&c->out, "SHOW");
}

static void
set_wrong(struct error *e)
{
	error_set(e, SEVERITY_ERROR, SQLSTATE_FEATURE_NOT_SUPPORTED, "\"" SETTING "\" can only be set by itself");
	error_hint(e, "Send SET " SETTING " = 'name' as a statement of its own, outside a transaction; not SET LOCAL.");
}

/* A Query: all at once. */
static void
take_query(struct session *s, enum setting_verb verb, const char *target)
{
	settle(s->change, verb, target);
	if (verb == SETTING_SHOW)
		add_row_shape(s->change);
	execute(s);
	perform(s);
}

/* It may be bound in a later cycle: then it is known by its text. */
static void
keep_statement(struct session *s, const struct request *rq, struct error *e)
{
	int64_t budget = shard_config(s->shard)->prepared_text_budget;
	struct statement *st;
	const char *name;
	struct reader r;

	reader_init(&r, rq->start + FRAME_HEADER, rq->here - FRAME_HEADER);
	name = reader_string(&r);
	if (name[0] != '\0' && names_find(s->names, name) != NULL) {
		error_set(e, SEVERITY_ERROR, SQLSTATE_DUPLICATE_PREPARED_STATEMENT, "prepared statement \"%.64s\" already exists", name);
		return;
	}
	st = statement_intern(s->pool->tenant, r.pos, reader_left(&r), budget);
	if (st == NULL || (name[0] != '\0' && !names_have_room(st, name, budget))) {
		statement_unref(&st);
		error_set(e, SEVERITY_ERROR, SQLSTATE_CONFIGURATION_LIMIT, "too much text of prepared statements");
		return;
	}
	s->changes_prepared = true;
	if (name[0] == '\0') {
		statement_unref(&s->unnamed);
		s->unnamed = st;
		return;
	}
	if (s->names == NULL)
		s->names = names_new();
	names_add(s->names, name, st);
}

/* It can't be in such a cycle. */
static void
fail_wrong(struct change *c)
{
	struct error e;

	set_wrong(&e);
	fail_cycle(c, &e);
}

static void
take_parse(struct session *s, const struct request *rq)
{
	struct error e = { .sqlstate = "" };

	keep_statement(s, rq, &e);
	if (e.sqlstate[0] != '\0')
		fail_cycle(s->change, &e);
	else
		add_empty(s->change, BE_PARSE_COMPLETE);
}

/* A cycle is about one thing. */
static void
take_bind(struct change *c, const struct request *rq, enum setting_verb verb, const char *target)
{
	struct reader r;

	if (c->bound && (verb != c->verb || strcmp(target, c->target) != 0)) {
		fail_wrong(c);
		return;
	}
	settle(c, verb, target);
	reader_init(&r, rq->start + FRAME_HEADER, rq->here - FRAME_HEADER);
	string_copy(c->portal, reader_string(&r), sizeof(c->portal));
	add_empty(c, BE_BIND_COMPLETE);
}

/* The name comes next.  false: that portal is none of this cycle's, and the client is told so. */
static bool
find_portal(struct change *c, struct reader *r)
{
	const char *name = reader_string(r);
	struct error e;

	if (reader_ok(r) && c->bound && strncmp(name, c->portal, sizeof(c->portal) - 1) == 0)
		return true;
	error_set(&e, SEVERITY_ERROR, SQLSTATE_INVALID_CURSOR_NAME, "portal \"%.64s\" does not exist", name);
	fail_cycle(c, &e);
	return false;
}

static void
take_describe(struct change *c, const struct request *rq, enum setting_verb verb)
{
	struct reader r;

	reader_init(&r, rq->start + FRAME_HEADER, rq->here - FRAME_HEADER);
	if (reader_u8(&r) == 'S') {
		size_t mark = writer_begin(&c->out, BE_PARAMETER_DESCRIPTION);

		writer_u16(&c->out, 0);
		writer_end(&c->out, mark);
	} else if (find_portal(c, &r)) {
		verb = c->verb;
	} else {
		return;
	}
	if (verb == SETTING_SHOW)
		add_row_shape(c);
	else
		add_empty(c, BE_NO_DATA);
}

/* Once is enough for all but SHOW. */
static void
take_execute(struct session *s, const struct request *rq)
{
	struct change *c = s->change;
	struct reader r;

	reader_init(&r, rq->start + FRAME_HEADER, rq->here - FRAME_HEADER);
	if (!find_portal(c, &r))
		return;
	if (c->executed && c->verb != SETTING_SHOW)
		fail_wrong(c);
	else
		execute(s);
}

/* A statement that we don't know of may be the server's, which is not asked. */
static void
take_close(struct session *s, const struct request *rq)
{
	const char *name;
	struct reader r;

	reader_init(&r, rq->start + FRAME_HEADER, rq->here - FRAME_HEADER);
	if (reader_u8(&r) == 'S') {
		name = reader_string(&r);
		if (!reader_ok(&r) || (name[0] != '\0' && !tracks_statements(s) && names_find(s->names, name) == NULL)) {
			fail_wrong(s->change);
			return;
		}
		naming_forget(s, name);
	}
	add_empty(s->change, BE_CLOSE_COMPLETE);
}

/* Is it about a statement, which has to be one of ours? */
static bool
is_about_statement(const struct request *rq)
{
	return rq->frame.type == FE_PARSE || rq->frame.type == FE_BIND ||
	       (rq->frame.type == FE_DESCRIBE && rq->here > FRAME_HEADER && rq->start[FRAME_HEADER] == 'S');
}

/* The next message of the cycle. */
static void
take_step(struct session *s, const struct request *rq, enum setting_verb verb, const char *target)
{
	struct change *c = s->change;

	if (rq->frame.type == FE_SYNC)
		perform(s);
	else if (rq->frame.type == FE_FLUSH)
		send_out(s);
	else if (c->failed)
		return;
	else if (is_about_statement(rq) && (verb == SETTING_NONE || is_wrong(verb)))
		fail_wrong(c);
	else if (rq->frame.type == FE_PARSE)
		take_parse(s, rq);
	else if (rq->frame.type == FE_BIND)
		take_bind(c, rq, verb, target);
	else if (rq->frame.type == FE_DESCRIBE)
		take_describe(c, rq, verb);
	else if (rq->frame.type == FE_EXECUTE)
		take_execute(s, rq);
	else if (rq->frame.type == FE_CLOSE)
		take_close(s, rq);
	else
		fail_wrong(c);
}

/* Is nothing of this session's under way, so that it can go?  In a transaction only SHOW can be answered. */
static enum change_step
find_step(struct batch *b, enum setting_verb verb, const struct request *rq)
{
	struct session *s = b->session;
	struct link *k = s->link;

	if (k == NULL)
		return CHANGE_TAKEN;
	if (!k->pipeline.open && k->pipeline.count > 0 && pipeline_has_only_answers(&k->pipeline)) {
		request_send(b);
		session_answer(s);
	}
	if (k->pipeline.open || k->pipeline.skipping || k->pipeline.in_copy)
		return CHANGE_FAIL;
	if (!session_is_quiet(s))
		return CHANGE_STOP;
	if (k->server->transaction == TRANSACTION_IDLE || (verb == SETTING_SHOW && rq->frame.type == FE_QUERY))
		return CHANGE_TAKEN;
	return CHANGE_FAIL;
}

static void
begin_cycle(struct session *s, struct request *rq, enum setting_verb verb, const char *target)
{
	struct error e;

	drop_all(rq);
	begin(s);
	if (rq->frame.type == FE_QUERY && is_wrong(verb)) {
		set_wrong(&e);
		finish(s, &e);
	} else if (rq->frame.type == FE_QUERY) {
		take_query(s, verb, target);
	} else {
		take_step(s, rq, verb, target);
	}
}

/* How much of it has to be there. */
static size_t
enough_of(const struct request *rq)
{
	size_t size = rq->frame.size, most = size < LOOK_MAX ? size : LOOK_MAX;

	if (size <= CHANGE_MESSAGE_MAX)
		return size;
	switch (rq->frame.type) {
	case FE_QUERY:
	case FE_PARSE:
		return most;
	case FE_BIND:
	case FE_DESCRIBE:
	case FE_EXECUTE:
	case FE_CLOSE:
		return naming_is_at_hand(rq) ? 0 : most;
	default:
		return 0;
	}
}

static bool
is_awaited(struct session *s, const struct request *rq)
{
	size_t enough = enough_of(rq);
	bool awaited = rq->here < enough;

	s->client->want = awaited ? enough : 0;
	return awaited;
}

/* It counts as a query, and waits as one does; but it keeps nobody from a server. */
static enum change_step
wait_for_turn(struct batch *b, const struct request *rq)
{
	struct session *s = b->session;

	if (s->shard->throttles == NULL)
		return CHANGE_TAKEN;
	switch (throttle_request(b, rq, rq->over)) {
	case THROTTLE_WAIT:
		return CHANGE_STOP;
	case THROTTLE_REFUSE:
		return CHANGE_REFUSED;
	case THROTTLE_PASS:
	case THROTTLE_FAIL:	/* SHOW in a transaction */
		break;
	}
	if (s->transaction_since == 0)
		throttle_answered(s, b->now);
	else if (s->throttle != NULL)
		s->throttle->paid = false;	/* what is in front of it in its cycle was no query: this is */
	return CHANGE_TAKEN;
}

/* Could rq be the first of a cycle, as far as can be told from its kind and its first letters? */
static bool
may_be_meant(const struct session *s, const struct request *rq)
{
	const char *text;
	size_t n;

	if (rq->frame.type == FE_BIND || rq->frame.type == FE_DESCRIBE)
		return s->changes_prepared;
	if (!is_text(rq))
		return false;
	text = text_of(rq, &n);
	return text == NULL || setting_may_begin(text, n, rq->here == rq->frame.size);
}

static void
go_on(struct session *s, struct request *rq)
{
	char target[TENANT_NAME] = "";
	enum setting_verb verb = verb_of(s, rq, target);

	drop_all(rq);
	if (buffer_left(&s->change->out) > OUT_MAX)
		send_out(s);
	take_step(s, rq, verb, target);
}

enum change_step
change_take(struct batch *b, struct request *rq)
{
	struct session *s = b->session;
	char target[TENANT_NAME] = "";
	enum setting_verb verb;
	enum change_step step;

	/* Of a Query, a statement that has not come yet may be meant. */
	if (s->change == NULL && rq->frame.type != FE_QUERY && !may_be_meant(s, rq))
		return CHANGE_NONE;
	if (change_is_under_way(s) || is_awaited(s, rq))
		return CHANGE_STOP;
	if (s->change == NULL && !may_be_meant(s, rq))
		return CHANGE_NONE;
	if (s->change != NULL) {
		go_on(s, rq);
		return CHANGE_TAKEN;
	}
	verb = verb_of(s, rq, target);
	if (verb == SETTING_NONE) {
		note_prepared(s, rq);
		return CHANGE_NONE;
	}
	if (is_too_long(rq))
		return CHANGE_FAIL;
	step = find_step(b, verb, rq);
	if (step == CHANGE_FAIL && is_about_all(verb))
		return CHANGE_NONE;
	if (step == CHANGE_TAKEN)
		step = wait_for_turn(b, rq);
	if (step == CHANGE_TAKEN)
		begin_cycle(s, rq, verb, target);
	else if (step == CHANGE_STOP)
		stream_pause(&s->client->stream);
	return step;
}

void
change_fail(struct batch *b, struct request *rq)
{
	struct error e;

	if (is_too_long(rq)) {
		error_set(&e, SEVERITY_ERROR, SQLSTATE_FEATURE_NOT_SUPPORTED, "the command about \"" SETTING "\" is too long");
		error_hint(&e, "With comments and the statement's name it may have %d bytes.", CHANGE_MESSAGE_MAX);
	} else {
		error_set(&e, SEVERITY_ERROR, SQLSTATE_ACTIVE_TRANSACTION, "\"" SETTING "\" cannot be used inside a transaction or among other requests");
		error_hint(&e, "Send it by itself, outside a transaction.");
	}
	request_fail(b, rq, &e);
}

/* --- on the way --- */

const char *
change_target(const struct change *c)
{
	return c->returning ? c->home : c->target;
}

/* May it be one of the tenant's clients, by [limits]? */
static bool
enter_limits(struct shard *s, const struct tenant *t, struct change *c, struct error *e)
{
	c->throttle = throttle_change(s, t, c->user, &c->from, e);
	return c->throttle != NULL || e->sqlstate[0] == '\0';
}

struct tenant *
change_find_tenant(struct shard *s, struct change *c, struct error *e)
{
	const char *name = change_target(c);
	struct tenant *t;
	int max;

	t = shard_open_tenant(s, name, e);
	if (t == NULL)
		return NULL;
	if (c->returning) {
		parts_take_client(s, t, 0);
		return t;
	}
	if (!shard_lets_in(t->conf, &c->from, e) || !enter_limits(s, t, c, e))
		return NULL;
	max = tenant_max_client_connections(t, shard_config(s));
	if (t->disabled || t->conf->disabled == 1)
		error_set(e, SEVERITY_ERROR, SQLSTATE_CANNOT_CONNECT_NOW, "database \"%s\" is disabled", t->name);
	else if (!parts_take_client(s, t, max))
		error_set(e, SEVERITY_ERROR, SQLSTATE_TOO_MANY_CONNECTIONS, "client connections exceeded (max_db_client_connections)");
	else
		return t;
	throttle_free(s, &c->throttle);
	return NULL;
}

bool
change_turn_back(struct change *c, const struct error *e)
{
	if (c->returning)
		return false;
	c->returning = true;
	c->error = *e;
	return true;
}

/* --- there --- */

static void
go_home(struct session *s)
{
	struct error e = s->change->error;

	finish(s, &e);
	client_resume(s->client);
}

static void
turn_away(struct session *s)
{
	struct error e;

	error_set(&e, SEVERITY_ERROR, SQLSTATE_CONFIGURATION_LIMIT, "no room for this session's prepared statements in tenant \"%s\"",
		  s->pool->tenant->name);
	error_hint(&e, "Close statements that are not needed, or raise prepared_text_budget (or tenant_memory).");
	if (!s->change->returning) {
		change_refused(s, &e);
		return;
	}
	e.severity = SEVERITY_FATAL;
	client_close(s->client, &e, "no room for its prepared statements");
}

void
change_arrive(struct session *s)
{
	throttle_attach(s, s->change->throttle);
	s->change->throttle = NULL;
	if (!memory_admits_arrival(s, s->change->returning))
		turn_away(s);
	else if (s->change->returning)
		go_home(s);
	else if (pool_know_welcome(s->pool, &s->wait))
		change_welcomed(s);
}

static const char *
old_value(const struct buffer *shown, const char *name)
{
	const char *at = (const char *)buffer_head(shown), *end = at + buffer_left(shown);

	while (at < end) {
		const char *value = at + strlen(at) + 1;

		if (strcmp(at, name) == 0)
			return value;
		at = value + strlen(value) + 1;
	}
	return NULL;
}

static void
tell_what_differs(struct session *s)
{
	const struct params *welcome = s->pool->welcome;
	struct change *c = s->change;

	for (size_t i = 0; i < params_count(welcome); i++) {
		const char *name = params_name(welcome, i), *own = params_get(s->params, name);
		const char *value = own != NULL ? own : params_value(welcome, i), *old = old_value(&c->shown, name);

		if (old == NULL || strcmp(old, value) != 0)
			writer_parameter_status(&c->out, name, value);
	}
}

void
change_welcomed(struct session *s)
{
	login_parameters(s);
	if (s->login_tenant == NULL)
		s->login_tenant = memory_strdup(s->change->home);
	tell_what_differs(s);
	finish(s, NULL);
	client_resume(s->client);
}

void
change_refused(struct session *s, const struct error *e)
{
	change_turn_back(s->change, e);
	depart(s);
}

void
change_cancel(struct session *s)
{
	struct error e;

	if (!s->wait.queued)
		return;
	pool_forget(s->pool, &s->wait);
	error_set(&e, SEVERITY_ERROR, SQLSTATE_QUERY_CANCELED, "canceling statement due to user request");
	change_refused(s, &e);
}
