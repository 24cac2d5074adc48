/*
 * What comes to the HTTP port, through a real socket, evhttp and our handlers.
 *
 * The first byte says in how many pieces the rest is sent.  Whatever it is, all that comes
 * back is ours: evhttp never answers by itself, which it would do where it reads a request
 * in another way than head.c, and the connection ends.
 */
#include <errno.h>
#include <event2/event.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/log.h"
#include "base/memory.h"
#include "client/attempts.h"
#include "http/http.h"
#include "net/helpers.h"
#include "net/loop.h"
#include "reports/console_facts.h"

#define TURNS_MAX 100000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct loop *loop;
static struct mailbox *mailbox;
static struct helpers *helpers;
static struct monitor *monitor;
static const struct config *config;
static struct http *http;
static struct sockaddr_un address = { .sun_family = AF_UNIX };

static void
check(bool truth, const char *what)
{
	if (truth)
		return;
	fprintf(stderr, "%s\n", what);
	abort();
}

/* --- a daemon without workers --- */

static struct inquiry *asked;
static struct deferred asking;

static void
finish_inquiry(struct deferred *d)
{
	struct inquiry *q = asked;

	(void)d;
	asked = NULL;
	q->finish(q);
}

static void
ask(void *daemon, struct inquiry *q)
{
	(void)daemon;
	check(asked == NULL, "two questions at a time");
	asked = q;
	q->nworkers = 0;
	loop_defer(loop, &asking, finish_inquiry);
}

static void
later(void *daemon, usec_t delay, void (*fn)(void *arg), void *arg)
{
	(void)daemon;
	loop_after(loop, delay, fn, arg);
}

static const struct config *
get_config(void *daemon)
{
	(void)daemon;
	return config;
}

static void
reset_statistics(void *daemon, void (*done)(void *arg), void *arg)
{
	(void)daemon;
	done(arg);
}

static bool
is_stopping(void *daemon)
{
	(void)daemon;
	return false;
}

static const struct inquirer inquirer = { .nworkers = 0, .ask = ask, .later = later, .config = get_config };
static const struct http_ops ops = { .reset_statistics = reset_statistics, .stopping = is_stopping };
static struct commons commons;
static const struct console_facts console;
static struct reports reports = { .inquirer = &inquirer, .commons = &commons, .console = &console };

static void
handle_mail(void *arg, struct mail *m)
{
	(void)arg;
	(void)m;
}

static void
discard_mail(struct mail *m)
{
	(void)m;
}

static void
end(void)
{
	http_free(&http);
	reports_release(&reports);
	monitor_close(monitor);
	helpers_free(&helpers, discard_mail);
	monitor_free(&monitor);
	attempts_free(&commons.attempts);
	mailbox_free(&mailbox, discard_mail);
	loop_free(&loop);
	config_unref(&config);
}

/* The token is "one". */
static void
begin(void)
{
	char text[400];
	struct error e;
	int n;

	log_set_stderr(false);
	snprintf(address.sun_path, sizeof(address.sun_path), "/tmp/fuzz-http.%d", (int)getpid());
	n = snprintf(text, sizeof(text),
		     "[pgbouncer]\nhttp_listen = %s\n[http_tokens]\nfirst = sha256:"
		     "7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed scope=read,operate\n",
		     address.sun_path);
	config = config_from_text(text, (size_t)n, &e);
	check(config != NULL, e.message);
	loop = loop_new();
	mailbox = mailbox_new(loop, handle_mail, NULL);
	helpers = helpers_new(1);
	monitor = monitor_new(loop, mailbox, 0, helpers, &inquirer, config);
	reports.monitor = monitor;
	commons.attempts = attempts_new();
	http = http_new(loop, &reports, &ops);
	check(http_configure(http, config, &e), e.message);
	atexit(end);
}

/* --- a client --- */

static void
turn(void)
{
	event_base_loop(loop_event_base(loop), EVLOOP_NONBLOCK);
}

/* What has come is appended.  false: the connection is over. */
static bool
receive(int fd, struct buffer *in)
{
	ssize_t n = recv(fd, buffer_reserve(in, 65536), 65536, MSG_DONTWAIT);

	if (n > 0)
		buffer_added(in, (size_t)n);
	return n != 0 && (n > 0 || errno == EAGAIN);
}

static void
talk(const uint8_t *data, size_t size, size_t piece, struct buffer *in)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool open = true;

	check(fd >= 0 && connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0, "cannot connect");
	for (size_t at = 0; at < size && open;) {
		ssize_t n = send(fd, data + at, size - at < piece ? size - at : piece, MSG_DONTWAIT | MSG_NOSIGNAL);

		at += n > 0 ? (size_t)n : 0;
		turn();
		open = receive(fd, in) && (n > 0 || errno == EAGAIN);
	}
	shutdown(fd, SHUT_WR);
	for (int i = 0; open; i++) {
		check(i < TURNS_MAX, "the connection does not end");
		turn();
		open = receive(fd, in);
	}
	close(fd);
}

/* --- what comes back --- */

static size_t
count(const struct buffer *b, const char *text)
{
	const uint8_t *at = buffer_head(b), *end_of = at + buffer_left(b);
	size_t n = 0;

	while ((at = memmem(at, (size_t)(end_of - at), text, strlen(text))) != NULL) {
		at += strlen(text);
		n++;
	}
	return n;
}

/* Lines that begin with "HTTP/1.1 200 " or the like; no body of ours has one. */
static size_t
count_answers(const struct buffer *b)
{
	const uint8_t *text = buffer_head(b);
	size_t n = 0;

	for (size_t i = 0; i + 13 <= buffer_left(b); i++) {
		if ((i == 0 || text[i - 1] == '\n') && memcmp(text + i, "HTTP/1.", 7) == 0 && text[i + 8] == ' ' &&
		    text[i + 12] == ' ')
			n++;
	}
	return n;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buffer in = BUFFER_INIT;

	if (loop == NULL)
		begin();
	if (size < 2)
		return 0;
	talk(data + 1, size - 1, (size - 1) / (1 + data[0] % 8) + 1, &in);
	check(buffer_left(&in) == 0 || memcmp(buffer_head(&in), "HTTP/1.", 7) == 0, "this is no answer");
	check(count(&in, "\r\nX-Content-Type-Options: nosniff\r\n") == count_answers(&in), "evhttp has answered by itself");
	buffer_release(&in);
	return 0;
}
