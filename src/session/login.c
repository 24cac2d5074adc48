/*
 * login: which tenant a client asks for, whether it may, and what it is told.
 *
 *	login_route          startup packet ──> tenant, its worker, the user's secret
 *	login_authenticated  password is right ──> limits ──> a session
 *	login_welcome        the pool knows its server ──> parameters, key, ReadyForQuery
 *
 * A database that does not exist is told only to who has proved a password.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/sqlstate.h"
#include "base/strings.h"
#include "session/arrival.h"
#include "session/authenticate.h"
#include "session/parts.h"
#include "session/session.h"
#include "session/throttle.h"
#include "tenant/route.h"

/* Startup parameters that are not session parameters. */
static const char *const own_parameters[] = { "user", "database", "replication", "options" };

static bool
is_own_parameter(const char *name)
{
	for (size_t i = 0; i < lengthof(own_parameters); i++) {
		if (strcmp(name, own_parameters[i]) == 0)
			return true;
	}
	return strncmp(name, "_pq_.", 5) == 0;
}

/* --- options=-c name=value --name=value --- */

/* Cut the next word of an options value off, undoing its backslashes; NULL: there is none. */
static char *
next_word(char **rest)
{
	char *in = *rest, *out, *word;

	while (*in == ' ' || *in == '\t' || *in == '\n')
		in++;
	if (*in == '\0')
		return NULL;
	word = out = in;
	while (*in != '\0' && *in != ' ' && *in != '\t' && *in != '\n') {
		if (*in == '\\' && in[1] != '\0')
			in++;
		*out++ = *in++;
	}
	*rest = *in == '\0' ? in : in + 1;
	*out = '\0';
	return word;
}

typedef bool parameter_fn(void *arg, const char *name, const char *value);

/* Call fn for each setting in an options value; false: it has something else (*bad is "" then), or fn said no to
 * *bad, which holds 64 bytes.  lenient: go on in both cases. */
static bool
each_option(const char *options, bool lenient, parameter_fn *fn, void *arg, char *bad)
{
	char *copy = memory_strdup(options), *rest = copy, *word;
	bool ok = true;

	while (ok && (word = next_word(&rest)) != NULL) {
		char *equals;

		if (strcmp(word, "-c") == 0)
			word = next_word(&rest);
		else if (strncmp(word, "-c", 2) == 0 || strncmp(word, "--", 2) == 0)
			word += 2;
		else
			word = NULL;
		equals = word != NULL ? strchr(word, '=') : NULL;
		if (equals != NULL)
			*equals = '\0';
		string_copy(bad, equals != NULL ? word : "", 64);
		ok = (equals != NULL && fn(arg, word, equals + 1)) || lenient;
	}
	free(copy);
	return ok;
}

/* Call fn for each session parameter of a startup packet, those in `options` first.  false: fn said no to `bad`,
 * or, if in_options, that is "" and the options are none that we take. */
static bool
each_parameter(const struct login *l, const struct config *c, parameter_fn *fn, void *arg, char *bad, bool *in_options)
{
	struct startup s = l->startup;
	const char *options = startup_get(&s, "options"), *name, *value;

	*in_options = true;
	if (options != NULL &&
	    !each_option(options, string_in_list(c->ignore_startup_parameters, "options"), fn, arg, bad))
		return false;
	*in_options = false;
	while (startup_next(&s, &name, &value)) {
		string_copy(bad, name, 64);
		if (!is_own_parameter(name) && !fn(arg, name, value))
			return false;
	}
	return true;
}

/* Startup parameters that name the tenant (tenant_route). */
static const char *const tenant_parameters[] = { "pgusher.tenant", "tenant" };

static bool
names_tenant(const struct config *c, const char *name)
{
	for (size_t i = 0; i < lengthof(tenant_parameters); i++) {
		if (strcasecmp(name, tenant_parameters[i]) == 0)
			return string_in_list(c->tenant_route, "options");
	}
	return false;
}

static bool
is_supported(void *arg, const char *name, const char *value)
{
	const struct shard *s = arg;

	(void)value;
	return names_tenant(shard_config(s), name) || string_in_list_nocase(s->server_env.tracked, name) ||
	       string_in_list(shard_config(s)->ignore_startup_parameters, name);
}

/* --- routing --- */

