/* SPDX-License-Identifier: Apache-2.0
 *
 * goal-check: the rules that involve more than one member of a resource. */

#include <config.h>

#include "ingest/goal-decode.h"

#include <inttypes.h>
#include <stdlib.h>

#include "ingest/proto-field.h"
#include "openvswitch/dynamic-string.h"
#include "proto/gateway.pb-c.h"
#include "proto/securitygroup.pb-c.h"
#include "util.h"

static char *
check_subnet(const struct goal_subnet *subnet)
{
    const struct goal_prefix *cidr = &subnet->cidr;
    bool v4 = IN6_IS_ADDR_V4MAPPED(&cidr->addr);
    struct in6_addr mask = ipv6_create_mask(cidr->plen + (v4 ? 96 : 0));
    struct in6_addr network = ipv6_addr_bitand(&subnet->gateway_ip, &mask);

    for (size_t i = 0; i < subnet->n_dhcp_options; i++) {
        if (!subnet->dhcp_options[i].name[0]) {
            return xasprintf("extra_dhcp_options[%"PRIuSIZE"].name: "
                             "not given, expected a string", i);
        }
    }

    if (ipv6_addr_is_set(&subnet->gateway_ip) && cidr->given
        && (v4 != IN6_IS_ADDR_V4MAPPED(&subnet->gateway_ip)
            || !ipv6_addr_equals(&network, &cidr->addr))) {
        struct ds ds = DS_EMPTY_INITIALIZER;

        ds_put_cstr(&ds, "gateway.ip_address: ");
        ipv6_format_mapped(&subnet->gateway_ip, &ds);
        ds_put_cstr(&ds, " is not in ");
        ipv6_format_mapped(&cidr->addr, &ds);
        ds_put_format(&ds, "/%"PRIu32, cidr->plen);
        return ds_steal_cstr(&ds);
    }
    return NULL;
}

static char *
check_rule(const struct goal_sg_rule *rule)
{
    bool v4 = IN6_IS_ADDR_V4MAPPED(&rule->remote_prefix.addr);
    uint32_t min = rule->port_range_min;
    uint32_t max = rule->port_range_max;

    if (rule->protocol == ALCOR__SCHEMA__PROTOCOL__ICMP) {
        if (min > UINT8_MAX) {
            return xasprintf("port_range_min: %"PRIu32" is not an ICMP type, "
                             "expected at most 255", min);
        } else if (max > UINT8_MAX) {
            return xasprintf("port_range_max: %"PRIu32" is not an ICMP code, "
                             "expected at most 255", max);
        }
    } else if (min > max) {
        return xasprintf("port_range_min: %"PRIu32" is above port_range_max, "
                         "%"PRIu32, min, max);
    }

    if (rule->remote_prefix.given
        && v4 != (rule->ethertype == ALCOR__SCHEMA__ETHER_TYPE__IPV4)) {
        return xasprintf("remote_ip_prefix: IPv%d, but ethertype is IPv%d",
                         v4 ? 4 : 6, v4 ? 6 : 4);
    }
    return NULL;
}

static char *
check_security_group(const struct goal_security_group *sg)
{
    for (size_t i = 0; i < sg->n_rules; i++) {
        char *error = check_rule(&sg->rules[i]);

        if (error) {
            char *full = xasprintf("security_group_rules[%"PRIuSIZE"].%s",
                                   i, error);
            free(error);
            return full;
        }
    }
    return NULL;
}

static char *
check_router(const struct goal_router *router)
{
    for (size_t i = 0; i < router->n_tables; i++) {
        const struct goal_route_table *table = &router->tables[i];

        for (size_t j = 0; j < table->n_routes; j++) {
            const struct goal_route *route = &table->routes[j];
            bool v4 = IN6_IS_ADDR_V4MAPPED(&route->next_hop);

            if (route->destination.given
                && ipv6_addr_is_set(&route->next_hop)
                && v4 != IN6_IS_ADDR_V4MAPPED(&route->destination.addr)) {
                return xasprintf("subnet_routing_tables[%"PRIuSIZE"]."
                                 "routing_rules[%"PRIuSIZE"].next_hop_ip: "
                                 "IPv%d, but destination is IPv%d",
                                 i, j, v4 ? 4 : 6, v4 ? 6 : 4);
            }
        }
    }
    return NULL;
}

/* An ARION gateway is identified by its subnet. */
static char *
check_gateway(const struct goal_gateway *gateway)
{
    return (gateway->type == ALCOR__SCHEMA__GATEWAY_TYPE__ARION
            && !gateway->subnet_id[0]
            ? xstrdup("arion_info.subnet_id: not given, expected an id")
            : NULL);
}

char *
goal_resource_check_fit(const struct goal_resource *resource)
{
    switch (resource->kind) {
    case GOAL_SUBNET:
        return check_subnet(GOAL_SUBNET_CAST(resource));
    case GOAL_SECURITY_GROUP:
        return check_security_group(GOAL_SECURITY_GROUP_CAST(resource));
    case GOAL_ROUTER:
        return check_router(GOAL_ROUTER_CAST(resource));
    case GOAL_GATEWAY:
        return check_gateway(GOAL_GATEWAY_CAST(resource));
    case GOAL_VPC:
    case GOAL_PORT:
    case GOAL_NEIGHBOR:
    case GOAL_DHCP:
    case GOAL_N_KINDS:
    default:
        return NULL;
    }
}

/* The elements of lists need no check: each came whole. */
char *
goal_resource_check(const struct goal_resource *resource)
{
    const struct goal_struct *layout = goal_kinds[resource->kind].layout;

    for (size_t i = 0; i < layout->n_fields; i++) {
        const struct goal_field *field = &layout->fields[i];

        if (field->flags & GFF_REQUIRED
            && goal_field_is_default(field, resource)) {
            return proto_field_missing(field);
        }
    }
    return goal_resource_check_fit(resource);
}
