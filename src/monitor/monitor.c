#include "monitor/monitor.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/strings.h"
#include "monitor/alerts.h"
#include "monitor/history.h"
#include "monitor/notice.h"
#include "monitor/ring.h"
#include "monitor/slow_log.h"
#include "monitor/threats.h"
#include "monitor/lookout.h"
#include "monitor/webhook.h"

#define TICK USEC_PER_SEC
#define SLOW_KEPT_BYTES (16 * 1024 * 1024)	/* of texts, plans and values of those that are kept */

_Static_assert(SLOW_KEPT == RING_SIZE, "slow queries are kept in a ring");

struct monitor {
	struct loop *loop;
	const struct config *config;
	struct slow_log *slow_log;
	struct ring slow;		/* of struct slow_query */
	size_t slow_bytes;
	struct alerts *alerts;
	struct threats *threats;
	struct history history;
	struct lookout *lookout;
	struct webhook *webhook;
	struct monitor_counts counts;
	char host[64];			/* where we are, for who gets alerts of several */
};

static const char *const kind_names[ALERT_KINDS] = {
	[ALERT_SLOW_QUERY] = "slow_query",
	[ALERT_SLOW_SHARE] = "slow_share",
	[ALERT_REGRESSION] = "regression",
	[ALERT_THREAT] = "threat",
};

static const char *const delivery_names[] = {
	[DELIVERY_NONE] = "none",	[DELIVERY_PENDING] = "pending", [DELIVERY_SENT] = "sent",
	[DELIVERY_FAILED] = "failed",	[DELIVERY_DROPPED] = "dropped",
};

const char *
alert_kind_name(enum alert_kind k)
{
	return (size_t)k < lengthof(kind_names) ? kind_names[k] : "?";
}

const char *
alert_delivery_name(enum alert_delivery d)
{
	return (size_t)d < lengthof(delivery_names) ? delivery_names[d] : "?";
}

/* --- alerts --- */

static void
send_to_webhook(struct monitor *m, const struct alert *a)
{
	struct buffer body = BUFFER_INIT;
	enum alert_delivery d;

	notice_write(&body, a, m->config->job_name, m->host);
	buffer_append(&body, "", 1);
	d = webhook_send(m->webhook, a->id, alert_kind_name(a->kind), (const char *)buffer_head(&body));
	buffer_release(&body);
	if (d == DELIVERY_DROPPED)
		m->counts.webhook_dropped++;
	alerts_deliver(m->alerts, a->id, d);
}

static void
raise_alert(struct monitor *m, const struct alert_case *what, usec_t now)
{
	const struct alert *a = alerts_raise(m->alerts, what, m->config->alert_cooldown, now);

	if (a == NULL)
		return;
	m->counts.alerts[a->kind]++;
	send_to_webhook(m, a);
}

static void
on_told(void *arg, uint64_t id, enum alert_delivery d)
{
	struct monitor *m = arg;

	alerts_deliver(m->alerts, id, d);
	m->counts.webhook_sent += d == DELIVERY_SENT;
	m->counts.webhook_failed += d == DELIVERY_FAILED;
}

static void
judge_query(struct monitor *m, const struct slow_query *q, usec_t now)
{
	usec_t limit = m->config->alert_query_time;
	char message[NOTICE_SIZE];
	struct alert_case what;

	if (limit == 0 || q->sample.total < limit)
		return;
	notice_of_query(&what, q, limit);
	if (alerts_count(m->alerts, &what, m->config->alert_cooldown, now))
		return;
	notice_say_query(message, q, limit);
	what.message = message;
	raise_alert(m, &what, now);
}

static void
on_alarm(void *arg, const struct query_alarm *a)
{
	struct monitor *m = arg;
	usec_t now = clock_now();
	char message[NOTICE_SIZE];
	struct alert_case what;

	notice_of_alarm(&what, a);
	notice_say_alarm(message, a);
	what.message = message;
	raise_alert(m, &what, now);
}

static void
on_sum(void *arg, const struct query_sum *total)
{
	struct monitor *m = arg;

	history_take(&m->history, total, clock_now(), clock_wall());
}

/* --- slow queries --- */

static size_t
size_of_text(const char *s)
{
	return s == NULL ? 0 : strlen(s);
}

static size_t
size_of(const struct slow_query *q)
{
	return size_of_text(q->text) + size_of_text(q->plan) + size_of_text(q->values) + size_of_text(q->plan_note);
}

static void
drop_slow(struct monitor *m, struct slow_query *q)
{
	m->slow_bytes -= size_of(q);
	slow_query_free(&q);
}

static void
keep_slow(struct monitor *m, struct slow_query *q)
{
	struct slow_query *gone = ring_push(&m->slow, q);

	m->slow_bytes += size_of(q);
	if (gone != NULL)
		drop_slow(m, gone);
	while (m->slow_bytes > SLOW_KEPT_BYTES && m->slow.n > 1)
		drop_slow(m, ring_take_oldest(&m->slow));
}

void
monitor_slow_query(struct monitor *m, struct slow_query *q)
{
	usec_t now = clock_now();

	m->counts.slow_queries++;
	slow_log_write(m->slow_log, q, now);
	m->counts.slow_lost = slow_log_lost(m->slow_log);
	judge_query(m, q, now);
	keep_slow(m, q);
}

