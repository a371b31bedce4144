/* SPDX-License-Identifier: Apache-2.0
 *
 * port-stats: what each port has sent and received, and what was dropped. */

#ifndef APPLY_PORT_STATS_H
#define APPLY_PORT_STATS_H 1

/* Port statistics
 * ===============
 *
 * What?
 * -----
 *
 * The switch counts packets and bytes by port, and drops by port and reason in
 * the flows of plugin "port-counters".  This module reads both at intervals,
 * over an OpenFlow connection of its own, so that it waits for no bundle and
 * no bundle for it.
 *
 * The numbers are the switch's, since the port or its flows were made: they
 * survive restarts of the agent.
 *
 * Usage
 * -----
 *
 * Say by port_stats_set_bridge() where, and by port_stats_set_active() whether
 * there is any port; port_stats_run() and port_stats_wait() in each round of
 * the main loop.  port_stats_seqno() changes when numbers have; then
 * port_stats_get().
 *
 * port_stats_ask() reads at once instead of in a while; port_stats_round()
 * tells when what is asked now has been answered.  If the connection is lost
 * meanwhile, it is asked again.
 *
 * Thread-safety: main thread only.  Memory: in proportion to the ports of the
 * bridge. */

#include <stdbool.h>
#include <stdint.h>
#include "apply/of-pipeline.h"

struct port_stats;

/* Between two readings; vswitchd itself counts at such intervals. */
#define PORT_STATS_MSEC 5000

/* Silence after which to ask again. */
#define PORT_STATS_ANSWER_MSEC 10000

struct port_counters {
    uint64_t rx_packets;        /* Sent by the VM... */
    uint64_t rx_bytes;
    uint64_t tx_packets;        /* ...and to it. */
    uint64_t tx_bytes;
    uint64_t sent_drops[OF_N_DROPS]; /* Of what it sent... */
    uint64_t for_it_drops[OF_N_DROPS]; /* ...and of what was for it. */
};

struct port_stats *port_stats_create(void);
void port_stats_destroy(struct port_stats *);

/* Sets the bridge to connect to, by name; null: none. */
void port_stats_set_bridge(struct port_stats *, const char *name);

/* If false, nothing is read until asked. */
void port_stats_set_active(struct port_stats *, bool);

void port_stats_ask(struct port_stats *);

/* Readings begun, the one that is due included; and completed: what is asked
 * now has been answered when the second reaches the first of now. */
uint64_t port_stats_round(const struct port_stats *);
uint64_t port_stats_completed(const struct port_stats *);

/* Changes whenever a number has. */
uint64_t port_stats_seqno(const struct port_stats *);

/* The numbers of an OpenFlow port; null if there are none. */
const struct port_counters *port_stats_get(const struct port_stats *,
                                           uint32_t ofport);

void port_stats_run(struct port_stats *);
void port_stats_wait(struct port_stats *);

#endif /* apply/port-stats.h */
