/* SPDX-License-Identifier: Apache-2.0
 *
 * failover: which server of a list to talk to. */

#ifndef INGEST_FAILOVER_H
#define INGEST_FAILOVER_H 1

/* Fail-over
 * =========
 *
 * What?
 * -----
 *
 * Servers are given in order of preference, and one is active at a time.  This
 * module says which, and which other one to have a connection to ("the
 * candidate"), so as to see whether it is there.  The connections are the
 * caller's; there is no input or output here.
 *
 * The active server fails when its connection has been lost, or was never
 * made, for FAILOVER_DOWN_MSEC, or when it is connected but does not answer
 * (failover_unanswered()).
 *
 * Candidates are, while the active server works, those preferred to it; when
 * it has failed, all others.  They are connected in turn, each for
 * FAILOVER_TRY_MSEC.  So nothing is given up before there is something better:
 *
 *   - When the active server has failed, a candidate becomes active as soon as
 *     it is connected.  If the active server is back first, it stays.
 *
 *   - When it works, a candidate (which is then preferred) becomes active when
 *     it has been connected for FAILOVER_PREFER_MSEC without a break, so that
 *     a server that comes and goes is left alone.
 *
 * That a server is connected does not mean that it answers, and only the
 * active one is asked.  One that did not answer is no candidate for
 * FAILOVER_BLAME_MSEC, twice as long each time until it answers, up to
 * FAILOVER_BLAME_MAX_MSEC; but when the active one is not even connected, it
 * is better than nothing.  Where no server answers, the node changes between
 * them less and less often.
 *
 * All times but the last are jittered, by half their length upwards: many
 * nodes lose a server at once, and must not come to the next, or return, at
 * once.
 *
 * Times are 'now' in ms, given by the caller (time_msec()).
 *
 * Thread-safety: none needed, no state is shared. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A restart of a server takes less; that a host is gone without a word is
 * noticed after 7 s (zmq-channel.h), which adds to this. */
#define FAILOVER_DOWN_MSEC 3000
#define FAILOVER_TRY_MSEC 3000
#define FAILOVER_PREFER_MSEC 5000
#define FAILOVER_BLAME_MSEC 60000
#define FAILOVER_BLAME_MAX_MSEC 1800000

/* For 'candidate': there is none. */
#define FAILOVER_NONE SIZE_MAX

struct failover {
    size_t n;                   /* Number of servers, at least 1. */
    size_t active;
    size_t candidate;           /* Or FAILOVER_NONE. */

    bool down;                  /* Is the active server not connected? */
    bool unanswered;            /* Did it not answer? */
    long long int failed_at;    /* 'down': failed from then on. */
    long long int try_until;    /* The candidate is tried until then. */
    long long int prefer_at;    /* The candidate has been connected long
                                 * enough then; LLONG_MAX: not connected. */
    struct failover_blame *blames; /* 'n' of them. */
};

void failover_init(struct failover *, size_t n_servers);
void failover_destroy(struct failover *);

/* Takes whether the active server and the candidate are connected.  May change
 * 'candidate'.  Returns true if the candidate has become the active server;
 * then there is no candidate. */
bool failover_run(struct failover *, bool active_connected,
                  bool candidate_connected, long long int now);

/* Returns when failover_run() has something to do though no connection
 * changes, or LLONG_MAX. */
long long int failover_next(const struct failover *, long long int now);

/* The active server did not answer, or has said something. */
void failover_unanswered(struct failover *, long long int now);
void failover_answered(struct failover *);

#endif /* ingest/failover.h */
