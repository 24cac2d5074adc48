#include "stage.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "reports/console_facts.h"

#define WORKERS_MAX 4
#define MAIL_JOB 1

static struct {
	int nworkers;
	struct shard shards[WORKERS_MAX];
	const struct config *config;
	struct loop *loop;
	struct mailbox *mailbox;
	struct commons commons;
	struct client_set clients;
	struct client_env env;
	struct console_facts facts;
	struct inquiry *waiting;
} stage;

struct reports stage_reports;

/* --- who carries inquiries --- */

static void
ask(void *daemon, struct inquiry *q)
{
	(void)daemon;
	cr_assert_null(stage.waiting);
	stage.waiting = q;
}

static void
later(void *daemon, usec_t delay, void (*fn)(void *arg), void *arg)
{
	(void)daemon;
	(void)delay;
	(void)fn;
	(void)arg;
}

static const struct config *
get_config(void *daemon)
{
	(void)daemon;
	return stage.config;
}

static struct inquirer inquirer = { .ask = ask, .later = later, .config = get_config };

bool
stage_answer(void)
{
	struct inquiry *q = stage.waiting;

	if (q == NULL)
		return false;
	stage.waiting = NULL;
	q->nworkers = stage.nworkers;
	for (int i = 0; i < stage.nworkers; i++)
		q->visit(&stage.shards[i], q);
	q->finish(q);
	return true;
}

/* --- life --- */

static struct shard *
owner(const char *tenant)
{
	return &stage.shards[tenant_worker(tenant, stage.nworkers)];
}

struct tenant *
stage_tenant(const char *name)
{
	struct tenant *t = tenants_find(owner(name)->tenants, name);

	cr_assert_not_null(t, "%s", name);
	return t;
}

void
stage_make(const char *name)
{
	struct error e;

	cr_assert_not_null(tenants_open(owner(name)->tenants, name, &e));
}

static void
open_tenants(const char *names)
{
	char *list = memory_strdup(names), *rest = list, *name;

	while ((name = strsep(&rest, " ")) != NULL) {
		if (name[0] != '\0')
			stage_make(name);
	}
	free(list);
}

static void
on_mail(void *arg, struct mail *m)
{
	(void)arg;
	(void)m;
}

static bool
is_busy(const struct client *c)
{
	(void)c;
	return false;
}

static void
open_shard(struct shard *s, int index)
{
	const struct query_limits limits = {
		.on = true,
		.entries = (unsigned)stage.config->query_stats_max,
		.entries_per_tenant = (unsigned)stage.config->query_stats_max_per_tenant,
		.text_size = (unsigned)stage.config->query_text_size,
		.period = stage.config->alert_baseline_period,
		.period_calls = 1,
	};

	*s = (struct shard){ .index = index, .nworkers = stage.nworkers, .tenants = tenants_new(stage.config) };
	query_store_init(&s->queries, &limits, clock_now());
}

void
stage_open(int nworkers, const char *tenants, const char *settings)
{
	char text[2000];
	struct error e;

	log_set_stderr(false);
	snprintf(text, sizeof(text), "[databases]\n* = host=127.0.0.1\n[pgbouncer]\nslow_query_log = off\n%s\n",
		settings);
	stage.config = config_from_text(text, strlen(text), &e);
	cr_assert_not_null(stage.config, "%s", e.message);
	stage.nworkers = inquirer.nworkers = nworkers;
	for (int i = 0; i < nworkers; i++)
		open_shard(&stage.shards[i], i);
	open_tenants(tenants);
	stage.loop = loop_new();
	stage.mailbox = mailbox_new(stage.loop, on_mail, NULL);
	stage.commons.users = users_new();
	SPLAY_INIT(&stage.clients);
	stage.facts = (struct console_facts){ .clients = &stage.clients, .env = &stage.env, .is_busy = is_busy };
	stage_reports = (struct reports){
		.inquirer = &inquirer,
		.commons = &stage.commons,
		.monitor = monitor_new(stage.loop, stage.mailbox, MAIL_JOB, NULL, &inquirer, stage.config),
		.console = &stage.facts,
	};
}

static void
drop_tenant(struct shard *s, struct tenant *t)
{
	if (t->queries != NULL)
		query_tenant_free(&t->queries);
	tenants_drop(s->tenants, &t);
}

