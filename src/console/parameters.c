#include "console/parameters.h"

#include "base/memory.h"
#include "base/strings.h"
#include "build.h"

#define PARAMETER(name, value, told)                  \
	{                                             \
		{ name, COLUMN_TEXT, 0 }, value, told \
	}

static const struct parameter parameters[] = {
	PARAMETER("server_version", PACKAGE_VERSION "/" PACKAGE_NAME, true),
	PARAMETER("server_encoding", "UTF8", true),
	PARAMETER("client_encoding", "UTF8", true),
	PARAMETER("DateStyle", "ISO", true),
	PARAMETER("IntervalStyle", "postgres", true),
	PARAMETER("TimeZone", "GMT", true),
	PARAMETER("integer_datetimes", "on", true),
	PARAMETER("standard_conforming_strings", "on", true),
	PARAMETER("default_transaction_read_only", "off", true),
	PARAMETER("in_hot_standby", "off", true),
	PARAMETER("default_transaction_isolation", "read committed", false),
	PARAMETER("transaction_isolation", "read committed", false),
	PARAMETER("transaction_read_only", "off", false),
	PARAMETER("extra_float_digits", "1", false),
	PARAMETER("application_name", "", false),
};

const struct parameter *
parameter_find(const char *name)
{
	for (size_t i = 0; i < lengthof(parameters); i++) {
		if (string_equal_nocase(parameters[i].column.name, name))
			return &parameters[i];
	}
	return NULL;
}

static void
add(struct params_table *t, const struct params **set, const char *name, const char *value)
{
	const struct params *old = *set;

	*set = params_with(t, old, name, value);
	params_unref(t, &old);
}

const struct params *
parameters_welcome(struct params_table *t, bool admin)
{
	const struct params *set = params_empty(t);

	for (size_t i = 0; i < lengthof(parameters); i++) {
		if (parameters[i].told)
			add(t, &set, parameters[i].column.name, parameters[i].value);
	}
	add(t, &set, "is_superuser", admin ? "on" : "off");
	return set;
}
