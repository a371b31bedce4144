/* SPDX-License-Identifier: Apache-2.0
 *
 * goal-txn: which transactions there are, and the writes that move them. */

#include <config.h>

#include "store/goal-txn-private.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "coverage.h"
#include "limit.h"
#include "openvswitch/vlog.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(goal_txn);

LIMIT_DEFINE(transactions_open, GOAL_TXN_MAX_OPEN, LIMIT_FIXED, LIMIT_REFUSED)
LIMIT_DEFINE(transactions_staged_KB, GOAL_TXN_MAX_OPEN_BYTES / 1024,
             LIMIT_FIXED, LIMIT_REFUSED)
LIMIT_DEFINE(transaction_resources, GOAL_TXN_MAX_ITEMS, LIMIT_FIXED,
             LIMIT_REFUSED)
LIMIT_DEFINE(transaction_history, GOAL_TXN_MAX_HISTORY, LIMIT_FIXED,
             LIMIT_FORGETS)

COVERAGE_DEFINE(goal_txn_forgotten);
COVERAGE_DEFINE(goal_txn_damaged);

const char *
goal_txn_phase_to_string(enum goal_txn_phase phase)
{
    static const char *const names[] = {
#define GOAL_TXN_PHASE(ENUM, NAME) NAME,
        GOAL_TXN_PHASES
#undef GOAL_TXN_PHASE
    };
    return names[phase];
}

static bool
is_over(const struct goal_txn *txn)
{
    return txn->phase == GOAL_TXN_COMMITTED || txn->phase == GOAL_TXN_ABORTED;
}

static uint64_t
wall_usec(void)
{
    return time_wall_msec() * UINT64_C(1000);
}

/* Opening and closing. */

static void
txns_add(struct goal_txns *txns, struct goal_txn *txn)
{
    if (txns->n >= txns->allocated) {
        txns->txns = x2nrealloc(txns->txns, &txns->allocated,
                                sizeof *txns->txns);
    }
    txns->txns[txns->n++] = txn;
    txns->next_number = MAX(txns->next_number, txn->number + 1);
}

static void
load_row(struct goal_store *store, const MDB_val *k, const MDB_val *v)
{
    static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(1, 5);
    enum goal_txn_part part;
    uint64_t number, sub;

    if (goal_txn_key_parse(k, &number, &part, &sub)
        && part == GOAL_TXN_HEAD) {
        struct goal_txn *txn = goal_txn_parse_head(number, v);

        if (txn) {
            txns_add(store->txns, txn);
        } else {
            COVERAGE_INC(goal_txn_damaged);
            VLOG_WARN_RL(&rl, "%s: transaction %"PRIu64" is damaged",
                         store->dir, number);
        }
    }
}

int
goal_txns_open(struct goal_store *store)
{
    MDB_txn *txn = goal_store_txn(store);
    MDB_cursor *cursor;
    MDB_val k, v;
    int error;

    store->txns = xzalloc(sizeof *store->txns);
    store->txns->next_number = 1;
    error = (txn ? mdb_cursor_open(txn, store->dbis[GOAL_DB_TXNS], &cursor)
             : MDB_BAD_TXN);
    if (error) {
        return error;
    }
    while (!(error = mdb_cursor_get(cursor, &k, &v, MDB_NEXT))) {
        load_row(store, &k, &v);
    }
    mdb_cursor_close(cursor);
    goal_store_end_reading(store);
    return error == MDB_NOTFOUND ? 0 : error;
}

void
goal_txns_close(struct goal_store *store)
{
    struct goal_txns *txns = store->txns;

    if (txns) {
        goal_txns_dropped(store);
        for (size_t i = 0; i < txns->n; i++) {
            goal_txn_destroy(txns->txns[i]);
        }
        free(txns->txns);
        free(txns);
        store->txns = NULL;
    }
}

/* Looking. */

const struct goal_txn *
goal_txn_find(const struct goal_store *store, const char *id,
              bool distributed)
{
    const struct goal_txns *txns = store->txns;

    for (size_t i = txns->n; i > 0; i--) {
        const struct goal_txn *txn = txns->txns[i - 1];

        if (txn->distributed == distributed && !strcmp(txn->id, id)) {
            return txn;
        }
    }
    return NULL;
}

char *
goal_txn_describe_outcome(const struct goal_txn *txn)
{
    return xasprintf("%s%s", txn->alarm ? "ALARM: " : "", txn->outcome);
}

void
goal_txn_for_each(const struct goal_store *store,
                  void (*cb)(const struct goal_txn *, void *aux), void *aux)
{
    for (size_t i = store->txns->n; i > 0; i--) {
        cb(store->txns->txns[i - 1], aux);
    }
}

