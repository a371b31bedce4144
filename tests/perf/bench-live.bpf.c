/* SPDX-License-Identifier: Apache-2.0 OR BSD-2-Clause OR GPL-2.0-only
 *
 * bench-live: packets that are sent, and counted where they arrive. */

#include "tests/perf/bench.bpf.h"
#include <linux/pkt_cls.h>

FP_LICENSE;

/* What is sent is in 'fp_frame': Ethernet, IPv4, UDP. */
#define HEADERS 48
#define UDP_DPORT 36            /* Offset. */

const volatile __u32 live_ifindex = 0;
const volatile __u32 live_burst = 1;    /* Frames. */
const volatile __u64 live_interval = 0; /* Between bursts, in ns. */
const volatile __u64 live_duration = 0; /* In ns. */

/* What a burst may be late, in ns: what is later is not made up for. */
#define LATE 1000000

__u64 live_start = 0;           /* In ns. */
__u64 live_next = 0;            /* When the next burst is due. */
__u64 live_end = 0;             /* Of the last frame. */
__u64 live_sent = 0;            /* Frames. */
__u64 live_count = 0;           /* Frames that have arrived. */

/* True if it is time. */
static long
wait_a_bit(__u32 i __attribute__((unused)), void *now)
{
    *(__u64 *) now = bpf_ktime_get_ns();
    return *(__u64 *) now >= live_next;
}

/* Waits until the next burst is due.  Returns false if it is the end. */
FP_INLINE bool
wait_for_burst(void)
{
    __u64 now = bpf_ktime_get_ns();

    if (!live_start) {
        live_start = live_next = now;
    }
    if (now < live_next) {
        bpf_loop(1 << 20, wait_a_bit, &now, 0);
    }
    if (now - live_start >= live_duration) {
        return false;
    }
    live_next = (now > live_next + LATE ? now : live_next) + live_interval;
    return true;
}

/* For BPF_F_TEST_XDP_LIVE_FRAMES.  Frames come back as they were changed on
 * their way. */
SEC("xdp")
int
bench_live_send(struct xdp_md *ctx)
{
    void *data = (void *) (long) ctx->data;

    if (data + HEADERS > (void *) (long) ctx->data_end || live_end) {
        return XDP_DROP;
    }
    if (live_sent % live_burst == 0 && !wait_for_burst()) {
        live_end = bpf_ktime_get_ns();
        return XDP_DROP;
    }
    live_sent++;
    for (int i = 0; i < HEADERS / 8; i++) {
        ((__u64 *) data)[i] = fp_frame[i];
    }
    return bpf_redirect(live_ifindex, 0);
}

SEC("tc")
int
bench_live_count(struct __sk_buff *skb)
{
    void *data = (void *) (long) skb->data;
    const volatile void *wanted = fp_frame;

    if (data + HEADERS > (void *) (long) skb->data_end
        || (*(__be16 *) (data + UDP_DPORT)
            != *(const volatile __be16 *) (wanted + UDP_DPORT))) {
        return TC_ACT_OK;
    }
    __sync_fetch_and_add(&live_count, 1);
    return TC_ACT_SHOT;
}
