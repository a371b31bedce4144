/* SPDX-License-Identifier: Apache-2.0
 *
 * storm: finds ports that send to ever new addresses that nobody has. */

#ifndef FEEDBACK_STORM_H
#define FEEDBACK_STORM_H 1

/* Storms
 * ======
 *
 * What?
 * -----
 *
 * The switch looks at a packet of a kind that it has not seen before for long,
 * fifty microseconds or so, and makes a datapath flow of it; the next one of
 * the kind costs a fiftieth of that.  A packet for a MAC that nobody has, or
 * from one that its port does not have, is of a kind of its own, since the
 * whole MAC has to be looked at to find that out.  So one port that sends to
 * (or from, or asks by ARP for) ever new ones at full speed keeps the switch
 * busy with itself, and its flows push out those of others.
 *
 * This module sees what was dropped, a sample metered by the switch, and says
 * which ports are in a storm:
 *
 *    - it begins when STORM_MIN_TARGETS different ones were dropped within
 *      STORM_WINDOW_MSEC;
 *
 *    - it ends STORM_QUIET_MSEC after that was last so.
 *
 * Plugin storm-control then limits the port, before its packets are looked at.
 *
 * Ten thousand packets to one dead address are no storm: they are all of one
 * kind.  Nor are destinations that turn out to exist.
 *
 * Usage
 * -----
 *
 * storm_take() with each packet that was dropped; storm_run() and storm_wait()
 * in each round of the main loop.  The callback hears of beginnings and ends.
 * The memory is bounded by the number of ports.
 *
 * Thread-safety: main thread only; time is an argument. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct storms;

#define STORM_MIN_TARGETS 64
#define STORM_WINDOW_MSEC 1000
#define STORM_QUIET_MSEC 5000

typedef void storm_cb(uint32_t in_port, bool begins, void *aux);

struct storms *storms_create(storm_cb *, void *aux);
void storms_destroy(struct storms *);

/* A packet from OpenFlow port 'in_port' was dropped; 'target' is a hash of
 * whom it was for, or whose name it was sent in. */
void storm_take(struct storms *, uint32_t in_port, uint32_t target,
                long long int now);

void storm_run(struct storms *, long long int now);
void storm_wait(const struct storms *);

#endif /* feedback/storm.h */
