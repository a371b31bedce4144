/* SPDX-License-Identifier: Apache-2.0
 *
 * goal-fit: whether a resource fits its parents. */

#ifndef STORE_GOAL_FIT_H
#define STORE_GOAL_FIT_H 1

/* What can only be checked against another resource (wire-protocol.md, section
 * 4): addresses lie in their subnets, subnets in their VPCs' CIDRs, and the
 * effective VNI is valid.  It is checked twice: before a resource is stored,
 * as far as its parents are known by then, so that a bad one leaves alone what
 * is there; and by translation, since parents come late and change.
 *
 * The functions return NULL or a malloc()'d message "FIELD: WHAT".
 *
 * Thread-safety: no state. */

#include "store/goal-types.h"

/* Effective VNI of 'subnet' in 'vpc', 0 if it has none that is valid. */
uint32_t goal_effective_vni(const struct goal_vpc *,
                            const struct goal_subnet *);

char *goal_fit_subnet(const struct goal_vpc *, const struct goal_subnet *)
    OVS_WARN_UNUSED_RESULT;
char *goal_fit_address(const struct goal_subnet *, const struct in6_addr *)
    OVS_WARN_UNUSED_RESULT;

/* Addresses of the other family may be for another subnet of the port. */
char *goal_fit_dhcp(const struct goal_subnet *, const struct goal_dhcp *)
    OVS_WARN_UNUSED_RESULT;

/* The prefix of this one address; that of all addresses of a family. */
struct goal_prefix goal_prefix_single(const struct in6_addr *);
struct goal_prefix goal_prefix_family(bool ipv4);

/* True if 'ip' is in 'prefix'. */
bool goal_prefix_has(const struct goal_prefix *, const struct in6_addr *ip);

/* True if all of 'inner', which may be not given, is in 'outer'. */
bool goal_prefix_covers(const struct goal_prefix *outer,
                        const struct goal_prefix *inner);

#endif /* store/goal-fit.h */
