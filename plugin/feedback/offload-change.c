/* SPDX-License-Identifier: Apache-2.0
 *
 * offload-change: which changes of flows concern which verdicts. */

#include <config.h>

#include "feedback/offload-private.h"

#include <stdlib.h>
#include "apply/desired-state.h"
#include "apply/flow-encode.h"
#include "apply/group-encode.h"
#include "apply/of-pipeline.h"
#include "byte-order.h"
#include "flow.h"
#include "hash.h"
#include "packets.h"
#include "translate/l3-router.h"
#include "translate/security-rules.h"
#include "util.h"

/* A flow concerns a verdict unless something in its match excludes that the
 * packet has met it, or would have met it, had it been there.  What a packet
 * was on its way is known from its sighting, at the end of the pipeline:
 * fields that the pipeline does not change, both values of those that it does
 * (MACs, the tag), and the registers that each stage leaves behind.  All other
 * fields exclude nothing.
 *
 * Most flows are about one neighbour or local port, and name its MAC, its
 * address, its OpenFlow port or its conntrack zone.  They are not kept one by
 * one: 'times' says when the last such change was, by hash of that.  Others
 * are, a few of them. */

/* What changes are about. */
enum subject { SUBJECT_MAC, SUBJECT_IP, SUBJECT_PORT, SUBJECT_ZONE };

static long long int *
time_of(const struct offload_changes *c, enum subject subject,
        const void *value, size_t len)
{
    return &c->times[hash_bytes(value, len, subject) % OFFLOAD_FILTER];
}

static long long int *
mac_time(const struct offload_changes *c, const struct eth_addr *mac)
{
    return time_of(c, SUBJECT_MAC, mac, sizeof *mac);
}

static long long int *
ip_time(const struct offload_changes *c, ovs_be32 ip)
{
    return time_of(c, SUBJECT_IP, &ip, sizeof ip);
}

static long long int *
number_time(const struct offload_changes *c, enum subject subject,
            uint32_t number)
{
    return time_of(c, subject, &number, sizeof number);
}

void
offload_changes_init(struct offload_changes *c)
{
    *c = (struct offload_changes) {
        .times = xcalloc(OFFLOAD_FILTER, sizeof *c->times),
        .matches = xcalloc(OFFLOAD_MAX_MATCHES, sizeof *c->matches),
    };
}

void
offload_changes_uninit(struct offload_changes *c)
{
    free(c->times);
    free(c->matches);
}

/* Noting. */

/* Stages that a packet from a port into a tunnel does not see, and vice versa.
 * (The rules of either direction are for replies as well.) */
#define STAGE(NAME) (UINT64_C(1) << OFS_##NAME)
#define NEITHER                                                         \
    (STAGE(ADMIT_ND) | STAGE(RESPOND_ND) | STAGE(FLOOD) | STAGE(FLOOD_LOCAL) \
     | STAGE(ARRIVAL_SUBNET) | STAGE(PROVIDER) | STAGE(PROVIDER_ARP)    \
     | STAGE(DROP))
#define NOT_DEPARTURE                                                   \
    (NEITHER | STAGE(ARRIVAL) | STAGE(INGRESS) | STAGE(INGRESS_CT)      \
     | STAGE(INGRESS_VERDICT) | STAGE(DELIVER))
#define NOT_ARRIVAL                                                     \
    (NEITHER | STAGE(ADMIT) | STAGE(EGRESS) | STAGE(EGRESS_CT)          \
     | STAGE(EGRESS_VERDICT) | STAGE(RESPOND) | STAGE(ROUTE)            \
     | STAGE(ROUTE_SELF) | STAGE(ROUTE_LOOKUP) | STAGE(ROUTE_NEXT_HOP)  \
     | STAGE(L2_LOOKUP) | STAGE(UNKNOWN) | STAGE(ENCAP))

static bool
is_among(uint64_t stages, uint8_t table)
{
    for (int stage = 0; stage < OFS_N_STAGES; stage++) {
        if (stages & (UINT64_C(1) << stage)
            && of_stage_to_table(stage) == table) {
            return true;
        }
    }
    return false;
}

/* Returns where to note a change of a flow with 'match', if it is about one
 * neighbour or port, else null.  Sets '*certain' to false if that does not
 * show in every entry. */
