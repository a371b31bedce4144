/* SPDX-License-Identifier: Apache-2.0
 *
 * goal-record: packing and unpacking of resources, driven by their tables. */

#include <config.h>

#include "store/goal-record.h"

#include <stdlib.h>
#include <string.h>

#include "store/goal-fields.h"
#include "store/goal-types.h"
#include "util.h"

/* Longest encoding of a 64-bit number. */
#define MAX_NUMBER 10

/* Bytes yet to be unpacked. */
struct goal_cursor {
    const uint8_t *p;
    size_t left;
};

/* Packing. */

void
goal_buffer_uninit(struct goal_buffer *b)
{
    free(b->data);
}

/* Returns room for 'n' more bytes at the end of 'b', which the caller adds to
 * 'b->size' as far as it uses them. */
static inline uint8_t *
goal_buffer_room(struct goal_buffer *b, size_t n)
{
    if (OVS_UNLIKELY(b->allocated - b->size < n)) {
        b->allocated = MAX(2 * b->allocated, b->size + n + 256);
        b->data = xrealloc(b->data, b->allocated);
    }
    return b->data + b->size;
}

static inline void
pack_bytes(struct goal_buffer *b, const void *data, size_t n)
{
    uint8_t *p = goal_buffer_room(b, n);

    memcpy(p, data, n);
    b->size += n;
}

static inline void
pack_number(struct goal_buffer *b, uint64_t value)
{
    uint8_t *start = goal_buffer_room(b, MAX_NUMBER);
    uint8_t *p = start;

    while (value >= 0x80) {
        *p++ = value | 0x80;
        value >>= 7;
    }
    *p++ = value;
    b->size += p - start;
}

static void
pack_string(struct goal_buffer *b, const char *s)
{
    size_t len = strlen(s);

    pack_number(b, len);
    pack_bytes(b, s, len);
}

static void
pack_ip(struct goal_buffer *b, const struct in6_addr *ip)
{
    bool v4 = IN6_IS_ADDR_V4MAPPED(ip);
    uint8_t n = v4 ? 4 : 16;

    pack_bytes(b, &n, 1);
    pack_bytes(b, v4 ? &ip->s6_addr[12] : ip->s6_addr, n);
}

static void pack_struct(struct goal_buffer *, const struct goal_struct *,
                        const void *base);

static void
pack_lists(struct goal_buffer *b, const struct goal_field *field,
           const void *base)
{
    if (field->type == GF_STRINGS) {
        const struct goal_strings *strings = goal_field_strings(field, base);

        pack_number(b, strings->n);
        for (size_t i = 0; i < strings->n; i++) {
            pack_string(b, strings->names[i]);
        }
    } else {
        const struct goal_list *list = goal_field_list(field, base);

        pack_number(b, list->n);
        for (size_t i = 0; i < list->n; i++) {
            pack_struct(b, field->sub, goal_list_elem(field, list, i));
        }
    }
}

static void
pack_field(struct goal_buffer *b, const struct goal_field *field,
           const void *base)
{
    const void *p = goal_field_ptr(field, base);
    const struct goal_prefix *prefix;

    switch (field->type) {
    case GF_BOOL:
        break;
    case GF_U32:
    case GF_ENUM:
        pack_number(b, *(const uint32_t *) p);
        break;
    case GF_U64:
        pack_number(b, *(const uint64_t *) p);
        break;
    case GF_STRING:
        pack_string(b, *goal_field_string(field, base));
        break;
    case GF_MAC:
        pack_bytes(b, p, ETH_ADDR_LEN);
        break;
    case GF_IP:
        pack_ip(b, p);
        break;
    case GF_PREFIX:
        prefix = p;
        pack_ip(b, &prefix->addr);
        pack_bytes(b, &(uint8_t) { prefix->plen }, 1);
        break;
    case GF_STRINGS:
    case GF_STRUCTS:
        pack_lists(b, field, base);
        break;
    }
}

