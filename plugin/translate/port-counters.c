/* SPDX-License-Identifier: Apache-2.0
 *
 * port-counters: plugin "port-counters": drops by port and reason. */

#include <config.h>

#include "flow.h"
#include "openvswitch/match.h"
#include "openvswitch/ofpbuf.h"
#include "translate/flow-draft.h"
#include "translate/plugin-provider.h"
#include "translate/plugin-registry.h"
#include "util.h"

/* In stage DROP, plugin "pipeline" has a flow for each reason, which counts
 * what is not of a local port, or not yet.  Each bound port adds flows that
 * come before those and count the same, by port:
 *
 *    - for each reason for which what a port sends can be dropped;
 *
 *    - for each reason for which what is for a port can: then its number is in
 *      MFF_ALCOR_OUT, and that port is to know, not the sender.
 *
 * They are all that tells the drops of two ports apart, since flows before
 * DROP serve many.  The datapath need not look at more of a packet for them.
 * apply/port-stats reads them. */

#define PRIO_SENT OF_PRIO_HIGH
#define PRIO_FOR_IT (OF_PRIO_HIGH + 1)

/* True if what a port sends is never dropped for 'reason': these are about
 * what comes from tunnels. */
static bool
is_of_tunnels(enum of_drop reason)
{
    return reason == OF_DROP_NOT_HERE || reason == OF_DROP_NO_SUBNET;
}

static void
sent_flow(struct plugin_output *out, uint32_t ofport, enum of_drop reason)
{
    struct flow_draft f;

    flow_draft_init(&f, 0);
    match_set_in_port(&f.match, u16_to_ofp(ofport));
    match_set_reg(&f.match, MFF_ALCOR_REASON - MFF_REG0, reason);
    flow_draft_output(&f, out, OFS_DROP, PRIO_SENT);
}

static void
for_it_flow(struct plugin_output *out, uint32_t ofport, enum of_drop reason)
{
    struct flow_draft f;

    flow_draft_init(&f, 0);
    match_set_reg(&f.match, MFF_ALCOR_OUT - MFF_REG0, ofport);
    match_set_reg(&f.match, MFF_ALCOR_REASON - MFF_REG0, reason);
    flow_draft_output(&f, out, OFS_DROP, PRIO_FOR_IT);
}

static enum plugin_result
port_counters_translate(struct plugin *plugin OVS_UNUSED,
                        struct goal_view *view, const struct goal_resource *r,
                        struct plugin_output *out, char **errorp OVS_UNUSED)
{
    static const enum of_drop for_it[] = {
        OF_DROP_PORT_DOWN, OF_DROP_SECURITY_GROUP, OF_DROP_CT_INVALID,
    };
    const struct vol_binding *binding = goal_view_volatile(view, VOL_BINDING,
                                                           r->id);

    if (!binding) {
        return PLUGIN_DONE;
    }
    for (enum of_drop reason = OF_DROP_NONE + 1; reason < OF_N_DROPS;
         reason++) {
        if (!is_of_tunnels(reason)) {
            sent_flow(out, binding->ofport, reason);
        }
    }
    for (size_t i = 0; i < ARRAY_SIZE(for_it); i++) {
        for_it_flow(out, binding->ofport, for_it[i]);
    }
    return PLUGIN_DONE;
}

const struct plugin_class port_counters_plugin_class = {
    .abi = PLUGIN_ABI,
    .size = sizeof(struct plugin_class),
    .name = "port-counters",
    .number = OF_PLUGIN_PORT_COUNTERS,
    .inputs = 1u << GOAL_PORT,
    .stages = UINT64_C(1) << OFS_DROP,
    .summary = "drops counted by port and reason",
    .translate = port_counters_translate,
};
