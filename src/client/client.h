/*
 * client: a connection to an application; speaks PostgreSQL's side of the
 * protocol up to the end of login, then hands every byte to its owner.
 *
 *	CLIENT_PROXIED   ── PROXY header ────> CLIENT_STARTUP; only from proxy_protocol's addresses
 *	CLIENT_STARTUP   ── SSLRequest, direct TLS ──> CLIENT_SECURING
 *	CLIENT_SECURING  ── handshake ───────> CLIENT_STARTUP
 *	CLIENT_STARTUP   ── startup packet ──> ops->startup (or ops->cancel)
 *	CLIENT_HELD          the owner decides: client_authenticate, client_reject,
 *	                     or it moves the client to another worker first
 *	CLIENT_PASSWORD  ── the dialogue ────> CLIENT_HELD while somebody else is
 *	                     asked, or a refusal waits for its time
 *	                 ───────────────────> ops->authenticated
 *	CLIENT_HELD          the owner looks for a server, then client_welcome
 *	CLIENT_READY     ── bytes ───────────> ops->input
 *	CLIENT_CLOSING       freed at the end of the turn
 *
 * A client belongs to one thread at a time; client_detach and client_attach
 * move it.  What only login needs is in struct login and goes away with it.
 */
#ifndef CLIENT_CLIENT_H
#define CLIENT_CLIENT_H

#include <bsd/sys/queue.h>
#include <bsd/sys/tree.h>
#include <stdbool.h>
#include <stdint.h>

#include "auth/scram.h"
#include "auth/secret.h"
#include "base/buffer.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "client/attempts.h"
#include "client/bans.h"
#include "client/verifiers.h"
#include "net/address.h"
#include "net/helpers.h"
#include "net/inbox.h"
#include "net/stream.h"
#include "net/tls.h"
#include "pg/params.h"
#include "pg/startup.h"

struct client;

enum client_state {
	CLIENT_PROXIED,		/* a proxy has connected, and is to tell for whom */
	CLIENT_STARTUP,		/* no startup packet yet */
	CLIENT_SECURING,	/* the TLS handshake is under way; nothing may be read or sent */
	CLIENT_HELD,		/* somebody else has the next word, mostly the owner; bytes wait */
	CLIENT_PASSWORD,	/* the next message answers our challenge */
	CLIENT_READY,		/* logged in */
	CLIENT_CLOSING,
};

enum login_method {
	LOGIN_TRUST,
	LOGIN_PLAIN,
	LOGIN_MD5,
	LOGIN_SCRAM,
	LOGIN_PAM,
	LOGIN_LDAP,
};

/* What a client has to show, as its owner decided. Everything is copied, but for static text. */
struct login_demand {
	enum login_method method;
	const struct secret *secret;	/* NULL: the user is not known, or may not: nothing fits.  PAM and LDAP need none */
	bool as_scram;			/* LOGIN_PLAIN, if nothing fits: others are checked with a SCRAM verifier, which takes
					 * its time, and so this one is, too */
	const char *ldap_options;	/* LOGIN_LDAP: see identity/identity.h */
	const char *refusal;		/* what the client is told when it does not fit (28P01); static text, never NULL */
	const char *reason;		/* why nothing fits, for the log only; NULL: as refusal.  Static text.  With PAM
					 * and LDAP: if it is set, nothing fits */
};

struct client_ops {
	void (*startup)(struct client *c);		/* c->login->startup is there */
	void (*cancel)(struct client *c);		/* likewise; the owner closes or moves c */
	void (*authenticated)(struct client *c);
	void (*refused)(struct client *c);		/* what it showed does not fit; it is told later.  NULL: fine */
	size_t (*input)(struct client *c, const uint8_t *p, size_t n);	/* returns how many bytes were used */
	void (*drained)(struct client *c);		/* its backlog is out */
	void (*closed)(struct client *c);		/* once; c stays in place until: */
	void (*freed)(struct client *c);		/* the end of the turn; the last call */
};

/* What a worker lends to its clients; shared by all of them. */
struct client_env {
	struct loop *loop;
	struct helpers *helpers;
	struct mailbox *mailbox;
	int job_mail;				/* the mail kind of finished helper jobs */
	struct helpers *askers;			/* for what may hang: PAM, LDAP */
	struct attempts *attempts;		/* failed logins; of the process */
	struct bans *bans;			/* likewise; NULL: nobody is banned */
	struct verifiers *verifiers;		/* of this loop */
	struct tls_context *tls;		/* borrowed from the snapshot; NULL: TLS is refused */
	enum tls_mode tls_mode;
	int port;				/* listen_port, for the log */
	const char *proxy_protocol;		/* who has to tell for whom it connects; borrowed from the snapshot, may be NULL */
	usec_t message_timeout, write_timeout;	/* 0: none */
	int scram_iterations;			/* of verifiers that are made here */
	TAILQ_HEAD(login_list, login) logins;	/* in the order of connecting */
	int nlogins;
	uint64_t handshakes, failed_handshakes;	/* of TLS: those that came to a good end, and the others */
	bool log_connections, log_disconnections, log_errors;
};

/* Only while logging in. */
struct login {
	TAILQ_ENTRY(login) link;
	bool listed;			/* in env->logins: quota and deadline of logins are for it */
	bool proven;			/* who it is */
	struct client *client;
	uint8_t *packet;		/* the startup packet that `startup` reads */
	struct startup startup;
	const char *user;		/* in packet; "" if none was given */
	const char *database;		/* in packet; the user's name if none was given.  From ops->startup on: the tenant */
	char *tenant;			/* where database points to if it is not in packet; owned, or NULL */
	char *name;			/* where user points to if the owner took some of it for the tenant's; owned, or NULL */
	const char *name_sent;		/* the user's name as it was sent; in packet */
	bool routed;			/* the owner has found out which tenant it is */
	bool ssl_answered, gss_answered;	/* encryption may not be asked for again */

