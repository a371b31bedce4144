/* SPDX-License-Identifier: Apache-2.0
 *
 * alcor-publish-session-private: what the files of a session share. */

#ifndef UTILITIES_ALCOR_PUBLISH_SESSION_PRIVATE_H
#define UTILITIES_ALCOR_PUBLISH_SESSION_PRIVATE_H 1

/* Inside a session
 * ================
 *
 *    alcor-publish-session.c       sockets, peers, messages, time
 *    alcor-publish-transaction.c   two-phase commit
 *
 * Essay: alcor-publish-session.h. */

#include "ingest/control-server.h"
#include "ingest/envelope.h"
#include "ingest/zmq-channel.h"
#include "openvswitch/shash.h"
#include "utilities/alcor-publish-session.h"

/* Our node id.  Always the same, because agents keep a record of each. */
#define SENDER "alcor-publish"

/* An agent, or the relay. */
struct peer {
    char *id;                   /* Routing id. */
    bool has_topic;             /* Does it subscribe to our topic? */
    bool expected;              /* Must it answer? */
    unsigned long *answered;    /* Bitmap of messages. */
    size_t n_answered;          /* Number of 1-bits in 'answered'. */
    char *snapshot_id;          /* message_id of SNAPSHOT_END, or null. */
};

/* Two-phase commit. */
enum publish_txn_phase {
    PUBLISH_TXN_NONE,           /* It is none, or of one host. */
    PUBLISH_TXN_PREPARED,       /* Waiting for votes. */
    PUBLISH_TXN_COMMITTED,      /* Decided: waiting for TXN_DONE. */
    PUBLISH_TXN_ABORTED,        /* Likewise. */
};

struct session {
    const struct session_options *options;
    struct ofpbuf *const *payloads;
    size_t n;                   /* Number of 'payloads'. */
    char **message_ids;         /* Of each payload. */
    struct shash by_message_id; /* message_id -> 1 + index of the payload. */
    struct publish_result *result;

    void *context;
    void *pub;                  /* XPUB; null with a relay. */
    void *router;               /* Null with a relay. */
    struct zmq_channel relay;   /* Not open without a relay. */

    uint64_t epoch;
    uint64_t sequence;          /* Of the last message published. */
    struct shash peers;         /* Contains "struct peer"s, by routing id. */
    int n_subscribers;          /* Subscriptions to our topic. */

    char *transaction_id;       /* With --transaction, else null. */
    enum publish_txn_phase phase; /* Of two-phase commit. */
    bool refused;               /* Somebody has not voted yes. */

    bool answering;             /* State. */
    long long int deadline;     /* Of the state. */
    long long int heal_deadline; /* LLONG_MAX: not all have answered. */
    long long int heartbeat_at;
    bool tty;                   /* Show progress? */
};

/* alcor-publish-session.c. */
struct envelope publish_envelope(const struct session *, enum envelope_kind,
                                 const char *message_id,
                                 const char *correlation_id);
void publish_send(struct session *, const char *node,
                  struct envelope *, const struct ofpbuf *payload);
void publish_new_message_id(struct session *, size_t message);

/* alcor-publish-transaction.c. */
void publish_txn_begin(struct session *);
void publish_txn_vote(struct session *, const struct resource_status *,
                      size_t n);
bool publish_txn_decide(struct session *);
void publish_txn_query(struct session *, const char *node,
                       const struct envelope *);

#endif /* utilities/alcor-publish-session-private.h */
