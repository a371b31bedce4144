/* SPDX-License-Identifier: Apache-2.0
 *
 * volatile-store: what makes flows but is not goal state. */

#ifndef STORE_VOLATILE_STORE_H
#define STORE_VOLATILE_STORE_H 1

/* Volatile store
 * ==============
 *
 * What?
 * -----
 *
 * Facts about this host that translation needs beside goal state: which
 * Interface has which OpenFlow port, which tunnel ports exist, what the host's
 * address is, which entrances of gateways are alive, which direct paths they
 * have told of.  They are gone with the process and are found again, so they
 * stay in memory; like goal state they have kinds, ids and change sets, and
 * plugins read them through the same view with the same recording of
 * dependencies.
 *
 * Direct paths
 * ------------
 *
 * Records of kind VOL_DIRECT_PATH are the one place that says which direct
 * paths are wanted: feedback/direct-path.h keeps them, and each is translated
 * on its own, like a resource (VOL_UNIT_KINDS), by plugin "zeta-gateway".  A
 * record is for one local port and either
 *
 *    - a destination in a VNI, when the port has no security groups, or
 *
 *    - a connection, when it has ('by_connection'): then source, protocol and
 *      ports count.
 *
 * Translation looks again whether the port is still there and bound, its
 * groups allow it and the gateway that told of it still serves the
 * destination; without that a record makes no output, and goes when it has
 * been idle.
 *
 * Usage
 * -----
 *
 * The agent calls vol_set() and vol_remove() with what it learns, freely and
 * repeatedly: only differences become changes.  vol_changes_take() hands over
 * the dependency keys of what changed since the last call.
 *
 * Thread-safety: main thread only. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <netinet/in.h>
#include "openvswitch/types.h"

struct simap;

/* Kinds.  Each has its record type, which must have no padding that matters:
 * records are compared as bytes, so initialise them with memset(). */
enum vol_kind {
    VOL_BINDING,                /* By iface-id: struct vol_binding. */
    VOL_TUNNEL,                 /* By encapsulation name: struct vol_tunnel. */
    VOL_HOST,                   /* By "": struct vol_host. */
    VOL_PROVIDER,               /* By physical network, and the first one by
                                 * "": struct vol_provider. */
    VOL_UNDERLAY,               /* By "": struct vol_underlay. */
    VOL_ON_DEMAND,              /* By "": struct vol_on_demand. */
    VOL_LAZY_VPC,               /* By VPC's id, of those that are lazy (see
                                 * translate/activation.h): struct
                                 * vol_lazy_vpc. */
    VOL_FAST_PATH,              /* By "", if there is an eBPF fast path, and
                                 * then by the id of each bound port, once it
                                 * was tried: struct vol_fast_path. */
    VOL_ENTRANCE,               /* By address of a gateway's entrance, as text:
                                 * struct vol_entrance. */
    VOL_DIRECT_PATH,            /* By any id that ends with the port's: struct
                                 * vol_direct_path. */
    VOL_CROWDED_VPC,            /* By VPC's id, of those with many neighbours
                                 * (translate/activation.h): struct
                                 * vol_crowded_vpc. */
    VOL_STORM,                  /* By OpenFlow port, of those that flood (see
                                 * feedback/storm.h): struct vol_storm. */
    VOL_UPLINK_HOP,             /* By IPv4 address, of next hops of INTERNET
                                 * rules: struct vol_uplink_hop. */
    VOL_N_KINDS
};

/* Kinds whose records are translated on their own. */
#define VOL_UNIT_KINDS (1u << VOL_DIRECT_PATH)

struct vol_binding {
    char iface[64];             /* Name of the Interface. */
    uint32_t ofport;            /* OpenFlow port number. */
};

struct vol_tunnel {
    uint32_t ofport;
};

struct vol_provider {
    char bridge[64];            /* Name of the bridge. */
    uint32_t ofport;            /* Of the patch port to it; 0: none yet. */
};

struct vol_underlay {
    uint32_t mtu;               /* Of the device with that address, or 0. */
};

struct vol_host {
    struct in6_addr ip;         /* alcor-host-ip. */
};

struct vol_on_demand {
    uint32_t enabled;           /* alcor-on-demand. */
};

struct vol_lazy_vpc {
    uint32_t lazy;              /* Always 1. */
};

struct vol_fast_path {
    uint32_t attached;          /* 1: its device has an eBPF program. */
};

enum vol_entrance_state {
    VOL_ENTRANCE_UNKNOWN,       /* As if there were no record. */
    VOL_ENTRANCE_ALIVE,
    VOL_ENTRANCE_DEAD,
};

struct vol_entrance {
    uint32_t state;             /* enum vol_entrance_state. */
};

struct vol_direct_path {
    uint32_t vni;
    uint32_t gateway;           /* zeta_gateway_hash() of who told of it. */
    ovs_be32 src;               /* 0 unless by_connection... */
    ovs_be32 dst;
    ovs_be16 src_port;          /* ...likewise... */
    ovs_be16 dst_port;          /* ...likewise... */
    uint8_t protocol;           /* ...likewise. */
    uint8_t by_connection;
    uint16_t port_ofs;          /* Where in the record's id the port's is. */
    ovs_be32 host_ip;           /* The host of the destination... */
    struct eth_addr host_mac;   /* ...and its MAC in the underlay. */
    struct eth_addr mac;        /* Of the destination itself. */
};

struct vol_crowded_vpc {
    uint32_t crowded;           /* Always 1. */
};

struct vol_storm {
    uint32_t limited;           /* Always 1. */
};

struct vol_uplink_hop {
    uint8_t mac[6];             /* That it has answered ARP with. */
    uint8_t pad[2];             /* 0. */
};

/* What changed. */
struct vol_unit_id {
    enum vol_kind kind;
    char *id;
};
struct vol_changes {
    uint64_t *keys;             /* Dependency keys. */
    size_t n, allocated;
    struct vol_unit_id *units;  /* Those of VOL_UNIT_KINDS. */
    size_t n_units, allocated_units;
};

struct vol_store;

struct vol_store *vol_store_create(void);
void vol_store_destroy(struct vol_store *);

/* Sets the record of 'kind' named 'id' to a copy of 'record', of the size that
 * belongs to 'kind'.  Returns true if that changed anything. */
bool vol_set(struct vol_store *, enum vol_kind, const char *id,
             const void *record);
bool vol_remove(struct vol_store *, enum vol_kind, const char *id);

/* Returns the record or NULL.  It stays valid until the next change. */
const void *vol_get(const struct vol_store *, enum vol_kind, const char *id);

/* Calls 'cb' for each record of 'kind'; it must not change the store. */
void vol_for_each(const struct vol_store *, enum vol_kind,
                  void (*cb)(const char *id, const void *record, void *aux),
                  void *aux);

/* For replacing a whole kind: vol_mark() marks all its records, vol_set()
 * clears the mark, vol_sweep() removes what is still marked. */
void vol_mark(struct vol_store *, enum vol_kind);
void vol_sweep(struct vol_store *, enum vol_kind);

uint64_t vol_dep_key(enum vol_kind, const char *id);

/* Moves the changes since the last call to '*changes', which the caller must
 * free with vol_changes_destroy().  Returns false if there are none. */
bool vol_changes_take(struct vol_store *, struct vol_changes *);
void vol_changes_destroy(struct vol_changes *);

size_t vol_count(const struct vol_store *, enum vol_kind);

#endif /* store/volatile-store.h */
