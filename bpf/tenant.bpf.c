/* SPDX-License-Identifier: Apache-2.0 OR BSD-2-Clause OR GPL-2.0-only
 *
 * tenant: from a tenant's device into the tunnel, as XDP and as tc. */

#include <stdbool.h>
#include "bpf/fast-path-tunnel.h"
#include <linux/pkt_cls.h>

const volatile struct fp_tenant_config fp_config = {};

FP_MAP_FLOWS(fp_tenant_flows);
FP_MAP_COUNTERS;
FP_LICENSE;

/* What OVS decides about DHCP does not depend on the destination alone:
 * tenants may not answer it. */
FP_INLINE bool
is_dhcp(const struct fp_inner *inner)
{
    return (inner->proto == IPPROTO_UDP
            && ((inner->ports & 0xffff) == bpf_htons(67)
                || inner->ports >> 16 == bpf_htons(67)));
}

/* Finds the verdict on a frame that has been parsed.  'size' is that of its
 * largest IP packet.  Returns FP_HITS and sets '*flowp', or where it is to be
 * counted. */
FP_INLINE enum fp_counter
find_verdict(struct fp_key *key, const struct fp_inner *inner, __u32 size,
             __u32 length, struct fp_flow **flowp)
{
    key->peer = 0;
    if (fp_config.by_connection) {
        fp_key_by_connection(key, fp_config.port, inner);
    } else if (is_dhcp(inner)) {
        return FP_OTHERS;
    } else {
        fp_key_by_destination(key, fp_config.port);
    }

    struct fp_flow *flow = bpf_map_lookup_elem(&fp_tenant_flows, key);
    if (!flow) {
        return FP_MISSES;
    }
    if (size > flow->encap.mtu) {
        return FP_TOO_BIG;
    }
    *flowp = flow;
    return fp_flow_use(flow, length, fp_config.through_interval);
}

/* Writes all headers of a frame whose start has moved; 'outer' is there. */
FP_INLINE void
encapsulate(struct fp_outer *outer, const struct fp_flow *flow,
            const struct fp_key *key, const struct fp_inner *inner,
            __u32 length)
{
    fp_write_outer(outer, &flow->encap, &fp_config, inner,
                   fp_entropy(key, inner), length);
    fp_rewrite_inner((struct fp_frame *) (outer + 1), &flow->encap);
}

FP_INLINE int
tenant_xdp(struct xdp_md *ctx)
{
    void *data = (void *) (long) ctx->data;
    void *end = (void *) (long) ctx->data_end;
    __u32 length = end - data;
    struct fp_flow *flow = NULL;
    struct fp_inner inner;
    struct fp_key key;
    enum fp_counter counter;

    counter = fp_parse_frame(data, end, length, &key, &inner);
    if (!counter) {
        counter = find_verdict(&key, &inner, length - ETH_HLEN, length, &flow);
    }
    if (counter || !flow) {
        return FP_COUNT(fp_config.port, counter, 0, XDP_PASS);
    }

    if (bpf_xdp_adjust_head(ctx, -FP_VXLAN_OVERHEAD)) {
        return FP_COUNT(fp_config.port, FP_NO_ROOM, 0, XDP_PASS);
    }
    data = (void *) (long) ctx->data;
    end = (void *) (long) ctx->data_end;
    if (data + sizeof(struct fp_outer) + sizeof(struct fp_frame) > end) {
        return XDP_ABORTED;
    }
    encapsulate(data, flow, &key, &inner, length);
    return FP_COUNT(fp_config.port, FP_HITS, length,
                    bpf_redirect(fp_config.uplink_ifindex, 0));
}

SEC("xdp")
int
alcor_tenant_xdp(struct xdp_md *ctx)
{
    return tenant_xdp(ctx);
}

/* tc.  The frame may be a superpacket, to be segmented later. */

/* The size of the largest IP packet of the frame. */
FP_INLINE __u32
packet_size(const struct __sk_buff *skb, const struct fp_inner *inner)
{
    return (skb->gso_size ? inner->headers + skb->gso_size
            : skb->len - ETH_HLEN);
}

FP_INLINE int
pass(__u32 counter)
{
    return FP_COUNT(fp_config.port, counter, 0,
                    (fp_config.miss_ifindex
                     ? (int) bpf_redirect(fp_config.miss_ifindex, 0)
                     : TC_ACT_OK));
}

SEC("tc")
int
alcor_tenant_tc(struct __sk_buff *skb)
{
    void *data = (void *) (long) skb->data;
    void *end = (void *) (long) skb->data_end;
    __u32 length = skb->len;
    struct fp_flow *flow = NULL;
    struct fp_inner inner;
    struct fp_key key;
    enum fp_counter counter;

    if (skb->vlan_present) {
        return pass(FP_VLAN);
    }
    if (data + FP_FRAME_MAX > end && end - data < length) {
        bpf_skb_pull_data(skb, length < FP_FRAME_MAX ? length : FP_FRAME_MAX);
        data = (void *) (long) skb->data;
        end = (void *) (long) skb->data_end;
    }
    counter = fp_parse_frame(data, end, length, &key, &inner);
    if (!counter) {
        counter = find_verdict(&key, &inner, packet_size(skb, &inner), length,
                               &flow);
    }
    if (counter || !flow) {
        return pass(counter);
    }

    /* VXLAN counts into L4: with it in L2, segments come out wrong. */
    if (bpf_skb_adjust_room(skb, FP_VXLAN_OVERHEAD, BPF_ADJ_ROOM_MAC,
                            BPF_F_ADJ_ROOM_FIXED_GSO
                            | BPF_F_ADJ_ROOM_ENCAP_L3_IPV4
                            | BPF_F_ADJ_ROOM_ENCAP_L4_UDP
                            | BPF_F_ADJ_ROOM_ENCAP_L2_ETH
                            | BPF_F_ADJ_ROOM_ENCAP_L2(ETH_HLEN))) {
        return pass(FP_NO_ROOM);
    }
    data = (void *) (long) skb->data;
    end = (void *) (long) skb->data_end;
    if (data + sizeof(struct fp_outer) + sizeof(struct fp_frame) > end) {
        return TC_ACT_SHOT;
    }
    /* The room is after the Ethernet header: the inner one's type is new. */
    ((__u16 *) (data + sizeof(struct fp_outer)))[6] = bpf_htons(ETH_P_IP);
    encapsulate(data, flow, &key, &inner, length);
    return FP_COUNT(fp_config.port, FP_HITS, length,
                    (int) bpf_redirect(fp_config.uplink_ifindex, 0));
}
