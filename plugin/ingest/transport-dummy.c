/* SPDX-License-Identifier: Apache-2.0
 *
 * transport-dummy: a transport that is driven by unixctl commands, for tests.
 *
 * An endpoint is "dummy:NAME".  The commands act on every dummy transport of
 * the process; there is rarely more than one. */

#include <config.h>

#include "ingest/transport-provider.h"

#include <errno.h>
#include <string.h>

#include "openvswitch/dynamic-string.h"
#include "openvswitch/list.h"
#include "openvswitch/ofpbuf.h"
#include "openvswitch/poll-loop.h"
#include "sset.h"
#include "timeval.h"
#include "unixctl.h"
#include "util.h"

/* Most messages that may wait, each way. */
#define DUMMY_MAX_QUEUE 10000

struct transport_dummy {
    struct transport up;
    struct ovs_list node;       /* In 'all_dummies'. */
    char *name;                 /* Endpoint of the first server. */
    bool has_control;           /* Is there a control endpoint? */
    struct sset topics;         /* Wanted topics. */
    bool connected;
    bool changed;               /* Since the last run()? */
    unsigned int seqno;

    struct ovs_list received;   /* Contains "struct dummy_message"s. */
    size_t n_received;
    struct ovs_list sent;       /* Contains "struct dummy_message"s. */
    size_t n_sent;
};

struct dummy_message {
    struct transport_message up;
    struct ovs_list node;       /* In 'received' or 'sent'. */
    struct ofpbuf envelope;
    struct ofpbuf payload;
};

/* Contains "struct transport_dummy"s. */
static struct ovs_list all_dummies = OVS_LIST_INITIALIZER(&all_dummies);

static struct transport_dummy *
transport_dummy_cast(const struct transport *transport)
{
    ovs_assert(transport->class == &transport_dummy_class);
    return CONTAINER_OF(transport, struct transport_dummy, up);
}

static void
dummy_message_destroy(struct dummy_message *message)
{
    free(message->up.topic);
    ofpbuf_uninit(&message->envelope);
    ofpbuf_uninit(&message->payload);
    free(message);
}

/* Returns a new message with copies of its arguments.  'topic' may be null. */
static struct dummy_message *
dummy_message_create(const char *topic, const void *envelope,
                     size_t envelope_len, const void *payload,
                     size_t payload_len)
{
    struct dummy_message *message = xzalloc(sizeof *message);

    ofpbuf_init(&message->envelope, envelope_len);
    ofpbuf_put(&message->envelope, envelope, envelope_len);
    ofpbuf_init(&message->payload, payload_len);
    ofpbuf_put(&message->payload, payload, payload_len);
    message->up.topic = nullable_xstrdup(topic);
    message->up.envelope = message->envelope.data;
    message->up.envelope_len = envelope_len;
    message->up.payload = message->payload.data;
    message->up.payload_len = payload_len;
    message->up.received_usec = time_usec();
    message->up.aux = message;
    return message;
}

static char *
transport_dummy_check_endpoint(const char *endpoint)
{
    return endpoint[strlen("dummy:")] ? NULL : xstrdup("expected dummy:NAME");
}

static char *
transport_dummy_open(const struct transport_config *config,
                     struct transport **transportp)
{
    struct transport_dummy *dummy = xzalloc(sizeof *dummy);

    dummy->up.class = &transport_dummy_class;
    dummy->name = xstrdup(config->servers[0].remote);
    dummy->has_control = config->servers[0].control != NULL;
    sset_init(&dummy->topics);
    ovs_list_init(&dummy->received);
    ovs_list_init(&dummy->sent);
    ovs_list_push_back(&all_dummies, &dummy->node);

    *transportp = &dummy->up;
    return NULL;
}

static void
transport_dummy_close(struct transport *transport)
{
    struct transport_dummy *dummy = transport_dummy_cast(transport);
    struct dummy_message *message;

    LIST_FOR_EACH_POP (message, node, &dummy->received) {
        dummy_message_destroy(message);
    }
    LIST_FOR_EACH_POP (message, node, &dummy->sent) {
        dummy_message_destroy(message);
    }
    ovs_list_remove(&dummy->node);
    sset_destroy(&dummy->topics);
    free(dummy->name);
    free(dummy);
}

