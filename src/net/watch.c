#include "net/watch.h"

#include <event2/event.h>
#include <event2/event_struct.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/memory.h"

struct watch {
	struct event_base *base;
	void (*ready)(void *arg, int events);
	void *arg;
	struct event socket, timer;
	int fd, events;		/* that are watched now */
};

static void
on_socket(evutil_socket_t fd, short what, void *arg)
{
	struct watch *w = arg;

	(void)fd;
	w->ready(w->arg, ((what & EV_READ) != 0 ? WATCH_READ : 0) | ((what & EV_WRITE) != 0 ? WATCH_WRITE : 0));
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct watch *w = arg;

	(void)fd;
	(void)what;
	w->ready(w->arg, WATCH_TIME);
}

struct watch *
watch_new(struct loop *l, void (*ready)(void *arg, int events), void *arg)
{
	struct watch *w = memory_zalloc(sizeof(*w));

	w->base = loop_event_base(l);
	w->ready = ready;
	w->arg = arg;
	w->fd = -1;
	event_assign(&w->timer, w->base, -1, 0, on_timer, w);
	return w;
}

void
watch_socket(struct watch *w, int fd, int events)
{
	if (fd < 0 || events == 0) {
		fd = -1;
		events = 0;
	}
	if (w->fd == fd && w->events == events)
		return;
	if (w->fd >= 0)
		event_del(&w->socket);
	w->fd = fd;
	w->events = events;
	if (fd < 0)
		return;
	event_assign(&w->socket, w->base, fd,
		     (short)(EV_PERSIST | ((events & WATCH_READ) != 0 ? EV_READ : 0) |
			     ((events & WATCH_WRITE) != 0 ? EV_WRITE : 0)),
		     on_socket, w);
	event_add(&w->socket, NULL);
}

void
watch_narrow(int fd)
{
	const int size = 16 * 1024;

	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
}

uint64_t
watch_received(int fd, uint64_t before)
{
	struct tcp_info info = { 0 };
	socklen_t size = sizeof(info);
	int waiting = 0;

	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) == 0 && info.tcpi_bytes_received > 0)
		return info.tcpi_bytes_received;
	/* A Unix socket: what waits now has not been counted yet. */
	ioctl(fd, FIONREAD, &waiting);
	return before + (waiting > 0 ? (uint64_t)waiting : 0);
}

void
watch_timer(struct watch *w, usec_t delay)
{
	struct timeval tv = { .tv_sec = delay / USEC_PER_SEC, .tv_usec = delay % USEC_PER_SEC };

	event_add(&w->timer, &tv);
}

void
watch_free(struct watch **wp)
{
	struct watch *w = *wp;

	if (w == NULL)
		return;
	*wp = NULL;
	watch_socket(w, -1, 0);
	event_del(&w->timer);
	free(w);
}
