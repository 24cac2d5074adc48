#include "client/client.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/sqlstate.h"
#include "client/login.h"
#include "config/config.h"
#include "net/gather.h"
#include "pg/cancel.h"
#include "pg/message.h"
#include "pg/writer.h"

/* A client may send ahead so much while it waits for us; then it has to wait too. */
#define HELD_MAX (64 * 1024)

/* Whoever sends so much of a message does not dawdle. */
#define MESSAGE_BLOCK (64 * 1024)

SPLAY_GENERATE(client_set, client, by_id, client_compare)

static const char *const state_names[] = {
	[CLIENT_PROXIED] = "proxied",
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
	c->messages++;
	c->message_since = 0;
}

static size_t
feed_by_state(struct client *c, const uint8_t *p, size_t n)
{
	size_t used = 0, step = 1;

	while (used < n && step > 0) {
		switch ((enum client_state)c->state) {
		case CLIENT_PROXIED:
			step = login_proxy_input(c, p + used, n - used);
			break;
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

/* Another message than before is unfinished now, or a good piece of it has come: client_upkeep counts anew. */
static void
note_progress(struct client *c, uint32_t messages_before)
{
	if (c->messages == messages_before && c->message_bytes < MESSAGE_BLOCK)
		return;
	c->message_since = 0;
	c->message_bytes = 0;
}

/* Bytes go to whoever the state says, until nobody uses any. */
static void
feed(struct client *c, const uint8_t *p, size_t n)
{
	bool in_login = c->login != NULL;
	uint32_t messages = c->messages;

	c->feeding = true;
	inbox_keep(&c->inbox, p, n, feed_by_state(c, p, n));
	c->feeding = false;
	note_progress(c, messages);
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
	size_t kept = inbox_kept(&c->inbox, &p);
	ssize_t n = inbox_read(&c->inbox, s, c->want, &p);

	if (n == -1)
		return;
	if (n <= 0) {
		on_gone(c, n);
		return;
	}
	c->message_bytes += (uint32_t)((size_t)n - kept);
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

/* --- arriving --- */

static bool
is_proxy(const struct client_env *env, const struct address *a)
{
	return config_in_networks(env->proxy_protocol, a->family, a->ip);
}

bool
client_is_welcome(struct client_env *env, const struct address *a)
{
	usec_t now = clock_now();
	char text[ADDRESS_TEXT];
	const char *why = NULL;

	if (env->bans == NULL)
		return true;
	if (!bans_admit(env->bans, a, now))
		why = "it is banned";
	else if (!bans_may_connect(env->bans, a, now))
		why = "too many connections a second (accept_rate)";
	if (why != NULL && env->log_errors)
		log_info("refused a connection from %s: %s", address_text(a, env->port, text), why);
	return why == NULL;
}

bool
client_may_connect(struct client_env *env, int fd)
{
	struct address a;

	address_of_peer(&a, fd);
	return is_proxy(env, &a) || client_is_welcome(env, &a);
}

struct client *
client_new(struct client_env *env, int fd, uint32_t id, const struct client_ops *ops)
{
	struct client *c = memory_zalloc(sizeof(*c));

	c->env = env;
	c->ops = ops;
	c->id = id;
	c->connected_at = c->request_at = clock_now();
	address_of_peer(&c->address, fd);
	c->state = is_proxy(env, &c->address) ? CLIENT_PROXIED : CLIENT_STARTUP;
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
client_leave_logins(struct client *c)
{
	login_leave(c->login);
}

void
client_detach(struct client *c)
{
	stream_detach(&c->stream);
	login_leave(c->login);
	c->env = NULL;
}

void
client_attach(struct client *c, struct client_env *env, const struct client_ops *ops)
{
	c->env = env;
	c->ops = ops;
	login_arrive(c->login);
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

/* Has it begun what it is to end?  In a COPY libpq sends its data in blocks, whatever is cut by that, so there it may take
 * its time; and so it may with the first byte of one, which costs nothing. */
static bool
is_mid_message(const struct client *c)
{
	const uint8_t *p;
	bool begun = inbox_kept(&c->inbox, &p) > 0;

	switch ((enum client_state)c->state) {
	case CLIENT_SECURING:
		return true;
	case CLIENT_PROXIED:
	case CLIENT_STARTUP:
	case CLIENT_PASSWORD:
		return begun;
	case CLIENT_READY:
		return c->mid_request || (begun && p[0] != FE_COPY_DATA);
	case CLIENT_HELD:
	case CLIENT_CLOSING:
		break;
	}
	return false;
}

static bool
dawdles(struct client *c, usec_t now, bool waits)
{
	if (c->env->message_timeout == 0)
		return false;
	if (waits || c->stream.paused || !stream_is_drained(&c->stream) || !is_mid_message(c)) {
		c->message_since = 0;
		return false;
	}
	if (c->message_since == 0)
		c->message_since = now;
	return now - c->message_since > c->env->message_timeout;
}

void
client_upkeep(struct client *c, usec_t now, bool waits)
{
	usec_t write_timeout = c->env->write_timeout;

	if (c->state == CLIENT_CLOSING)
		return;
	if (write_timeout > 0 && !stream_is_drained(&c->stream) && stream_stalled(&c->stream, now) > write_timeout)
		client_close(c, NULL, "client_write_timeout");
	else if (dawdles(c, now, waits))
		client_reject(c, SQLSTATE_PROTOCOL_VIOLATION,
			      "the rest of a message did not come in time (client_message_timeout)");
}

static bool
is_in_dialogue(const struct client *c)
{
	return (c->state == CLIENT_HELD || c->state == CLIENT_PASSWORD) && c->login->startup.kind == STARTUP_MESSAGE;
}

void
clients_make_room(struct client_env *env, int quota)
{
	struct login *l;

	if (env->nlogins < quota)
		return;
	TAILQ_FOREACH(l, &env->logins, link) {
		if (!is_in_dialogue(l->client))
			break;
	}
	if (l == NULL)
		l = TAILQ_FIRST(&env->logins);
	if (l != NULL)
		client_reject(l->client, SQLSTATE_TOO_MANY_CONNECTIONS,
			      "too many connections in login (max_login_clients)");
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
