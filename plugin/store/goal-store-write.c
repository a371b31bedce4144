/* SPDX-License-Identifier: Apache-2.0
 *
 * goal-store-write: writes, and the change sets that they leave. */

#include <config.h>

#include "store/goal-store-private.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "coverage.h"
#include "fault-point.h"
#include "openvswitch/vlog.h"
#include "store/dep-key.h"
#include "store/goal-merge.h"
#include "store/vni-claims.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(goal_store_write);

COVERAGE_DEFINE(goal_store_damaged_target);

/* Alcor's GatewayType ARION. */
#define GATEWAY_ARION 5

/* Up to this many dependency keys are sorted by insertion. */
#define MAX_INSERTION 16

/* A resource being put or deleted, and what there is of it. */
struct target {
    struct goal_key key;
    const char *id;
    bool is_new;                /* Never heard of its id before. */
    bool stored;                /* There is a record: */
    MDB_val bytes;              /* As packed.  Valid until the first change. */
    struct goal_record record;  /* Its header.  Likewise. */
    struct goal_resource *old;  /* Unpacked.  Null until target_unpack(), and
                                 * if the record is damaged. */
};

static int write_end(struct goal_store *);

/* Transactions. */

static int
txn_begin(struct goal_store *store)
{
    struct goal_write_state *w = &store->write;

    goal_store_end_reading(store);
    memset(w->cursors, 0, sizeof w->cursors);
    w->n_batch = 0;
    w->dirty = false;
    return mdb_txn_begin(store->env, NULL, 0, &w->txn);
}

/* Undoes what the transaction has done. */
static void
txn_abort(struct goal_store *store)
{
    struct goal_write_state *w = &store->write;

    if (w->txn) {
        mdb_txn_abort(w->txn);
        w->txn = NULL;
    }
    store->head = store->committed;
    w->number = 0;
    goal_ids_abort(store);
    goal_origin_unsettle(store);
    goal_counted_clear(store);
    goal_txns_dropped(store);
    goal_store_restore_claims(store, &w->pending);
    goal_changes_destroy(&w->pending);
}

static int
txn_commit(struct goal_store *store)
{
    struct goal_write_state *w = &store->write;
    int error = goal_txns_settle(store);

    if (!error) {
        error = goal_origin_settle(store);
    }
    if (!error
        && memcmp(&store->head, &store->committed, sizeof store->head)) {
        error = goal_write(store, GOAL_DB_META, goal_val("head", 4),
                           goal_val(&store->head, sizeof store->head));
    }
    if (error) {
        return error;
    }
    if (FAULT_POINT_NOW(STORE_COMMIT_BEFORE)) {
        return EIO;
    }
    error = mdb_txn_commit(w->txn);
    w->txn = NULL;
    if (!error) {
        store->committed = store->head;
        goal_ids_commit(store);
        goal_txns_committed(store);
        goal_changes_move(&w->done, &w->pending);
        if (w->dirty) {
            goal_sync_wake(store->sync);
        }
        error = FAULT_POINT_NOW(STORE_COMMIT_AFTER) ? EIO : 0;
    }
    return error;
}

/* Returns the cursor for 'slot', an enum goal_db, or GOAL_N_DBS plus an enum
 * goal_index.  Returns NULL if there is none to be had. */
MDB_cursor *
goal_write_cursor(struct goal_store *store, size_t slot)
{
    struct goal_write_state *w = &store->write;
    size_t db = slot < GOAL_N_DBS ? slot : GOAL_DB_INDEX;

    if (!w->cursors[slot]
        && mdb_cursor_open(w->txn, store->dbis[db], &w->cursors[slot])) {
        return NULL;
    }
    return w->cursors[slot];
}

int
goal_write(struct goal_store *store, enum goal_db db, MDB_val key,
           MDB_val value)
{
    MDB_cursor *cursor = goal_write_cursor(store, db);

    store->write.dirty = true;
    return cursor ? mdb_cursor_put(cursor, &key, &value, 0) : MDB_BAD_TXN;
}

