/* SPDX-License-Identifier: Apache-2.0
 *
 * control: the payloads of the control channel that are not goal state. */

#include <config.h>

#include "ingest/control.h"

#include <string.h>
#include "ingest/proto-field.h"
#include "ingest/wire-walk.h"
#include "openvswitch/ofpbuf.h"
#include "proto/envelope.pb-c.h"
#include "proto/goalstateprovisioner.pb-c.h"
#include "proto/subscribeinfoprovisioner.pb-c.h"
#include "util.h"

/* The largest of these payloads is a list of topics. */
#define CONTROL_MAX_LEN (CONTROL_MAX_TOPICS * 32)

/* Unpacks 'data' into 'arena', which the caller must destroy in any case.
 * Returns NULL and stores an error in '*errorp' if that fails. */
static const ProtobufCMessage *
unpack(struct wire_arena *arena, const ProtobufCMessageDescriptor *descriptor,
       const void *data, size_t len, char **errorp)
{
    ProtobufCMessage *m = NULL;

    wire_arena_init(arena);
    *errorp = (len > CONTROL_MAX_LEN
               ? xasprintf("%"PRIuSIZE" bytes, expected at most %d", len,
                           CONTROL_MAX_LEN)
               : wire_unpack(arena, descriptor, data, len, &m));
    return *errorp ? NULL : m;
}

static char *
check_text(const char *what, const char *s, bool required)
{
    size_t len = wire_string_length(s);
    char *error = proto_check_string(s, len, PROTO_ID_MAX_LEN);

    if (!error && required && !len) {
        error = xstrdup("empty, expected 1 to 255 bytes");
    }
    if (error) {
        char *full = xasprintf("%s: %s", what, error);

        free(error);
        return full;
    }
    return NULL;
}

void
publisher_positions_destroy(struct publisher_positions *pp)
{
    for (size_t i = 0; i < pp->n_positions; i++) {
        free(pp->positions[i].topic);
    }
    free(pp->positions);
    for (size_t i = 0; i < pp->n_topics; i++) {
        free(pp->topics[i]);
    }
    free(pp->topics);
    free(pp->sender);
    memset(pp, 0, sizeof *pp);
}

void
publisher_positions_add(struct publisher_positions *pp, const char *sender,
                        uint64_t epoch, const char *topic, uint64_t sequence)
{
    size_t n = pp->n_positions;

    if (!pp->sender) {
        pp->sender = xstrdup(sender);
        pp->epoch = epoch;
    }
    if (!(n & (n - 1))) {               /* Full at each power of 2. */
        pp->positions = xrealloc(pp->positions,
                                 MAX(2 * n, 1) * sizeof *pp->positions);
    }
    pp->positions[pp->n_positions++] = (struct topic_position) {
        xstrdup(topic), sequence
    };
}

static char *
add_position(struct publisher_positions *pp, const char *topic,
             uint64_t sequence)
{
    char *error = check_text("positions", topic, true);

    if (!error) {
        pp->positions[pp->n_positions++] = (struct topic_position) {
            xstrdup(topic), sequence
        };
    }
    return error;
}

static char *
add_topics(struct publisher_positions *pp, char *const *topics, size_t n)
{
    char *error = NULL;

    pp->topics = xcalloc(n, sizeof *pp->topics);
    for (size_t i = 0; i < n && !error; i++) {
        error = check_text("topics", topics[i], true);
        if (!error) {
            pp->topics[pp->n_topics++] = xstrdup(topics[i]);
        }
    }
    return error;
}

static char *
set_sender(struct publisher_positions *pp, const char *sender, uint64_t epoch,
           size_t n_positions)
{
    char *error = check_text("sender", sender, false);

    if (!error) {
        pp->sender = xstrdup(sender);
        pp->epoch = epoch;
        pp->positions = xcalloc(n_positions, sizeof *pp->positions);
    }
    return error;
}

static char *
fill_from_hello(const ProtobufCMessage *base, struct publisher_positions *pp)
{
    const Alcor__Mq__Hello *m = (const Alcor__Mq__Hello *) base;
    char *error = set_sender(pp, m->sender, m->epoch, m->n_positions);

    if (!error) {
        error = add_topics(pp, m->topics, m->n_topics);
    }
    for (size_t i = 0; i < m->n_positions && !error; i++) {
        error = add_position(pp, m->positions[i]->key,
                             m->positions[i]->value);
    }
    return error;
}

static char *
fill_from_snapshot_end(const ProtobufCMessage *base,
                       struct publisher_positions *pp)
{
    const Alcor__Mq__SnapshotEnd *m = (const Alcor__Mq__SnapshotEnd *) base;
    char *error = set_sender(pp, m->sender, m->epoch, m->n_positions);

    for (size_t i = 0; i < m->n_positions && !error; i++) {
        error = add_position(pp, m->positions[i]->key,
                             m->positions[i]->value);
    }
    return error;
}

static char *
fill_from_snapshot_begin(const ProtobufCMessage *base,
                         struct publisher_positions *pp)
{
    const Alcor__Mq__SnapshotBegin *m
        = (const Alcor__Mq__SnapshotBegin *) base;

    pp->sender = xstrdup("");
    return add_topics(pp, m->topics, m->n_topics);
}

