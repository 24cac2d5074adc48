/*
 * exchange: one request and its one answer.
 *
 * It outlives the wait for a report: whoever serves it keeps the pointer, and ends it with
 * exactly one of the replies below, after which the pointer is dead.  If it has to wait, it
 * first says exchange_wait: should the connection end meanwhile, `gone` is called instead,
 * and after that the pointer is dead, too, and nothing may be replied any more.
 *
 *	static void metrics_done(void *arg, ...)	{ ... exchange_reply_bytes(s->exchange, ...); free(s); }
 *	static void metrics_gone(void *arg)		{ performance_abandon(&s->order); free(s); }
 *	void metrics_serve(struct exchange *x)		{ ... exchange_wait(x, metrics_gone, s); }
 *
 * Control thread.
 */
#ifndef HTTP_EXCHANGE_H
#define HTTP_EXCHANGE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"
#include "http/http.h"

struct exchange;
struct page_file;

/* --- what is asked; borrowed as long as the exchange lives --- */

/* The struct that the route's parameters describe, filled; NULL: the route has none. */
const void *exchange_parameters(const struct exchange *x);

/* The only tenant that who asks may see; NULL: all. */
const char *exchange_tenant(const struct exchange *x);

/* Has who asks this scope (enum http_scope)?  For public routes, which tell more to who may read. */
bool exchange_may(const struct exchange *x, int scope);

/* Who asks, for the log: "token "deploy" from 10.0.0.7:50312".  Returns buf. */
const char *exchange_who(const struct exchange *x, char *buf, size_t size);

/* A header of the request; NULL: it has none.  Any case. */
const char *exchange_header(const struct exchange *x, const char *name);

/* --- what answers are made of; borrowed until the next event --- */

const struct config *exchange_config(const struct exchange *x);
struct reports *exchange_reports(const struct exchange *x);
const struct http_ops *exchange_ops(const struct exchange *x);

/* --- waiting --- */

/* gone is called if the client leaves, or too much time passes, before there is an answer; it may not answer. */
void exchange_wait(struct exchange *x, void (*gone)(void *arg), void *arg);

/* --- the answer; each ends the exchange --- */

/* Takes the content of body, which is empty after (base/json.h writes it).  application/json. */
void exchange_reply_json(struct exchange *x, int status, struct buffer *body);

/* 200.  Takes the content of body, which is empty after. */
void exchange_reply_bytes(struct exchange *x, const char *type, struct buffer *body);

/* 200, or 304 if the client has it already.  Static. */
void exchange_reply_file(struct exchange *x, const struct page_file *f);

/* application/problem+json (RFC 9457).  detail: a sentence for people. */
void exchange_problem(struct exchange *x, int status, const char *detail, ...)
	__attribute__((format(printf, 3, 4)));

/* What a report could not be made of: 404 for 3D000, else 500. */
void exchange_error(struct exchange *x, const struct error *e);

#endif
