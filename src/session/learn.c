#include "session/learn.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "net/helpers.h"
#include "sql/classify.h"

struct lesson {
	struct helper_job job;		/* owner: the shard */
	uint64_t hash;
	struct sql_class class;
	char *text;
};

static void
read_text(struct helper_job *job)
{
	struct lesson *l = container_of(job, struct lesson, job);

	sql_classify(&l->class, l->text);
}

static void
free_lesson(struct lesson *l)
{
	memory_free_secret(l->text);
	free(l);
}

static void
take_lesson(struct helper_job *job)
{
	struct lesson *l = container_of(job, struct lesson, job);
	struct shard *s = job->owner;

	if (s != NULL)
		query_classified(&s->queries, l->hash, &l->class);
	else
		sql_class_release(&l->class);
	free_lesson(l);
}

void
learn_statement(struct shard *s, uint64_t hash, const char *text, size_t n)
{
	struct lesson *l = memory_zalloc(sizeof(*l));

	l->job.work = read_text;
	l->job.done = take_lesson;
	l->job.owner = s;
	l->job.reply = s->client_env.mailbox;
	l->job.mail.kind = s->client_env.job_mail;
	l->hash = hash;
	l->text = memory_strndup(text, n);
	if (!helpers_offer_spare(s->commons->helpers, &l->job))
		free_lesson(l);
}
