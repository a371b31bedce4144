/* SPDX-License-Identifier: Apache-2.0 OR BSD-2-Clause OR GPL-2.0-only
 *
 * fast-path: what eBPF programs and the agent share: layouts of maps. */

#ifndef BPF_FAST_PATH_H
#define BPF_FAST_PATH_H 1

/* The eBPF fast path
 * ==================
 *
 * What?
 * -----
 *
 * OVS decides, eBPF repeats.  The programs in this folder hold verdicts that
 * OVS has already given, one entry for each flow or destination, and carry
 * them out in the kernel's earliest hooks:
 *
 *    tenant.bpf.c    on a tenant's device: what OVS would send through the
 *                    tunnel is rewritten, encapsulated in VXLAN, and
 *                    redirected to the uplink.
 *
 *    uplink.bpf.c    on the uplink: the reverse; and in-band operation (OAM)
 *                    packets of gateways to the agent's AF_XDP socket.
 *
 *    patch.bpf.c     between an interposed device and OVS.
 *
 *    hold.bpf.c      on devices while OVS exchanges its ports: packets wait
 *                    until that is over.
 *
 *    gateway.bpf.c   on a gateway's uplink: the forwarding of a Zeta FWD.
 *
 * A packet without an entry goes to OVS unchanged, so switching everything
 * off at any moment changes speed, never reachability.  So does every packet
 * that OVS should see: TCP with SYN, FIN or RST, fragments, IP options, TTL 1
 * or less, more than the path's MTU, IPv6, VLAN, anything not understood; and
 * one packet of each entry every 'through_interval', so that connection
 * tracking, neighbours and policy stay alive.  Each reason has a counter.
 *
 * This header is the one place that says how entries look; both sides include
 * it, and it asserts the sizes.  A change of any layout needs a new
 * FP_LAYOUT_VERSION, which is part of the path under which maps are pinned.
 *
 * One look-up
 * -----------
 *
 * A tenant's packet costs one look-up in a hash table, with all that
 * identifies the flow: port, source MAC and address (so that what port
 * security forbids never finds an entry), destination, and for entries per
 * connection protocol and ports.  Whether a port's entries are per connection
 * (it has stateful security groups) or per destination is in the program's
 * configuration ('const volatile': there is a program for each device).
 *
 * A packet from the uplink does not tell which port it is for.  A table of
 * bytes, indexed by a hash of VNI and destination ("arrival"), says how the
 * entries that might match are keyed, or that there are none.
 *
 * An entry in the kernel's hash table takes 128 bytes, two cache lines: 48 of
 * the kernel's own, key, value.
 *
 * Times are the low 32 bits of the kernel's tick counter, which
 * apply/bpf-clock.h knows; they wrap around: compare differences. */

#include <linux/types.h>

#ifdef __bpf__
#define FP_ASSERT(EXPR) _Static_assert(EXPR, #EXPR)
#else
#include "compiler.h"
#define FP_ASSERT(EXPR) BUILD_ASSERT_DECL(EXPR)
#endif

#ifndef FP_LAYOUT_VERSION       /* Tests build an agent with another one. */
#define FP_LAYOUT_VERSION 1
#endif

#define FP_MAX_FLOWS 65536      /* Entries in either direction. */
#define FP_MAX_PORTS 4096       /* Tenant devices, numbered 1 and up. */
#define FP_MAX_ENTRANCES 1024   /* Entrances of gateways, for OAM. */
#define FP_MAX_QUEUES 64        /* Receive queues of an uplink. */
#define FP_VXLAN_OVERHEAD 50    /* Ethernet, IPv4, UDP, VXLAN. */

/* Flows. */

/* Key of both tables of flows, as in the packet (network byte order) but for
 * 'scope'.  Everything counts: there is no padding. */
struct fp_key {
    __u32 scope;                /* Port (from a tenant) or VNI (from the
                                 * uplink) << 8 | IP protocol (or 0). */
    __be32 peer;                /* Outer source; 0 from a tenant. */
    __be32 src;                 /* Inner addresses. */
    __be32 dst;
    __be16 sport;               /* Of TCP and UDP, else 0. */
    __be16 dport;
    __u8 dmac[6];               /* Of the frame as received. */
    __u8 smac[6];
};
FP_ASSERT(sizeof(struct fp_key) == 32);

/* Verdict from a tenant.  'smac', 'dmac' are of the inner frame as sent. */
struct fp_encap {
    __u8 dmac[6];
    __u8 smac[6];
    __u8 host_mac[6];           /* Next hop in the underlay. */
    __u16 mtu;                  /* Of the path, for inner IP packets. */
    __be32 host_ip;             /* Where the destination is. */
    __be32 vni_flags;           /* VNI << 8 | FP_ENCAP_*. */
};
#define FP_ENCAP_ROUTED 1       /* Decrement the inner TTL. */

/* Verdict from the uplink. */
struct fp_deliver {
    __u32 ifindex;              /* Tenant's device. */
    __u32 port;                 /* Its number, for the counters. */
    __u32 flags;                /* FP_DELIVER_*. */
    __u32 reserved[4];
};
#define FP_DELIVER_PEER 1       /* To the other end of a veth pair (tc). */

/* Value of both tables.  What programs write comes first.
 *
 * 'packets' and 'bytes' are what people look at: processors that use one entry
 * at the same moment may lose a count.  Those in struct fp_counters do not. */
