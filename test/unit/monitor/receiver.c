#include "receiver.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/memory.h"

#define REQUEST_MAX 65536

struct receiver {
	pthread_t thread;
	pthread_mutex_t lock;
	int listener;
	int end;		/* eventfd: readable when all is over */
	const struct receiver_line *script;
	int nlines;
	char url[64];
	struct received list[RECEIVED_MAX];	/* under lock, as is n */
	int n;
};

/* false: it is all over. */
static bool
wait_for(struct receiver *r, int fd, short events)
{
	struct pollfd p[] = { { .fd = fd, .events = events }, { .fd = r->end, .events = POLLIN } };

	while (poll(p, 2, -1) < 0)
		;
	return p[1].revents == 0;
}

static bool
is_whole(const char *text)
{
	const char *body = strstr(text, "\r\n\r\n");
	const char *length = strcasestr(text, "\r\nContent-Length:");

	return body != NULL && length != NULL && strlen(body + 4) >= (size_t)atoi(length + 17);
}

static bool
read_request(struct receiver *r, int fd, char *text)
{
	size_t n = 0;

	text[0] = '\0';
	while (!is_whole(text)) {
		ssize_t got;

		if (!wait_for(r, fd, POLLIN) || (got = read(fd, text + n, REQUEST_MAX - 1 - n)) <= 0)
			return false;
		n += (size_t)got;
		text[n] = '\0';
	}
	return true;
}

static const struct receiver_line *
note(struct receiver *r, const char *text)
{
	const char *end = strstr(text, "\r\n\r\n");
	const struct receiver_line *line;

	pthread_mutex_lock(&r->lock);
	line = &r->script[r->n < r->nlines ? r->n : r->nlines - 1];
	if (r->n < RECEIVED_MAX) {
		r->list[r->n++] = (struct received){ .head = memory_strndup(text, (size_t)(end - text) + 2),
						     .body = memory_strdup(end + 4), .at = clock_now() };
	}
	pthread_mutex_unlock(&r->lock);
	return line;
}

static void
chatter(struct receiver *r, int fd)
{
	static const char words[] = "and so on, and so on, and so on\n";

	while (wait_for(r, fd, POLLOUT)) {
		if (send(fd, words, sizeof(words) - 1, MSG_NOSIGNAL) < 0)
			return;
	}
}

static void
wait_for_close(struct receiver *r, int fd)
{
	char byte;

	while (wait_for(r, fd, POLLIN) && read(fd, &byte, 1) > 0)
		;
}

static void
answer(struct receiver *r, int fd, const struct receiver_line *line)
{
	char text[512];

	snprintf(text, sizeof(text), "HTTP/1.1 %d Some reason\r\n%s%s\r\n", line->status,
		 line->headers == NULL ? "" : line->headers, line->way == CHATTER ? "" : "Content-Length: 0\r\n");
	if (line->way == HANG)
		wait_for_close(r, fd);
	if (line->way == NONSENSE)
		send(fd, "220 mail.example ESMTP\r\n", 24, MSG_NOSIGNAL);
	if (line->way == ANSWER || line->way == CHATTER)
		send(fd, text, strlen(text), MSG_NOSIGNAL);
	if (line->way == CHATTER)
		chatter(r, fd);
}

static void *
run(void *arg)
{
	struct receiver *r = arg;
	char *text = memory_alloc(REQUEST_MAX);

	while (wait_for(r, r->listener, POLLIN)) {
		int fd = accept(r->listener, NULL, NULL);

		if (fd < 0)
			continue;
		if (read_request(r, fd, text))
			answer(r, fd, note(r, text));
		close(fd);
	}
	free(text);
	return NULL;
}

struct receiver *
receiver_open(const struct receiver_line *script, int n)
{
	struct receiver *r = memory_zalloc(sizeof(*r));
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(a);

	r->script = script;
	r->nlines = n;
	r->listener = socket(AF_INET, SOCK_STREAM, 0);
	cr_assert_eq(bind(r->listener, (struct sockaddr *)&a, size), 0);
	cr_assert_eq(listen(r->listener, 10), 0);
	cr_assert_eq(getsockname(r->listener, (struct sockaddr *)&a, &size), 0);
	snprintf(r->url, sizeof(r->url), "http://127.0.0.1:%d/hook", ntohs(a.sin_port));
	r->end = eventfd(0, 0);
	pthread_mutex_init(&r->lock, NULL);
	cr_assert_eq(pthread_create(&r->thread, NULL, run, r), 0);
	return r;
}

void
receiver_close(struct receiver **rp)
{
	struct receiver *r = *rp;

	*rp = NULL;
	eventfd_write(r->end, 1);
	pthread_join(r->thread, NULL);
	for (int i = 0; i < r->n; i++) {
		free(r->list[i].head);
		free(r->list[i].body);
	}
	close(r->listener);
	close(r->end);
	pthread_mutex_destroy(&r->lock);
	free(r);
}

const char *
receiver_url(struct receiver *r)
{
	return r->url;
}

int
receiver_count(struct receiver *r)
{
	int n;

	pthread_mutex_lock(&r->lock);
	n = r->n;
	pthread_mutex_unlock(&r->lock);
	return n;
}

const struct received *
receiver_get(struct receiver *r, int n)
{
	cr_assert_lt(n, receiver_count(r));
	return &r->list[n];
}

static const char *
find_header(const struct received *q, const char *name)
{
	size_t n = strlen(name);

	for (const char *at = strstr(q->head, "\r\n"); at != NULL; at = strstr(at + 2, "\r\n")) {
		if (strncasecmp(at + 2, name, n) == 0 && at[2 + n] == ':')
			return at + 2 + n + 1 + (at[2 + n + 1] == ' ');
	}
	return NULL;
}

bool
receiver_has(const struct received *q, const char *name)
{
	return find_header(q, name) != NULL;
}

const char *
receiver_header(const struct received *q, const char *name)
{
	static char value[256];
	const char *at = find_header(q, name);

	cr_assert_not_null(at, "no %s in %s", name, q->head);
	snprintf(value, sizeof(value), "%.*s", (int)strcspn(at, "\r"), at);
	return value;
}
