/* SPDX-License-Identifier: Apache-2.0
 *
 * host-lists: which hosts each resource of a message is for. */

#include <config.h>

#include "ingest/host-lists.h"

#include <string.h>

#include "hash.h"
#include "ingest/goal-schema.h"
#include "ingest/proto-field.h"
#include "ingest/wire-walk.h"
#include "openvswitch/hmap.h"
#include "random.h"
#include "util.h"

/* Lines that a message may have in all its lists. */
#define MAX_LINES (4 * 1024 * 1024)

/* Field numbers of ResourceIdType and HostResources. */
enum { RESOURCE_TYPE = 1, RESOURCE_ID = 2 };
enum { RESOURCES = 1 };

struct line {
    struct hmap_node node;      /* In 'lines' of struct host_lists. */
    struct wire_bytes id;
    uint32_t kind;              /* As sent. */
    uint32_t host;
    bool found;                 /* By host_lists_find(). */
};

struct host_lists {
    struct in6_addr *hosts;
    size_t n_hosts, allocated_hosts;
    struct line *lines;
    size_t n_lines, allocated_lines;
    struct hmap by_id;          /* Contains "struct line"s. */
    uint32_t basis;             /* Of their hashes, not to be guessed. */
};

static uint32_t
hash_line(const struct host_lists *hl, uint32_t kind, const void *id,
          size_t len)
{
    return hash_bytes(id, len, hl->basis ^ kind);
}

static void
add_line(struct host_lists *hl, struct wire_bytes resource)
{
    struct line line = { .host = hl->n_hosts - 1 };
    struct wire_walk walk;
    struct wire_field field;

    wire_walk_init(&walk, resource.data, resource.len);
    while (wire_walk_next(&walk, &field)) {
        if (field.number == RESOURCE_TYPE) {
            line.kind = field.value;
        } else if (field.number == RESOURCE_ID) {
            line.id = (struct wire_bytes) { field.data, field.len };
        }
    }
    if (!line.id.len) {
        return;
    }
    if (hl->n_lines >= hl->allocated_lines) {
        hl->lines = x2nrealloc(hl->lines, &hl->allocated_lines,
                               sizeof *hl->lines);
    }
    hl->lines[hl->n_lines++] = line;
}

static char *
add_host(struct host_lists *hl, struct wire_bytes key)
{
    char text[INET6_ADDRSTRLEN];
    struct in6_addr ip;
    bool ok = key.len < sizeof text;

    if (ok) {
        memcpy(text, key.data, key.len);
        text[key.len] = '\0';
        ok = strlen(text) == key.len && proto_parse_ip(text, &ip);
    }
    if (!ok) {
        char *quoted = proto_quote((const char *) key.data, key.len);
        char *error = xasprintf("host_resources: %s is not an address",
                                quoted);
        free(quoted);
        return error;
    }
    if (hl->n_hosts >= hl->allocated_hosts) {
        hl->hosts = x2nrealloc(hl->hosts, &hl->allocated_hosts,
                               sizeof *hl->hosts);
    }
    hl->hosts[hl->n_hosts++] = ip;
    return NULL;
}

static char *
add_list(struct host_lists *hl, struct wire_bytes entry)
{
    struct wire_bytes list = wire_find(entry, WIRE_MAP_VALUE);
    char *error = add_host(hl, wire_find(entry, WIRE_MAP_KEY));
    struct wire_walk walk;
    struct wire_field field;

    wire_walk_init(&walk, list.data, list.len);
    while (!error && wire_walk_next(&walk, &field)) {
        if (field.number == RESOURCES) {
            add_line(hl, (struct wire_bytes) { field.data, field.len });
        }
        if (hl->n_lines > MAX_LINES) {
            error = xasprintf("host_resources: more than %d lines",
                              MAX_LINES);
        }
    }
    return error;
}

char *
host_lists_create(const void *data, size_t len, struct host_lists **hlp)
{
    uint32_t number = goal_schema_get()->versions[1].host_resources;
    struct host_lists *hl = xzalloc(sizeof *hl);
    struct wire_walk walk;
    struct wire_field field;
    char *error = NULL;

    hmap_init(&hl->by_id);
    hl->basis = random_uint32();
    wire_walk_init(&walk, data, len);
    while (!error && wire_walk_next(&walk, &field)) {
        if (field.number == number) {
            error = add_list(hl, (struct wire_bytes) { field.data,
                                                       field.len });
        }
    }
    *hlp = NULL;
    if (error) {
        host_lists_destroy(hl);
        return error;
    }
    hmap_reserve(&hl->by_id, hl->n_lines);
    for (size_t i = 0; i < hl->n_lines; i++) {
        struct line *line = &hl->lines[i];

        hmap_insert_fast(&hl->by_id, &line->node,
                         hash_line(hl, line->kind, line->id.data,
                                   line->id.len));
    }
    *hlp = hl;
    return NULL;
}

void
host_lists_destroy(struct host_lists *hl)
{
    if (hl) {
        hmap_destroy(&hl->by_id);
        free(hl->lines);
        free(hl->hosts);
        free(hl);
    }
}

size_t
host_lists_n_hosts(const struct host_lists *hl)
{
    return hl->n_hosts;
}

const struct in6_addr *
host_lists_host(const struct host_lists *hl, size_t i)
{
    return &hl->hosts[i];
}

void
host_lists_find(struct host_lists *hl, uint32_t kind, const char *id,
                void (*cb)(size_t host, void *aux), void *aux)
{
    size_t len = strlen(id);
    struct line *line;

    if (!len) {
        return;
    }
    HMAP_FOR_EACH_WITH_HASH (line, node, hash_line(hl, kind, id, len),
                             &hl->by_id) {
        if (line->kind == kind && line->id.len == len
            && !memcmp(line->id.data, id, len)) {
            line->found = true;
            cb(line->host, aux);
        }
    }
}

void
host_lists_for_each_unfound(const struct host_lists *hl,
                            void (*cb)(uint32_t kind, const char *id,
                                       size_t id_len, size_t host, void *aux),
                            void *aux)
{
    for (size_t i = 0; i < hl->n_lines; i++) {
        const struct line *line = &hl->lines[i];

        if (!line->found) {
            cb(line->kind, (const char *) line->id.data, line->id.len,
               line->host, aux);
        }
    }
}
