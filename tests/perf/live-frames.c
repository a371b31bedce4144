/* SPDX-License-Identifier: Apache-2.0
 *
 * live-frames: frames at a given rate, and how many arrive (benchmarks).
 *
 *     alcortest live-frames send DEVICE FIELDS RATE MSEC
 *     alcortest live-frames flood DEVICE FIELDS RATE MSEC
 *     alcortest live-frames count DEVICE FIELDS
 *
 * The frames are of UDP; tests/fast-path-frame.h says what FIELDS are.
 *
 * "send" sends RATE frames a second from DEVICE, by a packet socket, if the
 * machine can, and prints how many there were in how many seconds.  They come
 * in bursts, as from a card that moderates interrupts; in between the sender
 * sleeps.
 *
 * "flood" has the kernel put them on DEVICE, from a program of its own
 * (BPF_F_TEST_XDP_LIVE_FRAMES), which costs a fraction of what a socket does;
 * in between it keeps its processor busy, and nobody else gets that
 * (SCHED_FIFO), just as nobody delays a card.  If DEVICE is a veth, its peer
 * must have NAPI.  It prints "ready" before it begins, and after the seconds
 * when that was (CLOCK_MONOTONIC).
 *
 * "count" takes them, by the destination port, off DEVICE when they have
 * arrived there (behind NAPI and GRO).  It prints "ready", and for each line
 * of its input how many there have been.  It ends with its input. */

#include <config.h>

#undef NDEBUG
#include "bpf/fast-path.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include "csum.h"
#include "openvswitch/ofpbuf.h"
#include "packets.h"
#include "tests/alcortest.h"
#include "tests/fast-path-frame.h"
#include "tests/perf/bench-live.skel.h"
#include "util.h"

#define BURST 32
#define NSEC 1000000000ll       /* Per second. */
#define LATE (NSEC / 1000)      /* What is later is not made up for. */

/* Makes the checksum of UDP in 'frame' right: connection tracking looks. */
static void
put_checksum(struct ofpbuf *frame)
{
    struct ip_header *ip = ofpbuf_at_assert(frame, ETH_HEADER_LEN, sizeof *ip);
    size_t head = ETH_HEADER_LEN + IP_IHL(ip->ip_ihl_ver) * 4;
    size_t len = ntohs(ip->ip_tot_len) - IP_IHL(ip->ip_ihl_ver) * 4;
    struct udp_header *udp = ofpbuf_at_assert(frame, head, len);

    udp->udp_csum = 0;
    udp->udp_csum = csum_finish(
        csum_continue(packet_csum_pseudoheader(ip), udp, len));
}

static struct ofpbuf *
make_frame(const char *fields)
{
    struct ofpbuf *frame;
    struct fpf f;

    fpf_init(&f);
    fpf_set(&f, fields);
    frame = fpf_inner(&f);
    put_checksum(frame);
    return frame;
}

static uint32_t
find_device(const char *device)
{
    uint32_t ifindex = if_nametoindex(device);

    if (!ifindex) {
        ovs_fatal(errno, "%s", device);
    }
    return ifindex;
}

/* Opens the programs for frames such as 'frame'. */
static struct bench_live *
open_live(const struct ofpbuf *frame)
{
    struct bench_live *skel = bench_live__open();

    if (!skel) {
        ovs_fatal(errno, "opening programs");
    }
    memcpy((void *) skel->rodata->fp_frame, frame->data,
           MIN(frame->size, sizeof skel->rodata->fp_frame));
    return skel;
}

static void
load_live(struct bench_live *skel)
{
    if (bench_live__load(skel)) {
        ovs_fatal(errno, "loading programs");
    }
}

static long long int
now_nsec(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * NSEC + now.tv_nsec;
}

/* Frames that are sent at once, 'frame' each. */
static struct mmsghdr *
make_burst(struct ofpbuf *frame)
{
    struct mmsghdr *burst = xcalloc(BURST, sizeof *burst);
    struct iovec *iov = xmalloc(sizeof *iov);

    *iov = (struct iovec) { frame->data, frame->size };
    for (int i = 0; i < BURST; i++) {
        burst[i].msg_hdr.msg_iov = iov;
        burst[i].msg_hdr.msg_iovlen = 1;
    }
    return burst;
}

