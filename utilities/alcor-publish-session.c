/* SPDX-License-Identifier: Apache-2.0
 *
 * alcor-publish-session: sends goal state and collects the answers. */

#include <config.h>

#include "utilities/alcor-publish-session-private.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <zmq.h>

#include "bitmap.h"
#include "ingest/transport-provider.h"
#include "openvswitch/ofpbuf.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "timeval.h"
#include "util.h"
#include "utilities/alcor-publish-result.h"
#include "uuid.h"

VLOG_DEFINE_THIS_MODULE(alcor_publish_session);

/* Times in milliseconds. */
#define PENDING_MSEC 2000       /* To heal what is PENDING. */
#define HEARTBEAT_FIRST_MSEC 1000 /* After the last message, and... */
#define HEARTBEAT_MSEC 10000    /* ...from then on. */
#define LINGER_MSEC 100         /* For the last answers, at the end. */

/* Progress. */

static void
clear_progress(const struct session *s)
{
    if (s->tty) {
        fputs("\r\033[K", stderr);
    }
}

static size_t
count_peers(const struct session *s, bool expected)
{
    struct shash_node *node;
    size_t n = 0;

    SHASH_FOR_EACH (node, &s->peers) {
        const struct peer *peer = node->data;

        n += expected ? peer->expected : peer->has_topic;
    }
    return n;
}

/* Returns the number of answers expected that have come. */
static size_t
count_answers(const struct session *s)
{
    struct shash_node *node;
    size_t n = 0;

    SHASH_FOR_EACH (node, &s->peers) {
        const struct peer *peer = node->data;

        n += peer->expected ? peer->n_answered : 0;
    }
    return n;
}

/* Number of answers that each peer gives. */
static size_t
answers_per_peer(const struct session *s)
{
    return s->options->snapshot ? 1 : s->n;
}

static void
show_progress(const struct session *s)
{
    if (!s->tty) {
        return;
    }
    clear_progress(s);
    if (s->answering) {
        fprintf(stderr, "%"PRIuSIZE" of %"PRIuSIZE" answers, "
                "%"PRIuSIZE" resources", count_answers(s),
                count_peers(s, true) * answers_per_peer(s),
                hmap_count(&s->result->rows));
    } else if (s->options->relay) {
        fprintf(stderr, "connecting to %s", s->options->relay);
    } else {
        fprintf(stderr, "waiting for agents: %"PRIuSIZE" of %d, "
                "%d subscribed to %s", count_peers(s, false),
                s->options->n_agents, s->n_subscribers, s->options->topic);
    }
    fflush(stderr);
}

/* Peers and rows. */

static struct peer *
peer_get(struct session *s, const char *id)
{
    struct peer *peer = shash_find_data(&s->peers, id);

    if (!peer) {
        peer = xzalloc(sizeof *peer);
        peer->id = xstrdup(id);
        peer->answered = bitmap_allocate(s->n);
        shash_add(&s->peers, id, peer);
    }
    return peer;
}

static void
peers_destroy(struct session *s)
{
    struct shash_node *node;

    SHASH_FOR_EACH (node, &s->peers) {
        struct peer *peer = node->data;

        free(peer->id);
        free(peer->answered);
        free(peer->snapshot_id);
        free(peer);
    }
    shash_destroy(&s->peers);
}

/* Sending. */

/* Returns an envelope of 'kind' without sequence.  'message_id' and
 * 'correlation_id' may be null.  Not to be destroyed. */
struct envelope
publish_envelope(const struct session *s, enum envelope_kind kind,
                 const char *message_id, const char *correlation_id)
{
    return (struct envelope) {
        .version = ENVELOPE_VERSION,
        .kind = kind,
        .message_id = CONST_CAST(char *, message_id),
        .correlation_id = CONST_CAST(char *, correlation_id),
        .sender = CONST_CAST(char *, SENDER),
        .epoch = s->epoch,
        .sent_at = time_wall_usec(),
    };
}

