/* SPDX-License-Identifier: Apache-2.0
 *
 * resync: notices that messages are missing, and gets the state again. */

#include <config.h>

#include "ingest/resync-private.h"

#include <stdlib.h>
#include <string.h>
#include "coverage.h"
#include "ingest/transport-provider.h"
#include "limit.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/shash.h"
#include "openvswitch/vlog.h"
#include "random.h"
#include "simap.h"
#include "sset.h"
#include "util.h"
#include "uuid.h"

VLOG_DEFINE_THIS_MODULE(resync);

COVERAGE_DEFINE(resync_gap);
COVERAGE_DEFINE(resync_request);
COVERAGE_DEFINE(resync_applied);
COVERAGE_DEFINE(resync_discarded);
COVERAGE_DEFINE(resync_no_state);
COVERAGE_DEFINE(resync_stray);

/* Topics followed at a time; more are not checked for gaps. */
#define MAX_FOLLOWED 131072

LIMIT_DEFINE(followed_topics, MAX_FOLLOWED, LIMIT_FIXED, LIMIT_DROPPED)
LIMIT_DEFINE(snapshot_KB, RESYNC_MAX_BYTES / 1024, 64, LIMIT_DROPPED)

/* What a message of a snapshot costs beside its payload, about. */
#define MESSAGE_OVERHEAD 1024

static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(5, 20);

struct resync *
resync_create(const struct resync_class *class, void *aux)
{
    struct resync *rs = xzalloc(sizeof *rs);

    rs->class = class;
    rs->aux = aux;
    rs->first_start = true;
    shash_init(&rs->followed);
    publishers_init(&rs->publishers);
    sset_init(&rs->want_topics);
    sset_init(&rs->asked_topics);
    return rs;
}

static void
snapshot_clear(struct resync *rs)
{
    for (size_t i = 0; i < rs->snapshot.n_messages; i++) {
        rs->class->message_destroy(rs->snapshot.messages[i], rs->aux);
    }
    free(rs->snapshot.messages);
    publisher_positions_destroy(&rs->snapshot.begin);
    publisher_positions_destroy(&rs->snapshot.end);
    free(rs->snapshot.end_message_id);
    memset(&rs->snapshot, 0, sizeof rs->snapshot);
    rs->allocated_messages = 0;
    rs->bytes = 0;
}

static void
followed_delete(struct resync *rs, struct shash_node *node)
{
    struct followed *f = node->data;

    free(f->sender);
    free(f->topic);
    free(f);
    shash_delete(&rs->followed, node);
}

static void
followed_clear(struct resync *rs)
{
    struct shash_node *node;

    SHASH_FOR_EACH_SAFE (node, &rs->followed) {
        followed_delete(rs, node);
    }
}

/* Stops following earlier incarnations of 'sender' than 'epoch'. */
static void
followed_drop_older(struct resync *rs, const char *sender, uint64_t epoch)
{
    struct shash_node *node;

    SHASH_FOR_EACH_SAFE (node, &rs->followed) {
        struct followed *f = node->data;

        if (f->epoch < epoch && !strcmp(f->sender, sender)) {
            followed_delete(rs, node);
        }
    }
}

void
resync_destroy(struct resync *rs)
{
    if (rs) {
        snapshot_clear(rs);
        followed_clear(rs);
        shash_destroy(&rs->followed);
        publishers_destroy(&rs->publishers);
        sset_destroy(&rs->want_topics);
        sset_destroy(&rs->asked_topics);
        free(rs->message_id);
        free(rs->request_id);
        free(rs->hello_id);
        free(rs);
    }
}

/* Publishers and topics. */

void
resync_add_synced(struct resync *rs, const char *sender, uint64_t epoch)
{
    publishers_add(&rs->publishers, sender, epoch)->synced = true;
    rs->first_start = false;
}

/* Notes that the publisher exists; if it is news, its state is wanted. */
void
resync_meet_publisher(struct resync *rs, const char *sender, uint64_t epoch)
{
    bool is_new = !publishers_find(&rs->publishers, sender, epoch);

    publishers_add(&rs->publishers, sender, epoch);
    if (is_new) {
        followed_drop_older(rs, sender, epoch);
        if (!(rs->state != S_IDLE && rs->asked_all)) {
            VLOG_INFO_RL(&rl, "publisher %s with epoch %"PRIu64" is new: "
                         "asking for its state", sender, epoch);
            rs->no_server_state = false;
            rs->want_all = true;
        }
    }
}

