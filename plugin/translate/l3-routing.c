/* SPDX-License-Identifier: Apache-2.0
 *
 * l3-routing: plugin "l3-routing": the distributed router. */

#include <config.h>

#include "byte-order.h"
#include "flow.h"
#include "hash.h"
#include "openvswitch/ofp-actions.h"
#include "store/goal-fit.h"
#include "translate/flow-actions.h"
#include "translate/flow-draft.h"
#include "translate/l3-router.h"
#include "translate/plugin-provider.h"
#include "translate/plugin-registry.h"
#include "util.h"

/* A router joins the subnets that it has tables for.  Every host is the whole
 * router: the gateway's MAC and address are there wherever a port of the
 * subnet is, and a packet is routed once, on the host of its sender.
 *
 *    ROUTE       What is for the MAC of a subnet's gateway is the router's:
 *                its tag goes to MFF_ROUTER.
 *
 *    ROUTE_SELF  What is for the router itself: it answers pings.  What may
 *                not be forwarded any further: its TTL is used up.
 *
 *    ROUTE_LOOKUP  By destination: prefixes of the router's subnets, for all
 *                its packets, and of the source subnet's rules, for that one;
 *                the longest first, and of equal ones the router's subnet.
 *                The TTL is decremented.  From here on the packet is in the
 *                subnet of its next hop, with that gateway's MAC as source,
 *                and MFF_HOP4 or MFF_HOP6 is the address of the next hop.
 *
 *    ROUTE_NEXT_HOP  By subnet and next hop: the destination MAC.  Then it
 *                goes on in L2_LOOKUP like any packet of that subnet.
 *
 * A router has a few flows for each of its subnets and one for each prefix of
 * its rules, not for each pair of subnets; each address that can be routed to
 * (of a port, of a neighbour in its L3 role) has one in ROUTE_NEXT_HOP.
 *
 * The source MAC is the gateway's of the destination's subnet, as if that had
 * sent the packet, on all hosts alike.  Nobody learns from it in a tunnel; but
 * in a provider network switches would see it in many places, so there it is
 * the host's own (host_dvr_mac_address).
 *
 * A subnet can be in one router.  If it is in two, the one with the lesser id
 * has it, and the other is in conflict.  A table whose subnet is absent, or
 * has no gateway, is passed over until that comes. */

#define DESTINATION_INTERNET 0  /* Alcor's DestinationType. */

struct joined;
struct routing;

static void route_rules(struct goal_view *, struct routing *,
                        const struct joined *,
                        const struct goal_route_table *);

/* A subnet of the router. */
struct joined {
    struct goal_network net;
    struct eth_addr mac;        /* Source of what is routed to it. */
};

/* The translation of one router. */
struct routing {
    const struct goal_router *router;
    uint64_t tag;
    uint32_t mtu;               /* Of the subnet being translated. */
    const struct vol_provider *uplink; /* For INTERNET rules, or null. */
    bool waits;                 /* For the port to it. */
    struct plugin_output *out;
    struct joined *joined;      /* One for each table... */
    size_t n_joined;            /* ...that can be used. */
};

/* Adds to the match: packets of the router. */
static void
match_router(struct flow_draft *f, uint64_t tag)
{
    match_set_xreg(&f->match, MFF_ROUTER - MFF_XREG0, tag);
}

static uint16_t
route_priority(const struct goal_prefix *prefix, bool own)
{
    return OF_PRIO_MIN + 2 * prefix->plen + own;
}

/* Packets for the gateway's MAC. */

static void
enter_flow(const struct routing *r, const struct joined *j)
{
    struct flow_draft f;

    flow_draft_init(&f, j->net.tag);
    match_set_dl_dst(&f.match, j->net.subnet->gateway_mac);
    act_set_u64(&f.acts, MFF_ROUTER, r->tag);
    act_set_u32(&f.acts, MFF_ALCOR_FROM, j->net.tag);
    act_check_larger(&f.acts, ETH_HEADER_LEN + r->mtu, MFF_TOO_BIG);
    act_goto(&f.acts, OFS_ROUTE_SELF);
    flow_draft_output(&f, r->out, OFS_ROUTE, OF_PRIO_NORMAL);
}

