/* SPDX-License-Identifier: Apache-2.0
 *
 * told-paths: which hosts a gateway has told of which direct paths. */

#include <config.h>

#include "feedback/told-paths.h"

#include <stdlib.h>
#include "hash.h"
#include "limit.h"
#include "openvswitch/hmap.h"
#include "openvswitch/list.h"
#include "packets.h"
#include "util.h"

LIMIT_DEFINE(told_paths, TOLD_PATHS_MAX, 16, LIMIT_FORGETS)

struct told_endpoint {
    struct hmap_node hmap_node; /* In struct told_paths' 'endpoints'. */
    struct ovs_list flows;      /* Contains "struct told_flow"s, not empty. */
    uint32_t vni;
    ovs_be32 ip;
};

struct told_flow {
    struct hmap_node hmap_node; /* In struct told_paths' 'flows'. */
    struct ovs_list use_node;   /* In struct told_paths' 'by_use'. */
    struct ovs_list node;       /* In its endpoint's 'flows'. */
    struct told_endpoint *endpoint;
    struct told_path path;
};

struct told_paths {
    struct hmap endpoints;      /* Contains "struct told_endpoint"s. */
    struct hmap flows;          /* Contains "struct told_flow"s. */
    struct ovs_list by_use;     /* Same, told longest ago first. */
    const struct told_paths_class *class;
    void *aux;
};

struct told_paths *
told_paths_create(const struct told_paths_class *class, void *aux)
{
    struct told_paths *told = xmalloc(sizeof *told);

    told->class = class;
    told->aux = aux;
    hmap_init(&told->endpoints);
    hmap_init(&told->flows);
    ovs_list_init(&told->by_use);
    return told;
}

static void
changed(const struct told_paths *told, const struct told_flow *flow)
{
    if (told->class) {
        told->class->changed(&flow->path, told->aux);
    }
}

static void
free_flow(struct told_paths *told, struct told_flow *flow)
{
    hmap_remove(&told->flows, &flow->hmap_node);
    ovs_list_remove(&flow->use_node);
    ovs_list_remove(&flow->node);
    if (ovs_list_is_empty(&flow->endpoint->flows)) {
        hmap_remove(&told->endpoints, &flow->endpoint->hmap_node);
        free(flow->endpoint);
    }
    free(flow);
}

static void
forget(struct told_paths *told, struct told_flow *flow)
{
    if (told->class) {
        told->class->forgotten(&flow->path, told->aux);
    }
    free_flow(told, flow);
}

void
told_paths_destroy(struct told_paths *told)
{
    struct told_flow *flow;

    if (told) {
        LIST_FOR_EACH_SAFE (flow, use_node, &told->by_use) {
            free_flow(told, flow);
        }
        hmap_destroy(&told->flows);
        hmap_destroy(&told->endpoints);
        free(told);
    }
}

static uint32_t
hash_endpoint(uint32_t vni, ovs_be32 ip)
{
    return hash_2words(vni, (OVS_FORCE uint32_t) ip);
}

static struct told_endpoint *
find_endpoint(const struct told_paths *told, uint32_t vni, ovs_be32 ip)
{
    struct told_endpoint *endpoint;

    HMAP_FOR_EACH_WITH_HASH (endpoint, hmap_node, hash_endpoint(vni, ip),
                             &told->endpoints) {
        if (endpoint->vni == vni && endpoint->ip == ip) {
            return endpoint;
        }
    }
    return NULL;
}

static struct told_endpoint *
get_endpoint(struct told_paths *told, uint32_t vni, ovs_be32 ip)
{
    struct told_endpoint *endpoint = find_endpoint(told, vni, ip);

    if (!endpoint) {
        endpoint = xmalloc(sizeof *endpoint);
        endpoint->vni = vni;
        endpoint->ip = ip;
        ovs_list_init(&endpoint->flows);
        hmap_insert(&told->endpoints, &endpoint->hmap_node,
                    hash_endpoint(vni, ip));
    }
    return endpoint;
}

static uint32_t
hash_path(const struct told_path *path)
{
    uint32_t words[] = {
        path->vni, (OVS_FORCE uint32_t) path->src,
        (OVS_FORCE uint32_t) path->dst,
        (uint32_t) (OVS_FORCE uint16_t) path->sport << 16
        | (OVS_FORCE uint16_t) path->dport,
        path->proto, (OVS_FORCE uint32_t) path->to_ip,
    };

    return hash_words(words, ARRAY_SIZE(words), 0);
}

