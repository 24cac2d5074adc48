#include "console/extended.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/sqlstate.h"
#include "console/answer.h"
#include "console/command.h"
#include "pg/message.h"
#include "pg/writer.h"

#define NOTES_MAX 200 /* statements and portals of one operator */

/* --- statements and portals --- */

static struct note *
find(const struct note_list *list, const char *name)
{
	struct note *n;

	LIST_FOREACH(n, list, link) {
		if (strcmp(n->name, name) == 0)
			return n;
	}
	return NULL;
}

static void
drop(struct dialogue *d, struct note *n)
{
	if (n == NULL)
		return;
	LIST_REMOVE(n, link);
	d->nnotes--;
	free(n->text);
	free(n->formats.list);
	free(n);
}

static void
drop_all(struct dialogue *d, struct note_list *list)
{
	while (!LIST_EMPTY(list))
		drop(d, LIST_FIRST(list));
}

/* The unnamed one makes way for the next; NULL: refused, and answered. */
static struct note *
add(struct dialogue *d, struct note_list *list, const char *name, const char *text)
{
	size_t size = strlen(name) + 1;
	struct note *n;

	if (name[0] == '\0')
		drop(d, find(list, name));
	if (d->nnotes >= NOTES_MAX) {
		dialogue_fail_with(d, SQLSTATE_PROGRAM_LIMIT,
			"too many prepared statements and portals");
		return NULL;
	}
	n = memory_zalloc(sizeof(*n) + size);
	memcpy(n->name, name, size);
	n->text = memory_strdup(text);
	LIST_INSERT_HEAD(list, n, link);
	d->nnotes++;
	return n;
}

static struct note *
find_statement(struct dialogue *d, const char *name)
{
	struct note *n = find(&d->statements, name);

	if (n == NULL)
		dialogue_fail_with(d, SQLSTATE_INVALID_STATEMENT_NAME,
			"prepared statement \"%.64s\" does not exist", name);
	return n;
}

static struct note *
find_portal(struct dialogue *d, const char *name)
{
	struct note *n = find(&d->portals, name);

	if (n == NULL)
		dialogue_fail_with(d, SQLSTATE_INVALID_CURSOR_NAME,
			"portal \"%.64s\" does not exist", name);
	return n;
}

/* --- messages --- */

static bool
is_whole(struct dialogue *d, const struct reader *r)
{
	if (!reader_done(r))
		dialogue_fail_with(d, SQLSTATE_PROTOCOL_VIOLATION, "malformed message");
	return reader_done(r);
}

static void
write_empty(struct dialogue *d, enum backend_message type)
{
	writer_end(&d->out, writer_begin(&d->out, type));
}

/* The one statement of a text, parsed.  false: refused, and answered. */
static bool
read_statement(struct dialogue *d, const char *text, struct sentence *s)
{
	const char *rest = text, *statement, *second;
	size_t len, len2;

	if (!syntax_next(&rest, &statement, &len))
		len = 0;
	if (len > 0 && syntax_next(&rest, &second, &len2)) {
		dialogue_fail_with(d, SQLSTATE_SYNTAX_ERROR,
			"cannot insert multiple commands into a prepared statement");
		return false;
	}
	if (!sentence_parse(s, statement, len)) {
		struct error e;

		command_error(&e, text);
		dialogue_fail(d, &e);
		return false;
	}
	return true;
}

static bool
check_statement(struct dialogue *d, const char *text, struct shape *shape)
{
	struct sentence s;
	struct error e;
	bool ok;

	*shape = (struct shape){ .ncolumns = 0 };
	if (!read_statement(d, text, &s))
		return false;
	ok = s.verb[0] == '\0' || command_check(d, &s, text, shape, &e);
	sentence_release(&s);
	if (!ok)
		dialogue_fail(d, &e);
	return ok;
}

void
extended_parse(struct dialogue *d, struct reader *r)
{
	const char *name = reader_string(r), *text = reader_string(r);
	uint16_t nparameters = reader_u16(r);
	struct shape shape;

	reader_bytes(r, nparameters * sizeof(uint32_t));
	if (!is_whole(d, r) || !check_statement(d, text, &shape))
		return;
	if (name[0] != '\0' && find(&d->statements, name) != NULL) {
		dialogue_fail_with(d, SQLSTATE_DUPLICATE_PREPARED_STATEMENT,
			"prepared statement \"%.64s\" already exists", name);
		return;
	}
	if (add(d, &d->statements, name, text))
		write_empty(d, BE_PARSE_COMPLETE);
}

