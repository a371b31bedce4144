/* SPDX-License-Identifier: Apache-2.0 OR BSD-2-Clause OR GPL-2.0-only
 *
 * bench-gateway: benchmark of bpf/gateway. */

#include "bpf/gateway.bpf.c"
#include "tests/perf/bench.bpf.h"

/* As bpf/gateway's, each line with one endpoint and all about it. */
struct ref_endpoint {
    struct fp_gw_key key;
    struct fp_gw_host host;
    __u8 mac[6];
    __u8 reserved[34];
};
FP_ASSERT(sizeof(struct ref_endpoint) == 64);

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __uint(map_flags, BPF_F_MMAPABLE);
    __type(key, __u32);
    __type(value, struct ref_endpoint);
} ref_lines SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 1);
    __type(key, struct fp_gw_key);
    __type(value, struct ref_endpoint);
} ref_hash SEC(".maps");

/* As in deployed gateways: the oldest records are dropped. */
struct {
    __uint(type, BPF_MAP_TYPE_QUEUE);
    __uint(max_entries, 1024);
    __type(value, struct fp_gw_oam);
} ref_queue SEC(".maps");

/* To what is aligned to two bytes on the stack. */
FP_INLINE void
copy_mac(void *to, const void *from)
{
    for (int i = 0; i < 3; i++) {
        ((volatile __u16 *) to)[i] = ((const __u16 *) from)[i];
    }
}

FP_INLINE void
queue_oam(const struct fp_outer *outer, const void *inner,
          const struct ref_endpoint *endpoint)
{
    struct fp_gw_oam oam = {
        .to_ip = fp_ip(outer)->saddr,
        .entrance_ip = fp_ip(outer)->daddr,
        .vni = endpoint->key.vni,
        .src = fp_ip(inner)->saddr,
        .dst = fp_ip(inner)->daddr,
        .host_ip = endpoint->host.ip,
        .proto = fp_ip(inner)->protocol,
    };

    *(__u32 *) &oam.sport = *(const __u32 *) (inner + 34);
    copy_mac(oam.to_mac, outer->eth.h_source);
    copy_mac(oam.entrance_mac, outer->eth.h_dest);
    copy_mac(oam.dst_mac, endpoint->mac);
    copy_mac(oam.host_mac, endpoint->host.mac);
    bpf_map_push_elem(&ref_queue, &oam, BPF_EXIST);
}

/* Changes the same bytes, looks up once, counts once. */
FP_INLINE int
reference(struct xdp_md *ctx)
{
    struct fp_outer *outer = (void *) (long) ctx->data;
    void *end = (void *) (long) ctx->data_end;
    void *inner = outer + 1;
    struct ref_endpoint *endpoint;

    if (inner + 42 > end) {
        return XDP_PASS;
    }

    struct fp_gw_key key = {
        .ip = fp_ip(inner)->daddr,
        .vni = bpf_ntohl(fp_vxlan(outer)->vni) >> 8,
    };
    if (fp_mode == MODE_REFERENCE) {
        __u32 index = fp_gw_hash(key.vni, key.ip, 1)
                      & (fp_config.n_buckets - 1);

        endpoint = bpf_map_lookup_elem(&ref_lines, &index);
    } else {
        endpoint = bpf_map_lookup_elem(&ref_hash, &key);
    }
    if (!endpoint) {
        return XDP_PASS;
    }
    if (fp_mode == MODE_QUEUE) {
        queue_oam(outer, inner, endpoint);
    }
    fp_copy_mac(inner, endpoint->mac);
    rewrite_outer(outer, endpoint->host.ip, endpoint->host.mac);
    return ref_count(XDP_TX);
}

SEC("xdp")
int
bench_gateway(struct xdp_md *ctx)
{
    void *data = (void *) (long) ctx->data;

    if (data + 96 > (void *) (long) ctx->data_end) {
        return XDP_ABORTED;
    }
    RESTORE(data, 12, FP_VXLAN_OVERHEAD + 30);
    return (fp_mode == MODE_PROGRAM ? gateway_xdp(ctx)
            : fp_mode == MODE_EMPTY ? XDP_TX
            : reference(ctx));
}
