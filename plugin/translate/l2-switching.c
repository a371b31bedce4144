/* SPDX-License-Identifier: Apache-2.0
 *
 * l2-switching: plugin "l2-switching": local ports and remote neighbours. */

#include <config.h>

#include <stdlib.h>
#include "byte-order.h"
#include "flow.h"
#include "openvswitch/match.h"
#include "openvswitch/ofpbuf.h"
#include "translate/flow-actions.h"
#include "translate/plugin-provider.h"
#include "translate/plugin-registry.h"
#include "util.h"

/* A port that is bound to an Interface outputs
 *
 *    CLASSIFY: what the port sends is in its subnet; where the port has
 *    addresses in several subnets, the source address tells which.
 *
 *    L2_LOOKUP, in each of its subnets: its MAC leads to it.
 *
 *    ARRIVAL: its MAC leads to it for packets from tunnels, too.
 *
 *    DELIVER: output.
 *
 * A neighbour on another host outputs, in each subnet where it has an address,
 * in whichever role, one L2_LOOKUP flow: its MAC leads to the tunnel to its
 * host.  (What is routed to it comes there as well.)
 *
 * The MACs of allowed address pairs lead to their owners likewise.
 *
 * A port that is not bound yet outputs nothing and is no error: the goal state
 * is in, and binding it comes by itself. */

/* Packets from 'ofport' are in the network with 'tag'; if 'ip' is nonnull,
 * those that come from that address. */
static void
classify_flow(struct plugin_output *out, uint32_t ofport, uint64_t tag,
              const struct in6_addr *ip, bool arp)
{
    uint64_t stub[512 / 8];
    struct ofpbuf ofpacts;
    struct match match;

    ofpbuf_use_stub(&ofpacts, stub, sizeof stub);
    match_init_catchall(&match);
    match_set_in_port(&match, u16_to_ofp(ofport));
    if (ip && IN6_IS_ADDR_V4MAPPED(ip)) {
        match_set_dl_type(&match, htons(arp ? ETH_TYPE_ARP : ETH_TYPE_IP));
        match_set_nw_src(&match, in6_addr_get_mapped_ipv4(ip));
    } else if (ip) {
        match_set_dl_type(&match, htons(ETH_TYPE_IPV6));
        match_set_ipv6_src(&match, ip);
    }
    act_set_metadata(&ofpacts, tag, UINT64_MAX);
    act_goto(&ofpacts, OFS_ADMIT);
    output_flow(out, OFS_CLASSIFY, ip ? OF_PRIO_HIGH : OF_PRIO_NORMAL,
                &match, &ofpacts);
    ofpbuf_uninit(&ofpacts);
}

/* In 'stage', packets for 'mac' (and with metadata 'tag' in the bits of
 * 'mask') go to the local port 'ofport', in the subnet 'subnet_tag'. */
static void
local_flow(struct plugin_output *out, enum of_stage stage, uint64_t tag,
           const struct eth_addr *mac, uint32_t ofport, uint64_t subnet_tag)
{
    uint64_t stub[512 / 8];
    struct ofpbuf ofpacts;
    struct match match;

    ofpbuf_use_stub(&ofpacts, stub, sizeof stub);
    match_init_catchall(&match);
    match_set_metadata(&match, htonll(tag));
    match_set_dl_dst(&match, *mac);
    if (tag != subnet_tag) {
        act_set_metadata(&ofpacts, subnet_tag, UINT64_MAX);
    }
    act_set_u32(&ofpacts, MFF_ALCOR_OUT, ofport);
    act_goto(&ofpacts, OFS_INGRESS);
    output_flow(out, stage, OF_PRIO_NORMAL, &match, &ofpacts);
    ofpbuf_uninit(&ofpacts);
}

static void
deliver_flow(struct plugin_output *out, uint32_t ofport)
{
    uint64_t stub[512 / 8];
    struct ofpbuf ofpacts;
    struct match match;

    ofpbuf_use_stub(&ofpacts, stub, sizeof stub);
    match_init_catchall(&match);
    match_set_reg(&match, MFF_ALCOR_OUT - MFF_REG0, ofport);
    act_output(&ofpacts, ofport);
    output_flow(out, OFS_DELIVER, OF_PRIO_NORMAL, &match, &ofpacts);
    ofpbuf_uninit(&ofpacts);
}

/* In the subnet 'subnet_id', which is there, the MACs of allowed pairs lead to
 * 'port', too. */
static void
pair_flows(struct goal_view *view, const struct goal_port *port,
           const char *subnet_id, uint32_t ofport, struct plugin_output *out)
{
    struct goal_network net;
    char *error = NULL;

    if (!port->n_allowed
        || goal_view_network(view, subnet_id, &net, &error) != PLUGIN_DONE) {
        free(error);
        return;
    }
    for (size_t i = 0; i < port->n_allowed; i++) {
        const struct eth_addr *mac = &port->allowed[i].mac;

        if (!eth_addr_is_zero(*mac) && !eth_addr_equals(*mac, port->mac)) {
            local_flow(out, OFS_L2_LOOKUP, net.tag, mac, ofport, net.tag);
            local_flow(out, OFS_ARRIVAL, of_vpc_tag(net.type, net.vni), mac,
                       ofport, net.tag);
        }
    }
}

