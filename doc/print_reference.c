/* print_reference manual|sample: for "make reference", see config/reference.h. */
#include "config/reference.h"

#include <err.h>
#include <stdbool.h>
#include <string.h>

int
main(int argc, char **argv)
{
	bool manual = argc == 2 && strcmp(argv[1], "manual") == 0;

	if (argc != 2 || (!manual && strcmp(argv[1], "sample") != 0))
		errx(2, "usage: print_reference manual|sample");
	config_print_reference(stdout, manual ? REFERENCE_MANUAL : REFERENCE_SAMPLE);
	if (fflush(stdout) != 0 || ferror(stdout))
		err(1, "standard output");
	return 0;
}
