/* SPDX-License-Identifier: Apache-2.0
 *
 * goal-store-ids: ids of resources and their surrogates. */

#include <config.h>

#include "store/goal-store-private.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "hash.h"
#include "limit.h"
#include "openvswitch/vlog.h"
#include "store/goal-store-map.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(goal_store_ids);

/* The cache of parents' ids is emptied when it has this many. */
#define MAX_CACHED 4096
LIMIT_DEFINE(goal_cached_ids, MAX_CACHED, LIMIT_FIXED, LIMIT_FORGETS)

#define NUMBER_MASK ((UINT64_C(1) << GOAL_SID_RANK_SHIFT) - 1)

/* The id of a parent, for which every child asks again. */
struct cached_id {
    struct hmap_node node;      /* In store's 'id_cache'. */
    uint64_t sid;
    uint64_t dep;               /* Dependency key of the index by it. */
    enum goal_kind kind;
    char id[];                  /* Null-terminated. */
};

static void cache_clear(struct goal_store *);

/* Finding.
 *
 * The id that belongs to a surrogate is in its record, if it is stored; or in
 * its tombstone; or in "names". */

static uint64_t
make_sid(enum goal_kind kind, uint64_t number)
{
    return goal_kind_rank(kind) << GOAL_SID_RANK_SHIFT | number;
}

/* The kind that 'sid' is of, GOAL_N_KINDS if it is damaged. */
enum goal_kind
goal_sid_kind(uint64_t sid)
{
    enum goal_kind kind;

    for (kind = 0; kind < GOAL_N_KINDS; kind++) {
        if (goal_kind_rank(kind) == sid >> GOAL_SID_RANK_SHIFT) {
            break;
        }
    }
    return kind;
}

enum goal_kind
goal_store_sid_kind(uint64_t sid)
{
    return goal_sid_kind(sid);
}

static bool
is_id(const char *id, size_t len, const char *s, size_t s_len)
{
    return len == s_len && !memcmp(id, s, len);
}

/* Returns 0 and stores what is said about 'sid' in '*entry' and '*record' if
 * it is that of the 'len' bytes of 'id'. */
static int
match(const struct goal_store *store, uint64_t sid, const char *id, size_t len,
      uint64_t *entry, MDB_val *record)
{
    struct goal_record r;
    const char *s;
    size_t s_len;
    MDB_val v;
    int error;

    error = goal_read_u64(store, GOAL_DB_RECORDS, sid, record);
    if (!error) {
        *entry = sid | GOAL_ID_STORED;
        return (goal_record_parse(record->mv_data, record->mv_size, &r)
                && goal_kind_rank(r.kind) == sid >> GOAL_SID_RANK_SHIFT
                && is_id(r.id, r.id_len, id, len) ? 0 : MDB_NOTFOUND);
    }
    *entry = sid;
    if (error == MDB_NOTFOUND && store->head.n_graves) {
        error = goal_read_u64(store, GOAL_DB_GRAVES, sid, &v);
        if (!error) {
            return (goal_grave_id(&v, &s, &s_len)
                    && is_id(s, s_len, id, len) ? 0 : MDB_NOTFOUND);
        }
    }
    if (error == MDB_NOTFOUND) {
        error = goal_read_u64(store, GOAL_DB_NAMES, sid, &v);
    }
    return (error ? error
            : is_id(v.mv_data, v.mv_size, id, len) ? 0
            : MDB_NOTFOUND);
}

static int
find(const struct goal_store *store, enum goal_kind kind, const char *id,
     size_t len, uint64_t hash, uint64_t *entry, MDB_val *record)
{
    size_t position = 0;
    uint64_t number;

    while ((number = goal_map_next(store->map, hash, &position))) {
        int error = match(store, make_sid(kind, number), id, len, entry,
                          record);

        if (error != MDB_NOTFOUND) {
            return error;
        }
    }
    return MDB_NOTFOUND;
}

/* Stores what is said about 'id' in '*entry' and, if it is stored, its record
 * in '*record'.  An id that cannot be is not found. */
int
goal_id_find(const struct goal_store *store, enum goal_kind kind,
             const char *id, uint64_t *entry, MDB_val *record)
{
    size_t len = strlen(id);

    return (len && len <= GOAL_MAX_ID
            ? find(store, kind, id, len,
                   goal_map_hash(store->map, kind, id, len), entry, record)
            : MDB_NOTFOUND);
}

