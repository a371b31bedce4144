/* SPDX-License-Identifier: Apache-2.0
 *
 * dependency: who has read what. */

#include <config.h>

#include "translate/dependency.h"

#include "hash.h"
#include "util.h"

struct dep_key_node {
    struct hmap_node hmap_node; /* In struct dep_graph's 'keys'. */
    uint64_t key;
    struct ovs_list edges;      /* Contains "struct dep_edge"s. */
};

struct dep_edge {
    struct ovs_list key_node;   /* In struct dep_key_node's 'edges'. */
    struct ovs_list reader_node; /* In struct dep_reader's 'edges'. */
    struct dep_key_node *key;
    struct dep_reader *reader;
};

void
dep_graph_init(struct dep_graph *graph)
{
    hmap_init(&graph->keys);
    graph->n_edges = 0;
}

void
dep_graph_destroy(struct dep_graph *graph)
{
    ovs_assert(hmap_is_empty(&graph->keys));
    hmap_destroy(&graph->keys);
}

void
dep_reader_init(struct dep_reader *reader)
{
    ovs_list_init(&reader->edges);
}

static struct dep_key_node *
dep_key_find(const struct dep_graph *graph, uint64_t key)
{
    struct dep_key_node *node;

    HMAP_FOR_EACH_WITH_HASH (node, hmap_node, hash_uint64(key),
                             &graph->keys) {
        if (node->key == key) {
            return node;
        }
    }
    return NULL;
}

void
dep_record(struct dep_graph *graph, struct dep_reader *reader, uint64_t key)
{
    struct dep_edge *edge;

    LIST_FOR_EACH (edge, reader_node, &reader->edges) {
        if (edge->key->key == key) {
            return;
        }
    }

    struct dep_key_node *node = dep_key_find(graph, key);
    if (!node) {
        node = xmalloc(sizeof *node);
        node->key = key;
        ovs_list_init(&node->edges);
        hmap_insert(&graph->keys, &node->hmap_node, hash_uint64(key));
    }

    edge = xmalloc(sizeof *edge);
    edge->key = node;
    edge->reader = reader;
    ovs_list_push_back(&node->edges, &edge->key_node);
    ovs_list_push_back(&reader->edges, &edge->reader_node);
    graph->n_edges++;
}

void
dep_forget(struct dep_graph *graph, struct dep_reader *reader)
{
    struct dep_edge *edge;

    LIST_FOR_EACH_POP (edge, reader_node, &reader->edges) {
        struct dep_key_node *node = edge->key;

        ovs_list_remove(&edge->key_node);
        if (ovs_list_is_empty(&node->edges)) {
            hmap_remove(&graph->keys, &node->hmap_node);
            free(node);
        }
        free(edge);
        graph->n_edges--;
    }
}

void
dep_wake(struct dep_graph *graph, uint64_t key,
         void (*cb)(struct dep_reader *, void *aux), void *aux)
{
    struct dep_key_node *node = dep_key_find(graph, key);
    struct dep_edge *edge;

    if (node) {
        LIST_FOR_EACH (edge, key_node, &node->edges) {
            cb(edge->reader, aux);
        }
    }
}
