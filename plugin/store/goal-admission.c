/* SPDX-License-Identifier: Apache-2.0
 *
 * goal-admission: whether a resource may be stored beside what is there. */

#include <config.h>

#include "store/goal-admission.h"

#include <string.h>
#include "store/goal-fit.h"
#include "store/goal-merge.h"
#include "store/goal-store.h"
#include "store/vni-claims.h"
#include "util.h"

void
goal_admission_forget(struct goal_admission *ga)
{
    goal_resource_destroy(ga->subnet);
    ga->subnet = NULL;
}

/* Returns the subnet with the given id, or NULL if it is not known yet. */
static const struct goal_subnet *
find_subnet(struct goal_admission *ga, const char *id)
{
    if (!ga->subnet || strcmp(ga->subnet->id, id)) {
        goal_resource_destroy(ga->subnet);
        ga->subnet = goal_store_get(ga->store, GOAL_SUBNET, id);
    }
    return ga->subnet ? GOAL_SUBNET_CAST(ga->subnet) : NULL;
}

static char *
check_address(struct goal_admission *ga, const char *subnet_id,
              const struct in6_addr *ip)
{
    const struct goal_subnet *subnet = find_subnet(ga, subnet_id);

    return subnet ? goal_fit_address(subnet, ip) : NULL;
}

static char *
check_dhcp(struct goal_admission *ga, const struct goal_dhcp *dhcp)
{
    const struct goal_subnet *subnet = find_subnet(ga, dhcp->subnet_id);

    return subnet ? goal_fit_dhcp(subnet, dhcp) : NULL;
}

static char *
check_in_vpc(struct goal_admission *ga, const struct goal_subnet *subnet)
{
    struct goal_resource *vpc = goal_store_get(ga->store, GOAL_VPC,
                                               subnet->vpc_id);
    char *error = vpc ? goal_fit_subnet(GOAL_VPC_CAST(vpc), subnet) : NULL;

    goal_resource_destroy(vpc);
    return error;
}

/* Checks the resource against those of its parents that are known. */
static char *
check_fit(struct goal_admission *ga, const struct goal_resource *r)
{
    char *error = NULL;

    if (r->kind == GOAL_SUBNET || r->kind == GOAL_VPC) {
        goal_admission_forget(ga);
    }
    if (r->kind == GOAL_SUBNET) {
        error = check_in_vpc(ga, GOAL_SUBNET_CAST(r));
    } else if (r->kind == GOAL_DHCP) {
        error = check_dhcp(ga, GOAL_DHCP_CAST(r));
    } else if (r->kind == GOAL_PORT) {
        const struct goal_port *port = GOAL_PORT_CAST(r);

        for (size_t i = 0; i < port->n_fixed_ips && !error; i++) {
            error = check_address(ga, port->fixed_ips[i].subnet_id,
                                  &port->fixed_ips[i].ip);
        }
    } else if (r->kind == GOAL_NEIGHBOR) {
        const struct goal_neighbor *neighbor = GOAL_NEIGHBOR_CAST(r);

        for (size_t i = 0; i < neighbor->n_fixed_ips && !error; i++) {
            error = check_address(ga, neighbor->fixed_ips[i].subnet_id,
                                  &neighbor->fixed_ips[i].ip);
        }
    }
    return (error ? error
            : vni_claims_check(goal_store_vni_claims(ga->store), r));
}

char *
goal_admission_check(struct goal_admission *ga,
                     const struct goal_resource *resource, bool full)
{
    struct goal_resource *stored, *merged;
    char *error;

    if (full) {
        return check_fit(ga, resource);
    }
    stored = goal_store_get(ga->store, resource->kind, resource->id);
    merged = (stored ? goal_merge(stored, resource)
              : goal_resource_clone(resource));
    error = ga->check(merged);
    if (!error) {
        error = check_fit(ga, merged);
    }
    goal_resource_destroy(merged);
    goal_resource_destroy(stored);
    return error;
}
