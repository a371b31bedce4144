/* SPDX-License-Identifier: Apache-2.0
 *
 * device-buffer: what can wait for ovs-vswitchd, and what could not. */

#include <config.h>

#include "apply/device-buffer.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/netlink.h>
#include <linux/packet_diag.h>
#include <linux/sock_diag.h>
#include <net/if.h>
#include <sys/socket.h>
#include "netlink-socket.h"
#include "netlink.h"
#include "openvswitch/ofpbuf.h"
#include "util.h"

/* A socket. */
struct packet_socket {
    struct packet_diag_info info;
    uint32_t meminfo[SK_MEMINFO_VARS];
    bool has_ring;              /* As those of tcpdump, not of OVS. */
};

static void
copy_attr(const struct nlattr *attr, void *to, size_t size)
{
    memcpy(to, nl_attr_get(attr), MIN(nl_attr_get_size(attr), size));
}

/* Returns false if it is not one that reads everything. */
static bool
parse(const struct ofpbuf *reply, struct packet_socket *s)
{
    const size_t head = NLMSG_HDRLEN + sizeof(struct packet_diag_msg);
    const struct packet_diag_msg *msg;
    const struct nlattr *attr;
    size_t left;

    memset(s, 0, sizeof *s);
    if (reply->size < head) {
        return false;
    }
    msg = ofpbuf_at_assert(reply, NLMSG_HDRLEN, sizeof *msg);
    NL_ATTR_FOR_EACH (attr, left,
                      ofpbuf_at_assert(reply, head, 0),
                      reply->size - head) {
        switch (nl_attr_type(attr)) {
        case PACKET_DIAG_INFO:
            copy_attr(attr, &s->info, sizeof s->info);
            break;
        case PACKET_DIAG_MEMINFO:
            copy_attr(attr, s->meminfo, sizeof s->meminfo);
            break;
        case PACKET_DIAG_RX_RING:
            s->has_ring = true;
            break;
        }
    }
    return msg->pdiag_num == ETH_P_ALL && !s->has_ring;
}

bool
device_buffer_get(const char *device, struct device_buffer *buffer)
{
    const struct packet_diag_req req = {
        .sdiag_family = AF_PACKET,
        .pdiag_show = (PACKET_SHOW_INFO | PACKET_SHOW_RING_CFG
                       | PACKET_SHOW_MEMINFO),
    };
    uint32_t index = if_nametoindex(device);
    uint64_t stub[512];
    struct ofpbuf request, reply, buf;
    struct nl_dump dump;

    *buffer = (struct device_buffer) { .size = UINT64_MAX };
    ofpbuf_init(&request, 0);
    nl_msg_put_nlmsghdr(&request, sizeof req, SOCK_DIAG_BY_FAMILY,
                        NLM_F_REQUEST);
    nl_msg_put(&request, &req, sizeof req);
    nl_dump_start(&dump, NETLINK_SOCK_DIAG, &request);
    ofpbuf_uninit(&request);

    ofpbuf_use_stub(&buf, stub, sizeof stub);
    while (nl_dump_next(&dump, &reply, &buf)) {
        struct packet_socket s;

        if (parse(&reply, &s) && index && s.info.pdi_index == index) {
            buffer->size = MIN(buffer->size, s.meminfo[SK_MEMINFO_RCVBUF]);
            buffer->drops += s.meminfo[SK_MEMINFO_DROPS];
            buffer->waiting += s.meminfo[SK_MEMINFO_RMEM_ALLOC];
        }
    }
    ofpbuf_uninit(&buf);
    return !nl_dump_done(&dump) && buffer->size != UINT64_MAX;
}