static bool
check_parameters(struct shard *s, struct client *c)
{
	struct login *l = c->login;
	char bad[64];
	bool in_options;

	/* A server of its own gets them all. */
	if (startup_replication(&l->startup) != REPLICATION_NONE)
		return true;
	if (each_parameter(l, shard_config(s), is_supported, s, bad, &in_options))
		return true;
	if (in_options && bad[0] == '\0')
		client_reject(c, SQLSTATE_PROTOCOL_VIOLATION,
			      "unsupported options startup parameter: only '-c config=val' and '--config=val' are allowed");
	else
		client_reject(c, SQLSTATE_PROTOCOL_VIOLATION, "unsupported startup parameter%s: %s",
			      in_options ? " in options" : "", bad);
	return false;
}

/* --- which tenant --- */

struct wished {
	const struct config *config;
	char *tenant;
	bool twice;	/* and something else */
};

static bool
is_same_name(const struct config *c, const char *a, const char *b)
{
	return (c->tenant_case == TENANT_CASE_LOWER ? strcasecmp(a, b) : strcmp(a, b)) == 0;
}

static bool
note_tenant(void *arg, const char *name, const char *value)
{
	struct wished *w = arg;

	if (!names_tenant(w->config, name))
		return true;
	if (w->tenant == NULL)
		w->tenant = memory_strdup(value);
	else
		w->twice = w->twice || !is_same_name(w->config, w->tenant, value);
	return true;
}

/* What the startup parameters say of the tenant; the caller's to free, or NULL.  *twice: they name two. */
static char *
wished_tenant(const struct login *l, const struct config *c, bool *twice)
{
	struct wished w = { .config = c };
	struct startup s = l->startup;
	const char *options = startup_get(&s, "options"), *name, *value;
	char bad[64];

	if (options != NULL)
		each_option(options, true, note_tenant, &w, bad);
	while (startup_next(&s, &name, &value))
		note_tenant(&w, name, value);
	*twice = w.twice;
	return w.tenant;
}

/* The client is that user of that tenant from here on. */
static void
take_route(struct login *l, const struct route *r)
{
	if (l->user[r->user_length] != '\0') {
		l->name = memory_strdup(l->user);
		l->name[r->user_length] = '\0';
		l->user = l->name;
	}
	l->tenant = memory_strdup(r->tenant);
	l->database = l->tenant;
	l->routed = true;
}

static bool
find_route(struct shard *s, struct client *c)
{
	const struct config *config = shard_config(s);
	struct login *l = c->login;
	bool twice;
	char *wished = wished_tenant(l, config, &twice);
	struct route_signs signs = {
		.database = startup_get(&l->startup, "database"),
		.user = l->user,
		.sni = stream_is_tls(&c->stream) ? tls_host(&c->stream) : NULL,
		.option = wished,
	};
	struct route r;
	struct error e;
	bool found;

	if (twice) {
		free(wished);
		client_reject(c, SQLSTATE_INVALID_AUTHORIZATION, "the startup parameters of this connection name different tenants");
		return false;
	}
	found = route_find(config, &signs, &r, &e);
	if (found || r.late)
		take_route(l, &r);
	else
		client_close(c, &e, e.message);
	if (!found && r.late)
		l->route_error = e;
	free(wished);
	return found || r.late;
}

static bool
is_listened_to(struct client *c)
{
	const struct login *l = c->login;
	struct bans *bans = c->env->bans;
	struct error e;

	if (bans == NULL || bans_admit_login(bans, &c->address, l->database, l->user, clock_now(), &e))
		return true;
	client_close(c, &e, e.message);
	return false;
}

/* --- the door (session/authenticate.h) --- */

static const struct config *
get_config(void *arg)
{
	return shard_config(arg);
}

static struct client *
find_client(void *arg, uint32_t id)
{
	return shard_find_client(arg, id);
}

static const struct config_database *
find_database(void *arg, const struct client *c)
{
	struct login *l = c->login;
	const struct config_database *line;

	/* The catalogue has said why there is none. */
	if (l->route_error.sqlstate[0] != '\0')
		return NULL;
	line = shard_line(arg, l->database, &l->route_error);
	if (line == NULL || shard_lets_in(line, &c->address, &l->route_error))
		return line;
	client_log(c, LOG_INFO, "its address may not go to this database (allow, deny): it is told that there is none");
	return NULL;
}

static void
look_up(void *arg, struct lookup *k)
{
	struct shard *s = arg;

	s->ops->look_up(s, k);
}

