/*
 * zipf: clients of many tenants, for test/bench/tenants.
 *
 *	zipf PORT LEAD SECONDS GROUP...
 *
 *	GROUP = NAME:CLIENTS:WHERE:QUERIES:THINK:SQL
 *
 *	WHERE	tenant=NAME		all of them there
 *		zipf=N,EXPONENT,PREFIX	one of N by Zipf's law: PREFIX00000 is the most wanted
 *		own=N,FIRST,PREFIX	each client has a tenant of its own: the FIRST for the first client
 *		each=N,FIRST,PREFIX	the next one, until all N from FIRST on were there; then the group is done, and if
 *				all such groups are, everything ends
 *	QUERIES	that a connection asks before it is closed and another made; 0: for ever
 *	THINK	milliseconds between two queries; a group's first ones are spread over that time
 *
 * What happens in the first LEAD seconds is not counted.  One thread, one epoll; a client whose connection is refused or
 * breaks tries again after RETRY.  At the end (or when all that can be done is) a line of JSON for each group: queries,
 * connections and errors, what a query and a login took (us: median, 99 %, longest), how many tenants were served.
 *
 * SIGUSR1 sets a mark: `mark_ms` is how long after it the last client was served, `mark_left` how many were not.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define RETRY 500000
#define NAME_MAX_LENGTH 63

/* Times in microseconds, in the order in which they came. */
struct times {
	uint32_t *list;
	size_t n, room;
};

enum where { WHERE_TENANT, WHERE_ZIPF, WHERE_OWN, WHERE_EACH };

struct group {
	char *name, *prefix, *sql;
	enum where where;
	int clients, queries, ntenants, first;
	double exponent;
	int64_t think;
	double *cumulated;	/* zipf */
	uint32_t *served;	/* by tenant */
	int next;		/* each: the first that is not begun */
	int64_t nqueries, nlogins, nerrors;
	struct times query, login;
	char error[200];	/* the first one */
	struct client *first_client;
	char *frame;		/* the query, as it is sent */
	size_t frame_size;
};

enum state { STATE_OFF, STATE_LOGIN, STATE_READY, STATE_ASKED, STATE_DONE };

struct client {
	struct group *group;
	enum state state;
	int fd, tenant, asked;
	int64_t since;		/* of the login or query */
	int64_t due;		/* in the heap */
	int at;			/* there; -1: in none */
	int64_t served_at;
	/* Of the replies. */
	uint8_t head[5];
	unsigned nhead;
	uint32_t skip;
	bool failed;
	char text[200];		/* of an error, as it came */
	unsigned ntext;
};

static int poll_fd;
static struct sockaddr_in address = { .sin_family = AF_INET };
static struct client **heap;
static int nheap, nlive;
static uint64_t seed = 0x9e3779b97f4a7c15u;
static volatile sig_atomic_t marked;
static int64_t mark, counted_from;

static int64_t
now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void *
must(void *p)
{
	if (p == NULL)
		abort();
	return p;
}

static double
uniform(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (double)(seed >> 11) / 9007199254740992.0;
}

static void
note(struct times *t, int64_t us)
{
	if (t->n == t->room) {
		t->room = t->room == 0 ? 1024 : t->room * 2;
		t->list = must(realloc(t->list, t->room * sizeof(*t->list)));
	}
	t->list[t->n++] = us < UINT32_MAX ? (uint32_t)us : UINT32_MAX;
}

/* --- who is due --- */

static void
put(int at, struct client *c)
{
	heap[at] = c;
	c->at = at;
}

static void
sift(int at, struct client *c)
{
	for (; at > 0 && heap[(at - 1) / 2]->due > c->due; at = (at - 1) / 2)
		put(at, heap[(at - 1) / 2]);
	for (int kid; (kid = 2 * at + 1) < nheap; at = kid) {
		if (kid + 1 < nheap && heap[kid + 1]->due < heap[kid]->due)
			kid++;
		if (heap[kid]->due >= c->due)
			break;
		put(at, heap[kid]);
	}
	put(at, c);
}

static void
wake_at(struct client *c, int64_t due)
{
	c->due = due;
	sift(nheap++, c);
}

static struct client *
take_due(int64_t now)
{
	struct client *c;

	if (nheap == 0 || heap[0]->due > now)
		return NULL;
	c = heap[0];
	c->at = -1;
	if (--nheap > 0)
		sift(0, heap[nheap]);
	return c;
}

/* --- tenants --- */

