#include "http/refusal.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/memory.h"

bool
refuse(struct refusal *r, int status, const char *detail, ...)
{
	va_list ap;

	r->status = status;
	r->retry_after = 0;
	va_start(ap, detail);
	vsnprintf(r->detail, sizeof(r->detail), detail, ap);
	va_end(ap);
	return false;
}

/* RFC 9110, section 15, and RFC 6585. */
const char *
status_phrase(int status)
{
	static const struct {
		int status;
		const char *phrase;
	} phrases[] = {
		{ 200, "OK" },
		{ 304, "Not Modified" },
		{ 400, "Bad Request" },
		{ 401, "Unauthorized" },
		{ 403, "Forbidden" },
		{ 404, "Not Found" },
		{ 405, "Method Not Allowed" },
		{ 408, "Request Timeout" },
		{ 413, "Content Too Large" },
		{ 417, "Expectation Failed" },
		{ 421, "Misdirected Request" },
		{ 429, "Too Many Requests" },
		{ 431, "Request Header Fields Too Large" },
		{ 500, "Internal Server Error" },
		{ 501, "Not Implemented" },
		{ 503, "Service Unavailable" },
		{ 505, "HTTP Version Not Supported" },
	};

	for (size_t i = 0; i < lengthof(phrases); i++) {
		if (phrases[i].status == status)
			return phrases[i].phrase;
	}
	return "Unknown";
}