/* The state of all publishers known has been asked for and answered: stores
 * that, so that a restart does not ask again (and one before this does). */
static void
set_synced(struct resync *rs)
{
    struct publisher *p;

    rs->answered = true;
    PUBLISHERS_FOR_EACH (p, &rs->publishers) {
        if (!p->synced) {
            rs->class->set_position(p->sender, p->epoch, "", 1, rs->aux);
            p->synced = true;
        }
    }
}

struct followed *
resync_follow(struct resync *rs, const char *sender, uint64_t epoch,
              const char *topic)
{
    char *name = xasprintf("%s %"PRIu64" %s", sender, epoch, topic);
    struct followed *f = shash_find_data(&rs->followed, name);

    if (!f && !limit_reached(&limit_followed_topics,
                             shash_count(&rs->followed))) {
        f = xzalloc(sizeof *f);
        f->sender = xstrdup(sender);
        f->epoch = epoch;
        f->topic = xstrdup(topic);
        f->last = rs->class->position(sender, epoch, topic, rs->aux);
        f->hello = f->last;
        shash_add(&rs->followed, name, f);
    }
    free(name);
    return f;
}

/* True if what a request, that is wanted or under way, asks for includes all
 * that was ever published in 'topic'. */
bool
resync_is_asked_for(const struct resync *rs, const char *topic)
{
    return (sset_contains(&rs->want_topics, topic)
            || (rs->state != S_IDLE
                && (rs->asked_all
                    || sset_contains(&rs->asked_topics, topic))));
}

/* The messages of 'f' up to 'missing' have not all come. */
static void
note_gap(struct resync *rs, struct followed *f, uint64_t missing)
{
    const struct publisher *p = publishers_find(&rs->publishers, f->sender,
                                                f->epoch);

    COVERAGE_INC(resync_gap);
    rs->n_gaps++;
    f->n_gaps++;
    if (rs->no_server_state || (p && p->no_state)) {
        VLOG_INFO_RL(&rl, "topic %s of %s: messages up to %"PRIu64" are lost, "
                     "and the server holds no state", f->topic, f->sender,
                     missing);
    } else {
        VLOG_INFO_RL(&rl, "topic %s of %s: messages up to %"PRIu64" are "
                     "missing: asking for the state again", f->topic,
                     f->sender, missing);
        f->gap = true;
        f->missing = missing;
        f->asked = false;
        if (!rs->hello_until) {
            rs->want_all = rs->want_all || !resync_is_asked_for(rs, f->topic);
        }
    }
}

bool
resync_numbered(struct resync *rs, const char *sender, uint64_t epoch,
                const char *topic, uint64_t sequence, bool *hold)
{
    struct followed *f = resync_follow(rs, sender, epoch, topic);

    *hold = false;
    if (!f) {
        return true;
    }
    if (sequence <= f->last) {
        return false;
    }
    resync_meet_publisher(rs, sender, epoch);
    if (sequence > f->last + 1) {
        note_gap(rs, f, sequence - 1);
    }
    f->last = sequence;
    *hold = f->gap || f->replay;
    return true;
}

void
resync_lost(struct resync *rs, const char *sender, uint64_t epoch,
            const char *topic)
{
    struct followed *f = resync_follow(rs, sender, epoch, topic);

    if (f) {
        note_gap(rs, f, f->last);
    }
}

void
resync_heartbeat(struct resync *rs, const char *sender, uint64_t epoch,
                 const char *topic, uint64_t sequence)
{
    struct followed *f = resync_follow(rs, sender, epoch, topic);

    resync_meet_publisher(rs, sender, epoch);
    if (f && sequence > f->last) {
        note_gap(rs, f, sequence);
        f->last = sequence;
    }
}

void
resync_joined(struct resync *rs, const char *topic)
{
    if (!rs->no_server_state
        && !limit_reached(&limit_followed_topics,
                          sset_count(&rs->want_topics))) {
        sset_add(&rs->want_topics, topic);
    }
}

void
resync_force(struct resync *rs)
{
    struct publisher *p;

    PUBLISHERS_FOR_EACH (p, &rs->publishers) {
        p->no_state = false;
    }
    rs->no_server_state = false;
    rs->want_all = true;
    rs->next_time = 0;
}

/* Gives up the request under way: what it asked for is wanted again. */
static void
abandon(struct resync *rs)
{
    const char *topic;

    snapshot_clear(rs);
    rs->state = S_IDLE;
    rs->want_all = rs->want_all || rs->asked_all;
    SSET_FOR_EACH (topic, &rs->asked_topics) {
        sset_add(&rs->want_topics, topic);
    }
}

