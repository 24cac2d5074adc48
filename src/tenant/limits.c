#include "tenant/limits.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/strings.h"
#include "tenant/limited.h"

/* How long counts are kept of who has gone: who connects for each query must meet the same rates again. */
#define IDLE_KEPT (60 * USEC_PER_SEC)

#define KEY_MAX 320

static const char *const scope_names[LIMIT_SCOPES] = {
	[LIMIT_TENANT] = "tenant",
	[LIMIT_USER] = "user",
	[LIMIT_CLIENT] = "client",
	[LIMIT_ADDRESS] = "address",
	[LIMIT_NETWORK] = "network",
};

static const char *const kind_names[LIMIT_KINDS] = {
	[LIMIT_KIND_CLIENTS] = "clients",
	[LIMIT_KIND_CONNECTIONS] = "connections",
	[LIMIT_KIND_QUERIES] = "queries",
	[LIMIT_KIND_ACTIVE] = "active",
	[LIMIT_KIND_BYTES] = "bytes",
	[LIMIT_KIND_SERVER_TIME] = "server_time",
	[LIMIT_KIND_RESULT_SIZE] = "result_size",
	[LIMIT_KIND_QUERY_LENGTH] = "query_length",
	[LIMIT_KIND_TRANSACTION] = "transaction",
	[LIMIT_KIND_QUEUE] = "queue",
};

const char *
limit_scope_name(enum limit_scope scope)
{
	return scope_names[scope];
}

const char *
limit_kind_name(enum limit_kind kind)
{
	return kind_names[kind];
}

/* --- the configuration of one --- */

static void
set_limit(struct limited *l, enum limit_kind kind, int64_t n)
{
	atomic_store_explicit(&l->limit[kind], n > 0 ? n : 0, memory_order_relaxed);
}

static void
set_limits(struct limited *l, const struct config_limits *c)
{
	set_limit(l, LIMIT_KIND_CLIENTS, c->clients);
	set_limit(l, LIMIT_KIND_CONNECTIONS, c->connections);
	set_limit(l, LIMIT_KIND_QUERIES, c->queries);
	set_limit(l, LIMIT_KIND_ACTIVE, c->active);
	set_limit(l, LIMIT_KIND_BYTES, c->bytes);
	set_limit(l, LIMIT_KIND_SERVER_TIME, c->server_time);
	set_limit(l, LIMIT_KIND_RESULT_SIZE, c->result_size);
	set_limit(l, LIMIT_KIND_QUERY_LENGTH, c->query_length);
	set_limit(l, LIMIT_KIND_TRANSACTION, c->transaction);
	set_limit(l, LIMIT_KIND_QUEUE, c->queue);
	atomic_store(&l->burst[LIMIT_RATE_QUERIES], c->queries_burst);
	atomic_store(&l->burst[LIMIT_RATE_BYTES], c->bytes_burst);
	atomic_store(&l->burst[LIMIT_RATE_SERVER_TIME], c->server_time_burst);
	atomic_store(&l->burst[LIMIT_RATE_CONNECTIONS], c->connections_burst);
	atomic_store(&l->max_delay, c->max_delay);
	atomic_store(&l->warn_percent, c->warn_percent);
	atomic_store(&l->shadow, c->shadow != 0);
}

int64_t
limited_share(const struct limited *l, enum limit_rate r, int nodes)
{
	return limited_limit(l, limit_rate_kinds[r].kind) * limit_rate_kinds[r].scale / nodes;
}

int64_t
limited_burst(const struct limited *l, enum limit_rate r, int nodes)
{
	int64_t burst = atomic_load_explicit(&l->burst[r], memory_order_relaxed) / nodes;

	return (burst > 0 ? burst : 1) * limit_rate_kinds[r].scale;
}

/* Rates that are leased keep their clocks: the next lease brings the new rate. */
static void
set_rates(struct limits *ls, struct limited *l, usec_t now)
{
	for (int r = 0; r < LIMIT_RATES; r++) {
		int64_t share = limited_share(l, (enum limit_rate)r, ls->nodes);
		int64_t burst = limited_burst(l, (enum limit_rate)r, ls->nodes);
		struct rate_line line = rate_line(&l->rates[r]);

		if (line.expected == share && line.burst == burst && !l->lease[r].held)
			continue;
		l->lease[r].held = false;
		rate_change(&l->rates[r], now, share, burst);
	}
}

