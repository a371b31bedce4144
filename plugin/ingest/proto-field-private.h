/* SPDX-License-Identifier: Apache-2.0
 *
 * proto-field-private: the insides of plans. */

#ifndef INGEST_PROTO_FIELD_PRIVATE_H
#define INGEST_PROTO_FIELD_PRIVATE_H 1

/* Essay: proto-field.h.  For those who convert by a plan: proto-field.c from
 * protobuf, goal-encode.c to it.  Thread-safety: plans are constant. */

#include "ingest/proto-field.h"

/* How to get from a message to one of its fields. */
struct proto_ref {
    char *name;                 /* As in the table, e.g. "gateway.vni". */
    const ProtobufCFieldDescriptor *hop; /* The nested message that holds the
                                          * field, null if there is none. */
    const ProtobufCFieldDescriptor *leaf; /* The field. */
};

struct proto_binding {
    const struct goal_field *field;
    struct proto_ref refs[2];   /* Alternatives. */
    size_t n_refs;
    uint32_t n_names;           /* GF_ENUM: number of listed values. */
    struct proto_plan *sub;     /* GF_STRUCTS: how to convert an element. */
};

struct proto_plan {
    const struct goal_struct *layout;
    struct proto_binding *bindings; /* As many as 'layout' has fields. */
    const struct proto_binding *operation; /* GFF_OPERATION, may be null. */
};

#endif /* ingest/proto-field-private.h */
