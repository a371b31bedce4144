/* SPDX-License-Identifier: Apache-2.0
 *
 * agent-gateway-claims: who claims which address, and who has it. */

#include <config.h>

#include "agent-gateway-claims.h"

#include <stdlib.h>
#include <string.h>
#include "apply/bpf-gateway-table.h"
#include "apply/bpf-gateway.h"
#include "bitmap.h"
#include "hash.h"
#include "limit.h"
#include "openvswitch/hmap.h"
#include "openvswitch/shash.h"
#include "openvswitch/vlog.h"
#include "packets.h"
#include "simap.h"
#include "smap.h"
#include "sset.h"
#include "store/goal-fit.h"
#include "store/goal-store.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(agent_gateway_claims);

/* Addresses of one port or neighbour that are served. */
#define MAX_ADDRESSES 1024

/* Subnets remembered; it starts anew when there are more. */
#define MAX_SUBNETS 65536
LIMIT_DEFINE(claimed_addresses, MAX_ADDRESSES, LIMIT_FIXED, LIMIT_REFUSED)
LIMIT_DEFINE(claimed_subnets, MAX_SUBNETS, LIMIT_FIXED, LIMIT_REFUSED)

/* A port or neighbour says that it has an address. */
struct claim {
    struct hmap_node addr_node; /* In 'by_addr'. */
    struct hmap_node sid_node;  /* In 'by_sid'. */
    uint64_t sid;
    unsigned int vni : 24;
    unsigned int allowed : 1;   /* An allowed address, not a fixed one. */
    ovs_be32 ip;
};

/* What a resource says of one address. */
struct candidate {
    struct gateway_endpoint endpoint;
    bool allowed;
};

/* What endpoints need to know of their subnet. */
struct subnet_info {
    bool served;
    uint32_t vni;
    uint16_t vpc;               /* Index of its counters. */
    struct goal_prefix cidr;
};

struct gateway_claims {
    struct goal_store *store;
    struct gateway_table *table;
    const struct gateway_endpoints_class *class;
    void *aux;

    struct hmap by_addr;        /* Contains "struct claim"s. */
    struct hmap by_sid;         /* Same. */
    struct shash subnets;       /* Id -> "struct subnet_info". */
    struct simap vpcs;          /* Id -> index of its counters. */
    unsigned long *vpc_indexes; /* Bitmap of those in 'vpcs'. */
    struct sset served;         /* Ids of gateways. */
    struct smap arion;          /* Id of gateway -> id of its subnet. */

    struct candidate *candidates; /* Of the resource that is looked at. */
    size_t n_candidates, allocated_candidates;
    struct gateway_endpoints_stats stats;
};

struct gateway_claims *
gateway_claims_create(struct goal_store *store, struct gateway_table *table,
                      const struct gateway_endpoints_class *class, void *aux)
{
    struct gateway_claims *gc = xzalloc(sizeof *gc);

    gc->store = store;
    gc->table = table;
    gc->class = class;
    gc->aux = aux;
    hmap_init(&gc->by_addr);
    hmap_init(&gc->by_sid);
    shash_init(&gc->subnets);
    simap_init(&gc->vpcs);
    gc->vpc_indexes = bitmap_allocate(FP_GW_MAX_VPCS);
    sset_init(&gc->served);
    smap_init(&gc->arion);
    return gc;
}

void
gateway_claims_destroy(struct gateway_claims *gc)
{
    struct claim *claim;

    if (!gc) {
        return;
    }
    HMAP_FOR_EACH_SAFE (claim, addr_node, &gc->by_addr) {
        free(claim);
    }
    hmap_destroy(&gc->by_addr);
    hmap_destroy(&gc->by_sid);
    shash_destroy_free_data(&gc->subnets);
    simap_destroy(&gc->vpcs);
    bitmap_free(gc->vpc_indexes);
    sset_destroy(&gc->served);
    smap_destroy(&gc->arion);
    free(gc->candidates);
    free(gc);
}

void
gateway_claims_set_served(struct gateway_claims *gc,
                          const struct sset *gateways)
{
    sset_destroy(&gc->served);
    sset_clone(&gc->served, gateways);
    gateway_claims_forget_parents(gc);
}

void
gateway_claims_set_arion(struct gateway_claims *gc, const char *gateway,
                         const char *subnet)
{
    if (subnet) {
        smap_replace(&gc->arion, gateway, subnet);
    } else {
        smap_remove(&gc->arion, gateway);
    }
    gateway_claims_forget_parents(gc);
}

