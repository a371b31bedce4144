/* SPDX-License-Identifier: Apache-2.0
 *
 * slow-peers: those who do not take what a socket has for them. */

#include <config.h>

#include "ingest/slow-peers.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "hash.h"
#include "ingest/socket-fd.h"
#include "openvswitch/hmap.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(slow_peers);

/* Times, in ms: between looks; until who takes nothing is cut off; until who
 * is slower than others is. */
#define SAMPLE_MSEC 250
#define STUCK_MSEC 5000
#define BEHIND_MSEC 10000

static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(5, 20);

/* A connection. */
struct connection {
    struct hmap_node node;      /* In struct slow_peers's 'connections'. */
    ino_t inode;                /* Of its socket. */
    int fd;                     /* libzmq's; may be another one's by now. */
    bool present;               /* In this look. */
    bool cut;                   /* Soon it is gone. */
    int queued;                 /* Bytes that the other end has not taken. */
    uint64_t acked;             /* Bytes that it has, if known. */
    uint64_t acked_before;      /* The same when it got behind. */
    long long int moved_at;     /* time_msec() when it last took some. */
    long long int behind_since; /* LLONG_MAX: it is not behind. */
};

struct slow_peers {
    uint16_t port;              /* Of the endpoint; 0: it is... */
    char *path;                 /* ...this. */
    struct hmap connections;    /* Contains "struct connection"s. */
    long long int look_at;      /* LLONG_MAX: there is no pressure. */
    size_t n_behind;
};

struct slow_peers *
slow_peers_create(const char *endpoint)
{
    struct slow_peers *sp = xzalloc(sizeof *sp);

    if (!strncmp(endpoint, "ipc://", 6)) {
        sp->path = xstrdup(endpoint + 6);
    } else {
        const char *colon = strrchr(endpoint, ':');

        sp->port = colon ? atoi(colon + 1) : 0;
    }
    hmap_init(&sp->connections);
    sp->look_at = LLONG_MAX;
    return sp;
}

static void
connection_destroy(struct slow_peers *sp, struct connection *c)
{
    hmap_remove(&sp->connections, &c->node);
    free(c);
}

static void
forget_all(struct slow_peers *sp)
{
    struct connection *c, *next;

    HMAP_FOR_EACH_SAFE (c, next, node, &sp->connections) {
        connection_destroy(sp, c);
    }
    sp->n_behind = 0;
}

void
slow_peers_destroy(struct slow_peers *sp)
{
    if (sp) {
        forget_all(sp);
        hmap_destroy(&sp->connections);
        free(sp->path);
        free(sp);
    }
}

/* Looking. */

static struct connection *
get_connection(struct slow_peers *sp, ino_t inode)
{
    struct connection *c;

    HMAP_FOR_EACH_WITH_HASH (c, node, hash_uint64(inode), &sp->connections) {
        if (c->inode == inode) {
            return c;
        }
    }
    c = xzalloc(sizeof *c);
    c->inode = inode;
    c->behind_since = LLONG_MAX;
    hmap_insert(&sp->connections, &c->node, hash_uint64(inode));
    return c;
}

/* Bytes that the other end of 'fd' has acknowledged; 0 if not known. */
static uint64_t
read_acked(const struct slow_peers *sp, int fd)
{
    struct tcp_info info = { .tcpi_bytes_acked = 0 };
    socklen_t len = sizeof info;

    return (sp->port && !getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len)
            ? info.tcpi_bytes_acked : 0);
}

static void
look_at(struct slow_peers *sp, int fd)
{
    long long int now = time_msec();
    ino_t inode = (socket_fd_is_of(fd, sp->port, sp->path)
                   ? socket_fd_inode(fd) : 0);
    int queued;

    if (!inode || ioctl(fd, SIOCOUTQ, &queued)) {
        return;
    }
    struct connection *c = get_connection(sp, inode);
    uint64_t acked = read_acked(sp, fd);

    if (!queued) {
        c->behind_since = LLONG_MAX;
    } else if (c->behind_since == LLONG_MAX) {
        c->behind_since = c->moved_at = now;
        c->acked_before = acked;
    } else if (queued != c->queued || acked != c->acked) {
        c->moved_at = now;
    }
    c->fd = fd;
    c->queued = queued;
    c->acked = acked;
    c->present = true;
    sp->n_behind += queued > 0;
}

