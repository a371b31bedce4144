/* SPDX-License-Identifier: Apache-2.0
 *
 * proto-json: the proto3 JSON mapping over protobuf-c descriptors. */

#include <config.h>

#include "ingest/proto-json.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ingest/proto-field.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/json.h"
#include "openvswitch/shash.h"
#include "util.h"

/* Descriptors. */

/* Returns the JSON name of 'fd': lowerCamelCase.  The caller must free it. */
static char *
json_name(const ProtobufCFieldDescriptor *fd)
{
    char *name = xstrdup(fd->name);
    char *out = name;
    bool upper = false;

    for (const char *p = fd->name; *p; p++) {
        if (*p == '_') {
            upper = true;
        } else {
            *out++ = upper ? toupper((unsigned char) *p) : *p;
            upper = false;
        }
    }
    *out = '\0';
    return name;
}

/* Returns true if 'fd', a field of 'md', is a map.  Descriptors do not say so,
 * but the compiler gives the type of a map's entries a name of its own: the
 * field's in CamelCase and "Entry". */
static bool
is_map(const ProtobufCMessageDescriptor *md,
       const ProtobufCFieldDescriptor *fd)
{
    const ProtobufCMessageDescriptor *entry = fd->descriptor;
    bool map;

    if (fd->type != PROTOBUF_C_TYPE_MESSAGE
        || fd->label != PROTOBUF_C_LABEL_REPEATED
        || entry->n_fields != 2
        || strcmp(entry->fields[0].name, "key")
        || strcmp(entry->fields[1].name, "value")) {
        return false;
    }

    char *camel = json_name(fd);
    camel[0] = toupper((unsigned char) camel[0]);
    char *name = xasprintf("%s.%sEntry", md->name, camel);
    map = !strcmp(entry->name, name);
    free(name);
    free(camel);
    return map;
}

/* Returns the size of one value of 'type' in memory. */
static size_t
type_size(ProtobufCType type)
{
    switch (type) {
    case PROTOBUF_C_TYPE_BOOL:
        return sizeof(protobuf_c_boolean);
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_SFIXED32:
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_FIXED32:
    case PROTOBUF_C_TYPE_FLOAT:
    case PROTOBUF_C_TYPE_ENUM:
        return 4;
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_DOUBLE:
        return 8;
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_MESSAGE:
        return sizeof(void *);
    case PROTOBUF_C_TYPE_BYTES:
        return sizeof(ProtobufCBinaryData);
    }
    OVS_NOT_REACHED();
}

/* Base64. */

static const char base64_digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static char *
base64_encode(const uint8_t *data, size_t len)
{
    struct ds ds = DS_EMPTY_INITIALIZER;

    for (size_t i = 0; i < len; i += 3) {
        size_t n = MIN(len - i, 3);
        uint32_t word = data[i] << 16;

        word |= n > 1 ? data[i + 1] << 8 : 0;
        word |= n > 2 ? data[i + 2] : 0;
        for (size_t j = 0; j < 4; j++) {
            ds_put_char(&ds, j > n
                        ? '=' : base64_digits[word >> (18 - 6 * j) & 63]);
        }
    }
    return ds_steal_cstr(&ds);
}

/* Decodes 's', of the ordinary alphabet or the one for URLs, with or without
 * padding, into '*bytes', whose data the caller must free, also if this
 * returns false because it is not base64. */
static bool
base64_decode(const char *s, ProtobufCBinaryData *bytes)
{
    size_t len = strlen(s);
    uint32_t word = 0;
    int bits = 0;

    while (len && s[len - 1] == '=') {
        len--;
    }
    bytes->len = 0;
    bytes->data = xmalloc(len + 1);
    for (size_t i = 0; i < len; i++) {
        char c = s[i] == '-' ? '+' : s[i] == '_' ? '/' : s[i];
        const char *digit = c ? strchr(base64_digits, c) : NULL;

        if (!digit || len % 4 == 1) {
            return false;
        }
        word = word << 6 | (digit - base64_digits);
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            bytes->data[bytes->len++] = word >> bits;
        }
    }
    return true;
}

