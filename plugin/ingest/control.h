/* SPDX-License-Identifier: Apache-2.0
 *
 * control: the payloads of the control channel that are not goal state. */

#ifndef INGEST_CONTROL_H
#define INGEST_CONTROL_H 1

/* Control payloads
 * ================
 *
 * Decodes what servers send beside goal state, and encodes what the agent
 * answers.  HELLO, the replies to goal state and host requests are in
 * envelope.h.
 *
 * Decoding functions return NULL and fill in their last argument, which the
 * caller must destroy, or return a malloc()'d message.  Strings are never
 * null; ids and topics are 1 to 255 bytes of UTF-8, else that is the error.
 *
 * Thread-safety: no shared state. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "ingest/envelope.h"
#include "openvswitch/compiler.h"

struct ofpbuf;

/* At most this many topics or positions in one message. */
#define CONTROL_MAX_TOPICS 131072

/* Positions of a publisher: of a HELLO, HELLO_REPLY or SNAPSHOT_END. */
struct publisher_positions {
    char *sender;
    uint64_t epoch;
    struct topic_position *positions;
    size_t n_positions;
    char **topics;              /* Those that the reply assigns. */
    size_t n_topics;
};
char *hello_reply_decode(const void *data, size_t len,
                         struct publisher_positions *)
    OVS_WARN_UNUSED_RESULT;
char *snapshot_end_decode(const void *data, size_t len,
                          struct publisher_positions *)
    OVS_WARN_UNUSED_RESULT;

/* SNAPSHOT_BEGIN: only 'topics' is filled in; none: all topics. */
char *snapshot_begin_decode(const void *data, size_t len,
                            struct publisher_positions *)
    OVS_WARN_UNUSED_RESULT;
void publisher_positions_destroy(struct publisher_positions *);

/* Adds a position.  The first one says whose they are. */
void publisher_positions_add(struct publisher_positions *, const char *sender,
                             uint64_t epoch, const char *topic,
                             uint64_t sequence);

/* HOST_REPLY. */
struct host_reply {
    struct host_reply_status {
        char *request_id;
        enum goal_status status;
    } *statuses;
    size_t n;
};
char *host_reply_decode(const void *data, size_t len, struct host_reply *)
    OVS_WARN_UNUSED_RESULT;
void host_reply_destroy(struct host_reply *);

/* SUBSCRIBE_INFO and SUBSCRIBE_REPLY. */
struct subscribe_info {
    bool parsed;                /* Even if what it says is no good. */
    bool join;                  /* Else leave. */
    char *topic;
    char *key;
};
char *subscribe_info_decode(const void *data, size_t len,
                            struct subscribe_info *)
    OVS_WARN_UNUSED_RESULT;
void subscribe_info_destroy(struct subscribe_info *);
void subscribe_reply_encode(enum goal_status, struct ofpbuf *);

/* PORT_EVENT. */
void port_event_encode(const char *port_id, bool active, const char *reason,
                       struct ofpbuf *);

#endif /* ingest/control.h */
