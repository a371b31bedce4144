/* SPDX-License-Identifier: Apache-2.0
 *
 * apply-ovsdb-patch: patch ports between the integration bridge and others.
 *
 * Compares rows with what is wanted; apply-ovsdb-sink.c does the rest. */

#include <config.h>

#include "apply/apply-ovsdb-private.h"

#include <stdlib.h>
#include "ovsdb-idl.h"
#include "util.h"

#define PATCH_PREFIX "patch "

/* Both ends: on the integration bridge, and on the other. */
#define NEAR_PREFIX "alcor-to-"
#define FAR_PREFIX "alcor-from-"

bool
ovsdb_is_patch_key(const char *key)
{
    return !strncmp(key, PATCH_PREFIX, strlen(PATCH_PREFIX));
}

static const struct ovsrec_bridge *
find_bridge(const struct apply_ovsdb *ovsdb, const char *name)
{
    const struct ovsrec_bridge *bridge;

    OVSREC_BRIDGE_FOR_EACH (bridge, ovsdb->idl) {
        if (!strcmp(bridge->name, name)) {
            return bridge;
        }
    }
    return NULL;
}

static const struct ovsrec_port *
find_port(const struct ovsrec_bridge *bridge, const char *name)
{
    for (size_t i = 0; bridge && i < bridge->n_ports; i++) {
        if (!strcmp(bridge->ports[i]->name, name)) {
            return bridge->ports[i];
        }
    }
    return NULL;
}

/* True if 'port', which may be null, is a patch port of ours to 'peer'. */
static bool
is_right(const struct ovsrec_port *port, const char *peer)
{
    return port && ovsdb_is_ours(&port->external_ids)
           && port->n_interfaces == 1
           && !strcmp(port->interfaces[0]->type, "patch")
           && nullable_string_is_equal(
                  smap_get(&port->interfaces[0]->options, "peer"), peer);
}

static void
remove_end(const struct ovsrec_bridge *bridge, const char *name)
{
    const struct ovsrec_port *port = find_port(bridge, name);

    if (port && ovsdb_is_ours(&port->external_ids)) {
        ovsrec_bridge_update_ports_delvalue(bridge, port);
    }
}

static void
make_end(struct apply_ovsdb *ovsdb, const struct ovsrec_bridge *bridge,
         const char *name, const char *peer)
{
    const struct smap owner = SMAP_CONST1(&owner, OVSDB_OWNER_KEY,
                                          OVSDB_OWNER);
    const struct smap options = SMAP_CONST1(&options, "peer", peer);

    if (is_right(find_port(bridge, name), peer)) {
        return;
    }
    remove_end(bridge, name);

    struct ovsrec_interface *iface = ovsrec_interface_insert(ovsdb->txn);
    ovsrec_interface_set_name(iface, name);
    ovsrec_interface_set_type(iface, "patch");
    ovsrec_interface_set_options(iface, &options);
    ovsrec_interface_set_external_ids(iface, &owner);

    struct ovsrec_port *port = ovsrec_port_insert(ovsdb->txn);
    ovsrec_port_set_name(port, name);
    ovsrec_port_set_interfaces(port, &iface, 1);
    ovsrec_port_set_external_ids(port, &owner);
    ovsrec_bridge_verify_ports(bridge);
    ovsrec_bridge_update_ports_addvalue(bridge, port);
}

char *
ovsdb_patch_obstacle(const struct apply_ovsdb *ovsdb, const char *key)
{
    const char *name = key + strlen(PATCH_PREFIX);
    char *names[] = {
        xasprintf(NEAR_PREFIX"%s", name), xasprintf(FAR_PREFIX"%s", name),
    };
    const struct ovsrec_port *port;
    char *error = NULL;

    if (!find_bridge(ovsdb, name)) {
        error = xasprintf("bridge \"%s\" does not exist", name);
    }
    OVSREC_PORT_FOR_EACH (port, ovsdb->idl) {
        if (!error && !ovsdb_is_ours(&port->external_ids)
            && (!strcmp(port->name, names[0])
                || !strcmp(port->name, names[1]))) {
            error = xasprintf("port \"%s\" has the name of a patch port of "
                              "ours but is not ours", port->name);
        }
    }
    free(names[0]);
    free(names[1]);
    return error;
}

char *
ovsdb_patch_compose(struct apply_ovsdb *ovsdb, const char *key,
                    const char *value)
{
    const char *name = key + strlen(PATCH_PREFIX);
    const struct ovsrec_bridge *other = find_bridge(ovsdb, name);
    const struct ovsrec_bridge *ours = ovsdb_bridge(ovsdb);
    char *near = xasprintf(NEAR_PREFIX"%s", name);
    char *far = xasprintf(FAR_PREFIX"%s", name);
    char *error = NULL;

    smap_remove(&ovsdb->refused, key);
    if (!value) {
        remove_end(ours, near);
        remove_end(other, far);
    } else {
        error = ovsdb_patch_obstacle(ovsdb, key);
        if (error) {
            smap_replace(&ovsdb->refused, key, value);
        } else {
            make_end(ovsdb, ours, near, far);
            make_end(ovsdb, other, far, near);
        }
    }
    free(near);
    free(far);
    return error;
}

void
ovsdb_patch_inspect(struct apply_ovsdb *ovsdb, struct shash *presents)
{
    const struct ovsrec_bridge *ours = ovsdb_bridge(ovsdb);
    const struct ovsrec_bridge *other;

    OVSREC_BRIDGE_FOR_EACH (other, ovsdb->idl) {
        char *near = xasprintf(NEAR_PREFIX"%s", other->name);
        char *far = xasprintf(FAR_PREFIX"%s", other->name);
        char *key = xasprintf(PATCH_PREFIX"%s", other->name);
        bool right = (is_right(find_port(ours, near), far)
                      && is_right(find_port(other, far), near));
        bool none = !find_port(ours, near) && !find_port(other, far);

        if (other != ours) {
            ovsdb_present_add(presents, key,
                              right ? OVSDB_PRESENT
                              : none ? OVSDB_ABSENT : OVSDB_ODD,
                              right ? near : NULL);
        }
        free(near);
        free(far);
        free(key);
    }
}

/* True if 'port' is an end of a patch of ours. */
bool
ovsdb_is_patch(const struct ovsrec_port *port)
{
    return ovsdb_is_ours(&port->external_ids) && port->n_interfaces == 1
           && !strcmp(port->interfaces[0]->type, "patch");
}

uint16_t
apply_ovsdb_patch_ofport(const struct apply_ovsdb *ovsdb, const char *bridge)
{
    char *near = xasprintf(NEAR_PREFIX"%s", bridge);
    const struct ovsrec_port *port = find_port(ovsdb_bridge(ovsdb), near);
    bool usable = (port && ovsdb_is_patch(port)
                   && ovsdb_iface_has_ofport(port->interfaces[0]));

    free(near);
    return usable ? port->interfaces[0]->ofport[0] : 0;
}
