/* SPDX-License-Identifier: Apache-2.0
 *
 * relay-answers: answers of hosts, and retries. */

#include <config.h>

#include "relay/relay-acks-private.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "coverage.h"
#include "hash.h"
#include "hmapx.h"
#include "ingest/goal-encode.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(relay_answers);

COVERAGE_DEFINE(relay_ack_retry);
COVERAGE_DEFINE(relay_ack_timeout);

/* A host that does not answer: asked whether it is there, sent the message
 * again, given up.  In ms since the message was sent. */
#define PROBE_MSEC 1000
#define TIMEOUT_MSEC 40000
static const long long int retries[] = { 5000, 15000 };

static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(5, 20);

/* Messages to hosts. */

struct ack_out *
relay_ack_out(struct ack_request *r)
{
    struct ack_out *out = xzalloc(sizeof *out);

    out->request = r;
    ovs_list_push_back(&r->outs, &out->list_node);
    return out;
}

void
relay_ack_out_entry(struct ack_out *out, uint32_t index,
                    const struct goal_key *key)
{
    if (out->n_entries >= out->allocated_entries) {
        out->entries = x2nrealloc(out->entries, &out->allocated_entries,
                                  sizeof *out->entries);
    }
    out->entries[out->n_entries++] = (struct ack_entry) { index, *key };
}

/* Null hosts are accepted and mean nothing. */
void
relay_ack_out_host(struct ack_out *out, struct place_host *host)
{
    if (!host || !out) {
        return;
    }
    if (out->n_hosts >= out->allocated_hosts) {
        out->hosts = x2nrealloc(out->hosts, &out->allocated_hosts,
                                sizeof *out->hosts);
    }
    out->hosts[out->n_hosts++] = (struct ack_host) {
        .out = out, .host = host, .state = ACK_HOST_DONE,
    };
}

/* The message goes by the topic of 'vpc'. */
void
relay_ack_out_vpc(struct ack_out *out, const struct place_vpc *vpc)
{
    out->vpc = vpc;
}

const char *
relay_ack_out_id(const struct ack_out *out)
{
    return out->id;
}

void
relay_ack_out_destroy(struct relay *relay, struct ack_out *out)
{
    for (size_t i = 0; i < out->n_hosts; i++) {
        struct ack_host *ah = &out->hosts[i];

        if (ah->state != ACK_HOST_DONE) {
            ovs_list_remove(&ah->owed_node);
        }
        free(ah->pending);
    }
    if (out->id) {
        hmap_remove(&relay->outs, &out->node);
    }
    ovs_list_remove(&out->list_node);
    free(out->id);
    free(out->hosts);
    free(out->entries);
    free(out);
}

/* Answers of hosts. */

/* Changes by 'delta' how often each resource of 'out' is pending. */
static void
change_all_pending(struct ack_out *out, int delta)
{
    for (size_t i = 0; i < out->n_entries; i++) {
        struct ack_resource *resource = ack_entry_resource(out, i);

        if (resource) {
            resource->n_pending += delta;
        }
    }
}

static void
ack_host_set_state(struct ack_host *ah, enum ack_host_state state)
{
    if (ah->state == state) {
        return;
    }
    if (ah->state == ACK_HOST_WAITING) {
        ah->out->n_waiting--;
        ah->out->request->n_waiting--;
    } else if (ah->state == ACK_HOST_AWAY) {
        if (!--ah->out->n_away) {
            change_all_pending(ah->out, -1);
        }
    } else if (ah->state == ACK_HOST_DONE) {
        ovs_list_push_back(&ah->host->owed, &ah->owed_node);
    }

    ah->state = state;
    if (state == ACK_HOST_WAITING) {
        ah->out->n_waiting++;
        ah->out->request->n_waiting++;
    } else if (state == ACK_HOST_AWAY) {
        if (!ah->out->n_away++) {
            change_all_pending(ah->out, 1);
        }
    } else if (state == ACK_HOST_DONE) {
        ovs_list_remove(&ah->owed_node);
    }
}

/* 'out' has been published as number 'sequence' of 'topic', if that is not
 * null. */
