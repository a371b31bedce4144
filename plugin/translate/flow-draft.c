/* SPDX-License-Identifier: Apache-2.0
 *
 * flow-draft: a flow while a plugin composes it. */

#include <config.h>

#include "translate/flow-draft.h"

#include "byte-order.h"
#include "flow.h"
#include "packets.h"
#include "translate/plugin-provider.h"

void
flow_draft_init(struct flow_draft *f, uint64_t tag)
{
    match_init_catchall(&f->match);
    ofpbuf_use_stub(&f->acts, f->stub, sizeof f->stub);
    if (tag) {
        match_set_metadata(&f->match, htonll(tag));
    }
}

void
flow_draft_output(struct flow_draft *f, struct plugin_output *out,
                  enum of_stage stage, uint16_t priority)
{
    output_flow(out, stage, priority, &f->match, &f->acts);
    ofpbuf_uninit(&f->acts);
}

void
flow_draft_unite(struct flow_draft *f, struct plugin_output *out,
                 enum of_stage stage, uint16_t priority)
{
    output_flow_part(out, stage, priority, &f->match, &f->acts);
    ofpbuf_uninit(&f->acts);
}

void
flow_draft_match_family(struct flow_draft *f, bool ipv4)
{
    match_set_dl_type(&f->match, htons(ipv4 ? ETH_TYPE_IP : ETH_TYPE_IPV6));
}

void
flow_draft_match_src(struct flow_draft *f, const struct goal_prefix *prefix)
{
    bool ipv4 = IN6_IS_ADDR_V4MAPPED(&prefix->addr);

    flow_draft_match_family(f, ipv4);
    if (ipv4) {
        match_set_nw_src_masked(&f->match,
                                in6_addr_get_mapped_ipv4(&prefix->addr),
                                be32_prefix_mask(prefix->plen));
    } else {
        struct in6_addr mask = ipv6_create_mask(prefix->plen);

        match_set_ipv6_src_masked(&f->match, &prefix->addr, &mask);
    }
}

void
flow_draft_match_arp_src(struct flow_draft *f,
                         const struct goal_prefix *prefix)
{
    match_set_dl_type(&f->match, htons(ETH_TYPE_ARP));
    match_set_nw_src_masked(&f->match,
                            in6_addr_get_mapped_ipv4(&prefix->addr),
                            be32_prefix_mask(prefix->plen));
}

void
flow_draft_match_dst(struct flow_draft *f, const struct goal_prefix *prefix)
{
    bool ipv4 = IN6_IS_ADDR_V4MAPPED(&prefix->addr);

    flow_draft_match_family(f, ipv4);
    if (ipv4) {
        match_set_nw_dst_masked(&f->match,
                                in6_addr_get_mapped_ipv4(&prefix->addr),
                                be32_prefix_mask(prefix->plen));
    } else {
        struct in6_addr mask = ipv6_create_mask(prefix->plen);

        match_set_ipv6_dst_masked(&f->match, &prefix->addr, &mask);
    }
}

void
flow_draft_match_icmp6(struct flow_draft *f, uint8_t type)
{
    match_set_dl_type(&f->match, htons(ETH_TYPE_IPV6));
    match_set_nw_proto(&f->match, IPPROTO_ICMPV6);
    match_set_icmp_type(&f->match, type);
    match_set_icmp_code(&f->match, 0);
}
