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
 * address is.  Later: OAM direct paths, active lazy neighbours, on-demand
 * answers, liveness of gateway entrances.  They are gone with the process and
 * are found again, so they stay in memory; like goal state they have kinds,
 * ids and change sets, and plugins read them through the same view with the
 * same recording of dependencies.
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
    VOL_N_KINDS
};

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

/* What changed. */
struct vol_changes {
    uint64_t *keys;             /* Dependency keys. */
    size_t n, allocated;
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
