/* SPDX-License-Identifier: Apache-2.0
 *
 * agent-transaction-run: the transaction at work, step by step. */

#include <config.h>

#include "agent-transaction.h"

#include <string.h>
#include "agent-private.h"
#include "apply/commit.h"
#include "coverage.h"
#include "feedback/ack.h"
#include "ingest/goal-decode.h"
#include "ingest/resync.h"
#include "openvswitch/ofpbuf.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "store/goal-admission.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(agent_transaction_run);

COVERAGE_DEFINE(transaction_committed);
COVERAGE_DEFINE(transaction_prepared);
COVERAGE_DEFINE(transaction_refused);
COVERAGE_DEFINE(transaction_undone);

static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(5, 20);

/* Between attempts to write to a store that fails. */
#define RETRY_MSEC 1000

#define TIMED_OUT "it did not come into effect within 30 seconds"

static void undo(struct agent *, struct txn_work *);
static void finish_commit(struct agent *, struct txn_work *);

/* Answering. */

/* Answers 'work' and is done with it. */
static void
reply(struct agent *agent, struct txn_work *work)
{
    struct ofpbuf payload;

    ofpbuf_init(&payload, 64 + work->n * 64);
    txn_work_encode_reply(work, &payload);
    if (work->verb == TXN_LOCAL) {
        ack_remember(agent->ack, work->message_id, payload.data,
                     payload.size);
    }
    txn_send(agent, (work->verb == TXN_LOCAL ? MSG_GOAL_STATE_REPLY
                     : work->verb == TXN_PREPARE ? MSG_TXN_VOTE
                     : MSG_TXN_DONE),
             work->message_id, work->id, &payload);
    ofpbuf_uninit(&payload);
    if (work->refused) {
        COVERAGE_INC(transaction_refused);
        VLOG_INFO_RL(&rl, "transaction %s: %s", work->id, work->outcome);
    }
    agent->txns->work = NULL;
    agent->txns->seqno++;
    txn_work_destroy(work);
    poll_immediate_wake();
}

/* Lets the commit go on as usual. */
static void
release_commit(struct agent *agent)
{
    ds_atomic_end(agent->ds);
    commit_set_mode(agent->commit, COMMIT_NORMAL);
}

/* Writing. */

/* The store failed with 'error', which may be null and is freed, in the step
 * that is under way.  Returns true if the step is to be tried again; false if
 * the transaction has left 'phase' all the same. */
static bool
store_failed(struct txn_work *work, enum goal_txn_phase phase, char *error)
{
    if (!error) {
        return false;
    }
    VLOG_ERR_RL(&rl, "transaction %s: %s", work->id, error);
    free(error);
    if (work->txn->phase != phase) {
        return false;
    }
    work->retry = time_msec() + RETRY_MSEC;
    return true;
}

static struct goal_txn_info
work_info(const struct txn_work *work)
{
    return (struct goal_txn_info) {
        .id = work->id,
        .sender = work->origin.sender,
        .message_id = work->message_id,
        .distributed = work->verb != TXN_LOCAL,
        .tag = work->tag,
        .n_resources = work->n,
    };
}

/* Puts or deletes 'entry'.  Returns the store's error, if any. */
static char *
write_entry(struct agent *agent, struct txn_work *work,
            struct goal_admission *admission, struct txn_entry *entry)
{
    const struct goal_txn_item *item = &entry->item;
    const struct goal_resource *r = item->resource;
    enum goal_write result = GOAL_SAME;
    char *error;

    if (item->verb == GOAL_TXN_PUT) {
        char *why = goal_admission_check(admission, r,
                                         item->mode != GOAL_MERGE);

        if (why) {
            agent->counters.invalid++;
            txn_work_refuse_entry(work, entry, GOAL_STATUS_INVALID_ARG, why);
            free(why);
            return NULL;
        }
        error = goal_store_put(agent->store, r, item->mode, &entry->key,
                               &result);
    } else if (item->verb == GOAL_TXN_DELETE) {
        goal_admission_forget(admission);
        error = goal_store_delete(agent->store, r->kind, r->id, r->revision,
                                  &entry->key, &result);
    } else {
        return NULL;
    }
    if (!error && result == GOAL_STALE) {
        agent->counters.stale++;
        txn_work_refuse_entry(work, entry, GOAL_STATUS_OUT_OF_ORDER,
                                  "a newer revision is known");
    } else if (!error) {
        entry->written = true;
    }
    return error;
}

