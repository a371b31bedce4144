/* SPDX-License-Identifier: Apache-2.0
 *
 * control-server: payloads of the control channel as a server sees them. */

#ifndef INGEST_CONTROL_SERVER_H
#define INGEST_CONTROL_SERVER_H 1

/* Control payloads, server's side
 * ===============================
 *
 * The other half of envelope.h and control.h: decodes what agents send and
 * encodes what servers answer.
 *
 * Decoding functions return NULL and fill in their last arguments, which the
 * caller must destroy, or return a malloc()'d message and leave nothing to be
 * destroyed.
 *
 * Thread-safety: no shared state. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "ingest/control.h"
#include "ingest/envelope.h"
#include "openvswitch/compiler.h"

struct ofpbuf;

/* HELLO. */
struct hello_message {
    char *node_id;              /* 1 to 255 bytes of UTF-8. */
    char *host_ip;              /* As sent; may be empty. */
    char *version;
    struct publisher_positions pp; /* Its topics and positions. */
};
char *hello_decode(const void *data, size_t len, struct hello_message *)
    OVS_WARN_UNUSED_RESULT;
void hello_message_destroy(struct hello_message *);

/* GOAL_STATE_REPLY. */
char *reply_decode(const void *data, size_t len,
                   struct resource_status **statusesp, size_t *np)
    OVS_WARN_UNUSED_RESULT;
void reply_destroy(struct resource_status *, size_t n);

/* The same for a reply that may be long, of which only what is not SUCCESS is
 * of interest: calls 'cb' for that, with an id that is not null-terminated,
 * and stores in '*worst' the largest times of all. */
struct reply_exception {
    const char *id;
    size_t id_len;
    uint32_t kind;
    enum goal_status status;
};
char *reply_walk(const void *data, size_t len,
                 void (*cb)(const struct reply_exception *, void *aux),
                 void *aux, struct resource_status *worst)
    OVS_WARN_UNUSED_RESULT;

/* HOST_REQUEST.  Addresses as sent. */
struct host_requests {
    struct host_request *requests; /* Strings are owned. */
    size_t n;
};
char *host_requests_decode(const void *data, size_t len,
                           struct host_requests *) OVS_WARN_UNUSED_RESULT;
void host_requests_destroy(struct host_requests *);

/* Appends a HOST_REPLY with the answers to 'n' requests. */
void host_reply_encode(const struct host_request *,
                       const enum goal_status *, size_t n, uint32_t total_usec,
                       struct ofpbuf *);

/* SNAPSHOT_BEGIN ('n_topics' 0: all) and SNAPSHOT_END. */
void snapshot_begin_encode(const char *const *topics, size_t n_topics,
                           struct ofpbuf *);
void snapshot_end_encode(uint64_t epoch, const char *sender,
                         const struct topic_position *, size_t n,
                         struct ofpbuf *);

/* SUBSCRIBE_INFO. */
void subscribe_info_encode(bool join, const char *topic, const char *key,
                           struct ofpbuf *);

#endif /* ingest/control-server.h */
