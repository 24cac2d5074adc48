/*
 * talk: one end of a PostgreSQL connection, in the hands of a test.
 *
 * Messages are written and read as text, a word each: the letter of the
 * protocol and, in brackets, what matters of its content.
 *
 *	of a client	Q(sql) P(name,sql) B(portal,name) D(Sname) C(Sname) E(portal) S H
 *			F d(data) c f(why) p(password) X
 *	of a server	R(0) S(name=value) K Z(I) E(sqlstate) N(sqlstate) C(tag) T D(value)
 *			t n s I 1 2 3 G H d(data) c V A(channel)
 *
 * An error of class 57P is FATAL.  Whoever waits in vain fails the test after
 * a few seconds, and says what came instead.
 */
#ifndef TEST_SESSION_TALK_H
#define TEST_SESSION_TALK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"

struct peer {
	int fd;
	bool is_server;		/* it plays PostgreSQL */
	struct buffer in;
	uint32_t pid;		/* of the last BackendKeyData that it heard */
	uint8_t key[32];
	size_t key_size;
	char message[400];	/* of the last error that it heard */
};

#define SERVER_PID 4711		/* that a server tells in K, with SERVER_KEY */
#define SERVER_KEY 0x01020304

/* Append the bytes of these messages. */
void compose(const struct peer *p, const char *words, struct buffer *out);

/* Send them. */
void say(struct peer *p, const char *words);
void say_bytes(struct peer *p, const void *bytes, size_t n);

/* parameters: "user=alice,database=one" */
void say_startup(struct peer *p, const char *parameters);
void say_cancel(struct peer *p, uint32_t pid, const uint8_t *key, size_t key_size);

/* Read as many messages as there are words, and expect just these. */
#define hear(p, words) hear_from(p, words, __LINE__)
void hear_from(struct peer *p, const char *words, int line);

/* Read up to the first message of this letter.  Returns it, up to the next call. */
#define hear_until(p, letter) hear_until_from(p, letter, __LINE__)
const char *hear_until_from(struct peer *p, char letter, int line);

/* Read a startup packet, or a cancel request; returns its code (or version), and the rest in `body`. */
uint32_t hear_startup(struct peer *p, uint8_t *body, size_t size, size_t *n);

/* The peer has closed, and said nothing more. */
#define hear_end(p) hear_end_from(p, __LINE__)
void hear_end_from(struct peer *p, int line);

/* Nothing is there right now. */
bool hears_nothing(struct peer *p);

/* Read raw bytes, those in p->in first; false: none came in time. */
bool read_more(struct peer *p);

void hang_up(struct peer *p);

#endif
