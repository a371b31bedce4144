/* SPDX-License-Identifier: Apache-2.0
 *
 * apply-openflow-sinks: flows, groups and meters as sinks of the commit. */

#include <config.h>

#include "apply/apply-openflow-private.h"

#include "apply/desired-state.h"
#include "apply/group-encode.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/rconn.h"
#include "util.h"

static const char *const state_names[] = {
    "connecting", "flows asked for", "reading back", "idle",
    "flushing zones", "sending meters",
    "staging", "committing", "waiting for caches"
};

static struct apply_openflow *
apply_openflow_cast(const struct sink *sink)
{
    return CONTAINER_OF(sink, struct apply_openflow, up);
}

/* Flows and groups. */

/* Groups exist before the flows that use them, and after. */
static void
openflow_sink_begin(struct sink *sink, struct ovs_list *outputs)
{
    struct apply_openflow *of = apply_openflow_cast(sink);
    struct ovs_list last = OVS_LIST_INITIALIZER(&last);
    struct ds_output *output;

    LIST_FOR_EACH_SAFE (output, queue_node, outputs) {
        if (output_is_group(output)) {
            ovs_list_remove(&output->queue_node);
            ovs_list_push_back(ds_output_wanted(output) ? &of->pending : &last,
                               &output->queue_node);
        }
    }
    ovs_list_push_back_all(&of->pending, outputs);
    ovs_list_push_back_all(&of->pending, &last);
    if (of->state == S_IDLE) {
        apply_openflow_start(of);
    }
}

/* The agent calls apply_openflow_run() in any case. */
static void
openflow_sink_run(struct sink *sink OVS_UNUSED)
{
}

static void
openflow_sink_wait(struct sink *sink OVS_UNUSED)
{
}

static bool
openflow_sink_is_done(const struct sink *sink)
{
    const struct apply_openflow *of = apply_openflow_cast(sink);

    return ovs_list_is_empty(&of->pending) && ovs_list_is_empty(&of->batch);
}

static bool
openflow_sink_is_ready(const struct sink *sink)
{
    const struct apply_openflow *of = apply_openflow_cast(sink);

    return (of->state >= S_IDLE
            && !ds_wants_readback(of->ds, DS_OPENFLOW));
}

void
apply_openflow_describe(const struct apply_openflow *of, struct ds *s)
{
    if (!of->bridge) {
        ds_put_cstr(s, "no bridge");
    } else if (!rconn_is_connected(of->rconn)) {
        ds_put_format(s, "%s: not connected", of->bridge);
    } else {
        ds_put_format(s, "%s: connected, %s", of->bridge,
                      state_names[of->state]);
    }
}

static void
openflow_sink_describe(const struct sink *sink, struct ds *s)
{
    apply_openflow_describe(apply_openflow_cast(sink), s);
}

static const struct sink_class openflow_sink_class = {
    .name = "openflow",
    .begin = openflow_sink_begin,
    .run = openflow_sink_run,
    .wait = openflow_sink_wait,
    .is_done = openflow_sink_is_done,
    .is_ready = openflow_sink_is_ready,
    .describe = openflow_sink_describe,
};

/* Meters. */

static struct apply_openflow *
meters_cast(const struct sink *sink)
{
    return CONTAINER_OF(sink, struct apply_openflow, meters);
}

static void
meter_sink_begin(struct sink *sink, struct ovs_list *outputs)
{
    struct apply_openflow *of = meters_cast(sink);

    ovs_list_push_back_all(&of->pending_meters, outputs);
    if (of->state == S_IDLE) {
        apply_openflow_start(of);
    }
}

static bool
meter_sink_is_done(const struct sink *sink)
{
    const struct apply_openflow *of = meters_cast(sink);

    return (ovs_list_is_empty(&of->pending_meters)
            && ovs_list_is_empty(&of->batch));
}

static bool
meter_sink_is_ready(const struct sink *sink)
{
    return openflow_sink_is_ready(&meters_cast(sink)->up);
}

static void
meter_sink_describe(const struct sink *sink, struct ds *s)
{
    apply_openflow_describe(meters_cast(sink), s);
}

static const struct sink_class meter_sink_class = {
    .name = "meter",
    .begin = meter_sink_begin,
    .run = openflow_sink_run,
    .wait = openflow_sink_wait,
    .is_done = meter_sink_is_done,
    .is_ready = meter_sink_is_ready,
    .describe = meter_sink_describe,
};

void
apply_openflow_init_sinks(struct apply_openflow *of)
{
    of->up.class = &openflow_sink_class;
    of->meters.class = &meter_sink_class;
}

struct sink *
apply_openflow_sink(struct apply_openflow *of)
{
    return &of->up;
}

struct sink *
apply_openflow_meter_sink(struct apply_openflow *of)
{
    return &of->meters;
}
