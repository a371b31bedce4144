/* SPDX-License-Identifier: Apache-2.0
 *
 * test-fast-path-gateway: frames from hosts through bpf/gateway.
 *
 *     alcortest fast-path-gateway         a table of frames
 *     alcortest fast-path-gateway HEX...  each frame, as the gateway of
 *                                         zeta-frames.json: prints what comes
 *                                         out, and the record of its OAM */

#include <config.h>

#undef NDEBUG
#include "bpf/fast-path-gateway.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "alcortest.h"
#include "bpf/gateway.skel.h"
#include "fast-path-frame.h"
#include "fast-path-run.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/ofpbuf.h"
#include "util.h"

#define N_BUCKETS 1024
#define VNI 0x123456
#define VPC 7
#define HOST 5
#define OAM_INTERVAL 40         /* About 5 s. */

static const uint8_t entrance_mac[6] = { 0x02, 0x67, 0, 0, 0, 0x01 };
static const uint8_t endpoint_mac[6] = { 0x02, 0xbb, 0, 0, 0, 0x02 };
static const uint8_t host_mac[6] = { 0x02, 0xb0, 0, 0, 0, 0x02 };

struct fixture {
    struct fp_gateway *skel;
    struct ring_buffer *ring;
    struct fp_gw_oam oam;       /* The last record. */
    unsigned int n_oam;
    unsigned int n_run, n_failed;
};

static const char *const counter_names[] = {
#define FP_COUNTER(NAME, MEMBER, WHAT) #MEMBER,
    FP_GW_COUNTERS
    FP_GW_EVENTS
#undef FP_COUNTER
};

static int
oam_cb(void *fx_, void *data, size_t size)
{
    struct fixture *fx = fx_;

    ovs_assert(size == sizeof fx->oam);
    memcpy(&fx->oam, data, size);
    fx->n_oam++;
    return 0;
}

static void
map_set(struct bpf_map *map, const void *key, const void *value)
{
    if (bpf_map_update_elem(bpf_map__fd(map), key, value, BPF_ANY)) {
        ovs_fatal(errno, "%s", bpf_map__name(map));
    }
}

static void
add_entrance(struct fixture *fx, uint32_t ip)
{
    uint32_t index = fp_gw_entrance_slot(htonl(ip));
    struct fp_gw_entrance_set set = {
        .slots[FP_GW_ENTRANCE_SLOTS - 1].ip = htonl(ip),
    };

    memcpy(set.slots[FP_GW_ENTRANCE_SLOTS - 1].mac, entrance_mac, 6);
    map_set(fx->skel->maps.fp_gw_entrances, &index, &set);
}

static struct fp_gw_endpoint
endpoint_make(uint32_t ip)
{
    struct fp_gw_endpoint e = {
        .ip = htonl(ip), .vni = VNI, .vpc = VPC, .host = HOST,
    };

    memcpy(e.mac, endpoint_mac, 6);
    return e;
}

static uint32_t
bucket_of(uint32_t ip)
{
    return fp_gw_hash(VNI, htonl(ip), 1) & (N_BUCKETS - 1);
}

/* Writes a bucket in which only slot 'slot' is taken. */
static void
set_bucket(struct fixture *fx, uint32_t index, uint32_t head, int slot,
           const struct fp_gw_endpoint *endpoint)
{
    struct fp_gw_bucket bucket = { .head = head };

    for (int i = 0; i < FP_GW_SLOTS; i++) {
        bucket.slots[i].vni = FP_GW_NONE;
    }
    if (endpoint) {
        bucket.slots[slot] = *endpoint;
    }
    map_set(fx->skel->maps.fp_gw_endpoints, &index, &bucket);
}

