#include "tenant/catalogue.h"

#include <bsd/sys/queue.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

/* Strangers choose names: they must not know which ones collide. */
static XXH64_hash_t hash_seed;
#define HASH_FUNCTION(key, size, hash) ((hash) = (unsigned)XXH3_64bits_withSeed((key), (size), hash_seed))
#include <uthash.h>

#include "base/log.h"
#include "base/memory.h"
#include "base/sqlstate.h"
#include "base/strings.h"
#include "net/watch.h"
#include "tenant/courier.h"

#define TICK (200 * USEC_PER_MSEC)
#define PATIENCE (5 * USEC_PER_SEC)
#define PIPELINE 64			/* calls under way */
#define REFRESH 8			/* of these, that nobody waits for */
#define RETRY_BAD (10 * USEC_PER_SEC)	/* an answer that can't be used: told in the log so often at most */
#define REVALIDATE_EVERY USEC_PER_SEC

TAILQ_HEAD(entry_list, entry);

/* An answer. */
struct entry {
	UT_hash_handle hh;
	TAILQ_ENTRY(entry) link;	/* known or absent, in the order of asked_at */
	usec_t asked_at;
	char *line;			/* behind the name; NULL: absent */
	char name[];
};

/* Who waits for an answer. */
struct waiter {
	STAILQ_ENTRY(waiter) link;
	catalogue_found_fn *found;
	void *arg;
	usec_t since;
};

STAILQ_HEAD(waiter_list, waiter);

/* A name that is asked for. */
struct question {
	struct courier_call call;
	struct catalogue *catalogue;
	UT_hash_handle hh;
	TAILQ_ENTRY(question) link;	/* waiting, until it is sent */
	struct waiter_list waiters;
	struct waiter_list late;	/* want an answer that is given after this one */
	bool sent, refreshing;
	bool again;			/* what comes may be old already */
	char name[];
};

/* Something to write. */
struct order {
	struct courier_call call;
	struct catalogue *catalogue;
	TAILQ_ENTRY(order) link;	/* orders, until it is sent; then saving */
	usec_t since;
	char *line;			/* NULL: drop it */
	bool must_be_new;
	catalogue_done_fn *done;
	void *arg;
	char name[];
};

TAILQ_HEAD(order_list, order);

struct catalogue {
	const struct catalogue_ops *ops;
	void *arg;
	const struct config *config;
	struct courier *courier;
	struct watch *watch;
	usec_t patience;
	struct entry *entries;		/* by name */
	struct entry_list known, absent;
	size_t nknown, nabsent;
	struct question *questions;	/* by name */
	TAILQ_HEAD(, question) waiting;
	size_t nrefreshing;
	struct order_list orders, saving;
	usec_t stale_before;		/* what was asked before is to be asked again */
	bool all_again;			/* that is to be now; not yet, as it has just been */
	usec_t told_bad_at;
	struct catalogue_facts facts;
	size_t memory;			/* of entries */
};

static void pump(struct catalogue *k);

static bool
is_configured(const struct catalogue *k)
{
	return k->config->tenant_catalogue[0] != '\0';
}

/* --- errors --- */

static void
set_absent(struct error *e, const char *name)
{
	error_set(e, SEVERITY_FATAL, SQLSTATE_INVALID_CATALOG_NAME, "no such database: %s", name);
}

static void
set_unreachable(struct error *e)
{
	error_set(e, SEVERITY_FATAL, SQLSTATE_CANNOT_CONNECT_NOW, "the database can't be looked up now");
	error_hint(e, "Try again later.");
}

static void
note_failure(struct catalogue *k, const struct error *e)
{
	string_copy(k->facts.last_error, e->message, sizeof(k->facts.last_error));
}

/* The catalogue says what is of no use; a thousand tenants may be wrong in the same way. */
static void
note_bad_answer(struct catalogue *k, const char *name, const struct error *e)
{
	usec_t now = clock_now();
	struct error named;

	error_set(&named, SEVERITY_ERROR, e->sqlstate, "tenant \"%s\": %s", name, e->message);
	note_failure(k, &named);
	if (k->told_bad_at != 0 && now - k->told_bad_at < RETRY_BAD)
		return;
	k->told_bad_at = now;
	log_warning("the catalogue's answer on tenant \"%s\" can't be used: %s", name, e->message);
}

