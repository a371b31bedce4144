/* SPDX-License-Identifier: Apache-2.0
 *
 * goal-store-copy: what survives a power failure. */

#include <config.h>

#include "store/goal-store-private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fault-point.h"
#include "openvswitch/vlog.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(goal_store_copy);

/* LMDB does not wait for the disk, so the kernel may write pages in any order.
 * When the host goes down in between, the data file may be anything, even
 * something that looks right.  So, from time to time, the sync thread makes a
 * copy and waits until all of it is on the disk, before it takes the place of
 * the copy before.
 *
 * Whether the host went down since the store was opened is known from the
 * kernel's boot id, which is kept in a file beside the data: reading it in the
 * data would mean believing them. */

#define BOOT_ID "/proc/sys/kernel/random/boot_id"
#define MAX_BOOT_ID 64

/* For tests: instead of the kernel's. */
static char *boot_id_override;

static char *
file_in(const char *dir, const char *name)
{
    return xasprintf("%s/%s", dir, name);
}

/* Brings the names of files in 'dir' to the disk. */
void
goal_sync_dir(const char *dir)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0 || fsync(fd)) {
        VLOG_DBG("%s: sync failed: %s", dir, ovs_strerror(errno));
    }
    if (fd >= 0) {
        close(fd);
    }
}

/* Boot ids. */

void
goal_store_set_boot_id(const char *boot_id)
{
    free(boot_id_override);
    boot_id_override = nullable_xstrdup(boot_id);
}

/* Stores the first line of file 'name' in 'id', "" if there is none. */
static void
read_line(const char *name, char id[MAX_BOOT_ID])
{
    int fd = open(name, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, id, MAX_BOOT_ID - 1) : -1;

    id[MAX(n, 0)] = '\0';
    id[strcspn(id, "\n")] = '\0';
    if (fd >= 0) {
        close(fd);
    }
}

static void
read_boot_id(char id[MAX_BOOT_ID])
{
    if (boot_id_override) {
        ovs_strlcpy(id, boot_id_override, MAX_BOOT_ID);
    } else {
        read_line(BOOT_ID, id);
    }
}

/* Returns true if 'store' was last opened before the host was booted.  Stores
 * the id of this boot in 'id'. */
static bool
compare_boot_id(const struct goal_store *store, char id[MAX_BOOT_ID])
{
    char *name = file_in(store->dir, "boot");
    char last[MAX_BOOT_ID];

    read_boot_id(id);
    read_line(name, last);
    free(name);
    return strcmp(id, last) != 0;
}

/* Returns true if the host went down after 'store' was last opened. */
bool
goal_boot_is_new(const struct goal_store *store)
{
    char *name = file_in(store->dir, "boot");
    char id[MAX_BOOT_ID];
    bool known = !access(name, F_OK);

    free(name);
    return known && compare_boot_id(store, id) && id[0];
}

/* Brings a mark beside the data to the disk.  Returns 0 or -1, with errno. */
int
goal_fsync_mark(int fd)
{
    if (FAULT_POINT_NOW(STORE_MARK_BEFORE)) {
        errno = EIO;
        return -1;
    }
    int error = fsync(fd);
    if (!error && FAULT_POINT_NOW(STORE_MARK_AFTER)) {
        errno = EIO;
        error = -1;
    }
    return error;
}

/* Notes that 'store' was opened since this boot. */
void
goal_boot_note(const struct goal_store *store)
{
    char id[MAX_BOOT_ID];
    char *name, *tmp;
    int fd;

    if (!compare_boot_id(store, id)) {
        return;
    }
    name = file_in(store->dir, "boot");
    tmp = file_in(store->dir, "boot.tmp");
    fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, id, strlen(id)) != strlen(id)
        || write(fd, "\n", 1) != 1 || goal_fsync_mark(fd)
        || rename(tmp, name)) {
        VLOG_WARN("%s: cannot be written: %s", name, ovs_strerror(errno));
    }
    if (fd >= 0) {
        close(fd);
    }
    goal_sync_dir(store->dir);
    free(tmp);
    free(name);
}

/* Copies. */

/* Copies the store in 'dir', whose environment is 'env'.  May be called by any
 * thread.  Returns 0 or an error code of LMDB. */
