/* SPDX-License-Identifier: Apache-2.0
 *
 * unixctl-client: commands to another OVS daemon, without blocking. */

#include <config.h>

#include "apply/unixctl-client.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>
#include "coverage.h"
#include "dirs.h"
#include "jsonrpc.h"
#include "openvswitch/json.h"
#include "openvswitch/list.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "socket-util.h"
#include "stream.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(unixctl_client);

COVERAGE_DEFINE(unixctl_client_sent);
COVERAGE_DEFINE(unixctl_client_lost);

#define MIN_BACKOFF_MSEC 250
#define MAX_BACKOFF_MSEC 4000

/* Most replies to take in one call of unixctl_client_run(). */
#define MAX_REPLIES 100

/* See the state diagram in the header. */
enum client_state {
    C_BACKOFF,                  /* Waiting until 'retry_time'. */
    C_CONNECTING,               /* 'stream' is being connected. */
    C_CONNECTED,                /* 'rpc' is in use. */
};

struct unixctl_client {
    char *program;
    enum client_state state;
    struct stream *stream;      /* C_CONNECTING only. */
    struct jsonrpc *rpc;        /* C_CONNECTED only. */
    unsigned int seqno;         /* Of the connection. */

    /* Backoff. */
    long long int retry_time;
    int backoff;                /* Of the next failure, in ms. */
    int n_failures;             /* Attempts since the last connection. */

    struct ovs_list requests;   /* Contains "struct request"s, oldest first. */
    size_t n_requests;
};

/* A request without a reply yet. */
struct request {
    struct ovs_list node;       /* In struct unixctl_client's 'requests'. */
    struct json *id;
    unixctl_client_cb *cb;
    void *aux;
};

struct unixctl_client *
unixctl_client_open(const char *program)
{
    struct unixctl_client *client = xzalloc(sizeof *client);

    client->program = xstrdup(program);
    client->backoff = MIN_BACKOFF_MSEC;
    ovs_list_init(&client->requests);
    return client;
}

/* Removes 'request' from 'client' and calls its callback. */
static void
complete(struct unixctl_client *client, struct request *request,
         enum unixctl_outcome outcome, const char *text)
{
    ovs_list_remove(&request->node);
    client->n_requests--;
    request->cb(outcome, text, request->aux);
    json_destroy(request->id);
    free(request);
}

static void
disconnect(struct unixctl_client *client)
{
    stream_close(client->stream);
    client->stream = NULL;
    jsonrpc_close(client->rpc);
    client->rpc = NULL;
    client->state = C_BACKOFF;
    while (!ovs_list_is_empty(&client->requests)) {
        COVERAGE_INC(unixctl_client_lost);
        complete(client, CONTAINER_OF(ovs_list_front(&client->requests),
                                      struct request, node),
                 UNIXCTL_LOST, NULL);
    }
}

void
unixctl_client_close(struct unixctl_client *client)
{
    if (client) {
        disconnect(client);
        free(client->program);
        free(client);
    }
}

/* Connecting. */

/* Disconnects because of 'error' and tries again later. */
static void
back_off(struct unixctl_client *client, int error)
{
    static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(5, 5);

    if (client->state == C_CONNECTED) {
        VLOG_INFO_RL(&rl, "%s: control connection lost (%s)",
                     client->program, ovs_retval_to_string(error));
    } else if (!client->n_failures++) {
        VLOG_INFO_RL(&rl, "%s: no control connection (%s)",
                     client->program, ovs_retval_to_string(error));
    }
    disconnect(client);
    client->retry_time = time_msec() + client->backoff;
    client->backoff = MIN(client->backoff * 2, MAX_BACKOFF_MSEC);
}

/* Reads the process id of 'client''s program into '*pid'.  Returns 0 or a
 * positive errno value. */
static int
read_pid(const struct unixctl_client *client, int *pid)
{
    char *path = xasprintf("%s/%s.pid", ovs_rundir(), client->program);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    int error = fd < 0 ? errno : 0;
    char s[32];

    free(path);
    if (error) {
        return error;
    }

    ssize_t n = read(fd, s, sizeof s - 1);
    error = n < 0 ? errno : 0;
    close(fd);
    if (error) {
        return error;
    }
    s[n] = '\0';
    s[strcspn(s, "\n")] = '\0';
    return str_to_int(s, 10, pid) && *pid > 0 ? 0 : EINVAL;
}

