#include "console/show.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/strings.h"
#include "console/dialogue.h"
#include "session/link.h"

static const struct report_kind *const kinds[] = {
	&show_config,
	&show_databases,
	&show_pools,
	&show_clients,
	&show_servers,
	&show_users,
	&show_version,
	&show_peers,
	&show_peer_pools,
	&show_fds,
	&show_sockets,
	&show_active_sockets,
	&show_lists,
	&show_mem,
	&show_state,
	&show_dns_hosts,
	&show_dns_zones,
	&show_stats,
	&show_stats_totals,
	&show_stats_averages,
	&show_totals,
};

const struct report_kind *
show_find(const char *name)
{
	for (size_t i = 0; i < lengthof(kinds); i++) {
		if (string_equal_nocase(kinds[i]->name, name))
			return kinds[i];
	}
	return NULL;
}

const struct report_kind *
show_next(const struct report_kind *after)
{
	size_t i = 0;

	while (after != NULL && kinds[i++] != after)
		;
	return i < lengthof(kinds) ? kinds[i] : NULL;
}

/* --- counting --- */

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
	const struct pool *p;

	t->tenants++;
	t->autodbs += tenant->autodb != NULL;
	traffic_add(&t->traffic, &tenant->traffic);
	traffic_add(&t->older, &tenant->history.older);
	traffic_add(&t->newer, &tenant->history.newer);
	if (tenant->statements != NULL) {
		t->statements += HASH_COUNT(tenant->statements->by_body);
		t->statement_bytes += (int64_t)tenant->statements->bytes;
	}
	LIST_FOREACH(p, &tenant->pools, link)
		count_pool(p, t);
}

void
show_count(const struct report_kind *kind, struct shard *s, struct part *part)
{
	struct tenant *tenant = NULL;

	(void)kind;
	part->tally.clients = (int64_t)s->nclients;
	part->tally.logins = s->client_env.nlogins;
	part->tally.paused = s->paused;
	while ((tenant = tenants_next(s->tenants, tenant)) != NULL)
		count_tenant(tenant, &part->tally);
}

static void
add_tally(struct tally *to, const struct tally *t)
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

/* --- sorting --- */

/* A row of a report in its cells. */
struct span {
	const uint8_t *at;
	size_t size;
	unsigned nsorted;
};

static int
compare_spans(const void *va, const void *vb)
{
	const struct span *a = va, *b = vb;
	const uint8_t *pa = a->at, *pb = b->at;

	for (unsigned i = 0; i < a->nsorted; i++) {
		int32_t la, lb;
		int r;

		memcpy(&la, pa, sizeof(la));
		memcpy(&lb, pb, sizeof(lb));
		pa += sizeof(la);
		pb += sizeof(lb);
		if (la < 0 || lb < 0)
			return la - lb;
		r = memcmp(pa, pb, (size_t)(la < lb ? la : lb));
		if (r != 0 || la != lb)
			return r != 0 ? r : la - lb;
		pa += la;
		pb += lb;
	}
	return 0;
}

static void
find_spans(const struct report *r, struct span *spans, unsigned nsorted)
{
	const char *text;
	size_t pos = 0;
	int32_t len;

	for (size_t row = 0; row < r->nrows; row++) {
		size_t start = pos;

		for (size_t i = 0; i < r->ncolumns; i++)
			report_next_cell(r, &pos, &text, &len);
		spans[row] = (struct span){ buffer_head(&r->cells) + start, pos - start, nsorted };
	}
}

static void
sort(struct report *r, unsigned nsorted)
{
	struct span *spans;
	struct buffer sorted = BUFFER_INIT;

	if (nsorted == 0 || r->nrows < 2)
		return;
	spans = memory_alloc(r->nrows * sizeof(*spans));
	find_spans(r, spans, nsorted);
	qsort(spans, r->nrows, sizeof(*spans), compare_spans);
	for (size_t row = 0; row < r->nrows; row++)
		buffer_append(&sorted, spans[row].at, spans[row].size);
	free(spans);
	buffer_release(&r->cells);
	r->cells = sorted;
}

/* --- making one --- */

struct show {
	struct task task;
	const struct report_kind *kind;
	int nparts;
	struct part parts[];
};

static struct show *
show_of(struct inquiry *q)
{
	return container_of(task_of(q), struct show, task);
}

static void
release_show(struct task *t)
{
	struct show *s = container_of(t, struct show, task);

	for (int i = 0; i < s->nparts; i++)
		report_release(&s->parts[i].rows);
	free(s);
}

static void
visit_shard(struct shard *shard, struct inquiry *q)
{
	struct show *s = show_of(q);

	if (s->kind->look != NULL)
		s->kind->look(s->kind, shard, &s->parts[shard->index]);
}

static void
finish(struct inquiry *q)
{
	struct show *s = show_of(q);
	struct tally sum = { .clients = 0 };
	struct report rows;

	report_init(&rows, s->kind->columns, s->kind->ncolumns);
	for (int i = 0; i < s->nparts; i++) {
		report_take(&rows, &s->parts[i].rows);
		add_tally(&sum, &s->parts[i].tally);
	}
	if (s->kind->add != NULL)
		s->kind->add(s->kind, s->task.console, &sum, &rows);
	sort(&rows, s->kind->nsorted);
	if (s->task.dialogue != NULL) {
		dialogue_rows(s->task.dialogue, &rows);
		dialogue_complete(s->task.dialogue, "SHOW");
	}
	report_release(&rows);
	task_end(&s->task);
}

void
show_run(struct dialogue *d, const struct report_kind *kind)
{
	int n = d->console->ops->nworkers;
	struct show *s = memory_zalloc(sizeof(*s) + (size_t)n * sizeof(s->parts[0]));

	s->kind = kind;
	s->nparts = n;
	for (int i = 0; i < n; i++)
		report_init(&s->parts[i].rows, kind->columns, kind->ncolumns);
	s->task.release = release_show;
	task_start(&s->task, d->console, d);
	task_ask(&s->task, visit_shard, finish);
}
