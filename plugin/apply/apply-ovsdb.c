/* SPDX-License-Identifier: Apache-2.0
 *
 * apply-ovsdb: connection to the host's database, and reading inwards.
 *
 * The sinks are in apply-ovsdb-sink.c; apply-ovsdb-private.h tells how the
 * files belong together. */

#include <config.h>

#include "apply/apply-ovsdb.h"

#include <stdlib.h>
#include "apply/apply-ovsdb-private.h"
#include "flow.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "ovsdb-idl.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(apply_ovsdb);

static void settings_free(struct ovsdb_settings *);

/* Columns that are replicated: what we read, what we write, no more, since
 * each change of one of them wakes the agent up. */
static void
add_columns(struct ovsdb_idl *idl)
{
    static const struct ovsdb_idl_column *const columns[] = {
        &ovsrec_open_vswitch_col_bridges,
        &ovsrec_open_vswitch_col_external_ids,
        &ovsrec_bridge_col_name,
        &ovsrec_bridge_col_datapath_type,
        &ovsrec_bridge_col_datapath_id,
        &ovsrec_bridge_col_fail_mode,
        &ovsrec_bridge_col_ports,
        &ovsrec_bridge_col_flow_tables,
        &ovsrec_bridge_col_external_ids,
        &ovsrec_flow_table_col_prefixes,
        &ovsrec_flow_table_col_external_ids,
        &ovsrec_port_col_name,
        &ovsrec_port_col_interfaces,
        &ovsrec_port_col_external_ids,
        &ovsrec_interface_col_name,
        &ovsrec_interface_col_type,
        &ovsrec_interface_col_options,
        &ovsrec_interface_col_external_ids,
        &ovsrec_interface_col_ofport,
        &ovsrec_interface_col_error,
        &ovsrec_interface_col_ofport_request,
    };

    for (size_t i = 0; i < ARRAY_SIZE(columns); i++) {
        ovsdb_idl_add_column(idl, columns[i]);
    }

    /* Looked at only when something waits for it. */
    ovsdb_idl_add_column(idl, &ovsrec_open_vswitch_col_cur_cfg);
    ovsdb_idl_omit_alert(idl, &ovsrec_open_vswitch_col_cur_cfg);
}

struct apply_ovsdb *
apply_ovsdb_create(const char *remote, struct desired_state *ds)
{
    struct apply_ovsdb *ovsdb = xzalloc(sizeof *ovsdb);

    ovsdb->remote = xstrdup(remote);
    ovsdb->ds = ds;
    ovsdb->idl = ovsdb_idl_create_unconnected(&ovsrec_idl_class, false);
    add_columns(ovsdb->idl);
    ovsdb_idl_set_remote(ovsdb->idl, remote, true);
    ovsdb->idl_seqno = ovsdb_idl_get_seqno(ovsdb->idl);
    ovsdb->version = 1;
    ovsdb->seqno = 1;
    smap_init(&ovsdb->refused);
    sset_init(&ovsdb->exchanged);
    smap_init(&ovsdb->stand_ins);
    hmap_init(&ovsdb->ifaces);
    ovsdb_sinks_init(ovsdb);
    return ovsdb;
}

void
apply_ovsdb_destroy(struct apply_ovsdb *ovsdb)
{
    if (ovsdb) {
        ovsdb_sinks_uninit(ovsdb);
        ovsdb_idl_destroy(ovsdb->idl);
        hmap_destroy(&ovsdb->ifaces);
        smap_destroy(&ovsdb->refused);
    sset_destroy(&ovsdb->exchanged);
    smap_destroy(&ovsdb->stand_ins);
        settings_free(&ovsdb->settings);
        free(ovsdb->bridge_error);
        free(ovsdb->tunnel_error);
        free(ovsdb->remote);
        free(ovsdb);
    }
}

/* Settings. */

static void
settings_free(struct ovsdb_settings *settings)
{
    free(CONST_CAST(char *, settings->bridge));
    free(CONST_CAST(char *, settings->datapath_type));
    free(CONST_CAST(char *, settings->local_ip));
    free(CONST_CAST(char *, settings->encap_tos));
}

static bool
settings_equal(const struct ovsdb_settings *a, const struct ovsdb_settings *b)
{
    return nullable_string_is_equal(a->bridge, b->bridge)
           && nullable_string_is_equal(a->datapath_type, b->datapath_type)
           && nullable_string_is_equal(a->local_ip, b->local_ip)
           && nullable_string_is_equal(a->encap_tos, b->encap_tos)
           && a->encap_csum == b->encap_csum
           && a->encap_df == b->encap_df
           && a->encap_port == b->encap_port;
}