/* Looks at all connections. */
static void
look(struct slow_peers *sp)
{
    struct connection *c, *next;
    DIR *dir = opendir("/proc/self/fd");
    const struct dirent *de;

    if (!dir) {
        VLOG_WARN_RL(&rl, "/proc/self/fd: %s: slow subscribers are not found",
                     ovs_strerror(errno));
        return;
    }
    HMAP_FOR_EACH (c, node, &sp->connections) {
        c->present = false;
    }
    sp->n_behind = 0;
    while ((de = readdir(dir)) != NULL) {
        int fd;

        if (str_to_int(de->d_name, 10, &fd)) {
            look_at(sp, fd);
        }
    }
    closedir(dir);
    HMAP_FOR_EACH_SAFE (c, next, node, &sp->connections) {
        if (!c->present) {
            connection_destroy(sp, c);
        }
    }
}

/* Cutting. */

/* Cuts 'c', unless that was done.  Returns true if it was done now. */
static bool
cut(struct connection *c, const char *why)
{
    if (c->cut || !socket_fd_cut(c->fd, c->inode)) {
        return false;
    }
    c->cut = true;
    VLOG_WARN_RL(&rl, "a subscriber %s is cut off: too much waits for it",
                 why);
    return true;
}

/* What 'c' has taken since it got behind; if it is not, without limit. */
static uint64_t
taken(const struct connection *c)
{
    return (c->behind_since == LLONG_MAX ? UINT64_MAX
            : c->acked - c->acked_before);
}

static int
compare_taken(const void *a_, const void *b_)
{
    const struct connection *const *a = a_;
    const struct connection *const *b = b_;
    uint64_t x = taken(*a), y = taken(*b);

    return x < y ? -1 : x > y;
}

/* Returns the slowest that is much slower than the others, or null. */
static struct connection *
find_slow(const struct slow_peers *sp)
{
    size_t n = 0, n_all = hmap_count(&sp->connections);
    struct connection **all = xcalloc(n_all, sizeof *all);
    struct connection *c, *slow = NULL;

    HMAP_FOR_EACH (c, node, &sp->connections) {
        all[n++] = c;
    }
    if (n > 1) {
        qsort(all, n, sizeof *all, compare_taken);
        if (all[0]->behind_since != LLONG_MAX
            && time_msec() - all[0]->behind_since >= BEHIND_MSEC
            && taken(all[0]) < taken(all[n / 2]) / 4) {
            slow = all[0];
        }
    }
    free(all);
    return slow;
}

/* Cuts those who take nothing.  Returns how many these are. */
static size_t
cut_stuck(struct slow_peers *sp)
{
    struct connection *c;
    size_t n = 0;

    HMAP_FOR_EACH (c, node, &sp->connections) {
        if (c->behind_since != LLONG_MAX
            && time_msec() - c->moved_at >= STUCK_MSEC) {
            n += cut(c, "that takes nothing");
        }
    }
    return n;
}

size_t
slow_peers_run(struct slow_peers *sp, enum slow_pressure pressure)
{
    if (pressure == SLOW_RELAXED) {
        forget_all(sp);
        sp->look_at = LLONG_MAX;
        return 0;
    }
    if (sp->look_at != LLONG_MAX && time_msec() < sp->look_at) {
        return 0;
    }
    look(sp);
    sp->look_at = time_msec() + SAMPLE_MSEC;

    size_t n = cut_stuck(sp);
    if (!n && pressure == SLOW_OVERLOAD) {
        struct connection *slow = find_slow(sp);

        n = slow ? cut(slow, "slower than others") : 0;
    }
    return n;
}

size_t
slow_peers_cut_all(struct slow_peers *sp)
{
    struct connection *c;
    size_t n = 0;

    look(sp);
    HMAP_FOR_EACH (c, node, &sp->connections) {
        n += socket_fd_cut(c->fd, c->inode);
    }
    forget_all(sp);
    return n;
}

void
slow_peers_wait(const struct slow_peers *sp)
{
    if (sp->look_at != LLONG_MAX) {
        poll_timer_wait_until(sp->look_at);
    }
}

size_t
slow_peers_n_behind(const struct slow_peers *sp)
{
    return sp->n_behind;
}
