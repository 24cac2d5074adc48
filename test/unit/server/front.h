/*
 * front: TLS in front of a test's plain peer, as a server would have it.
 *
 *	front_open(&f, &rules);		a certificate, and a CA that signed it
 *	fd = front_serve(&f, socket);	the peer speaks on fd what goes encrypted over socket
 *	front_wait(&f)			the handshake is over: did it succeed?
 *	front_close(&f);
 *
 * A thread does it with OpenSSL itself, not with what is tested.
 */
#ifndef TEST_SERVER_FRONT_H
#define TEST_SERVER_FRONT_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct front_rules {
	const char *name;	/* DNS name in the certificate; NULL: "localhost" */
	bool unhashed;		/* Ed25519: its signature has no hash, so nothing can be bound to it */
	bool speaks_plain;	/* says nonsense in place of a handshake */
};

struct front {
	char folder[32];
	char ca_file[64];		/* who signed the certificate */
	char wrong_ca_file[64];		/* somebody else */
	uint8_t end_point[64];		/* tls-server-end-point of the certificate */
	size_t end_point_size;
	struct front_rules rules;
	struct ssl_ctx_st *ctx;
	pthread_t thread;
	bool serving;
	int socket, plain;		/* the thread's */
	bool secured;			/* after front_wait; then also: */
	char host[100];			/* SNI, "" if none */
	char protocol[32];		/* ALPN, "" if none */
	int told[2];			/* a pipe: the handshake is over */
};

void front_open(struct front *f, const struct front_rules *rules);
int front_serve(struct front *f, int socket);

/* Is the handshake over?  For until(). */
bool front_is_done(void *f);

void front_close(struct front *f);

#endif
