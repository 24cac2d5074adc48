#include "identity/identity.h"

#include "build.h"

#ifdef HAVE_LDAP
#include <ldap.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

#include "base/clock.h"
#include "base/memory.h"
#include "identity/deadline.h"
#include "identity/directory.h"
#endif
#include "base/sqlstate.h"

#ifdef HAVE_LDAP

#define REPLY_MAX (256 << 10)		/* bytes of one message of a directory; a DN is all that we want of it */

/* One question and what is needed to ask it. */
struct query {
	struct directory directory;
	const char *user, *password;
	struct error *e;
	char *uri;	/* who is asked */
	LDAP *ld;
	struct deadline deadline;
	bool no_answer;	/* from there: another server may do better */
};

/* What can be mended by trying later, or elsewhere, is told apart from what somebody must mend. */
static bool
is_outage(int rc)
{
	switch (rc) {
	case LDAP_SERVER_DOWN:
	case LDAP_TIMEOUT:
	case LDAP_CONNECT_ERROR:
	case LDAP_BUSY:
	case LDAP_UNAVAILABLE:
	case LDAP_TIMELIMIT_EXCEEDED:
		return true;
	default:
		return false;
	}
}

/* libldap has no better words for a certificate that it refuses. */
static const char *
details(const char *diagnostic)
{
	if (diagnostic == NULL)
		return "";
	return strcmp(diagnostic, "(unknown error code)") != 0 ? diagnostic :
		"the certificate is not believed (see TLS_CACERT in ldap.conf)";
}

static enum identity_verdict
fail(struct query *q, int rc, const char *what)
{
	bool late = q->deadline.at != 0 && clock_now() >= q->deadline.at;
	char *diagnostic = NULL;
	const char *more;

	if (late)
		rc = LDAP_TIMEOUT;
	q->no_answer = is_outage(rc);
	if (q->ld != NULL && !late)
		ldap_get_option(q->ld, LDAP_OPT_DIAGNOSTIC_MESSAGE, &diagnostic);
	more = details(diagnostic);
	error_set(q->e, SEVERITY_FATAL, q->no_answer ? SQLSTATE_CANNOT_CONNECT_NOW : SQLSTATE_CONFIG_FILE,
		"LDAP server %.100s: %s: %s%s%.150s", q->uri + strlen("ldap://"), what, ldap_err2string(rc),
		*more != '\0' ? ": " : "", more);
	ldap_memfree(diagnostic);
	return IDENTITY_FAILED;
}

static enum identity_verdict
fail_plainly(struct query *q, const char *why)
{
	error_set(q->e, SEVERITY_FATAL, SQLSTATE_CONFIG_FILE, "LDAP: %s", why);
	return IDENTITY_FAILED;
}

/* ---- connecting ---- */

static int
set_options(LDAP *ld)
{
	const struct timeval patience = { .tv_sec = IDENTITY_TIMEOUT };
	const int version = LDAP_VERSION3, seconds = IDENTITY_TIMEOUT;
	const struct {
		int option;
		const void *value;
	} wanted[] = {
		{ LDAP_OPT_PROTOCOL_VERSION, &version },
		{ LDAP_OPT_NETWORK_TIMEOUT, &patience },
		{ LDAP_OPT_TIMEOUT, &patience },
		{ LDAP_OPT_TIMELIMIT, &seconds },
		{ LDAP_OPT_REFERRALS, LDAP_OPT_OFF },	/* a password is for the servers that were named */
	};

	for (size_t i = 0; i < lengthof(wanted); i++) {
		if (ldap_set_option(ld, wanted[i].option, wanted[i].value) != LDAP_OPT_SUCCESS)
			return LDAP_PARAM_ERROR;
	}
	return LDAP_SUCCESS;
}

static void
start_step(struct query *q)
{
	q->deadline.at = clock_now() + IDENTITY_TIMEOUT * USEC_PER_SEC;
}

