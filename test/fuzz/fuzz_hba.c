/* Input: a pg_hba.conf, a form feed, the text of every file that it names.  It is also read as a pg_ident.conf. */
#include <stdlib.h>
#include <string.h>

#include <sys/socket.h>

#include "auth/hba.h"
#include "base/memory.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct named {
	const char *text;
	size_t size;
	int left; /* so that a file that names itself often does not take long */
};

static char *
read_named(void *arg, const char *from, const char *file, size_t *size, struct error *e)
{
	struct named *n = arg;
	char *text;

	(void)from;
	if (n->left-- == 0 || *file == '\0') {
		error_set(e, SEVERITY_ERROR, "58030", "no such file");
		return NULL;
	}
	text = memory_alloc(n->size + 1);
	memcpy(text, n->text, n->size);
	text[n->size] = '\0';
	*size = n->size;
	return text;
}

static bool
is_near(void *arg, bool net)
{
	return *(const bool *)arg == net;
}

static const uint8_t address[16] = { 10, 0, 0, 1, [10] = 0xff, [11] = 0xff, [12] = 192, [13] = 168 };
static const bool near_net = true;

static const struct hba_connection questions[] = {
	{ .local = true, .database = "db", .user = "u" },
	{ .local = true, .database = "u", .user = "u", .replication = true },
	{ .tls = true, .database = "db", .user = "u", .family = AF_INET, .address = address },
	{ .database = "db", .user = "u", .family = AF_INET, .address = address, .is_near = is_near },
	{ .database = "", .user = "", .family = AF_INET6, .address = address, .is_near = is_near },
};

static void
ask(const struct hba *h)
{
	for (size_t i = 0; i < lengthof(questions); i++) {
		struct hba_connection c = questions[i];
		bool net = near_net;
		const struct hba_rule *found, *r = NULL;

		c.arg = &net;
		found = hba_find(h, &c);
		if (found == NULL)
			continue;
		while ((r = hba_next(h, r)) != found)
			if (r == NULL)
				abort();
		if (!hba_uses(h, found->method) || found->options == NULL || found->line < 1)
			abort();
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *cut = size > 0 ? memchr(data, '\f', size) : NULL;
	size_t first = cut != NULL ? (size_t)(cut - data) : size;
	struct named named = { .text = (const char *)data + first, .size = size - first, .left = 30 };
	struct error e = { .message = "" };
	struct hba *h;
	struct ident *i;

	if (cut != NULL) {
		named.text++;
		named.size--;
	}
	h = hba_parse("hba", (const char *)data, first, read_named, NULL, &named, &e);
	if (h != NULL)
		ask(h);
	else if (strcmp(e.sqlstate, "F0000") != 0)
		abort();
	hba_free(&h);
	i = ident_parse("ident", (const char *)data, first, NULL, NULL, &e);
	if (ident_allows(i, "m", "s", "u") && !ident_has_map(i, "m"))
		abort();
	ident_free(&i);
	return 0;
}