/* Removes 'key', which need not be there. */
int
goal_erase(struct goal_store *store, enum goal_db db, MDB_val key)
{
    int error = mdb_del(store->write.txn, store->dbis[db], &key, NULL);

    if (!error) {
        store->write.dirty = true;
    }
    return error == MDB_NOTFOUND ? 0 : error;
}

int
goal_write_u64(struct goal_store *store, enum goal_db db, uint64_t key,
               MDB_val value)
{
    return goal_write(store, db, goal_val(&key, sizeof key), value);
}

int
goal_erase_u64(struct goal_store *store, enum goal_db db, uint64_t key)
{
    return goal_erase(store, db, goal_val(&key, sizeof key));
}

/* Beginning and ending a write. */

static void
write_take_origin(struct goal_write_state *w,
                  const struct goal_origin *origin)
{
    w->number = 0;
    w->origin = *origin;
    w->origin.sender = xstrdup(origin->sender);
    w->origin.topic = xstrdup(origin->topic);
}

static void
write_drop_origin(struct goal_write_state *w)
{
    free(CONST_CAST(char *, w->origin.sender));
    free(CONST_CAST(char *, w->origin.topic));
}

char *
goal_store_begin(struct goal_store *store, const struct goal_origin *origin)
{
    struct goal_write_state *w = &store->write;
    int error;

    ovs_assert(!w->active);
    error = txn_begin(store);
    if (error) {
        w->txn = NULL;
        return goal_store_note_error(store, goal_store_error(
            store, "cannot begin to write", error));
    }
    w->active = true;
    w->failed = w->marked = false;
    write_take_origin(w, origin);
    return NULL;
}

void
goal_store_set_origin(struct goal_store *store,
                      const struct goal_origin *origin)
{
    struct goal_write_state *w = &store->write;

    ovs_assert(w->active);
    if (strcmp(w->origin.sender, origin->sender)
        || strcmp(w->origin.topic, origin->topic)
        || w->origin.epoch != origin->epoch) {
        write_drop_origin(w);
        write_take_origin(w, origin);
    } else {
        w->origin.sequence = origin->sequence;
    }
}

/* Ends the write, after its last transaction has ended, and hands over its
 * changes. */
static void
write_finish(struct goal_store *store, struct goal_changes *changes)
{
    struct goal_write_state *w = &store->write;

    goal_changes_move(changes, &w->done);
    write_drop_origin(w);
    w->active = false;
}

/* Undoes the transaction because of 'error' and returns a message. */
static char *
write_fail(struct goal_store *store, const char *what, int error)
{
    txn_abort(store);
    store->write.failed = true;
    return goal_store_note_error(store,
                                 goal_store_error(store, what, error));
}

static char *
write_failed_earlier(const struct goal_store *store)
{
    return xasprintf("%s: the write has failed before", store->dir);
}

char *
goal_store_commit(struct goal_store *store, struct goal_changes *changes)
{
    struct goal_write_state *w = &store->write;
    char *message = NULL;

    ovs_assert(w->active);
    if (w->failed) {
        message = write_failed_earlier(store);
    } else {
        int error = write_end(store);

        if (error) {
            message = write_fail(store, "commit failed", error);
        } else {
            goal_store_note_error(store, NULL);
        }
    }
    write_finish(store, changes);
    return message;
}

void
goal_store_abort(struct goal_store *store, struct goal_changes *changes)
{
    ovs_assert(store->write.active);
    txn_abort(store);
    write_finish(store, changes);
}

char *
goal_store_set_position(struct goal_store *store,
                        const struct goal_origin *origin)
{
    struct goal_changes changes = GOAL_CHANGES_INITIALIZER;
    char *error = goal_store_begin(store, origin);

    if (!error) {
        error = goal_store_commit(store, &changes);
        goal_changes_destroy(&changes);
    }
    return error;
}

