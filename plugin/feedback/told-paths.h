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
 * more, or where it is now.  This module remembers whom, and what: the last
 * TOLD_PATHS_MAX flows (VNI, source, destination, protocol, ports, host),
 * least recently told first to be forgotten.
 *
 * Hosts use what they have been told while the gateway's agent is restarted,
 * too.  So the caller is told of each change (struct told_paths_class), for it
 * to keep where that outlives the agent, and gives it back.
 *
 * Usage
 * -----
 *
 * told_paths_add() with what is being told; told_paths_take() when an endpoint
 * has changed, which hands out what was told about it, and forgets it unless
 * something else has been told instead.
 *
 * After a restart: told_paths_restore() with each flow that was kept, in any
 * order; then, when it is known where endpoints are, told_paths_take_all().
 *
 * A flow takes about 190 bytes, so 65,536 of them 12 MB.
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
    ovs_be32 host_ip;           /* What it was told: where 'dst' is... */
    struct eth_addr host_mac;
    struct eth_addr mac;        /* ...and what it has. */
    long long int told;         /* When, in msec. */
};

struct told_paths_class {
    /* 'path' is new, or is not what it was but for its key: up to 'to_ip'. */
    void (*changed)(const struct told_path *path, void *aux);
    void (*forgotten)(const struct told_path *path, void *aux);
};

/* 'class' may be null. */
struct told_paths *told_paths_create(const struct told_paths_class *class,
                                     void *aux);
/* Does not call 'forgotten'. */
void told_paths_destroy(struct told_paths *);

void told_paths_add(struct told_paths *, const struct told_path *);

/* Adds 'n' of 'paths', which are sorted for that, without calling the
 * class. */
void told_paths_restore(struct told_paths *, struct told_path *paths,
                        size_t n);

/* False if the host has forgotten it by 'now', or does not ask the gateway any
 * more as hosts should. */
bool told_path_may_be_used(const struct told_path *, long long int now);

/* Calls 'cb' for each flow to endpoint 'dst' of 'vni', which forgets it, or if
 * it returns true keeps it, with another time.  Returns how many there
 * were. */
size_t told_paths_take(struct told_paths *, uint32_t vni, ovs_be32 dst,
                       bool (*cb)(struct told_path *, void *aux), void *aux);

/* Likewise for all flows. */
void told_paths_take_all(struct told_paths *,
                         bool (*cb)(struct told_path *, void *aux), void *aux);

size_t told_paths_count(const struct told_paths *);

#endif /* feedback/told-paths.h */
