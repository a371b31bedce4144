/* SPDX-License-Identifier: Apache-2.0
 *
 * envelope: the header of every message, and the small payloads. */

#include <config.h>

#include "ingest/envelope.h"

#include <stdlib.h>
#include <string.h>

#include "ingest/proto-field.h"
#include "ingest/wire-walk.h"
#include "openvswitch/ofpbuf.h"
#include "proto/envelope.pb-c.h"
#include "proto/goalstateprovisioner.pb-c.h"
#include "util.h"

/* An envelope is at most four ids and some numbers.  What newer versions may
 * add fits as well. */
#define ENVELOPE_MAX_LEN 65536

BUILD_ASSERT_DECL(MSG_PORT_EVENT == (int) ALCOR__MQ__KIND__PORT_EVENT);
BUILD_ASSERT_DECL(MSG_N_KINDS == MSG_PORT_EVENT + 1);
BUILD_ASSERT_DECL(GOAL_STATUS_OUT_OF_ORDER
                  == (int) ALCOR__SCHEMA__OPERATION_STATUS__OUT_OF_ORDER);
BUILD_ASSERT_DECL(HOST_REQUEST_RESTARTED
                  == (int) ALCOR__SCHEMA__REQUEST_TYPE__AGENT_RESTARTED);

static const char *
enum_to_string(const ProtobufCEnumDescriptor *ed, uint32_t number)
{
    const ProtobufCEnumValue *value;

    value = protobuf_c_enum_descriptor_get_value(ed, number);
    return value ? value->name : "unknown";
}

/* Returns the name of 'kind' as in the schema, "unknown" if it has none. */
const char *
envelope_kind_to_string(uint32_t kind)
{
    return enum_to_string(&alcor__mq__kind__descriptor, kind);
}

/* Returns the name of 'status' as in the schema, "unknown" if it has none. */
const char *
goal_status_to_string(enum goal_status status)
{
    return enum_to_string(&alcor__schema__operation_status__descriptor,
                          status);
}

/* Checks the id 's', of the envelope field called 'name'. */
static char *
check_id(const char *name, const char *s)
{
    char *error = proto_check_string(s, wire_string_length(s),
                                     PROTO_ID_MAX_LEN);
    if (error) {
        char *full = xasprintf("%s: %s", name, error);

        free(error);
        return full;
    }
    return NULL;
}

static char *
envelope_from_proto(const Alcor__Mq__Envelope *in, struct envelope *out)
{
    const struct {
        const char *name;
        const char *value;
    } ids[] = {
        { "message_id", in->message_id },
        { "correlation_id", in->correlation_id },
        { "sender", in->sender },
        { "transaction_id", in->transaction_id },
    };

    for (size_t i = 0; i < ARRAY_SIZE(ids); i++) {
        char *error = check_id(ids[i].name, ids[i].value);

        if (error) {
            return error;
        }
    }

    *out = (struct envelope) {
        .version = in->protocol_version,
        .kind = in->kind,
        .message_id = xstrdup(in->message_id),
        .correlation_id = xstrdup(in->correlation_id),
        .sender = xstrdup(in->sender),
        .epoch = in->epoch,
        .sequence = in->sequence,
        .sent_at = in->sent_at,
        .transaction_id = xstrdup(in->transaction_id),
    };
    return NULL;
}

char *
envelope_decode(const void *data, size_t len, struct envelope *envelope)
{
    struct wire_arena arena;
    ProtobufCMessage *message;
    char *error;

    if (len > ENVELOPE_MAX_LEN) {
        return xasprintf("envelope: %"PRIuSIZE" bytes, expected at most %d",
                         len, ENVELOPE_MAX_LEN);
    }

    wire_arena_init(&arena);
    error = wire_unpack(&arena, &alcor__mq__envelope__descriptor, data, len,
                        &message);
    if (!error) {
        error = envelope_from_proto((const Alcor__Mq__Envelope *) message,
                                    envelope);
    }
    wire_arena_destroy(&arena);
    return error;
}

/* Frees what 'envelope' points to, but not 'envelope' itself. */
void
envelope_destroy(struct envelope *envelope)
{
    if (envelope) {
        free(envelope->message_id);
        free(envelope->correlation_id);
        free(envelope->sender);
        free(envelope->transaction_id);
    }
}

/* Encoding. */

static void
put_message(const ProtobufCMessage *message, struct ofpbuf *buf)
{
    size_t size = protobuf_c_message_get_packed_size(message);

    protobuf_c_message_pack(message, ofpbuf_put_uninit(buf, size));
}

/* Returns 's' as protobuf-c wants it. */
static char *
string(const char *s)
{
    return CONST_CAST(char *, s ? s : protobuf_c_empty_string);
}

