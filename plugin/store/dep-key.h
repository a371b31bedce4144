/* SPDX-License-Identifier: Apache-2.0
 *
 * dep-key: 64-bit names for "something that can be read", for dependencies. */

#ifndef STORE_DEP_KEY_H
#define STORE_DEP_KEY_H 1

/* A dependency key is a hash of what a translation may read: one record (goal
 * state or volatile) by kind and id, or one range of an index.  A change
 * carries the keys it touches; whoever read one of them is translated again.
 * Two different things may share a key: that costs a needless translation
 * (which changes nothing), never a missed one. */

#include <stdint.h>
#include <string.h>
#include "hash.h"

/* Name spaces.  Kinds of goal resource (enum goal_kind) are 0...15, volatile
 * kinds 16...31, ranges of indexes from 32 on (enum goal_index + 32). */
#define DEP_VOLATILE 16
#define DEP_INDEX 32

static inline uint64_t
dep_key(uint32_t space, const void *name, size_t len)
{
    uint64_t hi = hash_bytes(name, len, space);
    return hi << 32 | hash_bytes(name, len, hash_int(space, 0x9e3779b9));
}

static inline uint64_t
dep_key_string(uint32_t space, const char *name)
{
    return dep_key(space, name, strlen(name));
}

#endif /* store/dep-key.h */
