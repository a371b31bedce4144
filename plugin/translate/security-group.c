/* SPDX-License-Identifier: Apache-2.0
 *
 * security-group: plugin "security-group": what rules allow. */

#include <config.h>

#include <stdlib.h>
#include <string.h>
#include "byte-order.h"
#include "flow.h"
#include "hash.h"
#include "openvswitch/match.h"
#include "openvswitch/ofpbuf.h"
#include "translate/flow-actions.h"
#include "translate/plugin-provider.h"
#include "translate/plugin-registry.h"
#include "translate/security-rules.h"
#include "util.h"

/* A local port without groups may send and be sent everything.  One with
 * groups has a conntrack zone of its own, through which all of its IP packets
 * go, and to which rules are applied:
 *
 *    EGRESS          of a port with groups: through its zone
 *    EGRESS_CT       a reply:      INGRESS_RULES, else EGRESS_RULES
 *    EGRESS_VERDICT  allowed: commit what is new, go on; else drop
 *
 * and likewise from INGRESS on.  The tables of rules are subroutines, of both
 * directions: they set MFF_ALLOWED if a rule allows the connection.  ARP,
 * neighbour discovery, MLD and DHCP requests pass by; other types of Ethernet
 * frames are dropped.
 *
 * Every packet is judged
 * ----------------------
 *
 * Rules are matched on the original tuple of the connection that conntrack
 * knows the packet to belong to: what the packet that opened it looked like.
 * That goes for all packets of a connection, in both directions, established
 * or not, and for ICMP errors related to it.  So a rule or member that is
 * removed takes with it, with the very flow that is removed and hence before
 * the change is acknowledged, every connection that nothing else allows, in
 * both directions: also where only one of the two sides is still sending.  And
 * a connection that another rule allows as well does not notice.  No mark has
 * to be kept, and no connection flushed: that would not help, since with the
 * next packet of a one-way stream of replies, say, conntrack would take the
 * replier for who opened the connection, and its egress rules may be generous;
 * and it would hurt connections that are still allowed.
 *
 * A connection that conntrack has lost (userspace: ovs-vswitchd restarted)
 * goes on with the first packet of the side that is allowed to open it.
 *
 * Conjunctions
 * ------------
 *
 * The rules of a set (security-rules.h) are one conjunctive match:
 *
 *    clause 1   the zones of local ports with the group; output by each port
 *    clause 2   protocols and ports of the rules; output by the group
 *    clause 3   the remote; a prefix is output by the group, the addresses of
 *               a remote group's members by each member, a local port or a
 *               neighbour, in its own VPC; missing for anywhere
 *
 * So flows are the sum of ports, rules and members, and one member more is one
 * flow for each of its addresses, direction and Ethernet type, whatever the
 * number of groups that name its group, and is translated alone.
 *
 * A group that is not known allows nothing. */

#define PRIO_PASS_BY OF_PRIO_GUARD
#define PRIO_SPECIAL OF_PRIO_HIGH
#define PRIO_RULE OF_PRIO_NORMAL
#define PRIO_REST OF_PRIO_LOW

enum clause { CLAUSE_PORT, CLAUSE_PROTOCOL, CLAUSE_REMOTE };

/* The stages of each direction. */
struct way {
    enum of_stage entry, ct, rules, verdict;
    enum of_stage next;         /* For what is allowed. */
};
static const struct way ways[] = {
    [SG_EGRESS] = { OFS_EGRESS, OFS_EGRESS_CT, OFS_EGRESS_RULES,
                    OFS_EGRESS_VERDICT, OFS_RESPOND },
    [SG_INGRESS] = { OFS_INGRESS, OFS_INGRESS_CT, OFS_INGRESS_RULES,
                     OFS_INGRESS_VERDICT, OFS_DELIVER },
};

/* What a translation works with. */
struct sg {
    struct goal_view *view;
    struct plugin_output *out;
    char **errorp;
};

static void
put_flow(struct sg *sg, enum of_stage stage, uint16_t priority,
         const struct match *match, struct ofpbuf *ofpacts)
{
    output_flow(sg->out, stage, priority, match, ofpacts);
    ofpbuf_uninit(ofpacts);
}

/* What does not pass by the groups of any port.  These flows are the same for
 * all ports. */

