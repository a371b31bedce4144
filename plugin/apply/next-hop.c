/* SPDX-License-Identifier: Apache-2.0
 *
 * next-hop: outer destination MACs of tunnels, kept where the datapath looks.
 *
 * Which hosts there are and when something is to be done about one; how, is
 * told by a cache (next-hop-provider.h). */

#include <config.h>

#include "apply/next-hop.h"

#include <stdlib.h>
#include "apply/desired-state.h"
#include "apply/next-hop-provider.h"
#include "apply/next-hop-underlay.h"
#include "apply/sink-provider.h"
#include "coverage.h"
#include "hash.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/ofpbuf.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "packets.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(next_hop);

COVERAGE_DEFINE(next_hop_learned);
COVERAGE_DEFINE(next_hop_failed);
COVERAGE_DEFINE(next_hop_late);
COVERAGE_DEFINE(next_hop_missing);

/* Hosts at rest are spread over the slots of a wheel.  Each tick is the turn
 * of one slot, so each host's turn comes once in REFRESH_MSEC.  The first
 * N_SLOTS ticks after a reconnection come faster, since entries found then are
 * of any age. */
#define N_SLOTS 16
#define REFRESH_MSEC (450 * 1000)
#define TICK_MSEC (REFRESH_MSEC / N_SLOTS)
#define FAST_TICK_MSEC 4000

struct next_hop {
    struct sink up;
    struct desired_state *ds;

    /* Hosts. */
    struct hmap hosts;          /* Contains "struct nh_host"s, by address. */
    struct hmap fixed;          /* Contains "struct nh_fixed"s, by address. */
    struct ovs_list lists[NH_N_STATES]; /* Hosts by state, but NH_REST. */
    struct ovs_list slots[N_SLOTS]; /* Hosts in NH_REST, by hash. */
    unsigned int slot;          /* Whose turn is next. */
    int n_fast;                 /* Number of fast ticks to come. */
    long long int next_tick;

    /* Outputs that wait for a host. */
    struct ovs_list outputs;
    long long int deadline;     /* Until this time. */
    bool slow;                  /* The deadline passed, and nothing has come
                                 * from the cache since. */

    struct ds_audit repairs;    /* What was missing. */

    /* Where to. */
    char *datapath_type;
    struct in6_addr host_ip;
    struct underlay *underlay;  /* Null: nothing is installed. */
    struct nh_cache *cache;     /* Null: as above. */
    char *device;               /* Of 'cache'... */
    int ifindex;                /* ...as above. */
};

/* An address that is fixed, whether there is a host or not yet. */
struct nh_fixed {
    struct hmap_node hmap_node;
    struct in6_addr ip;
};

static const struct sink_class next_hop_sink_class;

static struct next_hop *
next_hop_cast(const struct sink *sink)
{
    return CONTAINER_OF(sink, struct next_hop, up);
}

struct next_hop *
next_hop_create(struct desired_state *ds)
{
    struct next_hop *nh = xzalloc(sizeof *nh);

    nh->up.class = &next_hop_sink_class;
    nh->ds = ds;
    hmap_init(&nh->hosts);
    hmap_init(&nh->fixed);
    for (int i = 0; i < NH_N_STATES; i++) {
        ovs_list_init(&nh->lists[i]);
    }
    for (int i = 0; i < N_SLOTS; i++) {
        ovs_list_init(&nh->slots[i]);
    }
    ovs_list_init(&nh->outputs);
    return nh;
}

static void
host_free(struct next_hop *nh, struct nh_host *host)
{
    ovs_list_remove(&host->node);
    hmap_remove(&nh->hosts, &host->hmap_node);
    free(host);
}

static void
cache_destroy(struct next_hop *nh)
{
    if (nh->cache) {
        nh->cache->class->destroy(nh->cache);
        nh->cache = NULL;
        free(nh->device);
        nh->device = NULL;
    }
}

