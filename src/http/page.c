#include "http/page.h"

#define XXH_INLINE_ALL
#include <stdio.h>
#include <string.h>
#include <xxhash.h>

#include "base/memory.h"

static const unsigned char index_html[] = {
#include "http/page/index.html.inc"
};

static const unsigned char style_css[] = {
#include "http/page/style.css.inc"
};

static const unsigned char script_js[] = {
#include "http/page/script.js.inc"
};

#define FILE_OF(array) .bytes = array, .n = sizeof(array)

static struct page_file files[] = {
	{ .path = "/", .type = "text/html; charset=utf-8", FILE_OF(index_html) },
	{ .path = "/style.css", .type = "text/css; charset=utf-8", FILE_OF(style_css) },
	{ .path = "/script.js", .type = "text/javascript; charset=utf-8", FILE_OF(script_js) },
};

static char etags[lengthof(files)][sizeof("\"0123456789abcdef\"")];

/* By content, so that a new release is seen at once. Computed when it is asked for first. */
static const char *
etag_of(const struct page_file *f)
{
	char *etag = etags[f - files];

	if (etag[0] == '\0')
		snprintf(etag, sizeof(etags[0]), "\"%016llx\"", (unsigned long long)XXH3_64bits(f->bytes, f->n));
	return etag;
}

const struct page_file *
page_find(const char *path)
{
	for (size_t i = 0; i < lengthof(files); i++) {
		if (strcmp(path, files[i].path) == 0) {
			files[i].etag = etag_of(&files[i]);
			return &files[i];
		}
	}
	return NULL;
}
