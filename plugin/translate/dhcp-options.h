/* SPDX-License-Identifier: Apache-2.0
 *
 * dhcp-options: DHCP options of goal state as bytes. */

#ifndef TRANSLATE_DHCP_OPTIONS_H
#define TRANSLATE_DHCP_OPTIONS_H 1

/* DHCP options
 * ============
 *
 * Options (RFC 2132 and others) are appended to a buffer as code, length,
 * value; what is longer than 255 bytes becomes several, which the client puts
 * together again (RFC 3396).
 *
 * "Extra" options come from goal state as text.  Their names are those that
 * Neutron, dnsmasq and ISC dhcpd have for them (dhcp_option_known()), or
 * numbers, 1 to 254; names may have an "option:" in front.  What a value has
 * to look like, the option's type says:
 *
 *    addresses   10.0.0.1,10.0.0.2
 *    routes      10.1.0.0/16,10.0.0.1,0.0.0.0/0,10.0.0.254   (RFC 3442)
 *    numbers     1500
 *    booleans    0 or 1
 *    domains     a.example,b.example    (RFC 3397, without compression)
 *    text        anything
 *    bytes       01:0a:ff
 *
 * A number without known type may have addresses, bytes ("hex:01:0a") or text.
 *
 * Thread-safety: no state. */

#include <stddef.h>
#include <stdint.h>
#include "openvswitch/compiler.h"

struct ofpbuf;

/* Codes that the code knows. */
enum dhcp_option {
    DHCP_MASK = 1,
    DHCP_ROUTER = 3,
    DHCP_DNS = 6,
    DHCP_HOST_NAME = 12,
    DHCP_MTU = 26,
    DHCP_REQUESTED_IP = 50,
    DHCP_LEASE_TIME = 51,
    DHCP_MESSAGE_TYPE = 53,
    DHCP_SERVER_ID = 54,
    DHCP_PARAMETERS = 55,
    DHCP_MAX_SIZE = 57,
    DHCP_RENEWAL_TIME = 58,
    DHCP_REBINDING_TIME = 59,
    DHCP_CLIENT_ID = 61,
};

void dhcp_option_put(struct ofpbuf *, uint8_t code, const void *value,
                     size_t len);
void dhcp_option_put_u32(struct ofpbuf *, uint8_t code, uint32_t value);

/* Appends what 'name' and 'value' say.  Returns the option's code, or 0 and
 * stores in '*errorp' a malloc()'d message, having appended nothing. */
uint8_t dhcp_option_put_text(struct ofpbuf *, const char *name,
                             const char *value, char **errorp);

#endif /* translate/dhcp-options.h */
