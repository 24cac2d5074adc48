/*
 * admit: what queries take of limits, wait for, and give back.
 */
#include <stdio.h>
#include <string.h>

#include "base/sqlstate.h"
#include "tenant/limited.h"

/* A notice that somebody comes close to a limit is not repeated before. */
#define WARNING_PAUSE (5 * USEC_PER_SEC)

/* What was used beyond a rate is owed, however much it is; in shadow mode nobody pays, and a second's worth will do. */
#define DEBT_MAX (INT64_MAX / 4)

const struct limit_rate_kind limit_rate_kinds[LIMIT_RATES] = {
	[LIMIT_RATE_QUERIES] = { LIMIT_KIND_QUERIES, 10000 },
	[LIMIT_RATE_BYTES] = { LIMIT_KIND_BYTES, 1 },
	[LIMIT_RATE_SERVER_TIME] = { LIMIT_KIND_SERVER_TIME, 1000 },	/* microseconds of milliseconds */
	[LIMIT_RATE_CONNECTIONS] = { LIMIT_KIND_CONNECTIONS, 10000 },
};

/* --- words --- */

const char *
limited_text(const struct limited *l, char buf[LIMITED_TEXT])
{
	const char *at;

	switch (l->scope) {
	case LIMIT_TENANT:
		snprintf(buf, LIMITED_TEXT, "tenant \"%.64s\"", l->name);
		break;
	case LIMIT_USER:
		snprintf(buf, LIMITED_TEXT, "user \"%.64s\"", l->name);
		break;
	case LIMIT_CLIENT:
		at = strchr(l->name, '@');
		snprintf(buf, LIMITED_TEXT, "address %.*s at tenant \"%.64s\"", (int)(at - l->name), l->name, at + 1);
		break;
	case LIMIT_ADDRESS:
		snprintf(buf, LIMITED_TEXT, "address %.64s", l->name);
		break;
	case LIMIT_NETWORK:
	case LIMIT_SCOPES:
		snprintf(buf, LIMITED_TEXT, "network %.64s", l->name);
		break;
	}
	return buf;
}

/* How messages speak of them: "its limit of 1000 queries a second". */
static const struct {
	const char *what, *sqlstate;
	bool milliseconds;	/* it is configured in microseconds */
} words[LIMIT_KINDS] = {
	[LIMIT_KIND_CLIENTS] = { "client connections", SQLSTATE_TOO_MANY_CONNECTIONS, false },
	[LIMIT_KIND_CONNECTIONS] = { "new connections a second", SQLSTATE_CONFIGURATION_LIMIT, false },
	[LIMIT_KIND_QUERIES] = { "queries a second", SQLSTATE_CONFIGURATION_LIMIT, false },
	[LIMIT_KIND_ACTIVE] = { "queries at a time", SQLSTATE_CONFIGURATION_LIMIT, false },
	[LIMIT_KIND_BYTES] = { "bytes a second", SQLSTATE_CONFIGURATION_LIMIT, false },
	[LIMIT_KIND_SERVER_TIME] = { "ms of servers' time a second", SQLSTATE_CONFIGURATION_LIMIT, false },
	[LIMIT_KIND_RESULT_SIZE] = { "bytes of a query's result", SQLSTATE_PROGRAM_LIMIT, false },
	[LIMIT_KIND_QUERY_LENGTH] = { "bytes of a query", SQLSTATE_PROGRAM_LIMIT, false },
	[LIMIT_KIND_TRANSACTION] = { "ms of a transaction", SQLSTATE_TRANSACTION_TIMEOUT, true },
	[LIMIT_KIND_QUEUE] = { "queries that wait for a server", SQLSTATE_TOO_MANY_CONNECTIONS, false },
};

static int64_t
shown_limit(const struct limited *l, enum limit_kind kind)
{
	int64_t n = limited_limit(l, kind);

	return words[kind].milliseconds ? n / USEC_PER_MSEC : n;
}

void
limited_refuse(const struct limited *l, enum limit_kind kind, usec_t wait, struct error *e)
{
	char who[LIMITED_TEXT];
	usec_t tenths = (wait + 99999) / 100000;

	error_set(e, SEVERITY_ERROR, words[kind].sqlstate, "%s is over its limit of %lld %s", limited_text(l, who),
		  (long long)shown_limit(l, kind), words[kind].what);
	if (wait > 0)
		error_hint(e, "Try again in %lld.%lld s.", (long long)(tenths / 10), (long long)(tenths % 10));
}