/* Writes all entries, within a write. */
static char *
write_entries(struct agent *agent, struct txn_work *work)
{
    struct goal_admission admission = {
        .store = agent->store, .check = goal_resource_check,
    };
    char *error = NULL;

    for (size_t i = 0; i < work->n && !error; i++) {
        error = write_entry(agent, work, &admission, &work->entries[i]);
        if (!error && work->verb == TXN_PREPARE) {
            error = goal_txn_add(agent->store, &work->entries[i].item);
        }
    }
    goal_admission_forget(&admission);
    return error;
}

/* Writes the transaction, so that it can be undone or, if it is a commit, for
 * good.  What is refused leaves nothing.  Returns the store's error. */
static char *
write_work(struct agent *agent, struct txn_work *work)
{
    struct goal_origin origin = work->origin;
    bool commit = work->verb == TXN_COMMIT;

    origin.hold |= !commit;     /* It is not done yet. */
    char *error = goal_store_begin(agent->store, &origin);
    if (error) {
        return error;
    }
    if (commit) {
        goal_txn_resume(agent->store, work->txn, work->message_id);
    } else {
        struct goal_txn_info info = work_info(work);

        goal_txn_start(agent->store, &info);
    }
    error = write_entries(agent, work);
    if (error || (work->refused && !commit)) {
        goal_store_abort(agent->store, &work->changes);
        return error;
    }

    const struct goal_txn *last = goal_txn_last(agent->store);
    error = goal_store_commit(agent->store, &work->changes);
    if (!commit && goal_txn_last(agent->store) != last) {
        work->txn = goal_txn_last(agent->store);
    }
    return error;
}

/* WAITING. */

/* Has what has been written translated. */
static void
start_translating(struct agent *agent, struct txn_work *work)
{
    translator_goal_changes(agent->translator, &work->changes);
    for (size_t i = 0; i < work->n; i++) {
        if (work->entries[i].written) {
            translator_retry(agent->translator, &work->entries[i].key);
        }
    }
    work->mark = translator_mark(agent->translator);
    work->state = TXN_TRANSLATING;
}

/* Remembers that the transaction, of which nothing is stored, was refused, and
 * says so. */
static void
refuse(struct agent *agent, struct txn_work *work)
{
    struct goal_txn_info info = work_info(work);
    struct goal_txn_end end = {
        .origin = &work->origin,
        .phase = GOAL_TXN_ABORTED,
        .outcome = work->outcome,
    };
    char *error = goal_txn_record(agent->store, &info, &end);

    if (error) {
        VLOG_ERR_RL(&rl, "transaction %s: %s", work->id, error);
        free(error);
        if (work->origin.topic[0] && work->origin.sequence) {
            resync_lost(agent->resync, work->origin.sender,
                        work->origin.epoch, work->origin.topic);
        }
    }
    release_commit(agent);
    reply(agent, work);
}

/* True if all that came before is in effect, as far as it matters. */
static bool
may_start(const struct agent *agent, const struct txn_work *work)
{
    return (agent->phase == PHASE_RUN
            && translator_is_idle(agent->translator)
            && commit_is_at_rest(agent->commit)
            && (work->verb == TXN_PREPARE
                || (commit_is_ready(agent->commit)
                    && commit_is_idle(agent->commit))));
}

static void
run_waiting(struct agent *agent, struct txn_work *work)
{
    bool late = time_msec() >= work->deadline;

    if (!work->refused && !may_start(agent, work)) {
        if (!late) {
            return;
        } else if (work->verb != TXN_COMMIT) {
            txn_work_refuse(work, TIMED_OUT);
        }
    }
    commit_set_mode(agent->commit, COMMIT_HELD);
    if (work->refused && work->verb != TXN_COMMIT) {
        refuse(agent, work);
        return;
    }

    char *error = write_work(agent, work);
    if (work->verb == TXN_COMMIT) {
        if (store_failed(work, GOAL_TXN_STAGED, error)) {
            release_commit(agent);
            return;
        }
    } else if (error) {
        VLOG_ERR_RL(&rl, "transaction %s: %s", work->id, error);
        free(error);
        txn_work_refuse(work, "the store cannot be written");
    }
    if (work->txn) {
        start_translating(agent, work);
    } else {
        goal_changes_destroy(&work->changes);
        refuse(agent, work);
    }
}

