/* SPDX-License-Identifier: Apache-2.0
 *
 * relay-snapshot: the state of a host, in pieces. */

#include <config.h>

#include "relay/relay-private.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "coverage.h"
#include "limit.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "store/vni-claims.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(relay_snapshot);

COVERAGE_DEFINE(relay_snapshot);
COVERAGE_DEFINE(relay_snapshot_cut);

/* How it works
 * ============
 *
 * A snapshot is read from the store while it is sent, a piece at a time and in
 * turn with those of other hosts, and only as fast as the host takes it.  What
 * changes meanwhile reaches the host by its topics as well, with numbers past
 * the positions that SNAPSHOT_END names, which are those of the beginning.
 *
 *    MEMBERS      what the host holds, in the order of surrogates
 *    NEIGHBORS    those of each VPC that it is in
 *
 * A snapshot of VPC topics only consists of the VPC, its subnets, the security
 * groups that the host holds, and the neighbours. */

/* Size of a piece, in bytes, and work done in one round, in ms. */
#define PIECE_BYTES (64 * 1024)
#define RUN_MSEC 20

/* A host that takes nothing for so long is not sent the rest. */
#define STALL_MSEC 30000

/* SNAPSHOT_ENDs whose answers are awaited. */
#define MAX_ENDS 65536

LIMIT_DEFINE(snapshot_ends, MAX_ENDS, 16, LIMIT_FORGETS)

static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(5, 20);

enum stage { STAGE_BEGIN, STAGE_MEMBERS, STAGE_NEIGHBORS, STAGE_END };

struct snapshot_job {
    struct ovs_list list_node;  /* In struct relay's 'snapshots'. */
    struct relay *relay;
    char *peer;                 /* Node. */
    struct place_host *host;    /* Null: holds nothing. */
    char *correlation_id;
    char **topics;              /* Covered; none: all. */
    size_t n_topics;
    struct topic_position *positions;
    size_t n_positions, allocated_positions;

    enum stage stage;
    uint64_t sequence;
    uint64_t after;             /* MEMBERS: last surrogate. */
    char **vpcs;                /* NEIGHBORS: ids. */
    size_t n_vpcs, allocated_vpcs, vpc;
    struct goal_key neighbor;   /* Last one in 'vpcs[vpc]'. */
    bool vpc_begun;

    struct ofpbuf piece;        /* Being filled, or refused by the socket. */
    bool full;                  /* 'piece' is to be sent. */
    long long int stalled_at;   /* Since when; LLONG_MAX: not. */
    uint64_t n_before;          /* See struct snapshot_end. */
};

static void
job_destroy(struct snapshot_job *job)
{
    ovs_list_remove(&job->list_node);
    job->relay->n_snapshots--;
    for (size_t i = 0; i < job->n_topics; i++) {
        free(job->topics[i]);
    }
    for (size_t i = 0; i < job->n_positions; i++) {
        free(job->positions[i].topic);
    }
    for (size_t i = 0; i < job->n_vpcs; i++) {
        free(job->vpcs[i]);
    }
    free(job->topics);
    free(job->positions);
    free(job->vpcs);
    free(job->peer);
    free(job->correlation_id);
    ofpbuf_uninit(&job->piece);
    free(job);
}

static void
add_position(struct snapshot_job *job, const char *topic)
{
    if (job->n_positions >= job->allocated_positions) {
        job->positions = x2nrealloc(job->positions,
                                    &job->allocated_positions,
                                    sizeof *job->positions);
    }
    job->positions[job->n_positions++] = (struct topic_position) {
        xstrdup(topic), relay_topic_position(job->relay, topic)
    };
}

static void
add_vpc(struct snapshot_job *job, const char *id)
{
    if (job->n_vpcs >= job->allocated_vpcs) {
        job->vpcs = x2nrealloc(job->vpcs, &job->allocated_vpcs,
                               sizeof *job->vpcs);
    }
    job->vpcs[job->n_vpcs++] = xstrdup(id);
}

/* True if the host's last HELLO named only topics of VPCs. */
static bool
is_partial(const struct relay_node *node)
{
    const char *topic;

    SSET_FOR_EACH (topic, &node->hello_topics) {
        if (strncmp(topic, "vpc/", 4)) {
            return false;
        }
    }
    return !sset_is_empty(&node->hello_topics);
}

/* Decides what the snapshot covers, by the topics of the last HELLO. */
static void
choose_scope(struct snapshot_job *job, const struct relay_node *node)
{
    const char *topic;

    SSET_FOR_EACH (topic, &node->hello_topics) {
        add_position(job, topic);
    }
    if (is_partial(node)) {
        job->topics = xcalloc(sset_count(&node->hello_topics),
                              sizeof *job->topics);
        SSET_FOR_EACH (topic, &node->hello_topics) {
            job->topics[job->n_topics++] = xstrdup(topic);
            add_vpc(job, topic + 4);
        }
        return;
    }
    if (!sset_contains(&node->hello_topics, node->topic)) {
        add_position(job, node->topic);
    }
    if (node->host) {
        struct place_span *span;

        LIST_FOR_EACH (span, host_node, &node->host->spans) {
            add_vpc(job, span->vpc->id);
            if (!sset_contains(&node->hello_topics, span->vpc->topic)) {
                add_position(job, span->vpc->topic);
            }
        }
    }
}