static int
choose_by_zipf(const struct group *g)
{
	double x = uniform() * g->cumulated[g->ntenants - 1];
	int low = 0, high = g->ntenants - 1;

	while (low < high) {
		int middle = (low + high) / 2;

		if (g->cumulated[middle] < x)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* false: there is none left. */
static bool
choose_tenant(struct client *c)
{
	struct group *g = c->group;

	switch (g->where) {
	case WHERE_TENANT:
		c->tenant = 0;
		break;
	case WHERE_ZIPF:
		c->tenant = choose_by_zipf(g);
		break;
	case WHERE_OWN:
		c->tenant = (int)(c - g->first_client) % g->ntenants;
		break;
	case WHERE_EACH:
		if (c->tenant >= 0 && g->served[c->tenant] == 0)
			break;		/* once more */
		if (g->next == g->ntenants)
			return false;
		c->tenant = g->next++;
		break;
	}
	return true;
}

/* --- a client --- */

static void
hang_up(struct client *c)
{
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
	c->state = STATE_OFF;
	c->nhead = c->skip = 0;
	c->failed = false;
	c->ntext = 0;
}

/* The message of an ErrorResponse, or what the system says. */
static void
note_error(struct client *c, const char *why)
{
	struct group *g = c->group;

	g->nerrors++;
	if (g->error[0] != '\0')
		return;
	for (unsigned i = 0; c->ntext > 0 && i < c->ntext; i += (unsigned)strnlen(c->text + i, c->ntext - i) + 1) {
		if (c->text[i] == 'M')
			why = c->text + i + 1;
	}
	snprintf(g->error, sizeof(g->error), "%s", why);
	for (char *p = g->error; *p != '\0'; p++) {
		if (*p == '"' || *p == '\\' || (unsigned char)*p < ' ')
			*p = '\'';
	}
}

static void
fail(struct client *c, const char *why)
{
	note_error(c, why);
	hang_up(c);
	if (c->at < 0)		/* it was thinking */
		wake_at(c, now_us() + RETRY);
}

static size_t
make_startup(const struct client *c, uint8_t *out, size_t size)
{
	const struct group *g = c->group;
	char tenant[NAME_MAX_LENGTH + 20];
	size_t n = 8;
	uint32_t be;

	if (g->where == WHERE_TENANT)
		snprintf(tenant, sizeof(tenant), "%s", g->prefix);
	else
		snprintf(tenant, sizeof(tenant), "%s%05d", g->prefix, g->first + c->tenant);
	n += (size_t)snprintf((char *)out + n, size - n, "user%cbench%cdatabase%c%s%c", 0, 0, 0, tenant, 0);
	out[n++] = 0;
	be = htonl((uint32_t)n);
	memcpy(out, &be, 4);
	be = htonl(3 << 16);
	memcpy(out + 4, &be, 4);
	return n;
}

static void
log_in(struct client *c)
{
	struct epoll_event ev = { .events = EPOLLIN | EPOLLOUT, .data.ptr = c };

	if (!choose_tenant(c)) {
		c->state = STATE_DONE;
		nlive--;
		return;
	}
	c->since = now_us();
	c->asked = 0;
	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (c->fd < 0 || (connect(c->fd, (struct sockaddr *)&address, sizeof(address)) < 0 && errno != EINPROGRESS)) {
		fail(c, strerror(errno));
		return;
	}
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
	epoll_ctl(poll_fd, EPOLL_CTL_ADD, c->fd, &ev);
	c->state = STATE_LOGIN;
}

static void
say(struct client *c, const void *what, size_t n)
{
	if (send(c->fd, what, n, MSG_NOSIGNAL) != (ssize_t)n)
		fail(c, strerror(errno));
}

static void
ask(struct client *c)
{
	c->since = now_us();
	c->state = STATE_ASKED;
	c->asked++;
	say(c, c->group->frame, c->group->frame_size);
}

/* Whose turn it is does the next thing. */
static void
go_on(struct client *c)
{
	if (c->state == STATE_OFF)
		log_in(c);
	else if (c->state == STATE_READY)
		ask(c);
}

static void
rest(struct client *c, int64_t now)
{
	int64_t think = c->group->think;

	/* From half to one and a half of it, so that they do not march in step. */
	if (think > 0)
		wake_at(c, now + think / 2 + (int64_t)(uniform() * (double)think));
	else
		go_on(c);
}

static void
on_answer(struct client *c, int64_t now)
{
	static const uint8_t terminate[] = { 'X', 0, 0, 0, 4 };
	struct group *g = c->group;

	g->served[c->tenant]++;
	if (c->since >= counted_from) {
		g->nqueries++;
		note(&g->query, now - c->since);
	}
	c->served_at = now;
	c->state = STATE_READY;
	if (g->queries > 0 && c->asked >= g->queries) {
		send(c->fd, terminate, sizeof(terminate), MSG_NOSIGNAL);
		hang_up(c);
	}
	rest(c, now);
}

static void
on_ready(struct client *c)
{
	int64_t now = now_us();

	if (c->failed) {
		fail(c, "an error");
		return;
	}
	if (c->state == STATE_ASKED) {
		on_answer(c, now);
		return;
	}
	if (c->since >= counted_from) {
		c->group->nlogins++;
		note(&c->group->login, now - c->since);
	}
	c->state = STATE_READY;
	ask(c);
}

/* What replies say but their type is thrown away, but for an error's text.  true: ReadyForQuery is there. */
static bool
read_replies(struct client *c, const uint8_t *data, size_t n)
{
	bool ready = false;

	while (n > 0) {
		if (c->skip == 0) {
			uint32_t be;

			c->head[c->nhead++] = *data++;
			n--;
			if (c->nhead < sizeof(c->head))
				continue;
			memcpy(&be, c->head + 1, 4);
			c->skip = ntohl(be) - 4;
			c->nhead = 0;
			c->failed |= c->head[0] == 'E';
		} else {
			size_t part = c->skip < n ? c->skip : n;

			for (size_t i = 0; c->head[0] == 'E' && i < part && c->ntext < sizeof(c->text) - 1; i++)
				c->text[c->ntext++] = (char)data[i];
			c->skip -= (uint32_t)part;
			data += part;
			n -= part;
		}
		if (c->skip == 0 && c->nhead == 0 && c->head[0] == 'Z')
			ready = true;
	}
	return ready;
}

static void
on_readable(struct client *c)
{
	static uint8_t data[65536];
	ssize_t n = recv(c->fd, data, sizeof(data), 0);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0)
		fail(c, n == 0 ? "closed" : strerror(errno));
	else if (read_replies(c, data, (size_t)n))
		on_ready(c);
}

static void
on_event(struct client *c, uint32_t events)
{
	uint8_t startup[200];

	if (c->fd < 0)
		return;
	if (events & EPOLLOUT) {	/* connected, or not */
		struct epoll_event ev = { .events = EPOLLIN, .data.ptr = c };
		int e = 0;
		socklen_t size = sizeof(e);

		getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &e, &size);
		if (e != 0) {
			fail(c, strerror(e));
			return;
		}
		epoll_ctl(poll_fd, EPOLL_CTL_MOD, c->fd, &ev);
		say(c, startup, make_startup(c, startup, sizeof(startup)));
	} else if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
		on_readable(c);
	}
}

