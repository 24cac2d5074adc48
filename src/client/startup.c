/* Startup packets, and the encryption that is asked for before them. */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/sqlstate.h"
#include "client/login.h"
#include "net/proxy.h"
#include "pg/writer.h"

/* A TLS record of the kind "handshake"; a startup packet begins with the high byte of a small length. */
#define TLS_HANDSHAKE 0x16

/* --- encryption --- */

static bool
may_speak_tls(const struct client *c)
{
	return c->env->tls != NULL && c->address.family != AF_UNIX;
}

/* first: n bytes of the client's part of the handshake, if they came unasked. */
static void
begin_tls(struct client *c, bool direct, const uint8_t *first, size_t n)
{
	struct login *l = c->login;

	l->ssl_answered = l->gss_answered = true;
	client_enter(c, CLIENT_SECURING);
	stream_accept_tls(&c->stream, c->env->tls, direct, first, n);
	stream_receive_secrets(&c->stream, true);
}

void
login_secured(struct client *c, const struct error *e)
{
	if (e == NULL) {
		c->env->handshakes++;
		client_enter(c, CLIENT_STARTUP);
	} else {
		c->env->failed_handshakes++;
		client_drop(c, e->message);
	}
}

/* May this request be answered?  Anything behind it was sent by somebody who hopes that we take it for encrypted. */
static bool
check_request(struct client *c, bool answered, size_t n, size_t size)
{
	if (answered)
		client_reject(c, SQLSTATE_PROTOCOL_VIOLATION, "encryption was asked for twice");
	else if (n > size)
		client_reject(c, SQLSTATE_PROTOCOL_VIOLATION,
			      "received unencrypted data after SSL or GSSAPI encryption request");
	else
		return true;
	return false;
}

static size_t
answer_ssl(struct client *c, size_t n, size_t size)
{
	if (!check_request(c, c->login->ssl_answered, n, size))
		return n;
	c->login->ssl_answered = true;
	if (may_speak_tls(c)) {
		stream_send_bytes(&c->stream, "S", 1);
		begin_tls(c, false, NULL, 0);
	} else {
		stream_send_bytes(&c->stream, "N", 1);
	}
	return size;
}

static size_t
answer_gss(struct client *c, size_t n, size_t size)
{
	if (!check_request(c, c->login->gss_answered, n, size))
		return n;
	c->login->gss_answered = true;
	stream_send_bytes(&c->stream, "N", 1);
	return size;
}

static bool
is_direct_tls(const struct client *c, const uint8_t *p)
{
	return p[0] == TLS_HANDSHAKE && !c->login->ssl_answered && !c->login->gss_answered;
}

static size_t
answer_direct_tls(struct client *c, const uint8_t *p, size_t n)
{
	if (may_speak_tls(c))
		begin_tls(c, true, p, n);
	else
		client_drop(c, "direct TLS was tried, and is not spoken here");
	return n;
}

/* --- for whom a proxy comes --- */

/* From here on it is the client of that address. */
static void
take_header(struct client *c, const struct proxy_header *h)
{
	bool is_local = c->address.family == AF_UNIX;

	/* What comes through a proxy on this machine comes from anywhere: no Unix socket's privileges for that. */
	if (h->told)
		c->address = h->from;
	else if (is_local && !h->local)
		c->address = (struct address){ .family = AF_UNSPEC };
	client_enter(c, CLIENT_STARTUP);
	if (!h->local && !client_is_welcome(c->env, &c->address))
		client_close(c, NULL, "its address is refused");
}

size_t
login_proxy_input(struct client *c, const uint8_t *p, size_t n)
{
	struct proxy_header h;
	struct error e;

	switch (proxy_parse(p, n, &h, &e)) {
	case PROXY_SHORT:
		return 0;
	case PROXY_INVALID:
		client_close(c, &e, e.message);
		return n;
	case PROXY_OK:
		break;
	}
	take_header(c, &h);
	return h.size;
}

/* --- startup packets --- */

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
		stream_send_bytes(&c->stream, b.data, b.len);
	}
	buffer_release(&b);
	buffer_release(&names);
}

static bool
is_open_where_tls_is_required(const struct client *c)
{
	return c->env->tls_mode >= TLS_REQUIRE && c->address.family != AF_UNIX && !stream_is_tls(&c->stream);
}

static void
take_names(struct login *l)
{
	const char *user = startup_get(&l->startup, "user"), *database = startup_get(&l->startup, "database");

	l->user = l->name_sent = user != NULL ? user : "";
	l->database = database != NULL && database[0] != '\0' ? database : l->user;
}

static void
take_cancel(struct client *c)
{
	if (c->env->bans != NULL && !bans_may_cancel(c->env->bans, &c->address, clock_now())) {
		client_drop(c, "too many cancel requests a second (cancel_rate)");
		return;
	}
	client_enter(c, CLIENT_HELD);
	c->ops->cancel(c);
}

static void
take_startup(struct client *c, const uint8_t *p, size_t size)
{
	struct login *l = c->login;
	struct error e;
	size_t again;

	l->packet = memory_alloc(size);
	memcpy(l->packet, p, size);
	l->user = l->database = "";
	startup_parse(l->packet, size, &again, &l->startup, &e);
	if (l->startup.kind == STARTUP_CANCEL) {
		take_cancel(c);
		return;
	}
	take_names(l);
	if (is_open_where_tls_is_required(c)) {
		client_reject(c, SQLSTATE_INVALID_AUTHORIZATION, "SSL required");
	} else if (l->user[0] == '\0') {
		client_reject(c, SQLSTATE_INVALID_AUTHORIZATION, "no PostgreSQL user name specified in startup packet");
	} else {
		negotiate_version(c);
		client_enter(c, CLIENT_HELD);
		c->ops->startup(c);
	}
}

size_t
login_startup_input(struct client *c, const uint8_t *p, size_t n)
{
	struct startup s;
	struct error e;
	size_t size;

	if (is_direct_tls(c, p))
		return answer_direct_tls(c, p, n);
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
		return answer_ssl(c, n, size);
	case STARTUP_GSSENC:
		return answer_gss(c, n, size);
	case STARTUP_CANCEL:
	case STARTUP_MESSAGE:
		take_startup(c, p, size);
		break;
	}
	return size;
}
