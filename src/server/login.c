#include "server/login.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/sqlstate.h"
#include "pg/message.h"
#include "pg/reader.h"
#include "pg/response.h"
#include "pg/startup.h"
#include "pg/writer.h"

struct server_login {
	char *user;
	char *database;
	struct buffer parameters;	/* name NUL value NUL ... */
	struct secret secret;
	bool have_secret;
	bool have_keys;
	struct scram_keys keys;
	struct scram_client *scram;
	bool scram_verified;
	bool authenticated;
	struct helper_job *job;
};

/* Keys from a password: PBKDF2, so a helper does it. */
struct keys_job {
	struct helper_job job;
	char *password;
	size_t salt_size;
	uint8_t salt[SCRAM_SALT_MAX];
	int iterations;
	struct scram_keys keys;
};

struct server_login *
server_login_new(const struct server_login_as *as)
{
	struct server_login *l = memory_zalloc(sizeof(*l));

	l->user = memory_strdup(as->user);
	l->database = memory_strdup(as->database);
	if (as->secret != NULL && as->secret->kind != SECRET_NONE) {
		secret_copy(&l->secret, as->secret);
		l->have_secret = true;
	}
	if (as->keys != NULL) {
		l->keys = *as->keys;
		l->have_keys = true;
	}
	for (const char *const *p = as->parameters; p != NULL && *p != NULL; p++)
		writer_string(&l->parameters, *p);
	return l;
}

void
server_login_free(struct server_login **lp)
{
	struct server_login *l = *lp;

	if (l == NULL)
		return;
	*lp = NULL;
	if (l->job != NULL)
		l->job->owner = NULL;
	scram_client_free(&l->scram);
	secret_release(&l->secret);
	memory_wipe(&l->keys, sizeof(l->keys));
	buffer_release(&l->parameters);
	free(l->user);
	free(l->database);
	free(l);
}

bool
server_login_waits(const struct server *s)
{
	return s->login->job != NULL;
}

static void
send_buffer(struct server *s, struct buffer *b)
{
	stream_send_bytes(&s->stream, b->data, b->len);
	buffer_wipe(b);
}

void
server_login_start(struct server *s)
{
	struct server_login *l = s->login;
	struct buffer b = BUFFER_INIT;
	size_t mark = writer_begin(&b, 0);

	writer_u32(&b, STARTUP_VERSION_3_0);
	writer_string(&b, "user");
	writer_string(&b, l->user);
	writer_string(&b, "database");
	writer_string(&b, l->database);
	writer_bytes(&b, l->parameters.data, l->parameters.len);
	writer_u8(&b, 0);
	writer_end(&b, mark);
	send_buffer(s, &b);
}

static void
fail(struct server *s, const char *sqlstate, const char *message)
{
	struct error e;

	error_set(&e, SEVERITY_FATAL, sqlstate, "server login failed: %s", message);
	server_close(s, &e, e.message);
}

static void
answer(struct server *s, const void *data, size_t n)
{
	struct buffer b = BUFFER_INIT;
	size_t mark = writer_begin(&b, FE_PASSWORD);

	writer_bytes(&b, data, n);
	writer_end(&b, mark);
	send_buffer(s, &b);
}

static void
fail_without_password(struct server *s)
{
	struct server_login *l = s->login;
	struct error e;

	error_set(&e, SEVERITY_FATAL, SQLSTATE_INVALID_PASSWORD,
		  "server login failed: wrong password type: what is known of the password of user \"%s\" is not what the server asks for",
		  l->user);
	error_hint(&e, "Put the plain password, or for md5 its md5 hash, into auth_file or the database's line.");
	server_close(s, &e, e.message);
}

static void
answer_plain(struct server *s)
{
	struct server_login *l = s->login;

	if (l->have_secret && l->secret.kind == SECRET_PLAIN)
		answer(s, l->secret.text, strlen(l->secret.text) + 1);
	else
		fail_without_password(s);
}

static void
answer_md5(struct server *s, struct reader *r)
{
	struct server_login *l = s->login;
	const uint8_t *salt = reader_bytes(r, 4);
	char stored[36], text[36];

	if (!reader_ok(r)) {
		fail(s, SQLSTATE_PROTOCOL_VIOLATION, "malformed AuthenticationMD5Password message");
		return;
	}
	if (l->have_secret && l->secret.kind == SECRET_PLAIN)
		md5_encrypt(l->secret.text, l->user, stored);
	else if (l->have_secret && l->secret.kind == SECRET_MD5)
		memcpy(stored, l->secret.text, sizeof(stored));
	else {
		fail_without_password(s);
		return;
	}
	md5_answer(stored, salt, text);
	answer(s, text, sizeof(text));
	memory_wipe(stored, sizeof(stored));
	memory_wipe(text, sizeof(text));
}

static void
begin_scram(struct server *s, struct reader *r)
{
	struct server_login *l = s->login;
	struct buffer b = BUFFER_INIT;
	const char *name, *first;
	bool offered = false;
	size_t mark;

	for (name = reader_string(r); reader_ok(r) && name[0] != '\0'; name = reader_string(r))
		offered |= strcmp(name, SCRAM_MECHANISM) == 0;
	if (!offered || l->scram != NULL) {
		fail(s, SQLSTATE_PROTOCOL_VIOLATION, "the server offers no SASL mechanism that we speak");
		return;
	}
	if (!l->have_keys && !(l->have_secret && l->secret.kind == SECRET_PLAIN)) {
		fail_without_password(s);
		return;
	}
	l->scram = scram_client_new();
	first = scram_client_first(l->scram);
	mark = writer_begin(&b, FE_PASSWORD);
	writer_string(&b, SCRAM_MECHANISM);
	writer_u32(&b, (uint32_t)strlen(first));
	writer_bytes(&b, first, strlen(first));
	writer_end(&b, mark);
	send_buffer(s, &b);
}

