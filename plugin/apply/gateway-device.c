/* SPDX-License-Identifier: Apache-2.0
 *
 * gateway-device: a gateway's device: frames out, heartbeats, MACs. */

#include <config.h>

#include "apply/gateway-device.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>
#include "dp-packet.h"
#include "netlink-socket.h"
#include "netlink.h"
#include "openvswitch/ofpbuf.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "packets.h"
#include "socket-util.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(gateway_device);

struct gateway_device {
    char name[IFNAMSIZ];
    int ifindex;
    struct eth_addr mac;
    int frame_fd;               /* AF_PACKET. */
    int beat_fd;                /* UDP. */
    struct sockaddr_in group;
    unsigned long long int n_lost;
};

static char *
open_frames(struct gateway_device *dev)
{
    struct sockaddr_ll sll = {
        .sll_family = AF_PACKET,
        .sll_ifindex = dev->ifindex,
    };
    struct ifreq ifr;

    /* With protocol 0 it receives nothing. */
    dev->frame_fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC,
                           0);
    memset(&ifr, 0, sizeof ifr);
    ovs_strzcpy(ifr.ifr_name, dev->name, sizeof ifr.ifr_name);
    if (dev->frame_fd < 0
        || bind(dev->frame_fd, (struct sockaddr *) &sll, sizeof sll)
        || ioctl(dev->frame_fd, SIOCGIFHWADDR, &ifr)) {
        return xasprintf("%s: cannot send frames: %s", dev->name,
                         ovs_strerror(errno));
    }
    memcpy(&dev->mac, ifr.ifr_hwaddr.sa_data, sizeof dev->mac);
    return NULL;
}

static bool
set_option(int fd, int level, int option, const void *value, size_t size)
{
    return !setsockopt(fd, level, option, value, size);
}

static char *
open_heartbeats(struct gateway_device *dev, ovs_be32 source)
{
    struct ip_mreqn mreq = {
        .imr_multiaddr = dev->group.sin_addr,
        .imr_ifindex = dev->ifindex,
    };
    struct sockaddr_in local = {
        .sin_family = AF_INET,
        .sin_port = dev->group.sin_port,
        .sin_addr = dev->group.sin_addr,
    };
    struct sockaddr_in from = { .sin_family = AF_INET };
    int one = 1, zero = 0;

    from.sin_addr.s_addr = source;
    dev->beat_fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
                          0);
    mreq.imr_address = from.sin_addr;
    if (dev->beat_fd < 0
        || !set_option(dev->beat_fd, SOL_SOCKET, SO_REUSEADDR, &one,
                       sizeof one)
        || !set_option(dev->beat_fd, IPPROTO_IP, IP_MULTICAST_ALL, &zero,
                       sizeof zero)
        || !set_option(dev->beat_fd, IPPROTO_IP, IP_MULTICAST_LOOP, &zero,
                       sizeof zero)
        || !set_option(dev->beat_fd, IPPROTO_IP, IP_MULTICAST_IF, &mreq,
                       sizeof mreq)
        || bind(dev->beat_fd, (struct sockaddr *) &local, sizeof local)
        || !set_option(dev->beat_fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &mreq,
                       sizeof mreq)) {
        return xasprintf("%s: cannot exchange heartbeats: %s", dev->name,
                         ovs_strerror(errno));
    }
    return NULL;
}

char *
gateway_device_open(const char *name, ovs_be32 source, const char *group,
                    uint16_t port, struct gateway_device **devp)
{
    struct gateway_device *dev = xzalloc(sizeof *dev);
    char *error;

    *devp = NULL;
    ovs_strlcpy(dev->name, name, sizeof dev->name);
    dev->ifindex = if_nametoindex(name);
    dev->frame_fd = dev->beat_fd = -1;
    dev->group.sin_family = AF_INET;
    dev->group.sin_port = htons(port);
    inet_pton(AF_INET, group, &dev->group.sin_addr);
    error = (dev->ifindex ? open_frames(dev)
             : xasprintf("%s: no such device", name));
    error = error ? error : open_heartbeats(dev, source);
    if (error) {
        gateway_device_close(dev);
        return error;
    }
    *devp = dev;
    return NULL;
}

