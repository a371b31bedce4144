/* SPDX-License-Identifier: Apache-2.0
 *
 * agent-resync: topics, and what keeps them complete. */

#include <config.h>

#include "agent-gateway.h"
#include "agent-private.h"

#include <limits.h>
#include <string.h>
#include "feedback/on-demand.h"
#include "ingest/control.h"
#include "ingest/resync.h"
#include "ingest/transport-provider.h"
#include "limit.h"
#include "openvswitch/ofpbuf.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "store/goal-store.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(agent_resync);

/* A server that is connected has this long to answer HELLO.  It is asked for
 * nothing but its name, so a few seconds mean that nobody is at home. */
#define HELLO_ANSWER_MSEC 5000

/* Topics that SUBSCRIBE_INFO may add. */
#define MAX_JOINED 65536
LIMIT_DEFINE(joined_topics, MAX_JOINED, 1, LIMIT_REFUSED)

static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(5, 20);

static void
add_position(const struct goal_origin *origin, void *pp)
{
    publisher_positions_add(pp, origin->sender, origin->epoch, origin->topic,
                            origin->sequence);
}

/* Says HELLO, for 'wanted' topics or, if it is null, all of this node's.
 * Returns the message id, owned by the caller, or NULL. */
static char *
send_hello(const struct sset *wanted, void *agent_)
{
    struct agent *agent = agent_;
    struct publisher_positions last = { .n_positions = 0 };

    wanted = wanted ? wanted : &agent->topics;
    const char **topics = sset_sort(wanted);

    goal_store_last_positions(agent->store, add_position, &last);

    struct hello hello = {
        .node_id = agent->config.node_id,
        .host_ip = agent->config.host_ip,
        .agent_version = ALCOR_VERSION,
        .topics = topics,
        .n_topics = sset_count(wanted),
        .positions = last.positions,
        .n_positions = last.n_positions,
        .epoch = last.epoch,
        .sender = last.sender,
    };
    struct ofpbuf payload;

    ofpbuf_init(&payload, 512);
    hello_encode(&hello, &payload);
    char *id = agent_send(agent, MSG_HELLO, NULL, payload.data, payload.size);
    if (id && agent->hello_deadline == LLONG_MAX) {
        agent->hello_deadline = time_msec() + HELLO_ANSWER_MSEC;
    }
    ofpbuf_uninit(&payload);
    publisher_positions_destroy(&last);
    free(topics);
    return id;
}

/* Resynchronisation. */

/* Logs what is wrong with a control payload, and frees 'error'. */
static void
bad_payload(struct agent *agent, const struct envelope *envelope, char *error)
{
    VLOG_INFO_RL(&rl, "%s %s from %s: %s",
                 envelope_kind_to_string(envelope->kind),
                 envelope->message_id, envelope->sender, error);
    free(error);
    agent->counters.unparsable++;
    agent_send_verdict(agent, envelope->message_id, GOAL_STATUS_INVALID_ARG);
}

/* A server says in HELLO_REPLY that this node has 'topics'. */
static void
join_topics(struct agent *agent, char *const *topics, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!sset_contains(&agent->topics, topics[i])
            && !smap_get(&agent->joined, topics[i])
            && !limit_reached(&limit_joined_topics,
                              smap_count(&agent->joined))) {
            smap_add(&agent->joined, topics[i], "");
            agent->topics_changed = true;
        }
    }
}

void
agent_take_hello_reply(struct agent *agent, const struct envelope *envelope,
                 const struct transport_message *msg)
{
    struct publisher_positions pp;
    char *error = hello_reply_decode(msg->payload, msg->payload_len, &pp);

    agent->hello_deadline = LLONG_MAX;
    if (error) {
        bad_payload(agent, envelope, error);
        memset(&pp, 0, sizeof pp);
        pp.sender = xstrdup("");
    }
    join_topics(agent, pp.topics, pp.n_topics);
    resync_hello_reply(agent->resync, envelope, &pp, time_msec());
    publisher_positions_destroy(&pp);
}

/* Tells the transport when a HELLO was not answered.  One to a server that is
 * not connected does not count.  To be called when there is no message left
 * that could be the answer. */
