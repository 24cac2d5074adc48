#include "sql/words.h"

#include <pthread.h>
#include <string.h>

#include "base/memory.h"
#include "sql/lexer.h"

#define SLOTS 512		/* a power of two, several times the number of words */

const struct word words_plain = { .text = "" };

static const struct word words[] = {
	/* statements */
	{ "abort", .verb = SQL_ROLLBACK, .flags = WORD_HANDLES },
	{ "alter", .verb = SQL_DDL },
	{ "analyse", .verb = SQL_MAINTENANCE },
	{ "analyze", .verb = SQL_MAINTENANCE },
	{ "begin", .id = WORD_BEGIN, .verb = SQL_BEGIN },
	{ "call", .verb = SQL_CALL },
	{ "checkpoint", .verb = SQL_MAINTENANCE },
	{ "close", .verb = SQL_CURSOR, .flags = WORD_HANDLES },
	{ "cluster", .verb = SQL_MAINTENANCE },
	{ "comment", .verb = SQL_DDL },
	{ "commit", .verb = SQL_COMMIT },
	{ "copy", .verb = SQL_COPY },
	{ "create", .id = WORD_CREATE, .verb = SQL_DDL },
	{ "deallocate", .verb = SQL_PREPARE, .flags = WORD_HANDLES },
	{ "declare", .id = WORD_DECLARE, .verb = SQL_CURSOR },
	{ "delete", .verb = SQL_DELETE, .flags = WORD_MAIN },
	{ "discard", .verb = SQL_DISCARD },
	{ "do", .verb = SQL_DO },
	{ "drop", .verb = SQL_DDL },
	{ "end", .id = WORD_END, .verb = SQL_COMMIT },
	{ "execute", .verb = SQL_EXECUTE },
	{ "explain", .verb = SQL_EXPLAIN },
	{ "fetch", .verb = SQL_CURSOR, .flags = WORD_HANDLES | WORD_OPERAND },
	{ "grant", .verb = SQL_DDL },
	{ "import", .verb = SQL_DDL },
	{ "insert", .id = WORD_INSERT, .verb = SQL_INSERT, .flags = WORD_MAIN },
	{ "listen", .verb = SQL_NOTIFY },
	{ "lock", .verb = SQL_LOCK },
	{ "merge", .id = WORD_MERGE, .verb = SQL_MERGE, .flags = WORD_MAIN },
	{ "move", .verb = SQL_CURSOR, .flags = WORD_HANDLES },
	{ "notify", .verb = SQL_NOTIFY },
	{ "prepare", .verb = SQL_PREPARE, .flags = WORD_KEPT },
	{ "reassign", .verb = SQL_DDL },
	{ "refresh", .verb = SQL_MAINTENANCE },
	{ "reindex", .verb = SQL_DDL },
	{ "release", .verb = SQL_SAVEPOINT, .flags = WORD_HANDLES },
	{ "reset", .verb = SQL_SET },
	{ "revoke", .verb = SQL_DDL },
	{ "rollback", .verb = SQL_ROLLBACK, .flags = WORD_HANDLES },
	{ "savepoint", .verb = SQL_SAVEPOINT, .flags = WORD_HANDLES | WORD_KEPT },
	{ "security", .verb = SQL_DDL },
	{ "select", .verb = SQL_SELECT, .flags = WORD_MAIN | WORD_QUERY | WORD_OPERAND },
	{ "set", .verb = SQL_SET },
	{ "show", .verb = SQL_SHOW },
	{ "start", .verb = SQL_BEGIN },
	{ "table", .verb = SQL_SELECT, .flags = WORD_MAIN | WORD_QUERY },
	{ "truncate", .verb = SQL_DDL },
	{ "unlisten", .verb = SQL_NOTIFY },
	{ "update", .id = WORD_UPDATE, .verb = SQL_UPDATE, .flags = WORD_MAIN },
	{ "vacuum", .verb = SQL_MAINTENANCE },
	{ "values", .id = WORD_VALUES, .verb = SQL_SELECT, .flags = WORD_MAIN | WORD_QUERY },
	{ "with", .id = WORD_WITH, .verb = SQL_SELECT, .flags = WORD_QUERY },

	/* Only such behind which a column of this name is hardly ever subtracted from. */
	{ "and", .flags = WORD_OPERAND | WORD_KEPT },
	{ "between", .flags = WORD_OPERAND },
	{ "by", .flags = WORD_OPERAND },
	{ "case", .id = WORD_CASE, .flags = WORD_OPERAND },
	{ "default", .flags = WORD_OPERAND },
	{ "distinct", .flags = WORD_OPERAND },
	{ "else", .flags = WORD_OPERAND },
	{ "escape", .flags = WORD_OPERAND },
	{ "from", .flags = WORD_OPERAND | WORD_KEPT },
	{ "having", .flags = WORD_OPERAND },
	{ "ilike", .flags = WORD_OPERAND },
	{ "like", .flags = WORD_OPERAND },
	{ "limit", .flags = WORD_OPERAND },
	{ "offset", .flags = WORD_OPERAND },
	{ "or", .flags = WORD_OPERAND | WORD_TEMP_WAY },
	{ "returning", .flags = WORD_OPERAND },
	{ "then", .flags = WORD_OPERAND },
	{ "to", .flags = WORD_OPERAND | WORD_KEPT },
	{ "using", .flags = WORD_OPERAND },
	{ "when", .flags = WORD_OPERAND },
	{ "where", .flags = WORD_OPERAND },

	{ "false", .flags = WORD_CONSTANT },
	{ "null", .flags = WORD_CONSTANT },
	{ "true", .flags = WORD_CONSTANT },

	{ "array", .id = WORD_ARRAY },
	{ "atomic", .id = WORD_ATOMIC },
	{ "in", .id = WORD_IN, .flags = WORD_KEPT },
	{ "recursive", .id = WORD_RECURSIVE },

	/* FETCH, MOVE, CLOSE, DEALLOCATE, ROLLBACK, RELEASE */
	{ "absolute", .flags = WORD_KEPT },
	{ "all", .flags = WORD_KEPT },
	{ "backward", .flags = WORD_KEPT },
	{ "chain", .flags = WORD_KEPT },
	{ "first", .flags = WORD_KEPT },
	{ "forward", .flags = WORD_KEPT },
	{ "last", .flags = WORD_KEPT },
	{ "next", .flags = WORD_KEPT },
	{ "no", .flags = WORD_KEPT },
	{ "prepared", .flags = WORD_KEPT },
	{ "prior", .flags = WORD_KEPT },
	{ "relative", .flags = WORD_KEPT },
	{ "transaction", .flags = WORD_KEPT },
	{ "work", .flags = WORD_KEPT },

	{ "global", .flags = WORD_TEMP_WAY },
	{ "into", .id = WORD_INTO },
	{ "local", .flags = WORD_TEMP_WAY },
	{ "pg_settings", .id = WORD_PG_SETTINGS },
	{ "pg_temp", .id = WORD_PG_TEMP },
	{ "replace", .flags = WORD_TEMP_WAY },
	{ "temp", .id = WORD_TEMP },
	{ "temporary", .id = WORD_TEMP },

	/* Calls; set_limit is pg_trgm's, and sets a parameter. */
	{ "pg_advisory_lock", .effects = SQL_EFFECT_LOCKS },
	{ "pg_advisory_lock_shared", .effects = SQL_EFFECT_LOCKS },
	{ "pg_try_advisory_lock", .effects = SQL_EFFECT_LOCKS },
	{ "pg_try_advisory_lock_shared", .effects = SQL_EFFECT_LOCKS },
	{ "set_config", .id = WORD_SET_CONFIG, .effects = SQL_EFFECT_SETTINGS },
	{ "set_limit", .effects = SQL_EFFECT_SETTINGS },

	/* What they are given is code, or names a file; some are of extensions. */
	{ "crosstab", .effects = SQL_EFFECT_CODE },
	{ "cursor_to_xml", .effects = SQL_EFFECT_CODE },
	{ "dblink", .effects = SQL_EFFECT_CODE },
	{ "dblink_exec", .effects = SQL_EFFECT_CODE },
	{ "dblink_open", .effects = SQL_EFFECT_CODE },
	{ "dblink_send_query", .effects = SQL_EFFECT_CODE },
	{ "lo_export", .effects = SQL_EFFECT_CODE },
	{ "lo_import", .effects = SQL_EFFECT_CODE },
	{ "pg_ls_dir", .effects = SQL_EFFECT_CODE },
	{ "pg_read_binary_file", .effects = SQL_EFFECT_CODE },
	{ "pg_read_file", .effects = SQL_EFFECT_CODE },
	{ "pg_stat_file", .effects = SQL_EFFECT_CODE },
	{ "query_to_xml", .effects = SQL_EFFECT_CODE },
	{ "query_to_xml_and_xmlschema", .effects = SQL_EFFECT_CODE },
	{ "query_to_xmlschema", .effects = SQL_EFFECT_CODE },
	{ "ts_rewrite", .effects = SQL_EFFECT_CODE },
	{ "ts_stat", .effects = SQL_EFFECT_CODE },
	{ "xpath_table", .effects = SQL_EFFECT_CODE },

	{ "function", .id = WORD_FUNCTION },
	{ "procedure", .id = WORD_FUNCTION },
	{ "program", .id = WORD_PROGRAM },
};

/* Open addressing; an empty slot has the plain word. */
static uint64_t slot_hash[SLOTS];
static const struct word *slot_word[SLOTS];
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void
fill_slots(void)
{
	for (size_t i = 0; i < SLOTS; i++)
		slot_word[i] = &words_plain;
	for (size_t i = 0; i < lengthof(words); i++) {
		uint64_t hash = lexer_word_hash(words[i].text, strlen(words[i].text));
		size_t slot = hash % SLOTS;
		while (slot_word[slot] != &words_plain)
			slot = (slot + 1) % SLOTS;
		slot_hash[slot] = hash;
		slot_word[slot] = &words[i];
	}
}

void
words_init(void)
{
	pthread_once(&once, fill_slots);
}

const struct word *
words_find(uint64_t hash)
{
	size_t slot = hash % SLOTS;

	while (slot_hash[slot] != hash && slot_word[slot] != &words_plain)
		slot = (slot + 1) % SLOTS;
	return slot_word[slot];
}