static void
pack_struct(struct goal_buffer *b, const struct goal_struct *layout,
            const void *base)
{
    uint64_t given = 0;

    for (size_t i = 0; i < layout->n_fields; i++) {
        if (!goal_field_is_default(&layout->fields[i], base)) {
            given |= UINT64_C(1) << i;
        }
    }
    pack_number(b, given);
    for (; given; given = zero_rightmost_1bit(given)) {
        pack_field(b, &layout->fields[raw_ctz(given)], base);
    }
}

size_t
goal_record_pack(const struct goal_resource *resource, uint32_t origin,
                 uint64_t sequence, struct goal_buffer *b)
{
    size_t body;

    b->size = 0;
    pack_bytes(b, &(uint8_t) { resource->kind }, 1);
    pack_number(b, resource->revision);
    pack_number(b, origin);
    pack_number(b, sequence);
    pack_string(b, resource->request_id);
    body = b->size;
    pack_string(b, resource->id);
    pack_struct(b, goal_kinds[resource->kind].layout, resource);
    return body;
}

/* Unpacking.
 *
 * Each function returns false if the bytes are damaged.  What has been stored
 * until then is valid and is freed by whoever owns the resource. */

static inline bool
unpack_bytes(struct goal_cursor *c, void *data, size_t n)
{
    if (c->left < n) {
        return false;
    }
    memcpy(data, c->p, n);
    c->p += n;
    c->left -= n;
    return true;
}

static inline bool
unpack_number(struct goal_cursor *c, uint64_t max, uint64_t *value)
{
    *value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
        uint8_t byte;

        if (!unpack_bytes(c, &byte, 1) || (shift == 63 && byte > 1)) {
            return false;
        }
        *value |= (uint64_t) (byte & 0x7f) << shift;
        if (!(byte & 0x80)) {
            return *value <= max;
        }
    }
    return false;
}

static bool
unpack_u32(struct goal_cursor *c, uint32_t *value)
{
    uint64_t u64;

    if (!unpack_number(c, UINT32_MAX, &u64)) {
        return false;
    }
    *value = u64;
    return true;
}

/* Points '*s' to the bytes of a string, which are not null-terminated. */
static bool
unpack_span(struct goal_cursor *c, const char **s, size_t *len)
{
    uint64_t n;

    if (!unpack_number(c, c->left, &n) || n > c->left
        || memchr(c->p, '\0', n)) {
        return false;
    }
    *s = (const char *) c->p;
    *len = n;
    c->p += n;
    c->left -= n;
    return true;
}

static bool
unpack_string(struct goal_cursor *c, char **string)
{
    const char *s;
    size_t len;

    if (!unpack_span(c, &s, &len)) {
        return false;
    }
    *string = xmemdup0(s, len);
    return true;
}

static bool
unpack_ip(struct goal_cursor *c, struct in6_addr *ip)
{
    uint8_t n;

    if (!unpack_bytes(c, &n, 1)) {
        return false;
    } else if (n == 4) {
        memset(ip, 0, sizeof *ip);
        ip->s6_addr[10] = ip->s6_addr[11] = 0xff;
        return unpack_bytes(c, &ip->s6_addr[12], 4);
    } else {
        return n == 16 && unpack_bytes(c, ip->s6_addr, 16);
    }
}

static bool
unpack_prefix(struct goal_cursor *c, struct goal_prefix *prefix)
{
    uint8_t plen;

    if (!unpack_ip(c, &prefix->addr)
        || !unpack_bytes(c, &plen, 1)
        || plen > (IN6_IS_ADDR_V4MAPPED(&prefix->addr) ? 32 : 128)) {
        return false;
    }
    prefix->plen = plen;
    prefix->given = 1;
    return true;
}

static bool unpack_struct(struct goal_cursor *, const struct goal_struct *,
                          void *base);

static bool
unpack_strings(struct goal_cursor *c, struct goal_strings *strings)
{
    uint64_t n;

    /* Each takes a byte at least. */
    if (!unpack_number(c, c->left, &n) || !n || n > c->left) {
        return false;
    }
    strings->names = xcalloc(n, sizeof *strings->names);
    for (strings->n = 0; strings->n < n; strings->n++) {
        if (!unpack_string(c, &strings->names[strings->n])) {
            return false;
        }
    }
    return true;
}

