/* SPDX-License-Identifier: Apache-2.0
 *
 * direct-path: the ways around gateways that are in use. */

#include <config.h>

#include "feedback/direct-path.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "coverage.h"
#include "hash.h"
#include "limit.h"
#include "openvswitch/hmap.h"
#include "openvswitch/list.h"
#include "openvswitch/poll-loop.h"
#include "packets.h"
#include "translate/plugin-provider.h"
#include "util.h"

LIMIT_DEFINE(direct_paths, DIRECT_PATH_MAX, 16, LIMIT_FORGETS)

COVERAGE_DEFINE(direct_path_new);
COVERAGE_DEFINE(direct_path_renew);
COVERAGE_DEFINE(direct_path_evicted);

BUILD_ASSERT_DECL(sizeof(struct direct_path_key) == 32);

enum path_state {
    PATH_ACTIVE,
    PATH_ASKED,                 /* The same, and its packets were asked for. */
    PATH_RENEW,                 /* Withdrawn, to be told again. */
};

static const char *const state_names[] = {
    [PATH_ACTIVE] = "active",
    [PATH_ASKED] = "active",
    [PATH_RENEW] = "renewing",
};

struct path {
    struct hmap_node key_node;  /* In struct direct_paths's 'by_key'. */
    struct hmap_node number_node; /* In 'by_number'. */
    struct ovs_list use_node;   /* In 'by_use'. */
    struct ovs_list check_node; /* In 'by_check' or 'renewed'. */
    struct direct_path_key key;
    struct direct_path_hop hop;
    uint64_t number;
    enum path_state state;
    uint32_t idle_msec;
    long long int check;        /* When to look at it; if it is being renewed,
                                 * when to give up. */
    long long int told;
    long long int used;
    uint64_t n_packets;
    uint16_t port_ofs;          /* Where in 'id' the port's is. */
    char *id;                   /* Of its record. */
};

struct direct_paths {
    const struct direct_path_class *class;
    void *aux;
    struct hmap by_key;         /* Contain "struct path"s. */
    struct hmap by_number;
    struct ovs_list by_use;     /* Longest unused first. */
    struct ovs_list by_check;   /* Next one first, without PATH_RENEW... */
    struct ovs_list renewed;    /* ...which are here, likewise. */
    uint64_t next_number;
    struct direct_path_stats stats;
};

struct direct_paths *
direct_paths_create(const struct direct_path_class *class, void *aux)
{
    struct direct_paths *paths = xzalloc(sizeof *paths);

    paths->class = class;
    paths->aux = aux;
    hmap_init(&paths->by_key);
    hmap_init(&paths->by_number);
    ovs_list_init(&paths->by_use);
    ovs_list_init(&paths->by_check);
    ovs_list_init(&paths->renewed);
    return paths;
}

static void
path_free(struct direct_paths *paths, struct path *path)
{
    hmap_remove(&paths->by_key, &path->key_node);
    hmap_remove(&paths->by_number, &path->number_node);
    ovs_list_remove(&path->use_node);
    ovs_list_remove(&path->check_node);
    free(path->id);
    free(path);
}

/* Forgets 'path', and its record. */
static void
path_remove(struct direct_paths *paths, struct path *path)
{
    if (path->state != PATH_RENEW) {
        paths->class->publish(path->id, NULL, paths->aux);
    }
    path_free(paths, path);
}

void
direct_paths_flush(struct direct_paths *paths)
{
    struct path *path;

    LIST_FOR_EACH_SAFE (path, use_node, &paths->by_use) {
        path_remove(paths, path);
    }
}

size_t
direct_paths_prune(struct direct_paths *paths,
                   bool (*is_useful)(const struct direct_path_key *,
                                     void *aux), void *aux)
{
    struct path *path;
    size_t n = 0;

    LIST_FOR_EACH_SAFE (path, check_node, &paths->renewed) {
        if (!is_useful(&path->key, aux)) {
            path_remove(paths, path);
            n++;
        }
    }
    return n;
}

void
direct_paths_destroy(struct direct_paths *paths)
{
    struct path *path;

    if (!paths) {
        return;
    }
    LIST_FOR_EACH_SAFE (path, use_node, &paths->by_use) {
        path_free(paths, path);
    }
    hmap_destroy(&paths->by_key);
    hmap_destroy(&paths->by_number);
    free(paths);
}

static uint32_t
key_hash(const struct direct_path_key *key)
{
    return hash_bytes(key, sizeof *key, 0);
}

static struct path *
find_path(const struct direct_paths *paths, const struct direct_path_key *key)
{
    struct path *path;

    HMAP_FOR_EACH_WITH_HASH (path, key_node, key_hash(key), &paths->by_key) {
        if (!memcmp(&path->key, key, sizeof *key)) {
            return path;
        }
    }
    return NULL;
}

