/* SPDX-License-Identifier: Apache-2.0
 *
 * apply-ovsdb-tunnel: rows of the integration bridge and its tunnel ports.
 *
 * Compares rows with what is wanted; apply-ovsdb-sink.c does the rest. */

#include <config.h>

#include "apply/apply-ovsdb-private.h"

#include <stdlib.h>
#include "openvswitch/vlog.h"
#include "ovsdb-idl.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(apply_ovsdb_tunnel);

#define TUNNEL_PREFIX "tunnel "

/* Encapsulations, each with the UDP port that it has by itself, or 0. */
struct encap {
    const char *name;           /* Type of the Interface. */
    uint16_t port;
};

static const struct encap encaps[] = {
    { "vxlan", 4789 },
    { "geneve", 6081 },
    { "gre", 0 },
};

/* Options that are ours to set; others are left alone. */
static const char *const option_keys[] = {
    "remote_ip", "key", "local_ip", "csum", "df_default", "tos", "dst_port",
};

static const struct encap *
encap_lookup(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(encaps); i++) {
        if (!strcmp(encaps[i].name, name)) {
            return &encaps[i];
        }
    }
    return NULL;
}

/* Returns the encapsulation that output key 'key' is about, or null. */
static const struct encap *
encap_from_key(const char *key)
{
    return (!strncmp(key, TUNNEL_PREFIX, strlen(TUNNEL_PREFIX))
            ? encap_lookup(key + strlen(TUNNEL_PREFIX))
            : NULL);
}

const char *
ovsdb_tunnel_encap(const struct ovsrec_port *port)
{
    if (port->n_interfaces != 1 || !ovsdb_is_ours(&port->external_ids)) {
        return NULL;
    }

    const struct encap *encap = encap_lookup(port->interfaces[0]->type);
    return encap ? encap->name : NULL;
}

static bool
is_tunnel(const struct ovsrec_port *port, const struct encap *encap)
{
    const char *name = ovsdb_tunnel_encap(port);

    return name && !strcmp(name, encap->name);
}

/* Options. */

/* UDP port of tunnels of ours. */
static int
our_port(const struct apply_ovsdb *ovsdb, const struct encap *encap)
{
    return (!strcmp(encap->name, "vxlan") && ovsdb->settings.encap_port
            ? ovsdb->settings.encap_port
            : encap->port);
}

/* Initializes 'options' with those that a tunnel of ours should have. */
static void
tunnel_options(const struct apply_ovsdb *ovsdb, const struct encap *encap,
               struct smap *options)
{
    const struct ovsdb_settings *settings = &ovsdb->settings;

    smap_init(options);
    smap_add(options, "remote_ip", "flow");
    smap_add(options, "key", "flow");
    if (settings->local_ip) {
        smap_add(options, "local_ip", settings->local_ip);
    }
    smap_add(options, "csum", settings->encap_csum ? "true" : "false");
    smap_add(options, "df_default", settings->encap_df ? "true" : "false");
    if (settings->encap_tos) {
        smap_add(options, "tos", settings->encap_tos);
    }
    if (!strcmp(encap->name, "vxlan")) {
        smap_add_format(options, "dst_port", "%d", our_port(ovsdb, encap));
    }
}

/* True if 'iface' is as a tunnel of ours should be. */
static bool
tunnel_is_right(const struct apply_ovsdb *ovsdb, const struct encap *encap,
                const struct ovsrec_interface *iface)
{
    bool right = ovsdb_is_ours(&iface->external_ids);
    struct smap options;

    tunnel_options(ovsdb, encap, &options);
    for (size_t i = 0; i < ARRAY_SIZE(option_keys); i++) {
        const char *key = option_keys[i];

        right = right && nullable_string_is_equal(
                             smap_get(&iface->options, key),
                             smap_get(&options, key));
    }
    smap_destroy(&options);
    return right;
}

/* Makes 'iface' as a tunnel of ours should be. */
static void
tunnel_correct(const struct apply_ovsdb *ovsdb, const struct encap *encap,
               const struct ovsrec_interface *iface)
{
    struct smap options;

    if (!ovsdb_is_ours(&iface->external_ids)) {
        ovsrec_interface_update_external_ids_setkey(iface, OVSDB_OWNER_KEY,
                                                    OVSDB_OWNER);
    }
    tunnel_options(ovsdb, encap, &options);
    for (size_t i = 0; i < ARRAY_SIZE(option_keys); i++) {
        const char *key = option_keys[i];
        const char *have = smap_get(&iface->options, key);
        const char *want = smap_get(&options, key);

        if (nullable_string_is_equal(have, want)) {
            continue;
        } else if (want) {
            ovsrec_interface_update_options_setkey(iface, key, want);
        } else {
            ovsrec_interface_update_options_delkey(iface, key);
        }
    }
    smap_destroy(&options);
}

