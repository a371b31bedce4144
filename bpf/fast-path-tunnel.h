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

/* The 32-bit words of an IPv4 header without options, as in memory. */
FP_ASSERT(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__);
#define FP_IP_WORD0(TOS, TOT_LEN) (0x45 | (TOS) << 8 | (TOT_LEN) << 16)
#define FP_IP_WORD1 (bpf_htons(IP_DF) << 16)
#define FP_IP_WORD2(TTL, PROTO) ((TTL) | (PROTO) << 8)

FP_INLINE __u32
fp_outer_tos(const volatile struct fp_tenant_config *config,
             const struct fp_inner *inner)
{
    return (config->tos_inherit ? inner->tos
            : config->tos | (inner->tos & FP_ECN_MASK));
}

/* Writes 'outer' in front of a frame of 'length' bytes.  By words: every
 * packet pays for each instruction. */
FP_INLINE void
fp_write_outer(void *outer, const struct fp_encap *encap,
               const volatile struct fp_tenant_config *config,
               const struct fp_inner *inner, __be16 sport, __u32 length)
{
    const volatile void *local_mac = config->local_mac;
    __u32 *ip = (__u32 *) fp_ip(outer);
    __u32 *udp = (__u32 *) fp_udp(outer);
    __u32 *vxlan = (__u32 *) fp_vxlan(outer);
    __u32 udp_len = sizeof(struct udphdr) + sizeof(struct fp_vxlan) + length;
    __u32 word0 = FP_IP_WORD0(fp_outer_tos(config, inner),
                              bpf_htons(sizeof(struct iphdr) + udp_len));
    __u32 word2 = FP_IP_WORD2((__u32) config->ttl, IPPROTO_UDP);
    __u64 sum = (__u64) word0 + FP_IP_WORD1 + word2 + config->local_ip
                + encap->host_ip;

    fp_copy_mac(outer, encap->host_mac);
    *(__u32 *) (outer + ETH_ALEN) = *(const volatile __u32 *) local_mac;
    *(__u32 *) (outer + ETH_ALEN + 4)
        = *(const volatile __u16 *) (local_mac + 4)
          | bpf_htons(ETH_P_IP) << 16;

    sum = (sum & 0xffffffff) + (sum >> 32);
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    ip[0] = word0;
    ip[1] = FP_IP_WORD1;
    ip[2] = word2 | (__u32) ~sum << 16;
    ip[3] = config->local_ip;
    ip[4] = encap->host_ip;

    udp[0] = sport | (__u32) config->vxlan_port << 16;
    udp[1] = bpf_htons(udp_len);    /* No checksum. */

    vxlan[0] = bpf_htonl(FP_VXLAN_FLAGS);
    vxlan[1] = encap->vni_flags & bpf_htonl(0xffffff00);
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
