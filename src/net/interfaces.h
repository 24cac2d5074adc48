/*
 * interfaces: the addresses and nets of this machine.
 */
#ifndef NET_INTERFACES_H
#define NET_INTERFACES_H

#include "net/address.h"

/* Is `a` an address of one of this machine's interfaces, or (net) in the net of one?  IPv4 in IPv6 counts as IPv4.
 * Asks the kernel each time. */
bool interfaces_hold(const struct address *a, bool net);

#endif
