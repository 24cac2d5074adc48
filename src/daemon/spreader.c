#include "daemon/spreader.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <uthash.h>

#include "base/log.h"
#include "base/memory.h"
#include "base/strings.h"
#include "session/parts.h"
#include "tenant/route.h"
#include "tenant/spread.h"

#define PERIOD USEC_PER_SEC

/* Shares of a worker's time. */
#define BUSY 0.7
#define HALF 0.5
#define ROOM 0.5
#define EASY 0.3		/* less than BUSY * HALF, what the least one makes that was widened */

/* Seconds in a row. */
#define WIDEN_AFTER 3
#define NARROW_AFTER 20
#define LEAVE_AFTER 60

#define SIGHTS 32	/* tenants that a worker tells of in one round, beside those that are spread */
#define BROUGHT 16	/* tenants that get parts at a time */

/* A tenant, as one worker sees it. */
struct sight {
	char name[TENANT_NAME];
	int wanted;			/* tenant_workers; 0: auto */
	int most;			/* parts that its limits are enough for */
	int clients;
	int64_t queries;		/* since the last round */
};

/* A worker. */
struct view {
	struct sight *sights;
	size_t nsights, room;
	int64_t queries;		/* of all tenants, since the last round */
	usec_t worked, at;		/* at the last round */
	double busy;
};

/* A tenant that is to have more parts. */
struct brought {
	char name[TENANT_NAME];
	int k;
	struct part_state state, now;	/* at home: when it was copied, and since */
	bool failed[BUDGET_WORKERS];
};

/* What is remembered of a tenant that is listed, or may be. */
struct memory {
	UT_hash_handle hh;
	int widen, narrow, unused;	/* rounds in a row that spoke for it */
	bool seen;
	char name[TENANT_NAME];
};

struct spreader {
	struct inquiry look, bring;
	const struct inquirer *inquirer;
	struct spreads *spreads;
	struct view views[BUDGET_WORKERS];
	struct brought brought[BROUGHT];
	int nbrought;
	struct memory *memories;
	bool bringing, stopped;
};

static void start_round(void *arg);

/* --- looking (on the workers) --- */

/* What this thread has run, and what it could have run if others had not had the CPU: its clients waited all the same. */
static usec_t
thread_time(void)
{
	unsigned long long ran, waited;
	struct timespec t;
	FILE *f = fopen("/proc/thread-self/schedstat", "re");
	bool known = f != NULL && fscanf(f, "%llu %llu", &ran, &waited) == 2;

	if (f != NULL)
		fclose(f);
	if (known)
		return (usec_t)((ran + waited) / 1000);
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (usec_t)t.tv_sec * USEC_PER_SEC + t.tv_nsec / 1000;
}

static void
measure(struct view *v)
{
	usec_t work = thread_time(), now = clock_now();

	v->busy = v->at != 0 && now > v->at ? (double)(work - v->worked) / (double)(now - v->at) : 0;
	v->worked = work;
	v->at = now;
}

static int
wanted_by(const struct tenant *t, const struct config *c)
{
	return t->conf->tenant_workers != CONFIG_UNSET ? t->conf->tenant_workers : c->tenant_workers;
}

static void
add_sight(struct view *v, const struct shard *s, const struct tenant *t, int64_t queries)
{
	struct sight *x;

	if (v->nsights == v->room) {
		v->room = v->room * 2 + SIGHTS;
		v->sights = memory_realloc(v->sights, v->room * sizeof(*v->sights));
	}
	x = &v->sights[v->nsights++];
	*x = (struct sight){
		.wanted = wanted_by(t, shard_config(s)),
		.most = parts_most(s, t),
		.clients = t->nclients,
		.queries = queries,
	};
	string_copy(x->name, t->name, sizeof(x->name));
}

/* What is spread; what is to be; and who works most here, if it may be. */
static void
look_at_tenants(struct view *v, const struct shard *s)
{
	const struct tenant *hottest = NULL;
	int64_t most = 0;
	size_t fixed = 0;
	struct tenant *t = NULL;

	while ((t = tenants_next_awake(s->tenants, t)) != NULL) {
		int64_t queries = t->traffic.query_count - t->queries_seen;

		t->queries_seen = t->traffic.query_count;
		v->queries += queries;
		if (t->conf == NULL || strlen(t->name) >= TENANT_NAME)
			continue;
		if (t->spread != NULL) {
			add_sight(v, s, t, queries);
		} else if (wanted_by(t, shard_config(s)) > 1) {
			if (t->nclients > 0 && fixed++ < SIGHTS)
				add_sight(v, s, t, queries);
		} else if (queries > most && wanted_by(t, shard_config(s)) == 0) {
			hottest = t;
			most = queries;
		}
	}
	if (hottest != NULL)
		add_sight(v, s, hottest, most);
}

static void
visit_look(struct shard *s, struct inquiry *q)
{
	struct spreader *sp = container_of(q, struct spreader, look);
	struct view *v = &sp->views[s->index];

	v->nsights = 0;
	v->queries = 0;
	measure(v);
	look_at_tenants(v, s);
}

