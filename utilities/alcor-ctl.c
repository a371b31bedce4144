/* SPDX-License-Identifier: Apache-2.0
 *
 * alcor-ctl: queries the database Alcor and tells how the agent fares. */

#include <config.h>

#include "alcor-ctl.h"

#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "command-line.h"
#include "db-ctl-base.h"
#include "fatal-signal.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/shash.h"
#include "openvswitch/vlog.h"
#include "ovsdb-data.h"
#include "ovsdb-idl.h"
#include "ovsdb-schema/alcor-idl.h"
#include "ovsdb-schema/alcor-relay-idl.h"
#include "process.h"
#include "stream.h"
#include "stream-ssl.h"
#include "table.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(alcor_ctl);

/* From the command line. */
struct options {
    struct ctl_target target;
    bool oneline;
    bool dry_run;
    unsigned int timeout;       /* In seconds; 0: none. */
    struct table_style table_style;
};

/* For ctl_exit() below, which db-ctl-base calls when something fails. */
static struct ovsdb_idl *the_idl;
static struct ovsdb_idl_txn *the_idl_txn;

OVS_NO_RETURN static void
exit_with(int status)
{
    if (the_idl_txn) {
        ovsdb_idl_txn_abort(the_idl_txn);
        ovsdb_idl_txn_destroy(the_idl_txn);
    }
    ovsdb_idl_destroy(the_idl);
    exit(status);
}

/* What "show" shows. */
static const struct cmd_show_table show_tables[] = {
    { &alcorrec_table_agent, &alcorrec_agent_col_node_id,
      { &alcorrec_agent_col_connection_status, &alcorrec_agent_col_errors,
        &alcorrec_agent_col_subscriptions, &alcorrec_agent_col_vpcs },
      { NULL, NULL, NULL } },
    { &alcorrec_table_subscription, &alcorrec_subscription_col_topic,
      { &alcorrec_subscription_col_status, NULL, NULL, NULL },
      { NULL, NULL, NULL } },
    { &alcorrec_table_vpc, &alcorrec_vpc_col_id,
      { &alcorrec_vpc_col_tunnel_id, &alcorrec_vpc_col_ports,
        &alcorrec_vpc_col_gateway, NULL },
      { NULL, NULL, NULL } },
    { &alcorrec_table_port, &alcorrec_port_col_id,
      { &alcorrec_port_col_addresses, &alcorrec_port_col_interface,
        &alcorrec_port_col_state, &alcorrec_port_col_reason },
      { NULL, NULL, NULL } },
    { &alcorrec_table_gateway, &alcorrec_gateway_col_id,
      { &alcorrec_gateway_col_type, &alcorrec_gateway_col_entrances, NULL,
        NULL },
      { NULL, NULL, NULL } },
    { NULL, NULL, { NULL, NULL, NULL, NULL }, { NULL, NULL, NULL } },
};

/* How rows are named on the command line, beside their UUIDs. */
static const struct ctl_table_class table_rows[ALCORREC_N_TABLES] = {
    [ALCORREC_TABLE_AGENT].row_ids
    = { { &alcorrec_agent_col_node_id, NULL, NULL } },
    [ALCORREC_TABLE_SUBSCRIPTION].row_ids
    = { { &alcorrec_subscription_col_topic, NULL, NULL } },
    [ALCORREC_TABLE_PLUGIN].row_ids
    = { { &alcorrec_plugin_col_name, NULL, NULL } },
    [ALCORREC_TABLE_VPC].row_ids
    = { { &alcorrec_vpc_col_id, NULL, NULL } },
    [ALCORREC_TABLE_PORT].row_ids
    = { { &alcorrec_port_col_id, NULL, NULL },
        { &alcorrec_port_col_interface, NULL, NULL } },
    [ALCORREC_TABLE_GATEWAY].row_ids
    = { { &alcorrec_gateway_col_id, NULL, NULL } },
    [ALCORREC_TABLE_TRANSACTION].row_ids
    = { { &alcorrec_transaction_col_id, NULL, NULL } },
    [ALCORREC_TABLE_FAST_PATH].row_ids
    = { { &alcorrec_fast_path_col_interface, NULL, NULL } },
};

