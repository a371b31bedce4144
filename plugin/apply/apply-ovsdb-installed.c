/* SPDX-License-Identifier: Apache-2.0
 *
 * apply-ovsdb-installed: external_ids:alcor-installed on Interfaces.
 *
 * Compares rows with what is wanted; apply-ovsdb-sink.c does the rest. */

#include <config.h>

#include "apply/apply-ovsdb-private.h"

#include <stdlib.h>
#include "hash.h"
#include "hmapx.h"
#include "ovsdb-idl.h"
#include "util.h"

#define INSTALLED_PREFIX "installed "

/* An Interface that has an iface-id or alcor-installed. */
struct iface_ref {
    struct hmap_node hmap_node; /* In struct apply_ovsdb's 'ifaces'. */
    const struct ovsrec_interface *iface;
    const char *id;             /* Its iface-id, "" if it has none. */
    bool on_bridge;             /* On the integration bridge. */
};

static const char *
installed_value(const struct ovsrec_interface *iface)
{
    return smap_get(&iface->external_ids, OVSDB_INSTALLED_KEY);
}

static void
installed_prepare(struct apply_ovsdb *ovsdb)
{
    const struct ovsrec_bridge *bridge = ovsdb_bridge(ovsdb);
    struct hmapx on_bridge = HMAPX_INITIALIZER(&on_bridge);
    const struct ovsrec_interface *iface;

    for (size_t i = 0; bridge && i < bridge->n_ports; i++) {
        for (size_t j = 0; j < bridge->ports[i]->n_interfaces; j++) {
            hmapx_add(&on_bridge, bridge->ports[i]->interfaces[j]);
        }
    }
    OVSREC_INTERFACE_FOR_EACH (iface, ovsdb->idl) {
        const char *id = smap_get_def(&iface->external_ids,
                                      OVSDB_IFACE_ID_KEY, "");

        if (id[0] || installed_value(iface)) {
            struct iface_ref *ref = xmalloc(sizeof *ref);

            *ref = (struct iface_ref) {
                .iface = iface, .id = id,
                .on_bridge = hmapx_contains(&on_bridge, iface),
            };
            hmap_insert(&ovsdb->ifaces, &ref->hmap_node, hash_string(id, 0));
        }
    }
    hmapx_destroy(&on_bridge);
}

static void
installed_finish(struct apply_ovsdb *ovsdb)
{
    struct iface_ref *ref;

    HMAP_FOR_EACH_POP (ref, hmap_node, &ovsdb->ifaces) {
        free(ref);
    }
}

/* True if 'ref' may have the key: only what the agent programs can be
 * installed. */
static bool
may_be_installed(const struct iface_ref *ref)
{
    return ref->on_bridge && ref->id[0];
}

static char *
installed_compose(struct apply_ovsdb *ovsdb, const char *key,
                  const char *value, bool *later OVS_UNUSED)
{
    if (strncmp(key, INSTALLED_PREFIX, strlen(INSTALLED_PREFIX))) {
        return value ? xasprintf("\"%s\" is not a known row", key) : NULL;
    }

    const char *id = key + strlen(INSTALLED_PREFIX);
    const struct iface_ref *ref;

    HMAP_FOR_EACH_WITH_HASH (ref, hmap_node, hash_string(id, 0),
                             &ovsdb->ifaces) {
        if (strcmp(ref->id, id)) {
            continue;
        }

        const char *have = installed_value(ref->iface);
        const char *want = may_be_installed(ref) ? value : NULL;

        if (nullable_string_is_equal(have, want)) {
            continue;
        } else if (want) {
            ovsrec_interface_update_external_ids_setkey(
                ref->iface, OVSDB_INSTALLED_KEY, want);
        } else {
            ovsrec_interface_update_external_ids_delkey(
                ref->iface, OVSDB_INSTALLED_KEY);
        }
    }
    return NULL;
}

static void
installed_inspect(struct apply_ovsdb *ovsdb, struct shash *presents)
{
    const struct iface_ref *ref;

    HMAP_FOR_EACH (ref, hmap_node, &ovsdb->ifaces) {
        const char *have = installed_value(ref->iface);
        bool may = may_be_installed(ref);

        if (have || may) {
            char *key = xasprintf(INSTALLED_PREFIX"%s", ref->id);

            ovsdb_present_add(presents, key,
                              !have ? OVSDB_ABSENT
                              : may ? OVSDB_PRESENT : OVSDB_ODD,
                              may ? have : NULL);
            free(key);
        }
    }
}

const struct ovsdb_rows ovsdb_installed_rows = {
    .sink = DS_OVSDB_LATE,
    .name = "alcor-installed keys",
    .prepare = installed_prepare,
    .finish = installed_finish,
    .compose = installed_compose,
    .inspect = installed_inspect,
};

void
ovsdb_installed_cleanup(struct apply_ovsdb *ovsdb)
{
    const struct ovsrec_interface *iface;

    OVSREC_INTERFACE_FOR_EACH (iface, ovsdb->idl) {
        if (installed_value(iface)) {
            ovsrec_interface_update_external_ids_delkey(iface,
                                                        OVSDB_INSTALLED_KEY);
        }
    }
}
