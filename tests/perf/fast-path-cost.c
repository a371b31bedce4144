/* SPDX-License-Identifier: Apache-2.0
 *
 * fast-path-cost: what eBPF programs cost a packet, against references.
 *
 *     alcortest fast-path-cost [REPETITIONS]
 *
 * For each program and number of destinations, one (hot) or many at random,
 * the median of REPETITIONS (5) runs of each mode of tests/perf/bench.bpf.h in
 * turn; the ratio is of what remains when the wrapper's cost is subtracted. */

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
#include "apply/bpf-gateway-table.h"
#include "tests/alcortest.h"
#include "tests/fast-path-frame.h"
#include "tests/fast-path-run.h"
#include "openvswitch/ofpbuf.h"
#include "tests/perf/bench-gateway.skel.h"
#include "tests/perf/bench-tenant.skel.h"
#include "tests/perf/bench-uplink.skel.h"
#include "util.h"

#define MAX_RUNS 101
#define MAX_MODES 5
#define PACKETS 400000          /* In a run. */
#define N_HOSTS 1000
#define VNI 0x123456

/* As in bench.bpf.h. */
enum { MODE_EMPTY, MODE_PROGRAM, MODE_REFERENCE, MODE_PLAIN, MODE_QUEUE };

static int n_runs = 5;

/* A benchmark, loaded in each of its modes. */
struct bench {
    const char *name;
    uint32_t n;                 /* Destinations. */
    struct ofpbuf *frame;
    uint32_t verdict;           /* Of each packet. */
    int prog_fds[MAX_MODES];
    size_t n_modes;
    double ns[MAX_MODES];       /* Medians. */
};

static uint32_t
run_once(const struct bench *bench, size_t mode)
{
    LIBBPF_OPTS(bpf_test_run_opts, opts,
                .data_in = bench->frame->data,
                .data_size_in = bench->frame->size,
                .repeat = PACKETS);

    if (bpf_prog_test_run_opts(bench->prog_fds[mode], &opts)) {
        ovs_fatal(errno, "%s: BPF_PROG_RUN", bench->name);
    }
    if (opts.retval != bench->verdict) {
        ovs_fatal(0, "%s: mode %"PRIuSIZE": verdict %u, not %u", bench->name,
                  mode, opts.retval, bench->verdict);
    }
    return opts.duration;
}

static int
compare_uint32(const void *a_, const void *b_)
{
    uint32_t a = *(const uint32_t *) a_;
    uint32_t b = *(const uint32_t *) b_;

    return a < b ? -1 : a > b;
}

static void
bench_run(struct bench *bench)
{
    uint32_t ns[MAX_MODES][MAX_RUNS];

    for (size_t mode = 0; mode < bench->n_modes; mode++) {
        run_once(bench, mode);
    }
    for (int run = 0; run < n_runs; run++) {
        for (size_t mode = 0; mode < bench->n_modes; mode++) {
            ns[mode][run] = run_once(bench, mode);
        }
    }
    for (size_t mode = 0; mode < bench->n_modes; mode++) {
        qsort(ns[mode], n_runs, sizeof ns[mode][0], compare_uint32);
        bench->ns[mode] = ns[mode][n_runs / 2];
    }
}

/* What 'mode' costs without the wrapper. */
static double
net(const struct bench *bench, size_t mode)
{
    return MAX(bench->ns[mode] - bench->ns[MODE_EMPTY], 1);
}

/* Prints a row: the program's cost is to be at most 'target' times that of
 * 'mode', called 'what'; without a target if it is 0. */
static void
report(const struct bench *bench, size_t mode, const char *what, double target)
{
    double ratio = net(bench, MODE_PROGRAM) / net(bench, mode);

    printf("%-8s %8"PRIu32"  %6.0f ns  %6.0f ns  %-32s %5.2f",
           bench->name, bench->n, net(bench, MODE_PROGRAM), net(bench, mode),
           what, ratio);
    if (target) {
        printf("  <= %.2f  %s", target, ratio <= target ? "OK" : "MISS");
    }
    putchar('\n');
}

static void
must(int error, const char *what)
{
    if (error) {
        ovs_fatal(errno, "%s", what);
    }
}

/* Tenant and uplink. */

static void
add_flows(int fd, const struct fpf *base, uint32_t port, uint32_t n,
          const struct fp_flow *flow)
{
    for (uint32_t i = 0; i < n; i++) {
        struct fpf f = *base;

        f.dst = 0x0a000000 + i;
        struct fp_key key = fpr_key(&f, port, false);
        must(bpf_map_update_elem(fd, &key, flow, BPF_ANY), "adding a flow");
    }
}

