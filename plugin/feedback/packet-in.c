/* SPDX-License-Identifier: Apache-2.0
 *
 * packet-in: the packet thread: answers what flows have punted. */

#include <config.h>

#include "feedback/packet-in.h"

#include <errno.h>
#include <stdlib.h>
#include "byte-order.h"
#include "coverage.h"
#include "dirs.h"
#include "dp-packet.h"
#include "latch.h"
#include "limit.h"
#include "openflow/nicira-ext.h"
#include "openflow/openflow.h"
#include "openvswitch/match.h"
#include "openvswitch/ofp-errors.h"
#include "openvswitch/ofp-msgs.h"
#include "openvswitch/ofp-packet.h"
#include "openvswitch/ofp-switch.h"
#include "openvswitch/ofp-util.h"
#include "openvswitch/ofpbuf.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/rconn.h"
#include "openvswitch/vlog.h"
#include "ovs-thread.h"
#include "seq.h"
#include "simap.h"
#include "socket-util.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(packet_in);

LIMIT_DEFINE(packet_events_KB, PACKET_IN_MAX_BYTES / 1024, 16, LIMIT_DROPPED)
LIMIT_DEFINE(packet_orders_KB, PACKET_IN_MAX_BYTES / 1024, 16, LIMIT_DROPPED)
LIMIT_DEFINE(packet_out_KB, PACKET_IN_MAX_BYTES / 1024, 16, LIMIT_DROPPED)

COVERAGE_DEFINE(packet_in_received);
COVERAGE_DEFINE(packet_in_sent);
COVERAGE_DEFINE(packet_in_event);
COVERAGE_DEFINE(packet_in_dropped);

/* Messages taken, and orders sent, before the thread looks at other things. */
#define MAX_BATCH 100

/* poll_block() hands a thread's coverage counters over at most once a second:
 * the thread wakes up once more that long after it has had something to do. */
#define COVERAGE_MSEC 1100

/* A queue between the threads, bounded in bytes. */
struct queue {
    struct limit *limit;        /* In KB; constant. */
    struct ovs_mutex mutex;
    struct ovs_list list OVS_GUARDED;
    size_t bytes OVS_GUARDED;
    struct seq *seq;            /* Changes when something comes in. */
};

struct packet_in {
    packet_in_handler *handlers[UINT8_MAX + 1]; /* By number of the plugin;
                                                 * fixed before the start. */
    pthread_t thread;
    bool started;               /* Main thread only. */
    char *bridge;               /* Main thread only. */
    struct latch exit_latch;
    struct queue orders;        /* To the packet thread. */
    struct queue events;        /* To the main thread. */

    struct ovs_mutex mutex;
    char *target OVS_GUARDED;   /* To connect to; null: nothing. */
    struct packet_in_stats stats OVS_GUARDED;

    struct rconn_packet_counter *tx; /* What waits to be written; has its own
                                      * lock. */

    /* Packet thread only. */
    struct rconn *rconn;
    char *connected_to;         /* What 'target' was; null: nothing. */
    unsigned int seqno;         /* Of the connection. */
    long long int coverage_time; /* Hand coverage counters over then. */
};

const char *
packet_in_drop_to_string(enum packet_in_drop drop)
{
    static const char *const names[] = {
#define PACKET_IN_DROP(NAME, STRING) [PACKET_IN_DROP_##NAME] = STRING,
        PACKET_IN_DROPS
#undef PACKET_IN_DROP
    };
    return names[drop];
}

/* Queues. */

static void
queue_init(struct queue *queue, struct limit *limit)
{
    queue->limit = limit;
    ovs_mutex_init(&queue->mutex);
    ovs_mutex_lock(&queue->mutex);
    ovs_list_init(&queue->list);
    queue->bytes = 0;
    ovs_mutex_unlock(&queue->mutex);
    queue->seq = seq_create();
}

static void
queue_destroy(struct queue *queue)
{
    ovs_mutex_destroy(&queue->mutex);
    seq_destroy(queue->seq);
}