/* --- what is kept --- */

static struct entry *
find_entry(const struct catalogue *k, const char *name)
{
	struct entry *entry;

	HASH_FIND_STR(k->entries, name, entry);
	return entry;
}

static size_t
entry_size(const char *name, const char *line)
{
	return sizeof(struct entry) + strlen(name) + 1 + (line != NULL ? strlen(line) + 1 : 0);
}

static void
unlist(struct catalogue *k, struct entry *entry)
{
	TAILQ_REMOVE(entry->line != NULL ? &k->known : &k->absent, entry, link);
	(*(entry->line != NULL ? &k->nknown : &k->nabsent))--;
}

static void
enlist(struct catalogue *k, struct entry *entry)
{
	TAILQ_INSERT_TAIL(entry->line != NULL ? &k->known : &k->absent, entry, link);
	(*(entry->line != NULL ? &k->nknown : &k->nabsent))++;
}

static void
forget(struct catalogue *k, struct entry *entry)
{
	size_t size = entry_size(entry->name, entry->line);

	unlist(k, entry);
	HASH_DEL(k->entries, entry);
	k->memory -= size;
	memory_wipe(entry, size);	/* there may be a password in the line */
	free(entry);
}

static void
make_room(struct catalogue *k, const char *line)
{
	if (line == NULL && k->nabsent >= CATALOGUE_ABSENT)
		forget(k, TAILQ_FIRST(&k->absent));
	if (line != NULL && k->nknown >= CATALOGUE_KNOWN)
		forget(k, TAILQ_FIRST(&k->known));
}

static void
add_entry(struct catalogue *k, const char *name, const char *line, usec_t asked_at)
{
	size_t size = entry_size(name, line), name_size = strlen(name) + 1;
	struct entry *entry;

	make_room(k, line);
	entry = memory_zalloc(size);
	memcpy(entry->name, name, name_size);
	if (line != NULL)
		entry->line = memcpy(entry->name + name_size, line, strlen(line) + 1);
	entry->asked_at = asked_at;
	k->memory += size;
	HASH_ADD_STR(k->entries, name, entry);
	enlist(k, entry);
}

/* The database said so, asked at that time. */
static void
keep(struct catalogue *k, const char *name, const char *line, usec_t asked_at)
{
	struct entry *entry = find_entry(k, name);
	bool was_known = entry != NULL && entry->line != NULL;
	bool same = entry != NULL && (was_known ? line != NULL && strcmp(entry->line, line) == 0 : line == NULL);

	if (same) {
		unlist(k, entry);
		entry->asked_at = asked_at;
		enlist(k, entry);
		return;
	}
	if (entry != NULL)
		forget(k, entry);
	add_entry(k, name, line, asked_at);
	if (was_known)
		k->ops->changed(k->arg, name, line);
}

static void
forget_absent(struct catalogue *k)
{
	while (!TAILQ_EMPTY(&k->absent))
		forget(k, TAILQ_FIRST(&k->absent));
}

static void
forget_all(struct catalogue *k)
{
	forget_absent(k);
	while (!TAILQ_EMPTY(&k->known))
		forget(k, TAILQ_FIRST(&k->known));
}

/* Everything may be something else. Who says so all the time is heard once a second. */
static void
revalidate(struct catalogue *k)
{
	usec_t now = clock_now();

	forget_absent(k);
	k->all_again = k->stale_before != 0 && now - k->stale_before < REVALIDATE_EVERY;
	if (!k->all_again)
		k->stale_before = now;
}

/* --- questions --- */

static struct question *
find_question(const struct catalogue *k, const char *name)
{
	struct question *q;

	HASH_FIND_STR(k->questions, name, q);
	return q;
}

