/* SPDX-License-Identifier: Apache-2.0
 *
 * goal-store-env: the LMDB environment of the goal store. */

#include <config.h>

#include "store/goal-store-private.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "fault-point.h"
#include "openvswitch/vlog.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(goal_store_env);

/* The most that a store can hold.  This is address space, not memory. */
#if defined(__SANITIZE_ADDRESS__)
#define MAX_MAP_SIZE (UINT64_C(4) << 30)
#else
#define MAX_MAP_SIZE (UINT64_C(64) << 30)
#endif
#define MIN_MAP_SIZE (UINT64_C(1) << 30)

/* What is wrong with a store that is to be moved aside. */
enum verdict {
    STORE_OK,                   /* Nothing. */
    STORE_DAMAGED,              /* It is not readable. */
    STORE_FOREIGN,              /* It is of a version that is not known. */
    STORE_ERROR,                /* It cannot be opened for another reason. */
};

static char *
file_in(const struct goal_store *store, const char *name)
{
    return xasprintf("%s/%s", store->dir, name);
}

/* Directory and lock. */

/* Creates 'dir', accessible to nobody else, and what is missing above it. */
static int
make_dir(const char *dir)
{
    char *s = xstrdup(dir);
    int error = 0;

    for (char *p = strchr(s + 1, '/'); p; p = strchr(p + 1, '/')) {
        *p = '\0';
        if (mkdir(s, 0755) && errno != EEXIST) {
            error = errno;
        }
        *p = '/';
    }
    if (!mkdir(s, 0700) || errno == EEXIST) {
        error = 0;
    } else if (!error || errno != ENOENT) {
        error = errno;
    }
    free(s);
    return error;
}

/* Returns a message that says who holds the lock file 'name'. */
static char *
lock_held(const char *name, int fd)
{
    char pid[16];
    ssize_t n = pread(fd, pid, sizeof pid - 1, 0);

    pid[MAX(n, 0)] = '\0';
    pid[strspn(pid, "0123456789")] = '\0';
    return xasprintf("%s: locked by another process%s%s%s", name,
                     pid[0] ? " (pid " : "", pid, pid[0] ? ")" : "");
}

/* Takes the lock, which is gone with the process. */
static char *
lock_store(struct goal_store *store)
{
    char *name = file_in(store, "lock");
    char *message = NULL;
    char *pid;
    int fd;

    fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
        message = xasprintf("%s: open failed: %s", name, ovs_strerror(errno));
    } else if (flock(fd, LOCK_EX | LOCK_NB)) {
        message = (errno == EWOULDBLOCK ? lock_held(name, fd)
                   : xasprintf("%s: flock failed: %s", name,
                               ovs_strerror(errno)));
        close(fd);
    } else {
        pid = xasprintf("%ld\n", (long int) getpid());
        if (ftruncate(fd, 0) || pwrite(fd, pid, strlen(pid), 0) < 0) {
            VLOG_DBG("%s: write failed: %s", name, ovs_strerror(errno));
        }
        free(pid);
        store->lock_fd = fd;
    }
    free(name);
    return message;
}

static void
unlock_store(struct goal_store *store)
{
    if (store->lock_fd >= 0) {
        close(store->lock_fd);
        store->lock_fd = -1;
    }
}

static char *
enter_dir(struct goal_store *store)
{
    int error = make_dir(store->dir);

    return (error
            ? xasprintf("%s: cannot create directory: %s", store->dir,
                        ovs_strerror(error))
            : lock_store(store));
}

/* Renames the directory to one that does not exist yet. */
static char *
move_aside(struct goal_store *store, const char *why)
{
    char *aside = NULL;
    char stamp[32];
    struct tm tm;
    time_t now = time_wall();
    int error = EEXIST;

    gmtime_r(&now, &tm);
    strftime(stamp, sizeof stamp, "%Y%m%d%H%M%S", &tm);
    for (int i = 0; i < 100 && (error == EEXIST || error == ENOTEMPTY); i++) {
        free(aside);
        aside = (i ? xasprintf("%s.bad-%s.%d", store->dir, stamp, i)
                 : xasprintf("%s.bad-%s", store->dir, stamp));
        error = rename(store->dir, aside) ? errno : 0;
    }
    unlock_store(store);
    if (error) {
        char *message = xasprintf("%s: %s, and cannot be moved aside: %s",
                                  store->dir, why, ovs_strerror(error));
        free(aside);
        return message;
    }
    VLOG_WARN("%s: %s: moved to %s, starting afresh", store->dir, why, aside);
    free(aside);
    return enter_dir(store);
}

/* The mark of a store that was closed in good order: the file "clean" has what
 * its data file looked like. */

