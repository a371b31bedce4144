/* SPDX-License-Identifier: Apache-2.0
 *
 * loud-peers: subscribers that say more than subscribers have to say. */

#include <config.h>

#include "ingest/loud-peers.h"

#include <dirent.h>
#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "coverage.h"
#include "hash.h"
#include "ingest/socket-fd.h"
#include "latch.h"
#include "limit.h"
#include "openvswitch/hmap.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "ovs-atomic.h"
#include "ovs-thread.h"
#include "simap.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(loud_peers);

/* What a subscriber may say at once. */
#define SAID_BYTES (1024 * 1024)

/* Time between looks, in ms. */
#define LOOK_MSEC 250

LIMIT_DEFINE(subscriber_says_KB, SAID_BYTES / 1024, 16, LIMIT_REFUSED)

COVERAGE_DEFINE(server_loud_cut);

/* Bytes a second that everybody may say all the time: heartbeats, and topics
 * that come and go. */
#define RATE 4096

/* Of the time, one part in so many is for looking. */
#define SHARE 20

static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(5, 20);

/* A connection. */
struct connection {
    struct hmap_node node;      /* In struct loud_peers's 'connections'. */
    ino_t inode;                /* Of its socket. */
    bool present;               /* In this look. */
    bool cut;                   /* Soon it is gone. */
    uint64_t said;              /* Bytes, ever. */
    uint64_t forgiven;          /* Of these. */
};

struct loud_peers {
    uint16_t port;
    pthread_t thread;           /* If there is a port. */
    struct latch exit_latch;
    atomic_count most_KB;       /* What one of them has said. */

    /* The thread's. */
    struct hmap connections;    /* Contains "struct connection"s. */
    long long int looked;       /* time_msec() of the last look. */
};

static struct connection *
get_connection(struct loud_peers *lp, ino_t inode)
{
    struct connection *c;

    HMAP_FOR_EACH_WITH_HASH (c, node, hash_uint64(inode), &lp->connections) {
        if (c->inode == inode) {
            return c;
        }
    }
    c = xzalloc(sizeof *c);
    c->inode = inode;
    hmap_insert(&lp->connections, &c->node, hash_uint64(inode));
    return c;
}

static void
connection_destroy(struct loud_peers *lp, struct connection *c)
{
    hmap_remove(&lp->connections, &c->node);
    free(c);
}

/* Returns what counts of what 'c' has said in all, of which 'n' more bytes are
 * forgiven. */
static uint64_t
update(struct connection *c, uint64_t said, uint64_t n)
{
    c->said = said;
    c->forgiven = MIN(c->forgiven + n, said);
    c->present = true;
    return said - c->forgiven;
}

/* Looks at 'fd', whatever it is.  Returns how many kB it has said. */
static unsigned int
look_at(struct loud_peers *lp, int fd, uint64_t forgiven)
{
    struct tcp_info info = { .tcpi_bytes_received = 0 };
    socklen_t len = sizeof info;
    struct connection *c;
    uint64_t loud;
    ino_t inode;

    if (!socket_fd_is_of(fd, lp->port, NULL)
        || getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len)) {
        return 0;
    }
    inode = socket_fd_inode(fd);
    if (!inode) {
        return 0;
    }
    c = get_connection(lp, inode);
    loud = update(c, info.tcpi_bytes_received, forgiven);
    if (!c->cut && limit_reached(&limit_subscriber_says_KB, loud / 1024)
        && socket_fd_cut(fd, inode)) {
        c->cut = true;
        COVERAGE_INC(server_loud_cut);
        VLOG_WARN_RL(&rl, "a subscriber is cut off: it has said %"PRIu64" kB, "
                     "which are too many topics", loud / 1024);
    }
    return loud / 1024;
}

/* Looks at all connections. */
static void
look(struct loud_peers *lp)
{
    long long int now = time_msec();
    uint64_t forgiven = (now - lp->looked) * RATE / 1000;
    DIR *dir = opendir("/proc/self/fd");
    struct connection *c, *next;
    const struct dirent *de;
    unsigned int most = 0;

    lp->looked = now;
    if (!dir) {
        VLOG_WARN_RL(&rl, "/proc/self/fd: %s: subscribers are not watched",
                     ovs_strerror(errno));
        return;
    }
    HMAP_FOR_EACH (c, node, &lp->connections) {
        c->present = false;
    }
    while ((de = readdir(dir)) != NULL) {
        int fd;

        if (str_to_int(de->d_name, 10, &fd)) {
            most = MAX(most, look_at(lp, fd, forgiven));
        }
    }
    closedir(dir);
    HMAP_FOR_EACH_SAFE (c, next, node, &lp->connections) {
        if (!c->present) {
            connection_destroy(lp, c);
        }
    }
    atomic_count_set(&lp->most_KB, most);
}

static void *
loud_peers_thread(void *lp_)
{
    struct loud_peers *lp = lp_;

    lp->looked = time_msec();
    while (!latch_is_set(&lp->exit_latch)) {
        long long int start = time_msec();

        look(lp);
        poll_timer_wait(MAX(LOOK_MSEC, SHARE * (time_msec() - start)));
        latch_wait(&lp->exit_latch);
        poll_block();
    }
    return NULL;
}

struct loud_peers *
loud_peers_create(const char *endpoint)
{
    struct loud_peers *lp = xzalloc(sizeof *lp);
    const char *colon = strrchr(endpoint, ':');

    lp->port = (!strncmp(endpoint, "tcp://", 6) && colon ? atoi(colon + 1)
                : 0);
    hmap_init(&lp->connections);
    latch_init(&lp->exit_latch);
    if (lp->port) {
        lp->thread = ovs_thread_create("loud_peers", loud_peers_thread, lp);
    }
    return lp;
}

void
loud_peers_destroy(struct loud_peers *lp)
{
    struct connection *c, *next;

    if (!lp) {
        return;
    }
    if (lp->port) {
        latch_set(&lp->exit_latch);
        xpthread_join(lp->thread, NULL);
    }
    HMAP_FOR_EACH_SAFE (c, next, node, &lp->connections) {
        connection_destroy(lp, c);
    }
    hmap_destroy(&lp->connections);
    latch_destroy(&lp->exit_latch);
    free(lp);
}

void
loud_peers_get_memory_usage(struct loud_peers *lp, struct simap *usage)
{
    simap_increase(usage, "subscriber-says-KB",
                   atomic_count_get(&lp->most_KB));
}
