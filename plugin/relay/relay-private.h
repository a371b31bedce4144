/* SPDX-License-Identifier: Apache-2.0
 *
 * relay-private: what the relay-*.c files share. */

#ifndef RELAY_RELAY_PRIVATE_H
#define RELAY_RELAY_PRIVATE_H 1

/* Essay: relay.h.  Thread-safety: main thread only. */

#include <stdbool.h>
#include <stdint.h>
#include "ingest/control-server.h"
#include "ingest/envelope.h"
#include "ingest/zmq-server.h"
#include "openvswitch/hmap.h"
#include "openvswitch/list.h"
#include "openvswitch/ofpbuf.h"
#include "openvswitch/shash.h"
#include "openvswitch/token-bucket.h"
#include "relay/placement.h"
#include "relay/relay.h"
#include "store/goal-store.h"
#include "sset.h"

struct ack_out;
struct ack_request;
struct json;
struct relay_db;
struct ds;
struct relay_replay;
struct relay_upstream;
struct simap;
struct snapshot;
struct unixctl_conn;
struct zap_keys;

/* A peer is sent snapshots and replays as fast as it takes them, and has at
 * most so many bytes of them waiting. */
#define RELAY_WINDOW_BYTES (1024 * 1024)

/* Index of what a controller did not send. */
#define ACK_CONTEXT UINT32_MAX

/* A node, that is, an agent. */
struct relay_node {
    struct hmap_node node;      /* In struct relay's 'nodes', by 'id'. */
    char *id;
    char *topic;                /* Its unicast topic. */
    char *key;                  /* Shown only. */
    struct place_host *host;    /* Null: its address is not known. */
    struct sset groups;         /* Topics of the groups it is in. */
    bool registered;            /* In the database. */
    bool in_db;                 /* When it was last read. */
    bool written;               /* Scratch of relay-db.c. */
    bool fixed_ip;              /* An operator says where it is. */
    bool connected;             /* As far as we know. */
    bool ever;                  /* Has said HELLO since the start. */
    char *version;              /* Of its agent; may be null. */
    long long int last_seen;    /* time_wall_msec(); 0: never. */
    long long int probed;       /* time_msec() of the last probe. */
    struct sset hello_topics;   /* Of its last HELLO. */
    struct token_bucket on_demand; /* Its budget. */
    uint64_t n_snapshots, n_on_demand, n_over_budget;
};

struct relay_group {
    struct hmap_node node;      /* In struct relay's 'groups', by 'topic'. */
    char *topic;
    struct relay_node **nodes;
    size_t n_nodes, allocated_nodes;
    struct out_batch *batch;    /* Being filled; null: none. */
};

/* A topic that something was published on. */
struct relay_topic {
    struct hmap_node node;      /* In struct relay's 'topics', by 'name'. */
    struct ovs_list heartbeat_node; /* In one of 'heartbeats'. */
    int heartbeat;              /* Which one; -1: none. */
    long long int heartbeat_at; /* time_msec(). */
    char *name;
    uint64_t sequence;          /* Of the last message. */
    bool changed;               /* 'sequence' is not in the placement. */
    struct ovs_list changed_node; /* In struct relay's 'changed_topics'. */
    uint64_t n_messages, n_bytes;

    /* relay-replay.c. */
    uint64_t published;         /* Number of the last one that went out. */
    struct ovs_list log;        /* Contains "struct log_entry"s. */
    size_t n_logged;            /* Of them. */
};

/* Delays until a heartbeat: after a HELLO, after a message, after a
 * heartbeat.  Each has a queue of its own. */
enum { HEARTBEAT_HELLO, HEARTBEAT_FIRST, HEARTBEAT_AGAIN, N_HEARTBEATS };

/* A message being put together. */
struct out_batch {
    struct ovs_list list_node;  /* In struct relay's 'batches'. */
    struct out_batch **owner;   /* Where it is pointed to. */
    const char *topic;
    struct ofpbuf payload;
    struct ack_out *ack;
    char *message_id;           /* Null: a new one. */
    /* Exactly one of these is not null. */
    struct place_host *host;
    struct place_vpc *vpc;
    struct relay_group *group;
};

struct relay_counters {
    uint64_t messages;          /* Goal state of controllers. */
    uint64_t resources;
    uint64_t invalid;
    uint64_t stale;
    uint64_t repeated;          /* Messages seen before. */
    uint64_t refused;           /* Messages of unknown kind, or not allowed. */
    uint64_t unparsable;
    uint64_t port_events;
    uint64_t retries;
    uint64_t replayed;          /* Messages. */
    uint64_t timeouts;          /* Hosts that did not answer in the end. */
    uint64_t forgotten;         /* PENDING resources that nobody will hear of
                                 * again. */
    uint64_t routable, not_routable, over_budget;
};

struct relay {
    struct relay_options options;
    bool exiting;
    struct unixctl_conn *exit_conn;

    struct zap_keys *zap_keys;
    struct zmq_server *server;
    struct goal_store *store;
    struct placement *placement;
    struct relay_db *db;        /* Null: no database. */
    struct relay_upstream *upstream; /* Null: we have no server. */

