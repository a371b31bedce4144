/* SPDX-License-Identifier: Apache-2.0
 *
 * goal-store-origin: who has written, how far, and what was cut off. */

#include <config.h>

#include "store/goal-store-private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "coverage.h"
#include "hash.h"
#include "limit.h"
#include "openvswitch/vlog.h"
#include "unaligned.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(goal_store_origin);

LIMIT_DEFINE(goal_topics, GOAL_STORE_MAX_ORIGINS, LIMIT_FIXED, LIMIT_DROPPED)

COVERAGE_DEFINE(goal_store_origins_full);

/* A row of "origins" is one of these, the sender, and the topic. */
struct origin_row {
    uint64_t epoch;
    uint64_t sequence;          /* Last one that was taken. */
    uint64_t refs;              /* Records and tombstones with its number. */
    uint64_t used;              /* When it was last written to: see
                                 * used_now(). */
    uint32_t sender_len;
    uint32_t topic_len;
};

/* Two origins rarely have the same hash; if they do, the second gets the hash
 * that is one more. */
#define MAX_PROBES 16

/* Marks of incomplete messages in "meta" are this and the origin's number. */
#define MARK "incomplete/"
#define MARK_LEN (sizeof MARK - 1)

/* Stands for all that there is no room for.  It has no position. */
static const struct goal_origin anybody = { .sender = "", .topic = "" };

/* What the transaction has added to the 'refs' of an origin. */
struct origin_credit {
    struct hmap_node node;      /* In 'credits' of the write, by number. */
    uint32_t number;
    int64_t refs;
};

/* What is stored of an origin. */
struct place {
    uint32_t number;            /* 0: nothing. */
    uint64_t sequence;
    ovs_u128 hash;              /* Where it is, or would be, in "places". */
};

/* Rows. */

static bool
row_parse(const MDB_val *value, struct origin_row *row, const char **sender,
          const char **topic)
{
    if (value->mv_size < sizeof *row) {
        return false;
    }
    memcpy(row, value->mv_data, sizeof *row);
    *sender = (const char *) value->mv_data + sizeof *row;
    *topic = *sender + row->sender_len;
    return (value->mv_size - sizeof *row
            == (uint64_t) row->sender_len + row->topic_len);
}

static bool
row_is_channel(const struct origin_row *row, const char *sender,
               const char *topic, const struct goal_origin *origin)
{
    return (row->sender_len == strlen(origin->sender)
            && row->topic_len == strlen(origin->topic)
            && !memcmp(sender, origin->sender, row->sender_len)
            && !memcmp(topic, origin->topic, row->topic_len));
}

/* A clock for 'used'.  It never goes back, whatever has become of the host's
 * clock and of the numbers of LMDB's transactions. */
static uint64_t
used_now(const struct goal_store *store)
{
    return store->used_base + mdb_txn_id(store->write.txn);
}

static int
row_create(struct goal_store *store, uint32_t number,
           const struct goal_origin *origin, uint64_t sequence)
{
    struct origin_row row = {
        .epoch = origin->epoch,
        .sequence = sequence,
        .used = used_now(store),
        .sender_len = strlen(origin->sender),
        .topic_len = strlen(origin->topic),
    };
    size_t size = sizeof row + row.sender_len + row.topic_len;
    char *bytes = xmalloc(size);
    int error;

    memcpy(bytes, &row, sizeof row);
    memcpy(bytes + sizeof row, origin->sender, row.sender_len);
    memcpy(bytes + sizeof row + row.sender_len, origin->topic, row.topic_len);
    error = goal_write_u64(store, GOAL_DB_ORIGINS, number,
                           goal_val(bytes, size));
    free(bytes);
    return error;
}

/* Makes the position in row 'number' at least 'sequence' and adds 'refs' to
 * its references. */
