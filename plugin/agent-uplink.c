/* SPDX-License-Identifier: Apache-2.0
 *
 * agent-uplink: the MACs of next hops of INTERNET rules, as ARP tells them. */

#include <config.h>

#include "agent-private.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include "dp-packet.h"
#include "feedback/packet-in.h"
#include "hash.h"
#include "limit.h"
#include "openvswitch/ofpbuf.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "packets.h"
#include "store/goal-store.h"
#include "store/volatile-store.h"
#include "timeval.h"
#include "translate/flow-actions.h"
#include "translate/uplink-hop.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(agent_uplink);

LIMIT_DEFINE(uplink_hops, UPLINK_HOP_MAX, 1, LIMIT_REFUSED)

/* How often a next hop is asked before it is forgotten. */
#define UPLINK_HOP_TRIES 5

struct uplink_hop {
    struct hmap_node hmap_node; /* In struct agent's 'uplink_hops'. */
    struct uplink_hop_event last; /* What it said. */
    uint32_t ofport;            /* Where. */
    int tries;                  /* Since then. */
    long long int due;          /* To be asked. */
};

static void
hop_id(const struct uplink_hop *hop, char id[INET_ADDRSTRLEN])
{
    snprintf(id, INET_ADDRSTRLEN, IP_FMT, IP_ARGS(hop->last.ip));
}

static struct uplink_hop *
hop_get(struct agent *agent, ovs_be32 ip)
{
    uint32_t hash = hash_int((OVS_FORCE uint32_t) ip, 0);
    struct uplink_hop *hop;

    HMAP_FOR_EACH_WITH_HASH (hop, hmap_node, hash, &agent->uplink_hops) {
        if (hop->last.ip == ip) {
            return hop;
        }
    }
    if (limit_reached(&limit_uplink_hops, hmap_count(&agent->uplink_hops))) {
        return NULL;
    }
    hop = xzalloc(sizeof *hop);
    hop->last.ip = ip;
    hmap_insert(&agent->uplink_hops, &hop->hmap_node, hash);
    return hop;
}

/* A packet has had it asked. */
static void
hop_asked(struct uplink_hop *hop, const struct uplink_hop_event *question)
{
    if (!hop->due) {
        hop->last = *question;
        hop->ofport = question->ofport;
        hop->due = time_msec() + UPLINK_HOP_RETRY_MSEC;
    }
}

void
agent_uplink_event(struct agent *agent, const struct packet_event *event)
{
    static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(5, 5);
    const struct uplink_hop_event *news = uplink_hop_from_event(event);
    struct uplink_hop *hop = news ? hop_get(agent, news->ip) : NULL;
    struct vol_uplink_hop record;
    char id[INET_ADDRSTRLEN];

    if (!hop) {
        return;
    } else if (eth_addr_is_zero(news->mac)) {
        hop_asked(hop, news);
        return;
    }
    hop->last.mac = news->mac;
    if (news->our_ip) {
        hop->last = *news;
    }
    hop->ofport = event->context.in_port;
    hop->tries = 0;
    hop->due = time_msec() + UPLINK_HOP_REFRESH_MSEC;

    hop_id(hop, id);
    memset(&record, 0, sizeof record);
    memcpy(record.mac, news->mac.ea, sizeof record.mac);
    if (vol_set(agent->vol, VOL_UPLINK_HOP, id, &record)) {
        VLOG_INFO_RL(&rl, "next hop %s is at "ETH_ADDR_FMT, id,
                     ETH_ADDR_ARGS(news->mac));
    }
}

