/*
 * settings: the list of key=value in one line, into its struct.
 *
 * Private to this folder.
 */
#ifndef CONFIG_SETTINGS_H
#define CONFIG_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "config/arena.h"
#include "config/keys.h"

/* Cuts text in place.  *set, if it is not NULL, gets a bit for each key of the section's only group that is there, by its
 * number in the table.  false: e (F0000) says what is wrong, without place and without what may be secret. */
bool settings_parse(const struct key_section *s, char *text, void *base, struct config_arena *arena, uint64_t *set,
		    struct error *e);

/* A postgresql:// URI, as libpq takes it, likewise.  What has no key here, like connect_timeout, is refused. */
bool settings_parse_uri(const struct key_section *s, const char *uri, void *base, struct config_arena *arena, uint64_t *set,
			struct error *e);
bool settings_is_uri(const char *text);

/* "unknown key ...: do you mean ...?"  Returns false. */
bool settings_refuse_key(const struct key_section *s, const char *name, struct error *e);

/* All fields get their defaults. */
void settings_reset(const struct key_section *s, void *base, struct config_arena *arena);

#endif
