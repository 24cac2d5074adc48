/*
 * Budgets of hosts: what may never happen (one too many, a claim forgotten, a count that drifts), and who is next.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "tenant/host_inside.h"

#define WORKERS 4
#define HELD_MAX 64

/* A pool of a tenant: as much of it as claims places. */
struct actor {
	struct claim claim;
	char tenant[16];
	int weight, worker;
	bool waits;			/* its claim is queued */
	struct seat *held[HELD_MAX];
	bool idle[HELD_MAX];
	int nheld;
	int granted;
};

static struct {
	struct hosts *hosts;
	void (*before_eviction)(struct actor *a);	/* if set */
	bool told[WORKERS];
	struct actor actors[400];
	int nactors;
	int used, highest;
	int evicted;
} stage;

static void
tell(void *arg, int worker)
{
	(void)arg;
	stage.told[worker] = true;
}

static const struct hosts_ops ops = { .tell = tell };

static const struct config *
read_config(const char *host)
{
	char text[500];
	const struct config *c;
	struct error e;

	snprintf(text, sizeof(text), "[databases]\n* = host=pg\n[pgbouncer]\nlisten_port=6432\nauth_type=any\n[hosts]\n%s\n", host);
	c = config_from_text(text, strlen(text), &e);
	cr_assert_not_null(c, "%s", e.message);
	return c;
}

static void
open_stage(const char *host)
{
	const struct config *c = read_config(host);

	memset(&stage, 0, sizeof(stage));
	stage.hosts = hosts_new(c);
	hosts_set_ops(stage.hosts, WORKERS, &ops, NULL);
	config_unref(&c);
}

static void
note_facts(void *arg, const struct host_facts *f)
{
	*(struct host_facts *)arg = *f;
}

static struct host_facts
facts(void)
{
	struct host_facts f = { .used = -1 };

	hosts_each(stage.hosts, note_facts, &f);
	return f;
}

static struct wish
wish_of(const struct actor *a)
{
	return (struct wish){
		.host = "pg", .port = 5432, .tenant = a->tenant, .weight = a->weight, .worker = a->worker,
		.owner = (void *)(uintptr_t)a,
	};
}

static void
hold(struct actor *a)
{
	cr_assert_lt(a->nheld, HELD_MAX);
	a->waits = false;
	a->held[a->nheld] = hosts_take(stage.hosts, &a->claim);
	a->idle[a->nheld++] = false;
	a->granted++;
	stage.used++;
	if (stage.used > stage.highest)
		stage.highest = stage.used;
}

static void
on_granted(struct claim *c)
{
	hold(container_of(c, struct actor, claim));
}

static struct actor *
actor(const char *tenant, int weight, int worker)
{
	struct actor *a = &stage.actors[stage.nactors++];

	snprintf(a->tenant, sizeof(a->tenant), "%s", tenant);
	a->weight = weight;
	a->worker = worker;
	a->claim.granted = on_granted;
	return a;
}

static bool
claim(struct actor *a, enum claim_kind kind)
{
	struct wish w = wish_of(a);

	w.side = kind == CLAIM_CANCEL;
	if (hosts_claim(stage.hosts, &a->claim, kind, &w) == CLAIM_GRANTED) {
		hold(a);
		return true;
	}
	a->waits = true;
	return false;
}

static void
set_idle(struct actor *a, int i, bool idle)
{
	if (a->idle[i] == idle)
		return;
	a->idle[i] = idle;
	atomic_fetch_add(&a->held[i]->idle, idle ? 1 : -1);
	if (idle)
		atomic_store(&a->held[i]->idle_since, clock_now());
}

static void
give(struct actor *a, int i, bool leaving)
{
	set_idle(a, i, false);
	stage.used--;
	hosts_give(stage.hosts, &a->held[i], leaving);
	a->nheld--;
	a->held[i] = a->held[a->nheld];
	a->idle[i] = a->idle[a->nheld];
}

static bool
evict(void *arg, struct seat *seat)
{
	struct actor *a = seat->owner;

	(void)arg;
	if (stage.before_eviction != NULL)
		stage.before_eviction(a);
	for (int i = 0; i < a->nheld; i++) {
		if (a->held[i] != seat || !a->idle[i])
			continue;
		stage.evicted++;
		give(a, i, true);
		return true;
	}
	return false;
}