static void
transport_dummy_set_topics(struct transport *transport,
                           const struct sset *topics)
{
    struct transport_dummy *dummy = transport_dummy_cast(transport);

    sset_destroy(&dummy->topics);
    sset_clone(&dummy->topics, topics);
}

static void
transport_dummy_run(struct transport *transport)
{
    transport_dummy_cast(transport)->changed = false;
}

static void
transport_dummy_wait(struct transport *transport)
{
    struct transport_dummy *dummy = transport_dummy_cast(transport);

    if (dummy->changed || dummy->n_received) {
        poll_immediate_wake();
    }
}

static struct transport_message *
transport_dummy_recv(struct transport *transport)
{
    struct transport_dummy *dummy = transport_dummy_cast(transport);
    struct dummy_message *message;

    LIST_FOR_EACH_POP (message, node, &dummy->received) {
        dummy->n_received--;
        if (message->up.topic
            && !sset_contains(&dummy->topics, message->up.topic)) {
            transport_count_drop(TRANSPORT_DROP_FOREIGN_TOPIC);
            dummy_message_destroy(message);
            continue;
        }
        return &message->up;
    }
    return NULL;
}

static void
transport_dummy_message_destroy(struct transport_message *message)
{
    dummy_message_destroy(message->aux);
}

static int
transport_dummy_send(struct transport *transport, const void *envelope,
                     size_t envelope_len, const void *payload,
                     size_t payload_len)
{
    struct transport_dummy *dummy = transport_dummy_cast(transport);

    if (!dummy->has_control) {
        return ENOTCONN;
    } else if (dummy->n_sent >= DUMMY_MAX_QUEUE) {
        return ENOBUFS;
    }

    struct dummy_message *message
        = dummy_message_create(NULL, envelope, envelope_len, payload,
                               payload_len);
    ovs_list_push_back(&dummy->sent, &message->node);
    dummy->n_sent++;
    return 0;
}

static unsigned int
transport_dummy_connection_seqno(const struct transport *transport)
{
    return transport_dummy_cast(transport)->seqno;
}

static bool
transport_dummy_is_connected(const struct transport *transport)
{
    return transport_dummy_cast(transport)->connected;
}

static void
transport_dummy_describe(const struct transport *transport, struct ds *ds)
{
    const struct transport_dummy *dummy = transport_dummy_cast(transport);

    ds_put_format(ds, "%s %s", dummy->name,
                  dummy->connected ? "connected" : "connecting");
}

/* unixctl commands. */

/* Decodes 's', pairs of hexadecimal digits, into 'buf', which the caller must
 * have initialized.  Returns false if it is something else. */
static bool
put_hex(struct ofpbuf *buf, const char *s)
{
    for (; *s; s += 2) {
        bool ok;
        uint8_t byte = hexits_value(s, strnlen(s, 2), &ok);
        if (!ok || !s[1]) {
            return false;
        }
        ofpbuf_put(buf, &byte, 1);
    }
    return true;
}

/* Queues a message for every dummy transport to receive.  Returns NULL, or
 * what is wrong. */
static const char *
receive__(const char *topic, const struct ofpbuf *envelope,
          const struct ofpbuf *payload)
{
    struct transport_dummy *dummy;

    if (ovs_list_is_empty(&all_dummies)) {
        return "no dummy transport is open";
    }
    LIST_FOR_EACH (dummy, node, &all_dummies) {
        if (dummy->n_received >= DUMMY_MAX_QUEUE) {
            transport_count_drop(TRANSPORT_DROP_QUEUE_FULL);
            return "queue is full";
        }

        struct dummy_message *message
            = dummy_message_create(topic, envelope->data, envelope->size,
                                   payload->data, payload->size);
        ovs_list_push_back(&dummy->received, &message->node);
        dummy->n_received++;
    }
    return NULL;
}

