/* SPDX-License-Identifier: Apache-2.0
 *
 * goal-merge: how an update meets what is stored. */

#ifndef STORE_GOAL_MERGE_H
#define STORE_GOAL_MERGE_H 1

/* Merging
 * =======
 *
 * What?
 * -----
 *
 * Controllers send a resource whole (FULL, CREATE) or as a difference (DELTA).
 * In a difference of proto3 "not set" and "set to the default value" look the
 * same, so what a default value means is a matter of rules, one for each
 * member.  The tables of goal-types.h say which applies:
 *
 *    GFF_WINS     the update's value, default or not
 *    GFF_MERGE    a list: merged, see below
 *    otherwise    the update's value if it is not the default (a list: if it
 *                 is not empty), else the stored one
 *
 * Lists
 * -----
 *
 * The elements of a GFF_MERGE list are told apart by their GFF_KEY members.
 * Each element of the update is taken in turn:
 *
 *    operation DELETE    removes the element with that key, if there is one
 *    operation GET       changes nothing
 *    otherwise           replaces the element with that key in place, or is
 *                        appended; GFF_MERGE lists inside the element (the
 *                        routes of a subnet's table) are merged in the same
 *                        way, instead of being replaced
 *
 * A whole resource goes by the same rules, starting from empty lists: elements
 * to be deleted vanish, of two with the same key the later one stays in the
 * place of the earlier.
 *
 * In what comes out, GFF_OPERATION members are 0.
 *
 * Kinds that keep no deltas (struct goal_kind_info) are always whole.
 *
 * Thread-safety: no shared state. */

#include <stdbool.h>

struct goal_resource;

/* Returns what is to be stored when 'update' meets 'stored', of the same kind
 * and id, owned by the caller. */
struct goal_resource *goal_merge(const struct goal_resource *stored,
                                 const struct goal_resource *update);

/* Returns what is to be stored when 'update' creates what is there already as
 * 'stored', owned by the caller: 'update', with GFF_HALVES lists merged. */
struct goal_resource *goal_merge_created(const struct goal_resource *stored,
                                         const struct goal_resource *update);

/* Returns what is to be stored when 'resource' replaces whatever there is,
 * owned by the caller. */
struct goal_resource *goal_normalize(const struct goal_resource *);

/* Returns true if goal_normalize() would return an exact copy.  Cheap; may
 * also return false when it would. */
bool goal_is_normal(const struct goal_resource *);

#endif /* store/goal-merge.h */
