/* SPDX-License-Identifier: Apache-2.0
 *
 * next-hop-kernel: next hops in the kernel's neighbour table.
 *
 * For datapaths of type "system".  Talks rtnetlink, in batches; the kernel
 * answers at once, so no host is ever in NH_LOOKING or NH_SETTING. */

#include <config.h>

#include "apply/next-hop-provider.h"

#include <errno.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include "coverage.h"
#include "fault-point.h"
#include "netlink.h"
#include "netlink-socket.h"
#include "openvswitch/ofpbuf.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "packets.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(next_hop_kernel);

COVERAGE_DEFINE(next_hop_kernel_set);
COVERAGE_DEFINE(next_hop_kernel_remove);

/* Hosts in a batch, and batches in a run. */
#define BATCH_SIZE 64
#define MAX_BATCHES 8

/* States in which an entry has a MAC. */
#define NUD_WITH_MAC (NUD_PERMANENT | NUD_NOARP | NUD_REACHABLE | NUD_STALE \
                      | NUD_DELAY | NUD_PROBE)

struct nh_kernel {
    struct nh_cache up;
    struct next_hop *nh;
    char *device;
    int ifindex;
};

/* What the kernel has on a host. */
struct entry {
    bool known;                 /* False: the kernel cannot be asked. */
    uint16_t state;             /* NUD_*, 0 if there is no entry. */
    struct eth_addr mac;        /* If 'state' is one of NUD_WITH_MAC. */
};

/* A request about a host. */
struct request {
    struct nh_host *host;
    struct entry entry;
    struct nl_transaction txn;
    struct ofpbuf msg;
    struct ofpbuf reply;
    uint64_t msg_stub[128 / 8];
    uint64_t reply_stub[512 / 8];
};

struct batch {
    struct request requests[BATCH_SIZE];
    size_t n;
};

static struct nh_kernel *
nh_kernel_cast(const struct nh_cache *cache)
{
    return CONTAINER_OF(cache, struct nh_kernel, up);
}

static struct nh_cache *
nh_kernel_create(struct next_hop *nh, const char *device, int ifindex)
{
    struct nh_kernel *kernel = xmalloc(sizeof *kernel);

    *kernel = (struct nh_kernel) {
        .up.class = &nh_kernel_class,
        .nh = nh,
        .device = xstrdup(device),
        .ifindex = ifindex,
    };
    return &kernel->up;
}

static void
nh_kernel_destroy(struct nh_cache *cache)
{
    struct nh_kernel *kernel = nh_kernel_cast(cache);

    free(kernel->device);
    free(kernel);
}

/* Requests. */

/* Starts a request about 'host'. */
static void
request_put(struct nh_kernel *kernel, struct request *request, uint16_t type,
            uint16_t flags)
{
    const struct nh_host *host = request->host;
    ovs_be32 ip4 = in6_addr_get_mapped_ipv4(&host->ip);
    struct ndmsg ndm = {
        .ndm_family = ip4 ? AF_INET : AF_INET6,
        .ndm_ifindex = kernel->ifindex,
        .ndm_state = type == RTM_NEWNEIGH ? NUD_STALE : 0,
    };
    struct ofpbuf *msg = &request->msg;

    ofpbuf_use_stub(msg, request->msg_stub, sizeof request->msg_stub);
    nl_msg_put_nlmsghdr(msg, sizeof ndm, type, NLM_F_REQUEST | flags);
    nl_msg_put(msg, &ndm, sizeof ndm);
    if (ip4) {
        nl_msg_put_be32(msg, NDA_DST, ip4);
    } else {
        nl_msg_put_in6_addr(msg, NDA_DST, &host->ip);
    }
    if (type == RTM_NEWNEIGH) {
        nl_msg_put_unspec(msg, NDA_LLADDR, &host->mac, sizeof host->mac);
    }
    ofpbuf_use_stub(&request->reply, request->reply_stub,
                    sizeof request->reply_stub);
    request->txn = (struct nl_transaction) {
        .request = msg,
        .reply = type == RTM_GETNEIGH ? &request->reply : NULL,
    };
}

