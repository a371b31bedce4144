/* SPDX-License-Identifier: Apache-2.0
 *
 * rejection: hears from hosts that they do not take what tunnels bring. */

#ifndef FEEDBACK_REJECTION_H
#define FEEDBACK_REJECTION_H 1

/* Rejections
 * ==========
 *
 * What?
 * -----
 *
 * A host on which nothing is at the other end of a tunnel (any more) answers
 * with ICMP "destination unreachable" (RFC 792): its kernel does so for a UDP
 * port that nobody listens at.  Direct paths that lead there are wrong, and
 * need not wait until the gateway is asked again.
 *
 * A rejection is believed if it comes from the very host that the tunnelled
 * packet, of which it quotes the beginning, was for, and if that packet was
 * ours.  Nothing authenticates it.  If it was forged, packets go to the
 * gateway, which tells of the path once more.  On the userspace datapath, what
 * tenants send is not heard (feedback/oam-socket.h says why it would be).
 *
 * Bounds
 * ------
 *
 * REJECTION_BATCH packets are looked at, whatever else waits; some
 * REJECTION_MAX_PER_SEC a second are told of.  The kernel drops what is more.
 *
 * Thread-safety: main thread only. */

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include "openvswitch/types.h"

#define REJECTION_BATCH 64
#define REJECTION_MAX_PER_SEC 20

/* How often it is tried to listen at an address that is not there. */
#define REJECTION_RETRY_MSEC 10000

/* Looks at 'packet', IPv4 from its header on.  Returns true and stores in
 * '*host' who sent it if it rejects a packet of the tunnels, which have UDP
 * port 'tunnel_port', from host 'self'. */
bool rejection_parse(const void *packet, size_t len, ovs_be32 self,
                     uint16_t tunnel_port, ovs_be32 *host);

struct rejections;

struct rejections *rejections_create(void);
void rejections_destroy(struct rejections *); /* Accepts null. */

/* Listens at 'host_ip', or, if it is not IPv4-mapped, nowhere. */
void rejections_set(struct rejections *, const struct in6_addr *host_ip);

/* As oam_sockets_set_device(). */
void rejections_set_device(struct rejections *, int ifindex);

/* Calls 'cb' for each host that has rejected something. */
void rejections_run(struct rejections *, uint16_t tunnel_port,
                    void (*cb)(ovs_be32 host, void *aux), void *aux);
void rejections_wait(const struct rejections *);

#endif /* feedback/rejection.h */