static void
pass_by(struct sg *sg, const struct way *way, const struct match *match)
{
    uint64_t stub[128 / 8];
    struct ofpbuf ofpacts;

    ofpbuf_use_stub(&ofpacts, stub, sizeof stub);
    act_goto(&ofpacts, way->next);
    put_flow(sg, way->entry, PRIO_PASS_BY, match, &ofpacts);
}

static void
pass_by_flows(struct sg *sg, const struct way *way)
{
    /* Router solicitations, neighbour discovery, MLD. */
    static const uint8_t types[] = { 133, 135, 136, 130, 131, 132, 143 };
    struct match match;

    match_init_catchall(&match);
    match_set_dl_type(&match, htons(ETH_TYPE_ARP));
    pass_by(sg, way, &match);

    match_init_catchall(&match);
    match_set_dl_type(&match, htons(ETH_TYPE_IPV6));
    match_set_nw_proto(&match, IPPROTO_ICMPV6);
    for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
        match_set_icmp_type(&match, types[i]);
        pass_by(sg, way, &match);
    }
}

/* DHCP requests, which are answered on this host. */
static void
dhcp_flows(struct sg *sg)
{
    static const struct {
        uint16_t dl_type, client, server;
    } families[] = { { ETH_TYPE_IP, 68, 67 }, { ETH_TYPE_IPV6, 546, 547 } };

    for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
        struct match match;

        match_init_catchall(&match);
        match_set_dl_type(&match, htons(families[i].dl_type));
        match_set_nw_proto(&match, IPPROTO_UDP);
        match_set_tp_src(&match, htons(families[i].client));
        match_set_tp_dst(&match, htons(families[i].server));
        pass_by(sg, &ways[SG_EGRESS], &match);
    }
}

/* State of the connection, and verdict; the same for all ports. */

static void
drop_flow(struct sg *sg, enum of_stage stage, uint16_t priority,
          const struct match *match, enum of_drop reason)
{
    uint64_t stub[128 / 8];
    struct ofpbuf ofpacts;

    ofpbuf_use_stub(&ofpacts, stub, sizeof stub);
    act_drop(&ofpacts, reason);
    put_flow(sg, stage, priority, match, &ofpacts);
}

static void
rules_flow(struct sg *sg, const struct way *way, bool reply,
           enum of_stage rules)
{
    uint64_t stub[128 / 8];
    struct ofpbuf ofpacts;
    struct match match;

    ofpbuf_use_stub(&ofpacts, stub, sizeof stub);
    match_init_catchall(&match);
    match_set_ct_state_masked(
        &match, CS_TRACKED | (reply ? CS_REPLY_DIR : 0),
        CS_TRACKED | CS_REPLY_DIR | CS_INVALID);
    act_resubmit(&ofpacts, rules);
    act_goto(&ofpacts, way->verdict);
    put_flow(sg, way->ct, PRIO_RULE, &match, &ofpacts);
}

/* What is allowed goes on; a new connection ('dl_type' nonzero, which action
 * "ct" demands) is remembered. */
static void
verdict_flow(struct sg *sg, const struct way *way, uint16_t dl_type)
{
    uint64_t stub[256 / 8];
    struct ofpbuf ofpacts;
    struct match match;

    ofpbuf_use_stub(&ofpacts, stub, sizeof stub);
    match_init_catchall(&match);
    match_set_reg(&match, MFF_ALLOWED - MFF_REG0, 1);
    if (dl_type) {
        match_set_dl_type(&match, htons(dl_type));
        match_set_ct_state_masked(&match, CS_TRACKED | CS_NEW,
                                  CS_TRACKED | CS_NEW);
        act_ct_commit(&ofpacts, MFF_ZONE);
    }
    act_goto(&ofpacts, way->next);
    put_flow(sg, way->verdict, dl_type ? PRIO_SPECIAL : PRIO_RULE, &match,
             &ofpacts);
}