void
envelope_encode(const struct envelope *envelope, struct ofpbuf *buf)
{
    Alcor__Mq__Envelope m = ALCOR__MQ__ENVELOPE__INIT;

    m.protocol_version = envelope->version;
    m.kind = envelope->kind;
    m.message_id = string(envelope->message_id);
    m.correlation_id = string(envelope->correlation_id);
    m.sender = string(envelope->sender);
    m.epoch = envelope->epoch;
    m.sequence = envelope->sequence;
    m.sent_at = envelope->sent_at;
    m.transaction_id = string(envelope->transaction_id);
    put_message(&m.base, buf);
}

static int
compare_positions(const void *a_, const void *b_)
{
    const struct topic_position *const *a = a_;
    const struct topic_position *const *b = b_;

    return strcmp((*a)->topic, (*b)->topic);
}

/* Appends a Hello.  Positions are written in the order of their topics, so
 * that equal hellos are equal bytes. */
void
hello_encode(const struct hello *hello, struct ofpbuf *buf)
{
    Alcor__Mq__Hello m = ALCOR__MQ__HELLO__INIT;
    size_t n = hello->n_positions;
    Alcor__Mq__Hello__PositionsEntry *entries = xcalloc(n, sizeof *entries);
    Alcor__Mq__Hello__PositionsEntry **entryps = xcalloc(n, sizeof *entryps);
    const struct topic_position **sorted = xcalloc(n, sizeof *sorted);

    for (size_t i = 0; i < n; i++) {
        sorted[i] = &hello->positions[i];
    }
    if (n) {
        qsort(sorted, n, sizeof *sorted, compare_positions);
    }
    for (size_t i = 0; i < n; i++) {
        alcor__mq__hello__positions_entry__init(&entries[i]);
        entries[i].key = string(sorted[i]->topic);
        entries[i].value = sorted[i]->sequence;
        entryps[i] = &entries[i];
    }

    m.node_id = string(hello->node_id);
    m.host_ip = string(hello->host_ip);
    m.agent_version = string(hello->agent_version);
    m.n_topics = hello->n_topics;
    m.topics = (char **) hello->topics;
    m.n_positions = n;
    m.positions = entryps;
    m.epoch = hello->epoch;
    m.sender = string(hello->sender);
    put_message(&m.base, buf);

    free(sorted);
    free(entryps);
    free(entries);
}

/* Generated names that start like this are too long to be written out. */
#define REPLY(NAME) alcor__schema__goal_state_operation_reply__##NAME

void
reply_encode(const struct resource_status *statuses, size_t n,
             uint32_t total_usec, struct ofpbuf *buf)
{
    typedef Alcor__Schema__GoalStateOperationReply__GoalStateOperationStatus
        status_message;
    Alcor__Schema__GoalStateOperationReply m
        = ALCOR__SCHEMA__GOAL_STATE_OPERATION_REPLY__INIT;
    status_message *messages = xcalloc(n, sizeof *messages);
    status_message **messageps = xcalloc(n, sizeof *messageps);

    for (size_t i = 0; i < n; i++) {
        const struct resource_status *in = &statuses[i];
        status_message *out = messageps[i] = &messages[i];

        REPLY(goal_state_operation_status__init)(out);
        out->resource_id = string(in->id);
        out->resource_type = in->kind;
        out->operation_type = in->operation;
        out->operation_status = (int) in->status;
        out->dataplane_programming_time = in->programming_usec;
        out->network_configuration_time = in->configuration_usec;
        out->state_elapse_time = in->elapsed_usec;
    }

    m.format_version = 1;
    m.n_operation_statuses = n;
    m.operation_statuses = messageps;
    m.message_total_operation_time = total_usec;
    put_message(&m.base, buf);

    free(messageps);
    free(messages);
}

/* Appends a HostRequest with the 'n' requests at 'requests'. */
void
host_request_encode(const struct host_request *requests, size_t n,
                    struct ofpbuf *buf)
{
    typedef Alcor__Schema__HostRequest__ResourceStateRequest request_message;
    Alcor__Schema__HostRequest m = ALCOR__SCHEMA__HOST_REQUEST__INIT;
    request_message *messages = xcalloc(n, sizeof *messages);
    request_message **messageps = xcalloc(n, sizeof *messageps);

    for (size_t i = 0; i < n; i++) {
        const struct host_request *in = &requests[i];
        request_message *out = messageps[i] = &messages[i];

        alcor__schema__host_request__resource_state_request__init(out);
        out->request_type = (int) in->type;
        out->request_id = string(in->request_id);
        out->tunnel_id = in->tunnel_id;
        out->source_ip = string(in->source_ip);
        out->source_port = in->source_port;
        out->destination_ip = string(in->destination_ip);
        out->destination_port = in->destination_port;
        out->ethertype = in->ethertype;
        out->protocol = in->protocol;
    }

    m.format_version = 1;
    m.n_state_requests = n;
    m.state_requests = messageps;
    put_message(&m.base, buf);

    free(messageps);
    free(messages);
}
