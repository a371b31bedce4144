/* SPDX-License-Identifier: Apache-2.0
 *
 * goal-view: the store as plugins see it, with recording of what is read. */

#include <config.h>

#include "translate/goal-view.h"

#include <stdlib.h>
#include <string.h>
#include "hash.h"
#include "store/dep-key.h"
#include "store/goal-fit.h"
#include "store/volatile-store.h"
#include "translate/dependency.h"
#include "translate/plugin-provider.h"
#include "util.h"

struct cached {
    struct hmap_node hmap_node; /* In struct goal_view's 'cache', by 'key'. */
    uint64_t key;               /* Dependency key. */
    struct goal_resource *resource;
};

struct goal_view {
    struct goal_store *store;
    struct vol_store *vol;
    struct dep_graph *graph;
    struct dep_reader *reader;  /* Null outside a translation. */
    struct hmap cache;          /* Contains "struct cached"s. */
    bool flush;                 /* Cache is full: empty it afterwards. */
    struct goal_resource **scratch; /* To be freed by goal_view_end(). */
    size_t n_scratch, allocated_scratch;
};

struct goal_view *
goal_view_create(struct goal_store *store, struct vol_store *vol,
                 struct dep_graph *graph)
{
    struct goal_view *view = xzalloc(sizeof *view);

    view->store = store;
    view->vol = vol;
    view->graph = graph;
    hmap_init(&view->cache);
    return view;
}

static void
cached_free(struct goal_view *view, struct cached *cached)
{
    hmap_remove(&view->cache, &cached->hmap_node);
    goal_resource_destroy(cached->resource);
    free(cached);
}

void
goal_view_flush(struct goal_view *view)
{
    struct cached *cached;

    HMAP_FOR_EACH_SAFE (cached, hmap_node, &view->cache) {
        cached_free(view, cached);
    }
}

void
goal_view_destroy(struct goal_view *view)
{
    if (view) {
        goal_view_flush(view);
        hmap_destroy(&view->cache);
        free(view->scratch);
        free(view);
    }
}

void
goal_view_begin(struct goal_view *view, struct dep_reader *reader)
{
    view->reader = reader;
}

void
goal_view_end(struct goal_view *view)
{
    for (size_t i = 0; i < view->n_scratch; i++) {
        goal_resource_destroy(view->scratch[i]);
    }
    view->n_scratch = 0;
    view->reader = NULL;
    if (view->flush) {
        view->flush = false;
        goal_view_flush(view);
    }
}

void
goal_view_invalidate(struct goal_view *view, uint64_t dep_key)
{
    struct cached *cached;

    HMAP_FOR_EACH_WITH_HASH (cached, hmap_node, hash_uint64(dep_key),
                             &view->cache) {
        if (cached->key == dep_key) {
            cached_free(view, cached);
            return;
        }
    }
}

/* Keeps 'resource', which may be null, until the end of the translation. */
static const struct goal_resource *
keep(struct goal_view *view, struct goal_resource *resource)
{
    if (resource) {
        if (view->n_scratch >= view->allocated_scratch) {
            view->scratch = x2nrealloc(view->scratch,
                                       &view->allocated_scratch,
                                       sizeof *view->scratch);
        }
        view->scratch[view->n_scratch++] = resource;
    }
    return resource;
}

const struct goal_resource *
goal_view_get(struct goal_view *view, enum goal_kind kind, const char *id)
{
    uint64_t key = dep_key_string(kind, id);
    struct cached *cached;

    dep_record(view->graph, view->reader, key);
    HMAP_FOR_EACH_WITH_HASH (cached, hmap_node, hash_uint64(key),
                             &view->cache) {
        if (cached->key == key) {
            break;
        }
    }
    if (cached && cached->resource->kind == kind
        && !strcmp(cached->resource->id, id)) {
        return cached->resource;
    }

    /* At most one resource is cached for a key, so that invalidating is
     * simple; a second one with the same key is read every time. */
    struct goal_resource *resource = goal_store_get(view->store, kind, id);
    if (!resource || kind == GOAL_NEIGHBOR || cached) {
        return keep(view, resource);
    }
    if (hmap_count(&view->cache) >= GOAL_VIEW_CACHE) {
        view->flush = true;
        return keep(view, resource);
    }
    cached = xmalloc(sizeof *cached);
    cached->key = key;
    cached->resource = resource;
    hmap_insert(&view->cache, &cached->hmap_node, hash_uint64(key));
    return resource;
}

const void *
goal_view_volatile(struct goal_view *view, enum vol_kind kind,
                   const char *id)
{
    dep_record(view->graph, view->reader, vol_dep_key(kind, id));
    return vol_get(view->vol, kind, id);
}

struct index_walk {
    struct goal_key *keys;
    size_t n, allocated;
};

static bool
add_key(const struct goal_key *key, void *walk_)
{
    struct index_walk *walk = walk_;

    if (walk->n >= walk->allocated) {
        walk->keys = x2nrealloc(walk->keys, &walk->allocated,
                                sizeof *walk->keys);
    }
    walk->keys[walk->n++] = *key;
    return true;
}

