/* SPDX-License-Identifier: Apache-2.0
 *
 * test-wire: decodes and encodes messages, for tests/wire.at. */

#include <config.h>

#undef NDEBUG
#include "ingest/envelope.h"
#include "ingest/goal-decode.h"
#include "ingest/proto-json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alcortest.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/json.h"
#include "openvswitch/ofpbuf.h"
#include "proto/envelope.pb-c.h"
#include "proto/goalstate.pb-c.h"
#include "proto/goalstateprovisioner.pb-c.h"
#include "proto/subscribeinfoprovisioner.pb-c.h"
#include "util.h"

/* The host that the messages in the vectors are for. */
#define VECTORS_HOST_IP "172.16.62.237"

/* Message types. */

/* A message with types of field that our schema does not use. */
struct odd_message {
    ProtobufCMessage base;
    int32_t int32;
    int64_t sint64;
    uint32_t fixed32;
    float float_;
    double double_;
    ProtobufCBinaryData bytes;
    size_t n_bools;
    protobuf_c_boolean *bools;
};

#define ODD_FIELD(NUMBER, NAME, LABEL, TYPE, QUANTIFIER, MEMBER)        \
    { NAME, NUMBER, PROTOBUF_C_LABEL_##LABEL, PROTOBUF_C_TYPE_##TYPE,   \
      QUANTIFIER, offsetof(struct odd_message, MEMBER), NULL, NULL, 0, 0, \
      NULL, NULL }

static const ProtobufCFieldDescriptor odd_fields[] = {
    ODD_FIELD(1, "int32", NONE, INT32, 0, int32),
    ODD_FIELD(2, "sint64", NONE, SINT64, 0, sint64),
    ODD_FIELD(3, "fixed32", NONE, FIXED32, 0, fixed32),
    ODD_FIELD(4, "float", NONE, FLOAT, 0, float_),
    ODD_FIELD(5, "double", NONE, DOUBLE, 0, double_),
    ODD_FIELD(6, "bytes", NONE, BYTES, 0, bytes),
    ODD_FIELD(7, "bools", REPEATED, BOOL,
              offsetof(struct odd_message, n_bools), bools),
};
static const unsigned int odd_fields_by_name[] = { 6, 5, 4, 2, 3, 0, 1 };
static const ProtobufCIntRange odd_ranges[] = { { 1, 0 }, { 0, 7 } };

static void odd_message_init(ProtobufCMessage *);

static const ProtobufCMessageDescriptor odd_descriptor = {
    .magic = PROTOBUF_C__MESSAGE_DESCRIPTOR_MAGIC,
    .name = "Odd",
    .sizeof_message = sizeof(struct odd_message),
    .n_fields = ARRAY_SIZE(odd_fields),
    .fields = odd_fields,
    .fields_sorted_by_name = odd_fields_by_name,
    .n_field_ranges = 1,
    .field_ranges = odd_ranges,
    .message_init = odd_message_init,
};

static void
odd_message_init(ProtobufCMessage *message)
{
    memset(message, 0, sizeof(struct odd_message));
    message->descriptor = &odd_descriptor;
}

/* What is in the payload of a kind of message. */
static const struct payload_type {
    const char *kind;           /* As in enum Kind. */
    const ProtobufCMessageDescriptor *md;
} payload_types[] = {
    { "HELLO", &alcor__mq__hello__descriptor },
    { "HELLO_REPLY", &alcor__mq__hello__descriptor },
    { "GOAL_STATE", &alcor__schema__goal_state__descriptor },
    { "GOAL_STATE_V2", &alcor__schema__goal_state_v2__descriptor },
    { "GOAL_STATE_REPLY",
      &alcor__schema__goal_state_operation_reply__descriptor },
    { "HOST_REQUEST", &alcor__schema__host_request__descriptor },
    { "HOST_REPLY", &alcor__schema__host_request_reply__descriptor },
    { "SUBSCRIBE_INFO", &alcor__schema__node_subscribe_info__descriptor },
    { "SUBSCRIBE_REPLY",
      &alcor__schema__subscribe_operation_reply__descriptor },
    { "SNAPSHOT_BEGIN", &alcor__mq__snapshot_begin__descriptor },
    { "SNAPSHOT_END", &alcor__mq__snapshot_end__descriptor },
    { "TXN_PREPARE", &alcor__schema__goal_state_v2__descriptor },
    { "TXN_VOTE", &alcor__schema__goal_state_operation_reply__descriptor },
    { "TXN_DONE", &alcor__schema__goal_state_operation_reply__descriptor },
    { "PORT_EVENT", &alcor__mq__port_event__descriptor },
};

