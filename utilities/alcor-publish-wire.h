/* SPDX-License-Identifier: Apache-2.0
 *
 * alcor-publish-wire: payloads as a server sees them. */

#ifndef UTILITIES_ALCOR_PUBLISH_WIRE_H
#define UTILITIES_ALCOR_PUBLISH_WIRE_H 1

/* Payloads of the control channel
 * ===============================
 *
 * Decodes what agents send and encodes what servers answer: the other half of
 * ingest/envelope.h and ingest/control.h.
 *
 * Decoding functions return NULL and store their results, owned by the caller,
 * or return a malloc()'d message.
 *
 * Thread-safety: no shared state. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "ingest/envelope.h"
#include "openvswitch/compiler.h"

struct ofpbuf;
struct svec;

/* HELLO: its topics, which are added to 'topics'. */
char *wire_hello_topics(const void *data, size_t len, struct svec *topics)
    OVS_WARN_UNUSED_RESULT;

/* GOAL_STATE_REPLY. */
char *wire_reply_decode(const void *data, size_t len,
                        struct resource_status **statusesp, size_t *np)
    OVS_WARN_UNUSED_RESULT;
void wire_reply_destroy(struct resource_status *, size_t n);

/* HOST_REQUEST: the answer to it, which is appended to 'answer', says SUCCESS
 * to AGENT_RESTARTED if 'have_state' and FAILURE to everything else.  Stores
 * in '*restartedp' whether there is an AGENT_RESTARTED. */
char *wire_host_request_answer(const void *data, size_t len, bool have_state,
                               bool *restartedp, struct ofpbuf *answer)
    OVS_WARN_UNUSED_RESULT;

/* SNAPSHOT_BEGIN for 'topic' (null: all topics) and SNAPSHOT_END. */
void wire_snapshot_begin_encode(const char *topic, struct ofpbuf *);
void wire_snapshot_end_encode(uint64_t epoch, const char *sender,
                              struct ofpbuf *);

#endif /* utilities/alcor-publish-wire.h */
