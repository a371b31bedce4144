/* SPDX-License-Identifier: Apache-2.0 OR BSD-2-Clause OR GPL-2.0-only
 *
 * fast-path-gateway: layouts of a gateway's tables, for kernel and agent. */

#ifndef BPF_FAST_PATH_GATEWAY_H
#define BPF_FAST_PATH_GATEWAY_H 1

/* The tables of a gateway
 * =======================
 *
 * A gateway knows every endpoint of its VPCs, a million of them, and packets
 * ask for them at random: what a look-up costs is the cache lines that it
 * touches.  So endpoints are in an array of buckets of one cache line each,
 * chosen by a hash, with three endpoints in each.
 *
 *    - An endpoint whose bucket is full goes to the bucket's partner, the
 *      cache line beside it (which processors often fetch along), and when
 *      that is full as well to an ordinary hash map, the spill.  Flags in the
 *      bucket say if there are such, so that a miss costs one line as well.
 *      With as many buckets as endpoints, some 2 % are in a partner, and 0.1 %
 *      in the spill.
 *
 *    - Endpoints hold the index of their host in a second array, since hosts
 *      are few and stay in the cache, and that of their VPC's counters.
 *
 * The agent maps the array of buckets into its memory and is the only one who
 * writes it.  Readers notice writing by the bucket's sequence number, which is
 * odd meanwhile.  A packet that meets this is dropped and counted as busy: it
 * cannot wait for the agent, which may be what it has interrupted; and only
 * the few stores of a change to the very same bucket can be met.  (This rests
 * on loads that are not reordered with loads, as on x86; elsewhere, a packet
 * that meets a change may go to where neither state says.)
 *
 * Which flows have been told the direct path lately is in a third array, of
 * sets of eight slots of four bytes: a tag and when.  Tags are 20 bits, so a
 * flow goes untold, for an interval, with a chance of 1 in 130,000. */

#include "bpf/fast-path.h"

#define FP_GW_MAX_HOSTS 65536
#define FP_GW_MAX_VPCS 65536
#define FP_GW_MAX_SPILL 65536
#define FP_GW_SLOTS 3           /* Endpoints in a bucket. */

struct fp_gw_endpoint {
    __be32 ip;
    __u32 vni;                  /* FP_GW_NONE: slot is free. */
    __u8 mac[6];
    __u16 vpc;                  /* Index of its counters. */
    __u32 host;                 /* Index of its host. */
};
FP_ASSERT(sizeof(struct fp_gw_endpoint) == 20);
#define FP_GW_NONE 0xffffffffu

struct fp_gw_bucket {
    __u32 head;                 /* Sequence number << 8 | FP_GW_*. */
    struct fp_gw_endpoint slots[FP_GW_SLOTS];
};
FP_ASSERT(sizeof(struct fp_gw_bucket) == 64);
#define FP_GW_PARTNER 1         /* Some are in the partner. */
#define FP_GW_SPILL 2           /* Some are in the spill. */
#define FP_GW_WRITING 0x100     /* Lowest bit of the sequence number. */

/* Key of the spill, whose value is a struct fp_gw_endpoint. */
struct fp_gw_key {
    __be32 ip;
    __u32 vni;
};

struct fp_gw_host {
    __be32 ip;
    __u8 mac[6];
    __u8 reserved[6];
};
FP_ASSERT(sizeof(struct fp_gw_host) == 16);

/* The bucket of an endpoint: these bits, as many as there are buckets. */
static inline __u32
fp_gw_hash(__u32 vni, __be32 ip, __u64 seed)
{
    __u64 x = ((__u64) vni << 32 | ip) ^ seed;

    x *= 0x9fb21c651e98df25ull;
    x ^= x >> 35;
    x *= 0x9fb21c651e98df25ull;
    return x >> 32;
}

/* Entrances: where an address may be is a hash of it. */
#define FP_GW_ENTRANCE_SETS 256
#define FP_GW_ENTRANCE_SLOTS 4
struct fp_gw_entrance {
    __be32 ip;                  /* 0: free. */
    __u8 mac[6];
    __u8 reserved[6];
};
struct fp_gw_entrance_set {
    struct fp_gw_entrance slots[FP_GW_ENTRANCE_SLOTS];
};
FP_ASSERT(sizeof(struct fp_gw_entrance_set) == 64);

