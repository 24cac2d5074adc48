/*
 * hosts: the lines of [hosts], and which of them counts for a server.
 *
 *	name = host ( ":" port )?  |  "[" IPv6 "]" ( ":" port )?  |  folder ( ":" port )?  |  "*"
 *
 * Private to this folder.
 */
#ifndef CONFIG_HOSTS_H
#define CONFIG_HOSTS_H

#include <stdbool.h>
#include <stddef.h>

#include "config/config.h"
#include "config/ini.h"

#define HOST_KEY 400	/* a folder of a Unix socket and its port */

/* What index->hosts holds. */
struct hosts_line {
	struct config_host host;	/* the first: config_find_host gives it out */
	size_t number;
	struct ini_place at;
};

/* Where the answer of config_find_host stands in c->hosts. */
size_t hosts_number(const struct config_host *h);

/* A line's name, cut in place: *host is "*" or as databases have it. */
bool host_parse(char *name, const char **host, int *port);

/* What equals for the same server: names in lower case, IPv6 in its short form.  Returns key; too long is cut, and so
 * found by nothing. */
const char *host_key(const char *host, int port, char key[HOST_KEY]);

#endif