/* The same for the database of relays. */
static const struct cmd_show_table relay_show_tables[] = {
    { &relayrec_table_relay, &relayrec_relay_col_name,
      { &relayrec_relay_col_control, &relayrec_relay_col_statistics, NULL,
        NULL },
      { NULL, NULL, NULL } },
    { &relayrec_table_node, &relayrec_node_col_id,
      { &relayrec_node_col_host_ip, &relayrec_node_col_group_topics,
        &relayrec_node_col_connected, NULL },
      { NULL, NULL, NULL } },
    { NULL, NULL, { NULL, NULL, NULL, NULL }, { NULL, NULL, NULL } },
};

static const struct ctl_table_class relay_rows[RELAYREC_N_TABLES] = {
    [RELAYREC_TABLE_RELAY].row_ids
    = { { &relayrec_relay_col_name, NULL, NULL } },
    [RELAYREC_TABLE_NODE].row_ids
    = { { &relayrec_node_col_id, NULL, NULL } },
};

/* A database that may be what the commands are for. */
struct database {
    const struct ovsdb_idl_class *class;
    const struct ctl_table_class *rows;
    const struct cmd_show_table *show;
};

static const struct database agent_database = {
    &alcorrec_idl_class, table_rows, show_tables
};

static const struct database relay_database = {
    &relayrec_idl_class, relay_rows, relay_show_tables
};

/* Finds out which database the commands are for: that of relays, if the server
 * that is named has it, and no other of ours. */
static const struct database *
choose_database(int argc, char *argv[])
{
    const char *remote = NULL;

    for (int i = 1; i < argc && argv[i][0] == '-'; i++) {
        if (!strncmp(argv[i], "--db=", 5)) {
            remote = argv[i] + 5;
        } else if (!strcmp(argv[i], "--db") && i + 1 < argc) {
            remote = argv[++i];
        }
    }
    return (remote && ctl_serves_relay(remote)
            ? &relay_database : &agent_database);
}

/* Commands that are not for the database (alcor-ctl.h). */

static int
run_status(const struct ctl_target *target,
           const struct ctl_command *command OVS_UNUSED)
{
    return ctl_status(target);
}

static int
run_init_db(const struct ctl_target *target,
            const struct ctl_command *command OVS_UNUSED)
{
    return ctl_init_db(target);
}

static int
run_explain(const struct ctl_target *target OVS_UNUSED,
            const struct ctl_command *command)
{
    return ctl_explain(command->argv[1]);
}

static int
run_keygen(const struct ctl_target *target OVS_UNUSED,
           const struct ctl_command *command)
{
    return ctl_keygen(command->argv[1]);
}

/* An option may also follow the command. */
static int
run_topology(const struct ctl_target *target,
             const struct ctl_command *command)
{
    const char *arg = command->argc > 1 ? command->argv[1] : "";
    bool dot = shash_find(&command->options, "--dot") || !strcmp(arg, "--dot");
    bool svg = shash_find(&command->options, "--svg") || !strcmp(arg, "--svg");

    if (arg[0] && !dot && !svg) {
        ctl_fatal("topology: \"%s\": expected --dot or --svg", arg);
    }
    if (dot && svg) {
        ctl_fatal("\"topology\" takes --dot or --svg, not both");
    }
    return ctl_topology(target, dot ? CTL_DOT : svg ? CTL_SVG : CTL_TEXT);
}

static int
run_trace(const struct ctl_target *target, const struct ctl_command *command)
{
    return ctl_trace(target, command->argv[1], command->argv[2]);
}

struct lone_command {
    const char *name;
    int (*run)(const struct ctl_target *, const struct ctl_command *);
};

static const struct lone_command lone_commands[] = {
    { "status", run_status },
    { "init-db", run_init_db },
    { "explain", run_explain },
    { "keygen", run_keygen },
    { "topology", run_topology },
    { "trace", run_trace },
};

