/* SPDX-License-Identifier: Apache-2.0
 *
 * egress-policy: would a port's security groups let a flow go out? */

#include <config.h>

#include "translate/egress-policy.h"

#include <netinet/in.h>
#include <string.h>
#include "packets.h"
#include "store/goal-fit.h"
#include "translate/plugin-provider.h"
#include "translate/security-rules.h"
#include "util.h"

/* A flow and whose it is, while rules are looked at. */
struct question {
    struct goal_view *view;
    const struct goal_port *port;
    const struct egress_flow *flow;
    struct in6_addr remote;     /* Its destination. */
};

/* Members of groups. */

struct membership {
    const char *group;
    const struct in6_addr *ip;
    struct goal_view *view;
    bool found;
};

static bool
has_name(const struct goal_strings *strings, const char *name)
{
    for (size_t i = 0; i < strings->n; i++) {
        if (!strcmp(strings->names[i], name)) {
            return true;
        }
    }
    return false;
}

/* 'r' has the address. */
static void
check_member(const struct goal_resource *r, void *m_)
{
    struct membership *m = m_;

    m->found |= has_name((r->kind == GOAL_PORT
                          ? &GOAL_PORT_CAST(r)->security_groups
                          : &GOAL_NEIGHBOR_CAST(r)->security_groups),
                         m->group);
}

/* 'r' is a subnet of the VPC. */
static void
check_subnet(const struct goal_resource *r, void *m_)
{
    struct membership *m = m_;

    if (goal_prefix_has(&GOAL_SUBNET_CAST(r)->cidr, m->ip)) {
        goal_view_index(m->view, GOAL_BY_ADDRESS, r->id, m->ip, check_member,
                        m);
    }
}

static bool
is_member(const struct question *q, const char *group)
{
    struct membership m = { group, &q->remote, q->view, false };

    goal_view_index(q->view, GOAL_SUBNETS_OF_VPC, q->port->vpc_id, NULL,
                    check_subnet, &m);
    return m.found;
}

/* Rules. */

/* True if 'rule' is for the flow's protocol, and for 'port', on the side that
 * the connection was opened to. */
static bool
rule_has_protocol(const struct goal_sg_rule *rule, uint8_t protocol,
                  uint16_t port)
{
    uint8_t rule_protocol = sg_rule_ip_protocol(rule);

    return (!rule_protocol
            || (rule_protocol == protocol
                && (protocol == IPPROTO_ICMP
                    || (!rule->port_range_min && !rule->port_range_max)
                    || (port >= rule->port_range_min
                        && port <= rule->port_range_max))));
}

static bool
rule_has_remote(const struct question *q, const struct goal_sg_rule *rule)
{
    if (rule->remote_group_id[0]) {
        return is_member(q, rule->remote_group_id);
    }
    return (!rule->remote_prefix.given
            || goal_prefix_has(&rule->remote_prefix, &q->remote));
}

static bool
group_allows(const struct question *q,
             const struct goal_security_group *group)
{
    for (size_t i = 0; i < group->n_rules; i++) {
        const struct goal_sg_rule *rule = &group->rules[i];
        ovs_be16 port = (rule->direction == SG_EGRESS ? q->flow->dport
                         : q->flow->sport);

        if (sg_rule_is_ipv4(rule)
            && rule_has_protocol(rule, q->flow->protocol, ntohs(port))
            && rule_has_remote(q, rule)) {
            return true;
        }
    }
    return false;
}

bool
egress_policy_allows(struct goal_view *view, const struct goal_port *port,
                     const struct egress_flow *flow)
{
    struct question q = { view, port, flow, in6addr_any };

    if (!port->security_groups.n) {
        return true;
    }
    in6_addr_set_mapped_ipv4(&q.remote, flow->dst);
    for (size_t i = 0; i < port->security_groups.n; i++) {
        const struct goal_resource *r = goal_view_get(
            view, GOAL_SECURITY_GROUP, port->security_groups.names[i]);

        if (r && group_allows(&q, GOAL_SECURITY_GROUP_CAST(r))) {
            return true;
        }
    }
    return false;
}
