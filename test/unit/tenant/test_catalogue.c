#include "tenant/catalogue.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/memory.h"
#include "net/helpers.h"
#include "net/mailbox.h"
#include "tenant/courier.h"
#include "tenant/host.h"
#include "../net/until.h"

#define PATIENCE (30 * USEC_PER_SEC)

/* --- a database that follows a script --- */

static int listener, port;
static pthread_t thread;
static atomic_bool ending, mute, dropping, no_row, refusing;
static atomic_int questions, sessions;
static _Atomic(const char *) line = "host=one", notice;

static bool
read_all(int fd, void *to, size_t n)
{
	for (size_t got = 0; got < n;) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		ssize_t r;

		if (atomic_load(&ending) || atomic_load(&dropping))
			return false;
		if (atomic_load(&notice) != NULL) {
			char m[100] = { 'A' };
			const char *payload = atomic_exchange(&notice, NULL);
			size_t size = 4 + 4 + sizeof("pgusher_tenants") + strlen(payload) + 1;

			m[4] = (char)size;
			memcpy(m + 9, "pgusher_tenants", sizeof("pgusher_tenants"));
			memcpy(m + 9 + sizeof("pgusher_tenants"), payload, strlen(payload) + 1);
			if (write(fd, m, size + 1) < 0)
				return false;
		}
		if (poll(&p, 1, 10) <= 0)
			continue;
		r = read(fd, (char *)to + got, n - got);
		if (r <= 0)
			return false;
		got += (size_t)r;
	}
	return true;
}

static size_t
put(char *to, char kind, const void *body, size_t n)
{
	uint32_t size = htonl((uint32_t)n + 4);

	to[0] = kind;
	memcpy(to + 1, &size, 4);
	memcpy(to + 5, body, n);
	return n + 5;
}

/* A row of one column, or none. */
static size_t
put_row(char *to, const char *value)
{
	static const char columns[] = { 0, 1, 'c', 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 25, (char)0xff, (char)0xff, (char)0xff,
					(char)0xff, (char)0xff, (char)0xff, 0, 0 };
	char row[200] = { 0, 1 };
	uint32_t size = htonl((uint32_t)strlen(value));
	size_t n = put(to, 'T', columns, sizeof(columns));

	memcpy(row + 2, &size, 4);
	memcpy(row + 6, value, strlen(value));
	if (!atomic_load(&no_row))
		n += put(to + n, 'D', row, 6 + strlen(value));
	return n + put(to + n, 'C', "SELECT 1", sizeof("SELECT 1"));
}

static void
answer(int fd, bool about_tenant)
{
	char out[1000];
	size_t n = put(out, '1', "", 0);

	if (refusing && about_tenant) {
		n = put(out, 'E', "SERROR\0C42710\0Mis there already\0", sizeof("SERROR\0C42710\0Mis there already\0"));
	} else {
		n += put(out + n, '2', "", 0);
		n += put_row(out + n, about_tenant ? atomic_load(&line) : "1");
	}
	n += put(out + n, 'Z', "I", 1);
	cr_assert_eq(write(fd, out, n), (ssize_t)n);
}

static void
serve(int fd)
{
	static const char welcome[] = "R\0\0\0\10\0\0\0\0Z\0\0\0\5I";
	bool about_tenant = false;
	uint32_t size;
	char kind, body[10000];

	if (!read_all(fd, &size, 4) || !read_all(fd, body, ntohl(size) - 4))
		return;
	cr_assert_eq(write(fd, welcome, sizeof(welcome) - 1), (ssize_t)sizeof(welcome) - 1);
	atomic_fetch_add(&sessions, 1);
	while (read_all(fd, &kind, 1) && read_all(fd, &size, 4) && read_all(fd, body, ntohl(size) - 4)) {
		if (kind == 'P')
			about_tenant = strstr(body + 1, "$1") != NULL;
		if (kind != 'S')
			continue;
		atomic_fetch_add(&questions, about_tenant);
		if (!about_tenant || !atomic_load(&mute))
			answer(fd, about_tenant);
	}
}

