/* SPDX-License-Identifier: Apache-2.0
 *
 * zeta-gateway: what plugin "zeta-gateway" and those who ask gateways for a
 * sign of life have in common. */

#ifndef TRANSLATE_ZETA_GATEWAY_H
#define TRANSLATE_ZETA_GATEWAY_H 1

/* Signs of life
 * =============
 *
 * What?
 * -----
 *
 * The one thing that a deployed gateway answers is an ARP request in the
 * tunnel, for an endpoint that it knows.  This host asks in the name of a
 * station of its own: zeta_probe_mac(), and an address of 169.254.0.0/16 whose
 * last half is the number of the question.  What comes back for that MAC is
 * punted (PUNT_PROBE), and the plugin's packet handler makes a sign of life of
 * it, for the main thread (feedback/liveness.h).
 *
 * Direct paths: zeta-path.c.
 *
 * Thread-safety: no shared state. */

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include "openvswitch/types.h"
#include "store/volatile-store.h"

struct goal_gateway;
struct goal_view;
struct packet_event;
struct packet_order;
struct plugin;
struct plugin_output;

/* In an event's data, between handler and main thread of one process. */
struct zeta_sign {
    ovs_be32 entrance;          /* Who has answered. */
    uint16_t number;            /* What the question was numbered. */
    uint32_t vni;
};

/* The MAC that a host with this address asks as. */
struct eth_addr zeta_probe_mac(const struct in6_addr *host_ip);

/* What stays the same of a gateway whose state comes again: as a rule its id,
 * but an ARION gateway, which gets another one with every publication, is the
 * subnet's.  zeta_gateway_name() is to be freed; zeta_gateway_hash() is its
 * hash. */
char *zeta_gateway_name(const struct goal_gateway *);
uint32_t zeta_gateway_hash(const struct goal_gateway *);

/* A question to an entrance: who has the address 'target' in 'vni'? */
struct zeta_probe {
    struct eth_addr mac;        /* zeta_probe_mac(). */
    uint32_t vni;
    ovs_be32 entrance;
    ovs_be32 target;
    uint16_t number;
};
struct packet_order *zeta_probe_compose(const struct zeta_probe *);

/* Stores the sign of life of 'event' in '*sign' and returns true, or returns
 * false if it is none. */
bool zeta_sign_from_event(const struct packet_event *, struct zeta_sign *);

/* The plugin's translate_record. */
void zeta_translate_path(struct plugin *, struct goal_view *, enum vol_kind,
                         const char *id, const void *record,
                         struct plugin_output *);

#endif /* translate/zeta-gateway.h */
