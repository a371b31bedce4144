/* SPDX-License-Identifier: Apache-2.0
 *
 * dhcp: plugin "dhcp": the DHCP server of every subnet, on every host. */

#include <config.h>

#include <stdlib.h>
#include <string.h>
#include "byte-order.h"
#include "bitmap.h"
#include "coverage.h"
#include "flow.h"
#include "openvswitch/match.h"
#include "openvswitch/ofpbuf.h"
#include "openvswitch/vlog.h"
#include "translate/dhcp-options.h"
#include "translate/dhcp4-reply.h"
#include "translate/dhcp6-reply.h"
#include "translate/flow-draft.h"
#include "translate/plugin-provider.h"
#include "translate/plugin-registry.h"
#include "translate/punt.h"
#include "unaligned.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(dhcp);

COVERAGE_DEFINE(dhcp_bad_option);

/* A DHCP resource says which addresses the port with a MAC has in a subnet.
 * If DHCP is on in the subnet, it outputs to RESPOND one flow for each
 * version: questions from this MAC in this VPC are punted, with everything
 * that is needed for an answer (dhcp4-reply.h, dhcp6-reply.h) in the flow.
 * Whom no resource names gets no answer.
 *
 * The server is the subnet's gateway, or, where there is none, a link-local
 * address and a MAC that nobody else has. */

/* Seconds.  An option of the subnet may say otherwise. */
#define LEASE_TIME 86400

/* What the options of a subnet may take, all in all. */
#define DHCP_MAX_OPTIONS 1024

static const struct eth_addr default_mac = ETH_ADDR_C(fa,16,a1,c0,00,01);
#define DEFAULT_SERVER "169.254.169.253"

static struct eth_addr
server_mac(const struct goal_subnet *subnet)
{
    return (eth_addr_is_zero(subnet->gateway_mac) ? default_mac
            : subnet->gateway_mac);
}

static ovs_be32
server_ip(const struct goal_subnet *subnet)
{
    ovs_be32 ip = 0;

    if (ipv6_addr_is_set(&subnet->gateway_ip)
        && IN6_IS_ADDR_V4MAPPED(&subnet->gateway_ip)) {
        return in6_addr_get_mapped_ipv4(&subnet->gateway_ip);
    }
    ip_parse(DEFAULT_SERVER, &ip);
    return ip;
}

/* Options of version 4. */

struct options {
    struct ofpbuf *b;
    unsigned long *given;       /* Bitmap of codes that are in 'b'. */
};

static void
put_extra(struct options *o, const struct goal_subnet *subnet)
{
    static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(5, 20);
    size_t start = o->b->size;

    for (size_t i = 0; i < subnet->n_dhcp_options; i++) {
        const struct goal_dhcp_option *option = &subnet->dhcp_options[i];
        size_t size = o->b->size;
        char *error;
        uint8_t code = dhcp_option_put_text(o->b, option->name,
                                            option->value, &error);

        if (code && o->b->size - start > DHCP_MAX_OPTIONS) {
            o->b->size = size;
            error = xasprintf("DHCP option \"%s\" does not fit: %d bytes are "
                              "allowed for all", option->name,
                              DHCP_MAX_OPTIONS);
            code = 0;
        }
        if (code) {
            bitmap_set1(o->given, code);
        } else {
            COVERAGE_INC(dhcp_bad_option);
            VLOG_WARN_RL(&rl, "subnet %s: %s; left out", subnet->up.id,
                         error);
            free(error);
        }
    }
}

static void
put_default(struct options *o, uint8_t code, const void *value, size_t len)
{
    if (!bitmap_is_set(o->given, code) && len) {
        dhcp_option_put(o->b, code, value, len);
    }
}

static void
put_default_u32(struct options *o, uint8_t code, uint32_t value)
{
    ovs_be32 be = htonl(value);

    put_default(o, code, &be, sizeof be);
}

/* Returns the lease time, in seconds: what the subnet's options say, or
 * LEASE_TIME. */
static uint32_t
lease_time(const struct options *o)
{
    const uint8_t *p = o->b->data;
    const uint8_t *end = p + o->b->size;

    p += sizeof(struct dhcp4_data);
    for (; end - p >= 2 && end - p >= 2 + p[1]; p += 2 + p[1]) {
        if (p[0] == DHCP_LEASE_TIME && p[1] == 4) {
            return ntohl(get_unaligned_be32(
                ALIGNED_CAST(const ovs_be32 *, p + 2)));
        }
    }
    return LEASE_TIME;
}

/* The servers of the subnet that are of the given family, at most 16. */
static void
put_servers(struct ofpbuf *b, const struct goal_subnet *subnet, bool v6)
{
    for (size_t i = 0, n = 0; i < subnet->dns.n && n < 16; i++) {
        struct in6_addr ip6;
        ovs_be32 ip;

        if (v6 ? ipv6_parse(subnet->dns.names[i], &ip6)
            : ip_parse(subnet->dns.names[i], &ip)) {
            ofpbuf_put(b, v6 ? (void *) &ip6 : (void *) &ip, v6 ? 16 : 4);
            n++;
        }
    }
}

