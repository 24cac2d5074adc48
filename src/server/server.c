#include "server/server.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/sqlstate.h"
#include "base/strings.h"
#include "pg/frame.h"
#include "pg/message.h"
#include "pg/reader.h"
#include "pg/response.h"
#include "pg/writer.h"
#include "server/login.h"
#include "server/security.h"

/* What a free server may send in one message; results of a lessee have no bound here.  One that logs in may be anybody. */
#define OWN_MESSAGE_MAX (1024 * 1024)
#define LOGIN_MESSAGE_MAX (32 * 1024)

void
server_log(const struct server *s, enum log_level level, const char *fmt, ...)
{
	char prefix[256], at[ADDRESS_TEXT];
	va_list ap;

	if (!log_wants(level))
		return;
	snprintf(prefix, sizeof(prefix), "S-%p: %.64s/%.64s@%s", (const void *)s, s->database, s->user,
		 address_text(&s->address, s->address.port, at));
	va_start(ap, fmt);
	log_vline(level, prefix, fmt, ap);
	va_end(ap);
}

void
server_set_parameter(struct server *s, const char *name, const char *value)
{
	struct params_table *t = s->env->params;
	const struct params *old = s->reported;

	s->reported = params_with(t, old, name, value);
	params_unref(t, &old);
	if (!string_in_list_nocase(s->env->tracked, name))
		return;
	old = s->tracked;
	s->tracked = params_with(t, old, name, value);
	params_unref(t, &old);
}

/* --- messages that belong to nobody but us --- */

void
server_take_parameter(struct server *s, const uint8_t *body, size_t n)
{
	struct reader r;
	const char *name, *value;

	reader_init(&r, body, n);
	name = reader_string(&r);
	value = reader_string(&r);
	if (reader_ok(&r))
		server_set_parameter(s, name, value);
}

/* An error that nobody asked for: the backend takes its leave (57P01 and the like). */
static void
take_unasked_error(struct server *s, const uint8_t *body, size_t n)
{
	struct error e;

	response_parse(body, n, &e);
	server_close(s, &e, e.message);
}

/* ready: the body of a ReadyForQuery.  What can't be read is no idle server. */
static void
become_free(struct server *s, const uint8_t *ready, size_t n)
{
	s->state = SERVER_FREE;
	s->transaction = n == 1 ? ready[0] : TRANSACTION_FAILED;
	s->checked_at = clock_now();
	s->keeper->ready(s);
}

static void
handle_free(struct server *s, uint8_t type, const uint8_t *body, size_t n)
{
	switch (type) {
	case BE_PARAMETER_STATUS:
		server_take_parameter(s, body, n);
		return;
	case BE_NOTICE_RESPONSE:
	case BE_NOTIFICATION_RESPONSE:
		return;
	case BE_ERROR_RESPONSE:
		take_unasked_error(s, body, n);
		return;
	default:
		server_close(s, NULL, "unexpected message from an idle server");
	}
}

static void
handle_running(struct server *s, uint8_t type, const uint8_t *body, size_t n)
{
	struct error e;

	switch (type) {
	case BE_PARAMETER_STATUS:
		server_take_parameter(s, body, n);
		return;
	case BE_ERROR_RESPONSE:
		response_parse(body, n, &e);
		s->keeper->run_failed(s, &e);
		return;
	case BE_READY_FOR_QUERY:
		become_free(s, body, n);
		return;
	case BE_DATA_ROW:
		if (s->keeper->row != NULL)
			s->keeper->row(s, body, n);
		return;
	default:
		return;		/* tags: nobody wants them */
	}
}

static void
handle_login(struct server *s, uint8_t type, const uint8_t *body, size_t n)
{
	if (!server_login_message(s, type, body, n))
		return;
	server_login_free(&s->login);
	become_free(s, body, n);
}

static void
handle_message(struct server *s, uint8_t type, const uint8_t *body, size_t n)
{
	if (s->state == SERVER_LOGIN)
		handle_login(s, type, body, n);
	else if (s->state == SERVER_RUNNING)
		handle_running(s, type, body, n);
	else
		handle_free(s, type, body, n);
}

