/* SPDX-License-Identifier: Apache-2.0
 *
 * gateway-device: a gateway's device: frames out, heartbeats, MACs. */

#ifndef APPLY_GATEWAY_DEVICE_H
#define APPLY_GATEWAY_DEVICE_H 1

/* What?
 * -----
 *
 * What an agent in the gateway role does with its device besides the eBPF
 * program (bpf-gateway.h):
 *
 *    - sends whole frames: OAM packets, gratuitous ARP;
 *
 *    - has the device accept frames for entrances' MACs, which need not be its
 *      own.  The kernel keeps them in the device's list of unicast addresses
 *      ("bridge fdb show dev DEVICE"), so that they outlive the agent;
 *
 *    - sends heartbeats to a multicast group and hears those of others.  They
 *      go no further than the device's network.
 *
 * Nothing blocks: what cannot be sent at once is lost, and counted.
 *
 * Errors: strings for people, to be freed by the caller; null is success.
 *
 * Thread-safety: one thread at a time. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "openvswitch/compiler.h"
#include "openvswitch/types.h"

struct gateway_device;

/* 'source' is the address that heartbeats come from, 'group' and 'port' what
 * they go to. */
char *gateway_device_open(const char *name, ovs_be32 source,
                          const char *group, uint16_t port,
                          struct gateway_device **) OVS_WARN_UNUSED_RESULT;
void gateway_device_close(struct gateway_device *); /* Accepts null. */

void gateway_device_send(struct gateway_device *, const void *frame,
                         size_t size);

/* Tells everybody on the network that 'ip' is at 'mac'. */
void gateway_device_announce(struct gateway_device *, ovs_be32 ip,
                             struct eth_addr mac);

/* The device's own MAC needs nothing. */
char *gateway_device_accept(struct gateway_device *, struct eth_addr mac,
                            bool accept) OVS_WARN_UNUSED_RESULT;

void gateway_device_send_heartbeat(struct gateway_device *,
                                   const void *packet, size_t size);

/* Receives a heartbeat into 'packet', of 'size' bytes.  Returns its length,
 * which is larger than 'size' if it was cut, or -1 if there is none. */
int gateway_device_receive_heartbeat(struct gateway_device *, void *packet,
                                     size_t size, ovs_be32 *src);
void gateway_device_wait(struct gateway_device *);

/* Frames and heartbeats that could not be sent. */
unsigned long long int gateway_device_n_lost(const struct gateway_device *);

#endif /* apply/gateway-device.h */
