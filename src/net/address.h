/*
 * address: where a peer is, in 20 bytes.
 *
 * A sockaddr_storage has 128 bytes; ten thousand idle clients each keep one of
 * these instead.  Any thread.
 */
#ifndef NET_ADDRESS_H
#define NET_ADDRESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

struct address {
	uint8_t family;		/* AF_INET, AF_INET6, AF_UNIX, or AF_UNSPEC: unknown */
	uint16_t port;		/* host order; 0 for a Unix socket */
	union {
		uint8_t ip[16];	/* 4 or 16 bytes used, network order */
		int32_t pid;	/* AF_UNIX: the peer's process, 0 if unknown */
	};
};

#define ADDRESS_TEXT 64		/* room that address_text and address_host need */

void address_from_sockaddr(struct address *a, const struct sockaddr *sa);

/* The peer of a connected socket; for AF_UNIX with its pid. */
void address_of_peer(struct address *a, int fd);

/* The folder and port of the PostgreSQL Unix socket that fd is connected to. false: it is none. */
bool address_unix_target(int fd, char *folder, size_t size, int *port);

/* Our end of a connected socket. */
void address_of_self(struct address *a, int fd);

/* The user at the other end of a Unix socket.  false: it is none, or it can't be told. */
bool address_peer_uid(int fd, uid_t *uid);

/* "127.0.0.1", "::1", "unix": as SHOW CLIENTS tells it.  Returns buf. */
const char *address_host(const struct address *a, char buf[ADDRESS_TEXT]);

/* "127.0.0.1:5432", "[::1]:5432", "unix(4711):6432": as the log tells it; port stands in for a Unix socket's. */
const char *address_text(const struct address *a, int port, char buf[ADDRESS_TEXT]);

#endif