/* Adds 'node', of 'size' bytes.  Returns false if there is no room. */
static bool
queue_push(struct queue *queue, struct ovs_list *node, size_t size)
{
    ovs_mutex_lock(&queue->mutex);
    bool room = !limit_reached(queue->limit, (queue->bytes + size) / 1024);
    if (room) {
        ovs_list_push_back(&queue->list, node);
        queue->bytes += size;
    }
    ovs_mutex_unlock(&queue->mutex);

    if (room) {
        seq_change(queue->seq);
    }
    return room;
}

/* Takes the first, whose size is what 'get_size' says.  Null: it is empty. */
static struct ovs_list *
queue_pop(struct queue *queue, size_t (*get_size)(const struct ovs_list *))
{
    struct ovs_list *node = NULL;

    ovs_mutex_lock(&queue->mutex);
    if (!ovs_list_is_empty(&queue->list)) {
        node = ovs_list_pop_front(&queue->list);
        queue->bytes -= get_size(node);
    }
    ovs_mutex_unlock(&queue->mutex);
    return node;
}

static size_t
queue_bytes(struct queue *queue)
{
    ovs_mutex_lock(&queue->mutex);
    size_t bytes = queue->bytes;
    ovs_mutex_unlock(&queue->mutex);
    return bytes;
}

static struct packet_order *
order_cast(const struct ovs_list *node)
{
    return CONTAINER_OF(node, struct packet_order, list_node);
}

static size_t
order_size(const struct ovs_list *node)
{
    return packet_order_size(order_cast(node));
}

static struct packet_event *
event_cast(const struct ovs_list *node)
{
    return CONTAINER_OF(node, struct packet_event, list_node);
}

static size_t
event_size(const struct ovs_list *node)
{
    return packet_event_size(event_cast(node));
}

/* Counters. */

static void
count(struct packet_in *pi, uint64_t *counter)
{
    ovs_mutex_lock(&pi->mutex);
    ++*counter;
    ovs_mutex_unlock(&pi->mutex);
}

static void
count_drop(struct packet_in *pi, enum packet_in_drop drop)
{
    COVERAGE_INC(packet_in_dropped);
    count(pi, &pi->stats.drops[drop]);
}

/* Packet thread: sending. */

/* Fills in '*match' with 'context'. */
static void
match_from_context(struct match *match, const struct packet_context *context)
{
    match_init_catchall(match);
    match_set_in_port(match, u16_to_ofp(context->in_port));
    match_set_metadata(match, htonll(context->metadata));
    for (int i = 0; i < FLOW_N_REGS; i++) {
        if (context->regs[i]) {
            match_set_reg(match, i, context->regs[i]);
        }
    }
}

/* Takes ownership of 'order'. */
static void
send_order(struct packet_in *pi, struct packet_order *order)
{
    struct ofputil_packet_out po = {
        .packet = order->packet,
        .packet_len = order->packet_len,
        .buffer_id = UINT32_MAX,
        .ofpacts = order->ofpacts,
        .ofpacts_len = order->ofpacts_len,
    };

    match_from_context(&po.flow_metadata, &order->context);
    struct ofpbuf *msg = ofputil_encode_packet_out(&po, OFPUTIL_P_OF15_OXM);
    if (msg->size > UINT16_MAX) {
        count_drop(pi, PACKET_IN_DROP_TOO_LONG);
        ofpbuf_delete(msg);
    } else if (rconn_send(pi->rconn, msg, pi->tx)) {
        count_drop(pi, PACKET_IN_DROP_DISCONNECTED);
    } else {
        COVERAGE_INC(packet_in_sent);
        count(pi, &pi->stats.sent);
    }
    packet_order_destroy(order);
}

/* True if the switch is behind with taking what we send. */
static bool
tx_is_full(const struct packet_in *pi)
{
    return limit_reached(&limit_packet_out_KB,
                         rconn_packet_counter_n_bytes(pi->tx) / 1024);
}

/* Sends what the main thread wants sent. */
static void
orders_run(struct packet_in *pi)
{
    struct ovs_list *node;

    for (int i = 0; i < MAX_BATCH && !tx_is_full(pi); i++) {
        node = queue_pop(&pi->orders, order_size);
        if (!node) {
            return;
        }
        send_order(pi, order_cast(node));
    }
    if (!tx_is_full(pi)) {
        poll_immediate_wake();
    }
}

/* Packet thread: receiving. */

