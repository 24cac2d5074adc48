#include "session/authenticate.h"

#include <openssl/rand.h>
#include <pwd.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "auth/digest.h"
#include "base/memory.h"
#include "base/sqlstate.h"
#include "base/strings.h"
#include "net/interfaces.h"

static const char wrong_password[] = "password authentication failed";
static const char wrong_sasl[] = "SASL authentication failed";

/* auth_type as an hba method; the two that are none are treated before. */
static const enum hba_method methods[] = {
	[AUTH_TRUST] = HBA_TRUST,
	[AUTH_PLAIN] = HBA_PLAIN,
	[AUTH_MD5] = HBA_MD5,
	[AUTH_SCRAM_SHA_256] = HBA_SCRAM_SHA_256,
	[AUTH_CERT] = HBA_CERT,
	[AUTH_LDAP] = HBA_LDAP,
	[AUTH_PAM] = HBA_PAM,
};

/* One client at the door. */
struct visit {
	const struct doorkeeper *d;
	void *arg;
	struct client *client;
	const struct config *config;
	const struct config_database *database;
	struct hba_rule rule;
};

const char *
authenticate_tls_text(const struct stream *s, const char *plain, char buf[TLS_TEXT])
{
	if (!stream_is_tls(s))
		return plain;
	snprintf(buf, TLS_TEXT, "%s/%s", tls_version(s), tls_cipher(s));
	return buf;
}

/* --- which rule --- */

static bool
is_near(void *arg, bool net)
{
	return interfaces_hold(&((const struct client *)arg)->address, net);
}

static const struct hba_rule *
find_rule(const struct config *config, struct client *c, const char *database, const char *user, bool replication)
{
	const struct hba_connection connection = {
		.local = c->address.family == AF_UNIX,
		.tls = stream_is_tls(&c->stream),
		.replication = replication,
		.database = database,
		.user = user,
		.family = c->address.family,
		.address = c->address.ip,
		.is_near = is_near,
		.arg = c,
	};

	return config->hba == NULL ? NULL : hba_find(config->hba, &connection);
}

static const struct hba_rule *
rule_of_visit(const struct visit *v)
{
	const struct login *login = v->client->login;

	return find_rule(v->config, v->client, login->database, login->user,
			 startup_replication(&login->startup) == REPLICATION_PHYSICAL);
}

bool
authenticate_lets_over(const struct config *config, struct client *c, const char *user, const char *home, const char *to)
{
	const struct hba_rule *there, *here;

	if (config->auth_type != AUTH_HBA)
		return true;
	there = find_rule(config, c, to, user, false);
	if (there == NULL || there->method == HBA_REJECT)
		return false;
	here = find_rule(config, c, home, user, false);
	return there->method == HBA_TRUST || (here != NULL && here->method == there->method &&
					      string_equal(here->map, there->map) && string_equal(here->options, there->options));
}

static void
reject(const struct visit *v, bool has_rule)
{
	struct client *c = v->client;
	char host[ADDRESS_TEXT];
	struct error e;

	error_set(&e, SEVERITY_FATAL, SQLSTATE_INVALID_AUTHORIZATION,
		  has_rule ? "hba file rejects connection for host \"%s\", user \"%.64s\", database \"%.64s\", %s" :
			     "no hba entry for host \"%s\", user \"%.64s\", database \"%.64s\", %s",
		  address_host(&c->address, host), c->login->user, c->login->database,
		  stream_is_tls(&c->stream) ? "SSL encryption" : "no encryption");
	if (has_rule)
		error_detail(&e, "It is line %d of the file.", v->rule.line);
	client_log(c, LOG_INFO, "%s %s", e.message, e.detail);
	e.detail[0] = '\0';		/* for the operator */
	client_close(c, &e, "login rejected");
}

/* --- who it is already --- */

static bool
is_allowed_by_map(const struct visit *v, const char *name)
{
	const struct client *c = v->client;
	bool ok;

	if (v->rule.map == NULL)
		return strcmp(name, c->login->user) == 0;
	ok = ident_allows(v->config->ident, v->rule.map, name, c->login->user);
	if (!ok)
		client_log(c, LOG_WARNING, "ident map: %s does not have a match for \"%s\"", v->rule.map, name);
	return ok;
}

static void
let_in(const struct visit *v)
{
	static const struct login_demand nothing = { .method = LOGIN_TRUST };

	client_authenticate(v->client, &nothing);
}

static void
reject_certificate(const struct visit *v)
{
	client_reject(v->client, SQLSTATE_INVALID_AUTHORIZATION, "certificate authentication failed");
}

static void
reject_peer(const struct visit *v)
{
	client_reject(v->client, SQLSTATE_INVALID_AUTHORIZATION, "unix socket login rejected");
}