/* Interning. */

static void
note_id(struct goal_store *store, uint64_t hash, uint64_t number,
        bool forgotten)
{
    struct goal_write_state *w = &store->write;

    if (w->n_ids >= w->allocated_ids) {
        w->ids = x2nrealloc(w->ids, &w->allocated_ids, sizeof *w->ids);
    }
    w->ids[w->n_ids++] = (struct goal_id_change) { hash, number, forgotten };
}

/* Does as goal_id_find(), but gives 'id' a surrogate if it has none yet: then
 * '*is_new' is true.  The caller is about to write its record if 'flags' are
 * GOAL_ID_STORED; they are 0 otherwise. */
int
goal_id_intern(struct goal_store *store, enum goal_kind kind, const char *id,
               uint64_t flags, uint64_t *entry, MDB_val *record, bool *is_new)
{
    uint64_t number = store->head.next_number;
    size_t len = strlen(id);
    uint64_t hash;
    int error;

    *is_new = false;
    if (!len || len > GOAL_MAX_ID) {
        return EINVAL;
    }
    hash = goal_map_hash(store->map, kind, id, len);
    error = find(store, kind, id, len, hash, entry, record);
    if (error != MDB_NOTFOUND) {
        return error;
    }
    error = goal_map_insert(store->map, hash, number);
    if (error) {
        return error;
    }
    note_id(store, hash, number, false);
    store->head.next_number++;
    *entry = make_sid(kind, number) | flags;
    *is_new = true;
    return flags ? 0 : goal_id_name(store, *entry, id);
}

/* Remembers that 'sid' is that of 'id', which has no record. */
int
goal_id_name(struct goal_store *store, uint64_t sid, const char *id)
{
    return goal_write_u64(store, GOAL_DB_NAMES, sid,
                          goal_val(id, strlen(id)));
}

static struct cached_id *
cache_find(const struct goal_store *store, enum goal_kind kind,
           const char *id, uint32_t hash)
{
    struct cached_id *c;

    HMAP_FOR_EACH_WITH_HASH (c, node, hash, &store->id_cache) {
        if (c->kind == kind && !strcmp(c->id, id)) {
            return c;
        }
    }
    return NULL;
}

/* Takes 'sid' from 'id', which has no record. */
int
goal_id_forget(struct goal_store *store, enum goal_kind kind, const char *id,
               uint64_t sid)
{
    struct cached_id *c = cache_find(store, kind, id, hash_string(id, kind));

    if (c) {
        hmap_remove(&store->id_cache, &c->node);
        free(c);
    }
    note_id(store, goal_map_hash(store->map, kind, id, strlen(id)),
            sid & NUMBER_MASK, true);
    return goal_erase_u64(store, GOAL_DB_NAMES, sid);
}

/* Must be called when the transaction of a write has been committed. */
void
goal_ids_commit(struct goal_store *store)
{
    struct goal_write_state *w = &store->write;

    for (size_t i = 0; i < w->n_ids; i++) {
        if (w->ids[i].forgotten) {
            goal_map_remove(store->map, w->ids[i].hash, w->ids[i].number);
        }
    }
    w->n_ids = 0;
}

/* Must be called when the transaction of a write has been aborted. */
void
goal_ids_abort(struct goal_store *store)
{
    struct goal_write_state *w = &store->write;

    for (size_t i = 0; i < w->n_ids; i++) {
        if (!w->ids[i].forgotten) {
            goal_map_remove(store->map, w->ids[i].hash, w->ids[i].number);
        }
    }
    w->n_ids = 0;
    cache_clear(store);
}

/* Parents. */

/* The index by which all children of a parent of 'kind' are found (by it
 * alone, that is, which excludes GOAL_BY_ADDRESS). */
static enum goal_index
child_index(enum goal_kind kind)
{
    for (enum goal_index i = 0; i < GOAL_N_INDEXES; i++) {
        if (i != GOAL_BY_ADDRESS && goal_index_parent_kind(i) == kind) {
            return i;
        }
    }
    OVS_NOT_REACHED();
}