static long long int *
find_subject(const struct offload_changes *c, uint8_t table,
             const struct match *match, bool *certain)
{
    const struct flow *flow = &match->flow, *wc = &match->wc.masks;

    *certain = true;
    if (wc->nw_dst == OVS_BE32_MAX) {
        return ip_time(c, flow->nw_dst);
    } else if (wc->nw_src == OVS_BE32_MAX) {
        return ip_time(c, flow->nw_src);
    }
    *certain = false;
    if (wc->regs[MFF_ALCOR_OUT - MFF_REG0] == UINT32_MAX) {
        return number_time(c, SUBJECT_PORT,
                           flow->regs[MFF_ALCOR_OUT - MFF_REG0]);
    } else if (wc->in_port.ofp_port) {
        return number_time(c, SUBJECT_PORT,
                           ofp_to_u16(flow->in_port.ofp_port));
    } else if (wc->regs[MFF_ZONE - MFF_REG0] == UINT32_MAX) {
        return number_time(c, SUBJECT_ZONE, flow->regs[MFF_ZONE - MFF_REG0]);
    } else if (table == OFT_ROUTE_NEXT_HOP
               && wc->regs[MFF_HOP4 - MFF_REG0] == UINT32_MAX) {
        return ip_time(c, htonl(flow->regs[MFF_HOP4 - MFF_REG0]));
    }
    *certain = true;
    if ((table == OFT_L2_LOOKUP || table == OFT_ARRIVAL)
        && eth_mask_is_exact(wc->dl_dst)) {
        return mac_time(c, &flow->dl_dst);
    } else if (wc->ct_nw_src == OVS_BE32_MAX) {
        return ip_time(c, flow->ct_nw_src);
    } else if (wc->ct_nw_dst == OVS_BE32_MAX) {
        return ip_time(c, flow->ct_nw_dst);
    }
    return NULL;
}

static void
note_match(struct offload_changes *c, uint8_t table,
           const struct match *match, long long int now)
{
    struct offload_match *m = &c->matches[c->n_matches % OFFLOAD_MAX_MATCHES];

    /* What is overwritten is still of interest. */
    if (c->n_matches >= OFFLOAD_MAX_MATCHES && c->all < m->when) {
        c->all = m->when;
    }
    *m = (struct offload_match) { table, *match, now };
    c->n_matches++;
}

static void
note_flow(struct offload_changes *c, const struct ds_output *output,
          long long int now)
{
    const struct flow_wildcards *wc;
    uint8_t table = flow_key_table(output->key);
    long long int *when;
    struct match match;
    bool certain;

    if (is_among(NEITHER, table)) {
        return;
    }
    if (flow_key_match(output->key, output->key_len, &match)) {
        c->all = now;
        return;
    }
    wc = &match.wc;
    if (wc->masks.dl_type == OVS_BE16_MAX
        && match.flow.dl_type != htons(ETH_TYPE_IP)) {
        return;
    }
    when = find_subject(c, table, &match, &certain);
    if (when) {
        *when = now;
        c->uncertain = certain ? c->uncertain : now;
    } else {
        note_match(c, table, &match, now);
    }
}

/* Notes that 'output' is about to change; if it is not worth being 'thorough',
 * that everything is. */
void
offload_changes_note(struct offload_changes *c, const struct ds_output *output,
                     bool thorough, long long int now)
{
    if (output->sink == DS_NEXT_HOP) {
        struct in6_addr ip;

        if (output->key_len == sizeof ip) {
            memcpy(&ip, output->key, sizeof ip);
            *ip_time(c, in6_addr_get_mapped_ipv4(&ip)) = now;
        }
    } else if (output->sink == DS_OPENFLOW) {
        if (!thorough || output_is_group(output)) {
            c->all = now;
        } else {
            note_flow(c, output, now);
        }
    }
}

/* Comparing. */

/* Where packets come only that have been through connection tracking. */
#define TRACKED                                                         \
    (STAGE(EGRESS_CT) | STAGE(EGRESS_RULES) | STAGE(EGRESS_VERDICT)     \
     | STAGE(INGRESS_CT) | STAGE(INGRESS_RULES) | STAGE(INGRESS_VERDICT))

/* What a packet was at different times. */
static bool
mac_fits(const struct eth_addr *value, const struct eth_addr *mask,
         const struct eth_addr *a, const struct eth_addr *b)
{
    return (eth_addr_equal_except(*value, *a, *mask)
            || eth_addr_equal_except(*value, *b, *mask));
}

static bool
be32_fits(ovs_be32 value, ovs_be32 mask, ovs_be32 actual)
{
    return !((value ^ actual) & mask);
}

static bool
be16_fits(ovs_be16 value, ovs_be16 mask, ovs_be16 actual)
{
    return !((value ^ actual) & mask);
}

static bool
frame_fits(const struct match *m, const struct fast_path_sighting *s)
{
    const struct flow *flow = &m->flow, *mask = &m->wc.masks;

    return (mac_fits(&flow->dl_src, &mask->dl_src, &s->smac, &s->new_smac)
            && mac_fits(&flow->dl_dst, &mask->dl_dst, &s->dmac, &s->new_dmac)
            && be32_fits(flow->nw_src, mask->nw_src, s->src)
            && be32_fits(flow->nw_dst, mask->nw_dst, s->dst));
}