void
next_hop_destroy(struct next_hop *nh)
{
    struct nh_host *host;
    struct nh_fixed *fixed;

    if (!nh) {
        return;
    }
    cache_destroy(nh);
    underlay_destroy(nh->underlay);
    while (!ovs_list_is_empty(&nh->outputs)) {
        ds_release(nh->ds, CONTAINER_OF(ovs_list_front(&nh->outputs),
                                        struct ds_output, queue_node));
    }
    HMAP_FOR_EACH_SAFE (host, hmap_node, &nh->hosts) {
        host_free(nh, host);
    }
    hmap_destroy(&nh->hosts);
    HMAP_FOR_EACH_POP (fixed, hmap_node, &nh->fixed) {
        free(fixed);
    }
    hmap_destroy(&nh->fixed);
    free(nh->datapath_type);
    free(nh);
}

/* Hosts. */

static uint32_t
ip_hash(const struct in6_addr *ip)
{
    return hash_bytes(ip, sizeof *ip, 0);
}

struct nh_host *
nh_find(struct next_hop *nh, const struct in6_addr *ip)
{
    struct nh_host *host;

    HMAP_FOR_EACH_WITH_HASH (host, hmap_node, ip_hash(ip), &nh->hosts) {
        if (ipv6_addr_equals(&host->ip, ip)) {
            return host;
        }
    }
    return NULL;
}

bool
nh_has_hosts(const struct next_hop *nh)
{
    return !hmap_is_empty(&nh->hosts);
}

struct nh_host *
nh_first(struct next_hop *nh, enum nh_state state)
{
    return (ovs_list_is_empty(&nh->lists[state])
            ? NULL
            : CONTAINER_OF(ovs_list_front(&nh->lists[state]),
                           struct nh_host, node));
}

void
nh_set_state(struct next_hop *nh, struct nh_host *host, enum nh_state state)
{
    struct ovs_list *list
        = (state == NH_REST
           ? &nh->slots[host->hmap_node.hash % N_SLOTS]
           : &nh->lists[state]);

    ovs_list_remove(&host->node);
    ovs_list_push_back(list, &host->node);
    host->state = state;
    if (state != NH_CHECK && state != NH_LOOKING) {
        host->refresh = false;
    }
}

void
nh_move_all(struct next_hop *nh, enum nh_state from, enum nh_state to)
{
    struct nh_host *host;

    while ((host = nh_first(nh, from))) {
        nh_set_state(nh, host, to);
    }
}

/* Confirms the output that waits for 'host', if there is one. */
static void
host_confirm(struct next_hop *nh, struct nh_host *host)
{
    struct ds_output *output = host->output;

    if (output) {
        host->output = NULL;
        if (host->wanted) {
            ds_set_installed(nh->ds, output, host->hash);
        } else {
            ds_set_removed(nh->ds, output);
        }
        ds_release(nh->ds, output);
    }
}

enum nh_verdict
nh_judge(struct nh_host *host, const struct eth_addr *mac)
{
    host->held = mac ? *mac : eth_addr_zero;
    return (!mac ? NH_ABSENT
            : eth_addr_equals(*mac, host->mac) ? NH_RIGHT
            : host->seen && !host->fixed ? NH_LEARNED
            : NH_ABSENT);
}

void
nh_missing(struct next_hop *nh, struct nh_host *host)
{
    if (host->seen) {
        struct ds_output *output = ds_lookup(nh->ds, DS_NEXT_HOP, &host->ip,
                                             sizeof host->ip);

        COVERAGE_INC(next_hop_missing);
        ds_audit_owner(&nh->repairs, output)->missing++;
        host->seen = host->learned = false;
        host->held = eth_addr_zero;
    }
}

void
nh_done(struct next_hop *nh, struct nh_host *host, enum nh_outcome outcome)
{
    switch (outcome) {
    case NH_OUTCOME_INSTALLED:
        host->held = host->mac;
        host->seen = true;
        host->learned = false;
        break;

    case NH_OUTCOME_LEARNED:
        host->learned = true;
        COVERAGE_INC(next_hop_learned);
        break;

    case NH_OUTCOME_FAILED:
        COVERAGE_INC(next_hop_failed);
        break;
    }
    nh->slow = false;
    nh_set_state(nh, host, NH_REST);
    host_confirm(nh, host);
}

