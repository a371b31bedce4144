/* SPDX-License-Identifier: Apache-2.0
 *
 * zmq-server: the sockets of a server, PUB and ROUTER. */

#ifndef INGEST_ZMQ_SERVER_H
#define INGEST_ZMQ_SERVER_H 1

/* ZeroMQ servers
 * ==============
 *
 * What?
 * -----
 *
 * The other end of transport-zmq.c: a PUB socket, on which goal state goes out
 * by topic, and a ROUTER socket, the control channel, on which many peers are
 * told apart by their routing ids (node ids).
 *
 * Payloads that go to many are "struct server_payload"s (server-payload.h).
 *
 * Slow peers
 * ----------
 *
 * Nothing here blocks or grows without bound.  What waits for subscribers is
 * counted (zmq-backlog.h).  When it becomes much, those who take nothing, or
 * much less than others, are cut off (slow-peers.h); when it is as much as may
 * be, zmq_server_is_congested(), and the caller publishes no more until it is
 * not: what is published nevertheless is taken.  Who was cut off, or has no
 * room for so many messages, misses some, and the sequence numbers tell it so.
 *
 * A slow peer of the control channel makes zmq_server_send() return EAGAIN.
 * Peers and subscribers whose host acknowledges nothing for 6 seconds are
 * dropped by the kernel, with all that waits for them.  (libzmq's heartbeats
 * keep it busy.)  These are answered only after a large message that is on its
 * way, so libzmq gives peers as long as the largest may take.
 *
 * Who is who
 * ----------
 *
 * With CURVE, a handler of ZAP (RFC 27) accepts the keys that "struct
 * zap_keys" (zap.h) allows, and messages carry the name of the key's owner.
 * Without, everybody is accepted and 'user' is null.
 *
 * When a key is taken out, nobody knows which connections are its: all are
 * closed, and those whose keys are left are back at once.
 *
 * Thread-safety: a server belongs to one thread; payloads may be released by
 * any. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "ingest/server-payload.h"
#include "openvswitch/compiler.h"

struct curve_keys;
struct envelope;
struct simap;
struct zap_keys;
struct zmq_server;

struct server_config {
    const char *publish;        /* Endpoint to bind PUB to. */
    const char *control;        /* Endpoint to bind ROUTER to. */
    const struct curve_keys *own; /* Null: no encryption. */
    const struct zap_keys *allowed; /* If 'own' is not null.  Stays in use. */
    size_t max_published;       /* Bytes that may wait for subscribers. */
};

/* A message of the control channel. */
struct server_message {
    char *peer;                 /* Routing id: 1 to 255 bytes of UTF-8. */
    char *user;                 /* Owner of its key; null: no encryption. */
    const uint8_t *envelope;
    size_t envelope_len;
    const uint8_t *payload;
    size_t payload_len;
    long long int received_usec; /* time_usec() at receipt. */
    void *aux;                  /* Provider's. */
};

/* Opens both sockets.  Returns NULL and stores the server, or returns a
 * malloc()'d message that names the endpoint. */
char *zmq_server_open(const struct server_config *, struct zmq_server **)
    OVS_WARN_UNUSED_RESULT;

/* What was sent last has a second to get out.  Accepts null. */
void zmq_server_close(struct zmq_server *);

/* Publishes on 'topic'.  'payload' may be null: empty.  Returns 0 or a
 * positive errno value. */
int zmq_server_publish(struct zmq_server *, const char *topic,
                       const struct envelope *, struct server_payload *);

/* Sends to 'peer'.  Returns 0, EHOSTUNREACH if it is not connected, or EAGAIN
 * if too much waits for it already. */
int zmq_server_send(struct zmq_server *, const char *peer,
                    const struct envelope *, struct server_payload *);

/* Bytes that wait for 'peer' on the control channel. */
uint64_t zmq_server_waiting(const struct zmq_server *, const char *peer);

/* True if so much waits for subscribers that no more is to be published. */
bool zmq_server_is_congested(const struct zmq_server *);
void zmq_server_wait_congested(const struct zmq_server *);

/* Returns the next message, which the caller must destroy, or NULL. */
struct server_message *zmq_server_recv(struct zmq_server *);
void server_message_destroy(struct server_message *); /* Accepts null. */

/* Returns one that has come another way. */
struct server_message *server_message_create(const char *peer,
                                             const void *payload, size_t len);

void zmq_server_run(struct zmq_server *);
void zmq_server_wait(struct zmq_server *);

/* Closes all connections, in a second: many keys may be taken out. */
void zmq_server_expel(struct zmq_server *);

/* Messages with a wrong number of frames or a routing id that is no id. */
uint64_t zmq_server_n_dropped(const struct zmq_server *);

/* Subscribers that were cut off. */
uint64_t zmq_server_n_cut(const struct zmq_server *);

void zmq_server_get_memory_usage(const struct zmq_server *, struct simap *);

/* Checks the syntax of 'endpoint' for binding ("tcp://IP-OR-*:PORT" or
 * "ipc://PATH").  Returns NULL or a malloc()'d message that names it. */
char *zmq_server_check_endpoint(const char *endpoint) OVS_WARN_UNUSED_RESULT;

#endif /* ingest/zmq-server.h */