static void
configure(struct limits *ls, struct limited *l, usec_t now)
{
	struct config_limits c = { 0 };
	const char *name = l->scope == LIMIT_CLIENT ? strchr(l->key, '@') + 1 : l->name;

	if (!config_find_limits(ls->config, (int)l->scope, name, l->class, &c))
		memset(&c, 0, sizeof(c));
	set_limits(l, &c);
	set_rates(ls, l, now);
}

/* --- the registry --- */

static int
count_nodes(const struct config *c)
{
	return c->limit_redis[0] == '\0' || c->limit_nodes < 1 ? 1 : c->limit_nodes;
}

struct limits *
limits_new(const struct config *c)
{
	struct limits *l = memory_zalloc(sizeof(*l));

	pthread_mutex_init(&l->lock, NULL);
	l->config = config_ref(c);
	l->nodes = count_nodes(c);
	atomic_init(&l->generation, 1);
	return l;
}

static void
forget(struct limits *ls, struct limited *l)
{
	HASH_DEL(ls->all, l);
	free(l->class);
	free(l);
}

void
limits_free(struct limits **lp)
{
	struct limits *ls = *lp;
	struct limited *l, *next;

	if (ls == NULL)
		return;
	*lp = NULL;
	HASH_ITER(hh, ls->all, l, next)
		forget(ls, l);
	config_unref(&ls->config);
	pthread_mutex_destroy(&ls->lock);
	free(ls);
}

void
limits_set_config(struct limits *ls, const struct config *c)
{
	usec_t now = clock_now();
	struct limited *l, *next;

	pthread_mutex_lock(&ls->lock);
	config_unref(&ls->config);
	ls->config = config_ref(c);
	ls->nodes = count_nodes(c);
	HASH_ITER(hh, ls->all, l, next)
		configure(ls, l, now);
	atomic_fetch_add(&ls->generation, 1);
	pthread_mutex_unlock(&ls->lock);
}

unsigned
limits_generation(const struct limits *l)
{
	return atomic_load_explicit(&l->generation, memory_order_acquire);
}

static bool
is_at_rest(const struct limited *l, usec_t now)
{
	for (int r = 0; r < LIMIT_RATES; r++) {
		if (rate_used(&l->rates[r], now) > 0)
			return false;
	}
	return true;
}

void
limits_upkeep(struct limits *ls, usec_t now)
{
	struct limited *l, *next;

	pthread_mutex_lock(&ls->lock);
	HASH_ITER(hh, ls->all, l, next) {
		if (l->refs == 0 && l->leases == 0 && now - l->idle_since > IDLE_KEPT && is_at_rest(l, now))
			forget(ls, l);
	}
	pthread_mutex_unlock(&ls->lock);
}

static struct limited *
get(struct limits *ls, enum limit_scope scope, const char *name, const char *class, usec_t now)
{
	char key[KEY_MAX];
	int n = snprintf(key, sizeof(key), "%d%s", (int)scope, name);
	size_t size = n < (int)sizeof(key) ? (size_t)n : sizeof(key) - 1;
	struct limited *l;

	HASH_FIND(hh, ls->all, key, size, l);
	if (l == NULL) {
		l = memory_zalloc(sizeof(*l) + size + 1);
		l->scope = scope;
		memcpy(l->key, key, size + 1);
		l->name = l->key + 1;
		for (int r = 0; r < LIMIT_RATES; r++)
			rate_init(&l->rates[r], now, 0, 1);
		l->class = class == NULL ? NULL : memory_strdup(class);
		HASH_ADD(hh, ls->all, key[0], (unsigned)size, l);
		configure(ls, l, now);
	} else if (strcmp(l->class == NULL ? "" : l->class, class == NULL ? "" : class) != 0) {
		free(l->class);
		l->class = class == NULL ? NULL : memory_strdup(class);
		configure(ls, l, now);
	}
	l->refs++;
	return l;
}

static void
put(struct limited **l, usec_t now)
{
	if (*l == NULL)
		return;
	if (--(*l)->refs == 0)
		(*l)->idle_since = now;
	*l = NULL;
}

/* --- who a client is counted for --- */

struct scope_names {
	char client[KEY_MAX], address[ADDRESS_TEXT], network[ADDRESS_TEXT];
};

