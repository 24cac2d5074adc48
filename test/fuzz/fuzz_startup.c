/* The first packet, as it comes from anybody who can connect. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "pg/cancel.h"
#include "pg/startup.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(int truth)
{
	if (!truth)
		abort();
}

static void
walk_parameters(struct startup *s)
{
	const char *name, *value;

	while (startup_next(s, &name, &value)) {
		check(name[0] != '\0');
		check(startup_get(s, name) == NULL || strlen(value) < STARTUP_MAX);
	}
	check(reader_done(&s->parameters));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct startup s;
	struct error e;
	size_t whole;

	switch (startup_parse(data, size, &whole, &s, &e)) {
	case STARTUP_SHORT:
		check(whole > size && whole <= STARTUP_MAX);
		break;
	case STARTUP_INVALID:
		check(strlen(e.sqlstate) == 5 && e.message[0] != '\0');
		break;
	case STARTUP_OK:
		check(whole >= 8 && whole <= size);
		if (s.kind == STARTUP_CANCEL)
			check(s.cancel_key_size <= CANCEL_KEY_MAX &&
				s.cancel_key + s.cancel_key_size == data + whole);
		if (s.kind == STARTUP_MESSAGE) {
			const char *user = startup_get(&s, "user");
			check(user == NULL || (const uint8_t *)user < data + whole);
			walk_parameters(&s);
		}
		break;
	}
	return 0;
}
