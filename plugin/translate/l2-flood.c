/* SPDX-License-Identifier: Apache-2.0
 *
 * l2-flood: plugin "l2-flood": broadcasts and multicasts within a subnet. */

#include <config.h>

#include <stdlib.h>
#include <string.h>
#include "byte-order.h"
#include "flow.h"
#include "hash.h"
#include "openvswitch/list.h"
#include "openvswitch/ofp-actions.h"
#include "openvswitch/ofp-group.h"
#include "store/goal-fit.h"
#include "translate/again-group.h"
#include "translate/flow-actions.h"
#include "translate/flow-draft.h"
#include "translate/plugin-provider.h"
#include "translate/plugin-registry.h"
#include "util.h"

/* A broadcast or multicast from a local port gets to stage FLOOD, where one
 * flow a subnet has a copy for everybody who is to see it; the flow is made of
 * parts:
 *
 *    - Each local port: through INGRESS, as any packet for it.  The sender's
 *      own copy ends in DELIVER.
 *
 *    - Each host with neighbours in the subnet: through ENCAP.  Neighbours on
 *      one host contribute the same part, which goes with the last of them.
 *      In a subnet of type VLAN there is one copy for the provider network
 *      instead.
 *
 * In a crowded VPC (activation.h) these may be more than Open vSwitch makes of
 * one packet, some seven hundred, beyond which it stops without a word.  So
 * there the parts for hosts are spread over N_CHUNKS flows in FLOOD_CHUNK, by
 * a hash of the host, and the flow in FLOOD leads to a group with a bucket for
 * each chunk, which has the datapath look the packet up once more
 * (again-group.h): each chunk is a datapath flow of its own.  As that costs a
 * lot, what a port may have made of such copies is metered.
 *
 * Stage FLOOD_LOCAL has the local ports alone: what comes from a tunnel stays
 * on this host.  As several subnets may share a VNI, ARRIVAL_SUBNET tells
 * which one it is: by the MAC of the sender if that is a neighbour (and if it
 * is one in several subnets, by its address, too, or the family), else by the
 * source address.  When the VNI has one subnet only, there is nothing to tell,
 * and no flows for neighbours.
 *
 * ARP, ND and DHCP are never flooded: they are answered on the host
 * or not at all; but for announcements (announce.c). */

/* In crowded VPCs: chunks, enough for twenty thousand hosts; which one it is;
 * broadcasts and multicasts a second of each port. */
#define N_CHUNKS 32
#define MFF_CHUNK MFF_REG0
#define FLOOD_PPS 100
#define FLOOD_BURST 200

/* In ARRIVAL_SUBNET, what tells the subnet: the sender's MAC, or rather with
 * it the family, or rather the address. */
#define PRIO_SENDER OF_PRIO_HIGH
#define PRIO_SENDER_FAMILY (OF_PRIO_HIGH + 1)
#define PRIO_SENDER_ADDRESS (OF_PRIO_HIGH + 2)

static const struct eth_addr multicast_bit = ETH_ADDR_C(01,00,00,00,00,00);

static void
match_multicast(struct flow_draft *f)
{
    match_set_dl_dst_masked(&f->match, multicast_bit, multicast_bit);
}

/* Parts. */

/* A copy for the local port 'ofport'. */
static void
port_part(struct plugin_output *out, enum of_stage stage, uint64_t tag,
          uint32_t ofport)
{
    struct flow_draft f;

    flow_draft_init(&f, tag);
    size_t clone = act_clone_begin(&f.acts);
    act_set_u32(&f.acts, MFF_ALCOR_OUT, ofport);
    act_resubmit(&f.acts, OFS_INGRESS);
    act_clone_end(&f.acts, clone);
    flow_draft_unite(&f, out, stage, OF_PRIO_NORMAL);
}

/* Nothing is delivered to the port that it came from.  (Open vSwitch would not
 * do that anyway, but logs it.) */
static void
own_copy_flow(struct plugin_output *out, uint32_t ofport)
{
    struct flow_draft f;

    flow_draft_init(&f, 0);
    match_set_in_port(&f.match, u16_to_ofp(ofport));
    match_set_reg(&f.match, MFF_ALCOR_OUT - MFF_REG0, ofport);
    flow_draft_output(&f, out, OFS_DELIVER, OF_PRIO_HIGH);
}