static void
way_flows(struct sg *sg, enum sg_direction direction)
{
    const struct way *way = &ways[direction];
    struct match match;

    pass_by_flows(sg, way);

    match_init_catchall(&match);
    match_set_ct_state_masked(&match, CS_TRACKED | CS_INVALID,
                              CS_TRACKED | CS_INVALID);
    drop_flow(sg, way->ct, PRIO_SPECIAL, &match, OF_DROP_CT_INVALID);
    rules_flow(sg, way, false, way->rules);
    rules_flow(sg, way, true, ways[!direction].rules);

    verdict_flow(sg, way, ETH_TYPE_IP);
    verdict_flow(sg, way, ETH_TYPE_IPV6);
    verdict_flow(sg, way, 0);
    match_init_catchall(&match);
    drop_flow(sg, way->verdict, PRIO_REST, &match, OF_DROP_SECURITY_GROUP);
}

/* Sets. */

/* Returns the number of a set's conjunction.  0: there is none left. */
static uint32_t
conjunction_id(struct sg *sg, const struct sg_set *set)
{
    char *name = sg_set_name(set);
    uint32_t id = output_id(sg->out, ID_CONJUNCTION, name);

    free(name);
    if (!id) {
        free(*sg->errorp);
        *sg->errorp = xstrdup("no number is left for another set of rules of "
                              "security groups");
    }
    return id;
}

/* One clause of a set. */
struct part {
    struct sg *sg;
    const struct sg_set *set;
    uint32_t id;                /* conjunction_id(). */
    enum clause clause;
};

static void
put_part(const struct match *match, void *part_)
{
    const struct part *part = part_;
    uint64_t stub[64 / 8];
    struct ofpbuf ofpacts;

    ofpbuf_use_stub(&ofpacts, stub, sizeof stub);
    act_conjunction(&ofpacts, part->id, part->clause,
                    part->set->remote == SG_ANYWHERE ? 2 : 3);
    output_flow_part(part->sg->out, ways[part->set->direction].rules,
                     PRIO_RULE, match, &ofpacts);
    ofpbuf_uninit(&ofpacts);
}

/* What a group outputs for one of its sets. */
static bool
set_flows(struct sg *sg, const struct sg_set *set)
{
    struct part part = { sg, set, conjunction_id(sg, set), CLAUSE_PROTOCOL };
    uint64_t stub[64 / 8];
    struct ofpbuf ofpacts;
    struct match match;

    if (!part.id) {
        return false;
    }
    for (size_t i = 0; i < set->n; i++) {
        sg_rule_matches(set->rules[i], put_part, &part);
    }
    if (set->remote == SG_PREFIX) {
        const struct goal_prefix *prefix = &set->rules[0]->remote_prefix;

        sg_match_family(&match, set->v6);
        sg_match_remote(&match, set->direction, &prefix->addr, prefix->plen);
        part.clause = CLAUSE_REMOTE;
        put_part(&match, &part);
    }

    ofpbuf_use_stub(&ofpacts, stub, sizeof stub);
    match_init_catchall(&match);
    match_set_conj_id(&match, part.id);
    act_set_u32(&ofpacts, MFF_ALLOWED, 1);
    put_flow(sg, ways[set->direction].rules, PRIO_RULE, &match, &ofpacts);
    return true;
}

static enum plugin_result
translate_group(struct sg *sg, const struct goal_security_group *group)
{
    struct sg_sets sets;
    bool ok = true;

    sg_sets_init(&sets, group);
    for (size_t i = 0; i < sets.n && ok; i++) {
        ok = set_flows(sg, &sets.sets[i]);
    }
    sg_sets_uninit(&sets);
    return ok ? PLUGIN_DONE : PLUGIN_FAIL;
}

/* Members of remote groups. */

/* A port or neighbour as a member. */
struct member {
    struct sg *sg;
    uint32_t vpc;               /* Hash of its VPC's id. */
    const char *group;          /* Its group that is being looked at. */
    const struct goal_prefix *addresses;
    size_t n;
};

static uint32_t
vpc_hash(const char *vpc_id)
{
    return hash_string(vpc_id, 0);
}

static void
member_flows(const struct member *member, const struct sg_set *set)
{
    struct part part = {
        member->sg, set, conjunction_id(member->sg, set), CLAUSE_REMOTE,
    };

    for (size_t i = 0; i < member->n && part.id; i++) {
        const struct goal_prefix *p = &member->addresses[i];
        struct match match;

        if (IN6_IS_ADDR_V4MAPPED(&p->addr) == set->v6) {
            continue;
        }
        sg_match_family(&match, set->v6);
        match_set_reg(&match, MFF_VPC - MFF_REG0, member->vpc);
        sg_match_remote(&match, set->direction, &p->addr, p->plen);
        put_part(&match, &part);
    }
}

