/* SPDX-License-Identifier: Apache-2.0
 *
 * bpf-gateway-table: writes the endpoints that a gateway's program knows. */

#ifndef APPLY_BPF_GATEWAY_TABLE_H
#define APPLY_BPF_GATEWAY_TABLE_H 1

/* What?
 * -----
 *
 * The layout and its why are in bpf/fast-path-gateway.h.  This module is its
 * only writer.  Endpoints and hosts are written through memory that is shared
 * with the program, some hundred nanoseconds each; only the spill, for some in
 * a thousand, costs system calls.
 *
 * A change of an endpoint is one: the program sees what was before or what is
 * after.  Changing a host's MAC is not: for an instant a packet may go to a
 * mixture of both, i.e. be lost.
 *
 * The maps outlive the agent.  After a restart gateway_table_create() finds in
 * them what is there; the agent sets what should be there, and removes with
 * gateway_table_for_each() what should not.
 *
 * Errors: EINVAL for maps that do not fit, ENOSPC when hosts or the spill are
 * full, else what the kernel says.
 *
 * Ownership: keeps no file descriptors of the caller's.  A table of a million
 * endpoints takes 64 MB in the kernel, and here next to nothing.
 *
 * Thread-safety: one thread at a time. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "openvswitch/types.h"

struct gateway_table;

/* The maps of a gateway's program. */
struct gateway_table_maps {
    int endpoints_fd;
    int spill_fd;
    int hosts_fd;
    uint32_t n_buckets;
    uint64_t seed;
};

struct gateway_endpoint {
    uint32_t vni;
    ovs_be32 ip;
    struct eth_addr mac;
    ovs_be32 host_ip;
    struct eth_addr host_mac;
    uint16_t vpc;               /* Index of the VPC's counters. */
};

struct gateway_table_stats {
    size_t n_endpoints;
    size_t n_partner;           /* Of these, in the bucket's partner. */
    size_t n_spill;             /* Of these, in the spill. */
    size_t n_hosts;
};

int gateway_table_create(const struct gateway_table_maps *, bool is_new,
                         struct gateway_table **);
void gateway_table_destroy(struct gateway_table *);

/* Adds an endpoint, or changes what is there. */
int gateway_table_set(struct gateway_table *, const struct gateway_endpoint *);

/* Returns ENOENT if there is none. */
int gateway_table_remove(struct gateway_table *, uint32_t vni, ovs_be32 ip);

/* False if there is none. */
bool gateway_table_get(const struct gateway_table *, uint32_t vni, ovs_be32 ip,
                       struct gateway_endpoint *);

/* Calls 'cb' for each endpoint; it must not change the table. */
void gateway_table_for_each(const struct gateway_table *,
                            void (*cb)(const struct gateway_endpoint *,
                                       void *aux), void *aux);

void gateway_table_get_stats(const struct gateway_table *,
                             struct gateway_table_stats *);

#endif /* apply/bpf-gateway-table.h */
