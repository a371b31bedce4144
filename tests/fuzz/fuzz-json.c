/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz-json: fuzzes the conversion of JSON to messages and back. */

#include <config.h>

#undef NDEBUG
#include "ingest/proto-json.h"

#include <stdlib.h>
#include <string.h>

#include "fuzz-targets.h"
#include "openvswitch/json.h"
#include "proto/goalstate.pb-c.h"
#include "util.h"

/* A message that comes of JSON is the same after going through JSON again. */
void
fuzz_json(const uint8_t *data, size_t size)
{
    char *text = xmemdup0((const char *) data, size);
    struct json *json = json_from_string(text);
    ProtobufCMessage *a, *b;
    char *error;

    error = proto_from_json(json, &alcor__schema__goal_state_v2__descriptor,
                            &a);
    if (!error) {
        struct json *first = proto_to_json(a);

        error = proto_from_json(first, a->descriptor, &b);
        ovs_assert(!error);

        struct json *second = proto_to_json(b);

        ovs_assert(json_equal(first, second));
        json_destroy(first);
        json_destroy(second);
        protobuf_c_message_free_unpacked(a, NULL);
        protobuf_c_message_free_unpacked(b, NULL);
    }
    free(error);
    json_destroy(json);
    free(text);
}

FUZZ_TARGET(fuzz_json)