static void
tell_delay(const struct limited *l, usec_t wait, struct error *e)
{
	usec_t most = atomic_load_explicit(&l->max_delay, memory_order_relaxed);

	error_detail(e, "It would have to wait %lld ms; max_delay is %lld ms.", (long long)(wait / USEC_PER_MSEC),
		     (long long)(most / USEC_PER_MSEC));
}

/* --- what counts at a time --- */

bool
limited_raise(struct limited *l, enum limit_level level, enum limit_kind kind)
{
	int64_t limit = limited_limit(l, kind);
	int used = atomic_load(&l->level[level]);
	bool over;

	do {
		over = limit > 0 && used >= limit;
		if (over && !limited_is_shadow(l)) {
			limited_count(&l->tally[kind].refused);
			return false;
		}
	} while (!atomic_compare_exchange_weak(&l->level[level], &used, used + 1));
	if (limit > 0)
		limited_count(over ? &l->tally[kind].shadowed : &l->tally[kind].passed);
	return true;
}

void
limited_lower(struct limited *l, enum limit_level level)
{
	atomic_fetch_sub(&l->level[level], 1);
}

/* --- rates --- */

static uint32_t
wait_bit(int scope, int rate)
{
	return UINT32_C(1) << (scope * LIMIT_WAITS + rate);
}

/* What a query takes of this rate beforehand; of the others it pays afterwards. */
static int64_t
cost_of(int rate)
{
	return rate == LIMIT_RATE_QUERIES ? limit_rate_kinds[rate].scale : 0;
}

/* false: e says why not. */
static bool
take_rate(struct limited *l, int scope, int rate, usec_t now, struct limit_hold *h, struct error *e)
{
	enum limit_kind kind = limit_rate_kinds[rate].kind;
	usec_t max_delay = atomic_load_explicit(&l->max_delay, memory_order_relaxed), wait, far;
	bool shadow = limited_is_shadow(l);

	wait = rate_take(&l->rates[rate], now, cost_of(rate), max_delay, &h->place[scope][rate], &far);
	if (wait < 0 && !shadow) {
		limited_count(&l->tally[kind].refused);
		limited_refuse(l, kind, far, e);
		tell_delay(l, far, e);
		return false;
	}
	if (wait >= 0 && rate == LIMIT_RATE_QUERIES)
		h->taken |= (uint8_t)(1 << scope);
	if (wait == 0) {
		limited_count(&l->tally[kind].passed);
	} else if (shadow) {
		limited_count(&l->tally[kind].shadowed);
	} else {
		limited_count(&l->tally[kind].delayed);
		h->waits |= wait_bit(scope, rate);
	}
	return true;
}

static bool
take_rates(struct limited *l, int scope, usec_t now, struct limit_hold *h, struct error *e)
{
	for (int rate = 0; rate < LIMIT_WAITS; rate++) {
		if (limited_limit(l, limit_rate_kinds[rate].kind) > 0 && !take_rate(l, scope, rate, now, h, e))
			return false;
	}
	return true;
}

enum limit_outcome
limit_admit(struct limit_set *set, usec_t now, struct limit_hold *h, struct error *e)
{
	h->waits = 0;
	h->taken = h->active = 0;
	h->since = now;
	for (int i = 0; i < LIMIT_SCOPES; i++) {
		if (set->of[i] == NULL || take_rates(set->of[i], i, now, h, e))
			continue;
		limit_withdraw(set, h);
		return LIMIT_REFUSE;
	}
	return h->waits == 0 ? limit_start(set, now, h, e) : LIMIT_WAIT;
}

usec_t
limit_due(const struct limit_set *set, const struct limit_hold *h, usec_t now)
{
	usec_t due = 0;

	for (int i = 0; i < LIMIT_SCOPES && h->waits != 0; i++) {
		for (int rate = 0; rate < LIMIT_WAITS; rate++) {
			const struct limited *l = set->of[i];
			usec_t way;

			if ((h->waits & wait_bit(i, rate)) == 0 || limited_limit(l, limit_rate_kinds[rate].kind) == 0 ||
			    limited_is_shadow(l))
				continue;
			way = rate_due(&l->rates[rate], now, h->place[i][rate]);
			due = way > due ? way : due;
		}
	}
	return due;
}

/* What it has waited for is over: tell how long it was. */
static void
end_waits(struct limit_set *set, usec_t now, struct limit_hold *h)
{
	for (int i = 0; i < LIMIT_SCOPES && h->waits != 0; i++) {
		for (int rate = 0; rate < LIMIT_WAITS; rate++) {
			if ((h->waits & wait_bit(i, rate)) != 0)
				atomic_fetch_add_explicit(&set->of[i]->tally[limit_rate_kinds[rate].kind].delayed_time,
							  now - h->since, memory_order_relaxed);
		}
	}
	h->waits = 0;
}

