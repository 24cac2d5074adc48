#include "pg/startup.h"

#include <string.h>
#include <strings.h>

#include "base/memory.h"
#include "base/sqlstate.h"
#include "pg/cancel.h"

#define HEADER_SIZE 8 /* length and code */

static enum startup_result
refuse(struct error *e, const char *what)
{
	error_set(e, SEVERITY_FATAL, SQLSTATE_PROTOCOL_VIOLATION, "invalid startup packet: %s",
		what);
	return STARTUP_INVALID;
}

static enum startup_result
parse_cancel(struct startup *s, struct reader *r, struct error *e)
{
	s->kind = STARTUP_CANCEL;
	s->cancel_pid = reader_u32(r);
	s->cancel_key_size = reader_left(r);
	s->cancel_key = reader_bytes(r, s->cancel_key_size);
	if (!reader_ok(r) || s->cancel_key_size < CANCEL_KEY_3_0 ||
		s->cancel_key_size > CANCEL_KEY_MAX)
		return refuse(e, "a cancel request has a process id and a key of 4 to 256 bytes");
	return STARTUP_OK;
}

static enum startup_result
parse_bare(struct startup *s, enum startup_kind kind, struct reader *r, struct error *e)
{
	s->kind = kind;
	return reader_done(r) ? STARTUP_OK : refuse(e, "an encryption request has no body");
}

/*
 * { name NUL value NUL } NUL
 *
 * An empty name would read as the end, so what follows it is refused.
 */
static enum startup_result
parse_message(struct startup *s, struct reader *r, struct error *e)
{
	size_t left = reader_left(r);

	s->kind = STARTUP_MESSAGE;
	if (left == 0)
		return refuse(e, "the parameter list has no end");
	reader_init(&s->parameters, r->pos, left - 1);
	while (reader_ok(r) && *reader_string(r) != '\0')
		reader_string(r);
	return reader_done(r)
		? STARTUP_OK
		: refuse(e, "the parameters must be pairs of strings and end in one NUL");
}

static enum startup_result
parse_body(struct startup *s, struct reader *r, struct error *e)
{
	switch (s->version) {
	case STARTUP_CODE_CANCEL:
		return parse_cancel(s, r, e);
	case STARTUP_CODE_SSL:
		return parse_bare(s, STARTUP_SSL, r, e);
	case STARTUP_CODE_GSSENC:
		return parse_bare(s, STARTUP_GSSENC, r, e);
	}
	if (s->version >> 16 == STARTUP_VERSION_3_0 >> 16)
		return parse_message(s, r, e);
	error_set(e, SEVERITY_FATAL, SQLSTATE_FEATURE_NOT_SUPPORTED,
		"unsupported frontend protocol %u.%u", s->version >> 16, s->version & 0xffff);
	error_detail(e, "The versions from 3.0 to 3.2 are understood.");
	return STARTUP_INVALID;
}

enum startup_result
startup_parse(const uint8_t *p, size_t n, size_t *size, struct startup *s, struct error *e)
{
	struct reader r;

	reader_init(&r, p, n);
	uint32_t length = reader_u32(&r);
	if (!reader_ok(&r)) {
		*size = sizeof(length);
		return STARTUP_SHORT;
	}
	*size = length;
	if (length < HEADER_SIZE || length > STARTUP_MAX)
		return refuse(e,
			"its length is out of range; does the client speak PostgreSQL's protocol?");
	if (n < length)
		return STARTUP_SHORT;
	reader_init(&r, p + sizeof(length), length - sizeof(length));
	*s = (struct startup){ .version = reader_u32(&r) };
	return parse_body(s, &r, e);
}

bool
startup_next(struct startup *s, const char **name, const char **value)
{
	if (reader_left(&s->parameters) == 0)
		return false;
	*name = reader_string(&s->parameters);
	*value = reader_string(&s->parameters);
	return reader_ok(&s->parameters);
}

const char *
startup_get(const struct startup *s, const char *name)
{
	struct startup walk = *s;
	const char *found = NULL;
	const char *n, *v;

	while (startup_next(&walk, &n, &v)) {
		if (strcmp(n, name) == 0)
			found = v;
	}
	return found;
}

/* As PostgreSQL reads a boolean, beginnings of the words included. */
static bool
is_false(const char *value)
{
	static const char *const words[] = { "false", "no", "off", "0" };
	size_t n = strlen(value);

	for (size_t i = 0; i < lengthof(words); i++) {
		if (n > 0 && strncasecmp(value, words[i], n) == 0 && !(n == 1 && strcasecmp(value, "o") == 0))
			return true;
	}
	return false;
}

enum replication
startup_replication(const struct startup *s)
{
	const char *value = startup_get(s, "replication");

	if (value == NULL || is_false(value))
		return REPLICATION_NONE;
	return strcmp(value, "database") == 0 ? REPLICATION_LOGICAL : REPLICATION_PHYSICAL;
}

const char *
replication_name(enum replication r)
{
	static const char *const names[] = {
		[REPLICATION_NONE] = "none",
		[REPLICATION_PHYSICAL] = "physical",
		[REPLICATION_LOGICAL] = "logical",
	};

	return names[r];
}
