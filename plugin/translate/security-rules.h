/* SPDX-License-Identifier: Apache-2.0
 *
 * security-rules: the rules of security groups as sets and matches. */

#ifndef TRANSLATE_SECURITY_RULES_H
#define TRANSLATE_SECURITY_RULES_H 1

/* Security rules
 * ==============
 *
 * What?
 * -----
 *
 * What plugin "security-group" needs to know of rules, without what it makes
 * of them: which rules belong together, and what they match.
 *
 * A "rule set" is the rules of one group that have direction, Ethernet type
 * and remote (anywhere, a prefix, or a group) in common.  A connection is
 * allowed by a set if its remote end is the set's remote and one of the rules
 * has its protocol and ports: so ports, remotes and rules add up in flows and
 * are not multiplied.
 *
 * Matches are on the original tuple of the connection (ct_nw_src, ct_tp_dst
 * and so on): what the packet that opened it looked like.  The packet at hand
 * may be a reply, or an ICMP error that concerns the connection.
 *
 * ARP is not filtered by groups, and rules for it say nothing.
 *
 * Ownership: sets point into the group.  Thread-safety: no state. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "openvswitch/meta-flow.h"
#include "store/goal-types.h"

struct match;

/* In EGRESS and INGRESS, of a port with groups. */
#define MFF_ZONE MFF_REG0       /* The port's conntrack zone. */
#define MFF_VPC MFF_REG1        /* Hash of its VPC's id. */
#define MFF_ALLOWED MFF_REG2    /* 1: some rule allows it. */

enum sg_direction {             /* As in struct goal_sg_rule. */
    SG_EGRESS,
    SG_INGRESS,
};

enum sg_remote {
    SG_ANYWHERE,
    SG_PREFIX,
    SG_GROUP,
};

struct sg_set {
    const struct goal_security_group *group;
    const struct goal_sg_rule *const *rules; /* Not empty. */
    size_t n;
    enum sg_direction direction;
    bool v6;
    enum sg_remote remote;      /* Which one: see rules[0]. */
};

/* The sets of a group, in an order that does not depend on that of rules. */
struct sg_sets {
    const struct goal_sg_rule **rules;
    struct sg_set *sets;
    size_t n;
};
void sg_sets_init(struct sg_sets *, const struct goal_security_group *);
void sg_sets_uninit(struct sg_sets *);

/* A name that no other set has, to be freed. */
char *sg_set_name(const struct sg_set *);

/* Sets 'match' to tracked packets of the set's family. */
void sg_match_family(struct match *, bool v6);

/* Adds to 'match' that the remote end of a connection in 'direction' is in the
 * network of 'ip' with the given length ('ip' IPv4-mapped: of IPv4). */
void sg_match_remote(struct match *, enum sg_direction,
                     const struct in6_addr *ip, uint32_t plen);

/* IP protocol that 'rule' is for; 0: any.  True if it is for IPv4. */
uint8_t sg_rule_ip_protocol(const struct goal_sg_rule *);
bool sg_rule_is_ipv4(const struct goal_sg_rule *);

/* Calls 'cb' with matches that together are what 'rule' says of protocol and
 * ports. */
void sg_rule_matches(const struct goal_sg_rule *,
                     void (*cb)(const struct match *, void *aux), void *aux);

#endif /* translate/security-rules.h */