static int
row_change(struct goal_store *store, uint32_t number, uint64_t sequence,
           int64_t refs)
{
    const char *sender, *topic;
    struct origin_row row;
    MDB_val v;
    int error = goal_read_u64(store, GOAL_DB_ORIGINS, number, &v);

    if (error || !row_parse(&v, &row, &sender, &topic)) {
        return error ? error : MDB_CORRUPTED;
    }
    row.sequence = MAX(row.sequence, sequence);
    row.refs = refs < 0 && row.refs < -refs ? 0 : row.refs + refs;
    row.used = refs < 0 ? row.used : used_now(store);
    if (refs < 0 && !row.refs) {
        goal_sweep_want(store);
    }

    char *bytes = xmemdup(v.mv_data, v.mv_size);
    memcpy(bytes, &row, sizeof row);
    error = goal_write_u64(store, GOAL_DB_ORIGINS, number,
                           goal_val(bytes, v.mv_size));
    free(bytes);
    return error;
}

/* Places. */

static ovs_u128
origin_hash(const struct goal_origin *origin)
{
    ovs_u128 sender, topic;

    hash_bytes128(origin->sender, strlen(origin->sender), 0, &sender);
    hash_bytes128(origin->topic, strlen(origin->topic), 1, &topic);
    return (ovs_u128) {
        .u64.lo = sender.u64.lo ^ (topic.u64.hi * 3),
        .u64.hi = (sender.u64.hi ^ (topic.u64.lo * 5)) + origin->epoch,
    };
}

/* Finds what is stored of 'origin'. */
static int
place_find(const struct goal_store *store, const struct goal_origin *origin,
           struct place *place)
{
    *place = (struct place) { .hash = origin_hash(origin) };
    for (int i = 0; i < MAX_PROBES; i++, place->hash.u64.lo++) {
        const char *sender, *topic;
        struct origin_row row;
        uint32_t number;
        MDB_val v;
        int error;

        error = goal_read(store, GOAL_DB_PLACES, &place->hash,
                          sizeof place->hash, &v);
        if (error) {
            return error == MDB_NOTFOUND ? 0 : error;
        } else if (v.mv_size != sizeof number) {
            return MDB_CORRUPTED;
        }
        memcpy(&number, v.mv_data, sizeof number);
        error = goal_read_u64(store, GOAL_DB_ORIGINS, number, &v);
        if (error) {
            return error == MDB_NOTFOUND ? MDB_CORRUPTED : error;
        } else if (!row_parse(&v, &row, &sender, &topic)) {
            return MDB_CORRUPTED;
        }
        if (row.epoch == origin->epoch
            && row_is_channel(&row, sender, topic, origin)) {
            place->number = number;
            place->sequence = row.sequence;
            return 0;
        }
    }
    return MDB_KEYEXIST;
}

/* True if no more origins are to be remembered.  One number is kept back for
 * 'anybody'. */
static bool
is_full(const struct goal_store *store)
{
    static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(1, 5);

    if (store->head.next_origin < UINT32_MAX - 1
        && !limit_reached(&limit_goal_topics, store->head.n_origins)) {
        return false;
    }
    COVERAGE_INC(goal_store_origins_full);
    VLOG_WARN_RL(&rl, "%s: too many topics: positions of new ones are not "
                 "remembered", store->dir);
    return true;
}

/* Gives 'origin', which has no number, one. */
static int
place_create(struct goal_store *store, const struct goal_origin *origin,
             uint64_t sequence, struct place *place)
{
    uint32_t number = store->head.next_origin;
    int error;

    if (store->head.next_origin >= UINT32_MAX) {
        return MDB_KEYEXIST;
    }
    error = goal_write(store, GOAL_DB_PLACES,
                       goal_val(&place->hash, sizeof place->hash),
                       goal_val(&number, sizeof number));
    if (!error) {
        error = row_create(store, number, origin, sequence);
    }
    if (!error) {
        store->head.next_origin++;
        store->head.n_origins++;
        place->number = number;
        place->sequence = sequence;
        goal_sweep_want(store);
    }
    return error;
}

/* Makes sure that '*number', which is that of the write's origin, is not 0. */
int
goal_origin_number(struct goal_store *store, uint32_t *number)
{
    const struct goal_origin *origin = &store->write.origin;
    struct place place;
    int error;

    if (*number) {
        return 0;
    }
    error = place_find(store, origin, &place);
    if (!error && !place.number && is_full(store)) {
        origin = &anybody;
        error = place_find(store, origin, &place);
    }
    if (!error && !place.number) {
        error = place_create(store, origin, 0, &place);
    }
    *number = error ? 0 : place.number;
    return error;
}

