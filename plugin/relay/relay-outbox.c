/* SPDX-License-Identifier: Apache-2.0
 *
 * relay-outbox: messages to topics, their numbers, and heartbeats. */

#include <config.h>

#include "relay/relay-private.h"

#include <limits.h>
#include <string.h>

#include "coverage.h"
#include "fault-point.h"
#include "hash.h"
#include "ingest/goal-encode.h"
#include "openvswitch/poll-loop.h"
#include "timeval.h"
#include "util.h"

COVERAGE_DEFINE(relay_heartbeat);

/* A message is cut when it has become longer than this. */
#define CUT_BYTES (1024 * 1024)

/* Delays of heartbeats, in ms. */
static const int heartbeat_delays[N_HEARTBEATS] = {
    [HEARTBEAT_HELLO] = 300,
    [HEARTBEAT_FIRST] = 1000,
    [HEARTBEAT_AGAIN] = 10000,
};

/* A message that is complete but for being sent. */
struct out_message {
    struct ovs_list list_node;  /* In struct relay's 'outbox'. */
    struct relay_topic *topic;  /* Null: nobody could receive it. */
    uint64_t sequence;
    char *id;
    struct server_payload *payload;
    struct ack_out *ack;
};

/* Topics. */

struct relay_topic *
relay_topic_find(const struct relay *relay, const char *name)
{
    struct relay_topic *topic;

    HMAP_FOR_EACH_WITH_HASH (topic, node, hash_string(name, 0),
                             &relay->topics) {
        if (!strcmp(topic->name, name)) {
            return topic;
        }
    }
    return NULL;
}

/* The number of the last message on the topic called 'name'. */
uint64_t
relay_topic_position(const struct relay *relay, const char *name)
{
    const struct relay_topic *topic = relay_topic_find(relay, name);

    return topic ? topic->sequence : 0;
}

static struct relay_topic *
topic_get(struct relay *relay, const char *name)
{
    struct relay_topic *topic = relay_topic_find(relay, name);

    if (!topic) {
        topic = xzalloc(sizeof *topic);
        topic->name = xstrdup(name);
        topic->heartbeat = -1;
        ovs_list_init(&topic->log);
        hmap_insert(&relay->topics, &topic->node, hash_string(name, 0));
    }
    return topic;
}

static void
heartbeat_unschedule(struct relay_topic *topic)
{
    if (topic->heartbeat >= 0) {
        ovs_list_remove(&topic->heartbeat_node);
        topic->heartbeat = -1;
    }
}

static void
heartbeat_schedule(struct relay *relay, struct relay_topic *topic, int which)
{
    heartbeat_unschedule(topic);
    topic->heartbeat = which;
    topic->heartbeat_at = time_msec() + heartbeat_delays[which];
    ovs_list_push_back(&relay->heartbeats[which], &topic->heartbeat_node);
}

/* Somebody has come who may have missed something on the topic. */
void
relay_heartbeat_soon(struct relay *relay, const char *name)
{
    struct relay_topic *topic = relay_topic_find(relay, name);

    if (topic && topic->sequence && topic->heartbeat != HEARTBEAT_HELLO) {
        heartbeat_schedule(relay, topic, HEARTBEAT_HELLO);
    }
}

static void
send_heartbeat(struct relay *relay, struct relay_topic *topic)
{
    struct envelope e = relay_envelope(relay, MSG_HEARTBEAT, NULL, NULL);

    e.sequence = topic->sequence;
    COVERAGE_INC(relay_heartbeat);
    zmq_server_publish(relay->server, topic->name, &e, NULL);
    heartbeat_schedule(relay, topic, HEARTBEAT_AGAIN);
}

void
relay_heartbeats_run(struct relay *relay)
{
    long long int now = time_msec();

    for (size_t i = 0; i < N_HEARTBEATS; i++) {
        struct relay_topic *topic, *next;

        LIST_FOR_EACH_SAFE (topic, next, heartbeat_node,
                            &relay->heartbeats[i]) {
            if (topic->heartbeat_at > now) {
                break;
            }
            send_heartbeat(relay, topic);
        }
    }
}

