/* SPDX-License-Identifier: Apache-2.0
 *
 * goal-txn: writes that can be undone, and transactions that are staged. */

#ifndef STORE_GOAL_TXN_H
#define STORE_GOAL_TXN_H 1

/* Transactions of the goal store
 * ==============================
 *
 * What?
 * -----
 *
 * A transaction is a set of changes of goal state that is to be in effect as a
 * whole or not at all.  Whether it can be is not known when it is written: the
 * resources have to be translated, the data plane has to take them, and where
 * several nodes take part, these have to agree.  So the store keeps, durably
 * and beside the goal state,
 *
 *    - what was there before ("undo"), as long as the change is on trial.  It
 *      is written in the same LMDB transaction as the change itself;
 *
 *    - what is to be done ("items"), from a vote to the outcome;
 *
 *    - what has become of the last GOAL_TXN_MAX_HISTORY transactions.
 *
 * Phases
 * ------
 *
 *                              undo              resume
 *    start ----> TRIED ---------------> STAGED ---------> APPLIED
 *                  |                      |                  |
 *                  | undo, finish         | finish           | finish
 *                  v                      v                  v
 *              ABORTED, COMMITTED      ABORTED           COMMITTED
 *
 *    TRIED       The changes are in the goal state, and can be undone.  A
 *                process that dies leaves no such transaction behind: the next
 *                goal_store_open() undoes it.  One that was about to be voted
 *                for is then forgotten, as nobody was told about it.
 *    STAGED      The goal state is as before; the items wait for the outcome.
 *    APPLIED     Its coordinator has decided: the changes are in the goal
 *                state for good.  Whether they are in effect is not known yet.
 *    COMMITTED, ABORTED
 *                Over.  What was answered is kept ("reply").
 *
 * Usage
 * -----
 *
 * To try: goal_store_begin(), goal_txn_start(), any goal_store_put(),
 * goal_store_delete() and goal_txn_add(), goal_store_commit().  The write is
 * one LMDB transaction, however large; goal_store_abort() leaves nothing.
 * Later, goal_txn_undo() or goal_txn_finish().  Until then nobody else may
 * write what the transaction has written.
 *
 * To do what is staged: goal_store_begin(), goal_txn_resume(), puts and
 * deletes as goal_txn_for_each_item() says, goal_store_commit(), and later
 * goal_txn_finish().
 *
 * Each function that returns a message has done everything or nothing.
 *
 * Limits
 * ------
 *
 * goal_txn_check_room() says if another transaction may be started.  Of what
 * is over, the oldest is forgotten when there are too many or their replies
 * too large.
 *
 * Ownership: transactions belong to the store.  A pointer to one is valid
 * until it is forgotten, which only goal_txn_finish(), goal_txn_undo() and
 * goal_txn_record() do, to others that are over.
 *
 * Thread-safety: as goal-store.h. */

#include "store/goal-store.h"

/* Limits: transactions that are not over, bytes of their items, items of
 * each; and of those that are over: number, and bytes of replies. */
#define GOAL_TXN_MAX_OPEN 64
#define GOAL_TXN_MAX_OPEN_BYTES (64 * 1024 * 1024)
#define GOAL_TXN_MAX_ITEMS (128 * 1024)
#define GOAL_TXN_MAX_HISTORY 256
#define GOAL_TXN_MAX_REPLY_BYTES (16 * 1024 * 1024)

/* Longer ones are cut. */
#define GOAL_TXN_MAX_OUTCOME 1024

#define GOAL_TXN_PHASES                         \
    GOAL_TXN_PHASE(TRIED, "trying")             \
    GOAL_TXN_PHASE(STAGED, "prepared")          \
    GOAL_TXN_PHASE(APPLIED, "committing")       \
    GOAL_TXN_PHASE(COMMITTED, "committed")      \
    GOAL_TXN_PHASE(ABORTED, "aborted")

enum goal_txn_phase {
#define GOAL_TXN_PHASE(ENUM, NAME) GOAL_TXN_##ENUM,
    GOAL_TXN_PHASES
#undef GOAL_TXN_PHASE
    GOAL_TXN_N_PHASES
};
const char *goal_txn_phase_to_string(enum goal_txn_phase);

