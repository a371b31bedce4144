/* SPDX-License-Identifier: Apache-2.0
 *
 * agent-port-stats: counters of ports, for the database and for operators. */

#ifndef AGENT_PORT_STATS_H
#define AGENT_PORT_STATS_H 1

/* apply/port-stats reads what the switch has counted; this file names the
 * numbers, and has the command port/counters, which waits for a reading that
 * begins after it was given.
 *
 * Thread-safety: main thread only. */

#include <stddef.h>
#include <stdint.h>
#include "apply/alcor-db.h"
#include "apply/of-pipeline.h"

struct agent;

/* Packets and bytes in both directions. */
#define AGENT_PORT_N_TOTALS 4

/* The numbers of a port; drops that did not happen are left out. */
struct agent_port_stats {
    struct alcor_db_number totals[AGENT_PORT_N_TOTALS];
    struct alcor_db_number drops[OF_N_DROPS];
    struct alcor_db_number ingress_drops[OF_N_DROPS];
    size_t n_totals;            /* 0: nothing is known of the port. */
    size_t n_drops;
    size_t n_ingress_drops;
};

void agent_port_stats_init(struct agent *);
void agent_port_stats_destroy(struct agent *);
void agent_port_stats_run(struct agent *);
void agent_port_stats_wait(struct agent *);

/* Stores what is known of port 'id', which is bound to an OpenFlow port. */
void agent_port_stats_get(const struct agent *, const char *id,
                          uint32_t ofport, struct agent_port_stats *);

#endif /* agent-port-stats.h */
