#include "config/contexts.h"

#include <stdio.h>
#include <string.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/log.h"
#include "base/memory.h"
#include "base/sqlstate.h"
#include "base/strings.h"
#include "config/keys.h"
#include "config/lines.h"
#include "config/snapshot.h"
#include "config/value.h"

#define SETUP_FAILED "TLS setup failed: "

static bool
is_set(const char *text)
{
	return text != NULL && *text != '\0';
}

static const char *
mode_name(enum tls_mode mode)
{
	return key_word_of(words_tls_mode, (int)mode);
}

static bool __attribute__((format(printf, 2, 3)))
refuse(struct error *e, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	error_vset(e, SEVERITY_ERROR, SQLSTATE_CONFIG_FILE, fmt, ap);
	va_end(ap);
	return false;
}

/* Put words before the message of e. */
static void
begin_message(struct error *e, const char *words)
{
	char message[sizeof(e->message)];

	string_copy(message, e->message, sizeof(message));
	size_t n = strlen(string_copy(e->message, words, sizeof(e->message)));
	string_copy(e->message + n, message, sizeof(e->message) - n);
}

/* Messages quote the names of files. */
static bool
quotes(const struct error *e, const char *value)
{
	char quoted[sizeof(e->message)];

	snprintf(quoted, sizeof(quoted), "\"%s\"", value);
	return is_set(value) && strstr(e->message, quoted) != NULL;
}

/* The key with this flag whose value the message quotes; if there is none, other. */
static const struct ini_place *
find_place(const struct faults *f, const struct config *c, unsigned flag, const struct ini_place *other, const struct error *e)
{
	struct key_walk w = { 0, 0 };
	char buf[VALUE_TEXT];
	const struct key *k;

	while ((k = key_next(&section_pgbouncer, &w)) != NULL) {
		const char *value = (k->flags & flag) != 0 && value_is_text(k) ? value_print(k, c, buf) : NULL;
		const struct ini_place *at = faults_key(f, k->offset);

		if (value != NULL && at != NULL && quotes(e, value))
			return at;
	}
	return other;
}

static const struct ini_place *
place_of_client(const struct faults *f, const struct config *c, const struct error *e)
{
	const struct ini_place *at = find_place(f, c, KEY_CLIENT_TLS, NULL, e);
	const struct lookup_entry *position = NULL;
	const struct lines_certificate *line;

	while (at == NULL && (line = lookup_next(&c->index->certificates, &position)) != NULL)
		if (quotes(e, line->certificate.cert_file) || quotes(e, line->certificate.key_file))
			at = &line->at;
	return at != NULL ? at : FAULTS_KEY(f, client_tls_sslmode);
}

/* --- clients --- */

static void
gather_client(const struct config *c, struct tls_settings *s)
{
	*s = (struct tls_settings){
		.mode = (enum tls_mode)c->client_tls_sslmode,
		.ca_file = c->client_tls_ca_file,
		.cert_file = c->client_tls_cert_file,
		.key_file = c->client_tls_key_file,
		.protocols = c->client_tls_protocols,
		.ciphers = c->client_tls_ciphers,
		.ciphers13 = c->client_tls13_ciphers,
		.ecdhcurve = c->client_tls_ecdhcurve,
		.dheparams = c->client_tls_dheparams,
		.certificates = c->tls_certificates,
		.ncertificates = c->ntls_certificates,
	};
}

static bool
check_client(const struct tls_settings *s, struct error *e)
{
	if (!is_set(s->cert_file) || !is_set(s->key_file))
		return refuse(e, "client_tls_sslmode %s needs client_tls_key_file and client_tls_cert_file",
			mode_name(s->mode));
	if (s->mode >= TLS_VERIFY_CA && !is_set(s->ca_file))
		return refuse(e, "client_tls_sslmode %s needs client_tls_ca_file", mode_name(s->mode));
	return true;
}