/* An IPv4 address inside IPv6 is what it is. */
static void
name_addresses(const struct address *a, struct scope_names *n)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	struct address plain = *a;

	if (a->family == AF_INET6 && memcmp(a->ip, mapped, sizeof(mapped)) == 0) {
		plain.family = AF_INET;
		memcpy(plain.ip, a->ip + 12, 4);
	}
	address_host(&plain, n->address);
	string_copy(n->network, n->address, sizeof(n->network));
	if (plain.family == AF_INET) {
		char host[ADDRESS_TEXT];

		plain.ip[3] = 0;
		snprintf(n->network, sizeof(n->network), "%.46s/24", address_host(&plain, host));
	} else if (plain.family == AF_INET6) {
		char host[ADDRESS_TEXT];

		memset(plain.ip + 8, 0, 8);
		snprintf(n->network, sizeof(n->network), "%.46s/64", address_host(&plain, host));
	}
}

/* Is there a line of [limits] for anybody of this scope?  (A class is the tenants'.) */
static bool
has_lines(const struct config *c, enum limit_scope scope)
{
	for (size_t i = 0; i < c->nlimits; i++) {
		if (c->limits[i].scope == (int)scope || (scope == LIMIT_TENANT && c->limits[i].scope == LIMIT_CLASS))
			return true;
	}
	return false;
}

/* Under the lock. */
static void
find(struct limits *ls, const struct limit_names *n, usec_t now, struct limit_set *set)
{
	struct scope_names made;
	const char *names[LIMIT_SCOPES] = {
		[LIMIT_TENANT] = n->tenant,
		[LIMIT_USER] = n->user,
		[LIMIT_CLIENT] = made.client,
		[LIMIT_ADDRESS] = made.address,
		[LIMIT_NETWORK] = made.network,
	};
	const char *keys[LIMIT_SCOPES];

	set->generation = atomic_load(&ls->generation);
	if (ls->config->nlimits == 0)
		return;
	name_addresses(n->address, &made);
	snprintf(made.client, sizeof(made.client), "%s@%.200s", made.address, n->tenant);
	memcpy(keys, names, sizeof(keys));
	keys[LIMIT_CLIENT] = n->tenant;
	for (int i = 0; i < LIMIT_SCOPES; i++) {
		const char *class = i == LIMIT_TENANT ? n->class : NULL;
		struct config_limits c;

		if (!has_lines(ls->config, (enum limit_scope)i) || !config_find_limits(ls->config, i, keys[i], class, &c))
			continue;
		set->of[i] = get(ls, (enum limit_scope)i, names[i], class, now);
		set->any = true;
	}
}

static void
put_all(struct limit_set *set, usec_t now)
{
	for (int i = 0; i < LIMIT_SCOPES; i++)
		put(&set->of[i], now);
	set->any = false;
}

/* --- clients that come and go --- */

static bool
take_connection(struct limited *l, usec_t now, struct error *e)
{
	struct limit_tally *t = &l->tally[LIMIT_KIND_CONNECTIONS];
	int64_t place;
	usec_t wait;

	if (limited_limit(l, LIMIT_KIND_CONNECTIONS) == 0)
		return true;
	if (rate_take(&l->rates[LIMIT_RATE_CONNECTIONS], now, limit_rate_kinds[LIMIT_RATE_CONNECTIONS].scale, 0, &place,
		      &wait) >= 0) {
		limited_count(&t->passed);
		return true;
	}
	if (limited_is_shadow(l)) {
		limited_count(&t->shadowed);
		return true;
	}
	limited_count(&t->refused);
	limited_refuse(l, LIMIT_KIND_CONNECTIONS, wait, e);
	return false;
}

static bool
enter_one(struct limited *l, bool connects, usec_t now, struct error *e)
{
	if (!limited_raise(l, LIMIT_LEVEL_CLIENTS, LIMIT_KIND_CLIENTS)) {
		limited_refuse(l, LIMIT_KIND_CLIENTS, 0, e);
		return false;
	}
	if (!connects || take_connection(l, now, e))
		return true;
	limited_lower(l, LIMIT_LEVEL_CLIENTS);
	return false;
}

static bool
enter(struct limits *ls, const struct limit_names *n, bool connects, usec_t now, struct limit_set *set, struct error *e)
{
	int i;

	memset(set, 0, sizeof(*set));
	pthread_mutex_lock(&ls->lock);
	find(ls, n, now, set);
	for (i = 0; i < LIMIT_SCOPES; i++) {
		if (set->of[i] != NULL && !enter_one(set->of[i], connects, now, e))
			break;
	}
	set->counted = i == LIMIT_SCOPES;
	if (!set->counted) {
		while (--i >= 0) {
			if (set->of[i] != NULL)
				limited_lower(set->of[i], LIMIT_LEVEL_CLIENTS);
		}
		put_all(set, now);
	}
	pthread_mutex_unlock(&ls->lock);
	return set->counted;
}

