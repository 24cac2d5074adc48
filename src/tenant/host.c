#include "tenant/host.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "base/strings.h"
#include "config/hosts.h"
#include "tenant/host_inside.h"

/* A host that could not be reached is left out of a list for so long: doubled up to the second. */
#define SKIP_FIRST USEC_PER_SEC
#define SKIP_MAX (16 * USEC_PER_SEC)

#define ROLE_GOOD_FOR (2 * USEC_PER_SEC)

/* Side connections that belong to no tenant. */
#define NOBODY ""

/* --- life --- */

static void
configure(struct host *h)
{
	const struct config_host *conf = config_find_host(h->hosts->config, h->name, h->port);
	struct share *s;
	struct seat *seat;

	h->configured = conf != NULL;
	h->max = conf != NULL ? conf->max_connections : 0;
	h->reserve = conf != NULL ? conf->admin_reserve : 0;
	h->min = conf != NULL ? conf->min : 0;
	h->min_lease = conf != NULL ? conf->min_lease : 0;
	for (s = h->shares; s != NULL; s = s->hh.next) {
		LIST_FOREACH(seat, &s->seats, link) {
			atomic_store(&seat->capped, h->max > 0);
			atomic_store(&seat->min_lease, h->min_lease);
		}
	}
}

struct host *
host_open(struct hosts *hs, const char *name, int port)
{
	char key[HOST_KEY];
	struct host *h;
	size_t n;

	if (name == NULL)
		name = hs->config->unix_socket_dir;
	host_key(name, port, key);
	n = strlen(key);
	HASH_FIND(hh, hs->by_key, key, n, h);
	if (h != NULL)
		return h;
	h = memory_zalloc(sizeof(*h) + n + 1);
	memcpy(h->key, key, n + 1);
	h->hosts = hs;
	h->name = memory_strdup(name);
	h->port = port;
	h->index = hs->n++;
	LIST_INIT(&h->holders);
	TAILQ_INIT(&h->resting);
	RB_INIT(&h->queue);
	for (int i = 0; i < CLAIM_KINDS; i++)
		TAILQ_INIT(&h->express[i]);
	HASH_ADD_KEYPTR(hh, hs->by_key, h->key, n, h);
	configure(h);
	return h;
}

static void
open_configured(struct hosts *hs)
{
	const struct config *c = hs->config;

	for (size_t i = 0; i < c->nhosts; i++) {
		if (strcmp(c->hosts[i].host, "*") != 0)
			host_open(hs, c->hosts[i].host, c->hosts[i].port);
	}
}

struct hosts *
hosts_new(const struct config *c)
{
	struct hosts *hs = memory_zalloc(sizeof(*hs));

	pthread_mutex_init(&hs->lock, NULL);
	hs->config = config_ref(c);
	LIST_INIT(&hs->waited);
	open_configured(hs);
	return hs;
}

void
hosts_set_ops(struct hosts *hs, int nworkers, const struct hosts_ops *ops, void *arg)
{
	hs->nworkers = nworkers;
	hs->ops = ops;
	hs->arg = arg;
	hs->inboxes = memory_zalloc((size_t)nworkers * sizeof(*hs->inboxes));
	for (int i = 0; i < nworkers; i++) {
		TAILQ_INIT(&hs->inboxes[i].granted);
		TAILQ_INIT(&hs->inboxes[i].asked);
	}
}

static void
free_host(struct host *h)
{
	struct share *s, *next;

	/* Every thread has gone: whatever is left was forgotten by somebody. */
	if (h->used != 0 || h->leaving != 0 || h->asked != 0 || h->nqueued != 0 || host_express(h) != 0 || h->side != 0)
		log_error("host %s:%d: %d places were never given back (%d leaving, %d asked for, %d claims)", h->name,
			  h->port, h->used, h->leaving, h->asked, h->nqueued + host_express(h));
	HASH_ITER(hh, h->shares, s, next) {
		struct seat *seat;

		while ((seat = LIST_FIRST(&s->seats)) != NULL) {
			LIST_REMOVE(seat, link);
			free(seat);
		}
		HASH_DEL(h->shares, s);
		free(s);
	}
	HASH_DEL(h->hosts->by_key, h);
	free(h->name);
	free(h);
}

void
hosts_free(struct hosts **hp)
{
	struct hosts *hs = *hp;
	struct host *h, *next;

	if (hs == NULL)
		return;
	*hp = NULL;
	HASH_ITER(hh, hs->by_key, h, next)
		free_host(h);
	free(hs->inboxes);
	config_unref(&hs->config);
	pthread_mutex_destroy(&hs->lock);
	free(hs);
}

void
hosts_set_config(struct hosts *hs, const struct config *c)
{
	const struct config *old;
	struct host *h;

	pthread_mutex_lock(&hs->lock);
	old = hs->config;
	hs->config = config_ref(c);
	open_configured(hs);
	for (h = hs->by_key; h != NULL; h = h->hh.next) {
		configure(h);
		host_serve(h);
	}
	pthread_mutex_unlock(&hs->lock);
	config_unref(&old);
}

