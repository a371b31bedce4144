/* SPDX-License-Identifier: Apache-2.0
 *
 * agent-packets: the packet thread, and what it tells the main thread. */

#include <config.h>

#include "agent-private.h"

#include "feedback/packet-in.h"
#include "openvswitch/poll-loop.h"
#include "table.h"
#include "translate/plugin-provider.h"
#include "unixctl.h"
#include "util.h"

/* Events handled in one round of the main loop. */
#define MAX_EVENTS 256

static void
cmd_show(struct unixctl_conn *conn, int argc, const char *argv[],
         void *agent_)
{
    struct agent *agent = agent_;
    struct packet_in_stats stats;
    struct table table;

    packet_in_get_stats(agent->packet_in, &stats);
    table_init(&table);
    table_add_column(&table, "counter");
    table_add_column(&table, "value");
    agent_add_counter(&table, "", "connected", stats.connected);
    agent_add_counter(&table, "", "connections", stats.n_connections);
    for (enum punt_kind kind = 0; kind < PUNT_N_KINDS; kind++) {
        agent_add_counter(&table, "received ", punt_kind_to_string(kind),
                          stats.received[kind]);
    }
    agent_add_counter(&table, "", "sent", stats.sent);
    agent_add_counter(&table, "", "events", stats.events);
    for (enum packet_in_drop drop = 0; drop < PACKET_IN_N_DROPS; drop++) {
        agent_add_counter(&table, "dropped ", packet_in_drop_to_string(drop),
                          stats.drops[drop]);
    }
    agent_add_counter(&table, "", "event bytes queued", stats.event_bytes);
    agent_add_counter(&table, "", "order bytes queued", stats.order_bytes);
    agent_reply_table(conn, &table, argc, argv);
}

void
agent_packets_init(struct agent *agent)
{
    agent->packet_in = packet_in_create();
    for (size_t i = 0; i < agent->registry.n; i++) {
        const struct plugin_entry *entry = &agent->registry.entries[i];

        packet_in_set_handler(agent->packet_in, entry->number,
                              entry->class->packet_in);
    }
    unixctl_command_register("packet-in/show", "[--format=FORMAT]", 0, 1,
                             cmd_show, agent);
}

void
agent_packets_run(struct agent *agent)
{
    struct packet_event *event;

    for (int i = 0; i < MAX_EVENTS; i++) {
        event = packet_in_next(agent->packet_in);
        if (!event) {
            return;
        }
        if (!agent_fast_path_event(agent, event)) {
            agent_on_demand_event(agent, event);
        }
        agent_zeta_event(agent, event);
        agent_storm_event(agent, event);
        agent_uplink_event(agent, event);
        packet_event_destroy(event);
    }
}

void
agent_packets_wait(struct agent *agent)
{
    packet_in_wait(agent->packet_in);
}
