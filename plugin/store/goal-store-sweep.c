/* SPDX-License-Identifier: Apache-2.0
 *
 * goal-store-sweep: removing what nothing refers to any more. */

#include <config.h>

#include "store/goal-store-private.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "coverage.h"
#include "hash.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(goal_store_sweep);

COVERAGE_DEFINE(goal_store_origin_forgotten);
COVERAGE_DEFINE(goal_store_id_forgotten);

/* Two kinds of things may be left over:
 *
 *    - Origins of a sender's old epochs, to which no record or tombstone
 *      refers (they are counted).
 *
 *    - Ids that were mentioned as parents only and have no children left.
 *
 * Both cost time to find, so they are left for a while, and then looked for in
 * small steps.  A sweep goes over the origins twice: first it finds out which
 * epochs are a sender's last, then it removes those of others.  What has been
 * used in the meantime stays until the next sweep. */

/* A sweep starts this long after something may have been left over. */
#define SWEEP_DELAY_MSEC (60 * 1000)

/* A step looks at so many entries, the next comes so much later. */
#define SWEEP_STEP 1024
#define SWEEP_STEP_MSEC 50

enum sweep_stage {
    SWEEP_IDLE,
    SWEEP_SENDERS,              /* Finds senders' last epochs. */
    SWEEP_ORIGINS,              /* Removes origins of other epochs. */
    SWEEP_NAMES,                /* Removes ids. */
};

struct goal_sweep {
    bool wanted;                /* Since the current one started, if any. */
    long long int next;         /* When to go on, or LLONG_MAX. */
    enum sweep_stage stage;
    uint64_t at;                /* Key to go on with. */
    uint64_t began;             /* Last use of any origin before it. */
    struct hmap senders;        /* Contains "struct sweep_sender"s. */
};

struct sweep_epoch {
    uint64_t epoch;
    uint64_t used;              /* Last use of any of its origins; 0: there is
                                 * no such epoch. */
};

struct sweep_sender {
    struct hmap_node node;      /* In 'senders', by name. */
    struct sweep_epoch last[2]; /* Its last epochs, the later one first. */
    size_t len;
    char name[];                /* 'len' bytes. */
};

/* Looks at one entry.  Returns true if it is to be removed. */
typedef bool sweep_look(const struct goal_store *, struct goal_sweep *,
                        uint64_t key, const MDB_val *);

struct goal_sweep *
goal_sweep_create(void)
{
    struct goal_sweep *sweep = xzalloc(sizeof *sweep);

    sweep->next = LLONG_MAX;
    hmap_init(&sweep->senders);
    return sweep;
}

static void
forget_senders(struct goal_sweep *sweep)
{
    struct sweep_sender *sender;

    HMAP_FOR_EACH_POP (sender, node, &sweep->senders) {
        free(sender);
    }
}

void
goal_sweep_destroy(struct goal_sweep *sweep)
{
    if (sweep) {
        forget_senders(sweep);
        hmap_destroy(&sweep->senders);
        free(sweep);
    }
}

/* Something may be left over. */
void
goal_sweep_want(struct goal_store *store)
{
    struct goal_sweep *sweep = store->sweep;

    if (!sweep->wanted) {
        sweep->wanted = true;
        if (sweep->stage == SWEEP_IDLE) {
            sweep->next = time_msec() + SWEEP_DELAY_MSEC;
        }
    }
}

/* Senders. */

static struct sweep_sender *
find_sender(const struct goal_sweep *sweep, const char *name, size_t len)
{
    struct sweep_sender *sender;

    HMAP_FOR_EACH_WITH_HASH (sender, node, hash_bytes(name, len, 0),
                             &sweep->senders) {
        if (sender->len == len && !memcmp(sender->name, name, len)) {
            return sender;
        }
    }
    return NULL;
}

/* Notes that 'epoch' of 'sender' was used at 'used'. */
static void
note_epoch(struct sweep_sender *sender, uint64_t epoch, uint64_t used)
{
    struct sweep_epoch *last = sender->last;
    struct sweep_epoch e = { epoch, used };

    if (last[0].used && last[0].epoch == epoch) {
        last[0].used = MAX(last[0].used, used);
    } else if (used > last[0].used) {
        last[1] = last[0];
        last[0] = e;
    } else if (last[1].epoch == epoch || used > last[1].used) {
        e.used = MAX(used, last[1].epoch == epoch ? last[1].used : 0);
        last[1] = e;
    }
}

