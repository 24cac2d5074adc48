#include "server/authentication.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/sqlstate.h"
#include "base/strings.h"
#include "pg/message.h"
#include "pg/writer.h"
#include "server/login.h"

#define MD5_SALT 4

/* Keys from a password: PBKDF2, so a helper does it. */
struct keys_job {
	struct helper_job job;
	char *password;
	size_t salt_size;
	uint8_t salt[SCRAM_SALT_MAX];
	int iterations;
	struct scram_keys keys;
};

static void
answer(struct server *s, const void *data, size_t n)
{
	struct buffer b = BUFFER_INIT;
	size_t mark = writer_begin(&b, FE_PASSWORD);

	writer_bytes(&b, data, n);
	writer_end(&b, mark);
	server_login_send(s, &b);
}

static void
fail_without_password(struct server *s)
{
	struct server_login *l = s->login;
	struct error e;

	error_set(&e, SEVERITY_FATAL, SQLSTATE_INVALID_PASSWORD,
		  "server login failed: wrong password type: what is known of the password of user \"%s\" "
		  "is not what the server asks for",
		  l->user);
	error_hint(&e, "Put the plain password, or for md5 its md5 hash, into auth_file or the database's line.");
	server_close(s, &e, e.message);
}

/* Nobody sends less than the operator wants to be asked for. */
static bool
is_allowed(struct server *s, unsigned demands, const char *what)
{
	struct error e;

	if ((s->login->demands & demands) != 0)
		return true;
	error_set(&e, SEVERITY_FATAL, SQLSTATE_INVALID_AUTHORIZATION,
		  "server login failed: the server asks for %s, which server_require_auth does not allow", what);
	error_hint(&e, "Let pg_hba.conf of the server demand another method, or allow this one in server_require_auth.");
	server_log(s, LOG_WARNING, "%s", e.message);
	server_close(s, &e, e.message);
	return false;
}

static void
answer_plain(struct server *s, struct reader *r)
{
	struct server_login *l = s->login;

	(void)r;
	if (!is_allowed(s, DEMAND_PASSWORD, "the password in plain text"))
		return;
	l->step = STEP_PASSWORD_SENT;
	if (l->have_secret && l->secret.kind == SECRET_PLAIN)
		answer(s, l->secret.text, strlen(l->secret.text) + 1);
	else
		fail_without_password(s);
}

/* md5(password user), if it is known, or can be made from what is known. */
static bool
hash_secret(const struct server_login *l, char stored[36])
{
	if (l->secret.kind == SECRET_PLAIN)
		return md5_encrypt(l->secret.text, l->user, stored);
	if (l->secret.kind == SECRET_MD5)
		string_copy(stored, l->secret.text, 36);
	return l->secret.kind == SECRET_MD5;
}

static void
answer_md5(struct server *s, struct reader *r)
{
	struct server_login *l = s->login;
	const uint8_t *salt = reader_bytes(r, MD5_SALT);
	char stored[36] = "", text[36] = "";

	if (!is_allowed(s, DEMAND_MD5, "an md5 hash of the password"))
		return;
	l->step = STEP_PASSWORD_SENT;
	if (!l->have_secret || !hash_secret(l, stored))
		fail_without_password(s);
	else if (!md5_answer(stored, salt, text))
		server_login_fail(s, SQLSTATE_FEATURE_NOT_SUPPORTED, "OpenSSL refuses to compute MD5");
	else
		answer(s, text, sizeof(text));
	memory_wipe(stored, sizeof(stored));
	memory_wipe(text, sizeof(text));
}

struct mechanisms {
	bool scram, scram_plus;
};

/* The names that the server offers, up to an empty one. */
static bool
read_mechanisms(struct reader *r, struct mechanisms *m)
{
	const char *name;

	*m = (struct mechanisms){ .scram = false };
	for (name = reader_string(r); name[0] != '\0'; name = reader_string(r)) {
		m->scram |= strcmp(name, SCRAM_MECHANISM) == 0;
		m->scram_plus |= strcmp(name, SCRAM_MECHANISM_PLUS) == 0;
	}
	return reader_done(r);
}

