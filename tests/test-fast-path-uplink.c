/* SPDX-License-Identifier: Apache-2.0
 *
 * test-fast-path-uplink: frames from the underlay through bpf/uplink.
 *
 *     alcortest fast-path-uplink */

#include <config.h>

#undef NDEBUG
#include "bpf/fast-path.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/pkt_cls.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "alcortest.h"
#include "bpf/uplink.skel.h"
#include "fast-path-frame.h"
#include "fast-path-run.h"
#include "openvswitch/ofpbuf.h"
#include "util.h"

#define UPLINK 0
#define PORT 3
#define INTERVAL 8000
#define OAM_PORT 27648
#define GATEWAY 0xac1000fe

struct fixture {
    struct fpr run;
    struct fp_uplink *skel;
    int flows_fd;
    int arrival_fd;
    unsigned int keyed;         /* FP_BY_*. */
    uint8_t flags;              /* FP_DELIVER_*, of connections. */
};

static void
set_arrival(struct fixture *fx, const struct fpf *f, uint8_t keyed)
{
    struct fp_arrival *arrival = xmalloc(sizeof *arrival);
    uint32_t zero = 0;

    bpf_map_lookup_elem(fx->arrival_fd, &zero, arrival);
    arrival->keyed[fp_arrival_slot(f->vni, htonl(f->dst))] = keyed;
    bpf_map_update_elem(fx->arrival_fd, &zero, arrival, BPF_ANY);
    free(arrival);
}

static void
add_entry(struct fixture *fx, const char *changes, bool by_connection)
{
    struct fp_flow flow = {
        .through_at = fpr_now() + INTERVAL,
        .deliver = {
            .ifindex = 1,
            .port = PORT,
            .flags = by_connection ? fx->flags : 0,
        },
    };
    struct fp_key key;
    struct fpf f;

    fpf_init(&f);
    fpf_set(&f, changes);
    key = fpr_key(&f, 0, by_connection);
    if (bpf_map_update_elem(fx->flows_fd, &key, &flow, BPF_ANY)) {
        ovs_fatal(errno, "adding an entry");
    }
    set_arrival(fx, &f, fx->keyed);
}

static void
fixture_init(struct fixture *fx, const char *name)
{
    struct fp_uplink *skel = fp_uplink__open();
    struct fp_oam_source source = {
        .ip = htonl(GATEWAY), .port = htons(OAM_PORT),
    };
    uint32_t one = 1;

    fx->skel = skel;
    skel->rodata->fp_config = (struct fp_uplink_config) {
        .through_interval = INTERVAL,
        .local_ip = htonl(0xac100001),
        .local_mac = { 0x02, 0, 0, 0, 0x0a, 0x01 },
        .vxlan_port = htons(4789),
    };
    if (fp_uplink__load(skel)) {
        ovs_fatal(errno, "loading %s", name);
    }
    fx->run = (struct fpr) {
        .name = name,
        .prog_fd = bpf_program__fd(fx->run.tc ? skel->progs.alcor_uplink_tc
                                   : skel->progs.alcor_uplink_xdp),
        .counters_fd = bpf_map__fd(skel->maps.fp_counters),
        .tc = fx->run.tc,
    };
    fx->flows_fd = bpf_map__fd(skel->maps.fp_uplink_flows);
    fx->arrival_fd = bpf_map__fd(skel->maps.fp_arrival);
    bpf_map_update_elem(bpf_map__fd(skel->maps.fp_oam_sources), &source, &one,
                        BPF_ANY);
    if (fx->keyed & FP_BY_DESTINATION) {
        add_entry(fx, "", false);
    }
    if (fx->keyed & FP_BY_CONNECTION) {
        add_entry(fx, "", true);
        add_entry(fx, "proto=6", true);
    }
}

/* Runs 'frame', made from 'f'.  A hit leaves what is in the tunnel, but with
 * 'tos'. */
