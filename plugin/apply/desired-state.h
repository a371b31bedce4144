/* SPDX-License-Identifier: Apache-2.0
 *
 * desired-state: what should be installed, who wants it, and what changed. */

#ifndef APPLY_DESIRED_STATE_H
#define APPLY_DESIRED_STATE_H 1

/* Desired state
 * =============
 *
 * What?
 * -----
 *
 * Everything the agent wants to be installed outside itself is an "output": a
 * flow, a tunnel port in OVSDB, a next-hop entry and so on.  An output belongs
 * to a sink (enum ds_sink), has a key that is unique there (for a flow: table,
 * priority and match) and a value (for a flow: cookie and instructions), both
 * plain bytes that only the sink's code understands.  There is one copy: what
 * is installed is remembered as a hash beside what is desired.
 *
 * Contributors
 * ------------
 *
 * An output exists because units want it.  A unit is one translated resource
 * (struct ds_unit); each wish is a "contribution", tagged with the plugin that
 * uttered it.  Many units may contribute to one output:
 *
 *    - DS_EXCLUSIVE: all should contribute the same part.  When they differ,
 *      the unit that comes first (lower rank, then lower name) wins and the
 *      others are in conflict, which is counted and shown.
 *
 *    - DS_UNION: the value is made of all distinct parts, each once, sorted
 *      (bytewise).  Conjunction members and flood lists are made so.
 *
 * Either way the result does not depend on the order in which contributions
 * came, and the output is gone with the last of them.  Equal parts are
 * counted, so adding or removing one of a hundred thousand equal wishes costs
 * O(log n) in the number of distinct parts.
 *
 * Translating a unit
 * ------------------
 *
 *    1. ds_unit_begin(), which makes everything the unit contributed so far
 *       provisional.
 *    2. Any number of ds_contribute(), by plugin, each keeping or changing an
 *       old contribution or adding one.  ds_unit_mark() and ds_unit_rewind()
 *       undo what one plugin contributed in between.
 *    3. ds_unit_end(), which drops the contributions that were not repeated.
 *
 * So a translation that comes to the same result changes nothing.
 *
 * Queue
 * -----
 *
 * Outputs that changed wait in a queue, of which there are two, by priority:
 * local ports are served before neighbours.  ds_mark() names the present end
 * of the queues; the commit (commit.h) takes outputs from the front, in chunks
 * cut at unit boundaries, and says ds_confirm() when they are in effect:
 * ds_reached() is then true of every mark up to there.  An output that changes
 * while it is being committed queues again, in front.
 *
 * Failure
 * -------
 *
 * ds_unit_fail() records that the data plane refused something of a unit.  Its
 * outputs are left out of commits ("suspended") unless another, healthy unit
 * wants them too, until the unit's contributions change or ds_retry() is
 * called (on reconnection).
 *
 * All or nothing
 * --------------
 *
 * Between ds_atomic_begin() and ds_atomic_end(), the first failure of any unit
 * stops everything: what is in flight is "frozen", which means that it is not
 * dirty, so that every sink, whatever it is, drops what it has not sent yet
 * and takes part in nothing more.  What is dropped queues again.  Whoever
 * began can find out (ds_atomic_error()), put back what was wanted before, and
 * then end it: what had been installed by then is a difference like any other.
 *
 * Ownership and thread-safety: main thread only.  Units belong to the
 * caller of ds_unit_create(), outputs to the desired state. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "openvswitch/hmap.h"
#include "openvswitch/list.h"

struct ds_unit;
struct match;
struct ofpbuf;
struct ofputil_group_mod;
struct simap;

/* Where outputs go.  The order is that of a commit; numbers and meters that
 * are not wanted any more go after the flows, though. */
enum ds_sink {
    DS_OVSDB,                   /* Ports: needed before flows can name them. */
    DS_NEXT_HOP,                /* Outer MACs: before flows use them. */
    DS_ID,                      /* Numbers, as the flows use them. */
    DS_METER,                   /* Meters. */
    DS_OPENFLOW,                /* Groups and flows. */
    DS_OVSDB_LATE,              /* What says that flows are in. */
    DS_N_SINKS
};
const char *ds_sink_to_string(enum ds_sink);

