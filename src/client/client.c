#include "client/client.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/sqlstate.h"
#include "client/login.h"
#include "net/gather.h"
#include "pg/cancel.h"
#include "pg/message.h"
#include "pg/writer.h"

/* A client may send ahead so much while it waits for us; then it has to wait too. */
#define HELD_MAX (64 * 1024)

SPLAY_GENERATE(client_set, client, by_id, client_compare)

static const char *const state_names[] = {
	[CLIENT_STARTUP] = "startup",
	[CLIENT_SECURING] = "securing",
	[CLIENT_HELD] = "held",
	[CLIENT_PASSWORD] = "password",
	[CLIENT_READY] = "ready",
	[CLIENT_CLOSING] = "closing",
};

void
client_log(const struct client *c, enum log_level level, const char *fmt, ...)
{
	char prefix[256], at[ADDRESS_TEXT];
	const char *database = c->database, *user = c->user;
	va_list ap;

	if (!log_wants(level))
		return;
	if (c->login != NULL && c->login->packet != NULL && database == NULL) {
		database = c->login->database;
		user = c->login->user;
	}
	snprintf(prefix, sizeof(prefix), "C-%p: %.64s/%.64s@%s", (const void *)c, database ? database : "(nodb)",
		 user ? user : "(nouser)", address_text(&c->address, c->env->port, at));
	va_start(ap, fmt);
	log_vline(level, prefix, fmt, ap);
	va_end(ap);
}

void
client_enter(struct client *c, enum client_state state)
{
	if (log_wants(LOG_NOISE))
		client_log(c, LOG_NOISE, "state: %s -> %s", state_names[c->state], state_names[state]);
	c->state = state;
}

static size_t
feed_by_state(struct client *c, const uint8_t *p, size_t n)
{
	size_t used = 0, step = 1;

	while (used < n && step > 0) {
		switch ((enum client_state)c->state) {
		case CLIENT_STARTUP:
			step = login_startup_input(c, p + used, n - used);
			break;
		case CLIENT_PASSWORD:
			step = login_password_input(c, p + used, n - used);
			break;
		case CLIENT_READY:
			return used + c->ops->input(c, p + used, n - used);
		case CLIENT_HELD:
			if (n - used > HELD_MAX)
				stream_pause(&c->stream);
			return used;
		case CLIENT_SECURING:
			return used;
		case CLIENT_CLOSING:
			return n;
		}
		used += step;
	}
	return used;
}

/* Bytes go to whoever the state says, until nobody uses any. */
static void
feed(struct client *c, const uint8_t *p, size_t n)
{
	bool in_login = c->login != NULL;

	c->feeding = true;
	inbox_keep(&c->inbox, p, n, feed_by_state(c, p, n));
	c->feeding = false;
	if (in_login)
		inbox_wipe_scratch(c->env->loop, p, n);
}

static void
on_gone(struct client *c, ssize_t result)
{
	if (result == 0)
		client_close(c, NULL, c->state == CLIENT_READY ? "client unexpected eof" : "client closed before login");
	else
		client_close(c, NULL, strerror((int)-result));
}

static void
client_on_readable(struct stream *s)
{
	struct client *c = container_of(s, struct client, stream);
	const uint8_t *p;
	ssize_t n = inbox_read(&c->inbox, s, c->want, &p);

	if (n == -1)
		return;
	if (n <= 0) {
		on_gone(c, n);
		return;
	}
	feed(c, p, (size_t)n);
}

static void
client_on_drained(struct stream *s)
{
	struct client *c = container_of(s, struct client, stream);

	if (c->state == CLIENT_READY)
		c->ops->drained(c);
}

static void
client_on_secured(struct stream *s, const struct error *e)
{
	struct client *c = container_of(s, struct client, stream);

	if (c->state == CLIENT_SECURING)
		login_secured(c, e);
}

static const struct stream_ops stream_ops = {
	.readable = client_on_readable,
	.drained = client_on_drained,
	.secured = client_on_secured,
};

struct client *
client_new(struct client_env *env, int fd, uint32_t id, const struct client_ops *ops)
{
	struct client *c = memory_zalloc(sizeof(*c));

	c->env = env;
	c->ops = ops;
	c->id = id;
	c->connected_at = c->request_at = clock_now();
	c->state = CLIENT_STARTUP;
	address_of_peer(&c->address, fd);
	stream_open(&c->stream, fd, &stream_ops);
	stream_attach(&c->stream, env->loop);
	c->login = login_new(c);
	if (log_wants(LOG_DEBUG))
		client_log(c, LOG_DEBUG, "client connected");
	return c;
}

static void
write_parameters(struct buffer *b, const struct params *shown)
{
	for (size_t i = 0; i < params_count(shown); i++)
		writer_parameter_status(b, params_name(shown, i), params_value(shown, i));
}

