/* SPDX-License-Identifier: Apache-2.0
 *
 * apply-bpf-veth: devices: what they are, and pairs of veths. */

#include <config.h>

#include "apply/apply-bpf-private.h"

#include <errno.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include "netlink.h"
#include "netlink-socket.h"
#include "openvswitch/ofpbuf.h"
#include "util.h"

uint32_t
apply_bpf_ifindex(const char *device)
{
    return if_nametoindex(device);
}

/* Returns what rtnetlink says about a device, which the caller must free, or
 * null. */
static struct ofpbuf *
ask_link(uint32_t ifindex)
{
    struct ofpbuf request, *reply;
    int error;

    ofpbuf_init(&request, 64);
    nl_msg_put_nlmsghdr(&request, sizeof(struct ifinfomsg), RTM_GETLINK,
                        NLM_F_REQUEST);
    struct ifinfomsg *ifi = ofpbuf_put_zeros(&request, sizeof *ifi);
    ifi->ifi_index = ifindex;
    error = nl_transact(NETLINK_ROUTE, &request, &reply);
    ofpbuf_uninit(&request);
    return error ? NULL : reply;
}

bool
apply_bpf_get_device_stats(uint32_t ifindex,
                           struct apply_bpf_device_stats *stats)
{
    static const struct nl_policy policy[] = {
        [IFLA_STATS64] = { NL_POLICY_FOR(struct rtnl_link_stats64) },
    };
    struct nlattr *attrs[ARRAY_SIZE(policy)];
    struct rtnl_link_stats64 link;
    struct ofpbuf *reply = ask_link(ifindex);
    bool ok = reply && nl_policy_parse(
        reply, NLMSG_HDRLEN + sizeof(struct ifinfomsg), policy, attrs,
        ARRAY_SIZE(policy));

    if (ok) {
        memcpy(&link, nl_attr_get(attrs[IFLA_STATS64]), sizeof link);
        *stats = (struct apply_bpf_device_stats) {
            link.rx_packets, link.rx_bytes, link.tx_packets, link.tx_bytes,
        };
    }
    ofpbuf_delete(reply);
    return ok;
}

bool
apply_bpf_get_link(uint32_t ifindex, struct link_info *info)
{
    static const struct nl_policy policy[] = {
        [IFLA_MTU] = { .type = NL_A_U32, .optional = true },
        [IFLA_LINK] = { .type = NL_A_U32, .optional = true },
        [IFLA_LINKINFO] = { .type = NL_A_NESTED, .optional = true },
        [IFLA_LINK_NETNSID] = { .type = NL_A_U32, .optional = true },
    };
    static const struct nl_policy info_policy[] = {
        [IFLA_INFO_KIND] = { .type = NL_A_STRING, .optional = true },
    };
    struct nlattr *attrs[ARRAY_SIZE(policy)];
    struct nlattr *infos[ARRAY_SIZE(info_policy)];
    struct ofpbuf *reply = ask_link(ifindex);
    bool ok;

    *info = (struct link_info) { .mtu = 1500, .peer_netns = -1 };
    if (!reply) {
        return false;
    }
    ok = nl_policy_parse(reply, NLMSG_HDRLEN + sizeof(struct ifinfomsg),
                         policy, attrs, ARRAY_SIZE(policy));
    if (ok) {
        if (attrs[IFLA_MTU]) {
            info->mtu = nl_attr_get_u32(attrs[IFLA_MTU]);
        }
        if (attrs[IFLA_LINKINFO]
            && nl_parse_nested(attrs[IFLA_LINKINFO], info_policy, infos,
                               ARRAY_SIZE(info_policy))
            && infos[IFLA_INFO_KIND]) {
            info->is_veth = !strcmp(nl_attr_get_string(infos[IFLA_INFO_KIND]),
                                    "veth");
        }
        if (info->is_veth && attrs[IFLA_LINK]) {
            info->peer = nl_attr_get_u32(attrs[IFLA_LINK]);
            if (attrs[IFLA_LINK_NETNSID]) {
                info->peer_netns = nl_attr_get_u32(attrs[IFLA_LINK_NETNSID]);
            }
        }
    }
    ofpbuf_delete(reply);
    return ok;
}

bool
apply_bpf_is_veth(uint32_t ifindex)
{
    struct link_info info;

    return apply_bpf_get_link(ifindex, &info) && info.is_veth;
}

