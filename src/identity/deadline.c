#include "build.h"

#ifdef HAVE_LDAP
#include "identity/deadline.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>

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

static ber_slen_t
read_in_time(Sockbuf_IO_Desc *layer, void *buf, ber_len_t n)
{
	return wait_for(layer->sbiod_pvt, POLLIN) ? LBER_SBIOD_READ_NEXT(layer, buf, n) : -1;
}

static ber_slen_t
write_in_time(Sockbuf_IO_Desc *layer, void *buf, ber_len_t n)
{
	return wait_for(layer->sbiod_pvt, POLLOUT) ? LBER_SBIOD_WRITE_NEXT(layer, buf, n) : -1;
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

/* Above the socket, below TLS. */
int
deadline_watch(struct deadline *d, Sockbuf *sb)
{
	if (ber_sockbuf_ctrl(sb, LBER_SB_OPT_GET_FD, &d->fd) != 1)
		return -1;
	return ber_sockbuf_add_io(sb, &layer_io, (LBER_SBIOD_LEVEL_PROVIDER + LBER_SBIOD_LEVEL_TRANSPORT) / 2, d);
}

#endif