static void
check_certificate(const struct visit *v)
{
	struct client *c = v->client;
	char name[256];

	if (!stream_is_tls(&c->stream))
		client_log(c, LOG_WARNING, "TLS connection required");
	else if (!tls_peer_common_name(&c->stream, name, sizeof(name)))
		client_log(c, LOG_WARNING, "a valid TLS client certificate is required");
	else if (!is_allowed_by_map(v, name))
		client_log(c, LOG_WARNING, "TLS certificate name mismatch: it is \"%s\"", name);
	else {
		let_in(v);
		return;
	}
	reject_certificate(v);
}

static void
judge_peer(const struct visit *v, const char *name)
{
	if (name != NULL && is_allowed_by_map(v, name))
		let_in(v);
	else
		reject_peer(v);
}

static bool begin_visit(struct visit *v, const struct doorkeeper *d, void *arg, struct client *c);

/* Who a uid is may be known to a directory only, and that may hang: an asker looks it up. */
struct peer_job {
	struct helper_job job;
	const struct doorkeeper *d;
	uint32_t client;
	uid_t uid;
	bool found;
	char name[256];
};

static void
work_find_name(struct helper_job *job)
{
	struct peer_job *pj = container_of(job, struct peer_job, job);
	struct passwd pw, *found = NULL;
	char buf[16384];

	if (getpwuid_r(pj->uid, &pw, buf, sizeof(buf), &found) != 0 || found == NULL ||
	    strlen(found->pw_name) >= sizeof(pj->name))
		return;
	string_copy(pj->name, found->pw_name, sizeof(pj->name));
	pj->found = true;
}

static void
done_find_name(struct helper_job *job)
{
	struct peer_job *pj = container_of(job, struct peer_job, job);
	struct client *c = job->owner == NULL ? NULL : pj->d->find(job->owner, pj->client);
	struct visit v;

	/* The rules may be others by now. */
	if (c != NULL && c->state == CLIENT_HELD && begin_visit(&v, pj->d, job->owner, c)) {
		if (v.rule.method == HBA_PEER)
			judge_peer(&v, pj->found ? pj->name : NULL);
		else
			authenticate(pj->d, job->owner, c);
	}
	free(pj);
}

static void
check_peer(const struct visit *v)
{
	struct client_env *env = v->client->env;
	struct peer_job *pj = memory_zalloc(sizeof(*pj));

	pj->d = v->d;
	pj->client = v->client->id;
	pj->job.work = work_find_name;
	pj->job.done = done_find_name;
	pj->job.owner = v->arg;
	pj->job.reply = env->mailbox;
	pj->job.mail.kind = env->job_mail;
	/* A proxy's process says nothing of whom it comes for. */
	if (v->client->address.family == AF_UNIX && address_peer_uid(v->client->stream.fd, &pj->uid) &&
	    helpers_offer(env->askers, &pj->job))
		return;
	free(pj);
	judge_peer(v, NULL);
}

/* --- passwords --- */

/* Under md5 some are asked for SCRAM and some for md5.  A stranger must be asked for the one or the other, always the
 * same for a name and as often as real users are: or the question would tell who exists. */

static uint8_t stranger_key[32];

static void __attribute__((constructor))
draw_stranger_key(void)
{
	if (RAND_bytes(stranger_key, sizeof(stranger_key)) != 1)
		abort();
}

static bool
is_stranger_asked_for_scram(const struct visit *v)
{
	const char *user = v->client->login->user;
	uint8_t hash[32];

	digest_hmac(stranger_key, user, strlen(user), hash);
	return hash[0] < v->config->scram_share;
}

/* What auth_query found last: those whom it does not find are asked for that. */
static atomic_bool found_scram = true;

/* scram: what it is asked for under md5, and how long its password is looked at under plain. */
static void
demand(const struct visit *v, const struct secret *secret, bool scram, const char *reason)
{
	struct login_demand demand = { .secret = secret, .refusal = wrong_password, .reason = reason };

	switch (v->rule.method) {
	case HBA_PLAIN:
		demand.method = LOGIN_PLAIN;
		demand.as_scram = scram;
		break;
	case HBA_SCRAM_SHA_256:
		demand.method = LOGIN_SCRAM;
		demand.refusal = wrong_sasl;
		break;
	case HBA_PAM:
		demand.method = LOGIN_PAM;
		break;
	case HBA_LDAP:
		demand.method = LOGIN_LDAP;
		demand.ldap_options = v->rule.options;
		break;
	case HBA_MD5:
	case HBA_REJECT:
	case HBA_TRUST:
	case HBA_CERT:
	case HBA_PEER:
		demand.method = scram ? LOGIN_SCRAM : LOGIN_MD5;
		break;
	}
	client_authenticate(v->client, &demand);
}

/* Who proves nothing by a password must still be known: a certificate says who somebody is, not that he may.  true: it
 * was such a one. */
