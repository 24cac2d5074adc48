#include "http/metrics_process.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static usec_t
read_cpu(void)
{
	struct rusage u;

	if (getrusage(RUSAGE_SELF, &u) != 0)
		return -1;
	return (u.ru_utime.tv_sec + u.ru_stime.tv_sec) * USEC_PER_SEC + u.ru_utime.tv_usec + u.ru_stime.tv_usec;
}

/* The number behind `key` in a file of /proc. */
static int64_t
read_number(const char *path, const char *key)
{
	FILE *f = fopen(path, "re");
	char line[1024];
	int64_t n = -1;

	if (f == NULL)
		return -1;
	while (n < 0 && fgets(line, sizeof(line), f) != NULL) {
		if (strncmp(line, key, strlen(key)) == 0)
			sscanf(line + strlen(key), "%" SCNd64, &n);
	}
	fclose(f);
	return n;
}

/* Field 22 of stat, in ticks since boot; the name in field 2 may hold anything. */
static int64_t
read_start_ticks(void)
{
	FILE *f = fopen("/proc/self/stat", "re");
	char text[1024];
	const char *p;
	size_t n;
	int64_t ticks = -1;

	if (f == NULL)
		return -1;
	n = fread(text, 1, sizeof(text) - 1, f);
	fclose(f);
	text[n] = '\0';
	p = strrchr(text, ')');
	for (int field = 2; p != NULL && field < 22; field++)
		p = strchr(p + 1, ' ');
	if (p == NULL || sscanf(p, "%" SCNd64, &ticks) != 1)
		return -1;
	return ticks;
}

static usec_t
read_start(void)
{
	int64_t ticks = read_start_ticks(), per_second = sysconf(_SC_CLK_TCK);
	int64_t boot = read_number("/proc/stat", "btime ");

	if (ticks < 0 || boot < 0 || per_second <= 0)
		return -1;
	return boot * USEC_PER_SEC + ticks * USEC_PER_SEC / per_second;
}

/* Linux tells their number as the folder's size since 6.2.  Before, each place of the table is tried: reading the folder
 * makes an inode of each, which takes 50 ms for ten thousand. */
static int64_t
count_fds(void)
{
	struct stat folder;
	int64_t places, n = 0;

	if (stat("/proc/self/fd", &folder) != 0)
		return -1;
	if (folder.st_size > 0)
		return folder.st_size;
	places = read_number("/proc/self/status", "FDSize:");
	for (int64_t fd = 0; fd < places; fd++)
		n += fcntl((int)fd, F_GETFD) != -1;
	return places < 0 ? -1 : n;
}

static int64_t
read_resident(void)
{
	int64_t kb = read_number("/proc/self/status", "VmRSS:");

	return kb < 0 ? -1 : kb * 1024;
}

void
metrics_process_read(struct metrics_process *p)
{
	struct rlimit limit;

	p->started_at = read_start();
	p->cpu = read_cpu();
	p->resident_bytes = read_resident();
	p->open_fds = count_fds();
	p->max_fds = getrlimit(RLIMIT_NOFILE, &limit) == 0 ? (int64_t)limit.rlim_cur : -1;
}
