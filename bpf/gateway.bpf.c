/* SPDX-License-Identifier: Apache-2.0 OR BSD-2-Clause OR GPL-2.0-only
 *
 * gateway: a forwarding node of a Zeta gateway cluster, as XDP. */

#include <stdbool.h>
#include "bpf/fast-path-gateway.h"
#include "bpf/fast-path-tunnel.h"

const volatile struct fp_gw_config fp_config = {};

FP_LICENSE;

/* The agent sets how many buckets and sets there are, before loading. */
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __uint(map_flags, BPF_F_MMAPABLE);
    __type(key, __u32);
    __type(value, struct fp_gw_bucket);
} fp_gw_endpoints SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, FP_GW_MAX_SPILL);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, struct fp_gw_key);
    __type(value, struct fp_gw_endpoint);
} fp_gw_spill SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, FP_GW_MAX_HOSTS);
    __uint(map_flags, BPF_F_MMAPABLE);
    __type(key, __u32);
    __type(value, struct fp_gw_host);
} fp_gw_hosts SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, FP_GW_ENTRANCE_SETS);
    __type(key, __u32);
    __type(value, struct fp_gw_entrance_set);
} fp_gw_entrances SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct fp_gw_told);
} fp_gw_told SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, 1 << 20);
} fp_gw_oam SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct fp_gw_counters);
} fp_gw_counters SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, FP_GW_MAX_VPCS);
    __type(key, __u32);
    __type(value, struct fp_gw_vpc_counters);
} fp_gw_vpcs SEC(".maps");

struct arp_packet {
    __be16 hrd;
    __be16 pro;
    __u8 hln;
    __u8 pln;
    __be16 op;
    __u8 sha[6];
    __u8 spa[4];
    __u8 tha[6];
    __u8 tpa[4];
} __attribute__((packed));

#define ARP_REQUEST 1
#define ARP_REPLY 2

FP_INLINE int
count(__u32 counter, int verdict)
{
    __u32 zero = 0;
    struct fp_gw_counters *c = bpf_map_lookup_elem(&fp_gw_counters, &zero);

    if (c && counter < FP_GW_N_COUNTERS) {
        ((__u64 *) c)[counter]++;
    }
    return verdict;
}

/* Endpoints. */

enum found {
    FOUND,
    FOUND_NONE,
    FOUND_BUSY,                 /* It is being written. */
};

/* Looks for ('vni', 'ip') in bucket 'index', and copies what it finds to
 * 'endpoint', whole.  Sets '*head' to the bucket's. */
FP_INLINE enum found
look_in_bucket(__u32 index, __u32 vni, __be32 ip, __u32 *head,
               struct fp_gw_endpoint *endpoint)
{
    struct fp_gw_bucket *bucket = bpf_map_lookup_elem(&fp_gw_endpoints,
                                                      &index);
    enum found found = FOUND_NONE;

    if (!bucket) {
        return FOUND_NONE;
    }
    *head = FP_READ(bucket->head);
    for (int i = 0; i < FP_GW_SLOTS; i++) {
        struct fp_gw_endpoint *slot = &bucket->slots[i];

        if (FP_READ(slot->ip) == ip && FP_READ(slot->vni) == vni) {
            ((__u32 *) endpoint->mac)[0] = FP_READ(((__u32 *) slot->mac)[0]);
            ((__u16 *) endpoint->mac)[2] = FP_READ(((__u16 *) slot->mac)[2]);
            endpoint->vpc = FP_READ(slot->vpc);
            endpoint->host = FP_READ(slot->host);
            found = FOUND;
            break;
        }
    }
    return (*head & FP_GW_WRITING || FP_READ(bucket->head) != *head
            ? FOUND_BUSY : found);
}