int
goal_copy_make(MDB_env *env, const char *dir)
{
    char *name = file_in(dir, "copy.mdb");
    char *tmp = file_in(dir, "copy.mdb.tmp");
    int fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    int error = fd < 0 ? errno : mdb_env_copyfd2(env, fd, MDB_CP_COMPACT);

    if (!error && FAULT_POINT_NOW(STORE_COPY_BEFORE)) {
        error = EIO;
    }
    if (!error && fsync(fd)) {
        error = errno;
    }
    if (!error && FAULT_POINT_NOW(STORE_COPY_AFTER)) {
        error = EIO;
    }
    if (fd >= 0) {
        close(fd);
    }
    if (!error && rename(tmp, name)) {
        error = errno;
    }
    if (error) {
        unlink(tmp);
    } else {
        goal_sync_dir(dir);
    }
    free(tmp);
    free(name);
    return error;
}

char *
goal_store_copy(struct goal_store *store)
{
    int error = goal_copy_make(store->env, store->dir);

    return error ? goal_store_error(store, "copying failed", error) : NULL;
}

void
goal_store_copy_soon(struct goal_store *store)
{
    goal_sync_copy_soon(store->sync);
}

/* Returns true if the data of 'store' have changed since they were copied. */
bool
goal_copy_is_old(const struct goal_store *store)
{
    char *name = file_in(store->dir, "copy.mdb");
    char *data = file_in(store->dir, "data.mdb");
    struct stat c, d;
    bool old = (stat(name, &c) || stat(data, &d)
                || c.st_mtim.tv_sec < d.st_mtim.tv_sec
                || (c.st_mtim.tv_sec == d.st_mtim.tv_sec
                    && c.st_mtim.tv_nsec < d.st_mtim.tv_nsec));

    free(data);
    free(name);
    return old;
}

/* Writes to 'to' what 'from' has. */
static int
copy_bytes(int from, int to)
{
    enum { SIZE = 1 << 20 };
    char *buffer = xmalloc(SIZE);
    int error = 0;

    while (!error) {
        ssize_t n = read(from, buffer, SIZE);
        ssize_t done = n > 0 ? write(to, buffer, n) : 0;

        if (n < 0 || done < 0) {
            error = errno;
        } else if (done < n) {
            error = ENOSPC;
        } else if (!n) {
            break;
        }
    }
    free(buffer);
    return error;
}

static int
copy_file(const char *from, const char *to)
{
    int in = open(from, O_RDONLY | O_CLOEXEC);
    int out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    int error = in < 0 || out < 0 ? errno : copy_bytes(in, out);

    if (!error && fsync(out)) {
        error = errno;
    }
    if (in >= 0) {
        close(in);
    }
    if (out >= 0) {
        close(out);
    }
    return error;
}

static void
remove_in(const char *dir, const char *name)
{
    char *path = file_in(dir, name);

    unlink(path);
    free(path);
}

/* Puts the copy in the place of the data.  It stays where it is, too: this may
 * happen again before there is another. */
static int
put_in_place(const struct goal_store *store, const char *copy)
{
    char *data = file_in(store->dir, "data.mdb");
    char *bad = file_in(store->dir, "data.mdb.bad");
    char *tmp = file_in(store->dir, "data.mdb.tmp");
    int error = copy_file(copy, tmp);

    if (!error && rename(data, bad) && errno != ENOENT) {
        error = errno;
    }
    if (!error && rename(tmp, data)) {
        error = errno;
    }
    if (error) {
        unlink(tmp);
    } else {
        remove_in(store->dir, "ids.map");
        remove_in(store->dir, "lock.mdb");
        goal_sync_dir(store->dir);
    }
    free(tmp);
    free(bad);
    free(data);
    return error;
}

/* Goes back to the copy, because of 'why'; the data are kept in "data.mdb.bad"
 * for whoever wants to know.  'store' is not open.  Returns false if there is
 * no copy that can be used. */
bool
goal_copy_restore(struct goal_store *store, const char *why)
{
    char *copy = file_in(store->dir, "copy.mdb");
    bool ok = !access(copy, F_OK) && goal_store_verify(copy, true);

    if (ok) {
        int error = put_in_place(store, copy);

        ok = !error;
        if (error) {
            VLOG_WARN("%s: cannot be put in place: %s", copy,
                      ovs_strerror(error));
        } else {
            VLOG_WARN("%s: %s: going back to the last copy", store->dir, why);
        }
    }
    free(copy);
    return ok;
}
