/* SPDX-License-Identifier: Apache-2.0
 *
 * desired-state-private: what desired-state.c and desired-unit.c share. */

#ifndef APPLY_DESIRED_STATE_PRIVATE_H
#define APPLY_DESIRED_STATE_PRIVATE_H 1

/* desired-state.c has the outputs and their queue, desired-unit.c who wants
 * them.  Essay: desired-state.h.  Thread-safety: main thread only. */

#include "apply/desired-state.h"

struct ds_queue {
    struct ovs_list outputs;    /* Contains "struct ds_output"s. */
    uint64_t tail;              /* Last position ever given. */
    uint64_t head;              /* All up to this position were taken. */
    uint64_t confirmed;         /* Last 'head' that was confirmed. */
    uint64_t reserved;          /* First position left out for an output in
                                 * flight since ds_take() began, or 0. */
};

struct desired_state {
    struct hmap outputs[DS_N_SINKS]; /* Contains "struct ds_output"s. */
    struct ds_queue queues[DS_N_PRIOS];
    size_t n_failed;            /* Failed units. */
    uint64_t failures_seqno;    /* Changes whenever one fails or no more. */
    size_t n_flows[UINT8_MAX + 1]; /* Flows that are wanted, by plugin. */
    bool complete;
    bool keep;                  /* See ds_set_keep(). */
    bool wants_readback[DS_N_SINKS];
    bool any_installed[DS_N_SINKS]; /* False: no output is marked so. */
    size_t n_same[DS_N_SINKS];  /* Read back as wanted, by the last one. */
    bool atomic;                /* See ds_atomic_begin(). */
    char *atomic_error;         /* Or null. */
};

/* Creates an output that nobody wants yet. */
struct ds_output *ds_output_create(struct desired_state *, enum ds_sink,
                                   const void *key, size_t key_len);

/* The queue that a change goes to for which no unit is to blame. */
enum ds_priority ds_output_priority(const struct ds_output *);

/* Frees the output if nothing refers to it any more. */
void ds_output_gc(struct desired_state *, struct ds_output *);

/* Queues the output, unless it is queued already. */
void ds_output_queue(struct desired_state *, struct ds_output *,
                     enum ds_priority);

/* Lets a chunk end after what was queued last. */
void ds_queue_cut(struct desired_state *, enum ds_priority);

/* Returns the contribution that decides an exclusive output: of the healthy
 * ones if there are any, the one with the lowest rank and name. */
const struct ds_contribution *ds_output_winner(const struct ds_output *);

#endif /* apply/desired-state-private.h */
