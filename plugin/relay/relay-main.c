/* SPDX-License-Identifier: Apache-2.0
 *
 * relay-main: options and main loop of alcor-relay. */

#include <config.h>

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include "command-line.h"
#include "daemon.h"
#include "dirs.h"
#include "dummy.h"
#include "fatal-signal.h"
#include "fault-point.h"
#include "ingest/zmq-server.h"
#include "limit.h"
#include "memory.h"
#include "open-files.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "ovs-rcu.h"
#include "relay/relay.h"
#include "simap.h"
#include "stream.h"
#include "stream-ssl.h"
#include "timeval.h"
#include "unixctl.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(relay_main);

/* Enough for a relay with some hosts: each needs two. */
#define MIN_OPEN_FILES 256

#define MEGABYTE ((size_t) 1024 * 1024)
#define DEFAULT_UNICAST_HOSTS 2
#define DEFAULT_ON_DEMAND_RATE 1000
#define DEFAULT_MAX_WAITING_MB 128

OVS_NO_RETURN static void
usage(void)
{
    printf("%s: distributes the goal state of an Alcor cloud network\n"
           "usage: %s [OPTIONS] --publish=ENDPOINT --control=ENDPOINT\n"
           "where ENDPOINT is tcp://IP:PORT, tcp://*:PORT or ipc://PATH.\n"
           "Agents are given these as alcor-remote and alcor-control;\n"
           "controllers, and alcor-publish --relay, the second one.\n",
           program_name, program_name);
    stream_usage("DATABASE", true, false, true);
    daemon_usage();
    vlog_usage();
    printf("\nOther options:\n"
           "  --publish=ENDPOINT      where goal state is published\n"
           "  --control=ENDPOINT      the control channel\n"
           "  --state=DIR             where state is kept (default:\n"
           "                          %s/alcor-relay)\n"
           "  --sender=ID             our id towards hosts (default:\n"
           "                          alcor-relay)\n"
           "  --db=DATABASE           registry of nodes, an OVSDB connection\n"
           "                          method (default: none)\n"
           "  --upstream=PUB,CONTROL  a server above us; may be given more\n"
           "                          than once, the first is preferred\n"
           "  --upstream-key=FILE     its public key\n"
           "  --node-id=ID            our id towards it (default: that of\n"
           "                          --sender)\n"
           "  --no-learn              only registered nodes may come\n"
           "  --unicast-hosts=N       neighbours of a VPC in at most N hosts\n"
           "                          are not sent by topic (default: %d)\n"
           "  --on-demand-rate=N      destinations that a host may ask for\n"
           "                          in a second (default: %d)\n"
           "  --max-waiting=MB        what may wait for slow subscribers\n"
           "                          (default: %d)\n"
           "  --limits=NAME=N,...     limits: see limits/show\n"
           "  --curve-key=FILE        our keys: encrypt\n"
           "  --curve-clients=DIR     keys of those who may connect\n"
           "  --unixctl=SOCKET        override default control socket name\n"
           "  --enable-dummy          time warp, for tests\n"
           "  -h, --help              display this help message\n"
           "  -V, --version           display version information\n",
           ovs_dbdir(), DEFAULT_UNICAST_HOSTS, DEFAULT_ON_DEMAND_RATE,
           DEFAULT_MAX_WAITING_MB);
    exit(EXIT_SUCCESS);
}

struct arguments {
    struct relay_options relay;
    char *unixctl_path;
    char *state_dir;
    struct ds upstream_publish, upstream_control;
};

enum {
    OPT_PUBLISH = UCHAR_MAX + 1,
    OPT_CONTROL,
    OPT_STATE,
    OPT_SENDER,
    OPT_DB,
    OPT_UPSTREAM,
    OPT_UPSTREAM_KEY,
    OPT_NODE_ID,
    OPT_NO_LEARN,
    OPT_UNICAST_HOSTS,
    OPT_ON_DEMAND_RATE,
    OPT_MAX_WAITING,
    OPT_LIMITS,
    OPT_CURVE_KEY,
    OPT_CURVE_CLIENTS,
    OPT_UNIXCTL,
    OPT_ENABLE_DUMMY,
    VLOG_OPTION_ENUMS,
    DAEMON_OPTION_ENUMS,
    SSL_OPTION_ENUMS,
};

static unsigned int
parse_number(const char *option, unsigned int max)
{
    unsigned int value;

    if (!str_to_uint(optarg, 10, &value) || value > max) {
        VLOG_FATAL("--%s: expected a number of at most %u, found \"%s\"",
                   option, max, optarg);
    }
    return value;
}

