/*
 * inside: what the files of pool/ know of each other (private to pool/).
 */
#ifndef POOL_INSIDE_H
#define POOL_INSIDE_H

#include "pool/pool.h"

extern const struct server_keeper pool_keeper;

const struct config *pool_config(const struct pool *p);

/* The pool that is lent to sessions; NULL: there is none. */
struct pool *pool_find(const struct tenant *t, const char *user);

/* Move s to another list of its pool. */
void pool_place(struct server *s, enum server_place place);

/* --- pool_size = auto (auto.c); all but the first only while p->pace is there --- */

/* Is p one whose size is found out, and by which pace? */
void pool_choose_pace(struct pool *p);

/* Could it use one more? */
bool pool_has_use(const struct pool *p);

/* s, lent or not, goes from one place to another; PLACES: it is gone. */
void pool_pace_moves(struct server *s, enum server_place from, enum server_place to);

/* Somebody waits for a server of p, and may have one that is idle when it is p's turn. */
void pool_stand_in_line(struct pool *p);

/* May an idle server be lent to who has not waited? */
bool pool_pace_allows(struct pool *p);

/* Which servers take up no place of the pace. */
void pool_look_aside(struct pool *p, usec_t now);

/* Sessions that began (1) or ceased (-1) to wait; without a pace, too. */
void pool_count_waiters(struct pool *p, int n);

/* p->welcome is there: who waits for it may go on. */
void pool_greet_newcomers(struct pool *p);

/* Lend idle servers to waiters; grow if somebody still waits. */
void pool_serve(struct pool *p);

/* --- a tenant that several workers serve (share.c) --- */

/* p is new: the counts that its servers are in. */
void pool_find_share(struct pool *p);

/* What this worker may have of n (<= 0: no limit). */
int pool_share(const struct pool *p, int n);

/* Likewise, of a limit: at least one for its clients. */
int pool_limit(const struct pool *p, int n);

/* A server more, or one less, in the sums of all parts.  false: no room; this worker is woken when there is. */
bool pool_take_shared(struct pool *p);
void pool_give_shared(struct pool *p);

/* p waits for its host: the parts that have idle servers of its user are told if this one has none. */
void pool_wait_for_parts(const struct pool *p);

/* Is an idle server another part's?  It goes there at the end of the turn. */
bool pool_hands_over(struct pool *p);

/* pool_size in force for all parts together; 0: no limit. */
int pool_size(const struct pool *p);

/* Is a password of its user of any use, or does the configuration say one? */
bool pool_wants_secret(const struct pool *p);

/* Open one more connection if somebody needs it and every limit allows it. */
void pool_grow(struct pool *p);

/* Leave the queue of a full host, or give back what it granted; fine if there is no claim. */
void pool_withdraw(struct pool *p, bool refused);

/* p has one more connection, or one less: who looks for places has to know whether it has any. */
void pool_tell_claim(struct pool *p);

/* Likewise, if the tenant's line does not name that host (any more). */
void pool_forget_place(struct pool *p);

/* Does somebody wait for whom no server is on its way (from a check or a reset)? */
bool pool_is_waited_for(const struct pool *p);

/* Is a server wanted, for somebody who waits or for min_pool_size? */
bool pool_is_short(const struct pool *p);

/* Has s to be given up for a tenant that waits for its host? */
bool pool_yields(const struct server *s);

/* What this worker asks of a host for p. */
struct wish pool_wish(const struct pool *p, const char *host);

/* While claims of this worker are queued, time alone may bring somebody who has to give. */
void pools_look_again_later(struct pools *ps);

/* A backend that has nothing else to do ends sooner when its connection is closed. */
#define BACKEND_ENDS_IN (250 * USEC_PER_MSEC)

/* Close s, and give back its place when the server has closed, too.  *seat may be NULL: then nothing happens.  id is the
 * server's, or 0. */
void pool_part(struct pools *ps, struct stream *s, struct seat **seat, bool leaving, uint32_t id);

/* Has the server of this id, which was parted from, still not closed? */
bool pools_is_parting(const struct pools *ps, uint32_t id);

/* Those that were parted from and take their time: nobody waits for their places. */
void pools_doubt_farewells(struct pools *ps, usec_t now);

/* Its seat knows how many servers are idle. */
void pool_count_idle(const struct server *s, int n);

/* The host to try now, of a list perhaps: its name is in buf then. */
const char *pool_choose_host(struct pool *p, char *buf, size_t size);
int pool_count_hosts(const struct pool *p);

/* p waits for a place at a host of a list: is there one at another now? */
bool pool_has_open_host(struct pool *p);

enum role_check {
	ROLE_FITS,
	ROLE_ASKED,		/* it is ready once more when it has answered */
	ROLE_WRONG,		/* e says so */
};

/* s has logged in: is it what target_session_attrs wants? */
enum role_check pool_check_role(struct server *s, struct error *e);
void pool_take_role(struct server *s, const uint8_t *row, size_t n);

/* s has said since that it is something else now, and that does not fit: it is to be closed.  (The others that are idle
 * are asked.) */
bool pool_role_is_lost(struct server *s);

/* Is it likely that another attempt brings another answer? */
bool pool_is_unreachable(const struct error *e);

void pool_stop_keeping(struct pool *p);

/* Is it (one of) those that the tenant's line names? */
bool pool_names_host(const struct pool *p, const char *host);

/* An attempt to connect failed; or was good, or what failed is not what is tried now. */
void pool_connect_failed(struct pool *p, const struct error *e);
void pool_forget_failures(struct pool *p);

/* s is where a lender may decide: close it, clean it, hold it, or make it idle. */
void pool_settle(struct server *s);

/* A connection of p's tenant and user is gone: others may grow now. */
void pool_gave_back(struct pool *p);

/* Should s be closed rather than lent again?  NULL: no; else the reason. */
const char *pool_why_close(const struct server *s, usec_t now);

/* Start cancel requests that waited for a free connection; drop those that waited too long. */
void pool_serve_cancels(struct pool *p);
void pool_drop_cancels(struct pool *p);

/* s, busy, is about to be parted from: cancel requests go on until it has closed. */
void pool_pursue(struct server *s);

/* s is about to close: its cancels are to be sent all the same, or are void. */
void pool_cancels_outlive(struct server *s);
void pool_cancels_lose(struct server *s);

#endif
