/* SPDX-License-Identifier: Apache-2.0
 *
 * goal-store-sync: the thread that brings what was committed to the disk. */

#include <config.h>

#include "store/goal-store-private.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

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

/* Shared by the main thread and the sync thread. */
struct goal_sync {
    MDB_env *env;
    struct ovs_mutex mutex;
    pthread_cond_t cond;        /* 'dirty' or 'stop' has become true. */
    bool dirty OVS_GUARDED;     /* Something is to be synced. */
    bool stop OVS_GUARDED;      /* The thread is to exit. */

    /* Main thread only. */
    bool running;               /* 'thread' exists. */
    pthread_t thread;
};

static void *goal_sync_main(void *);

/* The thread is created when there is something to do, thus never before the
 * process has become a daemon. */
struct goal_sync *
goal_sync_create(MDB_env *env)
{
    struct goal_sync *sync = xzalloc(sizeof *sync);
    pthread_condattr_t attr;

    sync->env = env;
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
    free(sync);
}

/* Has what was committed until now synced within a second. */
void
goal_sync_wake(struct goal_sync *sync)
{
    if (!sync->running) {
        sync->thread = ovs_thread_create("goal_sync", goal_sync_main, sync);
        sync->running = true;
    }
    ovs_mutex_lock(&sync->mutex);
    if (!sync->dirty) {
        sync->dirty = true;
        xpthread_cond_signal(&sync->cond);
    }
    ovs_mutex_unlock(&sync->mutex);
}

/* Waits until it is time to sync.  Returns false if it is time to exit. */
static bool
goal_sync_wait(struct goal_sync *sync)
    OVS_REQUIRES(sync->mutex)
{
    struct timespec deadline;

    while (!sync->dirty && !sync->stop) {
        ovs_mutex_cond_wait(&sync->cond, &sync->mutex);
    }
    clock_gettime(CLOCK_MONOTONIC, &deadline);
    deadline.tv_nsec += SYNC_DELAY_MSEC * 1000000;
    if (deadline.tv_nsec >= 1000000000) {
        deadline.tv_sec++;
        deadline.tv_nsec -= 1000000000;
    }
    while (!sync->stop) {
        if (pthread_cond_timedwait(&sync->cond, &sync->mutex.lock, &deadline)
            == ETIMEDOUT) {
            break;
        }
    }
    sync->dirty = false;
    return !sync->stop;
}

static void *
goal_sync_main(void *sync_)
{
    static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(1, 5);
    struct goal_sync *sync = sync_;

    ovsrcu_quiesce_start();
    ovs_mutex_lock(&sync->mutex);
    while (goal_sync_wait(sync)) {
        int error;

        ovs_mutex_unlock(&sync->mutex);
        error = mdb_env_sync(sync->env, 1);
        if (error) {
            VLOG_ERR_RL(&rl, "cannot sync the goal store: %s",
                        error > 0 ? ovs_strerror(error)
                        : mdb_strerror(error));
        }
        ovs_mutex_lock(&sync->mutex);
    }
    ovs_mutex_unlock(&sync->mutex);
    return NULL;
}
