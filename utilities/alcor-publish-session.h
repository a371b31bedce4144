/* SPDX-License-Identifier: Apache-2.0
 *
 * alcor-publish-session: sends goal state and collects the answers. */

#ifndef UTILITIES_ALCOR_PUBLISH_SESSION_H
#define UTILITIES_ALCOR_PUBLISH_SESSION_H 1

/* Sessions of alcor-publish
 * =========================
 *
 * What?
 * -----
 *
 * Plays the server's part of wire-protocol.md for as long as it takes to
 * publish a few messages and to hear what became of them.  Towards agents
 * directly (PUB and ROUTER sockets of our own), or as a peer of a relay.
 *
 *    WAITING ------> ANSWERING ------> done
 *      |   enough agents,    |   all have answered
 *      |   and their         |
 *      |   subscriptions     |
 *      v                     v
 *    error (timeout)       done (timeout): who did not answer is listed
 *
 * Agents are those who say HELLO and name the topic in it (or no topic at
 * all).  One that is answered for with PENDING has two seconds more, as what
 * it lacks may be in a message that came later.
 *
 * With 'transaction', several agents vote first: ANSWERING is gone through
 * twice, for votes and for what became of it.  One agent is sent the message
 * itself with a transaction id, and so is a relay.
 *
 * Thread-safety: one session has one thread. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "openvswitch/compiler.h"

struct ofpbuf;
struct publish_result;

struct session_options {
    const char *relay;          /* Endpoint of a relay; null: agents. */
    const char *publish;        /* Endpoint to bind PUB to. */
    const char *control;        /* Endpoint to bind ROUTER to. */
    const char *topic;          /* To publish to. */
    const char *scope;          /* Topic that the snapshot covers; null: all
                                 * of them. */
    bool snapshot;              /* Send the messages as a snapshot only. */
    bool transaction;           /* All or nothing: of one message. */
    int n_agents;               /* To wait for. */
    int timeout;                /* In seconds, for each of the two waits. */
};

/* Sends the 'n' GOAL_STATE_V2 payloads at 'payloads'.  Returns NULL and fills
 * in '*result', which the caller must destroy, or returns a malloc()'d message
 * if they could not be sent. */
char *session_run(const struct session_options *,
                  struct ofpbuf *const *payloads, size_t n,
                  struct publish_result *result)
    OVS_WARN_UNUSED_RESULT;

#endif /* utilities/alcor-publish-session.h */
