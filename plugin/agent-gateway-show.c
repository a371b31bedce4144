/* SPDX-License-Identifier: Apache-2.0
 *
 * agent-gateway-show: what the gateway role tells people. */

#include <config.h>

#include "agent-gateway.h"

#include <stdlib.h>
#include "agent-gateway-endpoints.h"
#include "agent-gateway-private.h"
#include "agent-private.h"
#include "apply/bpf-gateway.h"
#include "apply/bpf-gateway-table.h"
#include "apply/gateway-device.h"
#include "feedback/gateway-cluster.h"
#include "feedback/told-paths.h"
#include "openvswitch/dynamic-string.h"
#include "packets.h"
#include "table.h"
#include "timeval.h"
#include "unixctl.h"
#include "util.h"

static void
show_entrances(const struct agent_gateway *gw, struct ds *s)
{
    size_t n;
    const struct cluster_entrance *e = gateway_cluster_entrances(gw->cluster,
                                                                 &n);

    for (size_t i = 0; i < n; i++) {
        ds_put_format(s, "entrance "IP_FMT" "ETH_ADDR_FMT" of %s: ",
                      IP_ARGS(e[i].ip), ETH_ADDR_ARGS(e[i].mac),
                      e[i].cluster);
        if (gateway_cluster_is_ours(gw->cluster, &e[i])) {
            ds_put_cstr(s, e[i].home == e[i].owner ? "here\n"
                        : "here, taken over\n");
        } else if (e[i].owner) {
            ds_put_format(s, "with "IP_FMT"\n", IP_ARGS(e[i].owner));
        } else {
            ds_put_cstr(s, "with nobody yet\n");
        }
    }
    if (!n) {
        ds_put_cstr(s, "no entrance of a known gateway is at home here: see "
                    "alcor-gateway-entrances in alcor-agent(8)\n");
    }
}

static void
show_members(const struct agent_gateway *gw, struct ds *s)
{
    struct cluster_member *members = xcalloc(CLUSTER_MAX_MEMBERS,
                                             sizeof *members);
    const struct cluster_counters *c = gateway_cluster_counters(gw->cluster);
    size_t n = gateway_cluster_members(gw->cluster, members);

    for (size_t i = 0; i < n; i++) {
        ds_put_format(s, "member "IP_FMT": %s, heard %lld ms ago, "
                      "%"PRIuSIZE" entrances\n", IP_ARGS(members[i].ip),
                      members[i].alive ? "alive" : "dead",
                      time_msec() - members[i].heard, members[i].n_home);
    }
    free(members);
    ds_put_format(s, "heartbeats: %llu heard, %llu bad; %llu deaths, "
                  "%llu entrances taken, %llu given\n", c->heard, c->bad,
                  c->deaths, c->taken, c->given);
}

static void
show_endpoints(const struct agent_gateway *gw, struct ds *s)
{
    struct gateway_endpoints_stats stats;
    struct gateway_table_stats table;

    gateway_endpoints_get_stats(gw->endpoints, &stats);
    gateway_table_get_stats(bpf_gateway_table(gw->bpf), &table);
    ds_put_format(s, "endpoints: %"PRIuSIZE" on %"PRIuSIZE" hosts, "
                  "%"PRIuSIZE" claims, %"PRIuSIZE" waiting%s\n",
                  table.n_endpoints, table.n_hosts, stats.n_claims,
                  stats.n_waiting,
                  gateway_endpoints_is_complete(gw->endpoints) ? ""
                  : ", not complete yet");
    ds_put_format(s, "left out: %"PRIuSIZE" without a host, %"PRIuSIZE" "
                  "too many for one port, %"PRIuSIZE" as the table is full\n",
                  stats.n_without_host, stats.n_too_many, stats.n_failed);
    ds_put_format(s, "direct paths: %llu told, %llu withdrawn, %"PRIuSIZE" "
                  "remembered; %llu frames could not be sent\n",
                  gw->n_injected, gw->n_deleted, told_paths_count(gw->told),
                  gateway_device_n_lost(gw->device));
}

static void
show_counters(const struct agent_gateway *gw, struct ds *s)
{
    struct fp_gw_counters counters;

    bpf_gateway_get_counters(gw->bpf, &counters);
#define FP_COUNTER(NAME, MEMBER, WHAT)                                    \
    ds_put_format(s, "%s: %llu (%s)\n", #MEMBER,                          \
                  (unsigned long long int) counters.MEMBER, WHAT);
    FP_GW_COUNTERS
    FP_GW_EVENTS
#undef FP_COUNTER
}

static void
cmd_show(struct unixctl_conn *conn, int argc OVS_UNUSED,
         const char *argv[] OVS_UNUSED, void *agent_)
{
    const struct agent *agent = agent_;
    const struct agent_gateway *gw = agent->gateway;
    struct ds s = DS_EMPTY_INITIALIZER;

    if (!(agent->config.role & ROLE_GATEWAY)) {
        ds_put_cstr(&s, "this node is no gateway: alcor-role is compute\n");
    } else if (!gw->bpf) {
        ds_put_format(&s, "no gateway: %s\n", gw->error ? gw->error
                      : "the agent is not running yet");
    } else {
        ds_put_format(&s, "device: %s\n", gw->device_name);
        show_entrances(gw, &s);
        show_members(gw, &s);
        show_endpoints(gw, &s);
        show_counters(gw, &s);
    }
    unixctl_command_reply(conn, ds_cstr(&s));
    ds_destroy(&s);
}

static void
cmd_list(struct unixctl_conn *conn, int argc, const char *argv[],
         void *agent_)
{
    static const char *const columns[] = {
        "vpc", "packets", "bytes", "arp replies", "direct paths told",
    };
    const struct agent *agent = agent_;
    const struct agent_gateway *gw = agent->gateway;
    struct gateway_vpc *vpcs = NULL;
    struct table table;
    size_t n = 0;

    table_init(&table);
    for (size_t i = 0; i < ARRAY_SIZE(columns); i++) {
        table_add_column(&table, "%s", columns[i]);
    }
    if (gw->bpf) {
        vpcs = gateway_endpoints_list_vpcs(gw->endpoints, &n);
    }
    for (size_t i = 0; i < n; i++) {
        struct fp_gw_vpc_counters c;

        bpf_gateway_get_vpc_counters(gw->bpf, vpcs[i].index, &c);
        table_add_row(&table);
        agent_add_cell(&table, "%s", vpcs[i].id);
        agent_add_cell(&table, "%llu", (unsigned long long int) c.packets);
        agent_add_cell(&table, "%llu", (unsigned long long int) c.bytes);
        agent_add_cell(&table, "%llu",
                       (unsigned long long int) c.arp_replies);
        agent_add_cell(&table, "%llu", (unsigned long long int) c.oam);
    }
    free(vpcs);
    agent_reply_table(conn, &table, argc, argv);
}

void
agent_gateway_show_init(struct agent *agent)
{
    unixctl_command_register("gateway/show", "", 0, 0, cmd_show, agent);
    unixctl_command_register("gateway/list", "[--format=FORMAT]", 0, 1,
                             cmd_list, agent);
}
