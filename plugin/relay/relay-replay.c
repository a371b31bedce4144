/* SPDX-License-Identifier: Apache-2.0
 *
 * relay-replay: what was published lately, for those who missed it. */

#include <config.h>

#include "relay/relay-private.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "coverage.h"
#include "limit.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "simap.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(relay_replay);

COVERAGE_DEFINE(relay_replay);
COVERAGE_DEFINE(relay_replay_impossible);
COVERAGE_DEFINE(relay_replay_cut);

/* How it works
 * ============
 *
 * What is published is kept in memory, the newest LOG_BYTES of it, in one list
 * and in one for each topic.  What a topic has there has no holes and ends
 * with the last message published: else it is forgotten.
 *
 * A node that comes back says in its HELLO how far it has got.  If everything
 * that it has missed since is there, and it is not so much that a snapshot is
 * cheaper, HELLO_REPLY names the positions up to which it will be told, and
 * the messages follow on the control channel: in the order in which they were
 * published, under their own ids, in answer to the HELLO, and as fast as the
 * node takes them.  Else HELLO_REPLY names no positions, and the node asks for
 * a snapshot once it finds that something is missing. */

/* What is kept, in all. */
#define LOG_BYTES (64 * 1024 * 1024)
#define LOG_MESSAGES 65536

/* What an entry takes beside its payload, about. */
#define ENTRY_OVERHEAD 256

/* What is sent to one node.  More is no replay. */
#define REPLAY_MESSAGES 4096
#define REPLAY_BYTES (16 * 1024 * 1024)

LIMIT_DEFINE(log_messages, LOG_MESSAGES, 16, LIMIT_FORGETS)
LIMIT_DEFINE(log_KB, LOG_BYTES / 1024, 64, LIMIT_FORGETS)
LIMIT_DEFINE(replay_messages, REPLAY_MESSAGES, 1, LIMIT_REFUSED)
LIMIT_DEFINE(replay_KB, REPLAY_BYTES / 1024, 1, LIMIT_REFUSED)

/* Work done in one round, and how long a node may take nothing, in ms. */
#define RUN_MSEC 20
#define STALL_MSEC 30000

static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(5, 20);

struct log_entry {
    struct ovs_list log_node;   /* In struct relay's 'log', oldest first. */
    struct ovs_list topic_node; /* In 'topic->log'. */
    struct relay_topic *topic;  /* Null: no longer in the log. */
    uint64_t number;            /* It was the so many'th. */
    unsigned int n_refs;        /* By the log, and by replays. */
    char *id;
    struct server_payload *payload;
};

/* A topic of which a node has missed something. */
struct replay_topic {
    const struct relay_topic *topic;
    uint64_t from;              /* Last one that the node has. */
};

struct relay_replay {
    struct ovs_list list_node;  /* In struct relay's 'replays'. */
    struct relay *relay;
    char *peer;                 /* Node. */
    char *correlation_id;
    struct replay_topic *topics; /* Sorted by 'topic'. */
    size_t n_topics;
    struct log_entry **entries; /* In order. */
    size_t n, next;
    long long int stalled_at;   /* Since when; LLONG_MAX: not. */
};

/* The log. */

static size_t
entry_bytes(const struct log_entry *e)
{
    return e->payload->size + ENTRY_OVERHEAD;
}

static void
entry_unref(struct log_entry *e)
{
    if (!--e->n_refs) {
        server_payload_unref(e->payload);
        free(e->id);
        free(e);
    }
}

static void
log_remove(struct relay *relay, struct log_entry *e)
{
    ovs_list_remove(&e->log_node);
    ovs_list_remove(&e->topic_node);
    e->topic->n_logged--;
    e->topic = NULL;
    relay->n_logged--;
    relay->log_bytes -= entry_bytes(e);
    entry_unref(e);
}

/* Message 'sequence' of 'topic' has been published. */
void
relay_log_put(struct relay *relay, struct relay_topic *topic,
              uint64_t sequence, const char *id,
              struct server_payload *payload)
{
    struct log_entry *e, *next;

    if (sequence != topic->published + 1) {
        LIST_FOR_EACH_SAFE (e, next, topic_node, &topic->log) {
            log_remove(relay, e);
        }
    }
    topic->published = sequence;

