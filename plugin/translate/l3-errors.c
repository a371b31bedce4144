/* SPDX-License-Identifier: Apache-2.0
 *
 * l3-errors: plugin "l3-routing": what the router says to local ports. */

#include <config.h>

#include "translate/l3-router.h"

#include <string.h>
#include "dp-packet.h"
#include "flow.h"
#include "packets.h"
#include "translate/flow-actions.h"
#include "translate/flow-draft.h"
#include "translate/icmp-error.h"
#include "translate/plugin-provider.h"
#include "translate/punt.h"
#include "util.h"

/* Each local port has, for each subnet with a gateway that it is in, a flow
 * for each reason not to forward its packets.  The flow counts the drop and
 * punts the packet, with the rate that a port may have, to the packet thread,
 * which answers in the name of the subnet's gateway.
 *
 * Without these flows, which are ports', the router would drop all that in
 * silence. */

/* Where and why a packet is not forwarded. */
struct l3_error {
    enum of_stage stage;
    uint16_t priority;
    enum icmp_error_kind kind;
    enum of_drop reason;        /* OF_DROP_NONE: not counted; the switch
                                 * could not tell. */
};

static const struct l3_error errors[] = {
    { OFS_ROUTE_SELF, OF_PRIO_LOW + 2, ICMP_ERROR_TTL, OF_DROP_TTL },
    { OFS_ROUTE_SELF, OF_PRIO_LOW + 3, ICMP_ERROR_TOO_BIG, OF_DROP_NONE },
    { OFS_ROUTE_LOOKUP, 1, ICMP_ERROR_NO_ROUTE, OF_DROP_NO_ROUTE },
    { OFS_UNKNOWN, 1, ICMP_ERROR_NO_HOST, OF_DROP_UNKNOWN_DESTINATION },
};

static char *
error_flow(const struct l3_error *e, const struct l3_listener *listener,
           struct plugin_output *out)
{
    const struct goal_network *net = listener->net;
    struct icmp_error data;
    struct punt punt = {
        PUNT_ICMP_ERROR, listener->port->up.id, &data, sizeof data,
    };
    struct flow_draft f;

    memset(&data, 0, sizeof data);
    data.ip = net->subnet->gateway_ip;
    data.mac = net->subnet->gateway_mac;
    data.kind = e->kind;
    data.mtu = e->kind == ICMP_ERROR_TOO_BIG ? listener->mtu : 0;

    if (e->stage == OFS_UNKNOWN) {
        /* The metadata and the source MAC are of the destination's subnet by
         * now. */
        data.to = listener->port->mac;
        flow_draft_init(&f, 0);
        match_set_reg(&f.match, MFF_ALCOR_FROM - MFF_REG0, net->tag);
    } else {
        flow_draft_init(&f, net->tag);
    }
    match_set_in_port(&f.match, u16_to_ofp(listener->ofport));
    flow_draft_match_family(&f, IN6_IS_ADDR_V4MAPPED(&data.ip));
    if (e->kind == ICMP_ERROR_TTL) {
        match_set_nw_ttl(&f.match, 1);
    } else if (e->kind == ICMP_ERROR_TOO_BIG) {
        match_set_reg(&f.match, MFF_TOO_BIG - MFF_REG0, 1);
    }

    char *error = output_punt(out, &f.acts, &punt);
    if (error) {
        ofpbuf_uninit(&f.acts);
        return error;
    }
    if (e->reason) {
        act_drop(&f.acts, e->reason);
    }
    flow_draft_output(&f, out, e->stage, e->priority);
    return NULL;
}

char *
l3_port_errors(const struct l3_listener *listener, struct plugin_output *out)
{
    const struct goal_subnet *subnet = listener->net->subnet;
    char *error = NULL;

    if (ipv6_addr_is_set(&subnet->gateway_ip)
        && !eth_addr_is_zero(subnet->gateway_mac)) {
        for (size_t i = 0; i < ARRAY_SIZE(errors) && !error; i++) {
            error = error_flow(&errors[i], listener, out);
        }
    }
    return error;
}

bool
l3_packet_in(const struct packet_view *view, struct packet_reply *reply)
{
    struct icmp_error error;
    struct dp_packet answer;

    if (view->kind == PUNT_UPLINK_HOP) {
        return l3_uplink_packet_in(view, reply);
    } else if (view->kind != PUNT_ICMP_ERROR || view->len != sizeof error) {
        return false;
    }
    memcpy(&error, view->data, sizeof error);
    dp_packet_init(&answer, 0);
    bool done = icmp_error_compose(&error, view->packet, view->flow, &answer);
    if (done) {
        packet_reply_answer(reply, dp_packet_data(&answer),
                            dp_packet_size(&answer));
    }
    dp_packet_uninit(&answer);
    return done;
}
