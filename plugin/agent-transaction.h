/* SPDX-License-Identifier: Apache-2.0
 *
 * agent-transaction: goal state that applies as a whole or not at all. */

#ifndef AGENT_TRANSACTION_H
#define AGENT_TRANSACTION_H 1

/* Transactions
 * ============
 *
 * What?
 * -----
 *
 * A message with a transaction id is all or nothing (wire-protocol.md, section
 * 5): on this host alone, or, with TXN_PREPARE and what follows, on several
 * that agree by voting.
 *
 *    agent-transaction.c         the protocol: messages, locks
 *    agent-transaction-doubt.c   what is in doubt, questions, alarms
 *    agent-transaction-status.c  commands, and what else people see
 *    agent-transaction-work.c    the transaction at work
 *    agent-transaction-run.c     ...step by step
 *
 * At work
 * -------
 *
 * There is at most one transaction at work.  Until it is done no other message
 * is taken: they wait in the transport, which is bounded.  So nobody else
 * writes goal state, and what can be undone is exactly what the transaction
 * has done.  That takes as long as translating it and one bundle, or, with the
 * switch away, up to ACK_TIMEOUT_MSEC, as every answer does.
 *
 *    WAITING       until all that came before is in effect
 *       |          the commit is held; written, with what there was before
 *       v
 *    TRANSLATING --(bad, or it is only to be voted for)---------+
 *       | good                                                  |
 *       v                                                       |
 *    PORTS         tunnel ports that its flows will name        |
 *       |                                                       |
 *       v                                                       v
 *    INSTALLING --(any part refused: nothing of the rest)--> UNDOING
 *       | one chunk, one bundle               restored, translated back
 *       v                                                       |
 *      done                                                     v
 *                                                           SETTLING
 *                                    what was installed is taken back
 *
 * Neither TRANSLATING nor UNDOING touches anything outside of the agent: the
 * commit is held, and what is wanted in the end equals what is installed.
 * What INSTALLING did before a refusal (tunnel ports, next hops, meters; never
 * a flow or a group, as the bundle is atomic) is then a difference like any
 * other, whatever the sink.
 *
 * A transaction whose commit has been decided elsewhere is not undone: what is
 * refused then stays in the goal state, the rest of it is installed, it is
 * answered FAILURE, and an alarm is shown until all of it is in effect.
 *
 * Death at any instant
 * --------------------
 *
 * The store undoes what was on trial when it is opened (goal-txn.h), before
 * anything is translated; the message's position has not moved, so it is asked
 * for again.  What was voted for stays, with its locks; what was decided but
 * not confirmed is confirmed and answered after the restart.
 *
 * Locks
 * -----
 *
 * From the vote to the outcome, a transaction holds locks on its resources: a
 * second transaction that names one of them is refused at once, be it of
 * several hosts or of one.
 *
 * A plain message is not refused, since nobody may ever send it again, and it
 * does not wait, since the outcome may take forever: it is applied.  Nor does
 * it change what is staged.  When that is committed, the revision decides for
 * each resource, as if the messages had come in the order of their revisions:
 * what is newer in the store stays (OUT_OF_ORDER in TXN_DONE), anything else
 * is replaced.  Snapshots are treated in the same way.
 *
 * In doubt
 * --------
 *
 * What has been voted for may have to wait for its outcome.  After
 * TXN_QUERY_MSEC of silence the coordinator is asked, again and again with
 * growing, random intervals up to TXN_QUERY_MAX_MSEC, for as long as it takes.
 * An operator can abort it, which a coordinator that decides otherwise is told
 * when it says so.
 *
 * Ownership: the agent owns its struct agent_txns.
 *
 * Thread-safety: main thread only. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "apply/desired-state.h"
#include "ingest/envelope.h"
#include "openvswitch/hmap.h"
#include "openvswitch/shash.h"
#include "store/goal-store.h"
#include "store/goal-txn.h"
#include "translate/translator.h"

struct agent;
struct ofpbuf;

#define TXN_QUERY_MSEC 10000
#define TXN_QUERY_MAX_MSEC 60000

/* What is to come of the transaction at work. */
enum txn_verb {
    TXN_LOCAL,                  /* In effect, or refused. */
    TXN_PREPARE,                /* Staged, or refused. */
    TXN_COMMIT,                 /* In effect as far as possible. */
};

