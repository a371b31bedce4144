/* SPDX-License-Identifier: Apache-2.0
 *
 * translator: keeps desired state a function of goal state. */

#ifndef TRANSLATE_TRANSLATOR_H
#define TRANSLATE_TRANSLATOR_H 1

/* Translator
 * ==========
 *
 * What?
 * -----
 *
 * Takes change sets of the store, finds what depends on them, and runs the
 * plugins on just those resources, in slices so that the main loop stays
 * responsive, local ports and what they need first, neighbours after.
 *
 *   changes --> work queues --> translate --> desired state
 *                  ^   ^
 *   readers of what |   | recompute: everything
 *   has changed ----+   +----------------------
 *
 * Each resource that some plugin may have a use for is a "unit" from its first
 * translation on: its outputs, what it has read, and how it fared.
 *
 * Marks
 * -----
 *
 * translator_mark() names the present ends of the work queues;
 * translator_reached() tells whether all work up to there has been done.
 *
 * Thread-safety: main thread only. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "store/goal-types.h"
#include "store/volatile-store.h"

struct desired_state;
struct goal_changes;
struct goal_store;
struct id_store;
struct plugin_registry;
struct simap;
struct translator;
struct vol_changes;
struct vol_store;

/* How a resource fares. */
enum unit_status {
    UNIT_DONE,                  /* Translated, or nobody has a use for it. */
    UNIT_WAIT,                  /* A parent is missing. */
    UNIT_PARTIAL,               /* Waits for something that the host makes. */
    UNIT_REJECT,                /* Makes no sense. */
    UNIT_FAILED,                /* Refused by the data plane. */
};
const char *unit_status_to_string(enum unit_status);

/* All of these must outlive the translator. */
struct translator *translator_create(struct goal_store *, struct vol_store *,
                                     struct id_store *, struct desired_state *,
                                     const struct plugin_registry *);
void translator_destroy(struct translator *);

/* Something changed. */
void translator_goal_changes(struct translator *,
                             const struct goal_changes *);
void translator_vol_changes(struct translator *, const struct vol_changes *);

/* Cookie of the flows that a plugin makes for a volatile record that is
 * translated on its own. */
uint64_t translator_record_cookie(uint8_t plugin, const char *id);

/* Queues everything that is stored. */
void translator_recompute(struct translator *);

/* Withdraws everything; nothing is translated from then on. */
void translator_withdraw_all(struct translator *);

/* VPCs with more neighbours than this are lazy (activation.h); UINT64_MAX:
 * none is, whatever it has, which is so at first. */
void translator_set_threshold(struct translator *, uint64_t threshold);

/* Has the neighbour in effect, if it is one of a lazy VPC, or go on being so:
 * somebody has sent it a packet. */
void translator_activate(struct translator *, const struct goal_key *);

/* Active neighbours that are idle go again.  translator_ask_idle() calls 'ask'
 * with the cookie of the flows in L2_LOOKUP of each of them that has to be
 * looked at, until 'ask' returns false; those that were asked for, and no
 * answer came, are again after 'retry' milliseconds.
 * translator_take_packets() takes the answer: the packets that those flows
 * have seen. */
void translator_ask_idle(struct translator *, long long int now, int retry,
                         bool (*ask)(uint64_t cookie,
                                     const struct goal_key *, void *aux),
                         void *aux);
void translator_take_packets(struct translator *, const struct goal_key *,
                             uint64_t n_packets, long long int now);

/* When translator_ask_idle() will have something to do; LLONG_MAX: never. */
long long int translator_idle_time(const struct translator *, int retry);

/* Gives a resource that the data plane refused a new chance. */
void translator_retry(struct translator *, const struct goal_key *);

/* Translates for at most about 'msec' milliseconds. */
void translator_run(struct translator *, int msec);
void translator_wait(struct translator *);
bool translator_is_idle(const struct translator *);
size_t translator_backlog(const struct translator *);

#define TRANSLATOR_N_QUEUES 2
struct translator_mark {
    uint64_t positions[TRANSLATOR_N_QUEUES];
};
struct translator_mark translator_mark(const struct translator *);
bool translator_reached(const struct translator *,
                        const struct translator_mark *);

/* Changes whenever a status may have changed. */
uint64_t translator_seqno(const struct translator *);

/* How the resource fares; '*error', which may be null, is set to why (valid
 * until the next run) or to null. */
enum unit_status translator_status(const struct translator *,
                                   const struct goal_key *,
                                   const char **error);

/* How many resources make no sense or were refused by the data plane.  Ports,
 * of which there are few and which are told of one by one, do not count.  If
 * there are any, stores the name of one, "KIND ID", and why, valid until the
 * next run.  The number can only have changed if the seqno has. */
uint64_t translator_refused_seqno(const struct translator *);
size_t translator_find_refused(const struct translator *, const char **name,
                               const char **error);

/* A neighbour that is not in effect, because its VPC is lazy, is forgotten as
 * soon as its parents are there.  This looks again, so that
 * translator_status() tells how it fares now. */
void translator_look_at(struct translator *, const struct goal_key *,
                        const char *id);

/* Returns the name, "KIND ID", of another resource that has taken what this
 * one claims, or null. */
const char *translator_rival(const struct translator *,
                             const struct goal_key *);

/* Calls 'cb' for each resource that left UNIT_WAIT since the last call. */
void translator_healed(struct translator *,
                       void (*cb)(const struct goal_key *, void *aux),
                       void *aux);

/* Calls 'cb' for each volatile record of 'kind' that output nothing when it
 * was translated since the last call, or in trials before this one. */
void translator_barren_records(struct translator *, enum vol_kind kind,
                               void (*cb)(const char *id, void *aux),
                               void *aux);

/* Number of neighbours of a VPC that output anything. */
size_t translator_count_programmed(const struct translator *,
                                   const char *vpc_id);

/* Number of units for each status. */
void translator_get_stats(const struct translator *,
                          size_t counts[UNIT_FAILED + 1]);
void translator_get_memory_usage(const struct translator *, struct simap *);

#endif /* translate/translator.h */
