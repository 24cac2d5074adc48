#include "threat/habit.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/log.h"
#include "base/memory.h"

#define TABLE_MIN 16

/* What makes several keys of one digest. */
#define SALT_ROWS UINT64_C(0x9AE16A3B2F90404F)
#define SALT_COMMENT UINT64_C(0xC3A5C85C97CB3127)
#define SALT_FUNCTION UINT64_C(0xB492B66FBE98F273)

/*
 * Open addressing; an empty slot is 0.  Slots are only ever filled, under the lock; who asks reads them without.  When
 * a table is full to three quarters, or is replaced, a new one takes its place, and the old one stays for who is
 * reading it: all together, they are no larger than the last one, but for those that were replaced.
 */
struct table {
	struct table *older;
	size_t mask;
	atomic_ullong slots[];
};

struct habit {
	_Atomic(struct table *) table;
	atomic_size_t count;
	struct habits *all;
	bool full_told;		/* under the lock */
	UT_hash_handle hh;	/* under the lock of all */
	struct habit *next;	/* in the order in which they were made; likewise */
	const char *role;	/* in key */
	char key[];		/* tenant NUL role NUL */
};

struct habits {
	pthread_mutex_t lock;
	struct habit *by_key;
	struct habit *first, **end;
	atomic_uint max;
	atomic_ullong changes;
};

/* --- of the process --- */

struct habits *
habits_new(void)
{
	struct habits *hs = memory_zalloc(sizeof(*hs));

	pthread_mutex_init(&hs->lock, NULL);
	hs->end = &hs->first;
	return hs;
}

static void
free_table(struct table *t)
{
	while (t != NULL) {
		struct table *older = t->older;

		free(t);
		t = older;
	}
}

void
habits_free(struct habits **hsp)
{
	struct habits *hs = *hsp;

	if (hs == NULL)
		return;
	*hsp = NULL;
	HASH_CLEAR(hh, hs->by_key);
	while (hs->first != NULL) {
		struct habit *h = hs->first;

		hs->first = h->next;
		free_table(h->table);
		free(h);
	}
	pthread_mutex_destroy(&hs->lock);
	free(hs);
}

void
habits_limit(struct habits *hs, unsigned max)
{
	atomic_store(&hs->max, max);
}

uint64_t
habits_changes(const struct habits *hs)
{
	return atomic_load(&hs->changes);
}

static struct habit *
make(struct habits *hs, const char *key, size_t size, size_t role)
{
	struct habit *h = memory_zalloc(sizeof(*h) + size);

	h->all = hs;
	memcpy(h->key, key, size);
	h->role = h->key + role;
	HASH_ADD_KEYPTR(hh, hs->by_key, h->key, size, h);
	*hs->end = h;
	hs->end = &h->next;
	return h;
}

struct habit *
habits_open(struct habits *hs, const char *tenant, const char *role)
{
	size_t first = strlen(tenant) + 1, size = first + strlen(role) + 1;
	char *key = memory_alloc(size);
	struct habit *h;

	memcpy(key, tenant, first);
	memcpy(key + first, role, size - first);
	pthread_mutex_lock(&hs->lock);
	HASH_FIND(hh, hs->by_key, key, size, h);
	if (h == NULL)
		h = make(hs, key, size, first);
	pthread_mutex_unlock(&hs->lock);
	free(key);
	return h;
}

struct habit *
habits_next(struct habits *hs, const struct habit *after)
{
	struct habit *h;

	pthread_mutex_lock(&hs->lock);
	h = after == NULL ? hs->first : after->next;
	pthread_mutex_unlock(&hs->lock);
	return h;
}

/* --- tables --- */

static bool
has(const struct table *t, uint64_t key)
{
	if (t == NULL)
		return false;
	for (size_t i = key & t->mask;; i = (i + 1) & t->mask) {
		uint64_t found = atomic_load_explicit(&t->slots[i], memory_order_relaxed);

		if (found == key)
			return true;
		if (found == 0)
			return false;
	}
}

/* There is room. */
static void
put(struct table *t, uint64_t key)
{
	size_t i = key & t->mask;

	while (atomic_load_explicit(&t->slots[i], memory_order_relaxed) != 0)
		i = (i + 1) & t->mask;
	atomic_store_explicit(&t->slots[i], key, memory_order_relaxed);
}

