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
#include "openvswitch/ofpbuf.h"
#include "openvswitch/types.h"

struct goal_network;
struct goal_port;
struct goal_router;
struct goal_view;
struct packet_reply;
struct packet_view;
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

/* l3-ecmp.c: one of several ways to the same destination. */
struct l3_ecmp_leg {
    const char *name;           /* What its flows keep to. */
    struct ofpbuf acts;
};

/* Outputs a group named 'name' that spreads flows over the 'n' ways at 'legs',
 * which are the caller's.  Returns its number, or 0 if there is none left. */
uint32_t l3_ecmp_group(struct plugin_output *, const char *name,
                       const struct l3_ecmp_leg *, size_t n);

/* Finds out who has a next hop, 'ip' in 'net': stores the MAC, unless one was
 * given by '*mac'.  Returns false if nobody has it, as far as is known, or a
 * port that takes nothing.  Who gives a MAC need not say whose it is.  What is
 * not known may be found by way of a gateway that knows all; who asks on
 * demand knows it then. */
bool l3_find_next_hop(struct goal_view *, const struct goal_network *net,
                      const struct in6_addr *ip, struct eth_addr *mac);

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

/* l3-uplink-hop.c: next hops there whose MAC the rule does not give. */

/* True if 'next_hop' can be asked for its MAC. */
bool l3_uplink_asks(const struct in6_addr *next_hop);
/* Stores in '*mac' what it has answered, if it has.  False: it is silent. */
bool l3_uplink_lookup(struct goal_view *, const struct in6_addr *next_hop,
                      struct eth_addr *mac);
/* Appends to 'acts' what has it asked. */
void l3_uplink_ask(const struct l3_uplink *, const struct goal_router *,
                   const struct in6_addr *next_hop, struct plugin_output *,
                   struct ofpbuf *acts);
/* Its answers are listened to, on 'ofport'. */
void l3_uplink_answers(uint32_t ofport, const struct goal_router *,
                       const struct in6_addr *next_hop,
                       struct plugin_output *);
bool l3_uplink_packet_in(const struct packet_view *, struct packet_reply *);

/* The plugin's packet_in. */
bool l3_packet_in(const struct packet_view *, struct packet_reply *);

#endif /* translate/l3-router.h */
