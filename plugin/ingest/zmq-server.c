/* SPDX-License-Identifier: Apache-2.0
 *
 * zmq-server: the sockets of a server, PUB and ROUTER. */

#include <config.h>

#include "ingest/zmq-server.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <zmq.h>

#include "coverage.h"
#include "ingest/curve-key.h"
#include "ingest/envelope.h"
#include "ingest/loud-peers.h"
#include "ingest/proto-field.h"
#include "ingest/slow-peers.h"
#include "ingest/transport-provider.h"
#include "ingest/zap.h"
#include "ingest/zmq-backlog.h"
#include "ingest/zmq-channel.h"
#include "limit.h"
#include "openvswitch/ofpbuf.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "simap.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(zmq_server);

COVERAGE_DEFINE(server_published);
COVERAGE_DEFINE(server_sent);
COVERAGE_DEFINE(server_unreachable);
COVERAGE_DEFINE(server_peer_full);
COVERAGE_DEFINE(server_bad_frames);
COVERAGE_DEFINE(server_slow_cut);
COVERAGE_DEFINE(server_expelled);

/* Messages that may wait for one subscriber: twice as many as may be published
 * in one go, once those wait that are much. */
#define PUBLISH_QUEUE (4 * PUBLISH_MESSAGES)

/* What subscribers send, at most: topics have 255 bytes, and handshakes
 * somewhat more. */
#define SUBSCRIPTION_BYTES 4096

/* Subscriptions that wait for libzmq to take them, which it does whenever the
 * main loop waits. */
#define SUBSCRIPTION_QUEUE 1000

/* Messages of up to TRANSPORT_MAX_MESSAGE that may wait in libzmq for each
 * peer of the control channel to be taken. */
#define PEER_QUEUE 64

/* Messages that are much, if they wait for somebody. */
#define PUBLISH_MESSAGES 32768

/* What may wait for one peer of the control channel, and in all: but one
 * message is always taken for a peer for which nothing waits. */
#define PEER_BYTES (64 * 1024 * 1024)
#define CONTROL_BYTES (256 * 1024 * 1024)

LIMIT_DEFINE(published_waiting, PUBLISH_MESSAGES, LIMIT_FIXED, LIMIT_WAITS)
LIMIT_DEFINE(peer_waiting_KB, PEER_BYTES / 1024, 1024, LIMIT_WAITS)
LIMIT_DEFINE(control_waiting_KB, CONTROL_BYTES / 1024, 1024, LIMIT_WAITS)

/* While there is too much, this often it is looked whether there still is. */
#define CONGESTED_MSEC 20

/* Times in ms: until those who are not heard of are dropped; that a message of
 * TRANSPORT_MAX_MESSAGE may take; until connections are closed because of keys
 * that were taken out. */
#define SILENT_MSEC 6000
#define LARGE_MESSAGE_MSEC 60000
#define EXPEL_MSEC 1000

#define N_FRAMES 3              /* Routing id, envelope, payload. */

struct zmq_server {
    void *context;
    void *pub;
    void *router;
    struct zap *zap;            /* Null: no encryption. */
    struct loud_peers *loud;    /* Who of them says too much. */
    struct zmq_backlog published; /* What waits for subscribers... */
    size_t max_published;       /* ...and may, in bytes. */
    struct slow_peers *slow;    /* Who of them is to blame. */
    struct slow_peers *peers;   /* The control channel's; none is cut off as
                                 * slow. */
    long long int expel_at;     /* When all are; LLONG_MAX: never. */
    struct zmq_backlog sent;    /* What waits for peers. */
    uint64_t n_dropped;
    uint64_t n_cut;
};

/* What backs a "struct server_message". */
struct received {
    struct server_message up;
    zmq_msg_t frames[N_FRAMES];
};

static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(5, 20);

/* Opening. */

