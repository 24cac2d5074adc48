#include "monitor/post.h"

#include <inttypes.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/strings.h"
#include "build.h"

#ifdef HAVE_CURL
#include <curl/curl.h>
#endif

#define REPLY_MAX (64 * 1024)	/* bytes of an answer's body, which nobody reads */

static void
hash(const char *secret, const char *head, const char *body, unsigned char *out)
{
	size_t nhead = strlen(head), nbody = strlen(body);
	unsigned char *text = memory_alloc(nhead + nbody + 1);
	unsigned size = 0;

	memcpy(text, head, nhead);
	memcpy(text + nhead, body, nbody);
	HMAC(EVP_sha256(), secret, (int)strlen(secret), text, nhead + nbody, out, &size);
	free(text);
}

void
post_sign(const char *secret, long long timestamp, const char *body, char *out)
{
	unsigned char mac[EVP_MAX_MD_SIZE] = { 0 };
	char head[32];
	size_t n = (size_t)sprintf(out, "sha256=");

	snprintf(head, sizeof(head), "%lld.", timestamp);
	hash(secret, head, body, mac);
	for (size_t i = 0; i < 32; i++)
		n += (size_t)sprintf(out + n, "%02x", mac[i]);
}

#ifdef HAVE_CURL

/* ---- what curl calls ---- */

/* The answer's words are of no interest, but the other side must not keep us busy with them. */
static size_t
drop_reply(char *bytes, size_t size, size_t n, void *arg)
{
	size_t *received = arg;

	(void)bytes;
	*received += size * n;
	return *received > REPLY_MAX ? 0 : size * n;
}

/* About once a second, whatever else happens. */
static int
look_for_stop(void *arg, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
	struct post *p = arg;

	(void)a;
	(void)b;
	(void)c;
	(void)d;
	return atomic_load(&p->stop);
}

/* ---- the request ---- */

__attribute__((format(printf, 2, 3))) static void
add_header(struct curl_slist **headers, const char *fmt, ...)
{
	char line[200];
	struct curl_slist *more;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	more = curl_slist_append(*headers, line);
	if (more != NULL)
		*headers = more;
}

static struct curl_slist *
make_headers(const struct post *p)
{
	long long now = clock_wall() / USEC_PER_SEC;
	struct curl_slist *headers = NULL;
	char signature[POST_SIGNATURE_SIZE];

	add_header(&headers, "Content-Type: application/json");
	add_header(&headers, "Expect:");
	add_header(&headers, "X-Pgusher-Event: %s", p->event);
	add_header(&headers, "X-Pgusher-Timestamp: %lld", now);
	if (p->secret[0] != '\0') {
		post_sign(p->secret, now, p->body, signature);
		add_header(&headers, "X-Pgusher-Signature: %s", signature);
	}
	return headers;
}

static void
allow_http_only(CURL *c)
{
#if LIBCURL_VERSION_NUM >= 0x075500
	curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
#else
	curl_easy_setopt(c, CURLOPT_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
#if LIBCURL_VERSION_NUM >= 0x075700
	curl_easy_setopt(c, CURLOPT_QUICK_EXIT, 1L);	/* a name server that hangs is not waited for at the end */
#endif
}

static void
set_up(CURL *c, struct post *p, struct curl_slist *headers, size_t *received)
{
	allow_http_only(c);
	curl_easy_setopt(c, CURLOPT_URL, p->url);
	curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(c, CURLOPT_SSL_VERIFYPEER, 1L);
	curl_easy_setopt(c, CURLOPT_SSL_VERIFYHOST, 2L);
	curl_easy_setopt(c, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(c, CURLOPT_USERAGENT, "pgusher/" PACKAGE_VERSION);
	curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, (long)(p->connect_patience / USEC_PER_MSEC));
	curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, (long)(p->patience / USEC_PER_MSEC));
	curl_easy_setopt(c, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(c, CURLOPT_POST, 1L);
	curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE, (long)strlen(p->body));
	curl_easy_setopt(c, CURLOPT_POSTFIELDS, p->body);
	curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, drop_reply);
	curl_easy_setopt(c, CURLOPT_WRITEDATA, received);
	curl_easy_setopt(c, CURLOPT_XFERINFOFUNCTION, look_for_stop);
	curl_easy_setopt(c, CURLOPT_XFERINFODATA, p);
	curl_easy_setopt(c, CURLOPT_NOPROGRESS, 0L);
}

