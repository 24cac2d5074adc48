/*
 * replica: which server of host=a,b a pool tries, and whether it is of the kind that target_session_attrs wants.
 *
 * round-robin: each attempt the next.  disable: the last one that was good, the next only after a failure.  Those that
 * could not be reached a short while ago, or were of the wrong kind then, are left out as long as there is another; of
 * the rest, one with a free place goes first.
 *
 * PostgreSQL 14 and newer report what they are (in_hot_standby, default_transaction_read_only), and when that changes,
 * with the answer to the next query; older ones are asked when the connection is opened.
 */
#include <string.h>

#include "base/sqlstate.h"
#include "base/strings.h"
#include "config/hosts.h"
#include "pg/params.h"
#include "pool/inside.h"

#define HOSTS_MAX 64

static const char role_query[] =
	"SELECT CASE WHEN pg_catalog.pg_is_in_recovery() THEN 's'"
	" WHEN pg_catalog.current_setting('transaction_read_only') = 'on' THEN 'r' ELSE 'p' END";

static const char *
list_of(const struct pool *p)
{
	return p->tenant->conf != NULL ? p->tenant->conf->host : NULL;
}

int
pool_count_hosts(const struct pool *p)
{
	const char *list = list_of(p);
	int n = 1;

	for (; list != NULL && (list = strchr(list, ',')) != NULL; list++)
		n++;
	return n < HOSTS_MAX ? n : HOSTS_MAX;
}

/* However each is spelled. */
static bool
is_same_host(const char *a, const char *b)
{
	char key_a[HOST_KEY], key_b[HOST_KEY];

	return strcmp(host_key(a, 0, key_a), host_key(b, 0, key_b)) == 0;
}

bool
pool_names_host(const struct pool *p, const char *host)
{
	const char *list = list_of(p);
	char one[256];

	if (list == NULL)
		return is_same_host(pool_config(p)->unix_socket_dir, host);
	for (int i = 0; i < pool_count_hosts(p); i++) {
		string_nth(list, i, one, sizeof(one));
		if (is_same_host(one, host))
			return true;
	}
	return false;
}

static int
target_of(const struct pool *p)
{
	const struct config_database *conf = p->tenant->conf;

	return conf != NULL && conf->target_session_attrs >= 0 ? conf->target_session_attrs : TARGET_ANY;
}

static bool
suits(int target, enum host_role role)
{
	switch (target) {
	case TARGET_READ_WRITE:
		return role == ROLE_PRIMARY;
	case TARGET_READ_ONLY:
		return role != ROLE_PRIMARY;
	case TARGET_PRIMARY:
		return role != ROLE_STANDBY;
	case TARGET_STANDBY:
	case TARGET_PREFER_STANDBY:
		return role == ROLE_STANDBY;
	default:
		return true;
	}
}

/* The lower the better. */
static int
rate(struct pool *p, const char *host)
{
	struct host_health health;
	int badness = 0;

	hosts_health(p->pools->hosts, host, p->tenant->conf->port, &health);
	if (health.role != ROLE_UNKNOWN && !suits(target_of(p), health.role))
		badness += 2;
	if (health.skipped)
		badness += 4;
	return badness + health.full;
}

const char *
pool_choose_host(struct pool *p, char *buf, size_t size)
{
	const char *list = list_of(p);
	int n = pool_count_hosts(p), best = 0, least = 8;

	if (n == 1)
		return list;
	/* Pools begin where the tenant's last one did not, so that they spread. */
	if (p->tenant->conf->load_balance_hosts == LOAD_BALANCE_ROUND_ROBIN && p->failures == 0)
		p->next_host = (uint8_t)(p->tenant->next_host++ % (unsigned)n);
	for (int i = 0; i < n && least > 0; i++) {
		int badness;

		string_nth(list, (p->next_host + i) % n, buf, size);
		badness = rate(p, buf);
		if (badness < least) {
			least = badness;
			best = (p->next_host + i) % n;
		}
	}
	p->next_host = (uint8_t)best;
	string_nth(list, best, buf, size);
	return buf;
}

/* A place now, and a server that will do as far as is known. */
static bool
is_open(struct pool *p, const char *host)
{
	struct host_health health;
	int target = target_of(p);

	hosts_health(p->pools->hosts, host, p->tenant->conf->port, &health);
	return !health.full && !health.skipped &&
	       (target == TARGET_ANY || (health.role != ROLE_UNKNOWN && suits(target, health.role)));
}

