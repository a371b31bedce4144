/* SPDX-License-Identifier: Apache-2.0
 *
 * tenant-mtu: how long packets of tenants may be. */

#ifndef TRANSLATE_TENANT_MTU_H
#define TRANSLATE_TENANT_MTU_H 1

/* The MTU of a network is the underlay's less what the encapsulation takes.
 * The underlay's is taken to be UNDERLAY_MTU.
 *
 * Thread-safety: no state. */

#include <stdint.h>
#include <netinet/in.h>
#include "store/goal-types.h"

#define UNDERLAY_MTU 1500

/* MTU of networks of 'type' on a host with the address 'host_ip'. */
static inline uint32_t
tenant_mtu(uint32_t type, const struct in6_addr *host_ip)
{
    uint32_t ip = IN6_IS_ADDR_V4MAPPED(host_ip) ? 20 : 40;

    return UNDERLAY_MTU - (type == GOAL_NET_VLAN ? 0
                           : type == GOAL_NET_GRE ? 14 + 8 + ip
                           : 14 + 8 + 8 + ip);
}

#endif /* translate/tenant-mtu.h */
