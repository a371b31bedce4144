/* SPDX-License-Identifier: Apache-2.0
 *
 * gateway-cluster: which member of a cluster has which entrance. */

#ifndef FEEDBACK_GATEWAY_CLUSTER_H
#define FEEDBACK_GATEWAY_CLUSTER_H 1

/* Cluster of gateways
 * ===================
 *
 * What?
 * -----
 *
 * A gateway cluster's entrances, pairs of an IP address and a MAC, are what
 * hosts send to; goal state says which there are.  Each entrance has a home:
 * the member in whose configuration it is.  Members tell each other every
 * CLUSTER_BEAT_MSEC that they live, and which entrances are at home with them.
 * Who has not been heard for CLUSTER_DEAD_MSEC is dead, and then
 *
 *    - an entrance whose home lives is at home (of several homes, with the
 *      smallest address);
 *
 *    - any other is with the living member that has the highest hash of
 *      (entrance, member): rendezvous hashing, which spreads the entrances of
 *      a dead member over all the others, and moves no more than these.
 *
 * All members that hear the same heartbeats come to the same result, so
 * nothing needs to be agreed on.  While they do not, an entrance may have two
 * owners or none for a moment: both forward alike, and hosts notice an
 * entrance that does not answer.
 *
 * A member takes part in the clusters in which one of its entrances is.  It
 * has them only from gateway_cluster_set_ready() on, when it knows its
 * endpoints; and it takes over those of others only when it has listened for
 * CLUSTER_GRACE_MSEC.
 *
 * Members that have not heard each other for a while may each have had, and
 * announced, what is with the other.  So who hears from one that it did not
 * take to be alive says at once that it lives, too, and announces its own
 * entrances again: switches that were misled learn where they are.
 *
 * Heartbeat
 * ---------
 *
 * UDP, to CLUSTER_GROUP and CLUSTER_PORT on the underlay's device, since an
 * entrance can move only where gratuitous ARP reaches.  In network byte order:
 *
 *    offset size
 *     0     4    "AGWH"
 *     4     1    version, 1
 *     5     1    0
 *     6     2    number of entrances, n
 *     8     4    member's address, also the packet's source
 *    12     4n   addresses of the entrances that are at home with it
 *
 * A member that leaves in good order says so by one with n = 0.  Whatever has
 * another form, or comes from elsewhere, is counted and ignored.
 *
 * Usage
 * -----
 *
 * gateway_cluster_set_home() and gateway_cluster_set_entrances() say what is
 * configured, gateway_cluster_heard() what has been received.  Then
 * gateway_cluster_run() says whether the entrances that are ours have changed;
 * gateway_cluster_beat() makes the heartbeat when it is due.  All take the
 * time, so nothing here reads a clock.
 *
 * Limits: CLUSTER_MAX_MEMBERS, CLUSTER_MAX_ENTRANCES for each.  A new member
 * takes the place of one that is dead; while all live it is not heard.
 * However many members come and go (heartbeats are easily forged), there are
 * at least CLUSTER_HASTE_MSEC between two heartbeats of ours, and two rounds
 * of announcements.
 *
 * Thread-safety: one thread at a time. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "openvswitch/types.h"

struct gateway_cluster;

#define CLUSTER_BEAT_MSEC 200
#define CLUSTER_HASTE_MSEC 50
#define CLUSTER_DEAD_MSEC (3 * CLUSTER_BEAT_MSEC)
#define CLUSTER_GRACE_MSEC 2000
#define CLUSTER_PORT 8309
#define CLUSTER_GROUP "239.255.83.9"
#define CLUSTER_MAX_MEMBERS 256
#define CLUSTER_MAX_ENTRANCES 256
#define CLUSTER_MAX_PACKET (12 + 4 * CLUSTER_MAX_ENTRANCES)

/* An entrance of a cluster that we take part in. */
struct cluster_entrance {
    ovs_be32 ip;
    struct eth_addr mac;
    char *cluster;              /* Id of the gateway. */
    ovs_be32 home;              /* Member, dead or alive; 0: not known. */
    ovs_be32 owner;             /* Who has it; 0: nobody yet. */
};

/* What may become one: an entrance of some cluster. */
struct cluster_entrance_config {
    ovs_be32 ip;
    struct eth_addr mac;
    const char *cluster;
};

struct cluster_member {
    ovs_be32 ip;
    long long int heard;        /* Last heartbeat. */
    bool alive;
    size_t n_home;
};

struct cluster_counters {
    unsigned long long int heard;   /* Heartbeats of others. */
    unsigned long long int bad;     /* Not heartbeats. */
    unsigned long long int deaths;  /* Members that fell silent. */
    unsigned long long int taken;   /* Entrances that became ours. */
    unsigned long long int given;   /* Entrances that are ours no more. */
};

struct gateway_cluster *gateway_cluster_create(ovs_be32 self,
                                               long long int now);
void gateway_cluster_destroy(struct gateway_cluster *);

/* The entrances that are at home here. */
void gateway_cluster_set_home(struct gateway_cluster *, const ovs_be32 *ips,
                              size_t n);

/* The entrances of all clusters, of which those of clusters without an
 * entrance that is at home here do not matter. */
void gateway_cluster_set_entrances(struct gateway_cluster *,
                                   const struct cluster_entrance_config *,
                                   size_t n);
void gateway_cluster_set_ready(struct gateway_cluster *, bool ready);

/* A packet has come from 'src'. */
void gateway_cluster_heard(struct gateway_cluster *, const void *packet,
                           size_t size, ovs_be32 src, long long int now);

/* If a heartbeat is due, writes it to 'packet' and returns its size, else 0.
 * gateway_cluster_farewell() does so for the last one. */
size_t gateway_cluster_beat(struct gateway_cluster *, long long int now,
                            uint8_t packet[CLUSTER_MAX_PACKET]);
size_t gateway_cluster_farewell(const struct gateway_cluster *,
                                uint8_t packet[CLUSTER_MAX_PACKET]);

/* Returns true if entrances have become ours or are so no more, or if those
 * that are ours are to be announced again. */
bool gateway_cluster_run(struct gateway_cluster *, long long int now);

/* When to call the above again. */
long long int gateway_cluster_next(const struct gateway_cluster *);

/* Entrances sorted by address, members likewise.  They stay valid until the
 * next call that is not one of these. */
const struct cluster_entrance *gateway_cluster_entrances(
    const struct gateway_cluster *, size_t *n);
bool gateway_cluster_is_ours(const struct gateway_cluster *,
                             const struct cluster_entrance *);
size_t gateway_cluster_members(const struct gateway_cluster *,
                               struct cluster_member
                               members[CLUSTER_MAX_MEMBERS]);
const struct cluster_counters *gateway_cluster_counters(
    const struct gateway_cluster *);

#endif /* feedback/gateway-cluster.h */
