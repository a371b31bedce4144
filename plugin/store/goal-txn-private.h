/* SPDX-License-Identifier: Apache-2.0
 *
 * goal-txn-private: what the files of transactions share. */

#ifndef STORE_GOAL_TXN_PRIVATE_H
#define STORE_GOAL_TXN_PRIVATE_H 1

/* Inside transactions
 * ===================
 *
 *    goal-txn.c             which there are; their writes
 *    goal-txn-row.c         what is in the database
 *    goal-txn-undo.c        what was there before, and back to it
 *
 * The database "transactions" has, under the transaction's number, these parts
 * (enum goal_txn_part):
 *
 *    number, HEAD, 0        -> struct goal_txn, packed
 *    number, ITEM, 0...     -> an item, packed
 *    number, UNDO, sid      -> what was stored, or buried, of the resource
 *    number, REPLY, 0       -> the reply
 *
 * The heads are also in memory, in struct goal_txns. */

#include <lmdb.h>
#include "store/goal-store-private.h"
#include "store/goal-txn.h"

enum goal_txn_part {
    GOAL_TXN_HEAD,
    GOAL_TXN_ITEM,
    GOAL_TXN_UNDO,
    GOAL_TXN_REPLY,
};

#define GOAL_TXN_KEY_LEN (8 + 1 + 8)

/* What a write does to a transaction, once it is committed. */
struct goal_txn_write {
    struct goal_txn *target;    /* That was there before; null: a new one. */
    struct goal_txn *next;      /* What it becomes. */
    bool undo;                  /* Everything put is saved first. */
    uint32_t n_items;           /* Added in this write. */
    uint64_t *forgotten;        /* Numbers of those that are forgotten. */
    size_t n_forgotten, allocated_forgotten;
};

struct goal_txns {
    struct goal_txn **txns;     /* In order of their numbers. */
    size_t n, allocated;
    uint64_t next_number;
    struct goal_txn_write *write; /* Null: the write in progress, if any, is
                                   * no transaction's. */
};

/* goal-txn-row.c. */
void goal_txn_key(uint8_t key[GOAL_TXN_KEY_LEN], uint64_t number,
                  enum goal_txn_part, uint64_t sub);
bool goal_txn_key_parse(const MDB_val *, uint64_t *number,
                        enum goal_txn_part *, uint64_t *sub);
int goal_txn_write_row(struct goal_store *, uint64_t number,
                       enum goal_txn_part, uint64_t sub, MDB_val value);
int goal_txn_read_row(struct goal_store *, uint64_t number,
                      enum goal_txn_part, uint64_t sub, MDB_val *value);
int goal_txn_next_row(struct goal_store *, uint64_t number,
                      enum goal_txn_part, uint64_t *sub, MDB_val *value);
int goal_txn_erase_part(struct goal_store *, uint64_t number,
                        enum goal_txn_part);
int goal_txn_write_head(struct goal_store *, const struct goal_txn *);
struct goal_txn *goal_txn_parse_head(uint64_t number, const MDB_val *);
void goal_txn_destroy(struct goal_txn *);
int goal_txn_write_item(struct goal_store *, uint64_t number, uint64_t sub,
                        const struct goal_txn_item *, size_t *size);
bool goal_txn_parse_item(const MDB_val *, struct goal_txn_item *);

/* goal-txn-undo.c. */
int goal_undo_restore_all(struct goal_store *, uint64_t number);
int goal_undo_forget(struct goal_store *, uint64_t number);

#endif /* store/goal-txn-private.h */