void
nh_removed(struct next_hop *nh, struct nh_host *host)
{
    host_confirm(nh, host);
    host_free(nh, host);
}

void
nh_recheck(struct next_hop *nh)
{
    struct nh_host *host;

    HMAP_FOR_EACH (host, hmap_node, &nh->hosts) {
        if (host->state != NH_IDLE && host->state != NH_REMOVE) {
            nh_set_state(nh, host, NH_CHECK);
        }
    }
    nh->n_fast = N_SLOTS;
    nh->next_tick = time_msec() + FAST_TICK_MSEC;
}

bool
next_hop_lookup(struct next_hop *nh, const struct in6_addr *ip, bool check,
                struct eth_addr *mac)
{
    struct nh_host *host = nh_find(nh, ip);

    if (!host || host->state == NH_IDLE || host->state == NH_REMOVE
        || eth_addr_is_zero(host->held)) {
        return false;
    }
    *mac = host->held;
    if (check && host->state == NH_REST) {
        nh_set_state(nh, host, NH_CHECK);
    }
    return true;
}

void
next_hop_check(struct next_hop *nh, const struct in6_addr *ip)
{
    struct nh_host *host = nh_find(nh, ip);

    if (host && host->state == NH_REST) {
        nh_set_state(nh, host, NH_CHECK);
    }
}

bool
next_hop_is_on_link(const struct next_hop *nh, const struct in6_addr *ip)
{
    return nh->underlay && underlay_is_on_link(nh->underlay, ip);
}

bool
next_hop_host_ip_exists(const struct next_hop *nh)
{
    return nh->underlay && underlay_exists(nh->underlay);
}

const char *
next_hop_device(const struct next_hop *nh)
{
    return nh->underlay ? underlay_device(nh->underlay) : NULL;
}

int
next_hop_ifindex(const struct next_hop *nh)
{
    return next_hop_device(nh) ? underlay_ifindex(nh->underlay) : 0;
}

/* Where to. */

/* Returns the class of the cache that the datapath uses, or null. */
static const struct nh_cache_class *
choose_class(const char *datapath_type)
{
    return (!datapath_type ? NULL
            : !strcmp(datapath_type, "netdev")
              || !strcmp(datapath_type, "dummy") ? &nh_vswitchd_class
            : !strcmp(datapath_type, "system") || !datapath_type[0]
            ? &nh_kernel_class
            : NULL);
}

static bool
is_usable(const struct next_hop *nh, const struct nh_host *host)
{
    return (nh->cache
            && underlay_is_on_link(nh->underlay, &host->ip)
            && !eth_addr_is_zero(host->mac)
            && !eth_addr_is_multicast(host->mac));
}

/* Decides again which hosts are to be in the cache. */
static void
reclassify(struct next_hop *nh)
{
    struct nh_host *host;

    HMAP_FOR_EACH_SAFE (host, hmap_node, &nh->hosts) {
        if (host->state == NH_REMOVE) {
            if (!nh->cache || !nh->cache->class->can_remove) {
                nh_removed(nh, host);
            }
        } else if (!is_usable(nh, host)) {
            host->seen = host->learned = false;
            nh_set_state(nh, host, NH_IDLE);
            host_confirm(nh, host);
        } else if (host->state == NH_IDLE) {
            nh_set_state(nh, host, NH_CHECK);
        }
    }
}

/* Makes 'cache' the one for the datapath and the underlay device. */
static void
choose_cache(struct next_hop *nh)
{
    const struct nh_cache_class *class = choose_class(nh->datapath_type);
    const char *device = nh->underlay ? underlay_device(nh->underlay) : NULL;
    int ifindex = device ? underlay_ifindex(nh->underlay) : 0;

    if (!device) {
        class = NULL;
    }
    if (nh->cache
        ? (nh->cache->class != class || nh->ifindex != ifindex
           || strcmp(nh->device, device))
        : class != NULL) {
        struct nh_host *host;

        cache_destroy(nh);
        HMAP_FOR_EACH (host, hmap_node, &nh->hosts) {
            host->seen = host->learned = false;
        }
        if (class) {
            nh->device = xstrdup(device);
            nh->ifindex = ifindex;
            nh->cache = class->create(nh, device, ifindex);
            nh->slow = false;
            VLOG_INFO("next hops behind %s are kept in the %s",
                      device, class->name);
        }
    }
    reclassify(nh);
    nh_recheck(nh);
}