FP_INLINE enum found
find_endpoint(__u32 vni, __be32 ip, struct fp_gw_endpoint *endpoint)
{
    __u32 index = (fp_gw_hash(vni, ip, fp_config.seed)
                   & (fp_config.n_buckets - 1));
    __u32 head = 0, partner_head;
    enum found found;

    found = look_in_bucket(index, vni, ip, &head, endpoint);
    if (found == FOUND_NONE && head & FP_GW_PARTNER) {
        found = look_in_bucket(index ^ 1, vni, ip, &partner_head, endpoint);
    }
    if (found == FOUND_NONE && head & FP_GW_SPILL) {
        struct fp_gw_key key = { .ip = ip, .vni = vni };
        struct fp_gw_endpoint *spilt = bpf_map_lookup_elem(&fp_gw_spill, &key);

        if (spilt) {
            *endpoint = *spilt;
            found = FOUND;
        }
    }
    return found;
}

/* Where a packet without an endpoint is counted. */
FP_INLINE int
drop_unfound(enum found found)
{
    return count(found == FOUND_BUSY ? FP_GW_BUSY : FP_GW_UNKNOWN, XDP_DROP);
}

/* The entrance that a frame is for, by both its addresses. */
FP_INLINE bool
is_for_entrance(const struct fp_outer *outer)
{
    __be32 ip = fp_ip(outer)->daddr;
    __u32 index = fp_gw_entrance_slot(ip);
    struct fp_gw_entrance_set *set = bpf_map_lookup_elem(&fp_gw_entrances,
                                                         &index);

    if (!set || !ip) {
        return false;
    }
    for (int i = 0; i < FP_GW_ENTRANCE_SLOTS; i++) {
        const struct fp_gw_entrance *e = &set->slots[i];

        if (e->ip == ip) {
            return fp_mac_equals(e->mac, outer->eth.h_dest);
        }
    }
    return false;
}

/* OAM. */

/* A flow among those that have been told. */
struct told_place {
    struct fp_gw_told *set;
    __u32 tag;
};

/* Where 'oam' is.  To be called before the endpoint is looked up: reading from
 * both places at once takes the time of one. */
FP_INLINE struct told_place
find_told(const struct fp_gw_oam *oam)
{
    __u64 hash = ((__u64) oam->src << 32 | oam->dst) * 0x9fb21c651e98df25ull;
    struct told_place place;
    __u32 index;

    hash ^= (hash >> 32) ^ *(const __u32 *) &oam->sport
            ^ (__u64) (oam->vni ^ oam->proto) << 32;
    hash *= 0xc2b2ae3d27d4eb4full;
    index = (hash >> 32) & (fp_config.n_told_sets - 1);
    place.tag = hash >> 12 & 0xfffff;
    place.set = bpf_map_lookup_elem(&fp_gw_told, &index);
    if (place.set) {
        (void) FP_READ(place.set->slots[0]);
    }
    return place;
}

/* True if the flow was told within the interval; else it is from now on,
 * unless the slot that this returns in '*slotp' is set back to 0. */
FP_INLINE bool
was_told(const struct told_place *place, __u32 **slotp)
{
    __u32 now = (fp_now() >> fp_config.told_shift)
                & ((1 << FP_GW_TOLD_TIME_BITS) - 1);
    __u32 *slots, *slot;

    if (!place->set) {
        return true;
    }
    slots = place->set->slots;
    for (int i = 0; i < FP_GW_TOLD_SLOTS; i++) {
        if (slots[i] >> FP_GW_TOLD_TIME_BITS == place->tag && slots[i]
            && ((now - slots[i]) & ((1 << FP_GW_TOLD_TIME_BITS) - 1))
               < fp_config.oam_interval) {
            return true;
        }
    }

    slot = &slots[place->tag & (FP_GW_TOLD_SLOTS - 1)];
    for (int i = 0; i < FP_GW_TOLD_SLOTS; i++) {
        if (!slots[i]
            || ((now - slots[i]) & ((1 << FP_GW_TOLD_TIME_BITS) - 1))
               >= fp_config.oam_interval) {
            slot = &slots[i];
            break;
        }
    }
    *slot = place->tag << FP_GW_TOLD_TIME_BITS | now;
    *slotp = slot;
    return false;
}