static void
deliver(void)
{
	for (bool any = true; any;) {
		any = false;
		for (int w = 0; w < WORKERS; w++) {
			if (!stage.told[w])
				continue;
			any = true;
			stage.told[w] = false;
			hosts_collect(stage.hosts, w, evict, NULL);
		}
	}
}

/* The end of a transaction of one that is held. */
static void
settle(struct actor *a, int i)
{
	if (seat_is_wanted(a->held[i]) && hosts_yield(stage.hosts, a->held[i], 0, false))
		give(a, i, true);
}

static void
close_stage(void)
{
	struct host_facts f;

	for (int i = 0; i < stage.nactors; i++) {
		struct actor *a = &stage.actors[i];

		hosts_withdraw(stage.hosts, &a->claim, false);
		a->waits = false;
	}
	deliver();
	for (int i = 0; i < stage.nactors; i++) {
		while (stage.actors[i].nheld > 0)
			give(&stage.actors[i], 0, false);
	}
	f = facts();
	cr_assert_eq(f.used, 0);
	cr_assert_eq(f.leaving, 0);
	cr_assert_eq(f.side, 0);
	cr_assert_eq(f.tenants, 0);
	cr_assert_eq(f.waiting, 0);
	hosts_free(&stage.hosts);
}

TestSuite(host, .fini = close_stage);

Test(host, without_a_line_there_is_no_cap)
{
	open_stage("other:5432 = max_connections=1");
	for (int i = 0; i < 300; i++)
		cr_assert(claim(actor("a", 1, 0), CLAIM_ORDINARY));
}

Test(host, a_full_host_serves_a_tenant_in_order)
{
	struct actor *first, *second, *third;

	open_stage("pg = max_connections=1 min_lease=0");
	first = actor("a", 1, 0);
	second = actor("a", 1, 0);
	third = actor("a", 1, 1);
	cr_assert(claim(first, CLAIM_ORDINARY));
	cr_assert_not(claim(second, CLAIM_ORDINARY));
	cr_assert_not(claim(third, CLAIM_ORDINARY));
	cr_assert_eq(facts().waiting, 1);
	give(first, 0, false);
	deliver();
	cr_assert_eq(second->nheld, 1);
	cr_assert(third->waits);
	hosts_withdraw(stage.hosts, &third->claim, true);
	cr_assert_eq(facts().refused, 1);
}

/* Tenant after tenant comes for the first time, and somebody waits all the time: nobody's clock may be forgotten, but
 * not all can be kept, nor be walked over each time that a place is given back. */
Test(host, clocks_of_who_has_left_are_bounded)
{
	struct actor *two[2];

	open_stage("pg = max_connections=1 min_lease=0");
	two[0] = actor("first", 1, 0);
	two[1] = actor("second", 1, 0);
	claim(two[0], CLAIM_ORDINARY);
	for (int i = 0; i < 3 * RESTING_MAX; i++) {
		struct actor *holder = two[i % 2], *next = two[(i + 1) % 2];

		snprintf(next->tenant, sizeof(next->tenant), "t%d", i);
		cr_assert_not(claim(next, CLAIM_ORDINARY));
		give(holder, 0, false);
		deliver();
		cr_assert_eq(next->nheld, 1);
		cr_assert_leq(stage.hosts->by_key->nresting, RESTING_MAX);
	}
	cr_assert_leq(HASH_COUNT(stage.hosts->by_key->shares), RESTING_MAX + 1);
}

