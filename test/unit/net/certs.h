/*
 * certs: certificates and keys for a test, as PEM files in a folder of its own.
 *
 *	certs_begin();                                                   ca.crt, ca.key
 *	certs_make("db", &(struct cert){ .name = "db.example" });        db.crt, db.key, signed by ca
 *	... certs_path("db.crt") ...
 *	certs_end();
 */
#ifndef TEST_NET_CERTS_H
#define TEST_NET_CERTS_H

#include <stdbool.h>

struct cert {
	const char *name;	/* common name */
	const char *also;	/* subjectAltName, e.g. "DNS:*.example, IP:127.0.0.1"; NULL: none */
	const char *by;		/* who signs; NULL: "ca"; its own name: itself */
	const char *key;	/* "EC" (NULL), "RSA", "RSA-1024", "ED25519" */
	const char *digest;	/* of the signature; NULL: sha256 */
	int from, to;		/* days from now; 0, 0: valid */
	bool authority;
	bool with_signer;	/* the file holds the signer's certificate, too */
};

void certs_begin(void);
void certs_make(const char *file, const struct cert *c);

/* In the folder; valid until 64 more calls. */
const char *certs_path(const char *name);

/* A file of this text. */
void certs_write(const char *name, const char *text);

void certs_end(void);

#endif