static void
bench_tenant(uint32_t n)
{
    struct bench bench = {
        .name = "tenant", .n = n, .verdict = XDP_REDIRECT, .n_modes = 3,
    };
    struct bench_tenant *skels[3];
    struct fp_flow flow = {
        .through_at = fpr_now() + (1u << 30),
        .encap = {
            .mtu = 1450, .host_ip = htonl(0xac100002),
            .vni_flags = htonl(VNI << 8 | FP_ENCAP_ROUTED),
        },
    };
    struct fpf f;

    fpf_init(&f);
    bench.frame = fpf_inner(&f);
    for (size_t mode = 0; mode < bench.n_modes; mode++) {
        struct bench_tenant *skel = skels[mode] = bench_tenant__open();

        skel->rodata->fp_mode = mode;
        skel->rodata->fp_n = n;
        memcpy(skel->rodata->fp_frame, bench.frame->data, 40);
        skel->rodata->fp_config = (struct fp_tenant_config) {
            .port = 1, .uplink_ifindex = 1, .through_interval = 8000,
            .local_ip = htonl(0xac100001), .ttl = 64, .tos_inherit = 1,
            .vxlan_port = htons(4789),
        };
        bpf_program__set_autoload(skel->progs.alcor_tenant_xdp, false);
        bpf_program__set_autoload(skel->progs.alcor_tenant_tc, false);
        must(bench_tenant__load(skel), "loading");
        bench.prog_fds[mode] = bpf_program__fd(skel->progs.bench_tenant);
        add_flows(bpf_map__fd(mode == MODE_PROGRAM
                              ? skel->maps.fp_tenant_flows
                              : skel->maps.ref_flows), &f, 1, n, &flow);
    }
    bench_run(&bench);
    report(&bench, MODE_REFERENCE, "reference", 1.25);
    for (size_t mode = 0; mode < bench.n_modes; mode++) {
        bench_tenant__destroy(skels[mode]);
    }
    ofpbuf_delete(bench.frame);
}

static void
fill_arrival(int fd)
{
    struct fp_arrival *arrival = xmalloc(sizeof *arrival);
    uint32_t zero = 0;

    memset(arrival, FP_BY_DESTINATION, sizeof *arrival);
    must(bpf_map_update_elem(fd, &zero, arrival, BPF_ANY), "arrival");
    free(arrival);
}

static void
bench_uplink(uint32_t n)
{
    struct bench bench = {
        .name = "uplink", .n = n, .verdict = XDP_REDIRECT, .n_modes = 3,
    };
    struct bench_uplink *skels[3];
    struct fp_flow flow = {
        .through_at = fpr_now() + (1u << 30),
        .deliver = { .ifindex = 1, .port = 1 },
    };
    struct fpf f;

    fpf_init(&f);
    bench.frame = fpf_outer(&f);
    for (size_t mode = 0; mode < bench.n_modes; mode++) {
        struct bench_uplink *skel = skels[mode] = bench_uplink__open();

        skel->rodata->fp_mode = mode;
        skel->rodata->fp_n = n;
        memcpy(skel->rodata->fp_frame, bench.frame->data, 96);
        skel->rodata->fp_config = (struct fp_uplink_config) {
            .through_interval = 8000, .local_ip = htonl(0xac100001),
            .local_mac = { 2, 0, 0, 0, 0x0a, 0x01 },
            .vxlan_port = htons(4789),
        };
        bpf_program__set_autoload(skel->progs.alcor_uplink_xdp, false);
        bpf_program__set_autoload(skel->progs.alcor_uplink_tc, false);
        must(bench_uplink__load(skel), "loading");
        bench.prog_fds[mode] = bpf_program__fd(skel->progs.bench_uplink);
        fill_arrival(bpf_map__fd(skel->maps.fp_arrival));
        add_flows(bpf_map__fd(mode == MODE_PROGRAM
                              ? skel->maps.fp_uplink_flows
                              : skel->maps.ref_flows), &f, 0, n, &flow);
    }
    bench_run(&bench);
    report(&bench, MODE_REFERENCE, "reference", 1.25);
    for (size_t mode = 0; mode < bench.n_modes; mode++) {
        bench_uplink__destroy(skels[mode]);
    }
    ofpbuf_delete(bench.frame);
}

/* Gateway. */

/* As in bench-gateway.bpf.c. */
struct ref_endpoint {
    struct fp_gw_key key;
    struct fp_gw_host host;
    uint8_t mac[6];
    uint8_t reserved[34];
};

static void
fill_table(struct bench_gateway *skel, uint32_t n, uint32_t n_buckets)
{
    struct gateway_table_maps maps = {
        .endpoints_fd = bpf_map__fd(skel->maps.fp_gw_endpoints),
        .spill_fd = bpf_map__fd(skel->maps.fp_gw_spill),
        .hosts_fd = bpf_map__fd(skel->maps.fp_gw_hosts),
        .n_buckets = n_buckets,
        .seed = 1,
    };
    struct gateway_table *table;

    must(gateway_table_create(&maps, true, &table), "table");
    for (uint32_t i = 0; i < n; i++) {
        struct gateway_endpoint e = {
            .vni = VNI,
            .ip = htonl(0x0a000000 + i),
            .host_ip = htonl(0xac110000 + i % N_HOSTS),
            .vpc = 1,
        };

        must(gateway_table_set(table, &e), "endpoint");
    }
    gateway_table_destroy(table);
}

