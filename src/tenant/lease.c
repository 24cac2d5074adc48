#include "tenant/lease.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "redis/redis.h"
#include "tenant/limited.h"

#define PERIOD (100 * USEC_PER_MSEC)

/* So far ahead is leased: more than an answer may take. */
#define HORIZON (250 * USEC_PER_MSEC)
#define ANSWER_TIMEOUT (150 * USEC_PER_MSEC)

#define UPKEEP_ROUNDS 50	/* limits_upkeep, every so many periods */

/*
 * KEYS[1]: the rate.  ARGV: units a second, burst, units wanted, horizon in microseconds.
 * The key holds the time up to which everything is given away; what is given away ahead of time is at most the burst and
 * what the horizon brings.  Returns how many units are granted.
 */
static const char lease_text[] =
	"local t = redis.call('TIME')\n"
	"local now = t[1] * 1000000 + t[2]\n"
	"local per_us = ARGV[1] / 1000000\n"
	"local ahead = ARGV[4] + ARGV[2] / per_us\n"
	"local given = tonumber(redis.call('GET', KEYS[1]) or now)\n"
	"if given < now then given = now end\n"
	"if given > now + ahead then given = now + ahead end\n"
	"local n = math.floor(math.min(tonumber(ARGV[3]), (now + ahead - given) * per_us))\n"
	"if n <= 0 then return 0 end\n"
	"given = given + n / per_us\n"
	"redis.call('SET', KEYS[1], string.format('%.3f', given), 'PX', math.ceil((given - now) / 1000) + 1000)\n"
	"return n\n";

struct leases {
	struct loop *loop;
	struct limits *limits;
	struct redis *redis;		/* NULL: limit_redis is not set */
	struct redis_script script;
	struct loop_timer *timer;
	char *url;			/* that redis was made from; secret */
	unsigned rounds;
	bool freed;
	bool told;			/* that Redis answers with errors */
	int asking;			/* questions under way */
};

/* One question. */
struct lease_question {
	struct leases *leases;
	struct limited *limited;
	enum limit_rate rate;
	int64_t want;
};

static void
drop(struct leases *x)
{
	if (x->freed && x->asking == 0)
		free(x);
}

/* --- what is granted --- */

/* Spread over the horizon: so the clock goes evenly, and stands still only when Redis is late. */
static void
grant(struct limits *ls, struct limited *l, enum limit_rate rate, usec_t now, int64_t n)
{
	struct limit_lease *lease = &l->lease[rate];
	struct rate_line line = rate_line(&l->rates[rate]);
	int64_t share = limited_share(l, rate, ls->nodes);

	line.at = rate_clock(&line, now);
	line.since = now;
	line.end = (lease->held && line.end != RATE_NEVER ? line.end : line.at) + n;
	line.per_second = (line.end - line.at) * USEC_PER_SEC / HORIZON;
	line.expected = line.per_second > share ? line.per_second : share;
	line.burst = limited_burst(l, rate, ls->nodes);
	rate_set_line(&l->rates[rate], &line);
	lease->held = true;
}

/* From now on its own part. */
static void
end_lease(struct limits *ls, struct limited *l, enum limit_rate rate, usec_t now)
{
	if (!l->lease[rate].held)
		return;
	l->lease[rate].held = false;
	rate_change(&l->rates[rate], now, limited_share(l, rate, ls->nodes), limited_burst(l, rate, ls->nodes));
}

/* Whatever else answers there, it grants no more than was asked for. */
static int64_t
granted(const struct lease_question *q, int64_t n)
{
	return n < 0 ? 0 : n < q->want ? n : q->want;
}

/* Full, read-only, still loading: it answers, and is as good as none. */
static void
tell_change(struct leases *x, const struct redis_value *v)
{
	bool bad = redis_kind(v) != REDIS_INTEGER;

	if (bad && !x->told)
		log_warning("Redis grants no leases: %.160s", redis_text(v, NULL));
	else if (!bad && x->told)
		log_info("Redis grants leases again");
	x->told = bad;
}

static void
on_answer(void *arg, const struct redis_value *v)
{
	struct lease_question *q = arg;
	struct leases *x = q->leases;
	struct limited *l = q->limited;

	if (v != NULL)
		tell_change(x, v);
	pthread_mutex_lock(&x->limits->lock);
	l->leases--;
	l->lease[q->rate].asking = false;
	if (v != NULL && redis_kind(v) != REDIS_INTEGER)
		end_lease(x->limits, l, q->rate, clock_now());
	else if (v != NULL && limited_limit(l, limit_rate_kinds[q->rate].kind) > 0)
		grant(x->limits, l, q->rate, clock_now(), granted(q, redis_integer(v)));
	pthread_mutex_unlock(&x->limits->lock);
	free(q);
	x->asking--;
	drop(x);
}

/* --- what is asked for --- */

static int64_t
at_most(int64_t n, int64_t most)
{
	return n < most ? n : most;
}

/* All that was ever used or wanted; what is refused is wanted, too. */
static int64_t
demand_of(const struct limited *l, enum limit_rate rate)
{
	const struct limit_rate_kind *k = &limit_rate_kinds[rate];
	const struct limit_tally *t = &l->tally[k->kind];

	if (rate == LIMIT_RATE_BYTES || rate == LIMIT_RATE_SERVER_TIME)
		return atomic_load(&l->debited[rate]);
	return (int64_t)(atomic_load(&t->passed) + atomic_load(&t->delayed) + atomic_load(&t->refused)) * k->scale;
}

