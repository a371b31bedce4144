/* SPDX-License-Identifier: Apache-2.0
 *
 * agent-private: what the agent-*.c files share. */

#ifndef AGENT_PRIVATE_H
#define AGENT_PRIVATE_H 1

/* Essay: agent.h.  Thread-safety: main thread only. */

#include <stdbool.h>
#include <stdint.h>
#include "agent-config.h"
#include "agent.h"
#include "apply/desired-state.h"
#include "ingest/envelope.h"
#include "openvswitch/compiler.h"
#include "openvswitch/hmap.h"
#include "openvswitch/list.h"
#include "sset.h"
#include "translate/plugin-registry.h"

struct ack;
struct ack_class;
struct agent_db;
struct agent_fast_path;
struct agent_gateway;
struct agent_zeta;
struct agent_txns;
struct apply_openflow;
struct apply_ovsdb;
struct commit;
struct ds;
struct flow_stats;
struct goal_changes;
struct goal_origin;
struct goal_store;
struct id_store;
struct next_hop;
struct on_demand;
struct packet_event;
struct packet_in;
struct port_events;
struct port_events_class;
struct port_stats;
struct resync;
struct simap;
struct snapshot;
struct simap;
struct storms;
struct sink;
struct table;
struct translator;
struct transport;
struct transport_message;
struct unixctl_conn;
struct vol_store;

enum agent_exit {
    EXIT_NO,
    EXIT_KEEP,                  /* Leave everything installed. */
    EXIT_WITHDRAW,              /* Removing flows. */
    EXIT_CLEAN_DB,              /* Removing database rows. */
    EXIT_DONE,
};

/* How far the start has come. */
enum agent_phase {
    PHASE_DATABASE,             /* Waiting for the database. */
    PHASE_CONFIG,               /* Waiting for node id and host address. */
    PHASE_TRANSLATE,            /* Translating what is stored. */
    PHASE_RUN,
};
const char *agent_phase_to_string(enum agent_phase);

struct agent_counters {
    uint64_t messages;          /* Received and understood. */
    uint64_t resources;         /* In them, for this host. */
    uint64_t invalid;           /* Of those: malformed. */
    uint64_t stale;             /* Of those: out of order. */
    uint64_t duplicates;        /* Messages seen before. */
    uint64_t unknown;           /* Messages of unknown kind or version. */
    uint64_t unparsable;        /* Envelopes or payloads. */
};

struct agent {
    struct agent_options options;
    enum agent_phase phase;
    enum agent_exit exit;
    struct unixctl_conn *exit_conn; /* Awaits the exit; may be null. */
    struct ovs_list audit_waiters; /* Contains "struct audit_waiter"s. */
    bool audit_wanted;          /* By flow/audit. */
    long long int audit_time;   /* Time of the next. */
    struct ovs_list idle_waiters; /* Contains "struct idle_waiter"s. */

    struct agent_config config;
    uint64_t ovsdb_seqno;       /* Last seen. */
    struct in6_addr host_addr;  /* That translation is based on. */

    struct desired_state *ds;
    struct apply_ovsdb *ovsdb;
    struct apply_openflow *openflow;
    struct packet_in *packet_in; /* The packet thread. */
    struct on_demand *on_demand;
    struct flow_stats *flow_stats;
    struct storms *storms;      /* Ports that flood. */
    struct port_stats *port_stats;
    struct ovs_list stats_waiters; /* Contains "struct stats_waiter"s. */
    struct hmap uplink_hops;    /* Contains "struct uplink_hop"s. */
    struct hmap tagged_subnets; /* Contains "struct tagged_subnet"s. */
    struct next_hop *next_hop;
    struct sink *dummies[DS_N_SINKS]; /* With --dummy-dataplane, else null. */
    struct sink *id_sink;
    struct commit *commit;

    struct goal_store *store;   /* Null before PHASE_TRANSLATE... */
    struct id_store *ids;       /* ...likewise. */
    char *store_error;          /* Why it cannot be opened, or null. */
    long long int store_time;   /* Next attempt to open it. */
    struct vol_store *vol;
    struct plugin_registry registry;
    struct translator *translator; /* Null before PHASE_TRANSLATE. */
    struct ack *ack;
    struct agent_txns *txns;    /* Transactions. */
    long long int keep_time;    /* See keep_run(). */
    bool keep_checked;          /* Likewise. */
    struct port_events *port_events;
    bool ports_changed;         /* Ports or bindings, since last looked at. */
    uint64_t failures_seqno;    /* Of 'ds', when last looked at. */
    bool was_connected;         /* To the switch. */

