/* SPDX-License-Identifier: Apache-2.0
 *
 * zmq-channel: one connecting ZeroMQ socket in the poll loop. */

#include <config.h>

#include "ingest/zmq-channel.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/un.h>
#include <zmq.h>

#include "ingest/socket-fd.h"
#include "ingest/transport-provider.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "packets.h"
#include "sset.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(zmq_channel);

/* Times in milliseconds. */
#define RECONNECT_MSEC 100      /* Between attempts to connect, at first... */
#define RECONNECT_MAX_MSEC 1000 /* ...and at most. */
#define CONNECT_TIMEOUT_MSEC 5000 /* For one attempt. */
#define DEAD_MSEC 1000          /* Until a lost channel counts as dead. */
#define HEARTBEAT_MSEC 2000     /* Between heartbeats. */
#define SILENT_MSEC 6000        /* Until a silent peer is gone, over TCP... */
#define LOCAL_SILENT_MSEC 60000 /* ...and otherwise: as long as the largest
                                 * message may take. */
#define LOOK_MSEC 1000          /* Between looks, at least. */

/* What is wrong with a connection in a minute may be wrong all day. */
static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(20, 20);

/* Returns NULL if 's', of 'n' bytes, is a host name or address as in
 * "tcp://HOST:PORT", else a malloc()'d message. */
static char *
check_host(const char *s, size_t n)
{
    if (n >= 2 && s[0] == '[' && s[n - 1] == ']') {
        char *addr = xmemdup0(s + 1, n - 2);
        size_t len = strcspn(addr, "%"); /* Scope. */
        struct in6_addr ipv6;

        addr[len] = '\0';
        bool ok = ipv6_parse(addr, &ipv6);
        free(addr);
        return ok ? NULL : xstrdup("expected an IPv6 address in brackets");
    }

    if (!n) {
        return xstrdup("the host is missing: expected tcp://HOST:PORT");
    } else if (memchr(s, ':', n)) {
        return xstrdup("an IPv6 address goes in brackets: "
                       "tcp://[ADDRESS]:PORT");
    }
    for (size_t i = 0; i < n; i++) {
        if (!isalnum((unsigned char) s[i]) && !strchr("-._", s[i])) {
            return xasprintf("expected a host name or address, found \"%.*s\"",
                             (int) n, s);
        }
    }
    return NULL;
}

static char *
check_tcp(const char *s)
{
    const char *colon = strrchr(s, ':');
    unsigned int port;

    if (!colon) {
        return xstrdup("the port is missing: expected tcp://HOST:PORT");
    }
    if (!colon[1] || colon[1 + strspn(colon + 1, "0123456789")]
        || !str_to_uint(colon + 1, 10, &port) || !port || port > 65535) {
        return xasprintf("expected a port of 1 to 65535, found \"%s\"",
                         colon + 1);
    }
    return check_host(s, colon - s);
}

static char *
check_ipc(const char *path)
{
    struct sockaddr_un un;
    size_t len = strlen(path);

    if (!len) {
        return xstrdup("the path is missing: expected ipc://PATH");
    } else if (len >= sizeof un.sun_path) {
        return xasprintf("expected a path of at most %"PRIuSIZE" bytes, "
                         "found %"PRIuSIZE, sizeof un.sun_path - 1, len);
    }
    return NULL;
}

char *
zmq_endpoint_check(const char *endpoint)
{
    if (!strncmp(endpoint, "tcp://", 6)) {
        return check_tcp(endpoint + 6);
    } else if (!strncmp(endpoint, "ipc://", 6)) {
        return check_ipc(endpoint + 6);
    }
    return xstrdup("expected tcp://HOST:PORT or ipc://PATH");
}

/* Channels. */

static const char *
channel_name(const struct zmq_channel *ch)
{
    return ch->type == ZMQ_SUB ? "goal state" : "control";
}

static void
set_int(void *socket, int option, int value)
{
    if (zmq_setsockopt(socket, option, &value, sizeof value)) {
        VLOG_WARN_RL(&rl, "cannot set ZeroMQ option %d to %d (%s)",
                     option, value, zmq_strerror(errno));
    }
}

/* Makes the new socket of 'ch' a client of CURVE.  Returns 0 or an errno
 * value. */
