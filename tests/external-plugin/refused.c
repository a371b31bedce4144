/* SPDX-License-Identifier: Apache-2.0
 *
 * refused: shared objects that the agent refuses, or just not. */

/* No example: for that see vlan-guard.c.  tests/external-plugin.at builds this
 * file several times, with different macros, to see what the agent says. */

#include <config.h>

#include <errno.h>
#include "openvswitch/vlog.h"
#include "translate/plugin-provider.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(refused);

#ifndef ABI
#define ABI PLUGIN_ABI
#endif
#ifndef SIZE
#define SIZE sizeof(struct plugin_class)
#endif
#ifndef NAME
#define NAME "refused"
#endif
#ifndef NUMBER
#define NUMBER 0
#endif
#ifndef RETVAL
#define RETVAL 0
#endif
#ifndef TRANSLATE
#define TRANSLATE refused_translate
#endif
#ifndef LATER
#define LATER NULL
#endif

#ifdef OWN_OVS                  /* As if linked against libopenvswitch. */
const char *
ovs_get_program_name(void)
{
    return "refused";
}
#endif

#ifndef NO_CLASSES
#ifdef UNDEFINED
void alcor_has_no_such_function(void);
#endif

static int
refused_create(const struct smap *config OVS_UNUSED, struct plugin **pluginp)
{
    *pluginp = NULL;
#ifdef UNDEFINED
    alcor_has_no_such_function();
#endif
    return RETVAL;
}

static enum plugin_result OVS_UNUSED
refused_translate(struct plugin *plugin OVS_UNUSED,
                  struct goal_view *view OVS_UNUSED,
                  const struct goal_resource *r OVS_UNUSED,
                  struct plugin_output *out OVS_UNUSED,
                  char **errorp OVS_UNUSED)
{
    return PLUGIN_DONE;
}

/* What a class of a later version, with one member more, could look like. */
struct later_class {
    struct plugin_class up;
    int (*later)(const struct smap *, struct plugin **);
};

static const struct later_class refused_class = {
    .up = {
        .abi = ABI,
        .size = SIZE,
        .name = NAME,
        .number = NUMBER,
        .summary = "is refused",
        .create = refused_create,
        .translate = TRANSLATE,
    },
    .later = LATER,
};

extern const struct plugin_class *const alcor_plugin_classes[];
const struct plugin_class *const alcor_plugin_classes[] = {
    &refused_class.up,
    NULL,
};
#endif /* !NO_CLASSES */
