/* SPDX-License-Identifier: Apache-2.0
 *
 * gateway-map: which gateways serve this host's ports, and what they may say.
 */

#include <config.h>

#include "translate/gateway-map.h"

#include <stdlib.h>
#include <string.h>
#include "coverage.h"
#include "hash.h"
#include "openvswitch/hmap.h"
#include "openvswitch/poll-loop.h"
#include "packets.h"
#include "sset.h"
#include "store/dep-key.h"
#include "store/goal-fit.h"
#include "store/goal-store.h"
#include "store/volatile-store.h"
#include "timeval.h"
#include "translate/dependency.h"
#include "translate/goal-view.h"
#include "translate/plugin-provider.h"
#include "translate/zeta-gateway.h"
#include "util.h"

COVERAGE_DEFINE(gateway_map_made);

/* Part of the ids of VPCs that are told apart by a hash. */
typedef uint32_t vpc_hash;

struct network {
    struct hmap_node hmap_node; /* In 'networks', by VNI. */
    uint32_t vni;
    vpc_hash vpc;
    struct goal_prefix cidr;
    size_t gateway;             /* Index in 'gateways', or SIZE_MAX. */
};

struct address {
    struct hmap_node hmap_node; /* In 'addresses', by VPC and address. */
    vpc_hash vpc;
    ovs_be32 ip;
    uint32_t vni;               /* Of the port's own subnet. */
    size_t port;                /* Index in 'ports'. */
};

/* An allowed pair that is more than one address. */
struct range {
    vpc_hash vpc;
    struct goal_prefix prefix;
    size_t port;
};

struct gateway_map {
    struct vol_store *vol;
    struct dep_graph graph;
    struct dep_reader reader;
    struct goal_view *view;
    bool stale;
    long long int due;          /* Not before. */

    struct hmap networks;       /* Contains "struct network"s. */
    struct hmap addresses;      /* Contains "struct address"es. */
    struct sset vpcs;           /* Ids of VPCs whose networks are in. */
    struct gm_gateway *gateways;
    size_t n_gateways, allocated_gateways;
    struct gm_port *ports;
    size_t n_ports, allocated_ports;
    struct range *ranges;
    size_t n_ranges, allocated_ranges;
};

struct gateway_map *
gateway_map_create(struct goal_store *store, struct vol_store *vol)
{
    struct gateway_map *map = xzalloc(sizeof *map);

    map->vol = vol;
    dep_graph_init(&map->graph);
    dep_reader_init(&map->reader);
    map->view = goal_view_create(store, vol, &map->graph);
    map->stale = true;
    hmap_init(&map->networks);
    hmap_init(&map->addresses);
    sset_init(&map->vpcs);
    return map;
}

static void
map_clear(struct gateway_map *map)
{
    struct network *network;
    struct address *address;

    HMAP_FOR_EACH_POP (network, hmap_node, &map->networks) {
        free(network);
    }
    HMAP_FOR_EACH_POP (address, hmap_node, &map->addresses) {
        free(address);
    }
    sset_clear(&map->vpcs);
    for (size_t i = 0; i < map->n_gateways; i++) {
        free(map->gateways[i].id);
        free(map->gateways[i].entrances);
    }
    for (size_t i = 0; i < map->n_ports; i++) {
        free(map->ports[i].id);
    }
    map->n_gateways = map->n_ports = map->n_ranges = 0;
}

void
gateway_map_destroy(struct gateway_map *map)
{
    if (map) {
        map_clear(map);
        hmap_destroy(&map->networks);
        hmap_destroy(&map->addresses);
        sset_destroy(&map->vpcs);
        free(map->gateways);
        free(map->ports);
        free(map->ranges);
        goal_view_destroy(map->view);
        dep_graph_destroy(&map->graph);
        free(map);
    }
}

void
gateway_map_invalidate(struct gateway_map *map)
{
    map->stale = true;
}

bool
gateway_map_is_stale(const struct gateway_map *map)
{
    return map->stale;
}

/* What is read is read as it is; nobody waits for its changes. */

static void
view_begin(struct gateway_map *map)
{
    goal_view_begin(map->view, &map->reader);
}

static void
view_end(struct gateway_map *map)
{
    goal_view_end(map->view);
    dep_forget(&map->graph, &map->reader);
}

/* Making. */

static size_t
add_gateway(struct gateway_map *map, const struct goal_gateway *gateway)
{
    size_t i;

    for (i = 0; i < map->n_gateways; i++) {
        if (!strcmp(map->gateways[i].id, gateway->up.id)) {
            return i;
        }
    }
    if (map->n_gateways >= map->allocated_gateways) {
        map->gateways = x2nrealloc(map->gateways, &map->allocated_gateways,
                                   sizeof *map->gateways);
    }

    struct gm_gateway *g = &map->gateways[map->n_gateways++];
    *g = (struct gm_gateway) {
        .id = xstrdup(gateway->up.id),
        .hash = zeta_gateway_hash(gateway),
        .oam_port = (gateway->oam_port ? gateway->oam_port
                     : GATEWAY_MAP_OAM_PORT),
        .entrances = xcalloc(gateway->n_destinations + 1,
                             sizeof *g->entrances),
    };
    for (size_t j = 0; j < gateway->n_destinations; j++) {
        const struct goal_gateway_destination *d = &gateway->destinations[j];

        if (IN6_IS_ADDR_V4MAPPED(&d->ip)) {
            g->entrances[g->n_entrances++] = (struct gm_entrance) {
                in6_addr_get_mapped_ipv4(&d->ip), d->mac,
            };
        }
    }
    return i;
}

