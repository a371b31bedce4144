/* SPDX-License-Identifier: Apache-2.0
 *
 * transport-zmq: goal state and control channel over ZeroMQ. */

#include <config.h>

#include "ingest/transport-provider.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <zmq.h>

#include "coverage.h"
#include "ingest/failover.h"
#include "ingest/zmq-channel.h"
#include "limit.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/list.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "ovs-atomic.h"
#include "simap.h"
#include "sset.h"
#include "timeval.h"
#include "unicode.h"
#include "util.h"

/* How it works
 * ============
 *
 * The active server has two channels (zmq-channel.h): a SUB socket for goal
 * state by topic and, if there is a control endpoint, a DEALER socket.
 *
 * Fail-over
 * ---------
 *
 * failover.h says which server of the list is the active one and which the
 * candidate.  The latter has two channels, too, to see whether it is there.
 * They are idle: nothing is subscribed, sent, or read.
 *
 * When the candidate becomes the active server, its SUB socket is subscribed
 * to all topics, and the connection sequence number changes, upon which the
 * agent says HELLO.  What has come from the former server is kept, and what
 * was queued for it has LINGER_MSEC to get out if it is still connected, else
 * it is lost: nothing is sent to two servers.  Messages published meanwhile
 * may be missed, or come from both: that is what sequence numbers are for.
 *
 * Memory
 * ------
 *
 * A high-water mark of libzmq counts messages, whatever their size, so it has
 * to be small for it to bound memory.  But small messages come in bursts of
 * many thousands.  So the marks on libzmq's queues are small, and
 * transport_run() moves what is there to a queue of our own, 'rx_queue', which
 * is bounded in bytes.  When that is full, nothing is read: then libzmq's
 * queues fill, then the kernel's, and in the end the publisher drops for us.
 *
 * Of TRANSPORT_MAX_QUEUE, half is for 'rx_queue' and a quarter for each of
 * libzmq's queues, if senders keep to SENDER_MAX_MESSAGE.  (A server that does
 * not may make us hold RCVHWM messages of TRANSPORT_MAX_MESSAGE a queue.  A
 * server that sends a message of endless frames is beyond what libzmq lets
 * us bound.)
 *
 * What we send is bounded in bytes, too: a free function tells when libzmq has
 * sent a payload. */

VLOG_DEFINE_THIS_MODULE(transport_zmq);

COVERAGE_DEFINE(transport_failover);
COVERAGE_DEFINE(transport_rx_paused);
COVERAGE_DEFINE(transport_reopened);

/* Senders keep messages under this (wire-protocol.md, section 4). */
#define SENDER_MAX_MESSAGE (4 * 1024 * 1024)

#define RX_QUEUE_BYTES (TRANSPORT_MAX_QUEUE / 2)
#define RCVHWM (TRANSPORT_MAX_QUEUE / 4 / SENDER_MAX_MESSAGE)
#define TX_QUEUE_BYTES (64 * 1024 * 1024)

LIMIT_DEFINE(receive_queue_KB, RX_QUEUE_BYTES / 1024, 1024, LIMIT_WAITS)
LIMIT_DEFINE(send_queue_KB, TX_QUEUE_BYTES / 1024, 1024, LIMIT_DROPPED)
#define SNDHWM 10000

/* Largest envelope: it has five strings of at most 255 bytes. */
#define MAX_ENVELOPE 65536

/* Most messages that one call to transport_run() takes from a socket. */
#define RUN_BUDGET 10000

/* Times in milliseconds. */
#define SUB_GRACE_MSEC 1000     /* How long HELLO waits for subscriptions. */
#define LINGER_MSEC 100         /* For the last replies, at close. */

/* Most frames of a message: topic, envelope, payload. */
#define MAX_FRAMES 3

/* The channels of a server. */
struct zmq_pair {
    size_t server;              /* Index into 'config.servers', or
                                 * FAILOVER_NONE. */
    struct zmq_channel sub;
    struct zmq_channel control;
};

struct transport_zmq {
    struct transport up;
    struct transport_config config;
    void *context;
    struct sset topics;         /* Wanted, all of them valid. */

    /* Servers. */
    struct failover failover;
    struct zmq_pair pairs[2];   /* Which is which changes: */
    struct zmq_pair *active;    /* The one in use. */
    struct zmq_pair *candidate; /* The other. */

