#include "config/slots.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *
text_of(const char *s)
{
	return s == NULL ? "" : s;
}

/* No value holds a line feed, so this is different for different sets. */
static char *
describe(const struct slot *slot)
{
	char *text;

	if (asprintf(&text, "%d\n%d\n%s\n%s\n%s", slot->sslmode, slot->negotiation, text_of(slot->ca_file),
		    text_of(slot->cert_file), text_of(slot->key_file)) < 0)
		abort();
	return text;
}

static size_t
find_or_add(struct slots *s, const struct slot *wanted, struct config_arena *arena)
{
	char *text = describe(wanted);
	struct slot *slot = lookup_find(&s->by_text, text);

	if (slot == NULL) {
		slot = arena_alloc(arena, sizeof(*slot));
		*slot = *wanted;
		slot->number = lookup_count(&s->by_text) + 1;
		lookup_add(&s->by_text, arena, arena_strdup(arena, text), slot);
	}
	free(text);
	return slot->number;
}

size_t
slots_number(struct slots *s, const struct config_database *d, const struct ini_place *at, struct config_arena *arena)
{
	struct slot slot = {
		.database = d->name,
		.at = at,
		.sslmode = d->server_tls_sslmode,
		.negotiation = d->server_tls_negotiation,
		.ca_file = d->server_tls_ca_file,
		.cert_file = d->server_tls_cert_file,
		.key_file = d->server_tls_key_file,
	};

	if (slot.sslmode == CONFIG_UNSET && slot.negotiation == CONFIG_UNSET && slot.ca_file == NULL &&
		slot.cert_file == NULL && slot.key_file == NULL)
		return 0;
	return find_or_add(s, &slot, arena);
}

static bool
same_text(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

bool
slot_fits(const struct slot *slot, const struct config_database *d)
{
	return slot->sslmode == d->server_tls_sslmode && slot->negotiation == d->server_tls_negotiation &&
	       same_text(slot->ca_file, d->server_tls_ca_file) && same_text(slot->cert_file, d->server_tls_cert_file) &&
	       same_text(slot->key_file, d->server_tls_key_file);
}

const struct slot *
slots_list(const struct slots *s, struct config_arena *arena, size_t *n)
{
	const struct lookup_entry *at = NULL;
	const struct slot *slot;

	*n = lookup_count(&s->by_text) + 1;
	struct slot *list = arena_alloc(arena, *n * sizeof(*list));
	list[0].sslmode = CONFIG_UNSET;
	list[0].negotiation = CONFIG_UNSET;
	while ((slot = lookup_next(&s->by_text, &at)) != NULL)
		list[slot->number] = *slot;
	return list;
}

void
slots_release(struct slots *s)
{
	lookup_release(&s->by_text);
}
