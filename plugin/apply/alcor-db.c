/* SPDX-License-Identifier: Apache-2.0
 *
 * alcor-db: connection to database Alcor, transactions, reading. */

#include <config.h>

#include "apply/alcor-db.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include "apply/alcor-db-admin.h"
#include "apply/alcor-db-private.h"
#include "coverage.h"
#include "fault-point.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "ovsdb-idl.h"
#include "ovsdb-schema/alcor-idl.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(alcor_db);

COVERAGE_DEFINE(alcor_db_txn);
COVERAGE_DEFINE(alcor_db_txn_again);
COVERAGE_DEFINE(alcor_db_txn_error);

/* Making a transaction may take one part in this many of the time. */
#define COST_SHARE 20

/* How long the IDL may take to connect to a server that has the database. */
#define CONNECT_MSEC 5000

/* Reads all columns, but is woken only by those that operators write (and by
 * rows that come or go). */
static struct ovsdb_idl *
create_idl(const char *remote)
{
    static const struct ovsdb_idl_column *const read_columns[] = {
        &alcorrec_agent_col_cfg,
        &alcorrec_subscription_col_topic,
        &alcorrec_subscription_col_automatic,
    };
    struct ovsdb_idl *idl
        = ovsdb_idl_create_unconnected(&alcorrec_idl_class, true);

    for (size_t i = 0; i < alcorrec_idl_class.n_tables; i++) {
        const struct ovsdb_idl_table_class *table
            = &alcorrec_idl_class.tables[i];

        for (size_t j = 0; j < table->n_columns; j++) {
            if (!strcmp(table->columns[j].name, "external_ids")) {
                ovsdb_idl_omit(idl, &table->columns[j]);
            } else {
                ovsdb_idl_omit_alert(idl, &table->columns[j]);
            }
        }
    }
    for (size_t i = 0; i < ARRAY_SIZE(read_columns); i++) {
        ovsdb_idl_add_column(idl, read_columns[i]);
    }
    ovsdb_idl_set_lock(idl, "alcor_agent");
    ovsdb_idl_set_remote(idl, remote, true);
    return idl;
}

struct alcor_db *
alcor_db_create(const char *remote)
{
    struct alcor_db *db = xzalloc(sizeof *db);

    db->remote = xstrdup(remote);
    db->backoff = ALCOR_DB_MIN_BACKOFF_MSEC;
    sset_init(&db->topics);
    shash_init(&db->operators);
    for (int i = 0; i < ALCOR_DB_N_TABLES; i++) {
        shash_init(&db->rows[i]);
        shash_init(&db->given[i]);
    }
    return db;
}

/* Gives up the IDL: a new one is made when there is a database again.  So an
 * IDL that has ever been connected, and is, has all contents. */
static void
drop_idl(struct alcor_db *db)
{
    if (db->txn) {
        db->stale |= db->writing;
        ovsdb_idl_txn_destroy(db->txn);
        db->txn = NULL;
    }
    ovsdb_idl_destroy(db->idl);
    db->idl = NULL;
    db->served = false;
}

void
alcor_db_destroy(struct alcor_db *db)
{
    if (db) {
        alcor_db_admin_destroy(db->admin);
        drop_idl(db);
        for (int i = 0; i < ALCOR_DB_N_TABLES; i++) {
            shash_destroy(&db->rows[i]);
            shash_destroy(&db->given[i]);
        }
        shash_destroy(&db->operators);
        sset_destroy(&db->topics);
        free(db->error);
        free(db->remote);
        free(db);
    }
}

/* Providing the database. */

static void
admin_failed(struct alcor_db *db)
{
    const char *error = alcor_db_admin_error(db->admin);

    if (!nullable_string_is_equal(db->error, error)) {
        static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(5, 5);

        VLOG_WARN_RL(&rl, "no database Alcor: %s (the agent works without it "
                     "and keeps trying)", error);
        free(db->error);
        db->error = xstrdup(error);
    }
    db->admin_time = time_msec() + db->backoff;
    db->backoff = MIN(db->backoff * 2, ALCOR_DB_MAX_BACKOFF_MSEC);
}

static void
admin_done(struct alcor_db *db)
{
    const char *changes = alcor_db_admin_changes(db->admin);

    if (changes) {
        VLOG_INFO("database Alcor: %s", changes);
    }
    free(db->error);
    db->error = NULL;
    db->backoff = ALCOR_DB_MIN_BACKOFF_MSEC;
    db->idl = create_idl(db->remote);
    db->idl_seqno = ovsdb_idl_get_seqno(db->idl);
    db->idl_deadline = time_msec() + CONNECT_MSEC;
}

/* While there is no IDL, sees to it that there is a database. */
static void
admin_run(struct alcor_db *db)
{
    if (!db->admin) {
        if (time_msec() < db->admin_time) {
            return;
        }
        db->admin = alcor_db_admin_create(db->remote, 0);
    }

    enum alcor_db_progress progress = alcor_db_admin_run(db->admin);
    if (progress != ALCOR_DB_BUSY) {
        if (progress == ALCOR_DB_FAILED) {
            admin_failed(db);
        } else {
            admin_done(db);
        }
        alcor_db_admin_destroy(db->admin);
        db->admin = NULL;
    }
}

/* Reading. */

static void
read_topics(struct alcor_db *db)
{
    const struct alcorrec_subscription *row;
    struct sset topics = SSET_INITIALIZER(&topics);

    ALCORREC_SUBSCRIPTION_FOR_EACH (row, db->idl) {
        if (!row->automatic && row->topic[0]) {
            sset_add(&topics, row->topic);
        }
    }
    if (!sset_equals(&topics, &db->topics)) {
        sset_swap(&topics, &db->topics);
        db->topics_seqno++;
        db->stale |= 1u << ALCOR_DB_SUBSCRIPTION;
    }
    sset_destroy(&topics);
}

