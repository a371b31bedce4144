/* SPDX-License-Identifier: Apache-2.0
 *
 * relay-upstream: a server above us, to which we are what an agent is. */

#include <config.h>

#include "relay/relay-private.h"

#include <limits.h>
#include <string.h>

#include "coverage.h"
#include "ingest/curve-key.h"
#include "ingest/resync.h"
#include "ingest/transport-provider.h"
#include "limit.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "simap.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(relay_upstream);

COVERAGE_DEFINE(relay_upstream_message);
COVERAGE_DEFINE(relay_upstream_duplicate);
COVERAGE_DEFINE(relay_upstream_snapshot);

/* How it works
 * ============
 *
 * We subscribe to our own topic, to "all", and to those that we are told to
 * join.  A message of goal state goes into the inbox as one of a controller
 * does, with the empty id as peer, which no peer of the control channel can
 * have; what is sent to that peer goes up.  The position of its topic is
 * stored when the round that took it has been synced and sent: so what a death
 * cuts off is asked for again.
 *
 * A snapshot is taken in one round, as one message is. */

/* A server that is connected has this long to answer HELLO, in ms. */
#define HELLO_ANSWER_MSEC 5000

/* Topics that we are told to join. */
#define MAX_JOINED 4096

LIMIT_DEFINE(joined_topics, MAX_JOINED, 1, LIMIT_REFUSED)

/* Messages taken in one round. */
#define MAX_MESSAGES 64

static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(5, 20);

struct relay_upstream {
    struct relay *relay;
    struct transport *transport;
    struct resync *resync;
    struct sset topics;
    unsigned int seqno;         /* transport_connection_seqno(). */
    long long int hello_deadline; /* Or LLONG_MAX. */
    struct shash positions;     /* "SENDER EPOCH TOPIC" -> struct position:
                                 * to be stored when the round is over. */
    bool replaying;             /* The message under way was missed. */
    size_t n_replayed;          /* Such messages in this round. */
    uint64_t n_messages;
};

struct position {
    char *sender, *topic;
    uint64_t epoch, sequence;
};

/* Sending. */

int
relay_upstream_send(struct relay_upstream *up, const struct envelope *envelope,
                    const struct ofpbuf *payload)
{
    struct envelope e = *envelope;
    struct ofpbuf frame;

    e.sender = CONST_CAST(char *, up->relay->options.node_id);
    ofpbuf_init(&frame, 256);
    envelope_encode(&e, &frame);
    int error = transport_send(up->transport, frame.data, frame.size,
                               payload ? payload->data : NULL,
                               payload ? payload->size : 0);
    ofpbuf_uninit(&frame);
    return error;
}

/* Returns the id of what was sent, owned by the caller, or null. */
static char *
send_new(struct relay_upstream *up, enum envelope_kind kind,
         const char *correlation_id, const struct ofpbuf *payload)
{
    char *id = relay_new_id();
    struct envelope e = relay_envelope(up->relay, kind, id, correlation_id);

    if (relay_upstream_send(up, &e, payload)) {
        free(id);
        return NULL;
    }
    return id;
}

static void
add_position(const struct goal_origin *origin, void *pp)
{
    publisher_positions_add(pp, origin->sender, origin->epoch, origin->topic,
                            origin->sequence);
}

static char *
send_hello(const struct sset *topics, void *up_)
{
    struct relay_upstream *up = up_;
    struct publisher_positions last = { .n_positions = 0 };
    const char **names = sset_sort(topics ? topics : &up->topics);
    struct ofpbuf payload;

    goal_store_last_positions(up->relay->store, add_position, &last);
    struct hello hello = {
        .node_id = up->relay->options.node_id,
        .host_ip = "",
        .agent_version = ALCOR_VERSION,
        .topics = names,
        .n_topics = sset_count(topics ? topics : &up->topics),
        .positions = last.positions,
        .n_positions = last.n_positions,
        .epoch = last.epoch,
        .sender = last.sender,
    };

    ofpbuf_init(&payload, 512);
    hello_encode(&hello, &payload);
    char *id = send_new(up, MSG_HELLO, NULL, &payload);
    if (id && up->hello_deadline == LLONG_MAX) {
        up->hello_deadline = time_msec() + HELLO_ANSWER_MSEC;
    }
    ofpbuf_uninit(&payload);
    publisher_positions_destroy(&last);
    free(names);
    return id;
}