static char *
make_message_id(void)
{
    struct uuid uuid;

    uuid_generate(&uuid);
    return xasprintf(UUID_FMT, UUID_ARGS(&uuid));
}

/* Sends a message on 'socket', behind a frame that holds 'first' (topic or
 * routing id) unless that is null. */
static void
send_frames(void *socket, const char *first, const struct envelope *envelope,
            const struct ofpbuf *payload)
{
    struct ofpbuf buf;

    ofpbuf_init(&buf, 256);
    envelope_encode(envelope, &buf);
    if ((first && zmq_send(socket, first, strlen(first),
                           ZMQ_SNDMORE | ZMQ_DONTWAIT) < 0)
        || zmq_send(socket, buf.data, buf.size,
                    ZMQ_SNDMORE | ZMQ_DONTWAIT) < 0
        || zmq_send(socket, payload ? payload->data : NULL,
                    payload ? payload->size : 0, ZMQ_DONTWAIT) < 0) {
        /* EHOSTUNREACH: an agent went away. */
        VLOG(errno == EHOSTUNREACH ? VLL_INFO : VLL_WARN,
             "cannot send %s to %s (%s)",
             envelope_kind_to_string(envelope->kind),
             first ? first : "relay", zmq_strerror(errno));
    }
    ofpbuf_uninit(&buf);
}

static void
send_hello_reply(struct session *s, const struct peer *peer,
                 const struct envelope *request)
{
    struct envelope e = publish_envelope(s, MSG_HELLO_REPLY, NULL,
                                         request->message_id);
    const struct hello hello = {
        .node_id = SENDER,
        .epoch = s->epoch,
        .sender = SENDER,
    };
    struct ofpbuf payload;

    ofpbuf_init(&payload, 64);
    hello_encode(&hello, &payload);
    send_frames(s->router, peer->id, &e, &payload);
    ofpbuf_uninit(&payload);
}

/* Sends all there is to 'peer' as an answer to 'request'. */
static void
send_snapshot(struct session *s, struct peer *peer,
              const struct envelope *request)
{
    struct envelope e = publish_envelope(s, MSG_SNAPSHOT_BEGIN, NULL,
                                         request->message_id);
    struct ofpbuf payload;

    free(peer->snapshot_id);
    peer->snapshot_id = make_message_id();

    ofpbuf_init(&payload, 64);
    snapshot_begin_encode(&s->options->scope, s->options->scope != NULL,
                          &payload);
    e.sequence = 1;
    send_frames(s->router, peer->id, &e, &payload);

    e.kind = MSG_GOAL_STATE_V2;
    for (size_t i = 0; i < s->n; i++) {
        e.sequence++;
        send_frames(s->router, peer->id, &e, s->payloads[i]);
    }

    e.kind = MSG_SNAPSHOT_END;
    e.message_id = peer->snapshot_id;
    e.sequence++;
    ofpbuf_clear(&payload);
    snapshot_end_encode(s->epoch, SENDER, NULL, 0, &payload);
    send_frames(s->router, peer->id, &e, &payload);
    ofpbuf_uninit(&payload);
}

/* Sends a message, numbered if that is needed: to 'node' or, if that is null,
 * on our topic or to the relay. */
void
publish_send(struct session *s, const char *node, struct envelope *e,
             const struct ofpbuf *payload)
{
    e->transaction_id = s->transaction_id;
    if (node) {
        send_frames(s->router, node, e, payload);
    } else if (s->pub) {
        e->sequence = ++s->sequence;
        send_frames(s->pub, s->options->topic, e, payload);
    } else {
        send_frames(s->relay.socket, NULL, e, payload);
    }
}

/* Sends all messages. */
static void
publish(struct session *s)
{
    enum envelope_kind kind = (s->phase == PUBLISH_TXN_PREPARED
                               ? MSG_TXN_PREPARE : MSG_GOAL_STATE_V2);

    for (size_t i = 0; i < s->n; i++) {
        struct envelope e = publish_envelope(s, kind, s->message_ids[i],
                                             NULL);

        publish_send(s, NULL, &e, s->payloads[i]);
    }
}