static void *
run(void *arg)
{
	(void)arg;
	while (!atomic_load(&ending)) {
		struct pollfd p = { .fd = listener, .events = POLLIN };
		int fd;

		if (poll(&p, 1, 10) <= 0)
			continue;
		fd = accept(listener, NULL, NULL);
		if (!atomic_load(&dropping))
			serve(fd);
		close(fd);
	}
	return NULL;
}

static void
start_server(void)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(at);

	listener = socket(AF_INET, SOCK_STREAM, 0);
	cr_assert_eq(bind(listener, (struct sockaddr *)&at, sizeof(at)), 0);
	cr_assert_eq(listen(listener, 10), 0);
	getsockname(listener, (struct sockaddr *)&at, &size);
	port = ntohs(at.sin_port);
	pthread_create(&thread, NULL, run, NULL);
}

/* --- the catalogue, and what it tells --- */

static struct loop *loop;
static struct mailbox *mailbox;
static struct helpers *askers;
static struct catalogue *catalogue;
static const struct config *config;
static int nfound, nchanged;
static char found_line[200], found_state[6], changed_name[100], changed_line[200];

static void
on_mail(void *arg, struct mail *m)
{
	struct helper_job *job = container_of(m, struct helper_job, mail);

	(void)arg;
	job->done(job);
}

static void
discard(struct mail *m)
{
	struct helper_job *job = container_of(m, struct helper_job, mail);

	job->owner = NULL;
	job->done(job);
}

static void
on_changed(void *arg, const char *name, const char *text)
{
	(void)arg;
	nchanged++;
	snprintf(changed_name, sizeof(changed_name), "%s", name);
	snprintf(changed_line, sizeof(changed_line), "%s", text != NULL ? text : "gone");
}

static void
on_found(void *arg, const char *text, const struct error *e)
{
	(void)arg;
	nfound++;
	snprintf(found_line, sizeof(found_line), "%s", text != NULL ? text : "");
	snprintf(found_state, sizeof(found_state), "%s", text != NULL ? "" : e->sqlstate);
}

static void
on_done(void *arg, const struct error *e)
{
	(void)arg;
	nfound++;
	snprintf(found_state, sizeof(found_state), "%s", e != NULL ? e->sqlstate : "");
}

static const struct catalogue_ops ops = { .changed = on_changed };

static const struct config *
make_config(const char *more)
{
	char text[500];
	struct error e;
	const struct config *c;
	int n = snprintf(text, sizeof(text),
			 "[databases]\n[pgbouncer]\ntenant_catalogue = host=127.0.0.1 port=%d dbname=x user=x sslmode=disable\n%s",
			 port, more);

	c = config_from_text(text, (size_t)n, &e);
	cr_assert_not_null(c, "%s", e.message);
	return c;
}

static struct hosts *hosts;	/* NULL: no places are counted */

static void
open_with(const char *more)
{
	static const struct courier_pace quick = {
		.connect = USEC_PER_SEC,
		.answer = 500 * USEC_PER_MSEC,
		.quiet = 200 * USEC_PER_MSEC,
		.retry = 20 * USEC_PER_MSEC,
		.retry_most = 100 * USEC_PER_MSEC,
	};

	start_server();
	loop = loop_new();
	mailbox = mailbox_new(loop, on_mail, NULL);
	askers = helpers_new(2);
	config = make_config(more);
	if (strstr(more, "[hosts]") != NULL)
		hosts = hosts_new(config);
	catalogue = catalogue_new(loop, mailbox, 0, askers, hosts, config, &ops, NULL);
	catalogue_set_pace(catalogue, &quick, 600 * USEC_PER_MSEC);
}

static void
open_catalogue(void)
{
	open_with("");
}

static void
close_catalogue(void)
{
	catalogue_free(&catalogue);
	cr_assert_null(catalogue);
	hosts_free(&hosts);
	config_unref(&config);
	helpers_free(&askers, discard);
	mailbox_free(&mailbox, discard);
	loop_free(&loop);
	atomic_store(&ending, true);
	pthread_join(thread, NULL);
	close(listener);
}