static void
check_frame(struct fixture *fx, const char *name, const struct fpf *f,
            struct ofpbuf *frame, enum fp_counter counter, uint8_t tos)
{
    bool hit = counter == FP_HITS;
    bool drop = counter == FP_ECN_DROPS;
    struct fpf out = *f;

    out.tos = tos;
    fpr_check(&fx->run, frame, &(struct fpr_expect) {
        .name = name,
        .counter = hit ? FP_DELIVERED : counter,
        .port = hit ? PORT : UPLINK,
        .verdict = (fx->run.tc
                    ? (hit ? TC_ACT_REDIRECT : drop ? TC_ACT_SHOT : TC_ACT_OK)
                    : (hit ? XDP_REDIRECT : drop ? XDP_DROP : XDP_PASS)),
        .frame = hit ? fpf_inner(&out) : NULL,
    });
}

static void
check(struct fixture *fx, const char *changes, enum fp_counter counter)
{
    struct fpf f;

    fpf_init(&f);
    fpf_set(&f, changes);
    check_frame(fx, changes, &f, fpf_outer(&f), counter, f.tos);
}

/* What comes of a frame if entries are per destination, and per connection.
 * Where there are both, either is good. */
static const struct {
    const char *changes;
    enum fp_counter by_destination, by_connection;
} cases[] = {
    { "", FP_HITS, FP_HITS },
    { "proto=6", FP_HITS, FP_HITS },
    { "ttl=2", FP_HITS, FP_HITS },
    { "pad=4", FP_HITS, FP_HITS },
    { "payload=1400", FP_HITS, FP_HITS },
    { "o_sport=1", FP_HITS, FP_HITS },
    { "o_ttl=2", FP_HITS, FP_HITS },
    { "o_frag=0,o_id=7", FP_HITS, FP_HITS },
    { "o_smac=0x7777", FP_HITS, FP_HITS },

    /* Other flows. */
    { "sport=1112", FP_HITS, FP_MISSES },
    { "proto=1", FP_HITS, FP_MISSES },
    { "vni=0x123457", FP_MISSES, FP_MISSES },
    { "src=0x0a000003", FP_MISSES, FP_MISSES },
    { "dst=0x0a000003", FP_MISSES, FP_MISSES },
    { "smac=0x0003", FP_MISSES, FP_MISSES },
    { "dmac=0x0003", FP_MISSES, FP_MISSES },
    { "o_src=0xac100003", FP_MISSES, FP_MISSES },

    /* Inner packets for OVS. */
    { "proto=6,flags=0x02", FP_TCP_FLAGS, FP_TCP_FLAGS },
    { "proto=6,flags=0x11", FP_TCP_FLAGS, FP_TCP_FLAGS },
    { "proto=6,flags=0x04", FP_TCP_FLAGS, FP_TCP_FLAGS },
    { "frag=0x2000", FP_FRAGMENTS, FP_FRAGMENTS },
    { "frag=0x0001", FP_FRAGMENTS, FP_FRAGMENTS },
    { "ihl=6", FP_IP_OPTIONS, FP_IP_OPTIONS },
    { "ttl=1", FP_TTL, FP_TTL },
    { "type=0x86dd", FP_IPV6, FP_IPV6 },
    { "type=0x0806", FP_OTHERS, FP_OTHERS },
    { "vlan=5", FP_VLAN, FP_VLAN },
    { "tot_delta=1", FP_MALFORMED, FP_MALFORMED },
    { "tot_delta=-31", FP_MALFORMED, FP_MALFORMED },

    /* Outer packets for OVS or the kernel. */
    { "o_type=0x86dd", FP_IPV6, FP_IPV6 },
    { "o_type=0x8100", FP_VLAN, FP_VLAN },
    { "o_type=0x0806", FP_OTHERS, FP_OTHERS },
    { "o_dmac=0x7777", FP_OTHERS, FP_OTHERS },
    { "o_dst=0xac100009", FP_OTHERS, FP_OTHERS },
    { "o_proto=6", FP_OTHERS, FP_OTHERS },
    { "o_dport=4790", FP_OTHERS, FP_OTHERS },
    { "o_csum=1", FP_OTHERS, FP_OTHERS },
    { "o_ihl=6", FP_IP_OPTIONS, FP_IP_OPTIONS },
    { "o_ttl=1", FP_TTL, FP_TTL },
    { "o_frag=0x2000", FP_FRAGMENTS, FP_FRAGMENTS },
    { "o_frag=0x0002", FP_FRAGMENTS, FP_FRAGMENTS },
    { "o_tot_delta=1", FP_MALFORMED, FP_MALFORMED },
    { "o_tot_delta=-1", FP_MALFORMED, FP_MALFORMED },
    { "o_len_delta=1", FP_MALFORMED, FP_MALFORMED },
    { "o_len_delta=-1", FP_MALFORMED, FP_MALFORMED },
    { "o_pad=1", FP_MALFORMED, FP_MALFORMED },
    { "vx_flags=0", FP_OTHERS, FP_OTHERS },
    { "vx_flags=0x88000000", FP_OTHERS, FP_OTHERS },

    /* OAM. */
    { "o_src=0xac1000fe,o_dport=27648", FP_OAM, FP_OAM },
    { "o_src=0xac1000fe,o_dport=27648,inner_len=0", FP_OAM, FP_OAM },
    { "o_src=0xac1000fe,o_dport=27649", FP_OTHERS, FP_OTHERS },
    { "o_src=0xac1000fd,o_dport=27648", FP_OTHERS, FP_OTHERS },
    { "o_src=0xac1000fe,o_dport=27648,o_dst=0xac100002", FP_OTHERS,
      FP_OTHERS },
    { "o_src=0xac1000fe,o_dport=27648,o_frag=0x2000", FP_FRAGMENTS,
      FP_FRAGMENTS },
};

