/* SPDX-License-Identifier: Apache-2.0
 *
 * test-apply-ovsdb: a daemon that applies what unixctl commands tell it.
 *
 *     alcortest test-apply-ovsdb [OPTIONS] DATABASE
 *
 * Options are those of OVS daemons, and --unixctl.  It has the sinks of
 * apply-ovsdb and next-hop, and a dummy for flows.  Commands:
 *
 *     set KEY=VALUE...               settings (bridge, datapath-type, ...)
 *     underlay DATAPATH_TYPE IP      settings of next hops
 *     complete                       desired state is complete
 *     want UNIT [SINK KEY VALUE]...  translates a unit
 *     hosts UNIT N                   the same, with next hops 10.1.0.1...
 *     withdraw UNIT
 *     sync                           replies when all is in effect
 *     show
 *     reset                          resets next hops
 *     cleanup                        replies when all is removed
 *     exit
 *
 * and time/stop and time/warp as in OVS's own tests. */

#include <config.h>

#undef NDEBUG
#include "apply/apply-ovsdb.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include "alcortest.h"
#include "apply/commit.h"
#include "apply/desired-state.h"
#include "apply/next-hop.h"
#include "apply/sink-provider.h"
#include "command-line.h"
#include "daemon.h"
#include "dummy.h"
#include "fatal-signal.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/shash.h"
#include "openvswitch/vlog.h"
#include "packets.h"
#include "smap.h"
#include "unixctl.h"
#include "util.h"

struct test {
    struct desired_state *ds;
    struct apply_ovsdb *ovsdb;
    struct next_hop *nh;
    struct sink *dummy;
    struct commit *commit;
    struct shash units;         /* Contains "struct ds_unit"s. */
    struct smap settings;
    bool exiting;

    struct unixctl_conn *sync;  /* Waits for 'mark', or null. */
    struct ds_mark mark;
    struct unixctl_conn *cleanup; /* Waits for cleaning up, or null. */
};

/* Settings. */

static void
cmd_set(struct unixctl_conn *conn, int argc, const char *argv[], void *test_)
{
    struct test *test = test_;

    for (int i = 1; i < argc; i++) {
        const char *value = strchr(argv[i], '=');
        char *key = xmemdup0(argv[i], value - argv[i]);

        smap_replace(&test->settings, key, value + 1);
        free(key);
    }

    const struct smap *s = &test->settings;
    const struct ovsdb_settings settings = {
        .bridge = smap_get(s, "bridge"),
        .datapath_type = smap_get(s, "datapath-type"),
        .local_ip = smap_get(s, "local-ip"),
        .encap_csum = smap_get_bool(s, "csum", false),
        .encap_df = smap_get_bool(s, "df", true),
        .encap_tos = smap_get_def(s, "tos", "inherit"),
        .encap_port = smap_get_int(s, "port", 4789),
    };
    apply_ovsdb_set(test->ovsdb, &settings);
    unixctl_command_reply(conn, NULL);
}

static bool
parse_ip(const char *s, struct in6_addr *ip)
{
    ovs_be32 ip4;

    if (ip_parse(s, &ip4)) {
        in6_addr_set_mapped_ipv4(ip, ip4);
        return true;
    }
    return ipv6_parse(s, ip);
}

static void
cmd_underlay(struct unixctl_conn *conn, int argc OVS_UNUSED,
             const char *argv[], void *test_)
{
    struct test *test = test_;
    struct in6_addr ip;

    ovs_assert(parse_ip(argv[2], &ip));
    next_hop_set(test->nh, argv[1], &ip);
    unixctl_command_reply(conn, NULL);
}

static void
cmd_complete(struct unixctl_conn *conn, int argc OVS_UNUSED,
             const char *argv[] OVS_UNUSED, void *test_)
{
    struct test *test = test_;

    apply_ovsdb_readback(test->ovsdb);
    unixctl_command_reply(conn, NULL);
}

/* Units. */

static struct ds_unit *
get_unit(struct test *test, const char *name)
{
    struct ds_unit *unit = shash_find_data(&test->units, name);

    if (!unit) {
        unit = xmalloc(sizeof *unit);
        ds_unit_init(unit, xstrdup(name), 0, DS_PRIO_PORT);
        shash_add(&test->units, name, unit);
    }
    return unit;
}

static void
contribute(struct test *test, struct ds_unit *unit, const char *sink_name,
           const char *key, const char *value)
{
    int sink = 0;

    while (strcmp(ds_sink_to_string(sink), sink_name)) {
        ovs_assert(++sink < DS_N_SINKS);
    }
    if (sink == DS_NEXT_HOP) {
        struct eth_addr mac;
        struct in6_addr ip;

        ovs_assert(parse_ip(key, &ip));
        ovs_assert(eth_addr_from_string(value, &mac));
        ds_contribute(test->ds, unit, sink, DS_EXCLUSIVE, 0, &ip, sizeof ip,
                      &mac, sizeof mac);
    } else {
        ds_contribute(test->ds, unit, sink, DS_EXCLUSIVE, 0,
                      key, strlen(key), value, strlen(value));
    }
}

