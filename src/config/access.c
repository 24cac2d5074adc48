#include "config/access.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/sqlstate.h"
#include "base/strings.h"
#include "config/file.h"
#include "config/ini.h"
#include "identity/identity.h"

static bool __attribute__((format(printf, 2, 3)))
refuse(struct error *e, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	error_vset(e, SEVERITY_ERROR, SQLSTATE_CONFIG_FILE, fmt, ap);
	va_end(ap);
	return false;
}

/* --- auth_type --- */

static bool
check_cert(const struct config *c, struct error *e)
{
	return c->client_tls_sslmode >= TLS_VERIFY_CA ||
		refuse(e, "auth_type cert needs client_tls_sslmode verify-ca or verify-full");
}

static bool
check_hba(const struct config *c, struct error *e)
{
	return c->auth_hba_file[0] != '\0' || refuse(e, "auth_type hba needs an auth_hba_file");
}

static bool
check_has_ldap(struct error *e)
{
	return identity_has_ldap() || refuse(e, "ldap is not built in: configure found no LDAP library");
}

static bool
check_has_pam(struct error *e)
{
	return identity_has_pam() || refuse(e, "pam is not built in: configure found no PAM library");
}

static bool
check_ldap(const struct config *c, struct error *e)
{
	char message[sizeof(e->message)];

	if (!check_has_ldap(e))
		return false;
	if (c->auth_ldap_options[0] == '\0')
		return refuse(e, "auth_type ldap needs auth_ldap_options");
	if (ldap_options_check(c->auth_ldap_options, e))
		return true;
	string_copy(message, e->message, sizeof(message));
	return refuse(e, "auth_ldap_options: %s", message);
}

static bool
check_pam(const struct config *c, struct error *e)
{
	(void)c;
	return check_has_pam(e);
}

bool
access_check(const struct config *c, struct error *e)
{
	static bool (*const checks[])(const struct config *c, struct error *e) = {
		[AUTH_CERT] = check_cert,
		[AUTH_HBA] = check_hba,
		[AUTH_LDAP] = check_ldap,
		[AUTH_PAM] = check_pam,
	};
	size_t type = (size_t)c->auth_type;

	return type >= lengthof(checks) || checks[type] == NULL || checks[type](c, e);
}

/* --- auth_hba_file --- */

/* "@file" in a file is beside that file. */
static char *
read_list(void *arg, const char *from, const char *file, size_t *size, struct error *e)
{
	const char *slash = strrchr(from, '/');
	char *path, *text;

	(void)arg;
	if (file[0] == '/' || slash == NULL)
		return file_read(file, size, e);
	if (asprintf(&path, "%.*s/%s", (int)(slash - from), from, file) < 0)
		abort();
	text = file_read(path, size, e);
	free(path);
	return text;
}

static bool
check_rule(const struct hba_rule *rule, struct error *e)
{
	switch (rule->method) {
	case HBA_LDAP:
		return check_has_ldap(e) && ldap_options_check(rule->options, e);
	case HBA_PAM:
		return check_has_pam(e);
	case HBA_REJECT:
	case HBA_TRUST:
	case HBA_PLAIN:
	case HBA_MD5:
	case HBA_SCRAM_SHA_256:
	case HBA_CERT:
	case HBA_PEER:
		break;
	}
	return true;
}

static void
check_rules(const char *file, const struct hba *hba, struct faults *f)
{
	struct error e;

	for (const struct hba_rule *rule = NULL; (rule = hba_next(hba, rule)) != NULL;)
		if (!check_rule(rule, &e))
			faults_refuse(f, &(struct ini_place){ file, rule->line }, &e);
}

static void
warn_of_rules(const struct config *c, const struct config_access *a, struct faults *f)
{
	const char *file = c->auth_hba_file;
	int cert = 0;

	for (const struct hba_rule *rule = NULL; (rule = hba_next(a->hba, rule)) != NULL;) {
		if (rule->map != NULL && (a->ident == NULL || !ident_has_map(a->ident, rule->map)))
			faults_warn(f, &(struct ini_place){ file, rule->line },
				"map \"%s\" is not in auth_ident_file: the rule lets nobody in", rule->map);
		if (rule->method == HBA_CERT && cert == 0)
			cert = rule->line;
	}
	if (cert > 0 && (c->client_tls_sslmode == TLS_DISABLE || c->client_tls_ca_file[0] == '\0'))
		faults_warn(f, &(struct ini_place){ file, cert }, "rules with cert let nobody in: clients are asked for a "
			"certificate only with TLS and client_tls_ca_file");
}

/* Its message has the place. */
static void
refuse_line(void *arg, const struct error *e)
{
	faults_refuse(arg, NULL, e);
}

/* NULL: f was told. */
static char *
read_named(const char *path, const struct ini_place *named, size_t *size, struct faults *f)
{
	struct error e;
	char *text = file_read(path, size, &e);

	if (text == NULL)
		faults_refuse(f, named, &e);
	return text;
}

static void
load_hba(const struct config *c, struct config_access *a, struct faults *f)
{
	struct error e;
	size_t size;

	if (c->auth_type != AUTH_HBA || c->auth_hba_file[0] == '\0')
		return;
	char *text = read_named(c->auth_hba_file, FAULTS_KEY(f, auth_hba_file), &size, f);
	if (text == NULL)
		return;
	a->hba = hba_parse(c->auth_hba_file, text, size, read_list, refuse_line, f, &e);
	file_free(text, size);
	if (a->hba != NULL)
		check_rules(c->auth_hba_file, a->hba, f);
}

static void
load_ident(const struct config *c, struct config_access *a, struct faults *f)
{
	struct error e;
	size_t size;

	if (c->auth_ident_file[0] == '\0')
		return;
	char *text = read_named(c->auth_ident_file, FAULTS_KEY(f, auth_ident_file), &size, f);
	if (text == NULL)
		return;
	a->ident = ident_parse(c->auth_ident_file, text, size, refuse_line, f, &e);
	file_free(text, size);
}

/* --- all --- */

static void
drop_access(struct config_access *a)
{
	if (a == NULL || atomic_fetch_sub_explicit(&a->refs, 1, memory_order_acq_rel) != 1)
		return;
	hba_free(&a->hba);
	ident_free(&a->ident);
	free(a);
}

void
access_make(struct config *c, struct faults *f)
{
	struct config_access *a = memory_zalloc(sizeof(*a));
	size_t before = f->counts.errors;
	struct error e;

	atomic_init(&a->refs, 1);
	if (!access_check(c, &e))
		faults_refuse(f, FAULTS_KEY(f, auth_type), &e);
	load_ident(c, a, f);
	load_hba(c, a, f);
	if (faults_since(f, before)) {
		drop_access(a);
		return;
	}
	if (a->hba != NULL)
		warn_of_rules(c, a, f);
	drop_access(c->access);
	c->access = a;
	c->hba = a->hba;
	c->ident = a->ident;
}

void
access_ref(const struct config *c)
{
	if (c->access != NULL)
		atomic_fetch_add_explicit(&c->access->refs, 1, memory_order_relaxed);
}

void
access_unref(const struct config *c)
{
	drop_access(c->access);
}
