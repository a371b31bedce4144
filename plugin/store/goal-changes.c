/* SPDX-License-Identifier: Apache-2.0
 *
 * goal-changes: sets of changed resources. */

#include <config.h>

#include "store/goal-store-private.h"

#include <stdlib.h>
#include <string.h>

#include "hash.h"
#include "util.h"

void
goal_changes_destroy(struct goal_changes *changes)
{
    for (size_t i = 0; i < changes->n; i++) {
        free(changes->changes[i].id);
        free(changes->changes[i].touched);
    }
    free(changes->changes);
    free(changes->slots);
    *changes = (struct goal_changes) GOAL_CHANGES_INITIALIZER;
}

/* Returns the slot of 'key': it has the change's number plus 1, or 0 if there
 * is no change of 'key' yet.  'changes->slots' is an open hash table that is
 * at most half full. */
static uint32_t *
changes_slot(const struct goal_changes *changes, const struct goal_key *key)
{
    size_t i = hash_uint64_basis(key->sid, key->kind);

    for (;; i++) {
        uint32_t *slot = &changes->slots[i & (changes->n_slots - 1)];
        const struct goal_key *k;

        if (!*slot) {
            return slot;
        }
        k = &changes->changes[*slot - 1].key;
        if (k->sid == key->sid && k->kind == key->kind) {
            return slot;
        }
    }
}

static void
changes_grow(struct goal_changes *changes)
{
    if (2 * (changes->n + 1) <= changes->n_slots) {
        return;
    }
    free(changes->slots);
    changes->n_slots = MAX(64, 2 * changes->n_slots);
    changes->slots = xcalloc(changes->n_slots, sizeof *changes->slots);
    for (size_t i = 0; i < changes->n; i++) {
        *changes_slot(changes, &changes->changes[i].key) = i + 1;
    }
}

/* Returns the change of 'key', a new one with null 'id' if there is none. */
static struct goal_change *
changes_get(struct goal_changes *changes, const struct goal_key *key)
{
    struct goal_change *c;
    uint32_t *slot;

    changes_grow(changes);
    slot = changes_slot(changes, key);
    if (*slot) {
        return &changes->changes[*slot - 1];
    }
    if (changes->n >= changes->allocated) {
        changes->changes = x2nrealloc(changes->changes, &changes->allocated,
                                      sizeof *changes->changes);
    }
    c = &changes->changes[changes->n++];
    *c = (struct goal_change) { .key = *key };
    *slot = changes->n;
    return c;
}

/* Adds the 'n' keys at 'touched', in order and unique, to those of 'c'. */
static void
change_touch(struct goal_change *c, const uint64_t *touched, size_t n)
{
    uint64_t *all = xmalloc((c->n_touched + n) * sizeof *all);
    size_t i = 0, j = 0, k = 0;

    while (i < c->n_touched || j < n) {
        if (j >= n || (i < c->n_touched && c->touched[i] < touched[j])) {
            all[k++] = c->touched[i++];
        } else {
            i += i < c->n_touched && c->touched[i] == touched[j];
            all[k++] = touched[j++];
        }
    }
    free(c->touched);
    c->touched = all;
    c->n_touched = k;
}

/* Notes that 'key', named 'id', has changed or is 'deleted', touching the
 * 'n_touched' dependency keys at 'touched', in order and unique. */
void
goal_changes_add(struct goal_changes *changes, const struct goal_key *key,
                 const char *id, bool deleted, const uint64_t *touched,
                 size_t n_touched)
{
    struct goal_change *c = changes_get(changes, key);

    c->deleted = deleted;
    if (c->id) {
        change_touch(c, touched, n_touched);
    } else {
        c->id = xstrdup(id);
        c->touched = xmemdup(touched, n_touched * sizeof *touched);
        c->n_touched = n_touched;
    }
}

/* Moves everything in 'src', which is later, to 'dst'. */
void
goal_changes_move(struct goal_changes *dst, struct goal_changes *src)
{
    if (!dst->n) {
        struct goal_changes tmp = *dst;

        *dst = *src;
        *src = tmp;
        goal_changes_destroy(src);
        return;
    }
    for (size_t i = 0; i < src->n; i++) {
        struct goal_change *from = &src->changes[i];
        struct goal_change *to = changes_get(dst, &from->key);

        if (to->id) {
            to->deleted = from->deleted;
            change_touch(to, from->touched, from->n_touched);
        } else {
            *to = *from;
            from->id = NULL;
            from->touched = NULL;
        }
    }
    goal_changes_destroy(src);
}
