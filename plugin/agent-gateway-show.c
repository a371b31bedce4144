/* SPDX-License-Identifier: Apache-2.0
 *
 * agent-gateway-show: the gateway role for people. */

#include <config.h>

#include "agent-gateway.h"

#include <stdlib.h>
#include "agent-private.h"
#include "apply/bpf-gateway-table.h"
#include "apply/bpf-gateway.h"
#include "openvswitch/dynamic-string.h"
#include "packets.h"
#include "unixctl.h"
#include "util.h"

static void
show_vpcs(const struct agent_gateway *gw, struct ds *s)
{
    const struct shash_node **nodes = shash_sort(&gw->vpcs);

    for (size_t i = 0; i < shash_count(&gw->vpcs); i++) {
        const struct gateway_vpc *vpc = nodes[i]->data;
        struct fp_gw_vpc_counters c;

        if (vpc->served) {
            bpf_gateway_get_vpc_counters(gw->bpf, vpc->index, &c);
            ds_put_format(s, "VPC %s: %llu packets, %llu bytes, %llu ARP "
                          "replies, %llu paths told\n", nodes[i]->name,
                          (unsigned long long int) c.packets,
                          (unsigned long long int) c.bytes,
                          (unsigned long long int) c.arp_replies,
                          (unsigned long long int) c.oam);
        }
    }
    free(nodes);
}

static void
show_counters(const struct agent_gateway *gw, struct ds *s)
{
    struct fp_gw_counters c;

    bpf_gateway_get_counters(gw->bpf, &c);
#define FP_COUNTER(NAME, MEMBER, WHAT)                                  \
    if (c.MEMBER) {                                                     \
        ds_put_format(s, "%s: %llu (%s)\n", #MEMBER,                    \
                      (unsigned long long int) c.MEMBER, WHAT);         \
    }
    FP_GW_COUNTERS
    FP_GW_EVENTS
#undef FP_COUNTER
    ds_put_format(s, "injected: %"PRIu64"\ndeleted: %"PRIu64"\n",
                  gw->n_injected, gw->n_deleted);
}

static void
cmd_show(struct unixctl_conn *conn, int argc OVS_UNUSED,
         const char *argv[] OVS_UNUSED, void *agent_)
{
    const struct agent *agent = agent_;
    const struct agent_gateway *gw = agent->gateway;
    struct ds s = DS_EMPTY_INITIALIZER;
    struct gateway_table_stats stats;

    if (!gw->bpf) {
        ds_put_format(&s, "off%s%s\n", gw->error ? ": " : "",
                      gw->error ? gw->error : "");
    } else {
        gateway_table_get_stats(bpf_gateway_table(gw->bpf), &stats);
        ds_put_format(&s, "on, device %s\n", gw->device);
        for (size_t i = 0; i < gw->n_entrances; i++) {
            ds_put_format(&s, "entrance: "IP_FMT" "ETH_ADDR_FMT"\n",
                          IP_ARGS(gw->entrances[i].ip),
                          ETH_ADDR_ARGS(gw->entrances[i].mac));
        }
        ds_put_format(&s, "endpoints: %"PRIuSIZE"\nhosts: %"PRIuSIZE"\n",
                      stats.n_endpoints, stats.n_hosts);
        show_vpcs(gw, &s);
        show_counters(gw, &s);
    }
    unixctl_command_reply(conn, ds_cstr(&s));
    ds_destroy(&s);
}

void
agent_gateway_show_init(struct agent *agent)
{
    unixctl_command_register("gateway/show", "", 0, 0, cmd_show, agent);
}