/* Asks once more. */
static void
hop_ask(struct agent *agent, const struct uplink_hop *hop)
{
    struct packet_context context;
    uint64_t stub[64 / 8];
    struct ofpbuf acts;
    struct dp_packet packet;

    memset(&context, 0, sizeof context);
    context.in_port = ofp_to_u16(OFPP_CONTROLLER);
    dp_packet_init(&packet, 0);
    compose_arp(&packet, ARP_OP_REQUEST, hop->last.our_mac, eth_addr_zero,
                true, hop->last.our_ip, hop->last.ip);
    ofpbuf_use_stub(&acts, stub, sizeof stub);
    act_output(&acts, hop->ofport);
    packet_in_send(agent->packet_in,
                   packet_order_create(&context, &acts,
                                       dp_packet_data(&packet),
                                       dp_packet_size(&packet)));
    ofpbuf_uninit(&acts);
    dp_packet_uninit(&packet);
}

static void
hop_remove(struct agent *agent, struct uplink_hop *hop)
{
    char id[INET_ADDRSTRLEN];

    hop_id(hop, id);
    vol_remove(agent->vol, VOL_UPLINK_HOP, id);
    hmap_remove(&agent->uplink_hops, &hop->hmap_node);
    free(hop);
}

struct hop_search {
    struct agent *agent;
    struct in6_addr ip;
    bool found;
};

static bool
search_router(const struct goal_key *key, const char *id OVS_UNUSED,
              void *search_)
{
    struct hop_search *search = search_;
    struct goal_resource *r = goal_store_get_key(search->agent->store, key);
    const struct goal_router *router = r ? GOAL_ROUTER_CAST(r) : NULL;

    for (size_t i = 0; router && i < router->n_tables; i++) {
        for (size_t j = 0; j < router->tables[i].n_routes; j++) {
            const struct goal_route *route = &router->tables[i].routes[j];

            search->found |= ipv6_addr_equals(&route->next_hop, &search->ip);
        }
    }
    goal_resource_destroy(r);
    return !search->found;
}

/* True if there is a rule to it. */
static bool
hop_is_wanted(struct agent *agent, const struct uplink_hop *hop)
{
    struct hop_search search = { .agent = agent };

    in6_addr_set_mapped_ipv4(&search.ip, hop->last.ip);
    goal_store_for_each(agent->store, GOAL_ROUTER, search_router, &search);
    return search.found;
}

/* It does not answer. */
static void
hop_silent(struct agent *agent, const struct uplink_hop *hop)
{
    static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(5, 5);
    struct vol_uplink_hop record;
    char id[INET_ADDRSTRLEN];

    hop_id(hop, id);
    memset(&record, 0, sizeof record);
    if (vol_set(agent->vol, VOL_UPLINK_HOP, id, &record)) {
        VLOG_INFO_RL(&rl, "next hop %s does not answer", id);
    }
}

void
agent_uplink_hops_run(struct agent *agent)
{
    long long int now = time_msec();
    struct uplink_hop *hop;

    HMAP_FOR_EACH_SAFE (hop, hmap_node, &agent->uplink_hops) {
        if (now < hop->due) {
            continue;
        }
        if (hop->last.our_ip && hop->tries < UPLINK_HOP_TRIES) {
            hop_ask(agent, hop);
            hop->tries++;
            hop->due = now + UPLINK_HOP_RETRY_MSEC;
        } else if (hop->last.our_ip && hop_is_wanted(agent, hop)) {
            hop_silent(agent, hop);
            hop_ask(agent, hop);
            hop->due = now + UPLINK_HOP_SILENT_MSEC;
        } else {
            hop_remove(agent, hop);
        }
    }
}

void
agent_uplink_hops_wait(const struct agent *agent)
{
    const struct uplink_hop *hop;

    HMAP_FOR_EACH (hop, hmap_node, &agent->uplink_hops) {
        poll_timer_wait_until(hop->due);
    }
}

void
agent_uplink_hops_init(struct agent *agent)
{
    hmap_init(&agent->uplink_hops);
}

void
agent_uplink_hops_destroy(struct agent *agent)
{
    struct uplink_hop *hop;

    HMAP_FOR_EACH_POP (hop, hmap_node, &agent->uplink_hops) {
        free(hop);
    }
    hmap_destroy(&agent->uplink_hops);
}
