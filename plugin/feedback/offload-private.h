/* SPDX-License-Identifier: Apache-2.0
 *
 * offload-private: what the files of offload share. */

#ifndef FEEDBACK_OFFLOAD_PRIVATE_H
#define FEEDBACK_OFFLOAD_PRIVATE_H 1

/* offload.c         entries and leases
 * offload-told.c    entries made of what gateways tell
 * offload-change.c  which changes of flows concern which entries */

#include "apply/apply-bpf.h"
#include "feedback/offload.h"
#include "openvswitch/hmap.h"
#include "openvswitch/list.h"
#include "openvswitch/match.h"
#include "translate/fast-path.h"

/* What OVS has decided about a flow, as far as it is known. */
struct offload_verdict {
    struct fast_path_sighting seen;
    bool known;                 /* False: 'seen' was made of an entry, lacks
                                 * 'ofport', 'tag' and everything below. */
    uint64_t told;              /* Not seen yet: OVS will decide so once it has
                                 * the path of which a gateway has told, which
                                 * was news by this number.  0: seen. */
    struct eth_addr host_mac;   /* If 'told': of the underlay. */
};

struct offload_entry {
    struct hmap_node hmap_node; /* In struct offload's 'entries', by key. */
    enum apply_bpf_table table;
    struct fp_key key;
    struct fp_flow flow;        /* As it was written. */
    struct offload_verdict verdict;
    struct ovs_list told_node;  /* In struct offload's 'told', if that. */
    struct hmap_node way_node;  /* In struct offload's 'direct', by its way, if
                                 * it is on a direct path... */
    bool direct;                /* ...which this says. */
    long long int lease;        /* Until then. */
    bool present;               /* In offload_resync(). */
};

/* Of changes. */
#define OFFLOAD_FILTER 65536
#define OFFLOAD_MAX_MATCHES 64
#define OFFLOAD_NEWS 4096

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
    uint64_t *news;             /* OFFLOAD_NEWS, by hash of local port and
                                 * destination: the last that gateways have
                                 * told of the way. */
    uint64_t n_news;            /* Ever. */
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

/* The number of the last news of a direct path from 'ofport' to 'dst'; notes
 * that there are new ones. */
uint64_t offload_changes_news(const struct offload_changes *, uint32_t ofport,
                              ovs_be32 dst);
void offload_changes_note_news(struct offload_changes *, uint32_t ofport,
                               ovs_be32 dst);

/* Commits that were confirmed within OFFLOAD_PERIOD_MSEC of each other are one
 * for sightings; so many such periods are remembered.  They suffice for
 * OFFLOAD_SETTLE_MSEC before whatever waits for a path. */
#define OFFLOAD_PERIOD_MSEC 25
#define OFFLOAD_PERIODS \
    ((OFFLOAD_SETTLE_MSEC + OFFLOAD_WAIT_MSEC) / OFFLOAD_PERIOD_MSEC + 2)
struct offload_period {
    long long int begun;        /* The first commit. */
    long long int confirmed;    /* The first; at most OFFLOAD_PERIOD_MSEC later
                                 * the last. */
};

struct offload {
    struct apply_bpf *ab;       /* Null: no tables. */
    struct hmap entries;        /* Contains "struct offload_entry"s. */
    struct offload_changes changes; /* If 'ab'. */
    size_t n_noted;             /* Changes in the present commit. */
    bool busy;                  /* There is one. */
    long long int begun;        /* When it began. */
    struct offload_period periods[OFFLOAD_PERIODS]; /* A ring: those before. */
    size_t n_periods;           /* Ever. */
    long long int next_tick;
    unsigned long long int n_evicted; /* Of 'ab', last seen. */
    struct ovs_list told;       /* Entries whose verdict has not been seen. */
    struct hmap direct;         /* Entries on direct paths. */
    struct hmap waiting;        /* Contains "struct waiting"s (offload-told.c),
                                 * by whereto... */
    struct ovs_list waiting_list; /* ...and oldest first. */
    struct offload_stats stats;
};

/* offload.c. */

/* Makes, replaces or renews the entry for what was seen, or 'told'. */
void offload_take(struct offload *, const struct fast_path_sighting *,
                  const struct offload_target *, uint64_t told);

/* Removes, from the tables as well, the entries that 'is_meant' is true of.
 * Returns how many. */
size_t offload_remove(struct offload *,
                      bool (*is_meant)(const struct offload_entry *,
                                       void *aux),
                      void *aux);

/* offload-told.c. */
void offload_told_init(struct offload *);
void offload_told_clear(struct offload *);

/* The entry has another verdict; it is about to go. */
void offload_told_judged(struct offload *, struct offload_entry *);
void offload_told_forget(struct offload *, struct offload_entry *);

#endif /* feedback/offload-private.h */
