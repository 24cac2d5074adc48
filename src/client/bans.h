/*
 * bans: who is not even listened to, and who comes too often.
 *
 * A ban is for an address or network, at one tenant or at all.
 *
 *	automatic	ban_failures failed logins of an address at a tenant within BANS_WINDOW
 *			bring one, for ban_time; the next one is twice as long, up to ban_time_max;
 *			who behaves for ban_time_max is forgiven
 *	by hand		BAN on the console
 *
 * One of an address at all tenants is refused when it connects, without a word; one at a
 * tenant when its startup packet has named that, before anything is asked.  It does not
 * matter whether the tenant exists.
 *
 * Many may share an address.  So users who have proved their password from there, at that
 * tenant, within BANS_KNOWN_FOR are let to the dialogue in spite of an automatic ban, and
 * their failures bring none: nobody can lock out a neighbour by failing.  How fast they may
 * be guessed at is for client/attempts.h to say.
 *
 * An address is that of IPv4 (also in the disguise of ::ffff:0:0/96), or the /64 of IPv6.
 * Unix sockets are never banned and may come as often as they like.
 *
 * For the whole process; bounded: of more than BANS_MAX that failed, those that failed least
 * often go, of these the longest ago, and who is banned last of all.  Any thread: a lock is
 * taken at connecting and logins, never per query, and not at all where nothing is banned or
 * counted.
 */
#ifndef CLIENT_BANS_H
#define CLIENT_BANS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/error.h"
#include "net/address.h"

#define BANS_MAX 16384
#define BANS_BY_HAND_MAX 1024
#define BANS_WINDOW (600 * USEC_PER_SEC)
#define BANS_KNOWN_MAX 16384
#define BANS_KNOWN_FOR (24 * 3600 * USEC_PER_SEC)
#define BANS_RATES 16384	/* addresses whose rates are known */

struct bans;

struct ban_settings {
	int failures;			/* 0: no automatic bans; those that there are stay */
	usec_t time, time_max;
	int accept_rate, cancel_rate;	/* a second; as many may come at once.  0: no bound */
};

struct ban_facts {
	const char *network;	/* "10.0.0.7/32"; borrowed for the call */
	const char *tenant;	/* NULL: all */
	usec_t since, until;	/* clock_now()'s; until 0: for good */
	const char *reason;
	int times;		/* how often it was banned in a row */
	uint64_t refused;	/* connections since */
	bool automatic;
};

struct ban_totals {
	uint64_t refused;		/* connections and logins, because of a ban */
	uint64_t refused_connects;	/* because of accept_rate */
	uint64_t refused_cancels;	/* because of cancel_rate */
	uint64_t banned;		/* automatic bans that there ever were */
};

struct bans *bans_new(void);
void bans_free(struct bans **b);	/* NULL is fine */
void bans_configure(struct bans *b, const struct ban_settings *s);

/* May it connect?  false: it is banned from all tenants. */
bool bans_admit(struct bans *b, const struct address *a, usec_t now);

/* May it log in there?  user NULL: who has proved a password elsewhere already; bans by hand only keep it out.
 * false: e (28000, FATAL) says until when. */
bool bans_admit_login(struct bans *b, const struct address *a, const char *tenant, const char *user, usec_t now,
		      struct error *e);

/* false: too many a second of this address. */
bool bans_may_connect(struct bans *b, const struct address *a, usec_t now);
bool bans_may_cancel(struct bans *b, const struct address *a, usec_t now);

/* A login failed: wrong password, unknown user.  How long it is banned for that; 0: not yet. */
usec_t bans_login_failed(struct bans *b, const struct address *a, const char *tenant, const char *user, usec_t now);

/* A password was right. */
void bans_login_succeeded(struct bans *b, const struct address *a, const char *tenant, const char *user, usec_t now);

/* BAN <address>[/bits] [AT <tenant>] [FOR <seconds>]; duration 0: for good.  A second one of the same network and tenant
 * takes the first one's place.  tenant NULL: all; reason may be NULL.
 * false: e (22023: that is no network; 53400: too many bans). */
bool bans_add(struct bans *b, const char *network, const char *tenant, usec_t duration, const char *reason, usec_t now,
	      struct error *e);

/* Bans of this network, and automatic ones within it or, of an address, around it; failures that were counted for these
 * are forgotten.  tenant NULL: at whatever tenant.  false: e (22023; 42704: there is no such ban). */
bool bans_remove(struct bans *b, const char *network, const char *tenant, usec_t now, struct error *e);

/* All that are in force, those by hand first; fn may call what it likes. */
void bans_each(struct bans *b, usec_t now, void (*fn)(void *arg, const struct ban_facts *f), void *arg);

void bans_totals(struct bans *b, struct ban_totals *t);

#endif
