/* SPDX-License-Identifier: Apache-2.0
 *
 * goal-store: opening, closing and reading the durable copy of goal state. */

#include <config.h>

#include "store/goal-store.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "coverage.h"
#include "limit.h"
#include "openvswitch/vlog.h"
#include "simap.h"
#include "store/goal-store-private.h"
#include "store/vni-claims.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(goal_store);

LIMIT_DEFINE(goal_store_MB, 64 * 1024, LIMIT_FIXED, LIMIT_REFUSED)

COVERAGE_DEFINE(goal_store_read_error);
COVERAGE_DEFINE(goal_store_damaged_record);

const struct goal_db_info goal_dbs[GOAL_N_DBS] = {
#define GOAL_DB(ENUM, NAME, FLAGS) [GOAL_DB_##ENUM] = { NAME, FLAGS },
    GOAL_DBS
#undef GOAL_DB
};

/* Opening and closing. */

char *
goal_store_open(const char *dir, struct goal_store **storep)
{
    struct goal_store *store = xzalloc(sizeof *store);
    char *error;

    *storep = NULL;
    store->dir = xstrdup(dir);
    for (size_t n = strlen(dir); n > 1 && store->dir[n - 1] == '/'; n--) {
        store->dir[n - 1] = '\0';
    }
    store->lock_fd = -1;
    store->wall_offset = time_wall_msec() - time_msec();
    hmap_init(&store->id_cache);
    hmap_init(&store->write.credits);
    store->sweep = goal_sweep_create();
    hmap_init(&store->counted);
    error = goal_env_open(store);
    if (!error) {
        int retval = goal_ids_open(store);

        retval = retval ? retval : goal_origins_open(store);
        retval = retval ? retval : goal_txns_open(store);
        error = retval ? goal_store_error(store, "cannot open", retval) : NULL;
    }
    if (error) {
        goal_store_close(store);
        return error;
    }
    store->sync = goal_sync_create(store->env, store->dir);
    store->next_run = store->head.n_graves ? 0 : LLONG_MAX;
    goal_sweep_want(store);
    error = goal_txns_recover(store);
    if (error) {
        goal_store_close(store);
        return error;
    }
    *storep = store;
    return NULL;
}

static void
goal_write_state_uninit(struct goal_write_state *w)
{
    goal_changes_destroy(&w->pending);
    goal_changes_destroy(&w->done);
    goal_buffer_uninit(&w->buffer);
    goal_refs_uninit(&w->new_refs);
    goal_refs_uninit(&w->old_refs);
    free(w->touched);
    hmap_destroy(&w->credits);
}

void
goal_store_close(struct goal_store *store)
{
    struct goal_changes changes = GOAL_CHANGES_INITIALIZER;

    if (!store) {
        return;
    }
    if (store->write.active) {
        goal_store_abort(store, &changes);
        goal_changes_destroy(&changes);
    }
    goal_sync_destroy(store->sync);
    if (store->read_txn) {
        mdb_txn_abort(store->read_txn);
    }
    goal_ids_close(store);
    goal_env_close(store);
    hmap_destroy(&store->id_cache);
    goal_sweep_destroy(store->sweep);
    goal_counted_clear(store);
    hmap_destroy(&store->counted);
    goal_write_state_uninit(&store->write);
    goal_txns_close(store);
    vni_claims_destroy(store->claims);
    free(store->write_error);
    free(store->dir);
    free(store);
}

char *
goal_store_note_error(struct goal_store *store, char *error)
{
    free(store->write_error);
    store->write_error = nullable_xstrdup(error);
    return error;
}

const char *
goal_store_write_error(const struct goal_store *store)
{
    return store->write_error;
}

bool
goal_store_is_new(const struct goal_store *store)
{
    return store->is_new;
}

bool
goal_store_was_restored(const struct goal_store *store)
{
    return store->was_restored;
}

char *
goal_store_sync(struct goal_store *store)
{
    int error = mdb_env_sync(store->env, 1);

    return error ? goal_store_error(store, "sync failed", error) : NULL;
}

/* Returns a message that says that 'what' went wrong in 'store' because of
 * 'error', owned by the caller. */
