/* SPDX-License-Identifier: Apache-2.0
 *
 * goal-txn-undo: what a transaction found, and back to it. */

#include <config.h>

#include "store/goal-txn-private.h"

#include <stdlib.h>
#include <string.h>

#include "coverage.h"
#include "store/vni-claims.h"
#include "util.h"

COVERAGE_DEFINE(goal_store_undone);

/* Before a transaction writes a resource for the first time, all that the
 * store has of it is copied: its record and its tombstone, as they are, or
 * that there is neither.  As long as the copy is there, it counts as referring
 * to their origins. */
struct undo_row {
    uint32_t kind;
    uint32_t record_len;        /* 0: no record. */
    uint32_t grave_len;         /* 0: no tombstone. */
    uint32_t id_len;
};

/* A row taken apart.  Points into it. */
struct undo {
    enum goal_kind kind;
    uint64_t sid;
    char *id;                   /* Owned. */
    MDB_val record;
    MDB_val grave;
};

static bool
undo_parse(uint64_t sid, const void *data, size_t len, struct undo *undo)
{
    const char *p = data;
    struct undo_row row;

    if (len < sizeof row) {
        return false;
    }
    memcpy(&row, p, sizeof row);
    if (row.kind >= GOAL_N_KINDS
        || len - sizeof row != ((uint64_t) row.record_len + row.grave_len
                                + row.id_len)) {
        return false;
    }
    p += sizeof row;
    *undo = (struct undo) {
        .kind = row.kind,
        .sid = sid,
        .record = goal_val(p, row.record_len),
        .grave = goal_val(p + row.record_len, row.grave_len),
        .id = xmemdup0(p + row.record_len + row.grave_len, row.id_len),
    };
    return true;
}

static uint32_t
record_origin(const MDB_val *v)
{
    struct goal_record r;

    return (v->mv_size && goal_record_parse(v->mv_data, v->mv_size, &r)
            ? r.origin : 0);
}

/* Adds 'refs' to the references to the origins that are in a row. */
static void
credit(struct goal_store *store, const MDB_val *record, const MDB_val *grave,
       int refs)
{
    goal_origin_credit(store, record_origin(record), refs);
    goal_origin_credit(store, goal_grave_origin_number(grave), refs);
}

/* Number of references to origins that the 'len' bytes of a row are. */
uint64_t
goal_undo_count_refs(const void *data, size_t len)
{
    uint64_t n = 0;
    struct undo undo;

    if (undo_parse(0, data, len, &undo)) {
        n += record_origin(&undo.record) != 0;
        n += goal_grave_origin_number(&undo.grave) != 0;
        free(undo.id);
    }
    return n;
}

/* Reads 'sid' in 'db'; what is not there is empty. */
static int
read_or_none(struct goal_store *store, enum goal_db db, uint64_t sid,
             MDB_val *v)
{
    int error = goal_read_u64(store, db, sid, v);

    if (error) {
        *v = goal_val(NULL, 0);
    }
    return error == MDB_NOTFOUND ? 0 : error;
}

/* If the write in progress is to be undone, sets '*saved' and copies what is
 * there of 'key', named 'id', which is about to be written. */
int
goal_undo_save(struct goal_store *store, const struct goal_key *key,
               const char *id, bool *saved)
{
    const struct goal_txn_write *tw = store->txns->write;
    MDB_val record, grave, v;
    int error;

    *saved = false;
    if (!tw || !tw->undo
        || !goal_txn_read_row(store, tw->next->number, GOAL_TXN_UNDO,
                              key->sid, &v)) {
        return 0;
    }
    error = read_or_none(store, GOAL_DB_RECORDS, key->sid, &record);
    if (!error) {
        error = read_or_none(store, GOAL_DB_GRAVES, key->sid, &grave);
    }
    if (error) {
        return error;
    }

    struct undo_row row = {
        .kind = key->kind, .record_len = record.mv_size,
        .grave_len = grave.mv_size, .id_len = strlen(id),
    };
    size_t size = (sizeof row + record.mv_size + grave.mv_size + row.id_len);
    char *bytes = xmalloc(size), *p = bytes;

    memcpy(p, &row, sizeof row);
    p += sizeof row;
    memcpy(p, record.mv_data ? record.mv_data : "", record.mv_size);
    p += record.mv_size;
    memcpy(p, grave.mv_data ? grave.mv_data : "", grave.mv_size);
    memcpy(p + grave.mv_size, id, row.id_len);
    credit(store, &record, &grave, 1);
    error = goal_txn_write_row(store, tw->next->number, GOAL_TXN_UNDO,
                               key->sid, goal_val(bytes, size));
    free(bytes);
    *saved = true;
    return error;
}

/* Restoring. */

/* Makes the record of 'undo' what it was, of which 'now' is stored and 'old'
 * is to be; either may be null. */
