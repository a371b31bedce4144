/* SPDX-License-Identifier: Apache-2.0
 *
 * envelope: the header of every message, and the small payloads. */

#ifndef INGEST_ENVELOPE_H
#define INGEST_ENVELOPE_H 1

/* Envelope
 * ========
 *
 * Decodes and encodes the envelope frame (wire-protocol.md, section 2) and
 * those payloads that are not goal state.  Here and in goal-decode.c are the
 * only places that see protobuf structs.
 *
 * Decoded strings are copies owned by the decoded object.
 *
 * Thread-safety: no shared state. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "openvswitch/compiler.h"
#include "store/goal-types.h"

struct ofpbuf;
struct smap;

#define ENVELOPE_VERSION 1

enum envelope_kind {            /* Kind, by its numbers. */
    MSG_UNSPECIFIED, MSG_HELLO, MSG_HELLO_REPLY, MSG_GOAL_STATE,
    MSG_GOAL_STATE_V2, MSG_GOAL_STATE_REPLY, MSG_HOST_REQUEST,
    MSG_HOST_REPLY, MSG_SUBSCRIBE_INFO, MSG_SUBSCRIBE_REPLY,
    MSG_SNAPSHOT_BEGIN, MSG_SNAPSHOT_END, MSG_TXN_PREPARE, MSG_TXN_VOTE,
    MSG_TXN_COMMIT, MSG_TXN_ABORT, MSG_TXN_DONE, MSG_TXN_QUERY,
    MSG_HEARTBEAT, MSG_PORT_EVENT,
    MSG_N_KINDS
};

struct envelope {
    uint32_t version;           /* protocol_version. */
    uint32_t kind;              /* enum envelope_kind, or a number beyond. */
    char *message_id;           /* Strings are never null. */
    char *correlation_id;
    char *sender;
    uint64_t epoch;             /* µs since 1970. */
    uint64_t sequence;
    uint64_t sent_at;           /* µs since 1970. */
    char *transaction_id;
};

const char *envelope_kind_to_string(uint32_t kind);

/* Decodes the 'len' bytes at 'data'.  Returns NULL and fills in '*envelope',
 * which the caller must destroy, or returns a malloc()'d message. */
char *envelope_decode(const void *data, size_t len, struct envelope *)
    OVS_WARN_UNUSED_RESULT;
void envelope_destroy(struct envelope *);

/* Appends the wire form of 'envelope' to 'buf' (null strings are left out). */
void envelope_encode(const struct envelope *, struct ofpbuf *buf);

/* A topic's position. */
struct topic_position {
    char *topic;
    uint64_t sequence;
};

struct hello {
    const char *node_id;
    const char *host_ip;
    const char *agent_version;
    const char *const *topics;
    size_t n_topics;
    const struct topic_position *positions;
    size_t n_positions;
    uint64_t epoch;             /* Whose positions these are. */
    const char *sender;
};
void hello_encode(const struct hello *, struct ofpbuf *buf);

/* Wire values of OperationStatus. */
enum goal_status {
    GOAL_STATUS_SUCCESS,
    GOAL_STATUS_FAILURE,
    GOAL_STATUS_INVALID_ARG,
    GOAL_STATUS_PENDING,
    GOAL_STATUS_OUT_OF_ORDER,
};
const char *goal_status_to_string(enum goal_status);

/* Wire values of OperationType. */
enum goal_operation {
    GOAL_OP_INFO,
    GOAL_OP_CREATE,
    GOAL_OP_UPDATE,
    GOAL_OP_GET,
    GOAL_OP_DELETE,
};

/* One entry of a GoalStateOperationReply.  Times are in µs. */
struct resource_status {
    char *id;
    uint32_t kind;              /* enum goal_kind as sent. */
    uint32_t operation;         /* enum goal_operation as sent. */
    enum goal_status status;
    uint32_t programming_usec;  /* dataplane_programming_time. */
    uint32_t configuration_usec; /* network_configuration_time. */
    uint32_t elapsed_usec;      /* state_elapse_time. */
};

/* Appends a GoalStateOperationReply. */
void reply_encode(const struct resource_status *, size_t n,
                  uint32_t total_usec, struct ofpbuf *buf);

enum host_request_type { HOST_REQUEST_ON_DEMAND, HOST_REQUEST_RESTARTED };

struct host_request {
    enum host_request_type type;
    const char *request_id;
    uint32_t tunnel_id;
    const char *source_ip;
    uint32_t source_port;
    const char *destination_ip;
    uint32_t destination_port;
    uint32_t ethertype;         /* 0: IPv4, 1: IPv6. */
    uint32_t protocol;          /* Alcor's Protocol. */
};
void host_request_encode(const struct host_request *, size_t n,
                         struct ofpbuf *buf);

#endif /* ingest/envelope.h */
