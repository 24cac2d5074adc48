#include "net/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

void
address_from_sockaddr(struct address *a, const struct sockaddr *sa)
{
	memset(a, 0, sizeof(*a));
	a->family = (uint8_t)sa->sa_family;
	if (sa->sa_family == AF_INET) {
		const struct sockaddr_in *in = (const void *)sa;
		memcpy(a->ip, &in->sin_addr, 4);
		a->port = ntohs(in->sin_port);
	} else if (sa->sa_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const void *)sa;
		memcpy(a->ip, &in6->sin6_addr, 16);
		a->port = ntohs(in6->sin6_port);
	}
}

void
address_of_peer(struct address *a, int fd)
{
	struct sockaddr_storage ss = { .ss_family = AF_UNSPEC };
	socklen_t len = sizeof(ss);

	if (getpeername(fd, (struct sockaddr *)&ss, &len) < 0)
		ss.ss_family = AF_UNSPEC;
	address_from_sockaddr(a, (struct sockaddr *)&ss);
	if (a->family == AF_UNIX) {
		struct ucred cred;
		len = sizeof(cred);
		if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) == 0)
			a->pid = cred.pid;
	}
}

bool
address_unix_target(int fd, char *folder, size_t size, int *port)
{
	static const char name[] = "/.s.PGSQL.";
	struct sockaddr_un un = { .sun_family = AF_UNSPEC };
	socklen_t len = sizeof(un) - 1;
	const char *at;
	int n;

	if (getpeername(fd, (struct sockaddr *)&un, &len) < 0 || un.sun_family != AF_UNIX)
		return false;
	at = strstr(un.sun_path, name);
	if (at == NULL || sscanf(at + strlen(name), "%d", port) != 1)
		return false;
	n = (int)(at - un.sun_path);
	snprintf(folder, size, "%.*s", n, un.sun_path);
	return true;
}

void
address_of_self(struct address *a, int fd)
{
	struct sockaddr_storage ss = { .ss_family = AF_UNSPEC };
	socklen_t len = sizeof(ss);

	if (getsockname(fd, (struct sockaddr *)&ss, &len) < 0)
		ss.ss_family = AF_UNSPEC;
	address_from_sockaddr(a, (struct sockaddr *)&ss);
}

bool
address_peer_uid(int fd, uid_t *uid)
{
	struct sockaddr_storage ss = { .ss_family = AF_UNSPEC };
	struct ucred cred;
	socklen_t len = sizeof(ss), size = sizeof(cred);

	if (getpeername(fd, (struct sockaddr *)&ss, &len) < 0 || ss.ss_family != AF_UNIX ||
	    getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &size) < 0)
		return false;
	*uid = cred.uid;
	return true;
}

const char *
address_host(const struct address *a, char buf[ADDRESS_TEXT])
{
	if (a->family == AF_UNIX)
		snprintf(buf, ADDRESS_TEXT, "unix");
	else if (a->family == AF_UNSPEC || inet_ntop(a->family, a->ip, buf, ADDRESS_TEXT) == NULL)
		snprintf(buf, ADDRESS_TEXT, "unknown");
	return buf;
}

const char *
address_text(const struct address *a, int port, char buf[ADDRESS_TEXT])
{
	char host[ADDRESS_TEXT];

	address_host(a, host);
	if (a->family == AF_UNIX)
		snprintf(buf, ADDRESS_TEXT, "unix(%d):%d", a->pid, port);
	else if (a->family == AF_INET6)
		snprintf(buf, ADDRESS_TEXT, "[%.46s]:%d", host, a->port);
	else
		snprintf(buf, ADDRESS_TEXT, "%.46s:%d", host, a->port);
	return buf;
}