    bool changing;              /* In a round that changes something. */
    char *round_error;          /* Why it failed; null: so far it has not. */

    struct hmap nodes;          /* Contains "struct relay_node"s. */
    struct hmap groups;         /* Contains "struct relay_group"s. */
    struct hmap topics;         /* Contains "struct relay_topic"s. */
    struct ovs_list changed_topics;
    struct ovs_list heartbeats[N_HEARTBEATS];

    struct ovs_list inbox;      /* Contains "struct inbox_message"s. */
    size_t inbox_bytes;

    struct ovs_list batches;    /* Contains "struct out_batch"es. */
    struct ovs_list outbox;     /* Contains "struct out_message"s. */
    uint64_t stamp;             /* Of sets of targets. */

    struct hmap requests;       /* Contains "struct ack_request"s. */
    struct hmap outs;           /* Contains "struct ack_out"s, by id. */
    uint64_t n_outs;            /* Sent so far. */
    struct ovs_list fresh;      /* Requests of this round. */
    struct ovs_list history;    /* Answers given, oldest first. */
    struct shash history_ids;   /* The same by message id. */
    size_t history_bytes;
    size_t n_pending;           /* Resources answered PENDING. */
    size_t n_answered;          /* Requests that were answered but wait. */
    long long int acks_at;      /* Look for what is late then. */

    struct ovs_list log;        /* Contains "struct log_entry"s. */
    size_t n_logged, log_bytes;
    uint64_t n_published;       /* Messages that ever were in it. */
    struct ovs_list replays;    /* Contains "struct relay_replay"s. */
    size_t n_replays;           /* Of them. */

    struct ovs_list snapshots;  /* Contains "struct snapshot_job"s. */
    size_t n_snapshots;         /* Of them. */
    struct shash snapshot_ends; /* SNAPSHOT_END's message id -> struct
                                 * snapshot_end. */

    struct relay_counters counters;
};

/* relay.c. */
void relay_begin(struct relay *);
struct envelope relay_envelope(const struct relay *, enum envelope_kind,
                               const char *message_id,
                               const char *correlation_id);
char *relay_new_id(void);
int relay_send(struct relay *, const char *peer, const struct envelope *,
               const struct ofpbuf *payload);
void relay_send_verdict(struct relay *, const char *peer,
                        const char *message_id, enum goal_status);

/* relay-nodes.c. */
void relay_nodes_init(struct relay *);
void relay_nodes_destroy(struct relay *);
struct relay_node *relay_node_find(const struct relay *, const char *id);
struct relay_node *relay_node_get(struct relay *, const char *id);
void relay_node_delete(struct relay *, struct relay_node *);
void relay_node_set_ip(struct relay *, struct relay_node *,
                       const struct in6_addr *);
void relay_node_set_groups(struct relay *, struct relay_node *,
                           const struct sset *groups);
void relay_node_send_topics(struct relay *, struct relay_node *);

/* relay-outbox.c. */
void relay_outbox_init(struct relay *);
void relay_outbox_destroy(struct relay *);
struct relay_topic *relay_topic_find(const struct relay *, const char *name);
uint64_t relay_topic_position(const struct relay *, const char *name);
void relay_encode(struct relay *, const struct goal_resource *,
                  struct ofpbuf *);
void relay_outbox_put(struct relay *, struct out_batch **owner,
                      struct place_host *, struct place_vpc *,
                      struct relay_group *, struct ack_request *,
                      uint32_t index, const struct goal_key *,
                      const struct ofpbuf *entry);
void relay_outbox_repeat(struct relay *, struct place_host *,
                         struct ack_out *, const struct ofpbuf *payload);
void relay_outbox_close(struct relay *);
void relay_outbox_save(struct relay *);
void relay_outbox_send(struct relay *, bool discard);
void relay_heartbeat_soon(struct relay *, const char *topic);
void relay_heartbeats_run(struct relay *);
void relay_heartbeats_wait(struct relay *);

/* relay-intake.c. */
struct intake_upstream {        /* How a message came from upstream. */
    char *topic;                /* "": on the control channel. */
    bool counts;                /* Its number becomes the topic's position. */
    bool replayed;              /* It was missed and comes only now. */
};
void relay_intake_put(struct relay *, struct server_message *,
                      struct envelope *, struct intake_upstream *);
bool relay_intake_snapshot(struct relay *, const struct snapshot *);
bool relay_intake_has_room(const struct relay *);
void relay_intake_run(struct relay *);
void relay_intake_wait(struct relay *);
void relay_intake_destroy(struct relay *);

/* relay-distribute.c. */
struct host_list {
    struct place_host **hosts;
    size_t n, allocated;
};
void host_list_add(struct relay *, struct host_list *, struct place_host *);
void relay_distribute(struct relay *, struct ack_request *, uint32_t index,
                      const struct goal_key *, const struct goal_resource *,
                      const struct goal_resource *old,
                      const struct host_list *listed);