/* Message to JSON. */

/* Returns 's' as JSON.  What is not UTF-8 in it becomes '?'. */
static struct json *
string_to_json(const char *s)
{
    char *copy;

    if (!s || proto_is_utf8(s, strlen(s))) {
        return json_string_create(s ? s : "");
    }
    copy = xstrdup(s);
    for (char *p = copy; *p; p++) {
        if (*p & 0x80) {
            *p = '?';
        }
    }
    return json_string_create_nocopy(copy);
}

static struct json *
enum_to_json(const ProtobufCEnumDescriptor *ed, int number)
{
    const ProtobufCEnumValue *value;

    value = protobuf_c_enum_descriptor_get_value(ed, number);
    return (value ? json_string_create(value->name)
            : json_integer_create(number));
}

static struct json *
real_to_json(double value)
{
    return (isnan(value) ? json_string_create("NaN")
            : isinf(value) ? json_string_create(value > 0 ? "Infinity"
                                                : "-Infinity")
            : json_real_create(value));
}

/* Returns the value at 'p', described by 'fd', as JSON. */
static struct json *
value_to_json(const ProtobufCFieldDescriptor *fd, const void *p)
{
    const ProtobufCBinaryData *bytes = p;

    switch (fd->type) {
    case PROTOBUF_C_TYPE_BOOL:
        return json_boolean_create(*(const protobuf_c_boolean *) p);
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_SFIXED32:
        return json_integer_create(*(const int32_t *) p);
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_FIXED32:
        return json_integer_create(*(const uint32_t *) p);
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
        return json_string_create_nocopy(
            xasprintf("%"PRId64, *(const int64_t *) p));
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
        return json_string_create_nocopy(
            xasprintf("%"PRIu64, *(const uint64_t *) p));
    case PROTOBUF_C_TYPE_FLOAT:
        return real_to_json(*(const float *) p);
    case PROTOBUF_C_TYPE_DOUBLE:
        return real_to_json(*(const double *) p);
    case PROTOBUF_C_TYPE_ENUM:
        return enum_to_json(fd->descriptor, *(const int *) p);
    case PROTOBUF_C_TYPE_STRING:
        return string_to_json(*(char *const *) p);
    case PROTOBUF_C_TYPE_BYTES:
        return json_string_create_nocopy(base64_encode(bytes->data,
                                                       bytes->len));
    case PROTOBUF_C_TYPE_MESSAGE:
        return proto_to_json(*(ProtobufCMessage *const *) p);
    }
    OVS_NOT_REACHED();
}

/* Returns the map whose 'n' entries are at 'entries' as JSON. */
static struct json *
map_to_json(ProtobufCMessage *const *entries, size_t n)
{
    struct json *object = json_object_create();

    for (size_t i = 0; i < n; i++) {
        const ProtobufCFieldDescriptor *fields
            = entries[i]->descriptor->fields;
        const char *base = (const char *) entries[i];
        const void *value = base + fields[1].offset;
        struct json *key = value_to_json(&fields[0], base + fields[0].offset);
        char *name = (key->type == JSON_STRING ? xstrdup(json_string(key))
                      : json_to_string(key, 0));

        /* A value that is left out is an empty message. */
        json_object_put_nocopy(
            object, name,
            fields[1].type == PROTOBUF_C_TYPE_MESSAGE
            && !*(ProtobufCMessage *const *) value
            ? json_object_create() : value_to_json(&fields[1], value));
        json_destroy(key);
    }
    return object;
}

static struct json *
list_to_json(const ProtobufCFieldDescriptor *fd, const char *elems, size_t n)
{
    struct json *array = json_array_create_empty();

    for (size_t i = 0; i < n; i++) {
        json_array_add(array,
                       value_to_json(fd, elems + i * type_size(fd->type)));
    }
    return array;
}

/* Returns true if the value at 'p', of field 'fd' that is not repeated, is
 * what it is when left out. */