static int
channel_set_curve(struct zmq_channel *ch, const struct curve_config *curve)
{
    const struct {
        int option;
        const char *key;
    } keys[] = {
        { ZMQ_CURVE_SERVERKEY, curve->server },
        { ZMQ_CURVE_PUBLICKEY, curve->own.public },
        { ZMQ_CURVE_SECRETKEY, curve->own.secret },
    };

    for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
        if (zmq_setsockopt(ch->socket, keys[i].option, keys[i].key,
                           CURVE_KEY_LEN + 1)) {
            return errno;
        }
    }
    return 0;
}

static bool
is_tcp(const struct zmq_channel *ch)
{
    return !strncmp(ch->endpoint, "tcp://", 6);
}

/* Sets the options of the new socket of 'ch'. */
static void
channel_set_options(struct zmq_channel *ch,
                    const struct zmq_channel_options *options)
{
    int64_t max_message = TRANSPORT_MAX_MESSAGE;

    zmq_setsockopt(ch->socket, ZMQ_MAXMSGSIZE, &max_message,
                   sizeof max_message);
    set_int(ch->socket, ZMQ_IPV6, 1);
    set_int(ch->socket, ZMQ_LINGER, 0);
    set_int(ch->socket, ZMQ_RECONNECT_IVL, RECONNECT_MSEC);
    set_int(ch->socket, ZMQ_RECONNECT_IVL_MAX, RECONNECT_MAX_MSEC);
    set_int(ch->socket, ZMQ_CONNECT_TIMEOUT, CONNECT_TIMEOUT_MSEC);
    set_int(ch->socket, ZMQ_TCP_KEEPALIVE, 1);
    set_int(ch->socket, ZMQ_TCP_KEEPALIVE_IDLE, 10);
    set_int(ch->socket, ZMQ_TCP_KEEPALIVE_INTVL, 5);
    set_int(ch->socket, ZMQ_TCP_KEEPALIVE_CNT, 3);
    set_int(ch->socket, ZMQ_RCVHWM, options->rcvhwm);
    set_int(ch->socket, ZMQ_SNDHWM, options->sndhwm);

    if (ch->type == ZMQ_SUB) {
        const char *topic;

        SSET_FOR_EACH (topic, options->topics) {
            zmq_setsockopt(ch->socket, ZMQ_SUBSCRIBE, topic, strlen(topic));
        }
    } else {
        zmq_setsockopt(ch->socket, ZMQ_ROUTING_ID, options->routing_id,
                       strlen(options->routing_id));
        set_int(ch->socket, ZMQ_HEARTBEAT_IVL, HEARTBEAT_MSEC);
        set_int(ch->socket, ZMQ_HEARTBEAT_TIMEOUT,
                is_tcp(ch) ? 0 : LOCAL_SILENT_MSEC);
    }
}

/* Starts the monitor of 'ch'.  Returns 0 or an errno value. */
static int
channel_open_monitor(struct zmq_channel *ch, void *context)
{
    const int events = (ZMQ_EVENT_CONNECTED
                        | ZMQ_EVENT_HANDSHAKE_SUCCEEDED
                        | ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL
                        | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH
                        | ZMQ_EVENT_CONNECT_RETRIED
                        | ZMQ_EVENT_DISCONNECTED);
    char address[64];

    /* A name is free again only some time after its monitor was stopped. */
    snprintf(address, sizeof address, "inproc://monitor-%p-%u",
             ch, ch->n_opened);
    if (zmq_socket_monitor(ch->socket, address, events)) {
        return errno;
    }

    ch->monitor = zmq_socket(context, ZMQ_PAIR);
    if (!ch->monitor) {
        return errno;
    }

    /* libzmq's thread would block while the monitor's queue is full. */
    set_int(ch->monitor, ZMQ_RCVHWM, 0);
    set_int(ch->monitor, ZMQ_LINGER, 0);
    return zmq_connect(ch->monitor, address) ? errno : 0;
}

/* Closes 'ch', which may be closed already.  What it has sent last gets
 * 'linger' ms to get out, while zmq_ctx_term() waits. */
void
zmq_channel_close(struct zmq_channel *ch, int linger)
{
    if (ch->socket) {
        zmq_socket_monitor(ch->socket, NULL, 0);
        set_int(ch->socket, ZMQ_LINGER, linger);
        zmq_close(ch->socket);
        ch->socket = NULL;
    }
    if (ch->monitor) {
        zmq_close(ch->monitor);
        ch->monitor = NULL;
    }
    ch->connected = false;
    ch->dead_at = LLONG_MAX;
    ch->inode = 0;
}

