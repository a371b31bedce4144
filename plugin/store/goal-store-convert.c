/* SPDX-License-Identifier: Apache-2.0
 *
 * goal-store-convert: makes stores of earlier versions ones of this one. */

#include <config.h>

#include "store/goal-store-private.h"

#include <inttypes.h>
#include <string.h>

#include "coverage.h"
#include "openvswitch/vlog.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(goal_store_convert);

COVERAGE_DEFINE(goal_store_converted);

/* An upgrade of the agent keeps what is stored: a store of an earlier version
 * is converted where it is, from each version to the next one, when it is
 * opened.  All of that happens in the transaction that opens it, with the new
 * version's number: a crash leaves the one or the other.
 *
 * Whoever changes what is on the disk adds one to GOAL_STORE_VERSION and, at
 * the end of the table below, a converter from the version before.  It works
 * on LMDB's databases, not through the functions of the store: these are those
 * of the current version, which may have moved on.  Stores of versions that
 * the table does not begin with are started afresh, as are those of later
 * versions. */

struct converter {
    const char *what;
    int (*convert)(const struct goal_store *, MDB_txn *);
};

/* Version 4: index GOAL_GATEWAYS_OF_SUBNET.
 *
 * Its keys are those of GOAL_BY_SUBNET that have gateways, but for the first
 * byte, which is the index. */
static int
index_gateways(const struct goal_store *store, MDB_txn *txn)
{
    enum { LEN = 18, KIND = 9 };
    const uint8_t first = GOAL_BY_SUBNET;
    MDB_dbi dbi = store->dbis[GOAL_DB_INDEX];
    MDB_val k = goal_val(&first, sizeof first);
    MDB_val v, nothing = goal_val("", 0);
    MDB_cursor *cursor;
    int error = mdb_cursor_open(txn, dbi, &cursor);

    if (error) {
        return error;
    }
    for (error = mdb_cursor_get(cursor, &k, &v, MDB_SET_RANGE); !error;
         error = mdb_cursor_get(cursor, &k, &v, MDB_NEXT)) {
        const uint8_t *old = k.mv_data;
        uint8_t new[LEN];
        MDB_val new_key = goal_val(new, sizeof new);

        if (!k.mv_size || old[0] != GOAL_BY_SUBNET) {
            break;
        } else if (k.mv_size != LEN || old[KIND] != GOAL_GATEWAY) {
            continue;
        }
        memcpy(new, old, sizeof new);
        new[0] = GOAL_GATEWAYS_OF_SUBNET;
        error = mdb_put(txn, dbi, &new_key, &nothing, 0);
        if (error) {
            break;
        }
    }
    mdb_cursor_close(cursor);
    return error == MDB_NOTFOUND ? 0 : error;
}

/* From version GOAL_STORE_OLDEST on. */
static const struct converter converters[] = {
    { "gateways are found by subnet", index_gateways },
};
BUILD_ASSERT_DECL(GOAL_STORE_OLDEST + ARRAY_SIZE(converters)
                  == GOAL_STORE_VERSION);

/* Makes 'store', whose databases are open in 'txn', of version 'version',
 * which is at least GOAL_STORE_OLDEST, one of GOAL_STORE_VERSION. */
int
goal_store_convert(struct goal_store *store, MDB_txn *txn, uint64_t version)
{
    const uint64_t current = GOAL_STORE_VERSION;
    MDB_val k = goal_val("version", 7);
    MDB_val v = goal_val(&current, sizeof current);

    if (version == current) {
        return 0;
    }
    VLOG_INFO("%s: converting the store from version %"PRIu64" to %"PRIu64,
              store->dir, version, current);
    for (; version < current; version++) {
        const struct converter *c = &converters[version - GOAL_STORE_OLDEST];
        int error = c->convert(store, txn);

        if (error) {
            VLOG_WARN("%s: from version %"PRIu64" to the next (%s): %s",
                      store->dir, version, c->what, mdb_strerror(error));
            return error;
        }
    }
    COVERAGE_INC(goal_store_converted);
    store->was_converted = true;
    return mdb_put(txn, store->dbis[GOAL_DB_META], &k, &v, 0);
}