static bool
is_default(const ProtobufCFieldDescriptor *fd, const void *p)
{
    if (fd->type == PROTOBUF_C_TYPE_STRING) {
        return !*(char *const *) p || !**(char *const *) p;
    } else if (fd->type == PROTOBUF_C_TYPE_BYTES) {
        return !((const ProtobufCBinaryData *) p)->len;
    } else {
        return is_all_zeros(p, type_size(fd->type));
    }
}

/* Returns true if 'message' has the field 'fd', which is not repeated. */
static bool
is_given(const ProtobufCFieldDescriptor *fd, const char *message)
{
    const void *quantifier = message + fd->quantifier_offset;

    if (fd->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) {
        return *(const uint32_t *) quantifier == fd->id;
    } else if (fd->label == PROTOBUF_C_LABEL_OPTIONAL
               && fd->quantifier_offset) {
        return *(const protobuf_c_boolean *) quantifier;
    } else {
        return !is_default(fd, message + fd->offset);
    }
}

struct json *
proto_to_json(const ProtobufCMessage *message)
{
    const ProtobufCMessageDescriptor *md = message->descriptor;
    const char *base = (const char *) message;
    struct json *object = json_object_create();

    for (unsigned int i = 0; i < md->n_fields; i++) {
        const ProtobufCFieldDescriptor *fd = &md->fields[i];
        const void *p = base + fd->offset;
        struct json *json = NULL;

        if (fd->label == PROTOBUF_C_LABEL_REPEATED) {
            size_t n = *(const size_t *) (const void *)
                       (base + fd->quantifier_offset);

            if (n) {
                json = (is_map(md, fd)
                        ? map_to_json(*(ProtobufCMessage **const *) p, n)
                        : list_to_json(fd, *(const char *const *) p, n));
            }
        } else if (is_given(fd, base)) {
            json = value_to_json(fd, p);
        }
        if (json) {
            json_object_put_nocopy(object, json_name(fd), json);
        }
    }
    return object;
}

/* JSON to message. */

/* Where the parser is, for error messages. */
struct path {
    const struct path *up;      /* What this is in; null at the top. */
    const char *name;           /* Member, or null for an element. */
    size_t index;               /* Of the element. */
};

static void
path_format(const struct path *path, struct ds *ds)
{
    if (!path) {
        return;
    }
    path_format(path->up, ds);
    if (path->name) {
        ds_put_format(ds, "%s%s", ds->length ? "." : "", path->name);
    } else {
        ds_put_format(ds, "[%"PRIuSIZE"]", path->index);
    }
}

/* Returns an error at 'path': 'expected' was expected, 'json' was found. */
static char *
mismatch(const struct path *path, const char *expected,
         const struct json *json)
{
    struct ds ds = DS_EMPTY_INITIALIZER;

    path_format(path, &ds);
    ds_put_format(&ds, "%sexpected %s, found ", ds.length ? ": " : "",
                  expected);
    if (json->type == JSON_STRING) {
        char *quoted = proto_quote(json_string(json),
                                   strlen(json_string(json)));
        ds_put_cstr(&ds, quoted);
        free(quoted);
    } else if (json->type == JSON_INTEGER || json->type == JSON_REAL) {
        json_to_ds(json, 0, &ds);
    } else {
        ds_put_cstr(&ds, json_type_to_string(json->type));
    }
    return ds_steal_cstr(&ds);
}

/* Takes a whole number in decimal from 's'. */
static bool
integer_from_string(const char *s, bool *negative, uint64_t *magnitude)
{
    char *tail;

    *negative = *s == '-';
    s += *negative;
    if (!isdigit((unsigned char) *s)) {
        return false;
    }
    errno = 0;
    *magnitude = strtoull(s, &tail, 10);
    return !errno && !*tail;
}

