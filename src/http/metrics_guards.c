#include "http/metrics_guards.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/strings.h"
#include "http/metrics_tenants.h"
#include "pool/pace.h"
#include "tenant/host.h"

/* --- hosts --- */

static struct metrics_host *
find_host(struct metrics_guards *g, const char *name)
{
	struct metrics_host *h;

	for (size_t i = 0; i < g->nhosts; i++) {
		if (strcmp(g->hosts[i].name, name) == 0)
			return &g->hosts[i];
	}
	if (g->nhosts == METRICS_HOSTS || !metrics_name_fits(name))
		return &g->hosts[METRICS_HOSTS];
	h = &g->hosts[g->nhosts++];
	snprintf(h->name, sizeof(h->name), "%s", name);
	return h;
}

/* Under the hosts' lock. */
static void
see_host(void *arg, const struct host_facts *f)
{
	struct metrics_host *h;
	char name[sizeof(h->name)];

	snprintf(name, sizeof(name), "%s:%d", f->host, f->port);
	h = find_host(arg, name);
	h->up = (!h->seen || h->up) && f->down_since == 0;
	h->seen = true;
	h->used += f->used;
	h->cap += f->max_connections;
	h->tenants += f->tenants;
	h->waiting += f->waiting;
	h->longest_wait = f->longest_wait > h->longest_wait ? f->longest_wait : h->longest_wait;
	h->granted += (int64_t)f->granted;
	h->evictions += (int64_t)f->evictions;
	h->yielded += (int64_t)f->yielded;
	h->refused += (int64_t)f->refused;
	h->failures += (int64_t)f->failures;
}

/* Outside of the hosts' lock: name is "host:port". */
static void
see_pace(struct metrics_host *h, struct paces *paces)
{
	char *colon = strrchr(h->name, ':');
	char host[sizeof(h->name)];
	struct pace_facts f;
	int64_t port;

	if (!h->seen || colon == NULL || !string_to_int64(colon + 1, &port))
		return;
	snprintf(host, sizeof(host), "%.*s", (int)(colon - h->name), h->name);
	if (!paces_find(paces, host, (int)port, &f) || !f.on)
		return;
	h->paced = true;
	h->pace_limit = f.limit;
	h->pace_active = f.active;
	h->pace_waiting = f.waiting;
}

static void
read_hosts(struct metrics_guards *g, struct hosts *hosts, struct paces *paces)
{
	for (size_t i = 0; i <= METRICS_HOSTS; i++) {
		struct metrics_host *h = &g->hosts[i];
		struct metrics_host empty = { .seen = false };

		memcpy(empty.name, h->name, sizeof(empty.name));
		*h = empty;
	}
	snprintf(g->hosts[METRICS_HOSTS].name, sizeof(g->hosts[0].name), METRICS_OTHER);
	if (hosts != NULL)
		hosts_each(hosts, see_host, g);
	for (size_t i = 0; i < g->nhosts && paces != NULL; i++)
		see_pace(&g->hosts[i], paces);
}

/* --- limits --- */

struct sums {
	struct metrics_guards *guards;
	struct metrics_limit now[LIMIT_SCOPES][LIMIT_KINDS];
};

static void
see_limit(void *arg, const struct limit_facts *f)
{
	struct sums *s = arg;
	struct metrics_limit *l = &s->now[f->scope][f->kind];

	s->guards->limited[f->scope][f->kind] = true;
	l->delayed += (int64_t)f->delayed;
	l->refused += (int64_t)f->refused;
	l->shadowed += (int64_t)f->shadowed;
	l->delayed_time += f->delayed_time;
}

static void
grow(int64_t *told, int64_t *before, int64_t now)
{
	if (now > *before)
		*told += now - *before;
	*before = now;
}

/* Who is forgotten takes its counts with it: what is told only grows. */
static void
read_limits(struct metrics_guards *g, struct limits *limits)
{
	struct sums s = { .guards = g };

	if (limits == NULL)
		return;
	limits_each(limits, see_limit, &s);
	for (int i = 0; i < LIMIT_SCOPES; i++) {
		for (int j = 0; j < LIMIT_KINDS; j++) {
			struct metrics_limit *told = &g->limits[i][j], *before = &g->sums[i][j], *now = &s.now[i][j];

			grow(&told->delayed, &before->delayed, now->delayed);
			grow(&told->refused, &before->refused, now->refused);
			grow(&told->shadowed, &before->shadowed, now->shadowed);
			grow(&told->delayed_time, &before->delayed_time, now->delayed_time);
		}
	}
}

/* --- bans, the catalogue --- */

static void
count_ban(void *arg, const struct ban_facts *f)
{
	(void)f;
	++*(int64_t *)arg;
}

void
metrics_guards_read(struct metrics_guards *g, const struct reports *r)
{
	read_hosts(g, r->commons->hosts, r->commons->paces);
	read_limits(g, r->commons->limits);
	g->bans = 0;
	if (r->commons->bans != NULL) {
		bans_each(r->commons->bans, clock_now(), count_ban, &g->bans);
		bans_totals(r->commons->bans, &g->ban_totals);
	}
	g->catalogue = (struct catalogue_facts){ .configured = false };
	if (r->catalogue != NULL)
		catalogue_facts(r->catalogue, &g->catalogue);
}
