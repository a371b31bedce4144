/* SPDX-License-Identifier: Apache-2.0
 *
 * storm-control: plugin "storm-control": limits ports that flood. */

#include <config.h>

#include <stdlib.h>
#include "flow.h"
#include "openvswitch/ofp-actions.h"
#include "translate/again-group.h"
#include "translate/flow-actions.h"
#include "translate/flow-draft.h"
#include "translate/plugin-provider.h"
#include "translate/plugin-registry.h"
#include "util.h"

/* A port that is in a storm (feedback/storm.h) outputs one flow to CLASSIFY,
 * before all others: what it sends goes through a meter, and only then, looked
 * up for a second time and marked with OF_FLAG_LIMITED, through the pipeline.
 *
 * Group "again" (again-group.h) makes the datapath look it up for a second
 * time, and not before the meter.  The first look-up matches nothing but the
 * port, so that whatever the port floods with hits one datapath flow, and the
 * meter bounds how many others it can have made in a second.
 *
 * It is meant to hurt: all of the port's traffic has to share the rate, until
 * the storm is over. */

#define STORM_PPS 500
#define STORM_BURST 100

static uint32_t
port_meter(struct plugin_output *out, const struct goal_port *port)
{
    char *name = xasprintf("storm %s", port->up.id);
    uint32_t meter = output_id(out, ID_METER, name);

    free(name);
    if (meter) {
        output_meter(out, meter, STORM_PPS, STORM_BURST);
    }
    return meter;
}

static bool
is_limited(struct goal_view *view, uint32_t ofport)
{
    char *id = xasprintf("%"PRIu32, ofport);
    bool limited = goal_view_volatile(view, VOL_STORM, id) != NULL;

    free(id);
    return limited;
}

static enum plugin_result
storm_control_translate(struct plugin *plugin OVS_UNUSED,
                        struct goal_view *view,
                        const struct goal_resource *r,
                        struct plugin_output *out, char **errorp)
{
    const struct goal_port *port = GOAL_PORT_CAST(r);
    const struct vol_binding *binding = goal_view_volatile(
        view, VOL_BINDING, port->up.id);
    struct flow_draft f;

    if (!binding || !is_limited(view, binding->ofport)) {
        return PLUGIN_DONE;
    }

    uint32_t group = again_group(out, OFS_CLASSIFY);
    uint32_t meter = port_meter(out, port);
    if (!group || !meter) {
        *errorp = xstrdup("no group or meter is left to limit the port");
        return PLUGIN_FAIL;
    }
    flow_draft_init(&f, 0);
    match_set_in_port(&f.match, u16_to_ofp(binding->ofport));
    match_set_reg_masked(&f.match, MFF_ALCOR_FLAGS - MFF_REG0, 0,
                         OF_FLAG_LIMITED);
    act_meter(&f.acts, meter);
    act_set_flag(&f.acts, OF_FLAG_LIMITED);
    ofpact_put_GROUP(&f.acts)->group_id = group;
    flow_draft_output(&f, out, OFS_CLASSIFY, OF_PRIO_MAX);
    return PLUGIN_DONE;
}

const struct plugin_class storm_control_plugin_class = {
    .abi = PLUGIN_ABI,
    .size = sizeof(struct plugin_class),
    .name = "storm-control",
    .number = 16,
    .inputs = 1u << GOAL_PORT,
    .stages = UINT64_C(1) << OFS_CLASSIFY,
    .summary = "ports that flood are limited",
    .translate = storm_control_translate,
};
