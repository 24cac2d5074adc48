#include "tenant/budget.h"

bool
budget_take(struct budget *b, int limit)
{
	int used = atomic_load(&b->used);

	do {
		if (limit > 0 && used >= limit)
			return false;
	} while (!atomic_compare_exchange_weak(&b->used, &used, used + 1));
	return true;
}

uint64_t
budget_give(struct budget *b)
{
	atomic_fetch_sub(&b->used, 1);
	if (atomic_load(&b->waiting) == 0)
		return 0;
	return atomic_exchange(&b->waiting, 0);
}

void
budget_wait(struct budget *b, int worker)
{
	atomic_fetch_or(&b->waiting, UINT64_C(1) << worker);
}

bool
budget_is_awaited(const struct budget *b, int worker)
{
	return (atomic_load(&b->waiting) & (UINT64_C(1) << worker)) != 0;
}

void
budget_forget(struct budget *b, int worker)
{
	atomic_fetch_and(&b->waiting, ~(UINT64_C(1) << worker));
}

int
budget_used(struct budget *b)
{
	return atomic_load(&b->used);
}