/* Does the last transaction of a write. */
static int
write_end(struct goal_store *store)
{
    struct goal_write_state *w = &store->write;
    int error = w->origin.hold ? 0 : goal_origin_advance(store, &w->origin);

    if (!error && w->marked) {
        error = goal_incomplete_unmark(store, w->mark_number);
    }
    if (!error && store->head.n_incomplete && !w->origin.hold) {
        error = goal_incomplete_clear(store, &w->origin);
    }
    return error ? error : txn_commit(store);
}

/* Makes room for one more resource: if the transaction is full, commits it and
 * starts another, unless all of the write is to be one. */
static int
write_room(struct goal_store *store)
{
    struct goal_write_state *w = &store->write;
    int error = 0;

    if (w->n_batch >= GOAL_STORE_BATCH && !goal_txns_is_writing(store)) {
        error = w->marked ? 0 : goal_incomplete_mark(store);
        if (!error) {
            error = txn_commit(store);
        }
        if (!error) {
            w->mark_number = w->marked ? w->mark_number : w->number;
            w->marked = true;
            error = txn_begin(store);
        }
    }
    w->n_batch++;
    return error;
}

/* Targets. */

/* Sets up 't', about which 'entry' and, if it is stored, 'bytes' are known. */
static void
target_set(struct target *t, uint64_t entry)
{
    t->key.sid = entry & ~GOAL_ID_STORED;
    t->stored = !t->is_new && entry & GOAL_ID_STORED;
    if (t->stored && !goal_record_parse(t->bytes.mv_data, t->bytes.mv_size,
                                        &t->record)) {
        t->record = (struct goal_record) { .body = NULL };
    }
}

static void
target_unpack(const struct goal_store *store, struct target *t)
{
    static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(1, 5);

    if (t->old) {
        return;
    }
    t->old = goal_record_unpack(t->bytes.mv_data, t->bytes.mv_size);
    if (!t->old) {
        COVERAGE_INC(goal_store_damaged_target);
        VLOG_WARN_RL(&rl, "%s: record %"PRIu64" is damaged", store->dir,
                     t->key.sid);
    }
}

/* Prepares for writing 't': if that may have to be undone, what is there is
 * saved first. */
static int
target_save(struct goal_store *store, struct target *t)
{
    bool saved;
    int error = goal_undo_save(store, &t->key, t->id, &saved);

    if (!error && saved && t->stored) {
        error = goal_read_u64(store, GOAL_DB_RECORDS, t->key.sid, &t->bytes);
        if (!error) {
            target_set(t, t->key.sid | GOAL_ID_STORED);
        }
    }
    return error;
}

/* Sets '*stale' if 'revision' is older than what is stored of 't', or than its
 * tombstone. */
static int
target_check_revision(const struct goal_store *store, const struct target *t,
                      uint32_t revision, bool *stale)
{
    uint32_t known = 0;
    int error = 0;

    if (t->stored) {
        known = t->record.revision;
    } else if (!t->is_new && store->head.n_graves) {
        error = goal_grave_revision(store, t->key.sid, &known);
    }
    *stale = revision && revision < known;
    return error;
}

/* Changes. */

static int
compare_u64(const void *a_, const void *b_)
{
    const uint64_t *a = a_;
    const uint64_t *b = b_;

    return *a < *b ? -1 : *a > *b;
}

/* Sorts the 'n' numbers at 'p' and removes duplicates.  Returns how many are
 * left. */
static size_t
sort_unique(uint64_t *p, size_t n)
{
    size_t k = 0;

    if (n > MAX_INSERTION) {
        qsort(p, n, sizeof *p, compare_u64);
    } else {
        for (size_t i = 1; i < n; i++) {
            for (size_t j = i; j > 0 && p[j - 1] > p[j]; j--) {
                uint64_t tmp = p[j];

                p[j] = p[j - 1];
                p[j - 1] = tmp;
            }
        }
    }
    for (size_t i = 0; i < n; i++) {
        if (!k || p[k - 1] != p[i]) {
            p[k++] = p[i];
        }
    }
    return k;
}