/* Returns the type called 'name': "ENVELOPE", "ODD", or that of a kind's
 * payload. */
static const ProtobufCMessageDescriptor *
find_type(const char *name)
{
    if (!strcmp(name, "ENVELOPE")) {
        return &alcor__mq__envelope__descriptor;
    } else if (!strcmp(name, "ODD")) {
        return &odd_descriptor;
    }
    for (size_t i = 0; i < ARRAY_SIZE(payload_types); i++) {
        if (!strcmp(payload_types[i].kind, name)) {
            return payload_types[i].md;
        }
    }
    ovs_fatal(0, "%s: no message has this kind of payload", name);
}

/* Input and output. */

/* Returns the bytes that 's' holds in hexadecimal; blanks are ignored.  If 's'
 * is "-", returns what is on standard input, as it is. */
static struct ofpbuf *
parse_hex(const char *s)
{
    struct ofpbuf *buf = ofpbuf_new(strlen(s) / 2 + 1);
    const char *end;

    if (!strcmp(s, "-")) {
        size_t n;

        do {
            n = fread(ofpbuf_put_uninit(buf, 65536), 1, 65536, stdin);
            buf->size -= 65536 - n;
        } while (n);
        return buf;
    }

    end = ofpbuf_put_hex(buf, s, NULL);
    if (*end) {
        ovs_fatal(0, "%s: not hexadecimal", end);
    }
    return buf;
}

static void
print_hex(const struct ofpbuf *buf)
{
    const uint8_t *data = buf->data;

    for (size_t i = 0; i < buf->size; i++) {
        printf("%02x", data[i]);
    }
    putchar('\n');
}

/* Prints 'json' and destroys it. */
static void
print_json(struct json *json)
{
    char *s = json_to_string(json, JSSF_SORT);

    puts(s);
    free(s);
    json_destroy(json);
}

static ProtobufCMessage *
unpack(const ProtobufCMessageDescriptor *md, const struct ofpbuf *buf)
{
    return protobuf_c_message_unpack(md, NULL, buf->size, buf->data);
}

static struct ofpbuf *
pack(const ProtobufCMessage *message)
{
    struct ofpbuf *buf;

    buf = ofpbuf_new(protobuf_c_message_get_packed_size(message) + 1);
    buf->size = protobuf_c_message_pack(message, buf->data);
    return buf;
}

/* Returns the wire form of 'json', a message of type 'md'. */
static char *
pack_json(const struct json *json, const ProtobufCMessageDescriptor *md,
          struct ofpbuf **bufp)
{
    ProtobufCMessage *message;
    char *error = proto_from_json(json, md, &message);

    *bufp = NULL;
    if (!error) {
        *bufp = pack(message);
        protobuf_c_message_free_unpacked(message, NULL);
    }
    return error;
}

/* Returns what is in 'file_name', which must be JSON. */
static struct json *
read_json(const char *file_name)
{
    struct json *json = json_from_file(file_name);

    if (json->type == JSON_STRING) {
        ovs_fatal(0, "%s: %s", file_name, json_string(json));
    }
    return json;
}

/* Subcommands. */

/* HEX... */
static void
wire_decode_envelope(int argc, char *argv[])
{
    for (int i = 1; i < argc; i++) {
        struct ofpbuf *buf = parse_hex(argv[i]);
        struct envelope e;
        char *error = envelope_decode(buf->data, buf->size, &e);

        if (error) {
            puts(error);
            free(error);
        } else {
            printf("version=%"PRIu32" kind=%s message_id=%s "
                   "correlation_id=%s sender=%s epoch=%"PRIu64" "
                   "sequence=%"PRIu64" sent_at=%"PRIu64" "
                   "transaction_id=%s\n",
                   e.version, envelope_kind_to_string(e.kind), e.message_id,
                   e.correlation_id, e.sender, e.epoch, e.sequence,
                   e.sent_at, e.transaction_id);
            envelope_destroy(&e);
        }
        ofpbuf_delete(buf);
    }
}

/* TYPE HEX... */
static void
wire_to_json(int argc, char *argv[])
{
    ovs_assert(argc >= 3);
    for (int i = 2; i < argc; i++) {
        struct ofpbuf *buf = parse_hex(argv[i]);
        ProtobufCMessage *message = unpack(find_type(argv[1]), buf);

        if (message) {
            print_json(proto_to_json(message));
            protobuf_c_message_free_unpacked(message, NULL);
        } else {
            puts("not a message of this type");
        }
        ofpbuf_delete(buf);
    }
}