enum ds_mode {
    DS_EXCLUSIVE,
    DS_UNION,
};

enum ds_priority {
    DS_PRIO_PORT,               /* Local ports, and what they need. */
    DS_PRIO_BULK,               /* Neighbours. */
    DS_N_PRIOS
};

/* One of the distinct parts of an output. */
struct ds_part {
    uint32_t refs;              /* Number of contributions. */
    uint32_t len;
    uint64_t cookie;            /* Least cookie of the contributors... */
    bool cookie_valid;          /* ...if this is true, else to be found. */
    uint8_t bytes[];
};

enum ds_output_flags {
    DS_INSTALLED = 1 << 0,      /* Some version of it is installed. */
    DS_QUEUED    = 1 << 1,      /* In a queue. */
    DS_IN_FLIGHT = 1 << 2,      /* Taken by the commit, not confirmed. */
    DS_CUT       = 1 << 3,      /* Last of its unit in the queue: a chunk may
                                 * end here. */
    DS_FOREIGN   = 1 << 4,      /* Somebody else's occupies the key. */
    DS_READ_BACK = 1 << 5,      /* Seen since the audit began. */
    DS_FROZEN    = 1 << 6,      /* In flight, and not to be sent any more. */
    DS_SAME      = 1 << 7,      /* Was read back as it is wanted, and has not
                                 * changed since. */
};

struct ds_output {
    struct hmap_node hmap_node; /* In struct desired_state's 'outputs'. */
    struct ovs_list queue_node; /* In a queue or in the chunk in flight. */
    struct ovs_list contributions; /* Contains "struct ds_contribution"s. */
    struct ds_part **parts;     /* Sorted by bytes. */
    uint32_t n_parts;
    uint32_t n_contributions;
    uint16_t key_len;
    uint8_t sink;               /* enum ds_sink. */
    uint8_t mode;               /* enum ds_mode. */
    uint8_t flags;              /* Bitmap of enum ds_output_flags. */
    uint8_t priority;           /* enum ds_priority it is queued with. */
    uint8_t plugin;             /* Flows, rows, next hops: number of the
                                 * first contributor. */
    uint64_t position;          /* In the queue; 0: before all others. */
    uint64_t installed_hash;    /* ds_output_hash() of what is installed. */
    uint8_t key[];
};

/* A unit: the outputs of one resource.  Embedded by its owner. */
struct ds_unit {
    struct ovs_list contributions; /* Contains "struct ds_contribution"s. */
    struct ovs_list old;        /* Same; provisional ones between begin and
                                 * end of a translation. */
    char *name;                 /* "KIND ID", for people and for order. */
    uint8_t rank;               /* Lower wins a conflict. */
    uint8_t priority;           /* enum ds_priority. */
    uint8_t plugin;             /* Number of the one that contributes rows
                                 * and next hops. */
    bool failed;                /* Refused by the data plane... */
    bool changed;               /* Something changed since begin. */
    char *error;                /* ...because of this.  Owned. */
};

/* A unit's wish for an output. */
struct ds_contribution {
    struct ovs_list unit_node;  /* In struct ds_unit's 'contributions' or
                                 * 'old'. */
    struct ovs_list output_node; /* In struct ds_output's 'contributions'. */
    struct ds_unit *unit;
    struct ds_output *output;
    struct ds_part *part;
    uint64_t cookie;
    bool old;                   /* In struct ds_unit's 'old'. */
};

struct desired_state;

struct desired_state *desired_state_create(void);
void desired_state_destroy(struct desired_state *);

/* Takes ownership of 'name'. */
void ds_unit_init(struct ds_unit *, char *name, uint8_t rank,
                  enum ds_priority);
/* The unit must have no contributions. */
void ds_unit_uninit(struct ds_unit *);

void ds_unit_begin(struct desired_state *, struct ds_unit *);
void ds_contribute(struct desired_state *, struct ds_unit *, enum ds_sink,
                   enum ds_mode, uint64_t cookie,
                   const void *key, size_t key_len,
                   const void *part, size_t part_len);
