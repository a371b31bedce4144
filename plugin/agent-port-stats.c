/* SPDX-License-Identifier: Apache-2.0
 *
 * agent-port-stats: counters of ports, for the database and for operators. */

#include <config.h>

#include "agent-port-stats.h"

#include <string.h>
#include "agent-fast-path.h"
#include "agent-private.h"
#include "apply/port-stats.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/list.h"
#include "openvswitch/poll-loop.h"
#include "store/goal-store.h"
#include "store/volatile-store.h"
#include "table.h"
#include "timeval.h"
#include "unixctl.h"
#include "util.h"

/* How long port/counters waits for the switch. */
#define WAIT_MSEC 15000

/* Somebody who has asked for port/counters. */
struct stats_waiter {
    struct ovs_list list_node;  /* In struct agent's 'stats_waiters'. */
    struct unixctl_conn *conn;
    uint64_t round;             /* Of port_stats, to wait for. */
    long long int deadline;
    char *port_id;              /* Null: all ports. */
    char *format;               /* An option. */
};

/* The numbers. */

static size_t
name_drops(const uint64_t counts[OF_N_DROPS],
           struct alcor_db_number numbers[OF_N_DROPS])
{
    size_t n = 0;

    for (enum of_drop reason = OF_DROP_NONE + 1; reason < OF_N_DROPS;
         reason++) {
        if (counts[reason]) {
            numbers[n++] = (struct alcor_db_number) {
                of_drop_to_string(reason), counts[reason]
            };
        }
    }
    return n;
}

void
agent_port_stats_get(const struct agent *agent, const char *id,
                     uint32_t ofport, struct agent_port_stats *stats)
{
    const struct port_counters *c = port_stats_get(agent->port_stats, ofport);

    memset(stats, 0, sizeof *stats);
    if (c) {
        struct port_counters all = *c;

        agent_fast_path_add_stats(agent, id, &all);

        const struct alcor_db_number totals[AGENT_PORT_N_TOTALS] = {
            { "rx_packets", all.rx_packets }, { "rx_bytes", all.rx_bytes },
            { "tx_packets", all.tx_packets }, { "tx_bytes", all.tx_bytes },
        };

        memcpy(stats->totals, totals, sizeof totals);
        stats->n_totals = AGENT_PORT_N_TOTALS;
        stats->n_drops = name_drops(c->sent_drops, stats->drops);
        stats->n_ingress_drops = name_drops(c->for_it_drops,
                                            stats->ingress_drops);
    }
}

/* port/counters. */

struct counters_walk {
    struct agent *agent;
    struct table table;
    const char *port_id;        /* Null: all. */
    bool found;                 /* Any? */
};

static void
add_drops(struct table *table, const struct alcor_db_number *drops, size_t n)
{
    struct ds s = DS_EMPTY_INITIALIZER;

    for (size_t i = 0; i < n; i++) {
        ds_put_format(&s, "%s%s=%"PRIu64, i ? " " : "", drops[i].name,
                      drops[i].value);
    }
    agent_add_cell(table, "%s", ds_cstr(&s));
    ds_destroy(&s);
}

static bool
add_port(const struct goal_key *key OVS_UNUSED, const char *id, void *walk_)
{
    struct counters_walk *walk = walk_;
    const struct vol_binding *binding = vol_get(walk->agent->vol,
                                                VOL_BINDING, id);
    struct agent_port_stats stats;

    if (!binding || (walk->port_id && strcmp(walk->port_id, id))) {
        return true;
    }
    walk->found = true;
    agent_port_stats_get(walk->agent, id, binding->ofport, &stats);
    table_add_row(&walk->table);
    agent_add_cell(&walk->table, "%s", id);
    for (size_t i = 0; i < AGENT_PORT_N_TOTALS; i++) {
        agent_add_cell(&walk->table, "%"PRIu64, stats.totals[i].value);
    }
    add_drops(&walk->table, stats.drops, stats.n_drops);
    add_drops(&walk->table, stats.ingress_drops, stats.n_ingress_drops);
    return true;
}