void
relay_ack_sent(struct relay *relay, struct ack_out *out, const char *id,
               const struct relay_topic *topic, uint64_t sequence)
{
    out->topic = topic;
    out->sequence = sequence;
    out->id = xstrdup(id);
    out->sent_at = time_msec();
    out->number = ++relay->n_outs;
    hmap_insert(&relay->outs, &out->node, hash_string(id, 0));
    for (size_t i = 0; i < out->n_hosts; i++) {
        struct ack_host *ah = &out->hosts[i];
        bool known = ah->host->peer && ah->host->peer->connected;

        ack_host_set_state(ah, known ? ACK_HOST_WAITING : ACK_HOST_AWAY);
    }
    if (out->n_waiting && relay->acks_at == LLONG_MAX) {
        relay->acks_at = time_msec() + ACK_RUN_INTERVAL;
    }
}

static int
compare_hosts(const void *a_, const void *b_)
{
    const struct ack_host *a = a_;
    const struct ack_host *b = b_;

    return a->host < b->host ? -1 : a->host > b->host;
}

static struct ack_host *
find_host(struct ack_out *out, struct place_host *host)
{
    if (!out->sorted) {
        /* Their list nodes move. */
        for (size_t i = 0; i < out->n_hosts; i++) {
            if (out->hosts[i].state != ACK_HOST_DONE) {
                ovs_list_remove(&out->hosts[i].owed_node);
            }
        }
        qsort(out->hosts, out->n_hosts, sizeof *out->hosts, compare_hosts);
        for (size_t i = 0; i < out->n_hosts; i++) {
            if (out->hosts[i].state != ACK_HOST_DONE) {
                ovs_list_push_back(&out->hosts[i].host->owed,
                                   &out->hosts[i].owed_node);
            }
        }
        out->sorted = true;
    }
    struct ack_host key = { .host = host };
    return bsearch(&key, out->hosts, out->n_hosts, sizeof *out->hosts,
                   compare_hosts);
}

static struct ack_out *
find_out(const struct relay *relay, const char *id)
{
    struct ack_out *out;

    HMAP_FOR_EACH_WITH_HASH (out, node, hash_string(id, 0), &relay->outs) {
        if (!strcmp(out->id, id)) {
            return out;
        }
    }
    return NULL;
}

/* What a host says of one message. */
struct verdicts {
    struct ack_host *ah;
    struct shash entries;       /* "KIND ID" -> index + 1. */
    bool indexed;
    bool any_pending;
};

static void
index_entries(struct verdicts *v)
{
    const struct ack_out *out = v->ah->out;

    v->indexed = true;
    for (size_t i = 0; i < out->n_entries; i++) {
        const struct ack_resource *resource = ack_entry_resource(out, i);

        if (resource) {
            char *name = xasprintf("%u %s", resource->kind, resource->id);

            shash_replace(&v->entries, name, (void *) (uintptr_t) (i + 1));
            free(name);
        }
    }
}

static void
take_status(struct verdicts *v, size_t entry, enum goal_status status)
{
    struct ack_host *ah = v->ah;
    struct ack_resource *resource = ack_entry_resource(ah->out, entry);

    if (status != GOAL_STATUS_PENDING) {
        relay_ack_set(ah->out->request, ah->out->entries[entry].resource,
                      status);
        relay_ack_verdict(ah, entry, status);
        return;
    }
    if (ah->n_pending >= ah->allocated) {
        ah->pending = x2nrealloc(ah->pending, &ah->allocated,
                                 sizeof *ah->pending);
    }
    ah->pending[ah->n_pending++] = entry;
    resource->n_pending++;
}

/* A host says that something is not SUCCESS.  What says so of no resource
 * means all of them. */
static void
take_exception(const struct reply_exception *e, void *v_)
{
    struct verdicts *v = v_;

    if (!v->indexed) {
        index_entries(v);
    }
    if (!e->id_len) {
        for (size_t i = 0; i < v->ah->out->n_entries; i++) {
            if (ack_entry_resource(v->ah->out, i)) {
                take_status(v, i, e->status);
            }
        }
        return;
    }
    char *name = xasprintf("%u %.*s", e->kind, (int) e->id_len, e->id);
    void *found = shash_find_data(&v->entries, name);
    if (found) {
        take_status(v, (uintptr_t) found - 1, e->status);
    } else {
        VLOG_INFO_RL(&rl, "host %s: %s is %s", v->ah->host->peer->id, name,
                     goal_status_to_string(e->status));
    }
    free(name);
}