/* *context: NULL if there is to be none. */
static bool
make_client(const struct config *c, struct tls_context **context, struct error *e)
{
	struct tls_settings s;

	*context = NULL;
	gather_client(c, &s);
	if (s.mode == TLS_DISABLE)
		return true;
	if (check_client(&s, e) && (*context = tls_context_for_clients(&s, e)) != NULL)
		return true;
	begin_message(e, SETUP_FAILED);
	return false;
}

bool
contexts_remake_client(struct config *c, enum tls_mode was, struct error *e)
{
	struct tls_context *context;

	if (make_client(c, &context, e)) {
		tls_context_unref(&c->client_tls);
		c->client_tls = context;
		return true;
	}
	if (c->client_tls == NULL || (enum tls_mode)c->client_tls_sslmode > was)
		return false;
	log_error("%s; clients see the old certificate, by the old rules", e->message);
	return true;
}

/* --- HTTP --- */

static bool
make_http(const struct config *c, struct tls_context **context, struct error *e)
{
	struct tls_settings s = {
		.mode = TLS_REQUIRE,
		.cert_file = c->http_tls_cert_file,
		.key_file = c->http_tls_key_file,
	};

	*context = NULL;
	if (!is_set(s.cert_file) && !is_set(s.key_file))
		return true;
	if (!is_set(s.cert_file) || !is_set(s.key_file))
		return refuse(e, SETUP_FAILED "http_tls_cert_file and http_tls_key_file go together: set both or none");
	*context = tls_context_for_clients(&s, e);
	if (*context == NULL)
		begin_message(e, SETUP_FAILED "for HTTP: ");
	return *context != NULL;
}

bool
contexts_remake_http(struct config *c, struct error *e)
{
	bool whole = is_set(c->http_tls_cert_file) && is_set(c->http_tls_key_file);
	struct tls_context *context = NULL;

	if (whole && !make_http(c, &context, e)) {
		if (c->http_tls == NULL)
			return false;
		log_error("%s; HTTP clients see the old certificate", e->message);
		return true;
	}
	tls_context_unref(&c->http_tls);
	c->http_tls = context;
	return true;
}

/* --- servers --- */

static const char *
pick_text(const char *own, const char *global)
{
	return own != NULL ? own : global;
}

static int
pick(int own, int global)
{
	return own != CONFIG_UNSET ? own : global;
}

static void
gather_server(const struct config *c, const struct slot *slot, struct server_context *sc)
{
	sc->settings = (struct tls_settings){
		.mode = (enum tls_mode)pick(slot->sslmode, c->server_tls_sslmode),
		.ca_file = pick_text(slot->ca_file, c->server_tls_ca_file),
		.cert_file = pick_text(slot->cert_file, c->server_tls_cert_file),
		.key_file = pick_text(slot->key_file, c->server_tls_key_file),
		.protocols = c->server_tls_protocols,
		.ciphers = c->server_tls_ciphers,
		.ciphers13 = c->server_tls13_ciphers,
	};
	sc->negotiation = (enum tls_negotiation)pick(slot->negotiation, c->server_tls_negotiation);
}

/* The keys borrowed so far go with their snapshot, which may be before the context. */
static void
own_settings(struct tls_settings *s, struct config_arena *arena)
{
	const char **texts[] = { &s->ca_file, &s->cert_file, &s->key_file, &s->protocols, &s->ciphers,
		&s->ciphers13 };

	for (size_t i = 0; i < lengthof(texts); i++)
		*texts[i] = arena_strdup(arena, *texts[i]);
}

static bool
check_negotiation(const struct server_context *sc, struct error *e)
{
	enum tls_mode mode = sc->settings.mode;

	if (sc->negotiation != TLS_NEGOTIATION_DIRECT || mode == TLS_DISABLE || mode >= TLS_REQUIRE)
		return true;
	return refuse(e, "server_tls_negotiation direct needs server_tls_sslmode require or more: with %s there is no way "
		"back to a connection without TLS", mode_name(mode));
}