static void
fixture_init(struct fixture *fx, uint32_t oam_interval)
{
    struct fp_gateway *skel = fp_gateway__open();
    struct fp_gw_endpoint endpoint = endpoint_make(0x0a000002);
    struct fp_gw_host host = { .ip = htonl(0xac100002) };
    uint32_t host_index = HOST;

    *fx = (struct fixture) { .skel = skel };
    skel->rodata->fp_config = (struct fp_gw_config) {
        .seed = 1,
        .n_buckets = N_BUCKETS,
        .n_told_sets = N_BUCKETS / 4,
        .told_shift = 5,
        .oam_interval = oam_interval,
        .vxlan_port = htons(4789),
    };
    bpf_map__set_max_entries(skel->maps.fp_gw_endpoints, N_BUCKETS);
    bpf_map__set_max_entries(skel->maps.fp_gw_told, N_BUCKETS / 4);
    if (fp_gateway__load(skel)) {
        ovs_fatal(errno, "loading the gateway");
    }
    fx->ring = ring_buffer__new(bpf_map__fd(skel->maps.fp_gw_oam), oam_cb, fx,
                                NULL);
    for (uint32_t i = 0; i < N_BUCKETS; i++) {
        set_bucket(fx, i, 0, 0, NULL);
    }
    add_entrance(fx, 0xac1000fe);
    memcpy(host.mac, host_mac, 6);
    map_set(skel->maps.fp_gw_hosts, &host_index, &host);
    set_bucket(fx, bucket_of(0x0a000002), 0, 2, &endpoint);
}

static void
fixture_uninit(struct fixture *fx)
{
    ring_buffer__free(fx->ring);
    fp_gateway__destroy(fx->skel);
}

static uint32_t
run(struct fixture *fx, const struct ofpbuf *frame, struct ofpbuf *out)
{
    LIBBPF_OPTS(bpf_test_run_opts, opts,
                .data_in = frame->data,
                .data_size_in = frame->size,
                .data_out = out->data,
                .data_size_out = 4096,
                .repeat = 1);

    if (bpf_prog_test_run_opts(
            bpf_program__fd(fx->skel->progs.alcor_gateway_xdp), &opts)) {
        ovs_fatal(errno, "BPF_PROG_RUN of %u bytes",
                  (unsigned int) frame->size);
    }
    out->size = opts.data_size_out;
    fx->n_run++;
    fx->n_oam = 0;
    ring_buffer__consume(fx->ring);
    return opts.retval;
}

static void
read_counters(const struct fixture *fx, uint64_t sums[FP_GW_N_COUNTERS])
{
    size_t n_cpus = libbpf_num_possible_cpus();
    struct fp_gw_counters *per_cpu = xcalloc(n_cpus, sizeof *per_cpu);
    uint32_t zero = 0;

    bpf_map_lookup_elem(bpf_map__fd(fx->skel->maps.fp_gw_counters), &zero,
                        per_cpu);
    memset(sums, 0, FP_GW_N_COUNTERS * sizeof *sums);
    for (size_t cpu = 0; cpu < n_cpus; cpu++) {
        for (int i = 0; i < FP_GW_N_COUNTERS; i++) {
            sums[i] += ((uint64_t *) &per_cpu[cpu])[i];
        }
    }
    free(per_cpu);
}

static void
failed(struct fixture *fx, const char *name, const char *what)
{
    printf("%s: %s\n", name, what);
    fx->n_failed++;
}

/* Runs 'frame', which this deletes, and compares what comes out with
 * 'expected' (null: what went in), which this deletes too, its counter, and
 * whether OAM is sent. */
static void
check_frame(struct fixture *fx, const char *name, struct ofpbuf *frame,
            enum fp_gw_counter counter, struct ofpbuf *expected, bool oam)
{
    uint64_t before[FP_GW_N_COUNTERS], after[FP_GW_N_COUNTERS];
    struct ofpbuf *out = ofpbuf_new(4096);
    uint32_t verdict;

    read_counters(fx, before);
    verdict = run(fx, frame, out);
    read_counters(fx, after);
    for (int i = 0; i < FP_GW_N_COUNTERS; i++) {
        bool expect = i == counter || (oam && i == FP_GW_OAM_SENT);

        if (after[i] - before[i] != expect) {
            failed(fx, name, counter_names[i]);
        }
    }
    if (verdict != (expected ? XDP_TX
                    : counter == FP_GW_PASSED || counter == FP_GW_NOT_VXLAN
                    ? XDP_PASS : XDP_DROP)) {
        failed(fx, name, "verdict");
    }
    if (!expected) {
        expected = ofpbuf_clone(frame);
    }
    if (out->size != expected->size
        || memcmp(out->data, expected->data, out->size)) {
        failed(fx, name, "frame differs");
        ovs_hex_dump(stdout, expected->data, expected->size, 0, false);
        ovs_hex_dump(stdout, out->data, out->size, 0, false);
    }
    if (fx->n_oam != oam) {
        failed(fx, name, "OAM records");
    }
    ofpbuf_delete(out);
    ofpbuf_delete(expected);
    ofpbuf_delete(frame);
}

