/*
 * cancel: carries cancel requests to PostgreSQL, each on a connection of its own.
 *
 *	pool_cancel ── room? ──> a place at the host ──> dial ──> TLS, if its target has it ──> is it still the same lease? ──> send
 *	                 │                ──> server closes ──> done
 *	                 └ no: wait for a connection to become free (cancel_wait_timeout)
 *
 * While a request is under way its target is not lent to anybody else
 * (PLACE_HELD): so a cancel that arrives late can't hit another client.
 *
 * A server that is closed in the middle of something (its client has left, KILL, a
 * timeout) has nobody who wants the answer, but its backend does not see that before it
 * reads or writes.  If its host has a cap, its place is taken as long (pool/farewell.c):
 * so it is sent a request as soon as it has not ended in BACKEND_ENDS_IN, and again, with
 * growing pauses, until it has: the first may have ended only the first of several
 * queries.  That can't hit anybody else, since a backend's key is its own.  What is
 * cancelled so may be a COMMIT on its way: its client knows as much of the outcome as
 * when the connection is lost, which it is.
 */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/strings.h"
#include "pool/inside.h"

#define PAUSE_MAX (8 * USEC_PER_SEC)

enum canceller_state {
	CANCELLER_WAITS,		/* for room */
	CANCELLER_ACTIVE,		/* claiming, dialing, or connected */
	CANCELLER_RESTS,		/* its target is gone, and perhaps its backend as well when it is due */
};

struct canceller {
	LIST_ENTRY(canceller) link;
	struct pool *pool;
	struct server *target;		/* NULL: it is gone */
	bool certain;			/* send it even though the target is gone */
	enum canceller_state state;
	bool claiming;			/* the host is full: it is next */
	uint32_t parting;		/* until this server has ended (pools_is_parting); 0: once */
	usec_t due, pause;		/* CANCELLER_RESTS: when it is tried, and then after what */
	struct claim claim;
	struct seat *seat;		/* its own place there */
	const char *at_host;		/* what hosts_name said of the target's; NULL: it had no place */
	int at_port;
	usec_t since, dialed_at;
	struct dial *dial;
	struct stream stream;		/* fd -1: not connected */
	struct address address;		/* where it is connected to */
	struct security security;	/* as the target's */
	bool sent;
	char host[128];
	int port;
	struct buffer request;
	pool_cancel_done_fn *done;
	void *arg;
	struct deferred deferred;
};

static void
on_end(struct deferred *d)
{
	struct canceller *k = container_of(d, struct canceller, deferred);

	security_release(&k->security);
	free(k);
}

static void
withdraw(struct canceller *k)
{
	struct pools *ps = k->pool->pools;

	ps->nclaiming -= k->claiming;
	k->claiming = false;
	if (k->claim.seat != NULL)
		hosts_withdraw(ps->hosts, &k->claim, false);
}

static void
enter(struct canceller *k, enum canceller_state state)
{
	struct pool *p = k->pool;

	p->cancels_active += (state == CANCELLER_ACTIVE) - (k->state == CANCELLER_ACTIVE);
	p->cancels_waiting += (state == CANCELLER_WAITS) - (k->state == CANCELLER_WAITS);
	k->state = state;
}

static void
disconnect(struct canceller *k)
{
	dial_cancel(&k->dial);
	withdraw(k);
	pool_part(k->pool->pools, &k->stream, &k->seat, false, 0);
	stream_close(&k->stream);
	k->sent = false;
}

static void
finish(struct canceller *k, const char *outcome)
{
	struct pool *p = k->pool;
	struct server *target = k->target;

	LIST_REMOVE(k, link);
	enter(k, CANCELLER_RESTS);
	disconnect(k);
	buffer_wipe(&k->request);
	if (k->done != NULL)
		k->done(k->arg, outcome);
	loop_defer(p->pools->env->loop, &k->deferred, on_end);
	if (target != NULL && --target->cancels == 0 && target->place == PLACE_HELD)
		pool_settle(target);
}

static bool
is_still_due(const struct canceller *k)
{
	if (k->parting != 0)
		return pools_is_parting(k->pool->pools, k->parting);
	return k->certain || (k->target != NULL && k->target->place == PLACE_ACTIVE);
}