/* Returns a packet socket that sends from 'device' without a queue. */
static int
open_packet(const char *device)
{
    struct sockaddr_ll sll = {
        .sll_family = AF_PACKET, .sll_ifindex = find_device(device),
    };
    int fd = socket(AF_PACKET, SOCK_RAW, 0);
    int one = 1;

    if (fd < 0
        || setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof one)
        || bind(fd, (struct sockaddr *) &sll, sizeof sll)) {
        ovs_fatal(errno, "%s: packet socket", device);
    }
    return fd;
}

static void
live_send(const char *device, const char *fields, long long int rate,
          long long int msec)
{
    struct ofpbuf *frame = make_frame(fields);
    struct mmsghdr *burst = make_burst(frame);
    int fd = open_packet(device);
    long long int start = now_nsec(), end = start + msec * (NSEC / 1000);
    long long int n = 0, due = start, now;

    prctl(PR_SET_TIMERSLACK, 1);
    while ((now = now_nsec()) < end) {
        if (now < due) {
            nanosleep(&(struct timespec) { .tv_nsec = due - now }, NULL);
            continue;
        }
        int sent = sendmmsg(fd, burst, BURST, 0);

        n += MAX(sent, 0);
        due = MAX(due, now - LATE) + BURST * NSEC / rate;
    }
    printf("%lld %.3f\n", n, (now - start) / (double) NSEC);
    close(fd);
    free(burst[0].msg_hdr.msg_iov);
    free(burst);
    ofpbuf_delete(frame);
}

static void
live_flood(const char *device, const char *fields, long long int rate,
          long long int msec)
{
    struct ofpbuf *frame = make_frame(fields);
    struct bench_live *skel = open_live(frame);

    skel->rodata->live_ifindex = find_device(device);
    skel->rodata->live_burst = BURST;
    skel->rodata->live_interval = BURST * NSEC / rate;
    skel->rodata->live_duration = msec * (NSEC / 1000);
    load_live(skel);

    LIBBPF_OPTS(bpf_test_run_opts, opts,
                .data_in = frame->data, .data_size_in = frame->size,
                .repeat = rate * msec / 1000 / BURST * BURST + 2 * BURST,
                .batch_size = BURST,
                .flags = BPF_F_TEST_XDP_LIVE_FRAMES);
    puts("ready");
    fflush(stdout);
    if (sched_setscheduler(0, SCHED_FIFO,
                           &(struct sched_param) { .sched_priority = 1 })) {
        ovs_fatal(errno, "cannot become a real-time process");
    }
    if (bpf_prog_test_run_opts(bpf_program__fd(skel->progs.bench_live_send),
                               &opts)) {
        ovs_fatal(errno, "BPF_PROG_RUN");
    }
    printf("%llu %.3f %.3f\n", (unsigned long long int) skel->bss->live_sent,
           (skel->bss->live_end - skel->bss->live_start) / (double) NSEC,
           skel->bss->live_start / (double) NSEC);
    bench_live__destroy(skel);
    ofpbuf_delete(frame);
}

static void
live_count(const char *device, const char *fields)
{
    struct ofpbuf *frame = make_frame(fields);
    struct bench_live *skel = open_live(frame);
    LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = find_device(device),
                .attach_point = BPF_TC_INGRESS);
    LIBBPF_OPTS(bpf_tc_opts, opts);
    char line[8];

    load_live(skel);
    opts.prog_fd = bpf_program__fd(skel->progs.bench_live_count);
    if (bpf_tc_hook_create(&hook) || bpf_tc_attach(&hook, &opts)) {
        ovs_fatal(errno, "%s: attaching to tc", device);
    }
    puts("ready");
    fflush(stdout);
    while (fgets(line, sizeof line, stdin)) {
        printf("%llu\n", (unsigned long long int) skel->bss->live_count);
        fflush(stdout);
    }
    hook.attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS;
    bpf_tc_hook_destroy(&hook);
    bench_live__destroy(skel);
    ofpbuf_delete(frame);
}

static void
live_frames(int argc, char *argv[])
{
    if (argc == 6 && !strcmp(argv[1], "send")) {
        live_send(argv[2], argv[3], MAX(atoi(argv[4]), 1), atoi(argv[5]));
    } else if (argc == 6 && !strcmp(argv[1], "flood")) {
        live_flood(argv[2], argv[3], MAX(atoi(argv[4]), 1), atoi(argv[5]));
    } else if (argc == 4 && !strcmp(argv[1], "count")) {
        live_count(argv[2], argv[3]);
    } else {
        ovs_fatal(0, "usage: live-frames send|flood DEVICE FIELDS RATE MSEC | "
                  "count DEVICE FIELDS");
    }
}

ALCORTEST_REGISTER("live-frames", live_frames);
