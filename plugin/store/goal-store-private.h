/* SPDX-License-Identifier: Apache-2.0
 *
 * goal-store-private: what the files of the goal store share. */

#ifndef STORE_GOAL_STORE_PRIVATE_H
#define STORE_GOAL_STORE_PRIVATE_H 1

/* Inside the goal store
 * =====================
 *
 *    goal-store.c           opening, closing, reading
 *    goal-store-write.c     begin, put, delete, commit
 *    goal-store-ids.c       interned ids
 *    goal-store-map.[ch]    the hash table that finds them
 *    goal-store-index.c     indexes
 *    goal-store-count.c     numbers of entries in them
 *    goal-store-origin.c    origins, positions, incomplete messages
 *    goal-store-graves.c    tombstones
 *    goal-store-sweep.c     removing what nothing refers to any more
 *    goal-store-env.c       the LMDB environment: lock, damage, version
 *    goal-store-convert.c   stores of earlier versions
 *    goal-store-numbers.c   what outlives a store that cannot be converted
 *    goal-store-verify.c    looking for damage
 *    goal-store-copy.c      the copy for power failures
 *    goal-store-sync.c      the sync thread
 *    goal-changes.c         change sets
 *    goal-txn*.c            transactions (goal-txn-private.h)
 *    id-store.c             numbers for groups, meters and so on
 *
 * Functions that return an int return 0 or an error code of LMDB (which may be
 * a positive errno value); goal_store_error() makes a message of one.
 *
 * LMDB's rules
 * ------------
 *
 * The bytes that LMDB returns live in its pages: they are valid until the next
 * change within the same write, or until the read transaction is reset.  The
 * cursors of a write transaction are gone with it. */

#include <lmdb.h>
#include "openvswitch/hmap.h"
#include "store/goal-record.h"
#include "store/goal-store.h"

/* Version of everything on disk, and the earliest one that is converted to it
 * (goal-store-convert.c); a store of another one is started afresh. */
#define GOAL_STORE_VERSION 4
#define GOAL_STORE_OLDEST 3

#define GOAL_MAX_ID 255

/* LMDB databases.  GOAL_DB_INDEX has a cursor for each index. */
#define GOAL_DBS                                        \
    GOAL_DB(NAMES, "names", MDB_INTEGERKEY)             \
    GOAL_DB(RECORDS, "records", MDB_INTEGERKEY)         \
    GOAL_DB(INDEX, "index", 0)                          \
    GOAL_DB(GRAVES, "graves", MDB_INTEGERKEY)           \
    GOAL_DB(GRAVE_TIMES, "grave-times", 0)              \
    GOAL_DB(ORIGINS, "origins", MDB_INTEGERKEY)         \
    GOAL_DB(PLACES, "places", 0)                        \
    GOAL_DB(NUMBERS, "numbers", MDB_INTEGERKEY)         \
    GOAL_DB(TXNS, "transactions", 0)                    \
    GOAL_DB(META, "meta", 0)

enum goal_db {
#define GOAL_DB(ENUM, NAME, FLAGS) GOAL_DB_##ENUM,
    GOAL_DBS
#undef GOAL_DB
    GOAL_N_DBS
};

struct goal_db_info {
    const char *name;
    unsigned int flags;
};
extern const struct goal_db_info goal_dbs[GOAL_N_DBS];

/* Counters, kept in "meta" under the name "head". */
struct goal_head {
    uint64_t next_number;       /* For the next surrogate id, from 1 on. */
    uint64_t next_origin;       /* Next number of an origin, from 1 on. */
    uint64_t n_origins;         /* Origins. */
    uint64_t n_graves;          /* Tombstones. */
    uint64_t n_incomplete;      /* Messages marked incomplete. */
    uint64_t counts[GOAL_N_KINDS]; /* Stored resources. */
};

