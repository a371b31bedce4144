/* SPDX-License-Identifier: Apache-2.0
 *
 * test-store-raw: looks into a goal store, past its interface. */

#include <config.h>

#undef NDEBUG
#include "test-store.h"

#include <lmdb.h>
#include <stdio.h>

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

/* Makes the store in 'dir', which is closed, one of another version. */
void
test_store_set_version(const char *dir, uint64_t version)
{
    MDB_val k = { 7, "version" };
    MDB_val v = { sizeof version, &version };
    MDB_env *env;
    MDB_dbi dbi;
    MDB_txn *txn = raw_open(dir, 0, "meta", 0, &env, &dbi);

    ovs_assert(!mdb_put(txn, dbi, &k, &v, 0));
    ovs_assert(!mdb_txn_commit(txn));
    mdb_env_close(env);
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
