/* SPDX-License-Identifier: Apache-2.0
 *
 * desired-state: outputs, their contributors, and the queue of changes. */

#include <config.h>

#include "apply/desired-state.h"

#include <string.h>
#include "apply/desired-state-private.h"
#include "coverage.h"
#include "hash.h"
#include "openvswitch/ofpbuf.h"
#include "simap.h"
#include "util.h"

COVERAGE_DEFINE(ds_foreign_blocked);
COVERAGE_DEFINE(ds_atomic_broken);

const char *
ds_sink_to_string(enum ds_sink sink)
{
    switch (sink) {
    case DS_OVSDB: return "ovsdb";
    case DS_NEXT_HOP: return "next-hop";
    case DS_ID: return "id";
    case DS_METER: return "meter";
    case DS_OPENFLOW: return "openflow";
    case DS_OVSDB_LATE: return "ovsdb-late";
    case DS_N_SINKS: break;
    }
    return "<unknown>";
}

struct desired_state *
desired_state_create(void)
{
    struct desired_state *ds = xzalloc(sizeof *ds);

    for (int i = 0; i < DS_N_SINKS; i++) {
        hmap_init(&ds->outputs[i]);
    }
    for (int i = 0; i < DS_N_PRIOS; i++) {
        ovs_list_init(&ds->queues[i].outputs);
    }
    return ds;
}

static void
output_free(struct ds_output *output)
{
    for (size_t i = 0; i < output->n_parts; i++) {
        free(output->parts[i]);
    }
    free(output->parts);
    free(output);
}

/* All units must have been withdrawn. */
void
desired_state_destroy(struct desired_state *ds)
{
    if (!ds) {
        return;
    }
    for (int i = 0; i < DS_N_SINKS; i++) {
        struct ds_output *output;

        HMAP_FOR_EACH_POP (output, hmap_node, &ds->outputs[i]) {
            output_free(output);
        }
        hmap_destroy(&ds->outputs[i]);
    }
    free(ds->atomic_error);
    free(ds);
}

/* Outputs. */

static uint32_t
key_hash(const void *key, size_t len)
{
    return hash_bytes(key, len, 0);
}

struct ds_output *
ds_lookup(const struct desired_state *ds, enum ds_sink sink,
          const void *key, size_t key_len)
{
    struct ds_output *output;

    HMAP_FOR_EACH_WITH_HASH (output, hmap_node, key_hash(key, key_len),
                             &ds->outputs[sink]) {
        if (output->key_len == key_len
            && !memcmp(output->key, key, key_len)) {
            return output;
        }
    }
    return NULL;
}

struct ds_output *
ds_output_create(struct desired_state *ds, enum ds_sink sink,
              const void *key, size_t key_len)
{
    struct ds_output *output = xzalloc(sizeof *output + key_len);

    output->sink = sink;
    output->mode = DS_EXCLUSIVE;
    output->key_len = key_len;
    memcpy(output->key, key, key_len);
    ovs_list_init(&output->contributions);
    hmap_insert(&ds->outputs[sink], &output->hmap_node,
                key_hash(key, key_len));
    return output;
}

void
ds_output_gc(struct desired_state *ds, struct ds_output *output)
{
    if (!output->n_contributions
        && !(output->flags & (DS_INSTALLED | DS_QUEUED | DS_IN_FLIGHT
                              | DS_FOREIGN))) {
        hmap_remove(&ds->outputs[output->sink], &output->hmap_node);
        output_free(output);
    }
}

void
ds_output_queue(struct desired_state *ds, struct ds_output *output,
             enum ds_priority priority)
{
    output->flags &= ~DS_SAME;
    if (output->flags & DS_QUEUED) {
        return;
    }

    struct ds_queue *queue = &ds->queues[priority];

