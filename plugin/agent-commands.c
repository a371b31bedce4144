/* SPDX-License-Identifier: Apache-2.0
 *
 * agent-commands: what ovs-appctl -t alcor-agent can ask. */

#include <config.h>

#include "agent-fast-path.h"
#include "agent-gateway.h"
#include "agent-private.h"

#include <errno.h>
#include <string.h>
#include "apply/apply-ovsdb.h"
#include "apply/commit.h"
#include "apply/of-pipeline.h"
#include "feedback/ack.h"
#include "ingest/resync.h"
#include "ingest/transport-provider.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/json.h"
#include "openvswitch/poll-loop.h"
#include "store/goal-store.h"
#include "store/volatile-store.h"
#include "table.h"
#include "translate/plugin-provider.h"
#include "translate/translator.h"
#include "unixctl.h"
#include "util.h"

/* Commands that list take "--format=table" (the default), json or csv as any
 * argument; see alcor-agent(8). */

struct idle_waiter {
    struct ovs_list list_node;  /* In struct agent's 'idle_waiters'. */
    struct unixctl_conn *conn;
};

/* Sets '*format' if 'arg' is an option that asks for one.  Returns false if it
 * is an option, but not one that there is. */
static bool
parse_format(const char *arg, enum table_format *format)
{
    static const struct {
        const char *option;
        enum table_format format;
    } formats[] = {
        { "--format=table", TF_TABLE },
        { "--format=json", TF_JSON },
        { "--format=csv", TF_CSV },
    };

    for (size_t i = 0; i < ARRAY_SIZE(formats); i++) {
        if (!strcmp(arg, formats[i].option)) {
            *format = formats[i].format;
            return true;
        }
    }
    return strncmp(arg, "--", 2) != 0;
}

/* Returns true if, in 'argv', are no options but for a format, and at most
 * 'n_words' other arguments.  Else replies with an error. */
static bool
parse_arguments(struct unixctl_conn *conn, size_t n_words, int argc,
                const char *argv[], enum table_format *format)
{
    *format = TF_TABLE;
    for (int i = 1; i < argc; i++) {
        if (!parse_format(argv[i], format)) {
            unixctl_command_reply_error(conn, "expected no other option than "
                                        "--format=table, json or csv");
            return false;
        }
        if (strncmp(argv[i], "--", 2) && !n_words--) {
            char *error = xasprintf("\"%.64s\": expected nothing, or "
                                    "--format=table, json or csv", argv[i]);

            unixctl_command_reply_error(conn, error);
            free(error);
            return false;
        }
    }
    return true;
}

bool
agent_check_arguments(struct unixctl_conn *conn, size_t n_words, int argc,
                      const char *argv[])
{
    enum table_format format;

    return parse_arguments(conn, n_words, argc, argv, &format);
}

/* Replies with 'table', in the format that 'argv' asks for, which may have
 * 'n_words' arguments beside that. */
static void
reply_table(struct unixctl_conn *conn, struct table *table, size_t n_words,
            int argc, const char *argv[])
{
    struct table_style style = TABLE_STYLE_DEFAULT;

    if (parse_arguments(conn, n_words, argc, argv, &style.format)) {
        struct ds s = DS_EMPTY_INITIALIZER;

        table_format_reset();
        table_format(table, &style, &s);
        unixctl_command_reply(conn, ds_cstr(&s));
        ds_destroy(&s);
    }
    table_destroy(table);
}

void
agent_reply_table(struct unixctl_conn *conn, struct table *table, int argc,
                  const char *argv[])
{
    reply_table(conn, table, 0, argc, argv);
}

/* Returns the 'n'th argument (from 0) that is no option, or NULL. */
static const char *
positional(int argc, const char *argv[], int n)
{
    for (int i = 1; i < argc; i++) {
        if (strncmp(argv[i], "--", 2) && !n--) {
            return argv[i];
        }
    }
    return NULL;
}

void
agent_add_cell(struct table *table, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    table_add_cell(table)->text = xvasprintf(format, args);
    va_end(args);
}

/* Adds a row of a table of counters and values. */
void
agent_add_counter(struct table *table, const char *prefix, const char *name,
                  uint64_t value)
{
    table_add_row(table);
    agent_add_cell(table, "%s%s", prefix, name);
    agent_add_cell(table, "%"PRIu64, value);
}

