/* SPDX-License-Identifier: Apache-2.0
 *
 * alcor-db: the database Alcor, in which the agent tells how it fares. */

#ifndef APPLY_ALCOR_DB_H
#define APPLY_ALCOR_DB_H 1

/* Database Alcor
 * ==============
 *
 * What?
 * -----
 *
 * A connection to the database Alcor (alcor(5)) on the ovsdb-server of the
 * Open_vSwitch database, with its own IDL.  The database is added to the
 * server, or converted, whenever that turns out to be necessary
 * (alcor-db-admin.h).  If it cannot be had, that is logged once and tried
 * again, from ALCOR_DB_MIN_BACKOFF_MSEC to ALCOR_DB_MAX_BACKOFF_MSEC; nothing
 * else depends on it.
 *
 * Writing
 * -------
 *
 * The agent says what is to be in a table, as plain structs, and this module
 * writes the difference to what is there:
 *
 *     if (dirty && alcor_db_is_ready(db)) {
 *         alcor_db_begin(db, dirty);
 *         alcor_db_port(db, &port);            ...of each table in 'dirty'
 *         alcor_db_end(db);
 *         dirty = 0;
 *     }
 *     dirty |= alcor_db_take_stale(db);
 *
 * Between begin and end, every row of the tables in 'dirty' must be given,
 * none of another; rows that are not given are removed.  No copy is kept, so
 * what could not be written, was lost, or was changed by somebody else is
 * asked for again: alcor_db_take_stale() tells which tables.  (What somebody
 * else changed inside of a row is noticed only when that table is written
 * again, or when rows come or go.)
 *
 * There is at most one transaction at a time, at most one every
 * ALCOR_DB_INTERVAL_MSEC, and what it takes to make one is at most a twentieth
 * of the time: so a storm of changes costs next to nothing, and neither does
 * waiting for the database.
 *
 * Two agents on one server do not disturb each other: the first holds the
 * OVSDB lock "alcor_agent", the other writes nothing.
 *
 * Reading
 * -------
 *
 * Operators write Agent.cfg and rows of Subscription that are not
 * "automatic".  The latter are never removed here; alcor_db_topics() are their
 * topics, for as long as they are known: while the connection is lost, those
 * seen last.
 *
 * Thread-safety: main thread only. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct alcor_db;
struct smap;
struct sset;

#define ALCOR_DB_INTERVAL_MSEC 500
#define ALCOR_DB_MIN_BACKOFF_MSEC 1000
#define ALCOR_DB_MAX_BACKOFF_MSEC 60000

/* Tables that the agent fills; 1 << one of these in bitmaps.  VPC is written
 * together with PORT and GATEWAY, to which it refers, and so is AGENT with VPC
 * and with SUBSCRIPTION. */
enum alcor_db_table {
    ALCOR_DB_AGENT,
    ALCOR_DB_SUBSCRIPTION,
    ALCOR_DB_PLUGIN,
    ALCOR_DB_GATEWAY,
    ALCOR_DB_PORT,
    ALCOR_DB_VPC,
    ALCOR_DB_FAST_PATH,
    ALCOR_DB_TRANSACTION,
    ALCOR_DB_N_TABLES
};
#define ALCOR_DB_ALL ((1u << ALCOR_DB_N_TABLES) - 1)

/* Rows.  Strings must not be null, "" meaning none, except where that is said;
 * smaps must not be null.  Members are as the columns in alcor(5). */

struct alcor_db_number {
    const char *name;
    uint64_t value;
};

struct alcor_db_agent {
    const char *node_id;
    const char *host_ip;
    const char *version;
    uint64_t start_time;
    const char *state;
    const char *connection_status;
    const struct smap *status;
    const struct smap *errors;
    const int64_t *cur_cfg;     /* Null: leave it. */
    const struct alcor_db_number *statistics;
    size_t n_statistics;
};

