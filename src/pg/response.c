#include "pg/response.h"

#include <string.h>

#include "base/memory.h"
#include "base/sqlstate.h"
#include "base/strings.h"
#include "pg/reader.h"

#define SQLSTATE_LENGTH 5

static const struct {
	const char *word;
	enum severity severity;
} severities[] = {
	{ "ERROR", SEVERITY_ERROR },
	{ "FATAL", SEVERITY_FATAL },
	{ "PANIC", SEVERITY_FATAL },
	{ "WARNING", SEVERITY_WARNING },
	{ "NOTICE", SEVERITY_NOTICE },
	{ "DEBUG", SEVERITY_NOTICE },
	{ "INFO", SEVERITY_NOTICE },
	{ "LOG", SEVERITY_NOTICE },
};

/* An unknown word (field S may be localized) leaves it as it is. */
static void
read_severity(struct error *e, const char *word)
{
	for (size_t i = 0; i < lengthof(severities); i++) {
		if (strcmp(severities[i].word, word) == 0)
			e->severity = severities[i].severity;
	}
}

static bool
is_sqlstate(const char *s)
{
	return strlen(s) == SQLSTATE_LENGTH &&
		strspn(s, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ") == SQLSTATE_LENGTH;
}

/* The next { field-byte string }.  false: the end, and reader_done tells if it is the right one. */
static bool
next_field(struct reader *r, uint8_t *field, const char **text)
{
	*field = reader_u8(r);
	if (*field == 0)
		return false;
	*text = reader_string(r);
	return reader_ok(r);
}

bool
response_parse(const uint8_t *body, size_t n, struct error *e)
{
	bool never_localized = false; /* V was seen: it wins over S */
	struct reader r;
	uint8_t field;
	const char *text;

	error_set(e, SEVERITY_ERROR, SQLSTATE_INTERNAL, "%s", "");
	reader_init(&r, body, n);
	while (next_field(&r, &field, &text)) {
		switch (field) {
		case 'V':
			never_localized = true;
			read_severity(e, text);
			break;
		case 'S':
			if (!never_localized)
				read_severity(e, text);
			break;
		case 'C':
			if (is_sqlstate(text))
				string_copy(e->sqlstate, text, sizeof(e->sqlstate));
			break;
		case 'M':
			string_copy(e->message, text, sizeof(e->message));
			break;
		case 'D':
			string_copy(e->detail, text, sizeof(e->detail));
			break;
		case 'H':
			string_copy(e->hint, text, sizeof(e->hint));
			break;
		}
	}
	return reader_done(&r);
}

void
response_sqlstate(const uint8_t *body, size_t n, char out[6])
{
	struct reader r;
	uint8_t field;
	const char *text;

	out[0] = '\0';
	reader_init(&r, body, n);
	while (next_field(&r, &field, &text)) {
		if (field == 'C' && is_sqlstate(text))
			memcpy(out, text, SQLSTATE_LENGTH + 1);
	}
}
