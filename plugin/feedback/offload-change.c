/* SPDX-License-Identifier: Apache-2.0
 *
 * offload-change: which changes of flows concern which verdicts. */

#include <config.h>

#include "feedback/offload-private.h"

#include <stdlib.h>
#include <string.h>
#include "apply/desired-state.h"
#include "apply/flow-encode.h"
#include "apply/group-encode.h"
#include "apply/of-pipeline.h"
#include "byte-order.h"
#include "flow.h"
#include "hash.h"
#include "openvswitch/ofpbuf.h"
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
 * one: 'times' says when the last such change was, by a hash of that, the
 * subject, in two places, of which neither may be older: so others that share
 * one of them do no harm.  Other flows are kept, a few of them. */

/* What changes are about. */
enum subject {
    SUBJECT_MAC,
    SUBJECT_IP,
    SUBJECT_PAIR,               /* Two addresses, whatever else. */
    SUBJECT_CONNECTION,         /* Two addresses, protocol and ports. */
    SUBJECT_ANY_CONNECTION,     /* Some connection between two addresses. */
    SUBJECT_PORT,
    SUBJECT_ZONE,
    SUBJECT_PATH,               /* A direct path, by its destination... */
    SUBJECT_PATH_CONNECTION,    /* ...and by the connection. */
    SUBJECT_HOST,               /* The next hop to a host, by address... */
    SUBJECT_HOP,                /* ...and by address and MAC. */
};

static uint32_t
subject_ip(ovs_be32 ip)
{
    return hash_bytes(&ip, sizeof ip, SUBJECT_IP);
}

static uint32_t
subject_mac(const struct eth_addr *mac)
{
    return hash_bytes(mac, sizeof *mac, SUBJECT_MAC);
}

static uint32_t
subject_number(enum subject subject, uint32_t number)
{
    return hash_bytes(&number, sizeof number, subject);
}

static uint32_t
subject_pair(enum subject subject, ovs_be32 src, ovs_be32 dst)
{
    ovs_be32 pair[2] = { src, dst };

    return hash_bytes(pair, sizeof pair, subject);
}

static uint32_t
subject_connection(enum subject subject, ovs_be32 src, ovs_be32 dst,
                   uint8_t proto, ovs_be16 sport, ovs_be16 dport)
{
    uint32_t connection[] = {
        (OVS_FORCE uint32_t) src, (OVS_FORCE uint32_t) dst, proto,
        (OVS_FORCE uint32_t) sport, (OVS_FORCE uint32_t) dport,
    };

    return hash_bytes(connection, sizeof connection, subject);
}

/* A subject's two places in 'times'. */
static long long int *
time_at(const struct offload_changes *c, uint32_t subject, int i)
{
    return &c->times[(i ? subject >> 16 : subject) % OFFLOAD_FILTER];
}

static void
note_time(struct offload_changes *c, uint32_t subject, long long int now)
{
    *time_at(c, subject, 0) = *time_at(c, subject, 1) = now;
}

static bool
is_noted(const struct offload_changes *c, uint32_t subject,
         long long int since)
{
    return (*time_at(c, subject, 0) >= since
            && *time_at(c, subject, 1) >= since);
}

static long long int
noted_time(const struct offload_changes *c, uint32_t subject)
{
    return MIN(*time_at(c, subject, 0), *time_at(c, subject, 1));
}

static uint32_t
subject_path(ovs_be32 dst)
{
    return hash_bytes(&dst, sizeof dst, SUBJECT_PATH);
}

static uint32_t
subject_host(ovs_be32 host)
{
    return hash_bytes(&host, sizeof host, SUBJECT_HOST);
}

static uint32_t
subject_hop(ovs_be32 host, const struct eth_addr *mac)
{
    uint8_t hop[sizeof host + sizeof *mac];

    memcpy(hop, &host, sizeof host);
    memcpy(hop + sizeof host, mac, sizeof *mac);
    return hash_bytes(hop, sizeof hop, SUBJECT_HOP);
}

static uint64_t *
news_of(const struct offload_changes *c, uint32_t ofport, ovs_be32 dst)
{
    return &c->news[hash_bytes(&dst, sizeof dst, ofport) % OFFLOAD_NEWS];
}