    if (output->flags & DS_IN_FLIGHT) {
        /* 'queue_node' is in use: ds_release() queues it, in front of all
         * others; the position that is left out here makes marks from now on
         * wait for it. */
        if (output->priority == DS_N_PRIOS) {
            output->priority = priority;
            output->position = 0;
            queue->tail++;
            if (!queue->reserved) {
                queue->reserved = queue->tail;
            }
        }
        return;
    }

    output->flags |= DS_QUEUED;
    output->flags &= ~DS_CUT;
    output->priority = priority;
    output->position = ++queue->tail;
    ovs_list_push_back(&queue->outputs, &output->queue_node);
}

void
ds_queue_cut(struct desired_state *ds, enum ds_priority priority)
{
    struct ds_queue *queue = &ds->queues[priority];

    if (!ovs_list_is_empty(&queue->outputs)) {
        struct ds_output *last = CONTAINER_OF(ovs_list_back(&queue->outputs),
                                              struct ds_output, queue_node);
        last->flags |= DS_CUT;
    }
}

/* What is wanted. */

bool
ds_output_is_suspended(const struct ds_output *output)
{
    const struct ds_contribution *c;

    LIST_FOR_EACH (c, output_node, &output->contributions) {
        if (!c->unit->failed) {
            return false;
        }
    }
    return output->n_contributions > 0;
}

bool
ds_output_wanted(const struct ds_output *output)
{
    return output->n_contributions > 0;
}

static uint64_t
part_cookie(struct ds_output *output, struct ds_part *part)
{
    if (!part->cookie_valid) {
        const struct ds_contribution *c;

        part->cookie = UINT64_MAX;
        LIST_FOR_EACH (c, output_node, &output->contributions) {
            if (c->part == part) {
                part->cookie = MIN(part->cookie, c->cookie);
            }
        }
        part->cookie_valid = true;
    }
    return part->cookie;
}

uint64_t
ds_output_cookie(struct ds_output *output)
{
    if (output->n_parts == 1) {
        return part_cookie(output, output->parts[0]);
    } else if (output->mode == DS_EXCLUSIVE) {
        return ds_output_winner(output)->cookie;
    }

    uint64_t cookie = UINT64_MAX;
    for (size_t i = 0; i < output->n_parts; i++) {
        cookie = MIN(cookie, part_cookie(output, output->parts[i]));
    }
    return cookie;
}

void
ds_output_value(const struct ds_output *output, struct ofpbuf *value)
{
    if (output->n_parts > 1 && output->mode == DS_EXCLUSIVE) {
        const struct ds_part *part = ds_output_winner(output)->part;

        ofpbuf_put(value, part->bytes, part->len);
        return;
    }
    for (size_t i = 0; i < output->n_parts; i++) {
        ofpbuf_put(value, output->parts[i]->bytes, output->parts[i]->len);
    }
}

uint64_t
ds_value_hash(uint64_t cookie, const void *value, size_t len)
{
    uint64_t hi = hash_bytes(value, len, cookie);
    return hi << 32 | hash_bytes(value, len, hash_uint64(cookie));
}

uint64_t
ds_output_hash(struct ds_output *output)
{
    uint64_t cookie = ds_output_cookie(output);

    if (output->n_parts == 1) {
        const struct ds_part *part = output->parts[0];

        return ds_value_hash(cookie, part->bytes, part->len);
    }

    uint64_t stub[1024 / 8];
    struct ofpbuf value;

    ofpbuf_use_stub(&value, stub, sizeof stub);
    ds_output_value(output, &value);
    uint64_t hash = ds_value_hash(cookie, value.data, value.size);
    ofpbuf_uninit(&value);
    return hash;
}

bool
ds_output_is_dirty(struct ds_output *output)
{
    if (output->flags & (DS_FROZEN | DS_SAME)) {
        return false;
    } else if (!ds_output_wanted(output)) {
        return output->flags & DS_INSTALLED;
    } else if (output->flags & DS_FOREIGN
               || ds_output_is_suspended(output)) {
        return false;
    }
    return !(output->flags & DS_INSTALLED)
           || output->installed_hash != ds_output_hash(output);
}