char *
goal_store_error(const struct goal_store *store, const char *what, int error)
{
    if (error == MDB_MAP_FULL) {
        limit_hit(&limit_goal_store_MB);
        return xasprintf("%s: %s: the store is full (its limit is %"PRIu64
                         " MiB)", store->dir, what, store->map_size >> 20);
    }
    return xasprintf("%s: %s: %s", store->dir, what,
                     error > 0 ? ovs_strerror(error) : mdb_strerror(error));
}

/* Reading.
 *
 * What cannot be read is as good as absent, and is logged. */

/* Returns the transaction to read with: that of the write in progress, or one
 * that sees the last commit.  Returns NULL if there is none to be had. */
MDB_txn *
goal_store_txn(const struct goal_store *store_)
{
    static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(1, 5);
    struct goal_store *store = CONST_CAST(struct goal_store *, store_);
    int error;

    if (store->write.txn) {
        return store->write.txn;
    } else if (store->read_live) {
        return store->read_txn;
    }
    if (store->read_txn) {
        error = mdb_txn_renew(store->read_txn);
    } else {
        error = mdb_txn_begin(store->env, NULL, MDB_RDONLY,
                              &store->read_txn);
    }
    if (error) {
        COVERAGE_INC(goal_store_read_error);
        VLOG_ERR_RL(&rl, "%s: cannot read: %s", store->dir,
                    mdb_strerror(error));
        return NULL;
    }
    store->read_live = true;
    return store->read_txn;
}

/* Makes the next lookup see what has been committed since the last one. */
void
goal_store_end_reading(struct goal_store *store)
{
    if (store->read_live) {
        mdb_txn_reset(store->read_txn);
        store->read_live = false;
    }
}

/* Stores what 'key', 'len' bytes long, has in 'db' in '*value'. */
int
goal_read(const struct goal_store *store, enum goal_db db, const void *key,
          size_t len, MDB_val *value)
{
    MDB_txn *txn = goal_store_txn(store);
    MDB_val k = goal_val(key, len);

    return txn ? mdb_get(txn, store->dbis[db], &k, value) : MDB_BAD_TXN;
}

int
goal_read_u64(const struct goal_store *store, enum goal_db db, uint64_t key,
              MDB_val *value)
{
    return goal_read(store, db, &key, sizeof key, value);
}

bool
goal_store_lookup(struct goal_store *store, enum goal_kind kind,
                  const char *id, struct goal_key *key)
{
    uint64_t entry;
    MDB_val record;

    if (goal_id_find(store, kind, id, &entry, &record)
        || !(entry & GOAL_ID_STORED)) {
        return false;
    }
    *key = (struct goal_key) { kind, entry & ~GOAL_ID_STORED };
    return true;
}

/* Returns the resource of 'kind' in 'record', which is that of 'sid', or NULL
 * if it is damaged. */
static struct goal_resource *
unpack(const struct goal_store *store, enum goal_kind kind, uint64_t sid,
       const MDB_val *record)
{
    static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(1, 5);
    struct goal_resource *resource;

    resource = goal_record_unpack(record->mv_data, record->mv_size);
    if (!resource || resource->kind != kind) {
        COVERAGE_INC(goal_store_damaged_record);
        VLOG_WARN_RL(&rl, "%s: record %"PRIx64" is damaged", store->dir, sid);
        goal_resource_destroy(resource);
        resource = NULL;
    }
    return resource;
}

struct goal_resource *
goal_store_get(struct goal_store *store, enum goal_kind kind, const char *id)
{
    uint64_t entry;
    MDB_val record;

    return (goal_id_find(store, kind, id, &entry, &record)
            || !(entry & GOAL_ID_STORED)
            ? NULL
            : unpack(store, kind, entry & ~GOAL_ID_STORED, &record));
}

struct goal_resource *
goal_store_get_key(struct goal_store *store, const struct goal_key *key)
{
    MDB_val record;

    return (goal_read_u64(store, GOAL_DB_RECORDS, key->sid, &record)
            ? NULL
            : unpack(store, key->kind, key->sid, &record));
}