void
resync_disconnected(struct resync *rs)
{
    if (rs->state != S_IDLE) {
        abandon(rs);
    }
    resync_rewind_replay(rs);
    rs->connected = false;
}

void
resync_connected(struct resync *rs, long long int now)
{
    resync_disconnected(rs);
    rs->connected = true;
    rs->no_server_state = false;
    rs->next_time = now;
    if (rs->first_start) {
        rs->first_start = false;
        rs->want_all = true;
    }
    resync_say_hello(rs, now);
}

/* Requests. */

/* Gives up the request under way and asks again after 'delay' ms. */
static void
retry_after(struct resync *rs, const char *why, int delay, long long int now)
{
    COVERAGE_INC(resync_discarded);
    VLOG_INFO_RL(&rl, "state could not be got: %s; asking again in %d ms",
                 why, delay);
    abandon(rs);
    rs->next_time = now + delay;
}

static void
grow_backoff(struct resync *rs)
{
    rs->backoff = (rs->backoff ? MIN(rs->backoff * 2, RESYNC_MAX_MSEC)
                   : RESYNC_MIN_MSEC);
}

/* Gives up the request under way, of which something has come, and asks again
 * later. */
static void
retry_later(struct resync *rs, const char *why, long long int now)
{
    grow_backoff(rs);
    retry_after(rs, why, rs->backoff / 2 + random_range(rs->backoff / 2 + 1),
                now);
}

/* Gives up the request under way, for lack of an answer, and asks again later.
 * Those who asked when the server came back wait equally long, so the time
 * after that has to be as different as can be. */
static void
retry_unanswered(struct resync *rs, long long int now)
{
    grow_backoff(rs);
    retry_after(rs, "no answer",
                RESYNC_MIN_MSEC + random_range(MAX(rs->backoff,
                                                   RESYNC_SPREAD_MSEC)), now);
}

/* The request about to be sent covers the gaps that there are. */
static void
mark_asked(struct resync *rs)
{
    struct shash_node *node;

    SHASH_FOR_EACH (node, &rs->followed) {
        struct followed *f = node->data;

        f->asked = f->gap && (rs->asked_all
                              || sset_contains(&rs->asked_topics, f->topic));
    }
}

static void
ask(struct resync *rs, long long int now)
{
    struct uuid uuid;

    uuid_generate(&uuid);
    free(rs->request_id);
    rs->request_id = xasprintf(UUID_FMT, UUID_ARGS(&uuid));
    rs->asked_all = rs->want_all;
    sset_clear(&rs->asked_topics);
    if (!rs->asked_all) {
        sset_swap(&rs->asked_topics, &rs->want_topics);
    }
    rs->want_all = false;
    sset_clear(&rs->want_topics);
    if (rs->asked_all) {
        resync_abandon_replay(rs);
    }
    mark_asked(rs);

    COVERAGE_INC(resync_request);
    free(rs->class->send_hello(rs->asked_all ? NULL : &rs->asked_topics,
                               rs->aux));
    free(rs->message_id);
    rs->message_id = rs->class->send_request(rs->request_id, rs->aux);
    rs->state = S_ASKED;
    rs->deadline = now + RESYNC_ANSWER_MSEC;
    if (!rs->message_id) {
        retry_later(rs, "the control channel does not take the request",
                    now);
    }
}

/* What was missing in 'f' is there, or will never be. */
static void
forget_gap(struct resync *rs, struct followed *f)
{
    if (f->gap) {
        f->gap = f->asked = false;
        rs->class->set_position(f->sender, f->epoch, f->topic, f->last,
                                rs->aux);
    }
}

/* The server holds no state: what is missing is lost. */
static void
give_up(struct resync *rs, const struct envelope *envelope)
{
    struct shash_node *node;

    COVERAGE_INC(resync_no_state);
    VLOG_INFO_RL(&rl, "%s holds no state: going on with what is there",
                 envelope->sender);
    publishers_add(&rs->publishers, envelope->sender,
                   envelope->epoch)->no_state = true;
    rs->no_server_state = true;
    rs->state = S_IDLE;
    rs->backoff = 0;
    rs->want_all = false;
    sset_clear(&rs->want_topics);
    SHASH_FOR_EACH (node, &rs->followed) {
        forget_gap(rs, node->data);
    }
    set_synced(rs);
}