static bool
check_server(const struct tls_settings *s, struct error *e)
{
	if (s->mode >= TLS_VERIFY_CA && !is_set(s->ca_file))
		return refuse(e, "server_tls_sslmode %s needs server_tls_ca_file", mode_name(s->mode));
	if (is_set(s->cert_file) && !is_set(s->key_file))
		return refuse(e, "server_tls_cert_file needs server_tls_key_file");
	return true;
}

static bool
make_server(struct server_context *sc, struct error *e)
{
	sc->context = NULL;
	if (sc->settings.mode == TLS_DISABLE)
		return true;
	if (!check_server(&sc->settings, e))
		return false;
	sc->context = tls_context_for_servers(&sc->settings, e);
	return sc->context != NULL;
}

static void
explain_server(const struct slot *slot, struct error *e)
{
	char words[150];

	snprintf(words, sizeof(words), SETUP_FAILED "%s%.60s%s",
		slot->database == NULL ? "for servers: " : "for servers of database \"",
		slot->database == NULL ? "" : slot->database, slot->database == NULL ? "" : "\": ");
	begin_message(e, words);
}

static struct config_servers *
alloc_servers(size_t n)
{
	struct config_arena *arena = arena_new();
	struct config_servers *s = arena_alloc(arena, sizeof(*s) + n * sizeof(s->contexts[0]));

	s->arena = arena;
	s->n = n;
	atomic_init(&s->refs, 1);
	return s;
}

static void
drop_servers(struct config_servers *s)
{
	struct config_arena *arena;

	if (s == NULL || atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) != 1)
		return;
	for (size_t i = 0; i < s->n; i++)
		tls_context_unref(&s->contexts[i].context);
	arena = s->arena;
	arena_free(&arena);
}

static const struct ini_place *
place_of_servers(const struct faults *f)
{
	const struct ini_place *mode = FAULTS_KEY(f, server_tls_sslmode), *cert = FAULTS_KEY(f, server_tls_cert_file);

	return mode != NULL ? mode : cert != NULL ? cert : FAULTS_KEY(f, server_tls_negotiation);
}

static void
make_servers(struct config *c, struct faults *f)
{
	struct config_servers *s = alloc_servers(c->index->nslots);
	const struct ini_place *at, *told_at = NULL;
	struct error e, told = { .message = "" };

	c->servers = s;
	for (size_t i = 0; i < s->n; i++) {
		const struct slot *slot = &c->index->slots[i];
		struct server_context *sc = &s->contexts[i];

		gather_server(c, slot, sc);
		own_settings(&sc->settings, s->arena);
		if (check_negotiation(sc, &e) && (c->bare || make_server(sc, &e)))
			continue;
		at = find_place(f, c, KEY_SERVER_TLS, slot->at != NULL ? slot->at : place_of_servers(f), &e);
		if (at != NULL && at == told_at && strcmp(e.message, told.message) == 0)
			continue; /* one key breaks all slots that leave it open */
		told = e;
		told_at = at;
		explain_server(slot, &e);
		faults_refuse(f, at, &e);
	}
}

/* What becomes of slots whose context can't be made: see config_with. */
struct remake {
	struct config *c;
	const struct config_servers *old;
	struct error why;	/* of the first */
	size_t nkept, nclosed;
};

static bool
stand_in(struct remake *r, struct server_context *sc, const struct server_context *old)
{
	enum tls_mode wanted = sc->settings.mode, was = old->settings.mode;

	if (was == TLS_DISABLE)
		return false;
	if (wanted >= TLS_VERIFY_CA && wanted > was) {
		r->nclosed++;
		sc->context = tls_context_trusting_none();
		return true;
	}
	r->nkept++;
	sc->settings = old->settings;
	sc->settings.mode = wanted > was ? wanted : was;
	sc->context = tls_context_ref(old->context);
	return true;
}