/* The same for db-ctl-base, which parses them. */
static const struct ctl_command_syntax command_syntax[] = {
    { "status", 0, 0, "", NULL, NULL, NULL, "", RO },
    { "init-db", 0, 0, "", NULL, NULL, NULL, "", RO },
    { "explain", 1, 1, "COOKIE", NULL, NULL, NULL, "", RO },
    { "keygen", 1, 1, "DIR", NULL, NULL, NULL, "", RO },
    { "topology", 0, 1, "", NULL, NULL, NULL, "--dot,--svg", RO },
    { "trace", 2, 2, "PORT FLOW", NULL, NULL, NULL, "", RO },
    { NULL, 0, 0, NULL, NULL, NULL, NULL, NULL, RO },
};

/* If one of 'commands' is such a command, runs it and exits. */
static void
run_lone_command(const struct options *options, struct ctl_command *commands,
                 size_t n_commands)
{
    for (size_t i = 0; i < n_commands; i++) {
        for (size_t j = 0; j < ARRAY_SIZE(lone_commands); j++) {
            const struct lone_command *lone = &lone_commands[j];

            if (strcmp(commands[i].syntax->name, lone->name)) {
                continue;
            }
            if (n_commands > 1) {
                ctl_fatal("\"%s\" must be the only command", lone->name);
            }
            exit_with(lone->run(&options->target, &commands[i]));
        }
    }
}

/* Options. */

OVS_NO_RETURN static void
usage(void)
{
    printf("%s: tells how alcor-agent fares, from its database\n"
           "usage: %s [OPTIONS] COMMAND [ARG...]\n"
           "\n"
           "Alcor commands:\n"
           "  status                      is all well?  If not, what to do\n"
           "  show                        print overview of the database\n"
           "  init-db                     add database Alcor to ovsdb-server,"
           "\n                              or convert an older one\n"
           "  explain COOKIE              which resource and plugin a flow's\n"
           "                              cookie stands for\n"
           "  keygen DIR                  make a CURVE key pair in DIR\n"
           "  topology [--dot | --svg]    what there is, as a tree or drawn\n"
           "  trace PORT FLOW             the way of a packet that PORT sends,"
           "\n                              each flow explained\n"
           "%s\n%s\n"
           "Options:\n"
           "  --db=DATABASE               connect to DATABASE\n"
           "                              (default: %s)\n"
           "  -t, --timeout=SECS          wait at most SECS seconds\n"
           "  --retry                     keep trying to connect to server\n"
           "  --dry-run                   do not commit changes to database\n"
           "  --oneline                   print exactly one line of output "
           "per command\n",
           program_name, program_name, ctl_get_db_cmd_usage(),
           ctl_list_db_tables_usage(), ctl_default_db());
    table_usage();
    vlog_usage();
    stream_usage("database", true, true, true);
    printf("\nOther options:\n"
           "  -h, --help                  display this help message\n"
           "  -V, --version               display version information\n");
    exit_with(EXIT_SUCCESS);
}

OVS_NO_RETURN static void
print_version(void)
{
    printf("%s (openvswitch-alcor) %s\n"
           "Open vSwitch library %s\n"
           "DB Schema %s\n", program_name, ALCOR_VERSION, VERSION,
           alcorrec_get_db_version());
    exit_with(EXIT_SUCCESS);
}

enum {
    OPT_DB = UCHAR_MAX + 1,
    OPT_ONELINE,
    OPT_DRY_RUN,
    OPT_BOOTSTRAP_CA_CERT,
    OPT_PEER_CA_CERT,
    OPT_LOCAL,
    OPT_RETRY,
    OPT_COMMANDS,
    OPT_OPTIONS,
    VLOG_OPTION_ENUMS,
    TABLE_OPTION_ENUMS,
    SSL_OPTION_ENUMS,
};

