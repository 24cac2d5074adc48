#include "session/prepared.h"

#include <stdlib.h>

#include "base/memory.h"

void
prepared_init(struct prepared *p)
{
	p->by_statement = NULL;
	TAILQ_INIT(&p->lru);
}

static struct prepared_statement *
find(const struct prepared *p, const struct statement *st)
{
	struct prepared_statement *ps;

	HASH_FIND_PTR(p->by_statement, &st, ps);
	return ps;
}

static void
drop(struct prepared *p, struct prepared_statement *ps)
{
	HASH_DEL(p->by_statement, ps);
	TAILQ_REMOVE(&p->lru, ps, lru);
	free(ps);
}

void
prepared_clear(struct prepared *p)
{
	struct statement *st;

	while ((st = prepared_evict(p)) != NULL)
		statement_unref(&st);
}

unsigned
prepared_count(const struct prepared *p)
{
	return HASH_COUNT(p->by_statement);
}

bool
prepared_use(struct prepared *p, struct statement *st)
{
	struct prepared_statement *ps = find(p, st);

	if (ps == NULL)
		return false;
	if (TAILQ_NEXT(ps, lru) != NULL) {
		TAILQ_REMOVE(&p->lru, ps, lru);
		TAILQ_INSERT_TAIL(&p->lru, ps, lru);
	}
	return true;
}

void
prepared_add(struct prepared *p, struct statement *st)
{
	struct prepared_statement *ps;

	if (prepared_use(p, st))
		return;
	ps = memory_alloc(sizeof(*ps));
	ps->statement = statement_ref(st);
	HASH_ADD_PTR(p->by_statement, statement, ps);
	TAILQ_INSERT_TAIL(&p->lru, ps, lru);
}

void
prepared_remove(struct prepared *p, struct statement *st)
{
	struct prepared_statement *ps = find(p, st);

	if (ps == NULL)
		return;
	drop(p, ps);
	statement_unref(&st);
}

struct statement *
prepared_evict(struct prepared *p)
{
	struct prepared_statement *ps = TAILQ_FIRST(&p->lru);
	struct statement *st;

	if (ps == NULL)
		return NULL;
	st = ps->statement;
	drop(p, ps);
	return st;
}
