/* SPDX-License-Identifier: Apache-2.0
 *
 * punt: packets that flows cannot answer, and the handlers that do. */

#include <config.h>

#include "translate/punt.h"

#include <stdlib.h>
#include "byte-order.h"
#include "dp-packet.h"
#include "openvswitch/ofp-actions.h"
#include "openvswitch/ofpbuf.h"
#include "translate/flow-actions.h"
#include "util.h"

const char *
punt_kind_to_string(enum punt_kind kind)
{
    static const char *const names[] = {
#define PUNT_KIND(NAME, STRING, PPS, BURST, WHAT) [PUNT_##NAME] = STRING,
        PUNT_KINDS
#undef PUNT_KIND
    };
    return names[kind];
}

void
packet_context_from_flow(struct packet_context *context,
                         const struct flow *flow)
{
    context->in_port = ofp_to_u16(flow->in_port.ofp_port);
    context->metadata = ntohll(flow->metadata);
    for (int i = 0; i < FLOW_N_REGS; i++) {
        context->regs[i] = flow->regs[i];
    }
}

/* Orders and events. */

struct packet_order *
packet_order_create(const struct packet_context *context,
                    const struct ofpbuf *ofpacts,
                    const void *packet, size_t len)
{
    struct packet_order *order = xmalloc(sizeof *order);

    order->context = *context;
    order->ofpacts = xmemdup(ofpacts->data, ofpacts->size);
    order->ofpacts_len = ofpacts->size;
    order->packet = xmemdup(packet, len);
    order->packet_len = len;
    return order;
}

void
packet_order_destroy(struct packet_order *order)
{
    if (order) {
        free(order->ofpacts);
        free(order->packet);
        free(order);
    }
}

size_t
packet_order_size(const struct packet_order *order)
{
    return sizeof *order + order->ofpacts_len + order->packet_len;
}

void
packet_event_destroy(struct packet_event *event)
{
    if (event) {
        free(event->data);
        free(event->packet);
        free(event);
    }
}

size_t
packet_event_size(const struct packet_event *event)
{
    return sizeof *event + event->len + event->packet_len;
}

/* Replies. */

void
packet_reply_init(struct packet_reply *reply, const struct packet_view *view)
{
    reply->view = view;
    ovs_list_init(&reply->orders);
    ovs_list_init(&reply->events);
}

void
packet_reply_uninit(struct packet_reply *reply)
{
    struct packet_order *order;
    struct packet_event *event;

    LIST_FOR_EACH_POP (order, list_node, &reply->orders) {
        packet_order_destroy(order);
    }
    LIST_FOR_EACH_POP (event, list_node, &reply->events) {
        packet_event_destroy(event);
    }
}

void
packet_reply_send(struct packet_reply *reply, const void *packet, size_t len,
                  const struct ofpbuf *ofpacts)
{
    struct packet_order *order = packet_order_create(
        &reply->view->context, ofpacts, packet, len);

    ovs_list_push_back(&reply->orders, &order->list_node);
}

void
packet_reply_answer(struct packet_reply *reply, const void *packet,
                    size_t len)
{
    uint64_t stub[64 / 8];
    struct ofpbuf ofpacts;

    ofpbuf_use_stub(&ofpacts, stub, sizeof stub);
    act_output_in_port(&ofpacts);
    packet_reply_send(reply, packet, len, &ofpacts);
    ofpbuf_uninit(&ofpacts);
}

void
packet_reply_resume(struct packet_reply *reply, enum of_stage stage,
                    uint32_t of_flags)
{
    const struct dp_packet *packet = reply->view->packet;
    uint64_t stub[64 / 8];
    struct ofpbuf ofpacts;

    ofpbuf_use_stub(&ofpacts, stub, sizeof stub);
    if (of_flags) {
        act_set_flag(&ofpacts, of_flags);
    }
    act_resubmit(&ofpacts, stage);
    packet_reply_send(reply, dp_packet_data(packet), dp_packet_size(packet),
                      &ofpacts);
    ofpbuf_uninit(&ofpacts);
}

void
packet_reply_event(struct packet_reply *reply, const void *data, size_t len,
                   bool with_packet)
{
    const struct packet_view *view = reply->view;
    struct packet_event *event = xzalloc(sizeof *event);

    event->kind = view->kind;
    event->context = view->context;
    event->data = xmemdup(data, len);
    event->len = len;
    if (with_packet) {
        event->packet_len = dp_packet_size(view->packet);
        event->packet = xmemdup(dp_packet_data(view->packet),
                                event->packet_len);
    }
    ovs_list_push_back(&reply->events, &event->list_node);
}
