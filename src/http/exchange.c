#include "http/exchange.h"

#include <event2/buffer.h>
#include <event2/http.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/log.h"
#include "base/memory.h"
#include "http/auth.h"
#include "http/connection.h"
#include "http/endpoint.h"
#include "http/exchange_inside.h"
#include "http/host.h"
#include "http/page.h"
#include "http/route.h"

/* Whose attempts are counted (client/attempts.h): beside the users of the other door. */
#define ATTEMPTS_USER "http token"

#define POLICY_DATA "default-src 'none'; frame-ancestors 'none'"
#define POLICY_PAGE \
	"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " \
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

struct exchange {
	struct connection *connection;
	struct evhttp_request *request;
	const struct config *config;	/* a reference: what was in force when it began */
	char *path;
	const char *query;		/* in path's memory; NULL: none */
	const struct route *route;	/* NULL: it is refused */
	void *parameters;
	struct grant grant;
	struct address peer, self;
	unsigned methods;		/* of the path, for Allow */
	void (*gone)(void *arg);
	void *arg;
};

/* --- what is asked --- */

const void *
exchange_parameters(const struct exchange *x)
{
	return x->parameters;
}

const char *
exchange_tenant(const struct exchange *x)
{
	return x->grant.tenant;
}

bool
exchange_may(const struct exchange *x, int scope)
{
	return (x->grant.scopes & scope) == scope;
}

const char *
exchange_header(const struct exchange *x, const char *name)
{
	return evhttp_find_header(evhttp_request_get_input_headers(x->request), name);
}

const struct config *
exchange_config(const struct exchange *x)
{
	return x->config;
}

struct http *
exchange_http(const struct exchange *x)
{
	return x->connection->http;
}

struct reports *
exchange_reports(const struct exchange *x)
{
	return x->connection->http->reports;
}

const struct http_ops *
exchange_ops(const struct exchange *x)
{
	return x->connection->http->ops;
}

const char *
exchange_who(const struct exchange *x, char *buf, size_t size)
{
	char address[ADDRESS_TEXT];

	snprintf(buf, size, "token \"%s\" from %s", x->grant.token != NULL ? x->grant.token : "",
		 address_text(&x->peer, 0, address));
	return buf;
}

void
exchange_wait(struct exchange *x, void (*gone)(void *arg), void *arg)
{
	x->gone = gone;
	x->arg = arg;
}

/* --- the answer --- */

static void
free_exchange(struct exchange *x)
{
	if (x->route != NULL && x->route->parameters != NULL)
		parameters_free(x->route->parameters, x->parameters);
	config_unref(&x->config);
	free(x->path);
	free(x);
}

static void
add_header(struct exchange *x, const char *name, const char *value)
{
	evhttp_add_header(evhttp_request_get_output_headers(x->request), name, value);
}

static void
add_headers(struct exchange *x, const char *type, const char *policy, const char *caching)
{
	if (type != NULL)
		add_header(x, "Content-Type", type);
	add_header(x, "Cache-Control", caching);
	add_header(x, "Content-Security-Policy", policy);
	add_header(x, "Referrer-Policy", "no-referrer");
	add_header(x, "X-Content-Type-Options", "nosniff");
	if (x->connection->secure)
		add_header(x, "Strict-Transport-Security", "max-age=31536000");
	if (x->connection->refusal.status != 0)
		add_header(x, "Connection", "close");
}

/* Always: evhttp leaves it out for HTTP/1.0, and for HEAD. */
static void
add_length(struct exchange *x, const struct evbuffer *body)
{
	char length[24];

	snprintf(length, sizeof(length), "%zu", evbuffer_get_length(body));
	add_header(x, "Content-Length", length);
}

/* The end of the exchange.  Takes body. */
static void
answer(struct exchange *x, int status, struct evbuffer *body)
{
	struct connection *c = x->connection;
	struct evhttp_request *req = x->request;

	if (status != 304)
		add_length(x, body);
	if (evhttp_request_get_command(req) == EVHTTP_REQ_HEAD)
		evbuffer_drain(body, evbuffer_get_length(body));
	free_exchange(x);
	connection_answers(c, req);
	evhttp_send_reply(req, status, status_phrase(status), body);
	evbuffer_free(body);
	connection_answered(c);
}

static void
free_bytes(const void *bytes, size_t n, void *arg)
{
	(void)bytes;
	(void)n;
	free(arg);
}

/* Takes the content of b, without a copy. */
static struct evbuffer *
make_body(struct buffer *b)
{
	struct evbuffer *body = evbuffer_new();

	if (buffer_left(b) > 0)
		evbuffer_add_reference(body, buffer_head(b), buffer_left(b), free_bytes, b->data);
	else
		free(b->data);
	buffer_init(b);
	return body;
}

static void
reply(struct exchange *x, int status, const char *type, struct buffer *body)
{
	add_headers(x, type, POLICY_DATA, "no-store");
	answer(x, status, make_body(body));
}

