/* SPDX-License-Identifier: Apache-2.0
 *
 * punt: packets that flows cannot answer, and the handlers that do. */

#ifndef TRANSLATE_PUNT_H
#define TRANSLATE_PUNT_H 1

/* Punts
 * =====
 *
 * What?
 * -----
 *
 * Some packets need more than a flow can do: an answer longer than the
 * question, a counter, a question upstream.  A plugin has them sent to the
 * agent's packet thread (feedback/packet-in.h), which hands each one to the
 * function 'packet_in' of the same plugin's class:
 *
 *    translate() --> flow with output_punt(data)         in the main thread
 *                       |
 *    packet ----------> flow ----> packet_in(packet, data) --> packets, event
 *                                                        in the packet thread
 *
 * The packet thread has no access to the store.  What a handler has to know
 * rides in the flow, as 'data' of the punt, in whatever form the plugin likes;
 * since flows are kept up to date by translation, so is the data.
 *
 * Rules for handlers
 * ------------------
 *
 *    - A handler is a pure function of 'struct packet_view': no state, no
 *      locks, no look at the clock (that is 'now').  So it can be tested
 *      without a switch (tests/test-punt.c).
 *
 *    - Neither the packet nor 'data' can be trusted: the packet is a tenant's,
 *      and the flow may be of another version of the plugin.  Check lengths.
 *
 *    - It says what is to be done by packet_reply_send() and
 *      packet_reply_event(), any number of times, and returns true, or
 *      returns false if the packet is none that it has a use for, which is
 *      counted.
 *
 * Rates
 * -----
 *
 * A punt is metered per port and kind, at the rate that PUNT_KINDS says, in
 * packets per second: what is beyond that is dropped by the switch, before it
 * costs anybody else anything.
 *
 * Thread-safety: no shared state. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "apply/of-pipeline.h"
#include "openvswitch/flow.h"
#include "openvswitch/list.h"
#include "openvswitch/types.h"

struct dp_packet;
struct ofpbuf;
struct plugin_output;

/* PUNT_KIND(NAME, "name", PACKETS-PER-SECOND, BURST, "what")
 *
 * Add at the end: the numbers are in flows, and those of other versions of the
 * agent may be in the switch for a moment. */
#define PUNT_KINDS                                                      \
    PUNT_KIND(ANNOUNCE, "announce", 10, 20,                             \
              "gratuitous ARP and unsolicited NA")                      \
    PUNT_KIND(UNKNOWN, "unknown", 100, 200,                             \
              "packets to destinations that are not known")             \
    PUNT_KIND(RESOLVE, "resolve", 100, 200,                             \
              "ARP and ND for addresses that are not known")            \
    PUNT_KIND(ICMP_ERROR, "icmp-error", 50, 100,                        \
              "packets that the router does not forward")               \
    PUNT_KIND(ROUTER_SOLICIT, "router-solicit", 5, 10,                  \
              "questions for IPv6 routers")                             \
    PUNT_KIND(DHCP, "dhcp", 20, 40, "DHCP questions")                   \
    PUNT_KIND(FAST_PATH, "fast-path", 1000, 1000,                       \
              "packets whose verdict the fast path may repeat")         \
    PUNT_KIND(PROBE, "probe", 5000, 5000,                               \
              "signs of life of gateways")                              \
    PUNT_KIND(SPOOFED, "spoofed", 100, 100,                             \
              "packets from MACs that are not the port's")              \
    PUNT_KIND(UPLINK_HOP, "uplink-hop", 20, 40,                         \
              "next hops of INTERNET rules that are to be found")

enum punt_kind {
#define PUNT_KIND(NAME, STRING, PPS, BURST, WHAT) PUNT_##NAME,
    PUNT_KINDS
#undef PUNT_KIND
    PUNT_N_KINDS
};
const char *punt_kind_to_string(enum punt_kind);

/* Longest 'data' of a punt. */
#define PUNT_MAX_DATA 4096

