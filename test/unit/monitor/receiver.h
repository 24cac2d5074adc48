/*
 * receiver: an HTTP server on loopback with a script, on a thread of its own.
 *
 * Each connection is one request; the answer to the nth one is the nth line of the script,
 * and the last line goes for all that follow.
 */
#ifndef TEST_MONITOR_RECEIVER_H
#define TEST_MONITOR_RECEIVER_H

#include <stdbool.h>

#include "base/clock.h"

#define RECEIVED_MAX 300

enum receiver_way {
	ANSWER,			/* status, headers, an empty body */
	HANG,			/* read, and say nothing */
	HANG_UP,		/* read, and close */
	CHATTER,		/* a status and a body that never ends */
	NONSENSE,		/* what is not HTTP */
};

struct receiver_line {
	enum receiver_way way;
	int status;
	const char *headers;	/* "Retry-After: 3\r\n" or NULL */
};

struct received {
	char *head;		/* request line and headers */
	char *body;
	usec_t at;
};

struct receiver;

/* The script is borrowed. */
struct receiver *receiver_open(const struct receiver_line *script, int n);
void receiver_close(struct receiver **r);

const char *receiver_url(struct receiver *r);	/* "http://127.0.0.1:PORT/hook" */
int receiver_count(struct receiver *r);		/* whole requests so far */

/* The nth one, which is there; borrowed. */
const struct received *receiver_get(struct receiver *r, int n);

/* The value of a header, which must be there, in a buffer that is good until the next call. */
const char *receiver_header(const struct received *q, const char *name);
bool receiver_has(const struct received *q, const char *name);

#endif
