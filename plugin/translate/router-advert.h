/* SPDX-License-Identifier: Apache-2.0
 *
 * router-advert: answers router solicitations. */

#ifndef TRANSLATE_ROUTER_ADVERT_H
#define TRANSLATE_ROUTER_ADVERT_H 1

/* Router advertisements
 * =====================
 *
 * What?
 * -----
 *
 * A subnet of IPv6 with a gateway answers the router solicitations of its
 * local ports (RFC 4861): the gateway is the default router; the prefix is
 * on-link.  Whether addresses come from DHCPv6 or are made from the prefix
 * follows the subnet's dhcp_enable, which is also what the flags M and O say.
 *
 * An answer is longer than its question, so it takes a punt: translation has
 * what to answer ride in the flow.
 *
 * Thread-safety: no state. */

#include <stdbool.h>
#include <stdint.h>

struct goal_network;
struct goal_port;
struct packet_reply;
struct packet_view;
struct plugin_output;

/* A local port in a subnet. */
struct router_advert_listener {
    const struct goal_port *port;
    uint32_t ofport;
    const struct goal_network *net;
    uint32_t mtu;
};

/* Outputs the flow for it, if the subnet has something to advertise.  Returns
 * NULL or a malloc()'d message. */
char *router_advert_flow(const struct router_advert_listener *,
                         struct plugin_output *);

/* Handles the punt. */
bool router_advert_packet_in(const struct packet_view *,
                             struct packet_reply *);

#endif /* translate/router-advert.h */
