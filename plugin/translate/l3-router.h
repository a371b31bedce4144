/* SPDX-License-Identifier: Apache-2.0
 *
 * l3-router: what the files of plugin "l3-routing" have in common. */

#ifndef TRANSLATE_L3_ROUTER_H
#define TRANSLATE_L3_ROUTER_H 1

/* Registers within the tables of ROUTE, and what routers say of themselves.
 *
 * Thread-safety: no state. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <netinet/in.h>
#include "apply/of-pipeline.h"
#include "openvswitch/types.h"

struct goal_network;
struct goal_port;
struct ofpbuf;
struct plugin_output;

/* Which router a packet is in: a hash of its id. */
#define MFF_ROUTER MFF_XREG2

/* Bit 0: the packet is longer than the MTU. */
#define MFF_TOO_BIG MFF_REG7

/* Address of the next hop. */
#define MFF_HOP4 MFF_REG6
#define MFF_HOP6 MFF_XXREG2

/* TTL of what the router itself sends. */
#define ROUTER_TTL 64

/* l3-errors.c: what the router says to the local port 'port', plugged into
 * 'ofport', about packets from the subnet 'net' that it does not forward. */
struct l3_listener {
    const struct goal_port *port;
    uint32_t ofport;
    const struct goal_network *net;
    uint32_t mtu;
};

/* Outputs the flows for it.  Returns NULL or a malloc()'d message. */
char *l3_port_errors(const struct l3_listener *, struct plugin_output *);

/* l3-ecmp.c: Outputs a group named 'name' that spreads flows over the 'n'
 * buckets, each with the actions at 'buckets', which are the caller's.
 * Returns its number, or 0 if there is none left. */
uint32_t l3_ecmp_group(struct plugin_output *, const char *name,
                       const struct ofpbuf *buckets, size_t n);

/* l3-internet.c: a way out of the network. */
struct l3_uplink {
    uint64_t router;            /* Tag of the router. */
    uint32_t ofport;            /* Of the patch port. */
    struct eth_addr mac;        /* Of the router there, on this host. */
};

/* What comes back for the subnet 'net' is the router's. */
void l3_internet_flows(const struct l3_uplink *, const struct goal_network *,
                       struct plugin_output *);
/* The router answers there for 'ip', a local port's, in the subnet with
 * 'tag'. */
void l3_internet_address(uint64_t tag, const struct in6_addr *ip,
                         struct plugin_output *);

/* The plugin's packet_in. */
struct packet_reply;
struct packet_view;
bool l3_packet_in(const struct packet_view *, struct packet_reply *);

#endif /* translate/l3-router.h */