enum txn_state {
    TXN_WAITING,
    TXN_TRANSLATING,
    TXN_PORTS,
    TXN_INSTALLING,
    TXN_UNDOING,
    TXN_SETTLING,
};

/* A resource of a transaction. */
struct txn_entry {
    struct goal_txn_item item;  /* 'resource' is null if it is malformed. */
    uint32_t kind;
    char *id;
    enum goal_status status;    /* GOAL_STATUS_SUCCESS: nothing is wrong. */
    struct goal_key key;        /* In the store... */
    bool written;               /* ...if this is true. */
};

/* A transaction at work. */
struct txn_work {
    enum txn_verb verb;
    enum txn_state state;
    char *id;
    char *message_id;           /* To be answered. */
    struct goal_origin origin;  /* Of that message; strings are owned. */
    uint64_t tag;               /* Of its payload. */
    struct txn_entry *entries;
    size_t n, allocated;
    size_t n_bytes;             /* Of the message. */

    const struct goal_txn *txn; /* In the store, or null. */
    struct goal_changes changes; /* That it has made. */
    struct translator_mark mark;
    struct ds_mark commit_mark; /* TXN_SETTLING: until there... */
    bool marked;                /* ...if this is true. */
    bool refused;               /* It is not to be. */
    char *outcome;              /* Why, or null. */

    long long int deadline;     /* In ms. */
    long long int retry;        /* Of the store, in ms; 0: none. */
    long long int received;     /* Times in µs. */
    long long int translated;   /* 0: not yet. */
};

/* A transaction that is in doubt. */
struct txn_doubt {
    struct hmap_node hmap_node; /* In struct agent_txns's 'doubts'. */
    uint64_t number;            /* Of the transaction. */
    long long int next;         /* When to ask. */
    int backoff;                /* From then to the next time, in ms. */
};

struct agent_txns {
    struct txn_work *work;      /* Null: none. */
    struct shash locks;         /* "KIND ID" -> number of the transaction. */
    struct hmap doubts;         /* Contains "struct txn_doubt"s. */
    unsigned int connection;    /* Of the transport, when last looked at. */
    bool alarms;                /* Some transaction may have one. */
    uint64_t seqnos[2];         /* When alarms were last looked at. */
    uint64_t seqno;             /* Changes whenever a transaction does. */
};

/* agent-transaction-doubt.c. */
void txn_forget_doubt(struct agent *, const struct goal_txn *);
void txn_add_doubt(struct agent *, const struct goal_txn *,
                   long long int next);
char *txn_lock_name(enum goal_kind, const char *id);
void txn_doubts_load(struct agent *);
void txn_doubts_run(struct agent *);
void txn_doubts_wait(const struct agent *);

/* agent-transaction-status.c. */
void txn_commands_init(struct agent *);

/* agent-transaction.c. */
char *txn_abort(struct agent *, const struct goal_txn *,
                const struct goal_origin *, const char *outcome);
void txn_send(struct agent *, enum envelope_kind, const char *correlation_id,
              const char *id, const struct ofpbuf *payload);

/* agent-transaction-work.c. */
struct txn_work *txn_work_create(enum txn_verb, const struct envelope *,
                                 const struct goal_origin *);
struct txn_entry *txn_work_add(struct txn_work *,
                               const struct goal_txn_item *,
                               enum goal_kind, const char *id);
void txn_work_refuse(struct txn_work *, const char *outcome);
void txn_work_refuse_entry(struct txn_work *, struct txn_entry *,
                           enum goal_status, const char *why);
void txn_work_encode_reply(const struct txn_work *, struct ofpbuf *payload);
void txn_work_destroy(struct txn_work *);

/* agent-transaction-run.c. */
void txn_work_begin(struct agent *, struct txn_work *);
void txn_work_resume(struct agent *, const struct goal_txn *);
bool txn_work_commit(struct agent *, const struct goal_txn *,
                     const struct envelope *, const struct goal_origin *);
void txn_work_run(struct agent *);
void txn_work_wait(const struct agent *);

#endif /* agent-transaction.h */