void
relay_heartbeats_wait(struct relay *relay)
{
    for (size_t i = 0; i < N_HEARTBEATS; i++) {
        if (!ovs_list_is_empty(&relay->heartbeats[i])) {
            struct relay_topic *topic = CONTAINER_OF(
                ovs_list_front(&relay->heartbeats[i]), struct relay_topic,
                heartbeat_node);

            poll_timer_wait_until(topic->heartbeat_at);
        }
    }
}

static void
restore_topic(const char *name, uint64_t sequence, void *relay_)
{
    struct relay *relay = relay_;
    struct relay_topic *topic = topic_get(relay, name);

    topic->sequence = topic->published = sequence;
    heartbeat_schedule(relay, topic, HEARTBEAT_FIRST);
}

void
relay_outbox_init(struct relay *relay)
{
    ovs_list_init(&relay->batches);
    ovs_list_init(&relay->outbox);
    ovs_list_init(&relay->changed_topics);
    for (size_t i = 0; i < N_HEARTBEATS; i++) {
        ovs_list_init(&relay->heartbeats[i]);
    }
    hmap_init(&relay->topics);
    placement_for_each_position(relay->placement, restore_topic, relay);
}

/* Encoding. */

/* Appends 'resource' as hosts get it: a neighbour that does not name its
 * security groups has those of the port of the same id. */
void
relay_encode(struct relay *relay, const struct goal_resource *resource,
             struct ofpbuf *buf)
{
    struct goal_resource *port = NULL;

    if (resource->kind == GOAL_NEIGHBOR
        && !GOAL_NEIGHBOR_CAST(resource)->security_groups.n) {
        port = goal_store_get(relay->store, GOAL_PORT, resource->id);
    }
    if (port && GOAL_PORT_CAST(port)->security_groups.n) {
        struct goal_neighbor copy = *GOAL_NEIGHBOR_CAST(resource);

        copy.security_groups = GOAL_PORT_CAST(port)->security_groups;
        goal_encode(&copy.up, GOAL_OP_CREATE, buf);
    } else {
        goal_encode(resource, GOAL_OP_CREATE, buf);
    }
    goal_resource_destroy(port);
}

/* Filling. */

static void
close_batch(struct relay *relay, struct out_batch *batch)
{
    struct out_message *msg = xzalloc(sizeof *msg);

    msg->id = batch->message_id ? batch->message_id : relay_new_id();
    msg->ack = batch->ack;
    if (batch->topic) {
        struct relay_topic *topic = topic_get(relay, batch->topic);

        msg->topic = topic;
        msg->sequence = ++topic->sequence;
        msg->payload = server_payload_create(batch->payload.data,
                                             batch->payload.size);
        topic->n_messages++;
        topic->n_bytes += batch->payload.size;
        if (!topic->changed) {
            topic->changed = true;
            ovs_list_push_back(&relay->changed_topics, &topic->changed_node);
        }
    }
    if (batch->host) {
        relay_ack_out_host(batch->ack, batch->host);
    }
    if (batch->vpc) {
        struct place_span *span;

        relay_ack_out_vpc(batch->ack, batch->vpc);
        HMAP_FOR_EACH (span, vpc_node, &batch->vpc->spans) {
            relay_ack_out_host(batch->ack, span->host);
        }
    }
    if (batch->group) {
        for (size_t i = 0; i < batch->group->n_nodes; i++) {
            relay_ack_out_host(batch->ack, batch->group->nodes[i]->host);
        }
    }
    ovs_list_push_back(&relay->outbox, &msg->list_node);

    *batch->owner = NULL;
    ovs_list_remove(&batch->list_node);
    ofpbuf_uninit(&batch->payload);
    free(batch);
}

static struct out_batch *
open_batch(struct relay *relay, struct out_batch **owner, const char *topic,
           struct ack_out *ack)
{
    /* GoalStateV2.format_version = 1. */
    static const uint8_t format_version[] = { 1 << 3, 1 };
    struct out_batch *batch = xzalloc(sizeof *batch);

    batch->owner = owner;
    batch->topic = topic;
    batch->ack = ack;
    ofpbuf_init(&batch->payload, 512);
    ofpbuf_put(&batch->payload, format_version, sizeof format_version);
    ovs_list_push_back(&relay->batches, &batch->list_node);
    *owner = batch;
    return batch;
}

