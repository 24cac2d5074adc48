/*
 * tally: a shard counted, for reports that tell how many there are of each thing.
 */
#include "reports/inside.h"
#include "session/link.h"

static void
count_pool(const struct pool *p, struct tally *t)
{
	const struct server *server;

	t->pools++;
	t->sessions += p->nclients;
	t->servers += pool_total(p);
	for (int i = 0; i < PLACES; i++) {
		TAILQ_FOREACH(server, &p->servers[i], link)
			t->links += link_if_any(server) != NULL;
	}
}

static void
count_tenant(const struct tenant *tenant, struct tally *t)
{
	const struct traffic_history history = tenant_history(tenant);
	const struct pool *p;

	t->tenants++;
	t->autodbs += tenant->autodb != NULL;
	traffic_add(&t->traffic, &tenant->traffic);
	traffic_add(&t->older, &history.older);
	traffic_add(&t->newer, &history.newer);
	if (tenant->statements != NULL) {
		t->statements += HASH_COUNT(tenant->statements->by_body);
		t->statement_bytes += (int64_t)tenant->statements->bytes;
	}
	LIST_FOREACH(p, &tenant->pools, link)
		count_pool(p, t);
}

void
tally_look(const struct report_order *o, struct shard *s, struct part *part)
{
	struct tenant *tenant = NULL;

	(void)o;
	part->tally.clients = (int64_t)s->nclients;
	part->tally.logins = s->client_env.nlogins;
	part->tally.paused = s->paused;
	while ((tenant = walk_tenant(&part->walk, s, tenant)) != NULL)
		count_tenant(tenant, &part->tally);
}

void
tally_add(struct tally *to, const struct tally *t)
{
	to->clients += t->clients;
	to->logins += t->logins;
	to->sessions += t->sessions;
	to->tenants += t->tenants;
	to->autodbs += t->autodbs;
	to->pools += t->pools;
	to->servers += t->servers;
	to->links += t->links;
	to->statements += t->statements;
	to->statement_bytes += t->statement_bytes;
	to->paused += t->paused;
	traffic_add(&to->traffic, &t->traffic);
	traffic_add(&to->older, &t->older);
	traffic_add(&to->newer, &t->newer);
}