/* In the order in which their ids were heard of. */
void
goal_store_for_each(struct goal_store *store, enum goal_kind kind,
                    bool (*cb)(const struct goal_key *, const char *id,
                               void *aux),
                    void *aux)
{
    uint64_t sid = goal_kind_rank(kind) << GOAL_SID_RANK_SHIFT;
    uint64_t end = sid + (UINT64_C(1) << GOAL_SID_RANK_SHIFT);
    MDB_txn *txn = goal_store_txn(store);
    MDB_val k = goal_val(&sid, sizeof sid);
    MDB_cursor *cursor;
    MDB_val v;

    if (!txn || mdb_cursor_open(txn, store->dbis[GOAL_DB_RECORDS], &cursor)) {
        return;
    }
    for (int error = mdb_cursor_get(cursor, &k, &v, MDB_SET_RANGE); !error;
         error = mdb_cursor_get(cursor, &k, &v, MDB_NEXT)) {
        char id[GOAL_MAX_ID + 1];
        struct goal_record r;
        struct goal_key key;

        memcpy(&key.sid, k.mv_data, sizeof key.sid);
        key.kind = kind;
        if (key.sid >= end) {
            break;
        } else if (!goal_record_parse(v.mv_data, v.mv_size, &r)
                   || r.id_len >= sizeof id) {
            continue;
        }
        memcpy(id, r.id, r.id_len);
        id[r.id_len] = '\0';
        if (!cb(&key, id, aux)) {
            break;
        }
    }
    mdb_cursor_close(cursor);
}

/* VNIs. */

static bool
add_claim(const struct goal_key *key, const char *id OVS_UNUSED, void *store_)
{
    struct goal_store *store = store_;
    struct goal_resource *resource = goal_store_get_key(store, key);

    if (resource) {
        vni_claims_put(store->claims, resource);
        goal_resource_destroy(resource);
    }
    return true;
}

const struct vni_claims *
goal_store_vni_claims(struct goal_store *store)
{
    if (!store->claims) {
        store->claims = vni_claims_create();
        goal_store_for_each(store, GOAL_VPC, add_claim, store);
        goal_store_for_each(store, GOAL_SUBNET, add_claim, store);
    }
    return store->claims;
}

/* Makes the claims those of what is stored, after 'undone' have been. */
void
goal_store_restore_claims(struct goal_store *store,
                          const struct goal_changes *undone)
{
    for (size_t i = 0; store->claims && i < undone->n; i++) {
        const struct goal_change *c = &undone->changes[i];
        struct goal_resource *resource;

        if (c->key.kind != GOAL_VPC && c->key.kind != GOAL_SUBNET) {
            continue;
        }
        resource = goal_store_get(store, c->key.kind, c->id);
        if (resource) {
            vni_claims_put(store->claims, resource);
        } else {
            vni_claims_delete(store->claims, c->key.kind, c->id);
        }
        goal_resource_destroy(resource);
    }
}

/* Counting. */

size_t
goal_store_count(const struct goal_store *store, enum goal_kind kind)
{
    return store->head.counts[kind];
}

/* How much of the map is in use. */
static uint64_t
used_bytes(const struct goal_store *store)
{
    MDB_envinfo info;
    MDB_stat stat;

    return (!mdb_env_info(store->env, &info)
            && !mdb_env_stat(store->env, &stat)
            ? (uint64_t) (info.me_last_pgno + 1) * stat.ms_psize : 0);
}

void
goal_store_get_memory_usage(const struct goal_store *store,
                            struct simap *usage)
{
    const struct goal_write_state *w = &store->write;

    for (size_t i = 0; i < GOAL_N_KINDS; i++) {
        char *name = xasprintf("goal-%s", goal_kinds[i].name);

        if (store->head.counts[i]) {
            simap_increase(usage, name, store->head.counts[i]);
        }
        free(name);
    }
    if (store->head.n_origins) {
        simap_increase(usage, "goal-topics", store->head.n_origins);
    }
    if (store->head.n_graves) {
        simap_increase(usage, "goal-tombstones", store->head.n_graves);
    }
    simap_increase(usage, "goal-store-MB", used_bytes(store) >> 20);
    simap_increase(usage, "goal-cached-ids", hmap_count(&store->id_cache));
    if (w->active) {
        simap_increase(usage, "goal-changes", w->pending.n + w->done.n);
    }
}
