/* SPDX-License-Identifier: Apache-2.0
 *
 * agent-gateway-private: what agent-gateway*.c share. */

#ifndef AGENT_GATEWAY_PRIVATE_H
#define AGENT_GATEWAY_PRIVATE_H 1

/* Essay: agent-gateway.h.  Thread-safety: main thread only. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "openvswitch/types.h"
#include "sset.h"

/* An entrance as goal state has it. */
struct gateway_entrance {
    ovs_be32 ip;
    struct eth_addr mac;
    char *gateway;              /* Id. */
    ovs_be16 oam_port;
    bool ours;
};

struct agent_gateway {
    /* All null if the node is no gateway at present... */
    struct bpf_gateway *bpf;
    struct gateway_device *device;
    struct gateway_cluster *cluster;
    struct gateway_endpoints *endpoints;
    struct told_paths *told;
    char *config;               /* ...else what they were made with. */
    char *device_name;
    char *error;                /* Why it is none although it should. */
    long long int retry_time;

    bool gateways_changed;      /* Gateways or settings. */
    bool entrances_changed;     /* Which there are, or are ours. */
    struct gateway_entrance *entrances; /* Of all gateways. */
    size_t n_entrances;
    struct sset served;         /* Ids of gateways. */

    int announcements;          /* Still to be made. */
    long long int announce_time;
    unsigned long long int n_injected; /* OAM packets sent, by kind. */
    unsigned long long int n_deleted;
};

#endif /* agent-gateway-private.h */