/* The router itself. */

/* Exchanges source and destination, MACs and addresses. */
static void
act_turn_round(struct ofpbuf *acts, bool ipv4)
{
    enum mf_field_id src = ipv4 ? MFF_IPV4_SRC : MFF_IPV6_SRC;
    enum mf_field_id dst = ipv4 ? MFF_IPV4_DST : MFF_IPV6_DST;
    enum mf_field_id tmp = ipv4 ? MFF_HOP4 : MFF_HOP6;

    act_copy(acts, src, tmp);
    act_copy(acts, dst, src);
    act_copy(acts, tmp, dst);
    act_move(acts, MFF_ETH_SRC, 0, MFF_ROUTER, 0, 48);
    act_copy(acts, MFF_ETH_DST, MFF_ETH_SRC);
    act_move(acts, MFF_ROUTER, 0, MFF_ETH_DST, 0, 48);
}

/* The router answers pings to 'ip', and drops whatever else is for it. */
static void
self_flows(const struct routing *r, const struct in6_addr *ip)
{
    bool ipv4 = IN6_IS_ADDR_V4MAPPED(ip);
    struct goal_prefix prefix = { *ip, ipv4 ? 32 : 128, 1 };
    struct flow_draft f;

    flow_draft_init(&f, 0);
    match_router(&f, r->tag);
    flow_draft_match_dst(&f, &prefix);
    match_set_nw_proto(&f.match, ipv4 ? IPPROTO_ICMP : IPPROTO_ICMPV6);
    match_set_icmp_type(&f.match, ipv4 ? ICMP4_ECHO_REQUEST
                                       : ICMP6_ECHO_REQUEST);
    match_set_icmp_code(&f.match, 0);
    act_turn_round(&f.acts, ipv4);
    act_set_u8(&f.acts, ipv4 ? MFF_ICMPV4_TYPE : MFF_ICMPV6_TYPE,
               ipv4 ? ICMP4_ECHO_REPLY : ICMP6_ECHO_REPLY);
    act_set_u8(&f.acts, MFF_IP_TTL, ROUTER_TTL);
    act_output_in_port(&f.acts);
    flow_draft_output(&f, r->out, OFS_ROUTE_SELF, OF_PRIO_HIGH);

    flow_draft_init(&f, 0);
    match_router(&f, r->tag);
    flow_draft_match_dst(&f, &prefix);
    /* Else it would be counted twice: see shared_flows(). */
    match_set_reg(&f.match, MFF_TOO_BIG - MFF_REG0, 0);
    act_drop(&f.acts, OF_DROP_TO_GATEWAY);
    flow_draft_output(&f, r->out, OFS_ROUTE_SELF, OF_PRIO_NORMAL);
}

static void
ttl_drop(struct plugin_output *out, bool ipv4, uint8_t ttl)
{
    struct flow_draft f;

    flow_draft_init(&f, 0);
    flow_draft_match_family(&f, ipv4);
    match_set_nw_ttl(&f.match, ttl);
    act_drop(&f.acts, OF_DROP_TTL);
    flow_draft_output(&f, out, OFS_ROUTE_SELF, OF_PRIO_LOW + 1);
}

static void
stage_last(struct plugin_output *out, enum of_stage stage,
           enum of_drop reason)
{
    struct flow_draft f;

    flow_draft_init(&f, 0);
    act_drop(&f.acts, reason);
    flow_draft_output(&f, out, stage, OF_PRIO_MISS);
}