/* ---- the outcome ---- */

/* What a second try would not change. */
static bool
is_for_good(CURLcode rc)
{
	switch ((int)rc) {
	case CURLE_UNSUPPORTED_PROTOCOL:
	case CURLE_URL_MALFORMAT:
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_ABORTED_BY_CALLBACK:
		return true;
	default:
		return false;
	}
}

/* curl says "unsupported protocol" for a wrong URL, and also for an answer that is older than HTTP/1.0. */
static const char *
describe(CURL *c, CURLcode rc)
{
	long connections = 0;

	if (c != NULL)
		curl_easy_getinfo(c, CURLINFO_NUM_CONNECTS, &connections);
	if (rc == CURLE_ABORTED_BY_CALLBACK)
		return "given up";
	return rc == CURLE_UNSUPPORTED_PROTOCOL && connections > 0 ? "the answer is not HTTP" : curl_easy_strerror(rc);
}

static void
judge_failure(struct post *p, CURL *c, CURLcode rc)
{
	p->verdict = is_for_good(rc) ? POST_REFUSED : POST_AGAIN;
	string_copy(p->problem, describe(c, rc), sizeof(p->problem));
}

static void
judge_status(struct post *p, CURL *c, long status)
{
	curl_off_t seconds = 0;

	if (status / 100 == 2) {
		p->verdict = POST_DONE;
		return;
	}
	p->verdict = status == 429 || status / 100 == 5 ? POST_AGAIN : POST_REFUSED;
	snprintf(p->problem, sizeof(p->problem), "HTTP status %ld%s", status,
		 status / 100 == 3 ? "; redirects are not followed" : "");
	if (status != 429 && status != 503)
		return;
	curl_easy_getinfo(c, CURLINFO_RETRY_AFTER, &seconds);
	p->retry_after = seconds > INT32_MAX ? INT32_MAX * USEC_PER_SEC : seconds * USEC_PER_SEC;
}

/* A status counts even if the rest of the answer does not come: it was understood. */
static void
judge(struct post *p, CURL *c, CURLcode rc)
{
	long status = 0;

	curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &status);
	if (status >= 200 || rc == CURLE_OK)
		judge_status(p, c, status);
	else
		judge_failure(p, c, rc);
}

static void
run(struct helper_job *job)
{
	struct post *p = container_of(job, struct post, job);
	struct curl_slist *headers = make_headers(p);
	CURL *c = curl_easy_init();
	size_t received = 0;

	if (c == NULL) {
		judge_failure(p, NULL, CURLE_OUT_OF_MEMORY);
	} else {
		set_up(c, p, headers, &received);
		judge(p, c, curl_easy_perform(c));
		curl_easy_cleanup(c);
	}
	curl_slist_free_all(headers);
}

bool
post_init(void)
{
	return curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
}

#else

static void
run(struct helper_job *job)
{
	struct post *p = container_of(job, struct post, job);

	p->verdict = POST_REFUSED;
	string_copy(p->problem, "libcurl was not built in", sizeof(p->problem));
}

bool
post_init(void)
{
	return false;
}

#endif

struct post *
post_new(const char *url, const char *secret, const char *event, const char *body)
{
	struct post *p = memory_zalloc(sizeof(*p));

	p->job.work = run;
	p->url = memory_strdup(url);
	p->secret = memory_strdup(secret);
	p->event = memory_strdup(event);
	p->body = memory_strdup(body);
	return p;
}

void
post_free(struct post **pp)
{
	struct post *p = *pp;

	if (p == NULL)
		return;
	*pp = NULL;
	memory_free_secret(p->url);
	memory_free_secret(p->secret);
	free(p->event);
	free(p->body);
	free(p);
}