/* Tenants come anew all the time, each for its first place: who has had one before gets its next one all the same. */
Test(host, who_was_served_once_is_not_passed_for_ever)
{
	struct actor *holder, *back, *next[8];
	int round;

	open_stage("pg = max_connections=1 min_lease=0");
	holder = actor("holder", 1, 0);
	back = actor("back", 1, 0);
	for (int i = 0; i < 8; i++) {
		char name[8];

		snprintf(name, sizeof(name), "t%d", i);
		next[i] = actor(name, 1, 0);
	}
	claim(holder, CLAIM_ORDINARY);
	claim(back, CLAIM_ORDINARY);
	claim(next[0], CLAIM_ORDINARY);
	claim(next[1], CLAIM_ORDINARY);
	give(holder, 0, false);
	deliver();
	cr_assert_eq(back->nheld, 1);
	give(back, 0, false);
	deliver();
	cr_assert_not(claim(back, CLAIM_ORDINARY));
	for (round = 0; round < 6 && back->nheld == 0; round++) {
		cr_assert_not(claim(next[round + 2], CLAIM_ORDINARY));
		give(next[round], 0, false);
		deliver();
	}
	cr_assert_eq(back->nheld, 1);
	cr_assert_geq(round, 2, "the two that came before were passed");
}

Test(host, who_has_nothing_goes_before_who_has_something)
{
	struct actor *rich, *again, *poor;

	open_stage("pg = max_connections=3 min_lease=0");
	rich = actor("rich", 1, 0);
	again = actor("rich", 1, 0);
	poor = actor("poor", 1, 1);
	claim(rich, CLAIM_ORDINARY);
	claim(rich, CLAIM_ORDINARY);
	cr_assert_not(claim(again, CLAIM_ORDINARY));
	cr_assert_not(claim(poor, CLAIM_ORDINARY));
	give(rich, 0, false);
	deliver();
	cr_assert_eq(poor->nheld, 1);
	cr_assert(again->waits);
}

Test(host, a_busy_tenant_gives_what_it_has_too_much)
{
	struct actor *noisy, *greedy, *quiet;

	open_stage("pg = max_connections=5 min_lease=60");
	noisy = actor("noisy", 1, 0);
	greedy = actor("noisy", 1, 0);
	quiet = actor("quiet", 1, 1);
	for (int i = 0; i < 4; i++)
		claim(noisy, CLAIM_ORDINARY);
	claim(greedy, CLAIM_ORDINARY);
	settle(noisy, 0);
	cr_assert_eq(noisy->nheld, 4, "it gives nothing to itself");
	claim(quiet, CLAIM_ORDINARY);
	settle(noisy, 0);
	settle(noisy, 0);
	settle(noisy, 0);
	deliver();
	cr_assert_eq(noisy->nheld, 3, "one is wanted, one is given");
	cr_assert_eq(quiet->nheld, 1);
	cr_assert_eq(facts().yielded, 1);
	/* Now the noisy one wants it back: it has more already. */
	settle(quiet, 0);
	cr_assert_eq(quiet->nheld, 1);
}

Test(host, an_equal_keeps_what_it_has_for_min_lease)
{
	struct actor *a, *b;

	open_stage("pg = max_connections=1 min_lease=60");
	a = actor("a", 1, 0);
	b = actor("b", 1, 1);
	claim(a, CLAIM_ORDINARY);
	claim(b, CLAIM_ORDINARY);
	cr_assert(seat_is_wanted(a->held[0]));
	cr_assert_not(hosts_yield(stage.hosts, a->held[0], clock_now(), false));
	cr_assert(hosts_yield(stage.hosts, a->held[0], clock_now() - 61 * USEC_PER_SEC, false));
	give(a, 0, true);
	deliver();
	cr_assert_eq(b->nheld, 1);
}

Test(host, the_idle_one_of_who_has_most_goes_first)
{
	struct actor *a, *b, *c;

	open_stage("pg = max_connections=6 min_lease=0");
	a = actor("a", 1, 0);
	b = actor("b", 1, 1);
	c = actor("c", 1, 2);
	claim(a, CLAIM_ORDINARY);
	claim(a, CLAIM_ORDINARY);
	for (int i = 0; i < 3; i++)
		claim(b, CLAIM_ORDINARY);
	set_idle(a, 0, true);
	set_idle(b, 1, true);
	claim(c, CLAIM_ORDINARY);
	deliver();
	cr_assert_eq(b->nheld, 2);
	cr_assert_eq(a->nheld, 2);
	cr_assert_eq(c->nheld, 1);
	cr_assert_eq(facts().evictions, 1);
}

