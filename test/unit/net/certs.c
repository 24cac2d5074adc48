#include "certs.h"

#include <dirent.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[64];

static void
must(int truth)
{
	if (!truth)
		abort();
}

const char *
certs_path(const char *name)
{
	static char paths[64][400];
	static unsigned next;
	char *p = paths[next++ % 64];

	snprintf(p, sizeof(paths[0]), "%s/%s", folder, name);
	return p;
}

static FILE *
open_file(const char *name, const char *suffix, const char *mode)
{
	char full[64];
	FILE *f;

	snprintf(full, sizeof(full), "%s%s", name, suffix);
	f = fopen(certs_path(full), mode);
	must(f != NULL);
	return f;
}

static EVP_PKEY *
make_key(const char *kind)
{
	if (kind == NULL || strcmp(kind, "EC") == 0)
		return EVP_EC_gen("P-256");
	if (strcmp(kind, "RSA") == 0)
		return EVP_RSA_gen(2048);
	if (strcmp(kind, "RSA-1024") == 0)
		return EVP_RSA_gen(1024);
	return EVP_PKEY_Q_keygen(NULL, NULL, kind);
}

static void
write_key(const char *file, EVP_PKEY *key)
{
	mode_t old = umask(077);
	FILE *f = open_file(file, ".key", "w");

	umask(old);
	must(PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL));
	fclose(f);
}

static EVP_PKEY *
read_key(const char *file)
{
	FILE *f = open_file(file, ".key", "r");
	EVP_PKEY *key = PEM_read_PrivateKey(f, NULL, NULL, NULL);

	fclose(f);
	must(key != NULL);
	return key;
}

static X509 *
read_cert(const char *file)
{
	FILE *f = open_file(file, ".crt", "r");
	X509 *x = PEM_read_X509(f, NULL, NULL, NULL);

	fclose(f);
	must(x != NULL);
	return x;
}

static void
extend(X509 *x, X509 *signer, int nid, const char *value)
{
	X509V3_CTX context;
	X509_EXTENSION *e;

	X509V3_set_ctx(&context, signer, x, NULL, NULL, 0);
	e = X509V3_EXT_conf_nid(NULL, &context, nid, value);
	must(e != NULL && X509_add_ext(x, e, -1));
	X509_EXTENSION_free(e);
}

static X509 *
describe(const struct cert *c, EVP_PKEY *key)
{
	static long serial;
	X509 *x = X509_new();
	X509_NAME *name = X509_get_subject_name(x);

	must(X509_set_version(x, X509_VERSION_3));
	must(ASN1_INTEGER_set(X509_get_serialNumber(x), ++serial + getpid() * 1000L));
	must(X509_gmtime_adj(X509_getm_notBefore(x), c->from == 0 && c->to == 0 ? -3600 : c->from * 86400L) != NULL);
	must(X509_gmtime_adj(X509_getm_notAfter(x), c->from == 0 && c->to == 0 ? 86400 : c->to * 86400L) != NULL);
	must(X509_set_pubkey(x, key));
	must(X509_NAME_add_entry_by_txt(name, "O", MBSTRING_UTF8, (const unsigned char *)"pgusher tests", -1, -1, 0));
	must(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const unsigned char *)c->name, -1, -1, 0));
	return x;
}

void
certs_make(const char *file, const struct cert *c)
{
	const char *by = c->by != NULL ? c->by : "ca";
	bool itself = strcmp(by, file) == 0;
	EVP_PKEY *key = make_key(c->key), *signing = itself ? key : read_key(by);
	X509 *x = describe(c, key), *signer = itself ? x : read_cert(by);
	const EVP_MD *md = EVP_get_digestbyname(c->digest != NULL ? c->digest : "sha256");
	FILE *f = open_file(file, ".crt", "w");

	must(X509_set_issuer_name(x, X509_get_subject_name(signer)));
	extend(x, signer, NID_basic_constraints, c->authority ? "critical,CA:TRUE" : "critical,CA:FALSE");
	extend(x, signer, NID_subject_key_identifier, "hash");
	if (c->also != NULL)
		extend(x, signer, NID_subject_alt_name, c->also);
	must(X509_sign(x, signing, EVP_PKEY_is_a(signing, "ED25519") ? NULL : md) > 0);
	must(PEM_write_X509(f, x));
	if (c->with_signer)
		must(PEM_write_X509(f, signer));
	fclose(f);
	write_key(file, key);
	if (!itself) {
		X509_free(signer);
		EVP_PKEY_free(signing);
	}
	X509_free(x);
	EVP_PKEY_free(key);
}

void
certs_write(const char *name, const char *text)
{
	FILE *f = open_file(name, "", "w");

	must(fputs(text, f) >= 0);
	fclose(f);
}

void
certs_begin(void)
{
	strcpy(folder, "/tmp/pgusher-certs-XXXXXX");
	must(mkdtemp(folder) != NULL);
	certs_make("ca", &(struct cert){ .name = "test authority", .by = "ca", .authority = true });
}

void
certs_end(void)
{
	DIR *d = opendir(folder);
	struct dirent *e;

	must(d != NULL);
	while ((e = readdir(d)) != NULL) {
		if (e->d_name[0] != '.')
			unlink(certs_path(e->d_name));
	}
	closedir(d);
	rmdir(folder);
}