void
agent_hello_run(struct agent *agent)
{
    if (time_msec() >= agent->hello_deadline) {
        agent->hello_deadline = LLONG_MAX;
        if (transport_is_connected(agent->transport)) {
            transport_unanswered(agent->transport);
        }
    }
}

void
agent_hello_wait(struct agent *agent)
{
    if (agent->hello_deadline != LLONG_MAX && agent->drained) {
        poll_timer_wait_until(agent->hello_deadline);
    }
}

void
agent_take_heartbeat(struct agent *agent, const struct envelope *envelope,
               const struct transport_message *msg)
{
    if (msg->topic) {
        resync_heartbeat(agent->resync, envelope->sender, envelope->epoch,
                         msg->topic, envelope->sequence);
    }
}

void
agent_take_host_reply(struct agent *agent, const struct envelope *envelope,
                const struct transport_message *msg)
{
    struct host_reply reply;
    char *error = host_reply_decode(msg->payload, msg->payload_len, &reply);

    if (error) {
        bad_payload(agent, envelope, error);
        return;
    }
    resync_host_reply(agent->resync, envelope, &reply, time_msec());
    for (size_t i = 0; i < reply.n; i++) {
        on_demand_reply(agent->on_demand, reply.statuses[i].request_id,
                        reply.statuses[i].status, time_msec());
    }
    host_reply_destroy(&reply);
}

void
agent_take_snapshot_mark(struct agent *agent, const struct envelope *envelope,
                   const struct transport_message *msg)
{
    struct publisher_positions pp;
    bool begin = envelope->kind == MSG_SNAPSHOT_BEGIN;
    char *error = (begin
                   ? snapshot_begin_decode(msg->payload, msg->payload_len,
                                           &pp)
                   : snapshot_end_decode(msg->payload, msg->payload_len,
                                         &pp));
    if (error) {
        bad_payload(agent, envelope, error);
        return;
    }
    if (begin) {
        resync_begin(agent->resync, envelope, &pp, time_msec());
    } else {
        resync_end(agent->resync, envelope, &pp, time_msec());
    }
    publisher_positions_destroy(&pp);
}

static uint64_t
get_position(const char *sender, uint64_t epoch, const char *topic,
             void *agent_)
{
    struct agent *agent = agent_;
    struct goal_origin origin = {
        .sender = sender, .epoch = epoch, .topic = topic,
    };

    return goal_store_position(agent->store, &origin);
}

static void
set_position(const char *sender, uint64_t epoch, const char *topic,
             uint64_t sequence, void *agent_)
{
    struct agent *agent = agent_;
    struct goal_origin origin = {
        .sender = sender, .epoch = epoch, .topic = topic,
        .sequence = sequence,
    };
    char *error = goal_store_set_position(agent->store, &origin);

    if (error) {
        VLOG_ERR_RL(&rl, "position of topic %s: %s", topic, error);
        free(error);
    }
}

static char *
send_resync_request(const char *request_id, void *agent_)
{
    struct host_request request = {
        .type = HOST_REQUEST_RESTARTED, .request_id = request_id,
    };
    uint64_t stub[128 / 8];
    struct ofpbuf payload;

    ofpbuf_use_stub(&payload, stub, sizeof stub);
    host_request_encode(&request, 1, &payload);
    char *id = agent_send(agent_, MSG_HOST_REQUEST, NULL, payload.data,
                            payload.size);
    ofpbuf_uninit(&payload);
    return id;
}

static void
destroy_message(struct transport_message *msg, void *agent_)
{
    struct agent *agent = agent_;

    transport_message_destroy(agent->transport, msg);
}

static bool
is_connected(void *agent_)
{
    struct agent *agent = agent_;

    return transport_is_connected(agent->transport);
}

static const struct resync_class agent_resync_class = {
    .position = get_position,
    .set_position = set_position,
    .send_hello = send_hello,
    .send_request = send_resync_request,
    .apply = agent_apply_snapshot,
    .message_destroy = destroy_message,
    .is_connected = is_connected,
};

