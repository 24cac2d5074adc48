#include "server/login.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/sqlstate.h"
#include "base/strings.h"
#include "pg/message.h"
#include "pg/reader.h"
#include "pg/response.h"
#include "pg/startup.h"
#include "pg/writer.h"
#include "server/authentication.h"

/* What a server may say until it is ready: a stranger's words must not fill memory. */
#define LOGIN_MESSAGES_MAX 1000
#define LOGIN_PARAMETERS_MAX 200
#define LOGIN_BYTES_MAX (256 * 1024)

struct server_login *
server_login_new(const struct server_login_as *as)
{
	struct server_login *l = memory_zalloc(sizeof(*l));

	l->demands = as->demands;
	l->known = as->known_keys;
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

void
server_login_send(struct server *s, struct buffer *b)
{
	stream_send_bytes(&s->stream, b->data, b->len);
	buffer_wipe(b);
}

void
server_login_fail(struct server *s, const char *sqlstate, const char *message)
{
	struct error e;

	error_set(&e, SEVERITY_FATAL, sqlstate, "server login failed: %s", message);
	server_close(s, &e, e.message);
}

void
server_login_violated(struct server *s, const char *name, const char *fault)
{
	char words[80];

	snprintf(words, sizeof(words), "%s %s", name, fault);
	server_login_fail(s, SQLSTATE_PROTOCOL_VIOLATION, words);
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
	server_login_send(s, &b);
}

static void
take_parameter(struct server *s, struct reader *r)
{
	const char *name = reader_string(r);
	const char *value = reader_string(r);

	if (!reader_done(r))
		server_login_violated(s, "ParameterStatus message", "is malformed");
	else if (++s->login->parameters_set > LOGIN_PARAMETERS_MAX)
		server_login_fail(s, SQLSTATE_PROGRAM_LIMIT, "the server reports too many parameters");
	else
		server_set_parameter(s, name, value);
}

static void
take_key(struct server *s, struct reader *r)
{
	uint32_t pid = reader_u32(r);
	size_t n = reader_left(r);
	const uint8_t *key = reader_bytes(r, n);

	if (!reader_ok(r) || n < 4 || n > CANCEL_KEY_MAX) {
		server_login_violated(s, "BackendKeyData message", "is malformed");
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

static bool
is_too_much(struct server_login *l, size_t n)
{
	l->bytes += n;
	return ++l->messages > LOGIN_MESSAGES_MAX || l->bytes > LOGIN_BYTES_MAX;
}

static bool
is_early(const struct server_login *l, uint8_t type)
{
	static const char early[] = { BE_AUTHENTICATION, BE_ERROR_RESPONSE, BE_NOTICE_RESPONSE, BE_NEGOTIATE_PROTOCOL_VERSION };

	return l->step != STEP_AUTHENTICATED && memchr(early, type, sizeof(early)) == NULL;
}

bool
server_login_message(struct server *s, uint8_t type, const uint8_t *body, size_t n)
{
	struct reader r;

	if (is_too_much(s->login, n)) {
		server_login_fail(s, SQLSTATE_PROGRAM_LIMIT, "the server says too much before it is ready");
		return false;
	}
	if (is_early(s->login, type)) {
		server_login_fail(s, SQLSTATE_PROTOCOL_VIOLATION, "unexpected message before AuthenticationOk");
		return false;
	}
	reader_init(&r, body, n);
	switch (type) {
	case BE_AUTHENTICATION:
		authentication_request(s, &r);
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
		return true;
	default:
		server_login_fail(s, SQLSTATE_PROTOCOL_VIOLATION, "unexpected message during login");
		return false;
	}
}