/* A copy for the host 'host', or for the provider network if it is null. */
static void
remote_part(struct plugin_output *out, uint64_t tag,
            const struct in6_addr *host, bool crowded)
{
    struct flow_draft f;

    flow_draft_init(&f, tag);
    if (crowded) {
        match_set_reg(&f.match, MFF_CHUNK - MFF_REG0,
                      hash_bytes(host, sizeof *host, 0) % N_CHUNKS);
    }
    size_t clone = act_clone_begin(&f.acts);
    if (host) {
        act_set_ip(&f.acts, MFF_TUN_DST, MFF_TUN_IPV6_DST, host);
    }
    act_resubmit(&f.acts, OFS_ENCAP);
    act_clone_end(&f.acts, clone);
    flow_draft_unite(&f, out, crowded ? OFS_FLOOD_CHUNK : OFS_FLOOD,
                     OF_PRIO_NORMAL);
}

/* Makes the group that goes on in FLOOD_CHUNK for each chunk.  Returns its
 * number, or 0 if there is none left. */
static uint32_t
chunks_group(struct plugin_output *out)
{
    struct ofpbuf acts[N_CHUNKS];
    struct ofputil_bucket buckets[N_CHUNKS];
    struct ofputil_group_mod gm;
    uint32_t again = again_group(out, OFS_FLOOD_CHUNK);

    memset(&gm, 0, sizeof gm);
    memset(buckets, 0, sizeof buckets);
    gm.type = OFPGT11_ALL;
    gm.group_id = output_id(out, ID_GROUP, "flood chunks");
    ovs_list_init(&gm.buckets);
    for (uint32_t i = 0; i < N_CHUNKS; i++) {
        ofpbuf_init(&acts[i], 64);
        act_set_u32(&acts[i], MFF_CHUNK, i);
        act_set_flag(&acts[i], OF_FLAG_CHUNK);
        ofpact_put_GROUP(&acts[i])->group_id = again;
        buckets[i].watch_port = OFPP_ANY;
        buckets[i].watch_group = OFPG_ANY;
        buckets[i].bucket_id = i;
        buckets[i].ofpacts = acts[i].data;
        buckets[i].ofpacts_len = acts[i].size;
        ovs_list_push_back(&gm.buckets, &buckets[i].list_node);
    }
    if (again && gm.group_id) {
        output_group(out, &gm);
    }
    for (uint32_t i = 0; i < N_CHUNKS; i++) {
        ofpbuf_uninit(&acts[i]);
    }
    return again ? gm.group_id : 0;
}

/* Copies for all hosts of each chunk.  Returns false if there is no group
 * left. */
static bool
chunk_parts(struct plugin_output *out, uint64_t tag)
{
    uint32_t group = chunks_group(out);
    struct flow_draft f;

    flow_draft_init(&f, tag);
    size_t clone = act_clone_begin(&f.acts);
    act_resubmit(&f.acts, OFS_FLOOD_CHUNK);
    act_clone_end(&f.acts, clone);
    flow_draft_unite(&f, out, OFS_FLOOD, OF_PRIO_NORMAL);

    flow_draft_init(&f, 0);
    match_set_reg_masked(&f.match, MFF_ALCOR_FLAGS - MFF_REG0, 0,
                         OF_FLAG_CHUNK);
    ofpact_put_GROUP(&f.acts)->group_id = group;
    flow_draft_output(&f, out, OFS_FLOOD_CHUNK, OF_PRIO_HIGH);

    /* A chunk without hosts is no reason to count a drop. */
    flow_draft_init(&f, 0);
    flow_draft_output(&f, out, OFS_FLOOD_CHUNK, OF_PRIO_MISS);
    return group != 0;
}

/* In the subnet with 'tag', of a crowded VPC, what 'port' floods is metered.
 * Returns false if there is no meter left. */
static bool
metered_flow(struct plugin_output *out, const struct goal_port *port,
             uint32_t ofport, uint64_t tag)
{
    char *name = xasprintf("flood %s", port->up.id);
    uint32_t meter = output_id(out, ID_METER, name);
    struct flow_draft f;

    free(name);
    if (!meter) {
        return false;
    }
    output_meter(out, meter, FLOOD_PPS, FLOOD_BURST);
    flow_draft_init(&f, tag);
    match_set_in_port(&f.match, u16_to_ofp(ofport));
    match_set_reg_masked(&f.match, MFF_ALCOR_FLAGS - MFF_REG0, 0,
                         OF_FLAG_METERED);
    act_meter(&f.acts, meter);
    act_set_flag(&f.acts, OF_FLAG_METERED);
    act_resubmit(&f.acts, OFS_FLOOD);
    flow_draft_output(&f, out, OFS_FLOOD, OF_PRIO_NORMAL + 1);
    return true;
}

