/*
 * hba: rules in the form of pg_hba.conf, and maps in the form of pg_ident.conf.
 *
 * Text in, rules out; then one question: which rule is for this connection?
 * Pure functions; a parsed table never changes and may be read by any thread.
 *
 * As PostgreSQL has it: local, host, hostssl, hostnossl; databases and users
 * as lists with all, sameuser, replication and quoted names (a quoted keyword
 * is a name); an address as CIDR, with a separate mask, all, samehost or
 * samenet; a method; options as name=value.  The first rule that fits counts.
 * "@file" is read by who loads the text (hba_read_fn).  Groups (+name),
 * regular expressions (/...) and host names are errors, as a rule that is
 * skipped would open or close a door without a word.
 */
#ifndef AUTH_HBA_H
#define AUTH_HBA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct hba;
struct ident;

enum hba_method {
	HBA_REJECT,
	HBA_TRUST,
	HBA_PLAIN,		/* "password" and "plain" */
	HBA_MD5,
	HBA_SCRAM_SHA_256,
	HBA_CERT,
	HBA_PEER,
	HBA_LDAP,
	HBA_PAM,
};

/* The rule that counts; strings live as long as the table. */
struct hba_rule {
	enum hba_method method;
	const char *map;		/* map=, or NULL */
	const char *options;		/* ldap: all of them, `name="value" name="value"`, with "" for a quote in a
					 * value; else "" */
	int line;
};

struct hba_connection {
	bool local;			/* a Unix socket */
	bool tls;
	bool replication;
	const char *database;
	const char *user;
	int family;			/* AF_INET or AF_INET6; IPv4 in IPv6 (::ffff:...) counts as IPv4 */
	const uint8_t *address;		/* 4 or 16 bytes */
	/* For samehost and samenet: is the address one of ours, or (net) in a net of ours?  NULL: no. */
	bool (*is_near)(void *arg, bool net);
	void *arg;
};

/* Contents of a file named by "@file" in file `from`, beside which it is unless it begins with a slash: owned by the
 * caller, NUL-terminated; NULL: e. */
typedef char *hba_read_fn(void *arg, const char *from, const char *file, size_t *size, struct error *e);

/* Is told of each line that is wrong: F0000, with file, line, and what is wrong. */
typedef void hba_refused_fn(void *arg, const struct error *e);

/* name is the file's, for messages.  read NULL: "@file" is an error.  refused NULL: the first error ends the reading.
 * arg is that of both.  NULL: e is one of the errors.  text is not changed. */
struct hba *hba_parse(const char *name, const char *text, size_t size, hba_read_fn *read, hba_refused_fn *refused, void *arg,
	struct error *e);
void hba_free(struct hba **h);		/* NULL is fine */

/* NULL: no rule fits, which means no. */
const struct hba_rule *hba_find(const struct hba *h, const struct hba_connection *c);

/* All rules, in order: NULL starts, NULL ends. */
const struct hba_rule *hba_next(const struct hba *h, const struct hba_rule *after);

/* Is there a rule with this method? */
bool hba_uses(const struct hba *h, enum hba_method method);

/* map-name system-name database-user, one a line; database-user may be all. */
struct ident *ident_parse(const char *name, const char *text, size_t size, hba_refused_fn *refused, void *arg,
	struct error *e);
void ident_free(struct ident **i);	/* NULL is fine */
bool ident_has_map(const struct ident *i, const char *map);

/* May who is known as system_name elsewhere be this user?  i may be NULL: no map has an entry. */
bool ident_allows(const struct ident *i, const char *map, const char *system_name, const char *user);

const char *hba_method_name(enum hba_method method);

#endif
