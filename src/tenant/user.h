/*
 * user: who connects, across all tenants and workers.
 *
 * One per name in use, shared by all threads; the registry's lock is taken
 * when a client logs in and when the last one of a user leaves.
 */
#ifndef TENANT_USER_H
#define TENANT_USER_H

#include <uthash.h>

#include "tenant/budget.h"

struct users;

struct user {
	struct budget clients;	/* max_user_client_connections */
	struct budget servers;	/* max_user_connections */
	int refs;		/* under the registry's lock */
	UT_hash_handle hh;	/* under the registry's lock */
	char name[];
};

struct users *users_new(void);
void users_free(struct users **u);

/* A reference, given back with users_put. */
struct user *users_get(struct users *u, const char *name);
struct user *users_ref(struct users *u, struct user *user);
void users_put(struct users *u, struct user **user);	/* NULL is fine */

/* How many connections a name has now; 0 for one that is not in use. */
void users_counts(struct users *u, const char *name, int *clients, int *servers);

/* Call fn for each name in use, under the lock: fn only copies. */
void users_each(struct users *u, void (*fn)(void *arg, struct user *user), void *arg);

#endif