	enum login_method method;
	bool known;			/* something fits */
	bool as_scram;			/* of the demand */
	const char *refusal, *reason;	/* of the demand */
	char *ldap_options;
	struct secret secret;

	uint8_t salt[4];		/* MD5 */
	struct scram_server *scram;
	int iterations;			/* of the challenge, unless it is that of a stored verifier */
	bool scram_plus;		/* channel binding was offered */
	bool scram_started;
	struct buffer final;		/* the client's last SCRAM message, while the keys for it are being made */
	struct verifier_wait verifier;	/* for what PBKDF2 makes */
	struct helper_job *job;		/* PAM or LDAP are being asked; else NULL */

	bool have_keys;
	struct scram_keys keys;		/* what the client proved with */
	char *password;			/* given in clear by the client and, once it is let in, right; NULL: was not asked */

	usec_t heard_at;		/* its last answer came */
	void (*due)(struct client *c, usec_t now);	/* what it waits to do, tried at each tick; NULL: nothing */
	struct error last_words;	/* of a refusal that waits */
	const char *last_reason;
	struct error route_error;	/* told after the password is checked; sqlstate "" if none */
};

struct client {
	struct stream stream;
	struct inbox inbox;
	const struct client_ops *ops;
	struct client_env *env;
	void *owner;			/* the session, or the console's; NULL in login */
	struct login *login;		/* NULL after login */
	const char *database, *user;	/* for the log: borrowed from the owner; NULL in login */
	SPLAY_ENTRY(client) by_id;	/* the owner's set */
	struct deferred deferred;
	usec_t connected_at;
	usec_t request_at;
	usec_t message_since;		/* the unfinished message was seen first; 0: none was */
	uint32_t message_bytes;		/* that came since it began */
	uint32_t messages;		/* that it began so far; the owner counts those that are offered to it */
	size_t want;			/* length of the unfinished message, 0 if unknown */
	uint32_t id;			/* process-wide; also the pid of its cancel key */
	struct address address;
	uint8_t state;			/* enum client_state */
	bool protocol_3_2;		/* longer cancel key */
	uint8_t cancel_hops;		/* shards that its cancel request has been to */
	bool feeding;			/* its bytes are being looked at, further up the stack */
	bool mid_message;		/* the owner's: the rest of what is being sent to it is still to come */
	bool mid_request;		/* the owner's: it has used the beginning of a message whose rest is still to come */
};

/* May this accepted socket become a client?  false: close it, without a word: its address is banned or comes too often.
 * A proxy is asked when it has told for whom it comes. */
bool client_may_connect(struct client_env *env, int fd);

/* Take an accepted socket and wait for its startup packet. */
struct client *client_new(struct client_env *env, int fd, uint32_t id, const struct client_ops *ops);

/* --- login: in CLIENT_HELD, on the worker that is to own the client --- */

/* Start the dialogue; ends in ops->authenticated, or in closing.  Until then c can't be detached.
 * Who failed before waits first (client/attempts.h), unless it is let in by LOGIN_TRUST.  Who is refused is told so
 * LOGIN_REFUSAL_DELAY after its answer or at a tick behind that, whatever the reason: the time tells nothing.
 * ops->authenticated finds what was proved with in c->login: keys, password. */
#define LOGIN_REFUSAL_DELAY (100 * USEC_PER_MSEC)
void client_authenticate(struct client *c, const struct login_demand *demand);

/* Login is done: send parameters, cancel key and ReadyForQuery, free the login state, be CLIENT_READY.
 * shown: what the client is told.  notice may be NULL.  Bytes that came meanwhile are for client_resume. */
void client_welcome(struct client *c, const struct params *shown, const char *notice);

/* --- life --- */

/* Send e (if not NULL) and close.  reason stands in the log. Fine from within any callback of c. */
void client_close(struct client *c, const struct error *e, const char *reason);

/* client_close with a FATAL error whose message is also the reason. */
void client_reject(struct client *c, const char *sqlstate, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* Offer kept bytes to ops->input again, and read on. */
void client_resume(struct client *c);

/* It is to leave the thread at the end of the turn: neither quota nor deadline of logins count it from now on. */
void client_leave_logins(struct client *c);

/* Leave the thread / join another one with the same or another owner.  Nothing of c may be referred to in between. */
void client_detach(struct client *c);
void client_attach(struct client *c, struct client_env *env, const struct client_ops *ops);

/* The end of one that has left its thread, in login, and will join none: the process ends.  Any thread. */
void client_discard(struct client *c);

/* Several times a second, in login and after: close a client that does not end a message that it has begun
 * (message_timeout), or takes nothing of what waits for it (write_timeout).  64 KB of a message are as good as its end.
 * waits: it is not up to the client, its owner has something else to do first. */
void client_upkeep(struct client *c, usec_t now, bool waits);

/* Another one is about to connect: if `quota` are in login, one of them has to go, so that half-open connections lock
 * nobody out.  The oldest of those that have not named a user yet, or only want to cancel; failing that, the oldest. */
void clients_make_room(struct client_env *env, int quota);

/* Several times a second: close those in login that connected before `since` (0: none), and go on with those whose
 * delay is over. */
void clients_keep_logins(struct client_env *env, usec_t now, usec_t since);

void client_log(const struct client *c, enum log_level level, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

SPLAY_HEAD(client_set, client);

static inline int
client_compare(const struct client *a, const struct client *b)
{
	return a->id < b->id ? -1 : a->id > b->id;
}

SPLAY_PROTOTYPE(client_set, client, by_id, client_compare)

#endif