/* Replies with an error and returns false if the store is not open yet. */
static bool
is_up(const struct agent *agent, struct unixctl_conn *conn)
{
    if (!agent->translator && agent->store_error) {
        char *error = xasprintf("waiting for the store: %s",
                                agent->store_error);

        unixctl_command_reply_error(conn, error);
        free(error);
    } else if (!agent->translator) {
        unixctl_command_reply_error(conn,
                                    agent_phase_to_string(agent->phase));
    }
    return agent->translator != NULL;
}

/* exit. */

static void
cmd_exit(struct unixctl_conn *conn, int argc, const char *argv[],
         void *agent_)
{
    struct agent *agent = agent_;

    if (agent->exit_conn && argc > 1) {
        unixctl_command_reply_error(conn, "already exiting");
        return;
    } else if (agent->exit_conn) {
        unixctl_command_reply_error(agent->exit_conn,
                                    "overtaken by another exit");
    }
    agent->exit_conn = conn;
    poll_immediate_wake();
    if (argc < 2) {
        agent->exit = EXIT_KEEP;
    } else if (strcmp(argv[1], "--cleanup")) {
        agent->exit_conn = NULL;
        unixctl_command_reply_error(conn, "expected --cleanup or nothing");
    } else if (agent->translator) {
        agent_fast_path_uninstall(agent);
        agent_gateway_uninstall(agent);
        translator_withdraw_all(agent->translator);
        agent->exit = EXIT_WITHDRAW;
    } else {
        agent_fast_path_uninstall(agent);
        agent_gateway_uninstall(agent);
        agent->exit = EXIT_CLEAN_DB;
    }
}

/* Status. */

static void
format_resources(const struct agent *agent, struct ds *s)
{
    size_t counts[UNIT_FAILED + 1];

    ds_put_cstr(s, "resources:");
    for (enum goal_kind kind = 0; kind < GOAL_N_KINDS; kind++) {
        size_t n = goal_store_count(agent->store, kind);

        if (n) {
            ds_put_format(s, " %"PRIuSIZE" %s", n, goal_kinds[kind].name);
        }
    }
    translator_get_stats(agent->translator, counts);
    ds_put_cstr(s, "\nin effect:");
    for (enum unit_status status = 0; status <= UNIT_FAILED; status++) {
        if (counts[status]) {
            ds_put_format(s, " %"PRIuSIZE" %s", counts[status],
                          unit_status_to_string(status));
        }
    }
    ds_put_format(s, "\nwaiting: %"PRIuSIZE" to be translated, %"PRIuSIZE
                  " messages to be answered\n",
                  translator_backlog(agent->translator),
                  ack_n_open(agent->ack));
}

static void
format_buffer(const struct agent *agent, struct ds *s)
{
    struct ds text = DS_EMPTY_INITIALIZER;

    if (agent_underlay_describe_buffer(agent, &text)) {
        ds_put_format(s, "buffer: %s\n", ds_cstr(&text));
    }
    ds_destroy(&text);
}

static void
format_counters(const struct agent_counters *c, uint64_t n_gaps,
                struct ds *s)
{
    ds_put_format(s, "messages: %"PRIu64" taken, %"PRIu64" duplicates, "
                  "%"PRIu64" gaps, %"PRIu64" not understood, %"PRIu64
                  " unparsable\n", c->messages, c->duplicates, n_gaps,
                  c->unknown, c->unparsable);
    ds_put_format(s, "resources in them: %"PRIu64", of which %"PRIu64
                  " invalid, %"PRIu64" out of order\n", c->resources,
                  c->invalid, c->stale);
}

