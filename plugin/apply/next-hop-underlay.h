/* SPDX-License-Identifier: Apache-2.0
 *
 * next-hop-underlay: the device that tunnelled packets leave by. */

#ifndef APPLY_NEXT_HOP_UNDERLAY_H
#define APPLY_NEXT_HOP_UNDERLAY_H 1

/* Underlay
 * ========
 *
 * What?
 * -----
 *
 * Finds the network device that owns an address (alcor-host-ip) and the
 * prefixes on it, and follows changes: rtnetlink tells when something has
 * changed, upon which the list of addresses is read again: after
 * UNDERLAY_SETTLE_MSEC, since one change brings many messages (and, if
 * vswitchd stops, its end), and at most once in UNDERLAY_READ_MSEC, since on a
 * busy host devices come and go all the time.
 *
 * Thread-safety: main thread only. */

#include <netinet/in.h>
#include <stdbool.h>

struct underlay;

#define UNDERLAY_SETTLE_MSEC 200
#define UNDERLAY_READ_MSEC 1000

/* Reads the present state at once. */
struct underlay *underlay_create(const struct in6_addr *host_ip);
void underlay_destroy(struct underlay *);

/* Returns true if the device, or a prefix on it, is another than before, or if
 * the device itself has changed in some way, so that what others know about
 * hosts behind it may be gone. */
bool underlay_run(struct underlay *);
void underlay_wait(struct underlay *);

/* True if a device has the address, be it lo. */
bool underlay_exists(const struct underlay *);

/* Name of the device, or null if no device but lo has the address; its
 * index. */
const char *underlay_device(const struct underlay *);
int underlay_ifindex(const struct underlay *);

/* True if 'ip' is another host in a prefix of the device. */
bool underlay_is_on_link(const struct underlay *, const struct in6_addr *ip);

#endif /* apply/next-hop-underlay.h */