/* --- threats --- */

static void
judge_threat(struct monitor *m, const struct threat *t, usec_t now)
{
	char message[NOTICE_SIZE];
	struct alert_case what;

	notice_of_threat(&what, t);
	if (alerts_count(m->alerts, &what, m->config->alert_cooldown, now))
		return;
	notice_say_threat(message, t);
	what.message = message;
	raise_alert(m, &what, now);
}

void
monitor_threat(struct monitor *m, struct threat *t)
{
	judge_threat(m, t, clock_now());
	threats_keep(m->threats, t);
}

void
monitor_set_habits(struct monitor *m, struct habits *hs)
{
	threats_set_habits(m->threats, hs, m->config);
}

bool
monitor_save(struct monitor *m)
{
	return threats_save(m->threats);
}

/* --- settings --- */

static void
apply(struct monitor *m)
{
	slow_log_configure(m->slow_log, m->config, clock_now());
	webhook_configure(m->webhook, m->config->alert_webhook_url, m->config->alert_webhook_secret);
	threats_set_config(m->threats, m->config);
}

void
monitor_set_config(struct monitor *m, const struct config *c)
{
	const struct config *old = m->config;

	m->config = config_ref(c);
	config_unref(&old);
	apply(m);
	lookout_configure(m->lookout, c);
}

void
monitor_reopen(struct monitor *m)
{
	slow_log_reopen(m->slow_log, clock_now());
}

static void
forget_slow(struct monitor *m)
{
	struct slow_query *q;

	while ((q = ring_take_oldest(&m->slow)) != NULL)
		drop_slow(m, q);
}

void
monitor_reset(struct monitor *m)
{
	forget_slow(m);
	alerts_reset(m->alerts);
	threats_reset(m->threats);
	history_reset(&m->history, clock_now());
	lookout_forget(m->lookout);
}

/* --- reports --- */

const struct slow_query *
monitor_next_slow(const struct monitor *m, const struct slow_query *after)
{
	return ring_next(&m->slow, after);
}

const struct alert *
monitor_next_alert(const struct monitor *m, const struct alert *after)
{
	return alerts_next(m->alerts, after);
}

const struct threat *
monitor_next_threat(const struct monitor *m, const struct threat *after)
{
	return threats_next(m->threats, after);
}

const struct threat_counts *
monitor_threat_counts(const struct monitor *m)
{
	return threats_counts(m->threats);
}

const struct threat_counts *
monitor_tenant_threats(const struct monitor *m, const char *tenant)
{
	return threats_of_tenant(m->threats, tenant);
}

size_t
monitor_history(const struct monitor *m, const struct history_point **points)
{
	*points = m->history.points;
	return m->history.n;
}

void
monitor_window(const struct monitor *m, const struct query_sum *total, usec_t window, struct query_sum *out,
	       usec_t *from)
{
	static const struct query_sum nothing;
	const struct query_sum *before = history_before(&m->history, clock_now(), window, from);

	history_between(out, total, before != NULL ? before : &nothing);
}

const struct monitor_counts *
monitor_counts(const struct monitor *m)
{
	return &m->counts;
}

/* --- life --- */

static void
on_tick(void *arg)
{
	struct monitor *m = arg;
	usec_t now = clock_now();

	slow_log_tick(m->slow_log, now);
	m->counts.slow_lost = slow_log_lost(m->slow_log);
	alerts_tick(m->alerts, m->config->alert_cooldown, now);
	webhook_tick(m->webhook, now);
	threats_tick(m->threats, now);
}

static void
find_host(char *host, size_t size)
{
	char name[256] = "";

	gethostname(name, sizeof(name) - 1);
	string_copy(host, name, size);
}

struct monitor *
monitor_new(struct loop *l, struct mailbox *mb, int job_mail, struct helpers *askers, const struct inquirer *in,
	    const struct config *c)
{
	static const struct lookout_ops lookout_ops = { .sum = on_sum, .alarm = on_alarm };
	struct monitor *m = memory_zalloc(sizeof(*m));

	m->loop = l;
	m->config = config_ref(c);
	m->slow_log = slow_log_new();
	m->alerts = alerts_new();
	m->threats = threats_new(mb, job_mail, askers);
	history_init(&m->history, clock_now());
	m->webhook = webhook_new(l, mb, job_mail, askers, on_told, m);
	m->lookout = lookout_new(l, in, c, &lookout_ops, m);
	find_host(m->host, sizeof(m->host));
	apply(m);
	loop_every(l, TICK, on_tick, m);
	return m;
}

void
monitor_close(struct monitor *m)
{
	webhook_stop(m->webhook);
	threats_close(m->threats);
}

void
monitor_free(struct monitor **mp)
{
	struct monitor *m = *mp;

	if (m == NULL)
		return;
	*mp = NULL;
	lookout_free(&m->lookout);
	webhook_free(&m->webhook);
	forget_slow(m);
	alerts_free(&m->alerts);
	threats_free(&m->threats);
	history_release(&m->history);
	slow_log_free(&m->slow_log);
	config_unref(&m->config);
	free(m);
}