/* A frame to the entrance. */
static void
entrance_frame(struct fpf *f, const char *changes)
{
    fpf_init(f);
    f->o_dst = 0xac1000fe;
    f->o_src = 0xac100001;
    fpf_set(f, changes);
}

static struct ofpbuf *
to_entrance(struct ofpbuf *frame, const struct fpf *f)
{
    if (f->o_dmac == 0x0a01) {
        memcpy(frame->data, entrance_mac, 6);
    }
    return frame;
}

/* What becomes of it when it is forwarded. */
static struct ofpbuf *
forwarded(const struct fpf *f)
{
    struct fpf out = *f;
    struct ofpbuf *frame;

    out.o_src = 0xac1000fe;
    out.o_dst = 0xac100002;
    out.o_ttl--;
    out.o_csum = 0;
    frame = fpf_outer(&out);
    memcpy(frame->data, host_mac, 6);
    memcpy((char *) frame->data + 6, entrance_mac, 6);
    memcpy((char *) frame->data + FP_VXLAN_OVERHEAD, endpoint_mac, 6);
    return frame;
}

static void
check(struct fixture *fx, const char *changes, enum fp_gw_counter counter,
      bool oam)
{
    struct fpf f;

    entrance_frame(&f, changes);
    check_frame(fx, changes, to_entrance(fpf_outer(&f), &f), counter,
                counter == FP_GW_FORWARDED ? forwarded(&f) : NULL, oam);
}

/* With an OAM record for every packet. */
static const struct {
    const char *changes;
    enum fp_gw_counter counter;
} cases[] = {
    { "", FP_GW_FORWARDED },
    { "proto=6", FP_GW_FORWARDED },
    { "proto=6,flags=2", FP_GW_FORWARDED },
    { "proto=1", FP_GW_FORWARDED },
    { "ttl=1", FP_GW_FORWARDED },
    { "frag=0x2001", FP_GW_FORWARDED },
    { "ihl=6", FP_GW_FORWARDED },
    { "payload=1400", FP_GW_FORWARDED },
    { "o_ttl=2", FP_GW_FORWARDED },
    { "o_ttl=255,o_id=0xffff", FP_GW_FORWARDED },
    { "o_src=0xac100002", FP_GW_FORWARDED },    /* Hairpin. */
    { "o_csum=0x1234", FP_GW_FORWARDED },
    { "vx_flags=0", FP_GW_FORWARDED },
    { "inner_len=34", FP_GW_FORWARDED },
    { "inner_len=33", FP_GW_MALFORMED },
    { "vni=0x123457", FP_GW_UNKNOWN },
    { "dst=0x0a000003", FP_GW_UNKNOWN },
    { "type=0x86dd", FP_GW_NOT_IPV4 },
    { "vlan=7", FP_GW_NOT_IPV4 },
    { "o_type=0x86dd", FP_GW_PASSED },
    { "o_dmac=0x7777", FP_GW_PASSED },
    { "o_dst=0xac1000fd", FP_GW_PASSED },
    { "o_dst=0", FP_GW_PASSED },
    { "o_proto=6", FP_GW_NOT_VXLAN },
    { "o_dport=4790", FP_GW_NOT_VXLAN },
    { "o_ihl=6", FP_GW_NOT_VXLAN },
    { "o_frag=0x2000", FP_GW_NOT_VXLAN },
    { "o_ttl=1", FP_GW_TTL },
};

