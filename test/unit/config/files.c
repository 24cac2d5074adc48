#include "files.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"

static char dir[] = "/tmp/pgusher-config-XXXXXX";

void
files_begin(void)
{
	struct error e;

	cr_assert_not_null(mkdtemp(dir));
	cr_assert_eq(chdir(dir), 0);
	log_set_stderr(false);
	cr_assert(log_open_file("log.txt", &e), "%s", e.message);
}

void
files_end(void)
{
	char command[100];

	snprintf(command, sizeof(command), "rm -rf '%s'", dir);
	cr_assert_eq(system(command), 0);
}

void
files_write(const char *name, const char *text)
{
	FILE *f = fopen(name, "w");

	cr_assert_not_null(f);
	fputs(text, f);
	fclose(f);
}

int
files_logged(const char *text)
{
	static char log[100000];
	FILE *f = fopen("log.txt", "r");
	int n = 0;

	cr_assert_not_null(f);
	log[fread(log, 1, sizeof(log) - 1, f)] = '\0';
	fclose(f);
	for (const char *p = log; (p = strstr(p, text)) != NULL; p++)
		n++;
	return n;
}

const struct config *
files_reload(const char *text, const struct config *running)
{
	struct error e;

	files_write("t.ini", text);
	const struct config *c = config_load("t.ini", running, NULL, &e);
	cr_assert_not_null(c, "%s", e.message);
	return c;
}

const struct config *
files_load(const char *text)
{
	return files_reload(text, NULL);
}

void
files_refuse_reload(const char *text, const struct config *running, const char *message)
{
	struct error e;

	files_write("t.ini", text);
	cr_assert_null(config_load("t.ini", running, NULL, &e), "\"%s\" was taken", text);
	cr_assert_str_eq(e.sqlstate, "F0000");
	cr_assert_eq(strncmp(e.message, message, strlen(message)), 0, "\"%s\" gave \"%s\"", text,
		e.message);
}

void
files_refuse(const char *text, const char *message)
{
	files_refuse_reload(text, NULL, message);
}

void
files_set(const struct config **c, const char *key, const char *value)
{
	struct error e;
	const struct config *next = config_with(*c, key, value, &e);

	cr_assert_not_null(next, "SET %s = '%s': %s", key, value, e.message);
	config_unref(c);
	*c = next;
}

void
files_refuse_set(const struct config *c, const char *key, const char *value, const char *message)
{
	struct error e;

	cr_assert_null(config_with(c, key, value, &e), "SET %s = '%s' was taken", key, value);
	cr_assert_str_eq(e.sqlstate, "22023");
	cr_assert_not_null(strstr(e.message, message), "SET %s = '%s': %s", key, value, e.message);
}