/* Give back what the scopes below n have counted as under way. */
static void
lower_active(struct limit_set *set, struct limit_hold *h)
{
	for (int i = 0; i < LIMIT_SCOPES && h->active != 0; i++) {
		if ((h->active & 1 << i) != 0)
			limited_lower(set->of[i], LIMIT_LEVEL_ACTIVE);
	}
	h->active = 0;
}

/* One of them is full: wait for it, as long as it lets. */
static enum limit_outcome
wait_for_room(struct limited *l, usec_t now, const struct limit_hold *h, struct error *e)
{
	struct limit_tally *t = &l->tally[LIMIT_KIND_ACTIVE];
	usec_t max_delay = atomic_load_explicit(&l->max_delay, memory_order_relaxed);

	if (now - h->since < max_delay) {
		atomic_fetch_sub_explicit(&t->refused, 1, memory_order_relaxed);
		return LIMIT_WAIT;
	}
	limited_refuse(l, LIMIT_KIND_ACTIVE, 0, e);
	error_detail(e, "It has waited %lld ms for one of them to end; max_delay is %lld ms.",
		     (long long)((now - h->since) / USEC_PER_MSEC), (long long)(max_delay / USEC_PER_MSEC));
	error_hint(e, "Try again when fewer queries are under way.");
	return LIMIT_REFUSE;
}

enum limit_outcome
limit_start(struct limit_set *set, usec_t now, struct limit_hold *h, struct error *e)
{
	enum limit_outcome outcome;

	end_waits(set, now, h);
	for (int i = 0; i < LIMIT_SCOPES; i++) {
		struct limited *l = set->of[i];

		if (l == NULL || limited_limit(l, LIMIT_KIND_ACTIVE) == 0)
			continue;
		if (!limited_raise(l, LIMIT_LEVEL_ACTIVE, LIMIT_KIND_ACTIVE)) {
			lower_active(set, h);
			outcome = wait_for_room(l, now, h, e);
			if (outcome == LIMIT_REFUSE)
				limit_withdraw(set, h);
			return outcome;
		}
		h->active |= (uint8_t)(1 << i);
	}
	return LIMIT_PASS;
}

void
limit_end(struct limit_set *set, struct limit_hold *h)
{
	h->taken = 0;
	lower_active(set, h);
}

void
limit_withdraw(struct limit_set *set, struct limit_hold *h)
{
	for (int i = 0; i < LIMIT_SCOPES; i++) {
		if ((h->taken & 1 << i) != 0)
			rate_give(&set->of[i]->rates[LIMIT_RATE_QUERIES], cost_of(LIMIT_RATE_QUERIES));
	}
	h->taken = 0;
	h->waits = 0;
	lower_active(set, h);
}

static int
rate_of(enum limit_kind kind)
{
	int rate = 0;

	while (limit_rate_kinds[rate].kind != kind)
		rate++;
	return rate;
}

void
limit_debit(struct limit_set *set, enum limit_kind kind, usec_t now, int64_t n)
{
	int rate = rate_of(kind);
	int64_t units = kind == LIMIT_KIND_QUERIES ? n * limit_rate_kinds[rate].scale : n;

	for (int i = 0; i < LIMIT_SCOPES; i++) {
		struct limited *l = set->of[i];

		if (l == NULL || limited_limit(l, kind) == 0)
			continue;
		if (kind == LIMIT_KIND_QUERIES)
			atomic_fetch_add_explicit(&l->tally[kind].passed, (unsigned long long)n, memory_order_relaxed);
		else
			atomic_fetch_add_explicit(&l->debited[rate], units, memory_order_relaxed);
		rate_debit(&l->rates[rate], now, units,
			   limited_is_shadow(l) ? limited_burst(l, (enum limit_rate)rate, 1) +
							  limited_share(l, (enum limit_rate)rate, 1) :
						  DEBT_MAX);
	}
}

bool
limit_is_over(const struct limit_set *set, usec_t now)
{
	for (int i = 0; i < LIMIT_SCOPES; i++) {
		struct limited *l = set->of[i];

		for (int rate = 0; rate < LIMIT_WAITS && l != NULL && !limited_is_shadow(l); rate++) {
			int64_t place;
			struct rate_line line;

			if (limited_limit(l, limit_rate_kinds[rate].kind) == 0)
				continue;
			line = rate_line(&l->rates[rate]);
			place = rate_used(&l->rates[rate], now) + cost_of(rate);
			if (place > line.burst)
				return true;
		}
	}
	return false;
}

/* --- notices --- */

