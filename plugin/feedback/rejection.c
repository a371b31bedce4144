/* SPDX-License-Identifier: Apache-2.0
 *
 * rejection: hears from hosts that they do not take what tunnels bring. */

#include <config.h>

#include "feedback/rejection.h"

#include <errno.h>
#include <limits.h>
#include <linux/icmp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "feedback/oam-socket.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/token-bucket.h"
#include "openvswitch/vlog.h"
#include "packets.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(rejection);

/* Tokens, of which there is one more every millisecond. */
#define COST (1000 / REJECTION_MAX_PER_SEC)

/* The headers up to the quoted UDP header, with all options. */
#define MAX_HEADERS (60 + ICMP_HEADER_LEN + 60 + UDP_HEADER_LEN)

struct rejections {
    struct in6_addr host_ip;    /* All zeros: nowhere. */
    int ifindex;                /* See oam_sockets_set_device(). */
    int fd;                     /* -1: not open. */
    long long int retry;        /* Then, when to try it again. */
    struct token_bucket budget;
};

/* Returns the length of the IPv4 header at 'p', of which there are 'len'
 * bytes, if 'more' bytes follow it; else 0. */
static size_t
header_len(const uint8_t *p, size_t len, size_t more)
{
    size_t n = len ? 4 * (p[0] & 15) : 0;

    return (n >= IP_HEADER_LEN && p[0] >> 4 == 4 && len >= n + more ? n : 0);
}

static bool
is_rejection(uint8_t type, uint8_t code)
{
    if (type != ICMP_DEST_UNREACH) {
        return false;
    }
    switch (code) {
    case ICMP_HOST_UNREACH:
    case ICMP_PROT_UNREACH:
    case ICMP_PORT_UNREACH:
    case ICMP_NET_ANO:
    case ICMP_HOST_ANO:
    case ICMP_PKT_FILTERED:
        return true;
    default:
        return false;           /* Too big, or of the network. */
    }
}

bool
rejection_parse(const void *packet, size_t len, ovs_be32 self,
                uint16_t tunnel_port, ovs_be32 *host)
{
    const uint8_t *ip = packet;
    size_t n = header_len(ip, len, ICMP_HEADER_LEN + IP_HEADER_LEN);

    if (!n || ip[9] != IPPROTO_ICMP || !is_rejection(ip[n], ip[n + 1])) {
        return false;
    }

    const uint8_t *quoted = ip + n + ICMP_HEADER_LEN;
    size_t m = header_len(quoted, len - n - ICMP_HEADER_LEN, UDP_HEADER_LEN);

    if (!m || quoted[9] != IPPROTO_UDP || quoted[6] & 0x1f || quoted[7]
        || memcmp(quoted + 12, &self, sizeof self)
        || memcmp(quoted + 16, ip + 12, sizeof *host)
        || (quoted[m + 2] << 8 | quoted[m + 3]) != tunnel_port) {
        return false;
    }
    memcpy(host, ip + 12, sizeof *host);
    return true;
}

struct rejections *
rejections_create(void)
{
    struct rejections *r = xzalloc(sizeof *r);

    r->fd = -1;
    token_bucket_init(&r->budget, 1, REJECTION_MAX_PER_SEC * COST);
    return r;
}

static void
close_socket(struct rejections *r)
{
    if (r->fd >= 0) {
        close(r->fd);
        r->fd = -1;
    }
}

void
rejections_destroy(struct rejections *r)
{
    if (r) {
        close_socket(r);
        free(r);
    }
}

/* Returns a positive errno value, or 0. */
static int
open_socket(struct rejections *r)
{
    const struct icmp_filter filter = { ~(1u << ICMP_DEST_UNREACH) };
    const struct sockaddr_in sin = {
        .sin_family = AF_INET,
        .sin_addr = { in6_addr_get_mapped_ipv4(&r->host_ip) },
    };

    r->fd = socket(AF_INET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC,
                   IPPROTO_ICMP);
    if (r->fd < 0) {
        return errno;
    }
    int error = oam_socket_bind_device(r->fd, r->ifindex);
    if (!error
        && (setsockopt(r->fd, SOL_RAW, ICMP_FILTER, &filter, sizeof filter)
            || bind(r->fd, (const struct sockaddr *) &sin, sizeof sin))) {
        error = errno;
    }
    if (error) {
        close_socket(r);
    }
    return error;
}

void
rejections_set(struct rejections *r, const struct in6_addr *host_ip)
{
    if (!ipv6_addr_equals(&r->host_ip, host_ip)) {
        close_socket(r);
        r->host_ip = *host_ip;
        r->retry = LLONG_MIN;
    }
}

void
rejections_set_device(struct rejections *r, int ifindex)
{
    if (r->ifindex != ifindex) {
        close_socket(r);
        r->ifindex = ifindex;
        r->retry = LLONG_MIN;
    }
}

/* Opens the socket if there should be one. */
static void
open_missing(struct rejections *r)
{
    static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(1, 1);
    int error;

    if (r->fd < 0 && IN6_IS_ADDR_V4MAPPED(&r->host_ip)
        && time_msec() >= r->retry) {
        error = open_socket(r);
        r->retry = time_msec() + REJECTION_RETRY_MSEC;
        if (error) {
            VLOG_INFO_RL(&rl, "rejections of other hosts are not heard: %s",
                         ovs_strerror(error));
        }
    }
}

void
rejections_run(struct rejections *r, uint16_t tunnel_port,
               void (*cb)(ovs_be32 host, void *aux), void *aux)
{
    ovs_be32 self = in6_addr_get_mapped_ipv4(&r->host_ip);

    open_missing(r);
    for (int i = 0; r->fd >= 0 && i < REJECTION_BATCH; i++) {
        uint8_t packet[MAX_HEADERS];
        ssize_t n = recv(r->fd, packet, sizeof packet, 0);
        ovs_be32 host;

        if (n < 0) {
            break;
        }
        if (rejection_parse(packet, n, self, tunnel_port, &host)
            && token_bucket_withdraw(&r->budget, COST)) {
            cb(host, aux);
        }
    }
}

void
rejections_wait(const struct rejections *r)
{
    if (r->fd >= 0) {
        poll_fd_wait(r->fd, POLLIN);
    } else if (IN6_IS_ADDR_V4MAPPED(&r->host_ip)) {
        poll_timer_wait_until(r->retry);
    }
}