/* A list of int16 with its count in front; its bytes stay where they are. */
static const uint8_t *
read_formats(struct reader *r, uint16_t *n)
{
	*n = reader_u16(r);
	return reader_bytes(r, *n * sizeof(uint16_t));
}

static void
copy_formats(struct formats *f, const uint8_t *bytes, uint16_t n)
{
	if (n == 0)
		return;
	f->n = n;
	f->list = memory_alloc(n * sizeof(*f->list));
	for (size_t i = 0; i < n; i++)
		f->list[i] = (uint16_t)(bytes[2 * i] << 8 | bytes[2 * i + 1]);
}

/* Do n formats suit the statement?  false: answered. */
static bool
check_formats(struct dialogue *d, const struct note *statement, const uint8_t *bytes, uint16_t n)
{
	struct shape shape;

	if (!check_statement(d, statement->text, &shape))
		return false;
	for (size_t i = 0; i < n; i++) {
		if (bytes[2 * i] != 0 || bytes[2 * i + 1] > 1) {
			dialogue_fail_with(d, SQLSTATE_PROTOCOL_VIOLATION,
				"a result format is neither text nor binary");
			return false;
		}
	}
	if (n > 1 && n != shape.ncolumns) {
		dialogue_fail_with(d, SQLSTATE_PROTOCOL_VIOLATION,
			"bind message has %d result formats but query has %zu columns", n,
			shape.ncolumns);
		return false;
	}
	return true;
}

void
extended_bind(struct dialogue *d, struct reader *r)
{
	const char *portal = reader_string(r), *name = reader_string(r);
	uint16_t nparameters, nformats;
	const uint8_t *formats;
	struct note *statement, *n;

	read_formats(r, &nformats);
	nparameters = reader_u16(r);
	if (nparameters > 0) {
		dialogue_fail_with(d, SQLSTATE_PROTOCOL_VIOLATION,
			"commands of the console take no parameters");
		return;
	}
	formats = read_formats(r, &nformats);
	if (!is_whole(d, r) || (statement = find_statement(d, name)) == NULL ||
		!check_formats(d, statement, formats, nformats))
		return;
	if (portal[0] != '\0' && find(&d->portals, portal) != NULL) {
		dialogue_fail_with(d, SQLSTATE_DUPLICATE_CURSOR, "portal \"%.64s\" already exists",
			portal);
		return;
	}
	n = add(d, &d->portals, portal, statement->text);
	if (n == NULL)
		return;
	copy_formats(&n->formats, formats, nformats);
	write_empty(d, BE_BIND_COMPLETE);
}

static void
write_no_parameters(struct dialogue *d)
{
	size_t m = writer_begin(&d->out, BE_PARAMETER_DESCRIPTION);

	writer_u16(&d->out, 0);
	writer_end(&d->out, m);
}

void
extended_describe(struct dialogue *d, struct reader *r)
{
	bool of_statement = reader_u8(r) == 'S';
	const char *name = reader_string(r);
	const struct note *n;
	struct shape shape;

	if (!is_whole(d, r))
		return;
	n = of_statement ? find_statement(d, name) : find_portal(d, name);
	if (n == NULL || !check_statement(d, n->text, &shape))
		return;
	if (of_statement)
		write_no_parameters(d);
	if (shape.ncolumns > 0)
		answer_describe(&d->out, shape.columns, shape.ncolumns, &n->formats);
	else
		write_empty(d, BE_NO_DATA);
}

void
extended_execute(struct dialogue *d, struct reader *r)
{
	const char *name = reader_string(r);
	const struct note *n;
	struct sentence s;

	reader_u32(r); /* how many rows at most: there are few, and they come at once */
	if (!is_whole(d, r) || (n = find_portal(d, name)) == NULL ||
		!read_statement(d, n->text, &s))
		return;
	d->formats = n->formats;
	if (s.verb[0] == '\0')
		write_empty(d, BE_EMPTY_QUERY_RESPONSE);
	else
		command_run(d, &s, n->text);
	sentence_release(&s);
}

void
extended_close(struct dialogue *d, struct reader *r)
{
	bool statement = reader_u8(r) == 'S';
	const char *name = reader_string(r);

	if (!is_whole(d, r))
		return;
	drop(d, find(statement ? &d->statements : &d->portals, name));
	write_empty(d, BE_CLOSE_COMPLETE);
}

void
extended_end(struct dialogue *d)
{
	drop_all(d, &d->portals);
}

void
extended_release(struct dialogue *d)
{
	drop_all(d, &d->portals);
	drop_all(d, &d->statements);
}