/* Puts 'path' into the order of checks.  As a rule it is the last one. */
static void
set_check(struct direct_paths *paths, struct path *path, long long int when)
{
    struct ovs_list *list = (path->state == PATH_RENEW ? &paths->renewed
                             : &paths->by_check);
    struct path *other;

    path->check = when;
    ovs_list_remove(&path->check_node);
    LIST_FOR_EACH_REVERSE (other, check_node, list) {
        if (other->check <= when) {
            ovs_list_insert(other->check_node.next, &path->check_node);
            return;
        }
    }
    ovs_list_push_front(list, &path->check_node);
}

/* The same, for when it is to be looked at next: early enough for it to go
 * when it has been idle for long enough. */
static void
set_next_check(struct direct_paths *paths, struct path *path,
               long long int now)
{
    set_check(paths, path, MIN(now + DIRECT_PATH_CHECK_MSEC,
                               path->used + path->idle_msec));
}

/* Returns the first of 'list' (by check_node), or null. */
static struct path *
first_check(const struct ovs_list *list)
{
    return (ovs_list_is_empty(list) ? NULL
            : CONTAINER_OF(ovs_list_front(list), struct path, check_node));
}

static void
set_used(struct direct_paths *paths, struct path *path, long long int now)
{
    path->used = now;
    ovs_list_remove(&path->use_node);
    ovs_list_push_back(&paths->by_use, &path->use_node);
}

/* Setting. */

static bool
hop_equal(const struct direct_path_hop *a, const struct direct_path_hop *b)
{
    return (a->host_ip == b->host_ip && a->gateway == b->gateway
            && eth_addr_equals(a->host_mac, b->host_mac)
            && eth_addr_equals(a->mac, b->mac));
}

enum direct_path_news
direct_paths_compare(const struct direct_paths *paths,
                     const struct direct_path_key *key,
                     const struct direct_path_hop *hop)
{
    const struct path *path = find_path(paths, key);

    return (!path ? DIRECT_PATH_NEW
            : !hop_equal(&path->hop, hop) ? DIRECT_PATH_MOVED
            : path->state == PATH_RENEW ? DIRECT_PATH_RENEWED
            : DIRECT_PATH_SAME);
}

bool
direct_paths_find(const struct direct_paths *paths,
                  const struct direct_path_key *key,
                  struct direct_path_hop *hop, long long int *told)
{
    const struct path *path = find_path(paths, key);

    if (!path || path->state == PATH_RENEW) {
        return false;
    }
    *hop = path->hop;
    *told = path->told;
    return true;
}

static char *
make_id(const struct direct_path_key *key, const char *port_id,
        uint16_t *port_ofs)
{
    char *what, *id;

    if (key->by_connection) {
        what = xasprintf("%"PRIu32" %"PRIu32" "IP_FMT":%"PRIu16" "IP_FMT
                         ":%"PRIu16" ", key->vni, key->protocol,
                         IP_ARGS(key->src), ntohs(key->sport),
                         IP_ARGS(key->dst), ntohs(key->dport));
    } else {
        what = xasprintf("%"PRIu32" "IP_FMT" ", key->vni, IP_ARGS(key->dst));
    }
    *port_ofs = strlen(what);
    id = xasprintf("%s%s", what, port_id);
    free(what);
    return id;
}

static struct path *
create_path(struct direct_paths *paths, const struct direct_path_key *key,
            const char *port_id)
{
    struct path *path = xzalloc(sizeof *path);

    COVERAGE_INC(direct_path_new);
    path->key = *key;
    path->number = paths->next_number++;
    path->id = make_id(key, port_id, &path->port_ofs);
    hmap_insert(&paths->by_key, &path->key_node, key_hash(key));
    hmap_insert(&paths->by_number, &path->number_node,
                hash_uint64(path->number));
    ovs_list_push_back(&paths->by_use, &path->use_node);
    ovs_list_push_back(&paths->by_check, &path->check_node);
    return path;
}

static void
publish(const struct direct_paths *paths, const struct path *path)
{
    struct vol_direct_path record;

    memset(&record, 0, sizeof record);
    record.vni = path->key.vni;
    record.gateway = path->hop.gateway;
    record.src = path->key.src;
    record.dst = path->key.dst;
    record.src_port = path->key.sport;
    record.dst_port = path->key.dport;
    record.protocol = path->key.protocol;
    record.by_connection = path->key.by_connection != 0;
    record.port_ofs = path->port_ofs;
    record.host_ip = path->hop.host_ip;
    record.host_mac = path->hop.host_mac;
    record.mac = path->hop.mac;
    paths->class->publish(path->id, &record, paths->aux);
}

