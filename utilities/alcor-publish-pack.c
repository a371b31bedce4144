/* SPDX-License-Identifier: Apache-2.0
 *
 * alcor-publish-pack: cuts goal state into messages. */

#include <config.h>

#include "utilities/alcor-publish-input.h"

#include <string.h>

#include "openvswitch/ofpbuf.h"
#include "openvswitch/shash.h"
#include "util.h"

/* How it works
 * ============
 *
 * 'state' is cut into pieces, runs of resources in the order of
 * goal_state_maps.  A resource counts its own bytes and those of the lines of
 * host_resources that name it.  What is named there but absent goes nowhere.
 *
 * A message without host_resources is for everybody.  So a piece of a state
 * that has some must not lose them all: if none of its resources is listed, it
 * lists nothing for one host. */

typedef Alcor__Schema__GoalStateV2 goal_state;
typedef Alcor__Schema__GoalStateV2__HostResourcesEntry host_entry;

/* Bytes that a line of host_resources costs beside its id, and a resource
 * beside itself. */
#define LISTING_OVERHEAD 12
#define RESOURCE_OVERHEAD 12

struct resource {
    const struct goal_state_map *map;
    ProtobufCMessage *entry;
    size_t size;                /* Bytes that it costs. */
    size_t piece;               /* Index of its piece. */
};

/* Resources of one kind that have one name, be it as key or as id: the two
 * halves of a neighbour, for example. */
struct named {
    struct resource **resources;
    size_t n, allocated;
};

struct packer {
    const goal_state *state;
    struct resource *resources; /* In the order of goal_state_maps. */
    size_t n;
    struct shash by_name;       /* "KIND NAME" -> struct named. */
    struct named **listed;      /* What each line of 'state->host_resources'
                                 * names, host after host; null if absent. */
};

/* Adds 'name' to those of 'r'. */
static void
add_name(struct packer *packer, struct resource *r, const char *name)
{
    char *full_name = xasprintf("%d %s", r->map->kind, name);
    struct named *named = shash_find_data(&packer->by_name, full_name);

    if (!named) {
        named = xzalloc(sizeof *named);
        shash_add(&packer->by_name, full_name, named);
    }
    if (!named->n || named->resources[named->n - 1] != r) {
        if (named->n >= named->allocated) {
            named->resources = x2nrealloc(named->resources,
                                          &named->allocated,
                                          sizeof *named->resources);
        }
        named->resources[named->n++] = r;
    }
    free(full_name);
}

/* Fills 'packer->resources' and 'packer->by_name'. */
static void
collect_resources(struct packer *packer)
{
    size_t n = 0;

    for (size_t i = 0; i < ARRAY_SIZE(goal_state_maps); i++) {
        n += goal_state_map_count(&goal_state_maps[i], packer->state);
    }
    packer->resources = xcalloc(n, sizeof *packer->resources);

    for (size_t i = 0; i < ARRAY_SIZE(goal_state_maps); i++) {
        const struct goal_state_map *map = &goal_state_maps[i];

        for (size_t j = 0; j < goal_state_map_count(map, packer->state);
             j++) {
            struct resource *r = &packer->resources[packer->n++];

            r->map = map;
            r->entry = goal_state_map_entry(map, packer->state, j);
            r->size = (protobuf_c_message_get_packed_size(r->entry)
                       + RESOURCE_OVERHEAD);

            add_name(packer, r, goal_state_entry_key(r->entry));
            add_name(packer, r, goal_state_entry_id(r->entry));
        }
    }
}

/* Fills 'packer->listed' and adds to the sizes of resources what it costs to
 * list them. */
static void
collect_listings(struct packer *packer)
{
    const goal_state *state = packer->state;
    size_t n = 0;

    for (size_t i = 0; i < state->n_host_resources; i++) {
        const host_entry *host = state->host_resources[i];

        n += host->value ? host->value->n_resources : 0;
    }
    packer->listed = xcalloc(n, sizeof *packer->listed);

    n = 0;
    for (size_t i = 0; i < state->n_host_resources; i++) {
        const host_entry *host = state->host_resources[i];

        for (size_t j = 0; host->value && j < host->value->n_resources; j++) {
            const Alcor__Schema__ResourceIdType *listing
                = host->value->resources[j];
            char *name = xasprintf("%d %s", listing->type, listing->id);
            struct named *named = shash_find_data(&packer->by_name, name);

            free(name);
            packer->listed[n++] = named;
            for (size_t k = 0; named && k < named->n; k++) {
                /* At worst, the host is there only for this one. */
                named->resources[k]->size += (strlen(listing->id)
                                              + strlen(host->key)
                                              + 2 * LISTING_OVERHEAD);
            }
        }
    }
}

/* Assigns each resource to a piece.  Returns the number of pieces. */
static size_t
assign_pieces(struct packer *packer, size_t max)
{
    size_t piece = 0, size = 0;

    for (size_t i = 0; i < packer->n; i++) {
        struct resource *r = &packer->resources[i];

        if (size && size + r->size > max) {
            piece++;
            size = 0;
        }
        r->piece = piece;
        size += r->size;
    }
    return piece + 1;
}