/* From here on it is our deadline that counts, on a socket that blocks. */
static int
watch_socket(struct query *q)
{
	const struct timeval never = { .tv_sec = -1 };
	ber_len_t most = REPLY_MAX;
	Sockbuf *sb = NULL;

	if (ldap_set_option(q->ld, LDAP_OPT_NETWORK_TIMEOUT, &never) != LDAP_OPT_SUCCESS ||
	    ldap_get_option(q->ld, LDAP_OPT_SOCKBUF, &sb) != LDAP_OPT_SUCCESS || sb == NULL ||
	    ber_sockbuf_ctrl(sb, LBER_SB_OPT_SET_MAX_INCOMING, &most) != 1 ||
	    deadline_watch(&q->deadline, sb) != 0)
		return LDAP_LOCAL_ERROR;
	return LDAP_SUCCESS;
}

static int
ask_for_tls(LDAP *ld)
{
	char *oid = NULL;
	struct berval *data = NULL;
	int rc = ldap_extended_operation_s(ld, LDAP_EXOP_START_TLS, NULL, NULL, NULL, &oid, &data);

	ldap_memfree(oid);
	ber_bvfree(data);
	return rc;
}

static enum identity_verdict
connect_server(struct query *q)
{
	int rc = ldap_initialize(&q->ld, q->uri);

	q->deadline.at = 0;
	if (rc == LDAP_SUCCESS)
		rc = set_options(q->ld);
	if (rc == LDAP_SUCCESS)
		rc = ldap_connect(q->ld);
	if (rc == LDAP_SUCCESS)
		rc = watch_socket(q);
	return rc == LDAP_SUCCESS ? IDENTITY_FITS : fail(q, rc, "cannot connect");
}

static bool
wants_tls(const struct directory *d)
{
	return d->ldaps || d->start_tls;
}

static enum identity_verdict
secure(struct query *q)
{
	int rc = LDAP_SUCCESS;

	start_step(q);
	if (q->directory.start_tls)
		rc = ask_for_tls(q->ld);
	if (rc == LDAP_SUCCESS)
		rc = ldap_install_tls(q->ld);
	return rc == LDAP_SUCCESS ? IDENTITY_FITS : fail(q, rc, "cannot start TLS");
}

/* ---- asking ---- */

static int
bind_as(struct query *q, const char *dn, const char *password)
{
	struct berval *cred;
	int rc;

	/* libldap would connect again on its own, without TLS. */
	if (wants_tls(&q->directory) && !ldap_tls_inplace(q->ld))
		return LDAP_SERVER_DOWN;
	cred = ber_str2bv(password, 0, 1, NULL);
	if (cred == NULL)
		return LDAP_NO_MEMORY;
	start_step(q);
	rc = ldap_sasl_bind_s(q->ld, dn, LDAP_SASL_SIMPLE, cred, NULL, NULL, NULL);
	memory_wipe(cred->bv_val, cred->bv_len);
	ber_bvfree(cred);
	return rc;
}

/* What a directory says of a user or a password that it does not like. */
static bool
is_refusal(int rc)
{
	switch (rc) {
	case LDAP_INVALID_CREDENTIALS:
	case LDAP_NO_SUCH_OBJECT:
	case LDAP_INVALID_DN_SYNTAX:
	case LDAP_INAPPROPRIATE_AUTH:
	case LDAP_INSUFFICIENT_ACCESS:
	case LDAP_CONSTRAINT_VIOLATION:
	case LDAP_UNWILLING_TO_PERFORM:
		return true;
	default:
		return false;
	}
}

/* A directory takes a bind without a name or without a password for an anonymous one, and lets it in. */
static enum identity_verdict
try_bind(struct query *q, const char *dn)
{
	int rc;

	if (*dn == '\0' || *q->password == '\0')
		return IDENTITY_REFUSED;
	rc = bind_as(q, dn, q->password);
	if (rc == LDAP_SUCCESS)
		return IDENTITY_FITS;
	return is_refusal(rc) ? IDENTITY_REFUSED : fail(q, rc, "cannot bind as the user");
}

