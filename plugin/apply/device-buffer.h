/* SPDX-License-Identifier: Apache-2.0
 *
 * device-buffer: what can wait for ovs-vswitchd, and what could not. */

#ifndef APPLY_DEVICE_BUFFER_H
#define APPLY_DEVICE_BUFFER_H 1

/* What?
 * -----
 *
 * On the userspace datapath, ovs-vswitchd reads devices by sockets of family
 * AF_PACKET, in the thread that does all else: what comes meanwhile waits in
 * the socket, and what does not fit is dropped without a trace in any counter
 * of the device.  How much fits is net.core.rmem_default, as it was when the
 * socket was made.  The kernel tells both of each socket (sock_diag).
 *
 * Thread-safety: any thread. */

#include <stdbool.h>
#include <stdint.h>

/* What is advised for net.core.rmem_default. */
#define DEVICE_BUFFER_ADVISED (8 * 1024 * 1024)

struct device_buffer {
    uint64_t size;              /* Bytes, as the kernel counts: some 770 for a
                                 * small packet. */
    uint64_t drops;             /* Packets, ever. */
    uint64_t waiting;           /* Bytes, as above, of what has not been
                                 * read. */
};

/* Returns true and stores in '*buffer' what is known of the sockets that read
 * everything from 'device': the smallest size, all drops, and all that waits.
 * Returns false if there are none, or the kernel does not tell. */
bool device_buffer_get(const char *device, struct device_buffer *buffer);

#endif /* apply/device-buffer.h */