const char *
gateway_claims_get_arion(const struct gateway_claims *gc, const char *gateway)
{
    return smap_get(&gc->arion, gateway);
}

void
gateway_claims_forget_parents(struct gateway_claims *gc)
{
    shash_clear_free_data(&gc->subnets);
}

void
gateway_claims_get_stats(const struct gateway_claims *gc,
                         struct gateway_endpoints_stats *stats)
{
    *stats = gc->stats;
    stats->n_claims = hmap_count(&gc->by_addr);
    stats->n_subnets = shash_count(&gc->subnets);
}

/* Subnets. */

/* The index of a VPC's counters: a hash of its id, so that it is the same
 * after a restart unless two VPCs have the same. */
static uint16_t
vpc_index(struct gateway_claims *gc, const char *id)
{
    struct simap_node *node = simap_find(&gc->vpcs, id);
    uint16_t index = hash_string(id, 0);

    if (node) {
        return node->data;
    }
    for (int i = 0; i < FP_GW_MAX_VPCS
         && bitmap_is_set(gc->vpc_indexes, index); i++) {
        index++;
    }
    if (simap_count(&gc->vpcs) < FP_GW_MAX_VPCS) {
        bitmap_set1(gc->vpc_indexes, index);
        simap_put(&gc->vpcs, id, index);
    }
    return index;
}

static bool
is_served(const struct gateway_claims *gc, const struct goal_vpc *vpc,
          const char *subnet_id)
{
    const struct smap_node *node;

    for (size_t i = 0; vpc && i < vpc->gateway_ids.n; i++) {
        if (sset_contains(&gc->served, vpc->gateway_ids.names[i])) {
            return true;
        }
    }
    SMAP_FOR_EACH (node, &gc->arion) {
        if (!strcmp(node->value, subnet_id)
            && sset_contains(&gc->served, node->key)) {
            return true;
        }
    }
    return false;
}

static const struct subnet_info *
get_subnet(struct gateway_claims *gc, const char *id)
{
    struct subnet_info *info = shash_find_data(&gc->subnets, id);
    struct goal_resource *r, *parent;

    if (info) {
        return info;
    }
    info = xzalloc(sizeof *info);
    shash_add(&gc->subnets, id, info);
    r = goal_store_get(gc->store, GOAL_SUBNET, id);
    if (r) {
        const struct goal_subnet *subnet = GOAL_SUBNET_CAST(r);

        parent = goal_store_get(gc->store, GOAL_VPC, subnet->vpc_id);
        if (parent && subnet->network_type == GOAL_NET_VXLAN) {
            const struct goal_vpc *vpc = GOAL_VPC_CAST(parent);

            info->vni = goal_effective_vni(vpc, subnet);
            info->served = info->vni && is_served(gc, vpc, id);
            info->cidr = subnet->cidr;
            info->vpc = info->served ? vpc_index(gc, vpc->up.id) : 0;
        }
        goal_resource_destroy(parent);
    }
    goal_resource_destroy(r);
    return info;
}

/* Candidates. */

static const struct candidate *
find_candidate(const struct gateway_claims *gc, uint32_t vni, ovs_be32 ip)
{
    for (size_t i = 0; i < gc->n_candidates; i++) {
        const struct candidate *c = &gc->candidates[i];

        if (c->endpoint.vni == vni && c->endpoint.ip == ip) {
            return c;
        }
    }
    return NULL;
}

static void
add_candidate(struct gateway_claims *gc, const struct subnet_info *subnet,
              const struct in6_addr *ip, const struct gateway_endpoint *base,
              bool allowed)
{
    ovs_be32 ip4 = in6_addr_get_mapped_ipv4(ip);

    if (!subnet || !subnet->served || !ip4) {
        return;
    }
    if (find_candidate(gc, subnet->vni, ip4)) {
        return;
    } else if (limit_reached(&limit_claimed_addresses, gc->n_candidates)) {
        gc->stats.n_too_many++;
        return;
    }
    if (gc->n_candidates >= gc->allocated_candidates) {
        gc->candidates = x2nrealloc(gc->candidates, &gc->allocated_candidates,
                                    sizeof *gc->candidates);
    }
    struct candidate *c = &gc->candidates[gc->n_candidates++];

    c->endpoint = *base;
    c->endpoint.vni = subnet->vni;
    c->endpoint.ip = ip4;
    c->endpoint.vpc = subnet->vpc;
    c->allowed = allowed;
}