void
next_hop_set(struct next_hop *nh, const char *datapath_type,
             const struct in6_addr *host_ip)
{
    if (nullable_string_is_equal(nh->datapath_type, datapath_type)
        && ipv6_addr_equals(&nh->host_ip, host_ip)) {
        return;
    }
    free(nh->datapath_type);
    nh->datapath_type = nullable_xstrdup(datapath_type);
    nh->host_ip = *host_ip;

    underlay_destroy(nh->underlay);
    nh->underlay = NULL;
    if (ipv6_addr_is_set(host_ip) && choose_class(datapath_type)) {
        nh->underlay = underlay_create(host_ip);
        if (!underlay_device(nh->underlay)) {
            char s[INET6_ADDRSTRLEN];

            VLOG_INFO("no device has the address %s: next hops are not "
                      "installed", ipv6_string_mapped(s, host_ip));
        }
    }
    choose_cache(nh);
}

void
next_hop_reset(struct next_hop *nh)
{
    nh_recheck(nh);
    if (nh->cache && nh->cache->class->hurry) {
        nh->cache->class->hurry(nh->cache);
    }
}

void
next_hop_audit(struct next_hop *nh)
{
    if (nh->cache && nh->cache->class->sweep) {
        nh->cache->class->sweep(nh->cache);
    }
    for (int i = 0; nh->cache && i < N_SLOTS; i++) {
        while (!ovs_list_is_empty(&nh->slots[i])) {
            nh_set_state(nh, CONTAINER_OF(ovs_list_front(&nh->slots[i]),
                                          struct nh_host, node), NH_CHECK);
        }
    }
}

bool
next_hop_is_auditing(const struct next_hop *nh)
{
    return (nh->cache && nh->cache->class->is_reachable(nh->cache)
            && !(ovs_list_is_empty(&nh->lists[NH_CHECK])
                 && ovs_list_is_empty(&nh->lists[NH_LOOKING])
                 && ovs_list_is_empty(&nh->lists[NH_SET])
                 && ovs_list_is_empty(&nh->lists[NH_SETTING])));
}

const struct ds_audit *
next_hop_repairs(const struct next_hop *nh)
{
    return &nh->repairs;
}

/* Running. */

/* Confirms the outputs that wait although nothing was heard of their hosts:
 * these will be installed later. */
static void
give_up_waiting(struct next_hop *nh)
{
    struct ds_output *output;

    LIST_FOR_EACH_SAFE (output, queue_node, &nh->outputs) {
        struct in6_addr ip;

        memcpy(&ip, output->key, sizeof ip);
        COVERAGE_INC(next_hop_late);
        host_confirm(nh, nh_find(nh, &ip));
    }
}

/* Lets the next slot have its turn, if the time has come. */
static void
run_wheel(struct next_hop *nh)
{
    if (!nh->cache || !nh_has_hosts(nh) || time_msec() < nh->next_tick) {
        return;
    }

    struct ovs_list *slot = &nh->slots[nh->slot++ % N_SLOTS];
    while (!ovs_list_is_empty(slot)) {
        struct nh_host *host = CONTAINER_OF(ovs_list_front(slot),
                                            struct nh_host, node);

        nh_set_state(nh, host, NH_CHECK);
        host->refresh = true;
    }
    if (nh->n_fast) {
        nh->n_fast--;
    }
    nh->next_tick = time_msec() + (nh->n_fast ? FAST_TICK_MSEC : TICK_MSEC);
}

