/*
 * certificate: one certificate with its chain and key, as two PEM files hold it.
 *
 * Files that have not changed are not read again: to decode a key takes OpenSSL
 * a good part of a millisecond, and a fleet may have ten thousand names.  So
 * certificates are shared by the contexts that were made of the same files, and
 * counted by reference.
 *
 * Never changed after they are loaded; any thread.
 */
#ifndef NET_CERTIFICATE_H
#define NET_CERTIFICATE_H

#include <openssl/ssl.h>
#include <stdbool.h>

#include "base/error.h"
#include "net/tls.h"

struct certificate {
	X509 *leaf;
	STACK_OF(X509) *chain;	/* what its file holds behind it; NULL: nothing */
	EVP_PKEY *key;
	uint8_t end_point[TLS_BINDING_MAX];	/* tls_server_end_point; hashed once, not at every login */
	size_t end_point_size;
};

/* Read and check: the key must be the certificate's.  One out of its dates, and a key that others may read, are told
 * in the log.  NULL: e (F0000) names the file and what is wrong. */
struct certificate *certificate_load(const char *cert_file, const char *key_file, struct error *e);

void certificate_unref(struct certificate **c);		/* NULL is fine */

/* What is to be sent behind it, found among these authorities; for one whose file holds nothing.  NULL: nothing. */
STACK_OF(X509) *certificate_find_chain(const struct certificate *c, X509_STORE *authorities);

/* RFC 5929, section 4.1: the certificate hashed as its signature was.  0: the signature knows no hash. */
size_t certificate_end_point(const X509 *x, uint8_t out[TLS_BINDING_MAX]);

/* The common name of the subject.  false: it has none, or what no name should hold. */
bool certificate_common_name(const X509 *x, char *out, size_t size);

/* Why OpenSSL failed just now, in words; empties its queue of errors.  Static or buf. */
const char *openssl_reason(char buf[200]);

#endif
