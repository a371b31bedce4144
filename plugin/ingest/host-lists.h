/* SPDX-License-Identifier: Apache-2.0
 *
 * host-lists: which hosts each resource of a message is for. */

#ifndef INGEST_HOST_LISTS_H
#define INGEST_HOST_LISTS_H 1

/* Host lists
 * ==========
 *
 * A host filter (host-filter.h) answers for one host what is listed for it;
 * this answers for each resource of a GoalStateV2 which hosts it is listed
 * for.
 *
 * Ids are not copied: the message must outlive the lists.
 *
 * Thread-safety: no shared state. */

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "openvswitch/compiler.h"

struct host_lists;

/* Reads the host_resources of the 'len' bytes at 'data', which
 * goal_decode_check() has passed.  Returns NULL and stores the lists, or
 * returns a malloc()'d message: a host that is no address, or too much. */
char *host_lists_create(const void *data, size_t len, struct host_lists **)
    OVS_WARN_UNUSED_RESULT;
void host_lists_destroy(struct host_lists *); /* Accepts null. */

/* The hosts, by number. */
size_t host_lists_n_hosts(const struct host_lists *);
const struct in6_addr *host_lists_host(const struct host_lists *, size_t i);

/* Calls 'cb' with the number of each host for which the resource of 'kind'
 * that is called 'id' is listed. */
void host_lists_find(struct host_lists *, uint32_t kind, const char *id,
                     void (*cb)(size_t host, void *aux), void *aux);

/* Calls 'cb' for all that is listed and that host_lists_find() has not found,
 * with an id that is not null-terminated. */
void host_lists_for_each_unfound(const struct host_lists *,
                                 void (*cb)(uint32_t kind, const char *id,
                                            size_t id_len, size_t host,
                                            void *aux),
                                 void *aux);

#endif /* ingest/host-lists.h */