/* 'r' is a group that names the member's. */
static void
add_member(const struct goal_resource *r, void *member_)
{
    struct member *member = member_;
    struct sg_sets sets;

    sg_sets_init(&sets, GOAL_SECURITY_GROUP_CAST(r));
    for (size_t i = 0; i < sets.n; i++) {
        const struct sg_set *set = &sets.sets[i];

        if (set->remote == SG_GROUP
            && !strcmp(set->rules[0]->remote_group_id, member->group)) {
            member_flows(member, set);
        }
    }
    sg_sets_uninit(&sets);
}

/* Addresses of a port or neighbour. */
struct addresses {
    struct goal_prefix *prefixes;
    size_t n;
};

static void
add_address(struct addresses *a, const struct in6_addr *ip)
{
    a->prefixes[a->n++] = (struct goal_prefix) {
        .addr = *ip, .plen = IN6_IS_ADDR_V4MAPPED(ip) ? 32 : 128, .given = 1,
    };
}

/* What those with 'addresses' in the VPC output as members of 'groups'.
 * Empties 'a'. */
static enum plugin_result
translate_member(struct sg *sg, const char *vpc_id,
                 const struct goal_strings *groups, struct addresses *a)
{
    struct member member = {
        .sg = sg, .vpc = vpc_hash(vpc_id), .addresses = a->prefixes,
        .n = a->n,
    };

    for (size_t i = 0; i < groups->n; i++) {
        member.group = groups->names[i];
        goal_view_index(sg->view, GOAL_BY_REMOTE_GROUP, member.group, NULL,
                        add_member, &member);
    }
    free(a->prefixes);
    return *sg->errorp ? PLUGIN_FAIL : PLUGIN_DONE;
}

static enum plugin_result
translate_neighbor(struct sg *sg, const struct goal_neighbor *neighbor)
{
    struct addresses a = { NULL, 0 };

    if (!neighbor->security_groups.n) {
        return PLUGIN_DONE;
    }
    a.prefixes = xmalloc((neighbor->n_fixed_ips + neighbor->n_allowed)
                         * sizeof *a.prefixes);
    for (size_t i = 0; i < neighbor->n_fixed_ips; i++) {
        add_address(&a, &neighbor->fixed_ips[i].ip);
    }
    for (size_t i = 0; i < neighbor->n_allowed; i++) {
        a.prefixes[a.n++] = neighbor->allowed[i].ip;
    }
    return translate_member(sg, neighbor->vpc_id, &neighbor->security_groups,
                            &a);
}

/* Local ports. */

/* IP packets of 'ofport' go through its zone; in 'direction'. */
static void
zone_flow(struct sg *sg, enum sg_direction direction, struct match *match,
          uint32_t zone, const char *vpc_id)
{
    static const uint16_t types[] = { ETH_TYPE_IP, ETH_TYPE_IPV6 };
    const struct way *way = &ways[direction];

    drop_flow(sg, way->entry, PRIO_REST, match, OF_DROP_SECURITY_GROUP);
    for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
        uint64_t stub[512 / 8];
        struct ofpbuf ofpacts;

        ofpbuf_use_stub(&ofpacts, stub, sizeof stub);
        match_set_dl_type(match, htons(types[i]));
        act_set_u32(&ofpacts, MFF_ZONE, zone);
        act_set_u32(&ofpacts, MFF_VPC, vpc_hash(vpc_id));
        act_set_u32(&ofpacts, MFF_ALLOWED, 0);
        act_ct(&ofpacts, MFF_ZONE, way->ct);
        put_flow(sg, way->entry, PRIO_RULE, match, &ofpacts);
    }
}

/* The port with 'zone' has all groups that it is said to have. */
static bool
port_clauses(struct sg *sg, const struct goal_security_group *group,
             uint32_t zone)
{
    struct sg_sets sets;
    bool ok = true;

    sg_sets_init(&sets, group);
    for (size_t i = 0; i < sets.n && ok; i++) {
        struct part part = {
            sg, &sets.sets[i], conjunction_id(sg, &sets.sets[i]),
            CLAUSE_PORT,
        };
        struct match match;

        ok = part.id != 0;
        if (ok) {
            match_init_catchall(&match);
            match_set_reg(&match, MFF_ZONE - MFF_REG0, zone);
            put_part(&match, &part);
        }
    }
    sg_sets_uninit(&sets);
    return ok;
}

