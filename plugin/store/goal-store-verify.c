/* SPDX-License-Identifier: Apache-2.0
 *
 * goal-store-verify: finding out whether a store is damaged. */

#include <config.h>

#include "store/goal-txn-private.h"

/* LMDB believes its file: a damaged page makes it abort or crash.  So, when a
 * store was not closed in good order, or was changed since, a child process
 * reads all of it first.  If the child does not come back with a good word,
 * the store is damaged, and nothing has happened to us.
 *
 * Reading takes well below a microsecond a resource. */

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "openvswitch/vlog.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(goal_store_verify);

/* The child is killed after this long: damage may look like an endless
 * list. */
#define VERIFY_SECONDS 120

/* How the child exits. */
enum {
    VERIFY_OK = 0,
    VERIFY_DAMAGED = 1,
    VERIFY_UNKNOWN = 2,         /* Could not read it at all. */
};

/* What has been counted. */
struct tally {
    uint64_t records[GOAL_N_KINDS];
    uint64_t graves;
    uint64_t grave_times;
    uint64_t origins;
    uint64_t refs;              /* To origins, as they say. */
    uint64_t saved;             /* Of those: by what is to be undone. */
    struct goal_head head;
    bool has_head;
    bool has_version;           /* Of a version that is converted, or ours. */
};

/* Checks one entry. */
typedef bool verify_entry(const MDB_val *k, const MDB_val *v, struct tally *);

/* Surrogates are in the kind's range. */
static bool
verify_sid(const MDB_val *k, uint64_t *rank)
{
    uint64_t sid;

    if (k->mv_size != sizeof sid) {
        return false;
    }
    memcpy(&sid, k->mv_data, sizeof sid);
    *rank = sid >> GOAL_SID_RANK_SHIFT;
    return *rank < GOAL_N_KINDS;
}

static bool
verify_name(const MDB_val *k, const MDB_val *v, struct tally *tally)
{
    uint64_t rank;

    return (tally && verify_sid(k, &rank) && v->mv_size
            && v->mv_size <= GOAL_MAX_ID);
}

static bool
verify_record(const MDB_val *k, const MDB_val *v, struct tally *tally)
{
    struct goal_resource *resource;
    uint64_t rank;
    bool ok;

    resource = goal_record_unpack(v->mv_data, v->mv_size);
    if (!resource) {
        return false;
    }
    ok = verify_sid(k, &rank) && rank == goal_kind_rank(resource->kind);
    tally->records[resource->kind]++;
    goal_resource_destroy(resource);
    return ok;
}

static bool
verify_index(const MDB_val *k, const MDB_val *v, struct tally *tally)
{
    const uint8_t *p = k->mv_data;

    return (tally && k->mv_size && p[0] < GOAL_N_INDEXES
            && k->mv_size == (p[0] == GOAL_BY_ADDRESS ? 34 : 18)
            && !v->mv_size);
}

static bool
verify_grave(const MDB_val *k, const MDB_val *v, struct tally *tally)
{
    const char *id;
    uint64_t rank;
    size_t len;

    tally->graves++;
    return verify_sid(k, &rank) && goal_grave_id(v, &id, &len);
}

static bool
verify_grave_time(const MDB_val *k, const MDB_val *v, struct tally *tally)
{
    tally->grave_times++;
    return k->mv_size == 2 * sizeof(uint64_t) && !v->mv_size;
}

static bool
verify_origin(const MDB_val *k, const MDB_val *v, struct tally *tally)
{
    struct goal_origin_info o;

    if (k->mv_size != sizeof(uint64_t) || !goal_origin_parse(v, &o)) {
        return false;
    }
    tally->origins++;
    tally->refs += o.refs;
    return true;
}

static bool
verify_place(const MDB_val *k, const MDB_val *v, struct tally *tally)
{
    return (tally && k->mv_size == 2 * sizeof(uint64_t)
            && v->mv_size == sizeof(uint32_t));
}

static bool
verify_number(const MDB_val *k, const MDB_val *v, struct tally *tally)
{
    return tally && k->mv_size == sizeof(uint64_t) && v->mv_size > 1;
}