/* Does what a handler wants done. */
static void
carry_out(struct packet_in *pi, struct packet_reply *reply, uint8_t plugin)
{
    struct packet_order *order;
    struct packet_event *event;

    LIST_FOR_EACH_POP (order, list_node, &reply->orders) {
        if (tx_is_full(pi)) {
            count_drop(pi, PACKET_IN_DROP_SWITCH_SLOW);
            packet_order_destroy(order);
        } else {
            send_order(pi, order);
        }
    }
    LIST_FOR_EACH_POP (event, list_node, &reply->events) {
        event->plugin = plugin;
        if (queue_push(&pi->events, &event->list_node,
                       packet_event_size(event))) {
            COVERAGE_INC(packet_in_event);
            count(pi, &pi->stats.events);
        } else {
            count_drop(pi, PACKET_IN_DROP_EVENTS_FULL);
            packet_event_destroy(event);
        }
    }
}

/* Makes of 'flow', which has been extracted from the packet, what it was in
 * the pipeline. */
static void
restore_metadata(struct flow *flow, const struct flow *md)
{
    flow->in_port = md->in_port;
    flow->metadata = md->metadata;
    flow->tunnel = md->tunnel;
    memcpy(flow->regs, md->regs, sizeof flow->regs);
    flow->ct_state = md->ct_state;
    flow->ct_nw_proto = md->ct_nw_proto;
    flow->ct_nw_src = md->ct_nw_src;
    flow->ct_nw_dst = md->ct_nw_dst;
    flow->ct_tp_src = md->ct_tp_src;
    flow->ct_tp_dst = md->ct_tp_dst;
}

/* Has the plugin numbered 'plugin' handle the packet of 'view', in which
 * 'packet' and 'flow' are not filled in yet. */
static void
handle_punt(struct packet_in *pi, uint8_t plugin, struct packet_view *view,
            const struct ofputil_packet_in *pin)
{
    packet_in_handler *handler = pi->handlers[plugin];
    struct packet_reply reply;
    struct dp_packet packet;
    struct flow flow;

    if (!handler) {
        count_drop(pi, PACKET_IN_DROP_NO_HANDLER);
        return;
    }

    dp_packet_use_const(&packet, pin->packet, pin->packet_len);
    flow_extract(&packet, &flow);
    restore_metadata(&flow, &pin->flow_metadata.flow);
    view->packet = &packet;
    view->flow = &flow;
    view->now = time_msec();
    packet_context_from_flow(&view->context, &flow);

    packet_reply_init(&reply, view);
    COVERAGE_INC(packet_in_received);
    count(pi, &pi->stats.received[view->kind]);
    if (handler(view, &reply)) {
        carry_out(pi, &reply, plugin);
    } else {
        count_drop(pi, PACKET_IN_DROP_UNWANTED);
    }
    packet_reply_uninit(&reply);
}

/* Returns false if this is no packet-in. */
static bool
handle_packet_in(struct packet_in *pi, const struct ofp_header *oh)
{
    const struct punt_header *header;
    struct ofputil_packet_in pin;
    struct packet_view view;
    uint32_t buffer_id;
    size_t total_len;

    if (ofputil_decode_packet_in(oh, true, NULL, NULL, &pin, &total_len,
                                 &buffer_id, NULL)) {
        return false;
    }
    header = (const void *) pin.userdata;
    if (pin.userdata_len < sizeof *header || header->version != PUNT_VERSION
        || header->kind >= PUNT_N_KINDS || header->reserved) {
        count_drop(pi, PACKET_IN_DROP_MALFORMED);
        return true;
    } else if (pin.packet_len < total_len) {
        count_drop(pi, PACKET_IN_DROP_CUT);
        return true;
    }
    memset(&view, 0, sizeof view);
    view.kind = header->kind;
    view.data = header + 1;
    view.len = pin.userdata_len - sizeof *header;
    handle_punt(pi, header->plugin, &view, &pin);
    return true;
}

