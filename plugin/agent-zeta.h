/* SPDX-License-Identifier: Apache-2.0
 *
 * agent-zeta: gateways: what they say, and whether they are alive. */

#ifndef AGENT_ZETA_H
#define AGENT_ZETA_H 1

/* What agent-zeta.c, agent-zeta-xsk.c and agent-zeta-commands.c share: the
 * agent's side of gateways.  Direct paths that gateways tell of become records
 * in the volatile store, and so do states of entrances.
 *
 * Thread-safety: main thread only. */

#include <stdbool.h>
#include <stdint.h>
#include "agent-private.h"
#include "feedback/oam.h"
#include "openvswitch/shash.h"
#include "openvswitch/token-bucket.h"

struct direct_path_hop;
struct direct_path_key;
struct direct_paths;
struct fast_path_sighting;
struct gateway_map;
struct liveness;
struct oam_sockets;
struct oam_xsk;
struct rejections;

/* OAM packets of one gateway, or of all, by what became of them. */
struct gateway_counts {
    uint64_t verdicts[OAM_N_VERDICTS];
};

/* Packets that may concern what the map does not have yet are judged again
 * when it has been made: so many, of which there is this. */
#define OAM_MAX_HELD 256

struct held_oam {
    ovs_be32 source;
    uint16_t port;
    uint16_t len;
    uint8_t data[OAM_INJECTION_LEN];
};

struct agent_zeta {
    struct gateway_map *map;    /* Null before PHASE_RUN. */
    struct oam_sockets *sockets;
    struct oam_xsk *xsk;        /* Null: no such program on the uplink... */
    uint32_t xsk_ifindex;       /* ...which is this; 0: it is not known. */
    uint64_t fast_path_seqno;   /* Of struct agent_fast_path, last seen. */
    bool sources_changed;       /* What the program has to know. */
    struct direct_paths *paths;
    struct rejections *rejections;
    struct liveness *liveness;
    struct token_bucket budget;
    struct gateway_counts all;
    struct shash counts;        /* Gateway's id -> struct gateway_counts. */
    struct held_oam held[OAM_MAX_HELD];
    size_t n_held;
    uint64_t n_ended;           /* Direct paths, by agent_zeta_end_paths(). */
    bool connected;             /* Questions can be sent. */
};

/* The direct path that what was sighted might take, and when it was told of.
 * Returns false if there is none. */
bool agent_zeta_find_path(const struct agent *,
                          const struct fast_path_sighting *,
                          struct direct_path_key *, struct direct_path_hop *,
                          long long int *told);

/* agent-zeta-xsk.c.  Follows the uplink's program, and the map. */
void agent_zeta_xsk_run(struct agent *);

/* agent-zeta-commands.c. */
void agent_zeta_commands_init(struct agent *);

#endif /* agent-zeta.h */