/* What we can bind to and what we know of the server's offer (RFC 5802, section 6). */
static enum scram_channel
choose_channel(const struct server *s, const struct mechanisms *m, struct scram_binding *binding)
{
	binding->size = stream_is_tls(&s->stream) ? tls_server_end_point(&s->stream, binding->data) : 0;
	if (binding->size == 0)
		return SCRAM_NO_TLS;
	return m->scram_plus ? SCRAM_BOUND : SCRAM_NOT_OFFERED;
}

static void
send_scram_first(struct server *s, const char *mechanism)
{
	const char *first = scram_client_first(s->login->scram);
	struct buffer b = BUFFER_INIT;
	size_t mark = writer_begin(&b, FE_PASSWORD);

	writer_string(&b, mechanism);
	writer_u32(&b, (uint32_t)strlen(first));
	writer_bytes(&b, first, strlen(first));
	writer_end(&b, mark);
	server_login_send(s, &b);
}

static void
begin_scram(struct server *s, struct reader *r)
{
	struct server_login *l = s->login;
	struct scram_binding binding;
	enum scram_channel channel;
	struct mechanisms m;
	bool bound;

	if (!read_mechanisms(r, &m)) {
		server_login_violated(s, "AuthenticationSASL", "is malformed");
		return;
	}
	channel = choose_channel(s, &m, &binding);
	bound = channel == SCRAM_BOUND;
	if (!bound && !m.scram) {
		server_login_fail(s, SQLSTATE_PROTOCOL_VIOLATION, "the server offers no SASL mechanism that we speak");
		return;
	}
	if (!is_allowed(s, bound ? DEMAND_SCRAM | DEMAND_SCRAM_PLUS : DEMAND_SCRAM,
			bound ? "scram-sha-256-plus" : "scram-sha-256 without channel binding"))
		return;
	if (!l->have_keys && !(l->have_secret && l->secret.kind == SECRET_PLAIN)) {
		fail_without_password(s);
		return;
	}
	l->step = STEP_SCRAM_BEGUN;
	l->scram = scram_client_new(channel, bound ? &binding : NULL);
	send_scram_first(s, bound ? SCRAM_MECHANISM_PLUS : SCRAM_MECHANISM);
}

/* What was wrong is in the detail, which the line about closing does not show. */
static void
fail_scram(struct server *s, const struct error *e)
{
	struct error own;

	error_set(&own, SEVERITY_FATAL, e->sqlstate, "server login failed: %s", e->message);
	if (e->detail[0] != '\0') {
		error_detail(&own, "%s", e->detail);
		server_log(s, LOG_WARNING, "%s: %s", e->message, e->detail);
	}
	if (e->hint[0] != '\0')
		error_hint(&own, "%s", e->hint);
	server_close(s, &own, own.message);
}

static void
finish_scram(struct server *s)
{
	const char *final = scram_client_final(s->login->scram, &s->login->keys);

	answer(s, final, strlen(final));
}

static void
work_derive(struct helper_job *job)
{
	struct keys_job *kj = container_of(job, struct keys_job, job);

	scram_derive_keys(kj->password, kj->salt, kj->salt_size, kj->iterations, &kj->keys);
}

static void
done_derive(struct helper_job *job)
{
	struct keys_job *kj = container_of(job, struct keys_job, job);
	struct server *s = job->owner;

	if (s != NULL) {
		s->login->job = NULL;
		s->login->keys = kj->keys;
		s->heard_at = clock_now();	/* it was we who took so long */
		finish_scram(s);
		server_resume(s);
	}
	memory_free_secret(kj->password);
	memory_wipe(&kj->keys, sizeof(kj->keys));
	free(kj);
}

static void
derive_keys(struct server *s)
{
	const struct keys_origin *from = &s->login->origin;
	struct keys_job *kj = memory_zalloc(sizeof(*kj));

	kj->password = memory_strdup(from->password);
	kj->salt_size = from->salt_size;
	memcpy(kj->salt, from->salt, from->salt_size);
	kj->iterations = from->iterations;
	kj->job.work = work_derive;
	kj->job.done = done_derive;
	kj->job.owner = s;
	kj->job.reply = s->env->mailbox;
	kj->job.mail.kind = s->env->job_mail;
	s->login->job = &kj->job;
	helpers_submit(s->env->helpers, &kj->job);
}

