/*
 * cancel: carries cancel requests to PostgreSQL, each on a connection of its own.
 *
 *	pool_cancel ── room? ──> a place at the host ──> dial ──> TLS, if its target has it ──> is it still the same lease? ──> send
 *	                 │                ──> server closes ──> done
 *	                 └ no: wait for a connection to become free (cancel_wait_timeout)
 *
 * While a request is under way its target is not lent to anybody else
 * (PLACE_HELD): so a cancel that arrives late can't hit another client.
 */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/strings.h"
#include "pool/inside.h"

struct canceller {
	LIST_ENTRY(canceller) link;
	struct pool *pool;
	struct server *target;		/* NULL: it is gone */
	bool certain;			/* send it even though the target is gone */
	bool active;			/* claiming, dialing, or connected; else it waits for room */
	bool claiming;			/* the host is full: it is next */
	struct claim claim;
	struct seat *seat;		/* its own place there */
	const char *at_host;		/* what hosts_name said of the target's; NULL: it had no place */
	int at_port;
	usec_t since;
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
finish(struct canceller *k, const char *outcome)
{
	struct pool *p = k->pool;
	struct server *target = k->target;

	LIST_REMOVE(k, link);
	if (k->active)
		p->cancels_active--;
	else
		p->cancels_waiting--;
	dial_cancel(&k->dial);
	withdraw(k);
	pool_part(p->pools, &k->stream, &k->seat, false);
	stream_close(&k->stream);
	buffer_wipe(&k->request);
	k->done(k->arg, outcome);
	loop_defer(p->pools->env->loop, &k->deferred, on_end);
	if (target != NULL && --target->cancels == 0 && target->place == PLACE_HELD)
		pool_settle(target);
}

/* Others may have waited for what it took. */
static void
conclude(struct canceller *k, const char *outcome)
{
	struct pool *p = k->pool;

	finish(k, outcome);
	pool_serve_cancels(p);
}

static bool
is_still_due(const struct canceller *k)
{
	return k->certain || (k->target != NULL && k->target->place == PLACE_ACTIVE);
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

	k->active = true;
	k->pool->cancels_active++;
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

void
pool_cancel(struct server *s, pool_cancel_done_fn *done, void *arg)
{
	struct pool *p = s->pool;
	struct canceller *k = memory_zalloc(sizeof(*k));

	k->pool = p;
	k->target = s;
	k->since = clock_now();
	k->stream.fd = -1;
	k->done = done;
	k->arg = arg;
	remember_host(k, s);
	if (s->seat != NULL)
		k->at_host = hosts_name(s->seat, &k->at_port);
	security_init_like(&k->security, &s->security, stream_is_tls(&s->stream));
	cancel_write_request(&k->request, s->backend_pid, s->key, s->key_size);
	s->cancels++;
	pool_keep(p);
	LIST_INSERT_HEAD(&p->cancellers, k, link);
	if (has_room(p))
		start(k);
	else
		p->cancels_waiting++;
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

/* Act on the first that is due for something; ending one may touch the list, so the caller starts over. */
static bool
serve_one(struct pool *p, usec_t now, usec_t timeout)
{
	struct canceller *k;

	LIST_FOREACH(k, &p->cancellers, link) {
		bool late = timeout > 0 && now - k->since > timeout;

		if (late || ((!k->active || k->claiming) && !is_still_due(k))) {
			finish(k, late ? "cancel_wait_timeout" : "cancel request came too late");
			return true;
		}
		if (!k->active && has_room(p)) {
			p->cancels_waiting--;
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
	while (serve_one(p, now, pool_config(p)->cancel_wait_timeout))
		;
}

void
pool_drop_cancels(struct pool *p)
{
	while (!LIST_EMPTY(&p->cancellers))
		finish(LIST_FIRST(&p->cancellers), "pool closed");
}
