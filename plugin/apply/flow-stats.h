/* SPDX-License-Identifier: Apache-2.0
 *
 * flow-stats: asks the switch how many packets flows have seen. */

#ifndef APPLY_FLOW_STATS_H
#define APPLY_FLOW_STATS_H 1

/* Flow statistics
 * ===============
 *
 * What?
 * -----
 *
 * The switch never expires our flows: what installs flows by need removes them
 * again when they are idle, which is to say, when their packet count does not
 * change.  This module asks for packet counts, by table and cookie:
 *
 *    flow_stats_ask(table, cookie) --> flow_stats_reply(packets, flows)
 *
 * The switch has an index of cookies, so asking about one costs the same
 * however many flows there are.  Ask about each once per time in which it is
 * to be found idle, not about all of them all the time.
 *
 * It has an OpenFlow connection of its own, so that what is asked waits for no
 * bundle and no bundle for it.  It is made when something is asked first.
 *
 * Usage
 * -----
 *
 * Any number of users share one of these.  flow_stats_ask() returns false if
 * there is no room (FLOW_STATS_MAX_PENDING) or no connection: try again later.
 * If the connection is lost, or the switch refuses, there is no answer: who
 * needs one asks again after FLOW_STATS_ANSWER_MSEC.
 *
 * Thread-safety: main thread only. */

#include <stdbool.h>
#include <stdint.h>
#include "apply/of-pipeline.h"

struct flow_stats;

/* Questions that wait for their answers. */
#define FLOW_STATS_MAX_PENDING 256

/* Silence after which to ask again. */
#define FLOW_STATS_ANSWER_MSEC 10000

/* The answer to the question with 'id': how many flows there are, and how many
 * packets all of them have seen. */
typedef void flow_stats_cb(uint64_t id, uint64_t n_packets, uint32_t n_flows,
                           void *aux);

struct flow_stats *flow_stats_create(void);
void flow_stats_destroy(struct flow_stats *);

/* Sets the bridge to connect to, by name; null: none. */
void flow_stats_set_bridge(struct flow_stats *, const char *name);

/* Asks about the flows in a table with 'cookie'.  'id' is for the caller to
 * know the answer by. */
bool flow_stats_ask(struct flow_stats *, enum of_stage, uint64_t cookie,
                    uint64_t id, flow_stats_cb *, void *aux);

void flow_stats_run(struct flow_stats *);
size_t flow_stats_n_pending(const struct flow_stats *);
void flow_stats_wait(struct flow_stats *);

#endif /* apply/flow-stats.h */
