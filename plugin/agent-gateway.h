/* SPDX-License-Identifier: Apache-2.0
 *
 * agent-gateway: the role "gateway": a forwarding node of a Zeta cluster. */

#ifndef AGENT_GATEWAY_H
#define AGENT_GATEWAY_H 1

/* The gateway role
 * ================
 *
 * What?
 * -----
 *
 * With alcor-role=gateway, an XDP program (apply/bpf-gateway.h) on the uplink
 * forwards what hosts send to this node's entrances, and tells them of direct
 * paths.  This module tells it what there is:
 *
 *    - Entrances: those of alcor-gateway-entrances, or the destination of a
 *      gateway resource that is this host's own address.
 *
 *    - The gateway resources that have such an entrance are its clusters, and
 *      the VPCs whose gateway_ids name one of these are served: for each
 *      address of their neighbours and ports there is an endpoint.
 *
 * Hosts that have been told of a path are remembered (GATEWAY_MAX_TOLD of the
 * latest), so that they are told when the endpoint moves or goes.
 *
 * The device's program is the gateway's, so there is no fast path on a host
 * that is a gateway.
 *
 * Thread-safety: main thread only. */

#include <stdbool.h>
#include <stdint.h>
#include "openvswitch/hmap.h"
#include "openvswitch/list.h"
#include "openvswitch/shash.h"
#include "openvswitch/types.h"

struct agent;
struct bpf_gateway;
struct goal_changes;
struct sset;

#define GATEWAY_MAX_TOLD 65536

struct gateway_entrance {
    ovs_be32 ip;
    struct eth_addr mac;
};

struct gateway_vpc {
    bool served;
    uint16_t index;             /* Of its counters. */
    uint16_t oam_port;
};

struct agent_gateway {
    struct bpf_gateway *bpf;    /* Null: off... */
    char *error;                /* ...because of this, if not null. */
    char *config;               /* Of 'bpf', as text. */
    char *device;
    int sock;                   /* Sends frames from 'device'. */

    struct gateway_entrance *entrances; /* This node's. */
    size_t n_entrances;
    struct shash clusters;      /* Gateways by id: OAM port as (void *). */
    struct shash vpcs;          /* Of "struct gateway_vpc"s, by id. */
    struct hmap members;        /* Contains "struct gateway_member"s. */
    bool stale;                 /* All of this has to be found out again. */

    struct hmap told;           /* Contains "struct gateway_told"s. */
    struct ovs_list told_order; /* Same, the oldest first. */
    uint64_t n_injected, n_deleted;
};

void agent_gateway_init(struct agent *);
void agent_gateway_destroy(struct agent *);
void agent_gateway_uninstall(struct agent *);
void agent_gateway_run(struct agent *);
void agent_gateway_wait(struct agent *);
void agent_gateway_changes(struct agent *, const struct goal_changes *);
void agent_gateway_add_topics(const struct agent *, struct sset *topics);

/* agent-gateway-show.c. */
void agent_gateway_show_init(struct agent *);

#endif /* agent-gateway.h */