struct subnet_walk {
    struct gateway_map *map;
    vpc_hash vpc;
};

static void
add_network(const struct goal_resource *r, void *walk_)
{
    const struct subnet_walk *walk = walk_;
    struct gateway_map *map = walk->map;
    struct goal_network net;
    char *error = NULL;

    if (goal_view_network(map->view, r->id, &net, &error) != PLUGIN_DONE) {
        free(error);
        return;
    }

    const struct goal_gateway *gateway = goal_view_gateway(map->view, &net);
    struct network *network = xmalloc(sizeof *network);
    *network = (struct network) {
        .vni = net.vni, .vpc = walk->vpc, .cidr = net.subnet->cidr,
        .gateway = gateway ? add_gateway(map, gateway) : SIZE_MAX,
    };
    hmap_insert(&map->networks, &network->hmap_node, hash_int(net.vni, 0));
}

static uint32_t
address_hash(vpc_hash vpc, ovs_be32 ip)
{
    return hash_2words(vpc, (OVS_FORCE uint32_t) ip);
}

static void
add_address(struct gateway_map *map, vpc_hash vpc, ovs_be32 ip, uint32_t vni)
{
    struct address *address = xmalloc(sizeof *address);

    *address = (struct address) {
        .vpc = vpc, .ip = ip, .vni = vni, .port = map->n_ports - 1,
    };
    hmap_insert(&map->addresses, &address->hmap_node, address_hash(vpc, ip));
}

static void
add_range(struct gateway_map *map, vpc_hash vpc,
          const struct goal_prefix *prefix)
{
    if (map->n_ranges >= map->allocated_ranges) {
        map->ranges = x2nrealloc(map->ranges, &map->allocated_ranges,
                                 sizeof *map->ranges);
    }
    map->ranges[map->n_ranges++] = (struct range) {
        vpc, *prefix, map->n_ports - 1,
    };
}

static void
add_addresses(struct gateway_map *map, const struct goal_port *port,
              vpc_hash vpc)
{
    for (size_t i = 0; i < port->n_fixed_ips; i++) {
        const struct goal_fixed_ip *fixed = &port->fixed_ips[i];
        struct goal_network net;
        char *error = NULL;

        if (IN6_IS_ADDR_V4MAPPED(&fixed->ip)
            && goal_view_network(map->view, fixed->subnet_id, &net,
                                 &error) == PLUGIN_DONE) {
            add_address(map, vpc, in6_addr_get_mapped_ipv4(&fixed->ip),
                        net.vni);
        }
        free(error);
    }
    for (size_t i = 0; i < port->n_allowed; i++) {
        const struct goal_prefix *prefix = &port->allowed[i].ip;

        if (IN6_IS_ADDR_V4MAPPED(&prefix->addr)) {
            if (prefix->plen == 32) {
                add_address(map, vpc, in6_addr_get_mapped_ipv4(&prefix->addr),
                            0);
            } else {
                add_range(map, vpc, prefix);
            }
        }
    }
}

static void
add_port(const char *id, const void *binding OVS_UNUSED, void *map_)
{
    struct gateway_map *map = map_;
    const struct goal_resource *r = goal_view_get(map->view, GOAL_PORT, id);

    if (!r || !GOAL_PORT_CAST(r)->admin_state_up) {
        return;
    }

    const struct goal_port *port = GOAL_PORT_CAST(r);
    vpc_hash vpc = hash_string(port->vpc_id, 0);
    struct subnet_walk walk = { map, vpc };

    if (map->n_ports >= map->allocated_ports) {
        map->ports = x2nrealloc(map->ports, &map->allocated_ports,
                                sizeof *map->ports);
    }
    map->ports[map->n_ports++] = (struct gm_port) {
        .hash = dep_key_string(GOAL_PORT, id), .id = xstrdup(id),
        .by_connection = port->security_groups.n > 0,
    };
    add_addresses(map, port, vpc);
    if (sset_add(&map->vpcs, port->vpc_id)) {
        goal_view_index(map->view, GOAL_SUBNETS_OF_VPC, port->vpc_id, NULL,
                        add_network, &walk);
    }
}

bool
gateway_map_run(struct gateway_map *map, long long int now)
{
    if (!map->stale || now < map->due) {
        return false;
    }

    long long int began = time_usec();

    COVERAGE_INC(gateway_map_made);
    map->stale = false;
    map_clear(map);
    goal_view_flush(map->view);
    view_begin(map);
    vol_for_each(map->vol, VOL_BINDING, add_port, map);
    view_end(map);
    map->due = now + MIN(GATEWAY_MAP_MSEC, ((time_usec() - began)
                                            * GATEWAY_MAP_SHARE / 1000));
    return true;
}