/* Gives message 'message' an id that it has not had: what answers that is
 * about the same message, and everybody is expected to answer again. */
void
publish_new_message_id(struct session *s, size_t message)
{
    struct shash_node *node;

    free(s->message_ids[message]);
    s->message_ids[message] = make_message_id();
    shash_add(&s->by_message_id, s->message_ids[message],
              (void *) (uintptr_t) (message + 1));
    SHASH_FOR_EACH (node, &s->peers) {
        struct peer *peer = node->data;

        if (bitmap_is_set(peer->answered, message)) {
            bitmap_set0(peer->answered, message);
            peer->n_answered--;
        }
    }
}

static void
send_heartbeat(struct session *s)
{
    struct envelope e = publish_envelope(s, MSG_HEARTBEAT, NULL, NULL);

    e.sequence = s->sequence;
    send_frames(s->pub, s->options->topic, &e, NULL);
}

/* Receiving. */

static char *
handle_hello(struct session *s, struct peer *peer,
             const struct envelope *envelope, zmq_msg_t *payload)
{
    struct hello_message hello;
    char *error = hello_decode(zmq_msg_data(payload), zmq_msg_size(payload),
                               &hello);

    if (!error) {
        bool everything = s->options->snapshot && !s->options->scope;

        peer->has_topic = everything || !hello.pp.n_topics;
        for (size_t i = 0; i < hello.pp.n_topics; i++) {
            peer->has_topic = (peer->has_topic
                               || !strcmp(hello.pp.topics[i],
                                          s->options->topic));
        }
        send_hello_reply(s, peer, envelope);
        hello_message_destroy(&hello);
    }
    return error;
}

static char *
handle_host_request(struct session *s, struct peer *peer,
                    const struct envelope *envelope, zmq_msg_t *payload)
{
    struct envelope e = publish_envelope(s, MSG_HOST_REPLY, NULL,
                                         envelope->message_id);
    struct host_requests requests;
    char *error = host_requests_decode(zmq_msg_data(payload),
                                       zmq_msg_size(payload), &requests);

    if (!error) {
        enum goal_status *statuses = xcalloc(requests.n, sizeof *statuses);
        bool restarted = false;
        struct ofpbuf answer;

        for (size_t i = 0; i < requests.n; i++) {
            bool is_restart
                = requests.requests[i].type == HOST_REQUEST_RESTARTED;

            statuses[i] = (is_restart && s->options->snapshot
                           ? GOAL_STATUS_SUCCESS : GOAL_STATUS_FAILURE);
            restarted = restarted || is_restart;
        }
        ofpbuf_init(&answer, 64);
        host_reply_encode(requests.requests, statuses, requests.n, 0,
                          &answer);
        send_frames(s->router, peer->id, &e, &answer);
        if (restarted && s->options->snapshot) {
            send_snapshot(s, peer, envelope);
        }
        ofpbuf_uninit(&answer);
        free(statuses);
        host_requests_destroy(&requests);
    }
    return error;
}

static char *
handle_reply(struct session *s, struct peer *peer,
             const struct envelope *envelope, zmq_msg_t *payload)
{
    size_t message;

    if (peer->snapshot_id
        && !strcmp(envelope->correlation_id, peer->snapshot_id)) {
        message = 0;
    } else {
        void *data = shash_find_data(&s->by_message_id,
                                     envelope->correlation_id);
        if (!data) {
            return NULL;        /* Not an answer to us. */
        }
        message = (uintptr_t) data - 1;
    }

    struct resource_status *statuses;
    size_t n;
    char *error = reply_decode(zmq_msg_data(payload), zmq_msg_size(payload),
                               &statuses, &n);
    if (error) {
        return error;
    }

    /* A relay answers for many. */
    const char *host = s->router ? peer->id : envelope->sender;
    for (size_t i = 0; i < n; i++) {
        publish_result_update(s->result, host, message, &statuses[i]);
    }
    if (envelope->kind == MSG_TXN_VOTE || s->phase == PUBLISH_TXN_PREPARED) {
        publish_txn_vote(s, statuses, n);
    }
    reply_destroy(statuses, n);

    if (!bitmap_is_set(peer->answered, message)) {
        bitmap_set1(peer->answered, message);
        peer->n_answered++;
    }
    return NULL;
}

