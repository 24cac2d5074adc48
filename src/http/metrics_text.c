#include "http/metrics_text.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char *const type_names[] = {
	[METRIC_COUNTER] = "counter",
	[METRIC_GAUGE] = "gauge",
	[METRIC_HISTOGRAM] = "histogram",
	[METRIC_INFO] = "info",
};

static const char *const suffixes[] = {
	[METRIC_COUNTER] = "_total",
	[METRIC_GAUGE] = "",
	[METRIC_HISTOGRAM] = "",
	[METRIC_INFO] = "_info",
};

static const char *const unit_names[] = {
	[UNIT_NONE] = NULL,
	[UNIT_SECONDS] = "seconds",
	[UNIT_BYTES] = "bytes",
};

/* --- which dialect --- */

#define BLANKS " \t"

/* A media range ends at `end`: its q, 1 if there is none. */
static double
read_quality(const char *parameters, const char *end)
{
	for (const char *p = strchr(parameters, ';'); p != NULL && p < end; p = strchr(p, ';')) {
		p += 1 + strspn(p + 1, BLANKS);
		if ((*p == 'q' || *p == 'Q') && p[1] == '=')
			return strtod(p + 2, NULL);
	}
	return 1;
}

/* The best q of this type among what is named; 0: it is not. */
static double
quality_of(const char *accept, const char *type)
{
	double best = 0;

	for (const char *p = accept; *p != '\0'; p += *p == ',') {
		const char *end, *name = p + strspn(p, BLANKS);
		size_t n = strcspn(name, ",; \t");

		end = name + strcspn(name, ",");
		if (n == strlen(type) && strncasecmp(name, type, n) == 0 && read_quality(name, end) > best)
			best = read_quality(name, end);
		p = end;
	}
	return best;
}

bool
metrics_text_accepts(const char *accept)
{
	double open;

	if (accept == NULL)
		return false;
	open = quality_of(accept, "application/openmetrics-text");
	return open > 0 && open >= quality_of(accept, "text/plain");
}

const char *
metrics_text_content_type(bool openmetrics)
{
	return openmetrics ? "application/openmetrics-text; version=1.0.0; charset=utf-8" :
			     "text/plain; version=0.0.4; charset=utf-8";
}

/* --- writing --- */

void
metrics_text_init(struct metrics_text *t, bool openmetrics)
{
	*t = (struct metrics_text){ .out = BUFFER_INIT, .openmetrics = openmetrics };
}

void
metrics_text_release(struct metrics_text *t)
{
	buffer_release(&t->out);
}

static void
put(struct metrics_text *t, const char *s)
{
	buffer_append(&t->out, s, strlen(s));
}

/* A backslash, a newline and (in labels) a quote would end the text that they are in. */
static void
put_escaped(struct metrics_text *t, const char *s, bool quotes)
{
	const char *special = quotes ? "\\\n\"" : "\\\n";

	for (;;) {
		size_t n = strcspn(s, special);

		buffer_append(&t->out, s, n);
		s += n;
		if (*s == '\0')
			return;
		put(t, *s == '\n' ? "\\n" : *s == '"' ? "\\\"" : "\\\\");
		s++;
	}
}

static void
put_integer(struct metrics_text *t, int64_t value)
{
	char text[24];

	buffer_append(&t->out, text, (size_t)snprintf(text, sizeof(text), "%" PRId64, value));
}

/* Microseconds as seconds, without zeros at the end. */
static void
put_seconds(struct metrics_text *t, usec_t value)
{
	char text[32];
	uint64_t size = value < 0 ? -(uint64_t)value : (uint64_t)value;
	int n = snprintf(text, sizeof(text), "%s%" PRIu64 ".%06" PRIu64, value < 0 ? "-" : "",
			 size / (uint64_t)USEC_PER_SEC, size % (uint64_t)USEC_PER_SEC);

	while (text[n - 1] == '0' && text[n - 2] != '.')
		n--;
	buffer_append(&t->out, text, (size_t)n);
}

