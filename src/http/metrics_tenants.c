#include "http/metrics_tenants.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "http/metrics_pgbouncer.h"

/* uthash has no memory but ours. */
#undef uthash_malloc
#undef uthash_fatal
#define uthash_malloc(size) memory_alloc(size)
#define uthash_fatal(message) (log_fatal("%s", message), abort())

/* 63/64 a minute: by half in 44. */
#define FADE_EVERY (60 * USEC_PER_SEC)
#define FADE_MAX 2000

/* --- who may be shown --- */

/* How long the character at s is, by its first byte and the range of its second; 0: none starts so. */
static size_t
char_size(const uint8_t *s)
{
	uint8_t low = *s == 0xe0 ? 0xa0 : *s == 0xf0 ? 0x90 : 0x80;
	uint8_t high = *s == 0xed ? 0x9f : *s == 0xf4 ? 0x8f : 0xbf;

	if (*s < 0x80)
		return 1;
	if (*s < 0xc2 || *s > 0xf4 || s[1] < low || s[1] > high)
		return 0;
	return *s < 0xe0 ? 2 : *s < 0xf0 ? 3 : 4;
}

static bool
is_utf8(const char *text)
{
	for (const uint8_t *s = (const uint8_t *)text; *s != '\0';) {
		size_t n = char_size(s);

		if (n == 0)
			return false;
		for (size_t i = 2; i < n; i++) {
			if ((s[i] & 0xc0) != 0x80)
				return false;
		}
		s += n;
	}
	return true;
}

bool
metrics_name_fits(const char *name)
{
	return *name != '\0' && strlen(name) <= METRICS_NAME_MAX && is_utf8(name) &&
	       strcmp(name, METRICS_OTHER) != 0 && strcmp(name, METRICS_FORMER) != 0;
}

/* --- life --- */

static void
forget(struct metrics_tenants *t, size_t at)
{
	free(t->list[at].name);
	t->list[at] = t->list[--t->n];
}

void
metrics_tenants_release(struct metrics_tenants *t)
{
	while (t->n > 0)
		forget(t, t->n - 1);
	free(t->list);
	*t = (struct metrics_tenants){ .list = NULL };
}

char **
metrics_tenants_names(const struct metrics_tenants *t)
{
	char **names = memory_alloc((t->n + 1) * sizeof(*names));

	for (size_t i = 0; i < t->n; i++)
		names[i] = memory_strdup(t->list[i].name);
	return names;
}

/* --- coming and going --- */

static int64_t
load_of(const struct metrics_shown *s, usec_t now)
{
	int64_t load = s->load, minutes = (now - s->load_at) / FADE_EVERY;

	for (int64_t i = 0; i < minutes && i < FADE_MAX; i++)
		load -= load / 64 + (load > 0 && load < 64);
	return load;
}

static void
see(struct metrics_shown *s, const struct metrics_tenant *seen, usec_t now)
{
	s->now = seen;
	s->last = seen->counts;
	if (seen->load >= load_of(s, now)) {
		s->load = seen->load;
		s->load_at = now;
	}
}

static void
retire(struct metrics_tenants *t, struct metrics_shown *s)
{
	t->anybody_left = true;
	metrics_counts_add(&t->former, &s->last);
	metrics_counts_subtract(&t->former, &s->base);
}

static void
enter(struct metrics_tenants *t, const struct metrics_tenant *newcomer, usec_t now)
{
	struct metrics_shown *s;

	if (t->n == t->room) {
		t->room = t->room > 0 ? 2 * t->room : 16;
		t->list = memory_realloc(t->list, t->room * sizeof(*t->list));
	}
	s = &t->list[t->n++];
	*s = (struct metrics_shown){ .name = memory_strdup(newcomer->name) };
	see(s, newcomer, now);
	if (t->overflowed)
		s->base = newcomer->counts;
}