static bool
has_found(void *goal)
{
	return nfound >= *(int *)goal;
}

static bool
has_changed(void *goal)
{
	return nchanged >= *(int *)goal;
}

static bool
is_connected(void *wanted)
{
	struct catalogue_facts f;

	catalogue_facts(catalogue, &f);
	return f.connected == *(bool *)wanted;
}

static void
find(const char *name)
{
	int goal = nfound + 1;

	catalogue_find(catalogue, name, on_found, NULL);
	cr_assert(until_within(loop, has_found, &goal, PATIENCE), "no answer on %s", name);
}

static void
be_connected(bool wanted)
{
	cr_assert(until_within(loop, is_connected, &wanted, PATIENCE));
}

TestSuite(catalogue, .init = open_catalogue, .fini = close_catalogue, .timeout = 240);

Test(catalogue, what_is_found_is_kept)
{
	struct catalogue_facts f;

	find("acme");
	cr_assert_str_eq(found_line, "host=one");
	for (int i = 0; i < 5; i++)
		find("acme");
	cr_assert_eq(atomic_load(&questions), 1);
	catalogue_facts(catalogue, &f);
	cr_assert_eq(f.known, 1);
	cr_assert_eq(f.hits, 5);
	cr_assert_eq(nchanged, 0);
}

Test(catalogue, so_is_what_is_not_there)
{
	struct catalogue_facts f;

	atomic_store(&no_row, true);
	find("nobody");
	find("nobody");
	cr_assert_str_eq(found_state, "3D000");
	cr_assert_eq(atomic_load(&questions), 1);
	catalogue_facts(catalogue, &f);
	cr_assert_eq(f.absent, 1);
}

Test(catalogue, who_asks_together_asks_once)
{
	int goal = 50;

	for (int i = 0; i < goal; i++)
		catalogue_find(catalogue, "acme", on_found, NULL);
	cr_assert(until_within(loop, has_found, &goal, PATIENCE));
	cr_assert_eq(atomic_load(&questions), 1);
}

Test(catalogue, a_name_that_is_none_is_not_asked_for)
{
	static const char *const names[] = { "", ".", "a/b", "a b", "-a", "a..b", "pgbouncer", "\xc3\xa9" };

	for (size_t i = 0; i < lengthof(names); i++) {
		find(names[i]);
		cr_assert_str_eq(found_state, "3D000");
	}
	cr_assert_eq(atomic_load(&questions), 0);
}

Test(catalogue, what_is_notified_is_asked_again)
{
	int goal = 1;

	find("acme");
	atomic_store(&line, "host=two");
	atomic_store(&notice, "acme");
	cr_assert(until_within(loop, has_changed, &goal, PATIENCE));
	cr_assert_str_eq(changed_name, "acme");
	cr_assert_str_eq(changed_line, "host=two");
	goal = 2;
	atomic_store(&no_row, true);
	atomic_store(&notice, "acme");
	cr_assert(until_within(loop, has_changed, &goal, PATIENCE));
	cr_assert_str_eq(changed_line, "gone");
	find("acme");
	cr_assert_str_eq(found_state, "3D000");
}

Test(catalogue, after_a_lost_connection_all_is_asked_again)
{
	int goal = 1;

	find("acme");
	atomic_store(&dropping, true);
	be_connected(false);
	atomic_store(&line, "host=two");
	find("acme");
	cr_assert_str_eq(found_line, "host=one", "the last good answer counts meanwhile");
	atomic_store(&dropping, false);
	cr_assert(until_within(loop, has_changed, &goal, PATIENCE));
	cr_assert_str_eq(changed_line, "host=two");
}

Test(catalogue, who_is_not_known_is_told_that_nobody_can_tell)
{
	atomic_store(&dropping, true);
	find("acme");
	cr_assert_str_eq(found_state, "57P03");
	find("acme");
	cr_assert_str_eq(found_state, "57P03");
	atomic_store(&dropping, false);
	be_connected(true);
	find("acme");
	cr_assert_str_eq(found_line, "host=one");
}