static void
start_connecting(struct unixctl_client *client)
{
    int pid;
    int error = read_pid(client, &pid);

    if (!error) {
        char *name = xasprintf("unix:%s/%s.%d.ctl", ovs_rundir(),
                               client->program, pid);
        error = stream_open(name, &client->stream, DSCP_DEFAULT);
        free(name);
    }
    if (error) {
        back_off(client, error);
    } else {
        client->state = C_CONNECTING;
    }
}

static void
run_connecting(struct unixctl_client *client)
{
    stream_run(client->stream);

    int error = stream_connect(client->stream);
    if (error == EAGAIN) {
        return;
    } else if (error) {
        back_off(client, error);
        return;
    }
    client->rpc = jsonrpc_open(client->stream);
    client->stream = NULL;
    client->state = C_CONNECTED;
    client->seqno++;
    client->backoff = MIN_BACKOFF_MSEC;
    client->n_failures = 0;
    VLOG_DBG("%s: control connection established", client->program);
}

/* Connected. */

static const char *
json_text(const struct json *json)
{
    return json && json->type == JSON_STRING ? json_string(json) : "";
}

/* Hands 'msg' to whom it is for.  Returns 0 or a positive errno value. */
static int
handle_msg(struct unixctl_client *client, const struct jsonrpc_msg *msg)
{
    struct request *request;

    if (msg->type != JSONRPC_REPLY && msg->type != JSONRPC_ERROR) {
        return EPROTO;
    }
    LIST_FOR_EACH (request, node, &client->requests) {
        if (json_equal(request->id, msg->id)) {
            if (msg->type == JSONRPC_REPLY) {
                complete(client, request, UNIXCTL_DONE,
                         json_text(msg->result));
            } else {
                complete(client, request, UNIXCTL_REFUSED,
                         json_text(msg->error));
            }
            return 0;
        }
    }
    return EPROTO;
}

static void
run_connected(struct unixctl_client *client)
{
    jsonrpc_run(client->rpc);

    int error = jsonrpc_get_status(client->rpc);
    for (int i = 0; i < MAX_REPLIES && !error; i++) {
        struct jsonrpc_msg *msg;

        error = jsonrpc_recv(client->rpc, &msg);
        if (error == EAGAIN) {
            return;
        } else if (!error) {
            error = handle_msg(client, msg);
            jsonrpc_msg_destroy(msg);
        }
    }
    if (error) {
        back_off(client, error);
    }
}

void
unixctl_client_run(struct unixctl_client *client)
{
    if (client->state == C_BACKOFF && time_msec() >= client->retry_time) {
        start_connecting(client);
    }
    if (client->state == C_CONNECTING) {
        run_connecting(client);
    }
    if (client->state == C_CONNECTED) {
        run_connected(client);
    }
}

void
unixctl_client_hurry(struct unixctl_client *client)
{
    client->backoff = MIN_BACKOFF_MSEC;
    client->retry_time = time_msec();
}

void
unixctl_client_wait(struct unixctl_client *client)
{
    switch (client->state) {
    case C_BACKOFF:
        poll_timer_wait_until(client->retry_time);
        break;

    case C_CONNECTING:
        stream_run_wait(client->stream);
        stream_connect_wait(client->stream);
        break;

    case C_CONNECTED:
        jsonrpc_wait(client->rpc);
        jsonrpc_recv_wait(client->rpc);
        break;
    }
}

bool
unixctl_client_is_connected(const struct unixctl_client *client)
{
    return client->state == C_CONNECTED;
}

unsigned int
unixctl_client_seqno(const struct unixctl_client *client)
{
    return client->seqno;
}

bool
unixctl_client_is_unreachable(const struct unixctl_client *client)
{
    return client->state != C_CONNECTED && client->n_failures > 0;
}

void
unixctl_client_send(struct unixctl_client *client, unixctl_client_cb *cb,
                    void *aux, const char *command, ...)
{
    struct json *params = json_array_create_empty();
    const char *arg;
    va_list args;

    ovs_assert(client->state == C_CONNECTED);
    va_start(args, command);
    while ((arg = va_arg(args, const char *))) {
        json_array_add(params, json_string_create(arg));
    }
    va_end(args);

    struct request *request = xmalloc(sizeof *request);
    struct json *id;
    struct jsonrpc_msg *msg = jsonrpc_create_request(command, params, &id);

    *request = (struct request) { .id = id, .cb = cb, .aux = aux };
    ovs_list_push_back(&client->requests, &request->node);
    client->n_requests++;
    COVERAGE_INC(unixctl_client_sent);

    /* If this fails, the next run finds out. */
    jsonrpc_send(client->rpc, msg);
}

size_t
unixctl_client_n_pending(const struct unixctl_client *client)
{
    return client->n_requests;
}
