/* SPDX-License-Identifier: Apache-2.0
 *
 * agent-audit: flow/audit, and the audit that comes by itself. */

#include <config.h>

#include <stdlib.h>
#include <string.h>
#include "agent-private.h"
#include "apply/apply-openflow.h"
#include "apply/apply-ovsdb.h"
#include "apply/commit.h"
#include "apply/next-hop.h"
#include "openvswitch/list.h"
#include "openvswitch/poll-loop.h"
#include "table.h"
#include "timeval.h"
#include "translate/plugin-provider.h"
#include "unixctl.h"
#include "util.h"

/* Every AGENT_AUDIT_MSEC, and on demand, what is installed on the bridge is
 * compared with what should be (apply/apply-openflow-audit.c), and the cache
 * of next hops is looked at.  Rows need no audit: the database tells of each
 * change.  The command is
 * answered when what was found has been put right.
 *
 * Thread-safety: main thread only. */

/* Who waits for the end of an audit. */
struct audit_waiter {
    struct ovs_list list_node;  /* In struct agent's 'audit_waiters'. */
    struct unixctl_conn *conn;
    bool json, csv;             /* Format, if not a table. */
};

static void
put_size(struct table *table, size_t value)
{
    table_add_cell(table)->text = xasprintf("%"PRIuSIZE, value);
}

static void
put_row(struct table *table, const char *owner,
        const struct ds_audit_count *count)
{
    table_add_row(table);
    table_add_cell(table)->text = xstrdup(owner);
    put_size(table, count->same);
    put_size(table, count->changed);
    put_size(table, count->missing);
    put_size(table, count->unknown);
}

/* Rows for what is installed elsewhere than in the bridge's tables, which is
 * put right by itself: 'repairs' is what there was to do since the start. */
static void
put_others(const struct agent *agent, const char *what, enum ds_sink sink,
           const struct ds_audit *repairs, struct table *table)
{
    struct ds_audit *audit = xmemdup(repairs, sizeof *repairs);

    ds_audit_count_installed(agent->ds, audit, sink);
    for (size_t i = 0; i < ARRAY_SIZE(audit->counts); i++) {
        static const struct ds_audit_count none;
        const char *name = plugin_registry_name(&agent->registry, i);

        if (memcmp(&audit->counts[i], &none, sizeof none)) {
            char *owner = xasprintf("%s: %s", name ? name : "(others)", what);

            put_row(table, owner, &audit->counts[i]);
            free(owner);
        }
    }
    free(audit);
}

/* A row for each plugin, one for groups and meters, and one for what nobody
 * here knows. */
static void
fill_table(const struct agent *agent, const struct ds_audit *audit,
           struct table *table)
{
    table_add_column(table, "owner");
    table_add_column(table, "as wanted");
    table_add_column(table, "changed");
    table_add_column(table, "missing");
    table_add_column(table, "unknown");
    for (size_t i = 0; i < agent->registry.n; i++) {
        const struct plugin_entry *entry = &agent->registry.entries[i];

        put_row(table, entry->class->name, &audit->counts[entry->number]);
    }
    put_row(table, "(others)", &audit->counts[DS_AUDIT_NO_PLUGIN]);
    put_others(agent, "rows", DS_OVSDB,
               apply_ovsdb_repairs(agent->ovsdb, DS_OVSDB), table);
    put_others(agent, "marks", DS_OVSDB_LATE,
               apply_ovsdb_repairs(agent->ovsdb, DS_OVSDB_LATE), table);
    put_others(agent, "next hops", DS_NEXT_HOP,
               next_hop_repairs(agent->next_hop), table);
}

static void
cmd_audit(struct unixctl_conn *conn, int argc, const char *argv[],
          void *agent_)
{
    struct agent *agent = agent_;
    struct audit_waiter *waiter;

    if (agent->options.dummy) {
        unixctl_command_reply_error(conn, "there is no switch with "
                                    "--dummy-dataplane");
        return;
    }
    if (!apply_openflow_is_connected(agent->openflow)) {
        unixctl_command_reply_error(conn, "not connected to the bridge (see "
                                    "connection-status)");
        return;
    }
    if (!agent_check_arguments(conn, 0, argc, argv)) {
        return;
    }
    waiter = xzalloc(sizeof *waiter);
    waiter->conn = conn;
    waiter->json = argc > 1 && !strcmp(argv[1], "--format=json");
    waiter->csv = argc > 1 && !strcmp(argv[1], "--format=csv");
    ovs_list_push_back(&agent->audit_waiters, &waiter->list_node);
    agent->audit_wanted = true;
    poll_immediate_wake();
}

void
agent_audit_init(struct agent *agent)
{
    ovs_list_init(&agent->audit_waiters);
    agent->audit_time = time_msec() + AGENT_AUDIT_MSEC;
    unixctl_command_register("flow/audit", "[--format=FORMAT]", 0, 1,
                             cmd_audit, agent);
}

static void
reply(struct agent *agent, struct audit_waiter *waiter)
{
    const char *argv[] = {
        "", (waiter->json ? "--format=json"
             : waiter->csv ? "--format=csv" : "--format=table"),
    };
    long long int when;
    const struct ds_audit *audit = apply_openflow_audited(agent->openflow,
                                                          &when);
    if (audit) {
        struct table table;

        table_init(&table);
        fill_table(agent, audit, &table);
        agent_reply_table(waiter->conn, &table, 2, argv);
    } else {
        unixctl_command_reply_error(waiter->conn, "the agent exits");
    }
    free(waiter);
}

void
agent_audit_run(struct agent *agent)
{
    struct audit_waiter *waiter;

    if (agent->audit_wanted || time_msec() >= agent->audit_time) {
        if (commit_is_ready(agent->commit) && agent->phase == PHASE_RUN) {
            apply_openflow_audit(agent->openflow);
            next_hop_audit(agent->next_hop);
            agent->audit_wanted = false;
        }
        agent->audit_time = time_msec() + AGENT_AUDIT_MSEC;
    }
    if (ovs_list_is_empty(&agent->audit_waiters)
        || !(agent->exit
             || (!agent->audit_wanted && commit_is_idle(agent->commit)
                 && !apply_openflow_is_auditing(agent->openflow)
                 && !next_hop_is_auditing(agent->next_hop)))) {
        return;
    }
    LIST_FOR_EACH_POP (waiter, list_node, &agent->audit_waiters) {
        reply(agent, waiter);
    }
}

void
agent_audit_wait(const struct agent *agent)
{
    if (agent->phase == PHASE_RUN && !agent->options.dummy) {
        poll_timer_wait_until(agent->audit_time);
    }
}
