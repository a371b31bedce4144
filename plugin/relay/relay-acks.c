/* SPDX-License-Identifier: Apache-2.0
 *
 * relay-acks: messages of controllers and the replies to them. */

#include <config.h>

#include "relay/relay-acks-private.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "fault-point.h"
#include "hash.h"
#include "limit.h"
#include "openvswitch/vlog.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(relay_acks);

/* PENDING resources that are remembered, and answers. */
#define MAX_PENDING 65536
#define MAX_HISTORY 1024
#define MAX_HISTORY_BYTES (16 * 1024 * 1024)

LIMIT_DEFINE(pending_resources, MAX_PENDING, 16, LIMIT_FORGETS)
LIMIT_DEFINE(reply_history, MAX_HISTORY, 16, LIMIT_FORGETS)
LIMIT_DEFINE(reply_history_KB, MAX_HISTORY_BYTES / 1024, 64, LIMIT_FORGETS)

static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(5, 20);

/* An answer given. */
struct ack_answer {
    struct ovs_list list_node;  /* In struct relay's 'history'. */
    char *name;                 /* "PEER MESSAGE-ID". */
    struct ofpbuf payload;
    char *verdicts;             /* Of hosts, as lines; null: none yet. */
};

static int
severity(enum goal_status status)
{
    static const int severities[] = {
        [GOAL_STATUS_SUCCESS] = 0,
        [GOAL_STATUS_PENDING] = 1,
        [GOAL_STATUS_OUT_OF_ORDER] = 2,
        [GOAL_STATUS_FAILURE] = 3,
        [GOAL_STATUS_INVALID_ARG] = 4,
    };

    return severities[status];
}

/* Building. */

void
relay_acks_init(struct relay *relay)
{
    hmap_init(&relay->requests);
    hmap_init(&relay->outs);
    ovs_list_init(&relay->fresh);
    ovs_list_init(&relay->history);
    shash_init(&relay->history_ids);
    relay->acks_at = LLONG_MAX;
}

struct ack_request *
relay_ack_begin(struct relay *relay, const char *peer, const char *message_id,
                long long int received_usec)
{
    struct ack_request *r = xzalloc(sizeof *r);

    r->relay = relay;
    r->peer = xstrdup(peer);
    r->id = xstrdup(message_id);
    r->received_usec = received_usec;
    ds_init(&r->verdicts);
    ovs_list_init(&r->outs);
    hmap_insert(&relay->requests, &r->node, hash_string(r->id, 0));
    ovs_list_push_back(&relay->fresh, &r->fresh_node);
    r->fresh = true;
    return r;
}

/* The reply to 'r' is to leave out what is SUCCESS. */
void
relay_ack_exceptions_only(struct ack_request *r)
{
    r->exceptions_only = true;
}

uint32_t
relay_ack_add(struct ack_request *r, uint32_t kind, const char *id,
              uint32_t operation, enum goal_status status)
{
    if (r->n_resources >= r->allocated_resources) {
        r->resources = x2nrealloc(r->resources, &r->allocated_resources,
                                  sizeof *r->resources);
    }
    r->resources[r->n_resources] = (struct ack_resource) {
        .id = xstrdup(id),
        .kind = kind,
        .operation = operation,
        .status = status,
    };
    return r->n_resources++;
}

void
relay_ack_set(struct ack_request *r, uint32_t index, enum goal_status status)
{
    struct ack_resource *resource = &r->resources[index];

    if (severity(status) > severity(resource->status)) {
        resource->status = status;
    }
}

static struct ack_answer *
find_answer(const struct relay *relay, const char *peer,
            const char *message_id)
{
    char *name = xasprintf("%s %s", peer, message_id);
    struct ack_answer *a = shash_find_data(&relay->history_ids, name);

    free(name);
    return a;
}

/* Destroying. */

/* What hosts have said of 'r' goes to the answer. */
static void
keep_verdicts(struct ack_request *r)
{
    struct ack_answer *a = (r->answered && r->verdicts.length
                            ? find_answer(r->relay, r->peer, r->id) : NULL);

    if (a && !a->verdicts) {
        r->relay->history_bytes += r->verdicts.length;
        a->verdicts = ds_steal_cstr(&r->verdicts);
    }
    ds_destroy(&r->verdicts);
}

