/* SPDX-License-Identifier: Apache-2.0
 *
 * proto-json: the proto3 JSON mapping over protobuf-c descriptors. */

#ifndef INGEST_PROTO_JSON_H
#define INGEST_PROTO_JSON_H 1

/* Converts any protobuf-c message to JSON and back, by the proto3 JSON
 * mapping: lowerCamelCase names (the original names are accepted too), enums
 * by name (numbers are accepted), 64-bit integers as strings (numbers are
 * accepted), bytes as base64, maps as objects, defaults left out.
 *
 * Used by alcor-publish and by tests; the agent decodes straight from the wire
 * (goal-decode.h).
 *
 * Errors name the path in the document, what was found and what was expected:
 * "portStates.p1.configuration.adminStateUp: expected true or false, found
 * string".
 *
 * Thread-safety: no shared state. */

#include <protobuf-c/protobuf-c.h>
#include "openvswitch/compiler.h"

struct json;

/* Returns 'message' as JSON, owned by the caller. */
struct json *proto_to_json(const ProtobufCMessage *message);

/* Converts 'json' to a message of type 'descriptor'.  Returns NULL and stores
 * the message, which the caller frees with
 * protobuf_c_message_free_unpacked(), in '*messagep', or returns a malloc()'d
 * error. */
char *proto_from_json(const struct json *json,
                      const ProtobufCMessageDescriptor *descriptor,
                      ProtobufCMessage **messagep)
    OVS_WARN_UNUSED_RESULT;

#endif /* ingest/proto-json.h */