/* Handles a message from the peer called 'id'. */
static void
handle_message(struct session *s, const char *id, zmq_msg_t *header,
               zmq_msg_t *payload)
{
    struct envelope envelope;
    char *error = envelope_decode(zmq_msg_data(header), zmq_msg_size(header),
                                  &envelope);
    if (!error) {
        struct peer *peer = peer_get(s, id);

        if (envelope.kind == MSG_HELLO && s->router) {
            error = handle_hello(s, peer, &envelope, payload);
        } else if (envelope.kind == MSG_HOST_REQUEST && s->router) {
            error = handle_host_request(s, peer, &envelope, payload);
        } else if (envelope.kind == MSG_TXN_QUERY && s->router) {
            publish_txn_query(s, id, &envelope);
        } else if (envelope.kind == MSG_GOAL_STATE_REPLY
                   || envelope.kind == MSG_TXN_VOTE
                   || envelope.kind == MSG_TXN_DONE) {
            error = handle_reply(s, peer, &envelope, payload);
        } else {
            VLOG_DBG("%s: ignoring %s", id,
                     envelope_kind_to_string(envelope.kind));
        }
        envelope_destroy(&envelope);
    }
    if (error) {
        VLOG_WARN("%s: ignoring a message (%s)", id, error);
        free(error);
    }
}

/* Reads the next message from 'socket', where 'n_frames' are expected: with 3,
 * the first is a routing id.  Returns false if there is none. */
static bool
receive_control(struct session *s, void *socket, size_t n_frames)
{
    zmq_msg_t frames[3];

    for (size_t i = 0; i < ARRAY_SIZE(frames); i++) {
        zmq_msg_init(&frames[i]);
    }
    size_t n = zmq_read_frames(socket, frames, ARRAY_SIZE(frames));
    if (n == n_frames) {
        char *id = (n == 3
                    ? xmemdup0(zmq_msg_data(&frames[0]),
                               zmq_msg_size(&frames[0]))
                    : xstrdup("relay"));

        handle_message(s, id, &frames[n - 2], &frames[n - 1]);
        free(id);
    } else if (n) {
        VLOG_WARN("ignoring a message of %"PRIuSIZE" frames", n);
    }
    for (size_t i = 0; i < ARRAY_SIZE(frames); i++) {
        zmq_msg_close(&frames[i]);
    }
    return n > 0;
}

/* Reads the next subscription from our XPUB socket.  Returns false if there is
 * none. */
static bool
receive_subscription(struct session *s)
{
    const char *topic = s->options->topic;
    size_t len = strlen(topic);
    zmq_msg_t frame;

    zmq_msg_init(&frame);
    size_t n = zmq_read_frames(s->pub, &frame, 1);
    if (n && zmq_msg_size(&frame) == 1 + len) {
        const char *p = zmq_msg_data(&frame);

        if (!memcmp(p + 1, topic, len)) {
            s->n_subscribers += p[0] == 1 ? 1 : p[0] == 0 ? -1 : 0;
        }
    }
    zmq_msg_close(&frame);
    return n > 0;
}

/* Opens the channel to the relay, under a name that nobody else has. */
static char *
open_relay(struct session *s)
{
    char *id = xasprintf(SENDER"-%s", s->message_ids[0]);
    const struct zmq_channel_options options = { .routing_id = id };
    char *error = zmq_channel_open(&s->relay, s->context, &options);

    free(id);
    return error;
}

