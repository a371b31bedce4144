/* SPDX-License-Identifier: Apache-2.0
 *
 * relay-peers: the control channel. */

#include <config.h>

#include "relay/relay-private.h"

#include <string.h>

#include "coverage.h"
#include "ingest/proto-field.h"
#include "ingest/zap.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(relay_peers);

COVERAGE_DEFINE(relay_message);

/* Messages taken in one round. */
#define MAX_MESSAGES 4096

/* Whether keys were taken out is looked at least this often, in ms. */
#define KEYS_MSEC 1000

static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(5, 20);

/* Handles a message; may take ownership of it and of what is in the envelope,
 * by setting '*msgp' to null. */
typedef void peer_handler(struct relay *, struct server_message **msgp,
                          struct envelope *);

/* Who may send a kind of message, where there are keys. */
#define FROM_NODE (1u << ZAP_NODE | 1u << ZAP_RELAY)
#define FROM_CONTROLLER (1u << ZAP_CONTROLLER | 1u << ZAP_RELAY)

static void
bad_payload(struct relay *relay, const struct server_message *msg,
            const struct envelope *envelope, char *error)
{
    VLOG_INFO_RL(&rl, "%s %s from %s: %s",
                 envelope_kind_to_string(envelope->kind),
                 envelope->message_id, msg->peer, error);
    free(error);
    relay->counters.unparsable++;
    relay_send_verdict(relay, msg->peer, envelope->message_id,
                       GOAL_STATUS_INVALID_ARG);
}

/* HELLO. */

/* Answers 'hello'.  Says how far the node will be told what it has missed, if
 * 'pp' is not null: in the topics that are there. */
static void
send_hello_reply(struct relay *relay, const struct relay_node *node,
                 const struct envelope *hello,
                 const struct publisher_positions *pp)
{
    char *id = relay_new_id();
    struct envelope e = relay_envelope(relay, MSG_HELLO_REPLY, id,
                                       hello->message_id);
    const char **topics = sset_sort(&node->groups);
    const struct hello reply = {
        .node_id = node->id,
        .topics = topics,
        .n_topics = sset_count(&node->groups),
        .positions = pp ? pp->positions : NULL,
        .n_positions = pp ? pp->n_positions : 0,
        .epoch = placement_epoch(relay->placement),
        .sender = relay->options.sender,
    };
    struct ofpbuf payload;

    ofpbuf_init(&payload, 128);
    hello_encode(&reply, &payload);
    relay_send(relay, node->id, &e, &payload);
    ofpbuf_uninit(&payload);
    free(topics);
    free(id);
}

/* Tells 'node', which says in 'pp' how far it has got, what it has missed, if
 * that can be replayed.  Returns null if not. */
static struct relay_replay *
replay(struct relay *relay, struct relay_node *node,
       struct publisher_positions *pp, const struct envelope *hello)
{
    size_t n = 0;

    /* What it has of other topics it no longer cares for. */
    for (size_t i = 0; i < pp->n_positions; i++) {
        if (sset_contains(&node->hello_topics, pp->positions[i].topic)) {
            pp->positions[n++] = pp->positions[i];
        } else {
            free(pp->positions[i].topic);
        }
    }
    pp->n_positions = n;

    struct relay_replay *r = relay_replay_begin(relay, node, pp,
                                                hello->message_id);
    for (size_t i = 0; r && i < pp->n_positions; i++) {
        struct topic_position *p = &pp->positions[i];

        p->sequence = MAX(p->sequence, relay_topic_position(relay, p->topic));
    }
    send_hello_reply(relay, node, hello, r ? pp : NULL);
    return r;
}

/* 'node' said 'hello', whose positions this changes. */
static void
greet(struct relay *relay, struct relay_node *node,
      struct hello_message *hello, const struct envelope *envelope)
{
    bool partial = true;

    sset_clear(&node->hello_topics);
    for (size_t i = 0; i < hello->pp.n_topics; i++) {
        const char *topic = hello->pp.topics[i];

        sset_add(&node->hello_topics, topic);
        partial = partial && !strncmp(topic, "vpc/", 4);
    }
    free(node->version);
    node->version = xstrdup(hello->version);
    node->last_seen = time_wall_msec();
    node->connected = true;
    if (partial && hello->pp.n_topics) {
        send_hello_reply(relay, node, envelope, NULL);
        return;                 /* It only joins a topic. */
    }
    struct relay_replay *r = replay(relay, node, &hello->pp, envelope);
    relay_node_send_topics(relay, node);
    relay_heartbeat_soon(relay, node->topic);
    for (size_t i = 0; i < hello->pp.n_topics; i++) {
        relay_heartbeat_soon(relay, hello->pp.topics[i]);
    }
    relay_ack_hello(relay, node, r);
}

