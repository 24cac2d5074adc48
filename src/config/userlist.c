#include "config/userlist.h"

#include <string.h>

#include "auth/secret.h"
#include "base/sqlstate.h"
#include "config/scan.h"

static bool
refuse(struct error *e, const char *what)
{
	error_set(e, SEVERITY_ERROR, SQLSTATE_CONFIG_FILE, "%s", what);
	return false;
}

static bool
parse_line(char *p, userlist_fn *fn, void *arg, struct error *e)
{
	char *user, *password;

	p = scan_blanks(p);
	if (*p == '\0' || *p == ';' || *p == '#')
		return true;
	if (*p != '"')
		return refuse(e, "a line must read \"user\" \"password\", both in double quotes");
	p = scan_quoted(p, &user);
	if (p == NULL)
		return refuse(e, "the user's name has no closing quote");
	p = scan_blanks(p);
	if (*p != '"')
		return refuse(e, "the password must follow the user's name, in double quotes");
	p = scan_quoted(p, &password);
	if (p == NULL)
		return refuse(e, "the password has no closing quote");
	if (*user == '\0' || strlen(user) > USERLIST_NAME_MAX)
		return refuse(e, "a user's name has 1 to 127 bytes");
	if (strlen(password) >= SECRET_MAX)
		return refuse(e, "a password has at most 65534 bytes");
	fn(arg, user, password);
	return true;
}

void
userlist_parse(const char *name, char *text, size_t size, userlist_fn *fn, userlist_refused_fn *refused, void *arg)
{
	struct ini_place at = { name, 0 };
	char *end = text + size;
	struct error e;
	bool good = true;

	*end = '\0';
	if (size >= strlen(SCAN_BOM) && memcmp(text, SCAN_BOM, strlen(SCAN_BOM)) == 0)
		text += strlen(SCAN_BOM);
	for (char *line = text; line < end && good;) {
		char *eol = memchr(line, '\n', (size_t)(end - line));
		eol = eol == NULL ? end : eol;
		*eol = '\0';
		at.line++;
		good = strlen(line) == (size_t)(eol - line) || refuse(&e, "the line holds a zero byte: is this a text file?");
		if (!good || !parse_line(line, fn, arg, &e))
			refused(arg, &at, &e);
		line = eol + 1;
	}
}
