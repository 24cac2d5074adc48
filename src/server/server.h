/*
 * server: a connection to PostgreSQL; speaks the client's side of the protocol
 * through connecting and login, then serves whoever leases it.
 *
 *	SERVER_DIALING   ── connected ──> SERVER_SECURING
 *	SERVER_SECURING  ── TLS stands, or plain is agreed ──> SERVER_LOGIN
 *	SERVER_LOGIN     ── ReadyForQuery ──> SERVER_FREE, keeper->ready
 *	SERVER_FREE      idle in its keeper's hands; server_run -> SERVER_RUNNING
 *	SERVER_RUNNING   a command of our own ── ReadyForQuery ──> SERVER_FREE, keeper->ready
 *	SERVER_LEASED    bytes ──> lessee->input; server_unlease -> SERVER_FREE
 *	SERVER_CLOSED    freed at the end of the turn
 *
 * The keeper is the pool; the lessee is a session.  They are two sets of
 * functions, so that neither needs to know the other's business.
 *
 * A server belongs to one thread; server_detach and server_attach move a free
 * one.
 */
#ifndef SERVER_SERVER_H
#define SERVER_SERVER_H

#include <bsd/sys/queue.h>
#include <stdbool.h>
#include <stdint.h>

#include "auth/scram.h"
#include "auth/secret.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "config/config.h"
#include "net/address.h"
#include "net/dial.h"
#include "net/helpers.h"
#include "net/inbox.h"
#include "net/stream.h"
#include "pg/cancel.h"
#include "pg/params.h"
#include "server/known_keys.h"
#include "server/security.h"

struct seat;
struct server;

enum server_state {
	SERVER_DIALING,
	SERVER_SECURING,
	SERVER_LOGIN,
	SERVER_FREE,
	SERVER_RUNNING,
	SERVER_LEASED,
	SERVER_CLOSED,
};

/* What a lessee may leave behind on a server. */
enum server_taint {
	TAINT_SETTINGS = 1,	/* settings, LISTEN, cursors, temporary tables */
	TAINT_STATEMENTS = 2,	/* SQL-level PREPARE */
};

struct server_keeper {
	void (*ready)(struct server *s);			/* logged in, or server_run is done */
	void (*run_failed)(struct server *s, const struct error *e);	/* server_run got an error; ready follows */
	void (*row)(struct server *s, const uint8_t *body, size_t n);	/* of what server_run asked: the body of a DataRow; may be NULL */
	void (*closed)(struct server *s, const struct error *e);	/* once; e: why.  Also when connecting failed */
};

struct server_lessee {
	size_t (*input)(struct server *s, const uint8_t *p, size_t n);	/* returns how many bytes were used */
	void (*drained)(struct server *s);
	bool (*waits_for_client)(const struct server *s);	/* it has nothing to do, or is not heard; NULL: not known */
	void (*lost)(struct server *s, const struct error *e);		/* before keeper->closed */
};

/* What a worker lends to its servers; shared by all of them. */
struct server_env {
	struct loop *loop;
	struct helpers *helpers;
	struct mailbox *mailbox;
	int job_mail;
	struct params_table *params;
	struct stream_options stream_options;
	const char *tracked;		/* names of the parameters that sessions carry along; a list */
	bool log_connections, log_disconnections;
};

/* How to log in; strings and keys are copied. */
struct server_login_as {
	const char *user;
	const char *database;
	const struct secret *secret;		/* NULL: no password known */
	const struct scram_keys *keys;		/* NULL: none; they log in where the password is not known */
	struct known_keys **known_keys;		/* of the pool, in use until keeper->ready or closed; NULL: none */
	const char *const *parameters;		/* name, value, ..., NULL: further startup parameters */
	struct tls_context *tls;		/* referenced; NULL: TLS is not spoken.  Nor is it over a Unix socket */
	enum tls_mode tls_mode;
	enum tls_negotiation tls_negotiation;
	unsigned demands;			/* enum auth_demand: what the server may ask for */
};