/* Returns false if the message is none. */
static bool
handle_msg(struct packet_in *pi, const struct ofpbuf *msg)
{
    static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(1, 5);
    const struct ofp_header *oh = msg->data;
    enum ofptype type;

    if (ofptype_decode(&type, oh)) {
        return false;
    } else if (type == OFPTYPE_PACKET_IN) {
        return handle_packet_in(pi, oh);
    } else if (type == OFPTYPE_ECHO_REQUEST) {
        rconn_send(pi->rconn, ofputil_encode_echo_reply(oh), NULL);
    } else if (type == OFPTYPE_ERROR) {
        count_drop(pi, PACKET_IN_DROP_REFUSED);
        VLOG_INFO_RL(&rl, "OpenFlow error %s",
                     ofperr_to_string(ofperr_decode_msg(oh, NULL)));
    }
    return true;
}

/* Packet thread: connection. */

/* What has come was no message, so what comes next need not begin where one
 * does: it may be the inside of a packet, hence a tenant's.  A new connection
 * is made at once: others would wait. */
static void
start_anew(struct packet_in *pi)
{
    static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(1, 5);

    count_drop(pi, PACKET_IN_DROP_MALFORMED);
    VLOG_WARN_RL(&rl, "a message makes no sense, perhaps because a packet has "
                 "almost 64 kB: connecting anew");
    rconn_connect(pi->rconn, pi->connected_to, "packet-in");
}

/* Asks a new connection for packet-ins, ours, whole, and with userdata. */
static void
handle_connect(struct packet_in *pi)
{
    struct ofputil_switch_config config = {
        .frag = OFPUTIL_FRAG_NORMAL,
        .invalid_ttl_to_controller = -1,
        .miss_send_len = UINT16_MAX,
    };
    struct ofpbuf *msg = ofpraw_alloc(OFPRAW_NXT_SET_CONTROLLER_ID,
                                      OFP15_VERSION, 0);
    struct nx_controller_id *id = ofpbuf_put_zeros(msg, sizeof *id);

    id->controller_id = htons(PUNT_CONTROLLER_ID);
    rconn_send(pi->rconn, msg, NULL);
    rconn_send(pi->rconn, ofputil_encode_set_packet_in_format(
                   OFP15_VERSION, OFPUTIL_PACKET_IN_NXT2), NULL);
    rconn_send(pi->rconn, ofputil_encode_set_config(&config, OFP15_VERSION),
               NULL);
}

/* Follows what the main thread says is to be connected to. */
static void
target_run(struct packet_in *pi)
{
    ovs_mutex_lock(&pi->mutex);
    char *target = nullable_xstrdup(pi->target);
    ovs_mutex_unlock(&pi->mutex);

    if (nullable_string_is_equal(target, pi->connected_to)) {
        free(target);
        return;
    }
    free(pi->connected_to);
    pi->connected_to = target;
    if (target) {
        rconn_connect(pi->rconn, target, "packet-in");
    } else {
        rconn_disconnect(pi->rconn);
    }
}

static void
connection_run(struct packet_in *pi)
{
    rconn_run(pi->rconn);

    bool connected = rconn_is_connected(pi->rconn);
    unsigned int seqno = rconn_get_connection_seqno(pi->rconn);
    bool is_new = connected && pi->seqno != seqno;

    ovs_mutex_lock(&pi->mutex);
    pi->stats.connected = connected;
    pi->stats.n_connections += is_new;
    ovs_mutex_unlock(&pi->mutex);
    if (is_new) {
        pi->seqno = seqno;
        handle_connect(pi);
    }
}

static void
receive_run(struct packet_in *pi)
{
    for (int i = 0; i < MAX_BATCH; i++) {
        struct ofpbuf *msg = rconn_recv(pi->rconn);
        if (!msg) {
            return;
        }
        pi->coverage_time = time_msec() + COVERAGE_MSEC;
        bool sound = handle_msg(pi, msg);
        ofpbuf_delete(msg);
        if (!sound) {
            start_anew(pi);
            return;
        }
    }
    poll_immediate_wake();
}

static void *
packet_thread(void *pi_)
{
    struct packet_in *pi = pi_;

    pi->rconn = rconn_create(0, 1, DSCP_DEFAULT, 1u << OFP15_VERSION);
    while (!latch_is_set(&pi->exit_latch)) {
        uint64_t seqno = seq_read(pi->orders.seq);

        target_run(pi);
        connection_run(pi);
        receive_run(pi);
        orders_run(pi);

        seq_wait(pi->orders.seq, seqno);
        rconn_run_wait(pi->rconn);
        rconn_recv_wait(pi->rconn);
        latch_wait(&pi->exit_latch);
        if (time_msec() < pi->coverage_time) {
            poll_timer_wait_until(pi->coverage_time);
        }
        poll_block();
    }
    rconn_destroy(pi->rconn);
    free(pi->connected_to);
    return NULL;
}

