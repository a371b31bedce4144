/* SPDX-License-Identifier: Apache-2.0
 *
 * goal-store: the durable copy of goal state, with indexes and change sets. */

#ifndef STORE_GOAL_STORE_H
#define STORE_GOAL_STORE_H 1

/* Goal store
 * ==========
 *
 * What?
 * -----
 *
 * Everything that controllers told this node, on disk (LMDB), so that a
 * restart needs nobody: resources by kind and id, who wrote each and when (its
 * "origin"), tombstones of what was deleted, and how far each publisher has
 * been followed.  A million neighbours cost page cache, not heap: records are
 * unpacked when they are read and freed by the reader.
 *
 * The store knows nothing about agents, bridges or flows: the relay uses it
 * as well.
 *
 * Layout
 * ------
 *
 * Ids are interned: the first time an id of a kind is mentioned, as a resource
 * or as a reference, it gets a 64-bit surrogate id ("sid") and keeps it until
 * nothing mentions it and its tombstone is gone.  A sid has the kind in its
 * upper bits and is never used again.  Records are keyed by sid, so new ones
 * are appended.  Databases:
 *
 *    "records"  sid                             -> record (goal-record.h)
 *    "names"    sid of what has no record       -> id
 *    "index"    enum goal_index, key..., sid    -> (empty)
 *    "graves"   sid                             -> tombstone, id
 *    "grave-times"  time, sid                   -> (empty)
 *    "origins"  number                          -> sender, epoch, topic, last
 *                                                  sequence
 *    "places"   hash of sender, epoch, topic    -> number
 *    "meta"     name                            -> value (version, counters,
 *                                                  incomplete messages)
 *
 * From an id to its sid leads a hash table in a file of its own
 * (goal-store-map.h), which is made again when it is not to be believed.
 *
 * Writing
 * -------
 *
 * 1. goal_store_begin() with the origin of a message starts a write.
 *
 * 2. goal_store_put() and goal_store_delete() add to it.  Each says what it
 *    did, by enum goal_write.
 *
 * 3. goal_store_commit() makes it visible and hands over the change set.
 *
 * A write is cut into LMDB transactions of at most GOAL_STORE_BATCH resources;
 * a crash between two of them leaves the message marked incomplete, which
 * goal_store_incomplete() reports at the next start: the position of its topic
 * has not moved, so it is asked for again, and applying it twice is harmless.
 *
 * Durability: a commit survives the death of the process at any instant.  A
 * background thread syncs to the disk within a second of a change
 * (goal_store_sync() does it now).  As a power failure may still leave the
 * data in disorder, the thread also copies them to the side, every ten minutes
 * in which something changes (goal_store_copy() does it now).  After the host
 * went down without the store being closed, the copy is what is opened.
 *
 * Reading
 * -------
 *
 * Lookups see everything committed, and within a write also what was put so
 * far.  Whatever they return belongs to the caller.
 *
 * Indexes
 * -------
 *
 * enum goal_index lists them.  An index key is a parent's id (interned, so
 * that children may come before parents) and for GOAL_BY_ADDRESS an address as
 * well.  The index over VNI and address of the architecture document is this
 * one behind the VNI's subnets: the effective VNI of a resource is its
 * parents' and may change without it.
 *
 * Thread-safety
 * -------------
 *
 * One thread, the owner's main loop, calls all of this.  The sync thread is
 * internal and uses nothing but mdb_env_sync() and mdb_env_copyfd2(), which
 * LMDB allows.
 *
 * Errors
 * ------
 *
 * Functions that can fail for outside reasons (disk full, map full, damaged
 * file) return a malloc()'d message, NULL meaning success. */

#include "store/goal-types.h"

struct ds;
struct goal_store;
struct simap;
struct vni_claims;

/* At most this many resources are written in one LMDB transaction. */
#define GOAL_STORE_BATCH 4096

/* A deletion is remembered this long, and at most this many of them. */
#define GOAL_STORE_GRAVE_MSEC (10 * 60 * 1000)
#define GOAL_STORE_MAX_GRAVES 65536

/* At most this many (sender, epoch, topic) are remembered.  Those of all but
 * the last two epochs of a sender are forgotten when nothing that is stored or
 * buried came from there, and so are all of a sender when this many others
 * were heard later.  What there is no room for has position 0, and what it
 * writes is as if from nobody, on the control channel. */
#define GOAL_STORE_MAX_ORIGINS (4 * 65536)
#define GOAL_STORE_MAX_SENDERS 256

/* Where something came from. */
struct goal_origin {
    const char *sender;         /* Node id of the publisher. */
    const char *topic;          /* "" for the control channel. */
    uint64_t epoch;             /* Publisher's incarnation. */
    uint64_t sequence;          /* 0: not numbered. */
    bool hold;                  /* Writing does not advance the position: an
                                 * earlier message is missing. */
};

