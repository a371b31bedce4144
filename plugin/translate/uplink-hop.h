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
 * on.  That it has been asked is an event, too, so that silence is noticed.
 *
 * Thread-safety: no state. */

#include "openvswitch/types.h"
#include "packets.h"

struct packet_event;

/* A next hop is asked again when it has been silent for so long, then so
 * often.  When it does not answer, its record says that it is silent (no MAC),
 * and it is asked now and then while there is a rule to it: if rules share
 * flows, those of the others have them until it answers. */
#define UPLINK_HOP_REFRESH_MSEC 30000
#define UPLINK_HOP_RETRY_MSEC 1000
#define UPLINK_HOP_SILENT_MSEC 5000

/* That are remembered at a time. */
#define UPLINK_HOP_MAX 1024

struct uplink_hop_event {
    ovs_be32 ip;                /* Of the next hop... */
    struct eth_addr mac;        /* ...and its MAC; zero: it is being asked. */
    struct eth_addr our_mac;    /* Whom it has answered; zero: nobody; or in
                                 * whose name it is asked... */
    ovs_be32 our_ip;
    uint32_t ofport;            /* ...and where. */
};

/* The event, or null if it is another. */
const struct uplink_hop_event *uplink_hop_from_event(
    const struct packet_event *);

#endif /* translate/uplink-hop.h */
