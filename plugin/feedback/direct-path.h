/* SPDX-License-Identifier: Apache-2.0
 *
 * direct-path: the ways around gateways that are in use. */

#ifndef FEEDBACK_DIRECT_PATH_H
#define FEEDBACK_DIRECT_PATH_H 1

/* Direct paths
 * ============
 *
 * What?
 * -----
 *
 * A gateway that is believed (oam.h) has told that a destination is on a
 * certain host: packets of a local port go there directly, until it is no
 * longer known to be true.  This module knows which paths there are, in memory
 * alone, and for how long; each of them is a record of kind VOL_DIRECT_PATH in
 * the volatile store (store/volatile-store.h), where whoever carries it out
 * finds it.
 *
 *              told                        busy, at its time
 *    (nothing) ----> PATH_ACTIVE --+----------------------------> PATH_RENEW
 *        ^             ^   |       |                                |   |
 *        |             |   |       | idle                 told      |   |
 *        |             +---|-------|--------------------------------+   |
 *        +-----------------+-------+------------------------------------+
 *      deleted, evicted, rejected    nothing was told for the idle time
 *
 * Renewal
 * -------
 *
 * Gateways do not say when a destination moves.  So every
 * DIRECT_PATH_CHECK_MSEC, and when the idle timeout is over, the switch is
 * asked for the path's packets.  If there were any, the path is withdrawn: the
 * next packet goes through the gateway, which tells, once more, where the
 * destination is.  That costs no packet, as the gateway forwards, and finds a
 * destination that has moved within that time.  It is not done while no
 * entrance is known to be alive.  If there were none for as long as the
 * gateway said (the idle timeout), the path is forgotten.
 *
 * Bounds
 * ------
 *
 * At most DIRECT_PATH_MAX paths; of more, the one that has not been used for
 * longest goes.
 *
 * Thread-safety: main thread only. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "openvswitch/types.h"

struct direct_paths;
struct vol_direct_path;

#define DIRECT_PATH_MAX 65536

/* How often a path is looked at, at least. */
#define DIRECT_PATH_CHECK_MSEC 10000

/* If there was no answer, look again. */
#define DIRECT_PATH_ANSWER_MSEC 10000

/* Idle timeouts are taken to be within these. */
#define DIRECT_PATH_MIN_IDLE_SECS 1
#define DIRECT_PATH_MAX_IDLE_SECS 3600

/* What a path is for.  Everything counts: there is no padding. */
struct direct_path_key {
    uint64_t port;              /* Hash of the local port's id. */
    uint32_t vni;
    ovs_be32 dst;
    ovs_be32 src;               /* 0 unless it is a connection's... */
    ovs_be16 sport;             /* ...likewise. */
    ovs_be16 dport;
    uint32_t protocol;          /* ...likewise... */
    uint32_t by_connection;     /* ...which this says. */
};

/* Where it leads. */
struct direct_path_hop {
    ovs_be32 host_ip;
    struct eth_addr host_mac;
    struct eth_addr mac;
    uint32_t gateway;           /* zeta_gateway_hash() of who told. */
};

struct direct_path_class {
    /* Sets, or if 'record' is null removes, the record of a path. */
    void (*publish)(const char *id, const struct vol_direct_path *record,
                    void *aux);

    /* Asks for the packets of the path with record 'id', to be answered by
     * direct_paths_take_packets() for 'number'.  False: later. */
    bool (*ask)(uint64_t number, const char *id, void *aux);

    /* True if the gateway will tell again. */
    bool (*can_renew)(uint32_t gateway, void *aux);
};

struct direct_paths *direct_paths_create(const struct direct_path_class *,
                                         void *aux);
void direct_paths_destroy(struct direct_paths *);

enum direct_path_news {
    DIRECT_PATH_NEW,
    DIRECT_PATH_RENEWED,
    DIRECT_PATH_MOVED,
    DIRECT_PATH_SAME,           /* Nothing is to be done. */
};

/* What direct_paths_set() would change.  Costs one look-up. */
enum direct_path_news direct_paths_compare(const struct direct_paths *,
                                           const struct direct_path_key *,
                                           const struct direct_path_hop *);

/* Returns true and stores in '*hop' where the path leads and in '*told' since
 * when, or returns false if there is none. */
bool direct_paths_find(const struct direct_paths *,
                       const struct direct_path_key *,
                       struct direct_path_hop *, long long int *told);

/* 'port_id' is the id of the local port. */
void direct_paths_set(struct direct_paths *, const struct direct_path_key *,
                      const char *port_id, const struct direct_path_hop *,
                      uint32_t idle_secs, long long int now);
bool direct_paths_remove(struct direct_paths *,
                         const struct direct_path_key *);
void direct_paths_flush(struct direct_paths *);

/* Forgets those paths for which 'is_useful' is false, of those that have been
 * withdrawn to be told again.  (Of the others, the caller knows by their
 * records.)  Returns how many. */
size_t direct_paths_prune(struct direct_paths *,
                          bool (*is_useful)(const struct direct_path_key *,
                                            void *aux),
                          void *aux);

/* 'host' does not take what comes by them. */
void direct_paths_reject(struct direct_paths *, ovs_be32 host);

void direct_paths_take_packets(struct direct_paths *, uint64_t number,
                               uint64_t n_packets, uint32_t n_flows,
                               long long int now);

void direct_paths_run(struct direct_paths *, long long int now);
void direct_paths_wait(const struct direct_paths *, long long int now);

size_t direct_paths_count(const struct direct_paths *);

struct direct_path_stats {
    uint64_t renewals;          /* Withdrawn to be told again... */
    uint64_t not_told;          /* ...and were not. */
    uint64_t idle;              /* Forgotten. */
    uint64_t evicted;
    uint64_t rejected;          /* By the hosts that they led to. */
};
void direct_paths_get_stats(const struct direct_paths *,
                            struct direct_path_stats *);

/* A path, for people. */
struct direct_path_entry {
    const struct direct_path_key *key;
    const struct direct_path_hop *hop;
    const char *port_id;
    const char *state;
    uint64_t n_packets;         /* As far as known. */
    long long int used;         /* Likewise. */
};
void direct_paths_for_each(const struct direct_paths *,
                           void (*cb)(const struct direct_path_entry *,
                                      void *aux),
                           void *aux);

#endif /* feedback/direct-path.h */