Test(host, a_weight_is_a_share)
{
	struct actor *heavy, *light;

	open_stage("pg = max_connections=9 min_lease=0");
	heavy = actor("heavy", 3, 0);
	light = actor("light", 1, 1);
	for (int i = 0; i < 8; i++)
		claim(light, CLAIM_ORDINARY);
	/* It takes until the shares are 6 to 2, and no further. */
	for (int i = 0; i < 50; i++) {
		if (!heavy->waits)
			claim(heavy, CLAIM_ORDINARY);
		for (int j = light->nheld - 1; j >= 0; j--)
			settle(light, j);
		deliver();
	}
	cr_assert_eq(heavy->nheld, 6, "%d", heavy->nheld);
	cr_assert_eq(light->nheld, 2);
}

Test(host, the_reserve_is_for_administrators)
{
	struct actor *a, *root, *late;

	open_stage("pg = max_connections=4 admin_reserve=1 min_lease=0");
	a = actor("a", 1, 0);
	root = actor("a", 1, 1);
	late = actor("c", 1, 3);
	cr_assert(claim(a, CLAIM_ORDINARY));
	cr_assert(claim(a, CLAIM_ORDINARY));
	cr_assert_not(claim(late, CLAIM_ORDINARY));
	cr_assert(claim(root, CLAIM_ADMIN));
	cr_assert_not(claim(root, CLAIM_ADMIN));
	give(a, 0, false);
	deliver();
	cr_assert_eq(root->nheld, 2, "before those who waited for longer");
	cr_assert(late->waits);
	give(root, 0, false);
	deliver();
	cr_assert(late->nheld == 0, "what is free is the reserve");
	give(root, 0, false);
	deliver();
	cr_assert_eq(late->nheld, 1);
}

/* Each may be what makes room: it waits neither for tenants nor for administrators. */
Test(host, the_last_place_is_for_cancels)
{
	struct actor *a, *first, *second, *root;

	open_stage("pg = max_connections=4 admin_reserve=1 min_lease=0");
	a = actor("a", 1, 0);
	root = actor("a", 1, 0);
	first = actor("a", 1, 1);
	second = actor("b", 1, 2);
	claim(a, CLAIM_ORDINARY);
	claim(a, CLAIM_ORDINARY);
	cr_assert_not(claim(a, CLAIM_ORDINARY));
	cr_assert(claim(root, CLAIM_ADMIN));
	cr_assert_not(claim(root, CLAIM_ADMIN));
	cr_assert(claim(first, CLAIM_CANCEL));
	cr_assert_not(claim(second, CLAIM_CANCEL));
	cr_assert_eq(facts().used, 4);
	give(first, 0, false);
	deliver();
	cr_assert_eq(second->nheld, 1);
	give(second, 0, false);
	deliver();
	cr_assert(a->waits && root->waits);
	cr_assert_eq(facts().used, 3);
}

Test(host, cancels_leave_administrators_a_place)
{
	struct actor *a, *root, *cancels[4];

	open_stage("pg = max_connections=6 admin_reserve=3 min_lease=0");
	a = actor("a", 1, 0);
	root = actor("a", 1, 0);
	for (int i = 0; i < 4; i++)
		cancels[i] = actor("b", 1, 1);
	claim(a, CLAIM_ORDINARY);
	claim(a, CLAIM_ORDINARY);
	for (int i = 0; i < 4; i++)
		cr_assert_eq(claim(cancels[i], CLAIM_CANCEL), i < 3);
	cr_assert(claim(root, CLAIM_ADMIN));
	cr_assert_not(claim(root, CLAIM_ADMIN));
	for (int i = 0; i < 4; i++) {
		give(cancels[i], 0, false);
		deliver();
	}
	cr_assert_eq(root->nheld, 2, "what cancels have had of the reserve");
	cr_assert_eq(facts().used, 4);
}

/* They come and go: tenants are not kept from their own places by them. */
Test(host, cancels_that_stand_apart_are_not_in_the_way)
{
	struct actor *a, *cancel;

	open_stage("pg = max_connections=4 min_lease=0");
	a = actor("a", 1, 0);
	cancel = actor("b", 1, 1);
	cr_assert(claim(a, CLAIM_ORDINARY));
	cr_assert(claim(a, CLAIM_ORDINARY));
	cr_assert(claim(cancel, CLAIM_CANCEL));
	cr_assert(claim(a, CLAIM_ORDINARY));
	cr_assert_not(claim(a, CLAIM_ORDINARY));
	cr_assert_eq(facts().used, 4);
}