static void
request_destroy(struct ack_request *r)
{
    struct ack_out *out, *next;

    keep_verdicts(r);
    LIST_FOR_EACH_SAFE (out, next, list_node, &r->outs) {
        relay_ack_out_destroy(r->relay, out);
    }
    for (size_t i = 0; i < r->n_resources; i++) {
        free(r->resources[i].id);
    }
    r->relay->n_pending -= r->n_pending;
    r->relay->n_answered -= r->answered;
    if (r->fresh) {
        ovs_list_remove(&r->fresh_node);
    }
    hmap_remove(&r->relay->requests, &r->node);
    free(r->resources);
    free(r->peer);
    free(r->id);
    free(r);
}

static void
answer_destroy(struct relay *relay, struct ack_answer *a)
{
    shash_find_and_delete(&relay->history_ids, a->name);
    ovs_list_remove(&a->list_node);
    relay->history_bytes -= a->payload.size;
    relay->history_bytes -= a->verdicts ? strlen(a->verdicts) : 0;
    ofpbuf_uninit(&a->payload);
    free(a->verdicts);
    free(a->name);
    free(a);
}

void
relay_acks_destroy(struct relay *relay)
{
    struct ack_request *r, *next;
    struct ack_answer *a, *next_a;

    HMAP_FOR_EACH_SAFE (r, next, node, &relay->requests) {
        request_destroy(r);
    }
    LIST_FOR_EACH_SAFE (a, next_a, list_node, &relay->history) {
        answer_destroy(relay, a);
    }
    hmap_destroy(&relay->requests);
    hmap_destroy(&relay->outs);
    shash_destroy(&relay->history_ids);
}

/* Replies to controllers. */

static void
send_reply(struct relay *relay, const char *peer, const char *id,
           const struct ofpbuf *payload)
{
    char *message_id = relay_new_id();
    struct envelope e = relay_envelope(relay, MSG_GOAL_STATE_REPLY,
                                       message_id, id);
    int error = (FAULT_POINT_NOW(RELAY_REPLY_BEFORE) ? EIO
                 : relay_send(relay, peer, &e, payload));

    FAULT_POINT_NOW(RELAY_REPLY_AFTER);
    if (error) {
        VLOG_INFO_RL(&rl, "reply to %s for %s: not delivered (%s)", id, peer,
                     ovs_strerror(error));
    }
    free(message_id);
}

static void
remember_answer(struct ack_request *r, const struct ofpbuf *payload)
{
    struct relay *relay = r->relay;
    struct ack_answer *a = xzalloc(sizeof *a);

    a->name = xasprintf("%s %s", r->peer, r->id);
    ofpbuf_init(&a->payload, payload->size);
    ofpbuf_put(&a->payload, payload->data, payload->size);
    relay->history_bytes += payload->size;
    ovs_list_push_back(&relay->history, &a->list_node);
    shash_add(&relay->history_ids, a->name, a);
    while (limit_exceeded(&limit_reply_history,
                          shash_count(&relay->history_ids))
           || limit_exceeded(&limit_reply_history_KB,
                             relay->history_bytes / 1024)) {
        answer_destroy(relay, CONTAINER_OF(ovs_list_front(&relay->history),
                                           struct ack_answer, list_node));
    }
}

/* If the message with this id was seen before, answers it again, or lets the
 * answer do that is to come, and returns true. */
bool
relay_ack_repeat(struct relay *relay, const char *peer,
                 const char *message_id)
{
    struct ack_request *r;

    if (!message_id[0]) {
        return false;
    }
    HMAP_FOR_EACH_WITH_HASH (r, node, hash_string(message_id, 0),
                             &relay->requests) {
        if (!strcmp(r->id, message_id) && !strcmp(r->peer, peer)
            && !r->answered) {
            return true;
        }
    }

    const struct ack_answer *a = find_answer(relay, peer, message_id);
    if (a) {
        send_reply(relay, peer, message_id, &a->payload);
    }
    return a != NULL;
}

static struct resource_status
make_status(const struct ack_request *r, const struct ack_resource *resource,
            bool pending)
{
    return (struct resource_status) {
        .id = resource->id,
        .kind = resource->kind,
        .operation = resource->operation,
        .status = (pending && resource->status == GOAL_STATUS_SUCCESS
                   ? GOAL_STATUS_PENDING : resource->status),
        .programming_usec = r->worst.programming_usec,
        .configuration_usec = r->worst.configuration_usec,
        .elapsed_usec = time_usec() - r->received_usec,
    };
}

