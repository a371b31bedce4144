/* SPDX-License-Identifier: Apache-2.0
 *
 * security-rules: the rules of security groups as sets and matches. */

#include <config.h>

#include "translate/security-rules.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "byte-order.h"
#include "flow.h"
#include "openvswitch/match.h"
#include "packets.h"
#include "util.h"

/* Alcor's Protocol; ingest/ has no other values. */
enum {
    PROTO_TCP,
    PROTO_UDP,
    PROTO_ICMP,
    PROTO_HTTP,
    PROTO_ARP,
    PROTO_ANY = 255,
};

/* Sets. */

static enum sg_remote
remote_of(const struct goal_sg_rule *rule)
{
    return (rule->remote_group_id[0] ? SG_GROUP
            : rule->remote_prefix.given && rule->remote_prefix.plen
            ? SG_PREFIX : SG_ANYWHERE);
}

/* The prefix of 'rule' without the bits beyond its length. */
static struct in6_addr
network_of(const struct goal_sg_rule *rule)
{
    const struct goal_prefix *prefix = &rule->remote_prefix;
    bool v4 = IN6_IS_ADDR_V4MAPPED(&prefix->addr);
    struct in6_addr mask = ipv6_create_mask(prefix->plen + (v4 ? 96 : 0));

    return ipv6_addr_bitand(&prefix->addr, &mask);
}

/* Compares what the rules of a set have in common. */
static int
compare_sets(const struct goal_sg_rule *a, const struct goal_sg_rule *b)
{
    enum sg_remote remote = remote_of(a);

    if (a->direction != b->direction) {
        return a->direction < b->direction ? -1 : 1;
    } else if (a->ethertype != b->ethertype) {
        return a->ethertype < b->ethertype ? -1 : 1;
    } else if (remote != remote_of(b)) {
        return remote < remote_of(b) ? -1 : 1;
    } else if (remote == SG_GROUP) {
        return strcmp(a->remote_group_id, b->remote_group_id);
    } else if (remote == SG_PREFIX) {
        struct in6_addr na = network_of(a), nb = network_of(b);
        int cmp = memcmp(&na, &nb, sizeof na);

        return (cmp ? cmp
                : a->remote_prefix.plen < b->remote_prefix.plen ? -1
                : a->remote_prefix.plen > b->remote_prefix.plen);
    }
    return 0;
}

static int
compare_rules(const void *a_, const void *b_)
{
    const struct goal_sg_rule *const *a = a_;
    const struct goal_sg_rule *const *b = b_;

    return compare_sets(*a, *b);
}

void
sg_sets_init(struct sg_sets *sets, const struct goal_security_group *group)
{
    size_t n = 0;

    sets->rules = xmalloc(MAX(group->n_rules, 1) * sizeof *sets->rules);
    sets->sets = xmalloc(MAX(group->n_rules, 1) * sizeof *sets->sets);
    sets->n = 0;
    for (size_t i = 0; i < group->n_rules; i++) {
        if (group->rules[i].protocol != PROTO_ARP) {
            sets->rules[n++] = &group->rules[i];
        }
    }
    qsort(sets->rules, n, sizeof *sets->rules, compare_rules);
    for (size_t i = 0; i < n; i++) {
        const struct goal_sg_rule *rule = sets->rules[i];

        if (i && !compare_sets(sets->rules[i - 1], rule)) {
            sets->sets[sets->n - 1].n++;
            continue;
        }
        sets->sets[sets->n++] = (struct sg_set) {
            .group = group, .rules = &sets->rules[i], .n = 1,
            .direction = rule->direction ? SG_INGRESS : SG_EGRESS,
            .v6 = rule->ethertype != 0, .remote = remote_of(rule),
        };
    }
}

void
sg_sets_uninit(struct sg_sets *sets)
{
    free(sets->rules);
    free(sets->sets);
}