static enum plugin_result
bound_port_flows(struct sg *sg, const struct goal_port *port, uint32_t ofport)
{
    char *name = xasprintf("port %s", port->up.id);
    uint32_t zone = output_id(sg->out, ID_CT_ZONE, name);
    struct match match;

    free(name);
    if (!zone) {
        *sg->errorp = xstrdup("no conntrack zone is left for the port");
        return PLUGIN_FAIL;
    }

    dhcp_flows(sg);
    way_flows(sg, SG_EGRESS);
    way_flows(sg, SG_INGRESS);
    match_init_catchall(&match);
    match_set_in_port(&match, u16_to_ofp(ofport));
    zone_flow(sg, SG_EGRESS, &match, zone, port->vpc_id);
    match_init_catchall(&match);
    match_set_reg(&match, MFF_ALCOR_OUT - MFF_REG0, ofport);
    zone_flow(sg, SG_INGRESS, &match, zone, port->vpc_id);

    for (size_t i = 0; i < port->security_groups.n; i++) {
        const struct goal_resource *r = goal_view_get(
            sg->view, GOAL_SECURITY_GROUP, port->security_groups.names[i]);

        if (r && !port_clauses(sg, GOAL_SECURITY_GROUP_CAST(r), zone)) {
            return PLUGIN_FAIL;
        }
    }
    return PLUGIN_DONE;
}

static enum plugin_result
translate_port(struct sg *sg, const struct goal_port *port)
{
    const struct vol_binding *binding = goal_view_volatile(
        sg->view, VOL_BINDING, port->up.id);
    struct addresses a = { NULL, 0 };

    if (!port->security_groups.n) {
        return PLUGIN_DONE;
    }
    if (binding) {
        enum plugin_result result = bound_port_flows(sg, port,
                                                     binding->ofport);
        if (result != PLUGIN_DONE) {
            return result;
        }
    }

    a.prefixes = xmalloc((port->n_fixed_ips + port->n_allowed + 1)
                         * sizeof *a.prefixes);
    for (size_t i = 0; i < port->n_fixed_ips; i++) {
        add_address(&a, &port->fixed_ips[i].ip);
    }
    for (size_t i = 0; i < port->n_allowed; i++) {
        a.prefixes[a.n++] = port->allowed[i].ip;
    }
    return translate_member(sg, port->vpc_id, &port->security_groups, &a);
}

static enum plugin_result
security_group_translate(struct plugin *plugin OVS_UNUSED,
                         struct goal_view *view,
                         const struct goal_resource *r,
                         struct plugin_output *out, char **errorp)
{
    struct sg sg = { view, out, errorp };

    return (r->kind == GOAL_PORT ? translate_port(&sg, GOAL_PORT_CAST(r))
            : r->kind == GOAL_NEIGHBOR
            ? translate_neighbor(&sg, GOAL_NEIGHBOR_CAST(r))
            : translate_group(&sg, GOAL_SECURITY_GROUP_CAST(r)));
}

const struct plugin_class security_group_plugin_class = {
    .abi = PLUGIN_ABI,
    .size = sizeof(struct plugin_class),
    .name = "security-group",
    .number = 7,
    .inputs = (1u << GOAL_PORT | 1u << GOAL_NEIGHBOR
               | 1u << GOAL_SECURITY_GROUP),
    .stages = (UINT64_C(1) << OFS_EGRESS | UINT64_C(1) << OFS_EGRESS_CT
               | UINT64_C(1) << OFS_EGRESS_RULES
               | UINT64_C(1) << OFS_EGRESS_VERDICT
               | UINT64_C(1) << OFS_INGRESS | UINT64_C(1) << OFS_INGRESS_CT
               | UINT64_C(1) << OFS_INGRESS_RULES
               | UINT64_C(1) << OFS_INGRESS_VERDICT),
    .summary = "what the rules of security groups allow",
    .translate = security_group_translate,
};
