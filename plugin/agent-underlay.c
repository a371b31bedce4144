/* SPDX-License-Identifier: Apache-2.0
 *
 * agent-underlay: the device that has the host's address. */

#include <config.h>

#include <ifaddrs.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>
#include "agent-private.h"
#include "openvswitch/vlog.h"
#include "packets.h"
#include "socket-util.h"
#include "store/volatile-store.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(agent_underlay);

/* Tunnels carry what fits into a packet of the device that has
 * alcor-host-ip, less their headers: plugins find its MTU in the volatile
 * store.  It is looked up whenever something in the database changes, which
 * includes the MTU if the device is a bridge of Open vSwitch.
 *
 * Thread-safety: main thread only. */

static bool
has_address(const struct ifaddrs *ifa, const struct in6_addr *ip)
{
    struct in6_addr addr;

    if (!ifa->ifa_addr) {
        return false;
    } else if (ifa->ifa_addr->sa_family == AF_INET) {
        const struct sockaddr_in *sin
            = ALIGNED_CAST(const struct sockaddr_in *, ifa->ifa_addr);

        in6_addr_set_mapped_ipv4(&addr, sin->sin_addr.s_addr);
    } else if (ifa->ifa_addr->sa_family == AF_INET6) {
        const struct sockaddr_in6 *sin6
            = ALIGNED_CAST(const struct sockaddr_in6 *, ifa->ifa_addr);

        addr = sin6->sin6_addr;
    } else {
        return false;
    }
    return ipv6_addr_equals(&addr, ip);
}

/* Returns the MTU of the device called 'name', or 0. */
static uint32_t
device_mtu(const char *name)
{
    struct ifreq ifr;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    if (fd < 0) {
        return 0;
    }
    memset(&ifr, 0, sizeof ifr);
    ovs_strzcpy(ifr.ifr_name, name, sizeof ifr.ifr_name);
    uint32_t mtu = ioctl(fd, SIOCGIFMTU, &ifr) ? 0 : ifr.ifr_mtu;
    close(fd);
    return mtu;
}

void
agent_underlay_run(struct agent *agent)
{
    struct vol_underlay underlay;
    struct ifaddrs *list;

    memset(&underlay, 0, sizeof underlay);
    if (!agent->config.host_ip || getifaddrs(&list)) {
        return;
    }
    for (const struct ifaddrs *ifa = list; ifa && !underlay.mtu;
         ifa = ifa->ifa_next) {
        if (has_address(ifa, &agent->config.host_addr)) {
            underlay.mtu = device_mtu(ifa->ifa_name);
        }
    }
    freeifaddrs(list);
    if (vol_set(agent->vol, VOL_UNDERLAY, "", &underlay) && underlay.mtu) {
        VLOG_INFO("the device with %s has an MTU of %"PRIu32,
                  agent->config.host_ip, underlay.mtu);
    }
}
