/* SPDX-License-Identifier: Apache-2.0
 *
 * control-server: payloads of the control channel as a server sees them. */

#include <config.h>

#include "ingest/control-server.h"

#include <string.h>

#include "ingest/proto-field.h"
#include "ingest/wire-walk.h"
#include "openvswitch/ofpbuf.h"
#include "proto/envelope.pb-c.h"
#include "proto/goalstateprovisioner.pb-c.h"
#include "proto/subscribeinfoprovisioner.pb-c.h"
#include "util.h"

/* A HOST_REQUEST with more entries than this is refused. */
#define MAX_REQUESTS 65536

/* Generated names are long. */
typedef Alcor__Schema__GoalStateOperationReply reply_message;
typedef Alcor__Schema__GoalStateOperationReply__GoalStateOperationStatus
    reply_status;
typedef Alcor__Schema__HostRequest__ResourceStateRequest request_message;
typedef Alcor__Schema__HostRequestReply answer_message;
typedef Alcor__Schema__HostRequestReply__HostRequestOperationStatus
    answer_status;

#define ANSWER_STATUS_INIT                                              \
    ALCOR__SCHEMA__HOST_REQUEST_REPLY__HOST_REQUEST_OPERATION_STATUS__INIT

/* Field numbers of Hello, GoalStateOperationReply and its status. */
enum { HELLO_NODE_ID = 1, HELLO_HOST_IP = 2, HELLO_VERSION = 3 };
enum { REPLY_STATUSES = 2 };
enum { STATUS_ID = 1, STATUS_KIND = 2, STATUS_STATUS = 4, STATUS_PROGRAMMING,
       STATUS_CONFIGURATION, STATUS_ELAPSED };

static void
put_message(const ProtobufCMessage *message, struct ofpbuf *buf)
{
    size_t size = protobuf_c_message_get_packed_size(message);

    protobuf_c_message_pack(message, ofpbuf_put_uninit(buf, size));
}

/* HELLO. */

void
hello_message_destroy(struct hello_message *hello)
{
    free(hello->node_id);
    free(hello->host_ip);
    free(hello->version);
    publisher_positions_destroy(&hello->pp);
}

/* Stores a copy of a string field of a Hello, "" if there is none. */
static char *
copy_field(struct wire_bytes message, uint32_t number, const char *name,
           bool required, char **sp)
{
    struct wire_bytes field = wire_find(message, number);
    char *s = (field.len ? xmemdup0((const char *) field.data, field.len)
               : xstrdup(""));
    char *error = (required && !field.len
                   ? xstrdup("empty, expected 1 to 255 bytes")
                   : proto_check_string(s, field.len, PROTO_ID_MAX_LEN));
    if (error) {
        char *full = xasprintf("%s: %s", name, error);

        free(error);
        free(s);
        return full;
    }
    *sp = s;
    return NULL;
}

char *
hello_decode(const void *data, size_t len, struct hello_message *hello)
{
    struct wire_bytes message = { data, len };

    memset(hello, 0, sizeof *hello);
    char *error = hello_reply_decode(data, len, &hello->pp);
    if (error) {
        return error;
    }
    error = copy_field(message, HELLO_NODE_ID, "node_id", true,
                       &hello->node_id);
    if (!error) {
        error = copy_field(message, HELLO_HOST_IP, "host_ip", false,
                           &hello->host_ip);
    }
    if (!error) {
        error = copy_field(message, HELLO_VERSION, "agent_version", false,
                           &hello->version);
    }
    if (error) {
        hello_message_destroy(hello);
    }
    return error;
}

/* GOAL_STATE_REPLY. */

char *
reply_decode(const void *data, size_t len,
             struct resource_status **statusesp, size_t *np)
{
    struct wire_arena arena;
    ProtobufCMessage *message;

