/* SPDX-License-Identifier: Apache-2.0
 *
 * agent-transaction-doubt: transactions that are in doubt, and alarms. */

#include <config.h>

#include "agent-transaction.h"

#include <string.h>
#include "agent-private.h"
#include "coverage.h"
#include "hash.h"
#include "ingest/control-server.h"
#include "ingest/transport-provider.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "random.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(agent_transaction_doubt);

COVERAGE_DEFINE(transaction_query);

static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(5, 20);

/* After a start, and after a new connection, those in doubt are asked for
 * within this time. */
#define FIRST_QUERY_MSEC 1000

/* Locks. */

/* The name of a resource among the locks, owned by the caller. */
char *
txn_lock_name(enum goal_kind kind, const char *id)
{
    return xasprintf("%s %s", goal_kinds[kind].name, id);
}

static void
add_lock(const struct goal_txn_item *item, void *walk_)
{
    struct {
        struct agent *agent;
        uint64_t number;
    } *walk = walk_;

    if (item->verb != GOAL_TXN_NOTHING) {
        char *name = txn_lock_name(item->resource->kind, item->resource->id);

        shash_add_once(&walk->agent->txns->locks, name,
                       (void *) (uintptr_t) walk->number);
        free(name);
    }
    goal_resource_destroy(item->resource);
}

static void
lock(struct agent *agent, const struct goal_txn *txn)
{
    struct {
        struct agent *agent;
        uint64_t number;
    } walk = { agent, txn->number };
    char *error = goal_txn_for_each_item(agent->store, txn, add_lock, &walk);

    if (error) {
        VLOG_ERR_RL(&rl, "transaction %s: %s", txn->id, error);
        free(error);
    }
}

static void
unlock(struct agent *agent, uint64_t number)
{
    struct shash_node *node;

    SHASH_FOR_EACH_SAFE (node, &agent->txns->locks) {
        if ((uintptr_t) node->data == number) {
            shash_delete(&agent->txns->locks, node);
        }
    }
}

/* In doubt. */

void
txn_add_doubt(struct agent *agent, const struct goal_txn *txn,
              long long int next)
{
    struct txn_doubt *doubt = xmalloc(sizeof *doubt);

    *doubt = (struct txn_doubt) {
        .number = txn->number, .next = next, .backoff = TXN_QUERY_MSEC,
    };
    hmap_insert(&agent->txns->doubts, &doubt->hmap_node,
                hash_uint64(txn->number));
    lock(agent, txn);
}

static struct txn_doubt *
find_doubt(const struct agent_txns *txns, uint64_t number)
{
    struct txn_doubt *doubt;

    HMAP_FOR_EACH_WITH_HASH (doubt, hmap_node, hash_uint64(number),
                             &txns->doubts) {
        if (doubt->number == number) {
            return doubt;
        }
    }
    return NULL;
}

/* Its outcome is known. */
void
txn_forget_doubt(struct agent *agent, const struct goal_txn *txn)
{
    struct txn_doubt *doubt = find_doubt(agent->txns, txn->number);

    if (doubt) {
        hmap_remove(&agent->txns->doubts, &doubt->hmap_node);
        free(doubt);
    }
    unlock(agent, txn->number);
}

/* Asks for the outcome of 'txn', if it is time. */
static void
query(const struct goal_txn *txn, void *agent_)
{
    struct agent *agent = agent_;
    struct txn_doubt *doubt = find_doubt(agent->txns, txn->number);
    long long int now = time_msec();

    if (txn->phase != GOAL_TXN_STAGED || !doubt || now < doubt->next) {
        return;
    }
    COVERAGE_INC(transaction_query);
    txn_send(agent, MSG_TXN_QUERY, NULL, txn->id, NULL);
    doubt->next = now + doubt->backoff / 2 + random_range(doubt->backoff / 2);
    doubt->backoff = MIN(2 * doubt->backoff, TXN_QUERY_MAX_MSEC);
}

/* On a new connection, somebody may know: they are asked soon, but by ten
 * thousand agents not at once. */
