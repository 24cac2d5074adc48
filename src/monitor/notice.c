#include "monitor/notice.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/json.h"
#include "base/strings.h"

#define SPAN_SIZE 32
#define NAME_SIZE 64		/* of a name in a message; clients can have longer ones */

static double
to_msec(double usec)
{
	return usec / USEC_PER_MSEC;
}

/* "120.0 ms", "12.31 s" */
static const char *
format_span(char *out, double usec)
{
	if (usec < USEC_PER_SEC)
		snprintf(out, SPAN_SIZE, "%.1f ms", to_msec(usec));
	else
		snprintf(out, SPAN_SIZE, "%.2f s", usec / USEC_PER_SEC);
	return out;
}

static const char *
or_unknown(const char *s)
{
	return s != NULL && s[0] != '\0' ? s : "?";
}

/* In NAME_SIZE bytes, cut at a whole character. */
static const char *
clip(char *out, const char *s)
{
	return string_copy(out, or_unknown(s), NAME_SIZE);
}

/* ---- a slow query ---- */

void
notice_of_query(struct alert_case *what, const struct slow_query *q, usec_t limit)
{
	*what = (struct alert_case){
		.kind = ALERT_SLOW_QUERY,
		.tenant = or_unknown(q->tenant),
		.hash = q->hash,
		.text = q->text,
		.value = to_msec((double)q->sample.total),
		.limit = to_msec((double)limit),
	};
}

/* The application says who it is, or its comments do. */
static const char *
application_of(const struct slow_query *q)
{
	return q->application_name != NULL && q->application_name[0] != '\0' ? q->application_name : q->trace.application;
}

void
notice_say_query(char *message, const struct slow_query *q, usec_t limit)
{
	char took[SPAN_SIZE], most[SPAN_SIZE], tenant[NAME_SIZE], user[NAME_SIZE], client[NAME_SIZE], name[NAME_SIZE];
	bool is_named = application_of(q)[0] != '\0';

	snprintf(message, NOTICE_SIZE,
		 "tenant %s: %s of user %s (from %s%s%s) took %s, alert_query_time is %s; see SHOW SLOW_QUERIES",
		 clip(tenant, q->tenant), sql_verb_name(q->verb), clip(user, q->user), clip(client, q->client),
		 is_named ? ", application " : "", is_named ? clip(name, application_of(q)) : "",
		 format_span(took, (double)q->sample.total), format_span(most, (double)limit));
}

/* ---- alarms ---- */

void
notice_of_alarm(struct alert_case *what, const struct query_alarm *a)
{
	bool is_share = a->kind == QUERY_ALARM_SLOW_SHARE;

	*what = (struct alert_case){
		.kind = is_share ? ALERT_SLOW_SHARE : ALERT_REGRESSION,
		.tenant = or_unknown(a->tenant),
		.hash = is_share ? 0 : a->hash,
		.text = is_share ? NULL : a->text,
		.value = is_share ? a->value * 100 : to_msec(a->value),
		.limit = is_share ? a->limit * 100 : to_msec(a->limit),
	};
}

static void
say_share(char *message, const struct query_alarm *a)
{
	char tenant[NAME_SIZE];

	snprintf(message, NOTICE_SIZE,
		 "tenant %s: %.1f %% of its %" PRIu64 " queries of the last 5 minutes were slow (%.1f %% over the last "
		 "hour), alert_slow_percent is %g; see SHOW SLOW_QUERIES",
		 clip(tenant, a->tenant), a->value * 100, a->calls, a->value_hour * 100, a->limit * 100);
}

static void
say_regression(char *message, const struct query_alarm *a)
{
	char takes[SPAN_SIZE], took[SPAN_SIZE], most[SPAN_SIZE], tenant[NAME_SIZE];

	snprintf(message, NOTICE_SIZE,
		 "tenant %s: statement %016" PRIx64 " takes %s (mean of %" PRIu64 " calls), it used to take %s, the limit "
		 "is %s (alert_regression_percent); see SHOW QUERIES, and whether its plan has changed",
		 clip(tenant, a->tenant), a->hash, format_span(takes, a->value), a->calls, format_span(took, a->baseline),
		 format_span(most, a->limit));
}

void
notice_say_alarm(char *message, const struct query_alarm *a)
{
	if (a->kind == QUERY_ALARM_SLOW_SHARE)
		say_share(message, a);
	else
		say_regression(message, a);
}

/* ---- a threat ---- */

/* Its value is how many rules it hits. */
void
notice_of_threat(struct alert_case *what, const struct threat *t)
{
	*what = (struct alert_case){
		.kind = ALERT_THREAT,
		.tenant = or_unknown(t->tenant),
		.hash = t->hash,
		.text = t->text,
		.value = __builtin_popcount(t->rules),
	};
}

void
notice_say_threat(char *message, const struct threat *t)
{
	char rules[THREAT_NAMES_SIZE], tenant[NAME_SIZE], user[NAME_SIZE], client[NAME_SIZE], name[NAME_SIZE];
	bool is_named = t->application_name != NULL && t->application_name[0] != '\0';

	snprintf(message, NOTICE_SIZE,
		 "tenant %s: statement %016" PRIx64 " of user %s (from %s%s%s) was %s: %s (threat_mode is %s); see SHOW THREATS",
		 clip(tenant, t->tenant), t->hash, clip(user, t->user), clip(client, t->client),
		 is_named ? ", application " : "", is_named ? clip(name, t->application_name) : "",
		 t->refused ? "refused" : "let through", threat_rule_names(t->rules, rules), threat_mode_name(t->mode));
}

/* ---- for programs ---- */

static const char *
unit_of(enum alert_kind k)
{
	static const char *const units[ALERT_KINDS] = {
		[ALERT_SLOW_QUERY] = "ms", [ALERT_SLOW_SHARE] = "percent", [ALERT_REGRESSION] = "ms", [ALERT_THREAT] = "rules",
	};

	return units[k];
}

void
notice_write(struct buffer *out, const struct alert *a, const char *job_name, const char *host)
{
	struct json j = { .out = out };

	json_open(&j, NULL, '{');
	json_put_string(&j, "event", alert_kind_name(a->kind));
	json_put_int(&j, "id", (int64_t)a->id);
	json_put_time(&j, "at", a->at);
	json_put_string(&j, "tenant", a->tenant);
	if (a->hash == 0)
		json_put_null(&j, "digest");
	else
		json_put_hex(&j, "digest", a->hash);
	json_put_number(&j, "value", a->value, 3);
	json_put_number(&j, "limit", a->limit, 3);
	json_put_string(&j, "unit", unit_of(a->kind));
	json_put_string(&j, "message", a->message);
	json_put_string(&j, "text", a->text);
	json_put_string(&j, "job_name", job_name);
	json_put_string(&j, "host", host);
	json_close(&j, '}');
}
