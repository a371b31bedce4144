/* SPDX-License-Identifier: Apache-2.0
 *
 * commit: brings desired state into effect, in order, and says when. */

#include <config.h>

#include "apply/commit.h"

#include "apply/sink-provider.h"
#include "coverage.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(commit);

COVERAGE_DEFINE(commit_chunk);

#define COMMIT_IDLE -1
#define COMMIT_SHOWN -2         /* The observer is not ready yet. */

/* What is done in turn. */
static const struct commit_step {
    enum ds_sink sink;
    bool late;                  /* For the rest, what an earlier step of the
                                 * same sink has left: removals. */
} steps[] = {
    { DS_OVSDB, false },
    { DS_NEXT_HOP, false },
    { DS_ID, false },
    { DS_METER, false },
    { DS_OPENFLOW, true },
    { DS_METER, true },
    { DS_ID, true },
    { DS_NEXT_HOP, true },
    { DS_OVSDB, true },
    { DS_OVSDB_LATE, true },
};

struct commit {
    struct desired_state *ds;
    struct sink *sinks[DS_N_SINKS];
    enum commit_mode mode;
    int current;                /* Index in 'steps', COMMIT_IDLE or
                                 * COMMIT_SHOWN. */
    struct ovs_list chunks[DS_N_SINKS]; /* For the steps after 'current'. */
    uint64_t seqno;
    const struct commit_observer *observer; /* May be null. */
    void *observer_aux;
};

struct commit *
commit_create(struct desired_state *ds, struct sink *sinks[DS_N_SINKS])
{
    struct commit *commit = xzalloc(sizeof *commit);

    commit->ds = ds;
    commit->current = COMMIT_IDLE;
    for (int i = 0; i < DS_N_SINKS; i++) {
        commit->sinks[i] = sinks[i];
        ovs_list_init(&commit->chunks[i]);
    }
    return commit;
}

void
commit_destroy(struct commit *commit)
{
    if (!commit) {
        return;
    }
    for (int i = 0; i < DS_N_SINKS; i++) {
        while (!ovs_list_is_empty(&commit->chunks[i])) {
            ds_release(commit->ds,
                       CONTAINER_OF(ovs_list_front(&commit->chunks[i]),
                                    struct ds_output, queue_node));
        }
    }
    free(commit);
}

void
commit_set_observer(struct commit *commit,
                    const struct commit_observer *observer, void *aux)
{
    commit->observer = observer;
    commit->observer_aux = aux;
}

void
commit_set_mode(struct commit *commit, enum commit_mode mode)
{
    commit->mode = mode;
    poll_immediate_wake();
}

enum commit_mode
commit_mode(const struct commit *commit)
{
    return commit->mode;
}

bool
commit_is_at_rest(const struct commit *commit)
{
    return commit->current == COMMIT_IDLE;
}

bool
commit_is_ready(const struct commit *commit)
{
    for (int i = 0; i < DS_N_SINKS; i++) {
        if (!commit->sinks[i]->class->is_ready(commit->sinks[i])) {
            return false;
        }
    }
    return true;
}

bool
commit_is_idle(const struct commit *commit)
{
    return commit->current == COMMIT_IDLE && !ds_has_queue(commit->ds);
}

/* Begins a step with its part of the chunk, but for what is not to be changed
 * any more: of a unit, say, that an earlier sink has just refused. */
static void
step_begin(struct commit *commit, int i)
{
    const struct commit_step *step = &steps[i];
    struct sink *sink = commit->sinks[step->sink];
    struct ovs_list now = OVS_LIST_INITIALIZER(&now);
    struct ds_output *output;

    LIST_FOR_EACH_SAFE (output, queue_node, &commit->chunks[step->sink]) {
        if (!ds_output_is_dirty(output)) {
            ds_release(commit->ds, output);
        } else if (step->late || ds_output_wanted(output)) {
            ovs_list_remove(&output->queue_node);
            ovs_list_push_back(&now, &output->queue_node);
        }
    }
    commit->current = i;
    sink->class->begin(sink, &now);
}

