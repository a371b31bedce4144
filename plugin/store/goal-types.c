/* SPDX-License-Identifier: Apache-2.0
 *
 * goal-types: generic operations on goal resources, driven by their tables. */

#include <config.h>

#include "store/goal-types.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "store/goal-fields.h"
#include "util.h"

BUILD_ASSERT_DECL(sizeof(struct goal_prefix) == 24);
BUILD_ASSERT_DECL(sizeof(struct eth_addr) == ETH_ADDR_LEN);

bool
goal_kind_from_string(const char *name, enum goal_kind *kind)
{
    for (size_t i = 0; i < GOAL_N_KINDS; i++) {
        if (!strcasecmp(name, goal_kinds[i].name)) {
            *kind = i;
            return true;
        }
    }
    return false;
}

/* Returns the size in memory of a member of 'type'. */
static size_t
goal_field_size(enum goal_field_type type)
{
    return (type == GF_STRING ? sizeof(char *)
            : type == GF_STRINGS ? sizeof(struct goal_strings)
            : type == GF_STRUCTS ? sizeof(struct goal_list)
            : goal_field_plain_size(type));
}

/* Structs. */

void
goal_struct_init(const struct goal_struct *layout, void *base)
{
    memset(base, 0, layout->size);
    for (size_t i = 0; i < layout->n_fields; i++) {
        const struct goal_field *field = &layout->fields[i];

        if (field->type == GF_STRING) {
            *goal_field_string(field, base) = xstrdup("");
        }
    }
}

static void
goal_field_uninit(const struct goal_field *field, void *base)
{
    if (field->type == GF_STRING) {
        free(*goal_field_string(field, base));
    } else if (field->type == GF_STRINGS) {
        struct goal_strings *strings = goal_field_strings(field, base);

        for (size_t i = 0; i < strings->n; i++) {
            free(strings->names[i]);
        }
        free(strings->names);
    } else if (field->type == GF_STRUCTS) {
        struct goal_list *list = goal_field_list(field, base);

        for (size_t i = 0; i < list->n; i++) {
            goal_struct_uninit(field->sub, goal_list_elem(field, list, i));
        }
        free(list->elems);
    }
}

void
goal_struct_uninit(const struct goal_struct *layout, void *base)
{
    for (size_t i = 0; i < layout->n_fields; i++) {
        goal_field_uninit(&layout->fields[i], base);
    }
}

/* Makes the member of 'dst' that 'field' describes, whose bytes are the same
 * as those of 'src', a copy of its own. */
static void
goal_field_unshare(const struct goal_field *field, void *dst, const void *src)
{
    if (field->type == GF_STRING) {
        *goal_field_string(field, dst)
            = xstrdup(*goal_field_string(field, src));
    } else if (field->type == GF_STRINGS) {
        const struct goal_strings *from = goal_field_strings(field, src);
        struct goal_strings *to = goal_field_strings(field, dst);

        to->names = from->n ? xmalloc(from->n * sizeof *to->names) : NULL;
        for (size_t i = 0; i < from->n; i++) {
            to->names[i] = xstrdup(from->names[i]);
        }
    } else if (field->type == GF_STRUCTS) {
        const struct goal_list *from = goal_field_list(field, src);
        struct goal_list *to = goal_field_list(field, dst);

        to->elems = from->n ? xmalloc(from->n * field->sub->size) : NULL;
        for (size_t i = 0; i < from->n; i++) {
            goal_struct_clone(field->sub, goal_list_elem(field, to, i),
                              goal_list_elem(field, from, i));
        }
    }
}

/* Members that the table does not mention are copied as bytes. */
void
goal_struct_clone(const struct goal_struct *layout, void *dst,
                  const void *src)
{
    memcpy(dst, src, layout->size);
    for (size_t i = 0; i < layout->n_fields; i++) {
        goal_field_unshare(&layout->fields[i], dst, src);
    }
}

void
goal_field_copy(const struct goal_field *field, void *dst, const void *src)
{
    goal_field_uninit(field, dst);
    memcpy(goal_field_ptr(field, dst), goal_field_ptr(field, src),
           goal_field_size(field->type));
    goal_field_unshare(field, dst, src);
}

