/* SPDX-License-Identifier: Apache-2.0
 *
 * bpf-clock: the time as eBPF programs see it. */

#ifndef APPLY_BPF_CLOCK_H
#define APPLY_BPF_CLOCK_H 1

/* What?
 * -----
 *
 * Programs take the time from the kernel's tick counter: reading any other
 * clock would cost a fifth of what they cost in all.  The kernel does not tell
 * this counter to anybody but programs, so this module has one that returns
 * it.  Ticks are 32 bits and wrap around: compare differences.
 *
 * Thread-safety: one thread at a time.  A call takes microseconds. */

#include <stdint.h>

struct bpf_clock;

/* Returns 0 and sets '*clockp', else a positive errno value. */
int bpf_clock_create(struct bpf_clock **clockp);
void bpf_clock_destroy(struct bpf_clock *);

uint32_t bpf_clock_now(const struct bpf_clock *);

/* Durations. */
uint32_t bpf_clock_ticks(const struct bpf_clock *, long long int msec);
long long int bpf_clock_msec(const struct bpf_clock *, uint32_t ticks);

#endif /* apply/bpf-clock.h */
