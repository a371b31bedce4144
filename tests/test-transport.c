/* SPDX-License-Identifier: Apache-2.0
 *
 * test-transport: drives a transport by commands on standard input. */

#include <config.h>

#undef NDEBUG
#include "ingest/transport-provider.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "alcortest.h"
#include "coverage.h"
#include "fatal-signal.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/poll-loop.h"
#include "sset.h"
#include "timeval.h"
#include "unixctl.h"
#include "util.h"

/* Prints the configuration that is parsed from "REMOTES CONTROLS NODE-ID", or
 * the error. */
static void
test_transport_parse(int argc, char *argv[])
{
    struct transport_config config;

    ovs_assert(argc == 4);
    char *error = transport_config_parse(argv[1],
                                         strcmp(argv[2], "-") ? argv[2] : NULL,
                                         argv[3], &config);
    if (error) {
        puts(error);
        free(error);
        return;
    }
    for (size_t i = 0; i < config.n_servers; i++) {
        const char *control = config.servers[i].control;

        printf("%s %s\n", config.servers[i].remote, control ? control : "-");
    }
    transport_config_destroy(&config);
}

/* Arguments "pair FILE" or "public FILE": prints the keys in the file, or the
 * error. */
static void
test_curve_key(int argc, char *argv[])
{
    struct curve_keys keys = { .secret = "" };

    ovs_assert(argc == 3);
    char *error = (!strcmp(argv[1], "pair")
                   ? curve_keys_read_pair(argv[2], &keys)
                   : curve_keys_read_public(argv[2], keys.public));
    printf("%s%s%s\n", error ? error : keys.public,
           keys.secret[0] ? " " : "", keys.secret);
    free(error);
}

struct test {
    struct transport *transport;
    int commands;               /* Standard input. */
    struct ds line;             /* Command being read. */
    unsigned int seqno;         /* As last printed. */
    bool connected;             /* As last printed. */
    bool silent;                /* Print no messages? */
    bool hold;                  /* Receive no messages? */
    bool done;

    unsigned long long n_messages;

    unsigned long long n_loops;
    long long int idle_end;     /* End of command "idle", or LLONG_MAX. */
    unsigned long long idle_loops; /* 'n_loops' when it began. */
};

/* Prints the first bytes of the 'n' at 'p' in hexadecimal. */
static void
print_hex(const uint8_t *p, size_t n)
{
    if (!n) {
        putchar('-');
    }
    for (size_t i = 0; i < MIN(n, 32); i++) {
        printf("%02x", p[i]);
    }
}

static void
receive_all(struct test *test)
{
    struct transport_message *msg;

    while ((msg = transport_recv(test->transport)) != NULL) {
        test->n_messages++;
        if (!test->silent) {
            printf("message %s ", msg->topic ? msg->topic : "-");
            print_hex(msg->envelope, msg->envelope_len);
            printf(" %"PRIuSIZE" ", msg->payload_len);
            print_hex(msg->payload, msg->payload_len);
            putchar('\n');
        }
        transport_message_destroy(test->transport, msg);
    }
}

static void
set_topics(struct test *test, const char *names)
{
    struct sset topics;

    sset_init(&topics);
    sset_from_delimited_string(&topics, names, " ");
    transport_set_topics(test->transport, &topics);
    sset_destroy(&topics);
}

/* Sends 'n' messages; message 'i' has "eI" for an envelope and 'size' bytes of
 * payload. */
static void
send_messages(struct test *test, const char *args)
{
    int n, size, n_dropped = 0, error = 0;

    ovs_assert(ovs_scan(args, "%d %d", &n, &size));
    char *payload = xmalloc(size);
    memset(payload, 'p', size);
    for (int i = 0; i < n; i++) {
        char *envelope = xasprintf("e%d", i);
        int retval = transport_send(test->transport, envelope,
                                    strlen(envelope), payload, size);
        free(envelope);
        n_dropped += retval != 0;
        error = retval ? retval : error;
    }
    free(payload);
    printf("send: %d queued, %d dropped (%s)\n", n - n_dropped, n_dropped,
           error ? ovs_strerror(error) : "ok");
}

static void
describe(struct test *test)
{
    struct ds ds = DS_EMPTY_INITIALIZER;

    transport_describe(test->transport, &ds);
    printf("describe %s\n", ds_cstr(&ds));
    ds_destroy(&ds);
}

