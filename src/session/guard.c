#include "session/guard.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/memory.h"
#include "base/sqlstate.h"
#include "pg/message.h"
#include "pg/reader.h"
#include "pg/writer.h"
#include "session/guarded.h"
#include "threat/habit.h"
#include "threat/threat.h"

/* Threats on their way to the monitor; beyond this they are counted only. */
#define THREATS_WAITING 1000

/* A Parse may have so many bytes beside its text, and is waited for. */
#define PARSE_MAX (2 * TIMING_TEXT)

/* What is to be judged. */
struct sight {
	bool is_function;
	bool is_older;		/* what it runs is from before the mode, or of a statement that is not known */
	uint32_t oid;
	struct habit_text text;
	unsigned *judged;	/* where it is noted that it was; NULL: nowhere */
};

/* --- reading --- */

/* Encodings in which the second byte of a letter may be an ASCII one, such as a backslash. */
static bool
is_ambiguous(const char *encoding)
{
	static const char *const names[] = { "sjis", "mskanji", "shiftjis", "shift_jis", "win932", "windows932", "big5",
					     "win950", "gbk", "win936", "uhc", "win949", "johab", "gb18030",
					     "shift_jis_2004", "shiftjis2004" };

	for (size_t i = 0; i < lengthof(names); i++) {
		if (strcasecmp(encoding, names[i]) == 0)
			return true;
	}
	return false;
}

static bool
has_high_bytes(const char *text, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if ((text[i] & 0x80) != 0)
			return true;
	}
	return false;
}

/* Does the server find other ends of literals than the lexer? */
static bool
is_misread(const struct session *s, const char *text, size_t n)
{
	const char *standard, *encoding;

	if (memchr(text, '\\', n) == NULL)
		return false;
	standard = params_get(s->params, "standard_conforming_strings");
	if (standard != NULL && strcmp(standard, "off") == 0)
		return true;
	encoding = params_get(s->params, "client_encoding");
	return encoding != NULL && is_ambiguous(encoding) && has_high_bytes(text, n);
}

static void
see_text(struct session *s, struct habit_text *t, const char *text, size_t size)
{
	struct sql_digest d;

	t->text = text;
	t->n = strnlen(text, size < TIMING_TEXT ? size : TIMING_TEXT);
	t->unread = t->n == size || t->n == TIMING_TEXT || is_misread(s, text, t->n);
	sql_recall_digest(&s->shard->recall, text, t->n, &d);
	t->hash = d.hash;
	t->verb = d.verb;
	t->effects = d.effects;
}

static void
see_statement(const struct session *s, struct habit_text *t, const struct statement *st)
{
	*t = (struct habit_text){
		.text = (const char *)st->body,
		.n = st->text_size < TIMING_TEXT ? st->text_size : TIMING_TEXT,
		.hash = st->hash,
		.verb = st->verb,
		.effects = st->effects,
	};
	t->unread = st->text_size >= TIMING_TEXT || (st->has_backslash && is_misread(s, t->text, t->n));
}

/* --- what was begun before PROTECT --- */

static bool
is_protected(const struct session *s)
{
	return s->pool->tenant->threat_mode == THREAT_PROTECT;
}

/* Was there a transaction, or anything under way, when it came into force?  since: then it began. */
static bool
is_older(const struct session *s, usec_t since)
{
	return is_protected(s) && since != 0 && since <= s->pool->tenant->protected_at;
}

/* Is it a statement among others, or within another?  Where it is not clear, it is. */
static bool
has_within(const struct habit_text *t, const char *word)
{
	size_t length = strlen(word);

	if (t->verb != SQL_MULTI && t->verb != SQL_EXPLAIN && t->verb != SQL_DDL && t->verb != SQL_DO)
		return false;
	if (t->n == 0)
		return true;	/* the text was not kept */
	for (size_t i = 0; i + length <= t->n; i++) {
		if (strncasecmp(t->text + i, word, length) == 0)
			return true;
	}
	return false;
}

/* It runs what is in no text: a cursor, or what was prepared by SQL. */
static bool
runs_what_is_older(const struct session *s, const struct habit_text *t)
{
	if (!is_protected(s))
		return false;
	if (is_older(s, s->transaction_since) &&
	    (t->verb == SQL_CURSOR || has_within(t, "fetch") || has_within(t, "move")))
		return true;
	return (s->prepared_unseen || is_older(s, s->query_since)) &&
	       (t->verb == SQL_EXECUTE || has_within(t, "execute"));
}

