#include "config/connstr.h"

#include <stddef.h>

#include "base/sqlstate.h"
#include "config/scan.h"

static enum connstr_step
refuse(struct error *e, const char *what)
{
	error_set(e, SEVERITY_ERROR, SQLSTATE_CONFIG_FILE, "%s", what);
	return CONNSTR_BROKEN;
}

static enum connstr_step
take_value(char *p, char **cursor, char **value, struct error *e)
{
	char *end;

	if (*p == '\'') {
		end = scan_quoted(p, value);
		if (end == NULL)
			return refuse(e, "a value has no closing quote");
		if (*end != '\0' && !scan_is_blank(*end))
			return refuse(e, "a blank must follow a value's closing quote");
	} else {
		*value = p;
		end = scan_word(p);
	}
	if (*end != '\0')
		*end++ = '\0';
	*cursor = end;
	return CONNSTR_PAIR;
}

enum connstr_step
connstr_next(char **cursor, char **key, char **value, struct error *e)
{
	char *p = scan_blanks(*cursor);
	enum connstr_step step;

	if (*p == '\0')
		return CONNSTR_END;
	*key = p;
	char *end = scan_name(p);
	p = scan_blanks(end);
	if (*p != '=' || end == *key)
		return refuse(e, "the settings must read \"key=value key='value with blanks'\"");
	*end = '\0';
	step = take_value(scan_blanks(p + 1), cursor, value, e);
	if (step == CONNSTR_PAIR && **value == '\0') {
		error_set(e, SEVERITY_ERROR, SQLSTATE_CONFIG_FILE,
			"%.60s has no value: leave the key out to leave it unset", *key);
		return CONNSTR_BROKEN;
	}
	return step;
}
