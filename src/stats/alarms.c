#include "stats/alarms.h"

#include <stdlib.h>

#include "base/memory.h"
#include "stats/inside.h"
#include "stats/ranking.h"
#include "stats/store.h"

#define SHORT_WINDOW (5 * QUERY_MINUTE)
#define LONG_WINDOW (60 * QUERY_MINUTE)

#define BASELINE_LEAST 3	/* periods */
#define REGRESSION_LEAST 5000.0	/* us: what is less is noise */

/* A look at all. */
struct look {
	const struct query_store *store;
	const struct query_alarm_rules *rules;
	usec_t now;
	uint32_t period;
};

static double
share_of(const struct query_minute *m)
{
	return m->calls == 0 ? 0 : (double)m->slow / m->calls;
}

/* Is too much slow?  Then a says so. */
static bool
judge_tenant(const struct look *l, const struct query_tenant *t, struct query_alarm *a)
{
	struct query_minute recent = query_minutes_sum(&t->minutes, l->now, SHORT_WINDOW), hour;

	if (recent.calls < l->rules->min_calls || !(share_of(&recent) > l->rules->slow_share))
		return false;
	hour = query_minutes_sum(&t->minutes, l->now, LONG_WINDOW);
	if (!(share_of(&hour) > l->rules->slow_share))
		return false;
	*a = (struct query_alarm){
		.kind = QUERY_ALARM_SLOW_SHARE,
		.value = share_of(&recent),
		.limit = l->rules->slow_share,
		.value_hour = share_of(&hour),
		.calls = recent.calls,
	};
	return true;
}

/* The stretch that is judged: the present one, or the one before it; NULL: neither says enough. */
static const struct query_period *
choose_period(const struct query_trend *t, unsigned min_calls)
{
	const struct query_period *p = t->now.calls >= min_calls ? &t->now : &t->before;

	return p->calls > 0 && p->calls >= min_calls ? p : NULL;
}

/* Is it slower than it was? */
static bool
judge_entry(const struct look *l, const struct query_entry *e, struct query_alarm *a)
{
	struct query_trend t = e->trend;
	const struct query_period *p;
	double mean, limit;

	if (t.now.calls < l->rules->min_calls && t.before.calls < l->rules->min_calls)
		return false;
	query_trend_roll(&t, l->period, l->store->limits.period_calls);
	if (t.periods < BASELINE_LEAST || (p = choose_period(&t, l->rules->min_calls)) == NULL)
		return false;
	mean = (double)p->total / (double)p->calls;
	limit = l->rules->regression * t.baseline;
	if (!(mean > limit) || mean - t.baseline < REGRESSION_LEAST)
		return false;
	*a = (struct query_alarm){
		.kind = QUERY_ALARM_REGRESSION,
		.hash = e->hash,
		.value = mean,
		.limit = limit,
		.baseline = t.baseline,
		.calls = p->calls,
	};
	return true;
}

/* How far over its limit. */
static double
badness_of(const struct query_alarm *a)
{
	return a->value / a->limit;
}

/* The minutes of a tenant whose turn comes soon (QUERY_AHEAD), and what has to be here before that can be asked for. */
static void
ask_for_minutes(const struct query_store *s, unsigned i)
{
	if (i + 2 * QUERY_AHEAD < s->ntenants)
		__builtin_prefetch(&s->tenants[i + 2 * QUERY_AHEAD]->minutes);
	if (i + QUERY_AHEAD < s->ntenants) {
		const struct query_minutes *m = &s->tenants[i + QUERY_AHEAD]->minutes;

		__builtin_prefetch(m->of + m->at);
	}
}

static void
look_at_tenants(const struct look *l, struct ranking *worst)
{
	struct query_alarm a;

	for (unsigned i = 0; i < l->store->ntenants; i++) {
		const struct query_tenant *t = l->store->tenants[i];

		ask_for_minutes(l->store, i);
		if (judge_tenant(l, t, &a))
			ranking_offer(worst, badness_of(&a), t->salt, t);
	}
}

/* Goes on where the last look ended, if there are more than one may take. */
static void
look_at_entries(const struct look *l, unsigned *hand, struct ranking *worst)
{
	const struct query_table *entries = &l->store->entries;
	unsigned left = entries->n < QUERY_ALARM_ENTRIES ? entries->n : QUERY_ALARM_ENTRIES;
	struct query_alarm a;

	for (; left > 0; left--) {
		const struct query_entry *e = query_table_next(entries, hand), *soon;

		if (e == NULL) {
			*hand = 0;
			e = query_table_next(entries, hand);
		}
		if ((soon = query_table_ahead(entries, *hand)) != NULL) {
			__builtin_prefetch(&soon->trend);
			__builtin_prefetch(&soon->trend + 1);
		}
		if (judge_entry(l, e, &a))
			ranking_offer(worst, badness_of(&a), e->hash, e);
	}
}

static void
tell_tenant(const struct look *l, const struct query_tenant *t, struct query_alarm *a)
{
	judge_tenant(l, t, a);
	a->tenant = memory_strdup(t->name);
}

static void
tell_entry(const struct look *l, const struct query_entry *e, struct query_alarm *a)
{
	judge_entry(l, e, a);
	a->tenant = memory_strdup(e->tenant->name);
	a->text = memory_strdup(e->digest->text);
}

/* Of both kinds, the worst first. */
static void
tell(const struct look *l, const struct ranking *tenants, const struct ranking *entries, size_t max,
     struct query_alarms *out)
{
	size_t nt = 0, ne = 0;

	if (max > tenants->n + entries->n)
		max = tenants->n + entries->n;
	if (max == 0)
		return;
	out->list = memory_zalloc(max * sizeof(*out->list));
	while (out->n < max) {
		struct query_alarm *a = &out->list[out->n++];

		if (ne == entries->n || (nt < tenants->n && tenants->list[nt].by >= entries->list[ne].by))
			tell_tenant(l, tenants->list[nt++].thing, a);
		else
			tell_entry(l, entries->list[ne++].thing, a);
	}
}

void
query_find_alarms(struct query_store *s, const struct query_alarm_rules *r, usec_t now, size_t max,
		  struct query_alarms *out)
{
	struct look l = { .store = s, .rules = r, .now = now };
	struct ranking tenants, entries;

	*out = (struct query_alarms){ .list = NULL };
	store_tidy(s, TIDY_AT_ONCE);
	ranking_init(&tenants, max, s->ntenants);
	ranking_init(&entries, max, s->entries.n);
	if (r->slow_share > 0)
		look_at_tenants(&l, &tenants);
	if (r->regression > 0 && s->limits.period > 0) {
		l.period = (uint32_t)(now / s->limits.period);
		look_at_entries(&l, &s->alarm_hand, &entries);
	}
	ranking_sort(&tenants);
	ranking_sort(&entries);
	tell(&l, &tenants, &entries, max, out);
	ranking_release(&tenants);
	ranking_release(&entries);
}

void
query_alarms_release(struct query_alarms *a)
{
	for (size_t i = 0; i < a->n; i++) {
		free(a->list[i].tenant);
		free(a->list[i].text);
	}
	free(a->list);
	*a = (struct query_alarms){ .list = NULL };
}