static void
check_cases(struct fixture *fx)
{
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        enum fp_counter by_destination = cases[i].by_destination;
        enum fp_counter by_connection = cases[i].by_connection;
        enum fp_counter counter
            = (by_destination == by_connection ? by_destination
               : fx->keyed & FP_BY_DESTINATION ? by_destination
               : by_connection);

        check(fx, cases[i].changes, counter);
    }
}

/* The whole frame cut at every byte; and the inner one only. */
static void
check_truncated(struct fixture *fx, const char *base, size_t headers)
{
    char name[64];
    struct fpf f;

    fpf_init(&f);
    fpf_set(&f, base);
    struct ofpbuf *whole = fpf_outer(&f);
    for (size_t n = fx->run.tc ? 34 : 14; n < whole->size; n++) {
        struct ofpbuf *frame = ofpbuf_clone_data(whole->data, n);

        snprintf(name, sizeof name, "%s, %zu bytes", base, n);
        check_frame(fx, name, &f, frame, FP_MALFORMED, 0);
    }
    for (size_t n = 0; n < whole->size - FP_VXLAN_OVERHEAD; n++) {
        snprintf(name, sizeof name, "%s,inner_len=%zu", base, n);
        check(fx, name, FP_MALFORMED);
        if (n >= 34) {
            snprintf(name, sizeof name, "%s,inner_len=%zu,tot_delta=%d", base,
                     n, (int) (n + FP_VXLAN_OVERHEAD) - (int) whole->size);
            check(fx, name, n < headers ? FP_MALFORMED : FP_HITS);
        }
    }
    ofpbuf_delete(whole);
}

/* RFC 6040, figure 4: inner ECN by row, outer by column; -1: drop. */
static void
check_ecn(struct fixture *fx)
{
    static const int ecn[4][4] = {
        /* Not-ECT, ECT(1), ECT(0), CE */
        { 0, 0, 0, -1 },
        { 1, 1, 1, 3 },
        { 2, 1, 2, 3 },
        { 3, 3, 3, 3 },
    };

    for (int i = 0; i < 16; i++) {
        int inner = i / 4, outer = i % 4;
        char name[64];
        struct fpf f;

        /* Some DSCP, which stay apart. */
        fpf_init(&f);
        f.tos = 0xb8 | inner;
        f.o_tos = 0x28 | outer;
        snprintf(name, sizeof name, "ECN %d in %d", inner, outer);
        check_frame(fx, name, &f, fpf_outer(&f),
                    ecn[inner][outer] < 0 ? FP_ECN_DROPS : FP_HITS,
                    0xb8 | ecn[inner][outer]);
        /* With another checksum. */
        f.id = 0xffff;
        check_frame(fx, name, &f, fpf_outer(&f),
                    ecn[inner][outer] < 0 ? FP_ECN_DROPS : FP_HITS,
                    0xb8 | ecn[inner][outer]);
    }
}

