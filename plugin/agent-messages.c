/* SPDX-License-Identifier: Apache-2.0
 *
 * agent-messages: what comes in by the transport, and what goes out. */

#include <config.h>

#include "agent-private.h"

#include <errno.h>
#include <string.h>
#include "apply/commit.h"
#include "coverage.h"
#include "feedback/ack.h"
#include "feedback/port-event.h"
#include "ingest/control.h"
#include "ingest/envelope.h"
#include "ingest/goal-decode.h"
#include "ingest/transport-provider.h"
#include "openvswitch/ofpbuf.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "store/goal-store.h"
#include "timeval.h"
#include "translate/translator.h"
#include "util.h"
#include "uuid.h"

VLOG_DEFINE_THIS_MODULE(agent_messages);

COVERAGE_DEFINE(agent_message);
COVERAGE_DEFINE(agent_duplicate);
COVERAGE_DEFINE(agent_gap);
COVERAGE_DEFINE(agent_invalid_resource);

/* No message is taken while more than this many resources wait for
 * translation: the rest waits in the transport, which is bounded. */
#define MAX_BACKLOG 32768

/* Topics that SUBSCRIBE_INFO may add. */
#define MAX_JOINED 65536

/* Messages taken in one round of the main loop. */
#define MAX_MESSAGES 16

static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(5, 20);

/* Sending. */

/* Sends a message of 'kind' on the control channel. */
static void
send_message(struct agent *agent, enum envelope_kind kind,
             const char *correlation_id, const void *payload, size_t len)
{
    struct uuid uuid;

    if (!agent->transport) {
        return;
    }
    uuid_generate(&uuid);
    char *id = xasprintf(UUID_FMT, UUID_ARGS(&uuid));
    struct envelope envelope = {
        .version = ENVELOPE_VERSION,
        .kind = kind,
        .message_id = id,
        .correlation_id = CONST_CAST(char *, correlation_id),
        .sender = agent->config.node_id,
        .epoch = agent->epoch,
        .sent_at = time_wall_msec() * UINT64_C(1000),
    };
    uint64_t stub[256 / 8];
    struct ofpbuf frame;

    ofpbuf_use_stub(&frame, stub, sizeof stub);
    envelope_encode(&envelope, &frame);
    int error = transport_send(agent->transport, frame.data, frame.size,
                               payload, len);
    if (error) {
        VLOG_INFO_RL(&rl, "%s could not be sent (%s)",
                     envelope_kind_to_string(kind), ovs_strerror(error));
    }
    ofpbuf_uninit(&frame);
    free(id);
}

/* Answers a message as a whole: one status with an empty resource id. */
static void
send_verdict(struct agent *agent, const char *message_id,
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
    send_message(agent, MSG_GOAL_STATE_REPLY, message_id, payload.data,
                 payload.size);
    ofpbuf_uninit(&payload);
}

/* Positions for HELLO: those of the publisher heard last. */
struct position_walk {
    const char *sender;
    uint64_t epoch;
    struct topic_position *positions;
    size_t n, allocated;
};

static void
find_last_epoch(const struct goal_origin *origin, void *walk_)
{
    struct position_walk *walk = walk_;

    if (origin->topic[0] && origin->epoch > walk->epoch) {
        walk->epoch = origin->epoch;
        free(CONST_CAST(char *, walk->sender));
        walk->sender = xstrdup(origin->sender);
    }
}

static void
add_position(const struct goal_origin *origin, void *walk_)
{
    struct position_walk *walk = walk_;

    if (walk->sender && origin->topic[0] && origin->epoch == walk->epoch
        && !strcmp(origin->sender, walk->sender)) {
        if (walk->n >= walk->allocated) {
            walk->positions = x2nrealloc(walk->positions, &walk->allocated,
                                         sizeof *walk->positions);
        }
        walk->positions[walk->n++] = (struct topic_position) {
            xstrdup(origin->topic), origin->sequence
        };
    }
}

