/*
 * template: what a "*" line of [tenants] makes of a tenant's name.
 *
 *	{tenant}	the name
 *	{shard}		config_shard of it
 *
 * They are replaced in the values of all text keys.  Private to this folder.
 */
#ifndef CONFIG_TEMPLATE_H
#define CONFIG_TEMPLATE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "config/arena.h"
#include "config/config.h"

/* Does it hold one of them? */
bool template_has_sign(const char *text);

/* Bits, as settings_parse has them, of the text keys whose values hold one. */
uint64_t template_signs(const struct config_database *d);

/* What is neither in set nor the name is taken from t; NULL: nothing is. */
void template_fill(struct config_database *d, uint64_t set, const struct config_database *t);

/* Replace the signs in d; what is new lies in the arena. */
void template_expand(const struct config *c, struct config_database *d, struct config_arena *arena);

/* A copy of d for name, in one block: texts whose bits are in `own` are in it, with signs replaced. */
struct config_database *template_make(const struct config *c, const struct config_database *d, uint64_t own,
				      const char *name);

/* host, dbname and user may have nothing else in braces, which would be a slip of the pen.  false: e says so. */
bool template_check(const struct config_database *d, struct error *e);

#endif
