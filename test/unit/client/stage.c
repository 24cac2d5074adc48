#include "stage.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "pg/cancel.h"

struct loop *loop;
struct client_env env;
struct client *client;
int peer;
struct buffer in;
struct seen seen;
struct wire wire;
struct scram_binding binding;
const char *const alice[] = { "user", "alice", "database", "shop", NULL };

/* --- the owner --- */

static void
on_startup(struct client *c)
{
	seen.startups++;
	snprintf(seen.user, sizeof(seen.user), "%s", c->login->user);
	snprintf(seen.database, sizeof(seen.database), "%s", c->login->database);
}

static void
on_cancel(struct client *c)
{
	seen.cancels++;
	seen.cancel_pid = c->login->startup.cancel_pid;
}

static void
on_authenticated(struct client *c)
{
	seen.authenticated++;
	snprintf(seen.password, sizeof(seen.password), "%s", c->login->password != NULL ? c->login->password : "");
}

static void
on_refused(struct client *c)
{
	(void)c;
	seen.refused++;
}

static size_t
on_input(struct client *c, const uint8_t *p, size_t n)
{
	(void)c;
	snprintf(seen.input, sizeof(seen.input), "%.*s", (int)n, (const char *)p);
	return n;
}

static void
on_drained(struct client *c)
{
	(void)c;
}

static void
on_closed(struct client *c)
{
	(void)c;
	seen.closed++;
}

static void
on_freed(struct client *c)
{
	(void)c;
	client = NULL;
}

const struct client_ops ops = {
	.startup = on_startup,
	.cancel = on_cancel,
	.authenticated = on_authenticated,
	.refused = on_refused,
	.input = on_input,
	.drained = on_drained,
	.closed = on_closed,
	.freed = on_freed,
};

/* --- life --- */

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
	struct helper_job *job = container_of(m, struct helper_job, mail);

	job->owner = NULL;
	job->done(job);
}

static ssize_t
send_plain(const void *bytes, size_t n)
{
	return send(peer, bytes, n, MSG_NOSIGNAL);
}

static ssize_t
recv_plain(void *bytes, size_t n)
{
	return recv(peer, bytes, n, 0);
}

void
stage_begin(void)
{
	cancel_init();
	log_set_stderr(false);
	loop = loop_new();
	env = (struct client_env){
		.loop = loop,
		.helpers = helpers_new(1),
		.askers = helpers_new(2),
		.mailbox = mailbox_new(loop, on_job, NULL),
		.attempts = attempts_new(),
		.scram_iterations = 4096,
		.log_disconnections = true,
	};
	env.verifiers = verifiers_new(env.helpers, env.mailbox, env.job_mail);
	TAILQ_INIT(&env.logins);
	peer = -1;
}

static void
leave(void)
{
	if (client != NULL)
		client_close(client, NULL, "the test is over");
	turn(loop);
	cr_assert_null(client);
	if (peer >= 0)
		close(peer);
	peer = -1;
	buffer_release(&in);
	memset(&seen, 0, sizeof(seen));
	binding.size = 0;
	wire = (struct wire){ send_plain, recv_plain };
}

void
stage_end(void)
{
	leave();
	cr_assert_eq(env.nlogins, 0);
	helpers_free(&env.helpers, discard);
	helpers_free(&env.askers, discard);
	mailbox_free(&env.mailbox, discard);
	verifiers_free(&env.verifiers);
	attempts_free(&env.attempts);
	tls_context_unref(&env.tls);
	loop_free(&loop);
}

void
forget_failures(void)
{
	attempts_free(&env.attempts);
	env.attempts = attempts_new();
}

void
arrive(void)
{
	int fds[2];

	leave();
	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	peer = fds[0];
	client = client_new(&env, fds[1], 4711, &ops);
}