    struct resync *resync;      /* Null before PHASE_TRANSLATE. */
    struct transport *transport; /* Null: none configured. */
    char *transport_config;     /* Of 'transport', as text... */
    bool transport_failed;      /* ...but it could not be opened. */
    bool transport_curve;       /* Is it encrypted? */
    long long int keys_retry;   /* Read bad keys again then, or LLONG_MAX. */
    bool drained;               /* Nothing was left in it, in this round. */
    unsigned int transport_seqno; /* Of the last HELLO. */
    bool replaying;             /* The message under way was missed. */
    long long int hello_deadline; /* Its answer is late then, or LLONG_MAX. */
    struct sset topics;         /* Wanted. */
    struct smap joined;         /* Topics joined by SUBSCRIBE_INFO -> key. */
    bool topics_changed;
    long long int topics_next;  /* When topics may be updated again. */
    uint64_t epoch;             /* Ours: µs since 1970 at start. */
    struct agent_counters counters;
    bool has_stopwatches;

    struct agent_db *db;        /* Database Alcor. */
    struct agent_fast_path *fast_path;
    struct agent_gateway *gateway;
    struct agent_zeta *zeta;    /* Gateways. */
    struct agent_errors *errors; /* What is wrong with the host. */
};

/* agent.c. */
void agent_take_changes(struct agent *, struct goal_changes *);
void agent_note_changes(struct agent *, const struct goal_changes *);
bool agent_is_idle(const struct agent *);

/* agent-messages.c. */
extern const struct ack_class agent_ack_class;
extern const struct port_events_class agent_port_events_class;
void agent_messages_run(struct agent *);
void agent_messages_wait(struct agent *);
bool agent_messages_are_done(const struct agent *);
char *agent_send(struct agent *, enum envelope_kind,
                 const char *correlation_id, const void *payload, size_t len);
char *agent_send_about(struct agent *, const struct envelope *about,
                       const void *payload, size_t len);
void agent_send_verdict(struct agent *, const char *message_id,
                        enum goal_status verdict);

/* agent-audit.c. */
#define AGENT_AUDIT_MSEC 600000 /* Between audits. */
void agent_audit_init(struct agent *);
void agent_audit_run(struct agent *);
void agent_audit_wait(const struct agent *);

/* agent-limits.c. */
void agent_limits_init(struct agent *);
void agent_limits_configure(struct agent *);
void agent_limits_get_usage(const struct agent *, struct simap *);
void agent_limits_get_hits(struct simap *);

/* agent-ids.c. */
struct sink *agent_ids_create(struct agent *);
void agent_ids_destroy(struct sink *);
void agent_ids_readback(struct agent *);

/* agent-underlay.c. */
void agent_underlay_run(struct agent *);
bool agent_underlay_describe_buffer(const struct agent *, struct ds *);

/* agent-errors.c. */
void agent_errors_init(struct agent *);
void agent_errors_destroy(struct agent *);
void agent_errors_run(struct agent *);
void agent_errors_wait(struct agent *);

/* agent-transport.c. */
void agent_transport_configure(struct agent *);
void agent_transport_run(struct agent *);
void agent_transport_wait(struct agent *);
void agent_transport_describe(const struct agent *, struct ds *);

/* agent-resync.c. */
typedef void agent_message_handler(struct agent *, const struct envelope *,
                                   const struct transport_message *);
agent_message_handler agent_take_hello_reply;
agent_message_handler agent_take_heartbeat;
agent_message_handler agent_take_host_reply;
agent_message_handler agent_take_snapshot_mark;
agent_message_handler agent_take_subscribe_info;
void agent_resync_init(struct agent *);
void agent_hello_run(struct agent *);
void agent_hello_wait(struct agent *);
void agent_update_topics(struct agent *);

/* agent-transaction.c. */
agent_message_handler agent_take_txn_prepare;
agent_message_handler agent_take_txn_commit;
agent_message_handler agent_take_txn_abort;
void agent_take_transaction(struct agent *, const struct envelope *,
                            const struct goal_origin *,
                            const struct transport_message *);
