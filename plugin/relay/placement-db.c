/* SPDX-License-Identifier: Apache-2.0
 *
 * placement-db: what placement.c keeps, in LMDB. */

#include <config.h>

#include "relay/placement-private.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "fault-point.h"
#include "openvswitch/vlog.h"

VLOG_DEFINE_THIS_MODULE(placement_db);

/* Version of everything on disk. */
#define PLACEMENT_VERSION 1

/* Room in the address space. */
#define MAX_MAP_SIZE (UINT64_C(64) << 30)
#define MIN_MAP_SIZE (UINT64_C(256) << 20)

static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(5, 20);

static const char *const db_names[N_DBS] = {
#define DB(ENUM, NAME) NAME,
    DBS
#undef DB
};

/* LMDB. */

static void
note_error(struct placement *p, int error)
{
    if (error && error != MDB_NOTFOUND && error != MDB_KEYEXIST && !p->error) {
        p->error = error;
        VLOG_ERR_RL(&rl, "%s: %s", p->dir, mdb_strerror(error));
    }
}

static MDB_cursor *
write_cursor(struct placement *p, enum db db)
{
    if (!p->cursors[db] && p->txn && !p->error) {
        note_error(p, mdb_cursor_open(p->txn, p->dbis[db], &p->cursors[db]));
    }
    return p->error ? NULL : p->cursors[db];
}

/* Returns 0, MDB_KEYEXIST with MDB_NOOVERWRITE, or another error. */
int
placement_write(struct placement *p, enum db db, MDB_val key, MDB_val value,
             unsigned int flags)
{
    MDB_cursor *cursor = write_cursor(p, db);
    int error = (cursor ? mdb_cursor_put(cursor, &key, &value, flags)
                 : MDB_BAD_TXN);

    note_error(p, error);
    return error;
}

int
placement_erase(struct placement *p, enum db db, MDB_val key)
{
    MDB_cursor *cursor = write_cursor(p, db);
    MDB_val value;
    int error = (cursor ? mdb_cursor_get(cursor, &key, &value, MDB_SET)
                 : MDB_BAD_TXN);

    if (!error) {
        error = mdb_cursor_del(cursor, 0);
    }
    note_error(p, error);
    return error;
}

/* Begins reading; as of the change if there is one. */
MDB_txn *
placement_read_begin(struct placement *p)
{
    if (p->txn) {
        return p->txn;
    }
    return mdb_txn_renew(p->read_txn) ? NULL : p->read_txn;
}

void
placement_read_end(struct placement *p)
{
    if (!p->txn) {
        mdb_txn_reset(p->read_txn);
    }
}

/* Calls 'cb' for the records of 'db' whose keys begin with 'prefix', from
 * 'start' on, until it returns false. */
void
placement_scan(struct placement *p, enum db db, MDB_val start,
               size_t prefix_len,
               bool (*cb)(const MDB_val *key, const MDB_val *value,
                          void *aux),
               void *aux)
{
    uint8_t prefix[PAIR_LEN];
    MDB_txn *txn = placement_read_begin(p);
    MDB_cursor *cursor;
    MDB_val k = start, v;

    if (!txn) {
        return;
    }
    if (prefix_len) {
        memcpy(prefix, start.mv_data, prefix_len);
    }
    if (!mdb_cursor_open(txn, p->dbis[db], &cursor)) {
        int error = mdb_cursor_get(cursor, &k, &v,
                                   start.mv_size ? MDB_SET_RANGE : MDB_FIRST);
        while (!error && k.mv_size >= prefix_len
               && (!prefix_len || !memcmp(k.mv_data, prefix, prefix_len))
               && cb(&k, &v, aux)) {
            error = mdb_cursor_get(cursor, &k, &v, MDB_NEXT);
        }
        mdb_cursor_close(cursor);
    }
    placement_read_end(p);
}

/* Changes. */

static void
write_meta(struct placement *p)
{
    placement_write(p, DB_META, make_val("meta", 4),
                 make_val(&p->meta, sizeof p->meta), 0);
}

void
placement_begin(struct placement *p)
{
    p->error = 0;
    note_error(p, mdb_txn_begin(p->env, NULL, 0, &p->txn));
    if (p->error) {
        p->txn = NULL;
    }
}

/* Ends the transaction. */
static void
end_txn(struct placement *p)
{
    for (size_t i = 0; i < N_DBS; i++) {
        p->cursors[i] = NULL;   /* They are gone with the transaction. */
    }
    if (FAULT_POINT_NOW(RELAY_PLACE_BEFORE)) {
        note_error(p, EIO);
    }
    if (p->txn && p->error) {
        mdb_txn_abort(p->txn);
    } else if (p->txn) {
        note_error(p, mdb_txn_commit(p->txn));
    }
    p->txn = NULL;
    if (FAULT_POINT_NOW(RELAY_PLACE_AFTER)) {
        note_error(p, EIO);
    }
}

char *
placement_commit(struct placement *p)
{
    write_meta(p);
    end_txn(p);
    if (p->error) {
        placement_rollback(p);
    }
    return (p->error
            ? xasprintf("%s: %s", p->dir, mdb_strerror(p->error)) : NULL);
}

uint64_t
placement_epoch(const struct placement *p)
{
    return p->meta.epoch;
}

void
placement_set_epoch(struct placement *p, uint64_t epoch)
{
    p->meta.epoch = epoch;
    if (p->txn && !p->error) {
        note_error(p, mdb_drop(p->txn, p->dbis[DB_TOPICS], 0));
    }
}

