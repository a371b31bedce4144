/* SPDX-License-Identifier: Apache-2.0
 *
 * zeta-path: plugin "zeta-gateway": direct paths around gateways. */

#include <config.h>

#include "translate/zeta-gateway.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include "byte-order.h"
#include "flow.h"
#include "hash.h"
#include "store/goal-fit.h"
#include "translate/egress-policy.h"
#include "translate/flow-actions.h"
#include "translate/flow-draft.h"
#include "translate/plugin-provider.h"
#include "util.h"

/* A direct path (store/volatile-store.h) outputs one flow in UNKNOWN, before
 * that of the gateway: what the port sends to the destination, or for the
 * connection, gets the destination's MAC and goes to its host.  The port's
 * egress groups have judged the packet by then.
 *
 * It does so as long as all of this is true, of which some has been found when
 * the gateway told of it, and may change: the port is there, up, bound, and
 * has groups or none as it had then; its rules allow the flow; the gateway
 * still serves the destination. */

/* The network of a destination. */
struct search {
    struct goal_view *view;
    const struct vol_direct_path *path;
    struct in6_addr dst;
    bool served;                /* By the gateway that told of it. */
};

static void
check_network(const struct goal_resource *r, void *search_)
{
    struct search *s = search_;
    struct goal_network net;
    char *error = NULL;

    if (goal_prefix_has(&GOAL_SUBNET_CAST(r)->cidr, &s->dst)
        && goal_view_network(s->view, r->id, &net, &error) == PLUGIN_DONE
        && net.vni == s->path->vni) {
        const struct goal_gateway *g = goal_view_gateway(s->view, &net);

        s->served |= g && zeta_gateway_hash(g) == s->path->gateway;
    }
    free(error);
}

static bool
is_served(struct goal_view *view, const struct goal_port *port,
          const struct vol_direct_path *path)
{
    struct search s = { .view = view, .path = path };

    in6_addr_set_mapped_ipv4(&s.dst, path->dst);
    goal_view_index(view, GOAL_SUBNETS_OF_VPC, port->vpc_id, NULL,
                    check_network, &s);
    return s.served;
}

static bool
is_allowed(struct goal_view *view, const struct goal_port *port,
           const struct vol_direct_path *path)
{
    const struct egress_flow flow = {
        path->dst, path->src_port, path->dst_port, path->protocol,
    };

    return (path->by_connection == (port->security_groups.n > 0)
            && egress_policy_allows(view, port, &flow));
}

static void
path_flow(const struct vol_direct_path *path, uint32_t ofport,
          struct plugin_output *out)
{
    struct in6_addr host;
    struct flow_draft f;

    in6_addr_set_mapped_ipv4(&host, path->host_ip);
    flow_draft_init(&f, 0);
    match_set_metadata_masked(&f.match,
                              htonll(of_vpc_tag(GOAL_NET_VXLAN, path->vni)),
                              htonll(OF_TAG_VPC_MASK));
    match_set_in_port(&f.match, u16_to_ofp(ofport));
    flow_draft_match_family(&f, true);
    match_set_nw_dst(&f.match, path->dst);
    if (path->by_connection) {
        match_set_nw_src(&f.match, path->src);
        match_set_nw_proto(&f.match, path->protocol);
        if (path->protocol == IPPROTO_TCP || path->protocol == IPPROTO_UDP) {
            match_set_tp_src(&f.match, path->src_port);
            match_set_tp_dst(&f.match, path->dst_port);
        }
    }
    act_set_mac(&f.acts, MFF_ETH_DST, &path->mac);
    act_set_ip(&f.acts, MFF_TUN_DST, MFF_TUN_IPV6_DST, &host);
    act_set_flag(&f.acts, OF_FLAG_DIRECT);
    act_goto(&f.acts, OFS_ENCAP);
    flow_draft_output(&f, out, OFS_UNKNOWN, OF_PRIO_HIGH);
    output_next_hop(out, &host, &path->host_mac);
}

void
zeta_translate_path(struct plugin *plugin OVS_UNUSED, struct goal_view *view,
                    enum vol_kind kind OVS_UNUSED, const char *id,
                    const void *record, struct plugin_output *out)
{
    const struct vol_direct_path *path = record;
    const char *port_id = id + path->port_ofs;
    const struct goal_resource *r = goal_view_get(view, GOAL_PORT, port_id);
    const struct vol_binding *binding = goal_view_volatile(view, VOL_BINDING,
                                                           port_id);

    if (r && binding && GOAL_PORT_CAST(r)->admin_state_up
        && is_served(view, GOAL_PORT_CAST(r), path)
        && is_allowed(view, GOAL_PORT_CAST(r), path)) {
        path_flow(path, binding->ofport, out);
    }
}
