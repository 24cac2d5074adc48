#include "config/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/sqlstate.h"

#define READ_STEP (64 * 1024)

/* Not memory_realloc: the old block would be given back with passwords in it. */
static char *
grow_text(char *old, size_t used, size_t cap)
{
	char *text = memory_alloc(cap + 1);

	if (used > 0)
		memcpy(text, old, used);
	file_free(old, used);
	return text;
}

/* The size that stat knows is a guess: special files say 0. */
static size_t
guess_size(int fd)
{
	struct stat st;

	if (fstat(fd, &st) < 0 || st.st_size < 0 || st.st_size > FILE_SIZE_MAX)
		return READ_STEP;
	return (size_t)st.st_size + 1;
}

static char *
read_all(int fd, size_t *size)
{
	size_t cap = guess_size(fd);
	size_t used = 0;
	char *text = memory_alloc(cap + 1);
	ssize_t n;

	while ((n = read(fd, text + used, cap - used)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		used += n > 0 ? (size_t)n : 0;
		if (n < 0 || used > FILE_SIZE_MAX) {
			int saved = n < 0 ? errno : EFBIG;
			file_free(text, used);
			errno = saved;
			return NULL;
		}
		if (used == cap)
			text = grow_text(text, used, cap += READ_STEP + cap / 2);
	}
	text[used] = '\0';
	*size = used;
	return text;
}

char *
file_read(const char *path, size_t *size, struct error *e)
{
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
	char *text = fd < 0 ? NULL : read_all(fd, size);
	int saved = errno;

	if (fd >= 0)
		close(fd);
	if (text == NULL)
		error_set(e, SEVERITY_ERROR, SQLSTATE_CONFIG_FILE, "could not read \"%s\": %s",
			path, strerror(saved));
	errno = saved;
	return text;
}

void
file_free(char *text, size_t size)
{
	if (text == NULL)
		return;
	memory_wipe(text, size);
	free(text);
}
