#include "server/security.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/log.h"
#include "base/memory.h"
#include "base/sqlstate.h"
#include "base/strings.h"
#include "config/keys.h"
#include "pg/frame.h"
#include "pg/message.h"
#include "pg/response.h"
#include "pg/startup.h"

/* Of an error that comes in plain; no more is read than is logged. */
#define COMPLAINT_MAX 512

#define ANSWER_TLS 'S'
#define ANSWER_PLAIN 'N'

void
security_init(struct security *y, struct tls_context *tls, enum tls_mode mode, enum tls_negotiation negotiation,
	      const char *host)
{
	y->tls = tls_context_ref(tls);
	y->host = memory_strdup(host);
	y->mode = mode;
	y->negotiation = negotiation;
}

void
security_init_like(struct security *y, const struct security *of, bool is_tls)
{
	enum tls_mode mode = TLS_DISABLE;

	if (is_tls)
		mode = of->mode < TLS_REQUIRE ? TLS_REQUIRE : of->mode;
	security_init(y, of->tls, mode, of->negotiation, of->host);
}

void
security_release(struct security *y)
{
	tls_context_unref(&y->tls);
	free(y->host);
	y->host = NULL;
}

static void
ask_for_tls(struct stream *s)
{
	static const uint8_t request[] = {
		0, 0, 0, 8,
		STARTUP_CODE_SSL >> 24 & 255, STARTUP_CODE_SSL >> 16 & 255, STARTUP_CODE_SSL >> 8 & 255, STARTUP_CODE_SSL & 255,
	};

	stream_send_bytes(s, request, sizeof(request));
}

static enum security_step
fail(struct error *e, const char *message)
{
	error_set(e, SEVERITY_FATAL, SQLSTATE_CANNOT_ESTABLISH, "%s", message);
	return SECURITY_FAILED;
}

enum security_step
security_begin(const struct security *y, struct stream *s, const struct address *at, struct error *e)
{
	if (y->mode == TLS_DISABLE || at->family == AF_UNIX)
		return SECURITY_PLAIN;
	if (y->tls == NULL)
		return fail(e, "TLS is wanted, and there is nothing to speak it with");
	if (y->negotiation == TLS_NEGOTIATION_DIRECT) {
		stream_connect_tls(s, y->tls, y->host, true);
		return SECURITY_HANDSHAKE;
	}
	ask_for_tls(s);
	return SECURITY_WAIT;
}

/* An ErrorResponse of protocol 3, or the bare text of a server that could not even start a process for us. */
static void
read_complaint(const uint8_t *p, size_t n, char *text, size_t size)
{
	struct frame f;
	struct error e;

	if (frame_peek(p, n, &f) == FRAME_OK && f.size <= n &&
	    response_parse(p + FRAME_HEADER, f.size - FRAME_HEADER, &e)) {
		string_copy(text, e.message, size);
		return;
	}
	n = strnlen((const char *)p + 1, n - 1);
	if (n >= size)
		n = size - 1;
	memcpy(text, p + 1, n);
	text[n] = '\0';
}

static enum security_step
fail_with_complaint(const uint8_t *p, size_t n, const char *where, struct error *e)
{
	char text[COMPLAINT_MAX];

	read_complaint(p, n, text, sizeof(text));
	log_warning("server %s answered the request for TLS with an error (not authenticated): %s", where, text);
	error_set(e, SEVERITY_FATAL, SQLSTATE_CANNOT_ESTABLISH, "server answered the request for TLS with an error");
	error_hint(e, "The log of the pooler has the server's words.");
	return SECURITY_FAILED;
}

static enum security_step
go_on_plain(const struct security *y, struct error *e)
{
	if (y->mode < TLS_REQUIRE)
		return SECURITY_PLAIN;
	error_set(e, SEVERITY_FATAL, SQLSTATE_CANNOT_ESTABLISH, "server refused TLS (server_tls_sslmode=%s)",
		  key_word_of(words_tls_mode, (int)y->mode));
	error_hint(e, "Set ssl = on in postgresql.conf, or a weaker server_tls_sslmode.");
	return SECURITY_FAILED;
}

enum security_step
security_read(const struct security *y, struct stream *s, const struct address *at, struct error *e)
{
	uint8_t answer[COMPLAINT_MAX];
	char where[ADDRESS_TEXT];
	ssize_t n = stream_read(s, answer, sizeof(answer));

	if (n == -1)
		return SECURITY_WAIT;
	if (n <= 0)
		return fail(e, "server closed the connection when it was asked for TLS");
	if (answer[0] == BE_ERROR_RESPONSE)
		return fail_with_complaint(answer, (size_t)n, address_text(at, at->port, where), e);
	if (answer[0] != ANSWER_TLS && answer[0] != ANSWER_PLAIN)
		return fail(e, "server gave no valid answer to the request for TLS");
	/* It has nothing to say before we speak; somebody between us would have it taken for what came encrypted. */
	if (n > 1)
		return fail(e, "server sent unencrypted data behind its answer to the request for TLS");
	if (answer[0] == ANSWER_PLAIN)
		return go_on_plain(y, e);
	stream_connect_tls(s, y->tls, y->host, false);
	return SECURITY_HANDSHAKE;
}

void
security_explain(const struct error *of_stream, const struct address *at, struct error *e)
{
	char where[ADDRESS_TEXT];

	error_set(e, SEVERITY_FATAL, SQLSTATE_CANNOT_ESTABLISH, "server %s: %s", address_text(at, at->port, where),
		  of_stream->message);
	if (of_stream->detail[0] != '\0')
		error_detail(e, "%s", of_stream->detail);
	if (of_stream->hint[0] != '\0')
		error_hint(e, "%s", of_stream->hint);
}
