#include "identity/identity.h"

#include "build.h"

#ifdef HAVE_PAM
#include <errno.h>
#include <pthread.h>
#include <security/pam_appl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/memory.h"
#endif
#include "base/sqlstate.h"

#define SERVICE "pgbouncer"

#ifdef HAVE_PAM

/*
 * libpam may be called by several threads, but its modules need not: some call
 * crypt(), whose one result belongs to the process, and would compare a user's
 * hash with another's.  So they are asked one after the other.
 */
static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;

static bool
take_turn(void)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += IDENTITY_TIMEOUT;
	return pthread_mutex_timedlock(&turn, &until) == 0;
}

static void
drop_replies(struct pam_response *replies, int n)
{
	for (int i = 0; i < n; i++)
		memory_free_secret(replies[i].resp);
	free(replies);
}

/* Whatever a module asks for is answered with the one thing that we know; libpam frees the answers. */
static int
answer(int n, const struct pam_message **questions, struct pam_response **out, void *password)
{
	struct pam_response *replies;

	if (n <= 0 || n > PAM_MAX_NUM_MSG)
		return PAM_CONV_ERR;
	replies = memory_zalloc((size_t)n * sizeof(*replies));
	for (int i = 0; i < n; i++) {
		switch (questions[i]->msg_style) {
		case PAM_PROMPT_ECHO_OFF:
		case PAM_PROMPT_ECHO_ON:
			replies[i].resp = memory_strdup(password);
			break;
		case PAM_TEXT_INFO:
		case PAM_ERROR_MSG:
			break;
		default:
			drop_replies(replies, n);
			return PAM_CONV_ERR;
		}
	}
	*out = replies;
	return PAM_SUCCESS;
}

/* Who fails waits in our own way (client/attempts.h), not on a thread. */
static void
ignore_delay(int status, unsigned microseconds, void *arg)
{
	(void)status;
	(void)microseconds;
	(void)arg;
}

static int
name_items(pam_handle_t *h, const char *host)
{
	const union {
		void (*function)(int, unsigned, void *);
		const void *item;
	} delay = { .function = ignore_delay };
	int rc = pam_set_item(h, PAM_FAIL_DELAY, delay.item);

	if (rc == PAM_SUCCESS && host != NULL)
		rc = pam_set_item(h, PAM_RHOST, host);
	return rc;
}

static int
run_modules(pam_handle_t *h, const char *host)
{
	int rc = name_items(h, host);

	if (rc == PAM_SUCCESS)
		rc = pam_authenticate(h, PAM_SILENT | PAM_DISALLOW_NULL_AUTHTOK);
	if (rc == PAM_SUCCESS)
		rc = pam_acct_mgmt(h, PAM_SILENT | PAM_DISALLOW_NULL_AUTHTOK);
	return rc;
}

static bool
is_refusal(int rc)
{
	switch (rc) {
	case PAM_AUTH_ERR:
	case PAM_USER_UNKNOWN:
	case PAM_ACCT_EXPIRED:
	case PAM_PERM_DENIED:
	case PAM_NEW_AUTHTOK_REQD:
	case PAM_AUTHTOK_EXPIRED:
	case PAM_CRED_EXPIRED:
	case PAM_MAXTRIES:
	case PAM_CRED_INSUFFICIENT:
		return true;
	default:
		return false;
	}
}

static enum identity_verdict
fail(struct error *e, const char *why)
{
	error_set(e, SEVERITY_FATAL, SQLSTATE_CONFIG_FILE, "PAM service \"%s\": %.200s", SERVICE, why);
	error_hint(e, "See /etc/pam.d/%s.", SERVICE);
	return IDENTITY_FAILED;
}

static enum identity_verdict
ask(const char *user, char *password, const char *host, struct error *e)
{
	struct pam_conv talk = { .conv = answer, .appdata_ptr = password };
	enum identity_verdict v = IDENTITY_FITS;
	pam_handle_t *h = NULL;
	int rc = pam_start(SERVICE, user, &talk, &h);

	if (rc == PAM_SUCCESS)
		rc = run_modules(h, host);
	if (is_refusal(rc))
		v = IDENTITY_REFUSED;
	else if (rc != PAM_SUCCESS)
		v = fail(e, pam_strerror(h, rc));
	if (h != NULL)
		pam_end(h, rc);
	return v;
}

enum identity_verdict
pam_check(const char *user, const char *password, const char *host, struct error *e)
{
	enum identity_verdict v;
	char *copy;

	if (!take_turn()) {
		error_set(e, SEVERITY_FATAL, SQLSTATE_CANNOT_CONNECT_NOW,
			"PAM service \"%s\": another login is still being checked", SERVICE);
		return IDENTITY_FAILED;
	}
	copy = memory_strdup(password);
	v = ask(user, copy, host, e);
	memory_free_secret(copy);
	pthread_mutex_unlock(&turn);
	return v;
}

bool
identity_has_pam(void)
{
	return true;
}

#else

enum identity_verdict
pam_check(const char *user, const char *password, const char *host, struct error *e)
{
	(void)user;
	(void)password;
	(void)host;
	error_set(e, SEVERITY_FATAL, SQLSTATE_CONFIG_FILE, "PAM was not built in");
	error_hint(e, "Install libpam's development files (Debian: libpam0g-dev), configure and build again.");
	return IDENTITY_FAILED;
}

bool
identity_has_pam(void)
{
	return false;
}

#endif
