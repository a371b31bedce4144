/* SPDX-License-Identifier: Apache-2.0
 *
 * agent-messages: what comes in by the transport, and what goes out. */

#include <config.h>

#include "agent-gateway.h"
#include "agent-private.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include "apply/commit.h"
#include "coverage.h"
#include "fault-point.h"
#include "feedback/ack.h"
#include "feedback/port-event.h"
#include "ingest/control.h"
#include "ingest/envelope.h"
#include "ingest/goal-decode.h"
#include "ingest/resync.h"
#include "ingest/transport-provider.h"
#include "limit.h"
#include "openvswitch/ofpbuf.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "store/goal-admission.h"
#include "store/goal-store.h"
#include "timeval.h"
#include "translate/translator.h"
#include "util.h"
#include "uuid.h"

VLOG_DEFINE_THIS_MODULE(agent_messages);

COVERAGE_DEFINE(agent_message);
COVERAGE_DEFINE(agent_duplicate);
COVERAGE_DEFINE(agent_invalid_resource);

/* No message is taken while more than this many resources wait for
 * translation: the rest waits in the transport, which is bounded. */
#define MAX_BACKLOG 32768

/* Nor while more than this many resources wait to be answered, which takes up
 * to ACK_TIMEOUT_MSEC when the switch is away. */
#define MAX_UNANSWERED (256 * 1024)

LIMIT_DEFINE(translator_backlog, MAX_BACKLOG, 1, LIMIT_WAITS)
LIMIT_DEFINE(unanswered_resources, MAX_UNANSWERED, 1, LIMIT_WAITS)

/* Messages taken in one round of the main loop. */
#define MAX_MESSAGES 16

static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(5, 20);

/* Sending. */

/* Sends a message on the control channel, with the kind, correlation id and
 * transaction id of 'about'.  Returns its id, owned by the caller, or NULL if
 * it could not be sent. */
char *
agent_send_about(struct agent *agent, const struct envelope *about,
                 const void *payload, size_t len)
{
    struct uuid uuid;

    if (!agent->transport) {
        return NULL;
    }
    uuid_generate(&uuid);
    char *id = xasprintf(UUID_FMT, UUID_ARGS(&uuid));
    struct envelope envelope = {
        .version = ENVELOPE_VERSION,
        .kind = about->kind,
        .message_id = id,
        .correlation_id = about->correlation_id,
        .transaction_id = about->transaction_id,
        .sender = agent->config.node_id,
        .epoch = agent->epoch,
        .sent_at = time_wall_msec() * UINT64_C(1000),
    };
    uint64_t stub[256 / 8];
    struct ofpbuf frame;

    ofpbuf_use_stub(&frame, stub, sizeof stub);
    envelope_encode(&envelope, &frame);
    bool is_reply = (about->kind == MSG_GOAL_STATE_REPLY
                     || about->kind == MSG_TXN_VOTE
                     || about->kind == MSG_TXN_DONE);
    int error = (is_reply && FAULT_POINT_NOW(REPLY_BEFORE) ? EIO
                 : transport_send(agent->transport, frame.data, frame.size,
                                  payload, len));
    if (!error && is_reply && FAULT_POINT_NOW(REPLY_AFTER)) {
        error = EIO;
    }
    if (error) {
        VLOG_INFO_RL(&rl, "%s could not be sent (%s)",
                     envelope_kind_to_string(about->kind),
                     ovs_strerror(error));
    }
    ofpbuf_uninit(&frame);
    if (error) {
        free(id);
        return NULL;
    }
    return id;
}

/* The same, for what is about no transaction. */
char *
agent_send(struct agent *agent, enum envelope_kind kind,
           const char *correlation_id, const void *payload, size_t len)
{
    const struct envelope about = {
        .kind = kind, .correlation_id = CONST_CAST(char *, correlation_id),
    };

    return agent_send_about(agent, &about, payload, len);
}

/* Answers a message as a whole: one status with an empty resource id. */
void
agent_send_verdict(struct agent *agent, const char *message_id,
             enum goal_status verdict)
{
    struct resource_status status = { .id = "", .status = verdict };
    uint64_t stub[64 / 8];
    struct ofpbuf payload;

    if (!message_id[0]) {
        return;
    }
    ofpbuf_use_stub(&payload, stub, sizeof stub);
    reply_encode(&status, 1, 0, &payload);
    free(agent_send(agent, MSG_GOAL_STATE_REPLY, message_id, payload.data,
                 payload.size));
    ofpbuf_uninit(&payload);
}

/* What ack.h wants to know. */