static void
ask_again(struct agent_txns *txns)
{
    struct txn_doubt *doubt;

    HMAP_FOR_EACH (doubt, hmap_node, &txns->doubts) {
        doubt->next = MIN(doubt->next,
                          time_msec() + random_range(FIRST_QUERY_MSEC));
        doubt->backoff = TXN_QUERY_MSEC;
    }
}

static void
queries_run(struct agent *agent)
{
    struct agent_txns *txns = agent->txns;

    if (!agent->transport || !transport_is_connected(agent->transport)) {
        return;
    }
    unsigned int connection = transport_connection_seqno(agent->transport);
    if (connection != txns->connection) {
        txns->connection = connection;
        ask_again(txns);
    }
    if (!hmap_is_empty(&txns->doubts)) {
        goal_txn_for_each(agent->store, query, agent);
    }
}

/* Alarms. */

/* True if something in the reply of 'txn', which is all that is left of it, is
 * not in effect. */
static bool
is_alarming(struct agent *agent, const struct goal_txn *txn)
{
    struct resource_status *statuses;
    bool alarming = false;
    size_t len, n;
    void *reply = goal_txn_reply(agent->store, txn, &len);
    char *error = reply_decode(reply, len, &statuses, &n);

    free(reply);
    if (error) {
        free(error);
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        const struct resource_status *s = &statuses[i];
        struct goal_key key;

        if (s->kind < GOAL_N_KINDS
            && goal_store_lookup(agent->store, s->kind, s->id, &key)) {
            enum unit_status us = translator_status(agent->translator, &key,
                                                    NULL);

            alarming |= us != UNIT_DONE && us != UNIT_PARTIAL;
        }
    }
    reply_destroy(statuses, n);
    return alarming;
}

static void
check_alarm(const struct goal_txn *txn, void *agent_)
{
    struct agent *agent = agent_;

    if (!txn->alarm) {
        return;
    }
    if (is_alarming(agent, txn)) {
        agent->txns->alarms = true;
    } else {
        char *error = goal_txn_end_alarm(agent->store, txn);

        if (error) {
            VLOG_ERR_RL(&rl, "transaction %s: %s", txn->id, error);
            free(error);
        } else {
            VLOG_INFO_RL(&rl, "transaction %s: all of it is in effect now",
                         txn->id);
        }
        agent->txns->seqno++;
    }
}

/* Ends alarms whose cause is gone. */
static void
alarms_run(struct agent *agent)
{
    struct agent_txns *txns = agent->txns;
    uint64_t seqnos[2] = {
        ds_failures_seqno(agent->ds), translator_seqno(agent->translator),
    };

    if (txns->alarms && memcmp(seqnos, txns->seqnos, sizeof seqnos)
        && agent_is_idle(agent)) {
        memcpy(txns->seqnos, seqnos, sizeof seqnos);
        txns->alarms = false;
        goal_txn_for_each(agent->store, check_alarm, agent);
    }
}

/* Main loop. */

static void
load(const struct goal_txn *txn, void *agent_)
{
    struct agent *agent = agent_;

    if (txn->phase == GOAL_TXN_STAGED || txn->phase == GOAL_TXN_APPLIED) {
        txn_add_doubt(agent, txn,
                      time_msec() + random_range(FIRST_QUERY_MSEC));
    }
    if (txn->phase == GOAL_TXN_APPLIED && !agent->txns->work) {
        txn_work_resume(agent, txn);
    }
    agent->txns->alarms |= txn->alarm;
}

/* Remembers what the store has. */
void
txn_doubts_load(struct agent *agent)
{
    goal_txn_for_each(agent->store, load, agent);
}

void
txn_doubts_run(struct agent *agent)
{
    queries_run(agent);
    alarms_run(agent);
}

void
txn_doubts_wait(const struct agent *agent)
{
    const struct txn_doubt *doubt;

    if (agent->transport && transport_is_connected(agent->transport)) {
        HMAP_FOR_EACH (doubt, hmap_node, &agent->txns->doubts) {
            poll_timer_wait_until(doubt->next);
        }
    }
}
