/* SPDX-License-Identifier: Apache-2.0
 *
 * goal-merge: updates and replacements, driven by the resources' tables. */

#include <config.h>

#include "store/goal-merge.h"

#include <stdlib.h>
#include <string.h>

#include "hash.h"
#include "openvswitch/hmap.h"
#include "store/goal-fields.h"
#include "store/goal-types.h"
#include "util.h"

/* The two of Alcor's OperationType that matter to an element of a list. */
#define OPERATION_GET 3
#define OPERATION_DELETE 4

/* Up to this many elements, goal_is_normal() looks for equal keys. */
#define MAX_PAIRS 8

/* A list while elements are being merged into it. */
struct merge_list {
    struct goal_list *list;     /* Elements; deleted ones are gaps. */
    const struct goal_field *field; /* What describes the list. */
    size_t allocated;           /* Room in 'list'. */
    struct hmap slots;          /* Contains "struct merge_slot"s. */
};

struct merge_slot {
    struct hmap_node node;      /* In 'slots', by hash of the key. */
    size_t index;               /* Of the element. */
};

static void goal_merge_struct(const struct goal_struct *, void *base,
                              const void *update);

/* Keys and operations of elements. */

static const struct goal_field *
find_operation(const struct goal_struct *layout)
{
    for (size_t i = 0; i < layout->n_fields; i++) {
        if (layout->fields[i].flags & GFF_OPERATION) {
            return &layout->fields[i];
        }
    }
    return NULL;
}

static uint32_t
hash_key(const struct goal_struct *layout, const void *elem)
{
    uint32_t hash = 0;

    for (size_t i = 0; i < layout->n_fields; i++) {
        const struct goal_field *field = &layout->fields[i];

        if (!(field->flags & GFF_KEY)) {
            continue;
        } else if (field->type == GF_STRING) {
            hash = hash_string(*goal_field_string(field, elem), hash);
        } else {
            hash = hash_bytes(goal_field_ptr(field, elem),
                              goal_field_plain_size(field->type), hash);
        }
    }
    return hash;
}

static bool
keys_equal(const struct goal_struct *layout, const void *a, const void *b)
{
    for (size_t i = 0; i < layout->n_fields; i++) {
        const struct goal_field *field = &layout->fields[i];

        if (!(field->flags & GFF_KEY)) {
            continue;
        } else if (field->type == GF_STRING) {
            if (strcmp(*goal_field_string(field, a),
                       *goal_field_string(field, b))) {
                return false;
            }
        } else if (memcmp(goal_field_ptr(field, a), goal_field_ptr(field, b),
                          goal_field_plain_size(field->type))) {
            return false;
        }
    }
    return true;
}

/* Lists. */

static void
merge_list_insert(struct merge_list *ml, uint32_t hash, size_t index)
{
    struct merge_slot *slot = xmalloc(sizeof *slot);

    slot->index = index;
    hmap_insert(&ml->slots, &slot->node, hash);
}

/* Starts merging into 'list', whose elements have different keys. */
static void
merge_list_init(struct merge_list *ml, const struct goal_field *field,
                struct goal_list *list)
{
    ml->list = list;
    ml->field = field;
    ml->allocated = list->n;
    hmap_init(&ml->slots);
    for (size_t i = 0; i < list->n; i++) {
        merge_list_insert(ml, hash_key(field->sub,
                                       goal_list_elem(field, list, i)), i);
    }
}

static struct merge_slot *
merge_list_find(const struct merge_list *ml, const void *elem, uint32_t hash)
{
    struct merge_slot *slot;

    HMAP_FOR_EACH_WITH_HASH (slot, node, hash, &ml->slots) {
        if (keys_equal(ml->field->sub, elem,
                       goal_list_elem(ml->field, ml->list, slot->index))) {
            return slot;
        }
    }
    return NULL;
}

/* Returns room for an element at the end of the list. */
static void *
merge_list_append(struct merge_list *ml)
{
    struct goal_list *list = ml->list;

    if (list->n >= ml->allocated) {
        list->elems = x2nrealloc(list->elems, &ml->allocated,
                                 ml->field->sub->size);
    }
    return goal_list_elem(ml->field, list, list->n++);
}

/* Makes 'dst', uninitialized memory, what is stored of 'src', an element. */
static void
clone_element(const struct goal_struct *layout, void *dst, const void *src)
{
    const struct goal_field *operation = find_operation(layout);

    goal_struct_init(layout, dst);
    goal_merge_struct(layout, dst, src);
    if (operation) {
        *(uint32_t *) goal_field_ptr(operation, dst) = 0;
    }
}

/* Makes 'dst', a stored element, what it is after 'src', an element with the
 * same key: a copy of it, but lists in it that are merged go on from those of
 * 'dst'. */
static void
replace_element(const struct goal_struct *layout, void *dst, const void *src)
{
    void *old = xmemdup(dst, layout->size);

    goal_struct_init(layout, dst);
    for (size_t i = 0; i < layout->n_fields; i++) {
        const struct goal_field *field = &layout->fields[i];

        if (field->flags & GFF_MERGE) {
            struct goal_list *list = goal_field_list(field, old);

            *goal_field_list(field, dst) = *list;
            *list = (struct goal_list) { NULL, 0 };
        }
    }
    goal_merge_struct(layout, dst, src);
    if (find_operation(layout)) {
        *(uint32_t *) goal_field_ptr(find_operation(layout), dst) = 0;
    }
    goal_struct_uninit(layout, old);
    free(old);
}

