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

struct bpf_notes;
struct fp_gw_oam;
struct gateway_endpoints_class;

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
    struct bpf_notes *notes;    /* Null as well if there can be none. */
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
    long long int announce_time; /* Of the next. */
    long long int announced;    /* When the last were made. */
    unsigned long long int n_injected; /* OAM packets sent, by kind. */
    unsigned long long int n_deleted;
};

/* agent-gateway.c.  Null if there is none. */
struct gateway_entrance *agent_gateway_find_entrance(struct agent_gateway *,
                                                     ovs_be32 ip);

/* agent-gateway-told.c. */
void agent_gateway_told_open(struct agent_gateway *);
void agent_gateway_told_close(struct agent_gateway *);
/* Tells hosts of what is not where they were told, as far as entrances are
 * ours: after these have changed. */
void agent_gateway_told_review(struct agent_gateway *);
/* Tells a host what the program wants it to know. */
void agent_gateway_tell(const struct fp_gw_oam *, void *gw);
extern const struct gateway_endpoints_class agent_gateway_endpoints_class;

#endif /* agent-gateway-private.h */
