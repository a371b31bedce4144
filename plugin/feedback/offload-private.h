/* SPDX-License-Identifier: Apache-2.0
 *
 * offload-private: what the files of offload share. */

#ifndef FEEDBACK_OFFLOAD_PRIVATE_H
#define FEEDBACK_OFFLOAD_PRIVATE_H 1

/* offload.c         entries and leases
 * offload-change.c  which changes of flows concern which entries */

#include "apply/apply-bpf.h"
#include "feedback/offload.h"
#include "openvswitch/hmap.h"
#include "openvswitch/match.h"
#include "translate/fast-path.h"

/* What OVS has decided about a flow, as far as it is known. */
struct offload_verdict {
    struct fast_path_sighting seen;
    bool known;                 /* False: 'seen' was made of an entry, lacks
                                 * 'ofport', 'tag' and everything below. */
};

struct offload_entry {
    struct hmap_node hmap_node; /* In struct offload's 'entries', by key. */
    enum apply_bpf_table table;
    struct fp_key key;
    struct fp_flow flow;        /* As it was written. */
    struct offload_verdict verdict;
    long long int lease;        /* Until then. */
    bool present;               /* In offload_resync(). */
};

/* Of changes. */
#define OFFLOAD_FILTER 65536
#define OFFLOAD_MAX_MATCHES 64

struct offload_match {
    uint8_t table;
    struct match match;
    long long int when;
};

struct offload_changes {
    long long int *times;       /* OFFLOAD_FILTER, by hash of what changes
                                 * are about: when the last one was. */
    long long int uncertain;    /* Of those: that may concern any entry of
                                 * which not everything is known. */
    struct offload_match *matches; /* OFFLOAD_MAX_MATCHES, a ring. */
    size_t n_matches;           /* Ever. */
    long long int all;          /* When a change was about everything. */
};

void offload_changes_init(struct offload_changes *);
void offload_changes_uninit(struct offload_changes *);
void offload_changes_note(struct offload_changes *, const struct ds_output *,
                          bool thorough, long long int now);

/* True if the verdict may have been changed by what was noted at 'since' or
 * later. */
bool offload_changes_concern(const struct offload_changes *,
                             const struct offload_verdict *,
                             long long int since);

#endif /* feedback/offload-private.h */
