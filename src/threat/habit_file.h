/*
 * habit_file: what was learned, as a file.
 *
 *	pgusher habits 1
 *	role "acme" "shop"
 *	0f3a5c6d7e8f9012
 *	...
 *	end
 *
 * A line for each key, in 16 hex digits.  Of names, \ and " are written with a \, and bytes
 * that are not printable ASCII as \ooo.  An operator may take out lines of statements that
 * should not have been learned, whole roles too; SHOW THREATS tells a digest, which is the
 * key unless the text is code or has several rows (threat/habit.h).
 *
 * All blocks: for the start, or a helper thread.
 */
#ifndef THREAT_HABIT_FILE_H
#define THREAT_HABIT_FILE_H

#include <stdbool.h>

#include "base/error.h"
#include "threat/habit.h"

/* All habits become what the file says, none is what it does not have.  No file at all is an empty one.  false: e
 * (F0000, 58030) says what is wrong and where, and nothing has changed. */
bool habit_file_load(struct habits *hs, const char *path, struct error *e);

/* In its place at once or not at all, for nobody else to read.  false: e (58030); the old file is as it was. */
bool habit_file_save(struct habits *hs, const char *path, struct error *e);

#endif
