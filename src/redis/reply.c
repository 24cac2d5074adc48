#include "redis/reply.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "build.h"

/* --- writing --- */

static void
write_size(struct buffer *out, char mark, size_t n)
{
	char text[32];
	int len = snprintf(text, sizeof(text), "%c%zu\r\n", mark, n);

	buffer_append(out, text, (size_t)len);
}

void
redis_write_head(struct buffer *out, size_t n)
{
	write_size(out, '*', n);
}

void
redis_write_word(struct buffer *out, const void *bytes, size_t n)
{
	write_size(out, '$', n);
	buffer_append(out, bytes, n);
	buffer_append(out, "\r\n", 2);
}

void
redis_write_text(struct buffer *out, const char *word)
{
	redis_write_word(out, word, strlen(word));
}

/* --- reading --- */

#ifdef HAVE_HIREDIS
#include <hiredis/hiredis.h>

bool
redis_is_built(void)
{
	return true;
}

struct redis_parser {
	redisReader *reader;
	redisReplyObjectFunctions functions;	/* hiredis' own, but: */
	void *(*make_list)(const redisReadTask *task, int n);
};

/* The length of an array comes in front of it, and memory is taken for it at once. */
static void *
make_bounded_list(const redisReadTask *task, int n)
{
	struct redis_parser *p = task->privdata;

	return n > REDIS_REPLY_ITEMS ? NULL : p->make_list(task, n);
}

struct redis_parser *
redis_parser_new(void)
{
	struct redis_parser *p = memory_zalloc(sizeof(*p));

	p->reader = redisReaderCreate();
	if (p->reader == NULL)
		abort();
	p->functions = *p->reader->fn;
	p->make_list = p->functions.createArray;
	p->functions.createArray = make_bounded_list;
	p->reader->fn = &p->functions;
	p->reader->privdata = p;
	return p;
}

void
redis_parser_free(struct redis_parser **p)
{
	if (*p == NULL)
		return;
	redisReaderFree((*p)->reader);
	free(*p);
	*p = NULL;
}

void
redis_parser_feed(struct redis_parser *p, const void *bytes, size_t n)
{
	redisReaderFeed(p->reader, bytes, n);
}

bool
redis_parser_next(struct redis_parser *p, struct redis_value **v)
{
	void *reply = NULL;

	if (redisReaderGetReply(p->reader, &reply) != REDIS_OK || p->reader->len - p->reader->pos > REDIS_REPLY_BYTES) {
		if (reply != NULL)
			freeReplyObject(reply);
		return false;
	}
	*v = reply;
	return true;
}

void
redis_value_free(struct redis_value **v)
{
	if (*v != NULL)
		freeReplyObject(*v);
	*v = NULL;
}

static const redisReply *
reply_of(const struct redis_value *v)
{
	return (const void *)v;
}

enum redis_kind
redis_kind(const struct redis_value *v)
{
	switch (reply_of(v)->type) {
	case REDIS_REPLY_INTEGER:
		return REDIS_INTEGER;
	case REDIS_REPLY_STRING:
	case REDIS_REPLY_STATUS:
		return REDIS_TEXT;
	case REDIS_REPLY_ARRAY:
		return REDIS_LIST;
	case REDIS_REPLY_ERROR:
		return REDIS_FAILURE;
	default:
		return REDIS_NIL;
	}
}

int64_t
redis_integer(const struct redis_value *v)
{
	return redis_kind(v) == REDIS_INTEGER ? reply_of(v)->integer : 0;
}

const char *
redis_text(const struct redis_value *v, size_t *n)
{
	bool has_text = redis_kind(v) == REDIS_TEXT || redis_kind(v) == REDIS_FAILURE;

	if (n != NULL)
		*n = has_text ? (size_t)reply_of(v)->len : 0;
	return has_text ? reply_of(v)->str : "";
}

size_t
redis_count(const struct redis_value *v)
{
	return redis_kind(v) == REDIS_LIST ? reply_of(v)->elements : 0;
}

const struct redis_value *
redis_item(const struct redis_value *v, size_t i)
{
	return (const void *)reply_of(v)->element[i];
}

#else

bool
redis_is_built(void)
{
	return false;
}

struct redis_parser *
redis_parser_new(void)
{
	return NULL;
}

void
redis_parser_free(struct redis_parser **p)
{
	(void)p;
}

void
redis_parser_feed(struct redis_parser *p, const void *bytes, size_t n)
{
	(void)p;
	(void)bytes;
	(void)n;
}

bool
redis_parser_next(struct redis_parser *p, struct redis_value **v)
{
	(void)p;
	(void)v;
	return false;
}

void
redis_value_free(struct redis_value **v)
{
	(void)v;
}

enum redis_kind
redis_kind(const struct redis_value *v)
{
	(void)v;
	return REDIS_NIL;
}

int64_t
redis_integer(const struct redis_value *v)
{
	(void)v;
	return 0;
}

const char *
redis_text(const struct redis_value *v, size_t *n)
{
	(void)v;
	if (n != NULL)
		*n = 0;
	return "";
}

size_t
redis_count(const struct redis_value *v)
{
	(void)v;
	return 0;
}

const struct redis_value *
redis_item(const struct redis_value *v, size_t i)
{
	(void)i;
	return v;
}
#endif