static void
receive_all(struct session *s)
{
    if (s->options->relay) {
        bool dead = zmq_channel_run(&s->relay);

        while (s->relay.socket && receive_control(s, s->relay.socket, 2)) {
            continue;
        }
        if (dead) {
            zmq_channel_close(&s->relay, 0);
            free(open_relay(s));
        }
    } else {
        while (receive_subscription(s)) {
            continue;
        }
        while (receive_control(s, s->router, 3)) {
            continue;
        }
    }
}

/* Opening and closing. */

static void
set_int(void *socket, int option, int value)
{
    zmq_setsockopt(socket, option, &value, sizeof value);
}

/* Binds a socket of 'type' to 'endpoint'. */
static char *
bind_socket(struct session *s, int type, const char *endpoint, void **socketp)
{
    int64_t max_message = TRANSPORT_MAX_MESSAGE;
    void *socket = *socketp = zmq_socket(s->context, type);

    if (socket) {
        zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &max_message,
                       sizeof max_message);
        set_int(socket, ZMQ_IPV6, 1);
        set_int(socket, ZMQ_LINGER, LINGER_MSEC);
        set_int(socket, ZMQ_SNDHWM, 0);
        if (type == ZMQ_ROUTER) {
            set_int(socket, ZMQ_ROUTER_MANDATORY, 1);
            set_int(socket, ZMQ_ROUTER_HANDOVER, 1);
        } else {
            set_int(socket, ZMQ_XPUB_VERBOSER, 1);
        }
        if (!zmq_bind(socket, endpoint)) {
            return NULL;
        }
    }
    return xasprintf("\"%s\": cannot bind (%s)", endpoint,
                     zmq_strerror(errno));
}

static char *
session_open(struct session *s)
{
    s->context = zmq_ctx_new();
    if (!s->context) {
        return xasprintf("cannot start ZeroMQ (%s)", zmq_strerror(errno));
    }

    if (s->options->relay) {
        s->relay = (struct zmq_channel) {
            .type = ZMQ_DEALER,
            .n_frames = 2,
            .endpoint = s->options->relay,
        };
        return open_relay(s);
    }

    char *error = bind_socket(s, ZMQ_XPUB, s->options->publish, &s->pub);
    return error ? error : bind_socket(s, ZMQ_ROUTER, s->options->control,
                                       &s->router);
}

static void
session_close(struct session *s)
{
    zmq_channel_close(&s->relay, s->relay.connected ? LINGER_MSEC : 0);
    if (s->pub) {
        zmq_close(s->pub);
    }
    if (s->router) {
        zmq_close(s->router);
    }
    while (s->context && zmq_ctx_term(s->context) && errno == EINTR) {
        continue;
    }

    peers_destroy(s);
    free(s->transaction_id);
    shash_destroy(&s->by_message_id);
    for (size_t i = 0; i < s->n; i++) {
        free(s->message_ids[i]);
    }
    free(s->message_ids);
}

/* Running. */

/* Returns true if everybody is there to whom we want to talk. */
static bool
session_is_ready(const struct session *s)
{
    const struct session_options *o = s->options;

    if (o->relay) {
        return s->relay.connected;
    }
    return (count_peers(s, false) >= o->n_agents
            && (o->snapshot || s->n_subscribers >= o->n_agents));
}

static char *
waiting_error(const struct session *s)
{
    const struct session_options *o = s->options;

    if (o->relay) {
        return xasprintf("%s: no connection within %d s%s%s", o->relay,
                         o->timeout, s->relay.problem ? ": " : "",
                         s->relay.problem ? s->relay.problem : "");
    }
    return xasprintf("after %d s, %"PRIuSIZE" of %d agents have said HELLO "
                     "with topic \"%s\", and %d are subscribed to it",
                     o->timeout, count_peers(s, false), o->n_agents, o->topic,
                     s->n_subscribers);
}