/* line NULL: e says why.  Who is told may ask again. */
static void
tell(struct waiter_list *waiters, const char *line, const struct error *e)
{
	struct waiter_list todo = STAILQ_HEAD_INITIALIZER(todo);
	struct waiter *w;

	STAILQ_CONCAT(&todo, waiters);
	while ((w = STAILQ_FIRST(&todo)) != NULL) {
		STAILQ_REMOVE_HEAD(&todo, link);
		w->found(w->arg, line, e);
		free(w);
	}
}

static void
put_in_line(struct catalogue *k, struct question *q)
{
	q->sent = false;
	TAILQ_INSERT_TAIL(&k->waiting, q, link);
}

/* Take it out of everything; its waiters stay. */
static void
withdraw(struct question *q)
{
	struct catalogue *k = q->catalogue;

	HASH_DEL(k->questions, q);
	if (!q->sent)
		TAILQ_REMOVE(&k->waiting, q, link);
	if (q->refreshing)
		k->nrefreshing--;
}

static void
answer(struct question *q, const char *line, const struct error *e)
{
	withdraw(q);
	tell(&q->waiters, line, e);
	tell(&q->late, line, e);
	free(q);
}

static void
drop_oldest_question(struct catalogue *k)
{
	struct question *q = TAILQ_FIRST(&k->waiting);
	struct error e;

	if (q == NULL)
		return;
	error_set(&e, SEVERITY_FATAL, SQLSTATE_CONFIGURATION_LIMIT, "too many tenants are looked up at a time");
	error_hint(&e, "Try again later.");
	answer(q, NULL, &e);
}

static struct question *
add_question(struct catalogue *k, const char *name)
{
	size_t size = strlen(name) + 1;
	struct question *q;

	if (HASH_COUNT(k->questions) >= CATALOGUE_QUESTIONS)
		drop_oldest_question(k);
	q = memory_zalloc(sizeof(*q) + size);
	q->catalogue = k;
	memcpy(q->name, name, size);
	STAILQ_INIT(&q->waiters);
	STAILQ_INIT(&q->late);
	HASH_ADD_STR(k->questions, name, q);
	put_in_line(k, q);
	return q;
}

static void
add_waiter(struct waiter_list *list, catalogue_found_fn *found, void *arg)
{
	struct waiter *w = memory_zalloc(sizeof(*w));

	w->found = found;
	w->arg = arg;
	w->since = clock_now();
	STAILQ_INSERT_TAIL(list, w, link);
}

/* The one row of an answer as a line, to be freed as a secret; NULL: there is no row, or e says what is wrong. */
static char *
read_line(const PGresult *r, struct error *e)
{
	const char *connection, *settings;
	size_t size;
	char *line;

	e->sqlstate[0] = '\0';
	if (PQresultStatus(r) != PGRES_TUPLES_OK)
		courier_error(r, e);
	else if (PQnfields(r) != 1 && PQnfields(r) != 2)
		error_set(e, SEVERITY_ERROR, SQLSTATE_INTERNAL,
			  "tenant_query must give one or two columns: connection string, settings");
	else if (PQntuples(r) > 1)
		error_set(e, SEVERITY_ERROR, SQLSTATE_INTERNAL, "tenant_query gave %d rows", PQntuples(r));
	else if (PQntuples(r) == 1 && PQgetisnull(r, 0, 0))
		/* Nobody knows where it is, so it is not where "*" says: that may be another database of this name. */
		error_set(e, SEVERITY_ERROR, SQLSTATE_INTERNAL, "the connection string is NULL");
	if (e->sqlstate[0] != '\0' || PQntuples(r) == 0)
		return NULL;
	connection = PQgetvalue(r, 0, 0);
	settings = PQnfields(r) == 2 ? PQgetvalue(r, 0, 1) : "";
	size = strlen(connection) + strlen(settings) + 2;
	if (size > CATALOGUE_LINE) {
		error_set(e, SEVERITY_ERROR, SQLSTATE_INTERNAL, "the line has more than %d bytes", CATALOGUE_LINE);
		return NULL;
	}
	line = memory_alloc(size);
	snprintf(line, size, "%s%s%s", connection, settings[0] != '\0' ? " " : "", settings);
	return line;
}

