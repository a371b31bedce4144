/* SPDX-License-Identifier: Apache-2.0
 *
 * arp-nd: plugin "arp-nd": answers address resolution on the host. */

#include <config.h>

#include "byte-order.h"
#include "flow.h"
#include "openvswitch/match.h"
#include "openvswitch/ofpbuf.h"
#include "translate/flow-actions.h"
#include "translate/plugin-provider.h"
#include "translate/plugin-registry.h"
#include "util.h"

/* For every IPv4 address known in a subnet (of ports, of neighbours in their
 * L2 role, and the gateway's) one flow in RESPOND turns an ARP request into
 * the answer and sends it back, without a controller and without flooding
 * (RFC 826; the answer is unicast).
 *
 * A port's own address is not answered to the port itself, so that its
 * duplicate-address detection (RFC 5227) finds what it should: others. */

static void
match_arp_request(struct match *match, const struct in6_addr *ip)
{
    match_init_catchall(match);
    match_set_dl_type(match, htons(ETH_TYPE_ARP));
    match_set_nw_proto(match, ARP_OP_REQUEST);
    match_set_nw_dst(match, in6_addr_get_mapped_ipv4(ip));
}

/* Requests for 'ip' in the subnet with 'tag' are answered with 'mac'. */
static void
arp_flow(struct plugin_output *out, uint64_t tag, const struct in6_addr *ip,
         const struct eth_addr *mac)
{
    uint64_t stub[1024 / 8];
    struct ofpbuf ofpacts;
    struct match match;

    if (!IN6_IS_ADDR_V4MAPPED(ip)) {
        return;
    }
    ofpbuf_use_stub(&ofpacts, stub, sizeof stub);
    match_arp_request(&match, ip);
    match_set_metadata(&match, htonll(tag));
    act_copy(&ofpacts, MFF_ETH_SRC, MFF_ETH_DST);
    act_set_mac(&ofpacts, MFF_ETH_SRC, mac);
    act_set_u16(&ofpacts, MFF_ARP_OP, ARP_OP_REPLY);
    act_copy(&ofpacts, MFF_ARP_SHA, MFF_ARP_THA);
    act_set_mac(&ofpacts, MFF_ARP_SHA, mac);
    act_copy(&ofpacts, MFF_ARP_SPA, MFF_ARP_TPA);
    act_set_ip(&ofpacts, MFF_ARP_SPA, MFF_IPV6_SRC, ip);
    act_output_in_port(&ofpacts);
    output_flow(out, OFS_RESPOND, OF_PRIO_NORMAL, &match, &ofpacts);
    ofpbuf_uninit(&ofpacts);
}

/* Requests for 'ip' from the port that owns it get no answer. */
static void
own_address_flow(struct plugin_output *out, uint32_t ofport,
                 const struct in6_addr *ip)
{
    uint64_t stub[64 / 8];
    struct ofpbuf ofpacts;
    struct match match;

    if (!IN6_IS_ADDR_V4MAPPED(ip)) {
        return;
    }
    ofpbuf_use_stub(&ofpacts, stub, sizeof stub);
    match_arp_request(&match, ip);
    match_set_in_port(&match, u16_to_ofp(ofport));
    output_flow(out, OFS_RESPOND, OF_PRIO_GUARD, &match, &ofpacts);
    ofpbuf_uninit(&ofpacts);
}

static enum plugin_result
translate_subnet(struct goal_view *view, const struct goal_subnet *subnet,
                 struct plugin_output *out, char **errorp)
{
    struct goal_network net;
    enum plugin_result result = goal_view_network(view, subnet->up.id, &net,
                                                  errorp);

    if (result == PLUGIN_DONE && ipv6_addr_is_set(&subnet->gateway_ip)
        && !eth_addr_is_zero(subnet->gateway_mac)) {
        arp_flow(out, net.tag, &subnet->gateway_ip, &subnet->gateway_mac);
    }
    return result;
}

static enum plugin_result
translate_port(struct goal_view *view, const struct goal_port *port,
               struct plugin_output *out, char **errorp)
{
    const struct vol_binding *binding = goal_view_volatile(
        view, VOL_BINDING, port->up.id);

    for (size_t i = 0; i < port->n_fixed_ips; i++) {
        const struct goal_fixed_ip *fixed = &port->fixed_ips[i];
        struct goal_network net;
        enum plugin_result result = goal_view_network(
            view, fixed->subnet_id, &net, errorp);

        if (result != PLUGIN_DONE) {
            return result;
        }
        arp_flow(out, net.tag, &fixed->ip, &port->mac);
        if (binding) {
            own_address_flow(out, binding->ofport, &fixed->ip);
        }
    }
    return PLUGIN_DONE;
}

static enum plugin_result
translate_neighbor(struct goal_view *view,
                   const struct goal_neighbor *neighbor,
                   struct plugin_output *out, char **errorp)
{
    for (size_t i = 0; i < neighbor->n_fixed_ips; i++) {
        const struct goal_neighbor_ip *fixed = &neighbor->fixed_ips[i];
        struct goal_network net;

        if (fixed->type != GOAL_NEIGHBOR_L2) {
            continue;
        }
        enum plugin_result result = goal_view_network(
            view, fixed->subnet_id, &net, errorp);
        if (result != PLUGIN_DONE) {
            return result;
        }
        arp_flow(out, net.tag, &fixed->ip, &neighbor->mac);
    }
    return PLUGIN_DONE;
}

static enum plugin_result
arp_translate(struct plugin *plugin OVS_UNUSED, struct goal_view *view,
              const struct goal_resource *r, struct plugin_output *out,
              char **errorp)
{
    switch (r->kind) {
    case GOAL_SUBNET:
        return translate_subnet(view, GOAL_SUBNET_CAST(r), out, errorp);
    case GOAL_PORT:
        return translate_port(view, GOAL_PORT_CAST(r), out, errorp);
    case GOAL_NEIGHBOR:
        return translate_neighbor(view, GOAL_NEIGHBOR_CAST(r), out, errorp);
    case GOAL_VPC:
    case GOAL_SECURITY_GROUP:
    case GOAL_DHCP:
    case GOAL_ROUTER:
    case GOAL_GATEWAY:
    case GOAL_N_KINDS:
        break;
    }
    return PLUGIN_DONE;
}

const struct plugin_class arp_nd_plugin_class = {
    .abi = PLUGIN_ABI,
    .size = sizeof(struct plugin_class),
    .name = "arp-nd",
    .number = 4,
    .inputs = 1u << GOAL_SUBNET | 1u << GOAL_PORT | 1u << GOAL_NEIGHBOR,
    .stages = UINT64_C(1) << OFS_RESPOND,
    .summary = "ARP answered on the host",
    .translate = arp_translate,
};
