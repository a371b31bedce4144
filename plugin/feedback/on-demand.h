/* SPDX-License-Identifier: Apache-2.0
 *
 * on-demand: packets to unknown destinations wait while they are found. */

#ifndef FEEDBACK_ON_DEMAND_H
#define FEEDBACK_ON_DEMAND_H 1

/* On demand
 * =========
 *
 * What?
 * -----
 *
 * The first packets to a destination for which there are no flows are parked
 * until there are.  Either goal state knows the destination but it is not
 * active (translate/activation.h): then it is activated; or it does not: then
 * a server is asked, by a HOST_REQUEST, and sends goal state or refuses.
 *
 *                     known to goal state
 *          +---------------------------------------------+
 *          |                                             v
 *   packet +--> Q_ASKED --SUCCESS--> Q_PROMISED --> Q_TRANSLATING
 *                | |                  |      ^goal       |
 *                | | timeout          |       state      v
 *                | +----------+-------+             Q_COMMITTING
 *                | FAILURE    v                          |
 *                +-------> dropped                       v
 *                                          released, in their order
 *
 * There is one question per destination (subnet and address) at a time, and
 * whatever else goes there waits with it.  SUCCESS is only a promise: if
 * nothing comes, the question times out.  A destination that was refused is
 * remembered for ON_DEMAND_REFUSED_MSEC; what is sent there meanwhile is
 * dropped at once.
 *
 * A packet that is released goes back to the stage that did not know where to
 * send it.  It is marked (OF_FLAG_RELEASED): if there still is no flow for it,
 * it is dropped.  A packet that was being routed to a destination that nobody
 * has goes back in the same way, so that the router says so to the sender.
 *
 * Bounds
 * ------
 *
 * The switch meters what a port can punt.  Then, per port and in all: the
 * number of questions, beyond which a packet is dropped, and the number of
 * packets (in all, also their bytes), beyond which the oldest one is dropped.
 * So a port that scans a network harms itself: its own questions are answered
 * no longer, and everybody else's are.
 *
 * Usage
 * -----
 *
 * on_demand_take() with each event; on_demand_reply() with each status of a
 * HOST_REPLY; on_demand_goal_changed() when something was stored;
 * on_demand_run() in each round of the main loop.  What it needs of others
 * comes through struct on_demand_class.
 *
 * Thread-safety: main thread only. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "apply/commit.h"
#include "feedback/ack.h"
#include "ingest/envelope.h"
#include "translate/punt.h"

struct on_demand;
struct on_demand_question;
struct simap;

/* Questions (destinations) and packets: in all, and of one port. */
#define ON_DEMAND_MAX_QUESTIONS 2048
#define ON_DEMAND_MAX_PORT_QUESTIONS 64
#define ON_DEMAND_MAX_PACKETS 4096
#define ON_DEMAND_MAX_PORT_PACKETS 128
#define ON_DEMAND_MAX_BYTES (8 * 1024 * 1024)

/* Destinations that were refused: how many are remembered, how long. */
#define ON_DEMAND_MAX_REFUSED 8192
#define ON_DEMAND_REFUSED_MSEC 30000

/* How long a packet may wait: for an answer, and once more from then on. */
#define ON_DEMAND_TIMEOUT_MSEC 3000

/* ON_DEMAND_COUNTER(NAME, "name") */
#define ON_DEMAND_COUNTERS                                              \
    /* Questions: destinations. */                                      \
    ON_DEMAND_COUNTER(ACTIVATED, "destinations known")                  \
    ON_DEMAND_COUNTER(ASKED, "destinations asked for")                  \
    ON_DEMAND_COUNTER(PROMISED, "answered success")                     \
    ON_DEMAND_COUNTER(REFUSED, "answered failure")                      \
    ON_DEMAND_COUNTER(TIMED_OUT, "timed out")                           \
    /* Packets. */                                                      \
    ON_DEMAND_COUNTER(PARKED, "packets parked")                         \
    ON_DEMAND_COUNTER(RELEASED, "packets released")                     \
    ON_DEMAND_COUNTER(DROP_REFUSED, "dropped refused")                  \
    ON_DEMAND_COUNTER(DROP_TIMEOUT, "dropped timeout")                  \
    ON_DEMAND_COUNTER(DROP_NO_SERVER, "dropped no-server")              \
    ON_DEMAND_COUNTER(DROP_PORT_QUESTIONS, "dropped port-questions")    \
    ON_DEMAND_COUNTER(DROP_ALL_QUESTIONS, "dropped all-questions")      \
    ON_DEMAND_COUNTER(DROP_PORT_PACKETS, "dropped port-packets")        \
    ON_DEMAND_COUNTER(DROP_ALL_PACKETS, "dropped all-packets")

enum on_demand_counter {
#define ON_DEMAND_COUNTER(NAME, STRING) ON_DEMAND_##NAME,
    ON_DEMAND_COUNTERS
#undef ON_DEMAND_COUNTER
    ON_DEMAND_N_COUNTERS
};
const char *on_demand_counter_to_string(enum on_demand_counter);

struct on_demand_class {
    /* Returns whether goal state knows 'dst' in the subnet with 'tag' of the
     * VPC.  If it does, has it activated. */
    bool (*lookup)(const char *vpc_id, uint64_t tag,
                   const struct in6_addr *dst, void *aux);

    /* Sends a HOST_REQUEST.  Returns false if that cannot be. */
    bool (*ask)(const struct host_request *, size_t n, void *aux);

    /* As in ack.h. */
    struct ack_mark (*mark)(void *aux);
    bool (*reached)(const struct ack_mark *, void *aux);
    struct ds_mark (*commit_mark)(void *aux);
    bool (*commit_reached)(const struct ds_mark *, void *aux);

    /* Sends the packet.  Takes ownership. */
    void (*send)(struct packet_order *, void *aux);

    /* A packet of 'in_port' to 'dst' was dropped.  May be null. */
    void (*dropped)(uint32_t in_port, const struct in6_addr *dst, void *aux);
};

struct on_demand *on_demand_create(const struct on_demand_class *, void *aux);
void on_demand_destroy(struct on_demand *);

/* Whether to ask servers (alcor-on-demand). */
void on_demand_set_enabled(struct on_demand *, bool enabled);

/* The question 'q' has come up, on account of the packet of 'event'. */
void on_demand_take(struct on_demand *, const struct on_demand_question *q,
                    const struct packet_event *event, long long int now);

void on_demand_reply(struct on_demand *, const char *request_id,
                     enum goal_status, long long int now);
void on_demand_goal_changed(struct on_demand *);

void on_demand_run(struct on_demand *, long long int now);
void on_demand_wait(struct on_demand *);

uint64_t on_demand_count(const struct on_demand *, enum on_demand_counter);

/* A question, or a destination that was refused, for people. */
struct on_demand_entry {
    uint64_t tag;
    struct in6_addr dst;
    uint32_t in_port;           /* Who asked first; 0: refused. */
    const char *state;
    size_t n_packets;
    long long int deadline;     /* It ends then. */
};
void on_demand_for_each(const struct on_demand *,
                        void (*cb)(const struct on_demand_entry *, void *aux),
                        void *aux);

void on_demand_get_memory_usage(const struct on_demand *, struct simap *);

#endif /* feedback/on-demand.h */
