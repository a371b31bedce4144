/* SPDX-License-Identifier: Apache-2.0
 *
 * id-store: numbers for groups, meters, zones and conjunctions, for good. */

#include <config.h>

#include "store/id-store.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "coverage.h"
#include "fault-point.h"
#include "hash.h"
#include "id-pool.h"
#include "openvswitch/hmap.h"
#include "openvswitch/list.h"
#include "openvswitch/vlog.h"
#include "simap.h"
#include "store/goal-store-private.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(id_store);

COVERAGE_DEFINE(id_store_exhausted);

struct id_range {
    const char *name;
    uint32_t first, n;
};

static const struct id_range ranges[ID_N_KINDS] = {
#define ID_KIND(NAME, STRING, FIRST, N) [ID_##NAME] = { STRING, FIRST, N },
    ID_KINDS
#undef ID_KIND
};

/* A name and its number.  One that was given back stays until that is
 * written. */
struct id_node {
    struct hmap_node hmap_node; /* In struct id_store's 'nodes', if in use. */
    struct ovs_list dirty_node; /* In 'dirty', if 'is_dirty'. */
    enum id_kind kind;
    uint32_t number;
    bool in_use;
    bool clean;
    bool is_dirty;              /* Not written as it is. */
    char name[];
};

struct id_store {
    struct goal_store *store;
    struct hmap nodes;          /* Contains "struct id_node"s. */
    struct ovs_list dirty;      /* Contains "struct id_node"s. */
    struct id_pool *pools[ID_N_KINDS];
    size_t counts[ID_N_KINDS];
};

/* In the database: the key is kind and number in one, the value is 1 if clean,
 * else 0, and the name. */
static uint64_t
db_key(enum id_kind kind, uint32_t number)
{
    return (uint64_t) kind << 32 | number;
}

const char *
id_kind_to_string(enum id_kind kind)
{
    return ranges[kind].name;
}

static uint32_t
name_hash(enum id_kind kind, const char *name)
{
    return hash_string(name, kind);
}

static struct id_node *
find_node(const struct id_store *ids, enum id_kind kind, const char *name)
{
    struct id_node *node;

    HMAP_FOR_EACH_WITH_HASH (node, hmap_node, name_hash(kind, name),
                             &ids->nodes) {
        if (node->kind == kind && !strcmp(node->name, name)) {
            return node;
        }
    }
    return NULL;
}

static struct id_node *
add_node(struct id_store *ids, enum id_kind kind, const char *name,
         uint32_t number)
{
    size_t size = strlen(name) + 1;
    struct id_node *node = xzalloc(sizeof *node + size);

    node->kind = kind;
    node->number = number;
    node->in_use = true;
    memcpy(node->name, name, size);
    hmap_insert(&ids->nodes, &node->hmap_node, name_hash(kind, name));
    ids->counts[kind]++;
    return node;
}

static void
mark_dirty(struct id_store *ids, struct id_node *node)
{
    if (!node->is_dirty) {
        node->is_dirty = true;
        ovs_list_push_back(&ids->dirty, &node->dirty_node);
    }
}

static void
load_row(struct id_store *ids, uint64_t key, const MDB_val *value)
{
    enum id_kind kind = key >> 32;
    uint32_t number = key;

    if (key >> 32 < ID_N_KINDS && value->mv_size > 1
        && number - ranges[kind].first < ranges[kind].n) {
        const char *data = value->mv_data;
        char *name = xmemdup0(data + 1, value->mv_size - 1);

        if (!find_node(ids, kind, name)) {
            add_node(ids, kind, name, number)->clean = data[0];
            id_pool_add(ids->pools[kind], number);
        }
        free(name);
    }
}

static int
load(struct id_store *ids)
{
    MDB_val key, value;
    MDB_cursor *cursor;
    MDB_txn *txn;
    int error = mdb_txn_begin(ids->store->env, NULL, MDB_RDONLY, &txn);

    if (error) {
        return error;
    }
    error = mdb_cursor_open(txn, ids->store->dbis[GOAL_DB_NUMBERS], &cursor);
    if (!error) {
        while (!(error = mdb_cursor_get(cursor, &key, &value, MDB_NEXT))) {
            uint64_t k;

            memcpy(&k, key.mv_data, sizeof k);
            load_row(ids, k, &value);
        }
        mdb_cursor_close(cursor);
    }
    mdb_txn_abort(txn);
    return error == MDB_NOTFOUND ? 0 : error;
}

struct id_store *
id_store_create(struct goal_store *store)
{
    struct id_store *ids = xzalloc(sizeof *ids);
    int error;

    ids->store = store;
    hmap_init(&ids->nodes);
    ovs_list_init(&ids->dirty);
    for (enum id_kind kind = 0; kind < ID_N_KINDS; kind++) {
        ids->pools[kind] = id_pool_create(ranges[kind].first, ranges[kind].n);
    }
    error = load(ids);
    if (error) {
        static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(1, 1);
        char *message = goal_store_error(store, "cannot read numbers", error);

        VLOG_ERR_RL(&rl, "%s; new ones are given", message);
        free(message);
    }
    return ids;
}

