/* SPDX-License-Identifier: Apache-2.0
 *
 * next-hop-vswitchd: next hops in vswitchd's own neighbour cache.
 *
 * For datapaths of type "netdev".  The cache is reached through vswitchd's
 * control socket; an entry names the bridge whose local port the packet leaves
 * by, which is the device that owns the address of the tunnel's end. */

#include <config.h>

#include "apply/next-hop-provider.h"

#include <stdlib.h>
#include <string.h>
#include "apply/unixctl-client.h"
#include "coverage.h"
#include "fault-point.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "packets.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(next_hop_vswitchd);

COVERAGE_DEFINE(next_hop_vswitchd_set);
COVERAGE_DEFINE(next_hop_vswitchd_show);

/* Most requests without a reply at a time. */
#define MAX_PENDING 40

struct nh_vswitchd {
    struct nh_cache up;
    struct next_hop *nh;
    char *bridge;
    struct unixctl_client *client;
    unsigned int seqno;         /* Of 'client', last seen. */
    bool looking;               /* tnl/neigh/show is pending. */
};

/* A tnl/neigh/set that is pending. */
struct set_request {
    struct nh_vswitchd *vswitchd;
    struct in6_addr ip;
    struct eth_addr mac;
};

static struct nh_vswitchd *
nh_vswitchd_cast(const struct nh_cache *cache)
{
    return CONTAINER_OF(cache, struct nh_vswitchd, up);
}

static struct nh_cache *
nh_vswitchd_create(struct next_hop *nh, const char *device,
                   int ifindex OVS_UNUSED)
{
    struct nh_vswitchd *vswitchd = xmalloc(sizeof *vswitchd);

    *vswitchd = (struct nh_vswitchd) {
        .up.class = &nh_vswitchd_class,
        .nh = nh,
        .bridge = xstrdup(device),
        .client = unixctl_client_open("ovs-vswitchd"),
    };
    return &vswitchd->up;
}

static void
nh_vswitchd_destroy(struct nh_cache *cache)
{
    struct nh_vswitchd *vswitchd = nh_vswitchd_cast(cache);

    /* Puts hosts that wait for replies back. */
    unixctl_client_close(vswitchd->client);
    free(vswitchd->bridge);
    free(vswitchd);
}

/* Looking. */

static bool
parse_ip(const char *s, struct in6_addr *ip)
{
    ovs_be32 ip4;

    if (ip_parse(s, &ip4)) {
        in6_addr_set_mapped_ipv4(ip, ip4);
        return true;
    }
    return ipv6_parse(s, ip);
}

/* Considers a line of tnl/neigh/show. */
static void
handle_entry(struct nh_vswitchd *vswitchd, const char *line)
{
    char ip_s[INET6_ADDRSTRLEN], bridge[16];
    struct eth_addr mac;
    struct in6_addr ip;
    int n;

    if (!ovs_scan(line, "%45s "ETH_ADDR_SCAN_FMT" %15s%n",
                  ip_s, ETH_ADDR_SCAN_ARGS(mac), bridge, &n)
        || strcmp(bridge, vswitchd->bridge)
        || strstr(line + n, "STALE")
        || !parse_ip(ip_s, &ip)) {
        return;
    }

    struct nh_host *host = nh_find(vswitchd->nh, &ip);
    if (!host || host->state != NH_LOOKING) {
        return;
    }
    switch (nh_judge(host, &mac)) {
    case NH_ABSENT:
        nh_set_state(vswitchd->nh, host, NH_SET);
        break;

    case NH_RIGHT:
        if (host->refresh) {
            /* Setting it again makes it young. */
            nh_set_state(vswitchd->nh, host, NH_SET);
        } else {
            nh_done(vswitchd->nh, host, NH_OUTCOME_INSTALLED);
        }
        break;

    case NH_LEARNED:
        nh_done(vswitchd->nh, host, NH_OUTCOME_LEARNED);
        break;
    }
}

static void
show_cb(enum unixctl_outcome outcome, const char *text, void *vswitchd_)
{
    struct nh_vswitchd *vswitchd = vswitchd_;

    vswitchd->looking = false;
    if (outcome == UNIXCTL_LOST) {
        nh_move_all(vswitchd->nh, NH_LOOKING, NH_CHECK);
        return;
    }
    if (outcome == UNIXCTL_DONE) {
        char *copy = xstrdup(text);
        char *save_ptr = NULL;

        for (char *line = strtok_r(copy, "\n", &save_ptr); line;
             line = strtok_r(NULL, "\n", &save_ptr)) {
            handle_entry(vswitchd, line);
        }
        free(copy);
    }

    /* The others are not there. */
    struct nh_host *host;

    while ((host = nh_first(vswitchd->nh, NH_LOOKING))) {
        if (outcome == UNIXCTL_DONE) {
            nh_missing(vswitchd->nh, host);
        }
        nh_set_state(vswitchd->nh, host, NH_SET);
    }
}