static bool
is_usable(const struct catalogue *k, const char *name, const char *line, struct error *e)
{
	const struct entry *kept = find_entry(k, name);
	struct config_database *made;

	if (kept != NULL && kept->line != NULL && strcmp(kept->line, line) == 0)
		return true;
	made = config_make_line(k->config, name, line, e);
	config_free_line(made);
	return made != NULL;
}

/* Ask the same again: something has changed meanwhile.  Who came before that is content with what there is. */
static void
ask_again(struct question *q)
{
	struct catalogue *k = q->catalogue;

	q->again = false;
	if (q->refreshing)
		k->nrefreshing--;
	q->refreshing = false;
	STAILQ_CONCAT(&q->waiters, &q->late);
	put_in_line(k, q);
}

static void
take_answer(struct question *q, const PGresult *r)
{
	struct catalogue *k = q->catalogue;
	usec_t asked_at = q->call.sent_at;
	struct waiter_list waiters = STAILQ_HEAD_INITIALIZER(waiters);
	struct error e;
	char *line = read_line(r, &e);
	bool bad = e.sqlstate[0] != '\0' || (line != NULL && !is_usable(k, q->name, line, &e));

	k->facts.answered_at = clock_wall();
	STAILQ_CONCAT(&waiters, &q->waiters);
	if (bad) {
		note_bad_answer(k, q->name, &e);
		set_unreachable(&e);
	} else {
		k->facts.last_error[0] = '\0';
		keep(k, q->name, line, asked_at);
		set_absent(&e, q->name);
	}
	if (q->again || !STAILQ_EMPTY(&q->late)) {
		ask_again(q);
	} else {
		withdraw(q);
		free(q);
	}
	tell(&waiters, bad ? NULL : line, &e);
	memory_free_secret(line);
}

static void
on_answered(struct courier_call *c, PGresult *r, const struct error *e)
{
	struct question *q = container_of(c, struct question, call);
	struct catalogue *k = q->catalogue;

	(void)e;
	if (r != NULL)
		take_answer(q, r);
	else if (STAILQ_EMPTY(&q->waiters) && STAILQ_EMPTY(&q->late))
		answer(q, NULL, NULL);	/* nobody waits: it is asked again when there is a connection */
	else
		ask_again(q);
	pump(k);
}

static void
send_question(struct question *q)
{
	struct catalogue *k = q->catalogue;
	const char *values[] = { q->name };

	TAILQ_REMOVE(&k->waiting, q, link);
	q->sent = true;
	q->again = false;
	q->call.answered = on_answered;
	k->facts.asked++;
	courier_send(k->courier, &q->call, k->config->tenant_query, 1, values);
}

/* --- orders --- */

static void
free_order(struct order *o)
{
	memory_free_secret(o->line);
	free(o);
}

static void
end_order(struct order *o, const struct error *e)
{
	o->done(o->arg, e);
	free_order(o);
}

/* It is carried out, and asked for again; if that fails, it is known when there is a connection again. */
static void
on_reread(void *arg, const char *line, const struct error *e)
{
	struct order *o = arg;

	(void)line;
	(void)e;
	TAILQ_REMOVE(&o->catalogue->saving, o, link);
	end_order(o, NULL);
}

/* The statement may say itself what is wrong, or just find nothing to do. */
static bool
has_failed(const struct order *o, PGresult *r, struct error *e)
{
	ExecStatusType status = PQresultStatus(r);

	if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) {
		courier_error(r, e);
		if (strcmp(e->sqlstate, SQLSTATE_UNIQUE_VIOLATION) == 0)
			memcpy(e->sqlstate, SQLSTATE_DUPLICATE_OBJECT, sizeof(e->sqlstate));
		return true;
	}
	if (strcmp(PQcmdTuples(r), "0") != 0)
		return false;
	if (o->must_be_new)
		error_set(e, SEVERITY_ERROR, SQLSTATE_DUPLICATE_OBJECT, "tenant \"%s\" is in the catalogue already",
			  o->name);
	else
		error_set(e, SEVERITY_ERROR, SQLSTATE_INVALID_CATALOG_NAME, "tenant \"%s\" is not in the catalogue",
			  o->name);
	return true;
}