static void
check_truncated(struct fixture *fx)
{
    struct fpf f;

    entrance_frame(&f, "");
    for (size_t n = 14; n < FP_VXLAN_OVERHEAD + 34; n++) {
        struct ofpbuf *frame = to_entrance(fpf_outer(&f), &f);
        char name[32];

        frame->size = n;
        snprintf(name, sizeof name, "%zu bytes", n);
        check_frame(fx, name, frame,
                    (n < 34 ? FP_GW_PASSED
                     : n < 42 ? FP_GW_NOT_VXLAN : FP_GW_MALFORMED),
                    NULL, false);
    }
}

/* ARP. */

struct arp {
    ovs_be16 hrd, pro;
    uint8_t hln, pln;
    ovs_be16 op;
    uint8_t sha[6], spa[4], tha[6], tpa[4];
};
BUILD_ASSERT_DECL(sizeof(struct arp) == 28);

static struct ofpbuf *
arp_frame(const struct fpf *f, const struct arp *arp)
{
    struct fpf inner = *f;

    inner.type = 0x0806;
    inner.inner_len = 14;
    struct ofpbuf *b = fpf_inner(&inner);
    ofpbuf_put(b, arp, sizeof *arp);
    return fpf_wrap(&inner, b);
}

static void
check_arp(struct fixture *fx)
{
    struct arp request = {
        .hrd = htons(1), .pro = htons(0x0800), .hln = 6, .pln = 4,
        .op = htons(1), .sha = { 2, 0, 0, 0, 0, 1 }, .spa = { 10, 0, 0, 1 },
        .tpa = { 10, 0, 0, 2 },
    };
    struct arp reply = request;
    struct fpf f, out;
    struct ofpbuf *expected;

    entrance_frame(&f, "dmac=0xffff");
    out = f;
    out.o_src = f.o_dst;
    out.o_dst = f.o_src;
    out.o_ttl--;
    out.dmac = 1;
    reply.op = htons(2);
    memcpy(reply.sha, endpoint_mac, 6);
    memcpy(reply.spa, request.tpa, 4);
    memcpy(reply.tha, request.sha, 6);
    memcpy(reply.tpa, request.spa, 4);
    expected = arp_frame(&out, &reply);
    memcpy(expected->data, (uint8_t[]) { 2, 0, 0, 0, 0x0a, 2 }, 6);
    memcpy((char *) expected->data + 6, entrance_mac, 6);
    memcpy((char *) expected->data + FP_VXLAN_OVERHEAD + 6, endpoint_mac, 6);

    struct ofpbuf *frame = to_entrance(arp_frame(&f, &request), &f);
    for (size_t n = FP_VXLAN_OVERHEAD + 14; n < frame->size; n++) {
        struct ofpbuf *cut = ofpbuf_clone_data(frame->data, n);

        check_frame(fx, "cut ARP", cut, FP_GW_MALFORMED, NULL, false);
    }
    check_frame(fx, "ARP", frame, FP_GW_ARP_REPLIES, expected, false);

    struct arp bad = request;
    bad.tpa[3] = 3;
    check_frame(fx, "ARP unknown", to_entrance(arp_frame(&f, &bad), &f),
                FP_GW_UNKNOWN, NULL, false);
    bad = request;
    bad.op = htons(2);
    check_frame(fx, "ARP reply", to_entrance(arp_frame(&f, &bad), &f),
                FP_GW_NOT_IPV4, NULL, false);
    bad = request;
    bad.spa[3] = 2;
    check_frame(fx, "ARP announcement", to_entrance(arp_frame(&f, &bad), &f),
                FP_GW_OWN_ADDRESS, NULL, false);
    bad = request;
    memset(bad.spa, 0, 4);
    memcpy(bad.sha, endpoint_mac, 6);
    check_frame(fx, "ARP probe of its own",
                to_entrance(arp_frame(&f, &bad), &f),
                FP_GW_OWN_ADDRESS, NULL, false);
}

