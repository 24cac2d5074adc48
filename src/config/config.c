#include "config/config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "base/strings.h"
#include "config/access.h"
#include "config/contexts.h"
#include "config/demands.h"
#include "config/faults.h"
#include "config/file.h"
#include "config/http.h"
#include "config/keys.h"
#include "config/lines.h"
#include "config/load.h"
#include "config/snapshot.h"
#include "config/value.h"

#define HIDDEN "****"

static struct config_index *
make_index(void)
{
	struct config_index *index = memory_zalloc(sizeof(*index));

	atomic_init(&index->refs, 1);
	index->arena = arena_new();
	return index;
}

static void
drop_index(struct config_index *index)
{
	const struct lookup_entry *at = NULL;

	if (atomic_fetch_sub_explicit(&index->refs, 1, memory_order_acq_rel) != 1)
		return;
	for (struct config_user *u; (u = lookup_next(&index->users, &at)) != NULL;)
		secret_release(&u->secret);
	lookup_release(&index->databases);
	lookup_release(&index->tenants);
	lookup_release(&index->hosts);
	lookup_release(&index->limits);
	lookup_release(&index->users);
	lookup_release(&index->peers);
	lookup_release(&index->certificates);
	lookup_release(&index->tokens);
	lookup_release(&index->token_hashes);
	arena_free(&index->arena);
	free(index);
}

/* Takes over the reference to the index. */
static struct config *
make_snapshot(struct config_index *index)
{
	struct config_arena *arena = arena_new();
	struct config *c = arena_alloc(arena, sizeof(*c));

	c->arena = arena;
	c->index = index;
	c->refs = arena_alloc(arena, sizeof(*c->refs));
	atomic_init(c->refs, 1);
	return c;
}

static void
free_snapshot(const struct config *c)
{
	struct config_arena *arena = c->arena;

	access_unref(c);
	contexts_unref(c);
	drop_index(c->index);
	arena_free(&arena);
}

const struct config *
config_load(const char *path, const struct config *running, struct config_counts *counts, struct error *e)
{
	struct config *c = make_snapshot(make_index());

	if (load_config(c, path, running, counts, e))
		return c;
	free_snapshot(c);
	return NULL;
}

const struct config *
config_from_text(const char *text, size_t size, struct error *e)
{
	struct config *c = make_snapshot(make_index());
	char *copy = memory_alloc(size + 1);

	if (size > 0)
		memcpy(copy, text, size);
	bool ok = load_text(c, "text", copy, size, e);
	file_free(copy, size);
	if (ok)
		return c;
	free_snapshot(c);
	return NULL;
}

const char *
config_place(const struct config *c, const char *key, char *buf, size_t size)
{
	const struct key *k = key_find(&section_pgbouncer, key);
	const struct ini_place *at = k == NULL ? NULL : faults_find_key(c->places, k->offset);

	buf[0] = '\0';
	if (at != NULL)
		snprintf(buf, size, "%s:%d: ", at->file, at->line);
	return buf;
}

/* Like base, with text of its own. */
static struct config *
copy_snapshot(const struct config *base)
{
	struct key_walk w = { 0, 0 };
	const struct key *k;

	atomic_fetch_add_explicit(&base->index->refs, 1, memory_order_relaxed);
	struct config *c = make_snapshot(base->index);
	struct config_arena *arena = c->arena;
	atomic_int *refs = c->refs;
	*c = *base;
	c->arena = arena;
	c->refs = refs;
	c->places = NULL; /* those of base go with it */
	access_ref(c);
	contexts_ref(c);
	while ((k = key_next(&section_pgbouncer, &w)) != NULL)
		value_copy(k, c, base, arena);
	return c;
}

static const struct config *
refuse(struct error *e, const char *sqlstate, const char *fmt, const char *key)
{
	char message[sizeof(e->message)];

	snprintf(message, sizeof(message), "%s \"%.60s\"", fmt, key);
	error_set(e, SEVERITY_ERROR, sqlstate, "%s", message);
	return NULL;
}

static bool
remake_access(struct config *c, struct error *e)
{
	struct faults f = { .quiet = true };

	access_make(c, &f);
	return faults_end(&f, e);
}

