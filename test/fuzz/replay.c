/*
 * replay: main() for a fuzz target without libFuzzer.  Runs the target once over
 * each file that is named, from a copy of the exact size, so that a sanitizer
 * sees every read behind the end.
 */
#include <err.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
replay_file(const char *path)
{
	FILE *f = fopen(path, "rb");
	if (f == NULL)
		err(1, "%s", path);
	if (fseek(f, 0, SEEK_END) != 0)
		err(1, "%s", path);
	long size = ftell(f);
	if (size < 0)
		err(1, "%s", path);
	rewind(f);
	uint8_t *bytes = malloc((size_t)size);
	if (size > 0 && bytes == NULL)
		err(1, "%s", path);
	if (fread(bytes, 1, (size_t)size, f) != (size_t)size)
		errx(1, "%s: short read", path);
	fclose(f);
	LLVMFuzzerTestOneInput(bytes, (size_t)size);
	free(bytes);
}

int
main(int argc, char **argv)
{
	if (argc < 2)
		errx(1, "usage: %s FILE...", argv[0]);
	for (int i = 1; i < argc; i++)
		replay_file(argv[i]);
	return 0;
}
