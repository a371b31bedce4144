/* SPDX-License-Identifier: Apache-2.0
 *
 * goal-store-count: how many resources there are under a parent. */

#include <config.h>

#include "store/goal-store-private.h"

#include <stdlib.h>
#include "hash.h"
#include "util.h"

/* So many ranges at a time. */
#define MAX_COUNTED 4096

/* A range of an index that somebody has asked about.  It is counted once;
 * from then on, writing to the index keeps the count. */
struct counted {
    struct hmap_node hmap_node; /* In struct goal_store's 'counted'. */
    enum goal_index index;
    uint64_t parent;            /* Surrogate id. */
    enum goal_kind kind;        /* Of what is counted. */
    size_t n;
};

static uint32_t
counted_hash(enum goal_index index, uint64_t parent, enum goal_kind kind)
{
    return hash_uint64_basis(parent, index << 8 | kind);
}

static struct counted *
counted_find(const struct goal_store *store, enum goal_index index,
             uint64_t parent, enum goal_kind kind)
{
    struct counted *c;

    HMAP_FOR_EACH_WITH_HASH (c, hmap_node, counted_hash(index, parent, kind),
                             &store->counted) {
        if (c->index == index && c->parent == parent && c->kind == kind) {
            return c;
        }
    }
    return NULL;
}

/* Notes that an entry of 'kind' under 'parent' was added or removed. */
void
goal_counted_change(struct goal_store *store, enum goal_index index,
                    uint64_t parent, enum goal_kind kind, bool add)
{
    struct counted *c = (hmap_is_empty(&store->counted) ? NULL
                         : counted_find(store, index, parent, kind));

    if (c) {
        c->n += add ? 1 : -1;
    }
}

/* Forgets all counts, e.g. since what changed them was undone. */
void
goal_counted_clear(struct goal_store *store)
{
    struct counted *c;

    HMAP_FOR_EACH_POP (c, hmap_node, &store->counted) {
        free(c);
    }
}

static bool
count_one(const struct goal_key *key, void *c_)
{
    struct counted *c = c_;

    c->n += key->kind == c->kind;
    return true;
}

size_t
goal_store_count_index(struct goal_store *store, enum goal_index index,
                       const char *parent, enum goal_kind kind)
{
    struct counted *c;
    uint64_t entry;
    MDB_val v;

    if (!goal_store_txn(store)
        || goal_id_find(store, goal_index_parent_kind(index), parent, &entry,
                        &v)) {
        return 0;
    }

    uint64_t sid = entry & ~GOAL_ID_STORED;
    c = counted_find(store, index, sid, kind);
    if (!c) {
        if (hmap_count(&store->counted) >= MAX_COUNTED) {
            goal_counted_clear(store);
        }
        c = xmalloc(sizeof *c);
        *c = (struct counted) {
            .index = index, .parent = sid, .kind = kind,
        };
        goal_store_index(store, index, parent, NULL, count_one, c);
        hmap_insert(&store->counted, &c->hmap_node,
                    counted_hash(index, sid, kind));
    }
    return c->n;
}