void
ds_output_for_each_unit(struct ds_output *output,
                        void (*cb)(struct ds_unit *, void *aux), void *aux)
{
    struct ds_contribution *c;

    LIST_FOR_EACH (c, output_node, &output->contributions) {
        cb(c->unit, aux);
    }
}

void
ds_for_each(struct desired_state *ds, enum ds_sink sink,
            void (*cb)(struct ds_output *, void *aux), void *aux)
{
    struct ds_output *output;

    HMAP_FOR_EACH_SAFE (output, hmap_node, &ds->outputs[sink]) {
        cb(output, aux);
    }
}

size_t
ds_count(const struct desired_state *ds, enum ds_sink sink)
{
    return hmap_count(&ds->outputs[sink]);
}

size_t
ds_count_flows(const struct desired_state *ds, uint8_t plugin)
{
    return ds->n_flows[plugin];
}

/* Queue. */

struct ds_mark
ds_mark(const struct desired_state *ds)
{
    struct ds_mark mark;

    for (int i = 0; i < DS_N_PRIOS; i++) {
        mark.positions[i] = ds->queues[i].tail;
    }
    return mark;
}

bool
ds_reached(const struct desired_state *ds, const struct ds_mark *mark)
{
    for (int i = 0; i < DS_N_PRIOS; i++) {
        if (ds->queues[i].confirmed < mark->positions[i]) {
            return false;
        }
    }
    return true;
}

bool
ds_has_queue(const struct desired_state *ds)
{
    for (int i = 0; i < DS_N_PRIOS; i++) {
        if (!ovs_list_is_empty(&ds->queues[i].outputs)) {
            return true;
        }
    }
    return false;
}

/* Everything in front of what is left in 'queue' has been taken.  Outputs
 * without position come first; as long as there are some, nothing else has
 * been taken.  Those that are to come back from this very chunk are missing in
 * the queue, but their positions are known. */
static void
queue_advance(struct ds_queue *queue)
{
    uint64_t next = queue->tail + 1;

    if (!ovs_list_is_empty(&queue->outputs)) {
        next = CONTAINER_OF(ovs_list_front(&queue->outputs),
                            struct ds_output, queue_node)->position;
    }
    if (queue->reserved) {
        next = MIN(next, queue->reserved);
    }
    if (next) {
        queue->head = next - 1;
    }
}

static void
block_unit(struct ds_unit *unit, void *ds)
{
    ds_unit_fail(ds, unit, "somebody else's flow occupies its place");
}

/* Takes 'output', which is no longer in a queue, if it is to be changed.
 * Returns the number taken, 0 or 1. */
static size_t
take(struct desired_state *ds, struct ds_output *output,
     struct ovs_list chunks[DS_N_SINKS])
{
    output->flags &= ~(DS_QUEUED | DS_CUT);
    if (output->flags & DS_FOREIGN && ds_output_wanted(output)) {
        COVERAGE_INC(ds_foreign_blocked);
        ds_output_for_each_unit(output, block_unit, ds);
    }
    if (!ds_output_is_dirty(output)) {
        ds_output_gc(ds, output);
        return 0;
    }
    output->flags |= DS_IN_FLIGHT | (ds->atomic_error ? DS_FROZEN : 0);
    output->priority = DS_N_PRIOS;
    ovs_list_push_back(&chunks[output->sink], &output->queue_node);
    return 1;
}

size_t
ds_take(struct desired_state *ds, size_t max,
        struct ovs_list chunks[DS_N_SINKS])
{
    size_t n = 0;

    for (int i = 0; i < DS_N_PRIOS; i++) {
        ds->queues[i].reserved = 0;
    }
    for (int i = 0; i < DS_N_PRIOS && n < max; i++) {
        struct ds_queue *queue = &ds->queues[i];
        bool cut = false;

        while (!ovs_list_is_empty(&queue->outputs) && !(cut && n >= max)) {
            struct ds_output *output
                = CONTAINER_OF(ovs_list_pop_front(&queue->outputs),
                               struct ds_output, queue_node);

            cut = output->flags & DS_CUT;
            n += take(ds, output, chunks);
        }
        queue_advance(queue);
    }
    return n;
}

