/* SPDX-License-Identifier: Apache-2.0
 *
 * wire-walk: reads protobuf messages as they are on the wire. */

#include <config.h>

#include "ingest/wire-walk.h"

#include <inttypes.h>
#include <stdlib.h>

#include "util.h"

/* Most bytes that a tag or a length, and any varint, may have. */
#define MAX_VARINT32_LEN 5
#define MAX_VARINT_LEN 10

/* Prepares 'walk' for the message of 'len' bytes at 'data', which may be null
 * if 'len' is 0. */
void
wire_walk_init(struct wire_walk *walk, const void *data, size_t len)
{
    walk->start = walk->p = len ? data : "";
    walk->end = walk->p + len;
    walk->error = NULL;
}

/* Reads a varint of at most 'max_len' bytes into '*value'.  Bits beyond 64 are
 * dropped, as every implementation does.  Returns false if there is none. */
static bool
read_varint(struct wire_walk *walk, size_t max_len, uint64_t *value)
{
    const uint8_t *p = walk->p;
    const uint8_t *end = walk->end;
    unsigned int shift = 0;

    if (OVS_LIKELY(p < end && *p < 0x80)) {
        *value = *p;
        walk->p++;
        return true;
    }

    if (end - p > max_len) {
        end = p + max_len;
    }
    *value = 0;
    for (; p < end; p++, shift += 7) {
        *value |= (uint64_t) (*p & 0x7f) << shift;
        if (*p < 0x80) {
            walk->p = p + 1;
            return true;
        }
    }
    return false;
}

static bool
read_fixed(struct wire_walk *walk, size_t size, uint64_t *value)
{
    const uint8_t *p = walk->p;

    if (walk->end - p < size) {
        return false;
    }

    *value = 0;
    for (size_t i = 0; i < size; i++) {
        *value |= (uint64_t) p[i] << (8 * i);
    }
    walk->p += size;
    return true;
}

/* Reads what follows a tag, according to 'field->type'.  Returns NULL or says
 * what is wrong. */
static const char *
read_value(struct wire_walk *walk, struct wire_field *field)
{
    switch (field->type) {
    case WIRE_VARINT:
        return (read_varint(walk, MAX_VARINT_LEN, &field->value)
                ? NULL : "unterminated varint");

    case WIRE_FIXED64:
        return (read_fixed(walk, 8, &field->value)
                ? NULL : "too short for a 64-bit value");

    case WIRE_FIXED32:
        return (read_fixed(walk, 4, &field->value)
                ? NULL : "too short for a 32-bit value");

    case WIRE_BYTES: {
        uint64_t len;

        if (!read_varint(walk, MAX_VARINT32_LEN, &len)) {
            return "unterminated length";
        } else if (len > walk->end - walk->p) {
            return "length exceeds the message";
        }
        field->data = walk->p;
        field->len = len;
        walk->p += len;
        return NULL;
    }

    default:
        return "unsupported wire type";
    }
}

/* Stores the next field in '*field' and returns true.  At the end of the
 * message, or if it turns out not to be one, returns false; 'walk->error' says
 * which. */
bool
wire_walk_next(struct wire_walk *walk, struct wire_field *field)
{
    uint64_t tag;

    if (walk->p == walk->end || walk->error) {
        return false;
    }

    if (!read_varint(walk, MAX_VARINT32_LEN, &tag)) {
        walk->error = "unterminated tag";
        return false;
    } else if (tag > UINT32_MAX || tag < 8) {
        walk->error = "invalid field number";
        return false;
    }

    *field = (struct wire_field) { .number = tag >> 3, .type = tag & 7 };
    walk->error = read_value(walk, field);
    return !walk->error;
}

/* Returns the last of the fields 'number' of 'message' that has bytes, empty
 * if there is none.  Whatever is wrong with the message is for wire_check() to
 * find. */
struct wire_bytes
wire_find(struct wire_bytes message, uint32_t number)
{
    struct wire_bytes found = { NULL, 0 };
    struct wire_walk walk;
    struct wire_field field;

    wire_walk_init(&walk, message.data, message.len);
    while (wire_walk_next(&walk, &field)) {
        if (field.number == number && field.type == WIRE_BYTES) {
            found = (struct wire_bytes) { field.data, field.len };
        }
    }
    return found;
}

