/* SPDX-License-Identifier: Apache-2.0
 *
 * server-payload: bytes that go to many. */

#ifndef INGEST_SERVER_PAYLOAD_H
#define INGEST_SERVER_PAYLOAD_H 1

/* Counted references to bytes that libzmq sends without copying them.
 *
 * Thread-safety: references may be taken and given up by any thread. */

#include <stddef.h>
#include <stdint.h>
#include "ovs-atomic.h"

struct server_payload {
    struct ovs_refcount refs;
    size_t size;
    uint8_t data[];
};

struct server_payload *server_payload_create(const void *, size_t);
struct server_payload *server_payload_ref(struct server_payload *);
void server_payload_unref(struct server_payload *); /* Accepts null. */

#endif /* ingest/server-payload.h */
