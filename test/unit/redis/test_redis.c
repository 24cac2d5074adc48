#include "redis/redis.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/memory.h"

/* A Redis by hand: answers each thing that comes with what stands in the script, in its own thread. */
struct fake {
	int listener, port;
	pthread_t thread;
	const char *const *answers;	/* one a read; NULL: silence until the peer closes; "": close */
	char heard[4000];
};

static void *
serve(void *arg)
{
	struct fake *f = arg;
	const char *const *answer = f->answers;
	size_t n = 0;
	char buf[4000];

	while (*answer != NULL) {
		int fd = accept(f->listener, NULL, NULL);
		ssize_t got;

		if (fd < 0)
			return NULL;
		while ((got = recv(fd, buf, sizeof(buf), 0)) > 0) {
			if (n + (size_t)got < sizeof(f->heard))
				memcpy(f->heard + n, buf, (size_t)got);
			n += (size_t)got;
			if (*answer == NULL)
				continue;
			if (**answer != '\0' && send(fd, *answer, strlen(*answer), MSG_NOSIGNAL) < 0)
				break;
			if (*(*answer++) == '\0')
				break;
		}
		close(fd);
	}
	return NULL;
}

static void
fake_start(struct fake *f, const char *const *answers)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(in);

	memset(f, 0, sizeof(*f));
	f->answers = answers;
	f->listener = socket(AF_INET, SOCK_STREAM, 0);
	cr_assert_eq(bind(f->listener, (struct sockaddr *)&in, sizeof(in)), 0);
	cr_assert_eq(listen(f->listener, 5), 0);
	getsockname(f->listener, (struct sockaddr *)&in, &len);
	f->port = ntohs(in.sin_port);
	pthread_create(&f->thread, NULL, serve, f);
}

struct stage {
	struct loop *loop;
	struct redis *redis;
	struct redis_script script;
	bool run;			/* what is asked is a script */
	int ups, downs, answers, lost;
	int wanted;			/* answers and losses, then the loop is left */
	char text[100];
};

static void
on_answer(void *arg, const struct redis_value *v)
{
	struct stage *s = arg;

	if (v == NULL)
		s->lost++;
	else
		snprintf(s->text, sizeof(s->text), "%s%lld", redis_text(v, NULL), (long long)redis_integer(v));
	s->answers += v != NULL;
	if (s->answers + s->lost >= s->wanted)
		loop_stop(s->loop);
}

static void
on_changed(void *arg, bool up)
{
	struct stage *s = arg;
	const struct redis_word words[] = { { "key", 3 }, { "a\0b", 3 } };

	s->ups += up;
	s->downs += !up;
	if (!up)
		return;
	if (s->run)
		cr_assert(redis_run(s->redis, &s->script, words, 2, 1, on_answer, s));
	else
		cr_assert(redis_ask(s->redis, words, 2, on_answer, s));
}

static void
on_late(void *arg)
{
	(void)arg;
	cr_assert_fail("nothing came in time");
}

static void
play(struct stage *s, struct fake *f, const char *password, usec_t timeout)
{
	char host[] = "127.0.0.1", *secret = password == NULL ? NULL : memory_strdup(password);
	struct redis_address a = { .host = host, .port = f->port, .password = secret, .database = password == NULL ? 0 : 2 };
	struct redis_options o = { .timeout = timeout, .changed = on_changed, .arg = s };
	struct redis_parser *p = redis_parser_new();

	if (p == NULL)
		cr_skip_test("built without Redis");
	redis_parser_free(&p);
	log_set_stderr(false);
	s->loop = loop_new();
	redis_script_init(&s->script, "return 1");
	s->redis = redis_new(s->loop, &a, &o);
	loop_after(s->loop, 60 * USEC_PER_SEC, on_late, NULL);
	loop_run(s->loop);
	redis_free(&s->redis);
	loop_free(&s->loop);
	shutdown(f->listener, SHUT_RDWR);
	close(f->listener);
	pthread_join(f->thread, NULL);
	free(secret);
}

Test(redis, greets_and_is_answered)
{
	static const char *const answers[] = { "+OK\r\n+OK\r\n+PONG\r\n", ":7\r\n", NULL };
	struct stage s = { .wanted = 1 };
	struct fake f;

	fake_start(&f, answers);
	play(&s, &f, "secret", 10 * USEC_PER_SEC);
	cr_assert_eq(s.answers, 1);
	cr_assert_eq(s.ups, 1);
	cr_assert_str_eq(s.text, "7");
	cr_assert_not_null(strstr(f.heard, "*2\r\n$4\r\nAUTH\r\n$6\r\nsecret\r\n*2\r\n$6\r\nSELECT\r\n$1\r\n2\r\n*1\r\n$4\r\nPING\r\n"));
}

Test(redis, a_script_that_is_not_known_is_told_again)
{
	static const char *const answers[] = { "+PONG\r\n", "-NOSCRIPT No matching script.\r\n", ":5\r\n", NULL };
	struct stage s = { .wanted = 1, .run = true };
	struct fake f;

	fake_start(&f, answers);
	play(&s, &f, NULL, 10 * USEC_PER_SEC);
	cr_assert_str_eq(s.text, "5");
	cr_assert_not_null(strstr(f.heard, "EVALSHA\r\n$40\r\ne0e1f9fabfc9d4800c877a703b823ac0578ff8db\r\n$1\r\n1\r\n$3\r\nkey\r\n"));
	cr_assert_not_null(memmem(f.heard, sizeof(f.heard), "EVAL\r\n$8\r\nreturn 1\r\n$1\r\n1\r\n$3\r\nkey\r\n", 36));
}

Test(redis, what_was_asked_when_it_closed_is_lost_and_it_comes_back)
{
	static const char *const answers[] = { "+PONG\r\n", "", "+PONG\r\n", ":1\r\n", NULL };
	struct stage s = { .wanted = 2 };
	struct fake f;

	fake_start(&f, answers);
	play(&s, &f, NULL, 10 * USEC_PER_SEC);
	cr_assert_eq(s.lost, 1);
	cr_assert_eq(s.answers, 1);
	cr_assert_eq(s.ups, 2);
	cr_assert_eq(s.downs, 1);
}

Test(redis, silence_is_as_good_as_none)
{
	static const char *const answers[] = { "+PONG\r\n", NULL };
	struct stage s = { .wanted = 1 };
	struct fake f;

	fake_start(&f, answers);
	play(&s, &f, NULL, 2 * USEC_PER_SEC);
	cr_assert_eq(s.lost, 1);
}

Test(redis, what_speaks_something_else_is_none)
{
	static const char *const answers[] = { "HTTP/1.1 400 Bad Request\r\n\r\n", "+PONG\r\n", ":3\r\n", NULL };
	struct stage s = { .wanted = 1 };
	struct fake f;

	fake_start(&f, answers);
	play(&s, &f, NULL, 10 * USEC_PER_SEC);
	cr_assert_str_eq(s.text, "3");
	cr_assert_eq(s.ups, 1);
}
