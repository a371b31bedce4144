/* SPDX-License-Identifier: Apache-2.0
 *
 * volatile-store: records in memory, and the keys of what changed. */

#include <config.h>

#include "store/volatile-store.h"

#include <stdlib.h>
#include <string.h>

#include "openvswitch/shash.h"
#include "store/dep-key.h"
#include "util.h"

/* In a "struct shash" by id. */
struct vol_record {
    bool marked;                /* vol_sweep() removes it. */
    uint64_t data[];            /* As big as its kind has it. */
};

struct vol_store {
    struct shash records[VOL_N_KINDS]; /* Contain "struct vol_record"s. */
    struct vol_changes changes; /* Since the last vol_changes_take(). */
};

static const size_t vol_sizes[VOL_N_KINDS] = {
    [VOL_BINDING] = sizeof(struct vol_binding),
    [VOL_TUNNEL] = sizeof(struct vol_tunnel),
    [VOL_HOST] = sizeof(struct vol_host),
    [VOL_PROVIDER] = sizeof(struct vol_provider),
    [VOL_UNDERLAY] = sizeof(struct vol_underlay),
    [VOL_ON_DEMAND] = sizeof(struct vol_on_demand),
    [VOL_LAZY_VPC] = sizeof(struct vol_lazy_vpc),
    [VOL_FAST_PATH] = sizeof(struct vol_fast_path),
    [VOL_ENTRANCE] = sizeof(struct vol_entrance),
    [VOL_DIRECT_PATH] = sizeof(struct vol_direct_path),
    [VOL_CROWDED_VPC] = sizeof(struct vol_crowded_vpc),
    [VOL_STORM] = sizeof(struct vol_storm),
    [VOL_UPLINK_HOP] = sizeof(struct vol_uplink_hop),
};

struct vol_store *
vol_store_create(void)
{
    struct vol_store *store = xzalloc(sizeof *store);

    for (size_t i = 0; i < VOL_N_KINDS; i++) {
        ovs_assert(vol_sizes[i]);
        shash_init(&store->records[i]);
    }
    return store;
}

/* Accepts null. */
void
vol_store_destroy(struct vol_store *store)
{
    if (store) {
        for (size_t i = 0; i < VOL_N_KINDS; i++) {
            shash_destroy_free_data(&store->records[i]);
        }
        vol_changes_destroy(&store->changes);
        free(store);
    }
}

static void
vol_note(struct vol_store *store, enum vol_kind kind, const char *id)
{
    struct vol_changes *c = &store->changes;

    if (c->n >= c->allocated) {
        c->keys = x2nrealloc(c->keys, &c->allocated, sizeof *c->keys);
    }
    c->keys[c->n++] = vol_dep_key(kind, id);
    if (VOL_UNIT_KINDS & (1u << kind)) {
        if (c->n_units >= c->allocated_units) {
            c->units = x2nrealloc(c->units, &c->allocated_units,
                                  sizeof *c->units);
        }
        c->units[c->n_units++] = (struct vol_unit_id) { kind, xstrdup(id) };
    }
}

bool
vol_set(struct vol_store *store, enum vol_kind kind, const char *id,
        const void *data)
{
    struct vol_record *record = shash_find_data(&store->records[kind], id);
    size_t size = vol_sizes[kind];

    if (!record) {
        record = xmalloc(sizeof *record + size);
        shash_add(&store->records[kind], id, record);
    } else if (!memcmp(record->data, data, size)) {
        record->marked = false;
        return false;
    }
    record->marked = false;
    memcpy(record->data, data, size);
    vol_note(store, kind, id);
    return true;
}

bool
vol_remove(struct vol_store *store, enum vol_kind kind, const char *id)
{
    struct vol_record *record
        = shash_find_and_delete(&store->records[kind], id);

    if (!record) {
        return false;
    }
    vol_note(store, kind, id);
    free(record);
    return true;
}

const void *
vol_get(const struct vol_store *store, enum vol_kind kind, const char *id)
{
    struct vol_record *record = shash_find_data(&store->records[kind], id);

    return record ? record->data : NULL;
}

void
vol_for_each(const struct vol_store *store, enum vol_kind kind,
             void (*cb)(const char *id, const void *record, void *aux),
             void *aux)
{
    struct shash_node *node;

    SHASH_FOR_EACH (node, &store->records[kind]) {
        struct vol_record *record = node->data;

        cb(node->name, record->data, aux);
    }
}

void
vol_mark(struct vol_store *store, enum vol_kind kind)
{
    struct shash_node *node;

    SHASH_FOR_EACH (node, &store->records[kind]) {
        struct vol_record *record = node->data;

        record->marked = true;
    }
}

void
vol_sweep(struct vol_store *store, enum vol_kind kind)
{
    struct shash_node *node;

    SHASH_FOR_EACH_SAFE (node, &store->records[kind]) {
        struct vol_record *record = node->data;

        if (record->marked) {
            vol_note(store, kind, node->name);
            shash_delete(&store->records[kind], node);
            free(record);
        }
    }
}

uint64_t
vol_dep_key(enum vol_kind kind, const char *id)
{
    return dep_key_string(DEP_VOLATILE + kind, id);
}

bool
vol_changes_take(struct vol_store *store, struct vol_changes *changes)
{
    *changes = store->changes;
    memset(&store->changes, 0, sizeof store->changes);
    return changes->n > 0;
}

void
vol_changes_destroy(struct vol_changes *changes)
{
    for (size_t i = 0; i < changes->n_units; i++) {
        free(changes->units[i].id);
    }
    free(changes->units);
    free(changes->keys);
    memset(changes, 0, sizeof *changes);
}

size_t
vol_count(const struct vol_store *store, enum vol_kind kind)
{
    return shash_count(&store->records[kind]);
}