static void
take_hello(struct relay *relay, struct server_message **msgp,
           struct envelope *envelope)
{
    const struct server_message *msg = *msgp;
    struct hello_message hello;
    struct in6_addr ip;
    char *error = hello_decode(msg->payload, msg->payload_len, &hello);

    if (error) {
        bad_payload(relay, msg, envelope, error);
        return;
    }
    struct relay_node *node = relay_node_find(relay, msg->peer);
    if (strcmp(hello.node_id, msg->peer)) {
        error = xasprintf("node_id: %s, but the routing id is %s",
                          hello.node_id, msg->peer);
    } else if (hello.host_ip[0] && !proto_parse_ip(hello.host_ip, &ip)) {
        error = xasprintf("host_ip: \"%s\" is not an address", hello.host_ip);
    } else if (!node && !relay->options.learn_nodes) {
        VLOG_INFO_RL(&rl, "node %s is not registered", msg->peer);
        relay->counters.refused++;
        relay_send_verdict(relay, msg->peer, envelope->message_id,
                           GOAL_STATUS_FAILURE);
        hello_message_destroy(&hello);
        return;
    }
    if (error) {
        bad_payload(relay, msg, envelope, error);
    } else {
        node = relay_node_get(relay, msg->peer);
        if (hello.host_ip[0] && !node->fixed_ip) {
            relay_node_set_ip(relay, node, &ip);
        }
        greet(relay, node, &hello, envelope);
    }
    hello_message_destroy(&hello);
}

/* HOST_REQUEST. */

static void
answer_request(struct relay *relay, struct relay_node *node,
               const struct host_request *request, bool *restartedp,
               enum goal_status *status)
{
    if (request->type == HOST_REQUEST_RESTARTED) {
        /* Nothing was ever told to anybody: that is no state. */
        *restartedp = placement_epoch(relay->placement) != 0;
        *status = *restartedp ? GOAL_STATUS_SUCCESS : GOAL_STATUS_FAILURE;
    } else {
        *status = relay_resolve(relay, node, request);
    }
}

static void
take_host_request(struct relay *relay, struct server_message **msgp,
                  struct envelope *envelope)
{
    const struct server_message *msg = *msgp;
    struct relay_node *node = relay_node_find(relay, msg->peer);
    struct host_requests requests;
    char *error = (node ? host_requests_decode(msg->payload,
                                               msg->payload_len, &requests)
                   : xstrdup("the node has not said HELLO"));
    bool restarted = false;

    if (error) {
        bad_payload(relay, msg, envelope, error);
        return;
    }
    enum goal_status *statuses = xcalloc(requests.n, sizeof *statuses);
    for (size_t i = 0; i < requests.n; i++) {
        answer_request(relay, node, &requests.requests[i], &restarted,
                       &statuses[i]);
    }

    char *id = relay_new_id();
    struct envelope e = relay_envelope(relay, MSG_HOST_REPLY, id,
                                       envelope->message_id);
    struct ofpbuf payload;

    ofpbuf_init(&payload, 128);
    host_reply_encode(requests.requests, statuses, requests.n,
                      time_usec() - msg->received_usec, &payload);
    relay_send(relay, node->id, &e, &payload);
    ofpbuf_uninit(&payload);
    free(id);
    free(statuses);
    host_requests_destroy(&requests);
    if (restarted) {
        relay_snapshot_start(relay, node, envelope->message_id);
    }
}

/* Others. */

static void
take_reply(struct relay *relay, struct server_message **msgp,
           struct envelope *envelope)
{
    const struct server_message *msg = *msgp;
    struct relay_node *node = relay_node_find(relay, msg->peer);

    if (node) {
        node->last_seen = time_wall_msec();
        node->connected = true;
        relay_ack_reply(relay, node, envelope, msg->payload,
                        msg->payload_len);
    }
}

