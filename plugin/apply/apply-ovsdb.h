/* SPDX-License-Identifier: Apache-2.0
 *
 * apply-ovsdb: the host's Open_vSwitch database, both ways. */

#ifndef APPLY_APPLY_OVSDB_H
#define APPLY_APPLY_OVSDB_H 1

/* OVSDB
 * =====
 *
 * What?
 * -----
 *
 * One connection to the host's Open_vSwitch database through the IDL.
 *
 * Inwards, it tells the agent what is configured (external_ids of the
 * Open_vSwitch row), which Interfaces of the integration bridge have an
 * iface-id and an OpenFlow port, and which tunnel ports are up.
 *
 * Outwards, it is two sinks, DS_OVSDB: tunnel ports, and DS_OVSDB_LATE:
 * external_ids:alcor-installed on Interfaces.  Rows of ours carry
 * external_ids:alcor-owner=alcor-agent; others are never changed or removed.
 * Maps and sets are written key by key, so that other writers lose nothing.
 *
 * The integration bridge is created when absent, with fail_mode=secure.  An
 * existing bridge is taken as it is: setting fail_mode would wipe the flows of
 * others.  If it is not "secure", unknown traffic is handled by NORMAL, which
 * is logged once.
 *
 * Tables of the pipeline that match by prefix (PIPELINE_PREFIXES) get a row
 * Flow_Table that says so, unless somebody has made one for them.
 *
 * Nothing is written for a sink before it has been read back, and that not
 * before apply_ovsdb_readback(): the stored goal state must have been
 * translated first, lest what it wants be removed.
 *
 * Outputs
 * -------
 *
 * DS_OVSDB: key "tunnel ENCAP" (ENCAP: "vxlan", "geneve", "gre"), value: the
 * name of the port.  Its options come from the configuration
 * (alcor-encap-...); options that others added are left alone.  The units that
 * want a tunnel fail if somebody else's port has its name, or is a tunnel of
 * the same kind with remote_ip=flow (which Open vSwitch refuses with "File
 * exists"), until that port is gone.
 *
 * Key "patch BRIDGE": a pair of patch ports between the integration bridge and
 * BRIDGE, which must exist; value: the name of the one on the integration
 * bridge.
 *
 * DS_OVSDB_LATE: key "installed IFACE-ID", value "true": set on each Interface
 * with that iface-id on the integration bridge.  An Interface that is gone
 * needs nothing.
 *
 * The hash that read-back reports for what is in the database is that of
 * ds_value_hash(0, value, len) unless somebody wants that very value.
 *
 * Changes since the last call are seen by comparing apply_ovsdb_seqno().
 *
 * Thread-safety: main thread only. */

#include <stdbool.h>
#include <stdint.h>
#include "apply/desired-state.h"
#include "openvswitch/compiler.h"

struct desired_state;
struct ds;
struct apply_ovsdb;
struct sink;
struct smap;

/* Bridge and tunnel settings, from the agent's configuration. */
struct ovsdb_settings {
    const char *bridge;         /* Name; null: do nothing to the bridge. */
    const char *datapath_type;  /* For a new bridge; null: "system". */
    const char *local_ip;       /* alcor-host-ip. */
    bool encap_csum;
    bool encap_df;
    const char *encap_tos;      /* "inherit" or a number. */
    uint16_t encap_port;        /* VXLAN's UDP port. */
};

/* Does not block; connects in apply_ovsdb_run(). */
struct apply_ovsdb *apply_ovsdb_create(const char *remote,
                                       struct desired_state *);
void apply_ovsdb_destroy(struct apply_ovsdb *);

/* The settings are copied. */
void apply_ovsdb_set(struct apply_ovsdb *, const struct ovsdb_settings *);

/* Everything that is known has been translated: from now on, what is in the
 * database and nobody wants may be removed.  Until this is called (or
 * ds_is_complete()), the sinks are not ready. */
void apply_ovsdb_readback(struct apply_ovsdb *);

void apply_ovsdb_run(struct apply_ovsdb *);
void apply_ovsdb_wait(struct apply_ovsdb *);

/* What others have done to the rows of 'sink' (DS_OVSDB or DS_OVSDB_LATE)
 * since the start.  It is put right as soon as the database tells. */
