#include "monitor/slow_line.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/memory.h"
#include "base/strings.h"

/* How much of a query is told. */
struct extent {
	bool plan, values;
	size_t text;		/* bytes of the statement */
	size_t name;		/* bytes of any other text of a peer */
};

/* The first that fits. */
static const struct extent extents[] = {
	{ .plan = true, .values = true, .text = SIZE_MAX, .name = SIZE_MAX },
	{ .plan = false, .values = true, .text = SIZE_MAX, .name = SIZE_MAX },
	{ .plan = false, .values = false, .text = SIZE_MAX, .name = SIZE_MAX },
	{ .plan = false, .values = false, .text = 1500, .name = 128 },
	{ .plan = false, .values = false, .text = 200, .name = 64 },
};

static const char left_out_note[] = "left out: too long for the main log; set slow_query_log to a file";
static const char no_json_note[] = "the server's answer is not JSON";

static void
put_cut(struct json *j, const char *key, const char *s, size_t most)
{
	size_t n;

	if (s == NULL) {
		json_put_null(j, key);
		return;
	}
	n = strnlen(s, most);
	json_put_text(j, key, s, s[n] == '\0' ? n : string_whole_chars(s, n));
}

static void
put_names(struct json *j, const struct slow_query *q, size_t most)
{
	put_cut(j, "tenant", q->tenant, most);
	put_cut(j, "user", q->user, most);
	put_cut(j, "database", q->database, most);
	put_cut(j, "client", q->client, most);
	put_cut(j, "application_name", q->application_name, most);
}

static void
put_statement(struct json *j, const struct slow_query *q, size_t most)
{
	if (q->hash == 0)
		json_put_null(j, "digest");
	else
		json_put_hex(j, "digest", q->hash);
	json_put_string(j, "kind", sql_verb_name(q->verb));
	put_cut(j, "text", q->text, most);
}

static void
put_sample(struct json *j, const struct slow_query *q)
{
	json_put_msec(j, "threshold_ms", q->threshold);
	json_put_msec(j, "wait_ms", q->sample.wait);
	json_put_msec(j, "first_byte_ms", q->sample.first_byte);
	json_put_msec(j, "total_ms", q->sample.total);
	json_put_msec(j, "blocked_ms", q->sample.blocked);
	json_put_int(j, "rows", (int64_t)q->sample.rows);
	json_put_int(j, "bytes_in", (int64_t)q->sample.bytes_in);
	json_put_int(j, "bytes_out", (int64_t)q->sample.bytes_out);
	json_put_string(j, "sqlstate", q->sqlstate[0] == '\0' ? NULL : q->sqlstate);
}

static void
put_trace(struct json *j, const struct sql_trace *t)
{
	const struct {
		const char *key, *value;
	} fields[] = {
		{ "traceparent", t->traceparent }, { "application", t->application }, { "route", t->route },
		{ "controller", t->controller },   { "action", t->action },	      { "framework", t->framework },
		{ "db_driver", t->db_driver },
	};

	json_open(j, "trace", '{');
	for (size_t i = 0; i < lengthof(fields); i++) {
		if (fields[i].value[0] != '\0')
			json_put_string(j, fields[i].key, fields[i].value);
	}
	json_close(j, '}');
}

/* Does it become a JSON value once its bytes are characters? */
static bool
is_json(const char *text)
{
	struct buffer b = BUFFER_INIT;
	struct json j = { .out = &b };
	json_t *value;

	json_put_raw(&j, NULL, text);
	value = json_loadb((const char *)buffer_head(&b), buffer_left(&b), JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL, NULL);
	buffer_release(&b);
	json_decref(value);
	return value != NULL;
}

/* What others have made may only be put in as it is if a reader can still read the whole. */
static void
put_parameters(struct json *j, const struct slow_query *q, bool values)
{
	json_put_int(j, "parameter_count", q->nparams);
	json_open(j, "parameter_types", '[');
	for (int i = 0; i < q->ntypes && i < SLOW_QUERY_TYPES; i++)
		json_put_int(j, NULL, q->types[i]);
	json_close(j, ']');
	if (values && q->values != NULL && is_json(q->values))
		json_put_raw(j, "parameters", q->values);
}

static void
put_plan(struct json *j, const struct slow_query *q, bool wanted)
{
	bool is_good = wanted && q->plan != NULL && is_json(q->plan);

	if (is_good)
		json_put_raw(j, "plan", q->plan);
	else if (q->plan != NULL)
		json_put_string(j, "plan_note", wanted ? no_json_note : left_out_note);
	if (q->plan_note != NULL && (is_good || q->plan == NULL))
		json_put_string(j, "plan_note", q->plan_note);
}

static void
write_line(struct buffer *out, const struct slow_query *q, const struct extent *x)
{
	struct json j = { .out = out };

	json_open(&j, NULL, '{');
	json_put_time(&j, "at", q->at);
	put_names(&j, q, x->name);
	put_statement(&j, q, x->text);
	put_sample(&j, q);
	put_trace(&j, &q->trace);
	put_parameters(&j, q, x->values);
	put_plan(&j, q, x->plan);
	json_close(&j, '}');
}

bool
slow_line_write(struct buffer *out, const struct slow_query *q, size_t size)
{
	size_t before = out->len;

	for (size_t i = 0; i < lengthof(extents); i++) {
		write_line(out, q, &extents[i]);
		if (size == 0 || out->len - before <= size)
			return true;
		out->len = before;
	}
	return false;
}

void
slow_line_write_gap(struct buffer *out, usec_t at, uint64_t count)
{
	struct json j = { .out = out };

	json_open(&j, NULL, '{');
	json_put_time(&j, "at", at);
	json_put_int(&j, "left_out", (int64_t)count);
	json_put_string(&j, "reason", "slow_query_log_rate");
	json_close(&j, '}');
}
