/* SPDX-License-Identifier: Apache-2.0
 *
 * goal-decode: goal-state messages of both versions into resources. */

#include <config.h>

#include "ingest/goal-decode.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "ingest/goal-schema.h"
#include "ingest/host-filter.h"
#include "ingest/proto-field.h"
#include "ingest/wire-walk.h"
#include "openvswitch/dynamic-string.h"
#include "proto/goalstate.pb-c.h"
#include "util.h"

/* An entry longer than this is malformed. */
#define ENTRY_MAX_LEN (8 * 1024 * 1024)

/* A message with more entries than this is refused: each costs an answer.  As
 * many real ones do not fit into the longest message. */
#define MAX_ENTRIES (1024 * 1024)

const char goal_decode_all_hosts[] = "*";

/* Returns a pointer to the member of 'message' that 'fd' describes. */
static const void *
member(const ProtobufCMessage *message, goal_proto_field fd)
{
    return (const char *) message + fd->offset;
}

static uint32_t
get_u32(const ProtobufCMessage *message, goal_proto_field fd)
{
    return *(const uint32_t *) member(message, fd);
}

static const char *
get_string(const ProtobufCMessage *message, goal_proto_field fd)
{
    return *(char *const *) member(message, fd);
}

static const ProtobufCMessage *
get_message(const ProtobufCMessage *message, goal_proto_field fd)
{
    return *(ProtobufCMessage *const *) member(message, fd);
}

/* Returns the bytes of 's', a string member of an unpacked message. */
static struct wire_bytes
get_bytes(const char *s)
{
    return (struct wire_bytes) { (const uint8_t *) s, wire_string_length(s) };
}

/* Returns a copy of 's' that can be sent in a reply: of at most the length of
 * an id and in UTF-8. */
static char *
make_reply_id(struct wire_bytes s)
{
    char *id = (s.len
                ? xmemdup0((const char *) s.data, MIN(s.len, PROTO_ID_MAX_LEN))
                : xstrdup(""));
    size_t len = strlen(id);

    /* Drop what is left of a character that was cut. */
    for (int i = 0; i < 3 && s.len > len && !proto_is_utf8(id, len); i++) {
        id[--len] = '\0';
    }
    if (!proto_is_utf8(id, len)) {
        for (size_t i = 0; i < len; i++) {
            if (id[i] & 0x80) {
                id[i] = '?';
            }
        }
    }
    return id;
}

/* Decoding. */

struct decoder {
    const struct goal_schema *schema;
    const struct goal_version_schema *version;
    struct wire_bytes payload;

    bool all_hosts;             /* 'filter' is not in use. */
    struct host_filter filter;
    uint32_t present;           /* Bitmap of the kinds in the message. */

    struct wire_arena arena;
    goal_entry_cb *cb;
    void *aux;
};

static char *
too_many_entries(const ProtobufCMessageDescriptor *md)
{
    return xasprintf("%s: more than %d entries", md->name, MAX_ENTRIES);
}

/* Goes through the top level of the message: checks it, finds out what is in
 * it and what of that is for this host. */
static char *
decoder_survey(struct decoder *d)
{
    const struct goal_version_schema *vs = d->version;
    const ProtobufCMessageDescriptor *md = vs->md;
    struct wire_walk walk;
    struct wire_field field;
    size_t n_entries = 0;
    char *error = NULL;

    wire_walk_init(&walk, d->payload.data, d->payload.len);
    while (!error && wire_walk_next(&walk, &field)) {
        goal_proto_field fd = (field.number < GOAL_SCHEMA_N_FIELDS
                        ? vs->fields[field.number] : NULL);

        if (!fd) {
            continue;
        } else if (!wire_type_matches(fd, field.type)) {
            error = xasprintf("%s: %s: wire type does not match the schema",
                              md->name, fd->name);
        } else if (fd->id == vs->host_resources && d->all_hosts) {
            continue;
        } else if (fd->id == vs->host_resources) {
            error = host_filter_add(&d->filter, fd->descriptor,
                                    (struct wire_bytes) { field.data,
                                                          field.len });
        } else if (vs->kinds[fd->id] >= 0) {
            d->present |= 1u << vs->kinds[fd->id];
            if (++n_entries > MAX_ENTRIES) {
                error = too_many_entries(md);
            }
        }
    }
    if (walk.error) {
        error = xasprintf("%s: byte %"PRIdPTR": %s", md->name,
                          (intptr_t) (walk.p - walk.start), walk.error);
    }
    if (!error) {
        host_filter_complete(&d->filter);
    }
    return error;
}