/* Flows that all subnets share. */

static void
never_flow(struct flow_draft *f, struct plugin_output *out)
{
    match_set_reg_masked(&f->match, MFF_ALCOR_FLAGS - MFF_REG0, 0,
                         OF_FLAG_ANNOUNCE);
    act_drop(&f->acts, OF_DROP_UNANSWERED);
    flow_draft_output(f, out, OFS_FLOOD, OF_PRIO_HIGH);
}

static void
never_udp(struct plugin_output *out, bool ipv4, uint16_t port)
{
    struct flow_draft f;

    flow_draft_init(&f, 0);
    flow_draft_match_family(&f, ipv4);
    match_set_nw_proto(&f.match, IPPROTO_UDP);
    match_set_tp_dst(&f.match, htons(port));
    never_flow(&f, out);
}

/* What is never flooded. */
static void
never_flows(struct plugin_output *out)
{
    struct flow_draft f;

    flow_draft_init(&f, 0);
    match_set_dl_type(&f.match, htons(ETH_TYPE_ARP));
    never_flow(&f, out);

    /* Solicitations and advertisements of routers and neighbours, and
     * redirects (RFC 4861). */
    for (uint8_t type = 133; type <= 137; type++) {
        flow_draft_init(&f, 0);
        flow_draft_match_icmp6(&f, type);
        never_flow(&f, out);
    }
    never_udp(out, true, 67);
    never_udp(out, true, 68);
    never_udp(out, false, 546);
    never_udp(out, false, 547);
}

static void
multicast_goto(struct plugin_output *out, enum of_stage stage,
               enum of_stage next)
{
    struct flow_draft f;

    flow_draft_init(&f, 0);
    match_multicast(&f);
    act_goto(&f.acts, next);
    flow_draft_output(&f, out, stage, OF_PRIO_LOW);
}

static void
last_drop(struct plugin_output *out, enum of_stage stage, enum of_drop reason)
{
    struct flow_draft f;

    flow_draft_init(&f, 0);
    act_drop(&f.acts, reason);
    flow_draft_output(&f, out, stage, OF_PRIO_MISS);
}

static bool
is_crowded(struct goal_view *view, const struct goal_vpc *vpc)
{
    return goal_view_volatile(view, VOL_CROWDED_VPC, vpc->up.id) != NULL;
}

/* True if broadcasts in 'net' stay on the host. */
static bool
stays_here(struct goal_view *view, const struct goal_network *net)
{
    return (goal_view_volatile(view, VOL_LAZY_VPC, net->vpc->up.id)
            || goal_view_gateway(view, net));
}

/* True if what the network floods goes to chunks of hosts. */
static bool
has_chunks(struct goal_view *view, const struct goal_network *net)
{
    return (net->type != GOAL_NET_VLAN && is_crowded(view, net->vpc)
            && !stays_here(view, net));
}

/* Telling the subnet on arrival. */

/* Ends 'f', which matches what arrives from the network 'net'. */
static void
arrival_flow(struct flow_draft *f, struct plugin_output *out,
             const struct goal_network *net, uint16_t priority)
{
    act_set_metadata(&f->acts, net->tag, UINT64_MAX);
    act_goto(&f->acts, OFS_FLOOD_LOCAL);
    flow_draft_output(f, out, OFS_ARRIVAL_SUBNET, priority);
}

struct sharing {
    const struct goal_network *net;
    bool shared;
};

static void
check_sharing(const struct goal_resource *r, void *sharing_)
{
    const struct goal_subnet *other = GOAL_SUBNET_CAST(r);
    struct sharing *sharing = sharing_;
    const struct goal_network *net = sharing->net;

    if (strcmp(other->up.id, net->subnet->up.id)
        && other->network_type == net->type
        && goal_effective_vni(net->vpc, other) == net->vni) {
        sharing->shared = true;
    }
}