    *statusesp = NULL;
    *np = 0;
    wire_arena_init(&arena);
    char *error = wire_unpack(
        &arena, &alcor__schema__goal_state_operation_reply__descriptor, data,
        len, &message);
    if (!error) {
        const reply_message *reply = (const reply_message *) message;

        *np = reply->n_operation_statuses;
        *statusesp = xcalloc(*np, sizeof **statusesp);
        for (size_t i = 0; i < *np; i++) {
            const reply_status *in = reply->operation_statuses[i];

            (*statusesp)[i] = (struct resource_status) {
                .id = xstrdup(in->resource_id),
                .kind = in->resource_type,
                .operation = in->operation_type,
                .status = (enum goal_status) in->operation_status,
                .programming_usec = in->dataplane_programming_time,
                .configuration_usec = in->network_configuration_time,
                .elapsed_usec = in->state_elapse_time,
            };
        }
    }
    wire_arena_destroy(&arena);
    return error;
}

void
reply_destroy(struct resource_status *statuses, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        free(statuses[i].id);
    }
    free(statuses);
}

/* Reads one status.  Returns its value of OperationStatus. */
static uint32_t
walk_status(struct wire_bytes bytes, struct reply_exception *e,
            struct resource_status *worst)
{
    struct wire_walk walk;
    struct wire_field field;
    uint32_t status = GOAL_STATUS_SUCCESS;

    *e = (struct reply_exception) { .id = "" };
    wire_walk_init(&walk, bytes.data, bytes.len);
    while (wire_walk_next(&walk, &field)) {
        uint32_t value = field.value;

        switch (field.number) {
        case STATUS_ID:
            e->id = (const char *) field.data;
            e->id_len = field.type == WIRE_BYTES ? field.len : 0;
            break;
        case STATUS_KIND:
            e->kind = value;
            break;
        case STATUS_STATUS:
            status = value;
            break;
        case STATUS_PROGRAMMING:
            worst->programming_usec = MAX(worst->programming_usec, value);
            break;
        case STATUS_CONFIGURATION:
            worst->configuration_usec = MAX(worst->configuration_usec, value);
            break;
        case STATUS_ELAPSED:
            worst->elapsed_usec = MAX(worst->elapsed_usec, value);
            break;
        }
    }
    return status;
}

char *
reply_walk(const void *data, size_t len,
           void (*cb)(const struct reply_exception *, void *aux), void *aux,
           struct resource_status *worst)
{
    char *error = wire_check(
        &alcor__schema__goal_state_operation_reply__descriptor, data, len);
    struct wire_walk walk;
    struct wire_field field;

    memset(worst, 0, sizeof *worst);
    if (error) {
        return error;
    }
    wire_walk_init(&walk, data, len);
    while (wire_walk_next(&walk, &field)) {
        struct reply_exception e;

        if (field.number == REPLY_STATUSES) {
            uint32_t status = walk_status(
                (struct wire_bytes) { field.data, field.len }, &e, worst);

            /* A status from a later version is no success. */
            e.status = (status > GOAL_STATUS_OUT_OF_ORDER
                        ? GOAL_STATUS_FAILURE : (enum goal_status) status);
            if (e.status != GOAL_STATUS_SUCCESS) {
                cb(&e, aux);
            }
        }
    }
    return NULL;
}

/* HOST_REQUEST. */

void
host_requests_destroy(struct host_requests *requests)
{
    for (size_t i = 0; i < requests->n; i++) {
        free(CONST_CAST(char *, requests->requests[i].request_id));
        free(CONST_CAST(char *, requests->requests[i].source_ip));
        free(CONST_CAST(char *, requests->requests[i].destination_ip));
    }
    free(requests->requests);
    memset(requests, 0, sizeof *requests);
}

char *
host_requests_decode(const void *data, size_t len,
                     struct host_requests *requests)
{
    struct wire_arena arena;
    ProtobufCMessage *message;