/* --- bringing --- */

static void
visit_read(struct shard *s, struct inquiry *q)
{
	struct spreader *sp = container_of(q, struct spreader, bring);

	for (int i = 0; i < sp->nbrought; i++) {
		struct brought *b = &sp->brought[i];

		if (tenant_worker(b->name, s->nworkers) == s->index)
			parts_read(s, b->name, &b->state);
	}
}

static void
make(struct shard *s, struct brought *b)
{
	const struct spread *spread = spreads_find(s->commons->spreads, b->name);

	if (spread->home == s->index)
		parts_read(s, b->name, &b->now);
	else if (b->state.known && spread_index(spread, s->index) < b->k)
		b->failed[s->index] = !parts_make(s, b->name, &b->state);
}

static void
visit_make(struct shard *s, struct inquiry *q)
{
	struct spreader *sp = container_of(q, struct spreader, bring);

	for (int i = 0; i < sp->nbrought; i++)
		make(s, &sp->brought[i]);
}

static void
set_parts(struct spread *spread, int k)
{
	int old = spread_k(spread);

	atomic_store(&spread->k, k);
	log_info("tenant %s is served by %d worker%s now, before by %d", spread->name, k, k == 1 ? "" : "s", old);
}

/* Did the same hold at home all the time that the parts were made?  What came later reaches them, too. */
static bool
is_settled(struct spreader *sp)
{
	bool settled = true;

	for (int i = 0; i < sp->nbrought; i++) {
		struct brought *b = &sp->brought[i];

		settled &= part_state_equals(&b->state, &b->now);
		part_state_release(&b->state);
		b->state = b->now;
		b->now = (struct part_state){ .known = false };
	}
	return settled;
}

static void
conclude(struct spreader *sp, struct brought *b)
{
	struct spread *spread = spreads_find(sp->spreads, b->name);
	bool failed = !b->state.known;

	for (int i = 0; i < sp->inquirer->nworkers; i++)
		failed |= b->failed[i];
	if (!failed && b->k > spread_k(spread))
		set_parts(spread, b->k);
	part_state_release(&b->state);
}

static void
finish_make(struct inquiry *q)
{
	struct spreader *sp = container_of(q, struct spreader, bring);

	if (!is_settled(sp) && !sp->stopped) {
		inquirer_ask(sp->inquirer, &sp->bring);
		return;
	}
	for (int i = 0; i < sp->nbrought; i++)
		conclude(sp, &sp->brought[i]);
	sp->nbrought = 0;
	sp->bringing = false;
}

static void
finish_read(struct inquiry *q)
{
	struct spreader *sp = container_of(q, struct spreader, bring);

	if (sp->stopped)
		return;
	sp->bring.visit = visit_make;
	sp->bring.finish = finish_make;
	inquirer_ask(sp->inquirer, &sp->bring);
}

static void
bring(struct spreader *sp)
{
	if (sp->nbrought == 0 || sp->bringing)
		return;
	sp->bringing = true;
	sp->bring.visit = visit_read;
	sp->bring.finish = finish_read;
	inquirer_ask(sp->inquirer, &sp->bring);
}

static void
want_parts(struct spreader *sp, const char *name, int k)
{
	struct brought *b = &sp->brought[sp->nbrought];

	if (sp->bringing || sp->nbrought == BROUGHT)
		return;		/* in the next round */
	spreads_add(sp->spreads, name);
	memset(b, 0, sizeof(*b));
	string_copy(b->name, name, sizeof(b->name));
	b->k = k;
	sp->nbrought++;
}

/* --- deciding --- */

int
spreader_judge(const struct spread_load *l)
{
	if (l->least_busy > BUSY && l->least_part > HALF && l->next_busy < ROOM)
		return 1;
	return l->k > 1 && l->work < EASY * (l->k - 1) ? -1 : 0;
}

static int
compare_names(const void *a, const void *b)
{
	return strcmp(((const struct sight *)a)->name, ((const struct sight *)b)->name);
}

static const struct sight *
find_sight(const struct view *v, const char *name)
{
	struct sight key;

	string_copy(key.name, name, sizeof(key.name));
	return v->nsights > 0 ? bsearch(&key, v->sights, v->nsights, sizeof(key), compare_names) : NULL;
}

/* All that is known of a tenant. */
struct outlook {
	int home, k;
	int wanted, most, clients;
	struct spread_load load;
};

static void
look_at_part(struct outlook *o, const struct view *v, const char *name)
{
	const struct sight *x = find_sight(v, name);
	double part = x != NULL && v->queries > 0 ? (double)x->queries / (double)v->queries : 0;

	if (v->busy < o->load.least_busy)
		o->load.least_busy = v->busy;
	if (part < o->load.least_part)
		o->load.least_part = part;
}

