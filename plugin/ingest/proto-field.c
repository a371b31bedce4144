/* SPDX-License-Identifier: Apache-2.0
 *
 * proto-field: table-driven conversion of protobuf messages to plain structs.
 */

#include <config.h>

#include "ingest/proto-field.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "ingest/envelope.h"
#include "ingest/proto-field-private.h"
#include "ingest/wire-walk.h"
#include "openvswitch/dynamic-string.h"
#include "unicode.h"
#include "util.h"

/* Single values. */

/* Returns the 'len' bytes at 's' in double quotes, for an error message: made
 * printable, and cut after 64 of them.  The caller must free it. */
char *
proto_quote(const char *s, size_t len)
{
    size_t n = MIN(len, 64);
    struct ds ds = DS_EMPTY_INITIALIZER;

    ds_put_char(&ds, '"');
    for (size_t i = 0; i < n; i++) {
        unsigned char c = s[i];

        if (c == '"' || c == '\\') {
            ds_put_format(&ds, "\\%c", c);
        } else if (c < 0x20 || c > 0x7e) {
            ds_put_format(&ds, "\\x%02x", c);
        } else {
            ds_put_char(&ds, c);
        }
    }
    ds_put_cstr(&ds, len > n ? "\"..." : "\"");
    return ds_steal_cstr(&ds);
}

/* Returns a message that says that the 'len' bytes at 's' are not 'what'. */
static char *
not_a(const char *s, size_t len, const char *what)
{
    char *quoted = proto_quote(s, len);
    char *error = xasprintf("%s is not %s", quoted, what);

    free(quoted);
    return error;
}

/* Parses 's', six bytes in hexadecimal separated by ':', '-' or '.', or three
 * pairs of bytes separated by '.', into '*mac'. */
bool
proto_parse_mac(const char *s, struct eth_addr *mac)
{
    size_t len = strlen(s);
    size_t group = len == 17 ? 2 : 4; /* Digits between separators. */
    char separator;
    size_t i, n;

    if (len != 17 && len != 14) {
        return false;
    }
    separator = s[group];
    if (separator != '.'
        && (group == 4 || (separator != ':' && separator != '-'))) {
        return false;
    }

    for (i = n = 0; i < len; i += 2) {
        int high, low;

        if (n && (n * 2) % group == 0 && s[i++] != separator) {
            return false;
        }
        high = hexit_value(s[i]);
        low = hexit_value(s[i + 1]);
        if (high < 0 || low < 0) {
            return false;
        }
        mac->ea[n++] = high << 4 | low;
    }
    return true;
}

/* Parses 's', an IPv4 or IPv6 address, into '*ip'. */
bool
proto_parse_ip(const char *s, struct in6_addr *ip)
{
    struct in_addr ip4;

    if (strchr(s, ':')) {
        return inet_pton(AF_INET6, s, ip) == 1;
    } else if (inet_pton(AF_INET, s, &ip4) == 1) {
        in6_addr_set_mapped_ipv4(ip, ip4.s_addr);
        return true;
    } else {
        return false;
    }
}

/* Parses 's', decimal digits without superfluous zeros, as at most 'max'. */
static bool
parse_prefix_length(const char *s, uint32_t max, uint32_t *plen)
{
    uint32_t value = 0;
    size_t n;

    for (n = 0; s[n] >= '0' && s[n] <= '9' && n < 3; n++) {
        value = value * 10 + (s[n] - '0');
    }
    if (!n || s[n] || value > max || (s[0] == '0' && n > 1)) {
        return false;
    }
    *plen = value;
    return true;
}

/* Parses 's', an address with or without prefix length, into '*prefix'.  Bits
 * beyond the length are cleared unless 'keep_host_bits'. */
bool
proto_parse_prefix(const char *s, bool keep_host_bits,
                   struct goal_prefix *prefix)
{
    const char *slash = strchr(s, '/');
    size_t len = slash ? slash - s : strlen(s);
    char addr[INET6_ADDRSTRLEN];
    uint32_t skip, max;

    if (len >= sizeof addr) {
        return false;
    }
    memcpy(addr, s, len);
    addr[len] = '\0';
    if (!proto_parse_ip(addr, &prefix->addr)) {
        return false;
    }

    /* "::ffff:10.0.0.0/104" is 10.0.0.0/8. */
    max = strchr(addr, ':') ? 128 : 32;
    skip = max == 128 && IN6_IS_ADDR_V4MAPPED(&prefix->addr) ? 96 : 0;
    prefix->plen = max;
    if ((slash && !parse_prefix_length(slash + 1, max, &prefix->plen))
        || prefix->plen < skip) {
        return false;
    }
    prefix->plen -= skip;