/* Entries. */

/* An entry of a goal-state message as it is taken apart. */
struct raw_entry {
    enum goal_kind kind;
    struct wire_bytes key;      /* Map key, empty in version 1. */
    struct wire_bytes id;       /* Configuration's id. */
    uint32_t operation;         /* As sent. */
    const ProtobufCMessage *configuration; /* Null if missing. */
};

/* Checks 'id', which is to identify a resource and which a null byte
 * follows. */
static char *
check_id(struct wire_bytes id)
{
    return (id.len
            ? proto_check_string((const char *) id.data, id.len,
                                 PROTO_ID_MAX_LEN)
            : xstrdup("empty, expected an id"));
}

static char *
prefix_error(const char *name, char *error)
{
    char *full = error ? xasprintf("%s: %s", name, error) : NULL;

    free(error);
    return full;
}

/* True for operations to which the resource's id says all: they may come
 * without a configuration, if there is a map key. */
static bool
only_names(uint32_t operation)
{
    return operation == GOAL_OP_GET || operation == GOAL_OP_DELETE;
}

/* Checks what every operation needs. */
static char *
check_identity(const struct raw_entry *raw)
{
    char *error;

    if (!raw->configuration && !only_names(raw->operation)) {
        return xstrdup("configuration: not given");
    }
    error = prefix_error("id", check_id(raw->id.len ? raw->id : raw->key));
    if (!error && raw->key.len && raw->id.len) {
        error = prefix_error("map key", check_id(raw->key));
    }
    return error;
}

static char *
check_enum(goal_proto_field fd, uint32_t value)
{
    const ProtobufCEnumDescriptor *ed = fd->descriptor;
    struct ds ds = DS_EMPTY_INITIALIZER;

    if (protobuf_c_enum_descriptor_get_value(ed, value)) {
        return NULL;
    }
    ds_put_format(&ds, "%s: %"PRId32" is not one of", fd->name,
                  (int32_t) value);
    for (unsigned int i = 0; i < ed->n_values; i++) {
        ds_put_format(&ds, "%s %s", i ? "," : "", ed->values[i].name);
    }
    return ds_steal_cstr(&ds);
}

/* Makes the resource that 'raw' describes, by the rules for 'entry', whose
 * operation and fullness are known. */
static char *
convert_resource(const struct goal_kind_schema *ks,
                 const struct raw_entry *raw, struct goal_entry *entry)
{
    const char *request_id = get_string(raw->configuration, ks->request_id);
    struct goal_resource *resource;
    char *error;

    error = prefix_error(ks->request_id->name, proto_check_string(
                             request_id, wire_string_length(request_id),
                             PROTO_ID_MAX_LEN));
    if (error) {
        return error;
    }

    /* As goal_resource_create(), but sets each member only once. */
    resource = xzalloc(goal_kinds[raw->kind].layout->size);
    resource->kind = raw->kind;
    resource->id = xstrdup(entry->id);
    resource->revision = get_u32(raw->configuration, ks->revision);
    resource->request_id = xstrdup(request_id);
    error = proto_plan_convert(ks->plan, raw->configuration, resource);
    if (!error) {
        error = (entry->full ? goal_resource_check(resource)
                 : goal_resource_check_fit(resource));
    }
    if (!error && raw->kind == GOAL_SUBNET
        && GOAL_SUBNET_CAST(resource)->network_type == GOAL_NET_VXLAN_GPE) {
        entry->status = GOAL_STATUS_FAILURE;
        error = xstrdup("network_type: VXLAN_GPE is not supported");
    }

    if (error) {
        goal_resource_destroy(resource);
        resource = NULL;
    }
    entry->resource = resource;
    return error;
}

/* True if what the entry holds is the whole resource by its update type or by
 * its kind. */
static bool
is_whole(const struct goal_kind_schema *ks, const struct raw_entry *raw)
{
    return (!goal_kinds[raw->kind].keeps_deltas
            || !ks->update_type
            || (raw->configuration
                && get_u32(raw->configuration, ks->update_type)
                   == ALCOR__SCHEMA__UPDATE_TYPE__FULL));
}

