/* SPDX-License-Identifier: Apache-2.0
 *
 * offload-told: entries made of what gateways tell. */

#include <config.h>

#include "feedback/offload-private.h"

#include <stdlib.h>
#include <string.h>
#include "hash.h"
#include "limit.h"
#include "packets.h"
#include "timeval.h"
#include "util.h"

LIMIT_DEFINE(fast_path_waiting, OFFLOAD_MAX_WAITING, LIMIT_FIXED,
             LIMIT_FORGETS)

/* A packet that has gone to a gateway, or rather the last of its kind. */
struct waiting {
    struct hmap_node hmap_node; /* In struct offload's 'waiting', by
                                 * hash_way(). */
    struct ovs_list list_node;  /* In struct offload's 'waiting_list'. */
    struct fast_path_sighting seen;
    struct offload_target to;   /* Without the host's MAC. */
};

static uint32_t
hash_way(uint32_t ofport, uint32_t vni, ovs_be32 dst)
{
    return hash_int(ofport, hash_int(vni, hash_int((OVS_FORCE uint32_t) dst,
                                                   0)));
}

static void
forget(struct offload *o, struct waiting *w)
{
    hmap_remove(&o->waiting, &w->hmap_node);
    ovs_list_remove(&w->list_node);
    free(w);
}

void
offload_told_init(struct offload *o)
{
    ovs_list_init(&o->told);
    hmap_init(&o->direct);
    hmap_init(&o->waiting);
    ovs_list_init(&o->waiting_list);
}

void
offload_told_clear(struct offload *o)
{
    struct waiting *w;

    LIST_FOR_EACH_SAFE (w, list_node, &o->waiting_list) {
        forget(o, w);
    }
}

/* True if both would have the same entry. */
static bool
is_alike(const struct fast_path_sighting *a,
         const struct fast_path_sighting *b)
{
    return (a->ofport == b->ofport && a->vni == b->vni && a->dst == b->dst
            && a->src == b->src && a->tracked == b->tracked
            && (!a->tracked || (a->proto == b->proto && a->sport == b->sport
                                && a->dport == b->dport))
            && eth_addr_equals(a->dmac, b->dmac)
            && eth_addr_equals(a->smac, b->smac));
}

void
offload_wait_for_path(struct offload *o, const struct fast_path_sighting *s,
                      const struct offload_target *to)
{
    uint32_t hash = hash_way(s->ofport, s->vni, s->dst);
    struct waiting *w;

    if (!o->ab) {
        return;
    }
    HMAP_FOR_EACH_WITH_HASH (w, hmap_node, hash, &o->waiting) {
        if (is_alike(&w->seen, s)) {
            forget(o, w);
            break;
        }
    }
    if (limit_reached(&limit_fast_path_waiting, hmap_count(&o->waiting))) {
        forget(o, CONTAINER_OF(ovs_list_front(&o->waiting_list),
                               struct waiting, list_node));
    }
    w = xmalloc(sizeof *w);
    w->seen = *s;
    w->to = *to;
    hmap_insert(&o->waiting, &w->hmap_node, hash);
    ovs_list_push_back(&o->waiting_list, &w->list_node);
}

/* True if what was seen is for 'path'. */
static bool
takes(const struct fast_path_sighting *s, const struct offload_path *path)
{
    return (s->ofport == path->ofport && s->vni == path->vni
            && s->dst == path->dst && s->tracked == path->by_connection
            && (!s->tracked
                || (s->src == path->src && s->proto == path->proto
                    && s->sport == path->sport && s->dport == path->dport)));
}

/* Makes the entry that OVS's verdict 's' on a packet to a gateway turns into
 * once OVS has 'path'. */
static void
foretell(struct offload *o, const struct fast_path_sighting *s,
         const struct offload_target *to, const struct offload_path *path)
{
    struct fast_path_sighting told = *s;
    struct offload_target target = *to;

    told.direct = true;
    told.host = path->host;
    told.new_dmac = path->mac;
    target.host_mac = path->host_mac;
    offload_take(o, &told, &target,
                 offload_changes_news(&o->changes, s->ofport, s->dst));
}

/* Entries on direct paths, by their ways. */

static uint32_t
hash_direct(uint32_t ofport, uint32_t vni, ovs_be32 src, ovs_be32 dst,
            bool by_connection, uint8_t proto, ovs_be16 sport, ovs_be16 dport)
{
    uint32_t hash = hash_way(ofport, vni, dst);

    return (by_connection
            ? hash_int((OVS_FORCE uint32_t) src
                       ^ ((OVS_FORCE uint32_t) sport << 16
                          | (OVS_FORCE uint32_t) dport), hash + proto)
            : hash);
}