/* Takes a whole number from 'json', a number or a string. */
static bool
integer_from_json(const struct json *json, bool *negative,
                  uint64_t *magnitude)
{
    if (json->type == JSON_INTEGER) {
        long long int value = json_integer(json);

        *negative = value < 0;
        *magnitude = *negative ? -(uint64_t) value : value;
        return true;
    } else if (json->type == JSON_REAL) {
        double value = json->real;

        *negative = value < 0;
        value = fabs(value);
        if (value != floor(value) || value >= 18446744073709551616.0) {
            return false;
        }
        *magnitude = value;
        return true;
    } else {
        return (json->type == JSON_STRING
                && integer_from_string(json_string(json), negative,
                                       magnitude));
    }
}

static char *
signed_from_json(const struct path *path, const struct json *json, int bits,
                 void *p)
{
    uint64_t limit = UINT64_C(1) << (bits - 1);
    uint64_t magnitude;
    bool negative;

    if (!integer_from_json(json, &negative, &magnitude)
        || magnitude > limit - !negative) {
        return mismatch(path, bits == 32 ? "a 32-bit integer"
                        : "a 64-bit integer", json);
    }

    magnitude = negative ? -magnitude : magnitude;
    if (bits == 32) {
        *(uint32_t *) p = magnitude;
    } else {
        *(uint64_t *) p = magnitude;
    }
    return NULL;
}

static char *
unsigned_from_json(const struct path *path, const struct json *json, int bits,
                   void *p)
{
    uint64_t magnitude;
    bool negative;

    if (!integer_from_json(json, &negative, &magnitude)
        || (negative && magnitude)
        || (bits == 32 && magnitude > UINT32_MAX)) {
        return mismatch(path, bits == 32 ? "an unsigned 32-bit integer"
                        : "an unsigned 64-bit integer", json);
    }

    if (bits == 32) {
        *(uint32_t *) p = magnitude;
    } else {
        *(uint64_t *) p = magnitude;
    }
    return NULL;
}

static char *
real_from_json(const struct path *path, const struct json *json,
               double *value)
{
    if (json->type == JSON_INTEGER) {
        *value = json_integer(json);
        return NULL;
    } else if (json->type == JSON_REAL) {
        *value = json->real;
        return NULL;
    } else if (json->type == JSON_STRING && json_string(json)[0]) {
        char *tail;

        *value = strtod(json_string(json), &tail);
        if (!*tail) {
            return NULL;
        }
    }
    return mismatch(path, "a number", json);
}

static char *
enum_from_json(const struct path *path, const struct json *json,
               const ProtobufCEnumDescriptor *ed, void *p)
{
    const ProtobufCEnumValue *value = NULL;
    struct ds expected = DS_EMPTY_INITIALIZER;
    char *error;

    if (json->type != JSON_STRING) {
        error = signed_from_json(path, json, 32, p);
        if (!error) {
            return NULL;
        }
        free(error);
    } else {
        value = protobuf_c_enum_descriptor_get_value_by_name(
            ed, json_string(json));
        if (value) {
            *(int *) p = value->value;
            return NULL;
        }
    }

    for (unsigned int i = 0; i < ed->n_values; i++) {
        ds_put_format(&expected, "%s%s",
                      !i ? "" : i + 1 == ed->n_values ? " or " : ", ",
                      ed->values[i].name);
    }
    error = mismatch(path, ds_cstr(&expected), json);
    ds_destroy(&expected);
    return error;
}

static char *
string_from_json(const struct path *path, const struct json *json, char **p)
{
    if (json->type != JSON_STRING) {
        return mismatch(path, "a string", json);
    }
    *p = xstrdup(json_string(json));
    return NULL;
}

static char *message_from_json(const struct path *, const struct json *,
                               const ProtobufCMessageDescriptor *,
                               ProtobufCMessage **);

/* Converts 'json' to the value at 'p', which is that of an empty message and
 * described by 'fd'. */