static void
transport_dummy_unixctl_receive(struct unixctl_conn *conn, int argc,
                                const char *argv[], void *aux OVS_UNUSED)
{
    const char *topic = strcmp(argv[1], "-") ? argv[1] : NULL;
    struct ofpbuf envelope, payload;
    const char *error;

    ofpbuf_init(&envelope, 0);
    ofpbuf_init(&payload, 0);
    if (!put_hex(&envelope, argv[2])
        || (argc > 3 && !put_hex(&payload, argv[3]))) {
        error = "expected pairs of hexadecimal digits";
    } else {
        error = receive__(topic, &envelope, &payload);
    }
    ofpbuf_uninit(&envelope);
    ofpbuf_uninit(&payload);

    if (error) {
        unixctl_command_reply_error(conn, error);
    } else {
        unixctl_command_reply(conn, NULL);
    }
}

static void
format_hex(const struct ofpbuf *buf, struct ds *ds)
{
    const uint8_t *p = buf->data;

    for (size_t i = 0; i < buf->size; i++) {
        ds_put_format(ds, "%02x", p[i]);
    }
}

static void
transport_dummy_unixctl_sent(struct unixctl_conn *conn, int argc OVS_UNUSED,
                             const char *argv[] OVS_UNUSED,
                             void *aux OVS_UNUSED)
{
    struct ds ds = DS_EMPTY_INITIALIZER;
    struct transport_dummy *dummy;

    LIST_FOR_EACH (dummy, node, &all_dummies) {
        struct dummy_message *message;

        LIST_FOR_EACH_POP (message, node, &dummy->sent) {
            format_hex(&message->envelope, &ds);
            ds_put_char(&ds, ' ');
            format_hex(&message->payload, &ds);
            ds_put_char(&ds, '\n');
            dummy_message_destroy(message);
        }
        dummy->n_sent = 0;
    }
    unixctl_command_reply(conn, ds_cstr(&ds));
    ds_destroy(&ds);
}

/* transport/dummy-connect and transport/dummy-disconnect; 'aux' is nonnull for
 * the former. */
static void
transport_dummy_unixctl_connect(struct unixctl_conn *conn,
                                int argc OVS_UNUSED,
                                const char *argv[] OVS_UNUSED, void *aux)
{
    struct transport_dummy *dummy;

    LIST_FOR_EACH (dummy, node, &all_dummies) {
        dummy->connected = aux != NULL;
        dummy->seqno += aux != NULL;
        dummy->changed = true;
    }
    unixctl_command_reply(conn, NULL);
}

static void
transport_dummy_init(void)
{
    unixctl_command_register("transport/dummy-receive",
                             "TOPIC|- HEX-ENVELOPE [HEX-PAYLOAD]", 2, 3,
                             transport_dummy_unixctl_receive, NULL);
    unixctl_command_register("transport/dummy-sent", "", 0, 0,
                             transport_dummy_unixctl_sent, NULL);
    unixctl_command_register("transport/dummy-connect", "", 0, 0,
                             transport_dummy_unixctl_connect, &all_dummies);
    unixctl_command_register("transport/dummy-disconnect", "", 0, 0,
                             transport_dummy_unixctl_connect, NULL);
}

static const char *const dummy_schemes[] = { "dummy:", NULL };

const struct transport_class transport_dummy_class = {
    .name = "dummy",
    .schemes = dummy_schemes,
    .init = transport_dummy_init,
    .check_endpoint = transport_dummy_check_endpoint,
    .open = transport_dummy_open,
    .close = transport_dummy_close,
    .set_topics = transport_dummy_set_topics,
    .run = transport_dummy_run,
    .wait = transport_dummy_wait,
    .recv = transport_dummy_recv,
    .message_destroy = transport_dummy_message_destroy,
    .send = transport_dummy_send,
    .connection_seqno = transport_dummy_connection_seqno,
    .is_connected = transport_dummy_is_connected,
    .describe = transport_dummy_describe,
};
