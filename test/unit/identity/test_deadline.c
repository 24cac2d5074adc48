#include "build.h"

#ifdef HAVE_LDAP
#include "identity/deadline.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/memory.h"

#define PATIENCE (100 * USEC_PER_MSEC)

static int ours, theirs;
static Sockbuf *sb;
static struct deadline deadline;

static void
setup(void)
{
	int pair[2];

	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	ours = pair[0];
	theirs = pair[1];
	sb = ber_sockbuf_alloc();
	cr_assert_not_null(sb);
	cr_assert_eq(ber_sockbuf_ctrl(sb, LBER_SB_OPT_SET_FD, &ours), 1);
	cr_assert_eq(ber_sockbuf_add_io(sb, &ber_sockbuf_io_tcp, LBER_SBIOD_LEVEL_PROVIDER, NULL), 0);
	cr_assert_eq(deadline_watch(&deadline, sb), 0);
	cr_assert_eq(deadline.fd, ours);
}

static void
teardown(void)
{
	ber_sockbuf_free(sb);
	close(theirs);
}

TestSuite(deadline, .init = setup, .fini = teardown, .timeout = 120);

/* Read a message as libldap does, until there is one or an error; errno is the error. */
static bool
read_message(void)
{
	BerElement *ber = ber_alloc_t(LBER_USE_DER);
	ber_len_t size;
	ber_tag_t tag;

	do {
		errno = 0;
		tag = ber_get_next(sb, &size, ber);
	} while (tag == LBER_DEFAULT && (errno == EWOULDBLOCK || errno == EAGAIN));
	int error = errno;

	ber_free(ber, 1);
	errno = error;
	return tag != LBER_DEFAULT;
}

static const struct {
	const char *bytes;
	size_t n;
} halves[] = {
	{ "", 0 },
	{ "0", 1 },
	{ "0\x0c", 2 },
	{ "0\x0c\x02\x01\x01\x61", 6 },
	{ "0\x84\x00\x00", 4 },
};

Test(deadline, ends_what_does_not_go_on)
{
	for (size_t i = 0; i < lengthof(halves); i++) {
		usec_t start = clock_now();

		deadline.at = start + PATIENCE;
		cr_assert_eq(write(theirs, halves[i].bytes, halves[i].n), (ssize_t)halves[i].n);
		cr_expect_not(read_message(), "case %zu", i);
		cr_expect_eq(errno, ETIMEDOUT, "case %zu: errno %d", i, errno);
		cr_expect_geq(clock_now() - start, PATIENCE);
		cr_expect_lt(clock_now() - start, 200 * PATIENCE);
		teardown();
		setup();
	}
}

Test(deadline, lets_through_what_comes_in_time)
{
	static const char message[] = "0\x03\x02\x01\x07";

	deadline.at = clock_now() + 10 * USEC_PER_SEC;
	cr_assert_eq(write(theirs, message, sizeof(message) - 1), (ssize_t)sizeof(message) - 1);
	cr_expect(read_message());
	cr_expect_lt(clock_now(), deadline.at - 5 * USEC_PER_SEC);
}

Test(deadline, that_is_over_is_not_waited_for)
{
	usec_t start = clock_now();

	deadline.at = start - 1;
	cr_expect_not(read_message());
	cr_expect_eq(errno, ETIMEDOUT);
	cr_expect_lt(clock_now() - start, 5 * USEC_PER_SEC);
}

Test(deadline, is_no_matter_when_the_other_side_has_closed)
{
	deadline.at = clock_now() + 10 * USEC_PER_SEC;
	shutdown(theirs, SHUT_RDWR);
	cr_expect_not(read_message());
	cr_expect_neq(errno, ETIMEDOUT);
	cr_expect_lt(clock_now(), deadline.at - 5 * USEC_PER_SEC);
}

/* Nobody reads: the socket is full at some time. */
Test(deadline, ends_what_is_not_taken)
{
	char *much = memory_zalloc(1 << 22);
	BerElement *ber = ber_alloc_t(LBER_USE_DER);

	deadline.at = clock_now() + PATIENCE;
	cr_assert_geq(ber_put_ostring(ber, much, 1 << 22, LBER_DEFAULT), 0);
	errno = 0;
	cr_expect_neq(ber_flush2(sb, ber, LBER_FLUSH_FREE_NEVER), 0);
	cr_expect_geq(clock_now(), deadline.at);
	ber_free(ber, 1);
	free(much);
}
#endif