    memset(requests, 0, sizeof *requests);
    wire_arena_init(&arena);
    char *error = wire_unpack(&arena, &alcor__schema__host_request__descriptor,
                              data, len, &message);
    if (!error) {
        const Alcor__Schema__HostRequest *m
            = (const Alcor__Schema__HostRequest *) message;

        if (m->n_state_requests > MAX_REQUESTS) {
            error = xasprintf("%"PRIuSIZE" requests, expected at most %d",
                              m->n_state_requests, MAX_REQUESTS);
        }
        requests->n = error ? 0 : m->n_state_requests;
        requests->requests = xcalloc(requests->n,
                                     sizeof *requests->requests);
        for (size_t i = 0; i < requests->n; i++) {
            const request_message *in = m->state_requests[i];

            requests->requests[i] = (struct host_request) {
                .type = (enum host_request_type) in->request_type,
                .request_id = xstrdup(in->request_id),
                .tunnel_id = in->tunnel_id,
                .source_ip = xstrdup(in->source_ip),
                .source_port = in->source_port,
                .destination_ip = xstrdup(in->destination_ip),
                .destination_port = in->destination_port,
                .ethertype = in->ethertype,
                .protocol = in->protocol,
            };
        }
    }
    wire_arena_destroy(&arena);
    return error;
}

void
host_reply_encode(const struct host_request *requests,
                  const enum goal_status *statuses, size_t n,
                  uint32_t total_usec, struct ofpbuf *buf)
{
    answer_message answer = ALCOR__SCHEMA__HOST_REQUEST_REPLY__INIT;
    answer_status *out = xcalloc(n, sizeof *out);
    answer_status **outps = xcalloc(n, sizeof *outps);

    for (size_t i = 0; i < n; i++) {
        out[i] = (answer_status) ANSWER_STATUS_INIT;
        out[i].request_id = CONST_CAST(char *, requests[i].request_id);
        out[i].operation_status = (int) statuses[i];
        outps[i] = &out[i];
    }
    answer.format_version = 1;
    answer.n_operation_statuses = n;
    answer.operation_statuses = outps;
    answer.total_operation_time = total_usec;
    put_message(&answer.base, buf);
    free(out);
    free(outps);
}

/* Snapshots. */

void
snapshot_begin_encode(const char *const *topics, size_t n_topics,
                      struct ofpbuf *buf)
{
    Alcor__Mq__SnapshotBegin begin = ALCOR__MQ__SNAPSHOT_BEGIN__INIT;

    begin.n_topics = n_topics;
    begin.topics = (char **) topics;
    put_message(&begin.base, buf);
}

void
snapshot_end_encode(uint64_t epoch, const char *sender,
                    const struct topic_position *positions, size_t n,
                    struct ofpbuf *buf)
{
    typedef Alcor__Mq__SnapshotEnd__PositionsEntry entry_message;
    Alcor__Mq__SnapshotEnd end = ALCOR__MQ__SNAPSHOT_END__INIT;
    entry_message *entries = xcalloc(n, sizeof *entries);
    entry_message **entryps = xcalloc(n, sizeof *entryps);

    for (size_t i = 0; i < n; i++) {
        alcor__mq__snapshot_end__positions_entry__init(&entries[i]);
        entries[i].key = positions[i].topic;
        entries[i].value = positions[i].sequence;
        entryps[i] = &entries[i];
    }
    end.epoch = epoch;
    end.sender = CONST_CAST(char *, sender);
    end.n_positions = n;
    end.positions = entryps;
    put_message(&end.base, buf);
    free(entries);
    free(entryps);
}

void
subscribe_info_encode(bool join, const char *topic, const char *key,
                      struct ofpbuf *buf)
{
    Alcor__Schema__NodeSubscribeInfo m
        = ALCOR__SCHEMA__NODE_SUBSCRIBE_INFO__INIT;

    m.subscribe_operation
        = (join ? ALCOR__SCHEMA__SUBSCRIBE_OPERATION__Subscribe
           : ALCOR__SCHEMA__SUBSCRIBE_OPERATION__Unsubscribe);
    m.topic = CONST_CAST(char *, topic);
    m.key = CONST_CAST(char *, key);
    put_message(&m.base, buf);
}