static const char *
parse_endpoint(const char *option)
{
    char *error = zmq_server_check_endpoint(optarg);

    if (error) {
        VLOG_FATAL("--%s: %s", option, error);
    }
    return optarg;
}

/* Adds the pair of endpoints in 'optarg'. */
static void
parse_upstream(struct arguments *args)
{
    const char *comma = strchr(optarg, ',');

    if (!comma || strchr(comma + 1, ',')) {
        VLOG_FATAL("--upstream: expected two endpoints with a comma in "
                   "between, found \"%s\"", optarg);
    }
    if (args->upstream_publish.length) {
        ds_put_char(&args->upstream_publish, ',');
        ds_put_char(&args->upstream_control, ',');
    }
    ds_put_buffer(&args->upstream_publish, optarg, comma - optarg);
    ds_put_cstr(&args->upstream_control, comma + 1);
    args->relay.upstream_publish = ds_cstr(&args->upstream_publish);
    args->relay.upstream_control = ds_cstr(&args->upstream_control);
}

/* Those that the relay uses: it links a library that has more. */
static void
restrict_limits(void)
{
    static const char *const folders[] = {
        "/ingest/", "/relay/", "/store/", NULL,
    };

    limits_restrict(folders);
}

static void
parse_limits(void)
{
    char *error = limits_check(optarg);

    if (error) {
        VLOG_FATAL("--limits: %s", error);
    }
    limits_set(optarg);
}

static bool
parse_relay_option(int c, struct relay_options *o)
{
    switch (c) {
    case OPT_PUBLISH:
        o->publish = parse_endpoint("publish");
        return true;
    case OPT_CONTROL:
        o->control = parse_endpoint("control");
        return true;
    case OPT_STATE:
        o->state_dir = optarg;
        return true;
    case OPT_SENDER:
        if (!optarg[0] || strlen(optarg) > 255) {
            VLOG_FATAL("--sender: expected an id of 1 to 255 bytes");
        }
        o->sender = optarg;
        return true;
    case OPT_DB:
        o->db_remote = optarg;
        return true;
    case OPT_NODE_ID:
        if (!optarg[0] || strlen(optarg) > 255) {
            VLOG_FATAL("--node-id: expected an id of 1 to 255 bytes");
        }
        o->node_id = optarg;
        return true;
    case OPT_UPSTREAM_KEY:
        o->upstream_key = optarg;
        return true;
    case OPT_NO_LEARN:
        o->learn_nodes = false;
        return true;
    case OPT_UNICAST_HOSTS:
        o->unicast_hosts = parse_number("unicast-hosts", 100000);
        return true;
    case OPT_ON_DEMAND_RATE:
        o->on_demand_rate = parse_number("on-demand-rate", 1000000);
        return true;
    case OPT_MAX_WAITING:
        o->max_waiting = parse_number("max-waiting", 65536) * MEGABYTE;
        return true;
    case OPT_CURVE_KEY:
        o->curve_key = optarg;
        return true;
    case OPT_CURVE_CLIENTS:
        o->curve_clients = optarg;
        return true;
    }
    return false;
}

static void
parse_option(int c, struct arguments *args)
{
    if (parse_relay_option(c, &args->relay)) {
        return;
    }
    switch (c) {
    VLOG_OPTION_HANDLERS
    DAEMON_OPTION_HANDLERS
    STREAM_SSL_OPTION_HANDLERS

    case OPT_UPSTREAM:
        parse_upstream(args);
        break;

    case OPT_LIMITS:
        parse_limits();
        break;

    case OPT_UNIXCTL:
        args->unixctl_path = optarg;
        break;

    case OPT_ENABLE_DUMMY:
        timeval_dummy_register();
        break;

    case 'h':
        usage();

    case 'V':
        printf("%s (openvswitch-alcor) %s\n"
               "Open vSwitch library %s\n", program_name, ALCOR_VERSION,
               VERSION);
        exit(EXIT_SUCCESS);

    case '?':
        exit(EXIT_FAILURE);

    default:
        abort();
    }
}

static void
check_options(const struct relay_options *o)
{
    if (!o->publish || !o->control) {
        VLOG_FATAL("--publish and --control are required; use --help for "
                   "usage");
    }
    if (!o->curve_key != !o->curve_clients) {
        VLOG_FATAL("--curve-key and --curve-clients go together");
    }
    if (o->upstream_key && (!o->curve_key || !o->upstream_publish)) {
        VLOG_FATAL("--upstream-key needs --curve-key and --upstream");
    }
    if (o->curve_key && o->upstream_publish && !o->upstream_key) {
        VLOG_FATAL("with --curve-key, --upstream needs --upstream-key");
    }
}

