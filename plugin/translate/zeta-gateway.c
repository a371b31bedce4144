/* SPDX-License-Identifier: Apache-2.0
 *
 * zeta-gateway: plugin "zeta-gateway": gateways carry what is not known. */

#include <config.h>

#include "translate/zeta-gateway.h"

#include <stdlib.h>
#include <string.h>
#include "byte-order.h"
#include "dp-packet.h"
#include "flow.h"
#include "hash.h"
#include "openvswitch/list.h"
#include "openvswitch/ofp-actions.h"
#include "openvswitch/ofp-group.h"
#include "translate/flow-actions.h"
#include "translate/flow-draft.h"
#include "translate/group-hash.h"
#include "translate/plugin-provider.h"
#include "translate/plugin-registry.h"
#include "translate/punt.h"
#include "util.h"

/* A gateway (a cluster of type ZETA that serves a VPC, or one of type ARION
 * that serves a subnet) knows where all endpoints are.  Each subnet that has
 * one outputs
 *
 *    the group, which spreads flows over the cluster's entrances, through
 *    ENCAP; and a next hop for each of these;
 *
 *    RESPOND: ARP requests that nothing on this host has answered go there,
 *    and the answer comes back like any packet from a tunnel;
 *
 *    UNKNOWN: so does IPv4 for whom nothing is known here, no local port, no
 *    neighbour, no direct path;
 *
 *    ROUTE_NEXT_HOP: so does, by way of UNKNOWN, what has been routed to the
 *    subnet, whose gateway's MAC it still has as destination;
 *
 *    ARRIVAL: what answers this host's own questions is punted.
 *
 * A gateway looks at VNI and inner destination address alone; it replaces the
 * inner destination MAC.  It does not carry IPv6.
 *
 * Which entrance
 * --------------
 *
 * Those that are alive, by a hash of addresses, protocol and ports, against
 * which each bucket's id, which its entrance has for good, is weighed: when
 * an entrance comes or goes, no flow of another one moves.  While nothing is
 * known of any, or all are dead, all are used: to try is better than not to.
 *
 * A subnet that changes to another cluster changes to another group, in one
 * flow. */

/* After the answers of plugin "arp-nd" and before the questions of plugin
 * "on-demand". */
#define PRIO_ARP (OF_PRIO_LOW + 11)
#define PRIO_NEXT_HOP (OF_PRIO_MIN + 1)

/* The number of the subnet's punt for signs of life is one for all. */
#define PROBE_METER "gateways"

/* Addresses that this host asks from: 169.254.0.0/16. */
#define PROBE_NET UINT32_C(0xa9fe0000)

struct eth_addr
zeta_probe_mac(const struct in6_addr *host_ip)
{
    struct eth_addr mac = ETH_ADDR_C(02,a1,c0,00,00,00);
    uint32_t hash = hash_bytes(host_ip, sizeof *host_ip, 0);

    mac.ea[3] = hash >> 16;
    mac.ea[4] = hash >> 8;
    mac.ea[5] = hash;
    return mac;
}

/* Entrances. */

struct entrance {
    struct in6_addr ip;
    struct eth_addr mac;
    uint32_t bucket_id;
    uint32_t state;             /* enum vol_entrance_state. */
    struct ofpbuf acts;         /* Of its bucket. */
};

struct cluster {
    struct entrance *entrances;
    size_t n;
};

static int
compare_entrances(const void *a_, const void *b_)
{
    const struct entrance *a = a_, *b = b_;

    return a->bucket_id < b->bucket_id ? -1 : a->bucket_id > b->bucket_id;
}

static bool
has_entrance(const struct cluster *c, const struct in6_addr *ip)
{
    for (size_t i = 0; i < c->n; i++) {
        if (ipv6_addr_equals(&c->entrances[i].ip, ip)) {
            return true;
        }
    }
    return false;
}

/* Fills in 'c' with the entrances of 'gateway', in the order of their
 * buckets. */
static bool
cluster_init(struct cluster *c, struct goal_view *view,
             const struct goal_gateway *gateway, struct plugin_output *out)
{
    c->entrances = xcalloc(gateway->n_destinations + 1, sizeof *c->entrances);
    c->n = 0;
    for (size_t i = 0; i < gateway->n_destinations; i++) {
        const struct goal_gateway_destination *d = &gateway->destinations[i];
        struct entrance *e = &c->entrances[c->n];
        const struct vol_entrance *state;
        char ip[INET6_ADDRSTRLEN];

        if (!IN6_IS_ADDR_V4MAPPED(&d->ip) || has_entrance(c, &d->ip)
            || ipv6_addr_equals(&d->ip, goal_view_host_ip(view))) {
            continue;
        }
        state = goal_view_volatile(view, VOL_ENTRANCE,
                                   ipv6_string_mapped(ip, &d->ip));
        char *name = xasprintf("entrance %s", ip);
        *e = (struct entrance) {
            .ip = d->ip, .mac = d->mac,
            .bucket_id = output_id(out, ID_BUCKET, name),
            .state = state ? state->state : VOL_ENTRANCE_UNKNOWN,
        };
        free(name);
        if (!e->bucket_id) {
            return false;
        }
        ofpbuf_init(&e->acts, 64);
        act_set_ip(&e->acts, MFF_TUN_DST, MFF_TUN_IPV6_DST, &e->ip);
        act_resubmit(&e->acts, OFS_ENCAP);
        c->n++;
    }
    qsort(c->entrances, c->n, sizeof *c->entrances, compare_entrances);
    return true;
}

