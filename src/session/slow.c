#include "session/slow.h"

#include <string.h>

#include "base/memory.h"
#include "session/plan.h"

static char *
copy(const char *text)
{
	return text != NULL ? memory_strdup(text) : NULL;
}

static void
add_statement(struct slow_query *r, const struct label *l)
{
	r->hash = l->entry->hash;
	if (l->entry->digest != NULL) {
		r->text = copy(l->entry->digest->text);
		r->verb = l->entry->digest->verb;
	}
	if (l->trace != NULL)
		r->trace = l->trace->trace;
	r->values = copy(l->values);
	r->nparams = l->nparams;
	r->ntypes = l->ntypes;
	memcpy(r->types, l->types, l->ntypes * sizeof(r->types[0]));
}

static void
add_client(struct slow_query *r, const struct session *s)
{
	const struct tenant *t = s->pool->tenant;
	char address[ADDRESS_TEXT];

	r->tenant = copy(t->name);
	r->user = copy(s->user->name);
	r->database = copy(t->conf != NULL && t->conf->dbname != NULL ? t->conf->dbname : t->name);
	r->client = copy(address_text(&s->client->address, s->client->env->port, address));
	r->application_name = copy(params_get(s->params, "application_name"));
}

void
slow_report(struct session *s, const struct timing *t, const struct query_sample *q, usec_t threshold)
{
	struct slow_query *r = memory_zalloc(sizeof(*r));

	r->at = clock_wall();
	r->sample = *q;
	r->threshold = threshold;
	memcpy(r->sqlstate, t->sqlstate, sizeof(r->sqlstate));
	add_statement(r, &t->what);
	add_client(r, s);
	plan_ask(s->shard, s->pool, r);
}