static char *
send_request(const char *request_id, void *up_)
{
    const struct host_request request = {
        .type = HOST_REQUEST_RESTARTED, .request_id = request_id,
    };
    struct ofpbuf payload;

    ofpbuf_init(&payload, 128);
    host_request_encode(&request, 1, &payload);
    char *id = send_new(up_, MSG_HOST_REQUEST, NULL, &payload);
    ofpbuf_uninit(&payload);
    return id;
}

/* What resync.h wants to know. */

static uint64_t
get_position(const char *sender, uint64_t epoch, const char *topic, void *up_)
{
    struct relay_upstream *up = up_;
    struct goal_origin origin = {
        .sender = sender, .epoch = epoch, .topic = topic,
    };

    return goal_store_position(up->relay->store, &origin);
}

static void
set_position(const char *sender, uint64_t epoch, const char *topic,
             uint64_t sequence, void *up_)
{
    struct relay_upstream *up = up_;
    struct goal_origin origin = {
        .sender = sender, .epoch = epoch, .topic = topic,
        .sequence = sequence,
    };
    char *error = goal_store_set_position(up->relay->store, &origin);

    if (error) {
        VLOG_ERR_RL(&rl, "position of topic %s: %s", topic, error);
        free(error);
    }
}

static bool
apply_snapshot(const struct snapshot *snapshot, void *up_)
{
    struct relay_upstream *up = up_;

    COVERAGE_INC(relay_upstream_snapshot);
    return relay_intake_snapshot(up->relay, snapshot);
}

static void
destroy_message(struct transport_message *msg, void *up_)
{
    struct relay_upstream *up = up_;

    transport_message_destroy(up->transport, msg);
}

static bool
is_connected(void *up_)
{
    struct relay_upstream *up = up_;

    return transport_is_connected(up->transport);
}

static const struct resync_class upstream_resync_class = {
    .position = get_position,
    .set_position = set_position,
    .send_hello = send_hello,
    .send_request = send_request,
    .apply = apply_snapshot,
    .message_destroy = destroy_message,
    .is_connected = is_connected,
};

static void
add_synced(const struct goal_origin *origin, void *up_)
{
    struct relay_upstream *up = up_;

    if (!origin->topic[0]) {
        resync_add_synced(up->resync, origin->sender, origin->epoch);
    }
}

/* Positions. */

/* A message that was missed is taken: when the round is over. */
void
relay_upstream_replayed(struct relay_upstream *up)
{
    up->n_replayed++;
}

/* True if something newer than all that is replayed has written the resource
 * meanwhile. */
bool
relay_upstream_is_overtaken(const struct relay_upstream *up,
                            enum goal_kind kind, const char *id)
{
    struct goal_store *store = up->relay->store;
    char *sender, *topic;
    uint64_t epoch, sequence;
    struct goal_key key;
    bool overtaken = false;

    if (goal_store_lookup(store, kind, id, &key)
        ? goal_store_origin(store, &key, &sender, &topic, &epoch, &sequence)
        : goal_store_grave_origin(store, kind, id, &sender, &topic, &epoch,
                                  &sequence)) {
        overtaken = resync_is_past_replay(up->resync, sender, epoch, topic,
                                          sequence);
        free(sender);
        free(topic);
    }
    return overtaken;
}

/* Message 'e' of 'topic' is taken: when the round is over. */
void
relay_upstream_taken(struct relay_upstream *up, const struct envelope *e,
                     const char *topic)
{
    char *name = xasprintf("%s %"PRIu64" %s", e->sender, e->epoch, topic);
    struct position *p = shash_find_data(&up->positions, name);

    if (!p) {
        p = xmalloc(sizeof *p);
        *p = (struct position) { xstrdup(e->sender), xstrdup(topic), e->epoch,
                                 e->sequence };
        shash_add(&up->positions, name, p);
    }
    p->sequence = MAX(p->sequence, e->sequence);
    free(name);
}

