/*
 * http: what the keys about HTTP and the webhook may say.
 *
 *	http_listen = 127.0.0.1:8432, [::1]:8432, /run/pgusher/http.sock
 *
 *	list    = [ address ( blank* "," blank* address )* ]
 *	address = host ":" port  |  "[" IPv6 "]:" port  |  "*:" port  |  path
 *	path    = "/" bytes without blank and comma
 *
 * Pure functions; any thread.
 */
#ifndef CONFIG_HTTP_H
#define CONFIG_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "config/config.h"

#define HTTP_HOST_SIZE 256

struct http_address {
	char host[HTTP_HOST_SIZE];	/* name or address, without brackets; "*": all; of a Unix socket its path */
	int port;			/* 0: a Unix socket */
};

/* Walk a list: *rest starts at it.  false: the end, or at *rest stands what is no address. */
bool http_address_next(const char **rest, struct http_address *a);

/* Is the whole text such a list? */
bool http_list_is_good(const char *list);

/* Can nobody from outside this machine reach it?  A name other than localhost is not asked for: no. */
bool http_address_is_local(const struct http_address *a);

/* Empty, or names (and addresses) as a request's Host can have them, without port, separated by commas? */
bool http_hosts_are_good(const char *list);

/* "http://host..." or "https://host...", without blanks and control characters. */
bool http_url_is_good(const char *url);

/* Is http_listen open to others only where TLS and tokens are?  false: e (F0000) says what to do. */
bool http_check(const struct config *c, struct error *e);

/* What [http_tokens] holds of a token of n bytes. */
void http_token_hash(const char *token, size_t n, uint8_t hash[32]);

#define HTTP_TOKEN_SIZE 73

/* A new token: "pgusher_", by which scanners for leaked secrets may know it, and 256 random bits in hex.  Wipe it.
 * false: the system has no randomness to give. */
bool http_token_make(char token[HTTP_TOKEN_SIZE]);

/* "sha256:<64 hex digits>"; false: it is none. */
bool http_token_parse_hash(const char *text, uint8_t hash[32]);

#endif