/* Prints the value of the coverage counter 'name'. */
static void
coverage(const char *name)
{
#define COUNTERS                                    \
    COUNTER(transport_bad_frames)                   \
    COUNTER(transport_failover)                     \
    COUNTER(transport_foreign_topic)                \
    COUNTER(transport_oversized)                    \
    COUNTER(transport_queue_full)                   \
    COUNTER(transport_reopened)                     \
    COUNTER(transport_rx_paused)                    \
    COUNTER(transport_send_dropped)                 \
    COUNTER(transport_unanswered)

    coverage_clear();
#define COUNTER(NAME)                                           \
    extern struct coverage_counter counter_##NAME;              \
    if (!strcmp(name, #NAME)) {                                 \
        printf("coverage %s %llu\n", name, counter_##NAME.total); \
    }
    COUNTERS
#undef COUNTER
}

/* Executes 'line', a word and its arguments. */
static void
command(struct test *test, char *line)
{
    char *save = NULL;
    char *word = strtok_r(line, " ", &save);
    const char *args = save ? save : "";

    if (!word) {
        return;
    } else if (!strcmp(word, "topics")) {
        set_topics(test, args);
        puts("topics");
    } else if (!strcmp(word, "send")) {
        send_messages(test, args);
    } else if (!strcmp(word, "describe")) {
        describe(test);
    } else if (!strcmp(word, "coverage")) {
        coverage(args);
    } else if (!strcmp(word, "silent")) {
        test->silent = true;
    } else if (!strcmp(word, "hold")) {
        test->hold = true;
        puts("hold");
    } else if (!strcmp(word, "resume")) {
        test->hold = false;
    } else if (!strcmp(word, "messages")) {
        printf("messages %llu\n", test->n_messages);
    } else if (!strcmp(word, "idle")) {
        test->idle_loops = test->n_loops;
        test->idle_end = time_msec() + atoi(args);
    } else if (!strcmp(word, "unanswered")) {
        transport_unanswered(test->transport);
        puts("unanswered");
    } else if (!strcmp(word, "exit")) {
        test->done = true;
    } else {
        printf("unknown command %s\n", word);
    }
}

/* Reads and executes what there is on standard input. */
static void
run_commands(struct test *test)
{
    struct pollfd pfd = { .fd = test->commands, .events = POLLIN };

    while (!test->done && poll(&pfd, 1, 0) == 1) {
        char c;

        if (read(test->commands, &c, 1) != 1) {
            test->done = true;
        } else if (c != '\n') {
            ds_put_char(&test->line, c);
        } else {
            command(test, ds_cstr(&test->line));
            ds_clear(&test->line);
        }
    }
}

static void
print_state(struct test *test)
{
    unsigned int seqno = transport_connection_seqno(test->transport);
    bool connected = transport_is_connected(test->transport);

    if (seqno != test->seqno || connected != test->connected) {
        test->seqno = seqno;
        test->connected = connected;
        printf("seqno %u %s\n", seqno,
               connected ? "connected" : "disconnected");
    }
    if (time_msec() >= test->idle_end) {
        printf("idle %llu\n", test->n_loops - test->idle_loops);
        test->idle_end = LLONG_MAX;
    }
}

/* Opens the transport of 'test' as 'argv' has it.  Returns false, having
 * printed why, if that fails. */
static bool
open_transport(struct test *test, char *argv[])
{
    const char *controls = strcmp(argv[2], "-") ? argv[2] : NULL;
    struct transport_config config;

    char *error = transport_config_parse(argv[1], controls, argv[3],
                                         &config);
    if (!error && getenv("CURVE_KEY")) {
        error = curve_keys_read_pair(getenv("CURVE_KEY"), &config.curve.own);
        if (!error) {
            error = curve_keys_read_public(getenv("CURVE_SERVER_KEY"),
                                           config.curve.server);
        }
    }
    if (!error) {
        error = transport_open(&config, &test->transport);
        transport_config_destroy(&config);
    }
    if (error) {
        printf("error %s\n", error);
        free(error);
    }
    return !error;
}

static void
test_run(struct test *test)
{
    test->n_loops++;
    run_commands(test);
    transport_run(test->transport);
    if (!test->hold) {
        receive_all(test);
    }
    print_state(test);
}

static void
test_wait(struct test *test)
{
    transport_wait(test->transport);
    poll_fd_wait(test->commands, POLLIN);
    if (test->idle_end != LLONG_MAX) {
        poll_timer_wait_until(test->idle_end);
    }
    if (test->done) {
        poll_immediate_wake();
    }
}

/* Opens a transport for "REMOTES CONTROLS NODE-ID [UNIXCTL]" and executes
 * commands until "exit" or end of file.  Prints what happens, one line
 * each. */
static void
test_transport(int argc, char *argv[])
{
    struct test test = { .idle_end = LLONG_MAX };
    struct unixctl_server *server = NULL;

    ovs_assert(argc >= 4);
    fatal_ignore_sigpipe();
    setvbuf(stdout, NULL, _IOLBF, 0);

    transport_init();
    if (argc > 4) {
        ovs_assert(!unixctl_server_create(argv[4], &server));
    }
    if (!open_transport(&test, argv)) {
        return;
    }

    /* poll_fd_wait() does not take 0 for a file descriptor. */
    test.commands = dup(STDIN_FILENO);
    ds_init(&test.line);
    puts("opened");
    while (!test.done) {
        test_run(&test);
        if (server) {
            unixctl_server_run(server);
            unixctl_server_wait(server);
        }
        test_wait(&test);
        poll_block();
    }

    transport_close(test.transport);
    unixctl_server_destroy(server);
    ds_destroy(&test.line);
    close(test.commands);
    puts("closed");
}

ALCORTEST_REGISTER("test-curve-key", test_curve_key);
ALCORTEST_REGISTER("test-transport", test_transport);
ALCORTEST_REGISTER("test-transport-parse", test_transport_parse);