size_t
ds_take_from(struct desired_state *ds, enum ds_sink sink,
             struct ovs_list chunks[DS_N_SINKS])
{
    size_t n = 0;

    for (int i = 0; i < DS_N_PRIOS; i++) {
        struct ds_queue *queue = &ds->queues[i];
        struct ds_output *output;

        queue->reserved = 0;
        LIST_FOR_EACH_SAFE (output, queue_node, &queue->outputs) {
            if (output->sink == sink && ds_output_wanted(output)) {
                ovs_list_remove(&output->queue_node);
                n += take(ds, output, chunks);
            }
        }
    }
    return n;
}

/* All or nothing. */

void
ds_atomic_begin(struct desired_state *ds)
{
    ds_atomic_end(ds);
    ds->atomic = true;
}

void
ds_atomic_end(struct desired_state *ds)
{
    free(ds->atomic_error);
    ds->atomic_error = NULL;
    ds->atomic = false;
}

bool
ds_is_atomic(const struct desired_state *ds)
{
    return ds->atomic;
}

const char *
ds_atomic_error(const struct desired_state *ds)
{
    return ds->atomic_error;
}

void
ds_atomic_break(struct desired_state *ds, const char *error)
{
    if (!ds->atomic || ds->atomic_error) {
        return;
    }
    COVERAGE_INC(ds_atomic_broken);
    ds->atomic_error = xstrdup(error);
    for (int i = 0; i < DS_N_SINKS; i++) {
        struct ds_output *output;

        HMAP_FOR_EACH (output, hmap_node, &ds->outputs[i]) {
            if (output->flags & DS_IN_FLIGHT) {
                output->flags |= DS_FROZEN;
            }
        }
    }
}

void
ds_set_installed(struct desired_state *ds,
                 struct ds_output *output, uint64_t hash)
{
    ds->any_installed[output->sink] = true;
    output->flags |= DS_INSTALLED | DS_READ_BACK;
    output->flags &= ~DS_SAME;
    output->installed_hash = hash;
}

void
ds_set_removed(struct desired_state *ds OVS_UNUSED, struct ds_output *output)
{
    output->flags &= ~(DS_INSTALLED | DS_SAME);
}

void
ds_release(struct desired_state *ds, struct ds_output *output)
{
    bool frozen = output->flags & DS_FROZEN;

    ovs_list_remove(&output->queue_node);
    output->flags &= ~(DS_IN_FLIGHT | DS_FROZEN);
    if (frozen && output->priority == DS_N_PRIOS) {
        enum ds_priority priority = ds_output_priority(output);

        ds_output_queue(ds, output, priority);
        ds_queue_cut(ds, priority);
    } else if (output->priority < DS_N_PRIOS) {
        ovs_list_push_front(&ds->queues[output->priority].outputs,
                            &output->queue_node);
        output->flags |= DS_QUEUED | DS_CUT;
    }
    ds_output_gc(ds, output);
}

void
ds_confirm(struct desired_state *ds)
{
    for (int i = 0; i < DS_N_PRIOS; i++) {
        ds->queues[i].confirmed = ds->queues[i].head;
    }
}

/* Read-back. */

void
ds_want_readback(struct desired_state *ds, enum ds_sink sink)
{
    ds->wants_readback[sink] = true;
}

bool
ds_wants_readback(const struct desired_state *ds, enum ds_sink sink)
{
    return ds->wants_readback[sink];
}

