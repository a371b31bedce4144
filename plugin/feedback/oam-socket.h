/* SPDX-License-Identifier: Apache-2.0
 *
 * oam-socket: takes OAM packets in. */

#ifndef FEEDBACK_OAM_SOCKET_H
#define FEEDBACK_OAM_SOCKET_H 1

/* OAM sockets
 * ===========
 *
 * What?
 * -----
 *
 * One UDP socket for each port that gateways send OAM packets (oam.h) to,
 * bound to the host's own address in the underlay and to nothing else.  A
 * socket that cannot be bound, since the address is not there yet, say, is
 * tried again every OAM_SOCKET_RETRY_MSEC.
 *
 * The address alone does not keep tenants out.  On the userspace datapath,
 * Open vSwitch gets a copy of what arrives on a tenant's device, and the
 * host's own IP stack gets the frame as well: for it, what a tenant sends to
 * the host's address is for the host.  There, sockets are bound to the device
 * that has the address, too.
 *
 * Bounds
 * ------
 *
 * oam_sockets_run() takes at most OAM_SOCKET_BATCH packets, whatever else
 * waits; the kernel's buffer holds the rest and drops what is more: gateways
 * repeat themselves.  There are at most OAM_MAX_SOCKETS ports.
 *
 * In a storm, that is after OAM_SOCKET_STORM packets or more in one
 * millisecond, the next are waited for by time, a millisecond, and not by the
 * sockets: to be woken for each would cost us, and who wakes us, ovs-vswitchd
 * on the userspace datapath, more than the packet itself.
 *
 * Thread-safety: main thread only. */

#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>
#include "openvswitch/types.h"

#define OAM_SOCKET_RETRY_MSEC 1000
#define OAM_SOCKET_BATCH 1024
#define OAM_SOCKET_STORM 5
#define OAM_MAX_SOCKETS 16

/* A packet as it came. */
struct oam_packet {
    ovs_be32 source;            /* Outer. */
    uint16_t port;              /* That it was sent to. */
    const void *data;
    size_t len;                 /* More than any valid one if it was cut. */
};

struct oam_sockets;

struct oam_sockets *oam_sockets_create(void);
void oam_sockets_destroy(struct oam_sockets *);

/* Listens at 'host_ip' (IPv4-mapped, else nowhere) to these ports and no
 * others. */
void oam_sockets_set(struct oam_sockets *, const struct in6_addr *host_ip,
                     const uint16_t *ports, size_t n);

/* Takes only what arrives on the device with index 'ifindex'; 0: on any;
 * -1: nothing at all, for the device is not known. */
void oam_sockets_set_device(struct oam_sockets *, int ifindex);

/* Binds 'fd' to a device, as above.  Returns 0 or a positive errno value. */
int oam_socket_bind_device(int fd, int ifindex);

/* Calls 'cb' for each packet. */
void oam_sockets_run(struct oam_sockets *, long long int now,
                     void (*cb)(const struct oam_packet *, void *aux),
                     void *aux);
void oam_sockets_wait(const struct oam_sockets *);

/* Why one of them does not work, or null. */
const char *oam_sockets_error(const struct oam_sockets *);

#endif /* feedback/oam-socket.h */