/* One entry of an index: where a resource is to be found. */
struct goal_ref {
    uint64_t dep;               /* goal_index_dep_key() of the range. */
    uint8_t len;                /* Bytes used in 'key'. */
    uint8_t key[34];            /* Index, parent's sid, for GOAL_BY_ADDRESS
                                 * the address, kind, sid; big endian. */
};

/* All entries of one resource, in order and without duplicates. */
struct goal_refs {
    struct goal_ref *refs;
    size_t n, allocated;
};

/* An id that the transaction of a write has given or taken a surrogate. */
struct goal_id_change {
    uint64_t hash;              /* goal_map_hash() of the id. */
    uint64_t number;            /* In its surrogate. */
    bool forgotten;             /* False: interned. */
};

/* A write in progress. */
struct goal_write_state {
    bool active;                /* Between begin and commit or abort. */
    bool failed;                /* 'txn' is gone because of an error. */
    bool dirty;                 /* 'txn' has changed something. */
    bool marked;                /* Marked incomplete. */
    MDB_txn *txn;               /* Null if 'failed'. */
    MDB_cursor *cursors[GOAL_N_DBS + GOAL_N_INDEXES]; /* Null until used. */
    size_t n_batch;             /* Resources in 'txn'. */

    struct goal_origin origin;  /* Strings are owned. */
    uint32_t number;            /* Of the origin, 0 until needed. */
    uint32_t mark_number;       /* If 'marked': of the origin marked. */
    struct hmap credits;        /* Contains "struct origin_credit"s. */

    struct goal_id_change *ids; /* Made in 'txn'. */
    size_t n_ids, allocated_ids;

    struct goal_changes pending; /* Made in 'txn'. */
    struct goal_changes done;   /* Made in earlier transactions. */

    /* Kept from one resource to the next to save allocations. */
    struct goal_buffer buffer;  /* Record being written. */
    struct goal_refs new_refs, old_refs;
    uint64_t *touched;          /* Dependency keys. */
    size_t allocated_touched;
};

struct goal_store {
    char *dir;                  /* Where it is. */
    int lock_fd;                /* Of the lock file, -1 if none. */
    bool is_new;                /* Created by goal_store_open(). */
    bool was_restored;          /* See goal_store_was_restored(). */
    bool was_converted;         /* By goal_store_open(). */
    uint64_t found_version;     /* That is not known. */
    bool copy_is_old;           /* The copy is to be made again, even if
                                 * nothing changes. */
    uint64_t map_size;          /* Of the environment. */
    MDB_env *env;
    MDB_dbi dbis[GOAL_N_DBS];
    struct goal_map *map;       /* Finds ids. */
    struct goal_sync *sync;     /* Sync thread. */

    MDB_txn *read_txn;          /* For lookups outside of a write, or null. */
    bool read_live;             /* False: 'read_txn' has been reset. */

    struct goal_head head;      /* As of the write in progress. */
    struct goal_head committed; /* As of the last commit. */
    struct goal_write_state write;
    char *write_error;          /* Of the last one, or null. */

    struct hmap id_cache;       /* Contains "struct cached_id"s. */
    struct goal_txns *txns;     /* Transactions. */
    struct vni_claims *claims;  /* As of the write in progress; null until
                                 * asked for. */
    struct hmap counted;        /* Contains "struct counted"s. */

    uint64_t used_base;         /* For 'used' of origins. */
    struct goal_sweep *sweep;   /* Looks for what is left over. */

    long long int wall_offset;  /* Wall-clock time less time_msec(). */
    long long int next_run;     /* Next time to look at tombstones, or
                                 * LLONG_MAX. */
};

/* goal-store.c. */
void goal_store_restore_claims(struct goal_store *,
                               const struct goal_changes *undone);
MDB_txn *goal_store_txn(const struct goal_store *);
void goal_store_end_reading(struct goal_store *);
char *goal_store_error(const struct goal_store *, const char *what, int error);

/* Remembers 'error', which may be null, as that of the last write, and returns
 * it. */