    /* Connection sequence number. */
    unsigned int seqno;
    unsigned int sub_announced; /* sub.generation when seqno changed. */
    unsigned int control_announced; /* Likewise control.generation. */

    /* Received, not fetched yet. */
    struct ovs_list rx_queue;   /* Contains "struct zmq_rx"s. */
    size_t rx_bytes;            /* Sum of their 'bytes'. */

    /* Sent, still with libzmq.  Lowered by libzmq's thread. */
    atomic_size_t tx_bytes;
};

/* A message received. */
struct zmq_rx {
    struct transport_message up; /* Points into 'frames'. */
    struct ovs_list node;       /* In 'rx_queue'. */
    zmq_msg_t frames[MAX_FRAMES];
    size_t bytes;               /* Counted in 'rx_bytes'. */
};

/* A payload on its way out. */
struct zmq_tx {
    struct transport_zmq *owner;
    size_t size;
    uint8_t data[];
};

/* What is wrong with a connection in a minute may be wrong all day. */
static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(20, 20);

static struct transport_zmq *
transport_zmq_cast(const struct transport *transport)
{
    ovs_assert(transport->class == &transport_zmq_class);
    return CONTAINER_OF(transport, struct transport_zmq, up);
}

/* Receiving. */

static struct zmq_rx *
zmq_rx_create(void)
{
    struct zmq_rx *rx = xzalloc(sizeof *rx);

    for (int i = 0; i < MAX_FRAMES; i++) {
        zmq_msg_init(&rx->frames[i]);
    }
    return rx;
}

static void
zmq_rx_destroy(struct zmq_rx *rx)
{
    for (int i = 0; i < MAX_FRAMES; i++) {
        zmq_msg_close(&rx->frames[i]);
    }
    free(rx->up.topic);
    free(rx);
}

/* If the 'len' bytes at 'data' are exactly a topic of 'zt', returns a copy of
 * it, otherwise NULL. */
static char *
wanted_topic(const struct transport_zmq *zt, const void *data, size_t len)
{
    char topic[256];

    if (len >= sizeof topic || memchr(data, '\0', len)) {
        return NULL;
    }
    memcpy(topic, data, len);
    topic[len] = '\0';
    return sset_contains(&zt->topics, topic) ? xstrdup(topic) : NULL;
}

/* Fills in the 'n_frames' frames that 'rx' has as a message of 'ch'.  Returns
 * false if it is to be dropped, having counted that. */
static bool
zmq_rx_parse(const struct transport_zmq *zt, const struct zmq_channel *ch,
             size_t n_frames, struct zmq_rx *rx)
{
    if (n_frames != ch->n_frames) {
        VLOG_WARN_RL(&rl, "%s: dropped a message of %"PRIuSIZE" frames "
                     "instead of %"PRIuSIZE, ch->endpoint, n_frames,
                     ch->n_frames);
        transport_count_drop(TRANSPORT_DROP_BAD_FRAMES);
        return false;
    }

    zmq_msg_t *envelope = &rx->frames[n_frames - 2];
    zmq_msg_t *payload = &rx->frames[n_frames - 1];
    if (zmq_msg_size(envelope) > MAX_ENVELOPE) {
        VLOG_WARN_RL(&rl, "%s: dropped a message with an envelope of "
                     "%"PRIuSIZE" bytes", ch->endpoint,
                     zmq_msg_size(envelope));
        transport_count_drop(TRANSPORT_DROP_OVERSIZED);
        return false;
    }

    if (ch->type == ZMQ_SUB) {
        /* SUB matches by prefix, and what was unsubscribed may be on its
         * way. */
        rx->up.topic = wanted_topic(zt, zmq_msg_data(&rx->frames[0]),
                                    zmq_msg_size(&rx->frames[0]));
        if (!rx->up.topic) {
            transport_count_drop(TRANSPORT_DROP_FOREIGN_TOPIC);
            return false;
        }
    }

    rx->up.envelope = zmq_msg_data(envelope);
    rx->up.envelope_len = zmq_msg_size(envelope);
    rx->up.payload = zmq_msg_data(payload);
    rx->up.payload_len = zmq_msg_size(payload);
    rx->up.received_usec = time_usec();
    rx->up.aux = rx;
    rx->bytes = sizeof *rx + rx->up.envelope_len + rx->up.payload_len;
    return true;
}

/* Moves the next message of 'ch', if it is acceptable, to the queue.  Returns
 * false if there is none. */
