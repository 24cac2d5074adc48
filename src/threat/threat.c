#include "threat/threat.h"

#include <stdlib.h>

#include "base/memory.h"

static const char *const mode_names[] = {
	[THREAT_OFF] = "off",
	[THREAT_RECORD] = "record",
	[THREAT_DETECT] = "detect",
	[THREAT_PROTECT] = "protect",
};

const char *
threat_mode_name(enum threat_mode m)
{
	return m >= THREAT_OFF && (size_t)m < lengthof(mode_names) ? mode_names[m] : "?";
}

void
threat_free(struct threat **tp)
{
	struct threat *t = *tp;

	*tp = NULL;
	if (t == NULL)
		return;
	free(t->tenant);
	free(t->user);
	free(t->client);
	free(t->application_name);
	free(t->text);
	free(t);
}