Test(host, an_only_place_is_everybodys)
{
	struct actor *a, *cancel;

	open_stage("pg = max_connections=1 min_lease=0");
	a = actor("a", 1, 0);
	cancel = actor("b", 1, 1);
	cr_assert(claim(a, CLAIM_ORDINARY));
	cr_assert_not(claim(cancel, CLAIM_CANCEL));
	cr_assert_not(claim(a, CLAIM_ORDINARY));
	give(a, 0, false);
	deliver();
	cr_assert_eq(cancel->nheld, 1);
	cr_assert(a->waits);
}

/* What takes its time to end serves nobody: an idle one is closed instead. */
/* Cancel requests have a place that tenants do not get. */
Test(host, who_waits_does_not_count_on_a_cancel_request_that_leaves)
{
	struct actor *a, *b, *request;

	open_stage("pg = max_connections=3 min_lease=0");
	a = actor("a", 1, 0);
	request = actor("a", 1, 0);
	b = actor("b", 1, 1);
	cr_assert(claim(a, CLAIM_ORDINARY));
	cr_assert(claim(a, CLAIM_ORDINARY));
	cr_assert(claim(request, CLAIM_CANCEL));
	set_idle(a, 0, true);
	hosts_leave(stage.hosts, request->held[0]);
	cr_assert_not(claim(b, CLAIM_ORDINARY));
	deliver();
	cr_assert_eq(a->nheld, 1);
	cr_assert_eq(b->nheld, 1);
	give(request, 0, true);
}

Test(host, who_waits_does_not_count_on_one_that_lingers)
{
	struct actor *a, *b, *c;

	open_stage("pg = max_connections=3 min_lease=0");
	a = actor("a", 1, 0);
	b = actor("b", 1, 1);
	c = actor("c", 1, 2);
	claim(a, CLAIM_ORDINARY);
	claim(b, CLAIM_ORDINARY);
	set_idle(b, 0, true);
	hosts_leave(stage.hosts, a->held[0]);
	cr_assert_not(claim(c, CLAIM_ORDINARY));
	deliver();
	cr_assert_eq(b->nheld, 1);
	hosts_linger(stage.hosts, a->held[0]);
	hosts_look_again(stage.hosts);
	deliver();
	cr_assert_eq(b->nheld, 0);
	cr_assert_eq(c->nheld, 1);
	cr_assert_eq(facts().leaving, 0);
}

/* Its place is of no use to it: it does not wait until others have had theirs for min_lease. */
Test(host, who_has_only_one_that_lingers_has_none)
{
	struct actor *a, *b;
	struct share *s;

	open_stage("pg = max_connections=3 min_lease=3600");
	a = actor("a", 1, 0);
	b = actor("b", 1, 1);
	claim(a, CLAIM_ORDINARY);
	claim(b, CLAIM_ORDINARY);
	hosts_leave(stage.hosts, a->held[0]);
	hosts_linger(stage.hosts, a->held[0]);
	s = a->held[0]->share;
	cr_assert_not(claim(a, CLAIM_ORDINARY));
	set_idle(b, 0, true);
	hosts_look_again(stage.hosts);
	deliver();
	cr_assert_eq(b->nheld, 0);
	cr_assert_eq(a->nheld, 2);
	hosts_give_lingering(stage.hosts, &a->held[0]);
	cr_assert_eq(s->lingering, 0);
	cr_assert_eq(facts().used, 1);
}

Test(host, a_lower_cap_shrinks)
{
	const struct config *c;
	struct actor *a;

	open_stage("pg = max_connections=7 min_lease=0");
	a = actor("a", 1, 0);
	for (int i = 0; i < 6; i++)
		claim(a, CLAIM_ORDINARY);
	set_idle(a, 0, true);
	set_idle(a, 1, true);
	c = read_config("pg = max_connections=3 min_lease=0");
	hosts_set_config(stage.hosts, c);
	config_unref(&c);
	deliver();
	cr_assert_eq(a->nheld, 4);
	for (int i = a->nheld - 1; i >= 0; i--)
		settle(a, i);
	cr_assert_eq(a->nheld, 2);
	/* And no cap any more. */
	cr_assert_not(claim(a, CLAIM_ORDINARY));
	c = read_config("other = max_connections=2");
	hosts_set_config(stage.hosts, c);
	config_unref(&c);
	deliver();
	cr_assert_eq(a->nheld, 3);
}