static bool
channel_receive(struct transport_zmq *zt, struct zmq_channel *ch)
{
    if (!ch->socket) {
        return false;
    }

    struct zmq_rx *rx = zmq_rx_create();
    size_t n_frames = zmq_read_frames(ch->socket, rx->frames, MAX_FRAMES);
    if (n_frames && ch == &zt->active->control) {
        failover_answered(&zt->failover);
    }
    if (n_frames && zmq_rx_parse(zt, ch, n_frames, rx)) {
        ovs_list_push_back(&zt->rx_queue, &rx->node);
        zt->rx_bytes += rx->bytes;
    } else {
        zmq_rx_destroy(rx);
    }
    return n_frames > 0;
}

/* Moves messages of 'ch' to the queue, up to a limit. */
static void
channel_fill_queue(struct transport_zmq *zt, struct zmq_channel *ch)
{
    for (int i = 0; i < RUN_BUDGET; i++) {
        if (limit_reached(&limit_receive_queue_KB, zt->rx_bytes / 1024)) {
            COVERAGE_INC(transport_rx_paused);
            break;
        }
        if (!channel_receive(zt, ch)) {
            break;
        }
    }
}

/* The transport. */

static char *
zmq_open_channel(struct transport_zmq *zt, struct zmq_channel *ch)
{
    static const struct sset no_topics = SSET_INITIALIZER(&no_topics);
    const struct zmq_channel_options options = {
        .routing_id = zt->config.node_id,
        .curve = zt->config.curve.server[0] ? &zt->config.curve : NULL,
        .topics = ch == &zt->active->sub ? &zt->topics : &no_topics,
        .rcvhwm = RCVHWM,

        /* Subscriptions count as messages sent, and those above the mark
         * would be dropped silently on reconnecting (libzmq issue 2258). */
        .sndhwm = ch->type == ZMQ_SUB ? 0 : SNDHWM,
    };

    return zmq_channel_open(ch, zt->context, &options);
}

/* Closes the channels of 'pair', which may be closed already. */
static void
zmq_pair_close(struct zmq_pair *pair)
{
    zmq_channel_close(&pair->sub, 0);
    zmq_channel_close(&pair->control,
                      pair->control.connected ? LINGER_MSEC : 0);
    pair->sub.endpoint = pair->control.endpoint = NULL;
    pair->sub.problem = pair->control.problem = NULL;
    pair->server = FAILOVER_NONE;
}

/* Opens 'pair', which is closed, for server 'index' of the list.  Returns
 * NULL, or a malloc()'d message if an endpoint is bad. */
static char *
zmq_pair_open(struct transport_zmq *zt, struct zmq_pair *pair, size_t index)
{
    const struct transport_server *server = &zt->config.servers[index];

    pair->server = index;
    pair->sub.endpoint = server->remote;
    pair->control.endpoint = server->control;

    char *error = zmq_open_channel(zt, &pair->sub);
    if (server->control) {
        char *error2 = zmq_open_channel(zt, &pair->control);

        if (error) {
            free(error2);
        } else {
            error = error2;
        }
    }
    return error;
}

static bool
zmq_pair_is_connected(const struct zmq_pair *pair)
{
    return (pair->sub.connected
            && (!pair->control.endpoint || pair->control.connected));
}

/* Logs 'error', which may be null, and frees it. */
static void
zmq_log_error(char *error)
{
    if (error) {
        VLOG_WARN_RL(&rl, "%s", error);
        free(error);
    }
}

/* Brings the state of 'ch' up to date. */
static void
zmq_run_channel(struct transport_zmq *zt, struct zmq_channel *ch)
{
    if (zmq_channel_run(ch)) {
        bool active = ch == &zt->active->sub || ch == &zt->active->control;

        COVERAGE_INC(transport_reopened);
        while (active && channel_receive(zt, ch)) {
            continue;
        }
        zmq_channel_close(ch, 0);
        zmq_log_error(zmq_open_channel(zt, ch));
    }
}

/* Brings the state of the channels of 'pair' up to date. */
static void
zmq_run_pair(struct transport_zmq *zt, struct zmq_pair *pair)
{
    zmq_run_channel(zt, &pair->sub);
    zmq_run_channel(zt, &pair->control);
}

static char *
transport_zmq_open(const struct transport_config *config,
                   struct transport **transportp)
{
    struct transport_zmq *zt = xzalloc(sizeof *zt);