void
arrive_by_tcp(void)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(at);
	int door = socket(AF_INET, SOCK_STREAM, 0), fd, on = 1;

	leave();
	cr_assert_eq(bind(door, (struct sockaddr *)&at, sizeof(at)), 0);
	cr_assert_eq(listen(door, 1), 0);
	cr_assert_eq(getsockname(door, (struct sockaddr *)&at, &size), 0);
	peer = socket(AF_INET, SOCK_STREAM, 0);
	cr_assert_eq(connect(peer, (struct sockaddr *)&at, sizeof(at)), 0);
	cr_assert_eq(setsockopt(peer, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)), 0);
	cr_assert_eq(fcntl(peer, F_SETFL, O_NONBLOCK), 0);
	fd = accept4(door, NULL, NULL, SOCK_NONBLOCK);
	cr_assert_geq(fd, 0);
	close(door);
	client = client_new(&env, fd, 4711, &ops);
}

/* --- talking --- */

static bool
is_told(void *arg)
{
	const struct buffer *words = arg;

	return wire.send(words->data, words->len) == (ssize_t)words->len;
}

void
tell(const void *bytes, size_t n)
{
	struct buffer words = BUFFER_INIT;

	buffer_append(&words, bytes, n);
	cr_assert(until(loop, is_told, &words), "what is sent is not taken");
	buffer_release(&words);
	turn(loop);
}

bool
listen_to_it(void)
{
	ssize_t n;

	while ((n = wire.recv(buffer_reserve(&in, 4096), 4096)) > 0)
		buffer_added(&in, (size_t)n);
	return n == 0;
}

bool
has_news(void *arg)
{
	size_t before = buffer_left(&in);

	(void)arg;
	return listen_to_it() || buffer_left(&in) > before;
}

bool
is_freed(void *arg)
{
	(void)arg;
	return client == NULL;
}

void
let_time_pass(usec_t time)
{
	clients_keep_logins(&env, clock_now() + time, 0);
	turn(loop);
}

static bool
is_closed(void *arg)
{
	(void)arg;
	if (client != NULL && client->login != NULL && client->login->due != NULL)
		clients_keep_logins(&env, client->login->heard_at + LOGIN_REFUSAL_DELAY, 0);
	return listen_to_it();
}

const char *
expect_refused(const char *sqlstate, const char *what)
{
	static struct error e;

	e.sqlstate[0] = '\0';
	cr_assert(until(loop, is_closed, NULL), "%s: not closed", what);
	turn(loop);
	cr_assert_null(client);
	while (buffer_left(&in) > 0 && *buffer_head(&in) != BE_ERROR_RESPONSE)
		buffer_consume(&in, *buffer_head(&in) == 'N' ? 1 : 1 + buffer_head(&in)[4]);
	cr_assert_gt(buffer_left(&in), 5, "%s: no error", what);
	response_parse(buffer_head(&in) + 5, buffer_left(&in) - 5, &e);
	cr_assert_str_eq(e.sqlstate, sqlstate, "%s: %s", what, e.message);
	cr_assert_eq(e.severity, SEVERITY_FATAL);
	return e.message;
}

void
write_startup(struct buffer *b, uint32_t version, const char *const *pairs)
{
	size_t mark = writer_begin(b, 0);

	writer_u32(b, version);
	for (; pairs != NULL && *pairs != NULL; pairs++)
		writer_string(b, *pairs);
	if (pairs != NULL)
		writer_u8(b, 0);
	writer_end(b, mark);
}

void
tell_startup(uint32_t version, const char *const *pairs)
{
	struct buffer b = BUFFER_INIT;

	write_startup(&b, version, pairs);
	tell(b.data, b.len);
	buffer_release(&b);
}

/* --- passwords --- */

uint32_t
next_request(const uint8_t **data, size_t *n)
{
	struct reader r;
	uint32_t request, size;

	if (buffer_left(&in) == 0)
		cr_assert(until(loop, has_news, NULL), "it asks for nothing");
	reader_init(&r, buffer_head(&in), buffer_left(&in));
	if (reader_u8(&r) != BE_AUTHENTICATION)
		return UINT32_MAX;
	size = reader_u32(&r);
	request = reader_u32(&r);
	*n = size - 8;
	*data = reader_bytes(&r, *n);
	buffer_consume(&in, size + 1);
	return request;
}