/* The second answer of a host for which something was PENDING. */
static void
take_healed(struct ack_host *ah, const struct resource_status *status)
{
    struct ack_request *r = ah->out->request;

    for (size_t i = 0; i < ah->n_pending; i++) {
        struct ack_resource *resource = ack_entry_resource(ah->out,
                                                       ah->pending[i]);

        if (resource->kind == status->kind
            && !strcmp(resource->id, status->id)
            && status->status != GOAL_STATUS_PENDING) {
            resource->n_pending--;
            relay_ack_set(r, resource - r->resources,
                          MIN(status->status, GOAL_STATUS_OUT_OF_ORDER));
            relay_ack_verdict(ah, ah->pending[i],
                              MIN(status->status, GOAL_STATUS_OUT_OF_ORDER));
            ah->pending[i] = ah->pending[--ah->n_pending];
            return;
        }
    }
}

static char *
take_first_answer(struct ack_host *ah, const void *payload, size_t len)
{
    struct verdicts v = { .ah = ah };
    struct resource_status worst;
    struct ack_request *r = ah->out->request;

    shash_init(&v.entries);
    ack_host_set_state(ah, ACK_HOST_PENDING);
    char *error = reply_walk(payload, len, take_exception, &v, &worst);
    shash_destroy(&v.entries);
    r->worst.programming_usec = MAX(r->worst.programming_usec,
                                    worst.programming_usec);
    r->worst.configuration_usec = MAX(r->worst.configuration_usec,
                                      worst.configuration_usec);
    return error;
}

/* What 'ah' said before counts no longer. */
static void
forget_pending(struct ack_host *ah)
{
    for (size_t i = 0; i < ah->n_pending; i++) {
        ack_entry_resource(ah->out, ah->pending[i])->n_pending--;
    }
    ah->n_pending = 0;
}

static char *
take_second_answer(struct ack_host *ah, const void *payload, size_t len)
{
    struct resource_status *statuses;
    size_t n;
    char *error = reply_decode(payload, len, &statuses, &n);

    for (size_t i = 0; i < n; i++) {
        take_healed(ah, &statuses[i]);
    }
    reply_destroy(statuses, n);
    return error;
}

/* True if the snapshot holds what 'out' was about. */
static bool
snapshot_has(const struct snapshot_end *end, const struct ack_out *out)
{
    return (out->number <= end->n_before
            && (sset_is_empty(&end->topics)
                || (out->vpc
                    && sset_contains(&end->topics, out->vpc->topic))));
}

/* A host has its state: nothing of what it owed then is missing any more, but
 * for what the 'len' bytes at 'payload' list. */
static void
take_snapshot_answer(struct relay_node *node, const struct snapshot_end *end,
                     const void *payload, size_t len)
{
    struct ack_host *ah, *next;
    struct hmapx_node *rnode;
    struct hmapx requests = HMAPX_INITIALIZER(&requests);

    if (!node->host) {
        return;
    }
    LIST_FOR_EACH_SAFE (ah, next, owed_node, &node->host->owed) {
        if (snapshot_has(end, ah->out)) {
            forget_pending(ah);
            free(take_first_answer(ah, payload, len));
            if (!ah->n_pending) {
                ack_host_set_state(ah, ACK_HOST_DONE);
            }
            hmapx_add(&requests, ah->out->request);
        }
    }
    HMAPX_FOR_EACH (rnode, &requests) {
        relay_ack_request_check(rnode->data);
    }
    hmapx_destroy(&requests);
}

/* A GOAL_STATE_REPLY of 'node'. */
void
relay_ack_reply(struct relay *relay, struct relay_node *node,
                const struct envelope *envelope, const void *payload,
                size_t len)
{
    struct ack_out *out = find_out(relay, envelope->correlation_id);
    struct ack_host *ah = out && node->host ? find_host(out, node->host)
                          : NULL;
    char *error = NULL;

    if (!ah) {
        struct snapshot_end *end = shash_find_data(&relay->snapshot_ends,
                                                   envelope->correlation_id);

        if (end && !strcmp(end->peer, node->id)) {
            shash_find_and_delete(&relay->snapshot_ends,
                                  envelope->correlation_id);
            take_snapshot_answer(node, end, payload, len);
            relay_snapshot_end_destroy(end);
        }
        return;
    }
    if (ah->state == ACK_HOST_DONE) {
        return;
    } else if (ah->state == ACK_HOST_PENDING) {
        error = take_second_answer(ah, payload, len);
    } else {
        error = take_first_answer(ah, payload, len);
    }
    if (!ah->n_pending) {
        ack_host_set_state(ah, ACK_HOST_DONE);
    }
    if (error) {
        VLOG_INFO_RL(&rl, "reply of %s: %s", node->id, error);
        relay->counters.unparsable++;
        free(error);
    }
    relay_ack_request_check(out->request);
}

/* Retries and timeouts. */

