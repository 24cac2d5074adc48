#include "threat/terms.h"

#include <pthread.h>
#include <string.h>

#include "base/memory.h"

#define SLOTS 512		/* a power of two, several times the number of words */

#define IS_VERB (1 << 0)	/* a statement may begin with it */
#define GOES_ON (1 << 1)	/* a statement may go on with it behind a condition */
#define IS_KEYWORD (1 << 2)	/* in quotes it is a name like any other */

struct word {
	const char *text;
	enum term term;
	int flags;
};

static const struct word words[] = {
	{ "select", TERM_SELECT, IS_VERB | IS_KEYWORD },
	{ "values", TERM_SELECT, IS_VERB | IS_KEYWORD },
	{ "table", TERM_SELECT, IS_VERB | IS_KEYWORD },
	{ "with", TERM_WITH, IS_VERB | IS_KEYWORD },
	{ "insert", TERM_INSERT, IS_VERB | IS_KEYWORD },
	{ "update", TERM_CHANGE, IS_VERB | IS_KEYWORD },
	{ "delete", TERM_CHANGE, IS_VERB | IS_KEYWORD },
	{ "copy", TERM_COPY, IS_VERB | IS_KEYWORD },
	{ "load", TERM_LOAD, IS_VERB | IS_KEYWORD },
	{ "create", TERM_DDL, IS_VERB | IS_KEYWORD },
	{ "alter", TERM_DDL, IS_VERB | IS_KEYWORD },
	{ "drop", TERM_DDL, IS_VERB | IS_KEYWORD },
	{ "truncate", TERM_DDL, IS_VERB | IS_KEYWORD },
	{ "grant", TERM_DDL, IS_VERB | IS_KEYWORD },
	{ "revoke", TERM_DDL, IS_VERB | IS_KEYWORD },
	{ "begin", TERM_FRAME, IS_VERB | IS_KEYWORD },
	{ "start", TERM_FRAME, IS_VERB | IS_KEYWORD },
	{ "commit", TERM_FRAME, IS_VERB | IS_KEYWORD },
	{ "end", TERM_FRAME, IS_VERB | IS_KEYWORD },
	{ "rollback", TERM_FRAME, IS_VERB | IS_KEYWORD },
	{ "abort", TERM_FRAME, IS_VERB | IS_KEYWORD },
	{ "savepoint", TERM_FRAME, IS_VERB | IS_KEYWORD },
	{ "release", TERM_FRAME, IS_VERB | IS_KEYWORD },
	{ "set", TERM_FRAME, IS_VERB | IS_KEYWORD },
	{ "reset", TERM_FRAME, IS_VERB | IS_KEYWORD },
	{ "show", TERM_FRAME, IS_VERB | IS_KEYWORD },
	{ "discard", TERM_FRAME, IS_VERB | IS_KEYWORD },
	{ "deallocate", TERM_FRAME, IS_VERB | IS_KEYWORD },
	{ "close", TERM_FRAME, IS_VERB | IS_KEYWORD },

	{ "and", TERM_AND, GOES_ON | IS_KEYWORD },
	{ "or", TERM_OR, GOES_ON | IS_KEYWORD },
	{ "not", TERM_NOT, IS_KEYWORD },
	{ "between", TERM_BETWEEN, IS_KEYWORD },
	{ "in", TERM_IN, IS_KEYWORD },
	{ "is", TERM_IS, IS_KEYWORD },
	{ "like", TERM_LIKE, IS_KEYWORD },
	{ "ilike", TERM_LIKE, IS_KEYWORD },
	{ "similar", TERM_LIKE, IS_KEYWORD },
	{ "exists", TERM_EXISTS, IS_KEYWORD },
	{ "when", TERM_WHEN, IS_KEYWORD },
	{ "where", TERM_WHERE, GOES_ON | IS_KEYWORD },
	{ "having", TERM_HAVING, GOES_ON | IS_KEYWORD },
	{ "group", TERM_NONE, GOES_ON | IS_KEYWORD },
	{ "order", TERM_NONE, GOES_ON | IS_KEYWORD },
	{ "limit", TERM_NONE, GOES_ON | IS_KEYWORD },
	{ "offset", TERM_NONE, GOES_ON | IS_KEYWORD },
	{ "returning", TERM_NONE, GOES_ON | IS_KEYWORD },
	{ "from", TERM_FROM, IS_KEYWORD },
	{ "to", TERM_TO, IS_KEYWORD },
	{ "program", TERM_PROGRAM, IS_KEYWORD },
	{ "extension", TERM_EXTENSION, IS_KEYWORD },
	{ "union", TERM_UNION, GOES_ON | IS_KEYWORD },
	{ "except", TERM_UNION, GOES_ON | IS_KEYWORD },
	{ "intersect", TERM_UNION, GOES_ON | IS_KEYWORD },
	{ "all", TERM_ALL, IS_KEYWORD },
	{ "distinct", TERM_ALL, IS_KEYWORD },
	{ "true", TERM_VALUE, IS_KEYWORD },
	{ "false", TERM_VALUE, IS_KEYWORD },
	{ "null", TERM_VALUE, IS_KEYWORD },

	{ "current_catalog", TERM_TELLS, IS_KEYWORD },
	{ "current_database", TERM_TELLS, 0 },
	{ "current_role", TERM_TELLS, IS_KEYWORD },
	{ "current_schema", TERM_TELLS, 0 },
	{ "current_schemas", TERM_TELLS, 0 },
	{ "current_setting", TERM_TELLS, 0 },
	{ "current_user", TERM_TELLS, IS_KEYWORD },
	{ "inet_client_addr", TERM_TELLS, 0 },
	{ "inet_server_addr", TERM_TELLS, 0 },
	{ "inet_server_port", TERM_TELLS, 0 },
	{ "pg_postmaster_start_time", TERM_TELLS, 0 },
	{ "session_user", TERM_TELLS, IS_KEYWORD },
	{ "version", TERM_TELLS, 0 },

	{ "chr", TERM_CHR, 0 },
	{ "generate_series", TERM_SERIES, 0 },
	{ "pg_sleep", TERM_SLEEP, 0 },
	{ "pg_sleep_for", TERM_SLEEP, 0 },
	{ "pg_sleep_until", TERM_SLEEP, 0 },

	/* The server's files, and other servers; some are of extensions. */
	{ "dblink", TERM_FILE, 0 },
	{ "dblink_connect", TERM_FILE, 0 },
	{ "dblink_connect_u", TERM_FILE, 0 },
	{ "dblink_exec", TERM_FILE, 0 },
	{ "dblink_send_query", TERM_FILE, 0 },
	{ "lo_export", TERM_FILE, 0 },
	{ "lo_import", TERM_FILE, 0 },
	{ "pg_current_logfile", TERM_FILE, 0 },
	{ "pg_file_read", TERM_FILE, 0 },
	{ "pg_file_rename", TERM_FILE, 0 },
	{ "pg_file_unlink", TERM_FILE, 0 },
	{ "pg_file_write", TERM_FILE, 0 },
	{ "pg_logdir_ls", TERM_FILE, 0 },
	{ "pg_ls_archive_statusdir", TERM_FILE, 0 },
	{ "pg_ls_dir", TERM_FILE, 0 },
	{ "pg_ls_logdir", TERM_FILE, 0 },
	{ "pg_ls_tmpdir", TERM_FILE, 0 },
	{ "pg_ls_waldir", TERM_FILE, 0 },
	{ "pg_read_binary_file", TERM_FILE, 0 },
	{ "pg_read_file", TERM_FILE, 0 },
	{ "pg_stat_file", TERM_FILE, 0 },

	/* What they are given is run. */
	{ "cursor_to_xml", TERM_RUNS, 0 },
	{ "database_to_xml", TERM_RUNS, 0 },
	{ "query_to_xml", TERM_RUNS, 0 },
	{ "query_to_xml_and_xmlschema", TERM_RUNS, 0 },
	{ "query_to_xmlschema", TERM_RUNS, 0 },
	{ "schema_to_xml", TERM_RUNS, 0 },
	{ "table_to_xml", TERM_RUNS, 0 },
	{ "ts_stat", TERM_RUNS, 0 },

	{ "information_schema", TERM_SCHEMA, 0 },
	{ "pg_attribute", TERM_CATALOGUE, 0 },
	{ "pg_auth_members", TERM_CATALOGUE, 0 },
	{ "pg_authid", TERM_CATALOGUE, 0 },
	{ "pg_class", TERM_CATALOGUE, 0 },
	{ "pg_config", TERM_CATALOGUE, 0 },
	{ "pg_database", TERM_CATALOGUE, 0 },
	{ "pg_file_settings", TERM_CATALOGUE, 0 },
	{ "pg_group", TERM_CATALOGUE, 0 },
	{ "pg_hba_file_rules", TERM_CATALOGUE, 0 },
	{ "pg_indexes", TERM_CATALOGUE, 0 },
	{ "pg_language", TERM_CATALOGUE, 0 },
	{ "pg_largeobject", TERM_CATALOGUE, 0 },
	{ "pg_matviews", TERM_CATALOGUE, 0 },
	{ "pg_namespace", TERM_CATALOGUE, 0 },
	{ "pg_proc", TERM_CATALOGUE, 0 },
	{ "pg_roles", TERM_CATALOGUE, 0 },
	{ "pg_settings", TERM_CATALOGUE, 0 },
	{ "pg_shadow", TERM_CATALOGUE, 0 },
	{ "pg_stat_activity", TERM_CATALOGUE, 0 },
	{ "pg_stat_user_tables", TERM_CATALOGUE, 0 },
	{ "pg_statistic", TERM_CATALOGUE, 0 },
	{ "pg_stats", TERM_CATALOGUE, 0 },
	{ "pg_tables", TERM_CATALOGUE, 0 },
	{ "pg_user", TERM_CATALOGUE, 0 },
	{ "pg_user_mapping", TERM_CATALOGUE, 0 },
	{ "pg_user_mappings", TERM_CATALOGUE, 0 },
	{ "pg_views", TERM_CATALOGUE, 0 },
};

