/*
 * page: the files of the dashboard, which are part of the program.
 */
#ifndef HTTP_PAGE_H
#define HTTP_PAGE_H

#include <stddef.h>

/* Static, as all in it. */
struct page_file {
	const char *path;	/* "/", "/style.css" */
	const char *type;	/* "text/html; charset=utf-8" */
	const void *bytes;
	size_t n;
	const char *etag;	/* with its quotes; NULL: none */
};

/* NULL: no such file. */
const struct page_file *page_find(const char *path);

#endif
