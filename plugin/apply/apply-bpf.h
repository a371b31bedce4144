/* SPDX-License-Identifier: Apache-2.0
 *
 * apply-bpf: loads the eBPF fast path, attaches it, and fills its tables. */

#ifndef APPLY_APPLY_BPF_H
#define APPLY_APPLY_BPF_H 1

/* What?
 * -----
 *
 * bpf/fast-path.h says what the programs do.  This module puts them on the
 * uplink and on tenants' devices, and writes their entries.  What is in the
 * entries is the caller's: verdicts that OVS has given.
 *
 * Hooks
 * -----
 *
 * Which hook a device gets follows from the datapath and from
 * alcor-fast-path:
 *
 *    - "system": tc, on which OVS's own hook comes second.
 *
 *    - "netdev": OVS reads the device by AF_PACKET, which sees frames before
 *      tc does, so that tc would deliver everything twice: refused.  XDP,
 *      native or else generic.
 *
 *    - "netdev", interposed: tc on the device, which then is not OVS's port.
 *      What the programs leave to OVS goes into a pair of veths of ours, whose
 *      other end (apply_bpf_ovs_device()) is to be OVS's port.
 *
 * XDP takes frames as they are: a sender on the same machine must have its
 * transmit checksums switched off.  Where the sender's device can be seen from
 * here, this is checked.  What is redirected into a veth needs NAPI on its
 * peer, i.e. GRO or an XDP program there.
 *
 * A device on which someone else's program is, is left alone: an error, and
 * packets go through OVS as ever.
 *
 * Staying
 * -------
 *
 * Everything is pinned in a directory of the bpffs (DIR/vN, N being the
 * version of the layout), or is part of the device (tc), and goes on working
 * when the agent is gone.  After a restart, apply_bpf_open() finds the tables
 * and ports, the caller adds its devices again, whose programs are replaced
 * between two packets, and apply_bpf_sweep() removes the devices that were not
 * added.  Another layout starts with empty tables, and puts its programs in
 * the place of the old ones in the same way; what is left of those, the sweep
 * removes.  apply_bpf_uninstall() removes everything.
 *
 * Entries
 * -------
 *
 * The tables hold FP_MAX_FLOWS entries each.  If one is full, the entries that
 * were least recently used are evicted, a sixteenth of the table at a time.
 * apply_bpf_age() removes what has been idle.  All work on tables is in
 * batches.
 *
 * Errors: strings for people, to be freed by the caller; null is success.  An
 * agent that was built without clang or libbpf has apply-bpf-absent instead,
 * whose apply_bpf_open() fails and says so.
 *
 * Thread-safety: one thread at a time. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "bpf/fast-path.h"
#include "openvswitch/types.h"
#include "sset.h"

struct apply_bpf;

enum apply_bpf_mode {
    APPLY_BPF_AUTO,             /* By the datapath, as above. */
    APPLY_BPF_NATIVE,
    APPLY_BPF_GENERIC,
    APPLY_BPF_TC,
    APPLY_BPF_INTERPOSE,
};

enum apply_bpf_hook {
    APPLY_BPF_HOOK_NONE,
    APPLY_BPF_HOOK_XDP_NATIVE,
    APPLY_BPF_HOOK_XDP_GENERIC,
    APPLY_BPF_HOOK_TC,
};

struct apply_bpf_config {
    const char *dir;            /* Null: $ALCOR_BPFFS or /sys/fs/bpf, and
                                 * "/alcor". */
    enum apply_bpf_mode mode;
    bool userspace;             /* Datapath "netdev". */
    ovs_be32 local_ip;          /* alcor-host-ip. */
    struct eth_addr local_mac;  /* Of its device. */
    ovs_be16 vxlan_port;
    uint8_t ttl;                /* Outer. */
    uint8_t tos;
    bool tos_inherit;
    unsigned int through_msec;  /* How often an entry lets a packet through to
                                 * OVS; 0: 8 seconds. */
};

/* A device, for people and for the table Fast_Path. */
struct apply_bpf_device {
    char name[16];
    uint32_t ifindex;
    uint32_t port;              /* 0: the uplink. */
    enum apply_bpf_hook hook;
    bool by_connection;
    bool interposed;
    bool to_peer;               /* Can deliver to the other end of its veth
                                 * pair (FP_DELIVER_PEER). */
};

char *apply_bpf_open(const struct apply_bpf_config *, struct apply_bpf **)
    OVS_WARN_UNUSED_RESULT;
/* False in a build without libbpf. */
bool apply_bpf_is_built(void);
/* True if there is something that an apply_bpf_uninstall() would remove. */
bool apply_bpf_is_installed(void);
void apply_bpf_close(struct apply_bpf *);
/* Returns false if programs could not be removed: they are opened again, and
 * removed, later. */
bool apply_bpf_uninstall(struct apply_bpf *);
const char *apply_bpf_hook_to_string(enum apply_bpf_hook);

