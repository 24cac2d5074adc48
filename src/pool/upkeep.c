/*
 * upkeep: what a pool does without being asked, several times a second.
 */
#include <stdlib.h>
#include <string.h>

#include "base/sqlstate.h"
#include "pool/inside.h"

/* Idle too long, or old?  min_pool_size keeps some. */
static void
close_stale(struct pool *p, usec_t now)
{
	const struct config *c = pool_config(p);
	int spare = pool_total(p) - pool_share(p, tenant_min_pool_size(p->tenant, c));
	struct server *s, *next;

	TAILQ_FOREACH_REVERSE_SAFE(s, &p->servers[PLACE_IDLE], server_list, link, next) {
		const char *why = pool_why_close(s, now);

		if (why == NULL && c->server_idle_timeout > 0 && now - s->free_since > c->server_idle_timeout &&
		    spare > 0)
			why = "server idle timeout";
		if (why == NULL)
			continue;
		spare--;
		server_close(s, NULL, why);
	}
}

/* The others of a list are tried when one has said nothing for so long, or, when all were tried, for twice that. */
#define SILENCE USEC_PER_SEC

static usec_t
silence_of(const struct pool *p)
{
	int rounds = p->failures / pool_count_hosts(p);

	return SILENCE << (rounds < 6 ? rounds : 6);
}

/* Has it said nothing for so long?  That counts from when it is called, and not while we are the ones who work. */
static bool
is_silent(const struct server *s, usec_t now, usec_t limit)
{
	usec_t since = s->heard_at;

	if (s->state == SERVER_DIALING)
		since = s->dial != NULL ? dial_since(s->dial) : 0;
	if (since == 0 || server_waits_for_us(s))
		return false;
	return now - since > limit;
}

/* They may be slow only: the host is not left out for it, by this pool or by others. */
static void
leave_silent(struct pool *p, usec_t now)
{
	usec_t limit = silence_of(p);
	struct server *s, *next;
	struct error e;

	if (pool_count_hosts(p) == 1 || !pool_is_waited_for(p))
		return;
	TAILQ_FOREACH_SAFE(s, &p->servers[PLACE_LOGIN], link, next) {
		if (!is_silent(s, now, limit))
			continue;
		s->given_up = true;
		error_set(&e, SEVERITY_FATAL, SQLSTATE_CANNOT_ESTABLISH, "no answer for %d s: another host of the list is tried",
			  (int)(limit / USEC_PER_SEC));
		server_close(s, &e, e.message);
	}
}

/* A server that does not answer while it connects or runs a command of ours. */
static void
close_mute(struct pool *p, usec_t now)
{
	usec_t timeout = pool_config(p)->server_connect_timeout;
	struct server *s, *next;
	struct error e;

	if (timeout == 0)
		return;
	TAILQ_FOREACH_SAFE(s, &p->servers[PLACE_LOGIN], link, next) {
		if (now - s->connected_at <= timeout)
			continue;
		error_set(&e, SEVERITY_FATAL, SQLSTATE_CANNOT_ESTABLISH,
			  s->state == SERVER_DIALING ? "connect failed: no answer" : "connect timeout");
		server_close(s, &e, e.message);
	}
	TAILQ_FOREACH_SAFE(s, &p->servers[PLACE_TESTED], link, next) {
		if (now - s->run_at > timeout)
			server_close(s, NULL, "test query timeout");
	}
}

/* Refuse those who have waited longer than limit. */
static void
refuse_older(struct pool *p, struct request_list *list, usec_t since, const char *limit)
{
	struct lease_request *r;
	struct error e;

	while ((r = TAILQ_FIRST(list)) != NULL && r->since < since) {
		error_set(&e, SEVERITY_FATAL, SQLSTATE_TOO_MANY_CONNECTIONS, "%s", limit);
		error_detail(&e, "No server connection of \"%s\" became free in time.", p->tenant->name);
		if (p->failing_since != 0)
			error_hint(&e, "New connections to its PostgreSQL server fail: see the log.");
		else if (p->claiming)
			error_hint(&e, "All connections of its PostgreSQL server are in use (max_connections in [hosts]).");
		else
			error_hint(&e, "Raise pool_size, or shorten transactions.");
		pool_forget(p, r);
		r->ops->failed(r, &e);
	}
}

