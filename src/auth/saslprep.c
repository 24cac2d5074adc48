#include "auth/saslprep.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <stringprep.h>

#include "base/memory.h"

/* The longest NFKC expansion of one character (U+FDFA). */
#define GROWTH_MAX 18

/* More than the steps of libidn's profile. */
#define STEPS_MAX 32

static bool
is_ascii(const char *s)
{
	for (; *s != '\0'; s++)
		if ((unsigned char)*s >= 0x80)
			return false;
	return true;
}

/* libidn's SASLprep without its NFKC step.  out holds at least STEPS_MAX rows. */
static void
list_steps_before_nfkc(Stringprep_profile *out)
{
	const Stringprep_profile *step;
	size_t n = 0;

	for (step = stringprep_saslprep; step->operation != 0 && n < STEPS_MAX - 1; step++)
		if (step->operation != STRINGPREP_NFKC)
			out[n++] = *step;
	memset(&out[n], 0, sizeof(out[n]));
}

/* PostgreSQL looks for what is prohibited before it normalizes; the RFC, and
 * libidn with it, after.  A few ligatures tell the difference. */
static bool
apply_steps(uint32_t *text, size_t *n, size_t room)
{
	static const Stringprep_profile nfkc[] = {
		{ STRINGPREP_NFKC, 0, NULL, 0 },
		{ 0, 0, NULL, 0 },
	};
	Stringprep_profile before[STEPS_MAX];

	list_steps_before_nfkc(before);
	return stringprep_4i(text, n, room, STRINGPREP_NO_UNASSIGNED, before) == STRINGPREP_OK &&
		stringprep_4i(text, n, room, 0, nfkc) == STRINGPREP_OK;
}

/* Prepare n characters; NULL: SASLprep refuses them, or nothing of them is left. */
static char *
prepare(const uint32_t *password, size_t n)
{
	size_t room = n * GROWTH_MAX + 1;
	uint32_t *work = memory_zalloc(room * sizeof(*work));
	size_t len = n;
	char *out = NULL;

	memcpy(work, password, n * sizeof(*work));
	if (apply_steps(work, &len, room) && len > 0)
		out = stringprep_ucs4_to_utf8(work, (ssize_t)len, NULL, NULL);
	memory_wipe(work, room * sizeof(*work));
	free(work);
	return out;
}

/* In UCS-4 rather than through stringprep(), whose copies we could not wipe. */
char *
saslprep(const char *password)
{
	char *prepared = NULL;
	uint32_t *wide;
	size_t n;

	if (is_ascii(password) || strlen(password) > SASLPREP_MAX)
		return memory_strdup(password);
	wide = stringprep_utf8_to_ucs4(password, -1, &n);
	if (wide != NULL) {
		prepared = prepare(wide, n);
		memory_wipe(wide, n * sizeof(*wide));
		free(wide);
	}
	return prepared != NULL ? prepared : memory_strdup(password);
}
