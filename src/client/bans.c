#include "client/bans.h"

#include <bsd/sys/queue.h>
#include <openssl/rand.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "base/sqlstate.h"
#include "base/strings.h"
#include "client/fingerprint.h"
#include "config/networks.h"

/* uthash has no memory but ours. */
#define uthash_malloc(size) memory_alloc(size)
#define uthash_fatal(message) (log_fatal("%s", message), abort())
#include <uthash.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#define TENANT_TEXT 64	/* of a tenant's name: to be shown; it is found by its fingerprint */
#define REASON_TEXT 128

/* Who failed is kept by how often: one list for each number, the last one for so many or more. */
#define FAILING_LISTS 8

/* What all kinds of bans have. */
struct ban {
	struct network network;
	char *tenant;			/* NULL: all */
	char reason[REASON_TEXT];
	usec_t since, until;		/* until 0: for good */
	int times;
	uint64_t refused;
};

struct ban_by_hand {
	TAILQ_ENTRY(ban_by_hand) link;
	struct ban ban;
};

/* An address at a tenant: it failed lately, or is banned, or was. */
struct culprit {
	UT_hash_handle hh;
	TAILQ_ENTRY(culprit) link;	/* of one of failing, or of banned once it ever was */
	uint8_t pair[FINGERPRINT_SIZE];
	struct ban ban;			/* times 0: never banned */
	int failures;			/* since first_at */
	usec_t first_at, last_at;
};

/* A user who proved a password at a tenant, from an address. */
struct known {
	UT_hash_handle hh;
	TAILQ_ENTRY(known) link;
	uint8_t who[FINGERPRINT_SIZE];
	usec_t at;
};

/* How often an address comes: slots of a table with no chains; of a set the one that matters least gives way. */
struct rate {
	struct network network;
	usec_t busy_until;		/* GCRA's theoretical arrival time */
};

#define SET 4

enum rate_kind { CONNECTS, CANCELS, RATE_KINDS };

struct culprits {
	TAILQ_HEAD(, culprit) list;	/* longest ago first */
	int n;
};

struct bans {
	/* Read without the lock, to see that there is nothing to do. */
	atomic_int failures, rates[RATE_KINDS], in_force;
	atomic_ullong refused, refused_rates[RATE_KINDS], banned_ever;

	pthread_mutex_t lock;		/* for all below */
	usec_t time, time_max;
	TAILQ_HEAD(, ban_by_hand) by_hand;
	int nby_hand;
	struct culprit *by_pair;	/* a hash */
	struct culprits failing[FAILING_LISTS], banned;
	struct known *known;		/* a hash */
	TAILQ_HEAD(, known) by_proof;	/* longest ago first */
	struct rate *table[RATE_KINDS];	/* BANS_RATES; NULL until it is needed */
	uint64_t seed;
};

/* --- addresses --- */

/* IPv4 also in the disguise of IPv6; of IPv6 the /64, as its holder has 2^64 addresses in it.  false: neither. */
static bool
network_of(const struct address *a, struct network *w)
{
	static const uint8_t mapped[12] = { [10] = 0xff, 0xff };

	*w = (struct network){ .family = a->family };
	if (a->family == AF_INET6 && memcmp(a->ip, mapped, sizeof(mapped)) == 0) {
		w->family = AF_INET;
		memcpy(w->ip, a->ip + sizeof(mapped), 4);
	} else if (a->family == AF_INET) {
		memcpy(w->ip, a->ip, 4);
	} else if (a->family == AF_INET6) {
		memcpy(w->ip, a->ip, 8);
		w->bits = 64;
		return true;
	}
	w->bits = 32;
	return w->family == AF_INET;
}

static bool
holds(const struct network *wide, const struct network *w)
{
	struct network wider = *w;

	if (wide->family != w->family || w->bits < wide->bits)
		return false;
	network_widen(&wider, wide->bits);
	return memcmp(wider.ip, wide->ip, sizeof(wider.ip)) == 0;
}

static bool
is_same(const struct network *a, const struct network *b)
{
	return a->family == b->family && a->bits == b->bits && memcmp(a->ip, b->ip, sizeof(a->ip)) == 0;
}

/* The whole address, for bans that were made by hand. */
static void
whole_address(const struct address *a, struct network *w)
{
	if (network_of(a, w) && w->family == AF_INET6) {
		memcpy(w->ip, a->ip, sizeof(w->ip));
		w->bits = 128;
	} else if (a->family == AF_UNIX) {
		*w = (struct network){ .family = AF_UNIX };
	}
}

