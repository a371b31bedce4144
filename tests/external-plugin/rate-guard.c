/* SPDX-License-Identifier: Apache-2.0
 *
 * rate-guard: an external plugin that uses numbers, meters and groups. */

/* For tests of what the agent does with them: each port that is bound has a
 * meter, a conntrack zone and a group of two equal buckets, through which its
 * IPv4 packets go on to the next stage.  The meter lets 100 packets a second
 * pass, and one more for each security group. */

#include <config.h>

#include <stdlib.h>
#include "flow.h"
#include "openvswitch/match.h"
#include "openvswitch/ofp-actions.h"
#include "openvswitch/ofp-group.h"
#include "openvswitch/ofpbuf.h"
#include "translate/flow-actions.h"
#include "translate/plugin-provider.h"
#include "util.h"

static void
add_bucket(struct ofputil_group_mod *gm, uint32_t id, uint16_t zone)
{
    struct ofputil_bucket *bucket = xzalloc(sizeof *bucket);
    struct ofpbuf actions;

    ofpbuf_init(&actions, 64);
    act_set_u32(&actions, MFF_REG0, id);
    act_set_u32(&actions, MFF_REG1, zone);
    act_resubmit(&actions, OFS_EGRESS);
    bucket->weight = 1;
    bucket->bucket_id = id;
    bucket->watch_port = OFPP_ANY;
    bucket->watch_group = OFPG_ANY;
    bucket->ofpacts_len = actions.size;
    bucket->ofpacts = ofpbuf_steal_data(&actions);
    ovs_list_push_back(&gm->buckets, &bucket->list_node);
}

static void
put_group(struct plugin_output *out, uint32_t number, uint16_t zone)
{
    struct ofputil_group_mod gm = {
        .type = OFPGT11_SELECT, .group_id = number,
    };

    ovs_list_init(&gm.buckets);
    for (uint32_t id = 1; id <= 2; id++) {
        add_bucket(&gm, id, zone);
    }
    output_group(out, &gm);
    ofputil_uninit_group_mod(&gm);
}

static void
put_flow(struct plugin_output *out, uint32_t ofport, uint32_t meter,
         uint32_t group)
{
    struct ofpbuf actions;
    struct match match;

    match_init_catchall(&match);
    match_set_in_port(&match, u16_to_ofp(ofport));
    match_set_dl_type(&match, htons(ETH_TYPE_IP));
    ofpbuf_init(&actions, 64);
    ofpact_put_METER(&actions)->meter_id = meter;
    ofpact_put_GROUP(&actions)->group_id = group;
    output_flow(out, OFS_ADMIT, OF_PRIO_GUARD, &match, &actions);
    ofpbuf_uninit(&actions);
}

static enum plugin_result
rate_guard_translate(struct plugin *plugin OVS_UNUSED, struct goal_view *view,
                     const struct goal_resource *resource,
                     struct plugin_output *out, char **errorp)
{
    const struct goal_port *port = GOAL_PORT_CAST(resource);
    const struct vol_binding *binding
        = goal_view_volatile(view, VOL_BINDING, resource->id);
    char *name = xasprintf("port %s", resource->id);
    enum plugin_result result = PLUGIN_DONE;

    if (binding) {
        uint32_t meter = output_id(out, ID_METER, name);
        uint32_t group = output_id(out, ID_GROUP, name);
        uint32_t zone = output_id(out, ID_CT_ZONE, name);

        if (meter && group && zone) {
            output_meter(out, meter, 100 + port->security_groups.n, 10);
            put_group(out, group, zone);
            put_flow(out, binding->ofport, meter, group);
        } else {
            *errorp = xstrdup("no numbers left");
            result = PLUGIN_FAIL;
        }
    }
    free(name);
    return result;
}

static const struct plugin_class rate_guard_class = {
    .abi = PLUGIN_ABI,
    .size = sizeof(struct plugin_class),
    .name = "rate-guard",
    .summary = "limits what VMs send",
    .inputs = 1u << GOAL_PORT,
    .stages = UINT64_C(1) << OFS_ADMIT,
    .translate = rate_guard_translate,
};

extern const struct plugin_class *const alcor_plugin_classes[];
const struct plugin_class *const alcor_plugin_classes[] = {
    &rate_guard_class,
    NULL,
};
