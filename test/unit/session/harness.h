/*
 * harness: real shards on real loops, each in a thread of its own; the test's
 * thread is their clients, and PostgreSQL (talk.h).
 *
 *	house_open(1, "one = PG user=pooler pool_size=1", "");
 *	c = client_open(0, "user=alice,database=one");
 *	s = backend_open();				it wanted a server to know what to tell its client
 *	client_welcome(c);
 *	say(c, "Q(select 1)");
 *	hear(s, "Q(select 1)");
 *	say(s, "T D(1) C(SELECT 1) Z(I)");
 *	hear(c, "T D(1) C(SELECT 1) Z(I)");
 *	house_close();					nothing may leak
 *
 * Workers do their upkeep every 20 ms.
 */
#ifndef TEST_SESSION_HARNESS_H
#define TEST_SESSION_HARNESS_H

#include "session/session.h"
#include "talk.h"

/* Start shards with these lines of [databases], in which PG stands for host and port of the test's
 * PostgreSQL, and of [pgbouncer].  auth_type is any (each database needs a user=), pool_mode is
 * transaction. */
void house_open(int nworkers, const char *databases, const char *settings);

/* Close all peers, release and free the shards. */
void house_close(void);

/* Run fn on a worker's thread, and wait for it. */
void house_call(int worker, void (*fn)(struct shard *s, void *arg), void *arg);

/* Every worker has served what was there to be served. */
void house_settle(void);

/* Ask on the worker's thread, again and again, until it is so; the test fails if it never is. */
#define house_until(worker, is, arg) house_until_from(worker, is, arg, __LINE__)
void house_until_from(int worker, bool (*is)(struct shard *s, void *arg), void *arg, int line);

/* Let a worker take another configuration. */
void house_configure(int worker, const char *databases, const char *settings);

/* The record of the last slow query (owned by the caller), or NULL; it is told once. */
struct slow_query *house_slow_query(void);

/* --- peers; closed with the house --- */

/* A connection to a worker, without a word said. */
struct peer *client_connect(int worker);

/* Likewise, with a startup packet. */
struct peer *client_open(int worker, const char *parameters);

/* A connection with a request to cancel what a client runs. */
struct peer *client_cancel(int worker, const struct peer *whom);

/* Read what a client is told when it is logged in. */
#define client_welcome(c) hear_until(c, 'Z')

/* The next connection to PostgreSQL, without a word said. */
struct peer *backend_accept(void);

/* Likewise, and let it in. */
struct peer *backend_open(void);
void backend_let_in(struct peer *s);

/* Nobody wants to connect to PostgreSQL. */
bool backend_is_unwanted(void);

/* A logged-in client, and its server. */
void pair_open(struct peer **c, struct peer **s);

/* The session of a client, for house_call's functions; NULL: it is not here. */
struct session *session_of(struct shard *s, const struct peer *c);

/* --- moving (session/move.h): pack on one worker, post, unpack on the other --- */

/* Move c's session as soon as it is movable; returns when it has left. */
void move_client(struct peer *c, int from, int to);

/* Move an idle server of database; false: none is idle. */
bool move_server(const char *database, int from, int to);

#endif
