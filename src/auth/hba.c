#include "auth/hba.h"

#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <sys/socket.h>

#include "auth/hba_text.h"
#include "base/buffer.h"
#include "base/memory.h"

#define ADDRESS_MAX 16

/* Connections that a line is for. */
#define FOR_LOCAL 1u
#define FOR_TLS 2u
#define FOR_CLEAR 4u
#define FOR_TCP (FOR_TLS | FOR_CLEAR)

enum name_kind {
	NAME_EXACT,
	NAME_ALL,
	NAME_SAMEUSER,
	NAME_REPLICATION,
};

struct name {
	enum name_kind kind;
	char *text; /* EXACT; owned */
};

struct name_list {
	struct name *names;
	size_t n;
};

enum address_kind {
	ADDRESS_ALL,
	ADDRESS_SAMEHOST,
	ADDRESS_SAMENET,
	ADDRESS_NETWORK,
};

struct address {
	enum address_kind kind;
	int family; /* AF_INET or AF_INET6, of a NETWORK */
	uint8_t bytes[ADDRESS_MAX];
	uint8_t mask[ADDRESS_MAX];
};

struct rule {
	struct hba_rule shown; /* first: hba_next knows the rule by it */
	unsigned types;
	struct name_list databases;
	struct name_list users;
	struct address address;
	char *map;
	char *options;
};

struct hba {
	struct rule *rules;
	size_t n, room;
	unsigned methods; /* bits */
};

/* --- reading a line --- */

struct parser {
	struct hba_line *line;
	size_t next; /* field */
	struct error *e;
};

#define refuse(p, ...) hba_refuse((p)->e, (p)->line->file, (p)->line->number, __VA_ARGS__)

static struct hba_field *
next_field(struct parser *p, const char *what)
{
	if (p->next < p->line->n)
		return &p->line->fields[p->next++];
	refuse(p, "the line ends before the %s", what);
	return NULL;
}

/* The next field, which is no list. */
static const struct hba_token *
next_word(struct parser *p, const char *what)
{
	const struct hba_field *f = next_field(p, what);

	if (f == NULL)
		return NULL;
	if (f->n == 1)
		return f->tokens;
	refuse(p, "the %s can't be a list", what);
	return NULL;
}

/* --- type --- */

static const struct {
	const char *word;
	unsigned types;
	const char *refusal;
} line_types[] = {
	{ "local", FOR_LOCAL, NULL },
	{ "host", FOR_TCP, NULL },
	{ "hostssl", FOR_TLS, NULL },
	{ "hostnossl", FOR_CLEAR, NULL },
	{ "hostnogssenc", FOR_TCP, NULL },
	{ "hostgssenc", 0, "GSSAPI is not supported" },
	{ "include", 0, "a file can be named only in a list, as @file" },
	{ "include_if_exists", 0, "a file can be named only in a list, as @file" },
	{ "include_dir", 0, "a file can be named only in a list, as @file" },
};

static bool
read_type(struct parser *p, struct rule *r)
{
	const struct hba_token *word = next_word(p, "connection type");
	size_t i;

	if (word == NULL)
		return false;
	for (i = 0; i < lengthof(line_types); i++) {
		if (strcmp(word->text, line_types[i].word) != 0)
			continue;
		r->types = line_types[i].types;
		return r->types != 0 || refuse(p, "%s", line_types[i].refusal);
	}
	return refuse(p, "\"%.60s\" is no connection type: local, host, hostssl or hostnossl", word->text);
}

/* --- databases and users --- */

struct keyword {
	const char *word;
	enum name_kind kind;
	const char *refusal;
};

static const struct keyword database_words[] = {
	{ "all", NAME_ALL, NULL },
	{ "sameuser", NAME_SAMEUSER, NULL },
	{ "replication", NAME_REPLICATION, NULL },
	{ "samerole", NAME_EXACT, "groups are not known here, so samerole is not supported" },
	{ "samegroup", NAME_EXACT, "groups are not known here, so samegroup is not supported" },
	{ NULL, NAME_EXACT, NULL },
};

