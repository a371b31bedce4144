/* SPDX-License-Identifier: Apache-2.0
 *
 * vlan-guard: an external plugin: VMs do not send into reserved VLANs. */

/* An example of a plugin that is not part of the agent: copy it, and the
 * Makefile beside it.
 *
 * A VM that puts a VLAN tag on its packets may, where a physical switch looks
 * at that tag, reach what is not its own.  This plugin has the bridge drop
 * what VMs send with the tags in 'reserved'.  For each port that is bound to
 * an Interface it outputs, to the stage "admit", one flow for each of them.
 *
 * translate/plugin-provider.h says what a plugin is and may do. */

/* Open vSwitch's configuration.  It has to come before anything else. */
#include <config.h>

#include <stdlib.h>
#include "bitmap.h"
#include "flow.h"
#include "openvswitch/match.h"
#include "openvswitch/ofpbuf.h"
#include "openvswitch/vlog.h"
#include "translate/plugin-provider.h"
#include "util.h"
#include "vlan-bitmap.h"

/* Its messages come as "vlan_guard" in the agent's log; see also ovs-appctl -t
 * alcor-agent vlog/list. */
VLOG_DEFINE_THIS_MODULE(vlan_guard);

/* VLANs that VMs must not send into: the one that many switches use for what
 * has no tag, and the one that IEEE 802.1Q reserves. */
static const int64_t reserved[] = { 1, 4095 };

/* What the plugin keeps.  The agent only passes it on, so it may be anything,
 * but it must not influence the output: not, for example, by counting calls.
 * What follows from the class's configuration, as here, is fine. */
struct plugin {
    unsigned long *vlans;       /* Bitmap of 4096 bits. */
};

static int
vlan_guard_create(const struct smap *config OVS_UNUSED,
                  struct plugin **pluginp)
{
    struct plugin *plugin = xmalloc(sizeof *plugin);

    /* Of libopenvswitch, and nothing in the agent uses it.  It is there
     * nevertheless: the agent contains all of libopenvswitch. */
    plugin->vlans = vlan_bitmap_from_array(reserved, ARRAY_SIZE(reserved));
    *pluginp = plugin;
    return 0;
}

static void
vlan_guard_destroy(struct plugin *plugin)
{
    free(plugin->vlans);
    free(plugin);
}

/* What comes from 'ofport' in VLAN 'vid' is dropped. */
static void
guard_flow(struct plugin_output *out, uint32_t ofport, uint16_t vid)
{
    struct ofpbuf no_actions;
    struct match match;

    /* Another plugin's flow with the same match in the same stage would be in
     * conflict with this one.  OF_PRIO_GUARD is for flows that drop, before
     * others let anything pass. */
    match_init_catchall(&match);
    match_set_in_port(&match, u16_to_ofp(ofport));
    match_set_dl_vlan(&match, htons(vid), 0);
    ofpbuf_init(&no_actions, 0);
    output_flow(out, OFS_ADMIT, OF_PRIO_GUARD, &match, &no_actions);
    ofpbuf_uninit(&no_actions);
}

/* Called for each port, and again when it, or anything that was looked up for
 * it, has changed.  What it does not repeat then is removed from the bridge,
 * so there is no function for deletions. */
static enum plugin_result
vlan_guard_translate(struct plugin *plugin, struct goal_view *view,
                     const struct goal_resource *resource,
                     struct plugin_output *out, char **errorp OVS_UNUSED)
{
    static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(5, 20);
    const struct vol_binding *binding;
    size_t vid;

    /* Which Interface is it?  If there is none yet, that is no error: as this
     * was looked up, we are called again when there is one. */
    binding = goal_view_volatile(view, VOL_BINDING, resource->id);
    if (!binding) {
        return PLUGIN_DONE;
    }

    VLOG_DBG_RL(&rl, "guarding %s", binding->iface);
    BITMAP_FOR_EACH_1 (vid, 4096, plugin->vlans) {
        guard_flow(out, binding->ofport, vid);
    }
    return PLUGIN_DONE;
}

static const struct plugin_class vlan_guard_class = {
    /* What it was built with: the agent compares. */
    .abi = PLUGIN_ABI,
    .size = sizeof(struct plugin_class),

    .name = "vlan-guard",
    .summary = "drops what VMs send into reserved VLANs",

    /* What it is called for, and where it may output to. */
    .inputs = 1u << GOAL_PORT,
    .stages = UINT64_C(1) << OFS_ADMIT,

    .create = vlan_guard_create,
    .destroy = vlan_guard_destroy,
    .translate = vlan_guard_translate,
};

/* The one symbol that the agent looks for. */
extern const struct plugin_class *const alcor_plugin_classes[];
const struct plugin_class *const alcor_plugin_classes[] = {
    &vlan_guard_class,
    NULL,
};