static void
fill_hash(int fd, uint32_t n)
{
    struct ref_endpoint e = { .key = { .vni = VNI } };

    for (uint32_t i = 0; i < n; i++) {
        e.key.ip = htonl(0x0a000000 + i);
        must(bpf_map_update_elem(fd, &e.key, &e, BPF_ANY), "endpoint");
    }
}

static struct bench_gateway *
open_gateway(struct bench *bench, size_t mode, uint32_t n_buckets)
{
    struct bench_gateway *skel = bench_gateway__open();
    struct fp_gw_entrance_set set = { .slots[0].ip = htonl(0xac1000fe) };
    uint32_t index = fp_gw_entrance_slot(htonl(0xac1000fe));

    skel->rodata->fp_mode = mode;
    skel->rodata->fp_n = bench->n;
    memcpy(skel->rodata->fp_frame, bench->frame->data, 96);
    skel->rodata->fp_config = (struct fp_gw_config) {
        .seed = 1, .n_buckets = n_buckets, .n_told_sets = n_buckets / 4,
        .told_shift = 5, .oam_interval = 2000,
        .vxlan_port = htons(4789),
    };
    bpf_map__set_max_entries(skel->maps.fp_gw_endpoints,
                             mode == MODE_PROGRAM ? n_buckets : 1);
    bpf_map__set_max_entries(skel->maps.fp_gw_told,
                             mode == MODE_PROGRAM ? n_buckets / 4 : 1);
    bpf_map__set_max_entries(skel->maps.ref_lines,
                             mode == MODE_REFERENCE ? n_buckets : 1);
    bpf_map__set_max_entries(skel->maps.ref_hash,
                             mode > MODE_REFERENCE ? bench->n : 1);
    bpf_program__set_autoload(skel->progs.alcor_gateway_xdp, false);
    must(bench_gateway__load(skel), "loading");
    bench->prog_fds[mode] = bpf_program__fd(skel->progs.bench_gateway);
    if (mode == MODE_PROGRAM) {
        fpf_mac(0x0a01, set.slots[0].mac);
        must(bpf_map_update_elem(bpf_map__fd(skel->maps.fp_gw_entrances),
                                 &index, &set, BPF_ANY), "entrance");
        fill_table(skel, bench->n, n_buckets);
    } else if (mode > MODE_REFERENCE) {
        fill_hash(bpf_map__fd(skel->maps.ref_hash), bench->n);
    }
    return skel;
}

static int
ignore_oam(void *aux OVS_UNUSED, void *data OVS_UNUSED, size_t size OVS_UNUSED)
{
    return 0;
}

/* Has every flow told of its path, so that what remains is the usual case. */
static void
tell_all(const struct bench *bench, struct bench_gateway *skel)
{
    struct ring_buffer *ring = ring_buffer__new(
        bpf_map__fd(skel->maps.fp_gw_oam), ignore_oam, NULL, NULL);

    for (uint64_t done = 0; done < 8ull * bench->n; done += 8192) {
        LIBBPF_OPTS(bpf_test_run_opts, opts,
                    .data_in = bench->frame->data,
                    .data_size_in = bench->frame->size,
                    .repeat = 8192);

        must(bpf_prog_test_run_opts(bench->prog_fds[MODE_PROGRAM], &opts),
             "BPF_PROG_RUN");
        ring_buffer__consume(ring);
    }
    ring_buffer__free(ring);
}

static void
bench_gateway(uint32_t n)
{
    struct bench bench = {
        .name = "gateway", .n = n, .verdict = XDP_TX, .n_modes = 5,
    };
    struct bench_gateway *skels[5];
    uint32_t n_buckets = 4096;
    struct fpf f;

    while (n_buckets < n) {
        n_buckets *= 2;
    }
    fpf_init(&f);
    fpf_set(&f, "o_dst=0xac1000fe");
    bench.frame = fpf_outer(&f);
    for (size_t mode = 0; mode < bench.n_modes; mode++) {
        skels[mode] = open_gateway(&bench, mode, n_buckets);
    }
    tell_all(&bench, skels[MODE_PROGRAM]);
    bench_run(&bench);
    report(&bench, MODE_REFERENCE, "one line of an array", 0);
    report(&bench, MODE_PLAIN, "reference, hash map", 1.25);
    report(&bench, MODE_QUEUE, "hash map and OAM into a queue", .5);
    for (size_t mode = 0; mode < bench.n_modes; mode++) {
        bench_gateway__destroy(skels[mode]);
    }
    ofpbuf_delete(bench.frame);
}

static void
fast_path_cost(int argc, char *argv[])
{
    if (argc > 1) {
        n_runs = MIN(MAX(atoi(argv[1]), 1), MAX_RUNS);
    }
    printf("program  destinat.  program    against"
           "                                    ratio  target\n");
    bench_tenant(1);
    bench_tenant(FP_MAX_FLOWS);
    bench_uplink(1);
    bench_uplink(FP_MAX_FLOWS);
    bench_gateway(1);
    bench_gateway(100000);
    bench_gateway(1000000);
}

ALCORTEST_REGISTER("fast-path-cost", fast_path_cost);
