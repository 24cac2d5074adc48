#include "monitor/threats.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <uthash.h>

#include "base/log.h"
#include "base/memory.h"
#include "monitor/ring.h"
#include "threat/habit_file.h"

#define SAVE_PERIOD (10 * USEC_PER_SEC)
#define SAVE_SHARE 20		/* of the time, this part at most goes into writing */

_Static_assert(THREATS_KEPT == RING_SIZE, "threats are kept in a ring");

struct tenant_threats {
	struct threat_counts counts;
	UT_hash_handle hh;
	char name[];
};

/* What the file on disk is, so that it is seen when somebody else has written it. */
struct stamp {
	ino_t inode;
	off_t size;
	struct timespec changed;
};

struct threats {
	struct ring ring;
	struct threat_counts counts;
	struct tenant_threats *tenants;
	struct mailbox *mailbox;
	int job_mail;
	struct helpers *askers;
	struct habits *habits;		/* NULL: not told yet */
	char *path;			/* "": there is no file */
	bool bad;			/* it could not be read: it is not written over */
	bool held;			/* somebody else has written it, and that was told */
	bool failing;			/* it could not be written, and that was told */
	struct stamp stamp;
	uint64_t saved;			/* habits_changes() that it has */
	usec_t save_at;
	struct save *save;		/* under way */
};

/* On a helper thread. */
struct save {
	struct helper_job job;		/* owner: the threats */
	struct habits *habits;
	char *path;
	uint64_t changes;
	usec_t took;
	bool done;
	struct error error;
};

/* Two writers of one file at the end of the process, if the disk hangs. */
static pthread_mutex_t writing = PTHREAD_MUTEX_INITIALIZER;
static struct stamp ours;		/* what was written last; under the lock */

/* --- what was noticed --- */

static void
count(struct threat_counts *n, const struct threat *x)
{
	if (x->refused)
		n->refused++;
	else
		n->told++;
	for (int r = 0; r < THREAT_RULES; r++)
		n->rules[r] += (x->rules & THREAT_BIT(r)) != 0;
}

static struct tenant_threats *
open_tenant(struct threats *t, const char *name)
{
	struct tenant_threats *of;
	size_t size = strlen(name) + 1;

	HASH_FIND_STR(t->tenants, name, of);
	if (of != NULL || HASH_COUNT(t->tenants) >= THREATS_TENANTS)
		return of;
	of = memory_zalloc(sizeof(*of) + size);
	memcpy(of->name, name, size);
	HASH_ADD_STR(t->tenants, name, of);
	return of;
}

void
threats_keep(struct threats *t, struct threat *x)
{
	struct tenant_threats *of = open_tenant(t, x->tenant);
	struct threat *gone;

	count(&t->counts, x);
	if (of != NULL)
		count(&of->counts, x);
	gone = ring_push(&t->ring, x);
	threat_free(&gone);
}

const struct threat *
threats_next(const struct threats *t, const struct threat *after)
{
	return ring_next(&t->ring, after);
}

const struct threat_counts *
threats_counts(const struct threats *t)
{
	return &t->counts;
}

const struct threat_counts *
threats_of_tenant(const struct threats *t, const char *tenant)
{
	const struct tenant_threats *of;

	HASH_FIND_STR(t->tenants, tenant, of);
	return of != NULL ? &of->counts : NULL;
}

void
threats_reset(struct threats *t)
{
	struct threat *x;

	while ((x = ring_take_oldest(&t->ring)) != NULL)
		threat_free(&x);
}

/* --- the file --- */

static bool
read_stamp(const char *path, struct stamp *s)
{
	struct stat st;

	memset(s, 0, sizeof(*s));
	if (stat(path, &st) != 0)
		return false;
	s->inode = st.st_ino;
	s->size = st.st_size;
	s->changed = st.st_mtim;
	return true;
}

static bool
is_same(const struct stamp *a, const struct stamp *b)
{
	return a->inode == b->inode && a->size == b->size && a->changed.tv_sec == b->changed.tv_sec &&
	       a->changed.tv_nsec == b->changed.tv_nsec;
}

static bool
is_changed(const struct threats *t)
{
	struct stamp now;

	read_stamp(t->path, &now);
	return !is_same(&now, &t->stamp);
}

static void
load(struct threats *t)
{
	struct error e;

	read_stamp(t->path, &t->stamp);
	t->bad = !habit_file_load(t->habits, t->path, &e);
	if (t->bad)
		log_error("threat_file: %s%s%s", e.message, e.hint[0] != '\0' ? ": " : "", e.hint);
	else
		t->saved = habits_changes(t->habits);
}

static void
free_save(struct save *s)
{
	free(s->path);
	free(s);
}

static void
write_now(struct helper_job *job)
{
	struct save *s = container_of(job, struct save, job);
	usec_t since = clock_now();

	pthread_mutex_lock(&writing);
	s->done = habit_file_save(s->habits, s->path, &s->error);
	s->took = clock_now() - since;
	if (s->done)
		read_stamp(s->path, &ours);
	pthread_mutex_unlock(&writing);
}

