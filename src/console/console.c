/*
 * console: its clients, from their startup packet to their end.
 */
#include "console/console.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/sqlstate.h"
#include "base/strings.h"
#include "client/verifiers.h"
#include "console/dialogue.h"
#include "console/inside.h"
#include "console/parameters.h"
#include "pg/cancel.h"
#include "session/authenticate.h"
#include "session/session.h"

static const struct client_ops client_ops;

/* --- life --- */

struct console *
console_new(struct loop *l, struct mailbox *mb, int job_mail, struct reports *r, const struct console_ops *ops,
	void *daemon)
{
	struct console *k = memory_zalloc(sizeof(*k));
	struct commons *commons = r->commons;

	k->loop = l;
	k->commons = commons;
	k->reports = r;
	k->ops = ops;
	k->daemon = daemon;
	k->env = (struct client_env){
		.loop = l,
		.helpers = commons->helpers,
		.askers = commons->askers,
		.attempts = commons->attempts,
		.bans = commons->bans,
		.verifiers = verifiers_new(commons->helpers, mb, job_mail),
		.mailbox = mb,
		.job_mail = job_mail,
	};
	TAILQ_INIT(&k->env.logins);
	SPLAY_INIT(&k->clients);
	k->params = params_table_new();
	k->facts = (struct console_facts){
		.clients = &k->clients,
		.env = &k->env,
		.history.newer_at = clock_now(),
		.dialogue_size = sizeof(struct dialogue),
		.is_busy = dialogue_is_busy,
	};
	r->console = &k->facts;
	LIST_INIT(&k->tasks);
	return k;
}

void
console_close(struct console *k, const struct error *e)
{
	struct client *c;

	while ((c = SPLAY_MIN(client_set, &k->clients)) != NULL)
		client_close(c, e, e->message);
}

void
console_free(struct console **kp)
{
	struct console *k = *kp;
	struct task *t, *next;

	*kp = NULL;
	LIST_FOREACH_SAFE(t, &k->tasks, link, next)
		t->release(t);
	verifiers_free(&k->env.verifiers);
	params_table_free(&k->params);
	free(k);
}

static struct client *
find_client(struct console *k, uint32_t id)
{
	struct client key = { .id = id };

	return SPLAY_FIND(client_set, &k->clients, &key);
}

bool
console_kill_client(struct console *k, uint32_t id, const struct error *e)
{
	struct client *c = find_client(k, id);

	if (c == NULL)
		return false;
	client_close(c, e, e->message);
	return true;
}

/* One that is not read has no other way to tell that it is gone. */
static void
keep_clients(struct console *k, usec_t now)
{
	struct client *c = SPLAY_MIN(client_set, &k->clients), *next;

	for (; c != NULL; c = next) {
		next = SPLAY_NEXT(client_set, &k->clients, c);
		client_upkeep(c, now, c->owner != NULL && dialogue_is_busy(c));
		if (c->state != CLIENT_CLOSING && c->stream.paused && stream_peer_gone(&c->stream))
			client_close(c, NULL, "client unexpected eof");
	}
}

void
console_upkeep(struct console *k)
{
	usec_t timeout = console_config(k)->client_login_timeout, now = clock_now();

	shard_configure_clients(&k->env, console_config(k));
	clients_keep_logins(&k->env, now, timeout > 0 ? now - timeout : 0);
	keep_clients(k, now);
}

void
console_roll_statistics(struct console *k)
{
	traffic_roll(&k->facts.history, &k->facts.traffic, clock_now());
}

/* --- login --- */

/* Whoever owns this process may do with it as he likes: he needs no password here. */
static bool
is_ourselves(const struct client *c)
{
	const char *user = c->login->user;
	uid_t uid;

	return (strcmp(user, "pgbouncer") == 0 || strcmp(user, "pgusher") == 0) &&
		c->address.family == AF_UNIX && address_peer_uid(c->stream.fd, &uid) && uid == geteuid();
}

/* May the user in?  *admin: and change things? */
static bool
find_role(const struct console *k, const struct client *c, bool *admin)
{
	const struct config *conf = console_config(k);
	const char *user = c->login->user;

	*admin = is_ourselves(c) || string_in_list(conf->admin_users, user);
	return *admin || string_in_list(conf->stats_users, user) || conf->auth_type == AUTH_ANY;
}

static const struct config *
get_config(void *arg)
{
	return console_config(arg);
}

static struct client *
find(void *arg, uint32_t id)
{
	return find_client(arg, id);
}

