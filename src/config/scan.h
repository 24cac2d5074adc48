/*
 * scan: the small steps that the readers of this folder share.  All work on
 * NUL-terminated text that may be cut in place.
 */
#ifndef CONFIG_SCAN_H
#define CONFIG_SCAN_H

#include <stdbool.h>

#define SCAN_BOM "\xef\xbb\xbf"

/* Blank, tab, CR, VT, FF, LF: what separates; a line's LF is cut off before. */
static inline bool
scan_is_blank(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

/* The first byte that is no blank. */
static inline char *
scan_blanks(char *p)
{
	while (scan_is_blank(*p))
		p++;
	return p;
}

/* The first blank, or the end. */
static inline char *
scan_word(char *p)
{
	while (*p != '\0' && !scan_is_blank(*p))
		p++;
	return p;
}

/* The first blank or "=", or the end. */
static inline char *
scan_name(char *p)
{
	while (*p != '\0' && *p != '=' && !scan_is_blank(*p))
		p++;
	return p;
}

/* p is at an opening quote, of whatever kind.  Unquotes in place up to the closing one, where a
 * doubled quote stands for one. Returns what follows; *text is the content.  NULL: there is no
 * closing quote. */
char *scan_quoted(char *p, char **text);

#endif
