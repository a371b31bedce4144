/* SPDX-License-Identifier: Apache-2.0 OR BSD-2-Clause OR GPL-2.0-only
 *
 * fast-path-bpf: maps, clock and counters of programs (eBPF side only). */

#ifndef BPF_FAST_PATH_BPF_H
#define BPF_FAST_PATH_BPF_H 1

/* A program defines the maps that it uses with FP_MAP_*, by names that are the
 * same in all: maps are pinned by name, so all programs of a host share them.
 *
 * License: "Dual BSD/GPL" in the objects, since some helpers ask for it. */

#include <linux/bpf.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "bpf/fast-path.h"

#define FP_LICENSE char fp_license[] SEC("license") = "Dual BSD/GPL"

#define FP_INLINE static __attribute__((always_inline)) inline

/* Kept by the compiler in the order in which they are written. */
#define FP_READ(X) (*(volatile typeof(X) *) &(X))

#define FP_MAP_FLOWS(NAME)                      \
    struct {                                    \
        __uint(type, BPF_MAP_TYPE_HASH);        \
        __uint(max_entries, FP_MAX_FLOWS);      \
        __type(key, struct fp_key);             \
        __type(value, struct fp_flow);          \
    } NAME SEC(".maps")

#define FP_MAP_COUNTERS                             \
    struct {                                        \
        __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);    \
        __uint(max_entries, FP_MAX_PORTS + 1);      \
        __type(key, __u32);                         \
        __type(value, struct fp_counters);          \
    } fp_counters SEC(".maps")

/* Now, in ticks.  No other clock comes without a function call. */
FP_INLINE __u32
fp_now(void)
{
    return bpf_jiffies64();
}

/* Counts a packet of PORT, of BYTES if it is forwarded, and returns
 * VERDICT. */
#define FP_COUNT(PORT, COUNTER, BYTES, VERDICT)                         \
    ({                                                                  \
        __u32 fp_port_ = (PORT);                                        \
        struct fp_counters *fp_counters_                                \
            = bpf_map_lookup_elem(&fp_counters, &fp_port_);             \
                                                                        \
        if (fp_counters_) {                                             \
            __u32 fp_counter_ = (COUNTER);                              \
                                                                        \
            if (fp_counter_ == FP_HITS) {                               \
                fp_counters_->hits++;                                   \
                fp_counters_->hit_bytes += (BYTES);                     \
            } else if (fp_counter_ == FP_DELIVERED) {                   \
                fp_counters_->delivered++;                              \
                fp_counters_->delivered_bytes += (BYTES);               \
            } else if (fp_counter_ < FP_N_COUNTERS) {                   \
                ((__u64 *) fp_counters_)[fp_counter_]++;                \
            }                                                           \
        }                                                               \
        (VERDICT);                                                      \
    })

/* Accounts for a packet of 'bytes' with an entry.  Returns FP_HITS, or
 * FP_THROUGH if it is one that OVS must see. */
FP_INLINE enum fp_counter
fp_flow_use(struct fp_flow *flow, __u32 bytes, __u32 through_interval)
{
    __u32 now = fp_now();

    if (flow->last_used != now) {
        flow->last_used = now;
    }
    if ((__s32) (now - flow->through_at) >= 0) {
        flow->through_at = now + through_interval;
        return FP_THROUGH;
    }
    flow->packets++;
    flow->bytes += bytes;
    return FP_HITS;
}

#endif /* bpf/fast-path-bpf.h */