void
answer(const void *bytes, size_t n)
{
	struct buffer b = BUFFER_INIT;
	size_t mark = writer_begin(&b, FE_PASSWORD);

	writer_bytes(&b, bytes, n);
	writer_end(&b, mark);
	tell(b.data, b.len);
	buffer_release(&b);
}

void
answer_initial(const char *mechanism, const char *first)
{
	struct buffer b = BUFFER_INIT;

	writer_string(&b, mechanism);
	writer_u32(&b, (uint32_t)strlen(first));
	writer_bytes(&b, first, strlen(first));
	answer(b.data, b.len);
	buffer_release(&b);
}

void
demand(enum login_method method, const char *secret_text)
{
	struct login_demand d = { .method = method, .refusal = "wrong" };
	struct secret secret;

	secret_parse(&secret, secret_text);
	if (secret_text != NULL)
		d.secret = &secret;
	client_authenticate(client, &d);
	secret_release(&secret);
}

void
ask(enum login_method method, const char *secret_text)
{
	arrive();
	forget_failures();
	tell_startup(STARTUP_VERSION_3_0, alice);
	demand(method, secret_text);
}

static void
answer_scram(const char *password)
{
	struct scram_client *sc = scram_client_new(binding.size > 0 ? SCRAM_BOUND : SCRAM_NO_TLS, &binding);
	const char *final;
	const uint8_t *data, *salt;
	size_t n, salt_size;
	struct scram_keys keys;
	struct error e;
	int iterations;

	answer_initial(binding.size > 0 ? SCRAM_MECHANISM_PLUS : SCRAM_MECHANISM, scram_client_first(sc));
	cr_assert_eq(next_request(&data, &n), AUTHENTICATION_SASL_CONTINUE);
	cr_assert(scram_client_challenge(sc, data, n, &salt, &salt_size, &iterations, &e), "%s", e.message);
	scram_derive_keys(password, salt, salt_size, iterations, &keys);
	final = scram_client_final(sc, &keys);
	answer(final, strlen(final));
	scram_client_free(&sc);
}

/* false: nothing more is asked for. */
static bool
answer_next(const char *password, uint32_t *request)
{
	const uint8_t *data;
	char text[36], stored[36];
	size_t n;

	*request = next_request(&data, &n);
	switch (*request) {
	case AUTHENTICATION_CLEARTEXT_PASSWORD:
		answer(password, strlen(password) + 1);
		return true;
	case AUTHENTICATION_MD5_PASSWORD:
		md5_encrypt(password, "alice", stored);
		md5_answer(stored, data, text);
		answer(text, sizeof(text));
		return true;
	case AUTHENTICATION_SASL:
		answer_scram(password);
		return true;
	default:
		return false;
	}
}

void
try(const char *password)
{
	uint32_t request;

	cr_assert(answer_next(password, &request));
}

/* It is refused, or will be when the time has come that wrong passwords take. */
static bool
is_lost(void)
{
	return client == NULL || seen.refused > 0 || seen.closed > 0 || (client->login != NULL && client->login->due != NULL);
}

static bool
is_decided(void *arg)
{
	(void)arg;
	return seen.authenticated > 0 || is_lost();
}

bool
prove(const char *password)
{
	uint32_t request;

	while (answer_next(password, &request)) {
		if (!until(loop, is_decided, NULL) || is_lost())
			return false;
	}
	if (request == AUTHENTICATION_SASL_FINAL)
		answer_next(password, &request);
	return request == AUTHENTICATION_OK && seen.authenticated == 1;
}

char *
scram_secret(const char *password)
{
	static char text[400];
	struct scram_verifier v;

	scram_make_verifier(password, 4096, &v);
	secret_format_scram(&v, text, sizeof(text));
	return text;
}
