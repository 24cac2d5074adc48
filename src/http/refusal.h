/*
 * refusal: why a request is not served, as an HTTP status and a sentence for people.
 */
#ifndef HTTP_REFUSAL_H
#define HTTP_REFUSAL_H

#include <stdbool.h>
#include <stddef.h>

struct refusal {
	int status;		/* 0: it is not refused */
	int retry_after;	/* seconds; 0: not said */
	char detail[300];
};

/* Fills r; false, so that a check can end with it. */
bool refuse(struct refusal *r, int status, const char *detail, ...) __attribute__((format(printf, 3, 4)));

/* "Not Found": the title of a problem, and the reason phrase. */
const char *status_phrase(int status);

#endif