static const struct doorkeeper doorkeeper = {
	.config = get_config,
	.find = find_client,
	.database = find_database,
	.look_up = look_up,
};

static void
begin_dialogue(struct shard *s, struct client *c)
{
	struct login *l = c->login;
	char tls[TLS_TEXT];

	if (!check_parameters(s, c))
		return;
	if (shard_config(s)->log_connections)
		client_log(c, LOG_INFO, "login attempt: db=%.64s user=%.64s tls=%s", l->database, l->user,
			   authenticate_tls_text(&c->stream, "no", tls));
	authenticate(&doorkeeper, s, c);
}

/* The catalogue has told of the tenant. That there is none is told behind the password only. */
static void
on_tenant_known(struct client *c, const char *line, const struct error *e)
{
	struct shard *s = container_of(c->env, struct shard, client_env);
	struct login *l = c->login;
	struct error wrong;

	if (line != NULL && tenants_put(s->tenants, l->database, line, &wrong) == NULL)
		e = &wrong;
	else if (line != NULL)
		e = NULL;
	if (e != NULL) {
		l->route_error = *e;
		l->route_error.severity = SEVERITY_FATAL;
	}
	begin_dialogue(s, c);
}

void
login_route(struct client *c)
{
	struct shard *s = container_of(c->env, struct shard, client_env);
	struct login *l = c->login;
	bool sent = l->routed;
	int owner;

	if (!l->routed && (!find_route(s, c) || !is_listened_to(c)))
		return;
	if (config_is_reserved(l->database)) {
		shard_move_client(s, c, CONSOLE);
		return;
	}
	owner = parts_route(s, l->database, sent);
	if (owner != s->index) {
		shard_move_client(s, c, owner);
		return;
	}
	if (tenants_must_ask(s->tenants, l->database))
		arrival_wait(s, l->database, c, on_tenant_known);
	else
		begin_dialogue(s, c);
}

/* --- admission --- */

static bool
has_room_for(struct shard *s, struct tenant *t, struct user *user, const char **limit)
{
	const struct config *c = shard_config(s);
	int max = tenant_max_client_connections(t, c);

	*limit = "max_db_client_connections";
	if (!parts_take_client(s, t, max))
		return false;
	*limit = "max_user_client_connections";
	if (budget_take(&user->clients, user_max_client_connections(c, config_find_user(c, user->name)))) {
		*limit = "max_client_conn";
		if (budget_take(&s->commons->clients, c->max_client_conn))
			return true;
		budget_give(&user->clients);
	}
	parts_give_client(s, t);
	return false;
}

static void
give_room_back(struct shard *s, struct tenant *t, struct user *user)
{
	budget_give(&s->commons->clients);
	budget_give(&user->clients);
	parts_give_client(s, t);
}

/* What the client proved with logs us in on servers, if it is the server's user and its password is not known: SCRAM
 * keys, a password in clear, or what auth_query found. */
static void
pass_through(struct session *session, const struct login *l)
{
	struct pool *p = session->pool;
	struct secret own = { .kind = SECRET_NONE };

	if (strcmp(p->user->name, session->user->name) != 0)
		return;
	if (l->have_keys) {
		p->keys = l->keys;
		p->have_keys = true;
	}
	if (l->password != NULL) {
		secret_parse(&own, l->password);
		pool_learn(p, &own);
		secret_release(&own);
	} else if (l->secret.kind != SECRET_SCRAM) {
		pool_learn(p, &l->secret);
	}
}

static struct tenant *
find_tenant(struct shard *s, struct client *c)
{
	struct login *l = c->login;
	struct tenant *t = NULL;

	if (l->route_error.sqlstate[0] == '\0')
		t = shard_open_tenant(s, l->database, &l->route_error);
	if (t == NULL) {
		client_close(c, &l->route_error, l->route_error.message);
	} else if (t->disabled || t->conf->disabled == 1) {
		client_reject(c, SQLSTATE_CANNOT_CONNECT_NOW, "database \"%s\" is disabled", t->name);
		t = NULL;
	} else if (atomic_load(&s->commons->stopping)) {
		client_reject(c, SQLSTATE_CANNOT_CONNECT_NOW, "the pooler is shutting down");
		t = NULL;
	}
	return t;
}

