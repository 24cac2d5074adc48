/* What comes from an address that is said to be a proxy's. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "net/proxy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(int truth)
{
	if (!truth)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct proxy_header h, again;
	struct error e;
	enum proxy_result r = proxy_parse(data, size, &h, &e), before;

	check(r != PROXY_SHORT || size < PROXY_MAX);
	if (r == PROXY_INVALID)
		check(strlen(e.sqlstate) == 5 && e.message[0] != '\0');
	if (r != PROXY_OK)
		return 0;
	check(h.size > 0 && h.size <= size && h.size <= PROXY_MAX);
	check(!h.told || ((h.from.family == AF_INET || h.from.family == AF_INET6) && !h.local));
	/* In pieces it is the same. */
	before = proxy_parse(data, h.size, &again, &e);
	check(before == PROXY_OK && memcmp(&again.from, &h.from, sizeof(h.from)) == 0);
	check(proxy_parse(data, h.size - 1, &again, &e) == PROXY_SHORT);
	return 0;
}