static enum wire_type
scalar_wire_type(ProtobufCType type)
{
    switch (type) {
    case PROTOBUF_C_TYPE_FIXED32:
    case PROTOBUF_C_TYPE_SFIXED32:
    case PROTOBUF_C_TYPE_FLOAT:
        return WIRE_FIXED32;

    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_DOUBLE:
        return WIRE_FIXED64;

    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_BYTES:
    case PROTOBUF_C_TYPE_MESSAGE:
        return WIRE_BYTES;

    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_BOOL:
    case PROTOBUF_C_TYPE_ENUM:
    default:
        return WIRE_VARINT;
    }
}

/* Returns true if a field described by 'fd' may come with wire type 'type'.
 * Repeated numbers may be packed. */
bool
wire_type_matches(const ProtobufCFieldDescriptor *fd, enum wire_type type)
{
    return (scalar_wire_type(fd->type) == type
            || (type == WIRE_BYTES && fd->label == PROTOBUF_C_LABEL_REPEATED));
}

/* Checks the 'field', a sequence of packed numbers. */
static const char *
check_packed(const ProtobufCFieldDescriptor *fd,
             const struct wire_field *field)
{
    struct wire_walk walk;

    switch (scalar_wire_type(fd->type)) {
    case WIRE_FIXED32:
        return field->len % 4 ? "not a whole number of values" : NULL;

    case WIRE_FIXED64:
        return field->len % 8 ? "not a whole number of values" : NULL;

    case WIRE_VARINT:
        wire_walk_init(&walk, field->data, field->len);
        while (walk.p < walk.end) {
            uint64_t value;

            if (!read_varint(&walk, MAX_VARINT_LEN, &value)) {
                return "unterminated varint";
            }
        }
        return NULL;

    case WIRE_BYTES:
    default:
        return NULL;
    }
}

/* Finds the field of 'md' with the given 'number', trying first the one at
 * '*index', which is then set to the one after it: fields mostly come in
 * order.  Returns NULL if there is none. */
static const ProtobufCFieldDescriptor *
find_field(const ProtobufCMessageDescriptor *md, uint32_t number,
           unsigned int *index)
{
    const ProtobufCFieldDescriptor *fd;

    if (*index < md->n_fields && md->fields[*index].id == number) {
        fd = &md->fields[*index];
    } else {
        fd = protobuf_c_message_descriptor_get_field(md, number);
    }
    if (fd) {
        *index = fd - md->fields;
        *index += fd->label != PROTOBUF_C_LABEL_REPEATED;
    }
    return fd;
}

/* Records in '*seen' that the message of type 'md' has 'fd'.  Returns true if
 * 'fd' is a nested message, not repeated, of which it is the second. */
static bool
is_second(const ProtobufCMessageDescriptor *md,
          const ProtobufCFieldDescriptor *fd, uint64_t *seen)
{
    unsigned int index = fd - md->fields;
    uint64_t bit = UINT64_C(1) << (index % 64);

    if (fd->type != PROTOBUF_C_TYPE_MESSAGE
        || fd->label == PROTOBUF_C_LABEL_REPEATED) {
        return false;
    } else if (*seen & bit || index >= 64) {
        return true;
    }
    *seen |= bit;
    return false;
}

static const char *
wire_check__(const ProtobufCMessageDescriptor *md, const uint8_t *data,
             size_t len, const uint8_t **where)
{
    struct wire_walk walk;
    struct wire_field field;
    unsigned int index = 0;
    uint64_t seen = 0;

    wire_walk_init(&walk, data, len);
    while (wire_walk_next(&walk, &field)) {
        const ProtobufCFieldDescriptor *fd;
        const char *error = NULL;

        fd = find_field(md, field.number, &index);
        if (!fd) {
            continue;
        }

        *where = field.type == WIRE_BYTES ? field.data : walk.p;
        if (!wire_type_matches(fd, field.type)) {
            error = "wire type does not match the schema";
        } else if (is_second(md, fd, &seen)) {
            error = "nested message given twice";
        } else if (fd->type == PROTOBUF_C_TYPE_MESSAGE) {
            error = wire_check__(fd->descriptor, field.data, field.len,
                                 where);
        } else if (field.type == WIRE_BYTES) {
            error = check_packed(fd, &field);
        }
        if (OVS_UNLIKELY(error)) {
            return error;
        }
    }
    if (walk.error) {
        *where = walk.p;
    }
    return walk.error;
}

/* Checks that the 'len' bytes at 'data' are a message of type 'md', nested
 * messages included.  Strings are not looked into.  Returns NULL or a
 * malloc()'d message that says what is wrong and where. */
char *
wire_check(const ProtobufCMessageDescriptor *md, const void *data, size_t len)
{
    const uint8_t *where = data;
    const char *error = wire_check__(md, data, len, &where);

    return (error
            ? xasprintf("%s: byte %"PRIuPTR": %s", md->name,
                        (uintptr_t) (where - (const uint8_t *) data), error)
            : NULL);
}

