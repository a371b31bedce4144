/* SPDX-License-Identifier: Apache-2.0 OR BSD-2-Clause OR GPL-2.0-only
 *
 * bench-tenant: benchmark of bpf/tenant. */

#include "bpf/tenant.bpf.c"
#include "tests/perf/bench.bpf.h"

FP_MAP_FLOWS(ref_flows);

/* Moves the head, writes the same bytes, looks up once, counts once. */
FP_INLINE int
reference(struct xdp_md *ctx)
{
    void *data = (void *) (long) ctx->data;
    void *end = (void *) (long) ctx->data_end;
    struct fp_key key;
    struct fp_flow *flow;

    if (data + 42 > end) {
        return XDP_PASS;
    }
    key.scope = 1 << 8;
    key.peer = 0;
    key.src = *(__u32 *) (data + 26);
    key.dst = *(__u32 *) (data + 30);
    *(__u32 *) &key.sport = 0;
    fp_copy_macs(key.dmac, data);
    flow = bpf_map_lookup_elem(&ref_flows, &key);
    if (!flow || bpf_xdp_adjust_head(ctx, -FP_VXLAN_OVERHEAD)) {
        return XDP_PASS;
    }

    data = (void *) (long) ctx->data;
    end = (void *) (long) ctx->data_end;
    if (data + FP_VXLAN_OVERHEAD + 42 > end) {
        return XDP_PASS;
    }
    fp_copy_mac(data, flow->encap.host_mac);
    *(__u32 *) (data + 6) = 0x02000000;
    *(__u32 *) (data + 10) = 0x08000a01;
    *(__u32 *) (data + 14) = 0x45006000;
    *(__u32 *) (data + 18) = 0x00004000;
    *(__u32 *) (data + 22) = 0x40111234;
    *(__u32 *) (data + 26) = 0x0100a8c0;
    *(__u32 *) (data + 30) = flow->encap.host_ip;
    *(__u32 *) (data + 34) = 0xc00012b5;
    *(__u32 *) (data + 38) = 0x00500000;
    *(__u32 *) (data + 42) = 8;
    *(__u32 *) (data + 46) = flow->encap.vni_flags;
    fp_copy_macs(data + FP_VXLAN_OVERHEAD, flow->encap.dmac);
    return ref_count(bpf_redirect(1, 0));
}

SEC("xdp")
int
bench_tenant(struct xdp_md *ctx)
{
    void *data = (void *) (long) ctx->data;

    if (data + 64 > (void *) (long) ctx->data_end) {
        return XDP_ABORTED;
    }
    RESTORE(data, 5, 30);

    int verdict = (fp_mode == MODE_PROGRAM ? tenant_xdp(ctx)
                   : fp_mode == MODE_REFERENCE ? reference(ctx)
                   : XDP_REDIRECT);
    if (bpf_xdp_adjust_head(ctx, (fp_mode == MODE_EMPTY ? 0
                                  : FP_VXLAN_OVERHEAD))) {
        return XDP_ABORTED;
    }
    return verdict;
}