/* Adds 'key', named 'id', which was in the old references of the write and is
 * in the new ones, to the change set. */
void
goal_note_change(struct goal_store *store, const struct goal_key *key,
                 const char *id, bool deleted)
{
    struct goal_write_state *w = &store->write;
    const struct goal_refs *old = &w->old_refs;
    const struct goal_refs *new = &w->new_refs;
    size_t n = 0;

    while (w->allocated_touched < old->n + new->n + 1) {
        w->touched = x2nrealloc(w->touched, &w->allocated_touched,
                                sizeof *w->touched);
    }
    w->touched[n++] = dep_key_string(key->kind, id);
    for (size_t i = 0; i < old->n; i++) {
        w->touched[n++] = old->refs[i].dep;
    }
    for (size_t i = 0; i < new->n; i++) {
        w->touched[n++] = new->refs[i].dep;
    }
    goal_changes_add(&w->pending, key, id, deleted, w->touched,
                     sort_unique(w->touched, n));
}

/* Deleting. */

/* Deletes 't', which is stored. */
static int
target_delete(struct goal_store *store, struct target *t, uint32_t revision)
{
    struct goal_write_state *w = &store->write;
    int error = 0;

    w->old_refs.n = w->new_refs.n = 0;
    error = target_save(store, t);
    if (!error) {
        target_unpack(store, t);
    }
    if (!error && t->old) {
        error = goal_refs_build(store, t->old, t->key.sid, &w->old_refs);
    }
    if (!error) {
        error = goal_refs_update(store, &w->old_refs, &w->new_refs);
    }
    if (!error) {
        error = goal_erase_u64(store, GOAL_DB_RECORDS, t->key.sid);
    }
    if (!error) {
        goal_origin_credit(store, t->record.origin, -1);
        error = goal_grave_dig(store, &t->key, t->id, revision);
    }
    if (!error) {
        store->head.counts[t->key.kind]--;
        goal_note_change(store, &t->key, t->id, true);
        if (store->claims) {
            vni_claims_delete(store->claims, t->key.kind, t->id);
        }
    }
    return error;
}

/* Notes the deletion of 't', which is not stored. */
static int
target_delete_absent(struct goal_store *store, struct target *t,
                     uint32_t revision)
{
    uint64_t entry;
    int error;

    error = goal_id_intern(store, t->key.kind, t->id, 0, &entry, &t->bytes,
                           &t->is_new);
    if (error) {
        return error;
    }
    t->key.sid = entry;
    error = target_save(store, t);
    return error ? error : goal_grave_dig(store, &t->key, t->id, revision);
}

static int
delete(struct goal_store *store, struct target *t, uint32_t revision,
       enum goal_write *write)
{
    uint64_t entry = 0;
    bool stale;
    int error = goal_id_find(store, t->key.kind, t->id, &entry, &t->bytes);

    if (error == MDB_NOTFOUND) {
        entry = 0;
    } else if (error) {
        return error;
    }
    target_set(t, entry);
    if (!t->stored) {
        *write = GOAL_ABSENT;
        return target_delete_absent(store, t, revision);
    }
    error = target_check_revision(store, t, revision, &stale);
    if (error || stale) {
        *write = GOAL_STALE;
        return error;
    }
    *write = GOAL_WRITTEN;
    return target_delete(store, t, revision);
}

char *
goal_store_delete(struct goal_store *store, enum goal_kind kind,
                  const char *id, uint32_t revision, struct goal_key *key,
                  enum goal_write *write)
{
    struct target t = { .key = { .kind = kind }, .id = id };
    int error;

