#include "auth/scram_message.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "base/sqlstate.h"

void
scram_reader_init(struct scram_reader *r, const uint8_t *in, size_t n)
{
	memset(r, 0, sizeof(*r));
	r->at = (const char *)in;
	r->end = r->at + n;
	r->more = true;
	if (n == 0)
		scram_reader_refuse(r, SQLSTATE_PROTOCOL_VIOLATION, "The message is empty.");
	else if (n > SCRAM_MESSAGE_MAX)
		scram_reader_refuse(r, SQLSTATE_PROTOCOL_VIOLATION,
			"The message has %zu bytes, more than %d.", n, SCRAM_MESSAGE_MAX);
	else if (memchr(in, '\0', n) != NULL)
		scram_reader_refuse(
			r, SQLSTATE_PROTOCOL_VIOLATION, "The message holds a zero byte.");
}

void
scram_reader_refuse(struct scram_reader *r, const char *sqlstate, const char *fmt, ...)
{
	va_list ap;

	if (r->sqlstate != NULL)
		return;
	r->sqlstate = sqlstate;
	va_start(ap, fmt);
	vsnprintf(r->fault, sizeof(r->fault), fmt, ap);
	va_end(ap);
}

static bool
is_letter(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

/* attr-val = ALPHA "=" value */
struct span
scram_read_any(struct scram_reader *r, char *name)
{
	struct span value = { "", 0 };
	const char *comma;

	*name = '\0';
	if (r->sqlstate == NULL && !r->more)
		scram_reader_refuse(r, SQLSTATE_PROTOCOL_VIOLATION, "The message ends too early.");
	else if (r->end - r->at < 2 || !is_letter(r->at[0]) || r->at[1] != '=')
		scram_reader_refuse(r, SQLSTATE_PROTOCOL_VIOLATION,
			"An attribute was expected at byte %td from the end.", r->end - r->at);
	if (r->sqlstate != NULL)
		return value;
	*name = r->at[0];
	value.text = r->at + 2;
	comma = memchr(value.text, ',', (size_t)(r->end - value.text));
	r->more = comma != NULL;
	r->at = comma != NULL ? comma + 1 : r->end;
	value.size = (size_t)((comma != NULL ? comma : r->end) - value.text);
	return value;
}

struct span
scram_read(struct scram_reader *r, char name)
{
	char found;
	struct span value = scram_read_any(r, &found);

	if (r->sqlstate == NULL && found != name) {
		scram_reader_refuse(r, SQLSTATE_PROTOCOL_VIOLATION,
			"Attribute \"%c=\" was expected, not \"%c=\".", name, found);
		value = (struct span){ "", 0 };
	}
	return value;
}

struct span
scram_read_nonce(struct scram_reader *r)
{
	struct span nonce = scram_read(r, 'r');

	if (nonce.size == 0 || !scram_is_printable(nonce))
		scram_reader_refuse(
			r, SQLSTATE_PROTOCOL_VIOLATION, "The nonce is empty or not printable.");
	return nonce;
}

void
scram_decode(struct scram_reader *r, struct span text, uint8_t *out, size_t n)
{
	if (!base64_decode_exact(text.text, text.size, out, n))
		scram_reader_refuse(r, SQLSTATE_PROTOCOL_VIOLATION,
			"The proof is not the base64 of %zu bytes.", n);
}

void
scram_refuse_mandatory(struct scram_reader *r)
{
	if (r->end - r->at >= 2 && r->at[0] == 'm' && r->at[1] == '=')
		scram_reader_refuse(r, SQLSTATE_FEATURE_NOT_SUPPORTED,
			"A SCRAM extension is demanded that we do not know.");
}

void
scram_skip_rest(struct scram_reader *r)
{
	char name;

	while (r->sqlstate == NULL && r->more)
		scram_read_any(r, &name);
}

bool
scram_reader_failed(const struct scram_reader *r, const char *message, struct error *e)
{
	if (r->sqlstate == NULL)
		return false;
	error_set(e, SEVERITY_FATAL, r->sqlstate, "%s SCRAM %s message",
		strcmp(r->sqlstate, SQLSTATE_FEATURE_NOT_SUPPORTED) == 0 ? "unsupported"
									 : "invalid",
		message);
	error_detail(e, "%s", r->fault);
	return true;
}

bool
scram_parse_count(struct span text, int max, int *out)
{
	int64_t value = 0;
	size_t i;

	if (text.size == 0 || text.size > 10 || text.text[0] == '0')
		return false;
	for (i = 0; i < text.size; i++) {
		if (text.text[i] < '0' || text.text[i] > '9')
			return false;
		value = value * 10 + (text.text[i] - '0');
	}
	if (value > max)
		return false;
	*out = (int)value;
	return true;
}

bool
scram_is_printable(struct span text)
{
	size_t i;

	for (i = 0; i < text.size; i++)
		if (text.text[i] < 0x21 || text.text[i] > 0x7e || text.text[i] == ',')
			return false;
	return true;
}

bool
span_equal(struct span a, const char *b)
{
	return a.size == strlen(b) && memcmp(a.text, b, a.size) == 0;
}

char *
scram_bind(const char *gs2_header, const struct scram_binding *binding)
{
	uint8_t raw[GS2_HEADER_MAX + SCRAM_BINDING_MAX];
	char text[BASE64_LENGTH(sizeof(raw)) + 1];
	size_t header = strlen(gs2_header), data = binding != NULL ? binding->size : 0;

	if (header > GS2_HEADER_MAX || data > SCRAM_BINDING_MAX) {
		log_fatal("SCRAM was given a channel binding of %zu bytes", data);
		abort();
	}
	memcpy(raw, gs2_header, header);
	if (data > 0)
		memcpy(raw + header, binding->data, data);
	return memory_strdup(base64_encode(raw, header + data, text));
}

char *
scram_text(const char *fmt, ...)
{
	va_list ap;
	char *out;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	out = memory_alloc((size_t)n + 1);
	va_start(ap, fmt);
	vsnprintf(out, (size_t)n + 1, fmt, ap);
	va_end(ap);
	return out;
}

void
scram_draw_nonce(char out[SCRAM_NONCE + 1])
{
	uint8_t raw[SCRAM_NONCE / 4 * 3];

	digest_random(raw, sizeof(raw));
	base64_encode(raw, sizeof(raw), out);
}
