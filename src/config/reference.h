/*
 * reference: the key tables as documents.
 *
 * doc/pgusher.5 and etc/pgusher.ini are what this prints ("make reference"
 * writes them); a unit test fails when they have fallen behind.
 */
#ifndef CONFIG_REFERENCE_H
#define CONFIG_REFERENCE_H

#include <stdio.h>

enum reference_format {
	REFERENCE_MANUAL,	/* man(7) */
	REFERENCE_SAMPLE,	/* an ini file with every key of [pgbouncer] */
};

/* Print it all; errors are left to ferror(out). */
void config_print_reference(FILE *out, enum reference_format format);

#endif