/* TRANSLATING and PORTS. */

/* Looks at how the resources fare.  Returns true if one of them waits for the
 * host to make something. */
static bool
judge(const struct agent *agent, struct txn_work *work)
{
    bool partial = false;

    for (size_t i = 0; i < work->n; i++) {
        struct txn_entry *entry = &work->entries[i];
        const char *error;

        if (!entry->written || entry->status != GOAL_STATUS_SUCCESS
            || entry->item.verb != GOAL_TXN_PUT) {
            continue;
        }
        switch (translator_status(agent->translator, &entry->key, &error)) {
        case UNIT_WAIT:
            txn_work_refuse_entry(work, entry, GOAL_STATUS_PENDING,
                                  "something that it refers to is missing");
            break;
        case UNIT_REJECT:
            txn_work_refuse_entry(work, entry, GOAL_STATUS_INVALID_ARG,
                                  error ? error : "rejected");
            break;
        case UNIT_FAILED:
            txn_work_refuse_entry(work, entry, GOAL_STATUS_FAILURE,
                                  error ? error : "failed");
            break;
        case UNIT_PARTIAL:
            partial = true;
            break;
        case UNIT_DONE:
            break;
        }
    }
    return partial;
}

/* Everything is translated that will be: installs it. */
static void
start_installing(struct agent *agent, struct txn_work *work)
{
    work->translated = time_usec();
    ds_atomic_begin(agent->ds);
    commit_set_mode(agent->commit, COMMIT_ATOMIC);
    work->state = TXN_INSTALLING;
}

static void
run_translating(struct agent *agent, struct txn_work *work)
{
    bool late = time_msec() >= work->deadline;
    bool partial;

    if (!late && (!translator_is_idle(agent->translator)
                  || !commit_is_at_rest(agent->commit))) {
        return;
    }
    partial = judge(agent, work);
    if (late && (work->state == TXN_PORTS
                 || !translator_is_idle(agent->translator))) {
        txn_work_refuse(work, TIMED_OUT);
    }
    if (work->verb == TXN_PREPARE
        || (work->refused && work->verb == TXN_LOCAL)) {
        commit_set_mode(agent->commit, COMMIT_HELD);
        undo(agent, work);
    } else if (partial && !late) {
        if (work->state != TXN_PORTS) {
            work->state = TXN_PORTS;
            commit_set_mode(agent->commit, COMMIT_PORTS);
        }
    } else {
        start_installing(agent, work);
    }
}

/* INSTALLING. */

/* What else has to know that the goal state is another. */
static void
note_changes(struct agent *agent, struct txn_work *work)
{
    agent_note_changes(agent, &work->changes);
    goal_changes_destroy(&work->changes);
}

/* The transaction of this host alone is in effect. */
static void
finish_local(struct agent *agent, struct txn_work *work)
{
    struct goal_txn_end end = {
        .origin = &work->origin,
        .phase = GOAL_TXN_COMMITTED,
        .outcome = "",
    };
    char *error = goal_txn_finish(agent->store, work->txn, &end);

    if (store_failed(work, GOAL_TXN_TRIED, error)) {
        return;
    }
    COVERAGE_INC(transaction_committed);
    note_changes(agent, work);
    release_commit(agent);
    reply(agent, work);
}

/* Names whom the data plane refused, which may be none of the message's. */
static void
blame(struct agent *agent, struct txn_work *work)
{
    const char *error = ds_atomic_error(agent->ds);

    judge(agent, work);
    txn_work_refuse(work, error ? error : TIMED_OUT);
}

/* What was refused stays as it is; the rest is installed as usual. */
static void
settle_commit(struct agent *agent, struct txn_work *work)
{
    release_commit(agent);
    note_changes(agent, work);
    work->state = TXN_SETTLING;
}

