/*
 * farewell: connections that we have closed and the server has not, yet.
 *
 * A backend outlives our close() by the time it takes it to notice, or to finish what it does.  PostgreSQL closes its
 * side when the process has ended: only then is the place of the connection free.  There is no deadline: a backend that
 * is busy for another minute is there for another minute, and one more than the cap would be one too many; but it is
 * told to stop (pool_pursue).  If the machine is gone, the kernel says so in half a minute (stream_half_close).  But who waits for a place is told soon that
 * this one takes its time.
 */
#include <stdlib.h>

#include "base/log.h"
#include "base/memory.h"
#include "pool/inside.h"

#define LONG_TIME (10 * USEC_PER_SEC)

struct farewell {
	LIST_ENTRY(farewell) link;
	struct pools *pools;
	struct stream stream;
	struct seat *seat;
	usec_t since;
	uint32_t id;			/* the server's; 0: it was none */
	bool leaving;			/* its place counts as on its way back */
	struct deferred deferred;
};

static void
on_end(struct deferred *d)
{
	free(container_of(d, struct farewell, deferred));
}

static void
end(struct farewell *f)
{
	usec_t took = clock_now() - f->since;

	if (took > LONG_TIME)
		log_warning("a server that was closed took %lld s to end: its place was taken as long", (long long)(took / USEC_PER_SEC));
	LIST_REMOVE(f, link);
	stream_close(&f->stream);
	if (f->leaving)
		hosts_give(f->pools->hosts, &f->seat, true);
	else
		hosts_give_lingering(f->pools->hosts, &f->seat);
	loop_defer(f->pools->env->loop, &f->deferred, on_end);
}

/* What it still says was asked for by nobody who is left. */
static bool
has_ended(struct stream *s, struct loop *loop)
{
	ssize_t n = stream_read(s, loop_scratch(loop), LOOP_SCRATCH);

	return n == 0 || n < -1;
}

static void
farewell_on_readable(struct stream *s)
{
	struct farewell *f = container_of(s, struct farewell, stream);

	if (has_ended(s, f->pools->env->loop))
		end(f);
}

static void
farewell_on_drained(struct stream *s)
{
	(void)s;
}

static const struct stream_ops stream_ops = {
	.readable = farewell_on_readable,
	.drained = farewell_on_drained,
};

void
pool_part(struct pools *ps, struct stream *s, struct seat **seat, bool leaving, uint32_t id)
{
	struct farewell *f;

	if (*seat == NULL)
		return;
	if (s->fd < 0 || !atomic_load_explicit(&(*seat)->capped, memory_order_relaxed)) {
		stream_close(s);
		hosts_give(ps->hosts, seat, leaving);
		return;
	}
	if (!leaving)
		hosts_leave(ps->hosts, *seat);
	f = memory_zalloc(sizeof(*f));
	f->pools = ps;
	f->seat = *seat;
	f->since = clock_now();
	f->id = id;
	f->leaving = true;
	*seat = NULL;
	stream_open(&f->stream, stream_half_close(s), &stream_ops);
	stream_attach(&f->stream, ps->env->loop);
	LIST_INSERT_HEAD(&ps->farewells, f, link);
}

bool
pools_is_parting(const struct pools *ps, uint32_t id)
{
	const struct farewell *f;

	LIST_FOREACH(f, &ps->farewells, link) {
		if (f->id == id)
			return true;
	}
	return false;
}

/* The newest is first. */
void
pools_doubt_farewells(struct pools *ps, usec_t now)
{
	struct farewell *f;

	LIST_FOREACH(f, &ps->farewells, link) {
		if (!f->leaving)
			return;
		if (now - f->since < BACKEND_ENDS_IN)
			continue;
		f->leaving = false;
		hosts_linger(ps->hosts, f->seat);
	}
}

void
pools_release(struct pools *ps)
{
	while (!LIST_EMPTY(&ps->farewells))
		end(LIST_FIRST(&ps->farewells));
}