/* Flows that all routers share. */
static void
shared_flows(struct plugin_output *out)
{
    struct flow_draft f;

    for (int ipv4 = 0; ipv4 < 2; ipv4++) {
        ttl_drop(out, ipv4, 0);
        ttl_drop(out, ipv4, 1);
        flow_draft_init(&f, 0);
        flow_draft_match_family(&f, ipv4);
        act_goto(&f.acts, OFS_ROUTE_LOOKUP);
        flow_draft_output(&f, out, OFS_ROUTE_SELF, OF_PRIO_LOW);
    }
    /* No reason is counted: check_pkt_larger has the switch account for every
     * packet both ways. */
    flow_draft_init(&f, 0);
    match_set_reg(&f.match, MFF_TOO_BIG - MFF_REG0, 1);
    flow_draft_output(&f, out, OFS_ROUTE_SELF, OF_PRIO_LOW + 1);

    stage_last(out, OFS_ROUTE_SELF, OF_DROP_NOT_IP);
    stage_last(out, OFS_ROUTE_LOOKUP, OF_DROP_NO_ROUTE);

    flow_draft_init(&f, 0);
    act_goto(&f.acts, OFS_UNKNOWN);
    flow_draft_output(&f, out, OFS_ROUTE_NEXT_HOP, OF_PRIO_MISS);
}

/* Subnets of the router. */

/* The packet goes on in the subnet 'j'. */
static void
act_enter_subnet(struct ofpbuf *acts, const struct joined *j)
{
    act_set_metadata(acts, j->net.tag, UINT64_MAX);
    act_set_mac(acts, MFF_ETH_SRC, &j->mac);
}

static void
connected_flow(const struct routing *r, const struct joined *j)
{
    const struct goal_prefix *cidr = &j->net.subnet->cidr;
    bool ipv4 = IN6_IS_ADDR_V4MAPPED(&cidr->addr);
    struct flow_draft f;

    flow_draft_init(&f, 0);
    match_router(&f, r->tag);
    flow_draft_match_dst(&f, cidr);
    act_enter_subnet(&f.acts, j);
    act_dec_ttl(&f.acts);
    act_copy(&f.acts, ipv4 ? MFF_IPV4_DST : MFF_IPV6_DST,
             ipv4 ? MFF_HOP4 : MFF_HOP6);
    act_goto(&f.acts, OFS_ROUTE_NEXT_HOP);
    flow_draft_output(&f, r->out, OFS_ROUTE_LOOKUP,
                      route_priority(cidr, true));
}

/* Fills in '*j' with what the router needs to know of the subnet of 'table'.
 * Returns false if it cannot be used. */
static bool
join(struct goal_view *view, const struct goal_router *router,
     const struct goal_route_table *table, struct joined *j)
{
    char *error = NULL;

    if (goal_view_network(view, table->subnet_id, &j->net, &error)
        != PLUGIN_DONE) {
        free(error);
        return false;
    }
    j->mac = (j->net.type == GOAL_NET_VLAN && !eth_addr_is_zero(
                                                  router->dvr_mac)
              ? router->dvr_mac : j->net.subnet->gateway_mac);
    return (j->net.subnet->cidr.given
            && ipv6_addr_is_set(&j->net.subnet->gateway_ip)
            && !eth_addr_is_zero(j->net.subnet->gateway_mac));
}

static void
subnet_flows(struct routing *r, const struct joined *j, uint16_t mtu)
{
    const struct goal_subnet *subnet = j->net.subnet;

    r->mtu = mtu;
    enter_flow(r, j);
    connected_flow(r, j);
    self_flows(r, &subnet->gateway_ip);
    if (!IN6_IS_ADDR_V4MAPPED(&subnet->gateway_ip)) {
        struct in6_addr link_local;

        in6_generate_lla(subnet->gateway_mac, &link_local);
        self_flows(r, &link_local);
    }
}

static enum plugin_result
translate_router(struct goal_view *view, const struct goal_router *router,
                 struct plugin_output *out)
{
    uint32_t hash = hash_string(router->up.id, 0);
    struct routing r = {
        .router = router,
        .tag = (uint64_t) hash << 32 | hash_string(router->up.id, ~hash),
        .out = out,
        .uplink = goal_view_volatile(view, VOL_PROVIDER, ""),
        .joined = xmalloc((router->n_tables + 1) * sizeof *r.joined),
    };
    const struct goal_route_table **tables
        = xmalloc((router->n_tables + 1) * sizeof *tables);

