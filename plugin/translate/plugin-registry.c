/* SPDX-License-Identifier: Apache-2.0
 *
 * plugin-registry: which plugins there are and which of them are enabled. */

#include <config.h>

#include "translate/plugin-registry.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <string.h>
#include "hash.h"
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

/* Returns NULL if 'class' can be registered, or what is wrong with it. */
static char *
check_class(const struct plugin_registry *registry,
            const struct plugin_class *class)
{
    if (class->abi != PLUGIN_ABI
        || class->size < OFFSETOFEND(struct plugin_class, translate)) {
        return xasprintf("built for plugin ABI %"PRIu32" (%"PRIu32" bytes), "
                         "but this agent has ABI %d (%"PRIuSIZE" bytes): "
                         "build it again with this version's headers",
                         class->abi, class->size, PLUGIN_ABI, sizeof *class);
    } else if (!class->name || !class->name[0] || !class->summary
               || !class->translate) {
        return xstrdup("a class lacks its name, summary or translate "
                       "function");
    } else if (find_name(registry, class->name)) {
        return xasprintf("there is a plugin named %s already", class->name);
    }
    return NULL;
}

/* Returns the number for cookies of a class that has none of its own. */
static uint8_t
make_number(const struct plugin_registry *registry, const char *name)
{
    uint8_t number = 128 + hash_string(name, 0) % 128;

    for (int i = 0; i < 128 && find_number(registry, number); i++) {
        number = 128 + (number + 1) % 128;
    }
    return number;
}

/* Adds 'class', of the shared object 'file' (null: built in), if it is
 * sound. */
static void
register_class(struct plugin_registry *registry,
               const struct plugin_class *class, const char *file)
{
    struct plugin_entry entry = { .class = class, .enabled = true };
    char *error = check_class(registry, class);

    if (!error && class->create) {
        struct smap config = SMAP_INITIALIZER(&config);
        int retval = class->create(&config, &entry.plugin);

        smap_destroy(&config);
        error = (retval
                 ? xasprintf("plugin %s cannot be created (%s)", class->name,
                             ovs_strerror(retval))
                 : NULL);
    }
    if (error) {
        VLOG_WARN("%s: %s; not loaded", file ? file : "built-in plugin",
                  error);
        free(error);
        return;
    }
    entry.number = (class->number ? class->number
                    : make_number(registry, class->name));
    entry.file = nullable_xstrdup(file);
    registry->entries = xrealloc(registry->entries,
                                 (registry->n + 1)
                                 * sizeof *registry->entries);
    registry->entries[registry->n++] = entry;
}

/* Opens the shared object 'file' and registers its classes.  It is never
 * closed. */
static void
load_file(struct plugin_registry *registry, const char *file)
{
    void *handle = dlopen(file, RTLD_NOW | RTLD_LOCAL);

    if (!handle) {
        VLOG_WARN("%s; not loaded", dlerror());
        return;
    }

    const struct plugin_class *const *classes
        = dlsym(handle, "alcor_plugin_classes");
    if (!classes) {
        VLOG_WARN("%s: does not export alcor_plugin_classes; not loaded",
                  file);
        dlclose(handle);
        return;
    }
    for (; *classes; classes++) {
        size_t n = registry->n;

        register_class(registry, *classes, file);
        if (registry->n > n) {
            VLOG_INFO("%s: plugin %s", file, (*classes)->name);
        }
    }
}

static int
select_so(const struct dirent *de)
{
    size_t len = strlen(de->d_name);

    return len > 3 && !strcmp(de->d_name + len - 3, ".so");
}

void
plugin_registry_load(struct plugin_registry *registry, const char *dir)
{
    struct dirent **names;
    int n = scandir(dir, &names, select_so, alphasort);

    if (n < 0) {
        if (errno != ENOENT) {
            VLOG_WARN("%s: cannot be searched for plugins (%s)", dir,
                      ovs_strerror(errno));
        }
        return;
    }
    for (int i = 0; i < n; i++) {
        char *file = xasprintf("%s/%s", dir, names[i]->d_name);

        load_file(registry, file);
        free(file);
        free(names[i]);
    }
    free(names);
}

void
plugin_registry_init(struct plugin_registry *registry)
{
    *registry = (struct plugin_registry) { NULL, 0 };
    for (size_t i = 0; i < ARRAY_SIZE(builtin_classes); i++) {
        register_class(registry, builtin_classes[i], NULL);
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
        free(entry->file);
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
