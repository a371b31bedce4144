/* SPDX-License-Identifier: Apache-2.0
 *
 * alcor-publish-input: goal state from files. */

#ifndef UTILITIES_ALCOR_PUBLISH_INPUT_H
#define UTILITIES_ALCOR_PUBLISH_INPUT_H 1

/* Input of alcor-publish
 * ======================
 *
 * A file holds one GoalStateV2, as JSON or binary.  It is read
 * (goal_file_read()), checked (goal_file_check()), perhaps made FULL
 * (goal_state_set_full()) and cut into the payloads of messages, each small
 * enough to be sent (goal_state_pack()).
 *
 * Thread-safety: no shared state. */

#include <stdbool.h>
#include <stddef.h>
#include "openvswitch/compiler.h"
#include "proto/goalstate.pb-c.h"
#include "store/goal-types.h"

struct ofpbuf;
struct svec;

/* Senders keep messages under 4 MiB; this leaves room for what is not counted
 * exactly. */
#define GOAL_STATE_MAX_PAYLOAD (3584 * 1024)

/* Reads the file called 'name' ("-": standard input).  Returns NULL and stores
 * its message, which the caller frees with
 * alcor__schema__goal_state_v2__free_unpacked(), in '*statep', or returns a
 * malloc()'d message that does not name the file. */
char *goal_file_read(const char *name, Alcor__Schema__GoalStateV2 **statep)
    OVS_WARN_UNUSED_RESULT;

/* Checks every resource in 'state' as agents do.  Appends a line for each that
 * is malformed to 'errors', and one for each that is listed for a host but is
 * not there to 'warnings'.  Returns the number of resources. */
size_t goal_state_check(const Alcor__Schema__GoalStateV2 *state,
                        struct svec *errors, struct svec *warnings);

/* Makes every configuration in 'state' a FULL update, except for neighbours
 * that have an id in common: these are parts of one. */
void goal_state_set_full(Alcor__Schema__GoalStateV2 *state);

/* Encodes 'state' as one or more payloads of at most 'max' bytes, where a
 * single resource may exceed that.  Resources that others refer to come first,
 * and each payload lists for the hosts what is in it.  Returns an array of
 * '*np' payloads, all owned by the caller. */
struct ofpbuf **goal_state_pack(const Alcor__Schema__GoalStateV2 *state,
                                size_t max, size_t *np);

/* A member of GoalStateV2 that holds the resources of one kind, as an array of
 * map entries. */
struct goal_state_map {
    enum goal_kind kind;
    size_t n_ofs;               /* Offset of the number of entries. */
    size_t entries_ofs;         /* Offset of the array of pointers to them. */
};

/* In the order in which resources refer to each other. */
extern const struct goal_state_map goal_state_maps[GOAL_N_KINDS];

size_t goal_state_map_count(const struct goal_state_map *,
                            const Alcor__Schema__GoalStateV2 *);
ProtobufCMessage *goal_state_map_entry(const struct goal_state_map *,
                                       const Alcor__Schema__GoalStateV2 *,
                                       size_t index);
const char *goal_state_entry_key(const ProtobufCMessage *entry);
const char *goal_state_entry_id(const ProtobufCMessage *entry);

#endif /* utilities/alcor-publish-input.h */