    if (!keep_host_bits) {
        bool v4 = IN6_IS_ADDR_V4MAPPED(&prefix->addr);
        struct in6_addr mask = ipv6_create_mask(prefix->plen + (v4 ? 96 : 0));

        prefix->addr = ipv6_addr_bitand(&prefix->addr, &mask);
    }
    prefix->given = 1;
    return true;
}

/* Returns true if the 'len' bytes at 's', which a null byte follows, are UTF-8
 * without null bytes. */
bool
proto_is_utf8(const char *s, size_t len)
{
    unsigned char high = 0;
    char *error;

    for (size_t i = 0; i < len; i++) {
        if (!s[i]) {
            return false;
        }
        high |= s[i];
    }
    if (OVS_LIKELY(high < 0x80)) {
        return true;
    }
    error = utf8_validate(s, NULL);
    free(error);
    return !error;
}

/* Checks that the 'len' bytes at 's', which a null byte follows, are UTF-8
 * without null bytes and not more than 'max_len'.  Returns NULL or a
 * malloc()'d message. */
char *
proto_check_string(const char *s, size_t len, size_t max_len)
{
    if (len > max_len) {
        return xasprintf("%"PRIuSIZE" bytes, expected at most %"PRIuSIZE,
                         len, max_len);
    } else if (OVS_LIKELY(proto_is_utf8(s, len))) {
        return NULL;
    } else {
        return not_a(s, len, memchr(s, '\0', len)
                     ? "a string: it has null bytes" : "UTF-8");
    }
}

/* Plans. */

/* More elements in one list than this make the message malformed. */
#define MAX_ELEMENTS 65536

/* Returns true if a field of type 'type' of protobuf can become one of type
 * 'goal_type'. */
static bool
types_match(ProtobufCType type, enum goal_field_type goal_type)
{
    switch (goal_type) {
    case GF_BOOL:
        return type == PROTOBUF_C_TYPE_BOOL;
    case GF_U32:
        return type == PROTOBUF_C_TYPE_UINT32;
    case GF_U64:
        return type == PROTOBUF_C_TYPE_UINT64;
    case GF_ENUM:
        return type == PROTOBUF_C_TYPE_ENUM;
    case GF_STRUCTS:
        return type == PROTOBUF_C_TYPE_MESSAGE;
    case GF_STRING:
    case GF_MAC:
    case GF_IP:
    case GF_PREFIX:
    case GF_STRINGS:
        return type == PROTOBUF_C_TYPE_STRING;
    }
    OVS_NOT_REACHED();
}

/* Fills in '*ref' for 'name', a field of 'md' or of a message nested in it.
 * Takes ownership of 'name'. */
static void
proto_ref_init(struct proto_ref *ref, const ProtobufCMessageDescriptor *md,
               char *name, const struct goal_field *field)
{
    bool list = field->type == GF_STRINGS || field->type == GF_STRUCTS;
    const ProtobufCFieldDescriptor *repeated;
    char *dot = strchr(name, '.');

    ref->name = name;
    ref->hop = NULL;
    if (dot) {
        char *first = xmemdup0(name, dot - name);

        ref->hop = protobuf_c_message_descriptor_get_field_by_name(md, first);
        ovs_assert(ref->hop && ref->hop->type == PROTOBUF_C_TYPE_MESSAGE);
        md = ref->hop->descriptor;
        free(first);
    }
    ref->leaf = protobuf_c_message_descriptor_get_field_by_name(
        md, dot ? dot + 1 : name);
    ovs_assert(ref->leaf && types_match(ref->leaf->type, field->type));

    repeated = ref->hop ? ref->hop : ref->leaf;
    ovs_assert((repeated->label == PROTOBUF_C_LABEL_REPEATED) == list);
}

static void
proto_binding_init(struct proto_binding *binding,
                   const ProtobufCMessageDescriptor *md,
                   const struct goal_field *field)
{
    const char *name = field->name;

    binding->field = field;
    for (;;) {
        size_t len = strcspn(name, "|");

        ovs_assert(binding->n_refs < ARRAY_SIZE(binding->refs));
        proto_ref_init(&binding->refs[binding->n_refs++], md,
                       xmemdup0(name, len), field);
        if (!name[len]) {
            break;
        }
        name += len + 1;
    }

    if (field->type == GF_ENUM) {
        while (field->names[binding->n_names]) {
            binding->n_names++;
        }
    } else if (field->type == GF_STRUCTS) {
        binding->sub = proto_plan_create(binding->refs[0].leaf->descriptor,
                                         field->sub);
    }
}