char *
zmq_server_check_endpoint(const char *endpoint)
{
    const char *port = strrchr(endpoint, ':');
    char *reason;

    /* Any interface is a host only for binding. */
    if (!strncmp(endpoint, "tcp://*:", 8)) {
        char *concrete = xasprintf("tcp://0.0.0.0%s", port);

        reason = zmq_endpoint_check(concrete);
        free(concrete);
    } else {
        reason = zmq_endpoint_check(endpoint);
    }
    if (!reason) {
        return NULL;
    }
    char *error = xasprintf("\"%s\": %s", endpoint, reason);
    free(reason);
    return error;
}

static void
set_int(void *socket, int option, int value)
{
    if (zmq_setsockopt(socket, option, &value, sizeof value)) {
        VLOG_WARN_RL(&rl, "cannot set ZeroMQ option %d to %d (%s)",
                     option, value, zmq_strerror(errno));
    }
}

static int
set_curve(void *socket, const struct curve_keys *own)
{
    const int yes = 1;

    return (zmq_setsockopt(socket, ZMQ_CURVE_SERVER, &yes, sizeof yes)
            || zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, own->secret,
                              CURVE_KEY_LEN + 1)
            || zmq_setsockopt(socket, ZMQ_ZAP_DOMAIN, ZAP_DOMAIN,
                              strlen(ZAP_DOMAIN))) ? errno : 0;
}

/* Stores a socket of 'type' that is bound to 'endpoint' in '*socketp'. */
static char *
open_socket(struct zmq_server *server, const struct server_config *config,
            int type, const char *endpoint, void **socketp)
{
    int64_t max_message = (type == ZMQ_ROUTER ? TRANSPORT_MAX_MESSAGE
                           : SUBSCRIPTION_BYTES);
    void *socket = zmq_socket(server->context, type);
    int error = socket ? 0 : errno;

    *socketp = socket;
    if (socket) {
        zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &max_message,
                       sizeof max_message);
        set_int(socket, ZMQ_IPV6, strncmp(endpoint, "tcp://0.0.0.0", 13) != 0);
        set_int(socket, ZMQ_LINGER, 1000);
        set_int(socket, ZMQ_BACKLOG, 4096);
        set_int(socket, ZMQ_HEARTBEAT_IVL, 2000);
        set_int(socket, ZMQ_HEARTBEAT_TIMEOUT, LARGE_MESSAGE_MSEC);
        set_int(socket, ZMQ_TCP_KEEPALIVE, 1);
        set_int(socket, ZMQ_TCP_MAXRT, SILENT_MSEC);
        if (type == ZMQ_ROUTER) {
            set_int(socket, ZMQ_ROUTER_MANDATORY, 1);
            set_int(socket, ZMQ_ROUTER_HANDOVER, 1);
            set_int(socket, ZMQ_SNDHWM, 0); /* CONTROL_BYTES */
            set_int(socket, ZMQ_RCVHWM, PEER_QUEUE);
        } else {
            set_int(socket, ZMQ_SNDHWM, PUBLISH_QUEUE);
            set_int(socket, ZMQ_RCVHWM, SUBSCRIPTION_QUEUE);
        }
        error = config->own ? set_curve(socket, config->own) : 0;
        if (!error && zmq_bind(socket, endpoint)) {
            error = errno;
        }
    }
    return (error
            ? xasprintf("\"%s\": cannot bind (%s)", endpoint,
                        zmq_strerror(error))
            : NULL);
}

/* Has the connections to the sockets watched. */
static void
watch_peers(struct zmq_server *server)
{
    char publish[512] = "", control[512] = "";
    size_t publish_len = sizeof publish, control_len = sizeof control;

    zmq_getsockopt(server->pub, ZMQ_LAST_ENDPOINT, publish, &publish_len);
    zmq_getsockopt(server->router, ZMQ_LAST_ENDPOINT, control, &control_len);
    server->slow = slow_peers_create(publish);
    server->peers = slow_peers_create(control);
    server->loud = loud_peers_create(publish);
}