/* Sends the requests of 'batch', which have been started, and awaits the
 * replies. */
static void
batch_transact(struct batch *batch)
{
    struct nl_transaction *txns[BATCH_SIZE];

    for (size_t i = 0; i < batch->n; i++) {
        txns[i] = &batch->requests[i].txn;
    }
    nl_transact_multiple(NETLINK_ROUTE, txns, batch->n);
}

static void
request_clear(struct request *request)
{
    ofpbuf_uninit(&request->msg);
    ofpbuf_uninit(&request->reply);
}

/* Asking. */

/* Parses the reply to RTM_GETNEIGH into 'entry'. */
static void
entry_parse(const struct nl_transaction *txn, struct entry *entry)
{
    static const struct nl_policy policy[] = {
        [NDA_LLADDR] = { .type = NL_A_UNSPEC, .optional = true },
    };
    struct nlattr *attrs[ARRAY_SIZE(policy)];

    /* Kernels before 5.0 cannot be asked about one entry. */
    *entry = (struct entry) { .known = !txn->error || txn->error == ENOENT };
    if (txn->error
        || !txn->reply
        || txn->reply->size < NLMSG_HDRLEN + sizeof(struct ndmsg)
        || !nl_policy_parse(txn->reply, NLMSG_HDRLEN + sizeof(struct ndmsg),
                            policy, attrs, ARRAY_SIZE(policy))) {
        return;
    }

    const struct ndmsg *ndm = ofpbuf_at_assert(txn->reply, NLMSG_HDRLEN,
                                               sizeof *ndm);
    if (attrs[NDA_LLADDR]
        && nl_attr_get_size(attrs[NDA_LLADDR]) == sizeof entry->mac) {
        entry->state = ndm->ndm_state;
        memcpy(&entry->mac, nl_attr_get(attrs[NDA_LLADDR]),
               sizeof entry->mac);
    }
}

/* Moves up to BATCH_SIZE hosts from 'state' into 'batch' and finds out what
 * the kernel has on them. */
static void
batch_ask(struct nh_kernel *kernel, enum nh_state state, struct batch *batch)
{
    struct nh_host *host;

    batch->n = 0;
    while (batch->n < BATCH_SIZE && (host = nh_first(kernel->nh, state))) {
        struct request *request = &batch->requests[batch->n++];

        request->host = host;
        nh_set_state(kernel->nh, host, NH_LOOKING);
        request_put(kernel, request, RTM_GETNEIGH, 0);
    }
    batch_transact(batch);

    /* nl_transact_multiple() may have swapped replies among the requests, so
     * none may go before all have been read. */
    for (size_t i = 0; i < batch->n; i++) {
        entry_parse(&batch->requests[i].txn, &batch->requests[i].entry);
    }
    for (size_t i = 0; i < batch->n; i++) {
        request_clear(&batch->requests[i]);
    }
}

/* Setting. */

/* Decides on a host.  Returns true if it is to be set, otherwise is done with
 * it. */
static bool
must_set(struct nh_kernel *kernel, struct nh_host *host,
         const struct entry *entry)
{
    bool has_mac = entry->state & NUD_WITH_MAC;

    if (!has_mac) {
        nh_missing(kernel->nh, host);
    }

    enum nh_verdict verdict = nh_judge(host, has_mac ? &entry->mac : NULL);

    if (verdict == NH_RIGHT) {
        nh_done(kernel->nh, host, NH_OUTCOME_INSTALLED);
        return false;
    } else if (verdict == NH_LEARNED
               || entry->state & (NUD_PERMANENT | NUD_NOARP)) {
        nh_done(kernel->nh, host, NH_OUTCOME_LEARNED);
        return false;
    }
    return true;
}