const struct goal_txn *
goal_txn_last(const struct goal_store *store)
{
    const struct goal_txns *txns = store->txns;

    return txns->n ? txns->txns[txns->n - 1] : NULL;
}

char *
goal_txn_for_each_item(struct goal_store *store, const struct goal_txn *txn,
                       void (*cb)(const struct goal_txn_item *, void *aux),
                       void *aux)
{
    uint64_t sub = 0;
    MDB_val v;
    int error;

    while (!(error = goal_txn_next_row(store, txn->number, GOAL_TXN_ITEM,
                                       &sub, &v))) {
        struct goal_txn_item item;

        if (!goal_txn_parse_item(&v, &item)) {
            COVERAGE_INC(goal_txn_damaged);
            error = MDB_CORRUPTED;
            break;
        }
        cb(&item, aux);
        sub++;
    }
    return (error == MDB_NOTFOUND ? NULL
            : goal_store_error(store, "cannot read a transaction", error));
}

void *
goal_txn_reply(struct goal_store *store, const struct goal_txn *txn,
               size_t *len)
{
    MDB_val v;

    if (goal_txn_read_row(store, txn->number, GOAL_TXN_REPLY, 0, &v)) {
        *len = 0;
        return NULL;
    }
    *len = v.mv_size;
    return xmemdup(v.mv_data, v.mv_size);
}

void
goal_txn_usage(const struct goal_store *store, size_t *n_open,
               uint64_t *n_bytes)
{
    *n_open = *n_bytes = 0;
    for (size_t i = 0; i < store->txns->n; i++) {
        const struct goal_txn *txn = store->txns->txns[i];

        if (!is_over(txn)) {
            ++*n_open;
            *n_bytes += txn->n_bytes;
        }
    }
}

char *
goal_txn_check_room(const struct goal_store *store, size_t n_items,
                    size_t n_bytes)
{
    uint64_t n_open_bytes;
    size_t n_open;

    goal_txn_usage(store, &n_open, &n_open_bytes);
    if (n_items > GOAL_TXN_MAX_ITEMS) {
        limit_hit(&limit_transaction_resources);
        return xasprintf("%"PRIuSIZE" resources are more than the %d of a "
                         "transaction", n_items, GOAL_TXN_MAX_ITEMS);
    } else if (limit_reached(&limit_transactions_open, n_open)) {
        return xasprintf("%"PRIuSIZE" transactions are waiting for their "
                         "outcome", n_open);
    } else if (n_open_bytes + n_bytes > GOAL_TXN_MAX_OPEN_BYTES) {
        limit_hit(&limit_transactions_staged_KB);
        return xasprintf("%"PRIu64" and %"PRIuSIZE" bytes are more than the "
                         "%d of all transactions", n_open_bytes, n_bytes,
                         GOAL_TXN_MAX_OPEN_BYTES);
    }
    return NULL;
}

/* The part of a write that concerns a transaction. */

bool
goal_txns_is_writing(const struct goal_store *store)
{
    return store->txns && store->txns->write;
}

static struct goal_txn *
txn_clone(const struct goal_txn *txn)
{
    struct goal_txn *copy = xmemdup(txn, sizeof *txn);

    copy->id = xstrdup(txn->id);
    copy->sender = xstrdup(txn->sender);
    copy->message_id = xstrdup(txn->message_id);
    copy->outcome = xstrdup(txn->outcome);
    return copy;
}

/* Makes the write in progress one of 'target', or, if that is null, of a new
 * transaction, and returns what it will be. */
static struct goal_txn *
write_begin(struct goal_store *store, struct goal_txn *target)
{
    struct goal_txn_write *tw = xzalloc(sizeof *tw);

    ovs_assert(store->write.active && !store->txns->write);
    tw->target = target;
    tw->next = target ? txn_clone(target) : xzalloc(sizeof *tw->next);
    store->txns->write = tw;
    return tw->next;
}

static void
write_destroy(struct goal_txns *txns)
{
    goal_txn_destroy(txns->write->next);
    free(txns->write->forgotten);
    free(txns->write);
    txns->write = NULL;
}

/* To be called when the write's LMDB transaction has been aborted. */
void
goal_txns_dropped(struct goal_store *store)
{
    if (goal_txns_is_writing(store)) {
        write_destroy(store->txns);
    }
}

