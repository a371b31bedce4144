/* SPDX-License-Identifier: Apache-2.0
 *
 * goal-store-graves: tombstones of what was deleted. */

#include <config.h>

#include "store/goal-store-private.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "limit.h"
#include "openvswitch/vlog.h"
#include "timeval.h"
#include "unaligned.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(goal_store_graves);

LIMIT_DEFINE(goal_tombstones, GOAL_STORE_MAX_GRAVES, LIMIT_FIXED,
             LIMIT_FORGETS)

/* At most this many are removed in one go. */
#define MAX_EXHUMED 1024

/* A tombstone is one of these and the id. */
struct grave {
    uint64_t time;              /* When it was dug, wall clock, in ms. */
    uint64_t sequence;          /* Of the message that deleted it. */
    uint32_t revision;          /* Of the deletion, 0 if it had none. */
    uint32_t origin;            /* Number of the message's origin. */
    uint32_t kind;
    uint32_t pad;
};

/* Key in "grave-times". */
struct grave_time {
    ovs_be64 time;
    ovs_be64 sid;
};

static uint64_t
wall_now(const struct goal_store *store)
{
    return time_msec() + store->wall_offset;
}

/* True if 'grave' counts no longer at 'now'.  One from the future, left there
 * by a clock that has been set back, does not count either. */
static bool
grave_is_old(const struct grave *grave, uint64_t now)
{
    return (now - grave->time >= GOAL_STORE_GRAVE_MSEC
            && grave->time - now >= GOAL_STORE_GRAVE_MSEC);
}

static int
grave_read(const struct goal_store *store, uint64_t sid, struct grave *grave)
{
    MDB_val v;
    int error = goal_read_u64(store, GOAL_DB_GRAVES, sid, &v);

    if (error) {
        return error;
    } else if (v.mv_size < sizeof *grave) {
        return MDB_CORRUPTED;
    }
    memcpy(grave, v.mv_data, sizeof *grave);
    return 0;
}

bool
goal_store_grave_origin(struct goal_store *store, enum goal_kind kind,
                        const char *id, char **sender, char **topic,
                        uint64_t *epoch, uint64_t *sequence)
{
    struct grave grave;
    uint64_t entry;
    MDB_val v;

    *sender = *topic = NULL;
    if (goal_id_find(store, kind, id, &entry, &v)
        || grave_read(store, entry & ~GOAL_ID_STORED, &grave)
        || grave_is_old(&grave, wall_now(store))) {
        return false;
    }
    *sequence = grave.sequence;
    return goal_origin_get(store, grave.origin, sender, topic, epoch);
}

/* Stores in '*id' and '*len' whose tombstone 'v' is.  Returns false if it is
 * damaged. */
bool
goal_grave_id(const MDB_val *v, const char **id, size_t *len)
{
    if (v->mv_size <= sizeof(struct grave)) {
        return false;
    }
    *id = (const char *) v->mv_data + sizeof(struct grave);
    *len = v->mv_size - sizeof(struct grave);
    return true;
}

/* The number of the origin that dug 'v', 0 if it is damaged or empty. */
uint32_t
goal_grave_origin_number(const MDB_val *v)
{
    struct grave grave;

    if (v->mv_size < sizeof grave) {
        return 0;
    }
    memcpy(&grave, v->mv_data, sizeof grave);
    return grave.origin;
}

/* Stores in '*revision' that of the tombstone of 'sid', 0 if there is none. */
int
goal_grave_revision(const struct goal_store *store, uint64_t sid,
                    uint32_t *revision)
{
    struct grave grave;
    int error = grave_read(store, sid, &grave);

    *revision = (error || grave_is_old(&grave, wall_now(store))
                 ? 0 : grave.revision);
    return error == MDB_NOTFOUND ? 0 : error;
}

/* Removes the tombstone of 'sid', if there is one. */
int
goal_grave_remove(struct goal_store *store, uint64_t sid)
{
    struct grave_time gt;
    struct grave grave;
    int error;

    error = grave_read(store, sid, &grave);
    if (error) {
        return error == MDB_NOTFOUND ? 0 : error;
    }
    gt = (struct grave_time) { htonll(grave.time), htonll(sid) };
    error = goal_erase(store, GOAL_DB_GRAVE_TIMES, goal_val(&gt, sizeof gt));
    if (!error) {
        error = goal_erase_u64(store, GOAL_DB_GRAVES, sid);
    }
    if (!error) {
        goal_origin_credit(store, grave.origin, -1);
        store->head.n_graves--;
    }
    return error;
}

/* Puts back tombstone 'v' of 'sid', which has none.  The reference to its
 * origin is counted already. */
int
goal_grave_restore(struct goal_store *store, uint64_t sid, MDB_val v)
{
    struct grave_time gt;
    struct grave grave;
    int error;

    if (v.mv_size <= sizeof grave) {
        return MDB_CORRUPTED;
    }
    memcpy(&grave, v.mv_data, sizeof grave);
    gt = (struct grave_time) { htonll(grave.time), htonll(sid) };
    error = goal_write_u64(store, GOAL_DB_GRAVES, sid, v);
    if (!error) {
        error = goal_write(store, GOAL_DB_GRAVE_TIMES,
                           goal_val(&gt, sizeof gt), goal_val("", 0));
    }
    store->head.n_graves++;
    store->next_run = MIN(store->next_run,
                          time_msec() + GOAL_STORE_GRAVE_MSEC);
    return error;
}