char *
zmq_server_open(const struct server_config *config,
                struct zmq_server **serverp)
{
    struct zmq_server *server = xzalloc(sizeof *server);
    char *error = NULL;

    zmq_backlog_init(&server->published);
    zmq_backlog_init(&server->sent);
    server->max_published = config->max_published;
    server->expel_at = LLONG_MAX;
    server->context = zmq_ctx_new();
    zmq_ctx_set(server->context, ZMQ_MAX_SOCKETS, 65536);
    if (config->own) {
        /* Must be there before the first handshake. */
        error = zap_open(server->context, config->allowed, &server->zap);
    }
    if (!error) {
        error = open_socket(server, config, ZMQ_PUB, config->publish,
                            &server->pub);
    }
    if (!error) {
        error = open_socket(server, config, ZMQ_ROUTER, config->control,
                            &server->router);
    }
    if (error) {
        zmq_server_close(server);
        server = NULL;
    } else {
        watch_peers(server);
    }
    *serverp = server;
    return error;
}

void
zmq_server_close(struct zmq_server *server)
{
    if (!server) {
        return;
    }
    if (server->pub) {
        zmq_close(server->pub);
    }
    if (server->router) {
        zmq_close(server->router);
    }
    zap_close(server->zap);
    zmq_ctx_term(server->context);
    slow_peers_destroy(server->slow);
    slow_peers_destroy(server->peers);
    loud_peers_destroy(server->loud);
    zmq_backlog_destroy(&server->published);
    zmq_backlog_destroy(&server->sent);
    free(server);
}

/* Sending. */

/* A message to be sent. */
struct outgoing {
    void *socket;
    struct zmq_backlog *backlog; /* Counts it. */
    const char *peer;           /* For whom; null: published. */
    const char *first;          /* Its first frame... */
    const struct envelope *envelope; /* ...second... */
    struct server_payload *payload; /* ...and last, or null: empty. */
};

/* Makes 'frame' one that holds 'n' bytes. */
static void
init_frame(zmq_msg_t *frame, const void *data, size_t n)
{
    if (zmq_msg_init_size(frame, n)) {
        out_of_memory();
    }
    memcpy(zmq_msg_data(frame), data, n);
}

/* Sends three frames, of which the last one that is not empty is counted. */
static int
send_frames(const struct outgoing *o)
{
    uint64_t stub[512 / 8];
    struct ofpbuf header;
    zmq_msg_t envelope, payload;
    int error = 0;

    ofpbuf_use_stub(&header, stub, sizeof stub);
    envelope_encode(o->envelope, &header);
    if (o->payload && o->payload->size) {
        init_frame(&envelope, header.data, header.size);
        zmq_backlog_lend(o->backlog, o->peer, &payload, o->payload);
    } else {
        struct server_payload *copy = server_payload_create(header.data,
                                                            header.size);

        zmq_backlog_lend(o->backlog, o->peer, &envelope, copy);
        server_payload_unref(copy);
        zmq_msg_init(&payload);
    }
    ofpbuf_uninit(&header);

    /* Only the first frame can be refused. */
    if (zmq_send(o->socket, o->first, strlen(o->first),
                 ZMQ_SNDMORE | ZMQ_DONTWAIT) < 0
        || zmq_msg_send(&envelope, o->socket, ZMQ_SNDMORE | ZMQ_DONTWAIT) < 0
        || zmq_msg_send(&payload, o->socket, ZMQ_DONTWAIT) < 0) {
        error = errno;
    }
    zmq_msg_close(&envelope);   /* Empty if they were sent. */
    zmq_msg_close(&payload);
    return error;
}

int
zmq_server_publish(struct zmq_server *server, const char *topic,
                   const struct envelope *envelope,
                   struct server_payload *payload)
{
    const struct outgoing o = {
        .socket = server->pub, .backlog = &server->published,
        .first = topic, .envelope = envelope, .payload = payload,
    };
    int error = send_frames(&o);

