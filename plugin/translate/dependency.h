/* SPDX-License-Identifier: Apache-2.0
 *
 * dependency: who has read what. */

#ifndef TRANSLATE_DEPENDENCY_H
#define TRANSLATE_DEPENDENCY_H 1

/* Dependencies
 * ============
 *
 * A bipartite graph between keys (dep-key.h: a record, or a range of an index)
 * and readers (struct dep_reader, embedded in whatever reads).  dep_record()
 * adds an edge, dep_forget() drops all edges of a reader, dep_wake() calls
 * back for each reader of a key.  All cost O(1) for each edge, except that
 * recording searches the edges that the reader already has (few).
 *
 * Thread-safety: main thread only. */

#include <stddef.h>
#include <stdint.h>
#include "openvswitch/hmap.h"
#include "openvswitch/list.h"

struct dep_graph {
    struct hmap keys;           /* Contains "struct dep_key_node"s. */
    size_t n_edges;
};

struct dep_reader {
    struct ovs_list edges;      /* Contains "struct dep_edge"s. */
};

void dep_graph_init(struct dep_graph *);
void dep_graph_destroy(struct dep_graph *); /* No readers may be left. */

void dep_reader_init(struct dep_reader *);
void dep_record(struct dep_graph *, struct dep_reader *, uint64_t key);
void dep_forget(struct dep_graph *, struct dep_reader *);

/* The callback must not record or forget. */
void dep_wake(struct dep_graph *, uint64_t key,
              void (*cb)(struct dep_reader *, void *aux), void *aux);

#endif /* translate/dependency.h */