static void
cmd_connection_status(struct unixctl_conn *conn, int argc OVS_UNUSED,
                      const char *argv[] OVS_UNUSED, void *agent_)
{
    struct agent *agent = agent_;
    struct ds s = DS_EMPTY_INITIALIZER;
    const struct smap_node **errors;

    ds_put_format(&s, "state: %s\n",
                  (agent->store_error ? "waiting for the store"
                   : agent_phase_to_string(agent->phase)));
    ds_put_format(&s, "node: %s, host address %s\n",
                  agent->config.node_id ? agent->config.node_id : "(not set)",
                  agent->config.host_ip ? agent->config.host_ip
                  : "(not set)");
    ds_put_format(&s, "database: %s\n",
                  apply_ovsdb_is_connected(agent->ovsdb) ? "connected"
                  : "not connected");
    ds_put_cstr(&s, "controller: ");
    agent_transport_describe(agent, &s);
    ds_put_char(&s, '\n');
    commit_describe(agent->commit, &s);
    format_buffer(agent, &s);
    if (agent->translator) {
        ds_put_cstr(&s, "resync: ");
        resync_describe(agent->resync, &s);
        ds_put_char(&s, '\n');
        format_resources(agent, &s);
        format_counters(&agent->counters, resync_n_gaps(agent->resync), &s);
        agent_transactions_describe(agent, &s);
    }
    errors = smap_sort(&agent->config.errors);
    for (size_t i = 0; i < smap_count(&agent->config.errors); i++) {
        ds_put_format(&s, "error: %s%s: %s\n",
                      agent_config_error_prefix(errors[i]->key),
                      errors[i]->key, errors[i]->value);
    }
    free(errors);
    unixctl_command_reply(conn, ds_cstr(&s));
    ds_destroy(&s);
}

/* Goal state. */

struct list_walk {
    struct agent *agent;
    struct table table;
    enum goal_kind kind;
    const char *vpc;            /* Only these, or null: all. */
    bool found;                 /* Any neighbor? */
};

/* Returns a resource's status; stores in '*error' why it is no better, or
 * null, and in '*rival', if it is in conflict, with whom. */
static const char *
status_string(const struct agent *agent, const struct goal_key *key,
              const char **error, const char **rival)
{
    enum unit_status status = translator_status(agent->translator, key,
                                                error);

    *rival = (status == UNIT_DONE ? translator_rival(agent->translator, key)
              : NULL);
    return *rival ? "in conflict" : unit_status_to_string(status);
}

static void
add_status(struct agent *agent, struct table *table,
           const struct goal_key *key)
{
    const char *error, *rival;

    agent_add_cell(table, "%s", status_string(agent, key, &error, &rival));
}

static bool
list_resource(const struct goal_key *key, const char *id, void *walk_)
{
    struct list_walk *walk = walk_;
    char *sender = NULL, *topic = NULL;
    uint64_t epoch, sequence = 0;
    const char *error, *rival;

    goal_store_origin(walk->agent->store, key, &sender, &topic, &epoch,
                      &sequence);
    translator_look_at(walk->agent->translator, key, id);
    table_add_row(&walk->table);
    agent_add_cell(&walk->table, "%s", goal_kinds[key->kind].name);
    agent_add_cell(&walk->table, "%s", id);
    agent_add_cell(&walk->table, "%s",
                   status_string(walk->agent, key, &error, &rival));
    agent_add_cell(&walk->table, "%s%s", rival ? "with " : error ? error : "",
                   rival ? rival : "");
    agent_add_cell(&walk->table, "%s %s #%"PRIu64, sender ? sender : "?",
                   topic && topic[0] ? topic : "(control)", sequence);
    free(sender);
    free(topic);
    return true;
}

static void
cmd_goal_state_list(struct unixctl_conn *conn, int argc, const char *argv[],
                    void *agent_)
{
    struct list_walk walk = { .agent = agent_ };
    const char *type = positional(argc, argv, 0);

    if (!is_up(walk.agent, conn)) {
        return;
    }
    if (type && !goal_kind_from_string(type, &walk.kind)) {
        unixctl_command_reply_error(conn, "unknown TYPE; expected one of VPC "
                                    "SUBNET PORT NEIGHBOR SECURITYGROUP DHCP "
                                    "ROUTER GATEWAY");
        return;
    }

    table_init(&walk.table);
    table_add_column(&walk.table, "type");
    table_add_column(&walk.table, "id");
    table_add_column(&walk.table, "status");
    table_add_column(&walk.table, "error");
    table_add_column(&walk.table, "from");
    for (enum goal_kind kind = 0; kind < GOAL_N_KINDS; kind++) {
        if (!type || kind == walk.kind) {
            goal_store_for_each(walk.agent->store, kind, list_resource,
                                &walk);
        }
    }
    reply_table(conn, &walk.table, 1, argc, argv);
}

