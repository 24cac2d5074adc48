/*
 * Any text: the rules read nothing behind it, and say the same again; what was learned is known,
 * and a file of what was learned is read or refused, never half.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "sql/digest.h"
#include "threat/habit.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(int truth)
{
	if (!truth)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct habits *hs = habits_new();
	char *text = malloc(size + 1);
	struct habit_text t = { .text = text };
	struct sql_digest d;
	struct habit *h;
	uint32_t rules, all;

	check(text != NULL);
	if (size > 0)
		memcpy(text, data, size);
	text[size] = '\0';
	t.n = strlen(text);
	sql_digest(text, t.n, &d);
	t.hash = d.hash;
	t.verb = d.verb;
	t.effects = d.effects;

	all = threat_rules_find(text, t.n);
	check((all & (THREAT_BIT(THREAT_RULE_UNKNOWN) | THREAT_BIT(THREAT_RULE_UNREAD))) == 0);
	check(all >> THREAT_RULES == 0 && all == threat_rules_find(text, t.n));

	habits_limit(hs, 100);
	h = habits_open(hs, "tenant", "role");
	check(habit_judge(h, &t) == all);	/* nothing is usual yet */
	habit_learn_function(h, 1, &rules);
	check((habit_judge(h, &t) & ~THREAT_BIT(THREAT_RULE_UNKNOWN) & ~all) == 0);
	habit_learn(h, &t, &rules);
	check((rules & ~all) == 0);
	check(habit_judge(h, &t) == 0);
	check(habit_learn(h, &t, &rules) == HABIT_KNOWN && rules == 0);
	habits_free(&hs);
	free(text);
	return 0;
}
