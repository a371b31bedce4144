/* SPDX-License-Identifier: Apache-2.0
 *
 * tunnel: plugin "tunnel": one flow-based tunnel port per encapsulation. */

#include <config.h>

#include "flow.h"
#include "openvswitch/match.h"
#include "openvswitch/ofpbuf.h"
#include "translate/flow-actions.h"
#include "translate/plugin-provider.h"
#include "translate/plugin-registry.h"
#include "util.h"

/* Each subnet asks for the tunnel port of its encapsulation.  Once that has an
 * OpenFlow port number, three things follow, which all subnets share:
 *
 *    CLASSIFY: packets from the tunnel get encapsulation and VNI into the
 *    metadata, where a VPC's are (of-pipeline.h), and go to ARRIVAL.
 *
 *    ENCAP: packets whose tag says that encapsulation get the tag's VNI as
 *    tunnel id and go out.  Who sent the packet to ENCAP has set the tunnel's
 *    destination. */

static const char *
encapsulation(uint32_t network_type)
{
    switch (network_type) {
    case GOAL_NET_VXLAN: return "vxlan";
    case GOAL_NET_GRE: return "gre";
    case GOAL_NET_GENEVE: return "geneve";
    default: return NULL;
    }
}

static void
arrival_flow(struct plugin_output *out, uint32_t type, uint32_t ofport)
{
    uint64_t stub[512 / 8];
    struct ofpbuf ofpacts;
    struct match match;

    ofpbuf_use_stub(&ofpacts, stub, sizeof stub);
    match_init_catchall(&match);
    match_set_in_port(&match, u16_to_ofp(ofport));
    act_set_metadata(&ofpacts, of_vpc_tag(type, 0), UINT64_MAX);
    act_move(&ofpacts, MFF_TUN_ID, 0, MFF_METADATA, OF_TAG_VNI_SHIFT, 24);
    act_goto(&ofpacts, OFS_ARRIVAL);
    output_flow(out, OFS_CLASSIFY, OF_PRIO_NORMAL, &match, &ofpacts);
    ofpbuf_uninit(&ofpacts);
}

static void
encap_flow(struct plugin_output *out, uint32_t type, uint32_t ofport)
{
    uint64_t stub[512 / 8];
    struct ofpbuf ofpacts;
    struct match match;

    ofpbuf_use_stub(&ofpacts, stub, sizeof stub);
    match_init_catchall(&match);
    match_set_metadata_masked(&match, htonll(of_vpc_tag(type, 0)),
                              htonll(UINT64_MAX << OF_TAG_ENCAP_SHIFT));
    act_encap(&ofpacts, ofport);
    output_flow(out, OFS_ENCAP, OF_PRIO_NORMAL, &match, &ofpacts);
    ofpbuf_uninit(&ofpacts);
}

static enum plugin_result
tunnel_translate(struct plugin *plugin OVS_UNUSED, struct goal_view *view,
                 const struct goal_resource *r, struct plugin_output *out,
                 char **errorp)
{
    const struct goal_subnet *subnet = GOAL_SUBNET_CAST(r);
    const char *encap = encapsulation(subnet->network_type);

    if (subnet->network_type == GOAL_NET_VLAN) {
        return PLUGIN_DONE;     /* Plugin "provider" does it. */
    } else if (!encap) {
        *errorp = xstrdup("network_type: VXLAN_GPE is not available");
        return PLUGIN_FAIL;
    }

    output_tunnel(out, encap);

    const struct vol_tunnel *tunnel = goal_view_volatile(view, VOL_TUNNEL,
                                                         encap);
    if (!tunnel) {
        return PLUGIN_PARTIAL;
    }
    arrival_flow(out, subnet->network_type, tunnel->ofport);
    encap_flow(out, subnet->network_type, tunnel->ofport);
    return PLUGIN_DONE;
}

const struct plugin_class tunnel_plugin_class = {
    .abi = PLUGIN_ABI,
    .size = sizeof(struct plugin_class),
    .name = "tunnel",
    .number = 2,
    .inputs = 1u << GOAL_SUBNET,
    .stages = UINT64_C(1) << OFS_CLASSIFY | UINT64_C(1) << OFS_ENCAP,
    .summary = "tunnel ports, VNI in and out",
    .translate = tunnel_translate,
};
