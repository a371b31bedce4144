/* SPDX-License-Identifier: Apache-2.0
 *
 * relay-commands: unixctl commands of alcor-relay. */

#include <config.h>

#include "relay/relay-private.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "openvswitch/json.h"
#include "limit-show.h"
#include "openvswitch/vlog.h"
#include "packets.h"
#include "simap.h"
#include "svec.h"
#include "table.h"
#include "unixctl.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(relay_commands);

/* Tables. */

static void
add_cell(struct table *table, char *text)
{
    table_add_cell(table)->text = text;
}

static void
add_number(struct table *table, uint64_t number)
{
    struct cell *cell = table_add_cell(table);

    cell->text = xasprintf("%"PRIu64, number);
    cell->json = json_integer_create(number);
}

/* Replies with 'table', in the format that the last argument, if it begins
 * with "--format=", asks for.  Destroys 'table'. */
static void
reply_table(struct unixctl_conn *conn, struct table *table, int argc,
            const char *argv[])
{
    struct table_style style = TABLE_STYLE_DEFAULT;
    struct ds ds = DS_EMPTY_INITIALIZER;
    const char *format = "table";

    if (argc > 1) {
        format = argv[argc - 1] + strlen("--format=");
    }
    if (argc > 1 && (strncmp(argv[argc - 1], "--format=", 9)
                     || (strcmp(format, "table") && strcmp(format, "json")
                         && strcmp(format, "csv")
                         && strcmp(format, "list")))) {
        unixctl_command_reply_error(conn, "expected --format=table, list, "
                                    "json or csv");
    } else {
        style.format = (!strcmp(format, "json") ? TF_JSON
                        : !strcmp(format, "csv") ? TF_CSV
                        : !strcmp(format, "list") ? TF_LIST : TF_TABLE);
        table_format_reset();
        table_format(table, &style, &ds);
        unixctl_command_reply(conn, ds_cstr(&ds));
    }
    ds_destroy(&ds);
    table_destroy(table);
}

static int
compare_nodes(const void *a_, const void *b_)
{
    const struct relay_node *const *a = a_;
    const struct relay_node *const *b = b_;

    return strcmp((*a)->id, (*b)->id);
}

static void
node_list(struct unixctl_conn *conn, int argc, const char *argv[],
          void *relay_)
{
    struct relay *relay = relay_;
    size_t n = 0, n_nodes = hmap_count(&relay->nodes);
    const struct relay_node **nodes = xcalloc(n_nodes, sizeof *nodes);
    const struct relay_node *node;
    struct table table;

    HMAP_FOR_EACH (node, node, &relay->nodes) {
        nodes[n++] = node;
    }
    qsort(nodes, n, sizeof *nodes, compare_nodes);

    table_init(&table);
    table_add_column(&table, "node");
    table_add_column(&table, "host_ip");
    table_add_column(&table, "connected");
    table_add_column(&table, "registered");
    table_add_column(&table, "topic");
    table_add_column(&table, "groups");
    table_add_column(&table, "vpcs");
    table_add_column(&table, "owed");
    table_add_column(&table, "snapshots");
    table_add_column(&table, "on_demand");
    for (size_t i = 0; i < n; i++) {
        char ip[INET6_ADDRSTRLEN] = "";
        struct svec groups = SVEC_EMPTY_INITIALIZER;
        const char *topic;

        node = nodes[i];
        if (node->host) {
            ipv6_string_mapped(ip, &node->host->ip);
        }
        SSET_FOR_EACH (topic, &node->groups) {
            svec_add(&groups, topic);
        }
        svec_sort(&groups);
        table_add_row(&table);
        add_cell(&table, xstrdup(node->id));
        add_cell(&table, xstrdup(ip));
        add_cell(&table, xstrdup(node->connected ? "yes" : "no"));
        add_cell(&table, xstrdup(node->registered ? "yes" : "no"));
        add_cell(&table, xstrdup(node->topic));
        add_cell(&table, svec_join(&groups, " ", ""));
        add_number(&table, node->host ? ovs_list_size(&node->host->spans)
                   : 0);
        add_number(&table, node->host ? ovs_list_size(&node->host->owed)
                   : 0);
        add_number(&table, node->n_snapshots);
        add_number(&table, node->n_on_demand);
        svec_destroy(&groups);
    }
    free(nodes);
    reply_table(conn, &table, argc, argv);
}

static int
compare_topics(const void *a_, const void *b_)
{
    const struct relay_topic *const *a = a_;
    const struct relay_topic *const *b = b_;

    return strcmp((*a)->name, (*b)->name);
}

static void
topic_list(struct unixctl_conn *conn, int argc, const char *argv[],
           void *relay_)
{
    struct relay *relay = relay_;
    size_t n = 0, n_topics = hmap_count(&relay->topics);
    const struct relay_topic **topics = xcalloc(n_topics, sizeof *topics);
    const struct relay_topic *topic;
    struct table table;

    HMAP_FOR_EACH (topic, node, &relay->topics) {
        topics[n++] = topic;
    }
    qsort(topics, n, sizeof *topics, compare_topics);

    table_init(&table);
    table_add_column(&table, "topic");
    table_add_column(&table, "sequence");
    table_add_column(&table, "messages");
    table_add_column(&table, "bytes");
    for (size_t i = 0; i < n; i++) {
        table_add_row(&table);
        add_cell(&table, xstrdup(topics[i]->name));
        add_number(&table, topics[i]->sequence);
        add_number(&table, topics[i]->n_messages);
        add_number(&table, topics[i]->n_bytes);
    }
    free(topics);
    reply_table(conn, &table, argc, argv);
}

