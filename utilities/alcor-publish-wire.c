/* SPDX-License-Identifier: Apache-2.0
 *
 * alcor-publish-wire: payloads as a server sees them. */

#include <config.h>

#include "utilities/alcor-publish-wire.h"

#include <string.h>

#include "ingest/wire-walk.h"
#include "openvswitch/ofpbuf.h"
#include "proto/envelope.pb-c.h"
#include "proto/goalstateprovisioner.pb-c.h"
#include "svec.h"
#include "util.h"

/* Generated names are long. */
typedef Alcor__Schema__GoalStateOperationReply reply_message;
typedef Alcor__Schema__GoalStateOperationReply__GoalStateOperationStatus
    reply_status;
typedef Alcor__Schema__HostRequestReply answer_message;
typedef Alcor__Schema__HostRequestReply__HostRequestOperationStatus
    answer_status;

#define ANSWER_STATUS_INIT                                              \
    ALCOR__SCHEMA__HOST_REQUEST_REPLY__HOST_REQUEST_OPERATION_STATUS__INIT

static void
put_message(const ProtobufCMessage *message, struct ofpbuf *buf)
{
    size_t size = protobuf_c_message_get_packed_size(message);

    protobuf_c_message_pack(message, ofpbuf_put_uninit(buf, size));
}

char *
wire_hello_topics(const void *data, size_t len, struct svec *topics)
{
    struct wire_arena arena;
    ProtobufCMessage *message;

    wire_arena_init(&arena);
    char *error = wire_unpack(&arena, &alcor__mq__hello__descriptor, data,
                              len, &message);
    if (!error) {
        const Alcor__Mq__Hello *hello = (const Alcor__Mq__Hello *) message;

        for (size_t i = 0; i < hello->n_topics; i++) {
            svec_add(topics, hello->topics[i]);
        }
    }
    wire_arena_destroy(&arena);
    return error;
}

char *
wire_reply_decode(const void *data, size_t len,
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
wire_reply_destroy(struct resource_status *statuses, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        free(statuses[i].id);
    }
    free(statuses);
}

/* Appends the answer to 'request' to 'buf', as wire_host_request_answer()
 * describes it.  Returns whether there is an AGENT_RESTARTED. */
static bool
put_answer(const Alcor__Schema__HostRequest *request, bool have_state,
           struct ofpbuf *buf)
{
    answer_message answer = ALCOR__SCHEMA__HOST_REQUEST_REPLY__INIT;
    size_t n = request->n_state_requests;
    answer_status *statuses = xcalloc(n, sizeof *statuses);
    answer_status **statusps = xcalloc(n, sizeof *statusps);
    bool any_restarted = false;

    for (size_t i = 0; i < n; i++) {
        bool restarted = (request->state_requests[i]->request_type
                          == ALCOR__SCHEMA__REQUEST_TYPE__AGENT_RESTARTED);

        statuses[i] = (answer_status) ANSWER_STATUS_INIT;
        statuses[i].request_id = request->state_requests[i]->request_id;
        statuses[i].operation_status
            = (restarted && have_state
               ? ALCOR__SCHEMA__OPERATION_STATUS__SUCCESS
               : ALCOR__SCHEMA__OPERATION_STATUS__FAILURE);
        statusps[i] = &statuses[i];
        any_restarted = any_restarted || restarted;
    }
    answer.format_version = 1;
    answer.n_operation_statuses = n;
    answer.operation_statuses = statusps;
    put_message(&answer.base, buf);

    free(statuses);
    free(statusps);
    return any_restarted;
}

char *
wire_host_request_answer(const void *data, size_t len, bool have_state,
                         bool *restartedp, struct ofpbuf *answer)
{
    struct wire_arena arena;
    ProtobufCMessage *message;

    *restartedp = false;
    wire_arena_init(&arena);
    char *error = wire_unpack(&arena, &alcor__schema__host_request__descriptor,
                              data, len, &message);
    if (!error) {
        *restartedp = put_answer((const Alcor__Schema__HostRequest *) message,
                                 have_state, answer);
    }
    wire_arena_destroy(&arena);
    return error;
}

void
wire_snapshot_begin_encode(const char *topic, struct ofpbuf *buf)
{
    Alcor__Mq__SnapshotBegin begin = ALCOR__MQ__SNAPSHOT_BEGIN__INIT;
    char *topics[] = { CONST_CAST(char *, topic) };

    begin.n_topics = topic ? 1 : 0;
    begin.topics = topics;
    put_message(&begin.base, buf);
}

void
wire_snapshot_end_encode(uint64_t epoch, const char *sender,
                         struct ofpbuf *buf)
{
    Alcor__Mq__SnapshotEnd end = ALCOR__MQ__SNAPSHOT_END__INIT;

    end.epoch = epoch;
    end.sender = CONST_CAST(char *, sender);
    put_message(&end.base, buf);
}