static void
cmd_want(struct unixctl_conn *conn, int argc, const char *argv[], void *test_)
{
    struct test *test = test_;
    struct ds_unit *unit = get_unit(test, argv[1]);

    ds_unit_begin(test->ds, unit);
    for (int i = 2; i + 2 < argc; i += 3) {
        contribute(test, unit, argv[i], argv[i + 1], argv[i + 2]);
    }
    ds_unit_end(test->ds, unit);
    unixctl_command_reply(conn, NULL);
}

/* "hosts UNIT N": wants next hops 10.1.0.0 + 1...N. */
static void
cmd_hosts(struct unixctl_conn *conn, int argc OVS_UNUSED, const char *argv[],
          void *test_)
{
    struct test *test = test_;
    struct ds_unit *unit = get_unit(test, argv[1]);

    ds_unit_begin(test->ds, unit);
    for (unsigned int i = 1; i <= atoi(argv[2]); i++) {
        struct eth_addr mac = ETH_ADDR_C(aa,00,00,00,00,00);
        struct in6_addr ip = in6_addr_mapped_ipv4(htonl(0x0a010000 + i));

        mac.ea[4] = i >> 8;
        mac.ea[5] = i;
        ds_contribute(test->ds, unit, DS_NEXT_HOP, DS_EXCLUSIVE, 0,
                      &ip, sizeof ip, &mac, sizeof mac);
    }
    ds_unit_end(test->ds, unit);
    unixctl_command_reply(conn, NULL);
}

static void
cmd_withdraw(struct unixctl_conn *conn, int argc OVS_UNUSED,
             const char *argv[], void *test_)
{
    struct test *test = test_;

    ds_unit_withdraw(test->ds, get_unit(test, argv[1]));
    unixctl_command_reply(conn, NULL);
}

/* Results. */

static void
cmd_sync(struct unixctl_conn *conn, int argc OVS_UNUSED,
         const char *argv[] OVS_UNUSED, void *test_)
{
    struct test *test = test_;

    if (test->sync) {
        unixctl_command_reply_error(conn, "one at a time");
    } else {
        test->sync = conn;
        test->mark = ds_mark(test->ds);
    }
}

static void
show_binding(const char *iface_id, const char *iface, uint16_t ofport,
             void *s)
{
    ds_put_format(s, "binding %s: %s %"PRIu16"\n", iface_id, iface, ofport);
}

static void
show_tunnel(const char *encap, uint16_t ofport, void *s)
{
    ds_put_format(s, "tunnel %s: %"PRIu16"\n", encap, ofport);
}

static void
cmd_show(struct unixctl_conn *conn, int argc OVS_UNUSED,
         const char *argv[] OVS_UNUSED, void *test_)
{
    struct test *test = test_;
    struct ds s = DS_EMPTY_INITIALIZER;
    const struct shash_node **nodes = shash_sort(&test->units);

    commit_describe(test->commit, &s);
    ds_put_format(&s, "%s, %s, %s\n",
                  commit_is_ready(test->commit) ? "ready" : "not ready",
                  commit_is_idle(test->commit) ? "idle" : "busy",
                  apply_ovsdb_datapath_type(test->ovsdb));
    if (apply_ovsdb_bridge_exists(test->ovsdb)) {
        ds_put_cstr(&s, "bridge exists\n");
    }
    for (size_t i = 0; i < shash_count(&test->units); i++) {
        const struct ds_unit *unit = nodes[i]->data;

        ds_put_format(&s, "unit %s: %s\n", unit->name,
                      unit->failed ? unit->error : "ok");
    }
    free(nodes);
    apply_ovsdb_for_each_binding(test->ovsdb, show_binding, &s);
    apply_ovsdb_for_each_tunnel(test->ovsdb, show_tunnel, &s);
    unixctl_command_reply(conn, ds_cstr(&s));
    ds_destroy(&s);
}

static void
cmd_reset(struct unixctl_conn *conn, int argc OVS_UNUSED,
          const char *argv[] OVS_UNUSED, void *test_)
{
    struct test *test = test_;

    next_hop_reset(test->nh);
    unixctl_command_reply(conn, NULL);
}

static void
cmd_cleanup(struct unixctl_conn *conn, int argc OVS_UNUSED,
            const char *argv[] OVS_UNUSED, void *test_)
{
    struct test *test = test_;

    ovs_assert(!test->cleanup);
    test->cleanup = conn;
}

static void
cmd_exit(struct unixctl_conn *conn, int argc OVS_UNUSED,
         const char *argv[] OVS_UNUSED, void *test_)
{
    struct test *test = test_;

    test->exiting = true;
    unixctl_command_reply(conn, NULL);
}

/* Main loop. */

