#include "scene.h"

#include <criterion/criterion.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/memory.h"
#include "net/mailbox.h"
#include "pg/message.h"
#include "pg/startup.h"
#include "pg/writer.h"

struct loop *loop;
struct server_env env;
struct server *server;
struct peer postgres = { .fd = -1, .is_server = true };
struct seen seen;
int port;

static struct mailbox *mailbox;
static struct helpers *helpers;
static int listening;

static void
on_ready(struct server *s)
{
	(void)s;
	seen.ready++;
}

static void
on_run_failed(struct server *s, const struct error *e)
{
	(void)s;
	seen.run_failed++;
	seen.error = *e;
}

static void
on_closed(struct server *s, const struct error *e)
{
	(void)s;
	seen.closed = true;
	seen.error = *e;
	server = NULL;
}

static const struct server_keeper keeper = { .ready = on_ready, .run_failed = on_run_failed, .closed = on_closed };

static void
on_job(void *arg, struct mail *m)
{
	struct helper_job *job = container_of(m, struct helper_job, mail);

	(void)arg;
	job->done(job);
}

static void
discard(struct mail *m)
{
	on_job(NULL, m);
}

void
scene_begin(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(a);

	log_set_stderr(false);
	listening = socket(AF_INET, SOCK_STREAM, 0);
	cr_assert_eq(bind(listening, (struct sockaddr *)&a, sizeof(a)), 0);
	cr_assert_eq(listen(listening, 5), 0);
	getsockname(listening, (struct sockaddr *)&a, &size);
	port = ntohs(a.sin_port);
	loop = loop_new();
	mailbox = mailbox_new(loop, on_job, NULL);
	helpers = helpers_new(1);
	env = (struct server_env){
		.loop = loop,
		.helpers = helpers,
		.mailbox = mailbox,
		.params = params_table_new(),
		.tracked = "TimeZone,DateStyle",
		.log_connections = true,
	};
}

void
leave(void)
{
	if (server != NULL)
		server_close(server, NULL, "the test is over");
	turn(loop);
	hang_up(&postgres);
	memset(&seen, 0, sizeof(seen));
}

void
scene_end(void)
{
	leave();
	helpers_free(&helpers, discard);
	mailbox_free(&mailbox, discard);
	loop_free(&loop);
	params_table_free(&env.params);
	close(listening);
}

struct server_login_as
login_as(void)
{
	return (struct server_login_as){ .user = "pooler", .database = "shop", .demands = DEMAND_ANY };
}

static bool
is_dialed(void *arg)
{
	(void)arg;
	return server == NULL || server->state != SERVER_DIALING;
}

void
begin_dial(const char *host, const struct server_login_as *as)
{
	leave();
	server = server_open(&env, host, port, as, 1, &keeper, NULL);
}

void
accept_dial(void)
{
	cr_assert(until(loop, is_dialed, NULL));
	cr_assert_not_null(server, "%s", seen.error.message);
	postgres.fd = accept(listening, NULL, NULL);
}

void
hear_startup_packet(void)
{
	uint8_t body[1000];
	size_t n;

	cr_assert_eq(hear_startup(&postgres, body, sizeof(body), &n), STARTUP_VERSION_3_0);
	cr_assert_geq(n, 25);
	cr_assert_eq(memcmp(body, "user\0pooler\0database\0shop\0", 26), 0);
}

void
dial_as(const struct server_login_as *as)
{
	begin_dial("127.0.0.1", as);
	accept_dial();
	hear_startup_packet();
}

void
dial(const char *secret_text)
{
	struct server_login_as as = login_as();
	struct secret secret;

	secret_parse(&secret, secret_text);
	as.secret = &secret;
	dial_as(&as);
	secret_release(&secret);
}

void
tell(const char *words)
{
	say(&postgres, words);
	turn(loop);
}

void
tell_bytes(const void *bytes, size_t n)
{
	say_bytes(&postgres, bytes, n);
	turn(loop);
}

void
request(uint32_t code, const void *data, size_t n)
{
	struct buffer b = BUFFER_INIT;
	size_t mark = writer_begin(&b, BE_AUTHENTICATION);

	writer_u32(&b, code);
	writer_bytes(&b, data, n);
	writer_end(&b, mark);
	tell_bytes(b.data, b.len);
	buffer_release(&b);
}

