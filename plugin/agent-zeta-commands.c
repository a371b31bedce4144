/* SPDX-License-Identifier: Apache-2.0
 *
 * agent-zeta-commands: gateways, for people and for the database Alcor. */

#include <config.h>

#include "agent-zeta.h"

#include <inttypes.h>
#include "feedback/direct-path.h"
#include "feedback/liveness.h"
#include "feedback/oam-socket.h"
#include "feedback/oam-xsk.h"
#include "packets.h"
#include "simap.h"
#include "table.h"
#include "timeval.h"
#include "translate/gateway-map.h"
#include "unixctl.h"
#include "util.h"

/* The only port that gateways as deployed receive at. */
#define GATEWAY_VXLAN_PORT 4789

static struct table *
begin_table(struct table *table, const char *const columns[], size_t n)
{
    table_init(table);
    for (size_t i = 0; i < n; i++) {
        table_add_column(table, "%s", columns[i]);
    }
    return table;
}

/* zeta/show. */

static void
add_entrance(const struct agent_zeta *zeta, const struct gm_gateway *g,
             const struct gm_entrance *entrance, struct table *table)
{
    struct liveness_entry e;

    memset(&e, 0, sizeof e);
    e.rtt = -1;
    liveness_get(zeta->liveness, entrance->ip, &e);
    table_add_row(table);
    agent_add_cell(table, "%s", g->id);
    agent_add_cell(table, IP_FMT, IP_ARGS(entrance->ip));
    agent_add_cell(table, ETH_ADDR_FMT, ETH_ADDR_ARGS(entrance->mac));
    agent_add_cell(table, "%s", liveness_state_to_string(e.state));
    agent_add_cell(table, "%lld",
                   e.since ? (time_msec() - e.since) / 1000 : 0);
    if (e.rtt >= 0) {
        agent_add_cell(table, "%lld", e.rtt);
    } else {
        agent_add_cell(table, "-");
    }
    agent_add_cell(table, "%"PRIu64, e.asked);
    agent_add_cell(table, "%"PRIu64, e.answered);
    agent_add_cell(table, "%"PRIu64, e.deaths);
    agent_add_cell(table, "%"PRIu16, g->oam_port);
}

static void
cmd_show(struct unixctl_conn *conn, int argc, const char *argv[],
         void *agent_)
{
    static const char *const columns[] = {
        "gateway", "entrance", "mac", "state", "seconds", "rtt ms", "asked",
        "answered", "deaths", "oam port",
    };
    struct agent *agent = agent_;
    const struct agent_zeta *zeta = agent->zeta;
    struct table table;
    size_t n = 0;
    const struct gm_gateway *gateways = (zeta->map ? gateway_map_gateways(
                                             zeta->map, &n) : NULL);

    begin_table(&table, columns, ARRAY_SIZE(columns));
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < gateways[i].n_entrances; j++) {
            add_entrance(zeta, &gateways[i], &gateways[i].entrances[j],
                         &table);
        }
    }
    agent_reply_table(conn, &table, argc, argv);
}

/* zeta/counters. */

static void
cmd_counters(struct unixctl_conn *conn, int argc, const char *argv[],
             void *agent_)
{
    static const char *const columns[] = { "counter", "value" };
    struct agent *agent = agent_;
    const struct agent_zeta *zeta = agent->zeta;
    struct oam_xsk_stats xsk_stats = { 0, 0 };
    struct direct_path_stats stats;
    struct table table;

    begin_table(&table, columns, ARRAY_SIZE(columns));
    for (enum oam_verdict v = 0; v < OAM_N_VERDICTS; v++) {
        agent_add_counter(&table, "oam ", oam_verdict_to_string(v),
                          zeta->all.verdicts[v]);
    }
    if (zeta->xsk) {
        oam_xsk_get_stats(zeta->xsk, &xsk_stats);
    }
    agent_add_counter(&table, "AF_XDP ", "received", xsk_stats.received);
    agent_add_counter(&table, "AF_XDP ", "lost", xsk_stats.lost);
    direct_paths_get_stats(zeta->paths, &stats);
    agent_add_counter(&table, "paths ", "now",
                      direct_paths_count(zeta->paths));
    agent_add_counter(&table, "paths ", "withdrawn to be renewed",
                      stats.renewals);
    agent_add_counter(&table, "paths ", "not renewed", stats.not_told);
    agent_add_counter(&table, "paths ", "idle", stats.idle);
    agent_add_counter(&table, "paths ", "evicted", stats.evicted);
    agent_add_counter(&table, "paths ", "rejected", stats.rejected);
    agent_add_counter(&table, "paths ", "ended", agent->zeta->n_ended);
    agent_reply_table(conn, &table, argc, argv);
}

/* zeta/list and zeta/flush. */

