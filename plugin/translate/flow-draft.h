/* SPDX-License-Identifier: Apache-2.0
 *
 * flow-draft: a flow while a plugin composes it. */

#ifndef TRANSLATE_FLOW_DRAFT_H
#define TRANSLATE_FLOW_DRAFT_H 1

/* Flow drafts
 * ===========
 *
 * What?
 * -----
 *
 * A match and actions in one place, on the stack:
 *
 *     struct flow_draft f;
 *
 *     flow_draft_init(&f, tag);
 *     match_set_dl_dst(&f.match, mac);
 *     act_goto(&f.acts, OFS_FLOOD);
 *     flow_draft_output(&f, out, OFS_L2_LOOKUP, OF_PRIO_NORMAL);
 *
 * The last call ends the draft.
 *
 * Thread-safety: no state. */

#include <stdint.h>
#include <netinet/in.h>
#include "apply/of-pipeline.h"
#include "openvswitch/match.h"
#include "openvswitch/ofpbuf.h"
#include "store/goal-types.h"

struct plugin_output;

struct flow_draft {
    struct match match;
    struct ofpbuf acts;
    uint64_t stub[1024 / 8];    /* Of 'acts'. */
};

/* Initializes a draft that matches everything, or, if 'tag' is not 0, what has
 * it as metadata. */
void flow_draft_init(struct flow_draft *, uint64_t tag);

/* Output the draft and destroy it: flow_draft_unite() as one part of a flow
 * that is made of several resources' parts (output_flow_part()). */
void flow_draft_output(struct flow_draft *, struct plugin_output *,
                       enum of_stage, uint16_t priority);
void flow_draft_unite(struct flow_draft *, struct plugin_output *,
                      enum of_stage, uint16_t priority);

/* Adds to the match: IP packets of the prefix's family, with a source or
 * destination in it. */
void flow_draft_match_src(struct flow_draft *, const struct goal_prefix *);
void flow_draft_match_dst(struct flow_draft *, const struct goal_prefix *);

/* Adds to the match: ARP whose sender is in the prefix, which is IPv4's. */
void flow_draft_match_arp_src(struct flow_draft *, const struct goal_prefix *);

/* Adds to the match: IPv4 or IPv6 packets. */
void flow_draft_match_family(struct flow_draft *, bool ipv4);

/* Adds to the match: ICMPv6 of this type (code 0). */
void flow_draft_match_icmp6(struct flow_draft *, uint8_t type);

#endif /* translate/flow-draft.h */
