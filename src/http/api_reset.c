/*
 * api_reset: POST /api/system/reset-statistics, which is RESET STATS on the console.
 */
#include <stdlib.h>

#include "base/json.h"
#include "base/log.h"
#include "base/memory.h"
#include "http/api.h"
#include "http/inside.h"

/* It is done whether or not somebody still waits for the answer. */
struct reset {
	struct errand errand;
	struct exchange *exchange;	/* NULL: nobody does */
};

static void
release(struct errand *w)
{
	free(container_of(w, struct reset, errand));
}

static void
reset_gone(void *arg)
{
	((struct reset *)arg)->exchange = NULL;
}

static void
reset_done(void *arg)
{
	struct reset *r = arg;
	struct buffer body = BUFFER_INIT;
	struct json j = { .out = &body };

	if (r->exchange != NULL) {
		json_open(&j, NULL, '{');
		json_put_time(&j, "reset_at", clock_wall());
		json_close(&j, '}');
		buffer_append(&body, "\n", 1);
		exchange_reply_json(r->exchange, 200, &body);
	}
	LIST_REMOVE(&r->errand, link);
	free(r);
}

void
reset_statistics_serve(struct exchange *x)
{
	const struct http_ops *ops = exchange_ops(x);
	struct reset *r = memory_zalloc(sizeof(*r));
	char who[200];

	log_info("HTTP: statistics are reset: %s", exchange_who(x, who, sizeof(who)));
	r->exchange = x;
	r->errand.release = release;
	LIST_INSERT_HEAD(&exchange_http(x)->errands, &r->errand, link);
	exchange_wait(x, reset_gone, r);
	ops->reset_statistics(ops->daemon, reset_done, r);
}
