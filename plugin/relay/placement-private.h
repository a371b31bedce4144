/* SPDX-License-Identifier: Apache-2.0
 *
 * placement-private: what the placement*.c files share. */

#ifndef RELAY_PLACEMENT_PRIVATE_H
#define RELAY_PLACEMENT_PRIVATE_H 1

/* Essay: placement.h.  placement-db.c deals with LMDB, placement.c with what
 * is in there.  Thread-safety: main thread only. */

#include <lmdb.h>
#include "byte-order.h"
#include "relay/placement.h"
#include "unaligned.h"
#include "util.h"

#define DBS                     \
    DB(META, "meta")            \
    DB(HOSTS, "hosts")          \
    DB(VPCS, "vpcs")            \
    DB(SPANS, "spans")          \
    DB(MEMBERS, "members")      \
    DB(HOLDERS, "holders")      \
    DB(TOPICS, "topics")        \
    DB(NODES, "nodes")

enum db {
#define DB(ENUM, NAME) DB_##ENUM,
    DBS
#undef DB
    N_DBS
};

/* The one record of "meta". */
struct meta {
    uint32_t version;
    uint32_t clean;             /* Closed by its last user? */
    uint64_t epoch;
    uint32_t next_number;       /* Of hosts and VPCs, from 1 on. */
    uint32_t reserved;
};

struct placement {
    char *dir;
    MDB_env *env;
    MDB_dbi dbis[N_DBS];
    MDB_txn *txn;               /* Of the change; null outside. */
    MDB_txn *read_txn;          /* Reset but when in use. */
    MDB_cursor *cursors[N_DBS]; /* In 'txn'; null until used. */
    int error;                  /* First one in this change. */
    struct meta meta;
    bool unclean;

    struct hmap hosts;          /* Contains "struct place_host"s. */
    struct hmap vpcs;           /* Contains "struct place_vpc"s. */
    struct place_host **by_number; /* Hosts; null where there is none. */
    size_t allocated_numbers;
};

/* Keys of MEMBERS and HOLDERS.  Numbers are big-endian, so that order is
 * kept. */
#define PAIR_LEN 12

static inline MDB_val
make_val(const void *data, size_t size)
{
    return (MDB_val) { size, CONST_CAST(void *, data) };
}

static inline void
put_be32(uint8_t *p, uint32_t value)
{
    put_unaligned_be32(ALIGNED_CAST(ovs_be32 *, p), htonl(value));
}

static inline uint32_t
get_be32(const uint8_t *p)
{
    return ntohl(get_unaligned_be32(ALIGNED_CAST(const ovs_be32 *, p)));
}

static inline void
put_be64(uint8_t *p, uint64_t value)
{
    put_unaligned_be64(ALIGNED_CAST(ovs_be64 *, p), htonll(value));
}

static inline uint64_t
get_be64(const uint8_t *p)
{
    return ntohll(get_unaligned_be64(ALIGNED_CAST(const ovs_be64 *, p)));
}

/* placement-db.c. */

/* Returns 0, MDB_KEYEXIST with MDB_NOOVERWRITE, or another error. */
int placement_write(struct placement *, enum db, MDB_val key, MDB_val value,
                    unsigned int flags);
int placement_erase(struct placement *, enum db, MDB_val key);

/* Begins reading; as of the change if there is one.  May return null. */
MDB_txn *placement_read_begin(struct placement *);
void placement_read_end(struct placement *);

/* Calls 'cb' for the records of 'db' whose keys begin with the first
 * 'prefix_len' bytes of 'start', from 'start' on, until it returns false. */
void placement_scan(struct placement *, enum db, MDB_val start,
                    size_t prefix_len,
                    bool (*cb)(const MDB_val *key, const MDB_val *value,
                               void *aux),
                    void *aux);

/* placement.c: what was read while opening. */
struct place_host *placement_load_host(struct placement *,
                                       const struct in6_addr *,
                                       uint32_t number);
struct place_vpc *placement_load_vpc(struct placement *, const char *id,
                                     uint32_t number);
void placement_load_span(struct place_vpc *, struct place_host *,
                         uint32_t n_ports);
void placement_unload(struct placement *);

/* Makes what is in memory what is on disk, as far as it matters. */
void placement_rollback(struct placement *);

#endif /* relay/placement-private.h */