/* TYPE FILE, where each line of FILE is a JSON text of its own. */
static void
wire_from_json(int argc, char *argv[])
{
    struct ds line = DS_EMPTY_INITIALIZER;
    FILE *file;

    ovs_assert(argc == 3);
    file = fopen(argv[2], "r");
    ovs_assert(file);
    while (!ds_get_line(&line, file)) {
        struct json *json = json_from_string(ds_cstr(&line));
        struct ofpbuf *buf;
        char *error = pack_json(json, find_type(argv[1]), &buf);

        if (error) {
            puts(error);
        } else {
            print_hex(buf);
        }
        ofpbuf_delete(buf);
        free(error);
        json_destroy(json);
    }
    fclose(file);
    ds_destroy(&line);
}

static const char *
operation_to_string(uint32_t operation)
{
    const ProtobufCEnumValue *value = protobuf_c_enum_descriptor_get_value(
        &alcor__schema__operation_type__descriptor, operation);

    return value ? value->name : "?";
}

/* A goal_entry_cb. */
static void
print_entry(const struct goal_entry *entry, void *aux OVS_UNUSED)
{
    printf("%s %s %s %s ", goal_kinds[entry->kind].name, entry->id,
           operation_to_string(entry->operation),
           entry->full ? "full" : "delta");
    if (entry->error) {
        printf("%s %s\n", goal_status_to_string(entry->status),
               entry->error);
    } else {
        ovs_assert(entry->resource && !strcmp(entry->resource->id,
                                              entry->id));
        print_json(goal_resource_to_json(entry->resource));
    }
    goal_resource_destroy(entry->resource);
}

static void
decode_and_print(int version, const char *host_ip, const struct ofpbuf *buf)
{
    char *error = goal_decode(version, buf->data, buf->size, host_ip,
                              print_entry, NULL);
    if (error) {
        printf("not a goal state: %s\n", error);
        free(error);
    }

    error = goal_decode_check(version, buf->data, buf->size);
    if (error) {
        printf("check: %s\n", error);
        free(error);
    }
}

/* VERSION HOST-IP HEX... */
static void
wire_decode(int argc, char *argv[])
{
    ovs_assert(argc >= 4);
    for (int i = 3; i < argc; i++) {
        struct ofpbuf *buf = parse_hex(argv[i]);

        decode_and_print(atoi(argv[1]), argv[2], buf);
        ofpbuf_delete(buf);
    }
}

/* VERSION HOST-IP FILE, where FILE holds the message as JSON. */
static void
wire_decode_json(int argc, char *argv[])
{
    ovs_assert(argc == 4);

    struct json *json = read_json(argv[3]);
    int version = atoi(argv[1]);
    struct ofpbuf *buf;
    char *error = pack_json(json, find_type(version == 1 ? "GOAL_STATE"
                                            : "GOAL_STATE_V2"), &buf);
    if (error) {
        ovs_fatal(0, "%s: %s", argv[3], error);
    }

    decode_and_print(version, argv[2], buf);
    ofpbuf_delete(buf);
    json_destroy(json);
}

/* A goal_entry_cb.  '*aux' counts VPCs that are right. */
static void
print_error(const struct goal_entry *entry, void *aux)
{
    int *n_companions = aux;

    if (entry->error) {
        printf("%s %s: %s\n", goal_status_to_string(entry->status),
               entry->id, entry->error);
    } else if (entry->kind == GOAL_VPC
               && !strcmp(entry->id, "companion")) {
        ++*n_companions;
    } else {
        printf("SUCCESS %s\n", entry->id);
    }
    goal_resource_destroy(entry->resource);
}

/* Returns a message with a VPC that is right, and with 'state', in JSON, as
 * "x" in the map 'field'. */
static struct json *
make_message(const char *field, const char *state)
{
    struct json *json = json_from_string(
        "{\"vpcStates\": {\"companion\": {\"configuration\": {}}}}");
    struct json *map = shash_find_data(json_object(json), field);

    if (!map) {
        map = json_object_create();
        json_object_put(json, field, map);
    }
    json_object_put(map, "x", json_from_string(state));
    return json;
}

/* FILE, where each line of FILE is "FIELD STATE": puts STATE, in JSON, into
 * the map FIELD of a message, beside a VPC, and prints what comes out. */