static struct ack_mark
get_mark(void *agent_)
{
    struct agent *agent = agent_;
    struct translator_mark mark = translator_mark(agent->translator);
    struct ack_mark result;

    BUILD_ASSERT(sizeof result == sizeof mark);
    memcpy(&result, &mark, sizeof result);
    return result;
}

static bool
get_reached(const struct ack_mark *ack_mark, void *agent_)
{
    struct agent *agent = agent_;
    struct translator_mark mark;

    memcpy(&mark, ack_mark, sizeof mark);
    return translator_reached(agent->translator, &mark);
}

static uint64_t
get_seqno(void *agent_)
{
    struct agent *agent = agent_;

    return translator_seqno(agent->translator);
}

static enum ack_state
get_state(const struct goal_key *key, void *agent_)
{
    struct agent *agent = agent_;

    switch (translator_status(agent->translator, key, NULL)) {
    case UNIT_WAIT: return ACK_PENDING;
    case UNIT_PARTIAL: return ACK_PARTIAL;
    case UNIT_REJECT: return ACK_INVALID;
    case UNIT_FAILED: return ACK_FAILED;
    case UNIT_DONE: break;
    }
    return ACK_DONE;
}

static struct ds_mark
get_commit_mark(void *agent_)
{
    struct agent *agent = agent_;

    return ds_mark(agent->ds);
}

static bool
get_commit_reached(const struct ds_mark *mark, void *agent_)
{
    struct agent *agent = agent_;

    return (commit_reached(agent->commit, mark)
            && agent_gateway_is_settled(agent));
}

static void
send_reply(const char *correlation_id, const void *payload, size_t len,
           void *agent_)
{
    free(agent_send(agent_, MSG_GOAL_STATE_REPLY, correlation_id, payload,
                    len));
}

const struct ack_class agent_ack_class = {
    .mark = get_mark,
    .reached = get_reached,
    .seqno = get_seqno,
    .state = get_state,
    .commit_mark = get_commit_mark,
    .commit_reached = get_commit_reached,
    .send = send_reply,
};

static void
send_port_event(const char *port_id, bool active, const char *reason,
                void *agent_)
{
    uint64_t stub[512 / 8];
    struct ofpbuf payload;

    ofpbuf_use_stub(&payload, stub, sizeof stub);
    port_event_encode(port_id, active, reason, &payload);
    free(agent_send(agent_, MSG_PORT_EVENT, NULL, payload.data, payload.size));
    ofpbuf_uninit(&payload);
}

const struct port_events_class agent_port_events_class = {
    .commit_reached = get_commit_reached,
    .send = send_port_event,
};

/* Goal state. */

/* A goal-state message being stored. */
struct intake {
    struct agent *agent;
    struct goal_admission admission;
    struct ack_message *ack;
    const struct envelope *envelope;
    char *error;                /* Of the store, which ends it. */
};

static void
refuse_entry(struct intake *intake, const struct goal_entry *entry,
             enum goal_status status, const char *error)
{
    COVERAGE_INC(agent_invalid_resource);
    intake->agent->counters.invalid++;
    VLOG_INFO_RL(&rl, "message %s from %s: %s %s: %s",
                 intake->envelope->message_id, intake->envelope->sender,
                 entry->kind < GOAL_N_KINDS ? goal_kinds[entry->kind].name
                 : "resource", entry->id, error);
    ack_add_final(intake->ack, entry->kind, entry->id, entry->operation,
                  status);
}

static void
put_entry(struct intake *intake, const struct goal_entry *entry)
{
    struct agent *agent = intake->agent;
    struct goal_key key;
    enum goal_write result;
    char *error = goal_admission_check(&intake->admission, entry->resource,
                                       entry->full);

    if (error) {
        refuse_entry(intake, entry, GOAL_STATUS_INVALID_ARG, error);
        free(error);
        return;
    }
    intake->error = goal_store_put(agent->store, entry->resource,
                                   (entry->created ? GOAL_CREATE
                                    : entry->full ? GOAL_REPLACE
                                    : GOAL_MERGE),
                                   &key, &result);
    if (intake->error) {
        return;
    }
    if (result == GOAL_STALE) {
        agent->counters.stale++;
        ack_add_final(intake->ack, entry->kind, entry->id, entry->operation,
                      GOAL_STATUS_OUT_OF_ORDER);
        return;
    }
    translator_retry(agent->translator, &key);
    ack_add(intake->ack, &key, entry->id, entry->operation);
}