/* --- what there is to see --- */

static void
note_wait(struct host_facts *f, const struct claim_list *list, usec_t now)
{
	const struct claim *first = TAILQ_FIRST(list);

	if (first != NULL && now - first->since > f->longest_wait)
		f->longest_wait = now - first->since;
}

static void
tell_waiting(struct host *h, struct host_facts *f)
{
	usec_t now = clock_now();
	struct share *s;

	for (int i = 0; i < CLAIM_KINDS; i++)
		note_wait(f, &h->express[i], now);
	for (s = share_queue_first(h); s != NULL; s = share_queue_next(s)) {
		f->waiting++;
		note_wait(f, &s->claims, now);
	}
}

static void
tell(struct host *h, struct host_facts *f)
{
	*f = (struct host_facts){
		.host = h->name,
		.port = h->port,
		.index = h->index,
		.max_connections = h->max,
		.admin_reserve = h->reserve,
		.used = h->used,
		.leaving = h->leaving,
		.side = h->side,
		.tenants = h->tenants,
		.granted = h->granted,
		.evictions = h->evictions,
		.yielded = h->yielded,
		.refused = h->refused,
		.failures = h->failures,
		.known = h->known,
		.down_since = h->down_since,
	};
	memcpy(f->last_error, h->last_error, sizeof(f->last_error));
	tell_waiting(h, f);
}

/* Hosts are never forgotten: their index is good as long as the process runs. */
static bool
is_of_interest(const struct host *h)
{
	return h->configured || h->used > 0 || h->nqueued + host_express(h) > 0 || h->down_since != 0;
}

void
hosts_each(struct hosts *hs, void (*fn)(void *arg, const struct host_facts *f), void *arg)
{
	struct host_facts f;
	struct host *h;

	pthread_mutex_lock(&hs->lock);
	for (h = hs->by_key; h != NULL; h = h->hh.next) {
		if (!is_of_interest(h))
			continue;
		tell(h, &f);
		fn(arg, &f);
	}
	pthread_mutex_unlock(&hs->lock);
}

const char *
hosts_name(const struct seat *seat, int *port)
{
	const struct host *h = seat->share->host;

	*port = h->port;
	return h->name;
}

int
hosts_index(const struct seat *seat)
{
	return seat->share->host->index;
}

/* --- side connections --- */

static struct wish
side_wish(const char *host, int port)
{
	return (struct wish){ .host = host, .port = port, .tenant = NOBODY, .weight = 1, .worker = -1, .side = true };
}

bool
hosts_want_side(struct hosts *hs, struct claim *c, enum claim_kind kind, const char *host, int port)
{
	struct wish w = side_wish(host, port);
	enum claim_state state = hosts_claim_state(hs, c);

	if (state == CLAIM_NONE)
		state = hosts_claim(hs, c, kind, &w);
	if (state != CLAIM_GRANTED)
		return false;
	hosts_take(hs, c);
	return true;
}

void
hosts_give_side(struct hosts *hs, const char *host, int port)
{
	struct wish w = side_wish(host, port);
	struct seat *seat;

	pthread_mutex_lock(&hs->lock);
	seat = host_seat(host_open(hs, host, port), &w, false);
	pthread_mutex_unlock(&hs->lock);
	hosts_give(hs, &seat, false);
}

/* --- health --- */

void
hosts_health(struct hosts *hs, const char *host, int port, struct host_health *health)
{
	usec_t now = clock_now();
	struct host *h;

	pthread_mutex_lock(&hs->lock);
	h = host_open(hs, host, port);
	health->skipped = now < h->skip_until;
	health->full = h->nqueued > 0 || !host_has_room(h, CLAIM_ORDINARY);
	health->in_reserve = h->max > 0 && host_taken(h) > host_limit(h, CLAIM_ORDINARY);
	health->role = now - h->role_at < ROLE_GOOD_FOR ? h->role : ROLE_UNKNOWN;
	pthread_mutex_unlock(&hs->lock);
}

void
hosts_failed(struct hosts *hs, struct seat *seat, const struct error *e)
{
	struct host *h;
	usec_t skip;

	pthread_mutex_lock(&hs->lock);
	h = seat->share->host;
	skip = SKIP_FIRST << (h->failed < 4 ? h->failed : 4);
	h->failed++;
	h->failures++;
	h->known = true;
	if (h->down_since == 0)
		h->down_since = clock_wall();
	h->skip_until = clock_now() + (skip < SKIP_MAX ? skip : SKIP_MAX);
	string_copy(h->last_error, e->message, sizeof(h->last_error));
	pthread_mutex_unlock(&hs->lock);
}

void
hosts_reached(struct hosts *hs, struct seat *seat, enum host_role role)
{
	struct host *h;

	pthread_mutex_lock(&hs->lock);
	h = seat->share->host;
	h->known = true;
	h->failed = 0;
	h->down_since = 0;
	h->skip_until = 0;
	if (role != ROLE_UNKNOWN) {
		h->role = role;
		h->role_at = clock_now();
	}
	pthread_mutex_unlock(&hs->lock);
}