/* Allowed addresses belong to the subnet that they are in, or to the first. */
static void
add_allowed(struct gateway_claims *gc, const struct goal_address_pair *pair,
            const struct subnet_info **subnets, size_t n_subnets,
            const struct gateway_endpoint *base)
{
    struct gateway_endpoint endpoint = *base;
    const struct subnet_info *subnet = n_subnets ? subnets[0] : NULL;

    if (!pair->ip.given || pair->ip.plen != 32) {
        return;
    }
    for (size_t i = 0; i < n_subnets; i++) {
        if (goal_prefix_has(&subnets[i]->cidr, &pair->ip.addr)) {
            subnet = subnets[i];
            break;
        }
    }
    if (!eth_addr_is_zero(pair->mac)) {
        endpoint.mac = pair->mac;
    }
    add_candidate(gc, subnet, &pair->ip.addr, &endpoint, true);
}

/* At most so many subnets of a port or neighbour are considered for its
 * allowed addresses. */
#define MAX_OWN_SUBNETS 16

/* The fixed addresses of a port or a neighbour, which are two kinds of
 * struct. */
static size_t
get_fixed(const struct goal_resource *r, size_t i, const char **subnet_id,
          struct in6_addr *ip)
{
    if (r->kind == GOAL_PORT) {
        const struct goal_port *port = GOAL_PORT_CAST(r);

        if (i < port->n_fixed_ips) {
            *subnet_id = port->fixed_ips[i].subnet_id;
            *ip = port->fixed_ips[i].ip;
        }
        return port->n_fixed_ips;
    } else {
        const struct goal_neighbor *nbr = GOAL_NEIGHBOR_CAST(r);

        if (i < nbr->n_fixed_ips) {
            *subnet_id = nbr->fixed_ips[i].subnet_id;
            *ip = nbr->fixed_ips[i].ip;
        }
        return nbr->n_fixed_ips;
    }
}

/* Fills in what all addresses of 'r' share; false if they are nowhere. */
static bool
get_base(const struct goal_resource *r, struct gateway_endpoint *base,
         const struct goal_address_pair **allowed, size_t *n_allowed)
{
    const struct in6_addr *host_ip;

    memset(base, 0, sizeof *base);
    if (r->kind == GOAL_PORT) {
        const struct goal_port *port = GOAL_PORT_CAST(r);

        base->mac = port->mac;
        base->host_mac = port->host_mac;
        host_ip = &port->host_ip;
        *allowed = port->allowed;
        *n_allowed = port->n_allowed;
        if (!port->admin_state_up) {
            return false;
        }
    } else {
        const struct goal_neighbor *nbr = GOAL_NEIGHBOR_CAST(r);

        base->mac = nbr->mac;
        base->host_mac = nbr->host_mac;
        host_ip = &nbr->host_ip;
        *allowed = nbr->allowed;
        *n_allowed = nbr->n_allowed;
    }
    base->host_ip = in6_addr_get_mapped_ipv4(host_ip);
    return base->host_ip && !eth_addr_is_zero(base->host_mac);
}

/* Sets the candidates to what 'r', which may be null, says. */
static void
get_candidates(struct gateway_claims *gc, const struct goal_resource *r)
{
    const struct subnet_info *subnets[MAX_OWN_SUBNETS];
    const struct goal_address_pair *allowed;
    struct gateway_endpoint base;
    const char *subnet_id = "";
    size_t n_subnets = 0, n_allowed;
    struct in6_addr ip;

    gc->n_candidates = 0;
    if (!r) {
        return;
    } else if (!get_base(r, &base, &allowed, &n_allowed)) {
        gc->stats.n_without_host++;
        return;
    }
    for (size_t i = 0; i < get_fixed(r, i, &subnet_id, &ip); i++) {
        const struct subnet_info *subnet = get_subnet(gc, subnet_id);

        add_candidate(gc, subnet, &ip, &base, false);
        if (n_subnets < MAX_OWN_SUBNETS) {
            subnets[n_subnets++] = subnet;
        }
    }
    for (size_t i = 0; i < n_allowed; i++) {
        add_allowed(gc, &allowed[i], subnets, n_subnets, &base);
    }
}