static void
delete_entry(struct intake *intake, const struct goal_entry *entry)
{
    struct goal_key key;
    enum goal_write result;

    goal_admission_forget(&intake->admission);
    intake->error = goal_store_delete(intake->agent->store, entry->kind,
                                      entry->id, entry->resource->revision,
                                      &key, &result);
    if (intake->error) {
        return;
    }
    if (result == GOAL_STALE) {
        intake->agent->counters.stale++;
        ack_add_final(intake->ack, entry->kind, entry->id, entry->operation,
                      GOAL_STATUS_OUT_OF_ORDER);
    } else {
        /* If it is absent, its flows may still be there. */
        ack_add(intake->ack, &key, entry->id, entry->operation);
    }
}

/* True if the message was missed and comes only now, and something newer has
 * written the resource meanwhile, which stays. */
static bool
is_overtaken(const struct agent *agent, const struct goal_entry *entry)
{
    struct goal_origin writer;
    bool overtaken;

    if (!agent->replaying) {
        return false;
    }
    overtaken = (agent_find_writer(agent, entry->kind, entry->id, &writer)
                 && resync_is_past_replay(agent->resync, writer.sender,
                                          writer.epoch, writer.topic,
                                          writer.sequence));
    agent_writer_destroy(&writer);
    return overtaken;
}

static void
ack_overtaken(struct intake *intake, const struct goal_entry *entry)
{
    struct goal_key key;

    if (goal_store_lookup(intake->agent->store, entry->kind, entry->id,
                          &key)) {
        ack_add(intake->ack, &key, entry->id, entry->operation);
    } else {
        ack_add_final(intake->ack, entry->kind, entry->id, entry->operation,
                      GOAL_STATUS_SUCCESS);
    }
}

static void
take_entry(const struct goal_entry *entry, void *intake_)
{
    struct intake *intake = intake_;
    bool failed_before = intake->error != NULL;

    intake->agent->counters.resources++;
    if (intake->error) {
        ack_add_final(intake->ack, entry->kind, entry->id, entry->operation,
                      GOAL_STATUS_FAILURE);
    } else if (entry->error) {
        refuse_entry(intake, entry, entry->status, entry->error);
    } else if (is_overtaken(intake->agent, entry)) {
        ack_overtaken(intake, entry);
    } else if (entry->operation == GOAL_OP_DELETE) {
        delete_entry(intake, entry);
    } else if (entry->operation == GOAL_OP_GET) {
        ack_add_final(intake->ack, entry->kind, entry->id, entry->operation,
                      GOAL_STATUS_SUCCESS);
    } else {
        put_entry(intake, entry);
    }
    if (intake->error && !failed_before) {
        ack_add_final(intake->ack, entry->kind, entry->id, entry->operation,
                      GOAL_STATUS_FAILURE);
    }
    goal_resource_destroy(entry->resource);
}

/* Stores what the message holds for this host and has it translated. */
static void
store_goal_state(struct agent *agent, const struct envelope *envelope,
                 const struct goal_origin *origin,
                 const struct transport_message *msg)
{
    int version = envelope->kind == MSG_GOAL_STATE ? 1 : 2;
    struct goal_changes changes = GOAL_CHANGES_INITIALIZER;
    struct intake intake = {
        .agent = agent,
        .envelope = envelope,
        .admission = { .store = agent->store, .check = goal_resource_check },
    };

    intake.ack = ack_begin(agent->ack, envelope->message_id,
                           msg->received_usec);
    intake.error = goal_store_begin(agent->store, origin);
    bool began = !intake.error;
    char *error = goal_decode(version, msg->payload, msg->payload_len,
                              agent->config.host_ip, take_entry, &intake);
    if (error) {
        /* Cannot happen: goal_decode_check() has passed. */
        VLOG_WARN_RL(&rl, "message %s: %s", envelope->message_id, error);
        free(error);
    }
    if (!began) {
        /* Nothing to be undone. */
    } else if (intake.error) {
        goal_store_abort(agent->store, &changes);
    } else {
        intake.error = goal_store_commit(agent->store, &changes);
    }
    if (intake.error) {
        VLOG_ERR_RL(&rl, "message %s: cannot be stored: %s",
                    envelope->message_id, intake.error);
        free(intake.error);
        ack_fail(intake.ack);
        if (origin->topic[0] && origin->sequence) {
            resync_lost(agent->resync, origin->sender, origin->epoch,
                        origin->topic);
        }
    }
    goal_admission_forget(&intake.admission);
    agent_take_changes(agent, &changes);
    ack_stored(agent->ack, intake.ack);
}