static void
cmd_goal_state_show(struct unixctl_conn *conn, int argc, const char *argv[],
                    void *agent_)
{
    struct agent *agent = agent_;
    const char *type = positional(argc, argv, 0);
    const char *id = positional(argc, argv, 1);
    enum goal_kind kind;

    if (!is_up(agent, conn)) {
        return;
    }
    if (!type || !id || !goal_kind_from_string(type, &kind)) {
        unixctl_command_reply_error(conn, "expected TYPE ID, TYPE being one "
                                    "of VPC SUBNET PORT NEIGHBOR "
                                    "SECURITYGROUP DHCP ROUTER GATEWAY");
        return;
    }

    bool json = false;
    int n_words = 0;
    for (int i = 1; i < argc; i++) {
        json |= !strcmp(argv[i], "--format=json");
        n_words += strcmp(argv[i], "--format=json") != 0;
    }
    if (n_words > 2) {
        unixctl_command_reply_error(conn, "expected nothing but TYPE ID and "
                                    "--format=json");
        return;
    }

    struct goal_resource *r = goal_store_get(agent->store, kind, id);
    if (!r) {
        unixctl_command_reply_error(conn, "no such resource (see "
                                    "goal-state/list)");
        return;
    }

    struct ds s = DS_EMPTY_INITIALIZER;
    if (json) {
        struct json *object = goal_resource_to_json(r);

        json_to_ds(object, JSSF_PRETTY | JSSF_SORT, &s);
        json_destroy(object);
    } else {
        goal_resource_format(r, &s);
    }
    unixctl_command_reply(conn, ds_cstr(&s));
    ds_destroy(&s);
    goal_resource_destroy(r);
}

static bool
list_port(const struct goal_key *key, const char *id, void *walk_)
{
    struct list_walk *walk = walk_;
    struct goal_resource *r = goal_store_get_key(walk->agent->store, key);

    if (!r) {
        return true;
    }

    const struct goal_port *port = GOAL_PORT_CAST(r);
    const struct vol_binding *binding = vol_get(walk->agent->vol,
                                                VOL_BINDING, id);
    struct ds ips = DS_EMPTY_INITIALIZER;

    for (size_t i = 0; i < port->n_fixed_ips; i++) {
        ds_put_cstr(&ips, i ? " " : "");
        ipv6_format_mapped(&port->fixed_ips[i].ip, &ips);
    }
    table_add_row(&walk->table);
    agent_add_cell(&walk->table, "%s", id);
    agent_add_cell(&walk->table, "%s", port->vpc_id);
    agent_add_cell(&walk->table, ETH_ADDR_FMT, ETH_ADDR_ARGS(port->mac));
    agent_add_cell(&walk->table, "%s", ds_cstr(&ips));
    agent_add_cell(&walk->table, "%s",
                   binding ? binding->iface : "(not bound)");
    if (binding) {
        agent_add_cell(&walk->table, "%"PRIu32, binding->ofport);
    } else {
        agent_add_cell(&walk->table, "%s", "");
    }
    add_status(walk->agent, &walk->table, key);
    ds_destroy(&ips);
    goal_resource_destroy(r);
    return true;
}

static void
cmd_port_list(struct unixctl_conn *conn, int argc, const char *argv[],
              void *agent_)
{
    static const char *const columns[] = {
        "id", "vpc", "mac", "addresses", "interface", "ofport", "status",
    };
    struct list_walk walk = { .agent = agent_ };

    if (!is_up(walk.agent, conn)) {
        return;
    }
    table_init(&walk.table);
    for (size_t i = 0; i < ARRAY_SIZE(columns); i++) {
        table_add_column(&walk.table, "%s", columns[i]);
    }
    goal_store_for_each(walk.agent->store, GOAL_PORT, list_port, &walk);
    agent_reply_table(conn, &walk.table, argc, argv);
}

static bool
list_neighbor(const struct goal_key *key, void *walk_)
{
    struct list_walk *walk = walk_;
    struct goal_resource *r;

    if (key->kind != GOAL_NEIGHBOR
        || !(r = goal_store_get_key(walk->agent->store, key))) {
        return true;
    }

    const struct goal_neighbor *neighbor = GOAL_NEIGHBOR_CAST(r);
    struct ds s = DS_EMPTY_INITIALIZER;

    walk->found = true;
    table_add_row(&walk->table);
    agent_add_cell(&walk->table, "%s", r->id);
    agent_add_cell(&walk->table, ETH_ADDR_FMT, ETH_ADDR_ARGS(neighbor->mac));
    for (size_t i = 0; i < neighbor->n_fixed_ips; i++) {
        ds_put_format(&s, "%s%s ", i ? ", " : "",
                      neighbor->fixed_ips[i].type == GOAL_NEIGHBOR_L2
                      ? "L2" : "L3");
        ipv6_format_mapped(&neighbor->fixed_ips[i].ip, &s);
    }
    agent_add_cell(&walk->table, "%s", ds_cstr(&s));
    ds_clear(&s);
    ipv6_format_mapped(&neighbor->host_ip, &s);
    agent_add_cell(&walk->table, "%s", ds_cstr(&s));
    add_status(walk->agent, &walk->table, key);
    ds_destroy(&s);
    goal_resource_destroy(r);
    return true;
}