void
resync_host_reply(struct resync *rs, const struct envelope *envelope,
                  const struct host_reply *reply, long long int now)
{
    for (size_t i = 0; i < reply->n; i++) {
        const struct host_reply_status *s = &reply->statuses[i];

        if (rs->state != S_ASKED || strcmp(s->request_id, rs->request_id)) {
            continue;
        }
        if (s->status == GOAL_STATUS_SUCCESS) {
            rs->deadline = now + RESYNC_ANSWER_MSEC;
        } else {
            give_up(rs, envelope);
        }
    }
}

/* Snapshots. */

/* True if 'envelope' is the next message of the snapshot under way.  A message
 * out of turn ends it. */
static bool
is_next(struct resync *rs, const struct envelope *envelope,
        long long int now)
{
    if (rs->state == S_IDLE || !rs->message_id
        || strcmp(envelope->correlation_id, rs->message_id)) {
        return false;
    }
    if (envelope->sequence != rs->next_sequence) {
        retry_later(rs, "the snapshot has a hole", now);
        return false;
    }
    rs->next_sequence++;
    rs->deadline = now + RESYNC_ANSWER_MSEC;
    return true;
}

/* Takes the content of 'begin'. */
void
resync_begin(struct resync *rs, const struct envelope *envelope,
             struct publisher_positions *begin, long long int now)
{
    if (rs->state == S_ASKED) {
        rs->next_sequence = 1;
    }
    if (!is_next(rs, envelope, now) || rs->state != S_ASKED) {
        return;
    }
    rs->state = S_SNAPSHOT;
    rs->snapshot.begin = *begin;
    memset(begin, 0, sizeof *begin);
}

bool
resync_goal_state(struct resync *rs, const struct envelope *envelope,
                  struct transport_message *msg, long long int now)
{
    struct snapshot *snapshot = &rs->snapshot;

    if (!envelope->sequence || !envelope->correlation_id[0]) {
        return false;
    }
    if (!is_next(rs, envelope, now)) {
        /* Of a snapshot that was given up, too. */
        COVERAGE_INC(resync_stray);
        rs->class->message_destroy(msg, rs->aux);
        return true;
    }
    rs->bytes += msg->payload_len + MESSAGE_OVERHEAD;
    if (rs->state != S_SNAPSHOT
        || limit_reached(&limit_snapshot_KB, rs->bytes / 1024)) {
        retry_later(rs, (rs->state != S_SNAPSHOT
                         ? "the snapshot has no beginning"
                         : "the snapshot is too large"), now);
        rs->class->message_destroy(msg, rs->aux);
        return true;
    }
    if (snapshot->n_messages >= rs->allocated_messages) {
        snapshot->messages = x2nrealloc(snapshot->messages,
                                        &rs->allocated_messages,
                                        sizeof *snapshot->messages);
    }
    snapshot->messages[snapshot->n_messages++] = msg;
    return true;
}

bool
snapshot_covers(const struct snapshot *snapshot, const char *topic)
{
    for (size_t i = 0; i < snapshot->begin.n_topics; i++) {
        if (!strcmp(snapshot->begin.topics[i], topic)) {
            return true;
        }
    }
    return !snapshot->begin.n_topics;
}

/* Nothing up to the positions in the snapshot is missing any more, nor what
 * was known to be missing when it was asked for. */
static void
follow_snapshot(struct resync *rs, const struct snapshot *snapshot)
{
    struct shash_node *node;

    for (size_t i = 0; i < snapshot->end.n_positions; i++) {
        const struct topic_position *p = &snapshot->end.positions[i];
        struct followed *f = (snapshot_covers(snapshot, p->topic)
                              ? resync_follow(rs, snapshot->end.sender,
                                       snapshot->end.epoch, p->topic)
                              : NULL);
        if (f) {
            f->last = MAX(f->last, p->sequence);
            f->asked = f->asked || (f->gap && p->sequence >= f->missing);
        }
    }
    SHASH_FOR_EACH (node, &rs->followed) {
        struct followed *f = node->data;

        if (f->asked) {
            forget_gap(rs, f);
        } else if (f->gap) {
            rs->want_all = true;
        }
    }
}

/* Takes the content of 'end'. */
void
resync_end(struct resync *rs, const struct envelope *envelope,
           struct publisher_positions *end, long long int now)
{
    if (!is_next(rs, envelope, now)) {
        return;
    }
    if (rs->state != S_SNAPSHOT) {
        retry_later(rs, "the snapshot has no beginning", now);
        return;
    }

