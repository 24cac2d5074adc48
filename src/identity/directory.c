#include "identity/directory.h"

#include "build.h"

#ifdef HAVE_LDAP
#include <ldap.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "base/sqlstate.h"
#include "base/strings.h"

#define PLACEHOLDER "$username"

static bool
refuse(struct error *e, const char *what)
{
	error_set(e, SEVERITY_ERROR, SQLSTATE_CONFIG_FILE, "%s", what);
	return false;
}

/* ---- words ---- */

static bool
is_separator(char c)
{
	return c != '\0' && strchr(" \t\r\n,", c) != NULL;
}

/* The word at *cursor without its quotes, in place; *cursor goes behind it.  NULL: a quote is not closed. */
static char *
take_word(char **cursor)
{
	char *p = *cursor, *word = p, *to = p;
	bool quoted = false;

	for (; *p != '\0' && (quoted || !is_separator(*p)); p++) {
		if (*p != '"')
			*to++ = *p;
		else if (quoted && p[1] == '"')
			*to++ = *p++;
		else
			quoted = !quoted;
	}
	if (quoted)
		return NULL;
	*cursor = *p == '\0' ? p : p + 1;
	*to = '\0';
	return word;
}

/* ---- options ---- */

static bool
set_port(struct directory *d, const char *value, struct error *e)
{
	int64_t port;

	if (!string_to_int64(value, &port) || port < 1 || port > 65535)
		return refuse(e, "ldapport must be a number from 1 to 65535");
	d->port = (int)port;
	return true;
}

static bool
set_scheme(struct directory *d, const char *value, struct error *e)
{
	d->ldaps = strcmp(value, "ldaps") == 0;
	return d->ldaps || strcmp(value, "ldap") == 0 || refuse(e, "ldapscheme must be ldap or ldaps");
}

static bool
set_start_tls(struct directory *d, const char *value, struct error *e)
{
	d->start_tls = strcmp(value, "1") == 0;
	return d->start_tls || strcmp(value, "0") == 0 || refuse(e, "ldaptls must be 0 or 1");
}

static void
use_url(struct directory *d, const LDAPURLDesc *url)
{
	if (url->lud_host != NULL && url->lud_host[0] != '\0')
		d->servers = url->lud_host;
	if (url->lud_dn != NULL && url->lud_dn[0] != '\0')
		d->base = url->lud_dn;
	if (url->lud_attrs != NULL && url->lud_attrs[0] != NULL && url->lud_attrs[0][0] != '\0')
		d->attribute = url->lud_attrs[0];
	if (url->lud_filter != NULL && url->lud_filter[0] != '\0')
		d->filter = url->lud_filter;
	d->ldaps = strcmp(url->lud_scheme, "ldaps") == 0;
	d->port = url->lud_port;
	d->scope = url->lud_scope == LDAP_SCOPE_SUBTREE ? DIRECTORY_SUBTREE :
		   url->lud_scope == LDAP_SCOPE_ONELEVEL ? DIRECTORY_ONE_LEVEL : DIRECTORY_BASE;
}

/* RFC 4516: ldap://host:port/base?attribute?scope?filter */
static bool
set_url(struct directory *d, const char *value, struct error *e)
{
	LDAPURLDesc *url = NULL;

	if (d->url != NULL)
		return refuse(e, "ldapurl is given twice");
	if (ldap_url_parse(value, &url) != LDAP_URL_SUCCESS)
		return refuse(e, "ldapurl must read ldap://host:port/base?attribute?scope?filter");
	d->url = url;
	if (strcmp(url->lud_scheme, "ldap") != 0 && strcmp(url->lud_scheme, "ldaps") != 0)
		return refuse(e, "ldapurl must begin with ldap:// or ldaps://");
	if (url->lud_port < 1 || url->lud_port > 65535)
		return refuse(e, "ldapurl's port must be a number from 1 to 65535");
	if (url->lud_scope > LDAP_SCOPE_SUBTREE)
		return refuse(e, "ldapurl's scope must be base, one or sub");
	use_url(d, url);
	return true;
}

