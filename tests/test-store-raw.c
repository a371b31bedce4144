/* SPDX-License-Identifier: Apache-2.0
 *
 * test-store-raw: looks into a goal store, past its interface. */

#include <config.h>

#undef NDEBUG
#include "test-store.h"

#include <inttypes.h>
#include <lmdb.h>
#include <stdio.h>
#include <string.h>

#include "svec.h"
#include "util.h"

static MDB_txn *
raw_open(const char *dir, unsigned int flags, const char *db,
         unsigned int db_flags, MDB_env **env, MDB_dbi *dbi)
{
    MDB_txn *txn;

    ovs_assert(!mdb_env_create(env));
    ovs_assert(!mdb_env_set_maxdbs(*env, 8));
    ovs_assert(!mdb_env_set_mapsize(*env, 1 << 30));
    ovs_assert(!mdb_env_open(*env, dir, flags, 0600));
    ovs_assert(!mdb_txn_begin(*env, NULL, flags & MDB_RDONLY, &txn));
    ovs_assert(!mdb_dbi_open(txn, db, db_flags, dbi));
    return txn;
}

/* Removes the entries of 'index' and of those behind it. */
static void
drop_indexes(const char *dir, uint8_t index)
{
    MDB_cursor *cursor;
    MDB_env *env;
    MDB_dbi dbi;
    MDB_txn *txn = raw_open(dir, 0, "index", 0, &env, &dbi);
    MDB_val k, v;

    ovs_assert(!mdb_cursor_open(txn, dbi, &cursor));
    for (;;) {
        k = (MDB_val) { sizeof index, &index };
        if (mdb_cursor_get(cursor, &k, &v, MDB_SET_RANGE)) {
            break;
        }
        ovs_assert(!mdb_cursor_del(cursor, 0));
    }
    mdb_cursor_close(cursor);
    ovs_assert(!mdb_txn_commit(txn));
    mdb_env_close(env);
}

static void
set_version(const char *dir, uint64_t version)
{
    MDB_val k = { 7, "version" };
    MDB_val v = { sizeof version, &version };
    MDB_env *env;
    MDB_dbi dbi;
    MDB_txn *txn;

    if (version == 3) {
        drop_indexes(dir, 7);   /* GOAL_GATEWAYS_OF_SUBNET. */
    }
    txn = raw_open(dir, 0, "meta", 0, &env, &dbi);
    ovs_assert(!mdb_put(txn, dbi, &k, &v, 0));
    ovs_assert(!mdb_txn_commit(txn));
    mdb_env_close(env);
}

static void
print_version(const char *dir)
{
    uint64_t version = 0;
    MDB_val k = { 7, "version" }, v;
    MDB_env *env;
    MDB_dbi dbi;
    MDB_txn *txn = raw_open(dir, MDB_RDONLY | MDB_NOLOCK, "meta", 0, &env,
                            &dbi);

    ovs_assert(!mdb_get(txn, dbi, &k, &v) && v.mv_size == sizeof version);
    memcpy(&version, v.mv_data, sizeof version);
    mdb_txn_abort(txn);
    mdb_env_close(env);
    printf("version: %"PRIu64"\n", version);
}

/* Makes the store in 'dir', which is closed, one of another version: what that
 * would have made of the same, as far as it is known.  0 prints of which it
 * is. */
void
test_store_version(const char *dir, uint64_t version)
{
    if (version) {
        set_version(dir, version);
    } else {
        print_version(dir);
    }
}

/* Prints the ids in the store in 'dir' that have no record. */
void
test_store_print_names(const char *dir)
{
    struct svec names = SVEC_EMPTY_INITIALIZER;
    MDB_cursor *cursor;
    MDB_env *env;
    MDB_dbi dbi;
    MDB_txn *txn = raw_open(dir, MDB_RDONLY | MDB_NOLOCK, "names",
                            MDB_INTEGERKEY, &env, &dbi);
    MDB_val k, v;

    ovs_assert(!mdb_cursor_open(txn, dbi, &cursor));
    while (!mdb_cursor_get(cursor, &k, &v, MDB_NEXT)) {
        svec_add_nocopy(&names, xmemdup0(v.mv_data, v.mv_size));
    }
    mdb_cursor_close(cursor);
    mdb_txn_abort(txn);
    mdb_env_close(env);
    svec_sort(&names);
    printf("names:");
    for (size_t i = 0; i < names.n; i++) {
        printf(" %s", names.names[i]);
    }
    printf("\n");
    svec_destroy(&names);
}