static int
start_search(struct query *q, int *id)
{
	const struct directory *d = &q->directory;
	struct timeval patience = { .tv_sec = IDENTITY_TIMEOUT };
	char none[] = LDAP_NO_ATTRS, *attributes[] = { none, NULL };
	char *filter = directory_user_filter(d, q->user);
	int rc;

	start_step(q);
	/* Two are enough to see that a name is not unique. */
	rc = ldap_search_ext(q->ld, d->base, d->scope, filter, attributes, 0, NULL, NULL, &patience, 2, id);
	free(filter);
	return rc;
}

/* The next message; *type: LDAP_RES_..., or -1 for an error. */
static LDAPMessage *
next_reply(struct query *q, int id, int *type)
{
	usec_t left = q->deadline.at - clock_now();
	struct timeval patience = { .tv_sec = left / USEC_PER_SEC, .tv_usec = left % USEC_PER_SEC };
	LDAPMessage *m = NULL;
	int rc = LDAP_TIMEOUT;

	*type = left > 0 ? ldap_result(q->ld, id, LDAP_MSG_ONE, &patience, &m) : 0;
	if (*type < 0)
		ldap_get_option(q->ld, LDAP_OPT_RESULT_CODE, &rc);
	if (*type <= 0) {
		*type = -1;
		fail(q, rc, "cannot search");
	}
	return m;
}

static enum identity_verdict
end_search(struct query *q, LDAPMessage *m, const char *dn)
{
	int rc = LDAP_OTHER, parsed = ldap_parse_result(q->ld, m, &rc, NULL, NULL, NULL, NULL, 0);

	if (parsed != LDAP_SUCCESS || rc != LDAP_SUCCESS)
		return fail(q, parsed != LDAP_SUCCESS ? parsed : rc, "cannot search");
	return dn != NULL ? IDENTITY_FITS : IDENTITY_REFUSED;
}

/* *dn: of the one entry, also if the search ends with something else than FITS. */
static enum identity_verdict
read_entries(struct query *q, int id, char **dn)
{
	enum identity_verdict v;
	LDAPMessage *m;
	int type;

	while ((m = next_reply(q, id, &type)) != NULL && type != LDAP_RES_SEARCH_RESULT) {
		bool entry = type == LDAP_RES_SEARCH_ENTRY, second = entry && *dn != NULL;

		if (entry && !second)
			*dn = ldap_get_dn(q->ld, m);
		ldap_msgfree(m);
		if (second)
			return fail_plainly(q, "several entries fit the user");
		if (entry && *dn == NULL)
			return fail(q, LDAP_DECODING_ERROR, "cannot read the user's DN");
	}
	if (m == NULL)
		return IDENTITY_FAILED;
	v = end_search(q, m, *dn);
	ldap_msgfree(m);
	return v;
}

static enum identity_verdict
ask_by_search(struct query *q)
{
	const struct directory *d = &q->directory;
	enum identity_verdict v;
	char *dn = NULL;
	int id = 0, rc;

	rc = bind_as(q, d->bind_dn != NULL ? d->bind_dn : "", d->bind_password != NULL ? d->bind_password : "");
	if (rc != LDAP_SUCCESS)
		return fail(q, rc, "cannot bind in order to search");
	rc = start_search(q, &id);
	if (rc != LDAP_SUCCESS)
		return fail(q, rc, "cannot search");
	v = read_entries(q, id, &dn);
	if (v == IDENTITY_FITS)
		v = try_bind(q, dn);
	ldap_memfree(dn);
	return v;
}

static enum identity_verdict
ask_simply(struct query *q)
{
	char *dn = directory_user_dn(&q->directory, q->user);
	enum identity_verdict v = try_bind(q, dn);

	free(dn);
	return v;
}

/* ---- one server after another ---- */