/* Opens 'ch', which is closed, in 'context'.  Returns NULL, or a malloc()'d
 * message that names the endpoint; then 'ch' is closed but counts as lost, so
 * that zmq_channel_run() will ask for another attempt. */
char *
zmq_channel_open(struct zmq_channel *ch, void *context,
                 const struct zmq_channel_options *options)
{
    int error = 0;

    ch->n_opened++;
    ch->dead_at = LLONG_MAX;
    ch->socket = zmq_socket(context, ch->type);
    if (!ch->socket) {
        error = errno;
    } else {
        channel_set_options(ch, options);
        ch->encrypted = options->curve != NULL;
        error = ch->encrypted ? channel_set_curve(ch, options->curve) : 0;
        if (!error) {
            error = channel_open_monitor(ch, context);
        }
        if (!error && zmq_connect(ch->socket, ch->endpoint)) {
            error = errno;
        }
    }
    if (error) {
        zmq_channel_close(ch, 0);
        ch->dead_at = time_msec() + DEAD_MSEC;
        return xasprintf("\"%s\": cannot connect (%s)",
                         ch->endpoint, zmq_strerror(error));
    }
    return NULL;
}

/* Takes the next event off the monitor of 'ch', and stores its value in
 * '*value'.  Returns 0 if there is none. */
static uint16_t
channel_next_event(struct zmq_channel *ch, uint32_t *value)
{
    uint8_t frame[6];           /* 16 bits of event, 32 bits of value. */
    uint16_t event = 0;

    if (ch->monitor
        && zmq_recv(ch->monitor, frame, sizeof frame, ZMQ_DONTWAIT) >= 0) {
        char address[8];        /* Is cut off. */

        memcpy(&event, frame, sizeof event);
        memcpy(value, frame + sizeof event, sizeof *value);
        zmq_recv(ch->monitor, address, sizeof address, ZMQ_DONTWAIT);
    }
    return event;
}

/* Returns what ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL, with 'value', means. */
static const char *
protocol_problem(const struct zmq_channel *ch, uint32_t value)
{
    if (value != ZMQ_PROTOCOL_ERROR_ZMTP_MECHANISM_MISMATCH) {
        return "handshake failed: protocol error";
    }
    return (ch->encrypted
            ? "handshake failed: the server does not use CURVE encryption"
            : "handshake failed: the server uses CURVE encryption, see "
            "alcor-curve-key");
}

static void
channel_handle_event(struct zmq_channel *ch, uint16_t event, uint32_t value)
{
    switch (event) {
    case ZMQ_EVENT_CONNECTED:
        if (ch->type == ZMQ_DEALER && is_tcp(ch)) {
            ch->fd = value;
            ch->inode = socket_fd_inode(value);
            ch->look_at = time_msec() + SILENT_MSEC;
            ch->silence = 0;
        }
        break;

    case ZMQ_EVENT_HANDSHAKE_SUCCEEDED:
        VLOG_INFO_RL(&rl, "%s: connected (%s)", ch->endpoint,
                     channel_name(ch));
        ch->connected = true;
        ch->generation++;
        ch->connected_at = time_msec();
        ch->dead_at = LLONG_MAX;
        ch->problem = NULL;
        break;

    case ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL:
        ch->problem = protocol_problem(ch, value);
        break;

    case ZMQ_EVENT_HANDSHAKE_FAILED_AUTH:
        ch->problem = (ch->encrypted
                       ? "handshake failed: the server does not accept our "
                       "key"
                       : "handshake failed: not authorized");
        break;

    case ZMQ_EVENT_CONNECT_RETRIED:
        ch->dead_at = LLONG_MAX;
        break;

    case ZMQ_EVENT_DISCONNECTED:
        if (ch->connected) {
            VLOG_INFO_RL(&rl, "%s: connection lost (%s)", ch->endpoint,
                         channel_name(ch));
            ch->connected = false;
        } else if (!ch->problem) {
            /* E.g. a socket of the wrong type.  For that there may be a
             * HANDSHAKE_FAILED_NO_DETAIL or not. */
            ch->problem = (ch->encrypted
                           ? "handshake failed: is it the right endpoint, "
                           "with CURVE and the server key that we have?"
                           : "handshake failed: is it the right endpoint?");
        }
        ch->dead_at = time_msec() + DEAD_MSEC;
        ch->inode = 0;
        break;
    }
}

