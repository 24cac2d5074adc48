#include "http/metrics_text.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"

static struct metrics_text text;

static void
begin(void)
{
	metrics_text_init(&text, true);
}

static void
end(void)
{
	metrics_text_release(&text);
}

TestSuite(metrics_text, .init = begin, .fini = end);

static void
expect(const char *want)
{
	const char *got = (const char *)buffer_head(&text.out);
	size_t n = buffer_left(&text.out);

	cr_assert(n == strlen(want) && memcmp(got, want, n) == 0, "got:\n%.*s", (int)n, got);
}

static const struct metrics_family counter = { "x_bytes", METRIC_COUNTER, UNIT_BYTES, "What \"x\" is\n\\o/" };
static const struct metrics_family gauge = { "x_seconds", METRIC_GAUGE, UNIT_SECONDS, "Time" };
static const struct metrics_family info = { "x", METRIC_INFO, UNIT_NONE, "Version" };
static const struct metrics_family histogram = { "x_seconds", METRIC_HISTOGRAM, UNIT_SECONDS, "Time" };

Test(metrics_text, a_counter_in_both_dialects)
{
	const struct metrics_label label = { "tenant", "a\"b\\c\nd" };
	const struct metrics_exemplar x = { "4bf92f3577b34da6a3ce929d0e0e4736", 1500000, 1700000000123000 };

	metrics_text_family(&text, &counter);
	metrics_text_sample(&text, &label, 1, 7, &x);
	metrics_text_end(&text);
	expect("# TYPE x_bytes counter\n"
	       "# UNIT x_bytes bytes\n"
	       "# HELP x_bytes What \\\"x\\\" is\\n\\\\o/\n"
	       "x_bytes_total{tenant=\"a\\\"b\\\\c\\nd\"} 7"
	       " # {trace_id=\"4bf92f3577b34da6a3ce929d0e0e4736\"} 1.5 1700000000.123\n"
	       "# EOF\n");
	metrics_text_release(&text);

	metrics_text_init(&text, false);
	metrics_text_family(&text, &counter);
	metrics_text_sample(&text, &label, 1, 7, &x);
	metrics_text_end(&text);
	expect("# TYPE x_bytes_total counter\n"
	       "# HELP x_bytes_total What \"x\" is\\n\\\\o/\n"
	       "x_bytes_total{tenant=\"a\\\"b\\\\c\\nd\"} 7\n");
}

Test(metrics_text, an_info_in_both_dialects)
{
	const struct metrics_label labels[] = { { "version", "1" }, { "of", "" } };

	metrics_text_family(&text, &info);
	metrics_text_sample(&text, labels, 2, 1, NULL);
	expect("# TYPE x info\n# HELP x Version\nx_info{version=\"1\",of=\"\"} 1\n");
	metrics_text_release(&text);

	metrics_text_init(&text, false);
	metrics_text_family(&text, &info);
	metrics_text_sample(&text, labels, 2, 1, NULL);
	expect("# TYPE x_info gauge\n# HELP x_info Version\nx_info{version=\"1\",of=\"\"} 1\n");
}

Test(metrics_text, seconds_to_the_last_microsecond)
{
	static const struct {
		usec_t value;
		const char *text;
	} cases[] = {
		{ 0, "0.0" },
		{ 1, "0.000001" },
		{ 1500000, "1.5" },
		{ 10000000, "10.0" },
		{ 100100, "0.1001" },
		{ 1700000000123456, "1700000000.123456" },
		{ -1500000, "-1.5" },
		{ INT64_MIN, "-9223372036854.775808" },
	};

	for (size_t i = 0; i < lengthof(cases); i++) {
		char want[100];

		metrics_text_family(&text, &gauge);
		buffer_clear(&text.out);
		metrics_text_sample(&text, NULL, 0, cases[i].value, NULL);
		snprintf(want, sizeof(want), "x_seconds %s\n", cases[i].text);
		expect(want);
	}
}

Test(metrics_text, a_histogram)
{
	static const usec_t bounds[] = { 1000, 2500000 };
	static const int64_t counts[] = { 1, 3 };
	const struct metrics_exemplar x[] = { { "", 0, 0 }, { "ab", 1000000, 2000000 }, { "cd", 9000000, 1 } };
	const struct metrics_label label = { "tenant", "a" };
	struct metrics_buckets b = {
		.bounds = bounds, .counts = counts, .nbounds = 2, .total = 4, .sum = 5000001, .exemplars = x,
	};

	metrics_text_family(&text, &histogram);
	buffer_clear(&text.out);
	metrics_text_histogram(&text, &label, 1, &b);
	expect("x_seconds_bucket{tenant=\"a\",le=\"0.001\"} 1\n"
	       "x_seconds_bucket{tenant=\"a\",le=\"2.5\"} 3 # {trace_id=\"ab\"} 1.0 2.0\n"
	       "x_seconds_bucket{tenant=\"a\",le=\"+Inf\"} 4 # {trace_id=\"cd\"} 9.0 0.000001\n"
	       "x_seconds_sum{tenant=\"a\"} 5.000001\n"
	       "x_seconds_count{tenant=\"a\"} 4\n");
	metrics_text_release(&text);

	metrics_text_init(&text, false);
	b.exemplars = NULL;
	metrics_text_family(&text, &histogram);
	buffer_clear(&text.out);
	metrics_text_histogram(&text, NULL, 0, &b);
	expect("x_seconds_bucket{le=\"0.001\"} 1\n"
	       "x_seconds_bucket{le=\"2.5\"} 3\n"
	       "x_seconds_bucket{le=\"+Inf\"} 4\n"
	       "x_seconds_sum 5.000001\n"
	       "x_seconds_count 4\n");
}

Test(metrics_text, who_asks_for_openmetrics)
{
	static const struct {
		const char *accept;
		bool open;
	} cases[] = {
		{ NULL, false },
		{ "", false },
		{ "*/*", false },
		{ "text/html", false },
		{ "text/plain", false },
		{ "application/openmetrics-text", true },
		{ "Application/OpenMetrics-Text;version=1.0.0", true },
		{ "application/openmetrics-text; version=1.0.0; charset=utf-8", true },
		{ "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
		  "text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
		  true },
		{ "text/plain;version=0.0.4;q=0.5,application/openmetrics-text;q=0.4", false },
		{ "text/plain;q=0.5 , application/openmetrics-text ; q=0.5", true },
		{ "application/openmetrics-text;q=0", false },
		{ "application/openmetrics-text;q=0.000,*/*", false },
		{ "application/openmetrics-text;q=nonsense", false },
		{ "application/openmetrics-text-of-old", false },
		{ "application/openmetrics", false },
		{ ",,;q=1,application/openmetrics-text", true },
		{ ";", false },
		{ ",", false },
		{ "text/plain,application/openmetrics-text;q=0.9;q=1", false },
	};

	for (size_t i = 0; i < lengthof(cases); i++)
		cr_expect_eq(metrics_text_accepts(cases[i].accept), cases[i].open, "%s", cases[i].accept);
}