static void
add_synced(const struct goal_origin *origin, void *agent_)
{
    struct agent *agent = agent_;

    if (!origin->topic[0]) {
        resync_add_synced(agent->resync, origin->sender, origin->epoch);
    }
}

void
agent_resync_init(struct agent *agent)
{
    char *sender, *topic;

    agent->resync = resync_create(&agent_resync_class, agent);
    goal_store_positions(agent->store, add_synced, agent);
    if (goal_store_was_restored(agent->store)) {
        VLOG_INFO("the store is not what it was: asking for the state again");
        resync_force(agent->resync);
    }
    if (goal_store_incomplete(agent->store, &sender, &topic)) {
        VLOG_INFO("a message of %s on topic %s was stored in part only: "
                  "asking for the state again", sender, topic);
        resync_force(agent->resync);
    }
    free(sender);
    free(topic);
}

/* Topics joined and left at run time. */

/* Joins or leaves a topic.  Returns null, or a message, and sets '*status'. */
static char *
take_subscription(struct agent *agent, const struct subscribe_info *info,
                  enum goal_status *status)
{
    if (info->join && !smap_get(&agent->joined, info->topic)
        && limit_reached(&limit_joined_topics,
                         smap_count(&agent->joined))) {
        *status = GOAL_STATUS_FAILURE;
        return xasprintf("%"PRIuSIZE" topics are joined already",
                         smap_count(&agent->joined));
    } else if (info->join) {
        smap_replace(&agent->joined, info->topic, info->key);
    } else {
        smap_remove(&agent->joined, info->topic);
    }
    agent->topics_changed = true;
    *status = GOAL_STATUS_SUCCESS;
    return NULL;
}

void
agent_take_subscribe_info(struct agent *agent, const struct envelope *envelope,
                    const struct transport_message *msg)
{
    enum goal_status status = GOAL_STATUS_INVALID_ARG;
    struct subscribe_info info;
    char *error = subscribe_info_decode(msg->payload, msg->payload_len,
                                        &info);

    if (error && !info.parsed) {
        bad_payload(agent, envelope, error);
        return;
    } else if (!error) {
        error = take_subscription(agent, &info, &status);
        subscribe_info_destroy(&info);
    }
    if (error) {
        VLOG_INFO_RL(&rl, "message %s from %s: %s", envelope->message_id,
                     envelope->sender, error);
        free(error);
    }
    if (!envelope->message_id[0]) {
        return;
    }

    uint64_t stub[64 / 8];
    struct ofpbuf payload;

    ofpbuf_use_stub(&payload, stub, sizeof stub);
    subscribe_reply_encode(status, &payload);
    free(agent_send(agent, MSG_SUBSCRIBE_REPLY, envelope->message_id,
                 payload.data, payload.size));
    ofpbuf_uninit(&payload);
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
 * VPCs in which it has ports.  Where there are many, this takes no more than a
 * tenth of the time, whatever the rate at which they change. */
void
agent_update_topics(struct agent *agent)
{
    long long int started = time_msec();
    const struct smap_node *node;
    struct sset old;
    const char *topic;

    agent->topics_changed = false;
    sset_init(&old);
    sset_swap(&old, &agent->topics);
    sset_add(&agent->topics, "all");
    sset_add_and_free(&agent->topics,
                      xasprintf("node/%s", agent->config.node_id));
    goal_store_for_each(agent->store, GOAL_PORT, add_vpc_topic, agent);
    agent_gateway_add_topics(agent, &agent->topics);
    SMAP_FOR_EACH (node, &agent->joined) {
        sset_add(&agent->topics, node->key);
    }
    agent_db_add_topics(agent, &agent->topics);
    transport_set_topics(agent->transport, &agent->topics);
    agent_db_topics_changed(agent);

    /* What was published for a VPC before its first port came here. */
    SSET_FOR_EACH (topic, &agent->topics) {
        if (!sset_is_empty(&old) && !sset_contains(&old, topic)
            && !strncmp(topic, "vpc/", 4)) {
            resync_joined(agent->resync, topic);
        }
    }
    sset_destroy(&old);
    agent->topics_next = time_msec() + 10 * (time_msec() - started);
}