void
id_store_destroy(struct id_store *ids)
{
    struct id_node *node;

    if (!ids) {
        return;
    }
    LIST_FOR_EACH_POP (node, dirty_node, &ids->dirty) {
        if (!node->in_use) {
            free(node);
        }
    }
    HMAP_FOR_EACH_POP (node, hmap_node, &ids->nodes) {
        free(node);
    }
    hmap_destroy(&ids->nodes);
    for (enum id_kind kind = 0; kind < ID_N_KINDS; kind++) {
        id_pool_destroy(ids->pools[kind]);
    }
    free(ids);
}

uint32_t
id_store_find(const struct id_store *ids, enum id_kind kind, const char *name)
{
    const struct id_node *node = find_node(ids, kind, name);

    return node ? node->number : 0;
}

uint32_t
id_store_get(struct id_store *ids, enum id_kind kind, const char *name)
{
    static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(1, 1);
    uint32_t number = id_store_find(ids, kind, name);

    if (number) {
        return number;
    }
    if (!id_pool_alloc_id(ids->pools[kind], &number)) {
        COVERAGE_INC(id_store_exhausted);
        VLOG_ERR_RL(&rl, "all %"PRIu32" numbers for a %s are in use: none for "
                    "%s", ranges[kind].n, ranges[kind].name, name);
        return 0;
    }
    mark_dirty(ids, add_node(ids, kind, name, number));
    return number;
}

void
id_store_release(struct id_store *ids, enum id_kind kind, const char *name)
{
    struct id_node *node = find_node(ids, kind, name);

    if (node) {
        hmap_remove(&ids->nodes, &node->hmap_node);
        ids->counts[kind]--;
        id_pool_free_id(ids->pools[kind], node->number);
        node->in_use = false;
        mark_dirty(ids, node);
    }
}

bool
id_store_is_clean(const struct id_store *ids, enum id_kind kind,
                  const char *name)
{
    const struct id_node *node = find_node(ids, kind, name);

    return node && node->clean;
}

void
id_store_set_clean(struct id_store *ids, enum id_kind kind, const char *name)
{
    struct id_node *node = find_node(ids, kind, name);

    if (node && !node->clean) {
        node->clean = true;
        mark_dirty(ids, node);
    }
}

/* The number may have been given to another in the meantime: what was given
 * back comes earlier in the list, so the last word is the right one. */
static int
save_node(struct id_store *ids, MDB_txn *txn, const struct id_node *node)
{
    uint64_t k = db_key(node->kind, node->number);
    MDB_dbi dbi = ids->store->dbis[GOAL_DB_NUMBERS];
    MDB_val key = goal_val(&k, sizeof k);

    if (!node->in_use) {
        int error = mdb_del(txn, dbi, &key, NULL);

        return error == MDB_NOTFOUND ? 0 : error;
    }

    size_t len = strlen(node->name);
    char *data = xmalloc(1 + len);
    MDB_val value = goal_val(data, 1 + len);

    data[0] = node->clean;
    memcpy(data + 1, node->name, len);
    int error = mdb_put(txn, dbi, &key, &value, 0);
    free(data);
    return error;
}

static int
save(struct id_store *ids)
{
    struct id_node *node;
    MDB_txn *txn;
    int error = mdb_txn_begin(ids->store->env, NULL, 0, &txn);

    if (error) {
        return error;
    }
    LIST_FOR_EACH (node, dirty_node, &ids->dirty) {
        error = save_node(ids, txn, node);
        if (error) {
            mdb_txn_abort(txn);
            return error;
        }
    }
    if (FAULT_POINT_NOW(STORE_IDS_BEFORE)) {
        mdb_txn_abort(txn);
        return EIO;
    }
    error = mdb_txn_commit(txn);
    if (!error) {
        goal_sync_wake(ids->store->sync);
        error = FAULT_POINT_NOW(STORE_IDS_AFTER) ? EIO : 0;
    }
    return error;
}

int
id_store_save(struct id_store *ids)
{
    static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(1, 1);
    struct id_node *node;

    if (ovs_list_is_empty(&ids->dirty)) {
        return 0;
    }
    goal_store_end_reading(ids->store);

    int error = save(ids);
    if (error) {
        char *message = goal_store_error(ids->store, "cannot write numbers",
                                         error);

        VLOG_ERR_RL(&rl, "%s", message);
        free(message);
        return error;
    }
    LIST_FOR_EACH_POP (node, dirty_node, &ids->dirty) {
        node->is_dirty = false;
        if (!node->in_use) {
            free(node);
        }
    }
    return 0;
}

void
id_store_for_each(const struct id_store *ids,
                  void (*cb)(enum id_kind, const char *name, uint32_t number,
                             bool clean, void *aux),
                  void *aux)
{
    const struct id_node *node;

    HMAP_FOR_EACH_SAFE (node, hmap_node, &ids->nodes) {
        cb(node->kind, node->name, node->number, node->clean, aux);
    }
}

size_t
id_store_count(const struct id_store *ids, enum id_kind kind)
{
    return ids->counts[kind];
}

void
id_store_get_memory_usage(const struct id_store *ids, struct simap *usage)
{
    for (enum id_kind kind = 0; kind < ID_N_KINDS; kind++) {
        if (ids->counts[kind]) {
            char *name = xasprintf("numbers-%s", ranges[kind].name);

            simap_increase(usage, name, ids->counts[kind]);
            free(name);
        }
    }
}