struct fp_flow {
    __u64 bytes;
    __u32 packets;
    __u32 last_used;            /* In ticks. */
    __u32 through_at;           /* When the next packet goes to OVS. */
    union {
        struct fp_encap encap;
        struct fp_deliver deliver;
    };
};
FP_ASSERT(sizeof(struct fp_encap) == 28);
FP_ASSERT(sizeof(struct fp_deliver) == 28);
FP_ASSERT(sizeof(struct fp_flow) == 48);

/* How entries from the uplink are keyed: the only element of an array. */
#define FP_ARRIVAL_SLOTS 65536
#define FP_BY_DESTINATION 1     /* Some have no protocol and ports. */
#define FP_BY_CONNECTION 2      /* Some have them. */
struct fp_arrival {
    __u8 keyed[FP_ARRIVAL_SLOTS];
};

/* The slot of 'dst' (network byte order) in 'vni'. */
static inline __u32
fp_arrival_slot(__u32 vni, __be32 dst)
{
    return ((dst ^ vni * 0x9e3779b1u) * 0x85ebca6bu) >> 16;
}

/* Entrances whose OAM packets are for the agent. */
struct fp_oam_source {
    __be32 ip;                  /* Source. */
    __be16 port;                /* UDP destination port. */
    __be16 reserved;
};
FP_ASSERT(sizeof(struct fp_oam_source) == 8);

/* Counters of a port, per processor.  Number 0 is the uplink.  Each packet
 * that enters a program is in exactly one of them.
 *
 *     FP_COUNTER(NAME, name, what happens to the packet) */
#define FP_COUNTERS                                                        \
    FP_COUNTER(HITS, hits, "from the tenant, forwarded")                   \
    FP_COUNTER(DELIVERED, delivered, "to the tenant, forwarded")           \
    FP_COUNTER(MISSES, misses, "to OVS: no entry")                         \
    FP_COUNTER(THROUGH, through, "to OVS: it is the entry's time")         \
    FP_COUNTER(TCP_FLAGS, tcp_flags, "to OVS: SYN, FIN or RST")            \
    FP_COUNTER(FRAGMENTS, fragments, "to OVS: fragment")                   \
    FP_COUNTER(IP_OPTIONS, ip_options, "to OVS: IP options")               \
    FP_COUNTER(TTL, ttl, "to OVS: TTL 1 or less")                          \
    FP_COUNTER(TOO_BIG, too_big, "to OVS: more than the path's MTU")       \
    FP_COUNTER(IPV6, ipv6, "to OVS: IPv6")                                 \
    FP_COUNTER(VLAN, vlan, "to OVS: VLAN tag")                             \
    FP_COUNTER(MALFORMED, malformed, "to OVS: truncated or wrong lengths") \
    FP_COUNTER(OTHERS, others, "to OVS: anything else")                    \
    FP_COUNTER(NO_ROOM, no_room, "to OVS: headers do not fit")             \
    FP_COUNTER(ECN_DROPS, ecn_drops, "dropped: congestion experienced "    \
                                     "(RFC 6040)")                         \
    FP_COUNTER(OAM, oam, "to the agent: OAM of a known gateway")

struct fp_counters {
#define FP_COUNTER(NAME, MEMBER, WHAT) __u64 MEMBER;
    FP_COUNTERS
#undef FP_COUNTER
    __u64 hit_bytes;            /* Of inner frames. */
    __u64 delivered_bytes;
};

enum fp_counter {
#define FP_COUNTER(NAME, MEMBER, WHAT) FP_##NAME,
    FP_COUNTERS
#undef FP_COUNTER
    FP_N_COUNTERS
};
FP_ASSERT(sizeof(struct fp_counters) == 8 * (FP_N_COUNTERS + 2));

/* Configuration of programs, set before they are loaded. */

struct fp_tenant_config {
    __u32 port;                 /* 1...FP_MAX_PORTS. */
    __u32 by_connection;        /* Keys have protocol and ports. */
    __u32 uplink_ifindex;
    __u32 miss_ifindex;         /* Interposed (tc): where to OVS is. */
    __u32 through_interval;     /* In ticks. */
    __be32 local_ip;            /* Outer source. */
    __u8 local_mac[6];
    __u8 ttl;                   /* Outer. */
    __u8 tos;                   /* Outer DSCP << 2, unless inherited. */
    __u32 tos_inherit;
    __be16 vxlan_port;
    __u16 reserved;
};

struct fp_uplink_config {
    __u32 miss_ifindex;
    __u32 through_interval;
    __be32 local_ip;
    __u8 local_mac[6];
    __be16 vxlan_port;
};

struct fp_patch_config {
    __u32 ifindex;              /* Where everything goes. */
};

/* What waits (hold.bpf.c), as it is in the ring buffer. */
#define FP_HELD_BYTES (16 << 20)
#define FP_HELD_SMALL 1664      /* Frames up to this size take it up... */
#define FP_HELD_LARGE 9728      /* ...larger ones this; others do not wait. */
struct fp_held {
    __u32 ifindex;              /* Where it came. */
    __u32 length;
    __u8 frame[];
};

struct fp_hold_config {
    __u32 uplink_ifindex;       /* 0: none of the devices. */
    __be32 local_ip;
    __be16 vxlan_port;
    __u16 reserved;
};

#endif /* bpf/fast-path.h */
