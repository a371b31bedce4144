/* SPDX-License-Identifier: Apache-2.0
 *
 * sink-provider: what brings a part of the desired state into effect. */

#ifndef APPLY_SINK_PROVIDER_H
#define APPLY_SINK_PROVIDER_H 1

/* Sinks
 * =====
 *
 * What?
 * -----
 *
 * A sink makes one kind of output (enum ds_sink) real: OVSDB rows, next-hop
 * entries, flows; later meters and BPF maps.  The commit (commit.h) hands each
 * sink in turn a chunk of outputs and waits until it says that they are in
 * effect before it goes on to the next.
 *
 * Protocol
 * --------
 *
 *    1. 'begin' gives the sink a list of outputs (linked by 'queue_node').
 *       For each, ds_output_wanted() tells whether it is to be installed (with
 *       ds_output_cookie() and ds_output_value()) or removed.
 *
 *    2. 'run' makes progress without blocking.  For each output it calls
 *       ds_set_installed() or ds_set_removed() and then ds_release(), or, when
 *       the data plane refused it, ds_unit_fail() for the unit or units to
 *       blame; the others go on.
 *
 *    3. When the list is empty, 'is_done' returns true.
 *
 * A sink that loses its connection half-way keeps the list; after it has
 * connected again and has read back what is installed it goes on with the
 * difference.  'is_ready' is false meanwhile.
 *
 * Life cycle
 * ----------
 *
 * Sinks are created and destroyed by the agent with functions of their own,
 * since each needs something else; the commit uses only this class.
 *
 * Thread-safety: main thread only. */

#include <stdbool.h>
#include "openvswitch/list.h"

struct ds;
struct simap;
struct sink;

struct sink_class {
    const char *name;           /* "openflow". */

    void (*begin)(struct sink *, struct ovs_list *outputs);
    void (*run)(struct sink *);
    void (*wait)(struct sink *);
    bool (*is_done)(const struct sink *);

    /* True if it is connected and knows what is installed. */
    bool (*is_ready)(const struct sink *);

    /* One line for people. */
    void (*describe)(const struct sink *, struct ds *);
};

struct sink {
    const struct sink_class *class;
};

/* A sink that confirms everything at once, for the dummy data plane. */
struct desired_state;
struct sink *sink_dummy_create(struct desired_state *);
void sink_dummy_destroy(struct sink *);

#endif /* apply/sink-provider.h */
