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

/* Lend idle servers to waiters; grow if somebody still waits. */
void pool_serve(struct pool *p);

/* Is a password of its user of any use, or does the configuration say one? */
bool pool_wants_secret(const struct pool *p);

/* Open one more connection if somebody needs it and every limit allows it. */
void pool_grow(struct pool *p);

/* An attempt to connect ended. */
void pool_connected(struct pool *p);
void pool_connect_failed(struct pool *p, const struct error *e);

/* s is where a lender may decide: close it, clean it, hold it, or make it idle. */
void pool_settle(struct server *s);

/* A connection of p's tenant and user is gone: others may grow now. */
void pool_gave_back(struct pool *p);

/* Should s be closed rather than lent again?  NULL: no; else the reason. */
const char *pool_why_close(const struct server *s, usec_t now);

/* Start cancel requests that waited for a free connection; drop those that waited too long. */
void pool_serve_cancels(struct pool *p);
void pool_drop_cancels(struct pool *p);

/* s is about to close: its cancels are to be sent all the same, or are void. */
void pool_cancels_outlive(struct server *s);
void pool_cancels_lose(struct server *s);

#endif
