/* SPDX-License-Identifier: Apache-2.0
 *
 * bpf-gateway: the gateway's program on its device, its entrances and OAM. */

#ifndef APPLY_BPF_GATEWAY_H
#define APPLY_BPF_GATEWAY_H 1

/* What?
 * -----
 *
 * bpf/gateway.bpf.c forwards for the entrances that this node has, to the
 * endpoints in its table (bpf-gateway-table.h).  This module puts it on a
 * device, native XDP or else generic, tells it its entrances, and hands out
 * what it wants hosts to be told of direct paths.
 *
 * Usage
 * -----
 *
 *    1. bpf_gateway_open(); on a first start the table is empty, else what it
 *       was, and the program is replaced between two packets.  After an
 *       upgrade from another version of the layout, the table is empty as
 *       well, and the old program goes on with its own.
 *
 *    2. gateway_table_set() and _remove(), on bpf_gateway_table().
 *
 *    3. bpf_gateway_set_entrances(), now and whenever one moves.
 *
 *    4. bpf_gateway_take_over() when the table is complete: only now an old
 *       program is replaced, and its tables removed.
 *
 *    5. bpf_gateway_run() in the main loop: calls back for each flow that is
 *       to be told, with the frame of the OAM packet, ready to be sent from
 *       the device.
 *
 * bpf_gateway_close() leaves everything working and pinned, below the
 * directory of the fast path (apply-bpf.h); bpf_gateway_uninstall() does not.
 * A device has one program: one that is an uplink of the fast path already is
 * refused.
 *
 * Errors: strings for people, to be freed by the caller; null is success.
 *
 * Thread-safety: one thread at a time. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "bpf/fast-path-gateway.h"
#include "openvswitch/types.h"

struct bpf_gateway;

struct bpf_gateway_config {
    const char *dir;            /* Null: as in struct apply_bpf_config. */
    uint32_t n_buckets;         /* A power of 2; 0: 2^20, for a million
                                 * endpoints.  Of no effect on a table that is
                                 * there already. */
    unsigned int oam_msec;      /* How often a flow is told; 0: 5 seconds. */
    ovs_be16 vxlan_port;
};

struct bpf_gateway_entrance {
    ovs_be32 ip;
    struct eth_addr mac;
};

char *bpf_gateway_open(const struct bpf_gateway_config *, const char *device,
                       struct bpf_gateway **) OVS_WARN_UNUSED_RESULT;
void bpf_gateway_close(struct bpf_gateway *);
void bpf_gateway_uninstall(struct bpf_gateway *);
/* Removes what was left, if that is no gateway's any more.  Returns true if
 * there was something. */
bool bpf_gateway_uninstall_left(void);

struct gateway_table *bpf_gateway_table(struct bpf_gateway *);

/* Where its tables are pinned. */
const char *bpf_gateway_dir(const struct bpf_gateway *);

/* These, and no others.  Fails if too many addresses have the same hash: none
 * of those that do not fit is served then. */
char *bpf_gateway_set_entrances(struct bpf_gateway *,
                                const struct bpf_gateway_entrance *, size_t n)
    OVS_WARN_UNUSED_RESULT;

/* Has no effect if there is nothing left of another version. */
char *bpf_gateway_take_over(struct bpf_gateway *) OVS_WARN_UNUSED_RESULT;

/* Calls 'cb' for what is to be told, and returns how often. */
size_t bpf_gateway_run(struct bpf_gateway *,
                       void (*cb)(const struct fp_gw_oam *, void *aux),
                       void *aux);
void bpf_gateway_wait(struct bpf_gateway *);

void bpf_gateway_get_counters(const struct bpf_gateway *,
                              struct fp_gw_counters *);
void bpf_gateway_get_vpc_counters(const struct bpf_gateway *, uint16_t vpc,
                                  struct fp_gw_vpc_counters *);

/* OAM packets, as frames (design: Zeta, "In-band operation"). */
#define GATEWAY_OAM_IDLE_SECS 30
#define GATEWAY_OAM_INJECT_LEN (14 + 20 + 8 + 44)
#define GATEWAY_OAM_DELETE_LEN (14 + 20 + 8 + 20)

/* Tells 'oam->to_ip' the direct path of a flow, from the entrance that it
 * used; or that there is none any more.  'port' is the cluster's OAM port. */
void gateway_oam_inject(const struct fp_gw_oam *oam, ovs_be16 port,
                        uint8_t frame[GATEWAY_OAM_INJECT_LEN]);
void gateway_oam_delete(const struct fp_gw_oam *oam, ovs_be16 port,
                        uint8_t frame[GATEWAY_OAM_DELETE_LEN]);

#endif /* apply/bpf-gateway.h */
