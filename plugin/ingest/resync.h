/* SPDX-License-Identifier: Apache-2.0
 *
 * resync: notices that messages are missing, and gets the state again. */

#ifndef INGEST_RESYNC_H
#define INGEST_RESYNC_H 1

/* Resynchronisation
 * =================
 *
 * What?
 * -----
 *
 * PUB/SUB can lose messages.  This module watches the sequence numbers of each
 * (sender, epoch, topic), decides which messages are duplicates, and asks for
 * a snapshot when something is missing: on a gap, on a heartbeat ahead of what
 * has come, on a new epoch of a publisher, and at a first start.
 *
 *           something missing              HOST_REPLY: SUCCESS
 *    IDLE ---------------------> ASKED ----------------------+
 *     ^  ^   HELLO, HOST_REQUEST  |  |                       |
 *     |  |                        |  | no answer, or         v
 *     |  +--- HOST_REPLY: --------+  | a hole: again,     SNAPSHOT
 *     |       FAILURE (no state)     | after a while         |
 *     +------------------------------+-----------------------+
 *                                          SNAPSHOT_END: apply
 *
 * Requests that fail are repeated with exponential back-off from
 * RESYNC_MIN_MSEC to RESYNC_MAX_MSEC, jittered by half or, if there was no
 * answer at all, at any time within RESYNC_SPREAD_MSEC, so that many agents do
 * not return at once.  A server that answers FAILURE holds no state: it is not
 * asked again in that epoch.
 *
 * Messages go on being applied meanwhile.  While something is missing in a
 * topic, its stored position stays before the gap ("hold"), so that a restart
 * of the agent does not hide it.  A gap is closed by a snapshot that was asked
 * for after the gap had been noticed, or whose positions are past it.
 *
 * Replay
 * ------
 *
 * After a connection was lost, a server may be able to tell just what was
 * missed: its HELLO_REPLY then names the positions up to which it does, and
 * the messages follow on the control channel.  While HELLO is unanswered, for
 * RESYNC_HELLO_MSEC at most, gaps are not asked for.
 *
 * Newer messages of the same topics may overtake those, so what is stored
 * already must be asked about by resync_is_past_replay().  Stored positions
 * stay where they are until as many messages have come as were missed; if none
 * comes for RESYNC_ANSWER_MSEC, a snapshot is asked for.
 *
 * That the state of a publisher's incarnation has been asked for and answered
 * is stored as position 1 of the topic "", which is not a topic: so a restart
 * in between asks again, too.
 *
 * Of each sender the last few epochs are known (ingest/publishers.h).  A late
 * message of one of them counts by its own number.  A message of one that has
 * been forgotten makes it news: it is taken, and the state asked for.
 *
 * The frames of a snapshot are kept until its end has come (at most
 * RESYNC_MAX_BYTES), since one that is cut off or has a hole changes nothing.
 *
 * Usage
 * -----
 *
 * Call resync_connected() when the control channel has been connected,
 * resync_numbered() for each numbered message, the others for messages of
 * their kind, and resync_run() in the main loop.  What it does to the world it
 * does through struct resync_class.
 *
 * Times are 'now' in ms, given by the caller (time_msec()).
 *
 * Thread-safety: main thread only. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "ingest/control.h"

struct ds;
struct resync;
struct simap;
struct sset;
struct transport_message;

#define RESYNC_MIN_MSEC 100
#define RESYNC_MAX_MSEC 30000
#define RESYNC_ANSWER_MSEC 10000    /* Silence that means "no answer". */
#define RESYNC_SPREAD_MSEC 20000    /* Then the time to ask again is anywhere
                                     * in this. */
#define RESYNC_HELLO_MSEC 1000      /* The same of HELLO, for replay. */
#define RESYNC_MAX_BYTES (256 * 1024 * 1024)

/* A snapshot that is complete. */
struct snapshot {
    struct publisher_positions begin; /* 'topics': its scope; none: all. */
    struct publisher_positions end; /* What is in it. */
    char *end_message_id;
    struct transport_message **messages; /* GOAL_STATE_V2, in order. */
    size_t n_messages;
};

/* A server may tell its positions in more topics than it was asked for: those
 * say nothing about what the snapshot holds. */
bool snapshot_covers(const struct snapshot *, const char *topic);