/* Fills in '*entry' from 'raw', whose identity is all right. */
static char *
convert_entry(const struct goal_kind_schema *ks, const struct raw_entry *raw,
              struct goal_entry *entry)
{
    char *error = check_enum(ks->operation, entry->operation);

    if (error) {
        return error;
    } else if (only_names(entry->operation)) {
        entry->resource = goal_resource_create(raw->kind, entry->id);
        if (raw->configuration) {
            entry->resource->revision = get_u32(raw->configuration,
                                                ks->revision);
        }
        return NULL;
    }

    error = (ks->update_type
             ? check_enum(ks->update_type,
                          get_u32(raw->configuration, ks->update_type))
             : NULL);
    return error ? error : convert_resource(ks, raw, entry);
}

/* Converts 'raw' and delivers the result, good or bad.  Takes ownership of
 * 'error', which is what is wrong already, or null. */
static void
decoder_deliver(struct decoder *d, const struct raw_entry *raw, char *error)
{
    const struct goal_kind_schema *ks = &d->schema->kinds[raw->kind];
    struct wire_bytes id = raw->id.len ? raw->id : raw->key;
    struct goal_entry entry = {
        .kind = raw->kind,
        .operation = raw->operation,
        .full = raw->operation == GOAL_OP_CREATE || is_whole(ks, raw),
        .created = (raw->operation == GOAL_OP_CREATE
                    && !is_whole(ks, raw)),
        .key = "",
        .status = GOAL_STATUS_INVALID_ARG,
    };
    char *reply_id = NULL;

    error = error ? error : check_identity(raw);
    if (!error) {
        entry.id = (const char *) id.data;
        entry.key = raw->key.len ? (const char *) raw->key.data : "";
        error = convert_entry(ks, raw, &entry);
    } else {
        entry.id = reply_id = make_reply_id(id);
    }

    if (!error) {
        entry.status = GOAL_STATUS_SUCCESS;
    }
    entry.error = error;
    d->cb(&entry, d->aux);

    free(reply_id);
    free(error);
}

/* Takes the unpacked 'message', a map entry or a state, apart. */
static struct raw_entry
decoder_dissect(const struct decoder *d, enum goal_kind kind,
                const ProtobufCMessage *message)
{
    const struct goal_kind_schema *ks = &d->schema->kinds[kind];
    struct raw_entry raw = { .kind = kind };

    if (d->version->maps) {
        const ProtobufCFieldDescriptor *fields = message->descriptor->fields;

        raw.key = get_bytes(get_string(message, &fields[WIRE_MAP_KEY - 1]));
        message = get_message(message, &fields[WIRE_MAP_VALUE - 1]);
    }
    if (!message) {
        return raw;
    }

    raw.operation = get_u32(message, ks->operation);
    raw.configuration = get_message(message, ks->configuration);
    if (raw.configuration) {
        raw.id = get_bytes(get_string(raw.configuration, ks->id));
    }
    return raw;
}

/* Finds the identity and operation of 'entry' without unpacking it. */
static struct raw_entry
decoder_peek(const struct decoder *d, enum goal_kind kind,
             struct wire_bytes entry)
{
    const struct goal_kind_schema *ks = &d->schema->kinds[kind];
    struct raw_entry raw = { .kind = kind };
    struct wire_walk walk;
    struct wire_field field;

    if (d->version->maps) {
        raw.key = wire_find(entry, WIRE_MAP_KEY);
        entry = wire_find(entry, WIRE_MAP_VALUE);
    }
    wire_walk_init(&walk, entry.data, entry.len);
    while (wire_walk_next(&walk, &field)) {
        if (field.number == ks->operation->id && field.type == WIRE_VARINT) {
            raw.operation = field.value;
        } else if (field.number == ks->configuration->id
                   && field.type == WIRE_BYTES) {
            raw.id = wire_find((struct wire_bytes) { field.data, field.len },
                               ks->id->id);
        }
    }
    return raw;
}

/* Returns true if 'entry' is for this host. */
static bool
decoder_wants(struct decoder *d, enum goal_kind kind,
              struct wire_bytes entry)
{
    return (!d->filter.active
            || host_filter_passes(&d->filter, kind,
                                  wire_find(entry, WIRE_MAP_KEY))
            || host_filter_passes(&d->filter, kind,
                                  decoder_peek(d, kind, entry).id));
}