/* Numbers.  Everything that is published, of whatever kind, is numbered, but
 * for heartbeats. */

static bool
is_numbered(const struct goal_origin *origin)
{
    return origin->topic[0] && origin->sequence;
}

/* Fills in '*origin'.  Returns false if the message is a duplicate by its
 * number. */
static bool
take_number(struct agent *agent, const struct envelope *envelope,
            const struct transport_message *msg, struct goal_origin *origin)
{
    *origin = (struct goal_origin) {
        .sender = envelope->sender,
        .topic = msg->topic ? msg->topic : "",
        .epoch = envelope->epoch,
        .sequence = envelope->sequence,
    };
    return (!is_numbered(origin) || envelope->kind == MSG_HEARTBEAT
            || resync_numbered(agent->resync, origin->sender, origin->epoch,
                               origin->topic, origin->sequence,
                               &origin->hold));
}

/* Stores that a message has been taken that is not goal state to be stored. */
static void
store_number(struct agent *agent, const struct goal_origin *origin)
{
    if (is_numbered(origin) && !origin->hold) {
        char *error = goal_store_set_position(agent->store, origin);

        if (error) {
            VLOG_ERR_RL(&rl, "position of topic %s: %s", origin->topic,
                        error);
            free(error);
        }
    }
}

static void
count_duplicate(struct agent *agent)
{
    COVERAGE_INC(agent_duplicate);
    agent->counters.duplicates++;
}

static void
take_goal_state(struct agent *agent, const struct envelope *envelope,
                const struct transport_message *msg)
{
    struct goal_origin origin;

    /* The number counts even if the message has been seen before. */
    bool is_new = take_number(agent, envelope, msg, &origin);
    if (ack_repeat(agent->ack, envelope->message_id) || !is_new) {
        if (is_new) {
            store_number(agent, &origin);
        }
        count_duplicate(agent);
        return;
    }
    char *error = goal_decode_check(
        envelope->kind == MSG_GOAL_STATE ? 1 : 2, msg->payload,
        msg->payload_len);
    if (error) {
        VLOG_INFO_RL(&rl, "message %s from %s: %s", envelope->message_id,
                     envelope->sender, error);
        free(error);
        agent->counters.unparsable++;
        store_number(agent, &origin);
        agent_send_verdict(agent, envelope->message_id,
                           GOAL_STATUS_INVALID_ARG);
        return;
    }
    if (envelope->transaction_id[0]) {
        agent_take_transaction(agent, envelope, &origin, msg);
    } else {
        store_goal_state(agent, envelope, &origin, msg);
    }
}

/* Takes the number of a message that is no goal state.  Returns false if it is
 * a duplicate. */
static bool
take_other(struct agent *agent, const struct envelope *envelope,
           const struct transport_message *msg)
{
    struct goal_origin origin;

    if (!take_number(agent, envelope, msg, &origin)) {
        count_duplicate(agent);
        return false;
    }
    if (envelope->kind != MSG_HEARTBEAT) {
        store_number(agent, &origin);
    }
    return true;
}

/* Dispatch. */

static agent_message_handler *const handlers[MSG_N_KINDS] = {
    [MSG_HELLO_REPLY] = agent_take_hello_reply,
    [MSG_GOAL_STATE] = take_goal_state,
    [MSG_GOAL_STATE_V2] = take_goal_state,
    [MSG_HOST_REPLY] = agent_take_host_reply,
    [MSG_SUBSCRIBE_INFO] = agent_take_subscribe_info,
    [MSG_SNAPSHOT_BEGIN] = agent_take_snapshot_mark,
    [MSG_SNAPSHOT_END] = agent_take_snapshot_mark,
    [MSG_TXN_PREPARE] = agent_take_txn_prepare,
    [MSG_TXN_COMMIT] = agent_take_txn_commit,
    [MSG_TXN_ABORT] = agent_take_txn_abort,
    [MSG_HEARTBEAT] = agent_take_heartbeat,
};

/* True for what answers something, and is therefore never answered itself. */
static bool
is_answer(uint32_t kind)
{
    return (kind == MSG_GOAL_STATE_REPLY || kind == MSG_SUBSCRIBE_REPLY
            || kind == MSG_TXN_VOTE || kind == MSG_TXN_DONE);
}

/* Answers a message that cannot be handled. */
static void
refuse_message(struct agent *agent, const struct envelope *envelope)
{
    VLOG_INFO_RL(&rl, "message %s from %s: %s, protocol version %"PRIu32
                 ": not understood", envelope->message_id, envelope->sender,
                 envelope_kind_to_string(envelope->kind), envelope->version);
    agent->counters.unknown++;
    if (!is_answer(envelope->kind)) {
        agent_send_verdict(agent, envelope->message_id, GOAL_STATUS_FAILURE);
    }
}