void
apply_ovsdb_set(struct apply_ovsdb *ovsdb,
                const struct ovsdb_settings *settings)
{
    if (settings_equal(&ovsdb->settings, settings)) {
        return;
    }
    if (!nullable_string_is_equal(ovsdb->settings.bridge, settings->bridge)) {
        ovsdb->warned_fail_mode = false;
    }

    struct ovsdb_settings copy = *settings;
    copy.bridge = nullable_xstrdup(settings->bridge);
    copy.datapath_type = nullable_xstrdup(settings->datapath_type);
    copy.local_ip = nullable_xstrdup(settings->local_ip);
    copy.encap_tos = nullable_xstrdup(settings->encap_tos);
    settings_free(&ovsdb->settings);
    ovsdb->settings = copy;
    ovsdb->version++;
    ovsdb->seqno++;
    poll_immediate_wake();
}

void
apply_ovsdb_readback(struct apply_ovsdb *ovsdb)
{
    ovsdb->readback_wanted = true;
    poll_immediate_wake();
}

/* Running. */

void
apply_ovsdb_run(struct apply_ovsdb *ovsdb)
{
    ovsdb_idl_run(ovsdb->idl);

    unsigned int idl_seqno = ovsdb_idl_get_seqno(ovsdb->idl);
    if (idl_seqno != ovsdb->idl_seqno) {
        ovsdb->idl_seqno = idl_seqno;
        ovsdb->version++;
        ovsdb->seqno++;
    }
    bool connected = apply_ovsdb_is_connected(ovsdb);
    if (connected != ovsdb->connected) {
        ovsdb->connected = connected;
        ovsdb->seqno++;
        if (connected) {
            /* What one server refused, another may take. */
            ds_retry(ovsdb->ds);
        }
    }
    ovsdb_sinks_run(ovsdb);
}

void
apply_ovsdb_wait(struct apply_ovsdb *ovsdb)
{
    ovsdb_idl_wait(ovsdb->idl);
    ovsdb_sinks_wait(ovsdb);
}

uint64_t
apply_ovsdb_seqno(const struct apply_ovsdb *ovsdb)
{
    return ovsdb->seqno;
}

bool
apply_ovsdb_is_connected(const struct apply_ovsdb *ovsdb)
{
    return ovsdb_idl_is_connected(ovsdb->idl)
           && ovsdb_idl_has_ever_connected(ovsdb->idl);
}

/* Reading inwards. */

const struct smap *
apply_ovsdb_config(const struct apply_ovsdb *ovsdb)
{
    const struct ovsrec_open_vswitch *row
        = ovsrec_open_vswitch_first(ovsdb->idl);

    return row ? &row->external_ids : NULL;
}

const struct ovsrec_bridge *
ovsdb_bridge(const struct apply_ovsdb *ovsdb)
{
    const struct ovsrec_bridge *bridge;

    if (ovsdb->settings.bridge) {
        OVSREC_BRIDGE_FOR_EACH (bridge, ovsdb->idl) {
            if (!strcmp(bridge->name, ovsdb->settings.bridge)) {
                return bridge;
            }
        }
    }
    return NULL;
}

bool
ovsdb_is_ours(const struct smap *external_ids)
{
    const char *owner = smap_get(external_ids, OVSDB_OWNER_KEY);

    return owner && !strcmp(owner, OVSDB_OWNER);
}

bool
apply_ovsdb_bridge_exists(const struct apply_ovsdb *ovsdb)
{
    const struct ovsrec_bridge *bridge = ovsdb_bridge(ovsdb);

    return bridge && bridge->datapath_id && bridge->datapath_id[0];
}

bool
apply_ovsdb_bridge_is_unmade(const struct apply_ovsdb *ovsdb)
{
    return ovsdb_bridge(ovsdb) && !apply_ovsdb_bridge_exists(ovsdb);
}

const char *
apply_ovsdb_bridge_error(const struct apply_ovsdb *ovsdb)
{
    return (ovsdb->settings.bridge && !ovsdb_bridge(ovsdb)
            ? ovsdb->bridge_error : NULL);
}

const char *
apply_ovsdb_tunnel_error(const struct apply_ovsdb *ovsdb)
{
    return ovsdb_bridge(ovsdb) ? ovsdb->tunnel_error : NULL;
}

bool
apply_ovsdb_is_netdev(const struct apply_ovsdb *ovsdb, const char *device)
{
    const struct ovsrec_bridge *bridge;

    OVSREC_BRIDGE_FOR_EACH (bridge, ovsdb->idl) {
        for (size_t i = 0; (!strcmp(bridge->datapath_type, "netdev")
                            && i < bridge->n_ports); i++) {
            const struct ovsrec_port *port = bridge->ports[i];

            if (!strcmp(port->name, device) && port->n_interfaces
                && !strcmp(port->interfaces[0]->type, "internal")) {
                return true;
            }
        }
    }
    return false;
}

const char *
apply_ovsdb_datapath_type(const struct apply_ovsdb *ovsdb)
{
    const struct ovsrec_bridge *bridge = ovsdb_bridge(ovsdb);
    const char *type = (bridge
                        ? bridge->datapath_type
                        : ovsdb->settings.datapath_type);

    return type && type[0] ? type : "system";
}

bool
ovsdb_iface_has_ofport(const struct ovsrec_interface *iface)
{
    return iface->n_ofport > 0
           && iface->ofport[0] > 0
           && iface->ofport[0] < ofp_to_u16(OFPP_MAX);
}

