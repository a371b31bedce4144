/* SPDX-License-Identifier: Apache-2.0
 *
 * alcor-publish: sends goal state in files to agents or to a relay. */

#include <config.h>

#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command-line.h"
#include "fatal-signal.h"
#include "openvswitch/ofpbuf.h"
#include "openvswitch/vlog.h"
#include "svec.h"
#include "table.h"
#include "unicode.h"
#include "util.h"
#include "utilities/alcor-publish-input.h"
#include "utilities/alcor-publish-result.h"
#include "utilities/alcor-publish-session.h"

struct arguments {
    struct session_options session;
    struct table_style style;
    bool validate;              /* Only check the files? */
    bool force;                 /* Send what is malformed? */
    bool delta;                 /* Keep update types as they are? */
    char **files;
    int n_files;
};

OVS_NO_RETURN static void
usage(void)
{
    printf("\
%s: sends goal state to agents or to a relay\n\
usage: %s --publish=EP --control=EP [OPTIONS] FILE...\n\
       %s --relay=EP [OPTIONS] FILE...\n\
       %s --validate FILE...\n\
where each FILE is a GoalStateV2 in JSON or in binary form (\"-\": standard\n\
input) and EP is tcp://HOST:PORT or ipc://PATH.\n\
\n\
Where to send it:\n\
  --publish=EP            bind to EP, where agents' alcor-remote points\n\
  --control=EP            bind to EP, where agents' alcor-control points\n\
  --topic=TOPIC           publish to TOPIC (default: all)\n\
  --wait=N                wait for N agents first (default: 1)\n\
  --snapshot              let the files be all there is: agents ask for it,\n\
                          and delete what is not in them\n\
  --relay=EP              connect to EP, the control endpoint of a relay\n\
  -t, --timeout=SECS      wait so long for agents, and again for their\n\
                          answers (default: 30)\n\
What to send:\n\
  --validate              check the files, send nothing\n\
  --transaction           have it in effect as a whole, on all hosts, or not\n\
                          at all (one FILE)\n\
  --force                 send malformed resources as well\n\
  --delta                 keep updates of type DELTA (default: all FULL)\n",
           program_name, program_name, program_name, program_name);
    printf("Table formatting options:\n\
  -f, --format=FORMAT     set output formatting to FORMAT\n\
                          (\"table\", \"list\", \"html\", \"csv\", or\n\
                          \"json\"; default: table)\n\
  -d, --data=FORMAT       set table cell output formatting to FORMAT\n\
                          (\"string\", \"bare\", or \"json\")\n\
  --no-headings           omit table heading row\n\
  --pretty                pretty-print JSON in output\n\
  --bare                  equivalent to \"--format=list --data=bare\n\
                          --no-headings\"\n");
    vlog_usage();
    printf("\nOther options:\n"
           "  -h, --help              display this help message\n"
           "  -V, --version           display version information\n");
    exit(EXIT_SUCCESS);
}

enum {
    OPT_PUBLISH = UCHAR_MAX + 1,
    OPT_CONTROL,
    OPT_RELAY,
    OPT_TOPIC,
    OPT_WAIT,
    OPT_SNAPSHOT,
    OPT_TRANSACTION,
    OPT_VALIDATE,
    OPT_FORCE,
    OPT_DELTA,
    VLOG_OPTION_ENUMS,
    TABLE_OPTION_ENUMS,
};

/* Returns 's', the argument of option 'name', as a number of at least 1. */
static int
parse_positive(const char *name, const char *s)
{
    int value;

    if (!str_to_int(s, 10, &value) || value < 1 || value > 1000000) {
        ovs_fatal(0, "--%s: \"%s\": expected a number of 1 to 1000000",
                  name, s);
    }
    return value;
}

