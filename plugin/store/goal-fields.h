/* SPDX-License-Identifier: Apache-2.0
 *
 * goal-fields: reaching the members of a struct through its table. */

#ifndef STORE_GOAL_FIELDS_H
#define STORE_GOAL_FIELDS_H 1

/* What every piece of code that is driven by the tables of goal-types.h needs:
 * where a member is, and how lists look in memory.
 *
 * Most types of field are "plain": as many bytes as goal_field_plain_size()
 * says, all zeros if not given, equal if the bytes are equal.  The others are
 * strings and the two kinds of list. */

#include <string.h>
#include "store/goal-types.h"
#include "util.h"

/* What a GF_STRUCTS member is in memory. */
struct goal_list {
    char *elems;                /* Array of structs. */
    size_t n;                   /* Number of them. */
};

/* Returns the member of the struct at 'base' that 'field' describes. */
static inline void *
goal_field_ptr(const struct goal_field *field, const void *base)
{
    return CONST_CAST(char *, (const char *) base) + field->offset;
}

static inline char **
goal_field_string(const struct goal_field *field, const void *base)
{
    return goal_field_ptr(field, base);
}

static inline struct goal_strings *
goal_field_strings(const struct goal_field *field, const void *base)
{
    return goal_field_ptr(field, base);
}

static inline struct goal_list *
goal_field_list(const struct goal_field *field, const void *base)
{
    return goal_field_ptr(field, base);
}

/* Returns element 'i' of 'list', a member described by 'field'. */
static inline void *
goal_list_elem(const struct goal_field *field, const struct goal_list *list,
               size_t i)
{
    return list->elems + i * field->sub->size;
}

/* Returns the size in memory of a member of plain 'type', 0 for another. */
static inline size_t
goal_field_plain_size(enum goal_field_type type)
{
    switch (type) {
    case GF_BOOL:
        return sizeof(bool);
    case GF_U32:
    case GF_ENUM:
        return sizeof(uint32_t);
    case GF_U64:
        return sizeof(uint64_t);
    case GF_MAC:
        return sizeof(struct eth_addr);
    case GF_IP:
        return sizeof(struct in6_addr);
    case GF_PREFIX:
        return sizeof(struct goal_prefix);
    case GF_STRING:
    case GF_STRINGS:
    case GF_STRUCTS:
        break;
    }
    return 0;
}

/* Replaces the member of 'dst' by a copy of that of 'src'. */
void goal_field_copy(const struct goal_field *, void *dst, const void *src);

#endif /* store/goal-fields.h */
