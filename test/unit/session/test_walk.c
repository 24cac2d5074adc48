#include "session/walk.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"

#define NO_TIME 0	/* one a visit */
#define MUCH_TIME (3600 * USEC_PER_SEC)

/* --- clients: their ids, a visit in brackets --- */

static struct shard shard;
static struct client clients[10];
static char seen[200];

static void
put_clients(const char *ids)
{
	SPLAY_INIT(&shard.clients);
	for (; *ids != '\0'; ids++) {
		struct client *c = &clients[*ids - '0'];

		c->id = (uint32_t)(*ids - '0');
		SPLAY_INSERT(client_set, &shard.clients, c);
	}
}

static void
visit_clients(struct walk *w, usec_t slice)
{
	struct client *c = NULL;

	walk_begin(w, slice);
	strcat(seen, "[");
	while ((c = walk_client(w, &shard, c)) != NULL)
		snprintf(seen + strlen(seen), 10, "%d", (int)c->id);
	strcat(seen, "]");
}

static const char *
walk_clients(usec_t slice)
{
	struct walk w = { .more = true };

	for (seen[0] = '\0'; w.more;)
		visit_clients(&w, slice);
	return seen;
}

Test(walk, clients)
{
	put_clients("");
	cr_assert_str_eq(walk_clients(NO_TIME), "[]");
	put_clients("5");
	cr_assert_str_eq(walk_clients(NO_TIME), "[5]");
	put_clients("4719");
	cr_assert_str_eq(walk_clients(MUCH_TIME), "[1479]");
	cr_assert_str_eq(walk_clients(NO_TIME), "[1][4][7][9]");
}

/* It goes on behind those that it saw, whoever has come or gone. */
Test(walk, clients_come_and_go)
{
	struct walk w = { .more = false };

	put_clients("2468");
	seen[0] = '\0';
	visit_clients(&w, NO_TIME);
	SPLAY_REMOVE(client_set, &shard.clients, &clients[2]);
	SPLAY_REMOVE(client_set, &shard.clients, &clients[4]);
	visit_clients(&w, NO_TIME);
	SPLAY_REMOVE(client_set, &shard.clients, &clients[8]);
	clients[1].id = 1;
	SPLAY_INSERT(client_set, &shard.clients, &clients[1]);
	visit_clients(&w, NO_TIME);
	cr_assert_not(w.more);
	clients[9].id = 9;
	SPLAY_INSERT(client_set, &shard.clients, &clients[9]);
	visit_clients(&w, NO_TIME);
	cr_assert_str_eq(seen, "[2][6][][]");
	walk_release(&w);
}

/* What is done with a client may end it. */
Test(walk, clients_that_are_closed)
{
	struct walk w = { .more = false };
	struct client *c = NULL;

	put_clients("2468");
	clients[9].id = UINT32_MAX;
	SPLAY_INSERT(client_set, &shard.clients, &clients[9]);
	seen[0] = '\0';
	walk_begin(&w, MUCH_TIME);
	while ((c = walk_client(&w, &shard, c)) != NULL) {
		snprintf(seen + strlen(seen), 20, "%lld ", (long long)c->id);
		SPLAY_REMOVE(client_set, &shard.clients, c);
		if (c->id == 4)
			SPLAY_REMOVE(client_set, &shard.clients, &clients[6]);
	}
	cr_assert_str_eq(seen, "2 4 8 4294967295 ");
	cr_assert_not(w.more);
	walk_release(&w);
}

/* --- tenants, and lines --- */

static void
visit_tenants(struct walk *w, struct tenants *tenants, usec_t slice)
{
	struct shard s = { .tenants = tenants };
	struct tenant *t = NULL;

	walk_begin(w, slice);
	strcat(seen, "[");
	while ((t = walk_tenant(w, &s, t)) != NULL)
		strcat(seen, t->name);
	strcat(seen, w->lost ? "?]" : "]");
}