/* Claims. */

static uint32_t
hash_addr(uint32_t vni, ovs_be32 ip)
{
    return hash_2words(vni, (OVS_FORCE uint32_t) ip);
}

static void
add_claim(struct gateway_claims *gc, uint64_t sid,
          const struct candidate *c)
{
    struct claim *claim = xmalloc(sizeof *claim);

    claim->sid = sid;
    claim->vni = c->endpoint.vni;
    claim->allowed = c->allowed;
    claim->ip = c->endpoint.ip;
    hmap_insert(&gc->by_addr, &claim->addr_node,
                hash_addr(claim->vni, claim->ip));
    hmap_insert(&gc->by_sid, &claim->sid_node, hash_uint64(sid));
}

static void
remove_claim(struct gateway_claims *gc, struct claim *claim)
{
    hmap_remove(&gc->by_addr, &claim->addr_node);
    hmap_remove(&gc->by_sid, &claim->sid_node);
    free(claim);
}

static struct claim *
find_claim(const struct gateway_claims *gc, uint64_t sid, uint32_t vni,
           ovs_be32 ip)
{
    struct claim *claim;

    HMAP_FOR_EACH_WITH_HASH (claim, sid_node, hash_uint64(sid), &gc->by_sid) {
        if (claim->sid == sid && claim->vni == vni && claim->ip == ip) {
            return claim;
        }
    }
    return NULL;
}

static struct goal_resource *
get_by_sid(const struct gateway_claims *gc, uint64_t sid)
{
    struct goal_key key = { goal_store_sid_kind(sid), sid };

    return goal_store_get_key(gc->store, &key);
}

/* Does 'a' win over 'b'? */
static bool
beats(const struct gateway_claims *gc, const struct claim *a,
      const struct claim *b)
{
    bool a_port = goal_store_sid_kind(a->sid) == GOAL_PORT;
    bool b_port = goal_store_sid_kind(b->sid) == GOAL_PORT;
    struct goal_resource *x, *y;
    bool smaller;

    if (a->allowed != b->allowed || a_port != b_port) {
        return a->allowed != b->allowed ? b->allowed : a_port;
    } else if (a->allowed) {
        return a->sid < b->sid;         /* There may be many. */
    }
    x = get_by_sid(gc, a->sid);
    y = get_by_sid(gc, b->sid);
    smaller = x && (!y || strcmp(x->id, y->id) < 0);
    goal_resource_destroy(x);
    goal_resource_destroy(y);
    return smaller;
}

static const struct claim *
find_winner(const struct gateway_claims *gc, uint32_t vni, ovs_be32 ip)
{
    const struct claim *winner = NULL, *claim;

    HMAP_FOR_EACH_WITH_HASH (claim, addr_node, hash_addr(vni, ip),
                             &gc->by_addr) {
        if (claim->vni == vni && claim->ip == ip
            && (!winner || beats(gc, claim, winner))) {
            winner = claim;
        }
    }
    return winner;
}

/* The table. */

static void
write_endpoint(struct gateway_claims *gc, const struct gateway_endpoint *e)
{
    struct gateway_endpoint old;
    bool known = gateway_table_get(gc->table, e->vni, e->ip, &old);
    int error;

    if (known && old.host_ip == e->host_ip && old.vpc == e->vpc
        && eth_addr_equals(old.mac, e->mac)
        && eth_addr_equals(old.host_mac, e->host_mac)) {
        return;
    }
    error = gateway_table_set(gc->table, e);
    if (error) {
        static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(1, 1);

        VLOG_WARN_RL(&rl, "endpoint "IP_FMT" of VNI %"PRIu32": %s",
                     IP_ARGS(e->ip), e->vni, ovs_strerror(error));
        gc->stats.n_failed++;
    } else if (known && (old.host_ip != e->host_ip
                         || !eth_addr_equals(old.mac, e->mac))) {
        gc->class->moved(e->vni, e->ip, gc->aux);
    }
}

/* Makes the table true for an address.  The candidates are those of resource
 * 'sid', and stay so. */
