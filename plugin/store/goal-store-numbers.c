/* SPDX-License-Identifier: Apache-2.0
 *
 * goal-store-numbers: numbers outlive a store that cannot be converted. */

#include <config.h>

#include "store/goal-store-private.h"

#include <stdlib.h>
#include <string.h>

#include "openvswitch/vlog.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(goal_store_numbers);

/* A store of an unknown version is started afresh, and filled by the servers.
 * The numbers that an agent has given (id-store.h) are nobody else's: they are
 * carried over, so that an upgrade changes no flow and flushes no conntrack
 * zone.  Their database has been the same in all versions; what is not
 * understood is left out. */

/* No agent has more. */
#define MAX_NUMBERS (1024 * 1024)

struct goal_number {
    uint64_t key;
    size_t size;
    char *data;
};

static void
add_number(struct goal_numbers *numbers, uint64_t key, const MDB_val *value)
{
    if (numbers->n >= numbers->allocated) {
        numbers->numbers = x2nrealloc(numbers->numbers, &numbers->allocated,
                                      sizeof *numbers->numbers);
    }
    numbers->numbers[numbers->n++] = (struct goal_number) {
        .key = key, .size = value->mv_size,
        .data = xmemdup(value->mv_data, value->mv_size),
    };
}

static int
read_numbers(MDB_txn *txn, struct goal_numbers *numbers)
{
    const struct goal_db_info *db = &goal_dbs[GOAL_DB_NUMBERS];
    MDB_cursor *cursor;
    MDB_val key, value;
    MDB_dbi dbi;
    int error = mdb_dbi_open(txn, db->name, db->flags, &dbi);

    if (!error) {
        error = mdb_cursor_open(txn, dbi, &cursor);
    }
    if (error) {
        return error;
    }
    while (numbers->n < MAX_NUMBERS
           && !(error = mdb_cursor_get(cursor, &key, &value, MDB_NEXT))) {
        uint64_t k;

        if (key.mv_size == sizeof k && value.mv_size > 1
            && value.mv_size <= 1 + GOAL_MAX_ID) {
            memcpy(&k, key.mv_data, sizeof k);
            add_number(numbers, k, &value);
        }
    }
    mdb_cursor_close(cursor);
    return error == MDB_NOTFOUND ? 0 : error;
}

/* Reads those of 'store', whose environment is open, into 'numbers', which the
 * caller must pass to goal_numbers_free(). */
void
goal_numbers_save(const struct goal_store *store, struct goal_numbers *numbers)
{
    MDB_txn *txn;
    int error = mdb_txn_begin(store->env, NULL, MDB_RDONLY, &txn);

    if (!error) {
        error = read_numbers(txn, numbers);
        mdb_txn_abort(txn);
    }
    if (error) {
        VLOG_INFO("%s: numbers cannot be carried over: %s", store->dir,
                  mdb_strerror(error));
    }
}

/* Writes 'numbers' to 'store', which is a new one. */
int
goal_numbers_restore(struct goal_store *store,
                     const struct goal_numbers *numbers)
{
    MDB_txn *txn;
    int error = mdb_txn_begin(store->env, NULL, 0, &txn);

    if (error) {
        return error;
    }
    for (size_t i = 0; i < numbers->n && !error; i++) {
        struct goal_number *number = &numbers->numbers[i];
        MDB_val key = goal_val(&number->key, sizeof number->key);
        MDB_val value = goal_val(number->data, number->size);

        error = mdb_put(txn, store->dbis[GOAL_DB_NUMBERS], &key, &value, 0);
    }
    if (error) {
        mdb_txn_abort(txn);
        return error;
    }
    return mdb_txn_commit(txn);
}

void
goal_numbers_free(struct goal_numbers *numbers)
{
    for (size_t i = 0; i < numbers->n; i++) {
        free(numbers->numbers[i].data);
    }
    free(numbers->numbers);
}
