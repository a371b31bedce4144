/* SPDX-License-Identifier: Apache-2.0
 *
 * loud-peers: subscribers that say more than subscribers have to say. */

#ifndef INGEST_LOUD_PEERS_H
#define INGEST_LOUD_PEERS_H 1

/* Loud peers
 * ==========
 *
 * What?
 * -----
 *
 * What comes in on a publishing socket are subscriptions.  libzmq keeps all of
 * them, in some fifty bytes of memory for each byte of a topic, and nothing
 * bounds that: whoever reaches the port can make the server grow without end.
 * And once it has begun to take them from a connection, it does not return
 * before there are no more: a flood stops the main loop.
 *
 * So this counts what each connection to the port has said, as the kernel
 * knows, and cuts off who has said more than a megabyte (twenty thousand
 * topics or so) and what heartbeats need.  Since the main loop may be stuck
 * just then, a thread of its own does it.
 *
 * It looks four times a second, or as seldom as is needed for it not to take
 * more than a twentieth of a processor, however many connections there are.
 *
 * Only TCP: who may connect to an "ipc://" endpoint, file permissions say.
 *
 * Thread-safety: one thread at a time. */

#include <stdint.h>

struct simap;

/* Watches the connections to 'endpoint', whose form is libzmq's. */
struct loud_peers *loud_peers_create(const char *endpoint);
void loud_peers_destroy(struct loud_peers *); /* Accepts null. */

void loud_peers_get_memory_usage(struct loud_peers *, struct simap *);

#endif /* ingest/loud-peers.h */