bool
limits_enter(struct limits *ls, const struct limit_names *n, usec_t now, struct limit_set *set, struct error *e)
{
	return enter(ls, n, true, now, set, e);
}

bool
limits_enter_from(struct limits *ls, const struct limit_names *n, usec_t now, struct limit_set *set, struct error *e)
{
	return enter(ls, n, false, now, set, e);
}

static void
leave(struct limit_set *set, usec_t now)
{
	for (int i = 0; i < LIMIT_SCOPES && set->counted; i++) {
		if (set->of[i] != NULL)
			limited_lower(set->of[i], LIMIT_LEVEL_CLIENTS);
	}
	put_all(set, now);
}

void
limits_leave(struct limits *ls, struct limit_set *set)
{
	pthread_mutex_lock(&ls->lock);
	leave(set, clock_recent());
	pthread_mutex_unlock(&ls->lock);
	memset(set, 0, sizeof(*set));
}

void
limits_refresh(struct limits *ls, const struct limit_names *n, struct limit_set *set)
{
	struct limit_set fresh = { .counted = set->counted };
	usec_t now = clock_recent();

	pthread_mutex_lock(&ls->lock);
	find(ls, n, now, &fresh);
	for (int i = 0; i < LIMIT_SCOPES && fresh.counted; i++) {
		if (fresh.of[i] != NULL)
			atomic_fetch_add(&fresh.of[i]->level[LIMIT_LEVEL_CLIENTS], 1);
	}
	leave(set, now);
	*set = fresh;
	pthread_mutex_unlock(&ls->lock);
}

/* --- for SHOW LIMITS --- */

static int
rate_of(enum limit_kind kind)
{
	for (int r = 0; r < LIMIT_RATES; r++) {
		if (limit_rate_kinds[r].kind == kind)
			return r;
	}
	return -1;
}

static int64_t
used_of(const struct limited *l, enum limit_kind kind, int rate, usec_t now)
{
	if (rate >= 0)
		return (rate_used(&l->rates[rate], now) + limit_rate_kinds[rate].scale - 1) / limit_rate_kinds[rate].scale;
	switch ((int)kind) {
	case LIMIT_KIND_CLIENTS:
		return atomic_load(&l->level[LIMIT_LEVEL_CLIENTS]);
	case LIMIT_KIND_ACTIVE:
		return atomic_load(&l->level[LIMIT_LEVEL_ACTIVE]);
	case LIMIT_KIND_QUEUE:
		return atomic_load(&l->level[LIMIT_LEVEL_QUEUE]);
	default:
		return 0;
	}
}

static void
tell(const struct limited *l, enum limit_kind kind, usec_t now, void (*fn)(void *, const struct limit_facts *), void *arg)
{
	const struct limit_tally *t = &l->tally[kind];
	int rate = rate_of(kind);
	struct limit_facts f = {
		.scope = l->scope,
		.name = l->name,
		.kind = kind,
		.limit = limited_limit(l, kind),
		.burst = rate < 0 ? 0 : atomic_load(&l->burst[rate]),
		.used = used_of(l, kind, rate, now),
		.passed = atomic_load(&t->passed),
		.delayed = atomic_load(&t->delayed),
		.refused = atomic_load(&t->refused),
		.shadowed = atomic_load(&t->shadowed),
		.delayed_time = atomic_load(&t->delayed_time),
		.shadow = limited_is_shadow(l),
		.leased = rate >= 0 && l->lease[rate].held,
	};

	if (f.limit > 0)
		fn(arg, &f);
}

void
limits_each(struct limits *ls, void (*fn)(void *arg, const struct limit_facts *f), void *arg)
{
	usec_t now = clock_now();
	struct limited *l, *next;

	pthread_mutex_lock(&ls->lock);
	HASH_ITER(hh, ls->all, l, next) {
		for (int kind = 0; kind < LIMIT_KINDS; kind++)
			tell(l, (enum limit_kind)kind, now, fn, arg);
	}
	pthread_mutex_unlock(&ls->lock);
}