/* The OpenFlow port of 'iface', 0 if it has none.  One that is put in the
 * place of another has that's all the time. */
static uint16_t
get_ofport(const struct apply_ovsdb *ovsdb,
           const struct ovsrec_interface *iface)
{
    return (ovsdb_iface_has_ofport(iface) ? iface->ofport[0]
            : !iface->n_ofport && iface->n_ofport_request
              && sset_contains(&ovsdb->exchanged, iface->name)
            ? iface->ofport_request[0]
            : 0);
}

/* Finds for each iface-id on 'bridge' the Interface that is bound to it. */
static void
find_bindings(const struct apply_ovsdb *ovsdb,
              const struct ovsrec_bridge *bridge, struct shash *bindings)
{
    static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(1, 5);

    for (size_t i = 0; i < bridge->n_ports; i++) {
        const struct ovsrec_port *port = bridge->ports[i];

        for (size_t j = 0; j < port->n_interfaces; j++) {
            const struct ovsrec_interface *iface = port->interfaces[j];
            const char *id = smap_get(&iface->external_ids,
                                      OVSDB_IFACE_ID_KEY);

            if (!id || !id[0] || !get_ofport(ovsdb, iface)) {
                continue;
            }

            struct shash_node *node = shash_find(bindings, id);
            if (!node) {
                shash_add(bindings, id, iface);
                continue;
            }

            const struct ovsrec_interface *other = node->data;
            if (get_ofport(ovsdb, iface) < get_ofport(ovsdb, other)) {
                node->data = CONST_CAST(struct ovsrec_interface *, iface);
            }
            VLOG_WARN_RL(&rl, "interfaces \"%s\" and \"%s\" both have "
                         "iface-id \"%s\"; the one with the lower OpenFlow "
                         "port is used", other->name, iface->name, id);
        }
    }
}

void
apply_ovsdb_for_each_binding(
    const struct apply_ovsdb *ovsdb,
    void (*cb)(const char *iface_id, const char *iface, uint16_t ofport,
               void *aux),
    void *aux)
{
    const struct ovsrec_bridge *bridge = ovsdb_bridge(ovsdb);

    if (!bridge) {
        return;
    }

    struct shash bindings = SHASH_INITIALIZER(&bindings);
    find_bindings(ovsdb, bridge, &bindings);

    const struct shash_node **nodes = shash_sort(&bindings);
    for (size_t i = 0; i < shash_count(&bindings); i++) {
        const struct ovsrec_interface *iface = nodes[i]->data;

        cb(nodes[i]->name, iface->name, get_ofport(ovsdb, iface), aux);
    }
    free(nodes);
    shash_destroy(&bindings);
}

static bool
is_physical(const struct ovsrec_bridge *bridge,
            const struct ovsrec_interface *iface)
{
    return ((!iface->type[0] || !strcmp(iface->type, "system"))
            && strcmp(iface->name, bridge->name));
}

bool
apply_ovsdb_is_device(const struct apply_ovsdb *ovsdb, const char *name)
{
    const struct ovsrec_interface *iface;

    OVSREC_INTERFACE_FOR_EACH (iface, ovsdb->idl) {
        if (!strcmp(iface->name, name)) {
            return !iface->type[0] || !strcmp(iface->type, "system");
        }
    }
    return false;
}

char *
apply_ovsdb_physical_device(const struct apply_ovsdb *ovsdb,
                            const char *device, char **error)
{
    const struct ovsrec_bridge *bridge;
    const char *found = NULL;
    size_t n = 0;

    *error = NULL;
    OVSREC_BRIDGE_FOR_EACH (bridge, ovsdb->idl) {
        if (!strcmp(bridge->name, device)) {
            break;
        }
    }
    if (!bridge) {
        return xstrdup(device);
    }
    for (size_t i = 0; i < bridge->n_ports; i++) {
        for (size_t j = 0; j < bridge->ports[i]->n_interfaces; j++) {
            const struct ovsrec_interface *iface
                = bridge->ports[i]->interfaces[j];

            if (is_physical(bridge, iface)) {
                found = iface->name;
                n++;
            }
        }
    }
    if (n != 1) {
        *error = xasprintf("bridge %s has %"PRIuSIZE" physical ports, "
                           "expected one: set alcor-uplink", device, n);
        return NULL;
    }
    return xstrdup(found);
}

void
apply_ovsdb_for_each_tunnel(
    const struct apply_ovsdb *ovsdb,
    void (*cb)(const char *encap, uint16_t ofport, void *aux), void *aux)
{
    const struct ovsrec_bridge *bridge = ovsdb_bridge(ovsdb);

    for (size_t i = 0; bridge && i < bridge->n_ports; i++) {
        const char *encap = ovsdb_tunnel_encap(bridge->ports[i]);

        if (encap) {
            const struct ovsrec_interface *iface
                = bridge->ports[i]->interfaces[0];

            if (ovsdb_iface_has_ofport(iface)) {
                cb(encap, iface->ofport[0], aux);
            }
        }
    }
}
