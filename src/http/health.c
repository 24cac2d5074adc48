/*
 * health: for those who watch over us: are we alive, and can we serve?
 *
 * A host of PostgreSQL is up if a pool has a connection to it, and down if the last attempt
 * of a pool to get one, a moment ago, reached nobody.  Nothing is connected for the asking:
 * what nobody uses is unknown.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "base/json.h"
#include "base/memory.h"
#include "http/api.h"
#include "http/inside.h"
#include "pool/pool.h"
#include "session/shard.h"

/* How long a failed attempt counts: pools try again within about a second, if anybody waits. */
#define FRESH (5 * USEC_PER_SEC)

static void
reply_status(struct exchange *x, const char *status)
{
	struct buffer body = BUFFER_INIT;
	struct json j = { .out = &body };

	json_open(&j, NULL, '{');
	json_put_string(&j, "status", status);
	json_close(&j, '}');
	buffer_append(&body, "\n", 1);
	exchange_reply_json(x, 200, &body);
}

void
healthz_serve(struct exchange *x)
{
	reply_status(x, "ok");
}

/* --- hosts --- */

struct host {
	UT_hash_handle hh;
	char *name;		/* "db1:5432", the key */
	char *address;		/* "db1", or the folder of a Unix socket */
	int port;
	unsigned pools;
	unsigned down;		/* of these */
	bool up;
	usec_t failing;		/* for how long, the longest */
};

struct readiness {
	struct inquiry inquiry;
	struct errand errand;
	struct exchange *exchange;	/* NULL: nobody waits any more */
	int nparts;
	struct host *parts[];		/* a worker's: a hash by name */
};

static void
free_host(struct host **hosts, struct host *h)
{
	HASH_DEL(*hosts, h);
	free(h->name);
	free(h->address);
	free(h);
}

static void
free_hosts(struct host **hosts)
{
	struct host *h, *next;

	HASH_ITER(hh, *hosts, h, next)
		free_host(hosts, h);
}

static struct host *
find_host(struct host **hosts, const char *address, int port)
{
	char name[320];
	struct host *h;

	snprintf(name, sizeof(name), "%.300s:%d", address, port);
	HASH_FIND_STR(*hosts, name, h);
	if (h != NULL)
		return h;
	h = memory_zalloc(sizeof(*h));
	h->name = memory_strdup(name);
	h->address = memory_strdup(address);
	h->port = port;
	HASH_ADD_KEYPTR(hh, *hosts, h->name, strlen(h->name), h);
	return h;
}

static void
look_at_pool(struct host *h, const struct pool *p, usec_t now)
{
	h->pools++;
	h->up |= pool_total(p) > p->count[PLACE_LOGIN];
	if (!p->unreachable || now - p->retry_at > FRESH)
		return;
	h->down++;
	if (now - p->failing_since > h->failing)
		h->failing = now - p->failing_since;
}

static void
visit(struct shard *s, struct inquiry *q)
{
	struct host **hosts = &container_of(q, struct readiness, inquiry)->parts[s->index];
	const struct config *c = shard_config(s);
	usec_t now = clock_now();
	struct tenant *t = NULL;
	const struct pool *p;

	while ((t = tenants_next(s->tenants, t)) != NULL) {
		struct host *h = NULL;

		if (t->conf == NULL || LIST_EMPTY(&t->pools))
			continue;
		h = find_host(hosts, t->conf->host != NULL ? t->conf->host : c->unix_socket_dir, t->conf->port);
		LIST_FOREACH(p, &t->pools, link)
			look_at_pool(h, p, now);
	}
}

/* Move what is in `from` to `to`. */
static void
add_hosts(struct host **to, struct host **from)
{
	struct host *h, *next, *same;

	HASH_ITER(hh, *from, h, next) {
		same = find_host(to, h->address, h->port);
		same->pools += h->pools;
		same->down += h->down;
		same->up |= h->up;
		if (h->failing > same->failing)
			same->failing = h->failing;
		free_host(from, h);
	}
}

static int
by_name(struct host *a, struct host *b)
{
	return strcmp(a->name, b->name);
}

/* --- the answer --- */

static const char *
host_status(const struct host *h)
{
	return h->down > 0 ? "down" : h->up ? "up" : "unknown";
}

static void
put_host(struct json *j, const struct host *h)
{
	char detail[160];

	json_open(j, NULL, '{');
	json_put_string(j, "host", h->address);
	json_put_int(j, "port", h->port);
	json_put_string(j, "status", host_status(h));
	if (h->down > 0)
		snprintf(detail, sizeof(detail), "%u of %u pools cannot connect, for %lld s", h->down, h->pools,
			 (long long)(h->failing / USEC_PER_SEC));
	else
		snprintf(detail, sizeof(detail), h->up ? "connected" : "no pool is connected, or has tried to");
	json_put_string(j, "detail", detail);
	json_close(j, '}');
}

/* As long as one host can be reached, there are tenants that can be served: who wants to know of one looks at its
 * row. */
static bool
is_ready(const struct readiness *r, struct host *hosts)
{
	const struct http_ops *ops = exchange_ops(r->exchange);
	struct host *h, *next;
	bool all_down = hosts != NULL;

	HASH_ITER(hh, hosts, h, next)
		all_down &= h->down > 0;
	return !all_down && !ops->stopping(ops->daemon);
}

/* Where the databases are is for those who may read. */
static bool
may_see_hosts(const struct exchange *x)
{
	return exchange_may(x, HTTP_READ) && exchange_tenant(x) == NULL;
}

static void
answer(struct readiness *r, struct host *hosts)
{
	struct buffer body = BUFFER_INIT;
	struct json j = { .out = &body };
	struct host *h, *next;
	bool ready = is_ready(r, hosts);

	json_open(&j, NULL, '{');
	json_put_string(&j, "status", ready ? "ready" : "not ready");
	json_open(&j, "hosts", '[');
	HASH_ITER(hh, hosts, h, next) {
		if (may_see_hosts(r->exchange))
			put_host(&j, h);
	}
	json_close(&j, ']');
	json_close(&j, '}');
	buffer_append(&body, "\n", 1);
	exchange_reply_json(r->exchange, ready ? 200 : 503, &body);
}

static void
finish(struct inquiry *q)
{
	struct readiness *r = container_of(q, struct readiness, inquiry);
	struct host *all = NULL;

	for (int i = 0; i < r->nparts; i++)
		add_hosts(&all, &r->parts[i]);
	HASH_SORT(all, by_name);
	if (r->exchange != NULL)
		answer(r, all);
	free_hosts(&all);
	LIST_REMOVE(&r->errand, link);
	free(r);
}

static void
release(struct errand *w)
{
	struct readiness *r = container_of(w, struct readiness, errand);

	for (int i = 0; i < r->nparts; i++)
		free_hosts(&r->parts[i]);
	free(r);
}

static void
readyz_gone(void *arg)
{
	((struct readiness *)arg)->exchange = NULL;
}

void
readyz_serve(struct exchange *x)
{
	const struct inquirer *in = exchange_reports(x)->inquirer;
	struct readiness *r = memory_zalloc(sizeof(*r) + (size_t)in->nworkers * sizeof(r->parts[0]));

	r->inquiry.visit = visit;
	r->inquiry.finish = finish;
	r->errand.release = release;
	LIST_INSERT_HEAD(&exchange_http(x)->errands, &r->errand, link);
	r->exchange = x;
	r->nparts = in->nworkers;
	exchange_wait(x, readyz_gone, r);
	inquirer_ask(in, &r->inquiry);
}
