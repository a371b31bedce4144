/* SPDX-License-Identifier: Apache-2.0
 *
 * transport: picks a provider and passes calls on to it. */

#include <config.h>

#include "ingest/transport-provider.h"

#include <string.h>

#include "coverage.h"
#include "openvswitch/dynamic-string.h"
#include "ovs-thread.h"
#include "sset.h"
#include "svec.h"
#include "unicode.h"
#include "util.h"

COVERAGE_DEFINE(transport_bad_frames);
COVERAGE_DEFINE(transport_foreign_topic);
COVERAGE_DEFINE(transport_oversized);
COVERAGE_DEFINE(transport_queue_full);
COVERAGE_DEFINE(transport_send_dropped);
COVERAGE_DEFINE(transport_unanswered);

static const struct transport_class *const transport_classes[] = {
    &transport_zmq_class,
    &transport_dummy_class,
};

/* What people are told when no class serves an endpoint. */
#define ENDPOINT_SYNTAX "tcp://HOST:PORT or ipc://PATH"

/* Checks the validity of the transport classes. */
static void
check_transport_classes(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(transport_classes); i++) {
        const struct transport_class *class = transport_classes[i];

        ovs_assert(class->name && class->schemes && class->check_endpoint);
        ovs_assert(class->open && class->close && class->set_topics);
        ovs_assert(class->run && class->wait);
        ovs_assert(class->recv && class->message_destroy && class->send);
        ovs_assert(class->connection_seqno && class->is_connected);
        ovs_assert(class->describe);
    }
}

/* Returns the class that serves 'endpoint', or NULL. */
static const struct transport_class *
transport_class_lookup(const char *endpoint)
{
    static struct ovsthread_once once = OVSTHREAD_ONCE_INITIALIZER;

    if (ovsthread_once_start(&once)) {
        check_transport_classes();
        ovsthread_once_done(&once);
    }

    for (size_t i = 0; i < ARRAY_SIZE(transport_classes); i++) {
        const struct transport_class *class = transport_classes[i];

        for (const char *const *s = class->schemes; *s; s++) {
            if (!strncmp(endpoint, *s, strlen(*s))) {
                return class;
            }
        }
    }
    return NULL;
}

/* Checks 'endpoint', a member of the list of key 'key'.  All endpoints must be
 * of one class, '*classp', which is set by the first.  Returns NULL or a
 * malloc()'d message. */
static char *
check_endpoint(const char *key, const char *endpoint,
               const struct transport_class **classp)
{
    const struct transport_class *class = transport_class_lookup(endpoint);
    if (!class) {
        return xasprintf("%s: \"%s\": expected "ENDPOINT_SYNTAX,
                         key, endpoint);
    }

    char *error = class->check_endpoint(endpoint);
    if (error) {
        char *msg = xasprintf("%s: \"%s\": %s", key, endpoint, error);
        free(error);
        return msg;
    }

    if (*classp && *classp != class) {
        return xasprintf("%s: \"%s\": is %s but the first endpoint is %s",
                         key, endpoint, class->name, (*classp)->name);
    }
    *classp = class;
    return NULL;
}

/* Splits 's', a comma-separated list that may have white space around its
 * members, into '*list', which the caller must destroy in any case.  An empty
 * member is kept, so that the caller can complain about it. */
static void
split_endpoints(const char *s, struct svec *list)
{
    svec_init(list);
    for (;;) {
        size_t len = strcspn(s, ",");
        const char *start = s;
        size_t n = len;

        while (n && strchr(" \t\r\n", *start)) {
            start++;
            n--;
        }
        while (n && strchr(" \t\r\n", start[n - 1])) {
            n--;
        }
        svec_add_nocopy(list, xmemdup0(start, n));

        if (!s[len]) {
            return;
        }
        s += len + 1;
    }
}

/* Returns NULL if 'node_id' can serve as a routing id, else a malloc()'d
 * message. */