/* user NULL: of the pair of address and tenant. */
static void
identify(const struct network *w, const char *tenant, const char *user, uint8_t out[FINGERPRINT_SIZE])
{
	const struct fingerprint_piece pieces[] = {
		{ &w->family, sizeof(w->family) },
		{ w->ip, sizeof(w->ip) },
		{ tenant, strlen(tenant) },
		{ user, user != NULL ? strlen(user) : 0 },
	};

	fingerprint_take(pieces, user != NULL ? 4 : 3, out);
}

/* --- life --- */

struct bans *
bans_new(void)
{
	struct bans *b = memory_zalloc(sizeof(*b));

	pthread_mutex_init(&b->lock, NULL);
	TAILQ_INIT(&b->by_hand);
	for (int i = 0; i < FAILING_LISTS; i++)
		TAILQ_INIT(&b->failing[i].list);
	TAILQ_INIT(&b->banned.list);
	TAILQ_INIT(&b->by_proof);
	if (RAND_bytes((uint8_t *)&b->seed, sizeof(b->seed)) != 1)
		abort();
	return b;
}

static void
forget_by_hand(struct bans *b, struct ban_by_hand *h)
{
	TAILQ_REMOVE(&b->by_hand, h, link);
	b->nby_hand--;
	atomic_fetch_sub(&b->in_force, 1);
	free(h->ban.tenant);
	free(h);
}

static struct culprits *
list_of(struct bans *b, const struct culprit *c)
{
	if (c->ban.times > 0)
		return &b->banned;
	return &b->failing[c->failures < 1 ? 0 : c->failures < FAILING_LISTS ? c->failures - 1 : FAILING_LISTS - 1];
}

static void
enlist(struct bans *b, struct culprit *c)
{
	struct culprits *list = list_of(b, c);

	TAILQ_INSERT_TAIL(&list->list, c, link);
	list->n++;
}

static void
delist(struct bans *b, struct culprit *c)
{
	struct culprits *list = list_of(b, c);

	TAILQ_REMOVE(&list->list, c, link);
	list->n--;
}

static void
forget_culprit(struct bans *b, struct culprit *c)
{
	HASH_DEL(b->by_pair, c);
	delist(b, c);
	if (c->ban.times > 0)
		atomic_fetch_sub(&b->in_force, 1);
	free(c->ban.tenant);
	free(c);
}

static void
forget_known(struct bans *b, struct known *k)
{
	HASH_DEL(b->known, k);
	TAILQ_REMOVE(&b->by_proof, k, link);
	free(k);
}

void
bans_free(struct bans **bp)
{
	struct bans *b = *bp;

	if (b == NULL)
		return;
	*bp = NULL;
	while (!TAILQ_EMPTY(&b->by_hand))
		forget_by_hand(b, TAILQ_FIRST(&b->by_hand));
	while (b->by_pair != NULL)
		forget_culprit(b, b->by_pair);
	while (!TAILQ_EMPTY(&b->by_proof))
		forget_known(b, TAILQ_FIRST(&b->by_proof));
	for (int i = 0; i < RATE_KINDS; i++)
		free(b->table[i]);
	pthread_mutex_destroy(&b->lock);
	free(b);
}

void
bans_configure(struct bans *b, const struct ban_settings *s)
{
	pthread_mutex_lock(&b->lock);
	b->time = s->time;
	b->time_max = s->time_max > s->time ? s->time_max : s->time;
	pthread_mutex_unlock(&b->lock);
	atomic_store(&b->failures, s->failures);
	atomic_store(&b->rates[CONNECTS], s->accept_rate);
	atomic_store(&b->rates[CANCELS], s->cancel_rate);
}

/* --- in force --- */

static bool
is_in_force(const struct ban *ban, usec_t now)
{
	return ban->until == 0 || now < ban->until;
}

static void
forget_ended(struct bans *b, usec_t now)
{
	struct ban_by_hand *h, *next;

	TAILQ_FOREACH_SAFE(h, &b->by_hand, link, next) {
		if (!is_in_force(&h->ban, now))
			forget_by_hand(b, h);
	}
}

/* tenant NULL: only what is for all. */
static struct ban *
find_by_hand(struct bans *b, const struct address *a, const char *tenant)
{
	struct network w = { .family = AF_UNSPEC };
	struct ban_by_hand *h;

	whole_address(a, &w);
	TAILQ_FOREACH(h, &b->by_hand, link) {
		if (holds(&h->ban.network, &w) &&
		    (h->ban.tenant == NULL || (tenant != NULL && strcmp(h->ban.tenant, tenant) == 0)))
			return &h->ban;
	}
	return NULL;
}