/* Begins a snapshot that answers 'correlation_id', a request of 'node'.  One
 * that is under way for it is given up. */
void
relay_snapshot_start(struct relay *relay, struct relay_node *node,
                     const char *correlation_id)
{
    struct snapshot_job *job, *next;

    LIST_FOR_EACH_SAFE (job, next, list_node, &relay->snapshots) {
        if (!strcmp(job->peer, node->id)) {
            job_destroy(job);
        }
    }
    if (!is_partial(node)) {
        relay_replay_cancel(relay, node);
    }
    COVERAGE_INC(relay_snapshot);
    node->n_snapshots++;
    job = xzalloc(sizeof *job);
    job->relay = relay;
    job->peer = xstrdup(node->id);
    job->host = node->host;
    job->correlation_id = xstrdup(correlation_id);
    job->stalled_at = LLONG_MAX;
    job->n_before = relay->n_outs;
    ofpbuf_init(&job->piece, 0);
    choose_scope(job, node);
    ovs_list_push_back(&relay->snapshots, &job->list_node);
    relay->n_snapshots++;
}

/* Reading. */

static void
add_resource(struct snapshot_job *job, const struct goal_key *key)
{
    struct goal_resource *r = goal_store_get_key(job->relay->store, key);

    if (r) {
        relay_encode(job->relay, r, &job->piece);
        goal_resource_destroy(r);
    }
    job->full = job->piece.size >= PIECE_BYTES;
}

static bool
add_member(uint64_t sid, void *job_)
{
    struct snapshot_job *job = job_;
    struct goal_key key = { goal_store_sid_kind(sid), sid };

    job->after = sid;
    add_resource(job, &key);
    return !job->full;
}

static bool
add_neighbor(const struct goal_key *key, void *job_)
{
    struct snapshot_job *job = job_;

    job->neighbor = *key;
    if (key->kind == GOAL_NEIGHBOR) {
        add_resource(job, key);
    }
    return !job->full;
}

static bool
add_subnet(const char *subnet_id, void *job_)
{
    struct snapshot_job *job = job_;
    struct goal_key key;

    if (goal_store_lookup(job->relay->store, GOAL_SUBNET, subnet_id, &key)) {
        add_resource(job, &key);
    }
    return true;
}

static bool
add_group(const struct goal_key *key, void *job_)
{
    struct snapshot_job *job = job_;

    if (key->kind == GOAL_SECURITY_GROUP && job->host
        && placement_has(job->relay->placement, job->host, key)) {
        add_resource(job, key);
    }
    return true;
}

/* Adds what a partial snapshot has of a VPC beside neighbours. */
static void
add_vpc_context(struct snapshot_job *job, const char *vpc_id)
{
    struct goal_store *store = job->relay->store;
    struct goal_key key;

    if (goal_store_lookup(store, GOAL_VPC, vpc_id, &key)) {
        add_resource(job, &key);
    }
    vni_claims_for_each_subnet(goal_store_vni_claims(store), vpc_id,
                               add_subnet, job);
    goal_store_index(store, GOAL_BY_VPC, vpc_id, NULL, add_group, job);
}

/* Fills 'job->piece', and moves on to the next stage when there is no more. */
static void
fill_piece(struct snapshot_job *job)
{
    struct relay *relay = job->relay;

    if (job->stage == STAGE_MEMBERS) {
        if (job->host && !job->n_topics) {
            placement_for_each_member(relay->placement, job->host, job->after,
                                      add_member, job);
        }
        job->stage += !job->full;
    }
    while (job->stage == STAGE_NEIGHBORS && !job->full) {
        if (job->vpc >= job->n_vpcs) {
            job->stage = STAGE_END;
            break;
        }
        const char *id = job->vpcs[job->vpc];
        if (!job->vpc_begun) {
            /* Neighbours are behind subnets and ports. */
            job->neighbor = (struct goal_key) { GOAL_PORT, UINT64_MAX - 1 };
            job->vpc_begun = true;
            if (job->n_topics) {
                add_vpc_context(job, id);
            }
        }
        goal_store_index_after(relay->store, GOAL_BY_VPC, id, NULL,
                               &job->neighbor, add_neighbor, job);
        if (!job->full) {
            job->vpc++;
            job->vpc_begun = false;
        }
    }
    job->full = job->full || job->stage == STAGE_END;
}

/* Sending. */

static int
send_part(struct snapshot_job *job, enum envelope_kind kind, const char *id,
          const struct ofpbuf *payload)
{
    struct envelope e = relay_envelope(job->relay, kind, id,
                                       job->correlation_id);

    e.sequence = job->sequence + 1;
    int error = relay_send(job->relay, job->peer, &e, payload);
    if (!error) {
        job->sequence++;
    }
    return error;
}