void
goal_view_index(struct goal_view *view, enum goal_index index,
                const char *parent, const struct in6_addr *address,
                void (*cb)(const struct goal_resource *, void *aux),
                void *aux)
{
    struct index_walk walk = { NULL, 0, 0 };

    dep_record(view->graph, view->reader,
               goal_index_dep_key(index, parent, address));
    goal_store_index(view->store, index, parent, address, add_key, &walk);
    for (size_t i = 0; i < walk.n; i++) {
        struct goal_resource *resource = goal_store_get_key(view->store,
                                                            &walk.keys[i]);
        if (resource) {
            dep_record(view->graph, view->reader,
                       dep_key_string(resource->kind, resource->id));
            cb(resource, aux);
            goal_resource_destroy(resource);
        }
    }
    free(walk.keys);
}

size_t
goal_view_count(struct goal_view *view, enum goal_index index,
                const char *parent, enum goal_kind kind)
{
    dep_record(view->graph, view->reader,
               goal_index_dep_key(index, parent, NULL));
    return goal_store_count_index(view->store, index, parent, kind);
}

const struct in6_addr *
goal_view_host_ip(const struct goal_view *view)
{
    const struct vol_host *host = vol_get(view->vol, VOL_HOST, "");

    return host ? &host->ip : &in6addr_any;
}

static bool
is_usable_gateway(const struct goal_gateway *gateway)
{
    if (gateway->type != GOAL_GATEWAY_ZETA
        && gateway->type != GOAL_GATEWAY_ARION) {
        return false;
    }
    for (size_t i = 0; i < gateway->n_destinations; i++) {
        if (IN6_IS_ADDR_V4MAPPED(&gateway->destinations[i].ip)) {
            return true;
        }
    }
    return false;
}

static void
take_gateway_id(const struct goal_resource *r, void *id_)
{
    char **id = id_;

    if (!*id) {
        *id = xstrdup(r->id);
    }
}

const struct goal_gateway *
goal_view_gateway(struct goal_view *view, const struct goal_network *net)
{
    const struct goal_resource *r;
    char *id = NULL;

    if (net->type != GOAL_NET_VXLAN) {
        return NULL;
    }
    for (size_t i = 0; i < net->vpc->gateway_ids.n; i++) {
        r = goal_view_get(view, GOAL_GATEWAY, net->vpc->gateway_ids.names[i]);
        if (r && is_usable_gateway(GOAL_GATEWAY_CAST(r))) {
            return GOAL_GATEWAY_CAST(r);
        }
    }
    goal_view_index(view, GOAL_GATEWAYS_OF_SUBNET, net->subnet->up.id, NULL,
                    take_gateway_id, &id);
    r = id ? goal_view_get(view, GOAL_GATEWAY, id) : NULL;
    free(id);
    return (r && is_usable_gateway(GOAL_GATEWAY_CAST(r))
            ? GOAL_GATEWAY_CAST(r) : NULL);
}

/* Bytes that the encapsulation adds to an IP packet: inner Ethernet, tunnel,
 * UDP and outer IP headers. */
static uint32_t
encap_overhead(uint32_t type, bool ipv4)
{
    uint32_t ip = ipv4 ? IP_HEADER_LEN : IPV6_HEADER_LEN;

    switch (type) {
    case GOAL_NET_VLAN:
        return 0;
    case GOAL_NET_GRE:          /* With key. */
        return ETH_HEADER_LEN + 8 + ip;
    default:
        return ETH_HEADER_LEN + 8 + UDP_HEADER_LEN + ip;
    }
}

uint16_t
goal_view_mtu(struct goal_view *view, const struct goal_network *net)
{
    const struct vol_underlay *underlay = goal_view_volatile(
        view, VOL_UNDERLAY, "");
    uint32_t mtu = underlay && underlay->mtu ? underlay->mtu : ETH_PAYLOAD_MAX;
    uint32_t overhead = encap_overhead(
        net->type, IN6_IS_ADDR_V4MAPPED(goal_view_host_ip(view)));

    return MIN(mtu > overhead ? mtu - overhead : 0, UINT16_MAX);
}

enum plugin_result
goal_view_network(struct goal_view *view, const char *subnet_id,
                  struct goal_network *network, char **errorp)
{
    const struct goal_resource *r = goal_view_get(view, GOAL_SUBNET,
                                                  subnet_id);
    if (!r) {
        return PLUGIN_WAIT;
    }
    network->subnet = GOAL_SUBNET_CAST(r);

    r = goal_view_get(view, GOAL_VPC, network->subnet->vpc_id);
    if (!r) {
        return PLUGIN_WAIT;
    }
    network->vpc = GOAL_VPC_CAST(r);

    network->vni = goal_effective_vni(network->vpc, network->subnet);
    if (!network->vni) {
        *errorp = goal_fit_subnet(network->vpc, network->subnet);
        return PLUGIN_REJECT;
    }
    network->type = network->subnet->network_type;
    network->tag = of_subnet_tag(network->type, network->vni, subnet_id);
    return PLUGIN_DONE;
}