/* Adds 'entry' to the message for 'host', 'vpc' or 'group' (one of them is not
 * null), whose batch is at '*owner'.  It is resource number 'index' of
 * 'request', or ACK_CONTEXT. */
void
relay_outbox_put(struct relay *relay, struct out_batch **owner,
                 struct place_host *host, struct place_vpc *vpc,
                 struct relay_group *group, struct ack_request *request,
                 uint32_t index, const struct goal_key *key,
                 const struct ofpbuf *entry)
{
    struct out_batch *batch = *owner;

    if (batch && batch->payload.size + entry->size > CUT_BYTES) {
        close_batch(relay, batch);
        batch = NULL;
    }
    if (!batch) {
        const char *topic = (vpc ? vpc->topic
                             : group ? group->topic
                             : host->peer ? host->peer->topic : NULL);

        batch = open_batch(relay, owner, topic, relay_ack_out(request));
        batch->host = host;
        batch->vpc = vpc;
        batch->group = group;
    }
    if (batch->topic) {
        ofpbuf_put(&batch->payload, entry->data, entry->size);
    }
    relay_ack_out_entry(batch->ack, index, key);
}

/* Sends what 'ack' is about to 'host' once more, by its unicast topic and
 * under the same id. */
void
relay_outbox_repeat(struct relay *relay, struct place_host *host,
                    struct ack_out *ack, const struct ofpbuf *payload)
{
    struct out_batch *owner;
    struct out_batch *batch = open_batch(relay, &owner, host->peer->topic,
                                         NULL);

    relay_begin(relay);
    batch->message_id = xstrdup(relay_ack_out_id(ack));
    ofpbuf_put(&batch->payload, payload->data, payload->size);
    close_batch(relay, batch);
}

/* Completes all messages. */
void
relay_outbox_close(struct relay *relay)
{
    struct out_batch *batch, *next;

    LIST_FOR_EACH_SAFE (batch, next, list_node, &relay->batches) {
        close_batch(relay, batch);
    }
}

/* Sending. */

/* Puts the numbers that were used into the placement. */
void
relay_outbox_save(struct relay *relay)
{
    struct relay_topic *topic;

    LIST_FOR_EACH_POP (topic, changed_node, &relay->changed_topics) {
        topic->changed = false;
        placement_set_position(relay->placement, topic->name,
                               topic->sequence);
    }
}

static void
send_message(struct relay *relay, struct out_message *msg)
{
    if (msg->topic) {
        struct envelope e = relay_envelope(relay, MSG_GOAL_STATE_V2, msg->id,
                                           NULL);

        e.sequence = msg->sequence;
        if (!FAULT_POINT_NOW(RELAY_PUBLISH_BEFORE)) {
            zmq_server_publish(relay->server, msg->topic->name, &e,
                               msg->payload);
        }
        FAULT_POINT_NOW(RELAY_PUBLISH_AFTER);
        heartbeat_schedule(relay, msg->topic, HEARTBEAT_FIRST);
        relay_log_put(relay, msg->topic, msg->sequence, msg->id,
                      msg->payload);
    }
    if (msg->ack) {
        relay_ack_sent(relay, msg->ack, msg->id, msg->topic, msg->sequence);
    }
}

/* Publishes all that is complete; or, if 'discard', drops it: hosts then find
 * that numbers are missing. */
void
relay_outbox_send(struct relay *relay, bool discard)
{
    struct out_message *msg;

    LIST_FOR_EACH_POP (msg, list_node, &relay->outbox) {
        if (!discard) {
            send_message(relay, msg);
        } else if (msg->ack) {
            relay_ack_out_destroy(relay, msg->ack);
        }
        server_payload_unref(msg->payload);
        free(msg->id);
        free(msg);
    }
}

void
relay_outbox_destroy(struct relay *relay)
{
    struct relay_topic *topic;

    relay_outbox_close(relay);
    relay_outbox_send(relay, true);
    HMAP_FOR_EACH_POP (topic, node, &relay->topics) {
        free(topic->name);
        free(topic);
    }
    hmap_destroy(&relay->topics);
}
