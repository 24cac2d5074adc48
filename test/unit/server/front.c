#include "front.h"

#include <criterion/criterion.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PATIENCE_MS 30000

/* --- certificates --- */

static EVP_PKEY *
make_key(bool unhashed)
{
	EVP_PKEY *key = unhashed ? EVP_PKEY_Q_keygen(NULL, NULL, "ED25519") : EVP_EC_gen("P-256");

	cr_assert_not_null(key);
	return key;
}

static void
add_extension(X509 *cert, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509_EXTENSION *ext;

	X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
	ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	cr_assert_not_null(ext);
	X509_add_ext(cert, ext, -1);
	X509_EXTENSION_free(ext);
}

/* issuer NULL: it signs itself, and may sign others. */
static X509 *
make_certificate(const char *name, EVP_PKEY *key, X509 *issuer, EVP_PKEY *issuer_key)
{
	X509 *cert = X509_new();
	X509_NAME *subject = X509_get_subject_name(cert);
	bool unhashed = EVP_PKEY_id(issuer_key) == EVP_PKEY_ED25519;
	char names[120];

	snprintf(names, sizeof(names), "DNS:%s", name);
	X509_set_version(cert, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(cert), issuer == NULL ? 1 : 2);
	X509_gmtime_adj(X509_getm_notBefore(cert), -3600);
	X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
	X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0);
	X509_set_issuer_name(cert, issuer == NULL ? subject : X509_get_subject_name(issuer));
	X509_set_pubkey(cert, key);
	if (issuer == NULL)
		add_extension(cert, cert, NID_basic_constraints, "critical,CA:TRUE");
	else
		add_extension(cert, issuer, NID_subject_alt_name, names);
	cr_assert_gt(X509_sign(cert, issuer_key, unhashed ? NULL : EVP_sha256()), 0);
	return cert;
}

static void
write_certificate(const char *path, X509 *cert)
{
	FILE *file = fopen(path, "w");

	cr_assert_not_null(file);
	cr_assert(PEM_write_X509(file, cert));
	fclose(file);
}

static void
make_authority(struct front *f, const char *name, char *path, size_t size, X509 **cert, EVP_PKEY **key)
{
	*key = make_key(f->rules.unhashed);
	*cert = make_certificate(name, *key, NULL, *key);
	snprintf(path, size, "%s/%s.crt", f->folder, name);
	write_certificate(path, *cert);
}

static int
choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *outlen, const unsigned char *in, unsigned inlen,
		void *arg)
{
	struct front *f = arg;

	(void)ssl;
	if (inlen < 1 || in[0] + 1u > inlen)
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	snprintf(f->protocol, sizeof(f->protocol), "%.*s", in[0], (const char *)in + 1);
	*out = in + 1;
	*outlen = in[0];
	return SSL_TLSEXT_ERR_OK;
}

void
front_open(struct front *f, const struct front_rules *rules)
{
	const char *name = rules->name != NULL ? rules->name : "localhost";
	EVP_PKEY *ca_key, *wrong_key, *key;
	X509 *ca, *wrong, *cert;
	unsigned n = 0;

	memset(f, 0, sizeof(*f));
	f->rules = *rules;
	f->socket = f->plain = f->told[0] = f->told[1] = -1;
	strcpy(f->folder, "/tmp/pgusher-front-XXXXXX");
	cr_assert_not_null(mkdtemp(f->folder));
	make_authority(f, "right", f->ca_file, sizeof(f->ca_file), &ca, &ca_key);
	make_authority(f, "wrong", f->wrong_ca_file, sizeof(f->wrong_ca_file), &wrong, &wrong_key);
	key = make_key(rules->unhashed);
	cert = make_certificate(name, key, ca, ca_key);
	cr_assert(X509_digest(cert, EVP_sha256(), f->end_point, &n));
	f->end_point_size = rules->unhashed ? 0 : n;
	f->ctx = SSL_CTX_new(TLS_server_method());
	cr_assert(SSL_CTX_use_certificate(f->ctx, cert) == 1 && SSL_CTX_use_PrivateKey(f->ctx, key) == 1);
	SSL_CTX_set_alpn_select_cb(f->ctx, choose_protocol, f);
	EVP_PKEY_free(ca_key);
	EVP_PKEY_free(wrong_key);
	EVP_PKEY_free(key);
	X509_free(ca);
	X509_free(wrong);
	X509_free(cert);
}