    struct snapshot *snapshot = &rs->snapshot;
    snapshot->end = *end;
    memset(end, 0, sizeof *end);
    snapshot->end_message_id = xstrdup(envelope->message_id);
    if (!snapshot->end.sender[0]) {
        free(snapshot->end.sender);
        snapshot->end.sender = xstrdup(envelope->sender);
    }
    if (!snapshot->end.epoch) {
        snapshot->end.epoch = envelope->epoch;
    }

    COVERAGE_INC(resync_applied);
    VLOG_INFO("snapshot from %s: %"PRIuSIZE" messages, %"PRIuSIZE" bytes",
              envelope->sender, snapshot->n_messages, rs->bytes);
    if (!rs->class->apply(snapshot, rs->aux)) {
        retry_later(rs, "the snapshot could not be applied", now);
        return;
    }
    publishers_add(&rs->publishers, snapshot->end.sender,
                   snapshot->end.epoch);
    follow_snapshot(rs, snapshot);
    if (rs->asked_all) {
        set_synced(rs);
    }
    snapshot_clear(rs);
    rs->state = S_IDLE;
    rs->backoff = 0;
}

/* Main loop. */

static bool
wants(const struct resync *rs)
{
    return rs->want_all || !sset_is_empty(&rs->want_topics);
}

/* True if a request makes sense.  One that is repeated waits until there is
 * somebody to take it: else they would pile up until there is. */
static bool
may_ask(const struct resync *rs)
{
    return (rs->connected && wants(rs)
            && (!rs->backoff || rs->class->is_connected(rs->aux)));
}

bool
resync_is_due(const struct resync *rs, long long int now)
{
    return rs->state == S_IDLE && may_ask(rs) && now >= rs->next_time;
}

void
resync_run(struct resync *rs, long long int now)
{
    if (rs->state != S_IDLE && now >= rs->deadline) {
        retry_unanswered(rs, now);
    } else if (resync_is_due(rs, now)) {
        ask(rs, now);
    }
    resync_replay_run(rs, now);
}

void
resync_wait(struct resync *rs)
{
    if (rs->state != S_IDLE) {
        poll_timer_wait_until(rs->deadline);
    } else if (may_ask(rs)) {
        poll_timer_wait_until(rs->next_time);
    }
    resync_replay_wait(rs);
}

bool
resync_is_answered(const struct resync *rs)
{
    return rs->answered;
}

uint64_t
resync_n_gaps(const struct resync *rs)
{
    return rs->n_gaps;
}

void
resync_for_each_topic(const struct resync *rs,
                      void (*cb)(const char *sender, uint64_t epoch,
                                 const char *topic, uint64_t sequence,
                                 uint64_t n_gaps, void *aux),
                      void *aux)
{
    const struct shash_node *node;

    SHASH_FOR_EACH (node, &rs->followed) {
        const struct followed *f = node->data;

        cb(f->sender, f->epoch, f->topic, f->last, f->n_gaps, aux);
    }
}

/* True if something is missing that has not been asked for yet. */
static bool
has_gap(const struct resync *rs)
{
    const struct shash_node *node;

    SHASH_FOR_EACH (node, &rs->followed) {
        const struct followed *f = node->data;

        if (f->gap) {
            return true;
        }
    }
    return false;
}

void
resync_describe(const struct resync *rs, struct ds *s)
{
    if (rs->state == S_ASKED) {
        ds_put_cstr(s, "asked for the state");
    } else if (rs->state == S_SNAPSHOT) {
        ds_put_format(s, "receiving a snapshot: %"PRIuSIZE" messages so far",
                      rs->snapshot.n_messages);
    } else if (rs->n_replay) {
        ds_put_format(s, "being told %"PRIu64" messages that were missed",
                      rs->n_replay);
    } else if (wants(rs) || has_gap(rs)) {
        ds_put_cstr(s, rs->connected ? "will ask for the state"
                    : "will ask for the state when connected");
    } else {
        ds_put_cstr(s, "nothing missing");
    }
}

void
resync_get_memory_usage(const struct resync *rs, struct simap *usage)
{
    simap_increase(usage, "followed-topics", shash_count(&rs->followed));
    simap_increase(usage, "publishers", publishers_count(&rs->publishers));
    if (rs->state == S_SNAPSHOT) {
        simap_increase(usage, "snapshot-KB", rs->bytes / 1024);
    }
}
