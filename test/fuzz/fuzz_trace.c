/* Any comment: what is told of it are strings that can be shown. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "sql/trace.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(int truth)
{
	if (!truth)
		abort();
}

/* Returns whether it says anything. */
static int
check_field(const char *field, size_t size)
{
	check(memchr(field, '\0', size) != NULL);
	for (const char *p = field; *p != '\0'; p++)
		check((unsigned char)*p >= ' ' && *p != 0x7f);
	/* jansson takes nothing but UTF-8 */
	json_t *string = json_string(field);
	check(string != NULL);
	json_decref(string);
	return field[0] != '\0';
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sql_trace t;
	int said = 0;

	memset(&t, 0xff, sizeof(t));
	int told = sql_trace_parse(&t, (const char *)data, size);
	check(t.traceparent[0] == '\0' || strlen(t.traceparent) == 55);
	said |= check_field(t.traceparent, sizeof(t.traceparent));
	said |= check_field(t.application, sizeof(t.application));
	said |= check_field(t.route, sizeof(t.route));
	said |= check_field(t.controller, sizeof(t.controller));
	said |= check_field(t.action, sizeof(t.action));
	said |= check_field(t.framework, sizeof(t.framework));
	said |= check_field(t.db_driver, sizeof(t.db_driver));
	check(said == told);
	return 0;
}
