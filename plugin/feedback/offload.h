/* SPDX-License-Identifier: Apache-2.0
 *
 * offload: which verdicts of OVS the eBPF fast path repeats, and how long. */

#ifndef FEEDBACK_OFFLOAD_H
#define FEEDBACK_OFFLOAD_H 1

/* Offload
 * =======
 *
 * What?
 * -----
 *
 * OVS decides, eBPF repeats.  A packet that OVS has forwarded between a tunnel
 * and a port with an eBPF program is shown to the agent as a "sighting"
 * (translate/fast-path.h).  This module makes an entry of it in the tables of
 * the programs (apply/apply-bpf.h), which take the flow over from then on.  It
 * knows nothing of policy: there is no verdict here that did not come out of
 * the pipeline.
 *
 *     miss --> OVS --> sighting --> entry --> packets do not come to OVS
 *               ^                     |
 *               +---- one packet now and then, which is sighted again
 *
 * An entry is a lease
 * -------------------
 *
 * Every entry lets one packet through to OVS, every 8 seconds or so.  If OVS
 * forwards it as before, that is sighted, and the lease is renewed.  If it
 * does not, for whatever reason, or if there are no packets, the lease runs
 * out (OFFLOAD_LEASE_MSEC), the entry is removed, and OVS decides again.  A
 * new entry is on trial: it lets a packet through after OFFLOAD_TRIAL_MSEC,
 * and has until OFFLOAD_TRIAL_LEASE_MSEC to be renewed.
 *
 * Changes of policy
 * -----------------
 *
 * Leases would take too long.  So before a commit changes anything in the
 * switch, it is asked here, flow by flow, whose verdict that may change, and
 * those entries are removed:
 *
 *     offload_changes_begin(o);
 *     offload_change(o, output)...
 *     offload_changes_end(o);           entries are gone
 *     ...the switch is changed...
 *     offload_changes_confirmed(o);
 *
 * Hence an answer to the controller leaves after the entries have gone.  (A
 * flow concerns an entry if nothing in its match excludes that the packet has
 * met it on its way, see offload-change.c; there is no harm in removing too
 * much.)  What is sighted meanwhile may be an old verdict, from the switch's
 * cache: sightings that the change may be about are not believed until
 * OFFLOAD_SETTLE_MSEC after it is in effect.
 *
 * Direct paths
 * ------------
 *
 * What goes to a gateway soon takes another way, so there is no entry for it;
 * but it is remembered for OFFLOAD_WAIT_MSEC (offload_wait_for_path()).  When
 * the gateway tells of the direct path (offload_take_path()), OVS's verdict is
 * known: it is what it was, but for the destination's MAC and host, which the
 * path's flow will set.  So the entry is made at once, while that flow is on
 * its way.  It is on trial, too: OVS has four seconds to say the same.  Until
 * then, the path's flow is no change to this entry; that the path is gone
 * (offload_drop_path()), or any other flow, is.
 *
 * A gateway may tell that a destination has moved.  Entries that OVS has said
 * take the direct path (the sighting shows that) then are rewritten in place:
 * they were in the table, so no policy has changed, and again it is only the
 * destination's MAC and host that differ.  The rest is as above.
 *
 * Restarts
 * --------
 *
 * Tables survive the agent.  offload_set_tables() takes what is in them: of
 * these entries not everything is known, so more changes concern them, until
 * they are sighted.
 *
 * Thread-safety: main thread only. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "openvswitch/types.h"

struct apply_bpf;
struct ds_output;
struct fast_path_sighting;
struct offload;
struct simap;

#define OFFLOAD_LEASE_MSEC 25000
#define OFFLOAD_TRIAL_MSEC 1000
#define OFFLOAD_TRIAL_LEASE_MSEC 4000
#define OFFLOAD_SETTLE_MSEC 250

/* So long, packets to gateways are remembered, and so many. */
#define OFFLOAD_WAIT_MSEC 1000
#define OFFLOAD_MAX_WAITING 1024

