/* SPDX-License-Identifier: Apache-2.0
 *
 * l2-switching: plugin "l2-switching": local ports and remote neighbours. */

#include <config.h>

#include <stdlib.h>
#include "byte-order.h"
#include "flow.h"
#include "openvswitch/match.h"
#include "openvswitch/ofpbuf.h"
#include "store/goal-fit.h"
#include "translate/flow-actions.h"
#include "translate/flow-draft.h"
#include "translate/plugin-provider.h"
#include "translate/plugin-registry.h"
#include "util.h"

/* A port that is bound to an Interface outputs
 *
 *    CLASSIFY: what the port sends is in its subnet; where the port has
 *    addresses in several subnets, the source address tells which, and failing
 *    that (of link-local addresses, say) the family of IP.
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

/* In CLASSIFY, what tells the subnet of a packet: the port, or rather the
 * family, or rather one of its allowed pairs, or rather one of its addresses.
 */
#define PRIO_PORT OF_PRIO_NORMAL
#define PRIO_FAMILY (OF_PRIO_NORMAL + 1)
#define PRIO_PAIR (OF_PRIO_NORMAL + 2)
#define PRIO_ADDRESS OF_PRIO_HIGH

/* Packets from 'ofport' are in the network with 'tag'. */
static void
classify_port(struct plugin_output *out, uint32_t ofport, uint64_t tag)
{
    struct flow_draft f;

    flow_draft_init(&f, 0);
    match_set_in_port(&f.match, u16_to_ofp(ofport));
    act_set_metadata(&f.acts, tag, UINT64_MAX);
    act_goto(&f.acts, OFS_ADMIT);
    flow_draft_output(&f, out, OFS_CLASSIFY, PRIO_PORT);
}

/* Those that come from 'src' are. */
static void
classify_src(struct plugin_output *out, uint32_t ofport, uint64_t tag,
             const struct goal_prefix *src, uint16_t priority)
{
    int n = IN6_IS_ADDR_V4MAPPED(&src->addr) ? 2 : 1;

    for (int i = 0; i < n; i++) {
        struct flow_draft f;

        flow_draft_init(&f, 0);
        match_set_in_port(&f.match, u16_to_ofp(ofport));
        if (i) {
            flow_draft_match_arp_src(&f, src);
        } else {
            flow_draft_match_src(&f, src);
        }
        act_set_metadata(&f.acts, tag, UINT64_MAX);
        act_goto(&f.acts, OFS_ADMIT);
        flow_draft_output(&f, out, OFS_CLASSIFY, priority);
    }
}

/* True if none of the first 'i' addresses of 'port' is of this family. */
static bool
is_first_of_family(const struct goal_port *port, size_t i, bool ipv4)
{
    while (i-- > 0) {
        if (IN6_IS_ADDR_V4MAPPED(&port->fixed_ips[i].ip) == ipv4) {
            return false;
        }
    }
    return true;
}

/* What 'port' sends from its address number 'i', in 'net', which is not its
 * first subnet, and from allowed ones there, is in 'net'. */
static void
classify_other(struct plugin_output *out, const struct goal_port *port,
               uint32_t ofport, const struct goal_network *net, size_t i)
{
    const struct in6_addr *ip = &port->fixed_ips[i].ip;
    bool ipv4 = IN6_IS_ADDR_V4MAPPED(ip);
    struct goal_prefix src = goal_prefix_single(ip);

    classify_src(out, ofport, net->tag, &src, PRIO_ADDRESS);
    for (size_t j = 0; j < port->n_allowed; j++) {
        const struct goal_prefix *pair = &port->allowed[j].ip;

        if (net->subnet->cidr.given
            && goal_prefix_covers(&net->subnet->cidr, pair)) {
            classify_src(out, ofport, net->tag, pair, PRIO_PAIR);
        }
    }
    if (is_first_of_family(port, i, ipv4)) {
        src = goal_prefix_family(ipv4);
        classify_src(out, ofport, net->tag, &src, PRIO_FAMILY);
    }
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
            classify_port(out, binding->ofport, net.tag);
        } else if (net.tag != first_tag) {
            classify_other(out, port, binding->ofport, &net, i);
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
