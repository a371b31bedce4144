/* SPDX-License-Identifier: Apache-2.0
 *
 * goal-record: a resource as the bytes that the store keeps. */

#ifndef STORE_GOAL_RECORD_H
#define STORE_GOAL_RECORD_H 1

/* Goal records
 * ============
 *
 * What?
 * -----
 *
 * A record is a resource and who wrote it, in as few bytes as possible: about
 * 140 for a neighbour with one address.  It has two parts:
 *
 *    header    kind, revision, origin's number, sequence, request id
 *    body      id, members
 *
 * The body is all that translation can see.  Packing is deterministic, so two
 * resources say the same if, and only if, their bodies are the same bytes.
 *
 * Encoding
 * --------
 *
 *    number    base 128, least significant group first, bit 7 set in all bytes
 *              but the last (as protobuf's varint); at most 10 bytes
 *    string    number of bytes, bytes; no '\0' among them
 *    struct    bitmap of the members that are given, as a number (bit i is
 *              member i of the table); then those members, in order:
 *                 GF_BOOL              nothing: the bit says true
 *                 GF_U32, _U64, _ENUM  number
 *                 GF_STRING            string
 *                 GF_MAC               6 bytes
 *                 GF_IP                4, IPv4 address; or 16, IPv6 address
 *                 GF_PREFIX            as GF_IP, then its length, 1 byte (that
 *                                      it is given is what the bit says)
 *                 GF_STRINGS           number of strings, strings
 *                 GF_STRUCTS           number of structs, structs
 *    record    kind (1 byte), revision, origin, sequence (numbers), request
 *              id, id (strings), struct
 *
 * Members may be added at the end of a table: older records are still read.
 * Anything else is a new GOAL_STORE_VERSION.
 *
 * Damage
 * ------
 *
 * Nothing is believed while unpacking: every length is compared with what is
 * left, every number with its range, and bytes that are left over are an
 * error.  Damaged bytes give NULL (or a resource, if they happen to mean one),
 * never a crash, and never an allocation beyond a small multiple of their own
 * size.
 *
 * Thread-safety: no shared state. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct goal_resource;

/* What comes before the resource's own members. */
struct goal_record {
    uint8_t kind;               /* enum goal_kind, checked. */
    uint32_t revision;
    uint32_t origin;            /* Number of the origin. */
    uint64_t sequence;          /* Of the message that wrote it. */
    const char *request_id;     /* Not null-terminated. */
    size_t request_id_len;
    const void *body;           /* Points into the record. */
    size_t body_len;
    const char *id;             /* In the body.  Not null-terminated. */
    size_t id_len;
};

/* Where records are packed.  All zeros is an empty one. */
struct goal_buffer {
    uint8_t *data;              /* May be null if 'allocated' is 0. */
    size_t size, allocated;
};
void goal_buffer_uninit(struct goal_buffer *);

/* Replaces the contents of 'b' by the record of 'resource', written by
 * 'sequence' of 'origin'.  Returns the offset in it of the body. */
size_t goal_record_pack(const struct goal_resource *, uint32_t origin,
                        uint64_t sequence, struct goal_buffer *b);

/* Takes apart the header (and id) of the 'len' bytes at 'data'.  Returns false
 * if they are damaged. */
bool goal_record_parse(const void *data, size_t len, struct goal_record *);

/* Returns the resource in the 'len' bytes at 'data', owned by the caller, or
 * NULL if they are damaged. */
struct goal_resource *goal_record_unpack(const void *data, size_t len);

#endif /* store/goal-record.h */
