/* SPDX-License-Identifier: Apache-2.0
 *
 * activation: which stored resources are to be in effect on this host. */

#ifndef TRANSLATE_ACTIVATION_H
#define TRANSLATE_ACTIVATION_H 1

/* Activation set
 * ==============
 *
 * What?
 * -----
 *
 * Translation runs on an activation set between the store's change sets and
 * the plugins: what is stored but not active makes no output and takes no
 * memory.  All kinds are always active except neighbours, which depend on
 * their VPC:
 *
 *    - In an eager VPC every neighbour is active.
 *
 *    - In a lazy VPC a neighbour is active from activation_add() (the first
 *      packet for it) to activation_remove() (it has been idle).
 *
 * A VPC is lazy if more neighbours than the threshold are stored for it.
 * Plugins see which ones are, as volatile records VOL_LAZY_VPC.
 *
 * The set holds the active neighbours of lazy VPCs, by key, in the order in
 * which they were last used, at most ACTIVATION_MAX of them.
 *
 * Crossing the threshold
 * ----------------------
 *
 * activation_check_vpc() compares the VPC with the threshold and says if it
 * has changed sides; the caller then makes what is active true.  When a VPC
 * becomes lazy, what is programmed already is best made active, so that no
 * traffic is disturbed: what nobody uses goes by itself.
 *
 * Ownership: the store and the volatile store are the caller's.
 *
 * Thread-safety: main thread only. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "openvswitch/hmap.h"
#include "openvswitch/list.h"
#include "openvswitch/shash.h"
#include "store/goal-types.h"

struct goal_store;
struct vol_store;

/* A VPC with more neighbours than that is crowded: it may be on so many hosts
 * that a broadcast to all of them is not made in one go (plugin l2-flood).
 * Plugins see which ones are, as volatile records VOL_CROWDED_VPC. */
#define ACTIVATION_MAX_UNCROWDED 512

/* Active neighbours of lazy VPCs, in all. */
#define ACTIVATION_MAX 65536

/* A neighbour that nobody has sent packets for so long is idle. */
#define ACTIVATION_IDLE_MSEC 120000

/* An active neighbour of a lazy VPC. */
struct active_neighbor {
    struct hmap_node hmap_node; /* In struct activation's 'neighbors'. */
    struct ovs_list use_node;   /* In struct activation's 'by_use'. */
    struct goal_key key;
    uint64_t cookie;            /* Of its flows in L2_LOOKUP. */
    uint64_t n_packets;         /* When last looked at. */
    long long int used;         /* Milliseconds: when, as far as known. */
    long long int asked;        /* When its packets were asked for. */
    char *vpc_id;
};

struct activation {
    struct goal_store *store;
    struct vol_store *vol;
    uint64_t threshold;         /* More neighbours than that: lazy. */
    struct hmap neighbors;      /* Contains "struct active_neighbor"s. */
    struct ovs_list by_use;     /* Same, longest idle first. */
};

void activation_init(struct activation *, struct goal_store *,
                     struct vol_store *);
void activation_destroy(struct activation *);

/* Compares the VPC with the threshold, and notes whether it is crowded.
 * Returns true if it has become lazy or eager. */
bool activation_check_vpc(struct activation *, const char *vpc_id);
bool activation_is_lazy(const struct activation *, const char *vpc_id);
bool activation_any_lazy(const struct activation *);

/* Makes a neighbour active (one that is, is marked as used).  Returns true if
 * that is a change. */
bool activation_add(struct activation *, const struct goal_key *,
                    const char *vpc_id, uint64_t cookie, long long int now);
bool activation_remove(struct activation *, const struct goal_key *);

/* The neighbour has been used. */
void activation_used(struct activation *, struct active_neighbor *,
                     long long int now);
struct active_neighbor *activation_find(const struct activation *,
                                        const struct goal_key *);

/* The neighbour that has been idle for longest; null: none. */
struct active_neighbor *activation_oldest(const struct activation *);
size_t activation_count(const struct activation *);

bool activation_is_active(const struct activation *, const struct goal_key *,
                          const struct goal_resource *);

#endif /* translate/activation.h */