enum goal_index {
    GOAL_BY_VPC,                /* SUBNET, PORT, NEIGHBOR, SECURITYGROUP by
                                 * vpc_id. */
    GOAL_BY_SUBNET,             /* PORT, NEIGHBOR by each fixed IP's subnet,
                                 * DHCP, ARION GATEWAY by subnet_id, ROUTER by
                                 * each table's subnet. */
    GOAL_BY_GROUP,              /* PORT, NEIGHBOR by each security group. */
    GOAL_BY_ADDRESS,            /* PORT, NEIGHBOR by subnet and address. */
    GOAL_BY_GATEWAY,            /* VPC by each gateway id. */
    GOAL_SUBNETS_OF_VPC,        /* SUBNET by vpc_id: who asks just for these
                                 * is not woken by VPC's other children. */
    GOAL_BY_REMOTE_GROUP,       /* SECURITYGROUP by each remote group. */
    GOAL_GATEWAYS_OF_SUBNET,    /* ARION GATEWAY by subnet_id, likewise. */
    GOAL_N_INDEXES
};

enum goal_write {
    GOAL_WRITTEN,               /* Stored; it is in the change set. */
    GOAL_SAME,                  /* Equal to what was there; origin and revision
                                 * are updated, nothing to translate. */
    GOAL_STALE,                 /* Older revision than what is there, or than
                                 * its tombstone: not applied. */
    GOAL_ABSENT,                /* Deletion of what was not there. */
};

/* How a resource that is put meets the one that is there. */
enum goal_put_mode {
    GOAL_REPLACE,               /* FULL. */
    GOAL_CREATE,                /* CREATE: as GOAL_REPLACE, but what comes in
                                 * halves (GFF_HALVES) is merged. */
    GOAL_MERGE,                 /* DELTA: goal-merge.h says how. */
    GOAL_FORCE,                 /* As GOAL_REPLACE, whatever the revisions say:
                                 * for snapshots. */
};

struct goal_change {
    struct goal_key key;
    char *id;
    bool deleted;
    uint64_t *touched;          /* Dependency keys (dep-key.h): its own and the
                                 * ranges of indexes it was or is in. */
    size_t n_touched;
};

struct goal_changes {
    struct goal_change *changes; /* One for each resource, latest state. */
    size_t n, allocated;
    uint32_t *slots;            /* Private: finds a resource's change. */
    size_t n_slots;             /* Private: number of 'slots'. */
};
#define GOAL_CHANGES_INITIALIZER { NULL, 0, 0, NULL, 0 }

/* Frees what is in it and leaves it empty. */
void goal_changes_destroy(struct goal_changes *);

/* Opens the store in directory 'dir', creating both when absent.  A store of
 * an earlier version is converted (goal-store-convert.c).  One of a version
 * that is not known, or one that is damaged and has no good copy, is moved
 * aside (to 'dir'.bad-TIME) with a warning and started afresh; of one of
 * another version, numbers (id-store.h) are carried over. */
char *goal_store_open(const char *dir, struct goal_store **)
    OVS_WARN_UNUSED_RESULT;
void goal_store_close(struct goal_store *); /* Syncs.  Accepts null. */

/* True if the store was created (or started afresh) by goal_store_open(). */
bool goal_store_is_new(const struct goal_store *);

/* True if something may be missing that was there when the store was last
 * used: the host went down, or the store was damaged and there was a copy.
 * The difference is to be asked for. */
bool goal_store_was_restored(const struct goal_store *);

char *goal_store_begin(struct goal_store *, const struct goal_origin *)
    OVS_WARN_UNUSED_RESULT;
char *goal_store_put(struct goal_store *, const struct goal_resource *,
                     enum goal_put_mode, struct goal_key *,
                     enum goal_write *) OVS_WARN_UNUSED_RESULT;

/* 'revision' is the deletion's; 0 always deletes. */
char *goal_store_delete(struct goal_store *, enum goal_kind, const char *id,
                        uint32_t revision, struct goal_key *,
                        enum goal_write *) OVS_WARN_UNUSED_RESULT;

/* Makes 'origin' that of what is put and deleted from now on in this write (a
 * snapshot holds what several topics wrote). */
void goal_store_set_origin(struct goal_store *, const struct goal_origin *);

/* Ends the write and advances the origin's position.  Adds the changes to
 * 'changes'.  On an error everything since the last internal transaction is
 * undone. */
char *goal_store_commit(struct goal_store *, struct goal_changes *changes)
    OVS_WARN_UNUSED_RESULT;

