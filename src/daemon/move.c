#include "daemon/move.h"

#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/sqlstate.h"
#include "config/connstr.h"
#include "config/settings.h"
#include "daemon/probe.h"
#include "tenant/catalogue.h"

#define LOOK_AGAIN (10 * USEC_PER_MSEC)
#define HOST 256

/* What one worker tells. */
struct part {
	char user[64];		/* who uses it; "" : nobody */
	int servers;		/* that are there still */
	int session;		/* of these, lent for a whole session */
	int transactions;	/* of the others, lent */
};

struct move {
	struct inquiry inquiry;
	struct move_tools tools;
	char *name, *to;
	char *old, *line;	/* what the catalogue says; what it is to say */
	struct probe *probe;	/* waits for its places, or is under way */
	int nplaces;		/* of its hosts, from the first on */
	struct claim claim;	/* to the next one */
	usec_t place_until;
	bool probing;
	bool held;		/* workers hold it, or are about to */
	usec_t held_at;
	struct error error;	/* of one that has failed */
	bool failed;
	console_done_fn *done;
	void *arg;
	struct part parts[BUDGET_WORKERS];
};

static void save(struct move *m);
static void repoint(struct move *m);

/* --- lines --- */

struct setting {
	char *key, *value;	/* owned; secrets among them */
};

struct setting_list {
	struct setting *items;
	size_t n;
};

static void
add_setting(struct setting_list *list, const char *key, const char *value)
{
	list->items = memory_realloc(list->items, (list->n + 1) * sizeof(*list->items));
	list->items[list->n++] = (struct setting){ memory_strdup(key), memory_strdup(value) };
}

static void
free_settings(struct setting_list *list)
{
	for (size_t i = 0; i < list->n; i++) {
		free(list->items[i].key);
		memory_free_secret(list->items[i].value);
	}
	free(list->items);
}

static bool
read_uri(const char *uri, struct setting_list *list, struct error *e)
{
	PQconninfoOption *options = PQconninfoParse(uri, NULL);

	if (options == NULL) {
		error_set(e, SEVERITY_ERROR, SQLSTATE_CONFIG_FILE, "the postgresql:// URI can't be understood");
		return false;
	}
	for (PQconninfoOption *o = options; o->keyword != NULL; o++) {
		if (o->val == NULL)
			continue;
		add_setting(list, o->keyword, o->val);
		memory_wipe(o->val, strlen(o->val));
	}
	PQconninfoFree(options);
	return true;
}

/* A line, which may begin with a URI. text is cut to pieces. */
static bool
cut_settings(char *text, struct setting_list *list, struct error *e)
{
	enum connstr_step step;
	char *key, *value;

	text += strspn(text, " \t\r\n");
	if (settings_is_uri(text)) {
		char *uri = text;

		text += strcspn(text, " \t\r\n");
		if (*text != '\0')
			*text++ = '\0';
		if (!read_uri(uri, list, e))
			return false;
	}
	while ((step = connstr_next(&text, &key, &value, e)) == CONNSTR_PAIR)
		add_setting(list, key, value);
	return step == CONNSTR_END;
}

static bool
read_settings(const char *text, struct setting_list *list, struct error *e)
{
	size_t size = strlen(text);
	char *copy = memory_strdup(text);
	bool ok = cut_settings(copy, list, e);

	memory_wipe(copy, size);
	free(copy);
	return ok;
}

static bool
has_key(const struct setting_list *list, const char *key)
{
	for (size_t i = 0; i < list->n; i++) {
		if (strcmp(list->items[i].key, key) == 0)
			return true;
	}
	return false;
}

static void
write_setting(struct buffer *out, const struct setting *s)
{
	if (out->len > 0)
		buffer_append(out, " ", 1);
	buffer_append(out, s->key, strlen(s->key));
	buffer_append(out, "='", 2);
	for (const char *p = s->value; *p != '\0'; p++)
		buffer_append(out, *p == '\'' ? "''" : p, *p == '\'' ? 2 : 1);
	buffer_append(out, "'", 1);
}

