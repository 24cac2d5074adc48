#include "client/login.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/sqlstate.h"
#include "pg/frame.h"
#include "pg/writer.h"

struct dialogue {
	void (*begin)(struct client *c);
	void (*take)(struct client *c, struct reader *r);
	size_t max;	/* of an answer's body */
};

static const struct dialogue dialogues[] = {
	[LOGIN_TRUST] = { login_accept, NULL, 0 },
	[LOGIN_PLAIN] = { password_begin, password_take, SECRET_MAX },
	[LOGIN_MD5] = { md5_begin, md5_take, SCRAM_MESSAGE_MAX },
	[LOGIN_SCRAM] = { sasl_begin, sasl_take, SCRAM_MESSAGE_MAX + 64 },
	[LOGIN_PAM] = { password_begin, password_take, SECRET_MAX },
	[LOGIN_LDAP] = { password_begin, password_take, SECRET_MAX },
};

/* --- life --- */

void
login_arrive(struct login *l)
{
	struct client_env *env;

	if (l == NULL || l->proven)
		return;
	env = l->client->env;
	TAILQ_INSERT_TAIL(&env->logins, l, link);
	env->nlogins++;
	l->listed = true;
}

void
login_leave(struct login *l)
{
	struct client_env *env;

	if (l == NULL || !l->listed)
		return;
	env = l->client->env;
	TAILQ_REMOVE(&env->logins, l, link);
	env->nlogins--;
	l->listed = false;
}

struct login *
login_new(struct client *c)
{
	struct login *l = memory_zalloc(sizeof(*l));

	l->client = c;
	login_arrive(l);
	return l;
}

static void
let_job_go(struct login *l)
{
	struct helper_job *job = l->job;

	if (job == NULL)
		return;
	job->owner = NULL;
	/* Else who connects, sends and leaves could pile up work while a directory hangs. */
	if (helpers_withdraw(l->client->env->askers, job))
		job->done(job);
}

void
login_free(struct login **lp)
{
	struct login *l = *lp;

	if (l == NULL)
		return;
	*lp = NULL;
	/* Else it is between two threads: in no list, and nobody works for it. */
	if (l->client->env != NULL) {
		login_leave(l);
		let_job_go(l);
		verifiers_leave(l->client->env->verifiers, &l->verifier);
	}
	scram_server_free(&l->scram);
	secret_release(&l->secret);
	memory_wipe(&l->keys, sizeof(l->keys));
	memory_free_secret(l->password);
	memory_free_secret(l->ldap_options);
	buffer_wipe(&l->final);
	free(l->packet);
	free(l->tenant);
	free(l->name);
	free(l);
}

/* --- the dialogue --- */

void
login_ask(struct client *c, enum authentication_request request, const void *data, size_t n)
{
	struct buffer b = BUFFER_INIT;
	size_t mark = writer_begin(&b, BE_AUTHENTICATION);

	writer_u32(&b, request);
	writer_bytes(&b, data, n);
	writer_end(&b, mark);
	stream_send_bytes(&c->stream, b.data, b.len);
	buffer_release(&b);
}

void
login_listen(struct client *c)
{
	client_enter(c, CLIENT_PASSWORD);
	client_resume(c);
}

static void
note_success(struct client *c)
{
	struct login *l = c->login;

	attempts_succeeded(c->env->attempts, &c->address, l->user);
	if (c->env->bans != NULL)
		bans_login_succeeded(c->env->bans, &c->address, l->database, l->user, clock_now());
}

void
login_accept(struct client *c)
{
	struct login *l = c->login;

	if (l->method != LOGIN_TRUST)
		note_success(c);
	login_ask(c, AUTHENTICATION_OK, NULL, 0);
	l->proven = true;
	login_leave(l);
	client_enter(c, CLIENT_HELD);
	c->ops->authenticated(c);
}

static void
say_last_words(struct client *c, usec_t now)
{
	struct login *l = c->login;

	if (now >= l->heard_at + LOGIN_REFUSAL_DELAY)
		client_close(c, &l->last_words, l->last_reason);
}

void
login_refuse_with(struct client *c, const struct error *e, const char *reason)
{
	struct login *l = c->login;

	l->last_words = *e;
	l->last_reason = reason;
	l->due = say_last_words;
	client_enter(c, CLIENT_HELD);
	stream_pause(&c->stream);
}

static void
note_failure(struct client *c)
{
	struct login *l = c->login;
	usec_t now = clock_now(), banned = 0;

	attempts_failed(c->env->attempts, &c->address, l->user, now);
	if (c->env->bans != NULL)
		banned = bans_login_failed(c->env->bans, &c->address, l->database, l->user, now);
	if (banned > 0)
		client_log(c, LOG_WARNING, "too many failed logins: its address is banned from this database for %lld s",
			   (long long)(banned / USEC_PER_SEC));
}

void
login_refuse(struct client *c, const char *reason)
{
	struct login *l = c->login;
	struct error e;

	note_failure(c);
	if (reason == NULL)
		reason = l->reason != NULL ? l->reason : l->refusal;
	error_set(&e, SEVERITY_FATAL, SQLSTATE_INVALID_PASSWORD, "%s", l->refusal);
	login_refuse_with(c, &e, reason);
	if (c->ops->refused != NULL)
		c->ops->refused(c);
}

size_t
login_password_input(struct client *c, const uint8_t *p, size_t n)
{
	const struct dialogue *d = &dialogues[c->login->method];
	struct reader r;
	struct frame f;

	switch (frame_peek(p, n, &f)) {
	case FRAME_SHORT:
		return 0;
	case FRAME_OK:
		if (f.type == FE_PASSWORD && f.size <= FRAME_HEADER + d->max)
			break;
		/* fall through */
	case FRAME_INVALID:
		client_reject(c, SQLSTATE_PROTOCOL_VIOLATION, "expected password response, got %s",
			      p[0] == FE_PASSWORD ? "one of an invalid length" : "another message");
		return n;
	}
	if (n < f.size) {
		c->want = f.size;
		return 0;
	}
	c->want = 0;
	c->login->heard_at = clock_now();
	reader_init(&r, p + FRAME_HEADER, f.size - FRAME_HEADER);
	d->take(c, &r);
	return f.size;
}

/* Failed before?  Then it waits for its turn. */
static void
begin(struct client *c, usec_t now)
{
	struct login *l = c->login;

	if (attempts_delay(c->env->attempts, &c->address, l->user, now) > 0) {
		l->due = begin;
		return;
	}
	l->due = NULL;
	dialogues[l->method].begin(c);
}

void
login_tick(struct client *c, usec_t now)
{
	if (c->login->due != NULL)
		c->login->due(c, now);
}

/* With PAM and LDAP somebody else knows the user. */
static bool
something_fits(const struct login_demand *d)
{
	return d->method == LOGIN_PAM || d->method == LOGIN_LDAP ? d->reason == NULL : d->secret != NULL;
}

void
client_authenticate(struct client *c, const struct login_demand *demand)
{
	struct login *l = c->login;

	l->method = demand->method;
	l->known = something_fits(demand);
	l->as_scram = demand->as_scram;
	l->refusal = demand->refusal;
	l->reason = demand->reason;
	if (demand->secret != NULL)
		secret_copy(&l->secret, demand->secret);
	if (demand->ldap_options != NULL)
		l->ldap_options = memory_strdup(demand->ldap_options);
	if (l->method == LOGIN_TRUST)
		login_accept(c);
	else
		begin(c, clock_now());
	if (c->login != NULL && c->login->due == begin && c->env->log_errors)
		client_log(c, LOG_INFO, "failed before: waits for its next attempt");
}