static void
parse_session_option(int c, struct session_options *session)
{
    switch (c) {
    case OPT_PUBLISH:
        session->publish = optarg;
        break;

    case OPT_CONTROL:
        session->control = optarg;
        break;

    case OPT_RELAY:
        session->relay = optarg;
        break;

    case OPT_TOPIC:
        session->topic = session->scope = optarg;
        break;

    case OPT_WAIT:
        session->n_agents = parse_positive("wait", optarg);
        break;

    case OPT_SNAPSHOT:
        session->snapshot = true;
        break;

    case OPT_TRANSACTION:
        session->transaction = true;
        break;

    case 't':
        session->timeout = parse_positive("timeout", optarg);
        break;

    default:
        abort();
    }
}

static void
parse_option(int c, struct arguments *args)
{
    switch (c) {
    VLOG_OPTION_HANDLERS
    TABLE_OPTION_HANDLERS(&args->style)

    case OPT_VALIDATE:
        args->validate = true;
        break;

    case OPT_FORCE:
        args->force = true;
        break;

    case OPT_DELTA:
        args->delta = true;
        break;

    case 'h':
        usage();

    case 'V':
        printf("%s (openvswitch-alcor) %s\nOpen vSwitch library %s\n",
               program_name, ALCOR_VERSION, VERSION);
        exit(EXIT_SUCCESS);

    case '?':
        exit(EXIT_FAILURE);

    default:
        parse_session_option(c, &args->session);
        break;
    }
}

/* Checks 'endpoint', the argument of option 'name', as far as that can be done
 * before it is bound or connected. */
static void
check_endpoint(const char *name, const char *endpoint)
{
    if (strncmp(endpoint, "tcp://", 6) && strncmp(endpoint, "ipc://", 6)) {
        ovs_fatal(0, "--%s: \"%s\": expected tcp://HOST:PORT or ipc://PATH",
                  name, endpoint);
    }
}

/* Checks that the options in 'args' go together. */
static void
check_arguments(const struct arguments *args)
{
    const struct session_options *s = &args->session;

    if (!args->n_files) {
        ovs_fatal(0, "no FILE is given (use --help for help)");
    }
    if (args->validate) {
        return;
    }
    if (s->transaction && (s->snapshot || args->n_files > 1)) {
        ovs_fatal(0, "--transaction takes one FILE, and does not go with "
                  "--snapshot");
    }
    if (s->relay) {
        if (s->publish || s->control || s->scope || s->snapshot) {
            ovs_fatal(0, "--relay does not go with --publish, --control, "
                      "--topic and --snapshot");
        }
        check_endpoint("relay", s->relay);
    } else if (!s->publish || !s->control) {
        ovs_fatal(0, "expected --relay, or --publish and --control, or "
                  "--validate (use --help for help)");
    } else {
        check_endpoint("publish", s->publish);
        check_endpoint("control", s->control);
    }

    char *error = utf8_validate(s->topic, NULL);
    if (error || !*s->topic || strlen(s->topic) > 255) {
        ovs_fatal(0, "--topic: expected 1 to 255 bytes of UTF-8");
    }
}