static void
on_carried_out(struct courier_call *c, PGresult *r, const struct error *e)
{
	struct order *o = container_of(c, struct order, call);
	struct catalogue *k = o->catalogue;
	struct error own;

	if (r == NULL) {
		TAILQ_REMOVE(&k->saving, o, link);
		error_set(&own, SEVERITY_ERROR, SQLSTATE_RESOLUTION_UNKNOWN,
			  "it is not known whether the catalogue was changed: %s", e->message);
		end_order(o, &own);
	} else if (has_failed(o, r, &own)) {
		TAILQ_REMOVE(&k->saving, o, link);
		end_order(o, &own);
	} else {
		catalogue_ask(k, o->name, on_reread, o);
	}
	pump(k);
}

static void
send_order(struct order *o)
{
	struct catalogue *k = o->catalogue;
	const struct config *c = k->config;
	const char *values[] = { o->name, o->line, o->must_be_new ? "true" : "false" };

	TAILQ_REMOVE(&k->orders, o, link);
	TAILQ_INSERT_TAIL(&k->saving, o, link);
	o->call.answered = on_carried_out;
	courier_send(k->courier, &o->call, o->line != NULL ? c->tenant_save_query : c->tenant_drop_query,
		     o->line != NULL ? 3 : 1, values);
}

/* --- what is sent when --- */

static bool
is_due(const struct catalogue *k, const struct entry *entry, usec_t now)
{
	return entry->asked_at < k->stale_before || now - entry->asked_at > k->config->tenant_ttl;
}

/* The next that nobody waits for. */
static struct question *
next_refresh(struct catalogue *k, usec_t now)
{
	struct entry *entry = TAILQ_FIRST(&k->known);
	struct question *q;

	if (entry == NULL || k->nrefreshing >= REFRESH || !is_due(k, entry, now))
		return NULL;
	unlist(k, entry);
	entry->asked_at = now;
	enlist(k, entry);
	q = find_question(k, entry->name);
	if (q != NULL && q->sent) {
		q->again = true;
		return NULL;
	}
	if (q == NULL)
		q = add_question(k, entry->name);
	q->refreshing = true;
	k->nrefreshing++;
	return q;
}

static void
pump(struct catalogue *k)
{
	usec_t now = clock_now();

	while (courier_is_up(k->courier) && courier_under_way(k->courier) < PIPELINE) {
		struct order *o = TAILQ_FIRST(&k->orders);
		struct question *q = o == NULL ? TAILQ_FIRST(&k->waiting) : NULL;

		if (o == NULL && q == NULL)
			q = next_refresh(k, now);
		if (o == NULL && q == NULL)
			return;
		if (o != NULL)
			send_order(o);
		else
			send_question(q);
	}
}

/* --- what the connection tells --- */

static void
on_up(void *arg)
{
	struct catalogue *k = arg;

	log_info("connected to the catalogue of tenants");
	k->facts.last_error[0] = '\0';
	k->stale_before = 0;
	revalidate(k);	/* what was notified meanwhile nobody has heard */
	pump(k);
}

static void
on_lost(void *arg, const struct error *e)
{
	struct catalogue *k = arg;

	if (strcmp(k->facts.last_error, e->message) != 0)
		log_warning("no connection to the catalogue of tenants, what is known counts on: %s", e->message);
	note_failure(k, e);
}

static void
note_change(struct catalogue *k, const char *name)
{
	struct entry *entry = find_entry(k, name);
	struct question *q = find_question(k, name);

	if (q != NULL && q->sent)
		q->again = true;
	if (entry == NULL)
		return;
	if (entry->line == NULL) {
		forget(k, entry);
		return;
	}
	TAILQ_REMOVE(&k->known, entry, link);
	entry->asked_at = 0;
	TAILQ_INSERT_HEAD(&k->known, entry, link);
}

static void
on_notified(void *arg, const char *payload)
{
	struct catalogue *k = arg;

	k->facts.notified++;
	if (payload[0] == '\0')
		revalidate(k);
	else if (config_is_tenant_name(payload))
		note_change(k, payload);
	pump(k);
}