static bool
look_at_sender(const struct goal_store *store OVS_UNUSED,
               struct goal_sweep *sweep, uint64_t number OVS_UNUSED,
               const MDB_val *v)
{
    struct sweep_sender *sender;
    struct goal_origin_info o;

    if (goal_origin_parse(v, &o)) {
        sender = find_sender(sweep, o.sender, o.sender_len);
        if (!sender) {
            sender = xzalloc(sizeof *sender + o.sender_len);
            sender->len = o.sender_len;
            memcpy(sender->name, o.sender, o.sender_len);
            hmap_insert(&sweep->senders, &sender->node,
                        hash_bytes(sender->name, sender->len, 0));
        }
        note_epoch(sender, o.epoch, o.used);
        sweep->began = MAX(sweep->began, o.used);
    }
    return false;
}

static int
compare_senders(const void *a_, const void *b_)
{
    const struct sweep_sender *const *a = a_;
    const struct sweep_sender *const *b = b_;

    return ((*a)->last[0].used > (*b)->last[0].used ? -1
            : (*a)->last[0].used < (*b)->last[0].used);
}

/* Of more senders than allowed, no epoch is kept of those that were heard
 * before the others. */
static void
limit_senders(struct goal_sweep *sweep)
{
    size_t n = hmap_count(&sweep->senders);
    struct sweep_sender **senders;
    struct sweep_sender *sender;
    size_t i = 0;

    if (n <= GOAL_STORE_MAX_SENDERS) {
        return;
    }
    senders = xmalloc(n * sizeof *senders);
    HMAP_FOR_EACH (sender, node, &sweep->senders) {
        senders[i++] = sender;
    }
    qsort(senders, n, sizeof *senders, compare_senders);
    for (i = GOAL_STORE_MAX_SENDERS; i < n; i++) {
        memset(senders[i]->last, 0, sizeof senders[i]->last);
    }
    free(senders);
}

/* Origins and names. */

static bool
is_kept(const struct goal_sweep *sweep, const struct goal_origin_info *o)
{
    const struct sweep_sender *sender;

    if (o->refs || o->used > sweep->began) {
        return true;
    }
    sender = find_sender(sweep, o->sender, o->sender_len);
    for (size_t i = 0; sender && i < ARRAY_SIZE(sender->last); i++) {
        if (sender->last[i].used && sender->last[i].epoch == o->epoch) {
            return true;
        }
    }
    return false;
}

static bool
look_at_origin(const struct goal_store *store, struct goal_sweep *sweep,
               uint64_t number, const MDB_val *v)
{
    struct goal_origin_info o;

    return (goal_origin_parse(v, &o) && !is_kept(sweep, &o)
            && !goal_incomplete_is_marked(store, number));
}

static bool
look_at_name(const struct goal_store *store,
             struct goal_sweep *sweep OVS_UNUSED, uint64_t sid,
             const MDB_val *v OVS_UNUSED)
{
    bool is_parent;
    MDB_val grave;

    return (!goal_index_is_parent(store, goal_sid_kind(sid), sid, &is_parent)
            && !is_parent
            && (goal_read_u64(store, GOAL_DB_GRAVES, sid, &grave)
                == MDB_NOTFOUND));
}

static int
remove_name(struct goal_store *store, uint64_t sid)
{
    MDB_val v;
    int error = goal_read_u64(store, GOAL_DB_NAMES, sid, &v);

    if (!error) {
        char *id = xmemdup0(v.mv_data, v.mv_size);

        error = goal_id_forget(store, goal_sid_kind(sid), id, sid);
        free(id);
    }
    return error;
}

