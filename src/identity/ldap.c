#include "identity/identity.h"

#include "build.h"

#ifdef HAVE_LDAP
#include <ldap.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

#include "base/memory.h"
#include "identity/directory.h"
#endif
#include "base/sqlstate.h"

#ifdef HAVE_LDAP

/* One question and what is needed to ask it. */
struct query {
	struct directory directory;
	LDAP *ld;
	const char *user, *password;
	struct error *e;
};

/* What can be mended by trying later is told apart from what somebody must mend. */
static enum identity_verdict
fail(struct query *q, int rc, const char *what)
{
	bool later = rc == LDAP_SERVER_DOWN || rc == LDAP_TIMEOUT || rc == LDAP_CONNECT_ERROR ||
		rc == LDAP_BUSY || rc == LDAP_UNAVAILABLE || rc == LDAP_TIMELIMIT_EXCEEDED;

	error_set(q->e, SEVERITY_FATAL, later ? SQLSTATE_CANNOT_CONNECT_NOW : SQLSTATE_CONFIG_FILE,
		"LDAP server cannot be asked");
	error_detail(q->e, "%s: %s.", what, ldap_err2string(rc));
	return IDENTITY_FAILED;
}

static enum identity_verdict
fail_plainly(struct query *q, const char *detail)
{
	error_set(q->e, SEVERITY_FATAL, SQLSTATE_CONFIG_FILE, "LDAP server cannot be asked");
	error_detail(q->e, "%s", detail);
	return IDENTITY_FAILED;
}

/* ---- connecting ---- */

/* libldap reads its ldap.conf at the first call; two threads must not be the first. */
static void
load_library(void)
{
	LDAPAPIInfo info = { .ldapai_info_version = LDAP_API_INFO_VERSION };

	if (ldap_get_option(NULL, LDAP_OPT_API_INFO, &info) == LDAP_OPT_SUCCESS) {
		ldap_memvfree((void **)info.ldapai_extensions);
		ldap_memfree(info.ldapai_vendor_name);
	}
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

static enum identity_verdict
open_handle(struct query *q)
{
	struct directory *d = &q->directory;
	char *found = d->servers == NULL ? find_servers(d) : NULL;
	char *uris;
	int rc;

	if (d->servers == NULL && found == NULL)
		return fail_plainly(q, "No ldapserver is given, and DNS names none for the ldapbasedn.");
	uris = directory_uris(d, found != NULL ? found : d->servers);
	ldap_memfree(found);
	rc = ldap_initialize(&q->ld, uris);
	free(uris);
	if (rc == LDAP_SUCCESS)
		rc = set_options(q->ld);
	return rc == LDAP_SUCCESS ? IDENTITY_FITS : fail(q, rc, "Preparing the connection");
}

static enum identity_verdict
connect_directory(struct query *q)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	int rc;

	pthread_once(&once, load_library);
	if (q->directory.ldaps && q->directory.start_tls)
		return fail_plainly(q, "ldaptls=1 does not go with ldaps, which has TLS already.");
	if (open_handle(q) != IDENTITY_FITS)
		return IDENTITY_FAILED;
	if (!q->directory.start_tls)
		return IDENTITY_FITS;
	rc = ldap_start_tls_s(q->ld, NULL, NULL);
	return rc == LDAP_SUCCESS ? IDENTITY_FITS : fail(q, rc, "Starting TLS");
}

/* ---- asking ---- */

static int
bind_as(struct query *q, const char *dn, const char *password)
{
	struct berval *cred = ber_str2bv(password, 0, 1, NULL);
	int rc;

	if (cred == NULL)
		return LDAP_NO_MEMORY;
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
	return is_refusal(rc) ? IDENTITY_REFUSED : fail(q, rc, "Binding as the user");
}

static enum identity_verdict
search(struct query *q, LDAPMessage **found)
{
	struct directory *d = &q->directory;
	struct timeval patience = { .tv_sec = IDENTITY_TIMEOUT };
	char none[] = LDAP_NO_ATTRS, *attributes[] = { none, NULL };
	char *filter = directory_user_filter(d, q->user);
	int rc;

	/* Two are enough to see that a name is not unique. */
	rc = ldap_search_ext_s(q->ld, d->base, d->scope, filter, attributes, 0, NULL, NULL, &patience, 2, found);
	free(filter);
	if (rc == LDAP_SUCCESS || rc == LDAP_SIZELIMIT_EXCEEDED)
		return IDENTITY_FITS;
	return fail(q, rc, "Searching the user");
}

static enum identity_verdict
bind_found(struct query *q, LDAPMessage *found)
{
	enum identity_verdict v;
	char *dn;

	if (ldap_count_entries(q->ld, found) != 1)
		return IDENTITY_REFUSED;
	dn = ldap_get_dn(q->ld, ldap_first_entry(q->ld, found));
	if (dn == NULL)
		return fail(q, LDAP_DECODING_ERROR, "Reading the user's DN");
	v = try_bind(q, dn);
	ldap_memfree(dn);
	return v;
}

static enum identity_verdict
ask_by_search(struct query *q)
{
	struct directory *d = &q->directory;
	LDAPMessage *found = NULL;
	enum identity_verdict v;
	int rc;

	rc = bind_as(q, d->bind_dn != NULL ? d->bind_dn : "", d->bind_password != NULL ? d->bind_password : "");
	if (rc != LDAP_SUCCESS)
		return fail(q, rc, "Binding in order to search (ldapbinddn)");
	v = search(q, &found);
	if (v == IDENTITY_FITS)
		v = bind_found(q, found);
	ldap_msgfree(found);
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

enum identity_verdict
ldap_check(const char *options, const char *user, const char *password, struct error *e)
{
	struct query q = { .user = user, .password = password, .e = e };
	enum identity_verdict v;

	if (*user == '\0' || *password == '\0')
		return IDENTITY_REFUSED;
	if (!directory_parse(&q.directory, options, e))
		return IDENTITY_FAILED;
	v = connect_directory(&q);
	if (v == IDENTITY_FITS)
		v = q.directory.base != NULL ? ask_by_search(&q) : ask_simply(&q);
	if (q.ld != NULL)
		ldap_unbind_ext(q.ld, NULL, NULL);
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