static const struct courier_ops courier_ops = {
	.up = on_up,
	.lost = on_lost,
	.notified = on_notified,
};

/* --- time --- */

/* Those who have waited too long; who came later is behind them. */
static void
take_tired(struct waiter_list *list, usec_t since, struct waiter_list *tired)
{
	struct waiter *w;

	while ((w = STAILQ_FIRST(list)) != NULL && w->since < since) {
		STAILQ_REMOVE_HEAD(list, link);
		STAILQ_INSERT_TAIL(tired, w, link);
	}
}

static void
end_tired_questions(struct catalogue *k, usec_t now)
{
	struct waiter_list tired = STAILQ_HEAD_INITIALIZER(tired);
	struct question *q, *next;
	struct error e;

	HASH_ITER(hh, k->questions, q, next) {
		take_tired(&q->waiters, now - k->patience, &tired);
		take_tired(&q->late, now - k->patience, &tired);
		if (!q->sent && STAILQ_EMPTY(&q->waiters) && STAILQ_EMPTY(&q->late))
			answer(q, NULL, NULL);
	}
	set_unreachable(&e);
	tell(&tired, NULL, &e);
}

static void
refuse_order(struct order *o)
{
	struct error e;

	error_set(&e, SEVERITY_ERROR, SQLSTATE_CANNOT_CONNECT_NOW, "the catalogue of tenants can't be reached");
	if (o->catalogue->facts.last_error[0] != '\0')
		error_detail(&e, "%s", o->catalogue->facts.last_error);
	end_order(o, &e);
}

static void
end_tired_orders(struct catalogue *k, usec_t now)
{
	struct order *o;

	while ((o = TAILQ_FIRST(&k->orders)) != NULL && now - o->since > k->patience) {
		TAILQ_REMOVE(&k->orders, o, link);
		refuse_order(o);
	}
}

static void
forget_expired(struct catalogue *k, usec_t now)
{
	struct entry *entry;

	while ((entry = TAILQ_FIRST(&k->absent)) != NULL && now - entry->asked_at > k->config->tenant_negative_ttl)
		forget(k, entry);
}

static void
on_tick(void *arg, int events)
{
	struct catalogue *k = arg;
	usec_t now = clock_now();

	(void)events;
	end_tired_questions(k, now);
	end_tired_orders(k, now);
	forget_expired(k, now);
	if (k->all_again)
		revalidate(k);
	pump(k);
	watch_timer(k->watch, TICK);
}

/* --- from outside --- */

void
catalogue_ask(struct catalogue *k, const char *name, catalogue_found_fn *found, void *arg)
{
	struct question *q = find_question(k, name);

	if (q == NULL)
		q = add_question(k, name);
	add_waiter(q->sent ? &q->late : &q->waiters, found, arg);
	pump(k);
}

/* Down for so long that waiting is of no use. */
static bool
is_given_up(const struct catalogue *k)
{
	usec_t since = courier_failing_since(k->courier);

	return since != 0 && clock_now() - since > k->patience;
}

void
catalogue_find(struct catalogue *k, const char *name, catalogue_found_fn *found, void *arg)
{
	struct entry *entry = find_entry(k, name);
	struct question *q;
	struct error e;

	if (entry != NULL && entry->line == NULL &&
	    clock_now() - entry->asked_at > k->config->tenant_negative_ttl) {
		forget(k, entry);
		entry = NULL;
	}
	set_absent(&e, name);
	if (entry != NULL || !is_configured(k) || !config_is_tenant_name(name)) {
		k->facts.hits += entry != NULL;
		found(arg, entry != NULL ? entry->line : NULL, &e);
		return;
	}
	if (is_given_up(k)) {
		set_unreachable(&e);
		found(arg, NULL, &e);
		return;
	}
	q = find_question(k, name);
	if (q == NULL)
		q = add_question(k, name);
	add_waiter(&q->waiters, found, arg);
	pump(k);
}

