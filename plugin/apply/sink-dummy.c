/* SPDX-License-Identifier: Apache-2.0
 *
 * sink-dummy: a sink that confirms everything at once. */

#include <config.h>

#include "apply/sink-provider.h"

#include "apply/desired-state.h"
#include "openvswitch/dynamic-string.h"
#include "util.h"

struct sink_dummy {
    struct sink up;
    struct desired_state *ds;
};

static const struct sink_class sink_dummy_class;

struct sink *
sink_dummy_create(struct desired_state *ds)
{
    struct sink_dummy *dummy = xmalloc(sizeof *dummy);

    *dummy = (struct sink_dummy) {
        .up.class = &sink_dummy_class, .ds = ds,
    };
    return &dummy->up;
}

void
sink_dummy_destroy(struct sink *sink)
{
    if (sink) {
        free(CONTAINER_OF(sink, struct sink_dummy, up));
    }
}

static void
sink_dummy_begin(struct sink *sink, struct ovs_list *outputs)
{
    struct desired_state *ds = CONTAINER_OF(sink, struct sink_dummy, up)->ds;

    while (!ovs_list_is_empty(outputs)) {
        struct ds_output *output = CONTAINER_OF(ovs_list_front(outputs),
                                                struct ds_output, queue_node);
        if (ds_output_wanted(output)) {
            ds_set_installed(ds, output, ds_output_hash(output));
        } else {
            ds_set_removed(ds, output);
        }
        ds_release(ds, output);
    }
}

static void
sink_dummy_nop(struct sink *sink OVS_UNUSED)
{
}

static bool
sink_dummy_true(const struct sink *sink OVS_UNUSED)
{
    return true;
}

static void
sink_dummy_describe(const struct sink *sink OVS_UNUSED, struct ds *s)
{
    ds_put_cstr(s, "dummy");
}

static const struct sink_class sink_dummy_class = {
    .name = "dummy",
    .begin = sink_dummy_begin,
    .run = sink_dummy_nop,
    .wait = sink_dummy_nop,
    .is_done = sink_dummy_true,
    .is_ready = sink_dummy_true,
    .describe = sink_dummy_describe,
};
