/* SPDX-License-Identifier: Apache-2.0
 *
 * fast-path-run: one frame through an eBPF program (BPF_PROG_RUN). */

#include <config.h>

#include "fast-path-run.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "apply/bpf-clock.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/ofpbuf.h"
#include "util.h"

#define MAX_PORT 3              /* Ports that tests use. */
#define SPORT_OFFSET 34         /* Of the outer UDP source port. */

static const char *const counter_names[] = {
#define FP_COUNTER(NAME, MEMBER, WHAT) #MEMBER,
    FP_COUNTERS
#undef FP_COUNTER
};

struct snapshot {
    struct fp_counters ports[MAX_PORT + 1];
};

static void
take_snapshot(const struct fpr *fpr, struct snapshot *snapshot)
{
    size_t n_cpus = libbpf_num_possible_cpus();
    struct fp_counters *per_cpu = xcalloc(n_cpus, sizeof *per_cpu);

    memset(snapshot, 0, sizeof *snapshot);
    for (uint32_t port = 0; port <= MAX_PORT; port++) {
        uint64_t *sum = (uint64_t *) &snapshot->ports[port];

        if (bpf_map_lookup_elem(fpr->counters_fd, &port, per_cpu)) {
            ovs_fatal(errno, "reading counters");
        }
        for (size_t cpu = 0; cpu < n_cpus; cpu++) {
            for (int i = 0; i < FP_N_COUNTERS; i++) {
                sum[i] += ((uint64_t *) &per_cpu[cpu])[i];
            }
        }
    }
    free(per_cpu);
}

/* Finds the one counter that differs, by 1. */
static void
compare_snapshots(const struct snapshot *before, const struct snapshot *after,
                  struct fpr_result *result)
{
    unsigned int n = 0;

    result->counter = -1;
    for (uint32_t port = 0; port <= MAX_PORT; port++) {
        for (int i = 0; i < FP_N_COUNTERS; i++) {
            uint64_t delta = (((uint64_t *) &after->ports[port])[i]
                              - ((uint64_t *) &before->ports[port])[i]);

            n += delta;
            if (delta) {
                result->counter = i;
                result->port = port;
            }
        }
    }
    if (n != 1) {
        result->counter = -1;
    }
}

struct fpr_result
fpr_run(struct fpr *fpr, const struct ofpbuf *frame)
{
    struct fpr_result result = { .frame = ofpbuf_new(4096) };
    struct __sk_buff skb = { .gso_size = fpr->gso_size };
    struct snapshot before, after;
    LIBBPF_OPTS(bpf_test_run_opts, opts,
                .data_in = frame->data,
                .data_size_in = frame->size,
                .data_out = result.frame->data,
                .data_size_out = 4096,
                .repeat = 1);

    if (fpr->tc) {
        opts.ctx_in = &skb;
        opts.ctx_size_in = sizeof skb;
    }
    take_snapshot(fpr, &before);
    if (bpf_prog_test_run_opts(fpr->prog_fd, &opts)) {
        ovs_fatal(errno, "%s: BPF_PROG_RUN of %u bytes", fpr->name,
                  (unsigned int) frame->size);
    }
    take_snapshot(fpr, &after);
    compare_snapshots(&before, &after, &result);
    result.verdict = opts.retval;
    result.frame->size = opts.data_size_out;
    fpr->n_run++;
    return result;
}

void
fpr_result_uninit(struct fpr_result *result)
{
    ofpbuf_delete(result->frame);
}

void
fpr_failed(struct fpr *fpr, const char *name, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    printf("%s: %s: ", fpr->name, name);
    vprintf(format, args);
    va_end(args);
    putchar('\n');
    fpr->n_failed++;
}

static const char *
counter_name(int counter)
{
    return counter < 0 ? "none or several" : counter_names[counter];
}

static void
check_frame(struct fpr *fpr, const struct fpr_expect *expect,
            const struct ofpbuf *expected, struct ofpbuf *frame)
{
    struct ds ds = DS_EMPTY_INITIALIZER;

    if (expect->any_source_port && frame->size > SPORT_OFFSET + 2
        && *((uint8_t *) frame->data + SPORT_OFFSET) >= 0xc0) {
        memcpy((char *) frame->data + SPORT_OFFSET,
               (char *) expected->data + SPORT_OFFSET, 2);
    }
    if (frame->size != expected->size
        || memcmp(frame->data, expected->data, frame->size)) {
        ds_put_cstr(&ds, "frame differs\nexpected:\n");
        ds_put_hex_dump(&ds, expected->data, expected->size, 0, false);
        ds_put_cstr(&ds, "actual:\n");
        ds_put_hex_dump(&ds, frame->data, frame->size, 0, false);
        fpr_failed(fpr, expect->name, "%s", ds_cstr(&ds));
    }
    ds_destroy(&ds);
}

void
fpr_check(struct fpr *fpr, struct ofpbuf *frame,
          const struct fpr_expect *expect)
{
    struct fpr_result result = fpr_run(fpr, frame);

    if (result.counter != expect->counter || result.port != expect->port) {
        fpr_failed(fpr, expect->name, "counted as %s of %u, not %s of %u",
                   counter_name(result.counter), result.port,
                   counter_name(expect->counter), expect->port);
    } else if (result.verdict != expect->verdict) {
        fpr_failed(fpr, expect->name, "verdict %u, not %u", result.verdict,
                   expect->verdict);
    } else {
        check_frame(fpr, expect, expect->frame ? expect->frame : frame,
                    result.frame);
    }
    fpr_result_uninit(&result);
    ofpbuf_delete(frame);
    ofpbuf_delete(expect->frame);
}

unsigned int
fpr_finish(const struct fpr *fpr)
{
    printf("%s: %u frames, %u wrong\n", fpr->name, fpr->n_run, fpr->n_failed);
    return fpr->n_failed;
}

uint32_t
fpr_now(void)
{
    static struct bpf_clock *clock;

    if (!clock && bpf_clock_create(&clock)) {
        ovs_fatal(errno, "bpf_clock_create");
    }
    return bpf_clock_now(clock);
}

struct fp_key
fpr_key(const struct fpf *f, uint32_t port, bool by_connection)
{
    bool has_ports = f->proto == 6 || f->proto == 17;
    struct fp_key key = {
        .scope = (port ? port : f->vni) << 8 | (by_connection ? f->proto : 0),
        .peer = port ? 0 : htonl(f->o_src),
        .src = htonl(f->src),
        .dst = htonl(f->dst),
        .sport = by_connection && has_ports ? htons(f->sport) : 0,
        .dport = by_connection && has_ports ? htons(f->dport) : 0,
    };

    fpf_mac(f->dmac, key.dmac);
    fpf_mac(f->smac, key.smac);
    return key;
}