/* Open addressing. */
static uint64_t slot_hash[SLOTS];
static const struct word *slot_word[SLOTS];
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void
fill_slots(void)
{
	for (size_t i = 0; i < lengthof(words); i++) {
		uint64_t hash = lexer_word_hash(words[i].text, strlen(words[i].text));
		size_t slot = hash % SLOTS;

		while (slot_word[slot] != NULL)
			slot = (slot + 1) % SLOTS;
		slot_hash[slot] = hash;
		slot_word[slot] = &words[i];
	}
}

void
terms_init(void)
{
	pthread_once(&once, fill_slots);
}

static const struct word *
find(uint64_t hash)
{
	size_t slot = hash % SLOTS;

	while (slot_word[slot] != NULL && slot_hash[slot] != hash)
		slot = (slot + 1) % SLOTS;
	return slot_word[slot];
}

enum term
terms_of(const struct token *t)
{
	const struct word *w = NULL;

	if (t->kind == TOKEN_WORD)
		w = find(t->hash);
	else if (t->kind == TOKEN_QUOTED && t->size > 2)
		w = find(lexer_word_hash(t->start + 1, t->size - 2));
	if (w == NULL || (t->kind == TOKEN_QUOTED && (w->flags & IS_KEYWORD) != 0))
		return TERM_NONE;
	return w->term;
}

enum term
terms_verb(const struct token *t)
{
	const struct word *w = t->kind == TOKEN_WORD ? find(t->hash) : NULL;

	return w != NULL && (w->flags & IS_VERB) != 0 ? w->term : TERM_OTHER;
}

bool
terms_goes_on(uint64_t hash)
{
	const struct word *w = find(hash);

	return w != NULL && (w->flags & GOES_ON) != 0;
}