/* Arenas. */

/* Size of a chunk, unless one block needs more. */
#define ARENA_CHUNK_SIZE (64 * 1024)

/* Bytes that unpacking a message may take: so many times its length, and so
 * many whatever its length. */
#define ARENA_FACTOR 16
#define ARENA_ALLOWANCE (1024 * 1024)

struct wire_arena_chunk {
    struct wire_arena_chunk *next; /* The one before. */
    uint64_t data[];            /* Blocks, each after a uint64_t that holds
                                 * its size. */
};

/* Returns false, and adds no chunk, if it would exceed the limit. */
static bool
arena_add_chunk(struct wire_arena *arena, size_t size)
{
    struct wire_arena_chunk *chunk;

    if (size > arena->limit || arena->used > arena->limit - size) {
        return false;
    }

    chunk = xmalloc(sizeof *chunk + size);
    chunk->next = arena->chunks;
    arena->chunks = chunk;
    arena->p = (uint8_t *) chunk->data;
    arena->left = size;
    arena->used += size;
    return true;
}

static void *
arena_alloc(void *arena_, size_t size)
{
    struct wire_arena *arena = arena_;
    size_t need;
    uint64_t *block;

    if (size > arena->limit) {
        arena->exhausted = true;
        return NULL;
    }

    need = ROUND_UP(size, sizeof *block) + sizeof *block;
    if (OVS_UNLIKELY(need > arena->left)
        && !arena_add_chunk(arena, MAX(need, ARENA_CHUNK_SIZE))) {
        arena->exhausted = true;
        return NULL;
    }

    block = ALIGNED_CAST(uint64_t *, arena->p);
    arena->p += need;
    arena->left -= need;
    *block = size;
    return block + 1;
}

static void
arena_free(void *arena OVS_UNUSED, void *block OVS_UNUSED)
{
    /* The next reset does it. */
}

void
wire_arena_init(struct wire_arena *arena)
{
    *arena = (struct wire_arena) {
        .allocator = { arena_alloc, arena_free, arena },
    };
    wire_arena_reset(arena, 0);
}

/* Frees everything in 'arena' and prepares it for unpacking a message of
 * 'message_len' bytes. */
void
wire_arena_reset(struct wire_arena *arena, size_t message_len)
{
    struct wire_arena_chunk *chunk;

    while (arena->chunks && arena->chunks->next) {
        chunk = arena->chunks;
        arena->chunks = chunk->next;
        free(chunk);
    }

    arena->limit = ARENA_ALLOWANCE + ARENA_FACTOR * message_len;
    arena->exhausted = false;
    if (arena->chunks) {
        /* The oldest chunk is of standard size, for it was made below. */
        arena->p = (uint8_t *) arena->chunks->data;
        arena->left = ARENA_CHUNK_SIZE;
        arena->used = ARENA_CHUNK_SIZE;
    } else {
        arena->used = 0;
        arena_add_chunk(arena, ARENA_CHUNK_SIZE);
    }
}

void
wire_arena_destroy(struct wire_arena *arena)
{
    while (arena->chunks) {
        struct wire_arena_chunk *chunk = arena->chunks;

        arena->chunks = chunk->next;
        free(chunk);
    }
}

/* Returns the number of bytes of 's', a string member of a message that was
 * unpacked into an arena.  Unlike strlen(), it counts null bytes. */
size_t
wire_string_length(const char *s)
{
    return (s == protobuf_c_empty_string || !s
            ? 0 : ALIGNED_CAST(const uint64_t *, s)[-1] - 1);
}

/* Unpacks the 'len' bytes at 'data', a message of type 'md', into 'arena',
 * dropping what was there.  Returns NULL and stores the message, which lives
 * until the next reset, in '*messagep', or returns a malloc()'d message.  If
 * 'arena->exhausted', it is the arena that is too small. */
char *
wire_unpack(struct wire_arena *arena, const ProtobufCMessageDescriptor *md,
            const void *data, size_t len, ProtobufCMessage **messagep)
{
    char *error = wire_check(md, data, len);

    wire_arena_reset(arena, len);
    if (!error) {
        *messagep = protobuf_c_message_unpack(md, &arena->allocator, len,
                                              data);
        if (!*messagep) {
            error = xasprintf("%s: %s", md->name,
                              arena->exhausted
                              ? "too many parts for its size"
                              : "not a message of this type");
        }
    }
    return error;
}