/* Cuts the connection if the other end is gone.  It must have been silent at
 * two looks: if we ourselves have been stopped, libzmq has asked it for a sign
 * of life in between. */
static void
channel_check_alive(struct zmq_channel *ch)
{
    unsigned int silence;

    if (!ch->inode || time_msec() < ch->look_at) {
        return;
    }
    silence = socket_fd_silence(ch->fd);
    if (silence < SILENT_MSEC) {
        ch->silence = 0;
        ch->look_at = time_msec() + MAX(LOOK_MSEC, SILENT_MSEC - silence);
    } else if (!ch->silence || silence < ch->silence + LOOK_MSEC) {
        ch->silence = ch->silence ? ch->silence : silence;
        ch->look_at = time_msec() + LOOK_MSEC;
    } else {
        VLOG_INFO_RL(&rl, "%s: silent for %u ms (%s)", ch->endpoint,
                     silence, channel_name(ch));
        socket_fd_cut(ch->fd, ch->inode);
        ch->inode = 0;
    }
}

/* Brings the state of 'ch' up to date.  Returns true if 'ch' has to be closed
 * and opened again. */
bool
zmq_channel_run(struct zmq_channel *ch)
{
    uint32_t value = 0;
    uint16_t event;

    while ((event = channel_next_event(ch, &value)) != 0) {
        channel_handle_event(ch, event, value);
    }
    channel_check_alive(ch);
    if (!ch->endpoint || time_msec() < ch->dead_at) {
        return false;
    }

    VLOG_INFO_RL(&rl, "%s: opening anew after %s (%s)", ch->endpoint,
                 ch->problem ? ch->problem : "a protocol error or a message "
                 "that is too large", channel_name(ch));
    return true;
}

/* Reads all frames of the next message on 'socket', the first 'n' of them into
 * 'frames', which the caller must have initialized and must close.  Returns
 * their number, or 0 if there is no message. */
size_t
zmq_read_frames(void *socket, zmq_msg_t frames[], size_t n)
{
    for (size_t i = 0; ; i++) {
        zmq_msg_t extra, *frame;
        bool more;

        if (i < n) {
            frame = &frames[i];
        } else {
            frame = &extra;
            zmq_msg_init(frame);
        }

        if (zmq_msg_recv(frame, socket, ZMQ_DONTWAIT) < 0) {
            /* libzmq delivers whole messages: this is the first frame. */
            return i;
        }
        more = zmq_msg_more(frame);
        if (frame == &extra) {
            zmq_msg_close(frame);
        }
        if (!more) {
            return i + 1;
        }
    }
}

/* Makes the poll loop wake up when 'socket' has something to read. */
void
zmq_socket_wait(void *socket)
{
    int events, fd;
    size_t len;

    len = sizeof events;
    if (!zmq_getsockopt(socket, ZMQ_EVENTS, &events, &len)
        && events & ZMQ_POLLIN) {
        poll_immediate_wake();
        return;
    }

    len = sizeof fd;
    if (!zmq_getsockopt(socket, ZMQ_FD, &fd, &len)) {
        poll_fd_wait(fd, POLLIN);
    }
}

/* Makes the poll loop wake up when zmq_channel_run() has something to do, or
 * when there is something to read. */
void
zmq_channel_wait(const struct zmq_channel *ch)
{
    zmq_channel_wait_state(ch);
    if (ch->socket) {
        zmq_socket_wait(ch->socket);
    }
}

/* Makes the poll loop wake up when zmq_channel_run() has something to do. */
void
zmq_channel_wait_state(const struct zmq_channel *ch)
{
    if (ch->monitor) {
        zmq_socket_wait(ch->monitor);
    }
    if (ch->endpoint && ch->dead_at != LLONG_MAX) {
        poll_timer_wait_until(ch->dead_at);
    }
    if (ch->inode) {
        poll_timer_wait_until(ch->look_at);
    }
}

/* Appends the endpoint and state of 'ch', for people. */
void
zmq_channel_describe(const struct zmq_channel *ch, struct ds *ds)
{
    ds_put_format(ds, "%s %s", ch->endpoint,
                  ch->connected ? "connected" : "connecting");
    if (ch->problem) {
        ds_put_format(ds, " (%s)", ch->problem);
    }
}