static void
tunnel_insert(struct apply_ovsdb *ovsdb, const struct encap *encap,
              const struct ovsrec_bridge *bridge, const char *name)
{
    const struct smap owner = SMAP_CONST1(&owner, OVSDB_OWNER_KEY,
                                          OVSDB_OWNER);
    struct ovsrec_interface *iface = ovsrec_interface_insert(ovsdb->txn);
    struct ovsrec_port *port = ovsrec_port_insert(ovsdb->txn);
    struct smap options;

    tunnel_options(ovsdb, encap, &options);
    ovsrec_interface_set_name(iface, name);
    ovsrec_interface_set_type(iface, encap->name);
    ovsrec_interface_set_options(iface, &options);
    ovsrec_interface_set_external_ids(iface, &owner);
    smap_destroy(&options);

    ovsrec_port_set_name(port, name);
    ovsrec_port_set_interfaces(port, &iface, 1);
    ovsrec_port_set_external_ids(port, &owner);

    /* Somebody may be adding a port of this name at the same time. */
    ovsrec_bridge_verify_ports(bridge);
    ovsrec_bridge_update_ports_addvalue(bridge, port);
}

/* Other people's ports. */

/* Returns the name of the bridge that 'port' is on. */
static const char *
bridge_of_port(const struct apply_ovsdb *ovsdb,
               const struct ovsrec_port *port)
{
    const struct ovsrec_bridge *bridge;

    OVSREC_BRIDGE_FOR_EACH (bridge, ovsdb->idl) {
        for (size_t i = 0; i < bridge->n_ports; i++) {
            if (bridge->ports[i] == port) {
                return bridge->name;
            }
        }
    }
    return "";
}

/* True if 'iface' takes all packets that a tunnel of ours would take. */
static bool
is_rival(const struct apply_ovsdb *ovsdb, const struct encap *encap,
         const struct ovsrec_interface *iface)
{
    const char *remote_ip = smap_get(&iface->options, "remote_ip");

    return !strcmp(iface->type, encap->name)
           && remote_ip
           && !strcmp(remote_ip, "flow")
           && (smap_get_int(&iface->options, "dst_port", encap->port)
               == our_port(ovsdb, encap));
}

/* If somebody else's port does not let us have a tunnel named 'name', returns
 * a message about it, owned by the caller, else null. */
static char *
find_rival(const struct apply_ovsdb *ovsdb, const struct encap *encap,
           const char *name)
{
    const struct ovsrec_port *port;

    OVSREC_PORT_FOR_EACH (port, ovsdb->idl) {
        if (ovsdb_is_ours(&port->external_ids)) {
            continue;
        }
        for (size_t i = 0; i < port->n_interfaces; i++) {
            const struct ovsrec_interface *iface = port->interfaces[i];

            if (!strcmp(iface->name, name) || !strcmp(port->name, name)) {
                return xasprintf("port \"%s\" on bridge \"%s\" has the name "
                                 "of our %s tunnel but is not ours",
                                 port->name, bridge_of_port(ovsdb, port),
                                 encap->name);
            } else if (is_rival(ovsdb, encap, iface)) {
                return xasprintf("port \"%s\" on bridge \"%s\" is a %s tunnel "
                                 "with remote_ip=flow and not ours: there can "
                                 "be only one (File exists)",
                                 port->name, bridge_of_port(ovsdb, port),
                                 encap->name);
            }
        }
    }
    return NULL;
}

static void
retry_unit(struct ds_unit *unit, void *ds)
{
    ds_unit_retry(ds, unit);
}

void
ovsdb_tunnel_retry(struct apply_ovsdb *ovsdb)
{
    struct smap_node *node;

    SMAP_FOR_EACH_SAFE (node, &ovsdb->refused) {
        char *rival = (ovsdb_is_patch_key(node->key)
                       ? ovsdb_patch_obstacle(ovsdb, node->key)
                       : find_rival(ovsdb, encap_from_key(node->key),
                                    node->value));
        if (!rival) {
            struct ds_output *output = ds_lookup(ovsdb->ds, DS_OVSDB,
                                                 node->key,
                                                 strlen(node->key));

            VLOG_INFO("%s: nothing is in the way any more", node->key);
            smap_remove_node(&ovsdb->refused, node);
            ovsdb->fence_wanted = true;
            if (output) {
                ds_output_for_each_unit(output, retry_unit, ovsdb->ds);
            }
        }
        free(rival);
    }
}

