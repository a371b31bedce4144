/* SPDX-License-Identifier: Apache-2.0
 *
 * agent-main: options and main loop of alcor-agent. */

#include <config.h>

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include "agent.h"
#include "command-line.h"
#include "daemon.h"
#include "dirs.h"
#include "dummy.h"
#include "fatal-signal.h"
#include "fault-point.h"
#include "memory.h"
#include "open-files.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vconn.h"
#include "openvswitch/vlog.h"
#include "ovs-rcu.h"
#include "ovs-thread.h"
#include "simap.h"
#include "stream.h"
#include "stream-ssl.h"
#include "timeval.h"
#include "unixctl.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(agent_main);

/* About four times what an agent needs that has a few servers. */
#define MIN_OPEN_FILES 256

OVS_NO_RETURN static void
usage(void)
{
    printf("%s: per-host agent of an Alcor cloud network, for Open vSwitch\n"
           "usage: %s [OPTIONS] [DATABASE]\n"
           "where DATABASE is a socket on which ovsdb-server is listening\n"
           "      (default: \"unix:%s/db.sock\").\n"
           "It is configured by external_ids of the Open_vSwitch row:\n"
           "  ovs-vsctl set Open_vSwitch . external_ids:alcor-host-ip=IP \\\n"
           "      external_ids:alcor-remote=tcp://CONTROLLER:9710 \\\n"
           "      external_ids:alcor-control=tcp://CONTROLLER:9711\n",
           program_name, program_name, ovs_rundir());
    stream_usage("DATABASE", true, false, true);
    daemon_usage();
    vlog_usage();
    printf("\nOther options:\n"
           "  --unixctl=SOCKET        override default control socket name\n"
           "  --state-dir=DIR         where goal state is kept (default:\n"
           "                          %s/alcor)\n"
           "  --dummy-dataplane       confirm everything, install nothing\n"
           "  --enable-dummy          time warp, for tests\n"
           "  -h, --help              display this help message\n"
           "  -V, --version           display version information\n",
           ovs_dbdir());
    exit(EXIT_SUCCESS);
}

static void
print_version(void)
{
    printf("%s (openvswitch-alcor) %s\n"
           "Open vSwitch library %s\n", program_name, ALCOR_VERSION, VERSION);
}

struct arguments {
    struct agent_options agent;
    char *unixctl_path;
    char *db_remote;
};

enum {
    OPT_UNIXCTL = UCHAR_MAX + 1,
    OPT_STATE_DIR,
    OPT_DUMMY_DATAPLANE,
    OPT_ENABLE_DUMMY,
    VLOG_OPTION_ENUMS,
    DAEMON_OPTION_ENUMS,
    SSL_OPTION_ENUMS,
};

static void
parse_option(int c, struct arguments *args)
{
    switch (c) {
    VLOG_OPTION_HANDLERS
    DAEMON_OPTION_HANDLERS
    STREAM_SSL_OPTION_HANDLERS

    case OPT_UNIXCTL:
        args->unixctl_path = optarg;
        break;

    case OPT_STATE_DIR:
        args->agent.state_dir = optarg;
        break;

    case OPT_DUMMY_DATAPLANE:
        args->agent.dummy = true;
        break;

    case OPT_ENABLE_DUMMY:
        timeval_dummy_register();
        break;

    case 'h':
        usage();

    case 'V':
        print_version();
        exit(EXIT_SUCCESS);

    case '?':
        exit(EXIT_FAILURE);

    default:
        abort();
    }
}

static void
parse_options(int argc, char *argv[], struct arguments *args)
{
    static const struct option long_options[] = {
        {"unixctl", required_argument, NULL, OPT_UNIXCTL},
        {"state-dir", required_argument, NULL, OPT_STATE_DIR},
        {"dummy-dataplane", no_argument, NULL, OPT_DUMMY_DATAPLANE},
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

    if (argc - optind > 1) {
        VLOG_FATAL("at most one non-option argument accepted; use --help for "
                   "usage");
    }
    args->db_remote = (argc > optind ? xstrdup(argv[optind])
                       : xasprintf("unix:%s/db.sock", ovs_rundir()));
}

static void
report_memory(struct agent *agent)
{
    memory_run();
    if (memory_should_report()) {
        struct simap usage = SIMAP_INITIALIZER(&usage);

        agent_get_memory_usage(agent, &usage);
        memory_report(&usage);
        simap_destroy(&usage);
    }
}

int
main(int argc, char *argv[])
{
    struct arguments args = { .unixctl_path = NULL };
    struct unixctl_server *unixctl;

    ovs_set_program_name(argv[0], ALCOR_VERSION);
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
    fault_init(FAULT_AGENT);
    args.agent.db_remote = args.db_remote;
    struct agent *agent = agent_create(&args.agent);
    daemonize_complete();
    VLOG_INFO("alcor-agent %s starts", ALCOR_VERSION);

    while (!agent_should_exit(agent)) {
        report_memory(agent);
        agent_run(agent);
        unixctl_server_run(unixctl);

        memory_wait();
        agent_wait(agent);
        unixctl_server_wait(unixctl);
        fault_wait();
        poll_block();
        if (should_service_stop()) {
            break;
        }
    }

    agent_destroy(agent);
    unixctl_server_destroy(unixctl);
    free(args.db_remote);
    service_stop();
    vlog_disable_async();
    ovsrcu_exit();
    return 0;
}