/* The round is over.  If it has 'failed', what it took is missing. */
void
relay_upstream_round_done(struct relay_upstream *up, bool failed)
{
    struct shash_node *node, *next;

    if (!up) {
        return;
    }
    SHASH_FOR_EACH_SAFE (node, next, &up->positions) {
        struct position *p = node->data;

        if (failed) {
            resync_lost(up->resync, p->sender, p->epoch, p->topic);
        } else {
            set_position(p->sender, p->epoch, p->topic, p->sequence, up);
        }
        free(p->sender);
        free(p->topic);
        free(p);
        shash_delete(&up->positions, node);
    }
    for (; up->n_replayed; up->n_replayed--) {
        if (!failed) {
            resync_replay_taken(up->resync);
        }
    }
}

/* Receiving. */

static void
bad_payload(struct relay_upstream *up, const struct envelope *e, char *error)
{
    VLOG_INFO_RL(&rl, "%s %s from %s: %s", envelope_kind_to_string(e->kind),
                 e->message_id, e->sender, error);
    free(error);
    up->relay->counters.unparsable++;
    relay_send_verdict(up->relay, "", e->message_id, GOAL_STATUS_INVALID_ARG);
}

static void
join(struct relay_upstream *up, const char *topic)
{
    if (!sset_contains(&up->topics, topic)
        && !limit_reached(&limit_joined_topics, sset_count(&up->topics))) {
        sset_add(&up->topics, topic);
        transport_set_topics(up->transport, &up->topics);
    }
}

static void
take_hello_reply(struct relay_upstream *up, const struct envelope *e,
                 const struct transport_message *msg)
{
    struct publisher_positions pp;
    char *error = hello_reply_decode(msg->payload, msg->payload_len, &pp);

    up->hello_deadline = LLONG_MAX;
    if (error) {
        bad_payload(up, e, error);
        return;
    }
    for (size_t i = 0; i < pp.n_topics; i++) {
        join(up, pp.topics[i]);
    }
    resync_hello_reply(up->resync, e, &pp, time_msec());
    publisher_positions_destroy(&pp);
}

static void
take_host_reply(struct relay_upstream *up, const struct envelope *e,
                const struct transport_message *msg)
{
    struct host_reply reply;
    char *error = host_reply_decode(msg->payload, msg->payload_len, &reply);

    if (error) {
        bad_payload(up, e, error);
        return;
    }
    resync_host_reply(up->resync, e, &reply, time_msec());
    host_reply_destroy(&reply);
}

static void
take_snapshot_mark(struct relay_upstream *up, const struct envelope *e,
                   const struct transport_message *msg)
{
    bool begin = e->kind == MSG_SNAPSHOT_BEGIN;
    struct publisher_positions pp;
    char *error = (begin ? snapshot_begin_decode(msg->payload,
                                                 msg->payload_len, &pp)
                   : snapshot_end_decode(msg->payload, msg->payload_len,
                                         &pp));
    if (error) {
        bad_payload(up, e, error);
        return;
    }
    if (begin) {
        resync_begin(up->resync, e, &pp, time_msec());
    } else {
        resync_end(up->resync, e, &pp, time_msec());
    }
    publisher_positions_destroy(&pp);
}

static void
take_subscribe_info(struct relay_upstream *up, const struct envelope *e,
                    const struct transport_message *msg)
{
    struct subscribe_info info;
    char *error = subscribe_info_decode(msg->payload, msg->payload_len, &info);
    struct ofpbuf payload;

    if (!error && info.join) {
        join(up, info.topic);
    } else if (!error && sset_find_and_delete(&up->topics, info.topic)) {
        transport_set_topics(up->transport, &up->topics);
    }
    ofpbuf_init(&payload, 64);
    subscribe_reply_encode(error ? GOAL_STATUS_INVALID_ARG
                           : GOAL_STATUS_SUCCESS, &payload);
    free(send_new(up, MSG_SUBSCRIBE_REPLY, e->message_id, &payload));
    ofpbuf_uninit(&payload);
    if (!error) {
        subscribe_info_destroy(&info);
    }
    free(error);
}