static const struct option {
	const char *name;
	size_t text;		/* where its text goes, */
	bool (*set)(struct directory *d, const char *value, struct error *e);	/* unless it is more than that */
} options[] = {
	{ "ldapserver", offsetof(struct directory, servers), NULL },
	{ "ldapport", 0, set_port },
	{ "ldapscheme", 0, set_scheme },
	{ "ldaptls", 0, set_start_tls },
	{ "ldapprefix", offsetof(struct directory, prefix), NULL },
	{ "ldapsuffix", offsetof(struct directory, suffix), NULL },
	{ "ldapbasedn", offsetof(struct directory, base), NULL },
	{ "ldapbinddn", offsetof(struct directory, bind_dn), NULL },
	{ "ldapbindpasswd", offsetof(struct directory, bind_password), NULL },
	{ "ldapsearchattribute", offsetof(struct directory, attribute), NULL },
	{ "ldapsearchfilter", offsetof(struct directory, filter), NULL },
	{ "ldapurl", 0, set_url },
};

static bool
set_option(struct directory *d, const char *name, const char *value, struct error *e)
{
	for (size_t i = 0; i < lengthof(options); i++) {
		if (strcmp(options[i].name, name) != 0)
			continue;
		if (options[i].set != NULL)
			return options[i].set(d, value, e);
		*(const char **)((char *)d + options[i].text) = value;
		return true;
	}
	error_set(e, SEVERITY_ERROR, SQLSTATE_CONFIG_FILE, "there is no LDAP option \"%.60s\"", name);
	return false;
}

static bool
read_options(struct directory *d, struct error *e)
{
	char *cursor = d->text;

	for (;;) {
		char *word, *value;

		while (is_separator(*cursor))
			cursor++;
		if (*cursor == '\0')
			return true;
		word = take_word(&cursor);
		if (word == NULL)
			return refuse(e, "an LDAP option has no closing quote");
		value = strchr(word, '=');
		if (value == NULL || value == word)
			return refuse(e, "LDAP options must read name=value name=\"value with blanks\"");
		*value++ = '\0';
		if (!set_option(d, word, value, e))
			return false;
	}
}

/* ---- the whole ---- */

#define LETTERS_AND_DIGITS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

static bool
consists_of(const char *s, const char *letters)
{
	return *s != '\0' && s[strspn(s, letters)] == '\0';
}

static bool
check_search(const struct directory *d, struct error *e)
{
	if (d->prefix != NULL || d->suffix != NULL)
		return refuse(e, "ldapprefix and ldapsuffix do not go with a search (ldapbasedn, ldapurl)");
	if (d->attribute != NULL && d->filter != NULL)
		return refuse(e, "a search has either an attribute or a filter: ldapsearchattribute, "
			"ldapsearchfilter, or one of both in ldapurl");
	if (d->attribute != NULL && !consists_of(d->attribute, LETTERS_AND_DIGITS "-.;"))
		return refuse(e, "the attribute to search is no LDAP attribute name");
	if (d->filter != NULL && strstr(d->filter, PLACEHOLDER) == NULL)
		return refuse(e, "the filter has no $username in it: it would find the same entry for everybody");
	if (d->bind_password != NULL && d->bind_dn == NULL)
		return refuse(e, "ldapbindpasswd wants an ldapbinddn");
	return true;
}

static bool
check_simple(const struct directory *d, struct error *e)
{
	if (d->bind_dn != NULL || d->bind_password != NULL || d->attribute != NULL || d->filter != NULL)
		return refuse(e, "ldapbinddn, ldapbindpasswd, ldapsearchattribute and ldapsearchfilter want an ldapbasedn");
	if (d->prefix == NULL && d->suffix == NULL)
		return refuse(e, "LDAP wants ldapprefix or ldapsuffix (simple bind), or ldapbasedn or ldapurl (search)");
	if (d->servers == NULL)
		return refuse(e, "LDAP wants a server: ldapserver, or one in ldapurl");
	return true;
}

static bool
check_whole(struct directory *d, struct error *e)
{
	if (d->servers != NULL && d->servers[strspn(d->servers, " \t")] == '\0')
		d->servers = NULL;
	if (d->base != NULL ? !check_search(d, e) : !check_simple(d, e))
		return false;
	if (d->servers != NULL && !consists_of(d->servers, LETTERS_AND_DIGITS "-._:[]% \t"))
		return refuse(e, "LDAP servers must be host names or addresses, separated by blanks");
	return true;
}