static void
parse_options(int argc, char *argv[], struct arguments *args)
{
    static const struct option long_options[] = {
        {"publish", required_argument, NULL, OPT_PUBLISH},
        {"control", required_argument, NULL, OPT_CONTROL},
        {"relay", required_argument, NULL, OPT_RELAY},
        {"topic", required_argument, NULL, OPT_TOPIC},
        {"wait", required_argument, NULL, OPT_WAIT},
        {"snapshot", no_argument, NULL, OPT_SNAPSHOT},
        {"transaction", no_argument, NULL, OPT_TRANSACTION},
        {"timeout", required_argument, NULL, 't'},
        {"validate", no_argument, NULL, OPT_VALIDATE},
        {"force", no_argument, NULL, OPT_FORCE},
        {"delta", no_argument, NULL, OPT_DELTA},
        {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'V'},
        VLOG_LONG_OPTIONS,
        TABLE_LONG_OPTIONS,
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

    args->files = argv + optind;
    args->n_files = argc - optind;
    check_arguments(args);
}

/* What is to be sent. */
struct payloads {
    struct ofpbuf **bufs;
    size_t n, allocated;
};

/* Prints each of 'lines' on 'stream' as something about 'file'. */
static void
print_lines(FILE *stream, const char *file, const char *what,
            const struct svec *lines)
{
    for (size_t i = 0; i < lines->n; i++) {
        fprintf(stream, "%s: %s: %s%s\n", program_name, file, what,
                lines->names[i]);
    }
}

/* Reads and checks 'file' and adds its messages to 'payloads'.  Returns true
 * if it is all right. */
static bool
read_goal_state(const struct arguments *args, const char *file,
                struct payloads *payloads)
{
    Alcor__Schema__GoalStateV2 *state;
    char *error = goal_file_read(file, &state);
    if (error) {
        fprintf(stderr, "%s: %s: %s\n", program_name, file, error);
        free(error);
        return false;
    }

    struct svec errors = SVEC_EMPTY_INITIALIZER;
    struct svec warnings = SVEC_EMPTY_INITIALIZER;
    if (!args->delta) {
        goal_state_set_full(state);
    }
    size_t n_resources = goal_state_check(state, &errors, &warnings);
    print_lines(stderr, file, "", &errors);
    if (args->validate) {
        print_lines(stderr, file, "warning: ", &warnings);
    }
    if (args->validate && !errors.n) {
        printf("%s: %"PRIuSIZE" resource%s, no errors\n", file, n_resources,
               n_resources == 1 ? "" : "s");
    }

    size_t n;
    size_t max = (args->session.transaction ? SIZE_MAX
                  : GOAL_STATE_MAX_PAYLOAD);
    struct ofpbuf **bufs = goal_state_pack(state, max, &n);
    for (size_t i = 0; i < n; i++) {
        if (payloads->n >= payloads->allocated) {
            payloads->bufs = x2nrealloc(payloads->bufs, &payloads->allocated,
                                        sizeof *payloads->bufs);
        }
        payloads->bufs[payloads->n++] = bufs[i];
    }
    free(bufs);

    bool ok = !errors.n;
    svec_destroy(&errors);
    svec_destroy(&warnings);
    alcor__schema__goal_state_v2__free_unpacked(state, NULL);
    return ok;
}

/* Sends 'payloads' and prints the answers.  Returns true if all succeeded. */
static bool
publish(const struct arguments *args, const struct payloads *payloads)
{
    struct publish_result result;
    char *error = session_run(&args->session, payloads->bufs, payloads->n,
                              &result);
    if (error) {
        ovs_error(0, "%s", error);
        free(error);
        return false;
    }

    publish_result_print(&result, &args->style);
    bool ok = publish_result_is_success(&result);
    publish_result_destroy(&result);
    return ok;
}

int
main(int argc, char *argv[])
{
    struct arguments args = {
        .session = {
            .topic = "all",
            .n_agents = 1,
            .timeout = 30,
        },
        .style = TABLE_STYLE_DEFAULT,
    };
    struct payloads payloads = { .n = 0 };
    bool ok = true;

    ovs_set_program_name(argv[0], ALCOR_VERSION);
    fatal_ignore_sigpipe();
    vlog_set_levels(NULL, VLF_CONSOLE, VLL_WARN);
    vlog_set_levels(NULL, VLF_SYSLOG, VLL_OFF);
    args.style.format = TF_TABLE;
    parse_options(argc, argv, &args);

    for (int i = 0; i < args.n_files; i++) {
        ok = read_goal_state(&args, args.files[i], &payloads) && ok;
    }
    if (!args.validate && (ok || args.force)) {
        ok = payloads.n && publish(&args, &payloads);
    } else if (!args.validate) {
        ovs_error(0, "nothing was sent (use --force to send resources that "
                  "are malformed)");
    }

    for (size_t i = 0; i < payloads.n; i++) {
        ofpbuf_delete(payloads.bufs[i]);
    }
    free(payloads.bufs);
    return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}
