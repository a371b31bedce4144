/* SPDX-License-Identifier: Apache-2.0
 *
 * apply-openflow: the OpenFlow connection that installs flows. */

#ifndef APPLY_APPLY_OPENFLOW_H
#define APPLY_APPLY_OPENFLOW_H 1

/* OpenFlow
 * ========
 *
 * What?
 * -----
 *
 * The sinks DS_OPENFLOW (groups and flows) and DS_METER: one OpenFlow 1.5
 * connection to the integration bridge's management socket.  On connection it
 * reads back what is installed and reports it to the desired state, so that
 * only the difference is changed; then it turns each chunk into one ordered,
 * atomic bundle: groups, flows, groups that go.  Meters cannot be in bundles
 * (OVS 3.1); they are sent one by one, followed by a barrier.
 *
 *   S_NEW --connected--> S_READBACK --last reply--> S_IDLE
 *                            ^                       |  ^
 *                            +- foreign flow gone? --+  |
 *                                                    |  |
 *                                       chunk begins |  | chunk done
 *                                                    v  |
 *                                     S_STAGED --barrier--> S_COMMITTING
 *                                         ^                  |         |
 *                                         +----- refused ----+         |
 *                                                                      |
 *                      chunk done <-- S_SETTLING <--barrier, revoked --+
 *
 * At the agent's start there is a state more, before S_READBACK: S_ASKED.
 * Flows have been asked for as soon as there was a connection, and vswitchd
 * makes its answer while what is stored is being translated.  It is not read
 * before that is done, so that it waits in vswitchd and is nowhere kept twice.
 * If others have changed flows in between, everything is read again.
 *
 * S_STAGED: bundle opened, all messages added, barrier sent: vswitchd has
 * looked at each message by itself.  Those it refuses name their flow by xid.
 * S_COMMITTING: commit and barrier sent.  A commit that is refused names one
 * flow; nothing of the bundle is in effect.
 * S_SETTLING: the bundle revoked or diverted something: flows by which packets
 * were admitted, or found their way, have changed or gone.  What they said is
 * cached in vswitchd's datapath, so the chunk is done, and acknowledged, when
 * its caches have followed; what only adds is not delayed.  If vswitchd does
 * not say so within OPENFLOW_SETTLE_MSEC, that is counted and the chunk is
 * done nevertheless.
 *
 * Refused flows
 * -------------
 *
 * The units that contribute the flow fail (desired-state.h) and the rest is
 * tried again.  After OPENFLOW_MAX_ROUNDS such rounds the chunk is cut in two
 * and the halves are committed one after the other, so that a chunk with many
 * poisonous resources costs O(n log n), not O(n^2).
 *
 * Foreign flows
 * -------------
 *
 * Read-back covers tables and priorities that are ours.  A flow there without
 * our cookie prefix is reported and never overwritten: the unit that wants its
 * key fails.  When it is given a new chance, the flows are read back again,
 * since the foreign one may be gone.
 *
 * Thread-safety: main thread only. */

#include <stdbool.h>
#include <stdint.h>

struct apply_openflow;
struct ds_audit;
struct desired_state;
struct sink;
struct ds;

#define OPENFLOW_MAX_ROUNDS 3

/* How long the caches may take. */
#define OPENFLOW_SETTLE_MSEC 5000

/* While there is no connection, how often to see whether vswitchd is back. */
#define OPENFLOW_LOOK_MSEC 50

struct apply_openflow *apply_openflow_create(struct desired_state *);
void apply_openflow_destroy(struct apply_openflow *);

/* The desired state will soon be complete: flows are asked for at once. */
void apply_openflow_expect(struct apply_openflow *);

/* Sets the bridge to connect to, by name; null: disconnect. */
void apply_openflow_set_bridge(struct apply_openflow *, const char *name);

void apply_openflow_run(struct apply_openflow *);
void apply_openflow_wait(struct apply_openflow *);
bool apply_openflow_is_connected(const struct apply_openflow *);

/* One line for people: state, bridge. */
void apply_openflow_describe(const struct apply_openflow *, struct ds *);

struct sink *apply_openflow_sink(struct apply_openflow *);
struct sink *apply_openflow_meter_sink(struct apply_openflow *);

/* Starts an audit, unless one is under way or there is nothing to compare:
 * what others have done to our flows, groups and meters is counted and, by way
 * of the commit's queue, undone. */
void apply_openflow_audit(struct apply_openflow *);
bool apply_openflow_is_auditing(const struct apply_openflow *);

/* Returns what the last one has found and stores when it ended, or returns
 * NULL if there has been none. */
const struct ds_audit *apply_openflow_audited(const struct apply_openflow *,
                                              long long int *when);

/* Removes all connections in the conntrack zone, as soon as there is a
 * connection to the switch.  Done when apply_openflow_is_flushing() is
 * false. */
void apply_openflow_flush_zone(struct apply_openflow *, uint16_t zone);
bool apply_openflow_is_flushing(const struct apply_openflow *);

#endif /* apply/apply-openflow.h */