static void
look_out(const struct spreader *sp, const char *name, struct outlook *o)
{
	const struct spread *spread = spreads_find(sp->spreads, name);
	int n = sp->inquirer->nworkers;

	*o = (struct outlook){ .home = tenant_worker(name, n), .k = spread != NULL ? spread_k(spread) : 1, .wanted = 1 };
	o->load = (struct spread_load){ .k = o->k, .least_busy = 1, .least_part = 1, .next_busy = 1 };
	for (int i = 0; i < n; i++) {
		const struct view *v = &sp->views[(o->home + i) % n];
		const struct sight *x = find_sight(v, name);

		if (i < o->k)
			look_at_part(o, v, name);
		else if (i == o->k)
			o->load.next_busy = v->busy;
		if (x == NULL)
			continue;
		o->clients += x->clients;
		o->load.work += v->queries > 0 ? v->busy * (double)x->queries / (double)v->queries : 0;
		/* Each knows the users that it serves. */
		if (o->most == 0 || x->most < o->most)
			o->most = x->most;
		if (i == 0)
			o->wanted = x->wanted;
	}
}

static struct memory *
remember(struct spreader *sp, const char *name)
{
	struct memory *m;

	HASH_FIND_STR(sp->memories, name, m);
	if (m != NULL)
		return m;
	m = memory_zalloc(sizeof(*m));
	string_copy(m->name, name, sizeof(m->name));
	HASH_ADD_STR(sp->memories, name, m);
	return m;
}

static int
count_rounds(int *n, bool speaks_for_it)
{
	*n = speaks_for_it ? *n + 1 : 0;
	return *n;
}

/* tenant_workers = auto. */
static int
choose_by_load(struct memory *m, const struct outlook *o)
{
	int way = spreader_judge(&o->load);
	bool widen = count_rounds(&m->widen, way > 0) >= WIDEN_AFTER;
	bool narrow = count_rounds(&m->narrow, way < 0) >= NARROW_AFTER;

	if (widen || narrow)
		m->widen = m->narrow = 0;
	return o->k + widen - narrow;
}

/* How many parts it shall have. */
static int
choose_parts(struct memory *m, const struct outlook *o, int nworkers)
{
	int k = o->wanted == 0 ? choose_by_load(m, o) : o->wanted;

	if (count_rounds(&m->unused, o->clients == 0) >= LEAVE_AFTER || (o->k == 1 && o->clients == 0))
		return 1;
	if (o->clients == 0 && o->most == 0)
		return o->k;
	if (o->most > 0 && k > o->most)
		k = o->most;
	return k > nworkers ? nworkers : k;
}

static void
decide(struct spreader *sp, const char *name)
{
	struct memory *m = remember(sp, name);
	struct outlook o;
	int k;

	if (m->seen)
		return;
	m->seen = true;
	look_out(sp, name, &o);
	k = choose_parts(m, &o, sp->inquirer->nworkers);
	if (k > o.k)
		want_parts(sp, name, k);
	else if (k < o.k)
		set_parts(spreads_find(sp->spreads, name), k);
}

/* Who was not told of in this round is not worth it. */
static void
forget_others(struct spreader *sp)
{
	struct memory *m, *next;

	HASH_ITER(hh, sp->memories, m, next) {
		if (m->seen) {
			m->seen = false;
			continue;
		}
		HASH_DEL(sp->memories, m);
		free(m);
	}
}

static void
finish_look(struct inquiry *q)
{
	struct spreader *sp = container_of(q, struct spreader, look);

	if (sp->stopped)
		return;
	for (int i = 0; i < q->nworkers; i++) {
		if (sp->views[i].nsights > 1)
			qsort(sp->views[i].sights, sp->views[i].nsights, sizeof(struct sight), compare_names);
	}
	for (int i = 0; i < q->nworkers; i++) {
		for (size_t j = 0; j < sp->views[i].nsights; j++)
			decide(sp, sp->views[i].sights[j].name);
	}
	forget_others(sp);
	bring(sp);
	sp->inquirer->later(sp->inquirer->daemon, PERIOD, start_round, sp);
}

static void
start_round(void *arg)
{
	struct spreader *sp = arg;

	if (!sp->stopped)
		inquirer_ask(sp->inquirer, &sp->look);
}

/* --- life --- */

struct spreader *
spreader_new(const struct inquirer *inquirer, struct spreads *spreads)
{
	struct spreader *sp = memory_zalloc(sizeof(*sp));

	sp->inquirer = inquirer;
	sp->spreads = spreads;
	sp->look.visit = visit_look;
	sp->look.finish = finish_look;
	if (inquirer->nworkers > 1)
		inquirer->later(inquirer->daemon, PERIOD, start_round, sp);
	return sp;
}

void
spreader_stop(struct spreader *sp)
{
	sp->stopped = true;
}

void
spreader_free(struct spreader **spp)
{
	struct spreader *sp = *spp;

	if (sp == NULL)
		return;
	*spp = NULL;
	forget_others(sp);
	forget_others(sp);
	for (int i = 0; i < sp->nbrought; i++) {
		part_state_release(&sp->brought[i].state);
		part_state_release(&sp->brought[i].now);
	}
	for (int i = 0; i < BUDGET_WORKERS; i++)
		free(sp->views[i].sights);
	free(sp);
}
