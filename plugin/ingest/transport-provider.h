/* SPDX-License-Identifier: Apache-2.0
 *
 * transport-provider: what a way to talk to controllers has to offer. */

#ifndef INGEST_TRANSPORT_PROVIDER_H
#define INGEST_TRANSPORT_PROVIDER_H 1

/* Transports
 * ==========
 *
 * What?
 * -----
 *
 * A transport carries the frames of wire-protocol.md between this node and its
 * servers (controllers or relays): goal state by topic one way (PUB/SUB),
 * and the control channel both ways.  "zmq" is the real one, "dummy" is driven
 * by unixctl commands for tests.
 *
 * A server is a pair of endpoints.  The transport is given the whole list, in
 * order of preference, and decides which pair is active (failover.h).
 *
 * Life cycle
 * ----------
 *
 * transport_open() picks the class by the scheme of the endpoints ("tcp:" and
 * "ipc:" are ZeroMQ's; "dummy:" is ours).  The caller then sets the wanted
 * topics with transport_set_topics() as often as it likes, calls
 * transport_run() and transport_recv() in its main loop until the latter
 * returns NULL, and transport_wait() before it sleeps.
 *
 * The transport must be opened after daemonizing, since a provider may start
 * threads.
 *
 * Errors
 * ------
 *
 * Losing a connection is not an error: it is reconnected, and
 * transport_connection_seqno() changes once both sockets of the server are
 * connected again, upon which the agent says HELLO; so a HELLO implies that
 * the subscriptions are on their way.  It changes also when only the PUB side
 * was lost and found again, because messages may have been missed, and when
 * another server has become the active one.  A PUB side that is a second
 * behind the control channel is not waited for.
 *
 * transport_send() drops a message that cannot be queued (no control endpoint,
 * or the queue is full) and counts it.  What was queued while the connection
 * was down is sent when it is back, before the HELLO, if it is the same server
 * that is active then.
 *
 * A server may be connected and yet do nothing.  The caller, who knows which
 * messages want an answer, says so with transport_unanswered(); anything that
 * comes on the control channel is an answer.
 *
 * Thread-safety: main thread only. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "ingest/curve-key.h"
#include "openvswitch/compiler.h"

struct ds;
struct simap;
struct sset;
struct transport;

/* The largest message that is accepted, and the most that may wait. */
#define TRANSPORT_MAX_MESSAGE (64 * 1024 * 1024)
#define TRANSPORT_MAX_QUEUE (256 * 1024 * 1024)

struct transport_server {
    char *remote;               /* SUB endpoint. */
    char *control;              /* DEALER endpoint, or null. */
};

struct transport_config {
    struct transport_server *servers; /* In order of preference. */
    size_t n_servers;
    char *node_id;              /* Routing id on the control channel. */
    struct curve_config curve;  /* Encryption, if any. */
};

/* A message received, with the wrong number of frames already weeded out. */
struct transport_message {
    char *topic;                /* Of a PUB message; null: control channel. */
    const uint8_t *envelope;
    size_t envelope_len;
    const uint8_t *payload;
    size_t payload_len;
    long long int received_usec; /* time_usec() at receipt. */
    void *aux;                  /* Provider's. */
};

struct transport_class {
    const char *name;

    /* Null-terminated prefixes of the endpoints it serves, "tcp:" etc. */
    const char *const *schemes;

    /* Registers unixctl commands.  May be null. */
    void (*init)(void);

    /* Checks the syntax of 'endpoint', which has one of 'schemes'.  Returns
     * NULL or a malloc()'d message that does not name the endpoint. */
    char *(*check_endpoint)(const char *endpoint);

    /* Opens a transport.  Returns NULL and stores it in '*transportp', or a
     * malloc()'d message that names the endpoint and what is wrong. */
    char *(*open)(const struct transport_config *,
                  struct transport **transportp);
    void (*close)(struct transport *);

    /* Makes 'topics' the set of topics received. */
    void (*set_topics)(struct transport *, const struct sset *topics);

    void (*run)(struct transport *);
    void (*wait)(struct transport *);

    /* Returns the next message, owned by the caller, who gives it back with
     * transport_message_destroy(), or NULL. */
    struct transport_message *(*recv)(struct transport *);
    void (*message_destroy)(struct transport_message *);

    /* Queues a message on the control channel.  Returns 0, or a positive errno
     * value if it was dropped. */
    int (*send)(struct transport *, const void *envelope, size_t envelope_len,
                const void *payload, size_t payload_len);

    /* Changes whenever the active server has been connected anew. */
    unsigned int (*connection_seqno)(const struct transport *);

    /* True if both sockets of the active server are connected (the control
     * socket only where there is one). */
    bool (*is_connected)(const struct transport *);

    /* The active server does not answer on the control channel.  Null: that
     * does not matter. */
    void (*unanswered)(struct transport *);

    /* Describes the state for people, one line. */
    void (*describe)(const struct transport *, struct ds *);

    /* Reports what is queued.  May be null. */
    void (*get_memory_usage)(const struct transport *, struct simap *);
};

/* Base of a provider's transport. */
struct transport {
    const struct transport_class *class;
};

extern const struct transport_class transport_zmq_class;
extern const struct transport_class transport_dummy_class;

/* Why a message that came in was dropped. */
enum transport_drop {
    TRANSPORT_DROP_BAD_FRAMES,  /* Wrong number of frames. */
    TRANSPORT_DROP_FOREIGN_TOPIC, /* A topic that is not in the set. */
    TRANSPORT_DROP_QUEUE_FULL,  /* Too much is waiting. */
    TRANSPORT_DROP_OVERSIZED,   /* Too large. */
};

/* For providers: counts a message as dropped. */
void transport_count_drop(enum transport_drop);

/* Client interface. */

/* Parses 'remotes' and 'controls', comma-separated lists (the latter may be
 * null; else both have the same length), into '*config', which the caller must
 * destroy; without encryption, which the caller may add.  Returns NULL or a
 * malloc()'d message. */
char *transport_config_parse(const char *remotes, const char *controls,
                             const char *node_id, struct transport_config *)
    OVS_WARN_UNUSED_RESULT;
void transport_config_clone(struct transport_config *,
                            const struct transport_config *);
void transport_config_destroy(struct transport_config *);

char *transport_open(const struct transport_config *, struct transport **)
    OVS_WARN_UNUSED_RESULT;
void transport_close(struct transport *); /* Accepts null. */
void transport_set_topics(struct transport *, const struct sset *);
void transport_run(struct transport *);
void transport_wait(struct transport *);
struct transport_message *transport_recv(struct transport *);
void transport_message_destroy(struct transport *,
                               struct transport_message *);
int transport_send(struct transport *, const void *envelope,
                   size_t envelope_len, const void *payload,
                   size_t payload_len);
unsigned int transport_connection_seqno(const struct transport *);
bool transport_is_connected(const struct transport *);
void transport_unanswered(struct transport *);
void transport_describe(const struct transport *, struct ds *);
void transport_get_memory_usage(const struct transport *, struct simap *);

/* Registers the unixctl commands of all providers. */
void transport_init(void);

#endif /* ingest/transport-provider.h */
