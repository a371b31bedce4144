/* SPDX-License-Identifier: Apache-2.0
 *
 * agent-gateway-endpoints: which endpoints a gateway knows. */

#ifndef AGENT_GATEWAY_ENDPOINTS_H
#define AGENT_GATEWAY_ENDPOINTS_H 1

/* Endpoints of a gateway
 * ======================
 *
 * What?
 * -----
 *
 * A gateway forwards to the endpoints of the VPCs whose gateway_ids name its
 * cluster, and to those of the subnets that an ARION gateway of its names.  An
 * endpoint is an IPv4 address, fixed or allowed, of a port or a neighbour that
 * says which host it is on, in a subnet of type VXLAN.  This module reads them
 * from the store, follows its changes, and writes them to the gateway's table
 * (apply/bpf-gateway-table.h).
 *
 * It does so past the desired state, which would hold a million endpoints a
 * second time: what it keeps for each, to find who else claims an address when
 * one goes, is 64 bytes.
 *
 * Several claim one address: a fixed address wins over an allowed one, then a
 * port over a neighbour, then the smaller id; of those that are allowed an
 * address, who was heard of first.
 *
 * What depends on what
 * --------------------
 *
 *    endpoint -> its subnet -> VPC -> gateways; subnet -> ARION gateways
 *
 * A change of a port or neighbour costs itself; a change further up has the
 * children of it looked at again, a slice at a time.
 *
 * Usage
 * -----
 *
 * gateway_endpoints_set_served() says which gateways are ours, and again
 * whenever that may have changed; gateway_endpoints_changes() passes on what
 * the store says; gateway_endpoints_run() works for so long.  From
 * gateway_endpoints_is_complete() on, the table has what it should, and
 * nothing else; gateway_endpoints_is_settled() says that all changes that
 * were passed on are in effect.
 *
 * Ownership: keeps pointers to the store and the table, both the caller's.
 *
 * Thread-safety: main thread only. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "openvswitch/types.h"

struct gateway_endpoints;
struct gateway_table;
struct goal_changes;
struct goal_store;
struct sset;

struct gateway_endpoints_class {
    /* Endpoint 'ip' of 'vni' has moved to another host or has gone. */
    void (*moved)(uint32_t vni, ovs_be32 ip, void *aux);
};

struct gateway_endpoints_stats {
    size_t n_claims;            /* Addresses of ports and neighbours. */
    size_t n_without_host;      /* Skipped so far, as it is not said where
                                 * they are. */
    size_t n_too_many;          /* Addresses left out so far, of those that
                                 * have more than 1,024. */
    size_t n_failed;            /* Not in the table: it is full. */
    size_t n_waiting;           /* Changes and scans. */
    size_t n_subnets;           /* Remembered. */
};

/* The counters of one VPC. */
struct gateway_vpc {
    const char *id;
    uint16_t index;
};

struct gateway_endpoints *gateway_endpoints_create(
    struct goal_store *, struct gateway_table *,
    const struct gateway_endpoints_class *, void *aux);
void gateway_endpoints_destroy(struct gateway_endpoints *);

/* Ids of the gateways, stored or not, that this node serves. */
void gateway_endpoints_set_served(struct gateway_endpoints *,
                                  const struct sset *gateways);
void gateway_endpoints_changes(struct gateway_endpoints *,
                               const struct goal_changes *);
void gateway_endpoints_run(struct gateway_endpoints *, unsigned int msec);
void gateway_endpoints_wait(const struct gateway_endpoints *);
bool gateway_endpoints_is_complete(const struct gateway_endpoints *);
bool gateway_endpoints_is_settled(const struct gateway_endpoints *);

/* Adds the ids of the VPCs that are served to 'vpcs'. */
void gateway_endpoints_get_vpcs(const struct gateway_endpoints *,
                                struct sset *vpcs);

/* Those that have had endpoints, 'n' of them, sorted by id, which the caller
 * must free. */
struct gateway_vpc *gateway_endpoints_list_vpcs(
    const struct gateway_endpoints *, size_t *n);
void gateway_endpoints_get_stats(const struct gateway_endpoints *,
                                 struct gateway_endpoints_stats *);

#endif /* agent-gateway-endpoints.h */