    for (size_t i = 0; i < router->n_tables; i++) {
        if (join(view, router, &router->tables[i], &r.joined[r.n_joined])) {
            tables[r.n_joined++] = &router->tables[i];
        }
    }
    if (r.n_joined) {
        shared_flows(out);
    }
    for (size_t i = 0; i < r.n_joined; i++) {
        subnet_flows(&r, &r.joined[i],
                     goal_view_mtu(view, &r.joined[i].net));
        route_rules(view, &r, &r.joined[i], tables[i]);
    }
    free(tables);
    free(r.joined);
    return r.waits ? PLUGIN_PARTIAL : PLUGIN_DONE;
}

/* Rules. */

/* A rule as far as the next hop. */
struct leg {
    const struct goal_route *rule;
    const struct joined *j;     /* Subnet of the next hop. */
    struct eth_addr mac;        /* Of the next hop; zero: by its address. */
    bool internet;              /* By the uplink... */
    bool asks;                  /* ...where ARP tells the MAC. */
    bool gone;                  /* Nobody is there, as far as is known... */
    bool silent;                /* ...for it was asked, and does not answer. */
};

/* Finds the subnet of the router that 'ip' is in, or returns null. */
static const struct joined *
find_subnet(const struct routing *r, const struct in6_addr *ip)
{
    for (size_t i = 0; i < r->n_joined; i++) {
        if (goal_prefix_has(&r->joined[i].net.subnet->cidr, ip)) {
            return &r->joined[i];
        }
    }
    return NULL;
}

/* 'leg' leads to the outside, or to the subnet that it comes from.  Returns
 * false if it cannot. */
static bool
follow_mac(struct goal_view *view, struct routing *r, struct leg *leg)
{
    bool internet = leg->rule->destination_type == DESTINATION_INTERNET;

    if (eth_addr_is_zero(leg->mac)
        && !(internet && l3_uplink_asks(&leg->rule->next_hop))) {
        return false;
    }
    if (internet) {
        if (!r->uplink) {
            return false;
        }
        leg->asks = eth_addr_is_zero(leg->mac);
        if (leg->asks) {
            leg->silent = !l3_uplink_lookup(view, &leg->rule->next_hop,
                                            &leg->mac);
            leg->gone = eth_addr_is_zero(leg->mac);
        }
        output_patch(r->out, r->uplink->bridge);
        r->waits = r->waits || !r->uplink->ofport;
        leg->internet = true;
        return r->uplink->ofport != 0;
    }
    return true;
}

/* Finds out where 'rule', of the subnet 'from', leads.  Returns false if that
 * is nowhere: the next hop is in no subnet of the router, or it is the router,
 * which goes by its subnets anyway. */
static bool
follow(struct goal_view *view, struct routing *r,
       const struct joined *from, const struct goal_route *rule,
       struct leg *leg)
{
    *leg = (struct leg) { .rule = rule, .mac = rule->next_hop_mac };
    leg->j = (ipv6_addr_is_set(&rule->next_hop)
              ? find_subnet(r, &rule->next_hop) : NULL);
    if (!leg->j) {
        leg->j = from;
        return follow_mac(view, r, leg);
    }
    if (ipv6_addr_equals(&rule->next_hop, &leg->j->net.subnet->gateway_ip)) {
        return false;
    }
    leg->gone = !l3_find_next_hop(view, &leg->j->net, &rule->next_hop,
                                  &leg->mac);
    return true;
}

/* The router's MAC outside, for packets of 'j'. */
static struct eth_addr
uplink_mac(const struct routing *r, const struct joined *j)
{
    return (eth_addr_is_zero(r->router->dvr_mac)
            ? j->net.subnet->gateway_mac : r->router->dvr_mac);
}

/* What 'leg' does with a packet; it ends in stage '*nextp', or, if that is
 * OFS_N_STAGES, outside. */