/* Returns the plan for converting messages of type 'md' to structs described
 * by 'layout'.  Every name in 'layout' must be in 'md'.  The plan is meant to
 * be kept as long as the program runs. */
struct proto_plan *
proto_plan_create(const ProtobufCMessageDescriptor *md,
                  const struct goal_struct *layout)
{
    struct proto_plan *plan = xzalloc(sizeof *plan);

    plan->layout = layout;
    plan->bindings = xcalloc(layout->n_fields, sizeof *plan->bindings);
    for (size_t i = 0; i < layout->n_fields; i++) {
        proto_binding_init(&plan->bindings[i], md, &layout->fields[i]);
        if (layout->fields[i].flags & GFF_OPERATION) {
            plan->operation = &plan->bindings[i];
        }
    }
    return plan;
}

/* Conversion. */

/* Returns true if 'message' has 'fd', which is not repeated, as far as can be
 * told. */
static bool
is_present(const ProtobufCFieldDescriptor *fd, const void *message)
{
    const char *base = message;

    if (fd->flags & PROTOBUF_C_FIELD_FLAG_ONEOF
        && *ALIGNED_CAST(const uint32_t *, base + fd->quantifier_offset)
           != fd->id) {
        return false;
    }
    return (fd->type != PROTOBUF_C_TYPE_MESSAGE
            || *ALIGNED_CAST(void *const *, base + fd->offset));
}

/* Returns the value in 'message' that 'binding' is about and sets '*name' to
 * what it is called.  Returns NULL if the message it would be in is missing or
 * 'message' is null. */
static const void *
locate(const struct proto_binding *binding, const void *message,
       const char **name)
{
    *name = binding->refs[0].name;
    for (size_t i = 0; message && i < binding->n_refs; i++) {
        const struct proto_ref *ref = &binding->refs[i];
        const char *base = message;

        if (ref->hop) {
            if (!is_present(ref->hop, base)) {
                continue;
            }
            base = *ALIGNED_CAST(void *const *, base + ref->hop->offset);
        }
        if (is_present(ref->leaf, base)) {
            *name = ref->name;
            return base + ref->leaf->offset;
        }
    }
    return NULL;
}

/* A GF_STRUCTS member. */
struct elements {
    char *elems;                /* Array of structs. */
    size_t n;                   /* Number of them. */
};

static char *
convert_number(const struct proto_binding *binding, const void *src,
               void *dst)
{
    const struct goal_field *field = binding->field;
    uint64_t value;

    if (field->type == GF_BOOL) {
        *(bool *) dst = *(const protobuf_c_boolean *) src != 0;
        return NULL;
    } else if (field->type == GF_U64) {
        value = *(const uint64_t *) src;
        *(uint64_t *) dst = value;
    } else {
        value = *(const uint32_t *) src;
        *(uint32_t *) dst = value;
    }

    if (field->flags & GFF_VNI && value > 0xffffff) {
        return xasprintf("%"PRIu64" is not a VNI, expected at most 16777215",
                         value);
    } else if (field->flags & GFF_L4PORT && value > UINT16_MAX) {
        return xasprintf("%"PRIu64" is not a port, expected at most 65535",
                         value);
    } else if (field->type == GF_ENUM && value >= binding->n_names
               && !(field->flags & GFF_OPEN_ENUM && value == 255)) {
        struct ds ds = DS_EMPTY_INITIALIZER;

        ds_put_format(&ds, "%"PRId32" is not one of", (int32_t) value);
        for (uint32_t i = 0; i < binding->n_names; i++) {
            ds_put_format(&ds, "%s %s", i ? "," : "", field->names[i]);
        }
        return ds_steal_cstr(&ds);
    }
    return NULL;
}

static char *
convert_string(const struct goal_field *field, const char *s, size_t len,
               char **dst)
{
    char *error = proto_check_string(
        s, len, field->flags & GFF_ID ? PROTO_ID_MAX_LEN : SIZE_MAX);

    *dst = error ? xstrdup("") : xmemdup0(s, len);
    return error;
}

/* Returns true if 'ip' may be the address of one station. */
static bool
is_station_ip(const struct in6_addr *ip)
{
    if (IN6_IS_ADDR_V4MAPPED(ip)) {
        ovs_be32 ip4 = in6_addr_get_mapped_ipv4(ip);

        return ip4 && ip4 != OVS_BE32_MAX && !ip_is_multicast(ip4);
    }
    return ipv6_addr_is_set(ip) && !ipv6_addr_is_multicast(ip);
}

