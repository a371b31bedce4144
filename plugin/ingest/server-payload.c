/* SPDX-License-Identifier: Apache-2.0
 *
 * server-payload: bytes that go to many. */

#include <config.h>

#include "ingest/server-payload.h"

#include <stdlib.h>
#include <string.h>

#include "util.h"

struct server_payload *
server_payload_create(const void *data, size_t size)
{
    struct server_payload *payload = xmalloc(sizeof *payload + size);

    ovs_refcount_init(&payload->refs);
    payload->size = size;
    if (size) {
        memcpy(payload->data, data, size);
    }
    return payload;
}

struct server_payload *
server_payload_ref(struct server_payload *payload)
{
    ovs_refcount_ref(&payload->refs);
    return payload;
}

void
server_payload_unref(struct server_payload *payload)
{
    if (payload && ovs_refcount_unref(&payload->refs) == 1) {
        free(payload);
    }
}