static void
take_heartbeat(struct relay_upstream *up, const struct envelope *e,
               const struct transport_message *msg)
{
    if (msg->topic) {
        resync_heartbeat(up->resync, e->sender, e->epoch, msg->topic,
                         e->sequence);
    }
}

/* By enum envelope_kind, but for goal state. */
static void (*const handlers[MSG_N_KINDS])(struct relay_upstream *,
                                           const struct envelope *,
                                           const struct transport_message *)
    = {
    [MSG_HELLO_REPLY] = take_hello_reply,
    [MSG_HOST_REPLY] = take_host_reply,
    [MSG_SNAPSHOT_BEGIN] = take_snapshot_mark,
    [MSG_SNAPSHOT_END] = take_snapshot_mark,
    [MSG_SUBSCRIBE_INFO] = take_subscribe_info,
    [MSG_HEARTBEAT] = take_heartbeat,
};

/* Takes what is in '*e' if it goes into the inbox. */
static void
take_goal_state(struct relay_upstream *up, struct envelope *e,
                const struct transport_message *msg, bool hold)
{
    struct intake_upstream how = {
        .topic = xstrdup(msg->topic ? msg->topic : ""),
        .counts = msg->topic && e->sequence && !hold,
        .replayed = up->replaying,
    };

    struct relay *relay = up->relay;

    if (e->transaction_id[0]) {
        relay->counters.refused++;
        relay_send_verdict(relay, "", e->message_id, GOAL_STATUS_FAILURE);
        free(how.topic);
        return;
    }
    struct server_message *sm = server_message_create("", msg->payload,
                                                      msg->payload_len);

    relay_intake_put(relay, sm, e, &how);
    memset(e, 0, sizeof *e);
}

static void
dispatch(struct relay_upstream *up, struct envelope *e,
         const struct transport_message *msg)
{
    bool numbered = msg->topic && e->sequence && e->kind != MSG_HEARTBEAT;
    bool hold = false;

    if (numbered && !resync_numbered(up->resync, e->sender, e->epoch,
                                     msg->topic, e->sequence, &hold)) {
        COVERAGE_INC(relay_upstream_duplicate);
        return;
    }
    up->n_messages++;
    if (e->version == ENVELOPE_VERSION && e->kind == MSG_GOAL_STATE_V2) {
        take_goal_state(up, e, msg, hold);
        return;
    }
    if (numbered && !hold) {
        relay_begin(up->relay);
        relay_upstream_taken(up, e, msg->topic);
    }
    if (e->version == ENVELOPE_VERSION && e->kind < MSG_N_KINDS
        && handlers[e->kind]) {
        handlers[e->kind](up, e, msg);
    } else if (e->kind != MSG_GOAL_STATE_REPLY) {
        up->relay->counters.refused++;
        relay_send_verdict(up->relay, "", e->message_id,
                           e->kind == MSG_GOAL_STATE ? GOAL_STATUS_INVALID_ARG
                           : GOAL_STATUS_FAILURE);
    }
}

/* Takes ownership of 'msg'. */
static void
take_message(struct relay_upstream *up, struct transport_message *msg)
{
    struct envelope e;
    char *error = envelope_decode(msg->envelope, msg->envelope_len, &e);

    COVERAGE_INC(relay_upstream_message);
    if (error) {
        VLOG_INFO_RL(&rl, "message dropped: bad envelope: %s", error);
        free(error);
        up->relay->counters.unparsable++;
        transport_message_destroy(up->transport, msg);
        return;
    }
    if (e.version == ENVELOPE_VERSION && e.kind == MSG_GOAL_STATE_V2
        && !msg->topic
        && resync_goal_state(up->resync, &e, msg, time_msec())) {
        envelope_destroy(&e);
        return;
    }
    up->replaying = (!msg->topic
                     && resync_take_replay(up->resync, &e, time_msec()));
    dispatch(up, &e, msg);
    envelope_destroy(&e);
    transport_message_destroy(up->transport, msg);
}

/* Life cycle. */