static void
note_saved(struct threats *t, const struct save *s)
{
	usec_t pause = s->took * SAVE_SHARE;

	t->save_at = clock_now() + (pause > SAVE_PERIOD ? pause : SAVE_PERIOD);
	if (s->done && strcmp(s->path, t->path) == 0) {
		t->saved = s->changes;
		read_stamp(t->path, &t->stamp);
	}
	if (!s->done && !t->failing)
		log_error("threat_file: %s; it is tried again every %d s", s->error.message, (int)(SAVE_PERIOD / USEC_PER_SEC));
	else if (s->done && t->failing)
		log_info("threat_file: %s is written again", s->path);
	t->failing = !s->done;
}

static void
on_saved(struct helper_job *job)
{
	struct save *s = container_of(job, struct save, job);
	struct threats *t = job->owner;

	if (t != NULL) {
		t->save = NULL;
		note_saved(t, s);
	}
	free_save(s);
}

static bool
is_wanted(const struct threats *t)
{
	return t->habits != NULL && t->path[0] != '\0' && !t->bad && habits_changes(t->habits) != t->saved;
}

static struct save *
make_save(struct threats *t)
{
	struct save *s = memory_zalloc(sizeof(*s));

	s->habits = t->habits;
	s->path = memory_strdup(t->path);
	s->changes = habits_changes(t->habits);
	s->job.work = write_now;
	s->job.done = on_saved;
	s->job.owner = t;
	s->job.reply = t->mailbox;
	s->job.mail.kind = t->job_mail;
	return s;
}

/* Somebody has changed it, and RELOAD will follow: what he wrote must not be lost. */
static bool
is_held_back(struct threats *t)
{
	bool held = is_changed(t);

	if (held && !t->held)
		log_warning("threat_file: %s was changed; it is not written until RELOAD has read it", t->path);
	t->held = held;
	return held;
}

void
threats_tick(struct threats *t, usec_t now)
{
	struct save *s;

	if (!is_wanted(t) || t->save != NULL || now < t->save_at)
		return;
	if (is_held_back(t))
		return;
	s = make_save(t);
	if (helpers_offer(t->askers, &s->job))
		t->save = s;
	else
		free_save(s);
}

/* Under the lock of writers: what a helper has written may not have come back as mail, and never will. */
static void
save_last(struct threats *t)
{
	struct stamp now;
	struct error e;

	if (!is_wanted(t))
		return;
	read_stamp(t->path, &now);
	if (!is_same(&now, &ours) && is_held_back(t))
		return;
	if (!habit_file_save(t->habits, t->path, &e))
		log_error("threat_file: %s", e.message);
	else
		t->saved = habits_changes(t->habits);
}

bool
threats_save(struct threats *t)
{
	if (pthread_mutex_trylock(&writing) != 0) {
		log_error("threat_file: %s is being written yet, and the disk does not answer: what was learned last is lost",
			  t->path);
		return false;
	}
	save_last(t);
	pthread_mutex_unlock(&writing);
	return true;
}

/* --- life --- */

void
threats_set_config(struct threats *t, const struct config *c)
{
	bool other = strcmp(t->path, c->threat_file) != 0;

	if (t->habits == NULL)
		return;
	habits_limit(t->habits, c->threat_max > 0 ? (unsigned)c->threat_max : 0);
	if (other) {
		free(t->path);
		t->path = memory_strdup(c->threat_file);
	}
	if (t->path[0] == '\0' || (other && !read_stamp(t->path, &t->stamp))) {
		t->bad = false;
		t->saved = 0;	/* a new file gets all that there is */
	} else if (other || t->bad || is_changed(t)) {
		load(t);
	}
}

void
threats_set_habits(struct threats *t, struct habits *hs, const struct config *c)
{
	t->habits = hs;
	threats_set_config(t, c);
}

struct threats *
threats_new(struct mailbox *mb, int job_mail, struct helpers *askers)
{
	struct threats *t = memory_zalloc(sizeof(*t));

	t->mailbox = mb;
	t->job_mail = job_mail;
	t->askers = askers;
	t->path = memory_strdup("");
	return t;
}

void
threats_close(struct threats *t)
{
	if (t->save == NULL)
		return;
	if (helpers_withdraw(t->askers, &t->save->job))
		free_save(t->save);
	else
		t->save->job.owner = NULL;
	t->save = NULL;
}

void
threats_free(struct threats **tp)
{
	struct threats *t = *tp;
	struct tenant_threats *of, *next;

	if (t == NULL)
		return;
	*tp = NULL;
	threats_reset(t);
	HASH_ITER(hh, t->tenants, of, next) {
		HASH_DEL(t->tenants, of);
		free(of);
	}
	threats_close(t);
	free(t->path);
	free(t);
}