static char *
join_settings(const struct setting_list *before, const struct setting_list *now)
{
	struct buffer out = { 0 };
	char *line;

	for (size_t i = 0; i < before->n; i++) {
		const char *key = before->items[i].key;

		if (!has_key(now, key) && !(strcmp(key, "port") == 0 && has_key(now, "host")))
			write_setting(&out, &before->items[i]);
	}
	for (size_t i = 0; i < now->n; i++)
		write_setting(&out, &now->items[i]);
	line = memory_strndup(out.len > 0 ? (const char *)out.data : "", out.len);
	buffer_wipe(&out);
	return line;
}

char *
move_line(const char *old, const char *to, struct error *e)
{
	struct setting_list before = { NULL, 0 }, now = { NULL, 0 };
	char *line = NULL;

	if (read_settings(old, &before, e) && read_settings(to, &now, e))
		line = join_settings(&before, &now);
	free_settings(&before);
	free_settings(&now);
	return line;
}

/* --- the end --- */

static void
give_places(struct move *m)
{
	char host[HOST];

	hosts_withdraw(m->tools.hosts, &m->claim, false);
	while (m->nplaces > 0 && probe_host(m->probe, --m->nplaces, host, sizeof(host)))
		hosts_give_side(m->tools.hosts, host, m->probe->port);
}

void
move_stop(struct move *m)
{
	if (m->probe == NULL)
		return;
	give_places(m);
	if (m->probing)
		m->probe->job.owner = NULL;
	else
		probe_free(&m->probe);
	m->probe = NULL;
}

void
move_free(struct move **mp)
{
	struct move *m = *mp;

	if (m == NULL)
		return;
	*mp = NULL;
	free(m->name);
	memory_free_secret(m->to);
	memory_free_secret(m->old);
	memory_free_secret(m->line);
	free(m);
}

const char *
move_tenant(const struct move *m)
{
	return m->name;
}

static void
end(struct move *m)
{
	usec_t held = m->held_at != 0 ? clock_now() - m->held_at : 0;

	if (m->failed)
		log_warning("tenant %s was not moved (its clients were held for %lld ms): %s", m->name,
			    (long long)(held / USEC_PER_MSEC), m->error.message);
	else
		log_info("tenant %s was moved; its clients were held for %lld ms", m->name,
			 (long long)(held / USEC_PER_MSEC));
	desk_move_over(m->tools.desk, m);
	m->done(m->arg, m->failed ? &m->error : NULL);
	move_free(&m);
}

static void
ask(struct move *m, void (*visit)(struct shard *s, struct inquiry *q), void (*finish)(struct inquiry *q))
{
	m->inquiry.visit = visit;
	m->inquiry.finish = finish;
	inquirer_ask(m->tools.inquirer, &m->inquiry);
}

static struct move *
move_of(struct inquiry *q)
{
	return container_of(q, struct move, inquiry);
}

/* --- RELEASE --- */

static void
lend_again(struct shard *s, struct tenant *t)
{
	t->moving = false;
	pools_retry(&s->pools);
}

static void
visit_release(struct shard *s, struct inquiry *q)
{
	struct tenant *t = tenants_find(s->tenants, move_of(q)->name);

	if (t != NULL)
		lend_again(s, t);
}

static void
finish_over(struct inquiry *q)
{
	end(move_of(q));
}

static void
fail(struct move *m, const struct error *e)
{
	m->error = *e;
	m->error.severity = SEVERITY_ERROR;
	m->failed = true;
	if (m->held)
		ask(m, visit_release, finish_over);
	else
		end(m);
}

/* --- REPOINT --- */

static void
visit_repoint(struct shard *s, struct inquiry *q)
{
	struct move *m = move_of(q);
	struct tenant *t = tenants_find(s->tenants, m->name);

	if (t == NULL)
		return;
	shard_set_line(s, m->name, m->line);
	lend_again(s, t);
}

static void
repoint(struct move *m)
{
	ask(m, visit_repoint, finish_over);
}

/* --- SAVE --- */