/* Endpoints in all places of the table, and while it is written. */
static void
check_table(struct fixture *fx)
{
    struct fp_gw_endpoint e = endpoint_make(0x0a000002);
    uint32_t index = bucket_of(0x0a000002);
    struct fp_gw_key key = { .ip = e.ip, .vni = e.vni };

    for (int slot = 0; slot < FP_GW_SLOTS; slot++) {
        set_bucket(fx, index, 0x200, slot, &e);
        check(fx, "", FP_GW_FORWARDED, true);
    }
    set_bucket(fx, index, 0x100, 0, &e);
    check(fx, "", FP_GW_BUSY, false);
    set_bucket(fx, index, 0, 0, NULL);
    set_bucket(fx, index ^ 1, 0, 1, &e);
    check(fx, "", FP_GW_UNKNOWN, false);
    set_bucket(fx, index, FP_GW_PARTNER, 0, NULL);
    check(fx, "", FP_GW_FORWARDED, true);
    set_bucket(fx, index ^ 1, 0x300, 1, &e);
    check(fx, "", FP_GW_BUSY, false);
    set_bucket(fx, index ^ 1, 0, 0, NULL);
    map_set(fx->skel->maps.fp_gw_spill, &key, &e);
    check(fx, "", FP_GW_UNKNOWN, false);
    set_bucket(fx, index, FP_GW_SPILL, 0, NULL);
    check(fx, "", FP_GW_FORWARDED, true);
    set_bucket(fx, index, FP_GW_PARTNER | FP_GW_SPILL, 0, NULL);
    check(fx, "", FP_GW_FORWARDED, true);
    set_bucket(fx, index, 0, 0, &e);
}

/* One OAM per flow and interval. */
static void
check_told(struct fixture *fx)
{
    for (int i = 0; i < 100; i++) {
        char changes[64];

        snprintf(changes, sizeof changes, "proto=6,sport=%d", 1000 + i);
        check(fx, changes, FP_GW_FORWARDED, true);
    }
    for (int i = 0; i < 100; i++) {
        char changes[64];

        snprintf(changes, sizeof changes, "proto=6,payload=9,sport=%d",
                 1000 + i);
        check(fx, changes, FP_GW_FORWARDED, false);
    }
    check(fx, "proto=17,sport=1000", FP_GW_FORWARDED, true);
    check(fx, "proto=6,sport=1000,src=0x0a000007", FP_GW_FORWARDED, true);
    check(fx, "proto=6,sport=1000,dport=7", FP_GW_FORWARDED, true);
    check(fx, "proto=6,sport=1000,dport=7", FP_GW_FORWARDED, false);
}

static unsigned int
finish(struct fixture *fx, const char *name)
{
    unsigned int n_failed = fx->n_failed;

    printf("%s: %u frames, %u wrong\n", name, fx->n_run, n_failed);
    fixture_uninit(fx);
    return n_failed;
}

static void
print_hex(const char *name, const void *data, size_t size)
{
    printf("%s: ", name);
    for (size_t i = 0; i < size; i++) {
        printf("%02x", ((const uint8_t *) data)[i]);
    }
    putchar('\n');
}

static void
print_frame(struct fixture *fx, const char *hex)
{
    struct ofpbuf *frame = ofpbuf_new(256), *out = ofpbuf_new(4096);

    ofpbuf_put_hex(frame, hex, NULL);
    run(fx, frame, out);
    print_hex("frame", out->data, out->size);
    if (fx->n_oam) {
        print_hex("oam", &fx->oam, sizeof fx->oam);
    }
    ofpbuf_delete(frame);
    ofpbuf_delete(out);
}

static void
fast_path_gateway(int argc, char *argv[])
{
    unsigned int n_failed = 0;
    struct fixture fx;

    fixture_init(&fx, argc > 1 ? OAM_INTERVAL : 0);
    if (argc > 1) {
        for (int i = 1; i < argc; i++) {
            print_frame(&fx, argv[i]);
        }
        fixture_uninit(&fx);
        return;
    }

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        check(&fx, cases[i].changes, cases[i].counter,
              cases[i].counter == FP_GW_FORWARDED);
    }
    check_truncated(&fx);
    check_arp(&fx);
    check_table(&fx);
    n_failed += finish(&fx, "gateway");

    fixture_init(&fx, OAM_INTERVAL);
    check_told(&fx);
    n_failed += finish(&fx, "gateway, OAM per flow");
    exit(n_failed ? 1 : 0);
}

ALCORTEST_REGISTER("fast-path-gateway", fast_path_gateway);