void
ds_readback_begin(struct desired_state *ds, enum ds_sink sink)
{
    struct ds_output *output;

    ds->wants_readback[sink] = false;
    ds->n_same[sink] = 0;
    if (!ds->any_installed[sink]) {
        ds->any_installed[sink] = true;
        return;
    }
    HMAP_FOR_EACH_SAFE (output, hmap_node, &ds->outputs[sink]) {
        output->flags &= ~(DS_INSTALLED | DS_FOREIGN | DS_READ_BACK
                           | DS_SAME);
        ds_output_gc(ds, output);
    }
}

static void
set_same(struct desired_state *ds, struct ds_output *output)
{
    ds->n_same[output->sink] += !(output->flags & DS_SAME);
    output->flags |= DS_SAME;
}

struct ds_output *
ds_readback(struct desired_state *ds, enum ds_sink sink,
            const void *key, size_t key_len, uint64_t hash, bool foreign)
{
    struct ds_output *output = ds_lookup(ds, sink, key, key_len);

    if (!output) {
        output = ds_output_create(ds, sink, key, key_len);
    }
    output->flags |= foreign ? DS_FOREIGN : DS_INSTALLED;
    output->installed_hash = hash;
    if (!foreign && ds_output_wanted(output)
        && hash == ds_output_hash(output)) {
        set_same(ds, output);
    }
    return output;
}

void
ds_readback_same(struct desired_state *ds, struct ds_output *output)
{
    output->flags |= DS_INSTALLED;
    output->installed_hash = ds_output_hash(output);
    set_same(ds, output);
}

enum ds_priority
ds_output_priority(const struct ds_output *output)
{
    return (ovs_list_is_empty(&output->contributions) ? DS_PRIO_BULK
            : CONTAINER_OF(ovs_list_front(&output->contributions),
                           struct ds_contribution,
                           output_node)->unit->priority);
}

void
ds_readback_end(struct desired_state *ds, enum ds_sink sink)
{
    struct ds_output *output;

    /* What was as it was wanted, and has changed since, is queued already. */
    if (ds->n_same[sink] == hmap_count(&ds->outputs[sink])) {
        return;
    }
    HMAP_FOR_EACH_SAFE (output, hmap_node, &ds->outputs[sink]) {
        if (!ds_output_wanted(output)
            ? (output->flags & DS_INSTALLED
               && !(ds->keep && sink != DS_OVSDB_LATE))
            : (output->flags & DS_FOREIGN || ds_output_is_dirty(output))) {
            enum ds_priority priority = ds_output_priority(output);

            ds_output_queue(ds, output, priority);
            ds_queue_cut(ds, priority);
        }
        ds_output_gc(ds, output);
    }
}

size_t
ds_n_failed(const struct desired_state *ds)
{
    return ds->n_failed;
}

uint64_t
ds_failures_seqno(const struct desired_state *ds)
{
    return ds->failures_seqno;
}

void
ds_set_keep(struct desired_state *ds, bool keep)
{
    bool ends = ds->keep && !keep;

    ds->keep = keep;
    for (int i = 0; ends && i < DS_N_SINKS; i++) {
        struct ds_output *output;

        HMAP_FOR_EACH (output, hmap_node, &ds->outputs[i]) {
            if (!ds_output_wanted(output) && output->flags & DS_INSTALLED) {
                ds_output_queue(ds, output, DS_PRIO_BULK);
            }
        }
    }
    ds_queue_cut(ds, DS_PRIO_BULK);
}

bool
ds_keeps(const struct desired_state *ds)
{
    return ds->keep;
}

void
ds_set_complete(struct desired_state *ds, bool complete)
{
    ds->complete = complete;
}

bool
ds_is_complete(const struct desired_state *ds)
{
    return ds->complete;
}

void
ds_get_memory_usage(const struct desired_state *ds, struct simap *usage)
{
    for (int i = 0; i < DS_N_SINKS; i++) {
        char name[32];

        snprintf(name, sizeof name, "desired-%s", ds_sink_to_string(i));
        simap_increase(usage, name, hmap_count(&ds->outputs[i]));
    }
    simap_increase(usage, "failed-resources", ds->n_failed);
}
