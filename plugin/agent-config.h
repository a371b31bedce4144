/* SPDX-License-Identifier: Apache-2.0
 *
 * agent-config: the agent's settings, from external_ids:alcor-*. */

#ifndef AGENT_CONFIG_H
#define AGENT_CONFIG_H 1

/* Configuration
 * =============
 *
 * The agent is configured by the Open_vSwitch row's external_ids, in keys that
 * start with "alcor-" (interfaces.md, section 2; alcor-agent(8)).  Changes
 * take effect without a restart.  A bad value is reported, by key, and the
 * last good one stays.
 *
 * agent_config_update() takes the present external_ids; 'errors' maps the keys
 * whose values are bad to messages that say what was found and what was
 * expected.
 *
 * Thread-safety: main thread only. */

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include "openvswitch/types.h"
#include "smap.h"
#include "sset.h"

enum neighbor_programming {
    PROGRAMMING_AUTO,           /* As 'lazy_threshold' says. */
    PROGRAMMING_EAGER,          /* All neighbours at once. */
    PROGRAMMING_LAZY,           /* Each one when it is needed. */
};

enum fast_path_mode {           /* As in apply/apply-bpf.h, but for... */
    FAST_PATH_AUTO,
    FAST_PATH_NATIVE,
    FAST_PATH_GENERIC,
    FAST_PATH_TC,
    FAST_PATH_INTERPOSE,
    FAST_PATH_OFF,              /* ...this. */
};

enum agent_role {               /* Bits. */
    ROLE_COMPUTE = 1 << 0,
    ROLE_GATEWAY = 1 << 1,
};

struct config_entrance {        /* At home on this gateway. */
    ovs_be32 ip;
    struct eth_addr mac;
};

struct agent_config {
    char *remote;               /* Null: not set. */
    char *control;              /* Null: not set. */
    char *node_id;              /* Null: not known. */
    char *host_ip;              /* Null: not set. */
    struct in6_addr host_addr;  /* Same, parsed. */
    char *bridge;
    char *datapath_type;        /* Null: not set. */
    char *curve_key;            /* File; null: not set. */
    char *curve_server_key;     /* File; null: not set. */
    char *plugins;              /* Null: all. */
    bool on_demand;
    enum neighbor_programming programming;
    uint32_t lazy_threshold;    /* Neighbours of a VPC. */
    bool encap_csum;
    bool encap_df;
    char *encap_tos;            /* "inherit" or a number. */
    char *bridge_mappings;      /* "NAME:BRIDGE,...", null if not set. */
    uint16_t encap_port;
    enum fast_path_mode fast_path;
    char *uplink;               /* Null: found by itself. */
    unsigned int role;          /* Bitmap of enum agent_role. */
    struct config_entrance *gateway_entrances; /* None: 'host_addr'. */
    size_t n_gateway_entrances;
    int probe_interval;         /* Of gateways' entrances, in ms. */
    char *limits;               /* "NAME=NUMBER,...", null: none. */
    struct smap errors;         /* Key -> message. */
    uint64_t errors_seqno;      /* Changes with them. */
    struct sset bad;            /* Keys whose present values are not used. */
    struct smap last;           /* The external_ids last seen... */
    bool loaded;                /* ...if they have been seen. */
};

void agent_config_init(struct agent_config *);
void agent_config_destroy(struct agent_config *);

/* Returns true if 'external_ids' have changed since the last call, or if this
 * is the first: then everything that depends on them has to be looked at
 * again. */
bool agent_config_update(struct agent_config *,
                         const struct smap *external_ids);

/* Reports that the value of 'key' turned out bad later on ('error' null: it
 * turned out good); it is of no interest while another one has been set that
 * is bad by itself.  Takes ownership of 'error'.  Returns true if that is
 * news. */
bool agent_config_set_error(struct agent_config *, const char *key,
                            char *error);
const char *agent_config_error_prefix(const char *key);

#endif /* agent-config.h */