static enum plugin_result
translate_port(struct goal_view *view, const struct goal_port *port,
               struct plugin_output *out, char **errorp)
{
    const struct vol_binding *binding = goal_view_volatile(
        view, VOL_BINDING, port->up.id);
    uint64_t first_tag = 0;

    if (!binding || !port->n_fixed_ips) {
        return PLUGIN_DONE;
    }
    for (size_t i = 0; i < port->n_fixed_ips; i++) {
        const struct goal_fixed_ip *fixed = &port->fixed_ips[i];
        struct goal_network net;
        enum plugin_result result = goal_view_network(
            view, fixed->subnet_id, &net, errorp);

        if (result != PLUGIN_DONE) {
            return result;
        }
        if (!i) {
            first_tag = net.tag;
            classify_flow(out, binding->ofport, net.tag, NULL, false);
        } else if (net.tag != first_tag) {
            classify_flow(out, binding->ofport, net.tag, &fixed->ip, false);
            if (IN6_IS_ADDR_V4MAPPED(&fixed->ip)) {
                classify_flow(out, binding->ofport, net.tag, &fixed->ip,
                              true);
            }
        }
        local_flow(out, OFS_L2_LOOKUP, net.tag, &port->mac, binding->ofport,
                   net.tag);
        if (!i || (net.tag & OF_TAG_VPC_MASK)
                  != (first_tag & OF_TAG_VPC_MASK)) {
            local_flow(out, OFS_ARRIVAL, of_vpc_tag(net.type, net.vni),
                       &port->mac, binding->ofport, net.tag);
        }
    }
    for (size_t i = 0; i < port->n_fixed_ips; i++) {
        pair_flows(view, port, port->fixed_ips[i].subnet_id, binding->ofport,
                   out);
    }
    deliver_flow(out, binding->ofport);
    output_installed(out, port->up.id);
    return PLUGIN_DONE;
}

/* In the subnet with 'tag', packets for 'mac' go to the host 'host'. */
static void
remote_flow(struct plugin_output *out, uint64_t tag,
            const struct eth_addr *mac, const struct in6_addr *host)
{
    uint64_t stub[512 / 8];
    struct ofpbuf ofpacts;
    struct match match;

    ofpbuf_use_stub(&ofpacts, stub, sizeof stub);
    match_init_catchall(&match);
    match_set_metadata(&match, htonll(tag));
    match_set_dl_dst(&match, *mac);
    act_set_ip(&ofpacts, MFF_TUN_DST, MFF_TUN_IPV6_DST, host);
    act_goto(&ofpacts, OFS_ENCAP);
    output_flow(out, OFS_L2_LOOKUP, OF_PRIO_NORMAL, &match, &ofpacts);
    ofpbuf_uninit(&ofpacts);
}

static enum plugin_result
translate_neighbor(struct goal_view *view,
                   const struct goal_neighbor *neighbor,
                   struct plugin_output *out, char **errorp)
{
    uint64_t last_tag = 0;

    if (ipv6_addr_equals(&neighbor->host_ip, goal_view_host_ip(view))) {
        return PLUGIN_DONE;
    }
    for (size_t i = 0; i < neighbor->n_fixed_ips; i++) {
        const struct goal_neighbor_ip *fixed = &neighbor->fixed_ips[i];
        struct goal_network net;

        enum plugin_result result = goal_view_network(
            view, fixed->subnet_id, &net, errorp);
        if (result != PLUGIN_DONE) {
            return result;
        }
        if (net.tag != last_tag) {
            remote_flow(out, net.tag, &neighbor->mac, &neighbor->host_ip);
            for (size_t j = 0; j < neighbor->n_allowed; j++) {
                const struct eth_addr *mac = &neighbor->allowed[j].mac;

                if (!eth_addr_is_zero(*mac)) {
                    remote_flow(out, net.tag, mac, &neighbor->host_ip);
                }
            }
            last_tag = net.tag;
        }
    }
    if (!eth_addr_is_zero(neighbor->host_mac)) {
        output_next_hop(out, &neighbor->host_ip, &neighbor->host_mac);
    }
    return PLUGIN_DONE;
}

static enum plugin_result
l2_translate(struct plugin *plugin OVS_UNUSED, struct goal_view *view,
             const struct goal_resource *r, struct plugin_output *out,
             char **errorp)
{
    return (r->kind == GOAL_PORT
            ? translate_port(view, GOAL_PORT_CAST(r), out, errorp)
            : translate_neighbor(view, GOAL_NEIGHBOR_CAST(r), out, errorp));
}

const struct plugin_class l2_switching_plugin_class = {
    .abi = PLUGIN_ABI,
    .size = sizeof(struct plugin_class),
    .name = "l2-switching",
    .number = 3,
    .inputs = 1u << GOAL_PORT | 1u << GOAL_NEIGHBOR,
    .stages = (UINT64_C(1) << OFS_CLASSIFY | UINT64_C(1) << OFS_L2_LOOKUP
               | UINT64_C(1) << OFS_ARRIVAL | UINT64_C(1) << OFS_DELIVER),
    .summary = "local ports and remote neighbours of a subnet",
    .translate = l2_translate,
};