/* Removes the 'n' entries of 'stage' with the given 'keys'. */
static void
remove_entries(struct goal_store *store, enum sweep_stage stage,
               const uint64_t *keys, size_t n)
{
    static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(1, 5);
    const struct goal_origin nobody = { .sender = "", .topic = "" };
    struct goal_changes changes = GOAL_CHANGES_INITIALIZER;
    char *message;
    int error = 0;

    message = goal_store_begin(store, &nobody);
    if (!message) {
        for (size_t i = 0; i < n && !error; i++) {
            error = (stage == SWEEP_ORIGINS
                     ? goal_origin_forget(store, keys[i])
                     : remove_name(store, keys[i]));
        }
        if (error) {
            message = goal_store_error(store, "cannot sweep", error);
            goal_store_abort(store, &changes);
        } else {
            message = goal_store_commit(store, &changes);
        }
        goal_changes_destroy(&changes);
    }
    if (message) {
        VLOG_WARN_RL(&rl, "%s", message);
        free(message);
    } else if (stage == SWEEP_ORIGINS) {
        COVERAGE_ADD(goal_store_origin_forgotten, n);
    } else {
        COVERAGE_ADD(goal_store_id_forgotten, n);
    }
}

/* Steps. */

/* Looks at up to SWEEP_STEP entries of 'db' and removes what 'look' says.
 * Returns true if it has seen the last one. */
static bool
sweep_db(struct goal_store *store, enum goal_db db, sweep_look *look)
{
    struct goal_sweep *sweep = store->sweep;
    MDB_txn *txn = goal_store_txn(store);
    MDB_val k = goal_val(&sweep->at, sizeof sweep->at);
    uint64_t keys[SWEEP_STEP];
    MDB_cursor *cursor;
    size_t n = 0;
    MDB_val v;
    int error;

    if (!txn || mdb_cursor_open(txn, store->dbis[db], &cursor)) {
        return true;
    }
    error = mdb_cursor_get(cursor, &k, &v, MDB_SET_RANGE);
    for (int i = 0; i < SWEEP_STEP && !error; i++) {
        uint64_t key;

        memcpy(&key, k.mv_data, sizeof key);
        if (look(store, sweep, key, &v)) {
            keys[n++] = key;
        }
        sweep->at = key + 1;
        error = mdb_cursor_get(cursor, &k, &v, MDB_NEXT);
    }
    mdb_cursor_close(cursor);
    goal_store_end_reading(store);
    if (n) {
        remove_entries(store, sweep->stage, keys, n);
    }
    return error != 0;
}

/* Does one step.  Returns true if the stage is through. */
static bool
sweep_step(struct goal_store *store)
{
    switch (store->sweep->stage) {
    case SWEEP_SENDERS:
        return sweep_db(store, GOAL_DB_ORIGINS, look_at_sender);
    case SWEEP_ORIGINS:
        return sweep_db(store, GOAL_DB_ORIGINS, look_at_origin);
    case SWEEP_NAMES:
        return sweep_db(store, GOAL_DB_NAMES, look_at_name);
    case SWEEP_IDLE:
    default:
        return true;
    }
}

static void
sweep_run(struct goal_store *store, long long int now)
{
    struct goal_sweep *sweep = store->sweep;

    if (now < sweep->next) {
        return;
    }
    if (sweep->stage == SWEEP_IDLE) {
        sweep->wanted = false;
        sweep->stage = SWEEP_SENDERS;
        sweep->at = sweep->began = 0;
    }
    sweep->next = now + SWEEP_STEP_MSEC;
    if (!sweep_step(store)) {
        return;
    }
    sweep->at = 0;
    if (sweep->stage == SWEEP_SENDERS) {
        limit_senders(sweep);
        sweep->stage = SWEEP_ORIGINS;
    } else if (sweep->stage == SWEEP_ORIGINS) {
        forget_senders(sweep);
        sweep->stage = SWEEP_NAMES;
    } else {
        sweep->stage = SWEEP_IDLE;
        sweep->next = sweep->wanted ? now + SWEEP_DELAY_MSEC : LLONG_MAX;
    }
}

void
goal_store_run(struct goal_store *store, long long int now)
{
    if (store->copy_is_old) {
        store->copy_is_old = false;
        goal_sync_wake(store->sync);
    }
    if (!store->write.active) {
        goal_graves_run(store, now);
        sweep_run(store, now);
    }
}

void
goal_store_wait(struct goal_store *store)
{
    long long int next = MIN(store->next_run, store->sweep->next);

    if (next != LLONG_MAX) {
        poll_timer_wait_until(next);
    }
}