static void
rest(struct canceller *k)
{
	enter(k, CANCELLER_RESTS);
	disconnect(k);
	k->due = clock_now() + k->pause;
	k->pause = 2 * k->pause < PAUSE_MAX ? 2 * k->pause : PAUSE_MAX;
}

/* Of one try. */
static void
end(struct canceller *k, const char *outcome)
{
	if (k->parting != 0 && is_still_due(k))
		rest(k);
	else
		finish(k, outcome);
}

/* Others may have waited for what it took. */
static void
conclude(struct canceller *k, const char *outcome)
{
	struct pool *p = k->pool;

	end(k, outcome);
	pool_serve_cancels(p);
}

static void
fail(struct canceller *k, const struct error *e)
{
	log_warning("cannot deliver a cancel request to %s:%d: %s", k->host, k->port, e->message);
	conclude(k, "cancel request not delivered");
}

static void
deliver(struct canceller *k)
{
	if (!is_still_due(k)) {
		conclude(k, "cancel request came too late");
		return;
	}
	k->sent = true;
	stream_send_bytes(&k->stream, k->request.data, k->request.len);
}

static void
take_security_step(struct canceller *k, enum security_step step, const struct error *e)
{
	switch (step) {
	case SECURITY_PLAIN:
		deliver(k);
		return;
	case SECURITY_WAIT:
	case SECURITY_HANDSHAKE:
		return;
	case SECURITY_FAILED:
		fail(k, e);
		return;
	}
}

static void
on_secured(struct stream *s, const struct error *of_stream)
{
	struct canceller *k = container_of(s, struct canceller, stream);
	struct error e;

	if (of_stream == NULL) {
		deliver(k);
		return;
	}
	security_explain(of_stream, &k->address, &e);
	fail(k, &e);
}

/* The server answers a cancel request by closing; what it says is of no interest. */
static void
on_readable(struct stream *s)
{
	struct canceller *k = container_of(s, struct canceller, stream);
	uint8_t trash[256];
	struct error e;

	if (!k->sent)
		take_security_step(k, security_read(&k->security, s, &k->address, &e), &e);
	else if (stream_read(s, trash, sizeof(trash)) != -1)
		conclude(k, "cancel request delivered");
}

static void
on_drained(struct stream *s)
{
	(void)s;
}

static const struct stream_ops stream_ops = {
	.readable = on_readable,
	.drained = on_drained,
	.secured = on_secured,
};

static void
on_dialed(void *arg, int fd, const struct address *at, const struct error *e)
{
	struct canceller *k = arg;
	struct error own;

	k->dial = NULL;
	if (fd < 0) {
		fail(k, e);
		return;
	}
	k->address = *at;
	stream_open(&k->stream, fd, &stream_ops);
	stream_attach(&k->stream, k->pool->pools->env->loop);
	take_security_step(k, security_begin(&k->security, &k->stream, at, &own), &own);
}

static void
dial(struct canceller *k)
{
	struct pools *ps = k->pool->pools;
	struct server_env *env = ps->env;

	if (k->claim.seat != NULL)
		k->seat = hosts_take(ps->hosts, &k->claim);
	k->dialed_at = clock_now();
	k->dial = dial_start(env->loop, k->host, k->port, &env->stream_options, on_dialed, k);
}

static void
on_granted(struct claim *c)
{
	struct canceller *k = container_of(c, struct canceller, claim);

	k->claiming = false;
	k->pool->pools->nclaiming--;
	if (is_still_due(k))
		dial(k);
	else
		conclude(k, "cancel request came too late");
}

/* A full host serves it before everybody else; it may use admin_reserve. */
static void
start(struct canceller *k)
{
	struct pools *ps = k->pool->pools;
	struct tenant *t = k->pool->tenant;
	struct wish w = {
		.host = k->at_host,
		.port = k->at_port,
		.tenant = t->name,
		.worker = ps->worker,
		.owner = t,
		.side = true,
	};

	enter(k, CANCELLER_ACTIVE);
	k->claim.granted = on_granted;
	if (k->at_host == NULL || hosts_claim(ps->hosts, &k->claim, CLAIM_CANCEL, &w) == CLAIM_GRANTED) {
		dial(k);
		return;
	}
	k->claiming = true;
	ps->nclaiming++;
	pools_look_again_later(ps);
}

/* Cancels may use as many connections again as the pool has. */
static bool
has_room(const struct pool *p)
{
	int size = pool_size(p);

	return size == 0 || pool_total(p) + p->cancels_active < 2 * size;
}