    if (error) {
        VLOG_WARN_RL(&rl, "cannot publish on topic %s (%s)", topic,
                     zmq_strerror(error));
    } else {
        COVERAGE_INC(server_published);
    }
    return error;
}

/* True if 'peer' can take 'n' bytes more. */
static bool
peer_has_room(const struct zmq_server *server, const char *peer, size_t n)
{
    uint64_t waiting = zmq_server_waiting(server, peer);

    return (!waiting
            || (!limit_reached(&limit_peer_waiting_KB, (waiting + n) / 1024)
                && !limit_reached(&limit_control_waiting_KB,
                                  (zmq_backlog_bytes(&server->sent) + n)
                                  / 1024)));
}

int
zmq_server_send(struct zmq_server *server, const char *peer,
                const struct envelope *envelope,
                struct server_payload *payload)
{
    const struct outgoing o = {
        .socket = server->router, .backlog = &server->sent, .peer = peer,
        .first = peer, .envelope = envelope, .payload = payload,
    };
    int error = (peer_has_room(server, peer, payload ? payload->size : 0)
                 ? send_frames(&o) : EAGAIN);

    if (!error) {
        COVERAGE_INC(server_sent);
    } else if (error == EAGAIN) {
        COVERAGE_INC(server_peer_full);
    } else {
        COVERAGE_INC(server_unreachable);
        error = EHOSTUNREACH;
    }
    return error;
}

uint64_t
zmq_server_waiting(const struct zmq_server *server, const char *peer)
{
    return zmq_backlog_peer_bytes(&server->sent, peer);
}

/* What waits for subscribers: messages, which are shared, and frames in the
 * queue of each that is behind. */
static uint64_t
published_bytes(const struct zmq_server *server)
{
    return (zmq_backlog_bytes(&server->published)
            + (zmq_backlog_messages(&server->published)
               * slow_peers_n_behind(server->slow) * ZMQ_BACKLOG_OVERHEAD));
}

/* Is it more than one 'part'th of what may be? */
static bool
is_loaded(const struct zmq_server *server, unsigned int part)
{
    return (published_bytes(server) > server->max_published / part
            || (zmq_backlog_messages(&server->published)
                > PUBLISH_MESSAGES / part));
}

bool
zmq_server_is_congested(const struct zmq_server *server)
{
    return (limit_reached(&limit_published_waiting,
                          zmq_backlog_messages(&server->published))
            || is_loaded(server, 1));
}

/* Receiving. */

static void
received_destroy(struct received *r)
{
    for (size_t i = 0; i < N_FRAMES; i++) {
        zmq_msg_close(&r->frames[i]);
    }
    free(r->up.peer);
    free(r->up.user);
    free(r);
}

void
server_message_destroy(struct server_message *msg)
{
    if (msg) {
        received_destroy(msg->aux);
    }
}

struct server_message *
server_message_create(const char *peer, const void *payload, size_t len)
{
    struct received *r = xzalloc(sizeof *r);
    zmq_msg_t *frame = &r->frames[N_FRAMES - 1];

    for (size_t i = 0; i < N_FRAMES - 1; i++) {
        zmq_msg_init(&r->frames[i]);
    }
    if (zmq_msg_init_size(frame, len)) {
        out_of_memory();
    }
    if (len) {
        memcpy(zmq_msg_data(frame), payload, len);
    }
    r->up.peer = xstrdup(peer);
    r->up.payload = zmq_msg_data(frame);
    r->up.payload_len = len;
    r->up.received_usec = time_usec();
    r->up.aux = r;
    return &r->up;
}

/* Fills in 'r->up' from the frames.  Returns false if its routing id is not
 * an id. */
