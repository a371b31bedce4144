/* SPDX-License-Identifier: Apache-2.0
 *
 * test-punt: packet handlers of plugins, without a switch.
 *
 *     alcortest punt PLUGIN KIND DATA FLOW
 *
 * Gives the handler of the built-in PLUGIN the packet that FLOW (as for
 * ovs-ofctl) describes, punted as KIND with DATA (in hexadecimal), and prints
 * what it wants done. */

#include <config.h>

#undef NDEBUG
#include "translate/punt.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "alcortest.h"
#include "dp-packet.h"
#include "flow.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/ofp-actions.h"
#include "openvswitch/ofp-flow.h"
#include "openvswitch/ofp-print.h"
#include "openvswitch/ofpbuf.h"
#include "packets.h"
#include "translate/on-demand.h"
#include "translate/plugin-provider.h"
#include "translate/plugin-registry.h"
#include "util.h"

static const struct plugin_class *
find_class(const struct plugin_registry *registry, const char *name)
{
    for (size_t i = 0; i < registry->n; i++) {
        if (!strcmp(registry->entries[i].class->name, name)) {
            return registry->entries[i].class;
        }
    }
    ovs_fatal(0, "%s: no such plugin", name);
}

static enum punt_kind
find_kind(const char *name)
{
    for (enum punt_kind kind = 0; kind < PUNT_N_KINDS; kind++) {
        if (!strcmp(punt_kind_to_string(kind), name)) {
            return kind;
        }
    }
    ovs_fatal(0, "%s: no such kind", name);
}

static void
print_question(const struct packet_event *event)
{
    const struct on_demand_question *q = event->data;
    struct ds s = DS_EMPTY_INITIALIZER;

    ipv6_format_mapped(&q->src, &s);
    ds_put_format(&s, ":%"PRIu16" asks for ", q->src_port);
    ipv6_format_mapped(&q->dst, &s);
    printf("%s:%"PRIu16", protocol %"PRIu8", vpc %s, goes on in %s\n",
           ds_cstr(&s), q->dst_port, q->protocol, q->vpc_id,
           of_stage_to_string(q->stage));
    ds_destroy(&s);
}

static void
print_reply(const struct packet_reply *reply, uint8_t plugin)
{
    const struct packet_order *order;
    struct packet_event *event;

    LIST_FOR_EACH (order, list_node, &reply->orders) {
        const struct ofpact_format_params fp = {
            .s = &(struct ds) DS_EMPTY_INITIALIZER
        };

        ofpacts_format(order->ofpacts, order->ofpacts_len, &fp);
        char *packet = ofp_packet_to_string(order->packet, order->packet_len,
                                            htonl(PT_ETH));
        printf("actions=%s %s", ds_cstr(fp.s), packet);
        ds_destroy(fp.s);
        free(packet);
    }
    LIST_FOR_EACH (event, list_node, &reply->events) {
        event->plugin = plugin;
        if (on_demand_question_from_event(event)) {
            print_question(event);
        } else {
            printf("event of %"PRIuSIZE" bytes\n", event->len);
        }
    }
}

static void
test_punt(int argc, char *argv[])
{
    struct ofpbuf data = { .data = NULL };
    struct plugin_registry registry;
    struct dp_packet packet;
    struct packet_reply reply;
    struct flow flow;

    assert(argc == 5);
    plugin_registry_init(&registry);
    const struct plugin_class *class = find_class(&registry, argv[1]);
    assert(class->packet_in);
    ofpbuf_put_hex(&data, argv[3], NULL);
    char *error = parse_ofp_exact_flow(&flow, NULL, NULL, argv[4], NULL);
    if (error) {
        ovs_fatal(0, "%s", error);
    }
    dp_packet_init(&packet, 0);
    flow_compose(&packet, &flow, NULL, 64);

    struct packet_view view = {
        .kind = find_kind(argv[2]), .packet = &packet, .flow = &flow,
        .data = data.data, .len = data.size,
    };
    packet_context_from_flow(&view.context, &flow);
    packet_reply_init(&reply, &view);
    if (class->packet_in(&view, &reply)) {
        print_reply(&reply, class->number);
    } else {
        printf("unwanted\n");
    }
    packet_reply_uninit(&reply);
    dp_packet_uninit(&packet);
    ofpbuf_uninit(&data);
    plugin_registry_destroy(&registry);
}

ALCORTEST_REGISTER("punt", test_punt);