/* Devices.  'by_connection' says how the entries of a tenant's device are
 * keyed; when it changes, they are removed.  The uplink comes first, and again
 * if it changes, with all tenants after it.
 *
 * 'exchanged' says whether OVS's port is the other end of the device's pair
 * (apply_bpf_ovs_device()) at present.  If that is not as the mode wants it,
 * XDP programs of the mode before, or of that to come, forward what they have
 * entries for, and nothing else looks at entries, so that no packet is lost of
 * these flows, or comes twice, while the ports are exchanged; when they have
 * been, the device is to be added again. */
char *apply_bpf_set_uplink(struct apply_bpf *, const char *device,
                           bool exchanged)
    OVS_WARN_UNUSED_RESULT;
char *apply_bpf_add_port(struct apply_bpf *, const char *device,
                         bool by_connection, bool exchanged, uint32_t *port)
    OVS_WARN_UNUSED_RESULT;
void apply_bpf_remove_port(struct apply_bpf *, uint32_t port);

/* Has what comes to 'devices' wait, one of which may be 'uplink', before they
 * are interposed, until apply_bpf_release() hands it on to their pairs.  An
 * error if it does not. */
char *apply_bpf_hold(struct apply_bpf *, const char *uplink,
                     const struct sset *devices)
    OVS_WARN_UNUSED_RESULT;
bool apply_bpf_release_some(struct apply_bpf *, size_t n);
void apply_bpf_release(struct apply_bpf *);

/* Interposed devices are to be OVS's ports again, and then everything is to
 * go, by apply_bpf_uninstall(): makes 'exchanged' devices of all of them, of
 * another mode, until then.  What is no veth, or cannot have an XDP program,
 * only passes everything on to OVS. */
void apply_bpf_retreat(struct apply_bpf *);
/* Returns false if programs could not be removed: the next one tries again. */
bool apply_bpf_sweep(struct apply_bpf *);

/* The device that is to be OVS's port instead of 'device', null if 'device'
 * itself is.  The caller must free it. */
char *apply_bpf_ovs_device(const struct apply_bpf *, const char *device);
/* True if there is one, of whatever agent. */
bool apply_bpf_has_pair(const char *device);

/* The devices, 'n' of them, which the caller must free. */
struct apply_bpf_device *apply_bpf_list_devices(const struct apply_bpf *,
                                                size_t *n);

/* Entries. */
enum apply_bpf_table { APPLY_BPF_TENANT, APPLY_BPF_UPLINK };

struct apply_bpf_entry {
    struct fp_key key;
    struct fp_flow flow;
    unsigned int through_msec;  /* When set: the first packet after this time
                                 * goes to OVS.  0: as configured. */
};

/* How many milliseconds ago an entry was used. */
long long int apply_bpf_idle_msec(const struct apply_bpf *,
                                  const struct apply_bpf_entry *);

/* Adds 'n' entries, or replaces those with the same keys. */
char *apply_bpf_set_entries(struct apply_bpf *, enum apply_bpf_table,
                            struct apply_bpf_entry *, size_t n)
    OVS_WARN_UNUSED_RESULT;

/* Entries that are not there do not matter.  If some cannot be removed, they
 * are doomed: apply_bpf_retry_doomed() tries again. */
void apply_bpf_delete_entries(struct apply_bpf *, enum apply_bpf_table,
                              const struct fp_key *, size_t n);
bool apply_bpf_has_doomed(const struct apply_bpf *);
void apply_bpf_retry_doomed(struct apply_bpf *);

/* All entries, 'n' of them, which the caller must free. */
struct apply_bpf_entry *apply_bpf_list_entries(const struct apply_bpf *,
                                               enum apply_bpf_table,
                                               size_t *n);

/* Removes what was not used for 'idle_msec'; returns how many. */
size_t apply_bpf_age(struct apply_bpf *, enum apply_bpf_table,
                     long long int idle_msec);
void apply_bpf_flush(struct apply_bpf *);

/* How many entries there are in both tables, as far as this module has set
 * and removed them. */
size_t apply_bpf_n_entries(const struct apply_bpf *);

/* How many entries have been evicted from full tables. */
unsigned long long int apply_bpf_n_evicted(const struct apply_bpf *);

/* OAM packets from these 'n', and from nobody else, are for the agent, by
 * 'fd', an AF_XDP socket of the uplink's receive queue 'queue': until it is
 * closed, or the uplink's program is loaded anew. */
void apply_bpf_set_oam_sources(struct apply_bpf *,
                               const struct fp_oam_source *, size_t n);
void apply_bpf_set_oam_socket(struct apply_bpf *, uint32_t queue, int fd);

/* Of the port since its device has a program. */
void apply_bpf_get_counters(const struct apply_bpf *, uint32_t port,
                            struct fp_counters *);

/* What the kernel has counted of a device since it was made. */
struct apply_bpf_device_stats {
    uint64_t rx_packets, rx_bytes;
    uint64_t tx_packets, tx_bytes;
};
bool apply_bpf_get_device_stats(uint32_t ifindex,
                                struct apply_bpf_device_stats *);

#endif /* apply/apply-bpf.h */