static char *
value_from_json(const struct path *path, const struct json *json,
                const ProtobufCFieldDescriptor *fd, void *p)
{
    double real;
    char *error;

    switch (fd->type) {
    case PROTOBUF_C_TYPE_BOOL:
        if (json->type != JSON_TRUE && json->type != JSON_FALSE) {
            return mismatch(path, "true or false", json);
        }
        *(protobuf_c_boolean *) p = json_boolean(json);
        return NULL;
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_SFIXED32:
        return signed_from_json(path, json, 32, p);
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_FIXED32:
        return unsigned_from_json(path, json, 32, p);
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
        return signed_from_json(path, json, 64, p);
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
        return unsigned_from_json(path, json, 64, p);
    case PROTOBUF_C_TYPE_FLOAT:
        error = real_from_json(path, json, &real);
        *(float *) p = error ? 0 : real;
        return error;
    case PROTOBUF_C_TYPE_DOUBLE:
        return real_from_json(path, json, p);
    case PROTOBUF_C_TYPE_ENUM:
        return enum_from_json(path, json, fd->descriptor, p);
    case PROTOBUF_C_TYPE_STRING:
        return string_from_json(path, json, p);
    case PROTOBUF_C_TYPE_BYTES:
        return (json->type == JSON_STRING
                && base64_decode(json_string(json), p)
                ? NULL : mismatch(path, "base64", json));
    case PROTOBUF_C_TYPE_MESSAGE:
        return message_from_json(path, json, fd->descriptor, p);
    }
    OVS_NOT_REACHED();
}

static char *
list_from_json(const struct path *path, const struct json *json,
               const ProtobufCFieldDescriptor *fd, char *message)
{
    size_t *n = (size_t *) (void *) (message + fd->quantifier_offset);
    char **elems = (char **) (void *) (message + fd->offset);
    size_t size = type_size(fd->type);

    if (json->type != JSON_ARRAY) {
        return mismatch(path, "an array", json);
    } else if (!json->array.n) {
        return NULL;
    }

    *elems = xcalloc(json->array.n, size);
    for (size_t i = 0; i < json->array.n; i++) {
        struct path here = { .up = path, .index = i };
        char *error = value_from_json(&here, json->array.elems[i], fd,
                                      *elems + i * size);

        /* Also a value that is incomplete is to be freed. */
        ++*n;
        if (error) {
            return error;
        }
    }
    return NULL;
}

/* Converts 'node', a member of an object that is a map, to '*entryp', an entry
 * of type 'md'. */
static char *
map_entry_from_json(const struct path *path, const struct shash_node *node,
                    const ProtobufCMessageDescriptor *md,
                    ProtobufCMessage **entryp)
{
    ProtobufCMessage *entry = *entryp = xmalloc(md->sizeof_message);
    struct json *key = json_string_create(node->name);
    struct json *value = node->data;
    char *error;

    protobuf_c_message_init(md, entry);
    if (md->fields[0].type == PROTOBUF_C_TYPE_BOOL
        && (!strcmp(node->name, "true") || !strcmp(node->name, "false"))) {
        json_destroy(key);
        key = json_boolean_create(node->name[0] == 't');
    }
    error = value_from_json(path, key, &md->fields[0],
                            (char *) entry + md->fields[0].offset);
    if (!error) {
        error = value_from_json(path, value, &md->fields[1],
                                (char *) entry + md->fields[1].offset);
    }
    json_destroy(key);
    return error;
}

/* Converts 'json' to a map, with entries in the order of their keys. */
static char *
map_from_json(const struct path *path, const struct json *json,
              const ProtobufCFieldDescriptor *fd, char *message)
{
    size_t *n = (size_t *) (void *) (message + fd->quantifier_offset);
    ProtobufCMessage ***entries
        = (ProtobufCMessage ***) (void *) (message + fd->offset);
    const struct shash_node **nodes;
    char *error = NULL;

    if (json->type != JSON_OBJECT) {
        return mismatch(path, "an object", json);
    } else if (shash_is_empty(json_object(json))) {
        return NULL;
    }

    nodes = shash_sort(json_object(json));
    *entries = xcalloc(shash_count(json_object(json)), sizeof **entries);
    for (size_t i = 0; !error && i < shash_count(json_object(json)); i++) {
        struct path here = { .up = path, .name = nodes[i]->name };

        error = map_entry_from_json(&here, nodes[i], fd->descriptor,
                                    &(*entries)[i]);
        ++*n;
    }
    free(nodes);
    return error;
}