static void
parse_options(int argc, char *argv[], struct arguments *args)
{
    static const struct option long_options[] = {
        {"publish", required_argument, NULL, OPT_PUBLISH},
        {"control", required_argument, NULL, OPT_CONTROL},
        {"state", required_argument, NULL, OPT_STATE},
        {"sender", required_argument, NULL, OPT_SENDER},
        {"db", required_argument, NULL, OPT_DB},
        {"upstream", required_argument, NULL, OPT_UPSTREAM},
        {"upstream-key", required_argument, NULL, OPT_UPSTREAM_KEY},
        {"node-id", required_argument, NULL, OPT_NODE_ID},
        {"no-learn", no_argument, NULL, OPT_NO_LEARN},
        {"unicast-hosts", required_argument, NULL, OPT_UNICAST_HOSTS},
        {"on-demand-rate", required_argument, NULL, OPT_ON_DEMAND_RATE},
        {"max-waiting", required_argument, NULL, OPT_MAX_WAITING},
        {"limits", required_argument, NULL, OPT_LIMITS},
        {"curve-key", required_argument, NULL, OPT_CURVE_KEY},
        {"curve-clients", required_argument, NULL, OPT_CURVE_CLIENTS},
        {"unixctl", required_argument, NULL, OPT_UNIXCTL},
        {"enable-dummy", no_argument, NULL, OPT_ENABLE_DUMMY},
        {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'V'},
        VLOG_LONG_OPTIONS,
        DAEMON_LONG_OPTIONS,
        STREAM_SSL_LONG_OPTIONS,
        {NULL, 0, NULL, 0},
    };
    char *short_options
        = ovs_cmdl_long_options_to_short_options(long_options);

    for (;;) {
        int c = getopt_long(argc, argv, short_options, long_options, NULL);
        if (c == -1) {
            break;
        }
        parse_option(c, args);
    }
    free(short_options);
    if (argc > optind) {
        VLOG_FATAL("non-option arguments are not accepted; use --help for "
                   "usage");
    }
    check_options(&args->relay);
    if (!args->relay.node_id) {
        args->relay.node_id = args->relay.sender;
    }
    if (!args->relay.state_dir) {
        args->state_dir = xasprintf("%s/alcor-relay", ovs_dbdir());
        args->relay.state_dir = args->state_dir;
    }
}

static void
report_memory(struct relay *relay)
{
    memory_run();
    if (memory_should_report()) {
        struct simap usage = SIMAP_INITIALIZER(&usage);

        relay_get_memory_usage(relay, &usage);
        memory_report(&usage);
        simap_destroy(&usage);
    }
}

int
main(int argc, char *argv[])
{
    struct arguments args = {
        .relay = {
            .sender = "alcor-relay",
            .learn_nodes = true,
            .unicast_hosts = DEFAULT_UNICAST_HOSTS,
            .on_demand_rate = DEFAULT_ON_DEMAND_RATE,
            .max_waiting = DEFAULT_MAX_WAITING_MB * MEGABYTE,
        },
        .upstream_publish = DS_EMPTY_INITIALIZER,
        .upstream_control = DS_EMPTY_INITIALIZER,
    };
    struct unixctl_server *unixctl;
    struct relay *relay;

    ovs_set_program_name(argv[0], ALCOR_VERSION);
    restrict_limits();
    ovs_cmdl_proctitle_init(argc, argv);
    service_start(&argc, &argv);
    parse_options(argc, argv, &args);
    fatal_ignore_sigpipe();
    open_files_raise(MIN_OPEN_FILES);
    daemonize_start(false);
    int retval = unixctl_server_create(args.unixctl_path, &unixctl);
    if (retval) {
        exit(EXIT_FAILURE);
    }
    fault_init(FAULT_RELAY);
    char *error = relay_open(&args.relay, &relay);
    if (error) {
        VLOG_FATAL("%s", error);
    }
    daemonize_complete();
    VLOG_INFO("alcor-relay %s starts", ALCOR_VERSION);

    while (!relay_should_exit(relay)) {
        report_memory(relay);
        relay_run(relay);
        unixctl_server_run(unixctl);

        memory_wait();
        relay_wait(relay);
        unixctl_server_wait(unixctl);
        fault_wait();
        poll_block();
        if (should_service_stop()) {
            break;
        }
    }

    relay_close(relay);
    unixctl_server_destroy(unixctl);
    free(args.state_dir);
    ds_destroy(&args.upstream_publish);
    ds_destroy(&args.upstream_control);
    service_stop();
    vlog_disable_async();
    ovsrcu_exit();
    return 0;
}
