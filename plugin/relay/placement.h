/* SPDX-License-Identifier: Apache-2.0
 *
 * placement: which host holds which resources, durably. */

#ifndef RELAY_PLACEMENT_H
#define RELAY_PLACEMENT_H 1

/* Placement
 * =========
 *
 * What?
 * -----
 *
 * The goal store knows resources; this knows where they belong:
 *
 *    hosts      by underlay address, whether heard of or not
 *    members    (host, resource): what was given to a host
 *    spans      (VPC, host): how many ports of the VPC are on the host, that
 *               is, who is in the VPC and receives its topic
 *
 * Neighbours of a VPC belong to all hosts in it; they are members only of
 * hosts that are not.  So what is kept grows with what hosts are told one by
 * one, and not with hosts times endpoints.
 *
 * It also keeps what the next start needs to go on as if nothing had happened:
 * our epoch, the last sequence number of each topic, and which node is at
 * which address.
 *
 * Hosts, VPCs and spans are in memory; members, of which there are as many as
 * ports, are in LMDB only.
 *
 * Writing
 * -------
 *
 * placement_begin() starts a change, placement_commit() makes it durable, also
 * against a power failure, before it returns.  Everything that changes
 * something must be in between.  What is read is as of the change.
 *
 * After an error nothing more is written until the next placement_begin();
 * placement_commit() reports it.  Then nothing of the change has happened, but
 * that hosts and VPCs which it has found stay in memory: they are written with
 * the next change that is about them.
 *
 * Thread-safety: main thread only. */

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "openvswitch/compiler.h"
#include "openvswitch/hmap.h"
#include "openvswitch/list.h"
#include "store/goal-types.h"

struct out_batch;
struct placement;
struct relay_node;
struct simap;

struct place_host {
    struct hmap_node node;      /* In struct placement's 'hosts', by 'ip'. */
    uint32_t number;            /* In the database. */
    struct in6_addr ip;
    bool stored;                /* On disk, too. */
    struct ovs_list spans;      /* Contains "struct place_span"s. */

    /* For distribution. */
    struct relay_node *peer;    /* Who is at this address; null: unknown. */
    struct ovs_list owed;       /* Contains "struct ack_host"s: answers that
                                 * are still to come. */
    struct out_batch *batch;    /* Being filled for it; null: none. */
    uint64_t stamp;             /* Last set of targets that it was in. */
};

struct place_vpc {
    struct hmap_node node;      /* In struct placement's 'vpcs', by 'id'. */
    uint32_t number;            /* In the database. */
    char *id;
    char *topic;                /* "vpc/ID". */
    bool stored;                /* On disk, too. */
    struct hmap spans;          /* Contains "struct place_span"s. */

    /* For distribution. */
    bool by_topic;              /* Its neighbours go by topic, not one by
                                 * one. */
    struct out_batch *batch;    /* As in struct place_host. */
};

struct place_span {
    struct hmap_node vpc_node;  /* In 'vpc->spans'. */
    struct ovs_list host_node;  /* In 'host->spans'. */
    struct place_vpc *vpc;
    struct place_host *host;
    uint32_t n_ports;
};

/* Opens what is kept in directory 'dir', creating it when absent. */
char *placement_open(const char *dir, struct placement **)
    OVS_WARN_UNUSED_RESULT;
void placement_close(struct placement *); /* Accepts null. */

/* True if there was nothing, or if the last user did not close it. */
bool placement_is_unclean(const struct placement *);

void placement_begin(struct placement *);
char *placement_commit(struct placement *) OVS_WARN_UNUSED_RESULT;

/* Our incarnation, in µs since 1970; 0: none yet.  A new one forgets the
 * positions of topics. */
uint64_t placement_epoch(const struct placement *);
void placement_set_epoch(struct placement *, uint64_t epoch);

struct place_host *placement_find_host(const struct placement *,
                                       const struct in6_addr *);
struct place_host *placement_get_host(struct placement *,
                                      const struct in6_addr *);
struct place_vpc *placement_find_vpc(const struct placement *,
                                     const char *id);
struct place_vpc *placement_get_vpc(struct placement *, const char *id);
const struct hmap *placement_hosts(const struct placement *);
const struct hmap *placement_vpcs(const struct placement *);
struct place_span *placement_find_span(const struct place_vpc *,
                                       const struct place_host *);

/* Changes the number of ports; returns it. */
uint32_t placement_change_span(struct placement *, struct place_vpc *,
                               struct place_host *, int delta);

/* Sets the numbers of ports of 'host' to what it holds.  'vpc_of' returns the
 * id, owned by the caller, of the VPC of the port with surrogate 'sid', or
 * null if there is no such port: then 'host' no longer holds it. */
void placement_recount(struct placement *, struct place_host *,
                       char *(*vpc_of)(uint64_t sid, void *aux), void *aux);

/* Both return true if that changed something. */
bool placement_add(struct placement *, struct place_host *,
                   const struct goal_key *);
bool placement_remove(struct placement *, struct place_host *,
                      const struct goal_key *);
bool placement_has(struct placement *, const struct place_host *,
                   const struct goal_key *);

/* Calls 'cb' for each host that holds 'key'.  The callback must not write. */
void placement_for_each_holder(struct placement *, const struct goal_key *,
                               void (*cb)(struct place_host *, void *aux),
                               void *aux);

/* Calls 'cb' for each resource that 'host' holds, in the order of their
 * surrogates and behind 'after', until it returns false. */
void placement_for_each_member(struct placement *, const struct place_host *,
                               uint64_t after,
                               bool (*cb)(uint64_t sid, void *aux),
                               void *aux);

/* Topics. */
void placement_set_position(struct placement *, const char *topic,
                            uint64_t sequence);
void placement_for_each_position(struct placement *,
                                 void (*cb)(const char *topic,
                                            uint64_t sequence, void *aux),
                                 void *aux);

/* Nodes. */
void placement_set_node(struct placement *, const char *id,
                        const struct in6_addr *ip);
void placement_delete_node(struct placement *, const char *id);
void placement_for_each_node(struct placement *,
                             void (*cb)(const char *id,
                                        const struct in6_addr *ip,
                                        void *aux),
                             void *aux);

void placement_get_memory_usage(const struct placement *, struct simap *);

#endif /* relay/placement.h */