void relay_distribute_delete(struct relay *, struct ack_request *,
                             uint32_t index, const struct goal_key *,
                             const char *id, uint32_t revision,
                             const struct goal_resource *old);
void relay_distribute_give(struct relay *, struct ack_request *,
                           struct place_host *, enum goal_kind,
                           const char *id);
void relay_distribute_init(struct relay *);

/* relay-acks.c. */
void relay_acks_init(struct relay *);
void relay_acks_destroy(struct relay *);
bool relay_ack_repeat(struct relay *, const char *peer,
                      const char *message_id);
struct ack_request *relay_ack_begin(struct relay *, const char *peer,
                                    const char *message_id,
                                    long long int received_usec);
uint32_t relay_ack_add(struct ack_request *, uint32_t kind, const char *id,
                       uint32_t operation, enum goal_status);
void relay_ack_exceptions_only(struct ack_request *);
void relay_ack_set(struct ack_request *, uint32_t index, enum goal_status);
struct ack_out *relay_ack_out(struct ack_request *);
void relay_ack_out_entry(struct ack_out *, uint32_t index,
                         const struct goal_key *);
void relay_ack_out_host(struct ack_out *, struct place_host *);
void relay_ack_out_vpc(struct ack_out *, const struct place_vpc *);
void relay_ack_sent(struct relay *, struct ack_out *, const char *id,
                    const struct relay_topic *, uint64_t sequence);
const char *relay_ack_out_id(const struct ack_out *);
void relay_ack_out_destroy(struct relay *, struct ack_out *);
void relay_ack_round_done(struct relay *, bool failed);
void relay_ack_reply(struct relay *, struct relay_node *,
                     const struct envelope *, const void *payload,
                     size_t len);
void relay_ack_hello(struct relay *, struct relay_node *,
                     const struct relay_replay *);
void relay_acks_run(struct relay *);
void relay_acks_wait(struct relay *);
bool relay_ack_show(const struct relay *, const char *message_id,
                    struct ds *);

/* relay-verdicts.c. */
struct json *relay_acks_to_json(const struct relay *);

/* relay-snapshot.c. */

/* A snapshot whose answer is awaited. */
struct snapshot_end {
    char *peer;                 /* Node. */
    uint64_t n_before;          /* Messages sent before it began. */
    struct sset topics;         /* Covered; none: all. */
};
void relay_snapshot_end_destroy(struct snapshot_end *);
void relay_snapshot_start(struct relay *, struct relay_node *,
                          const char *correlation_id);
void relay_snapshots_run(struct relay *);
void relay_snapshots_wait(struct relay *);
void relay_snapshots_destroy(struct relay *);

/* relay-replay.c. */
void relay_replays_init(struct relay *);
void relay_replays_destroy(struct relay *);
void relay_log_put(struct relay *, struct relay_topic *, uint64_t sequence,
                   const char *id, struct server_payload *);
struct relay_replay *relay_replay_begin(struct relay *,
                                        const struct relay_node *,
                                        const struct publisher_positions *,
                                        const char *correlation_id);
void relay_replay_cancel(struct relay *, const struct relay_node *);
bool relay_replay_has(const struct relay_replay *, const struct relay_topic *,
                      uint64_t sequence);
void relay_replays_run(struct relay *);
void relay_replays_wait(struct relay *);
void relay_replays_get_memory_usage(const struct relay *, struct simap *);

/* relay-upstream.c.  Null is accepted where it says so. */
char *relay_upstream_open(struct relay *) OVS_WARN_UNUSED_RESULT;
void relay_upstream_close(struct relay *);
void relay_upstream_run(struct relay_upstream *);   /* Or null. */
void relay_upstream_wait(struct relay_upstream *);  /* Or null. */
int relay_upstream_send(struct relay_upstream *, const struct envelope *,
                        const struct ofpbuf *payload);
void relay_upstream_taken(struct relay_upstream *, const struct envelope *,
                          const char *topic);
void relay_upstream_replayed(struct relay_upstream *);
bool relay_upstream_is_overtaken(const struct relay_upstream *,
                                 enum goal_kind, const char *id);
void relay_upstream_round_done(struct relay_upstream *, bool failed);
                                                    /* Or null. */
void relay_upstream_describe(const struct relay_upstream *, struct ds *);
void relay_upstream_get_memory_usage(const struct relay_upstream *,
                                     struct simap *);
                                                    /* Or null. */

/* relay-resolve.c. */
enum goal_status relay_resolve(struct relay *, struct relay_node *,
                               const struct host_request *);

/* relay-peers.c. */
void relay_peers_run(struct relay *);
void relay_peers_wait(struct relay *);

/* relay-commands.c. */
void relay_commands_init(struct relay *);

/* relay-db.c. */
struct relay_db *relay_db_create(struct relay *, const char *remote);
void relay_db_destroy(struct relay_db *); /* These accept null. */
void relay_db_run(struct relay_db *);
void relay_db_wait(struct relay_db *);
const char *relay_db_status(const struct relay_db *);

#endif /* relay/relay-private.h */
