/* SPDX-License-Identifier: Apache-2.0
 *
 * oam-xsk: takes OAM packets from an uplink's eBPF program. */

#ifndef FEEDBACK_OAM_XSK_H
#define FEEDBACK_OAM_XSK_H 1

/* OAM packets by AF_XDP
 * =====================
 *
 * What?
 * -----
 *
 * Where the fast path has an XDP program on the uplink, that program knows OAM
 * packets of known gateways (bpf/fast-path.h, struct fp_oam_source) and gives
 * them to the agent's AF_XDP sockets, one for each receive queue.  So they are
 * not in OVS's way: a storm of them fills a ring of the agent's, never the
 * queue that tenants' packets wait in.  A queue without a socket, or whose
 * device cannot have one, leaves them to OVS and the kernel, and they arrive
 * by oam-socket.h.  Both give the same packets to the same callback.
 *
 * The program has seen to it that a frame is IPv4 without options, whole, for
 * the host.  UDP checksums are not looked at: gateways send none.
 *
 * Ownership
 * ---------
 *
 * The caller puts the sockets (oam_xsk_fd()) into the program's map; closing
 * them takes them out.
 *
 * Bounds
 * ------
 *
 * OAM_XSK_FRAMES packets wait per queue; the kernel drops and counts what is
 * more.  oam_xsk_run() takes at most OAM_SOCKET_BATCH.
 *
 * Thread-safety: main thread only. */

#include <stddef.h>
#include <stdint.h>
#include "feedback/oam-socket.h"

#define OAM_XSK_MAX_QUEUES 16
#define OAM_XSK_FRAMES 1024

struct oam_xsk;

/* Opens sockets for the receive queues of the device with this index.  Returns
 * 0 and the new object in '*xskp', or a positive errno value if there cannot
 * be a single one. */
int oam_xsk_create(uint32_t ifindex, struct oam_xsk **xskp);
void oam_xsk_destroy(struct oam_xsk *);

/* The socket of 'queue', or -1. */
int oam_xsk_fd(const struct oam_xsk *, size_t queue);

/* Calls 'cb' for each packet.  'xsk' may be null. */
void oam_xsk_run(struct oam_xsk *, void (*cb)(const struct oam_packet *,
                                              void *aux),
                 void *aux);
void oam_xsk_wait(const struct oam_xsk *);

struct oam_xsk_stats {
    uint64_t received;
    uint64_t lost;              /* No room for them. */
};
void oam_xsk_get_stats(const struct oam_xsk *, struct oam_xsk_stats *);

#endif /* feedback/oam-xsk.h */
