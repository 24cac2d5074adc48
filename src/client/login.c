#include "client/login.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/sqlstate.h"
#include "pg/frame.h"
#include "pg/message.h"
#include "pg/reader.h"
#include "pg/writer.h"

/* No password fits a user that we do not know; the answer is the same as for a wrong one. */
static uint8_t mock_secret[32];

static void __attribute__((constructor))
draw_mock_secret(void)
{
	if (RAND_bytes(mock_secret, sizeof(mock_secret)) != 1)
		abort();
}

struct login *
login_new(struct client *c)
{
	struct login *l = memory_zalloc(sizeof(*l));

	l->client = c;
	TAILQ_INSERT_TAIL(&c->env->logins, l, link);
	c->env->nlogins++;
	return l;
}

static void
leave_logins(struct login *l)
{
	if (l->proven)
		return;
	l->proven = true;
	TAILQ_REMOVE(&l->client->env->logins, l, link);
	l->client->env->nlogins--;
}

void
login_free(struct login **lp)
{
	struct login *l = *lp;

	if (l == NULL)
		return;
	*lp = NULL;
	leave_logins(l);
	if (l->job != NULL)
		l->job->owner = NULL;
	scram_server_free(&l->scram);
	secret_release(&l->secret);
	memory_wipe(&l->keys, sizeof(l->keys));
	free(l->packet);
	free(l);
}

static void
send_buffer(struct client *c, struct buffer *b)
{
	stream_send_bytes(&c->stream, b->data, b->len);
	buffer_release(b);
}

/* --- startup packets --- */

/* Anything behind an SSL or GSS request was sent by somebody who hopes that we take it for encrypted. */
static size_t
refuse_encryption(struct client *c, bool *answered, size_t n, size_t size)
{
	if (*answered || n > size) {
		client_reject(c, SQLSTATE_PROTOCOL_VIOLATION, "%s",
			      *answered ? "encryption was asked for twice" :
					  "received unencrypted data after SSL or GSSAPI encryption request");
		return n;
	}
	*answered = true;
	stream_send_bytes(&c->stream, "N", 1);
	return size;
}

static bool
is_pq_option(const char *name)
{
	return strncmp(name, "_pq_.", 5) == 0;
}

/* Tell once what we speak when the client asks for more. */
static void
negotiate_version(struct client *c)
{
	struct startup s = c->login->startup;
	uint32_t ours = s.version >= STARTUP_VERSION_3_2 ? STARTUP_VERSION_3_2 : STARTUP_VERSION_3_0;
	struct buffer b = BUFFER_INIT, names = BUFFER_INIT;
	uint32_t unknown = 0;
	const char *name, *value;

	c->protocol_3_2 = ours == STARTUP_VERSION_3_2;
	while (startup_next(&s, &name, &value)) {
		if (is_pq_option(name)) {
			unknown++;
			writer_string(&names, name);
		}
	}
	if (s.version != ours || unknown > 0) {
		size_t mark = writer_begin(&b, BE_NEGOTIATE_PROTOCOL_VERSION);

		writer_u32(&b, ours);
		writer_u32(&b, unknown);
		writer_bytes(&b, names.data, names.len);
		writer_end(&b, mark);
		send_buffer(c, &b);
	}
	buffer_release(&names);
}

static void
take_startup(struct client *c, const uint8_t *p, size_t size)
{
	struct login *l = c->login;
	struct error e;
	size_t again;

	l->packet = memory_alloc(size);
	memcpy(l->packet, p, size);
	startup_parse(l->packet, size, &again, &l->startup, &e);
	l->user = l->database = "";
	if (l->startup.kind == STARTUP_CANCEL) {
		c->state = CLIENT_HELD;
		c->ops->cancel(c);
		return;
	}
	l->user = startup_get(&l->startup, "user");
	if (l->user == NULL || l->user[0] == '\0') {
		l->user = "";
		client_reject(c, SQLSTATE_INVALID_AUTHORIZATION, "no PostgreSQL user name specified in startup packet");
		return;
	}
	l->database = startup_get(&l->startup, "database");
	if (l->database == NULL || l->database[0] == '\0')
		l->database = l->user;
	negotiate_version(c);
	c->state = CLIENT_HELD;
	c->ops->startup(c);
}

size_t
login_startup_input(struct client *c, const uint8_t *p, size_t n)
{
	struct startup s;
	struct error e;
	size_t size;

	switch (startup_parse(p, n, &size, &s, &e)) {
	case STARTUP_SHORT:
		return 0;
	case STARTUP_INVALID:
		client_close(c, &e, e.message);
		return n;
	case STARTUP_OK:
		break;
	}
	switch (s.kind) {
	case STARTUP_SSL:
		return refuse_encryption(c, &c->login->ssl_answered, n, size);
	case STARTUP_GSSENC:
		return refuse_encryption(c, &c->login->gss_answered, n, size);
	case STARTUP_CANCEL:
	case STARTUP_MESSAGE:
		take_startup(c, p, size);
		break;
	}
	return size;
}