static void
register_commands(struct test *test)
{
    unixctl_command_register("set", "KEY=VALUE...", 0, INT_MAX, cmd_set,
                             test);
    unixctl_command_register("underlay", "TYPE IP", 2, 2, cmd_underlay, test);
    unixctl_command_register("complete", "", 0, 0, cmd_complete, test);
    unixctl_command_register("want", "UNIT [SINK KEY VALUE]...", 1, INT_MAX,
                             cmd_want, test);
    unixctl_command_register("hosts", "UNIT N", 2, 2, cmd_hosts, test);
    unixctl_command_register("withdraw", "UNIT", 1, 1, cmd_withdraw, test);
    unixctl_command_register("sync", "", 0, 0, cmd_sync, test);
    unixctl_command_register("show", "", 0, 0, cmd_show, test);
    unixctl_command_register("reset", "", 0, 0, cmd_reset, test);
    unixctl_command_register("cleanup", "", 0, 0, cmd_cleanup, test);
    unixctl_command_register("exit", "", 0, 0, cmd_exit, test);
}

static void
test_init(struct test *test, const char *database)
{
    *test = (struct test) { .ds = desired_state_create() };
    shash_init(&test->units);
    smap_init(&test->settings);
    test->ovsdb = apply_ovsdb_create(database, test->ds);
    test->nh = next_hop_create(test->ds);
    test->dummy = sink_dummy_create(test->ds);

    struct sink *sinks[DS_N_SINKS] = {
        [DS_OVSDB] = apply_ovsdb_sink(test->ovsdb),
        [DS_NEXT_HOP] = next_hop_sink(test->nh),
        [DS_OPENFLOW] = test->dummy,
        [DS_OVSDB_LATE] = apply_ovsdb_late_sink(test->ovsdb),
    };
    test->commit = commit_create(test->ds, sinks);
}

static void
test_destroy(struct test *test)
{
    struct shash_node *node;

    commit_destroy(test->commit);
    apply_ovsdb_destroy(test->ovsdb);
    next_hop_destroy(test->nh);
    sink_dummy_destroy(test->dummy);
    SHASH_FOR_EACH (node, &test->units) {
        ds_unit_withdraw(test->ds, node->data);
        ds_unit_uninit(node->data);
    }
    shash_destroy_free_data(&test->units);
    smap_destroy(&test->settings);
    desired_state_destroy(test->ds);
}

static void
test_run(struct test *test)
{
    apply_ovsdb_run(test->ovsdb);
    next_hop_run(test->nh);
    commit_run(test->commit);
    if (test->sync && commit_reached(test->commit, &test->mark)) {
        unixctl_command_reply(test->sync, NULL);
        test->sync = NULL;
    }
    if (test->cleanup && apply_ovsdb_cleanup(test->ovsdb)) {
        unixctl_command_reply(test->cleanup, NULL);
        test->cleanup = NULL;
    }
}

static void
test_wait(struct test *test)
{
    apply_ovsdb_wait(test->ovsdb);
    next_hop_wait(test->nh);
    commit_wait(test->commit);
    if ((test->sync && commit_reached(test->commit, &test->mark))
        || test->cleanup) {
        poll_immediate_wake();
    }
}

/* Parses options and returns the database. */
static char *
parse_options(int argc, char *argv[], char **unixctl_path)
{
    enum {
        OPT_UNIXCTL = UCHAR_MAX + 1,
        DAEMON_OPTION_ENUMS,
        VLOG_OPTION_ENUMS
    };
    static const struct option long_options[] = {
        {"unixctl", required_argument, NULL, OPT_UNIXCTL},
        DAEMON_LONG_OPTIONS,
        VLOG_LONG_OPTIONS,
        {NULL, 0, NULL, 0},
    };
    char *short_options = ovs_cmdl_long_options_to_short_options(long_options);
    int c;

    while ((c = getopt_long(argc, argv, short_options, long_options, NULL))
           != -1) {
        switch (c) {
        case OPT_UNIXCTL:
            *unixctl_path = optarg;
            break;

        DAEMON_OPTION_HANDLERS
        VLOG_OPTION_HANDLERS

        default:
            exit(EXIT_FAILURE);
        }
    }
    free(short_options);
    ovs_assert(optind == argc - 1);
    return argv[optind];
}

static void
test_apply_ovsdb(int argc, char *argv[])
{
    struct unixctl_server *unixctl;
    char *unixctl_path = NULL;
    struct test test;

    ovs_cmdl_proctitle_init(argc, argv);
    set_program_name(argv[0]);
    fatal_ignore_sigpipe();

    char *database = parse_options(argc, argv, &unixctl_path);
    daemonize_start(false);
    ovs_assert(!unixctl_server_create(unixctl_path, &unixctl));
    test_init(&test, database);
    register_commands(&test);
    timeval_dummy_register();
    daemonize_complete();

    while (!test.exiting) {
        test_run(&test);
        unixctl_server_run(unixctl);

        test_wait(&test);
        unixctl_server_wait(unixctl);
        if (test.exiting) {
            poll_immediate_wake();
        }
        poll_block();
    }
    test_destroy(&test);
    unixctl_server_destroy(unixctl);
}

ALCORTEST_REGISTER("test-apply-ovsdb", test_apply_ovsdb);
