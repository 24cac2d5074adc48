/*
 * bans: who is not even listened to.
 *
 * A ban is for an address or network, at one tenant or at all.  They come from the
 * console (BAN), and by themselves: after ban_failures failed logins of (address,
 * tenant), for ban_time, then twice as long each time, up to ban_time_max; who behaves
 * for ban_time_max is forgiven.  A banned address is refused when it connects (all
 * tenants) or when its startup packet has named the tenant, before anything is asked.
 *
 * Also here: how fast an address may connect (accept_rate) and cancel (cancel_rate).
 *
 * For the whole process; bounded: of more than BANS_MAX the oldest automatic ones go.
 * Any thread: a lock is taken at connecting and logins, never per query.
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

struct bans;

struct ban_settings {
	int failures;
	usec_t time, time_max;
	int accept_rate, cancel_rate;
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

struct bans *bans_new(void);
void bans_free(struct bans **b);
void bans_configure(struct bans *b, const struct ban_settings *s);

/* false: refuse it (e: 28000, says until when).  tenant NULL: only what counts for all. */
bool bans_admit(struct bans *b, const struct address *a, const char *tenant, usec_t now, struct error *e);

/* false: too many a second of this address. */
bool bans_may_connect(struct bans *b, const struct address *a, usec_t now);
bool bans_may_cancel(struct bans *b, const struct address *a, usec_t now);

/* A login of this address at this tenant failed (wrong password, unknown user).  true: that brought a ban. */
bool bans_login_failed(struct bans *b, const struct address *a, const char *tenant, usec_t now);

/* BAN <address>[/bits] [AT <tenant>] [FOR <seconds>]; duration 0: for good.  false: e (22023) says what is no network. */
bool bans_add(struct bans *b, const char *network, const char *tenant, usec_t duration, const char *reason, usec_t now,
	      struct error *e);
/* false: e (42704): there is no such ban.  tenant NULL: all of that network. */
bool bans_remove(struct bans *b, const char *network, const char *tenant, struct error *e);

void bans_each(struct bans *b, usec_t now, void (*fn)(void *arg, const struct ban_facts *f), void *arg);

#endif
