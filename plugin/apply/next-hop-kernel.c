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
#include "apply/next-hop.h"
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
    bool ours;                  /* Made by an agent. */
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
        .ndm_state = (type != RTM_NEWNEIGH ? 0
                      : host->fixed ? NUD_NOARP : NUD_STALE),
        .ndm_flags = type == RTM_NEWNEIGH ? NTF_EXT_LEARNED : 0,
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
        nl_msg_put_u8(msg, NDA_PROTOCOL, NEXT_HOP_PROTOCOL);
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

/* Returns the header of RTM_NEWNEIGH in 'msg', and its attributes in 'attrs';
 * or null. */
static const struct ndmsg *
neigh_parse(const struct ofpbuf *msg, struct nlattr *attrs[NDA_PROTOCOL + 1])
{
    static const struct nl_policy policy[NDA_PROTOCOL + 1] = {
        [NDA_DST] = { .type = NL_A_UNSPEC, .optional = true },
        [NDA_LLADDR] = { .type = NL_A_UNSPEC, .optional = true },
        [NDA_PROTOCOL] = { .type = NL_A_U8, .optional = true },
    };

    return (msg->size >= NLMSG_HDRLEN + sizeof(struct ndmsg)
            && nl_policy_parse(msg, NLMSG_HDRLEN + sizeof(struct ndmsg),
                               policy, attrs, ARRAY_SIZE(policy))
            ? ofpbuf_at_assert(msg, NLMSG_HDRLEN, sizeof(struct ndmsg))
            : NULL);
}

static bool
is_ours(struct nlattr *attrs[NDA_PROTOCOL + 1])
{
    return (attrs[NDA_PROTOCOL]
            && nl_attr_get_u8(attrs[NDA_PROTOCOL]) == NEXT_HOP_PROTOCOL);
}

/* Parses the reply to RTM_GETNEIGH into 'entry'. */
static void
entry_parse(const struct nl_transaction *txn, struct entry *entry)
{
    struct nlattr *attrs[NDA_PROTOCOL + 1];
    const struct ndmsg *ndm;

    /* Kernels before 5.0 cannot be asked about one entry. */
    *entry = (struct entry) { .known = !txn->error || txn->error == ENOENT };
    if (txn->error || !txn->reply) {
        return;
    }
    ndm = neigh_parse(txn->reply, attrs);
    if (ndm && attrs[NDA_LLADDR]
        && nl_attr_get_size(attrs[NDA_LLADDR]) == sizeof entry->mac) {
        entry->ours = is_ours(attrs);
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

/* True if 'entry', which has the right MAC, is verified by use, or is not, as
 * it is to be. */
static bool
is_as_fixed(const struct nh_host *host, const struct entry *entry)
{
    return (host->fixed
            ? (entry->state & (NUD_PERMANENT | NUD_NOARP)) != 0
            : !(entry->ours && entry->state & NUD_NOARP));
}

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

    if (verdict == NH_RIGHT && is_as_fixed(host, entry)) {
        nh_done(kernel->nh, host, NH_OUTCOME_INSTALLED);
        return false;
    } else if (verdict == NH_LEARNED
               || (!entry->ours
                   && entry->state & (NUD_PERMANENT | NUD_NOARP))) {
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

        if ((entry.state == NUD_STALE
             || (entry.ours && entry.state == NUD_NOARP))
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

/* Stores in '*ip' the address of the entry 'msg' and returns true if an agent
 * has made it and nobody wants it. */
static bool
is_left_over(const struct nh_kernel *kernel, const struct ofpbuf *msg,
             struct in6_addr *ip)
{
    struct nlattr *attrs[NDA_PROTOCOL + 1];
    const struct ndmsg *ndm = neigh_parse(msg, attrs);

    if (!ndm || ndm->ndm_ifindex != kernel->ifindex || !is_ours(attrs)
        || !attrs[NDA_DST]) {
        return false;
    }
    if (ndm->ndm_family == AF_INET
        && nl_attr_get_size(attrs[NDA_DST]) == sizeof(ovs_be32)) {
        in6_addr_set_mapped_ipv4(ip, nl_attr_get_be32(attrs[NDA_DST]));
    } else if (ndm->ndm_family == AF_INET6
               && nl_attr_get_size(attrs[NDA_DST]) == sizeof *ip) {
        *ip = nl_attr_get_in6_addr(attrs[NDA_DST]);
    } else {
        return false;
    }
    return !nh_find(kernel->nh, ip);
}

/* Removes what an agent has left that was killed, up to BATCH_SIZE entries. */
static void
nh_kernel_sweep(struct nh_cache *cache)
{
    struct nh_kernel *kernel = nh_kernel_cast(cache);
    struct nh_host hosts[BATCH_SIZE];
    struct batch batch = { .n = 0 };
    struct ndmsg ndm = { .ndm_family = AF_UNSPEC };
    uint64_t stub[NL_DUMP_BUFSIZE / 8];
    struct ofpbuf request, msg, buffer;
    struct nl_dump dump;

    ofpbuf_init(&request, 0);
    nl_msg_put_nlmsghdr(&request, sizeof ndm, RTM_GETNEIGH, NLM_F_REQUEST);
    nl_msg_put(&request, &ndm, sizeof ndm);
    nl_dump_start(&dump, NETLINK_ROUTE, &request);
    ofpbuf_uninit(&request);

    ofpbuf_use_stub(&buffer, stub, sizeof stub);
    while (nl_dump_next(&dump, &msg, &buffer)) {
        struct nh_host *host = &hosts[batch.n];

        if (batch.n < BATCH_SIZE && is_left_over(kernel, &msg, &host->ip)) {
            COVERAGE_INC(next_hop_kernel_remove);
            batch.requests[batch.n].host = host;
            request_put(kernel, &batch.requests[batch.n++], RTM_DELNEIGH,
                        NLM_F_ACK);
        }
    }
    ofpbuf_uninit(&buffer);
    nl_dump_done(&dump);

    batch_transact(&batch);
    for (size_t i = 0; i < batch.n; i++) {
        request_clear(&batch.requests[i]);
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
    .sweep = nh_kernel_sweep,
    .is_reachable = nh_kernel_is_reachable,
};