static const struct keyword user_words[] = {
	{ "all", NAME_ALL, NULL },
	{ NULL, NAME_EXACT, NULL },
};

/* Takes the token's text.  A slash counts in quotes too, as in PostgreSQL. */
static bool
take_name(struct parser *p, const struct keyword *k, struct hba_token *token, struct name *name)
{
	while (k->word != NULL && !hba_token_is(token, k->word))
		k++;
	if (k->refusal != NULL)
		return refuse(p, "%s", k->refusal);
	if (token->text[0] == '/')
		return refuse(p, "\"%.60s\": regular expressions are not supported", token->text);
	if (token->text[0] == '+' && !token->quoted)
		return refuse(p, "\"%.60s\": groups are not known here; list their members", token->text);
	name->kind = k->kind;
	name->text = token->text;
	token->text = NULL;
	return true;
}

static bool
read_names(struct parser *p, const char *what, const struct keyword *words, struct name_list *list)
{
	struct hba_field *f = next_field(p, what);
	size_t i;

	if (f == NULL)
		return false;
	list->names = memory_zalloc((f->n + 1) * sizeof(*list->names));
	for (i = 0; i < f->n; i++)
		if (!take_name(p, words, &f->tokens[i], &list->names[list->n++]))
			return false;
	return true;
}

/* --- address --- */

static size_t
address_size(int family)
{
	return family == AF_INET ? 4 : 16;
}

static bool
parse_ip(const char *text, int *family, uint8_t bytes[ADDRESS_MAX])
{
	*family = strchr(text, ':') != NULL ? AF_INET6 : AF_INET;
	return inet_pton(*family, text, bytes) == 1;
}

static bool
parse_bits(const char *text, int family, uint8_t mask[ADDRESS_MAX])
{
	size_t digits = strspn(text, "0123456789");
	int bits = digits >= 1 && digits <= 3 && text[digits] == '\0' ? atoi(text) : 1000;
	int i;

	if (bits > (int)address_size(family) * 8)
		return false;
	memset(mask, 0, ADDRESS_MAX);
	for (i = 0; i < bits; i++)
		mask[i / 8] = (uint8_t)(mask[i / 8] | 0x80 >> i % 8);
	return true;
}

/* ::ffff:0:0/96 */
static bool
is_mapped(const uint8_t bytes[ADDRESS_MAX])
{
	static const uint8_t prefix[12] = { [10] = 0xff, [11] = 0xff };

	return memcmp(bytes, prefix, sizeof(prefix)) == 0;
}

/* A network of mapped addresses is meant for IPv4, which is how they are asked for. */
static void
unmap_network(struct address *a)
{
	static const uint8_t ones[12] = {
		0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	};

	if (a->family != AF_INET6 || !is_mapped(a->bytes) || memcmp(a->mask, ones, sizeof(ones)) != 0)
		return;
	a->family = AF_INET;
	memmove(a->bytes, a->bytes + 12, 4);
	memmove(a->mask, a->mask + 12, 4);
}

/* The mask is in a field of its own. */
static bool
read_mask(struct parser *p, struct address *a)
{
	const struct hba_token *word = next_word(p, "mask of the address");
	int family;

	if (word == NULL)
		return false;
	if (!parse_ip(word->text, &family, a->mask) || family != a->family)
		return refuse(p, "\"%.60s\" is no mask of the address; or write the address as ADDRESS/BITS",
			word->text);
	return true;
}

/* address "/" bits, or an address and a mask */
static bool
read_network(struct parser *p, const char *text, struct address *a)
{
	char ip[INET6_ADDRSTRLEN + 1];
	size_t n = strcspn(text, "/");

	a->kind = ADDRESS_NETWORK;
	if (n >= sizeof(ip))
		return refuse(p, "\"%.60s\" is no IP address; host names are not supported", text);
	memcpy(ip, text, n);
	ip[n] = '\0';
	if (!parse_ip(ip, &a->family, a->bytes))
		return refuse(p, "\"%.60s\" is no IP address; host names are not supported", text);
	if (text[n] == '\0') {
		if (!read_mask(p, a))
			return false;
	} else if (!parse_bits(text + n + 1, a->family, a->mask)) {
		return refuse(p, "\"%.60s\": bad number of bits", text);
	}
	unmap_network(a);
	return true;
}