static int
send_begin(struct snapshot_job *job)
{
    struct ofpbuf payload;

    ofpbuf_init(&payload, 64);
    snapshot_begin_encode((const char *const *) job->topics, job->n_topics,
                          &payload);
    int error = send_part(job, MSG_SNAPSHOT_BEGIN, NULL, &payload);
    ofpbuf_uninit(&payload);
    if (!error) {
        job->stage = STAGE_MEMBERS;
    }
    return error;
}

void
relay_snapshot_end_destroy(struct snapshot_end *end)
{
    sset_destroy(&end->topics);
    free(end->peer);
    free(end);
}

static void
forget_ends(struct relay *relay)
{
    struct shash_node *node;

    SHASH_FOR_EACH (node, &relay->snapshot_ends) {
        relay_snapshot_end_destroy(node->data);
    }
    shash_clear(&relay->snapshot_ends);
}

/* Its host will answer the SNAPSHOT_END called 'id'. */
static void
remember_end(const struct snapshot_job *job, const char *id)
{
    struct snapshot_end *end = xmalloc(sizeof *end);

    end->peer = xstrdup(job->peer);
    end->n_before = job->n_before;
    sset_init(&end->topics);
    for (size_t i = 0; i < job->n_topics; i++) {
        sset_add(&end->topics, job->topics[i]);
    }
    shash_add(&job->relay->snapshot_ends, id, end);
}

static int
send_end(struct snapshot_job *job)
{
    struct relay *relay = job->relay;
    char *id = relay_new_id();
    struct ofpbuf payload;

    ofpbuf_init(&payload, 64);
    snapshot_end_encode(placement_epoch(relay->placement),
                        relay->options.sender, job->positions,
                        job->n_positions, &payload);
    int error = send_part(job, MSG_SNAPSHOT_END, id, &payload);
    ofpbuf_uninit(&payload);
    if (!error) {
        if (limit_reached(&limit_snapshot_ends,
                          shash_count(&relay->snapshot_ends))) {
            forget_ends(relay);
        }
        remember_end(job, id);
    }
    free(id);
    return error;
}

/* Sends the next part.  Returns 0, EAGAIN, EOF when that was the last, or
 * another error. */
static int
job_step(struct snapshot_job *job)
{
    int error = 0;

    if (job->stage == STAGE_BEGIN) {
        return send_begin(job);
    }
    if (!job->full) {
        fill_piece(job);
    }
    if (zmq_server_waiting(job->relay->server, job->peer)
        > RELAY_WINDOW_BYTES) {
        return EAGAIN;
    }
    if (job->piece.size) {
        error = send_part(job, MSG_GOAL_STATE_V2, NULL, &job->piece);
        if (!error) {
            ofpbuf_clear(&job->piece);
            job->full = job->stage == STAGE_END;
        }
        return error;
    }
    error = send_end(job);
    return error ? error : EOF;
}

/* Takes 'job' one step further.  Returns true if it waits for its host. */
static bool
job_run(struct snapshot_job *job)
{
    int error = job_step(job);

    if (error == EAGAIN) {
        long long int now = time_msec();

        if (job->stalled_at == LLONG_MAX) {
            job->stalled_at = now;
        }
        if (now - job->stalled_at < STALL_MSEC) {
            return true;
        }
    }
    job->stalled_at = LLONG_MAX;
    if (error) {
        if (error != EOF) {
            COVERAGE_INC(relay_snapshot_cut);
            VLOG_INFO_RL(&rl, "snapshot for %s: given up (%s)", job->peer,
                         ovs_strerror(error));
        }
        job_destroy(job);
    }
    return false;
}

void
relay_snapshots_run(struct relay *relay)
{
    long long int deadline = time_msec() + RUN_MSEC;
    size_t n_idle = 0;

    while (n_idle < relay->n_snapshots && time_msec() < deadline) {
        struct ovs_list *first = ovs_list_pop_front(&relay->snapshots);
        struct snapshot_job *job = CONTAINER_OF(first, struct snapshot_job,
                                                list_node);

        ovs_list_push_back(&relay->snapshots, first);
        n_idle = job_run(job) ? n_idle + 1 : 0;
    }
}

void
relay_snapshots_wait(struct relay *relay)
{
    struct snapshot_job *job;

    LIST_FOR_EACH (job, list_node, &relay->snapshots) {
        if (job->stalled_at == LLONG_MAX) {
            poll_immediate_wake();
            return;
        }
    }
    if (!ovs_list_is_empty(&relay->snapshots)) {
        poll_timer_wait(10);
    }
}

void
relay_snapshots_destroy(struct relay *relay)
{
    struct snapshot_job *job, *next;

    LIST_FOR_EACH_SAFE (job, next, list_node, &relay->snapshots) {
        job_destroy(job);
    }
    forget_ends(relay);
    shash_destroy(&relay->snapshot_ends);
}
