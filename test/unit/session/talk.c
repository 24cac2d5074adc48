#include "talk.h"

#include <criterion/criterion.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "pg/cancel.h"
#include "pg/frame.h"
#include "pg/message.h"
#include "pg/reader.h"
#include "pg/response.h"
#include "pg/startup.h"
#include "pg/writer.h"

#define PATIENCE_MS 30000
#define WORD_MAX 4000

/* --- from text to bytes --- */

/* The part of args up to the first comma; the rest is put into *rest. */
static char *
split(char *args, char **rest)
{
	char *comma = strchr(args, ',');

	*rest = args + strlen(args);
	if (comma != NULL) {
		*comma = '\0';
		*rest = comma + 1;
	}
	return args;
}

static void
compose_request(char letter, char *args, struct buffer *out)
{
	char *rest;

	switch (letter) {
	case FE_PARSE:
		writer_string(out, split(args, &rest));
		writer_string(out, rest);
		writer_u16(out, 0);
		return;
	case FE_BIND:
		writer_string(out, split(args, &rest));
		writer_string(out, rest);
		for (int i = 0; i < 3; i++)
			writer_u16(out, 0);
		return;
	case FE_EXECUTE:
		writer_string(out, args);
		writer_u32(out, 0);
		return;
	case FE_FUNCTION_CALL:
		writer_u32(out, 1);
		for (int i = 0; i < 3; i++)
			writer_u16(out, 0);
		return;
	case FE_COPY_DATA:
		writer_bytes(out, args, strlen(args));
		return;
	case FE_QUERY:
	case FE_DESCRIBE:
	case FE_CLOSE:
	case FE_COPY_FAIL:
	case FE_PASSWORD:
		writer_string(out, args);
		return;
	default:
		return;
	}
}

static void
compose_error(const char *sqlstate, struct buffer *out)
{
	bool fatal = strncmp(sqlstate, "57P", 3) == 0;
	const char *severity = fatal ? "FATAL" : "ERROR";

	writer_u8(out, 'S');
	writer_string(out, severity);
	writer_u8(out, 'V');
	writer_string(out, severity);
	writer_u8(out, 'C');
	writer_string(out, sqlstate);
	writer_u8(out, 'M');
	writer_string(out, "the server says no");
	writer_u8(out, 0);
}

static void
compose_column(struct buffer *out)
{
	writer_u16(out, 1);
	writer_string(out, "c");
	writer_u32(out, 0);
	writer_u16(out, 0);
	writer_u32(out, 25);
	writer_u16(out, UINT16_MAX);
	writer_u32(out, UINT32_MAX);
	writer_u16(out, 0);
}

static void
compose_reply(char letter, char *args, struct buffer *out)
{
	char *equals;

	switch (letter) {
	case BE_AUTHENTICATION:
		writer_u32(out, (uint32_t)atoi(args));
		return;
	case BE_PARAMETER_STATUS:
		equals = strchr(args, '=');
		*equals = '\0';
		writer_string(out, args);
		writer_string(out, equals + 1);
		return;
	case BE_BACKEND_KEY_DATA:
		writer_u32(out, SERVER_PID);
		writer_u32(out, SERVER_KEY);
		return;
	case BE_READY_FOR_QUERY:
		writer_u8(out, (uint8_t)args[0]);
		return;
	case BE_ERROR_RESPONSE:
	case BE_NOTICE_RESPONSE:
		compose_error(args, out);
		return;
	case BE_COMMAND_COMPLETE:
		writer_string(out, args);
		return;
	case BE_ROW_DESCRIPTION:
		compose_column(out);
		return;
	case BE_DATA_ROW:
		writer_u16(out, 1);
		writer_u32(out, (uint32_t)strlen(args));
		writer_bytes(out, args, strlen(args));
		return;
	case BE_PARAMETER_DESCRIPTION:
		writer_u16(out, 0);
		return;
	case BE_COPY_IN_RESPONSE:
	case BE_COPY_OUT_RESPONSE:
		writer_u8(out, 0);
		writer_u16(out, 0);
		return;
	case BE_COPY_DATA:
		writer_bytes(out, args, strlen(args));
		return;
	case BE_FUNCTION_CALL_RESPONSE:
		writer_u32(out, UINT32_MAX);
		return;
	case BE_NOTIFICATION_RESPONSE:
		writer_u32(out, SERVER_PID);
		writer_string(out, args);
		writer_string(out, "");
		return;
	default:
		return;
	}
}

/* Behind the word at `at`, which may have spaces in its brackets. */
static const char *
end_of_word(const char *at)
{
	int depth = 0;

	for (; *at != '\0' && (*at != ' ' || depth > 0); at++)
		depth += (*at == '(') - (*at == ')');
	return at;
}