/* Ten places, 300 tenants in turn: each gets one before any gets its second; with weights, as often as they say. */
Test(host, turns_follow_weights)
{
	enum { TENANTS = 60, ROUNDS = 12000 };
	char name[16];
	double per_weight, got;
	int sum = 0;

	open_stage("pg = max_connections=11 min_lease=0");
	srandom(7);
	for (int i = 0; i < TENANTS; i++) {
		snprintf(name, sizeof(name), "t%d", i);
		claim(actor(name, 1 + i % 4, i % WORKERS), CLAIM_ORDINARY);
		sum += 1 + i % 4;
	}
	for (int i = 0; i < ROUNDS; i++) {
		struct actor *a = &stage.actors[random() % TENANTS];

		if (a->nheld == 0)
			continue;
		give(a, 0, false);
		claim(a, CLAIM_ORDINARY);
		deliver();
	}
	per_weight = 0;
	for (int i = 0; i < TENANTS; i++)
		per_weight += stage.actors[i].granted;
	per_weight /= sum;
	for (int i = 0; i < TENANTS; i++) {
		got = stage.actors[i].granted / per_weight / stage.actors[i].weight;
		cr_assert(got > 0.85 && got < 1.15, "tenant %d of weight %d: %.2f of its share", i, stage.actors[i].weight, got);
	}
}

/* Anything in any order: never one too many, nobody forgotten, no count drifts. */
static void
run_at_random(unsigned seed, int cap, int tenants)
{
	const struct config *c;
	char text[100], name[16];
	int now_cap = cap;

	snprintf(text, sizeof(text), "pg = max_connections=%d admin_reserve=%d min_lease=0", cap, seed % 2);
	open_stage(text);
	srandom(seed);
	for (int i = 0; i < tenants; i++) {
		snprintf(name, sizeof(name), "t%d", i / 2);
		actor(name, 1 + (int)(random() % 3), i % WORKERS);
	}
	for (int i = 0; i < 20000; i++) {
		struct actor *a = &stage.actors[random() % tenants];
		int j = a->nheld > 0 ? (int)(random() % a->nheld) : -1;

		switch (random() % 9) {
		case 0:
		case 1:
		case 2:
			if (!a->waits && a->nheld < HELD_MAX)
				claim(a, random() % 20 == 0 ? CLAIM_CANCEL : CLAIM_ORDINARY);
			break;
		case 3:
			if (j >= 0)
				give(a, j, false);
			break;
		case 4:
			if (j >= 0) {
				hosts_leave(stage.hosts, a->held[j]);
				give(a, j, true);
			}
			break;
		case 5:
			if (j >= 0)
				set_idle(a, j, !a->idle[j]);
			break;
		case 6:
			if (j >= 0 && !a->idle[j])
				settle(a, j);
			break;
		case 7:
			if (random() % 8 == 0) {
				hosts_withdraw(stage.hosts, &a->claim, false);
				a->waits = false;
			}
			break;
		case 8:
			if (random() % 200 == 0) {
				/* Up only: a lower one takes its time. */
				snprintf(text, sizeof(text), "pg = max_connections=%d min_lease=0", ++now_cap);
				c = read_config(text);
				hosts_set_config(stage.hosts, c);
				config_unref(&c);
			}
			hosts_look_again(stage.hosts);
			break;
		}
		if (random() % 3 == 0)
			deliver();
		cr_assert_leq(facts().used, now_cap);
		cr_assert_leq(stage.used, now_cap);
	}
	/* All that wait are served as the others go. */
	for (int round = 0; round < tenants; round++) {
		deliver();
		for (int i = 0; i < tenants; i++) {
			while (stage.actors[i].nheld > 0)
				give(&stage.actors[i], 0, false);
		}
	}
	for (int i = 0; i < tenants; i++)
		cr_assert_not(stage.actors[i].waits, "seed %u: the claim of %s was forgotten", seed, stage.actors[i].tenant);
}