bool
goal_strings_equal(const struct goal_strings *a, const struct goal_strings *b)
{
    if (a->n != b->n) {
        return false;
    }
    for (size_t i = 0; i < a->n; i++) {
        if (strcmp(a->names[i], b->names[i])) {
            return false;
        }
    }
    return true;
}

static bool
goal_lists_equal(const struct goal_field *field, const void *a_,
                 const void *b_)
{
    const struct goal_list *a = goal_field_list(field, a_);
    const struct goal_list *b = goal_field_list(field, b_);

    if (a->n != b->n) {
        return false;
    }
    for (size_t i = 0; i < a->n; i++) {
        if (!goal_struct_equal(field->sub, goal_list_elem(field, a, i),
                               goal_list_elem(field, b, i))) {
            return false;
        }
    }
    return true;
}

static bool
goal_field_equal(const struct goal_field *field, const void *a, const void *b)
{
    if (field->type == GF_STRING) {
        return !strcmp(*goal_field_string(field, a),
                       *goal_field_string(field, b));
    } else if (field->type == GF_STRINGS) {
        return goal_strings_equal(goal_field_strings(field, a),
                                  goal_field_strings(field, b));
    } else if (field->type == GF_STRUCTS) {
        return goal_lists_equal(field, a, b);
    } else {
        return !memcmp(goal_field_ptr(field, a), goal_field_ptr(field, b),
                       goal_field_plain_size(field->type));
    }
}

bool
goal_struct_equal(const struct goal_struct *layout, const void *a,
                  const void *b)
{
    for (size_t i = 0; i < layout->n_fields; i++) {
        if (!goal_field_equal(&layout->fields[i], a, b)) {
            return false;
        }
    }
    return true;
}

bool
goal_field_is_default(const struct goal_field *field, const void *base)
{
    if (field->type == GF_STRING) {
        return !**goal_field_string(field, base);
    } else if (field->type == GF_STRINGS) {
        return !goal_field_strings(field, base)->n;
    } else if (field->type == GF_STRUCTS) {
        return !goal_field_list(field, base)->n;
    } else {
        return is_all_zeros(goal_field_ptr(field, base),
                            goal_field_plain_size(field->type));
    }
}

/* Resources. */

struct goal_resource *
goal_resource_create(enum goal_kind kind, const char *id)
{
    const struct goal_struct *layout = goal_kinds[kind].layout;
    struct goal_resource *resource = xmalloc(layout->size);

    goal_struct_init(layout, resource);
    resource->kind = kind;
    resource->id = xstrdup(id);
    resource->request_id = xstrdup("");
    return resource;
}

void
goal_resource_destroy(struct goal_resource *resource)
{
    if (resource) {
        goal_struct_uninit(goal_kinds[resource->kind].layout, resource);
        free(resource->id);
        free(resource->request_id);
        free(resource);
    }
}

struct goal_resource *
goal_resource_clone(const struct goal_resource *src)
{
    const struct goal_struct *layout = goal_kinds[src->kind].layout;
    struct goal_resource *dst = xmalloc(layout->size);

    goal_struct_clone(layout, dst, src);
    dst->id = xstrdup(src->id);
    dst->request_id = xstrdup(src->request_id);
    return dst;
}

/* Everything is compared, revision and request id included. */
bool
goal_resource_equal(const struct goal_resource *a,
                    const struct goal_resource *b)
{
    return (a->kind == b->kind
            && a->revision == b->revision
            && !strcmp(a->id, b->id)
            && !strcmp(a->request_id, b->request_id)
            && goal_struct_equal(goal_kinds[a->kind].layout, a, b));
}

const char *
goal_resource_vpc_id(const struct goal_resource *resource)
{
    const struct goal_struct *layout = goal_kinds[resource->kind].layout;

    for (size_t i = 0; i < layout->n_fields; i++) {
        const struct goal_field *field = &layout->fields[i];
        const char *dot = strrchr(field->name, '.');

        if (field->type == GF_STRING
            && !strcmp(dot ? dot + 1 : field->name, "vpc_id")) {
            return *goal_field_string(field, resource);
        }
    }
    return NULL;
}
