/* SPDX-License-Identifier: Apache-2.0
 *
 * flow-stats: asks the switch how many packets flows have seen. */

#include <config.h>

#include "apply/flow-stats.h"

#include <stdlib.h>
#include "byte-order.h"
#include "coverage.h"
#include "dirs.h"
#include "limit.h"
#include "openflow/openflow.h"
#include "openvswitch/match.h"
#include "openvswitch/ofp-flow.h"
#include "openvswitch/ofp-group.h"
#include "openvswitch/ofp-msgs.h"
#include "openvswitch/ofp-port.h"
#include "openvswitch/ofp-util.h"
#include "openvswitch/ofpbuf.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/rconn.h"
#include "socket-util.h"
#include "util.h"

LIMIT_DEFINE(flow_questions, FLOW_STATS_MAX_PENDING, LIMIT_FIXED, LIMIT_WAITS)

COVERAGE_DEFINE(flow_stats_asked);
COVERAGE_DEFINE(flow_stats_answered);

/* A question.  Its transaction id is its place in 'pending', plus one, plus a
 * multiple of FLOW_STATS_MAX_PENDING that changes with each use. */
struct question {
    flow_stats_cb *cb;          /* Null: this place is free. */
    void *aux;
    uint64_t id;
    uint32_t xid;
};

struct flow_stats {
    struct rconn *rconn;        /* Null before the first question. */
    char *bridge;               /* Null: none. */
    unsigned int seqno;         /* Of the connection. */
    struct question pending[FLOW_STATS_MAX_PENDING];
    size_t n_pending;
    uint32_t round;             /* For transaction ids. */
};

struct flow_stats *
flow_stats_create(void)
{
    return xzalloc(sizeof(struct flow_stats));
}

void
flow_stats_destroy(struct flow_stats *fs)
{
    if (fs) {
        rconn_destroy(fs->rconn);
        free(fs->bridge);
        free(fs);
    }
}

static void
forget_pending(struct flow_stats *fs)
{
    for (size_t i = 0; i < FLOW_STATS_MAX_PENDING; i++) {
        fs->pending[i].cb = NULL;
    }
    fs->n_pending = 0;
}

static void
connect_bridge(struct flow_stats *fs)
{
    if (fs->bridge) {
        char *target = xasprintf("unix:%s/%s.mgmt", ovs_rundir(), fs->bridge);

        rconn_connect(fs->rconn, target, "flow-stats");
        rconn_run(fs->rconn);   /* Says hello, before vswitchd hangs up. */
        fs->seqno = rconn_get_connection_seqno(fs->rconn);
        free(target);
    } else {
        rconn_disconnect(fs->rconn);
    }
}

void
flow_stats_set_bridge(struct flow_stats *fs, const char *bridge)
{
    if (!nullable_string_is_equal(fs->bridge, bridge)) {
        free(fs->bridge);
        fs->bridge = nullable_xstrdup(bridge);
        forget_pending(fs);
        if (fs->rconn) {
            connect_bridge(fs);
        }
    }
}

/* Returns a free place, of which there is one. */
static struct question *
free_place(struct flow_stats *fs)
{
    for (size_t i = 0; i < FLOW_STATS_MAX_PENDING; i++) {
        struct question *q = &fs->pending[i];

        if (!q->cb) {
            q->xid = 1 + i + FLOW_STATS_MAX_PENDING * ++fs->round;
            return q;
        }
    }
    OVS_NOT_REACHED();
}

bool
flow_stats_ask(struct flow_stats *fs, enum of_stage stage, uint64_t cookie,
               uint64_t id, flow_stats_cb *cb, void *aux)
{
    if (!fs->rconn) {
        fs->rconn = rconn_create(0, 1, DSCP_DEFAULT, 1u << OFP15_VERSION);
        connect_bridge(fs);
        poll_immediate_wake();
    }
    if (!rconn_is_connected(fs->rconn)
        || limit_reached(&limit_flow_questions, fs->n_pending)) {
        return false;
    }

    struct ofputil_flow_stats_request request = {
        .aggregate = true,
        .cookie = htonll(cookie),
        .cookie_mask = OVS_BE64_MAX,
        .out_port = OFPP_ANY,
        .out_group = OFPG_ANY,
        .table_id = of_stage_to_table(stage),
    };
    struct question *q = free_place(fs);
    struct ofpbuf *msg;

    match_init_catchall(&request.match);
    msg = ofputil_encode_flow_stats_request(&request, OFPUTIL_P_OF15_OXM);
    ((struct ofp_header *) msg->data)->xid = htonl(q->xid);
    q->cb = cb;
    q->aux = aux;
    q->id = id;
    fs->n_pending++;
    COVERAGE_INC(flow_stats_asked);
    rconn_send(fs->rconn, msg, NULL);
    return true;
}

/* Takes the answer to, or the refusal of, a question. */
static void
handle_answer(struct flow_stats *fs, const struct ofp_header *oh,
              const struct ofputil_aggregate_stats *stats)
{
    uint32_t xid = ntohl(oh->xid);
    struct question *q = &fs->pending[(xid - 1) % FLOW_STATS_MAX_PENDING];

    if (q->cb && q->xid == xid) {
        flow_stats_cb *cb = q->cb;

        q->cb = NULL;
        fs->n_pending--;
        if (stats) {
            COVERAGE_INC(flow_stats_answered);
            cb(q->id, stats->packet_count, stats->flow_count, q->aux);
        }
    }
}

static void
handle_msg(struct flow_stats *fs, const struct ofpbuf *msg)
{
    const struct ofp_header *oh = msg->data;
    struct ofputil_aggregate_stats stats;
    enum ofptype type;

    if (ofptype_decode(&type, oh)) {
        return;
    }
    if (type == OFPTYPE_ECHO_REQUEST) {
        rconn_send(fs->rconn, ofputil_encode_echo_reply(oh), NULL);
    } else if (type == OFPTYPE_AGGREGATE_STATS_REPLY) {
        handle_answer(fs, oh, (ofputil_decode_aggregate_stats_reply(&stats,
                                                                    oh)
                               ? NULL : &stats));
    } else if (type == OFPTYPE_ERROR) {
        handle_answer(fs, oh, NULL);
    }
}

void
flow_stats_run(struct flow_stats *fs)
{
    if (!fs->rconn) {
        return;
    }
    rconn_run(fs->rconn);

    unsigned int seqno = rconn_get_connection_seqno(fs->rconn);
    if (fs->seqno != seqno) {
        fs->seqno = seqno;
        forget_pending(fs);
    }
    for (int i = 0; i < FLOW_STATS_MAX_PENDING; i++) {
        struct ofpbuf *msg = rconn_recv(fs->rconn);
        if (!msg) {
            break;
        }
        handle_msg(fs, msg);
        ofpbuf_delete(msg);
    }
}

void
flow_stats_wait(struct flow_stats *fs)
{
    if (fs->rconn) {
        rconn_run_wait(fs->rconn);
        rconn_recv_wait(fs->rconn);
    }
}

size_t
flow_stats_n_pending(const struct flow_stats *fs)
{
    return fs->n_pending;
}
