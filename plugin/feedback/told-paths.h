/* SPDX-License-Identifier: Apache-2.0
 *
 * told-paths: which hosts a gateway has told of which direct paths. */

#ifndef FEEDBACK_TOLD_PATHS_H
#define FEEDBACK_TOLD_PATHS_H 1

/* What?
 * -----
 *
 * A host that has been told a direct path uses it for as long as it has
 * packets, and the gateway sees none of them.  So when an endpoint moves or
 * goes, the hosts that were told where it was must be told that it is there no
 * more, or where it is now.  This module remembers whom: the last
 * TOLD_PATHS_MAX flows (VNI, source, destination, protocol, ports, host),
 * least recently told first to be forgotten.
 *
 * Usage
 * -----
 *
 * told_paths_add() with what is being told; told_paths_take() when an endpoint
 * has changed, which hands out what was told about it, and forgets it unless
 * something else has been told instead.
 *
 * A flow takes about 170 bytes, so 65,536 of them 11 MB.
 *
 * Thread-safety: one thread at a time. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "openvswitch/types.h"

struct told_paths;

#define TOLD_PATHS_MAX 65536

/* Hosts that use a path hear of it again within this time, and others forget
 * it (GATEWAY_OAM_IDLE_SECS). */
#define TOLD_PATH_MSEC 30000

/* A flow, to whom it was told, and from where. */
struct told_path {
    uint32_t vni;
    ovs_be32 src;
    ovs_be32 dst;
    ovs_be16 sport;
    ovs_be16 dport;
    uint8_t proto;
    ovs_be32 to_ip;             /* The host. */
    struct eth_addr to_mac;
    ovs_be32 entrance_ip;       /* The entrance that the flow had used. */
    struct eth_addr entrance_mac;
    long long int told;         /* When, in msec. */
};

struct told_paths *told_paths_create(void);
void told_paths_destroy(struct told_paths *);

void told_paths_add(struct told_paths *, const struct told_path *);

/* False if the host has forgotten it by 'now', or does not ask the gateway any
 * more as hosts should. */
bool told_path_may_be_used(const struct told_path *, long long int now);

/* Calls 'cb' for each flow to endpoint 'dst' of 'vni', which forgets it, or if
 * it returns true keeps it, with another time.  Returns how many there
 * were. */
size_t told_paths_take(struct told_paths *, uint32_t vni, ovs_be32 dst,
                       bool (*cb)(struct told_path *, void *aux), void *aux);

size_t told_paths_count(const struct told_paths *);

#endif /* feedback/told-paths.h */