static void
check_use(struct fixture *fx)
{
    bool by_connection = fx->keyed & FP_BY_CONNECTION;
    struct fp_flow flow;
    struct fp_key key;
    struct fpf f;

    fpf_init(&f);
    key = fpr_key(&f, 0, by_connection);
    add_entry(fx, "", by_connection);
    check(fx, "payload=100", FP_HITS);
    check(fx, "payload=200", FP_HITS);
    bpf_map_lookup_elem(fx->flows_fd, &key, &flow);
    if (flow.packets != 2 || flow.bytes != 2 * 42 + 300
        || fpr_now() - flow.last_used > 1000) {
        fpr_failed(&fx->run, "use", "%u packets, %llu bytes, used %d ago",
                   flow.packets, flow.bytes, fpr_now() - flow.last_used);
    }

    flow.through_at = fpr_now() - 1;
    bpf_map_update_elem(fx->flows_fd, &key, &flow, BPF_ANY);
    check(fx, "", FP_THROUGH);
    check(fx, "", FP_HITS);

    /* Without its mark, an entry is not looked for. */
    set_arrival(fx, &f, 0);
    check(fx, "", FP_MISSES);
    set_arrival(fx, &f, fx->keyed);
    check(fx, "", FP_HITS);
}

/* An entry from when the uplink had tc: XDP delivers, and leaves the counting
 * to the device. */
static void
check_stand_in(struct fixture *fx)
{
    struct fpf f;

    fpf_init(&f);
    fx->flags = FP_DELIVER_PEER;
    add_entry(fx, "", true);
    fpr_check(&fx->run, fpf_outer(&f), &(struct fpr_expect) {
        .name = "stand-in", .counter = FPR_NO_COUNTER,
        .verdict = XDP_REDIRECT, .frame = fpf_inner(&f),
    });
}

static unsigned int
test_fixture(struct fixture *fx)
{
    static const char *const keyed_names[] = {
        [FP_BY_DESTINATION] = "destination",
        [FP_BY_CONNECTION] = "connection",
        [FP_BY_DESTINATION | FP_BY_CONNECTION] = "either",
    };
    char name[64];
    unsigned int n_failed;

    snprintf(name, sizeof name, "%s, per %s", fx->run.tc ? "tc" : "xdp",
             keyed_names[fx->keyed]);
    fixture_init(fx, name);
    check_cases(fx);
    check_truncated(fx, "payload=4", 42);
    check_truncated(fx, "proto=6,payload=4", 54);
    check_ecn(fx);
    check_use(fx);
    if (!fx->run.tc && fx->keyed == FP_BY_CONNECTION) {
        check_stand_in(fx);
    }
    n_failed = fpr_finish(&fx->run);
    fp_uplink__destroy(fx->skel);
    return n_failed;
}

static void
fast_path_uplink(int argc OVS_UNUSED, char *argv[] OVS_UNUSED)
{
    unsigned int n_failed = 0;

    for (int tc = 0; tc < 2; tc++) {
        for (unsigned int keyed = 1; keyed < 4; keyed++) {
            struct fixture fx = {
                .run.tc = tc, .keyed = keyed,
                .flags = tc ? FP_DELIVER_PEER : 0,
            };

            n_failed += test_fixture(&fx);
        }
    }
    exit(n_failed ? 1 : 0);
}

ALCORTEST_REGISTER("fast-path-uplink", fast_path_uplink);