static void
remember_host(struct canceller *k, const struct server *s)
{
	char text[ADDRESS_TEXT];

	/* Not what the configuration says now, but where this server is. */
	if (address_unix_target(s->stream.fd, k->host, sizeof(k->host), &k->port))
		return;
	k->port = s->address.port;
	string_copy(k->host, address_host(&s->address, text), sizeof(k->host));
}

static struct canceller *
add(struct server *s, pool_cancel_done_fn *done, void *arg)
{
	struct pool *p = s->pool;
	struct canceller *k = memory_zalloc(sizeof(*k));

	k->pool = p;
	k->target = s;
	k->state = CANCELLER_RESTS;
	k->since = clock_now();
	k->stream.fd = -1;
	k->done = done;
	k->arg = arg;
	k->pause = BACKEND_ENDS_IN;
	remember_host(k, s);
	if (s->seat != NULL)
		k->at_host = hosts_name(s->seat, &k->at_port);
	security_init_like(&k->security, &s->security, stream_is_tls(&s->stream));
	cancel_write_request(&k->request, s->backend_pid, s->key, s->key_size);
	s->cancels++;
	pool_keep(p);
	LIST_INSERT_HEAD(&p->cancellers, k, link);
	return k;
}

void
pool_cancel(struct server *s, pool_cancel_done_fn *done, void *arg)
{
	struct canceller *k = add(s, done, arg);

	if (has_room(s->pool))
		start(k);
	else
		enter(k, CANCELLER_WAITS);
}

/* One that was sent anyway will do. */
static struct canceller *
find_certain(const struct server *s)
{
	const struct pool *p = s->pool;
	struct canceller *k;

	LIST_FOREACH(k, &p->cancellers, link) {
		if (k->target == s && k->certain)
			return k;
	}
	return NULL;
}

void
pool_pursue(struct server *s)
{
	struct canceller *k = find_certain(s);

	if (k == NULL) {
		k = add(s, NULL, NULL);
		k->certain = true;
		rest(k);
	}
	k->parting = s->id;
}

void
pool_cancels_outlive(struct server *s)
{
	struct pool *p = s->pool;
	struct canceller *k;

	LIST_FOREACH(k, &p->cancellers, link) {
		if (k->target == s)
			k->certain = true;
	}
}

void
pool_cancels_lose(struct server *s)
{
	struct pool *p = s->pool;
	struct canceller *k;

	LIST_FOREACH(k, &p->cancellers, link) {
		if (k->target == s)
			k->target = NULL;
	}
}

/* Whoever waits without an end must not keep a place meanwhile. */
static bool
is_late(const struct canceller *k, usec_t now)
{
	const struct config *c = pool_config(k->pool);
	usec_t limit = c->cancel_wait_timeout, since = k->since;

	if (limit == 0 && k->state == CANCELLER_ACTIVE && !k->claiming) {
		limit = c->server_connect_timeout;
		since = k->dialed_at;
	}
	return limit > 0 && k->state != CANCELLER_RESTS && now - since > limit;
}

static bool
is_under_way(const struct canceller *k)
{
	return k->state == CANCELLER_ACTIVE && !k->claiming;
}

/* Act on the first that is due for something; ending one may touch the list, so the caller starts over. */
static bool
serve_one(struct pool *p, usec_t now)
{
	struct canceller *k;

	LIST_FOREACH(k, &p->cancellers, link) {
		if (k->state == CANCELLER_RESTS) {
			if (now < k->due)
				continue;
			k->since = now;
			enter(k, CANCELLER_WAITS);
		}
		if (is_late(k, now)) {
			end(k, "cancel_wait_timeout");
			return true;
		}
		if (!is_under_way(k) && !is_still_due(k)) {
			finish(k, "cancel request came too late");
			return true;
		}
		if (k->state == CANCELLER_WAITS && has_room(p)) {
			start(k);
			return true;
		}
	}
	return false;
}

void
pool_serve_cancels(struct pool *p)
{
	usec_t now;

	if (LIST_EMPTY(&p->cancellers))
		return;
	now = clock_now();
	while (serve_one(p, now))
		;
}

void
pool_drop_cancels(struct pool *p)
{
	while (!LIST_EMPTY(&p->cancellers))
		finish(LIST_FIRST(&p->cancellers), "pool closed");
}