static void
run_installing(struct agent *agent, struct txn_work *work)
{
    bool done = (commit_mode(agent->commit) == COMMIT_HELD
                 && commit_is_at_rest(agent->commit));
    bool late = time_msec() >= work->deadline;

    if (!done && !late) {
        return;
    }
    if (!done) {
        ds_atomic_break(agent->ds, TIMED_OUT);
    }
    if (ds_atomic_error(agent->ds)) {
        commit_set_mode(agent->commit, COMMIT_HELD);
        blame(agent, work);
        if (work->verb == TXN_LOCAL) {
            undo(agent, work);
        } else {
            settle_commit(agent, work);
        }
    } else if (work->verb == TXN_LOCAL) {
        finish_local(agent, work);
    } else {
        settle_commit(agent, work);
    }
}

/* UNDOING and SETTLING. */

/* Makes the goal state what it was before. */
static void
undo(struct agent *agent, struct txn_work *work)
{
    bool staged = work->verb == TXN_PREPARE && !work->refused;
    struct goal_txn_end end = {
        .origin = &work->origin,
        .phase = staged ? GOAL_TXN_STAGED : GOAL_TXN_ABORTED,
        .outcome = work->outcome ? work->outcome : "",
    };
    struct goal_changes changes = GOAL_CHANGES_INITIALIZER;
    char *error = goal_txn_undo(agent->store, work->txn, &end, &changes);

    work->state = TXN_UNDOING;
    if (store_failed(work, GOAL_TXN_TRIED, error)) {
        goal_changes_destroy(&changes);
        return;
    }
    COVERAGE_INC(transaction_undone);
    work->retry = 0;
    goal_changes_destroy(&work->changes);
    translator_goal_changes(agent->translator, &changes);
    work->mark = translator_mark(agent->translator);
    goal_changes_destroy(&changes);
    if (staged) {
        txn_add_doubt(agent, work->txn, time_msec() + TXN_QUERY_MSEC);
    }
}

static void
run_undoing(struct agent *agent, struct txn_work *work)
{
    if (!translator_is_idle(agent->translator)) {
        return;
    }
    if (commit_is_at_rest(agent->commit)) {
        agent_ids_readback(agent); /* Numbers that were only tried. */
    }
    release_commit(agent);
    agent->topics_changed = agent->ports_changed = true;
    if (work->verb == TXN_PREPARE) {
        if (!work->refused) {
            COVERAGE_INC(transaction_prepared);
        }
        reply(agent, work);
    } else {
        work->state = TXN_SETTLING;
    }
}

static void
run_settling(struct agent *agent, struct txn_work *work)
{
    bool late = time_msec() >= work->deadline;

    if (!work->marked && agent->phase == PHASE_RUN
        && translator_is_idle(agent->translator)) {
        work->marked = true;
        work->commit_mark = ds_mark(agent->ds);
    }
    if (!late && !(work->marked
                   && commit_reached(agent->commit, &work->commit_mark))) {
        return;
    }
    if (work->verb == TXN_COMMIT) {
        if (judge(agent, work) && !late) {
            work->marked = false; /* There will be more to wait for. */
            return;
        }
        if (late) {
            txn_work_refuse(work, TIMED_OUT);
        }
        finish_commit(agent, work);
    } else {
        reply(agent, work);
    }
}

/* Fails what is not known to be in effect. */
static void
fail_all(struct txn_work *work)
{
    for (size_t i = 0; i < work->n; i++) {
        if (work->entries[i].status == GOAL_STATUS_SUCCESS) {
            work->entries[i].status = GOAL_STATUS_FAILURE;
        }
    }
}