/* Setting. */

static void
set_cb(enum unixctl_outcome outcome, const char *text, void *request_)
{
    static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(1, 5);
    struct set_request *request = request_;
    struct next_hop *nh = request->vswitchd->nh;
    struct nh_host *host = nh_find(nh, &request->ip);

    if (FAULT_POINT_NOW(NEXT_HOP_SET_AFTER)) {
        outcome = UNIXCTL_LOST;
    }

    /* Meanwhile, it may have become unwanted or another. */
    if (host && host->state == NH_SETTING
        && eth_addr_equals(host->mac, request->mac)) {
        switch (outcome) {
        case UNIXCTL_DONE:
            nh_done(nh, host, NH_OUTCOME_INSTALLED);
            break;

        case UNIXCTL_REFUSED:
            VLOG_WARN_RL(&rl, "tnl/neigh/set refused: %s", text);
            nh_done(nh, host, NH_OUTCOME_FAILED);
            break;

        case UNIXCTL_LOST:
            nh_set_state(nh, host, NH_CHECK);
            break;
        }
    }
    free(request);
}

static void
send_set(struct nh_vswitchd *vswitchd, struct nh_host *host)
{
    struct set_request *request = xmalloc(sizeof *request);
    char ip[INET6_ADDRSTRLEN];
    char mac[ETH_ADDR_STRLEN + 1];

    *request = (struct set_request) {
        .vswitchd = vswitchd, .ip = host->ip, .mac = host->mac,
    };
    ipv6_string_mapped(ip, &host->ip);
    snprintf(mac, sizeof mac, ETH_ADDR_FMT, ETH_ADDR_ARGS(host->mac));
    nh_set_state(vswitchd->nh, host, NH_SETTING);
    COVERAGE_INC(next_hop_vswitchd_set);
    unixctl_client_send(vswitchd->client, set_cb, request,
                        "tnl/neigh/set", vswitchd->bridge, ip, mac, NULL);
}

/* Running. */

/* True if something can be sent. */
static bool
has_work(const struct nh_vswitchd *vswitchd)
{
    return (unixctl_client_is_connected(vswitchd->client)
            && (unixctl_client_n_pending(vswitchd->client) < MAX_PENDING)
            && (nh_first(vswitchd->nh, NH_SET)
                || (!vswitchd->looking
                    && nh_first(vswitchd->nh, NH_CHECK))));
}

static void
nh_vswitchd_run(struct nh_cache *cache)
{
    struct nh_vswitchd *vswitchd = nh_vswitchd_cast(cache);

    if (!nh_has_hosts(vswitchd->nh)) {
        return;
    }
    unixctl_client_run(vswitchd->client);

    unsigned int seqno = unixctl_client_seqno(vswitchd->client);
    if (seqno != vswitchd->seqno) {
        vswitchd->seqno = seqno;
        nh_recheck(vswitchd->nh);
    }
    while (has_work(vswitchd)) {
        struct nh_host *host = nh_first(vswitchd->nh, NH_SET);

        if (host) {
            enum fault_verdict verdict = FAULT_POINT(NEXT_HOP_SET_BEFORE);

            if (verdict == FAULT_STALL) {
                break;
            } else if (verdict == FAULT_FAIL) {
                nh_set_state(vswitchd->nh, host, NH_CHECK);
            } else {
                send_set(vswitchd, host);
            }
        } else {
            nh_move_all(vswitchd->nh, NH_CHECK, NH_LOOKING);
            vswitchd->looking = true;
            COVERAGE_INC(next_hop_vswitchd_show);
            unixctl_client_send(vswitchd->client, show_cb, vswitchd,
                                "tnl/neigh/show", NULL);
        }
    }
}

static void
nh_vswitchd_wait(struct nh_cache *cache)
{
    struct nh_vswitchd *vswitchd = nh_vswitchd_cast(cache);

    if (nh_has_hosts(vswitchd->nh)) {
        unixctl_client_wait(vswitchd->client);
        if (has_work(vswitchd)) {
            poll_immediate_wake();
        }
    }
}

static void
nh_vswitchd_hurry(struct nh_cache *cache)
{
    unixctl_client_hurry(nh_vswitchd_cast(cache)->client);
}

static bool
nh_vswitchd_is_reachable(const struct nh_cache *cache)
{
    return !unixctl_client_is_unreachable(nh_vswitchd_cast(cache)->client);
}

const struct nh_cache_class nh_vswitchd_class = {
    .name = "cache of ovs-vswitchd",
    .can_remove = false,
    .create = nh_vswitchd_create,
    .destroy = nh_vswitchd_destroy,
    .run = nh_vswitchd_run,
    .wait = nh_vswitchd_wait,
    .hurry = nh_vswitchd_hurry,
    .is_reachable = nh_vswitchd_is_reachable,
};
