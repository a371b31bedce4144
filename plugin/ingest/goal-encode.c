/* SPDX-License-Identifier: Apache-2.0
 *
 * goal-encode: resources into goal-state messages. */

#include <config.h>

#include "ingest/goal-encode.h"

#include <arpa/inet.h>
#include <string.h>

#include "ingest/goal-schema.h"
#include "ingest/proto-field-private.h"
#include "ingest/wire-walk.h"
#include "openvswitch/ofpbuf.h"
#include "store/goal-fields.h"
#include "util.h"

#define MAX_VARINT 10           /* Bytes. */

/* Wire values. */

static size_t
make_varint(uint64_t value, uint8_t bytes[MAX_VARINT])
{
    size_t n = 0;

    while (value >= 0x80) {
        bytes[n++] = value | 0x80;
        value >>= 7;
    }
    bytes[n++] = value;
    return n;
}

static void
put_varint(struct ofpbuf *buf, uint64_t value)
{
    uint8_t bytes[MAX_VARINT];
    size_t n = make_varint(value, bytes);

    ofpbuf_put(buf, bytes, n);
}

static void
put_number(struct ofpbuf *buf, uint32_t field, uint64_t value)
{
    if (value) {
        put_varint(buf, field << 3 | WIRE_VARINT);
        put_varint(buf, value);
    }
}

static void
put_bytes(struct ofpbuf *buf, uint32_t field, const char *s, size_t len)
{
    put_varint(buf, field << 3 | WIRE_BYTES);
    put_varint(buf, len);
    ofpbuf_put(buf, s, len);
}

static void
put_string(struct ofpbuf *buf, uint32_t field, const char *s)
{
    if (s[0]) {
        put_bytes(buf, field, s, strlen(s));
    }
}

/* Begins a nested message.  Returns what message_end() wants. */
static size_t
message_begin(struct ofpbuf *buf, uint32_t field)
{
    put_varint(buf, field << 3 | WIRE_BYTES);
    ofpbuf_put_zeros(buf, 1);   /* Its length, most often. */
    return buf->size;
}

static void
message_end(struct ofpbuf *buf, size_t start)
{
    size_t len = buf->size - start;
    uint8_t bytes[MAX_VARINT];
    size_t n = make_varint(len, bytes);

    if (n > 1) {
        ofpbuf_put_zeros(buf, n - 1);
        uint8_t *p = (uint8_t *) buf->data + start;
        memmove(p + n - 1, p, len);
    }
    memcpy((uint8_t *) buf->data + start - 1, bytes, n);
}

/* Texts. */

#define MAX_ADDRESS (INET6_ADDRSTRLEN + 4)

static char *
format_number(char *p, unsigned int value)
{
    if (value >= 100) {
        *p++ = '0' + value / 100;
    }
    if (value >= 10) {
        *p++ = '0' + value / 10 % 10;
    }
    *p++ = '0' + value % 10;
    return p;
}

/* Writes 'ip' to 's', of MAX_ADDRESS bytes.  Returns its end. */
static char *
format_ip(const struct in6_addr *ip, char *s)
{
    if (IN6_IS_ADDR_V4MAPPED(ip)) {
        for (int i = 12; i < 16; i++) {
            if (i > 12) {
                *s++ = '.';
            }
            s = format_number(s, ip->s6_addr[i]);
        }
        return s;
    }
    inet_ntop(AF_INET6, ip, s, INET6_ADDRSTRLEN);
    return s + strlen(s);
}

static void
put_ip(struct ofpbuf *buf, uint32_t field, const struct in6_addr *ip)
{
    char s[MAX_ADDRESS];

    put_bytes(buf, field, s, format_ip(ip, s) - s);
}

static void
put_prefix(struct ofpbuf *buf, uint32_t field,
           const struct goal_prefix *prefix)
{
    char s[MAX_ADDRESS];
    char *p = format_ip(&prefix->addr, s);

    *p++ = '/';
    put_bytes(buf, field, s, format_number(p, prefix->plen) - s);
}

static void
put_mac(struct ofpbuf *buf, uint32_t field, const struct eth_addr *mac)
{
    static const char digits[] = "0123456789abcdef";
    char s[18], *p = s;

    for (int i = 0; i < 6; i++) {
        if (i) {
            *p++ = ':';
        }
        *p++ = digits[mac->ea[i] >> 4];
        *p++ = digits[mac->ea[i] & 15];
    }
    put_bytes(buf, field, s, p - s);
}

/* Fields. */

static void put_struct(struct ofpbuf *, const struct proto_plan *,
                       const void *base, size_t alternative);

static void
put_strings(struct ofpbuf *buf, const struct proto_ref *ref,
            const struct goal_strings *strings)
{
    for (size_t i = 0; i < strings->n; i++) {
        const char *s = strings->names[i];

        if (ref->hop) {
            size_t start = message_begin(buf, ref->hop->id);

            put_string(buf, ref->leaf->id, s);
            message_end(buf, start);
        } else {
            put_bytes(buf, ref->leaf->id, s, strlen(s));
        }
    }
}