/* Stores in '*sid' the surrogate of 'id', which names a parent of 'kind'
 * (giving it one if it has none), and in '*dep' the dependency key of its
 * children's range in the index by it. */
int
goal_id_intern_parent(struct goal_store *store, enum goal_kind kind,
                      const char *id, uint64_t *sid, uint64_t *dep)
{
    uint32_t hash = hash_string(id, kind);
    struct cached_id *c = cache_find(store, kind, id, hash);
    uint64_t entry;
    MDB_val record;
    bool is_new;
    int error;

    if (!c) {
        error = goal_id_intern(store, kind, id, 0, &entry, &record, &is_new);
        if (error) {
            return error;
        }
        if (limit_reached(&limit_goal_cached_ids,
                          hmap_count(&store->id_cache))) {
            cache_clear(store);
        }
        c = xmalloc(sizeof *c + strlen(id) + 1);
        c->sid = entry & ~GOAL_ID_STORED;
        c->dep = goal_index_dep_key(child_index(kind), id, NULL);
        c->kind = kind;
        strcpy(c->id, id);
        hmap_insert(&store->id_cache, &c->node, hash);
    }
    *sid = c->sid;
    *dep = c->dep;
    return 0;
}

static void
cache_clear(struct goal_store *store)
{
    struct cached_id *c;

    HMAP_FOR_EACH_POP (c, node, &store->id_cache) {
        free(c);
    }
}

/* Opening and closing. */

static int
fill_one(struct goal_store *store, uint64_t sid, const char *id, size_t len)
{
    enum goal_kind kind = goal_sid_kind(sid);

    return (kind < GOAL_N_KINDS
            ? goal_map_insert(store->map,
                              goal_map_hash(store->map, kind, id, len),
                              sid & NUMBER_MASK)
            : 0);
}

/* Adds what is in 'db', where the value of a surrogate has its id. */
static int
fill_from(struct goal_store *store, enum goal_db db, MDB_txn *txn)
{
    MDB_cursor *cursor;
    MDB_val k, v;
    int error;

    error = mdb_cursor_open(txn, store->dbis[db], &cursor);
    if (error) {
        return error;
    }
    while (!(error = mdb_cursor_get(cursor, &k, &v, MDB_NEXT))) {
        const char *id = v.mv_data;
        size_t len = v.mv_size;
        struct goal_record r;
        uint64_t sid;

        memcpy(&sid, k.mv_data, sizeof sid);
        if (db == GOAL_DB_RECORDS) {
            if (!goal_record_parse(v.mv_data, v.mv_size, &r)) {
                continue;
            }
            id = r.id;
            len = r.id_len;
        } else if (db == GOAL_DB_GRAVES && !goal_grave_id(&v, &id, &len)) {
            continue;
        }
        error = fill_one(store, sid, id, len);
        if (error) {
            break;
        }
    }
    mdb_cursor_close(cursor);
    return error == MDB_NOTFOUND ? 0 : error;
}

/* Fills the map, which is empty.  Something may be in it twice. */
static int
fill(struct goal_store *store)
{
    MDB_txn *txn = goal_store_txn(store);
    int error;

    if (!txn) {
        return MDB_BAD_TXN;
    }
    VLOG_INFO("%s: finding all ids", store->dir);
    error = fill_from(store, GOAL_DB_RECORDS, txn);
    if (!error) {
        error = fill_from(store, GOAL_DB_GRAVES, txn);
    }
    if (!error) {
        error = fill_from(store, GOAL_DB_NAMES, txn);
    }
    goal_store_end_reading(store);
    return error;
}

static uint64_t
last_txnid(const struct goal_store *store)
{
    MDB_envinfo info;

    return mdb_env_info(store->env, &info) ? 0 : info.me_last_txnid;
}

/* Makes it possible to find ids. */
int
goal_ids_open(struct goal_store *store)
{
    char *name = xasprintf("%s/ids.map", store->dir);
    bool valid;
    int error;

    error = goal_map_open(name, last_txnid(store), &store->map, &valid);
    if (!error && !valid) {
        error = fill(store);
    }
    free(name);
    return error;
}

void
goal_ids_close(struct goal_store *store)
{
    if (store->map) {
        goal_map_close(store->map, last_txnid(store));
        store->map = NULL;
    }
    cache_clear(store);
    free(store->write.ids);
}