/* Shows the chunk to the observer. */
static void
show_chunk(const struct commit *commit)
{
    struct ds_output *output;

    if (!commit->observer) {
        return;
    }
    commit->observer->begin(commit->observer_aux);
    for (int i = 0; i < DS_N_SINKS; i++) {
        LIST_FOR_EACH (output, queue_node, &commit->chunks[i]) {
            if (ds_output_is_dirty(output)) {
                commit->observer->change(output, commit->observer_aux);
            }
        }
    }
    commit->observer->end(commit->observer_aux);
}

/* Begins with a chunk that has been shown, if the observer is ready. */
static void
begin_chunk(struct commit *commit)
{
    if (commit->observer
        && !commit->observer->is_ready(commit->observer_aux)) {
        commit->current = COMMIT_SHOWN;
    } else {
        step_begin(commit, 0);
    }
}

/* Takes the outputs that are the next chunk in this mode.  Returns false if
 * there is none. */
static bool
take_chunk(struct commit *commit)
{
    size_t n;

    switch (commit->mode) {
    case COMMIT_NORMAL:
        n = ds_take(commit->ds, COMMIT_CHUNK, commit->chunks);
        break;
    case COMMIT_ATOMIC:
        n = ds_take(commit->ds, SIZE_MAX, commit->chunks);
        break;
    case COMMIT_PORTS:
        n = ds_take_from(commit->ds, DS_OVSDB, commit->chunks);
        if (!n) {
            return false;
        }
        break;
    case COMMIT_HELD:
    default:
        return false;
    }
    if (n) {
        COVERAGE_INC(commit_chunk);
    }
    return true;
}

/* Takes the next chunk, if there is one. */
static void
commit_start(struct commit *commit)
{
    if (commit->mode == COMMIT_ATOMIC && !ds_has_queue(commit->ds)) {
        commit->mode = COMMIT_HELD;
        poll_immediate_wake();
    }
    if (ds_has_queue(commit->ds) && commit_is_ready(commit)
        && take_chunk(commit)) {
        show_chunk(commit);
        begin_chunk(commit);
    }
}

/* All steps have been done. */
static void
commit_end(struct commit *commit)
{
    commit->current = COMMIT_IDLE;
    ds_confirm(commit->ds);
    commit->seqno++;
    if (commit->observer) {
        commit->observer->confirmed(commit->observer_aux);
    }
    if (commit->mode == COMMIT_ATOMIC) {
        commit->mode = COMMIT_HELD;
    }
    if (commit->mode != COMMIT_NORMAL) {
        poll_immediate_wake();  /* Somebody waits for this. */
    }
    commit_start(commit);
}

void
commit_run(struct commit *commit)
{
    for (int i = 0; i < DS_N_SINKS; i++) {
        commit->sinks[i]->class->run(commit->sinks[i]);
    }
    if (commit->current == COMMIT_IDLE) {
        commit_start(commit);
    } else if (commit->current == COMMIT_SHOWN) {
        begin_chunk(commit);
    }
    while (commit->current >= 0) {
        struct sink *sink = commit->sinks[steps[commit->current].sink];

        if (!sink->class->is_done(sink)) {
            break;
        }
        if (commit->current + 1 < (int) ARRAY_SIZE(steps)) {
            step_begin(commit, commit->current + 1);
            sink = commit->sinks[steps[commit->current].sink];
            sink->class->run(sink);
        } else {
            commit_end(commit);
        }
    }
}

void
commit_wait(struct commit *commit)
{
    for (int i = 0; i < DS_N_SINKS; i++) {
        commit->sinks[i]->class->wait(commit->sinks[i]);
    }
    if (commit->current == COMMIT_IDLE && commit->mode == COMMIT_NORMAL
        && ds_has_queue(commit->ds) && commit_is_ready(commit)) {
        poll_immediate_wake();
    }
}

bool
commit_reached(const struct commit *commit, const struct ds_mark *mark)
{
    return ds_reached(commit->ds, mark);
}

uint64_t
commit_seqno(const struct commit *commit)
{
    return commit->seqno;
}

void
commit_describe(const struct commit *commit, struct ds *s)
{
    for (int i = 0; i < DS_N_SINKS; i++) {
        const struct sink *sink = commit->sinks[i];

        ds_put_format(s, "%s: ", ds_sink_to_string(i));
        sink->class->describe(sink, s);
        if (commit->current >= 0
            && steps[commit->current].sink == i) {
            ds_put_cstr(s, ", at work");
        }
        ds_put_char(s, '\n');
    }
}