static enum identity_verdict
ask_server(struct query *q)
{
	enum identity_verdict v = connect_server(q);

	if (v == IDENTITY_FITS && wants_tls(&q->directory))
		v = secure(q);
	if (v == IDENTITY_FITS)
		v = q->directory.base != NULL ? ask_by_search(q) : ask_simply(q);
	if (q->ld != NULL)
		ldap_unbind_ext(q->ld, NULL, NULL);
	q->ld = NULL;
	return v;
}

static enum identity_verdict
ask_servers(struct query *q, const char *servers)
{
	enum identity_verdict v = fail_plainly(q, "no server is named");

	do {
		q->uri = directory_next_uri(&q->directory, &servers);
		if (q->uri == NULL)
			break;
		q->no_answer = false;
		v = ask_server(q);
		free(q->uri);
	} while (q->no_answer);
	return v;
}

/* Who serves the base DN, by the SRV records of its domain; NULL: nobody known. */
static char *
find_servers(const struct directory *d)
{
	char *domain = NULL, *servers = NULL;

	if (ldap_dn2domain(d->base, &domain) != LDAP_SUCCESS || domain == NULL)
		return NULL;
	if (ldap_domain2hostlist(domain, &servers) != LDAP_SUCCESS)
		servers = NULL;
	ldap_memfree(domain);
	return servers;
}

static enum identity_verdict
ask(struct query *q)
{
	const struct directory *d = &q->directory;
	enum identity_verdict v;
	char *found;

	if (d->ldaps && d->start_tls)
		return fail_plainly(q, "ldaptls=1 does not go with ldaps, which has TLS already");
	if (d->servers != NULL)
		return ask_servers(q, d->servers);
	found = find_servers(d);
	if (found == NULL)
		return fail_plainly(q, "no ldapserver is given, and DNS names none for the base DN");
	v = ask_servers(q, found);
	ldap_memfree(found);
	return v;
}

/* libldap reads its ldap.conf at the first call, and makes its locks for TLS at the first handshake: two threads
 * must not be the first.  That a file for TLS is missing shows when TLS is wanted. */
static void
load_library(void)
{
	LDAPAPIInfo info = { .ldapai_info_version = LDAP_API_INFO_VERSION };
	const int client = 0;

	if (ldap_get_option(NULL, LDAP_OPT_API_INFO, &info) == LDAP_OPT_SUCCESS) {
		ldap_memvfree((void **)info.ldapai_extensions);
		ldap_memfree(info.ldapai_vendor_name);
	}
	ldap_set_option(NULL, LDAP_OPT_X_TLS_NEWCTX, &client);
}

enum identity_verdict
ldap_check(const char *options, const char *user, const char *password, struct error *e)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct query q = { .user = user, .password = password, .e = e };
	enum identity_verdict v;

	if (*user == '\0' || *password == '\0')
		return IDENTITY_REFUSED;
	if (!directory_parse(&q.directory, options, e))
		return IDENTITY_FAILED;
	pthread_once(&once, load_library);
	v = ask(&q);
	directory_release(&q.directory);
	return v;
}

bool
ldap_options_check(const char *options, struct error *e)
{
	struct directory d;

	if (!directory_parse(&d, options, e))
		return false;
	directory_release(&d);
	return true;
}

bool
identity_has_ldap(void)
{
	return true;
}

#else

enum identity_verdict
ldap_check(const char *options, const char *user, const char *password, struct error *e)
{
	(void)user;
	(void)password;
	ldap_options_check(options, e);
	return IDENTITY_FAILED;
}

bool
ldap_options_check(const char *options, struct error *e)
{
	(void)options;
	error_set(e, SEVERITY_FATAL, SQLSTATE_CONFIG_FILE, "LDAP was not built in");
	error_hint(e, "Install libldap's development files (Debian: libldap-dev), configure and build again.");
	return false;
}

bool
identity_has_ldap(void)
{
	return false;
}

#endif
