#include "net/tls.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/log.h"
#include "base/memory.h"
#include "base/sqlstate.h"
#include "base/strings.h"

/* uthash has no memory but ours. */
#define uthash_malloc(size) memory_alloc(size)
#define uthash_fatal(message) (log_fatal("%s", message), abort())
#include "net/tls_inside.h"

/* Bytes of the certificates that a peer shows, before anything is known of it. */
#define CHAIN_MAX (32 * 1024)

/* Forward secrecy and authenticated encryption only; what TLS 1.2 has besides is weak by today's standards.  DHE is
 * strong, but its primes are everybody's, and a handshake costs us more than who asks for it: it is for those who want
 * no curves. */
#define STRONG_CIPHERS "ECDHE+AESGCM:ECDHE+CHACHA20:!aNULL:!aDSS:!PSK:!SRP"
#define CURVELESS_CIPHERS "DHE+AESGCM:DHE+CHACHA20:!aNULL:!aDSS:!PSK:!SRP"

/* TLS 1.0 and 1.1, for who asks for them, know none of those. */
#define OLD_CIPHERS "ECDHE+AESGCM:ECDHE+CHACHA20:DHE+AESGCM:ECDHE+AES:DHE+AES:AES:!aNULL:!aDSS:!PSK:!SRP"

/* Servers are chosen by the operator; older ones are still to be reached. */
#define SERVER_CIPHERS "DEFAULT"

#define CURVES "X25519:P-256:P-384:P-521"

struct word {
	const char *name;
	unsigned value;
};

enum {
	TLS_1_0 = 1,
	TLS_1_1 = 2,
	TLS_1_2 = 4,
	TLS_1_3 = 8,
	TLS_SECURE = TLS_1_2 | TLS_1_3,
	TLS_ALL = TLS_1_0 | TLS_1_1 | TLS_SECURE,
};

static const struct word protocol_words[] = {
	{ "tlsv1.0", TLS_1_0 }, { "tlsv1.1", TLS_1_1 },	  { "tlsv1.2", TLS_1_2 },    { "tlsv1.3", TLS_1_3 },
	{ "tlsv1", TLS_ALL },	{ "all", TLS_ALL },	  { "legacy", TLS_ALL },     { "secure", TLS_SECURE },
	{ "default", TLS_SECURE },
};

static bool
is_set(const char *s)
{
	return s != NULL && s[0] != '\0';
}

static bool
is_one_of(const char *s, const char *words)
{
	return string_in_list_nocase(words, s);
}

/* e, with OpenSSL's reason. */
static bool
refuse(struct error *e, const char *what, const char *value)
{
	char reason[200];

	error_set(e, SEVERITY_ERROR, SQLSTATE_CONFIG_FILE, "%s \"%s\": %s", what, value, openssl_reason(reason));
	return false;
}

/* --- rules --- */

static unsigned
protocol_of(const char *word, size_t n)
{
	for (size_t i = 0; i < lengthof(protocol_words); i++) {
		if (strlen(protocol_words[i].name) == n && strncasecmp(protocol_words[i].name, word, n) == 0)
			return protocol_words[i].value;
	}
	return 0;
}

/* A list of words with commas or colons; "!tlsv1.0" takes one away, from all if it is the first.  0: bad. */
static unsigned
parse_protocols(const char *text)
{
	unsigned set = 0;
	bool first = true;

	while (*text != '\0') {
		bool without;
		unsigned value;
		size_t n;

		text += strspn(text, " \t,:");
		without = *text == '!';
		text += without;
		n = strcspn(text, " \t,:");
		if (n == 0 && !without)
			break;
		value = protocol_of(text, n);
		if (value == 0)
			return 0;
		if (without && first)
			set = TLS_ALL;
		set = without ? set & ~value : set | value;
		first = false;
		text += n;
	}
	return set;
}

static bool
set_protocols(struct tls_context *c, const char *text, unsigned *set, struct error *e)
{
	static const struct {
		unsigned bit;
		uint64_t option;
		int version;
	} versions[] = {
		{ TLS_1_0, SSL_OP_NO_TLSv1, TLS1_VERSION },
		{ TLS_1_1, SSL_OP_NO_TLSv1_1, TLS1_1_VERSION },
		{ TLS_1_2, SSL_OP_NO_TLSv1_2, TLS1_2_VERSION },
		{ TLS_1_3, SSL_OP_NO_TLSv1_3, TLS1_3_VERSION },
	};
	int lowest = 0, highest = 0;

	*set = is_set(text) ? parse_protocols(text) : TLS_SECURE;
	if (*set == 0) {
		error_set(e, SEVERITY_ERROR, SQLSTATE_CONFIG_FILE, "invalid list of TLS protocols \"%s\"", text);
		error_hint(e, "Known are tlsv1.0, tlsv1.1, tlsv1.2, tlsv1.3, all and secure.");
		return false;
	}
	for (size_t i = 0; i < lengthof(versions); i++) {
		if ((*set & versions[i].bit) == 0) {
			SSL_CTX_set_options(c->ssl, versions[i].option);
			continue;
		}
		lowest = lowest == 0 ? versions[i].version : lowest;
		highest = versions[i].version;
	}
	SSL_CTX_set_min_proto_version(c->ssl, lowest);
	SSL_CTX_set_max_proto_version(c->ssl, highest);
	return true;
}

