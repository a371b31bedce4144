/* SPDX-License-Identifier: Apache-2.0
 *
 * goal-store-sync: the thread that brings what was committed to the disk. */

#include <config.h>

#include "store/goal-store-private.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <time.h>

#include "fault-point.h"
#include "openvswitch/thread.h"
#include "openvswitch/vlog.h"
#include "ovs-rcu.h"
#include "ovs-thread.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(goal_store_sync);

/* The disk is left alone this long after a change, so that one sync serves
 * many changes. */
#define SYNC_DELAY_MSEC 500

/* A copy is made this long after the first change that the last one lacks. */
#define COPY_INTERVAL_MSEC (10 * 60 * 1000)

/* Shared by the main thread and the sync thread. */
struct goal_sync {
    MDB_env *env;
    char *dir;
    struct ovs_mutex mutex;
    pthread_cond_t cond;        /* 'dirty' or 'stop' has become true. */
    bool dirty OVS_GUARDED;     /* Something is to be synced. */
    bool stop OVS_GUARDED;      /* The thread is to exit. */
    long long int copy_interval OVS_GUARDED; /* In ms. */
    long long int copy_at OVS_GUARDED; /* When to copy, by now_msec(), or
                                        * LLONG_MAX. */

    /* Main thread only. */
    bool running;               /* 'thread' exists. */
    pthread_t thread;
};

static void *goal_sync_main(void *);

/* Not time_msec(), which tests may stop. */
static long long int
now_msec(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return timespec_to_msec(&now);
}

/* The thread is created when there is something to do, thus never before the
 * process has become a daemon. */
struct goal_sync *
goal_sync_create(MDB_env *env, const char *dir)
{
    struct goal_sync *sync = xzalloc(sizeof *sync);
    pthread_condattr_t attr;

    sync->env = env;
    sync->dir = xstrdup(dir);
    sync->copy_interval = COPY_INTERVAL_MSEC;
    sync->copy_at = LLONG_MAX;
    ovs_mutex_init(&sync->mutex);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    xpthread_cond_init(&sync->cond, &attr);
    pthread_condattr_destroy(&attr);
    return sync;
}

/* Accepts null.  Does not sync. */
void
goal_sync_destroy(struct goal_sync *sync)
{
    if (!sync) {
        return;
    }
    if (sync->running) {
        ovs_mutex_lock(&sync->mutex);
        sync->stop = true;
        xpthread_cond_signal(&sync->cond);
        ovs_mutex_unlock(&sync->mutex);
        xpthread_join(sync->thread, NULL);
    }
    xpthread_cond_destroy(&sync->cond);
    ovs_mutex_destroy(&sync->mutex);
    free(sync->dir);
    free(sync);
}

static void
goal_sync_start(struct goal_sync *sync)
{
    if (!sync->running) {
        sync->thread = ovs_thread_create("goal_sync", goal_sync_main, sync);
        sync->running = true;
    }
}

/* Has what was committed until now synced within a second, and copied within
 * ten minutes. */
void
goal_sync_wake(struct goal_sync *sync)
{
    goal_sync_start(sync);
    ovs_mutex_lock(&sync->mutex);
    if (!sync->dirty) {
        sync->dirty = true;
        if (sync->copy_at == LLONG_MAX) {
            sync->copy_at = now_msec() + sync->copy_interval;
        }
        xpthread_cond_signal(&sync->cond);
    }
    ovs_mutex_unlock(&sync->mutex);
}

/* Has a copy made, now or when the sync under way is done. */
void
goal_sync_copy_soon(struct goal_sync *sync)
{
    goal_sync_start(sync);
    ovs_mutex_lock(&sync->mutex);
    sync->copy_at = now_msec();
    xpthread_cond_signal(&sync->cond);
    ovs_mutex_unlock(&sync->mutex);
}

/* For tests. */
void
goal_sync_set_copy_interval(struct goal_sync *sync, long long int msec)
{
    ovs_mutex_lock(&sync->mutex);
    sync->copy_interval = msec;
    ovs_mutex_unlock(&sync->mutex);
}

/* Waits for a signal until 'deadline'. */
static void
goal_sync_sleep(struct goal_sync *sync, long long int deadline)
    OVS_REQUIRES(sync->mutex)
{
    if (deadline == LLONG_MAX) {
        ovs_mutex_cond_wait(&sync->cond, &sync->mutex);
    } else {
        struct timespec ts = {
            .tv_sec = deadline / 1000,
            .tv_nsec = deadline % 1000 * 1000000,
        };

        pthread_cond_timedwait(&sync->cond, &sync->mutex.lock, &ts);
    }
}

/* Waits until it is time to sync or to copy.  Returns false if it is time to
 * exit. */
static bool
goal_sync_wait(struct goal_sync *sync)
    OVS_REQUIRES(sync->mutex)
{
    while (!sync->dirty && !sync->stop && now_msec() < sync->copy_at) {
        goal_sync_sleep(sync, sync->copy_at);
    }
    if (sync->dirty) {
        long long int deadline = now_msec() + SYNC_DELAY_MSEC;

        while (!sync->stop && now_msec() < deadline) {
            goal_sync_sleep(sync, deadline);
        }
    }
    sync->dirty = false;
    return !sync->stop;
}

/* Syncs and, if 'copy', copies as well.  Returns true if both worked. */
static bool
goal_sync_do(struct goal_sync *sync, bool copy)
{
    static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(1, 5);
    int error = (FAULT_POINT_NOW(STORE_SYNC_BEFORE) ? EIO
                 : mdb_env_sync(sync->env, 1));

    if (!error && FAULT_POINT_NOW(STORE_SYNC_AFTER)) {
        error = EIO;
    }
    if (!error && copy) {
        error = goal_copy_make(sync->env, sync->dir);
    }
    if (error) {
        VLOG_ERR_RL(&rl, "%s: cannot %s the goal store: %s", sync->dir,
                    copy ? "copy" : "sync",
                    error > 0 ? ovs_strerror(error) : mdb_strerror(error));
    }
    return !error;
}

static void *
goal_sync_main(void *sync_)
{
    struct goal_sync *sync = sync_;

    ovsrcu_quiesce_start();
    ovs_mutex_lock(&sync->mutex);
    while (goal_sync_wait(sync)) {
        bool copy = now_msec() >= sync->copy_at;
        bool ok;

        if (copy) {
            sync->copy_at = LLONG_MAX;
        }
        ovs_mutex_unlock(&sync->mutex);
        ok = goal_sync_do(sync, copy);
        ovs_mutex_lock(&sync->mutex);
        sync->dirty |= !ok;
        if (!ok && copy) {
            sync->copy_at = MIN(sync->copy_at,
                                now_msec() + sync->copy_interval);
        }
    }
    ovs_mutex_unlock(&sync->mutex);
    return NULL;
}
