/* SPDX-License-Identifier: Apache-2.0
 *
 * pipeline-base: plugin "pipeline": parents, and the flows between stages. */

#include <config.h>

#include <stdlib.h>
#include "openvswitch/match.h"
#include "openvswitch/ofpbuf.h"
#include "store/goal-fit.h"
#include "translate/flow-actions.h"
#include "translate/plugin-provider.h"
#include "translate/plugin-registry.h"
#include "util.h"

/* This plugin is the foundation of the others and always enabled.
 *
 * For every resource it checks what does not depend on any feature: that the
 * parents are there, that the effective VNI is valid, and that addresses lie
 * in their subnets.
 *
 * Each subnet contributes the last flow of every stage, go on to the next
 * stage or drop, and the flows of stage DROP, one for each reason.  So a
 * pipeline from which plugins are left out is whole. */

static void
put_flow(struct plugin_output *out, enum of_stage stage, uint16_t priority,
         const struct match *match, struct ofpbuf *ofpacts)
{
    output_flow(out, stage, priority, match, ofpacts);
    ofpbuf_uninit(ofpacts);
}

static void
last_goto(struct plugin_output *out, enum of_stage stage, enum of_stage next)
{
    uint64_t stub[64 / 8];
    struct ofpbuf ofpacts;
    struct match match;

    ofpbuf_use_stub(&ofpacts, stub, sizeof stub);
    match_init_catchall(&match);
    act_goto(&ofpacts, next);
    put_flow(out, stage, OF_PRIO_MISS, &match, &ofpacts);
}

static void
last_drop(struct plugin_output *out, enum of_stage stage, enum of_drop reason)
{
    uint64_t stub[128 / 8];
    struct ofpbuf ofpacts;
    struct match match;

    ofpbuf_use_stub(&ofpacts, stub, sizeof stub);
    match_init_catchall(&match);
    act_drop(&ofpacts, reason);
    put_flow(out, stage, OF_PRIO_MISS, &match, &ofpacts);
}

/* What has a VLAN tag when it enters 'stage' is dropped: tenants' tags are not
 * carried. */
static void
tagged_drop(struct plugin_output *out, enum of_stage stage)
{
    uint64_t stub[128 / 8];
    struct ofpbuf ofpacts;
    struct match match;

    ofpbuf_use_stub(&ofpacts, stub, sizeof stub);
    match_init_catchall(&match);
    match_set_dl_tci_masked(&match, htons(VLAN_CFI), htons(VLAN_CFI));
    act_drop(&ofpacts, OF_DROP_TAGGED);
    put_flow(out, stage, OF_PRIO_GUARD, &match, &ofpacts);
}

/* Stage DROP: nothing happens but that packets are counted by reason. */
static void
drop_flows(struct plugin_output *out)
{
    for (enum of_drop reason = OF_DROP_NONE + 1; reason < OF_N_DROPS;
         reason++) {
        struct ofpbuf no_actions;
        struct match match;

        ofpbuf_use_const(&no_actions, NULL, 0);
        match_init_catchall(&match);
        match_set_reg(&match, MFF_ALCOR_REASON - MFF_REG0, reason);
        put_flow(out, OFS_DROP, OF_PRIO_NORMAL, &match, &no_actions);
    }
}

static void
base_flows(struct plugin_output *out)
{
    last_goto(out, OFS_ADMIT, OFS_EGRESS);
    last_goto(out, OFS_ADMIT_ND, OFS_EGRESS);
    last_goto(out, OFS_EGRESS, OFS_RESPOND);
    last_goto(out, OFS_RESPOND, OFS_ROUTE);
    last_goto(out, OFS_ROUTE, OFS_L2_LOOKUP);
    last_goto(out, OFS_L2_LOOKUP, OFS_UNKNOWN);
    last_drop(out, OFS_FLOOD, OF_DROP_NO_MEMBERS);
    last_drop(out, OFS_UNKNOWN, OF_DROP_UNKNOWN_DESTINATION);
    last_drop(out, OFS_ARRIVAL, OF_DROP_NOT_HERE);
    last_goto(out, OFS_INGRESS, OFS_DELIVER);
    last_drop(out, OFS_DELIVER, OF_DROP_NO_PORT);
    last_drop(out, OFS_ENCAP, OF_DROP_UNKNOWN_TUNNEL);
    last_drop(out, OFS_PROVIDER, OF_DROP_NO_PROVIDER);
    tagged_drop(out, OFS_ADMIT);
    tagged_drop(out, OFS_ARRIVAL);
    drop_flows(out);
}

/* Returns which of a subnet and its VPC is missing.  (Not told of neighbours,
 * which may be many.) */
static char *
missing_parent(struct goal_view *view, const char *subnet_id)
{
    const struct goal_resource *r = goal_view_get(view, GOAL_SUBNET,
                                                  subnet_id);
    return (r ? xasprintf("VPC %s is missing", GOAL_SUBNET_CAST(r)->vpc_id)
            : xasprintf("SUBNET %s is missing", subnet_id));
}