/* --- groups --- */

static char *
field(char **text, char by)
{
	char *begin = *text, *end = strchr(begin, by);

	if (end == NULL) {
		fprintf(stderr, "zipf: %c is missing behind %s\n", by, begin);
		exit(2);
	}
	*end = '\0';
	*text = end + 1;
	return begin;
}

static void
parse_where(struct group *g, char *text)
{
	char *kind = field(&text, '=');

	g->ntenants = 1;
	if (strcmp(kind, "tenant") == 0) {
		g->where = WHERE_TENANT;
		g->prefix = text;
		return;
	}
	g->where = kind[0] == 'z' ? WHERE_ZIPF : kind[0] == 'o' ? WHERE_OWN : WHERE_EACH;
	g->ntenants = atoi(field(&text, ','));
	if (g->where == WHERE_ZIPF)
		g->exponent = atof(field(&text, ','));
	else
		g->first = atoi(field(&text, ','));
	g->prefix = text;
}

static void
prepare_zipf(struct group *g)
{
	double sum = 0;

	g->cumulated = must(calloc((size_t)g->ntenants, sizeof(*g->cumulated)));
	for (int i = 0; i < g->ntenants; i++)
		g->cumulated[i] = sum += pow(i + 1, -g->exponent);
}

static void
prepare_query(struct group *g)
{
	uint32_t be = htonl((uint32_t)strlen(g->sql) + 5);

	g->frame_size = strlen(g->sql) + 6;
	g->frame = must(malloc(g->frame_size));
	g->frame[0] = 'Q';
	memcpy(g->frame + 1, &be, 4);
	memcpy(g->frame + 5, g->sql, strlen(g->sql) + 1);
}

static void
parse_group(struct group *g, char *text)
{
	char *where;

	g->name = field(&text, ':');
	g->clients = atoi(field(&text, ':'));
	where = field(&text, ':');
	g->queries = atoi(field(&text, ':'));
	g->think = (int64_t)(1000 * atof(field(&text, ':')));
	g->sql = text;
	parse_where(g, where);
	if (g->where == WHERE_ZIPF)
		prepare_zipf(g);
	g->served = must(calloc((size_t)g->ntenants, sizeof(*g->served)));
	prepare_query(g);
}