static const struct {
	const char *word;
	enum address_kind kind;
} address_words[] = {
	{ "all", ADDRESS_ALL },
	{ "samehost", ADDRESS_SAMEHOST },
	{ "samenet", ADDRESS_SAMENET },
};

static bool
read_address(struct parser *p, struct rule *r)
{
	const struct hba_token *word;
	size_t i;

	if (r->types == FOR_LOCAL)
		return true;
	word = next_word(p, "address");
	if (word == NULL)
		return false;
	for (i = 0; i < lengthof(address_words); i++) {
		if (!hba_token_is(word, address_words[i].word))
			continue;
		r->address.kind = address_words[i].kind;
		return true;
	}
	return read_network(p, word->text, &r->address);
}

/* --- method --- */

static const struct {
	const char *word;
	enum hba_method method;
	unsigned types; /* on which lines it makes sense */
	const char *refusal;
} methods[] = {
	{ "reject", HBA_REJECT, FOR_LOCAL | FOR_TCP, NULL },
	{ "trust", HBA_TRUST, FOR_LOCAL | FOR_TCP, NULL },
	{ "password", HBA_PLAIN, FOR_LOCAL | FOR_TCP, NULL },
	{ "plain", HBA_PLAIN, FOR_LOCAL | FOR_TCP, NULL },
	{ "md5", HBA_MD5, FOR_LOCAL | FOR_TCP, NULL },
	{ "scram-sha-256", HBA_SCRAM_SHA_256, FOR_LOCAL | FOR_TCP, NULL },
	/* On a host line it refuses who comes without TLS, as in PgBouncer. */
	{ "cert", HBA_CERT, FOR_TLS, "certificates come with TLS, so it needs a hostssl or host line" },
	{ "peer", HBA_PEER, FOR_LOCAL, "the kernel knows only who is at a Unix socket, so it needs a local line" },
	{ "ldap", HBA_LDAP, FOR_LOCAL | FOR_TCP, NULL },
	{ "pam", HBA_PAM, FOR_LOCAL | FOR_TCP, NULL },
};

static const char *const unsupported[] = { "gss", "sspi", "ident", "radius", "bsd", "oauth" };

static bool
refuse_method(struct parser *p, const char *word)
{
	size_t i;

	for (i = 0; i < lengthof(unsupported); i++)
		if (strcmp(word, unsupported[i]) == 0)
			return refuse(p, "the method %s is not supported", word);
	return refuse(p, "\"%.60s\" is no method", word);
}

static bool
read_method(struct parser *p, struct rule *r)
{
	const struct hba_token *word = next_word(p, "method");
	size_t i;

	if (word == NULL)
		return false;
	for (i = 0; i < lengthof(methods); i++) {
		if (strcmp(word->text, methods[i].word) != 0)
			continue;
		r->shown.method = methods[i].method;
		return (r->types & methods[i].types) != 0 ||
			refuse(p, "the method %s can't be used here: %s", word->text, methods[i].refusal);
	}
	return refuse_method(p, word->text);
}

const char *
hba_method_name(enum hba_method method)
{
	size_t i;

	for (i = 0; i < lengthof(methods); i++)
		if (methods[i].method == method)
			return methods[i].word;
	return "";
}

/* --- options --- */

static const struct option {
	enum hba_method method;
	const char *name;
	const char *only; /* the one value, which says what is so anyway; NULL: it is a map */
} known_options[] = {
	{ HBA_PEER, "map", NULL },
	{ HBA_CERT, "map", NULL },
	{ HBA_CERT, "clientcert", "verify-full" },
	{ HBA_CERT, "clientname", "CN" },
	{ HBA_PAM, "pamservice", "pgbouncer" },
};