static char *
describe_data(const struct goal_store *store)
{
    char *name = file_in(store, "data.mdb");
    struct stat s;
    char *text;

    text = (stat(name, &s) ? NULL
            : xasprintf("%"PRIuMAX" %"PRIdMAX".%09ld\n",
                        (uintmax_t) s.st_size, (intmax_t) s.st_mtim.tv_sec,
                        s.st_mtim.tv_nsec));
    free(name);
    return text;
}

static void
write_clean(const struct goal_store *store)
{
    char *name = file_in(store, "clean");
    char *text = describe_data(store);
    int fd = text ? open(name, O_WRONLY | O_CREAT | O_TRUNC, 0600) : -1;

    if (fd >= 0) {
        if (write(fd, text, strlen(text)) < 0 || goal_fsync_mark(fd)) {
            VLOG_DBG("%s: write failed: %s", name, ovs_strerror(errno));
        }
        close(fd);
    }
    free(text);
    free(name);
}

/* Removes the mark and returns true if it was true. */
static bool
take_clean(const struct goal_store *store)
{
    char *name = file_in(store, "clean");
    char *expected = describe_data(store);
    int fd = open(name, O_RDONLY);
    bool clean = false;

    if (fd >= 0) {
        char text[128];
        ssize_t n = read(fd, text, sizeof text - 1);

        text[MAX(n, 0)] = '\0';
        clean = expected && !strcmp(text, expected);
        close(fd);
        unlink(name);
        goal_sync_dir(store->dir);
    }
    free(expected);
    free(name);
    return clean;
}

static bool
data_exists(const struct goal_store *store)
{
    char *name = file_in(store, "data.mdb");
    bool exists = !access(name, F_OK);

    free(name);
    return exists;
}

/* Environment. */

static int
create_env(struct goal_store *store)
{
    int error = mdb_env_create(&store->env);

    if (error) {
        store->env = NULL;
        return error;
    }
    error = mdb_env_set_maxdbs(store->env, GOAL_N_DBS);
    if (!error) {
        error = mdb_env_set_mapsize(store->env, store->map_size);
    }
    if (!error) {
        error = mdb_env_open(store->env, store->dir,
                             MDB_NOSYNC | MDB_NOMETASYNC | MDB_NOTLS, 0600);
    }
    if (error) {
        mdb_env_close(store->env);
        store->env = NULL;
    }
    return error;
}

/* Opens the environment, with as much address space as there is.  (What mmap()
 * says if it is too much is ENOMEM, but EINVAL under valgrind.) */
static int
open_env(struct goal_store *store)
{
    int error;

    store->map_size = MAX_MAP_SIZE;
    while (((error = create_env(store)) == ENOMEM || error == EINVAL)
           && store->map_size > MIN_MAP_SIZE) {
        store->map_size /= 2;
        VLOG_INFO("%s: short of address space, limiting the store to "
                  "%"PRIu64" GiB", store->dir, store->map_size >> 30);
    }
    return error;
}

static int
open_dbs(struct goal_store *store, MDB_txn *txn)
{
    for (size_t i = 0; i < GOAL_N_DBS; i++) {
        int error = mdb_dbi_open(txn, goal_dbs[i].name,
                                 goal_dbs[i].flags | MDB_CREATE,
                                 &store->dbis[i]);

        if (error) {
            return error;
        }
    }
    return 0;
}

/* Fills the databases of a store that has none yet. */
static int
init_store(struct goal_store *store, MDB_txn *txn)
{
    uint64_t version = GOAL_STORE_VERSION;
    MDB_val k = goal_val("version", 7);
    MDB_val v = goal_val(&version, sizeof version);
    int error = open_dbs(store, txn);

    if (!error) {
        error = mdb_put(txn, store->dbis[GOAL_DB_META], &k, &v, 0);
    }
    store->head = (struct goal_head) { .next_number = 1, .next_origin = 1 };
    k = goal_val("head", 4);
    v = goal_val(&store->head, sizeof store->head);
    if (!error) {
        error = mdb_put(txn, store->dbis[GOAL_DB_META], &k, &v, 0);
    }
    store->is_new = true;
    return error;
}

/* Opens the databases of a store that has some. */
static int
load_store(struct goal_store *store, MDB_txn *txn)
{
    MDB_val k = goal_val("version", 7);
    uint64_t version;
    MDB_dbi meta;
    MDB_val v;
    int error;

    error = mdb_dbi_open(txn, goal_dbs[GOAL_DB_META].name, 0, &meta);
    if (!error) {
        error = mdb_get(txn, meta, &k, &v);
    }
    if (!error && v.mv_size == sizeof version) {
        memcpy(&version, v.mv_data, sizeof version);
    } else {
        version = 0;
    }
    if (version < GOAL_STORE_OLDEST || version > GOAL_STORE_VERSION) {
        store->found_version = version;
        return MDB_VERSION_MISMATCH;
    }
    error = open_dbs(store, txn);
    if (!error) {
        error = goal_store_convert(store, txn, version);
    }
    k = goal_val("head", 4);
    if (!error) {
        error = mdb_get(txn, meta, &k, &v);
    }
    if (!error && v.mv_size != sizeof store->head) {
        error = MDB_CORRUPTED;
    }
    if (!error) {
        memcpy(&store->head, v.mv_data, sizeof store->head);
    }
    return error;
}