/* What will be used within the horizon if it goes on as since the last look, and what is owed or waited for. */
static int64_t
wanted(struct limited *l, enum limit_rate rate, usec_t now)
{
	struct limit_lease *lease = &l->lease[rate];
	struct rate_line line = rate_line(&l->rates[rate]);
	int64_t clock = rate_clock(&line, now), demand = demand_of(l, rate);
	int64_t most = limited_burst(l, rate, 1) + limited_share(l, rate, 1) * HORIZON / USEC_PER_SEC;
	int64_t used = at_most(demand - lease->used_before, most), want;

	lease->used_before = demand;
	want = rate_used(&l->rates[rate], now) + used * HORIZON / PERIOD * 5 / 4;
	if (lease->held)
		want -= line.end - clock;
	return at_most(want, most);
}

static void
ask(struct leases *x, struct limited *l, enum limit_rate rate, int64_t want)
{
	struct lease_question *q;
	char key[400], numbers[4][24];
	const int64_t args[4] = { limited_share(l, rate, 1), limited_burst(l, rate, 1), want, HORIZON };
	struct redis_word words[5];

	snprintf(key, sizeof(key), "pgusher:limit:%s:%s:%s", limit_kind_name(limit_rate_kinds[rate].kind),
		 limit_scope_name(l->scope), l->name);
	words[0] = (struct redis_word){ key, strlen(key) };
	for (int i = 0; i < 4; i++) {
		snprintf(numbers[i], sizeof(numbers[i]), "%" PRId64, args[i]);
		words[i + 1] = (struct redis_word){ numbers[i], strlen(numbers[i]) };
	}
	q = memory_zalloc(sizeof(*q));
	q->leases = x;
	q->limited = l;
	q->rate = rate;
	q->want = want;
	if (!redis_run(x->redis, &x->script, words, 5, 1, on_answer, q)) {
		free(q);
		return;
	}
	x->asking++;
	l->leases++;
	l->lease[rate].asking = true;
}

static void
ask_for(struct leases *x, struct limited *l, usec_t now)
{
	for (int rate = 0; rate < LIMIT_RATES; rate++) {
		int64_t want;

		if (limited_limit(l, limit_rate_kinds[rate].kind) == 0 || l->lease[rate].asking)
			continue;
		want = wanted(l, (enum limit_rate)rate, now);
		if (want > 0)
			ask(x, l, (enum limit_rate)rate, want);
	}
}

static void
ask_all(struct leases *x)
{
	usec_t now = clock_now();
	struct limited *l, *next;

	pthread_mutex_lock(&x->limits->lock);
	HASH_ITER(hh, x->limits->all, l, next)
		ask_for(x, l, now);
	pthread_mutex_unlock(&x->limits->lock);
}

/* --- when Redis is gone --- */

static void
end_leases(struct limits *ls)
{
	usec_t now = clock_now();
	struct limited *l, *next;

	pthread_mutex_lock(&ls->lock);
	HASH_ITER(hh, ls->all, l, next) {
		for (int rate = 0; rate < LIMIT_RATES; rate++)
			end_lease(ls, l, (enum limit_rate)rate, now);
	}
	pthread_mutex_unlock(&ls->lock);
}

static void
on_changed(void *arg, bool up)
{
	struct leases *x = arg;

	if (!up)
		end_leases(x->limits);
}

/* --- life --- */

/* Not all nodes at the same moment, or the first one of them would get it all. */
static void
on_timer(void *arg)
{
	struct leases *x = arg;

	if (x->redis != NULL && redis_is_up(x->redis))
		ask_all(x);
	if (++x->rounds % UPKEEP_ROUNDS == 0)
		limits_upkeep(x->limits, clock_now());
	loop_timer_set(x->timer, PERIOD * 3 / 4 + random() % (PERIOD / 2));
}

static void
connect_redis(struct leases *x, const struct config *c)
{
	struct redis_options options = { .timeout = ANSWER_TIMEOUT, .changed = on_changed, .arg = x };
	struct redis_address a;
	struct error e;

	x->url = memory_strdup(c->limit_redis);
	if (x->url[0] == '\0')
		return;
	if (!redis_is_built()) {
		log_error("limit_redis: this program was built without Redis, each node has its part of the rates");
		return;
	}
	if (!redis_parse_url(x->url, &a, &e)) {
		log_error("limit_redis: %s", e.message);
		return;
	}
	x->redis = redis_new(x->loop, &a, &options);
	redis_address_release(&a);
}

struct leases *
leases_new(struct loop *l, struct limits *ls, const struct config *c)
{
	struct leases *x = memory_zalloc(sizeof(*x));

	x->loop = l;
	x->limits = ls;
	redis_script_init(&x->script, lease_text);
	x->timer = loop_timer_new(l, on_timer, x);
	connect_redis(x, c);
	loop_timer_set(x->timer, PERIOD);
	return x;
}

static void
disconnect_redis(struct leases *x)
{
	redis_free(&x->redis);
	memory_free_secret(x->url);
	x->url = NULL;
}

void
leases_free(struct leases **xp)
{
	struct leases *x = *xp;

	if (x == NULL)
		return;
	*xp = NULL;
	disconnect_redis(x);
	loop_timer_free(&x->timer);
	x->freed = true;
	drop(x);
}

void
leases_set_config(struct leases *x, const struct config *c)
{
	if (strcmp(x->url, c->limit_redis) == 0)
		return;
	disconnect_redis(x);
	end_leases(x->limits);
	connect_redis(x, c);
}