static void
resolve(struct gateway_claims *gc, uint64_t sid, uint32_t vni, ovs_be32 ip)
{
    const struct claim *winner = find_winner(gc, vni, ip);
    uint64_t winner_sid = winner ? winner->sid : 0;
    const struct candidate *c = NULL;

    if (winner && winner_sid != sid) {
        struct goal_resource *r = get_by_sid(gc, winner_sid);
        struct candidate *saved = gc->candidates;
        size_t n = gc->n_candidates, allocated = gc->allocated_candidates;

        gc->candidates = NULL;
        gc->allocated_candidates = 0;
        get_candidates(gc, r);
        c = find_candidate(gc, vni, ip);
        if (c) {
            write_endpoint(gc, &c->endpoint);
        }
        goal_resource_destroy(r);
        free(gc->candidates);
        gc->candidates = saved;
        gc->n_candidates = n;
        gc->allocated_candidates = allocated;
    } else if (winner) {
        c = find_candidate(gc, vni, ip);
        write_endpoint(gc, &c->endpoint);
    }
    if (!c && !gateway_table_remove(gc->table, vni, ip)) {
        gc->class->moved(vni, ip, gc->aux);
    }
}

/* A claim of resource 'sid' that is none of the candidates. */
static struct claim *
find_stale(const struct gateway_claims *gc, uint64_t sid)
{
    struct claim *claim;

    HMAP_FOR_EACH_WITH_HASH (claim, sid_node, hash_uint64(sid), &gc->by_sid) {
        if (claim->sid == sid && !find_candidate(gc, claim->vni, claim->ip)) {
            return claim;
        }
    }
    return NULL;
}

/* Looks at a port or neighbour. */
void
gateway_claims_update(struct gateway_claims *gc, const struct goal_key *key)
{
    struct goal_resource *r = goal_store_get_key(gc->store, key);
    struct claim *claim;

    if (limit_reached(&limit_claimed_subnets, shash_count(&gc->subnets))) {
        shash_clear_free_data(&gc->subnets);
    }
    get_candidates(gc, r);
    goal_resource_destroy(r);
    for (size_t i = 0; i < gc->n_candidates; i++) {
        const struct candidate *c = &gc->candidates[i];

        claim = find_claim(gc, key->sid, c->endpoint.vni, c->endpoint.ip);
        if (!claim) {
            add_claim(gc, key->sid, c);
        } else {
            claim->allowed = c->allowed;
        }
        resolve(gc, key->sid, c->endpoint.vni, c->endpoint.ip);
    }
    while ((claim = find_stale(gc, key->sid)) != NULL) {
        uint32_t vni = claim->vni;
        ovs_be32 ip = claim->ip;

        remove_claim(gc, claim);
        resolve(gc, key->sid, vni, ip);
    }
}

struct sweep {
    const struct gateway_claims *gc;
    struct claim *stale;        /* Only 'vni' and 'ip'. */
    size_t n, allocated;
};

static void
collect_stale(const struct gateway_endpoint *e, void *sweep_)
{
    struct sweep *sweep = sweep_;

    if (!find_winner(sweep->gc, e->vni, e->ip)) {
        if (sweep->n >= sweep->allocated) {
            sweep->stale = x2nrealloc(sweep->stale, &sweep->allocated,
                                      sizeof *sweep->stale);
        }
        sweep->stale[sweep->n].vni = e->vni;
        sweep->stale[sweep->n++].ip = e->ip;
    }
}

/* Removes what an agent before us has left in the table. */
void
gateway_claims_sweep(struct gateway_claims *gc)
{
    struct sweep sweep = { .gc = gc };

    gateway_table_for_each(gc->table, collect_stale, &sweep);
    for (size_t i = 0; i < sweep.n; i++) {
        gateway_table_remove(gc->table, sweep.stale[i].vni,
                             sweep.stale[i].ip);
    }
    VLOG_INFO("%"PRIuSIZE" endpoints, %"PRIuSIZE" that were left removed",
              hmap_count(&gc->by_addr), sweep.n);
    free(sweep.stale);
}

struct gateway_vpc *
gateway_claims_list_vpcs(const struct gateway_claims *gc, size_t *n)
{
    const struct simap_node **nodes = simap_sort(&gc->vpcs);
    struct gateway_vpc *vpcs;

    *n = simap_count(&gc->vpcs);
    vpcs = xcalloc(MAX(*n, 1), sizeof *vpcs);
    for (size_t i = 0; i < *n; i++) {
        vpcs[i].id = nodes[i]->name;
        vpcs[i].index = nodes[i]->data;
    }
    free(nodes);
    return vpcs;
}
