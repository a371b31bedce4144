/* SPDX-License-Identifier: Apache-2.0
 *
 * plugin-registry: which plugins there are and which of them are enabled. */

#include <config.h>

#include "translate/plugin-registry.h"

#include <dirent.h>
#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <link.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
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
    &port_security_plugin_class,
    &security_group_plugin_class,
    &l2_flood_plugin_class,
    &on_demand_plugin_class,
    &announce_plugin_class,
    &l3_routing_plugin_class,
    &provider_plugin_class,
    &dhcp_plugin_class,
    &fast_path_plugin_class,
    &zeta_gateway_plugin_class,
    &storm_control_plugin_class,
    &port_counters_plugin_class,
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

/* Members that classes of every version of this ABI have. */
#define MIN_CLASS_SIZE OFFSETOFEND(struct plugin_class, translate)

/* More than a class of any version has. */
#define MAX_CLASS_SIZE 4096

/* Stores in '*copyp' a copy of 'class', in which members beyond its size are
 * null, and returns NULL, or returns what is wrong with it.  Looks no further
 * than at 'abi' and 'size' unless they are right. */
static char *
copy_class(const struct plugin_class *class, struct plugin_class **copyp)
{
    if (class->abi != PLUGIN_ABI) {
        return xasprintf("built for plugin ABI %"PRIu32", but this agent has "
                         "ABI %d: build it again with this agent's headers",
                         class->abi, PLUGIN_ABI);
    } else if (class->size < MIN_CLASS_SIZE || class->size > MAX_CLASS_SIZE) {
        return xasprintf("a class cannot have %"PRIu32" bytes: its 'size' "
                         "has to be sizeof(struct plugin_class)",
                         class->size);
    } else if (class->size > sizeof *class
               && !is_all_zeros(class + 1, class->size - sizeof *class)) {
        return xstrdup("it has functions that this agent does not know: "
                       "build it again with this agent's headers, or update "
                       "the agent");
    }
    *copyp = xzalloc(sizeof **copyp);
    memcpy(*copyp, class, MIN(class->size, sizeof *class));
    return NULL;
}

/* True if 'name' can stand in external_ids:alcor-plugins. */
static bool
name_is_valid(const char *name)
{
    return (name[0] && name[0] != '-' && strcmp(name, "all")
            && !name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-")]);
}

/* Returns NULL if 'class' can be registered, or what is wrong with it. */
static char *
check_class(const struct plugin_registry *registry,
            const struct plugin_class *class, const char *file)
{
    if (!class->name || !class->summary || !class->translate) {
        return xstrdup("a class lacks its name, summary or translate "
                       "function");
    } else if (!name_is_valid(class->name)) {
        return xasprintf("\"%.64s\" cannot be a plugin's name: use lower "
                         "case letters, digits and \"-\"", class->name);
    } else if (find_name(registry, class->name)) {
        return xasprintf("there is a plugin named %s already", class->name);
    } else if (file && class->number) {
        return xasprintf("plugin %s: 'number' has to be 0", class->name);
    } else if (!file && find_number(registry, class->number)) {
        return xasprintf("plugin %s: another one has number %"PRIu8,
                         class->name, class->number);
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
    struct plugin_entry entry = { .enabled = true };
    struct plugin_class *copy = NULL;
    char *error = copy_class(class, &copy);

    if (!error) {
        error = check_class(registry, copy, file);
    }
    if (!error && copy->create) {
        struct smap config = SMAP_INITIALIZER(&config);
        int retval = copy->create(&config, &entry.plugin);

        smap_destroy(&config);
        error = (retval
                 ? xasprintf("plugin %s cannot be created (%s)", copy->name,
                             ovs_strerror(retval))
                 : NULL);
    }
    if (error) {
        VLOG_WARN("%s: %s; not loaded", file ? file : "built-in plugin",
                  error);
        free(error);
        free(copy);
        return;
    }
    entry.class = copy;
    entry.number = copy->number ? copy->number : make_number(registry,
                                                             copy->name);
    entry.file = nullable_xstrdup(file);
    registry->entries = xrealloc(registry->entries,
                                 (registry->n + 1)
                                 * sizeof *registry->entries);
    registry->entries[registry->n++] = entry;
    if (file) {
        VLOG_INFO("%s: plugin %s", file, copy->name);
    }
}

/* True if the shared object 'file' ends before what comes last in it, the
 * section headers: half copied, for example.  dlopen() does not notice; it
 * dies (SIGBUS) of what is not there. */
static bool
is_truncated(const char *file)
{
    FILE *stream = fopen(file, "rb");
    bool truncated = false;
    ElfW(Ehdr) header;
    struct stat s;

    if (stream) {
        truncated = (fread(&header, sizeof header, 1, stream) == 1
                     && !memcmp(header.e_ident, ELFMAG, SELFMAG)
                     && (header.e_ident[EI_CLASS]
                         == (sizeof(void *) == 8 ? ELFCLASS64 : ELFCLASS32))
                     && !fstat(fileno(stream), &s)
                     && (header.e_shoff
                         + (uint32_t) header.e_shnum * header.e_shentsize
                         > (uint64_t) s.st_size));
        fclose(stream);
    }
    return truncated;
}

/* Opens the shared object 'file' and registers its classes.  It is not closed
 * even if there are none: its constructors have linked its log module and
 * counters, if it has any, into the lists of ours. */
static void
load_file(struct plugin_registry *registry, const char *file)
{
    if (is_truncated(file)) {
        VLOG_WARN("%s: file is truncated: install it again; not loaded",
                  file);
        return;
    }

    void *handle = dlopen(file, RTLD_NOW | RTLD_LOCAL);
    if (!handle) {
        VLOG_WARN("%s; not loaded", dlerror());
        return;
    }

    /* This looks in 'file' and what it is linked against, but not in us. */
    if (dlsym(handle, "ovs_get_program_name")) {
        VLOG_WARN("%s: linked against a libopenvswitch of its own, but it has "
                  "to use the agent's; not loaded", file);
        return;
    }

    const struct plugin_class *const *classes
        = dlsym(handle, "alcor_plugin_classes");
    if (!classes) {
        VLOG_WARN("%s: does not export alcor_plugin_classes; not loaded",
                  file);
        return;
    }
    for (; *classes; classes++) {
        register_class(registry, *classes, file);
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
        free(CONST_CAST(struct plugin_class *, entry->class));
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
        } else if (bare != name && find_name(registry, bare)
                   == &registry->entries[0]) {
            return xasprintf("plugin %s cannot be disabled", bare);
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