/* OFFLOAD_COUNTER(member, "what sightings came to") */
#define OFFLOAD_COUNTERS                                                \
    OFFLOAD_COUNTER(installed, "entries made")                          \
    OFFLOAD_COUNTER(told, "of these, as soon as a gateway had told")    \
    OFFLOAD_COUNTER(renewed, "leases renewed")                          \
    OFFLOAD_COUNTER(changed, "entries with another verdict than before") \
    OFFLOAD_COUNTER(unsettled, "not believed: policy had just changed") \
    OFFLOAD_COUNTER(unfit, "nothing to be repeated")                    \
    OFFLOAD_COUNTER(failed, "entries that could not be written")        \
    OFFLOAD_COUNTER(invalidated, "entries removed: policy changes")     \
    OFFLOAD_COUNTER(expired, "entries removed: lease not renewed")

struct offload_stats {
#define OFFLOAD_COUNTER(NAME, WHAT) uint64_t NAME;
    OFFLOAD_COUNTERS
#undef OFFLOAD_COUNTER
};

/* Where the packets of a sighting are to go. */
struct offload_target {
    uint32_t port;              /* Number of the port's program... */
    uint32_t ifindex;           /* ...and its device. */
    bool by_connection;         /* Its keys have protocol and ports. */
    bool to_peer;               /* Deliver to the device's peer. */
    struct eth_addr host_mac;   /* Of the host at the other end. */
    uint16_t mtu;               /* Inner packets. */
};

struct offload *offload_create(void);
void offload_destroy(struct offload *);

/* The tables are those of 'ab', null: there are none (any more). */
void offload_set_tables(struct offload *, struct apply_bpf *ab);

/* Something has been removed from the tables by others. */
void offload_resync(struct offload *);

void offload_sight(struct offload *, const struct fast_path_sighting *,
                   const struct offload_target *);

void offload_changes_begin(struct offload *);
void offload_change(struct offload *, const struct ds_output *);
void offload_changes_end(struct offload *);
void offload_changes_confirmed(struct offload *);

/* Direct paths around gateways. */

struct offload_path {
    uint32_t ofport;            /* Of the local port. */
    uint32_t vni;
    ovs_be32 dst;
    bool by_connection;         /* Of the port: for the following, alone. */
    ovs_be32 src;
    ovs_be16 sport, dport;
    uint8_t proto;

    ovs_be32 host;              /* Where it leads. */
    struct eth_addr mac;        /* Of 'dst'. */
    struct eth_addr host_mac;   /* The next hop to 'host'; zeros: it is not
                                 * known. */
};

/* The sighting is of a packet to a gateway; 'to' lacks the host's MAC. */
void offload_wait_for_path(struct offload *, const struct fast_path_sighting *,
                           const struct offload_target *);

/* A gateway has told of 'path', and is believed. */
void offload_take_path(struct offload *, const struct offload_path *path);

/* The sighting is of a packet that has taken 'path', of which a gateway told a
 * moment ago, or of one that still went to the gateway. */
void offload_sight_path(struct offload *, const struct fast_path_sighting *,
                        const struct offload_target *,
                        const struct offload_path *path, bool to_gateway);

/* A path from 'ofport' to 'dst' will no longer be taken. */
void offload_drop_path(struct offload *, uint32_t ofport, ovs_be32 dst);

/* Removes the entries that 'is_meant' is true of.  'mac' is that of 'host' in
 * entries into tunnels. */
void offload_remove_if(struct offload *,
                       bool (*is_meant)(ovs_be32 host,
                                        const struct eth_addr *mac,
                                        void *aux),
                       void *aux);
void offload_flush(struct offload *);

void offload_run(struct offload *);
void offload_wait(const struct offload *);

const struct offload_stats *offload_get_stats(const struct offload *);
size_t offload_count(const struct offload *);
void offload_get_memory_usage(const struct offload *, struct simap *);

#endif /* feedback/offload.h */
