/* SPDX-License-Identifier: Apache-2.0 OR BSD-2-Clause OR GPL-2.0-only
 *
 * fast-path-packet: what is in a frame, and whether it is for OVS (eBPF). */

#ifndef BPF_FAST_PATH_PACKET_H
#define BPF_FAST_PATH_PACKET_H 1

/* Parsing is bounded by where the frame ends and accepts only what the
 * programs can forward as OVS would: the rest is refused with the counter to
 * which it belongs. */

#include <stdbool.h>
#include <stddef.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/tcp.h>
#include <linux/udp.h>

#include "bpf/fast-path-bpf.h"

struct fp_vxlan {
    __be32 flags;
    __be32 vni;                 /* VNI << 8. */
};
#define FP_VXLAN_FLAGS 0x08000000

/* Ethernet, IPv4, UDP, VXLAN: what comes before the inner frame. */
struct fp_outer {
    struct ethhdr eth;
    struct iphdr ip;
    struct udphdr udp;
    struct fp_vxlan vxlan;
} __attribute__((packed));
FP_ASSERT(sizeof(struct fp_outer) == FP_VXLAN_OVERHEAD);

/* Headers of a frame that are looked at: Ethernet, IPv4, L4. */
struct fp_frame {
    struct ethhdr eth;
    struct iphdr ip;
} __attribute__((packed));

#define FP_FRAME_MAX (sizeof(struct fp_frame) + sizeof(struct tcphdr))

#define FP_TCP_FOR_OVS 0x07     /* FIN, SYN, RST in byte 13. */

/* Fields are accessed through these: in a packed structure the compiler would
 * load and store byte by byte.  (What is aligned or not is no question, since
 * frames are not either.) */
FP_INLINE struct iphdr *
fp_ip(const void *frame)
{
    return (struct iphdr *) (frame + ETH_HLEN);
}

FP_INLINE struct udphdr *
fp_udp(const void *outer)
{
    return (struct udphdr *) (outer + offsetof(struct fp_outer, udp));
}

FP_INLINE struct fp_vxlan *
fp_vxlan(const void *outer)
{
    return (struct fp_vxlan *) (outer + offsetof(struct fp_outer, vxlan));
}

FP_INLINE void
fp_copy_mac(void *to, const void *from)
{
    ((__u32 *) to)[0] = ((const __u32 *) from)[0];
    ((__u16 *) to)[2] = ((const __u16 *) from)[2];
}

/* Destination and source of a frame. */
FP_INLINE void
fp_copy_macs(void *to, const void *from)
{
    ((__u32 *) to)[0] = ((const __u32 *) from)[0];
    ((__u32 *) to)[1] = ((const __u32 *) from)[1];
    ((__u32 *) to)[2] = ((const __u32 *) from)[2];
}

FP_INLINE bool
fp_mac_equals(const void *a, const void *b)
{
    return (((const __u32 *) a)[0] == ((const __u32 *) b)[0]
            && ((const __u16 *) a)[2] == ((const __u16 *) b)[2]);
}

/* The type of a frame. */
FP_INLINE __be16
fp_eth_type(const void *frame)
{
    return ((const __u16 *) frame)[6];
}

/* What remains of a parsed frame when its headers move. */
struct fp_inner {
    __u32 ports;                /* As in the packet; 0 if it has none. */
    __u8 proto;
    __u8 tos;
    __u16 headers;              /* IP and L4, in bytes. */
};

/* Why a frame with this type is for OVS. */
FP_INLINE enum fp_counter
fp_refuse_type(__be16 type)
{
    switch (type) {
    case bpf_htons(ETH_P_IPV6):
        return FP_IPV6;
    case bpf_htons(ETH_P_8021Q):
    case bpf_htons(ETH_P_8021AD):
        return FP_VLAN;
    default:
        return FP_OTHERS;
    }
}

/* Checks IPv4 header 'ip', which has 'length' bytes before the frame's end. */
FP_INLINE enum fp_counter
fp_check_ip(const struct iphdr *ip, __u32 length)
{
    __u32 tot_len = bpf_ntohs(ip->tot_len);

    if (*(const __u8 *) ip != 0x45) {
        return ip->version == 4 && ip->ihl > 5 ? FP_IP_OPTIONS : FP_OTHERS;
    }
    if (ip->frag_off & bpf_htons(0xbfff)) {
        return FP_FRAGMENTS;
    }
    if (ip->ttl <= 1) {
        return FP_TTL;
    }
    return tot_len < sizeof *ip || tot_len > length ? FP_MALFORMED : FP_HITS;
}