/* One whole message for ourselves; 0: wait for more. */
static size_t
take_message(struct server *s, const uint8_t *p, size_t n)
{
	size_t max = s->state == SERVER_LOGIN ? LOGIN_MESSAGE_MAX : OWN_MESSAGE_MAX;
	struct frame f;

	switch (frame_peek(p, n, &f)) {
	case FRAME_SHORT:
		return 0;
	case FRAME_OK:
		if (f.size <= max)
			break;
		/* fall through */
	case FRAME_INVALID:
		server_close(s, NULL, "malformed message from server");
		return n;
	}
	if (n < f.size) {
		s->want = f.size;
		return 0;
	}
	s->want = 0;
	if (s->state == SERVER_LOGIN)
		s->heard_at = clock_recent();
	handle_message(s, f.type, p + FRAME_HEADER, f.size - FRAME_HEADER);
	return f.size;
}

bool
server_waits_for_us(const struct server *s)
{
	return s->state == SERVER_LOGIN && server_login_waits(s);
}

static size_t
feed_by_state(struct server *s, const uint8_t *p, size_t n)
{
	size_t used = 0, step = 1;

	while (used < n && step > 0) {
		if (s->state == SERVER_CLOSED)
			return n;
		if (s->state == SERVER_LEASED)
			return used + s->lessee->input(s, p + used, n - used);
		if (server_waits_for_us(s)) {
			stream_pause(&s->stream);	/* until the helper is done: server_resume */
			return used;
		}
		step = take_message(s, p + used, n - used);
		used += step;
	}
	return used;
}

static void
feed(struct server *s, const uint8_t *p, size_t n)
{
	s->feeding = true;
	inbox_keep(&s->inbox, p, n, feed_by_state(s, p, n));
	s->feeding = false;
}

static void
on_gone(struct server *s, ssize_t result)
{
	struct error e;

	error_set(&e, SEVERITY_FATAL, SQLSTATE_CONNECTION_FAILURE, "server closed the connection unexpectedly");
	error_detail(&e, "The connection between the pooler and PostgreSQL broke: %s.",
		     result == 0 ? "end of file" : strerror((int)-result));
	server_close(s, &e, "server conn crashed?");
}

/* --- as far as the startup packet --- */

static void
begin_login(struct server *s)
{
	s->heard_at = clock_now();
	s->state = SERVER_LOGIN;
	if (s->env->log_connections && stream_is_tls(&s->stream))
		server_log(s, LOG_INFO, "TLS established: tls=%s/%s", tls_version(&s->stream), tls_cipher(&s->stream));
	server_login_start(s);
}

static void
fail_security(struct server *s, const struct error *e)
{
	server_log(s, LOG_WARNING, "%s", e->message);
	server_close(s, e, e->message);
}

static void
take_security_step(struct server *s, enum security_step step, const struct error *e)
{
	switch (step) {
	case SECURITY_PLAIN:
		begin_login(s);
		return;
	case SECURITY_WAIT:
	case SECURITY_HANDSHAKE:
		return;
	case SECURITY_FAILED:
		fail_security(s, e);
		return;
	}
}

static void
server_on_secured(struct stream *stream, const struct error *of_stream)
{
	struct server *s = container_of(stream, struct server, stream);
	struct error e;

	if (of_stream == NULL) {
		begin_login(s);
		return;
	}
	security_explain(of_stream, &s->address, &e);
	fail_security(s, &e);
}

static void
read_answer(struct server *s)
{
	struct error e;

	take_security_step(s, security_read(&s->security, &s->stream, &s->address, &e), &e);
}

static void
server_on_readable(struct stream *stream)
{
	struct server *s = container_of(stream, struct server, stream);
	const uint8_t *p;
	ssize_t n;

	if (s->state == SERVER_SECURING) {
		read_answer(s);
		return;
	}
	n = inbox_read(&s->inbox, stream, s->want, &p);
	if (n == -1)
		return;
	if (n <= 0)
		on_gone(s, n);
	else
		feed(s, p, (size_t)n);
}

static void
server_on_drained(struct stream *stream)
{
	struct server *s = container_of(stream, struct server, stream);

	if (s->state == SERVER_LEASED)
		s->lessee->drained(s);
}

static const struct stream_ops stream_ops = {
	.readable = server_on_readable,
	.drained = server_on_drained,
	.secured = server_on_secured,
};

/* --- life --- */

static void
log_connection(const struct server *s)
{
	char text[ADDRESS_TEXT];
	struct address self;

	address_of_self(&self, s->stream.fd);
	if (self.family == AF_UNIX)
		server_log(s, LOG_INFO, "new connection to server");
	else
		server_log(s, LOG_INFO, "new connection to server (from %s)", address_text(&self, 0, text));
}

