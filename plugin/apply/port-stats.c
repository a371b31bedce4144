/* SPDX-License-Identifier: Apache-2.0
 *
 * port-stats: what each port has sent and received, and what was dropped. */

#include <config.h>

#include "apply/port-stats.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include "byte-order.h"
#include "coverage.h"
#include "dirs.h"
#include "flow.h"
#include "hash.h"
#include "openflow/openflow.h"
#include "openvswitch/hmap.h"
#include "openvswitch/match.h"
#include "openvswitch/netdev.h"
#include "openvswitch/ofp-flow.h"
#include "openvswitch/ofp-group.h"
#include "openvswitch/ofp-msgs.h"
#include "openvswitch/ofp-port.h"
#include "openvswitch/ofp-util.h"
#include "openvswitch/ofpbuf.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/rconn.h"
#include "openvswitch/vlog.h"
#include "socket-util.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(port_stats);

COVERAGE_DEFINE(port_stats_read);

struct port_node {
    struct hmap_node hmap_node; /* By 'ofport'. */
    uint32_t ofport;
    struct port_counters counters;
};

/* What is asked; a reading is complete when all have been answered. */
enum question {
    Q_PORTS,
    Q_DROPS,
    N_QUESTIONS
};

struct port_stats {
    struct rconn *rconn;
    char *bridge;               /* Null: none. */
    bool active;
    unsigned int seqno;         /* Of the connection. */
    struct hmap ports;          /* "struct port_node"s of the last reading. */
    uint64_t change_seqno;      /* Of 'ports'. */
    uint64_t completed;         /* Readings. */

    /* The reading under way. */
    bool reading;
    struct hmap fresh;          /* "struct port_node"s. */
    ovs_be32 xids[N_QUESTIONS]; /* 0: answered. */
    long long int deadline;     /* Of the answer; else, when to begin. */
};

struct port_stats *
port_stats_create(void)
{
    struct port_stats *ps = xzalloc(sizeof *ps);

    ps->rconn = rconn_create(0, 8, DSCP_DEFAULT, 1u << OFP15_VERSION);
    hmap_init(&ps->ports);
    hmap_init(&ps->fresh);
    return ps;
}

static void
clear_ports(struct hmap *ports)
{
    struct port_node *node;

    HMAP_FOR_EACH_POP (node, hmap_node, ports) {
        free(node);
    }
}

void
port_stats_destroy(struct port_stats *ps)
{
    if (ps) {
        rconn_destroy(ps->rconn);
        clear_ports(&ps->ports);
        hmap_destroy(&ps->ports);
        clear_ports(&ps->fresh);
        hmap_destroy(&ps->fresh);
        free(ps->bridge);
        free(ps);
    }
}

/* Gives the reading under way up, so that another one begins at 'when'. */
static void
give_up(struct port_stats *ps, long long int when)
{
    clear_ports(&ps->fresh);
    ps->reading = false;
    ps->deadline = when;
}

void
port_stats_set_bridge(struct port_stats *ps, const char *bridge)
{
    if (nullable_string_is_equal(ps->bridge, bridge)) {
        return;
    }
    free(ps->bridge);
    ps->bridge = nullable_xstrdup(bridge);
    give_up(ps, 0);
    if (bridge) {
        char *target = xasprintf("unix:%s/%s.mgmt", ovs_rundir(), bridge);

        rconn_connect(ps->rconn, target, "port-stats");
        rconn_run(ps->rconn);   /* Says hello, before vswitchd hangs up. */
        free(target);
    } else {
        rconn_disconnect(ps->rconn);
    }
}

void
port_stats_set_active(struct port_stats *ps, bool active)
{
    ps->active = active;
}

void
port_stats_ask(struct port_stats *ps)
{
    if (!ps->reading) {
        ps->deadline = 0;
        poll_immediate_wake();
    }
}