bool
directory_parse(struct directory *d, const char *text, struct error *e)
{
	*d = (struct directory){
		.scope = DIRECTORY_SUBTREE,
		.text = memory_strdup(text),
		.size = strlen(text),
	};
	if (read_options(d, e) && check_whole(d, e))
		return true;
	directory_release(d);
	return false;
}

void
directory_release(struct directory *d)
{
	memory_wipe(d->text, d->size);
	free(d->text);
	ldap_free_urldesc(d->url);
	*d = (struct directory){ .text = NULL };
}

/* ---- what is asked ---- */

static void
add(struct buffer *b, const char *s)
{
	buffer_append(b, s, strlen(s));
}

static char *
take_string(struct buffer *b)
{
	buffer_append(b, "", 1);
	return (char *)b->data;
}

/* host may bring a port of its own; an IPv6 address wants brackets. */
static void
add_host(struct buffer *b, const char *host, int port)
{
	const char *bracket = strrchr(host, ']');
	const char *colon = strchr(bracket != NULL ? bracket : host, ':');
	bool bare6 = bracket == NULL && colon != NULL && strchr(colon + 1, ':') != NULL;
	char number[16];

	add(b, bare6 ? "[" : "");
	add(b, host);
	add(b, bare6 ? "]" : "");
	snprintf(number, sizeof(number), ":%d", port);
	if (colon == NULL || bare6)
		add(b, number);
}

char *
directory_next_uri(const struct directory *d, const char **servers)
{
	const char *start = *servers + strspn(*servers, " \t");
	size_t n = strcspn(start, " \t");
	struct buffer b = BUFFER_INIT;
	char *host;

	*servers = start + n;
	if (n == 0)
		return NULL;
	host = memory_strndup(start, n);
	add(&b, "ldap://");
	add_host(&b, host, d->port != 0 ? d->port : d->ldaps ? LDAPS_PORT : LDAP_PORT);
	free(host);
	return take_string(&b);
}

/* s, with each byte that `special` has as a backslash and two digits. */
static void
add_quoted(struct buffer *b, const char *s, const char *special)
{
	char code[4];

	for (; *s != '\0'; s++) {
		if (strchr(special, *s) == NULL) {
			buffer_append(b, s, 1);
			continue;
		}
		snprintf(code, sizeof(code), "\\%02x", (unsigned)(unsigned char)*s);
		buffer_append(b, code, 3);
	}
}

/* RFC 4514, section 2.4: blanks matter at both ends only, but may be quoted everywhere. */
static void
add_to_dn(struct buffer *b, const char *user)
{
	add_quoted(b, user, " \"#+,;<=>\\");
}

/* Not every directory wants a DN: DOMAIN\user and user@domain are names as they are. */
char *
directory_user_dn(const struct directory *d, const char *user)
{
	struct buffer b = BUFFER_INIT;

	if (d->prefix != NULL)
		add(&b, d->prefix);
	if (d->prefix != NULL && strchr(d->prefix, '=') != NULL)
		add_to_dn(&b, user);
	else
		add(&b, user);
	if (d->suffix != NULL)
		add(&b, d->suffix);
	return take_string(&b);
}

/* RFC 4515, section 3 */
static void
add_to_filter(struct buffer *b, const char *user)
{
	add_quoted(b, user, "*()\\");
}

char *
directory_user_filter(const struct directory *d, const char *user)
{
	struct buffer b = BUFFER_INIT;
	const char *p = d->filter, *at;

	if (p == NULL) {
		add(&b, "(");
		add(&b, d->attribute != NULL ? d->attribute : "uid");
		add(&b, "=");
		add_to_filter(&b, user);
		add(&b, ")");
		return take_string(&b);
	}
	for (; (at = strstr(p, PLACEHOLDER)) != NULL; p = at + strlen(PLACEHOLDER)) {
		buffer_append(&b, p, (size_t)(at - p));
		add_to_filter(&b, user);
	}
	add(&b, p);
	return take_string(&b);
}

#endif