static void
add_path(const struct direct_path_entry *entry, void *table_)
{
    const struct direct_path_key *key = entry->key;
    struct table *table = table_;

    table_add_row(table);
    agent_add_cell(table, "%s", entry->port_id);
    agent_add_cell(table, "%"PRIu32, key->vni);
    agent_add_cell(table, IP_FMT, IP_ARGS(key->dst));
    if (key->by_connection) {
        agent_add_cell(table, "%"PRIu32" "IP_FMT" %"PRIu16" %"PRIu16,
                       key->protocol, IP_ARGS(key->src), ntohs(key->sport),
                       ntohs(key->dport));
    } else {
        agent_add_cell(table, "any");
    }
    agent_add_cell(table, IP_FMT, IP_ARGS(entry->hop->host_ip));
    agent_add_cell(table, ETH_ADDR_FMT, ETH_ADDR_ARGS(entry->hop->mac));
    agent_add_cell(table, "%s", entry->state);
    agent_add_cell(table, "%"PRIu64, entry->n_packets);
    agent_add_cell(table, "%lld", (time_msec() - entry->used) / 1000);
}

static void
cmd_list(struct unixctl_conn *conn, int argc, const char *argv[],
         void *agent_)
{
    static const char *const columns[] = {
        "port", "vni", "destination", "connection", "host", "mac", "state",
        "packets", "seconds",
    };
    struct agent *agent = agent_;
    struct table table;

    begin_table(&table, columns, ARRAY_SIZE(columns));
    direct_paths_for_each(agent->zeta->paths, add_path, &table);
    agent_reply_table(conn, &table, argc, argv);
}

static void
cmd_flush(struct unixctl_conn *conn, int argc OVS_UNUSED,
          const char *argv[] OVS_UNUSED, void *agent_)
{
    struct agent *agent = agent_;

    direct_paths_flush(agent->zeta->paths);
    unixctl_command_reply(conn, NULL);
}

void
agent_zeta_commands_init(struct agent *agent)
{
    unixctl_command_register("zeta/show", "[--format=FORMAT]", 0, 1,
                             cmd_show, agent);
    unixctl_command_register("zeta/counters", "[--format=FORMAT]", 0, 1,
                             cmd_counters, agent);
    unixctl_command_register("zeta/list", "[--format=FORMAT]", 0, 1,
                             cmd_list, agent);
    unixctl_command_register("zeta/flush", "", 0, 0, cmd_flush, agent);
}

/* For the database. */

const char *
agent_zeta_state(const struct agent *agent, const struct in6_addr *ip)
{
    struct liveness_entry e;

    return (IN6_IS_ADDR_V4MAPPED(ip)
            && liveness_get(agent->zeta->liveness,
                            in6_addr_get_mapped_ipv4(ip), &e)
            ? liveness_state_to_string(e.state)
            : liveness_state_to_string(VOL_ENTRANCE_UNKNOWN));
}

void
agent_zeta_statistics(const struct agent *agent, const char *gateway_id,
                      struct simap *statistics)
{
    const struct gateway_counts *counts = shash_find_data(
        &agent->zeta->counts, gateway_id);

    for (enum oam_verdict v = 0; counts && v < OAM_N_VERDICTS; v++) {
        simap_put(statistics, oam_verdict_to_string(v),
                  counts->verdicts[v]);
    }
}

/* Returns what of the host's settings gateways as deployed cannot do with, a
 * string that the caller must free, or null. */
static char *
settings_error(const struct agent_config *config)
{
    return (config->encap_csum
            ? xstrdup("alcor-encap-csum is true: what passes a gateway "
                      "arrives with wrong checksums")
            : config->encap_port != GATEWAY_VXLAN_PORT
            ? xasprintf("alcor-encap-port is %"PRIu16": gateways take %d "
                        "only", config->encap_port, GATEWAY_VXLAN_PORT)
            : NULL);
}

/* Returns what is wrong with gateways, or null, to be freed. */
char *
agent_zeta_error(const struct agent *agent)
{
    const struct agent_zeta *zeta = agent->zeta;
    const char *error = oam_sockets_error(zeta->sockets);
    size_t n = 0;
    const struct gm_gateway *gateways = (zeta->map ? gateway_map_gateways(
                                             zeta->map, &n) : NULL);
    char *unfit = n ? settings_error(&agent->config) : NULL;

    if (unfit) {
        return unfit;
    }
    for (size_t i = 0; i < n; i++) {
        size_t n_dead = 0;

        for (size_t j = 0; j < gateways[i].n_entrances; j++) {
            struct liveness_entry e;

            n_dead += (liveness_get(zeta->liveness,
                                    gateways[i].entrances[j].ip, &e)
                       && e.state == VOL_ENTRANCE_DEAD);
        }
        if (n_dead && n_dead == gateways[i].n_entrances) {
            return xasprintf("no entrance of gateway %s answers: all are "
                             "tried", gateways[i].id);
        }
    }
    return error ? xstrdup(error) : NULL;
}
