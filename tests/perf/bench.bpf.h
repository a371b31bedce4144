/* SPDX-License-Identifier: Apache-2.0 OR BSD-2-Clause OR GPL-2.0-only
 *
 * bench.bpf: what the benchmarks of eBPF programs share (eBPF side). */

#ifndef BENCH_BPF_H
#define BENCH_BPF_H 1

/* BPF_PROG_RUN repeats a program on one packet and does not restore it.  So
 * each benchmark is a program that writes the packet's headers anew, with the
 * next destination, calls what is measured, and moves the start of the packet
 * back.  What it costs by itself is measured, too, and subtracted: 'fp_mode'
 * says what is called. */

#include "bpf/fast-path-tunnel.h"

enum {
    MODE_EMPTY,                 /* Nothing. */
    MODE_PROGRAM,               /* The program. */
    MODE_REFERENCE,             /* What its work costs at least. */
    MODE_PLAIN,                 /* Gateway: the same with a plain hash. */
    MODE_QUEUE,                 /* Gateway: OAM for every packet. */
};

const volatile __u32 fp_mode = MODE_EMPTY;
const volatile __u32 fp_n = 1;          /* Destinations. */
const volatile __u64 fp_frame[12] = {}; /* Headers. */

__u64 fp_random = 1;

/* The next destination, at random: its address is this, in host byte order,
 * plus 10.0.0.0. */
FP_INLINE __u32
next_destination(void)
{
    fp_random = fp_random * 6364136223846793005ull + 1442695040888963407ull;
    return ((fp_random >> 32) * fp_n) >> 32;
}

/* Writes WORDS words of headers, and the destination at OFFSET. */
#define RESTORE(DATA, WORDS, OFFSET)                                    \
    do {                                                                \
        for (int i_ = 0; i_ < (WORDS); i_++) {                          \
            ((__u64 *) (DATA))[i_] = fp_frame[i_];                      \
        }                                                               \
        *(__be32 *) ((DATA) + (OFFSET))                                 \
            = bpf_htonl(0x0a000000 + next_destination());               \
    } while (0)

/* What references count with. */
struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, __u64);
} ref_counter SEC(".maps");

FP_INLINE int
ref_count(int verdict)
{
    __u32 zero = 0;
    __u64 *counter = bpf_map_lookup_elem(&ref_counter, &zero);

    if (counter) {
        ++*counter;
    }
    return verdict;
}

#endif /* bench.bpf.h */
