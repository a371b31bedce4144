/* SPDX-License-Identifier: Apache-2.0
 *
 * gateway-map: which gateways serve this host's ports, and what they may say.
 */

#ifndef TRANSLATE_GATEWAY_MAP_H
#define TRANSLATE_GATEWAY_MAP_H 1

/* Gateway map
 * ===========
 *
 * What?
 * -----
 *
 * What has to be looked up for every OAM packet, tens of thousands of them a
 * second, put together in memory from the stores: networks (subnets of VPCs
 * that have ports here) by VNI and destination, each with the gateway that
 * serves it; entrances; local ports by network and address.  It is made anew,
 * whole, when what it was made of has changed: at once, unless the last time
 * took long.  Making it is to take no more than 1/GATEWAY_MAP_SHARE of the
 * time; it does not wait for longer than GATEWAY_MAP_MSEC.
 *
 * It is not the last word: what is not so any more, translation finds out
 * (zeta-gateway.c); and what it does not know is to be asked again as long as
 * it is stale.
 *
 * Thread-safety: main thread only. */

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "openvswitch/types.h"
#include "translate/egress-policy.h"

struct gateway_map;
struct goal_store;
struct vol_store;

#define GATEWAY_MAP_MSEC 100
#define GATEWAY_MAP_SHARE 20

/* Where gateways send OAM packets unless they say something else. */
#define GATEWAY_MAP_OAM_PORT 8300

/* An entrance of a gateway. */
struct gm_entrance {
    ovs_be32 ip;
    struct eth_addr mac;
};

/* A gateway in use. */
struct gm_gateway {
    char *id;
    uint32_t hash;              /* zeta_gateway_hash(). */
    uint16_t oam_port;
    struct gm_entrance *entrances;
    size_t n_entrances;
};

/* A local port, bound to an Interface, with one of its addresses. */
struct gm_port {
    uint64_t hash;              /* Of its id. */
    char *id;
    bool by_connection;         /* It has security groups. */
};

struct gateway_map *gateway_map_create(struct goal_store *,
                                       struct vol_store *);
void gateway_map_destroy(struct gateway_map *);

/* Something in the stores has changed. */
void gateway_map_invalidate(struct gateway_map *);

bool gateway_map_is_stale(const struct gateway_map *);

/* Makes the map anew if that is due.  Returns true if it did. */
bool gateway_map_run(struct gateway_map *, long long int now);
void gateway_map_wait(const struct gateway_map *);

/* What is returned is valid until the next gateway_map_run(). */

/* True if a network here has this VNI. */
bool gateway_map_has_vni(const struct gateway_map *, uint32_t vni);

/* The gateway that serves 'dst' in 'vni', or null. */
const struct gm_gateway *gateway_map_serving(const struct gateway_map *,
                                             uint32_t vni, ovs_be32 dst);

/* The local port that may send from 'src' to 'vni', or null. */
const struct gm_port *gateway_map_port(const struct gateway_map *,
                                       uint32_t vni, ovs_be32 src);

/* The local port whose id has this hash, or null. */
const struct gm_port *gateway_map_find_port(const struct gateway_map *,
                                            uint64_t hash);

bool gm_gateway_has_entrance(const struct gm_gateway *, ovs_be32 ip);

/* Would the port's groups let the flow go out?  Looks at the stores. */
bool gateway_map_allows(struct gateway_map *, const struct gm_port *,
                        const struct egress_flow *);

/* All gateways in use. */
const struct gm_gateway *gateway_map_gateways(const struct gateway_map *,
                                              size_t *n);
const struct gm_gateway *gateway_map_find(const struct gateway_map *,
                                          uint32_t hash);

/* Something that the gateway with entrance 'ip' should know: an endpoint of
 * this host, the 'i'th, modulo their number.  Returns false if there is
 * none. */
bool gateway_map_endpoint(const struct gateway_map *, ovs_be32 ip, size_t i,
                          uint32_t *vni, ovs_be32 *endpoint);

#endif /* translate/gateway-map.h */
