/* SPDX-License-Identifier: Apache-2.0
 *
 * oam-socket: takes OAM packets in. */

#define _GNU_SOURCE 1
#include <config.h>

#include "feedback/oam-socket.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "feedback/oam.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "packets.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(oam_socket);

/* Packets taken with one system call. */
#define N_AT_ONCE 64

/* What the kernel is asked to hold. */
#define RECEIVE_BUFFER (4 * 1024 * 1024)

struct oam_socket {
    uint16_t port;
    int fd;                     /* -1: could not be bound. */
};

struct oam_sockets {
    struct in6_addr host_ip;
    int ifindex;                /* See oam_sockets_set_device(). */
    struct oam_socket sockets[OAM_MAX_SOCKETS];
    size_t n;
    size_t next;                /* Whose turn it is to be first. */
    long long int retry;        /* Time for what could not be bound. */
    long long int counted;      /* Millisecond that 'n_counted' is of. */
    size_t n_counted;           /* Packets taken in that. */
    char *error;
};

struct oam_sockets *
oam_sockets_create(void)
{
    return xzalloc(sizeof(struct oam_sockets));
}

/* They are opened again when the next are received. */
static void
close_all(struct oam_sockets *os)
{
    for (size_t i = 0; i < os->n; i++) {
        if (os->sockets[i].fd >= 0) {
            close(os->sockets[i].fd);
            os->sockets[i].fd = -1;
        }
    }
    os->retry = 0;
}

void
oam_sockets_destroy(struct oam_sockets *os)
{
    if (os) {
        close_all(os);
        free(os->error);
        free(os);
    }
}

int
oam_socket_bind_device(int fd, int ifindex)
{
    return (ifindex < 0 ? ENODEV
            : ifindex && setsockopt(fd, SOL_SOCKET, SO_BINDTOIFINDEX,
                                    &ifindex, sizeof ifindex) ? errno
            : 0);
}

/* Returns the socket, or a negative errno value. */
static int
open_socket(const struct in6_addr *host_ip, int ifindex, uint16_t port)
{
    const struct sockaddr_in sin = {
        .sin_family = AF_INET, .sin_port = htons(port),
        .sin_addr = { in6_addr_get_mapped_ipv4(host_ip) },
    };
    int size = RECEIVE_BUFFER;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0) {
        return -errno;
    }
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size)) {
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    }

    int error = oam_socket_bind_device(fd, ifindex);
    if (!error && bind(fd, (const struct sockaddr *) &sin, sizeof sin)) {
        error = errno;
    }
    if (error) {
        close(fd);
    }
    return error ? -error : fd;
}

/* Opens those that are not. */
static void
open_missing(struct oam_sockets *os, long long int now)
{
    os->retry = now + OAM_SOCKET_RETRY_MSEC;
    free(os->error);
    os->error = NULL;
    for (size_t i = 0; i < os->n; i++) {
        struct oam_socket *s = &os->sockets[i];
        char ip[INET6_ADDRSTRLEN];

        if (s->fd >= 0) {
            continue;
        }
        s->fd = open_socket(&os->host_ip, os->ifindex, s->port);
        ipv6_string_mapped(ip, &os->host_ip);
        if (s->fd >= 0) {
            VLOG_INFO("listening to gateways at %s:%"PRIu16, ip, s->port);
        } else if (!os->error) {
            os->error = xasprintf("cannot listen to gateways at %s:%"PRIu16
                                  ": %s", ip, s->port,
                                  ovs_strerror(-s->fd));
        }
    }
}

static bool
is_same(const struct oam_sockets *os, const struct in6_addr *host_ip,
        const uint16_t *ports, size_t n)
{
    if (n != os->n || !ipv6_addr_equals(&os->host_ip, host_ip)) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        if (os->sockets[i].port != ports[i]) {
            return false;
        }
    }
    return true;
}

void
oam_sockets_set(struct oam_sockets *os, const struct in6_addr *host_ip,
                const uint16_t *ports, size_t n)
{
    n = IN6_IS_ADDR_V4MAPPED(host_ip) ? MIN(n, OAM_MAX_SOCKETS) : 0;
    if (is_same(os, host_ip, ports, n)) {
        return;
    }
    close_all(os);
    os->host_ip = *host_ip;
    for (os->n = 0; os->n < n; os->n++) {
        os->sockets[os->n] = (struct oam_socket) { ports[os->n], -1 };
    }
}

void
oam_sockets_set_device(struct oam_sockets *os, int ifindex)
{
    if (os->ifindex != ifindex) {
        os->ifindex = ifindex;
        close_all(os);
    }
}

/* Takes at most 'max' packets, and returns how many it took. */
static size_t
receive(const struct oam_socket *s, size_t max,
        void (*cb)(const struct oam_packet *, void *aux), void *aux)
{
    uint8_t data[N_AT_ONCE][OAM_INJECTION_LEN + 4];
    struct sockaddr_in from[N_AT_ONCE];
    struct mmsghdr msgs[N_AT_ONCE];
    struct iovec iov[N_AT_ONCE];
    size_t n = MIN(max, N_AT_ONCE);

    memset(msgs, 0, n * sizeof *msgs);
    for (size_t i = 0; i < n; i++) {
        iov[i] = (struct iovec) { data[i], sizeof data[i] };
        msgs[i].msg_hdr = (struct msghdr) {
            .msg_name = &from[i], .msg_namelen = sizeof from[i],
            .msg_iov = &iov[i], .msg_iovlen = 1,
        };
    }
    int retval = recvmmsg(s->fd, msgs, n, MSG_DONTWAIT, NULL);
    for (int i = 0; i < retval; i++) {
        const struct oam_packet packet = {
            .source = from[i].sin_addr.s_addr, .port = s->port,
            .data = data[i], .len = msgs[i].msg_len,
        };

        cb(&packet, aux);
    }
    return MAX(retval, 0);
}

void
oam_sockets_run(struct oam_sockets *os, long long int now,
                void (*cb)(const struct oam_packet *, void *aux), void *aux)
{
    size_t left = OAM_SOCKET_BATCH;

    if (os->n && now >= os->retry) {
        open_missing(os, now);
    }
    for (size_t i = 0; i < os->n; i++) {
        const struct oam_socket *s = &os->sockets[(os->next + i) % os->n];
        size_t n;

        do {
            n = s->fd >= 0 && left ? receive(s, left, cb, aux) : 0;
            left -= n;
        } while (n == N_AT_ONCE);
    }
    os->next++;
    if (now != os->counted) {
        os->counted = now;
        os->n_counted = 0;
    }
    os->n_counted += OAM_SOCKET_BATCH - left;
}

void
oam_sockets_wait(const struct oam_sockets *os)
{
    bool storm = os->n_counted >= OAM_SOCKET_STORM;

    if (storm) {
        poll_timer_wait_until(os->counted + 1);
    }
    for (size_t i = 0; i < os->n; i++) {
        if (os->sockets[i].fd >= 0) {
            if (!storm) {
                poll_fd_wait(os->sockets[i].fd, POLLIN);
            }
        } else {
            poll_timer_wait_until(os->retry);
        }
    }
}

const char *
oam_sockets_error(const struct oam_sockets *os)
{
    return os->error;
}