static void
put_structs(struct ofpbuf *buf, const struct proto_binding *binding,
            const struct goal_list *list)
{
    for (size_t i = 0; i < list->n; i++) {
        size_t start = message_begin(buf, binding->refs[0].leaf->id);

        put_struct(buf, binding->sub, goal_list_elem(binding->field, list, i),
                   0);
        message_end(buf, start);
    }
}

/* Writes the member that 'binding' is about, which is not the default. */
static void
put_field(struct ofpbuf *buf, const struct proto_binding *binding,
          const struct proto_ref *ref, const void *base)
{
    const struct goal_field *field = binding->field;
    const void *value = goal_field_ptr(field, base);
    uint32_t id = ref->leaf->id;

    switch (field->type) {
    case GF_BOOL:
        put_number(buf, id, *(const bool *) value);
        break;
    case GF_U32:
    case GF_ENUM:
        put_number(buf, id, *(const uint32_t *) value);
        break;
    case GF_U64:
        put_number(buf, id, *(const uint64_t *) value);
        break;
    case GF_STRING:
        put_string(buf, id, *goal_field_string(field, base));
        break;
    case GF_MAC:
        put_mac(buf, id, value);
        break;
    case GF_IP:
        put_ip(buf, id, value);
        break;
    case GF_PREFIX:
        put_prefix(buf, id, value);
        break;
    case GF_STRINGS:
        put_strings(buf, ref, value);
        break;
    case GF_STRUCTS:
        put_structs(buf, binding, value);
        break;
    }
}

/* Writes the struct at 'base'.  Of members that may be in either of two nested
 * messages, takes number 'alternative'.  What is in one nested message is
 * together in the tables, as it must be on the wire. */
static void
put_struct(struct ofpbuf *buf, const struct proto_plan *plan,
           const void *base, size_t alternative)
{
    const ProtobufCFieldDescriptor *hop = NULL;
    size_t start = 0;

    for (size_t i = 0; i < plan->layout->n_fields; i++) {
        const struct proto_binding *binding = &plan->bindings[i];
        const struct proto_ref *ref
            = &binding->refs[MIN(alternative, binding->n_refs - 1)];

        if (goal_field_is_default(binding->field, base)) {
            continue;
        }
        const ProtobufCFieldDescriptor *wanted
            = binding->field->type == GF_STRINGS ? NULL : ref->hop;
        if (wanted != hop) {
            if (hop) {
                message_end(buf, start);
            }
            hop = wanted;
            start = hop ? message_begin(buf, hop->id) : 0;
        }
        put_field(buf, binding, ref, base);
    }
    if (hop) {
        message_end(buf, start);
    }
}

/* Entries. */

/* An entry being written: where its nested messages begin. */
struct open_entry {
    size_t entry, state, configuration;
};

static struct open_entry
entry_begin(struct ofpbuf *buf, const struct goal_kind_schema *ks,
            const char *id, uint32_t revision, enum goal_operation operation)
{
    struct open_entry open;

    open.entry = message_begin(buf, ks->v2_field);
    put_string(buf, WIRE_MAP_KEY, id);
    open.state = message_begin(buf, WIRE_MAP_VALUE);
    put_number(buf, ks->operation->id, operation);
    open.configuration = message_begin(buf, ks->configuration->id);
    put_number(buf, ks->revision->id, revision);
    put_string(buf, ks->id->id, id);
    return open;
}

static void
entry_end(struct ofpbuf *buf, const struct open_entry *open)
{
    message_end(buf, open->configuration);
    message_end(buf, open->state);
    message_end(buf, open->entry);
}

void
goal_encode(const struct goal_resource *resource,
            enum goal_operation operation, struct ofpbuf *buf)
{
    const struct goal_kind_schema *ks
        = &goal_schema_get()->kinds[resource->kind];
    struct open_entry open = entry_begin(buf, ks, resource->id,
                                         resource->revision, operation);
    bool arion = (resource->kind == GOAL_GATEWAY
                  && GOAL_GATEWAY_CAST(resource)->subnet_id[0]);

    put_string(buf, ks->request_id->id, resource->request_id);
    if (ks->update_type) {
        put_number(buf, ks->update_type->id, 1); /* FULL. */
    }
    put_struct(buf, ks->plan, resource, arion);
    entry_end(buf, &open);
}

void
goal_encode_delete(enum goal_kind kind, const char *id, uint32_t revision,
                   struct ofpbuf *buf)
{
    const struct goal_kind_schema *ks = &goal_schema_get()->kinds[kind];
    struct open_entry open = entry_begin(buf, ks, id, revision,
                                         GOAL_OP_DELETE);

    entry_end(buf, &open);
}