static void
start_clients(struct group *g, struct client *c, int64_t now)
{
	g->first_client = c;
	for (int i = 0; i < g->clients; i++, c++) {
		*c = (struct client){ .group = g, .fd = -1, .at = -1, .tenant = -1 };
		/* At once, but for those that think: it shall be no storm before it begins. */
		wake_at(c, now + (int64_t)(uniform() * (double)(g->think > 0 ? g->think : 1000)));
	}
}

static int
compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static void
print_times(const char *name, struct times *t)
{
	qsort(t->list, t->n, sizeof(*t->list), compare);
	if (t->n > 0)
		printf(", \"%s\": {\"p50\": %u, \"p99\": %u, \"max\": %u}", name, t->list[t->n / 2],
		       t->list[t->n * 99 / 100], t->list[t->n - 1]);
}

static void
print_group(struct group *g)
{
	int served = 0, left = 0;

	for (int i = 0; i < g->ntenants; i++)
		served += g->served[i] > 0;
	for (int i = 0; i < g->clients; i++)
		left += mark > 0 && g->first_client[i].served_at < mark;
	printf("{\"group\": \"%s\", \"queries\": %lld, \"logins\": %lld, \"errors\": %lld, \"error\": \"%s\", "
	       "\"tenants\": %d", g->name, (long long)g->nqueries, (long long)g->nlogins, (long long)g->nerrors, g->error,
	       served);
	if (mark > 0)
		printf(", \"mark_left\": %d", left);
	print_times("query", &g->query);
	print_times("login", &g->login);
	printf("}\n");
}

/* How long it took until every client had been served since the mark. */
static int64_t served_all_at;
static int unserved;

static void
take_mark(void)
{
	marked = 0;
	mark = now_us();
	served_all_at = 0;
}

static void
look_who_is_left(const struct client *all, int n, int64_t now)
{
	if (mark == 0 || served_all_at != 0)
		return;
	unserved = 0;
	for (int i = 0; i < n; i++)
		unserved += all[i].served_at < mark;
	if (unserved == 0)
		served_all_at = now;
}

static void
run(struct client *all, int n, int64_t until)
{
	struct epoll_event events[512];
	int64_t now = now_us(), looked = 0;

	while (now < until && nlive > 0) {
		int64_t next = nheap > 0 && heap[0]->due < until ? heap[0]->due : until;
		int ms = next <= now ? 0 : next - now > 50000 ? 50 : (int)((next - now + 999) / 1000);
		int m = epoll_wait(poll_fd, events, 512, ms);
		struct client *c;

		for (int i = 0; i < m; i++)
			on_event(events[i].data.ptr, events[i].events);
		now = now_us();
		while ((c = take_due(now)) != NULL)
			go_on(c);
		if (marked)
			take_mark();
		if (now - looked > 20000) {
			look_who_is_left(all, n, now);
			looked = now;
		}
	}
}

static void
on_mark(int sig)
{
	(void)sig;
	marked = 1;
}

int
main(int argc, char **argv)
{
	struct rlimit files;
	struct group *groups;
	struct client *all, *c;
	int64_t began = now_us();
	int n = 0;

	if (argc < 5) {
		fprintf(stderr, "usage: zipf PORT LEAD SECONDS GROUP...\n");
		return 2;
	}
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	signal(SIGUSR1, on_mark);
	address.sin_port = htons((uint16_t)atoi(argv[1]));
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	counted_from = began + (int64_t)(1e6 * atof(argv[2]));
	poll_fd = epoll_create1(EPOLL_CLOEXEC);
	groups = must(calloc((size_t)argc, sizeof(*groups)));
	for (int i = 4; i < argc; i++) {
		parse_group(&groups[i], argv[i]);
		n += groups[i].clients;
		nlive += groups[i].where == WHERE_EACH ? groups[i].clients : 0;
	}
	all = c = must(calloc((size_t)n, sizeof(*all)));
	heap = must(calloc((size_t)n, sizeof(*heap)));
	if (nlive == 0)		/* nobody who is done */
		nlive = n;
	for (int i = 4; i < argc; c += groups[i++].clients)
		start_clients(&groups[i], c, began);
	run(all, n, counted_from + (int64_t)(1e6 * atof(argv[3])));
	for (int i = 4; i < argc; i++)
		print_group(&groups[i]);
	if (mark > 0)
		printf("{\"group\": \"mark\", \"mark_ms\": %lld, \"mark_left\": %d}\n",
		       served_all_at > 0 ? (long long)(served_all_at - mark) / 1000 : -1, unserved);
	printf("{\"group\": \"end\", \"ms\": %lld}\n", (long long)(now_us() - began) / 1000);
	return 0;
}