void
guard_saw_prepare(struct session *s)
{
	uint8_t mode = s->pool->tenant->threat_mode;

	if (mode == THREAT_RECORD || (mode == THREAT_PROTECT && !is_older(s, s->query_since)))
		return;
	guarded_forget_all(s);
	s->prepared_unseen = true;
	s->judged_on = s->link->server->id;
}

/* What was judged is on another server. */
void
guard_change_servers(struct session *s)
{
	guarded_forget_all(s);
	s->unnamed_judged = 0;
	s->prepared_unseen = false;
	s->judged_on = 0;
}

/* Where several roles are one on servers, another may give a name to what is usual for that one only. */
void
guard_leave_server(struct session *s)
{
	const struct config_database *conf = s->pool->tenant->conf;

	if (pool_mode(s->pool) == POOL_SESSION || (conf != NULL && conf->user == NULL))
		return;
	guarded_forget_all(s);
	s->unnamed_judged = 0;
}

/* --- what a message says; false: nothing that is to be judged --- */

/* Nothing that we can read says what it is. */
static void
see_older(struct sight *sight)
{
	sight->is_older = true;
	sight->text.unread = true;
}

static bool
see_query(struct session *s, const struct request *rq, struct sight *sight)
{
	see_text(s, &sight->text, (const char *)rq->start + FRAME_HEADER, rq->here - FRAME_HEADER);
	return true;
}

static bool
see_parse(struct session *s, const struct request *rq, struct sight *sight)
{
	struct reader r;

	reader_init(&r, rq->start + FRAME_HEADER, rq->here - FRAME_HEADER);
	(void)reader_string(&r);
	if (!reader_ok(&r))
		return false;	/* PostgreSQL will refuse that */
	see_text(s, &sight->text, (const char *)r.pos, reader_left(&r));
	return true;
}

static bool
see_function(struct session *s, const struct request *rq, struct sight *sight)
{
	struct reader r;

	(void)s;
	reader_init(&r, rq->start + FRAME_HEADER, rq->here - FRAME_HEADER);
	sight->is_function = true;
	sight->oid = reader_u32(&r);
	return reader_ok(&r);
}

/* A statement without a name that was prepared before the mode came into force. */
static bool
see_unnamed(struct session *s, struct sight *sight)
{
	const struct link *k = s->link;

	if (s->unnamed_judged == s->pool->tenant->threat_epoch)
		return false;
	sight->judged = &s->unnamed_judged;
	if (!tracks_statements(s))
		see_older(sight);
	else if (k != NULL && k->unnamed_known && buffer_left(&k->unnamed) > 0)
		see_text(s, &sight->text, (const char *)buffer_head(&k->unnamed), buffer_left(&k->unnamed));
	else if (s->unnamed != NULL)
		see_statement(s, &sight->text, s->unnamed);
	else if (k == NULL || !k->unnamed_known)
		return false;	/* there is none */
	else
		see_older(sight);
	return true;
}

static bool
see_own_name(struct session *s, const char *text, struct sight *sight)
{
	struct name *name = names_find(s->names, text);

	if (name == NULL || name->judged == s->pool->tenant->threat_epoch)
		return false;
	sight->judged = &name->judged;
	see_statement(s, &sight->text, name->statement);
	return true;
}

/* Can it be judged by what it was when it was prepared?  Of a literal that is code, the text is not there any more; and
 * what is under way may give the name to another. */
static bool
is_known(const struct session *s, const struct guarded *g)
{
	return g != NULL && g->hash != 0 && (g->effects & SQL_EFFECT_CODE) == 0 && pool_mode(s->pool) == POOL_SESSION &&
	       !is_older(s, s->query_since);
}

static bool
see_servers_name(struct session *s, const char *text, struct sight *sight)
{
	struct guarded *g = guarded_find(s, text);

	if (g != NULL && g->judged == s->pool->tenant->threat_epoch)
		return false;
	if (g != NULL)
		sight->judged = &g->judged;
	if (is_known(s, g))
		sight->text = (struct habit_text){ .text = "", .hash = g->hash, .verb = g->verb, .effects = g->effects };
	else
		see_older(sight);
	return true;
}

static bool
see_bind(struct session *s, const struct request *rq, struct sight *sight)
{
	const char *name;
	struct reader r;

	reader_init(&r, rq->start + FRAME_HEADER, rq->here - FRAME_HEADER);
	(void)reader_string(&r);
	name = reader_string(&r);
	if (!reader_ok(&r))
		return false;
	if (name[0] == '\0')
		return see_unnamed(s, sight);
	return tracks_statements(s) ? see_own_name(s, name, sight) : see_servers_name(s, name, sight);
}

