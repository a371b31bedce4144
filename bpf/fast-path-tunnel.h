/* SPDX-License-Identifier: Apache-2.0 OR BSD-2-Clause OR GPL-2.0-only
 *
 * fast-path-tunnel: VXLAN headers written and read, ECN (eBPF side). */

#ifndef BPF_FAST_PATH_TUNNEL_H
#define BPF_FAST_PATH_TUNNEL_H 1

#include "bpf/fast-path-packet.h"

#define IP_DF 0x4000

#define FP_ECN_MASK 3
#define FP_ECN_ECT_1 1
#define FP_ECN_ECT_0 2
#define FP_ECN_CE 3

/* UDP source port: the flow's entropy, from the dynamic ports (RFC 7348). */
FP_INLINE __be16
fp_entropy(const struct fp_key *key, const struct fp_inner *inner)
{
    __u32 x = key->src ^ (key->dst << 16 | key->dst >> 16) ^ inner->ports
              ^ inner->proto;

    return bpf_htons(0xc000 | (x * 0x9e3779b1u) >> 18);
}

/* Writes 'outer' in front of a frame of 'length' bytes. */
FP_INLINE void
fp_write_outer(struct fp_outer *outer, const struct fp_encap *encap,
               const volatile struct fp_tenant_config *config,
               const struct fp_inner *inner, __be16 sport, __u32 length)
{
    struct iphdr *ip = fp_ip(outer);
    struct udphdr *udp = fp_udp(outer);
    struct fp_vxlan *vxlan = fp_vxlan(outer);
    __u32 udp_len = sizeof *udp + sizeof *vxlan + length;
    __u8 tos = (config->tos_inherit ? inner->tos
                : config->tos | (inner->tos & FP_ECN_MASK));
    __be16 words[] = {
        bpf_htons(0x4500 | tos),
        bpf_htons(sizeof *ip + udp_len),
        bpf_htons(IP_DF),
        bpf_htons(config->ttl << 8 | IPPROTO_UDP),
    };
    __be32 local_ip = config->local_ip;
    __be32 host_ip = encap->host_ip;

    fp_copy_mac(outer->eth.h_dest, encap->host_mac);
    *(__u32 *) outer->eth.h_source
        = *(const volatile __u32 *) config->local_mac;
    *(__u16 *) (outer->eth.h_source + 4)
        = *(const volatile __u16 *) (config->local_mac + 4);
    *(__u16 *) ((void *) outer + 12) = bpf_htons(ETH_P_IP);

    *(__u16 *) ip = words[0];
    ip->tot_len = words[1];
    ip->id = 0;
    ip->frag_off = words[2];
    *(__u16 *) &ip->ttl = words[3];
    ip->check = ~fp_csum_fold(words[0] + words[1] + words[2] + words[3]
                              + (local_ip & 0xffff) + (local_ip >> 16)
                              + (host_ip & 0xffff) + (host_ip >> 16));
    ip->saddr = local_ip;
    ip->daddr = host_ip;

    udp->source = sport;
    udp->dest = config->vxlan_port;
    udp->len = bpf_htons(udp_len);
    udp->check = 0;

    vxlan->flags = bpf_htonl(FP_VXLAN_FLAGS);
    vxlan->vni = encap->vni_flags & bpf_htonl(0xffffff00);
}

/* Makes the inner frame as OVS would send it. */
FP_INLINE void
fp_rewrite_inner(struct fp_frame *frame, const struct fp_encap *encap)
{
    fp_copy_macs(frame, encap->dmac);
    if (encap->vni_flags & bpf_htonl(FP_ENCAP_ROUTED)) {
        fp_decrement_ttl(fp_ip(frame));
    }
}

/* Checks that 'outer' is VXLAN around a frame, for us and as the programs can
 * take it apart.  The whole frame has 'length' bytes. */
FP_INLINE enum fp_counter
fp_check_vxlan(const struct fp_outer *outer, __u32 length)
{
    const struct udphdr *udp = fp_udp(outer);

    if (udp->check
        || fp_vxlan(outer)->flags != bpf_htonl(FP_VXLAN_FLAGS)) {
        return FP_OTHERS;
    }
    if (bpf_ntohs(fp_ip(outer)->tot_len) != length - ETH_HLEN
        || (bpf_ntohs(udp->len)
            != length - ETH_HLEN - sizeof(struct iphdr))) {
        return FP_MALFORMED;
    }
    return FP_HITS;
}

/* The TOS that an inner packet gets when it leaves a tunnel whose outer header
 * had 'outer' (RFC 6040, figure 4).  Returns false if it is to be dropped. */
FP_INLINE bool
fp_decap_ecn(__u8 outer, __u8 *tos)
{
    __u8 inner_ecn = *tos & FP_ECN_MASK;
    __u8 outer_ecn = outer & FP_ECN_MASK;

    if (outer_ecn == FP_ECN_CE) {
        if (!inner_ecn) {
            return false;
        }
        *tos |= FP_ECN_CE;
    } else if (outer_ecn == FP_ECN_ECT_1 && inner_ecn == FP_ECN_ECT_0) {
        *tos ^= FP_ECN_ECT_0 | FP_ECN_ECT_1;
    }
    return true;
}

#endif /* bpf/fast-path-tunnel.h */