static void
refuse_tired(struct pool *p, usec_t now)
{
	const struct config *c = pool_config(p);
	usec_t wait = tenant_query_wait_timeout(p->tenant, c, p->user_conf);
	usec_t query = user_query_timeout(c, p->user_conf);
	bool query_first = query > 0 && (wait <= 0 || query < wait);
	usec_t limit = query_first ? query : wait;
	const char *name = query_first ? "query_timeout" : "query_wait_timeout";

	if (limit <= 0)
		return;
	refuse_older(p, &p->waiters, now - limit, name);
	refuse_older(p, &p->newcomers, now - limit, name);
}

static void
notify_waiting(struct pool *p, usec_t now)
{
	usec_t after = pool_config(p)->query_wait_notify;
	struct lease_request *r;

	if (after <= 0)
		return;
	TAILQ_FOREACH(r, &p->waiters, link) {
		if (now - r->since <= after)
			return;
		if (r->told)
			continue;
		r->told = true;
		r->ops->waiting(r);
	}
}

/* --- who is kept --- */

static struct kept_pools *
list_of(struct pool *p)
{
	return p->keeping == KEEPING ? &p->pools->kept : &p->pools->empty;
}

void
pool_stop_keeping(struct pool *p)
{
	if (p->keeping != KEEPING_NOT)
		TAILQ_REMOVE(list_of(p), p, kept_link);
	p->keeping = KEEPING_NOT;
}

static void
enter(struct pool *p, enum pool_keeping keeping)
{
	pool_stop_keeping(p);
	p->keeping = keeping;
	if (keeping != KEEPING_NOT)
		TAILQ_INSERT_TAIL(list_of(p), p, kept_link);
}

void
pool_keep(struct pool *p)
{
	if (p->keeping == KEEPING)
		return;
	enter(p, KEEPING);
	tenants_stir(p->pools->tenants, p->tenant);
}

static bool
has_business(const struct pool *p)
{
	return pool_total(p) > 0 || p->nwaiters > 0 || !TAILQ_EMPTY(&p->newcomers) || !LIST_EMPTY(&p->cancellers) ||
	       p->claim.seat != NULL || pool_is_short(p);
}

/* A pool that a template has made goes soon: there may be one for each of many thousand tenants, and it is as quickly
 * made again.  Its tenant, with its counters, stays (autodb_idle_timeout). */
#define TEMPLATE_POOL_IDLE (60 * USEC_PER_SEC)

/* 0: it stays.  All that are in ps->empty have the same. */
static usec_t
idle_timeout(const struct pool *p)
{
	usec_t timeout = pool_config(p)->pool_idle_timeout;
	int source = p->tenant->source;

	if (timeout > 0)
		return timeout;
	return source == TENANT_FROM_TEMPLATE || source == TENANT_FROM_CATALOGUE ? TEMPLATE_POOL_IDLE : 0;
}

static enum pool_keeping
keeping_at_rest(const struct pool *p)
{
	return p->nclients == 0 && idle_timeout(p) > 0 ? KEEPING_EMPTY : KEEPING_NOT;
}

/* A pool without business is not looked at again before somebody calls pool_keep, or its idle_timeout is over. */
static void
let_rest(struct pool *p, usec_t now)
{
	bool busy = has_business(p), used = busy || p->nclients > 0;

	if (used)
		p->empty_since = 0;
	else if (p->empty_since == 0)
		p->empty_since = now;
	/* That of a replication connection ends with it. */
	if (!busy && p->replication == REPLICATION_NONE)
		enter(p, keeping_at_rest(p));
}

static void
forget(struct pool *p)
{
	struct error e;

	log_info("cleaning up idle pool for user %s on db %s because: pool idle timeout", p->user->name,
		 p->tenant->name);
	error_set(&e, SEVERITY_FATAL, SQLSTATE_ADMIN_SHUTDOWN, "cleaning up idle pool");
	pool_close(&p, &e, "pool idle timeout");
}

