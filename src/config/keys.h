/*
 * keys: every setting there is, once.
 *
 * A row says all that is known of a key: where it lives, how its text is read,
 * its default, its range, whether a reload is enough, and what it does.  The
 * parser, the defaults, SHOW CONFIG, the manual page and the sample file are
 * made from these rows.  A section is a list of groups, which are the chapters
 * of the manual.
 *
 * Constant tables; any thread.
 */
#ifndef CONFIG_KEYS_H
#define CONFIG_KEYS_H

#include <stddef.h>
#include <stdint.h>

enum key_type {
	KEY_BOOL,	/* int, 0 or 1 */
	KEY_INT,	/* int */
	KEY_AUTO,	/* int; "auto" is 0 */
	KEY_POOL,	/* int; "auto" is POOL_SIZE_AUTO */
	KEY_SIZE,	/* int64_t bytes; kB, MB and GB may follow */
	KEY_TIME,	/* usec_t; the text is in seconds */
	KEY_MSEC,	/* usec_t; the text is in milliseconds; ms, s and min may follow */
	KEY_GROWTH,	/* int, percent of what it was: 0 (off), or above 100 */
	KEY_MODE,	/* int; octal */
	KEY_ENUM,	/* int; one of words */
	KEY_BITS,	/* int; a list of words, or-ed */
	KEY_TEXT,	/* const char * */
	KEY_WORD,	/* const char *, one of words, or empty */
	KEY_WORDS,	/* const char *, a list of words */
	KEY_CHECK,	/* const char *: "<empty>" is "", and empty is NULL */
	KEY_DATABASE,	/* const char *: a database's name, not one of the console's */
	KEY_DEMANDS,	/* const char *: see config/demands.h */
	KEY_LISTEN,	/* const char *: see config/http.h */
	KEY_URL,	/* const char *: empty, or http:// and https:// */
	KEY_HOSTS,	/* const char *: see config/http.h */
	KEY_LIST,	/* const char *, a list of words, each once, at least one */
	KEY_NETWORKS,	/* const char *: see config/networks.h */
	KEY_SUFFIX,	/* const char *: empty, or a "." and what host names end with, in lower case */
	KEY_TENANT,	/* const char *: empty, or a name that a tenant may have */
	KEY_SETTINGS,	/* const char *: empty, or a list of key=value, as libpq takes it, or a postgresql:// URI */
	KEY_REDIS,	/* const char *: empty, or redis://... */
};

enum key_flag {
	KEY_RESTART = 1 << 0,	/* a reload keeps the old value */
	KEY_HIDDEN = 1 << 1,	/* may hold a password: never shown, never in a message */
	KEY_LATER = 1 << 2,	/* known, but this release does not act on it */
	KEY_IDLE = 1 << 3,	/* taken, as PgBouncer has it, but there is nothing to set */
	KEY_ALIAS = 1 << 4,	/* an old name: in no list */
	KEY_NULL = 1 << 5,	/* text: NULL when it is not set, instead of "" */

	/* what of a snapshot is made anew when SET changes it */
	KEY_CLIENT_TLS = 1 << 6,
	KEY_SERVER_TLS = 1 << 7,
	KEY_ACCESS = 1 << 8,	/* config/access.h */
	KEY_HTTP = 1 << 9,	/* config/http.h */

	KEY_FILE = 1 << 10,	/* SET can't change it, a reload does: lines were read by it */
};

#define SECONDS_MAX 1000000000 /* 31 years: no bound but that of the arithmetic */
#define MSEC_MAX (SECONDS_MAX * INT64_C(1000))

struct key_word {
	const char *word;
	int value;
};

/* min and max are in the text's unit.  A min of -1 is CONFIG_UNSET: the wider setting counts. */
struct key {
	const char *name;
	enum key_type type;
	unsigned flags;			/* enum key_flag */
	size_t offset;
	size_t size;			/* of the field: where an int is said above, int8_t and int16_t do, too */
	const char *def;		/* NULL: not set */
	int64_t min, max;
	const struct key_word *words;	/* ends with a NULL word */
	const char *unit;		/* in the manual: "seconds", ...; NULL: none */
	const char *help;		/* one to four sentences */
};

struct key_group {
	const char *title;
	const char *about;	/* a paragraph before the keys, or NULL */
	const struct key *keys;
	size_t nkeys;
};

struct key_section {
	const char *name;	/* NULL: it is a line by itself, of no section of the file */
	const char *about;
	const struct key_group *groups;
	size_t ngroups;
};

extern const struct key_section section_pgbouncer;	/* struct config */
extern const struct key_section section_databases;	/* struct config_database */
extern const struct key_section section_tenants;	/* the same */
extern const struct key_section section_users;		/* struct config_user */
extern const struct key_section section_hosts;		/* struct config_host */
extern const struct key_section section_limits;		/* struct config_limits */
extern const struct key_section section_peers;		/* struct config_peer */
extern const struct key_section section_tls_certificates;	/* struct tls_certificate */
extern const struct key_section section_http_tokens;	/* struct http_token; the hash stands before the keys */

/* The names of enum pool_mode, enum auth_type, enum load_balance_hosts, enum tls_mode and enum tenant_route. */
extern const struct key_word words_pool_mode[];
extern const struct key_word words_auth_type[];
extern const struct key_word words_load_balance_hosts[];
extern const struct key_word words_tls_mode[];
extern const struct key_word words_tenant_route[];

/* NULL: there is no such key. */
const struct key *key_find(const struct key_section *s, const char *name);

/* The key whose name is most like this one, for "did you mean"; NULL: none is near. */
const struct key *key_suggest(const struct key_section *s, const char *name);

/* How many letters are to be added, taken away or changed to make one name of the other; more than KEY_EDITS_MAX: they
 * have nothing to do with each other. */
#define KEY_EDITS_MAX 2 /* two letters changed places */
size_t key_count_edits(const char *a, const char *b);

/* Walk all keys in the order of the tables: start with a zeroed struct; NULL at the end. */
struct key_walk {
	size_t group, key;
};
const struct key *key_next(const struct key_section *s, struct key_walk *w);

/* The word of a value, or NULL. */
const char *key_word_of(const struct key_word *words, int value);

#endif