static struct goal_txn *
begin_new(struct goal_store *store, const struct goal_txn_info *info)
{
    struct goal_txn *next = write_begin(store, NULL);

    next->number = store->txns->next_number;
    next->id = xstrdup(info->id);
    next->sender = xstrdup(info->sender);
    next->message_id = xstrdup(info->message_id);
    next->outcome = xstrdup("");
    next->distributed = info->distributed;
    next->tag = info->tag;
    next->n_resources = info->n_resources;
    next->began = wall_usec();
    return next;
}

void
goal_txn_start(struct goal_store *store, const struct goal_txn_info *info)
{
    begin_new(store, info)->phase = GOAL_TXN_TRIED;
    store->txns->write->undo = true;
}

char *
goal_txn_add(struct goal_store *store, const struct goal_txn_item *item)
{
    struct goal_txn_write *tw = store->txns->write;
    size_t size;
    int error;

    ovs_assert(tw && !tw->target);
    error = goal_txn_write_item(store, tw->next->number, tw->n_items, item,
                                &size);
    if (error) {
        return goal_store_error(store, "cannot write", error);
    }
    tw->n_items++;
    tw->next->n_bytes += size;
    return NULL;
}

/* The store's own, which may be changed. */
static struct goal_txn *
own(const struct goal_txn *txn)
{
    return CONST_CAST(struct goal_txn *, txn);
}

void
goal_txn_resume(struct goal_store *store, const struct goal_txn *txn,
                const char *message_id)
{
    struct goal_txn *next = write_begin(store, own(txn));

    next->phase = GOAL_TXN_APPLIED;
    free(next->message_id);
    next->message_id = xstrdup(message_id);
}

/* Forgetting. */

static void
erase(struct goal_store *store, uint64_t number, int *error)
{
    for (enum goal_txn_part part = 0; part <= GOAL_TXN_REPLY; part++) {
        if (!*error) {
            *error = goal_txn_erase_part(store, number, part);
        }
    }
}

static int
forget(struct goal_store *store, uint64_t number)
{
    struct goal_txn_write *tw = store->txns->write;
    int error = 0;

    COVERAGE_INC(goal_txn_forgotten);
    erase(store, number, &error);
    if (tw->n_forgotten >= tw->allocated_forgotten) {
        tw->forgotten = x2nrealloc(tw->forgotten, &tw->allocated_forgotten,
                                   sizeof *tw->forgotten);
    }
    tw->forgotten[tw->n_forgotten++] = number;
    return error;
}

/* Forgets so many of those that are over that there is room for the one that
 * the write ends. */
static int
make_room(struct goal_store *store)
{
    const struct goal_txns *txns = store->txns;
    const struct goal_txn *next = txns->write->next;
    uint64_t n_bytes = next->n_reply_bytes;
    size_t n = 1;
    int error = 0;

    for (size_t i = txns->n; i > 0 && !error; i--) {
        const struct goal_txn *txn = txns->txns[i - 1];

        if (!is_over(txn) || txn == txns->write->target) {
            continue;
        }
        n++;
        n_bytes += txn->n_reply_bytes;
        if (n > GOAL_TXN_MAX_HISTORY || n_bytes > GOAL_TXN_MAX_REPLY_BYTES) {
            limit_hit(&limit_transaction_history);
            error = forget(store, txn->number);
        }
    }
    return error;
}

/* To be called before the write's LMDB transaction is committed. */
int
goal_txns_settle(struct goal_store *store)
{
    const struct goal_txn_write *tw = store->txns ? store->txns->write : NULL;
    int error = 0;

    if (tw && tw->next->phase == GOAL_TXN_N_PHASES) {
        error = forget(store, tw->next->number);
    } else if (tw) {
        error = is_over(tw->next) ? make_room(store) : 0;
        if (!error) {
            error = goal_txn_write_head(store, tw->next);
        }
    }
    return error;
}

static void
remove_number(struct goal_txns *txns, uint64_t number)
{
    for (size_t i = 0; i < txns->n; i++) {
        if (txns->txns[i]->number == number) {
            goal_txn_destroy(txns->txns[i]);
            txns->n--;
            memmove(&txns->txns[i], &txns->txns[i + 1],
                    (txns->n - i) * sizeof *txns->txns);
            return;
        }
    }
}

/* To be called when the write's LMDB transaction has been committed. */
void
goal_txns_committed(struct goal_store *store)
{
    struct goal_txns *txns = store->txns;
    struct goal_txn_write *tw = txns ? txns->write : NULL;

    if (!tw) {
        return;
    }
    if (tw->target) {
        struct goal_txn tmp = *tw->target;

        *tw->target = *tw->next;
        *tw->next = tmp;
    } else {
        txns_add(txns, tw->next);
        tw->next = NULL;
    }
    for (size_t i = 0; i < tw->n_forgotten; i++) {
        remove_number(txns, tw->forgotten[i]);
    }
    write_destroy(txns);
}