char *
sg_set_name(const struct sg_set *set)
{
    const struct goal_sg_rule *rule = set->rules[0];
    char *group = xasprintf("%s IPv%d of group %"PRIuSIZE":%s",
                            set->direction == SG_EGRESS ? "egress"
                            : "ingress", set->v6 ? 6 : 4,
                            strlen(set->group->up.id), set->group->up.id);
    char *name;

    if (set->remote == SG_GROUP) {
        name = xasprintf("%s, group %s", group, rule->remote_group_id);
    } else if (set->remote == SG_PREFIX) {
        char ip[INET6_ADDRSTRLEN];
        struct in6_addr network = network_of(rule);

        ipv6_string_mapped(ip, &network);
        name = xasprintf("%s, %s/%"PRIu32, group, ip,
                         rule->remote_prefix.plen);
    } else {
        return group;
    }
    free(group);
    return name;
}

/* Matches. */

void
sg_match_family(struct match *match, bool v6)
{
    match_init_catchall(match);
    match_set_dl_type(match, htons(v6 ? ETH_TYPE_IPV6 : ETH_TYPE_IP));
    match_set_ct_state_masked(match, CS_TRACKED, CS_TRACKED | CS_INVALID);
}

void
sg_match_remote(struct match *match, enum sg_direction direction,
                const struct in6_addr *ip, uint32_t plen)
{
    bool src = direction == SG_INGRESS;

    if (IN6_IS_ADDR_V4MAPPED(ip)) {
        ovs_be32 ip4 = in6_addr_get_mapped_ipv4(ip);
        ovs_be32 mask = be32_prefix_mask(plen);

        if (src) {
            match_set_ct_nw_src_masked(match, ip4, mask);
        } else {
            match_set_ct_nw_dst_masked(match, ip4, mask);
        }
    } else {
        struct in6_addr mask = ipv6_create_mask(plen);

        if (src) {
            match_set_ct_ipv6_src_masked(match, ip, &mask);
        } else {
            match_set_ct_ipv6_dst_masked(match, ip, &mask);
        }
    }
}

/* A later fragment of a datagram shows no ports where the datapath does not
 * reassemble (userspace), only what it shares with the first one, to which the
 * rule is applied: without that, the others are of no use to anybody. */
static void
match_later_fragments(const struct match *base,
                      void (*cb)(const struct match *, void *aux), void *aux)
{
    struct match match = *base;

    match_set_nw_frag(&match, FLOW_NW_FRAG_ANY | FLOW_NW_FRAG_LATER);
    cb(&match, aux);
}

/* Ports 'min'...'max' as masks: from each start, the largest block that is
 * aligned and does not reach beyond the end. */
static void
match_ports(const struct match *base, uint32_t min, uint32_t max,
            void (*cb)(const struct match *, void *aux), void *aux)
{
    while (min <= max) {
        uint32_t size = min ? min & -min : 0x10000;
        struct match match = *base;

        while (min + size - 1 > max) {
            size >>= 1;
        }
        match_set_ct_tp_dst_masked(&match, htons(min), htons(~(size - 1)));
        cb(&match, aux);
        min += size;
    }
    match_later_fragments(base, cb, aux);
}

bool
sg_rule_is_ipv4(const struct goal_sg_rule *rule)
{
    return !rule->ethertype && rule->protocol != PROTO_ARP;
}

uint8_t
sg_rule_ip_protocol(const struct goal_sg_rule *rule)
{
    return (rule->protocol == PROTO_ANY ? 0
            : rule->protocol == PROTO_UDP ? IPPROTO_UDP
            : rule->protocol != PROTO_ICMP ? IPPROTO_TCP
            : sg_rule_is_ipv4(rule) ? IPPROTO_ICMP : IPPROTO_ICMPV6);
}

void
sg_rule_matches(const struct goal_sg_rule *rule,
                void (*cb)(const struct match *, void *aux), void *aux)
{
    uint32_t min = rule->port_range_min, max = rule->port_range_max;
    bool v6 = rule->ethertype != 0;
    struct match match;

    sg_match_family(&match, v6);
    if (rule->protocol == PROTO_ANY) {
        cb(&match, aux);
        return;
    }
    match_set_ct_nw_proto(&match, sg_rule_ip_protocol(rule));
    if (!min && !max) {
        cb(&match, aux);
    } else if (rule->protocol == PROTO_ICMP) {
        match_later_fragments(&match, cb, aux);
        match_set_ct_tp_src(&match, htons(min));
        match_set_ct_tp_dst(&match, htons(max));
        cb(&match, aux);
    } else {
        match_ports(&match, min, max, cb, aux);
    }
}
