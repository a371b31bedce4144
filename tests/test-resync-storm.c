/* SPDX-License-Identifier: Apache-2.0
 *
 * test-resync-storm: very many agents ask one server for their state. */

#include <config.h>

/* Usage: alcortest resync-storm AGENTS SILENT CAPACITY
 *
 * AGENTS agents, each with the real ingest/resync.c, are connected within a
 * second, as libzmq does it, and ask.  The server says nothing for SILENT
 * seconds, and afterwards answers CAPACITY requests a second, in the order in
 * which they came: those that were given up in the meantime, too.
 *
 * Time is simulated.  Prints how many requests there were in the first second,
 * the most in any later one, how many in all, and after how many seconds
 * everybody had an answer. */

#undef NDEBUG
#include "ingest/resync.h"

#include <stdio.h>
#include <stdlib.h>
#include "alcortest.h"
#include "ingest/control.h"
#include "ingest/envelope.h"
#include "random.h"
#include "sset.h"
#include "util.h"

#define STEP_MSEC 50
#define MAX_SECONDS 600
#define SENDER "relay"
#define EPOCH 7

struct storm;

struct agent {
    struct storm *storm;
    struct resync *resync;
    long long int connect;      /* When, in ms. */
};

struct request {
    struct agent *agent;
    char *request_id;
    char *message_id;
};

struct storm {
    struct agent *agents;
    size_t n_agents;
    struct request *requests;   /* To be answered, in order. */
    size_t n_requests, n_answered, allocated;
    long long int now;
    unsigned int per_second[MAX_SECONDS]; /* Requests. */
};

/* Agents. */

static uint64_t
position(const char *sender OVS_UNUSED, uint64_t epoch OVS_UNUSED,
         const char *topic OVS_UNUSED, void *agent OVS_UNUSED)
{
    return 0;
}

static void
set_position(const char *sender OVS_UNUSED, uint64_t epoch OVS_UNUSED,
             const char *topic OVS_UNUSED, uint64_t sequence OVS_UNUSED,
             void *agent OVS_UNUSED)
{
}

static char *
send_hello(const struct sset *topics OVS_UNUSED, void *agent OVS_UNUSED)
{
    return xstrdup("hello");
}

static char *
send_request(const char *request_id, void *agent_)
{
    struct agent *agent = agent_;
    struct storm *s = agent->storm;

    if (s->n_requests >= s->allocated) {
        s->requests = x2nrealloc(s->requests, &s->allocated,
                                 sizeof *s->requests);
    }
    s->requests[s->n_requests] = (struct request) {
        .agent = agent,
        .request_id = xstrdup(request_id),
        .message_id = xasprintf("m%"PRIuSIZE, s->n_requests),
    };
    s->per_second[s->now / 1000]++;
    return xstrdup(s->requests[s->n_requests++].message_id);
}

static bool
apply(const struct snapshot *snapshot OVS_UNUSED, void *agent OVS_UNUSED)
{
    return true;
}

static void
message_destroy(struct transport_message *msg OVS_UNUSED,
                void *agent OVS_UNUSED)
{
}

static bool
is_connected(void *agent OVS_UNUSED)
{
    return true;
}

static const struct resync_class resync_class = {
    .position = position,
    .set_position = set_position,
    .send_hello = send_hello,
    .send_request = send_request,
    .apply = apply,
    .message_destroy = message_destroy,
    .is_connected = is_connected,
};

/* The server. */

/* Sends a whole, empty snapshot. */
static void
answer(const struct request *r, long long int now)
{
    struct resync *resync = r->agent->resync;
    struct publisher_positions begin = { .n_positions = 0 };
    struct publisher_positions end = {
        .sender = xstrdup(SENDER), .epoch = EPOCH,
    };
    struct host_reply_status status = {
        .request_id = r->request_id, .status = GOAL_STATUS_SUCCESS,
    };
    const struct host_reply reply = { .statuses = &status, .n = 1 };
    struct envelope envelope = {
        .message_id = "answer",
        .correlation_id = r->message_id,
        .sender = SENDER,
        .epoch = EPOCH,
        .transaction_id = "",
    };

    resync_host_reply(resync, &envelope, &reply, now);
    envelope.sequence = 1;
    resync_begin(resync, &envelope, &begin, now);
    envelope.sequence = 2;
    resync_end(resync, &envelope, &end, now);
    publisher_positions_destroy(&begin);
    publisher_positions_destroy(&end);
}

static void
run_server(struct storm *s, unsigned int capacity)
{
    size_t n = MIN(s->n_requests - s->n_answered,
                   (size_t) capacity * STEP_MSEC / 1000);

    for (size_t i = 0; i < n; i++) {
        struct request *r = &s->requests[s->n_answered++];

        answer(r, s->now);
        free(r->request_id);
        free(r->message_id);
    }
}

/* The storm. */

static void
begin(struct storm *s, size_t n)
{
    s->agents = xcalloc(n, sizeof *s->agents);
    s->n_agents = n;
    for (size_t i = 0; i < n; i++) {
        struct agent *agent = &s->agents[i];

        agent->storm = s;
        agent->resync = resync_create(&resync_class, agent);
        agent->connect = random_range(1000) / STEP_MSEC * STEP_MSEC;
    }
}

/* Returns how many agents have no answer yet. */
static size_t
run_agents(struct storm *s)
{
    size_t n = 0;

    for (size_t i = 0; i < s->n_agents; i++) {
        struct agent *agent = &s->agents[i];

        if (s->now == agent->connect) {
            resync_connected(agent->resync, s->now);
        }
        if (s->now >= agent->connect) {
            resync_run(agent->resync, s->now);
        }
        n += !resync_is_answered(agent->resync);
    }
    return n;
}

static void
end(struct storm *s)
{
    for (size_t i = 0; i < s->n_agents; i++) {
        resync_destroy(s->agents[i].resync);
    }
    for (size_t i = s->n_answered; i < s->n_requests; i++) {
        free(s->requests[i].request_id);
        free(s->requests[i].message_id);
    }
    free(s->agents);
    free(s->requests);
}

static void
test_resync_storm(int argc, char *argv[])
{
    struct storm s = { .now = 0 };
    unsigned int later = 0;

    ovs_assert(argc == 4);
    random_set_seed(1);
    begin(&s, atoi(argv[1]));
    long long int silent = 1000LL * atoi(argv[2]);
    while (run_agents(&s)) {
        s.now += STEP_MSEC;
        ovs_assert(s.now < 1000 * MAX_SECONDS);
        if (s.now >= silent) {
            run_server(&s, atoi(argv[3]));
        }
    }
    for (size_t i = 1; i < MAX_SECONDS; i++) {
        later = MAX(later, s.per_second[i]);
    }
    printf("first second: %u, later: at most %u, in all: %"PRIuSIZE", "
           "after %lld s\n", s.per_second[0], later, s.n_requests,
           s.now / 1000);
    end(&s);
}

ALCORTEST_REGISTER("resync-storm", test_resync_storm);
