/* SPDX-License-Identifier: Apache-2.0
 *
 * icmp-error: what a router says about packets that it does not forward. */

#ifndef TRANSLATE_ICMP_ERROR_H
#define TRANSLATE_ICMP_ERROR_H 1

/* ICMP errors
 * ===========
 *
 * What?
 * -----
 *
 * Composes the error messages of RFC 792, RFC 1191 and RFC 4443 that a router
 * sends to the source of a packet, and decides whether it may (RFC 1122,
 * section 3.2.2; RFC 4443, section 2.4 (e)): not about ICMP errors, not about
 * fragments but the first, not to broadcast and multicast addresses.
 *
 * Usage
 * -----
 *
 * Translation says who speaks and why in a struct icmp_error, as data of a
 * punt; icmp_error_compose() is called by the handler.
 *
 * Thread-safety: no state. */

#include <stdbool.h>
#include <stdint.h>
#include <netinet/in.h>
#include "openvswitch/types.h"

struct dp_packet;
struct flow;

enum icmp_error_kind {
    ICMP_ERROR_TTL,             /* Time exceeded in transit. */
    ICMP_ERROR_NO_ROUTE,        /* Network unreachable, no route. */
    ICMP_ERROR_NO_HOST,         /* Host, address unreachable. */
    ICMP_ERROR_TOO_BIG,         /* Fragmentation needed, packet too big. */
};

/* Who speaks, and why.  Part of flows: no padding, no pointers. */
struct icmp_error {
    struct in6_addr ip;         /* Of the gateway; IPv4-mapped: for IPv4. */
    struct eth_addr mac;        /* Of the gateway. */
    struct eth_addr to;         /* Of the sender; zero: the packet's source. */
    uint8_t kind;               /* enum icmp_error_kind. */
    uint8_t zero[3];
    uint32_t mtu;               /* ICMP_ERROR_TOO_BIG only. */
};

/* Initializes 'reply', which must be empty, with the error message about
 * 'packet', whose headers are 'flow', and returns true; or returns false if
 * there is nothing to be said about it. */
bool icmp_error_compose(const struct icmp_error *,
                        const struct dp_packet *packet,
                        const struct flow *flow, struct dp_packet *reply);

#endif /* translate/icmp-error.h */
