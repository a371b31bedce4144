/* SPDX-License-Identifier: Apache-2.0
 *
 * next-hop-underlay: the device that tunnelled packets leave by. */

#include <config.h>

#include "apply/next-hop-underlay.h"

#include <errno.h>
#include <ifaddrs.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include "coverage.h"
#include "netlink-notifier.h"
#include "netlink-socket.h"
#include "openvswitch/ofpbuf.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "packets.h"
#include "rtnetlink.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(next_hop_underlay);

COVERAGE_DEFINE(underlay_read);

/* Multicast groups of rtnetlink. */
enum { GROUP_LINK, GROUP_IPV4, GROUP_IPV6, N_GROUPS };
static const int groups[N_GROUPS] = {
    [GROUP_LINK] = RTNLGRP_LINK,
    [GROUP_IPV4] = RTNLGRP_IPV4_IFADDR,
    [GROUP_IPV6] = RTNLGRP_IPV6_IFADDR,
};

struct prefix {
    struct in6_addr address;    /* IPv4 mapped. */
    struct in6_addr mask;
};

struct underlay {
    struct in6_addr host_ip;
    char *device;               /* Null: none. */
    bool exists;                /* Has any device 'host_ip', lo included? */
    int ifindex;
    struct prefix *prefixes;
    size_t n_prefixes;

    /* Changes. */
    struct nln *nln;
    struct nln_notifier *notifiers[N_GROUPS];
    struct rtnetlink_change change; /* Last one received. */
    bool stale;                 /* Something has changed... */
    bool touched;               /* ...namely the device. */
    long long int next_read;    /* Not before this time. */
};

static void underlay_read(struct underlay *);

/* Notifications. */

/* Parses a notification.  Returns its multicast group, or 0. */
static int
parse_change(struct ofpbuf *buf, void *change_)
{
    struct rtnetlink_change *change = change_;

    if (!rtnetlink_parse(buf, change)) {
        return 0;
    } else if (rtnetlink_type_is_rtnlgrp_link(change->nlmsg_type)) {
        return RTNLGRP_LINK;
    } else {
        const struct ifaddrmsg *ifaddr
            = ofpbuf_at_assert(buf, NLMSG_HDRLEN, sizeof *ifaddr);

        return (ifaddr->ifa_family == AF_INET
                ? RTNLGRP_IPV4_IFADDR
                : RTNLGRP_IPV6_IFADDR);
    }
}

static void
note_change(const void *change_, void *underlay_)
{
    const struct rtnetlink_change *change = change_;
    struct underlay *underlay = underlay_;

    if (change && change->irrelevant) {
        return;
    }
    if (!underlay->stale) {
        long long int settled = time_msec() + UNDERLAY_SETTLE_MSEC;

        underlay->stale = true;
        underlay->next_read = MAX(underlay->next_read, settled);
    }
    if (!change || change->if_index == underlay->ifindex) {
        underlay->touched = true;
    }
}

struct underlay *
underlay_create(const struct in6_addr *host_ip)
{
    struct underlay *underlay = xzalloc(sizeof *underlay);

    underlay->host_ip = *host_ip;
    underlay->nln = nln_create(NETLINK_ROUTE, parse_change,
                               &underlay->change);
    for (int i = 0; i < N_GROUPS; i++) {
        underlay->notifiers[i] = nln_notifier_create(
            underlay->nln, groups[i], note_change, underlay);
    }
    underlay_read(underlay);
    underlay->touched = false;
    return underlay;
}

void
underlay_destroy(struct underlay *underlay)
{
    if (underlay) {
        for (int i = 0; i < N_GROUPS; i++) {
            nln_notifier_destroy(underlay->notifiers[i]);
        }
        nln_destroy(underlay->nln);
        free(underlay->device);
        free(underlay->prefixes);
        free(underlay);
    }
}

/* Addresses. */

/* Converts 'sa' to '*ip'.  Returns false if it is not an address of IP. */
static bool
sockaddr_to_in6(const struct sockaddr *sa, struct in6_addr *ip)
{
    if (sa && sa->sa_family == AF_INET) {
        struct sockaddr_in sin;

        memcpy(&sin, sa, sizeof sin);
        in6_addr_set_mapped_ipv4(ip, sin.sin_addr.s_addr);
        return true;
    } else if (sa && sa->sa_family == AF_INET6) {
        struct sockaddr_in6 sin6;

        memcpy(&sin6, sa, sizeof sin6);
        *ip = sin6.sin6_addr;
        return true;
    }
    return false;
}

/* Returns the name of the device that owns 'host_ip', owned by the caller, or
 * null.  Stores in '*exists' whether there is one or lo has the address. */