static void
start_answering(struct session *s)
{
    struct shash_node *node;

    if (s->options->relay) {
        peer_get(s, "relay")->has_topic = true;
    }
    SHASH_FOR_EACH (node, &s->peers) {
        struct peer *peer = node->data;

        peer->expected = peer->has_topic;
    }

    s->answering = true;
    s->deadline = time_msec() + s->options->timeout * 1000LL;
    s->heartbeat_at = time_msec() + HEARTBEAT_FIRST_MSEC;
    if (s->transaction_id && s->router && count_peers(s, true) > 1) {
        publish_txn_begin(s);
    }
    if (!s->options->snapshot) {
        publish(s);
    }
}

/* Does what has to be done while answers come in.  Returns true if there is
 * nothing more to wait for. */
static bool
run_answering(struct session *s)
{
    long long int now = time_msec();

    if (s->pub && now >= s->heartbeat_at) {
        send_heartbeat(s);
        s->heartbeat_at = now + HEARTBEAT_MSEC;
    }
    bool all = (count_answers(s)
                >= count_peers(s, true) * answers_per_peer(s));
    if ((all || now >= s->deadline) && publish_txn_decide(s)) {
        s->deadline = now + s->options->timeout * 1000LL;
        s->heartbeat_at = now + HEARTBEAT_FIRST_MSEC;
        return false;
    }
    if (now >= s->deadline) {
        return true;
    }
    if (!all) {
        return false;
    }
    if (s->heal_deadline == LLONG_MAX) {
        s->heal_deadline = now + PENDING_MSEC;
    }
    return (s->transaction_id || !s->result->n_pending
            || now >= s->heal_deadline);
}

static void
session_wait(struct session *s)
{
    poll_timer_wait_until(s->deadline);
    if (s->answering) {
        poll_timer_wait_until(s->heal_deadline);
    }
    if (s->pub) {
        if (s->answering) {
            poll_timer_wait_until(s->heartbeat_at);
        }
        zmq_socket_wait(s->pub);
        zmq_socket_wait(s->router);
    }
    zmq_channel_wait(&s->relay);
}

/* Runs 's' to its end. */
static char *
session_loop(struct session *s)
{
    s->deadline = time_msec() + s->options->timeout * 1000LL;
    for (;;) {
        receive_all(s);
        if (!s->answering) {
            if (session_is_ready(s)) {
                start_answering(s);
            } else if (time_msec() >= s->deadline) {
                return waiting_error(s);
            }
        }
        if (s->answering && run_answering(s)) {
            return NULL;
        }
        show_progress(s);
        session_wait(s);
        poll_block();
    }
}

static void
finish_result(struct session *s)
{
    struct shash_node *node;

    SHASH_FOR_EACH (node, &s->peers) {
        const struct peer *peer = node->data;

        if (peer->expected) {
            s->result->n_hosts++;
            if (peer->n_answered < answers_per_peer(s)) {
                sset_add(&s->result->silent, peer->id);
            }
        }
    }
}

char *
session_run(const struct session_options *options,
            struct ofpbuf *const *payloads, size_t n,
            struct publish_result *result)
{
    struct session s = {
        .options = options,
        .payloads = payloads,
        .n = n,
        .result = result,
        .epoch = time_wall_usec(),
        .heal_deadline = LLONG_MAX,
        .tty = isatty(STDERR_FILENO),
    };

    publish_result_init(result);
    result->is_relay = options->relay != NULL;
    shash_init(&s.peers);
    shash_init(&s.by_message_id);
    s.message_ids = xcalloc(n, sizeof *s.message_ids);
    for (size_t i = 0; i < n; i++) {
        s.message_ids[i] = make_message_id();
        shash_add(&s.by_message_id, s.message_ids[i],
                  (void *) (uintptr_t) (i + 1));
    }

    if (options->transaction) {
        char *id = make_message_id();

        s.transaction_id = xasprintf(SENDER"-%s", id);
        free(id);
    }

    char *error = session_open(&s);
    if (!error) {
        error = session_loop(&s);
        clear_progress(&s);
    }
    if (error) {
        publish_result_destroy(result);
    } else {
        finish_result(&s);
    }
    session_close(&s);
    return error;
}