static void
act_leg(const struct routing *r, struct ofpbuf *acts, const struct leg *leg,
        enum of_stage *nextp)
{
    if (leg->internet) {
        const struct l3_uplink uplink = {
            r->tag, r->uplink->ofport, uplink_mac(r, leg->j),
        };

        act_set_mac(acts, MFF_ETH_SRC, &uplink.mac);
        act_set_mac(acts, MFF_ETH_DST, &leg->mac);
        act_output(acts, uplink.ofport);
        *nextp = OFS_N_STAGES;
        return;
    }
    act_enter_subnet(acts, leg->j);
    if (ipv6_addr_is_set(&leg->rule->next_hop)) {
        act_set_ip(acts, MFF_HOP4, MFF_HOP6, &leg->rule->next_hop);
    }
    if (eth_addr_is_zero(leg->mac)) {
        *nextp = OFS_ROUTE_NEXT_HOP;
    } else {
        act_set_mac(acts, MFF_ETH_DST, &leg->mac);
        *nextp = OFS_L2_LOOKUP;
    }
}

/* Makes the group for the 'n' legs of the subnet 'from' at 'legs', and returns
 * its number, or 0. */
static uint32_t
rule_group(const struct routing *r, const struct joined *from,
           const struct leg *legs, size_t n)
{
    const struct goal_prefix *prefix = &legs->rule->destination;
    struct l3_ecmp_leg *ways = xmalloc(n * sizeof *ways);
    char ip[INET6_ADDRSTRLEN];

    for (size_t i = 0; i < n; i++) {
        enum of_stage next;

        ways[i].name = legs[i].rule->id;
        ofpbuf_init(&ways[i].acts, 128);
        act_leg(r, &ways[i].acts, &legs[i], &next);
        if (next != OFS_N_STAGES) {
            act_resubmit(&ways[i].acts, next);
        }
    }
    ipv6_string_mapped(ip, &prefix->addr);
    char *name = xasprintf("route %s %s %s/%"PRIu32, r->router->up.id,
                           from->net.subnet->up.id, ip, prefix->plen);
    uint32_t group = l3_ecmp_group(r->out, name, ways, n);
    free(name);
    for (size_t i = 0; i < n; i++) {
        ofpbuf_uninit(&ways[i].acts);
    }
    free(ways);
    return group;
}

/* Moves those of 'n' legs that are 'good' to the front, in the order that they
 * have, and returns how many there are. */
static size_t
prefer(struct leg *legs, size_t n, bool (*good)(const struct leg *))
{
    size_t n_good = 0;

    for (size_t i = 0; i < n; i++) {
        if (good(&legs[i])) {
            struct leg leg = legs[i];

            memmove(&legs[n_good + 1], &legs[n_good],
                    (i - n_good) * sizeof *legs);
            legs[n_good++] = leg;
        }
    }
    return n_good;
}

static bool
leads_to_somebody(const struct leg *leg)
{
    return !leg->gone;
}

/* The switch may know more than we do. */
static bool
leads_inside(const struct leg *leg)
{
    return !leg->asks;
}

/* Has those of the 'n' 'legs' asked that have not been yet; or all. */
static void
ask_hops(const struct routing *r, struct ofpbuf *acts, const struct leg *legs,
         size_t n, bool all)
{
    for (size_t i = 0; i < n; i++) {
        const struct leg *leg = &legs[i];

        if (leg->asks && (all || !leg->silent)) {
            const struct l3_uplink uplink = {
                r->tag, r->uplink->ofport, uplink_mac(r, leg->j),
            };

            l3_uplink_ask(&uplink, r->router, &leg->rule->next_hop, r->out,
                          acts);
        }
    }
}

/* Packets from the subnet 'from' for the prefix of the 'n' legs at 'legs' are
 * spread over those of them that lead to somebody.  (A bucket cannot ask: what
 * it does is an action set.) */
static void
rule_flow(const struct routing *r, const struct joined *from,
          struct leg *legs, size_t n)
{
    const struct goal_prefix *prefix = &legs->rule->destination;
    size_t n_living = prefer(legs, n, leads_to_somebody);
    size_t n_used = n_living ? n_living : prefer(legs, n, leads_inside);
    uint32_t group = n_used > 1 ? rule_group(r, from, legs, n_used) : 0;
    struct flow_draft f;

