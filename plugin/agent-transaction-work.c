/* SPDX-License-Identifier: Apache-2.0
 *
 * agent-transaction-work: the transaction at work, and its answer. */

#include <config.h>

#include "agent-transaction.h"

#include <stdlib.h>
#include <string.h>
#include "feedback/ack.h"
#include "openvswitch/ofpbuf.h"
#include "timeval.h"
#include "util.h"

/* Life cycle. */

struct txn_work *
txn_work_create(enum txn_verb verb, const struct envelope *envelope,
                const struct goal_origin *origin)
{
    struct txn_work *work = xzalloc(sizeof *work);

    work->verb = verb;
    work->id = xstrdup(envelope->transaction_id);
    work->message_id = xstrdup(envelope->message_id);
    work->origin = *origin;
    work->origin.sender = xstrdup(origin->sender);
    work->origin.topic = xstrdup(origin->topic);
    work->deadline = time_msec() + ACK_TIMEOUT_MSEC;
    work->received = time_usec();
    return work;
}

void
txn_work_destroy(struct txn_work *work)
{
    if (work) {
        for (size_t i = 0; i < work->n; i++) {
            goal_resource_destroy(work->entries[i].item.resource);
            free(work->entries[i].id);
        }
        free(work->entries);
        goal_changes_destroy(&work->changes);
        free(CONST_CAST(char *, work->origin.sender));
        free(CONST_CAST(char *, work->origin.topic));
        free(work->outcome);
        free(work->message_id);
        free(work->id);
        free(work);
    }
}

/* Adds an entry, which takes over 'item->resource'. */
struct txn_entry *
txn_work_add(struct txn_work *work, const struct goal_txn_item *item,
             enum goal_kind kind, const char *id)
{
    if (work->n >= work->allocated) {
        work->entries = x2nrealloc(work->entries, &work->allocated,
                                   sizeof *work->entries);
    }
    struct txn_entry *entry = &work->entries[work->n++];
    *entry = (struct txn_entry) {
        .item = *item, .kind = kind, .id = xstrdup(id),
        .status = GOAL_STATUS_SUCCESS,
    };
    return entry;
}

/* Decides that 'work' is not to be, because of 'outcome'; the first counts. */
void
txn_work_refuse(struct txn_work *work, const char *outcome)
{
    work->refused = true;
    if (!work->outcome) {
        work->outcome = xstrdup(outcome);
    }
}

/* The same, because of 'entry', which is answered 'status'. */
void
txn_work_refuse_entry(struct txn_work *work, struct txn_entry *entry,
                      enum goal_status status, const char *why)
{
    char *outcome = xasprintf("%s %s: %s", goal_kinds[entry->kind].name,
                              entry->id, why);

    entry->status = status;
    txn_work_refuse(work, outcome);
    free(outcome);
}

/* Answers. */

static uint32_t
duration(long long int from, long long int to)
{
    return MIN(MAX(to - from, 0), UINT32_MAX);
}

static void
add_status(const struct txn_work *work, const struct txn_entry *entry,
           struct resource_status *s)
{
    long long int now = time_usec();
    long long int translated = work->translated ? work->translated : now;
    bool others = (work->refused && work->verb != TXN_COMMIT
                   && entry->status == GOAL_STATUS_SUCCESS);

    *s = (struct resource_status) {
        .id = entry->id,
        .kind = entry->kind,
        .operation = entry->item.operation,
        .status = others ? GOAL_STATUS_FAILURE : entry->status,
        .configuration_usec = duration(work->received, translated),
        .programming_usec = duration(translated, now),
        .elapsed_usec = duration(work->received, now),
    };
}

/* Appends the answer to 'work'.  Where it was refused, whose fault that is
 * comes first. */
void
txn_work_encode_reply(const struct txn_work *work, struct ofpbuf *payload)
{
    struct resource_status *statuses = xmalloc(MAX(work->n, 1)
                                               * sizeof *statuses);
    size_t n = 0;

    for (int culprits = 1; culprits >= 0; culprits--) {
        for (size_t i = 0; i < work->n; i++) {
            const struct txn_entry *entry = &work->entries[i];
            bool culprit = (entry->status != GOAL_STATUS_SUCCESS
                            && work->verb != TXN_COMMIT);

            if (culprit == culprits) {
                add_status(work, entry, &statuses[n++]);
            }
        }
    }
    reply_encode(statuses, n, duration(work->received, time_usec()),
                 payload);
    free(statuses);
}