static void
wire_decode_states(int argc, char *argv[])
{
    struct ds line = DS_EMPTY_INITIALIZER;
    FILE *file;

    ovs_assert(argc == 2);
    file = fopen(argv[1], "r");
    ovs_assert(file);
    while (!ds_get_line(&line, file)) {
        char *save_ptr = NULL;
        char *field = strtok_r(ds_cstr(&line), " ", &save_ptr);
        struct json *json = make_message(field, save_ptr);
        struct ofpbuf *buf;
        int n_companions = 0;
        char *error;

        error = pack_json(json, &alcor__schema__goal_state_v2__descriptor,
                          &buf);
        if (error) {
            ovs_fatal(0, "%s: %s", save_ptr, error);
        }
        error = goal_decode(2, buf->data, buf->size, "192.0.2.1",
                            print_error, &n_companions);
        ovs_assert(!error && n_companions == 1);
        ofpbuf_delete(buf);
        json_destroy(json);
    }
    fclose(file);
    ds_destroy(&line);
}

/* Vectors. */

/* The frames of one vector. */
struct vector {
    const char *name;
    struct ofpbuf *envelope;
    struct ofpbuf *payload;
    struct json *json;          /* All of it. */
};

static struct json *
get(const struct json *json, const char *name)
{
    struct json *member = shash_find_data(json_object(json), name);

    if (!member) {
        ovs_fatal(0, "no \"%s\" in vector", name);
    }
    return member;
}

static void
check_json(const struct vector *v, const char *part,
           const ProtobufCMessageDescriptor *md, const struct ofpbuf *frame)
{
    ProtobufCMessage *message = unpack(md, frame);

    if (!message) {
        ovs_fatal(0, "%s: %s does not parse", v->name, part);
    }

    struct json *json = proto_to_json(message);
    struct ofpbuf *buf;
    char *error;

    if (!json_equal(json, get(v->json, part))) {
        print_json(json);
        ovs_fatal(0, "%s: %s differs in JSON", v->name, part);
    }

    error = pack_json(json, md, &buf);
    if (error || !ofpbuf_equal(buf, frame)) {
        ovs_fatal(0, "%s: %s differs after JSON: %s", v->name, part,
                  error ? error : "bytes");
    }
    ofpbuf_delete(buf);
    json_destroy(json);
    protobuf_c_message_free_unpacked(message, NULL);
}

static void
check_bytes(const struct vector *v, const char *part,
            const struct ofpbuf *ours, const struct ofpbuf *theirs)
{
    if (!ofpbuf_equal(ours, theirs)) {
        print_hex(ours);
        print_hex(theirs);
        ovs_fatal(0, "%s: %s differs when encoded", v->name, part);
    }
}

static void
encode_hello(const Alcor__Mq__Hello *m, struct ofpbuf *buf)
{
    struct topic_position *positions = xcalloc(m->n_positions,
                                               sizeof *positions);
    struct hello hello = {
        .node_id = m->node_id,
        .host_ip = m->host_ip,
        .agent_version = m->agent_version,
        .topics = (const char *const *) m->topics,
        .n_topics = m->n_topics,
        .positions = positions,
        .n_positions = m->n_positions,
        .epoch = m->epoch,
        .sender = m->sender,
    };

    /* In any order. */
    for (size_t i = 0; i < m->n_positions; i++) {
        struct topic_position *p = &positions[m->n_positions - 1 - i];

        p->topic = m->positions[i]->key;
        p->sequence = m->positions[i]->value;
    }
    hello_encode(&hello, buf);
    free(positions);
}

static void
encode_host_request(const Alcor__Schema__HostRequest *m, struct ofpbuf *buf)
{
    struct host_request *requests = xcalloc(m->n_state_requests,
                                            sizeof *requests);

    for (size_t i = 0; i < m->n_state_requests; i++) {
        const Alcor__Schema__HostRequest__ResourceStateRequest *in
            = m->state_requests[i];

        requests[i] = (struct host_request) {
            .type = (int) in->request_type,
            .request_id = in->request_id,
            .tunnel_id = in->tunnel_id,
            .source_ip = in->source_ip,
            .source_port = in->source_port,
            .destination_ip = in->destination_ip,
            .destination_port = in->destination_port,
            .ethertype = in->ethertype,
            .protocol = in->protocol,
        };
    }
    host_request_encode(requests, m->n_state_requests, buf);
    free(requests);
}

static void
encode_reply(const Alcor__Schema__GoalStateOperationReply *m,
             struct ofpbuf *buf)
{
    struct resource_status *statuses = xcalloc(m->n_operation_statuses,
                                               sizeof *statuses);