/* What the words for "you choose" mean. */
static const char *
standard_ciphers(unsigned protocols, bool curves, const char *standard)
{
	if ((protocols & ~(unsigned)TLS_SECURE) != 0)
		return OLD_CIPHERS;
	return curves ? standard : CURVELESS_CIPHERS;
}

static bool
set_ciphers(struct tls_context *c, const struct tls_settings *s, unsigned protocols, const char *standard,
	    struct error *e)
{
	bool old = (protocols & ~(unsigned)TLS_SECURE) != 0;
	bool curves = !is_set(s->ecdhcurve) || !is_one_of(s->ecdhcurve, "none");
	const char *list = is_set(s->ciphers) ? s->ciphers : "default";
	char text[2000];

	if (is_one_of(list, "default,secure,fast,normal"))
		list = standard_ciphers(protocols, curves, standard);
	else if (is_one_of(list, "all"))
		list = "ALL";
	snprintf(text, sizeof(text), "%s%s%s", list, old ? ":@SECLEVEL=0" : "", curves ? "" : ":!kECDHE");
	if (strlen(text) == sizeof(text) - 1 || SSL_CTX_set_cipher_list(c->ssl, text) != 1)
		return refuse(e, "failed to set the ciphers", list);
	if (is_set(s->ciphers13) && SSL_CTX_set_ciphersuites(c->ssl, s->ciphers13) != 1)
		return refuse(e, "failed to set the TLSv1.3 cipher suites", s->ciphers13);
	return true;
}

static bool
set_key_exchange(struct tls_context *c, const struct tls_settings *s, struct error *e)
{
	const char *curves = s->ecdhcurve;
	const char *dh = is_set(s->dheparams) ? s->dheparams : "auto";

	if (!is_set(curves) || is_one_of(curves, "auto,none"))
		curves = CURVES;
	if (SSL_CTX_set1_groups_list(c->ssl, curves) != 1)
		return refuse(e, "failed to set the elliptic curves", curves);
	if (!is_one_of(dh, "auto,legacy,none")) {
		error_set(e, SEVERITY_ERROR, SQLSTATE_CONFIG_FILE, "invalid DHE parameters \"%s\"", dh);
		error_hint(e, "Known are auto, legacy and none.");
		return false;
	}
	SSL_CTX_set_dh_auto(c->ssl, !is_one_of(dh, "none"));
	return true;
}

static bool
load_authorities(struct tls_context *c, const char *file, struct error *e)
{
	ERR_clear_error();
	if (SSL_CTX_load_verify_file(c->ssl, file) != 1)
		return refuse(e, "could not load CA file", file);
	return true;
}

/* A certificate that is not good is as none; tls_peer_common_name looks at the result. */
static int
let_pass(int ok, X509_STORE_CTX *chain)
{
	(void)ok;
	(void)chain;
	return 1;
}