struct goal_txn {
    uint64_t number;            /* The store's; ascending. */
    char *id;                   /* Strings are at most 255 bytes... */
    char *sender;               /* Who began it. */
    char *message_id;           /* What is to be answered next, or "". */
    char *outcome;              /* ...but for this: "", or what went wrong. */
    enum goal_txn_phase phase;
    bool distributed;           /* Voted for; else it is this node's alone. */
    bool alarm;                 /* Committed, but not all in effect. */
    uint64_t tag;               /* Of no meaning to the store. */
    uint32_t n_resources;
    uint64_t n_bytes;           /* Of items... */
    uint64_t n_reply_bytes;     /* ...and of the reply. */
    uint64_t began, ended;      /* µs since 1970; 'ended' is 0 before. */
};

/* What is known of a transaction when it begins.  Ids of more than 255 bytes
 * are not allowed. */
struct goal_txn_info {
    const char *id;
    const char *sender;
    const char *message_id;
    bool distributed;
    uint64_t tag;
    uint32_t n_resources;
};

/* What it comes to. */
struct goal_txn_end {
    const struct goal_origin *origin; /* Its position is advanced. */
    enum goal_txn_phase phase;
    const char *outcome;
    bool alarm;
    const void *reply;          /* Of 'reply_len' bytes; may be null. */
    size_t reply_len;
};

enum goal_txn_verb {
    GOAL_TXN_PUT,
    GOAL_TXN_DELETE,
    GOAL_TXN_NOTHING,           /* It is just to be answered. */
};

/* One change. */
struct goal_txn_item {
    enum goal_txn_verb verb;
    enum goal_put_mode mode;    /* GOAL_TXN_PUT. */
    uint32_t operation;         /* Of no meaning to the store. */
    struct goal_resource *resource; /* For other verbs, just id and revision
                                     * count. */
};

/* Looking. */
const struct goal_txn *goal_txn_find(const struct goal_store *,
                                     const char *id, bool distributed);

/* The outcome for people, owned by the caller: "" if there is nothing to say.
 * It begins with "ALARM: " if 'alarm' is true. */
char *goal_txn_describe_outcome(const struct goal_txn *);

/* From the last one that began to the first. */
void goal_txn_for_each(const struct goal_store *,
                       void (*cb)(const struct goal_txn *, void *aux),
                       void *aux);

/* In the order in which they were added.  'cb' owns the item's resource and
 * may write to the store.  Returns a message if one is damaged. */
char *goal_txn_for_each_item(struct goal_store *, const struct goal_txn *,
                             void (*cb)(const struct goal_txn_item *,
                                        void *aux),
                             void *aux) OVS_WARN_UNUSED_RESULT;

/* Returns the reply, owned by the caller, and its length, or NULL. */
void *goal_txn_reply(struct goal_store *, const struct goal_txn *,
                     size_t *len);

/* Returns NULL if there is room for another transaction of 'n_items' items of
 * 'n_bytes' bytes in all, or a malloc()'d message. */
char *goal_txn_check_room(const struct goal_store *, size_t n_items,
                          size_t n_bytes) OVS_WARN_UNUSED_RESULT;
void goal_txn_usage(const struct goal_store *, size_t *n_open,
                    uint64_t *n_bytes);

/* Within a write. */
void goal_txn_start(struct goal_store *, const struct goal_txn_info *);
char *goal_txn_add(struct goal_store *, const struct goal_txn_item *)
    OVS_WARN_UNUSED_RESULT;
void goal_txn_resume(struct goal_store *, const struct goal_txn *,
                     const char *message_id);

/* The transaction that goal_txn_start() began, after the write. */
const struct goal_txn *goal_txn_last(const struct goal_store *);

/* Writes of their own.
 *
 * goal_txn_undo() makes the goal state what it was before, and adds what it
 * has changed to 'changes'.  With phase GOAL_TXN_STAGED, the items stay.
 *
 * goal_txn_finish() ends the transaction, whose changes, if there are any,
 * stay.
 *
 * goal_txn_record() remembers one that never was more than an attempt. */
char *goal_txn_undo(struct goal_store *, const struct goal_txn *,
                    const struct goal_txn_end *, struct goal_changes *)
    OVS_WARN_UNUSED_RESULT;
char *goal_txn_finish(struct goal_store *, const struct goal_txn *,
                      const struct goal_txn_end *) OVS_WARN_UNUSED_RESULT;
char *goal_txn_record(struct goal_store *, const struct goal_txn_info *,
                      const struct goal_txn_end *) OVS_WARN_UNUSED_RESULT;

/* What was committed is in effect by now. */
char *goal_txn_end_alarm(struct goal_store *, const struct goal_txn *)
    OVS_WARN_UNUSED_RESULT;

#endif /* store/goal-txn.h */