typedef char *fill_function(const ProtobufCMessage *,
                            struct publisher_positions *);

static char *
positions_decode(const ProtobufCMessageDescriptor *descriptor,
                 const void *data, size_t len, fill_function *fill,
                 struct publisher_positions *pp)
{
    struct wire_arena arena;
    char *error;
    const ProtobufCMessage *m = unpack(&arena, descriptor, data, len, &error);

    memset(pp, 0, sizeof *pp);
    if (m) {
        error = fill(m, pp);
    }
    wire_arena_destroy(&arena);
    if (error) {
        publisher_positions_destroy(pp);
    }
    return error;
}

char *
hello_reply_decode(const void *data, size_t len,
                   struct publisher_positions *pp)
{
    return positions_decode(&alcor__mq__hello__descriptor, data, len,
                            fill_from_hello, pp);
}

char *
snapshot_end_decode(const void *data, size_t len,
                    struct publisher_positions *pp)
{
    return positions_decode(&alcor__mq__snapshot_end__descriptor, data, len,
                            fill_from_snapshot_end, pp);
}

char *
snapshot_begin_decode(const void *data, size_t len,
                      struct publisher_positions *pp)
{
    return positions_decode(&alcor__mq__snapshot_begin__descriptor, data, len,
                            fill_from_snapshot_begin, pp);
}

void
host_reply_destroy(struct host_reply *reply)
{
    for (size_t i = 0; i < reply->n; i++) {
        free(reply->statuses[i].request_id);
    }
    free(reply->statuses);
    memset(reply, 0, sizeof *reply);
}

char *
host_reply_decode(const void *data, size_t len, struct host_reply *reply)
{
    struct wire_arena arena;
    char *error;
    const ProtobufCMessage *base = unpack(
        &arena, &alcor__schema__host_request_reply__descriptor, data, len,
        &error);
    const Alcor__Schema__HostRequestReply *m
        = (const Alcor__Schema__HostRequestReply *) base;

    memset(reply, 0, sizeof *reply);
    if (!m) {
        wire_arena_destroy(&arena);
        return error;
    }
    reply->statuses = xcalloc(m->n_operation_statuses,
                              sizeof *reply->statuses);
    for (size_t i = 0; i < m->n_operation_statuses && !error; i++) {
        const char *id = m->operation_statuses[i]->request_id;

        error = check_text("request_id", id, false);
        if (!error) {
            struct host_reply_status *s = &reply->statuses[reply->n++];

            s->request_id = xstrdup(id);
            s->status = (int) m->operation_statuses[i]->operation_status;
        }
    }
    wire_arena_destroy(&arena);
    if (error) {
        host_reply_destroy(reply);
    }
    return error;
}

void
subscribe_info_destroy(struct subscribe_info *info)
{
    free(info->topic);
    free(info->key);
}

char *
subscribe_info_decode(const void *data, size_t len,
                      struct subscribe_info *info)
{
    struct wire_arena arena;
    char *error;
    const ProtobufCMessage *base = unpack(
        &arena, &alcor__schema__node_subscribe_info__descriptor, data, len,
        &error);
    const Alcor__Schema__NodeSubscribeInfo *m
        = (const Alcor__Schema__NodeSubscribeInfo *) base;

    memset(info, 0, sizeof *info);
    if (!m) {
        wire_arena_destroy(&arena);
        return error;
    }
    info->parsed = true;
    error = check_text("topic", m->topic, true);
    if (!error) {
        error = check_text("key", m->key, false);
    }
    if (!error && m->subscribe_operation
                  != ALCOR__SCHEMA__SUBSCRIBE_OPERATION__Subscribe
        && m->subscribe_operation
           != ALCOR__SCHEMA__SUBSCRIBE_OPERATION__Unsubscribe) {
        error = xasprintf("subscribe_operation: %d, expected Subscribe or "
                          "Unsubscribe", (int) m->subscribe_operation);
    }
    if (!error) {
        info->join = (m->subscribe_operation
                      == ALCOR__SCHEMA__SUBSCRIBE_OPERATION__Subscribe);
        info->topic = xstrdup(m->topic);
        info->key = xstrdup(m->key);
    }
    wire_arena_destroy(&arena);
    return error;
}

static void
put_message(const ProtobufCMessage *m, struct ofpbuf *buf)
{
    size_t len = protobuf_c_message_get_packed_size(m);

    protobuf_c_message_pack(m, ofpbuf_put_uninit(buf, len));
}

void
subscribe_reply_encode(enum goal_status status, struct ofpbuf *buf)
{
    Alcor__Schema__SubscribeOperationReply m
        = ALCOR__SCHEMA__SUBSCRIBE_OPERATION_REPLY__INIT;

    m.operationstatus = (int) status;
    put_message(&m.base, buf);
}

void
port_event_encode(const char *port_id, bool active, const char *reason,
                  struct ofpbuf *buf)
{
    Alcor__Mq__PortEvent m = ALCOR__MQ__PORT_EVENT__INIT;

    m.port_id = CONST_CAST(char *, port_id);
    m.active = active;
    m.reason = CONST_CAST(char *, reason);
    put_message(&m.base, buf);
}