static void
cluster_uninit(struct cluster *c)
{
    for (size_t i = 0; i < c->n; i++) {
        ofpbuf_uninit(&c->entrances[i].acts);
    }
    free(c->entrances);
}

static bool
cluster_has_alive(const struct cluster *c)
{
    for (size_t i = 0; i < c->n; i++) {
        if (c->entrances[i].state == VOL_ENTRANCE_ALIVE) {
            return true;
        }
    }
    return false;
}

/* The group. */

static void
cluster_group(const struct cluster *c, uint32_t number,
              struct plugin_output *out)
{
    struct ofputil_bucket *buckets = xcalloc(c->n, sizeof *buckets);
    bool alive = cluster_has_alive(c);
    struct ofputil_group_mod gm;

    memset(&gm, 0, sizeof gm);
    gm.type = OFPGT11_SELECT;
    gm.group_id = number;
    group_hash_init(&gm.props);
    ovs_list_init(&gm.buckets);
    for (size_t i = 0; i < c->n; i++) {
        const struct entrance *e = &c->entrances[i];

        if (alive && e->state != VOL_ENTRANCE_ALIVE) {
            continue;
        }
        buckets[i].weight = 1;
        buckets[i].watch_port = OFPP_ANY;
        buckets[i].watch_group = OFPG_ANY;
        buckets[i].bucket_id = e->bucket_id;
        buckets[i].ofpacts = e->acts.data;
        buckets[i].ofpacts_len = e->acts.size;
        ovs_list_push_back(&gm.buckets, &buckets[i].list_node);
    }
    output_group(out, &gm);
    free(gm.props.fields.values);
    free(buckets);
}

char *
zeta_gateway_name(const struct goal_gateway *gateway)
{
    return (gateway->type == GOAL_GATEWAY_ARION && gateway->subnet_id[0]
            ? xasprintf("gateway of subnet %s", gateway->subnet_id)
            : xasprintf("gateway %s", gateway->up.id));
}

uint32_t
zeta_gateway_hash(const struct goal_gateway *gateway)
{
    char *name = zeta_gateway_name(gateway);
    uint32_t hash = hash_string(name, 0);

    free(name);
    return hash;
}

static uint32_t
group_number(const struct goal_gateway *gateway, struct plugin_output *out)
{
    char *name = zeta_gateway_name(gateway);
    uint32_t number = output_id(out, ID_GROUP, name);

    free(name);
    return number;
}

/* Flows. */

static void
group_flow(struct flow_draft *f, uint32_t group, struct plugin_output *out,
           enum of_stage stage, uint16_t priority)
{
    ofpact_put_GROUP(&f->acts)->group_id = group;
    flow_draft_output(f, out, stage, priority);
}

static void
subnet_flows(uint64_t tag, uint32_t group, struct plugin_output *out)
{
    struct flow_draft f;

    flow_draft_init(&f, tag);
    match_set_dl_type(&f.match, htons(ETH_TYPE_ARP));
    match_set_nw_proto(&f.match, ARP_OP_REQUEST);
    group_flow(&f, group, out, OFS_RESPOND, PRIO_ARP);

    flow_draft_init(&f, tag);
    flow_draft_match_family(&f, true);
    group_flow(&f, group, out, OFS_UNKNOWN, OF_PRIO_NORMAL);

    flow_draft_init(&f, tag);
    flow_draft_match_family(&f, true);
    act_goto(&f.acts, OFS_UNKNOWN);
    flow_draft_output(&f, out, OFS_ROUTE_NEXT_HOP, PRIO_NEXT_HOP);
}

/* Answers to this host's own questions.  Returns NULL or a message for
 * PLUGIN_FAIL. */
static char *
sign_flow(struct goal_view *view, struct plugin_output *out)
{
    const struct punt punt = { .kind = PUNT_PROBE, .port_id = PROBE_METER };
    struct flow_draft f;

    flow_draft_init(&f, 0);
    match_set_dl_dst(&f.match, zeta_probe_mac(goal_view_host_ip(view)));
    match_set_dl_type(&f.match, htons(ETH_TYPE_ARP));
    match_set_nw_proto(&f.match, ARP_OP_REPLY);
    char *error = output_punt(out, &f.acts, &punt);
    if (error) {
        ofpbuf_uninit(&f.acts);
    } else {
        flow_draft_output(&f, out, OFS_ARRIVAL, OF_PRIO_HIGH);
    }
    return error;
}