static void
put_defaults(struct options *o, const struct goal_network *net,
             const struct goal_dhcp *dhcp, uint16_t mtu)
{
    const struct goal_subnet *subnet = net->subnet;
    ovs_be32 mask = be32_prefix_mask(subnet->cidr.plen);
    ovs_be16 be_mtu = htons(mtu);
    uint32_t lease = lease_time(o);
    uint64_t stub[64 / 8];
    struct ofpbuf servers;

    put_default_u32(o, DHCP_LEASE_TIME, lease);
    put_default_u32(o, DHCP_RENEWAL_TIME, lease / 2);
    put_default_u32(o, DHCP_REBINDING_TIME, lease - lease / 8);
    put_default(o, DHCP_MASK, &mask, sizeof mask);
    if (ipv6_addr_is_set(&subnet->gateway_ip)) {
        ovs_be32 router = server_ip(subnet);

        put_default(o, DHCP_ROUTER, &router, sizeof router);
    }
    ofpbuf_use_stub(&servers, stub, sizeof stub);
    put_servers(&servers, subnet, false);
    put_default(o, DHCP_DNS, servers.data, servers.size);
    ofpbuf_uninit(&servers);
    put_default(o, DHCP_HOST_NAME, dhcp->host_name, strlen(dhcp->host_name));
    if (mtu) {
        put_default(o, DHCP_MTU, &be_mtu, sizeof be_mtu);
    }
}

/* What rides in the flows. */

static void
make_data4(const struct goal_network *net, const struct goal_dhcp *dhcp,
           uint16_t mtu, struct ofpbuf *b)
{
    unsigned long given[BITMAP_N_LONGS(256)];
    struct options o = { b, given };
    struct dhcp4_data data = {
        .server_mac = server_mac(net->subnet), .client_mac = dhcp->mac,
    };

    put_16aligned_be32(&data.server_ip, server_ip(net->subnet));
    put_16aligned_be32(&data.client_ip, in6_addr_get_mapped_ipv4(&dhcp->ipv4));
    ofpbuf_put(b, &data, sizeof data);
    memset(given, 0, sizeof given);
    put_extra(&o, net->subnet);
    put_defaults(&o, net, dhcp, mtu);
}

static void
make_data6(const struct goal_network *net, const struct goal_dhcp *dhcp,
           struct ofpbuf *b)
{
    struct dhcp6_data data = {
        .server_mac = server_mac(net->subnet), .client_mac = dhcp->mac,
    };

    memcpy(data.address, &dhcp->ipv6, sizeof data.address);
    ofpbuf_put(b, &data, sizeof data);
    put_servers(b, net->subnet, true);
}

/* Flows. */

/* Questions of the family's version from the MAC of 'dhcp' are punted with
 * 'data'. */
static char *
question_flow(struct plugin_output *out, const struct goal_network *net,
              const struct goal_dhcp *dhcp, bool v6,
              const struct ofpbuf *data)
{
    const struct punt punt = {
        .kind = PUNT_DHCP, .port_id = dhcp->up.id,
        .data = data->data, .len = data->size,
    };
    struct flow_draft f;

    flow_draft_init(&f, 0);
    match_set_metadata_masked(&f.match,
                              htonll(of_vpc_tag(net->type, net->vni)),
                              htonll(OF_TAG_VPC_MASK));
    match_set_dl_src(&f.match, dhcp->mac);
    flow_draft_match_family(&f, !v6);
    match_set_nw_proto(&f.match, IPPROTO_UDP);
    match_set_nw_frag_masked(&f.match, 0, FLOW_NW_FRAG_MASK);
    match_set_tp_src(&f.match, htons(v6 ? 546 : 68));
    match_set_tp_dst(&f.match, htons(v6 ? 547 : 67));

    char *error = output_punt(out, &f.acts, &punt);
    flow_draft_output(&f, out, OFS_RESPOND, OF_PRIO_HIGH);
    return error;
}

static enum plugin_result
dhcp_translate(struct plugin *plugin OVS_UNUSED, struct goal_view *view,
               const struct goal_resource *r, struct plugin_output *out,
               char **errorp)
{
    const struct goal_dhcp *dhcp = GOAL_DHCP_CAST(r);
    enum plugin_result result;
    struct goal_network net;
    struct ofpbuf data;

    result = goal_view_network(view, dhcp->subnet_id, &net, errorp);
    if (result != PLUGIN_DONE || !net.subnet->dhcp_enable) {
        return result;
    }
    ofpbuf_init(&data, 512);
    if (IN6_IS_ADDR_V4MAPPED(&dhcp->ipv4)
        && IN6_IS_ADDR_V4MAPPED(&net.subnet->cidr.addr)) {
        make_data4(&net, dhcp, goal_view_mtu(view, &net), &data);
        *errorp = question_flow(out, &net, dhcp, false, &data);
    }
    if (!*errorp && ipv6_addr_is_set(&dhcp->ipv6)) {
        ofpbuf_clear(&data);
        make_data6(&net, dhcp, &data);
        *errorp = question_flow(out, &net, dhcp, true, &data);
    }
    ofpbuf_uninit(&data);
    return *errorp ? PLUGIN_FAIL : PLUGIN_DONE;
}

static bool
dhcp_packet_in(const struct packet_view *view, struct packet_reply *reply)
{
    return (view->flow->dl_type == htons(ETH_TYPE_IP)
            ? dhcp4_reply(view, reply) : dhcp6_reply(view, reply));
}

const struct plugin_class dhcp_plugin_class = {
    .abi = PLUGIN_ABI,
    .size = sizeof(struct plugin_class),
    .name = "dhcp",
    .number = 8,
    .inputs = 1u << GOAL_DHCP,
    .stages = UINT64_C(1) << OFS_RESPOND,
    .summary = "DHCP and DHCPv6 answered on the host",
    .translate = dhcp_translate,
    .packet_in = dhcp_packet_in,
};
