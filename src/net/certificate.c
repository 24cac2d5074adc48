#include "net/certificate.h"

#include <openssl/decoder.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/log.h"
#include "base/memory.h"
#include "base/sqlstate.h"
#include "base/strings.h"

/* uthash has no memory but ours. */
#define uthash_malloc(size) memory_alloc(size)
#define uthash_fatal(message) (log_fatal("%s", message), abort())
#include <uthash.h>

/* Which content of a file it was. */
struct edition {
	struct stat stat;
	bool known;
};

/* A certificate that somebody has, and the files it is from. */
struct entry {
	struct certificate certificate;
	unsigned refs;
	struct edition cert, key;
	char *files;		/* the names of both */
	UT_hash_handle hh;
};

/* Guards all of these. */
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct entry *entries;
static OSSL_DECODER_CTX *decoder;	/* kept: to find all decoders takes ten times as long as to use them */
static EVP_PKEY *decoded;

const char *
openssl_reason(char buf[200])
{
	unsigned long code = ERR_peek_error();	/* the cause; what follows are its consequences */
	const char *reason = ERR_reason_error_string(code);

	if (code == 0)
		snprintf(buf, 200, "unknown error");
	else if (ERR_SYSTEM_ERROR(code))
		string_copy(buf, strerror(ERR_GET_REASON(code)), 200);
	else if (reason != NULL)
		snprintf(buf, 200, "%s", reason);
	else
		ERR_error_string_n(code, buf, 200);
	ERR_clear_error();
	return buf;
}

static bool
refuse(struct error *e, const char *what, const char *file)
{
	char reason[200];

	error_set(e, SEVERITY_ERROR, SQLSTATE_CONFIG_FILE, "could not load %s file \"%s\": %s", what, file,
		  openssl_reason(reason));
	return false;
}

/* Nobody is there to type a passphrase. */
static int
refuse_passphrase(char *buf, int size, int writing, void *asked)
{
	(void)buf;
	(void)size;
	(void)writing;
	*(bool *)asked = true;
	return -1;
}

static bool
read_chain(struct certificate *c, BIO *in)
{
	X509 *x;

	c->leaf = PEM_read_bio_X509_AUX(in, NULL, NULL, NULL);
	if (c->leaf == NULL)
		return false;
	while ((x = PEM_read_bio_X509(in, NULL, NULL, NULL)) != NULL) {
		if (c->chain == NULL)
			c->chain = sk_X509_new_null();
		if (c->chain == NULL || sk_X509_push(c->chain, x) == 0) {
			X509_free(x);
			return false;
		}
	}
	/* The end of the file is told as an error, too. */
	if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
		return false;
	ERR_clear_error();
	return true;
}

static bool
load_chain(struct certificate *c, const char *file, struct error *e)
{
	BIO *in;
	bool ok;

	ERR_clear_error();
	in = BIO_new_file(file, "r");
	ok = in != NULL && read_chain(c, in);
	BIO_free(in);
	return ok || refuse(e, "certificate", file);
}

static bool
make_decoder(void)
{
	if (decoder == NULL)
		decoder = OSSL_DECODER_CTX_new_for_pkey(&decoded, "PEM", NULL, NULL, EVP_PKEY_KEYPAIR, NULL, NULL);
	return decoder != NULL;
}

static EVP_PKEY *
read_key(BIO *in, bool *asked)
{
	EVP_PKEY *key;
	int at;

	if (!make_decoder())
		return NULL;
	OSSL_DECODER_CTX_set_pem_password_cb(decoder, refuse_passphrase, asked);
	/* What stands before it (EC PARAMETERS, a certificate) is passed over. */
	do {
		at = BIO_tell(in);
		OSSL_DECODER_from_bio(decoder, in);
	} while (decoded == NULL && !*asked && BIO_tell(in) > at && !BIO_eof(in));
	key = decoded;
	decoded = NULL;
	if (key != NULL)
		ERR_clear_error();
	return key;
}

static bool
load_key(struct certificate *c, const char *file, struct error *e)
{
	bool asked = false;
	BIO *in;

	ERR_clear_error();
	in = BIO_new_file(file, "r");
	if (in != NULL)
		c->key = read_key(in, &asked);
	BIO_free(in);
	if (c->key != NULL)
		return true;
	refuse(e, "private key", file);
	if (asked) {
		error_set(e, SEVERITY_ERROR, SQLSTATE_CONFIG_FILE,
			  "could not load private key file \"%s\": it is protected by a passphrase", file);
		error_hint(e, "Store the key without a passphrase, readable only by the user the pooler runs as.");
	}
	return false;
}

static bool
load(struct certificate *c, const char *cert_file, const char *key_file, struct error *e)
{
	if (!load_chain(c, cert_file, e) || !load_key(c, key_file, e))
		return false;
	if (X509_check_private_key(c->leaf, c->key) != 1) {
		ERR_clear_error();
		error_set(e, SEVERITY_ERROR, SQLSTATE_CONFIG_FILE,
			  "private key file \"%s\" does not belong to certificate file \"%s\"", key_file, cert_file);
		return false;
	}
	c->end_point_size = certificate_end_point(c->leaf, c->end_point);
	return true;
}

static void
warn_of_dates(const struct certificate *c, const char *file)
{
	if (X509_cmp_current_time(X509_get0_notBefore(c->leaf)) > 0)
		log_warning("certificate file \"%s\": the certificate is not valid yet", file);
	if (X509_cmp_current_time(X509_get0_notAfter(c->leaf)) < 0)
		log_warning("certificate file \"%s\": the certificate has expired", file);
}