uint64_t
offload_changes_news(const struct offload_changes *c, uint32_t ofport,
                     ovs_be32 dst)
{
    return *news_of(c, ofport, dst);
}

void
offload_changes_note_news(struct offload_changes *c, uint32_t ofport,
                          ovs_be32 dst)
{
    *news_of(c, ofport, dst) = ++c->n_news;
}

void
offload_changes_init(struct offload_changes *c)
{
    *c = (struct offload_changes) {
        .times = xcalloc(OFFLOAD_FILTER, sizeof *c->times),
        .matches = xcalloc(OFFLOAD_MAX_MATCHES, sizeof *c->matches),
        .news = xcalloc(OFFLOAD_NEWS, sizeof *c->news),
    };
}

void
offload_changes_uninit(struct offload_changes *c)
{
    free(c->times);
    free(c->matches);
    free(c->news);
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

/* True of flows of direct paths (translate/zeta-path.c). */
static bool
is_path(uint8_t table, const struct match *match)
{
    return (table == OFT_UNKNOWN && match->wc.masks.in_port.ofp_port
            && match->wc.masks.nw_dst == OVS_BE32_MAX);
}

/* If a flow with 'match' is about one neighbour or port, returns true and
 * stores that into '*subject'.  Sets '*certain' to false if that does not show
 * in every entry. */
static bool
find_subject(uint8_t table, const struct match *match, uint32_t *subject,
             bool *certain)
{
    const struct flow *flow = &match->flow, *wc = &match->wc.masks;

    *certain = wc->nw_dst == OVS_BE32_MAX || wc->nw_src == OVS_BE32_MAX;
    if (is_path(table, match)) {
        *subject = subject_path(flow->nw_dst);
    } else if (wc->nw_dst == OVS_BE32_MAX) {
        *subject = subject_ip(flow->nw_dst);
    } else if (wc->nw_src == OVS_BE32_MAX) {
        *subject = subject_ip(flow->nw_src);
    } else if (wc->regs[MFF_ALCOR_OUT - MFF_REG0] == UINT32_MAX) {
        *subject = subject_number(SUBJECT_PORT,
                                  flow->regs[MFF_ALCOR_OUT - MFF_REG0]);
    } else if (wc->in_port.ofp_port) {
        *subject = subject_number(SUBJECT_PORT,
                                  ofp_to_u16(flow->in_port.ofp_port));
    } else if (wc->regs[MFF_ZONE - MFF_REG0] == UINT32_MAX) {
        *subject = subject_number(SUBJECT_ZONE,
                                  flow->regs[MFF_ZONE - MFF_REG0]);
    } else if (table == OFT_ROUTE_NEXT_HOP
               && wc->regs[MFF_HOP4 - MFF_REG0] == UINT32_MAX) {
        *subject = subject_ip(htonl(flow->regs[MFF_HOP4 - MFF_REG0]));
    } else {
        *certain = true;
        if ((table == OFT_L2_LOOKUP || table == OFT_ARRIVAL)
            && eth_mask_is_exact(wc->dl_dst)) {
            *subject = subject_mac(&flow->dl_dst);
        } else if (wc->ct_nw_src == OVS_BE32_MAX) {
            *subject = subject_ip(flow->ct_nw_src);
        } else if (wc->ct_nw_dst == OVS_BE32_MAX) {
            *subject = subject_ip(flow->ct_nw_dst);
        } else {
            return false;
        }
    }
    return true;
}

/* If 'match' is about packets between two addresses, notes that, and returns
 * true.  A busy server has connections come and go all the time: those of
 * others must not keep one from the fast path. */
static bool
note_pair(struct offload_changes *c, uint8_t table, const struct match *match,
          long long int now)
{
    const struct flow *flow = &match->flow, *wc = &match->wc.masks;

    if (wc->nw_src != OVS_BE32_MAX || wc->nw_dst != OVS_BE32_MAX) {
        return false;
    } else if (wc->nw_proto == UINT8_MAX && wc->tp_src == OVS_BE16_MAX
               && wc->tp_dst == OVS_BE16_MAX) {
        note_time(c, subject_connection((is_path(table, match)
                                         ? SUBJECT_PATH_CONNECTION
                                         : SUBJECT_CONNECTION),
                                        flow->nw_src, flow->nw_dst,
                                        flow->nw_proto, flow->tp_src,
                                        flow->tp_dst), now);
        note_time(c, subject_pair(SUBJECT_ANY_CONNECTION, flow->nw_src,
                                  flow->nw_dst), now);
    } else {
        note_time(c, subject_pair(SUBJECT_PAIR, flow->nw_src, flow->nw_dst),
                  now);
    }
    return true;
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
    struct match match;
    uint32_t subject;
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
    } else if (note_pair(c, table, &match, now)) {
        return;
    }
    if (find_subject(table, &match, &subject, &certain)) {
        note_time(c, subject, now);
        c->uncertain = certain ? c->uncertain : now;
    } else {
        note_match(c, table, &match, now);
    }
}