static bool
is_same_flow(const struct told_path *a, const struct told_path *b)
{
    return (a->vni == b->vni && a->dst == b->dst && a->src == b->src
            && a->sport == b->sport && a->dport == b->dport
            && a->proto == b->proto && a->to_ip == b->to_ip);
}

static bool
is_same_news(const struct told_path *a, const struct told_path *b)
{
    return (a->told == b->told && a->host_ip == b->host_ip
            && eth_addr_equals(a->host_mac, b->host_mac)
            && eth_addr_equals(a->mac, b->mac));
}

/* Returns the flow of 'path', which is the last that was told. */
static struct told_flow *
add(struct told_paths *told, const struct told_path *path)
{
    uint32_t hash = hash_path(path);
    struct told_flow *flow;

    HMAP_FOR_EACH_WITH_HASH (flow, hmap_node, hash, &told->flows) {
        if (is_same_flow(&flow->path, path)) {
            flow->path = *path;
            ovs_list_remove(&flow->use_node);
            ovs_list_push_back(&told->by_use, &flow->use_node);
            return flow;
        }
    }
    if (limit_reached(&limit_told_paths, hmap_count(&told->flows))) {
        forget(told, CONTAINER_OF(ovs_list_front(&told->by_use),
                                  struct told_flow, use_node));
    }
    flow = xmalloc(sizeof *flow);
    flow->path = *path;
    flow->endpoint = get_endpoint(told, path->vni, path->dst);
    ovs_list_push_back(&flow->endpoint->flows, &flow->node);
    hmap_insert(&told->flows, &flow->hmap_node, hash);
    ovs_list_push_back(&told->by_use, &flow->use_node);
    return flow;
}

void
told_paths_add(struct told_paths *told, const struct told_path *path)
{
    changed(told, add(told, path));
}

static int
compare_told(const void *a_, const void *b_)
{
    const struct told_path *a = a_;
    const struct told_path *b = b_;

    return a->told < b->told ? -1 : a->told > b->told;
}

void
told_paths_restore(struct told_paths *told, struct told_path *paths, size_t n)
{
    if (n) {
        qsort(paths, n, sizeof *paths, compare_told);
    }
    for (size_t i = 0; i < n; i++) {
        add(told, &paths[i]);
    }
}

bool
told_path_may_be_used(const struct told_path *path, long long int now)
{
    return now < path->told + TOLD_PATH_MSEC;
}

/* Hands a flow out; one that is kept becomes the last. */
static void
take(struct told_paths *told, struct told_flow *flow,
     bool (*cb)(struct told_path *, void *aux), void *aux)
{
    const struct told_path before = flow->path;

    if (!cb(&flow->path, aux)) {
        forget(told, flow);
        return;
    }
    ovs_list_remove(&flow->node);
    ovs_list_push_back(&flow->endpoint->flows, &flow->node);
    if (!is_same_news(&before, &flow->path)) {
        ovs_list_remove(&flow->use_node);
        ovs_list_push_back(&told->by_use, &flow->use_node);
        changed(told, flow);
    }
}

size_t
told_paths_take(struct told_paths *told, uint32_t vni, ovs_be32 dst,
                bool (*cb)(struct told_path *, void *aux), void *aux)
{
    struct told_endpoint *endpoint = find_endpoint(told, vni, dst);
    size_t left = endpoint ? ovs_list_size(&endpoint->flows) : 0;
    size_t n = left;

    for (; left; left--) {
        struct told_flow *flow = CONTAINER_OF(
            ovs_list_front(&endpoint->flows), struct told_flow, node);

        take(told, flow, cb, aux);
    }
    return n;
}

void
told_paths_take_all(struct told_paths *told,
                    bool (*cb)(struct told_path *, void *aux), void *aux)
{
    size_t left = hmap_count(&told->flows);
    struct told_flow *flow;

    LIST_FOR_EACH_SAFE (flow, use_node, &told->by_use) {
        if (!left--) {
            break;              /* Those that follow have been handed out. */
        }
        take(told, flow, cb, aux);
    }
}

size_t
told_paths_count(const struct told_paths *told)
{
    return hmap_count(&told->flows);
}
