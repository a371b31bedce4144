/* SPDX-License-Identifier: Apache-2.0
 *
 * commit: brings desired state into effect, in order, and says when. */

#ifndef APPLY_COMMIT_H
#define APPLY_COMMIT_H 1

/* Commit
 * ======
 *
 * What?
 * -----
 *
 * Takes changed outputs from the desired state's queues, in chunks of at most
 * COMMIT_CHUNK cut at resource boundaries, and passes each chunk through the
 * sinks in the order of enum ds_sink: OVSDB rows, next hops, numbers, meters,
 * groups and flows, and last what announces that flows are in.  What is not
 * wanted any more of the kinds before the flows goes after the flows that used
 * it.  Each step has been confirmed (transaction reply, unixctl reply,
 * barrier reply) before the next begins.
 *
 *         idle --(queue not empty, sinks ready)--> shown to the observer
 *           ^                                            | it is ready
 *           |                                            v
 *           |                                      step 0 --> ... --> step n
 *           +------------------- ds_confirm() ----------------------------+
 *
 * commit_reached() tells whether everything up to a mark (desired-state.h) has
 * been through; the acknowledgement (feedback/ack.h) rests on it.
 *
 * Modes
 * -----
 *
 *    COMMIT_NORMAL    As above.
 *    COMMIT_HELD      No chunk begins.  One that has begun is finished.
 *    COMMIT_PORTS     Only new rows of DS_OVSDB: ports that flows will name.
 *    COMMIT_ATOMIC    Everything that is queued is one chunk, and what is in
 *                     it of OpenFlow is one bundle.  Then COMMIT_HELD.
 *
 * A transaction goes through the last three (agent-transaction.h).  The mode
 * should be COMMIT_ATOMIC only between ds_atomic_begin() and ds_atomic_end():
 * then the first failure stops the chunk.
 *
 * Thread-safety: main thread only. */

#include <stdbool.h>
#include <stdint.h>
#include "apply/desired-state.h"

struct commit;
struct ds;
struct sink;

#define COMMIT_CHUNK 4096

/* 'sinks' are by enum ds_sink and must outlive the commit. */
struct commit *commit_create(struct desired_state *,
                             struct sink *sinks[DS_N_SINKS]);
void commit_destroy(struct commit *);

/* Who wants to see what is going to change before it does
 * (feedback/offload.h), and when it has: called for each chunk. */
struct commit_observer {
    void (*begin)(void *aux);
    void (*change)(const struct ds_output *, void *aux);
    void (*end)(void *aux);     /* All have been seen. */
    bool (*is_ready)(void *aux); /* Now they may be changed: asked for until
                                  * it is so. */
    void (*confirmed)(void *aux); /* All are in effect, or have failed. */
};
void commit_set_observer(struct commit *, const struct commit_observer *,
                         void *aux);

enum commit_mode {
    COMMIT_NORMAL,
    COMMIT_HELD,
    COMMIT_PORTS,
    COMMIT_ATOMIC,
};
void commit_set_mode(struct commit *, enum commit_mode);
enum commit_mode commit_mode(const struct commit *);

void commit_run(struct commit *);
void commit_wait(struct commit *);

/* Everything queued up to 'mark' is in effect or has failed. */
bool commit_reached(const struct commit *, const struct ds_mark *);

/* Changes whenever commit_reached() may have changed. */
uint64_t commit_seqno(const struct commit *);

/* All sinks are connected. */
bool commit_is_ready(const struct commit *);
bool commit_is_idle(const struct commit *);

/* No chunk is under way, whatever waits. */
bool commit_is_at_rest(const struct commit *);

void commit_describe(const struct commit *, struct ds *);

#endif /* apply/commit.h */