/* Main thread. */

struct packet_in *
packet_in_create(void)
{
    struct packet_in *pi = xzalloc(sizeof *pi);

    latch_init(&pi->exit_latch);
    queue_init(&pi->orders, &limit_packet_orders_KB);
    queue_init(&pi->events, &limit_packet_events_KB);
    ovs_mutex_init(&pi->mutex);
    pi->tx = rconn_packet_counter_create();
    return pi;
}

void
packet_in_destroy(struct packet_in *pi)
{
    struct packet_event *event;
    struct ovs_list *node;

    if (!pi) {
        return;
    }
    if (pi->started) {
        latch_set(&pi->exit_latch);
        xpthread_join(pi->thread, NULL);
    }
    while ((event = packet_in_next(pi)) != NULL) {
        packet_event_destroy(event);
    }
    while ((node = queue_pop(&pi->orders, order_size)) != NULL) {
        packet_order_destroy(order_cast(node));
    }
    rconn_packet_counter_destroy(pi->tx);
    queue_destroy(&pi->orders);
    queue_destroy(&pi->events);
    latch_destroy(&pi->exit_latch);
    ovs_mutex_lock(&pi->mutex);
    free(pi->target);
    ovs_mutex_unlock(&pi->mutex);
    ovs_mutex_destroy(&pi->mutex);
    free(pi->bridge);
    free(pi);
}

void
packet_in_set_handler(struct packet_in *pi, uint8_t plugin,
                      packet_in_handler *handler)
{
    ovs_assert(!pi->started);
    pi->handlers[plugin] = handler;
}

void
packet_in_set_bridge(struct packet_in *pi, const char *bridge)
{
    if (nullable_string_is_equal(pi->bridge, bridge)) {
        return;
    }
    free(pi->bridge);
    pi->bridge = nullable_xstrdup(bridge);

    ovs_mutex_lock(&pi->mutex);
    free(pi->target);
    pi->target = (bridge
                  ? xasprintf("unix:%s/%s.mgmt", ovs_rundir(), bridge)
                  : NULL);
    ovs_mutex_unlock(&pi->mutex);

    if (!pi->started) {
        pi->started = true;
        pi->thread = ovs_thread_create("packet", packet_thread, pi);
    }
    seq_change(pi->orders.seq);
}

struct packet_event *
packet_in_next(struct packet_in *pi)
{
    struct ovs_list *node = queue_pop(&pi->events, event_size);

    return node ? event_cast(node) : NULL;
}

/* Whoever calls this has taken all events: what comes from now on wakes. */
void
packet_in_wait(struct packet_in *pi)
{
    uint64_t seqno = seq_read(pi->events.seq);

    if (queue_bytes(&pi->events)) {
        poll_immediate_wake();
    } else {
        seq_wait(pi->events.seq, seqno);
    }
}

void
packet_in_send(struct packet_in *pi, struct packet_order *order)
{
    if (!queue_push(&pi->orders, &order->list_node,
                    packet_order_size(order))) {
        count_drop(pi, PACKET_IN_DROP_ORDERS_FULL);
        packet_order_destroy(order);
    }
}

void
packet_in_get_stats(struct packet_in *pi, struct packet_in_stats *stats)
{
    ovs_mutex_lock(&pi->mutex);
    *stats = pi->stats;
    ovs_mutex_unlock(&pi->mutex);
    stats->event_bytes = queue_bytes(&pi->events);
    stats->order_bytes = queue_bytes(&pi->orders);
}

void
packet_in_get_memory_usage(struct packet_in *pi, struct simap *usage)
{
    simap_increase(usage, "packet-events-KB",
                   queue_bytes(&pi->events) / 1024);
    simap_increase(usage, "packet-orders-KB",
                   queue_bytes(&pi->orders) / 1024);
    simap_increase(usage, "packet-out-KB",
                   rconn_packet_counter_n_bytes(pi->tx) / 1024);
}