/* Makes the position of 'origin' at least what its sequence says. */
int
goal_origin_advance(struct goal_store *store, const struct goal_origin *origin)
{
    struct place place;
    int error;

    if (!origin->sequence) {
        return 0;
    }
    error = place_find(store, origin, &place);
    if (error || place.sequence >= origin->sequence) {
        return error;
    }
    return (place.number
            ? row_change(store, place.number, origin->sequence, 0)
            : is_full(store) ? 0
            : place_create(store, origin, origin->sequence, &place));
}

/* References. */

/* Notes that something has got origin 'number' or, if 'refs' is -1, no longer
 * has it.  0 is none. */
void
goal_origin_credit(struct goal_store *store, uint32_t number, int refs)
{
    struct hmap *credits = &store->write.credits;
    struct origin_credit *credit;

    if (!number) {
        return;
    }
    HMAP_FOR_EACH_WITH_HASH (credit, node, number, credits) {
        if (credit->number == number) {
            credit->refs += refs;
            return;
        }
    }
    credit = xmalloc(sizeof *credit);
    *credit = (struct origin_credit) { .number = number, .refs = refs };
    hmap_insert(credits, &credit->node, number);
}

/* Writes what goal_origin_credit() has noted. */
int
goal_origin_settle(struct goal_store *store)
{
    struct origin_credit *credit;

    HMAP_FOR_EACH_POP (credit, node, &store->write.credits) {
        int error = (credit->refs
                     ? row_change(store, credit->number, 0, credit->refs)
                     : 0);

        free(credit);
        if (error && error != MDB_NOTFOUND) {
            return error;
        }
    }
    return 0;
}

/* Forgets what goal_origin_credit() has noted. */
void
goal_origin_unsettle(struct goal_store *store)
{
    struct origin_credit *credit;

    HMAP_FOR_EACH_POP (credit, node, &store->write.credits) {
        free(credit);
    }
}

/* Positions. */

uint64_t
goal_store_position(struct goal_store *store, const struct goal_origin *origin)
{
    struct place place;

    return place_find(store, origin, &place) ? 0 : place.sequence;
}

void
goal_store_positions(struct goal_store *store,
                     void (*cb)(const struct goal_origin *, void *aux),
                     void *aux)
{
    MDB_txn *txn = goal_store_txn(store);
    MDB_cursor *cursor;
    MDB_val k, v;

    if (!txn
        || mdb_cursor_open(txn, store->dbis[GOAL_DB_ORIGINS], &cursor)) {
        return;
    }
    while (!mdb_cursor_get(cursor, &k, &v, MDB_NEXT)) {
        const char *sender, *topic;
        struct origin_row row;

        if (row_parse(&v, &row, &sender, &topic) && row.sequence) {
            struct goal_origin origin = {
                .sender = xmemdup0(sender, row.sender_len),
                .topic = xmemdup0(topic, row.topic_len),
                .epoch = row.epoch,
                .sequence = row.sequence,
            };

            cb(&origin, aux);
            free(CONST_CAST(char *, origin.sender));
            free(CONST_CAST(char *, origin.topic));
        }
    }
    mdb_cursor_close(cursor);
}

struct last_positions {
    char *sender;               /* Null: of nobody. */
    uint64_t epoch;
    void (*cb)(const struct goal_origin *, void *aux);
    void *aux;
};

static void
find_last(const struct goal_origin *origin, void *last_)
{
    struct last_positions *last = last_;

    if (origin->topic[0] && origin->epoch > last->epoch) {
        last->epoch = origin->epoch;
        free(last->sender);
        last->sender = xstrdup(origin->sender);
    }
}

static void
give_last(const struct goal_origin *origin, void *last_)
{
    struct last_positions *last = last_;

    if (last->sender && origin->topic[0] && origin->epoch == last->epoch
        && !strcmp(origin->sender, last->sender)) {
        last->cb(origin, last->aux);
    }
}

void
goal_store_last_positions(struct goal_store *store,
                          void (*cb)(const struct goal_origin *, void *aux),
                          void *aux)
{
    struct last_positions last = { .cb = cb, .aux = aux };

    goal_store_positions(store, find_last, &last);
    goal_store_positions(store, give_last, &last);
    free(last.sender);
}