void
stage_drop(const char *name)
{
	drop_tenant(owner(name), stage_tenant(name));
}

static void
close_shard(struct shard *s)
{
	struct tenant *t;

	while ((t = tenants_next(s->tenants, NULL)) != NULL)
		drop_tenant(s, t);
	query_store_release(&s->queries);
	tenants_free(&s->tenants);
}

void
stage_close(void)
{
	reports_release(&stage_reports);
	stage.waiting = NULL;
	monitor_free(&stage_reports.monitor);
	for (int i = 0; i < stage.nworkers; i++)
		close_shard(&stage.shards[i]);
	users_free(&stage.commons.users);
	mailbox_free(&stage.mailbox, NULL);
	loop_free(&stage.loop);
	config_unref(&stage.config);
}

/* --- what happens --- */

void
stage_ran_as(const char *tenant, const char *text, const struct query_sample *q)
{
	struct tenant *t = stage_tenant(tenant);
	struct sql_digest d;
	bool fresh;

	if (t->queries == NULL)
		t->queries = query_tenant_new(&owner(tenant)->queries, tenant);
	sql_digest(text, strlen(text), &d);
	query_count(query_open(t->queries, &d, text, strlen(text), clock_now(), &fresh), q, clock_now());
}

void
stage_ran(const char *tenant, const char *text, usec_t total)
{
	stage_ran_as(tenant, text, &(struct query_sample){ .total = total, .first_byte = total });
}

struct slow_query *
stage_slow_query(const char *tenant, const char *text, usec_t total)
{
	struct slow_query *q = memory_zalloc(sizeof(*q));
	struct sql_digest d;

	sql_digest(text, strlen(text), &d);
	q->at = clock_wall();
	q->tenant = memory_strdup(tenant);
	q->user = memory_strdup("alice");
	q->text = memory_strdup(text);
	q->hash = d.hash;
	q->verb = d.verb;
	q->sample = (struct query_sample){ .total = total, .first_byte = total, .slow = true };
	q->threshold = 1000;
	return q;
}

/* --- what is seen --- */

struct picture {
	const char *columns;
	struct buffer text;
	int answers;
};

static void
put(struct buffer *b, const char *text, size_t n)
{
	buffer_append(b, text, n);
}

static bool
is_in(const char *columns, const char *name)
{
	size_t n = strlen(name);

	for (const char *p = columns; p != NULL; p = strchr(p, '|')) {
		p += *p == '|';
		if (strncmp(p, name, n) == 0 && (p[n] == '|' || p[n] == '\0'))
			return true;
	}
	return false;
}

static void
draw_row(struct picture *picture, const struct report *rows, size_t *pos)
{
	const char *before = "";

	for (size_t i = 0; i < rows->ncolumns; i++) {
		const char *text;
		int32_t len;

		cr_assert(report_next_cell(rows, pos, &text, &len));
		if (!is_in(picture->columns, rows->columns[i].name))
			continue;
		put(&picture->text, before, strlen(before));
		if (len >= 0)
			put(&picture->text, text, (size_t)len);
		else
			put(&picture->text, "NULL", 4);
		before = "|";
	}
	put(&picture->text, "\n", 1);
}

static void
draw(void *arg, struct report *rows, const struct error *e)
{
	struct picture *picture = arg;
	size_t pos = 0;

	picture->answers++;
	if (rows == NULL) {
		put(&picture->text, e->sqlstate, 5);
		return;
	}
	for (size_t i = 0; i < rows->nrows; i++)
		draw_row(picture, rows, &pos);
}

const char *
stage_show(const char *report, const struct report_filter *f, const char *columns)
{
	static char text[16384];
	struct picture picture = { .columns = columns, .text = BUFFER_INIT };
	const struct report_kind *kind = report_find(report);
	size_t n;

	cr_assert_not_null(kind);
	report_ask(&stage_reports, kind, f, draw, &picture);
	cr_assert_eq(picture.answers, 0, "never from within the call");
	while (stage_answer())
		cr_assert_leq(picture.answers, 1);
	cr_assert_eq(picture.answers, 1);
	n = buffer_left(&picture.text);
	cr_assert_lt(n, sizeof(text));
	if (n > 0)
		memcpy(text, buffer_head(&picture.text), n);
	text[n] = '\0';
	buffer_release(&picture.text);
	return text;
}