/* --- serving --- */

static bool
wait_for(int fd)
{
	struct pollfd ready = { .fd = fd, .events = POLLIN };

	return poll(&ready, 1, PATIENCE_MS) == 1;
}

/* The socket blocks, the other side sends in its own time; a read that takes too long is the end. */
static void
shuttle(struct front *f, SSL *ssl)
{
	char bytes[16384];

	for (;;) {
		struct pollfd ready[2] = {
			{ .fd = f->socket, .events = POLLIN },
			{ .fd = f->plain, .events = POLLIN },
		};
		int n;

		if (SSL_pending(ssl) == 0 && poll(ready, 2, PATIENCE_MS) <= 0)
			return;
		if (ready[1].revents != 0) {
			n = (int)recv(f->plain, bytes, sizeof(bytes), 0);
			if (n <= 0 || SSL_write(ssl, bytes, n) <= 0)
				return;
		}
		if (SSL_pending(ssl) > 0 || ready[0].revents != 0) {
			n = SSL_read(ssl, bytes, sizeof(bytes));
			if (n <= 0 || send(f->plain, bytes, (size_t)n, MSG_NOSIGNAL) < 0)
				return;
		}
	}
}

/* OpenSSL writes to sockets that may be closed; in this thread only, so that what is tested does not profit. */
static void
block_sigpipe(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGPIPE);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
}

static void
send_word(int fd)
{
	if (write(fd, "!", 1) != 1)
		abort();
	close(fd);
}

static void *
run(void *arg)
{
	struct front *f = arg;
	SSL *ssl = SSL_new(f->ctx);
	const char *host;

	block_sigpipe();
	SSL_set_fd(ssl, f->socket);
	if (f->rules.speaks_plain)
		send(f->socket, "ehlo, there is no TLS here\r\n", 28, MSG_NOSIGNAL);
	else
		f->secured = wait_for(f->socket) && SSL_accept(ssl) == 1;
	host = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
	snprintf(f->host, sizeof(f->host), "%s", host != NULL ? host : "");
	send_word(f->told[1]);
	if (f->secured)
		shuttle(f, ssl);
	SSL_shutdown(ssl);
	SSL_free(ssl);
	shutdown(f->plain, SHUT_RDWR);
	shutdown(f->socket, SHUT_RDWR);
	return NULL;
}

static void
stop(struct front *f)
{
	if (!f->serving)
		return;
	f->serving = false;
	shutdown(f->plain, SHUT_RDWR);
	shutdown(f->socket, SHUT_RDWR);
	pthread_join(f->thread, NULL);
	close(f->plain);
	close(f->socket);
	close(f->told[0]);
}

int
front_serve(struct front *f, int socket)
{
	int pair[2];

	stop(f);
	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	cr_assert_eq(pipe(f->told), 0);
	f->socket = socket;
	f->plain = pair[1];
	f->secured = false;
	f->host[0] = f->protocol[0] = '\0';
	f->serving = true;
	cr_assert_eq(pthread_create(&f->thread, NULL, run, f), 0);
	return pair[0];
}

bool
front_is_done(void *arg)
{
	struct front *f = arg;
	struct pollfd ready = { .fd = f->told[0], .events = POLLIN };

	char word;

	/* The read, not the poll, is what makes the thread's results ours. */
	return poll(&ready, 1, 0) == 1 && read(f->told[0], &word, 1) >= 0;
}

void
front_close(struct front *f)
{
	stop(f);
	SSL_CTX_free(f->ctx);
	unlink(f->ca_file);
	unlink(f->wrong_ca_file);
	rmdir(f->folder);
}
