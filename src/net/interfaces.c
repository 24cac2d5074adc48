#include "net/interfaces.h"

#include <ifaddrs.h>
#include <netinet/in.h>
#include <string.h>

#define IPV4_IN_IPV6 "\0\0\0\0\0\0\0\0\0\0\xff\xff"

/* The bytes of an IP address; 0: it is none. */
static size_t
take_bytes(const struct sockaddr *sa, uint8_t out[16])
{
	if (sa != NULL && sa->sa_family == AF_INET) {
		memcpy(out, &((const struct sockaddr_in *)(const void *)sa)->sin_addr, 4);
		return 4;
	}
	if (sa != NULL && sa->sa_family == AF_INET6) {
		memcpy(out, &((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr, 16);
		return 16;
	}
	return 0;
}

static bool
holds(const struct ifaddrs *i, const uint8_t *address, size_t size, bool net)
{
	uint8_t own[16], mask[16];

	if (take_bytes(i->ifa_addr, own) != size)
		return false;
	if (!net || take_bytes(i->ifa_netmask, mask) != size)
		memset(mask, 0xff, sizeof(mask));
	for (size_t k = 0; k < size; k++) {
		if (((own[k] ^ address[k]) & mask[k]) != 0)
			return false;
	}
	return true;
}

bool
interfaces_hold(const struct address *a, bool net)
{
	const uint8_t *address = a->ip;
	size_t size = a->family == AF_INET ? 4 : 16;
	struct ifaddrs *list, *i;
	bool found = false;

	if ((a->family != AF_INET && a->family != AF_INET6) || getifaddrs(&list) < 0)
		return false;
	if (size == 16 && memcmp(address, IPV4_IN_IPV6, 12) == 0) {
		address += 12;
		size = 4;
	}
	for (i = list; i != NULL && !found; i = i->ifa_next)
		found = holds(i, address, size, net);
	freeifaddrs(list);
	return found;
}