static void
handle_set(struct nh_kernel *kernel, struct nh_host *host, int error)
{
    static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(1, 5);

    if (FAULT_POINT_NOW(NEXT_HOP_SET_AFTER)) {
        nh_set_state(kernel->nh, host, NH_CHECK);
        return;
    }
    if (!error || error == EEXIST) {
        nh_done(kernel->nh, host, NH_OUTCOME_INSTALLED);
        return;
    }

    char ip[INET6_ADDRSTRLEN];
    VLOG_WARN_RL(&rl, "%s: cannot add neighbour %s: %s%s", kernel->device,
                 ipv6_string_mapped(ip, &host->ip), ovs_strerror(error),
                 (error == ENOBUFS
                  ? " (net.ipv4.neigh.default.gc_thresh3 may be too small)"
                  : ""));
    nh_done(kernel->nh, host, NH_OUTCOME_FAILED);
}

/* Deals with up to BATCH_SIZE hosts in 'state'. */
static void
set_batch(struct nh_kernel *kernel, enum nh_state state)
{
    struct batch batch;
    size_t n = 0;

    if (FAULT_POINT_NOW(NEXT_HOP_SET_BEFORE)) {
        return;
    }
    batch_ask(kernel, state, &batch);
    for (size_t i = 0; i < batch.n; i++) {
        struct nh_host *host = batch.requests[i].host;
        struct entry entry = batch.requests[i].entry;

        if (must_set(kernel, host, &entry)) {
            struct request *request = &batch.requests[n++];

            /* Without knowing, overwrite nothing. */
            COVERAGE_INC(next_hop_kernel_set);
            request->host = host;
            request_put(kernel, request, RTM_NEWNEIGH,
                        NLM_F_ACK | NLM_F_CREATE
                        | (entry.known ? NLM_F_REPLACE : NLM_F_EXCL));
        }
    }
    batch.n = n;
    batch_transact(&batch);
    for (size_t i = 0; i < n; i++) {
        struct request *request = &batch.requests[i];

        handle_set(kernel, request->host, request->txn.error);
        request_clear(request);
    }
}

/* Removing. */

/* Deals with up to BATCH_SIZE hosts in NH_REMOVE. */
static void
remove_batch(struct nh_kernel *kernel)
{
    struct batch batch;
    size_t n = 0;

    batch_ask(kernel, NH_REMOVE, &batch);
    for (size_t i = 0; i < batch.n; i++) {
        struct nh_host *host = batch.requests[i].host;
        struct entry entry = batch.requests[i].entry;

        if (entry.state == NUD_STALE
            && eth_addr_equals(entry.mac, host->mac)) {
            struct request *request = &batch.requests[n++];

            COVERAGE_INC(next_hop_kernel_remove);
            request->host = host;
            request_put(kernel, request, RTM_DELNEIGH, NLM_F_ACK);
        } else {
            nh_removed(kernel->nh, host);
        }
    }
    batch.n = n;
    batch_transact(&batch);
    for (size_t i = 0; i < n; i++) {
        struct request *request = &batch.requests[i];

        /* If it is gone or refused: nothing else can be done. */
        nh_removed(kernel->nh, request->host);
        request_clear(request);
    }
}

/* Running. */

static bool
has_work(const struct nh_kernel *kernel)
{
    return (nh_first(kernel->nh, NH_REMOVE)
            || nh_first(kernel->nh, NH_SET)
            || nh_first(kernel->nh, NH_CHECK));
}

static void
nh_kernel_run(struct nh_cache *cache)
{
    struct nh_kernel *kernel = nh_kernel_cast(cache);

    for (int i = 0; i < MAX_BATCHES && has_work(kernel); i++) {
        if (nh_first(kernel->nh, NH_REMOVE)) {
            remove_batch(kernel);
        } else {
            set_batch(kernel, (nh_first(kernel->nh, NH_SET)
                               ? NH_SET : NH_CHECK));
        }
    }
}

static void
nh_kernel_wait(struct nh_cache *cache)
{
    if (has_work(nh_kernel_cast(cache))) {
        poll_immediate_wake();
    }
}

static bool
nh_kernel_is_reachable(const struct nh_cache *cache OVS_UNUSED)
{
    return true;
}

const struct nh_cache_class nh_kernel_class = {
    .name = "kernel",
    .can_remove = true,
    .create = nh_kernel_create,
    .destroy = nh_kernel_destroy,
    .run = nh_kernel_run,
    .wait = nh_kernel_wait,
    .is_reachable = nh_kernel_is_reachable,
};
