/* SPDX-License-Identifier: Apache-2.0
 *
 * alcor-publish-transaction: two-phase commit of what is published. */

#include <config.h>

#include "utilities/alcor-publish-session-private.h"

#include <string.h>

#include "openvswitch/vlog.h"
#include "util.h"
#include "utilities/alcor-publish-result.h"

VLOG_DEFINE_THIS_MODULE(alcor_publish_transaction);

/* The message is published as TXN_PREPARE.  When every host has voted, or time
 * is up, TXN_COMMIT follows if all have voted yes, else TXN_ABORT; and then
 * everybody is waited for once more.
 *
 * The decision is nowhere but in our memory.  So a question is only answered
 * for our own transaction: of another we do not know that it was not
 * committed, and who asks waits for somebody who knows. */

/* Has what is published from now on voted on. */
void
publish_txn_begin(struct session *s)
{
    s->phase = PUBLISH_TXN_PREPARED;
}

/* Takes a vote: the 'n' statuses in it. */
void
publish_txn_vote(struct session *s, const struct resource_status *statuses,
                 size_t n)
{
    for (size_t i = 0; i < n; i++) {
        s->refused |= statuses[i].status != GOAL_STATUS_SUCCESS;
    }
}

static void
send_outcome(struct session *s, const char *node)
{
    struct envelope e = publish_envelope(
        s, (s->phase == PUBLISH_TXN_COMMITTED ? MSG_TXN_COMMIT
            : MSG_TXN_ABORT), s->message_ids[0], NULL);

    publish_send(s, node, &e, NULL);
}

/* Decides, if that is due, and tells everybody.  Returns false if there is
 * nothing to decide, or it was decided before. */
bool
publish_txn_decide(struct session *s)
{
    struct shash_node *node;

    if (s->phase != PUBLISH_TXN_PREPARED) {
        return false;
    }
    SHASH_FOR_EACH (node, &s->peers) {
        const struct peer *peer = node->data;

        if (peer->expected && !peer->n_answered) {
            s->refused = true;
            sset_add(&s->result->silent, peer->id);
        }
    }
    s->phase = s->refused ? PUBLISH_TXN_ABORTED : PUBLISH_TXN_COMMITTED;
    if (s->refused) {
        publish_result_abort(s->result);
    }
    publish_new_message_id(s, 0);
    send_outcome(s, NULL);
    return true;
}

/* Tells 'node' the outcome that it asks for. */
void
publish_txn_query(struct session *s, const char *node,
                  const struct envelope *query)
{
    if (!s->transaction_id
        || strcmp(query->transaction_id, s->transaction_id)) {
        VLOG_WARN("%s asks for the outcome of transaction %s, which is not "
                  "known here", node, query->transaction_id);
    } else if (s->phase == PUBLISH_TXN_COMMITTED
               || s->phase == PUBLISH_TXN_ABORTED) {
        send_outcome(s, node);
    }
}