static struct table *
make_table(size_t keys)
{
	size_t size = TABLE_MIN;
	struct table *t;

	while (size / 4 * 3 < keys)
		size *= 2;
	t = memory_zalloc(sizeof(*t) + size * sizeof(t->slots[0]));
	t->mask = size - 1;
	return t;
}

static bool
has_room(const struct table *t, size_t count)
{
	return t != NULL && count < (t->mask + 1) / 4 * 3;
}

/* The next larger one, with what is in it. */
static struct table *
grow(struct habit *h, struct table *old, size_t count)
{
	struct table *t = make_table(count + 1);

	for (size_t i = 0; old != NULL && i <= old->mask; i++) {
		uint64_t key = atomic_load_explicit(&old->slots[i], memory_order_relaxed);

		if (key != 0)
			put(t, key);
	}
	t->older = old;
	atomic_store_explicit(&h->table, t, memory_order_release);
	return t;
}

static const struct table *
table_of(const struct habit *h)
{
	return atomic_load_explicit(&h->table, memory_order_acquire);
}

/* Under the lock. */
static enum habit_lesson
add(struct habit *h, uint64_t key)
{
	struct table *t = atomic_load_explicit(&h->table, memory_order_relaxed);
	size_t count = atomic_load_explicit(&h->count, memory_order_relaxed);

	if (has(t, key))
		return HABIT_KNOWN;
	if (count >= atomic_load_explicit(&h->all->max, memory_order_relaxed))
		return HABIT_FULL;
	if (!has_room(t, count))
		t = grow(h, t, count);
	put(t, key);
	atomic_store_explicit(&h->count, count + 1, memory_order_relaxed);
	atomic_fetch_add(&h->all->changes, 1);
	return HABIT_LEARNED;
}

static void
tell_full(struct habit *h)
{
	if (h->full_told)
		return;
	h->full_told = true;
	log_warning("threats: tenant %s has %zu statements of role %s learned, which is all that threat_max allows; "
		    "those that come now will be unknown", h->key, habit_count(h), h->role);
}

static enum habit_lesson
learn(struct habit *h, uint64_t key)
{
	enum habit_lesson lesson;

	if (has(table_of(h), key))
		return HABIT_KNOWN;
	pthread_mutex_lock(&h->all->lock);
	lesson = add(h, key);
	if (lesson == HABIT_FULL)
		tell_full(h);
	pthread_mutex_unlock(&h->all->lock);
	return lesson;
}

/* --- one --- */

const char *
habit_tenant(const struct habit *h)
{
	return h->key;
}

const char *
habit_role(const struct habit *h)
{
	return h->role;
}

size_t
habit_count(const struct habit *h)
{
	return atomic_load_explicit(&h->count, memory_order_relaxed);
}

uint64_t *
habit_copy(struct habit *h, size_t *n)
{
	const struct table *t;
	uint64_t *keys;

	pthread_mutex_lock(&h->all->lock);
	t = table_of(h);
	keys = memory_alloc((habit_count(h) + 1) * sizeof(*keys));
	*n = 0;
	for (size_t i = 0; t != NULL && i <= t->mask; i++) {
		uint64_t key = atomic_load_explicit(&t->slots[i], memory_order_relaxed);

		if (key != 0)
			keys[(*n)++] = key;
	}
	pthread_mutex_unlock(&h->all->lock);
	return keys;
}

static size_t
fill(struct table *t, const uint64_t *keys, size_t n, size_t max)
{
	size_t count = 0;

	for (size_t i = 0; i < n && count < max; i++) {
		if (keys[i] == 0 || has(t, keys[i]))
			continue;
		put(t, keys[i]);
		count++;
	}
	return count;
}

void
habit_replace(struct habit *h, const uint64_t *keys, size_t n)
{
	size_t max = atomic_load(&h->all->max);
	struct table *t = make_table(n < max ? n : max);
	size_t count = fill(t, keys, n, max);

	pthread_mutex_lock(&h->all->lock);
	t->older = atomic_load_explicit(&h->table, memory_order_relaxed);
	atomic_store_explicit(&h->table, t, memory_order_release);
	atomic_store_explicit(&h->count, count, memory_order_relaxed);
	h->full_told = false;
	atomic_fetch_add(&h->all->changes, 1);
	pthread_mutex_unlock(&h->all->lock);
}