static void
put_order(struct catalogue *k, const char *name, const char *line, bool must_be_new, catalogue_done_fn *done, void *arg)
{
	size_t size = strlen(name) + 1;
	struct order *o = memory_zalloc(sizeof(*o) + size);

	o->catalogue = k;
	memcpy(o->name, name, size);
	o->line = line != NULL ? memory_strdup(line) : NULL;
	o->must_be_new = must_be_new;
	o->done = done;
	o->arg = arg;
	o->since = clock_now();
	if (is_given_up(k) || !is_configured(k)) {
		refuse_order(o);
		return;
	}
	TAILQ_INSERT_TAIL(&k->orders, o, link);
	pump(k);
}

void
catalogue_save(struct catalogue *k, const char *name, const char *line, bool must_be_new, catalogue_done_fn *done,
	       void *arg)
{
	put_order(k, name, line, must_be_new, done, arg);
}

void
catalogue_drop(struct catalogue *k, const char *name, catalogue_done_fn *done, void *arg)
{
	put_order(k, name, NULL, false, done, arg);
}

void
catalogue_facts(const struct catalogue *k, struct catalogue_facts *f)
{
	*f = k->facts;
	f->configured = is_configured(k);
	f->connected = courier_is_up(k->courier);
	f->known = k->nknown;
	f->absent = k->nabsent;
	f->memory = k->memory + (k->entries != NULL ? HASH_OVERHEAD(hh, k->entries) : 0);
}

/* --- life --- */

void
catalogue_set_config(struct catalogue *k, const struct config *c)
{
	const struct config *old = k->config;
	bool asks_otherwise = strcmp(old->tenant_query, c->tenant_query) != 0;

	k->config = config_ref(c);
	courier_configure(k->courier, c->tenant_catalogue, c->tenant_channel);
	if (!is_configured(k))
		forget_all(k);
	else if (asks_otherwise)
		revalidate(k);
	pump(k);
	config_unref(&old);
}

void
catalogue_set_pace(struct catalogue *k, const struct courier_pace *p, usec_t patience)
{
	courier_set_pace(k->courier, p);
	k->patience = patience > 0 ? patience : PATIENCE;
}

struct catalogue *
catalogue_new(struct loop *l, struct mailbox *mb, int job_mail, struct helpers *askers, struct hosts *hosts,
	      const struct config *c, const struct catalogue_ops *ops, void *arg)
{
	struct catalogue *k = memory_zalloc(sizeof(*k));

	if (hash_seed == 0 && getrandom(&hash_seed, sizeof(hash_seed), 0) < 0)
		log_warning("no random numbers for the catalogue's table");
	k->ops = ops;
	k->arg = arg;
	k->config = config_ref(c);
	k->patience = PATIENCE;
	TAILQ_INIT(&k->known);
	TAILQ_INIT(&k->absent);
	TAILQ_INIT(&k->waiting);
	TAILQ_INIT(&k->orders);
	TAILQ_INIT(&k->saving);
	k->courier = courier_new(l, mb, job_mail, askers, hosts, &courier_ops, k);
	courier_configure(k->courier, c->tenant_catalogue, c->tenant_channel);
	k->watch = watch_new(l, on_tick, k);
	watch_timer(k->watch, TICK);
	return k;
}

static void
free_waiters(struct waiter_list *list)
{
	struct waiter *w;

	while ((w = STAILQ_FIRST(list)) != NULL) {
		STAILQ_REMOVE_HEAD(list, link);
		free(w);
	}
}

static void
free_orders(struct order_list *list)
{
	struct order *o;

	while ((o = TAILQ_FIRST(list)) != NULL) {
		TAILQ_REMOVE(list, o, link);
		free_order(o);
	}
}

void
catalogue_free(struct catalogue **kp)
{
	struct catalogue *k = *kp;
	struct question *q, *next;

	if (k == NULL)
		return;
	*kp = NULL;
	courier_free(&k->courier);
	watch_free(&k->watch);
	HASH_ITER(hh, k->questions, q, next) {
		withdraw(q);
		free_waiters(&q->waiters);
		free_waiters(&q->late);
		free(q);
	}
	free_orders(&k->orders);
	free_orders(&k->saving);
	forget_all(k);
	config_unref(&k->config);
	free(k);
}
