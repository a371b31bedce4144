/* SPDX-License-Identifier: Apache-2.0
 *
 * apply-ovsdb-stand-in: devices that are ports in the place of others.
 *
 * Compares ports with what is wanted; apply-ovsdb-sink.c does the rest. */

#include <config.h>

#include "apply/apply-ovsdb-private.h"

#include <net/if.h>
#include <stdlib.h>
#include "openvswitch/poll-loop.h"
#include "ovsdb-idl.h"
#include "util.h"

/* The fast path may want another device to be Open vSwitch's port than the one
 * that was plugged in (interposing).  The port is exchanged for one with the
 * name of the stand-in, the same external_ids and the same OpenFlow port; for
 * whom it stands in is in its external_ids, which is all that has to be known
 * to undo it.  If somebody plugs the device in again meanwhile, that port is
 * removed.  When the device has gone, its stand-in goes, too. */

#define STAND_IN_KEY "alcor-stand-in-for"

/* The device for which 'port' stands in, or null. */
static const char *
stands_in_for(const struct ovsrec_port *port)
{
    return (port->n_interfaces == 1
            ? smap_get(&port->interfaces[0]->external_ids, STAND_IN_KEY)
            : NULL);
}

/* What is to be done about 'port'. */
enum exchange {
    KEEP,
    REMOVE,
    REPLACE,                    /* By a stand-in. */
    RESTORE,                    /* The device itself. */
};

static const struct ovsrec_port *
find_port(const struct ovsrec_bridge *bridge, const char *name)
{
    for (size_t i = 0; i < bridge->n_ports; i++) {
        if (!strcmp(bridge->ports[i]->name, name)) {
            return bridge->ports[i];
        }
    }
    return NULL;
}

static enum exchange
judge(const struct apply_ovsdb *ovsdb, const struct ovsrec_bridge *bridge,
      const struct ovsrec_port *port)
{
    const char *device = stands_in_for(port);
    const char *stand_in = smap_get(&ovsdb->stand_ins,
                                    device ? device : port->name);

    if (!device) {
        return (!stand_in || port->n_interfaces != 1 ? KEEP
                : find_port(bridge, stand_in) ? REMOVE
                : REPLACE);
    } else if (stand_in && !strcmp(stand_in, port->name)) {
        return KEEP;
    }
    return if_nametoindex(device) && !find_port(bridge, device) ? RESTORE
                                                                : REMOVE;
}

/* Puts a port called 'name' in the place of 'old'. */
static void
exchange(struct apply_ovsdb *ovsdb, const struct ovsrec_bridge *bridge,
         const struct ovsrec_port *old, const char *name, bool stand_in)
{
    const struct ovsrec_interface *was = old->interfaces[0];
    struct ovsrec_interface *iface = ovsrec_interface_insert(ovsdb->txn);
    struct ovsrec_port *port = ovsrec_port_insert(ovsdb->txn);
    struct smap ids;

    smap_clone(&ids, &was->external_ids);
    if (stand_in) {
        smap_replace(&ids, STAND_IN_KEY, old->name);
    } else {
        smap_remove(&ids, STAND_IN_KEY);
    }
    ovsrec_interface_set_name(iface, name);
    ovsrec_interface_set_external_ids(iface, &ids);
    if (was->n_ofport && was->ofport[0] > 0) {
        ovsrec_interface_set_ofport_request(iface, was->ofport, 1);
        sset_add(&ovsdb->exchanged, name);
    }
    smap_destroy(&ids);
    ovsrec_port_set_name(port, name);
    ovsrec_port_set_interfaces(port, &iface, 1);
    ovsrec_port_set_external_ids(port, &old->external_ids);
    ovsrec_bridge_verify_ports(bridge);
    ovsrec_bridge_update_ports_delvalue(bridge, old);
    ovsrec_bridge_update_ports_addvalue(bridge, port);
}

/* Calls for what is to be done about each port; without a transaction, just
 * tells whether there is anything. */
