/* SPDX-License-Identifier: Apache-2.0
 *
 * provider: plugin "provider": networks of type VLAN. */

#include <config.h>

#include "byte-order.h"
#include "flow.h"
#include "openvswitch/ofp-actions.h"
#include "packets.h"
#include "translate/flow-actions.h"
#include "translate/flow-draft.h"
#include "translate/plugin-provider.h"
#include "translate/plugin-registry.h"
#include "util.h"

/* A subnet of type VLAN asks for a patch port to the bridge that is mapped to
 * the physical network (alcor-bridge-mappings).  Once that has an OpenFlow
 * port number, it outputs
 *
 *    CLASSIFY: packets from the patch port with the subnet's VLAN id, which is
 *    its VNI, lose the tag and go to ARRIVAL; others are dropped.
 *
 *    ENCAP, PROVIDER: packets of such networks get their tag and go out.
 *
 * All else is as with tunnels; there are no tunnel destinations. */

#define PHYSNET "physnet"
#define MAX_VLAN 4094

static void
arrival_flows(struct plugin_output *out, const struct goal_network *net,
              uint32_t ofport)
{
    struct flow_draft f;

    flow_draft_init(&f, 0);
    match_set_in_port(&f.match, u16_to_ofp(ofport));
    match_set_dl_vlan(&f.match, htons(net->vni), 0);
    ofpact_put_STRIP_VLAN(&f.acts);
    act_set_metadata(&f.acts, of_vpc_tag(net->type, net->vni), UINT64_MAX);
    act_goto(&f.acts, OFS_ARRIVAL);
    flow_draft_output(&f, out, OFS_CLASSIFY, OF_PRIO_NORMAL);

    flow_draft_init(&f, 0);
    match_set_in_port(&f.match, u16_to_ofp(ofport));
    act_drop(&f.acts, OF_DROP_NOT_HERE);
    flow_draft_output(&f, out, OFS_CLASSIFY, OF_PRIO_LOW);
}

static void
departure_flows(struct plugin_output *out, uint32_t type, uint32_t ofport)
{
    struct flow_draft f;

    flow_draft_init(&f, 0);
    match_set_metadata_masked(&f.match, htonll(of_vpc_tag(type, 0)),
                              htonll(UINT64_MAX << OF_TAG_ENCAP_SHIFT));
    act_goto(&f.acts, OFS_PROVIDER);
    flow_draft_output(&f, out, OFS_ENCAP, OF_PRIO_NORMAL);

    flow_draft_init(&f, 0);
    match_set_metadata_masked(&f.match, htonll(of_vpc_tag(type, 0)),
                              htonll(UINT64_MAX << OF_TAG_ENCAP_SHIFT));
    match_set_dl_tci_masked(&f.match, 0, htons(VLAN_CFI));
    ofpact_put_PUSH_VLAN(&f.acts)->ethertype = htons(ETH_TYPE_VLAN_8021Q);
    act_move(&f.acts, MFF_METADATA, OF_TAG_VNI_SHIFT, MFF_VLAN_VID, 0, 12);
    act_output(&f.acts, ofport);
    flow_draft_output(&f, out, OFS_PROVIDER, OF_PRIO_NORMAL);
}

static enum plugin_result
provider_translate(struct plugin *plugin OVS_UNUSED, struct goal_view *view,
                   const struct goal_resource *r, struct plugin_output *out,
                   char **errorp)
{
    const struct goal_subnet *subnet = GOAL_SUBNET_CAST(r);
    struct goal_network net;

    if (subnet->network_type != GOAL_NET_VLAN) {
        return PLUGIN_DONE;
    }

    enum plugin_result result = goal_view_network(view, r->id, &net, errorp);
    if (result != PLUGIN_DONE) {
        return result;
    }
    if (net.vni > MAX_VLAN) {
        *errorp = xasprintf("tunnel_id: %"PRIu32", expected at most %d in a "
                            "network of type VLAN", net.vni, MAX_VLAN);
        return PLUGIN_REJECT;
    }

    const struct vol_provider *provider = goal_view_volatile(
        view, VOL_PROVIDER, PHYSNET);
    if (!provider) {
        *errorp = xasprintf("network_type: VLAN, and external_ids:"
                            "alcor-bridge-mappings maps no bridge to "
                            "\"%s\"", PHYSNET);
        return PLUGIN_FAIL;
    }
    output_patch(out, provider->bridge);
    if (!provider->ofport) {
        return PLUGIN_PARTIAL;
    }
    arrival_flows(out, &net, provider->ofport);
    departure_flows(out, net.type, provider->ofport);
    return PLUGIN_DONE;
}

const struct plugin_class provider_plugin_class = {
    .abi = PLUGIN_ABI,
    .size = sizeof(struct plugin_class),
    .name = "provider",
    .number = 14,
    .inputs = 1u << GOAL_SUBNET,
    .stages = (UINT64_C(1) << OFS_CLASSIFY | UINT64_C(1) << OFS_ENCAP
               | UINT64_C(1) << OFS_PROVIDER),
    .summary = "networks of type VLAN on a provider bridge",
    .translate = provider_translate,
};
