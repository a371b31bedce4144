/* SPDX-License-Identifier: Apache-2.0
 *
 * plugin-registry: which plugins there are and which of them are enabled. */

#include <config.h>

#include "translate/plugin-registry.h"

#include <string.h>
#include "openvswitch/vlog.h"
#include "smap.h"
#include "sset.h"
#include "translate/plugin-provider.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(plugin_registry);

/* In the order in which they translate.  The first one is the foundation of
 * the others and cannot be disabled. */
static const struct plugin_class *const builtin_classes[] = {
    &pipeline_plugin_class,
    &tunnel_plugin_class,
    &l2_switching_plugin_class,
    &arp_nd_plugin_class,
};

static const struct plugin_entry *
find_number(const struct plugin_registry *registry, uint8_t number)
{
    for (size_t i = 0; i < registry->n; i++) {
        if (registry->entries[i].number == number) {
            return &registry->entries[i];
        }
    }
    return NULL;
}

static struct plugin_entry *
find_name(const struct plugin_registry *registry, const char *name)
{
    for (size_t i = 0; i < registry->n; i++) {
        if (!strcmp(registry->entries[i].class->name, name)) {
            return &registry->entries[i];
        }
    }
    return NULL;
}

/* Adds 'class' if it is sound. */
static void
register_class(struct plugin_registry *registry,
               const struct plugin_class *class)
{
    struct plugin_entry entry = { .class = class, .enabled = true };

    if (class->abi != PLUGIN_ABI || class->size != sizeof *class) {
        VLOG_WARN("plugin %s: built for ABI %"PRIu32" (%"PRIu32" bytes), "
                  "this agent has %d (%"PRIuSIZE"); ignored", class->name,
                  class->abi, class->size, PLUGIN_ABI, sizeof *class);
        return;
    }
    if (!class->name || !class->translate
        || find_name(registry, class->name)) {
        VLOG_WARN("plugin %s: without translate function or registered "
                  "twice; ignored", class->name ? class->name : "?");
        return;
    }
    entry.number = class->number;
    while (!entry.number || find_number(registry, entry.number)) {
        entry.number++;
    }
    if (class->create) {
        struct smap config = SMAP_INITIALIZER(&config);
        int error = class->create(&config, &entry.plugin);

        smap_destroy(&config);
        if (error) {
            VLOG_WARN("plugin %s: cannot be created (%s); ignored",
                      class->name, ovs_strerror(error));
            return;
        }
    }
    registry->entries = xrealloc(registry->entries,
                                 (registry->n + 1)
                                 * sizeof *registry->entries);
    registry->entries[registry->n++] = entry;
}

void
plugin_registry_init(struct plugin_registry *registry)
{
    *registry = (struct plugin_registry) { NULL, 0 };
    for (size_t i = 0; i < ARRAY_SIZE(builtin_classes); i++) {
        register_class(registry, builtin_classes[i]);
    }
}

void
plugin_registry_destroy(struct plugin_registry *registry)
{
    for (size_t i = 0; i < registry->n; i++) {
        const struct plugin_entry *entry = &registry->entries[i];

        if (entry->class->destroy) {
            entry->class->destroy(entry->plugin);
        }
    }
    free(registry->entries);
}

/* Returns an error message if 'names' contains a name that is no plugin's. */
static char *
check_names(const struct plugin_registry *registry, const struct sset *names)
{
    const char *name;

    SSET_FOR_EACH (name, names) {
        const char *bare = name[0] == '-' ? name + 1 : name;

        if (strcmp(name, "all") && !find_name(registry, bare)) {
            return xasprintf("\"%.64s\" is not a plugin; see ovs-appctl -t "
                             "alcor-agent plugin/list", bare);
        }
    }
    return NULL;
}

char *
plugin_registry_configure(struct plugin_registry *registry,
                          const char *names, bool *changed)
{
    struct sset set;
    const char *name;
    bool some = false;

    sset_from_delimited_string(&set, names ? names : "", ", ");
    char *error = check_names(registry, &set);
    if (error) {
        sset_destroy(&set);
        return error;
    }
    SSET_FOR_EACH (name, &set) {
        some |= name[0] != '-' && strcmp(name, "all");
    }

    *changed = false;
    for (size_t i = 0; i < registry->n; i++) {
        struct plugin_entry *entry = &registry->entries[i];
        char *minus = xasprintf("-%s", entry->class->name);
        bool enabled = (i == 0
                        || ((!some || sset_contains(&set, entry->class->name))
                            && !sset_contains(&set, minus)));

        free(minus);
        *changed |= enabled != entry->enabled;
        entry->enabled = enabled;
    }
    sset_destroy(&set);
    return NULL;
}

const char *
plugin_registry_name(const struct plugin_registry *registry, uint8_t number)
{
    const struct plugin_entry *entry = find_number(registry, number);

    return entry ? entry->class->name : NULL;
}