/* What the catalogue says decides where the tenant is, whatever we wanted. */
static void
on_reread(void *arg, const char *line, const struct error *e)
{
	struct move *m = arg;
	struct error own;

	if (line != NULL && strcmp(line, m->old) != 0) {
		memory_free_secret(m->line);
		m->line = memory_strdup(line);
		repoint(m);
		return;
	}
	if (line != NULL) {
		error_set(&own, SEVERITY_ERROR, SQLSTATE_CONNECTION_FAILURE,
			  "the connection to the catalogue was lost, and it was not changed");
	} else {
		error_set(&own, SEVERITY_ERROR, SQLSTATE_RESOLUTION_UNKNOWN,
			  "it is not known whether the catalogue was changed: %s", e->message);
		error_hint(&own, "Look what it says of the tenant: if that is the new place, clients go there as soon as "
				 "it can be asked.");
	}
	fail(m, &own);
}

static void
on_saved(void *arg, const struct error *e)
{
	struct move *m = arg;

	if (e == NULL)
		repoint(m);
	else if (strcmp(e->sqlstate, SQLSTATE_RESOLUTION_UNKNOWN) == 0)
		catalogue_ask(m->tools.catalogue, m->name, on_reread, m);
	else
		fail(m, e);
}

/* The files may have got a line of it since. */
static bool
is_listed(const struct move *m, struct error *e)
{
	const struct config *c = m->tools.inquirer->config(m->tools.inquirer->daemon);

	if (config_find_database(c, m->name) == NULL)
		return false;
	error_set(e, SEVERITY_ERROR, SQLSTATE_OBJECT_NOT_IN_STATE, "tenant \"%s\" has a line in the configuration file",
		  m->name);
	error_hint(e, "Change the line, and RELOAD.");
	return true;
}

static void
save(struct move *m)
{
	struct error e;

	if (is_listed(m, &e))
		fail(m, &e);
	else
		catalogue_save(m->tools.catalogue, m->name, m->line, false, on_saved, m);
}

/* --- HOLD --- */

static void
count_servers(struct part *part, const struct tenant *t)
{
	const struct pool *p;

	part->servers = t->nservers;
	part->session = part->transactions = 0;
	LIST_FOREACH(p, &t->pools, link) {
		if (p->replication != REPLICATION_NONE || pool_mode(p) == POOL_SESSION)
			part->session += p->count[PLACE_ACTIVE];
		else
			part->transactions += p->count[PLACE_ACTIVE];
	}
}

static void
visit_hold(struct shard *s, struct inquiry *q)
{
	struct move *m = move_of(q);
	struct tenant *t = tenants_find(s->tenants, m->name);

	m->parts[s->index] = (struct part){ .servers = 0 };
	if (t == NULL)
		return;
	if (!t->moving) {
		t->moving = true;
		tenant_close_servers(t, false, "the tenant is being moved");
	}
	count_servers(&m->parts[s->index], t);
}

static void
sum_parts(const struct move *m, struct part *sum)
{
	*sum = (struct part){ .servers = 0 };
	for (int i = 0; i < m->inquiry.nworkers; i++) {
		sum->servers += m->parts[i].servers;
		sum->session += m->parts[i].session;
		sum->transactions += m->parts[i].transactions;
	}
}

static void
give_up(struct move *m, const struct part *sum)
{
	struct error e;

	error_set(&e, SEVERITY_ERROR, SQLSTATE_OBJECT_IN_USE, "tenant \"%s\" did not become quiet within tenant_move_timeout",
		  m->name);
	error_detail(&e, "%d server connections are left: %d in transactions, %d lent for a whole session.", sum->servers,
		     sum->transactions, sum->session);
	error_hint(&e, sum->session > 0 ? "Clients in session mode keep their server until they leave: end them, or use "
					  "KILL on the tenant first." :
					  "End the long transactions, or raise tenant_move_timeout.");
	fail(m, &e);
}

static void finish_hold(struct inquiry *q);

static void
hold_again(void *arg)
{
	ask(arg, visit_hold, finish_hold);
}

static void
finish_hold(struct inquiry *q)
{
	struct move *m = move_of(q);
	const struct inquirer *inquirer = m->tools.inquirer;
	const struct config *c = inquirer->config(inquirer->daemon);
	struct part sum;

	sum_parts(m, &sum);
	if (sum.servers == 0)
		save(m);
	else if (clock_now() - m->held_at > c->tenant_move_timeout)
		give_up(m, &sum);
	else
		inquirer->later(inquirer->daemon, LOOK_AGAIN, hold_again, m);
}