/* Looks at the L4 header at 'l4'. */
FP_INLINE enum fp_counter
fp_parse_l4(const struct iphdr *ip, const void *l4, const void *end,
            struct fp_inner *inner)
{
    __u32 l4_len = bpf_ntohs(ip->tot_len) - sizeof *ip;

    inner->ports = 0;
    inner->headers = sizeof *ip;
    if (inner->proto == IPPROTO_TCP) {
        const struct tcphdr *tcp = l4;

        if ((const void *) (tcp + 1) > end || l4_len < sizeof *tcp) {
            return FP_MALFORMED;
        }
        if (((const __u8 *) tcp)[13] & FP_TCP_FOR_OVS) {
            return FP_TCP_FLAGS;
        }
        inner->ports = *(const __u32 *) l4;
        inner->headers += tcp->doff * 4;
    } else if (inner->proto == IPPROTO_UDP) {
        const struct udphdr *udp = l4;

        if ((const void *) (udp + 1) > end || l4_len < sizeof *udp) {
            return FP_MALFORMED;
        }
        inner->ports = *(const __u32 *) l4;
        inner->headers += sizeof *udp;
    }
    return FP_HITS;
}

/* Parses a tenant's frame of 'length' bytes, of which those before 'end' can
 * be read.  Fills in 'inner' and, but for 'scope' and 'peer', 'key' of a
 * connection.  Returns FP_HITS, or where the frame is to be counted. */
FP_INLINE enum fp_counter
fp_parse_frame(const struct fp_frame *frame, const void *end, __u32 length,
               struct fp_key *key, struct fp_inner *inner)
{
    if ((const void *) (&frame->eth + 1) > end) {
        return FP_MALFORMED;
    }
    if (fp_eth_type(frame) != bpf_htons(ETH_P_IP)) {
        return fp_refuse_type(fp_eth_type(frame));
    }
    if ((const void *) (frame + 1) > end) {
        return FP_MALFORMED;
    }

    const struct iphdr *ip = fp_ip(frame);
    enum fp_counter refused = fp_check_ip(ip, length - ETH_HLEN);

    if (refused) {
        return refused;
    }
    inner->proto = ip->protocol;
    inner->tos = ip->tos;
    refused = fp_parse_l4(ip, ip + 1, end, inner);
    if (refused) {
        return refused;
    }

    key->src = ip->saddr;
    key->dst = ip->daddr;
    *(__u32 *) &key->sport = inner->ports;
    fp_copy_macs(key->dmac, frame);
    return FP_HITS;
}

/* Sets what 'key' is looked up with: 'scope' is a port or a VNI. */
FP_INLINE void
fp_key_by_connection(struct fp_key *key, __u32 scope,
                     const struct fp_inner *inner)
{
    key->scope = scope << 8 | inner->proto;
    *(__u32 *) &key->sport = inner->ports;
}

FP_INLINE void
fp_key_by_destination(struct fp_key *key, __u32 scope)
{
    key->scope = scope << 8;
    *(__u32 *) &key->sport = 0;
}

/* Changes of the IPv4 header. */

FP_INLINE __u16
fp_csum_fold(__u32 sum)
{
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    return sum;
}

/* Replaces the 16-bit word 'old' of 'ip' by 'new' in its checksum
 * (RFC 1624). */
FP_INLINE void
fp_csum_replace(struct iphdr *ip, __u16 old, __u16 new)
{
    ip->check = ~fp_csum_fold((__u16) ~ip->check + (__u16) ~old + new);
}

/* The TTL, more than 1, is the lower byte of its word (little endian), so that
 * ~old + new is this.  Bytes are not accessed: a processor cannot forward what
 * has been stored in parts to a load of the whole. */
FP_INLINE void
fp_decrement_ttl(struct iphdr *ip)
{
    --*(__u16 *) &ip->ttl;
    ip->check = ~fp_csum_fold((__u16) ~ip->check + 0xfffe);
}

FP_INLINE void
fp_set_tos(struct iphdr *ip, __u8 tos)
{
    __u16 *word = (__u16 *) ip;
    __u16 old = *word;
    __u16 new = (old & 0xff) | tos << 8;

    *word = new;
    fp_csum_replace(ip, old, new);
}

#endif /* bpf/fast-path-packet.h */