/* After key k was set: what is made from it. */
static bool
remake(struct config *c, const struct config *base, const struct key *k, struct error *e)
{
	if (c->bare)
		return true;
	if ((k->flags & KEY_CLIENT_TLS) != 0 &&
		(!contexts_remake_client(c, (enum tls_mode)base->client_tls_sslmode, e) || !access_check(c, e)))
		return false;
	if ((k->flags & KEY_HTTP) != 0 && (!contexts_remake_http(c, e) || !http_check(c, e)))
		return false;
	if ((k->flags & KEY_SERVER_TLS) != 0 && !contexts_remake_servers(c, e))
		return false;
	return (k->flags & KEY_ACCESS) == 0 || remake_access(c, e);
}

const struct config *
config_with(const struct config *base, const char *key, const char *value, struct error *e)
{
	const struct key *k = key_find(&section_pgbouncer, key);

	if (k == NULL)
		return refuse(e, "42704", "unknown setting", key);
	if ((k->flags & KEY_RESTART) != 0)
		return refuse(e, "55P02", "only a restart changes", key);
	if ((k->flags & KEY_FILE) != 0)
		return refuse(e, "55P02", "only the file and a reload change", key);
	struct config *c = copy_snapshot(base);
	if (!value_parse(k, c, value, c->arena, e) || !remake(c, base, k, e)) {
		string_copy(e->sqlstate, "22023", sizeof(e->sqlstate));
		free_snapshot(c);
		return NULL;
	}
	if ((k->flags & KEY_LATER) != 0)
		log_warning("this release does not act on %s", k->name);
	return c;
}

const struct config *
config_ref(const struct config *c)
{
	atomic_fetch_add_explicit(c->refs, 1, memory_order_relaxed);
	return c;
}

void
config_unref(const struct config **c)
{
	const struct config *old = *c;

	*c = NULL;
	if (old != NULL && atomic_fetch_sub_explicit(old->refs, 1, memory_order_acq_rel) == 1)
		free_snapshot(old);
}

const struct config_database *
config_find_database(const struct config *c, const char *name)
{
	const struct lines_database *d = lookup_find(&c->index->databases, name);

	if (d == NULL && c->ntenants > 0)
		d = lookup_find(&c->index->tenants, name);
	return d == NULL ? NULL : &d->database;
}

const struct config_user *
config_find_user(const struct config *c, const char *name)
{
	return lookup_find(&c->index->users, name);
}

bool
config_is_reserved(const char *name)
{
	return strcmp(name, "pgbouncer") == 0 || strcmp(name, "pgusher") == 0;
}

unsigned
config_server_demands(const struct config *c, const struct config_database *db)
{
	const char *list = db->server_require_auth != NULL ? db->server_require_auth : c->server_require_auth;
	unsigned demands = DEMAND_ANY;

	demands_parse(list, &demands); /* it was checked when it was set */
	return demands;
}

const char *
pool_mode_name(int mode)
{
	return key_word_of(words_pool_mode, mode);
}

const char *
auth_type_name(int type)
{
	return key_word_of(words_auth_type, type);
}

const char *
load_balance_hosts_name(int mode)
{
	return key_word_of(words_load_balance_hosts, mode);
}

static int
compare_names(const void *a, const void *b)
{
	const struct key *const *left = a;
	const struct key *const *right = b;

	return strcmp((*left)->name, (*right)->name);
}

static const char *
show_value(const struct key *k, const struct config *c, char *buf)
{
	const char *value = value_print(k, c, buf);

	return value != NULL && value[0] != '\0' && (k->flags & KEY_HIDDEN) != 0 ? HIDDEN : value;
}

void
config_each_key(const struct config *c,
	void (*fn)(void *arg, const char *key, const char *value, const char *def, bool changeable),
	void *arg)
{
	struct key_walk w = { 0, 0 };
	char buf[VALUE_TEXT];
	const struct key *k, **sorted;
	size_t n = 0;

	while (key_next(&section_pgbouncer, &w) != NULL)
		n++;
	sorted = memory_alloc(n * sizeof(*sorted));
	w = (struct key_walk){ 0, 0 };
	for (size_t i = 0; (k = key_next(&section_pgbouncer, &w)) != NULL; i++)
		sorted[i] = k;
	qsort(sorted, n, sizeof(*sorted), compare_names);
	for (size_t i = 0; i < n; i++) {
		k = sorted[i];
		fn(arg, k->name, show_value(k, c, buf), k->def, (k->flags & KEY_RESTART) == 0);
	}
	free(sorted);
}
