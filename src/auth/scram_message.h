/*
 * scram_message: the text of SCRAM messages, as both roles read it.
 *
 * A message is a list of attributes, "r=...,s=...,i=..." (RFC 5802, section
 * 5.1).  A reader walks it; its first fault sticks, so that a parser reads all
 * it wants and asks once, with scram_reader_failed.
 *
 * Private to auth/.  Pure functions, any thread.
 */
#ifndef AUTH_SCRAM_MESSAGE_H
#define AUTH_SCRAM_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "auth/base64.h"
#include "auth/digest.h"
#include "auth/scram.h"
#include "base/error.h"

/* Part of a text, borrowed from it. */
struct span {
	const char *text;
	size_t size;
};

struct scram_reader {
	const char *at;
	const char *end;
	bool more;	      /* another attribute must follow */
	const char *sqlstate; /* of the first fault; NULL: none so far */
	char fault[160];      /* a full sentence */
};

/* Read in[0..n), which outlives the reader.
 * A message that is empty, too long or holds a NUL is a fault. */
void scram_reader_init(struct scram_reader *r, const uint8_t *in, size_t n);

/* Note a fault, unless there is one. */
void scram_reader_refuse(struct scram_reader *r, const char *sqlstate, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* The value of the next attribute, which must have this name.  After a fault: an empty one. */
struct span scram_read(struct scram_reader *r, char name);

/* The next attribute, whatever its name; after a fault *name is '\0'. */
struct span scram_read_any(struct scram_reader *r, char *name);

/* r=: printable, not empty. */
struct span scram_read_nonce(struct scram_reader *r);

/* A proof or signature: text is exactly n bytes in base64. */
void scram_decode(struct scram_reader *r, struct span text, uint8_t *out, size_t n);

/* m= would be an extension that we must understand: refused. */
void scram_refuse_mandatory(struct scram_reader *r);

/* Skip the extensions that may end a message. */
void scram_skip_rest(struct scram_reader *r);

/* Was there a fault?  Then e tells it of this message ("client-first"). */
bool scram_reader_failed(const struct scram_reader *r, const char *message, struct error *e);

/* A positive decimal number without sign or leading zero, at most max. */
bool scram_parse_count(struct span text, int max, int *out);

/* Only characters that may be shown to people and stand in a nonce. */
bool scram_is_printable(struct span text);

bool span_equal(struct span a, const char *b);

/* --- channel binding --- */

#define SCRAM_BINDING_NAME "tls-server-end-point"
#define GS2_HEADER_MAX (sizeof("p=" SCRAM_BINDING_NAME ",,") - 1) /* there is no longer one */

/* What c= says: base64 of a GS2 header ("n,,") and, with a binding, its data.  binding may be NULL.
 * Free with memory_free_secret. */
char *scram_bind(const char *gs2_header, const struct scram_binding *binding);

/* sprintf into memory of the right size; free with memory_free_secret. */
char *scram_text(const char *fmt, ...) __attribute__((format(printf, 1, 2), nonnull(1)));

/* --- nonces --- */

#define SCRAM_NONCE 24 /* characters, of 18 random bytes */

void scram_draw_nonce(char out[SCRAM_NONCE + 1]);

/* Both roles with the caller's words and nonces, copied: for the RFC's examples and for fuzzing. */
struct scram_client *scram_client_new_with(enum scram_channel channel,
	const struct scram_binding *binding, const char *user, const char *nonce);
struct scram_server *scram_server_new_with(const struct scram_verifier *v,
	const struct scram_binding *binding, const char *nonce);

#endif