static void
continue_scram(struct server *s, struct reader *r)
{
	struct server_login *l = s->login;
	struct keys_origin from = { .password = NULL };
	size_t n = reader_left(r);
	struct error e;

	if (!scram_client_challenge(l->scram, reader_bytes(r, n), n, &from.salt, &from.salt_size, &from.iterations, &e)) {
		fail_scram(s, &e);
		return;
	}
	l->step = STEP_SCRAM_PROVING;
	if (!l->have_secret || l->secret.kind != SECRET_PLAIN) {
		finish_scram(s);
		return;
	}
	from.password = l->secret.text;
	l->origin = from;
	if (l->known != NULL && known_keys_find(*l->known, &from, &l->keys))
		finish_scram(s);
	else
		derive_keys(s);
}

static void
verify_scram(struct server *s, struct reader *r)
{
	struct server_login *l = s->login;
	size_t n = reader_left(r);
	struct error e;

	if (!scram_client_verify(l->scram, reader_bytes(r, n), n, &e)) {
		fail_scram(s, &e);
		return;
	}
	l->step = STEP_SCRAM_VERIFIED;
	if (l->known != NULL && l->origin.password != NULL)
		known_keys_keep(l->known, &l->origin, &l->keys);
}

static void
accept_ok(struct server *s, struct reader *r)
{
	struct server_login *l = s->login;

	(void)r;
	if (l->step == STEP_SCRAM_BEGUN || l->step == STEP_SCRAM_PROVING)
		server_login_fail(s, SQLSTATE_INVALID_AUTHORIZATION, "the server did not prove that it knows the password");
	else if (l->step != STEP_STARTED || is_allowed(s, DEMAND_NONE, "no authentication"))
		l->step = STEP_AUTHENTICATED;
}

#define IN(step) (1u << (step))
#define ANY_SIZE SIZE_MAX

static const struct request {
	uint32_t code;
	unsigned steps;		/* in which it may come */
	size_t size;		/* of what follows the code */
	const char *name;
	void (*handle)(struct server *s, struct reader *r);
} requests[] = {
	{ AUTHENTICATION_OK, ~IN(STEP_AUTHENTICATED), 0, "AuthenticationOk", accept_ok },
	{ AUTHENTICATION_CLEARTEXT_PASSWORD, IN(STEP_STARTED), 0, "AuthenticationCleartextPassword", answer_plain },
	{ AUTHENTICATION_MD5_PASSWORD, IN(STEP_STARTED), MD5_SALT, "AuthenticationMD5Password", answer_md5 },
	{ AUTHENTICATION_SASL, IN(STEP_STARTED), ANY_SIZE, "AuthenticationSASL", begin_scram },
	{ AUTHENTICATION_SASL_CONTINUE, IN(STEP_SCRAM_BEGUN), ANY_SIZE, "AuthenticationSASLContinue", continue_scram },
	{ AUTHENTICATION_SASL_FINAL, IN(STEP_SCRAM_PROVING), ANY_SIZE, "AuthenticationSASLFinal", verify_scram },
};

static const struct request *
find_request(uint32_t code)
{
	for (size_t i = 0; i < lengthof(requests); i++) {
		if (requests[i].code == code)
			return &requests[i];
	}
	return NULL;
}

void
authentication_request(struct server *s, struct reader *r)
{
	const struct request *request = find_request(reader_u32(r));

	if (!reader_ok(r))
		server_login_violated(s, "Authentication message", "is malformed");
	else if (request == NULL)
		server_login_fail(s, SQLSTATE_FEATURE_NOT_SUPPORTED,
				  "the server asks for an authentication method that we do not speak");
	else if ((request->steps & IN(s->login->step)) == 0)
		server_login_violated(s, request->name, "out of order");
	else if (request->size != ANY_SIZE && request->size != reader_left(r))
		server_login_violated(s, request->name, "is malformed");
	else
		request->handle(s, r);
}
