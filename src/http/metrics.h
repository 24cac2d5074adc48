/*
 * metrics: GET /metrics, for Prometheus and all who read its format.
 *
 *	metrics_serve ── one inquiry ──> metrics_visit on each worker (metrics_collect.h)
 *	      finish  <───────────────── plain numbers
 *	        │ metrics_tenants_settle: who is shown by name (metrics_tenants.h)
 *	        └ metrics_write: the table, as text (metrics_table.h, metrics_text.h)
 *
 * What it remembers between scrapes is of the process, and used by the control thread only.
 */
#ifndef HTTP_METRICS_H
#define HTTP_METRICS_H

#include "http/exchange.h"

void metrics_serve(struct exchange *x);

/* Settings were taken just now: at the start, by RELOAD or SET. */
void metrics_note_settings(void);

/* Forget everything; no worker runs any more, so what is under way will have no answer. */
void metrics_release(void);

#endif