/* --- the dialogue --- */

static void
ask(struct client *c, enum authentication_request request, const void *data, size_t n)
{
	struct buffer b = BUFFER_INIT;
	size_t mark = writer_begin(&b, BE_AUTHENTICATION);

	writer_u32(&b, request);
	writer_bytes(&b, data, n);
	writer_end(&b, mark);
	send_buffer(c, &b);
}

static void
accept_login(struct client *c)
{
	ask(c, AUTHENTICATION_OK, NULL, 0);
	leave_logins(c->login);
	c->state = CLIENT_HELD;
	c->ops->authenticated(c);
}

static void
refuse_login(struct client *c)
{
	if (c->login->method == LOGIN_SCRAM)
		client_reject(c, SQLSTATE_INVALID_PASSWORD, "SASL authentication failed");
	else
		client_reject(c, SQLSTATE_INVALID_PASSWORD, "password authentication failed");
}

/* A password that only PBKDF2 can tell, or a verifier that it must make, is a helper's work. */
struct password_job {
	struct helper_job job;
	struct secret secret;
	char *user;
	char *password;
	int iterations;
	bool fits;
	struct scram_verifier verifier;
};

static void
free_password_job(struct password_job *pj)
{
	secret_release(&pj->secret);
	memory_free_secret(pj->password);
	memory_wipe(&pj->verifier, sizeof(pj->verifier));
	free(pj->user);
	free(pj);
}

static void
start_job(struct client *c, struct password_job *pj)
{
	pj->job.mail.kind = c->env->job_mail;
	pj->job.reply = c->env->mailbox;
	pj->job.owner = c;
	c->login->job = &pj->job;
	c->state = CLIENT_HELD;
	helpers_submit(c->env->helpers, &pj->job);
}

static void
work_verify(struct helper_job *job)
{
	struct password_job *pj = container_of(job, struct password_job, job);

	pj->fits = password_verify(&pj->secret, pj->user, pj->password);
}

static void
done_verify(struct helper_job *job)
{
	struct password_job *pj = container_of(job, struct password_job, job);
	struct client *c = job->owner;
	bool fits = pj->fits;

	free_password_job(pj);
	if (c == NULL)
		return;
	c->login->job = NULL;
	if (fits)
		accept_login(c);
	else
		refuse_login(c);
}

static void
check_plain(struct client *c, const char *password)
{
	struct login *l = c->login;
	struct password_job *pj;

	if (!l->known || l->secret.kind != SECRET_SCRAM) {
		if (l->known && password_verify(&l->secret, l->user, password))
			accept_login(c);
		else
			refuse_login(c);
		return;
	}
	pj = memory_zalloc(sizeof(*pj));
	secret_copy(&pj->secret, &l->secret);
	pj->user = memory_strdup(l->user);
	pj->password = memory_strdup(password);
	pj->job.work = work_verify;
	pj->job.done = done_verify;
	start_job(c, pj);
}

static void
check_md5(struct client *c, const char *answer)
{
	struct login *l = c->login;

	if (l->known && md5_verify(&l->secret, l->user, l->salt, answer))
		accept_login(c);
	else
		refuse_login(c);
}

static bool
read_sasl_initial(struct client *c, struct reader *r, const uint8_t **data, size_t *n)
{
	const char *mechanism = reader_string(r);
	uint32_t length = reader_u32(r);

	if (!reader_ok(r) || strcmp(mechanism, SCRAM_MECHANISM) != 0) {
		client_reject(c, SQLSTATE_PROTOCOL_VIOLATION, "client selected an invalid SASL authentication mechanism");
		return false;
	}
	*n = length;
	*data = length == UINT32_MAX ? NULL : reader_bytes(r, length);
	if (*data == NULL || !reader_done(r)) {
		client_reject(c, SQLSTATE_PROTOCOL_VIOLATION, "malformed SASLInitialResponse message");
		return false;
	}
	return true;
}

static void
check_scram_first(struct client *c, struct reader *r)
{
	struct login *l = c->login;
	const uint8_t *data;
	const char *answer;
	struct error e;
	size_t n;

	if (!read_sasl_initial(c, r, &data, &n))
		return;
	answer = scram_server_first(l->scram, data, n, &e);
	if (answer == NULL) {
		client_close(c, &e, "SASL authentication failed");
		return;
	}
	l->scram_started = true;
	ask(c, AUTHENTICATION_SASL_CONTINUE, answer, strlen(answer));
}

