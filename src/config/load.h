/*
 * load: from the files to a snapshot.  Private to this folder; config_load is the way in.
 */
#ifndef CONFIG_LOAD_H
#define CONFIG_LOAD_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "config/config.h"

/* Fill c, which has an arena, an empty index and nothing else.  false: e (F0000) says what is
 * wrong and where, and the log tells all; c may be half filled and is good for config_unref only. */
bool load_config(struct config *c, const char *path, const struct config *running, struct config_counts *counts,
	struct error *e);

/* The same from text in memory (cut in place; text[size] must be writable), without %include and
 * auth_file: config_from_text. */
bool load_text(struct config *c, const char *name, char *text, size_t size, struct error *e);

#endif
