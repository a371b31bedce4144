/* SPDX-License-Identifier: Apache-2.0
 *
 * goal-txn-row: transactions as they are in the database. */

#include <config.h>

#include "store/goal-txn-private.h"

#include <stdlib.h>
#include <string.h>

#include "unaligned.h"
#include "util.h"

/* Fixed part of a head; the strings follow, in the order of their lengths. */
struct head_row {
    uint64_t began, ended;
    uint64_t n_bytes, n_reply_bytes;
    uint64_t tag;
    uint32_t n_resources;
    uint16_t id_len, sender_len, message_id_len, outcome_len;
    uint8_t phase;
    uint8_t distributed;
    uint8_t alarm;
    uint8_t pad;
};

/* Fixed part of an item; a record follows. */
struct item_row {
    uint32_t operation;
    uint8_t verb;
    uint8_t mode;
    uint8_t pad[2];
};

/* Keys. */

void
goal_txn_key(uint8_t key[GOAL_TXN_KEY_LEN], uint64_t number,
             enum goal_txn_part part, uint64_t sub)
{
    ovs_be64 n = htonll(number), s = htonll(sub);

    memcpy(key, &n, 8);
    key[8] = part;
    memcpy(key + 9, &s, 8);
}

bool
goal_txn_key_parse(const MDB_val *k, uint64_t *number,
                   enum goal_txn_part *part, uint64_t *sub)
{
    const uint8_t *p = k->mv_data;
    ovs_be64 n, s;

    if (k->mv_size != GOAL_TXN_KEY_LEN || p[8] > GOAL_TXN_REPLY) {
        return false;
    }
    memcpy(&n, p, 8);
    memcpy(&s, p + 9, 8);
    *number = ntohll(n);
    *part = p[8];
    *sub = ntohll(s);
    return true;
}

/* Rows. */

int
goal_txn_write_row(struct goal_store *store, uint64_t number,
                   enum goal_txn_part part, uint64_t sub, MDB_val value)
{
    uint8_t key[GOAL_TXN_KEY_LEN];

    goal_txn_key(key, number, part, sub);
    return goal_write(store, GOAL_DB_TXNS, goal_val(key, sizeof key), value);
}

int
goal_txn_read_row(struct goal_store *store, uint64_t number,
                  enum goal_txn_part part, uint64_t sub, MDB_val *value)
{
    uint8_t key[GOAL_TXN_KEY_LEN];

    goal_txn_key(key, number, part, sub);
    return goal_read(store, GOAL_DB_TXNS, key, sizeof key, value);
}

/* Finds the first row of the part with a 'sub' of '*sub' or more and stores it
 * in '*sub' and '*value', which is valid until the next change.  Returns
 * MDB_NOTFOUND if there is none. */
int
goal_txn_next_row(struct goal_store *store, uint64_t number,
                  enum goal_txn_part part, uint64_t *sub, MDB_val *value)
{
    MDB_txn *txn = goal_store_txn(store);
    uint8_t key[GOAL_TXN_KEY_LEN];
    enum goal_txn_part found_part;
    uint64_t found_number;
    MDB_cursor *cursor;
    int error;

    if (!txn || mdb_cursor_open(txn, store->dbis[GOAL_DB_TXNS], &cursor)) {
        return MDB_BAD_TXN;
    }
    goal_txn_key(key, number, part, *sub);
    MDB_val k = goal_val(key, sizeof key);
    error = mdb_cursor_get(cursor, &k, value, MDB_SET_RANGE);
    if (!error
        && (!goal_txn_key_parse(&k, &found_number, &found_part, sub)
            || found_number != number || found_part != part)) {
        error = MDB_NOTFOUND;
    }
    mdb_cursor_close(cursor);
    return error;
}

int
goal_txn_erase_part(struct goal_store *store, uint64_t number,
                    enum goal_txn_part part)
{
    uint64_t sub = 0;
    MDB_val value;
    int error;

    while (!(error = goal_txn_next_row(store, number, part, &sub, &value))) {
        uint8_t key[GOAL_TXN_KEY_LEN];

        goal_txn_key(key, number, part, sub);
        error = goal_erase(store, GOAL_DB_TXNS, goal_val(key, sizeof key));
        if (error) {
            return error;
        }
    }
    return error == MDB_NOTFOUND ? 0 : error;
}