/* Returns true if one of 'named', which may be null, is in piece 'piece'. */
static bool
is_in_piece(const struct named *named, size_t piece)
{
    for (size_t i = 0; named && i < named->n; i++) {
        if (named->resources[i]->piece == piece) {
            return true;
        }
    }
    return false;
}

/* Stores into 'out' those listings of 'in' that are in piece 'piece', and
 * returns whether there are any.  'listed' has the resources that those of
 * 'in' name.  The caller must free 'out->resources'. */
static bool
select_listings(size_t piece, const Alcor__Schema__HostResources *in,
                struct named **listed, Alcor__Schema__HostResources *out)
{
    alcor__schema__host_resources__init(out);
    for (size_t i = 0; in && i < in->n_resources; i++) {
        if (is_in_piece(listed[i], piece)) {
            if (!out->resources) {
                out->resources = xcalloc(in->n_resources,
                                         sizeof *out->resources);
            }
            out->resources[out->n_resources++] = in->resources[i];
        }
    }
    return out->n_resources > 0;
}

/* Adds to 'out', which has no resources yet, those of piece 'piece', which
 * begins with 'packer->resources[start]'. */
static void
select_resources(const struct packer *packer, size_t piece, size_t start,
                 goal_state *out)
{
    for (size_t i = start;
         i < packer->n && packer->resources[i].piece == piece; i++) {
        const struct resource *r = &packer->resources[i];
        size_t *n = ALIGNED_CAST(size_t *, (char *) out + r->map->n_ofs);
        ProtobufCMessage ***entries = ALIGNED_CAST(
            ProtobufCMessage ***, (char *) out + r->map->entries_ofs);

        if (!*entries) {
            *entries = xcalloc(goal_state_map_count(r->map, packer->state),
                               sizeof **entries);
        }
        (*entries)[(*n)++] = r->entry;
    }
}

static struct ofpbuf *
pack(const goal_state *state)
{
    size_t size = protobuf_c_message_get_packed_size(&state->base);
    struct ofpbuf *buf = ofpbuf_new(size);

    protobuf_c_message_pack(&state->base, ofpbuf_put_uninit(buf, size));
    return buf;
}

/* Returns piece 'piece', which begins with 'packer->resources[start]'. */
static struct ofpbuf *
pack_piece(const struct packer *packer, size_t piece, size_t start)
{
    size_t n_hosts = packer->state->n_host_resources;
    Alcor__Schema__HostResources *lists = xcalloc(n_hosts, sizeof *lists);
    host_entry *hosts = xcalloc(n_hosts, sizeof *hosts);
    host_entry **hostps = xcalloc(n_hosts, sizeof *hostps);
    struct named **listed = packer->listed;
    goal_state out = ALCOR__SCHEMA__GOAL_STATE_V2__INIT;

    out.format_version = packer->state->format_version;
    out.host_resources = hostps;
    for (size_t i = 0; i < n_hosts; i++) {
        const host_entry *host = packer->state->host_resources[i];
        bool last = i == n_hosts - 1;

        hosts[i] = *host;
        hosts[i].value = &lists[i];
        if (select_listings(piece, host->value, listed, &lists[i])
            || (last && !out.n_host_resources)) {
            hostps[out.n_host_resources++] = &hosts[i];
        }
        listed += host->value ? host->value->n_resources : 0;
    }
    select_resources(packer, piece, start, &out);
    struct ofpbuf *buf = pack(&out);

    for (size_t i = 0; i < ARRAY_SIZE(goal_state_maps); i++) {
        free(*ALIGNED_CAST(void **, ((char *) &out
                                     + goal_state_maps[i].entries_ofs)));
    }
    for (size_t i = 0; i < n_hosts; i++) {
        free(lists[i].resources);
    }
    free(lists);
    free(hosts);
    free(hostps);
    return buf;
}

static void
packer_destroy(struct packer *packer)
{
    struct shash_node *node;

    SHASH_FOR_EACH (node, &packer->by_name) {
        struct named *named = node->data;

        free(named->resources);
    }
    shash_destroy_free_data(&packer->by_name);
    free(packer->resources);
    free(packer->listed);
}

struct ofpbuf **
goal_state_pack(const goal_state *state, size_t max, size_t *np)
{
    if (protobuf_c_message_get_packed_size(&state->base) <= max) {
        struct ofpbuf **bufs = xmalloc(sizeof *bufs);

        bufs[0] = pack(state);
        *np = 1;
        return bufs;
    }

    struct packer packer = { .state = state };
    shash_init(&packer.by_name);
    collect_resources(&packer);
    collect_listings(&packer);
    *np = assign_pieces(&packer, max);

    struct ofpbuf **bufs = xcalloc(*np, sizeof *bufs);
    size_t start = 0;
    for (size_t i = 0; i < *np; i++) {
        bufs[i] = pack_piece(&packer, i, start);
        while (start < packer.n && packer.resources[start].piece == i) {
            start++;
        }
    }
    packer_destroy(&packer);
    return bufs;
}