static bool
verify_txn_row(const MDB_val *k, const MDB_val *v, struct tally *tally)
{
    enum goal_txn_part part;
    uint64_t number, sub;

    if (!goal_txn_key_parse(k, &number, &part, &sub)) {
        return false;
    }
    if (part == GOAL_TXN_UNDO) {
        tally->saved += goal_undo_count_refs(v->mv_data, v->mv_size);
    }
    return true;
}

static bool
verify_meta(const MDB_val *k, const MDB_val *v, struct tally *tally)
{
    if (k->mv_size == 4 && !memcmp(k->mv_data, "head", 4)
        && v->mv_size == sizeof tally->head) {
        memcpy(&tally->head, v->mv_data, v->mv_size);
        tally->has_head = true;
    } else if (k->mv_size == 7 && !memcmp(k->mv_data, "version", 7)) {
        uint64_t version;

        if (v->mv_size == sizeof version) {
            memcpy(&version, v->mv_data, sizeof version);
            tally->has_version = (version >= GOAL_STORE_OLDEST
                                  && version <= GOAL_STORE_VERSION);
        }
    }
    return true;
}

/* A database of free pages has, by transaction, a list of page numbers: how
 * many, then those, in descending order. */
static bool
verify_free(const MDB_val *k, const MDB_val *v, struct tally *tally)
{
    const size_t *pages = v->mv_data;
    size_t n = v->mv_size / sizeof *pages;

    if (!tally || k->mv_size != sizeof *pages || !n || pages[0] != n - 1) {
        return false;
    }
    for (size_t i = 2; i < n; i++) {
        if (pages[i] >= pages[i - 1]) {
            return false;
        }
    }
    return true;
}

static int
verify_db(MDB_txn *txn, MDB_dbi dbi, verify_entry *entry, struct tally *tally)
{
    MDB_cursor *cursor;
    MDB_stat stat;
    MDB_val k, v;
    size_t n = 0;
    int error;

    if (mdb_stat(txn, dbi, &stat) || mdb_cursor_open(txn, dbi, &cursor)) {
        return VERIFY_DAMAGED;
    }
    while (!(error = mdb_cursor_get(cursor, &k, &v, MDB_NEXT))) {
        if (++n > stat.ms_entries || !entry(&k, &v, tally)) {
            return VERIFY_DAMAGED;
        }
    }
    mdb_cursor_close(cursor);
    return (error == MDB_NOTFOUND && n == stat.ms_entries
            ? VERIFY_OK : VERIFY_DAMAGED);
}

static int
verify_dbs(MDB_txn *txn, struct tally *tally)
{
    static verify_entry *const entries[GOAL_N_DBS] = {
        [GOAL_DB_NAMES] = verify_name,
        [GOAL_DB_RECORDS] = verify_record,
        [GOAL_DB_INDEX] = verify_index,
        [GOAL_DB_GRAVES] = verify_grave,
        [GOAL_DB_GRAVE_TIMES] = verify_grave_time,
        [GOAL_DB_ORIGINS] = verify_origin,
        [GOAL_DB_PLACES] = verify_place,
        [GOAL_DB_NUMBERS] = verify_number,
        [GOAL_DB_TXNS] = verify_txn_row,
        [GOAL_DB_META] = verify_meta,
    };

    for (size_t i = 0; i < GOAL_N_DBS; i++) {
        MDB_dbi dbi;
        int result;
        int error = mdb_dbi_open(txn, goal_dbs[i].name, goal_dbs[i].flags,
                                 &dbi);

        if (error == MDB_NOTFOUND && i == GOAL_DB_TXNS) {
            continue;           /* It came later than the others. */
        } else if (error) {
            return VERIFY_DAMAGED;
        }
        result = verify_db(txn, dbi, entries[i], tally);
        if (result) {
            return result;
        }
    }
    tally->refs -= tally->saved;
    for (size_t i = 0; i < GOAL_N_KINDS; i++) {
        tally->refs -= tally->records[i];
    }
    return (tally->graves == tally->head.n_graves
            && tally->origins == tally->head.n_origins
            && tally->refs == tally->graves
            && tally->graves == tally->grave_times
            && !memcmp(tally->records, tally->head.counts,
                       sizeof tally->records)
            ? VERIFY_OK : VERIFY_DAMAGED);
}