void agent_transactions_init(struct agent *);
void agent_transactions_destroy(struct agent *);
void agent_transactions_load(struct agent *);
void agent_transactions_run(struct agent *);
void agent_transactions_wait(const struct agent *);
void agent_transactions_describe(const struct agent *, struct ds *);
void agent_transactions_get_memory_usage(const struct agent *,
                                         struct simap *);

/* None is at work; one is, and the goal state is as it may not stay; changes
 * whenever one does. */
bool agent_transactions_are_idle(const struct agent *);
bool agent_transactions_try(const struct agent *);
uint64_t agent_transactions_seqno(const struct agent *);

/* agent-snapshot.c. */
bool agent_apply_snapshot(const struct snapshot *, void *agent);
bool agent_find_writer(const struct agent *, enum goal_kind, const char *id,
                       struct goal_origin *);
void agent_writer_destroy(struct goal_origin *);

/* agent-commands.c. */
void agent_commands_init(struct agent *);
void agent_commands_run(struct agent *);

/* Replies with a table, in the format that is the only argument there may be;
 * and whether there is just that, and at most 'n_words' others: else replies
 * with an error. */
void agent_reply_table(struct unixctl_conn *, struct table *, int argc,
                       const char *argv[]);
bool agent_check_arguments(struct unixctl_conn *, size_t n_words, int argc,
                           const char *argv[]);
void agent_add_cell(struct table *, const char *format, ...)
    OVS_PRINTF_FORMAT(2, 3);
void agent_add_counter(struct table *, const char *prefix, const char *name,
                       uint64_t value);

/* agent-packets.c. */
void agent_packets_init(struct agent *);
void agent_packets_run(struct agent *);
void agent_packets_wait(struct agent *);

/* agent-fast-path-flows.c. */
bool agent_fast_path_event(struct agent *, const struct packet_event *);

/* agent-on-demand.c. */
void agent_on_demand_init(struct agent *);
void agent_on_demand_destroy(struct agent *);
void agent_on_demand_configure(struct agent *);
void agent_on_demand_event(struct agent *, const struct packet_event *);
void agent_on_demand_flush(struct agent *);
void agent_on_demand_run(struct agent *);
void agent_on_demand_wait(struct agent *);
void agent_lazy_configure(struct agent *);

/* agent-zeta.c. */
void agent_zeta_init(struct agent *);
void agent_zeta_destroy(struct agent *);
void agent_zeta_changed(struct agent *);
bool agent_zeta_is_settled(const struct agent *);
void agent_zeta_event(struct agent *, const struct packet_event *);
void agent_zeta_run(struct agent *);
/* Forgets the direct paths that do not hold any more, once translated. */
void agent_zeta_end_paths(struct agent *);
void agent_zeta_wait(struct agent *);

/* agent-zeta-commands.c. */
const char *agent_zeta_state(const struct agent *, const struct in6_addr *);
void agent_zeta_statistics(const struct agent *, const char *gateway_id,
                           struct simap *);
char *agent_zeta_error(const struct agent *);

/* agent-uplink.c. */
void agent_uplink_hops_init(struct agent *);
void agent_uplink_hops_destroy(struct agent *);
void agent_uplink_event(struct agent *, const struct packet_event *);
void agent_uplink_hops_run(struct agent *);
void agent_uplink_hops_wait(const struct agent *);

/* agent-storm.c. */
void agent_storm_init(struct agent *);
void agent_storm_event(struct agent *, const struct packet_event *);
void agent_storm_dropped(struct agent *, uint32_t in_port,
                         const struct in6_addr *dst);
void agent_storm_run(struct agent *);

/* agent-stopwatch.c: stopwatch/show has what takes time. */
#define AGENT_STOPWATCHES \
    STOPWATCH(MESSAGES, "messages") \
    STOPWATCH(TRANSLATE, "translate") \
    STOPWATCH(COMMIT, "commit")
#define STOPWATCH(STAGE, NAME) STOPWATCH_##STAGE,
enum agent_stopwatch { AGENT_STOPWATCHES };
#undef STOPWATCH
void agent_stopwatches_init(struct agent *);
void agent_stopwatch_lap(const struct agent *, enum agent_stopwatch,
                         long long int begin);

/* agent-db.c. */
void agent_db_init(struct agent *);
void agent_db_destroy(struct agent *);
void agent_db_run(struct agent *);
void agent_db_wait(struct agent *);
void agent_db_add_topics(const struct agent *, struct sset *topics);
void agent_db_topics_changed(struct agent *);

#endif /* agent-private.h */
