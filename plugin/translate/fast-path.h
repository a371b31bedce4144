/* SPDX-License-Identifier: Apache-2.0
 *
 * fast-path: what plugin "fast-path" tells of packets that OVS forwards. */

#ifndef TRANSLATE_FAST_PATH_H
#define TRANSLATE_FAST_PATH_H 1

/* Sightings
 * =========
 *
 * OVS decides, eBPF repeats.  Where the pipeline has come to the end of its
 * deliberations, just before a packet of a port with an eBPF program goes into
 * a tunnel or comes out of one to the port, this plugin has a copy of the
 * packet punted (metered).  What the packet handler sees is the verdict: the
 * packet as it will be sent, where to, and how it came so far.  It writes that
 * down as a sighting, which goes to the main thread (feedback/offload.h).
 *
 * Thread-safety: no shared state. */

#include <stdbool.h>
#include <stdint.h>
#include "openvswitch/types.h"

struct packet_event;

struct fast_path_sighting {
    long long int when;         /* As time_msec(). */
    bool arrival;               /* Out of a tunnel, else into one. */
    bool tracked;               /* One of an established connection; else
                                 * whatever its protocol and ports are. */
    bool routed;
    bool direct;                /* By a direct path, past a gateway. */

    /* The frame: as it came ('smac', 'dmac'), as it leaves. */
    struct eth_addr smac, dmac, new_smac, new_dmac;
    ovs_be32 src, dst;
    ovs_be16 sport, dport;      /* 0 if there are none. */
    uint8_t proto;

    /* The tunnel. */
    ovs_be32 host;              /* Its other end. */
    uint32_t vni;

    uint32_t ofport;            /* Of the local port. */
    uint32_t in_port;

    /* Where the pipeline has led it: needed to find out what changes of flows
     * are about this packet. */
    uint64_t tag;               /* Subnet tag. */
    uint32_t from;              /* MFF_ALCOR_FROM. */
    uint32_t hop4;              /* MFF_HOP4. */
    uint64_t router;            /* MFF_ROUTER. */
    uint32_t zone, vpc;         /* As plugin "security-group" has set them. */

    /* Of the packet that opened the connection, if 'tracked'. */
    ovs_be32 ct_src, ct_dst;
    ovs_be16 ct_sport, ct_dport;
};

/* Returns the sighting of 'event', or null if it has none. */
const struct fast_path_sighting *fast_path_sighting_from_event(
    const struct packet_event *);

#endif /* translate/fast-path.h */
