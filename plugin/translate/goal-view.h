/* SPDX-License-Identifier: Apache-2.0
 *
 * goal-view: the store as plugins see it, with recording of what is read. */

#ifndef TRANSLATE_GOAL_VIEW_H
#define TRANSLATE_GOAL_VIEW_H 1

/* Goal view
 * =========
 *
 * What plugins call is declared in plugin-provider.h; this is the other side,
 * for the translator.
 *
 * Resources that many translations read (all kinds but neighbours) are kept
 * unpacked in a cache of at most GOAL_VIEW_CACHE entries, which the translator
 * invalidates by the changes it sees.
 *
 * Usage: goal_view_begin() names the reader that the lookups are recorded for;
 * goal_view_end() frees what they returned.
 *
 * Thread-safety: main thread only. */

#include "openvswitch/hmap.h"
#include "openvswitch/list.h"
#include "store/goal-store.h"

struct dep_graph;
struct dep_reader;
struct goal_view;
struct vol_store;

#define GOAL_VIEW_CACHE 16384

struct goal_view *goal_view_create(struct goal_store *, struct vol_store *,
                                   struct dep_graph *);
void goal_view_destroy(struct goal_view *);

void goal_view_begin(struct goal_view *, struct dep_reader *);
void goal_view_end(struct goal_view *);

/* Forgets what is cached of the resource with this dependency key. */
void goal_view_invalidate(struct goal_view *, uint64_t dep_key);
void goal_view_flush(struct goal_view *);

#endif /* translate/goal-view.h */