void
next_hop_run(struct next_hop *nh)
{
    if (nh->underlay && underlay_run(nh->underlay)) {
        choose_cache(nh);
    }
    run_wheel(nh);
    if (nh->cache) {
        nh->cache->class->run(nh->cache);
    }
    if (!ovs_list_is_empty(&nh->outputs)) {
        if (time_msec() >= nh->deadline) {
            nh->slow = true;
            give_up_waiting(nh);
        } else if (!nh->cache->class->is_reachable(nh->cache)) {
            give_up_waiting(nh);
        }
    }
}

void
next_hop_wait(struct next_hop *nh)
{
    if (nh->underlay) {
        underlay_wait(nh->underlay);
    }
    if (nh->cache) {
        nh->cache->class->wait(nh->cache);
        if (nh_has_hosts(nh)) {
            poll_timer_wait_until(nh->next_tick);
        }
    }
    if (!ovs_list_is_empty(&nh->outputs)) {
        poll_timer_wait_until(nh->deadline);
    }
}

/* Sink. */

struct sink *
next_hop_sink(struct next_hop *nh)
{
    return &nh->up;
}

static struct nh_fixed *
find_fixed(struct next_hop *nh, const struct in6_addr *ip)
{
    struct nh_fixed *fixed;

    HMAP_FOR_EACH_WITH_HASH (fixed, hmap_node, ip_hash(ip), &nh->fixed) {
        if (ipv6_addr_equals(&fixed->ip, ip)) {
            return fixed;
        }
    }
    return NULL;
}

/* 'output' says that an address is fixed, or no longer.  Done at once, since
 * it takes effect with the host. */
static void
take_fixed(struct next_hop *nh, struct ds_output *output)
{
    bool wanted = ds_output_wanted(output);
    struct nh_fixed *fixed;
    struct nh_host *host;
    struct in6_addr ip;

    memcpy(&ip, output->key, sizeof ip);
    fixed = find_fixed(nh, &ip);
    if (wanted && !fixed) {
        fixed = xmalloc(sizeof *fixed);
        fixed->ip = ip;
        hmap_insert(&nh->fixed, &fixed->hmap_node, ip_hash(&ip));
    } else if (!wanted && fixed) {
        hmap_remove(&nh->fixed, &fixed->hmap_node);
        free(fixed);
    }
    host = nh_find(nh, &ip);
    if (host && host->fixed != wanted) {
        host->fixed = wanted;
        if (host->state == NH_REST) {
            nh_set_state(nh, host, NH_CHECK);
        }
    }
    if (wanted) {
        ds_set_installed(nh->ds, output, ds_output_hash(output));
    } else {
        ds_set_removed(nh->ds, output);
    }
    ds_release(nh->ds, output);
}

static void
fail_unit(struct ds_unit *unit, void *ds)
{
    ds_unit_fail(ds, unit, "malformed next hop");
}

/* Puts the host that 'output' is about, and that is wanted, on its way. */
static void
take_wanted(struct next_hop *nh, struct ds_output *output,
            const struct in6_addr *ip)
{
    struct nh_host *host = nh_find(nh, ip);
    struct eth_addr mac;
    struct ofpbuf value;
    uint64_t stub[2];

    ofpbuf_use_stub(&value, stub, sizeof stub);
    ds_output_value(output, &value);
    bool valid = value.size == sizeof mac;
    if (valid) {
        memcpy(&mac, value.data, sizeof mac);
    }
    ofpbuf_uninit(&value);
    if (!valid) {
        ds_output_for_each_unit(output, fail_unit, nh->ds);
        ds_release(nh->ds, output);
        return;
    }

    bool is_new = !host;
    if (is_new) {
        host = xzalloc(sizeof *host);
        host->ip = *ip;
        host->fixed = find_fixed(nh, ip) != NULL;
        ovs_list_init(&host->node);
        hmap_insert(&nh->hosts, &host->hmap_node, ip_hash(ip));
    }
    if (is_new || host->state == NH_REMOVE
        || !eth_addr_equals(host->mac, mac)) {
        host->mac = mac;
        host->seen = host->learned = false;
        nh_set_state(nh, host, is_usable(nh, host) ? NH_SET : NH_IDLE);
    }

    host->output = output;
    host->wanted = true;
    host->hash = ds_output_hash(output);
    if (host->state == NH_IDLE || host->state == NH_REST || nh->slow) {
        host_confirm(nh, host);
    }
}

