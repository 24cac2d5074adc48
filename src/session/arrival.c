#include "session/arrival.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/sqlstate.h"
#include "session/move.h"

struct visitor {
	STAILQ_ENTRY(visitor) link;
	uint32_t client;
	arrival_fn *known;
	struct session_parcel *parcel;	/* NULL: it is a client */
	arrival_held_fn *held;
};

/* A name that is asked for, and who wants to know. */
struct arrival {
	UT_hash_handle hh;
	STAILQ_HEAD(, visitor) visitors;
	char name[];
};

void
tenant_question_free(struct tenant_question **qp)
{
	struct tenant_question *q = *qp;

	*qp = NULL;
	memory_free_secret(q->line);
	free(q);
}

static void
ask(struct shard *s, const char *name)
{
	size_t size = strlen(name) + 1;
	struct tenant_question *q = memory_zalloc(sizeof(*q) + size);

	memcpy(q->name, name, size);
	q->reply = s->client_env.mailbox;
	s->ops->find_tenant(s, q);
}

static struct arrival *
find(struct shard *s, const char *name)
{
	struct arrival *a;

	HASH_FIND_STR(s->arrivals, name, a);
	return a;
}

static struct arrival *
add(struct shard *s, const char *name)
{
	size_t size = strlen(name) + 1;
	struct arrival *a = memory_zalloc(sizeof(*a) + size);

	memcpy(a->name, name, size);
	STAILQ_INIT(&a->visitors);
	HASH_ADD_STR(s->arrivals, name, a);
	return a;
}

static struct visitor *
add_visitor(struct shard *s, const char *name)
{
	struct arrival *a = find(s, name);
	struct visitor *v = memory_zalloc(sizeof(*v));

	if (a == NULL) {
		a = add(s, name);
		ask(s, name);
	}
	STAILQ_INSERT_TAIL(&a->visitors, v, link);
	return v;
}

void
arrival_wait(struct shard *s, const char *name, struct client *c, arrival_fn *known)
{
	struct visitor *v = add_visitor(s, name);

	v->client = c->id;
	v->known = known;
}

void
arrival_hold(struct shard *s, const char *name, struct session_parcel *p, arrival_held_fn *known)
{
	struct visitor *v = add_visitor(s, name);

	v->parcel = p;
	v->held = known;
}

static void
forget_visitors(struct arrival *a)
{
	struct visitor *v;

	while ((v = STAILQ_FIRST(&a->visitors)) != NULL) {
		STAILQ_REMOVE_HEAD(&a->visitors, link);
		if (v->parcel != NULL)
			session_discard(&v->parcel);
		free(v);
	}
}

static void
tell_one(struct shard *s, struct visitor *v, const struct tenant_question *q)
{
	struct session_parcel *p = v->parcel;
	struct client *c;

	if (p != NULL) {
		v->parcel = NULL;
		v->held(s, p, q->line, &q->error);
		return;
	}
	c = shard_find_client(s, v->client);
	if (c != NULL && c->state != CLIENT_CLOSING)
		v->known(c, q->line, &q->error);
}

static void
tell(struct shard *s, struct arrival *a, const struct tenant_question *q)
{
	struct visitor *v;

	STAILQ_FOREACH(v, &a->visitors, link)
		tell_one(s, v, q);
}

void
arrivals_take(struct shard *s, struct tenant_question *q)
{
	struct arrival *a = find(s, q->name);

	/* First, so that who asks again from within finds nothing that is over. */
	if (a != NULL) {
		HASH_DEL(s->arrivals, a);
		tell(s, a, q);
		forget_visitors(a);
		free(a);
	}
	tenant_question_free(&q);
}

void
arrivals_release(struct shard *s)
{
	struct arrival *a, *next;

	HASH_ITER(hh, s->arrivals, a, next) {
		HASH_DEL(s->arrivals, a);
		forget_visitors(a);
		free(a);
	}
}

void
shard_set_line(struct shard *s, const char *name, const char *line)
{
	struct tenant *t = tenants_find(s->tenants, name);
	struct error e;

	/* One that has ended may be there anew. */
	if (t == NULL || (t->line == NULL && (t->conf != NULL || line == NULL)))
		return;
	if (line == NULL)
		tenants_end(s->tenants, t);
	else if (tenants_put(s->tenants, name, line, &e) == NULL)
		log_error("what the catalogue says of \"%s\" is wrong, its old line counts on: %s", name, e.message);
	if (t->conf == NULL)
		shard_end_tenant(s, t);
}
