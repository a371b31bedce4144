/* SPDX-License-Identifier: Apache-2.0
 *
 * resync-private: what the resync*.c files share. */

#ifndef INGEST_RESYNC_PRIVATE_H
#define INGEST_RESYNC_PRIVATE_H 1

/* Essay: resync.h.  resync.c notices what is missing and gets snapshots;
 * resync-replay.c takes what a server tells once more.
 *
 * Thread-safety: main thread only. */

#include "ingest/publishers.h"
#include "ingest/resync.h"
#include "openvswitch/shash.h"
#include "sset.h"

enum resync_state {
    S_IDLE,
    S_ASKED,                    /* Awaiting HOST_REPLY and SNAPSHOT_BEGIN. */
    S_SNAPSHOT,                 /* Between begin and end. */
};

/* How far a topic of a publisher's incarnation has been followed. */
struct followed {
    char *sender;
    uint64_t epoch;
    char *topic;
    uint64_t last;              /* Highest sequence that has come. */
    uint64_t n_gaps;            /* Times that something was missing. */
    bool gap;                   /* Something up to 'missing' is missing... */
    uint64_t missing;           /* ...and the stored position before it. */
    bool asked;                 /* The request under way was sent later. */
    uint64_t hello;             /* Position in the last HELLO. */
    bool replay;                /* What is missing up to 'replay_to' comes on
                                 * the control channel. */
    uint64_t replay_to;
};

struct resync {
    const struct resync_class *class;
    void *aux;
    enum resync_state state;
    bool connected;
    bool first_start;           /* Nobody synced at start, nothing asked. */
    bool no_server_state;       /* The present server holds no state. */
    bool answered;              /* A request for everything, ever. */
    uint64_t n_gaps;

    struct shash followed;      /* "SENDER EPOCH TOPIC" -> followed. */
    struct publishers publishers;

    bool want_all;              /* A snapshot of everything is wanted... */
    struct sset want_topics;    /* ...or of these. */
    struct sset asked_topics;   /* Of the request under way; none: all. */
    bool asked_all;
    char *message_id;           /* Of the request under way. */
    char *request_id;
    long long int deadline;     /* S_ASKED, S_SNAPSHOT: give up then. */
    long long int next_time;    /* S_IDLE: do not ask before. */
    int backoff;                /* In ms; 0: none so far. */

    char *hello_id;             /* HELLO that was said when connected. */
    long long int hello_until;  /* Its answer is awaited; 0: no longer. */
    uint64_t n_replay;          /* Messages that are to be replayed. */
    bool replay_marked;         /* They refer to 'hello_id'. */
    long long int replay_until; /* Give up then. */

    struct snapshot snapshot;   /* S_SNAPSHOT. */
    size_t allocated_messages;
    size_t bytes;
    uint64_t next_sequence;
};

/* resync.c. */
void resync_meet_publisher(struct resync *, const char *sender,
                           uint64_t epoch);
struct followed *resync_follow(struct resync *, const char *sender,
                               uint64_t epoch, const char *topic);
bool resync_is_asked_for(const struct resync *, const char *topic);

/* resync-replay.c. */
void resync_say_hello(struct resync *, long long int now);
void resync_rewind_replay(struct resync *);
void resync_abandon_replay(struct resync *);
void resync_replay_run(struct resync *, long long int now);
void resync_replay_wait(struct resync *);

#endif /* ingest/resync-private.h */