static void
check_scram_final(struct client *c, struct reader *r)
{
	struct login *l = c->login;
	size_t n = reader_left(r);
	struct error e;
	const char *answer = scram_server_final(l->scram, reader_bytes(r, n), n, &l->keys, &e);

	if (answer == NULL || !l->known) {
		if (answer != NULL || strcmp(e.sqlstate, SQLSTATE_INVALID_PASSWORD) == 0)
			refuse_login(c);
		else
			client_close(c, &e, "SASL authentication failed");
		return;
	}
	l->have_keys = true;
	ask(c, AUTHENTICATION_SASL_FINAL, answer, strlen(answer));
	accept_login(c);
}

static void
check_answer(struct client *c, struct reader *r)
{
	const char *text;

	if (c->login->method == LOGIN_SCRAM) {
		if (c->login->scram_started)
			check_scram_final(c, r);
		else
			check_scram_first(c, r);
		return;
	}
	text = reader_string(r);
	if (!reader_done(r))
		client_reject(c, SQLSTATE_PROTOCOL_VIOLATION, "invalid password packet size");
	else if (text[0] == '\0')
		client_reject(c, SQLSTATE_INVALID_PASSWORD, "empty password returned by client");
	else if (c->login->method == LOGIN_MD5)
		check_md5(c, text);
	else
		check_plain(c, text);
}

size_t
login_password_input(struct client *c, const uint8_t *p, size_t n)
{
	size_t max = FRAME_HEADER + (c->login->method == LOGIN_PLAIN ? SECRET_MAX : SCRAM_MESSAGE_MAX + 64);
	struct reader r;
	struct frame f;

	switch (frame_peek(p, n, &f)) {
	case FRAME_SHORT:
		return 0;
	case FRAME_OK:
		if (f.type == FE_PASSWORD && f.size <= max)
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
	reader_init(&r, p + FRAME_HEADER, f.size - FRAME_HEADER);
	check_answer(c, &r);
	return f.size;
}

static void
offer_scram(struct client *c, const struct scram_verifier *v)
{
	static const char mechanisms[] = SCRAM_MECHANISM "\0";	/* a list ends with an empty name */

	c->login->scram = scram_server_new(v);
	ask(c, AUTHENTICATION_SASL, mechanisms, sizeof(mechanisms));
	c->state = CLIENT_PASSWORD;
	client_resume(c);
}

static void
work_make_verifier(struct helper_job *job)
{
	struct password_job *pj = container_of(job, struct password_job, job);

	scram_make_stable_verifier(pj->password, pj->user, mock_secret, pj->iterations, &pj->verifier);
}

static void
done_make_verifier(struct helper_job *job)
{
	struct password_job *pj = container_of(job, struct password_job, job);
	struct client *c = job->owner;

	if (c != NULL) {
		c->login->job = NULL;
		offer_scram(c, &pj->verifier);
	}
	free_password_job(pj);
}

static void
make_verifier(struct client *c)
{
	struct password_job *pj = memory_zalloc(sizeof(*pj));

	pj->password = memory_strdup(c->login->secret.text);
	pj->user = memory_strdup(c->login->user);
	pj->iterations = c->env->scram_iterations;
	pj->job.work = work_make_verifier;
	pj->job.done = done_make_verifier;
	start_job(c, pj);
}

static void
start_scram(struct client *c)
{
	struct login *l = c->login;
	struct scram_verifier mock;

	if (l->known && l->secret.kind == SECRET_SCRAM) {
		offer_scram(c, l->secret.verifier);
	} else if (l->known && l->secret.kind == SECRET_PLAIN) {
		make_verifier(c);
	} else {
		l->known = false;	/* an md5 secret can't do it either */
		scram_mock_verifier(l->user, mock_secret, c->env->scram_iterations, &mock);
		offer_scram(c, &mock);
	}
}

void
client_authenticate(struct client *c, enum login_method method, const struct secret *secret)
{
	struct login *l = c->login;

	l->method = method;
	l->known = secret != NULL;
	if (secret != NULL)
		secret_copy(&l->secret, secret);
	switch (method) {
	case LOGIN_TRUST:
		accept_login(c);
		return;
	case LOGIN_SCRAM:
		start_scram(c);
		return;
	case LOGIN_MD5:
		if (RAND_bytes(l->salt, sizeof(l->salt)) != 1)
			abort();
		ask(c, AUTHENTICATION_MD5_PASSWORD, l->salt, sizeof(l->salt));
		break;
	case LOGIN_PLAIN:
		ask(c, AUTHENTICATION_CLEARTEXT_PASSWORD, NULL, 0);
		break;
	}
	c->state = CLIENT_PASSWORD;
	client_resume(c);
}
