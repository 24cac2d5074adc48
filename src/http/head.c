#include "http/head.h"

#include <string.h>
#include <strings.h>

#include "base/memory.h"

/* A piece of the head. */
struct piece {
	const char *at;
	size_t n;
};

/* What the fields say; counted, as two of a kind are one too many. */
struct fields {
	int hosts, lengths;
	size_t length;
};

static bool
piece_is(const struct piece *p, const char *word)
{
	return p->n == strlen(word) && strncasecmp(p->at, word, p->n) == 0;
}

/* RFC 9110, section 5.6.2. */
static bool
is_token(const struct piece *p)
{
	static const char marks[] = "!#$%&'*+-.^_`|~";

	for (size_t i = 0; i < p->n; i++) {
		char c = p->at[i];

		if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') &&
		    (c == '\0' || strchr(marks, c) == NULL))
			return false;
	}
	return p->n > 0;
}

/* Up to the first `end`, which is skipped.  false: there is none. */
static bool
cut(struct piece *rest, char end, struct piece *first)
{
	const char *at = memchr(rest->at, end, rest->n);

	if (at == NULL)
		return false;
	*first = (struct piece){ rest->at, (size_t)(at - rest->at) };
	rest->n -= first->n + 1;
	rest->at = at + 1;
	return true;
}

static bool
check_target(const struct piece *target, struct refusal *r)
{
	if (target->n == 0 || target->at[0] != '/' || (target->n > 1 && target->at[1] == '/'))
		return refuse(r, 400, "The target of the request must be a path.");
	for (size_t i = 0; i < target->n; i++) {
		uint8_t c = (uint8_t)target->at[i];

		if (c <= ' ' || c >= 0x7f || c == '#' || c == '\\')
			return refuse(r, 400, "The target of the request holds a character that must be escaped.");
	}
	return true;
}

static bool
check_method(const struct piece *method, struct refusal *r)
{
	static const char *const known[] = {
		"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "CONNECT", "PATCH",
	};

	if (!is_token(method))
		return refuse(r, 400, "The request does not begin with a method.");
	for (size_t i = 0; i < lengthof(known); i++) {
		if (method->n == strlen(known[i]) && memcmp(method->at, known[i], method->n) == 0)
			return true;
	}
	return refuse(r, 501, "This method is not known here.");
}

static bool
check_version(const struct piece *version, bool *needs_host, struct refusal *r)
{
	if (version->n != 8 || memcmp(version->at, "HTTP/", 5) != 0)
		return refuse(r, 400, "The request line does not end with an HTTP version.");
	if (memcmp(version->at, "HTTP/1.1", 8) != 0 && memcmp(version->at, "HTTP/1.0", 8) != 0)
		return refuse(r, 505, "Only HTTP/1.1 and HTTP/1.0 are spoken here.");
	*needs_host = version->at[7] == '1';
	return true;
}

static bool
check_request_line(struct piece line, bool *needs_host, struct refusal *r)
{
	struct piece method, target;

	if (!cut(&line, ' ', &method) || !cut(&line, ' ', &target))
		return refuse(r, 400, "The request line must read: method, path, HTTP version.");
	return check_version(&line, needs_host, r) && check_method(&method, r) && check_target(&target, r);
}

static struct piece
trim(struct piece p)
{
	while (p.n > 0 && (p.at[0] == ' ' || p.at[0] == '\t'))
		p = (struct piece){ p.at + 1, p.n - 1 };
	while (p.n > 0 && (p.at[p.n - 1] == ' ' || p.at[p.n - 1] == '\t'))
		p.n--;
	return p;
}

static bool
take_length(const struct piece *value, struct fields *f, struct refusal *r)
{
	if (++f->lengths > 1 || value->n == 0 || value->n > 18)
		return refuse(r, 400, "Content-Length must be one number.");
	for (size_t i = 0; i < value->n; i++) {
		if (value->at[i] < '0' || value->at[i] > '9')
			return refuse(r, 400, "Content-Length must be one number.");
		f->length = f->length * 10 + (size_t)(value->at[i] - '0');
	}
	return true;
}

