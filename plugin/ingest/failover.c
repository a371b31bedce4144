/* SPDX-License-Identifier: Apache-2.0
 *
 * failover: which server of a list to talk to. */

#include <config.h>

#include "ingest/failover.h"

#include <limits.h>
#include <stdlib.h>
#include "random.h"
#include "util.h"

/* That a server did not answer. */
struct failover_blame {
    long long int until;        /* It is no candidate before. */
    int msec;                   /* How long that was; 0: it answered. */
};

static int
jitter(int msec)
{
    return msec + random_range(msec / 2 + 1);
}

void
failover_init(struct failover *fo, size_t n_servers)
{
    *fo = (struct failover) {
        .n = n_servers,
        .candidate = FAILOVER_NONE,
        .failed_at = LLONG_MAX,
        .prefer_at = LLONG_MAX,
        .blames = xcalloc(n_servers, sizeof *fo->blames),
    };
}

void
failover_destroy(struct failover *fo)
{
    free(fo->blames);
    fo->blames = NULL;
}

static bool
has_failed(const struct failover *fo, long long int now)
{
    return fo->unanswered || (fo->down && now >= fo->failed_at);
}

static bool
is_blamed(const struct failover *fo, size_t i, long long int now)
{
    return now < fo->blames[i].until;
}

static bool
is_candidate(const struct failover *fo, size_t i, long long int now)
{
    return (i != fo->active
            && (i < fo->active || has_failed(fo, now))
            && (!is_blamed(fo, i, now)
                || (fo->down && now >= fo->failed_at)));
}

static void
set_candidate(struct failover *fo, size_t i, long long int now)
{
    fo->candidate = i;
    fo->try_until = now + jitter(FAILOVER_TRY_MSEC);
    fo->prefer_at = LLONG_MAX;
}

/* Goes on to the candidate after the present one, if there is another. */
static void
next_candidate(struct failover *fo, long long int now)
{
    size_t start = fo->candidate != FAILOVER_NONE ? fo->candidate + 1 : 0;

    for (size_t i = 0; i < fo->n; i++) {
        size_t next = (start + i) % fo->n;

        if (is_candidate(fo, next, now)) {
            set_candidate(fo, next, now);
            return;
        }
    }
    fo->candidate = FAILOVER_NONE;
}

static void
run_active(struct failover *fo, bool connected, long long int now)
{
    if (connected) {
        fo->down = false;
    } else if (!fo->down) {
        fo->down = true;
        fo->failed_at = now + jitter(FAILOVER_DOWN_MSEC);
    }
}

bool
failover_run(struct failover *fo, bool active_connected,
             bool candidate_connected, long long int now)
{
    size_t old = fo->candidate;

    run_active(fo, active_connected, now);
    if (old != FAILOVER_NONE && !is_candidate(fo, old, now)) {
        fo->candidate = FAILOVER_NONE;
    }
    if (fo->candidate == FAILOVER_NONE
        || (!candidate_connected && now >= fo->try_until)) {
        next_candidate(fo, now);
    }
    if (fo->candidate == FAILOVER_NONE || fo->candidate != old
        || !candidate_connected) {
        fo->prefer_at = LLONG_MAX;
        return false;
    }

    if (fo->prefer_at == LLONG_MAX) {
        fo->prefer_at = now + jitter(FAILOVER_PREFER_MSEC);
    }
    if (!has_failed(fo, now) && now < fo->prefer_at) {
        return false;
    }
    fo->active = fo->candidate;
    fo->candidate = FAILOVER_NONE;
    fo->prefer_at = LLONG_MAX;
    fo->down = fo->unanswered = false;
    return true;
}

long long int
failover_next(const struct failover *fo, long long int now)
{
    long long int next = LLONG_MAX;

    if (fo->n == 1) {
        return next;
    }
    if (fo->down && now < fo->failed_at) {
        next = fo->failed_at;
    }
    if (fo->prefer_at != LLONG_MAX) {
        next = MIN(next, fo->prefer_at);
    } else if (fo->candidate != FAILOVER_NONE) {
        next = MIN(next, fo->try_until);
    } else {
        for (size_t i = 0; i < fo->n; i++) {
            if (i != fo->active && is_blamed(fo, i, now)) {
                next = MIN(next, fo->blames[i].until);
            }
        }
    }
    return next;
}

void
failover_unanswered(struct failover *fo, long long int now)
{
    struct failover_blame *blame = &fo->blames[fo->active];

    if (!fo->unanswered) {
        fo->unanswered = true;
        blame->msec = (blame->msec
                       ? MIN(blame->msec * 2, FAILOVER_BLAME_MAX_MSEC)
                       : FAILOVER_BLAME_MSEC);
        blame->until = now + jitter(blame->msec);
    }
}

void
failover_answered(struct failover *fo)
{
    fo->unanswered = false;
    fo->blames[fo->active] = (struct failover_blame) { .until = 0 };
}
