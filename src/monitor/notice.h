/*
 * notice: what an alert says, to people and to programs.
 */
#ifndef MONITOR_NOTICE_H
#define MONITOR_NOTICE_H

#include "monitor/alerts.h"
#include "stats/queries.h"
#include "stats/slow_query.h"
#include "threat/threat.h"

#define NOTICE_SIZE 500

/* Fill *what, but for its message, from a query that took longer than `limit`, from an alarm, or from a threat.  Borrowed
 * from those. */
void notice_of_query(struct alert_case *what, const struct slow_query *q, usec_t limit);
void notice_of_alarm(struct alert_case *what, const struct query_alarm *a);
void notice_of_threat(struct alert_case *what, const struct threat *t);

/* The line for people, in NOTICE_SIZE bytes. */
void notice_say_query(char *message, const struct slow_query *q, usec_t limit);
void notice_say_alarm(char *message, const struct query_alarm *a);
void notice_say_threat(char *message, const struct threat *t);

/* The JSON object that a webhook gets. */
void notice_write(struct buffer *out, const struct alert *a, const char *job_name, const char *host);

#endif