static enum plugin_result
translate_cluster(struct goal_view *view, const struct goal_network *net,
                  const struct goal_gateway *gateway,
                  struct plugin_output *out, char **errorp)
{
    uint32_t group = group_number(gateway, out);
    struct cluster c;

    if (!group || !cluster_init(&c, view, gateway, out)) {
        *errorp = xstrdup("no number is left for the gateway's group");
        if (group) {
            cluster_uninit(&c);
        }
        return PLUGIN_FAIL;
    }
    for (size_t i = 0; i < c.n; i++) {
        if (!eth_addr_is_zero(c.entrances[i].mac)) {
            output_fixed_next_hop(out, &c.entrances[i].ip,
                                  &c.entrances[i].mac);
        }
    }
    if (c.n) {
        cluster_group(&c, group, out);
        subnet_flows(net->tag, group, out);
        *errorp = sign_flow(view, out);
    }
    cluster_uninit(&c);
    return *errorp ? PLUGIN_FAIL : PLUGIN_DONE;
}

static enum plugin_result
zeta_translate(struct plugin *plugin OVS_UNUSED, struct goal_view *view,
               const struct goal_resource *r, struct plugin_output *out,
               char **errorp)
{
    struct goal_network net;
    enum plugin_result result = goal_view_network(view, r->id, &net, errorp);

    if (result == PLUGIN_DONE) {
        const struct goal_gateway *gateway = goal_view_gateway(view, &net);

        if (gateway) {
            result = translate_cluster(view, &net, gateway, out, errorp);
        }
    }
    return result;
}

/* Packets. */

struct packet_order *
zeta_probe_compose(const struct zeta_probe *probe)
{
    const struct packet_context context = {
        .in_port = ofp_to_u16(OFPP_CONTROLLER),
        .metadata = of_vpc_tag(GOAL_NET_VXLAN, probe->vni),
    };
    struct in6_addr entrance;
    struct dp_packet packet;
    struct ofpbuf ofpacts;
    uint64_t stub[128 / 8];

    in6_addr_set_mapped_ipv4(&entrance, probe->entrance);
    ofpbuf_use_stub(&ofpacts, stub, sizeof stub);
    act_set_ip(&ofpacts, MFF_TUN_DST, MFF_TUN_IPV6_DST, &entrance);
    act_resubmit(&ofpacts, OFS_ENCAP);
    dp_packet_init(&packet, 0);
    compose_arp(&packet, ARP_OP_REQUEST, probe->mac, eth_addr_zero, true,
                htonl(PROBE_NET | probe->number), probe->target);

    struct packet_order *order = packet_order_create(
        &context, &ofpacts, dp_packet_data(&packet),
        dp_packet_size(&packet));
    dp_packet_uninit(&packet);
    ofpbuf_uninit(&ofpacts);
    return order;
}

static bool
zeta_packet_in(const struct packet_view *view, struct packet_reply *reply)
{
    const struct flow *flow = view->flow;
    const struct zeta_sign sign = {
        .entrance = flow->tunnel.ip_src,
        .number = ntohl(flow->nw_dst) & UINT16_MAX,
        .vni = ntohll(flow->tunnel.tun_id),
    };

    if (view->kind != PUNT_PROBE || flow->dl_type != htons(ETH_TYPE_ARP)
        || flow->nw_proto != ARP_OP_REPLY) {
        return false;
    }
    packet_reply_event(reply, &sign, sizeof sign, false);
    return true;
}

bool
zeta_sign_from_event(const struct packet_event *event, struct zeta_sign *sign)
{
    if (event->kind != PUNT_PROBE
        || event->plugin != zeta_gateway_plugin_class.number
        || event->len != sizeof *sign) {
        return false;
    }
    memcpy(sign, event->data, sizeof *sign);
    return true;
}

const struct plugin_class zeta_gateway_plugin_class = {
    .abi = PLUGIN_ABI,
    .size = sizeof(struct plugin_class),
    .name = "zeta-gateway",
    .number = 9,
    .inputs = 1u << GOAL_SUBNET,
    .stages = (UINT64_C(1) << OFS_RESPOND | UINT64_C(1) << OFS_ROUTE_NEXT_HOP
               | UINT64_C(1) << OFS_UNKNOWN | UINT64_C(1) << OFS_ARRIVAL),
    .summary = "gateways carry what is not known on the host",
    .translate = zeta_translate,
    .packet_in = zeta_packet_in,
    .translate_record = zeta_translate_path,
    .records = 1u << VOL_DIRECT_PATH,
};
