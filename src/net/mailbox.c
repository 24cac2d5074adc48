#include "net/mailbox.h"

#include <event2/event.h>
#include <event2/event_struct.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/log.h"
#include "base/memory.h"

STAILQ_HEAD(mail_list, mail);

struct mailbox {
	pthread_mutex_t lock;
	struct mail_list queue;		/* under lock */
	int fd;				/* eventfd: readable while the queue may hold something */
	struct event event;
	void (*handle)(void *arg, struct mail *m);
	void *arg;
};

static void
take_all(struct mailbox *mb, struct mail_list *out)
{
	STAILQ_INIT(out);
	pthread_mutex_lock(&mb->lock);
	STAILQ_CONCAT(out, &mb->queue);
	pthread_mutex_unlock(&mb->lock);
}

static void
on_mail(evutil_socket_t fd, short what, void *arg)
{
	struct mailbox *mb = arg;
	struct mail_list todo;
	eventfd_t count;

	(void)what;
	(void)eventfd_read(fd, &count);	/* before the queue is taken, so that no wake-up is lost */
	take_all(mb, &todo);
	while (!STAILQ_EMPTY(&todo)) {
		struct mail *m = STAILQ_FIRST(&todo);

		STAILQ_REMOVE_HEAD(&todo, link);
		mb->handle(mb->arg, m);
	}
}

struct mailbox *
mailbox_new(struct loop *l, void (*handle)(void *arg, struct mail *m), void *arg)
{
	struct mailbox *mb = memory_zalloc(sizeof(*mb));

	pthread_mutex_init(&mb->lock, NULL);
	STAILQ_INIT(&mb->queue);
	mb->handle = handle;
	mb->arg = arg;
	mb->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (mb->fd < 0) {
		log_fatal("cannot create an eventfd: %m");
		abort();
	}
	event_assign(&mb->event, loop_event_base(l), mb->fd, EV_READ | EV_PERSIST, on_mail, mb);
	event_add(&mb->event, NULL);
	return mb;
}

void
mailbox_free(struct mailbox **mbp, void (*discard)(struct mail *m))
{
	struct mailbox *mb = *mbp;
	struct mail_list rest;

	if (mb == NULL)
		return;
	*mbp = NULL;
	take_all(mb, &rest);
	while (!STAILQ_EMPTY(&rest)) {
		struct mail *m = STAILQ_FIRST(&rest);

		STAILQ_REMOVE_HEAD(&rest, link);
		discard(m);
	}
	event_del(&mb->event);
	close(mb->fd);
	pthread_mutex_destroy(&mb->lock);
	free(mb);
}

void
mailbox_post(struct mailbox *mb, struct mail *m)
{
	bool was_empty;

	pthread_mutex_lock(&mb->lock);
	was_empty = STAILQ_EMPTY(&mb->queue);
	STAILQ_INSERT_TAIL(&mb->queue, m, link);
	pthread_mutex_unlock(&mb->lock);
	if (was_empty)
		(void)eventfd_write(mb->fd, 1);
}
