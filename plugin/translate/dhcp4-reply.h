/* SPDX-License-Identifier: Apache-2.0
 *
 * dhcp4-reply: what a DHCP server answers (RFC 2131). */

#ifndef TRANSLATE_DHCP4_REPLY_H
#define TRANSLATE_DHCP4_REPLY_H 1

/* DHCPv4
 * ======
 *
 * What?
 * -----
 *
 * There is no pool and nothing to remember: goal state says which address a
 * port has, so that answering is a pure function of the question and of
 * 'struct dhcp4_data', which rides, with the options, in the flow that punted
 * the question (punt.h).
 *
 *    DISCOVER             OFFER
 *    REQUEST              by RFC 2131, section 4.3.2:
 *      selecting          ACK, NAK for another address, nothing if another
 *                         server was chosen
 *      init-reboot        ACK, or NAK for another address
 *      renewing,          the same; the answer to one with an address goes
 *      rebinding          there
 *    INFORM               ACK without address and times
 *    RELEASE, DECLINE     nothing: the address stays the port's.  (A declined
 *                         one is in use by somebody else, which goal state
 *                         does not know; it is counted as an event.)
 *
 * Relayed questions are none of ours.  The client identifier comes back (RFC
 * 6842).  Options that do not fit into what the client accepts (option 57, at
 * least 576 bytes of IP datagram) are left out, those it did not ask for
 * (option 55) first.
 *
 * Thread-safety: no state; runs in the packet thread. */

#include <stdbool.h>
#include <stdint.h>
#include "openvswitch/types.h"

struct packet_reply;
struct packet_view;

/* As it is in a punt; options (dhcp-options.h) follow.  IPv4 addresses are in
 * halves because nothing is aligned. */
struct dhcp4_data {
    struct eth_addr server_mac;
    struct eth_addr client_mac;
    ovs_16aligned_be32 server_ip;
    ovs_16aligned_be32 client_ip;
};

/* Answers the DHCP request in 'view'.  Returns false if it is none. */
bool dhcp4_reply(const struct packet_view *view, struct packet_reply *);

#endif /* translate/dhcp4-reply.h */