/* Forgets the host that 'output' is about, and that is no longer wanted. */
static void
take_unwanted(struct next_hop *nh, struct ds_output *output,
              const struct in6_addr *ip)
{
    struct nh_host *host = nh_find(nh, ip);

    if (!host) {
        ds_set_removed(nh->ds, output);
        ds_release(nh->ds, output);
        return;
    }
    host->output = output;
    host->wanted = false;
    if (host->state != NH_IDLE
        && nh->cache && nh->cache->class->can_remove) {
        nh_set_state(nh, host, NH_REMOVE);
    } else {
        nh_removed(nh, host);
    }
}

static void
next_hop_sink_begin(struct sink *sink, struct ovs_list *outputs)
{
    struct next_hop *nh = next_hop_cast(sink);
    struct ds_output *output;

    nh->deadline = time_msec() + NEXT_HOP_WAIT_MSEC;
    ovs_list_push_back_all(&nh->outputs, outputs);
    LIST_FOR_EACH_SAFE (output, queue_node, &nh->outputs) {
        struct in6_addr ip;

        if (output->key_len == sizeof ip + 1) {
            take_fixed(nh, output);
            continue;
        }
        if (output->key_len != sizeof ip) {
            ds_output_for_each_unit(output, fail_unit, nh->ds);
            ds_set_removed(nh->ds, output);
            ds_release(nh->ds, output);
            continue;
        }
        memcpy(&ip, output->key, sizeof ip);
        if (ds_output_wanted(output)) {
            take_wanted(nh, output, &ip);
        } else {
            take_unwanted(nh, output, &ip);
        }
    }
    next_hop_run(nh);
}

static void
next_hop_sink_run(struct sink *sink)
{
    next_hop_run(next_hop_cast(sink));
}

/* The agent calls next_hop_wait() in any case. */
static void
next_hop_sink_wait(struct sink *sink OVS_UNUSED)
{
}

static bool
next_hop_sink_is_done(const struct sink *sink)
{
    return ovs_list_is_empty(&next_hop_cast(sink)->outputs);
}

/* Always: what cannot be installed now is installed later. */
static bool
next_hop_sink_is_ready(const struct sink *sink OVS_UNUSED)
{
    return true;
}

static void
next_hop_sink_describe(const struct sink *sink, struct ds *s)
{
    const struct next_hop *nh = next_hop_cast(sink);
    const struct nh_host *host;
    size_t n_learned = 0;

    if (!nh->cache) {
        ds_put_format(s, "%"PRIuSIZE" hosts, none installed",
                      hmap_count(&nh->hosts));
        return;
    }
    HMAP_FOR_EACH (host, hmap_node, &nh->hosts) {
        n_learned += host->learned;
    }
    ds_put_format(s, "%s, %s: %"PRIuSIZE" hosts, %"PRIuSIZE" not on-link, "
                  "%"PRIuSIZE" learned", nh->cache->class->name, nh->device,
                  hmap_count(&nh->hosts),
                  ovs_list_size(&nh->lists[NH_IDLE]), n_learned);
    if (!ovs_list_is_empty(&nh->outputs)) {
        ds_put_format(s, ", %"PRIuSIZE" waiting",
                      ovs_list_size(&nh->outputs));
    }
    if (nh->slow || !nh->cache->class->is_reachable(nh->cache)) {
        ds_put_cstr(s, ", no answer");
    }
}

static const struct sink_class next_hop_sink_class = {
    .name = "next-hop",
    .begin = next_hop_sink_begin,
    .run = next_hop_sink_run,
    .wait = next_hop_sink_wait,
    .is_done = next_hop_sink_is_done,
    .is_ready = next_hop_sink_is_ready,
    .describe = next_hop_sink_describe,
};