/* Why the last write was not successful, or null. */
const char *goal_store_write_error(const struct goal_store *);

/* Undoes what was put since the last internal transaction and ends the write.
 * Changes of earlier internal transactions still go to 'changes'. */
void goal_store_abort(struct goal_store *, struct goal_changes *changes);

/* Last sequence taken from 'origin' (its sequence is ignored), 0 if none. */
uint64_t goal_store_position(struct goal_store *, const struct goal_origin *);

/* Returns true if a message was written only in part, and stores in '*sender'
 * and '*topic', which belong to the caller, whose it was (of several, any).
 * It is so until that sender's topic is written to again in full or its
 * position is set. */
bool goal_store_incomplete(struct goal_store *, char **sender, char **topic);

/* Advances the position of 'origin' without writing any resource. */
char *goal_store_set_position(struct goal_store *,
                              const struct goal_origin *)
    OVS_WARN_UNUSED_RESULT;

/* Calls 'cb' for each position. */
void goal_store_positions(struct goal_store *,
                          void (*cb)(const struct goal_origin *, void *aux),
                          void *aux);

/* The same for those positions that belong to the publisher whose epoch is the
 * latest. */
void goal_store_last_positions(struct goal_store *,
                               void (*cb)(const struct goal_origin *,
                                          void *aux),
                               void *aux);

/* Returns the resource, which the caller must destroy, or NULL. */
struct goal_resource *goal_store_get(struct goal_store *, enum goal_kind,
                                     const char *id);
struct goal_resource *goal_store_get_key(struct goal_store *,
                                         const struct goal_key *);

/* Returns false if no such resource is stored. */
bool goal_store_lookup(struct goal_store *, enum goal_kind, const char *id,
                       struct goal_key *);

/* The kind that is in a surrogate id. */
enum goal_kind goal_store_sid_kind(uint64_t sid);

/* Who wrote a resource.  Strings belong to the caller.  Returns false if the
 * resource is not stored. */
bool goal_store_origin(struct goal_store *, const struct goal_key *,
                       char **sender, char **topic, uint64_t *epoch,
                       uint64_t *sequence);

/* The same for who deleted a resource: false if there is no tombstone. */
bool goal_store_grave_origin(struct goal_store *, enum goal_kind,
                             const char *id, char **sender, char **topic,
                             uint64_t *epoch, uint64_t *sequence);

/* Calls 'cb' for each stored resource of 'kind', until it returns false.  The
 * callback must not write to the store. */
void goal_store_for_each(struct goal_store *, enum goal_kind,
                         bool (*cb)(const struct goal_key *, const char *id,
                                    void *aux),
                         void *aux);

/* Calls 'cb' for each entry of 'index' under 'parent' (an id) and, for
 * GOAL_BY_ADDRESS, 'address', in order of kind and sid, until it returns
 * false. */
void goal_store_index(struct goal_store *, enum goal_index,
                      const char *parent, const struct in6_addr *address,
                      bool (*cb)(const struct goal_key *, void *aux),
                      void *aux);

/* The same, but begins behind 'after' (null: at the beginning). */
void goal_store_index_after(struct goal_store *, enum goal_index,
                            const char *parent, const struct in6_addr *address,
                            const struct goal_key *after,
                            bool (*cb)(const struct goal_key *, void *aux),
                            void *aux);

/* Dependency key of that range. */
uint64_t goal_index_dep_key(enum goal_index, const char *parent,
                            const struct in6_addr *address);

/* Who has which VNI, as of now (also within a write).  What is about to be put
 * should be checked with it; goal_store_put() does not. */
const struct vni_claims *goal_store_vni_claims(struct goal_store *);

size_t goal_store_count(const struct goal_store *, enum goal_kind);

/* Number of resources of 'kind' under 'parent' in 'index', which must not be
 * GOAL_BY_ADDRESS.  Walks over them the first time that it is asked; from then
 * on, writes keep the number. */
size_t goal_store_count_index(struct goal_store *, enum goal_index,
                              const char *parent, enum goal_kind);

/* Makes everything committed survive a power failure, before returning. */
char *goal_store_sync(struct goal_store *) OVS_WARN_UNUSED_RESULT;

/* Copies everything committed to where it is found after a power failure,
 * before returning. */
char *goal_store_copy(struct goal_store *) OVS_WARN_UNUSED_RESULT;

/* The same, in the background. */
void goal_store_copy_soon(struct goal_store *);

/* Forgets tombstones that are old enough, and what nothing refers to any
 * more, a little at a time. */
void goal_store_run(struct goal_store *, long long int now);
void goal_store_wait(struct goal_store *);

void goal_store_get_memory_usage(const struct goal_store *, struct simap *);

#endif /* store/goal-store.h */