void
gateway_device_close(struct gateway_device *dev)
{
    if (dev) {
        if (dev->frame_fd >= 0) {
            close(dev->frame_fd);
        }
        if (dev->beat_fd >= 0) {
            close(dev->beat_fd);
        }
        free(dev);
    }
}

void
gateway_device_send(struct gateway_device *dev, const void *frame, size_t size)
{
    if (send(dev->frame_fd, frame, size, MSG_DONTWAIT) < 0) {
        dev->n_lost++;
    }
}

void
gateway_device_announce(struct gateway_device *dev, ovs_be32 ip,
                        struct eth_addr mac)
{
    uint64_t stub[128 / 8];
    struct dp_packet packet;

    dp_packet_use_stub(&packet, stub, sizeof stub);
    compose_arp(&packet, ARP_OP_REQUEST, mac, eth_addr_zero, true, ip, ip);
    gateway_device_send(dev, dp_packet_data(&packet), dp_packet_size(&packet));
    dp_packet_uninit(&packet);
}

/* MACs. */

char *
gateway_device_accept(struct gateway_device *dev, struct eth_addr mac,
                      bool accept)
{
    struct ndmsg ndm = {
        .ndm_family = AF_BRIDGE,
        .ndm_ifindex = dev->ifindex,
        .ndm_state = NUD_PERMANENT,
        .ndm_flags = NTF_SELF,
    };
    uint64_t stub[128 / 8];
    struct ofpbuf msg;
    int error;

    if (eth_addr_equals(mac, dev->mac)) {
        return NULL;
    }
    ofpbuf_use_stub(&msg, stub, sizeof stub);
    nl_msg_put_nlmsghdr(&msg, sizeof ndm,
                        accept ? RTM_NEWNEIGH : RTM_DELNEIGH,
                        NLM_F_REQUEST | NLM_F_ACK
                        | (accept ? NLM_F_CREATE : 0));
    nl_msg_put(&msg, &ndm, sizeof ndm);
    nl_msg_put_unspec(&msg, NDA_LLADDR, &mac, sizeof mac);
    error = nl_transact(NETLINK_ROUTE, &msg, NULL);
    ofpbuf_uninit(&msg);
    if (error == (accept ? EEXIST : ENOENT)) {
        error = 0;
    }
    return error ? xasprintf("%s: cannot %s frames for "ETH_ADDR_FMT": %s",
                             dev->name, accept ? "accept" : "refuse",
                             ETH_ADDR_ARGS(mac), ovs_strerror(error)) : NULL;
}

/* Heartbeats. */

void
gateway_device_send_heartbeat(struct gateway_device *dev, const void *packet,
                              size_t size)
{
    if (sendto(dev->beat_fd, packet, size, MSG_DONTWAIT,
               (struct sockaddr *) &dev->group, sizeof dev->group) < 0) {
        dev->n_lost++;
    }
}

int
gateway_device_receive_heartbeat(struct gateway_device *dev, void *packet,
                                 size_t size, ovs_be32 *src)
{
    struct sockaddr_in from;
    socklen_t len = sizeof from;
    ssize_t n = recvfrom(dev->beat_fd, packet, size, MSG_DONTWAIT | MSG_TRUNC,
                         (struct sockaddr *) &from, &len);

    if (n < 0) {
        return -1;
    }
    *src = from.sin_addr.s_addr;
    return n;
}

void
gateway_device_wait(struct gateway_device *dev)
{
    poll_fd_wait(dev->beat_fd, POLLIN);
}

unsigned long long int
gateway_device_n_lost(const struct gateway_device *dev)
{
    return dev->n_lost;
}