static char *
find_device(const struct ifaddrs *addrs, const struct in6_addr *host_ip,
            bool *exists)
{
    *exists = false;
    for (const struct ifaddrs *ifa = addrs; ifa; ifa = ifa->ifa_next) {
        struct in6_addr ip;

        if (!sockaddr_to_in6(ifa->ifa_addr, &ip)
            || !ipv6_addr_equals(&ip, host_ip)) {
            continue;
        }
        *exists = true;
        if (!(ifa->ifa_flags & IFF_LOOPBACK)) {
            /* IPv4 addresses may have a label such as "eth0:1". */
            return xmemdup0(ifa->ifa_name, strcspn(ifa->ifa_name, ":"));
        }
    }
    return NULL;
}

/* Stores the prefixes of 'device' in '*prefixesp', owned by the caller, and
 * returns their number. */
static size_t
find_prefixes(const struct ifaddrs *addrs, const char *device,
              struct prefix **prefixesp)
{
    size_t len = strlen(device);
    size_t n = 0, allocated = 0;

    *prefixesp = NULL;
    for (const struct ifaddrs *ifa = addrs; ifa; ifa = ifa->ifa_next) {
        struct prefix prefix;

        if (strncmp(ifa->ifa_name, device, len)
            || (ifa->ifa_name[len] && ifa->ifa_name[len] != ':')
            || !sockaddr_to_in6(ifa->ifa_addr, &prefix.address)
            || !sockaddr_to_in6(ifa->ifa_netmask, &prefix.mask)) {
            continue;
        }
        if (IN6_IS_ADDR_V4MAPPED(&prefix.address)) {
            memset(&prefix.mask, 0xff, 12);
        }
        if (n >= allocated) {
            *prefixesp = x2nrealloc(*prefixesp, &allocated,
                                    sizeof **prefixesp);
        }
        (*prefixesp)[n++] = prefix;
    }
    return n;
}

static bool
prefixes_equal(const struct prefix *a, size_t n_a,
               const struct prefix *b, size_t n_b)
{
    return n_a == n_b && (!n_a || !memcmp(a, b, n_a * sizeof *a));
}

/* Reads the addresses of all devices.  Sets 'touched' if the result is another
 * than before. */
static void
underlay_read(struct underlay *underlay)
{
    static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(1, 5);
    struct ifaddrs *addrs;

    COVERAGE_INC(underlay_read);
    underlay->stale = false;
    underlay->next_read = time_msec() + UNDERLAY_READ_MSEC;
    if (getifaddrs(&addrs)) {
        VLOG_WARN_RL(&rl, "cannot read network addresses: %s",
                     ovs_strerror(errno));
        return;
    }

    char *device = find_device(addrs, &underlay->host_ip,
                               &underlay->exists);
    int ifindex = device ? if_nametoindex(device) : 0;
    struct prefix *prefixes = NULL;
    size_t n = device ? find_prefixes(addrs, device, &prefixes) : 0;
    freeifaddrs(addrs);

    if (!nullable_string_is_equal(device, underlay->device)
        || ifindex != underlay->ifindex
        || !prefixes_equal(prefixes, n, underlay->prefixes,
                           underlay->n_prefixes)) {
        underlay->touched = true;
    }
    free(underlay->device);
    free(underlay->prefixes);
    underlay->device = device;
    underlay->ifindex = ifindex;
    underlay->prefixes = prefixes;
    underlay->n_prefixes = n;
}

bool
underlay_run(struct underlay *underlay)
{
    nln_run(underlay->nln);
    if (!underlay->stale || time_msec() < underlay->next_read) {
        return false;
    }
    underlay_read(underlay);

    bool touched = underlay->touched;
    underlay->touched = false;
    return touched;
}

void
underlay_wait(struct underlay *underlay)
{
    nln_wait(underlay->nln);
    if (underlay->stale) {
        poll_timer_wait_until(underlay->next_read);
    }
}

bool
underlay_exists(const struct underlay *underlay)
{
    return underlay->exists;
}

const char *
underlay_device(const struct underlay *underlay)
{
    return underlay->device;
}

int
underlay_ifindex(const struct underlay *underlay)
{
    return underlay->ifindex;
}

bool
underlay_is_on_link(const struct underlay *underlay,
                    const struct in6_addr *ip)
{
    bool on_link = false;

    for (size_t i = 0; i < underlay->n_prefixes; i++) {
        const struct prefix *prefix = &underlay->prefixes[i];
        struct in6_addr a = ipv6_addr_bitand(ip, &prefix->mask);
        struct in6_addr b = ipv6_addr_bitand(&prefix->address, &prefix->mask);

        if (ipv6_addr_equals(ip, &prefix->address)) {
            return false;
        }
        on_link = on_link || ipv6_addr_equals(&a, &b);
    }
    return on_link;
}
