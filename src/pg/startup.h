/*
 * startup: the first packet of a connection (no letter).
 *
 * Source: PostgreSQL docs, "Start-up" in "Message Flow"; StartupMessage,
 * SSLRequest, GSSENCRequest and CancelRequest in "Message Formats".
 */
#ifndef PG_STARTUP_H
#define PG_STARTUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "pg/reader.h"

#define STARTUP_MAX 10000	/* bytes; PostgreSQL's MAX_STARTUP_PACKET_LENGTH */

#define STARTUP_VERSION_3_0 0x00030000u
#define STARTUP_VERSION_3_2 0x00030002u

/* What stands in place of a version; the "major version" of each is 1234. */
#define STARTUP_CODE_CANCEL 80877102u
#define STARTUP_CODE_SSL 80877103u
#define STARTUP_CODE_GSSENC 80877104u

enum startup_kind {
	STARTUP_MESSAGE,	/* version and parameters */
	STARTUP_CANCEL,		/* pid and key */
	STARTUP_SSL,
	STARTUP_GSSENC,
};

struct startup {
	enum startup_kind kind;
	uint32_t version;		/* STARTUP_MESSAGE: as asked */
	struct reader parameters;	/* STARTUP_MESSAGE: for startup_next */
	uint32_t cancel_pid;		/* STARTUP_CANCEL */
	const uint8_t *cancel_key;	/* STARTUP_CANCEL: borrowed */
	size_t cancel_key_size;		/* 4 .. 256 */
};

enum startup_result {
	STARTUP_OK,
	STARTUP_SHORT,		/* *size says how many bytes it will have, or 4 when even the length is missing */
	STARTUP_INVALID,	/* e is set: 08P01, or 0A000 for a major version that is not 3 */
};

/* Parse the packet at p.  *size: its whole length, known from the first 4 bytes.
 * The parameter list is checked as a whole (pairs, final NUL), so startup_next can't fail. */
enum startup_result startup_parse(const uint8_t *p, size_t n, size_t *size, struct startup *s, struct error *e);

/* The next parameter pair (borrowed); false at the end. */
bool startup_next(struct startup *s, const char **name, const char **value);

/* What a connection is for: SQL, or a walsender's commands.  Logical replication takes both. */
enum replication {
	REPLICATION_NONE,
	REPLICATION_PHYSICAL,
	REPLICATION_LOGICAL,
};

enum replication startup_replication(const struct startup *s);
const char *replication_name(enum replication r);	/* "none", "physical", "logical" */

/* The value of a parameter, the last one if it stands there twice; NULL: not there.  Does not move startup_next. */
const char *startup_get(const struct startup *s, const char *name);

#endif