static bool
received_init(struct received *r, const struct zap *zap)
{
    size_t id_len = zmq_msg_size(&r->frames[0]);

    if (!id_len || id_len > PROTO_ID_MAX_LEN) {
        return false;
    }
    r->up.peer = xmemdup0(zmq_msg_data(&r->frames[0]), id_len);
    if (!proto_is_utf8(r->up.peer, id_len)) {
        return false;
    }
    if (zap) {
        const char *user = zmq_msg_gets(&r->frames[2], "User-Id");

        r->up.user = xstrdup(user ? user : "");
    }
    r->up.envelope = zmq_msg_data(&r->frames[1]);
    r->up.envelope_len = zmq_msg_size(&r->frames[1]);
    r->up.payload = zmq_msg_data(&r->frames[2]);
    r->up.payload_len = zmq_msg_size(&r->frames[2]);
    r->up.received_usec = time_usec();
    r->up.aux = r;
    return true;
}

struct server_message *
zmq_server_recv(struct zmq_server *server)
{
    for (;;) {
        struct received *r = xzalloc(sizeof *r);

        for (size_t i = 0; i < N_FRAMES; i++) {
            zmq_msg_init(&r->frames[i]);
        }
        size_t n = zmq_read_frames(server->router, r->frames, N_FRAMES);
        if (n == N_FRAMES && received_init(r, server->zap)) {
            return &r->up;
        }
        received_destroy(r);
        if (!n) {
            return NULL;
        }
        server->n_dropped++;
        COVERAGE_INC(server_bad_frames);
        VLOG_INFO_RL(&rl, "control channel: message dropped: %"PRIuSIZE
                     " frames, or a routing id that is no id", n);
    }
}

void
zmq_server_expel(struct zmq_server *server)
{
    server->expel_at = time_msec() + EXPEL_MSEC;
}

static void
expel(struct zmq_server *server)
{
    size_t n = (slow_peers_cut_all(server->slow)
                + slow_peers_cut_all(server->peers));

    COVERAGE_ADD(server_expelled, n);
    VLOG_INFO("keys were taken out: %"PRIuSIZE" connections are closed; who "
              "has a key that is left comes again", n);
    server->expel_at = LLONG_MAX;
}

void
zmq_server_run(struct zmq_server *server)
{
    if (time_msec() >= server->expel_at) {
        expel(server);
    }

    size_t n = slow_peers_run(server->slow,
                              is_loaded(server, 1) ? SLOW_OVERLOAD
                              : is_loaded(server, 4) ? SLOW_PRESSURE
                              : SLOW_RELAXED);

    COVERAGE_ADD(server_slow_cut, n);
    server->n_cut += n;
    zap_run(server->zap);
}

void
zmq_server_wait(struct zmq_server *server)
{
    zmq_socket_wait(server->router);
    zmq_socket_wait(server->pub);
    zap_wait(server->zap);
    if (server->expel_at != LLONG_MAX) {
        poll_timer_wait_until(server->expel_at);
    }
    slow_peers_wait(server->slow);
}

/* Wakes the caller up when zmq_server_is_congested() may have changed. */
void
zmq_server_wait_congested(const struct zmq_server *server)
{
    if (zmq_server_is_congested(server)) {
        poll_timer_wait(CONGESTED_MSEC);
    }
}

uint64_t
zmq_server_n_dropped(const struct zmq_server *server)
{
    return server->n_dropped;
}

uint64_t
zmq_server_n_cut(const struct zmq_server *server)
{
    return server->n_cut;
}

void
zmq_server_get_memory_usage(const struct zmq_server *server,
                            struct simap *usage)
{
    simap_increase(usage, "published-waiting",
                   zmq_backlog_messages(&server->published));
    simap_increase(usage, "published-waiting-KB",
                   published_bytes(server) / 1024);
    loud_peers_get_memory_usage(server->loud, usage);
    simap_increase(usage, "subscribers-behind",
                   slow_peers_n_behind(server->slow));
    simap_increase(usage, "control-waiting-KB",
                   zmq_backlog_bytes(&server->sent) / 1024);
}