static void
encode_entry(struct relay *relay, const struct ack_out *out, size_t i,
             struct ofpbuf *buf)
{
    const struct ack_entry *entry = &out->entries[i];
    const struct ack_resource *resource = ack_entry_resource(out, i);
    struct goal_resource *stored = goal_store_get_key(relay->store,
                                                      &entry->key);
    if (stored) {
        relay_encode(relay, stored, buf);
        goal_resource_destroy(stored);
    } else if (resource) {
        goal_encode_delete(entry->key.kind, resource->id, 0, buf);
    }
}

/* Sends what 'ah' has not answered again.  As it is now, not as it was then:
 * so a repetition never takes anything back. */
static void
repeat(struct relay *relay, struct ack_host *ah)
{
    struct ofpbuf payload;

    COVERAGE_INC(relay_ack_retry);
    relay->counters.retries++;
    ofpbuf_init(&payload, 1024);
    for (size_t i = 0; i < ah->out->n_entries; i++) {
        encode_entry(relay, ah->out, i, &payload);
    }
    relay_outbox_repeat(relay, ah->host, ah->out, &payload);
    ofpbuf_uninit(&payload);
}

/* 'node' has come (back): it gets what it still owes an answer for, but for
 * what 'replay', which may be null, tells it anyway. */
void
relay_ack_hello(struct relay *relay, struct relay_node *node,
                const struct relay_replay *replay)
{
    struct ack_host *ah;

    if (!node->host) {
        return;
    }
    LIST_FOR_EACH (ah, owed_node, &node->host->owed) {
        if ((ah->state == ACK_HOST_AWAY || ah->state == ACK_HOST_WAITING)
            && !relay_replay_has(replay, ah->out->topic, ah->out->sequence)) {
            repeat(relay, ah);
        }
    }
}

/* Finds out whether 'node' is there, at most once a second. */
static void
probe(struct relay *relay, struct relay_node *node)
{
    if (time_msec() - node->probed >= PROBE_MSEC) {
        struct envelope e = relay_envelope(relay, MSG_HEARTBEAT, NULL, NULL);

        node->probed = time_msec();
        if (relay_send(relay, node->id, &e, NULL) == EHOSTUNREACH) {
            node->connected = false;
        }
    }
}

static void
check_late_host(struct relay *relay, struct ack_host *ah,
                long long int elapsed)
{
    struct relay_node *node = ah->host->peer;

    if (node && elapsed >= PROBE_MSEC) {
        probe(relay, node);
    }
    if (!node || !node->connected) {
        ack_host_set_state(ah, ACK_HOST_AWAY);
    } else if (elapsed >= TIMEOUT_MSEC) {
        COVERAGE_INC(relay_ack_timeout);
        relay->counters.timeouts++;
        VLOG_WARN_RL(&rl, "host %s does not answer", node->id);
        for (size_t i = 0; i < ah->out->n_entries; i++) {
            if (ack_entry_resource(ah->out, i)) {
                relay_ack_set(ah->out->request, ah->out->entries[i].resource,
                              GOAL_STATUS_FAILURE);
                relay_ack_verdict(ah, i, GOAL_STATUS_FAILURE);
            }
        }
        ack_host_set_state(ah, ACK_HOST_DONE);
    } else if (ah->n_retries < ARRAY_SIZE(retries)
               && elapsed >= retries[ah->n_retries]) {
        ah->n_retries++;
        repeat(relay, ah);
    }
}

/* Looks for hosts that are late. */
void
relay_acks_run(struct relay *relay)
{
    struct ack_request *r, *next;
    long long int now = time_msec();
    bool waiting = false;

    if (now < relay->acks_at) {
        return;
    }
    HMAP_FOR_EACH_SAFE (r, next, node, &relay->requests) {
        struct ack_out *out;

        LIST_FOR_EACH (out, list_node, &r->outs) {
            for (size_t i = 0; i < out->n_hosts && out->n_waiting; i++) {
                if (out->hosts[i].state == ACK_HOST_WAITING) {
                    check_late_host(relay, &out->hosts[i],
                                    now - out->sent_at);
                }
            }
        }
        waiting = waiting || r->n_waiting;
        if (!r->answered) {
            relay_ack_request_check(r);
        }
    }
    relay->acks_at = waiting ? now + ACK_RUN_INTERVAL : LLONG_MAX;
}

void
relay_acks_wait(struct relay *relay)
{
    if (relay->acks_at != LLONG_MAX) {
        poll_timer_wait_until(relay->acks_at);
    }
}