static bool
take_field(struct piece line, struct fields *f, struct refusal *r)
{
	struct piece name, value;

	if (line.at[0] == ' ' || line.at[0] == '\t')
		return refuse(r, 400, "A header field must not go on in the next line.");
	if (!cut(&line, ':', &name) || !is_token(&name))
		return refuse(r, 400, "A header field must read: name, colon, value.");
	value = trim(line);
	for (size_t i = 0; i < value.n; i++) {
		if (((uint8_t)value.at[i] < ' ' && value.at[i] != '\t') || value.at[i] == 0x7f)
			return refuse(r, 400, "A header field holds a control character.");
	}
	if (piece_is(&name, "Host"))
		return ++f->hosts == 1 || refuse(r, 400, "There is more than one Host.");
	if (piece_is(&name, "Content-Length"))
		return take_length(&value, f, r);
	if (piece_is(&name, "Transfer-Encoding"))
		return refuse(r, 501, "Send a body with Content-Length: it is not taken in chunks.");
	if (piece_is(&name, "Expect"))
		return refuse(r, 417, "Send the body without asking for leave.");
	return true;
}

/* head: all lines with their ends, without the empty one. */
static bool
check(struct piece head, struct fields *f, struct refusal *r)
{
	bool needs_host = false, first = true;

	while (head.n > 0) {
		struct piece line;

		if (!cut(&head, '\n', &line) || line.n == 0 || line.at[--line.n] != '\r' ||
		    memchr(line.at, '\r', line.n) != NULL)
			return refuse(r, 400, "Lines must end with CR and LF.");
		if (first ? !check_request_line(line, &needs_host, r) : !take_field(line, f, r))
			return false;
		first = false;
	}
	return f->hosts == 1 || !needs_host || refuse(r, 400, "There is no Host.");
}

static bool
check_body(const struct piece *head, const struct fields *f, struct refusal *r)
{
	/* What a GET with a body means is not defined, and not everybody sees that body. */
	if (f->length > 0 && (memcmp(head->at, "GET ", 4) == 0 || memcmp(head->at, "HEAD ", 5) == 0 ||
			      memcmp(head->at, "TRACE ", 6) == 0))
		return refuse(r, 400, "This method goes without a body.");
	if (f->length > BODY_MAX)
		return refuse(r, 413, "The body must not be longer than %d bytes.", BODY_MAX);
	return true;
}

/* Can't this become a good head any more?  So that it is told at once, not when time has run out. */
static bool
begins_badly(const uint8_t *bytes, size_t n, struct refusal *r)
{
	const uint8_t *lf = memchr(bytes, '\n', n);
	struct piece first = { (const char *)bytes, n > 0 };

	if (first.n > 0 && *bytes != '\r' && !is_token(&first))
		return !refuse(r, 400, "This is no HTTP, or it is encrypted where plain HTTP is spoken.");
	if (lf != NULL && (lf == bytes || lf[-1] != '\r'))
		return !refuse(r, 400, "Lines must end with CR and LF.");
	return false;
}

enum head_state
head_read(const uint8_t *bytes, size_t n, struct head *h, struct refusal *r)
{
	struct fields f = { .hosts = 0 };
	const uint8_t *end;

	memset(h, 0, sizeof(*h));
	if (n >= 2 && bytes[0] == '\r' && bytes[1] == '\n')
		h->skip = 2;
	bytes += h->skip;
	n -= h->skip;
	end = memmem(bytes, n < HEAD_MAX ? n : HEAD_MAX, "\r\n\r\n", 4);
	if (end == NULL) {
		if (n >= HEAD_MAX)
			refuse(r, 431, "Request line and header fields must not be longer than %d bytes.", HEAD_MAX);
		else if (!begins_badly(bytes, n, r))
			return HEAD_SHORT;
		return HEAD_REFUSED;
	}
	struct piece head = { (const char *)bytes, (size_t)(end - bytes) + 2 };
	if (!check(head, &f, r))
		return HEAD_REFUSED;
	h->size = head.n + 2;
	h->body = f.length;
	return check_body(&head, &f, r) ? HEAD_WHOLE : HEAD_REFUSED;
}
