/* SPDX-License-Identifier: Apache-2.0
 *
 * zmq-backlog: what a socket was given to send and has not sent yet. */

#ifndef INGEST_ZMQ_BACKLOG_H
#define INGEST_ZMQ_BACKLOG_H 1

/* Backlogs
 * ========
 *
 * What?
 * -----
 *
 * libzmq counts messages, not bytes, and does not say how many wait.  But it
 * says when it needs the bytes of a frame no longer: so one frame of each
 * message, the last that has any, is lent to it, and counted until it comes
 * back.
 *
 * A message that is published to many is counted once: it comes back when the
 * slowest subscriber has taken it.  Messages to one peer are counted for that
 * peer, too.
 *
 * Usage
 * -----
 *
 *     zmq_backlog_init(&backlog);
 *     zmq_backlog_lend(&backlog, peer, &frame, payload);
 *     zmq_msg_send(&frame, ...);           or zmq_msg_close()
 *     ...
 *     zmq_ctx_term(context);               frames come back at the latest
 *     zmq_backlog_destroy(&backlog);
 *
 * Thread-safety: frames come back in any thread; all else belongs to one. */

#include <stddef.h>
#include <stdint.h>
#include <zmq.h>
#include "openvswitch/hmap.h"
#include "ovs-atomic.h"

struct server_payload;

/* What a message takes beside that frame, in the queue of each receiver. */
#define ZMQ_BACKLOG_OVERHEAD 256

struct zmq_backlog {
    atomic_uint64_t bytes;
    atomic_uint64_t messages;
    struct hmap peers;          /* Contains "struct backlog_peer"s. */
    size_t sweep_at;            /* Drops idle peers when so many are there. */
};

void zmq_backlog_init(struct zmq_backlog *);
void zmq_backlog_destroy(struct zmq_backlog *);

/* Makes 'frame' one that holds the bytes of 'payload', to which it takes a
 * reference, and counts it: it goes to 'peer', or, if that is null, to whoever
 * subscribes. */
void zmq_backlog_lend(struct zmq_backlog *, const char *peer,
                      zmq_msg_t *frame, struct server_payload *payload);

/* In all, and what waits for 'peer'. */
uint64_t zmq_backlog_bytes(const struct zmq_backlog *);
uint64_t zmq_backlog_messages(const struct zmq_backlog *);
uint64_t zmq_backlog_peer_bytes(const struct zmq_backlog *, const char *peer);

#endif /* ingest/zmq-backlog.h */