struct resync_class {
    /* Position that is stored. */
    uint64_t (*position)(const char *sender, uint64_t epoch,
                         const char *topic, void *aux);
    void (*set_position)(const char *sender, uint64_t epoch,
                         const char *topic, uint64_t sequence, void *aux);

    /* Sends HELLO ('topics' null: all of them), and HOST_REQUEST with one
     * AGENT_RESTARTED entry.  Both return the message id, owned by the caller,
     * or NULL if it could not be sent. */
    char *(*send_hello)(const struct sset *topics, void *aux);
    char *(*send_request)(const char *request_id, void *aux);

    /* Returns false if nothing, or not all, of it could be applied: then it is
     * asked for again. */
    bool (*apply)(const struct snapshot *, void *aux);
    void (*message_destroy)(struct transport_message *, void *aux);
    /* True if a request would reach a server now. */
    bool (*is_connected)(void *aux);
};

struct resync *resync_create(const struct resync_class *, void *aux);
void resync_destroy(struct resync *);

/* The store has position 1 of topic "" of this publisher.  If none is added,
 * that is a first start. */
void resync_add_synced(struct resync *, const char *sender, uint64_t epoch);

/* The control channel has been connected anew. */
void resync_connected(struct resync *, long long int now);

/* The transport is about to be closed: gives its messages back. */
void resync_disconnected(struct resync *);

/* A message numbered 'sequence' has come.  Returns false if it is a duplicate.
 * Else stores in '*hold' whether the stored position must stay. */
bool resync_numbered(struct resync *, const char *sender, uint64_t epoch,
                     const char *topic, uint64_t sequence, bool *hold);
/* The message that was numbered last in its topic could not be stored. */
void resync_lost(struct resync *, const char *sender, uint64_t epoch,
                 const char *topic);
void resync_heartbeat(struct resync *, const char *sender, uint64_t epoch,
                      const char *topic, uint64_t sequence);
/* Takes the content of 'pp'. */
void resync_hello_reply(struct resync *, const struct envelope *,
                        struct publisher_positions *pp, long long int now);

/* A message without number has come on the control channel.  Returns true if
 * it is one that was missed. */
bool resync_take_replay(struct resync *, const struct envelope *,
                        long long int now);

/* What was made of that one is stored. */
void resync_replay_taken(struct resync *);

/* True if a message with this origin is newer than all that are replayed. */
bool resync_is_past_replay(const struct resync *, const char *sender,
                           uint64_t epoch, const char *topic,
                           uint64_t sequence);

/* A topic was joined whose earlier messages are needed. */
void resync_joined(struct resync *, const char *topic);

/* An operator wants it. */
void resync_force(struct resync *);

/* Messages on the control channel that belong to a snapshot.  The last takes
 * ownership of the message and returns true if it is one: numbered and with a
 * correlation id, be it of the snapshot under way or of one given up. */
void resync_host_reply(struct resync *, const struct envelope *,
                       const struct host_reply *, long long int now);
void resync_begin(struct resync *, const struct envelope *,
                  struct publisher_positions *, long long int now);
void resync_end(struct resync *, const struct envelope *,
                struct publisher_positions *, long long int now);
bool resync_goal_state(struct resync *, const struct envelope *,
                       struct transport_message *, long long int now);

void resync_run(struct resync *, long long int now);
void resync_wait(struct resync *);

/* True if resync_run() would send a request now. */
bool resync_is_due(const struct resync *, long long int now);

/* True once a server has answered a request for everything: with a snapshot,
 * or by saying that it holds no state. */
bool resync_is_answered(const struct resync *);

/* Number of gaps noticed so far. */
uint64_t resync_n_gaps(const struct resync *);

/* Calls 'cb' for each topic of an incarnation of a publisher from which a
 * message has come since the start: the last sequence, and the number of gaps
 * noticed. */
void resync_for_each_topic(const struct resync *,
                           void (*cb)(const char *sender, uint64_t epoch,
                                      const char *topic, uint64_t sequence,
                                      uint64_t n_gaps, void *aux),
                           void *aux);

/* One line for people. */
void resync_describe(const struct resync *, struct ds *);
void resync_get_memory_usage(const struct resync *, struct simap *);

#endif /* ingest/resync.h */