static void
on_dialed(void *arg, int fd, const struct address *at, const struct error *e)
{
	struct server *s = arg;
	struct error own;

	s->dial = NULL;
	s->address = *at;
	if (fd < 0) {
		server_close(s, e, e->message);
		return;
	}
	stream_open(&s->stream, fd, &stream_ops);
	stream_attach(&s->stream, s->env->loop);
	s->heard_at = clock_now();
	s->state = SERVER_SECURING;
	if (s->env->log_connections)
		log_connection(s);
	take_security_step(s, security_begin(&s->security, &s->stream, at, &own), &own);
}

struct server *
server_open(struct server_env *env, const char *host, int port, const struct server_login_as *as, uint32_t id,
	    const struct server_keeper *keeper, void *pool)
{
	struct server *s = memory_zalloc(sizeof(*s));

	s->env = env;
	s->keeper = keeper;
	s->pool = pool;
	s->database = s->user = "";
	s->id = id;
	s->connected_at = s->heard_at = s->request_at = clock_now();
	s->state = SERVER_DIALING;
	s->transaction = TRANSACTION_IDLE;
	s->stream.fd = -1;
	s->reported = params_empty(env->params);
	s->tracked = params_empty(env->params);
	security_init(&s->security, as->tls, as->tls_mode, as->tls_negotiation, host);
	s->login = server_login_new(as);
	s->dial = dial_start(env->loop, host, port, &env->stream_options, on_dialed, s);
	return s;
}

void
server_run(struct server *s, const char *sql)
{
	struct buffer b = BUFFER_INIT;

	s->state = SERVER_RUNNING;
	s->run_at = clock_now();
	writer_query(&b, sql);
	stream_send_bytes(&s->stream, b.data, b.len);
	buffer_release(&b);
}

void
server_lease(struct server *s, const struct server_lessee *lessee)
{
	s->lessee = lessee;
	s->state = SERVER_LEASED;
}

void
server_unlease(struct server *s)
{
	s->lessee = NULL;
	s->state = SERVER_FREE;
	stream_resume(&s->stream);
}

void
server_resume(struct server *s)
{
	const uint8_t *p;
	size_t n;

	if (s->state == SERVER_CLOSED)
		return;
	stream_resume(&s->stream);
	if (s->feeding)
		return;		/* whoever feeds goes on by itself */
	n = inbox_kept(&s->inbox, &p);
	if (n > 0)
		feed(s, p, n);
}

static void
free_server(struct server *s)
{
	inbox_release(&s->inbox);
	security_release(&s->security);
	free(s->key);
	free(s);
}

static void
on_closed(struct deferred *d)
{
	free_server(container_of(d, struct server, deferred));
}

void
server_drop(struct server *s)
{
	stream_close(&s->stream);
	free_server(s);
}

void
server_say_goodbye(struct server *s)
{
	static const uint8_t terminate[] = { FE_TERMINATE, 0, 0, 0, 4 };

	if (s->state >= SERVER_FREE && stream_is_drained(&s->stream))
		stream_send_bytes(&s->stream, terminate, sizeof(terminate));
}

void
server_close(struct server *s, const struct error *e, const char *reason)
{
	const struct server_lessee *lessee = s->lessee;
	struct error own;

	if (s->state == SERVER_CLOSED)
		return;
	if (e == NULL) {
		error_set(&own, SEVERITY_FATAL, SQLSTATE_CONNECTION_FAILURE, "%s", reason);
		e = &own;
	}
	if (s->env->log_disconnections || s->state < SERVER_FREE)
		server_log(s, LOG_INFO, "closing because: %s (age=%llds)", reason,
			   (long long)((clock_now() - s->connected_at) / USEC_PER_SEC));
	server_say_goodbye(s);
	s->state = SERVER_CLOSED;
	s->lessee = NULL;
	dial_cancel(&s->dial);
	server_login_free(&s->login);
	if (lessee != NULL)
		lessee->lost(s, e);
	s->keeper->closed(s, e);
	if (s->free_lease != NULL)
		s->free_lease(s);
	stream_close(&s->stream);
	params_unref(s->env->params, &s->reported);
	params_unref(s->env->params, &s->tracked);
	loop_defer(s->env->loop, &s->deferred, on_closed);
}

void
server_detach(struct server *s)
{
	stream_detach(&s->stream);
	params_unref(s->env->params, &s->reported);
	params_unref(s->env->params, &s->tracked);
	s->env = NULL;
	s->pool = NULL;
	s->database = s->user = "";	/* the old keeper's */
}

void
server_attach(struct server *s, struct server_env *env)
{
	s->env = env;
	s->reported = params_empty(env->params);
	s->tracked = params_empty(env->params);
	stream_attach(&s->stream, env->loop);
}