void
direct_paths_set(struct direct_paths *paths, const struct direct_path_key *key,
                 const char *port_id, const struct direct_path_hop *hop,
                 uint32_t idle_secs, long long int now)
{
    struct path *path = find_path(paths, key);

    if (!path) {
        if (limit_reached(&limit_direct_paths, hmap_count(&paths->by_key))) {
            COVERAGE_INC(direct_path_evicted);
            paths->stats.evicted++;
            path_remove(paths, CONTAINER_OF(ovs_list_front(&paths->by_use),
                                            struct path, use_node));
        }
        path = create_path(paths, key, port_id);
    } else if (path->state != PATH_RENEW && hop_equal(&path->hop, hop)) {
        return;
    }
    path->hop = *hop;
    path->state = PATH_ACTIVE;
    path->n_packets = 0;
    path->idle_msec = 1000 * MIN(MAX(idle_secs, DIRECT_PATH_MIN_IDLE_SECS),
                                 DIRECT_PATH_MAX_IDLE_SECS);
    path->told = now;
    set_used(paths, path, now);
    set_next_check(paths, path, now);
    publish(paths, path);
}

bool
direct_paths_remove(struct direct_paths *paths,
                    const struct direct_path_key *key)
{
    struct path *path = find_path(paths, key);

    if (path) {
        path_remove(paths, path);
    }
    return path != NULL;
}

void
direct_paths_reject(struct direct_paths *paths, ovs_be32 host)
{
    struct path *path;

    LIST_FOR_EACH_SAFE (path, use_node, &paths->by_use) {
        if (path->hop.host_ip == host && path->state != PATH_RENEW) {
            paths->stats.rejected++;
            path_remove(paths, path);
        }
    }
}

/* Ageing. */

/* 'path' has been used: it has to be told again. */
static void
renew(struct direct_paths *paths, struct path *path, long long int now)
{
    COVERAGE_INC(direct_path_renew);
    paths->stats.renewals++;
    path->state = PATH_RENEW;
    paths->class->publish(path->id, NULL, paths->aux);
    set_check(paths, path, now + path->idle_msec);
}

void
direct_paths_take_packets(struct direct_paths *paths, uint64_t number,
                          uint64_t n_packets, uint32_t n_flows,
                          long long int now)
{
    struct path *path;

    HMAP_FOR_EACH_WITH_HASH (path, number_node, hash_uint64(number),
                             &paths->by_number) {
        if (path->number == number) {
            break;
        }
    }
    if (!path || path->state != PATH_ASKED) {
        return;
    }
    path->state = PATH_ACTIVE;
    if (!n_flows) {
        paths->stats.idle++;
        path_remove(paths, path);       /* Translation has refused it. */
    } else if (n_packets != path->n_packets) {
        path->n_packets = n_packets;
        set_used(paths, path, now);
        if (paths->class->can_renew(path->hop.gateway, paths->aux)) {
            renew(paths, path, now);
        } else {
            set_next_check(paths, path, now);
        }
    } else if (now >= path->used + path->idle_msec) {
        paths->stats.idle++;
        path_remove(paths, path);
    } else {
        set_next_check(paths, path, now);
    }
}

void
direct_paths_run(struct direct_paths *paths, long long int now)
{
    struct path *path;

    while ((path = first_check(&paths->renewed)) && path->check <= now) {
        paths->stats.not_told++;
        path_free(paths, path);
    }
    while ((path = first_check(&paths->by_check)) && path->check <= now
           && paths->class->ask(path->number, path->id, paths->aux)) {
        path->state = PATH_ASKED;
        set_check(paths, path, now + DIRECT_PATH_ANSWER_MSEC);
    }
}

void
direct_paths_wait(const struct direct_paths *paths, long long int now)
{
    const struct path *path = first_check(&paths->renewed);

    if (path) {
        poll_timer_wait_until(path->check);
    }
    path = first_check(&paths->by_check);
    if (path) {
        /* Not more often than that if there is nobody to ask. */
        poll_timer_wait_until(MAX(path->check, now + 50));
    }
}

/* Looking at them. */

size_t
direct_paths_count(const struct direct_paths *paths)
{
    return hmap_count(&paths->by_key);
}

void
direct_paths_get_stats(const struct direct_paths *paths,
                       struct direct_path_stats *stats)
{
    *stats = paths->stats;
}

void
direct_paths_for_each(const struct direct_paths *paths,
                      void (*cb)(const struct direct_path_entry *, void *aux),
                      void *aux)
{
    const struct path *path;

    LIST_FOR_EACH (path, use_node, &paths->by_use) {
        const struct direct_path_entry entry = {
            .key = &path->key, .hop = &path->hop,
            .port_id = path->id + path->port_ofs,
            .state = state_names[path->state],
            .n_packets = path->n_packets, .used = path->used,
        };

        cb(&entry, aux);
    }
}
