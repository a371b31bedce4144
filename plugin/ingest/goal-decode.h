/* SPDX-License-Identifier: Apache-2.0
 *
 * goal-decode: goal-state messages of both versions into resources. */

#ifndef INGEST_GOAL_DECODE_H
#define INGEST_GOAL_DECODE_H 1

/* Goal-state decoding
 * ===================
 *
 * What?
 * -----
 *
 * Turns the payload of GOAL_STATE and GOAL_STATE_V2 into validated resources,
 * one at a time: the top level of the message is walked on the wire (it may
 * hold a hundred thousand entries), each entry is unpacked by itself into an
 * arena that is reset for the next, converted and checked field by field
 * according to the tables of store/goal-types.h, and handed to the caller's
 * callback.  So a message costs its own bytes once.
 *
 * Usage
 * -----
 *
 * goal_decode() does all of it.  Which entries of a version 2 message concern
 * this host is decided here (host_resources), before anything is unpacked.
 *
 * Errors
 * ------
 *
 * A payload that is not a protobuf message of its type makes goal_decode()
 * return a message and nothing, or nothing more, is delivered: the caller
 * must not apply what was delivered before (so: apply at the end, or check
 * first with goal_decode_check()).
 *
 * So does one with more than 1,048,576 entries: each costs an answer.
 *
 * An entry that is malformed is delivered with 'error' set and 'resource'
 * null; its companions are unaffected.  What "malformed" means is in
 * wire-protocol.md, section 4; beyond that, an entry of more than 8 MiB, a
 * list of more than 65,536 elements, and an entry that unpacks to many times
 * its size.
 *
 * Thread-safety: no shared state. */

#include <stddef.h>
#include <stdint.h>
#include "ingest/envelope.h"
#include "openvswitch/compiler.h"
#include "store/goal-types.h"

/* One entry of a message. */
struct goal_entry {
    uint32_t kind;              /* enum goal_kind. */
    const char *id;             /* For the reply: the configuration's id, else
                                 * the map key, else "". */
    const char *key;            /* Map key; "" in version 1, and if 'error' is
                                 * nonnull. */
    uint32_t operation;         /* enum goal_operation as sent, or an unlisted
                                 * number (then 'error' is set). */
    bool full;                  /* update_type FULL, or operation CREATE, or a
                                 * kind that knows no DELTA. */
    bool created;               /* 'full' because of CREATE alone. */
    enum goal_status status;    /* GOAL_STATUS_INVALID_ARG, or FAILURE for
                                 * what is well-formed but not supported
                                 * (VXLAN_GPE), if 'error' is nonnull. */
    const char *error;          /* What is wrong, "FIELD: WHAT"; else null. */
    struct goal_resource *resource; /* Null if 'error' is nonnull.  Owned by
                                     * the callback.  For GET and DELETE only
                                     * id and revision are filled in. */
};

/* Called for each entry that concerns this host. */
typedef void goal_entry_cb(const struct goal_entry *, void *aux);

/* As a host's address: everything, whoever it is for. */
extern const char goal_decode_all_hosts[];

/* Decodes 'len' bytes at 'data', a GoalState (version 1) or GoalStateV2
 * (version 2) for the host with underlay address 'host_ip', which may be null
 * if it is not known.  Entries come in order VPC, subnet, then as in the
 * message.  Returns NULL or a malloc()'d message. */
char *goal_decode(int version, const void *data, size_t len,
                  const char *host_ip, goal_entry_cb *, void *aux)
    OVS_WARN_UNUSED_RESULT;

/* Checks that the top level and every entry of the message parse as protobuf,
 * without converting anything: cheap.  goal_decode() of what has passed
 * delivers all of it and returns NULL. */
char *goal_decode_check(int version, const void *data, size_t len)
    OVS_WARN_UNUSED_RESULT;

/* Checks what can only be known once 'resource' is whole: that nothing
 * required is missing, and goal_resource_check_fit().  goal_decode() does it
 * for what is full; for a delta it is up to the caller, after merging.
 * Returns NULL or a malloc()'d message "FIELD: WHAT". */
char *goal_resource_check(const struct goal_resource *resource)
    OVS_WARN_UNUSED_RESULT;

/* Checks that those members of 'resource' that are given fit together, for
 * example that a range of ports is not reversed.  goal_decode() does it for
 * everything. */
char *goal_resource_check_fit(const struct goal_resource *resource)
    OVS_WARN_UNUSED_RESULT;

#endif /* ingest/goal-decode.h */
