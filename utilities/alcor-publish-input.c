/* SPDX-License-Identifier: Apache-2.0
 *
 * alcor-publish-input: goal state from files. */

#include <config.h>

#include "utilities/alcor-publish-input.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "ingest/goal-decode.h"
#include "ingest/proto-json.h"
#include "openvswitch/json.h"
#include "openvswitch/ofpbuf.h"
#include "packets.h"
#include "sset.h"
#include "svec.h"
#include "util.h"

#define MAP(KIND, MEMBER)                                               \
    { KIND, offsetof(Alcor__Schema__GoalStateV2, n_##MEMBER),           \
      offsetof(Alcor__Schema__GoalStateV2, MEMBER) }
const struct goal_state_map goal_state_maps[GOAL_N_KINDS] = {
    MAP(GOAL_VPC, vpc_states),
    MAP(GOAL_SUBNET, subnet_states),
    MAP(GOAL_SECURITY_GROUP, security_group_states),
    MAP(GOAL_PORT, port_states),
    MAP(GOAL_NEIGHBOR, neighbor_states),
    MAP(GOAL_DHCP, dhcp_states),
    MAP(GOAL_ROUTER, router_states),
    MAP(GOAL_GATEWAY, gateway_states),
};

/* Reads all of 'name', or of standard input if that is "-", into 'buf', which
 * the caller must have initialized. */
static char *
read_file(const char *name, struct ofpbuf *buf)
{
    FILE *file = !strcmp(name, "-") ? stdin : fopen(name, "rb");
    if (!file) {
        return xasprintf("cannot open (%s)", ovs_strerror(errno));
    }

    size_t n;
    do {
        const size_t chunk = 65536;
        char *p = ofpbuf_put_uninit(buf, chunk);

        n = fread(p, 1, chunk, file);
        buf->size -= chunk - n;
    } while (n);

    char *error = (ferror(file)
                   ? xasprintf("cannot read (%s)", ovs_strerror(errno))
                   : NULL);
    if (file != stdin) {
        fclose(file);
    }
    return error;
}

/* Returns true if 'buf' holds JSON.  A GoalStateV2 in binary form cannot begin
 * like that. */
static bool
looks_like_json(const struct ofpbuf *buf)
{
    const char *p = buf->data;

    for (size_t i = 0; i < buf->size; i++) {
        if (!strchr(" \t\r\n", p[i])) {
            return p[i] == '{' || p[i] == '[' || p[i] == '"';
        }
    }
    return false;
}

/* OVS's parser counts lines from 0, editors do from 1. */
static char *
json_error(const char *s)
{
    int line, n = 0;

    return (ovs_scan(s, "line %d,%n", &line, &n)
            ? xasprintf("line %d,%s", line + 1, s + n) : xstrdup(s));
}

static char *
parse_json(struct ofpbuf *buf, ProtobufCMessage **messagep)
{
    if (memchr(buf->data, '\0', buf->size)) {
        return xstrdup("a null byte in JSON");
    }
    ofpbuf_put(buf, "", 1);

    struct json *json = json_from_string(buf->data);
    char *error;
    if (json->type == JSON_STRING) {
        error = json_error(json_string(json));
    } else if (json->type != JSON_OBJECT) {
        error = xstrdup("expected a JSON object (GoalStateV2)");
    } else {
        error = proto_from_json(
            json, &alcor__schema__goal_state_v2__descriptor, messagep);
    }
    json_destroy(json);
    return error;
}

static char *
parse_binary(const struct ofpbuf *buf, ProtobufCMessage **messagep)
{
    char *error = goal_decode_check(2, buf->data, buf->size);
    if (error) {
        char *msg = xasprintf("neither JSON nor a binary GoalStateV2 (%s)",
                              error);
        free(error);
        return msg;
    }

    *messagep = protobuf_c_message_unpack(
        &alcor__schema__goal_state_v2__descriptor, NULL, buf->size, buf->data);
    return *messagep ? NULL : xstrdup("not a binary GoalStateV2");
}

char *
goal_file_read(const char *name, Alcor__Schema__GoalStateV2 **statep)
{
    ProtobufCMessage *message = NULL;
    struct ofpbuf buf;

    ofpbuf_init(&buf, 0);
    char *error = read_file(name, &buf);
    if (!error && !buf.size) {
        error = xstrdup("empty: expected a GoalStateV2");
    }
    if (!error) {
        error = (looks_like_json(&buf)
                 ? parse_json(&buf, &message)
                 : parse_binary(&buf, &message));
    }
    ofpbuf_uninit(&buf);

    *statep = (Alcor__Schema__GoalStateV2 *) message;
    return error;
}

/* Reflection. */

/* Returns the member called 'name' of 'message', or NULL if its type has no
 * such member. */
static void *
get_member(const ProtobufCMessage *message, const char *name)
{
    const ProtobufCFieldDescriptor *field
        = protobuf_c_message_descriptor_get_field_by_name(
            message->descriptor, name);

    return field ? (char *) message + field->offset : NULL;
}

/* Returns the nested message called 'name' in 'message', which may be null, or
 * NULL. */
static ProtobufCMessage *
get_message(const ProtobufCMessage *message, const char *name)
{
    ProtobufCMessage **memberp = message ? get_member(message, name) : NULL;

    return memberp ? *memberp : NULL;
}

size_t
goal_state_map_count(const struct goal_state_map *map,
                     const Alcor__Schema__GoalStateV2 *state)
{
    return *ALIGNED_CAST(const size_t *,
                         (const char *) state + map->n_ofs);
}

ProtobufCMessage *
goal_state_map_entry(const struct goal_state_map *map,
                     const Alcor__Schema__GoalStateV2 *state, size_t index)
{
    ProtobufCMessage ***entriesp = ALIGNED_CAST(
        ProtobufCMessage ***, (char *) state + map->entries_ofs);

    return (*entriesp)[index];
}

/* Returns the key of map entry 'entry'. */
const char *
goal_state_entry_key(const ProtobufCMessage *entry)
{
    char **key = get_member(entry, "key");

    return *key;
}

/* Returns the configuration of the state in map entry 'entry', or NULL. */
static ProtobufCMessage *
entry_configuration(const ProtobufCMessage *entry)
{
    return get_message(get_message(entry, "value"), "configuration");
}

/* Returns the id of the configuration in map entry 'entry', or its key if it
 * has none. */
const char *
goal_state_entry_id(const ProtobufCMessage *entry)
{
    const ProtobufCMessage *configuration = entry_configuration(entry);
    char **id = configuration ? get_member(configuration, "id") : NULL;

    return id && *id && **id ? *id : goal_state_entry_key(entry);
}

/* Adds the ids that several neighbours of 'state' have in common to 'ids'. */
static void
collect_shared_ids(const Alcor__Schema__GoalStateV2 *state, struct sset *ids)
{
    struct sset all = SSET_INITIALIZER(&all);

    for (size_t i = 0; i < state->n_neighbor_states; i++) {
        const char *id = goal_state_entry_id(&state->neighbor_states[i]->base);

        if (!sset_add(&all, id)) {
            sset_add(ids, id);
        }
    }
    sset_destroy(&all);
}

void
goal_state_set_full(Alcor__Schema__GoalStateV2 *state)
{
    struct sset shared = SSET_INITIALIZER(&shared);

    collect_shared_ids(state, &shared);
    for (size_t i = 0; i < ARRAY_SIZE(goal_state_maps); i++) {
        const struct goal_state_map *map = &goal_state_maps[i];

        for (size_t j = 0; j < goal_state_map_count(map, state); j++) {
            const ProtobufCMessage *entry
                = goal_state_map_entry(map, state, j);
            ProtobufCMessage *configuration = entry_configuration(entry);
            Alcor__Schema__UpdateType *type
                = configuration ? get_member(configuration, "update_type")
                                : NULL;

            if (type && (map->kind != GOAL_NEIGHBOR
                         || !sset_contains(&shared,
                                           goal_state_entry_id(entry)))) {
                *type = ALCOR__SCHEMA__UPDATE_TYPE__FULL;
            }
        }
    }
    sset_destroy(&shared);
}

/* Checking. */

struct check {
    struct svec *errors;
    size_t n;                   /* Number of resources. */
};

/* A goal_entry_cb. */
static void
check_entry(const struct goal_entry *entry, void *check_)
{
    struct check *check = check_;

    check->n++;
    if (entry->error) {
        svec_add_nocopy(check->errors,
                        xasprintf("%s \"%s\": %s",
                                  goal_kinds[entry->kind].name, entry->id,
                                  entry->error));
    }
    goal_resource_destroy(entry->resource);
}

/* Adds the names of what is in 'state' to 'names': "KIND NAME". */
static void
collect_names(const Alcor__Schema__GoalStateV2 *state, struct sset *names)
{
    for (size_t i = 0; i < ARRAY_SIZE(goal_state_maps); i++) {
        const struct goal_state_map *map = &goal_state_maps[i];

        for (size_t j = 0; j < goal_state_map_count(map, state); j++) {
            const ProtobufCMessage *entry
                = goal_state_map_entry(map, state, j);

            sset_add_and_free(names, xasprintf("%d %s", map->kind,
                                               goal_state_entry_key(entry)));
            sset_add_and_free(names, xasprintf("%d %s", map->kind,
                                               goal_state_entry_id(entry)));
        }
    }
}

/* Appends a line to 'warnings' for each host that nobody is, since it is not
 * named by its address, and for each resource that is listed for a host but
 * absent. */
static void
check_listed(const Alcor__Schema__GoalStateV2 *state, struct svec *warnings)
{
    struct sset names = SSET_INITIALIZER(&names);

    collect_names(state, &names);
    for (size_t i = 0; i < state->n_host_resources; i++) {
        const Alcor__Schema__GoalStateV2__HostResourcesEntry *host
            = state->host_resources[i];
        struct in6_addr ip6;
        ovs_be32 ip4;

        if (!ip_parse(host->key, &ip4) && !ipv6_parse(host->key, &ip6)) {
            svec_add_nocopy(warnings,
                            xasprintf("hostResources: \"%s\" is not the "
                                      "address of a host: no host will take "
                                      "what is listed for it", host->key));
        }
        for (size_t j = 0; host->value && j < host->value->n_resources; j++) {
            const Alcor__Schema__ResourceIdType *r
                = host->value->resources[j];
            char *name = xasprintf("%d %s", r->type, r->id);

            if (!sset_contains(&names, name)) {
                const ProtobufCEnumValue *type
                    = protobuf_c_enum_descriptor_get_value(
                        &alcor__schema__resource_type__descriptor, r->type);

                svec_add_nocopy(
                    warnings,
                    xasprintf("hostResources.%s.resources[%"PRIuSIZE"]: "
                              "%s \"%s\" is not in this file", host->key, j,
                              type ? type->name : "?", r->id));
            }
            free(name);
        }
    }
    sset_destroy(&names);
}

size_t
goal_state_check(const Alcor__Schema__GoalStateV2 *state,
                 struct svec *errors, struct svec *warnings)
{
    /* Without list of hosts, everything is for everybody. */
    Alcor__Schema__GoalStateV2 all = *state;
    all.n_host_resources = 0;
    all.host_resources = NULL;

    struct ofpbuf buf;
    size_t size = protobuf_c_message_get_packed_size(&all.base);
    ofpbuf_init(&buf, size);
    protobuf_c_message_pack(&all.base, ofpbuf_put_uninit(&buf, size));

    struct check check = { .errors = errors };
    char *error = goal_decode(2, buf.data, buf.size, NULL, check_entry,
                              &check);
    if (error) {
        svec_add_nocopy(errors, error);
    }
    ofpbuf_uninit(&buf);

    check_listed(state, warnings);
    return check.n;
}
