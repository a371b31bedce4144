/* SPDX-License-Identifier: Apache-2.0 OR BSD-2-Clause OR GPL-2.0-only
 *
 * uplink: out of the tunnel to a tenant's device, as XDP and as tc. */

#include <stdbool.h>
#include "bpf/fast-path-tunnel.h"
#include <linux/pkt_cls.h>

const volatile struct fp_uplink_config fp_config = {};

FP_MAP_FLOWS(fp_uplink_flows);
FP_MAP_COUNTERS;
FP_LICENSE;

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __uint(map_flags, BPF_F_MMAPABLE);
    __type(key, __u32);
    __type(value, struct fp_arrival);
} fp_arrival SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, FP_MAX_ENTRANCES);
    __type(key, struct fp_oam_source);
    __type(value, __u32);
} fp_oam_sources SEC(".maps");

/* By receive queue: the agent's AF_XDP sockets. */
struct {
    __uint(type, BPF_MAP_TYPE_XSKMAP);
    __uint(max_entries, FP_MAX_QUEUES);
    __type(key, __u32);
    __type(value, __u32);
} fp_oam_sockets SEC(".maps");

#define UPLINK 0                /* Its number, for counters. */

/* All headers that are looked at. */
#define HEADERS_MAX (sizeof(struct fp_outer) + FP_FRAME_MAX)

FP_INLINE bool
is_local_mac(const __u8 *mac)
{
    const volatile __u8 *local = fp_config.local_mac;

    return (*(const __u32 *) mac == *(const volatile __u32 *) local
            && (*(const __u16 *) (mac + 4)
                == *(const volatile __u16 *) (local + 4)));
}

/* Looks at the outer headers of a frame of 'length' bytes.  Returns FP_HITS if
 * there is a tunnelled frame behind them, FP_OAM if it is for the agent. */
FP_INLINE enum fp_counter
parse_outer(const struct fp_outer *outer, const void *end, __u32 length)
{
    const struct iphdr *ip = fp_ip(outer);
    const struct udphdr *udp = fp_udp(outer);
    enum fp_counter refused;

    if ((const void *) (&outer->eth + 1) > end) {
        return FP_MALFORMED;
    }
    if (fp_eth_type(outer) != bpf_htons(ETH_P_IP)) {
        return fp_refuse_type(fp_eth_type(outer));
    }
    if ((const void *) (&outer->udp + 1) > end) {
        return FP_MALFORMED;
    }
    if (ip->daddr != fp_config.local_ip || ip->protocol != IPPROTO_UDP
        || !is_local_mac(outer->eth.h_dest)) {
        return FP_OTHERS;
    }
    refused = fp_check_ip(ip, length - ETH_HLEN);
    if (refused) {
        return refused;
    }
    if (udp->dest == fp_config.vxlan_port) {
        return ((const void *) (outer + 1) > end ? FP_MALFORMED
                : fp_check_vxlan(outer, length));
    }

    struct fp_oam_source source = {
        .ip = ip->saddr,
        .port = udp->dest,
    };
    return (bpf_map_lookup_elem(&fp_oam_sources, &source) ? FP_OAM
            : FP_OTHERS);
}

/* The entry for an inner frame that has been parsed into 'key', null if there
 * is none. */
FP_INLINE struct fp_flow *
find_flow(struct fp_key *key, const struct fp_outer *outer,
          const struct fp_inner *inner)
{
    __u32 vni = bpf_ntohl(fp_vxlan(outer)->vni) >> 8;
    struct fp_flow *flow = NULL;
    __u32 zero = 0;
    struct fp_arrival *arrival = bpf_map_lookup_elem(&fp_arrival, &zero);

    if (!arrival) {
        return NULL;
    }

    __u8 keyed = arrival->keyed[fp_arrival_slot(vni, key->dst)];
    key->peer = fp_ip(outer)->saddr;
    if (keyed & FP_BY_CONNECTION) {
        fp_key_by_connection(key, vni, inner);
        flow = bpf_map_lookup_elem(&fp_uplink_flows, key);
    }
    if (!flow && keyed & FP_BY_DESTINATION) {
        fp_key_by_destination(key, vni);
        flow = bpf_map_lookup_elem(&fp_uplink_flows, key);
    }
    return flow;
}

/* Decides on a frame.  Returns FP_HITS, sets '*flowp' and the TOS that the
 * inner packet leaves with ('tosp'); or where the frame is to be counted. */
FP_INLINE enum fp_counter
find_verdict(const struct fp_outer *outer, const void *end, __u32 length,
             struct fp_flow **flowp, struct fp_inner *inner, __u8 *tosp)
{
    struct fp_key key;
    struct fp_flow *flow;
    enum fp_counter counter = parse_outer(outer, end, length);