static bool
take_map(struct parser *p, struct rule *r, const char *value)
{
	if (r->map != NULL)
		return refuse(p, "map= is given twice");
	if (*value == '\0')
		return refuse(p, "map= names no map");
	r->map = memory_strdup(value);
	return true;
}

static bool
take_option(struct parser *p, struct rule *r, const char *name, const char *value)
{
	const char *method = hba_method_name(r->shown.method);
	const struct option *o = known_options;
	size_t i;

	for (i = 0; i < lengthof(known_options); i++, o++)
		if (o->method == r->shown.method && strcmp(o->name, name) == 0)
			break;
	if (i == lengthof(known_options))
		return refuse(p, "the method %s has no option %.60s", method, name);
	if (o->only == NULL)
		return take_map(p, r, value);
	return strcmp(value, o->only) == 0 ||
		refuse(p, "%s= can only be %s with the method %s", name, o->only, method);
}

static void
append_text(struct buffer *b, const char *text)
{
	buffer_append(b, text, strlen(text));
}

/* name="value", a quote inside of it doubled. */
static void
write_option(struct buffer *b, const char *name, const char *value)
{
	const char *c;

	if (buffer_left(b) > 0)
		append_text(b, " ");
	append_text(b, name);
	append_text(b, "=\"");
	for (c = value; *c != '\0'; c++) {
		if (*c == '"')
			append_text(b, "\"");
		buffer_append(b, c, 1);
	}
	append_text(b, "\"");
}

/* The value may be a password: no message shows it. */
static bool
read_option(struct parser *p, struct rule *r, struct hba_token *token, struct buffer *text)
{
	char *equals = strchr(token->text, '=');

	if (equals == NULL || equals == token->text)
		return refuse(p, "an option must read name=value, without blanks around =");
	*equals = '\0';
	if (r->shown.method != HBA_LDAP)
		return take_option(p, r, token->text, equals + 1);
	write_option(text, token->text, equals + 1);
	return true;
}

static bool
read_options(struct parser *p, struct rule *r)
{
	struct buffer text = BUFFER_INIT;
	bool good = true;
	size_t i;

	for (; good && p->next < p->line->n; p->next++) {
		struct hba_field *f = &p->line->fields[p->next];

		for (i = 0; good && i < f->n; i++)
			good = read_option(p, r, &f->tokens[i], &text);
	}
	buffer_append(&text, "", 1);
	r->options = memory_strdup((const char *)buffer_head(&text));
	buffer_wipe(&text);
	return good;
}

/* --- the table --- */

static void
release_names(struct name_list *list)
{
	size_t i;

	for (i = 0; i < list->n; i++)
		free(list->names[i].text);
	free(list->names);
}

static void
release_rule(struct rule *r)
{
	release_names(&r->databases);
	release_names(&r->users);
	free(r->map);
	memory_free_secret(r->options);
}

void
hba_free(struct hba **h)
{
	struct hba *old = *h;
	size_t i;

	*h = NULL;
	if (old == NULL)
		return;
	for (i = 0; i < old->n; i++)
		release_rule(&old->rules[i]);
	free(old->rules);
	free(old);
}

static struct rule *
add_rule(struct hba *h)
{
	if (h->n == h->room) {
		h->room = h->room == 0 ? 16 : 2 * h->room;
		h->rules = memory_realloc(h->rules, h->room * sizeof(*h->rules));
	}
	memset(&h->rules[h->n], 0, sizeof(*h->rules));
	return &h->rules[h->n++];
}

/* type databases users [ address [ mask ] ] method [ name=value ]... */
static bool
read_rule(struct hba *h, struct hba_line *line, struct error *e)
{
	struct parser p = { .line = line, .e = e };
	struct rule *r = add_rule(h);

	if (!read_type(&p, r) || !read_names(&p, "databases", database_words, &r->databases) ||
		!read_names(&p, "users", user_words, &r->users) || !read_address(&p, r) ||
		!read_method(&p, r) || !read_options(&p, r))
		return false;
	r->shown.line = line->number;
	r->shown.map = r->map;
	r->shown.options = r->options;
	h->methods |= 1u << r->shown.method;
	return true;
}