/* Every host has answered, or will not for now. */
static void
request_answer(struct ack_request *r)
{
    struct resource_status *statuses = xcalloc(r->n_resources,
                                               sizeof *statuses);
    struct ofpbuf payload;
    size_t n = 0;

    r->answered = true;
    r->relay->n_answered++;
    for (size_t i = 0; i < r->n_resources; i++) {
        struct ack_resource *resource = &r->resources[i];

        statuses[n] = make_status(r, resource, resource->n_pending > 0);
        if (statuses[n].status == GOAL_STATUS_PENDING) {
            resource->reported_pending = true;
            r->n_pending++;
        }
        n += !r->exceptions_only || statuses[n].status;
    }
    r->relay->n_pending += r->n_pending;
    if (r->id[0]) {
        ofpbuf_init(&payload, 256);
        reply_encode(statuses, n,
                     time_usec() - r->received_usec, &payload);
        send_reply(r->relay, r->peer, r->id, &payload);
        remember_answer(r, &payload);
        ofpbuf_uninit(&payload);
    }
    free(statuses);
}

/* Sends a second reply with what has healed since the last look. */
static void
request_answer_healed(struct ack_request *r)
{
    struct resource_status *statuses = xcalloc(r->n_pending,
                                               sizeof *statuses);
    size_t n = 0;

    for (size_t i = 0; i < r->n_resources; i++) {
        struct ack_resource *resource = &r->resources[i];

        if (resource->reported_pending && !resource->n_pending) {
            resource->reported_pending = false;
            statuses[n++] = make_status(r, resource, false);
        }
    }
    r->n_pending -= n;
    r->relay->n_pending -= n;
    if (n && r->id[0]) {
        struct ofpbuf payload;

        ofpbuf_init(&payload, 256);
        reply_encode(statuses, n, time_usec() - r->received_usec, &payload);
        send_reply(r->relay, r->peer, r->id, &payload);
        ofpbuf_uninit(&payload);
    }
    free(statuses);
}

/* Something has happened to 'r': sends the reply that is due, if any.  Frees
 * it when nothing more is to come. */
void
relay_ack_request_check(struct ack_request *r)
{
    struct relay *relay = r->relay;

    if (r->fresh || r->n_waiting) {
        return;
    }
    if (!r->answered) {
        request_answer(r);
    } else {
        request_answer_healed(r);
    }
    if (r->n_pending
        && limit_exceeded(&limit_pending_resources, relay->n_pending)) {
        relay->counters.forgotten += r->n_pending;
        VLOG_WARN_RL(&rl, "more than %"PRIuSIZE" resources are PENDING: no "
                     "second reply to %s",
                     limit_max(&limit_pending_resources), r->id);
        request_destroy(r);
    } else if (!r->n_pending) {
        request_destroy(r);
    }
}

/* The round is over: requests that nobody has to answer are answered.  If it
 * 'failed', all are. */
void
relay_ack_round_done(struct relay *relay, bool failed)
{
    struct ack_request *r;

    LIST_FOR_EACH_POP (r, fresh_node, &relay->fresh) {
        r->fresh = false;
        for (size_t i = 0; failed && i < r->n_resources; i++) {
            relay_ack_set(r, i, GOAL_STATUS_FAILURE);
        }
        relay_ack_request_check(r);
    }
}

/* For people: appends to 'ds' what hosts have said of the messages of this id,
 * and who has said nothing yet.  Returns false if none is known. */
bool
relay_ack_show(const struct relay *relay, const char *message_id,
               struct ds *ds)
{
    char *suffix = xasprintf(" %s", message_id);
    const struct ack_answer *a;
    struct ack_request *r;
    bool found = false;

    LIST_FOR_EACH (a, list_node, &relay->history) {
        size_t peer_len = strlen(a->name) - MIN(strlen(a->name),
                                                strlen(suffix));

        if (!strcmp(a->name + peer_len, suffix)) {
            found = true;
            ds_put_format(ds, "%.*s: answered\n", (int) peer_len, a->name);
            ds_put_cstr(ds, a->verdicts ? a->verdicts : "");
        }
    }
    free(suffix);
    HMAP_FOR_EACH_WITH_HASH (r, node, hash_string(message_id, 0),
                             &relay->requests) {
        if (!strcmp(r->id, message_id)) {
            found = true;
            relay_ack_request_show(r, ds);
        }
    }
    return found;
}
