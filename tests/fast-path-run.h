/* SPDX-License-Identifier: Apache-2.0
 *
 * fast-path-run: one frame through an eBPF program (BPF_PROG_RUN). */

#ifndef FAST_PATH_RUN_H
#define FAST_PATH_RUN_H 1

#include <stdbool.h>
#include <stdint.h>
#include "bpf/fast-path.h"
#include "fast-path-frame.h"

struct ofpbuf;

/* A program under test, and what was found wrong with it. */
struct fpr {
    const char *name;           /* "tenant xdp". */
    int prog_fd;
    int counters_fd;            /* Of struct fp_counters. */
    bool tc;
    uint32_t gso_size;          /* Of frames that go into a tc program. */
    unsigned int n_run, n_failed;
};

/* What came of a frame. */
struct fpr_result {
    uint32_t verdict;
    struct ofpbuf *frame;       /* As the program left it. */
    int counter;                /* The one that went up by 1; negative if it
                                 * was none or several. */
    uint32_t port;              /* Whose counter. */
};

struct fpr_result fpr_run(struct fpr *, const struct ofpbuf *frame);
void fpr_result_uninit(struct fpr_result *);

/* Runs 'frame', which it deletes, and reports as 'name' if it is not counted
 * as 'counter' of 'port', if the verdict is not 'verdict', or what comes out
 * is not 'expected' (null: what went in), which it deletes too.  The UDP
 * source port of what comes out need only be a dynamic one if
 * 'any_source_port'. */
#define FPR_NO_COUNTER (-1)
struct fpr_expect {
    const char *name;
    int counter;                /* enum fp_counter, or FPR_NO_COUNTER. */
    uint32_t port;
    uint32_t verdict;
    struct ofpbuf *frame;
    bool any_source_port;
};
void fpr_check(struct fpr *, struct ofpbuf *frame,
               const struct fpr_expect *);
void fpr_failed(struct fpr *, const char *name, const char *format, ...);

/* Prints how it went; returns how many failed. */
unsigned int fpr_finish(const struct fpr *);

uint32_t fpr_now(void);         /* In ticks. */

/* The key of the flow of 'f' from the tenant's 'port' or ('port' 0) from the
 * uplink, per connection or destination. */
struct fp_key fpr_key(const struct fpf *, uint32_t port, bool by_connection);

#endif /* fast-path-run.h */