/* True if other subnets have the VNI of 'net', too. */
static bool
vni_is_shared(struct goal_view *view, const struct goal_network *net)
{
    struct sharing sharing = { net, false };

    goal_view_index(view, GOAL_SUBNETS_OF_VPC, net->vpc->up.id, NULL,
                    check_sharing, &sharing);
    return sharing.shared;
}

static enum plugin_result
translate_subnet(struct goal_view *view, const struct goal_subnet *subnet,
                 struct plugin_output *out, char **errorp)
{
    struct goal_network net;
    struct flow_draft f;
    enum plugin_result result = goal_view_network(view, subnet->up.id, &net,
                                                  errorp);
    if (result != PLUGIN_DONE) {
        return result;
    }

    multicast_goto(out, OFS_L2_LOOKUP, OFS_FLOOD);
    multicast_goto(out, OFS_ARRIVAL, OFS_ARRIVAL_SUBNET);
    last_drop(out, OFS_ARRIVAL_SUBNET, OF_DROP_NO_SUBNET);
    last_drop(out, OFS_FLOOD_LOCAL, OF_DROP_NO_MEMBERS);
    never_flows(out);
    if (net.type == GOAL_NET_VLAN) {
        remote_part(out, net.tag, NULL, false);
    } else if (has_chunks(view, &net) && !chunk_parts(out, net.tag)) {
        *errorp = xstrdup("no group is left for broadcasts");
        return PLUGIN_FAIL;
    }

    uint64_t vpc_tag = of_vpc_tag(net.type, net.vni);
    if (!vni_is_shared(view, &net)) {
        flow_draft_init(&f, vpc_tag);
        arrival_flow(&f, out, &net, OF_PRIO_LOW);
    } else if (subnet->cidr.given) {
        flow_draft_init(&f, vpc_tag);
        flow_draft_match_src(&f, &subnet->cidr);
        arrival_flow(&f, out, &net, OF_PRIO_LOW + 1 + subnet->cidr.plen);
        if (IN6_IS_ADDR_V4MAPPED(&subnet->cidr.addr)) {
            flow_draft_init(&f, vpc_tag);
            flow_draft_match_arp_src(&f, &subnet->cidr);
            arrival_flow(&f, out, &net, OF_PRIO_LOW + 1 + subnet->cidr.plen);
        }
    }
    return PLUGIN_DONE;
}

static enum plugin_result
translate_port(struct goal_view *view, const struct goal_port *port,
               struct plugin_output *out, char **errorp)
{
    const struct vol_binding *binding = goal_view_volatile(
        view, VOL_BINDING, port->up.id);

    for (size_t i = 0; binding && i < port->n_fixed_ips; i++) {
        struct goal_network net;
        enum plugin_result result = goal_view_network(
            view, port->fixed_ips[i].subnet_id, &net, errorp);

        if (result != PLUGIN_DONE) {
            return result;
        }
        port_part(out, OFS_FLOOD, net.tag, binding->ofport);
        port_part(out, OFS_FLOOD_LOCAL, net.tag, binding->ofport);
        if (has_chunks(view, &net)
            && !metered_flow(out, port, binding->ofport, net.tag)) {
            *errorp = xstrdup("no meter is left for broadcasts");
            return PLUGIN_FAIL;
        }
    }
    if (binding && port->n_fixed_ips) {
        own_copy_flow(out, binding->ofport);
    }
    return PLUGIN_DONE;
}

/* True if other subnets of the VPC of 'net' share its VNI, as far as can be
 * told without looking at them: those that have a VNI of their own may. */
static bool
may_be_shared(struct goal_view *view, const struct goal_network *net)
{
    return (net->vpc->tunnel_id
            && goal_view_count(view, GOAL_SUBNETS_OF_VPC, net->vpc->up.id,
                               GOAL_SUBNET) > 1);
}

/* In a VNI with several subnets, what 'mac' floods is in the subnet 'net'. */
static void
sender_flow(struct plugin_output *out, const struct goal_network *net,
            const struct eth_addr *mac)
{
    struct flow_draft f;

    flow_draft_init(&f, of_vpc_tag(net->type, net->vni));
    match_set_dl_src(&f.match, *mac);
    arrival_flow(&f, out, net, PRIO_SENDER);
}