static char *
convert_ip(const struct goal_field *field, const char *s, size_t len,
           struct in6_addr *ip)
{
    const char *what = (field->flags & GFF_V4 ? "an IPv4 address"
                        : field->flags & GFF_V6 ? "an IPv6 address"
                        : "an IP address");

    if (strlen(s) != len || !proto_parse_ip(s, ip)
        || (field->flags & GFF_V4 && !IN6_IS_ADDR_V4MAPPED(ip))
        || (field->flags & GFF_V6 && IN6_IS_ADDR_V4MAPPED(ip))) {
        return not_a(s, len, what);
    } else if (field->flags & GFF_STATION && !is_station_ip(ip)) {
        return not_a(s, len, "the address of a station");
    } else {
        return NULL;
    }
}

static char *
convert_mac(const struct goal_field *field, const char *s, size_t len,
            struct eth_addr *mac)
{
    if (strlen(s) != len || !proto_parse_mac(s, mac)) {
        return not_a(s, len, "a MAC address");
    } else if (field->flags & GFF_STATION
               && (eth_addr_is_zero(*mac) || eth_addr_is_multicast(*mac))) {
        return not_a(s, len, "the MAC address of a station");
    } else {
        return NULL;
    }
}

/* Converts 's', which is not empty, into the member at 'dst'. */
static char *
convert_text(const struct goal_field *field, const char *s, size_t len,
             void *dst)
{
    bool keep = field->flags & GFF_HOST_BITS;

    switch (field->type) {
    case GF_STRING:
        return convert_string(field, s, len, dst);
    case GF_IP:
        return convert_ip(field, s, len, dst);
    case GF_MAC:
        return convert_mac(field, s, len, dst);
    case GF_PREFIX:
        return (strlen(s) == len && proto_parse_prefix(s, keep, dst)
                ? NULL : not_a(s, len, "a CIDR"));
    case GF_BOOL:
    case GF_U32:
    case GF_U64:
    case GF_ENUM:
    case GF_STRINGS:
    case GF_STRUCTS:
    default:
        OVS_NOT_REACHED();
    }
}

/* Sets the member at 'dst' to "not given". */
static void
set_default(const struct goal_field *field, void *dst)
{
    switch (field->type) {
    case GF_STRING:
        *(char **) dst = xstrdup("");
        break;
    case GF_STRINGS:
        *(struct goal_strings *) dst = (struct goal_strings) { NULL, 0 };
        break;
    case GF_STRUCTS:
        *(struct elements *) dst = (struct elements) { NULL, 0 };
        break;
    case GF_BOOL:
        *(bool *) dst = false;
        break;
    case GF_U32:
    case GF_ENUM:
        *(uint32_t *) dst = 0;
        break;
    case GF_U64:
        *(uint64_t *) dst = 0;
        break;
    case GF_MAC:
        *(struct eth_addr *) dst = eth_addr_zero;
        break;
    case GF_IP:
        *(struct in6_addr *) dst = in6addr_any;
        break;
    case GF_PREFIX:
        *(struct goal_prefix *) dst = (struct goal_prefix) { .plen = 0 };
        break;
    }
}

/* Returns the message that 'field', a required one, is missing. */
char *
proto_field_missing(const struct goal_field *field)
{
    static const char *const what[] = {
        [GF_BOOL] = "true or false",
        [GF_U32] = "a number",
        [GF_U64] = "a number",
        [GF_ENUM] = "a name",
        [GF_STRING] = "a string",
        [GF_MAC] = "a MAC address",
        [GF_IP] = "an IP address",
        [GF_PREFIX] = "a CIDR",
        [GF_STRINGS] = "at least one",
        [GF_STRUCTS] = "at least one",
    };

    return xasprintf("%s: not given, expected %s", field->name,
                     field->flags & GFF_ID ? "an id" : what[field->type]);
}

/* Converts any member that is not a list.  'required' says whether to enforce
 * that one that must be given is. */
static char *
convert_scalar(const struct proto_binding *binding, const void *message,
               bool required, void *dst)
{
    const struct goal_field *field = binding->field;
    const char *name;
    const void *src = locate(binding, message, &name);
    char *error;

    if (src && binding->refs[0].leaf->type != PROTOBUF_C_TYPE_STRING) {
        error = convert_number(binding, src, dst);
    } else {
        const char *s = src ? *(char *const *) src : NULL;
        size_t len = wire_string_length(s);

        if (!len) {
            set_default(field, dst);
            return (required && field->flags & GFF_REQUIRED
                    ? proto_field_missing(field) : NULL);
        }
        error = convert_text(field, s, len, dst);
    }

    if (error) {
        char *full = xasprintf("%s: %s", name, error);

        free(error);
        return full;
    }
    return NULL;
}

