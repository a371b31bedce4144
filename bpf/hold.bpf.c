/* SPDX-License-Identifier: Apache-2.0 OR BSD-2-Clause OR GPL-2.0-only
 *
 * hold: what comes to devices while OVS exchanges its ports is for the agent,
 * which hands it on when that is over. */

#include <stdbool.h>
#include "bpf/fast-path-tunnel.h"

const volatile struct fp_hold_config fp_config = {};

FP_LICENSE;

struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, FP_HELD_BYTES);
} fp_held SEC(".maps");

/* A tag that the device has taken out of a frame is not seen, and would be
 * lost.  So of what comes to an uplink only what cannot have had one is held:
 * what is in the tunnel to this host.  (A tenant could as well have sent a
 * frame without it.) */
FP_INLINE bool
is_to_be_held(const struct xdp_md *ctx)
{
    const struct fp_outer *outer = (void *) (long) ctx->data;
    const void *end = (void *) (long) ctx->data_end;

    return (ctx->ingress_ifindex != fp_config.uplink_ifindex
            || ((const void *) (&outer->udp + 1) <= end
                && fp_eth_type(outer) == bpf_htons(ETH_P_IP)
                && fp_ip(outer)->daddr == fp_config.local_ip
                && fp_ip(outer)->protocol == IPPROTO_UDP
                && fp_ip(outer)->ihl == 5
                && fp_udp(outer)->dest == fp_config.vxlan_port));
}

/* Copies a frame of 'length' bytes, at most 'max', a constant.  Returns false
 * if there is no room. */
FP_INLINE bool
hold(struct xdp_md *ctx, __u32 length, const __u32 max)
{
    struct fp_held *held = bpf_ringbuf_reserve(&fp_held, sizeof *held + max,
                                               0);

    if (!held) {
        return false;
    }
    held->ifindex = ctx->ingress_ifindex;
    held->length = length;
    if (bpf_xdp_load_bytes(ctx, 0, held->frame, length)) {
        bpf_ringbuf_discard(held, BPF_RB_NO_WAKEUP);
        return false;
    }
    bpf_ringbuf_submit(held, BPF_RB_NO_WAKEUP);
    return true;
}

SEC("xdp")
int
alcor_hold_xdp(struct xdp_md *ctx)
{
    __u32 length = bpf_xdp_get_buff_len(ctx);
    bool held;

    if (length < ETH_HLEN || !is_to_be_held(ctx)) {
        return XDP_PASS;
    }
    held = (length <= FP_HELD_SMALL ? hold(ctx, length, FP_HELD_SMALL)
            : length <= FP_HELD_LARGE ? hold(ctx, length, FP_HELD_LARGE)
            : false);
    return held ? XDP_DROP : XDP_PASS;
}