/* Of a Bind or Execute; what has no name at all, the server will refuse. */
static bool
has_unnamed_portal(const struct request *rq)
{
	return rq->here > FRAME_HEADER && rq->start[FRAME_HEADER] == '\0';
}

/* A portal that was bound before: its statement has not run yet. */
static bool
see_execute(struct session *s, const struct request *rq, struct sight *sight)
{
	if (!is_older(s, s->transaction_since) ||
	    (has_unnamed_portal(rq) && s->portal_judged == s->pool->tenant->threat_epoch))
		return false;
	see_older(sight);
	return true;
}

static bool
see_message(struct session *s, const struct request *rq, struct sight *sight)
{
	switch (rq->frame.type) {
	case FE_QUERY:
		return see_query(s, rq, sight);
	case FE_PARSE:
		return see_parse(s, rq, sight);
	case FE_BIND:
		return see_bind(s, rq, sight);
	case FE_FUNCTION_CALL:
		return see_function(s, rq, sight);
	case FE_EXECUTE:
		return see_execute(s, rq, sight);
	default:
		return false;
	}
}

static bool
see(struct session *s, const struct request *rq, struct sight *sight)
{
	memset(sight, 0, sizeof(*sight));
	sight->text.text = "";
	if (!see_message(s, rq, sight))
		return false;
	if (runs_what_is_older(s, &sight->text))
		see_older(sight);
	return true;
}

bool
guard_is_readable(const struct session *s, const struct request *rq)
{
	(void)s;
	if (rq->here == rq->frame.size)
		return true;
	if (rq->frame.type == FE_QUERY)
		return rq->frame.size > FRAME_HEADER + TIMING_TEXT;
	return rq->frame.type != FE_PARSE || rq->frame.size > PARSE_MAX;
}

/* --- judging --- */

static struct habit *
habit_of(struct session *s)
{
	if (s->habit == NULL)
		s->habit = habits_open(s->shard->commons->habits, s->pool->tenant->name, s->user->name);
	return s->habit;
}

static uint32_t
judge(struct session *s, const struct sight *sight)
{
	const struct habit *h = habit_of(s);

	return sight->is_function ? habit_judge_function(h, sight->oid) : habit_judge(h, &sight->text);
}

/* What hits a rule is learned all the same, and told. */
static uint32_t
learn(struct session *s, const struct sight *sight)
{
	uint32_t rules;

	if (sight->is_function)
		habit_learn_function(habit_of(s), sight->oid, &rules);
	else
		habit_learn(habit_of(s), &sight->text, &rules);
	return rules;
}

/* --- telling --- */

static char *
show(const struct session *s, const struct sight *sight)
{
	size_t size = (size_t)shard_config(s->shard)->query_text_size + 1;
	char *text;

	if (sight->is_function)
		return memory_strdup("FUNCTION CALL");
	if (sight->text.n == 0 || is_misread(s, sight->text.text, sight->text.n))
		return NULL;
	text = memory_alloc(size);
	sql_normalize(sight->text.text, sight->text.n, text, size);
	return text;
}

static char *
copy(const char *text)
{
	return text != NULL ? memory_strdup(text) : NULL;
}

static void
tell(struct session *s, const struct sight *sight, uint32_t rules, bool refused)
{
	struct commons *commons = s->shard->commons;
	char address[ADDRESS_TEXT];
	struct threat *t;

	if (atomic_load_explicit(&commons->threats_waiting, memory_order_relaxed) >= THREATS_WAITING) {
		atomic_fetch_add(&commons->threats_lost, 1);
		return;
	}
	atomic_fetch_add(&commons->threats_waiting, 1);
	t = memory_zalloc(sizeof(*t));
	t->at = clock_wall();
	t->tenant = copy(s->pool->tenant->name);
	t->user = copy(s->user->name);
	t->client = copy(address_text(&s->client->address, s->client->env->port, address));
	t->application_name = copy(params_get(s->params, "application_name"));
	t->mode = (enum threat_mode)s->pool->tenant->threat_mode;
	t->rules = rules;
	t->refused = refused;
	t->hash = sight->text.hash;
	t->text = show(s, sight);
	s->shard->ops->threat(s->shard, t);
}

/* --- refusing --- */