static bool
reject_unknown(const struct visit *v, const char *words_of_trust)
{
	switch (v->rule.method) {
	case HBA_TRUST:
		client_reject(v->client, SQLSTATE_INVALID_AUTHORIZATION, "%s", words_of_trust);
		return true;
	case HBA_CERT:
		client_log(v->client, LOG_INFO, "no such user");
		reject_certificate(v);
		return true;
	case HBA_PEER:
		client_log(v->client, LOG_INFO, "no such user");
		reject_peer(v);
		return true;
	case HBA_REJECT:
	case HBA_PLAIN:
	case HBA_MD5:
	case HBA_SCRAM_SHA_256:
	case HBA_LDAP:
	case HBA_PAM:
		break;
	}
	return false;
}

static void
answer_unknown(const struct visit *v)
{
	if (!reject_unknown(v, "\"trust\" authentication failed"))
		demand(v, NULL, is_stranger_asked_for_scram(v), NULL);
}

/* scram: what who has no password, which none fits, is asked for under md5; as a stranger is. */
static void
answer_known(const struct visit *v, const struct secret *secret, bool scram)
{
	switch (v->rule.method) {
	case HBA_TRUST:
		let_in(v);
		break;
	case HBA_CERT:
		check_certificate(v);
		break;
	case HBA_PEER:
		check_peer(v);
		break;
	case HBA_REJECT:
	case HBA_PLAIN:
	case HBA_MD5:
	case HBA_SCRAM_SHA_256:
	case HBA_LDAP:
	case HBA_PAM:
		demand(v, secret, secret->kind == SECRET_NONE ? scram : secret->kind == SECRET_SCRAM, NULL);
		break;
	}
}

/* --- auth_query --- */

/* For users whom auth_file or auth_query know.  Others have somebody else who knows them. */
static bool
is_for_known(enum hba_method method)
{
	return method != HBA_LDAP && method != HBA_PAM && method != HBA_REJECT;
}

static void
on_found(struct lookup *k)
{
	const struct doorkeeper *d = k->context;
	struct client *c = d->find(k->arg, k->client);
	struct visit v;

	if (k->result == LOOKUP_FOUND && k->secret.kind != SECRET_NONE)
		atomic_store(&found_scram, k->secret.kind == SECRET_SCRAM);
	if (c == NULL || c->state != CLIENT_HELD || !begin_visit(&v, d, k->arg, c))
		;
	else if (!is_for_known(v.rule.method) || v.config->auth_type == AUTH_ANY)
		authenticate(d, k->arg, c);	/* the rules are others by now */
	else if (k->result == LOOKUP_FAILED)
		client_close(c, &k->error, k->error.message);
	else if (k->result == LOOKUP_FOUND)
		answer_known(&v, &k->secret, atomic_load(&found_scram));
	else if (!reject_unknown(&v, "no such user"))
		demand(&v, NULL, atomic_load(&found_scram), "no such user");
	lookup_free(&k);
}

/* false: nobody can be asked. */
static bool
look_up(const struct visit *v)
{
	struct lookup *k;

	if (v->database == NULL && !v->d->console)
		return false;
	k = lookup_new(v->config, v->database, v->client->login->user);
	if (k == NULL)
		return false;
	k->client = v->client->id;
	k->reply = v->client->env->mailbox;
	k->found = on_found;
	k->arg = v->arg;
	k->context = v->d;
	v->d->look_up(v->arg, k);
	return true;
}

static void
find_user(const struct visit *v)
{
	const struct config_user *u = config_find_user(v->config, v->client->login->user);

	if (u != NULL && u->in_auth_file)
		answer_known(v, &u->secret, is_stranger_asked_for_scram(v));
	else if (!look_up(v))
		answer_unknown(v);
}

/* --- the door --- */

/* Find the rule; false: there is none that lets it go on, and it was told. */
static bool
begin_visit(struct visit *v, const struct doorkeeper *d, void *arg, struct client *c)
{
	const struct hba_rule *rule;

	*v = (struct visit){
		.d = d,
		.arg = arg,
		.client = c,
		.config = d->config(arg),
		.database = d->database(arg, c),
	};
	if (v->config->auth_type != AUTH_HBA) {
		v->rule.method = v->config->auth_type == AUTH_ANY ? HBA_TRUST : methods[v->config->auth_type];
		v->rule.options = v->config->auth_ldap_options;
		return true;
	}
	rule = rule_of_visit(v);
	if (rule != NULL)
		v->rule = *rule;
	if (rule == NULL || rule->method == HBA_REJECT) {
		reject(v, rule != NULL);
		return false;
	}
	return true;
}

static void
admit_anybody(const struct visit *v)
{
	if (v->database != NULL && v->database->user == NULL)
		client_reject(v->client, SQLSTATE_INVALID_AUTHORIZATION,
			      "auth_type=any requires forced user: database \"%s\" has no user=", v->database->name);
	else
		let_in(v);
}

void
authenticate(const struct doorkeeper *d, void *arg, struct client *c)
{
	struct visit v;

	if (!begin_visit(&v, d, arg, c))
		return;
	if (v.config->auth_type == AUTH_ANY) {
		admit_anybody(&v);
		return;
	}
	if (is_for_known(v.rule.method))
		find_user(&v);
	else
		demand(&v, NULL, false, NULL);
}
