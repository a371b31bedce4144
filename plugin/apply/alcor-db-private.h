/* SPDX-License-Identifier: Apache-2.0
 *
 * alcor-db-private: what the two files of alcor-db share. */

#ifndef APPLY_ALCOR_DB_PRIVATE_H
#define APPLY_ALCOR_DB_PRIVATE_H 1

/* Inside alcor-db
 * ===============
 *
 *    alcor-db.c         connection, transactions, reading
 *    alcor-db-rows.c    rows: finding and writing them
 *
 * The IDL leaves unchanged columns out of a transaction, since no column that
 * is written here alerts. */

#include "apply/alcor-db.h"
#include "openvswitch/shash.h"
#include "sset.h"

struct alcor_db {
    char *remote;

    /* Providing the database, as long as 'idl' is null. */
    struct alcor_db_admin *admin; /* Null: waiting until... */
    long long int admin_time;   /* ...this time. */
    int backoff;                /* Of the next failure, in ms. */
    char *error;                /* Last one logged, or null. */

    /* Reading. */
    struct ovsdb_idl *idl;
    bool served;                /* 'idl' has the contents... */
    long long int idl_deadline; /* ...and must have them by then. */
    unsigned int idl_seqno;     /* Last one seen of 'idl'. */
    int64_t cfg;                /* Agent.cfg... */
    bool cfg_known;             /* ...if this is true. */
    struct sset topics;         /* That operators have subscribed. */
    uint64_t topics_seqno;

    /* Writing. */
    uint32_t stale;             /* Tables to be written. */
    uint32_t writing;           /* Tables in 'txn'. */
    struct ovsdb_idl_txn *txn;  /* Null if none. */
    bool composing;             /* Between begin and end. */
    struct shash rows[ALCOR_DB_N_TABLES]; /* While composing: by key, what is
                                           * there and was not given yet... */
    struct shash given[ALCOR_DB_N_TABLES]; /* ...and what was. */
    struct shash operators;     /* While composing: Subscription rows of
                                 * operators, by topic. */
    size_t n_rows[ALCOR_DB_N_TABLES]; /* That should be there. */
    long long int begin_time;   /* In µs. */
    long long int next_time;    /* Not before this. */
};

/* Number of rows of 'table' that are the agent's. */
size_t alcor_db_count_rows(const struct alcor_db *, enum alcor_db_table);

/* Collects the rows of 'table' in db->rows. */
void alcor_db_collect_rows(struct alcor_db *, enum alcor_db_table);

/* When all rows have been given: has them refer to each other. */
void alcor_db_link_rows(struct alcor_db *);

/* Removes what is left in db->rows, and empties that. */
void alcor_db_finish_rows(struct alcor_db *, enum alcor_db_table);

#endif /* apply/alcor-db-private.h */