/* Protocol and ports of entries that have them. */
static bool
connection_fits(const struct match *m, const struct fast_path_sighting *s)
{
    const struct flow *flow = &m->flow, *mask = &m->wc.masks;

    return (!((flow->nw_proto ^ s->proto) & mask->nw_proto)
            && be16_fits(flow->tp_src, mask->tp_src, s->sport)
            && be16_fits(flow->tp_dst, mask->tp_dst, s->dport));
}

static bool
origin_fits(const struct match *m, const struct fast_path_sighting *s)
{
    const struct flow *flow = &m->flow, *mask = &m->wc.masks;

    return (!((flow->ct_nw_proto ^ s->proto) & mask->ct_nw_proto)
            && be32_fits(flow->ct_nw_src, mask->ct_nw_src, s->ct_src)
            && be32_fits(flow->ct_nw_dst, mask->ct_nw_dst, s->ct_dst)
            && be16_fits(flow->ct_tp_src, mask->ct_tp_src, s->ct_sport)
            && be16_fits(flow->ct_tp_dst, mask->ct_tp_dst, s->ct_dport));
}

static bool
tag_fits(const struct match *m, const struct fast_path_sighting *s)
{
    uint64_t mask = ntohll(m->wc.masks.metadata);
    uint64_t value = ntohll(m->flow.metadata);
    uint64_t vpc = s->tag & OF_TAG_VPC_MASK;

    return (!((value ^ s->tag) & mask)
            || (s->arrival && !((value ^ vpc) & mask))
            || (s->routed && !((value ^ s->from) & mask & UINT32_MAX)));
}

static bool
reg_fits(const struct match *m, enum mf_field_id reg, uint32_t actual)
{
    int i = reg - MFF_REG0;

    return !((m->flow.regs[i] ^ actual) & m->wc.masks.regs[i]);
}

static bool
way_fits(const struct offload_match *om, const struct fast_path_sighting *s)
{
    const struct match *m = &om->match;

    if (m->wc.masks.in_port.ofp_port
        && ofp_to_u16(m->flow.in_port.ofp_port) != s->in_port) {
        return false;
    }
    if (om->table >= OFT_ROUTE && om->table <= OFT_ROUTE_NEXT_HOP) {
        return (s->routed || om->table == OFT_ROUTE)
               && (om->table == OFT_ROUTE
                   || (reg_fits(m, MFF_REG4, s->router >> 32)
                       && reg_fits(m, MFF_REG5, s->router)));
    }
    if ((om->table >= OFT_EGRESS && om->table <= OFT_EGRESS_VERDICT)
        || (om->table >= OFT_INGRESS && om->table <= OFT_INGRESS_VERDICT)) {
        return (reg_fits(m, MFF_ZONE, s->zone)
                && reg_fits(m, MFF_VPC, s->vpc)
                && (!s->arrival || reg_fits(m, MFF_ALCOR_OUT, s->ofport)));
    }
    if (om->table == OFT_DELIVER) {
        return reg_fits(m, MFF_ALCOR_OUT, s->ofport);
    }
    return true;
}

static bool
match_concerns(const struct offload_match *om,
               const struct offload_verdict *verdict)
{
    const struct fast_path_sighting *s = &verdict->seen;

    return (!is_among((s->arrival ? NOT_ARRIVAL : NOT_DEPARTURE)
                      | (s->tracked ? 0 : TRACKED), om->table)
            && frame_fits(&om->match, s)
            && (!s->tracked || connection_fits(&om->match, s))
            && (!verdict->known
                || ((!s->tracked || origin_fits(&om->match, s))
                    && tag_fits(&om->match, s)
                    && way_fits(om, s))));
}

bool
offload_changes_concern(const struct offload_changes *c,
                        const struct offload_verdict *verdict,
                        long long int since)
{
    const struct fast_path_sighting *s = &verdict->seen;

    if (c->all >= since
        || *mac_time(c, &s->new_dmac) >= since
        || *ip_time(c, s->src) >= since
        || *ip_time(c, s->dst) >= since
        || *ip_time(c, s->host) >= since) {
        return true;
    }
    if (!verdict->known
        ? c->uncertain >= since
        : (*ip_time(c, htonl(s->hop4)) >= since
           || *number_time(c, SUBJECT_PORT, s->ofport) >= since
           || *number_time(c, SUBJECT_PORT, s->in_port) >= since
           || (s->tracked
               && *number_time(c, SUBJECT_ZONE, s->zone) >= since))) {
        return true;
    }
    for (size_t i = 0; i < MIN(c->n_matches, OFFLOAD_MAX_MATCHES); i++) {
        if (c->matches[i].when >= since
            && match_concerns(&c->matches[i], verdict)) {
            return true;
        }
    }
    return false;
}
