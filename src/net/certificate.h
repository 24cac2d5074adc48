/*
 * certificate: one certificate with its chain and key, as two PEM files hold it.
 *
 * Read when a context is made, never changed after; any thread.
 */
#ifndef NET_CERTIFICATE_H
#define NET_CERTIFICATE_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <uthash.h>

#include "base/error.h"
#include "net/tls.h"

struct certificate {
	char *host;		/* lower case, "*.example.com" among them; NULL: not for one host */
	X509 *leaf;
	STACK_OF(X509) *chain;	/* what is to be sent behind it; NULL: nothing */
	EVP_PKEY *key;
	uint8_t end_point[TLS_BINDING_MAX];	/* tls_server_end_point; hashed once, not at every login */
	size_t end_point_size;
	UT_hash_handle hh;	/* by host */
};

/* Read and check: the key must be the certificate's.  One out of its dates, and a key that others may read, are told
 * in the log.  NULL: e (F0000) names the file and what is wrong. */
struct certificate *certificate_load(const char *cert_file, const char *key_file, struct error *e);

/* Find what is to be sent behind it among these authorities, if its file held nothing more. */
void certificate_complete(struct certificate *c, X509_STORE *authorities);

/* Show it, and no other, on this connection.  false: OpenSSL does not like it. */
bool certificate_use(const struct certificate *c, SSL *ssl);

void certificate_free(struct certificate **c);

/* RFC 5929, section 4.1: the certificate hashed as its signature was.  0: the signature knows no hash. */
size_t certificate_end_point(const X509 *x, uint8_t out[TLS_BINDING_MAX]);

/* The common name of the subject.  false: it has none, or what no name should hold. */
bool certificate_common_name(const X509 *x, char *out, size_t size);

/* Why OpenSSL failed just now, in words; empties its queue of errors.  Static or buf. */
const char *openssl_reason(char buf[200]);

#endif