/* A reading under way may have passed what is asked about: the next counts. */
uint64_t
port_stats_round(const struct port_stats *ps)
{
    return ps->completed + 1 + ps->reading;
}

uint64_t
port_stats_completed(const struct port_stats *ps)
{
    return ps->completed;
}

uint64_t
port_stats_seqno(const struct port_stats *ps)
{
    return ps->change_seqno;
}

static struct port_node *
find_port(const struct hmap *ports, uint32_t ofport)
{
    struct port_node *node;

    HMAP_FOR_EACH_IN_BUCKET (node, hmap_node, hash_int(ofport, 0), ports) {
        if (node->ofport == ofport) {
            return node;
        }
    }
    return NULL;
}

const struct port_counters *
port_stats_get(const struct port_stats *ps, uint32_t ofport)
{
    const struct port_node *node = find_port(&ps->ports, ofport);

    return node ? &node->counters : NULL;
}

/* Asking. */

static void
send_question(struct port_stats *ps, enum question q, struct ofpbuf *msg)
{
    ps->xids[q] = ((struct ofp_header *) msg->data)->xid;
    rconn_send(ps->rconn, msg, NULL);
}

static void
begin(struct port_stats *ps)
{
    struct ofputil_flow_stats_request drops = {
        .cookie = htonll(of_cookie(OF_PLUGIN_PORT_COUNTERS, "", "")),
        .cookie_mask = htonll(UINT64_MAX << 40),
        .out_port = OFPP_ANY,
        .out_group = OFPG_ANY,
        .table_id = OFT_DROP,
    };

    drops.cookie &= drops.cookie_mask;
    match_init_catchall(&drops.match);
    send_question(ps, Q_PORTS,
                  ofputil_encode_dump_ports_request(OFP15_VERSION, OFPP_ANY));
    send_question(ps, Q_DROPS,
                  ofputil_encode_flow_stats_request(&drops,
                                                    OFPUTIL_P_OF15_OXM));
    ps->reading = true;
    ps->deadline = time_msec() + PORT_STATS_ANSWER_MSEC;
    COVERAGE_INC(port_stats_read);
}

/* Answers. */

static struct port_counters *
fresh_counters(struct port_stats *ps, uint32_t ofport)
{
    struct port_node *node = find_port(&ps->fresh, ofport);

    if (!node) {
        node = xzalloc(sizeof *node);
        node->ofport = ofport;
        hmap_insert(&ps->fresh, &node->hmap_node, hash_int(ofport, 0));
    }
    return &node->counters;
}

/* Zero for what the device does not count. */
static uint64_t
known(uint64_t count)
{
    return count == UINT64_MAX ? 0 : count;
}

static void
take_ports(struct port_stats *ps, const struct ofp_header *oh)
{
    struct ofpbuf msg = ofpbuf_const_initializer(oh, ntohs(oh->length));
    struct ofputil_port_stats stats;

    while (!ofputil_decode_port_stats(&stats, &msg)) {
        uint32_t ofport = ofp_to_u16(stats.port_no);
        struct port_counters *c = fresh_counters(ps, ofport);

        c->rx_packets = known(stats.stats.rx_packets);
        c->rx_bytes = known(stats.stats.rx_bytes);
        c->tx_packets = known(stats.stats.tx_packets);
        c->tx_bytes = known(stats.stats.tx_bytes);
        netdev_free_custom_stats_counters(&stats.custom_stats);
    }
}

static void
take_drop(struct port_stats *ps, const struct ofputil_flow_stats *stats)
{
    const struct flow *flow = &stats->match.flow;
    uint32_t reason = flow->regs[MFF_ALCOR_REASON - MFF_REG0];
    uint32_t out = flow->regs[MFF_ALCOR_OUT - MFF_REG0];
    uint64_t n = known(stats->packet_count);

    if (reason >= OF_N_DROPS || !n) {
        return;
    }
    if (out) {
        fresh_counters(ps, out)->for_it_drops[reason] += n;
    } else {
        uint32_t in_port = ofp_to_u16(flow->in_port.ofp_port);

        fresh_counters(ps, in_port)->sent_drops[reason] += n;
    }
}

