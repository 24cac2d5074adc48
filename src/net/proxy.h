/*
 * proxy: the header with which a proxy tells whose connection it passes on
 * (PROXY protocol, versions 1 and 2, as HAProxy's proxy-protocol.txt has it).
 *
 *	v1	"PROXY TCP4 192.0.2.1 198.51.100.1 56324 6432\r\n", 107 bytes at most
 *		"PROXY UNKNOWN ...\r\n"
 *	v2	12 bytes of signature, version and command, family, uint16 length,
 *		addresses, TLVs
 *
 * Its sender is trusted to say who somebody is, not to be free of errors: what is
 * malformed is refused as a whole, and is told in words.
 *
 * Pure function, any thread.
 */
#ifndef NET_PROXY_H
#define NET_PROXY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "net/address.h"

#define PROXY_MAX 4096		/* a header that is longer is refused: 216 bytes of addresses, and TLVs */

enum proxy_result {
	PROXY_OK,
	PROXY_SHORT,		/* so far it may be one; more has to come */
	PROXY_INVALID,		/* e is set: 08P01 */
};

struct proxy_header {
	size_t size;		/* what comes behind it is the client's */
	bool local;		/* it is the proxy's own connection, to see whether we are there */
	bool told;		/* false: local, or it does not say where from in a way that means something here (UNKNOWN,
				 * UNIX) */
	struct address from;	/* if told; IPv4 in the disguise of IPv6 (::ffff:0:0/96) is IPv4 */
};

enum proxy_result proxy_parse(const uint8_t *p, size_t n, struct proxy_header *h, struct error *e);

#endif