/* What it floods from 'src' is, whatever sender_flow() says. */
static void
sender_src_flows(struct plugin_output *out, const struct goal_network *net,
                 const struct eth_addr *mac, const struct goal_prefix *src,
                 uint16_t priority)
{
    int n = IN6_IS_ADDR_V4MAPPED(&src->addr) ? 2 : 1;

    for (int i = 0; i < n; i++) {
        struct flow_draft f;

        flow_draft_init(&f, of_vpc_tag(net->type, net->vni));
        match_set_dl_src(&f.match, *mac);
        if (i) {
            flow_draft_match_arp_src(&f, src);
        } else {
            flow_draft_match_src(&f, src);
        }
        arrival_flow(&f, out, net, priority);
    }
}

/* A neighbour while it is translated. */
struct flooder {
    const struct goal_neighbor *neighbor;
    struct goal_network first;  /* Its first L2 subnet; tag 0 before that. */
    bool families[2];           /* Has been in a subnet of IPv6, of IPv4. */
};

/* Tells on arrival that what the neighbour floods is in 'net', where it has
 * the address 'ip'.  If it is in other subnets, too, its addresses there tell,
 * and failing that the family. */
static void
flooder_flows(struct goal_view *view, struct plugin_output *out,
              struct flooder *flooder, const struct goal_network *net,
              const struct in6_addr *ip)
{
    const struct eth_addr *mac = &flooder->neighbor->mac;
    const struct goal_network *first = &flooder->first;
    bool ipv4 = IN6_IS_ADDR_V4MAPPED(ip);

    if (!first->tag) {
        flooder->first = *net;
        if (may_be_shared(view, net)) {
            sender_flow(out, net, mac);
        }
    } else if (net->tag != first->tag
               && !((net->tag ^ first->tag) & OF_TAG_VPC_MASK)) {
        struct goal_prefix src = goal_prefix_single(ip);

        sender_flow(out, first, mac);
        sender_src_flows(out, net, mac, &src, PRIO_SENDER_ADDRESS);
        if (!flooder->families[ipv4]) {
            src = goal_prefix_family(ipv4);
            sender_src_flows(out, net, mac, &src, PRIO_SENDER_FAMILY);
        }
    }
    flooder->families[ipv4] = true;
}

static enum plugin_result
translate_neighbor(struct goal_view *view,
                   const struct goal_neighbor *neighbor,
                   struct plugin_output *out, char **errorp)
{
    struct flooder flooder = { .neighbor = neighbor };

    if (ipv6_addr_equals(&neighbor->host_ip, goal_view_host_ip(view))) {
        return PLUGIN_DONE;
    }
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
        if (net.type != GOAL_NET_VLAN && !stays_here(view, &net)) {
            remote_part(out, net.tag, &neighbor->host_ip,
                        is_crowded(view, net.vpc));
        }
        flooder_flows(view, out, &flooder, &net, &fixed->ip);
    }
    return PLUGIN_DONE;
}

static enum plugin_result
flood_translate(struct plugin *plugin OVS_UNUSED, struct goal_view *view,
                const struct goal_resource *r, struct plugin_output *out,
                char **errorp)
{
    return (r->kind == GOAL_SUBNET
            ? translate_subnet(view, GOAL_SUBNET_CAST(r), out, errorp)
            : r->kind == GOAL_PORT
            ? translate_port(view, GOAL_PORT_CAST(r), out, errorp)
            : translate_neighbor(view, GOAL_NEIGHBOR_CAST(r), out, errorp));
}

const struct plugin_class l2_flood_plugin_class = {
    .abi = PLUGIN_ABI,
    .size = sizeof(struct plugin_class),
    .name = "l2-flood",
    .number = 10,
    .inputs = 1u << GOAL_SUBNET | 1u << GOAL_PORT | 1u << GOAL_NEIGHBOR,
    .stages = (UINT64_C(1) << OFS_L2_LOOKUP | UINT64_C(1) << OFS_FLOOD
               | UINT64_C(1) << OFS_FLOOD_CHUNK
               | UINT64_C(1) << OFS_FLOOD_LOCAL | UINT64_C(1) << OFS_ARRIVAL
               | UINT64_C(1) << OFS_ARRIVAL_SUBNET
               | UINT64_C(1) << OFS_DELIVER),
    .summary = "broadcasts and multicasts within a subnet",
    .translate = flood_translate,
};