static void
send_hello(struct agent *agent)
{
    struct position_walk walk = { .sender = NULL };
    const char **topics = sset_array(&agent->topics);

    goal_store_positions(agent->store, find_last_epoch, &walk);
    goal_store_positions(agent->store, add_position, &walk);

    struct hello hello = {
        .node_id = agent->config.node_id,
        .host_ip = agent->config.host_ip,
        .agent_version = ALCOR_VERSION,
        .topics = topics,
        .n_topics = sset_count(&agent->topics),
        .positions = walk.positions,
        .n_positions = walk.n,
        .epoch = walk.epoch,
        .sender = walk.sender,
    };
    struct ofpbuf payload;

    ofpbuf_init(&payload, 512);
    hello_encode(&hello, &payload);
    send_message(agent, MSG_HELLO, NULL, payload.data, payload.size);
    ofpbuf_uninit(&payload);
    for (size_t i = 0; i < walk.n; i++) {
        free(walk.positions[i].topic);
    }
    free(walk.positions);
    free(CONST_CAST(char *, walk.sender));
    free(topics);
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

    return commit_reached(agent->commit, mark);
}

static void
send_reply(const char *correlation_id, const void *payload, size_t len,
           void *agent_)
{
    send_message(agent_, MSG_GOAL_STATE_REPLY, correlation_id, payload, len);
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
    send_message(agent_, MSG_PORT_EVENT, NULL, payload.data, payload.size);
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

/* Checks a delta that has nothing to be merged with. */
static char *
check_new(struct agent *agent, const struct goal_entry *entry)
{
    struct goal_key key;

    if (entry->full || goal_store_lookup(agent->store, entry->kind,
                                         entry->id, &key)) {
        return NULL;
    }
    return goal_resource_check(entry->resource);
}

static void
put_entry(struct intake *intake, const struct goal_entry *entry)
{
    struct agent *agent = intake->agent;
    struct goal_key key;
    enum goal_write result;
    char *error = check_new(agent, entry);

    if (error) {
        refuse_entry(intake, entry, GOAL_STATUS_INVALID_ARG, error);
        free(error);
        return;
    }
    intake->error = goal_store_put(agent->store, entry->resource,
                                   entry->full ? GOAL_REPLACE : GOAL_MERGE,
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
    if (result == GOAL_SAME) {
        translator_retry(agent->translator, &key);
    }
    ack_add(intake->ack, &key, entry->id, entry->operation);
}

static void
delete_entry(struct intake *intake, const struct goal_entry *entry)
{
    struct goal_key key;
    enum goal_write result;

    intake->error = goal_store_delete(intake->agent->store, entry->kind,
                                      entry->id, entry->resource->revision,
                                      &key, &result);
    if (intake->error) {
        return;
    }
    if (result == GOAL_WRITTEN) {
        ack_add(intake->ack, &key, entry->id, entry->operation);
    } else {
        ack_add_final(intake->ack, entry->kind, entry->id, entry->operation,
                      (result == GOAL_STALE ? GOAL_STATUS_OUT_OF_ORDER
                       : GOAL_STATUS_SUCCESS));
    }
}

static void
take_entry(const struct goal_entry *entry, void *intake_)
{
    struct intake *intake = intake_;

    intake->agent->counters.resources++;
    if (intake->error) {
        ack_add_final(intake->ack, entry->kind, entry->id, entry->operation,
                      GOAL_STATUS_FAILURE);
    } else if (entry->error) {
        refuse_entry(intake, entry, entry->status, entry->error);
    } else if (entry->operation == GOAL_OP_DELETE) {
        delete_entry(intake, entry);
    } else if (entry->operation == GOAL_OP_GET) {
        ack_add_final(intake->ack, entry->kind, entry->id, entry->operation,
                      GOAL_STATUS_SUCCESS);
    } else {
        put_entry(intake, entry);
    }
    if (intake->error) {
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
    struct intake intake = { .agent = agent, .envelope = envelope };

    intake.ack = ack_begin(agent->ack, envelope->message_id,
                           msg->received_usec);
    intake.error = goal_store_begin(agent->store, origin);
    char *error = goal_decode(version, msg->payload, msg->payload_len,
                              agent->config.host_ip, take_entry, &intake);
    if (error) {
        /* Cannot happen: goal_decode_check() has passed. */
        VLOG_WARN_RL(&rl, "message %s: %s", envelope->message_id, error);
        free(error);
    }
    if (intake.error) {
        goal_store_abort(agent->store, &changes);
    } else {
        intake.error = goal_store_commit(agent->store, &changes);
    }
    if (intake.error) {
        VLOG_ERR_RL(&rl, "message %s: cannot be stored: %s",
                    envelope->message_id, intake.error);
        free(intake.error);
    }
    agent_take_changes(agent, &changes);
    ack_stored(agent->ack, intake.ack);
}

/* Returns true if 'origin' says that the message has been taken before; counts
 * gaps. */
static bool
is_duplicate(struct agent *agent, const struct goal_origin *origin)
{
    if (!origin->topic[0] || !origin->sequence) {
        return false;
    }

    uint64_t last = goal_store_position(agent->store, origin);
    if (origin->sequence <= last) {
        return true;
    }
    if (origin->sequence > last + 1) {
        COVERAGE_INC(agent_gap);
        agent->counters.gaps++;
        VLOG_INFO_RL(&rl, "topic %s of %s: sequence %"PRIu64" after %"PRIu64
                     ", messages between are missing", origin->topic,
                     origin->sender, origin->sequence, last);
    }
    return false;
}

static void
take_goal_state(struct agent *agent, const struct envelope *envelope,
                const struct transport_message *msg)
{
    struct goal_origin origin = {
        .sender = envelope->sender,
        .topic = msg->topic ? msg->topic : "",
        .epoch = envelope->epoch,
        .sequence = envelope->sequence,
    };

    if (ack_repeat(agent->ack, envelope->message_id)
        || is_duplicate(agent, &origin)) {
        COVERAGE_INC(agent_duplicate);
        agent->counters.duplicates++;
        return;
    }
    if (envelope->transaction_id[0]) {
        VLOG_INFO_RL(&rl, "message %s: transactions are not available in "
                     "this version", envelope->message_id);
        send_verdict(agent, envelope->message_id, GOAL_STATUS_FAILURE);
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
        send_verdict(agent, envelope->message_id, GOAL_STATUS_INVALID_ARG);
        return;
    }
    store_goal_state(agent, envelope, &origin, msg);
}

/* Topics joined and left at run time. */

static void
take_subscribe_info(struct agent *agent, const struct envelope *envelope,
                    const struct transport_message *msg)
{
    enum goal_status status = GOAL_STATUS_SUCCESS;
    struct subscribe_info info;
    char *error = subscribe_info_decode(msg->payload, msg->payload_len,
                                        &info);

    if (!error && info.join
        && smap_count(&agent->joined) >= MAX_JOINED
        && !smap_get(&agent->joined, info.topic)) {
        error = xasprintf("%d topics are joined already", MAX_JOINED);
        subscribe_info_destroy(&info);
        status = GOAL_STATUS_FAILURE;
    } else if (error) {
        status = GOAL_STATUS_INVALID_ARG;
    } else {
        if (info.join) {
            smap_replace(&agent->joined, info.topic, info.key);
        } else {
            smap_remove(&agent->joined, info.topic);
        }
        agent->topics_changed = true;
        subscribe_info_destroy(&info);
    }
    if (error) {
        VLOG_INFO_RL(&rl, "message %s from %s: %s", envelope->message_id,
                     envelope->sender, error);
        free(error);
    }

    uint64_t stub[64 / 8];
    struct ofpbuf payload;

    ofpbuf_use_stub(&payload, stub, sizeof stub);
    subscribe_reply_encode(status, &payload);
    send_message(agent, MSG_SUBSCRIBE_REPLY, envelope->message_id,
                 payload.data, payload.size);
    ofpbuf_uninit(&payload);
}

/* Dispatch. */

typedef void message_handler(struct agent *, const struct envelope *,
                             const struct transport_message *);

/* For what asks for no action. */
static void
take_note(struct agent *agent OVS_UNUSED, const struct envelope *envelope,
          const struct transport_message *msg OVS_UNUSED)
{
    VLOG_DBG("%s from %s", envelope_kind_to_string(envelope->kind),
             envelope->sender);
}

static message_handler *const handlers[MSG_N_KINDS] = {
    [MSG_HELLO_REPLY] = take_note,
    [MSG_GOAL_STATE] = take_goal_state,
    [MSG_GOAL_STATE_V2] = take_goal_state,
    [MSG_HOST_REPLY] = take_note,
    [MSG_SUBSCRIBE_INFO] = take_subscribe_info,
    [MSG_HEARTBEAT] = take_note,
};

static void
take_message(struct agent *agent, const struct transport_message *msg)
{
    struct envelope envelope;
    char *error = envelope_decode(msg->envelope, msg->envelope_len,
                                  &envelope);

    if (error) {
        VLOG_INFO_RL(&rl, "message dropped: bad envelope: %s", error);
        free(error);
        agent->counters.unparsable++;
        return;
    }
    COVERAGE_INC(agent_message);
    if (envelope.version != ENVELOPE_VERSION || envelope.kind >= MSG_N_KINDS
        || !handlers[envelope.kind]) {
        VLOG_INFO_RL(&rl, "message %s from %s: %s, protocol version %"PRIu32
                     ": not understood", envelope.message_id,
                     envelope.sender, envelope_kind_to_string(envelope.kind),
                     envelope.version);
        agent->counters.unknown++;
        send_verdict(agent, envelope.message_id, GOAL_STATUS_FAILURE);
    } else {
        agent->counters.messages++;
        handlers[envelope.kind](agent, &envelope, msg);
    }
    envelope_destroy(&envelope);
}

/* Topics. */

static bool
add_vpc_topic(const struct goal_key *key, const char *id OVS_UNUSED,
              void *agent_)
{
    struct agent *agent = agent_;
    struct goal_resource *r = goal_store_get_key(agent->store, key);

    if (r) {
        const char *vpc_id = GOAL_PORT_CAST(r)->vpc_id;

        if (strlen(vpc_id) + strlen("vpc/") <= 255) {
            sset_add_and_free(&agent->topics, xasprintf("vpc/%s", vpc_id));
        }
        goal_resource_destroy(r);
    }
    return true;
}

/* Subscribes to this node's topics: its own, everybody's, and those of the
 * VPCs in which it has ports. */
static void
update_topics(struct agent *agent)
{
    const struct smap_node *node;

    agent->topics_changed = false;
    sset_clear(&agent->topics);
    sset_add(&agent->topics, "all");
    sset_add_and_free(&agent->topics,
                      xasprintf("node/%s", agent->config.node_id));
    goal_store_for_each(agent->store, GOAL_PORT, add_vpc_topic, agent);
    SMAP_FOR_EACH (node, &agent->joined) {
        sset_add(&agent->topics, node->key);
    }
    transport_set_topics(agent->transport, &agent->topics);
}

/* Life cycle. */

/* (Re)opens the transport if the settings for it have changed. */
void
agent_transport_configure(struct agent *agent)
{
    const struct agent_config *config = &agent->config;
    char *text = (config->remote && config->node_id && agent->store
                  ? xasprintf("%s %s %s", config->remote,
                              config->control ? config->control : "-",
                              config->node_id)
                  : NULL);

    if (nullable_string_is_equal(text, agent->transport_config)) {
        free(text);
        return;
    }
    free(agent->transport_config);
    agent->transport_config = text;
    if (!text) {
        transport_close(agent->transport);
        agent->transport = NULL;
        if (!config->remote) {
            VLOG_INFO("external_ids:alcor-remote is not set: no goal state "
                      "will be received");
        }
        return;
    }

    struct transport_config tc;
    struct transport *transport = NULL;
    char *error = transport_config_parse(config->remote, config->control,
                                         config->node_id, &tc);
    if (!error) {
        error = transport_open(&tc, &transport);
        transport_config_destroy(&tc);
    }
    if (!error) {
        transport_close(agent->transport);
        agent->transport = transport;
        agent->transport_seqno = 0;
        agent->topics_changed = true;
    }
    agent_config_set_error(&agent->config, "alcor-remote", error);
}

void
agent_messages_run(struct agent *agent)
{
    if (!agent->transport || !agent->translator) {
        return;
    }
    if (agent->topics_changed) {
        update_topics(agent);
    }
    transport_run(agent->transport);

    unsigned int seqno = transport_connection_seqno(agent->transport);
    if (seqno != agent->transport_seqno) {
        agent->transport_seqno = seqno;
        send_hello(agent);
    }
    for (int i = 0; i < MAX_MESSAGES; i++) {
        if (translator_backlog(agent->translator) > MAX_BACKLOG) {
            return;
        }

        struct transport_message *msg = transport_recv(agent->transport);
        if (!msg) {
            return;
        }
        take_message(agent, msg);
        transport_message_destroy(agent->transport, msg);
    }
}

void
agent_messages_wait(struct agent *agent)
{
    if (agent->transport && agent->translator) {
        if (agent->topics_changed) {
            poll_immediate_wake();
        }
        if (translator_backlog(agent->translator) <= MAX_BACKLOG) {
            transport_wait(agent->transport);
        }
    }
}
