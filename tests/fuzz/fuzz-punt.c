/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz-punt: fuzzes the handlers of punted packets. */

#include <config.h>

#undef NDEBUG
#include "translate/punt.h"

#include <stdlib.h>
#include <string.h>

#include "dp-packet.h"
#include "flow.h"
#include "fuzz-targets.h"
#include "openvswitch/meta-flow.h"
#include "openvswitch/ofpbuf.h"
#include "packets.h"
#include "translate/fast-path.h"
#include "translate/l3-router.h"
#include "translate/on-demand.h"
#include "translate/plugin-provider.h"
#include "translate/plugin-registry.h"
#include "translate/uplink-hop.h"
#include "translate/zeta-gateway.h"
#include "util.h"

/* What an input begins with; the punt's data follow, 'data_len' bytes or as
 * many as there are, and the frame. */
struct punt_input {
    uint8_t plugin;             /* Its number. */
    uint8_t kind;               /* Of the punt; with TRACKED, if it was. */
    uint8_t data_len[2];        /* Big endian. */
    ovs_be32 tun_ip;            /* Where the packet was, as far as handlers
                                 * look at that... */
    ovs_be64 metadata;
    uint32_t from, hop, out, flags; /* ...in registers. */
};
BUILD_ASSERT_DECL(sizeof(struct punt_input) == 32);
#define TRACKED 0x80

static const struct plugin_class *
find_class(uint8_t number)
{
    static struct plugin_registry registry;

    if (!registry.n) {
        plugin_registry_init(&registry);
    }
    for (size_t i = 0; i < registry.n; i++) {
        if (registry.entries[i].number == number) {
            return registry.entries[i].class;
        }
    }
    return NULL;
}

static void
fill_in(const struct punt_input *in, struct flow *flow)
{
    flow->in_port.ofp_port = u16_to_ofp(5);
    flow->metadata = in->metadata;
    flow->regs[MFF_ALCOR_FROM - MFF_REG0] = in->from;
    flow->regs[MFF_HOP4 - MFF_REG0] = in->hop;
    flow->regs[MFF_ALCOR_OUT - MFF_REG0] = in->out;
    flow->regs[MFF_ALCOR_FLAGS - MFF_REG0] = in->flags;
    flow->tunnel.ip_src = flow->tunnel.ip_dst = in->tun_ip;
    flow->ct_state = in->kind & TRACKED ? CS_TRACKED : 0;
}

/* Whoever gets the event can read it. */
static void
check_event(struct packet_event *event, const struct plugin_class *class)
{
    struct zeta_sign sign;

    event->plugin = class->number;
    const struct on_demand_question *q = on_demand_question_from_event(event);
    if (q) {
        ovs_assert(q->stage < OFS_N_STAGES);
        ovs_assert(strnlen(q->vpc_id, sizeof q->vpc_id) < sizeof q->vpc_id);
        ovs_assert(event->packet);
    }
    fast_path_sighting_from_event(event);
    uplink_hop_from_event(event);
    zeta_sign_from_event(event, &sign);
}

/* Appends everything that is in 'reply' to 'b'. */
static void
flatten(const struct packet_reply *reply, const struct plugin_class *class,
        struct ofpbuf *b)
{
    struct packet_order *order;
    struct packet_event *event;

    LIST_FOR_EACH (order, list_node, &reply->orders) {
        ofpbuf_put(b, order->ofpacts, order->ofpacts_len);
        ofpbuf_put(b, order->packet, order->packet_len);
    }
    LIST_FOR_EACH (event, list_node, &reply->events) {
        check_event(event, class);
        ofpbuf_put(b, event->data, event->len);
        ofpbuf_put(b, event->packet, event->packet_len);
    }
}

/* Has the handler look at the packet, and appends what it wants done. */
static void
handle(const struct plugin_class *class, const struct packet_view *view,
       struct ofpbuf *b)
{
    struct packet_reply reply;

    packet_reply_init(&reply, view);
    bool wanted = class->packet_in(view, &reply);
    ofpbuf_put(b, &wanted, sizeof wanted);
    flatten(&reply, class, b);
    packet_reply_uninit(&reply);
}

/* Handlers are pure functions of a packet and of data, neither of which is
 * trusted.  Both are copied: what reads beyond their ends is found out. */
void
fuzz_punt(const uint8_t *input, size_t size)
{
    const struct plugin_class *class;
    struct ofpbuf first, second;
    struct dp_packet packet;
    struct punt_input in;
    struct flow flow;

    if (size < sizeof in) {
        return;
    }
    memcpy(&in, input, sizeof in);
    class = find_class(in.plugin);
    if (!class || !class->packet_in
        || (in.kind & ~TRACKED) >= PUNT_N_KINDS) {
        return;
    }
    size_t left = size - sizeof in;
    size_t len = MIN(in.data_len[0] << 8 | in.data_len[1], left);
    void *data = xmemdup(input + sizeof in, len);
    void *frame = xmemdup(input + sizeof in + len, left - len);

    dp_packet_use_const(&packet, frame, left - len);
    flow_extract(&packet, &flow);
    fill_in(&in, &flow);
    struct packet_view view = {
        .kind = in.kind & ~TRACKED, .packet = &packet, .flow = &flow,
        .data = data, .len = len,
    };
    packet_context_from_flow(&view.context, &flow);

    ofpbuf_init(&first, 1024);
    ofpbuf_init(&second, 1024);
    handle(class, &view, &first);
    handle(class, &view, &second);
    ovs_assert(ofpbuf_equal(&first, &second));
    ofpbuf_uninit(&first);
    ofpbuf_uninit(&second);
    free(data);
    free(frame);
}

FUZZ_TARGET(fuzz_punt)