static struct pool *
choose_pool(struct shard *s, struct tenant *t, const struct login *l)
{
	const char *user = t->conf->user != NULL ? t->conf->user : l->user;

	if (startup_replication(&l->startup) != REPLICATION_NONE)
		return pool_open_replication(&s->pools, t, user, &l->startup);
	return pool_open(&s->pools, t, user);
}

void
login_authenticated(struct client *c)
{
	struct shard *s = container_of(c->env, struct shard, client_env);
	struct tenant *t = find_tenant(s, c);
	struct session *session;
	struct throttle *throttle;
	struct user *user;
	struct error e;
	const char *limit;

	if (t == NULL)
		return;
	user = users_get(s->commons->users, c->login->user);
	if (!has_room_for(s, t, user, &limit)) {
		users_put(s->commons->users, &user);
		client_reject(c, SQLSTATE_TOO_MANY_CONNECTIONS, "client connections exceeded (%s)", limit);
		return;
	}
	throttle = throttle_enter(s, t, user, c, &e);
	if (throttle == NULL && e.sqlstate[0] != '\0') {
		give_room_back(s, t, user);
		users_put(s->commons->users, &user);
		client_close(c, &e, e.message);
		return;
	}
	session = session_new(c, choose_pool(s, t, c->login), user);
	session->counted = true;
	throttle_attach(session, throttle);
	pass_through(session, c->login);
	if (pool_know_welcome(session->pool, &session->wait))
		login_welcome(session);
}

/* --- welcome --- */

/* What the server does not report can't be carried along. */
static bool
is_carried(const struct session *s, const char *name)
{
	return params_get(s->pool->welcome, name) != NULL && string_in_list_nocase(s->shard->server_env.tracked, name);
}

static void
set_in(struct session *s, const struct params **set, const char *name, const char *value)
{
	const struct params *old = *set;

	*set = params_with(s->shard->params, old, name, value);
	params_unref(s->shard->params, &old);
}

static bool
note_wish(void *arg, const char *name, const char *value)
{
	struct session *s = arg;

	if (string_in_list_nocase(s->shard->server_env.tracked, name))
		set_in(s, &s->startup, name, value);
	return true;
}

static void
add_host_to_name(struct session *s)
{
	const char *name = params_get(s->startup, "application_name");
	char value[256], host[ADDRESS_TEXT];

	if (name == NULL)
		name = params_get(s->pool->welcome, "application_name");
	if (name == NULL || !shard_config(s->shard)->application_name_add_host)
		return;
	snprintf(value, sizeof(value), "%.128s%s%s", name[0] != '\0' ? name : "app",
		 " - ", address_text(&s->client->address, s->client->env->port, host));
	note_wish(s, "application_name", value);
}

void
login_parameters(struct session *s)
{
	const struct params *welcome = s->pool->welcome;

	params_unref(s->shard->params, &s->params);
	s->params = params_empty(s->shard->params);
	for (size_t i = 0; i < params_count(welcome); i++) {
		if (is_carried(s, params_name(welcome, i)))
			set_in(s, &s->params, params_name(welcome, i), params_value(welcome, i));
	}
	for (size_t i = 0; i < params_count(s->startup); i++) {
		if (is_carried(s, params_name(s->startup, i)))
			set_in(s, &s->params, params_name(s->startup, i), params_value(s->startup, i));
	}
}

/* All that the server reports, with the client's own wishes on top. */
static const struct params *
shown_parameters(struct session *s)
{
	struct params_table *t = s->shard->params;
	const struct params *shown = params_ref(s->pool->welcome);

	for (size_t i = 0; i < params_count(s->params); i++) {
		const struct params *old = shown;

		shown = params_with(t, old, params_name(s->params, i), params_value(s->params, i));
		params_unref(t, &old);
	}
	return shown;
}

void
login_welcome(struct session *s)
{
	const struct config *c = shard_config(s->shard);
	const struct params *shown;
	char bad[64];
	bool in_options;

	/* A tunnel's server has had all that the client asked for, and has said what came of it. */
	if (!s->tunnel) {
		each_parameter(s->client->login, c, note_wish, s, bad, &in_options);
		add_host_to_name(s);
	}
	login_parameters(s);
	shown = shown_parameters(s);
	s->pool->tenant->traffic.client_login_count++;
	s->quiet_since = clock_now();
	client_welcome(s->client, shown, c->login_notify_message);
	params_unref(s->shard->params, &shown);
	if (s->tunnel)
		tunnel_begin(s);
	client_resume(s->client);
}