/* Heads. */

void
goal_txn_destroy(struct goal_txn *txn)
{
    if (txn) {
        free(txn->id);
        free(txn->sender);
        free(txn->message_id);
        free(txn->outcome);
        free(txn);
    }
}

int
goal_txn_write_head(struct goal_store *store, const struct goal_txn *txn)
{
    struct head_row row = {
        .began = txn->began,
        .ended = txn->ended,
        .n_bytes = txn->n_bytes,
        .n_reply_bytes = txn->n_reply_bytes,
        .tag = txn->tag,
        .n_resources = txn->n_resources,
        .id_len = strlen(txn->id),
        .sender_len = strlen(txn->sender),
        .message_id_len = strlen(txn->message_id),
        .outcome_len = strlen(txn->outcome),
        .phase = txn->phase,
        .distributed = txn->distributed,
        .alarm = txn->alarm,
    };
    char *strings = xasprintf("%s%s%s%s", txn->id, txn->sender,
                              txn->message_id, txn->outcome);
    size_t len = strlen(strings);
    char *bytes = xmalloc(sizeof row + len);

    memcpy(bytes, &row, sizeof row);
    memcpy(bytes + sizeof row, strings, len);
    int error = goal_txn_write_row(store, txn->number, GOAL_TXN_HEAD, 0,
                                   goal_val(bytes, sizeof row + len));
    free(bytes);
    free(strings);
    return error;
}

/* Returns the transaction in the head 'v', or NULL if that is damaged. */
struct goal_txn *
goal_txn_parse_head(uint64_t number, const MDB_val *v)
{
    const char *p = v->mv_data;
    struct goal_txn *txn;
    struct head_row row;

    if (v->mv_size < sizeof row) {
        return NULL;
    }
    memcpy(&row, p, sizeof row);
    if (row.phase >= GOAL_TXN_N_PHASES
        || v->mv_size - sizeof row != (size_t) row.id_len + row.sender_len
                                      + row.message_id_len
                                      + row.outcome_len) {
        return NULL;
    }
    p += sizeof row;
    txn = xmalloc(sizeof *txn);
    *txn = (struct goal_txn) {
        .number = number,
        .phase = row.phase,
        .distributed = row.distributed,
        .alarm = row.alarm,
        .tag = row.tag,
        .n_resources = row.n_resources,
        .n_bytes = row.n_bytes,
        .n_reply_bytes = row.n_reply_bytes,
        .began = row.began,
        .ended = row.ended,
    };
    txn->id = xmemdup0(p, row.id_len);
    txn->sender = xmemdup0(p += row.id_len, row.sender_len);
    txn->message_id = xmemdup0(p += row.sender_len, row.message_id_len);
    txn->outcome = xmemdup0(p += row.message_id_len, row.outcome_len);
    return txn;
}

/* Items. */

int
goal_txn_write_item(struct goal_store *store, uint64_t number, uint64_t sub,
                    const struct goal_txn_item *item, size_t *size)
{
    struct item_row row = {
        .operation = item->operation, .verb = item->verb, .mode = item->mode,
    };
    struct goal_buffer b = { .data = NULL };

    goal_record_pack(item->resource, 0, 0, &b);
    *size = sizeof row + b.size;
    char *bytes = xmalloc(*size);
    memcpy(bytes, &row, sizeof row);
    memcpy(bytes + sizeof row, b.data, b.size);
    int error = goal_txn_write_row(store, number, GOAL_TXN_ITEM, sub,
                                   goal_val(bytes, *size));
    free(bytes);
    goal_buffer_uninit(&b);
    return error;
}

/* Returns false if 'v' is damaged; else the caller owns 'item->resource'. */
bool
goal_txn_parse_item(const MDB_val *v, struct goal_txn_item *item)
{
    const char *p = v->mv_data;
    struct item_row row;

    if (v->mv_size < sizeof row) {
        return false;
    }
    memcpy(&row, p, sizeof row);
    *item = (struct goal_txn_item) {
        .verb = row.verb,
        .mode = row.mode,
        .operation = row.operation,
        .resource = goal_record_unpack(p + sizeof row,
                                       v->mv_size - sizeof row),
    };
    return item->resource != NULL;
}