static const struct config *
make_config(const char *databases)
{
	char text[200];
	struct error e;
	const struct config *c;

	snprintf(text, sizeof(text), "[databases]\n%s\n[pgbouncer]\n", databases);
	c = config_from_text(text, strlen(text), &e);
	cr_assert_not_null(c, "%s", e.message);
	return c;
}

static struct tenants *
make_tenants(const struct config *c, const char *names)
{
	struct tenants *tenants = tenants_new(c);
	struct error e;

	for (; *names != '\0'; names++)
		cr_assert_not_null(tenants_open(tenants, (char[]){ *names, '\0' }, &e));
	return tenants;
}

static void
drop(struct tenants *tenants, const char *name)
{
	struct tenant *t = tenants_find(tenants, name);

	tenants_drop(tenants, &t);
}

static void
drop_all(struct tenants **tenants)
{
	struct tenant *t;

	while ((t = tenants_next(*tenants, NULL)) != NULL)
		tenants_drop(*tenants, &t);
	tenants_free(tenants);
}

Test(walk, tenants)
{
	const struct config *c = make_config("* = host=x");
	struct tenants *tenants = make_tenants(c, "dacb");
	struct walk w = { .more = false };
	struct error e;

	seen[0] = '\0';
	visit_tenants(&w, tenants, NO_TIME);
	visit_tenants(&w, tenants, MUCH_TIME);
	cr_assert_not(w.more);
	cr_assert_str_eq(seen, "[d][acb]");
	walk_release(&w);

	/* What it has seen may go; what comes, comes last. */
	seen[0] = '\0';
	visit_tenants(&w, tenants, NO_TIME);
	drop(tenants, "d");
	tenants_open(tenants, "e", &e);
	visit_tenants(&w, tenants, NO_TIME);
	visit_tenants(&w, tenants, MUCH_TIME);
	cr_assert_str_eq(seen, "[d][a][cbe]");
	walk_release(&w);
	drop_all(&tenants);
	config_unref(&c);
}

Test(walk, loses_its_way)
{
	const struct config *c = make_config("* = host=x");
	struct tenants *tenants = make_tenants(c, "abcdef");
	struct walk w = { .more = false };

	seen[0] = '\0';
	visit_tenants(&w, tenants, NO_TIME);
	drop(tenants, "b");
	visit_tenants(&w, tenants, NO_TIME);
	cr_assert(w.lost && w.more);
	walk_again(&w);
	visit_tenants(&w, tenants, NO_TIME);
	drop(tenants, "c");
	visit_tenants(&w, tenants, NO_TIME);
	walk_again(&w);
	visit_tenants(&w, tenants, NO_TIME);
	cr_assert_not(w.more, "the third time it does not stop");
	cr_assert_str_eq(seen, "[a][?][a][?][adef]");
	walk_release(&w);
	drop_all(&tenants);
	config_unref(&c);
}

static void
visit_lines(struct walk *w, const struct config *c, usec_t slice)
{
	walk_begin(w, slice);
	strcat(seen, "[");
	for (size_t i = 0; walk_line(w, c, &i); i++)
		strcat(seen, c->databases[i]->name);
	strcat(seen, w->lost ? "?]" : "]");
}

Test(walk, lines)
{
	const struct config *c = make_config("a = host=x\nb = host=x\nc = host=x"), *none = make_config("");
	struct walk w = { .more = false };

	seen[0] = '\0';
	visit_lines(&w, c, MUCH_TIME);
	cr_assert_not(w.more);
	walk_release(&w);
	for (w.more = true; w.more;)
		visit_lines(&w, c, NO_TIME);
	walk_release(&w);
	visit_lines(&w, none, NO_TIME);
	walk_release(&w);
	cr_assert_str_eq(seen, "[abc][a][b][c][]");

	/* A reload in between. */
	seen[0] = '\0';
	visit_lines(&w, c, NO_TIME);
	visit_lines(&w, none, NO_TIME);
	walk_again(&w);
	visit_lines(&w, none, NO_TIME);
	cr_assert_str_eq(seen, "[a][?][]");
	cr_assert_not(w.more);
	walk_release(&w);
	config_unref(&c);
	config_unref(&none);
}