    zt->up.class = &transport_zmq_class;
    transport_config_clone(&zt->config, config);
    sset_init(&zt->topics);
    failover_init(&zt->failover, zt->config.n_servers);
    for (size_t i = 0; i < ARRAY_SIZE(zt->pairs); i++) {
        zt->pairs[i] = (struct zmq_pair) {
            .server = FAILOVER_NONE,
            .sub = { .type = ZMQ_SUB, .n_frames = 3 },
            .control = { .type = ZMQ_DEALER, .n_frames = 2 },
        };
    }
    zt->active = &zt->pairs[0];
    zt->candidate = &zt->pairs[1];
    ovs_list_init(&zt->rx_queue);
    atomic_init(&zt->tx_bytes, 0);
    zt->context = zmq_ctx_new();

    char *error = (zt->context
                   ? zmq_pair_open(zt, zt->active, 0)
                   : xasprintf("cannot start ZeroMQ (%s)",
                               zmq_strerror(errno)));
    if (error) {
        transport_close(&zt->up);
        return error;
    }
    *transportp = &zt->up;
    return NULL;
}

static void
transport_zmq_close(struct transport *transport)
{
    struct transport_zmq *zt = transport_zmq_cast(transport);
    struct zmq_rx *rx;

    LIST_FOR_EACH_POP (rx, node, &zt->rx_queue) {
        zmq_rx_destroy(rx);
    }
    zmq_pair_close(zt->active);
    zmq_pair_close(zt->candidate);
    while (zt->context && zmq_ctx_term(zt->context) && errno == EINTR) {
        continue;
    }

    failover_destroy(&zt->failover);
    transport_config_destroy(&zt->config);
    sset_destroy(&zt->topics);
    free(zt);
}

/* Returns true if 's' can be a topic. */
static bool
topic_is_valid(const char *s)
{
    size_t len = strlen(s);
    char *error = utf8_validate(s, NULL);
    bool ok = len >= 1 && len <= 255 && !error;

    free(error);
    return ok;
}

static void
zmq_set_topic(struct transport_zmq *zt, int option, const char *topic)
{
    struct zmq_channel *sub = &zt->active->sub;

    if (sub->socket
        && zmq_setsockopt(sub->socket, option, topic, strlen(topic))) {
        VLOG_WARN_RL(&rl, "%s: cannot change topic %s (%s)",
                     sub->endpoint, topic, zmq_strerror(errno));
    }
}

static void
transport_zmq_set_topics(struct transport *transport,
                         const struct sset *topics)
{
    struct transport_zmq *zt = transport_zmq_cast(transport);
    const char *topic;

    SSET_FOR_EACH_SAFE (topic, &zt->topics) {
        if (!sset_contains(topics, topic)) {
            zmq_set_topic(zt, ZMQ_UNSUBSCRIBE, topic);
            sset_find_and_delete(&zt->topics, topic);
        }
    }

    SSET_FOR_EACH (topic, topics) {
        if (sset_contains(&zt->topics, topic)) {
            continue;
        } else if (!topic_is_valid(topic)) {
            VLOG_WARN_RL(&rl, "not a topic (1 to 255 bytes of UTF-8): "
                         "%.64s", topic);
        } else {
            zmq_set_topic(zt, ZMQ_SUBSCRIBE, topic);
            sset_add(&zt->topics, topic);
        }
    }
}

/* Returns true if the control channel waits for its SUB channel before it is
 * announced. */
static bool
zmq_waits_for_sub(const struct transport_zmq *zt)
{
    const struct zmq_pair *pair = zt->active;

    return (pair->control.connected && !pair->sub.connected
            && zt->control_announced != pair->control.generation);
}

/* Changes the connection sequence number if it is time. */
static void
zmq_update_seqno(struct transport_zmq *zt)
{
    const struct zmq_channel *sub = &zt->active->sub;
    const struct zmq_channel *control = &zt->active->control;
    bool news = (zt->sub_announced != sub->generation
                 || zt->control_announced != control->generation);

    if ((news && zmq_pair_is_connected(zt->active))
        || (zmq_waits_for_sub(zt)
            && time_msec() >= control->connected_at + SUB_GRACE_MSEC)) {
        zt->seqno++;
        zt->sub_announced = sub->connected ? sub->generation : 0;
        zt->control_announced = control->generation;
    }
}