/* Pairs. */

void
apply_bpf_pair_names(const char *device, char ours[16], char ovs[16])
{
    uint32_t ifindex = apply_bpf_ifindex(device);

    snprintf(ours, 16, "alfp%"PRIu32"k", ifindex);
    snprintf(ovs, 16, "alfp%"PRIu32"o", ifindex);
}

bool
apply_bpf_has_pair(const char *device)
{
    char ours[16], ovs[16];

    apply_bpf_pair_names(device, ours, ovs);
    return apply_bpf_ifindex(ovs) != 0;
}

bool
apply_bpf_is_pair(const char *device)
{
    uint32_t ifindex;
    char last;

    return (ovs_scan(device, "alfp%"SCNu32"%c", &ifindex, &last)
            && last == 'k');
}

static void
put_pair(struct ofpbuf *msg, const char *ours, const char *ovs, uint32_t mtu)
{
    size_t info, data, peer;

    ofpbuf_put_zeros(msg, sizeof(struct ifinfomsg));
    nl_msg_put_string(msg, IFLA_IFNAME, ours);
    nl_msg_put_u32(msg, IFLA_MTU, mtu);
    info = nl_msg_start_nested(msg, IFLA_LINKINFO);
    nl_msg_put_string(msg, IFLA_INFO_KIND, "veth");
    data = nl_msg_start_nested(msg, IFLA_INFO_DATA);
    peer = nl_msg_start_nested(msg, VETH_INFO_PEER);
    ofpbuf_put_zeros(msg, sizeof(struct ifinfomsg));
    nl_msg_put_string(msg, IFLA_IFNAME, ovs);
    nl_msg_put_u32(msg, IFLA_MTU, mtu);
    nl_msg_end_nested(msg, peer);
    nl_msg_end_nested(msg, data);
    nl_msg_end_nested(msg, info);
}

/* Puts a device up, or deletes it ('type' RTM_DELLINK). */
static int
change_link(uint32_t ifindex, uint16_t type)
{
    struct ofpbuf msg;
    int error;

    ofpbuf_init(&msg, 64);
    nl_msg_put_nlmsghdr(&msg, 0, type, NLM_F_REQUEST | NLM_F_ACK);
    struct ifinfomsg *ifi = ofpbuf_put_zeros(&msg, sizeof *ifi);
    ifi->ifi_index = ifindex;
    ifi->ifi_flags = IFF_UP;
    ifi->ifi_change = IFF_UP;
    error = nl_transact(NETLINK_ROUTE, &msg, NULL);
    ofpbuf_uninit(&msg);
    return error;
}

void
apply_bpf_delete_device(uint32_t ifindex)
{
    change_link(ifindex, RTM_DELLINK);
}

char *
apply_bpf_make_pair(const char *device, uint32_t *ifindex)
{
    char ours[16], ovs[16];
    struct link_info info;
    struct ofpbuf msg;
    int error;

    apply_bpf_pair_names(device, ours, ovs);
    if (!apply_bpf_get_link(apply_bpf_ifindex(device), &info)) {
        return xasprintf("%s: no such device", device);
    }
    if (!apply_bpf_ifindex(ours)) {
        ofpbuf_init(&msg, 256);
        nl_msg_put_nlmsghdr(&msg, 0, RTM_NEWLINK,
                            NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE
                            | NLM_F_EXCL);
        put_pair(&msg, ours, ovs, info.mtu);
        error = nl_transact(NETLINK_ROUTE, &msg, NULL);
        ofpbuf_uninit(&msg);
        if (error) {
            return xasprintf("%s: cannot create: %s", ours,
                             ovs_strerror(error));
        }
    }

    /* What enters it is segmented and checksummed: vswitchd reads it. */
    if (!apply_bpf_no_offloads(ours)) {
        return xasprintf("%s: cannot switch checksum offload off", ours);
    }
    apply_bpf_no_offloads(ovs);
    *ifindex = apply_bpf_ifindex(ours);
    error = change_link(*ifindex, RTM_NEWLINK);
    error = error ? error : change_link(apply_bpf_ifindex(ovs), RTM_NEWLINK);
    return (error
            ? xasprintf("%s: cannot be put up: %s", ours, ovs_strerror(error))
            : NULL);
}