    if (counter) {
        return counter;
    }
    /* Again for the verifier, which has forgotten. */
    if ((const void *) (outer + 1) > end) {
        return FP_MALFORMED;
    }
    length -= sizeof *outer;
    counter = fp_parse_frame((const void *) (outer + 1), end, length, &key,
                             inner);
    if (counter) {
        return counter;
    }
    flow = find_flow(&key, outer, inner);
    if (!flow) {
        return FP_MISSES;
    }
    counter = fp_flow_use(flow, length, fp_config.through_interval);
    if (counter) {
        return counter;
    }
    *tosp = inner->tos;
    *flowp = flow;
    return fp_decap_ecn(fp_ip(outer)->tos, tosp) ? FP_HITS : FP_ECN_DROPS;
}

FP_INLINE int
uplink_xdp(struct xdp_md *ctx)
{
    void *data = (void *) (long) ctx->data;
    void *end = (void *) (long) ctx->data_end;
    __u32 length = end - data;
    struct fp_flow *flow = NULL;
    struct fp_inner inner;
    __u8 tos = 0;
    enum fp_counter counter;

    counter = find_verdict(data, end, length, &flow, &inner, &tos);
    if (counter == FP_OAM) {
        return FP_COUNT(UPLINK, FP_OAM, 0,
                        bpf_redirect_map(&fp_oam_sockets, ctx->rx_queue_index,
                                         XDP_PASS));
    } else if (counter || !flow) {
        return FP_COUNT(UPLINK, counter, 0,
                        counter == FP_ECN_DROPS ? XDP_DROP : XDP_PASS);
    }

    if (bpf_xdp_adjust_head(ctx, FP_VXLAN_OVERHEAD)) {
        return FP_COUNT(UPLINK, FP_NO_ROOM, 0, XDP_PASS);
    }
    if (tos != inner.tos) {
        struct fp_frame *frame = (void *) (long) ctx->data;

        if ((void *) (frame + 1) > (void *) (long) ctx->data_end) {
            return XDP_ABORTED;
        }
        fp_set_tos(fp_ip(frame), tos);
    }
    if (flow->deliver.flags & FP_DELIVER_PEER) {
        /* An entry from when the uplink had tc: of such a port, the agent adds
         * what is counted here to what the device counts, as that does not see
         * what goes to its peer.  But it sees this. */
        return bpf_redirect(flow->deliver.ifindex, 0);
    }
    return FP_COUNT(flow->deliver.port, FP_DELIVERED,
                    length - FP_VXLAN_OVERHEAD,
                    bpf_redirect(flow->deliver.ifindex, 0));
}

SEC("xdp")
int
alcor_uplink_xdp(struct xdp_md *ctx)
{
    return uplink_xdp(ctx);
}

/* tc. */

FP_INLINE int
pass(__u32 counter)
{
    return FP_COUNT(UPLINK, counter, 0,
                    (counter == FP_ECN_DROPS ? TC_ACT_SHOT
                     : fp_config.miss_ifindex
                     ? (int) bpf_redirect(fp_config.miss_ifindex, 0)
                     : TC_ACT_OK));
}

SEC("tc")
int
alcor_uplink_tc(struct __sk_buff *skb)
{
    void *data = (void *) (long) skb->data;
    void *end = (void *) (long) skb->data_end;
    __u32 length = skb->len;
    struct fp_flow *flow = NULL;
    struct fp_inner inner;
    __u32 macs[3];
    __u8 tos = 0;
    enum fp_counter counter;

    if (skb->vlan_present) {
        return pass(FP_VLAN);
    }
    if (data + HEADERS_MAX > end && end - data < length) {
        bpf_skb_pull_data(skb, length < HEADERS_MAX ? length : HEADERS_MAX);
        data = (void *) (long) skb->data;
        end = (void *) (long) skb->data_end;
    }
    counter = find_verdict(data, end, length, &flow, &inner, &tos);
    if (counter || !flow
        || data + sizeof(struct fp_outer) + sizeof(struct fp_frame) > end) {
        return pass(counter);
    }

    /* The type need not be saved: both are IPv4. */
    fp_copy_macs(macs, data + sizeof(struct fp_outer));
    if (bpf_skb_adjust_room(skb, -FP_VXLAN_OVERHEAD, BPF_ADJ_ROOM_MAC,
                            BPF_F_ADJ_ROOM_FIXED_GSO)) {
        return pass(FP_NO_ROOM);
    }

    struct fp_frame *frame = (void *) (long) skb->data;
    if ((void *) (frame + 1) > (void *) (long) skb->data_end) {
        return TC_ACT_SHOT;
    }
    fp_copy_macs(frame, macs);
    if (tos != inner.tos) {
        fp_set_tos(fp_ip(frame), tos);
    }
    return FP_COUNT(flow->deliver.port, FP_DELIVERED,
                    length - FP_VXLAN_OVERHEAD,
                    (int) (flow->deliver.flags & FP_DELIVER_PEER
                           ? bpf_redirect_peer(flow->deliver.ifindex, 0)
                           : bpf_redirect(flow->deliver.ifindex, 0)));
}
