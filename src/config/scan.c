#include "config/scan.h"

#include <stddef.h>

char *
scan_quoted(char *p, char **text)
{
	char quote = *p++;
	char *to = p;

	*text = p;
	for (; *p != '\0'; *to++ = *p++) {
		if (*p != quote)
			continue;
		if (p[1] != quote) {
			*to = '\0';
			return p + 1;
		}
		p++;
	}
	return NULL;
}
