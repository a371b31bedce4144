/* SPDX-License-Identifier: Apache-2.0
 *
 * openflow-readback: what is installed on the bridge, into desired state. */

#ifndef APPLY_OPENFLOW_READBACK_H
#define APPLY_OPENFLOW_READBACK_H 1

/* Read-back
 * =========
 *
 * Asks for all flows, groups and meters of the bridge, and reports those in
 * our space (of-pipeline.h) to the desired state as installed.  Flows with
 * equal spelling are recognised by their bytes; where the bytes differ both
 * sides are normalised first, so that only real differences count.
 *
 *    1. Send openflow_readback_flows() and, right after it or later, what
 *       openflow_readback_begin() returns, in this order.
 *    2. Pass each reply, and each error, to openflow_readback_reply() until it
 *       says that it was the last.
 *
 * Between the requests and the last reply, the caller changes nothing.
 *
 * vswitchd takes its time for an answer about many flows, while the agent, at
 * its start, takes its own to find out which it wants.  So that both do it at
 * the same time, flows are asked for first and begun with when they can be
 * compared.  To be sure that they are still what was said then, send
 * openflow_monitor_encode() before: if somebody else adds, changes or removes
 * a flow, openflow_is_news() is true of a message that comes, and the
 * read-back is to be repeated.
 *
 * An audit (openflow_audit_begin()) is the same while changes go on: replies
 * come in the order of requests, so they tell of the state that the desired
 * state believes in when they are handled.
 *
 * Thread-safety: main thread only. */

#include <stdbool.h>
#include <stddef.h>
#include "openvswitch/ofp-msgs.h"

struct desired_state;
struct ds_audit;
struct ofp_header;
struct ofpbuf;

struct openflow_readback {
    size_t n_same;              /* Installed as wanted. */
    size_t n_different;         /* Installed otherwise, or not wanted. */
    size_t n_foreign;           /* In our space, without our cookie. */
    size_t n_foreign_elsewhere; /* Not in our space. */
    int n_left;                 /* Requests not answered whole. */
    struct ds_audit *audit;     /* Null: read-back.  Not owned. */
};

/* The answers to expect; all but that about flows are asked for when it
 * begins. */
#define OPENFLOW_N_READBACKS 3
#define OPENFLOW_N_BEGINS (OPENFLOW_N_READBACKS - 1)

struct ofpbuf *openflow_readback_flows(void);
void openflow_readback_begin(struct desired_state *,
                             struct openflow_readback *,
                             struct ofpbuf *requests[OPENFLOW_N_BEGINS]);
void openflow_audit_begin(struct desired_state *, struct openflow_readback *,
                          struct ds_audit *,
                          struct ofpbuf *requests[OPENFLOW_N_BEGINS]);
bool openflow_readback_reply(struct desired_state *,
                             struct openflow_readback *,
                             enum ofptype, const struct ofp_header *);

struct ofpbuf *openflow_monitor_encode(bool on);
bool openflow_is_news(enum ofptype, const struct ofp_header *);

#endif /* apply/openflow-readback.h */