/* Has the sender of a packet told where its flow could go directly. */
FP_INLINE void
tell_path(const struct fp_outer *outer, const struct fp_gw_oam *oam,
          const struct told_place *place,
          const struct fp_gw_endpoint *endpoint,
          const struct fp_gw_host *host, struct fp_gw_vpc_counters *vpc)
{
    __u32 *slot = NULL;

    if (fp_config.oam_interval && was_told(place, &slot)) {
        return;
    }

    struct fp_gw_oam *record = bpf_ringbuf_reserve(&fp_gw_oam, sizeof *record,
                                                   0);
    if (!record) {
        if (slot) {
            *slot = 0;
        }
        count(FP_GW_OAM_LOST, 0);
        return;
    }
    *record = *oam;
    record->to_ip = fp_ip(outer)->saddr;
    record->entrance_ip = fp_ip(outer)->daddr;
    fp_copy_mac(record->to_mac, outer->eth.h_source);
    fp_copy_mac(record->entrance_mac, outer->eth.h_dest);
    fp_copy_mac(record->dst_mac, endpoint->mac);
    fp_copy_mac(record->host_mac, host->mac);
    record->host_ip = host->ip;
    bpf_ringbuf_submit(record, 0);
    if (vpc) {
        vpc->oam++;
    }
    count(FP_GW_OAM_SENT, 0);
}

/* The flow of an inner packet, as in OAM packets. */
FP_INLINE void
fill_matcher(struct fp_gw_oam *oam, const struct fp_outer *outer,
             const struct fp_frame *inner, const void *end)
{
    const struct iphdr *ip = fp_ip(inner);
    const __u32 *ports = (const void *) (ip + 1);

    *oam = (struct fp_gw_oam) {
        .vni = bpf_htonl(bpf_ntohl(fp_vxlan(outer)->vni) >> 8),
        .src = ip->saddr,
        .dst = ip->daddr,
        .proto = ip->protocol,
    };
    if ((oam->proto == IPPROTO_TCP || oam->proto == IPPROTO_UDP)
        && (const void *) (ports + 1) <= end) {
        *(__u32 *) &oam->sport = *ports;
    }
}

/* Forwarding. */

/* Sends the frame on from its entrance, to 'ip' and 'mac'. */
FP_INLINE void
rewrite_outer(struct fp_outer *outer, __be32 ip, const __u8 *mac)
{
    struct iphdr *outer_ip = fp_ip(outer);
    __be32 old_src = outer_ip->saddr;

    fp_copy_mac(outer->eth.h_source, outer->eth.h_dest);
    fp_copy_mac(outer->eth.h_dest, mac);
    outer_ip->saddr = outer_ip->daddr;
    outer_ip->daddr = ip;

    /* What was the destination is the source: sums lack the old source. */
    outer_ip->check = ~fp_csum_fold(
        (__u16) ~outer_ip->check
        + (__u16) ~(old_src & 0xffff) + (__u16) ~(old_src >> 16)
        + (ip & 0xffff) + (ip >> 16));
    fp_decrement_ttl(outer_ip);
    fp_udp(outer)->check = 0;
}

FP_INLINE int
forward_ip(struct fp_outer *outer, struct fp_frame *inner, const void *end)
{
    __u32 vni = bpf_ntohl(fp_vxlan(outer)->vni) >> 8;
    struct fp_gw_vpc_counters *vpc;
    struct fp_gw_endpoint endpoint;
    struct told_place place;
    struct fp_gw_oam oam;
    struct fp_gw_host *host;
    enum found found;
    __u32 index;

    if ((const void *) (inner + 1) > end) {
        return count(FP_GW_MALFORMED, XDP_DROP);
    }
    fill_matcher(&oam, outer, inner, end);
    place = find_told(&oam);
    found = find_endpoint(vni, fp_ip(inner)->daddr, &endpoint);
    if (found != FOUND) {
        return drop_unfound(found);
    }
    index = endpoint.host;
    host = bpf_map_lookup_elem(&fp_gw_hosts, &index);
    if (!host) {
        return drop_unfound(FOUND_NONE);
    }
    index = endpoint.vpc;
    vpc = bpf_map_lookup_elem(&fp_gw_vpcs, &index);
    if (vpc) {
        vpc->packets++;
        vpc->bytes += end - (const void *) inner;
    }
    tell_path(outer, &oam, &place, &endpoint, host, vpc);
    fp_copy_mac(inner->eth.h_dest, endpoint.mac);
    rewrite_outer(outer, host->ip, host->mac);
    return count(FP_GW_FORWARDED, XDP_TX);
}

