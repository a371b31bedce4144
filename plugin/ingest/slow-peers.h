/* SPDX-License-Identifier: Apache-2.0
 *
 * slow-peers: those who do not take what a socket has for them. */

#ifndef INGEST_SLOW_PEERS_H
#define INGEST_SLOW_PEERS_H 1

/* Slow subscribers
 * ================
 *
 * What?
 * -----
 *
 * What is published waits in memory until the slowest subscriber has taken it.
 * Subscribers that hang would so fill the memory, or, if there is a limit,
 * keep others waiting.  PUB cannot tell subscribers apart, but the kernel can:
 * their connections are among our own file descriptors.
 *
 * Once there is pressure, that is, once much waits, the connections to one
 * bound endpoint are looked at, four times a second: how much the kernel has
 * that the other end has not, and whether the other end moves.  Cut off is
 *
 *    - who takes nothing for 5 seconds;
 *    - while there is overload, who was behind for 10 seconds and took less
 *      than a quarter of what the median subscriber took.  Where all are
 *      equally slow, nobody is.
 *
 * libzmq then drops what waits for it.  It may connect again, finds numbers
 * missing, and asks for its state.
 *
 * How one is cut, see socket-fd.h.
 *
 * Thread-safety: belongs to one thread. */

#include <stdbool.h>
#include <stddef.h>
#include "openvswitch/compiler.h"

struct slow_peers;

enum slow_pressure { SLOW_RELAXED, SLOW_PRESSURE, SLOW_OVERLOAD };

/* Of the socket that is bound to 'endpoint', as ZMQ_LAST_ENDPOINT says it. */
struct slow_peers *slow_peers_create(const char *endpoint);
void slow_peers_destroy(struct slow_peers *); /* Accepts null. */

/* Returns the number of connections that were cut. */
size_t slow_peers_run(struct slow_peers *, enum slow_pressure);
void slow_peers_wait(const struct slow_peers *);

/* Cuts off all of them, whatever they take, and returns their number. */
size_t slow_peers_cut_all(struct slow_peers *);

/* Connections that were behind when it was last looked, if there was
 * pressure. */
size_t slow_peers_n_behind(const struct slow_peers *);

#endif /* ingest/slow-peers.h */
