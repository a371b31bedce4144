/* SPDX-License-Identifier: Apache-2.0
 *
 * agent-ids: the sink for numbers: remembered, cleaned, given back. */

#include <config.h>

#include <string.h>
#include "agent-private.h"
#include "apply/apply-openflow.h"
#include "apply/sink-provider.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/ofpbuf.h"
#include "store/id-store.h"
#include "util.h"

/* An output of the sink DS_ID is a number in use: its key is made of the kind
 * and the name (output_id() in translate/plugin-output.c), its value is the
 * number.  Installing it means that it is in the id store and clean: a
 * conntrack zone that had another owner is flushed first.  Removing it gives
 * the number back, which the commit has done after the flows that used it are
 * gone.
 *
 * Thread-safety: main thread only. */

struct id_sink {
    struct sink up;
    struct agent *agent;
    struct ovs_list flushing;   /* Contains "struct ds_output"s. */
};

static const struct sink_class id_sink_class;

static struct id_sink *
id_sink_cast(const struct sink *sink)
{
    return CONTAINER_OF(sink, struct id_sink, up);
}

struct sink *
agent_ids_create(struct agent *agent)
{
    struct id_sink *is = xmalloc(sizeof *is);

    *is = (struct id_sink) { .up.class = &id_sink_class, .agent = agent };
    ovs_list_init(&is->flushing);
    return &is->up;
}

void
agent_ids_destroy(struct sink *sink)
{
    struct id_sink *is = id_sink_cast(sink);
    struct ds_output *output;

    LIST_FOR_EACH_SAFE (output, queue_node, &is->flushing) {
        ds_release(is->agent->ds, output);
    }
    free(is);
}

/* Returns the name that the key of 'output' is for, which the caller must
 * free, and stores the kind. */
static char *
parse_key(const struct ds_output *output, enum id_kind *kind)
{
    *kind = output->key[0] - 'a';
    return xmemdup0((const char *) output->key + 1, output->key_len - 1);
}

/* If nobody wants 'output' any more, which may have come while its zone was
 * being flushed, it is in the queue again, to be removed. */
static void
set_installed(struct id_sink *is, struct ds_output *output)
{
    ds_set_installed(is->agent->ds, output, (ds_output_wanted(output)
                                             ? ds_output_hash(output) : 0));
    ds_release(is->agent->ds, output);
}

static void
sink_one(struct id_sink *is, struct ds_output *output)
{
    struct agent *agent = is->agent;
    enum id_kind kind;
    char *name = parse_key(output, &kind);

    if (!ds_output_wanted(output)) {
        id_store_release(agent->ids, kind, name);
        ds_set_removed(agent->ds, output);
        ds_release(agent->ds, output);
    } else if (kind == ID_CT_ZONE && !agent->options.dummy
               && !id_store_is_clean(agent->ids, kind, name)) {
        apply_openflow_flush_zone(agent->openflow,
                                  id_store_find(agent->ids, kind, name));
        ovs_list_remove(&output->queue_node);
        ovs_list_push_back(&is->flushing, &output->queue_node);
    } else {
        set_installed(is, output);
    }
    free(name);
}

static void
id_sink_begin(struct sink *sink, struct ovs_list *outputs)
{
    struct id_sink *is = id_sink_cast(sink);
    struct ds_output *output;

    LIST_FOR_EACH_SAFE (output, queue_node, outputs) {
        sink_one(is, output);
    }
    if (is->agent->ids) {
        id_store_save(is->agent->ids);
    }
}

static void
id_sink_run(struct sink *sink)
{
    struct id_sink *is = id_sink_cast(sink);
    struct ds_output *output;

    if (ovs_list_is_empty(&is->flushing)
        || apply_openflow_is_flushing(is->agent->openflow)) {
        return;
    }
    LIST_FOR_EACH_SAFE (output, queue_node, &is->flushing) {
        enum id_kind kind;
        char *name = parse_key(output, &kind);

        id_store_set_clean(is->agent->ids, kind, name);
        free(name);
        set_installed(is, output);
    }
    id_store_save(is->agent->ids);
}

static void
id_sink_wait(struct sink *sink OVS_UNUSED)
{
}

static bool
id_sink_is_done(const struct sink *sink)
{
    return ovs_list_is_empty(&id_sink_cast(sink)->flushing);
}

static bool
id_sink_is_ready(const struct sink *sink OVS_UNUSED)
{
    return true;
}

static void
id_sink_describe(const struct sink *sink, struct ds *s)
{
    const struct id_sink *is = id_sink_cast(sink);

    if (!is->agent->ids) {
        ds_put_cstr(s, "no store");
        return;
    }
    for (enum id_kind kind = 0; kind < ID_N_KINDS; kind++) {
        ds_put_format(s, "%s%s: %"PRIuSIZE, kind ? ", " : "",
                      id_kind_to_string(kind),
                      id_store_count(is->agent->ids, kind));
    }
}

static const struct sink_class id_sink_class = {
    .name = "id",
    .begin = id_sink_begin,
    .run = id_sink_run,
    .wait = id_sink_wait,
    .is_done = id_sink_is_done,
    .is_ready = id_sink_is_ready,
    .describe = id_sink_describe,
};

/* Says which numbers are remembered.  A zone that is not clean yet is still to
 * be cleaned. */
static void
report_id(enum id_kind kind, const char *name, uint32_t number, bool clean,
          void *agent_)
{
    struct agent *agent = agent_;
    char *key = xasprintf("%c%s", 'a' + kind, name);

    ds_readback(agent->ds, DS_ID, key, strlen(key),
                (clean || kind != ID_CT_ZONE
                 ? ds_value_hash(0, &number, sizeof number) : 0),
                false);
    free(key);
}

/* To be called once everything that is known has been translated: what is
 * remembered and nobody has asked for will be given back. */
void
agent_ids_readback(struct agent *agent)
{
    id_store_save(agent->ids);
    ds_readback_begin(agent->ds, DS_ID);
    id_store_for_each(agent->ids, report_id, agent);
    ds_readback_end(agent->ds, DS_ID);
}
