/*
 * parameters: a client's session parameters follow it to every server.
 */
#include <string.h>

#include "base/strings.h"
#include "pg/message.h"
#include "pg/writer.h"
#include "session/request.h"

/* In these a character may end with the byte of a backslash, and doubling it would end the literal early. */
static const char unsafe_encodings[] = "BIG5,GB18030,GBK,JOHAB,SHIFT_JIS_2004,SJIS,UHC";

/* Can the value be quoted for a server that reads this encoding? */
static bool
is_quotable(const char *value, const char *encoding)
{
	return strchr(value, '\\') == NULL || encoding == NULL || !string_in_list_nocase(unsafe_encodings, encoding);
}

/* Append: SET name='value';  Backslashes mean nothing in E'' literals once they are doubled. */
static void
write_set(struct buffer *out, const char *name, const char *value)
{
	const char *open = strchr(value, '\\') != NULL ? "=E'" : "='";

	writer_bytes(out, "SET ", 4);
	writer_bytes(out, name, strlen(name));
	writer_bytes(out, open, strlen(open));
	for (const char *p = value; *p != '\0'; p++) {
		if (*p == '\'' || *p == '\\')
			writer_u8(out, (uint8_t)*p);
		writer_u8(out, (uint8_t)*p);
	}
	writer_bytes(out, "';", 2);
}

void
parameters_write(struct batch *b)
{
	struct session *s = b->session;
	struct link *k = s->link;
	struct buffer *out = gather_write(b->gather);
	size_t before = out->len, mark = writer_begin(out, FE_QUERY);
	const char *encoding = params_get(k->server->tracked, "client_encoding");
	bool any = false;

	for (size_t i = 0; i < params_count(s->params); i++) {
		const char *name = params_name(s->params, i), *value = params_value(s->params, i);
		const char *theirs = params_get(k->server->tracked, name);

		if ((theirs != NULL && strcmp(theirs, value) == 0) || !is_quotable(value, encoding))
			continue;
		write_set(out, name, value);
		any = true;
	}
	writer_u8(out, 0);
	writer_end(out, mark);
	if (!any) {
		out->len = before;
		return;
	}
	gather_wrote(b->gather);
	pipeline_push(&k->pipeline, REQUEST_QUERY, REPLY_SWALLOW, link_parameters_mark);
}