void
compose(const struct peer *p, const char *words, struct buffer *out)
{
	while (*words != '\0') {
		const char *end = end_of_word(words);
		size_t mark = writer_begin(out, (uint8_t)words[0]);
		char args[WORD_MAX] = "";

		if (end - words > 2)
			snprintf(args, sizeof(args), "%.*s", (int)(end - words - 3), words + 2);
		if (p->is_server)
			compose_reply(words[0], args, out);
		else
			compose_request(words[0], args, out);
		writer_end(out, mark);
		words = *end == ' ' ? end + 1 : end;
	}
}

/* --- from bytes to text --- */

static void
describe_request(char letter, struct reader *r, char *text, size_t size)
{
	const char *first;

	switch (letter) {
	case FE_PARSE:
	case FE_BIND:
		first = reader_string(r);
		snprintf(text, size, "(%s,%s)", first, reader_string(r));
		return;
	case FE_EXECUTE:
		first = reader_string(r);
		if (first[0] != '\0')
			snprintf(text, size, "(%s)", first);
		return;
	case FE_COPY_DATA:
		snprintf(text, size, "(%.*s)", (int)reader_left(r), (const char *)r->pos);
		return;
	case FE_QUERY:
	case FE_DESCRIBE:
	case FE_CLOSE:
	case FE_COPY_FAIL:
	case FE_PASSWORD:
		snprintf(text, size, "(%s)", reader_string(r));
		return;
	default:
		return;
	}
}

static void
describe_error(struct peer *p, struct reader *r, char *text, size_t size)
{
	struct error e;

	response_parse(r->pos, reader_left(r), &e);
	snprintf(text, size, "(%s)", e.sqlstate);
	snprintf(p->message, sizeof(p->message), "%s", e.message);
}

static void
note_key(struct peer *p, struct reader *r)
{
	p->pid = reader_u32(r);
	p->key_size = reader_left(r);
	memcpy(p->key, reader_bytes(r, p->key_size), p->key_size);
}

static void
describe_reply(struct peer *p, char letter, struct reader *r, char *text, size_t size)
{
	const char *first;
	uint32_t n;

	switch (letter) {
	case BE_AUTHENTICATION:
		snprintf(text, size, "(%u)", reader_u32(r));
		return;
	case BE_PARAMETER_STATUS:
		first = reader_string(r);
		snprintf(text, size, "(%s=%s)", first, reader_string(r));
		return;
	case BE_BACKEND_KEY_DATA:
		note_key(p, r);
		return;
	case BE_READY_FOR_QUERY:
		snprintf(text, size, "(%c)", reader_u8(r));
		return;
	case BE_ERROR_RESPONSE:
	case BE_NOTICE_RESPONSE:
		describe_error(p, r, text, size);
		return;
	case BE_COMMAND_COMPLETE:
		snprintf(text, size, "(%s)", reader_string(r));
		return;
	case BE_DATA_ROW:
		reader_u16(r);
		n = reader_u32(r);
		snprintf(text, size, "(%.*s)", (int)n, (const char *)reader_bytes(r, n));
		return;
	case BE_COPY_DATA:
		snprintf(text, size, "(%.*s)", (int)reader_left(r), (const char *)r->pos);
		return;
	case BE_NOTIFICATION_RESPONSE:
		reader_u32(r);
		snprintf(text, size, "(%s)", reader_string(r));
		return;
	default:
		return;
	}
}

/* --- saying --- */

void
say_bytes(struct peer *p, const void *bytes, size_t n)
{
	const uint8_t *at = bytes;

	while (n > 0) {
		struct pollfd ready = { .fd = p->fd, .events = POLLOUT };
		ssize_t sent;

		cr_assert_eq(poll(&ready, 1, PATIENCE_MS), 1, "nobody reads what is said");
		sent = send(p->fd, at, n, MSG_NOSIGNAL | MSG_DONTWAIT);
		cr_assert_gt(sent, 0, "the other end has gone: %m");
		at += sent;
		n -= (size_t)sent;
	}
}

void
say(struct peer *p, const char *words)
{
	struct buffer b = BUFFER_INIT;

	compose(p, words, &b);
	say_bytes(p, buffer_head(&b), buffer_left(&b));
	buffer_release(&b);
}