    e = xmalloc(sizeof *e);
    e->topic = topic;
    e->number = ++relay->n_published;
    e->n_refs = 1;
    e->id = xstrdup(id);
    e->payload = server_payload_ref(payload);
    ovs_list_push_back(&relay->log, &e->log_node);
    ovs_list_push_back(&topic->log, &e->topic_node);
    topic->n_logged++;
    relay->n_logged++;
    relay->log_bytes += entry_bytes(e);
    while (limit_exceeded(&limit_log_KB, relay->log_bytes / 1024)
           || limit_exceeded(&limit_log_messages, relay->n_logged)) {
        log_remove(relay, CONTAINER_OF(ovs_list_front(&relay->log),
                                       struct log_entry, log_node));
    }
}

/* Replays. */

static void
replay_destroy(struct relay_replay *r)
{
    ovs_list_remove(&r->list_node);
    for (size_t i = 0; i < r->n; i++) {
        entry_unref(r->entries[i]);
    }
    r->relay->n_replays--;
    free(r->entries);
    free(r->topics);
    free(r->peer);
    free(r->correlation_id);
    free(r);
}

/* Gives up what 'node' is being told, if anything. */
void
relay_replay_cancel(struct relay *relay, const struct relay_node *node)
{
    struct relay_replay *r, *next;

    LIST_FOR_EACH_SAFE (r, next, list_node, &relay->replays) {
        if (!strcmp(r->peer, node->id)) {
            replay_destroy(r);
        }
    }
}

static int
compare_topics(const void *a_, const void *b_)
{
    const struct replay_topic *a = a_;
    const struct replay_topic *b = b_;

    return a->topic < b->topic ? -1 : a->topic > b->topic;
}

static int
compare_entries(const void *a_, const void *b_)
{
    const struct log_entry *const *a = a_;
    const struct log_entry *const *b = b_;

    return (*a)->number < (*b)->number ? -1 : (*a)->number > (*b)->number;
}

/* Finds the topics of which a node that is at 'positions' has missed
 * something.  Returns false if they cannot be replayed. */
static bool
find_missed(struct relay_replay *r, const struct publisher_positions *pp)
{
    uint64_t n_missed = 0;

    r->topics = xcalloc(pp->n_positions, sizeof *r->topics);
    for (size_t i = 0; i < pp->n_positions; i++) {
        const struct relay_topic *topic
            = relay_topic_find(r->relay, pp->positions[i].topic);
        uint64_t from = pp->positions[i].sequence;

        if (!topic || from >= topic->sequence) {
            continue;
        }
        uint64_t missed = topic->sequence - from;
        if (topic->published != topic->sequence || missed > topic->n_logged
            || limit_exceeded(&limit_replay_messages, n_missed += missed)) {
            return false;
        }
        r->topics[r->n_topics++] = (struct replay_topic) { topic, from };
    }
    r->entries = xcalloc(n_missed, sizeof *r->entries);
    qsort(r->topics, r->n_topics, sizeof *r->topics, compare_topics);
    return true;
}

/* Collects the messages.  Returns false if they are too much. */
static bool
collect(struct relay_replay *r)
{
    size_t bytes = 0;

    for (size_t i = 0; i < r->n_topics; i++) {
        const struct replay_topic *rt = &r->topics[i];
        size_t missed = rt->topic->sequence - rt->from;
        struct log_entry *e;

        LIST_FOR_EACH_REVERSE (e, topic_node, &rt->topic->log) {
            if (!missed--) {
                break;
            }
            e->n_refs++;
            r->entries[r->n++] = e;
            bytes += entry_bytes(e);
        }
    }
    qsort(r->entries, r->n, sizeof *r->entries, compare_entries);
    return !limit_exceeded(&limit_replay_KB, bytes / 1024);
}

/* 'node' is at 'pp'.  Returns null if what it has missed cannot be replayed,
 * else what is to be sent once HELLO_REPLY is: which is valid until the node
 * says HELLO again or asks for a snapshot. */