static bool
remake_server(struct remake *r, size_t i, struct server_context *sc, struct error *e)
{
	const struct slot *slot = &r->c->index->slots[i];

	gather_server(r->c, slot, sc);
	if (!check_negotiation(sc, e)) {
		explain_server(slot, e);
		return false;
	}
	if (make_server(sc, e))
		return true;
	explain_server(slot, e);
	if (r->nkept + r->nclosed == 0)
		r->why = *e;
	return stand_in(r, sc, &r->old->contexts[i]);
}

/* Not a line a slot: there may be many, and what is wrong is mostly the same. */
static void
log_stand_ins(const struct remake *r)
{
	char more[60] = "";

	if (r->nkept + r->nclosed > 1)
		snprintf(more, sizeof(more), " (and %zu more)", r->nkept + r->nclosed - 1);
	if (r->nkept > 0)
		log_error("%s%s; the old certificate and rules stay in use", r->why.message, more);
	if (r->nclosed > 0)
		log_error("%s%s; no certificate of a server is trusted until that is mended", r->why.message, more);
}

bool
contexts_remake_servers(struct config *c, struct error *e)
{
	struct config_servers *old = c->servers, *s = alloc_servers(c->index->nslots);
	struct remake r = { .c = c, .old = old };
	bool ok = true;

	for (size_t i = 0; i < s->n && ok; i++) {
		ok = remake_server(&r, i, &s->contexts[i], e);
		own_settings(&s->contexts[i].settings, s->arena);
	}
	if (ok)
		log_stand_ins(&r);
	c->servers = s;
	drop_servers(old);
	return ok;
}

/* --- all --- */

void
contexts_make(struct config *c, struct faults *f)
{
	const struct ini_place *cert = FAULTS_KEY(f, http_tls_cert_file), *key = FAULTS_KEY(f, http_tls_key_file);
	struct error e;

	if (!c->bare && !make_client(c, &c->client_tls, &e))
		faults_refuse(f, place_of_client(f, c, &e), &e);
	if (!c->bare && !make_http(c, &c->http_tls, &e))
		faults_refuse(f, find_place(f, c, KEY_HTTP, is_set(c->http_tls_cert_file) ? cert : key, &e), &e);
	make_servers(c, f);
}

void
contexts_ref(const struct config *c)
{
	tls_context_ref(c->client_tls);
	tls_context_ref(c->http_tls);
	atomic_fetch_add_explicit(&c->servers->refs, 1, memory_order_relaxed);
}

void
contexts_unref(const struct config *c)
{
	struct tls_context *client_tls = c->client_tls, *http_tls = c->http_tls;

	tls_context_unref(&client_tls);
	tls_context_unref(&http_tls);
	drop_servers(c->servers);
}

struct tls_context *
config_server_tls(const struct config *c, const struct config_database *db, enum tls_mode *mode)
{
	const struct server_context *sc = &c->servers->contexts[db->tls_slot];

	*mode = sc->context == NULL ? TLS_DISABLE : sc->settings.mode;
	return sc->context;
}

enum tls_negotiation
config_server_tls_negotiation(const struct config *c, const struct config_database *db)
{
	return c->servers->contexts[db->tls_slot].negotiation;
}

uint64_t
config_hash_security(uint64_t hash, const struct config *c, const struct config_database *db)
{
	const struct server_context *sc = &c->servers->contexts[db->tls_slot];
	const struct tls_settings *s = &sc->settings;
	const uint32_t numbers[] = { config_server_demands(c, db), s->mode, sc->negotiation };
	const char *const texts[] = { s->ca_file, s->cert_file, s->key_file, s->protocols, s->ciphers, s->ciphers13 };

	if (s->mode == TLS_DISABLE)
		return XXH3_64bits_withSeed(numbers, sizeof(numbers[0]), hash);
	hash = XXH3_64bits_withSeed(numbers, sizeof(numbers), hash);
	for (size_t i = 0; i < lengthof(texts); i++)
		hash = XXH3_64bits_withSeed(texts[i], is_set(texts[i]) ? strlen(texts[i]) : 0, hash);
	return hash;
}