static inline __u32
fp_gw_entrance_slot(__be32 ip)
{
    return (ip * 0x9e3779b1u) >> 24;
}

/* Flows that have been told: tag << 12 | time, in units of 2^told_shift ticks.
 * 0: free. */
#define FP_GW_TOLD_SLOTS 8
struct fp_gw_told {
    __u32 slots[FP_GW_TOLD_SLOTS];
};
#define FP_GW_TOLD_TIME_BITS 12

/* What is to be told to whom: a record of the ring buffer, all in network byte
 * order, MACs as in frames. */
struct fp_gw_oam {
    __be32 to_ip;               /* Outer source of the packet. */
    __be32 entrance_ip;         /* Outer destination. */
    __be32 vni;
    __be32 src;                 /* Inner flow. */
    __be32 dst;
    __be16 sport;
    __be16 dport;
    __u8 to_mac[6];
    __u8 entrance_mac[6];
    __u8 dst_mac[6];            /* Endpoint. */
    __u8 host_mac[6];           /* Its host. */
    __be32 host_ip;
    __u8 proto;
    __u8 reserved[3];
};
FP_ASSERT(sizeof(struct fp_gw_oam) == 56);

/* Counters, per processor.  Each packet that enters the program is in one of
 * the first group. */
#define FP_GW_COUNTERS                                                     \
    FP_COUNTER(FORWARDED, forwarded, "sent to the endpoint's host")        \
    FP_COUNTER(ARP_REPLIES, arp_replies, "ARP request answered")           \
    FP_COUNTER(PASSED, passed, "to the kernel: not for an entrance")       \
    FP_COUNTER(UNKNOWN, unknown, "dropped: unknown endpoint")              \
    FP_COUNTER(OWN_ADDRESS, own_address, "dropped: ARP for the asker's "   \
                                         "own address")                    \
    FP_COUNTER(NOT_IPV4, not_ipv4, "dropped: neither IPv4 nor an ARP "     \
                                   "request inside")                       \
    FP_COUNTER(NOT_VXLAN, not_vxlan, "to the kernel: for an entrance, "    \
                                     "but not whole VXLAN packets")        \
    FP_COUNTER(TTL, ttl, "dropped: outer TTL used up")                     \
    FP_COUNTER(MALFORMED, malformed, "dropped: truncated")                 \
    FP_COUNTER(BUSY, busy, "dropped: its entry was being written")

/* And what else happened. */
#define FP_GW_EVENTS                                                       \
    FP_COUNTER(OAM_SENT, oam_sent, "flows to be told of direct paths")     \
    FP_COUNTER(OAM_LOST, oam_lost, "not told: ring buffer full")

struct fp_gw_counters {
#define FP_COUNTER(NAME, MEMBER, WHAT) __u64 MEMBER;
    FP_GW_COUNTERS
    FP_GW_EVENTS
#undef FP_COUNTER
};

enum fp_gw_counter {
#define FP_COUNTER(NAME, MEMBER, WHAT) FP_GW_##NAME,
    FP_GW_COUNTERS
    FP_GW_EVENTS
#undef FP_COUNTER
    FP_GW_N_COUNTERS
};
FP_ASSERT(sizeof(struct fp_gw_counters) == 8 * FP_GW_N_COUNTERS);

struct fp_gw_vpc_counters {
    __u64 packets;
    __u64 bytes;                /* Of inner frames. */
    __u64 arp_replies;
    __u64 oam;
};

struct fp_gw_config {
    __u64 seed;                 /* Of fp_gw_hash(). */
    __u32 n_buckets;            /* A power of 2. */
    __u32 n_told_sets;          /* Likewise; for a quarter as many sets as
                                 * buckets, twice as many flows are told as
                                 * there are buckets. */
    __u32 told_shift;
    __u32 oam_interval;         /* In these units, below 2^11; 0: a record for
                                 * every packet. */
    __be16 vxlan_port;
    __u16 reserved;
};

#endif /* bpf/fast-path-gateway.h */
