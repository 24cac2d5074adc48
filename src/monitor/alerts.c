#include "monitor/alerts.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "base/log.h"
#include "base/memory.h"
#include "base/strings.h"
#include "monitor/ring.h"

#define TELL_PERIOD (60 * USEC_PER_SEC)

_Static_assert(ALERTS_KEPT == RING_SIZE, "alerts are kept in a ring");

/* Of an alert that may not be raised again yet. */
struct cooling {
	char *key;
	enum alert_kind kind;
	usec_t since;
	struct kept *alert;	/* NULL: it is so old that it was dropped */
	UT_hash_handle hh;
	TAILQ_ENTRY(cooling) link;
};

TAILQ_HEAD(cooling_list, cooling);

struct kept {
	struct alert alert;	/* first: a report has a pointer to this */
	struct cooling *cooling;	/* NULL: it could be raised again */
};

struct alerts {
	struct ring ring;		/* of struct kept */
	struct cooling *by_key;
	struct cooling_list list;	/* oldest first */
	size_t ncooling[ALERT_KINDS];
	uint64_t last_id;
	uint64_t held_back;		/* for want of room; not told yet */
	usec_t tell_at;
};

/* ---- cooling down ---- */

/* Kind and digest have a fixed size, so whatever is in a tenant's name, no two cases share a key. */
static char *
make_key(const struct alert_case *what)
{
	size_t size = strlen(what->tenant) + 20;
	char *key = memory_alloc(size);

	snprintf(key, size, "%d%016" PRIx64 "%s", (int)what->kind, what->hash, what->tenant);
	return key;
}

static struct cooling *
find_cooling(struct alerts *a, const struct alert_case *what)
{
	char *key = make_key(what);
	struct cooling *c;

	HASH_FIND_STR(a->by_key, key, c);
	free(key);
	return c;
}

static struct cooling *
add_cooling(struct alerts *a, const struct alert_case *what, usec_t now)
{
	struct cooling *c = memory_zalloc(sizeof(*c));

	c->key = make_key(what);
	c->kind = what->kind;
	c->since = now;
	HASH_ADD_KEYPTR(hh, a->by_key, c->key, strlen(c->key), c);
	TAILQ_INSERT_TAIL(&a->list, c, link);
	a->ncooling[c->kind]++;
	return c;
}

static void
drop_cooling(struct alerts *a, struct cooling *c)
{
	HASH_DEL(a->by_key, c);
	TAILQ_REMOVE(&a->list, c, link);
	a->ncooling[c->kind]--;
	if (c->alert != NULL)
		c->alert->cooling = NULL;
	free(c->key);
	free(c);
}

static void
drop_cool_ones(struct alerts *a, usec_t cooldown, usec_t now)
{
	struct cooling *c;

	while ((c = TAILQ_FIRST(&a->list)) != NULL && now - c->since >= cooldown)
		drop_cooling(a, c);
}

/* ---- alerts ---- */

static void
free_alert(struct kept *k)
{
	if (k->cooling != NULL)
		k->cooling->alert = NULL;
	free(k->alert.tenant);
	free(k->alert.text);
	free(k->alert.message);
	free(k);
}

static char *
copy_text(const char *text)
{
	size_t n;

	if (text == NULL)
		return NULL;
	n = strnlen(text, ALERT_TEXT_MAX);
	return memory_strndup(text, text[n] == '\0' ? n : string_whole_chars(text, n));
}

static struct kept *
make_alert(struct alerts *a, const struct alert_case *what)
{
	struct kept *k = memory_zalloc(sizeof(*k));
	usec_t wall = clock_wall();

	k->alert = (struct alert){
		.id = ++a->last_id,
		.kind = what->kind,
		.at = wall,
		.last_at = wall,
		.times = 1,
		.tenant = memory_strdup(what->tenant),
		.hash = what->hash,
		.text = copy_text(what->text),
		.message = memory_strdup(what->message),
		.value = what->value,
		.limit = what->limit,
	};
	return k;
}

static void
keep(struct alerts *a, struct kept *k)
{
	struct kept *gone = ring_push(&a->ring, k);

	if (gone != NULL)
		free_alert(gone);
}

static void
tell(const struct alert *x)
{
	log_warning("alert %llu (%s): %s", (unsigned long long)x->id, alert_kind_name(x->kind), x->message);
}

bool
alerts_count(struct alerts *a, const struct alert_case *what, usec_t cooldown, usec_t now)
{
	struct cooling *c;

	drop_cool_ones(a, cooldown, now);
	c = find_cooling(a, what);
	if (c != NULL && c->alert != NULL) {
		c->alert->alert.times++;
		c->alert->alert.last_at = clock_wall();
	}
	return c != NULL;
}

const struct alert *
alerts_raise(struct alerts *a, const struct alert_case *what, usec_t cooldown, usec_t now)
{
	struct kept *k;

	if (alerts_count(a, what, cooldown, now))
		return NULL;
	if (a->ncooling[what->kind] >= COOLING_MAX) {
		a->held_back++;
		return NULL;
	}
	k = make_alert(a, what);
	k->cooling = add_cooling(a, what, now);
	k->cooling->alert = k;
	keep(a, k);
	tell(&k->alert);
	return &k->alert;
}

void
alerts_deliver(struct alerts *a, uint64_t id, enum alert_delivery d)
{
	struct kept *k;

	for (size_t age = 0; (k = ring_at(&a->ring, age)) != NULL; age++) {
		if (k->alert.id == id)
			k->alert.delivery = d;
	}
}

void
alerts_reset(struct alerts *a)
{
	struct kept *k;
	struct cooling *c;

	while ((k = ring_take_oldest(&a->ring)) != NULL)
		free_alert(k);
	while ((c = TAILQ_FIRST(&a->list)) != NULL)
		drop_cooling(a, c);
}

void
alerts_tick(struct alerts *a, usec_t cooldown, usec_t now)
{
	drop_cool_ones(a, cooldown, now);
	if (a->held_back == 0 || now < a->tell_at)
		return;
	log_warning("%llu more alerts were not told: %d of a kind have come within alert_cooldown already; "
		    "see SHOW TENANTS and SHOW SLOW_QUERIES",
		    (unsigned long long)a->held_back, COOLING_MAX);
	a->held_back = 0;
	a->tell_at = now + TELL_PERIOD;
}

const struct alert *
alerts_next(const struct alerts *a, const struct alert *after)
{
	const struct kept *k = ring_next(&a->ring, after);

	return k == NULL ? NULL : &k->alert;
}

/* ---- life ---- */

struct alerts *
alerts_new(void)
{
	struct alerts *a = memory_zalloc(sizeof(*a));

	TAILQ_INIT(&a->list);
	return a;
}

void
alerts_free(struct alerts **ap)
{
	struct alerts *a = *ap;

	if (a == NULL)
		return;
	*ap = NULL;
	alerts_reset(a);
	free(a);
}