void
exchange_reply_json(struct exchange *x, int status, struct buffer *body)
{
	reply(x, status, "application/json", body);
}

void
exchange_reply_bytes(struct exchange *x, const char *type, struct buffer *body)
{
	reply(x, 200, type, body);
}

/* The client may keep these, as long as it asks each time: they hold nothing of anybody. */
void
exchange_reply_file(struct exchange *x, const struct page_file *f)
{
	const char *known = exchange_header(x, "If-None-Match");
	bool same = f->etag != NULL && known != NULL && strcmp(known, f->etag) == 0;
	bool is_page = strncmp(f->type, "text/html", strlen("text/html")) == 0;
	struct evbuffer *body = evbuffer_new();

	add_headers(x, same ? NULL : f->type, is_page ? POLICY_PAGE : POLICY_DATA,
		    f->etag != NULL ? "no-cache" : "no-store");
	if (f->etag != NULL)
		add_header(x, "ETag", f->etag);
	if (!same)
		evbuffer_add_reference(body, f->bytes, f->n, NULL, NULL);
	answer(x, same ? 304 : 200, body);
}

/* RFC 9457; a problem of no type of its own has the status' phrase as title. */
static void
write_problem(struct buffer *out, const struct exchange *x, int status, const char *detail)
{
	struct json j = { .out = out };

	json_open(&j, NULL, '{');
	json_put_string(&j, "type", "about:blank");
	json_put_string(&j, "title", status_phrase(status));
	json_put_int(&j, "status", status);
	json_put_string(&j, "detail", detail);
	if (x->connection->refusal.status == 0)		/* else there is only a stand-in */
		json_put_string(&j, "instance", x->path);
	json_close(&j, '}');
	buffer_append(out, "\n", 1);
}

static void
problem(struct exchange *x, int status, const char *detail)
{
	struct buffer body = BUFFER_INIT;

	write_problem(&body, x, status, detail);
	reply(x, status, "application/problem+json", &body);
}

void
exchange_problem(struct exchange *x, int status, const char *detail, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, detail);
	vsnprintf(text, sizeof(text), detail, ap);
	va_end(ap);
	problem(x, status, text);
}

void
exchange_error(struct exchange *x, const struct error *e)
{
	exchange_problem(x, strcmp(e->sqlstate, "3D000") == 0 ? 404 : 500, "%s", e->message);
}

/* --- being refused --- */

static void
add_allow(struct exchange *x)
{
	add_header(x, "Allow", (x->methods & METHOD_GET) == 0 ? "POST" :
			       (x->methods & METHOD_POST) == 0 ? "GET, HEAD" : "GET, HEAD, POST");
}

static void
be_refused(struct exchange *x, const struct refusal *r)
{
	char seconds[16];

	if (r->status == 401)
		add_header(x, "WWW-Authenticate", exchange_header(x, "Authorization") == NULL ?
			   "Bearer realm=\"pgusher\"" : "Bearer realm=\"pgusher\", error=\"invalid_token\"");
	if (r->status == 405)
		add_allow(x);
	if (r->retry_after > 0) {
		snprintf(seconds, sizeof(seconds), "%d", r->retry_after);
		add_header(x, "Retry-After", seconds);
	}
	problem(x, r->status, r->detail);
}

static bool
is_local(const struct address *a)
{
	static const uint8_t v6_loopback[16] = { [15] = 1 };

	return a->family == AF_UNIX || (a->family == AF_INET && a->ip[0] == 127) ||
	       (a->family == AF_INET6 && memcmp(a->ip, v6_loopback, sizeof(v6_loopback)) == 0);
}

/* No web page gets to a Unix socket, and there is no name for it. */
static bool
check_host(struct exchange *x, struct refusal *r)
{
	const char *host = exchange_header(x, "Host");

	if (host == NULL || x->self.family == AF_UNIX || host_is_ours(host, &x->self, x->config))
		return true;
	return refuse(r, 421, "This is not \"%.100s\"; if it is, http_hosts must say so.", host);
}

static bool
find_route(struct exchange *x, struct refusal *r)
{
	enum evhttp_cmd_type command = evhttp_request_get_command(x->request);
	enum method method = command == EVHTTP_REQ_POST ? METHOD_POST : METHOD_GET;
	const struct route *found = route_of_path(x->path, method, &x->methods);

	if (page_find(x->path) != NULL)
		x->methods |= METHOD_GET;
	if (x->methods == 0)
		return refuse(r, 404, "There is nothing here; /openapi.json tells what there is.");
	if ((x->methods & method) == 0 || (command & (EVHTTP_REQ_GET | EVHTTP_REQ_HEAD | EVHTTP_REQ_POST)) == 0)
		return refuse(r, 405, "This path does not take this method.");
	x->route = found;
	return true;
}

