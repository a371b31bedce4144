/* SPDX-License-Identifier: Apache-2.0
 *
 * agent-transaction: messages of transactions, locks, and what is in doubt. */

#include <config.h>

#include "agent-transaction.h"

#include <inttypes.h>
#include <string.h>
#include "agent-private.h"
#include "apply/commit.h"
#include "coverage.h"
#include "feedback/ack.h"
#include "hash.h"
#include "ingest/goal-decode.h"
#include "ingest/transport-provider.h"
#include "openvswitch/ofpbuf.h"
#include "openvswitch/vlog.h"
#include "simap.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(agent_transaction);

COVERAGE_DEFINE(transaction_locked);

static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(5, 20);

/* Sending. */

/* Sends a message about transaction 'id'; 'payload' may be null. */
void
txn_send(struct agent *agent, enum envelope_kind kind,
         const char *correlation_id, const char *id,
         const struct ofpbuf *payload)
{
    const struct envelope about = {
        .kind = kind,
        .correlation_id = CONST_CAST(char *, correlation_id),
        .transaction_id = CONST_CAST(char *, id),
    };

    free(agent_send_about(agent, &about, payload ? payload->data : NULL,
                          payload ? payload->size : 0));
}

/* Answers with TXN_DONE and one status with an empty resource id or, if
 * 'status' is GOAL_STATUS_SUCCESS, none. */
static void
send_done(struct agent *agent, const struct envelope *envelope,
          enum goal_status verdict)
{
    struct resource_status status = { .id = "", .status = verdict };
    uint64_t stub[64 / 8];
    struct ofpbuf payload;

    ofpbuf_use_stub(&payload, stub, sizeof stub);
    reply_encode(&status, verdict != GOAL_STATUS_SUCCESS, 0, &payload);
    txn_send(agent, MSG_TXN_DONE, envelope->message_id,
             envelope->transaction_id, &payload);
    ofpbuf_uninit(&payload);
}

/* Refuses 'work' if another transaction has locked one of its resources. */
static void
check_locks(struct agent *agent, struct txn_work *work)
{
    for (size_t i = 0; i < work->n; i++) {
        struct txn_entry *entry = &work->entries[i];
        char *name = txn_lock_name(entry->kind, entry->id);

        if (entry->item.verb != GOAL_TXN_NOTHING
            && shash_find(&agent->txns->locks, name)) {
            char *why = xasprintf("%s: another transaction has locked it",
                                  name);

            COVERAGE_INC(transaction_locked);
            entry->status = GOAL_STATUS_FAILURE;
            txn_work_refuse(work, why);
            free(why);
        }
        free(name);
    }
}

/* Messages. */

/* Takes an entry of a message that is a transaction. */
static void
take_entry(const struct goal_entry *entry, void *work_)
{
    struct txn_work *work = work_;
    struct goal_txn_item item = {
        .verb = (entry->operation == GOAL_OP_DELETE ? GOAL_TXN_DELETE
                 : entry->operation == GOAL_OP_GET ? GOAL_TXN_NOTHING
                 : GOAL_TXN_PUT),
        .mode = (entry->created ? GOAL_CREATE : entry->full ? GOAL_REPLACE
                 : GOAL_MERGE),
        .operation = entry->operation,
        .resource = entry->resource,
    };

    if (work->n >= GOAL_TXN_MAX_ITEMS) {
        goal_resource_destroy(item.resource);
        item.resource = NULL;
    }

    struct txn_entry *e = txn_work_add(work, &item, entry->kind, entry->id);
    if (entry->error) {
        char *why = xasprintf("%s %s: %s", goal_kinds[entry->kind].name,
                              entry->id, entry->error);

        e->status = entry->status;
        txn_work_refuse(work, why);
        free(why);
    }
}

/* Returns what the message, whose payload is goal state of 'version', is to
 * become, with all its entries. */
static struct txn_work *
work_from_message(struct agent *agent, enum txn_verb verb,
                  const struct envelope *envelope,
                  const struct goal_origin *origin,
                  const struct transport_message *msg)
{
    struct txn_work *work = txn_work_create(verb, envelope, origin);
    int version = envelope->kind == MSG_GOAL_STATE ? 1 : 2;
    char *error = goal_decode(version, msg->payload, msg->payload_len,
                              agent->config.host_ip, take_entry, work);

    if (error) {
        /* Cannot happen: goal_decode_check() has passed. */
        txn_work_refuse(work, error);
        free(error);
    }
    work->received = msg->received_usec;
    work->tag = ((uint64_t) hash_bytes(msg->payload, msg->payload_len, 0) << 32
                 | hash_bytes(msg->payload, msg->payload_len, 1));
    work->n_bytes = msg->payload_len;
    agent->counters.resources += work->n;
    for (size_t i = 0; i < work->n; i++) {
        agent->counters.invalid += (work->entries[i].status
                                    != GOAL_STATUS_SUCCESS);
    }
    check_locks(agent, work);
    return work;
}