static const struct option long_options[] = {
    {"db", required_argument, NULL, OPT_DB},
    {"dry-run", no_argument, NULL, OPT_DRY_RUN},
    {"oneline", no_argument, NULL, OPT_ONELINE},
    {"timeout", required_argument, NULL, 't'},
    {"retry", no_argument, NULL, OPT_RETRY},
    {"help", no_argument, NULL, 'h'},
    {"commands", no_argument, NULL, OPT_COMMANDS},
    {"options", no_argument, NULL, OPT_OPTIONS},
    {"version", no_argument, NULL, 'V'},
    VLOG_LONG_OPTIONS,
    TABLE_LONG_OPTIONS,
    STREAM_SSL_LONG_OPTIONS,
    {"bootstrap-ca-cert", required_argument, NULL, OPT_BOOTSTRAP_CA_CERT},
    {"peer-ca-cert", required_argument, NULL, OPT_PEER_CA_CERT},
    {NULL, 0, NULL, 0},
};

/* For completion in a shell. */
OVS_NO_RETURN static void
print_list(int option)
{
    if (option == OPT_COMMANDS) {
        ctl_print_commands();
    } else {
        ctl_print_options(long_options);
    }
    exit_with(EXIT_SUCCESS);
}

static void
parse_option(int c, struct options *options)
{
    switch (c) {
    case OPT_DB:
        options->target.db = optarg;
        break;

    case OPT_ONELINE:
        options->oneline = true;
        break;

    case OPT_DRY_RUN:
        options->dry_run = true;
        break;

    case 'h':
        usage();

    case OPT_COMMANDS:
    case OPT_OPTIONS:
        print_list(c);

    case 'V':
        print_version();

    case 't':
        if (!str_to_uint(optarg, 10, &options->timeout)
            || !options->timeout) {
            ctl_fatal("value %s on -t or --timeout is invalid", optarg);
        }
        break;

    case OPT_RETRY:
        options->target.retry = true;
        break;

    VLOG_OPTION_HANDLERS
    TABLE_OPTION_HANDLERS(&options->table_style)
    STREAM_SSL_OPTION_HANDLERS

    case OPT_PEER_CA_CERT:
        stream_ssl_set_peer_ca_cert_file(optarg);
        break;

    case OPT_BOOTSTRAP_CA_CERT:
        stream_ssl_set_ca_cert_file(optarg, true);
        break;

    case '?':
        exit_with(EXIT_FAILURE);

    case 0:
        break;

    default:
        abort();
    }
}

/* Options before the first command may belong to it: those are stored in
 * 'local_options'. */
static void
parse_options(int argc, char *argv[], struct options *options,
              struct shash *local_options)
{
    char *tmp = ovs_cmdl_long_options_to_short_options(long_options);
    char *short_options = xasprintf("+%s", tmp);
    size_t n_options = ARRAY_SIZE(long_options) - 1;
    size_t allocated_options = ARRAY_SIZE(long_options);
    struct option *all = xmemdup(long_options, sizeof long_options);

    free(tmp);
    ctl_add_cmd_options(&all, &n_options, &allocated_options, OPT_LOCAL);
    for (;;) {
        int idx;
        int c = getopt_long(argc, argv, short_options, all, &idx);

        if (c == -1) {
            break;
        } else if (c == OPT_LOCAL) {
            if (shash_find(local_options, all[idx].name)) {
                ctl_fatal("'%s' option specified multiple times",
                          all[idx].name);
            }
            shash_add_nocopy(local_options,
                             xasprintf("--%s", all[idx].name),
                             nullable_xstrdup(optarg));
        } else {
            parse_option(c, options);
        }
    }
    free(short_options);
    for (size_t i = ARRAY_SIZE(long_options) - 1; all[i].name; i++) {
        free(CONST_CAST(char *, all[i].name));
    }
    free(all);
    if (!options->target.db) {
        options->target.db = ctl_default_db();
    }
}

/* Commands on the database. */

/* Runs the commands in the_idl_txn.  Returns false if they have to be run
 * again when the database has changed. */
static bool
run_commands(struct ctl_command *commands, size_t n_commands,
             struct ovsdb_symbol_table *symtab)
{
    struct ctl_context ctx;
    bool again = false;