void
relay_upstream_run(struct relay_upstream *up)
{
    if (!up) {
        return;
    }
    transport_run(up->transport);
    unsigned int seqno = transport_connection_seqno(up->transport);
    if (seqno != up->seqno) {
        up->seqno = seqno;
        up->hello_deadline = LLONG_MAX;
        resync_connected(up->resync, time_msec());
    }
    resync_run(up->resync, time_msec());
    for (int i = 0; i < MAX_MESSAGES && relay_intake_has_room(up->relay);
         i++) {
        struct transport_message *msg = transport_recv(up->transport);

        if (!msg) {
            break;
        }
        take_message(up, msg);
    }
    if (time_msec() >= up->hello_deadline) {
        up->hello_deadline = LLONG_MAX;
        if (transport_is_connected(up->transport)) {
            transport_unanswered(up->transport);
        }
    }
}

void
relay_upstream_wait(struct relay_upstream *up)
{
    if (up) {
        resync_wait(up->resync);
        if (up->hello_deadline != LLONG_MAX) {
            poll_timer_wait_until(up->hello_deadline);
        }
        if (relay_intake_has_room(up->relay)) {
            transport_wait(up->transport);
        }
    }
}

/* For people: how it is with the server above.  Accepts null. */
void
relay_upstream_describe(const struct relay_upstream *up, struct ds *ds)
{
    if (!up) {
        ds_put_cstr(ds, "upstream: none\n");
        return;
    }
    ds_put_cstr(ds, "upstream: ");
    transport_describe(up->transport, ds);
    ds_put_cstr(ds, "\nupstream resync: ");
    resync_describe(up->resync, ds);
    ds_put_format(ds, "\nupstream messages: %"PRIu64"\n", up->n_messages);
}

static char *
read_keys(const struct relay_options *o, struct curve_config *curve)
{
    memset(curve, 0, sizeof *curve);
    if (!o->upstream_key) {
        return NULL;
    }
    char *error = curve_keys_read_pair(o->curve_key, &curve->own);
    return error ? error : curve_keys_read_public(o->upstream_key,
                                                  curve->server);
}

/* Opens what the options say, if anything.  Returns NULL or a malloc()'d
 * message. */
char *
relay_upstream_open(struct relay *relay)
{
    const struct relay_options *o = &relay->options;
    struct transport_config config;

    if (!o->upstream_publish) {
        return NULL;
    }
    char *error = transport_config_parse(o->upstream_publish,
                                         o->upstream_control, o->node_id,
                                         &config);
    if (error) {
        return error;
    }
    struct relay_upstream *up = xzalloc(sizeof *up);

    up->relay = relay;
    up->hello_deadline = LLONG_MAX;
    shash_init(&up->positions);
    sset_init(&up->topics);
    sset_add(&up->topics, "all");
    sset_add_and_free(&up->topics, xasprintf("node/%s", o->node_id));
    error = read_keys(o, &config.curve);
    error = error ? error : transport_open(&config, &up->transport);
    transport_config_destroy(&config);
    relay->upstream = up;
    if (error) {
        relay_upstream_close(relay);
        return error;
    }
    transport_set_topics(up->transport, &up->topics);
    up->resync = resync_create(&upstream_resync_class, up);
    goal_store_positions(relay->store, add_synced, up);
    if (goal_store_was_restored(relay->store)) {
        resync_force(up->resync);
    }
    return NULL;
}

void
relay_upstream_close(struct relay *relay)
{
    struct relay_upstream *up = relay->upstream;

    if (up) {
        if (up->resync) {
            resync_disconnected(up->resync);
            resync_destroy(up->resync);
        }
        transport_close(up->transport);
        shash_destroy(&up->positions);
        sset_destroy(&up->topics);
        free(up);
        relay->upstream = NULL;
    }
}

void
relay_upstream_get_memory_usage(const struct relay_upstream *up,
                                struct simap *usage)
{
    if (up) {
        simap_increase(usage, "joined-topics", sset_count(&up->topics));
        transport_get_memory_usage(up->transport, usage);
        resync_get_memory_usage(up->resync, usage);
    }
}