struct alcor_db_subscription {
    const char *topic;
    const char *kind;           /* Null: unknown. */
    const char *key;
    const char *endpoint;
    const char *status;
    const char *sender;
    uint64_t epoch;
    uint64_t sequence;
    uint64_t gaps;
};

struct alcor_db_plugin {
    const char *name;
    const char *version;
    const char *path;
    bool enabled;
    uint64_t flows;
};

struct alcor_db_gateway {
    const char *id;
    const char *type;
    const struct smap *entrances;
    const struct simap *statistics;
};

struct alcor_db_port {
    const char *id;
    const char *vpc;
    const char *mac;
    const char **addresses;
    size_t n_addresses;
    const char *interface;
    uint16_t ofport;            /* 0: none. */
    const char *state;
    const char *reason;
    const struct alcor_db_number *statistics;
    size_t n_statistics;
    const struct alcor_db_number *drops;
    size_t n_drops;
    const struct alcor_db_number *ingress_drops;
    size_t n_ingress_drops;
};

struct alcor_db_vpc {
    const char *id;
    int64_t tunnel_id;          /* -1: not known, or several. */
    uint64_t neighbors_stored;
    uint64_t neighbors_programmed;
    const struct sset *ports;   /* Ids. */
    const struct sset *gateways; /* Ids. */
};

struct alcor_db_fast_path {
    const char *interface;
    const char *hook;
    const char *mode;
    const char *program;
    const char *reason;
    uint64_t entries;
    uint64_t hits;
    uint64_t passes;
    const struct alcor_db_number *drops;
    size_t n_drops;
};

/* At most so many rows of transactions, those that are given first. */
#define ALCOR_DB_MAX_TRANSACTIONS 256

struct alcor_db_transaction {
    const char *id;
    const char *phase;
    uint64_t resources;
    const char *outcome;
    uint64_t start_time;        /* µs since 1970, as... */
    uint64_t end_time;          /* ...this is; 0: not over yet. */
};

struct alcor_db *alcor_db_create(const char *remote);
void alcor_db_destroy(struct alcor_db *); /* Accepts null. */

void alcor_db_run(struct alcor_db *);
void alcor_db_wait(struct alcor_db *);

/* Reading. */

/* Stores Agent.cfg in '*cfg' and returns true, or returns false as long as it
 * is not known. */
bool alcor_db_cfg(const struct alcor_db *, int64_t *cfg);

const struct sset *alcor_db_topics(const struct alcor_db *);
/* Changes whenever the topics change. */
uint64_t alcor_db_topics_seqno(const struct alcor_db *);

/* Writing. */

/* Returns the tables that have to be written, as far as is known here, and
 * forgets that. */
uint32_t alcor_db_take_stale(struct alcor_db *);

/* True if it can be written to at this moment. */
bool alcor_db_is_ready(const struct alcor_db *);

/* Wakes poll_block() when alcor_db_is_ready() becomes true, if all that is
 * missing is time. */
void alcor_db_wait_ready(const struct alcor_db *);

void alcor_db_begin(struct alcor_db *, uint32_t tables);
void alcor_db_agent(struct alcor_db *, const struct alcor_db_agent *);
/* 'automatic': a row of the agent's own, which is made when it is not there;
 * else the operator's row with this topic, if there is one. */
void alcor_db_subscription(struct alcor_db *,
                           const struct alcor_db_subscription *,
                           bool automatic);
void alcor_db_plugin(struct alcor_db *, const struct alcor_db_plugin *);
void alcor_db_gateway(struct alcor_db *, const struct alcor_db_gateway *);
void alcor_db_port(struct alcor_db *, const struct alcor_db_port *);
void alcor_db_vpc(struct alcor_db *, const struct alcor_db_vpc *);
void alcor_db_fast_path(struct alcor_db *, const struct alcor_db_fast_path *);
void alcor_db_transaction(struct alcor_db *,
                          const struct alcor_db_transaction *);
void alcor_db_end(struct alcor_db *);

#endif /* apply/alcor-db.h */