/* Whole writes. */

static void
set_outcome(struct goal_txn *txn, const char *outcome)
{
    size_t len = strnlen(outcome, GOAL_TXN_MAX_OUTCOME);

    /* Not in the middle of a character. */
    while (outcome[len] && len && ((uint8_t) outcome[len] & 0xc0) == 0x80) {
        len--;
    }
    free(txn->outcome);
    txn->outcome = xmemdup0(outcome, len);
}

/* Makes the transaction of the write, which is 'next', what 'end' says. */
static int
apply_end(struct goal_store *store, struct goal_txn *next,
          const struct goal_txn_end *end)
{
    int error = 0;

    next->phase = end->phase;
    next->alarm = end->alarm;
    set_outcome(next, end->outcome);
    if (!is_over(next)) {
        return 0;
    }
    next->ended = wall_usec();
    next->n_bytes = 0;
    error = goal_txn_erase_part(store, next->number, GOAL_TXN_ITEM);
    if (!error && end->reply) {
        next->n_reply_bytes = end->reply_len;
        error = goal_txn_write_row(store, next->number, GOAL_TXN_REPLY, 0,
                                   goal_val(end->reply, end->reply_len));
    }
    return error;
}

/* Commits the write, unless there is an 'error' already. */
static char *
end_write(struct goal_store *store, int error, struct goal_changes *changes)
{
    if (error) {
        goal_store_abort(store, changes);
        return goal_store_error(store, "cannot write a transaction", error);
    }
    return goal_store_commit(store, changes);
}

char *
goal_txn_undo(struct goal_store *store, const struct goal_txn *txn,
              const struct goal_txn_end *end, struct goal_changes *changes)
{
    char *message = goal_store_begin(store, end->origin);

    if (message) {
        return message;
    }
    int error = apply_end(store, write_begin(store, own(txn)), end);
    if (!error) {
        error = goal_undo_restore_all(store, txn->number);
    }
    return end_write(store, error, changes);
}

char *
goal_txn_finish(struct goal_store *store, const struct goal_txn *txn,
                const struct goal_txn_end *end)
{
    struct goal_changes changes = GOAL_CHANGES_INITIALIZER;
    char *message = goal_store_begin(store, end->origin);

    if (message) {
        return message;
    }
    int error = apply_end(store, write_begin(store, own(txn)), end);
    if (!error) {
        error = goal_undo_forget(store, txn->number);
    }
    message = end_write(store, error, &changes);
    goal_changes_destroy(&changes);
    return message;
}

char *
goal_txn_record(struct goal_store *store, const struct goal_txn_info *info,
                const struct goal_txn_end *end)
{
    struct goal_changes changes = GOAL_CHANGES_INITIALIZER;
    char *message = goal_store_begin(store, end->origin);

    if (!message) {
        int error = apply_end(store, begin_new(store, info), end);

        message = end_write(store, error, &changes);
        goal_changes_destroy(&changes);
    }
    return message;
}

char *
goal_txn_end_alarm(struct goal_store *store, const struct goal_txn *txn)
{
    const struct goal_origin nobody = { .sender = "", .topic = "" };
    struct goal_changes changes = GOAL_CHANGES_INITIALIZER;
    char *message = goal_store_begin(store, &nobody);

    if (!message) {
        write_begin(store, own(txn))->alarm = false;
        message = end_write(store, 0, &changes);
        goal_changes_destroy(&changes);
    }
    return message;
}

/* Recovery. */

/* Undoes what was on trial when the process died. */
char *
goal_txns_recover(struct goal_store *store)
{
    const struct goal_origin nobody = { .sender = "", .topic = "" };

    for (size_t i = store->txns->n; i > 0; i--) {
        const struct goal_txn *txn = store->txns->txns[i - 1];
        struct goal_changes changes = GOAL_CHANGES_INITIALIZER;
        struct goal_txn_end end = {
            .origin = &nobody,
            .phase = txn->distributed ? GOAL_TXN_N_PHASES : GOAL_TXN_ABORTED,
            .outcome = "interrupted before it was in effect",
        };
        char *message;

        if (txn->phase != GOAL_TXN_TRIED) {
            continue;
        }
        VLOG_INFO("%s: transaction %s was interrupted: undone", store->dir,
                  txn->id);
        message = goal_txn_undo(store, txn, &end, &changes);
        goal_changes_destroy(&changes);
        if (message) {
            return message;
        }
    }
    return NULL;
}