static void
write_key(struct buffer *b, const struct client *c)
{
	uint8_t key[CANCEL_KEY_3_2];
	size_t size = c->protocol_3_2 ? CANCEL_KEY_3_2 : CANCEL_KEY_3_0;
	size_t mark = writer_begin(b, BE_BACKEND_KEY_DATA);

	cancel_client_key(c->id, key, size);
	writer_u32(b, c->id);
	writer_bytes(b, key, size);
	writer_end(b, mark);
	memory_wipe(key, sizeof(key));
}

void
client_welcome(struct client *c, const struct params *shown, const char *notice)
{
	struct gather *g = loop_gather(c->env->loop);
	struct buffer *b;

	login_free(&c->login);
	stream_receive_secrets(&c->stream, false);
	gather_begin(g, &c->stream);
	b = gather_write(g);
	write_parameters(b, shown);
	write_key(b, c);
	if (notice != NULL && notice[0] != '\0') {
		struct error e;
		error_set(&e, SEVERITY_NOTICE, SQLSTATE_SUCCESS, "%s", notice);
		writer_error(b, &e);
	}
	writer_ready_for_query(b, TRANSACTION_IDLE);
	gather_wrote(g);
	gather_flush(g);
	c->request_at = clock_now();
	client_enter(c, CLIENT_READY);
}

static void
on_closed(struct deferred *d)
{
	struct client *c = container_of(d, struct client, deferred);

	c->ops->freed(c);
	inbox_release(&c->inbox);
	free(c);
}

static void
send_last_words(struct client *c, const struct error *e)
{
	struct buffer b = BUFFER_INIT;

	writer_error(&b, e);
	stream_send_bytes(&c->stream, b.data, b.len);
	buffer_release(&b);
}

/* A socket that is closed with unread bytes resets the connection, and the peer may never see what we said last. */
static void
read_leftovers(struct client *c)
{
	uint8_t trash[4096];

	for (int i = 0; i < 16 && stream_read(&c->stream, trash, sizeof(trash)) > 0; i++)
		;
	memory_wipe(trash, sizeof(trash));
}

static void
log_closing(const struct client *c, const char *reason)
{
	client_log(c, LOG_INFO, "closing because: %s (age=%llds)", reason,
		   (long long)((clock_now() - c->connected_at) / USEC_PER_SEC));
}

static void
leave(struct client *c)
{
	login_free(&c->login);
	c->ops->closed(c);
	stream_close(&c->stream);
	loop_defer(c->env->loop, &c->deferred, on_closed);
}

void
client_close(struct client *c, const struct error *e, const char *reason)
{
	bool in_handshake = c->state == CLIENT_SECURING;

	if (c->state == CLIENT_CLOSING)
		return;
	if (e != NULL ? c->env->log_errors || c->env->log_disconnections : c->env->log_disconnections)
		log_closing(c, reason);
	client_enter(c, CLIENT_CLOSING);
	if (e != NULL && !in_handshake) {
		/* In the middle of a row they would be taken for the rest of the row. */
		if (!c->mid_message)
			send_last_words(c, e);
		read_leftovers(c);
	}
	leave(c);
}

void
client_drop(struct client *c, const char *reason)
{
	if (c->state == CLIENT_CLOSING)
		return;
	if (c->env->log_errors || c->env->log_disconnections)
		log_closing(c, reason);
	client_enter(c, CLIENT_CLOSING);
	leave(c);
}

void
client_reject(struct client *c, const char *sqlstate, const char *fmt, ...)
{
	struct error e;
	va_list ap;

	va_start(ap, fmt);
	error_vset(&e, SEVERITY_FATAL, sqlstate, fmt, ap);
	va_end(ap);
	client_close(c, &e, e.message);
}

void
client_resume(struct client *c)
{
	const uint8_t *p;
	size_t n;

	if (c->state == CLIENT_CLOSING)
		return;
	stream_resume(&c->stream);
	if (c->feeding)
		return;		/* whoever feeds goes on by itself */
	n = inbox_kept(&c->inbox, &p);
	if (n > 0)
		feed(c, p, n);
}

void
client_detach(struct client *c)
{
	stream_detach(&c->stream);
	if (c->login != NULL && !c->login->proven) {
		TAILQ_REMOVE(&c->env->logins, c->login, link);
		c->env->nlogins--;
	}
	c->env = NULL;
}

void
client_attach(struct client *c, struct client_env *env, const struct client_ops *ops)
{
	c->env = env;
	c->ops = ops;
	if (c->login != NULL && !c->login->proven) {
		TAILQ_INSERT_TAIL(&env->logins, c->login, link);
		env->nlogins++;
	}
	stream_attach(&c->stream, env->loop);
}

void
client_discard(struct client *c)
{
	login_free(&c->login);
	stream_close(&c->stream);
	inbox_release(&c->inbox);
	free(c);
}

void
clients_keep_logins(struct client_env *env, usec_t now, usec_t since)
{
	struct login *l, *next;

	TAILQ_FOREACH_SAFE(l, &env->logins, link, next) {
		if (l->client->connected_at < since)
			client_reject(l->client, SQLSTATE_INVALID_AUTHORIZATION, "client_login_timeout");
		else
			login_tick(l->client, now);
	}
}