const struct ds_audit *apply_ovsdb_repairs(const struct apply_ovsdb *,
                                           enum ds_sink sink);

/* Changes whenever anything of what follows may have changed. */
uint64_t apply_ovsdb_seqno(const struct apply_ovsdb *);
bool apply_ovsdb_is_connected(const struct apply_ovsdb *);

/* external_ids of the Open_vSwitch row, null before it is known. */
const struct smap *apply_ovsdb_config(const struct apply_ovsdb *);

/* Integration bridge: true if it exists and vswitchd has made it (its
 * datapath id is known). */
bool apply_ovsdb_bridge_exists(const struct apply_ovsdb *);
/* True if it is in the database, but vswitchd has not made it (yet). */
bool apply_ovsdb_bridge_is_unmade(const struct apply_ovsdb *);
/* Why it cannot be created in the database, or null. */
const char *apply_ovsdb_bridge_error(const struct apply_ovsdb *);
/* What is wrong with tunnel ports, or null. */
const char *apply_ovsdb_tunnel_error(const struct apply_ovsdb *);
/* True if 'device' is a bridge of the userspace datapath, or an internal port
 * on one. */
bool apply_ovsdb_is_netdev(const struct apply_ovsdb *, const char *device);
/* Never null or empty.  Of the bridge, or if there is none, of a new one. */
const char *apply_ovsdb_datapath_type(const struct apply_ovsdb *);

/* Calls 'cb' for each Interface of the bridge that has an iface-id and a valid
 * OpenFlow port, in the order of iface-ids.  Two with the same iface-id: the
 * one with the lower ofport is reported, and a warning logged. */
void apply_ovsdb_for_each_binding(
    const struct apply_ovsdb *,
    void (*cb)(const char *iface_id, const char *iface, uint16_t ofport,
               void *aux),
    void *aux);

/* Calls 'cb' for each of our tunnel ports that has an OpenFlow port. */
void apply_ovsdb_for_each_tunnel(
    const struct apply_ovsdb *,
    void (*cb)(const char *encap, uint16_t ofport, void *aux), void *aux);

/* OpenFlow port of the patch port to 'bridge', 0 if there is none. */
uint16_t apply_ovsdb_patch_ofport(const struct apply_ovsdb *,
                                  const char *bridge);

/* Returns the device through which 'device' reaches the network: itself, or,
 * if it is a bridge of Open vSwitch, the one physical port of that.  The
 * caller must free it.  Returns null if the bridge has none or several, which
 * '*error' then tells, to be freed as well. */
char *apply_ovsdb_physical_device(const struct apply_ovsdb *,
                                  const char *device, char **error);

/* True if the Interface called 'name' is a device of the system, not one that
 * vswitchd has made. */
bool apply_ovsdb_is_device(const struct apply_ovsdb *, const char *name);

/* The ports called like the keys of 'stand_ins' are to be exchanged for ports
 * called like its values, and all others back.  Nothing is exchanged before
 * this is called. */
void apply_ovsdb_set_stand_ins(struct apply_ovsdb *,
                               const struct smap *stand_ins);

/* True if vswitchd has exchanged all of them. */
bool apply_ovsdb_stand_ins_are_settled(const struct apply_ovsdb *);

/* True if it is not 'device' that Open vSwitch reads at present, but one that
 * stands in for it. */
bool apply_ovsdb_is_exchanged(const struct apply_ovsdb *, const char *device);

/* True if there is a port called 'name', be it up or not. */
bool apply_ovsdb_has_port(const struct apply_ovsdb *, const char *name);

/* The device that 'device' stands in for, or itself.  Valid until the next
 * apply_ovsdb_run(). */
const char *apply_ovsdb_real_device(const struct apply_ovsdb *,
                                    const char *device);

/* Removes the rows and keys that are ours (exit --cleanup): tunnel ports,
 * alcor-installed, and the bridge, if we created it and no ports of others are
 * left on it.  Call until it returns true, with run() and poll_block() in
 * between.  If the database refuses, logs that and returns true.  The sinks do
 * nothing from the first call on. */
bool apply_ovsdb_cleanup(struct apply_ovsdb *);

struct sink *apply_ovsdb_sink(struct apply_ovsdb *);
struct sink *apply_ovsdb_late_sink(struct apply_ovsdb *);

#endif /* apply/apply-ovsdb.h */