/* Takes goal state that is a transaction of this host alone. */
void
agent_take_transaction(struct agent *agent, const struct envelope *envelope,
                       const struct goal_origin *origin,
                       const struct transport_message *msg)
{
    struct txn_work *work = work_from_message(agent, TXN_LOCAL, envelope,
                                              origin, msg);

    if (work->n > GOAL_TXN_MAX_ITEMS) {
        char *why = xasprintf("%"PRIuSIZE" resources are more than the %d of "
                              "a transaction", work->n, GOAL_TXN_MAX_ITEMS);

        txn_work_refuse(work, why);
        free(why);
    }
    txn_work_begin(agent, work);
}

static struct goal_origin
message_origin(const struct envelope *envelope,
               const struct transport_message *msg)
{
    /* Its position has been stored already. */
    return (struct goal_origin) {
        .sender = envelope->sender,
        .topic = msg->topic ? msg->topic : "",
        .epoch = envelope->epoch,
        .sequence = envelope->sequence,
        .hold = true,
    };
}

/* Returns false, having answered, if the message names no transaction. */
static bool
has_id(struct agent *agent, const struct envelope *envelope)
{
    if (envelope->transaction_id[0]) {
        return true;
    }
    VLOG_INFO_RL(&rl, "%s %s from %s: no transaction id",
                 envelope_kind_to_string(envelope->kind),
                 envelope->message_id, envelope->sender);
    agent->counters.unparsable++;
    agent_send_verdict(agent, envelope->message_id, GOAL_STATUS_INVALID_ARG);
    return false;
}

/* Answers a PREPARE of a transaction that is known: again as before, unless it
 * says something else. */
static void
vote_again(struct agent *agent, const struct goal_txn *txn,
           struct txn_work *work)
{
    struct resource_status *statuses = xcalloc(MAX(work->n, 1),
                                               sizeof *statuses);
    bool yes = txn->phase != GOAL_TXN_ABORTED && txn->tag == work->tag;
    struct ofpbuf payload;

    for (size_t i = 0; i < work->n; i++) {
        statuses[i] = (struct resource_status) {
            .id = work->entries[i].id,
            .kind = work->entries[i].kind,
            .operation = work->entries[i].item.operation,
            .status = yes ? GOAL_STATUS_SUCCESS : GOAL_STATUS_FAILURE,
        };
    }
    ofpbuf_init(&payload, 64 + work->n * 64);
    reply_encode(statuses, work->n, 0, &payload);
    txn_send(agent, MSG_TXN_VOTE, work->message_id, work->id, &payload);
    ofpbuf_uninit(&payload);
    free(statuses);
    txn_work_destroy(work);
}

void
agent_take_txn_prepare(struct agent *agent, const struct envelope *envelope,
                       const struct transport_message *msg)
{
    const struct goal_origin origin = message_origin(envelope, msg);
    const struct goal_txn *txn;
    char *error;

    if (!has_id(agent, envelope)) {
        return;
    }
    error = goal_decode_check(2, msg->payload, msg->payload_len);
    if (error) {
        VLOG_INFO_RL(&rl, "message %s from %s: %s", envelope->message_id,
                     envelope->sender, error);
        free(error);
        agent->counters.unparsable++;
        agent_send_verdict(agent, envelope->message_id,
                           GOAL_STATUS_INVALID_ARG);
        return;
    }

    struct txn_work *work = work_from_message(agent, TXN_PREPARE, envelope,
                                              &origin, msg);
    txn = goal_txn_find(agent->store, work->id, true);
    if (txn) {
        vote_again(agent, txn, work);
        return;
    }
    error = goal_txn_check_room(agent->store, work->n, work->n_bytes);
    if (error) {
        txn_work_refuse(work, error);
        free(error);
    }
    txn_work_begin(agent, work);
}

/* Answers with what was answered when the transaction was over. */
static void
done_again(struct agent *agent, const struct goal_txn *txn,
           const struct envelope *envelope)
{
    struct ofpbuf payload;
    size_t len;
    void *reply = goal_txn_reply(agent->store, txn, &len);

    ofpbuf_use_const(&payload, reply, len);
    txn_send(agent, MSG_TXN_DONE, envelope->message_id, txn->id, &payload);
    free(reply);
}

void
agent_take_txn_commit(struct agent *agent, const struct envelope *envelope,
                      const struct transport_message *msg)
{
    const struct goal_origin origin = message_origin(envelope, msg);
    const struct goal_txn *txn;

    if (!has_id(agent, envelope)) {
        return;
    }
    txn = goal_txn_find(agent->store, envelope->transaction_id, true);
    if (txn && txn->phase == GOAL_TXN_STAGED
        && txn_work_commit(agent, txn, envelope, &origin)) {
        /* It is at work. */
    } else if (txn && txn->phase == GOAL_TXN_COMMITTED) {
        done_again(agent, txn, envelope);
    } else {
        VLOG_WARN_RL(&rl, "%s commits transaction %s, which %s",
                     envelope->sender, envelope->transaction_id,
                     !txn ? "is not known"
                     : txn->phase == GOAL_TXN_STAGED ? "is damaged"
                     : "is aborted");
        send_done(agent, envelope, GOAL_STATUS_FAILURE);
    }
}