void
ovsdb_tunnel_check_errors(struct apply_ovsdb *ovsdb)
{
    const struct ovsrec_bridge *bridge = ovsdb_bridge(ovsdb);
    char *error = NULL;

    for (size_t i = 0; bridge && !error && i < bridge->n_ports; i++) {
        const struct ovsrec_port *port = bridge->ports[i];

        if (ovsdb_tunnel_encap(port)
            && port->interfaces[0]->error
            && !ovsdb_iface_has_ofport(port->interfaces[0])) {
            error = xasprintf("%s: %s", port->name,
                              port->interfaces[0]->error);
        } else if (ovsdb_tunnel_encap(port)) {
            error = find_rival(ovsdb, encap_lookup(port->interfaces[0]->type),
                               port->name);
        }
    }
    if (error && !nullable_string_is_equal(error, ovsdb->tunnel_error)) {
        static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(5, 5);

        VLOG_WARN_RL(&rl, "%s", error);
    }
    free(ovsdb->tunnel_error);
    ovsdb->tunnel_error = error;
}

/* Rows. */

static void
tunnel_nop(struct apply_ovsdb *ovsdb OVS_UNUSED)
{
}

/* Removes those of our ports that are in the way of the tunnel that is wanted,
 * or all tunnels of 'encap' if 'name' is null.  Returns the port that may
 * stay, or null.  If the tunnel has to wait for vswitchd to remove another,
 * says that a fence is wanted. */
static const struct ovsrec_port *
tunnel_sift(struct apply_ovsdb *ovsdb, const struct encap *encap,
            const char *name)
{
    const struct ovsrec_bridge *ours = ovsdb_bridge(ovsdb);
    const struct ovsrec_bridge *bridge;
    const struct ovsrec_port *keep = NULL;

    OVSREC_BRIDGE_FOR_EACH (bridge, ovsdb->idl) {
        for (size_t i = 0; i < bridge->n_ports; i++) {
            const struct ovsrec_port *port = bridge->ports[i];
            bool same_name = name && !strcmp(port->name, name);

            if (is_tunnel(port, encap)) {
                if (bridge == ours && same_name) {
                    keep = port;
                    continue;
                }
            } else if (!same_name || !ovsdb_is_ours(&port->external_ids)) {
                continue;
            }
            ovsrec_bridge_update_ports_delvalue(bridge, port);
            ovsdb->fence_wanted = ovsdb->fence_wanted || name;
        }
    }
    return keep;
}

static char *
tunnel_compose(struct apply_ovsdb *ovsdb, const char *key, const char *name,
               bool *later)
{
    const struct encap *encap = encap_from_key(key);

    if (ovsdb_is_patch_key(key)) {
        return ovsdb_patch_compose(ovsdb, key, name);
    } else if (!encap) {
        return name ? xasprintf("\"%s\" is not a known tunnel", key) : NULL;
    }
    if (name) {
        char *rival = find_rival(ovsdb, encap, name);

        if (rival) {
            smap_replace(&ovsdb->refused, key, name);
            return rival;
        }
    }
    smap_remove(&ovsdb->refused, key);

    const struct ovsrec_port *keep = tunnel_sift(ovsdb, encap, name);
    if (keep) {
        tunnel_correct(ovsdb, encap, keep->interfaces[0]);
    } else if (name && ovsdb->fence_wanted) {
        *later = true;
    } else if (name) {
        tunnel_insert(ovsdb, encap, ovsdb_bridge(ovsdb), name);
    }
    return NULL;
}

static void
tunnel_inspect(struct apply_ovsdb *ovsdb, struct shash *presents)
{
    const struct ovsrec_bridge *ours = ovsdb_bridge(ovsdb);

    ovsdb_patch_inspect(ovsdb, presents);
    for (size_t i = 0; i < ARRAY_SIZE(encaps); i++) {
        const struct encap *encap = &encaps[i];
        const struct ovsrec_bridge *bridge;
        bool found = false;
        char key[32];

        snprintf(key, sizeof key, TUNNEL_PREFIX"%s", encap->name);
        OVSREC_BRIDGE_FOR_EACH (bridge, ovsdb->idl) {
            for (size_t j = 0; j < bridge->n_ports; j++) {
                const struct ovsrec_port *port = bridge->ports[j];

                if (is_tunnel(port, encap)) {
                    bool right = (bridge == ours
                                  && tunnel_is_right(ovsdb, encap,
                                                     port->interfaces[0]));

                    ovsdb_present_add(presents, key,
                                      right ? OVSDB_PRESENT : OVSDB_ODD,
                                      right ? port->name : NULL);
                    found = true;
                }
            }
        }
        if (!found) {
            ovsdb_present_add(presents, key, OVSDB_ABSENT, NULL);
        }
    }
}