static void
finish_scram(struct server *s, const struct scram_keys *keys)
{
	const char *final = scram_client_final(s->login->scram, keys);

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
		finish_scram(s, &kj->keys);
		server_resume(s);
	}
	memory_free_secret(kj->password);
	memory_wipe(&kj->keys, sizeof(kj->keys));
	free(kj);
}

static void
derive_keys(struct server *s, const uint8_t *salt, size_t salt_size, int iterations)
{
	struct keys_job *kj = memory_zalloc(sizeof(*kj));

	kj->password = memory_strdup(s->login->secret.text);
	kj->salt_size = salt_size;
	memcpy(kj->salt, salt, salt_size);
	kj->iterations = iterations;
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
	size_t n = reader_left(r), salt_size;
	const uint8_t *salt;
	struct error e;
	int iterations;

	if (l->scram == NULL)
		fail(s, SQLSTATE_PROTOCOL_VIOLATION, "AuthenticationSASLContinue out of order");
	else if (!scram_client_challenge(l->scram, reader_bytes(r, n), n, &salt, &salt_size, &iterations, &e))
		fail(s, e.sqlstate, e.message);
	else if (l->have_secret && l->secret.kind == SECRET_PLAIN)
		derive_keys(s, salt, salt_size, iterations);
	else
		finish_scram(s, &l->keys);
}

static void
verify_scram(struct server *s, struct reader *r)
{
	struct server_login *l = s->login;
	size_t n = reader_left(r);
	struct error e;

	if (l->scram == NULL)
		fail(s, SQLSTATE_PROTOCOL_VIOLATION, "AuthenticationSASLFinal out of order");
	else if (!scram_client_verify(l->scram, reader_bytes(r, n), n, &e))
		fail(s, e.sqlstate, e.message);
	else
		l->scram_verified = true;
}

static void
handle_authentication(struct server *s, struct reader *r)
{
	struct server_login *l = s->login;
	uint32_t request = reader_u32(r);

	if (!reader_ok(r)) {
		fail(s, SQLSTATE_PROTOCOL_VIOLATION, "malformed Authentication message");
		return;
	}
	switch (request) {
	case AUTHENTICATION_OK:
		if (l->scram != NULL && !l->scram_verified)
			fail(s, SQLSTATE_INVALID_AUTHORIZATION, "the server did not prove that it knows the password");
		else
			l->authenticated = true;
		return;
	case AUTHENTICATION_CLEARTEXT_PASSWORD:
		answer_plain(s);
		return;
	case AUTHENTICATION_MD5_PASSWORD:
		answer_md5(s, r);
		return;
	case AUTHENTICATION_SASL:
		begin_scram(s, r);
		return;
	case AUTHENTICATION_SASL_CONTINUE:
		continue_scram(s, r);
		return;
	case AUTHENTICATION_SASL_FINAL:
		verify_scram(s, r);
		return;
	default:
		fail(s, SQLSTATE_FEATURE_NOT_SUPPORTED, "the server asks for an authentication method that we do not speak");
	}
}

static void
take_parameter(struct server *s, struct reader *r)
{
	const char *name = reader_string(r);
	const char *value = reader_string(r);

	if (reader_ok(r))
		server_set_parameter(s, name, value);
}

static void
take_key(struct server *s, struct reader *r)
{
	uint32_t pid = reader_u32(r);
	size_t n = reader_left(r);
	const uint8_t *key = reader_bytes(r, n);

	if (!reader_ok(r) || n < 4 || n > CANCEL_KEY_MAX) {
		fail(s, SQLSTATE_PROTOCOL_VIOLATION, "malformed BackendKeyData message");
		return;
	}
	free(s->key);
	s->key = memory_alloc(n);
	memcpy(s->key, key, n);
	s->key_size = (uint16_t)n;
	s->backend_pid = pid;
}

static void
take_error(struct server *s, const uint8_t *body, size_t n)
{
	struct error e;

	response_parse(body, n, &e);
	e.severity = SEVERITY_FATAL;
	server_log(s, LOG_WARNING, "server login failed: FATAL %s", e.message);
	server_close(s, &e, e.message);
}

bool
server_login_message(struct server *s, uint8_t type, const uint8_t *body, size_t n)
{
	struct reader r;

	reader_init(&r, body, n);
	switch (type) {
	case BE_AUTHENTICATION:
		handle_authentication(s, &r);
		return false;
	case BE_PARAMETER_STATUS:
		take_parameter(s, &r);
		return false;
	case BE_BACKEND_KEY_DATA:
		take_key(s, &r);
		return false;
	case BE_ERROR_RESPONSE:
		take_error(s, body, n);
		return false;
	case BE_NOTICE_RESPONSE:
	case BE_NEGOTIATE_PROTOCOL_VERSION:
		return false;
	case BE_READY_FOR_QUERY:
		if (!s->login->authenticated) {
			fail(s, SQLSTATE_PROTOCOL_VIOLATION, "ReadyForQuery before AuthenticationOk");
			return false;
		}
		return true;
	default:
		fail(s, SQLSTATE_PROTOCOL_VIOLATION, "unexpected message during login");
		return false;
	}
}
