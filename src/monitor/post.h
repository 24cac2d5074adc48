/*
 * post: one POST over HTTP, on a helper thread, by libcurl.
 *
 * Redirects are not followed, certificates are checked, and it is over after `patience`
 * at most, or soon after `stop` is set.  Proxies are taken from the environment, as curl does
 * (https_proxy, no_proxy).
 *
 * Headers tell what it is, when it was sent and by whom:
 *
 *	Content-Type: application/json
 *	X-Pgusher-Event: slow_query
 *	X-Pgusher-Timestamp: 1764110113			seconds since 1970
 *	X-Pgusher-Signature: sha256=5257a869...		HMAC-SHA-256 of "1764110113." and the body, in hex
 */
#ifndef MONITOR_POST_H
#define MONITOR_POST_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/clock.h"
#include "net/helpers.h"

#define POST_SIGNATURE_SIZE 72	/* "sha256=", 64 digits, a NUL */

enum post_verdict {
	POST_DONE,		/* it was taken: 2xx */
	POST_AGAIN,		/* it may be taken later: no connection, 429, 5xx */
	POST_REFUSED,		/* it never will */
};

struct post {
	struct helper_job job;	/* work is set by post_new, the rest by who submits it */
	usec_t connect_patience, patience;	/* likewise */
	atomic_bool stop;	/* any thread */

	char *url;
	char *secret;		/* "": not signed */
	char *event;
	char *body;

	/* after work */
	enum post_verdict verdict;
	usec_t retry_after;	/* what the other side asked for; 0: nothing */
	char problem[160];	/* in words, without the URL: it may hold a secret */
};

/* Once, before other threads run.  false: there is no libcurl in this program. */
bool post_init(void);

/* All copied. */
struct post *post_new(const char *url, const char *secret, const char *event, const char *body);
void post_free(struct post **p);

void post_sign(const char *secret, long long timestamp, const char *body, char *out);	/* POST_SIGNATURE_SIZE */

#endif