/* --- judging --- */

static uint64_t
mix(uint64_t key, uint64_t salt)
{
	uint64_t mixed = XXH3_64bits_withSeed(&key, sizeof(key), salt);

	return mixed != 0 ? mixed : 1;
}

static uint64_t
key_of(const struct habit_text *t)
{
	uint64_t key = t->hash;

	if ((t->effects & SQL_EFFECT_ROWS) != 0)
		key = mix(key, SALT_ROWS);
	if ((t->effects & SQL_EFFECT_CODE) != 0)
		key = mix(key, XXH3_64bits(t->text, t->n));
	return key;
}

static bool
needs_no_lesson(const struct habit_text *t)
{
	static const bool harmless[SQL_VERBS] = {
		[SQL_BEGIN] = true, [SQL_COMMIT] = true, [SQL_ROLLBACK] = true, [SQL_SAVEPOINT] = true, [SQL_EMPTY] = true,
	};

	return t->verb < SQL_VERBS && harmless[t->verb];
}

/* Does it have what may be the mark of a comment? */
static bool
may_have_comments(const struct habit_text *t)
{
	const char *p = t->text, *end = t->text + t->n;

	if (memmem(t->text, t->n, "--", 2) != NULL)
		return true;
	while ((p = memchr(p, '/', (size_t)(end - p))) != NULL) {
		if (++p < end && *p == '*')
			return true;
	}
	return false;
}

/* Comments are in no digest: an application's own ones are learned beside it. */
static bool
has_comment(const struct habit_text *t)
{
	return may_have_comments(t) && (threat_rules_find(t->text, t->n) & THREAT_BIT(THREAT_RULE_COMMENT)) != 0;
}

uint32_t
habit_judge(const struct habit *h, const struct habit_text *t)
{
	const struct table *table = table_of(h);
	uint64_t key;

	if (t->unread)
		return THREAT_BIT(THREAT_RULE_UNREAD);
	if (table == NULL || habit_count(h) == 0)
		return threat_rules_find(t->text, t->n);
	key = key_of(t);
	if (!has(table, key) && !needs_no_lesson(t))
		return THREAT_BIT(THREAT_RULE_UNKNOWN) | threat_rules_find(t->text, t->n);
	return has_comment(t) && !has(table, mix(key, SALT_COMMENT)) ? THREAT_BIT(THREAT_RULE_COMMENT) : 0;
}

enum habit_lesson
habit_learn(struct habit *h, const struct habit_text *t, uint32_t *rules)
{
	enum habit_lesson lesson, of_comment = HABIT_KNOWN;
	uint64_t key;

	*rules = 0;
	if (t->unread) {
		*rules = THREAT_BIT(THREAT_RULE_UNREAD);
		return HABIT_FULL;
	}
	key = key_of(t);
	lesson = needs_no_lesson(t) ? HABIT_KNOWN : learn(h, key);
	if (lesson != HABIT_FULL && has_comment(t))
		of_comment = learn(h, mix(key, SALT_COMMENT));
	if (lesson == HABIT_KNOWN)
		lesson = of_comment;
	if (lesson != HABIT_KNOWN)
		*rules = threat_rules_find(t->text, t->n);
	return lesson;
}

static uint64_t
key_of_function(uint32_t oid)
{
	return mix(oid, SALT_FUNCTION);
}

uint32_t
habit_judge_function(const struct habit *h, uint32_t oid)
{
	const struct table *table = table_of(h);

	if (table == NULL || habit_count(h) == 0)
		return threat_rules_of_function(oid);
	if (has(table, key_of_function(oid)))
		return 0;
	return THREAT_BIT(THREAT_RULE_UNKNOWN) | threat_rules_of_function(oid);
}

enum habit_lesson
habit_learn_function(struct habit *h, uint32_t oid, uint32_t *rules)
{
	enum habit_lesson lesson = learn(h, key_of_function(oid));

	*rules = lesson != HABIT_KNOWN ? threat_rules_of_function(oid) : 0;
	return lesson;
}