static int
restore_record(struct goal_store *store, const struct undo *undo,
               const struct goal_resource *now,
               const struct goal_resource *old)
{
    struct goal_write_state *w = &store->write;
    const struct goal_key key = { undo->kind, undo->sid };
    int error = 0;

    w->old_refs.n = w->new_refs.n = 0;
    if (now) {
        error = goal_refs_build(store, now, undo->sid, &w->old_refs);
    }
    if (!error && old) {
        error = goal_refs_build(store, old, undo->sid, &w->new_refs);
    }
    if (!error) {
        error = goal_refs_update(store, &w->old_refs, &w->new_refs);
    }
    if (!error && old) {
        error = goal_erase_u64(store, GOAL_DB_NAMES, undo->sid);
    }
    if (!error) {
        error = (old ? goal_write_u64(store, GOAL_DB_RECORDS, undo->sid,
                                      undo->record)
                 : goal_erase_u64(store, GOAL_DB_RECORDS, undo->sid));
    }
    if (error) {
        return error;
    }
    store->head.counts[undo->kind] += (old != NULL) - (now != NULL);
    goal_note_change(store, &key, undo->id, !old);
    if (store->claims && old) {
        vni_claims_put(store->claims, old);
    } else if (store->claims) {
        vni_claims_delete(store->claims, undo->kind, undo->id);
    }
    return 0;
}

/* Makes the tombstone of 'undo' what it was, and forgets the id if it was not
 * known at all. */
static int
restore_grave(struct goal_store *store, const struct undo *undo)
{
    bool is_parent;
    int error = goal_grave_remove(store, undo->sid);

    if (error || undo->record.mv_size) {
        return error;
    } else if (undo->grave.mv_size) {
        return goal_grave_restore(store, undo->sid, undo->grave);
    }
    error = goal_index_is_parent(store, undo->kind, undo->sid, &is_parent);
    goal_sweep_want(store);
    return (error ? error
            : is_parent ? goal_id_name(store, undo->sid, undo->id)
            : goal_id_forget(store, undo->kind, undo->id, undo->sid));
}

static int
restore(struct goal_store *store, const struct undo *undo)
{
    struct goal_resource *now = NULL, *old = NULL;
    MDB_val v;
    int error = read_or_none(store, GOAL_DB_RECORDS, undo->sid, &v);

    if (error) {
        return error;
    }
    now = v.mv_size ? goal_record_unpack(v.mv_data, v.mv_size) : NULL;
    old = (undo->record.mv_size
           ? goal_record_unpack(undo->record.mv_data, undo->record.mv_size)
           : NULL);
    if ((v.mv_size && !now) || (undo->record.mv_size && !old)) {
        error = MDB_CORRUPTED;
    } else {
        /* Those of 'undo' go from the copy to what is restored. */
        goal_origin_credit(store, record_origin(&v), -1);
        if (now || old) {
            error = restore_record(store, undo, now, old);
        }
        if (!error) {
            error = restore_grave(store, undo);
        }
    }
    goal_resource_destroy(now);
    goal_resource_destroy(old);
    return error;
}

/* Makes all that transaction 'number' has written what it was before. */
int
goal_undo_restore_all(struct goal_store *store, uint64_t number)
{
    uint64_t sid = 0;
    MDB_val v;
    int error;

    while (!(error = goal_txn_next_row(store, number, GOAL_TXN_UNDO, &sid,
                                       &v))) {
        char *copy = xmemdup(v.mv_data, v.mv_size);
        uint8_t key[GOAL_TXN_KEY_LEN];
        struct undo undo;

        goal_txn_key(key, number, GOAL_TXN_UNDO, sid);
        error = (undo_parse(sid, copy, v.mv_size, &undo)
                 ? goal_erase(store, GOAL_DB_TXNS, goal_val(key, sizeof key))
                 : MDB_CORRUPTED);
        if (!error) {
            COVERAGE_INC(goal_store_undone);
            error = restore(store, &undo);
            free(undo.id);
        }
        free(copy);
        if (error) {
            return error;
        }
    }
    return error == MDB_NOTFOUND ? 0 : error;
}

/* Forgets the copies: what is written stays. */
int
goal_undo_forget(struct goal_store *store, uint64_t number)
{
    uint64_t sid = 0;
    MDB_val v;
    int error;

    while (!(error = goal_txn_next_row(store, number, GOAL_TXN_UNDO, &sid,
                                       &v))) {
        struct undo undo;

        if (undo_parse(sid, v.mv_data, v.mv_size, &undo)) {
            credit(store, &undo.record, &undo.grave, -1);
            free(undo.id);
        }
        sid++;
    }
    return (error == MDB_NOTFOUND
            ? goal_txn_erase_part(store, number, GOAL_TXN_UNDO) : error);
}