bool
placement_is_unclean(const struct placement *p)
{
    return p->unclean;
}

/* Opening. */

static bool
load_host(const MDB_val *key, const MDB_val *value, void *p_)
{
    struct placement *p = p_;
    struct in6_addr ip;
    uint32_t number;

    if (key->mv_size == sizeof ip && value->mv_size == sizeof number) {
        memcpy(&ip, key->mv_data, sizeof ip);
        memcpy(&number, value->mv_data, sizeof number);
        if (number < p->meta.next_number) {
            placement_load_host(p, &ip, number);
        }
    }
    return true;
}

/* Those of VPCs are put into 'aux', an array by number. */
struct vpc_load {
    struct placement *p;
    struct place_vpc **by_number;
};

static bool
load_vpc(const MDB_val *key, const MDB_val *value, void *load_)
{
    struct vpc_load *load = load_;
    uint32_t number;

    if (value->mv_size == sizeof number) {
        memcpy(&number, value->mv_data, sizeof number);
        if (number < load->p->meta.next_number) {
            char *id = xmemdup0(key->mv_data, key->mv_size);

            load->by_number[number] = placement_load_vpc(load->p, id, number);
            free(id);
        }
    }
    return true;
}

static bool
load_span(const MDB_val *key, const MDB_val *value, void *load_)
{
    struct vpc_load *load = load_;
    uint32_t n_ports;

    if (key->mv_size == 8 && value->mv_size == sizeof n_ports) {
        const uint8_t *k = key->mv_data;
        uint32_t vpc = get_be32(k), host = get_be32(k + 4);

        memcpy(&n_ports, value->mv_data, sizeof n_ports);
        if (vpc < load->p->meta.next_number && load->by_number[vpc]
            && host < load->p->allocated_numbers
            && load->p->by_number[host]) {
            placement_load_span(load->by_number[vpc],
                                load->p->by_number[host], n_ports);
        }
    }
    return true;
}

static void
load(struct placement *p)
{
    struct vpc_load load = {
        .p = p,
        .by_number = xcalloc(p->meta.next_number, sizeof *load.by_number),
    };

    placement_scan(p, DB_HOSTS, make_val("", 0), 0, load_host, p);
    placement_scan(p, DB_VPCS, make_val("", 0), 0, load_vpc, &load);
    placement_scan(p, DB_SPANS, make_val("", 0), 0, load_span, &load);
    free(load.by_number);
}

static int
open_dbs(struct placement *p)
{
    MDB_val key = make_val("meta", 4), value;
    MDB_txn *txn;
    int error = mdb_txn_begin(p->env, NULL, 0, &txn);

    for (size_t i = 0; i < N_DBS && !error; i++) {
        error = mdb_dbi_open(txn, db_names[i], MDB_CREATE, &p->dbis[i]);
    }
    p->meta = (struct meta) { .version = PLACEMENT_VERSION, .next_number = 1 };
    if (!error && !mdb_get(txn, p->dbis[DB_META], &key, &value)
        && value.mv_size == sizeof p->meta) {
        memcpy(&p->meta, value.mv_data, sizeof p->meta);
    }
    return error ? error : mdb_txn_commit(txn);
}

static int
create_env(struct placement *p, uint64_t map_size)
{
    int error = mdb_env_create(&p->env);

    if (error) {
        p->env = NULL;
        return error;
    }
    mdb_env_set_maxdbs(p->env, N_DBS);
    mdb_env_set_mapsize(p->env, map_size);
    error = mdb_env_open(p->env, p->dir, MDB_NOTLS, 0600);
    if (error) {
        mdb_env_close(p->env);
        p->env = NULL;
    }
    return error;
}

/* Opens the environment, with as much address space as there is, as a store
 * does (goal-store-env.c). */
static int
open_env(struct placement *p)
{
    uint64_t size = MAX_MAP_SIZE;
    int error;

    while (((error = create_env(p, size)) == ENOMEM || error == EINVAL)
           && size > MIN_MAP_SIZE) {
        size /= 2;
    }
    return error;
}

char *
placement_open(const char *dir, struct placement **pp)
{
    struct placement *p = xzalloc(sizeof *p);
    int error;

    p->dir = xstrdup(dir);
    hmap_init(&p->hosts);
    hmap_init(&p->vpcs);
    error = mkdir(dir, 0700) && errno != EEXIST ? errno : 0;
    error = error ? error : open_env(p);
    error = error ? error : open_dbs(p);
    error = error ? error : mdb_txn_begin(p->env, NULL, MDB_RDONLY,
                                          &p->read_txn);
    *pp = NULL;
    if (error || p->meta.version != PLACEMENT_VERSION) {
        char *message = xasprintf(
            "%s: %s", dir, error ? mdb_strerror(error)
            : "was written by another version");
        placement_close(p);
        return message;
    }
    mdb_txn_reset(p->read_txn);
    load(p);

    p->unclean = !p->meta.clean;
    p->meta.clean = 0;
    placement_begin(p);
    char *message = placement_commit(p);
    if (message) {
        placement_close(p);
        return message;
    }
    *pp = p;
    return NULL;
}

void
placement_close(struct placement *p)
{
    if (!p) {
        return;
    }
    if (p->read_txn) {
        p->meta.clean = 1;
        placement_begin(p);
        free(placement_commit(p));
        mdb_txn_abort(p->read_txn);
    }
    placement_unload(p);
    if (p->env) {
        mdb_env_close(p->env);
    }
    free(p->dir);
    free(p);
}
