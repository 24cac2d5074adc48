#include "monitor/webhook.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "monitor/post.h"

#define RETRY_AFTER_MAX 60	/* seconds that the other side may ask for */
#define TELL_PERIOD (60 * USEC_PER_SEC)

static const struct webhook_pace usual_pace = {
	.second = USEC_PER_SEC,
	.connect_patience = 5 * USEC_PER_SEC,
	.patience = 10 * USEC_PER_SEC,
};

/* An alert on its way. */
struct parcel {
	TAILQ_ENTRY(parcel) link;
	uint64_t id;
	int tries;
	char *event;
	char *body;
};

TAILQ_HEAD(parcel_list, parcel);

struct webhook {
	struct loop *loop;
	struct mailbox *mailbox;
	int job_mail;
	struct helpers *askers;
	webhook_told_fn *told;
	void *arg;
	struct webhook_pace pace;
	bool built_in;
	bool stopped;
	char *url, *secret;
	struct parcel_list queue;	/* the first is under way, or waits for its next try */
	size_t n;
	struct post *post;		/* under way */
	struct parcel *sent;		/* that it is for; NULL: nobody asks any more */
	bool pausing;
	uint64_t dropped;		/* not told yet */
	usec_t tell_at;
};

static void send_next(struct webhook *w);

/* ---- the queue ---- */

static void
free_parcel(struct parcel *p)
{
	free(p->event);
	free(p->body);
	free(p);
}

/* The first one has come to its end. */
static void
finish_first(struct webhook *w, enum alert_delivery d)
{
	struct parcel *p = TAILQ_FIRST(&w->queue);

	TAILQ_REMOVE(&w->queue, p, link);
	w->n--;
	if (w->sent == p)
		w->sent = NULL;
	w->told(w->arg, p->id, d);
	free_parcel(p);
}

static size_t
finish_all(struct webhook *w, enum alert_delivery d)
{
	size_t n = w->n;

	while (!TAILQ_EMPTY(&w->queue))
		finish_first(w, d);
	return n;
}

/* ---- a try ---- */

static void
resume(void *arg)
{
	struct webhook *w = arg;

	w->pausing = false;
	send_next(w);
}

static void
pause_for(struct webhook *w, usec_t delay)
{
	w->pausing = true;
	loop_after(w->loop, delay, resume, w);
}

static usec_t
choose_delay(const struct webhook *w, int tries, usec_t retry_after)
{
	usec_t seconds = 1 << (tries - 1);
	usec_t asked = retry_after / USEC_PER_SEC;

	if (asked > RETRY_AFTER_MAX)
		asked = RETRY_AFTER_MAX;
	return (asked > seconds ? asked : seconds) * w->pace.second;
}

static void
take_failure(struct webhook *w, struct parcel *p, const struct post *post)
{
	if (post->verdict == POST_AGAIN && p->tries <= WEBHOOK_RETRIES) {
		log_debug("webhook: alert %llu: %s, trying again", (unsigned long long)p->id, post->problem);
		pause_for(w, choose_delay(w, p->tries, post->retry_after));
		return;
	}
	log_warning("webhook: alert %llu was not delivered: %s (%d tries)", (unsigned long long)p->id, post->problem,
		    p->tries);
	finish_first(w, DELIVERY_FAILED);
}

static void
take_outcome(struct webhook *w, const struct post *post)
{
	struct parcel *p = w->sent;

	w->sent = NULL;
	if (p == NULL)
		return;
	if (post->verdict == POST_DONE)
		finish_first(w, DELIVERY_SENT);
	else
		take_failure(w, p, post);
}

/* Without an owner it runs at the end of the process, on any thread. */
static void
on_done(struct helper_job *job)
{
	struct post *post = container_of(job, struct post, job);
	struct webhook *w = job->owner;

	if (w != NULL) {
		w->post = NULL;
		take_outcome(w, post);
	}
	post_free(&post);
	if (w != NULL)
		send_next(w);
}