static int
open_store(struct goal_store *store)
{
    MDB_txn *txn;
    MDB_stat stat;
    MDB_dbi main_db;
    int error = open_env(store);

    if (!error) {
        error = mdb_txn_begin(store->env, NULL, 0, &txn);
    }
    if (error) {
        return error;
    }
    error = mdb_dbi_open(txn, NULL, 0, &main_db);
    if (!error) {
        error = mdb_stat(txn, main_db, &stat);
    }
    if (!error) {
        error = (stat.ms_entries ? load_store(store, txn)
                 : init_store(store, txn));
    }
    if (!error && FAULT_POINT_NOW(STORE_OPEN_BEFORE)) {
        error = EIO;
    }
    if (error) {
        mdb_txn_abort(txn);
    } else {
        error = mdb_txn_commit(txn);
        if (!error && FAULT_POINT_NOW(STORE_OPEN_AFTER)) {
            error = EIO;
        }
    }
    store->committed = store->head;
    return error;
}

static void
close_env(struct goal_store *store)
{
    if (store->env) {
        mdb_env_close(store->env);
        store->env = NULL;
    }
}

static enum verdict
judge(int error)
{
    switch (error) {
    case 0:
        return STORE_OK;
    case MDB_VERSION_MISMATCH:
        return STORE_FOREIGN;
    case MDB_CORRUPTED:
    case MDB_INVALID:
    case MDB_INCOMPATIBLE:
    case MDB_NOTFOUND:
    case MDB_PAGE_NOTFOUND:
    case MDB_PANIC:
    case MDB_BAD_DBI:
        return STORE_DAMAGED;
    default:
        return STORE_ERROR;
    }
}

static bool
data_is_sound(const struct goal_store *store)
{
    char *name = file_in(store, "data.mdb");
    bool sound = goal_store_verify(name, false);

    free(name);
    return sound;
}

/* Looks at a store that was not closed in good order, and goes back to the
 * copy if that is better. */
static enum verdict
examine(struct goal_store *store)
{
    bool rebooted = goal_boot_is_new(store);
    enum verdict verdict = STORE_OK;

    if (rebooted && goal_copy_restore(store, "the host went down")) {
        store->was_restored = true;
    } else if (data_exists(store)) {
        if (data_is_sound(store)) {
            store->was_restored = rebooted;
        } else if (goal_copy_restore(store, "the store is damaged")) {
            store->was_restored = true;
        } else {
            verdict = STORE_DAMAGED;
        }
    }
    return verdict;
}

/* Moves the store aside and starts another one.  Returns null or an error. */
static char *
start_afresh(struct goal_store *store, enum verdict verdict)
{
    struct goal_numbers numbers = { .n = 0 };
    char *why;

    if (verdict == STORE_DAMAGED) {
        why = xstrdup("the store is damaged");
    } else {
        why = xasprintf("the store is of version %"PRIu64", known are "
                        "versions %d to %d", store->found_version,
                        GOAL_STORE_OLDEST, GOAL_STORE_VERSION);
        goal_numbers_save(store, &numbers);
    }
    close_env(store);
    char *message = move_aside(store, why);
    free(why);
    if (!message) {
        store->was_restored = store->copy_is_old = false;
        int error = open_store(store);

        if (!error) {
            error = goal_numbers_restore(store, &numbers);
        }
        if (error) {
            message = goal_store_error(store, "cannot open", error);
        }
    }
    goal_numbers_free(&numbers);
    return message;
}

/* Opens the environment of 'store' and everything in it, having taken its
 * lock.  Leaves behind what goal_env_close() frees, successful or not. */
char *
goal_env_open(struct goal_store *store)
{
    char *message = enter_dir(store);
    enum verdict verdict;
    int error = 0;

    if (message) {
        return message;
    }
    verdict = take_clean(store) ? STORE_OK : examine(store);
    store->copy_is_old = data_exists(store) && goal_copy_is_old(store);
    if (verdict == STORE_OK) {
        error = open_store(store);
        verdict = judge(error);
        store->copy_is_old |= store->was_converted;
    }
    if (verdict == STORE_DAMAGED || verdict == STORE_FOREIGN) {
        message = start_afresh(store, verdict);
    } else if (error) {
        message = goal_store_error(store, "cannot open", error);
    }
    if (!message) {
        goal_boot_note(store);
    }
    return message;
}

void
goal_env_close(struct goal_store *store)
{
    if (store->env) {
        int error = mdb_env_sync(store->env, 1);

        close_env(store);
        if (!error) {
            write_clean(store);
        }
    }
    unlock_store(store);
}
