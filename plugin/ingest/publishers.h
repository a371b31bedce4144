/* SPDX-License-Identifier: Apache-2.0
 *
 * publishers: incarnations of publishers that are known. */

#ifndef INGEST_PUBLISHERS_H
#define INGEST_PUBLISHERS_H 1

/* Publishers
 * ==========
 *
 * What?
 * -----
 *
 * A publisher gets a new epoch each time that it starts.  This table remembers
 * what is known of each (sender, epoch).  Publishers may start as often as
 * they like, and senders may be called anything, so it has two limits:
 *
 *    - PUBLISHERS_MAX_EPOCHS of each sender: the next one replaces that from
 *      which nothing has come for longest.  More than one is needed because
 *      messages of an earlier one may still be on their way, and because two
 *      servers may share a name for a while.
 *
 *    - "publishers" of all (limits/show): the next one replaces that from
 *      which nothing has come for longest.
 *
 * Nothing breaks if one that was forgotten comes back: it is new once more, so
 * its state is asked for once more.
 *
 * Usage
 * -----
 *
 * publishers_add() finds or adds one, and notes that it is in use;
 * publishers_find() only looks.  What they return is valid until the next
 * publishers_add().
 *
 * Thread-safety: main thread only. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "openvswitch/hmap.h"
#include "openvswitch/list.h"

#define PUBLISHERS_MAX_EPOCHS 4

struct publisher {
    struct hmap_node node;      /* In 'publishers', by sender. */
    struct ovs_list list_node;  /* In 'by_use'. */
    uint64_t used;              /* Number of its last use. */
    char *sender;
    uint64_t epoch;

    bool synced;                /* Its state was asked for and answered; that
                                 * is stored. */
    bool no_state;              /* It holds no state. */
};

struct publishers {
    struct hmap publishers;     /* Contains "struct publisher"s. */
    struct ovs_list by_use;     /* Same, last used last. */
    uint64_t n_uses;
};

#define PUBLISHERS_FOR_EACH(P, PS) \
    LIST_FOR_EACH (P, list_node, &(PS)->by_use)

void publishers_init(struct publishers *);
void publishers_destroy(struct publishers *);

struct publisher *publishers_find(const struct publishers *,
                                  const char *sender, uint64_t epoch);
struct publisher *publishers_add(struct publishers *, const char *sender,
                                 uint64_t epoch);

static inline size_t
publishers_count(const struct publishers *ps)
{
    return hmap_count(&ps->publishers);
}

#endif /* ingest/publishers.h */