bool
bans_admit(struct bans *b, const struct address *a, usec_t now)
{
	struct ban *ban;

	if (atomic_load_explicit(&b->in_force, memory_order_relaxed) == 0)
		return true;
	pthread_mutex_lock(&b->lock);
	forget_ended(b, now);
	ban = find_by_hand(b, a, NULL);
	if (ban != NULL)
		ban->refused++;
	pthread_mutex_unlock(&b->lock);
	if (ban != NULL)
		atomic_fetch_add(&b->refused, 1);
	return ban == NULL;
}

static struct culprit *
find_culprit(struct bans *b, const struct network *w, const char *tenant)
{
	uint8_t pair[FINGERPRINT_SIZE];
	struct culprit *c;

	identify(w, tenant, NULL, pair);
	HASH_FIND(hh, b->by_pair, pair, FINGERPRINT_SIZE, c);
	return c;
}

static struct known *
find_known(struct bans *b, const struct network *w, const char *tenant, const char *user)
{
	uint8_t who[FINGERPRINT_SIZE];
	struct known *k;

	identify(w, tenant, user, who);
	HASH_FIND(hh, b->known, who, FINGERPRINT_SIZE, k);
	return k;
}

static bool
is_known(struct bans *b, const struct network *w, const char *tenant, const char *user, usec_t now)
{
	const struct known *k = find_known(b, w, tenant, user);

	return k != NULL && now - k->at < BANS_KNOWN_FOR;
}

/* The ban that keeps somebody out, or NULL. */
static struct ban *
find_ban(struct bans *b, const struct address *a, const char *tenant, const char *user, usec_t now)
{
	struct ban *ban = find_by_hand(b, a, tenant);
	struct culprit *c;
	struct network w;

	if (ban != NULL || user == NULL || b->banned.n == 0 || !network_of(a, &w))
		return ban;
	c = find_culprit(b, &w, tenant);
	if (c == NULL || c->ban.times == 0 || !is_in_force(&c->ban, now) || is_known(b, &w, tenant, user, now))
		return NULL;
	return &c->ban;
}

static void
say_banned(struct error *e, const struct ban *ban, const char *tenant, usec_t now)
{
	char network[NETWORK_TEXT];

	error_set(e, SEVERITY_FATAL, SQLSTATE_INVALID_AUTHORIZATION,
		  ban->until == 0 ? "%s is banned from database \"%.64s\"" :
				    "%s is banned from database \"%.64s\" for %lld more seconds",
		  network_print(&ban->network, network), tenant,
		  (long long)((ban->until - now + USEC_PER_SEC - 1) / USEC_PER_SEC));
}

bool
bans_admit_login(struct bans *b, const struct address *a, const char *tenant, const char *user, usec_t now,
		 struct error *e)
{
	struct ban *ban;

	if (atomic_load_explicit(&b->in_force, memory_order_relaxed) == 0)
		return true;
	pthread_mutex_lock(&b->lock);
	forget_ended(b, now);
	ban = find_ban(b, a, tenant, user, now);
	if (ban != NULL) {
		ban->refused++;
		say_banned(e, ban, tenant, now);
	}
	pthread_mutex_unlock(&b->lock);
	if (ban != NULL)
		atomic_fetch_add(&b->refused, 1);
	return ban == NULL;
}

/* --- failed logins --- */

/* Neither banned nor remembered for a ban, and no failure that counts. */
static bool
is_forgiven(const struct bans *b, const struct culprit *c, usec_t now)
{
	if (c->ban.times == 0)
		return now - c->first_at >= BANS_WINDOW;
	return now - c->ban.until >= b->time_max && now - c->last_at >= b->time_max;
}

static void
forget_forgiven(struct bans *b, usec_t now)
{
	struct culprit *c;

	for (int i = 0; i <= FAILING_LISTS; i++) {
		const struct culprits *list = i < FAILING_LISTS ? &b->failing[i] : &b->banned;

		while ((c = TAILQ_FIRST(&list->list)) != NULL && is_forgiven(b, c, now))
			forget_culprit(b, c);
	}
}

/* A list with no more than so many is spared: else who has filled all with some failures each could have any that is new
 * forgotten by one failure elsewhere. */
#define FEW (BANS_MAX / 16)