static void
read_contents(struct alcor_db *db)
{
    const struct alcorrec_agent *agent = alcorrec_agent_first(db->idl);

    db->cfg = agent ? agent->cfg : 0;
    db->cfg_known = true;
    read_topics(db);
    for (int i = 0; i < ALCOR_DB_N_TABLES; i++) {
        if (!db->txn && alcor_db_count_rows(db, i) != db->n_rows[i]) {
            db->stale |= 1u << i;
        }
    }
}

static void
idl_run(struct alcor_db *db)
{
    ovsdb_idl_run(db->idl);

    bool served = (ovsdb_idl_is_connected(db->idl)
                   && ovsdb_idl_has_ever_connected(db->idl));
    if (served && !db->served) {
        db->served = true;
        db->stale = ALCOR_DB_ALL;
    } else if (!served
               && (db->served || time_msec() >= db->idl_deadline)) {
        drop_idl(db);
        db->admin_time = time_msec();
        return;
    }

    unsigned int idl_seqno = ovsdb_idl_get_seqno(db->idl);
    if (idl_seqno != db->idl_seqno && db->served && !db->txn) {
        db->idl_seqno = idl_seqno;
        read_contents(db);
    }
}

/* Writing. */

static void
txn_run(struct alcor_db *db)
{
    if (!db->txn) {
        return;
    }

    enum ovsdb_idl_txn_status status = ovsdb_idl_txn_commit(db->txn);
    if (status == TXN_INCOMPLETE) {
        return;
    }

    enum fault_verdict verdict = FAULT_POINT(ALCOR_DB_TXN_AFTER);
    if (verdict == FAULT_STALL) {
        return;
    } else if (verdict == FAULT_FAIL) {
        status = TXN_TRY_AGAIN;
    }
    if (status == TXN_ERROR) {
        static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(1, 5);

        COVERAGE_INC(alcor_db_txn_error);
        VLOG_WARN_RL(&rl, "database Alcor refuses a transaction: %s",
                     ovsdb_idl_txn_get_error(db->txn));
        db->next_time = time_msec() + ALCOR_DB_MAX_BACKOFF_MSEC;
    } else if (status == TXN_TRY_AGAIN || status == TXN_NOT_LOCKED) {
        COVERAGE_INC(alcor_db_txn_again);
    }
    if (status != TXN_SUCCESS && status != TXN_UNCHANGED) {
        db->stale |= db->writing;
    }
    ovsdb_idl_txn_destroy(db->txn);
    db->txn = NULL;
}

void
alcor_db_run(struct alcor_db *db)
{
    if (db->idl) {
        idl_run(db);
        txn_run(db);
    }
    if (!db->idl) {
        admin_run(db);
    }
}

void
alcor_db_wait(struct alcor_db *db)
{
    if (db->idl) {
        ovsdb_idl_wait(db->idl);
        if (db->txn) {
            ovsdb_idl_txn_wait(db->txn);
        } else if (db->served
                   && db->idl_seqno != ovsdb_idl_get_seqno(db->idl)) {
            poll_immediate_wake();
        }
        if (!db->served) {
            poll_timer_wait_until(db->idl_deadline);
        }
    } else if (db->admin) {
        alcor_db_admin_wait(db->admin);
    } else {
        poll_timer_wait_until(db->admin_time);
    }
}

bool
alcor_db_cfg(const struct alcor_db *db, int64_t *cfg)
{
    *cfg = db->cfg;
    return db->cfg_known;
}

const struct sset *
alcor_db_topics(const struct alcor_db *db)
{
    return &db->topics;
}

uint64_t
alcor_db_topics_seqno(const struct alcor_db *db)
{
    return db->topics_seqno;
}

uint32_t
alcor_db_take_stale(struct alcor_db *db)
{
    uint32_t stale = db->stale;

    db->stale = 0;
    return stale;
}

static bool
can_write(const struct alcor_db *db)
{
    return db->served && !db->txn && ovsdb_idl_has_lock(db->idl);
}

bool
alcor_db_is_ready(const struct alcor_db *db)
{
    return can_write(db) && time_msec() >= db->next_time;
}

void
alcor_db_wait_ready(const struct alcor_db *db)
{
    if (can_write(db)) {
        poll_timer_wait_until(db->next_time);
    }
}

void
alcor_db_begin(struct alcor_db *db, uint32_t tables)
{
    ovs_assert(alcor_db_is_ready(db));
    db->begin_time = time_usec();
    db->txn = ovsdb_idl_txn_create(db->idl);
    db->writing = tables;
    db->composing = true;
    for (int i = 0; i < ALCOR_DB_N_TABLES; i++) {
        if (tables & (1u << i)) {
            alcor_db_collect_rows(db, i);
        }
    }
}

void
alcor_db_end(struct alcor_db *db)
{
    ovs_assert(db->composing);
    alcor_db_link_rows(db);
    for (int i = 0; i < ALCOR_DB_N_TABLES; i++) {
        if (db->writing & (1u << i)) {
            alcor_db_finish_rows(db, i);
        }
    }
    db->composing = false;
    COVERAGE_INC(alcor_db_txn);

    long long int cost = time_usec() - db->begin_time;
    db->next_time = time_msec() + MAX(ALCOR_DB_INTERVAL_MSEC,
                                      cost * COST_SHARE / 1000);
    txn_run(db);
}