/* What its coordinator has decided is in effect, as far as it will be. */
static void
finish_commit(struct agent *agent, struct txn_work *work)
{
    bool late = time_msec() >= work->deadline;
    bool alarm = false;
    struct ofpbuf payload;

    if (late) {
        fail_all(work);
    }
    for (size_t i = 0; i < work->n; i++) {
        enum goal_status status = work->entries[i].status;

        alarm |= (status != GOAL_STATUS_SUCCESS
                  && status != GOAL_STATUS_OUT_OF_ORDER);
    }
    ofpbuf_init(&payload, 64 + work->n * 64);
    txn_work_encode_reply(work, &payload);
    struct goal_txn_end end = {
        .origin = &work->origin,
        .phase = GOAL_TXN_COMMITTED,
        .outcome = work->outcome ? work->outcome : "",
        .alarm = alarm,
        .reply = payload.data,
        .reply_len = payload.size,
    };
    char *error = goal_txn_finish(agent->store, work->txn, &end);
    ofpbuf_uninit(&payload);
    if (store_failed(work, GOAL_TXN_APPLIED, error)) {
        return;
    }
    COVERAGE_INC(transaction_committed);
    agent->txns->alarms |= alarm;
    if (alarm) {
        VLOG_WARN_RL(&rl, "transaction %s is committed, but not all of it is "
                     "in effect: %s", work->id,
                     work->outcome ? work->outcome : "");
    }
    txn_forget_doubt(agent, work->txn);
    reply(agent, work);
}

/* Starting. */

/* Puts 'work' to work.  There must be none. */
void
txn_work_begin(struct agent *agent, struct txn_work *work)
{
    ovs_assert(!agent->txns->work);
    agent->txns->work = work;
    agent->txns->seqno++;
    txn_work_run(agent);
}

/* Adds an item of the store to 'work_'. */
static void
add_item(const struct goal_txn_item *item, void *work_)
{
    struct txn_work *work = work_;

    txn_work_add(work, item, item->resource->kind, item->resource->id);
}

/* Fills 'work' with what is staged as 'txn'.  Returns false if that is
 * damaged. */
static bool
load_items(struct agent *agent, struct txn_work *work,
           const struct goal_txn *txn)
{
    char *error = goal_txn_for_each_item(agent->store, txn, add_item, work);

    work->txn = txn;
    if (error) {
        VLOG_ERR_RL(&rl, "transaction %s: %s", work->id, error);
        free(error);
    }
    return !error;
}

/* Goes on with 'txn', which was decided before a restart: everything that is
 * stored is being translated. */
static void
find_keys(struct agent *agent, struct txn_work *work)
{
    for (size_t i = 0; i < work->n; i++) {
        struct txn_entry *entry = &work->entries[i];

        entry->written = goal_store_lookup(agent->store, entry->kind,
                                           entry->id, &entry->key);
    }
}

void
txn_work_resume(struct agent *agent, const struct goal_txn *txn)
{
    const struct goal_origin nobody = { .sender = txn->sender, .topic = "" };
    struct envelope envelope = {
        .message_id = txn->message_id, .transaction_id = txn->id,
    };
    struct txn_work *work = txn_work_create(TXN_COMMIT, &envelope, &nobody);

    load_items(agent, work, txn);
    find_keys(agent, work);
    work->state = TXN_SETTLING;
    txn_work_begin(agent, work);
}

/* Does what was voted for.  Returns false if it is damaged. */
bool
txn_work_commit(struct agent *agent, const struct goal_txn *txn,
                const struct envelope *envelope,
                const struct goal_origin *origin)
{
    struct txn_work *work = txn_work_create(TXN_COMMIT, envelope, origin);

    if (!load_items(agent, work, txn)) {
        txn_work_destroy(work);
        return false;
    }
    txn_work_begin(agent, work);
    return true;
}

/* Main loop. */

void
txn_work_run(struct agent *agent)
{
    struct txn_work *work = agent->txns->work;
    bool retrying = work && work->retry;

    if (!work || (retrying && time_msec() < work->retry)) {
        return;
    }
    work->retry = 0;
    switch (work->state) {
    case TXN_WAITING:
        run_waiting(agent, work);
        break;
    case TXN_TRANSLATING:
    case TXN_PORTS:
        run_translating(agent, work);
        break;
    case TXN_INSTALLING:
        run_installing(agent, work);
        break;
    case TXN_UNDOING:
        if (retrying) {
            undo(agent, work);
        } else {
            run_undoing(agent, work);
        }
        break;
    case TXN_SETTLING:
        run_settling(agent, work);
        break;
    }
}

void
txn_work_wait(const struct agent *agent)
{
    const struct txn_work *work = agent->txns->work;

    if (work) {
        poll_timer_wait_until(work->retry ? work->retry : work->deadline);
    }
}
