/* SPDX-License-Identifier: Apache-2.0
 *
 * resync-replay: takes what was missed and is told once more. */

#include <config.h>

#include "ingest/resync-private.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "coverage.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(resync_replay);

COVERAGE_DEFINE(resync_replayed);

static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(5, 20);

/* Gaps that nothing will fill are asked for. */
static void
want_gaps(struct resync *rs)
{
    struct shash_node *node;

    rs->hello_until = 0;
    SHASH_FOR_EACH (node, &rs->followed) {
        const struct followed *f = node->data;

        if (f->gap && !f->asked && !resync_is_asked_for(rs, f->topic)) {
            rs->want_all = true;
        }
    }
}

/* Says HELLO to who has been connected.  If it says where we are, the answer
 * may be that we are told the rest. */
void
resync_say_hello(struct resync *rs, long long int now)
{
    const struct publisher *p;
    struct shash_node *node;
    bool synced = false;

    PUBLISHERS_FOR_EACH (p, &rs->publishers) {
        synced |= p->synced;
    }
    free(rs->hello_id);
    rs->hello_id = rs->class->send_hello(NULL, rs->aux);
    rs->hello_until = rs->want_all || !synced ? 0 : now + RESYNC_HELLO_MSEC;
    if (!rs->hello_until) {
        want_gaps(rs);
    }
    SHASH_FOR_EACH (node, &rs->followed) {
        struct followed *f = node->data;

        f->hello = rs->class->position(f->sender, f->epoch, f->topic,
                                       rs->aux);
    }
}

/* The connection is lost.  The next HELLO will say that what is still to be
 * replayed is missing. */
void
resync_rewind_replay(struct resync *rs)
{
    struct shash_node *node;

    rs->hello_until = 0;
    rs->n_replay = 0;
    SHASH_FOR_EACH (node, &rs->followed) {
        struct followed *f = node->data;

        if (f->replay) {
            f->replay = false;
            f->last = rs->class->position(f->sender, f->epoch, f->topic,
                                          rs->aux);
        }
    }
}

/* What is still to be replayed is not: it is missing once more. */
void
resync_abandon_replay(struct resync *rs)
{
    struct shash_node *node;

    rs->hello_until = 0;
    rs->n_replay = 0;
    SHASH_FOR_EACH (node, &rs->followed) {
        struct followed *f = node->data;

        if (f->replay) {
            f->replay = false;
            f->missing = f->gap ? MAX(f->missing, f->replay_to)
                         : f->replay_to;
            f->gap = true;
            f->asked = false;
        }
    }
}

/* Takes over that messages of 'topic' up to 'sequence' will come. */
static void
expect_replay(struct resync *rs, const struct publisher_positions *pp,
              const char *topic, uint64_t sequence)
{
    struct followed *f = resync_follow(rs, pp->sender, pp->epoch, topic);

    if (!f || sequence <= f->hello) {
        return;
    }
    rs->n_replay += sequence - f->hello;
    f->replay = true;
    f->replay_to = sequence;
    f->last = MAX(f->last, sequence);
    if (f->gap && f->missing <= sequence) {
        f->gap = false;
    }
}

void
resync_hello_reply(struct resync *rs, const struct envelope *envelope,
                   struct publisher_positions *pp, long long int now)
{
    bool is_ours = (rs->hello_until && rs->state == S_IDLE && !rs->want_all
                    && (!envelope->correlation_id[0] || !rs->hello_id
                        || !strcmp(envelope->correlation_id, rs->hello_id)));

    resync_meet_publisher(rs, envelope->sender, envelope->epoch);
    if (!pp->sender[0]) {
        free(pp->sender);
        pp->sender = xstrdup(envelope->sender);
    }
    pp->epoch = pp->epoch ? pp->epoch : envelope->epoch;

    const struct publisher *p = publishers_find(&rs->publishers, pp->sender,
                                                pp->epoch);
    if (is_ours && !rs->want_all && p && p->synced) {
        for (size_t i = 0; i < pp->n_positions; i++) {
            expect_replay(rs, pp, pp->positions[i].topic,
                          pp->positions[i].sequence);
        }
        if (rs->n_replay) {
            VLOG_INFO_RL(&rl, "%s replays %"PRIu64" messages", pp->sender,
                         rs->n_replay);
            rs->replay_marked = false;
            rs->replay_until = now + RESYNC_ANSWER_MSEC;
        }
    }
    if (is_ours) {
        want_gaps(rs);
    }
}

static void
finish_replay(struct resync *rs)
{
    struct shash_node *node;

    SHASH_FOR_EACH (node, &rs->followed) {
        struct followed *f = node->data;

        if (f->replay) {
            f->replay = false;
            if (!f->gap) {
                rs->class->set_position(f->sender, f->epoch, f->topic,
                                        f->last, rs->aux);
            }
        }
    }
}

/* Messages that were missed come once more as what they were, but for the
 * number.  A server says in them which HELLO they answer, or does not. */
bool
resync_take_replay(struct resync *rs, const struct envelope *envelope,
                   long long int now)
{
    bool marked = (rs->hello_id && envelope->correlation_id[0]
                   && !strcmp(envelope->correlation_id, rs->hello_id));

    if (!rs->n_replay || envelope->sequence
        || !(marked || (!envelope->correlation_id[0]
                        && !rs->replay_marked))) {
        return false;
    }
    rs->replay_marked = marked;
    rs->replay_until = now + RESYNC_ANSWER_MSEC;
    COVERAGE_INC(resync_replayed);
    return true;
}

void
resync_replay_taken(struct resync *rs)
{
    if (rs->n_replay && !--rs->n_replay) {
        finish_replay(rs);
    }
}

bool
resync_is_past_replay(const struct resync *rs, const char *sender,
                      uint64_t epoch, const char *topic, uint64_t sequence)
{
    char *name = xasprintf("%s %"PRIu64" %s", sender, epoch, topic);
    const struct followed *f = shash_find_data(&rs->followed, name);

    free(name);
    return f && f->replay && sequence > f->replay_to;
}

void
resync_replay_run(struct resync *rs, long long int now)
{
    if (rs->hello_until && now >= rs->hello_until) {
        want_gaps(rs);
    }
    if (rs->n_replay && now >= rs->replay_until) {
        VLOG_INFO_RL(&rl, "%"PRIu64" messages that were to be replayed have "
                     "not come", rs->n_replay);
        resync_abandon_replay(rs);
        want_gaps(rs);
    }
}

void
resync_replay_wait(struct resync *rs)
{
    if (rs->hello_until) {
        poll_timer_wait_until(rs->hello_until);
    }
    if (rs->n_replay) {
        poll_timer_wait_until(rs->replay_until);
    }
}
