/* SPDX-License-Identifier: Apache-2.0
 *
 * goal-store-ids: ids of resources and their surrogates. */

#include <config.h>

#include "store/goal-store-private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "hash.h"
#include "store/dep-key.h"
#include "util.h"

/* The cache of parents' ids is emptied when it has this many. */
#define MAX_CACHED 4096

/* Key in "ids". */
struct id_key {
    uint8_t bytes[1 + GOAL_MAX_ID];
    size_t len;
};

/* The id of a parent, for which every child asks again. */
struct cached_id {
    struct hmap_node node;      /* In store's 'id_cache'. */
    uint64_t sid;
    uint64_t dep;               /* Dependency key of the index by it. */
    enum goal_kind kind;
    char id[];                  /* Null-terminated. */
};

static bool
id_key_init(struct id_key *key, enum goal_kind kind, const char *id)
{
    size_t len = strlen(id);

    if (!len || len > GOAL_MAX_ID) {
        return false;
    }
    key->bytes[0] = kind;
    memcpy(&key->bytes[1], id, len);
    key->len = 1 + len;
    return true;
}

static int
id_entry(const MDB_val *value, uint64_t *entry)
{
    if (value->mv_size != sizeof *entry) {
        return MDB_CORRUPTED;
    }
    memcpy(entry, value->mv_data, sizeof *entry);
    return 0;
}

/* Stores the entry of 'id' in '*entry'.  An id that cannot be is not found. */
int
goal_id_lookup(const struct goal_store *store, enum goal_kind kind,
               const char *id, uint64_t *entry)
{
    struct id_key key;
    MDB_val value;
    int error;

    if (!id_key_init(&key, kind, id)) {
        return MDB_NOTFOUND;
    }
    error = goal_read(store, GOAL_DB_IDS, key.bytes, key.len, &value);
    return error ? error : id_entry(&value, entry);
}

/* Gives 'id' a surrogate if it has none yet: then '*is_new' is true, and
 * 'flags' go into its entry.  Stores the entry in '*entry' (when there was
 * one, as it was). */
int
goal_id_intern(struct goal_store *store, enum goal_kind kind, const char *id,
               uint64_t flags, uint64_t *entry, bool *is_new)
{
    MDB_cursor *cursor = goal_write_cursor(store, GOAL_DB_IDS);
    struct id_key key;
    MDB_val k, v;
    int error;

    if (!cursor) {
        return MDB_BAD_TXN;
    } else if (!id_key_init(&key, kind, id)) {
        return EINVAL;
    }
    *entry = store->head.next_sid | flags;
    k = goal_val(key.bytes, key.len);
    v = goal_val(entry, sizeof *entry);
    error = mdb_cursor_put(cursor, &k, &v, MDB_NOOVERWRITE);
    *is_new = !error;
    if (error == MDB_KEYEXIST) {
        return id_entry(&v, entry);
    } else if (!error) {
        store->head.next_sid++;
        store->write.dirty = true;
    }
    return error;
}

/* Replaces the entry of 'id', which has one. */
int
goal_id_set(struct goal_store *store, enum goal_kind kind, const char *id,
            uint64_t entry)
{
    struct id_key key;

    if (!id_key_init(&key, kind, id)) {
        return EINVAL;
    }
    return goal_write(store, GOAL_DB_IDS, goal_val(key.bytes, key.len),
                      goal_val(&entry, sizeof entry));
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

/* Removes the entry of 'id'. */
int
goal_id_forget(struct goal_store *store, enum goal_kind kind, const char *id)
{
    struct cached_id *c = cache_find(store, kind, id, hash_string(id, kind));
    struct id_key key;

    if (c) {
        hmap_remove(&store->id_cache, &c->node);
        free(c);
    }
    if (!id_key_init(&key, kind, id)) {
        return EINVAL;
    }
    return goal_erase(store, GOAL_DB_IDS, goal_val(key.bytes, key.len));
}

/* Cache. */

/* The index by which children of a parent of 'kind' are found (by it alone,
 * that is, which excludes GOAL_BY_ADDRESS). */
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
    bool is_new;
    int error;

    if (!c) {
        error = goal_id_intern(store, kind, id, 0, &entry, &is_new);
        if (error) {
            return error;
        }
        if (hmap_count(&store->id_cache) >= MAX_CACHED) {
            goal_id_cache_clear(store);
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

/* Must be called when an id that may be in the cache has become void. */
void
goal_id_cache_clear(struct goal_store *store)
{
    struct cached_id *c;

    HMAP_FOR_EACH_POP (c, node, &store->id_cache) {
        free(c);
    }
}
