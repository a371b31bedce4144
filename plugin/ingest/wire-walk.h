/* SPDX-License-Identifier: Apache-2.0
 *
 * wire-walk: reads protobuf messages as they are on the wire. */

#ifndef INGEST_WIRE_WALK_H
#define INGEST_WIRE_WALK_H 1

/* Wire walking
 * ============
 *
 * What?
 * -----
 *
 * Visits the fields of one protobuf message, one level deep, in the order in
 * which they are on the wire.  Nothing is allocated and nothing is copied: a
 * field that has bytes of its own (string, bytes, nested message) points into
 * the message.  That is how a goal-state message of any size is decoded entry
 * by entry (goal-decode.h), and how parts that do not concern this host are
 * passed over at the cost of reading their tag and length.
 *
 * Usage
 * -----
 *
 *    struct wire_walk walk;
 *    struct wire_field field;
 *
 *    wire_walk_init(&walk, data, len);
 *    while (wire_walk_next(&walk, &field)) {
 *        ...look at 'field'...
 *    }
 *    if (walk.error) {
 *        ...not a protobuf message...
 *    }
 *
 * A nested message is walked by initializing another walk with the field's
 * bytes.
 *
 * Properties
 * ----------
 *
 * - No byte outside of the message is read, whatever it says.
 *
 * - Each step consumes at least one byte, so a walk of N bytes ends after at
 *   most N steps.
 *
 * - What is accepted is at most what libprotobuf-c accepts: a tag or length
 *   of more than 5 bytes, a varint of more than 10, field number 0 and groups
 *   (long deprecated, not in proto3) are errors.
 *
 * - wire_check() refuses a nested message that is given twice although it is
 *   not repeated.  Decoders are to merge the two; nobody sends that, the cost
 *   of it is quadratic, and libprotobuf-c 1.4 reads outside of its descriptors
 *   when there is a oneof that neither has.
 *
 * - wire_check() recurses as deep as the schema is deep, not as the message
 *   says: what the schema does not know is not looked into.  Message types
 *   that contain themselves must not be given to it.
 *
 * Unpacking
 * ---------
 *
 * wire_unpack() turns a message into a protobuf-c struct, in a struct
 * wire_arena: memory for one message at a time, bounded, so that a small
 * message cannot claim much, and freed as a whole, which costs next to
 * nothing.  What reaches libprotobuf-c has passed wire_check().
 *
 * Thread-safety: no shared state; an arena has one user at a time. */

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "openvswitch/compiler.h"

/* Wire types.  3 and 4 were groups. */
enum wire_type {
    WIRE_VARINT = 0,
    WIRE_FIXED64 = 1,
    WIRE_BYTES = 2,             /* Length-delimited. */
    WIRE_FIXED32 = 5,
};

struct wire_field {
    uint32_t number;            /* Field number, never 0. */
    enum wire_type type;
    uint64_t value;             /* WIRE_VARINT, WIRE_FIXED*: the value. */
    const uint8_t *data;        /* WIRE_BYTES: the bytes, in the message. */
    size_t len;                 /* WIRE_BYTES: number of bytes. */
};

/* Some bytes of a message. */
struct wire_bytes {
    const uint8_t *data;
    size_t len;
};

/* Field numbers of a map's entries. */
#define WIRE_MAP_KEY 1
#define WIRE_MAP_VALUE 2

struct wire_walk {
    const uint8_t *start;       /* The message. */
    const uint8_t *p;           /* Next byte to read. */
    const uint8_t *end;         /* Just past the message. */
    const char *error;          /* Null as long as all is well. */
};

void wire_walk_init(struct wire_walk *, const void *data, size_t len);
bool wire_walk_next(struct wire_walk *, struct wire_field *);

struct wire_bytes wire_find(struct wire_bytes message, uint32_t number);

bool wire_type_matches(const ProtobufCFieldDescriptor *, enum wire_type);

char *wire_check(const ProtobufCMessageDescriptor *, const void *data,
                 size_t len) OVS_WARN_UNUSED_RESULT;

struct wire_arena_chunk;

struct wire_arena {
    ProtobufCAllocator allocator; /* What protobuf-c sees of it. */
    struct wire_arena_chunk *chunks; /* Newest first. */
    uint8_t *p;                 /* First free byte of the newest chunk. */
    size_t left;                /* Free bytes in the newest chunk. */
    size_t used;                /* Bytes in all chunks. */
    size_t limit;               /* Most that 'used' may become. */
    bool exhausted;             /* Something was refused since the reset. */
};

void wire_arena_init(struct wire_arena *);
void wire_arena_reset(struct wire_arena *, size_t message_len);
void wire_arena_destroy(struct wire_arena *);

char *wire_unpack(struct wire_arena *, const ProtobufCMessageDescriptor *,
                  const void *data, size_t len, ProtobufCMessage **)
    OVS_WARN_UNUSED_RESULT;

size_t wire_string_length(const char *);

#endif /* ingest/wire-walk.h */