/* Names of authorities are for who is asked for a certificate. */
static bool
ask_for_certificates(struct tls_context *c, const char *file, bool must, struct error *e)
{
	STACK_OF(X509_NAME) *names = SSL_load_client_CA_file(file);

	if (names == NULL)
		return refuse(e, "could not load CA file", file);
	SSL_CTX_set_client_CA_list(c->ssl, names);
	if (must)
		SSL_CTX_set_verify(c->ssl, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	else
		SSL_CTX_set_verify(c->ssl, SSL_VERIFY_PEER, let_pass);
	return true;
}

/* --- certificates --- */

static void
free_shown(struct shown **sp)
{
	struct shown *s = *sp;

	*sp = NULL;
	if (s == NULL)
		return;
	free(s->host);
	certificate_unref(&s->certificate);
	sk_X509_pop_free(s->found, X509_free);
	free(s);
}

static const struct shown *
find_shown(const struct tls_context *c, const char *host)
{
	struct shown *found = NULL;
	char pattern[260] = "*";
	const char *dot = strchr(host, '.');

	HASH_FIND_STR(c->by_host, host, found);
	if (found != NULL || dot == NULL || dot == host)
		return found;
	string_copy(pattern + 1, dot, sizeof(pattern) - 1);
	HASH_FIND_STR(c->by_host, pattern, found);
	return found;
}

/* Show this, and no other, on this connection.  false: OpenSSL does not like it. */
static bool
show(SSL *ssl, const struct shown *s)
{
	const struct certificate *c = s->certificate;

	/* One of another kind of key would stay beside it, and be shown. */
	SSL_certs_clear(ssl);
	return SSL_use_cert_and_key(ssl, c->leaf, c->key, c->chain != NULL ? c->chain : s->found, 1) == 1;
}

/* Is its key strong enough for OpenSSL?  Better now than at a handshake. */
static bool
try_to_show(const struct tls_context *c, const struct shown *s)
{
	SSL *ssl = SSL_new(c->ssl);
	bool ok = ssl != NULL && show(ssl, s);

	SSL_free(ssl);
	return ok;
}

static struct shown *
load_shown(const struct tls_context *c, const char *cert_file, const char *key_file, struct error *e)
{
	struct shown *s = memory_zalloc(sizeof(*s));

	s->certificate = certificate_load(cert_file, key_file, e);
	if (s->certificate == NULL) {
		free_shown(&s);
		return NULL;
	}
	if (s->certificate->chain == NULL)
		s->found = certificate_find_chain(s->certificate, SSL_CTX_get_cert_store(c->ssl));
	if (!try_to_show(c, s)) {
		refuse(e, "could not use certificate file", cert_file);
		free_shown(&s);
	}
	return s;
}

static bool
add_host(struct tls_context *c, const struct tls_certificate *from, struct error *e)
{
	struct shown *s = load_shown(c, from->cert_file, from->key_file, e), *other = NULL;

	if (s == NULL)
		return false;
	s->host = memory_strdup(from->host);
	string_fold(s->host);
	HASH_FIND_STR(c->by_host, s->host, other);
	if (other != NULL) {
		error_set(e, SEVERITY_ERROR, SQLSTATE_CONFIG_FILE, "host \"%s\" has two certificates", s->host);
		free_shown(&s);
		return false;
	}
	HASH_ADD_KEYPTR(hh, c->by_host, s->host, strlen(s->host), s);
	return true;
}

static bool
load_certificates(struct tls_context *c, const struct tls_settings *s, struct error *e)
{
	const struct certificate *own;

	for (size_t i = 0; i < s->ncertificates; i++) {
		if (!add_host(c, &s->certificates[i], e))
			return false;
	}
	if (!is_set(s->cert_file))
		return true;
	c->own = load_shown(c, s->cert_file, s->key_file, e);
	if (c->own == NULL)
		return false;
	own = c->own->certificate;
	if (SSL_CTX_use_cert_and_key(c->ssl, own->leaf, own->key, own->chain != NULL ? own->chain : c->own->found, 1) != 1)
		return refuse(e, "could not use certificate file", s->cert_file);
	return true;
}

/* --- what OpenSSL asks while a client says hello --- */

static int
on_hello(SSL *ssl, int *alert, void *arg)
{
	const struct tls *t = tls_of_ssl(ssl);
	const unsigned char *ext;
	size_t n;

	(void)arg;
	if (t == NULL || !t->direct || SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_application_layer_protocol_negotiation, &ext, &n))
		return SSL_CLIENT_HELLO_SUCCESS;
	*alert = SSL_AD_NO_APPLICATION_PROTOCOL;
	ERR_raise(ERR_LIB_SSL, SSL_R_NO_APPLICATION_PROTOCOL);
	return SSL_CLIENT_HELLO_ERROR;
}

static int
on_server_name(SSL *ssl, int *alert, void *arg)
{
	const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
	struct tls *t = tls_of_ssl(ssl);
	const struct shown *s;

	(void)alert;
	(void)arg;
	if (name == NULL || t == NULL || t->host != NULL)
		return SSL_TLSEXT_ERR_OK;
	t->host = memory_strdup(name);
	string_fold(t->host);
	s = find_shown(t->context, t->host);
	if (s != NULL && show(ssl, s))
		t->shown = s;
	return SSL_TLSEXT_ERR_OK;
}

/* What libevent carries is HTTP. */
static int
on_protocols(SSL *ssl, const unsigned char **out, unsigned char *size, const unsigned char *in, unsigned n, void *arg)
{
	const char *name = tls_of_ssl(ssl) != NULL ? "postgresql" : "http/1.1";

	(void)arg;
	for (unsigned at = 0; at < n && at + 1 + in[at] <= n; at += 1 + in[at]) {
		if (in[at] == strlen(name) && memcmp(in + at + 1, name, strlen(name)) == 0) {
			*out = in + at + 1;
			*size = in[at];
			return SSL_TLSEXT_ERR_OK;
		}
	}
	return SSL_TLSEXT_ERR_ALERT_FATAL;
}

/* --- life --- */