static char *
check_node_id(const char *node_id)
{
    size_t len = strlen(node_id);
    if (!len || len > 255) {
        return xasprintf("alcor-node-id: \"%.32s%s\": expected 1 to 255 "
                         "bytes, found %"PRIuSIZE,
                         node_id, len > 32 ? "..." : "", len);
    }

    char *error = utf8_validate(node_id, NULL);
    if (error) {
        char *msg = xasprintf("alcor-node-id: expected UTF-8: %s", error);
        free(error);
        return msg;
    }
    return NULL;
}

/* Stores the pairs of 'remotes' and 'controls' (which may be empty) in
 * 'config'.  Returns NULL or a malloc()'d message. */
static char *
parse_servers(const struct svec *remotes, const struct svec *controls,
              struct transport_config *config)
{
    const struct transport_class *class = NULL;

    for (size_t i = 0; i < remotes->n; i++) {
        char *error = check_endpoint("alcor-remote", remotes->names[i],
                                     &class);
        if (!error && controls->n) {
            error = check_endpoint("alcor-control", controls->names[i],
                                   &class);
        }
        if (error) {
            return error;
        }
    }

    config->n_servers = remotes->n;
    config->servers = xcalloc(remotes->n, sizeof *config->servers);
    for (size_t i = 0; i < remotes->n; i++) {
        config->servers[i].remote = xstrdup(remotes->names[i]);
        config->servers[i].control = (controls->n
                                      ? xstrdup(controls->names[i])
                                      : NULL);
    }
    return NULL;
}

/* Parses 'remotes' and 'controls', comma-separated lists of endpoints (the
 * latter may be null or empty; else both must have the same length), into
 * '*config'.  Returns NULL, and the caller must eventually destroy '*config',
 * or a malloc()'d message, and '*config' is empty. */
char *
transport_config_parse(const char *remotes, const char *controls,
                       const char *node_id, struct transport_config *config)
{
    *config = (struct transport_config) { .servers = NULL };

    char *error = check_node_id(node_id);
    if (error) {
        return error;
    }

    struct svec remote_list, control_list;
    split_endpoints(remotes, &remote_list);
    if (controls && controls[strspn(controls, " \t\r\n")]) {
        split_endpoints(controls, &control_list);
    } else {
        svec_init(&control_list);
    }

    if (control_list.n && control_list.n != remote_list.n) {
        error = xasprintf("alcor-control has %"PRIuSIZE" endpoint%s but "
                          "alcor-remote has %"PRIuSIZE": "
                          "they are paired one to one",
                          control_list.n, control_list.n == 1 ? "" : "s",
                          remote_list.n);
    } else {
        error = parse_servers(&remote_list, &control_list, config);
    }
    if (!error) {
        config->node_id = xstrdup(node_id);
    }

    svec_destroy(&remote_list);
    svec_destroy(&control_list);
    return error;
}

/* Makes 'dst', whose former contents are ignored, a copy of 'src'. */
void
transport_config_clone(struct transport_config *dst,
                       const struct transport_config *src)
{
    dst->n_servers = src->n_servers;
    dst->servers = xcalloc(src->n_servers, sizeof *dst->servers);
    for (size_t i = 0; i < src->n_servers; i++) {
        dst->servers[i].remote = xstrdup(src->servers[i].remote);
        dst->servers[i].control = nullable_xstrdup(src->servers[i].control);
    }
    dst->node_id = xstrdup(src->node_id);
    dst->curve = src->curve;
}

/* Frees what 'config' points to, but not 'config' itself. */
void
transport_config_destroy(struct transport_config *config)
{
    if (config) {
        for (size_t i = 0; i < config->n_servers; i++) {
            free(config->servers[i].remote);
            free(config->servers[i].control);
        }
        free(config->servers);
        free(config->node_id);
        explicit_bzero(&config->curve, sizeof config->curve);
        *config = (struct transport_config) { .servers = NULL };
    }
}

/* Opens a transport for 'config', which the caller keeps.  Returns NULL and
 * stores the transport in '*transportp', or returns a malloc()'d message and
 * stores NULL. */