static bool
unpack_list(struct goal_cursor *c, const struct goal_field *field,
            struct goal_list *list)
{
    size_t allocated = 0;
    uint64_t n;

    if (!unpack_number(c, c->left, &n) || !n || n > c->left) {
        return false;
    }

    /* An element may be a single byte, so a damaged count could ask for many
     * times the record's size at once: grow as they come. */
    for (list->n = 0; list->n < n; ) {
        void *elem;

        if (list->n >= allocated) {
            allocated = MIN(n, allocated ? 2 * allocated : 64);
            list->elems = xrealloc(list->elems, allocated * field->sub->size);
        }
        elem = goal_list_elem(field, list, list->n);
        memset(elem, 0, field->sub->size);
        list->n++;
        if (!unpack_struct(c, field->sub, elem)) {
            return false;
        }
    }
    return true;
}

static bool
unpack_field(struct goal_cursor *c, const struct goal_field *field,
             void *base)
{
    void *p = goal_field_ptr(field, base);

    switch (field->type) {
    case GF_BOOL:
        *(bool *) p = true;
        return true;
    case GF_U32:
    case GF_ENUM:
        return unpack_u32(c, p);
    case GF_U64:
        return unpack_number(c, UINT64_MAX, p);
    case GF_STRING:
        return unpack_string(c, goal_field_string(field, base));
    case GF_MAC:
        return unpack_bytes(c, p, ETH_ADDR_LEN);
    case GF_IP:
        return unpack_ip(c, p);
    case GF_PREFIX:
        return unpack_prefix(c, p);
    case GF_STRINGS:
        return unpack_strings(c, goal_field_strings(field, base));
    case GF_STRUCTS:
        return unpack_list(c, field, goal_field_list(field, base));
    }
    return false;
}

/* 'base' is all zeros.  Upon failure some strings may be left null. */
static bool
unpack_struct(struct goal_cursor *c, const struct goal_struct *layout,
              void *base)
{
    uint64_t given;

    if (!unpack_number(c, (UINT64_C(1) << layout->n_fields) - 1, &given)) {
        return false;
    }
    for (size_t i = 0; i < layout->n_fields; i++, given >>= 1) {
        const struct goal_field *field = &layout->fields[i];

        if (given & 1) {
            if (!unpack_field(c, field, base)) {
                return false;
            }
        } else if (field->type == GF_STRING) {
            *goal_field_string(field, base) = xstrdup("");
        }
    }
    return true;
}

/* Stores the header in '*r' and leaves 'c' at the struct. */
static bool
unpack_header(struct goal_cursor *c, struct goal_record *r)
{
    if (!unpack_bytes(c, &r->kind, 1) || r->kind >= GOAL_N_KINDS
        || !unpack_u32(c, &r->revision)
        || !unpack_u32(c, &r->origin)
        || !unpack_number(c, UINT64_MAX, &r->sequence)
        || !unpack_span(c, &r->request_id, &r->request_id_len)) {
        return false;
    }
    r->body = c->p;
    r->body_len = c->left;
    return unpack_span(c, &r->id, &r->id_len);
}

bool
goal_record_parse(const void *data, size_t len, struct goal_record *r)
{
    struct goal_cursor c = { data, len };

    return unpack_header(&c, r);
}

struct goal_resource *
goal_record_unpack(const void *data, size_t len)
{
    struct goal_cursor c = { data, len };
    const struct goal_struct *layout;
    struct goal_resource *resource;
    struct goal_record r;

    if (!unpack_header(&c, &r)) {
        return NULL;
    }
    layout = goal_kinds[r.kind].layout;
    resource = xzalloc(layout->size);
    resource->kind = r.kind;
    resource->revision = r.revision;
    resource->id = xmemdup0(r.id, r.id_len);
    resource->request_id = xmemdup0(r.request_id, r.request_id_len);
    if (!unpack_struct(&c, layout, resource) || c.left) {
        goal_resource_destroy(resource);
        return NULL;
    }
    return resource;
}
