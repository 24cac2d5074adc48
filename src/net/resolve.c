#include "net/resolve.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/strings.h"

bool
resolve_is_name(const char *host)
{
	uint8_t ip[16];

	return host[0] != '\0' && host[0] != '/' && host[0] != '@' && inet_pton(AF_INET, host, ip) != 1 &&
	       inet_pton(AF_INET6, host, ip) != 1;
}

static void
work(struct helper_job *job)
{
	struct resolve *r = container_of(job, struct resolve, job);
	const struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM };
	struct addrinfo *found = NULL, *ai;
	int rc = getaddrinfo(r->name, NULL, &hints, &found);

	if (rc != 0) {
		string_copy(r->problem, gai_strerror(rc), sizeof(r->problem));
		return;
	}
	for (ai = found; ai != NULL && r->n < RESOLVE_MOST; ai = ai->ai_next) {
		if (getnameinfo(ai->ai_addr, ai->ai_addrlen, r->addresses[r->n], sizeof(r->addresses[0]), NULL, 0,
				NI_NUMERICHOST) == 0)
			r->n++;
	}
	freeaddrinfo(found);
	if (r->n == 0)
		string_copy(r->problem, "it has no address", sizeof(r->problem));
}

struct resolve *
resolve_new(const char *name)
{
	size_t size = strlen(name) + 1;
	struct resolve *r = memory_zalloc(sizeof(*r) + size);

	memcpy(r->name, name, size);
	r->job.work = work;
	return r;
}

void
resolve_free(struct resolve **r)
{
	free(*r);
	*r = NULL;
}