    for (size_t i = 0; i < n_commands; i++) {
        ds_init(&commands[i].output);
        commands[i].table = NULL;
    }
    ctl_context_init(&ctx, NULL, the_idl, the_idl_txn, symtab, NULL);
    for (size_t i = 0; i < n_commands && !again; i++) {
        ctl_context_init_command(&ctx, &commands[i], i == n_commands - 1);
        if (commands[i].syntax->run) {
            commands[i].syntax->run(&ctx);
        }
        if (ctx.error) {
            ctl_fatal("%s", ctx.error);
        }
        ctl_context_done_command(&ctx, &commands[i]);
        again = ctx.try_again;
    }
    ctl_context_done(&ctx, NULL);
    return !again;
}

static void
check_symbols(const struct ovsdb_symbol_table *symtab)
{
    const struct shash_node *node;

    SHASH_FOR_EACH (node, &symtab->sh) {
        const struct ovsdb_symbol *symbol = node->data;

        if (!symbol->created) {
            ctl_fatal("row id \"%s\" is referenced but never created (e.g. "
                      "with \"-- --id=%s create ...\")",
                      node->name, node->name);
        }
    }
}

/* After the transaction. */
static void
postprocess(struct ctl_command *commands, size_t n_commands,
            struct ovsdb_symbol_table *symtab)
{
    for (size_t i = 0; i < n_commands; i++) {
        if (commands[i].syntax->postprocess) {
            struct ctl_context ctx;

            ctl_context_init(&ctx, &commands[i], the_idl, the_idl_txn,
                             symtab, NULL);
            commands[i].syntax->postprocess(&ctx);
            if (ctx.error) {
                ctl_fatal("%s", ctx.error);
            }
            ctl_context_done(&ctx, &commands[i]);
        }
    }
}

static void
print_oneline(struct ds *output)
{
    ds_chomp(output, '\n');
    for (size_t i = 0; i < output->length; i++) {
        char c = output->string[i];

        if (c == '\n') {
            fputs("\\n", stdout);
        } else if (c == '\\') {
            fputs("\\\\", stdout);
        } else {
            putchar(c);
        }
    }
    putchar('\n');
}

static void
free_output(struct ctl_command *commands, size_t n_commands)
{
    for (size_t i = 0; i < n_commands; i++) {
        ds_destroy(&commands[i].output);
        table_destroy(commands[i].table);
        free(commands[i].table);
        commands[i].table = NULL;
    }
}

static void
print_output(const struct options *options, struct ctl_command *commands,
             size_t n_commands)
{
    for (size_t i = 0; i < n_commands; i++) {
        struct ctl_command *c = &commands[i];

        if (c->table) {
            table_print(c->table, &options->table_style);
        } else if (options->oneline) {
            print_oneline(&c->output);
        } else {
            fputs(ds_cstr(&c->output), stdout);
        }
    }
}

/* Runs the commands as one transaction.  Returns false if that has to be done
 * again when the database has changed. */
static bool
transact(const struct options *options, const char *args,
         struct ctl_command *commands, size_t n_commands)
{
    struct ovsdb_symbol_table *symtab = ovsdb_symbol_table_create();
    enum ovsdb_idl_txn_status status = TXN_TRY_AGAIN;

    the_idl_txn = ovsdb_idl_txn_create(the_idl);
    if (options->dry_run) {
        ovsdb_idl_txn_set_dry_run(the_idl_txn);
    }
    ovsdb_idl_txn_add_comment(the_idl_txn, "alcor-ctl: %s", args);
    if (run_commands(commands, n_commands, symtab)) {
        check_symbols(symtab);
        status = ovsdb_idl_txn_commit_block(the_idl_txn);
    }
    if (status == TXN_UNCHANGED || status == TXN_SUCCESS) {
        postprocess(commands, n_commands, symtab);
        print_output(options, commands, n_commands);
    } else if (status != TXN_TRY_AGAIN) {
        ctl_fatal("transaction error: %s",
                  ovsdb_idl_txn_get_error(the_idl_txn));
    } else {
        ovsdb_idl_txn_abort(the_idl_txn);
    }
    ovsdb_symbol_table_destroy(symtab);
    free_output(commands, n_commands);
    ovsdb_idl_txn_destroy(the_idl_txn);
    the_idl_txn = NULL;
    return status != TXN_TRY_AGAIN;
}