/* Wrong tokens cost time: many connections from one address guess no faster than one. */
static bool
check_token(struct exchange *x, struct refusal *r)
{
	struct attempts *attempts = x->connection->http->attempts;
	const char *authorization = exchange_header(x, "Authorization");
	usec_t now = clock_now(), delay = 0;
	char address[ADDRESS_TEXT];

	if (authorization != NULL)
		delay = attempts_delay(attempts, &x->peer, ATTEMPTS_USER, now);
	if (delay > 0) {
		refuse(r, 429, "There were too many wrong tokens from this address: try again later.");
		r->retry_after = (int)((delay + USEC_PER_SEC - 1) / USEC_PER_SEC);
		return false;
	}
	if (!auth_admit(x->config, is_local(&x->peer), authorization, &x->grant, r)) {
		attempts_failed(attempts, &x->peer, ATTEMPTS_USER, now);
		log_warning("HTTP: a wrong token from %s", address_text(&x->peer, 0, address));
		return false;
	}
	if (authorization != NULL)
		attempts_succeeded(attempts, &x->peer, ATTEMPTS_USER);
	return true;
}

/* A page of somebody else may send what it cannot read the answer to. */
static bool
check_origin(struct exchange *x, struct refusal *r)
{
	const char *origin = exchange_header(x, "Origin");

	if (x->route->method == METHOD_GET || origin == NULL || host_is_our_origin(origin, &x->self, x->config))
		return true;
	return refuse(r, 403, "Pages of other hosts may not send this.");
}

/* What a token that is bound to a tenant may not see, it may not ask for; else it asks for its own. */
static bool
bind_tenant(struct exchange *x, const struct parameter *p, struct refusal *r)
{
	char **field = (char **)((char *)x->parameters + p->offset);

	if (*field != NULL && strcmp(*field, x->grant.tenant) != 0)
		return refuse(r, 403, "This token is for another tenant.");
	if (*field == NULL)
		*field = memory_strdup(x->grant.tenant);
	return true;
}

static bool
check_bound(struct exchange *x, struct refusal *r)
{
	const struct parameters *ps = x->route->parameters;

	if (x->grant.tenant == NULL || x->route->bound == BOUND_EVERYTHING)
		return true;
	if (x->route->bound == BOUND_NOTHING)
		return refuse(r, 403, "This is about all tenants, and the token is for one.");
	for (size_t i = 0; ps != NULL && i < ps->n; i++) {
		if (ps->list[i].kind == PARAMETER_TENANT && !bind_tenant(x, &ps->list[i], r))
			return false;
	}
	return true;
}

static bool
check_content(struct exchange *x, struct refusal *r)
{
	static const struct parameters none = { .size = 1 };
	const struct parameters *ps = x->route->parameters;

	if (evbuffer_get_length(evhttp_request_get_input_buffer(x->request)) > 0)
		return refuse(r, 400, "This takes no body.");
	if (ps == NULL) {
		void *nothing = parameters_read(&none, x->query, r);

		parameters_free(&none, nothing);
		return nothing != NULL;
	}
	x->parameters = parameters_read(ps, x->query, r);
	return x->parameters != NULL;
}

/* Files of the page are for everybody: there is nothing in them.  Their query is the page's own business. */
static bool
judge(struct exchange *x, struct refusal *r)
{
	if (!check_host(x, r) || !find_route(x, r))
		return false;
	if (x->route == NULL)
		return true;
	return check_token(x, r) && auth_allows(&x->grant, x->route->scope, r) && check_origin(x, r) &&
	       check_content(x, r) && check_bound(x, r);
}

/* --- life --- */

static void
take_target(struct exchange *x)
{
	char *question;

	x->path = memory_strdup(evhttp_request_get_uri(x->request));
	question = strchr(x->path, '?');
	if (question != NULL) {
		*question = '\0';
		x->query = question + 1;
	}
}

void
exchange_begin(struct connection *c, struct evhttp_request *req)
{
	struct exchange *x = memory_zalloc(sizeof(*x));
	struct refusal r = c->refusal;

	x->connection = c;
	x->request = req;
	x->config = config_ref(c->http->config);
	c->exchange = x;
	connection_addresses(c, &x->peer, &x->self);
	take_target(x);
	if (r.status != 0 || !judge(x, &r))
		be_refused(x, &r);
	else if (x->route == NULL)
		exchange_reply_file(x, page_find(x->path));
	else
		x->route->serve(x);
}

static void
tell_gone(struct exchange *x)
{
	if (x->gone != NULL)
		x->gone(x->arg);
	x->gone = NULL;
}

struct evhttp_request *
exchange_give_up(struct exchange *x)
{
	struct evhttp_request *req = x->request;

	tell_gone(x);
	free_exchange(x);
	return req;
}

void
exchange_time_out(struct exchange *x)
{
	tell_gone(x);
	exchange_problem(x, 503, "The answer took too long.");
}