/* In percent, 100 at most. */
static int
share_of(int64_t used, int64_t all)
{
	return used >= all ? 100 : (int)((double)used * 100 / (double)all);
}

/* What is used of each of the limits that queries wait for; the first of which it is so much.  LIMIT_KINDS: of none. */
static enum limit_kind
find_near(const struct limited *l, usec_t now, int percent, int *used)
{
	int64_t most = limited_limit(l, LIMIT_KIND_ACTIVE);

	for (int rate = 0; rate < LIMIT_WAITS; rate++) {
		enum limit_kind kind = limit_rate_kinds[rate].kind;

		*used = share_of(rate_used(&l->rates[rate], now), rate_line(&l->rates[rate]).burst);
		if (limited_limit(l, kind) > 0 && *used >= percent)
			return kind;
	}
	*used = most == 0 ? 0 : share_of(atomic_load(&l->level[LIMIT_LEVEL_ACTIVE]), most);
	return most > 0 && *used >= percent ? LIMIT_KIND_ACTIVE : LIMIT_KINDS;
}

static bool
warn_of(struct limited *l, usec_t now, struct error *notice)
{
	int percent = atomic_load_explicit(&l->warn_percent, memory_order_relaxed), used = 0;
	usec_t before = atomic_load_explicit(&l->warned_at, memory_order_relaxed);
	enum limit_kind kind;
	char who[LIMITED_TEXT];

	if (percent == 0 || (before != 0 && now - before < WARNING_PAUSE))
		return false;
	kind = find_near(l, now, percent, &used);
	if (kind == LIMIT_KINDS || !atomic_compare_exchange_strong(&l->warned_at, &before, now))
		return false;
	error_set(notice, SEVERITY_NOTICE, SQLSTATE_WARNING, "%s is close to its limit of %lld %s",
		  limited_text(l, who), (long long)shown_limit(l, kind), words[kind].what);
	error_detail(notice, "%d %% of %s is used.", used, kind == LIMIT_KIND_ACTIVE ? "it" : "the burst");
	return true;
}

bool
limit_warn(struct limit_set *set, usec_t now, struct error *notice)
{
	for (int i = 0; i < LIMIT_SCOPES; i++) {
		if (set->of[i] != NULL && warn_of(set->of[i], now, notice))
			return true;
	}
	return false;
}

/* --- sizes and lengths --- */

static int64_t
least_of(const struct limit_set *set, enum limit_kind kind, bool shadow)
{
	int64_t least = 0;

	for (int i = 0; i < LIMIT_SCOPES; i++) {
		const struct limited *l = set->of[i];
		int64_t n = l == NULL || limited_is_shadow(l) != shadow ? 0 : limited_limit(l, kind);

		if (n > 0 && (least == 0 || n < least))
			least = n;
	}
	return least;
}

/* It is looked at once: one that only counts must not keep a larger one from being seen. */
int64_t
limit_least(const struct limit_set *set, enum limit_kind kind)
{
	int64_t enforced = least_of(set, kind, false);

	return enforced > 0 ? enforced : least_of(set, kind, true);
}

bool
limit_exceeds(struct limit_set *set, enum limit_kind kind, int64_t n, struct error *e)
{
	for (int i = 0; i < LIMIT_SCOPES; i++) {
		struct limited *l = set->of[i];
		int64_t limit = l == NULL ? 0 : limited_limit(l, kind);

		if (limit == 0 || n <= limit)
			continue;
		if (limited_is_shadow(l)) {
			limited_count(&l->tally[kind].shadowed);
			continue;
		}
		limited_count(&l->tally[kind].refused);
		limited_refuse(l, kind, 0, e);
		return true;
	}
	return false;
}

/* --- the queue for servers --- */

bool
limit_enqueue(struct limit_set *set, struct error *e)
{
	int i;

	for (i = 0; i < LIMIT_SCOPES; i++) {
		if (set->of[i] != NULL && !limited_raise(set->of[i], LIMIT_LEVEL_QUEUE, LIMIT_KIND_QUEUE))
			break;
	}
	if (i == LIMIT_SCOPES)
		return false;
	limited_refuse(set->of[i], LIMIT_KIND_QUEUE, 0, e);
	error_hint(e, "Try again when fewer queries wait.");
	while (--i >= 0) {
		if (set->of[i] != NULL)
			limited_lower(set->of[i], LIMIT_LEVEL_QUEUE);
	}
	return true;
}

void
limit_dequeue(struct limit_set *set)
{
	for (int i = 0; i < LIMIT_SCOPES; i++) {
		if (set->of[i] != NULL)
			limited_lower(set->of[i], LIMIT_LEVEL_QUEUE);
	}
}