static void
run_prerequisites(struct ctl_command *commands, size_t n_commands)
{
    for (size_t i = 0; i < n_commands; i++) {
        if (commands[i].syntax->prerequisites) {
            struct ctl_context ctx;

            ds_init(&commands[i].output);
            commands[i].table = NULL;
            ctl_context_init(&ctx, &commands[i], the_idl, NULL, NULL, NULL);
            commands[i].syntax->prerequisites(&ctx);
            if (ctx.error) {
                ctl_fatal("%s", ctx.error);
            }
            ctl_context_done(&ctx, &commands[i]);
            ovs_assert(!commands[i].output.string);
            ovs_assert(!commands[i].table);
        }
    }
}

static void
run_on_database(const struct options *options,
                const struct database *database, const char *args,
                struct ctl_command *commands, size_t n_commands)
{
    char *error = (database == &agent_database
                   ? ctl_find_database(&options->target) : NULL);

    if (error) {
        ctl_fatal("%s (run \"alcor-ctl status\" to see what to do)", error);
    }
    the_idl = ovsdb_idl_create_unconnected(database->class, false);
    ovsdb_idl_set_remote(the_idl, options->target.db, options->target.retry);
    ovsdb_idl_set_db_change_aware(the_idl, false);
    run_prerequisites(commands, n_commands);

    /* There is no point in trying again before the database has changed. */
    unsigned int seqno = ovsdb_idl_get_seqno(the_idl);
    for (;;) {
        ovsdb_idl_run(the_idl);
        if (!ovsdb_idl_is_alive(the_idl)) {
            int retval = ovsdb_idl_get_last_error(the_idl);

            ctl_fatal("%s: database connection failed (%s)",
                      options->target.db, ovs_retval_to_string(retval));
        }
        if (seqno != ovsdb_idl_get_seqno(the_idl)) {
            seqno = ovsdb_idl_get_seqno(the_idl);
            if (transact(options, args, commands, n_commands)) {
                return;
            }
        }
        if (seqno == ovsdb_idl_get_seqno(the_idl)) {
            ovsdb_idl_wait(the_idl);
            poll_block();
        }
    }
}

int
main(int argc, char *argv[])
{
    struct options options = { .table_style = TABLE_STYLE_DEFAULT };
    struct shash local_options = SHASH_INITIALIZER(&local_options);
    struct ctl_command *commands;
    size_t n_commands;

    ovs_set_program_name(argv[0], ALCOR_VERSION);
    fatal_ignore_sigpipe();
    vlog_set_levels(NULL, VLF_CONSOLE, VLL_WARN);
    vlog_set_levels_from_string_assert("reconnect:warn");
    const struct database *database = choose_database(argc, argv);
    ctl_init__(database->class, database->rows, database->show, exit_with);
    ctl_register_commands(command_syntax);

    char *args = process_escape_args(argv);
    parse_options(argc, argv, &options, &local_options);
    char *error = ctl_parse_commands(argc - optind, argv + optind,
                                     &local_options, &commands, &n_commands);
    if (error) {
        ctl_fatal("%s", error);
    }
    VLOG(ctl_might_write_to_db(commands, n_commands) ? VLL_INFO : VLL_DBG,
         "Called as %s", args);
    ctl_timeout_setup(options.timeout);

    run_lone_command(&options, commands, n_commands);
    run_on_database(&options, database, args, commands, n_commands);
    for (size_t i = 0; i < n_commands; i++) {
        shash_destroy_free_data(&commands[i].options);
    }
    free(commands);
    free(args);
    exit_with(EXIT_SUCCESS);
}