/* Finds the oldest tombstone.  Returns MDB_NOTFOUND if there is none. */
static int
grave_oldest(const struct goal_store *store, uint64_t *time, uint64_t *sid)
{
    MDB_txn *txn = goal_store_txn(store);
    MDB_cursor *cursor;
    struct grave_time gt;
    MDB_val k, v;
    int error;

    error = (txn ? mdb_cursor_open(txn, store->dbis[GOAL_DB_GRAVE_TIMES],
                                   &cursor)
             : MDB_BAD_TXN);
    if (error) {
        return error;
    }
    error = mdb_cursor_get(cursor, &k, &v, MDB_FIRST);
    if (!error && k.mv_size != sizeof gt) {
        error = MDB_CORRUPTED;
    }
    if (!error) {
        memcpy(&gt, k.mv_data, sizeof gt);
        *time = ntohll(gt.time);
        *sid = ntohll(gt.sid);
    }
    mdb_cursor_close(cursor);
    return error;
}

/* Removes the tombstone of 'sid' and, unless something refers to it, the id.
 * Its surrogate is not used again. */
static int
grave_exhume(struct goal_store *store, uint64_t sid)
{
    struct grave grave;
    const char *name;
    bool is_parent;
    size_t len;
    char *id;
    MDB_val v;
    int error;

    error = goal_read_u64(store, GOAL_DB_GRAVES, sid, &v);
    if (error || !goal_grave_id(&v, &name, &len)) {
        return error ? error : MDB_CORRUPTED;
    }
    memcpy(&grave, v.mv_data, sizeof grave);
    id = xmemdup0(name, len);
    error = goal_index_is_parent(store, grave.kind, sid, &is_parent);
    if (!error) {
        error = (is_parent ? goal_id_name(store, sid, id)
                 : goal_id_forget(store, grave.kind, id, sid));
    }
    if (!error) {
        error = goal_grave_remove(store, sid);
    }
    free(id);
    return error;
}

/* Remembers that 'key', named 'id', was deleted by 'revision'. */
int
goal_grave_dig(struct goal_store *store, const struct goal_key *key,
               const char *id, uint32_t revision)
{
    struct goal_write_state *w = &store->write;
    size_t size = sizeof(struct grave) + strlen(id);
    struct grave_time gt;
    struct grave *grave;
    uint64_t time, sid;
    uint32_t known = 0;
    int error;

    error = goal_origin_number(store, &w->number);
    if (!error && store->head.n_graves) {
        error = goal_grave_revision(store, key->sid, &known);
        if (!error) {
            error = goal_grave_remove(store, key->sid);
        }
    }
    if (!error
        && limit_reached(&limit_goal_tombstones, store->head.n_graves)) {
        error = grave_oldest(store, &time, &sid);
        if (!error) {
            error = grave_exhume(store, sid);
        }
    }
    if (error) {
        return error;
    }

    grave = xzalloc(size);
    grave->time = wall_now(store);
    grave->sequence = w->origin.sequence;
    grave->revision = MAX(revision, known);
    grave->origin = w->number;
    grave->kind = key->kind;
    memcpy(grave + 1, id, strlen(id));
    gt = (struct grave_time) { htonll(grave->time), htonll(key->sid) };
    error = goal_write_u64(store, GOAL_DB_GRAVES, key->sid,
                           goal_val(grave, size));
    if (!error) {
        error = goal_write(store, GOAL_DB_GRAVE_TIMES,
                           goal_val(&gt, sizeof gt), goal_val("", 0));
    }
    free(grave);
    goal_origin_credit(store, w->number, 1);
    store->head.n_graves++;
    store->next_run = MIN(store->next_run,
                          time_msec() + GOAL_STORE_GRAVE_MSEC);
    return error;
}

/* Removes up to MAX_EXHUMED old tombstones, within a write.  Stores in '*next'
 * how long the oldest one that is left is good for, in ms. */
static int
graves_expire(struct goal_store *store, uint64_t now, long long int *next)
{
    *next = 0;
    for (int i = 0; i < MAX_EXHUMED; i++) {
        struct grave grave;
        uint64_t sid;
        int error;

        error = grave_oldest(store, &grave.time, &sid);
        if (error) {
            *next = LLONG_MAX;
            return error == MDB_NOTFOUND ? 0 : error;
        } else if (!grave_is_old(&grave, now)) {
            *next = (grave.time + GOAL_STORE_GRAVE_MSEC) - now;
            return 0;
        }
        error = grave_exhume(store, sid);
        if (error) {
            return error;
        }
    }
    return 0;
}

/* Does what is to be done by 'now'. */
void
goal_graves_run(struct goal_store *store, long long int now)
{
    static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(1, 5);
    const struct goal_origin nobody = { .sender = "", .topic = "" };
    struct goal_changes changes = GOAL_CHANGES_INITIALIZER;
    long long int next;
    char *message;

    if (now < store->next_run) {
        return;
    }
    message = goal_store_begin(store, &nobody);
    if (!message) {
        int error = graves_expire(store, now + store->wall_offset, &next);

        if (error) {
            message = goal_store_error(store, "cannot remove tombstones",
                                       error);
            goal_store_abort(store, &changes);
        } else {
            message = goal_store_commit(store, &changes);
        }
        goal_changes_destroy(&changes);
    }
    if (message) {
        VLOG_WARN_RL(&rl, "%s", message);
        free(message);
        store->next_run = now + GOAL_STORE_GRAVE_MSEC;
    } else {
        store->next_run = next == LLONG_MAX ? LLONG_MAX : now + next;
    }
}
