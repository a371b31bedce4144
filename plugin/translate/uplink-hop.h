/* SPDX-License-Identifier: Apache-2.0
 *
 * uplink-hop: next hops of INTERNET rules that ARP finds. */

#ifndef TRANSLATE_UPLINK_HOP_H
#define TRANSLATE_UPLINK_HOP_H 1

/* A rule of type INTERNET need not give the MAC of its next hop.  Then the
 * first packet to it becomes an ARP request, on the bridge that such rules
 * lead to, in the name of the packet's sender, a local port, for which this
 * host answers there.  What the next hop says of itself, asked or not, becomes
 * this event, and, by agent-uplink.c, a volatile record that the rule depends
 * on.
 *
 * Thread-safety: no state. */

#include "openvswitch/types.h"
#include "packets.h"

struct packet_event;

/* A next hop is asked again when it has been silent for so long, then so
 * often, and forgotten when it does not answer. */
#define UPLINK_HOP_REFRESH_MSEC 30000
#define UPLINK_HOP_RETRY_MSEC 1000

/* That are remembered at a time. */
#define UPLINK_HOP_MAX 1024

struct uplink_hop_event {
    ovs_be32 ip;                /* Of the next hop... */
    struct eth_addr mac;        /* ...and its MAC. */
    struct eth_addr our_mac;    /* Whom it has answered; zero: nobody. */
    ovs_be32 our_ip;
};

/* The event, or null if it is another. */
const struct uplink_hop_event *uplink_hop_from_event(
    const struct packet_event *);

#endif /* translate/uplink-hop.h */
