/* SPDX-License-Identifier: Apache-2.0
 *
 * group-encode: groups as the bytes that are kept, compared and sent. */

#ifndef APPLY_GROUP_ENCODE_H
#define APPLY_GROUP_ENCODE_H 1

/* Groups are outputs of the sink DS_OPENFLOW, like flows, because they go into
 * the same bundle.  Their keys begin with GROUP_KEY_MARK, which is no table of
 * ours, where those of flows have the table.  The part is the body of an
 * OpenFlow 1.5 group_mod.  ds_contribute_group() is declared in
 * desired-state.h.
 *
 * Groups have no cookies: those with numbers from OF_GROUP_BASE on
 * (OF_N_GROUPS of them) are ours.
 *
 * Thread-safety: no shared state. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "openvswitch/types.h"

struct desired_state;
struct ds_audit;
struct ds_output;
struct ofp_header;
struct ofpbuf;

#define GROUP_KEY_MARK 0xff

bool output_is_group(const struct ds_output *);
uint32_t group_key_number(const void *key);

/* Returns the group_mod, as flow_mod_encode() (flow-encode.h) does the
 * flow_mod. */
struct ofpbuf *group_mod_encode(const void *key, const struct ofpbuf *value,
                                bool add, uint32_t bundle_id, uint16_t flags,
                                ovs_be32 xid);

/* Reports the groups in a reply to a request for the descriptions of all as
 * installed: to the audit, if it is not null. */
struct ofpbuf *group_readback_request(void);
void group_readback_reply(struct desired_state *, struct ds_audit *,
                         const struct ofp_header *);

#endif /* apply/group-encode.h */