static bool
walk(struct apply_ovsdb *ovsdb)
{
    const struct ovsrec_bridge *bridge;
    bool found = false;

    OVSREC_BRIDGE_FOR_EACH (bridge, ovsdb->idl) {
        /* The transaction changes what is looked at. */
        size_t n = bridge->n_ports;
        const struct ovsrec_port **ports
            = xmemdup(bridge->ports, n * sizeof *ports);

        for (size_t i = 0; i < n; i++) {
            enum exchange todo = judge(ovsdb, bridge, ports[i]);

            found = found || todo != KEEP;
            if (todo == KEEP || !ovsdb->txn) {
                continue;
            } else if (todo == REMOVE) {
                ovsrec_bridge_update_ports_delvalue(bridge, ports[i]);
            } else if (todo == REPLACE) {
                exchange(ovsdb, bridge, ports[i],
                         smap_get(&ovsdb->stand_ins, ports[i]->name), true);
            } else {
                exchange(ovsdb, bridge, ports[i], stands_in_for(ports[i]),
                         false);
            }
        }
        free(ports);
    }
    return found;
}

bool
ovsdb_stand_ins_differ(struct apply_ovsdb *ovsdb)
{
    return !ovsdb->txn && walk(ovsdb);
}

void
ovsdb_stand_ins_compose(struct apply_ovsdb *ovsdb)
{
    walk(ovsdb);
}

void
apply_ovsdb_set_stand_ins(struct apply_ovsdb *ovsdb,
                          const struct smap *stand_ins)
{
    if (!ovsdb->stand_ins_known
        || !smap_equal(&ovsdb->stand_ins, stand_ins)) {
        smap_destroy(&ovsdb->stand_ins);
        smap_clone(&ovsdb->stand_ins, stand_ins);
        ovsdb->stand_ins_known = true;
        ovsdb->version++;
        poll_immediate_wake();
    }
}

bool
apply_ovsdb_stand_ins_are_settled(const struct apply_ovsdb *ovsdb)
{
    const struct ovsrec_port *port;
    size_t n = 0;

    OVSREC_PORT_FOR_EACH (port, ovsdb->idl) {
        const char *device = stands_in_for(port);

        if (device) {
            if (!smap_get(&ovsdb->stand_ins, device)
                || !ovsdb_iface_has_ofport(port->interfaces[0])) {
                return false;
            }
            n++;
        } else if (smap_get(&ovsdb->stand_ins, port->name)
                   || (port->n_interfaces == 1
                       && port->interfaces[0]->n_ofport == 0)) {
            return false;
        }
    }
    return n == smap_count(&ovsdb->stand_ins);
}

bool
apply_ovsdb_is_exchanged(const struct apply_ovsdb *ovsdb, const char *device)
{
    const struct ovsrec_port *port;
    bool exchanged = false;

    OVSREC_PORT_FOR_EACH (port, ovsdb->idl) {
        const char *real = stands_in_for(port);

        if (real && !strcmp(real, device)) {
            return ovsdb_iface_has_ofport(port->interfaces[0]);
        } else if (!strcmp(port->name, device)) {
            exchanged = (port->n_interfaces == 1
                         && !port->interfaces[0]->n_ofport
                         && sset_contains(&ovsdb->exchanged, device));
        }
    }
    return exchanged;
}

const char *
apply_ovsdb_real_device(const struct apply_ovsdb *ovsdb, const char *device)
{
    const struct ovsrec_port *port;

    OVSREC_PORT_FOR_EACH (port, ovsdb->idl) {
        if (!strcmp(port->name, device)) {
            const char *real = stands_in_for(port);

            return real ? real : device;
        }
    }
    return device;
}

bool
apply_ovsdb_has_port(const struct apply_ovsdb *ovsdb, const char *name)
{
    const struct ovsrec_port *port;

    OVSREC_PORT_FOR_EACH (port, ovsdb->idl) {
        if (!strcmp(port->name, name)) {
            return true;
        }
    }
    return false;
}