Test(catalogue, one_that_is_mute_holds_nobody_for_long)
{
	find("acme");
	atomic_store(&mute, true);
	find("other");
	cr_assert_str_eq(found_state, "57P03");
	find("acme");
	cr_assert_str_eq(found_line, "host=one");
	atomic_store(&mute, false);
	be_connected(true);
	find("other");
	cr_assert_str_eq(found_line, "host=one");
}

Test(catalogue, a_line_that_is_wrong_leaves_the_old_one)
{
	struct catalogue_facts f;
	int before;

	find("acme");
	before = atomic_load(&questions);
	atomic_store(&line, "no_such_key=1");
	atomic_store(&notice, "acme");
	for (int i = 0; i < 200 && atomic_load(&questions) == before; i++)
		turn(loop), usleep(5000);
	find("fresh");
	cr_assert_str_eq(found_state, "57P03");
	find("acme");
	cr_assert_str_eq(found_line, "host=one");
	catalogue_facts(catalogue, &f);
	cr_assert_neq(f.last_error[0], '\0');
	cr_assert_eq(nchanged, 0);
}

Test(catalogue, only_so_many_questions_wait)
{
	int goal = 1;

	be_connected(true);
	atomic_store(&mute, true);
	for (int i = 0; i < CATALOGUE_QUESTIONS; i++) {
		char name[30];

		snprintf(name, sizeof(name), "stranger%d", i);
		catalogue_find(catalogue, name, on_found, NULL);
	}
	cr_assert_eq(nfound, 0);
	catalogue_find(catalogue, "one_more", on_found, NULL);
	cr_assert(until_within(loop, has_found, &goal, PATIENCE));
	cr_assert_str_eq(found_state, "53400");
	goal = CATALOGUE_QUESTIONS + 1;
	cr_assert(until_within(loop, has_found, &goal, PATIENCE), "all are answered in the end");
	cr_assert_str_eq(found_state, "57P03");
}

Test(catalogue, names_that_strangers_make_up_fill_nothing)
{
	struct catalogue_facts f;
	int goal = 0;

	atomic_store(&no_row, true);
	while (goal < CATALOGUE_ABSENT + 500) {
		for (int i = 0; i < 500; i++) {
			char name[30];

			snprintf(name, sizeof(name), "stranger%d", goal++);
			catalogue_find(catalogue, name, on_found, NULL);
		}
		cr_assert(until_within(loop, has_found, &goal, PATIENCE));
	}
	catalogue_facts(catalogue, &f);
	cr_assert_leq(f.absent, CATALOGUE_ABSENT);
	cr_assert_eq(f.known, 0);
}

/* None of them is to be given up, however long two thousand take. */
Test(catalogue, a_tenant_costs_a_few_hundred_bytes)
{
	static const struct courier_pace slow = {
		.connect = PATIENCE,
		.answer = PATIENCE,
		.quiet = PATIENCE,
		.retry = 20 * USEC_PER_MSEC,
		.retry_most = 100 * USEC_PER_MSEC,
	};
	struct catalogue_facts f;
	int goal = 2000;

	catalogue_set_pace(catalogue, &slow, PATIENCE);
	be_connected(true);
	atomic_store(&line, "host=pg-17.internal port=5432 dbname=tenant_0123456789 pool_size=10");
	for (int i = 0; i < goal; i++) {
		char name[30];

		snprintf(name, sizeof(name), "tenant_%d", i);
		catalogue_find(catalogue, name, on_found, NULL);
	}
	cr_assert(until_within(loop, has_found, &goal, PATIENCE));
	catalogue_facts(catalogue, &f);
	cr_assert_eq(f.known, 2000, "%zu are known: %s", (size_t)f.known, f.last_error);
	cr_assert_lt(f.memory / f.known, 300, "%zu bytes", f.memory / f.known);
}