static void
take_goal_state(struct relay *relay, struct server_message **msgp,
                struct envelope *envelope)
{
    if (envelope->transaction_id[0]) {
        VLOG_INFO_RL(&rl, "message %s: transactions are not available in "
                     "this version", envelope->message_id);
        relay->counters.refused++;
        relay_send_verdict(relay, (*msgp)->peer, envelope->message_id,
                           GOAL_STATUS_FAILURE);
        return;
    }
    relay_intake_put(relay, *msgp, envelope, NULL);
    *msgp = NULL;
}

/* Version 1 does not say for which host it is. */
static void
take_goal_state_v1(struct relay *relay, struct server_message **msgp,
                   struct envelope *envelope)
{
    relay->counters.refused++;
    relay_send_verdict(relay, (*msgp)->peer, envelope->message_id,
                       GOAL_STATUS_INVALID_ARG);
}

static void
take_port_event(struct relay *relay, struct server_message **msgp OVS_UNUSED,
                struct envelope *envelope OVS_UNUSED)
{
    relay->counters.port_events++;
}

static void
take_nothing(struct relay *relay OVS_UNUSED,
             struct server_message **msgp OVS_UNUSED,
             struct envelope *envelope OVS_UNUSED)
{
}

/* By enum envelope_kind.  Kinds that are not here are refused. */
static const struct {
    peer_handler *handle;
    uint32_t from;              /* Bitmap of enum zap_role. */
} handlers[MSG_N_KINDS] = {
    [MSG_HELLO] = { take_hello, FROM_NODE },
    [MSG_HOST_REQUEST] = { take_host_request, FROM_NODE },
    [MSG_GOAL_STATE_REPLY] = { take_reply, FROM_NODE },
    [MSG_SUBSCRIBE_REPLY] = { take_nothing, FROM_NODE },
    [MSG_PORT_EVENT] = { take_port_event, FROM_NODE },
    [MSG_GOAL_STATE] = { take_goal_state_v1, FROM_CONTROLLER },
    [MSG_GOAL_STATE_V2] = { take_goal_state, FROM_CONTROLLER },
};

/* True if who sent 'msg' may send messages 'from' certain roles. */
static bool
is_allowed(const struct relay *relay, const struct server_message *msg,
           uint32_t from)
{
    const char *name;

    if (!msg->user) {
        return true;            /* No encryption. */
    }
    enum zap_role role = zap_keys_role(relay->zap_keys, msg->user, &name);
    return (from & (1u << role)
            && (role != ZAP_NODE || !strcmp(name, msg->peer)));
}

static void
take_message(struct relay *relay, struct server_message *msg)
{
    struct envelope envelope;
    char *error = envelope_decode(msg->envelope, msg->envelope_len,
                                  &envelope);

    COVERAGE_INC(relay_message);
    if (error) {
        VLOG_INFO_RL(&rl, "message of %s dropped: bad envelope: %s",
                     msg->peer, error);
        free(error);
        relay->counters.unparsable++;
        server_message_destroy(msg);
        return;
    }
    bool known = (envelope.version == ENVELOPE_VERSION
                  && envelope.kind < MSG_N_KINDS
                  && handlers[envelope.kind].handle);
    if (!known || !is_allowed(relay, msg, handlers[envelope.kind].from)) {
        VLOG_INFO_RL(&rl, "%s of %s refused: %s",
                     envelope_kind_to_string(envelope.kind), msg->peer,
                     known ? "not with this key" : "not understood");
        relay->counters.refused++;
        /* Answers to answers would never end. */
        if (envelope.kind != MSG_GOAL_STATE_REPLY) {
            relay_send_verdict(relay, msg->peer, envelope.message_id,
                               GOAL_STATUS_FAILURE);
        }
    } else {
        handlers[envelope.kind].handle(relay, &msg, &envelope);
    }
    if (msg) {
        envelope_destroy(&envelope);
        server_message_destroy(msg);
    }
}

void
relay_peers_run(struct relay *relay)
{
    if (relay->zap_keys && zap_keys_refresh(relay->zap_keys)) {
        zmq_server_expel(relay->server);
    }
    zmq_server_run(relay->server);
    for (int i = 0; i < MAX_MESSAGES; i++) {
        struct server_message *msg = zmq_server_recv(relay->server);

        if (!msg) {
            break;
        }
        take_message(relay, msg);
    }
}

void
relay_peers_wait(struct relay *relay)
{
    zmq_server_wait(relay->server);
    if (relay->zap_keys) {
        poll_timer_wait(KEYS_MSEC);
    }
}