/* Finds the list that 'binding' is about.  Returns the number of elements,
 * which are at '*arrayp', or an error. */
static char *
locate_list(const struct proto_binding *binding, const void *message,
            void ***arrayp, size_t *np)
{
    const struct proto_ref *ref = &binding->refs[0];
    const ProtobufCFieldDescriptor *fd = ref->hop ? ref->hop : ref->leaf;
    const char *base = message;

    *np = *ALIGNED_CAST(const size_t *, base + fd->quantifier_offset);
    *arrayp = *ALIGNED_CAST(void **const *, base + fd->offset);
    return (*np > MAX_ELEMENTS
            ? xasprintf("%s: %"PRIuSIZE" elements, expected at most %d",
                        fd->name, *np, MAX_ELEMENTS)
            : NULL);
}

static char *
convert_strings(const struct proto_binding *binding, const void *message,
                struct goal_strings *dst)
{
    const struct goal_field *field = binding->field;
    const struct proto_ref *ref = &binding->refs[0];
    void **array;
    char *error;
    size_t n;

    *dst = (struct goal_strings) { NULL, 0 };
    error = locate_list(binding, message, &array, &n);
    if (error || !n) {
        return error;
    }

    dst->names = xcalloc(n, sizeof *dst->names);
    for (size_t i = 0; i < n; i++) {
        const char *base = array[i];
        const char *s = (ref->hop
                         ? *ALIGNED_CAST(char *const *,
                                         base + ref->leaf->offset)
                         : base);
        size_t len = wire_string_length(s);

        if (len) {
            error = convert_string(field, s, len, &dst->names[dst->n++]);
        } else if (field->flags & GFF_ID) {
            error = xstrdup("empty, expected an id");
        }
        if (error) {
            const ProtobufCFieldDescriptor *fd = ref->hop ? ref->hop
                                                          : ref->leaf;
            char *full = xasprintf("%s[%"PRIuSIZE"]%s%s: %s", fd->name, i,
                                   ref->hop ? "." : "",
                                   ref->hop ? ref->leaf->name : "", error);
            free(error);
            return full;
        }
    }
    return NULL;
}

static char *convert(const struct proto_plan *, const void *message,
                     bool element, void *dst);

static char *
convert_structs(const struct proto_binding *binding, const void *message,
                struct elements *dst)
{
    const struct goal_field *field = binding->field;
    void **array;
    char *error;
    size_t n;

    *dst = (struct elements) { NULL, 0 };
    error = locate_list(binding, message, &array, &n);
    if (error || !n) {
        return error;
    }

    dst->elems = xcalloc(n, field->sub->size);
    for (size_t i = 0; i < n; i++) {
        error = convert(binding->sub, array[i], true,
                        dst->elems + i * field->sub->size);
        dst->n++;
        if (error) {
            char *full = xasprintf("%s[%"PRIuSIZE"].%s", field->name, i,
                                   error);
            free(error);
            return full;
        }
    }
    return NULL;
}

/* Returns true if 'message', to be converted by 'plan', says of itself that it
 * only names something. */
static bool
only_names(const struct proto_plan *plan, const void *message)
{
    const char *name;
    const int *operation = (plan->operation
                            ? locate(plan->operation, message, &name) : NULL);

    return (operation
            && (*operation == GOAL_OP_DELETE || *operation == GOAL_OP_GET));
}

/* Sets every member of '*dst' in the table.  'element' says that '*dst' is an
 * element of a list. */
static char *
convert(const struct proto_plan *plan, const void *message, bool element,
        void *dst)
{
    bool names = element && only_names(plan, message);
    char *error = NULL;

    for (size_t i = 0; i < plan->layout->n_fields; i++) {
        const struct proto_binding *binding = &plan->bindings[i];
        const struct goal_field *field = binding->field;
        void *member = (char *) dst + field->offset;

        if (error
            || (names && !(field->flags & (GFF_KEY | GFF_OPERATION)))) {
            set_default(field, member);
        } else if (field->type == GF_STRINGS) {
            error = convert_strings(binding, message, member);
        } else if (field->type == GF_STRUCTS) {
            error = convert_structs(binding, message, member);
        } else {
            error = convert_scalar(binding, message, element, member);
        }
    }
    return error;
}

/* Converts 'message', which was unpacked into an arena, to '*dst', according
 * to 'plan'.  Returns NULL or a malloc()'d message of the form "FIELD: WHAT".
 * In both cases '*dst' can be destroyed with goal_struct_uninit(). */
char *
proto_plan_convert(const struct proto_plan *plan,
                   const ProtobufCMessage *message, void *dst)
{
    return convert(plan, message, false, dst);
}
