/*
 * What is typed on the console: every statement lies in the script and behind
 * the one before, and what parses is text that ends.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "console/syntax.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t
length(const char *text)
{
	return text != NULL ? strlen(text) : 0;
}

static void
parse(const char *statement, size_t len)
{
	char *copy = memory_strndup(statement, len); /* a reader that goes too far is seen */
	struct sentence s;

	if (sentence_parse(&s, copy, len)) {
		if (length(s.verb) + length(s.argument) + length(s.subject) + length(s.period) + length(s.value) > len)
			abort();
		if (s.value != NULL && s.argument == NULL)
			abort();
		sentence_release(&s);
	}
	free(copy);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *script = memory_alloc(size + 1);
	const char *rest = script, *end, *statement;
	size_t len;

	if (size > 0)
		memcpy(script, data, size);
	script[size] = '\0';
	end = script + strlen(script);
	while (rest < end) {
		const char *before = rest;

		if (!syntax_next(&rest, &statement, &len))
			break;
		if (statement < before || statement + len > rest || rest <= before || rest > end)
			abort();
		parse(statement, len);
	}
	free(script);
	return 0;
}
