/* SPDX-License-Identifier: Apache-2.0
 *
 * host-filter: which resources of a message are for this host. */

#include <config.h>

#include "ingest/host-filter.h"

#include <stdlib.h>
#include <string.h>

#include "hash.h"
#include "ingest/proto-field.h"
#include "packets.h"
#include "random.h"
#include "util.h"

/* Field numbers of a ResourceIdType, and of a HostResources. */
#define RESOURCE_TYPE 1
#define RESOURCE_ID 2
#define RESOURCES 1

/* Length of a ResourceIdType with an id of one byte. */
#define RESOURCE_MIN_LEN 3

/* A resource that is listed for this host. */
struct host_filter_node {
    struct hmap_node hmap_node; /* In 'listed' in struct host_filter. */
    struct wire_bytes id;       /* Map key or configuration's id. */
    uint32_t kind;              /* As sent. */
};

/* Initializes 'filter' for the host with address 'host_ip', which must outlive
 * it.  If 'host_ip' is null the host has none.  Everything passes, so far. */
void
host_filter_init(struct host_filter *filter, const char *host_ip)
{
    *filter = (struct host_filter) {
        .host_ip = host_ip ? host_ip : "",
        .listed = HMAP_INITIALIZER(&filter->listed),
        .basis = random_uint32(),
    };
    filter->host_addr_valid = proto_parse_ip(filter->host_ip,
                                             &filter->host_addr);
}

void
host_filter_destroy(struct host_filter *filter)
{
    hmap_destroy(&filter->listed);
    free(filter->nodes);
    free(filter->lists);
}

/* Returns true if 'key' of host_resources means this host: addresses may be
 * written in more than one way. */
static bool
is_this_host(const struct host_filter *filter, struct wire_bytes key)
{
    char text[INET6_ADDRSTRLEN];
    struct in6_addr addr;

    if (!key.len) {
        return false;
    } else if (key.len == strlen(filter->host_ip)
               && !memcmp(key.data, filter->host_ip, key.len)) {
        return true;
    } else if (!filter->host_addr_valid || key.len >= sizeof text
               || memchr(key.data, '\0', key.len)) {
        return false;
    }

    memcpy(text, key.data, key.len);
    text[key.len] = '\0';
    return (proto_parse_ip(text, &addr)
            && ipv6_addr_equals(&addr, &filter->host_addr));
}

/* Adds 'entry', a map entry of type 'md', to 'filter'.  Lists of other hosts
 * are not looked into.  Returns NULL, or an error if the list for this host
 * does not parse. */
char *
host_filter_add(struct host_filter *filter,
                const ProtobufCMessageDescriptor *md, struct wire_bytes entry)
{
    filter->active = true;
    if (!is_this_host(filter, wire_find(entry, WIRE_MAP_KEY))) {
        return NULL;
    }

    if (filter->n_lists >= filter->allocated_lists) {
        filter->lists = x2nrealloc(filter->lists, &filter->allocated_lists,
                                   sizeof *filter->lists);
    }
    filter->lists[filter->n_lists++] = wire_find(entry, WIRE_MAP_VALUE);
    return wire_check(md, entry.data, entry.len);
}

static uint32_t
hash_listed(const struct host_filter *filter, uint32_t kind,
            struct wire_bytes id)
{
    return hash_bytes(id.data, id.len, filter->basis ^ kind);
}

/* Fills in '*node' from 'resource', a ResourceIdType. */
static void
parse_resource(struct wire_bytes resource, struct host_filter_node *node)
{
    struct wire_walk walk;
    struct wire_field field;

    node->kind = 0;
    node->id = (struct wire_bytes) { NULL, 0 };
    wire_walk_init(&walk, resource.data, resource.len);
    while (wire_walk_next(&walk, &field)) {
        if (field.number == RESOURCE_TYPE) {
            node->kind = field.value;
        } else if (field.number == RESOURCE_ID) {
            node->id = (struct wire_bytes) { field.data, field.len };
        }
    }
}

/* Returns how many resources 'list' may name, at most. */
static size_t
count_resources(struct wire_bytes list)
{
    struct wire_walk walk;
    struct wire_field field;
    size_t n = 0;

    wire_walk_init(&walk, list.data, list.len);
    while (wire_walk_next(&walk, &field)) {
        n += field.number == RESOURCES && field.len >= RESOURCE_MIN_LEN;
    }
    return n;
}

/* Inserts what 'list' names. */
static void
insert_resources(struct host_filter *filter, struct wire_bytes list)
{
    struct wire_walk walk;
    struct wire_field field;

    wire_walk_init(&walk, list.data, list.len);
    while (wire_walk_next(&walk, &field)) {
        struct host_filter_node *node = &filter->nodes[filter->n_nodes];

        if (field.number != RESOURCES || field.len < RESOURCE_MIN_LEN) {
            continue;
        }
        parse_resource((struct wire_bytes) { field.data, field.len }, node);
        if (node->id.len) {
            hmap_insert_fast(&filter->listed, &node->hmap_node,
                             hash_listed(filter, node->kind, node->id));
            filter->n_nodes++;
        }
    }
}

/* To be called when all of host_resources has been added, without error. */
void
host_filter_complete(struct host_filter *filter)
{
    size_t max_nodes = 0;

    for (size_t i = 0; i < filter->n_lists; i++) {
        max_nodes += count_resources(filter->lists[i]);
    }
    if (max_nodes) {
        filter->nodes = xmalloc(max_nodes * sizeof *filter->nodes);
        hmap_reserve(&filter->listed, max_nodes);
        for (size_t i = 0; i < filter->n_lists; i++) {
            insert_resources(filter, filter->lists[i]);
        }
    }
}

/* Returns true if nothing passes 'filter'. */
bool
host_filter_is_closed(const struct host_filter *filter)
{
    return filter->active && hmap_is_empty(&filter->listed);
}

static bool
node_is(const struct host_filter_node *node, uint32_t kind,
        struct wire_bytes id)
{
    return (node->kind == kind && node->id.len == id.len
            && !memcmp(node->id.data, id.data, id.len));
}

/* Returns true if the resource of 'kind' that is called 'id' is for this host.
 * Nothing is called by an empty 'id', as long as 'filter' is active.  It is
 * fastest when resources are asked for in the order in which they are
 * listed. */
bool
host_filter_passes(struct host_filter *filter, uint32_t kind,
                   struct wire_bytes id)
{
    const struct host_filter_node *node;

    if (!filter->active) {
        return true;
    } else if (!id.len) {
        return false;
    }

    if (filter->next < filter->n_nodes
        && node_is(&filter->nodes[filter->next], kind, id)) {
        filter->next++;
        return true;
    }
    HMAP_FOR_EACH_WITH_HASH (node, hmap_node, hash_listed(filter, kind, id),
                             &filter->listed) {
        if (node_is(node, kind, id)) {
            filter->next = node - filter->nodes + 1;
            return true;
        }
    }
    return false;
}