bool
pool_has_open_host(struct pool *p)
{
	int n = pool_count_hosts(p);
	char one[256];

	for (int i = 0; n > 1 && i < n; i++) {
		string_nth(list_of(p), i, one, sizeof(one));
		if (is_open(p, one))
			return true;
	}
	return false;
}

/* --- what it turned out to be --- */

static enum host_role
reported_role(const struct server *s)
{
	const char *standby = params_get(s->reported, "in_hot_standby");
	const char *read_only = params_get(s->reported, "default_transaction_read_only");

	if (standby == NULL || read_only == NULL)
		return ROLE_UNKNOWN;
	if (strcmp(standby, "on") == 0)
		return ROLE_STANDBY;
	return strcmp(read_only, "on") == 0 ? ROLE_READ_ONLY : ROLE_PRIMARY;
}

/* DataRow: one column, one letter. */
void
pool_take_role(struct server *s, const uint8_t *row, size_t n)
{
	if (s->place != PLACE_LOGIN || n != 7)
		return;
	s->role = row[6] == 's' ? ROLE_STANDBY : row[6] == 'r' ? ROLE_READ_ONLY : ROLE_PRIMARY;
}

static const char *
wanted_kind(int target)
{
	static const char *const names[] = {
		[TARGET_READ_WRITE] = "does not accept writes",
		[TARGET_READ_ONLY] = "accepts writes",
		[TARGET_PRIMARY] = "is a standby",
		[TARGET_STANDBY] = "is not a standby",
		[TARGET_PREFER_STANDBY] = "is not a standby",
	};

	return names[target];
}

enum role_check
pool_check_role(struct server *s, struct error *e)
{
	struct pool *p = s->pool;
	int target = target_of(p);

	if (target != TARGET_ANY && s->role == ROLE_UNKNOWN)
		s->role = (uint8_t)reported_role(s);
	if (target != TARGET_ANY && s->role == ROLE_UNKNOWN && !s->checked) {
		s->checked = true;
		server_run(s, role_query);
		return ROLE_ASKED;
	}
	if (s->seat != NULL)
		hosts_reached(p->pools->hosts, s->seat, s->role);
	/* If all of the list were looked at, the preference is not to be had. */
	if (suits(target, s->role) || (target == TARGET_PREFER_STANDBY && p->wrong_roles >= pool_count_hosts(p))) {
		p->wrong_roles = 0;
		return ROLE_FITS;
	}
	p->wrong_roles++;
	error_set(e, SEVERITY_FATAL, SQLSTATE_CANNOT_ESTABLISH, "server %s", wanted_kind(target));
	error_detail(e, "target_session_attrs of \"%s\" asks for another one.", p->tenant->name);
	return ROLE_WRONG;
}

/* Those that are idle say what they are only when they are asked. */
static void
ask_idle(struct pool *p)
{
	struct server *s, *next;

	TAILQ_FOREACH_SAFE(s, &p->servers[PLACE_IDLE], link, next) {
		pool_place(s, PLACE_TESTED);
		s->forgiving = false;
		server_run(s, role_query);
	}
}

/* default_transaction_read_only is a session's where it is carried along, and ours if connect_query sets it: there, only
 * that it is a standby, or no more, is the server's own word. */
static bool
says_for_itself(const struct server *s)
{
	const struct config_database *conf = ((const struct pool *)s->pool)->tenant->conf;

	return params_get(s->tracked, "default_transaction_read_only") == NULL &&
	       (conf == NULL || conf->connect_query == NULL || conf->connect_query[0] == '\0');
}

static enum host_role
role_now(const struct server *s)
{
	enum host_role was = (enum host_role)s->role, is = reported_role(s);

	if (is == ROLE_UNKNOWN || is == ROLE_STANDBY || says_for_itself(s))
		return is;
	return was == ROLE_STANDBY ? ROLE_PRIMARY : was;
}

bool
pool_role_is_lost(struct server *s)
{
	struct pool *p = s->pool;
	int target = target_of(p);
	enum host_role was = (enum host_role)s->role, is;

	if (target == TARGET_ANY || was == ROLE_UNKNOWN)
		return false;
	is = role_now(s);
	if (is == ROLE_UNKNOWN || is == was)
		return false;
	s->role = (uint8_t)is;
	/* That it is read-only may be a client's SET: the next connection tells. */
	if (s->seat != NULL && (is == ROLE_STANDBY || was == ROLE_STANDBY))
		hosts_reached(p->pools->hosts, s->seat, is);
	if (suits(target, is))
		return false;
	ask_idle(p);
	return true;
}