/* Who failed least often: to push out somebody's count, one has to fail as often at each of many others. */
static struct culprit *
least_culprit(struct bans *b)
{
	for (int i = 0; i < FAILING_LISTS; i++) {
		if (b->failing[i].n > FEW)
			return TAILQ_FIRST(&b->failing[i].list);
	}
	return TAILQ_FIRST(&b->banned.list);
}

static struct culprit *
add_culprit(struct bans *b, const struct network *w, const char *tenant)
{
	struct culprit *c;

	if (HASH_COUNT(b->by_pair) == BANS_MAX)
		forget_culprit(b, least_culprit(b));
	c = memory_zalloc(sizeof(*c));
	c->ban.network = *w;
	c->ban.tenant = memory_strndup(tenant, strnlen(tenant, TENANT_TEXT - 1));
	identify(w, tenant, NULL, c->pair);
	HASH_ADD(hh, b->by_pair, pair, FINGERPRINT_SIZE, c);
	enlist(b, c);
	return c;
}

static usec_t
ban_length(const struct bans *b, int times)
{
	usec_t length = b->time;

	for (int i = 1; i < times && length < b->time_max; i++)
		length *= 2;
	return length < b->time_max ? length : b->time_max;
}

static usec_t
ban_culprit(struct bans *b, struct culprit *c, usec_t now)
{
	struct ban *ban = &c->ban;
	usec_t length;

	delist(b, c);
	if (ban->times == 0)
		atomic_fetch_add(&b->in_force, 1);
	if (ban->times < INT16_MAX)
		ban->times++;
	enlist(b, c);
	length = ban_length(b, ban->times);
	ban->since = now;
	ban->until = now + length;
	ban->refused = 0;
	snprintf(ban->reason, sizeof(ban->reason), "%d failed logins within %lld s", c->failures,
		 (long long)((now - c->first_at) / USEC_PER_SEC));
	c->failures = 0;
	atomic_fetch_add(&b->banned_ever, 1);
	return length;
}

static void
add_failure(struct bans *b, struct culprit *c)
{
	delist(b, c);
	c->failures++;
	enlist(b, c);
}

static usec_t
count_failure(struct bans *b, const struct network *w, const char *tenant, usec_t now)
{
	struct culprit *c = find_culprit(b, w, tenant);

	if (c != NULL && is_forgiven(b, c, now)) {
		forget_culprit(b, c);
		c = NULL;
	}
	if (c == NULL)
		c = add_culprit(b, w, tenant);
	/* Logins that were under way when the ban came bring no second one. */
	if (c->ban.times > 0 && is_in_force(&c->ban, now))
		return 0;
	if (c->failures == 0 || now - c->first_at >= BANS_WINDOW) {
		c->failures = 0;
		c->first_at = now;
	}
	c->last_at = now;
	add_failure(b, c);
	if (c->failures < atomic_load(&b->failures))
		return 0;
	return ban_culprit(b, c, now);
}

usec_t
bans_login_failed(struct bans *b, const struct address *a, const char *tenant, const char *user, usec_t now)
{
	struct network w;
	usec_t length = 0;

	if (atomic_load_explicit(&b->failures, memory_order_relaxed) == 0 || !network_of(a, &w))
		return 0;
	pthread_mutex_lock(&b->lock);
	forget_forgiven(b, now);
	if (!is_known(b, &w, tenant, user, now))
		length = count_failure(b, &w, tenant, now);
	pthread_mutex_unlock(&b->lock);
	return length;
}

static void
add_known(struct bans *b, const struct network *w, const char *tenant, const char *user, usec_t now)
{
	struct known *k = find_known(b, w, tenant, user);

	if (k != NULL) {
		TAILQ_REMOVE(&b->by_proof, k, link);
	} else {
		if (HASH_COUNT(b->known) == BANS_KNOWN_MAX)
			forget_known(b, TAILQ_FIRST(&b->by_proof));
		k = memory_zalloc(sizeof(*k));
		identify(w, tenant, user, k->who);
		HASH_ADD(hh, b->known, who, FINGERPRINT_SIZE, k);
	}
	k->at = now;
	TAILQ_INSERT_TAIL(&b->by_proof, k, link);
}

void
bans_login_succeeded(struct bans *b, const struct address *a, const char *tenant, const char *user, usec_t now)
{
	struct network w;
	struct known *k;

	if (atomic_load_explicit(&b->failures, memory_order_relaxed) == 0 || !network_of(a, &w))
		return;
	pthread_mutex_lock(&b->lock);
	while ((k = TAILQ_FIRST(&b->by_proof)) != NULL && now - k->at >= BANS_KNOWN_FOR)
		forget_known(b, k);
	add_known(b, &w, tenant, user, now);
	pthread_mutex_unlock(&b->lock);
}

