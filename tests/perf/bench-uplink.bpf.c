/* SPDX-License-Identifier: Apache-2.0 OR BSD-2-Clause OR GPL-2.0-only
 *
 * bench-uplink: benchmark of bpf/uplink. */

#include "bpf/uplink.bpf.c"
#include "tests/perf/bench.bpf.h"

FP_MAP_FLOWS(ref_flows);

/* Moves the head, looks up once, counts once. */
FP_INLINE int
reference(struct xdp_md *ctx)
{
    void *data = (void *) (long) ctx->data;
    void *end = (void *) (long) ctx->data_end;
    struct fp_key key;
    struct fp_flow *flow;

    if (data + FP_VXLAN_OVERHEAD + 42 > end) {
        return XDP_PASS;
    }
    key.scope = bpf_ntohl(*(__u32 *) (data + 46)) & 0xffffff00;
    key.peer = *(__u32 *) (data + 26);
    key.src = *(__u32 *) (data + FP_VXLAN_OVERHEAD + 26);
    key.dst = *(__u32 *) (data + FP_VXLAN_OVERHEAD + 30);
    *(__u32 *) &key.sport = 0;
    fp_copy_macs(key.dmac, data + FP_VXLAN_OVERHEAD);
    flow = bpf_map_lookup_elem(&ref_flows, &key);
    if (!flow || bpf_xdp_adjust_head(ctx, FP_VXLAN_OVERHEAD)) {
        return XDP_PASS;
    }
    return ref_count(bpf_redirect(flow->deliver.ifindex, 0));
}

SEC("xdp")
int
bench_uplink(struct xdp_md *ctx)
{
    void *data = (void *) (long) ctx->data;

    if (data + 96 > (void *) (long) ctx->data_end) {
        return XDP_ABORTED;
    }
    RESTORE(data, 12, FP_VXLAN_OVERHEAD + 30);

    int verdict = (fp_mode == MODE_PROGRAM ? uplink_xdp(ctx)
                   : fp_mode == MODE_REFERENCE ? reference(ctx)
                   : XDP_REDIRECT);
    if (bpf_xdp_adjust_head(ctx, (fp_mode == MODE_EMPTY ? 0
                                  : -FP_VXLAN_OVERHEAD))) {
        return XDP_ABORTED;
    }
    return verdict;
}