Test(host, random_schedules_small)
{
	run_at_random(1, 3, 12);
}

Test(host, random_schedules_odd)
{
	run_at_random(2, 7, 40);
}

Test(host, random_schedules_many)
{
	run_at_random(3, 25, 300);
}

Test(host, a_place_moves_with_its_server)
{
	struct actor *a;
	struct wish w;

	open_stage("pg = max_connections=3 min_lease=0");
	a = actor("a", 1, 0);
	claim(a, CLAIM_ORDINARY);
	w = wish_of(a);
	w.worker = 3;
	a->held[0] = hosts_move(stage.hosts, a->held[0], &w);
	cr_assert_eq(a->held[0]->worker, 3);
	cr_assert_eq(facts().used, 1);
}

static void
move_away(struct actor *a)
{
	struct wish w = wish_of(a);

	set_idle(a, 0, false);
	w.worker = 3;
	a->held[0] = hosts_move(stage.hosts, a->held[0], &w);
}

/* Another worker adopts a server while this one looks for something idle in its seat. */
Test(host, a_seat_that_is_asked_outlives_its_last_place)
{
	struct actor *a, *b;

	open_stage("pg = max_connections=1 min_lease=0");
	a = actor("a", 1, 0);
	b = actor("b", 1, 1);
	claim(a, CLAIM_ORDINARY);
	set_idle(a, 0, true);
	claim(b, CLAIM_ORDINARY);
	stage.before_eviction = move_away;
	deliver();
	cr_assert_eq(a->held[0]->worker, 3);
	cr_assert_eq(facts().leaving, 0);
	cr_assert_eq(a->held[0]->share->leaving, 0);
	cr_assert_eq(a->held[0], LIST_FIRST(&a->held[0]->share->seats));
	cr_assert_null(LIST_NEXT(a->held[0], link), "the other seat is gone");
	give(a, 0, false);
	deliver();
	cr_assert_eq(b->nheld, 1);
}

Test(host, a_side_connection_waits_as_a_tenant_does)
{
	struct claim c = { .seat = NULL };
	struct actor *a;

	open_stage("pg = max_connections=1 min_lease=0");
	a = actor("a", 1, 0);
	claim(a, CLAIM_ORDINARY);
	cr_assert_not(hosts_want_side(stage.hosts, &c, CLAIM_ORDINARY, "pg", 5432));
	deliver();
	cr_assert_eq(a->nheld, 1, "it is busy");
	hosts_withdraw(stage.hosts, &c, false);
	cr_assert_eq(facts().waiting, 0);
	cr_assert_not(hosts_want_side(stage.hosts, &c, CLAIM_ORDINARY, "pg", 5432));
	give(a, 0, false);
	cr_assert(hosts_want_side(stage.hosts, &c, CLAIM_ORDINARY, "PG", 5432));
	cr_assert_eq(facts().side, 1);
	cr_assert_not(claim(a, CLAIM_ORDINARY));
	hosts_give_side(stage.hosts, "pg", 5432);
	deliver();
	cr_assert_eq(a->nheld, 1);
}

Test(host, a_host_that_fails_is_left_out_for_a_while)
{
	struct host_health health;
	struct actor *a;
	struct error e;

	open_stage("pg = max_connections=1");
	a = actor("a", 1, 0);
	claim(a, CLAIM_ORDINARY);
	error_set(&e, SEVERITY_FATAL, "08001", "connect failed");
	hosts_failed(stage.hosts, a->held[0], &e);
	hosts_health(stage.hosts, "pg", 5432, &health);
	cr_assert(health.skipped && health.full);
	cr_assert_str_eq(facts().last_error, "connect failed");
	cr_assert_neq(facts().down_since, 0);
	hosts_reached(stage.hosts, a->held[0], ROLE_STANDBY);
	hosts_health(stage.hosts, "pg", 5432, &health);
	cr_assert(!health.skipped && health.role == ROLE_STANDBY);
	cr_assert_eq(facts().down_since, 0);
}