char *goal_store_note_error(struct goal_store *, char *error);
int goal_read(const struct goal_store *, enum goal_db, const void *key,
              size_t len, MDB_val *value);
int goal_read_u64(const struct goal_store *, enum goal_db, uint64_t key,
                  MDB_val *value);

/* goal-store-write.c.  Only within a write. */
MDB_cursor *goal_write_cursor(struct goal_store *, size_t slot);
int goal_write(struct goal_store *, enum goal_db, MDB_val key, MDB_val value);
int goal_erase(struct goal_store *, enum goal_db, MDB_val key);
int goal_write_u64(struct goal_store *, enum goal_db, uint64_t key,
                   MDB_val value);
int goal_erase_u64(struct goal_store *, enum goal_db, uint64_t key);

static inline MDB_val
goal_val(const void *data, size_t size)
{
    return (MDB_val) { size, CONST_CAST(void *, data) };
}

void goal_note_change(struct goal_store *, const struct goal_key *,
                      const char *id, bool deleted);

/* goal-store-ids.c.
 *
 * A surrogate has the kind's rank in its upper byte, so that those of a kind
 * are together, and a number.  What is said about an id is its surrogate, plus
 * a bit if it has a record. */
#define GOAL_ID_STORED (UINT64_C(1) << 63)
#define GOAL_SID_RANK_SHIFT 56

/* Neighbours, of which there are many, come last, so that new ones are
 * appended. */
static inline uint64_t
goal_kind_rank(enum goal_kind kind)
{
    return (kind == GOAL_NEIGHBOR ? GOAL_N_KINDS - 1
            : kind > GOAL_NEIGHBOR ? kind - 1
            : kind);
}

enum goal_kind goal_sid_kind(uint64_t sid);
int goal_ids_open(struct goal_store *);
void goal_ids_close(struct goal_store *);
void goal_ids_commit(struct goal_store *);
void goal_ids_abort(struct goal_store *);
int goal_id_find(const struct goal_store *, enum goal_kind, const char *id,
                 uint64_t *entry, MDB_val *record);
int goal_id_intern(struct goal_store *, enum goal_kind, const char *id,
                   uint64_t flags, uint64_t *entry, MDB_val *record,
                   bool *is_new);
int goal_id_name(struct goal_store *, uint64_t sid, const char *id);
int goal_id_forget(struct goal_store *, enum goal_kind, const char *id,
                   uint64_t sid);
int goal_id_intern_parent(struct goal_store *, enum goal_kind, const char *id,
                          uint64_t *sid, uint64_t *dep);

/* goal-store-index.c. */
enum goal_kind goal_index_parent_kind(enum goal_index);
int goal_refs_build(struct goal_store *, const struct goal_resource *,
                    uint64_t sid, struct goal_refs *);
void goal_refs_uninit(struct goal_refs *);
int goal_refs_update(struct goal_store *, const struct goal_refs *old,
                     const struct goal_refs *new);
int goal_index_is_parent(const struct goal_store *, enum goal_kind,
                         uint64_t sid, bool *is_parent);

/* goal-store-count.c. */
void goal_counted_change(struct goal_store *, enum goal_index,
                         uint64_t parent, enum goal_kind, bool add);
void goal_counted_clear(struct goal_store *);

/* goal-store-origin.c. */

/* A row of "origins". */
struct goal_origin_info {
    const char *sender;         /* Not null-terminated, as 'topic'. */
    size_t sender_len;
    const char *topic;
    uint64_t epoch;
    uint64_t refs;              /* Records and tombstones that refer to it. */
    uint64_t used;              /* The greater, the later it was used. */
};
bool goal_origin_parse(const MDB_val *, struct goal_origin_info *);