/* A store without databases is a new one; one of another version cannot be
 * verified. */
static int
verify_txn(MDB_txn *txn)
{
    struct tally tally = { .has_head = false };
    MDB_dbi main_db, meta;
    MDB_stat stat;
    int result, error;

    if (mdb_dbi_open(txn, NULL, 0, &main_db)
        || mdb_stat(txn, main_db, &stat)) {
        return VERIFY_DAMAGED;
    } else if (!stat.ms_entries) {
        return VERIFY_OK;
    }
    error = mdb_dbi_open(txn, goal_dbs[GOAL_DB_META].name, 0, &meta);
    if (error) {
        return error == MDB_NOTFOUND ? VERIFY_UNKNOWN : VERIFY_DAMAGED;
    }
    result = verify_db(txn, meta, verify_meta, &tally);
    if (result || !tally.has_version) {
        return result ? result : VERIFY_UNKNOWN;
    } else if (!tally.has_head) {
        return VERIFY_DAMAGED;
    }
    result = verify_db(txn, 0, verify_free, &tally); /* Free pages. */
    return result ? result : verify_dbs(txn, &tally);
}

/* Does the work.  Nothing is freed, as the process exits. */
static int
verify_file(const char *name)
{
    struct stat s;
    MDB_env *env;
    MDB_txn *txn;
    int error = stat(name, &s);

    if (error || mdb_env_create(&env)) {
        return VERIFY_UNKNOWN;
    }
    error = mdb_env_set_maxdbs(env, GOAL_N_DBS);
    if (!error) {
        error = mdb_env_set_mapsize(env, ROUND_UP(MAX(s.st_size, 1),
                                                  getpagesize()));
    }
    if (!error) {
        error = mdb_env_open(env, name, MDB_RDONLY | MDB_NOLOCK | MDB_NOSUBDIR,
                             0600);
    }
    if (!error) {
        error = mdb_txn_begin(env, NULL, MDB_RDONLY, &txn);
    }
    return (!error ? verify_txn(txn)
            : error < 0 ? VERIFY_DAMAGED
            : VERIFY_UNKNOWN);
}

/* The child: quiet, mortal, and without the parent's ideas about signals. */
static void
verify_child(const char *name)
{
    static const int signals[] = { SIGABRT, SIGALRM, SIGBUS, SIGFPE, SIGILL,
                                   SIGSEGV };
    const struct rlimit no_core = { 0, 0 };
    int null = open("/dev/null", O_RDWR);

    for (size_t i = 0; i < ARRAY_SIZE(signals); i++) {
        signal(signals[i], SIG_DFL);
    }
    setrlimit(RLIMIT_CORE, &no_core);
    if (null >= 0) {
        dup2(null, STDIN_FILENO);
        dup2(null, STDOUT_FILENO);
        dup2(null, STDERR_FILENO);
    }
    alarm(VERIFY_SECONDS);
    _exit(verify_file(name));
}

/* Returns false if file 'name', the data of a store, is damaged.  If 'strict',
 * also if that cannot be found out or they are of another version. */
bool
goal_store_verify(const char *name, bool strict)
{
    pid_t pid, waited;
    int status;

    VLOG_INFO("%s: verifying", name);
    pid = fork();
    if (!pid) {
        verify_child(name);
    } else if (pid < 0) {
        VLOG_WARN("%s: cannot verify: %s", name, ovs_strerror(errno));
        return !strict;
    }
    do {
        waited = waitpid(pid, &status, 0);
    } while (waited < 0 && errno == EINTR);
    if (waited != pid) {
        VLOG_WARN("%s: cannot verify: %s", name, ovs_strerror(errno));
        return !strict;
    }
    return (WIFEXITED(status)
            && (WEXITSTATUS(status) == VERIFY_OK
                || (!strict && WEXITSTATUS(status) == VERIFY_UNKNOWN)));
}
