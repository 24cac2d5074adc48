#include "config/reference.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/config.h"

/* Both fit with room to spare; a cut text would not be in step. */
static char printed[200000];

static char *
print(enum reference_format format)
{
	FILE *out = fmemopen(printed, sizeof(printed), "w");

	cr_assert_not_null(out);
	config_print_reference(out, format);
	cr_assert_eq(fclose(out), 0);
	return printed;
}

/* path is below the source's top, which make check names. */
static char *
read_source(const char *path)
{
	const char *top = getenv("srcdir");
	char full[500], *text = NULL;
	size_t size = 0;

	snprintf(full, sizeof(full), "%s/%s", top == NULL ? "." : top, path);
	FILE *f = fopen(full, "r");
	cr_assert_not_null(f, "%s", full);
	cr_assert_gt(getdelim(&text, &size, '\0', f), 0);
	fclose(f);
	return text;
}

static void
compare(enum reference_format format, const char *path)
{
	char *there = read_source(path);

	cr_assert(strcmp(print(format), there) == 0,
		"%s is not what the tables say: run \"make reference\"", path);
	free(there);
}

Test(reference, the_manual_is_in_step)
{
	compare(REFERENCE_MANUAL, "doc/pgusher.5");
}

Test(reference, the_sample_is_in_step)
{
	compare(REFERENCE_SAMPLE, "etc/pgusher.ini");
}

static void
check_loads(const char *path)
{
	char *text = read_source(path);
	struct error e;
	const struct config *c = config_from_text(text, strlen(text), &e);

	cr_assert_not_null(c, "%s: %s", path, e.message);
	cr_assert_not_null(c->autodb, "%s", path);
	config_unref(&c);
	free(text);
}

Test(reference, the_samples_load)
{
	check_loads("etc/pgusher.ini");
	check_loads("etc/pgusher-minimal.ini");
}

/* Each ";key = default" of the sample must be a line that works. */
Test(reference, the_samples_commented_keys_load)
{
	char *text = print(REFERENCE_SAMPLE);
	struct error e;

	for (char *p = strstr(text, "[pgbouncer]"); p != NULL; p = strstr(p + 1, "\n;"))
		if (*p == '\n' && p[2] != ';')
			p[1] = ' ';
	const struct config *c = config_from_text(text, strlen(text), &e);
	cr_assert_not_null(c, "%s", e.message);
	cr_assert_eq(c->default_pool_size, 20);
	config_unref(&c);
}

Test(reference, no_line_of_the_sample_is_long)
{
	char *text = print(REFERENCE_SAMPLE);

	for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n"))
		if (line[0] == ';' && line[1] == ';')
			cr_assert_leq(strlen(line), 81, "%s", line);
}
