/* SPDX-License-Identifier: Apache-2.0
 *
 * packet-in: the packet thread: answers what flows have punted. */

#ifndef FEEDBACK_PACKET_IN_H
#define FEEDBACK_PACKET_IN_H 1

/* The packet thread
 * =================
 *
 * What?
 * -----
 *
 * A thread with an OpenFlow connection of its own, to which flows send packets
 * that they cannot answer (translate/punt.h).  It does not wait for the main
 * thread, which may be busy with a hundred thousand neighbours, and it cannot
 * disturb it: it has no access to the store or to anything else of the agent.
 *
 *               main thread              |           packet thread
 *                                        |
 *       packet_in_send() ---> [orders] --|--> packet-out ----> switch
 *                                        |        ^
 *                                        |        | reply
 *                                        |    handler of the plugin <-- punt
 *                                        |        |
 *       packet_in_next() <--- [events] <-|--------+
 *
 * Which handler gets a packet, the number of the plugin in the punt's userdata
 * says, by a table.  There is no "switch" over protocols here, and there is to
 * be none.
 *
 * Connection
 * ----------
 *
 * OpenFlow 1.5 to the bridge's management socket, with controller id
 * PUNT_CONTROLLER_ID, so that nobody else's packet-ins come here and ours go
 * nowhere else, and NXT_PACKET_IN2, which has userdata.  When it is lost it
 * comes back by itself; what is punted in between is lost.
 *
 * Lengths of messages have 16 bits, and Open vSwitch does not notice when a
 * packet-in has more: of one with a packet of almost 64 kB, which a tenant can
 * make, it writes the length without its upper bits, and what follows looks
 * like messages of the switch.  The first of these is not sound (if the packet
 * has no more than 65,535 bytes), so the connection is given up with it.
 * Packet-outs of ours are not sent if they would be as long.
 *
 * Bounds
 * ------
 *
 * The queues have PACKET_IN_MAX_BYTES each, and so has what waits to be
 * written to the switch.  What does not fit is dropped, and every drop is
 * counted by its reason (PACKET_IN_DROPS).  What comes in is bounded by
 * meters, and the switch holds at most a hundred messages for us.
 *
 * Usage
 * -----
 *
 * Set all handlers, then the bridge, which starts the thread; with no bridge
 * there is no thread.  Call packet_in_next() until it returns null in each
 * round of the main loop, and packet_in_wait().
 *
 * Thread-safety: all functions are for the main thread; handlers run in the
 * packet thread. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "translate/punt.h"

struct packet_in;
struct simap;

/* Bytes in each queue, headers of ours included. */
#define PACKET_IN_MAX_BYTES (4 * 1024 * 1024)

/* PACKET_IN_DROP(NAME, "name") */
#define PACKET_IN_DROPS                                                 \
    /* Message or userdata that make no sense. */                       \
    PACKET_IN_DROP(MALFORMED, "malformed")                              \
    /* The switch has sent less than the whole packet. */               \
    PACKET_IN_DROP(CUT, "cut-off")                                      \
    /* No such plugin, or it has no handler. */                         \
    PACKET_IN_DROP(NO_HANDLER, "no-handler")                            \
    /* The handler has no use for it. */                                \
    PACKET_IN_DROP(UNWANTED, "unwanted")                                \
    /* The queue to the main thread is full. */                         \
    PACKET_IN_DROP(EVENTS_FULL, "events-full")                          \
    /* The queue from the main thread is full. */                       \
    PACKET_IN_DROP(ORDERS_FULL, "orders-full")                          \
    /* The switch does not take packets fast enough. */                 \
    PACKET_IN_DROP(SWITCH_SLOW, "switch-slow")                          \
    /* It does not fit into a message to the switch. */                 \
    PACKET_IN_DROP(TOO_LONG, "too-long")                                \
    /* There is no connection to send it on. */                         \
    PACKET_IN_DROP(DISCONNECTED, "disconnected")                        \
    /* The switch has refused what we sent. */                          \
    PACKET_IN_DROP(REFUSED, "refused-by-switch")

enum packet_in_drop {
#define PACKET_IN_DROP(NAME, STRING) PACKET_IN_DROP_##NAME,
    PACKET_IN_DROPS
#undef PACKET_IN_DROP
    PACKET_IN_N_DROPS
};
const char *packet_in_drop_to_string(enum packet_in_drop);

struct packet_in_stats {
    bool connected;
    uint64_t n_connections;     /* Made, ever. */
    uint64_t received[PUNT_N_KINDS]; /* Given to a handler. */
    uint64_t sent;              /* Packets. */
    uint64_t events;            /* To the main thread. */
    uint64_t drops[PACKET_IN_N_DROPS];
    size_t event_bytes, order_bytes; /* In the queues. */
};

typedef bool packet_in_handler(const struct packet_view *,
                               struct packet_reply *);

struct packet_in *packet_in_create(void);
void packet_in_destroy(struct packet_in *);

/* Sets the handler for punts of the plugin with this number.  Only before the
 * first packet_in_set_bridge(). */
void packet_in_set_handler(struct packet_in *, uint8_t plugin,
                           packet_in_handler *);

/* Sets the bridge to connect to, by name; null: none. */
void packet_in_set_bridge(struct packet_in *, const char *name);

/* Returns the next event, owned by the caller, or null. */
struct packet_event *packet_in_next(struct packet_in *);
void packet_in_wait(struct packet_in *);

/* Has the packet sent.  Takes ownership. */
void packet_in_send(struct packet_in *, struct packet_order *);

void packet_in_get_stats(struct packet_in *, struct packet_in_stats *);
void packet_in_get_memory_usage(struct packet_in *, struct simap *);

#endif /* feedback/packet-in.h */
