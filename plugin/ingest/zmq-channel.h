/* SPDX-License-Identifier: Apache-2.0
 *
 * zmq-channel: one connecting ZeroMQ socket in the poll loop. */

#ifndef INGEST_ZMQ_CHANNEL_H
#define INGEST_ZMQ_CHANNEL_H 1

/* ZeroMQ channels
 * ===============
 *
 * What?
 * -----
 *
 * A SUB or DEALER socket, connected to one endpoint, that knows whether it is
 * connected and comes back whatever happens to the connection.
 *
 * Usage
 * -----
 *
 * Zero a "struct zmq_channel", set 'type', 'n_frames' and 'endpoint' and open
 * it.  Call zmq_channel_run() and zmq_channel_wait() as the poll loop wants
 * it.  When the former returns true, read what there is to read on 'socket',
 * then close the channel and open it again.
 *
 * A channel whose 'endpoint' is null is never open; all functions but
 * zmq_channel_open() accept it.
 *
 * Poll loop
 * ---------
 *
 * A ZMQ_FD is edge-triggered and belongs to libzmq's mailbox: it may be
 * readable for no reason, and not be readable although messages wait, because
 * any call on the socket may have consumed the edge.  So zmq_socket_wait()
 * asks for ZMQ_EVENTS, and nothing may be done with the socket between it and
 * poll_block().
 *
 * Connection state
 * ----------------
 *
 * Comes from a monitor of the socket, a PAIR whose ZMQ_FD is in the poll loop
 * as well:
 *
 *                   HANDSHAKE_SUCCEEDED
 *    connecting  ------------------------->  connected
 *       ^    ^                                   |
 *       |    |                                   | DISCONNECTED
 *       |    |                                   v
 *       |    +----- CONNECT_RETRIED ----------  lost
 *       |                                        |
 *       +------ opened anew after 1 second ------+
 *
 * libzmq reconnects by itself, but not after what it calls a protocol error: a
 * frame over ZMQ_MAXMSGSIZE, a peer that speaks something else, a refused
 * CURVE key.  Then it gives up the endpoint for good and says nothing, whence
 * the last transition.
 *
 * Liveness
 * --------
 *
 * libzmq's heartbeats make the server of a DEALER say something every two
 * seconds.  Whether it does is not left to libzmq, to which a large message
 * that is still coming in is silence.  Over TCP, the kernel is asked when data
 * have come (socket-fd.h): after six seconds without any the connection is
 * cut, as if libzmq had lost it.
 *
 * Thread-safety: a channel belongs to one thread. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <zmq.h>
#include "openvswitch/compiler.h"

struct ds;
struct sset;

struct zmq_channel {
    int type;                   /* ZMQ_SUB or ZMQ_DEALER. */
    size_t n_frames;            /* In each message. */
    const char *endpoint;       /* Not owned; null: there is none. */

    void *socket;               /* Null while closed. */
    void *monitor;              /* PAIR; null exactly if 'socket' is. */
    unsigned int n_opened;      /* Number of times it was opened. */

    bool encrypted;             /* Opened with CURVE? */
    bool connected;
    unsigned int generation;    /* Number of handshakes so far. */
    long long int connected_at; /* time_msec() of the last one. */
    long long int dead_at;      /* When it counts as dead, or LLONG_MAX. */
    const char *problem;        /* Why it is not connected; may be null. */

    /* Liveness. */
    int fd;                     /* The connection, libzmq's... */
    ino_t inode;                /* ...and its socket; 0: not looked at. */
    long long int look_at;      /* When, by time_msec(). */
    unsigned int silence;       /* How long it was silent when that was too
                                 * long for the first time, in ms; or 0. */
};

struct zmq_channel_options {
    const char *routing_id;     /* Of a DEALER. */
    const struct curve_config *curve; /* Null: no encryption. */
    const struct sset *topics;  /* Of a SUB. */
    int rcvhwm;                 /* In messages. */
    int sndhwm;                 /* In messages; 0: unlimited. */
};

/* Checks the syntax of 'endpoint' for connecting.  Returns NULL or a
 * malloc()'d message that does not name it. */
char *zmq_endpoint_check(const char *endpoint) OVS_WARN_UNUSED_RESULT;

char *zmq_channel_open(struct zmq_channel *, void *context,
                       const struct zmq_channel_options *)
    OVS_WARN_UNUSED_RESULT;
void zmq_channel_close(struct zmq_channel *, int linger);
bool zmq_channel_run(struct zmq_channel *);
void zmq_channel_wait(const struct zmq_channel *);
void zmq_channel_wait_state(const struct zmq_channel *);
void zmq_channel_describe(const struct zmq_channel *, struct ds *);

/* For any socket. */
void zmq_socket_wait(void *socket);
size_t zmq_read_frames(void *socket, zmq_msg_t frames[], size_t n);

#endif /* ingest/zmq-channel.h */