void
say_startup(struct peer *p, const char *parameters)
{
	struct buffer b = BUFFER_INIT;
	size_t mark = writer_begin(&b, 0);
	char copy[WORD_MAX], *rest;

	snprintf(copy, sizeof(copy), "%s", parameters);
	writer_u32(&b, STARTUP_VERSION_3_0);
	for (char *pair = strtok_r(copy, ",", &rest); pair != NULL; pair = strtok_r(NULL, ",", &rest)) {
		char *value = strchr(pair, '=');

		*value = '\0';
		writer_string(&b, pair);
		writer_string(&b, value + 1);
	}
	writer_u8(&b, 0);
	writer_end(&b, mark);
	say_bytes(p, buffer_head(&b), buffer_left(&b));
	buffer_release(&b);
}

void
say_cancel(struct peer *p, uint32_t pid, const uint8_t *key, size_t key_size)
{
	struct buffer b = BUFFER_INIT;

	cancel_write_request(&b, pid, key, key_size);
	say_bytes(p, buffer_head(&b), buffer_left(&b));
	buffer_release(&b);
}

/* --- hearing --- */

/* 1: some bytes; 0: the end; -1: nothing in time. */
static int
read_some(struct peer *p, int patience)
{
	struct pollfd ready = { .fd = p->fd, .events = POLLIN };
	ssize_t n;

	if (poll(&ready, 1, patience) <= 0)
		return -1;
	n = recv(p->fd, buffer_reserve(&p->in, 65536), 65536, MSG_DONTWAIT);
	if (n <= 0)
		return 0;
	buffer_added(&p->in, (size_t)n);
	return 1;
}

bool
read_more(struct peer *p)
{
	return read_some(p, PATIENCE_MS) == 1;
}

/* One message as text; "<nothing>" or "<end>" if there is none. */
static void
take_message(struct peer *p, char *text, size_t size)
{
	struct reader r;
	struct frame f;

	while (frame_peek(buffer_head(&p->in), buffer_left(&p->in), &f) != FRAME_OK || f.size > buffer_left(&p->in)) {
		int result = read_some(p, PATIENCE_MS);

		if (result == 1)
			continue;
		snprintf(text, size, "%s", result == 0 ? "<end>" : "<nothing>");
		return;
	}
	text[0] = (char)f.type;
	text[1] = '\0';
	reader_init(&r, buffer_head(&p->in) + FRAME_HEADER, f.size - FRAME_HEADER);
	if (p->is_server)
		describe_request(text[0], &r, text + 1, size - 1);
	else
		describe_reply(p, text[0], &r, text + 1, size - 1);
	buffer_consume(&p->in, f.size);
}

void
hear_from(struct peer *p, const char *words, int line)
{
	char heard[2 * WORD_MAX] = "", message[WORD_MAX];

	for (const char *w = words; *w != '\0'; w = *end_of_word(w) == ' ' ? end_of_word(w) + 1 : end_of_word(w)) {
		size_t n = strlen(heard);

		take_message(p, message, sizeof(message));
		snprintf(heard + n, sizeof(heard) - n, "%s%.3000s", n > 0 ? " " : "", message);
		if (message[0] == '<')
			break;
	}
	cr_assert_str_eq(heard, words, "line %d: %s heard   %s\n\twanted %s\n\t(%s)", line,
			 p->is_server ? "server" : "client", heard, words, p->message);
}

const char *
hear_until_from(struct peer *p, char letter, int line)
{
	static char message[WORD_MAX];

	do {
		take_message(p, message, sizeof(message));
		cr_assert(message[0] != '<' && (p->is_server || message[0] != 'E' || letter == 'E'), "line %d: heard %s (%s)", line,
			  message, p->message);
	} while (message[0] != letter);
	return message;
}

uint32_t
hear_startup(struct peer *p, uint8_t *body, size_t size, size_t *n)
{
	struct reader r;
	uint32_t length = 8, code = 0;

	while (buffer_left(&p->in) < length) {
		cr_assert(read_more(p), "no startup packet came");
		if (buffer_left(&p->in) < 8)
			continue;
		reader_init(&r, buffer_head(&p->in), buffer_left(&p->in));
		length = reader_u32(&r);
		code = reader_u32(&r);
	}
	*n = length - 8;
	cr_assert_leq(*n, size);
	memcpy(body, buffer_head(&p->in) + 8, *n);
	buffer_consume(&p->in, length);
	return code;
}

void
hear_end_from(struct peer *p, int line)
{
	char message[WORD_MAX];

	take_message(p, message, sizeof(message));
	cr_assert_str_eq(message, "<end>", "line %d: heard %s (%s)", line, message, p->message);
}

bool
hears_nothing(struct peer *p)
{
	return buffer_left(&p->in) == 0 && read_some(p, 0) == -1;
}

void
hang_up(struct peer *p)
{
	if (p->fd >= 0)
		close(p->fd);
	p->fd = -1;
	buffer_release(&p->in);
}
