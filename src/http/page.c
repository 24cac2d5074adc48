#include "http/page.h"

#include <string.h>

static const char index_html[] = "<!doctype html><html lang=\"en\"><title>pgusher</title><p>There is no page yet.</p></html>\n";

static const struct page_file index_file = {
	.path = "/",
	.type = "text/html; charset=utf-8",
	.bytes = index_html,
	.n = sizeof(index_html) - 1,
	.etag = "\"0\"",
};

const struct page_file *
page_find(const char *path)
{
	return strcmp(path, index_file.path) == 0 ? &index_file : NULL;
}