static void
hold(struct move *m)
{
	log_info("tenant %s is being moved, its clients wait", m->name);
	m->held = true;
	m->held_at = clock_now();
	ask(m, visit_hold, finish_hold);
}

/* --- PROBE --- */

static void
on_probed(struct helper_job *job)
{
	struct probe *p = container_of(job, struct probe, job);
	struct move *m = job->owner;
	struct error e = p->error;

	if (m != NULL && p->unsure)
		log_warning("tenant %s: its new server answers, but whether it has the database \"%s\" nobody here can log "
			    "in to see", m->name, p->dbname);
	if (m != NULL)
		give_places(m);
	probe_free(&p);
	if (m == NULL)
		return;
	m->probe = NULL;
	if (e.sqlstate[0] != '\0')
		fail(m, &e);
	else
		hold(m);
}

static void
refuse_place(struct move *m, const char *host)
{
	struct error e;

	error_set(&e, SEVERITY_ERROR, SQLSTATE_TOO_MANY_CONNECTIONS,
		  "the new place can't be used: all connections that \"%s\" may have are in use", host);
	error_hint(&e, "SHOW HOSTS tells by whom; raise its max_connections in [hosts], or try again.");
	give_places(m);
	probe_free(&m->probe);
	fail(m, &e);
}

static void
take_places(void *arg)
{
	struct move *m = arg;
	const struct inquirer *inquirer = m->tools.inquirer;
	char host[HOST];

	while (probe_host(m->probe, m->nplaces, host, sizeof(host))) {
		if (hosts_want_side(m->tools.hosts, &m->claim, CLAIM_ADMIN, host, m->probe->port)) {
			m->nplaces++;
			continue;
		}
		hosts_look_again(m->tools.hosts);
		if (clock_now() > m->place_until)
			refuse_place(m, host);
		else
			inquirer->later(inquirer->daemon, LOOK_AGAIN, take_places, m);
		return;
	}
	m->probing = true;
	helpers_submit(m->tools.askers, &m->probe->job);
}

static void
probe(struct move *m)
{
	const struct config *c = m->tools.inquirer->config(m->tools.inquirer->daemon);
	const char *user = NULL;
	struct config_database *db;
	struct error e;
	struct probe *p;

	for (int i = 0; i < m->inquiry.nworkers && user == NULL; i++)
		user = m->parts[i].user[0] != '\0' ? m->parts[i].user : NULL;
	db = config_make_line(c, m->name, m->line, &e);
	if (db == NULL) {
		fail(m, &e);
		return;
	}
	p = probe_new(c, db, user);
	config_free_line(db);
	p->job.mail.kind = m->tools.job_mail;
	p->job.reply = m->tools.mailbox;
	p->job.done = on_probed;
	p->job.owner = m;
	m->probe = p;
	m->place_until = clock_now() + PROBE_PATIENCE;
	take_places(m);
}

/* --- LOOK --- */

static void
visit_look(struct shard *s, struct inquiry *q)
{
	struct move *m = move_of(q);
	struct tenant *t = tenants_find(s->tenants, m->name);
	const struct pool *p;

	if (t == NULL)
		return;
	LIST_FOREACH(p, &t->pools, link) {
		if (!p->is_private)
			snprintf(m->parts[s->index].user, sizeof(m->parts[0].user), "%s", p->user->name);
	}
}

static void
on_known(void *arg, const char *line, const struct error *e)
{
	struct move *m = arg;
	struct error own;

	if (line == NULL) {
		fail(m, e);
		return;
	}
	m->old = memory_strdup(line);
	m->line = move_line(line, m->to, &own);
	if (m->line == NULL)
		fail(m, &own);
	else
		probe(m);
}

static void
finish_look(struct inquiry *q)
{
	struct move *m = move_of(q);
	struct error e;

	if (is_listed(m, &e))
		fail(m, &e);
	else
		catalogue_ask(m->tools.catalogue, m->name, on_known, m);
}

struct move *
move_start(const struct move_tools *tools, const char *name, const char *to, console_done_fn *done, void *arg)
{
	struct move *m = memory_zalloc(sizeof(*m));

	m->tools = *tools;
	m->name = memory_strdup(name);
	m->to = memory_strdup(to);
	m->done = done;
	m->arg = arg;
	ask(m, visit_look, finish_look);
	return m;
}