/* The same for a flow (flow-encode.h): in a DS_UNION, 'ofpacts' holds nothing
 * but actions. */
void ds_contribute_flow(struct desired_state *, struct ds_unit *,
                        enum ds_mode, uint64_t cookie, uint8_t table,
                        uint16_t priority, const struct match *,
                        const struct ofpbuf *ofpacts);
/* The same for a group (group-encode.h), whose command is set here.  Returns
 * false, without effect, if it cannot be expressed in a message. */
bool ds_contribute_group(struct desired_state *, struct ds_unit *,
                         struct ofputil_group_mod *);
/* The same for a meter (meter-encode.h). */
void ds_contribute_meter(struct desired_state *, struct ds_unit *,
                         uint32_t number, uint32_t pps, uint32_t burst);
struct ovs_list *ds_unit_mark(struct ds_unit *);
void ds_unit_rewind(struct desired_state *, struct ds_unit *,
                    struct ovs_list *mark);
void ds_unit_end(struct desired_state *, struct ds_unit *);

/* Drops all contributions of a unit. */
void ds_unit_withdraw(struct desired_state *, struct ds_unit *);

/* Records that the data plane refused something of 'unit' because of 'error'.
 * Repeated failures keep the first error. */
void ds_unit_fail(struct desired_state *, struct ds_unit *,
                  const char *error);
/* Gives a failed unit, or all of them (and all outputs blocked by foreign
 * ones), a new chance. */
void ds_unit_retry(struct desired_state *, struct ds_unit *);
void ds_retry(struct desired_state *);

/* See "All or nothing" above.  ds_atomic_error() is null as long as nothing
 * has failed, else "UNIT: WHY".  ds_atomic_break() has it fail. */
void ds_atomic_begin(struct desired_state *);
void ds_atomic_end(struct desired_state *);
bool ds_is_atomic(const struct desired_state *);
const char *ds_atomic_error(const struct desired_state *);
void ds_atomic_break(struct desired_state *, const char *error);

/* How many units have failed. */
size_t ds_n_failed(const struct desired_state *);

/* Changes whenever a unit fails or is given a new chance. */
uint64_t ds_failures_seqno(const struct desired_state *);

/* Returns a unit whose part won over one of this unit's, or null. */
const struct ds_unit *ds_unit_rival(const struct ds_unit *);

/* What is wanted.  ds_output_wanted() is false if nobody wants the output, in
 * which case the others must not be called.  The value is all parts in a union
 * and the winner's in an exclusive output. */
bool ds_output_wanted(const struct ds_output *);
uint64_t ds_output_cookie(struct ds_output *);
void ds_output_value(const struct ds_output *, struct ofpbuf *value);
uint64_t ds_output_hash(struct ds_output *);
uint64_t ds_value_hash(uint64_t cookie, const void *value, size_t len);

/* True if somebody wants the output but all of them have failed. */
bool ds_output_is_suspended(const struct ds_output *);

/* True if what is wanted and what is installed differ and that can be changed
 * (neither suspended nor occupied by somebody else). */
bool ds_output_is_dirty(struct ds_output *);

/* Iterates over the units that contribute to an output. */
void ds_output_for_each_unit(struct ds_output *,
                             void (*cb)(struct ds_unit *, void *aux),
                             void *aux);

/* Queue. */
struct ds_mark {
    uint64_t positions[DS_N_PRIOS];
};
struct ds_mark ds_mark(const struct desired_state *);
bool ds_reached(const struct desired_state *, const struct ds_mark *);
bool ds_has_queue(const struct desired_state *);

/* Moves outputs from the queues to 'chunks[sink]' (lists of 'queue_node'):
 * those of higher priority first, at most 'max' unless a single unit has more.
 * Returns the number taken. */
size_t ds_take(struct desired_state *, size_t max,
               struct ovs_list chunks[DS_N_SINKS]);

/* The same, but only what is to be installed in 'sink', in whatever place it
 * is. */
size_t ds_take_from(struct desired_state *, enum ds_sink sink,
                    struct ovs_list chunks[DS_N_SINKS]);

