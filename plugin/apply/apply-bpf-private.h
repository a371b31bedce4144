/* SPDX-License-Identifier: Apache-2.0
 *
 * apply-bpf-private: what the files of apply-bpf share. */

#ifndef APPLY_APPLY_BPF_PRIVATE_H
#define APPLY_APPLY_BPF_PRIVATE_H 1

/* apply-bpf-peer.c    the other ends of veths
 * apply-bpf-dir.c     the directory
 * apply-bpf.c         the maps, the devices known
 * apply-bpf-entry.c   entries of the two tables of flows
 * apply-bpf-attach.c  one program on one device
 * apply-bpf-hold.c    what comes to devices while ports are exchanged
 * apply-bpf-upgrade.c what agents with another layout have left
 * apply-bpf-veth.c    devices: what they are, pairs of veths */

#include "apply/apply-bpf.h"

#include <bpf/libbpf.h>
#include "bpf/fast-path.h"

struct bpf_clock;
struct bpf_hold;

/* What is remembered of a device in the pinned map "fp_devices", by port.  Up
 * to 'gro', this is so in all versions: see apply-bpf-upgrade.c. */
struct device_record {
    char name[16];
    uint32_t ifindex;
    uint32_t hook;              /* enum apply_bpf_hook. */
    uint8_t by_connection;
    uint8_t gro;                /* Its peer has GRO because of us. */
    uint8_t no_native;          /* It cannot have native XDP: "auto" has tried
                                 * that. */
    uint8_t reserved;
    uint32_t interposed;        /* ifindex of our end; 0: it is not. */
};

/* Entries of a table that could not be removed. */
struct doomed_entries {
    struct fp_key *keys;
    size_t n, allocated;
};

struct apply_bpf {
    struct apply_bpf_config config;
    char *dir;                  /* With the version. */
    struct bpf_clock *clock;
    uint32_t through_interval;  /* In ticks. */

    /* Pinned maps. */
    int flows_fds[2];           /* By enum apply_bpf_table. */
    int arrival_fd;
    int counters_fd;
    int oam_sources_fd;
    int oam_sockets_fd;
    int devices_fd;

    struct device_record *devices; /* FP_MAX_PORTS + 1; ifindex 0: none. */
    bool *added;                /* Same, those added since the start. */

    struct fp_arrival *arrival; /* Shared with the programs. */
    uint32_t *n_arrivals[2];    /* FP_ARRIVAL_SLOTS: how many entries per
                                 * destination and connection. */
    size_t n_entries[2];
    struct doomed_entries doomed[2];
    unsigned long long int n_evicted;
    struct bpf_hold *hold;      /* Null: nothing is held. */
};

/* apply-bpf-dir.c.  Makes the directory 'prefix' and the version of the
 * layout, e.g. "v1", and sets 'dir'. */
#define APPLY_BPF_VERSIONS "v"
char *apply_bpf_make_dir(struct apply_bpf *, const char *prefix);
/* That directory if there is one, of whatever version, or null.  The caller
 * must free it. */
char *apply_bpf_find_dir(const char *prefix);
void apply_bpf_remove_dir(const char *);

/* apply-bpf.c.  Has the maps of 'obj' pinned there, or takes those that are,
 * and loads only 'program' (null: none). */
char *apply_bpf_load(const struct apply_bpf *, struct bpf_object *obj,
                     const char *program);

/* Opens the map of 'n' devices, which is created if it is not there: programs
 * do not use it. */
char *apply_bpf_open_devices(const struct apply_bpf *, uint32_t n, int *fd);

/* apply-bpf-entry.c. */
char *apply_bpf_entries_init(struct apply_bpf *);
void apply_bpf_entries_uninit(struct apply_bpf *);
void apply_bpf_flush_port(struct apply_bpf *, uint32_t port);

/* apply-bpf-attach.c.  Attaches 'program', which is loaded, by the hook of
 * 'device', or the first that works; replaces what is there of ours. */
char *apply_bpf_attach(struct apply_bpf *, struct device_record *,
                       const struct bpf_program *);
/* True if an XDP program of this version is on 'device'. */
bool apply_bpf_has_link(const struct apply_bpf *,
                        const struct device_record *);
/* Returns false if it is still there. */
bool apply_bpf_detach(struct apply_bpf *, struct device_record *);

/* The hook to try first, or an error if there is none.  Makes the device's
 * peer fit for it. */
char *apply_bpf_choose_hook(const struct apply_bpf *, struct device_record *,
                            enum apply_bpf_hook *);

/* Attaches it by tc alone; replaces the filter of ours that is there. */
char *apply_bpf_attach_tc(const struct device_record *,
                          const struct bpf_program *);
/* Removes the filter of ours from a device, if it has one. */
void apply_bpf_detach_tc(uint32_t ifindex);

/* apply-bpf-upgrade.c.  'dir' is that of our version; others' are beside it,
 * with other numbers. */
bool apply_bpf_has_others(const char *dir);
void apply_bpf_remove_others(const char *dir);

/* The link by which an agent of another version has put an XDP program on a
 * device, opened; negative if there is none. */
int apply_bpf_inherit_link(const struct apply_bpf *, uint32_t ifindex);

/* True if an agent of another version has switched on GRO of its peer. */
bool apply_bpf_inherit_gro(const struct apply_bpf *,
                           const struct device_record *);

/* Removes what is left of other versions, and they themselves. */
void apply_bpf_end_upgrade(struct apply_bpf *);

/* Removes pairs of veths that nobody knows: made by an agent that was killed
 * then. */
void apply_bpf_sweep_pairs(const struct apply_bpf *);

/* Removes everything: it would work, and nobody would know what is in it. */
void apply_bpf_abandon(struct apply_bpf *);
/* Removes all versions of the directory of 'ab', with what is pinned there,
 * and switches GRO off again where it was switched on. */
void apply_bpf_remove_versions(const struct apply_bpf *ab);

/* apply-bpf-veth.c. */
uint32_t apply_bpf_ifindex(const char *device);
bool apply_bpf_is_veth(uint32_t ifindex);

/* What rtnetlink says about a device. */
struct link_info {
    bool is_veth;
    uint32_t peer;              /* Its ifindex, 0 if there is none... */
    int peer_netns;             /* ...in this namespace, negative: ours. */
    uint32_t mtu;
};
bool apply_bpf_get_link(uint32_t ifindex, struct link_info *);

/* apply-bpf-peer.c.  Makes 'device' fit for XDP, as far as its peer is
 * concerned, and sets '*gro' if GRO had to be switched on there; an error if
 * that cannot be, or, if 'strict', not be seen. */
char *apply_bpf_prepare_peer(const char *device, bool native, bool strict,
                             bool *gro);
/* Switches GRO off again. */
void apply_bpf_restore_peer(const char *device);
/* Switches the transmit offloads of 'device' off, in this namespace. */
bool apply_bpf_no_offloads(const char *device);

/* Names of the two ends for a device: ours, and OVS's. */
void apply_bpf_pair_names(const char *device, char ours[16], char ovs[16]);
/* True if 'device' is our end of a pair. */
bool apply_bpf_is_pair(const char *device);
char *apply_bpf_make_pair(const char *device, uint32_t *ifindex);
void apply_bpf_delete_device(uint32_t ifindex);

#endif /* apply/apply-bpf-private.h */