static void
ack_list(struct unixctl_conn *conn, int argc, const char *argv[],
         void *relay_)
{
    struct json *list = relay_acks_to_json(relay_);
    const struct json_array *array = json_array(list);
    struct table table;

    table_init(&table);
    table_add_column(&table, "message");
    table_add_column(&table, "controller");
    table_add_column(&table, "answered");
    table_add_column(&table, "resources");
    table_add_column(&table, "waiting");
    table_add_column(&table, "pending");
    table_add_column(&table, "hosts");
    for (size_t i = 0; i < array->n; i++) {
        const struct shash *o = json_object(array->elems[i]);
        const struct json_array *hosts
            = json_array(shash_find_data(o, "hosts"));
        struct svec names = SVEC_EMPTY_INITIALIZER;

        for (size_t j = 0; j < hosts->n; j++) {
            svec_add(&names, json_string(hosts->elems[j]));
        }
        svec_sort(&names);
        table_add_row(&table);
        add_cell(&table, xstrdup(json_string(shash_find_data(o,
                                                             "message"))));
        add_cell(&table, xstrdup(json_string(
                                     shash_find_data(o, "controller"))));
        add_cell(&table, xstrdup(json_boolean(
                                     shash_find_data(o, "answered"))
                                 ? "yes" : "no"));
        add_number(&table, json_integer(shash_find_data(o, "resources")));
        add_number(&table, json_integer(shash_find_data(o, "waiting")));
        add_number(&table, json_integer(shash_find_data(o, "pending")));
        add_cell(&table, svec_join(&names, ", ", ""));
        svec_destroy(&names);
    }
    json_destroy(list);
    reply_table(conn, &table, argc, argv);
}

static void
ack_show(struct unixctl_conn *conn, int argc OVS_UNUSED, const char *argv[],
         void *relay_)
{
    struct ds ds = DS_EMPTY_INITIALIZER;

    if (relay_ack_show(relay_, argv[1], &ds)) {
        unixctl_command_reply(conn, ds_cstr(&ds));
    } else {
        unixctl_command_reply_error(conn, "no such message, or long ago");
    }
    ds_destroy(&ds);
}

static void
status(struct unixctl_conn *conn, int argc OVS_UNUSED,
       const char *argv[] OVS_UNUSED, void *relay_)
{
    struct relay *relay = relay_;
    const struct relay_counters *c = &relay->counters;
    const struct {
        const char *name;
        uint64_t value;
    } lines[] = {
        { "epoch", placement_epoch(relay->placement) },
        { "messages", c->messages },
        { "resources", c->resources },
        { "invalid resources", c->invalid },
        { "out of order", c->stale },
        { "repeated messages", c->repeated },
        { "refused messages", c->refused },
        { "unparsable messages", c->unparsable },
        { "dropped messages", zmq_server_n_dropped(relay->server) },
        { "port events", c->port_events },
        { "retries", c->retries },
        { "messages replayed", c->replayed },
        { "hosts that did not answer", c->timeouts },
        { "pending resources", relay->n_pending },
        { "pending resources forgotten", c->forgotten },
        { "destinations routable", c->routable },
        { "destinations not routable", c->not_routable },
        { "destinations over budget", c->over_budget },
        { "snapshots under way", relay->n_snapshots },
        { "slow subscribers cut off", zmq_server_n_cut(relay->server) },
    };
    struct ds ds = DS_EMPTY_INITIALIZER;

    ds_put_format(&ds, "sender: %s\n", relay->options.sender);
    ds_put_format(&ds, "database: %s\n", relay_db_status(relay->db));
    relay_upstream_describe(relay->upstream, &ds);
    for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
        ds_put_format(&ds, "%s: %"PRIu64"\n", lines[i].name, lines[i].value);
    }
    unixctl_command_reply(conn, ds_cstr(&ds));
    ds_destroy(&ds);
}

static void
limits_show(struct unixctl_conn *conn, int argc, const char *argv[],
            void *relay_)
{
    struct simap usage = SIMAP_INITIALIZER(&usage);
    struct relay *relay = relay_;
    struct table table;

    relay_get_memory_usage(relay, &usage);
    limits_to_table(&table, &usage, "--limits");
    reply_table(conn, &table, argc, argv);
    simap_destroy(&usage);
}

static void
do_exit(struct unixctl_conn *conn, int argc OVS_UNUSED,
        const char *argv[] OVS_UNUSED, void *relay_)
{
    struct relay *relay = relay_;

    if (relay->exit_conn) {
        unixctl_command_reply_error(conn, "exiting already");
        return;
    }
    relay->exiting = true;
    relay->exit_conn = conn;
}

void
relay_commands_init(struct relay *relay)
{
    unixctl_command_register("exit", "", 0, 0, do_exit, relay);
    unixctl_command_register("connection-status", "", 0, 0, status, relay);
    unixctl_command_register("limits/show", "[--format=FORMAT]", 0, 1,
                             limits_show, relay);
    unixctl_command_register("node/list", "[--format=FORMAT]", 0, 1,
                             node_list, relay);
    unixctl_command_register("topic/list", "[--format=FORMAT]", 0, 1,
                             topic_list, relay);
    unixctl_command_register("ack/list", "[--format=FORMAT]", 0, 1,
                             ack_list, relay);
    unixctl_command_register("ack/show", "MESSAGE-ID", 1, 1, ack_show,
                             relay);
}