static const struct config_database *
find_no_database(void *arg, const struct client *c)
{
	(void)arg;
	(void)c;
	return NULL;
}

static void
look_up(void *arg, struct lookup *l)
{
	struct console *k = arg;

	k->ops->look_up(k->daemon, l);
}

static const struct doorkeeper doorkeeper = {
	.config = get_config,
	.find = find,
	.database = find_no_database,
	.look_up = look_up,
	.console = true,
};

static void
let_in(struct console *k, struct client *c)
{
	static const struct login_demand nothing = { .method = LOGIN_TRUST };
	char tls[TLS_TEXT];

	if (console_config(k)->log_connections)
		client_log(c, LOG_INFO, "login attempt: db=%.64s user=%.64s tls=%s", c->login->database,
			c->login->user, authenticate_tls_text(&c->stream, "no", tls));
	if (is_ourselves(c))
		client_authenticate(c, &nothing);
	else
		authenticate(&doorkeeper, k, c);
}

static void
cancel(struct console *k, struct client *c)
{
	const struct startup *request = &c->login->startup;
	struct client *target = find_client(k, request->cancel_pid);

	if (target != NULL && target->owner != NULL &&
		request->cancel_key_size == (target->protocol_3_2 ? CANCEL_KEY_3_2 : CANCEL_KEY_3_0) &&
		cancel_client_key_matches(target->id, request->cancel_key,
			request->cancel_key_size))
		dialogue_cancel(target->owner);
	else
		target = NULL;
	client_close(c, NULL, target != NULL ? "cancel request done" : "failed cancel request");
}

void
console_adopt(struct console *k, struct client *c)
{
	shard_configure_clients(&k->env, console_config(k));
	clients_make_room(&k->env, console_config(k)->max_login_clients);
	client_attach(c, &k->env, &client_ops);
	SPLAY_INSERT(client_set, &k->clients, c);
	k->facts.nclients++;
	if (c->login->startup.kind == STARTUP_CANCEL)
		cancel(k, c);
	else
		let_in(k, c);
}

/* Administrators are let in whatever the limits say: they have come to mend things. */
static bool
has_room_for(struct console *k, struct user *user, bool admin, const char **limit)
{
	const struct config *c = console_config(k);
	int max_of_user = user_max_client_connections(c, config_find_user(c, user->name));

	*limit = "max_db_client_connections";
	if (!admin && c->max_db_client_connections > 0 &&
		k->facts.ndialogues >= c->max_db_client_connections)
		return false;
	*limit = "max_user_client_connections";
	return budget_take(&user->clients, admin ? 0 : max_of_user);
}

static void
welcome(struct console *k, struct client *c, bool admin)
{
	const struct params *shown = parameters_welcome(k->params, admin);

	k->facts.traffic.client_login_count++;
	client_welcome(c, shown, NULL);
	params_unref(k->params, &shown);
	client_resume(c);
}

static void
on_authenticated(struct client *c)
{
	struct console *k = console_of(c);
	struct user *user;
	const char *limit;
	bool admin;

	if (!find_role(k, c, &admin)) {
		client_reject(c, SQLSTATE_INVALID_AUTHORIZATION,
			"not allowed: the console is for users of admin_users and stats_users");
		return;
	}
	user = users_get(k->commons->users, c->login->user);
	if (!has_room_for(k, user, admin, &limit)) {
		users_put(k->commons->users, &user);
		client_reject(c, SQLSTATE_TOO_MANY_CONNECTIONS, "client connections exceeded (%s)",
			limit);
		return;
	}
	k->facts.ndialogues++;
	dialogue_new(k, c, user, admin);
	welcome(k, c, admin);
}

/* --- clients --- */

static void
on_drained(struct client *c)
{
	client_resume(c);
}

static void
on_closed(struct client *c)
{
	struct console *k = console_of(c);
	struct dialogue *d = c->owner;

	SPLAY_REMOVE(client_set, &k->clients, c);
	k->facts.nclients--;
	if (d == NULL)
		return;
	k->facts.ndialogues--;
	budget_give(&d->user->clients);
	dialogue_leave(d);
}

static void
on_freed(struct client *c)
{
	struct dialogue *d = c->owner;

	dialogue_free(&d);
}

/* startup and cancel have happened on the worker that took the client's first packet. */
static const struct client_ops client_ops = {
	.authenticated = on_authenticated,
	.input = dialogue_on_input,
	.drained = on_drained,
	.closed = on_closed,
	.freed = on_freed,
};
