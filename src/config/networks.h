/*
 * networks: addresses with a length, "10.0.0.0/8" or "2001:db8::/32"; one address is a network of its own.
 *
 *	list = word ( blank* "," blank* word )*
 *	word = address ( "/" bits )?  |  "unix"
 *
 * Pure functions, any thread.
 */
#ifndef CONFIG_NETWORKS_H
#define CONFIG_NETWORKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NETWORK_TEXT 64

struct network {
	int family;		/* AF_INET, AF_INET6; AF_UNIX: "unix" */
	int bits;
	uint8_t ip[16];		/* nothing is set behind the bits */
};

/* n bytes of text.  false: it is no network, or has bits set behind its length ("10.0.0.7/8"), which is a mistake. */
bool network_parse(const char *text, size_t n, struct network *w);

/* What is wrong with it, behind its text: "is no address and no network". */
const char *network_problem(const char *text, size_t n);

/* "10.0.0.0/8", "10.0.0.7/32".  Returns buf. */
const char *network_print(const struct network *w, char buf[NETWORK_TEXT]);

/* The same with fewer bits. */
void network_widen(struct network *w, int bits);

/* A list, perhaps empty. */
bool networks_are_good(const char *list);

#endif