const struct ovsdb_rows ovsdb_tunnel_rows = {
    .sink = DS_OVSDB,
    .name = "tunnel ports",
    .prepare = tunnel_nop,
    .finish = tunnel_nop,
    .compose = tunnel_compose,
    .inspect = tunnel_inspect,
};

/* Bridge. */

char *
ovsdb_bridge_compose(struct apply_ovsdb *ovsdb)
{
    const struct ovsdb_settings *settings = &ovsdb->settings;
    const struct ovsrec_open_vswitch *root
        = ovsrec_open_vswitch_first(ovsdb->idl);
    const struct smap owner = SMAP_CONST1(&owner, OVSDB_OWNER_KEY,
                                          OVSDB_OWNER);
    const struct ovsrec_port *other;

    OVSREC_PORT_FOR_EACH (other, ovsdb->idl) {
        if (!strcmp(other->name, settings->bridge)) {
            return xasprintf("cannot create bridge \"%s\": bridge \"%s\" has "
                             "a port of that name", settings->bridge,
                             bridge_of_port(ovsdb, other));
        }
    }

    struct ovsrec_interface *iface = ovsrec_interface_insert(ovsdb->txn);
    ovsrec_interface_set_name(iface, settings->bridge);
    ovsrec_interface_set_type(iface, "internal");

    struct ovsrec_port *port = ovsrec_port_insert(ovsdb->txn);
    ovsrec_port_set_name(port, settings->bridge);
    ovsrec_port_set_interfaces(port, &iface, 1);

    struct ovsrec_bridge *bridge = ovsrec_bridge_insert(ovsdb->txn);
    ovsrec_bridge_set_name(bridge, settings->bridge);
    ovsrec_bridge_set_ports(bridge, &port, 1);
    ovsrec_bridge_set_fail_mode(bridge, "secure");
    ovsrec_bridge_set_external_ids(bridge, &owner);
    if (settings->datapath_type) {
        ovsrec_bridge_set_datapath_type(bridge, settings->datapath_type);
    }

    /* Somebody may be creating the same bridge. */
    ovsrec_open_vswitch_verify_bridges(root);
    ovsrec_open_vswitch_update_bridges_addvalue(root, bridge);
    return NULL;
}

bool
ovsdb_bridge_has_other_type(const struct apply_ovsdb *ovsdb)
{
    const struct ovsrec_bridge *bridge = ovsdb_bridge(ovsdb);
    const char *type = ovsdb->settings.datapath_type;

    return (type && apply_ovsdb_bridge_is_unmade(ovsdb)
            && ovsdb_is_ours(&bridge->external_ids)
            && strcmp(bridge->datapath_type, type));
}

void
ovsdb_bridge_set_type(struct apply_ovsdb *ovsdb)
{
    const struct ovsrec_bridge *bridge = ovsdb_bridge(ovsdb);

    ovsrec_bridge_verify_datapath_id(bridge);
    ovsrec_bridge_set_datapath_type(bridge, ovsdb->settings.datapath_type);
}

void
ovsdb_tunnel_cleanup(struct apply_ovsdb *ovsdb)
{
    const struct ovsrec_open_vswitch *root
        = ovsrec_open_vswitch_first(ovsdb->idl);
    const struct ovsrec_bridge *bridge;

    OVSREC_BRIDGE_FOR_EACH (bridge, ovsdb->idl) {
        bool others = false;

        ovsdb_prefixes_cleanup(bridge);
        for (size_t i = 0; i < bridge->n_ports; i++) {
            const struct ovsrec_port *port = bridge->ports[i];

            if (ovsdb_tunnel_encap(port) || ovsdb_is_patch(port)) {
                ovsrec_bridge_update_ports_delvalue(bridge, port);
            } else if (strcmp(port->name, bridge->name)) {
                others = true;
            }
        }
        if (root && !others && ovsdb_is_ours(&bridge->external_ids)) {
            /* Somebody may be adding a port. */
            ovsrec_bridge_verify_ports(bridge);
            ovsrec_open_vswitch_update_bridges_delvalue(root, bridge);
        }
    }
}