static void
end_replication(struct pool *p)
{
	struct error e;

	error_set(&e, SEVERITY_FATAL, SQLSTATE_ADMIN_SHUTDOWN, "the replication connection has ended");
	pool_close(&p, &e, "its client is gone");
}

/* Whoever waits for the host of p's servers has to know whether p's clients are still there. */
static void
tell_seats(const struct pool *p)
{
	struct server *s;

	for (int i = 0; i < PLACES; i++) {
		TAILQ_FOREACH(s, &p->servers[i], link) {
			if (s->seat != NULL)
				atomic_store_explicit(&s->seat->active, p->tenant->nclients > 0, memory_order_relaxed);
		}
	}
}

/* The claim of p is of no use any more, or there is a place elsewhere. */
static void
look_for_place(struct pool *p)
{
	if (!pool_is_waited_for(p)) {
		pool_withdraw(p, false);
	} else if (pool_has_open_host(p)) {
		pool_withdraw(p, false);
		pool_grow(p);
	}
}

static void
keep_up(struct pool *p, usec_t now)
{
	if (p->replication != REPLICATION_NONE && p->nclients == 0 && LIST_EMPTY(&p->cancellers)) {
		end_replication(p);
		return;
	}
	close_stale(p, now);
	close_mute(p, now);
	leave_silent(p, now);
	refuse_tired(p, now);
	notify_waiting(p, now);
	pool_serve_cancels(p);
	if (p->pace != NULL)
		pool_look_aside(p, now);
	pool_serve(p);
	if (p->claiming)
		look_for_place(p);
	tell_seats(p);
	let_rest(p, now);
}

/* Each that is kept now, once: what fn does may end others, or put them back at the end. */
static void
each_kept(struct pools *ps, void (*fn)(struct pool *p, usec_t now))
{
	usec_t now = clock_now();
	struct pool *p;

	TAILQ_FOREACH(p, &ps->kept, kept_link)
		p->due = true;
	while ((p = TAILQ_FIRST(&ps->kept)) != NULL && p->due) {
		p->due = false;
		enter(p, KEEPING);
		fn(p, now);
	}
}

/* Thousands may have gone quiet together: so many of them are no time at all. */
#define FORGET_AT_ONCE 200

static void
forget_empty(struct pools *ps, usec_t now)
{
	struct pool *p;
	usec_t timeout;

	for (int i = 0; i < FORGET_AT_ONCE && (p = TAILQ_FIRST(&ps->empty)) != NULL; i++) {
		timeout = idle_timeout(p);
		if (p->nclients > 0 || timeout == 0)
			pool_keep(p);
		else if (now - p->empty_since > timeout)
			forget(p);
		else
			return;
	}
}

void
pools_upkeep(struct pools *ps)
{
	pools_doubt_farewells(ps, clock_now());
	hosts_look_again(ps->hosts);
	each_kept(ps, keep_up);
	forget_empty(ps, clock_now());
}

static void
retry(struct pool *p, usec_t now)
{
	(void)now;
	pool_serve(p);
}

void
pools_retry(struct pools *ps)
{
	each_kept(ps, retry);
}

/* What failed before may be mended; and one that had nothing to do may have: but thousands that have not are let be. */
static void
take_line(struct pool *p)
{
	p->user_conf = config_find_user(pool_config(p), p->user->name);
	pool_forget_failures(p);
	pool_forget_place(p);
	pool_choose_pace(p);
	if (p->keeping != KEEPING && pool_is_short(p))
		pool_keep(p);
	else if (p->keeping != KEEPING && p->keeping != keeping_at_rest(p))
		enter(p, keeping_at_rest(p));
}

static void
on_line_changed(void *arg, struct tenant *t)
{
	struct pool *p;

	(void)arg;
	LIST_FOREACH(p, &t->pools, link)
		take_line(p);
}

void
pools_init(struct pools *ps)
{
	tenants_watch(ps->tenants, on_line_changed, NULL);
	TAILQ_INIT(&ps->kept);
	TAILQ_INIT(&ps->empty);
	LIST_INIT(&ps->farewells);
}
