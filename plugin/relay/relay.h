/* SPDX-License-Identifier: Apache-2.0
 *
 * relay: goal state for many hosts. */

#ifndef RELAY_RELAY_H
#define RELAY_RELAY_H 1

/* The relay
 * =========
 *
 * What?
 * -----
 *
 * Stands between controllers and up to ten thousand agents.  Controllers send
 * goal state for many hosts to its control channel; it keeps that durably,
 * gives each host its part by the cheapest channel, gathers the answers of the
 * hosts into one for the controller, and gives hosts their state again
 * whenever they ask.
 *
 *   controller ---> intake -----> store ------> distribute ----> outbox
 *     ROUTER        decode        goal store    per host,        one commit
 *                   validate      placement     VPC, group       to disk; PUB
 *                                                                   |
 *   controller <--- acks <-------- answers of hosts <---------------+
 *     one reply     aggregate      ROUTER
 *
 *   host ---------> snapshot, resolve  (its state; an unknown destination)
 *
 * Rounds
 * ------
 *
 * The main loop goes in rounds: what has come is taken in, everything that it
 * changes (goal store, placement, positions of topics) is synced to the disk
 * once, and only then anything is published or answered.  So what was
 * acknowledged survives, and a position that a host has seen is never used for
 * something else.  If the sync fails nothing of the round goes out, and its
 * messages are answered FAILURE.
 *
 * After a clean exit the relay goes on with its epoch and numbering, and no
 * host notices.  After any other end it starts a new epoch, so that hosts ask
 * for their state.
 *
 * Files
 * -----
 *
 *    relay-intake      messages of controllers
 *    relay-distribute  who gets what, and by which channel
 *    relay-outbox      messages to topics, numbers, heartbeats
 *    relay-acks        answers of hosts, retries, replies to controllers
 *    relay-verdicts    which host has said what, for people
 *    relay-replay      what was published lately, for those who missed it
 *    relay-snapshot    the state of a host, in pieces
 *    relay-resolve     unknown destinations
 *    relay-peers       the control channel: HELLO, dispatching
 *    relay-upstream    a server above us
 *    relay-nodes       which node is where, groups
 *    relay-db          the same in an OVSDB database
 *    relay-commands    unixctl
 *    placement         which host holds what, on disk
 *
 * Seams
 * -----
 *
 * Kinds of messages are dispatched by a table (relay-peers.c), where those of
 * transactions are refused as a whole; a coordinator takes their place there.
 * Who publishes is 'sender', which all relays of a group will share.
 *
 * Thread-safety: main thread only. */

#include <stdbool.h>
#include <stddef.h>
#include "openvswitch/compiler.h"

struct relay;
struct simap;

struct relay_options {
    const char *publish;        /* Endpoint to bind PUB to. */
    const char *control;        /* Endpoint to bind ROUTER to. */
    const char *state_dir;      /* Null: in OVS's database directory. */
    const char *sender;         /* Our id towards hosts. */
    const char *db_remote;      /* Database Alcor_Relay; null: none. */
    const char *curve_key;      /* File of our key pair; null: none. */
    const char *curve_clients;  /* Directory of allowed keys. */
    const char *upstream_publish; /* Servers above us, with commas; */
    const char *upstream_control; /* null: none. */
    const char *upstream_key;   /* File of their public key. */
    const char *node_id;        /* Our id towards them. */
    bool learn_nodes;           /* From HELLO. */
    unsigned int unicast_hosts; /* A VPC in at most so many hosts gets its
                                 * neighbours one by one. */
    size_t max_waiting;         /* Bytes that may wait for subscribers. */
    unsigned int on_demand_rate; /* Requests per second and host. */
};

/* Opens everything.  Returns NULL or a malloc()'d message. */
char *relay_open(const struct relay_options *, struct relay **)
    OVS_WARN_UNUSED_RESULT;
void relay_close(struct relay *);
void relay_run(struct relay *);
void relay_wait(struct relay *);
bool relay_should_exit(const struct relay *);
void relay_get_memory_usage(const struct relay *, struct simap *);

#endif /* relay/relay.h */