    flow_draft_init(&f, from->net.tag);
    flow_draft_match_dst(&f, prefix);
    act_dec_ttl(&f.acts);
    ask_hops(r, &f.acts, &legs[n_used], n - n_used, !n_used);
    if (group) {
        ofpact_put_GROUP(&f.acts)->group_id = group;
    } else if (n_used) {
        enum of_stage next;

        act_leg(r, &f.acts, legs, &next);
        if (next != OFS_N_STAGES) {
            act_goto(&f.acts, next);
        }
    } else {
        act_drop(&f.acts, OF_DROP_UNKNOWN_DESTINATION);
    }
    flow_draft_output(&f, r->out, OFS_ROUTE_LOOKUP,
                      route_priority(prefix, false));
}

static bool
same_prefix(const struct goal_prefix *a, const struct goal_prefix *b)
{
    return ipv6_addr_equals(&a->addr, &b->addr) && a->plen == b->plen
           && (IN6_IS_ADDR_V4MAPPED(&a->addr)
               == IN6_IS_ADDR_V4MAPPED(&b->addr));
}

/* Orders by prefix, then by priority, the highest first, then by id. */
static int
compare_legs(const void *a_, const void *b_)
{
    const struct goal_route *a = ((const struct leg *) a_)->rule;
    const struct goal_route *b = ((const struct leg *) b_)->rule;
    int cmp = memcmp(&a->destination.addr, &b->destination.addr,
                     sizeof a->destination.addr);

    return (cmp ? cmp
            : a->destination.plen != b->destination.plen
            ? (a->destination.plen < b->destination.plen ? -1 : 1)
            : a->priority != b->priority
            ? (a->priority > b->priority ? -1 : 1)
            : strcmp(a->id, b->id));
}

/* The rules of the table of the subnet 'from': of those for one prefix, the
 * ones with the highest priority among those that lead somewhere. */
static void
route_rules(struct goal_view *view, struct routing *r,
            const struct joined *from, const struct goal_route_table *table)
{
    struct leg *legs = xmalloc((table->n_routes + 1) * sizeof *legs);
    bool internet = false;
    size_t n = 0;

    for (size_t i = 0; i < table->n_routes; i++) {
        const struct goal_route *rule = &table->routes[i];

        if (rule->destination.given
            && follow(view, r, from, rule, &legs[n])) {
            internet = internet || legs[n].internet;
            if (legs[n].asks) {
                l3_uplink_answers(r->uplink->ofport, r->router,
                                  &rule->next_hop, r->out);
            }
            n++;
        }
    }
    qsort(legs, n, sizeof *legs, compare_legs);
    for (size_t i = 0, next; i < n; i = next) {
        const struct goal_route *first = legs[i].rule;
        size_t n_best = 0;

        for (next = i; next < n && same_prefix(&legs[next].rule->destination,
                                               &first->destination); next++) {
            n_best += legs[next].rule->priority == first->priority;
        }
        rule_flow(r, from, &legs[i], n_best);
    }
    free(legs);
    if (internet) {
        const struct l3_uplink uplink = {
            r->tag, r->uplink->ofport, uplink_mac(r, from),
        };

        l3_internet_flows(&uplink, &from->net, r->out);
    }
}

/* Addresses that can be routed to. */

/* In the subnet with 'tag', the next hop 'ip' has 'mac'. */
static void
next_hop_flow(struct plugin_output *out, uint64_t tag,
              const struct goal_prefix *ip, const struct eth_addr *mac)
{
    struct flow_draft f;

    flow_draft_init(&f, tag);
    if (IN6_IS_ADDR_V4MAPPED(&ip->addr)) {
        flow_draft_match_family(&f, true);
        match_set_reg_masked(&f.match, MFF_HOP4 - MFF_REG0,
                             ntohl(in6_addr_get_mapped_ipv4(&ip->addr)),
                             ntohl(be32_prefix_mask(ip->plen)));
    } else {
        struct in6_addr mask = ipv6_create_mask(ip->plen);
        ovs_be128 value_be, mask_be;

        memcpy(&value_be, &ip->addr, sizeof value_be);
        memcpy(&mask_be, &mask, sizeof mask_be);
        flow_draft_match_family(&f, false);
        match_set_xxreg_masked(&f.match, MFF_HOP6 - MFF_XXREG0,
                               ntoh128(value_be), ntoh128(mask_be));
    }
    act_set_mac(&f.acts, MFF_ETH_DST, mac);
    act_goto(&f.acts, OFS_L2_LOOKUP);
    flow_draft_output(&f, out, OFS_ROUTE_NEXT_HOP,
                      OF_PRIO_NORMAL + ip->plen);
}

