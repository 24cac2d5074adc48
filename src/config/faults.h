/*
 * faults: what is wrong and what is odd about the files, told while they are read.
 *
 * The first error does not end the reading, as operators want to know of all of them at once.  Each is logged as it is
 * found, "file:line: what is wrong", FAULTS_TOLD errors and as many warnings at most; all are counted, and the first
 * error is kept for who asked for the configuration.
 *
 * What is found only when all has been read is told with the place of the key or line that it is about, so the places of
 * the keys of [pgbouncer] are noted here.
 *
 * Private to this folder; one thread.
 */
#ifndef CONFIG_FAULTS_H
#define CONFIG_FAULTS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "config/arena.h"
#include "config/config.h"
#include "config/ini.h"

#define FAULTS_TOLD 100

struct faults_key;

/* Zeroed at first. */
struct faults {
	struct config_counts counts;	/* all there were */
	struct error first;		/* if counts.errors > 0 */
	bool quiet;			/* errors are not logged: the first one is all that is asked for */
	const char *file;		/* the last one that a place was kept of */
	struct faults_key *keys;
};

/* at NULL, or without file: of no line. */
void faults_refuse(struct faults *f, const struct ini_place *at, const struct error *e);
void faults_warn(struct faults *f, const struct ini_place *at, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* To be looked at for a refusal in between: were there errors since there were `before`? */
static inline bool
faults_since(const struct faults *f, size_t before)
{
	return f->counts.errors > before;
}

/* A place that outlives the reading of its file. */
struct ini_place faults_keep(struct faults *f, struct config_arena *arena, const struct ini_place *at);

/* The key of [pgbouncer] at this offset of struct config was set there; the last time counts. */
void faults_note_key(struct faults *f, struct config_arena *arena, size_t offset, const struct ini_place *at);

/* NULL: it is set nowhere. */
const struct ini_place *faults_key(const struct faults *f, size_t offset);
#define FAULTS_KEY(f, field) faults_key(f, offsetof(struct config, field))

/* What faults_key is asked of, of a snapshot: the list lies in its arena. */
const struct ini_place *faults_find_key(const struct faults_key *keys, size_t offset);

/* Tell how many were not told.  true: there were no errors; false: e is the first one, with a hint if there were more. */
bool faults_end(struct faults *f, struct error *e);

#endif
