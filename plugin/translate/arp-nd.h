/* SPDX-License-Identifier: Apache-2.0
 *
 * arp-nd: neighbour solicitations that other plugins have answered. */

#ifndef TRANSLATE_ARP_ND_H
#define TRANSLATE_ARP_ND_H 1

/* What?
 * -----
 *
 * A flow of another plugin that matches neighbour solicitations (RFC 4861,
 * section 4.3) begins the answer with arp_nd_begin() and has the rest done by
 * resubmitting the packet, then an advertisement, to OFS_RESPOND_ND.  The
 * flows there are on every host that has an IPv6 subnet; they send it out of
 * its input port.
 *
 * Thread-safety: no state. */

#include <stdbool.h>

struct eth_addr;
struct flow_draft;

/* Appends to the actions of the flow: the question becomes the answer that
 * what is asked for has 'mac', and whether it is a router. */
void arp_nd_begin(struct flow_draft *, const struct eth_addr *mac,
                  bool router);

#endif /* translate/arp-nd.h */