static void
say_why(struct error *e, const struct session *s, uint32_t rules)
{
	const char *role = s->user->name, *database = s->pool->tenant->name;
	char names[THREAT_NAMES_SIZE];

	if ((rules & THREAT_BIT(THREAT_RULE_UNKNOWN)) != 0)
		error_set(e, SEVERITY_ERROR, SQLSTATE_INSUFFICIENT_PRIVILEGE,
			  "statement refused: role \"%.64s\" does not usually run it on database \"%.64s\"", role, database);
	else if ((rules & THREAT_BIT(THREAT_RULE_UNREAD)) != 0)
		error_set(e, SEVERITY_ERROR, SQLSTATE_INSUFFICIENT_PRIVILEGE,
			  "statement refused: what role \"%.64s\" asks database \"%.64s\" can't be judged", role, database);
	else
		error_set(e, SEVERITY_ERROR, SQLSTATE_INSUFFICIENT_PRIVILEGE,
			  "statement refused: what role \"%.64s\" asks database \"%.64s\" looks like an attack (%s)", role,
			  database, threat_rule_names(rules, names));
}

static void
say_refused(struct error *e, const struct session *s, const struct sight *sight, uint32_t rules)
{
	say_why(e, s, rules);
	if (sight->is_older)
		error_hint(e, "It was prepared or bound before threat_mode was set to protect, or is not known any more: "
			   "prepare it again, in a new transaction.");
	else if (sight->text.unread)
		error_hint(e, "It is longer than 64 KB, or has a backslash that the server may read otherwise: "
			   "send values as parameters.");
	else
		error_hint(e, "If it is the application's, have it run while threat_mode is record, or ask the operator: "
			   "SHOW THREATS has it as %016llx.", (unsigned long long)sight->text.hash);
}

bool
guard_refuses(struct batch *b, struct request *rq)
{
	struct session *s = b->session;
	struct sight sight;
	struct error e;
	uint32_t rules;

	if (!is_protected(s) || !see(s, rq, &sight))
		return false;
	rules = judge(s, &sight);
	rq->admitted = rules == 0;
	if (rules == 0)
		return false;
	tell(s, &sight, rules, true);
	say_refused(&e, s, &sight, rules);
	naming_lose_unnamed(s, rq);
	request_refuse(b, &e);
	return true;
}

/* It goes to the server: remember that it was judged. */
static void
note_judged(struct session *s, const struct request *rq, const struct sight *sight)
{
	unsigned epoch = s->pool->tenant->threat_epoch;
	const char *name;
	struct reader r;

	if (sight->judged != NULL)
		*sight->judged = epoch;
	if (rq->frame.type != FE_PARSE)
		return;
	s->judged = epoch;	/* for the name that it gets (naming.c) */
	if (!tracks_statements(s))
		s->judged_on = s->link->server->id;
	reader_init(&r, rq->start + FRAME_HEADER, rq->here - FRAME_HEADER);
	name = reader_string(&r);
	if (name[0] == '\0')
		s->unnamed_judged = epoch;
	else if (!tracks_statements(s))
		s->guarding = guarded_parse(s, name, &(struct guarded){
			.hash = sight->text.unread ? 0 : sight->text.hash,
			.verb = sight->text.verb,
			.effects = sight->text.effects,
			.judged = epoch,
		});
}

/* What is executed later; known only while nothing else could be. */
static void
note_bound(struct session *s, const struct request *rq)
{
	if (rq->frame.type == FE_BIND && has_unnamed_portal(rq))
		s->portal_judged = is_protected(s) ? s->pool->tenant->threat_epoch : 0;
}

/* What can't be read again was told once, that is enough. */
static bool
is_told_already(struct session *s, const struct sight *sight)
{
	if (!sight->is_older || is_protected(s))
		return false;
	if (s->unread_told)
		return true;
	s->unread_told = true;
	return false;
}

/* If an error skips this Close, the statement is one that nobody knows: it has to be prepared again. */
static void
forget_closed(struct session *s, const struct request *rq)
{
	struct reader r;

	if (s->guarded == NULL)
		return;
	reader_init(&r, rq->start + FRAME_HEADER, rq->here - FRAME_HEADER);
	if (reader_u8(&r) == 'S')
		guarded_leave(s, reader_string(&r));
}

bool
guard_admits(struct batch *b, struct request *rq)
{
	struct session *s = b->session;
	struct sight sight;
	struct error e;
	uint32_t rules = 0;

	if (rq->frame.type == FE_CLOSE)
		forget_closed(s, rq);
	if (!see(s, rq, &sight)) {
		note_bound(s, rq);
		return true;
	}
	if (s->pool->tenant->threat_mode == THREAT_RECORD)
		rules = learn(s, &sight);
	else if (!rq->admitted)
		rules = judge(s, &sight);
	if (rules != 0 && !is_told_already(s, &sight))
		tell(s, &sight, rules, is_protected(s));
	if (rules == 0 || !is_protected(s)) {
		note_judged(s, rq, &sight);
		note_bound(s, rq);
		return true;
	}
	say_refused(&e, s, &sight, rules);
	request_fail(b, rq, &e);
	return false;
}
