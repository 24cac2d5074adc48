/*
 * secret: what is known of a user's password.
 *
 * A userlist entry, a password= of a connection string, or a value from
 * pg_authid, told apart by its form as PostgreSQL does: "md5" and 32 hex
 * digits, "SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>", else
 * the password itself.  The form is strict (lower-case hex, canonical base64, a
 * salt of 1 to SCRAM_SALT_MAX bytes): a verifier that was cut short is a plain
 * password, as it is to PostgreSQL.
 *
 * Pure functions, any thread.  Everything here is wiped when released.
 */
#ifndef AUTH_SECRET_H
#define AUTH_SECRET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SECRET_MAX 65535 /* bytes of a password, its NUL included */
#define SCRAM_KEY 32
#define SCRAM_SALT_MAX 128
#define SCRAM_ITERATIONS_MAX 1000000 /* a server may not ask for more: its wish costs us CPU */

enum secret_kind {
	SECRET_NONE, /* no password, or "" */
	SECRET_PLAIN,
	SECRET_MD5,
	SECRET_SCRAM,
};

/* What a SCRAM server stores (RFC 5802, section 3).  iterations is 1 or more, and may be over
 * SCRAM_ITERATIONS_MAX here: then only the client pays. */
struct scram_verifier {
	int iterations;
	size_t salt_size;
	uint8_t salt[SCRAM_SALT_MAX];
	uint8_t stored_key[SCRAM_KEY];
	uint8_t server_key[SCRAM_KEY];
};

/* What a SCRAM client proves with; enough to log in without the password. */
struct scram_keys {
	uint8_t client_key[SCRAM_KEY];
	uint8_t server_key[SCRAM_KEY];
};

struct secret {
	enum secret_kind kind;
	char *text; /* PLAIN: the password; MD5: "md5..." ; SCRAM: as it was written; owned */
	struct scram_verifier *verifier; /* SCRAM only; owned */
};

/* Fill s, whose old content is not released, from text (copied, may be NULL).
 * Never fails: what has no known form is a plain password. */
void secret_parse(struct secret *s, const char *text);

/* A copy that the caller releases; dst is filled as by secret_parse. */
void secret_copy(struct secret *dst, const struct secret *src);

/* Wipe and free what it holds; kind becomes SECRET_NONE. */
void secret_release(struct secret *s);

/* "SCRAM-SHA-256$..." of a verifier; out holds at least 400 bytes. */
void secret_format_scram(const struct scram_verifier *v, char *out, size_t size);

/* md5(password user) as 35 characters and a NUL: "md5" and hex.
 * Both functions: false and an empty out when OpenSSL refuses MD5 (FIPS mode). */
bool md5_encrypt(const char *password, const char *user, char out[36]);

/* What a client answers to a salt: md5(stored-hex salt), "md5" and hex.
 * stored is an "md5..." text. */
bool md5_answer(const char *stored, const uint8_t salt[4], char out[36]);

/* Does an answer (NUL-terminated, from the peer) fit?  For PLAIN and MD5 secrets; false for others.
 * Constant-time compare. */
bool
md5_verify(const struct secret *s, const char *user, const uint8_t salt[4], const char *answer);

/* Does a cleartext password fit?  PLAIN, MD5 and SCRAM (the last costs PBKDF2: a helper thread).
 * Constant-time compare.  Nothing fits NONE or a verifier of more than SCRAM_ITERATIONS_MAX. */
bool password_verify(const struct secret *s, const char *user, const char *password);

#endif
