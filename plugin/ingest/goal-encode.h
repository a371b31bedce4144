/* SPDX-License-Identifier: Apache-2.0
 *
 * goal-encode: resources into goal-state messages. */

#ifndef INGEST_GOAL_ENCODE_H
#define INGEST_GOAL_ENCODE_H 1

/* Goal-state encoding
 * ===================
 *
 * The way back of goal-decode.h: writes resources as entries of a GoalStateV2,
 * straight to the wire, by the same tables.  Entries are whole (FULL), with
 * the resource's id as their key.
 *
 * A GoalStateV2 is any number of entries one behind another, in any order:
 * goal_encode() and goal_encode_delete() append to 'buf' as often as wanted,
 * and what several such buffers hold may be put together.
 *
 * What goal_decode() makes of it is equal to what went in.
 *
 * Thread-safety: no shared state. */

#include <stdint.h>
#include "ingest/envelope.h"
#include "store/goal-types.h"

struct ofpbuf;

void goal_encode(const struct goal_resource *, enum goal_operation,
                 struct ofpbuf *buf);
void goal_encode_delete(enum goal_kind, const char *id, uint32_t revision,
                        struct ofpbuf *buf);

#endif /* ingest/goal-encode.h */
