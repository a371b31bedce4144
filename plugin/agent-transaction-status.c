/* SPDX-License-Identifier: Apache-2.0
 *
 * agent-transaction-status: what people can see, and do, of transactions. */

#include <config.h>

#include "agent-transaction.h"

#include <inttypes.h>
#include "agent-private.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/vlog.h"
#include "table.h"
#include "unixctl.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(agent_transaction_status);

/* Commands. */

static void
add_row(const struct goal_txn *txn, void *table_)
{
    char *outcome = goal_txn_describe_outcome(txn);
    struct table *table = table_;

    table_add_row(table);
    agent_add_cell(table, "%s", txn->id);
    agent_add_cell(table, "%s", goal_txn_phase_to_string(txn->phase));
    agent_add_cell(table, "%s", txn->distributed ? "several" : "this");
    agent_add_cell(table, "%"PRIu32, txn->n_resources);
    agent_add_cell(table, "%s", txn->sender);
    agent_add_cell(table, "%s", outcome);
    free(outcome);
    agent_add_cell(table, "%.3f", txn->began / 1e6);
    if (txn->ended) {
        agent_add_cell(table, "%.3f", txn->ended / 1e6);
    } else {
        agent_add_cell(table, "%s", "");
    }
}

static void
cmd_list(struct unixctl_conn *conn, int argc, const char *argv[],
         void *agent_)
{
    static const char *const columns[] = {
        "id", "phase", "hosts", "resources", "sender", "outcome", "began",
        "ended",
    };
    struct agent *agent = agent_;
    struct table table;

    if (!agent->translator) {
        unixctl_command_reply_error(conn,
                                    agent_phase_to_string(agent->phase));
        return;
    }
    table_init(&table);
    for (size_t i = 0; i < ARRAY_SIZE(columns); i++) {
        table_add_column(&table, "%s", columns[i]);
    }
    goal_txn_for_each(agent->store, add_row, &table);
    agent_reply_table(conn, &table, argc, argv);
}

static void
cmd_abort(struct unixctl_conn *conn, int argc OVS_UNUSED, const char *argv[],
          void *agent_)
{
    const struct goal_origin nobody = { .sender = "", .topic = "" };
    struct agent *agent = agent_;
    const struct goal_txn *txn
        = (agent->translator ? goal_txn_find(agent->store, argv[1], true)
           : NULL);

    if (!txn) {
        unixctl_command_reply_error(conn, "no such transaction");
    } else if (agent->txns->work && agent->txns->work->txn == txn) {
        unixctl_command_reply_error(conn, "it is at work");
    } else if (txn->phase != GOAL_TXN_STAGED) {
        char *error = xasprintf("it is not in doubt, but %s",
                                goal_txn_phase_to_string(txn->phase));

        unixctl_command_reply_error(conn, error);
        free(error);
    } else {
        char *error = txn_abort(agent, txn, &nobody,
                                "aborted by an operator");

        if (error) {
            unixctl_command_reply_error(conn, error);
            free(error);
        } else {
            VLOG_WARN("transaction %s: aborted by an operator", argv[1]);
            unixctl_command_reply(conn, NULL);
        }
    }
}

static void
format_doubt(const struct goal_txn *txn, void *s_)
{
    struct ds *s = s_;

    if (txn->phase == GOAL_TXN_STAGED) {
        ds_put_format(s, "in doubt: transaction %s of %s, %"PRIu32
                      " resources\n", txn->id, txn->sender,
                      txn->n_resources);
    } else if (txn->alarm) {
        ds_put_format(s, "alarm: transaction %s is committed, but: %s\n",
                      txn->id, txn->outcome);
    }
}

/* Appends lines about transactions. */
void
agent_transactions_describe(const struct agent *agent, struct ds *s)
{
    uint64_t n_bytes;
    size_t n;

    goal_txn_usage(agent->store, &n, &n_bytes);
    ds_put_format(s, "transactions: %"PRIuSIZE" of at most %d open, %"PRIu64
                  " of at most %d KB staged, %"PRIuSIZE" locks\n", n,
                  GOAL_TXN_MAX_OPEN, n_bytes / 1024,
                  GOAL_TXN_MAX_OPEN_BYTES / 1024,
                  shash_count(&agent->txns->locks));
    goal_txn_for_each(agent->store, format_doubt, s);
}

void
txn_commands_init(struct agent *agent)
{
    unixctl_command_register("transaction/list", "[--format=FORMAT]", 0, 1,
                             cmd_list, agent);
    unixctl_command_register("transaction/abort", "ID", 1, 1, cmd_abort,
                             agent);
}