/* --- rates --- */

/* The slot of this address: its own, or that of its set which is free soonest. */
static struct rate *
find_rate(struct bans *b, enum rate_kind kind, const struct network *w)
{
	struct rate *set, *best;

	if (b->table[kind] == NULL)
		b->table[kind] = memory_zalloc(BANS_RATES * sizeof(struct rate));
	set = b->table[kind] + XXH3_64bits_withSeed(w, sizeof(*w), b->seed) % (BANS_RATES / SET) * SET;
	best = set;
	for (int i = 0; i < SET; i++) {
		if (is_same(&set[i].network, w))
			return &set[i];
		if (set[i].busy_until < best->busy_until)
			best = &set[i];
	}
	*best = (struct rate){ .network = *w };
	return best;
}

static bool
may_come(struct bans *b, enum rate_kind kind, const struct address *a, usec_t now)
{
	int per_second = atomic_load_explicit(&b->rates[kind], memory_order_relaxed);
	usec_t each, ahead;
	struct network w;
	struct rate *r;
	bool ok;

	if (per_second == 0 || !network_of(a, &w))
		return true;
	each = per_second < USEC_PER_SEC ? USEC_PER_SEC / per_second : 1;
	pthread_mutex_lock(&b->lock);
	r = find_rate(b, kind, &w);
	ahead = r->busy_until > now ? r->busy_until - now : 0;
	ok = ahead + each <= USEC_PER_SEC;
	if (ok)
		r->busy_until = now + ahead + each;
	pthread_mutex_unlock(&b->lock);
	if (!ok)
		atomic_fetch_add(&b->refused_rates[kind], 1);
	return ok;
}

bool
bans_may_connect(struct bans *b, const struct address *a, usec_t now)
{
	return may_come(b, CONNECTS, a, now);
}

bool
bans_may_cancel(struct bans *b, const struct address *a, usec_t now)
{
	return may_come(b, CANCELS, a, now);
}

/* --- by hand --- */

static bool
read_network(const char *text, struct network *w, struct error *e)
{
	if (network_parse(text, strlen(text), w))
		return true;
	error_set(e, SEVERITY_ERROR, "22023", "\"%.64s\" %s", text, network_problem(text, strlen(text)));
	error_hint(e, "Write 10.0.0.7, 10.0.0.0/8, 2001:db8::/32 or unix.");
	return false;
}

static bool
is_about(const struct ban *ban, const char *tenant)
{
	if (ban->tenant == NULL || tenant == NULL)
		return ban->tenant == tenant;
	return strcmp(ban->tenant, tenant) == 0;
}

static struct ban_by_hand *
find_same(struct bans *b, const struct network *w, const char *tenant)
{
	struct ban_by_hand *h;

	TAILQ_FOREACH(h, &b->by_hand, link) {
		if (is_same(&h->ban.network, w) && is_about(&h->ban, tenant))
			return h;
	}
	return NULL;
}

static bool
put_by_hand(struct bans *b, const struct ban *ban, struct error *e)
{
	struct ban_by_hand *h = find_same(b, &ban->network, ban->tenant);

	if (h != NULL)
		forget_by_hand(b, h);
	if (b->nby_hand == BANS_BY_HAND_MAX) {
		error_set(e, SEVERITY_ERROR, SQLSTATE_CONFIGURATION_LIMIT, "there are %d bans already", BANS_BY_HAND_MAX);
		error_hint(e, "Ban wider networks, or leave this to a firewall.");
		return false;
	}
	h = memory_zalloc(sizeof(*h));
	h->ban = *ban;
	h->ban.tenant = ban->tenant != NULL ? memory_strdup(ban->tenant) : NULL;
	TAILQ_INSERT_TAIL(&b->by_hand, h, link);
	b->nby_hand++;
	atomic_fetch_add(&b->in_force, 1);
	return true;
}

bool
bans_add(struct bans *b, const char *network, const char *tenant, usec_t duration, const char *reason, usec_t now,
	 struct error *e)
{
	struct ban ban = { .since = now, .until = duration > 0 ? now + duration : 0, .times = 1 };
	bool ok;