/* A next hop: to a host, there is another MAC or none. */
static void
note_hop(struct offload_changes *c, const struct ds_output *output,
         long long int now)
{
    struct in6_addr ip;
    struct eth_addr mac;

    if (output->key_len == sizeof ip) {
        memcpy(&ip, output->key, sizeof ip);

        ovs_be32 host = in6_addr_get_mapped_ipv4(&ip);
        struct ofpbuf value;

        ofpbuf_init(&value, sizeof mac);
        if (ds_output_wanted(output)) {
            ds_output_value(output, &value);
        }
        note_time(c, subject_host(host), now);
        if (value.size == sizeof mac) {
            memcpy(&mac, value.data, sizeof mac);
            note_time(c, subject_hop(host, &mac), now);
        }
        ofpbuf_uninit(&value);
    }
}

/* Notes that 'output' is about to change; if it is not worth being 'thorough',
 * that everything is. */
void
offload_changes_note(struct offload_changes *c, const struct ds_output *output,
                     bool thorough, long long int now)
{
    if (output->sink == DS_NEXT_HOP) {
        note_hop(c, output, now);
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

/* True if a change that note_pair() has noted may be about 's'. */
static bool
pair_concerns(const struct offload_changes *c,
              const struct fast_path_sighting *s, long long int since)
{
    return (is_noted(c, subject_pair(SUBJECT_PAIR, s->src, s->dst), since)
            || is_noted(c, s->tracked
                        ? subject_connection(SUBJECT_CONNECTION, s->src,
                                             s->dst, s->proto, s->sport,
                                             s->dport)
                        : subject_pair(SUBJECT_ANY_CONNECTION, s->src,
                                       s->dst), since));
}

/* The direct path that has been told of, and what comes with it, are no
 * changes to what was told. */
static bool
way_has_changed(const struct offload_changes *c,
                const struct offload_verdict *verdict, long long int since)
{
    const struct fast_path_sighting *s = &verdict->seen;
    uint32_t host = subject_host(s->host);
    bool is_news = (verdict->told
                    && verdict->told == offload_changes_news(c, s->ofport,
                                                             s->dst));

    if (!s->arrival && !is_news
        && (is_noted(c, subject_path(s->dst), since)
            || (s->tracked
                && is_noted(c, subject_connection(
                                SUBJECT_PATH_CONNECTION, s->src, s->dst,
                                s->proto, s->sport, s->dport), since)))) {
        return true;
    }
    return (!s->arrival && is_noted(c, host, since)
            && (!is_news
                || (noted_time(c, subject_hop(s->host, &verdict->host_mac))
                    < noted_time(c, host))));
}

bool
offload_changes_concern(const struct offload_changes *c,
                        const struct offload_verdict *verdict,
                        long long int since)
{
    const struct fast_path_sighting *s = &verdict->seen;

    if (c->all >= since
        || is_noted(c, subject_mac(&s->new_dmac), since)
        || is_noted(c, subject_ip(s->src), since)
        || is_noted(c, subject_ip(s->dst), since)
        || way_has_changed(c, verdict, since)
        || pair_concerns(c, s, since)) {
        return true;
    }
    if (!verdict->known
        ? c->uncertain >= since
        : (is_noted(c, subject_ip(htonl(s->hop4)), since)
           || is_noted(c, subject_number(SUBJECT_PORT, s->ofport), since)
           || is_noted(c, subject_number(SUBJECT_PORT, s->in_port), since)
           || (s->tracked
               && is_noted(c, subject_number(SUBJECT_ZONE, s->zone),
                           since)))) {
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