/* Returns the field of 'md' that is called 'name', in JSON or originally. */
static const ProtobufCFieldDescriptor *
find_field(const ProtobufCMessageDescriptor *md, const char *name)
{
    for (unsigned int i = 0; i < md->n_fields; i++) {
        char *camel = json_name(&md->fields[i]);
        bool found = !strcmp(camel, name);

        free(camel);
        if (found) {
            return &md->fields[i];
        }
    }
    return protobuf_c_message_descriptor_get_field_by_name(md, name);
}

/* Records that 'message' has 'fd', a field that is not repeated.  Returns
 * false if it has it, or another member of its oneof, already. */
static bool
claim_field(const ProtobufCFieldDescriptor *fd, char *message, bool *seen)
{
    void *quantifier = message + fd->quantifier_offset;

    if (*seen) {
        return false;
    }
    *seen = true;
    if (fd->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) {
        if (*(uint32_t *) quantifier) {
            return false;
        }
        *(uint32_t *) quantifier = fd->id;
    } else if (fd->label == PROTOBUF_C_LABEL_OPTIONAL
               && fd->quantifier_offset) {
        *(protobuf_c_boolean *) quantifier = true;
    }
    return true;
}

/* Converts 'node', a member of a JSON object, to a field of 'message', of type
 * 'md'.  'seen' says which fields it has, by index. */
static char *
member_from_json(const struct path *up, const struct shash_node *node,
                 const ProtobufCMessageDescriptor *md, char *message,
                 bool *seen)
{
    struct path path = { .up = up, .name = node->name };
    const ProtobufCFieldDescriptor *fd = find_field(md, node->name);
    const struct json *json = node->data;
    struct ds ds = DS_EMPTY_INITIALIZER;

    if (!fd) {
        path_format(&path, &ds);
        ds_put_format(&ds, ": not a field of %s", md->name);
        return ds_steal_cstr(&ds);
    } else if (json->type == JSON_NULL) {
        return NULL;
    } else if (fd->label == PROTOBUF_C_LABEL_REPEATED
               ? seen[fd - md->fields]
               : !claim_field(fd, message, &seen[fd - md->fields])) {
        path_format(&path, &ds);
        ds_put_cstr(&ds, ": given twice, or with another of the same oneof");
        return ds_steal_cstr(&ds);
    }

    seen[fd - md->fields] = true;
    return (fd->label != PROTOBUF_C_LABEL_REPEATED
            ? value_from_json(&path, json, fd, message + fd->offset)
            : is_map(md, fd) ? map_from_json(&path, json, fd, message)
            : list_from_json(&path, json, fd, message));
}

/* Converts 'json', found at 'path', to '*messagep', of type 'md'.  On error
 * '*messagep' is to be freed as well, unless it is null. */
static char *
message_from_json(const struct path *path, const struct json *json,
                  const ProtobufCMessageDescriptor *md,
                  ProtobufCMessage **messagep)
{
    const struct shash_node **nodes;
    char *error = NULL;
    bool *seen;

    *messagep = NULL;
    if (json->type != JSON_OBJECT) {
        return mismatch(path, "an object", json);
    }

    *messagep = xmalloc(md->sizeof_message);
    protobuf_c_message_init(md, *messagep);
    seen = xcalloc(md->n_fields, sizeof *seen);
    nodes = shash_sort(json_object(json));
    for (size_t i = 0; !error && i < shash_count(json_object(json)); i++) {
        error = member_from_json(path, nodes[i], md, (char *) *messagep,
                                 seen);
    }
    free(nodes);
    free(seen);
    return error;
}

char *
proto_from_json(const struct json *json,
                const ProtobufCMessageDescriptor *descriptor,
                ProtobufCMessage **messagep)
{
    char *error = message_from_json(NULL, json, descriptor, messagep);

    if (error) {
        if (*messagep) {
            protobuf_c_message_free_unpacked(*messagep, NULL);
        }
        *messagep = NULL;
    }
    return error;
}