    for (size_t i = 0; i < m->n_operation_statuses; i++) {
        const Alcor__Schema__GoalStateOperationReply__GoalStateOperationStatus
            *in = m->operation_statuses[i];

        statuses[i] = (struct resource_status) {
            .id = in->resource_id,
            .kind = in->resource_type,
            .operation = in->operation_type,
            .status = (int) in->operation_status,
            .programming_usec = in->dataplane_programming_time,
            .configuration_usec = in->network_configuration_time,
            .elapsed_usec = in->state_elapse_time,
        };
    }
    reply_encode(statuses, m->n_operation_statuses,
                 m->message_total_operation_time, buf);
    free(statuses);
}

/* Encodes what agents send with the encoders that they use. */
static void
check_encoders(const struct vector *v, const struct envelope *envelope,
               const ProtobufCMessageDescriptor *md)
{
    struct ofpbuf buf;
    void *message = unpack(md, v->payload);

    ofpbuf_init(&buf, 0);
    envelope_encode(envelope, &buf);
    check_bytes(v, "envelope", &buf, v->envelope);

    ofpbuf_clear(&buf);
    switch (envelope->kind) {
    case MSG_HELLO:
        encode_hello(message, &buf);
        break;
    case MSG_HOST_REQUEST:
        encode_host_request(message, &buf);
        break;
    case MSG_GOAL_STATE_REPLY:
        encode_reply(message, &buf);
        break;
    default:
        ofpbuf_put(&buf, v->payload->data, v->payload->size);
        break;
    }
    check_bytes(v, "payload", &buf, v->payload);
    ofpbuf_uninit(&buf);
    protobuf_c_message_free_unpacked(message, NULL);
}

/* A goal_entry_cb.  '*aux' counts the entries. */
static void
count_entry(const struct goal_entry *entry, void *aux)
{
    int *n_entries = aux;

    if (entry->error) {
        ovs_fatal(0, "%s: %s", entry->id, entry->error);
    }
    goal_resource_destroy(entry->resource);
    ++*n_entries;
}

static void
check_vector(const struct vector *v)
{
    const ProtobufCMessageDescriptor *md;
    struct envelope e;
    char *error = envelope_decode(v->envelope->data, v->envelope->size, &e);

    if (error) {
        ovs_fatal(0, "%s: %s", v->name, error);
    }
    md = find_type(envelope_kind_to_string(e.kind));
    check_json(v, "envelope", &alcor__mq__envelope__descriptor, v->envelope);
    check_json(v, "payload", md, v->payload);
    check_encoders(v, &e, md);

    printf("%s: ok", v->name);
    if (e.kind == MSG_GOAL_STATE || e.kind == MSG_GOAL_STATE_V2) {
        int n_entries = 0;

        error = goal_decode(e.kind == MSG_GOAL_STATE ? 1 : 2,
                            v->payload->data, v->payload->size,
                            VECTORS_HOST_IP, count_entry, &n_entries);
        if (error) {
            ovs_fatal(0, "%s: %s", v->name, error);
        }
        printf(", %d entries", n_entries);
    }
    putchar('\n');
    envelope_destroy(&e);
}

/* FILE */
static void
wire_vectors(int argc, char *argv[])
{
    ovs_assert(argc == 2);

    struct json *json = read_json(argv[1]);
    const struct json_array *vectors = json_array(get(json, "vectors"));

    for (size_t i = 0; i < vectors->n; i++) {
        struct json *vector = vectors->elems[i];
        const struct json_array *frames = json_array(get(vector, "frames"));
        struct vector v = { .json = vector };

        ovs_assert(frames->n == 2 || frames->n == 3);
        v.name = json_string(get(vector, "name"));
        v.envelope = parse_hex(json_string(frames->elems[frames->n - 2]));
        v.payload = parse_hex(json_string(frames->elems[frames->n - 1]));
        check_vector(&v);
        ofpbuf_delete(v.envelope);
        ofpbuf_delete(v.payload);
    }
    json_destroy(json);
}

ALCORTEST_REGISTER("wire-decode-envelope", wire_decode_envelope);
ALCORTEST_REGISTER("wire-to-json", wire_to_json);
ALCORTEST_REGISTER("wire-from-json", wire_from_json);
ALCORTEST_REGISTER("wire-decode", wire_decode);
ALCORTEST_REGISTER("wire-decode-json", wire_decode_json);
ALCORTEST_REGISTER("wire-decode-states", wire_decode_states);
ALCORTEST_REGISTER("wire-vectors", wire_vectors);