static void
cmd_neighbor_list(struct unixctl_conn *conn, int argc, const char *argv[],
                  void *agent_)
{
    static const char *const columns[] = {
        "id", "mac", "addresses", "host", "status",
    };
    struct list_walk walk = { .agent = agent_ };
    struct goal_key key;

    walk.vpc = positional(argc, argv, 0);
    if (!is_up(walk.agent, conn)) {
        return;
    }
    if (!walk.vpc) {
        unixctl_command_reply_error(conn, "expected the id of a VPC");
        return;
    }
    table_init(&walk.table);
    for (size_t i = 0; i < ARRAY_SIZE(columns); i++) {
        table_add_column(&walk.table, "%s", columns[i]);
    }
    goal_store_index(walk.agent->store, GOAL_BY_VPC, walk.vpc, NULL,
                     list_neighbor, &walk);
    if (!walk.found
        && !goal_store_lookup(walk.agent->store, GOAL_VPC, walk.vpc, &key)) {
        unixctl_command_reply_error(conn, "no such VPC, nor a neighbor in it "
                                    "(see goal-state/list VPC)");
        table_destroy(&walk.table);
        return;
    }
    reply_table(conn, &walk.table, 1, argc, argv);
}

/* Insight. */

static void
cmd_plugin_list(struct unixctl_conn *conn, int argc, const char *argv[],
                void *agent_)
{
    struct agent *agent = agent_;
    struct table table;

    table_init(&table);
    table_add_column(&table, "name");
    table_add_column(&table, "number");
    table_add_column(&table, "status");
    table_add_column(&table, "file");
    table_add_column(&table, "summary");
    for (size_t i = 0; i < agent->registry.n; i++) {
        const struct plugin_entry *entry = &agent->registry.entries[i];

        table_add_row(&table);
        agent_add_cell(&table, "%s", entry->class->name);
        agent_add_cell(&table, "%"PRIu8, entry->number);
        agent_add_cell(&table, "%s", entry->enabled ? "enabled" : "disabled");
        agent_add_cell(&table, "%s", entry->file ? entry->file : "(built in)");
        agent_add_cell(&table, "%s", entry->class->summary);
    }
    agent_reply_table(conn, &table, argc, argv);
}

struct explain_walk {
    struct agent *agent;
    uint64_t cookie;
    struct ds *s;
    bool found;
};

static bool
explain_resource(const struct goal_key *key, const char *id, void *walk_)
{
    struct explain_walk *walk = walk_;
    uint8_t plugin = of_cookie_plugin(walk->cookie);

    if (of_cookie(plugin, goal_kinds[key->kind].name, id) == walk->cookie) {
        const char *name = plugin_registry_name(&walk->agent->registry,
                                                plugin);

        ds_put_format(walk->s, "plugin %s, %s %s\n", name ? name : "?",
                      goal_kinds[key->kind].name, id);
        walk->found = true;
    }
    return true;
}

static void
explain_path(const char *id, const void *record OVS_UNUSED, void *walk_)
{
    struct explain_walk *walk = walk_;
    uint8_t plugin = of_cookie_plugin(walk->cookie);

    if (translator_record_cookie(plugin, id) == walk->cookie) {
        const char *name = plugin_registry_name(&walk->agent->registry,
                                                plugin);

        ds_put_format(walk->s, "plugin %s, direct path %s\n",
                      name ? name : "?", id);
        walk->found = true;
    }
}