static void
reply(struct agent *agent, const struct stats_waiter *waiter)
{
    static const char *const columns[] = {
        "port", "rx_packets", "rx_bytes", "tx_packets", "tx_bytes", "drops",
        "ingress_drops",
    };
    struct counters_walk walk = { .agent = agent, .port_id = waiter->port_id };
    const char *argv[] = { "", waiter->format };

    table_init(&walk.table);
    for (size_t i = 0; i < ARRAY_SIZE(columns); i++) {
        table_add_column(&walk.table, "%s", columns[i]);
    }
    goal_store_for_each(agent->store, GOAL_PORT, add_port, &walk);
    if (walk.port_id && !walk.found) {
        unixctl_command_reply_error(waiter->conn, "no such port with an "
                                    "Interface on this host (see port/list)");
        table_destroy(&walk.table);
        return;
    }
    agent_reply_table(waiter->conn, &walk.table, ARRAY_SIZE(argv), argv);
}

static void
cmd_port_counters(struct unixctl_conn *conn, int argc, const char *argv[],
                  void *agent_)
{
    struct agent *agent = agent_;
    struct stats_waiter *waiter;

    if (!agent->translator) {
        unixctl_command_reply_error(conn,
                                    agent_phase_to_string(agent->phase));
        return;
    }
    if (!agent_check_arguments(conn, 1, argc, argv)) {
        return;
    }
    waiter = xzalloc(sizeof *waiter);
    waiter->conn = conn;
    waiter->round = port_stats_round(agent->port_stats);
    waiter->deadline = time_msec() + WAIT_MSEC;
    waiter->format = xstrdup("--format=table");
    for (int i = 1; i < argc; i++) {
        char **arg = (strncmp(argv[i], "--", 2) ? &waiter->port_id
                      : &waiter->format);

        free(*arg);
        *arg = xstrdup(argv[i]);
    }
    ovs_list_push_back(&agent->stats_waiters, &waiter->list_node);
    port_stats_ask(agent->port_stats);
}

static void
waiter_destroy(struct stats_waiter *waiter)
{
    ovs_list_remove(&waiter->list_node);
    free(waiter->port_id);
    free(waiter->format);
    free(waiter);
}

static void
waiters_run(struct agent *agent)
{
    struct stats_waiter *waiter;

    LIST_FOR_EACH_SAFE (waiter, list_node, &agent->stats_waiters) {
        if (port_stats_completed(agent->port_stats) >= waiter->round) {
            reply(agent, waiter);
        } else if (agent->exit || time_msec() >= waiter->deadline) {
            unixctl_command_reply_error(waiter->conn,
                                        agent->exit ? "the agent exits"
                                        : "the switch does not answer (see "
                                        "connection-status)");
        } else {
            port_stats_ask(agent->port_stats);
            continue;
        }
        waiter_destroy(waiter);
    }
}

/* All. */

void
agent_port_stats_init(struct agent *agent)
{
    agent->port_stats = port_stats_create();
    ovs_list_init(&agent->stats_waiters);
    unixctl_command_register("port/counters", "[PORT] [--format=FORMAT]", 0, 2,
                             cmd_port_counters, agent);
}

void
agent_port_stats_destroy(struct agent *agent)
{
    struct stats_waiter *waiter;

    LIST_FOR_EACH_SAFE (waiter, list_node, &agent->stats_waiters) {
        waiter_destroy(waiter);
    }
    port_stats_destroy(agent->port_stats);
}

void
agent_port_stats_run(struct agent *agent)
{
    port_stats_set_active(agent->port_stats,
                          agent->store
                          && goal_store_count(agent->store, GOAL_PORT) > 0);
    port_stats_run(agent->port_stats);
    waiters_run(agent);
}

void
agent_port_stats_wait(struct agent *agent)
{
    port_stats_wait(agent->port_stats);
    if (!ovs_list_is_empty(&agent->stats_waiters)) {
        struct stats_waiter *first = CONTAINER_OF(
            ovs_list_front(&agent->stats_waiters), struct stats_waiter,
            list_node);

        poll_timer_wait_until(first->deadline);
    }
}