static bool
read_rules(struct hba *h, struct hba_text *t, hba_refused_fn *refused, void *arg, struct error *e)
{
	struct hba_line line;
	enum hba_outcome outcome;
	bool good = true;

	while ((good || refused != NULL) && (outcome = hba_text_read(t, &line, e)) != HBA_END) {
		if (outcome == HBA_FAILED)
			hba_text_skip(t);
		if (outcome == HBA_LINE && read_rule(h, &line, e)) {
			hba_line_release(&line);
			continue;
		}
		hba_line_release(&line);
		good = false;
		if (refused != NULL)
			refused(arg, e);
	}
	return good;
}

struct hba *
hba_parse(const char *name, const char *text, size_t size, hba_read_fn *read, hba_refused_fn *refused, void *arg,
	struct error *e)
{
	struct hba_source source = { .read = read, .arg = arg };
	struct hba *h = memory_zalloc(sizeof(*h));
	struct hba_text t;

	hba_text_init(&t, &source, name, text, size);
	if (!read_rules(h, &t, refused, arg, e))
		hba_free(&h);
	return h;
}

const struct hba_rule *
hba_next(const struct hba *h, const struct hba_rule *after)
{
	size_t i = 0;

	if (after != NULL)
		i = (size_t)((const struct rule *)after - h->rules) + 1;
	return i < h->n ? &h->rules[i].shown : NULL;
}

bool
hba_uses(const struct hba *h, enum hba_method method)
{
	return (h->methods & 1u << method) != 0;
}

/* --- the question --- */

static bool
fits_database(const struct name *name, const struct hba_connection *c)
{
	if (c->replication)
		return name->kind == NAME_REPLICATION;
	switch (name->kind) {
	case NAME_EXACT:
		return strcmp(name->text, c->database) == 0;
	case NAME_ALL:
		return true;
	case NAME_SAMEUSER:
		return strcmp(c->database, c->user) == 0;
	case NAME_REPLICATION:
		return false;
	}
	return false;
}

static bool
fits_user(const struct name *name, const struct hba_connection *c)
{
	return name->kind == NAME_ALL || strcmp(name->text, c->user) == 0;
}

static bool
fits_any(const struct name_list *list, bool (*fits)(const struct name *, const struct hba_connection *),
	const struct hba_connection *c)
{
	size_t i;

	for (i = 0; i < list->n; i++)
		if (fits(&list->names[i], c))
			return true;
	return false;
}

static bool
fits_network(const struct address *a, const struct hba_connection *c)
{
	size_t i;

	if (a->family != c->family)
		return false;
	for (i = 0; i < address_size(a->family); i++)
		if (((a->bytes[i] ^ c->address[i]) & a->mask[i]) != 0)
			return false;
	return true;
}

static bool
fits_address(const struct address *a, const struct hba_connection *c)
{
	switch (a->kind) {
	case ADDRESS_ALL:
		return true;
	case ADDRESS_SAMEHOST:
	case ADDRESS_SAMENET:
		return c->is_near != NULL && c->is_near(c->arg, a->kind == ADDRESS_SAMENET);
	case ADDRESS_NETWORK:
		return fits_network(a, c);
	}
	return false;
}

static unsigned
type_of(const struct hba_connection *c)
{
	if (c->local)
		return FOR_LOCAL;
	return c->tls ? FOR_TLS : FOR_CLEAR;
}

const struct hba_rule *
hba_find(const struct hba *h, const struct hba_connection *asked)
{
	struct hba_connection c = *asked;
	size_t i;

	if (!c.local && c.family == AF_INET6 && is_mapped(c.address)) {
		c.family = AF_INET;
		c.address += 12;
	}
	for (i = 0; i < h->n; i++) {
		const struct rule *r = &h->rules[i];

		if ((r->types & type_of(&c)) != 0 && (c.local || fits_address(&r->address, &c)) &&
			fits_any(&r->databases, fits_database, &c) && fits_any(&r->users, fits_user, &c))
			return &r->shown;
	}
	return NULL;
}