/* Makes the candidate, which is connected, the active server. */
static void
zmq_switch(struct transport_zmq *zt)
{
    struct zmq_pair *old = zt->active;
    const char *topic;

    COVERAGE_INC(transport_failover);
    VLOG_INFO("%s: changing to server %"PRIuSIZE" of %"PRIuSIZE" (%s)",
              old->sub.endpoint, zt->candidate->server + 1,
              zt->config.n_servers, zt->candidate->sub.endpoint);

    channel_fill_queue(zt, &old->control);
    channel_fill_queue(zt, &old->sub);
    zmq_pair_close(old);

    zt->active = zt->candidate;
    zt->candidate = old;
    SSET_FOR_EACH (topic, &zt->topics) {
        zmq_set_topic(zt, ZMQ_SUBSCRIBE, topic);
    }

    /* Both have been connected, which makes their generations positive. */
    zt->sub_announced = zt->control_announced = 0;
}

/* Has the right server be active, and the right one be the candidate. */
static void
zmq_run_failover(struct transport_zmq *zt)
{
    struct failover *fo = &zt->failover;

    zmq_run_pair(zt, zt->candidate);
    if (failover_run(fo, zmq_pair_is_connected(zt->active),
                     zmq_pair_is_connected(zt->candidate), time_msec())) {
        zmq_switch(zt);
    }
    if (zt->candidate->server != fo->candidate) {
        zmq_pair_close(zt->candidate);
        if (fo->candidate != FAILOVER_NONE) {
            zmq_log_error(zmq_pair_open(zt, zt->candidate, fo->candidate));
        }
    }
}

static void
transport_zmq_run(struct transport *transport)
{
    struct transport_zmq *zt = transport_zmq_cast(transport);

    zmq_run_pair(zt, zt->active);
    zmq_run_failover(zt);
    zmq_update_seqno(zt);

    channel_fill_queue(zt, &zt->active->control);
    channel_fill_queue(zt, &zt->active->sub);
}

static void
transport_zmq_wait(struct transport *transport)
{
    struct transport_zmq *zt = transport_zmq_cast(transport);

    if (!ovs_list_is_empty(&zt->rx_queue)) {
        poll_immediate_wake();
        return;
    }
    if (zmq_waits_for_sub(zt)) {
        poll_timer_wait_until(zt->active->control.connected_at
                              + SUB_GRACE_MSEC);
    }

    long long int next = failover_next(&zt->failover, time_msec());
    if (next != LLONG_MAX) {
        poll_timer_wait_until(next);
    }
    zmq_channel_wait(&zt->active->sub);
    zmq_channel_wait(&zt->active->control);
    zmq_channel_wait_state(&zt->candidate->sub);
    zmq_channel_wait_state(&zt->candidate->control);
}

static struct transport_message *
transport_zmq_recv(struct transport *transport)
{
    struct transport_zmq *zt = transport_zmq_cast(transport);
    struct zmq_rx *rx;

    LIST_FOR_EACH_POP (rx, node, &zt->rx_queue) {
        zt->rx_bytes -= rx->bytes;
        if (!rx->up.topic || sset_contains(&zt->topics, rx->up.topic)) {
            return &rx->up;
        }

        /* Was unsubscribed in the meantime. */
        transport_count_drop(TRANSPORT_DROP_FOREIGN_TOPIC);
        zmq_rx_destroy(rx);
    }
    return NULL;
}

static void
transport_zmq_message_destroy(struct transport_message *message)
{
    zmq_rx_destroy(message->aux);
}

/* Called by libzmq, in any thread, when it is done with a payload. */
static void
zmq_tx_free(void *data OVS_UNUSED, void *tx_)
{
    struct zmq_tx *tx = tx_;
    size_t orig;

    atomic_sub(&tx->owner->tx_bytes, tx->size, &orig);
    free(tx);
}

/* Makes '*msg' a copy of the 'size' bytes at 'payload', counted in
 * 'zt->tx_bytes'. */
static void
zmq_tx_init(struct transport_zmq *zt, const void *payload, size_t size,
            zmq_msg_t *msg)
{
    struct zmq_tx *tx = xmalloc(sizeof *tx + size);
    size_t orig;

    tx->owner = zt;
    tx->size = size;
    if (size) {
        memcpy(tx->data, payload, size);
    }
    atomic_add(&zt->tx_bytes, size, &orig);
    if (zmq_msg_init_data(msg, tx->data, size, zmq_tx_free, tx)) {
        out_of_memory();
    }
}

