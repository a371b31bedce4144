/* SPDX-License-Identifier: Apache-2.0
 *
 * test-flow-names: names for the numbers in dumped flows.
 *
 *     alcortest flow-names NAMES < flows
 *
 * Copies standard input, what "ovs-ofctl dump-flows" prints, to standard
 * output, with words for what is hashed or may be numbered otherwise one day:
 *
 *     cookie=0xa1c0...          cookie=PLUGIN/KIND/ID
 *     table=48, goto_table:48   table=l2-lookup, goto_table:l2-lookup
 *     metadata=0x...            metadata=vxlan:VNI:SUBNET
 *
 * The file NAMES has lines "KIND,ID,...", as "goal-state/list --format=csv"
 * prints them.  What none of them explains is printed as "?"; cookies that are
 * not ours are left as they are. */

#include <config.h>

#undef NDEBUG
#include "apply/of-pipeline.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "alcortest.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/shash.h"
#include "store/goal-types.h"
#include "translate/plugin-registry.h"
#include "util.h"

struct names {
    struct plugin_registry plugins;
    struct shash resources;     /* "KIND/ID". */
};

static void
read_names(struct names *names, const char *file)
{
    struct ds line = DS_EMPTY_INITIALIZER;
    FILE *stream = fopen(file, "r");

    if (!stream) {
        ovs_fatal(errno, "%s", file);
    }
    while (!ds_get_line(&line, stream)) {
        char *save = NULL;
        const char *kind = strtok_r(ds_cstr(&line), ",", &save);
        const char *id = strtok_r(NULL, ",", &save);
        enum goal_kind unused;

        if (kind && id && goal_kind_from_string(kind, &unused)) {
            char *name = xasprintf("%s/%s", kind, id);

            shash_add_once(&names->resources, name, NULL);
            free(name);
        }
    }
    ds_destroy(&line);
    fclose(stream);
}

static void
put_cookie(struct ds *out, const struct names *names, uint64_t cookie)
{
    uint8_t plugin = of_cookie_plugin(cookie);
    const char *plugin_name = plugin_registry_name(&names->plugins, plugin);
    const struct shash_node *node;

    if (!of_cookie_is_ours(cookie)) {
        ds_put_format(out, "0x%"PRIx64, cookie);
        return;
    }
    ds_put_format(out, "%s/", plugin_name ? plugin_name : "?");
    SHASH_FOR_EACH (node, &names->resources) {
        const char *id = strchr(node->name, '/') + 1;
        char *kind = xmemdup0(node->name, id - 1 - node->name);
        uint64_t expected = of_cookie(plugin, kind, id);

        free(kind);
        if (expected == cookie) {
            ds_put_cstr(out, node->name);
            return;
        }
    }
    ds_put_char(out, '?');
}

static void
put_table(struct ds *out, const struct names *names OVS_UNUSED,
          uint64_t table)
{
    const char *name = of_table_to_string(table);

    if (name) {
        ds_put_cstr(out, name);
    } else {
        ds_put_format(out, "%"PRIu64, table);
    }
}

static void
put_tag(struct ds *out, const struct names *names, uint64_t tag)
{
    static const char *const types[] = {
        "vxlan", "vlan", "gre", "geneve", "vxlan-gpe",
    };
    uint32_t type = tag >> OF_TAG_ENCAP_SHIFT;
    uint32_t vni = (tag >> OF_TAG_VNI_SHIFT) & 0xffffff;
    const struct shash_node *node;

    ds_put_format(out, "%s:%"PRIu32, type < ARRAY_SIZE(types) ? types[type]
                  : "?", vni);
    if (!(uint32_t) tag) {
        return;
    }
    SHASH_FOR_EACH (node, &names->resources) {
        if (!strncmp(node->name, "SUBNET/", 7)
            && of_subnet_tag(type, vni, node->name + 7) == tag) {
            ds_put_format(out, ":%s", node->name + 7);
            return;
        }
    }
    ds_put_cstr(out, ":?");
}

/* What comes before the number, and what to print instead of it. */
static const struct pattern {
    const char *prefix;
    const char *suffix;         /* What must follow the number, or null. */
    void (*put)(struct ds *, const struct names *, uint64_t);
} patterns[] = {
    { "cookie=", NULL, put_cookie },
    { "goto_table:", NULL, put_table },
    { "table=", NULL, put_table },
    { "metadata=", NULL, put_tag },
    { "set_field:", "->metadata", put_tag },
};

/* If a pattern applies at 'p', appends its replacement and returns what is
 * left to be read, otherwise returns null. */
static const char *
replace(struct ds *out, const struct names *names, const char *p)
{
    for (size_t i = 0; i < ARRAY_SIZE(patterns); i++) {
        const struct pattern *pattern = &patterns[i];
        size_t len = strlen(pattern->prefix);
        char *end;

        if (!strncmp(p, pattern->prefix, len)) {
            uint64_t number = strtoull(p + len, &end, 0);

            if (end != p + len
                && (!pattern->suffix
                    || !strncmp(end, pattern->suffix,
                                strlen(pattern->suffix)))) {
                ds_put_cstr(out, pattern->prefix);
                pattern->put(out, names, number);
                return end;
            }
        }
    }
    return NULL;
}

static void
test_flow_names(int argc, char *argv[])
{
    struct names names = { .resources = SHASH_INITIALIZER(&names.resources) };
    struct ds line = DS_EMPTY_INITIALIZER, out = DS_EMPTY_INITIALIZER;

    if (argc != 2) {
        ovs_fatal(0, "usage: %s NAMES < FLOWS", argv[0]);
    }
    plugin_registry_init(&names.plugins);
    read_names(&names, argv[1]);
    while (!ds_get_line(&line, stdin)) {
        const char *p = ds_cstr(&line);

        ds_clear(&out);
        while (*p) {
            const char *next = replace(&out, &names, p);

            if (next) {
                p = next;
            } else {
                ds_put_char(&out, *p++);
            }
        }
        puts(ds_cstr(&out));
    }
    ds_destroy(&line);
    ds_destroy(&out);
    shash_destroy(&names.resources);
    plugin_registry_destroy(&names.plugins);
}

ALCORTEST_REGISTER("flow-names", test_flow_names);
