/* Passwords that are shown in one message: hashed with a salt (md5), or in clear. */
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/sqlstate.h"
#include "client/login.h"
#include "identity/identity.h"

/* The one string of an answer; NULL: there is none, and c is refused. */
static const char *
read_answer(struct client *c, struct reader *r)
{
	const char *text = reader_string(r);

	if (!reader_done(r))
		client_reject(c, SQLSTATE_PROTOCOL_VIOLATION, "invalid password packet size");
	else if (text[0] == '\0')
		login_refuse(c, "empty password returned by client");
	else
		return text;
	return NULL;
}

/* --- md5 --- */

void
md5_begin(struct client *c)
{
	struct login *l = c->login;

	if (RAND_bytes(l->salt, sizeof(l->salt)) != 1)
		abort();
	login_ask(c, AUTHENTICATION_MD5_PASSWORD, l->salt, sizeof(l->salt));
	login_listen(c);
}

void
md5_take(struct client *c, struct reader *r)
{
	struct login *l = c->login;
	const char *text = read_answer(c, r);

	if (text == NULL)
		return;
	if (l->known && md5_verify(&l->secret, l->name_sent, l->salt, text))
		login_accept(c);
	else
		login_refuse(c, NULL);
}

/* --- in clear --- */

void
password_begin(struct client *c)
{
	login_ask(c, AUTHENTICATION_CLEARTEXT_PASSWORD, NULL, 0);
	login_listen(c);
}

/* A verifier that PBKDF2 was asked about. */
static void
on_verified(struct verifier_wait *w, const struct scram_verifier *v)
{
	struct client *c = container_of(w, struct login, verifier)->client;

	if (v != NULL && c->login->known)
		login_accept(c);
	else
		login_refuse(c, NULL);
}

/* A secret that nothing fits. */
static void
mock_secret(struct client *c)
{
	struct login *l = c->login;
	struct scram_verifier v;
	char text[400];

	verifiers_mock(l->user, c->env->scram_iterations, &v);
	secret_format_scram(&v, text, sizeof(text));
	secret_release(&l->secret);
	secret_parse(&l->secret, text);
}

static void
check_ourselves(struct client *c)
{
	struct login *l = c->login;
	bool fits;

	if (l->as_scram && (!l->known || l->secret.kind == SECRET_NONE)) {
		l->known = false;
		mock_secret(c);
	}
	if (l->secret.kind == SECRET_SCRAM) {
		l->verifier.done = on_verified;
		if (verifiers_check(c->env->verifiers, &l->secret, l->password, &l->verifier) == NULL) {
			client_enter(c, CLIENT_HELD);
			return;
		}
		fits = l->known;
	} else {
		fits = l->known && password_verify(&l->secret, l->user, l->password);
	}
	if (fits)
		login_accept(c);
	else
		login_refuse(c, NULL);
}

/* --- asking PAM or a directory --- */

struct question {
	struct helper_job job;
	enum login_method method;
	char *user, *password, *options;
	char host[ADDRESS_TEXT];	/* "": a Unix socket */
	enum identity_verdict verdict;
	struct error error;
};

static void
work_ask(struct helper_job *job)
{
	struct question *q = container_of(job, struct question, job);

	if (q->method == LOGIN_PAM)
		q->verdict = pam_check(q->user, q->password, q->host[0] != '\0' ? q->host : NULL, &q->error);
	else
		q->verdict = ldap_check(q->options, q->user, q->password, &q->error);
}

static void
free_question(struct question *q)
{
	memory_free_secret(q->password);
	memory_free_secret(q->options);
	free(q->user);
	free(q);
}

static void
take_verdict(struct client *c, const struct question *q)
{
	struct error e;

	switch (q->verdict) {
	case IDENTITY_FITS:
		login_accept(c);
		return;
	case IDENTITY_REFUSED:
		login_refuse(c, NULL);
		return;
	case IDENTITY_FAILED:
		/* The client is told nothing else, as PostgreSQL does; but it has not failed. */
		client_log(c, LOG_WARNING, "cannot check the password: %s", q->error.message);
		error_set(&e, SEVERITY_FATAL, SQLSTATE_INVALID_PASSWORD, "%s", c->login->refusal);
		login_refuse_with(c, &e, c->login->refusal);
		return;
	}
}

static void
done_ask(struct helper_job *job)
{
	struct question *q = container_of(job, struct question, job);
	struct client *c = job->owner;

	if (c != NULL) {
		c->login->job = NULL;
		take_verdict(c, q);
	}
	free_question(q);
}

static void
ask_others(struct client *c)
{
	struct login *l = c->login;
	struct question *q = memory_zalloc(sizeof(*q));

	q->method = l->method;
	q->user = memory_strdup(l->user);
	q->password = memory_strdup(l->password);
	q->options = memory_strdup(l->ldap_options != NULL ? l->ldap_options : "");
	if (c->address.family != AF_UNIX)
		address_host(&c->address, q->host);
	q->job.mail.kind = c->env->job_mail;
	q->job.reply = c->env->mailbox;
	q->job.work = work_ask;
	q->job.done = done_ask;
	q->job.owner = c;
	client_enter(c, CLIENT_HELD);
	if (helpers_offer(c->env->askers, &q->job)) {
		l->job = &q->job;
		return;
	}
	q->verdict = IDENTITY_FAILED;
	error_set(&q->error, SEVERITY_ERROR, SQLSTATE_CANNOT_CONNECT_NOW, "too many passwords wait to be checked");
	take_verdict(c, q);
	free_question(q);
}

void
password_take(struct client *c, struct reader *r)
{
	struct login *l = c->login;
	const char *text = read_answer(c, r);

	if (text == NULL)
		return;
	l->password = memory_strdup(text);
	if (l->method == LOGIN_PLAIN)
		check_ourselves(c);
	else if (l->known)
		ask_others(c);
	else
		login_refuse(c, NULL);
}