static void
set_habits(SSL_CTX *ssl)
{
	SSL_CTX_set_options(ssl, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE |
				 SSL_OP_IGNORE_UNEXPECTED_EOF | SSL_OP_NO_TICKET);
	/* Chains are looked for when the files are read (certificate_find_chain), not at every handshake. */
	SSL_CTX_set_mode(ssl, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_NO_AUTO_CHAIN);
	SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_num_tickets(ssl, 0);
	SSL_CTX_set_read_ahead(ssl, 1);
	SSL_CTX_set_max_cert_list(ssl, CHAIN_MAX);
}

static struct tls_context *
new_context(const SSL_METHOD *method)
{
	struct tls_context *c = memory_zalloc(sizeof(*c));

	atomic_init(&c->refs, 1);
	c->ssl = SSL_CTX_new(method);
	if (c->ssl == NULL) {
		log_fatal("OpenSSL cannot be used");
		abort();
	}
	set_habits(c->ssl);
	return c;
}

static bool
set_up(struct tls_context *c, const struct tls_settings *s, const char *ciphers, struct error *e)
{
	unsigned protocols;

	c->verify = s->mode >= TLS_VERIFY_CA;
	c->verify_name = s->mode >= TLS_VERIFY_FULL;
	if (c->verify && !is_set(s->ca_file)) {
		error_set(e, SEVERITY_ERROR, SQLSTATE_CONFIG_FILE,
			  "certificates cannot be verified without a CA file");
		return false;
	}
	if (is_set(s->cert_file) != is_set(s->key_file)) {
		error_set(e, SEVERITY_ERROR, SQLSTATE_CONFIG_FILE, "%s file \"%s\" is set, but no %s file",
			  is_set(s->cert_file) ? "certificate" : "private key",
			  is_set(s->cert_file) ? s->cert_file : s->key_file,
			  is_set(s->cert_file) ? "private key" : "certificate");
		return false;
	}
	return set_protocols(c, s->protocols, &protocols, e) && set_ciphers(c, s, protocols, ciphers, e) &&
	       set_key_exchange(c, s, e) && (!is_set(s->ca_file) || load_authorities(c, s->ca_file, e)) &&
	       load_certificates(c, s, e);
}

static bool
set_up_for_clients(struct tls_context *c, const struct tls_settings *s, struct error *e)
{
	if (!is_set(s->cert_file) || !is_set(s->key_file)) {
		error_set(e, SEVERITY_ERROR, SQLSTATE_CONFIG_FILE,
			  "TLS with clients needs a certificate file and a private key file");
		return false;
	}
	SSL_CTX_set_client_hello_cb(c->ssl, on_hello, NULL);
	SSL_CTX_set_tlsext_servername_callback(c->ssl, on_server_name);
	SSL_CTX_set_alpn_select_cb(c->ssl, on_protocols, NULL);
	return set_up(c, s, STRONG_CIPHERS, e) &&
	       (!is_set(s->ca_file) || ask_for_certificates(c, s->ca_file, c->verify, e));
}

static bool
set_up_for_servers(struct tls_context *c, const struct tls_settings *s, struct error *e)
{
	if (!set_up(c, s, SERVER_CIPHERS, e))
		return false;
	SSL_CTX_set_verify(c->ssl, c->verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, NULL);
	return true;
}

struct tls_context *
tls_context_for_clients(const struct tls_settings *s, struct error *e)
{
	struct tls_context *c = new_context(TLS_server_method());

	if (!set_up_for_clients(c, s, e))
		tls_context_unref(&c);
	ERR_clear_error();
	return c;
}

struct tls_context *
tls_context_for_servers(const struct tls_settings *s, struct error *e)
{
	struct tls_context *c = new_context(TLS_client_method());

	if (!set_up_for_servers(c, s, e))
		tls_context_unref(&c);
	ERR_clear_error();
	return c;
}

struct tls_context *
tls_context_trusting_none(void)
{
	struct tls_context *c = new_context(TLS_client_method());

	c->verify = c->verify_name = true;
	SSL_CTX_set_verify(c->ssl, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_min_proto_version(c->ssl, TLS1_2_VERSION);
	return c;
}

struct tls_context *
tls_context_ref(struct tls_context *c)
{
	if (c != NULL)
		atomic_fetch_add_explicit(&c->refs, 1, memory_order_relaxed);
	return c;
}

void
tls_context_unref(struct tls_context **cp)
{
	struct tls_context *c = *cp;
	struct shown *s, *next;

	*cp = NULL;
	if (c == NULL || atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel) > 1)
		return;
	HASH_ITER(hh, c->by_host, s, next) {
		HASH_DEL(c->by_host, s);
		free_shown(&s);
	}
	free_shown(&c->own);
	SSL_CTX_free(c->ssl);
	free(c);
}