static void
put_value(struct metrics_text *t, int64_t value)
{
	if (t->family.unit == UNIT_SECONDS)
		put_seconds(t, value);
	else
		put_integer(t, value);
}

static void
put_labels(struct metrics_text *t, const struct metrics_label *labels, size_t nlabels)
{
	for (size_t i = 0; i < nlabels; i++) {
		put(t, i > 0 ? "," : "");
		put(t, labels[i].name);
		put(t, "=\"");
		put_escaped(t, labels[i].value, true);
		put(t, "\"");
	}
}

/* A sample up to the blank before its value; bound: of a bucket, -1: +Inf. */
static void
put_name(struct metrics_text *t, const char *suffix, const struct metrics_label *labels, size_t nlabels,
	 const usec_t *bound)
{
	put(t, t->family.name);
	put(t, suffix);
	if (nlabels > 0 || bound != NULL)
		put(t, "{");
	put_labels(t, labels, nlabels);
	if (bound != NULL) {
		put(t, nlabels > 0 ? ",le=\"" : "le=\"");
		if (*bound < 0)
			put(t, "+Inf");
		else
			put_seconds(t, *bound);
		put(t, "\"");
	}
	put(t, nlabels > 0 || bound != NULL ? "} " : " ");
}

static void
put_exemplar(struct metrics_text *t, const struct metrics_exemplar *x)
{
	if (x == NULL || x->trace_id[0] == '\0' || !t->openmetrics)
		return;
	put(t, " # {trace_id=\"");
	put(t, x->trace_id);
	put(t, "\"} ");
	put_seconds(t, x->value);
	put(t, " ");
	put_seconds(t, x->at);
}

static void
put_comment(struct metrics_text *t, const char *what, const char *text)
{
	put(t, "# ");
	put(t, what);
	put(t, " ");
	put(t, t->family.name);
	if (!t->openmetrics)
		put(t, suffixes[t->family.type]);
	put(t, " ");
	put_escaped(t, text, t->openmetrics);
	put(t, "\n");
}

void
metrics_text_family(struct metrics_text *t, const struct metrics_family *f)
{
	t->family = *f;
	/* The older format knows no infos. */
	put_comment(t, "TYPE", f->type == METRIC_INFO && !t->openmetrics ? "gauge" : type_names[f->type]);
	if (f->unit != UNIT_NONE && t->openmetrics)
		put_comment(t, "UNIT", unit_names[f->unit]);
	put_comment(t, "HELP", f->help);
}

void
metrics_text_sample(struct metrics_text *t, const struct metrics_label *labels, size_t nlabels, int64_t value,
		    const struct metrics_exemplar *x)
{
	put_name(t, suffixes[t->family.type], labels, nlabels, NULL);
	put_value(t, value);
	put_exemplar(t, x);
	put(t, "\n");
}

void
metrics_text_histogram(struct metrics_text *t, const struct metrics_label *labels, size_t nlabels,
		       const struct metrics_buckets *b)
{
	for (size_t i = 0; i <= b->nbounds; i++) {
		bool last = i == b->nbounds;
		usec_t bound = last ? -1 : b->bounds[i];

		put_name(t, "_bucket", labels, nlabels, &bound);
		put_integer(t, last ? b->total : b->counts[i]);
		put_exemplar(t, b->exemplars != NULL ? &b->exemplars[i] : NULL);
		put(t, "\n");
	}
	put_name(t, "_sum", labels, nlabels, NULL);
	put_value(t, b->sum);
	put(t, "\n");
	put_name(t, "_count", labels, nlabels, NULL);
	put_integer(t, b->total);
	put(t, "\n");
}

void
metrics_text_end(struct metrics_text *t)
{
	if (t->openmetrics)
		put(t, "# EOF\n");
}