static bool
is_kept_waiting(void *unused)
{
	struct catalogue_facts f;

	(void)unused;
	catalogue_facts(catalogue, &f);
	return strstr(f.last_error, "max_connections") != NULL;
}

/* What it is granted does not stay unused until it would try again. */
Test(catalogue_host, it_waits_for_a_place, .timeout = 240)
{
	static const struct courier_pace rare = {
		.connect = PATIENCE,
		.answer = PATIENCE,
		.quiet = PATIENCE,
		.retry = 10 * PATIENCE,
		.retry_most = 10 * PATIENCE,
	};
	struct claim c = { .seat = NULL };

	open_with("[hosts]\n* = max_connections=1\n");
	catalogue_set_pace(catalogue, &rare, PATIENCE);
	cr_assert(hosts_want_side(hosts, &c, CLAIM_ORDINARY, "127.0.0.1", port));
	cr_assert(until_within(loop, is_kept_waiting, NULL, PATIENCE));
	hosts_give_side(hosts, "127.0.0.1", port);
	be_connected(true);
	close_catalogue();
}

Test(catalogue, what_is_saved_is_known_when_that_is_told)
{
	int goal = 2;

	find("acme");
	atomic_store(&line, "host=two");
	catalogue_save(catalogue, "acme", "host=two", false, on_done, NULL);
	cr_assert(until_within(loop, has_found, &goal, PATIENCE));
	cr_assert_str_eq(found_state, "");
	cr_assert_str_eq(changed_line, "host=two");
	find("acme");
	cr_assert_str_eq(found_line, "host=two");
}

Test(catalogue, what_the_database_refuses_is_told_in_its_words)
{
	int goal = 1;

	atomic_store(&refusing, true);
	catalogue_save(catalogue, "acme", "host=two", true, on_done, NULL);
	cr_assert(until_within(loop, has_found, &goal, PATIENCE));
	cr_assert_str_eq(found_state, "42710");
}

Test(catalogue, nobody_knows_what_became_of_an_order_on_a_lost_connection)
{
	int goal = 1;

	be_connected(true);
	atomic_store(&mute, true);
	catalogue_drop(catalogue, "acme", on_done, NULL);
	cr_assert(until_within(loop, has_found, &goal, PATIENCE));
	cr_assert_str_eq(found_state, "08007");
}

Test(catalogue, an_order_that_was_not_sent_was_not_carried_out)
{
	int goal = 1;

	atomic_store(&dropping, true);
	catalogue_drop(catalogue, "acme", on_done, NULL);
	cr_assert(until_within(loop, has_found, &goal, PATIENCE));
	cr_assert_str_eq(found_state, "57P03");
}

Test(catalogue, a_quiet_connection_is_asked_for_an_answer)
{
	bool is = true, was = false;

	be_connected(is);
	atomic_store(&dropping, true);	/* nothing is asked, and still it is found out */
	be_connected(was);
	atomic_store(&dropping, false);
	be_connected(is);
	cr_assert_geq(atomic_load(&sessions), 2);
}

Test(catalogue, switched_off_it_forgets_all)
{
	static const char none[] = "[databases]\n[pgbouncer]\n";
	struct catalogue_facts f;
	struct error e;
	const struct config *off = config_from_text(none, sizeof(none) - 1, &e);

	find("acme");
	catalogue_set_config(catalogue, off);
	config_unref(&off);
	catalogue_facts(catalogue, &f);
	cr_assert(!f.configured);
	cr_assert_eq(f.known + f.absent, 0);
	find("acme");
	cr_assert_str_eq(found_state, "3D000");
	catalogue_set_config(catalogue, config);
	find("acme");
	cr_assert_str_eq(found_line, "host=one");
}

Test(catalogue_ttl, an_old_answer_serves_while_it_is_asked_again, .timeout = 240)
{
	int goal = 1;

	open_with("tenant_ttl = 1\n");
	find("acme");
	atomic_store(&line, "host=two");
	cr_assert(until_within(loop, has_changed, &goal, PATIENCE));
	find("acme");
	cr_assert_str_eq(found_line, "host=two");
	close_catalogue();
}
