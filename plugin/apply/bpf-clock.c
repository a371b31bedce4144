/* SPDX-License-Identifier: Apache-2.0
 *
 * bpf-clock: the time as eBPF programs see it. */

#include <config.h>

#include "apply/bpf-clock.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <time.h>
#include "bpf/clock.skel.h"
#include "util.h"

struct bpf_clock {
    struct fp_clock *skel;
    long long int tick_nsec;
};

int
bpf_clock_create(struct bpf_clock **clockp)
{
    struct bpf_clock *clock = xzalloc(sizeof *clock);
    struct timespec resolution;

    *clockp = NULL;
    clock->skel = fp_clock__open_and_load();
    if (!clock->skel) {
        int error = errno;

        free(clock);
        return error;
    }
    /* The coarse clock advances with the tick counter. */
    clock_getres(CLOCK_MONOTONIC_COARSE, &resolution);
    clock->tick_nsec = resolution.tv_nsec ? resolution.tv_nsec : 4000000;
    *clockp = clock;
    return 0;
}

void
bpf_clock_destroy(struct bpf_clock *clock)
{
    if (clock) {
        fp_clock__destroy(clock->skel);
        free(clock);
    }
}

uint32_t
bpf_clock_now(const struct bpf_clock *clock)
{
    /* Any packet does. */
    uint8_t frame[64] = { 0 };
    LIBBPF_OPTS(bpf_test_run_opts, opts,
                .data_in = frame, .data_size_in = sizeof frame, .repeat = 1);

    bpf_prog_test_run_opts(bpf_program__fd(clock->skel->progs.alcor_clock),
                           &opts);
    return opts.retval;
}

uint32_t
bpf_clock_ticks(const struct bpf_clock *clock, long long int msec)
{
    return msec * 1000000 / clock->tick_nsec;
}

long long int
bpf_clock_msec(const struct bpf_clock *clock, uint32_t ticks)
{
    return ticks * clock->tick_nsec / 1000000;
}