int goal_origins_open(struct goal_store *);
void goal_origin_credit(struct goal_store *, uint32_t number, int refs);
int goal_origin_settle(struct goal_store *);
void goal_origin_unsettle(struct goal_store *);
int goal_origin_forget(struct goal_store *, uint32_t number);
bool goal_incomplete_is_marked(const struct goal_store *, uint32_t number);
int goal_origin_number(struct goal_store *, uint32_t *number);
int goal_origin_advance(struct goal_store *, const struct goal_origin *);
int goal_incomplete_mark(struct goal_store *);
int goal_incomplete_unmark(struct goal_store *, uint32_t number);
bool goal_origin_get(const struct goal_store *, uint32_t number,
                     char **sender, char **topic, uint64_t *epoch);
int goal_incomplete_clear(struct goal_store *, const struct goal_origin *);

/* goal-store-graves.c. */
int goal_grave_dig(struct goal_store *, const struct goal_key *,
                   const char *id, uint32_t revision);
int goal_grave_remove(struct goal_store *, uint64_t sid);
int goal_grave_revision(const struct goal_store *, uint64_t sid,
                        uint32_t *revision);
bool goal_grave_id(const MDB_val *grave, const char **id, size_t *len);
uint32_t goal_grave_origin_number(const MDB_val *grave);
int goal_grave_restore(struct goal_store *, uint64_t sid, MDB_val grave);

void goal_graves_run(struct goal_store *, long long int now);

/* goal-store-sweep.c. */
struct goal_sweep *goal_sweep_create(void);
void goal_sweep_destroy(struct goal_sweep *);
void goal_sweep_want(struct goal_store *);

/* goal-txn.c. */
int goal_txns_open(struct goal_store *);
void goal_txns_close(struct goal_store *);
char *goal_txns_recover(struct goal_store *) OVS_WARN_UNUSED_RESULT;
bool goal_txns_is_writing(const struct goal_store *);
int goal_txns_settle(struct goal_store *);
void goal_txns_committed(struct goal_store *);
void goal_txns_dropped(struct goal_store *);

/* goal-txn-undo.c. */
int goal_undo_save(struct goal_store *, const struct goal_key *,
                   const char *id, bool *saved);
uint64_t goal_undo_count_refs(const void *data, size_t len);

/* goal-store-env.c. */
char *goal_env_open(struct goal_store *);
void goal_env_close(struct goal_store *);

/* goal-store-convert.c. */
int goal_store_convert(struct goal_store *, MDB_txn *, uint64_t version);

/* goal-store-numbers.c. */
struct goal_numbers {
    struct goal_number *numbers;
    size_t n, allocated;
};
void goal_numbers_save(const struct goal_store *, struct goal_numbers *);
int goal_numbers_restore(struct goal_store *, const struct goal_numbers *);
void goal_numbers_free(struct goal_numbers *);

/* goal-store-verify.c. */
bool goal_store_verify(const char *name, bool strict);

/* goal-store-copy.c. */
void goal_sync_dir(const char *dir);
int goal_fsync_mark(int fd);
bool goal_boot_is_new(const struct goal_store *);
void goal_boot_note(const struct goal_store *);
int goal_copy_make(MDB_env *, const char *dir);
bool goal_copy_is_old(const struct goal_store *);
bool goal_copy_restore(struct goal_store *, const char *why);
void goal_store_set_boot_id(const char *); /* For tests.  Null: none. */

/* goal-store-sync.c. */
struct goal_sync *goal_sync_create(MDB_env *, const char *dir);
void goal_sync_destroy(struct goal_sync *);
void goal_sync_wake(struct goal_sync *);
void goal_sync_copy_soon(struct goal_sync *);
void goal_sync_set_copy_interval(struct goal_sync *, long long int msec);

/* goal-changes.c. */
void goal_changes_add(struct goal_changes *, const struct goal_key *,
                      const char *id, bool deleted, const uint64_t *touched,
                      size_t n_touched);
void goal_changes_move(struct goal_changes *dst, struct goal_changes *src);

#endif /* store/goal-store-private.h */