/* Hands a message to who is to handle it. */
static void
dispatch(struct agent *agent, const struct envelope *envelope,
         const struct transport_message *msg)
{
    agent_message_handler *handler
        = (envelope->version == ENVELOPE_VERSION
           && envelope->kind < MSG_N_KINDS ? handlers[envelope->kind] : NULL);

    agent->counters.messages += handler != NULL;
    if (handler != take_goal_state && !take_other(agent, envelope, msg)) {
        return;
    }
    if (handler) {
        handler(agent, envelope, msg);
    } else {
        refuse_message(agent, envelope);
    }
}

/* True if 'msg' belongs to a snapshot, which then owns it. */
static bool
take_for_snapshot(struct agent *agent, const struct envelope *envelope,
                  struct transport_message *msg)
{
    return (envelope->version == ENVELOPE_VERSION
            && envelope->kind == MSG_GOAL_STATE_V2 && !msg->topic
            && resync_goal_state(agent->resync, envelope, msg, time_msec()));
}

/* Takes ownership of 'msg'. */
static void
take_message(struct agent *agent, struct transport_message *msg)
{
    struct envelope envelope;
    char *error = envelope_decode(msg->envelope, msg->envelope_len,
                                  &envelope);

    if (error) {
        VLOG_INFO_RL(&rl, "message dropped: bad envelope: %s", error);
        free(error);
        agent->counters.unparsable++;
        transport_message_destroy(agent->transport, msg);
        return;
    }
    COVERAGE_INC(agent_message);
    if (take_for_snapshot(agent, &envelope, msg)) {
        agent->counters.messages++;
        envelope_destroy(&envelope);
        return;
    }
    agent->replaying = (!msg->topic
                        && resync_take_replay(agent->resync, &envelope,
                                              time_msec()));
    dispatch(agent, &envelope, msg);
    if (agent->replaying) {
        agent->replaying = false;
        resync_replay_taken(agent->resync);
    }
    envelope_destroy(&envelope);
    transport_message_destroy(agent->transport, msg);
}

/* Life cycle. */

/* True if messages are to be taken: else they wait in the transport. */
static bool
has_room(const struct agent *agent)
{
    return (agent_transactions_are_idle(agent)
            && !limit_reached(&limit_translator_backlog,
                              translator_backlog(agent->translator))
            && !limit_reached(&limit_unanswered_resources,
                              ack_n_waiting(agent->ack)));
}

/* When topics are to be updated.  Who waits for it makes it urgent. */
static long long int
topics_due(const struct agent *agent)
{
    return (!agent->topics_changed || agent_transactions_try(agent)
            ? LLONG_MAX
            : ovs_list_is_empty(&agent->idle_waiters) ? agent->topics_next
            : 0);
}

void
agent_messages_run(struct agent *agent)
{
    agent_transport_run(agent);
    if (!agent->transport || !agent->translator) {
        return;
    }
    if (time_msec() >= topics_due(agent)) {
        agent_update_topics(agent);
    }
    transport_run(agent->transport);

    unsigned int seqno = transport_connection_seqno(agent->transport);
    if (seqno != agent->transport_seqno) {
        agent->transport_seqno = seqno;
        agent->hello_deadline = LLONG_MAX; /* It was for another. */
        if (agent->config.control) {
            resync_connected(agent->resync, time_msec());
        }
    }
    resync_run(agent->resync, time_msec());
    agent->drained = false;
    for (int i = 0; i < MAX_MESSAGES && has_room(agent); i++) {
        struct transport_message *msg = transport_recv(agent->transport);
        if (!msg) {
            agent->drained = true;
            agent_hello_run(agent);
            return;
        }
        take_message(agent, msg);
    }
}

/* True if all messages were taken, and what they make necessary was done. */
bool
agent_messages_are_done(const struct agent *agent)
{
    return (!agent->transport
            || (agent->drained && !agent->topics_changed
                && !resync_is_due(agent->resync, time_msec())));
}

void
agent_messages_wait(struct agent *agent)
{
    agent_transport_wait(agent);
    if (agent->transport && agent->translator) {
        poll_timer_wait_until(topics_due(agent));
        resync_wait(agent->resync);
        agent_hello_wait(agent);
        if (has_room(agent)) {
            transport_wait(agent->transport);
        }
    }
}
