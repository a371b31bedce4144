/* SPDX-License-Identifier: Apache-2.0
 *
 * agent-gateway: the gateway role. */

#ifndef AGENT_GATEWAY_H
#define AGENT_GATEWAY_H 1

/* The gateway role
 * ================
 *
 * What?
 * -----
 *
 * With "gateway" in alcor-role, the node is a forwarding node of the Zeta (or
 * ARION) clusters that have one of its entrances.  This holds the parts
 * together:
 *
 *    apply/bpf-gateway          the program, which forwards, and its records
 *                               of what hosts are to be told
 *    apply/gateway-device       frames out, heartbeats, MACs
 *    feedback/gateway-cluster   which entrances are ours at present
 *    agent-gateway-endpoints    what the program knows of VPCs
 *    feedback/told-paths        whom to tell that an endpoint has moved
 *
 * An entrance that becomes ours goes into the program, its MAC to the device,
 * and is announced by gratuitous ARP, a few times, and then now and then so
 * that switches do not forget where it is.
 *
 * A gateway also joins the topics of the VPCs that it serves, and takes all
 * VPCs for lazy: there are no ports in them that neighbours would be
 * programmed for.
 *
 * The program stays when the agent goes, and forwards; but what the agent does
 * not say, that it lives, has the other members take its entrances.  "exit
 * --cleanup", or a role without "gateway", removes the program.
 *
 * Thread-safety: main thread only. */

#include <stdbool.h>

struct agent;
struct agent_gateway;
struct goal_changes;
struct sset;

/* Between attempts to get at the device. */
#define GATEWAY_RETRY_MSEC 5000

/* Announcements of an entrance that became ours, one with each heartbeat; and
 * the time between those that follow. */
#define GATEWAY_ANNOUNCEMENTS 5
#define GATEWAY_ANNOUNCE_MSEC 60000

void agent_gateway_init(struct agent *);
void agent_gateway_destroy(struct agent *);
void agent_gateway_configure(struct agent *);
void agent_gateway_changes(struct agent *, const struct goal_changes *);
void agent_gateway_run(struct agent *);
void agent_gateway_wait(const struct agent *);
void agent_gateway_uninstall(struct agent *);

/* True if what was passed on is in effect. */
bool agent_gateway_is_settled(const struct agent *);

/* Adds the topics of VPCs that are served. */
void agent_gateway_add_topics(const struct agent *, struct sset *topics);

/* agent-gateway-show.c. */
void agent_gateway_show_init(struct agent *);

#endif /* agent-gateway.h */