/* Drops 'txn', which is staged. */
char *
txn_abort(struct agent *agent, const struct goal_txn *txn,
          const struct goal_origin *origin, const char *outcome)
{
    const struct goal_txn_end end = {
        .origin = origin, .phase = GOAL_TXN_ABORTED, .outcome = outcome,
    };
    char *error = goal_txn_finish(agent->store, txn, &end);

    if (txn->phase != GOAL_TXN_STAGED) {
        free(error);            /* It has been done all the same. */
        error = NULL;
        txn_forget_doubt(agent, txn);
        agent->txns->seqno++;
    }
    return error;
}

void
agent_take_txn_abort(struct agent *agent, const struct envelope *envelope,
                     const struct transport_message *msg)
{
    const struct goal_origin origin = message_origin(envelope, msg);
    const char *outcome = "aborted by its coordinator";
    const struct goal_txn *txn;
    char *error = NULL;

    if (!has_id(agent, envelope)) {
        return;
    }
    txn = goal_txn_find(agent->store, envelope->transaction_id, true);
    if (!txn) {
        /* Its PREPARE may still come, by another way. */
        const struct goal_txn_info info = {
            .id = envelope->transaction_id, .sender = envelope->sender,
            .message_id = "", .distributed = true,
        };
        const struct goal_txn_end end = {
            .origin = &origin, .phase = GOAL_TXN_ABORTED, .outcome = outcome,
        };

        error = goal_txn_record(agent->store, &info, &end);
        agent->txns->seqno++;
    } else if (txn->phase == GOAL_TXN_STAGED) {
        error = txn_abort(agent, txn, &origin, outcome);
    } else if (txn->phase == GOAL_TXN_COMMITTED) {
        VLOG_WARN_RL(&rl, "%s aborts transaction %s, which is committed",
                     envelope->sender, txn->id);
        done_again(agent, txn, envelope);
        return;
    }
    if (error) {
        /* No answer: it will be told again, or we ask. */
        VLOG_ERR_RL(&rl, "transaction %s: %s", envelope->transaction_id,
                    error);
        free(error);
    } else {
        send_done(agent, envelope, GOAL_STATUS_SUCCESS);
    }
}

/* Life cycle. */

void
agent_transactions_init(struct agent *agent)
{
    agent->txns = xzalloc(sizeof *agent->txns);
    shash_init(&agent->txns->locks);
    hmap_init(&agent->txns->doubts);
    txn_commands_init(agent);
}

void
agent_transactions_destroy(struct agent *agent)
{
    struct txn_doubt *doubt;

    HMAP_FOR_EACH_POP (doubt, hmap_node, &agent->txns->doubts) {
        free(doubt);
    }
    hmap_destroy(&agent->txns->doubts);
    shash_destroy(&agent->txns->locks);
    txn_work_destroy(agent->txns->work);
    free(agent->txns);
    agent->txns = NULL;
}

/* To be called when the store has been opened. */
void
agent_transactions_load(struct agent *agent)
{
    txn_doubts_load(agent);
    agent->txns->seqno++;
}

bool
agent_transactions_are_idle(const struct agent *agent)
{
    return !agent->txns->work;
}

bool
agent_transactions_try(const struct agent *agent)
{
    const struct txn_work *work = agent->txns->work;

    return (work && work->state != TXN_WAITING
            && work->state != TXN_SETTLING);
}

uint64_t
agent_transactions_seqno(const struct agent *agent)
{
    return agent->txns->seqno;
}

void
agent_transactions_run(struct agent *agent)
{
    if (!agent->translator) {
        return;
    }
    if (agent->exit) {
        /* The next agent undoes it, or goes on with it. */
        if (agent->txns->work) {
            ds_atomic_end(agent->ds);
            commit_set_mode(agent->commit, COMMIT_NORMAL);
            txn_work_destroy(agent->txns->work);
            agent->txns->work = NULL;
        }
        return;
    }
    txn_work_run(agent);
    txn_doubts_run(agent);
}

void
agent_transactions_wait(const struct agent *agent)
{
    if (agent->translator) {
        txn_work_wait(agent);
        txn_doubts_wait(agent);
    }
}

static void
count_history(const struct goal_txn *txn, void *usage)
{
    if (txn->ended) {
        simap_increase(usage, "transaction-history", 1);
    }
}

void
agent_transactions_get_memory_usage(const struct agent *agent,
                                    struct simap *usage)
{
    uint64_t n_bytes;
    size_t n;

    goal_txn_usage(agent->store, &n, &n_bytes);
    if (n) {
        simap_increase(usage, "transactions-open", n);
        simap_increase(usage, "transactions-staged-KB", n_bytes / 1024);
        simap_increase(usage, "transaction-locks",
                       shash_count(&agent->txns->locks));
    }
    goal_txn_for_each(agent->store, count_history, usage);
}
