/* SPDX-License-Identifier: Apache-2.0
 *
 * egress-policy: would a port's security groups let a flow go out? */

#ifndef TRANSLATE_EGRESS_POLICY_H
#define TRANSLATE_EGRESS_POLICY_H 1

/* Egress policy
 * =============
 *
 * What?
 * -----
 *
 * Plugin "security-group" has the switch judge every packet.  Of a flow that
 * somebody else tells of there is no packet, and no connection to look up:
 * this is what can be said of it from the rules alone.  It may go out if a
 * rule for egress allows it, or if a rule for ingress allows the connection
 * that it would be the replies of.  So "yes" does not mean that the switch
 * will forward it; "no" means that it will not.
 *
 * Types and codes of ICMP are not known of such a flow: any will do.
 *
 * Thread-safety: no state. */

#include <stdbool.h>
#include <stdint.h>
#include "openvswitch/types.h"

struct goal_port;
struct goal_view;

/* A flow of IPv4 that a local port sends. */
struct egress_flow {
    ovs_be32 dst;
    ovs_be16 sport, dport;      /* 0 if the protocol has none. */
    uint8_t protocol;
};

bool egress_policy_allows(struct goal_view *, const struct goal_port *,
                          const struct egress_flow *);

#endif /* translate/egress-policy.h */