static int
transport_zmq_send(struct transport *transport, const void *envelope,
                   size_t envelope_len, const void *payload,
                   size_t payload_len)
{
    struct transport_zmq *zt = transport_zmq_cast(transport);
    zmq_msg_t msg;
    size_t queued;

    void *socket = zt->active->control.socket;

    if (!socket) {
        return ENOTCONN;
    }
    atomic_read(&zt->tx_bytes, &queued);
    if (payload_len > TRANSPORT_MAX_MESSAGE) {
        return EMSGSIZE;
    } else if (queued && ((queued + payload_len) / 1024
                          >= limit_max(&limit_send_queue_KB))) {
        limit_hit(&limit_send_queue_KB);
        return ENOBUFS;
    }

    if (zmq_send(socket, envelope, envelope_len,
                 ZMQ_SNDMORE | ZMQ_DONTWAIT) < 0) {
        return errno == EAGAIN ? ENOBUFS : errno;
    }

    /* With its first frame accepted, all of the message is. */
    zmq_tx_init(zt, payload, payload_len, &msg);
    if (zmq_msg_send(&msg, socket, ZMQ_DONTWAIT) < 0) {
        int error = errno;

        zmq_msg_close(&msg);
        return error;
    }
    return 0;
}

static void
transport_zmq_get_memory_usage(const struct transport *transport,
                               struct simap *usage)
{
    struct transport_zmq *zt = transport_zmq_cast(transport);
    size_t queued;

    atomic_read(&zt->tx_bytes, &queued);
    simap_increase(usage, "receive-queue-KB", zt->rx_bytes / 1024);
    simap_increase(usage, "send-queue-KB", queued / 1024);
}

static unsigned int
transport_zmq_connection_seqno(const struct transport *transport)
{
    return transport_zmq_cast(transport)->seqno;
}

static bool
transport_zmq_is_connected(const struct transport *transport)
{
    return zmq_pair_is_connected(transport_zmq_cast(transport)->active);
}

static void
transport_zmq_unanswered(struct transport *transport)
{
    struct transport_zmq *zt = transport_zmq_cast(transport);

    VLOG_INFO_RL(&rl, "%s: no answer to HELLO", zt->active->control.endpoint);
    failover_unanswered(&zt->failover, time_msec());
}

static void
zmq_pair_describe(const struct zmq_pair *pair, struct ds *ds)
{
    zmq_channel_describe(&pair->sub, ds);
    if (pair->control.endpoint) {
        ds_put_cstr(ds, ", control ");
        zmq_channel_describe(&pair->control, ds);
    }
}

static void
transport_zmq_describe(const struct transport *transport, struct ds *ds)
{
    const struct transport_zmq *zt = transport_zmq_cast(transport);

    zmq_pair_describe(zt->active, ds);
    if (zt->config.curve.server[0]) {
        ds_put_cstr(ds, "; with CURVE");
    }
    if (zt->config.n_servers > 1) {
        ds_put_format(ds, "; server %"PRIuSIZE" of %"PRIuSIZE,
                      zt->active->server + 1, zt->config.n_servers);
    }
    if (zt->failover.unanswered) {
        ds_put_cstr(ds, "; no answer to HELLO");
    }
    if (zt->candidate->server != FAILOVER_NONE) {
        ds_put_format(ds, "; trying server %"PRIuSIZE": ",
                      zt->candidate->server + 1);
        zmq_pair_describe(zt->candidate, ds);
    }
}

static const char *const zmq_schemes[] = { "tcp:", "ipc:", NULL };

const struct transport_class transport_zmq_class = {
    .name = "zmq",
    .schemes = zmq_schemes,
    .check_endpoint = zmq_endpoint_check,
    .open = transport_zmq_open,
    .close = transport_zmq_close,
    .set_topics = transport_zmq_set_topics,
    .run = transport_zmq_run,
    .wait = transport_zmq_wait,
    .recv = transport_zmq_recv,
    .message_destroy = transport_zmq_message_destroy,
    .send = transport_zmq_send,
    .connection_seqno = transport_zmq_connection_seqno,
    .is_connected = transport_zmq_is_connected,
    .unanswered = transport_zmq_unanswered,
    .get_memory_usage = transport_zmq_get_memory_usage,
    .describe = transport_zmq_describe,
};
