/*
 * inside: the console itself and the work it has under way, as the files of
 * this folder know them.
 */
#ifndef CONSOLE_INSIDE_H
#define CONSOLE_INSIDE_H

#include "base/memory.h"
#include "console/console.h"
#include "reports/console_facts.h"

struct dialogue;

struct console {
	struct loop *loop;
	struct commons *commons;
	const struct console_ops *ops;
	void *daemon; /* of ops */
	struct client_env env;
	struct client_set clients; /* all, by id */
	struct params_table *params;
	struct reports *reports;
	struct console_facts facts; /* that the reports tell */
	LIST_HEAD(, task) tasks; /* what is under way */
};

static inline const struct config *
console_config(const struct console *k)
{
	return k->ops->inquirer->config(k->ops->inquirer->daemon);
}

static inline struct console *
console_of(const struct client *c)
{
	return container_of(c->env, struct console, env);
}

/*
 * A command that takes more than one turn.  It outlives the operator who gave
 * it: then dialogue is NULL, and nobody waits for the answer.  Embedded in a struct
 * with what the command needs.
 *
 *	task_start ── task_ask ──> visit, on every worker ── finish ──> task_end
 *	                  ^                                    │
 *	                  └────────── task_ask_later <─────────┘
 */
struct task {
	struct inquiry inquiry;
	LIST_ENTRY(task) link;
	struct console *console;
	struct dialogue *dialogue;
	void (*undo)(struct task *t); /* the operator canceled it; NULL: there is nothing to undo */
	void (*release)(struct task *t); /* frees it with what it holds */
};

/* Take note of a task that was zero-filled, with release (and undo) set.  d may be NULL. */
void task_start(struct task *t, struct console *k, struct dialogue *d);

/* Visit all shards, then finish. */
void task_ask(struct task *t, void (*visit)(struct shard *s, struct inquiry *q),
	void (*finish)(struct inquiry *q));

/* Likewise, in 50 ms. */
void task_ask_later(struct task *t, void (*visit)(struct shard *s, struct inquiry *q),
	void (*finish)(struct inquiry *q));

/* It is over: free it, and let its operator go on, who has been answered. */
void task_end(struct task *t);

static inline struct task *
task_of(struct inquiry *q)
{
	return container_of(q, struct task, inquiry);
}

#endif