/* Decodes 'entry', one of the field 'fd', and delivers it.  Returns an error
 * if it does not parse. */
static char *
decoder_entry(struct decoder *d, goal_proto_field fd, struct wire_bytes entry)
{
    enum goal_kind kind = d->version->kinds[fd->id];
    ProtobufCMessage *message;
    struct raw_entry raw;
    char *error;

    if (entry.len > ENTRY_MAX_LEN) {
        error = wire_check(fd->descriptor, entry.data, entry.len);
        if (!error) {
            raw = decoder_peek(d, kind, entry);
            decoder_deliver(d, &raw, xasprintf("entry: %"PRIuSIZE" bytes, "
                                               "expected at most %d",
                                               entry.len, ENTRY_MAX_LEN));
        }
        return prefix_error(fd->name, error);
    }

    error = wire_unpack(&d->arena, fd->descriptor, entry.data, entry.len,
                        &message);
    if (!error) {
        raw = decoder_dissect(d, kind, message);
        decoder_deliver(d, &raw, NULL);
        return NULL;
    } else if (d->arena.exhausted) {
        raw = decoder_peek(d, kind, entry);
        decoder_deliver(d, &raw, prefix_error("entry", error));
        return NULL;
    } else {
        return prefix_error(fd->name, error);
    }
}

/* The kind of what is in field 'number' of the message, or -1. */
static int
field_kind(const struct goal_version_schema *vs, uint32_t number)
{
    return number < GOAL_SCHEMA_N_FIELDS ? vs->kinds[number] : -1;
}

/* Decodes the entries of those kinds that are in bitmap 'kinds'. */
static char *
decoder_run(struct decoder *d, uint32_t kinds)
{
    const struct goal_version_schema *vs = d->version;
    struct wire_walk walk;
    struct wire_field field;
    char *error = NULL;

    if (!(d->present & kinds)) {
        return NULL;
    }

    wire_walk_init(&walk, d->payload.data, d->payload.len);
    while (!error && wire_walk_next(&walk, &field)) {
        struct wire_bytes entry = { field.data, field.len };
        int kind = field_kind(vs, field.number);

        if (kind >= 0 && kinds & (1u << kind)
            && decoder_wants(d, kind, entry)) {
            error = decoder_entry(d, vs->fields[field.number], entry);
        }
    }
    return error;
}

static bool
version_is_known(int version)
{
    return version == 1 || version == 2;
}

char *
goal_decode(int version, const void *data, size_t len, const char *host_ip,
            goal_entry_cb *cb, void *aux)
{
    const struct goal_schema *schema = goal_schema_get();
    const uint32_t vpcs = 1u << GOAL_VPC;
    const uint32_t subnets = 1u << GOAL_SUBNET;
    struct decoder d = {
        .schema = schema,
        .payload = { data, len },
        .all_hosts = host_ip == goal_decode_all_hosts,
        .cb = cb,
        .aux = aux,
    };
    char *error;

    if (!version_is_known(version)) {
        return xasprintf("version %d of goal state is unknown", version);
    }
    d.version = &schema->versions[version - 1];
    host_filter_init(&d.filter, host_ip);
    wire_arena_init(&d.arena);

    error = decoder_survey(&d);
    if (!error && !host_filter_is_closed(&d.filter)) {
        error = decoder_run(&d, vpcs);
        error = error ? error : decoder_run(&d, subnets);
        error = error ? error : decoder_run(&d, ~(vpcs | subnets));
    }

    wire_arena_destroy(&d.arena);
    host_filter_destroy(&d.filter);
    return error;
}

char *
goal_decode_check(int version, const void *data, size_t len)
{
    const struct goal_version_schema *vs;
    struct wire_walk walk;
    struct wire_field field;
    size_t n_entries = 0;
    char *error;

    if (!version_is_known(version)) {
        return xasprintf("version %d of goal state is unknown", version);
    }
    vs = &goal_schema_get()->versions[version - 1];
    error = wire_check(vs->md, data, len);
    if (error) {
        return error;
    }

    wire_walk_init(&walk, data, len);
    while (wire_walk_next(&walk, &field)) {
        n_entries += field_kind(vs, field.number) >= 0;
    }
    return n_entries > MAX_ENTRIES ? too_many_entries(vs->md) : NULL;
}
