/* SPDX-License-Identifier: Apache-2.0
 *
 * goal-schema: what protobuf's descriptors say about goal state. */

#ifndef INGEST_GOAL_SCHEMA_H
#define INGEST_GOAL_SCHEMA_H 1

/* Schema of goal state
 * ====================
 *
 * Where in a message each kind of resource is, and where in its state and
 * configuration are the members that mean the same for all kinds.  Resolved by
 * name once, for goal-decode.c and goal-encode.c; only those need this.
 *
 * Thread-safety: constant. */

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stdint.h>
#include "store/goal-types.h"

struct proto_plan;

/* Field numbers at the top level are all below this. */
#define GOAL_SCHEMA_N_FIELDS 16

typedef const ProtobufCFieldDescriptor *goal_proto_field;

/* A kind of resource: its state message and the configuration in it. */
struct goal_kind_schema {
    goal_proto_field operation; /* In the state. */
    goal_proto_field configuration; /* In the state. */
    goal_proto_field id;        /* In the configuration, as what follows. */
    goal_proto_field revision;
    goal_proto_field request_id;
    goal_proto_field update_type; /* Null if the kind has none. */
    struct proto_plan *plan;    /* Configuration to resource. */
    uint32_t v2_field;          /* Its map in GoalStateV2. */
};

/* A version of the whole message. */
struct goal_version_schema {
    const ProtobufCMessageDescriptor *md;
    goal_proto_field fields[GOAL_SCHEMA_N_FIELDS]; /* By number, null if
                                                      * there is none. */
    int kinds[GOAL_SCHEMA_N_FIELDS]; /* By number: enum goal_kind, or -1. */
    uint32_t host_resources;    /* Number of the field, 0 if there is none. */
    bool maps;                  /* States are in maps, not lists. */
};

struct goal_schema {
    struct goal_kind_schema kinds[GOAL_N_KINDS];
    struct goal_version_schema versions[2];
};

const struct goal_schema *goal_schema_get(void);

#endif /* ingest/goal-schema.h */
