#include "config/connstr.h"

#include <string.h>

#include "base/sqlstate.h"

#define BLANKS " \t\r\n\v\f"

static enum connstr_step
refuse(struct error *e, const char *what)
{
	error_set(e, SEVERITY_ERROR, SQLSTATE_CONFIG_FILE, "%s", what);
	return CONNSTR_BROKEN;
}

/* p is at the opening quote.  Returns what follows the closing one, or NULL. */
static char *
take_quoted(char *p, char **value)
{
	char *to = ++p;

	*value = p;
	for (; *p != '\0'; *to++ = *p++) {
		if (*p != '\'')
			continue;
		if (p[1] != '\'') {
			*to = '\0';
			return p + 1;
		}
		p++;
	}
	return NULL;
}

static enum connstr_step
take_value(char *p, char **cursor, char **value, struct error *e)
{
	char *end;

	if (*p == '\'') {
		end = take_quoted(p, value);
		if (end == NULL)
			return refuse(e, "a value has no closing quote");
		if (*end != '\0' && strchr(BLANKS, *end) == NULL)
			return refuse(e, "a blank must follow a value's closing quote");
	} else {
		*value = p;
		end = p + strcspn(p, BLANKS);
	}
	if (*end != '\0')
		*end++ = '\0';
	*cursor = end;
	return CONNSTR_PAIR;
}

enum connstr_step
connstr_next(char **cursor, char **key, char **value, struct error *e)
{
	char *p = *cursor + strspn(*cursor, BLANKS);
	enum connstr_step step;

	if (*p == '\0')
		return CONNSTR_END;
	*key = p;
	char *end = p + strcspn(p, BLANKS "=");
	p = end + strspn(end, BLANKS);
	if (*p != '=' || end == *key)
		return refuse(e, "the settings must read \"key=value key='value with blanks'\"");
	*end = '\0';
	p += 1 + strspn(p + 1, BLANKS);
	step = take_value(p, cursor, value, e);
	if (step == CONNSTR_PAIR && **value == '\0') {
		error_set(e, SEVERITY_ERROR, SQLSTATE_CONFIG_FILE,
			"%.60s has no value: leave the key out to leave it unset", *key);
		return CONNSTR_BROKEN;
	}
	return step;
}
