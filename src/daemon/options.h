/*
 * options: the command line.
 */
#ifndef DAEMON_OPTIONS_H
#define DAEMON_OPTIONS_H

#include <stdbool.h>

struct options {
	const char *config_path;
	const char *user;	/* -u; NULL: as the configuration says */
	bool daemon;
	bool quiet;
	bool reboot;
	bool check_config;
	int verbose;
};

/* Fill o.  Prints help, version or a new token and exits with 0 where asked, exits with 1 on wrong usage. */
void options_parse(struct options *o, int argc, char **argv);

#endif
