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

struct packer {
    const goal_state *state;
    struct resource *resources; /* In the order of goal_state_maps. */
    size_t n;
    struct shash by_name;       /* "KIND NAME" -> struct resource. */
};

/* Returns the resource that 'listing' names, or NULL. */
static struct resource *
find_listed(const struct packer *packer,
            const Alcor__Schema__ResourceIdType *listing)
{
    char *name = xasprintf("%d %s", listing->type, listing->id);
    struct resource *resource = shash_find_data(&packer->by_name, name);

    free(name);
    return resource;
}

static void
packer_init(struct packer *packer, const goal_state *state)
{
    packer->state = state;
    packer->n = 0;
    shash_init(&packer->by_name);

    size_t n = 0;
    for (size_t i = 0; i < ARRAY_SIZE(goal_state_maps); i++) {
        n += goal_state_map_count(&goal_state_maps[i], state);
    }
    packer->resources = xcalloc(n, sizeof *packer->resources);

    for (size_t i = 0; i < ARRAY_SIZE(goal_state_maps); i++) {
        const struct goal_state_map *map = &goal_state_maps[i];

        for (size_t j = 0; j < goal_state_map_count(map, state); j++) {
            struct resource *r = &packer->resources[packer->n++];

            r->map = map;
            r->entry = goal_state_map_entry(map, state, j);
            r->size = (protobuf_c_message_get_packed_size(r->entry)
                       + RESOURCE_OVERHEAD);

            char *key = xasprintf("%d %s", map->kind,
                                  goal_state_entry_key(r->entry));
            char *id = xasprintf("%d %s", map->kind,
                                 goal_state_entry_id(r->entry));
            shash_replace(&packer->by_name, key, r);
            shash_replace(&packer->by_name, id, r);
            free(key);
            free(id);
        }
    }
}

static void
packer_destroy(struct packer *packer)
{
    shash_destroy(&packer->by_name);
    free(packer->resources);
}

/* Adds to the sizes of resources what it costs to list them. */
static void
add_listings(struct packer *packer)
{
    for (size_t i = 0; i < packer->state->n_host_resources; i++) {
        const host_entry *host = packer->state->host_resources[i];

        for (size_t j = 0; host->value && j < host->value->n_resources; j++) {
            const Alcor__Schema__ResourceIdType *listing
                = host->value->resources[j];
            struct resource *r = find_listed(packer, listing);

            if (r) {
                /* At worst, the host is there only for this one. */
                r->size += (strlen(listing->id) + strlen(host->key)
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

/* Stores into 'out' those listings of 'in' that are in piece 'piece', and
 * returns whether there are any.  The caller must free 'out->resources'. */
static bool
select_listings(const struct packer *packer, size_t piece,
                const Alcor__Schema__HostResources *in,
                Alcor__Schema__HostResources *out)
{
    alcor__schema__host_resources__init(out);
    for (size_t i = 0; in && i < in->n_resources; i++) {
        const struct resource *r = find_listed(packer, in->resources[i]);

        if (r && r->piece == piece) {
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
    goal_state out = ALCOR__SCHEMA__GOAL_STATE_V2__INIT;

    out.format_version = packer->state->format_version;
    out.host_resources = hostps;
    for (size_t i = 0; i < n_hosts; i++) {
        const host_entry *host = packer->state->host_resources[i];
        bool last = i == n_hosts - 1;

        hosts[i] = *host;
        hosts[i].value = &lists[i];
        if (select_listings(packer, piece, host->value, &lists[i])
            || (last && !out.n_host_resources)) {
            hostps[out.n_host_resources++] = &hosts[i];
        }
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

struct ofpbuf **
goal_state_pack(const goal_state *state, size_t max, size_t *np)
{
    if (protobuf_c_message_get_packed_size(&state->base) <= max) {
        struct ofpbuf **bufs = xmalloc(sizeof *bufs);

        bufs[0] = pack(state);
        *np = 1;
        return bufs;
    }

    struct packer packer;
    packer_init(&packer, state);
    add_listings(&packer);
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