/* The least busy one; there is one. */
static size_t
find_least(const struct metrics_tenants *t, usec_t now)
{
	size_t least = 0;
	int64_t load = load_of(&t->list[0], now);

	for (size_t i = 1; i < t->n; i++) {
		int64_t its = load_of(&t->list[i], now);

		if (its < load) {
			load = its;
			least = i;
		}
	}
	return least;
}

static void
leave(struct metrics_tenants *t, size_t at)
{
	retire(t, &t->list[at]);
	forget(t, at);
}

/* --- what the workers said --- */

/* Several workers may serve one: it is told once. */
static void
gather_one(struct metrics_tenant **by_name, struct metrics_tenant *tenant)
{
	struct metrics_tenant *same;

	HASH_FIND_STR(*by_name, tenant->name, same);
	if (same == NULL) {
		HASH_ADD_KEYPTR(hh, *by_name, tenant->name, strlen(tenant->name), tenant);
		return;
	}
	same->load += tenant->load;
	metrics_counts_add(&same->counts, &tenant->counts);
	metrics_level_add(&same->level, &tenant->level);
	if (same->peer != NULL && tenant->peer != NULL)
		metrics_peer_add(same->peer, tenant->peer);
}

static struct metrics_tenant *
gather(struct metrics_scrape *s)
{
	struct metrics_tenant *by_name = NULL;

	for (int i = 0; i < s->nparts; i++) {
		for (size_t j = 0; j < s->parts[i].ntenants; j++)
			gather_one(&by_name, &s->parts[i].tenants[j]);
	}
	return by_name;
}

/* Was it dropped and made again meanwhile? */
static bool
began_anew(const struct metrics_shown *s, const struct metrics_tenant *seen)
{
	const struct metrics_counts *last = &s->last, *now = &seen->counts;

	return now->traffic.query_count < last->traffic.query_count || now->traffic.received < last->traffic.received ||
	       now->queries.calls < last->queries.calls;
}

/* Those that are shown, as they are now; they are no newcomers then. */
static void
look_again(struct metrics_tenants *t, struct metrics_tenant **by_name, usec_t now)
{
	for (size_t i = t->n; i-- > 0;) {
		struct metrics_shown *s = &t->list[i];
		struct metrics_tenant *seen;

		HASH_FIND_STR(*by_name, s->name, seen);
		if (seen == NULL) {
			leave(t, i);
			continue;
		}
		if (began_anew(s, seen)) {
			retire(t, s);
			s->base = (struct metrics_counts){ .traffic.query_count = 0 };
		}
		see(s, seen, now);
		HASH_DEL(*by_name, seen);
	}
}

static void
forget_queries(struct metrics_counts *c)
{
	*c = (struct metrics_counts){ .traffic = c->traffic };
}

/* RESET STATS: queries, and nothing else, are counted from 0 again. */
static void
notice_reset(struct metrics_tenants *t, const struct metrics_scrape *s)
{
	usec_t since = 0;

	for (int i = 0; i < s->nparts; i++)
		since = s->parts[i].since > since ? s->parts[i].since : since;
	if (since == t->since)
		return;
	t->since = since;
	forget_queries(&t->former);
	for (size_t i = 0; i < t->n; i++) {
		forget_queries(&t->list[i].base);
		forget_queries(&t->list[i].last);
	}
}

static int
compare_loads(const struct metrics_tenant *a, const struct metrics_tenant *b)
{
	if (a->load != b->load)
		return a->load < b->load ? 1 : -1;
	return strcmp(a->name, b->name);
}

/* The busiest first: as long as there is room, then as long as it is worth it. */
static void
let_in(struct metrics_tenants *t, struct metrics_tenant *newcomers, unsigned top, usec_t now)
{
	size_t changes = top / 10 + 1;

	HASH_SORT(newcomers, compare_loads);
	for (struct metrics_tenant *n = newcomers; n != NULL; n = n->hh.next) {
		size_t least;

		if (!metrics_name_fits(n->name))
			continue;
		if (t->n < top) {
			enter(t, n, now);
			continue;
		}
		t->overflowed = true;
		if (t->n == 0 || changes-- == 0)
			break;
		least = find_least(t, now);
		if (n->load <= load_of(&t->list[least], now))
			break;
		leave(t, least);
		enter(t, n, now);
	}
}

