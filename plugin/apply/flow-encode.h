/* SPDX-License-Identifier: Apache-2.0
 *
 * flow-encode: flows as the bytes that are kept, compared and sent. */

#ifndef APPLY_FLOW_ENCODE_H
#define APPLY_FLOW_ENCODE_H 1

/* Encoded flows
 * =============
 *
 * What?
 * -----
 *
 * A flow's key is table, priority (big-endian) and its match in OXM; its part
 * is either a whole set of OpenFlow 1.5 instructions (DS_EXCLUSIVE) or a run
 * of actions (DS_UNION; the actions of all parts together make one
 * Apply-Actions instruction).
 *
 * vswitchd encodes what it reports with the same library code, so comparing
 * bytes is usually enough.  Where bytes differ, flow_value_normalize() encodes
 * what decoding gives, which makes two spellings of the same actions equal.
 *
 * Thread-safety: no shared state. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "openvswitch/ofp-errors.h"
#include "openvswitch/types.h"

struct ds;
struct ds_output;
struct match;
struct ofpbuf;

/* The largest flow that fits in an OpenFlow message with its wrapping. */
#define FLOW_MAX_LEN 65000

void flow_key_encode(uint8_t table, uint16_t priority, const struct match *,
                     struct ofpbuf *key);
/* The same, of a match that is encoded already: 'len' bytes of OXM. */
void flow_key_from_oxm(uint8_t table, uint16_t priority, const void *oxm,
                       size_t len, struct ofpbuf *key);
void flow_part_encode(const struct ofpbuf *ofpacts, bool actions_only,
                      struct ofpbuf *part);

uint8_t flow_key_table(const void *key);
uint16_t flow_key_priority(const void *key);
enum ofperr flow_key_match(const void *key, size_t key_len, struct match *);

/* Appends the instructions that 'output' wants. */
void flow_value(const struct ds_output *, struct ofpbuf *value);
enum ofperr flow_value_normalize(const void *value, size_t len,
                                 struct ofpbuf *normal);

/* Returns a message that puts a message of OpenFlow type 'type' into bundle
 * 'bundle_id', with room for 'inner_len' bytes of that, and so far with its
 * header alone.  bundle_add_end() sets the lengths once it is complete. */
struct ofpbuf *bundle_add_begin(uint8_t type, size_t inner_len,
                                uint32_t bundle_id, uint16_t flags,
                                ovs_be32 xid);
void bundle_add_end(struct ofpbuf *);

/* Returns the flow_mod, with transaction id 'xid', that installs (or, if
 * !'add', removes) a flow, wrapped into a message for bundle 'bundle_id', or
 * NULL if it would be too long. */
struct ofpbuf *flow_mod_encode(const void *key, size_t key_len,
                               uint64_t cookie, const struct ofpbuf *value,
                               bool add, uint32_t bundle_id, uint16_t flags,
                               ovs_be32 xid);

/* Returns the message that removes all connections in a conntrack zone. */
struct ofpbuf *zone_flush_encode(uint16_t zone);

/* Appends the flow to 'ds' the way ovs-ofctl prints flow mods. */
void flow_describe(const void *key, size_t key_len, uint64_t cookie,
                 const struct ofpbuf *value, struct ds *);

#endif /* apply/flow-encode.h */