struct server {
	struct stream stream;
	struct inbox inbox;
	struct server_env *env;
	const struct server_keeper *keeper;
	const struct server_lessee *lessee;	/* NULL: not leased */
	void *pool;				/* the keeper's */
	void *lease;				/* the lessee's; stays over leases */
	void (*free_lease)(struct server *s);	/* called once before the server goes */
	TAILQ_ENTRY(server) link;		/* the keeper's list */
	struct dial *dial;
	struct security security;		/* how it began; a cancel request for it goes the same way */
	struct server_login *login;		/* NULL after login */
	const struct params *reported;		/* all that it reported (ParameterStatus) */
	const struct params *tracked;		/* of these, what sessions carry along */
	const char *database, *user;		/* for the log; owned by the keeper */
	struct deferred deferred;
	usec_t connected_at;			/* connecting began */
	usec_t heard_at;			/* it was got any further with since, before it was ready */
	usec_t request_at;			/* last lent */
	usec_t ended_at;			/* pool/pace.h: the last statement that it ran */
	usec_t free_since;
	usec_t checked_at;			/* when it was last known to answer */
	usec_t run_at;				/* when server_run was called last */
	size_t want;
	uint32_t id;				/* process-wide */
	uint32_t backend_pid;
	uint16_t key_size;
	uint8_t *key;				/* of its cancel key; key_size bytes */
	struct address address;
	uint64_t line_hash;			/* the tenant's when it was opened, */
	unsigned generation;			/* and this, too */
	uint16_t cancels;			/* cancel requests for it that are under way */
	uint8_t state;				/* enum server_state */
	uint8_t place;				/* the keeper's: which list it is in */
	uint8_t taint;				/* enum server_taint, or-ed; the lessee's to set, the keeper's to clean */
	uint8_t transaction;			/* enum transaction_status, as it said last */
	bool close_needed;			/* close it when it comes back */
	bool reset_needed;			/* the keeper's: a session ended on it */
	bool connect_query_due;			/* the keeper's: settings were reset */
	bool forgiving;				/* the keeper's: what runs may fail */
	bool checked;				/* the keeper's: checked_at is of a check, not of use */
	bool used;				/* the keeper's: was lent at least once */
	bool given_up;				/* the keeper's: before it was known whether it answers */
	bool leaving;				/* the keeper's: its seat knows that it goes */
	bool reserved;				/* the keeper's: it was opened for an administrator */
	uint8_t role;				/* the keeper's: enum host_role, if it matters */
	struct seat *seat;			/* the keeper's: its place at its host; NULL: none */
	bool aside;				/* pool/pace.h: takes up no place */
	bool feeding;
};

/* Start connecting. Ends in keeper->ready or keeper->closed, never from within this call. */
struct server *server_open(struct server_env *env, const char *host, int port, const struct server_login_as *as,
			   uint32_t id, const struct server_keeper *keeper, void *pool);

/* Run a command of ours and throw its result away; then keeper->ready.  In SERVER_FREE; an empty sql is fine. */
void server_run(struct server *s, const char *sql);

/* A session takes a free server, and gives it back.  Giving back is legal only when nothing is outstanding. */
void server_lease(struct server *s, const struct server_lessee *lessee);
void server_unlease(struct server *s);

/* Is it a helper of ours that its login waits for? */
bool server_waits_for_us(const struct server *s);

/* Offer kept bytes to lessee->input again, and read on. */
void server_resume(struct server *s);

/* Close it: Terminate where that makes sense, then keeper->closed with e (may be NULL: `reason` of ours).
 * reason stands in the log. */
void server_close(struct server *s, const struct error *e, const char *reason);

/* The server reported name = value; keeps reported and tracked.  For lessees, who see the message first. */
void server_set_parameter(struct server *s, const char *name, const char *value);

/* Likewise, from the body of a ParameterStatus; what can't be read is ignored. */
void server_take_parameter(struct server *s, const uint8_t *body, size_t n);

/* Leave the thread / join another one; in SERVER_FREE, in no list, without a lease.  Between the two, and until the
 * new keeper takes it, it has no parameters: they are interned per thread. */
void server_detach(struct server *s);
void server_attach(struct server *s, struct server_env *env);

/* The end of one that has left its thread and joins no other. */
void server_drop(struct server *s);

/* What server_close says to it first (Terminate), for who takes its stream away before that. */
void server_say_goodbye(struct server *s);

void server_log(const struct server *s, enum log_level level, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#endif
