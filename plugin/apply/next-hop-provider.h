/* SPDX-License-Identifier: Apache-2.0
 *
 * next-hop-provider: caches that next hops are kept in. */

#ifndef APPLY_NEXT_HOP_PROVIDER_H
#define APPLY_NEXT_HOP_PROVIDER_H 1

/* Caches
 * ======
 *
 * What?
 * -----
 *
 * next-hop.c keeps the hosts that are wanted and decides when to do something
 * about one; a cache (struct nh_cache_class) knows how.  There are two:
 * vswitchd's (next-hop-vswitchd.c) and the kernel's (next-hop-kernel.c).
 *
 * Life of a host
 * --------------
 *
 *             not on-link          turn of its slot, reconnection
 *   NH_IDLE <-------------- * ----------------------------------> NH_CHECK
 *      |                                                            |
 *      | on-link                                 the cache is asked |
 *      v               absent, or other than the goal's at first    v
 *   NH_CHECK      NH_SET <------------------------------------ NH_LOOKING
 *                   |  ^                                            |
 *           is sent |  | MAC changed           right, or learned    |
 *                   v  |                                            v
 *                NH_SETTING ----------- done or failed --------> NH_REST
 *
 *   NH_REMOVE: no longer wanted; to be removed from the cache, and freed.
 *
 * A cache takes hosts from the lists of NH_CHECK, NH_SET and NH_REMOVE in its
 * 'run', and puts each in the end into NH_REST with nh_done(), or frees it
 * with nh_removed().  NH_LOOKING and NH_SETTING are for those that cannot
 * answer at once.
 *
 * Thread-safety: main thread only. */

#include <netinet/in.h>
#include <stdbool.h>
#include "openvswitch/hmap.h"
#include "openvswitch/list.h"
#include "openvswitch/types.h"

struct ds;
struct ds_output;
struct next_hop;
struct nh_cache;

enum nh_state {
    NH_IDLE,                    /* Not on-link, or no cache to put it in. */
    NH_REST,                    /* Nothing to do until its turn comes. */
    NH_CHECK,                   /* To be looked at. */
    NH_LOOKING,                 /* Cache has been asked what it has. */
    NH_SET,                     /* To be set. */
    NH_SETTING,                 /* Cache has been told. */
    NH_REMOVE,                  /* To be removed. */
    NH_N_STATES
};

struct nh_host {
    struct hmap_node hmap_node; /* In struct next_hop's 'hosts'. */
    struct ovs_list node;       /* In a list of its state. */
    enum nh_state state;
    struct in6_addr ip;
    struct eth_addr mac;        /* The goal state's. */
    struct eth_addr held;       /* What the cache held when it was looked at
                                 * last; zeros: nothing. */
    bool fixed;                 /* Answers no ARP. */
    bool seen;                  /* The cache held 'mac' at some time. */
    bool learned;               /* The cache knows another one since. */
    bool refresh;               /* In NH_CHECK and NH_LOOKING: set it again
                                 * even if it is right. */

    /* Output that waits for this, or null. */
    struct ds_output *output;
    bool wanted;                /* False: removal. */
    uint64_t hash;              /* What is then installed. */
};

/* What to do about a host, given what the cache has. */
enum nh_verdict {
    NH_ABSENT,                  /* Set it. */
    NH_RIGHT,                   /* It is there. */
    NH_LEARNED,                 /* Leave it. */
};

struct nh_cache_class {
    const char *name;           /* For people. */
    bool can_remove;            /* Uses NH_REMOVE. */

    /* The underlay device has the given name and index. */
    struct nh_cache *(*create)(struct next_hop *, const char *device,
                               int ifindex);
    /* All hosts are still there; they must not be left in NH_LOOKING or
     * NH_SETTING. */
    void (*destroy)(struct nh_cache *);
    void (*run)(struct nh_cache *);
    void (*wait)(struct nh_cache *);

    /* The switch has just come back.  May be null. */
    void (*hurry)(struct nh_cache *);

    /* Everything that is wanted has been said: looks for what is not.  May be
     * null. */
    void (*sweep)(struct nh_cache *);

    /* False if waiting for it is likely to be in vain. */
    bool (*is_reachable)(const struct nh_cache *);
};

struct nh_cache {
    const struct nh_cache_class *class;
};

extern const struct nh_cache_class nh_vswitchd_class;
extern const struct nh_cache_class nh_kernel_class;

/* Services of next-hop.c. */

struct nh_host *nh_find(struct next_hop *, const struct in6_addr *ip);
bool nh_has_hosts(const struct next_hop *);

/* First host in 'state', or null. */
struct nh_host *nh_first(struct next_hop *, enum nh_state);

void nh_set_state(struct next_hop *, struct nh_host *, enum nh_state);
void nh_move_all(struct next_hop *, enum nh_state from, enum nh_state to);

/* The connection to the cache is new: looks at all hosts, and soon refreshes
 * them, since nobody knows how old the entries are. */
void nh_recheck(struct next_hop *);

/* Decides on 'host', of which the cache has 'mac' (null: nothing). */
enum nh_verdict nh_judge(struct nh_host *, const struct eth_addr *mac);

/* The cache has nothing for 'host': someone has removed it, if it was. */
void nh_missing(struct next_hop *, struct nh_host *);

/* 'host' has been dealt with. */
enum nh_outcome {
    NH_OUTCOME_INSTALLED,       /* The cache holds the goal state's MAC... */
    NH_OUTCOME_LEARNED,         /* ...or knows better... */
    NH_OUTCOME_FAILED,          /* ...or refused. */
};
void nh_done(struct next_hop *, struct nh_host *, enum nh_outcome);
/* Frees 'host'. */
void nh_removed(struct next_hop *, struct nh_host *);

#endif /* apply/next-hop-provider.h */