FP_INLINE int
answer_arp(struct fp_outer *outer, struct ethhdr *eth, const void *end)
{
    struct arp_packet *arp = (void *) (eth + 1);
    __u32 vni = bpf_ntohl(fp_vxlan(outer)->vni) >> 8;
    struct fp_gw_vpc_counters *vpc;
    struct fp_gw_endpoint endpoint;
    enum found found;
    __be32 tpa, spa;
    __u8 mac[6];

    if ((const void *) (arp + 1) > end) {
        return count(FP_GW_MALFORMED, XDP_DROP);
    }
    if (arp->op != bpf_htons(ARP_REQUEST) || arp->hrd != bpf_htons(1)
        || arp->pro != bpf_htons(ETH_P_IP) || arp->hln != 6 || arp->pln != 4) {
        return count(FP_GW_NOT_IPV4, XDP_DROP);
    }
    __builtin_memcpy(&tpa, arp->tpa, 4);
    __builtin_memcpy(&spa, arp->spa, 4);
    found = find_endpoint(vni, tpa, &endpoint);
    if (found != FOUND) {
        return drop_unfound(found);
    }
    if (spa == tpa || fp_mac_equals(arp->sha, endpoint.mac)) {
        return count(FP_GW_OWN_ADDRESS, XDP_DROP);
    }

    __u32 index = endpoint.vpc;
    vpc = bpf_map_lookup_elem(&fp_gw_vpcs, &index);
    if (vpc) {
        vpc->arp_replies++;
    }

    fp_copy_mac(eth->h_dest, arp->sha);
    fp_copy_mac(eth->h_source, endpoint.mac);
    arp->op = bpf_htons(ARP_REPLY);
    fp_copy_mac(arp->tha, arp->sha);
    __builtin_memcpy(arp->tpa, arp->spa, 4);
    fp_copy_mac(arp->sha, endpoint.mac);
    __builtin_memcpy(arp->spa, &tpa, 4);
    fp_copy_mac(mac, outer->eth.h_source);
    rewrite_outer(outer, fp_ip(outer)->saddr, mac);
    return count(FP_GW_ARP_REPLIES, XDP_TX);
}

FP_INLINE int
gateway_xdp(struct xdp_md *ctx)
{
    struct fp_outer *outer = (void *) (long) ctx->data;
    void *end = (void *) (long) ctx->data_end;
    struct ethhdr *eth = (void *) (outer + 1);
    const struct iphdr *ip = fp_ip(outer);

    if ((void *) (ip + 1) > end
        || fp_eth_type(outer) != bpf_htons(ETH_P_IP)
        || !is_for_entrance(outer)) {
        return count(FP_GW_PASSED, XDP_PASS);
    }
    if (*(__u8 *) ip != 0x45 || ip->frag_off & bpf_htons(0x3fff)
        || ip->protocol != IPPROTO_UDP
        || (void *) (fp_udp(outer) + 1) > end
        || fp_udp(outer)->dest != fp_config.vxlan_port) {
        /* The entrance may be an address of this host as well. */
        return count(FP_GW_NOT_VXLAN, XDP_PASS);
    }
    if (ip->ttl <= 1) {
        return count(FP_GW_TTL, XDP_DROP);
    }
    if ((void *) (eth + 1) > end) {
        return count(FP_GW_MALFORMED, XDP_DROP);
    }
    switch (fp_eth_type(eth)) {
    case bpf_htons(ETH_P_IP):
        return forward_ip(outer, (struct fp_frame *) eth, end);
    case bpf_htons(ETH_P_ARP):
        return answer_arp(outer, eth, end);
    default:
        return count(FP_GW_NOT_IPV4, XDP_DROP);
    }
}

SEC("xdp")
int
alcor_gateway_xdp(struct xdp_md *ctx)
{
    return gateway_xdp(ctx);
}