/* Applies 'elem' to the list. */
static void
merge_list_apply(struct merge_list *ml, const void *elem)
{
    const struct goal_struct *layout = ml->field->sub;
    const struct goal_field *f = find_operation(layout);
    uint32_t operation = f ? *(uint32_t *) goal_field_ptr(f, elem) : 0;
    uint32_t hash = hash_key(layout, elem);
    struct merge_slot *slot = merge_list_find(ml, elem, hash);

    if (operation == OPERATION_GET) {
        return;
    } else if (operation == OPERATION_DELETE) {
        if (slot) {
            hmap_remove(&ml->slots, &slot->node);
            goal_struct_uninit(layout, goal_list_elem(ml->field, ml->list,
                                                      slot->index));
            memset(goal_list_elem(ml->field, ml->list, slot->index), 0xff,
                   layout->size);
            free(slot);
        }
    } else if (slot) {
        replace_element(layout, goal_list_elem(ml->field, ml->list,
                                               slot->index), elem);
    } else {
        merge_list_insert(ml, hash, ml->list->n);
        clone_element(layout, merge_list_append(ml), elem);
    }
}

/* Closes the gaps of deleted elements. */
static void
merge_list_finish(struct merge_list *ml)
{
    size_t size = ml->field->sub->size;
    struct goal_list *list = ml->list;
    bool *alive = xzalloc(list->n + 1);
    struct merge_slot *slot;
    size_t n = 0;

    HMAP_FOR_EACH_POP (slot, node, &ml->slots) {
        alive[slot->index] = true;
        free(slot);
    }
    hmap_destroy(&ml->slots);
    for (size_t i = 0; i < list->n; i++) {
        if (alive[i]) {
            memmove(list->elems + n++ * size, list->elems + i * size, size);
        }
    }
    free(alive);
    list->n = n;
    if (!n) {
        free(list->elems);
        list->elems = NULL;
    }
}

static void
merge_lists(const struct goal_field *field, void *base, const void *update)
{
    const struct goal_list *from = goal_field_list(field, update);
    struct merge_list ml;

    merge_list_init(&ml, field, goal_field_list(field, base));
    for (size_t i = 0; i < from->n; i++) {
        merge_list_apply(&ml, goal_list_elem(field, from, i));
    }
    merge_list_finish(&ml);
}

/* Structs. */

/* Applies 'update' to 'base', member by member. */
static void
goal_merge_struct(const struct goal_struct *layout, void *base,
                  const void *update)
{
    for (size_t i = 0; i < layout->n_fields; i++) {
        const struct goal_field *field = &layout->fields[i];

        if (field->flags & GFF_MERGE) {
            merge_lists(field, base, update);
        } else if (field->flags & GFF_WINS
                   || !goal_field_is_default(field, update)) {
            goal_field_copy(field, base, update);
        }
    }
}

/* Resources. */

static void
merge_resource(struct goal_resource *base, const struct goal_resource *update)
{
    base->revision = update->revision;
    free(base->request_id);
    base->request_id = xstrdup(update->request_id);
    goal_merge_struct(goal_kinds[base->kind].layout, base, update);
}

struct goal_resource *
goal_merge(const struct goal_resource *stored,
           const struct goal_resource *update)
{
    struct goal_resource *merged;

    if (!goal_kinds[update->kind].keeps_deltas) {
        return goal_normalize(update);
    }
    merged = goal_resource_clone(stored);
    merge_resource(merged, update);
    return merged;
}

struct goal_resource *
goal_merge_created(const struct goal_resource *stored,
                   const struct goal_resource *update)
{
    const struct goal_struct *layout = goal_kinds[update->kind].layout;
    struct goal_resource *merged = goal_resource_create(update->kind,
                                                        update->id);

    for (size_t i = 0; i < layout->n_fields; i++) {
        if (layout->fields[i].flags & GFF_HALVES) {
            goal_field_copy(&layout->fields[i], merged, stored);
        }
    }
    merge_resource(merged, update);
    return merged;
}

struct goal_resource *
goal_normalize(const struct goal_resource *resource)
{
    struct goal_resource *normal;

    normal = goal_resource_create(resource->kind, resource->id);
    merge_resource(normal, resource);
    return normal;
}

static bool
list_has_equal_keys(const struct goal_field *field,
                    const struct goal_list *list)
{
    for (size_t i = 0; i < list->n; i++) {
        for (size_t j = 0; j < i; j++) {
            if (keys_equal(field->sub, goal_list_elem(field, list, i),
                           goal_list_elem(field, list, j))) {
                return true;
            }
        }
    }
    return false;
}

static bool
goal_list_is_normal(const struct goal_field *field, const void *base)
{
    const struct goal_list *list = goal_field_list(field, base);

    if (!(field->flags & GFF_MERGE) || !list->n) {
        return true;
    } else if (find_operation(field->sub) || list->n > MAX_PAIRS) {
        return false;
    }
    for (size_t i = 0; i < field->sub->n_fields; i++) {
        if (field->sub->fields[i].flags & GFF_MERGE) {
            return false;
        }
    }
    return !list_has_equal_keys(field, list);
}

bool
goal_is_normal(const struct goal_resource *resource)
{
    const struct goal_struct *layout = goal_kinds[resource->kind].layout;

    for (size_t i = 0; i < layout->n_fields; i++) {
        if (layout->fields[i].type == GF_STRUCTS
            && !goal_list_is_normal(&layout->fields[i], resource)) {
            return false;
        }
    }
    return true;
}