struct relay_replay *
relay_replay_begin(struct relay *relay, const struct relay_node *node,
                   const struct publisher_positions *pp,
                   const char *correlation_id)
{
    relay_replay_cancel(relay, node);
    if (!pp->epoch || pp->epoch != placement_epoch(relay->placement)
        || strcmp(pp->sender, relay->options.sender)) {
        return NULL;
    }
    struct relay_replay *r = xzalloc(sizeof *r);

    r->relay = relay;
    r->peer = xstrdup(node->id);
    r->correlation_id = xstrdup(correlation_id);
    r->stalled_at = LLONG_MAX;
    ovs_list_push_back(&relay->replays, &r->list_node);
    relay->n_replays++;
    if (!find_missed(r, pp) || !collect(r)) {
        COVERAGE_INC(relay_replay_impossible);
        replay_destroy(r);
        return NULL;
    }
    return r;
}

/* True if 'r', which may be null, tells its node message 'sequence' of
 * 'topic'. */
bool
relay_replay_has(const struct relay_replay *r,
                 const struct relay_topic *topic, uint64_t sequence)
{
    const struct replay_topic key = { .topic = topic };
    const struct replay_topic *rt
        = (r && topic ? bsearch(&key, r->topics, r->n_topics,
                                sizeof *r->topics, compare_topics) : NULL);

    return rt && sequence > rt->from && sequence <= topic->published;
}

/* Sends the next message.  Returns 0, EAGAIN, EOF when there is none, or
 * another error. */
static int
replay_step(struct relay_replay *r)
{
    if (r->next >= r->n) {
        return EOF;
    }
    if (zmq_server_waiting(r->relay->server, r->peer) > RELAY_WINDOW_BYTES) {
        return EAGAIN;
    }
    const struct log_entry *e = r->entries[r->next];
    struct envelope envelope = relay_envelope(r->relay, MSG_GOAL_STATE_V2,
                                              e->id, r->correlation_id);
    int error = zmq_server_send(r->relay->server, r->peer, &envelope,
                                e->payload);

    if (!error) {
        COVERAGE_INC(relay_replay);
        r->relay->counters.replayed++;
        r->next++;
    }
    return error;
}

/* Takes 'r' one step further.  Returns true if it waits for its node. */
static bool
replay_run(struct relay_replay *r)
{
    int error = replay_step(r);

    if (error == EAGAIN) {
        long long int now = time_msec();

        r->stalled_at = MIN(r->stalled_at, now);
        if (now - r->stalled_at < STALL_MSEC) {
            return true;
        }
    }
    r->stalled_at = LLONG_MAX;
    if (error) {
        if (error != EOF) {
            COVERAGE_INC(relay_replay_cut);
            VLOG_INFO_RL(&rl, "what %s has missed: given up (%s)", r->peer,
                         ovs_strerror(error));
        }
        replay_destroy(r);
    }
    return false;
}

void
relay_replays_run(struct relay *relay)
{
    long long int deadline = time_msec() + RUN_MSEC;
    size_t n_idle = 0;

    while (n_idle < relay->n_replays && time_msec() < deadline) {
        struct ovs_list *first = ovs_list_pop_front(&relay->replays);

        ovs_list_push_back(&relay->replays, first);
        n_idle = (replay_run(CONTAINER_OF(first, struct relay_replay,
                                          list_node)) ? n_idle + 1 : 0);
    }
}

void
relay_replays_wait(struct relay *relay)
{
    const struct relay_replay *r;

    LIST_FOR_EACH (r, list_node, &relay->replays) {
        if (r->stalled_at == LLONG_MAX) {
            poll_immediate_wake();
            return;
        }
    }
    if (!ovs_list_is_empty(&relay->replays)) {
        poll_timer_wait(10);
    }
}

void
relay_replays_init(struct relay *relay)
{
    ovs_list_init(&relay->replays);
    ovs_list_init(&relay->log);
}

void
relay_replays_destroy(struct relay *relay)
{
    struct relay_replay *r, *next_r;
    struct log_entry *e, *next;

    LIST_FOR_EACH_SAFE (r, next_r, list_node, &relay->replays) {
        replay_destroy(r);
    }
    LIST_FOR_EACH_SAFE (e, next, log_node, &relay->log) {
        log_remove(relay, e);
    }
}

void
relay_replays_get_memory_usage(const struct relay *relay, struct simap *usage)
{
    simap_increase(usage, "replays", relay->n_replays);
    simap_increase(usage, "log-messages", relay->n_logged);
    simap_increase(usage, "log-KB", relay->log_bytes / 1024);
}