void
gateway_map_wait(const struct gateway_map *map)
{
    if (map->stale) {
        poll_timer_wait_until(map->due);
    }
}

/* Looking up. */

bool
gateway_map_has_vni(const struct gateway_map *map, uint32_t vni)
{
    const struct network *n;

    HMAP_FOR_EACH_WITH_HASH (n, hmap_node, hash_int(vni, 0), &map->networks) {
        if (n->vni == vni) {
            return true;
        }
    }
    return false;
}

const struct gm_gateway *
gateway_map_serving(const struct gateway_map *map, uint32_t vni, ovs_be32 dst)
{
    const struct network *n;
    struct in6_addr ip;

    in6_addr_set_mapped_ipv4(&ip, dst);
    HMAP_FOR_EACH_WITH_HASH (n, hmap_node, hash_int(vni, 0), &map->networks) {
        if (n->vni == vni && n->gateway != SIZE_MAX
            && goal_prefix_has(&n->cidr, &ip)) {
            return &map->gateways[n->gateway];
        }
    }
    return NULL;
}

/* What is routed is in the VNI of its destination: so the port need not be in
 * a network with 'vni', but in a VPC that has it. */
const struct gm_port *
gateway_map_port(const struct gateway_map *map, uint32_t vni, ovs_be32 src)
{
    const struct network *n;
    const struct address *a;
    struct in6_addr ip;

    in6_addr_set_mapped_ipv4(&ip, src);
    HMAP_FOR_EACH_WITH_HASH (n, hmap_node, hash_int(vni, 0), &map->networks) {
        if (n->vni != vni) {
            continue;
        }
        HMAP_FOR_EACH_WITH_HASH (a, hmap_node, address_hash(n->vpc, src),
                                 &map->addresses) {
            if (a->vpc == n->vpc && a->ip == src) {
                return &map->ports[a->port];
            }
        }
        for (size_t i = 0; i < map->n_ranges; i++) {
            if (map->ranges[i].vpc == n->vpc
                && goal_prefix_has(&map->ranges[i].prefix, &ip)) {
                return &map->ports[map->ranges[i].port];
            }
        }
    }
    return NULL;
}

bool
gm_gateway_has_entrance(const struct gm_gateway *gateway, ovs_be32 ip)
{
    for (size_t i = 0; i < gateway->n_entrances; i++) {
        if (gateway->entrances[i].ip == ip) {
            return true;
        }
    }
    return false;
}

const struct gm_port *
gateway_map_find_port(const struct gateway_map *map, uint64_t hash)
{
    for (size_t i = 0; i < map->n_ports; i++) {
        if (map->ports[i].hash == hash) {
            return &map->ports[i];
        }
    }
    return NULL;
}

bool
gateway_map_allows(struct gateway_map *map, const struct gm_port *port,
                   const struct egress_flow *flow)
{
    const struct goal_resource *r;
    bool allowed;

    if (!port->by_connection) {
        return true;
    }
    if (map->stale) {
        goal_view_flush(map->view);
    }
    view_begin(map);
    r = goal_view_get(map->view, GOAL_PORT, port->id);
    allowed = r && egress_policy_allows(map->view, GOAL_PORT_CAST(r), flow);
    view_end(map);
    return allowed;
}

const struct gm_gateway *
gateway_map_gateways(const struct gateway_map *map, size_t *n)
{
    *n = map->n_gateways;
    return map->gateways;
}

const struct gm_gateway *
gateway_map_find(const struct gateway_map *map, uint32_t hash)
{
    for (size_t i = 0; i < map->n_gateways; i++) {
        if (map->gateways[i].hash == hash) {
            return &map->gateways[i];
        }
    }
    return NULL;
}

/* True if a network with 'vni' is served by a gateway with entrance 'ip'. */
static bool
knows_vni(const struct gateway_map *map, uint32_t vni, ovs_be32 ip)
{
    const struct network *n;

    HMAP_FOR_EACH_WITH_HASH (n, hmap_node, hash_int(vni, 0), &map->networks) {
        if (n->vni == vni && n->gateway != SIZE_MAX
            && gm_gateway_has_entrance(&map->gateways[n->gateway], ip)) {
            return true;
        }
    }
    return false;
}

bool
gateway_map_endpoint(const struct gateway_map *map, ovs_be32 ip, size_t i,
                     uint32_t *vni, ovs_be32 *endpoint)
{
    const struct address *a;
    size_t n = 0;

    for (int pass = 0; pass < 2; pass++) {
        size_t k = 0;

        HMAP_FOR_EACH (a, hmap_node, &map->addresses) {
            if (a->vni && knows_vni(map, a->vni, ip)) {
                if (pass && k == i % n) {
                    *vni = a->vni;
                    *endpoint = a->ip;
                    return true;
                }
                k++;
            }
        }
        n = k;
        if (!n) {
            return false;
        }
    }
    return false;
}