	if (!read_network(network, &ban.network, e))
		return false;
	if (tenant != NULL)
		ban.tenant = memory_strdup(tenant);
	string_copy(ban.reason, reason != NULL ? reason : "", sizeof(ban.reason));
	pthread_mutex_lock(&b->lock);
	forget_ended(b, now);
	ok = put_by_hand(b, &ban, e);
	pthread_mutex_unlock(&b->lock);
	free(ban.tenant);
	return ok;
}

/* Is this ban meant by UNBAN?  An automatic one also if it lies in the network, or around the address. */
static bool
is_meant(const struct ban *ban, bool automatic, const struct network *w, const char *tenant)
{
	bool is_address = w->bits == (w->family == AF_INET ? 32 : 128);

	if (tenant != NULL && !is_about(ban, tenant))
		return false;
	if (is_same(&ban->network, w))
		return true;
	return automatic && (holds(w, &ban->network) || (is_address && holds(&ban->network, w)));
}

static int
remove_culprits(struct bans *b, struct culprits *list, const struct network *w, const char *tenant, usec_t now)
{
	struct culprit *c, *next;
	int n = 0;

	TAILQ_FOREACH_SAFE(c, &list->list, link, next) {
		if (!is_meant(&c->ban, true, w, tenant))
			continue;
		n += c->ban.times > 0 && is_in_force(&c->ban, now);
		forget_culprit(b, c);
	}
	return n;
}

bool
bans_remove(struct bans *b, const char *network, const char *tenant, usec_t now, struct error *e)
{
	struct ban_by_hand *h, *next;
	struct network w;
	int n = 0;

	if (!read_network(network, &w, e))
		return false;
	pthread_mutex_lock(&b->lock);
	forget_ended(b, now);
	TAILQ_FOREACH_SAFE(h, &b->by_hand, link, next) {
		if (!is_meant(&h->ban, false, &w, tenant))
			continue;
		forget_by_hand(b, h);
		n++;
	}
	n += remove_culprits(b, &b->banned, &w, tenant, now);
	for (int i = 0; i < FAILING_LISTS; i++)
		remove_culprits(b, &b->failing[i], &w, tenant, now);
	pthread_mutex_unlock(&b->lock);
	if (n == 0)
		error_set(e, SEVERITY_ERROR, "42704", "%.64s is not banned", network);
	return n > 0;
}

/* --- reports --- */

/* What each fn is told, copied: it runs without the lock. */
struct shown {
	struct ban ban;
	char tenant[TENANT_TEXT];
	bool automatic;
};

static void
copy_ban(struct shown *list, size_t *n, const struct ban *ban, bool automatic)
{
	struct shown *s = &list[(*n)++];

	s->ban = *ban;
	s->automatic = automatic;
	string_copy(s->tenant, ban->tenant != NULL ? ban->tenant : "", sizeof(s->tenant));
}

static struct shown *
copy_all(struct bans *b, usec_t now, size_t *n)
{
	size_t max = (size_t)b->nby_hand + HASH_COUNT(b->by_pair);
	struct shown *list = memory_alloc((max + 1) * sizeof(*list));
	struct ban_by_hand *h;
	struct culprit *c;

	*n = 0;
	TAILQ_FOREACH(h, &b->by_hand, link)
		copy_ban(list, n, &h->ban, false);
	TAILQ_FOREACH(c, &b->banned.list, link) {
		if (is_in_force(&c->ban, now))
			copy_ban(list, n, &c->ban, true);
	}
	return list;
}

void
bans_each(struct bans *b, usec_t now, void (*fn)(void *arg, const struct ban_facts *f), void *arg)
{
	char network[NETWORK_TEXT];
	struct shown *list;
	size_t n;

	pthread_mutex_lock(&b->lock);
	forget_ended(b, now);
	list = copy_all(b, now, &n);
	pthread_mutex_unlock(&b->lock);
	for (size_t i = 0; i < n; i++) {
		const struct ban *ban = &list[i].ban;

		fn(arg, &(struct ban_facts){
			.network = network_print(&ban->network, network),
			.tenant = ban->tenant != NULL ? list[i].tenant : NULL,
			.since = ban->since,
			.until = ban->until,
			.reason = ban->reason,
			.times = ban->times,
			.refused = ban->refused,
			.automatic = list[i].automatic,
		});
	}
	free(list);
}

void
bans_totals(struct bans *b, struct ban_totals *t)
{
	t->refused = atomic_load(&b->refused);
	t->refused_connects = atomic_load(&b->refused_rates[CONNECTS]);
	t->refused_cancels = atomic_load(&b->refused_rates[CANCELS]);
	t->banned = atomic_load(&b->banned_ever);
}