static bool
has_answered(void *arg)
{
	(void)arg;
	return server == NULL || !hears_nothing(&postgres);
}

const uint8_t *
hear_answer(size_t *n)
{
	static uint8_t answer[4000];
	const uint8_t *p;

	cr_assert(until(loop, has_answered, NULL), "no answer");
	cr_assert(server != NULL, "%s", seen.error.message);
	p = buffer_head(&postgres.in);
	cr_assert_eq(p[0], FE_PASSWORD);
	*n = ((size_t)p[3] << 8 | p[4]) - 4;
	memcpy(answer, p + 5, *n);
	buffer_consume(&postgres.in, *n + 5);
	return answer;
}

/* What SASLInitialResponse brings behind the mechanism's name. */
static const uint8_t *
hear_first(const struct scram_show *show, size_t *n)
{
	const char *chosen = show->chosen != NULL ? show->chosen : SCRAM_MECHANISM;
	const uint8_t *p = hear_answer(n);
	size_t header = strlen(chosen) + 1 + 4;

	cr_assert_str_eq((const char *)p, chosen);
	cr_assert_gt(*n, header);
	*n -= header;
	if (show->gs2 != NULL)
		cr_assert_eq(strncmp((const char *)p + header, show->gs2, strlen(show->gs2)), 0, "%s", p + header);
	return p + header;
}

void
serve_scram(const struct scram_show *show, char final[SCRAM_MESSAGE_MAX])
{
	static const char both[] = "SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0";
	bool plus = show->chosen != NULL && strcmp(show->chosen, SCRAM_MECHANISM_PLUS) == 0;
	static struct scram_verifier v;
	struct scram_server *ss;
	const uint8_t *p;
	const char *text;
	struct error e;
	size_t n;

	/* As a role's, its salt stays the same. */
	if (show->verifier == NULL && v.iterations == 0)
		scram_make_verifier(show->password, 4096, &v);
	ss = scram_server_new(show->verifier != NULL ? show->verifier : &v, show->binding);
	request(AUTHENTICATION_SASL, show->mechanisms != NULL ? show->mechanisms : both,
		show->mechanisms != NULL ? show->mechanisms_size : sizeof(both));
	p = hear_first(show, &n);
	text = scram_server_first(ss, plus, p, n, &e);
	cr_assert_not_null(text, "%s", e.message);
	request(AUTHENTICATION_SASL_CONTINUE, text, strlen(text));
	p = hear_answer(&n);
	text = scram_server_final(ss, p, n, NULL, &e);
	snprintf(final, SCRAM_MESSAGE_MAX, "%s", text != NULL ? text : "");
	scram_server_free(&ss);
}

static bool
is_ready(void *arg)
{
	return seen.closed || seen.ready >= *(int *)arg;
}

void
expect_ready(int times)
{
	cr_assert(until(loop, is_ready, &times));
	cr_assert_eq(seen.ready, times, "%s", seen.error.message);
}

void
expect_let_in(void)
{
	tell("R(0) S(TimeZone=UTC) S(server_version=15.4) K N(00000) Z(I)");
	expect_ready(1);
	cr_assert_eq(server->state, SERVER_FREE);
	cr_assert_eq(server->backend_pid, SERVER_PID);
	cr_assert_eq(server->key_size, 4);
	cr_assert_str_eq(params_get(server->reported, "server_version"), "15.4");
	cr_assert_str_eq(params_get(server->tracked, "TimeZone"), "UTC");
	cr_assert_null(params_get(server->tracked, "server_version"));
}

static bool
is_closed(void *arg)
{
	(void)arg;
	return seen.closed;
}

void
expect_closed(const char *what)
{
	cr_assert(until(loop, is_closed, NULL), "%s", what);
}

void
expect_given_up(const char *sqlstate, const char *what)
{
	expect_closed(what);
	cr_assert_eq(seen.ready, 0);
	cr_assert_str_eq(seen.error.sqlstate, sqlstate, "%s: %s", what, seen.error.message);
}