static enum plugin_result
check_subnet(struct goal_view *view, const struct goal_resource *r,
             struct plugin_output *out, char **errorp)
{
    struct goal_network network;
    enum plugin_result result = goal_view_network(view, r->id, &network,
                                                  errorp);
    if (result != PLUGIN_DONE) {
        *errorp = *errorp ? *errorp : missing_parent(view, r->id);
        return result;
    }

    *errorp = goal_fit_subnet(network.vpc, network.subnet);
    if (*errorp) {
        return PLUGIN_REJECT;
    }
    base_flows(out);
    return PLUGIN_DONE;
}

/* Checks one fixed IP of a port or neighbour.  A subnet that is invalid is as
 * good as absent, which it is if it was refused before it was stored. */
static enum plugin_result
check_fixed_ip(struct goal_view *view, const char *subnet_id,
               const struct in6_addr *ip, char **errorp)
{
    struct goal_network network;
    enum plugin_result result = goal_view_network(view, subnet_id, &network,
                                                  errorp);
    if (result == PLUGIN_DONE) {
        *errorp = goal_fit_subnet(network.vpc, network.subnet);
        result = *errorp ? PLUGIN_REJECT : PLUGIN_DONE;
    }
    if (result == PLUGIN_REJECT) {
        free(*errorp);
        *errorp = xasprintf("subnet %s is invalid", subnet_id);
        return PLUGIN_WAIT;
    }
    if (result == PLUGIN_DONE) {
        *errorp = goal_fit_address(network.subnet, ip);
        result = *errorp ? PLUGIN_REJECT : PLUGIN_DONE;
    }
    return result;
}

static enum plugin_result
check_port(struct goal_view *view, const struct goal_resource *r,
           char **errorp)
{
    const struct goal_port *port = GOAL_PORT_CAST(r);
    enum plugin_result result = PLUGIN_DONE;

    if (!goal_view_get(view, GOAL_VPC, port->vpc_id)) {
        *errorp = xasprintf("VPC %s is missing", port->vpc_id);
        return PLUGIN_WAIT;
    }
    for (size_t i = 0; i < port->n_fixed_ips && result == PLUGIN_DONE; i++) {
        result = check_fixed_ip(view, port->fixed_ips[i].subnet_id,
                                &port->fixed_ips[i].ip, errorp);
        if (result == PLUGIN_WAIT && !*errorp) {
            *errorp = missing_parent(view, port->fixed_ips[i].subnet_id);
        }
    }
    return result;
}

static enum plugin_result
check_neighbor(struct goal_view *view, const struct goal_resource *r,
               char **errorp)
{
    const struct goal_neighbor *neighbor = GOAL_NEIGHBOR_CAST(r);
    enum plugin_result result = PLUGIN_DONE;

    if (!goal_view_get(view, GOAL_VPC, neighbor->vpc_id)) {
        return PLUGIN_WAIT;
    }
    for (size_t i = 0; i < neighbor->n_fixed_ips && result == PLUGIN_DONE;
         i++) {
        result = check_fixed_ip(view, neighbor->fixed_ips[i].subnet_id,
                                &neighbor->fixed_ips[i].ip, errorp);
    }
    return result;
}

static enum plugin_result
check_dhcp(struct goal_view *view, const struct goal_resource *r,
           char **errorp)
{
    const struct goal_dhcp *dhcp = GOAL_DHCP_CAST(r);
    const struct goal_resource *subnet = goal_view_get(view, GOAL_SUBNET,
                                                       dhcp->subnet_id);
    if (!subnet) {
        *errorp = missing_parent(view, dhcp->subnet_id);
        return PLUGIN_WAIT;
    }
    *errorp = goal_fit_dhcp(GOAL_SUBNET_CAST(subnet), dhcp);
    return *errorp ? PLUGIN_REJECT : PLUGIN_DONE;
}

static enum plugin_result
pipeline_translate(struct plugin *plugin OVS_UNUSED, struct goal_view *view,
                   const struct goal_resource *r, struct plugin_output *out,
                   char **errorp)
{
    switch (r->kind) {
    case GOAL_SUBNET:
        return check_subnet(view, r, out, errorp);
    case GOAL_PORT:
        return check_port(view, r, errorp);
    case GOAL_NEIGHBOR:
        return check_neighbor(view, r, errorp);
    case GOAL_DHCP:
        return check_dhcp(view, r, errorp);
    case GOAL_VPC:
    case GOAL_SECURITY_GROUP:
    case GOAL_ROUTER:
    case GOAL_GATEWAY:
    case GOAL_N_KINDS:
        break;
    }
    return PLUGIN_DONE;
}

const struct plugin_class pipeline_plugin_class = {
    .abi = PLUGIN_ABI,
    .size = sizeof(struct plugin_class),
    .name = "pipeline",
    .number = 1,
    .inputs = (1u << GOAL_SUBNET | 1u << GOAL_PORT | 1u << GOAL_NEIGHBOR
               | 1u << GOAL_DHCP),
    .stages = UINT64_MAX,
    .summary = "what all resources have in common: parents, stages",
    .translate = pipeline_translate,
};