char *
transport_open(const struct transport_config *config,
               struct transport **transportp)
{
    *transportp = NULL;
    if (!config->n_servers) {
        return xstrdup("alcor-remote: no endpoint is given");
    }

    const char *remote = config->servers[0].remote;
    const struct transport_class *class = transport_class_lookup(remote);
    if (!class) {
        return xasprintf("\"%s\": expected "ENDPOINT_SYNTAX, remote);
    }

    char *error = class->open(config, transportp);
    ovs_assert(!error == (*transportp != NULL));
    ovs_assert(error || (*transportp)->class == class);
    return error;
}

/* Closes 'transport', which may be null.  What was sent last has a moment to
 * get out.  The caller must have destroyed all messages before. */
void
transport_close(struct transport *transport)
{
    if (transport) {
        transport->class->close(transport);
    }
}

/* Makes 'topics' the set of topics received.  Anything in it that is no topic
 * (1 to 255 bytes of UTF-8) is ignored and logged. */
void
transport_set_topics(struct transport *transport, const struct sset *topics)
{
    transport->class->set_topics(transport, topics);
}

void
transport_run(struct transport *transport)
{
    transport->class->run(transport);
}

/* Arranges for the poll loop to wake up when transport_run() or
 * transport_recv() has something to do. */
void
transport_wait(struct transport *transport)
{
    transport->class->wait(transport);
}

/* Returns the next message, which the caller must give back with
 * transport_message_destroy(), or NULL if there is none for now. */
struct transport_message *
transport_recv(struct transport *transport)
{
    return transport->class->recv(transport);
}

/* Frees 'message', which may be null. */
void
transport_message_destroy(struct transport *transport,
                          struct transport_message *message)
{
    if (message) {
        transport->class->message_destroy(message);
    }
}

/* Queues a message on the control channel.  Copies what it needs.  Returns 0,
 * or a positive errno value if the message was dropped (and counted): ENOTCONN
 * if there is no control endpoint, ENOBUFS if the queue is full. */
int
transport_send(struct transport *transport, const void *envelope,
               size_t envelope_len, const void *payload, size_t payload_len)
{
    int error = transport->class->send(transport, envelope, envelope_len,
                                       payload, payload_len);
    if (error) {
        COVERAGE_INC(transport_send_dropped);
    }
    return error;
}

/* Returns a number that changes whenever the active server has been connected
 * anew; 0 means "never yet". */
unsigned int
transport_connection_seqno(const struct transport *transport)
{
    return transport->class->connection_seqno(transport);
}

bool
transport_is_connected(const struct transport *transport)
{
    return transport->class->is_connected(transport);
}

/* Tells 'transport' that the active server did not answer a message on the
 * control channel: it may change to another. */
void
transport_unanswered(struct transport *transport)
{
    COVERAGE_INC(transport_unanswered);
    if (transport->class->unanswered) {
        transport->class->unanswered(transport);
    }
}

/* Appends one line, without new-line, that tells people about the state of
 * 'transport'. */
void
transport_describe(const struct transport *transport, struct ds *ds)
{
    transport->class->describe(transport, ds);
}

void
transport_get_memory_usage(const struct transport *transport,
                           struct simap *usage)
{
    if (transport->class->get_memory_usage) {
        transport->class->get_memory_usage(transport, usage);
    }
}

void
transport_count_drop(enum transport_drop drop)
{
    switch (drop) {
    case TRANSPORT_DROP_BAD_FRAMES:
        COVERAGE_INC(transport_bad_frames);
        break;
    case TRANSPORT_DROP_FOREIGN_TOPIC:
        COVERAGE_INC(transport_foreign_topic);
        break;
    case TRANSPORT_DROP_QUEUE_FULL:
        COVERAGE_INC(transport_queue_full);
        break;
    case TRANSPORT_DROP_OVERSIZED:
        COVERAGE_INC(transport_oversized);
        break;
    }
}

void
transport_init(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(transport_classes); i++) {
        if (transport_classes[i]->init) {
            transport_classes[i]->init();
        }
    }
}
