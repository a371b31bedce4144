/* SPDX-License-Identifier: Apache-2.0
 *
 * on-demand: what plugin "on-demand" tells of packets to unknown addresses. */

#ifndef TRANSLATE_ON_DEMAND_H
#define TRANSLATE_ON_DEMAND_H 1

/* Questions
 * =========
 *
 * A packet to a destination for which there is no flow raises a question:
 * where is it?  The plugin's packet handler puts the question into an event,
 * with the packet, for the main thread (feedback/on-demand.h).
 *
 * Thread-safety: no shared state. */

#include <netinet/in.h>
#include <stdint.h>

struct packet_event;

/* Longest id of a VPC (wire-protocol.md, section 3). */
#define ON_DEMAND_MAX_ID 255

/* In an event's data, between handler and main thread of one process. */
struct on_demand_question {
    struct in6_addr src;        /* Address that asks; maybe unspecified. */
    struct in6_addr dst;        /* Address in question. */
    uint16_t src_port;          /* 0 if there are no ports. */
    uint16_t dst_port;
    uint8_t protocol;           /* Alcor's Protocol. */
    uint8_t stage;              /* enum of_stage in which it is to go on. */
    char vpc_id[ON_DEMAND_MAX_ID + 1];
};

/* Returns the question of 'event', or null if it has none. */
const struct on_demand_question *on_demand_question_from_event(
    const struct packet_event *);

#endif /* translate/on-demand.h */