    ovs_assert(store->write.active);
    if (store->write.failed) {
        return write_failed_earlier(store);
    } else if (!id[0] || strlen(id) > GOAL_MAX_ID) {
        return xasprintf("id must be of 1 to %d bytes", GOAL_MAX_ID);
    }
    error = write_room(store);
    if (!error) {
        error = delete(store, &t, revision, write);
    }
    *key = t.key;
    goal_resource_destroy(t.old);
    return error ? write_fail(store, "cannot delete", error) : NULL;
}

/* Putting. */

struct superseding {
    uint64_t sid;               /* Of what is newer. */
    struct goal_key *keys;      /* Other gateways of the subnet. */
    size_t n, allocated;
};

static bool
superseding_cb(const struct goal_key *key, void *s_)
{
    struct superseding *s = s_;

    if (key->kind == GOAL_GATEWAY && key->sid != s->sid) {
        if (s->n >= s->allocated) {
            s->keys = x2nrealloc(s->keys, &s->allocated, sizeof *s->keys);
        }
        s->keys[s->n++] = *key;
    }
    return true;
}

static int
supersede_one(struct goal_store *store, const struct goal_key *key)
{
    struct target t = { .key = *key };
    int error = goal_read_u64(store, GOAL_DB_RECORDS, key->sid, &t.bytes);

    if (!error) {
        target_set(&t, key->sid | GOAL_ID_STORED);
        target_unpack(store, &t);
    }
    if (t.old && GOAL_GATEWAY_CAST(t.old)->type == GATEWAY_ARION) {
        t.id = t.old->id;
        store->write.n_batch++;
        error = target_delete(store, &t, 0);
    }
    goal_resource_destroy(t.old);
    return error == MDB_NOTFOUND ? 0 : error;
}

/* An ARION gateway is identified by its subnet: deletes those that 'resource'
 * supersedes. */
static int
supersede(struct goal_store *store, const struct goal_resource *resource,
          uint64_t sid)
{
    struct superseding s = { .sid = sid };
    const struct goal_gateway *gateway;
    int error = 0;

    if (resource->kind != GOAL_GATEWAY) {
        return 0;
    }
    gateway = GOAL_GATEWAY_CAST(resource);
    if (gateway->type != GATEWAY_ARION || !gateway->subnet_id[0]) {
        return 0;
    }
    goal_store_index(store, GOAL_BY_SUBNET, gateway->subnet_id, NULL,
                     superseding_cb, &s);
    for (size_t i = 0; i < s.n && !error; i++) {
        error = supersede_one(store, &s.keys[i]);
    }
    free(s.keys);
    return error;
}

/* Writes the record in the buffer as that of 't'. */
static int
target_write_record(struct goal_store *store, const struct target *t)
{
    MDB_cursor *cursor = goal_write_cursor(store, GOAL_DB_RECORDS);
    struct goal_buffer *b = &store->write.buffer;
    MDB_val k = goal_val(&t->key.sid, sizeof t->key.sid);
    MDB_val v = goal_val(b->data, b->size);

    /* The surrogate of a new neighbour is greater than all others. */
    bool append = t->is_new && t->key.kind == GOAL_NEIGHBOR;

    if (!t->stored || t->record.origin != store->write.number) {
        goal_origin_credit(store, t->stored ? t->record.origin : 0, -1);
        goal_origin_credit(store, store->write.number, 1);
    }
    store->write.dirty = true;
    return (cursor
            ? mdb_cursor_put(cursor, &k, &v, append ? MDB_APPEND : 0)
            : MDB_BAD_TXN);
}

/* Makes the indexes and the change set know that 't' is now 'resource'. */
static int
target_write_refs(struct goal_store *store, const struct target *t,
                  const struct goal_resource *resource)
{
    struct goal_write_state *w = &store->write;
    int error;

    w->old_refs.n = 0;
    error = goal_refs_build(store, resource, t->key.sid, &w->new_refs);
    if (!error && t->old) {
        error = goal_refs_build(store, t->old, t->key.sid, &w->old_refs);
    }
    if (!error) {
        error = goal_refs_update(store, &w->old_refs, &w->new_refs);
    }
    if (!error) {
        goal_note_change(store, &t->key, t->id, false);
        if (store->claims) {
            vni_claims_put(store->claims, resource);
        }
    }
    return error;
}