/* Stores in '*sender' and '*topic', which the caller must free, and '*epoch'
 * what origin 'number' is.  Returns false if there is none. */
bool
goal_origin_get(const struct goal_store *store, uint32_t number,
                char **sender, char **topic, uint64_t *epoch)
{
    struct origin_row row;
    const char *s, *t;
    MDB_val v;

    *sender = *topic = NULL;
    if (goal_read_u64(store, GOAL_DB_ORIGINS, number, &v)
        || !row_parse(&v, &row, &s, &t)) {
        return false;
    }
    *sender = xmemdup0(s, row.sender_len);
    *topic = xmemdup0(t, row.topic_len);
    *epoch = row.epoch;
    return true;
}

bool
goal_store_origin(struct goal_store *store, const struct goal_key *key,
                  char **sender, char **topic, uint64_t *epoch,
                  uint64_t *sequence)
{
    struct goal_record record;
    MDB_val v;

    *sender = *topic = NULL;
    if (goal_read_u64(store, GOAL_DB_RECORDS, key->sid, &v)
        || !goal_record_parse(v.mv_data, v.mv_size, &record)
        || record.kind != key->kind) {
        return false;
    }
    *sequence = record.sequence;
    return goal_origin_get(store, record.origin, sender, topic, epoch);
}

/* Looking over rows. */

/* Stores what row 'v' says in '*o'.  Returns false if it is damaged. */
bool
goal_origin_parse(const MDB_val *v, struct goal_origin_info *o)
{
    struct origin_row row;

    if (!row_parse(v, &row, &o->sender, &o->topic)) {
        return false;
    }
    o->sender_len = row.sender_len;
    o->epoch = row.epoch;
    o->refs = row.refs;
    o->used = row.used;
    return true;
}

/* Prepares for writing. */
int
goal_origins_open(struct goal_store *store)
{
    MDB_txn *txn = goal_store_txn(store);
    MDB_cursor *cursor;
    MDB_val k, v;
    int error;

    error = (txn ? mdb_cursor_open(txn, store->dbis[GOAL_DB_ORIGINS], &cursor)
             : MDB_BAD_TXN);
    if (error) {
        return error;
    }
    while (!(error = mdb_cursor_get(cursor, &k, &v, MDB_NEXT))) {
        struct goal_origin_info o;

        if (goal_origin_parse(&v, &o)) {
            store->used_base = MAX(store->used_base, o.used);
        }
    }
    mdb_cursor_close(cursor);
    goal_store_end_reading(store);
    return error == MDB_NOTFOUND ? 0 : error;
}

/* Removes origin 'number', which nothing refers to. */
int
goal_origin_forget(struct goal_store *store, uint32_t number)
{
    char *sender, *topic;
    uint64_t epoch;
    int error = 0;

    if (!goal_origin_get(store, number, &sender, &topic, &epoch)) {
        return 0;
    }
    ovs_u128 hash = origin_hash(&(struct goal_origin) {
        .sender = sender, .topic = topic, .epoch = epoch,
    });
    for (int i = 0; i < MAX_PROBES && !error; i++, hash.u64.lo++) {
        MDB_val v;

        error = goal_read(store, GOAL_DB_PLACES, &hash, sizeof hash, &v);
        if (!error && v.mv_size == sizeof number
            && !memcmp(v.mv_data, &number, sizeof number)) {
            error = goal_erase(store, GOAL_DB_PLACES,
                               goal_val(&hash, sizeof hash));
            break;
        }
        error = error == MDB_NOTFOUND ? 0 : error;
    }
    if (!error) {
        error = goal_erase_u64(store, GOAL_DB_ORIGINS, number);
    }
    if (!error) {
        store->head.n_origins--;
    }
    free(sender);
    free(topic);
    return error;
}

/* Incomplete messages. */

/* Marks the message of the write in progress. */
int
goal_incomplete_mark(struct goal_store *store)
{
    uint8_t key[MARK_LEN + sizeof(ovs_be32)];
    uint32_t *number = &store->write.number;
    int error = goal_origin_number(store, number);
    MDB_val v;

    if (error) {
        return error;
    }
    memcpy(key, MARK, MARK_LEN);
    put_unaligned_be32(ALIGNED_CAST(ovs_be32 *, &key[MARK_LEN]),
                       htonl(*number));
    error = goal_read(store, GOAL_DB_META, key, sizeof key, &v);
    if (error == MDB_NOTFOUND) {
        store->head.n_incomplete++;
        error = goal_write(store, GOAL_DB_META, goal_val(key, sizeof key),
                           goal_val("", 0));
    }
    return error;
}