static int
compare_names(const void *a, const void *b)
{
	const struct metrics_shown *x = a, *y = b;

	return strcmp(x->name, y->name);
}

/* --- telling --- */

static void
subtract_level(struct metrics_level *from, const struct metrics_level *what)
{
	from->sessions -= what->sessions;
	from->waiting -= what->waiting;
	from->active -= what->active;
	from->cancels_active -= what->cancels_active;
	from->cancels_waiting -= what->cancels_waiting;
	from->nservers -= what->nservers;
	from->pools -= what->pools;
	from->pools_waiting -= what->pools_waiting;
	for (int i = 0; i < PLACES; i++)
		from->servers[i] -= what->servers[i];
}

static void
tell_sum(const struct metrics_scrape *s, struct metrics_told *told, usec_t *max_wait_of_others)
{
	for (int i = 0; i < s->nparts; i++) {
		const struct metrics_part *p = &s->parts[i];

		metrics_counts_add(&told->counts, &p->counts);
		metrics_level_add(&told->level, &p->level);
		told->other_tenants += p->in_use;
		if (p->max_wait_of_others > *max_wait_of_others)
			*max_wait_of_others = p->max_wait_of_others;
	}
}

static void
tell_tenant(const struct metrics_shown *s, struct metrics_told *told, struct metrics_row *other)
{
	struct metrics_row *row = &told->rows[told->nrows++];

	*row = (struct metrics_row){ s->name, s->last, s->now->level, s->now->peer };
	metrics_counts_subtract(&row->counts, &s->base);
	metrics_counts_subtract(&other->counts, &row->counts);
	subtract_level(&other->level, &row->level);
}

static void
tell(const struct metrics_tenants *t, const struct metrics_scrape *s, struct metrics_told *told)
{
	struct metrics_row other = { .name = METRICS_OTHER };
	usec_t max_wait = 0;

	*told = (struct metrics_told){ .rows = memory_zalloc((t->n + 2) * sizeof(*told->rows)) };
	tell_sum(s, told, &max_wait);
	other.counts = told->counts;
	other.level = told->level;
	metrics_counts_subtract(&other.counts, &t->former);
	for (size_t i = 0; i < t->n; i++)
		tell_tenant(&t->list[i], told, &other);
	other.level.max_wait = max_wait;
	told->nnamed = told->nrows;
	told->other_tenants -= (int64_t)told->nnamed;
	told->rows[told->nrows++] = other;
	if (t->anybody_left)
		told->rows[told->nrows++] = (struct metrics_row){ .name = METRICS_FORMER, .counts = t->former };
}

void
metrics_told_release(struct metrics_told *told)
{
	free(told->rows);
	told->rows = NULL;
	told->nrows = told->nnamed = 0;
}

/* Those that workers did not tell of, there being busier ones. */
static bool
are_more(const struct metrics_scrape *s)
{
	for (int i = 0; i < s->nparts; i++) {
		if (s->parts[i].in_use > (int64_t)s->parts[i].ntenants)
			return true;
	}
	return false;
}

void
metrics_tenants_settle(struct metrics_tenants *t, struct metrics_scrape *s, unsigned top, usec_t now,
		       struct metrics_told *told)
{
	struct metrics_tenant *newcomers = gather(s);

	notice_reset(t, s);
	look_again(t, &newcomers, now);
	while (t->n > top) {
		leave(t, find_least(t, now));
		t->overflowed = true;
	}
	let_in(t, newcomers, top, now);
	t->overflowed |= are_more(s);
	HASH_CLEAR(hh, newcomers);
	if (t->n > 0)
		qsort(t->list, t->n, sizeof(*t->list), compare_names);
	tell(t, s, told);
}
