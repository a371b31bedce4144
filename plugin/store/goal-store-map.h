/* SPDX-License-Identifier: Apache-2.0
 *
 * goal-store-map: a hash table in a file, from ids to their surrogates. */

#ifndef STORE_GOAL_STORE_MAP_H
#define STORE_GOAL_STORE_MAP_H 1

/* Goal store's map
 * ================
 *
 * Motivation
 * ----------
 *
 * Ids are random, so in a B-tree each new one has a leaf of its own to change:
 * with a million of them a page copied and written for each.  A hash table in
 * a shared mapping changes eight bytes, in the page cache.
 *
 * What?
 * -----
 *
 * The map is a multiset of pairs: a hash of a kind and id, and the number that
 * is in the surrogate of that id.  It keeps some of the bits of the hash only,
 * and never the id: a number that it finds may belong to another id, and the
 * caller must look.  What it does not find is not there.
 *
 * The map is not durable.  It is believed only if it was closed in good order,
 * at the same transaction of LMDB as the rest of the store is at, and has the
 * checksum that it had then.  Otherwise goal_map_open() makes an empty one,
 * and it is the caller's to fill it from what is durable.
 *
 * Layout
 * ------
 *
 * A header, a page long, and a power of 2 of slots, in the host's byte order.
 * A slot is 0 if empty, or the upper MAP_TAG_BITS of the hash and the number.
 * The upper bits of the hash say which slot is a pair's home; it is there or
 * in one of the following, with no empty one in between.  The table is at most
 * three quarters full, then it is doubled, which takes about 20 ms for a
 * million pairs.
 *
 * Thread-safety: none. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct goal_map;

/* Numbers are from 1 to this. */
#define GOAL_MAP_MAX_NUMBER ((UINT64_C(1) << 36) - 1)

/* Opens the map in file 'name'.  If it cannot be believed to be that of
 * transaction 'txnid', it is empty and '*valid' is set to false.  Returns 0 or
 * a positive errno value. */
int goal_map_open(const char *name, uint64_t txnid, struct goal_map **,
                  bool *valid);

/* Closes the map, which is that of transaction 'txnid'.  Accepts null. */
void goal_map_close(struct goal_map *, uint64_t txnid);

/* Returns the hash of the 'len' bytes of 'id', of 'kind'. */
uint64_t goal_map_hash(const struct goal_map *, uint8_t kind, const char *id,
                       size_t len);

/* Adds a pair.  Returns 0 or a positive errno value: there is no room for a
 * bigger table. */
int goal_map_insert(struct goal_map *, uint64_t hash, uint64_t number);

/* Removes a pair, if it is there. */
void goal_map_remove(struct goal_map *, uint64_t hash, uint64_t number);

/* Finds numbers that 'hash' may have.  'position' must be 0 at first.  Returns
 * the next number, or 0 if there are no more. */
uint64_t goal_map_next(const struct goal_map *, uint64_t hash,
                       size_t *position);

#endif /* store/goal-store-map.h */
