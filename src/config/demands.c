#include "config/demands.h"

#include <string.h>

#include "base/memory.h"
#include "base/strings.h"
#include "config/config.h"

#define WORD_SIZE 24

static const struct {
	const char *word;
	unsigned demands;
	bool may_be_forbidden;
} words[] = {
	{ "none", DEMAND_NONE, true },
	{ "password", DEMAND_PASSWORD, true },
	{ "md5", DEMAND_MD5, true },
	{ "scram-sha-256", DEMAND_SCRAM | DEMAND_SCRAM_PLUS, true },
	{ "scram-sha-256-plus", DEMAND_SCRAM_PLUS, false },
	{ "gss", 0, true },
	{ "sspi", 0, true },
	{ "oauth", 0, true },
};

/* The word at p without the blanks around it.  Returns what follows, behind its comma, or NULL at
 * the end; a word that is too long for all of ours comes out as "". */
static const char *
take_word(const char *p, char *word)
{
	size_t n = strcspn(p, ",");
	const char *next = p[n] == ',' ? p + n + 1 : NULL;

	while (n > 0 && *p == ' ') {
		p++;
		n--;
	}
	while (n > 0 && p[n - 1] == ' ')
		n--;
	string_copy(word, n < WORD_SIZE ? p : "", n < WORD_SIZE ? n + 1 : 1);
	return next;
}

static bool
find_word(const char *word, size_t *i)
{
	for (*i = 0; *i < lengthof(words); ++*i)
		if (strcmp(words[*i].word, word) == 0)
			return true;
	return false;
}

bool
demands_parse(const char *text, unsigned *demands)
{
	bool forbids = text[strspn(text, " ")] == '!';
	unsigned seen = 0, named = 0;
	char word[WORD_SIZE];
	size_t i;

	if (*text == '\0') {
		*demands = DEMAND_ANY;
		return true;
	}
	for (const char *p = text; p != NULL;) {
		p = take_word(p, word);
		if ((word[0] == '!') != forbids || !find_word(word + forbids, &i))
			return false;
		if ((seen & 1u << i) != 0 || (forbids && !words[i].may_be_forbidden))
			return false;
		seen |= 1u << i;
		named |= words[i].demands;
	}
	named = forbids ? DEMAND_ANY & ~named : named;
	if (named == 0)
		return false;
	*demands = named;
	return true;
}