/* A sink reports on an output it was given: that it is installed with the
 * value hashed to 'hash', or that it is no longer installed. */
void ds_set_installed(struct desired_state *, struct ds_output *,
                      uint64_t hash);
void ds_set_removed(struct desired_state *, struct ds_output *);
/* Removes the output from its chunk; it may free it. */
void ds_release(struct desired_state *, struct ds_output *);

/* Everything taken so far is in effect (or has failed). */
void ds_confirm(struct desired_state *);

/* Read-back.  ds_readback_begin() forgets what is installed in 'sink';
 * ds_readback() reports one thing that is (creating an output without
 * contributions when nobody wants it, so that it will be removed); 'foreign'
 * says that it is not ours; ds_readback_same() reports that 'output' is as it
 * is wanted.  ds_readback_end() queues every difference; if there is none it
 * takes no time. */
void ds_readback_begin(struct desired_state *, enum ds_sink);
struct ds_output *ds_readback(struct desired_state *, enum ds_sink,
                              const void *key, size_t key_len,
                              uint64_t hash, bool foreign);
void ds_readback_same(struct desired_state *, struct ds_output *);
void ds_readback_end(struct desired_state *, enum ds_sink);

/* Audit: read-back while commits go on, of what is believed to be known.
 * ds_audit_begin() starts one, ds_audit() reports one thing that is installed,
 * ds_audit_end() finds what is missing.  What differs is queued, and counted
 * by plugin.  'hash' has to be the output's 'installed_hash' if what is
 * installed is what was installed last; 0 will do if it is not. */
struct ds_audit_count {
    size_t same;                /* As it should be. */
    size_t changed;             /* Ours, but somebody has changed it. */
    size_t missing;             /* Somebody has removed it. */
    size_t unknown;             /* Looks like ours, nobody wants it. */
};
#define DS_AUDIT_NO_PLUGIN 0    /* Counts what is no plugin's: meters... */
struct ds_audit {
    struct ds_audit_count counts[UINT8_MAX + 1]; /* By plugin's number. */
    size_t n_foreign;           /* In our space, somebody else's. */
};
void ds_audit_begin(struct desired_state *, enum ds_sink);
void ds_audit(struct desired_state *, struct ds_audit *, enum ds_sink,
              const void *key, size_t key_len, uint64_t hash, bool foreign);
void ds_audit_end(struct desired_state *, struct ds_audit *, enum ds_sink);

/* For sinks that find out by themselves what others have done: the count of
 * the plugin that wants 'output' (null: nobody does), and adding what is
 * installed in 'sink' to 'same'. */
struct ds_audit_count *ds_audit_owner(struct ds_audit *, struct ds_output *);
void ds_audit_count_installed(struct desired_state *, struct ds_audit *,
                              enum ds_sink);

/* True if a failed unit has been given a new chance whose outputs somebody
 * else occupied: that has to be looked up again (a read-back) before the next
 * commit. */
bool ds_wants_readback(const struct desired_state *, enum ds_sink);
void ds_want_readback(struct desired_state *, enum ds_sink);

/* While 'keep' is true, flows and tunnel ports that read-back finds and nobody
 * wants stay: the goal state that it came from may have been lost and may come
 * back.  Turning it off queues all of that for removal. */
void ds_set_keep(struct desired_state *, bool keep);
bool ds_keeps(const struct desired_state *);

/* "Complete": everything known has been translated at least once.  Until then,
 * sinks must not conclude from a read-back that something is unwanted. */
void ds_set_complete(struct desired_state *, bool);
bool ds_is_complete(const struct desired_state *);

struct ds_output *ds_lookup(const struct desired_state *, enum ds_sink,
                            const void *key, size_t key_len);
void ds_for_each(struct desired_state *, enum ds_sink,
                 void (*cb)(struct ds_output *, void *aux), void *aux);

size_t ds_count(const struct desired_state *, enum ds_sink);

/* Number of flows wanted by the plugin with this number in cookies. */
size_t ds_count_flows(const struct desired_state *, uint8_t plugin);
void ds_get_memory_usage(const struct desired_state *, struct simap *);

#endif /* apply/desired-state.h */