/* Turns 't', which was not stored, into something that is. */
static int
target_appear(struct goal_store *store, struct target *t)
{
    int error = 0;

    if (!t->is_new) {
        error = goal_erase_u64(store, GOAL_DB_NAMES, t->key.sid);
        if (!error && store->head.n_graves) {
            error = goal_grave_remove(store, t->key.sid);
        }
    }
    store->head.counts[t->key.kind]++;
    return error;
}

/* Stores 'resource', which is all that is to be stored of 't'. */
static int
target_put(struct goal_store *store, struct target *t,
           const struct goal_resource *resource, enum goal_write *write)
{
    struct goal_write_state *w = &store->write;
    const struct goal_buffer *b = &w->buffer;
    size_t body = goal_record_pack(resource, w->number, w->origin.sequence,
                                   &w->buffer);
    int error = 0;

    if (t->stored && t->record.body_len == b->size - body
        && !memcmp(t->record.body, b->data + body, b->size - body)) {
        *write = GOAL_SAME;
        return (t->bytes.mv_size == b->size
                && !memcmp(t->bytes.mv_data, b->data, b->size)
                ? 0 : target_write_record(store, t));
    }
    *write = GOAL_WRITTEN;
    if (t->stored) {
        target_unpack(store, t);
    } else {
        error = target_appear(store, t);
    }
    if (!error) {
        error = target_write_record(store, t);
    }
    if (!error) {
        error = target_write_refs(store, t, resource);
    }
    return error ? error : supersede(store, resource, t->key.sid);
}

static int
put(struct goal_store *store, struct target *t,
    const struct goal_resource *resource, enum goal_put_mode mode,
    enum goal_write *write)
{
    struct goal_resource *made = NULL;
    bool stale = false;
    uint64_t entry;
    int error;

    error = goal_id_intern(store, t->key.kind, t->id, GOAL_ID_STORED, &entry,
                           &t->bytes, &t->is_new);
    if (!error) {
        target_set(t, entry);
    }
    if (!error && mode != GOAL_FORCE) {
        error = target_check_revision(store, t, resource->revision, &stale);
    }
    if (!error) {
        error = goal_origin_number(store, &store->write.number);
    }
    if (error || stale) {
        *write = GOAL_STALE;
        return error;
    }
    error = target_save(store, t);
    if (error) {
        return error;
    }

    if ((mode == GOAL_MERGE || mode == GOAL_CREATE) && t->stored) {
        target_unpack(store, t);
    }
    if (mode == GOAL_MERGE && t->old) {
        made = goal_merge(t->old, resource);
    } else if (mode == GOAL_CREATE && t->old) {
        made = goal_merge_created(t->old, resource);
    } else if (!goal_is_normal(resource)) {
        made = goal_normalize(resource);
    }
    error = target_put(store, t, made ? made : resource, write);
    goal_resource_destroy(made);
    return error;
}

char *
goal_store_put(struct goal_store *store, const struct goal_resource *resource,
               enum goal_put_mode mode, struct goal_key *key,
               enum goal_write *write)
{
    struct target t = { .key = { .kind = resource->kind },
                        .id = resource->id };
    int error;

    ovs_assert(store->write.active);
    if (store->write.failed) {
        return write_failed_earlier(store);
    } else if (!t.id[0] || strlen(t.id) > GOAL_MAX_ID) {
        return xasprintf("id must be of 1 to %d bytes", GOAL_MAX_ID);
    }
    error = write_room(store);
    if (!error) {
        error = put(store, &t, resource, mode, write);
    }
    *key = t.key;
    goal_resource_destroy(t.old);
    return error ? write_fail(store, "cannot write", error) : NULL;
}