static void
cmd_explain(struct unixctl_conn *conn, int argc OVS_UNUSED,
            const char *argv[], void *agent_)
{
    struct ds s = DS_EMPTY_INITIALIZER;
    struct explain_walk walk = { .agent = agent_, .s = &s };
    unsigned long long int cookie;

    if (!is_up(walk.agent, conn)) {
        return;
    }
    if (!str_to_ullong(argv[1], 0, &cookie)) {
        unixctl_command_reply_error(conn, "expected a cookie, as ovs-ofctl "
                                    "dump-flows shows it");
        return;
    }
    walk.cookie = cookie;
    if (!of_cookie_is_ours(cookie)) {
        unixctl_command_reply_error(conn, "not a cookie of alcor-agent's");
        return;
    }
    for (enum goal_kind kind = 0; kind < GOAL_N_KINDS; kind++) {
        goal_store_for_each(walk.agent->store, kind, explain_resource, &walk);
    }
    vol_for_each(walk.agent->vol, VOL_DIRECT_PATH, explain_path, &walk);
    if (!walk.found) {
        ds_put_cstr(&s, "no resource that is stored has this cookie\n");
    }
    unixctl_command_reply(conn, ds_cstr(&s));
    ds_destroy(&s);
}

static void
cmd_copy(struct unixctl_conn *conn, int argc OVS_UNUSED,
         const char *argv[] OVS_UNUSED, void *agent_)
{
    struct agent *agent = agent_;

    if (!agent->store) {
        unixctl_command_reply_error(conn, "there is no store yet");
        return;
    }
    goal_store_copy_soon(agent->store);
    unixctl_command_reply(conn, NULL);
}

static void
cmd_recompute(struct unixctl_conn *conn, int argc OVS_UNUSED,
              const char *argv[] OVS_UNUSED, void *agent_)
{
    struct agent *agent = agent_;

    if (is_up(agent, conn)) {
        translator_recompute(agent->translator);
        unixctl_command_reply(conn, NULL);
    }
}

static void
cmd_resync(struct unixctl_conn *conn, int argc OVS_UNUSED,
           const char *argv[] OVS_UNUSED, void *agent_)
{
    struct agent *agent = agent_;

    if (is_up(agent, conn)) {
        resync_force(agent->resync);
        unixctl_command_reply(conn, NULL);
    }
}

static void
cmd_wait_idle(struct unixctl_conn *conn, int argc OVS_UNUSED,
              const char *argv[] OVS_UNUSED, void *agent_)
{
    struct agent *agent = agent_;
    struct idle_waiter *waiter = xmalloc(sizeof *waiter);

    waiter->conn = conn;
    ovs_list_push_back(&agent->idle_waiters, &waiter->list_node);
    poll_immediate_wake();
}

/* Answers those who wait until everything is in effect. */
void
agent_commands_run(struct agent *agent)
{
    struct idle_waiter *waiter;

    if (ovs_list_is_empty(&agent->idle_waiters)
        || !(agent_is_idle(agent) || agent->exit)) {
        return;
    }
    LIST_FOR_EACH_POP (waiter, list_node, &agent->idle_waiters) {
        unixctl_command_reply(waiter->conn, NULL);
        free(waiter);
    }
}

void
agent_commands_init(struct agent *agent)
{
    unixctl_command_register("exit", "[--cleanup]", 0, 1, cmd_exit, agent);
    unixctl_command_register("connection-status", "", 0, 0,
                             cmd_connection_status, agent);
    unixctl_command_register("goal-state/list", "[TYPE] [--format=FORMAT]",
                             0, 2, cmd_goal_state_list, agent);
    unixctl_command_register("goal-state/show",
                             "TYPE ID [--format=json]", 2, 3,
                             cmd_goal_state_show, agent);
    unixctl_command_register("goal-state/copy", "", 0, 0, cmd_copy, agent);
    unixctl_command_register("goal-state/resync", "", 0, 0, cmd_resync,
                             agent);
    unixctl_command_register("port/list", "[--format=FORMAT]", 0, 1,
                             cmd_port_list, agent);
    unixctl_command_register("neighbor/list", "VPC [--format=FORMAT]", 1, 2,
                             cmd_neighbor_list, agent);
    unixctl_command_register("plugin/list", "[--format=FORMAT]", 0, 1,
                             cmd_plugin_list, agent);
    unixctl_command_register("explain", "COOKIE", 1, 1, cmd_explain, agent);
    unixctl_command_register("recompute", "", 0, 0, cmd_recompute, agent);
    unixctl_command_register("wait-idle", "", 0, 0, cmd_wait_idle, agent);
}
