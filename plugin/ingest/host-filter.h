/* SPDX-License-Identifier: Apache-2.0
 *
 * host-filter: which resources of a message are for this host. */

#ifndef INGEST_HOST_FILTER_H
#define INGEST_HOST_FILTER_H 1

/* Host filter
 * ===========
 *
 * What?
 * -----
 *
 * A GoalStateV2 may go to many hosts.  Its host_resources say, by underlay
 * address, which resources each of them needs, by type and id.  A host filter
 * collects what is listed for one host and then answers whether a resource is
 * in it.  Where host_resources are empty everything is for everybody.
 *
 * The lists are not copied: the message must outlive the filter.
 *
 * Usage
 * -----
 *
 * 1. host_filter_init() with the address of this host.
 *
 * 2. host_filter_add() with each entry of host_resources.
 *
 * 3. host_filter_complete(), and from then on host_filter_passes().
 *
 * Thread-safety: one user at a time. */

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "ingest/wire-walk.h"
#include "openvswitch/compiler.h"
#include "openvswitch/hmap.h"

struct host_filter_node;

struct host_filter {
    const char *host_ip;        /* Of this host, as text. */
    struct in6_addr host_addr;  /* The same as an address. */
    bool host_addr_valid;       /* 'host_ip' is an address. */

    bool active;                /* There are host_resources. */
    struct wire_bytes *lists;   /* Those for this host. */
    size_t n_lists;
    size_t allocated_lists;

    struct hmap listed;         /* Contains "struct host_filter_node"s. */
    struct host_filter_node *nodes; /* All that are in 'listed', as listed. */
    size_t n_nodes;
    size_t next;                /* The one after that which was found last. */
    uint32_t basis;             /* Of their hashes, not to be guessed. */
};

void host_filter_init(struct host_filter *, const char *host_ip);
void host_filter_destroy(struct host_filter *);

char *host_filter_add(struct host_filter *,
                      const ProtobufCMessageDescriptor *,
                      struct wire_bytes entry) OVS_WARN_UNUSED_RESULT;
void host_filter_complete(struct host_filter *);

bool host_filter_is_closed(const struct host_filter *);
bool host_filter_passes(struct host_filter *, uint32_t kind,
                        struct wire_bytes id);

#endif /* ingest/host-filter.h */