static struct post *
make_post(struct webhook *w, const struct parcel *p)
{
	struct post *post = post_new(w->url, w->secret, p->event, p->body);

	post->connect_patience = w->pace.connect_patience;
	post->patience = w->pace.patience;
	post->job.mail.kind = w->job_mail;
	post->job.done = on_done;
	post->job.owner = w;
	post->job.reply = w->mailbox;
	return post;
}

static void
send_next(struct webhook *w)
{
	struct parcel *p = TAILQ_FIRST(&w->queue);
	struct post *post;

	if (p == NULL || w->post != NULL || w->pausing || w->stopped)
		return;
	post = make_post(w, p);
	if (!helpers_offer(w->askers, &post->job)) {
		post_free(&post);
		pause_for(w, w->pace.second);
		return;
	}
	p->tries++;
	w->post = post;
	w->sent = p;
}

/* ---- from outside ---- */

static enum alert_delivery
drop(struct webhook *w)
{
	w->dropped++;
	webhook_tick(w, clock_now());
	return DELIVERY_DROPPED;
}

enum alert_delivery
webhook_send(struct webhook *w, uint64_t id, const char *event, const char *body)
{
	struct parcel *p;

	if (w->url[0] == '\0' || !w->built_in)
		return DELIVERY_NONE;
	if (w->n > WEBHOOK_QUEUE || w->stopped)
		return drop(w);
	p = memory_zalloc(sizeof(*p));
	p->id = id;
	p->event = memory_strdup(event);
	p->body = memory_strdup(body);
	TAILQ_INSERT_TAIL(&w->queue, p, link);
	w->n++;
	send_next(w);
	return DELIVERY_PENDING;
}

void
webhook_tick(struct webhook *w, usec_t now)
{
	if (w->dropped == 0 || now < w->tell_at)
		return;
	log_warning("webhook: %llu alerts were dropped: %d wait for alert_webhook_url already",
		    (unsigned long long)w->dropped, WEBHOOK_QUEUE);
	w->dropped = 0;
	w->tell_at = now + TELL_PERIOD;
}

static void
replace(char **at, const char *with)
{
	char *old = *at;

	*at = memory_strdup(with);
	memory_free_secret(old);
}

void
webhook_configure(struct webhook *w, const char *url, const char *secret)
{
	bool is_new = strcmp(w->url, url) != 0;

	replace(&w->url, url);
	replace(&w->secret, secret);
	if (is_new && url[0] != '\0' && !w->built_in) {
		log_warning("alert_webhook_url is set, but this program was built without libcurl: alerts are not sent "
			    "there. Install libcurl's development files (Debian: libcurl4-openssl-dev), configure and "
			    "build again");
	}
	if (url[0] == '\0')
		finish_all(w, DELIVERY_NONE);
}

/* ---- life ---- */

void
webhook_stop(struct webhook *w)
{
	size_t n;

	w->stopped = true;
	if (w->post != NULL)
		atomic_store(&w->post->stop, true);
	n = finish_all(w, DELIVERY_FAILED);
	if (n > 0)
		log_warning("webhook: %zu alerts were not delivered: shutting down", n);
}

struct webhook *
webhook_new(struct loop *l, struct mailbox *mb, int job_mail, struct helpers *askers, webhook_told_fn *told, void *arg)
{
	struct webhook *w = memory_zalloc(sizeof(*w));

	w->loop = l;
	w->mailbox = mb;
	w->job_mail = job_mail;
	w->askers = askers;
	w->told = told;
	w->arg = arg;
	w->pace = usual_pace;
	w->built_in = post_init();
	w->url = memory_strdup("");
	w->secret = memory_strdup("");
	TAILQ_INIT(&w->queue);
	return w;
}

void
webhook_set_pace(struct webhook *w, const struct webhook_pace *p)
{
	w->pace = *p;
}

void
webhook_free(struct webhook **wp)
{
	struct webhook *w = *wp;

	if (w == NULL)
		return;
	*wp = NULL;
	memory_free_secret(w->url);
	memory_free_secret(w->secret);
	free(w);
}
