/*
 * hba_text: the words of pg_hba.conf and pg_ident.conf.
 *
 *	text  -> lines   one after the other; a backslash at the end continues one
 *	line  -> fields  between blanks
 *	field -> tokens  between commas; blanks beside a comma do not end the field
 *
 * A "#" outside of quotes begins a comment.  Double quotes may stand anywhere
 * in a token; "" inside of them is one of them.  A token that begins with a
 * quote is never a keyword.  "@file" is replaced by the tokens of that file.
 *
 * As PostgreSQL reads them (hba.c, "Hostbased configuration file parsing"),
 * but for two things: there, a blank before a comma ends the field, which
 * PgBouncer's files do not expect; and a missing closing quote is no error.
 *
 * Private to auth/.  Pure functions, any thread.
 */
#ifndef AUTH_HBA_TEXT_H
#define AUTH_HBA_TEXT_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include "auth/hba.h"
#include "base/error.h"

#define HBA_DEPTH_MAX 10	/* files that name files */
#define HBA_FILES_MAX 10000	/* "@file" may stand in every line */
#define HBA_TOKENS_MAX 1000000

/* What a file and all that it names share. */
struct hba_source {
	hba_read_fn *read;	/* NULL: "@file" is an error */
	void *arg;
	size_t files;		/* read so far */
	size_t tokens;
};

struct hba_text {
	struct hba_source *source;
	const char *name;
	const char *at, *end;
	int line;		/* of at, from 1 */
	int depth;
};

struct hba_token {
	char *text;		/* owned; may hold a directory's password */
	bool quoted;		/* no keyword */
};

struct hba_field {
	struct hba_token *tokens;
	size_t n;		/* 0: "@file" without a word in it */
};

struct hba_line {
	const char *file;
	int number;
	struct hba_field *fields;
	size_t n;
};

enum hba_outcome {
	HBA_LINE,
	HBA_END,
	HBA_FAILED,
};

/* name and text are borrowed. */
void hba_text_init(struct hba_text *t, struct hba_source *source, const char *name, const char *text, size_t size);

/* The next line that is not empty.  HBA_LINE: the caller releases it; HBA_FAILED: e has its place. */
enum hba_outcome hba_text_read(struct hba_text *t, struct hba_line *line, struct error *e);
void hba_line_release(struct hba_line *line);

/* After HBA_FAILED: go on behind the line that is wrong. */
void hba_text_skip(struct hba_text *t);

/* Wipe and free; the field is empty after. */
void hba_field_release(struct hba_field *f);

/* Set e (F0000): "file:line: " and the message.  Returns false. */
bool hba_refuse(struct error *e, const char *file, int line, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* Is it this keyword? */
bool hba_token_is(const struct hba_token *token, const char *keyword);

#endif