static void
take_drops(struct port_stats *ps, const struct ofp_header *oh)
{
    struct ofpbuf msg = ofpbuf_const_initializer(oh, ntohs(oh->length));
    struct ofputil_flow_stats stats;
    uint64_t stub[64 / 8];
    struct ofpbuf ofpacts;

    ofpbuf_use_stub(&ofpacts, stub, sizeof stub);
    while (!ofputil_decode_flow_stats_reply(&stats, &msg, true, &ofpacts)) {
        take_drop(ps, &stats);
    }
    ofpbuf_uninit(&ofpacts);
}

static bool
is_same(const struct hmap *a, const struct hmap *b)
{
    const struct port_node *node;

    if (hmap_count(a) != hmap_count(b)) {
        return false;
    }
    HMAP_FOR_EACH (node, hmap_node, a) {
        const struct port_node *other = find_port(b, node->ofport);

        if (!other || memcmp(&node->counters, &other->counters,
                             sizeof node->counters)) {
            return false;
        }
    }
    return true;
}

static void
complete(struct port_stats *ps)
{
    if (!is_same(&ps->ports, &ps->fresh)) {
        hmap_swap(&ps->ports, &ps->fresh);
        ps->change_seqno++;
    }
    ps->completed++;
    give_up(ps, time_msec() + PORT_STATS_MSEC);
}

static void
handle_msg(struct port_stats *ps, const struct ofpbuf *msg)
{
    static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(1, 5);
    const struct ofp_header *oh = msg->data;
    enum ofptype type;

    if (ofptype_decode(&type, oh)) {
        return;
    }
    if (type == OFPTYPE_ECHO_REQUEST) {
        rconn_send(ps->rconn, ofputil_encode_echo_reply(oh), NULL);
        return;
    }
    for (enum question q = 0; ps->reading && q < N_QUESTIONS; q++) {
        if (oh->xid != ps->xids[q]) {
            continue;
        }
        if (type == OFPTYPE_PORT_STATS_REPLY && q == Q_PORTS) {
            take_ports(ps, oh);
        } else if (type == OFPTYPE_FLOW_STATS_REPLY && q == Q_DROPS) {
            take_drops(ps, oh);
        } else {
            VLOG_WARN_RL(&rl, "statistics of ports refused");
        }
        if (type == OFPTYPE_ERROR || !ofpmp_more(oh)) {
            ps->xids[q] = 0;
        }
        if (!ps->xids[Q_PORTS] && !ps->xids[Q_DROPS]) {
            complete(ps);
        }
        return;
    }
}

void
port_stats_run(struct port_stats *ps)
{
    rconn_run(ps->rconn);

    unsigned int seqno = rconn_get_connection_seqno(ps->rconn);
    if (ps->seqno != seqno) {
        ps->seqno = seqno;
        give_up(ps, 0);
    }
    for (int i = 0; i < 50; i++) {
        struct ofpbuf *msg = rconn_recv(ps->rconn);

        if (!msg) {
            break;
        }
        handle_msg(ps, msg);
        ofpbuf_delete(msg);
    }
    if (ps->reading && time_msec() >= ps->deadline) {
        give_up(ps, 0);
    }
    if (!ps->reading && rconn_is_connected(ps->rconn)
        && (ps->active || !ps->deadline) && time_msec() >= ps->deadline) {
        begin(ps);
    }
}

void
port_stats_wait(struct port_stats *ps)
{
    rconn_run_wait(ps->rconn);
    rconn_recv_wait(ps->rconn);
    if (rconn_is_connected(ps->rconn) && (ps->reading || ps->active)) {
        poll_timer_wait_until(ps->deadline);
    }
}