static void
forget_way(struct offload *o, struct offload_entry *entry)
{
    if (entry->direct) {
        hmap_remove(&o->direct, &entry->way_node);
        entry->direct = false;
    }
}

void
offload_told_forget(struct offload *o, struct offload_entry *entry)
{
    ovs_list_remove(&entry->told_node);
    forget_way(o, entry);
}

void
offload_told_judged(struct offload *o, struct offload_entry *entry)
{
    const struct fast_path_sighting *s = &entry->verdict.seen;

    offload_told_forget(o, entry);
    ovs_list_init(&entry->told_node);
    if (entry->verdict.told) {
        ovs_list_push_back(&o->told, &entry->told_node);
    }
    if (s->direct) {
        entry->direct = true;
        hmap_insert(&o->direct, &entry->way_node,
                    hash_direct(s->ofport, s->vni, s->src, s->dst, s->tracked,
                                s->proto, s->sport, s->dport));
    }
}

/* Has the entries that OVS, too, would have take 'path', do so: they are what
 * they were, but for the path.  (That they are there means that no policy has
 * changed.) */
static void
redirect(struct offload *o, const struct offload_path *path)
{
    struct redirected {
        struct fast_path_sighting seen;
        struct offload_target to;
    } *entries = NULL;
    size_t n = 0, allocated = 0;
    const struct offload_entry *entry;

    HMAP_FOR_EACH_WITH_HASH (entry, way_node,
                             hash_direct(path->ofport, path->vni, path->src,
                                         path->dst, path->by_connection,
                                         path->proto, path->sport,
                                         path->dport),
                             &o->direct) {
        if (takes(&entry->verdict.seen, path)) {
            if (n >= allocated) {
                entries = x2nrealloc(entries, &allocated, sizeof *entries);
            }
            entries[n++] = (struct redirected) {
                .seen = entry->verdict.seen,
                .to = {
                    .port = entry->key.scope >> 8,
                    .by_connection = entry->verdict.seen.tracked,
                    .mtu = entry->flow.encap.mtu,
                },
            };
        }
    }
    for (size_t i = 0; i < n; i++) {
        foretell(o, &entries[i].seen, &entries[i].to, path);
    }
    free(entries);
}

void
offload_take_path(struct offload *o, const struct offload_path *path)
{
    long long int since = time_msec() - OFFLOAD_WAIT_MSEC;
    struct waiting *w;

    if (!o->ab) {
        return;
    }
    offload_changes_note_news(&o->changes, path->ofport, path->dst);
    if (eth_addr_is_zero(path->host_mac)) {
        return;
    }
    HMAP_FOR_EACH_WITH_HASH (w, hmap_node,
                             hash_way(path->ofport, path->vni, path->dst),
                             &o->waiting) {
        if (w->seen.when >= since && takes(&w->seen, path)) {
            foretell(o, &w->seen, &w->to, path);
        }
    }
    redirect(o, path);
}

void
offload_sight_path(struct offload *o, const struct fast_path_sighting *s,
                   const struct offload_target *to,
                   const struct offload_path *path, bool to_gateway)
{
    if (!o->ab) {
        return;
    }
    if (!eth_addr_is_zero(path->host_mac)) {
        foretell(o, s, to, path);
    }
    if (!to_gateway) {
        /* The verdict itself.  If it has come too early to be believed, there
         * is what was told. */
        offload_sight(o, s, to);
    }
}

struct dropped {
    uint32_t ofport;
    ovs_be32 dst;
};

static bool
is_told_of(const struct offload_entry *entry, void *dropped_)
{
    const struct dropped *dropped = dropped_;

    return (entry->verdict.told
            && entry->verdict.seen.ofport == dropped->ofport
            && entry->verdict.seen.dst == dropped->dst);
}

void
offload_drop_path(struct offload *o, uint32_t ofport, ovs_be32 dst)
{
    struct dropped dropped = { ofport, dst };
    const struct offload_entry *entry;

    if (!o->ab) {
        return;
    }
    offload_changes_note_news(&o->changes, ofport, dst);
    LIST_FOR_EACH (entry, told_node, &o->told) {
        if (is_told_of(entry, &dropped)) {
            o->stats.invalidated += offload_remove(o, is_told_of, &dropped);
            break;
        }
    }
}
