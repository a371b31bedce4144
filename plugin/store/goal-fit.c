/* SPDX-License-Identifier: Apache-2.0
 *
 * goal-fit: whether a resource fits its parents. */

#include <config.h>

#include "store/goal-fit.h"

#include <inttypes.h>
#include "util.h"

#define MAX_VNI 0xffffff

uint32_t
goal_effective_vni(const struct goal_vpc *vpc,
                   const struct goal_subnet *subnet)
{
    uint64_t vni = vpc->tunnel_id ? vpc->tunnel_id : subnet->tunnel_id;

    return vni <= MAX_VNI ? vni : 0;
}

struct goal_prefix
goal_prefix_single(const struct in6_addr *ip)
{
    return (struct goal_prefix) {
        .addr = *ip,
        .plen = IN6_IS_ADDR_V4MAPPED(ip) ? 32 : 128,
        .given = 1,
    };
}

struct goal_prefix
goal_prefix_family(bool ipv4)
{
    return (struct goal_prefix) {
        .addr = ipv4 ? in6_addr_mapped_ipv4(0) : in6addr_any,
        .given = 1,
    };
}

/* True if 'ip' is of the family of 'prefix' and within it. */
bool
goal_prefix_has(const struct goal_prefix *prefix, const struct in6_addr *ip)
{
    bool v4 = IN6_IS_ADDR_V4MAPPED(&prefix->addr);

    if (v4 != IN6_IS_ADDR_V4MAPPED(ip)) {
        return false;
    }

    struct in6_addr mask = ipv6_create_mask(prefix->plen + (v4 ? 96 : 0));
    struct in6_addr masked = ipv6_addr_bitand(ip, &mask);
    struct in6_addr network = ipv6_addr_bitand(&prefix->addr, &mask);
    return ipv6_addr_equals(&masked, &network);
}

static char *
outside(const char *field, const struct in6_addr *ip, const char *what,
        const struct goal_prefix *prefix)
{
    char s[INET6_ADDRSTRLEN], p[INET6_ADDRSTRLEN];

    ipv6_string_mapped(s, ip);
    ipv6_string_mapped(p, &prefix->addr);
    return xasprintf("%s: %s is outside of %s, %s/%"PRIu32, field, s, what, p,
                     prefix->plen);
}

char *
goal_fit_subnet(const struct goal_vpc *vpc, const struct goal_subnet *subnet)
{
    const struct goal_prefix *outer = &vpc->cidr;
    const struct goal_prefix *inner = &subnet->cidr;

    if (!goal_effective_vni(vpc, subnet)) {
        return xasprintf("tunnel_id: the effective VNI is %"PRIu64", expected "
                         "1 to %d in the VPC's tunnel_id or the subnet's",
                         vpc->tunnel_id ? vpc->tunnel_id : subnet->tunnel_id,
                         MAX_VNI);
    }
    if (outer->given
        && (IN6_IS_ADDR_V4MAPPED(&outer->addr)
            == IN6_IS_ADDR_V4MAPPED(&inner->addr))
        && (inner->plen < outer->plen
            || !goal_prefix_has(outer, &inner->addr))) {
        return outside("cidr", &inner->addr, "its VPC's", outer);
    }
    return NULL;
}

char *
goal_fit_address(const struct goal_subnet *subnet, const struct in6_addr *ip)
{
    return (goal_prefix_has(&subnet->cidr, ip) ? NULL
            : outside("fixed_ips.ip_address", ip, "its subnet's cidr",
                      &subnet->cidr));
}

/* Checks 'ip', if it is set and of the family of the subnet. */
static char *
fit_lease(const struct goal_subnet *subnet, const char *field,
          const struct in6_addr *ip)
{
    return (!ipv6_addr_is_set(ip)
            || (IN6_IS_ADDR_V4MAPPED(ip)
                != IN6_IS_ADDR_V4MAPPED(&subnet->cidr.addr))
            || goal_prefix_has(&subnet->cidr, ip) ? NULL
            : outside(field, ip, "its subnet's cidr", &subnet->cidr));
}

char *
goal_fit_dhcp(const struct goal_subnet *subnet, const struct goal_dhcp *dhcp)
{
    char *error = fit_lease(subnet, "ipv4_address", &dhcp->ipv4);

    return error ? error : fit_lease(subnet, "ipv6_address", &dhcp->ipv6);
}

bool
goal_prefix_covers(const struct goal_prefix *outer,
                   const struct goal_prefix *inner)
{
    return outer->given && inner->given && outer->plen <= inner->plen
           && goal_prefix_has(outer, &inner->addr);
}