/* True if a message of origin 'number' is marked. */
bool
goal_incomplete_is_marked(const struct goal_store *store, uint32_t number)
{
    uint8_t key[MARK_LEN + sizeof(ovs_be32)];
    MDB_val v;

    memcpy(key, MARK, MARK_LEN);
    put_unaligned_be32(ALIGNED_CAST(ovs_be32 *, &key[MARK_LEN]),
                       htonl(number));
    return !goal_read(store, GOAL_DB_META, key, sizeof key, &v);
}

/* Removes the mark that goal_incomplete_mark() made for origin 'number'. */
int
goal_incomplete_unmark(struct goal_store *store, uint32_t number)
{
    uint8_t key[MARK_LEN + sizeof(ovs_be32)];
    MDB_val v;

    memcpy(key, MARK, MARK_LEN);
    put_unaligned_be32(ALIGNED_CAST(ovs_be32 *, &key[MARK_LEN]),
                       htonl(number));
    int error = goal_read(store, GOAL_DB_META, key, sizeof key, &v);
    if (error) {
        return error == MDB_NOTFOUND ? 0 : error;
    }
    store->head.n_incomplete--;
    return goal_erase(store, GOAL_DB_META, goal_val(key, sizeof key));
}

/* If 'k' is a mark's key, stores the row of its origin in '*row', '*sender'
 * and '*topic' and returns true. */
static bool
mark_parse(const struct goal_store *store, const MDB_val *k,
           struct origin_row *row, const char **sender, const char **topic)
{
    const uint8_t *p = k->mv_data;
    MDB_val v;

    return (k->mv_size == MARK_LEN + sizeof(ovs_be32)
            && !memcmp(p, MARK, MARK_LEN)
            && !goal_read_u64(store, GOAL_DB_ORIGINS,
                              ntohl(get_unaligned_be32(
                                        ALIGNED_CAST(const ovs_be32 *,
                                                     &p[MARK_LEN]))),
                              &v)
            && row_parse(&v, row, sender, topic));
}

/* Removes the marks of what has the sender and topic of 'origin'. */
int
goal_incomplete_clear(struct goal_store *store,
                      const struct goal_origin *origin)
{
    MDB_cursor *cursor = goal_write_cursor(store, GOAL_DB_META);
    MDB_val k = goal_val(MARK, MARK_LEN);
    MDB_val v;
    int error;

    if (!cursor) {
        return MDB_BAD_TXN;
    }
    error = mdb_cursor_get(cursor, &k, &v, MDB_SET_RANGE);
    while (!error) {
        const char *sender, *topic;
        struct origin_row row;

        if (!mark_parse(store, &k, &row, &sender, &topic)) {
            break;
        }
        if (row_is_channel(&row, sender, topic, origin)) {
            error = mdb_cursor_del(cursor, 0);
            if (error) {
                break;
            }
            store->head.n_incomplete--;
            store->write.dirty = true;
        }
        error = mdb_cursor_get(cursor, &k, &v, MDB_NEXT);
    }
    return error == MDB_NOTFOUND ? 0 : error;
}

bool
goal_store_incomplete(struct goal_store *store, char **sender, char **topic)
{
    MDB_txn *txn = goal_store_txn(store);
    MDB_val k = goal_val(MARK, MARK_LEN);
    struct origin_row row;
    MDB_cursor *cursor;
    const char *s, *t;
    bool found;
    MDB_val v;

    *sender = *topic = NULL;
    if (!store->head.n_incomplete || !txn
        || mdb_cursor_open(txn, store->dbis[GOAL_DB_META], &cursor)) {
        return false;
    }
    found = (!mdb_cursor_get(cursor, &k, &v, MDB_SET_RANGE)
             && mark_parse(store, &k, &row, &s, &t));
    if (found) {
        *sender = xmemdup0(s, row.sender_len);
        *topic = xmemdup0(t, row.topic_len);
    }
    mdb_cursor_close(cursor);
    return found;
}
