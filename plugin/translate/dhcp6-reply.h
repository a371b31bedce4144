/* SPDX-License-Identifier: Apache-2.0
 *
 * dhcp6-reply: what a DHCPv6 server answers (RFC 8415). */

#ifndef TRANSLATE_DHCP6_REPLY_H
#define TRANSLATE_DHCP6_REPLY_H 1

/* DHCPv6
 * ======
 *
 * As with DHCPv4 (dhcp4-reply.h), goal state says which address a port has;
 * 'struct dhcp6_data' rides in the flow that punted the question.
 *
 *    SOLICIT                ADVERTISE, with rapid commit REPLY
 *    REQUEST, RENEW, REBIND REPLY with the address, and lifetime 0 for others
 *                           that the client had
 *    CONFIRM                REPLY: whether the addresses are still right
 *    RELEASE, DECLINE       REPLY: success; the address stays the port's
 *    INFORMATION-REQUEST    REPLY with what is no address
 *
 * Messages that name another server, or none where one has to be named, are
 * not answered, nor are relayed ones.  Temporary addresses and delegated
 * prefixes are refused in the answer.  The server's DUID is made of its MAC
 * (DUID-LL).
 *
 * Thread-safety: no state; runs in the packet thread. */

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include "openvswitch/types.h"

struct packet_reply;
struct packet_view;

/* As it is in a punt; name servers follow, 16 bytes each. */
struct dhcp6_data {
    struct eth_addr server_mac;
    struct eth_addr client_mac;
    uint8_t address[16];
};

/* Answers the DHCPv6 message in 'view'.  Returns false if it is none. */
bool dhcp6_reply(const struct packet_view *view, struct packet_reply *);

#endif /* translate/dhcp6-reply.h */