/* One address, and the allowed pairs, of the owner of 'mac'. */
static void
next_hop_flows(struct plugin_output *out, const struct goal_network *net,
               const struct in6_addr *ip, const struct eth_addr *mac)
{
    struct goal_prefix prefix = {
        *ip, IN6_IS_ADDR_V4MAPPED(ip) ? 32 : 128, 1,
    };

    next_hop_flow(out, net->tag, &prefix, mac);
}

static void
next_hop_pairs(struct plugin_output *out, const struct goal_network *net,
               const struct eth_addr *mac,
               const struct goal_address_pair *pairs, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct goal_address_pair *pair = &pairs[i];

        if (!goal_prefix_covers(&pair->ip, &net->subnet->cidr)) {
            next_hop_flow(out, net->tag, &pair->ip,
                          eth_addr_is_zero(pair->mac) ? mac : &pair->mac);
        }
    }
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
        next_hop_flows(out, &net, &fixed->ip, &port->mac);
        next_hop_pairs(out, &net, &port->mac, port->allowed,
                       port->n_allowed);
        if (binding) {
            l3_internet_address(net.tag, &fixed->ip, out);

            const struct l3_listener listener = {
                port, binding->ofport, &net,
                goal_view_mtu(view, &net),
            };

            *errorp = l3_port_errors(&listener, out);
            if (*errorp) {
                return PLUGIN_FAIL;
            }
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

        if (fixed->type != GOAL_NEIGHBOR_L3) {
            continue;
        }
        enum plugin_result result = goal_view_network(
            view, fixed->subnet_id, &net, errorp);
        if (result != PLUGIN_DONE) {
            return result;
        }
        next_hop_flows(out, &net, &fixed->ip, &neighbor->mac);
        next_hop_pairs(out, &net, &neighbor->mac, neighbor->allowed,
                       neighbor->n_allowed);
    }
    return PLUGIN_DONE;
}

static enum plugin_result
l3_translate(struct plugin *plugin OVS_UNUSED, struct goal_view *view,
             const struct goal_resource *r, struct plugin_output *out,
             char **errorp)
{
    switch (r->kind) {
    case GOAL_ROUTER:
        return translate_router(view, GOAL_ROUTER_CAST(r), out);
    case GOAL_PORT:
        return translate_port(view, GOAL_PORT_CAST(r), out, errorp);
    case GOAL_NEIGHBOR:
        return translate_neighbor(view, GOAL_NEIGHBOR_CAST(r), out, errorp);
    case GOAL_VPC:
    case GOAL_SUBNET:
    case GOAL_SECURITY_GROUP:
    case GOAL_DHCP:
    case GOAL_GATEWAY:
    case GOAL_N_KINDS:
        break;
    }
    return PLUGIN_DONE;
}

const struct plugin_class l3_routing_plugin_class = {
    .abi = PLUGIN_ABI,
    .size = sizeof(struct plugin_class),
    .name = "l3-routing",
    .number = 5,
    .inputs = 1u << GOAL_ROUTER | 1u << GOAL_PORT | 1u << GOAL_NEIGHBOR,
    .stages = (UINT64_C(1) << OFS_ROUTE | UINT64_C(1) << OFS_ROUTE_SELF
               | UINT64_C(1) << OFS_ROUTE_LOOKUP
               | UINT64_C(1) << OFS_ROUTE_NEXT_HOP
               | UINT64_C(1) << OFS_UNKNOWN
               | UINT64_C(1) << OFS_CLASSIFY
               | UINT64_C(1) << OFS_PROVIDER_ARP),
    .summary = "the distributed router",
    .translate = l3_translate,
    .packet_in = l3_packet_in,
};
