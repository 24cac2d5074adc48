/*
 * tls: what TLS is spoken with, and what a connection that speaks it knows.
 *
 * A context holds certificates, keys and rules.  It is made from files when a
 * snapshot of the configuration is made, never changes, is counted by
 * reference and may be used by every thread: connections that began with an
 * old one keep it.
 *
 * Sessions are never resumed, in neither direction: so none can cross tenants.
 * There is no renegotiation and no compression, and the names of authorities
 * are sent only to whom we ask for a certificate.
 */
#ifndef NET_TLS_H
#define NET_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct stream;
struct tls_context;

/* In the order of what they demand. */
enum tls_mode {
	TLS_DISABLE,
	TLS_ALLOW,
	TLS_PREFER,
	TLS_REQUIRE,
	TLS_VERIFY_CA,
	TLS_VERIFY_FULL,
};

/* A certificate of its own for who asks for this host name (SNI); "*.example.com" is for one label in place of *. */
struct tls_certificate {
	const char *host;
	const char *cert_file;
	const char *key_file;
};

/* Text may be NULL or "": not set.  As the keys of config/keys.c of these names. */
struct tls_settings {
	enum tls_mode mode;
	const char *ca_file, *cert_file, *key_file;
	const char *protocols;		/* "secure", "all", "tlsv1.2,tlsv1.3", ... */
	const char *ciphers;		/* up to TLS 1.2; "default", "secure", "fast", "normal": OpenSSL's */
	const char *ciphers13;
	const char *ecdhcurve;		/* "auto", "none", or names for OpenSSL */
	const char *dheparams;		/* "auto", "none", "legacy" */
	const struct tls_certificate *certificates;	/* for clients only */
	size_t ncertificates;
};

/* To speak with clients: certificate and key must be there.  With a ca_file clients are asked for a certificate; from
 * verify-ca on, which needs a ca_file, they must show a good one, below that they may come without, and one that is
 * not good is as none.  NULL: e (F0000) names the file and says what is wrong with it. */
struct tls_context *tls_context_for_clients(const struct tls_settings *s, struct error *e);

/* To speak with servers: the certificate is ours to show, if any.  verify-ca and verify-full need ca_file. */
struct tls_context *tls_context_for_servers(const struct tls_settings *s, struct error *e);

/* Likewise, and trusts nobody: every handshake fails with "certificate verify failed".  For servers whose certificate
 * is to be checked while what it takes can't be read. */
struct tls_context *tls_context_trusting_none(void);

struct tls_context *tls_context_ref(struct tls_context *c);	/* NULL is fine */
void tls_context_unref(struct tls_context **c);			/* NULL is fine */

/* --- of a stream that is secured --- */

/* "TLSv1.3", "TLS_AES_256_GCM_SHA384": static text. */
const char *tls_version(const struct stream *s);
const char *tls_cipher(const struct stream *s);

/* The host name that the client asked for (SNI), lower case; NULL: none.  Borrowed. */
const char *tls_host(const struct stream *s);

/* The common name of the peer's verified certificate; false: none was shown, it was not verified, or its name holds
 * what no name should (NUL, too long). */
bool tls_peer_common_name(const struct stream *s, char *out, size_t size);

/* Channel binding data tls-server-end-point (RFC 5929): the hash of the server's certificate, ours or the peer's.
 * Returns its size, 0 if there is none (a signature without a hash). */
#define TLS_BINDING_MAX 64
size_t tls_server_end_point(const struct stream *s, uint8_t out[TLS_BINDING_MAX]);

#endif
