#include "build.h"

#ifdef HAVE_LDAP
#include "identity/deadline.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <sys/socket.h>

static bool
wait_for(const struct deadline *d, short events)
{
	struct pollfd p = { .fd = d->fd, .events = events };
	int n;

	do {
		usec_t left = d->at - clock_now();

		n = left <= 0 ? 0 : poll(&p, 1, (int)(left / USEC_PER_MSEC) + 1);
	} while (n < 0 && errno == EINTR);
	if (n == 0)
		errno = ETIMEDOUT;
	return n > 0;
}

static bool
is_temporary(int error)
{
	return error == EAGAIN || error == EWOULDBLOCK || error == EINTR;
}

static int
set_up(Sockbuf_IO_Desc *layer, void *d)
{
	layer->sbiod_pvt = d;
	return 0;
}

static int
tear_down(Sockbuf_IO_Desc *layer)
{
	layer->sbiod_pvt = NULL;
	return 0;
}

static int
control(Sockbuf_IO_Desc *layer, int option, void *arg)
{
	return LBER_SBIOD_CTRL_NEXT(layer, option, arg);
}

/* The socket blocks, as libldap is content to wait then; but a call must not: less may be ready than is wanted. */

static ber_slen_t
read_in_time(Sockbuf_IO_Desc *layer, void *buf, ber_len_t size)
{
	const struct deadline *d = layer->sbiod_pvt;
	ssize_t n = -1;

	while (wait_for(d, POLLIN)) {
		n = recv(d->fd, buf, size, MSG_DONTWAIT);
		if (n >= 0 || !is_temporary(errno))
			break;
	}
	return n;
}

static ber_slen_t
write_in_time(Sockbuf_IO_Desc *layer, void *buf, ber_len_t size)
{
	const struct deadline *d = layer->sbiod_pvt;
	ssize_t n = -1;

	while (wait_for(d, POLLOUT)) {
		n = send(d->fd, buf, size, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n >= 0 || !is_temporary(errno))
			break;
	}
	return n;
}

static int
close_layer(Sockbuf_IO_Desc *layer)
{
	(void)layer;
	return 0;
}

static Sockbuf_IO layer_io = {
	.sbi_setup = set_up,
	.sbi_remove = tear_down,
	.sbi_ctrl = control,
	.sbi_read = read_in_time,
	.sbi_write = write_in_time,
	.sbi_close = close_layer,
};

/* Above the socket (which still knows its descriptor, and closes it), below TLS. */
int
deadline_watch(struct deadline *d, Sockbuf *sb)
{
	if (ber_sockbuf_ctrl(sb, LBER_SB_OPT_GET_FD, &d->fd) != 1)
		return -1;
	return ber_sockbuf_add_io(sb, &layer_io, (LBER_SBIOD_LEVEL_PROVIDER + LBER_SBIOD_LEVEL_TRANSPORT) / 2, d);
}

#endif