/* A punt, as translate() outputs it. */
struct punt {
    enum punt_kind kind;
    const char *port_id;        /* Names the meter, together with 'kind': of
                                 * the port, as a rule. */
    const void *data;           /* For the handler... */
    size_t len;                 /* ...at most PUNT_MAX_DATA bytes. */
};

/* Appends to 'ofpacts' the action that punts.  Returns NULL or, if there is no
 * meter left, a malloc()'d message for PLUGIN_FAIL. */
char *output_punt(struct plugin_output *, struct ofpbuf *ofpacts,
                  const struct punt *) OVS_WARN_UNUSED_RESULT;

/* A punt's controller action: the id of the packet thread's connection, and
 * what its userdata starts with; 'data' follows. */
#define PUNT_VERSION 1
#define PUNT_CONTROLLER_ID 0xa1c0
struct punt_header {
    uint8_t version;            /* PUNT_VERSION. */
    uint8_t plugin;             /* Number of the plugin, as in cookies. */
    uint8_t kind;               /* enum punt_kind. */
    uint8_t reserved;           /* 0. */
};

/* Where in the pipeline a packet was, or is to be. */
struct packet_context {
    uint32_t in_port;           /* OpenFlow port. */
    uint64_t metadata;          /* Subnet tag. */
    uint32_t regs[FLOW_N_REGS];
};
void packet_context_from_flow(struct packet_context *, const struct flow *);

/* A punted packet, as the handler sees it. */
struct packet_view {
    enum punt_kind kind;
    const struct dp_packet *packet; /* The frame, with its layers found. */
    const struct flow *flow;    /* Its headers... */
    struct packet_context context; /* ...and where it was. */
    const void *data;           /* Of the punt; not aligned. */
    size_t len;                 /* Bytes in 'data'. */
    long long int now;          /* Milliseconds, as time_msec(). */
};

/* A packet to be sent.  Owned by the list that it is in. */
struct packet_order {
    struct ovs_list list_node;
    struct packet_context context;
    struct ofpact *ofpacts;     /* Not aligned differently than malloc(). */
    size_t ofpacts_len;
    void *packet;
    size_t packet_len;
};
struct packet_order *packet_order_create(const struct packet_context *,
                                         const struct ofpbuf *ofpacts,
                                         const void *packet, size_t len);
void packet_order_destroy(struct packet_order *);
size_t packet_order_size(const struct packet_order *);

/* Something that the main thread has to know, or do. */
struct packet_event {
    struct ovs_list list_node;
    uint8_t plugin;             /* Filled in by the packet thread. */
    enum punt_kind kind;
    struct packet_context context;
    void *data;                 /* As the handler wrote it. */
    size_t len;
    void *packet;               /* A copy; null if the handler wanted none. */
    size_t packet_len;
};
void packet_event_destroy(struct packet_event *);
size_t packet_event_size(const struct packet_event *);

/* What a handler wants done. */
struct packet_reply {
    const struct packet_view *view;
    struct ovs_list orders;     /* Contains "struct packet_order"s. */
    struct ovs_list events;     /* Contains "struct packet_event"s. */
};
void packet_reply_init(struct packet_reply *, const struct packet_view *);
void packet_reply_uninit(struct packet_reply *);

/* Has a copy of the 'len' bytes at 'packet' sent: with 'ofpacts' executed on
 * it, in the context of the packet that was punted. */
void packet_reply_send(struct packet_reply *, const void *packet, size_t len,
                       const struct ofpbuf *ofpacts);

/* The same, for an answer: it goes out where the punted packet came in. */
void packet_reply_answer(struct packet_reply *, const void *packet,
                         size_t len);

/* The same, for the punted packet itself: it goes on in 'stage', with
 * 'of_flags' (OF_FLAG_*) beside those that it had. */
void packet_reply_resume(struct packet_reply *, enum of_stage,
                         uint32_t of_flags);

/* Tells the main thread: the 'len' bytes at 'data', with a copy of the punted
 * packet if 'with_packet'. */
void packet_reply_event(struct packet_reply *, const void *data, size_t len,
                        bool with_packet);

#endif /* translate/punt.h */
