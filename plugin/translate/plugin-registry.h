/* SPDX-License-Identifier: Apache-2.0
 *
 * plugin-registry: which plugins there are and which of them are enabled. */

#ifndef TRANSLATE_PLUGIN_REGISTRY_H
#define TRANSLATE_PLUGIN_REGISTRY_H 1

/* Registry
 * = *
 * Built-in classes come from a static table, in the order in which they
 * translate; those of shared objects follow.  Each class is validated before
 * it is used: ABI and size, a name that nobody else has, a translate function;
 * what is used is a copy, whose members beyond the class's 'size' are null.
 * A class with number 0 gets one from 128 on that is made from its name, so
 * that its cookies stay the same from one start to the next.
 *
 * plugin_registry_configure() takes the value of external_ids:alcor-plugins:
 * "all" or nothing (all), names separated by commas (just these), or names
 * with a leading "-" (all but these).
 *
 * Thread-safety: main thread only. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "openvswitch/compiler.h"

struct plugin;
struct plugin_class;

struct plugin_entry {
    const struct plugin_class *class; /* Copy, owned. */
    struct plugin *plugin;
    uint8_t number;             /* In cookies. */
    bool enabled;
    char *file;                 /* Shared object; null: built in. */
};

struct plugin_registry {
    struct plugin_entry *entries;
    size_t n;
};

void plugin_registry_init(struct plugin_registry *);

/* Opens every *.so in directory 'dir', in the order of their names, and
 * registers the classes they export.  What is wrong with one is logged and
 * concerns no other.  A directory that does not exist holds none. */
void plugin_registry_load(struct plugin_registry *, const char *dir);
void plugin_registry_destroy(struct plugin_registry *);

/* Returns NULL, having stored in '*changed' whether the set of enabled plugins
 * has changed, or a malloc()'d message, having changed nothing. */
char *plugin_registry_configure(struct plugin_registry *, const char *names,
                                bool *changed) OVS_WARN_UNUSED_RESULT;

/* Name of the plugin with this number in cookies, or NULL. */
const char *plugin_registry_name(const struct plugin_registry *,
                                 uint8_t number);

extern const struct plugin_class pipeline_plugin_class;
extern const struct plugin_class tunnel_plugin_class;
extern const struct plugin_class l2_switching_plugin_class;
extern const struct plugin_class l2_flood_plugin_class;
extern const struct plugin_class l3_routing_plugin_class;
extern const struct plugin_class provider_plugin_class;
extern const struct plugin_class arp_nd_plugin_class;
extern const struct plugin_class port_security_plugin_class;
extern const struct plugin_class security_group_plugin_class;
extern const struct plugin_class on_demand_plugin_class;
extern const struct plugin_class announce_plugin_class;
extern const struct plugin_class dhcp_plugin_class;
extern const struct plugin_class fast_path_plugin_class;
extern const struct plugin_class zeta_gateway_plugin_class;
extern const struct plugin_class port_counters_plugin_class;
extern const struct plugin_class storm_control_plugin_class;

#endif /* translate/plugin-registry.h */