static void
warn_of_permissions(const char *file)
{
	struct stat st;

	if (stat(file, &st) == 0 && (st.st_mode & (S_IWGRP | S_IRWXO)) != 0)
		log_warning("private key file \"%s\" has group or world access: permissions should be 0600, or 0640 "
			    "if root owns it", file);
}

/* --- those that somebody has --- */

static struct edition
edition_of(const char *file)
{
	struct edition e = { .known = false };

	e.known = stat(file, &e.stat) == 0;
	return e;
}

static bool
is_same_edition(const struct edition *a, const struct edition *b)
{
	return a->known && b->known && a->stat.st_dev == b->stat.st_dev && a->stat.st_ino == b->stat.st_ino &&
	       a->stat.st_size == b->stat.st_size && a->stat.st_mtim.tv_sec == b->stat.st_mtim.tv_sec &&
	       a->stat.st_mtim.tv_nsec == b->stat.st_mtim.tv_nsec && a->stat.st_ctim.tv_sec == b->stat.st_ctim.tv_sec &&
	       a->stat.st_ctim.tv_nsec == b->stat.st_ctim.tv_nsec;
}

static char *
join_names(const char *cert_file, const char *key_file)
{
	size_t n = strlen(cert_file) + strlen(key_file) + 2;
	char *s = memory_alloc(n);

	snprintf(s, n, "%s\n%s", cert_file, key_file);
	return s;
}

static void
free_entry(struct entry *x)
{
	X509_free(x->certificate.leaf);
	sk_X509_pop_free(x->certificate.chain, X509_free);
	EVP_PKEY_free(x->certificate.key);
	free(x->files);
	free(x);
}

/* The one under this name is of another edition: who has it keeps it, others will not find it. */
static void
put_in_place_of(struct entry *old, struct entry *x)
{
	if (old != NULL)
		HASH_DEL(entries, old);
	HASH_ADD_KEYPTR(hh, entries, x->files, strlen(x->files), x);
	if (old != NULL)
		old->hh.tbl = NULL;
}

static struct certificate *
find_or_load(const char *cert_file, const char *key_file, struct error *e)
{
	struct entry *x = memory_zalloc(sizeof(*x)), *old;

	x->refs = 1;
	x->files = join_names(cert_file, key_file);
	x->cert = edition_of(cert_file);
	x->key = edition_of(key_file);
	HASH_FIND_STR(entries, x->files, old);
	if (old != NULL && is_same_edition(&old->cert, &x->cert) && is_same_edition(&old->key, &x->key)) {
		free_entry(x);
		old->refs++;
		return &old->certificate;
	}
	if (!load(&x->certificate, cert_file, key_file, e)) {
		free_entry(x);
		return NULL;
	}
	put_in_place_of(old, x);
	return &x->certificate;
}

struct certificate *
certificate_load(const char *cert_file, const char *key_file, struct error *e)
{
	struct certificate *c;

	pthread_mutex_lock(&mutex);
	c = find_or_load(cert_file, key_file, e);
	pthread_mutex_unlock(&mutex);
	if (c == NULL)
		return NULL;
	warn_of_dates(c, cert_file);
	warn_of_permissions(key_file);
	return c;
}

void
certificate_unref(struct certificate **c)
{
	struct entry *x = *c == NULL ? NULL : container_of(*c, struct entry, certificate);

	*c = NULL;
	if (x == NULL)
		return;
	pthread_mutex_lock(&mutex);
	if (--x->refs == 0) {
		if (x->hh.tbl != NULL)
			HASH_DEL(entries, x);
		free_entry(x);
	}
	pthread_mutex_unlock(&mutex);
}

STACK_OF(X509) *
certificate_find_chain(const struct certificate *c, X509_STORE *authorities)
{
	STACK_OF(X509) *chain = X509_build_chain(c->leaf, NULL, authorities, 0, NULL, NULL);

	ERR_clear_error();	/* authorities of clients need not be ours */
	if (chain == NULL)
		return NULL;
	X509_free(sk_X509_shift(chain));	/* itself */
	if (sk_X509_num(chain) > 0)
		return chain;
	sk_X509_free(chain);
	return NULL;
}

/* --- what it says --- */

size_t
certificate_end_point(const X509 *x, uint8_t out[TLS_BINDING_MAX])
{
	X509 *cert = (X509 *)(uintptr_t)x;	/* it caches what it finds, under a lock */
	const EVP_MD *md;
	unsigned size = 0;
	int hash;

	if (X509_get_signature_info(cert, &hash, NULL, NULL, NULL) != 1 || hash == NID_undef)
		return 0;
	if (hash == NID_md5 || hash == NID_sha1)
		hash = NID_sha256;
	md = EVP_get_digestbynid(hash);
	if (md == NULL || EVP_MD_get_size(md) > TLS_BINDING_MAX || X509_digest(x, md, out, &size) != 1)
		return 0;
	return size;
}

bool
certificate_common_name(const X509 *x, char *out, size_t size)
{
	const X509_NAME *name = X509_get_subject_name(x);
	int at = X509_NAME_get_index_by_NID(name, NID_commonName, -1);
	unsigned char *text = NULL;
	int n;
	bool ok;

	if (at < 0)
		return false;
	n = ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at)));
	ok = n > 0 && (size_t)n < size && memchr(text, '\0', (size_t)n) == NULL;
	if (ok) {
		memcpy(out, text, (size_t)n);
		out[n] = '\0';
	}
	if (n >= 0)
		OPENSSL_free(text);
	return ok;
}
